"""One stage over many rows: lazily in, in the same order out, resumed where it was left.

Every run goes over all its rows; what a journal holds is not asked for again, so that a run which was killed, and
one over shards that are there already, comes to the same files as one that was left alone.
Knows rows in flight and their order. Refuses to know what is asked (`answers`) and what a stage makes of it.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

from pydantic import BaseModel

from her.errors import InputError
from her.models.base import Model
from her.rows.answers import Answers, RowAsk, remote
from her.rows.ask import Ask, Dropped, Rejected
from her.rows.files import Writer, discard, line_of
from her.rows.journal import Journal
from her.rows.pace import Pace
from her.rows.record import Refusal
from her.rows.report import Price, Quarantined, Report, Snapshot, Tally

In = TypeVar("In", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

SERVER_LIMIT = 64
"""Calls under way at most, where the model is a server and nobody says otherwise."""
SPARE = 4
"""One more row in work for so many calls under way: so that a call is ready whenever another ends."""
WINDOW = 4
"""Rows that may wait for an older one to be written, for each row in work."""
COLLECT_AFTER = 10_000
"""New objects after which Python looks for circles of garbage. With its own 700 that was a quarter of the processor's
time at 512 calls under way (benchmarks/requests_per_second.py)."""
BEAT = 0.2
"""Seconds between two snapshots for a face."""


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """What became of one row: none, one or several rows; `refused` is counted in the report."""

    rows: tuple[R, ...]
    refused: tuple[Refusal, ...] = ()


Work = Callable[[In, Ask], Awaitable[Done[R]]]
"""What a stage makes of one row."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stage writes. Of `shard` (i, n) it does row i and every nth after it."""

    folder: Path
    stage: str
    shard: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise InputError(f"a shard is i/n with i from 1 to n, not {self.shard[0]}/{self.shard[1]}")

    def file(self, name: str) -> Path:
        """A file of this shard: `rows.jsonl`, or `rows-1-of-4.jsonl` for ("rows.jsonl") of a shard."""
        of = "-{}-of-{}".format(*self.shard) if self.shard != (1, 1) else ""
        stem, dot, ending = name.partition(".")
        return self.folder / f"{stem}{of}{dot}{ending}"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out; none of it changes what comes out.

    `limit` is the most calls under way; None: SERVER_LIMIT for a server, 1 for a model in this process, which
    answers one at a time. `patience` is seconds before a second try, doubled each time. `total` is the number of
    rows, for faces. More dropped rows than the share `max_dropped` make `report.within` false.
    """

    limit: int | None = None
    patience: float = 1.0
    total: int | None = None
    max_dropped: float = 1.0
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise InputError(f"at least 1 call has to be under way, not {self.limit}")


async def run(
    rows: Iterable[In],
    work: Work[In, R],
    model: Model,
    target: Target,
    options: RunOptions | None = None,
    progress: Callable[[Snapshot], None] | None = None,
) -> Report:
    """What the stage did, when all rows are done; `rows.jsonl`, `dropped.jsonl` and `report.json` are then there.

    `work` has to follow from row and answers alone. Rejected and Dropped that it raises drop the row; any other
    error ends the run, with the answers so far kept in `journal.jsonl`. Raises StorageError for a folder that
    cannot be written or is in use by another process, and whatever the model raises that does not pass.
    """
    options = options or RunOptions()
    began = time.monotonic()
    await model.probe()
    pace = Pace(options.limit or (SERVER_LIMIT if remote(model) else 1))
    tally = Tally()
    async with Journal(target.file("journal.jsonl")) as journal:
        with (
            _collecting_seldom(),
            Writer(target.file("dropped.jsonl")) as dropped,
            Writer(target.file("rows.jsonl")) as kept,
        ):
            answers = Answers(target.stage, model, journal, pace, tally, options.patience)
            flow = _Flow(rows, work, answers, target, _Outbox(kept, dropped))
            await flow.through((lambda: progress(_snapshot(tally, pace, options))) if progress else None)
            discard(target.file("report.json"))
    seconds = time.monotonic() - began
    report = Report(
        stage=target.stage,
        model=model.address,
        prompts=tuple(sorted(tally.prompts)),
        shard="{}/{}".format(*target.shard) if target.shard != (1, 1) else "",
        rows_in=tally.rows,
        rows_out=kept.rows,
        **tally.counts(),
        cost=tally.cost(options.price),
        seconds=round(seconds, 3),
        rows_per_second=round(tally.rows / seconds, 3),
        within=tally.dropped <= options.max_dropped * tally.rows,
        input_sha=flow.input_sha,
        rows_sha=kept.sha,
        dropped_sha=dropped.sha,
    )
    with Writer(target.file("report.json")) as out:
        out.write_line(report.model_dump_json(indent=2).encode() + b"\n")
    if progress:
        progress(_snapshot(tally, pace, options))
    return report


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Has the garbage collector look less often while the block runs."""
    before = gc.get_threshold()
    gc.set_threshold(max(COLLECT_AFTER, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _snapshot(tally: Tally, pace: Pace, options: RunOptions) -> Snapshot:
    return Snapshot(
        total=options.total,
        rows=tally.rows,
        kept=tally.kept,
        repaired=tally.repaired,
        dropped=tally.dropped,
        calls=tally.calls,
        from_journal=tally.from_journal,
        retries=tally.retries.total(),
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        cost=tally.cost(options.price),
        flying=pace.flying,
        window=pace.window,
    )


class _Outbox:
    """Rows on their way to disk, in the order in which they came in, whenever each is done."""

    def __init__(self, rows: Writer, dropped: Writer) -> None:
        self.written = 0
        self._rows = rows
        self._dropped = dropped
        self._held: dict[int, tuple[list[bytes], bytes]] = {}
        self._moved = asyncio.Event()

    def put(self, at: int, rows: list[bytes], dropped: bytes = b"") -> None:
        """What became of the row that came in `at`th, from 0: lines for one file or the other."""
        self._held[at] = rows, dropped
        while item := self._held.pop(self.written, None):
            for line in item[0]:
                self._rows.write_line(line)
            if item[1]:
                self._dropped.write_line(item[1])
            self.written += 1
        self._moved.set()

    async def reaches(self, count: int) -> None:
        """Waits until so many rows are written."""
        while self.written < count:
            self._moved.clear()
            await self._moved.wait()


class _Flow(Generic[In, R]):
    """The rows of one shard on their way through the work."""

    def __init__(
        self, rows: Iterable[In], work: Work[In, R], answers: Answers, target: Target, outbox: _Outbox
    ) -> None:
        shard, shards = target.shard
        mine = (item for item in enumerate(rows, 1) if item[0] % shards == shard % shards)
        self._rows = enumerate(mine)
        self._work, self._answers, self._outbox = work, answers, outbox
        self._stage, self._tally = target.stage, answers.tally
        self._taken = 0
        self._sha = hashlib.sha256()
        limit = answers.pace.limit
        self._width = limit + limit // SPARE

    @property
    def input_sha(self) -> str:
        """The sha256 (hex) of the rows so far, as lines."""
        return self._sha.hexdigest()

    async def through(self, beat: Callable[[], None] | None) -> None:
        """Takes all rows through; `beat` is called now and then. Raises the first error that ends the run."""
        try:
            async with asyncio.TaskGroup() as group:
                heart = group.create_task(_beating(beat)) if beat else None
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._width):
                        workers.create_task(self._worker())
                await self._answers.settle()
                if heart:
                    heart.cancel()
        except BaseExceptionGroup as several:
            error: BaseException = several
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from error.__cause__

    async def _worker(self) -> None:
        """Takes one row after the other, as long as there are any."""
        while True:
            # A row that takes long must not have all others pile up behind it.
            await self._outbox.reaches(self._taken + 1 - WINDOW * self._width)
            item = next(self._rows, None)
            if item is None:
                return
            self._taken += 1
            at, (number, row) = item
            self._sha.update(line_of(row))
            name = str(getattr(row, "id", ""))
            with _Naming(f"row {number}, {name}"):
                await self._one(at, number, name, row)
            await asyncio.sleep(0)  # rows whose answers are all in the journal wait for nothing

    async def _one(self, at: int, number: int, name: str, row: In) -> None:
        ask, tally = RowAsk(self._answers, at), self._tally
        try:
            done = await self._work(row, ask)
        except (Dropped, Rejected) as error:
            lost = _quarantined(error, Quarantined(stage=self._stage, id=name, number=number, reason="rejected"))
            tally.dropped += 1
            tally.reasons[lost.reason] += 1
            self._outbox.put(at, [], line_of(lost))
            return
        lines = [line_of(made) for made in done.rows]
        tally.repaired += ask.mended
        tally.kept += not ask.mended
        tally.refused.update(refusal.reason for refusal in done.refused)
        self._outbox.put(at, lines)


def _quarantined(error: Dropped | Rejected, lost: Quarantined) -> Quarantined:
    """The row's line in `dropped.jsonl`, with the reason why."""
    if isinstance(error, Dropped):
        return lost.model_copy(update={"reason": error.reason, "detail": error.detail})
    if not error.refusals:
        return lost
    first = error.refusals[0]
    detail = f"{first.where}: {first.detail}" if first.where and first.detail else first.where or first.detail
    return lost.model_copy(update={"reason": first.reason, "detail": detail, "refusals": error.refusals})


async def _beating(beat: Callable[[], None]) -> None:
    while True:
        beat()
        await asyncio.sleep(BEAT)


class _Naming:
    """Adds to an error which row it came of."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            error.add_note(f"This came up in {self._name}.")
