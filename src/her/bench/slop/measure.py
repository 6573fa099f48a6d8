"""Slop: how often a text says what every model says, by published lists, and how often it says "not this but that".

Knows rates, and how the leaderboard of Slop-Score makes one number of them. Refuses that number without the
leaderboard: it says where a text stands among others, and without others there is nothing to stand among.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from her.bench.figures import Figure, Unscored, Value, Why
from her.bench.minds.source import Place, Row, find, json_of, rows_of
from her.checks.slop import PER, contrast_rate, phrase_rate
from her.checks.units import units
from her.errors import InputError

PLACE = Place("slop_score", "slop_list.json", "https://github.com/sam-paech/slop-score")
WORDS, BIGRAMS, TRIGRAMS = "slop_list.json", "slop_list_bigrams.json", "slop_list_trigrams.json"
BOARD = "leaderboard_results.json"
WEIGHTS = {"slop-words": 0.60, "contrast": 0.25, "slop-trigrams": 0.15}
"""Slop-Score's weights of its three parts."""
_ON_BOARD = {
    "slop-words": "slop_list_matches_per_1k_words",
    "contrast": "not_x_but_y_per_1k_chars",
    "slop-trigrams": "slop_trigram_matches_per_1k_words",
}
FIGURES = (
    Figure("slop-words", "slop words in 1000 words", better="lower", unit="count", headline=True),
    Figure("slop-bigrams", "slop word pairs in 1000 words", better="lower", unit="count"),
    Figure("slop-trigrams", "slop word triples in 1000 words", better="lower", unit="count", headline=True),
    Figure("contrast", "'not this but that' in 1000 characters", better="lower", unit="count", headline=True),
    Figure("slop-score", "place among the models of the leaderboard, 0 the least slop", better="lower", unit="points"),
    Figure("words", "words", better="neither", unit="count"),
)
SMALL = frozenset(
    units(
        "a an and are as at be been but by d did didn't do for from had has have he her hers him his i if in into is "
        "it its just ll m me my n't no not of on or our out over re s she so t than that the their them then there "
        "they this to too up ve was we were what when which who will with would you your yours couldn't can't don't "
        "wasn't"
    )
)
"""Words left out before pairs and triples are sought: the published lists were made without stop words."""
Phrases = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """The published lists, and of each part of the score the lowest and highest of the leaderboard, if it is there."""

    words: Phrases
    bigrams: Phrases
    trigrams: Phrases
    board: Mapping[str, tuple[float, float]] | None = None
    models: int = 0


def load(path: str) -> Lists:
    """The lists of a folder; without the leaderboard's file there is no score. Raises InputError and StorageError."""
    folder = find(path, PLACE).parent
    for name in (BIGRAMS, TRIGRAMS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is not there; get it from {PLACE.home}, and put it beside {WORDS}")
    words, bigrams, trigrams = (_phrases(folder / name) for name in (WORDS, BIGRAMS, TRIGRAMS))
    board, models = read_board(folder / BOARD) if (folder / BOARD).is_file() else (None, 0)
    return Lists(words, bigrams, trigrams, board, models)


def read_board(path: Path) -> tuple[dict[str, tuple[float, float]], int]:
    """The ends of each part over a leaderboard's models, and how many there are. Raises InputError."""
    data = json_of(path)
    rows = rows_of(path, data.get("results") if isinstance(data, dict) else None, "result")
    found: dict[str, list[float]] = {name: [] for name in _ON_BOARD}
    for row in rows:
        figures = row.row("metrics")
        for name, key in _ON_BOARD.items():
            found[name].append(_number(figures, key))
    return {name: (min(values), max(values)) for name, values in found.items()}, len(rows)


def measure(text: str, lists: Lists, language: str = "en") -> dict[str, Value]:
    """The figures of a text; all Unscored for one without words."""
    words = units(text)
    if not words:
        return {figure.name: Unscored(Why.EMPTY, "a text without words") for figure in FIGURES}
    contrast = contrast_rate(text, language)
    values: dict[str, Value] = {
        "slop-words": _rate(text, lists.words),
        "slop-bigrams": _rate(text, lists.bigrams, SMALL),
        "slop-trigrams": _rate(text, lists.trigrams, SMALL),
        # A rate in words, as ours is, told in characters, as the leaderboard's is.
        "contrast": contrast * len(words) / len(text)
        if contrast is not None
        else Unscored(Why.ABSENT, f"no patterns for {language!r}"),
    }
    return {**values, "slop-score": slop_score(values, lists), "words": float(len(words))}


def slop_score(values: Mapping[str, Value], lists: Lists) -> Value:
    """0 to 100: each part between the leaderboard's lowest and highest, held within them, weighted by WEIGHTS."""
    if lists.board is None:
        return Unscored(Why.ABSENT, f"takes {BOARD} beside the lists")
    total = 0.0
    for name, weight in WEIGHTS.items():
        value, (low, high) = values[name], lists.board[name]
        if isinstance(value, Unscored):
            return value
        total += weight * (min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0)
    return 100 * total


def _rate(text: str, phrases: Phrases, skip: frozenset[str] = frozenset()) -> Value:
    rate = phrase_rate(text, phrases, skip=skip)
    return rate if rate is not None else Unscored(Why.EMPTY, f"no words, of which rates are per {PER}")


def _phrases(path: Path) -> Phrases:
    rows = json_of(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: a list of phrases should stand here; fetch the file again")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or not row or not all(isinstance(one, str) for one in row):
            raise InputError(f"{path}, row {number}: is no list of texts; mend the row, or fetch the file again")
    return tuple(tuple(row) for row in rows)


def _number(row: Row, name: str) -> float:
    value = row.fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        row.wrong(name, "is no number")
    return float(value)
