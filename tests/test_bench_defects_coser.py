"""Defects of the official release's CoSER evaluation, each named by what goes wrong in it, and not here."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")


from coser_cases import LINES, act, answer, case, material, raw
from her.bench.coser.cases import DATA, raw_cases, read_case
from her.bench.coser.dimensions import AVERAGE, DIMENSIONS, points
from her.bench.coser.judge import judge
from her.bench.coser.material import Material
from her.bench.coser.overlap import bleu
from her.bench.coser.presets import COSER, HER, PRESETS, Budget, Preset
from her.bench.coser.simulate import How, Played, Players, simulate
from her.bench.figures import Unscored, Why
from her.errors import InputError, ServerFault
from her.markup import notation
from her.models.base import Message
from her.models.recorded import Scripted
from her.next_speaker import Allowed, NextSpeaker
from her.script import Script
from her.turn import ENVIRONMENT, Dialogue, Kind, Segment, Turn

BOTH = pytest.mark.parametrize("kind", list(PRESETS.values()), ids=lambda kind: kind.name)


def first_allowed(messages: Sequence[Message], prefill: str) -> str:
    return json.dumps({"next": json.loads(f"[{messages[-1].content.rpartition('Allowed: ')[2]}]")[0]})


async def play(actor: Scripted, kind: Preset = COSER, **how: Any) -> Played:
    players = Players(actor, Scripted(lambda m, p: "Rain."), Scripted(how.pop("chooser", first_allowed)))
    return await simulate(case(), players, How(kind, **{"rounds": 6, **how}))


def always(text: str) -> Scripted:
    return Scripted(lambda messages, prefill: text)


async def average(model: Scripted | None, made: Material | None = None) -> Any:
    value = (await judge(made or material(act("Ann", "Well.")), model)).points[AVERAGE]
    return value.why if isinstance(value, Unscored) else value


async def test_a2_without_a_judge_every_dimension_is_100() -> None:
    assert await average(None) is Why.NO_JUDGE


async def test_a3_a_failed_actor_is_an_empty_text_that_is_scored() -> None:
    class Down(Scripted):
        async def stream(self, *asked: Any, **more: Any):  # type: ignore[no-untyped-def, override]
            raise ServerFault("down")
            yield

    with pytest.raises(ServerFault):
        await play(Down([]))
    silent = await play(always(""))
    assert silent.empty > 0
    assert await average(always('{"flaws": []}'), Material(case(), silent, COSER)) is Why.EMPTY


async def test_a4_failures_are_numbers_in_the_mean() -> None:
    assert await average(always("I cannot judge that.")) is Why.UNREADABLE


@BOTH
async def test_a5_a_characters_own_plans_stay_in_its_history(kind: Preset) -> None:
    marks = notation()
    plan = f"plan x.{marks['plan_close']}Yes."
    actor = Scripted(lambda messages, prefill: plan if marks["plan_open"] in prefill else marks["plan_open"] + plan)
    await play(actor, kind)
    history = [one.content for call in actor.calls for one in call.messages[1:]]
    assert not any("plan x." in text for text in history)


@BOTH
async def test_a6_turns_of_others_are_not_merged_and_the_start_stands_alone(kind: Preset) -> None:
    actor = always("Yes.")
    await play(actor, kind, continue_from=4, chooser=first_allowed)
    for call in actor.calls:
        roles = [one.role for one in call.messages]
        assert roles[0] == "system" and all(a != b for a, b in pairwise(roles))
        assert "\n\n" in call.messages[1].content


async def test_a7_the_actor_is_asked_otherwise_than_in_training() -> None:
    actor = always("Yes.")
    await play(actor, HER, rounds=1)
    first = actor.calls[0].messages
    trained = Script(case().scene, "Ann").messages(())
    assert first[0].content.startswith(trained[0].content)
    assert len(first[0].content.removeprefix(trained[0].content).strip().splitlines()) == 1
    assert first[1:] == trained[1:]


@pytest.mark.parametrize("field", ["thought", "motivation"])
async def test_a8_the_motivation_never_reaches_the_actor(field: str) -> None:
    people = [{"name": "Ann", field: "I want to be gone."}]
    one = read_case(raw(key_characters=people))
    actor = always("Yes.")
    await simulate(one, Players(actor, always("Rain."), Scripted(first_allowed)), How(COSER, rounds=1))
    assert "I want to be gone." in actor.calls[0].messages[0].content


@pytest.mark.parametrize("said", ["Well.", "Ann: Well."])
async def test_a9_the_judge_is_not_told_who_speaks(said: str) -> None:
    actor = always(said)
    actor.prefills = not said.startswith("Ann")
    played = await play(actor, rounds=1)
    assert Material(case(), played, COSER).text(played.turns) == "Ann: Well."


@BOTH
def test_a10_raw_tags_reach_a_judge_who_was_promised_brackets(kind: Preset) -> None:
    seen = Turn("Ann", tuple(Segment(one, f"x{one.short}") for one in Kind))
    text = material(seen, kind=kind).shown(seen)
    assert "<" not in text and "(xaction)" in text and "xplan" not in text


async def test_a11_a_long_or_thinking_choice_of_speaker_is_silently_random() -> None:
    thinking = f"<think>{'Ann or not? ' * 300}</think>" + json.dumps({"next": "Ann Lee"})
    played = await play(always("Yes."), rounds=2, chooser=lambda messages, prefill: thinking)
    assert [one.how for one in played.choices] == ["first", "model"] and played.turns[1].speaker == "Ann Lee"


async def test_a12_a_part_of_a_name_is_taken_for_the_name() -> None:
    chooser = NextSpeaker(case().scene, always("**Next Speaker:** Ann Leeward"))
    choice = await chooser.choose(Dialogue(frozenset()), Allowed(("Ann", "Ann Lee")), random.Random(0))
    assert choice.how == "fallback"


async def test_a13_the_log_keeps_a_name_who_did_not_speak() -> None:
    played = await play(always("Yes."), chooser=lambda messages, prefill: '{"next": "random"}')
    assert [one.name for one in played.choices] == [turn.speaker for turn in played.turns]
    assert played.fallbacks == 5


@BOTH
def test_a16_a_placeholder_stays_in_the_judges_prompt(kind: Preset) -> None:
    made = material(act("Ann", "Well."), kind=kind)
    for one in DIMENSIONS:
        text = "".join(message.content for message in made.messages(one, Budget(99)))
        assert "{major" not in text and "{{" not in text


async def test_a17_a_missing_severity_counts_nothing_and_empty_turns_forgive() -> None:
    broken = '{"flaws": [{"instance": "x", "type": "Storyline Consistency"}]}'
    assert await average(always(broken)) is Why.UNREADABLE
    turns = (act("Ann", "Well."), *[Turn("Ann", ())] * 50)
    one = Scripted(lambda messages, prefill: answer(3, at=_dimension(messages)))
    assert await average(one, material(*turns)) == points([3], 1) == 86.5


async def test_a18_an_answer_that_is_cut_is_50_points() -> None:
    assert await average(always('{"flaws": [{"instance": "she')) is Why.UNREADABLE


async def test_a19_no_two_runs_are_alike() -> None:
    lots = {"chooser": lambda messages, prefill: "?"}
    runs = [
        [turn.speaker for turn in (await play(always("Yes."), seed=seed, rounds=20, **lots)).turns]
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
    world = [always("Rain.") for _ in range(2)]
    for one in world:
        await simulate(case(), Players(always("Yes."), one, Scripted(_world)), How(COSER, rounds=2))
    assert world[0].calls == world[1].calls != []


async def test_a20_given_text_is_spoken_by_the_wrong_character() -> None:
    played = await play(always("Yes."), continue_from=4, chooser=lambda messages, prefill: "?")
    assert [turn.speaker for turn in played.turns[:5]] == [name for name, _ in LINES[:5]]


def test_a21_without_its_packages_the_overlap_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    from her.bench.coser import overlap

    def gone(name: str) -> str:
        raise overlap.PackageNotFoundError(name)

    monkeypatch.setattr(overlap, "version", gone)
    overlap._package.cache_clear()
    value = bleu("a b", "a b")
    overlap._package.cache_clear()
    assert isinstance(value, Unscored) and value.why is Why.ABSENT


async def test_a22_the_input_case_is_changed() -> None:
    given = raw(speaking_characters_w_env=["Ann"])
    kept = copy.deepcopy(given)
    one = read_case(given)
    await simulate(one, Players(always("a"), always("b"), Scripted(first_allowed)), How(HER, rounds=3))
    assert given == kept and one.order[-1] == ENVIRONMENT


def test_b1_the_default_test_set_is_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(InputError, match=r"path=FILE"):
        raw_cases("")


async def test_b2_messages_carry_a_name_that_no_server_takes() -> None:
    actor = always("Yes.")
    await play(actor, HER)
    assert {key for call in actor.calls for one in call.messages for key in asdict(one)} == {"role", "content"}


def _dimension(messages: Sequence[Message]) -> int:
    return next(at for at, one in enumerate(DIMENSIONS) if f'"{one.types[0]}"' in messages[1].content)


def _world(messages: Sequence[Message], prefill: str) -> str:
    return json.dumps({"next": ENVIRONMENT})
