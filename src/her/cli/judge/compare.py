"""`her judge compare` and `her judge rank`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from her.cli.flags import Json
from her.cli.judge.app import (
    ABOVE_RATE,
    Concurrency,
    Dialect,
    Form,
    Judging,
    Key,
    MaxUnscored,
    Out,
    Principles,
    Seed,
    TieBand,
    judge_app,
)


@judge_app.command("compare")
def judge_compare(
    pairs: Annotated[list[Path], typer.Argument(metavar="PAIRS", help="Pairs: .jsonl, or one as .json.")],
    out: Out = None,
    judge: Judging = None,
    key: Key = None,
    dialect: Dialect = "ours",
    form: Form = "written",
    orders: Annotated[
        Literal["both", "given"], typer.Option(help="Ask each pair in both orders, or as it stands.")
    ] = "both",
    samples: Annotated[int, typer.Option(metavar="N", min=1, help="Written: answers in each order.")] = 1,
    seed: Seed = 0,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", min=0, help="Written: 0 for one sample, else 0.7.")
    ] = None,
    tie_band: TieBand = 0.0,
    principles: Principles = None,
    concurrency: Concurrency = None,
    max_unscored: MaxUnscored = 0.05,
    as_json: Json = False,
) -> None:
    """Say which of two turns is better, pair by pair.

    However a run with --out ended, the same command goes on where it was.
    """
    from her.judge.batch import How
    from her.judge.told import CompareOptions, compare_pairs

    how = How(form, dialect, orders, samples, seed, temperature, tie_band, principles)
    options = CompareOptions(tuple(pairs), how, out, judge, key, concurrency)
    told = compare_pairs(options)
    typer.echo(told.json if as_json else told.text)
    if told.unscored > max_unscored:
        raise typer.Exit(ABOVE_RATE)


@judge_app.command("rank")
def judge_rank(
    contests: Annotated[
        list[Path],
        typer.Argument(
            metavar="CONTESTS",
            help="Contests (`id`, `at` with scene, speaker and turns, `candidates`): .jsonl, or one as .json.",
        ),
    ],
    out: Out = None,
    judge: Judging = None,
    key: Key = None,
    dialect: Dialect = "ours",
    form: Form = "written",
    rings: Annotated[
        int, typer.Option(metavar="N", min=1, help="Comparisons of each candidate, as first and as second.")
    ] = 2,
    seed: Seed = 0,
    tie_band: TieBand = 0.0,
    principles: Principles = None,
    concurrency: Concurrency = None,
    max_unscored: MaxUnscored = 0.05,
    as_json: Json = False,
) -> None:
    """Put several turns for one place in order, the best first.

    However a run with --out ended, the same command goes on where it was.
    """
    from her.judge.batch import How
    from her.judge.rank import RankOptions, rank_contests

    # A ring shows each first as often as second; both orders of each pair would cost twice as much and say the same.
    how = How(form, dialect, "given", tie_band=tie_band, principles=principles)
    told = rank_contests(RankOptions(tuple(contests), how, out, judge, key, concurrency, rings, seed))
    typer.echo(told.json if as_json else told.text)
    if told.unscored > max_unscored:
        raise typer.Exit(ABOVE_RATE)
