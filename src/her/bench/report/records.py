"""What a log tells of a run, as plain records.

Knows runs, who played which part, and cases with their values. Refuses to know how a log is written (`logs`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from her.bench.figures import Figure, Sheet, Value

ACTOR = "actor"
"""The part whose player a benchmark measures; all other parts are conditions of the measurement."""
FINISHED = "success"
"""Inspect's word for a run that came to its end."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Who played a part: Inspect's name of the model, HER's address of it, a hash where the provider told one, and
    how it was asked where that was said."""

    name: str
    address: str
    sha: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a case's dialogue, as written with all its layers; `given`: it was not the model's own."""

    speaker: str
    text: str
    id: str = ""
    given: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One case in one epoch.

    `values` has every figure of the sheet, `curve` values by turn with None for a gap. `error` is empty unless the
    sample broke. `asked`, `target`, `answer` and `explanation` are texts, empty where there are none.
    """

    id: str
    epoch: int
    cluster: str
    values: Mapping[str, Value]
    curve: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    dialogue: tuple[Said, ...] = ()
    asked: str = ""
    target: str = ""
    answer: str = ""
    explanation: str = ""
    error: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """What makes it the same case in another run: its id, and the epoch, which takes part in every seed."""
        return self.id, self.epoch


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a benchmark. `planned` and `cases` count a case once an epoch; `status` is Inspect's word."""

    log: str
    id: str
    task: str
    created: str
    sheet: Sheet
    seats: Mapping[str, Seat]
    planned: int
    cases: tuple[Case, ...]
    status: str = FINISHED
    error: str = ""
    epochs: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of each model: tokens asked and answered."""

    @property
    def actor(self) -> Seat:
        """Whom the run measures."""
        return self.seats[ACTOR]

    @property
    def done(self) -> int:
        """Cases that did not break."""
        return sum(not case.error for case in self.cases)

    @property
    def whole(self) -> bool:
        """Whether the run came to its end and every planned case with it."""
        return self.status == FINISHED and self.done == self.planned

    def figure(self, name: str) -> Figure:
        """The sheet's figure of this name. Raises KeyError."""
        return {figure.name: figure for figure in self.sheet.figures}[name]

    def conditions(self) -> dict[str, str]:
        """All that a number depends on besides the actor: a name and a text each, equal where the conditions are."""
        found = {"benchmark": self.sheet.benchmark, "preset": self.sheet.preset}
        found |= {f"setting {name}": written(value) for name, value in sorted(self.sheet.settings.items())}
        found["roles that judge"] = ", ".join(sorted(self.sheet.judges))
        for part, seat in sorted(self.seats.items()):
            if part != ACTOR:
                asked = f" {written(seat.settings)}" if seat.settings else ""
                found[part] = f"{seat.address}{f' {seat.sha}' if seat.sha else ''}{asked}"
        return found


def written(value: object) -> str:
    """A setting as a text that is the same for the same value."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
