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
    hold_out: Annotated[
        Literal["book", "family", "template"] | None,
        typer.Option("--hold-out", help="Mark some for tests, beside the data set's own tests."),
    ] = None,
    share: Annotated[float, typer.Option(metavar="SHARE", help="How many of those are held out.")] = 0.2,
    probe: Annotated[bool, typer.Option("--probe", help="Say which families the text alone gives away.")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make pairs whose answer is known.

    Turns are broken, edited to no effect, and edited the same way where it does no harm.
    """
    from her.judge.known import PairsOptions, make_pairs

    found = make_pairs(PairsOptions(data, out, split, tuple(samples or ()), limit, hold_out, share, probe, seed))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    typer.echo(f"{out}: {found['pairs']} pairs")
    for name, part in found.items():
        if isinstance(part, dict):
            typer.echo(f"{name}: " + ", ".join(f"{key} {value}" for key, value in part.items()))
        elif isinstance(part, list):
            typer.echo(f"{name}: " + (", ".join(part) or "none"))
