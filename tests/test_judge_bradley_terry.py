"""Strengths from comparisons: planted ranks, offsets and ties come back, and nothing comes of nothing."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.reward.bradley_terry import MOST_LENGTH, Offsets, fit, learned
from her.judge.reward.rings import REFERENCE, Edge, calls
from her.judge.verdict import Judged, Reason, Unscored, Verdict

NONE = Unscored(Reason.UNREADABLE)
margins = st.sampled_from([-3, -2, -1, 0, 1, 2, 3])
answers: st.SearchStrategy[Judged] = margins.map(Verdict) | st.just(NONE)
places = st.lists(st.integers(REFERENCE, 7), min_size=2, max_size=2, unique=True)
edges = st.lists(st.builds(lambda pair, said: Edge(*pair, said), places, answers), max_size=30)


def davidson(apart: float, offsets: Offsets, rng: random.Random) -> Verdict:
    """An answer of the model itself; every win by the same margin as a tie counts for."""
    d = apart + offsets.first
    win, lose, even = math.exp(d / 2), math.exp(-d / 2), math.exp(offsets.tie)
    return Verdict(rng.choices([1, -1, 0], [win, lose, even])[0])


def group(
    strengths: list[float], offsets: Offsets, rng: random.Random, *, rings: int = 3, times: int = 1
) -> list[Edge]:
    asked = [call for _ in range(times) for call in calls(range(len(strengths)), rng, rings=rings, anchors=0)]
    return [Edge(i, j, davidson(strengths[i] - strengths[j], offsets, rng)) for i, j in asked]


def test_planted_strengths_come_back() -> None:
    rng = random.Random(1)
    planted = [-2.0, -1.0, -0.5, 0.0, 0.3, 0.7, 1.0, 1.5]
    truth = Offsets(first=0.8, tie=0.2)
    found = fit(group(planted, truth, rng, times=400), truth, ridge=1e-4)
    assert [found[at] for at in range(8)] == pytest.approx(planted, abs=0.25)
    assert sorted(found, key=found.__getitem__) == list(range(8))


@pytest.mark.parametrize("size", range(2, 9))
def test_planted_ranks_come_back_from_verdicts_without_noise(size: int) -> None:
    rng = random.Random(size)
    for _ in range(10):
        planted = rng.sample(range(size), size)
        told = [Edge(i, j, Verdict(3 if planted[i] > planted[j] else -3)) for i, j in permutations(range(size), 2)]
        found = fit(told)
        assert sorted(found, key=found.__getitem__) == sorted(range(size), key=planted.__getitem__)


def test_a_reference_has_a_strength_like_everyone() -> None:
    found = fit([Edge(0, REFERENCE, Verdict(3)), Edge(REFERENCE, 1, Verdict(3))])
    assert found[0] > found[REFERENCE] > found[1]


@given(edges)
def test_whoever_has_no_verdict_has_no_strength(told: list[Edge]) -> None:
    named = {one for edge in told if isinstance(edge.verdict, Verdict) for one in (edge.first, edge.second)}
    assert fit(told).keys() == named


@given(edges)
def test_comparisons_without_a_verdict_are_simply_absent(told: list[Edge]) -> None:
    assert fit(told) == fit([edge for edge in told if edge.verdict is not NONE])


@settings(deadline=None)
@given(edges, st.floats(-5, 5), st.floats(-5, 5), st.floats(1e-4, 10))
def test_the_fit_is_a_maximum_whatever_was_said(told: list[Edge], first: float, tie: float, ridge: float) -> None:
    """At the strengths that come back no direction leads up: the penalised likelihood, written out once more here."""
    offsets = Offsets(first=first, tie=tie)
    found = fit(told, offsets, ridge=ridge)

    def worth(strengths: dict[int, float]) -> float:
        total = 0.0
        for edge in told:
            if not isinstance(edge.verdict, Verdict):
                continue
            one, two = strengths[edge.first], strengths[edge.second]
            d = one - two + first
            ways = {1: d / 2, 0: tie, -1: -d / 2}
            sign = (edge.verdict.margin > 0) - (edge.verdict.margin < 0)
            chance = ways[sign] - math.log(sum(map(math.exp, ways.values())))
            total += max(1, abs(edge.verdict.margin)) / 3 * chance - ridge * (one**2 + two**2) / 2
        return total

    best = worth(found)
    for name in found:
        for step in (0.01, -0.01):
            assert worth(found | {name: found[name] + step}) <= best + 1e-9
    assert all(map(math.isfinite, found.values()))


@given(edges)
def test_strengths_are_antisymmetric_and_know_no_names(told: list[Edge]) -> None:
    """Exchanging every pair's places changes nothing without a slot offset; turning every verdict turns every sign."""
    found = fit(told)
    swapped = fit([Edge(edge.second, edge.first, edge.verdict.swapped) for edge in told])
    turned = fit([Edge(edge.first, edge.second, edge.verdict.swapped) for edge in told])
    renamed = fit([Edge(edge.first + 1, edge.second + 1, edge.verdict) for edge in told])
    assert swapped == pytest.approx(found, abs=1e-6)
    assert turned == pytest.approx({name: -value for name, value in found.items()}, abs=1e-6)
    assert renamed == pytest.approx({name + 1: value for name, value in found.items()}, abs=1e-6)


