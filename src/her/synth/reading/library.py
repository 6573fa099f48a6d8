"""The books that rows come from, by slug: each as its normalised text and a card beside it.

Knows that a text has not changed since it was read. Refuses to change or delete anything that it finds in its folder:
another book of the same name is kept under another slug.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from her.errors import InputError, StorageError
from her.rows.record import Record
from her.synth.reading.book import Book, Chapter

HELD = 4
"""How many books are kept in memory; a stage goes through its rows book by book."""
_LONGEST = 120
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)")
"""Bytes of a file name without its suffix, and the names of devices: what every file system can take."""


class _Part(Record):
    number: int
    title: str
    start: int
    end: int


class _Card(Record):
    """A book without its text."""

    slug: str
    title: str
    author: str
    language: str
    sha: str
    chapters: tuple[_Part, ...]

    @classmethod
    def of(cls, book: Book) -> _Card:
        parts = tuple(_Part(number=c.number, title=c.title, start=c.start, end=c.end) for c in book.chapters)
        fields = {name: getattr(book, name) for name in ("slug", "title", "author", "language", "sha")}
        return cls(chapters=parts, **fields)

    def book(self, text: str) -> Book:
        chapters = tuple(Chapter(c.number, c.title, c.start, c.end) for c in self.chapters)
        return Book(self.slug, self.title, self.author, self.language, text, chapters, self.sha)


class Library:
    """A folder of books, `<slug>.txt` and `<slug>.json`, of which the last few that were asked for stay in memory."""

    def __init__(self, folder: str | os.PathLike[str], *, held: int = HELD) -> None:
        self.folder = Path(folder)
        self._held = held
        self._books: OrderedDict[str, Book] = OrderedDict()

    def slugs(self) -> tuple[str, ...]:
        """The slugs of all books that are here whole, in order."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.json") if path.with_suffix(".txt").is_file()))

    def add(self, book: Book) -> Book:
        """The book as it is kept from now on: under its own slug, or with a suffix where another book has that one.

        The same book twice is kept once. Raises StorageError.
        """
        card = _Card.of(book)
        suffix = hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:8]
        name = book.slug
        if _RESERVED.fullmatch(name) or len(name.encode()) > _LONGEST:
            name = name.encode()[: _LONGEST - 9].decode(errors="ignore") + f"-{suffix}"
        if self._taken(name, card):
            name = f"{name}-{suffix}"
            if self._taken(name, card):
                raise StorageError(f"{self.folder / name}.json: is in the way; choose another folder for the books")
        kept = replace(book, slug=name)
        if not self._path(name, ".json").exists():
            self._write(self._path(name, ".txt"), book.text)
            self._write(self._path(name, ".json"), _Card.of(kept).model_dump_json(indent=1) + "\n")
        self._hold(kept)
        return kept

    def book(self, slug: str) -> Book:
        """The book of that slug. Raises InputError where there is none, StorageError where its text has changed."""
        if slug not in self._books:
            self._hold(self._read(slug))
        self._books.move_to_end(slug)
        return self._books[slug]

    def _hold(self, book: Book) -> None:
        self._books[book.slug] = book
        while len(self._books) > self._held:
            self._books.popitem(last=False)

    def _path(self, slug: str, suffix: str) -> Path:
        return self.folder / f"{slug}{suffix}"

    def _taken(self, slug: str, card: _Card) -> bool:
        """Whether the name belongs to something else than this very book."""
        path = self._path(slug, ".json")
        if not path.exists():
            text = self._path(slug, ".txt")
            return text.exists() and hashlib.sha256(text.read_bytes()).hexdigest() != card.sha
        try:
            return _Card.model_validate_json(path.read_bytes()) != card.model_copy(update={"slug": slug})
        except (ValidationError, OSError):
            return True

    def _read(self, slug: str) -> Book:
        path = self._path(slug, ".json")
        if slug not in self.slugs():
            known = ", ".join(self.slugs()) or "none"
            raise InputError(f"{self.folder}: holds no book {slug!r}; there are: {known}")
        try:
            card = _Card.model_validate_json(path.read_bytes())
            content = path.with_suffix(".txt").read_bytes()
        except ValidationError as error:
            raise StorageError(f"{path}: is not the card of a book: {error.errors()[0]['msg']}") from error
        except OSError as error:
            raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
        if hashlib.sha256(content).hexdigest() != card.sha:
            todo = "rows refer to places in it; restore it, or read the book again into an empty folder"
            raise StorageError(f"{path.with_suffix('.txt')}: has changed since it was read; {todo}")
        return card.book(content.decode("utf-8"))

    def _write(self, path: Path, text: str) -> None:
        """The whole file or nothing: written beside its place, then moved there."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
