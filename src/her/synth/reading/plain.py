"""A novel as plain text: from bytes to clean paragraphs.

Knows what volunteers and programs write into such files: pictures, notes, page numbers, marks for italics. It runs
once, and every place in a book refers to what comes out. Refuses to know where chapters begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from her.synth.reading.decode import decode
from her.synth.reading.gutenberg import unframe
from her.synth.reading.headings import heading
from her.synth.reading.layout import names_chapter, paragraphs
from her.synth.reading.manuscript import BREAK, Manuscript, clean

_PICTURE = re.compile(r"\[(?:Illustrations?|Frontispiece|Decoration)\b(?:[^\[\]]|\[[^\[\]]{0,400}\]){0,1500}\]", re.I)
_FOOTNOTE = re.compile(r"\[(?:Footnote|Note|Fußnote|Nota)\b[^:\]]{0,12}:(?:[^\[\]]|\[[^\[\]]{0,400}\]){0,6000}\]", re.I)
_STOP = r"(?=[\s.,;:!?)”’\"']|$)"
_NOTE_SIGN, _NUMBER_SIGN, _PAGE_SIGN = (
    re.compile(rf" ?{sign}{_STOP}|{sign}", re.I)
    for sign in (
        r"\[(?:\d{1,3}|[A-Z]|\*{1,3})\]",
        r"\[\d{1,3}\]",
        r"(?:\{(?:\d{1,4}|[ivxlc]+)\}|\[(?:pg|page|p\.|p|s\.|seite) ?[\divxlc]{1,6}\.?\])",
    )
)
_PAGE_LINE = re.compile(r"^[ \t]*(?:[-–—\[|] ?)?(?:page |p\. ?)?(\d{1,4})(?: ?[-–—\]|])?[ \t]*$", re.MULTILINE | re.I)
_ITALIC = re.compile(r"(?<![^\W_])_(?=[^\s_])([^_]{1,1500}?)(?<=[^\s_])_(?![^\W_])")
_BOLD = re.compile(r"(?<![\w=])=(?=[^\s=])([^=\n]{1,300}?)(?<=[^\s=])=(?![\w=])")
_RUN = re.compile(r"[ \u3000]{2,}|(?<=\S)\u3000")
_ORNAMENT = re.compile(r"(?:[*•·⁂#~][ ]?){3,}|\*[ ]?\*|[-–—_=]{3,}")
_STARS = re.compile(r"(?:\* ){3,}(?=\w|\W?\w)")
_OPEN_END = re.compile(r"(?:\b(?:Mr|Mrs|Messrs|Dr)\.|(?P<word>[a-zà-ÿа-я,;]))$")
_LEAST_PAGES, _CUT_SHARE = 8, 0.2
"""Numbers by themselves are those of pages where there are so many, and such a share stands inside sentences."""


def read_plain(data: bytes, name: str) -> Manuscript:
    """The manuscript in a text file; `name` is how errors call it. Raises InputError for what is no text."""
    body, frame = unframe(clean(decode(data, name)))
    return Manuscript(normalised(body), frame.title, frame.author, frame.language)


def normalised(text: str) -> str:
    """The text in paragraphs with a blank line between two, without the marks of those who typed it."""
    return "\n\n".join(_mended(_tidied(paragraphs(_without_signs(text)))))


def _without_signs(text: str) -> str:
    text = _PICTURE.sub(_kept_heading, text)
    text, notes = _FOOTNOTE.subn("", text)
    text = _PAGE_SIGN.sub("", (_NOTE_SIGN if notes else _NUMBER_SIGN).sub("", text))
    if "``" in text:
        text = text.replace("``", '"').replace("''", '"')
    if text.count("`") >= 5:
        text = text.replace("`", "‘")
    return _without_page_numbers(text)


def _kept_heading(picture: re.Match[str]) -> str:
    """Nothing, or the heading that stands in a caption: some editions paint it."""
    lines = (line.strip(" ]_") for line in picture[0].split("\n"))
    kept = next((line for line in lines if names_chapter(line)), "")
    return f"\n\n{kept}\n\n" if kept else ""


def _without_page_numbers(text: str) -> str:
    found = list(_PAGE_LINE.finditer(text))
    rising = [(one, two) for one, two in pairwise(found) if 0 < int(two[1]) - int(one[1]) <= 3]
    if len(rising) < _LEAST_PAGES or len(rising) < len(found) / 2:
        return text
    cut = [_cut_by(text, number) for number in found]
    if sum(cut) < _CUT_SHARE * len(found):
        return text
    parts, at = [], 0
    for number, inside in zip(found, cut, strict=True):
        before = text[at : number.start()]
        parts.append(before.rstrip() + " " * (before.rstrip()[-1:] != "-") if inside else before)
        at = number.end()
        if inside:
            at += len(text[at:]) - len(text[at:].lstrip())
    return "".join([*parts, text[at:]])


def _cut_by(text: str, number: re.Match[str]) -> bool:
    """Whether a number stands in the midst of a sentence."""
    before = text[max(0, number.start() - 200) : number.start()].rstrip()
    return before[-1:].isalpha() or before[-1:] in {",", ";", "-"}


def _tidied(blocks: Iterable[str]) -> Iterator[str]:
    for block in blocks:
        lines = (_RUN.sub(" ", line).strip() for line in _BOLD.sub(r"\1", _ITALIC.sub(r"\1", block)).split("\n"))
        text = "\n".join(filter(None, lines))
        if stars := _STARS.match(text):
            yield BREAK
            text = text[stars.end() :]
        if text:
            yield BREAK if _ORNAMENT.fullmatch(text) else text


def _mended(blocks: Iterable[str]) -> Iterator[str]:
    """Paragraphs that a page break or a careless program cut in two, whole again."""
    held = ""
    for block in blocks:
        if held and _goes_on(held, block):
            held += f" {block}"
            continue
        if held:
            yield held
        held = block
    if held:
        yield held


def _goes_on(one: str, other: str) -> bool:
    end = _OPEN_END.search(one)
    if end is None or "\n" in one or "\n" in other or heading(one) or heading(other):
        return False
    return other[0].islower() if end["word"] else other[0].isupper()
