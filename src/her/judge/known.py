"""Pairs with a known answer, from the places of a data set into one file, and what is told of them.

Knows data sets, files of candidates, and the order of things. Refuses to know how pairs are made (`counterfactual`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from her.errors import InputError
from her.judge.counterfactual import By, Sample, Samples, counts, few, hold_out, make
from her.judge.data.pairing import grouped
from her.judge.pairs import Pair
from her.judge.probe import moved, report
from her.rows.files import Writer
from her.rows.samples import PoolRow


@dataclass(frozen=True, slots=True)
class PairsOptions:
    """What is to be made. `data` is a data set's folder, `split` whose places of it are taken, `samples` are files of
    candidates, `limit` the most pairs of each family and grade (None: all). `hold_out` says what a `share` is marked
    for tests by; None: the data set's own tests alone. With `probe` it is told what the text alone gives away."""

    data: Path
    out: Path
    split: Literal["train", "test", "all"] = "all"
    samples: tuple[Path, ...] = ()
    limit: int | None = None
    hold_out: By | None = None
    share: float = 0.2
    probe: bool = False
    seed: int = 0


def make_pairs(options: PairsOptions) -> dict[str, Any]:
    """What was made, counted, ready for JSON; the pairs are then in `options.out`.

    Raises InputError, StorageError, and MissingExtra where Parquet cannot be read.
    """
    from her.rows.parquet import read_samples  # noqa: PLC0415 - pyarrow is an extra

    parts = ("train", "test") if options.split == "all" else (options.split,)
    pools = {part: [*read_samples(options.data, "reward-pool", PoolRow, part)] for part in parts}
    contexts = [row for rows in pools.values() for row in rows]
    if not contexts:
        raise InputError(
            f"{options.data}: has no rows of reward-pool; name the folder of a data set that `her synth` made"
        )
    told, rng = Counter[str](), Random(options.seed)
    splits = {row.id: part for part, rows in pools.items() for row in rows}
    replies, source = _replies(options.samples), options.data.name
    pairs = [*make(contexts, rng=rng, samples=replies, source=source, splits=splits, told=told)]
    if options.limit is not None:
        pairs = few(pairs, options.limit, rng)
    if options.hold_out is not None:
        pairs = hold_out(pairs, options.hold_out, share=options.share, rng=rng)
    with Writer(options.out) as file:
        for pair in pairs:
            file.write(pair)
    found = {"pairs": len(pairs), **counts(pairs), "not made": dict(sorted(told.items()))}
    return found | (_probed(pairs, rng) if options.probe else {})


def _replies(paths: tuple[Path, ...]) -> Samples:
    """What the gate let pass of all models' candidates, by place."""
    return {
        place[0].id: [Sample(row.model, one.text) for row in place for one in row.candidates if not one.refused]
        for place in grouped(paths)
    }


def _probed(pairs: list[Pair], rng: Random) -> dict[str, Any]:
    probed, changed = report(pairs, rng), moved(pairs)
    return {
        "text alone": {name: round(one.accuracy, 3) for name, one in probed.items()},
        "surface": [name for name, one in probed.items() if one.surface],
        "not probed": [name for name in changed if name not in probed],
        "moved": {name: {check: round(by, 3) for check, by in one.worse.items()} for name, one in changed.items()},
    }
