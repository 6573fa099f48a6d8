"""What can be said of one reply without a judge, each figure a part of a whole so that replies add up.

Knows the checks and what each applies to. Refuses to score what does not apply: such a figure is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from her import checks
from her.draft import NAME_ENDS, is_word, spellings
from her.errors import InputError
from her.markup import notation, render
from her.models.base import Finish
from her.train.measure.places import Place
from her.turn import FaultKind, Kind, Parsed, Turn

_SECOND_TURN = {FaultKind.SECOND_SPEAKER, FaultKind.LATE_PLAN, FaultKind.SECOND_PLAN}
_HEAD = r"^(?:[^\w\n]|_)*(?:{})(?:['’]s?(?: \w+){{1,2}}|\s*[(（][^)）\n]{{1,40}}[)）])?[*_]*\s*[:：]"
_TAG = re.compile(r"</?[A-Za-z][\w -]*/?>")


class Part(NamedTuple):
    """A figure of one turn: `part` of `whole`; the figure of many turns is the sum of the parts by that of the
    wholes."""

    part: float
    whole: float


def rates(place: Place, text: str, finish: str, phrases: Sequence[Sequence[str]] = ()) -> dict[str, Part]:
    """Every figure that applies to a reply at a place; `text` holds its beginning, `finish` says why it ended.

    `phrases` are a list of stock phrases beside our own, as `checks.phrase_rate` takes them.
    """
    parsed = place.read(text)
    turn, language = parsed.turn, place.sample.language
    written = "\n".join(segment.text for segment in turn.segments)
    size = len(checks.units(written))
    minds = mind_reading(place, turn)
    found: dict[str, float | None] = {
        "valid": not wrong_with(place, text, finish),
        "for_others": speaks_for_others(place, parsed),
        "mind_reading": None if minds is None else minds > 0,
        "loop": checks.find_loop(text) is not None,
        "own_copy": checks.own_copy(turn, place.earlier),
        "partner_copy": checks.partner_copy(turn, place.earlier),
        "repeated_sentences": checks.repeated_sentences(written),
        "prompt_copy": checks.copied_share(written, [place.context[0].content]),
        "wrong_language": checks.wrong_language(written, language),
        "no_speech": not turn.text_of(Kind.SPEECH),
    }
    figures = {name: Part(float(value), 1) for name, value in found.items() if value is not None}
    slop = {"slop": checks.slop_rate(written, language), "slop_list": None}
    if phrases:
        slop["slop_list"] = checks.phrase_rate(written, phrases)
    figures |= {name: Part(rate * size, size) for name, rate in slop.items() if rate is not None}
    lengths = {f"{kind.short}_length": Part(length.units, 1) for kind, length in checks.lengths(turn).items()}
    return figures | lengths


def wrong_with(place: Place, text: str, finish: str) -> tuple[str, ...]:
    """Everything that keeps a reply from being one whole turn in the written form; empty for a valid one."""
    parsed = place.read(text)
    planned = any(segment.kind is Kind.SYSTEM_THINKING for segment in parsed.turn.segments)
    wrong = [fault.kind.value for fault in parsed.faults]
    wrong += ["plan not asked for"] * (planned and not place.sample.plan)
    wrong += ["no name"] * (not _named(place, text))
    wrong += ["second turn"] * _goes_on(place, parsed.turn)
    wrong += ["unknown tag"] * any(_TAG.search(segment.text) for segment in parsed.turn.segments)
    # A second speaker is a fault already.
    wrong += [f"finish {finish}"] * (finish in (Finish.LENGTH, Finish.CUT))
    return tuple(dict.fromkeys(wrong))


def speaks_for_others(place: Place, parsed: Parsed) -> bool:
    """Whether the reply goes on as somebody else: by a name and a colon where a line or a segment begins (`Ann:`,
    `**Ann:**`, `Ann (softly):`, `Ann's answer:`), by a second plan, or in an action that begins with another's name."""
    if any(fault.kind in _SECOND_TURN for fault in parsed.faults):
        return True
    names = [name for name, whose in _names(place).items() if whose != place.speaker]
    head = re.compile(_HEAD.format("|".join(map(re.escape, sorted(names, key=len, reverse=True)))), re.MULTILINE)
    return any(
        head.search(segment.text)
        or (segment.kind is Kind.ROLE_ACTION and any(_led_by(name, segment.text) for name in names))
        for segment in parsed.turn.without(Kind.SYSTEM_THINKING).segments
    )


def mind_reading(place: Place, turn: Turn) -> int | None:
    """How many places state another's mind as fact; None for a turn without thoughts and actions, and where the
    language has no cues."""
    if not turn.only(Kind.ROLE_THINKING, Kind.ROLE_ACTION).segments:
        return None
    others = [name for name, whose in _names(place).items() if whose in place.others]
    found = checks.mind_reading(turn, place.sample.language, others)
    return None if found is None else len(found)


def visible(place: Place, text: str) -> str:
    """The turn as later prompts would have it: name, thoughts, actions, speech; empty where it has none of them."""
    turn = place.read(text).turn.without(Kind.SYSTEM_THINKING)
    return render(turn, name=True) if turn.segments else ""


def read_phrases(path: Path) -> list[list[str]]:
    """A published list of stock phrases: JSON, an array of texts or of arrays of texts, or plain text, one a line.

    Raises InputError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text) if path.suffix == ".json" else [line.strip() for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a list of phrases ({error})") from error
    rows = [[row] if isinstance(row, str) else row for row in told if row] if isinstance(told, list) else []
    if not rows or not all(isinstance(row, list) and all(isinstance(text, str) for text in row) for row in rows):
        raise InputError(f"{path}: a list of phrases is an array of texts, or of arrays of texts")
    return rows


def _led_by(name: str, action: str) -> bool:
    """Whether an action is said to be somebody's; what is only his, as in `Bob's hat`, does not act."""
    following = action[len(name) : len(name) + 1]
    return action.startswith(name) and not is_word(following) and following not in {"'", "’", "的"}


def _names(place: Place) -> dict[str, str]:
    """How the speakers of the scene may be called, each with the name that it stands for."""
    return spellings({place.speaker, *place.others})


def _named(place: Place, text: str) -> bool:
    """Whether the turn begins with its speaker's whole name, after its plan if there is one."""
    _, closer, after = text.partition(notation()["plan_close"])
    begun = (after if closer else text).lstrip()
    return begun.startswith(tuple(place.speaker + end for end in NAME_ENDS))


def _goes_on(place: Place, turn: Turn) -> bool:
    """Whether a line begins with the speaker's own name again: the parser takes off the first."""
    own = tuple(name + end for name, whose in _names(place).items() if whose == place.speaker for end in NAME_ENDS)
    return any(line.startswith(own) for line in _lines(turn))


def _lines(turn: Turn) -> Iterator[str]:
    for segment in turn.without(Kind.SYSTEM_THINKING).segments:
        yield from map(str.strip, segment.text.splitlines())
