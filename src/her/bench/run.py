"""One benchmark, run: its task made, its models found, and everything kept in one folder.

Knows parts and parameters, where logs and answers are kept, and how a run that was killed goes on: every answer of a
model is on disk when the next is asked for. Refuses to know what any benchmark measures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from inspect_ai import Task, eval
from inspect_ai.log import EvalLog
from inspect_ai.model import Model as Inspects
from inspect_ai.model import get_model

from her.bench.estimate import Estimate, detectables, estimate_parts
from her.bench.figures import Sheet
from her.bench.inspect_model import InspectModel
from her.bench.provider import NAME
from her.bench.registry import BENCHMARKS, Benchmark
from her.bench.roles import NO_JUDGE, ROLES, STANDS_IN, Role
from her.errors import InputError
from her.models.address import resolve
from her.rows.report import Price

Display = Literal["rich", "none"]
"""How a run is watched: Inspect's progress on a terminal, or not at all."""
LOGS, ANSWERS = "logs", "answers"
CLUSTER = "cluster"
"""Under this name the metadata of a sample say what it shares its luck with."""
RETRIES = 1
"""Times that a case is tried again after a model has failed; the provider's own patience comes before that."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `her bench run` is told. `models` are addresses by role, `given` the task's own parameters by name."""

    benchmark: str
    models: Mapping[Role, str]
    given: Mapping[str, Any] = field(default_factory=dict)
    out: Path = Path("runs/bench")
    epochs: int = 1
    connections: int | None = None
    display: Display = "none"


@dataclass(frozen=True, slots=True)
class Ready:
    """A benchmark that could be run now."""

    task: Task
    models: Mapping[Role, Inspects]


def names() -> tuple[str, ...]:
    """The benchmarks' names."""
    return tuple(one.name for one in BENCHMARKS)


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises InputError."""
    found = next((one for one in BENCHMARKS if one.name == name), None)
    if found is None:
        raise InputError(f"there is no benchmark {name!r}; there are {', '.join(names())}")
    return found


def make_task(name: str, given: Mapping[str, Any]) -> Task:
    """The task of that name. Raises InputError for an unknown name or parameter, and whatever the task refuses."""
    found = benchmark(name)
    known = found.parameters
    # A set of questions has a `limit` of questions, a set of scenes a number of `cases`; people say one or the other.
    given = {"limit" if one == "cases" and one not in known else one: value for one, value in given.items()}
    if strange := [one for one in given if one not in known]:
        raise InputError(f"{name} has no parameter {', '.join(strange)}; it has {', '.join(known) or 'none'}")
    return found.make(**given)


def parameter(text: str) -> tuple[str, Any]:
    """A parameter as a flag gives it, `NAME=VALUE`: numbers, true and false are read as such. Raises InputError."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise InputError(f"-T {text!r}: write NAME=VALUE")
    try:
        told = json.loads(value)
    except ValueError:
        return name, value
    return name, told if isinstance(told, int | float | bool) else value


def ready(options: RunOptions) -> Ready:
    """The task and its models, all of them open. Raises as `make_task` and `open_model`."""
    if strange := sorted(set(options.models) - set(ROLES)):
        raise InputError(f"nobody plays {', '.join(strange)}; the parts are {', '.join(ROLES)}")
    if "actor" not in options.models:
        raise InputError("an actor is needed: the model that is tested; give one with --actor ADDRESS")
    task = make_task(options.benchmark, options.given)
    return Ready(task, {part: get_model(f"{NAME}/{resolve(address)}") for part, address in options.models.items()})


def run(options: RunOptions, prepared: Ready | None = None) -> EvalLog:
    """The log of a run, finished or not; the folder `out` has it, and every answer.

    The same command in the same folder asks nothing twice. Raises as `ready`, and StorageError where the folder cannot
    be written.
    """
    prepared = prepared or ready(options)
    with answers_in(options.out / ANSWERS):
        logs = eval(
            prepared.task,
            model=prepared.models["actor"],
            model_roles={str(part): model for part, model in prepared.models.items()},
            log_dir=str(options.out / LOGS),
            epochs=options.epochs,
            max_connections=options.connections,
            fail_on_error=False,
            retry_on_error=RETRIES,
            display=options.display,
            score_display=False,
        )
    return logs[0]


async def estimated(
    options: RunOptions, prepared: Ready, prices: Mapping[str, Price], deviations: Mapping[str, float]
) -> Estimate:
    """What the run will ask and cost, and the smallest difference that it can show. Raises as `estimate_parts`."""
    samples = list(prepared.task.dataset)
    sheet = Sheet.of(prepared.task.metadata)
    asks = [ask for sample in samples for ask in benchmark(options.benchmark).asks(sample, sheet.settings)]
    models = {part: InspectModel(prepared.models[_player(part, prepared)]) for part in {ask.role for ask in asks}}
    clusters = len({str((sample.metadata or {}).get(CLUSTER, sample.id)) for sample in samples})
    parts = await estimate_parts(asks, models, prices, epochs=options.epochs)
    ranked = replace(sheet, figures=tuple(one for one in sheet.figures if one.headline) or sheet.figures)
    return Estimate(len(samples), clusters, options.epochs, parts, detectables(ranked, clusters, deviations))


def _player(part: str, prepared: Ready) -> Role:
    named = next((one for one in (part, *STANDS_IN.get(part, ())) if one in prepared.models), None)
    if named is None:
        raise InputError(f"{part}: {NO_JUDGE}" if part == "judge" else f"nobody plays {part}")
    return named  # type: ignore[return-value]


@contextmanager
def answers_in(folder: Path) -> Iterator[None]:
    """While it lasts, Inspect keeps answers in that folder, so that no run is handed another folder's."""
    before = os.environ.get("INSPECT_CACHE_DIR")
    os.environ["INSPECT_CACHE_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["INSPECT_CACHE_DIR"]
        else:
            os.environ["INSPECT_CACHE_DIR"] = before
