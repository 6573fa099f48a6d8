"""Judges of known bias: each bias is found, within its interval, and an interval that would hold anything is none."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.bench import figure as figures
from her.judge.bench.accept import BARS, lines
from her.judge.bench.asked import Asked, Outcome
from her.judge.bench.biased import Biased, Biases
from her.judge.bench.draw import Questions, questions
from her.judge.bench.figure import Figure
from her.judge.bench.measures import Answers, Measures
from her.judge.bench.metrics import measure, transitive
from her.judge.pairs import Pair
from her.judge.verdict import Judged, Judgement, Reason, Unscored, Verdict, Winner, settled
from planted_pairs import FAMILIES, planted

PROBED = dict.fromkeys(FAMILIES, False)
"""As if the text alone told of no family's answers."""


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DRAWS", 400)


@pytest.fixture(scope="module")
def drawn() -> Questions:
    return questions(planted(), random.Random(1))


def tried(drawn: Questions, address: str, seed: int = 0) -> Answers:
    async def asked() -> Answers:
        judge = Biased(drawn.once, Biases.of(address), random.Random(seed))
        said = {pair.id: Asked(pair, await judge.judge(pair.case)) for pair in drawn.once}
        return Answers(
            [said[pair.id] for pair in drawn.pairs],
            [said[pair.id] for pair in drawn.openers],
            [(said[ab.id], said[bc.id], said[ac.id]) for ab, bc, ac in drawn.triples],
            {pair.id: Asked(pair, await judge.judge(pair.case)) for pair in drawn.repeated},
        )

    return asyncio.run(asked())


def measured(drawn: Questions, address: str) -> Measures:
    return measure(tried(drawn, address), random.Random(0), PROBED)


@pytest.mark.parametrize(
    ("address", "name", "planted", "unbiased"),
    [
        ("biased:position=0.2", "first_slot", 0.1, 0),
        ("biased:length=0.15", "length", 0.15, 0),
        ("biased:length=-0.15", "length", -0.15, 0),
        ("biased:opener=0.3", "opener", 0.3, 0),
        ("biased:tie_averse=0.4", "tie_recall", 0.6, 1),
        ("biased:blind=0.5", "blind", 0.5, 0),
        ("biased:unreadable=0.05", "unscored", 1 - 0.95**2, 0),
        ("biased:random=1", "natural", 0.25, 1),
        ("biased:random=1", "consistent", 0.5, 1),
        ("biased:random=1", "opener", 0.5, 0),
    ],
)
def test_a_planted_bias_is_recovered_within_the_interval(
    drawn: Questions, address: str, name: str, planted: float, unbiased: float
) -> None:
    found = measured(drawn, address).figures[name]
    assert found.low is not None and found.high is not None
    assert found.low <= planted <= found.high
    assert not found.low <= unbiased <= found.high
    assert found.high - found.low < 0.2
    assert found.unit == "books" and found.units == 24


def test_a_judge_that_is_always_right_is_accepted_and_each_bias_fails_its_own_line(drawn: Questions) -> None:
    failed = {
        address: {line.bar.name for line in lines(measured(drawn, f"biased:{address}").figures) if not line.accepted}
        for address in ("", "position=0.2", "length=0.15", "opener=0.3", "unreadable=0.05", "blind=1", "tie_averse=1")
    }
    assert failed == {
        "": set(),
        "position=0.2": {"first_slot", "consistent", "broken", "opener", "length"},
        "length=0.15": {"length"},
        "opener=0.3": {"opener"},
        "unreadable=0.05": {"unscored", "broken"},
        "blind=1": set(),
        "tie_averse=1": {"length"},
    }


