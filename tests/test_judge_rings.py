"""Rings and anchored calls: who is shown with whom, how often, and in which slot."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.reward.rings import REFERENCE, Call, Edge, calls, offsets, ring
from her.judge.verdict import Verdict

SIZES = range(17)
seeds = st.integers(0, 2**32)


def drawn(size: int, seed: int = 0, *, rings: int = 2, anchors: int = 4) -> tuple[list[Call], list[Call]]:
    """The calls among candidates, and those against the reference."""
    found = calls(range(size), random.Random(seed), rings=rings, anchors=anchors)
    return [c for c in found if REFERENCE not in c], [c for c in found if REFERENCE in c]


@pytest.mark.parametrize("size", SIZES)
@given(seed=seeds, rings=st.integers(0, 9))
def test_in_rings_everyone_is_shown_first_and_second_equally_often(size: int, seed: int, rings: int) -> None:
    among, _ = drawn(size, seed, rings=rings)
    first, second = Counter(one for one, _ in among), Counter(two for _, two in among)
    assert first == second
    assert len(set(first.values())) <= 1
    assert set(first) in (set(), set(range(size)))


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 0), (1, 0), (2, 2), (3, 3), (4, 4), (5, 10), (6, 12), (7, 14), *((size, 2 * size) for size in range(8, 17))],
)
def test_each_number_of_candidates_gets_its_calls(size: int, expected: int) -> None:
    among, against = drawn(size)
    assert len(among) == expected
    assert len(against) == (4 if size else 0)


@pytest.mark.parametrize("size", [size for size in SIZES if size != 2])
@given(seed=seeds, rings=st.integers(1, 9))
def test_no_pair_comes_twice(size: int, seed: int, rings: int) -> None:
    among, _ = drawn(size, seed, rings=rings)
    assert len({frozenset(pair) for pair in among}) == len(among)


@given(seed=seeds)
def test_two_candidates_are_one_pair_in_both_orders(seed: int) -> None:
    among, _ = drawn(2, seed)
    assert sorted(among) == [(0, 1), (1, 0)]


@pytest.mark.parametrize(("size", "rings"), [(size, rings) for size in range(5, 17) for rings in range(1, 9)])
def test_there_are_as_many_rings_as_fresh_pairs_allow(size: int, rings: int) -> None:
    found = offsets(size, rings)
    assert len(found) == len(set(found)) == min(rings, (size - 1) // 2)
    assert all(1 <= offset < size / 2 for offset in found)


@pytest.mark.parametrize("size", range(2, 17))
def test_one_ring_already_joins_all(size: int) -> None:
    among, _ = drawn(size, rings=1)
    reached = {0}
    for _ in range(size):
        reached |= {two for pair in among if set(pair) & reached for two in pair}
    assert reached == set(range(size))


def test_rings_of_eight_are_those_that_tell_most() -> None:
    """With offsets 1 and 3 any two are at most two comparisons apart; by brute force no other choice is better."""
    numpy = pytest.importorskip("numpy")

    def uncertainty(chosen: tuple[int, ...]) -> float:
        laplacian = numpy.zeros((8, 8))
        for offset in chosen:
            for i, j in ring(8, offset):
                laplacian[[i, j], [i, j]] += 1
                laplacian[[i, j], [j, i]] -= 1
        return float(numpy.trace(numpy.linalg.pinv(laplacian)))

    best = min(uncertainty(chosen) for chosen in combinations((1, 2, 3), 2))
    assert offsets(8, 2) == (1, 3)
    assert uncertainty((1, 3)) == pytest.approx(best)
    assert uncertainty((1, 2)) > best + 0.05


@pytest.mark.parametrize("size", range(1, 17))
@given(seed=seeds, anchors=st.integers(0, 40))
def test_anchored_calls_go_round_and_alternate_slots(size: int, seed: int, anchors: int) -> None:
    _, against = drawn(size, seed, anchors=anchors)
    assert len(against) == anchors
    met = Counter(one for call in against for one in call if one != REFERENCE)
    assert max(met.values(), default=0) - min((met[one] for one in range(size)), default=0) <= 1
    first = Counter(one for one, _ in against if one != REFERENCE)
    assert all(abs(2 * first[one] - met[one]) <= 1 for one in range(size))
    assert abs(2 * first.total() - anchors) <= 1


def test_seats_and_the_first_slot_are_drawn_and_a_seed_draws_the_same() -> None:
    assert drawn(8, 1) == drawn(8, 1)
    assert len({tuple(map(frozenset, drawn(8, seed)[0])) for seed in range(20)}) > 15
    assert {drawn(1, seed, anchors=1)[1][0] for seed in range(20)} == {(0, REFERENCE), (REFERENCE, 0)}


def test_only_those_who_passed_are_called() -> None:
    found = calls([1, 4, 6, 7, 9], random.Random(3), rings=2, anchors=4)
    assert {one for call in found for one in call} == {1, 4, 6, 7, 9, REFERENCE}


@pytest.mark.parametrize(("size", "offset"), [(1, 1), (4, 4), (5, 0), (3, -3)])
def test_nobody_sits_beside_himself(size: int, offset: int) -> None:
    with pytest.raises(InputError, match="with itself"):
        ring(size, offset)


@pytest.mark.parametrize("pair", [(1, 1), (REFERENCE, REFERENCE), (0, -2)])
def test_an_edge_joins_two(pair: Call) -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        Edge(*pair, Verdict(1))
