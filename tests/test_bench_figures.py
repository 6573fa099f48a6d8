"""Figures of a benchmark: a number or a reason, intervals over clusters, a sheet that survives a log."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from her.bench.figures import Figure, Sheet, Unscored, Why, between, score

NAMES = st.text("abcdef-", min_size=1, max_size=8)
VALUES = st.one_of(
    st.floats(-100, 100, allow_nan=False), st.builds(Unscored, st.sampled_from(list(Why)), st.text(max_size=20))
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_every_figure_is_a_number_or_has_a_reason_and_never_both(values: dict[str, float | Unscored]) -> None:
    made = score(values, cluster="book", more={"curve": {"a": [1.0]}})
    assert isinstance(made.value, dict)
    assert made.metadata is not None
    reasons = made.metadata["unscored"]
    for name, value in values.items():
        assert math.isnan(made.value[name]) == isinstance(value, Unscored) == (name in reasons)
        if isinstance(value, Unscored):
            assert reasons[name] == {"why": value.why, "detail": value.detail}
    assert set(made.value) == set(values)
    assert made.metadata["curve"] == {"a": [1.0]}
    json.dumps(made.metadata)


def test_what_a_task_adds_cannot_overwrite_reasons() -> None:
    made = score({"a": Unscored(Why.EMPTY)}, cluster="book", more={"unscored": {}, "cluster": "another"})
    assert made.metadata is not None
    assert made.metadata["unscored"]["a"]["why"] == "empty"
    assert made.metadata["cluster"] == "book"
    assert made.reason == "empty"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Unscored"):
        score({"a": value}, cluster="x")


def test_cases_of_one_book_count_as_one_draw() -> None:
    rng = random.Random(0)
    books = {f"book {at}": rng.random() for at in range(12)}
    alike = [(value, book) for book, value in books.items() for _ in range(10)]
    apart = [(value, f"{book} {at}") for at, (value, book) in enumerate(alike)]
    one, other = between(alike), between(apart)
    assert one is not None
    assert other is not None
    assert one[1] - one[0] > 2 * (other[1] - other[0])


def test_an_interval_does_not_depend_on_the_order_and_there_is_none_for_few() -> None:
    values = [(float(at % 3), f"book {at % 8}") for at in range(40)]
    assert between(values) == between(values[::-1])
    assert between(values[:3]) is None
    assert between([]) is None


def test_a_sheet_survives_its_way_through_a_log() -> None:
    sheet = Sheet("coser", "her", (Figure("a", "A", "lower", "points", headline=True),), {"rounds": 20}, ("judge",))
    assert Sheet.of(json.loads(json.dumps(sheet.metadata()))) == sheet
    with pytest.raises(TypeError):
        Sheet.of({"her": None})
