"""Contamination: a test case is found by its numbers, its words or its place, and takes few scenes with it."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.checks.units import units
from her.errors import SceneError
from her.rows.record import SceneRow
from her.synth.reading.book import Book, Chapter
from her.synth.reading.coser import Importer
from her.synth.reading.library import Library
from her.synth.samples.contamination import Contamination, read_tests, tells, words
from her.synth.samples.samples import SampleReport
from sampled import SPEECH, made, said, small

LINES = [
    "I have been waiting for you since the second bell, and the tide waits for nobody, least of all for me.",
    "The tide may wait or not, I had a letter to burn before anybody came up those stairs to read it.",
    "Then you know what stands in it, and you know who wrote it, and still you come here with a smile.",
]


def case(lines: list[str], *, book: str = "The Salt Road", numbers: tuple[int, int] = (70, 0)) -> dict[str, Any]:
    """A case as CoSER writes it, with thoughts and actions that no book has."""
    told = [{"character": "AB"[n % 2], "message": f"[I am uneasy.] (looks up) {line}"} for n, line in enumerate(lines)]
    told.insert(
        1, {"character": "Environment", "message": "A summary that somebody wrote about what the two of them do."}
    )
    plot = {"i_p": numbers[0], "key_characters": []}
    return {"scenario": "A quay.", "dialogues": told, "book": book, "plot": plot, "i_p": 1, "i_c": numbers[1]}


def told(folder: Path, *cases: dict[str, Any], name: str = "test_set.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(cases), encoding="utf-8")
    return path


def scene(id: str, lines: list[str], *, book: str = "The Salt Road", **source: Any) -> SceneRow:
    turns = [said(f"t{n}", "AB"[n % 2], (SPEECH, line)) for n, line in enumerate(lines)]
    about = {"book": book, "slug": book.casefold().replace(" ", "-"), **source}
    return small(id, *turns, cast=[{"name": "A"}, {"name": "B"}], source=about)


def filler(seed: int, count: int = 3) -> list[str]:
    """Lines that share no run with anything."""
    rng = random.Random(seed)
    return [
        " ".join("".join(rng.choices("abcdeilmnorstu", k=rng.randint(2, 7))) for _ in range(20)) for _ in range(count)
    ]


def looked(rows: list[SceneRow], tests: Path, folder: Path, **options: Any) -> tuple[SampleReport, Contamination]:
    report, target = made(rows, folder, tests=(tests,), **options)
    assert report.balanced
    return report, Contamination.model_validate_json((target / "contamination.json").read_bytes())


def kept_out(found: Contamination) -> set[str]:
    return {sign.scene for sign in found.signs}


# -- by numbers ------------------------------------------------------------------------------------------------


def test_cosers_own_numbers_find_a_case_whatever_became_of_its_words(tmp_path: Path) -> None:
    rows = [
        scene("salt-road/70/0", filler(1), plot=70, conversation=0),
        scene("salt-road/70/1", filler(2), plot=70, conversation=1),
        scene("salt-road/1/0", filler(3), plot=1, conversation=0),
        scene("other/70/0", filler(4), book="Another Road", plot=70, conversation=0),
    ]
    report, found = looked(rows, told(tmp_path, case(LINES)), tmp_path)
    assert kept_out(found) == {"salt-road/70/0"}
    assert report.kept_out == {"coser-numbers": 1}
    (finding,) = found.findings
    assert (finding.case, finding.scenes, finding.by) == ("the-salt-road/70/0", ("salt-road/70/0",), ("numbers",))


def test_the_cases_number_is_its_plots_where_its_own_is_stale(tmp_path: Path) -> None:
    cases, unread = read_tests([told(tmp_path, case(LINES, numbers=(70, 3)))])
    assert cases[0].numbers == (70, 3) and unread == []


# -- by words --------------------------------------------------------------------------------------------------


def test_a_few_shared_words_tell_in_the_same_book(tmp_path: Path) -> None:
    nine = "so the tide waits for nobody, least of all for you and"
    rows = [
        scene("s/1/1", [*filler(1), nine]),
        scene("s/2/1", filler(2)),
        scene("s/3/1", [*filler(3), "waits for nobody"]),
    ]
    report, found = looked(rows, told(tmp_path, case(LINES)), tmp_path)
    assert kept_out(found) == {"s/1/1"}
    assert (found.signs[0].by, found.signs[0].shared) == ("words", 2)
    assert report.kept_out == {"coser-words": 1} and report.scenes["sft"] == 2


def test_in_another_book_it_takes_more_than_a_quotation(tmp_path: Path) -> None:
    quotation = "the tide waits for nobody, least of all for me"
    rows = [
        scene("o/1/1", [quotation, *filler(1)], book="Other"),
        scene("o/2/1", [LINES[0], *filler(2, 40)], book="Other"),
        scene("p/1/1", [*filler(3), LINES[1]], book="Omnibus of the Salt Road"),
        scene("p/2/1", [*filler(4), quotation], book="Omnibus of the Salt Road"),
        scene("p/3/1", filler(5), book="Omnibus of the Salt Road"),
    ]
    _, found = looked(rows, told(tmp_path, case([*LINES, *filler(77, 20)])), tmp_path)
    assert kept_out(found) == {"p/1/1", "p/2/1"}, "a book in which the case is found is its own book"
    assert found.findings[0].books == ("Omnibus of the Salt Road",)


def test_words_of_the_turns_as_they_came_count_too(tmp_path: Path) -> None:
    row = scene("s/1/1", filler(1))
    row = row.model_copy(update={"original": scene("s/1/1", LINES).turns})
    _, found = looked([row], told(tmp_path, case(LINES)), tmp_path)
    assert kept_out(found) == {"s/1/1"}


def test_summaries_thoughts_and_actions_are_not_evidence(tmp_path: Path) -> None:
    (one,), _ = read_tests([told(tmp_path, case(LINES))])
    assert not any("summary" in run or "uneasy" in run or "looks" in run for run in one.runs)
    assert len(one.runs) == sum(len(units(line)) - 7 for line in LINES)


def test_chinese_is_compared_by_characters(tmp_path: Path) -> None:
    line = "宝玉听了，不觉怔怔的看着他，半晌说不出话来，只得转身往回走。"
    rows = [
        scene("h/1/1", [line], book="红楼梦"),
        scene("h/2/1", ["他半晌说不出话来。"], book="红楼梦"),
        scene("h/3/1", ["潇湘馆里竹影参差，苔痕浓淡，满屋内阴阴翠润。"], book="红楼梦"),
    ]
    _, found = looked(
        rows, told(tmp_path, case([line, "这话从哪里说起，我竟一点儿也不知道。"], book="《红楼梦》")), tmp_path
    )
    assert kept_out(found) == {"h/1/1"}


@given(st.text(st.sampled_from("ab Z9_'’‘“”—–-…. é漢字\n\"0"), max_size=40))
def test_words_are_the_units_of_checks(text: str) -> None:
    assert words(text) == units(text)


def test_ligatures_and_wide_letters_do_not_count() -> None:
    assert words("the ﬁrst Ｗｏｒｄ cafe\u0301") == ["the", "first", "word", "café"]


def test_what_tells() -> None:
    assert tells(2, 0.001, home=True) and not tells(1, 0.9, home=True)
    assert tells(6, 0.1, home=False) and not tells(5, 0.9, home=False) and not tells(60, 0.09, home=False)


# -- by place --------------------------------------------------------------------------------------------------


def shelve(folder: Path, text: str, *, title: str, author: str = "", heading: str = r"(?m)^Chapter \d+") -> Book:
    """A book of that text in the run's library, its chapters cut at their headings."""
    starts = [match.start() for match in re.finditer(heading, text)] or [0]
    bounds = zip(starts, [*starts[1:], len(text)], strict=True)
    chapters = tuple(Chapter(n, f"Chapter {n}", start, end) for n, (start, end) in enumerate(bounds, 1))
    sha = hashlib.sha256(text.encode()).hexdigest()
    slug = title.casefold().replace(" ", "-")
    return Library(folder / "books").add(Book(slug, title, author, "en", text, chapters, sha))


