"""The wordings of breakers and neutral edits, by language, as they stand in `wordings/`.

Knows TOML and which fields a wording wants filled. Refuses to know what a wording breaks.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Formatter
from typing import Any


@cache
def wordings(language: str) -> Mapping[str, Any]:
    """All wordings of a language, by family and key; empty where there are none."""
    file = files("her.judge.breakers").joinpath("wordings", f"{language}.toml")
    return tomllib.loads(file.read_text("utf-8")) if language.isalpha() and file.is_file() else {}


@cache
def eras(key: str = "years") -> Mapping[str, int]:
    """The year in which the story of a book plays, by the book's slug; of invented ages the one they are like.

    Under `modern` stand worlds in which the things of a year are at home, whatever their own may be.
    """
    file = files("her.judge.breakers").joinpath("wordings", "eras.toml")
    return {name: int(year) for name, year in tomllib.loads(file.read_text("utf-8"))[key].items()}


def lines(language: str, family: str, key: str) -> Sequence[str]:
    """The wordings of a family under a key; none where the language has none."""
    held = wordings(language).get(family, {}).get(key, ())
    return tuple(held) if isinstance(held, list) else ()


def fields(line: str) -> set[str]:
    """The names of the gaps in a wording."""
    return {name for _, name, _, _ in Formatter().parse(line) if name}


def pick(language: str, family: str, key: str, rng: Random, fill: Mapping[str, str | None]) -> tuple[str, str] | None:
    """One wording with its gaps filled, and its name, such as `speech-3`; None where none can be filled.

    A gap whose filling is None or empty keeps its wording out.
    """
    known = {name: value for name, value in fill.items() if value}
    fit = [(n, line) for n, line in enumerate(lines(language, family, key), 1) if fields(line) <= known.keys()]
    if not fit:
        return None
    number, line = rng.choice(fit)
    return f"{key}-{number}", line.format(**known)
