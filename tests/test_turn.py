"""Who sees what: the three readers of a dialogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import UnknownName
from her.turn import ENVIRONMENT, VIEWS, Dialogue, Kind, Segment, Turn, View

CAST = frozenset({"Ann", "Bob", "Cleo"})
ALL = tuple(Segment(kind, kind.value) for kind in Kind)

speakers = st.sampled_from(sorted(CAST))
some_turns = st.builds(
    Turn,
    speaker=speakers,
    segments=st.lists(st.builds(Segment, st.sampled_from(Kind), st.uuids().map(str)), min_size=1, max_size=4).map(
        tuple
    ),
    heard_by=st.none() | st.frozensets(speakers, max_size=2),
)
dialogues = st.lists(some_turns, max_size=8).map(lambda turns: Dialogue(CAST, tuple(turns)))


@given(dialogues, speakers)
def test_a_mind_gets_its_own_thoughts_and_no_others(dialogue: Dialogue, name: str) -> None:
    seen = {s.text for turn in dialogue.seen_by(name) for s in turn.segments}
    for turn in dialogue:
        for segment in turn.segments:
            own, heard = turn.speaker == name, turn.heard_by is None or name in turn.heard_by
            may = segment.kind is not Kind.SYSTEM_THINKING and (own or (heard and not segment.kind.private))
            assert (segment.text in seen) == may


@given(dialogues)
def test_a_judge_gets_every_mind_and_no_plan(dialogue: Dialogue) -> None:
    seen = {s.text for turn in dialogue.for_judge() for s in turn.segments}
    assert seen == {s.text for turn in dialogue for s in turn.segments if s.kind is not Kind.SYSTEM_THINKING}


@given(dialogues, st.booleans(), st.booleans(), st.none() | speakers)
def test_a_person_sees_what_the_view_and_the_part_allow(
    dialogue: Dialogue, plans: bool, minds: bool, name: str | None
) -> None:
    seen = {s.text for turn in dialogue.shown(View(plans, minds), name) for s in turn.segments}
    for turn in dialogue:
        present = name is None or minds or turn.heard_by is None or name == turn.speaker or name in turn.heard_by
        for segment in turn.segments:
            allowed = {
                Kind.SYSTEM_THINKING: plans,
                Kind.ROLE_THINKING: minds or turn.speaker == name,
            }.get(segment.kind, True)
            assert (segment.text in seen) == (present and allowed)


def test_an_unknown_name_is_an_error_that_lists_the_cast() -> None:
    dialogue = Dialogue(CAST, (Turn("Ann", ALL),))
    for ask in (lambda: dialogue.seen_by("Dan"), lambda: dialogue.shown(View(), "ann")):
        with pytest.raises(UnknownName, match="Ann, Bob, Cleo"):
            ask()
    with pytest.raises(UnknownName):
        dialogue.plus(Turn("Dan", ALL))
    with pytest.raises(UnknownName):
        dialogue.plus(Turn("Ann", ALL, heard_by=frozenset({"Dan"})))


def test_environment_is_in_every_cast_and_reads_no_mind() -> None:
    dialogue = Dialogue(CAST, (Turn(ENVIRONMENT, ALL[2:]), Turn("Ann", ALL)))
    assert [len(turn.segments) for turn in dialogue.seen_by(ENVIRONMENT)] == [2, 2]


def test_views_have_names() -> None:
    assert {name: view.name for name, view in VIEWS.items()} == {name: name for name in VIEWS}
    assert View(plans=True).name == "custom"


def test_a_turn_of_thoughts_alone_is_no_turn_for_others() -> None:
    dialogue = Dialogue(CAST, (Turn("Ann", ALL[:2]),))
    assert dialogue.seen_by("Bob") == ()
    assert len(dialogue.seen_by("Ann")) == 1