def test_a_line_that_too_few_pairs_can_tell_says_so(drawn: Questions) -> None:
    """Coins have no slope; on so few pairs it might be as steep as the bar all the same."""
    found = {line.bar.name: line for line in lines(measured(drawn, "biased:tie_averse=1").figures)}["length"]
    assert not found.accepted and "more pairs" in found.why
    assert found.figure.value is not None and abs(found.figure.value) < 0.02


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "why"),
    [
        ("natural", 0.8, 0.7, 0.9, ""),
        ("natural", 0.8, 0.69, 0.9, "more pairs are needed"),
        ("natural", 0.6, 0.5, 0.7, "more pairs are needed"),
        ("natural", 0.6, 0.5, 0.69, "missed"),
        ("opener", 0.01, 0.0, 0.02, ""),
        ("opener", 0.01, 0.0, 0.021, "more pairs are needed"),
        ("opener", 0.03, 0.01, 0.05, "more pairs are needed"),
        ("opener", 0.04, 0.03, 0.05, "missed"),
        ("first_slot", 0.0, -0.02, 0.02, ""),
        ("first_slot", 0.0, -0.021, 0.01, "more pairs are needed"),
        ("first_slot", 0.0, -0.01, 0.021, "more pairs are needed"),
        ("first_slot", -0.03, -0.04, -0.025, "missed"),
        ("unscored", 0.0, None, None, "too few"),
    ],
)
def test_the_whole_interval_has_to_be_on_the_right_side(
    name: str, value: float, low: float | None, high: float | None, why: str
) -> None:
    every = {bar.name: Figure(None) for bar in BARS} | {name: Figure(value, low, high, 9, 9)}
    line = next(line for line in lines(every) if line.bar.name == name)
    assert line.accepted is (why == "") and why in line.why


def test_what_was_not_measured_is_not_accepted(drawn: Questions) -> None:
    broken = Answers([one for one in tried(drawn, "biased:").pairs if one.pair.kind == "broken"])
    found = {line.bar.name: line for line in lines(measure(broken, random.Random(0), PROBED).figures)}
    assert {name for name, line in found.items() if line.accepted} == {"broken", "consistent", "first_slot", "unscored"}
    assert all("not measured" in found[name].why for name in ("natural", "length", "opener"))
    few = measure(Answers(broken.pairs[:8]), random.Random(0), PROBED)
    assert {line.accepted for line in lines(few.figures)} == {False}


def test_a_judge_that_is_always_right_is_right_everywhere(drawn: Questions) -> None:
    found = measured(drawn, "biased:").figures
    for name in ("natural", "broken", "consistent", "tie_recall", "tie_precision", "twins", "transitive", "stable"):
        assert found[name].value == 1, name
    for name in ("flipped", "first_slot", "length", "length_margin", "blind", "opener", "unscored"):
        assert found[name].value == 0, name
    assert found["surface"].value is None


def test_a_judge_blind_to_the_scene_is_found_by_twins_and_by_nothing_else(drawn: Questions) -> None:
    found = measured(drawn, "biased:blind=1").figures
    assert (found["twins"].value, found["blind"].value, found["broken"].value) == (0, 1, 1)


def test_a_judge_of_the_first_slot_alone_knows_no_ties(drawn: Questions) -> None:
    """Each order has a winner, and together they have none: that is a tie in the sum, but not one that was found."""
    found = measured(drawn, "biased:position=1").figures
    assert (found["tie_recall"].value, found["consistent"].value, found["flipped"].value) == (0, 0, 1)
    assert found["first_slot"].value == 0.5 and found["natural"].value == 0


def test_coins_are_transitive_as_often_as_coins_are(drawn: Questions) -> None:
    """In both orders a coin says first, second, or each in turn, with 1, 1 and 2 chances in 4."""
    weights = {Winner.FIRST: 1, Winner.SECOND: 1, Winner.TIE: 2}
    chains = held = 0
    for three in itertools.product(Winner, repeat=3):
        weight = weights[three[0]] * weights[three[1]] * weights[three[2]]
        result = transitive(*three)
        chains += weight * (result is not None)
        held += weight * bool(result)
    found = measured(drawn, "biased:random=1").figures["transitive"]
    assert found.low is not None and found.high is not None
    assert found.low <= held / chains <= found.high < 1


