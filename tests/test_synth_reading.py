"""Files of novels: any encoding, any frame, any way of parting paragraphs; and what a file is called."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books import HEADERS, bodies, chinese, epub, gutenberg, novel, page, paragraphs, prose, wrapped
from her.errors import InputError, StorageError
from her.synth.reading.decode import decode
from her.synth.reading.gutenberg import unframe
from her.synth.reading.layout import Layout, Parting
from her.synth.reading.layout import paragraphs as cut
from her.synth.reading.manuscript import clean
from her.synth.reading.novel import read_book, title_of
from her.synth.reading.plain import normalised, read_plain

SAMPLES = {
    "fr": "— Où étiez-vous passé ? demanda le maître d'hôtel, étonné. La forêt s'éveillait ; l'œil du garçon brûlait. ",
    "de": "„Schöne Grüße“, sagte der Jäger und öffnete. Über den Hügeln läutete es zwölf; das Mädchen aß Brot. ",
    "es": "—¿Dónde está el niño? —preguntó la señora—. No lo sé —respondió él con un suspiro, ¡qué lástima! ",
    "da": "»Hvor går du hen?« spurgte hun, og så på den lille ælling, der frøs. Åen løb stille; æblerne lå i græsset. ",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy. Děvčata běžela přes řeku a křičela na starého muže. ",
    "pl": "Żółć rozlała się po gęstej łące, gdy dziewczyna wróciła późną nocą i zapytała, dokąd idą źli ludzie. ",
    "tr": "Bir varmış bir yokmuş, uzak bir ülkede güzel bir kız yaşarmış. Ağaçların gölgesinde şarkı söylermiş. ",
    "ru": "Всё смешалось в доме Облонских. Жена узнала, что муж был в связи с бывшею в их доме гувернанткой. ",
    "el": "Ήταν μια φορά ένας γέρος που ζούσε κοντά στη θάλασσα και διηγιόταν ιστορίες στα παιδιά. ",
    "zh": "却说林黛玉自与宝玉口角后，也觉后悔，但又无去就他之理，因此日夜闷闷，如有所失。紫鹃也看出八九。",
    "zh-Hant": "卻說林黛玉自與寶玉口角後，也覺後悔，但又無去就他之理，因此日夜悶悶，如有所失。紫鵑也看出八九。",
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。",
    "ko": '옛날 옛적에 한 나무꾼이 살았다. 그는 산에 올라가 나무를 하였다. "누구냐?" 하고 물었다. ',
    "en": "“It’s a café,” he said—“naïve, isn’t it?” The old man’s cottage stood by the river, and nobody came there. ",
}
ENCODINGS = [
    *(("fr", e) for e in ("cp1252", "latin-1", "mac_roman")),
    *(("de", e) for e in ("cp1252", "mac_roman")),
    *((language, "cp1252") for language in ("es", "da", "en")),
    *((language, e) for language in ("cs", "pl") for e in ("cp1250", "iso8859_2")),
    *(("ru", e) for e in ("cp1251", "koi8_r", "cp866", "iso8859_5")),
    *(("ja", e) for e in ("shift_jis", "euc_jp")),
    ("tr", "cp1254"),
    ("el", "cp1253"),
    ("zh", "gb18030"),
    ("zh-Hant", "big5"),
    ("ko", "euc_kr"),
]


class TestDecoding:
    @pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
    @pytest.mark.parametrize("times", [1, 40])
    def test_legacy_encodings_are_told_apart(self, language: str, encoding: str, times: int) -> None:
        data = (SAMPLES[language] * times).encode(encoding, errors="ignore")
        assert decode(data, "x") == data.decode(encoding)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    @pytest.mark.parametrize("language", ["en", "ru", "zh"])
    def test_unicode_is_read_with_and_without_its_mark(self, language: str, encoding: str) -> None:
        if language == "zh" and encoding in {"utf-16-le", "utf-16-be"}:
            pytest.skip("nothing tells Chinese in UTF-16 without a mark from noise")
        text = SAMPLES[language] + "\nThe end of it."
        assert decode(text.encode(encoding), "x").removeprefix("\ufeff") == text

    def test_one_damaged_byte_does_not_make_a_text_another_encoding(self) -> None:
        data = (SAMPLES["fr"] * 60).encode()
        assert decode(data[:100] + b"\xff" + data[100:], "x").count("\ufffd") == 1

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "is empty"),
            (b" \n\t\r\n", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"%PDF-1.7 text", "is a PDF"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"{\\rtf1 text}", "RTF"),
            (b"\x89PNG\r\n", "a picture"),
            (b"x" * 60 + b"BOOKMOBI" + b"\0" * 50, "Kindle"),
            (bytes(range(1, 32)) * 50, "is no text"),
            (b"\x00\x01\x02\x03" * 400, "is no text"),
        ],
    )
    def test_what_is_no_text_says_what_it_is(self, data: bytes, said: str) -> None:
        with pytest.raises(InputError, match=r"^novel\.txt: .*") as caught:
            decode(data, "novel.txt")
        assert said in str(caught.value)

    @given(st.binary(max_size=300))
    def test_any_bytes_give_a_text_or_a_reason(self, data: bytes) -> None:
        try:
            assert isinstance(decode(data, "x"), str)
        except InputError as error:
            assert str(error).startswith("x: ")


class TestCleaning:
    def test_one_kind_of_line_end_and_of_space(self) -> None:
        assert clean("a\r\nb\rc\u2028d\u00a0e\tf\x1a") == "a\nb\nc\nd e f"

    def test_what_cannot_be_seen_goes_and_letters_are_composed(self) -> None:
        assert (
            clean("zero\u200bwidth \ufeffe\u0301 won\u00adder won\u00ad\n  der \u202eword")
            == "zerowidth é wonder wonder word"
        )

    def test_joiners_stay_where_a_script_needs_them(self) -> None:
        assert clean("می\u200cخواهم") == "می\u200cخواهم"
        assert clean("a\u200db") == "ab"

    @given(st.text(max_size=200))
    def test_normalising_is_done_once(self, text: str) -> None:
        once = clean(text)
        assert clean(once) == once


class TestGutenberg:
    @pytest.mark.parametrize("spelling", HEADERS)
    def test_header_footer_and_credits_go_and_their_facts_stay(self, spelling: str) -> None:
        story = novel(["CHAPTER I", "CHAPTER II"])
        body, frame = unframe(clean(gutenberg(story, spelling)))
        assert body.split() == story.split()
        assert frame.title.startswith("The Old House")
        assert frame.author == "Jane Doe"
        assert frame.language in {"en", "" if spelling == "small print" else "en"}

    def test_a_title_of_two_lines_is_one(self) -> None:
        _, frame = unframe(gutenberg("Text.\n" * 50, "wrapped"))
        assert frame.title == "The Old House or, a Second Title"

    @pytest.mark.parametrize(("name", "code"), [("French", "fr"), ("Chinese", "zh"), ("Klingon", "")])
    def test_languages_are_told_by_code(self, name: str, code: str) -> None:
        assert unframe(gutenberg("Texte.\n" * 50, "new", language=name))[1].language == code

    def test_notes_of_transcribers_go_at_both_ends(self) -> None:
        story = novel(["CHAPTER I"], each=60)
        note = "[Transcriber's Note: spelling was kept.]"
        end = "Transcriber's Notes\n\nPage 3: teh changed to the.\n\nPage 9: a comma added."
        body, _ = unframe(gutenberg(f"{note}\n\n{story}\n\n{end}", "new"))
        assert body.split() == story.split()

    def test_a_text_from_elsewhere_stays_as_it_is(self) -> None:
        story = novel(["CHAPTER I"]) + "\nProduced by nobody.\n"
        assert unframe(story)[0] == story

    def test_a_book_that_speaks_of_the_end_is_not_cut(self) -> None:
        story = "The End of the Affair was near.\n\n" * 200
        assert unframe(gutenberg(story, "new"))[0].split() == story.split()


class TestLayout:
    def test_hard_wrapped_lines_are_joined(self) -> None:
        parts = prose(30)
        assert cut(wrapped(parts)) == parts
        assert cut(wrapped(parts, 60)) == parts

    @pytest.mark.parametrize(
        ("text", "parting"),
        [
            (wrapped(prose(30)), Parting.BLANK),
            (wrapped(prose(30), indent="   ", between="\n"), Parting.INDENT),
            (wrapped(prose(30), between="\n"), Parting.SHORT_LINE),
            ("\n".join(prose(30)), Parting.LINE),
            ("\n\n".join(prose(30)), Parting.BLANK),
            ("\n".join("　　" + part for part in chinese(30)), Parting.LINE),
        ],
    )
    def test_every_way_of_parting_paragraphs_is_seen(self, text: str, parting: Parting) -> None:
        assert Layout.of(text.split("\n")).parting is parting
        assert len(cut(text)) == pytest.approx(30, abs=3)

    def test_chinese_lines_are_joined_without_a_space(self) -> None:
        parts = chinese(20)
        lines = "\n\n".join("\n".join(part[at : at + 38] for at in range(0, len(part), 38)) for part in parts)
        assert cut(lines) == parts

    def test_verse_keeps_its_lines(self) -> None:
        verse = "The rain it raineth every day,\nUpon the just and unjust,\nBut chiefly on the just, because\nIt stole"
        text = f"{wrapped(prose(20))}\n\n{verse}\n\n{wrapped(prose(20, 1))}"
        assert verse in cut(text)
        indented = "\n".join("    " + line for line in verse.split("\n"))
        assert verse in cut(text.replace(verse, indented))

    def test_a_letter_set_narrow_is_joined(self) -> None:
        letter = prose(1, 5)[0]
        narrow = "\n".join("    " + line for line in wrapped([letter], 50).split("\n"))
        assert letter in cut(f"{wrapped(prose(20))}\n\n{narrow}\n\n{wrapped(prose(20, 1))}")

    def test_an_address_keeps_its_lines(self) -> None:
        assert "Your brother,\nR. Walton" in cut(
            f"{wrapped(prose(20))}\n\nYour brother,\n  R. Walton\n\n{wrapped(prose(9))}"
        )

    @pytest.mark.parametrize(
        ("lines", "joined"),
        [
            ("a quiet man--\nquite quiet", "a quiet man--quite quiet"),
            ("a quiet man—\nquite quiet", "a quiet man—quite quiet"),
            ("a well-\nknown man", "a well-known man"),
            ("a won-\nderful man", "a wonderful man"),
            ("of Jean-\nPaul once", "of Jean-Paul once"),
        ],
    )
    def test_line_ends_inside_words(self, lines: str, joined: str) -> None:
        text = f"{wrapped(prose(20), 14)}\n\nwonderful\n\n{lines}\n\n{wrapped(prose(20), 14)}"
        assert joined in "\n".join(cut(text))

    def test_a_heading_close_to_its_text_stands_alone(self) -> None:
        text = "\n\n".join(f"CHAPTER {number}\n{wrapped(prose(3, number))}" for number in range(1, 9))
        assert "CHAPTER 3" in cut(text)

    @given(st.text(st.sampled_from("ab -\n.A—二。"), max_size=300))
    def test_no_letter_is_lost(self, text: str) -> None:
        def letters(whole: str) -> str:
            return "".join(char for char in whole if char.isalpha())

        assert letters("".join(cut(text))) == letters(text)
        assert all(part.strip() == part and part for part in cut(text))


class TestNormalising:
    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            ("He _never_ came, and _I_ knew.", "He never came, and I knew."),
            ("_All of\nit_ is said.", "All of it is said."),
            ("snake_case_word and ____ stay.", "snake_case_word and ____ stay."),
            ("in 17-- or 17__, as it was", "in 17-- or 17__, as it was"),
            ("A =bold= word, 2 = 2 = 2.", "A bold word, 2 = 2 = 2."),
            ("Two  spaces.  Then one.", "Two spaces. Then one."),
            ("A fact.[12] Another.[3]", "A fact. Another."),
            ("A page{12} number [Pg 13]here.", "A page number here."),
            ("[Illustration] It rained.", "It rained."),
            ("[Illustration: A house [_by Thomson_]\n\nin rain.]\n\nIt rained.", "It rained."),
            ("[Footnote 1: Not now.\n\nNor [ever].]\n\nIt[1] rained.[A]", "It rained."),
            ("      *       *       *       *", "* * *"),
            ("***", "* * *"),
            ("* * * * * He came.", "* * *\n\nHe came."),
            ("``Yes,'' he said.", '"Yes," he said.'),
            ("to see Mr.\n\nBingley come", "to see Mr. Bingley come"),
            ("and so he\n\nwent home.", "and so he went home."),
            ("And so he went.\n\nHome is far.", "And so he went.\n\nHome is far."),
            ("CHAPTER I\n\nit rained", "CHAPTER I\n\nit rained"),
            ("", ""),
        ],
    )
    def test_marks_of_typists_go(self, raw: str, text: str) -> None:
        assert normalised(clean(raw)) == text

    def test_a_heading_painted_into_a_picture_is_kept(self) -> None:
        text = normalised("[Illustration:\n\n     ·PRIDE AND PREJUDICE·\n\n\nChapter I.]\n\n\nIt is a truth.")
        assert text == "Chapter I.\n\nIt is a truth."

    def test_backticks_that_open_speech_become_marks(self) -> None:
        text = normalised("\n\n".join(["`Yes,' he said, `it's me.'"] * 4))
        assert text.startswith("‘Yes,' he said, ‘it's me.'")

    def test_page_numbers_inside_sentences_go_and_the_sentence_is_whole(self) -> None:
        pages = [prose(1, n)[0].rstrip(".") for n in range(20)]
        text = "\n\n".join(f"{part} of\n\n{number}" for number, part in enumerate(pages, 7)) + "\n\nMr. Bo."
        assert not any(line.isdigit() for line in normalised(text).split("\n"))
        assert "of\n\n" not in normalised(text)

    def test_numbers_of_chapters_are_no_page_numbers(self) -> None:
        text = normalised("\n\n".join(f"{number}\n\n{wrapped(prose(4, number))}" for number in range(1, 20)))
        assert [line for line in text.split("\n") if line.isdigit()] == [str(number) for number in range(1, 20)]

    @given(st.lists(st.text(st.sampled_from("ab _*[]{}.\n1I"), max_size=40), max_size=12))
    def test_paragraphs_are_parted_by_one_blank_line(self, parts: list[str]) -> None:
        text = normalised(clean("\n\n".join(parts)))
        assert text == text.strip()
        assert "\n\n\n" not in text
        assert all(line == line.strip() for line in text.split("\n"))


class TestBooks:
    def write(self, tmp_path: Path, data: str | bytes, name: str = "old_house.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def test_a_gutenberg_file_becomes_a_book(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, gutenberg(novel(["CHAPTER I", "CHAPTER II", "CHAPTER III"]), "this"))
        book = read_book(path)
        assert (book.slug, book.title, book.author, book.language) == (
            "the-old-house",
            "The Old House",
            "Jane Doe",
            "en",
        )
        assert [chapter.title for chapter in book.chapters] == ["CHAPTER I", "CHAPTER II", "CHAPTER III"]
        assert [book.text[c.start : c.start + 40] for c in book.chapters] == bodies(3)
        assert book.sha == hashlib.sha256(book.text.encode()).hexdigest()
        assert [p.number for p in book.paragraphs(book.chapters[0])] == list(range(1, 13))

    def test_flags_go_before_what_the_file_says(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, gutenberg(novel(["CHAPTER I"]), "new"))
        book = read_book(path, title="Another", author="", language="fr")
        assert (book.slug, book.title, book.author, book.language) == ("another", "Another", "", "fr")

    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("pride_and_prejudice.txt", "Pride and Prejudice"),
            ("the-old-house.epub", "The Old House"),
            ("Emma - Jane Austen.txt", "Emma - Jane Austen"),
            ("pg1342.txt", "Pg1342"),
            ("红楼梦.txt", "红楼梦"),
            ("le_père_goriot.txt", "Le Père Goriot"),
            ("l_étranger.txt", "L Étranger"),
        ],
    )
    def test_a_title_made_of_a_files_name(self, name: str, title: str) -> None:
        assert title_of(Path(name)) == title

    def test_content_says_what_a_file_is_not_its_name(self, tmp_path: Path) -> None:
        packed = epub({"a.xhtml": page("<h1>Chapter 1</h1>" + paragraphs(prose(9)))})
        assert read_book(self.write(tmp_path, packed, "novel.txt")).title == "The Old House"
        html = "<!DOCTYPE html><html lang='en'><title>Tale</title>" + "".join(
            f"<h2>{number}</h2>{paragraphs(prose(9, number))}" for number in range(1, 4)
        )
        book = read_book(self.write(tmp_path, html, "novel.bin"))
        assert (book.title, book.language, book.chapters[2].title) == ("Tale", "en", "3")

    def test_the_language_is_that_of_the_text(self, tmp_path: Path) -> None:
        heard: list[str] = []
        french = "CHAPITRE I\n\n" + "\n\n".join([SAMPLES["fr"] * 4] * 80)
        path = self.write(tmp_path, gutenberg(french, "new", language="English"))
        assert read_book(path, told=heard.append).language == "fr"
        assert any("reads as 'fr'" in line for line in heard)
        mixed = "\n\n".join([*prose(60), SAMPLES["fr"] * 8])
        assert read_book(self.write(tmp_path, mixed), told=heard.append).language == "en"
        assert read_book(self.write(tmp_path, "\n\n".join(chinese(50)), "石头记.txt")).language == "zh"

    def test_a_language_that_cannot_be_told_is_said_to_be_assumed(self, tmp_path: Path) -> None:
        heard: list[str] = []
        assert read_book(self.write(tmp_path, SAMPLES["tr"] * 20), told=heard.append).language == "en"
        assert any("--language" in line for line in heard)

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match=r"nowhere\.txt: cannot be read"):
            read_book(tmp_path / "nowhere.txt")
        with pytest.raises(StorageError, match="cannot be read"):
            read_book(tmp_path)
        with pytest.raises(InputError, match="holds no text but headers"):
            read_book(self.write(tmp_path, gutenberg("\n", "new")))
        with pytest.raises(InputError, match=r"old_house\.txt: is a PDF"):
            read_book(self.write(tmp_path, b"%PDF-1.4"))

    def test_the_file_itself_is_never_touched(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, gutenberg(novel(["CHAPTER I"]), "new"))
        before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
        read_book(path)
        assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


class TestPrideAndPrejudice:
    def test_it_has_61_chapters_and_is_read_in_two_seconds(self, her_data: Path) -> None:
        start = time.perf_counter()
        book = read_book(her_data / "books" / "pride_and_prejudice.txt")
        assert time.perf_counter() - start < 2
        assert (book.title, book.slug, book.language) == ("Pride and Prejudice", "pride-and-prejudice", "en")
        assert [chapter.number for chapter in book.chapters] == list(range(1, 62))
        assert book.text[book.chapters[0].start :].startswith("It is a truth universally acknowledged")
        assert book.text[: book.chapters[-1].end].endswith("uniting them.")
        assert [int("".join(filter(str.isdigit, chapter.title))) for chapter in book.chapters] == list(range(1, 62))

    def test_no_word_is_lost(self, her_data: Path) -> None:
        data = (her_data / "books" / "pride_and_prejudice.txt").read_bytes()
        raw, text = (
            whole.replace("_", "").replace("*", "").split() for whole in (data.decode(), read_plain(data, "x").text)
        )
        assert text == raw
