"""Intervals over scenes: they hold the truth as often as they say, and there is none where none can be made."""

from __future__ import annotations

import random

import pytest

from her.checks.intervals import LEAST_SCENES, interval, unseen


def share(sums: object) -> float:
    hits, whole = sums  # type: ignore[misc]
    return hits / whole  # type: ignore[no-any-return]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Turns of one scene are alike, so that intervals over turns would be far too narrow."""
    rng, held, narrow = random.Random(3), 0, 0
    for _ in range(200):
        rows, turns = [], []
        for _ in range(12):
            share = rng.betavariate(1.2, 2.8)  # 0.3 in the mean
            hits = [float(rng.random() < share) for _ in range(10)]
            rows.append((sum(hits), 10.0))
            turns += [(hit, 1.0) for hit in hits]
        low, high = interval(rows, lambda sums: sums[0] / sums[1], rng, draws=300) or (1.0, 0.0)
        held += low <= 0.3 <= high
        low, high = interval(turns, lambda sums: sums[0] / sums[1], rng, draws=100) or (1.0, 0.0)
        narrow += low <= 0.3 <= high
    assert 0.9 <= held / 200 <= 0.99
    assert narrow / 200 < 0.85


def test_few_scenes_and_scenes_that_are_all_alike_have_no_interval() -> None:
    rng = random.Random(0)
    spread = [(float(n % 2), 1.0) for n in range(LEAST_SCENES)]
    assert interval(spread, share, rng, draws=100) is not None
    assert interval(spread[:-1], share, rng, draws=100) is None
    assert interval([(1.0, 1.0)] * 50, share, rng, draws=100) is None


@pytest.mark.parametrize("count", [1, 30, 183, 368])
def test_what_was_never_seen_may_still_be_there(count: int) -> None:
    """At the bound, as many cases show nothing in just 2.5 of 100 samples."""
    assert (1 - unseen(count)) ** count == pytest.approx(0.025)
    assert unseen(0) == 1


def test_with_six_scenes_intervals_hold_the_truth_somewhat_less_often() -> None:
    rng, held = random.Random(4), 0
    for _ in range(400):
        shares = [rng.betavariate(1.2, 2.8) for _ in range(LEAST_SCENES)]
        rows = [(sum(float(rng.random() < share) for _ in range(7)), 7.0) for share in shares]
        low, high = interval(rows, lambda sums: sums[0] / sums[1], rng, draws=200) or (1.0, 0.0)
        held += low <= 0.3 <= high
    assert 0.87 <= held / 400 <= 0.94