def test_families_stand_apart_and_surface_ones_are_out_of_the_headline(drawn: Questions) -> None:
    answers = tried(drawn, "biased:")
    wrong = [
        Asked(one.pair, turned(one)) if (one.pair.kind, one.pair.family) == ("broken", "padding") else one
        for one in answers.pairs
    ]
    found = measure(Answers(wrong), random.Random(0), PROBED | {"padding": True})
    assert (found.figures["broken"].value, found.figures["surface"].value) == (1, 0)
    assert measure(Answers(wrong), random.Random(0), PROBED).figures["broken"].value == pytest.approx(2 / 3)
    shown = {(one.kind, one.name, one.grade): one for one in found.families}
    assert shown["broken", "padding", 0].right.value == 0 and shown["broken", "padding", 0].surface
    assert shown["twin", "padding", 0].right.value == 1 and not shown["twin", "padding", 0].surface
    grades = [shown["broken", "plan-leak", grade].right.cases for grade in range(4)]
    assert grades[0] == sum(grades[1:])


def test_families_that_were_not_probed_are_out_of_the_headline_too(drawn: Questions) -> None:
    answers = tried(drawn, "biased:")
    found = measure(answers, random.Random(0), {"padding": True, "plan-leak": False})
    counted = {name: found.figures[name].cases for name in ("broken", "surface", "unprobed")}
    sizes = Counter(one.pair.family for one in answers.pairs if one.pair.kind == "broken")
    assert counted == {
        "broken": sizes["plan-leak"],
        "surface": sizes["padding"],
        "unprobed": sizes["anachronism"],
    }
    assert {one.name: one.surface for one in found.families if one.kind == "broken"} == {
        "anachronism": None,
        "padding": True,
        "plan-leak": False,
    }
    none = measure(answers, random.Random(0), {"padding": True}).figures
    assert none["broken"].value is none["broken_mean"].value is None and none["unprobed"].value == 1
    line = next(line for line in lines(none) if line.bar.name == "broken")
    assert not line.accepted and line.why == (
        "not measured: there are no probed families whose answer the text alone does not tell"
    )


def turned(one: Asked) -> Judgement:
    first, second = (answer.swapped for answer in one.judgement.asked)
    return both(first, second)


def both(*oriented: Judged) -> Judgement:
    """What two answers come to, one in each order, both as if the given order had been asked."""
    first, second = oriented
    return Judgement(settled([first], [second.swapped]), (first, second), (False, True))


@pytest.mark.parametrize("address", ["biased:positon=1", "biased:position", "biased:position=x", "biased:position=2"])
def test_a_bias_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="biased:"):
        Biases.of(address)


# -- accounts ----------------------------------------------------------------------------------------------------

ANSWERS = st.one_of(
    st.integers(-3, 3).map(Verdict),
    st.sampled_from(Reason).map(Unscored),
)
FEW = [pair for pair in planted(2, 1, 2)]


@settings(max_examples=60)
@given(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=len(FEW), max_size=len(FEW)))
def test_whatever_a_judge_says_every_pair_stands_in_one_account(said: Sequence[tuple[Judged, Judged]]) -> None:
    asked = [Asked(pair, both(*answers)) for pair, answers in zip(FEW, said, strict=True)]
    found = measure(Answers(asked), random.Random(0), PROBED)
    for one in found.accounts:
        assert one.asked == one.correct + one.wrong + one.tie + one.unscored
    assert sum(one.asked for one in found.accounts) == len(FEW)
    missing = sum(isinstance(one.judgement.verdict, Unscored) for one in asked)
    assert sum(one.unscored for one in found.accounts) == sum(found.reasons.values()) == missing
    assert found.figures["unscored"].value == missing / len(FEW)


def asked_of(better: Winner, first: int, second: int) -> Asked:
    """A pair asked in both orders, with the margins as if each had been the given one."""
    pair: Pair = FEW[0].model_copy(update={"better": better})
    return Asked(pair, both(Verdict(first), Verdict(second)))


