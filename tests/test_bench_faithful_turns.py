"""Held-out turns and their versions, and how an act is weighed: what is asked of a model, and what is not charged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")
pytest.importorskip("pyarrow", reason="needs the synth extra")

from hypothesis import given
from hypothesis import strategies as st

from held_turns import GOLD, Asked, held
from her.bench.faithful.turns import Held, held_out
from her.bench.faithful.weigh import Stretch, Weighed, stretches, weigh
from her.bench.figures import Unscored, Why
from her.errors import ContextOverflow, InputError
from her.markup import notation, render
from her.models.base import Message
from her.models.recorded import Scripted
from her.turn import PRIVATE, Kind, Segment, Turn
from sampled import ACTION, PLAN, SPEECH, THOUGHT, made, said, small

MESSAGES = [Message("system", "You are Ann.")]


def scene(id: str, word: str) -> object:
    both = (
        (PLAN, f"She asks for {word}."),
        (THOUGHT, f"I will have {word}."),
        (SPEECH, f"Give me {word} now, please."),
    )
    return small(
        id,
        said("t01", "Ann", *both),
        said("t02", "Bob", (PLAN, "He stays."), (SPEECH, f"No {word} for you, not today nor ever."), (THOUGHT, "Ha.")),
        said("t03", "Ann", (PLAN, f"She takes {word}."), (ACTION, f"takes {word}"), (SPEECH, f"Mine, that {word}.")),
        book=f"Book {id[0]}",
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [scene("a/0/1", "bread"), scene("a/1/1", "wine"), scene("b/0/1", "salt")]
    return made(rows, tmp_path_factory.mktemp("held"), shares={"sft": 1.0})[1]  # type: ignore[arg-type]


def test_only_turns_with_a_plan_a_thought_and_an_act_after_it_are_held(data: Path) -> None:
    found = [one for split in ("train", "validation", "test") for one in tried(data, split)]
    assert len(found) == 3
    assert all(one.speaker == "Ann" and one.texts("thought")[0].startswith("I will have") for one in found)
    assert all("Bob" in one.cast and one.messages[-1].role == "user" for one in found)


def tried(data: Path, split: str) -> list[Held]:
    try:
        return held_out(data, split)
    except InputError as error:
        assert "-T split=" in str(error)
        return []


def test_the_other_layers_are_of_another_scene_where_there_is_one(data: Path) -> None:
    found = {one.id: one for split in ("train", "validation", "test") for one in tried(data, split)}
    first = next(one for id, one in found.items() if "bread" in one.texts("thought")[0])
    assert first.elsewhere == {"plan": True, "thought": True}
    assert "wine" in first.other["plan"][0]
    assert first.other["thought"] == ("I will have wine.",)
    alone = next(one for one in found.values() if "salt" in one.texts("thought")[0])
    assert alone.elsewhere == {"plan": False, "thought": False}
    assert alone.other == {"plan": ("She takes salt.",), "thought": ()}
    assert alone.version("thought", "other") is None


def test_the_turns_of_a_limit_are_among_those_of_a_larger_one() -> None:
    folder = Path(__file__).parents[1] / "datasets" / "her-scenes"
    if not folder.is_dir():
        pytest.skip("needs datasets/her-scenes of the repository")
    few, more = ({one.id for one in held_out(folder, "test", limit=limit)} for limit in (5, 20))
    assert len(few) == 5
    assert few < more


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="-T data=FOLDER"):
        held_out(tmp_path / "none", "test")


def test_a_version_changes_its_layer_alone() -> None:
    gold = held().gold
    for layer, kind in (("plan", Kind.SYSTEM_THINKING), ("thought", Kind.ROLE_THINKING)):
        for version in ("none", "other", "turned", "reworded"):
            changed = held().gold_with({layer: version})  # type: ignore[dict-item]
            assert changed is not None
            assert len(changed) == len(gold)
            differ = {one.kind for one, own in zip(changed, gold, strict=True) if one != own}
            assert differ == {kind}
    assert held().gold_with({}) == gold
    assert held(language="fr").gold_with({"plan": "turned"}) is None


def test_a_thought_of_two_is_filled_from_one() -> None:
    two = held("<system_thinking>She goes.</system_thinking>Ann: <role_thinking>A.</role_thinking>Yes."
               "<role_thinking>B.</role_thinking>No.")  # fmt: skip
    assert two.version("thought", "other") == ("The tea is cold.", "The tea is cold.")


def test_a_turn_survives_a_log() -> None:
    assert Held.model_validate(held().model_dump(mode="json")) == held()


def test_each_part_of_an_act_is_asked_for_after_what_stands_before_it() -> None:
    first, second = stretches("Ann", held().gold)
    marks = notation()
    assert first.text == "sits down"
    assert first.prefill + first.text + marks["action_close"] == GOLD[: GOLD.index(marks["thought_open"])]
    assert second.text == "It was me. I took it."
    assert second.prefill + second.text == GOLD
    assert [one.at for one in stretches("Ann", held().gold, held().first_thought)] == [3]


def test_a_layer_that_is_left_out_leaves_no_mark() -> None:
    segments = held().gold_with({"plan": "none", "thought": "none"})
    assert segments is not None
    assert [one.prefill for one in stretches("Ann", segments)][-1] == "Ann: <role_action>sits down</role_action>"


def test_a_speech_that_a_thought_parts_from_speech_gives_its_first_word_in_every_version() -> None:
    gold = "<system_thinking>P.</system_thinking>Ann: Yes.<role_thinking>I will go.</role_thinking>Leave it, Joe."
    one = held(gold)
    for version in ("own", "none", "other", "turned"):
        segments = one.gold_with({"thought": version})  # type: ignore[dict-item]
        assert segments is not None
        last = stretches("Ann", segments)[-1]
        assert last.text == " it, Joe."
        assert last.prefill.rstrip().endswith("Leave")


KINDS = st.sampled_from([Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH])
TURNS = st.lists(
    st.tuples(KINDS, st.sampled_from(["Oh well.", "no", "他走。", "a b", "<b>", "</role_action>", ""])), max_size=6
)


@given(TURNS)
def test_the_words_of_any_act_are_asked_for_once_and_in_order(pairs: list[tuple[Kind, str]]) -> None:
    segments = [Segment(kind, text) for kind, text in pairs]
    whole = render(Turn("Ann", tuple(one for one in segments if one.text)), name=True)
    found = stretches("Ann", segments)
    assert all(whole.startswith(one.prefill + one.text) for one in found)
    assert all(one.text and one.text not in one.marks for one in found)
    assert {one.at for one in found} <= {at for at, one in enumerate(segments) if one.kind not in PRIVATE}


async def told(model: Scripted, *asked: Stretch) -> Weighed | Unscored:
    return await weigh(model, MESSAGES, asked)


async def test_bits_are_those_of_the_words_given_that_no_mark_stands_there() -> None:
    text = Stretch("Ann: ", "Yes", ("<x>", "<y>"), 0)
    found = await told(Asked(math.log(2), math.log(0.25)), text)
    assert isinstance(found, Weighed)
    # p(Yes) = 1/8; the two marks take half of all chances, so of the rest it has a quarter: 2 bits.
    assert found.bits[0] == pytest.approx(2)
    assert found.rate() == pytest.approx(2 / 3)


async def test_a_text_is_never_the_only_option() -> None:
    model = Asked()
    await weigh(model, MESSAGES, stretches("Ann", held().gold))
    assert model.asked
    assert all(len(options) > 1 for _, options in model.asked)


class Refusing(Asked):
    async def choose(self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = "") -> None:
        raise ContextOverflow("too long by far")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Scripted([]), Why.ABSENT),
        (Refusing(), Why.CONTEXT),
        (Asked(mark=math.log(0.499999999)), Why.UNDEFINED),
    ],
)
async def test_what_cannot_be_weighed_is_unscored(model: Scripted, why: Why) -> None:
    found = await told(model, Stretch("Ann: ", "Yes", ("<x>", "<y>"), 0))
    assert isinstance(found, Unscored)
    assert found.why is why


async def test_a_text_that_the_backend_does_not_report_is_no_number_and_a_mark_is_no_chance() -> None:
    model = Asked(mark=None)
    found = await told(model, Stretch("Ann: ", "Yes", ("<x>",), 0))
    assert isinstance(found, Weighed)
    assert found.bits[0] == pytest.approx(3 / math.log(2))
    model.weigh = lambda _, options, __: dict.fromkeys(options)
    assert isinstance(await told(model, Stretch("Ann: ", "Yes", ("<x>",), 0)), Unscored)


async def test_an_act_without_words_is_unscored() -> None:
    assert isinstance(await told(Asked()), Unscored)
