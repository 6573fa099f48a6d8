"""`her synth`: from novels to training rows, the report on a run, and the folder to publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from her.cli.flags import Json

ABOVE_RATE = 3
"""Exit code of a run that is done and has dropped more rows than `--max-dropped` allows."""

synth_app = typer.Typer(help="Make training data from novels.", rich_markup_mode=None, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a run.")]


@synth_app.command("run")
def synth_run(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where everything goes: a new folder, or that of the run.")
    ],
    book: Annotated[
        list[Path] | None, typer.Option("--book", metavar="FILE|DIR", help="A novel: text, Gutenberg, EPUB (repeat).")
    ] = None,
    coser: Annotated[
        list[Path] | None, typer.Option("--coser", metavar="FILE", help="A file in CoSER's or HER's shape (repeat).")
    ] = None,
    hub: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Neph0s/CoSER or ChengyuDu0123/HER-Dataset (repeat).")
    ] = None,
    chapters: Annotated[str | None, typer.Option(metavar="1-3,7", help="Only these, counted from 1.")] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The book's title, where its file does not say.")
    ] = None,
    author: Annotated[str | None, typer.Option(metavar="TEXT", help="Its author.")] = None,
    language: Annotated[str | None, typer.Option(metavar="TAG", help="Its language, such as en or zh.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The teacher: mini, FILE.gguf, hf:…, http://…, replay:FILE.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Key of its server; better HER_KEY.")] = None,
    reasoner: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Who drafts plans; default: the teacher.")
    ] = None,
    terse: Annotated[
        bool | None, typer.Option("--terse/--full", help="Short answers, for very small models; default: by model.")
    ] = None,
    plan_words: Annotated[str | None, typer.Option(metavar="30-90", help="Words of a plan.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Makes every choice repeatable.")] = 0,
    until: Annotated[
        Literal["scenes", "profiles", "role-thinking", "drafts", "system-thinking", "settings", "samples"],
        typer.Option(
            metavar="STAGE",
            help="The last stage to run: scenes, profiles, role-thinking, drafts (with --reasoner), "
            "system-thinking, settings.",
        ),
    ] = "samples",
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Most requests in flight.")] = 64,
    max_dropped: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Where a stage drops more, the exit code is 3.")
    ] = 0.2,
    price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Of the teacher, per million tokens; prints the cost.")
    ] = None,
    coser_test: Annotated[
        list[Path] | None,
        typer.Option("--coser-test", metavar="FILE", help="A test set in CoSER's shape, to be kept out (repeat)."),
    ] = None,
    strict_books: Annotated[bool, typer.Option("--strict-books", help="Keep out its books as a whole.")] = False,
    shares: Annotated[
        str | None, typer.Option(metavar="sft=…,…", help="Shares of sft, reward, rl, test; split by book.")
    ] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This process, or tasks on a Ray cluster.")] = "local",
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Ray tasks at once.")] = 2,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only this part of the stage --until; for job arrays.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate calls, tokens and cost; ask nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Turn novels into training rows: scenes, minds, plans.

    However a run ended, the same command goes on where it was.
    """
    from her.synth import options as read
    from her.synth.console import estimate_run, run_synth

    options = read.SynthOptions(
        out=out,
        books=tuple(book or ()),
        coser=tuple(coser or ()),
        hub=tuple(hub or ()),
        title=title,
        author=author,
        language=language,
        chapters=read.read_chapters(chapters),
        model=model,
        key=key,
        reasoner=reasoner,
        terse=terse,
        seed=seed,
        plan_words=read.read_words(plan_words),
        until=until,
        concurrency=concurrency,
        max_dropped=max_dropped,
        price=read.read_price(price),
        coser_tests=tuple(coser_test or ()),
        strict_books=strict_books,
        shares=read.read_shares(shares),
        engine=engine,
        workers=workers,
        shard=read.read_shard(shard),
    )
    if dry_run:
        estimate_run(options, as_json=as_json)
    elif not run_synth(options, as_json=as_json):
        raise typer.Exit(ABOVE_RATE)


@synth_app.command("report")
def synth_report(folder: Folder, as_json: Json = False) -> None:
    """Write the page about a run.

    It shows counts, layouts, refusals, cost, and scenes to read.
    """
    from her.synth.console import report_run

    report_run(folder, as_json=as_json)


@synth_app.command("publish")
def synth_publish(
    folder: Folder,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that is not there yet.")],
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="Licence of the rows; empty: unknown, and said so.")
    ] = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="What the dataset is called.")] = "",
) -> None:
    """Write a run's dataset as a folder for the hub.

    Journals and the books' text stay behind.
    """
    from her.synth.console import publish_run

    publish_run(folder, target, licence=licence, name=name)
