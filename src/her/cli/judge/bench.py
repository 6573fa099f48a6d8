"""`her judge bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from her.cli.flags import Json
from her.cli.judge.app import ABOVE_RATE, Concurrency, Dialect, Form, Key, Principles, Seed, TieBand, judge_app


@judge_app.command("bench")
def judge_bench(
    judge: Annotated[
        str,
        typer.Option("--judge", metavar="ADDRESS", help="The judge: mini, FILE.gguf, hf:…, http://…, or biased:…"),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where everything goes; what is there is gone on with.")
    ],
    pairs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PAIRS", help="Pairs of HER, or JudgeBench, RewardBench, RoleRMBench files."),
    ] = None,
    form: Form = "written",
    dialect: Dialect = "ours",
    samples: Annotated[int, typer.Option(metavar="N", min=1, help="Answers in each order.")] = 1,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", min=0, help="Default: 0 for one answer, 0.7 for several.")
    ] = None,
    tie_band: TieBand = 0.0,
    principles: Principles = None,
    split: Annotated[
        Literal["train", "test", "all"],
        typer.Option(help="Only pairs that are marked so; a judge may know the others."),
    ] = "all",
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many pairs in all, a few of every part.")
    ] = None,
    seed: Seed = 0,
    key: Key = None,
    concurrency: Concurrency = None,
    as_json: Json = False,
) -> None:
    """Test a judge: right, steady, blind to place and length?

    It is accepted where every line is met. However a run ended, the same command goes on where it was.
    """
    from her.judge.bench.bench import PAGE, REPORT, BenchOptions, bench
    from her.judge.bench.page import summary

    options = BenchOptions(
        judge=judge,
        pairs=tuple(pairs or ()),
        out=out,
        form=form,
        dialect=dialect,
        samples=samples,
        temperature=temperature,
        tie_band=tie_band,
        principles=principles,
        split=split,
        limit=limit,
        seed=seed,
        key=key,
        concurrency=concurrency,
    )
    trial = bench(options, told=lambda line: typer.echo(line, err=True))
    typer.echo((out / REPORT).read_text(encoding="utf-8") if as_json else f"{summary(trial)}\n{out / PAGE}")
    if not trial.readable:
        raise typer.Exit(ABOVE_RATE)
