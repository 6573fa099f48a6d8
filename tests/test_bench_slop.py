"""Slop: rates by lists, a place among others only where there are others, and nothing of what is only thought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from her.bench.figures import Unscored, Why
from her.bench.slop.measure import BIGRAMS, BOARD, FIGURES, TRIGRAMS, WORDS, load, measure, slop_score
from her.bench.slop.texts import load as load_texts
from her.bench.slop.texts import visible
from her.errors import InputError
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END

POOL = [(2.0, 0.0, 0.0), (12.0, 1.0, 4.0)]


def lists(folder: Path, board: bool = True) -> Path:
    for name, rows in {
        WORDS: [["gleam"], ["velvet"]],
        BIGRAMS: [["deep breath"]],
        TRIGRAMS: [["took deep breath"]],
    }.items():
        (folder / name).write_text(json.dumps(rows), encoding="utf-8")
    if board:
        keys = ("slop_list_matches_per_1k_words", "not_x_but_y_per_1k_chars", "slop_trigram_matches_per_1k_words")
        results = [{"model": "m", "metrics": dict(zip(keys, values, strict=True))} for values in POOL]
        (folder / BOARD).write_text(json.dumps({"results": results}), encoding="utf-8")
    return folder


TEXT = "She took a deep breath. It was not fear, but hope. " + "plain " * 38 + "velvet"
"""Fifty words: one of the list, one pair, one triple, one contrast."""


def test_rates_are_per_thousand_words_and_contrasts_per_thousand_characters(tmp_path: Path) -> None:
    values = measure(TEXT, load(str(lists(tmp_path))))
    assert list(values) == [figure.name for figure in FIGURES]
    assert values["words"] == 50
    assert (values["slop-words"], values["slop-bigrams"], values["slop-trigrams"]) == (20.0, 20.0, 20.0)
    assert values["contrast"] == pytest.approx(1000 / len(TEXT))


def test_a_score_is_a_weighted_place_between_the_ends_of_the_leaderboard(tmp_path: Path) -> None:
    known = load(str(lists(tmp_path)))
    assert slop_score({"slop-words": 7.0, "contrast": 0.5, "slop-trigrams": 1.0}, known) == pytest.approx(
        100 * (0.6 * 0.5 + 0.25 * 0.5 + 0.15 * 0.25)
    )
    assert slop_score({"slop-words": 99.0, "contrast": 9.0, "slop-trigrams": 9.0}, known) == pytest.approx(100)
    assert slop_score({"slop-words": 0.0, "contrast": 0.0, "slop-trigrams": 0.0}, known) == 0


def test_without_a_leaderboard_there_are_rates_and_no_score(tmp_path: Path) -> None:
    values = measure(TEXT, load(str(lists(tmp_path, board=False))))
    assert values["slop-words"] == 20.0
    assert isinstance(values["slop-score"], Unscored)
    assert values["slop-score"].why is Why.ABSENT


@pytest.mark.parametrize("text", ["", " \n", "…!", "\x00"])
def test_a_text_without_words_has_no_rate(tmp_path: Path, text: str) -> None:
    values = measure(text, load(str(lists(tmp_path))))
    assert {value.why for value in values.values() if isinstance(value, Unscored)} == {Why.EMPTY}
    assert all(isinstance(value, Unscored) for value in values.values())


def test_a_language_without_patterns_has_no_contrast_and_no_score(tmp_path: Path) -> None:
    values = measure(TEXT, load(str(lists(tmp_path))), "fi")
    assert [name for name, value in values.items() if isinstance(value, Unscored)] == ["contrast", "slop-score"]


@given(st.text(max_size=200))
def test_whatever_the_text_every_figure_is_a_number_or_a_reason(text: str) -> None:
    known = load(str(_lists()))
    for value in measure(text, known).values():
        assert isinstance(value, Unscored) or value >= 0


_KEPT: list[Path] = []


def _lists() -> Path:
    import tempfile

    if not _KEPT:
        _KEPT.append(lists(Path(tempfile.mkdtemp())))
    return _KEPT[0]


def test_plans_and_thoughts_are_not_measured(tmp_path: Path) -> None:
    text = f"{PLAN}velvet{PLAN_END}{THOUGHT}gleam{THOUGHT_END}{ACTION}nods{ACTION_END}Good evening."
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"text": text, "cluster": "book"}) + "\n", encoding="utf-8")
    (one,) = load_texts(path)
    assert (one.id, one.cluster, one.text) == ("text-0001", "book", "nods\nGood evening.")
    assert visible([{"speaker": "Ann", "text": f"{PLAN}an open plan"}]) == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (WORDS, [], "a list of phrases should stand here"),
        (TRIGRAMS, [["a"], "b"], "row 2: is no list of texts"),
        (BOARD, {"results": [{"metrics": {}}]}, "result 1, metrics: 'slop_list_matches_per_1k_words' is no number"),
        (BOARD, [], "a list of rows should stand here"),
    ],
)
def test_a_bad_list_is_told_by_file_and_row(tmp_path: Path, name: str, content: Any, message: str) -> None:
    (lists(tmp_path) / name).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load(str(tmp_path))
    assert name in str(caught.value)


def test_a_folder_without_a_list_is_told_what_is_missing(tmp_path: Path) -> None:
    (lists(tmp_path) / BIGRAMS).unlink()
    with pytest.raises(InputError, match=f"{BIGRAMS} is not there; get it from"):
        load(str(tmp_path))


def test_a_novel_of_1813_has_little_slop_by_the_published_lists(her_data: Path) -> None:
    known = load(str(her_data / "slop_score"))
    text = (her_data / "books" / "pride_and_prejudice.txt").read_text(encoding="utf-8")[:100_000]
    values = measure(text, known)
    assert known.models == 23
    assert isinstance(values["slop-words"], float)
    assert values["slop-words"] < 4
    assert isinstance(values["slop-score"], float)
    assert values["slop-score"] < 10
