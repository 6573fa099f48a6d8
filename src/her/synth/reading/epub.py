"""A novel as EPUB 2 or 3: its pages in reading order, and the chapters that its own list of contents names.

Knows the container, the package and both kinds of contents. Refuses what is locked, what unpacks to more than a book
can be, and what points outside of itself; reads nothing but the bytes it is given.
"""

from __future__ import annotations

import html
import io
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from her.errors import InputError, MissingExtra
from her.scene import MAX_BYTES, fold
from her.synth.reading.gutenberg import is_credit, is_end, is_start
from her.synth.reading.hypertext import Block, Page, page_of, soup_of
from her.synth.reading.manuscript import Manuscript, Mark, clean

MOST_FILES = 20_000
MOST_RATIO = 200
"""Files in an archive, and how many times smaller than its content one of over a megabyte may be; text is packed about
three times, so that more is an attack. Ours."""
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError, RuntimeError, EOFError, OSError, KeyError
)  # fmt: skip
"""What reading a broken archive can raise; NotImplementedError is a RuntimeError."""
_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
_PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", None, ""}
_ENTITY = re.compile(rb"&(?!amp;|lt;|gt;|quot;|apos;|#)(\w+);")


@dataclass
class _Archive:
    """The files of a ZIP archive, read within bounds."""

    name: str
    zip: zipfile.ZipFile
    left: int = MAX_BYTES
    folded: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        entries = self.zip.infolist()
        if len(entries) > MOST_FILES:
            raise InputError(f"{self.name}: holds {len(entries)} files; this is no book")
        if any(entry.flag_bits & 1 for entry in entries):
            raise InputError(f"{self.name}: is locked with a password; unlock it first")
        self.folded = {entry.filename.casefold(): entry.filename for entry in reversed(entries)}

    def read(self, path: str) -> bytes | None:
        """A file's content, None where there is none of that name; case does not count."""
        entry = self.folded.get(path.casefold())
        if entry is None:
            return None
        info = self.zip.getinfo(entry)
        bomb = info.file_size > 2**20 and info.file_size > MOST_RATIO * max(1, info.compress_size)
        if bomb or info.file_size > self.left:
            raise InputError(f"{self.name}: {path} unpacks to {info.file_size} bytes; this is no book")
        try:
            with self.zip.open(entry) as file:
                content = file.read(self.left + 1)
        except _DAMAGE as error:
            raise InputError(f"{self.name}: {path} is damaged ({error}); get the book again") from error
        self.left -= len(content)
        if self.left < 0:
            raise InputError(f"{self.name}: unpacks to more than {MAX_BYTES // 2**20} MiB; this is no book")
        return content

    def inside(self, base: str, href: str) -> tuple[str, str]:
        """Path and fragment of a link in the file `base`; raises InputError where it leaves the book."""
        parts = urlsplit(href.strip())
        path = posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(parts.path))) if parts.path else base
        if parts.scheme or parts.netloc or path.startswith(("..", "/")) or "\\" in path:
            raise InputError(
                f"{self.name}: {base} points outside of the book ({href!r}); this file is not safe to read"
            )
        return path, unquote(parts.fragment)


def _xml(content: bytes, where: str) -> Any:
    try:
        from defusedxml import DefusedXmlException  # noqa: PLC0415
        from defusedxml.ElementTree import ParseError, fromstring  # noqa: PLC0415
    except ImportError:
        raise MissingExtra("reading EPUB", "synth") from None
    plain = _ENTITY.sub(lambda found: html.unescape(found[0].decode()).encode("ascii", "xmlcharrefreplace"), content)
    try:
        return fromstring(plain.lstrip())
    except DefusedXmlException as error:
        raise InputError(f"{where}: declares entities ({error}); this file is not safe to read") from error
    except (ParseError, ValueError) as error:
        raise InputError(f"{where}: is not XML ({error}); get the book again") from error


def _all(tree: Any, name: str) -> Iterator[Any]:
    """The elements of a local name, whatever their namespace."""
    return (element for element in tree.iter() if str(element.tag).rpartition("}")[2] == name)


