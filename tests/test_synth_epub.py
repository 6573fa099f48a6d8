"""EPUB: both versions, bad archives, locks and traps, and what of a page is read."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books import CONTAINER, bodies, epub, epub_files, page, paragraphs, prose, zipped
from her.errors import InputError
from her.synth.reading.chapters import chapters
from her.synth.reading.epub import read_epub
from her.synth.reading.hypertext import page_of
from her.synth.reading.manuscript import BREAK, Manuscript
from her.synth.reading.novel import read_book

PAGES = {
    "cover.xhtml": page('<img src="cover.jpg" alt="A cover"/>'),
    "title.xhtml": page("<h1>The Old House</h1><p>by Jane Doe</p>"),
    "one.xhtml": page(
        f'<h2 id="a">Chapter I</h2><h3>The Coin</h3>{paragraphs(prose(12, 0))}'
        f'<h2 id="b">Chapter II</h2>{paragraphs(prose(12, 1))}'
    ),
    "two.xhtml": page(f"<h2>Chapter III</h2>{paragraphs(prose(12, 2))}"),
    "notes.xhtml": page("<h2>Notes</h2><p>1. A note.</p>"),
}
LINES = [
    ("The Old House", "title.xhtml"),
    ("Chapter I. The Coin", "one.xhtml#a"),
    ("Chapter II", "one.xhtml#b"),
    ("Chapter III", "two.xhtml"),
    ("Notes", "notes.xhtml"),
]


def titles(book: Manuscript) -> list[str]:
    return [chapter.title for chapter in chapters(book.text, book.marks, title=book.title)]


def texts(html: str) -> list[str]:
    return [block.text for block in page_of(page(html).encode()).blocks]


class TestChapters:
    @pytest.mark.parametrize("version", [2, 3])
    def test_the_list_of_contents_names_them(self, version: int) -> None:
        book = read_epub(epub(PAGES, LINES, version=version), "x")
        found = chapters(book.text, book.marks, title=book.title)
        assert [chapter.title for chapter in found] == ["Chapter I. The Coin", "Chapter II", "Chapter III"]
        assert [book.text[c.start : c.start + 40] for c in found] == bodies(3)
        assert book.text[found[0].start : found[0].end] == "\n\n".join(prose(12, 0))
        assert (book.title, book.author, book.language, book.faults) == ("The Old House", "Jane Doe", "en", ())

    def test_without_a_list_the_headings_tell(self) -> None:
        assert titles(read_epub(epub(PAGES), "x")) == ["Chapter I", "Chapter II", "Chapter III"]

    def test_parts_and_titles_that_stand_in_the_list_alone(self) -> None:
        pages = {
            "p.xhtml": page("<p>PART ONE</p>"),
            "a.xhtml": page(paragraphs(prose(9, 0))),
            "b.xhtml": page(paragraphs(prose(9, 1))),
        }
        lines = [("Part One", "p.xhtml"), ("Night", "a.xhtml"), ("Day", "b.xhtml")]
        book = read_epub(epub(pages, lines), "x")
        assert titles(book) == ["Part One, Night", "Part One, Day"]
        found = chapters(book.text, book.marks)
        assert book.text[found[0].start :].startswith(prose(1)[0])

    def test_pages_that_call_themselves_matter_are_no_chapters(self) -> None:
        pages = {f"{n}.xhtml": page(f"<h1>Tale {n}</h1>{paragraphs(prose(9, n))}") for n in range(3)}
        pages["0.xhtml"] = page(f'<section epub:type="dedication"><h1>To Bo</h1>{paragraphs(prose(3))}</section>')
        lines = [(name, f"{n}.xhtml") for n, name in enumerate(["To Bo", "One", "Two"])]
        assert titles(read_epub(epub(pages, lines), "x")) == ["One", "Two"]

    def test_words_of_project_gutenberg_are_left_out(self) -> None:
        pages = {
            "h.xhtml": page(
                "<p>The Project Gutenberg EBook of X</p><p>*** START OF THIS PROJECT GUTENBERG EBOOK X ***</p>"
            ),
            **{f"{n}.xhtml": page(f"<h2>{n}</h2>{paragraphs(prose(9, n))}") for n in range(1, 4)},
            "z.xhtml": page(
                "<p>End of Project Gutenberg's X</p><p>*** END OF THIS PROJECT GUTENBERG EBOOK X ***</p><p>Licence</p>"
            ),
        }
        lines = [("X", "h.xhtml"), *((f"{n}", f"{n}.xhtml") for n in range(1, 4)), ("Licence", "z.xhtml")]
        book = read_epub(epub(pages, lines), "x")
        assert "Gutenberg" not in book.text
        assert titles(book) == ["1", "2", "3"]
        marked = page('<section id="pg-header"><p>The Project</p></section><p>Rain.</p><div id="pg-footer">End</div>')
        assert [block.text for block in page_of(marked.encode()).blocks] == ["Rain."]


class TestMetadata:
    @pytest.mark.parametrize(
        ("about", "author"),
        [
            (
                '<dc:title>T</dc:title><dc:creator opf:role="ill">I</dc:creator>'
                '<dc:creator opf:role="aut">A</dc:creator>',
                "A",
            ),
            (
                '<dc:title>T</dc:title><dc:creator id="i">I</dc:creator><dc:creator id="a">A</dc:creator>'
                '<meta refines="#i" property="role">ill</meta><meta refines="#a" property="role">aut</meta>',
                "A",
            ),
            ("<dc:title>T</dc:title><dc:creator>A</dc:creator><dc:creator>B</dc:creator>", "A, B"),
            ("<dc:title>T</dc:title>", ""),
            ("<dc:title>T</dc:title><dc:creator> A\n  Name </dc:creator>", "A Name"),
        ],
    )
    def test_authors_are_those_of_the_text(self, about: str, author: str) -> None:
        book = read_epub(zipped(epub_files(PAGES, LINES, about=about)), "x")
        assert (book.title, book.author) == ("T", author)

    @pytest.mark.parametrize(
        ("said", "tag"), [("eng", "en"), ("en-GB", "en-GB"), ("UND", "en"), ("de", "en"), ("", "en")]
    )
    def test_the_language_is_a_tag_that_fits_the_text(self, tmp_path: Path, said: str, tag: str) -> None:
        path = tmp_path / "x.epub"
        about = f"<dc:title>T</dc:title><dc:language>{said}</dc:language>"
        path.write_bytes(zipped(epub_files(PAGES, LINES, about=about)))
        assert read_book(path).language == tag


class TestPages:
    @pytest.mark.parametrize(
        ("html", "blocks"),
        [
            ("<p>One.</p><p>Two.</p>", ["One.", "Two."]),
            ("<div>One <b>bold</b>\n  word.<div>Two.</div>three</div>", ["One bold word.", "Two.", "three"]),
            ("<p>Roses<br/>are red</p>", ["Roses\nare red"]),
            ("<p>One.</p><hr/><p>Two.</p>", ["One.", BREAK, "Two."]),
            ("<p>&nbsp;</p><p>caf&eacute;&#8212;now</p>", ["café—now"]),
            ("<p>ex<i>am</i>ple ex&shy;ample</p>", ["example example"]),
            ("<pre>a  b\n  c</pre>", ["a b\nc"]),
            ("<p>He said <q>yes</q>.</p>", ["He said “yes”."]),
            ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", ["漢字"]),
            ('<p>A fact<sup><a href="#n1">1</a></sup>.</p>', ["A fact."]),
            ('<p>A fact<a href="#n1"><sup>[1]</sup></a>.</p>', ["A fact."]),
            ('<p>A fact<a href="n.xhtml#n1">[12]</a>.</p>', ["A fact."]),
            ('<p>A fact<a epub:type="noteref" href="#n">*</a>.</p>', ["A fact."]),
            ('<p>The 2<sup>nd</sup> <a href="#x">link</a></p>', ["The 2nd link"]),
            ('<aside epub:type="footnote"><p>Note.</p></aside><p>Rain.</p>', ["Rain."]),
            ('<p>On<span class="pagenum">[Pg 3]</span>ce <span epub:type="pagebreak">4</span>more</p>', ["Once more"]),
            (
                "<script>x</script><style>y</style><nav><a>z</a></nav><p hidden='hidden'>h</p><p>Rain.<!-- c --></p>",
                ["Rain."],
            ),
            ("<table><tr><td>One</td><td>Two</td></tr></table>", ["One", "Two"]),
            ("", []),
        ],
    )
    def test_a_page_reads_as_one_would_read_it_aloud(self, html: str, blocks: list[str]) -> None:
        assert texts(html) == blocks

    def test_anchors_belong_to_the_block_that_follows(self) -> None:
        blocks = page_of(page('<a id="a"></a><h2 id="b">I</h2><p><span id="c">Rain</span></p>').encode()).blocks
        assert [(block.text, block.level, block.ids) for block in blocks] == [("I", 2, ("a", "b")), ("Rain", 0, ("c",))]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1251"])
    def test_any_encoding_that_is_declared(self, encoding: str) -> None:
        html = f'<?xml version="1.0" encoding="{encoding}"?><html><body><p>Война и мир</p></body></html>'
        assert page_of(html.encode(encoding)).blocks[0].text == "Война и мир"

    def test_a_page_may_nest_as_deep_as_it_likes(self) -> None:
        assert texts("<div>" * 3000 + "deep" + "</div>" * 3000) == ["deep"]

    @given(st.text(st.sampled_from("<>/pbrdiv &;\"'=#ah1"), max_size=200))
    def test_any_page_is_read(self, html: str) -> None:
        for block in page_of(html.encode()).blocks:
            assert block.text == block.text.strip() != ""
            assert "\n\n" not in block.text


class TestBadArchives:
    def files(self) -> dict[str, str | bytes]:
        return epub_files(PAGES, LINES)

    def refused(self, files: dict[str, str | bytes], said: str) -> None:
        with pytest.raises(InputError, match=r"^book\.epub: ") as caught:
            read_epub(zipped(files), "book.epub")
        assert said in str(caught.value)

    def test_a_missing_page_is_told_and_the_rest_is_read(self, tmp_path: Path) -> None:
        files = self.files()
        del files["OEBPS/two.xhtml"]
        (tmp_path / "x.epub").write_bytes(zipped(files))
        heard: list[str] = []
        book = read_book(tmp_path / "x.epub", told=heard.append)
        assert [chapter.title for chapter in book.chapters] == ["Chapter I. The Coin", "Chapter II"]
        assert any("OEBPS/two.xhtml is missing" in line for line in heard)

    def test_a_spine_that_names_nothing_is_told(self) -> None:
        files = self.files()
        files["OEBPS/content.opf"] = str(files["OEBPS/content.opf"]).replace(
            "<spine>", '<spine><itemref idref="ghost"/>'
        )
        assert any("'ghost'" in fault for fault in read_epub(zipped(files), "x").faults)

    def test_a_broken_list_of_contents_is_told_and_headings_serve(self) -> None:
        files = epub_files(PAGES, LINES, version=2)
        files["OEBPS/toc.ncx"] = "<ncx><navMap>"
        book = read_epub(zipped(files), "x")
        assert titles(book) == ["Chapter I", "Chapter II", "Chapter III"]
        assert any("toc.ncx" in fault and "headings" in fault for fault in book.faults)
        del files["OEBPS/toc.ncx"]
        assert any("toc.ncx is missing" in fault for fault in read_epub(zipped(files), "x").faults)

    def test_names_in_another_case_are_found(self) -> None:
        files = {name.replace("two.xhtml", "TWO.XHTML"): content for name, content in self.files().items()}
        assert read_epub(zipped(files), "x").faults == ()

    def test_fonts_may_be_scrambled_but_text_may_not(self) -> None:
        entry = (
            '<encryption><EncryptedData><EncryptionMethod Algorithm="{how}"/><CipherData>'
            '<CipherReference URI="{what}"/></CipherData></EncryptedData></encryption>'
        )
        files = self.files()
        files["META-INF/encryption.xml"] = entry.format(how="http://www.idpf.org/2008/embedding", what="OEBPS/f.otf")
        assert read_epub(zipped(files), "x").text
        files["META-INF/encryption.xml"] = entry.format(
            how="http://www.w3.org/2001/04/xmlenc#aes256-cbc", what="OEBPS/one.xhtml"
        )
        self.refused(files, "is locked (DRM: OEBPS/one.xhtml is encrypted)")

    @pytest.mark.parametrize(
        "href", ["../../etc/passwd", "/etc/passwd", "http://example.org/x.xhtml", "%2e%2e/%2e%2e/x", "..\\x"]
    )
    def test_a_link_that_leaves_the_book_is_refused(self, href: str) -> None:
        files = self.files()
        files["OEBPS/content.opf"] = str(files["OEBPS/content.opf"]).replace('href="one.xhtml"', f'href="{href}"')
        self.refused(files, "points outside of the book")

    def test_a_bomb_is_not_unpacked(self) -> None:
        files = self.files()
        files["OEBPS/one.xhtml"] = b"0" * (64 * 2**20)
        start = time.perf_counter()
        self.refused(files, "unpacks to 67108864 bytes")
        assert time.perf_counter() - start < 5

    def test_entities_that_grow_are_refused(self) -> None:
        files = self.files()
        files["OEBPS/content.opf"] = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
        self.refused(files, "not safe to read")
        files["META-INF/container.xml"] = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><container/>'
        self.refused(files, "")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"META-INF/container.xml": "no xml"}, "container.xml: is not XML"),
            ({"META-INF/container.xml": CONTAINER.format(path="nowhere.opf"), "OEBPS/content.opf": None}, "no EPUB"),
            ({"OEBPS/content.opf": "<package"}, "content.opf: is not XML"),
            ({"OEBPS/content.opf": "<package/>"}, "holds no text"),
        ],
    )
    def test_a_package_that_is_none_is_named(self, change: dict[str, str | None], said: str) -> None:
        files = {**self.files(), **change}
        self.refused({name: content for name, content in files.items() if content is not None}, said)

    def test_a_book_without_a_container_is_found_all_the_same(self) -> None:
        files = self.files()
        files["META-INF/container.xml"] = CONTAINER.format(path="nowhere.opf")
        assert read_epub(zipped(files), "x").title == "The Old House"

    def test_a_password_is_asked_for_by_nobody(self) -> None:
        data = bytearray(zipped(self.files()))
        with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
            for entry in archive.infolist():
                data[entry.header_offset + 6] |= 1
        at = data.find(b"PK\x01\x02")
        while at >= 0:
            data[at + 8] |= 1
            at = data.find(b"PK\x01\x02", at + 4)
        with pytest.raises(InputError, match="locked with a password"):
            read_epub(bytes(data), "x")

    @given(st.integers(0, 5000), st.binary(min_size=1, max_size=40))
    def test_damage_is_an_error_with_a_name_or_none(self, at: int, noise: bytes) -> None:
        data = epub({"a.xhtml": page("<h1>I</h1><p>Rain.</p>")}, [("I", "a.xhtml")])
        at %= len(data)
        broken = data[:at] + noise + data[at + len(noise) :]
        try:
            assert read_epub(broken, "x").text
        except InputError as error:
            assert str(error).startswith("x")


def test_a_long_epub_is_read_in_two_seconds() -> None:
    pages = {f"{n}.xhtml": page(f"<h2>Chapter {n}</h2>{paragraphs(prose(40, n))}") for n in range(1, 76)}
    data = epub(pages, [(f"Chapter {n}", f"{n}.xhtml") for n in range(1, 76)])
    start = time.perf_counter()
    book = read_epub(data, "x")
    assert len(book.text) > 700_000
    assert len(chapters(book.text, book.marks)) == 75
    assert time.perf_counter() - start < 2
