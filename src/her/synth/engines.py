"""Where a stage's rows are worked on: in this process, or by tasks of a Ray cluster over shards.

Both come to the same files, because the tasks write nothing but their shards and the answers in their journals; the
stage is then gone through once more, here, with every answer at hand.
Knows processes and models by address. Refuses to know stages.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from her.errors import InputError, MissingExtra, ModelError
from her.models.address import open_model
from her.rows.files import read_rows
from her.rows.report import Price, Report, Snapshot
from her.rows.run import RunOptions, Target, run
from her.synth.locks import take
from her.synth.stage import Stage

RESTARTS = 20
"""How often one shard's task is begun again after its process has died; ours: a machine may be taken away now and
then, and a shard that kills every process is to come to an end."""
DYING = 10.0
"""Seconds that a process may take to end after Ray has found it dead; its locks go last."""
REACH = 10.0
"""Seconds in which a cluster has to take a connection."""
OBJECT_BYTES = 80 << 20
"""Shared memory of a cluster of our own, near the least that Ray takes; the tasks share next to nothing."""

Progress = Callable[[Snapshot], None]
Shard = tuple[int, int]


@dataclass(frozen=True)
class Job:
    """One stage over one file of rows, told so that any process can do it."""

    stage: Stage[Any, Any]
    takes: type[BaseModel]
    rows: Path
    folder: Path

    @property
    def made(self) -> Path:
        """The file that it makes."""
        return self.folder / "rows.jsonl"

    def size(self, shard: Shard) -> int:
        """How many rows a shard of it has."""
        with self.rows.open("rb") as file:
            return len(range(shard[0] - 1, sum(1 for line in file if line.strip()), shard[1]))


@dataclass(frozen=True, slots=True)
class Teacher:
    """Whom a job asks, and how: at most `limit` calls at once; None leaves that to what the model is."""

    address: str
    key: str | None = field(default=None, repr=False)
    limit: int | None = None
    price: Price | None = None
    max_dropped: float = 1.0


Engine = Callable[[Job, Teacher, Progress], Report]
"""Does a job; raises InputError, StorageError and ModelError as `rows.run` does."""


@contextmanager
def local(shard: Shard) -> Iterator[Engine]:
    """This process, which does one shard of each job; (1, 1) is all of it."""
    yield partial(_here, shard)


@contextmanager
def on_ray(workers: int) -> Iterator[Engine]:
    """So many tasks at once on the Ray cluster at RAY_ADDRESS, or on one of our own that ends with the block.

    A task whose process dies is begun again and goes on from its journal. Raises MissingExtra where Ray is not
    installed, InputError where no cluster can be reached or started.
    """
    with _cluster(workers) as ray:
        yield partial(_spread, ray, workers)


def _here(shard: Shard, job: Job, teacher: Teacher, progress: Progress | None = None) -> Report:
    return asyncio.run(_done(job, teacher, shard, progress))


async def _done(job: Job, teacher: Teacher, shard: Shard, progress: Progress | None) -> Report:
    options = RunOptions(
        limit=teacher.limit, total=job.size(shard), max_dropped=teacher.max_dropped, price=teacher.price
    )
    # A client that waits and asks again by itself would keep faults from the stage's own pace and report.
    served = teacher.address.startswith(("http://", "https://"))
    model = open_model(teacher.address, key=teacher.key, retries=0 if served else None)
    try:
        target = Target(job.folder, job.stage.name, shard)
        return await run(read_rows(job.rows, job.takes), job.stage.work, model, target, options, progress)
    finally:
        await model.close()


def _spread(ray: Any, workers: int, job: Job, teacher: Teacher, progress: Progress) -> Report:
    """Has the shards done by tasks, then joins them here."""
    shards = min(workers, job.size((1, 1)))
    each = replace(teacher, limit=teacher.limit and max(1, teacher.limit // workers))
    task = ray.remote(max_retries=RESTARTS)(_task)
    try:
        ray.get([task.remote((number, shards), job, each) for number in range(1, shards + 1)])
    except ray.exceptions.RayTaskError as error:
        # What a task raised is ours; Ray hands it on wrapped in a class of its own.
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise ModelError(f"Ray gave up on {job.stage.name}: {_line(error)}") from error
    return _here((1, 1), job, teacher, progress)


def _task(shard: Shard, job: Job, teacher: Teacher) -> None:
    journal = Target(job.folder, job.stage.name, shard).file("journal.jsonl")
    if journal.exists():
        with journal.open("ab") as file:
            # A process that died with this shard may be on its way out still.
            take(file, DYING)
    _here(shard, job, teacher)


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    """Ray itself, connected for as long as the block lasts; a cluster that the caller has connected to stays so."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Else Ray warns at every start that a later Ray will treat GPUs otherwise.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    own = {"address": "local", "num_cpus": workers, "include_dashboard": False, "object_store_memory": OBJECT_BYTES}
    there = bool(os.environ.get("RAY_ADDRESS"))
    if not there and "RAY_AUTH_MODE" not in os.environ:
        # Ray listens on every interface of the machine, and does what it is told there.
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise MissingExtra("--engine ray", "ray") from None

    if ray.is_initialized():
        yield ray
        return
    # Ray prints what became of a task to standard output, where results alone belong.
    with redirect_stdout(sys.stderr):
        try:
            if there:
                _knock(os.environ["RAY_ADDRESS"])
            ray.init(log_to_driver=False, logging_level="error", **({} if there else own))
        except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
            todo = "look at RAY_ADDRESS" if there else "leave out --engine ray"
            raise InputError(f"no Ray cluster can be had ({_line(error)}); {todo}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError where nobody is at a host and port; Ray itself would try for minutes, and say so every second."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=REACH).close()


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().partition("\n")[0]
