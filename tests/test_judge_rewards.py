"""Rewards of a group: the rule for each number of candidates, bounds, and what becomes of what nobody said."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.reward import HER, OURS, PRESETS, REFERENCE, Call, Candidate, Design, Edge, Offsets, Reward, rewards, won
from her.judge.verdict import Judged, Reason, Unscored, Verdict
from her.rows.record import Refusal

NONE = Unscored(Reason.UNREADABLE)
PASSED = Candidate(units=100)
REFUSED = Candidate(refusals=(Refusal(stage="gate", reason="grammar"),))
answers: st.SearchStrategy[Judged] = st.sampled_from([-3, -2, -1, 0, 1, 2, 3]).map(Verdict) | st.just(NONE)
shares = st.floats(-1, 2)
candidates = st.builds(
    Candidate,
    refusals=st.sampled_from([(), (), (), REFUSED.refusals]),
    units=st.integers(0, 5000),
    overlong=shares,
    pattern=shares,
    repetition=shares,
)
groups = st.lists(candidates, max_size=8)
OTHERS = [Design(rings=1, anchors=0), Design(rings=0, anchors=3), Design(rings=9, anchors=9)]
designs = st.sampled_from([OURS, HER, *OTHERS])


def answered(group: Sequence[Candidate], design: Design, data: st.DataObject, *, reference: bool = True) -> list[Edge]:
    passing = [at for at, one in enumerate(group) if one.passed]
    asked = design.calls(passing, random.Random(data.draw(st.integers(0, 99))), reference=reference)
    return [Edge(one, two, data.draw(answers)) for one, two in asked]


def values(found: tuple[Reward, ...] | None) -> list[float | None]:
    assert found is not None
    return [one.value for one in found]


class TestHowManyPassed:
    def test_nobody_skips_the_group(self) -> None:
        assert rewards([], []) is None
        assert rewards([REFUSED] * 4, []) is None
        assert rewards([REFUSED] * 4, [], HER) is None

    @pytest.mark.parametrize("group", [[PASSED], [REFUSED, PASSED, REFUSED]])
    def test_one_without_a_reference_has_a_half(self, group: list[Candidate]) -> None:
        at = group.index(PASSED)
        assert OURS.calls([at], random.Random(0), reference=False) == ()
        found = rewards(group, [])
        assert values(found)[at] == 0.5
        assert found is not None
        assert found[at].advantage == pytest.approx(0.5 - 0.5 / len(group))

    def test_one_with_a_reference_has_anchored_calls_alone(self) -> None:
        asked = OURS.calls([2], random.Random(0))
        assert sorted(asked) == [(REFERENCE, 2), (REFERENCE, 2), (2, REFERENCE), (2, REFERENCE)]
        win = [Edge(i, j, Verdict(3 if i == 2 else -3)) for i, j in asked]
        (value,) = [one for one in values(rewards([REFUSED, REFUSED, PASSED], win)) if one]
        assert value > 0.7

    def test_one_whose_answers_cannot_be_read_is_no_tie(self) -> None:
        found = rewards([REFUSED, PASSED], [Edge(1, REFERENCE, NONE)])
        assert found is not None
        assert (found[1].value, found[1].advantage, found[1].read, found[1].unread) == (None, 0.0, 0, 1)

    @pytest.mark.parametrize("size", range(17))
    @given(data=st.data())
    def test_every_number_gives_a_row_for_each(self, size: int, data: st.DataObject) -> None:
        group = data.draw(st.permutations([PASSED] * size + [REFUSED] * (16 - size)))
        found = rewards(group, answered(group, OURS, data))
        assert (found is None) == (size == 0)
        if found is not None:
            assert len(found) == 16
            assert [one.value for one, asked in zip(found, group, strict=True) if not asked.passed] == [0.0] * (
                16 - size
            )


@given(groups, designs, st.data(), st.booleans())
def test_rewards_are_in_bounds_and_advantages_are_centred(
    group: list[Candidate], design: Design, data: st.DataObject, reference: bool
) -> None:
    edges = answered(group, design, data, reference=reference)
    found = rewards(group, edges, design, Offsets(first=0.5, length=0.4))
    if found is None:
        assert not any(one.passed for one in group)
        return
    low = -1.0 if design.paper else 0.0
    assert all(one.value is None or low <= one.value <= 1 for one in found)
    assert math.fsum(one.advantage for one in found) == pytest.approx(0.0, abs=1e-9)
    assert all(abs(one.advantage) <= 1 - low for one in found)
    if design.paper:
        assert {one.value for one in found} <= {1.0, 0.0, -1.0, None}
    assert sum(one.read + one.unread for one in found) == sum(2 - (REFERENCE in (e.first, e.second)) for e in edges)


@given(groups, designs, st.data())
def test_without_a_verdict_the_advantage_is_nought_and_the_others_come_out_as_if_it_were_not_there(
    group: list[Candidate], design: Design, data: st.DataObject
) -> None:
    edges = answered(group, design, data)
    passing = [at for at, one in enumerate(group) if one.passed]
    if len(passing) < 2:
        return
    mute = data.draw(st.sampled_from(passing))
    edges = [Edge(e.first, e.second, NONE if mute in (e.first, e.second) else e.verdict) for e in edges]
    found = rewards(group, edges, design)
    assert found is not None
    assert (found[mute].value, found[mute].advantage) == (None, 0.0)
    names = [at for at in range(len(group)) if at != mute]
    there = {old: new for new, old in enumerate(names)} | {REFERENCE: REFERENCE}
    left = [Edge(there[e.first], there[e.second], e.verdict) for e in edges if mute not in (e.first, e.second)]
    if len(passing) == 2 and not left:
        return  # the other one would be alone, and nobody would have been asked
    alone = rewards([group[at] for at in names], left, design)
    assert alone is not None
    for at in names:
        here, other = found[at], alone[there[at]]
        assert here.value == other.value
        assert here.advantage == pytest.approx(other.advantage, abs=1e-12)


@given(groups, designs, st.data())
def test_a_lost_verdict_is_as_if_nobody_had_asked(group: list[Candidate], design: Design, data: st.DataObject) -> None:
    edges = answered(group, design, data)
    told = [edge for edge in edges if edge.verdict is not NONE]
    if edges and not told:
        return
    lost, never = rewards(group, edges, design), rewards(group, told, design)
    assert (lost is None) == (never is None)
    for one, two in zip(lost or (), never or (), strict=True):
        assert (one.value, one.advantage, one.strength) == (two.value, two.advantage, two.strength)


class TestParts:
    """Whom no chain of verdicts joins to the reference has nothing that could be compared with the others'."""

    @pytest.mark.parametrize("margin", [-3, 0, 3])
    def test_those_who_never_met_the_reference_have_no_reward(self, margin: int) -> None:
        edges = [
            Edge(0, 1, Verdict(2)),
            Edge(2, REFERENCE, Verdict(margin)),
            Edge(1, 2, NONE),
            Edge(0, REFERENCE, NONE),
        ]
        zero, one, two = rewards([PASSED] * 3, edges) or ()
        assert (zero, one) == (Reward(None, read=1, unread=1), Reward(None, read=1, unread=1))
        assert two.value is not None and two.advantage == 0.0

    def test_without_a_reference_the_largest_part_is_rewarded(self) -> None:
        edges = [Edge(0, 1, Verdict(3)), Edge(2, 3, Verdict(1)), Edge(3, 4, Verdict(1))]
        assert [one is None for one in values(rewards([PASSED] * 5, edges))] == [True, True, False, False, False]
        assert [one is None for one in values(rewards([PASSED] * 5, edges[:2]))] == [False, False, True, True, True]

    @given(st.data())
    def test_no_verdict_of_another_part_decides_a_reward(self, data: st.DataObject) -> None:
        seats = st.sampled_from([*range(6), REFERENCE])
        met = data.draw(st.lists(st.tuples(seats, seats).filter(lambda two: two[0] != two[1]), max_size=9))
        edges = [Edge(*call, data.draw(answers)) for call in met]
        found = rewards([PASSED] * 6, edges) or ()
        rewarded = {at for at, one in enumerate(found) if one.value is not None}
        read = [edge for edge in edges if isinstance(edge.verdict, Verdict)]
        anchored = any(REFERENCE in (edge.first, edge.second) for edge in read)
        part = rewarded | {REFERENCE} if anchored else rewarded
        assert bool(rewarded) == bool(read)
        outside = [edge for edge in read if edge.first not in part]
        assert not any(edge.second in part for edge in outside), "a part is whole"
        turned = [Edge(e.first, e.second, Verdict(-3)) if e in outside else e for e in edges]
        for one, two in zip(found, rewards([PASSED] * 6, turned) or (), strict=True):
            assert one.value == pytest.approx(two.value, abs=1e-6) if one.value is not None else two.value is None
            assert one.advantage == pytest.approx(two.advantage, abs=1e-6)
        joined = {min(part, default=0)}
        for _ in part:
            joined.update(end for e in read if {e.first, e.second} & joined for end in (e.first, e.second))
        assert not part or joined == part, "a part hangs together"


