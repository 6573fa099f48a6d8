"""Cases to read: dialogues with their layers told apart, and what was asked and answered.

Knows how much of them a page can hold, and which are chosen where it cannot hold all: by the hash of their ids, so that
nobody picks. Refuses to shorten in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from her.bench.figures import Unscored
from her.bench.report.records import Case, Said
from her.bench.report.report import Group, Report, Shown
from her.bench.report.written import told
from her.checks.language import language_of
from her.markup import parse
from her.pages.page import number
from her.turn import ENVIRONMENT, Kind

ROOM = 1_200_000
"""Characters of a page that cases may take, their markup counted; a browser lays that out in about a second."""
PIECE, PIECES, TURNS = 1_500, 40, 60
"""Of one text its first characters, of a turn its first segments, of a case its first turns."""
_TURN, _CASE = 700, 1_200
"""Characters of markup around a turn and around a case."""


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn as a page's parts take it."""

    number: int
    speaker: str
    world: bool
    plan: str
    segments: tuple[tuple[Kind, str, bool], ...]
    anchor: str = ""
    back: str = ""
    heard_by: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownCase:
    """A case as the page shows it; `texts` are a word and a text each, `left_out` says what is in the log alone."""

    anchor: str
    name: str
    values: tuple[tuple[str, str], ...]
    error: str
    texts: tuple[tuple[str, str], ...]
    turns: tuple[ShownTurn, ...]
    left_out: str
    language: str

    @property
    def size(self) -> int:
        """About how many characters of a page it takes."""
        pieces = [text for turn in self.turns for text in (turn.plan, *(one[1] for one in turn.segments))]
        texts = [*pieces, *(text for _, text in self.texts), self.error]
        return sum(map(len, texts)) + 90 * len(pieces) + _TURN * len(self.turns) + _CASE


@dataclass(frozen=True, slots=True)
class Shelf:
    """The cases of a run that the page shows, in the run's order, and where all of them are."""

    label: str
    log: str
    cases: tuple[ShownCase, ...]
    of: int


def anchor(run: int, case: int) -> str:
    """The name of a case's place on the page, by the places of run and case."""
    return f"case-{run}-{case}"


def shelves(found: Report, room: int = ROOM) -> tuple[Shelf, ...]:
    """The cases to read of every run; the runs of a group show the same ones, as far as they have them."""
    shown: list[Shelf] = []
    first = 1
    for group in found.groups:
        part = room * len(group.runs) // len(found.runs)
        shown += _of_group(group, first, part)
        first += len(group.runs)
    return tuple(shown)


def cut(text: str, most: int = PIECE) -> str:
    """The text's beginning, and how much more there is."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… [{number(len(text) - most)} more characters are in the log]"


def name(case: Case, epochs: int) -> str:
    """What a case is called."""
    return f"{case.id}, epoch {case.epoch}" if epochs > 1 else case.id


def _of_group(group: Group, first: int, room: int) -> Iterator[Shelf]:
    places = [{case.key: at for at, case in enumerate(one.run.cases)} for one in group.runs]
    keys = sorted(
        {key for found in places for key in found}, key=lambda key: hashlib.sha256(repr(key).encode()).digest()
    )
    chosen: list[dict[int, ShownCase]] = [{} for _ in group.runs]
    left = room
    for key in keys:
        found = [
            (nth, at[key], _case(one, at[key], first + nth))
            for nth, (one, at) in enumerate(zip(group.runs, places, strict=True))
            if key in at
        ]
        left -= sum(case.size for _, _, case in found)
        if left < 0 and any(chosen):
            break
        for nth, at, case in found:
            chosen[nth][at] = case
    for one, cases in zip(group.runs, chosen, strict=True):
        yield Shelf(one.label, one.run.log, tuple(cases[at] for at in sorted(cases)), len(one.run.cases))


def _case(one: Shown, at: int, run: int) -> ShownCase:
    case = one.run.cases[at]
    values = []
    for figure in one.run.sheet.figures:
        value = case.values[figure.name]
        text = f"unscored: {value.why}" if isinstance(value, Unscored) else told(value, figure.unit)
        values.append((figure.title, text))
    asked = (("asked", case.asked),) if not case.dialogue else ()
    texts = (*asked, ("target", case.target), ("answer", case.answer), ("why", case.explanation))
    turns = tuple(_turn(said, nth) for nth, said in enumerate(case.dialogue[:TURNS], 1))
    more = len(case.dialogue) - len(turns)
    return ShownCase(
        anchor=anchor(run, at + 1),
        name=cut(name(case, one.run.epochs), 200),
        values=tuple(values),
        error=cut(case.error),
        texts=tuple((word, cut(text)) for word, text in texts if text.strip()),
        turns=turns,
        left_out=f"{number(more)} more turns are in the log." if more else "",
        language=_language(case),
    )


def _turn(said: Said, nth: int) -> ShownTurn:
    turn = parse(said.text, speaker=said.speaker).turn
    rest = [(piece.kind, piece.text) for piece in turn.segments if piece.kind is not Kind.SYSTEM_THINKING]
    shown = [(kind, cut(text), False) for kind, text in rest[:PIECES]]
    if len(rest) > PIECES:
        shown.append((Kind.SPEECH, f"… [{number(len(rest) - PIECES)} more pieces are in the log]", False))
    return ShownTurn(
        number=nth,
        speaker=cut(said.speaker, 120) + (" (given)" if said.given else ""),
        world=said.speaker == ENVIRONMENT,
        plan=cut(turn.text_of(Kind.SYSTEM_THINKING)),
        segments=tuple(shown),
    )


def _language(case: Case) -> str:
    texts: Iterable[str] = (said.text[:500] for said in case.dialogue[:8]) if case.dialogue else (case.asked[:2_000],)
    return language_of("\n".join(texts)) or "und"
