"""The folder of a run of `her synth`, as far as it has come: what stands where, and what is not there yet.

Knows names of files. Refuses to know what is made of them (`reports`), and how they come to be (`pipeline`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from her.errors import InputError, StorageError
from her.rows.files import read_rows
from her.rows.record import SceneRow
from her.rows.report import Quarantined, Report
from her.synth.options import STAGES


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run of `her synth`, as far as it has come."""

    path: Path

    def __post_init__(self) -> None:
        """Raises InputError for a folder that no run has made."""
        if not any(self.path.joinpath(stage).is_dir() for stage in STAGES):
            stages = ", ".join(STAGES)
            raise InputError(f"{self.path}: no run of `her synth` is here; name a folder that holds some of: {stages}")

    @property
    def options(self) -> dict[str, Any]:
        """What `run.json` holds; empty without it."""
        return self._json("run.json")

    @property
    def samples(self) -> dict[str, Any]:
        """The report of the samples; empty without it."""
        return self._json("samples/report.json")

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports of the stages from rows to rows, in order, of those that have one."""
        found = ((stage, self._json(f"{stage}/report.json")) for stage in STAGES[:-1])
        return tuple(self._report(stage, fields) for stage, fields in found if fields)

    @property
    def last(self) -> str | None:
        """The last stage that has made scenes; None for none."""
        made = [stage for stage in STAGES[:-1] if self.path.joinpath(stage, "rows.jsonl").is_file()]
        return made[-1] if made else None

    def rows(self) -> Iterator[SceneRow]:
        """The scenes of the last stage, read one by one."""
        if self.last is not None:
            yield from read_rows(self.path / self.last / "rows.jsonl", SceneRow)

    def lost(self) -> Iterator[Quarantined]:
        """The rows that were dropped, stage by stage, read one by one."""
        for stage in STAGES[:-1]:
            path = self.path / stage / "dropped.jsonl"
            if path.is_file():
                yield from read_rows(path, Quarantined)

    def _report(self, stage: str, fields: dict[str, Any]) -> Report:
        try:
            return Report.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            place = self.path / stage / "report.json"
            raise InputError(f"{place}: {where}: {first['msg']}; run the stage again") from None

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error}); run the stage again") from error
        if not isinstance(found, dict):
            raise InputError(f"{path}: holds no object; run the stage again")
        return found
