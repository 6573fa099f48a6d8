"""Which titles are one book: spellings, subtitles and editions do not count, volumes of one work stay together.

Knows titles and authors, as files, catalogues and people write them. Refuses to know texts (`splits`, `contamination`)
and to match by a part of a title: `Emma` is not in `Emmanuel`. Where it cannot tell it says "the same", because a
book on both sides of a split costs more than two books on one side.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_INVERTED = re.compile(r"^(.*\w),\s*(the|a|an)$")
_SUBTITLE = re.compile(r"\s*[:;]\s*|\s+[-–—]+\s+|—|,?\s+or,\s+|,\s+or\s+")
_APOSTROPHES = re.compile(r"['’‘ʼ`´]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_VOLUME = re.compile(r"\s(?:vol|volume|book|part|tome|band|teil)\s(?:\d+|[ivx]+|one|two|three|four)$")
_ARTICLE = re.compile(r"^(?:the|an?|l[ea]s?|d(?:er|ie|as)|el|l[oa]s|il|lo|une?|eine?)\s+(?=\S)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Edition:
    """A book as its rows name it; `author` may be empty."""

    title: str
    author: str = ""

    @property
    def key(self) -> str:
        """The title's key."""
        return title_key(self.title)


@cache
def title_key(title: str) -> str:
    """The form in which two spellings of one title are equal; empty for a title without a letter or digit.

    Compatibility forms, case, accents, quotes, dashes, asides in brackets, a leading or inverted article, a subtitle
    and a volume's number do not count.
    """
    text = unicodedata.normalize("NFKC", title).casefold().strip()
    text = _ASIDE.sub(" ", text).strip() or text
    text = _INVERTED.sub(r"\2 \1", text)
    return next(filter(None, map(_bare, (_SUBTITLE.split(text, maxsplit=1)[0], text))), "")


def _bare(text: str) -> str:
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text)))
    words = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", text)).strip()
    return _VOLUME.sub("", _ARTICLE.sub("", words))


def same_author(one: str, other: str) -> bool:
    """Whether two names can be one author: a word of three letters, or of a script without case, stands in both.

    `Austen, Jane` and `J. Austen` can; an author who is not named can be anybody.
    """
    names = [_names(one), _names(other)]
    return not all(names) or bool(names[0] & names[1])


def _names(author: str) -> frozenset[str]:
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", author).casefold()))
    return frozenset(word for word in _WORD.findall(plain) if len(word) > 2 or word == word.upper())


def same_book(one: Edition, other: Edition) -> bool:
    """Whether title and author can be those of one book."""
    return one.key == other.key and same_author(one.author, other.author)


def works(editions: Iterable[Edition], together: Iterable[tuple[Edition, Edition]] = ()) -> Mapping[Edition, str]:
    """The name of the work behind each edition; two editions of one book have the same.

    `together` are pairs known to be one book for another reason. Names do not depend on the order of anything.
    """
    found = sorted(set(editions), key=lambda edition: (edition.key, edition.title, edition.author))
    parent = {edition: edition for edition in found}

    def root(edition: Edition) -> Edition:
        while parent[edition] != edition:
            edition = parent[edition]
        return edition

    titles: dict[str, list[Edition]] = defaultdict(list)
    for edition in found:
        titles[edition.key].append(edition)
    pairs = [(one, other) for same in titles.values() for one in same for other in same if same_book(one, other)]
    for one, other in (*pairs, *together):
        first, second = sorted((root(one), root(other)), key=found.index)
        parent[second] = first
    named: dict[Edition, str] = {}
    for edition in found:
        if root(edition) == edition:
            name = edition.key or edition.title
            named[edition] = name if name not in named.values() else f"{name} / {edition.author or edition.title}"
    return {edition: named[root(edition)] for edition in found}
