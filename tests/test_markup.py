"""Written forms: what is read from a text, and that nothing private is ever read as public."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.markup import Style, format_for_display, notation, parse, remove_system_thinking, render
from her.turn import VIEWS, Dialogue, Ending, FaultKind, Kind, Segment, Turn
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END, hostile, names, turns, words

S, T, A, P = Kind.SPEECH, Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SYSTEM_THINKING


def kinds(text: str, **options: object) -> list[tuple[Kind, str]]:
    return [(s.kind, s.text) for s in parse(text, **options).turn.segments]  # type: ignore[arg-type]


def faults(text: str, **options: object) -> set[FaultKind]:
    return {fault.kind for fault in parse(text, **options).faults}  # type: ignore[arg-type]


def test_a_well_formed_reply_is_read_without_a_fault() -> None:
    text = f"{PLAN}She is wary.{PLAN_END}Ann: {THOUGHT}Why now?{THOUGHT_END}{ACTION}bows{ACTION_END}Good evening."
    parsed = parse(text, speaker="Ann", cast=["Ann", "Bob"], plan=True)
    assert parsed.faults == ()
    assert parsed.ending is Ending.COMPLETE
    assert [s.kind for s in parsed.turn.segments] == [P, T, A, S]
    assert parsed.turn.layout == "thought-action-speech"


@given(turns())
def test_what_is_rendered_is_read_back(turn: Turn) -> None:
    assert parse(render(turn, name=True), speaker=turn.speaker).turn == turn


@pytest.mark.parametrize(
    ("left", "right", "heard"),
    [
        ("So you see.", "And we mean to pay!", "So you see. And we mean to pay!"),
        ("“Never.”", "“Well.”", "“Never.” “Well.”"),
        ("他来了……", "你信么？", "他来了……你信么？"),
        ("行。", "“不。”", "行。“不。”"),
        ("아니.", "가자", "아니. 가자"),
    ],
)
def test_speech_around_a_thought_of_another_does_not_run_together(left: str, right: str, heard: str) -> None:
    turn = Turn("Ann", (Segment(S, left), Segment(T, "hm"), Segment(S, right)))
    assert render(turn.without(T)) == heard
    assert render(turn) == f"{left}{THOUGHT}hm{THOUGHT_END}{right}"


@given(turns(forbidden='<[]()【】（）*"“”«»「」『』').filter(lambda t: P not in {s.kind for s in t.segments}))
@pytest.mark.parametrize("style", [Style.BRACKETS, Style.ASTERISKS])
def test_other_styles_are_read_back_too(style: Style, turn: Turn) -> None:
    assert parse(render(turn, style), style=style, speaker=turn.speaker).turn == turn


@given(hostile, st.sampled_from(Style), names)
def test_any_text_gives_a_turn_whose_rendering_is_stable(text: str, style: Style, speaker: str) -> None:
    turn = parse(text, style=style, speaker=speaker, cast=["Ann", "Elizabeth", "Mr. Darcy"]).turn
    again = parse(render(turn, name=True), speaker=speaker).turn
    assert [s.kind for s in again.segments if s.kind.private] == sorted(
        (s.kind for s in turn.segments if s.kind.private), key=lambda k: k is not P
    )
    for segment in turn.segments:
        assert segment.text == segment.text.strip() != ""


@given(hostile)
def test_text_cannot_open_or_close_a_block_from_inside_a_segment(text: str) -> None:
    for kind in Kind:
        turn = Turn("Ann", (Segment(kind, text.strip() or "x"), Segment(T, "mine")))
        read = parse(render(turn), speaker="Nobody")
        assert {f.kind for f in read.faults} <= {FaultKind.AMBIGUOUS, FaultKind.ADJACENT}
        assert read.turn.segments[-1] == Segment(T, "mine")


@given(words(), words(), words("<\n:"), st.sampled_from([(PLAN, P), (THOUGHT, T)]))
def test_nothing_after_an_unclosed_private_block_is_public(
    before: str, secret: str, after: str, block: tuple[str, Kind]
) -> None:
    opener, kind = block
    parsed = parse(f"{before}{opener}{secret}{ACTION}{after}{ACTION_END}{after}", speaker="Ann")
    public = [s for s in parsed.turn.segments if not s.kind.private]
    assert "".join(s.text for s in public) == before
    assert FaultKind.UNCLOSED in {f.kind for f in parsed.faults}
    assert parsed.ending is Ending.UNCLOSED
    assert parsed.turn.segments[-1].kind is kind


@given(words("<\n:"), st.sampled_from([PLAN_END, THOUGHT_END, "</think>"]), words("<\n:"))
def test_everything_before_a_stray_private_closer_is_private(secret: str, closer: str, spoken: str) -> None:
    parsed = parse(f"{secret}{ACTION}{secret}{ACTION_END}{closer}{spoken}")
    assert [s.text for s in parsed.turn.segments if not s.kind.private] == [spoken]
    assert FaultKind.STRAY_CLOSER in {f.kind for f in parsed.faults}


def test_a_plan_that_names_another_speaker_is_still_a_plan_when_its_closer_comes() -> None:
    parsed = parse(f"I plan.\nBob: what he says\n{PLAN_END}Ann: Hello.", speaker="Ann", cast=["Ann", "Bob"])
    assert [s.text for s in parsed.turn.segments if s.kind is S] == ["Hello."]
    assert parsed.ending is Ending.COMPLETE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{THOUGHT}a{ACTION}b{ACTION_END}c{THOUGHT_END}d", [(T, "a b c"), (S, "d")]),
        (f"{ACTION}a{THOUGHT}b{THOUGHT_END}c{ACTION_END}d", [(A, "a"), (T, "b"), (A, "c"), (S, "d")]),
        (f"{ACTION}a{THOUGHT}b{ACTION_END}c", [(A, "a"), (T, "b c")]),
        (f"{THOUGHT}a{THOUGHT}b{THOUGHT_END}c", [(T, "a b c")]),
        (f"Hello{ACTION}{ACTION_END}world", [(S, "Hello world")]),
        (f"你好{ACTION}{ACTION_END}世界", [(S, "你好世界")]),
        ("<THINK>p</Think>hi", [(P, "p"), (S, "hi")]),
        ("< system thinking >p</system-thinking>hi", [(P, "p"), (S, "hi")]),
        ("a < b <b>c</b> <3", [(S, "a < b <b>c</b> <3")]),
        ("", []),
    ],
)
def test_the_most_private_open_block_owns_the_text(text: str, expected: list[tuple[Kind, str]]) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{PLAN}p", FaultKind.UNCLOSED),
        (f"{THOUGHT}a{ACTION}b{ACTION_END}{THOUGHT_END}", FaultKind.NESTED),
        (f"a{ACTION_END}", FaultKind.STRAY_CLOSER),
        ("hello", FaultKind.MISSING_PLAN),
        (f"hi{PLAN}p{PLAN_END}", FaultKind.LATE_PLAN),
        (f"{PLAN}p{PLAN_END}{PLAN}q{PLAN_END}x", FaultKind.SECOND_PLAN),
        ("<think>p</think>x", FaultKind.ALIAS_TAG),
        (f"{ACTION}a{ACTION_END} {ACTION}b{ACTION_END}", FaultKind.ADJACENT),
        ("hi\nBob: yes", FaultKind.SECOND_SPEAKER),
        (f"{PLAN}p{PLAN_END} ", FaultKind.EMPTY),
    ],
)
def test_each_fault_is_reported(text: str, fault: FaultKind) -> None:
    assert fault in faults(text, speaker="Ann", cast=["Ann", "Bob"], plan=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('*bows* "Good evening."', [(A, "bows"), (S, "Good evening.")]),
        ("*bows* Good evening. *smiles*", [(A, "bows"), (S, "Good evening."), (A, "smiles")]),
        ("[I hate this] “How kind.”", [(T, "I hate this"), (S, "How kind.")]),
        ('"One," she said, "two."', [(S, '"One," she said, "two."')]),
        ("**bold** and 2*3", [(S, "**bold** and 2*3")]),
        ("well *then", [(S, "well *then")]),
        ("* a list", [(S, "* a list")]),
        ("你好*鞠躬*晚上好", [(S, "你好"), (A, "鞠躬"), (S, "晚上好")]),
        ("[I *really* hate him] hi", [(T, "I *really* hate him"), (S, "hi")]),
        (f"{THOUGHT}mine{THOUGHT_END} hi", [(T, "mine"), (S, "hi")]),
        ("[never closed *bows* hi", [(T, "never closed *bows* hi")]),
    ],
)
def test_what_people_type(text: str, expected: list[tuple[Kind, str]]) -> None:
    assert kinds(text, style=Style.ASTERISKS) == expected


@pytest.mark.parametrize("text", ["**bold**", "2*3", "well *then", "* a list"])
def test_ambiguous_asterisks_are_speech_and_a_fault(text: str) -> None:
    assert faults(text, style=Style.ASTERISKS) & {FaultKind.AMBIGUOUS, FaultKind.UNCLOSED}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[mine] (bows) Hello", [(T, "mine"), (A, "bows"), (S, "Hello")]),
        ("[a [b] c] hi", [(T, "a [b] c"), (S, "hi")]),
        ("(waves (twice) again) hi", [(A, "waves (twice) again"), (S, "hi")]),
        ("[mine (and hers)] hi", [(T, "mine (and hers)"), (S, "hi")]),
        ("（鞠躬）你好", [(A, "鞠躬"), (S, "你好")]),
        ("fine :)", [(S, "fine :)")]),
        ("[one\ntwo] three", [(T, "one\ntwo"), (S, "three")]),
        ("(open hi", [(S, "(open hi")]),
    ],
)
def test_coser_brackets(text: str, expected: list[tuple[Kind, str]]) -> None:
    assert kinds(text, style=Style.BRACKETS) == expected


def test_names_are_read_at_line_starts_only_and_whole() -> None:
    cast = ["Ann", "Anna", "Bob"]
    assert kinds("Ann: hi", speaker="Ann", cast=cast) == [(S, "hi")]
    assert kinds("Ann : hi", speaker="Ann", cast=cast) == [(S, "hi")]
    assert kinds("林黛玉：你好", speaker="林黛玉", cast=["林黛玉"]) == [(S, "你好")]
    assert parse("Anna: hi", speaker="Ann", cast=cast).ending is Ending.SECOND_SPEAKER
    assert kinds("I told Bob: no.", speaker="Ann", cast=cast) == [(S, "I told Bob: no.")]
    cut = parse(f"Yes.\n\nBob: {THOUGHT}x{THOUGHT_END} no.", speaker="Ann", cast=cast)
    assert [s.text for s in cut.turn.segments] == ["Yes."]
    assert cut.rest == f"Bob: {THOUGHT}x{THOUGHT_END} no."


@pytest.mark.parametrize("head", ["Mr. Darcy:", "Mr Darcy:", "Darcy:", "Darcy :", "Jane:", "Environment:"])
def test_a_second_speaker_is_known_by_every_way_of_writing_a_name(head: str) -> None:
    cast = ["Elizabeth Bennet", "Mr. Darcy", "Jane Bennet"]
    parsed = parse(f"Elizabeth: I am all ears.\n{head} Then hear.", speaker="Elizabeth Bennet", cast=cast)
    assert [s.text for s in parsed.turn.segments] == ["I am all ears."]
    assert parsed.ending is Ending.SECOND_SPEAKER


@pytest.mark.parametrize("head", ["Bennet:", "Mr:", "Mr.:", "darcy:", "Dar:"])
def test_what_two_people_are_called_or_nobody_is_speech(head: str) -> None:
    cast = ["Elizabeth Bennet", "Mr. Darcy", "Jane Bennet"]
    assert parse(f"Yes.\n{head} no.", speaker="Elizabeth Bennet", cast=cast).ending is Ending.COMPLETE


@given(hostile, st.sampled_from(Style))
def test_no_mind_reads_what_it_must_not(text: str, style: Style) -> None:
    turn = parse(text, style=style, speaker="Ann", cast=[]).turn
    dialogue = Dialogue(frozenset({"Ann", "Bob"}), (turn,))
    assert all(s.kind in (A, S) for t in dialogue.seen_by("Bob") for s in t.segments)
    assert all(s.kind is not P for t in (*dialogue.seen_by("Ann"), *dialogue.for_judge()) for s in t.segments)
    assert all(s.kind in (A, S) for t in dialogue.shown(VIEWS["immersive"], "Bob") for s in t.segments)


# The model card's two functions.


def test_the_card_example_is_shown_as_recorded(her_data: Path) -> None:
    card = json.loads((her_data / "card_example.json").read_text(encoding="utf-8"))
    assert format_for_display(card["reply"]) == card["display_with_role_thinking"]
    assert format_for_display(card["reply"], show_rolethink=False) == card["display_without_role_thinking"]
    assert parse(card["reply"], speaker="Elizabeth Bennet", plan=True).faults == ()
    assert remove_system_thinking(card["reply"]).startswith(THOUGHT)


def test_display_functions_keep_what_they_do_not_hide() -> None:
    reply = f"{PLAN}p{PLAN_END}\n\n{THOUGHT}t{THOUGHT_END}\n{ACTION}a{ACTION_END}\nHello [sic]."
    assert remove_system_thinking(reply) == f"{THOUGHT}t{THOUGHT_END}\n{ACTION}a{ACTION_END}\nHello [sic]."
    assert format_for_display(reply) == "[t]\n(a)\nHello [sic]."
    assert format_for_display(reply, show_rolethink=False) == "(a)\nHello [sic]."
    assert format_for_display("") == remove_system_thinking("") == ""


# Time.


@pytest.mark.parametrize(
    "unit", [PLAN, THOUGHT_END, f"a{THOUGHT_END}b{PLAN_END}", "<" * 20, f"{THOUGHT}{ACTION}x", "\n \n", "x <i "]
)
def test_parsing_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds_per_byte(size: int) -> float:
        text = unit * (size // len(unit))
        rates = []
        for _ in range(3):
            start = time.process_time()
            parse(text, speaker="Ann", cast=["Ann", "Bob"])
            rates.append((time.process_time() - start) / len(text))
        return min(rates)

    assert seconds_per_byte(200_000) < 3 * seconds_per_byte(20_000) + 2e-7


@pytest.mark.long
@pytest.mark.parametrize(
    "unit", [PLAN, THOUGHT_END, f"{THOUGHT}{PLAN}", f"{ACTION}{THOUGHT}{PLAN}x", f"a{THOUGHT_END}b{PLAN_END}"]
)
def test_ten_megabytes_cost_as_much_per_byte_as_ten_kilobytes(unit: str) -> None:
    def seconds_per_byte(size: int, repeat: int) -> float:
        text = unit * (size // len(unit))
        rates = []
        for _ in range(repeat):
            start = time.process_time()
            parse(text, speaker="Ann", cast=["Ann", "Bob"])
            rates.append((time.process_time() - start) / len(text))
        return sorted(rates)[len(rates) // 2]

    small = seconds_per_byte(10_000, 50)
    assert seconds_per_byte(10_000_000, 1) <= 2 * small


def test_every_style_has_its_marks() -> None:
    assert all(notation(Style.TAGS).values())
    assert notation(Style.BRACKETS)["thought_open"] == "["
    assert set(notation(Style.TAGS)) == set(notation(Style.ASTERISKS))
