"""What a run starts from: novels put into its library and cut into passages, scenes imported from CoSER's files.

Knows paths and folders. Refuses to know how a file is read (`reading`, `coser`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from her.errors import HerError, InputError, MissingExtra
from her.rows.files import Writer
from her.rows.record import Record
from her.synth.options import SynthOptions
from her.synth.reading.book import Book
from her.synth.reading.coser import Importer
from her.synth.reading.hub import fetch
from her.synth.reading.library import Library
from her.synth.reading.novel import read_book
from her.synth.staging.passages import passages

PASSAGES = "passages.jsonl"
SUFFIXES = (".epub", ".htm", ".html", ".txt")
"""What is taken from a folder of books; a file that is named is read whatever it is called."""


@dataclass(frozen=True)
class Sources:
    """Where everything begins: `passages` and `imported` are files of rows, None where there is none."""

    library: Library
    slugs: tuple[str, ...]
    passages: Path | None
    imported: Path | None

    def books(self) -> Iterator[Book]:
        """The novels, one by one."""
        return map(self.library.book, self.slugs)


def open_sources(options: SynthOptions, size: int, told: Callable[[str], None]) -> Sources:
    """Reads every source of a run into its folder; passages have at most `size` characters.

    Raises InputError and StorageError for a file that was named and cannot be used. In a folder such a file is
    passed over, and `told` why.
    """
    if not (options.books or options.coser or options.hub):
        raise InputError("nothing to work on: name a novel with --book, a file with --coser, or a dataset with --hub")
    for path in (*options.books, *options.coser, *options.coser_tests):
        if not path.exists():
            raise InputError(f"{path}: is not there; look at its name")
    library = Library(options.out / "books")
    for half in library.folder.glob("*.part"):
        half.unlink()  # of a run that was killed
    slugs = _passages(options, library, size, told) if options.books else ()
    return Sources(
        library,
        slugs,
        options.out / PASSAGES if options.books else None,
        _imported(options, library, told) if options.coser or options.hub else None,
    )


def _passages(options: SynthOptions, library: Library, size: int, told: Callable[[str], None]) -> tuple[str, ...]:
    """The slugs of all novels, whose passages are then written; a novel that is named twice is read once."""
    slugs: dict[str, None] = {}
    with Writer(options.out / PASSAGES) as out:
        for read in _books(options, told):
            book = library.add(read)
            if book.slug in slugs:
                continue
            slugs[book.slug] = None
            for passage in passages(book, size, _chapters(book, options)):
                out.write(passage)
    if not slugs:
        raise InputError(f"{', '.join(map(str, options.books))}: no book could be read")
    return tuple(slugs)


def _books(options: SynthOptions, told: Callable[[str], None]) -> Iterator[Book]:
    if options.title and (len(options.books) != 1 or options.books[0].is_dir()):
        raise InputError("--title is that of one book; name one file with --book")
    for path in options.books:
        if not path.is_dir():
            yield _read(path, options, told)
            continue
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise InputError(f"{path}: holds no book; it is looked through for {', '.join(SUFFIXES)}")
        for file in files:
            try:
                yield _read(file, options, told)
            except MissingExtra:
                raise
            except HerError as error:
                told(f"passed over: {error}")


def _read(path: Path, options: SynthOptions, told: Callable[[str], None]) -> Book:
    return read_book(path, title=options.title, author=options.author, language=options.language, told=told)


def _chapters(book: Book, options: SynthOptions) -> frozenset[int] | None:
    numbers = {chapter.number for chapter in book.chapters}
    if options.chapters is not None and not options.chapters & numbers:
        most = max(numbers, default=0)
        raise InputError(f"--chapters: {book.title!r} has chapters 1 to {most}; choose some of them")
    return options.chapters


def _imported(options: SynthOptions, library: Library, told: Callable[[str], None]) -> Path:
    """The scenes of all CoSER-shaped sources as one file of rows."""
    folder = options.out / "imported"
    importer = Importer(library, options.language)
    with Writer(folder / "rows.jsonl") as out, Writer(folder / "dropped.jsonl") as dropped:
        for path in options.coser:
            for row in importer.file(path):
                out.write(row)
        for name in options.hub:
            for row in fetch(name, importer):
                out.write(row)
        for refusal in importer.refused:
            dropped.write(refusal)
    report = ImportReport.of(importer)
    with Writer(folder / "report.json") as written:
        written.write_line(report.model_dump_json(indent=2).encode() + b"\n")
    lost = f", {report.turns_refused} turns of {len(importer.refused)} refused" if importer.refused else ""
    told(f"imported: {report.cases} conversations, {report.rows} scenes, {report.turns_out} turns{lost}")
    return folder / "rows.jsonl"


class ImportReport(Record):
    """What an import came to; `turns_in` is always `turns_out` and `turns_refused` together."""

    cases: int
    rows: int
    turns_in: int
    turns_out: int
    turns_refused: int
    faults: dict[str, int]

    @classmethod
    def of(cls, importer: Importer) -> ImportReport:
        """The counts of an importer that has read everything."""
        counts = {name: getattr(importer, name) for name in cls.model_fields if name != "faults"}
        return cls(faults=dict(sorted(importer.faults.items())), **counts)
