"""Comparing: both orders, samples, windows, costs, and what becomes of answers that are no verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her import errors
from her.errors import InputError
from her.judge import compare
from her.judge.compare import Judge, room
from her.judge.dialects.ours import Ours
from her.judge.verdict import Reason, Unscored, Verdict, Winner
from her.models.base import Finish, Message, Reply, Sampling, Usage
from her.models.recorded import Call
from her.rows import answers as answering
from judged import FIRST, SECOND, answer, case, finding, judge_of, parts, veto
from teachers import Teacher

OURS = Ours((veto("plan-leak"),))


class Windowed(Teacher):
    """A teacher with a window, whose tokens are characters."""

    context: int | None = 8000

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        return sum(len(message.content) for message in messages) + len(prefill)


def longer(a: str, b: str) -> int:
    return (len(a) > len(b)) - (len(a) < len(b))


def always_first(a: str, b: str) -> int:
    return 2


async def unscored(said: object, calls: int) -> Unscored:
    """What comes of a judge that gives these answers, one after the other; it is asked so many times in all."""
    left = list(said) if isinstance(said, list) else [said]
    teacher = Teacher(lambda _: left.pop(0) if len(left) > 1 else left[0])  # type: ignore[arg-type,return-value]
    found = await Judge(teacher, OURS, orders="given").judge(case())
    assert isinstance(found.verdict, Unscored) and found.asked == (found.verdict,)
    assert len(teacher.calls) == calls
    return found.verdict


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults that may pass are not waited for."""
    monkeypatch.setattr(compare, "_PATIENCE", 0.0)


# -- orders ---------------------------------------------------------------------------------------------------------


async def test_both_orders_are_asked_the_given_one_first_and_the_answers_are_told_in_it() -> None:
    teacher = judge_of(longer)
    found = await Judge(teacher, OURS).judge(case())
    assert [parts(call.messages) for call in teacher.calls] == [(FIRST, SECOND), (SECOND, FIRST)]
    assert found.swapped == (False, True)
    assert [one.winner for one in found.asked if isinstance(one, Verdict)] == [Winner.SECOND, Winner.SECOND]
    assert isinstance(found.verdict, Verdict)
    assert (found.verdict.margin, found.verdict.consistent) == (-1, True)


async def test_a_judge_that_follows_the_place_comes_to_a_tie_that_is_not_consistent() -> None:
    found = await Judge(judge_of(always_first), OURS).judge(case())
    assert isinstance(found.verdict, Verdict)
    assert (found.verdict.winner, found.verdict.consistent) == (Winner.TIE, False)
    alone = await Judge(judge_of(always_first), OURS, orders="given").judge(case())
    assert alone.verdict == alone.asked[0] and alone.swapped == (False,)


@given(st.text(alphabet="ab <>|A\n", max_size=30), st.text(alphabet="ab <>|A\n", max_size=30))
def test_verdicts_turn_round_with_the_order_for_a_judge_without_bias(first: str, second: str) -> None:
    judge = Judge(judge_of(longer), OURS)
    one = asyncio.run(judge.judge(case(first, second))).verdict
    other = asyncio.run(judge.judge(case(second, first))).verdict
    assert isinstance(one, Verdict) and isinstance(other, Verdict)
    assert one.margin == -other.margin and one.consistent and other.consistent


async def test_samples_differ_by_seed_and_are_averaged_in_each_order() -> None:
    margins = iter([3, 1, 2, -1, -1, -1])
    teacher = Teacher(lambda _: answer(next(margins)))
    found = await Judge(teacher, OURS, samples=3).judge(case())
    assert [call.sampling.seed for call in teacher.calls] == [0, 1, 2] * 2
    assert {call.sampling.temperature for call in teacher.calls} == {compare.DRAWN}
    assert len({call.call_id for call in teacher.calls}) == 6
    assert isinstance(found.verdict, Verdict) and found.verdict.margin == pytest.approx(1.5)
    assert found.swapped == (False,) * 3 + (True,) * 3


