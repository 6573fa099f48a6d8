"""What a model answered, read strictly: in the form it was asked for, or not at all.

Knows the forms of an answer, and how an answer is held against what is right. Refuses to search a reply for
something that looks like an answer: the first letter found is no choice.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from her.bench.figures import Unscored, Value, Why
from her.errors import InputError
from her.markup import parse
from her.turn import Ending, FaultKind, Kind

LETTERS = string.ascii_uppercase
"""The names of options; no other script's look-alikes are among them."""
LONGEST = 2_000
"""Characters of a free answer; what is longer is an essay and not what was asked for."""
_BLANK = " \t\r\n"
_MARK = re.compile(r"<(/?)answer>", re.IGNORECASE | re.ASCII)
_WORDS = re.compile(r"[^\W_]+")
_ARTICLES = frozenset({"a", "an", "the"})


class Style(StrEnum):
    """The form in which an answer is asked for, and read."""

    ANSWER = "answer"
    """Between the marks of an answer, after reasoning of any kind that has come to its end."""
    HER = "her"
    """What is said aloud, after the plan."""
    LETTER = "letter"
    """The answer and nothing else."""
    LIKELY = "likely"
    """The answer, of those that are offered, that the model holds likeliest, weighed and not said: for models too small
    to keep to any form, and for backends that tell log-probabilities."""


def style_of(name: str) -> Style:
    """The style of a name. Raises InputError for one that is none."""
    try:
        return Style(name)
    except ValueError:
        raise InputError(f"style {name!r} is not known; known are {', '.join(Style)}") from None


def answer_in(reply: str, style: Style) -> str | Unscored:
    """The text of the one answer that a reply gives; Unscored where it gives none, or two that differ."""
    if not reply.strip():
        return Unscored(Why.EMPTY)
    if style in (Style.LETTER, Style.LIKELY):
        return _whole(reply)
    read = parse(reply)
    if read.ending is Ending.UNCLOSED or any(fault.kind is FaultKind.UNCLOSED for fault in read.faults):
        return Unscored(Why.FORMAT, "the reasoning never ends")
    said = [segment.text for segment in read.turn.segments if segment.kind is Kind.SPEECH]
    if style is Style.HER:
        return _whole(said[0]) if len(said) == 1 else Unscored(Why.FORMAT, f"{len(said)} pieces of speech, not one")
    return _marked(said)


def letter_in(reply: str, style: Style, num_options: int) -> str | Unscored:
    """The letter, A or after, that a reply chooses; Unscored for anything but one letter of an option."""
    answer = answer_in(reply, style)
    if isinstance(answer, Unscored):
        return answer
    known = LETTERS[:num_options]
    if len(answer) == 1 and answer in known + known.lower():
        return answer.upper()
    return Unscored(Why.FORMAT, f"not one letter from A to {known[-1]}")


def named(answer: str, right: str, others: Sequence[str]) -> Value:
    """1 where an answer names what is right and nothing else, 0 where it does not name it.

    Unscored where it names the right one together with another: that is two answers. Names are whole words.
    """
    if len(answer) > LONGEST:
        return Unscored(Why.FORMAT, "too long for a name")
    found = [one for one in {right, *others} if _holds(answer, one)]
    # `box` stands in `tool box` too; the longer name is the one that was meant.
    meant = [one for one in found if not any(one != other and _holds(other, one) for other in found)]
    if len(meant) > 1 and right in meant:
        return Unscored(Why.FORMAT, f"{len(meant)} answers at once")
    return float(meant == [right])


def listed(answer: str, right: Sequence[str], wrong: Sequence[str]) -> Value:
    """1 where an answer names all who are right and nobody who is not, else 0; names are whole words."""
    if len(answer) > LONGEST:
        return Unscored(Why.FORMAT, "too long for a list of names")
    return float(all(_holds(answer, one) for one in right) and not any(_holds(answer, one) for one in wrong))


def yes_or_no(answer: str) -> str | Unscored:
    """`yes` or `no`; Unscored for anything else, a full stop apart."""
    word = answer.removesuffix(".").lower()
    return word if word in ("yes", "no") else Unscored(Why.FORMAT, "neither yes nor no")


def token_f1(answer: str, right: str) -> float:
    """How far two texts are made of the same words, 0 to 1: F1 over words, without case, articles and punctuation.

    (Rajpurkar and others, SQuAD: 100,000+ questions for machine comprehension of text, 2016, section 6.1.)
    """
    said, meant = (Counter(one for one in words(text) if one not in _ARTICLES) for text in (answer, right))
    if not said or not meant:
        return float(said == meant)
    both = (said & meant).total()
    return 2 * both / (said.total() + meant.total())


def words(text: str) -> list[str]:
    """The words of a text, case-folded."""
    return _WORDS.findall(text.casefold())


def _whole(text: str) -> str | Unscored:
    stripped = text.strip(_BLANK)
    return stripped if stripped else Unscored(Why.FORMAT, "no answer")


def _marked(said: Sequence[str]) -> str | Unscored:
    """The answer between marks; each segment by itself, so that nothing hidden can stand within an answer."""
    answers = []
    for text in said:
        start: int | None = None
        for mark in _MARK.finditer(text):
            if bool(mark[1]) is (start is None):
                return Unscored(Why.FORMAT, "marks of an answer without their other halves")
            if start is not None:
                answers.append(text[start : mark.start()].strip(_BLANK))
            start = None if start is not None else mark.end()
        if start is not None:
            return Unscored(Why.FORMAT, "an answer that never ends")
    if not answers:
        return Unscored(Why.FORMAT, "no answer between its marks")
    if len(set(answers)) > 1:
        return Unscored(Why.FORMAT, f"{len(set(answers))} answers that differ")
    return _whole(answers[0])


def _holds(text: str, name: str) -> bool:
    """Whether a text holds a name as whole words."""
    sought, found = words(name), words(text)
    return bool(sought) and any(found[at : at + len(sought)] == sought for at in range(len(found) - len(sought) + 1))
