"""Cases as judges read them: every piece of material quoted, none of it able to end its quotation.

Knows margins, and names of control tokens. Refuses to know what is asked about it.
"""

from __future__ import annotations

import re

from her.judge.case import LONGEST, Case, quoted
from her.markup import notation, parse, render
from her.models import template
from her.prompts import prompt, prompt_hash
from her.turn import FaultKind, Kind, Parsed, Turn

REST = 300
"""Characters shown of what a candidate writes for somebody else: enough to see that it does."""
_NOTES = {
    FaultKind.UNCLOSED: "unclosed",
    FaultKind.STRAY_CLOSER: "stray",
    FaultKind.NESTED: "nested",
    FaultKind.ALIAS_TAG: "alias",
    FaultKind.EMPTY: "empty",
    FaultKind.SECOND_SPEAKER: "second",
}
"""Faults of form that a judge is told of; those of plans are none of its business."""
_MARKS = frozenset(mark for name, mark in notation().items() if not name.startswith("plan"))
_TAGS = re.compile(r"</?[\w-]{1,40}>")


def disarmed(text: str) -> str:
    """The text with names of control tokens, and tags that are not a turn's, written in look-alikes.

    Tags too, since some models have control tokens of any such name, and since a case is quoted between marks of our
    own; whatever the server, a judge is shown the same (`docs/judge.md`).
    """
    tags = _TAGS.sub(lambda found: found[0] if found[0] in _MARKS else template.look_alike(found[0]), text)
    return template.disarmed(tags)


def block(text: str, margin: str, most: int = LONGEST) -> str:
    """The text under a margin, as `case.quoted`, and disarmed."""
    return quoted(disarmed(text), margin, most)


def line(text: str) -> str:
    """A name or another short text inside of a sentence: one line, disarmed."""
    return " ".join(quoted(disarmed(text), "").split())


def candidate(case: Case, reply: str, letter: str, language: str | None = None) -> str:
    """A candidate under the margin `letter| `, then what is wrong with its form, and under `letter> ` what it writes
    for somebody else. `language` is that of the request, `en` or `zh`; None: the scene's."""
    parsed = case.read(reply)
    # Of an unclosed block the detail is its kind, and of a plan nothing is told.
    kinds = {fault.kind for fault in parsed.faults if fault.detail != Kind.SYSTEM_THINKING.value}
    if not parsed.turn.segments:
        kinds.add(FaultKind.EMPTY)
    found = {name: letter if kind in kinds else "" for kind, name in _NOTES.items()}
    notes = prompt(f"judge-notes/{language or case.scene.prompt_language}", **found)
    parts = [block(render(parsed.turn), f"{letter}| "), notes.replace("\n\n", "\n")]
    if rest := _rest(parsed):
        parts.append(block(rest, f"{letter}> ", REST))
    return "\n".join(filter(None, parts))


def _rest(parsed: Parsed) -> str:
    """What follows the turn; it may hold a plan of its own."""
    return render(parse(parsed.rest).turn.without(Kind.SYSTEM_THINKING)) if parsed.rest.strip() else ""


def told(turn: Turn) -> str:
    """A turn of the dialogue, its speaker first; with whom else only some could hear it."""
    hearers = sorted((turn.heard_by or frozenset()) - {turn.speaker})
    to = f" → {', '.join(hearers)}" if turn.heard_by is not None else ""
    return f"{turn.speaker}{to}: {render(turn)}"


def facts(case: Case, dropped: int) -> str:
    """The user message of our own dialects: the case, the candidates at its end."""
    scene, language = case.scene, case.scene.prompt_language
    people = [
        prompt(
            f"judge-person/{language}",
            name=one.name,
            profile=one.profile.strip(),
            background=one.background.strip(),
            motivation=one.motivation.strip(),
            opening_thought=one.opening_thought.strip(),
        ).replace("\n\n", "\n")
        for one in scene.cast
    ]
    book = f"({scene.book.strip()})\n" if scene.book.strip() else ""
    turns = [block(told(turn), "D| ") for turn in case.before[dropped:]]
    return prompt(
        f"judge-case/{language}",
        setting=block(book + scene.setting.strip(), "S| "),
        cast="\nC|\n".join(block(person, "C| ") for person in people),
        dropped=str(dropped) if dropped else "",
        dialogue="\n".join(turns),
        silent="" if case.before else line(case.speaker),
        speaker=line(case.speaker),
        first=candidate(case, case.first, "A"),
        second=candidate(case, case.second, "B"),
    )


def texts(*names: str) -> tuple[str, ...]:
    """Prompt texts, `name@hash`."""
    return tuple(f"{name}@{prompt_hash(name)}" for name in names)


def marks() -> dict[str, str]:
    """How thoughts and actions are written, for the rules that a judge is given."""
    return {name: mark for name, mark in notation().items() if not name.startswith("plan")}
