"""Answers, read strictly: in the form they were asked for, or not at all; no hostile reply is right by accident."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from her.bench.figures import Unscored, Why
from her.bench.minds.answers import LETTERS, Style, answer_in, letter_in, listed, named, style_of, token_f1, yes_or_no
from her.bench.minds.cases import Graded, Question, Sort, asked, every, graded, mean, readable
from her.errors import InputError
from texts import ACTION, ACTION_END, MARKS, PLAN, PLAN_END, THOUGHT, THOUGHT_END

LOOK_ALIKES = "АВСЕＡＢ𝐀ⒶªᴬαΑ"
"""Letters of other scripts and forms that look like A, B, C, E: Cyrillic, fullwidth, mathematical, Greek."""


def why(value: object) -> Why | None:
    return value.why if isinstance(value, Unscored) else None


@pytest.mark.parametrize(
    ("reply", "style", "letter"),
    [
        ("<answer>B</answer>", "answer", "B"),
        ("A or B? B it is.\n<answer> b </answer>", "answer", "B"),
        ("<think>Surely A. <answer>A</answer></think><answer>B</answer>", "answer", "B"),
        (f"{PLAN}A?{PLAN_END}<answer>B</answer> So, <answer>B</answer>.", "answer", "B"),
        ("reasoning that began in the prompt</think><ANSWER>B</ANSWER>", "answer", "B"),
        (f"{PLAN}weigh A and C{PLAN_END}B", "her", "B"),
        (f"{PLAN}x{PLAN_END}{THOUGHT}A{THOUGHT_END}\nB\n", "her", "B"),
        ("B", "letter", "B"),
        (" b\n", "letter", "B"),
    ],
)
def test_an_answer_in_its_form_is_read(reply: str, style: str, letter: str) -> None:
    assert letter_in(reply, style_of(style), 4) == letter


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize(
    "reply",
    [
        "The answer is B, of course",
        "B.",
        "(B)",
        "A B C D",
        "ABCD",
        "<answer>A</answer><answer>B</answer>",
        "<answer>A, B</answer>",
        "<answer></answer>",
        "<answer>B",
        "B</answer>",
        "<answer><answer>B</answer></answer>",
        "<answer>B</answer></answer>",
        "<answer>E</answer>",
        f"<answer>{ACTION}nods{ACTION_END}B</answer>",
        "<think><answer>B</answer>",
        f"{PLAN}it must be B",
        f"{THOUGHT}it must be B",
        f"{ACTION}<answer>B</answer>{ACTION_END}",
        f"A{ACTION}B{ACTION_END}C",
        "<answer>B\x00</answer>",
        "B\u200b",
        "\x00B",
        "E",
        *LOOK_ALIKES,
        *(f"<answer>{one}</answer>" for one in LOOK_ALIKES),
    ],
)
def test_what_is_not_in_the_form_is_no_answer_and_no_wrong_one(reply: str, style: Style) -> None:
    assert why(letter_in(reply, style, 4)) is Why.FORMAT


@pytest.mark.parametrize("style", Style)
def test_silence_is_told_apart_from_a_wrong_form(style: Style) -> None:
    assert why(letter_in(" \n\t", style, 4)) is Why.EMPTY


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("filler", ["A", "<answer>", "</answer>", "<", "<answer>A</answer>B", PLAN, "А", "\x00", "*"])
def test_a_reply_of_a_hundred_thousand_characters_is_refused_in_time(filler: str, style: Style) -> None:
    began = time.process_time()
    assert why(letter_in(filler * (100_000 // len(filler)), style, 4)) is Why.FORMAT or filler.startswith("<answer>A")
    assert time.process_time() - began < 5


HOSTILE = st.lists(
    st.sampled_from((*MARKS, *LETTERS, *LOOK_ALIKES, *"abcd", "<answer>", "</answer>", " ", "\n", "\x00", "\u202e")),
    max_size=30,
).map("".join)


@given(HOSTILE | st.text(max_size=80), st.sampled_from(Style))
def test_whatever_a_model_says_a_letter_is_read_only_where_it_stands_alone(reply: str, style: Style) -> None:
    letter = letter_in(reply, style, 4)
    if isinstance(letter, Unscored):
        return
    assert letter in "ABCD"
    if style is Style.ANSWER:
        bare = reply.lower()
        assert f"<answer>{letter.lower()}</answer>" in "".join(bare.split())
        assert bare.count("<answer>") >= 1
    if style in (Style.LETTER, Style.LIKELY):
        assert reply.strip(" \t\r\n").upper() == letter


@given(st.lists(st.sampled_from("ABCD"), min_size=2, max_size=5), st.text(alphabet="xyz .\n", max_size=10))
def test_two_answers_that_differ_are_none(letters: list[str], between: str) -> None:
    reply = between.join(f"<answer>{letter}</answer>" for letter in letters)
    read = letter_in(reply, Style.ANSWER, 4)
    assert read == letters[0] if len(set(letters)) == 1 else why(read) is Why.FORMAT


def question(sort: Sort, *right: str, others: tuple[str, ...] = (), options: int = 0) -> Question:
    return Question("q", "Well?", sort, right, others, options)


@pytest.mark.parametrize("right", "ABCDEFGHIJKLMNO")
@pytest.mark.parametrize(
    "reply",
    [
        "ABCDEFGHIJKLMNO",
        "".join(f"<answer>{letter}</answer>" for letter in LETTERS),
        f"<answer>{'</answer><answer>'.join(LETTERS[:15])}</answer>",
        " ".join(LETTERS),
        f"{PLAN}{'ABC'}{PLAN_END}" + " ".join(LETTERS),
    ],
)
def test_a_reply_that_holds_all_letters_is_never_right(reply: str, right: str) -> None:
    for style in Style:
        assert why(graded(question(Sort.LETTER, right, options=15), reply, style).value) is Why.FORMAT


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("crate", 1.0),
        ("The crate.", 1.0),
        ("in the tool box", 0.0),
        ("basket", 0.0),
        ("nowhere", 0.0),
        ("crates", 0.0),
        ("crate or basket", None),
        ("crate, tool box", None),
        ("crate " * 2000, None),
    ],
)
def test_a_name_is_right_where_it_alone_is_named(answer: str, value: float | None) -> None:
    read = named(answer, "crate", ("basket", "box", "tool box"))
    assert read == value if value is not None else why(read) is Why.FORMAT


def test_of_two_names_of_which_one_stands_in_the_other_the_longer_is_meant() -> None:
    assert named("the tool box", "tool box", ("box",)) == 1.0
    assert named("the tool box", "box", ("tool box",)) == 0.0


def test_a_list_of_everybody_is_wrong_where_somebody_is_wrong() -> None:
    assert listed("Pim, Rosa", ("Pim", "Rosa"), ("Sven",)) == 1.0
    assert listed("Pim, Rosa, Sven", ("Pim", "Rosa"), ("Sven",)) == 0.0
    assert listed("Pim", ("Pim", "Rosa"), ("Sven",)) == 0.0
    assert listed("Rosalind and Pim", ("Pim", "Rosa"), ("Sven",)) == 0.0


@pytest.mark.parametrize("said", ["yes and no", "yes no", "nope", "I know", "ＹＥＳ", "yеs", "true", ""])
def test_yes_or_no_is_one_of_the_two_and_nothing_else(said: str) -> None:
    assert why(yes_or_no(said)) is Why.FORMAT
    assert yes_or_no("Yes.") == "yes"


def test_words_in_common_are_counted_as_often_as_they_stand() -> None:
    assert token_f1("the blue pot", "A blue pot!") == 1.0
    assert token_f1("blue blue", "blue pot") == 0.5
    assert token_f1("", "pot") == 0.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_words_in_common_lie_between_none_and_all_either_way_round(one: str, other: str) -> None:
    assert 0 <= token_f1(one, other) == token_f1(other, one) <= 1


LOST = Unscored(Why.FORMAT)


def test_a_story_counts_as_right_only_where_nothing_is_wrong_or_unknown() -> None:
    assert every([1.0, 1.0]) == 1.0
    assert every([1.0, LOST, 0.0]) == 0.0
    assert every([1.0, LOST]) == LOST
    assert why(every([])) is Why.UNDEFINED


def test_a_mean_is_of_what_can_be_read_and_never_a_number_of_nothing() -> None:
    assert mean([1.0, LOST, 0.0]) == 0.5
    assert mean([LOST]) == LOST
    assert why(mean([])) is Why.UNDEFINED


def test_what_was_never_asked_is_neither_readable_nor_not() -> None:
    def found(*values: float | Unscored) -> list[Graded]:
        return [Graded(question(Sort.LETTER, "A", options=4), value) for value in values]

    assert readable(found(1.0, 0.0, LOST, Unscored(Why.EMPTY))) == 0.5
    assert readable(found(1.0, Unscored(Why.CONTEXT))) == 1.0
    assert why(readable(found(Unscored(Why.CONTEXT)))) is Why.CONTEXT


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("style", Style)
def test_every_sort_of_answer_is_asked_for_in_every_form(sort: Sort, style: Style) -> None:
    text = asked(question(sort, "x"), style)
    assert text.startswith("Well?\n\n")
    assert (PLAN in text) is (style is Style.HER)
    assert ("<answer>" in text) is (style is Style.ANSWER)


def test_an_unknown_style_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"'xml' is not known; known are answer, her, letter, likely"):
        style_of("xml")


def test_a_free_sentence_about_a_mind_is_not_scored_without_a_model_of_sentences() -> None:
    assert why(graded(question(Sort.BELIEF, "x"), "<answer>x</answer>", Style.ANSWER).value) is Why.ABSENT
    assert answer_in("x", Style.LETTER) == "x"
