"""Conversations that others have taken out of novels: CoSER's files and HER's released rows, as rows of ours.

Knows both releases' fields. Nothing is lost without a word: every case becomes a row or a refusal, and their turns
add up. Refuses to know where the files come from (`hub`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from her.checks.language import language_of
from her.coser import Case, Found, Line, cases, found
from her.errors import InputError, SceneError, StorageError
from her.markup import Style, parse
from her.rows.files import sha_of
from her.rows.record import Refusal, SceneRow, Source, TurnRow
from her.scene import Character, fold, read_json, slug
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.synth.reading.manuscript import clean
from her.synth.reading.plain import normalised
from her.synth.reading.released import ReleasedCase, ReleasedLine, conversations, is_row
from her.turn import ENVIRONMENT, Kind, Segment, Turn

STAGE = "import"
_LINE_WORDS = 8
_LEAST_WORDS = 3
"""Words of a line by which its place is found in the text."""


class Place(NamedTuple):
    """A plot's place in a book that the library keeps."""

    book: Book
    start: int
    end: int


@dataclass
class Importer:
    """Reads files one after another; ids are unique in all that one importer has read.

    `library` takes the passages that files hold, as one book for each title; without it they are left out.
    `language` is that of all rows; None lets each conversation tell. Afterwards the counts say what has become of
    everything: `turns_in` is always `turns_out + turns_refused`.
    """

    library: Library | None = None
    language: str | None = None
    rows: int = 0
    turns_in: int = 0
    turns_out: int = 0
    turns_refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """How often each fault stood in the marks of a turn; such a turn is kept."""
    refused: list[Refusal] = field(default_factory=list)
    _seen: dict[str, bytes] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """Everything that was there to be read: rows and refusals."""
        return self.rows + len(self.refused)

    def file(self, path: Path | str, *, title: str | None = None) -> Iterator[SceneRow]:
        """The rows of a file: a test set, a book, held-out plots (JSON), or HER's dataset (JSON lines).

        A book file is called by its name, or `title`. Raises InputError where the whole is none of these, StorageError
        where it cannot be read.
        """
        path = Path(path)
        if _is_lines(path):
            return self.lines(_file_lines(path), str(path), sha_of(path))
        return self.document(read_json(path), str(path), title or path.stem, sha_of(path))

    def document(self, data: Any, name: str, stem: str, sha: str = "") -> Iterator[SceneRow]:
        """The rows of decoded JSON; `name` is how refusals call it, `stem` the title of a book file."""
        if is_row(data):
            yield from self._rows(conversations(data, "the row"), name, sha)
            return
        try:
            every = list(cases(data, stem))
        except SceneError as error:
            raise InputError(f"{name}: {error}") from error
        yield from self._rows(every, name, sha)

    def lines(self, lines: Iterable[str], name: str, sha: str = "") -> Iterator[SceneRow]:
        """The rows of JSON lines, each a conversation with its plot; those of one book stand together."""
        entries = self._decoded(lines, name)
        for _, group in groupby(entries, lambda entry: str(entry[1].get("book_name", ""))):
            yield from self._rows((one for where, row in group for one in _of_line(row, where)), name, sha)

    def _decoded(self, lines: Iterable[str], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                self.refuse(name, where, f"is not JSON ({error})")
                continue
            if not isinstance(row, dict):
                self.refuse(name, where, "is no object with fields")
            elif "messages" in row and "conversation" not in row:
                todo = "import the config `full_info` or `clean`, which hold every mind of a scene"
                raise InputError(f"{name}: {where}: is a training sample, made for one mind; {todo}")
            else:
                yield where, row

    def _rows(self, every: Iterable[Found], name: str, sha: str) -> Iterator[SceneRow]:
        entries = list(every)
        places = self._shelved([entry.case for entry in entries if isinstance(entry.case, Case)])
        for entry in entries:
            self.turns_in += entry.turns
            if isinstance(entry.case, SceneError):
                self.refuse(name, entry.where, str(entry.case), turns=entry.turns)
                continue
            try:
                row = self._own(self._row(entry.case, sha, places.get((entry.case.book, entry.case.i_p))))
            except ValidationError as error:
                first = error.errors()[0]
                why, reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "schema"
                if first["type"] == "too_short":
                    why, reason = f"nobody {'speaks' if not entry.turns else 'but the world speaks'}", "empty"
                self.refuse(name, entry.where, why, reason=reason, turns=entry.turns)
                continue
            if row is None:
                why = "the same case has been read before"
                self.refuse(name, entry.where, why, reason="duplicate", turns=entry.turns)
                continue
            self.rows += 1
            self.turns_out += len(row.turns)
            yield row

    def refuse(self, name: str, where: str, why: str, *, reason: str = "schema", turns: int = 0) -> None:
        """Notes something that becomes no row, and how many turns it has."""
        self.turns_refused += turns
        self.refused.append(Refusal(stage=STAGE, reason=reason, where=f"{name}: {where}", detail=why))

    def _own(self, row: SceneRow) -> SceneRow | None:
        """The row under an id of its own; None for one that is here already."""
        content = row.model_dump_json(include={"setting", "turns"})
        digest = hashlib.sha256(content.encode("utf-8")).digest()
        while (known := self._seen.get(row.id)) is not None:
            if known == digest:
                return None
            row = row.model_copy(update={"id": f"{row.id}-again"})
        self._seen[row.id] = digest
        return row

    def _row(self, case: Case, sha: str, place: Place | None) -> SceneRow:
        turns = tuple(self._turns(case))
        was = tuple(self._turns(case, enhanced=False)) if isinstance(case, ReleasedCase) else turns
        words = " ".join(turn.turn.text_of(Kind.SPEECH) for turn in turns)
        source = Source(
            book=case.book,
            author=place.book.author if place else "",
            slug=place.book.slug if place else slug(case.book),
            sha=place.book.sha if place else sha,
            chapter=case.plot.chapter or "",
            start=_start(place, turns) if place else None,
            end=place.end if place else None,
            plot=case.i_p,
            conversation=case.i_c,
        )
        return SceneRow(
            id=case.id,
            title=case.topic.strip() or case.place,
            language=self.language or language_of(f"{case.scenario} {words}") or "en",
            source=source,
            setting=case.scenario,
            cast=tuple(Character(**person) for person in case.cast()) if case.dialogues else (),
            turns=turns,
            original=was if was != turns else (),
        )

    def _turns(self, case: Case, *, enhanced: bool = True) -> Iterator[TurnRow]:
        """Every line as a turn; two by one speaker in a row stay two, and nothing is taken for somebody else's."""
        spelt = {**case.speakers, fold(ENVIRONMENT): ENVIRONMENT}
        for number, line in enumerate(case.dialogues, 1):
            speaker = spelt[fold(line.character)]
            text, style = _written(line, enhanced=enhanced)
            parsed = parse(text, style=style, speaker=speaker)
            if enhanced:
                self.faults.update(str(fault.kind) for fault in parsed.faults)
            segments = parsed.turn.segments
            if isinstance(line, ReleasedLine) and line.plan.strip() and enhanced:
                segments = (Segment(Kind.SYSTEM_THINKING, line.plan.strip()), *_visible(segments))
            yield TurnRow.of(Turn(speaker, segments, id=f"t{number:02d}"))

    def _shelved(self, known: Iterable[Case]) -> dict[tuple[str, int | None], Place]:
        """The plots' texts as books of the library, and where each plot is in them."""
        plots: dict[str, dict[int | None, Case]] = {}
        for case in known:
            if self.library is not None and case.plot.text and case.plot.text.strip():
                plots.setdefault(case.book, {}).setdefault(case.i_p, case)
        places: dict[tuple[str, int | None], Place] = {}
        for title, by_number in plots.items():
            book, spans = _bound(title, [by_number[number] for number in sorted(by_number, key=lambda n: n or 0)])
            book = replace(book, language=self.language or language_of(book.text[:20_000]) or "en")
            assert self.library is not None
            kept = self.library.add(book)
            places |= {(title, number): Place(kept, *span) for number, span in spans.items()}
        return places


def _bound(title: str, plots: Iterable[Case]) -> tuple[Book, dict[int | None, tuple[int, int]]]:
    """A book of the plots' texts in order, a chapter for each, and each plot's place by its number."""
    spans: dict[int | None, tuple[int, int]] = {}
    places: dict[str, tuple[int, int]] = {}
    chapters: list[Chapter] = []
    text = ""
    for case in plots:
        part = normalised(clean(case.plot.text or ""))
        if part not in places:
            text += "\n\n" * bool(text)
            places[part] = (len(text), len(text) + len(part))
            heading = case.plot.chapter or f"plot {case.i_p}"
            chapters.append(Chapter(len(chapters) + 1, heading, *places[part]))
            text += part
        spans[case.i_p] = places[part]
    sha = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Book(slug(title), title, "", "en", text, tuple(chapters), sha), spans


def _start(place: Place, turns: Iterable[TurnRow]) -> int:
    """Where the paragraph begins in which the first line stands that can be found; else where the plot begins."""
    for turn in turns:
        words = re.findall(r"\w+", turn.turn.text_of(Kind.SPEECH))[:_LINE_WORDS]
        if len(words) < _LEAST_WORDS:
            continue
        line = re.compile(r"\W+".join(map(re.escape, words)), re.IGNORECASE)
        if there := line.search(place.book.text, place.start, place.end):
            return max(place.start, place.book.text.rfind("\n\n", place.start, there.start()) + 2)
    return place.start


def _written(line: Line, *, enhanced: bool) -> tuple[str, Style]:
    """A line's text and how it is written: as a teacher rewrote it, else as CoSER had it, else as tagged by rule."""
    if isinstance(line, ReleasedLine):
        if enhanced and line.enhanced.strip() and (line.enhanced != line.standard_format or not line.message):
            return line.enhanced, Style.TAGS
        if not line.message.strip():
            return line.standard_format or line.enhanced, Style.TAGS
    return line.message, Style.BRACKETS


def _visible(segments: Iterable[Segment]) -> Iterator[Segment]:
    return (segment for segment in segments if segment.kind is not Kind.SYSTEM_THINKING)


def _of_line(row: Mapping[str, Any], where: str) -> Iterator[Found]:
    if is_row(row):
        yield from conversations(row, where)
    else:
        yield found(row, where, "", (0, 0))


def _is_lines(path: Path) -> bool:
    """Whether a file holds JSON lines: by its name, or because its first line is an object and more follow."""
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return True
    try:
        with path.open("rb") as file:
            first, second = file.readline(2**26), file.readline(2)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return first.strip().startswith(b"{") and first.strip().endswith(b"}") and second.startswith(b"{")


def _file_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(f"{path}: line {number} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
