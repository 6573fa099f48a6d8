"""Judge output that somebody stored, scored again: the evaluation files of CoSER's release (`exp/evaluation`).

Knows that shape, and what each preset makes of a severity that is no whole number. Refuses to judge anything, and to
make a number of what cannot be read.

Rules of severity, of a flaw's `severity`:
- `coser`: missing or null is 1; a whole number counts as it is (true is 1, as in Python), 7 too; all else is left out.
- `her`: any number counts as it is; all else, missing too, is left out.
- `strict`: each is a whole number from 1 to 5, or the dimension is unscored.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.bench.coser.dimensions import AVERAGE, DIMENSIONS, SEVEREST, average, points
from her.bench.coser.presets import SeverityRule
from her.bench.figures import Unscored, Value, Why
from her.errors import HerError, InputError
from her.rows.decode import BrokenJson, NoJson, decode
from her.turn import ENVIRONMENT

TOLERANCE = 1e-9
_NOBODY = {"NSP", ENVIRONMENT}
_STORED = {"score": AVERAGE, "avg": AVERAGE, "rouge_l": "rouge-l", "bleu": "bleu"}
_NAMES = {one.title: one.name for one in DIMENSIONS} | _STORED


@dataclass(frozen=True, slots=True)
class RescoreOptions:
    """How stored flaws are read. `upper_cap` 100 is that of the release's code today; the paper's had none (None)."""

    severity: SeverityRule = "coser"
    upper_cap: float | None = 100.0


@dataclass(frozen=True, slots=True)
class Differs:
    """A number that the file has and that comes out otherwise; `place` is a case, or `all` for the means."""

    place: str
    figure: str
    stored: float
    computed: Value


@dataclass(frozen=True, slots=True)
class RescoredCase:
    """A case scored again. `values` are the dimensions and the average, and BLEU and ROUGE-L as the file has them."""

    id: str
    turns: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Rescored:
    """A file scored again: its cases, the means over those that have a value, and where the file says otherwise."""

    cases: tuple[RescoredCase, ...]
    means: Mapping[str, Value]
    differs: tuple[Differs, ...]
    options: RescoreOptions

    @property
    def unscored(self) -> int:
        """Cases without an average."""
        return sum(isinstance(case.values[AVERAGE], Unscored) for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        """All of it, a value that is missing as its reason."""
        return {
            "cases": {one.id: {"turns": one.turns, **_told(one.values)} for one in self.cases},
            "means": _told(self.means),
            "unscored": self.unscored,
            "differs": [{**asdict(one), "computed": _value(one.computed)} for one in self.differs],
            "options": asdict(self.options),
        }


def rescore(path: str | os.PathLike[str], options: RescoreOptions | None = None) -> Rescored:
    """The file's scores, made anew of its flaws and of the turns that are stored beside them.

    A case or dimension that cannot be read is Unscored and leaves the others alone. Raises InputError for a file that
    is no such file.
    """
    options = options or RescoreOptions()
    data = _load(Path(path))
    stored = {str(id): one if isinstance(one, dict) else {} for id, one in data["cases"].items()}
    cases = tuple(_case(id, one, options) for id, one in stored.items())
    means = _means(cases)
    differs = [found for case in cases for found in _against(case.id, _scores(stored[case.id]), case.values)]
    differs += _against("all", data.get("scores"), means)
    return Rescored(cases, means, tuple(differs), options)


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON, or only a part of it ({error}); is the file whole?") from error
    if not isinstance(data, dict) or not isinstance(data.get("cases"), dict):
        raise InputError(f"{path}: no stored judge output: an object with `cases` is wanted, as CoSER writes it")
    return data


def _case(id: str, stored: Mapping[str, Any], options: RescoreOptions) -> RescoredCase:
    turns, critique = stored.get("simulation"), stored.get("critique")
    values: dict[str, Value] = {}
    counted = _turns(turns)
    for one in DIMENSIONS:
        if counted is None:
            values[one.name] = Unscored(Why.UNREADABLE, "the simulation is not stored, so its turns are not known")
        elif not isinstance(critique, dict) or one.title not in critique:
            values[one.name] = Unscored(Why.NO_JUDGE, f"nothing is stored of a judge on {one.title}")
        else:
            found = _severities(critique[one.title], one.title, options.severity)
            values[one.name] = found if isinstance(found, Unscored) else points(found, counted, options.upper_cap)
    values[AVERAGE] = average(values)
    for theirs in ("bleu", "rouge_l"):
        number = _number(critique.get(theirs)) if isinstance(critique, dict) else None
        values[_STORED[theirs]] = Unscored(Why.ABSENT, "none is stored") if number is None else number
    return RescoredCase(id, counted or 0, values)


def _turns(turns: Any) -> int | None:
    """Messages whose role is neither the world nor the choice of a speaker; None where they are not to be had."""
    if not isinstance(turns, list) or not all(isinstance(one, dict) and "role" in one for one in turns):
        return None
    return sum(one["role"] not in _NOBODY for one in turns)


def _severities(found: Any, title: str, rule: SeverityRule) -> list[float] | Unscored:
    if isinstance(found, str):
        try:
            found = decode(found, {"type": "object"})
        except (NoJson, BrokenJson) as error:
            return Unscored(Why.UNREADABLE, str(error))
    if isinstance(found, dict) and isinstance(found.get(title), dict):
        found = found[title]
    flaws = found.get("flaws") if isinstance(found, dict) else None
    if not isinstance(flaws, list) or not all(isinstance(one, dict) for one in flaws):
        return Unscored(Why.UNREADABLE, f"there is no list of flaws for {title}")
    try:
        counted = [_RULES[rule](one.get("severity")) for one in flaws]
    except _NoSeverity as error:
        return Unscored(Why.UNREADABLE, str(error))
    return [one for one in counted if one is not None]


class _NoSeverity(HerError):
    """A severity that the strict rule does not read."""


def _coser(severity: Any) -> float | None:
    if severity is None:
        return 1
    return int(severity) if isinstance(severity, int) else None


def _her(severity: Any) -> float | None:
    return severity if isinstance(severity, int | float) and math.isfinite(severity) else None


def _strict(severity: Any) -> float | None:
    if isinstance(severity, bool) or not isinstance(severity, int) or not 1 <= severity <= SEVEREST:
        raise _NoSeverity(f"a severity is a whole number from 1 to {SEVEREST}, not {severity!r}")
    return severity


_RULES: dict[SeverityRule, Callable[[Any], float | None]] = {"coser": _coser, "her": _her, "strict": _strict}


def _means(cases: tuple[RescoredCase, ...]) -> dict[str, Value]:
    """Each figure's mean over the cases that have it; the average is that of the dimensions' means."""
    means: dict[str, Value] = {}
    for name in (*(one.name for one in DIMENSIONS), "bleu", "rouge-l"):
        found = [value for case in cases if not isinstance(value := case.values[name], Unscored)]
        means[name] = math.fsum(found) / len(found) if found else Unscored(Why.UNDEFINED, "no case has a value")
    return {**means, AVERAGE: average(means)}


def _scores(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that the file has of a case."""
    critique = stored.get("critique")
    parts = critique if isinstance(critique, dict) else {}
    told = {one.title: parts[one.title].get("score") for one in DIMENSIONS if isinstance(parts.get(one.title), dict)}
    return {**told, "score": stored.get("score")}


def _against(place: str, stored: Any, values: Mapping[str, Value]) -> list[Differs]:
    if not isinstance(stored, dict):
        return []
    numbers = {
        _NAMES[name]: number for name, one in stored.items() if name in _NAMES and (number := _number(one)) is not None
    }
    return [
        Differs(place, name, number, values[name])
        for name, number in numbers.items()
        if isinstance(computed := values[name], Unscored) or abs(computed - number) > TOLERANCE
    ]


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) else None


def _told(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: Value) -> Any:
    return {"why": value.why.value, "detail": value.detail} if isinstance(value, Unscored) else value
