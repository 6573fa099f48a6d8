"""The published sets, by their schemas: what is asked, what is right, what is kept out, and what a bad file is told."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

import minds_sets
from her.bench.figures import Unscored, Why
from her.bench.minds import bigtom, fantom, hitom, lifechoices, made, tomi, twinvoice
from her.bench.minds.answers import LETTERS, Style
from her.bench.minds.cases import UNJUDGED, Case, Graded, Sort, by_marks, case_of, drawn, graded, shuffled
from her.bench.minds.source import DATA, find
from her.errors import InputError, StorageError


def answers(case: Case, right: bool | None = True, wrong_from: int = 99) -> list[Graded]:
    """A case answered rightly; from a question on wrongly; or, with None, in no form at all."""
    found = []
    for number, one in enumerate(case.questions):
        other = {
            Sort.LETTER: next(letter for letter in LETTERS if letter != one.right[0]),
            Sort.YES_NO: "no" if one.right[0] == "yes" else "yes",
            Sort.NAMES: ", ".join(one.others) or "nobody",
            Sort.NAME: (one.others or ("?",))[0],
        }.get(one.sort, "something else")
        answer = ", ".join(one.right) if right and number < wrong_from else other
        found.append(graded(one, "?" if right is None else f"<answer>{answer}</answer>", Style.ANSWER))
    return found


def test_hitom_asks_each_story_once_with_its_orders_in_their_order(tmp_path: Path) -> None:
    cases = hitom.load(minds_sets.hitom(tmp_path))
    assert [len(case.questions) for case in cases] == [5, 5]
    assert [one.id for one in cases[0].questions] == [f"order-{order}" for order in range(5)]
    assert "without a word of why" not in str(cases)
    assert cases[0].questions[0].right == (LETTERS[minds_sets.BOXES.index("blue_jar")],)
    text = cases[0].questions[4].text
    assert text.index("1. Pim, Quill") < text.index("Take this for granted") < text.index("Where does Tove think")
    assert "left the room later" in text


def test_hitom_counts_an_order_jointly_only_where_all_lower_ones_are_right(tmp_path: Path) -> None:
    case = hitom.load(minds_sets.hitom(tmp_path))[1]
    values = hitom.count(answers(case, wrong_from=2))
    assert list(values) == [figure.name for figure in hitom.FIGURES]
    assert (values["accuracy"], values["joint"]) == (0.4, 0.4)
    assert [values[f"joint-{order}"] for order in (1, 2, 3, 4)] == [1.0, 0.0, 0.0, 0.0]
    last = hitom.count([*answers(case, right=False)[:1], *answers(case)[1:]])
    assert (last["accuracy"], last["joint"]) == (0.8, 0.0)
    assert (values["told-lies"], values["length-2"]) == (0.4, 0.4)
    assert values["no-lies"] == Unscored(Why.UNDEFINED)


def test_answers_in_no_form_leave_no_figure_but_the_one_that_counts_them(tmp_path: Path) -> None:
    for case, count in (
        (hitom.load(minds_sets.hitom(tmp_path))[0], hitom.count),
        (bigtom.load(minds_sets.bigtom(tmp_path))[0], by_marks(bigtom.FIGURES)),
        (lifechoices.load(minds_sets.lifechoices(tmp_path))[0], lifechoices.count),
    ):
        values = count(answers(case, right=None))
        assert {name for name, value in values.items() if not isinstance(value, Unscored)} == {"readable"}
        assert values["readable"] == 0.0


def test_tomi_asks_openly_and_shows_no_candidates(tmp_path: Path) -> None:
    first, second = tomi.load(minds_sets.tomi(tmp_path))
    assert first.cluster == second.cluster
    assert "['" not in first.questions[0].text
    assert first.questions[0].others == ("attic", "basket")
    values = by_marks(tomi.FIGURES)(answers(first))
    assert (values["first-order"], values["false-belief"]) == (1.0, 1.0)
    assert values["second-order"] == Unscored(Why.UNDEFINED)


def test_bigtom_puts_its_options_into_an_order_of_the_seed(tmp_path: Path) -> None:
    path = minds_sets.bigtom(tmp_path)
    assert {case.questions[0].right for seed in range(9) for case in bigtom.load(path, seed)} == {("A",), ("B",)}
    for case in bigtom.load(path, 3):
        (question,) = case.questions
        line = next(line for line in question.text.split("\n") if line.startswith(f"{question.right[0]}. "))
        assert line.endswith("is hot.")
        assert "a)" not in question.text


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=60, unique=True), st.integers(0, 99_999))
def test_twinvoice_shows_no_line_that_comes_at_or_after_the_one_asked_for(places: list[int], at: int) -> None:
    lines = [twinvoice.Line(place, f"<{place}>") for place in places]
    shown = [int(text[1:-1]) for text in twinvoice.earlier(lines, at)]
    before = sorted(place for place in places if place < at)
    assert shown == before[-twinvoice.MOST_LINES :]


def test_twinvoice_prompts_hold_the_past_alone(tmp_path: Path) -> None:
    cases = twinvoice.load(minds_sets.twinvoice(tmp_path))
    shown = [case.questions[0].text.partition("What happens just before")[0] for case in cases]
    assert [[f"line {place}\n" in f"{text}\n" for place in (3, 9, 12)] for text in shown] == [
        [False, False, False],
        [True, False, False],
        [True, True, False],
    ]
    assert "Earlier lines" not in shown[0]
    assert "pilot" not in shown[0]
    assert "occupation: Pilot; relationship: Sister of Olaf" in shown[0]


def test_lifechoices_are_shuffled_and_every_letter_chosen_is_told(tmp_path: Path) -> None:
    path = minds_sets.lifechoices(tmp_path)
    for case in lifechoices.load(path, 0):
        values = lifechoices.count(answers(case))
        right = case.questions[0].right[0]
        assert {letter: values[f"chose-{letter.lower()}"] for letter in "ABCD"} == {
            letter: float(letter == right) for letter in "ABCD"
        }
    rights = [[case.questions[0].right[0] for case in lifechoices.load(path, seed)] for seed in (0, 1)]
    assert rights[0] != rights[1]
    assert lifechoices.load(path, 1) == lifechoices.load(path, 1)


@pytest.mark.parametrize("told", ["{letter}", "{letter}. {text}", "{text}", "{letter}) {text}"])
def test_lifechoices_know_the_right_one_by_its_letter_its_text_or_both(tmp_path: Path, told: str) -> None:
    books = made.lifechoices_rows(0)
    for choice in (book[0]["Multiple Choice Question"] for book in books):
        letter = choice["Correct Answer"]
        choice["Correct Answer"] = told.format(letter=letter, text=choice["Options"]["ABCD".index(letter)])
    assert lifechoices.load(minds_sets.lifechoices(tmp_path, books)) == made.lifechoices(0)


def test_fantom_counts_a_set_as_right_only_where_every_type_is(tmp_path: Path) -> None:
    case = fantom.load(minds_sets.fantom(tmp_path))[0]
    values = fantom.count(answers(case))
    assert list(values) == [figure.name for figure in fantom.FIGURES]
    assert (values["accuracy"], values["all"], values["yes-no-f1"], values["control"]) == (1.0, 1.0, 1.0, 1.0)
    for name in ("all-star", "belief-free"):
        assert values[name] == UNJUDGED
    one_wrong = fantom.count([*answers(case)[:-1], answers(case, right=False)[-1]])
    assert one_wrong["all"] == one_wrong["all-star"] == 0.0
    one_lost = fantom.count([*answers(case)[:-1], answers(case, right=None)[-1]])
    assert one_lost["all"] == Unscored(Why.FORMAT, "no answer between its marks")


def test_fantom_leaves_out_what_the_short_talk_cannot_tell(tmp_path: Path) -> None:
    rows = made.fantom_rows(0)[:1]
    rows[0]["infoAccessibilityQAs_binary"][0]["correct_answer"] = "no:long"
    path = minds_sets.fantom(tmp_path, rows)
    short, full = (fantom.load(path, context=context)[0] for context in ("short", "full"))
    assert len(full.questions) == len(short.questions) + 1
    assert ("no",) in [one.right for one in full.questions if "access-yes-no" in one.marks]
    with pytest.raises(InputError, match="context 'long' is not known; known are short, full"):
        fantom.load(path, context="long")


def test_weighted_f1_is_that_of_the_definition() -> None:
    case = made.fantom(0, "short")[0]
    asked = [one for one in case.questions if one.sort is Sort.YES_NO]
    pairs = [(right, Graded(asked[0], float(right == said))) for right, said in zip("yyyn", "ynyy", strict=True)]
    told = {"y": "yes", "n": "no"}
    # yes: two of three found, three said, F1 2/3; no: none found.
    assert fantom.weighted_f1([(told[right], one) for right, one in pairs]) == pytest.approx(0.75 * 2 / 3)


def test_a_made_talk_tells_who_was_away_by_its_own_lines() -> None:
    for row in made.fantom_rows(4):
        away = row["answerabilityQA_list"]["wrong_answer"]
        told = row["factQA"]["correct_answer"]
        lines = row["full_context"].split("\n")
        gone = next(at for at, line in enumerate(lines) if "outside" in line)
        back = next(at for at, line in enumerate(lines) if "I am back" in line)
        assert gone < next(at for at, line in enumerate(lines) if told in line) < back
        assert [lines[gone].partition(":")[0]] == [lines[back].partition(":")[0]] == away


def test_a_made_life_has_one_way_that_fits_it_wherever_it_stands() -> None:
    assert {case.questions[0].right[0] for case in made.lifechoices(0)} == set("ABCD")


def test_cases_are_drawn_whole_by_the_seed_and_keep_their_order(tmp_path: Path) -> None:
    cases = hitom.load(minds_sets.hitom(tmp_path, minds_sets.hitom_rows(8)))
    assert drawn(cases, 0, 0) == cases
    some = drawn(cases, 11, 0)
    assert sum(len(case.questions) for case in some) == 15
    assert some == [case for case in cases if case in some] == drawn(cases, 11, 0)
    assert any(drawn(cases, 11, seed) != some for seed in range(1, 9))
    with pytest.raises(InputError, match="limit is -1"):
        drawn(cases, -1, 0)


@given(st.integers(2, 26), st.integers(0, 1000), st.text(max_size=5))
def test_shuffling_loses_no_option_and_follows_the_right_one(num: int, seed: int, name: str) -> None:
    options = [f"option {at}" for at in range(num)]
    mixed, letter = shuffled(options, num // 2, seed, name)
    assert sorted(mixed) == sorted(options)
    assert mixed[LETTERS.index(letter)] == options[num // 2]


def test_cases_survive_the_way_through_a_log(tmp_path: Path) -> None:
    for case in (hitom.load(minds_sets.hitom(tmp_path))[0], made.fantom(0, "short")[0]):
        assert case_of(json.loads(json.dumps(case.as_json()))) == case


# Bad files.

Spoilt = Callable[[Path], Path]


def rows_with(make: Callable[[Path, Any], Path], rows: Any, *way: Any, value: Any = None) -> Spoilt:
    """A file of rows of which one field, found by its way, is another value, or gone (None)."""

    def spoil(folder: Path) -> Path:
        spoilt = json.loads(json.dumps(rows))
        at = spoilt
        for step in way[:-1]:
            at = at[step]
        if value is None:
            del at[way[-1]]
        else:
            at[way[-1]] = value
        return make(folder, spoilt)

    return spoil


def twinvoice_with(folder: Path, rows: Any) -> Path:
    return minds_sets.twinvoice(folder, rows=rows)


HITOM, ITEMS, TOMI = minds_sets.hitom_rows(1), minds_sets.bigtom_items(), minds_sets.tomi_rows()
FANTOM, LIFE = made.fantom_rows(0)[:2], made.lifechoices_rows(0)[:2]
BAD: list[tuple[Callable[[Path], list[Case]], Spoilt, str]] = [
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 2, "story"), r"row 3: 'story' is missing"),
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 1, "answer", value="hat"), r"row 2: 'answer' stands 0 times"),
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 1, "choices", value="A. x, C. y"), r"row 2: 'choices' is no list"),
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 1, "question_order", value=7), r"row 2: .* not between 0 and 4"),
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 1, "question_order", value=0), r"row 2: .* stands twice"),
    (hitom.load, rows_with(minds_sets.hitom, HITOM, 0, "deception", value="no"), r"row 1: 'deception' is not true or"),
    (hitom.load, lambda folder: minds_sets.hitom(folder, []), r"a list of rows should stand here"),
    (
        tomi.load,
        rows_with(minds_sets.tomi, TOMI, 1, "answer", value="sea"),
        r"row 2: 'answer' is none",
    ),
    (
        tomi.load,
        rows_with(minds_sets.tomi, TOMI, 0, "story", value="[1]"),
        r"row 1: 'story' is no list",
    ),
    (
        tomi.load,
        rows_with(minds_sets.tomi, TOMI, 0, "story", value="f()"),
        r"row 1: 'story' is no list",
    ),
    (
        tomi.load,
        rows_with(minds_sets.tomi, TOMI, 0, "qType", value="x"),
        r"row 1: 'qType' is none of",
    ),
    (bigtom.load, rows_with(minds_sets.bigtom, ITEMS, "1", "task_type", value="x"), r"item '1': 'task_type' is none"),
    (
        bigtom.load,
        rows_with(minds_sets.bigtom, ITEMS, "0", "true_answer", value="x"),
        r"item '0': 'true_answer' does",
    ),
    (
        twinvoice.load,
        rows_with(twinvoice_with, minds_sets.twinvoice_rows(), 1, "mcq", "answer", value="A"),
        r"line 2, mcq: 'answer' is not the option",
    ),
    (
        twinvoice.load,
        rows_with(twinvoice_with, minds_sets.twinvoice_rows(), 0, "speaker_match_key", value="Ulf"),
        r"line 1: 'speaker_match_key' is nobody",
    ),
    (
        twinvoice.load,
        rows_with(twinvoice_with, minds_sets.twinvoice_rows(), 0, "chunk_id", value="٣"),
        r"line 1: 'chunk_id' is no number",
    ),
    (
        lifechoices.load,
        rows_with(minds_sets.lifechoices, LIFE, 1, 0, "Multiple Choice Question", "Options", value=["a", "b"]),
        r"book 2, choice 1, Multiple Choice Question: 'Options' are not four",
    ),
    (
        lifechoices.load,
        rows_with(minds_sets.lifechoices, LIFE, 0, 0, "Multiple Choice Question", "Correct Answer", value="E"),
        r"book 1, choice 1, .*'Correct Answer' names none",
    ),
    (
        fantom.load,
        rows_with(minds_sets.fantom, FANTOM, 1, "answerabilityQAs_binary", 0, "correct_answer", value="maybe"),
        r"set 2, answerabilityQAs_binary 1: 'correct_answer' is neither",
    ),
    (
        fantom.load,
        rows_with(minds_sets.fantom, FANTOM, 0, "short_context", value=" "),
        r"set 1: 'short_context' is",
    ),
    (
        fantom.load,
        rows_with(minds_sets.fantom, FANTOM, 0, "beliefQAs", value=[1]),
        r"set 1: 'beliefQAs' holds",
    ),
]


@pytest.mark.parametrize(("load", "spoil", "message"), BAD)
def test_a_bad_file_is_told_by_file_row_and_field(
    tmp_path: Path, load: Callable[[Path], list[Case]], spoil: Spoilt, message: str
) -> None:
    path = spoil(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("load", [hitom.load, tomi.load, bigtom.load, twinvoice.load, fantom.load, lifechoices.load])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b"{}", b"null", b"[1]", b'"x"', b"a,b\n1\n", b"{"])
def test_what_is_no_set_is_refused_in_words(tmp_path: Path, load: Callable[[Path], Any], content: bytes) -> None:
    path = tmp_path / "set"
    path.write_bytes(content)
    (tmp_path / twinvoice.PROFILES).write_bytes(content)
    with pytest.raises(InputError):
        load(path)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        hitom.load(tmp_path / "nothing.json")


def test_a_set_is_found_by_path_by_folder_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(InputError, match=r"Hi-ToM_data.json is not there .* get it from https://\S+, then"):
        find("", hitom.PLACE)
    (tmp_path / "hitom").mkdir()
    path = minds_sets.hitom(tmp_path / "hitom")
    assert find(str(path), hitom.PLACE) == find(str(path.parent), hitom.PLACE) == path
    monkeypatch.setenv(DATA, str(tmp_path))
    assert find("", hitom.PLACE) == find("hitom", hitom.PLACE) == path
    with pytest.raises(InputError, match="nowhere"):
        find("nowhere", hitom.PLACE)


# The published files, where they are at hand.


@pytest.mark.parametrize(
    ("module", "cases", "questions", "clusters"),
    [(hitom, 120, 600, 120), (tomi, 600, 600, 529), (bigtom, 249, 249, 95), (twinvoice, 1187, 1187, 49)],
)
def test_the_published_files_are_read_whole(
    her_data: Path, module: Any, cases: int, questions: int, clusters: int
) -> None:
    found = module.load(find(os.path.join(her_data, module.PLACE.folder), module.PLACE))
    assert len(found) == cases
    assert sum(len(case.questions) for case in found) == questions
    assert len({case.cluster for case in found}) == clusters
    assert len({case.id for case in found}) == cases


def test_the_published_lines_of_twinvoice_are_not_given_away_by_the_past(her_data: Path) -> None:
    cases = twinvoice.load(her_data / "twinvoice" / "dim3_choices.jsonl")
    marks = Counter(mark for case in cases for mark in case.questions[0].marks)
    assert marks == {"given-away": 57, "without-past": 53}
    assert max(case.more["past"] for case in cases) == twinvoice.MOST_LINES