def talk(text: str, book: Book, start: int, end: int, id: str) -> SceneRow:
    """A scene of the quoted speech in a stretch of a book."""
    lines = [" ".join(re.findall(r'"([^"]+)"?', line)) for line in text[start:end].split("\n") if '"' in line]
    row = scene(id, [line for line in lines if line.strip()] or ["Nothing."], book=book.title, start=start, end=end)
    return row.model_copy(update={"source": row.source.model_copy(update={"slug": book.slug, "author": book.author})})


def chapter_of(n: int, quotes: list[str]) -> str:
    return f"Chapter {n}\n\n" + "\n\n".join(
        [" ".join(filler(n)), *(f'"{q}"' for q in quotes), " ".join(filler(n + 50))]
    )


def test_a_scene_that_touches_the_cases_place_is_out_even_without_its_words(tmp_path: Path) -> None:
    text = "\n\n".join([chapter_of(1, filler(101)), chapter_of(2, LINES), chapter_of(3, filler(103))])
    book = shelve(tmp_path, text, title="The Salt Road")
    at = text.index('"I have been')
    rows = [
        scene("salt/1/1", filler(1), start=10, end=200),
        scene("salt/2/1", filler(2), start=at + 5, end=at + 30),
        scene("salt/3/1", filler(3), start=text.index("Chapter 3"), end=len(text)),
    ]
    _, found = looked(rows, told(tmp_path, case(LINES)), tmp_path)
    assert kept_out(found) == {"salt/2/1"} and found.signs[0].by == "place"
    (place,) = found.findings[0].places
    second = book.chapters[1]
    assert second.start <= place.start <= at and at + len(LINES[0]) < place.end <= second.end
    assert found.findings[0].scenes == ("salt/2/1",)