async def test_one_sample_takes_the_likeliest_words_unless_told_otherwise() -> None:
    teacher = judge_of(longer)
    await Judge(teacher, OURS).judge(case())
    await Judge(teacher, OURS, sampling=Sampling(temperature=1.0, seed=7)).judge(case())
    assert [call.sampling.temperature for call in teacher.calls] == [0.0, 0.0, 1.0, 1.0]
    assert teacher.calls[-1].sampling.seed == 7
    with pytest.raises(InputError, match="at least once"):
        Judge(teacher, OURS, samples=0)


async def test_an_order_without_an_answer_leaves_the_pair_without_one_and_both_are_told() -> None:
    teacher = Teacher(lambda call: answer(2) if parts(call.messages)[0] == FIRST else "no")
    found = await Judge(teacher, OURS).judge(case())
    assert isinstance(found.verdict, Unscored) and found.verdict.reason is Reason.UNREADABLE
    assert [type(one) for one in found.asked] == [Verdict, Unscored]


# -- answers that are no verdict ------------------------------------------------------------------------------------


async def test_an_answer_that_cannot_be_read_is_asked_for_once_more_and_then_is_none() -> None:
    assert (await unscored("A is better.", 2)).reason is Reason.UNREADABLE
    assert (await unscored('{"findings": [], "margin": 1}', 2)).detail.startswith("findings: ")


async def test_a_repaired_answer_counts() -> None:
    said = iter(["A is better.", answer(1)])
    teacher = Teacher(lambda _: next(said))
    found = await Judge(teacher, OURS, orders="given").judge(case())
    assert isinstance(found.verdict, Verdict) and found.verdict.margin == 1
    assert teacher.calls[1].call_id == "judge/c/1/repair"


async def test_an_answer_that_contradicts_itself_is_not_asked_to_choose_a_half() -> None:
    found = await unscored(answer(2, finding("B", "plan-leak", negative=True), finding("A")), 1)
    assert found.reason is Reason.CONTRADICTION and "plan-leak" in found.detail


async def test_a_copy_is_told_from_what_is_only_unreadable() -> None:
    assert (await unscored(answer(1, finding(a="x" * 500)), 2)).reason is Reason.COPIED


async def test_an_answer_that_the_limit_cuts_twice_is_cut() -> None:
    assert (await unscored(Reply('{"findings": [', Finish.LENGTH), 2)).reason is Reason.CUT


async def test_a_prompt_that_the_backend_refuses_has_no_room() -> None:
    assert (await unscored(errors.ContextOverflow("4000 tokens"), 1)).reason is Reason.NO_ROOM


async def test_a_server_that_never_answers_is_no_tie(quick: None) -> None:
    found = await unscored(errors.ServerFault("down"), answering.TRIES)
    assert found.reason is Reason.FAILED and "down" in found.detail


async def test_a_connection_that_breaks_is_no_verdict_even_where_one_stood_before_the_break(quick: None) -> None:
    assert (await unscored(Reply(answer(3), Finish.CUT, error="gone"), answering.TRIES)).reason is Reason.FAILED


async def test_a_key_that_is_refused_ends_the_run() -> None:
    with pytest.raises(errors.Refused):
        await Judge(Teacher(lambda _: errors.Refused("another key")), OURS).judge(case())


# -- requests -------------------------------------------------------------------------------------------------------


async def test_the_schema_goes_to_a_model_that_can_be_held_to_it_and_the_last_object_counts_elsewhere() -> None:
    held = judge_of(longer, constrains=True)
    await Judge(held, OURS).judge(case())
    assert all(call.constraint and call.constraint.schema == OURS.schema for call in held.calls)
    free = Teacher(lambda call: f"A says {answer(3)} and I say {answer(longer(*parts(call.messages)))}")
    found = await Judge(free, OURS).judge(case())
    assert isinstance(found.verdict, Verdict) and found.verdict.winner is Winner.SECOND
    assert all(call.constraint is None for call in free.calls)


