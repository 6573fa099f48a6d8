"""A novel from a file: what kind it is, what it is called, in which language, and where its chapters are.

Knows that a file's content says more than its name. Refuses to know what becomes of the book.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from her.checks.language import language_of
from her.errors import InputError, StorageError
from her.scene import MAX_BYTES, slug
from her.synth.reading.book import Book
from her.synth.reading.chapters import chapters
from her.synth.reading.epub import assembled, read_epub
from her.synth.reading.hypertext import page_of
from her.synth.reading.manuscript import Manuscript
from her.synth.reading.plain import read_plain

_HTML = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype html|html)\b", re.I | re.S
)
_SMALL = re.compile("an?|and|at|by|d[aeiu]|de[rs]|di[ae]|das|el|for|from|in|l[ae]s?|los|of|on|or|the|to|und|y|von")
"""Words that a title writes small."""
_CODES = {
    "eng": "en", "fra": "fr", "fre": "fr", "deu": "de", "ger": "de", "spa": "es", "ita": "it", "por": "pt",
    "nld": "nl", "dut": "nl", "rus": "ru", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko",
}  # fmt: skip
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_SAMPLES, _SAMPLE = 5, 4_000
"""How many pieces of a book tell its language, and the characters of each; to overrule its card they must agree."""


def read_book(
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    author: str | None = None,
    language: str | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Book:
    """The book in a text, EPUB or HTML file.

    What is not given is what the file says of itself, and in the end its name; the language is that of its text.
    `told` hears of what was missing or had to be assumed, one line each. Raises StorageError where the file cannot be
    read, InputError where it holds no book, MissingExtra.
    """
    path = Path(path)
    manuscript = read_manuscript(path)
    for fault in manuscript.faults:
        told(fault)
    if not manuscript.text.strip():
        raise InputError(f"{path}: holds no text but headers; name a novel as plain text or EPUB")
    name = title or manuscript.title or title_of(path)
    return made(
        manuscript,
        title=name,
        author=manuscript.author if author is None else author,
        language=language or _language(manuscript, str(path), told),
    )


def read_manuscript(path: Path) -> Manuscript:
    """What a file holds before it is cut into chapters; raises as `read_book` does."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; this cannot be a novel")
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}; name a novel's file") from error
    if data.startswith(b"PK\x03\x04") and b"META-INF/container.xml" in data:
        return read_epub(data, str(path))
    if _HTML.match(data):
        page = page_of(data)
        whole = assembled({"": page}, [])
        return Manuscript(whole.text, page.title, "", page.language, whole.marks)
    return read_plain(data, str(path))


def made(manuscript: Manuscript, *, title: str, author: str, language: str) -> Book:
    """The book that a manuscript is, under these names."""
    return Book(
        slug=slug(title),
        title=title,
        author=author,
        language=language,
        text=manuscript.text,
        chapters=chapters(manuscript.text, manuscript.marks, title=title),
        sha=hashlib.sha256(manuscript.text.encode("utf-8")).hexdigest(),
    )


def title_of(path: Path) -> str:
    """A title made of a file's name: `pride_and_prejudice.txt` is Pride and Prejudice."""
    words = re.sub(r"[_\s]+|(?<=\w)-(?=\w)", " ", path.stem).split()
    if any(word != word.lower() for word in words):
        return " ".join(words)
    return " ".join(
        word if at and _SMALL.fullmatch(word) else word[:1].upper() + word[1:] for at, word in enumerate(words)
    )


def _language(manuscript: Manuscript, name: str, told: Callable[[str], None]) -> str:
    """The language of the text; what the file says of it where the text does not tell, and English in the end."""
    size = len(manuscript.text)
    heard = [language_of(manuscript.text[size * n // _SAMPLES :][:_SAMPLE]) for n in range(_SAMPLES)]
    found = max(set(heard) - {None}, key=heard.count, default=None)
    tag = manuscript.language.strip().replace("_", "-")
    tag = _CODES.get(tag.lower(), tag) if _TAG.fullmatch(tag) and tag.lower() != "und" else ""
    if found is None and not tag:
        told(f"{name}: its language cannot be told and is taken for English; say --language if it is another")
        return "en"
    if found and set(heard) == {found} and tag and found != tag.split("-")[0].lower():
        told(f"{name}: says that it is in {tag!r}, but reads as {found!r}, which is taken; --language decides")
        return found
    return tag or found or "en"
