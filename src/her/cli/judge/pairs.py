"""`her judge pairs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from her.cli.flags import Json
from her.cli.judge.app import Seed, judge_app


@judge_app.command("pairs")
def judge_pairs(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A data set that has a reward-pool.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the pairs go, a JSON line each.")],
    split: Annotated[
        Literal["train", "test", "all"],
        typer.Option(help="Whose places; books of one are not in the other."),
    ] = "all",
    samples: Annotated[
        list[Path] | None,
        typer.Option("--samples", metavar="FILE", help="Candidates of a model that `her judge data` drew (repeat)."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most so many of each family and grade."),
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Say which families the text alone gives away.")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make pairs whose answer is known.

    Turns are broken, edited to no effect, and edited the same way where it does no harm.
    """
    import random
    from collections import Counter

    from her.errors import InputError
    from her.judge import counterfactual
    from her.judge.data.candidates import Drawn
    from her.judge.probe import moved, report
    from her.rows.files import Writer, read_rows
    from her.rows.parquet import read_samples
    from her.rows.samples import PoolRow

    parts = ("train", "test") if split == "all" else (split,)
    contexts = [row for part in parts for row in read_samples(data, "reward-pool", PoolRow, part)]
    if not contexts:
        raise InputError(f"{data}: has no rows of reward-pool; name the folder of a data set that `her synth` made")
    drawn = [row for path in samples or () for row in read_rows(path, Drawn)]
    replies = {
        row.id: [counterfactual.Sample(row.model, one.text) for one in row.candidates if not one.refused]
        for row in drawn
    }
    told: Counter[str] = Counter()
    rng = random.Random(seed)
    pairs = list(counterfactual.make(contexts, rng=rng, samples=replies, source=data.name, told=told))
    pairs = counterfactual.few(pairs, limit, rng) if limit else pairs
    with Writer(out) as file:
        for pair in pairs:
            file.write(pair)
    found: dict[str, object] = {
        "pairs": len(pairs),
        **counterfactual.counts(pairs),
        "not made": dict(sorted(told.items())),
    }
    if probe:
        probed = report(pairs, rng)
        found["text alone"] = {name: round(one.accuracy, 3) for name, one in probed.items()}
        found["surface"] = sorted(name for name, one in probed.items() if one.surface)
        found["moved"] = {name: {k: round(v, 3) for k, v in one.worse.items()} for name, one in moved(pairs).items()}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    typer.echo(f"{out}: {len(pairs)} pairs")
    for name, part in found.items():
        if isinstance(part, dict):
            typer.echo(f"{name}: " + ", ".join(f"{key} {value}" for key, value in part.items()))
    if probe:
        typer.echo("surface: " + (", ".join(found["surface"]) or "none"))  # type: ignore[arg-type]