async def test_tokens_are_counted_those_from_a_cache_apart() -> None:
    teacher = Teacher(lambda call: Reply(answer(1), Finish.STOP, Usage(100, 80 if len(teacher.calls) > 1 else 0, 7)))
    judge = Judge(teacher, OURS)
    await judge.judge(case())
    assert judge.asking.spent == compare.Spent(calls=2, prompt_tokens=200, cached_tokens=80, completion_tokens=14)


# -- windows --------------------------------------------------------------------------------------------------------


def shown(call: Call) -> int:
    return call.messages[-1].content.count("Still no boat.")


@pytest.mark.parametrize("spare", [0, 1, 7])
async def test_a_case_that_is_too_long_loses_its_oldest_turns_and_both_orders_lose_the_same(spare: int) -> None:
    at = case(times=40)
    teacher = Windowed(lambda _: answer(1))
    teacher.context = spare + 1000 + await size(teacher, at, 120) if spare else None
    judge = Judge(teacher, OURS, sampling=Sampling(max_tokens=1000))
    await judge.judge(at)
    first, second = teacher.calls
    if not spare:
        assert shown(first) == 40
        return
    assert 0 < shown(first) < 40 and shown(first) == shown(second)
    told = [line for line in first.messages[-1].content.split("\n") if line.startswith("(Left out here")]
    assert told == ["(Left out here: 120 earlier turns.)"]
    assert teacher.context and all(
        sum(len(message.content) for message in call.messages) + 1000 <= teacher.context for call in (first, second)
    )


async def size(teacher: Windowed, at: compare.Case, dropped: int) -> int:
    """The longer of both orders, without so many turns."""
    return max([await teacher.count(OURS.messages(one, dropped)) or 0 for one in compare.both(at)])


async def test_the_order_that_takes_more_room_decides_for_both() -> None:
    class Lopsided(Windowed):
        async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
            return (await super().count(messages, prefill) or 0) + 9 * len(parts(messages)[0])

    at, teacher = case("x" * 10, "x" * 300, times=40), Lopsided(lambda _: answer(0))
    teacher.context = await size(teacher, at, 100) + 1000
    await Judge(teacher, OURS, sampling=Sampling(max_tokens=1000)).judge(at)
    for call in teacher.calls:
        assert "(Left out here: 100 earlier turns.)" in call.messages[-1].content


async def test_a_case_that_does_not_fit_with_its_last_turn_alone_is_never_asked() -> None:
    teacher = Windowed(lambda _: answer(1))
    teacher.context = 2000
    found = await Judge(teacher, OURS).judge(case(times=3))
    assert found.verdict == Unscored(Reason.NO_ROOM, "it does not fit the judge's window with its last turn alone")
    assert len(found.asked) == 2 and not teacher.calls


@given(turns=st.integers(0, 40), each=st.integers(1, 50), window=st.integers(1, 900))
def test_no_turn_is_left_out_that_would_have_fitted(turns: int, each: int, window: int) -> None:
    model = Windowed(lambda _: "")
    model.context = window

    def requests(dropped: int) -> list[tuple[Message, ...]]:
        return [(Message("user", "x" * (each * (turns - dropped) + 9)),)]

    dropped = asyncio.run(room(model, requests, turns, 0))
    fits = [k for k in range(max(turns, 1)) if each * (turns - k) + 9 <= window]
    assert dropped == (fits[0] if fits else None)


async def test_a_model_that_cannot_count_gets_the_whole_case() -> None:
    teacher = Teacher(lambda _: answer(1))
    teacher.context = 50
    assert isinstance((await Judge(teacher, OURS).judge(case(times=5))).verdict, Verdict)


async def test_a_judge_reads_cases_in_the_language_of_the_scene() -> None:
    teacher = Teacher(lambda _: "？")
    await Judge(teacher, OURS, orders="given").judge(replace(case(language="zh"), id="z"))
    assert "你是角色扮演的评判" in teacher.calls[0].messages[0].content
    assert "这个回答无法使用" in teacher.calls[1].messages[-1].content
