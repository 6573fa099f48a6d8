"""Inspect's logs, read into records.

Knows where a log keeps what. Refuses to guess: a value that is not there stays away with its reason, and a log that is
not one of HER's benchmarks is no run.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from inspect_ai.log import EvalLog, EvalSample, list_eval_logs, read_eval_log
from inspect_ai.model import GenerateConfig

from her.bench.figures import KEY, Sheet, Unscored, Value, Why
from her.bench.provider import NAME
from her.bench.report.records import ACTOR, Case, Run, Said, Seat
from her.errors import InputError, StorageError

_UNREAD = {"events", "events_data", "timelines", "messages", "attachments"}
"""Parts of a sample that the report does not show; most of a log's bytes are in them."""
_HASHES = ("sha256", "sha", "weights", "revision")
"""Arguments of a model by which its provider may have told which weights they were."""
_UNSHOWN = {"extra_body", "extra_headers", "max_connections", "max_retries", "timeout", "attempt_timeout", "cache"}
"""Settings of a call that no answer depends on, and what may hold a key."""


@dataclass(frozen=True, slots=True)
class Read:
    """The runs, oldest first, and a sentence for each log that was left out."""

    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()


def read(places: Iterable[Path | str]) -> Read:
    """The runs in these logs and folders of logs (looked through to the bottom).

    A run that was begun again has one log for each time; the last one holds all, and the others are left out. In a
    folder, logs of other benchmarks and damaged ones are left out too, which the notes tell.
    Raises InputError for a place that is not there or holds no run, and for a file that is not a run of HER's.
    """
    runs: dict[str, Run] = {}
    notes: list[str] = []
    for place in map(Path, places):
        if not place.exists():
            raise InputError(f"{place} is not there; name a log that Inspect has written, or a folder of them")
        for path in _logs(place):
            try:
                found = read_log(path)
            except (InputError, StorageError) as error:
                if place.is_dir():
                    notes.append(f"Left out: {error}.")
                    continue
                raise
            _keep(runs, found, notes)
    if not runs:
        more = f" ({' '.join(notes)})" if notes else ""
        raise InputError(f"no run of a benchmark was found{more}; name logs that `her bench run` has written")
    return Read(tuple(sorted(runs.values(), key=lambda run: (run.created, run.log))), tuple(notes))


def read_log(path: Path) -> Run:
    """The run that one log tells of, whole or not.

    Raises InputError for a log of something else, StorageError for one that is damaged.
    """
    try:
        log = read_eval_log(str(path), exclude_fields=_UNREAD)
    except (OSError, ValueError, LookupError, BadZipFile, zlib.error) as error:
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        raise StorageError(f"{path} cannot be read as a log ({told}); restore it, or run again") from error
    metadata = log.eval.metadata or {}
    if KEY not in metadata:
        raise InputError(f"{path} is a log of {log.eval.task!r}, which is not one of HER's benchmarks")
    sheet = _sheet(metadata, path)
    epochs = log.eval.config.epochs or 1
    ids = log.eval.dataset.sample_ids
    planned = len(ids) if ids is not None else log.eval.dataset.samples or 0
    return Run(
        log=str(path),
        id=log.eval.task_id or log.eval.eval_id or str(path),
        task=log.eval.task_registry_name or log.eval.task,
        created=str(log.eval.created),
        sheet=sheet,
        seats=_seats(log),
        planned=planned * epochs,
        cases=tuple(_cases(log, sheet)),
        status=log.status,
        error=log.error.message if log.error else "",
        epochs=epochs,
        versions={**log.eval.packages, **({"revision": log.eval.revision.commit} if log.eval.revision else {})},
        tokens={name: (used.input_tokens, used.output_tokens) for name, used in log.stats.model_usage.items()},
    )