def test_a_book_of_any_title_is_known_by_its_text(tmp_path: Path) -> None:
    text = "\n\n".join([chapter_of(1, filler(101)), chapter_of(2, LINES), chapter_of(3, filler(103))])
    shelve(tmp_path, text, title="Collected Works")
    at = text.index('"I have been')
    source = {"book": "Collected Works", "slug": "collected-works"}
    rows = [
        scene("c/2/1", [*filler(2), "so the tide waits for nobody, least of all for you"], **source, start=5, end=9),
        scene("c/2/2", filler(3), **source, start=at, end=at + 9),
    ]
    _, found = looked(rows, told(tmp_path, case(LINES)), tmp_path)
    assert {(sign.scene, sign.by) for sign in found.signs} == {("c/2/1", "words"), ("c/2/2", "place")}


def test_pride_and_prejudice_gives_up_one_evening_and_keeps_the_rest(her_data: Path, tmp_path: Path) -> None:
    text = (her_data / "books" / "pride_and_prejudice.txt").read_text("utf-8")
    book = shelve(tmp_path, text, title="Pride and Prejudice", author="Jane Austen")
    rows = []
    for chapter in book.chapters:
        spans = [
            (m.start(), m.end()) for m in re.finditer(r"[^\n]+", text[chapter.start : chapter.end]) if '"' in m.group()
        ]
        for n in range(0, len(spans), 8):
            start, end = chapter.start + spans[n][0], chapter.start + spans[n : n + 8][-1][1]
            rows.append(talk(text, book, start, end, f"pride-and-prejudice/{chapter.number}/{n + 1}"))
    assert len(rows) > 200
    tests = her_data / "coser" / "test_set_pd_english.json"
    report, found = looked(rows, tests, tmp_path)
    assert {scene.split("/")[1] for scene in kept_out(found)} == {"57"}, "Mr. Collins's second letter"
    assert 1 <= len(kept_out(found)) <= 3
    (finding,) = found.findings
    assert finding.case == "pride-and-prejudice/70/0" and set(finding.by) == {"place", "words"}
    assert report.contamination.cases == 27 and report.contamination.not_found == 0
    strict, _ = looked(rows, tests, tmp_path / "strict", strict_books=True, library=tmp_path / "books")
    assert strict.kept_out == {"coser-book": len(rows) - len(kept_out(found)), "coser-words": len(kept_out(found))}


def test_a_test_set_that_was_imported_stays_out_whole(her_data: Path, tmp_path: Path) -> None:
    tests = her_data / "coser" / "test_set_pd_english.json"
    plays = [her_data / "coser" / f"final_{name}_notext.json" for name in ("King_Lear", "Othello")]
    importer = Importer()
    rows = [row for path in (tests, *plays) for row in importer.file(path)]
    report, found = looked(rows, tests, tmp_path)
    assert report.scenes_in == len(rows) > 27 and report.kept_out == {"coser-numbers": 27}
    assert all(set(finding.by) == {"numbers", "words"} for finding in found.findings) and len(found.findings) == 27
    assert {use.title for use in report.books if use.scenes} == {"final King Lear notext", "final Othello notext"}


# -- what is told ----------------------------------------------------------------------------------------------


def test_strict_books_stay_out_whole_and_others_do_not(tmp_path: Path) -> None:
    rows = [scene(f"s/{n}/1", filler(n)) for n in range(3)] + [scene("o/1/1", filler(9), book="The Salt Road Home")]
    report, found = looked(rows, told(tmp_path, case(LINES)), tmp_path, strict_books=True)
    assert report.kept_out == {"coser-book": 3} and report.scenes["sft"] == 1
    assert [book.title for book in found.books] == ["The Salt Road"]
    assert next(use for use in report.books if use.title == "The Salt Road").purpose is None


