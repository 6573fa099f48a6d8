"""The constraint: what it lets through is a valid turn that fits, and any valid turn that fits gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.grammar import Limits, grammar
from her.markup import parse
from her.models.base import Constraint
from her.turn import Ending, Kind
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END, names

llguidance = pytest.importorskip("llguidance", reason="needs the train extra: pip install 'her-roleplay[train]'")

pytestmark = pytest.mark.torch
NAME = "Ann"
LIMITS = Limits(plan=120, thought=70, action=50, speech=160)


def accepts(text: str, **options: object) -> bool:
    """Whether a whole reply may stand, checked byte by byte by an independent engine."""
    settings = {"name": NAME, "plan": True, "written": PLAN} | options
    limits = settings.pop("limits", LIMITS)
    rules = Constraint(grammar=grammar(limits, **settings)).gbnf()  # type: ignore[arg-type]
    return matches(rules, text)


def matches(rules: str, text: str) -> bool:
    from llguidance.gbnf_to_lark import any_to_lark

    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, any_to_lark(rules))
    assert not matcher.is_error(), matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())


@pytest.mark.parametrize(
    "rest",
    [
        f"{THOUGHT}Why?{THOUGHT_END}{ACTION}bows{ACTION_END}Yes.",
        f"Yes.{ACTION}bows{ACTION_END}No.{THOUGHT}Why?{THOUGHT_END}",
        f"{ACTION}bows{ACTION_END}{THOUGHT}Why?{THOUGHT_END}{ACTION}looks up{ACTION_END}Yes.",
        "Yes, 12 > 3 & [so] (on) *and* “on”.\n\nNew line.",
        "你好，林姑娘。今日可大安了？",
        "« Monsieur, dit-il, c'est l'heure ! »",
        "🙂 مرحبا héllo",
    ],
)
def test_layers_may_come_in_any_order_and_any_script(rest: str) -> None:
    assert accepts(f"A plan in 3 steps.{PLAN_END}Ann: {rest}")


@pytest.mark.parametrize(
    "text",
    [
        f"plan{PLAN_END}Bob: Yes.",
        f"plan{PLAN_END}Yes.",
        f"plan{PLAN_END}Ann: {THOUGHT}Why?{THOUGHT_END}",
        f"plan{PLAN_END}Ann: {THOUGHT}Why?{THOUGHT_END}{THOUGHT}Why?{THOUGHT_END}Yes.",
        f"plan{PLAN_END}Ann: {THOUGHT}Why? Yes.",
        f"plan{PLAN_END}Ann: {THOUGHT} {THOUGHT_END}Yes.",
        f"plan{PLAN_END}Ann: {ACTION_END}Yes.",
        f"{PLAN_END}Ann: Yes.",
        f"plan{PLAN_END}Ann: a < b",
        f"plan{PLAN_END}Ann: a\x00b",
    ],
)
def test_what_is_no_valid_turn_cannot_be_written(text: str) -> None:
    assert not accepts(text)


@pytest.mark.parametrize(
    ("written", "rest"),
    [
        ("", f"{PLAN}p{PLAN_END}Ann: Yes."),
        (PLAN, f"p{PLAN_END}Ann: Yes."),
        (f"{PLAN}half a plan", f" and more{PLAN_END}Ann: Yes."),
        (f"{PLAN}p{PLAN_END}", "Ann: Yes."),
        (f"{PLAN}p{PLAN_END}Ann: ", "Yes."),
        (f"{PLAN}p{PLAN_END}Ann: {THOUGHT}t{THOUGHT_END}", f"{ACTION}a{ACTION_END}Yes."),
        (f"{PLAN}p{PLAN_END}Ann: {THOUGHT}half a th", f"ought{THOUGHT_END}Yes."),
        (f"{PLAN}p{PLAN_END}Ann: Half a sen", "tence."),
        (f"{PLAN}p{PLAN_END}Ann: Half a sen", f"tence.{ACTION}bows{ACTION_END}"),
    ],
)
def test_a_reply_goes_on_from_any_part_that_stands(written: str, rest: str) -> None:
    assert accepts(rest, written=written)
    assert not accepts(f"{THOUGHT_END}{rest}", written=written)
    assert parse(written + rest, speaker=NAME, plan=True).faults == ()


def test_without_a_plan_the_reply_starts_with_the_name_or_after_it() -> None:
    assert accepts("Ann: Yes.", plan=False, written="")
    assert accepts("Yes.", plan=False, written="Ann: ")
    assert not accepts(f"{PLAN}p{PLAN_END}Ann: Yes.", plan=False, written="")


@given(names)
def test_every_name_is_forced_as_it_is(name: str) -> None:
    assert accepts(f"p{PLAN_END}{name}: Yes.", name=name)


@given(
    st.integers(1, 4), st.integers(8, 200), st.sampled_from([0.5, 1.0, 4.2]), st.sampled_from(["x", "字", ". ", "ab "])
)
def test_the_longest_reply_has_an_end(bodies: int, tokens: int, rate: float, unit: str) -> None:
    limits = Limits(plan=tokens, thought=tokens, action=tokens, speech=tokens, bodies=bodies)
    longest = max(12, int(tokens * rate)) + 40
    assert not accepts(f"{unit * longest}{PLAN_END}Ann: Yes.", limits=limits, chars_per_token=rate)


def test_past_its_budget_a_body_ends_with_its_sentence() -> None:
    limits = Limits(plan=20, thought=20, action=20, speech=40, bodies=1)
    words = "word " * 12  # 60 characters of a budget of 80, of which 48 are free
    assert accepts(f"{words}end.{PLAN_END}Ann: Yes.", limits=limits)
    assert not accepts(f"{words}end. More{PLAN_END}Ann: Yes.", limits=limits)
    assert not accepts(f"{words}and{PLAN_END}Ann: Yes.", limits=limits)


def test_where_no_sentence_ends_a_body_ends_with_its_word() -> None:
    limits = Limits(plan=20, thought=20, action=20, speech=40, bodies=1)
    assert accepts(f"{'x' * 90}{PLAN_END}Ann: Yes.", limits=limits)
    assert not accepts(f"{'x' * 82} y{PLAN_END}Ann: Yes.", limits=limits)


@pytest.mark.parametrize(
    "speech",
    [
        "Bob: Yes.",
        "Yes.\nBob: No.",
        "Yes.\n\n  Bob : No.",
        "Yes.\nBob：No.",
        "Bobby Ray: No.",
        "Bobby: No.",
        "Ann: Yes.",
        "Bo\nBob: x",
    ],
)
def test_no_line_of_speech_begins_as_another_s(speech: str) -> None:
    cast = ["Bob", "Bobby Ray", 'Dr. "B"', "林黛玉"]
    assert not accepts(f"p{PLAN_END}Ann: {speech}", others=cast)
    assert not accepts(f"p{PLAN_END}Ann: {ACTION}bows{ACTION_END}{speech}", others=cast)
    assert accepts(f"p\nBob: a line of a plan{PLAN_END}Ann: Yes.", others=cast)


@pytest.mark.parametrize(
    "speech",
    [
        "Bob, yes.",
        "Yes.\nBob is here: look.",
        "Bobbyx: who?",
        "Yes.\n\n \tNo.",
        "I told Bob: no.",
        "林黛，你好。",
        "B: x",
    ],
)
def test_a_line_may_begin_with_part_of_a_name_or_speak_of_one(speech: str) -> None:
    cast = ["Bob", "Bobby Ray", "林黛玉"]
    parsed = parse(f"Ann: {speech}", speaker=NAME, cast=[NAME, *cast])
    assert parsed.ending is Ending.COMPLETE
    assert accepts(f"p{PLAN_END}Ann: {speech}", others=cast)


def test_forced_text_stands_before_the_reply() -> None:
    rules = Constraint(grammar=grammar(LIMITS, name=NAME, written=PLAN)).gbnf('>"\n')
    assert matches(rules, f'>"\np{PLAN_END}Ann: Yes.')
    assert not matches(rules, f"p{PLAN_END}Ann: Yes.")


def test_what_the_grammar_accepts_is_read_without_a_fault() -> None:
    text = f"{PLAN}p.{PLAN_END}Ann: {THOUGHT}t{THOUGHT_END}Yes.{ACTION}a{ACTION_END}"
    parsed = parse(text, speaker=NAME, cast=[NAME, "Bob"], plan=True)
    assert parsed.ending is Ending.COMPLETE
    assert parsed.faults == ()
    assert parsed.turn.segments[0].kind is Kind.SYSTEM_THINKING