Loss = Callable[[Verdict, random.Random], Judged]


class TestMissingAtRandom:
    """One group, judged many times over: what each row may expect, with all verdicts and with some lost."""

    QUALITIES = (-1.6, -0.9, -0.4, 0.0, 0.1, 0.6, 1.0, 1.7)
    TIMES = 1500

    def judged(self, call: Call, rng: random.Random) -> Verdict:
        levels = (*self.QUALITIES, -0.5)  # the reference, at -1, is the last
        seen = levels[call[0]] - levels[call[1]] + 0.6 + rng.gauss(0, 1)
        return Verdict(0 if abs(seen) < 0.35 else math.copysign(min(3, 1 + int(abs(seen))), seen))

    def expected(self, design: Design, lose: Loss, seed: int) -> list[list[float]]:
        """Advantages by row, over all repetitions in which the row had a reward."""
        rng, rows = random.Random(seed), [list[float]() for _ in self.QUALITIES]
        for _ in range(self.TIMES):
            edges = [Edge(*call, lose(self.judged(call, rng), rng)) for call in design.calls(range(8), rng)]
            found = rewards([PASSED] * 8, edges, design, Offsets(first=0.8))
            for row, one in zip(rows, found or (), strict=True):
                row.extend([] if one.value is None else [one.advantage])
        return rows

    def moved(self, design: Design, lose: Loss) -> float:
        """How far a row's mean moves at most, in standard errors of the difference."""
        rows = zip(self.expected(design, lambda told, _: told, 1), self.expected(design, lose, 2), strict=True)
        return max(
            abs(mean(part) - mean(whole)) / math.hypot(*(stdev(one) / math.sqrt(len(one)) for one in (whole, part)))
            for whole, part in rows
        )

    @pytest.mark.parametrize("design", [OURS, Design(rings=2, anchors=0), HER], ids=["ours", "rings", "her"])
    def test_what_a_row_may_expect_stays(self, design: Design) -> None:
        """3.5 standard errors for eight rows: one seed in three hundred would fail by chance."""
        assert self.moved(design, lambda told, rng: NONE if rng.random() < 0.15 else told) < 3.5

    @pytest.mark.parametrize(
        ("design", "instead"),
        [(OURS, Verdict(0)), (HER, Verdict(0)), (HER, Verdict(3)), (HER, Verdict(-3))],
        ids=["ours, tie", "her, tie", "her, win", "her, loss"],
    )
    def test_a_stand_in_would_be_found_out(self, design: Design, instead: Verdict) -> None:
        assert self.moved(design, lambda told, rng: instead if rng.random() < 0.15 else told) > 3.5