def test_a_case_of_which_only_the_title_was_found_is_told(tmp_path: Path) -> None:
    report, found = looked([scene("s/1/1", filler(1))], told(tmp_path, case(LINES)), tmp_path)
    assert found.not_found == ("the-salt-road/70/0",) and kept_out(found) == set()
    assert any(
        note.startswith("Test cases of which nothing but the title of a source was found: 1") for note in report.notes
    )


def test_cases_that_cannot_be_read_do_not_take_the_others_along(tmp_path: Path) -> None:
    tests = told(tmp_path, {"scenario": "No dialogue list", "dialogues": "none"}, case(LINES))
    report, found = looked([scene("s/1/1", LINES)], tests, tmp_path)
    assert found.cases == 1 and len(found.unread) == 1 and "test_set.json: case 0" in found.unread[0]
    assert report.contamination.unread == 1 and kept_out(found) == {"s/1/1"}


def test_two_test_sets_with_one_case_each_count_twice(tmp_path: Path) -> None:
    paths = [told(tmp_path, case(LINES), name=name) for name in ("a.json", "b.json")]
    cases, _ = read_tests(paths)
    assert [one.id for one in cases] == ["the-salt-road/70/0", "the-salt-road/70/0 (b.json, case 0)"]


def test_a_file_that_is_no_test_set_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "letter.json"
    path.write_text('{"dear": "you"}', encoding="utf-8")
    with pytest.raises(SceneError, match=r"letter\.json"):
        read_tests([path])


def test_without_a_test_set_the_report_says_that_none_was_looked_for(tmp_path: Path) -> None:
    report, _ = made([scene("s/1/1", LINES)], tmp_path)
    assert report.contamination.cases == 0 and report.kept_out == {}
    assert "No test set was named, so none was looked for in the scenes." in report.notes


def test_the_order_of_scenes_does_not_matter(tmp_path: Path) -> None:
    rows = [scene(f"s/{n}/1", [*filler(n), LINES[n % 3]], book="Omnibus") for n in range(6)]
    rows += [scene("s/9/1", [*filler(9), "so the tide waits for nobody, least of all for you"], book="Omnibus")]
    one = looked(rows, told(tmp_path, case(LINES)), tmp_path)[1]
    other = looked(rows[::-1], told(tmp_path, case(LINES)), tmp_path)[1]
    assert one == other and len(kept_out(one)) == 7


# -- what goes wrong in the release ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Ender’s Game", "Ender's Game"),
        ("Oh, Play That Thing!", "Oh, Play That Thing"),
        ("Who Goes There?", "who goes there"),
    ],
)
def test_a42_a_title_with_an_apostrophe_or_a_question_mark_never_matches(
    theirs: str, ours: str, tmp_path: Path
) -> None:
    rows = [scene("e/70/0", filler(1), book=ours, plot=70, conversation=0)]
    _, found = looked(rows, told(tmp_path, case(LINES, book=theirs)), tmp_path)
    assert kept_out(found) == {"e/70/0"}


def test_a42_a_short_title_matches_the_beginning_of_another(tmp_path: Path) -> None:
    rows = [scene("it/70/0", filler(1), book="It Can't Happen Here", plot=70, conversation=0)]
    _, found = looked(rows, told(tmp_path, case(LINES, book="It")), tmp_path)
    assert kept_out(found) == set() and found.findings == ()


def test_a42_positions_in_a_list_are_taken_for_cosers_numbers(tmp_path: Path) -> None:
    """The scene's id holds other numbers than CoSER's; its source holds CoSER's own."""
    rows = [
        scene("salt-road/70/0", filler(1), plot=71, conversation=0),
        scene("salt-road/69/0", filler(2), plot=70, conversation=0),
    ]
    _, found = looked(rows, told(tmp_path, case(LINES)), tmp_path)
    assert kept_out(found) == {"salt-road/69/0"}


def test_a42_an_omnibus_hides_the_novel_in_it(tmp_path: Path) -> None:
    rows = [
        scene("all/248/0", LINES, book="The Complete Novels", plot=248, conversation=0),
        scene("all/1/0", filler(2), book="The Complete Novels"),
    ]
    _, found = looked(rows, told(tmp_path, case(LINES, book="Pride and Prejudice")), tmp_path)
    assert kept_out(found) == {"all/248/0"}
