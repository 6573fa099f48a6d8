"""The JSON in what models say: whatever is around it, and never a part of it for the whole."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.rows.decode import BrokenJson, NoJson, decode

OBJECT, ARRAY, ANY = {"type": "object"}, {"type": "array"}, dict[str, str]()

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, min_size=1, max_size=4)
PROSE = st.text(st.characters(exclude_characters="{["), max_size=60)


@given(OBJECTS, PROSE, PROSE, st.sampled_from([None, 1]), st.booleans())
def test_an_object_is_found_in_any_words(value: Any, before: str, after: str, indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    before = before.replace("</think>", "")
    if "</think>" not in text + after:
        assert decode(f"{before}{text}{after}", OBJECT) == value
        assert decode(f"{before}\n```json\n{text}\n```\n{after}", OBJECT) == value


@given(OBJECTS, st.data())
def test_no_part_of_an_object_that_was_cut_short_is_taken_for_it(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    for schema in (OBJECT, ARRAY, ANY):
        with pytest.raises((NoJson, BrokenJson)):
            decode(cut, schema)


@given(st.text() | st.text(alphabet='{}[]"\\,:1n \n'))
def test_nothing_that_a_model_says_breaks_it(text: str) -> None:
    try:
        value = decode(text, OBJECT)
    except (NoJson, BrokenJson) as error:
        assert str(error)
    else:
        assert isinstance(value, dict | list)


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ('{"a": 1}', OBJECT, {"a": 1}),
        ('As noted [1], it is {"a": 1}.', OBJECT, {"a": 1}),
        ('Of {these} and [those]: {"a": 1} {"a": 2}', OBJECT, {"a": 1}),
        ('{"note": "x"} then [1, 2]', ARRAY, [1, 2]),
        ('[{"a": 1}, {"a": 2}]', OBJECT, [{"a": 1}, {"a": 2}]),
        ('{"a": "}] {\\"b\\": 1}"}', OBJECT, {"a": '}] {"b": 1}'}),
        ("{} []", ARRAY, []),
        ('<think>Maybe {"a": 0}?</think>{"a": 1}', OBJECT, {"a": 1}),
        ('{"a": [1, 2}, or rather {"a": 3}', ANY, None),
        ('{"a": "\\ud83d\\ude00"}', OBJECT, {"a": "\U0001f600"}),
    ],
)
def test_which_value_is_taken(text: str, schema: dict[str, str], value: Any) -> None:
    if value is None:
        with pytest.raises(BrokenJson):
            decode(text, schema)
    else:
        assert decode(text, schema) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1 "b": {"c": 1}}', "line 1, column 9"),
        ('{"a": {"b": 1}', "before its last bracket is closed"),
        ('{"a": "x', "before its last bracket is closed"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": "line\nline"}', "control character"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "too deeply"),
        ("{'a': 1}", None),
        ("I would rather not.", None),
        ("", None),
        ("<html><style>p { margin: 0 }</style></html>", None),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str | None) -> None:
    with pytest.raises(NoJson if told is None else BrokenJson, match=None if told is None else f"(?i){told}"):
        decode(text, OBJECT)


@pytest.mark.parametrize("text", ['{"a": "' + '\\"' * 200_000, '{"' * 200_000, "[1] " * 100_000, "[" * 200_000])
def test_long_texts_of_quotes_and_brackets_are_read_once(text: str) -> None:
    began = time.perf_counter()
    with contextlib.suppress(NoJson, BrokenJson):
        decode(text, OBJECT)
    assert time.perf_counter() - began < 5, "time grows with the square of the length"
