"""The scored form: a margin made of how likely two letters are, in both orders."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.compare import Asking
from her.judge.scored import Letters, Scored, difference
from her.judge.verdict import Reason, Unscored, Verdict, Winner
from her.models.base import Finish, Message, Reply, Sampling
from her.models.recorded import Recorder, Replay, Scripted
from judged import FIRST, SECOND, case, parts


def scripted(leaning: Callable[[str, str], float], bias: float = 0.0) -> Scripted:
    """A model for which log p(A) - log p(B) is a function of the candidates and a bias for the first place."""
    model = Scripted([])

    def weigh(messages: Sequence[Message], options: Sequence[str], prefill: str) -> dict[str, float | None]:
        odds = leaning(*parts(messages)) + bias
        return {options[0]: -math.log1p(math.exp(-odds)), options[1]: -math.log1p(math.exp(odds))}

    model.weigh = weigh
    return model


def shorter(a: str, b: str) -> float:
    return (len(b) - len(a)) / 20


async def verdict(model: Scripted, **options: float | str) -> Verdict:
    found = (await Scored(model, **options).judge(case())).verdict  # type: ignore[arg-type]
    assert isinstance(found, Verdict)
    return found


async def test_the_margin_is_the_difference_of_the_letters_in_nats() -> None:
    odds = shorter(FIRST, SECOND)
    found = await Scored(scripted(shorter)).judge(case())
    assert isinstance(found.verdict, Verdict)
    assert found.verdict.margin == pytest.approx(odds) and 0 < odds < 3
    assert [one.margin for one in found.asked if isinstance(one, Verdict)] == pytest.approx([odds, odds])
    assert found.swapped == (False, True) and found.verdict.findings == ()


@pytest.mark.parametrize("bias", [-8.0, -0.5, 0.5, 8.0])
async def test_what_a_place_is_worth_falls_out_and_orders_that_disagree_are_told(bias: float) -> None:
    found = await verdict(scripted(shorter, bias))
    assert found.margin == pytest.approx(shorter(FIRST, SECOND))
    assert found.consistent == (abs(bias) < shorter(FIRST, SECOND))


async def test_within_the_band_it_is_a_tie() -> None:
    odds = shorter(FIRST, SECOND)
    assert (await verdict(scripted(shorter), tie_band=odds + 0.01)).winner is Winner.TIE
    assert (await verdict(scripted(shorter), tie_band=odds - 0.01)).winner is Winner.FIRST
    assert (await verdict(scripted(shorter, bias=0.1), tie_band=odds + 0.3)).consistent


@given(st.text(max_size=40), st.text(max_size=40), st.floats(-5, 5))
def test_verdicts_turn_round_with_the_order_whatever_the_bias(first: str, second: str, bias: float) -> None:
    judge = Scored(scripted(shorter, bias))
    one, other = (asyncio.run(judge.judge(case(*pair))).verdict for pair in ((first, second), (second, first)))
    assert isinstance(one, Verdict) and isinstance(other, Verdict)
    assert one.margin == pytest.approx(-other.margin, abs=1e-9)


async def test_a_margin_ends_at_three() -> None:
    assert (await verdict(scripted(lambda a, b: 40.0 if a == FIRST else -40.0))).margin == 3


async def test_one_order_is_asked_where_one_is_wanted() -> None:
    found = await Scored(scripted(shorter, 1.0), orders="given").judge(case())
    assert len(found.asked) == 1
    assert isinstance(found.verdict, Verdict) and found.verdict.margin == pytest.approx(shorter(FIRST, SECOND) + 1)


# -- what cannot be told --------------------------------------------------------------------------------------------


async def test_a_model_that_cannot_tell_has_no_verdict() -> None:
    found = await Scored(Scripted([])).judge(case())
    assert isinstance(found.verdict, Unscored) and found.verdict.reason is Reason.FAILED
    assert len(found.asked) == 2


async def test_one_letter_that_is_not_reported_is_no_win_of_the_other() -> None:
    model = scripted(shorter)
    model.weigh = lambda messages, options, prefill: {options[0]: -0.1, options[1]: None}
    assert isinstance((await Scored(model).judge(case())).verdict, Unscored)


@pytest.mark.parametrize(
    "said", ["", "A", "A -1 B", "A x B y", "A nan B -1", "A -inf B -1", "A 5 B -1", "B -1 A -2", "A"]
)
def test_what_is_no_log_probability_is_no_number(said: str) -> None:
    assert isinstance(difference(said), Unscored)


@given(st.floats(-1e5, 0), st.floats(-1e5, 0))
def test_letters_are_read_as_exactly_as_they_were_told(a: float, b: float) -> None:
    assert difference(f"A {a!r} B {b!r}") == a - b


async def test_a_window_that_is_too_small_is_no_room() -> None:
    class Counting(Scripted):
        async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
            return sum(len(message.content) for message in messages)

    model = Counting([])
    model.context = 100
    found = await Scored(model).judge(case())
    assert isinstance(found.verdict, Unscored) and found.verdict.reason is Reason.NO_ROOM


# -- how it is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "prefills", "begins", "options"),
    [
        ("en", True, "The better candidate:", [" A", " B"]),
        ("zh", True, "更好的候选：", ["A", "B"]),
        ("en", False, "", ["A", "B"]),
    ],
)
async def test_the_letter_follows_on_the_beginning_of_the_answer(
    language: str, prefills: bool, begins: str, options: list[str]
) -> None:
    model, asked = scripted(shorter), []
    inner = model.weigh
    assert inner is not None

    def weigh(messages: Sequence[Message], options: Sequence[str], prefill: str) -> dict[str, float | None] | None:
        asked.append((list(options), prefill))
        return inner(messages, options, prefill)

    model.weigh, model.prefills = weigh, prefills
    await Scored(model).judge(case(language=language))
    assert asked == [(options, begins)] * 2


async def test_a_recorded_judge_says_the_same_again(tmp_path: object) -> None:
    path = f"{tmp_path}/choices.jsonl"
    recorder = Recorder(scripted(shorter), path)
    first = await Scored(recorder).judge(case())
    await recorder.close()
    assert await Scored(Replay(path)).judge(case()) == first


async def test_letters_reply_with_both_weights_and_count_the_prompt() -> None:
    reply = await Letters(scripted(lambda a, b: 0.0)).generate([Message("user", "A| x\nB| y")], Sampling())
    assert isinstance(reply, Reply) and reply.finish is Finish.STOP
    assert difference(reply.text) == 0


def test_a_run_has_to_be_a_run_of_letters() -> None:
    ask = asyncio.run(Asking(scripted(shorter)).ready())
    with pytest.raises(InputError, match="Letters"):
        Scored(ask)
    with pytest.raises(InputError, match="tie band"):
        Scored(scripted(shorter), tie_band=3.0)
