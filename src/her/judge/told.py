"""Files in, and what a command tells of them: to people in lines, to programs in JSON.

Knows what `her judge compare` says of pairs. Refuses to know how they are judged (`batch`).
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from her.judge.batch import JUDGED, How, JudgedRow, judge_pairs, judged, open_for_runs, outcome, read_pairs
from her.judge.case import quoted
from her.judge.pairs import Pair
from her.rows.run import RunOptions


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What `her judge compare` is told. `out` None: nothing is kept. `judge` None: the default model."""

    files: tuple[Path, ...]
    how: How
    out: Path | None = None
    judge: str | None = None
    key: str | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a command has to say, to people and to programs; `unscored` is the share of pairs without a verdict."""

    text: str
    json: str
    unscored: float


@contextmanager
def rows_of(pairs: Iterable[Pair], options: CompareOptions) -> Iterator[Iterator[JudgedRow]]:
    """The judged rows, in the order of their pairs; gone afterwards where there is no `out`.

    Raises as `open_model` and `judge_pairs`.
    """
    model = open_for_runs(options.judge, options.key)

    async def go(folder: Path) -> None:
        try:
            await judge_pairs(pairs, model, folder, options.how, RunOptions(limit=options.concurrency))
        finally:
            await model.close()

    place = nullcontext(options.out) if options.out else tempfile.TemporaryDirectory(prefix="her-judge-")
    with place as name:
        folder = Path(name)
        asyncio.run(go(folder))
        yield judged(folder)


def compare_pairs(options: CompareOptions) -> Told:
    """What became of the pairs in files. Raises as `read_pairs` and `rows_of`."""
    with rows_of(read_pairs(options.files), options) as found:
        rows = list(found)
    counted = outcome(rows)
    shown = [] if options.out else rows
    lines = [*(_line(row) for row in shown), *(_findings(rows[0]) if len(shown) == 1 else []), counted.line]
    told = {
        "pairs": counted.pairs,
        **{name: getattr(counted, name) for name in ("first", "second", "tie", "inconsistent")},
        "unscored": dict(sorted(counted.unscored.items())),
        "out": None if options.out is None else str(options.out / JUDGED),
        "rows": [row.model_dump(mode="json") for row in shown],
    }
    share = counted.unscored.total() / counted.pairs if counted.pairs else 0.0
    return Told("\n".join(lines), json.dumps(told, ensure_ascii=False), share)


def _line(row: JudgedRow) -> str:
    if row.winner is None:
        return harmless(f"{row.id}: no verdict ({row.reason}: {row.verdict.detail})")
    orders = "" if row.verdict.consistent else ", the two orders disagree"
    return harmless(f"{row.id}: {row.winner} ({row.verdict.margin:+.2g}{orders})")


def _findings(row: JudgedRow) -> list[str]:
    return [
        harmless(f"  {one.principle}{' (veto)' * one.negative}: {one.winner} · {one.first} · {one.second}")
        for one in row.verdict.findings
    ]


def harmless(told: str) -> str:
    """One line of it. Words of files and judges stand in it; they must not steer the terminal."""
    return quoted(told, "").replace("\n", " ")
