"""Chapters: every way of numbering them, what must not be taken for one, and books that have none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books import bodies, chinese, novel, prose, wrapped
from her.synth.reading.book import Chapter
from her.synth.reading.chapters import LONGEST_CHAPTER, PIECE, chapters
from her.synth.reading.headings import Heading, Level, heading, number_of
from her.synth.reading.manuscript import Mark
from her.synth.reading.plain import read_plain

ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII"]
NOUNS = ["Coin", "River", "House", "Rain", "Letter", "Town", "Field", "Window"]


def cut(text: str) -> tuple[str, tuple[Chapter, ...]]:
    whole = read_plain(text.encode(), "novel.txt").text
    return whole, chapters(whole)


def titles(text: str) -> list[str]:
    return [chapter.title for chapter in cut(text)[1]]


class TestHeadings:
    @pytest.mark.parametrize(
        ("line", "level", "number"),
        [
            ("Chapter 1.", Level.CHAPTER, 1),
            ("CHAPTER THE FIRST", Level.CHAPTER, 1),
            ("Chapter Twenty-Two", Level.CHAPTER, 22),
            ("The Third Chapter", Level.CHAPTER, 3),
            ("CHAPTER XLIV. The End", Level.CHAPTER, 44),
            ("CHAPTER I: The Boy", Level.CHAPTER, 1),
            ("CHAPTER I\nThe Boy", Level.CHAPTER, 1),
            ("Chapter 1 The Boy", Level.CHAPTER, 1),
            ("[CHAPTER 3]", Level.CHAPTER, 3),
            ("_Chapter 2_", Level.CHAPTER, 2),
            ("CHAPTER THE LAST", Level.CHAPTER, 0),
            ("Letter 4", Level.CHAPTER, 4),
            ("STAVE ONE.", Level.CHAPTER, 1),
            ("ADVENTURE I. A SCANDAL IN BOHEMIA", Level.CHAPTER, 1),
            ("SCENE II. Venice. A street.", Level.CHAPTER, 2),
            ("Chapitre premier", Level.CHAPTER, 1),
            ("CHAPITRE II", Level.CHAPTER, 2),
            ("Erstes Kapitel", Level.CHAPTER, 1),
            ("1. Kapitel", Level.CHAPTER, 1),
            ("Zwölftes Kapitel", Level.CHAPTER, 12),
            ("Capítulo primero", Level.CHAPTER, 1),
            ("CAPITOLO X.", Level.CHAPTER, 10),
            ("Глава первая", Level.CHAPTER, 1),
            ("ГЛАВА XII", Level.CHAPTER, 12),
            ("第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀", Level.CHAPTER, 1),
            ("第一百二十回", Level.CHAPTER, 120),
            ("第１２章", Level.CHAPTER, 12),
            ("上卷 第二回 贾夫人仙逝扬州城", Level.CHAPTER, 2),
            ("第三話 夜", Level.CHAPTER, 3),
            ("BOOK FIRST—A JUST MAN", Level.PART, 1),
            ("PART ONE", Level.PART, 1),
            ("VOL. II.", Level.PART, 2),
            ("Phase the First: The Maiden", Level.PART, 1),
            ("ACT III", Level.PART, 3),
            ("Première partie", Level.PART, 1),
            ("Zweiter Teil", Level.PART, 2),
            ("Часть первая", Level.PART, 1),
            ("卷一", Level.PART, 1),
            ("I", Level.BARE, 1),
            ("XIX.", Level.BARE, 19),
            ("VIIII", Level.BARE, 9),
            ("12.", Level.BARE, 12),
            ("— 12 —", Level.BARE, 12),
            ("ONE", Level.BARE, 1),
            ("Twenty-one", Level.BARE, 21),
            ("I. A SCANDAL IN BOHEMIA", Level.BARE, 1),
            ("十三", Level.BARE, 13),
            ("Prologue", Level.NAMED, None),
            ("Epílogo", Level.NAMED, None),
            ("楔子", Level.NAMED, None),
            ("CONTENTS", Level.MATTER, None),
            ("Translator’s Note", Level.MATTER, None),
            ("THE END.", Level.MATTER, None),
            ("目录", Level.MATTER, None),
        ],
    )
    def test_a_heading_is_known(self, line: str, level: Level, number: int | None) -> None:
        found = heading(line)
        assert isinstance(found, Heading)
        assert (found.level, found.number) == (level, number)

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "   ",
            "Mr. Bennet made no answer.",
            "Chapter 5 was the worst,",
            "Book I loved",
            "Part one of the plan was simple.",
            "Letter from home",
            "Letter once",
            "“Chapter 1.”",
            "I am",
            "IC",
            "mix",
            "Civil",
            "Act your age.",
            "第一回合中，商业资本先行一步。",
            "x" * 200,
            "Chapter 1\n" * 5,
        ],
    )
    def test_a_sentence_is_none(self, line: str) -> None:
        assert heading(line) is None

    @given(st.integers(1, 399))
    def test_roman_numerals_count(self, number: int) -> None:
        written, rest = "", number
        for value, sign in [(100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv")]:
            written, rest = written + sign * (rest // value), rest % value
        assert number_of((written + "i" * rest).upper()) == number

    @pytest.mark.parametrize(
        ("written", "number"),
        [
            ("十", 10),
            ("二十", 20),
            ("一百零八", 108),
            ("一二〇", 120),
            ("廿三", 23),
            ("forty second", 42),
            ("dix", 10),
            ("x y", None),
        ],
    )
    def test_other_numerals_count(self, written: str, number: int | None) -> None:
        assert number_of(written) == number

    @given(st.text(max_size=160))
    def test_any_text_is_judged(self, text: str) -> None:
        found = heading(text)
        assert found is None or isinstance(found.level, Level)


SHAPES: dict[str, list[str]] = {
    "chapter and digits": [f"Chapter {n}." for n in range(1, 9)],
    "chapter and words": ["CHAPTER ONE", "CHAPTER TWO", "CHAPTER THREE"],
    "the first": ["CHAPTER THE FIRST", "CHAPTER THE SECOND", "CHAPTER THE LAST"],
    "Roman": ROMAN,
    "Roman with stops": [f"{number}." for number in ROMAN],
    "digits": [str(n) for n in range(1, 9)],
    "words": ["ONE", "TWO", "THREE", "FOUR"],
    "Roman with titles": [f"{number}. THE {noun.upper()}" for number, noun in zip(ROMAN, NOUNS, strict=True)],
    "letters, then chapters": ["Letter 1", "Letter 2", "Chapter 1", "Chapter 2", "Chapter 3"],
    "prologue and epilogue": ["Prologue", "Chapter 1", "Chapter 2", "Epilogue"],
    "French": ["CHAPITRE PREMIER", "CHAPITRE II", "CHAPITRE III"],
    "German": ["Erstes Kapitel", "Zweites Kapitel", "Drittes Kapitel"],
    "Spanish": ["Capítulo primero", "Capítulo II", "Capítulo III"],
    "Italian": ["CAPITOLO I.", "CAPITOLO II.", "CAPITOLO III."],
    "Russian": ["ГЛАВА ПЕРВАЯ", "ГЛАВА ВТОРАЯ", "ГЛАВА ТРЕТЬЯ"],
    "titles in capitals alone": [f"THE {noun.upper()} OF THE RAIN" for noun in NOUNS],
}


class TestShapes:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_every_heading_begins_a_chapter(self, shape: str) -> None:
        headings = SHAPES[shape]
        text, found = cut(novel(headings, each=15))
        assert [chapter.title for chapter in found] == headings
        assert [chapter.number for chapter in found] == list(range(1, len(headings) + 1))
        assert [text[c.start : c.start + 40] for c in found] == bodies(len(headings), 15)
        assert [text[c.start : c.end].count("\n\n") for c in found] == [14] * len(headings)

    @pytest.mark.parametrize(
        ("headings", "named"),
        [
            ([f"CHAPTER {r}\n\nTHE {n.upper()}" for r, n in zip(ROMAN, NOUNS, strict=True)], "CHAPTER II: THE RIVER"),
            (
                [f"CHAPTER {r}.\n\nThe {n} of rain." for r, n in zip(ROMAN, NOUNS, strict=True)],
                "CHAPTER II. The River of rain.",
            ),
            (
                [f"CHAPTER {r}\nThe {n} of Rain" for r, n in zip(ROMAN, NOUNS, strict=True)],
                "CHAPTER II: The River of Rain",
            ),
            ([f"{r}\n\nThe {n}" for r, n in zip(ROMAN, NOUNS, strict=True)], "II: The River"),
        ],
    )
    def test_titles_below_numbers_belong_to_the_heading(self, headings: list[str], named: str) -> None:
        text, found = cut(novel(headings))
        assert len(found) == 8
        assert found[1].title == named
        assert [text[c.start : c.start + 40] for c in found] == bodies(8)

    def test_short_first_paragraphs_are_no_titles(self) -> None:
        headings = [f"Chapter {n}" for n in range(1, 9)]
        headings[2] += "\n\nRain"
        text, found = cut(novel(headings))
        assert titles(novel(headings))[2] == "Chapter 3"
        assert text[found[2].start :].startswith("Rain")

    @pytest.mark.parametrize(
        ("headings", "named"),
        [
            (
                ["BOOK FIRST\n\nCHAPTER I", "CHAPTER II", "BOOK SECOND\n\nCHAPTER I", "CHAPTER II"],
                [
                    "BOOK FIRST, CHAPTER I",
                    "BOOK FIRST, CHAPTER II",
                    "BOOK SECOND, CHAPTER I",
                    "BOOK SECOND, CHAPTER II",
                ],
            ),
            (
                ["PART ONE\n\nI", "II", "PART TWO\n\nI", "II"],
                ["PART ONE, I", "PART ONE, II", "PART TWO, I", "PART TWO, II"],
            ),
            (
                ["VOLUME I\n\nBOOK I—A MAN\n\nCHAPTER I—NIGHT", "CHAPTER II—DAY", "BOOK II—A FALL\n\nCHAPTER I—EVE"],
                [
                    "VOLUME I, BOOK I—A MAN, CHAPTER I—NIGHT",
                    "VOLUME I, BOOK I—A MAN, CHAPTER II—DAY",
                    "VOLUME I, BOOK II—A FALL, CHAPTER I—EVE",
                ],
            ),
            (
                ["ACT I\n\nSCENE I. Venice. A street.", "SCENE II. The same.", "ACT II\n\nSCENE I. A room."],
                ["ACT I, SCENE I. Venice. A street.", "ACT I, SCENE II. The same.", "ACT II, SCENE I. A room."],
            ),
            (["PART ONE", "PART TWO", "PART THREE"], ["PART ONE", "PART TWO", "PART THREE"]),
            (["CHAPTER I\n\n1", "2", "3", "CHAPTER II\n\n1", "2"], ["CHAPTER I", "CHAPTER II"]),
        ],
    )
    def test_parts_stand_before_their_chapters(self, headings: list[str], named: list[str]) -> None:
        assert titles(novel(headings)) == named

    @pytest.mark.parametrize(
        "heads", [["第一回 甄士隐", "第二回 贾夫人", "第三回 托内兄"], ["第一章", "第二章 夜雨"], ["一", "二", "三"]]
    )
    def test_chinese_and_japanese_books(self, heads: list[str]) -> None:
        text = "\n".join(
            f"{head}\n" + "\n".join("　　" + part for part in chinese(20, n)) for n, head in enumerate(heads)
        )
        assert titles(text) == heads

    @pytest.mark.parametrize("between", ["\n\n", "\n"])
    @pytest.mark.parametrize("indent", ["", "   "])
    def test_however_paragraphs_are_parted(self, between: str, indent: str) -> None:
        parts = (f"CHAPTER {r}\n" + wrapped(prose(12, n), indent=indent, between=between) for n, r in enumerate(ROMAN))
        assert titles("\n\n".join(parts)) == [f"CHAPTER {r}" for r in ROMAN]


CONTENTS = {
    "lines": "\n".join(f"CHAPTER {r}. The {n}   {at}" for at, (r, n) in enumerate(zip(ROMAN, NOUNS, strict=True))),
    "three lines": "\n".join(f"CHAPTER {r}" for r in ROMAN[:3]),
    "paragraphs": "\n\n".join(f"CHAPTER {r}" for r in ROMAN),
    "numbers and titles": "\n\n".join(f"CHAPTER {r}\n\nThe {n} . . . . 7" for r, n in zip(ROMAN, NOUNS, strict=True)),
    "with an epilogue": "\n\n".join([*(f"CHAPTER {r}" for r in ROMAN), "EPILOGUE"]),
}


class TestMatter:
    @pytest.mark.parametrize("listed", CONTENTS)
    def test_a_list_of_contents_is_no_chapter(self, listed: str) -> None:
        front = ["THE OLD HOUSE", "by\n\nJane Doe", "CONTENTS\n\n" + CONTENTS[listed]]
        text, found = cut(novel([f"CHAPTER {r}" for r in ROMAN], front=front))
        assert [chapter.title for chapter in found] == [f"CHAPTER {r}" for r in ROMAN]
        assert text[found[0].start :].startswith(bodies(1)[0])

    def test_a_list_of_contents_may_stand_at_the_end(self) -> None:
        back = ["TABLE DES MATIÈRES\n\n" + "\n\n".join(f"CHAPITRE {r}" for r in ROMAN)]
        text, found = cut(novel([f"CHAPITRE {r}" for r in ROMAN], back=back))
        assert len(found) == 8
        assert "TABLE" not in text[found[-1].start : found[-1].end]

    def test_a_list_of_parts_and_chapters_is_none_either(self) -> None:
        listed = "\n\n".join(
            f"BOOK {b}\n\n" + "\n".join(f"CHAPTER {r}—The {b} {r} of it all and more" for r in ROMAN) for b in ROMAN[:3]
        )
        headings = [f"BOOK {b}\n\nCHAPTER {r}" if r == "I" else f"CHAPTER {r}" for b in ROMAN[:3] for r in ROMAN[:3]]
        found = cut(novel(headings, front=[f"CONTENTS\n\n{listed}"]))[1]
        assert len(found) == 9
        assert found[3].title == "BOOK II, CHAPTER I"

    def test_titles_without_numbers_are_found_by_the_list_of_contents(self) -> None:
        named = [f"The {noun} of the rain" for noun in NOUNS]
        listed = "\n".join(f"{name} ..... {at}" for at, name in enumerate(named))
        assert titles(novel(named, each=20, front=[f"TALES\n\nCONTENTS\n\n{listed}"])) == named

    def test_what_stands_before_and_behind_is_left_out(self) -> None:
        front = ["THE OLD HOUSE", "PREFACE", wrapped(prose(9, 70)), "INTRODUCTION", wrapped(prose(9, 71))]
        back = ["THE END", "ADVERTISEMENTS", wrapped(prose(3, 72))]
        text, found = cut(novel(["CHAPTER I", "CHAPTER II"], each=30, front=front, back=back))
        assert [chapter.title for chapter in found] == ["CHAPTER I", "CHAPTER II"]
        assert text[: found[-1].end].endswith(prose(30, 1)[-1])

    def test_the_word_notes_does_not_end_a_book_in_its_midst(self) -> None:
        headings = ["CHAPTER I", "CHAPTER II\n\nNote", "CHAPTER III"]
        text, found = cut(novel(headings, each=30))
        assert [chapter.title for chapter in found][1:] == ["CHAPTER II", "CHAPTER III"]
        assert text[found[1].start :].startswith("Note")

    def test_a_number_that_counts_on_from_nothing_is_no_chapter(self) -> None:
        story = novel([f"Chapter {n}" for n in range(1, 5)]).replace("river", "river\n\nIV\n\nriver", 1)
        assert titles(story) == [f"Chapter {n}" for n in range(1, 5)]
        bare = novel(ROMAN).replace("river", "river\n\nXIX\n\nriver", 1)
        assert titles(bare) == ROMAN

    def test_a_story_that_begins_without_a_heading_is_not_lost(self) -> None:
        text, found = cut(novel([f"Chapter {n}" for n in range(2, 5)], front=[wrapped(prose(20, 9))]))
        assert [chapter.title for chapter in found] == ["", "Chapter 2", "Chapter 3", "Chapter 4"]
        assert text[: found[0].end] == "\n\n".join(prose(20, 9))


class TestSizes:
    def test_a_book_without_chapters_is_cut_at_paragraphs(self) -> None:
        text, found = cut(wrapped(prose(600)))
        assert len(found) > 3
        assert all(chapter.title == "" and chapter.end - chapter.start <= PIECE for chapter in found)
        assert "\n\n".join(text[c.start : c.end] for c in found) == text

    def test_a_short_tale_is_one_chapter(self) -> None:
        text, found = cut(wrapped(prose(5)))
        assert [(c.number, c.title, c.start, c.end) for c in found] == [(1, "", 0, len(text))]

    def test_a_monstrous_chapter_is_cut_and_keeps_its_title(self) -> None:
        text, found = cut(novel(["Chapter 1", "Chapter 2"], each=600))
        assert found[0].title == "Chapter 1 (1)"
        assert {chapter.title.split(" (")[0] for chapter in found} == {"Chapter 1", "Chapter 2"}
        assert max(chapter.end - chapter.start for chapter in found) <= PIECE < LONGEST_CHAPTER
        assert sum(text[c.start : c.end].count("\n\n") + 1 for c in found) == 1200

    def test_headings_without_text_divide_nothing(self) -> None:
        text = "\n\n".join(f"{number}\n\nA short line." for number in range(1, 40))
        assert [chapter.title for chapter in chapters(text)] == [""]

    @pytest.mark.parametrize("text", ["", "\n\n", "I", "CONTENTS", "THE END"])
    def test_almost_nothing_has_at_most_one_chapter(self, text: str) -> None:
        assert len(chapters(text)) <= 1


class TestMarks:
    def test_headings_that_the_file_names_are_taken(self) -> None:
        text = "Night\n\n" + "\n\n".join(prose(9)) + "\n\nDay\n\n" + "\n\n".join(prose(9, 1))
        at = text.index("Day\n")
        found = chapters(text, [Mark(0, 5, "Night"), Mark(at, at + 3, "Day")])
        assert [(c.title, c.start, c.end) for c in found] == [("Night", 7, at - 2), ("Day", at + 5, len(text))]

    def test_the_books_own_title_and_its_matter_are_no_chapters(self) -> None:
        parts = ["The Old House", "One " * 200, "Two " * 200, "A note."]
        text = "\n\n".join(parts)
        places = [text.index(part) for part in parts]
        marks = [
            Mark(at, at, title)
            for at, title in zip(places, ["The old house", "Morning", "Evening", "Notes"], strict=True)
        ]
        assert [c.title for c in chapters(text, marks, title="The Old House")] == ["Morning", "Evening"]
        marks[1] = Mark(places[1], places[1], "Morning", matter=True)
        assert [c.title for c in chapters(text, [*marks, Mark(places[2] + 400, places[2] + 400, "Night")])][-2:] == [
            "Evening",
            "Night",
        ]

    def test_marks_that_hardly_divide_give_way_to_headings(self) -> None:
        text = novel([f"CHAPTER {r}" for r in ROMAN], width=10_000).replace("\n\n\n", "\n\n")
        assert len(chapters(text, [Mark(0, 0, "Start")])) == 8


@given(st.text(st.sampled_from("aI1. \nCH"), max_size=400))
def test_chapters_never_overlap_and_stay_inside(text: str) -> None:
    at = 0
    for number, chapter in enumerate(chapters(text), 1):
        assert chapter.number == number
        assert at <= chapter.start < chapter.end <= len(text)
        at = chapter.end


def test_a_long_novel_is_cut_in_half_a_second() -> None:
    text = "\n\n".join(part for n in range(1, 61) for part in (f"Chapter {n}", *prose(40, n)))
    start = time.perf_counter()
    assert len(chapters(text)) == 60
    assert time.perf_counter() - start < 0.5
