"""A page of HTML as blocks of text, the way it would be read aloud.

Knows which elements begin a paragraph, and what a reader skips: note signs, page numbers, furigana, menus. Refuses to
know which page comes after which (`epub`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from her.errors import MissingExtra
from her.synth.reading.manuscript import BREAK, clean

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    "h[1-6]|header|hr|li|main|ol|p|pre|section|summary|table|tbody|td|tfoot|th|thead|tr|ul"
)
_SILENT = re.compile("head|script|style|template|nav|svg|math|audio|video|iframe|object|rt|rp|img|button")
_SKIPPED_TYPES = re.compile(r"\b(?:doc-)?(?:noteref|pagebreak|footnotes?|endnotes?|rearnotes?|page-list|biblioref)\b")
_SKIPPED_CLASSES = re.compile(r"\b(?:page-?num(?:ber)?|pageno|pgheader|pg-boilerplate|noteref|fnanchor|footnotemark)\b")
_MATTER_TYPES = re.compile(
    r"\b(?:frontmatter|backmatter|titlepage|halftitlepage|copyright-page|cover|toc|loi|lot|dedication|epigraph|colophon|"
    r"imprint|imprimatur|acknowledgments|preface|foreword|introduction|index|glossary|bibliography|appendix|"
    r"other-credits|errata|contributors|seriespage)\b"
)
_NOTE = re.compile(r"[\[(]?(?:\d{1,3}|[a-z*†‡§])[\])]?")
_WHITE = re.compile(r"[ \t\r\n\f]+")
_AROUND_BREAK = re.compile(r" *\n *")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph of a page: `level` is 1 to 6 for headings, 0 for others; `ids` are what links to it may name."""

    text: str
    level: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page's blocks; `title` is that of its head, `matter` whether it says that it is no part of the story."""

    blocks: tuple[Block, ...]
    title: str = ""
    language: str = ""
    matter: bool = False


def soup_of(content: bytes) -> Any:
    """The tree of a page, whatever its encoding; raises MissingExtra."""
    try:
        from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning  # noqa: PLC0415
    except ImportError:
        raise MissingExtra("reading EPUB and HTML", "synth") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        return BeautifulSoup(content, "html.parser")


def page_of(content: bytes) -> Page:
    """The page that an HTML or XHTML file holds; any bytes give one."""
    soup = soup_of(content)
    body = soup.body or soup
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    language = str(soup.html.get("lang") or soup.html.get("xml:lang") or "") if soup.html else ""
    tops = [body, *body.find_all(["section", "div"], recursive=False)]
    types = " ".join(str(top.get("epub:type") or "") for top in tops if hasattr(top, "get"))
    matter = _MATTER_TYPES.search(types) is not None and "bodymatter" not in types and "chapter" not in types
    return Page(tuple(_Reader().read(body)), clean(title), language, matter)


class _Reader:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.ids: list[str] = []
        self.level = 0
        self.verbatim = 0

    def read(self, root: Any) -> Iterator[Block]:
        """Walks the tree without recursion; books nest as deep as they like."""
        stack: list[tuple[Any, bool]] = [(root, True)]
        while stack:
            node, enters = stack.pop()
            if not hasattr(node, "children"):
                self._text(node)
            elif not enters:
                yield from self._leave(node.name)
            elif not _skipped(node):
                yield from self._enter(node)
                stack.append((node, False))
                stack += [(child, True) for child in reversed(list(node.children))]
        yield from self._flush()

    def _text(self, node: Any) -> None:
        if type(node).__name__ == "NavigableString":
            self.pieces.append(str(node) if self.verbatim else _WHITE.sub(" ", str(node)))

    def _enter(self, tag: Any) -> Iterator[Block]:
        if _BLOCK.fullmatch(tag.name):
            yield from self._flush()
        self.ids += [str(tag[key]) for key in ("id", "name") if tag.has_attr(key)]
        if tag.name == "br":
            self.pieces.append("\n")
        elif tag.name == "q":
            self.pieces.append("“")
        elif tag.name == "hr":
            yield Block(BREAK)
        elif tag.name == "pre":
            self.verbatim += 1
        elif re.fullmatch("h[1-6]", tag.name):
            self.level = int(tag.name[1])

    def _leave(self, name: str) -> Iterator[Block]:
        if _BLOCK.fullmatch(name):
            yield from self._flush()
        if name == "pre":
            self.verbatim -= 1
        elif name == "q":
            self.pieces.append("”")
        elif re.fullmatch("h[1-6]", name):
            self.level = 0

    def _flush(self) -> Iterator[Block]:
        if not self.pieces:
            return
        text = _AROUND_BREAK.sub("\n", re.sub(" {2,}", " ", clean("".join(self.pieces)))).strip()
        self.pieces = []
        for number, part in enumerate(re.split(r"\n{2,}", text) if text else []):
            yield Block(part, self.level, tuple(self.ids) if not number else ())
            self.ids = []


def _skipped(tag: Any) -> bool:
    if _SILENT.fullmatch(tag.name) or tag.has_attr("hidden") or tag.get("id") in {"pg-header", "pg-footer"}:
        return True
    if not tag.attrs and tag.name != "sup":
        return False
    types = f"{tag.get('epub:type') or ''} {tag.get('role') or ''}"
    classes = tag.get("class") or ()
    if _SKIPPED_TYPES.search(types) or _SKIPPED_CLASSES.search(
        classes if isinstance(classes, str) else " ".join(classes)
    ):
        return True
    if tag.name not in {"a", "sup"}:
        return False
    text = tag.get_text().strip()
    if _NOTE.fullmatch(text) is None:
        return False
    points = tag.name == "a" and "#" in str(tag.get("href") or "")
    raised = tag.name == "sup" and (tag.find("a") is not None or (tag.parent is not None and tag.parent.name == "a"))
    return raised or (points and (text[0] in "[(" or tag.find("sup") is not None))
