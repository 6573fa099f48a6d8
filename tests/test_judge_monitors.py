"""What is watched: each figure finds what was planted, and three breaches in a row halt a run."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.reward import HER, OURS, REFERENCE, Candidate, Design, Edge, Reward, rewards
from her.judge.reward.monitors import FEWEST, LIMITS, TODO, Group, Readings, Watch, readings
from her.judge.verdict import Judged, Reason, Unscored, Verdict
from her.rows.record import Refusal
from her.turn import Kind, Segment, Turn

NONE = Unscored(Reason.CUT)
NAMES = [one.name for one in fields(Readings)]


def asked(*verdicts: Judged, times: int = 10) -> list[Group]:
    return [Group([Candidate(units=9)] * 2, [Edge(0, 1, one) for one in verdicts], None) for _ in range(times)]


def rewarded(values: Sequence[float], lengths: Sequence[int]) -> Group:
    return Group([Candidate(units=length) for length in lengths], [], [Reward(value) for value in values])


def turns(*layouts: str, times: int = 20) -> list[Turn]:
    kinds = {"t": Kind.ROLE_THINKING, "a": Kind.ROLE_ACTION, "s": Kind.SPEECH}
    return [Turn("Anne", tuple(Segment(kinds[c], "x") for c in layout)) for _ in range(times) for layout in layouts]


def test_shares_of_answers_are_what_was_planted() -> None:
    found = readings(asked(Verdict(1), Verdict(3), Verdict(-2), Verdict(0), NONE))
    assert (found.first_slot, found.ties, found.unread) == (pytest.approx(2 / 3), 0.25, 0.2)


def test_nothing_is_made_of_few_answers() -> None:
    assert readings([]) == Readings()
    assert readings(asked(Verdict(1), times=FEWEST - 1)) == Readings(refused=0.0)
    assert readings(asked(Verdict(1), times=FEWEST)).first_slot == 1.0
    assert readings(asked(NONE, times=FEWEST)) == Readings(unread=1.0, refused=0.0), "and what is unread is no tie"
    assert readings(asked(Verdict(0), times=FEWEST)).first_slot is None


@pytest.mark.parametrize("design", [HER, OURS], ids=["her", "ours"])
def test_a_policy_that_beats_its_reference_does_not_halt_the_run(design: Design) -> None:
    """Three in four are won, whatever the slot; the judge has no love for either."""
    rng, groups = random.Random(4), []
    for _ in range(60):
        asked = design.calls(range(8), rng)
        wins = [rng.random() < (0.75 if two == REFERENCE else 0.25 if one == REFERENCE else 0.5) for one, two in asked]
        edges = [Edge(*call, Verdict(2 if win else -2)) for call, win in zip(asked, wins, strict=True)]
        groups.append(Group([Candidate(units=9)] * 8, edges, None))
    watch = Watch().after(readings(groups))
    assert "first_slot" not in watch.breaches
    assert (watch.last.first_slot is None) == design.paper, "the paper's rule says nothing of the slot"


def test_flips_are_pairs_that_followed_the_slot_twice() -> None:
    pairs: list[tuple[Judged, Judged]] = [
        (Verdict(2), Verdict(1)),
        (Verdict(-1), Verdict(-3)),
        (Verdict(1), Verdict(-1)),
        (Verdict(-1), Verdict(1)),
        (Verdict(0), Verdict(1)),
        (Verdict(1), NONE),
    ]
    assert readings([], audit=pairs * 10).flips == 0.5
    assert readings([], audit=[(Verdict(0), Verdict(1))] * 50).flips is None


def test_a_reward_that_follows_the_length_is_found_within_groups() -> None:
    grown = [rewarded([0.2, 0.5, 0.8], [10, 20, 40]) for _ in range(10)]
    assert readings(grown).length == pytest.approx(1.0)
    shrunk = [rewarded([0.8, 0.5, 0.2], [10, 20, 40]) for _ in range(10)]
    assert readings(shrunk).length == pytest.approx(-1.0)
    assert readings([*grown, *shrunk]).length == pytest.approx(0.0, abs=1e-9)
    between = [rewarded([0.1 * n, 0.1 * n + 0.2, 0.1 * n + 0.1], [2**n] * 3) for n in range(8)]
    assert readings(between).length is None, "long scenes with good turns are no length bias"


def test_planted_correlation_comes_back() -> None:
    rng, groups = random.Random(1), []
    for _ in range(400):
        long = [rng.gauss(0, 1) for _ in range(8)]
        values = [0.5 + 0.05 * (0.6 * one + 0.8 * rng.gauss(0, 1)) for one in long]
        groups.append(rewarded(values, [round(1000 * math.exp(0.4 * one)) for one in long]))
    assert readings(groups).length == pytest.approx(0.6, abs=0.05)


def test_refused_and_unrewarded_candidates_tell_nothing_of_length() -> None:
    refused = Candidate(refusals=(Refusal(stage="gate", reason="cut"),), units=9999)
    group = [Candidate(units=10), Candidate(units=20), refused, Candidate(units=9999), Candidate(units=0)]
    found = rewards(group, [Edge(0, 1, Verdict(-3)), Edge(3, 4, NONE)], OURS)
    seen = readings([Group(group, [], found)] * 10)
    assert seen.length == pytest.approx(1.0)
    assert seen.refused == 0.2
    assert readings([Group(group, [], None)] * 10).length is None


def test_entropy_of_layouts_and_figures_from_outside() -> None:
    assert readings([], turns=turns("ts")).layouts == 0.0
    assert readings([], turns=turns("ts", "as", "s", "t")).layouts == 2.0
    assert readings([], turns=turns("ts", times=FEWEST - 1)).layouts is None
    assert readings([], kl=0.1, held_out=0.7) == Readings(kl=0.1, held_out=0.7)


def test_the_same_figure_three_times_in_a_row_halts() -> None:
    watch = Watch()
    for count in (1, 2):
        watch = watch.after(Readings(unread=0.1))
        assert watch.breaches == {"unread": count}
        assert not watch.halted
    assert watch.after(Readings(unread=0.1)).halted
    assert not watch.after(Readings(unread=0.01)).after(Readings(unread=0.1)).halted
    assert not watch.after(Readings(kl=9.0)).halted, "another figure is another streak"


def test_what_was_not_measured_neither_counts_nor_clears() -> None:
    watch = Watch()
    for figure in (0.1, None, 0.1, None):
        watch = watch.after(Readings(unread=figure))
    assert watch.breaches == {"unread": 2}
    assert watch.after(Readings(unread=0.1)).halted


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_limit_that_halts_and_a_way_out(name: str) -> None:
    low, high = LIMITS[name]
    beyond = [bound + sign for bound, sign in ((low, -0.01), (high, 0.01)) if bound is not None]
    assert beyond
    for value in (*beyond, math.nan, math.inf):
        watch = Watch()
        for _ in range(3):
            watch = watch.after(Readings(**{name: value}))
        assert watch.halted
        (line,) = watch.told()
        assert line.startswith(f"{name}: ")
        assert "3 in a row; the run halts" in line
        assert TODO[name] in line
    for bound in (low, high):
        if bound is not None:
            assert Watch().after(Readings(**{name: bound})).breaches == {}


def test_what_is_told_is_the_longest_streak_first() -> None:
    watch = (
        Watch().after(Readings(unread=0.1)).after(Readings(unread=0.1, first_slot=0.9)).after(Readings(first_slot=0.91))
    )
    assert watch.told() == (
        f"first_slot: 0.91 (allowed 0.35 to 0.65), 2 in a row: {TODO['first_slot']}",
        f"unread: not measured this time (allowed any to 0.02), 2 in a row: {TODO['unread']}",
    )
    assert Watch().told() == ()


figures = st.none() | st.floats(-2, 10)


@given(st.lists(st.builds(Readings, **dict.fromkeys(NAMES, figures)), max_size=8), st.integers(0, 8))
def test_a_resumed_watch_goes_on_as_if_nothing_had_been(seen: list[Readings], cut: int) -> None:
    straight = resumed = Watch()
    for number, one in enumerate(seen):
        straight = straight.after(one)
        if number == cut:
            resumed = Watch.again(json.loads(json.dumps(resumed.state())))
        resumed = resumed.after(one)
    assert (resumed.streaks, resumed.halted, resumed.told()) == (straight.streaks, straight.halted, straight.told())


@pytest.mark.parametrize(
    "state", [{}, {"limits": {"unread": 3}}, {"limits": {}, "streaks": {}, "last": {"x": 1}}, {"limits": []}]
)
def test_a_state_that_is_none_is_an_error(state: dict[str, object]) -> None:
    with pytest.raises(InputError, match="watch"):
        Watch.again(state)  # type: ignore[arg-type]


def test_a_limit_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="'speed'"):
        Watch({"speed": (0, 1)})
    assert Watch({"kl": (None, 0.1)}).after(Readings(kl=0.2, unread=1.0)).breaches == {"kl": 1}