class TestPaper:
    def test_its_rule(self) -> None:
        assert PRESETS["her"] is HER
        asked = HER.calls([0, 1, 2, 3], random.Random(0))
        assert asked == tuple((at, REFERENCE) for at in range(4))
        said = [Verdict(2), Verdict(0), Verdict(-1), NONE]
        found = rewards([PASSED] * 4 + [REFUSED], [Edge(*c, v) for c, v in zip(asked, said, strict=True)], HER)
        assert values(found) == [1.0, 0.0, -1.0, None, -1.0]
        assert found is not None
        assert [one.advantage for one in found] == [1.25, 0.25, -0.75, 0.0, -0.75]

    def test_penalties_and_margins_are_not_its_business(self) -> None:
        group = [Candidate(units=900, overlong=1, pattern=1, repetition=1), PASSED]
        assert values(rewards(group, [Edge(0, REFERENCE, Verdict(1)), Edge(1, REFERENCE, Verdict(3))], HER)) == [
            1.0,
            1.0,
        ]

    def test_without_a_reference_nobody_is_asked(self) -> None:
        assert HER.calls([0, 1], random.Random(0), reference=False) == ()
        assert values(rewards([PASSED, PASSED], [], HER)) == [None, None]


class TestOurs:
    def test_anchored_rewards_are_chances_against_the_reference(self) -> None:
        beaten = [Edge(0, 1, Verdict(0)), Edge(0, REFERENCE, Verdict(3)), Edge(REFERENCE, 1, Verdict(-3))]
        assert min(value or 0 for value in values(rewards([PASSED] * 2, beaten))) > 0.6
        middle = values(rewards([PASSED] * 2, beaten[:1]))
        assert middle == pytest.approx([0.5, 0.5])

    @given(st.permutations(range(6)))
    def test_verdicts_without_noise_give_rewards_in_order(self, quality: list[int]) -> None:
        edges = [Edge(i, j, Verdict(3 if quality[i] > quality[j] else -3)) for i in range(6) for j in range(i)]
        found = values(rewards([PASSED] * 6, edges))
        assert sorted(range(6), key=lambda at: found[at] or 0) == sorted(range(6), key=quality.__getitem__)

    def test_each_penalty_takes_its_part_and_no_more(self) -> None:
        even = [Edge(0, 1, Verdict(0))]
        for name in ("overlong", "pattern", "repetition"):
            for share, taken in ((0.5, 0.5), (1.0, 1.0), (7.0, 1.0), (-3.0, 0.0)):
                found = values(rewards([Candidate(**{name: share}), Candidate()], even))
                assert found == pytest.approx([0.5 - taken * getattr(OURS, name), 0.5])

    def test_the_one_who_stands_alone_pays_penalties_too(self) -> None:
        assert values(rewards([Candidate(overlong=1.0)], [])) == pytest.approx([0.5 - OURS.overlong])

    def test_length_offsets_need_a_length(self) -> None:
        group = [Candidate(units=400), Candidate(units=100), Candidate(units=0)]
        even = [Edge(0, 1, Verdict(0)), Edge(1, 2, Verdict(0)), Edge(2, 0, Verdict(0))]
        long, short, unknown = values(rewards(group, even, OURS, Offsets(length=0.3)))
        assert long is not None and short is not None and unknown is not None
        assert long < unknown < short

    @pytest.mark.parametrize(
        "wrong", [{"overlong": 0.21}, {"pattern": -0.1}, {"repetition": math.nan}, {"rings": -1}, {"anchors": -1}]
    )
    def test_a_design_out_of_bounds_is_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(InputError):
            Design(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("edge", "why"), [((0, 1), "refused at the gate"), ((0, 5), "not in a group of 3")])
