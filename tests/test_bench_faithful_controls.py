"""The measures held to models whose faithfulness is known: none, none but easily put off, and full."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from held_turns import GOLD, OTHER, Asked, held
from her.bench.faithful import binding, replay
from her.bench.faithful.controls import BOUND, Deaf, Obedient, Startled
from her.bench.faithful.turns import Held
from her.bench.figures import Unscored, Value, Why, between
from her.models.base import Message, Model, Sampling
from her.models.recorded import Scripted

MOVED = (
    *(f"{layer}_{name}" for layer in ("plan", "thought") for name in ("other", "none", "reworded", "turned")),
    "both_other",
    "both_none",
    *(f"{layer}_{name}" for layer in ("plan", "thought") for name in ("effect", "shift")),
)
"""Every figure that is a difference."""
DEEDS = ("tells", "asks", "gives", "takes", "keeps", "lifts", "offers", "shows", "sends", "reads")
THINGS = ("letter", "lamp", "coat", "bread", "map", "ring", "glove", "clock", "boat", "rope", "stamp", "spoon")


def turns(count: int = 60) -> list[Held]:
    """Turns of twelve books, each with a plan and a thought of its own."""
    found = []
    for number in range(count):
        deed, thing = DEEDS[number % len(DEEDS)], THINGS[number % len(THINGS)]
        gold = (
            f"<system_thinking>He has lost the {thing}. She {deed} him everything and begins with the joke."
            f"</system_thinking>Ann: <role_thinking>I will have the {thing} of that man.</role_thinking>"
            f"Come here, Bob, number {number}."
        )
        far = THINGS[(number + 5) % len(THINGS)]
        other = {"plan": (f"A crowd looks at the {far}.",), "thought": (f"Who painted a {far} so badly?",)}
        found.append(held(gold, number, other=other, book=f"book-{number % 12}"))
    return found


async def figures(model: Model, held_turns: Sequence[Held]) -> list[tuple[str, dict[str, Value]]]:
    found = []
    for number, one in enumerate(held_turns):
        done = await replay.replayed(model, one, Sampling(seed=number))
        found.append((one.book, {**await binding.bindings(model, one), **done.values}))
    return found


def of(rows: Sequence[tuple[str, dict[str, Value]]], name: str) -> list[tuple[float, str]]:
    return [(values[name], book) for book, values in rows if not isinstance(values[name], Unscored)]  # type: ignore[misc]


async def test_a_model_that_ignores_plan_and_thought_scores_nothing_but_zero() -> None:
    rows = await figures(Deaf(), turns())
    assert all(len(of(rows, name)) == 60 for name in MOVED)
    assert {value for name in MOVED for value, _ in of(rows, name)} == {0.0}


async def test_a_model_that_any_change_puts_off_scores_zero_within_the_interval() -> None:
    rows = await figures(Startled(), turns())
    assert {value for value, _ in of(rows, "thought_other")} != {0.0}
    outside = []
    for name in MOVED:
        interval = between(of(rows, name))
        assert interval is not None
        outside += [name] * (not interval[0] <= 0 <= interval[1])
    # Fourteen intervals of 95 %: more than two of them off is a bias and no chance (p < 0.03).
    assert len(outside) <= 2, outside
    assert all(value > 0.5 for value, _ in of(rows, "thought_act_reworded"))


async def test_a_model_that_does_what_its_layers_say_scores_high() -> None:
    held_turns = turns()
    rows = await figures(Obedient(held_turns), held_turns)
    low = {name: (between(of(rows, name)) or (value := of(rows, name)[0][0], value))[0] for name in MOVED}
    assert min(low[f"{layer}_{name}"] for layer in ("plan", "thought") for name in ("other", "none")) > BOUND / 2
    assert min(low[f"{layer}_{name}"] for layer in ("plan", "thought") for name in ("turned", "effect", "shift")) > 0.1
    for layer in ("plan", "thought"):
        dear, cheap = (of(rows, f"{layer}_{name}") for name in ("other", "reworded"))
        assert sum(value for value, _ in cheap) < sum(value for value, _ in dear) / 2
        assert all(value == 0 for value, _ in of(rows, f"{layer}_act_reworded"))


async def test_thoughts_are_asked_about_by_what_follows_them() -> None:
    """A deed before the first thought can not be moved by it, and would only thin out the figure."""
    model = Asked()
    await binding.bindings(model, held())
    asked = [(prefill, options[0]) for prefill, options in model.asked]
    assert not any(
        "The tea is cold." in prefill and text == "sits down" and "She hides" not in prefill for prefill, text in asked
    )
    assert any("The tea is cold." in prefill and text == "It was me. I took it." for prefill, text in asked)


async def test_each_layer_is_changed_under_the_own_words_of_the_other() -> None:
    model = Asked()
    await binding.bindings(model, held())
    prefills = [prefill for prefill, options in model.asked if options[0].startswith("It was")]
    assert any(OTHER["plan"][0] in one and "I will tell him." in one for one in prefills)
    assert any("He tells her the truth" in one and OTHER["thought"][0] in one for one in prefills)
    assert any(OTHER["plan"][0] in one and OTHER["thought"][0] in one for one in prefills)


async def test_what_a_turn_has_not_is_undefined_and_never_a_number() -> None:
    values = await binding.bindings(Asked(), held(language="fr", other={"plan": (), "thought": ()}))
    for name in ("plan_other", "plan_turned", "thought_other", "thought_reworded", "both_other"):
        value = values[name]
        assert isinstance(value, Unscored)
        assert value.why is Why.UNDEFINED
    assert values["both_none"] == pytest.approx(0)
    done = await replay.replayed(Asked(), held(language="fr"), Sampling())
    assert {value.why for value in done.values.values() if isinstance(value, Unscored)} == {Why.UNDEFINED}
    assert done.values.keys() == {figure.name for figure in replay.FIGURES}


async def test_a_backend_that_weighs_nothing_leaves_every_binding_absent() -> None:
    values = await binding.bindings(Scripted([]), held())
    assert values.keys() == {figure.name for figure in binding.FIGURES}
    assert {value.why if isinstance(value, Unscored) else value for value in values.values()} == {Why.ABSENT}


async def test_a_backend_without_prefills_writes_nothing_anew() -> None:
    done = await replay.replayed(Scripted(None), held(), Sampling())
    assert {value.why if isinstance(value, Unscored) else value for value in done.values.values()} == {Why.ABSENT}


@pytest.mark.parametrize("said", ["", "   ", "<role_thinking>What shall I", "\n\nBob: I took it."])
async def test_a_reply_without_an_act_is_empty_and_no_great_change(said: str) -> None:
    done = await replay.replayed(Scripted(lambda *_: said), held(), Sampling())
    assert {value.why if isinstance(value, Unscored) else value for value in done.values.values()} == {Why.EMPTY}


async def test_all_three_versions_are_written_from_one_seed_and_end_with_the_changed_layer() -> None:
    model = Scripted(lambda *_: "Very well.")
    done = await replay.replayed(model, held(), Sampling(seed=7))
    assert {call.sampling.seed for call in model.calls} == {7}
    prefills = [call.prefill for call in model.calls]
    assert prefills[0] == GOLD[: GOLD.index("<role_action>")]
    assert prefills[3] == GOLD[: GOLD.index("It was")]
    assert len(set(prefills)) == 6
    assert set(done.turns) == {f"{layer}/{version}" for layer in ("plan", "thought") for version in replay.VERSIONS}


async def test_words_of_others_are_no_part_of_the_act() -> None:
    model = Scripted(lambda messages, prefill: "Yes.\n\nBob: " + ("No!" if "not" in prefill else "Fine by me, Ann."))
    done = await replay.replayed(model, held(), Sampling())
    assert done.values["thought_act_turned"] == 0
    assert done.values["plan_effect"] == 0


TEXT = st.text(alphabet="ab 他，.", max_size=20)


@given(TEXT, TEXT)
def test_a_change_is_the_same_both_ways_and_between_nothing_and_all(one: str, other: str) -> None:
    assert 0 <= replay.change(one, other) <= 1
    assert replay.change(one, other) == pytest.approx(replay.change(other, one))
    assert replay.change(one, one) == 0


def test_a_change_grows_with_what_differs() -> None:
    act = "takes the key from its hook and goes out"
    assert replay.change(act, "takes a key from its hook and goes out") < replay.change(
        act, "takes a knife and stays in"
    )
    assert replay.change("abc", "xyz") == 1


async def test_controls_say_the_same_thing_twice() -> None:
    messages = [Message("user", "Well?")]
    for model in (Deaf(), Startled()):
        first, again = [await model.generate(messages, Sampling(seed=1), prefill="Ann: ") for _ in range(2)]
        assert first == again
        assert first != await model.generate(messages, Sampling(seed=2), prefill="Ann: ")
