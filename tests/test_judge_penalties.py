"""Penalties of a turn: bounds, and what they are for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError
from her.judge.reward.penalties import HARD, SOFT, Habits, overlong, repetition
from her.turn import Kind, Segment, Turn

segments = st.builds(Segment, st.sampled_from(Kind), st.text(max_size=80))
turns = st.builds(Turn, st.sampled_from(["Anne", "Ben"]), st.lists(segments, max_size=4).map(tuple))


def said(text: str, speaker: str = "Anne", *, thought: str = "") -> Turn:
    lead = (Segment(Kind.ROLE_THINKING, thought),) if thought else ()
    return Turn(speaker, (*lead, Segment(Kind.SPEECH, text)))


def words(number: int) -> str:
    return " ".join(f"w{n}" for n in range(number))


@given(turns, st.lists(turns, max_size=5))
def test_a_penalty_is_a_share(turn: Turn, others: list[Turn]) -> None:
    now, usual = Habits.of([turn, *others]), Habits.of(others)
    for share in (overlong(turn), repetition(turn, others), now.overused(turn, usual)):
        assert 0 <= share <= 1


@pytest.mark.parametrize(("number", "share"), [(10, 0), (SOFT, 0), ((SOFT + HARD) // 2, 0.5), (HARD, 1), (5 * HARD, 1)])
def test_length_costs_from_one_bound_to_the_other(number: int, share: float) -> None:
    assert overlong(said(words(number))) == pytest.approx(share)


def test_plans_cost_nothing_and_chinese_is_counted_in_characters() -> None:
    assert overlong(Turn("Anne", (Segment(Kind.SYSTEM_THINKING, words(2000)), Segment(Kind.SPEECH, "Yes.")))) == 0
    assert overlong(said("".join(chr(0x4E00 + n) for n in range(SOFT + 50)))) == 0


def test_bounds_in_the_wrong_order_are_an_error() -> None:
    with pytest.raises(InputError, match="above"):
        overlong(said("Yes."), soft=10, hard=10)


def test_repeating_oneself_costs_and_answering_in_ones_own_words_does_not() -> None:
    first = said("The boat lies where it lay, and the tide will be here before you have your boots on.")
    other = said(first.text_of(Kind.SPEECH), "Ben")
    assert repetition(first, [first]) == 1
    assert repetition(first, [other]) == 0, "another's words are the gate's business"
    assert repetition(first, [said("I have no boots, Ben, and no patience either.")]) == 0
    twice = said("The boat lies where it lay. " * 3)
    assert repetition(twice, []) > 0.5


def test_a_layout_or_opening_costs_only_where_it_is_used_more_than_in_the_data() -> None:
    numbers = range(50)
    usual = Habits.of([said(words(n)) for n in numbers] + [said(f"{n} is the number.", thought="So.") for n in numbers])
    same = Habits.of([said("Listen to me, all of you.") for _ in range(10)])
    assert same.overused(said("Listen to me, my dear."), usual) == 1
    assert usual.overused(said("Listen to me, my dear."), usual) == 0
    assert usual.overused(said("7 is the number.", thought="So."), usual) == 0


def test_habits_move_towards_a_batch_and_forget() -> None:
    one, two = said("One."), said("Two.", thought="Hm.")
    habits = Habits.of([one])
    assert habits.after([]) == habits
    moved = habits.after([two], rate=0.25)
    assert moved.shares["layout speech"] == 0.75
    assert moved.shares["layout thought-speech"] == 0.25
    for _ in range(200):
        moved = moved.after([two])
    assert moved.shares == pytest.approx(Habits.of([two]).shares, abs=1e-6)
    assert "opening one" not in moved.shares
    assert Habits.of([]).shares == {}
