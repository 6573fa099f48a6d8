"""The JSON in what a model said: decoded strictly, found leniently.

Knows JSON and what models put around it. Refuses to know what the value should say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from her.errors import HerError

_OPENER = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*[\"\[{\]\d\-tfn])")
"""Where JSON may begin; a bracket in prose mostly does not look like this."""
_MARK = re.compile(r"\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|[\[\]{}]", re.DOTALL)
"""A string, or a bracket outside of strings; a string that never ends reaches to the end of the text."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS: dict[object, type] = {"object": dict, "array": list}
_THOUGHT_END = "</think>"
"""Where reasoning models end what is not their answer, when their server leaves it in."""


class NoJson(HerError):
    """Nothing in the text begins like JSON."""


class BrokenJson(HerError):
    """There is JSON in the text, but it breaks the rules or never ends; the message says where."""


def decode(text: str, schema: Mapping[str, Any]) -> Any:
    """The first whole JSON value of the schema's kind (object or array); where there is none, the first of the other.

    Words and fences around it are passed over, and so is reasoning before it. A value inside one that is broken or
    cut short is never taken for the answer. Raises NoJson and BrokenJson.
    """
    text = text.rpartition(_THOUGHT_END)[2]
    kind = _KINDS.get(schema.get("type"), object)
    others: list[Any] = []
    fault = ""
    at = 0
    while opener := _OPENER.search(text, at):
        try:
            value, at = _STRICT.raw_decode(text, opener.start())
            if _SURROGATE.search(text, opener.start(), at):
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            at = _end(text, opener.start())
            fault = fault or _told(error, closed=at > 0)
            if not at:
                break
            continue
        if isinstance(value, kind):
            return value
        others.append(value)
    if fault:
        raise BrokenJson(fault)
    if others:
        return others[0]
    raise NoJson("there is no JSON in it")


def _end(text: str, start: int) -> int:
    """Where the bracket at `start` is closed; 0 where it never is."""
    depth = 0
    for mark in _MARK.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.end()
    return 0


def _told(error: ValueError | RecursionError, *, closed: bool) -> str:
    if not closed:
        return "the JSON ends before its last bracket is closed"
    if isinstance(error, json.JSONDecodeError):
        return f"the JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}"
    if isinstance(error, UnicodeEncodeError):
        return "the JSON holds half a character (a lone surrogate)"
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    return f"the JSON is broken: {error}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names stand once each: of two values one would be lost unseen."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} stands twice in it")
    return made


def _never(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_never)