def test_a_larger_margin_says_more_and_a_tie_holds_two_together() -> None:
    slight, large = fit([Edge(0, 1, Verdict(1))]), fit([Edge(0, 1, Verdict(3))])
    assert large[0] > slight[0] > 0
    held = fit([Edge(0, 1, Verdict(3)), Edge(0, 1, Verdict(0))])
    assert large[0] > held[0] > 0


def test_in_a_ring_a_love_of_the_first_slot_favours_nobody() -> None:
    rng = random.Random(2)
    told = [Edge(i, j, Verdict(1)) for i, j in calls(range(8), rng, rings=2, anchors=0)]
    assert fit(told) == pytest.approx(dict.fromkeys(range(8), 0.0), abs=1e-6)


def test_a_known_slot_offset_is_taken_off() -> None:
    told = [Edge(0, 1, Verdict(1))]
    assert fit(told, Offsets(first=2.0))[0] < fit(told)[0]


def test_the_length_offset_helps_the_shorter_and_is_capped() -> None:
    even = [Edge(0, 1, Verdict(0))]
    lengths = {0: math.log(400), 1: math.log(100)}
    found = fit(even, Offsets(length=0.2), lengths=lengths)
    assert found[0] < 0 < found[1]
    assert Offsets(length=0.2).between(*lengths.values()) == pytest.approx(0.2 * math.log(4))
    assert Offsets(length=50).between(*lengths.values()) == MOST_LENGTH
    assert Offsets(length=50).between(0.0, 1.0) == -MOST_LENGTH
    assert fit(even, Offsets(length=0.2), lengths={0: 3.0})[0] == pytest.approx(0.0, abs=1e-9), "no length, no offset"


@pytest.mark.parametrize("ridge", [0.0, -1.0, math.nan])
def test_a_ridge_is_above_nothing(ridge: float) -> None:
    with pytest.raises(InputError, match="ridge"):
        fit([], ridge=ridge)


def batches(truth: Offsets, spread: float, rings: int) -> Offsets:
    rng, known = random.Random(4), Offsets(length=0.3)
    for _ in range(25):
        drawn = [[rng.gauss(0, spread) for _ in range(8)] for _ in range(30)]
        known = learned([group(strengths, truth, rng, rings=rings) for strengths in drawn], known)
    return known


@pytest.mark.parametrize("first", [-1.0, 0.0, 0.6])
@pytest.mark.parametrize(("spread", "rings"), [(1.0, 2), (1.7, 3)])
def test_a_planted_slot_is_learned_from_batches_and_the_length_is_not(first: float, spread: float, rings: int) -> None:
    known = batches(Offsets(first=first, tie=0.2), spread, rings)
    assert known.first == pytest.approx(first, rel=1 / 3, abs=0.06)
    assert known.length == 0.3


def test_a_judge_who_is_readier_with_ties_is_known_for_it() -> None:
    seldom, often = (batches(Offsets(tie=tie), 1.0, 2).tie for tie in (-0.7, 0.7))
    assert often - seldom == pytest.approx(1.4, abs=0.3)


def test_offsets_stay_where_nothing_was_read_and_are_held_by_memory() -> None:
    known = Offsets(first=0.4, tie=0.1, length=0.2)
    assert learned([], known) == known
    assert learned([[Edge(0, 1, NONE)]], known) == known
    one = [[Edge(0, 1, Verdict(-3)), Edge(1, 0, Verdict(-3))]]
    loose, firm = learned(one, known, memory=1), learned(one, known, memory=1000)
    assert loose.first < firm.first < known.first
    assert replace(loose, first=0, tie=0) == replace(known, first=0, tie=0)
