"""The simulation of reward designs: its judges are what they are said to be, and what was planted is found."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path
from statistics import correlation, mean

import pytest

from her.judge.verdict import Unscored, Verdict, Winner

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import reward_designs
from reward_designs import (
    AHEAD,
    ANCHORED,
    FIXED,
    JUDGES,
    KIND,
    PAPER,
    RESAMPLED,
    RING,
    RINGS,
    SIZE,
    Cell,
    Group,
    Judge,
    Turn,
    beside,
    hardest,
    simulated,
    survived,
)

BY_NAME = {judge.name: judge for judge in JUDGES}
PERFECT = Judge("perfect", slot=0, length=0, noise=1e-9, band=0)
BLIND = Judge("blind", slot=0, length=0, noise=1e9)


def answers(judge: Judge, number: int = 4000) -> list[tuple[Turn, Turn, Verdict | Unscored]]:
    rng = random.Random(1)
    pairs = [(Turn.drawn(judge, rng), Turn.drawn(judge, rng)) for _ in range(number)]
    return [(one, two, judge.call(one, two, rng)) for one, two in pairs]


def test_the_kind_judge_repeats_itself_about_as_seldom_as_a_median_judge() -> None:
    """Four in ten decided verdicts are not given again when the places are exchanged."""
    rng = random.Random(2)
    pairs = [(Turn.drawn(KIND, rng), Turn.drawn(KIND, rng)) for _ in range(4000)]
    both = [(KIND.call(one, two, rng), KIND.call(two, one, rng)) for one, two in pairs]
    read = [(a.winner, b.winner) for a, b in both if isinstance(a, Verdict) and isinstance(b, Verdict)]
    assert mean(b is not a.other for a, b in read if a is not Winner.TIE) == pytest.approx(0.4, abs=0.03)


def test_ties_missing_answers_and_true_lengths_are_as_named() -> None:
    told = [said for _, _, said in answers(BY_NAME["30 % ties"])]
    assert mean(isinstance(one, Verdict) and one.winner is Winner.TIE for one in told) == pytest.approx(0.3, abs=0.03)
    told = [said for _, _, said in answers(BY_NAME["10 % missing"])]
    assert mean(isinstance(one, Unscored) for one in told) == pytest.approx(0.1, abs=0.02)
    drawn = [one for one, _, _ in answers(BY_NAME["longer is better"])]
    assert correlation([one.quality for one in drawn], [one.length for one in drawn]) == pytest.approx(0.3, abs=0.05)


def test_the_slot_fades_with_the_gap_and_cycles_go_round() -> None:
    sure = replace(BY_NAME["slot when close"], noise=1e-9, length=0)
    even = Turn(0.0, 0.0, 0.0, (0.0, 0.0))
    ahead = replace(even, quality=3.0)
    rng = random.Random(0)
    assert [sure.call(even, even, rng), sure.call(even, ahead, rng)] == [Verdict(2), Verdict(-3)]
    round_ = [replace(even, taste=taste) for taste in ((1.0, 0.0), (-0.5, 0.87), (-0.5, -0.87))]
    cycles = replace(BY_NAME["cycles"], noise=1e-9, slot=0, length=0)
    wins = [cycles.call(round_[n], round_[(n + 1) % 3], rng) for n in range(3)]
    assert {one.winner for one in wins if isinstance(one, Verdict)} == {Winner.FIRST}


def test_luck_is_shared_by_all_calls_on_a_candidate() -> None:
    lucky = Judge("shared", slot=0, length=0, noise=1e-9, band=0, shared=1.0)
    group = Group.drawn(lucky, 0.0, random.Random(3))
    for at in range(SIZE):
        seen = {n: one.quality + one.luck for n, one in group.turns.items()}
        for edge in group.answered([(at, other) for other in range(SIZE) if other != at], lucky, random.Random(0)):
            assert isinstance(edge.verdict, Verdict)
            assert (edge.verdict.margin > 0) == (seen[edge.first] > seen[edge.second])


def test_a_perfect_judge_is_followed_and_a_blind_one_tells_nothing() -> None:
    perfect = simulated(PERFECT, 0.0, 60, 0, (RING, RINGS, "all pairs"))
    assert mean(perfect.told["all pairs"]) > 0.97
    assert mean(perfect.told["all pairs"]) > mean(perfect.told[RINGS]) > mean(perfect.told[RING]) > 0.75
    blind = simulated(BLIND, 0.0, 300, 0, (*FIXED, RING, RINGS))
    for name, told in blind.told.items():
        assert abs(mean(told)) < 0.09, name


def test_beyond_the_reference_the_papers_rule_falls_silent_and_rings_do_not() -> None:
    cell = simulated(PERFECT, 4.0, 60, 0, (PAPER, RESAMPLED, RING))
    assert cell.silent[PAPER] > 0.9
    assert cell.silent[RING] == 0
    assert cell.calls[RESAMPLED] > 5 * cell.calls[PAPER], "groups that are thrown away are paid for"
    assert cell.calls[PAPER] == cell.calls[RING] == SIZE


def test_calls_are_counted() -> None:
    cell = simulated(KIND, 0.0, 30, 0)
    assert {name: cell.calls[name] for name in cell.calls if name != RESAMPLED} == {
        PAPER: 8,
        "reference, candidate second": 8,
        "reference, both orders averaged": 16,
        "reference, both orders, disagreement a tie": 16,
        "pivot, one order": 7,
        "pivot, both orders": 14,
        RING: 8,
        "1 ring, wins only": 8,
        "1 ring, both orders": 16,
        RINGS: 16,
        "2 rings, length offset": 16,
        ANCHORED: 20,
        "3 rings": 24,
        "all pairs": 28,
    }
    assert all(cell.calls[name] <= 16 for name in FIXED)


@pytest.mark.parametrize("ahead", [0.0, 1.5])
def test_under_the_kind_judge_the_orderings_hold(ahead: float) -> None:
    cell = simulated(KIND, ahead, 200, 1, (*FIXED, RING, RINGS, ANCHORED))
    assert beside(cell, RING, PAPER)[1] > 0
    assert hardest(cell, RINGS)[1] > 0
    assert hardest(cell, ANCHORED)[1] > 0
    middle, low, high = beside(cell, ANCHORED, RINGS)
    assert low < middle < high
    assert high - low < 0.06


def test_a_run_goes_on_where_it_was_killed_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_designs, "JUDGES", (KIND, BY_NAME["cycles"]))
    first = next(iter(reward_designs.cells(30, 0, tmp_path)))
    assert first == simulated(KIND, -1.5, 30, 0)
    (tmp_path / f"kind_+0_30_0_{reward_designs.code()}.part").write_text("{")
    whole = list(reward_designs.cells(30, 0, tmp_path))
    assert whole[0] == first
    monkeypatch.setattr(reward_designs, "simulated", None)
    kept = list(reward_designs.cells(30, 0, tmp_path))
    assert reward_designs.table(kept, 30, 0) == reward_designs.table(whole, 30, 0)
    assert "| 1 ring tells more than HER's rule, 8 calls each |" in reward_designs.table(kept, 30, 0)


def test_other_code_is_not_answered_with_kept_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    empty = Cell("kind", 0.0, {}, {}, {}, {})
    monkeypatch.setattr(reward_designs, "JUDGES", (KIND,))
    monkeypatch.setattr(reward_designs, "simulated", lambda judge, ahead, *_: made.append(ahead) or empty)
    for code in ("a", "b", "a"):
        monkeypatch.setattr(reward_designs, "code", lambda code=code: code)
        list(reward_designs.cells(30, 0, tmp_path))
    assert made == [*AHEAD, *AHEAD]


def test_a_claim_is_told_with_its_range_and_how_often_it_holds() -> None:
    assert survived([(0.1, 0.05, 0.15), (-0.2, -0.3, -0.1), (0.02, -0.01, 0.05)]) == ("-0.20 to +0.10", "1, 1")
