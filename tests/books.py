"""Makers of books for tests: prose without a source, in every shape that files of novels come in."""

from __future__ import annotations

import io
import random
import textwrap
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_TEXT = (
    "the old house stood by a river and nobody came there any more except for one letter from town that lay on a "
    "table near her window while rain fell over quiet fields where two brothers had once found a silver coin"
)
WORDS = _TEXT.split()
NAMES = ("Ada", "Bo", "Mrs. Grey", "the captain")


def prose(paragraphs: int, seed: int = 0, quotes: str = '""') -> list[str]:
    """Paragraphs of narration and speech; every third is a line of dialogue."""
    rng = random.Random(seed)
    made = []
    for number in range(paragraphs):
        words = rng.choices(WORDS, k=rng.randint(30, 90))
        sentences = [" ".join(words[at : at + 12]).capitalize() + "." for at in range(0, len(words), 12)]
        if number % 3 == 2:
            said = " ".join(rng.choices(WORDS, k=6)).capitalize()
            made.append(f"{quotes[0]}{said},{quotes[1]} said {rng.choice(NAMES)}. {sentences[0]}")
        else:
            made.append(" ".join(sentences))
    return made


def chinese(paragraphs: int, seed: int = 0) -> list[str]:
    """The same in Chinese."""
    rng = random.Random(seed)
    clauses = ["却说那日天色已晚", "众人都往园中来", "只见一轮明月当空", "他心下暗想此事不妥", "便起身告辞而去"]
    return ["，".join(rng.choices(clauses, k=rng.randint(6, 16))) + "。" for _ in range(paragraphs)]


def wrapped(paragraphs: Iterable[str], width: int = 72, *, indent: str = "", between: str = "\n\n") -> str:
    """Paragraphs in lines of at most `width`, as most text files have them."""
    return between.join(
        "\n".join(textwrap.wrap(part, width, initial_indent=indent, break_on_hyphens=False)) for part in paragraphs
    )


def novel(
    headings: Sequence[str], *, each: int = 12, front: Sequence[str] = (), back: Sequence[str] = (), width: int = 72
) -> str:
    """A wrapped novel with that much text under every heading."""
    parts = list(front)
    for number, heading in enumerate(headings):
        parts += [heading, wrapped(prose(each, number), width)]
    return "\n\n\n".join([*parts, *back]) + "\n"


def bodies(count: int, each: int = 12) -> list[str]:
    """What `novel` writes under its headings: the first words of each chapter."""
    return [prose(each, number)[0][:40] for number in range(count)]


HEADERS = {
    "new": (
        "The Project Gutenberg eBook of {title}\n\nThis ebook is for the use of anyone anywhere.\n\n"
        "Title: {title}\n\n\nAuthor: {author}\n\nRelease date: June 1, 1998 [eBook #1342]\n\nLanguage: {language}\n\n"
        "Credits: A. Volunteer\n\n\n*** START OF THE PROJECT GUTENBERG EBOOK {upper} ***\n\n\n\n",
        "\n\n\n*** END OF THE PROJECT GUTENBERG EBOOK {upper} ***\n\n\nUpdated editions will replace the old ones.\n",
    ),
    "this": (
        "Project Gutenberg's {title}, by {author}\n\nThis eBook is for the use of anyone anywhere at no cost.\n\n"
        "Title: {title}\n\nAuthor: {author}\n\nLanguage: {language}\n\nCharacter set encoding: ASCII\n\n"
        "*** START OF THIS PROJECT GUTENBERG EBOOK {upper} ***\n\n\n\n\n"
        "Produced by Judith B., Christy P. and the\nOnline Distributed Proofreading Team.\n\n\n\n",
        "\n\n\n\nEnd of Project Gutenberg's {title}, by {author}\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK {upper} ***\n\n***** This file should be named 1.txt *****\n",
    ),
    "wrapped": (
        "The Project Gutenberg EBook of {title}, by {author}\n\nTitle: {title}\n       or, a Second Title\n\n"
        "Author: {author}\n\nLanguage: {language}\n\n*** START OF THIS PROJECT GUTENBERG EBOOK {upper}\nAND ON ***\n\n"
        "E-text prepared by a volunteer\n\nNote: Project Gutenberg also has an HTML version of this\n      file.\n\n",
        "\n\n***END OF THE PROJECT GUTENBERG EBOOK {upper}***\n\n******* This file should be named 2.txt *******\n",
    ),
    "small print": (
        "**The Project Gutenberg Etext of {title} by {author}**\n\nCopyright laws are changing all over the world.\n\n"
        "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nWhy is this small print here?\n\n"
        "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n\n\n\n"
        "This etext was prepared by a volunteer.\n\n",
        "\n\n\nEnd of The Project Gutenberg Etext of {title} by {author}\n\n",
    ),
    "later small print": (
        "The Project Gutenberg EBook of {title}, by {author}\n\nTitle: {title}\n\nAuthor: {author}\n\n"
        "Language: {language}\n\n*** START OF THE PROJECT GUTENBERG EBOOK, {upper} ***\n\n"
        "*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n\n",
        "\n\n*** END OF THE PROJECT GUTENBERG EBOOK, {upper} ***\n\nThis file should be named x.txt\n",
    ),
}


def gutenberg(text: str, spelling: str, title: str = "The Old House", language: str = "English") -> str:
    """The text between a header and a footer of Project Gutenberg; `spelling` is one of HEADERS."""
    words = {"title": title, "author": "Jane Doe", "language": language, "upper": title.upper()}
    header, footer = HEADERS[spelling]
    return header.format(**words) + text + footer.format(**words)


CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="{path}" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
NCX = (
    '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "ncx.dtd">'
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'
)


def page(body: str, title: str = "") -> str:
    """An XHTML page."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{escape(title)}</title></head><body>{body}</body></html>'
    )


def paragraphs(parts: Iterable[str]) -> str:
    """Paragraphs as HTML."""
    return "".join(f"<p>{escape(part)}</p>\n" for part in parts)


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def epub_files(
    pages: Mapping[str, str], contents: Sequence[tuple[str, str]] = (), *, version: int = 3, about: str = ""
) -> dict[str, str | bytes]:
    """The files of an EPUB with these pages in order; `contents` are titles with their links, `about` is metadata."""
    about = about or "<dc:title>The Old House</dc:title><dc:creator>Jane Doe</dc:creator><dc:language>en</dc:language>"
    links = "".join(f'<li><a href="{link}">{escape(title)}</a></li>' for title, link in contents)
    points = "".join(
        f'<navPoint><navLabel><text>{escape(title)}</text></navLabel><content src="{link}"/></navPoint>'
        for title, link in contents
    )
    items = "".join(
        f'<item id="p{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(pages)
    )
    files: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER.format(path="OEBPS/content.opf"),
        **{f"OEBPS/{name}": text for name, text in pages.items()},
    }
    if contents and version == 3:
        files["OEBPS/nav.xhtml"] = page(f'<nav epub:type="toc"><ol>{links}</ol></nav>')
        items += '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    elif contents:
        files["OEBPS/toc.ncx"] = NCX.format(points=points)
        items += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    spine = "".join(f'<itemref idref="p{n}"/>' for n in range(len(pages)))
    files["OEBPS/content.opf"] = (
        f'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="{version}.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">{about}</metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    return files


def epub(pages: Mapping[str, str], contents: Sequence[tuple[str, str]] = (), *, version: int = 3) -> bytes:
    """An EPUB with these pages in order."""
    return zipped(epub_files(pages, contents, version=version))