def read_epub(data: bytes, name: str) -> Manuscript:
    """The manuscript in an EPUB file; `name` is how errors call it.

    A page that the spine names and the archive lacks is a fault. Raises InputError for all else that is wrong.
    """
    try:
        archive = _Archive(name, zipfile.ZipFile(io.BytesIO(data)))
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{name}: is a damaged archive ({error}); get the book again") from error
    _unlocked(archive)
    package_path = _package(archive)
    package = _xml(archive.read(package_path) or b"", f"{name}: {package_path}")
    items = {item.get("id"): item for item in _all(package, "item") if item.get("href")}
    pages: dict[str, Page] = {}
    faults: list[str] = []
    for path in _spine(archive, package, package_path, items, faults):
        content = archive.read(path)
        if content is None:
            faults.append(f"{name}: {path} is missing; the book is read without it")
        else:
            pages[path] = page_of(content)
    entries = _contents(archive, package_path, items, faults)
    manuscript = assembled(pages, entries)
    if not manuscript.text:
        raise InputError(f"{name}: holds no text; is it made of pictures?")
    about = {key: _about(package, key) for key in ("title", "creator", "language")}
    return Manuscript(
        manuscript.text, about["title"], about["creator"], about["language"], manuscript.marks, tuple(faults)
    )


def _unlocked(archive: _Archive) -> None:
    """Raises InputError where more than fonts is encrypted."""
    content = archive.read("META-INF/encryption.xml")
    if content is None:
        return
    for entry in _all(_xml(content, f"{archive.name}: META-INF/encryption.xml"), "EncryptedData"):
        methods = {str(method.get("Algorithm")) for method in _all(entry, "EncryptionMethod")}
        files = [str(reference.get("URI")) for reference in _all(entry, "CipherReference")]
        if methods - _FONTS and not all(re.search(r"\.(?:ttf|otf|woff2?)$", file, re.I) for file in files):
            locked = ", ".join(files[:1]) or "its content"
            raise InputError(f"{archive.name}: is locked (DRM: {locked} is encrypted); use a copy without a lock")


def _package(archive: _Archive) -> str:
    container = archive.read("META-INF/container.xml")
    roots = _all(_xml(container, f"{archive.name}: META-INF/container.xml"), "rootfile") if container else iter(())
    paths = [archive.inside("", str(root.get("full-path") or "")) for root in roots]
    found = [path for path, _ in paths if path.casefold() in archive.folded]
    found += [entry for entry in archive.folded.values() if entry.endswith(".opf")]
    if not found:
        raise InputError(f"{archive.name}: is a ZIP archive, but no EPUB; name a novel as plain text or EPUB")
    return found[0]