def test_an_edge_of_a_stranger_is_an_error(edge: Call, why: str) -> None:
    with pytest.raises(InputError, match=why):
        rewards([PASSED, REFUSED, PASSED], [Edge(*edge, Verdict(1))])


def test_wins_against_the_reference_are_counted_from_both_slots() -> None:
    edges = [
        Edge(0, REFERENCE, Verdict(2)),
        Edge(REFERENCE, 0, Verdict(2)),
        Edge(REFERENCE, 0, Verdict(0)),
        Edge(REFERENCE, 0, NONE),
        Edge(0, 1, Verdict(3)),
    ]
    assert won(edges, 0) == (1.5, 3)
    assert won(edges, 1, 0) == (0.0, 1)
    assert won(edges, 1) == (0.0, 0)


@settings(max_examples=20)
@given(st.integers(0, 999))
def test_an_unbiased_judge_favours_no_order(seed: int) -> None:
    """The same answers under exchanged places give the same rewards."""
    rng = random.Random(seed)
    asked = OURS.calls(range(6), rng)
    edges = [Edge(i, j, Verdict(rng.choice([-3, -1, 0, 2]))) for i, j in asked]
    turned = [Edge(edge.second, edge.first, edge.verdict.swapped) for edge in edges]
    assert values(rewards([PASSED] * 6, turned)) == pytest.approx(values(rewards([PASSED] * 6, edges)), abs=1e-6)