def _logs(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    for info in sorted(list_eval_logs(str(place.absolute())), key=lambda info: info.name):
        yield place / Path(info.name.removeprefix("file://")).relative_to(place.absolute())


def _keep(runs: dict[str, Run], found: Run, notes: list[str]) -> None:
    """Of several logs of one run the last begun stays: Inspect takes what was done over into it."""
    other = runs.get(found.id)
    if other is not None and Path(other.log).resolve() == Path(found.log).resolve():
        return
    if other is not None:
        found, other = sorted((found, other), key=lambda run: (run.created, run.log), reverse=True)
        notes.append(f"Left out: {other.log}, which was begun again as {found.log}.")
    runs[found.id] = found


def _sheet(metadata: Mapping[str, Any], path: Path) -> Sheet:
    try:
        return Sheet.of(metadata)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its sheet is of another version of HER ({error}); report it with that one") from None


def _seats(log: EvalLog) -> dict[str, Seat]:
    spec = log.eval
    seats = {ACTOR: _seat(spec.model, spec.model_args, spec.model_generate_config)}
    for part, played in (spec.model_roles or {}).items():
        one = played[0] if isinstance(played, list) else played
        seats[part] = _seat(one.model, one.args, one.config)
    return seats


def _seat(name: str, arguments: Mapping[str, Any], config: GenerateConfig) -> Seat:
    sha = next((str(arguments[key]) for key in _HASHES if arguments.get(key)), "")
    settings = config.model_dump(exclude_none=True, exclude=_UNSHOWN)
    return Seat(name, name.removeprefix(f"{NAME}/"), sha, settings)


def _cases(log: EvalLog, sheet: Sheet) -> Iterator[Case]:
    clusters: dict[str, str] = {}
    for sample in log.samples or ():
        told = [score for score in (sample.scores or {}).values() if isinstance(score.value, dict)]
        metadata: dict[str, Any] = {}
        values: dict[str, Any] = {}
        missing: dict[str, Any] = {}
        for score in told:
            metadata |= score.metadata or {}
            values |= score.value if isinstance(score.value, dict) else {}
            missing |= (score.metadata or {}).get("unscored") or {}
        id = str(sample.id)
        # Epochs of one case share its luck, whatever each of them says.
        cluster = clusters.setdefault(id, str(metadata.get("cluster") or id))
        yield Case(
            id=id,
            epoch=sample.epoch,
            cluster=cluster,
            values={one.name: _value(sample, values.get(one.name), missing.get(one.name)) for one in sheet.figures},
            curve=_curve(metadata.get("curve")),
            dialogue=_dialogue(sample, metadata),
            asked=_asked(sample),
            target=sample.target if isinstance(sample.target, str) else "\n".join(sample.target),
            answer=next((score.answer for score in told if score.answer), ""),
            explanation="\n".join(score.explanation for score in told if score.explanation),
            error=sample.error.message if sample.error else "",
        )


def _value(sample: EvalSample, value: object, missing: object) -> Value:
    """The number, or why there is none; never one where a person has taken the sample back."""
    if sample.invalidation is not None:
        return Unscored(Why.FAILED, "taken back by a person")
    if isinstance(missing, Mapping):
        why, detail = str(missing.get("why")), str(missing.get("detail") or "")
        return Unscored(Why(why), detail) if why in set(Why) else Unscored(Why.UNDEFINED, f"{why}: {detail}")
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if sample.error:
        return Unscored(Why.FAILED, sample.error.message)
    if sample.limit:
        return Unscored(Why.FAILED, f"stopped by the limit of {sample.limit.type}")
    return Unscored(Why.UNDEFINED, "the log holds neither a number nor a reason")


def _curve(told: object) -> dict[str, tuple[float | None, ...]]:
    if not isinstance(told, Mapping):
        return {}
    return {str(name): tuple(map(_finite, values)) for name, values in told.items() if isinstance(values, list | tuple)}


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _dialogue(sample: EvalSample, metadata: Mapping[str, Any]) -> tuple[Said, ...]:
    for place in (sample.metadata, sample.store, metadata):
        turns = place.get("dialogue")
        if isinstance(turns, list):
            return tuple(_said(turn) for turn in turns if isinstance(turn, Mapping))
    return ()


def _said(turn: Mapping[str, Any]) -> Said:
    speaker, text, id = (str(turn.get(name) or "") for name in ("speaker", "text", "id"))
    return Said(speaker, text, id, bool(turn.get("given")))


def _asked(sample: EvalSample) -> str:
    if isinstance(sample.input, str):
        return sample.input
    return "\n\n".join(message.text for message in sample.input)
