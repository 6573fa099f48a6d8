"""`her train`: from samples to models that play."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from her.cli.flags import Json

train_app = typer.Typer(help="Train models on samples.", rich_markup_mode=None, no_args_is_help=True)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


@train_app.command("sft")
def train_sft(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train, on what, and how.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where everything goes: a new folder, or that of the run.")
    ],
    seed: Annotated[int | None, typer.Option(metavar="N", help="Instead of the recipe's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will cost; train nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune a model on the turns of characters.

    However a run ended, the same command goes on at its last checkpoint.
    """
    from her.train.sft import is_first, sft

    budget = sft(recipe, out, told=lambda line: typer.echo(line, err=True), dry=dry_run, seed=seed)
    if as_json and is_first():
        typer.echo(json.dumps({"out": None if dry_run else str(out), **asdict(budget), "seconds": budget.seconds}))


@train_app.command("export")
def train_export(
    run: Run,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that is not there yet.")],
) -> None:
    """Write a run's model as one folder of transformers, its adapter merged in."""
    from her.train.export import merge

    typer.echo(merge(run, target))


@train_app.command("measure")
def train_measure(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The model: mini-base, FILE.gguf, a folder, …")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="A data set of her synth, or of its shape.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes; what is there is gone on with.")
    ],
    split: Annotated[str, typer.Option(metavar="NAME", help="Whose turns: test, or validation.")] = "test",
    plans: Annotated[bool, typer.Option("--plans/--no-plans", help="Ask for a plan before each turn, or not.")] = True,
    constrained: Annotated[
        bool, typer.Option("--constrained/--free", help="Hold replies to chat's grammar, or not even begin them.")
    ] = False,
    seed: Annotated[list[int] | None, typer.Option(metavar="N", help="One reply a turn with each (repeat).")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only so many turns, drawn once.")] = None,
    languages: Annotated[str, typer.Option(metavar="en,zh", help="Only turns in these.")] = "",
    weights: Annotated[
        str | None, typer.Option(metavar="RUN|FOLDER", help="The model's own weights, for bits per character.")
    ] = None,
    frozen: Annotated[
        str | None, typer.Option(metavar="FOLDER|GGUF", help="Another model, to tell how turns are bound to scenes.")
    ] = None,
    slop_list: Annotated[
        Path | None, typer.Option("--slop-list", metavar="FILE", help="A published list of stock phrases, as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what a model does on held-out turns, with intervals.

    The first reply counts; nothing is mended. However a run ended, the same command goes on where it was.
    """
    from her.train.measure.measure import TABLE, MeasureOptions, measure

    options = MeasureOptions(
        address=address,
        data=data,
        out=out,
        split=split,
        plans=plans,
        constrained=constrained,
        seeds=tuple(dict.fromkeys(seed or (0,))),
        limit=limit,
        languages=tuple(filter(None, (name.strip().lower() for name in languages.split(",")))),
        weights=weights,
        frozen=frozen,
        phrases=slop_list,
    )
    report = measure(options, told=lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(report, ensure_ascii=False) if as_json else (out / TABLE).read_text(encoding="utf-8"))


@train_app.command("compare")
def train_compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER FOLDER…", help="Measurements; the first is the base.")
    ],
    as_json: Json = False,
) -> None:
    """Set measurements of models side by side, turn by turn."""
    from her.train.measure.compare import as_json as told_as_json
    from her.train.measure.compare import compare, comparison

    differences = compare(folders)
    typer.echo(told_as_json(folders, differences) if as_json else comparison(folders, differences))
