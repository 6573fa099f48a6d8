"""`her bench`: benchmarks, one command for each thing that is done with them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from her.cli.flags import Json
from her.errors import MissingExtra

bench_app = typer.Typer(
    help="Run benchmarks, and report what they measured.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ABOVE_RATE = 3
"""Exit code of a run of which more cases have no value than `--max-unscored` allows."""


def _player(help: str) -> Any:
    return typer.Option(metavar="ADDRESS", help=help)


@bench_app.command("list")
def bench_list(as_json: Json = False) -> None:
    """What there is to run, and what each can be told."""
    _needs_inspect()
    from her.bench.told import listed

    typer.echo(listed(as_json=as_json))


@bench_app.command("run")
def bench_run(
    benchmark: Annotated[str, typer.Argument(metavar="NAME", help="See `her bench list`.")],
    actor: Annotated[str, _player("The model that is tested.")] = "mini",
    judge: Annotated[str | None, _player("Who judges, where somebody must.")] = None,
    environment: Annotated[str | None, _player("Who plays the world; else the judge, or the actor.")] = None,
    next_speaker: Annotated[str | None, _player("Who chooses who speaks next; else as above.")] = None,
    user: Annotated[str | None, _player("Who plays the user; else as above.")] = None,
    path: Annotated[str | None, typer.Option(metavar="FILE", help="The test set, or its name in HER_DATA.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="coser: `her` or `coser`.")] = None,
    cases: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many cases, or questions; else all.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(metavar="N", min=1, help="coser: turns; else the preset's.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Of everything that is drawn.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("-T", metavar="NAME=VALUE", help="Anything else that the benchmark takes.")
    ] = None,
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="Times that each case is run.")] = 1,
    connections: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Calls under way at once to each server.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Logs and answers; else runs/NAME.")] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="IN/OUT", help="Of a million tokens; or ROLE=IN/OUT.")
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option(metavar="LOG", help="An earlier run: how far cases differ, for the estimate.")
    ] = None,
    max_unscored: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="More than this without a value: exit code 3.")
    ] = 0.05,
    dry_run: Annotated[bool, typer.Option(help="Say what it would ask and cost, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Run a benchmark, and say what it measured.

    However it ended, the same command goes on where it was: no model is asked anything twice.
    """
    _needs_inspect()
    from her.bench.roles import ROLES
    from her.bench.run import RunOptions
    from her.bench.told import Wanted, run_told

    players = zip(ROLES, (actor, environment, next_speaker, judge, user), strict=True)
    told = {"path": path, "preset": preset, "cases": cases, "rounds": rounds, "seed": seed}
    options = RunOptions(
        benchmark,
        {part: address for part, address in players if address},
        {**{name: value for name, value in told.items() if value is not None}, **_pairs(given or [])},
        out or Path("runs") / benchmark,
        epochs,
        connections,
        "rich" if sys.stdout.isatty() and not as_json else "none",
    )
    wanted = Wanted(tuple(price or ()), earlier, dry_run=dry_run, as_json=as_json)
    unscored = run_told(options, wanted, lambda text, aside: typer.echo(text, err=aside))
    if unscored > max_unscored:
        raise typer.Exit(ABOVE_RATE)


@bench_app.command("report")
def bench_report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Logs, or folders of them.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; else none.")] = None,
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Its drawings as files, too.")] = None,
    provenance: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=PATH", help="The judges.json of what trained a model.")
    ] = None,
    as_json: Json = False,
) -> None:
    """One page for one or many runs: figures with intervals, differences, transcripts.

    Prints the same as Markdown, or JSON. A cell whose judge also trained the model is struck out.
    """
    _needs_inspect()
    from her.bench.told import report_told

    typer.echo(report_told(runs, out, plots, provenance or [], as_json=as_json))


@bench_app.command("coser-rescore")
def bench_coser_rescore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Stored judgements, as CoSER's release has them.")],
    severity: Annotated[str, typer.Option(help="How severities are read: coser, her or strict.")] = "coser",
    uncapped: Annotated[bool, typer.Option(help="No upper end of 100, as in CoSER's paper.")] = False,
    as_json: Json = False,
) -> None:
    """Score stored judgements again, and say where the file has other numbers."""
    _needs_inspect()
    from her.bench.told import rescore_told

    typer.echo(rescore_told(file, severity, None if uncapped else 100.0, as_json=as_json))


@bench_app.command("coser-wins")
def bench_coser_wins(
    ours: Annotated[Path, typer.Argument(metavar="RUN", help="A run of coser.")],
    theirs: Annotated[Path, typer.Argument(metavar="RUN", help="Another, under the same conditions.")],
    as_json: Json = False,
) -> None:
    """Of the cases that both runs have scored, how many the first one wins; a tie is half a win."""
    _needs_inspect()
    from her.bench.told import wins_told

    typer.echo(wins_told(ours, theirs, as_json=as_json))


def _needs_inspect() -> None:
    if find_spec("inspect_ai") is None:
        raise MissingExtra("a benchmark", "bench")


def _pairs(given: list[str]) -> dict[str, Any]:
    from her.bench.run import parameter

    return dict(parameter(one) for one in given)