@pytest.mark.parametrize(
    ("better", "first", "second", "outcome"),
    [
        (Winner.FIRST, 2, 1, Outcome.CORRECT),
        (Winner.FIRST, 1, 0, Outcome.CORRECT),
        (Winner.FIRST, 3, -1, Outcome.TIE),
        (Winner.FIRST, 0, 0, Outcome.TIE),
        (Winner.FIRST, -1, 0, Outcome.WRONG),
        (Winner.SECOND, -1, -1, Outcome.CORRECT),
        (Winner.TIE, 0, 0, Outcome.CORRECT),
        (Winner.TIE, 2, -2, Outcome.WRONG),
        (Winner.TIE, 1, 0, Outcome.WRONG),
    ],
)
def test_the_signs_of_both_orders_are_summed(better: Winner, first: int, second: int, outcome: Outcome) -> None:
    assert asked_of(better, first, second).outcome is outcome


def test_several_answers_of_one_order_count_as_one() -> None:
    answers = Verdict(3), Verdict(-1), Verdict(1), Unscored(Reason.CUT)
    one = Asked(FEW[0], Judgement(Verdict(1), answers, (False, False, True, True)))
    assert one.agrees and one.first_slot == 0
    lost = Asked(FEW[0], Judgement(Unscored(Reason.CUT), (*answers[:2], answers[3]), (False, False, True)))
    assert lost.agrees is None and lost.first_slot is None and lost.outcome is Outcome.UNSCORED


def test_where_margins_are_averaged_the_signs_count_all_the_same() -> None:
    """As scored verdicts are settled: the mean of both orders has a winner though the orders disagree."""
    scored = Judgement(Verdict(1, consistent=False), (Verdict(2.5), Verdict(-0.5)), (False, True))
    pair = FEW[0].model_copy(update={"better": Winner.FIRST})
    assert Asked(pair, scored).outcome is Outcome.TIE and Asked(pair, scored).flips
    assert Asked(pair, scored, band=0.5).outcome is Outcome.CORRECT
    found = measure(Answers([Asked(pair, scored)]), random.Random(0), PROBED).figures
    assert (found["natural"].value, found["natural_mean"].value) == (0, 1)


def test_one_order_alone_says_nothing_of_places() -> None:
    one = Asked(FEW[0], Judgement(Verdict(1), (Verdict(1),), (False,)))
    assert one.agrees is None and one.first_slot is None and one.verdict == Verdict(1)
    found = measure(Answers([one]), random.Random(0), PROBED).figures
    assert found["consistent"].value is None and found["first_slot"].value is None


def test_length_is_told_in_doublings_of_what_is_shown() -> None:
    pair = FEW[0].model_copy(update={"first": "Ann: " + "x" * 40, "second": "Ann: " + "y" * 10})
    assert Asked(pair, Judgement(Verdict(0), (), ())).doublings == 2
    empty = pair.model_copy(update={"second": "Ann:"})
    assert Asked(empty, Judgement(Verdict(0), (), ())).doublings is None


def test_a_preference_between_texts_of_nearly_one_length_is_no_love_of_length() -> None:
    near, far = (
        FEW[0].model_copy(update={"first": f"Ann: {'x' * 100}", "second": f"Ann: {'y' * size}", "better": Winner.TIE})
        for size in (101, 200)
    )
    judged = [Asked(pair, Judgement(Verdict(1), (Verdict(1), Verdict(1)), (False, True))) for pair in (near, far)]
    slopes = [measure(Answers(each), random.Random(0), PROBED).figures["length"].value for each in (judged[:1], judged)]
    assert slopes == [None, pytest.approx(-0.5)]


@pytest.mark.parametrize(
    ("ab", "bc", "ac", "held"),
    [
        ("first", "first", "first", True),
        ("first", "first", "second", False),
        ("first", "first", "tie", False),
        ("second", "second", "second", True),
        ("second", "second", "first", False),
        ("first", "tie", "tie", None),
        ("first", "second", "tie", None),
        ("tie", "first", "second", False),
        ("tie", "tie", "tie", None),
    ],
)
def test_a_chain_holds_or_breaks(ab: str, bc: str, ac: str, held: bool | None) -> None:
    assert transitive(Winner(ab), Winner(bc), Winner(ac)) is held