def _spine(
    archive: _Archive, package: Any, base: str, items: dict[str | None, Any], faults: list[str]
) -> Iterator[str]:
    """The paths of the pages in reading order, without those to be read aside."""
    for reference in _all(package, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            faults.append(f"{archive.name}: the spine names {reference.get('idref')!r}, which the book does not list")
        elif reference.get("linear") != "no" and item.get("media-type") in _PAGES and not _is_nav(item):
            yield archive.inside(base, item.get("href"))[0]


def _is_nav(item: Any) -> bool:
    return "nav" in (item.get("properties") or "").split()


def _about(package: Any, name: str) -> str:
    """A field of the metadata; of creators the authors, where roles are told."""
    fields = [element for element in _all(package, name) if (element.text or "").strip()]
    roles = {
        str(meta.get("refines") or "").lstrip("#"): (meta.text or "").strip()
        for meta in _all(package, "meta")
        if meta.get("property") == "role"
    }
    key = next((key for element in fields for key in element.attrib if key.endswith("role")), "role")
    told = [element.get(key) or roles.get(element.get("id") or "", "") for element in fields]
    authors = [element for element, role in zip(fields, told, strict=True) if role in {"aut", "author"}]
    chosen = (authors or fields) if name == "creator" else fields[:1]
    return ", ".join(" ".join(clean(element.text).split()) for element in chosen)


Entry = tuple[str, str, str]
"""A line of a list of contents: title, path, fragment."""


def _contents(archive: _Archive, base: str, items: dict[str | None, Any], faults: list[str]) -> list[Entry]:
    """The lines of EPUB 3's list of contents, or of EPUB 2's; a broken list is a fault."""
    lists = [item for item in items.values() if _is_nav(item)]
    lists += [item for item in items.values() if item.get("media-type") == "application/x-dtbncx+xml"]
    for item in lists:
        path, _ = archive.inside(base, item.get("href"))
        content = archive.read(path)
        if content is None:
            faults.append(f"{archive.name}: {path} is missing; chapters are found by their headings")
            continue
        try:
            lines = list(_lines(archive, path, content, is_page=_is_nav(item)))
        except InputError as error:
            faults.append(f"{error}; chapters are found by their headings")
            continue
        if lines:
            return lines
    return []


def _lines(archive: _Archive, path: str, content: bytes, *, is_page: bool) -> Iterator[Entry]:
    if is_page:
        soup = soup_of(content)
        lists = [nav for nav in soup.find_all("nav") if "toc" in str(nav.get("epub:type") or "toc").split()]
        links = [(link.get_text(), str(link.get("href") or "")) for nav in lists[:1] for link in nav.find_all("a")]
    else:
        links = []
        for point in _all(_xml(content, f"{archive.name}: {path}"), "navPoint"):
            label, target = next(_all(point, "text"), None), next(_all(point, "content"), None)
            if label is not None and target is not None:
                links.append((label.text or "", target.get("src") or ""))
    for title, href in links:
        if href:
            yield (" ".join(clean(title).split()), *archive.inside(path, href))


def assembled(pages: dict[str, Page], entries: Sequence[Entry]) -> Manuscript:
    """The pages as one text; marks are where `entries` point, else the headings of the highest level that has some."""
    blocks: list[Block] = []
    places: dict[tuple[str, str], int] = {}
    matter: set[int] = set()
    for path, page in pages.items():
        places[path, ""] = len(blocks)
        if page.matter:
            matter.add(len(blocks))
        for block in page.blocks:
            places |= {(path, id): len(blocks) for id in reversed(block.ids) if (path, id) not in places}
            blocks.append(block)
    first, last = _framed(blocks)
    kept = [at for at in range(first, last) if at - first > _CREDITS or not is_credit(blocks[at].text)]
    starts: dict[int, int] = {}
    size = 0
    for at in kept:
        starts[at] = size
        size += len(blocks[at].text) + 2
    told = [(places.get((path, id), places.get((path, ""))), title) for title, path, id in entries]
    named = {at: title for at, title in reversed(told) if at is not None} or _by_level(blocks)
    marks = []
    for at in sorted({*named, *matter}):
        here = next((place for place in kept if place >= at), None)
        if here is not None and (at >= first or here == kept[0]):
            title = named.get(at, "")
            end = _heading_end(blocks, here, title, named, starts)
            marks.append(Mark(starts[here], end, title, matter=at in matter))
    return Manuscript("\n\n".join(blocks[at].text for at in kept), marks=tuple(marks))


_CREDITS = 14


def _framed(blocks: Sequence[Block]) -> tuple[int, int]:
    """Where the book begins and ends inside the words of Project Gutenberg, if they are there."""
    first = max((at + 1 for at, block in enumerate(blocks[:300]) if is_start(block.text)), default=0)
    last = next((at for at in range(first, len(blocks)) if is_end(blocks[at].text)), len(blocks))
    return first, last


def _by_level(blocks: Sequence[Block]) -> dict[int, str]:
    for level in range(1, 5):
        found = {at: block.text for at, block in enumerate(blocks) if block.level == level}
        if len(found) > 2:
            return found
    return {}


def _heading_end(blocks: Sequence[Block], at: int, title: str, named: dict[int, str], starts: dict[int, int]) -> int:
    """Where the text begins under a heading, which can be several blocks."""
    end, place = starts[at], at
    whole = _key(title)
    while place < len(blocks) and place in starts and place - at < 4 and (place == at or place not in named):
        block, key = blocks[place], _key(blocks[place].text)
        if not block.level and not (key and len(block.text) < 150 and (key in whole or whole == key)):
            break
        end = starts[place] + len(block.text)
        place += 1
    return end


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", " ", fold(text)).strip()
