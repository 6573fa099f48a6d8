"""Streaming: the same turn as parsing, for every way of cutting the text."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.markup import Style, parse, stream
from her.stream import Delta, Event, Finished, Retract, SecondSpeaker, Started
from her.turn import Ending, Kind, Parsed, Segment
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END, hostile, names

CAST = ["Elizabeth", "Mr. Darcy", "Ann", "Anna"]


def streamed(pieces: list[str], **options: object) -> list[Event]:
    parser = stream(**options)  # type: ignore[arg-type]
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


def parsed(events: list[Event]) -> Parsed:
    assert isinstance(events[-1], Finished)
    return events[-1].parsed


def followed(events: list[Event]) -> list[Segment]:
    """What a face that obeys the events has on its screen at the end."""
    shown: list[Segment] = []
    for event in events:
        match event:
            case Started(kind):
                shown.append(Segment(kind, ""))
            case Delta(kind, text):
                assert shown[-1].kind is kind
                shown[-1] = Segment(kind, shown[-1].text + text)
            case Retract():
                shown = [s for s in shown if s.kind.private]
    return shown


@given(st.data(), hostile, st.sampled_from(Style), names, st.sampled_from([None, *Kind]))
def test_any_cutting_gives_the_turn_of_parsing(
    data: st.DataObject, text: str, style: Style, speaker: str, opened: Kind | None
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    options = {"style": style, "speaker": speaker, "cast": CAST, "opened": opened, "plan": True}
    assert parsed(streamed(pieces, **options)) == parse(text, **options)  # type: ignore[arg-type]


@given(hostile, st.sampled_from(Style), names)
def test_one_character_at_a_time_gives_the_turn_of_parsing(text: str, style: Style, speaker: str) -> None:
    options = {"style": style, "speaker": speaker, "cast": CAST}
    assert parsed(streamed(list(text), **options)) == parse(text, **options)  # type: ignore[arg-type]


SHORT = [
    f"{PLAN}p</",
    f"<b>Ann: x{THOUGHT_END}y",
    f"a{ACTION}b{ACTION_END}",
    "*a* 2*3 **",
    "[a](b) c]",
]


@pytest.mark.parametrize("text", SHORT)
@pytest.mark.parametrize("style", Style)
def test_all_cuttings_of_short_texts(text: str, style: Style) -> None:
    whole = parse(text, style=style, speaker="Ann", cast=CAST)
    positions = range(1, len(text))
    for count in (1, 2, len(text) - 1):
        for cuts in combinations(positions, count):
            pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            assert parsed(streamed(pieces, style=style, speaker="Ann", cast=CAST)) == whole


@given(hostile, names)
def test_a_face_that_obeys_the_events_shows_nothing_that_is_private(text: str, speaker: str) -> None:
    events = streamed(list(text), speaker=speaker, cast=CAST)
    public = "".join(s.text for s in parsed(events).turn.segments if not s.kind.private)
    on_screen = "".join(s.text for s in followed(events) if not s.kind.private)
    assert "".join(on_screen.split()) == "".join(public.split())


def test_deltas_make_up_the_segments() -> None:
    text = f"{PLAN} plan {PLAN_END}\nAnn: {THOUGHT}mine{THOUGHT_END}\n\nHello, {ACTION}bows{ACTION_END} you."
    events = streamed(list(text), speaker="Ann", cast=CAST)
    assert tuple(followed(events)) == parsed(events).turn.segments


def test_only_what_may_be_a_mark_or_a_name_is_held_back() -> None:
    parser = stream(speaker="Ann", cast=CAST)

    def told(piece: str) -> str:
        return "".join(event.text for event in parser.feed(piece) if isinstance(event, Delta))

    assert told("Hi there <rol") == "Hi there"
    assert told("l me") == " <roll me"
    assert told("\nMr. Dar") == ""
    assert told("win: no") == "\nMr. Darwin: no"


def test_a_stray_private_closer_takes_back_what_was_shown_once() -> None:
    events = streamed(["I will ", "plan this.", PLAN_END, "Ann: Hi."], speaker="Ann", cast=CAST)
    assert [e for e in events if isinstance(e, Retract)] == [Retract(Kind.SYSTEM_THINKING)]
    assert [s.text for s in followed(events)] == ["Hi."]


def test_a_second_speaker_is_announced_as_soon_as_the_colon_stands() -> None:
    parser = stream(speaker="Ann", cast=CAST)
    parser.feed("Yes.\nMr. Darcy")
    assert SecondSpeaker("Mr. Darcy") in parser.feed(": ")
    assert parsed(parser.finish()).ending is Ending.SECOND_SPEAKER


def test_after_a_prefill_the_parser_knows_which_block_is_open() -> None:
    events = streamed(["the plan", f"{PLAN_END}Ann: Hi."], speaker="Ann", opened=Kind.SYSTEM_THINKING, plan=True)
    assert parsed(events).faults == ()
    assert [s.text for s in parsed(events).turn.segments] == ["the plan", "Hi."]


def test_a_cut_stream_says_so_and_keeps_what_came() -> None:
    parser = stream(speaker="Ann")
    parser.feed(f"{THOUGHT}half a th")
    (*_, last) = parser.finish(cut=True)
    assert isinstance(last, Finished)
    assert last.parsed.ending is Ending.CUT
    assert last.parsed.turn.segments == (Segment(Kind.ROLE_THINKING, "half a th"),)
