"""`her judge principles` and `her judge induce`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from her.cli.flags import Json
from her.cli.judge.app import ABOVE_RATE, BAD_INPUT, Key, Seed, judge_app

if TYPE_CHECKING:
    from her.judge.induce.flow import Induced
    from her.judge.induce.review import Reviewed
    from her.judge.induce.rows import Candidate
    from her.rows.report import Snapshot


@judge_app.command("principles")
def judge_principles(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A list of principles; default: our own.")] = None,
    dimension: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this dimension, such as dialogue (repeat).")
    ] = None,
    level: Annotated[
        Literal["sentence", "session"] | None,
        typer.Option(help="Only what one turn shows, or needs those before."),
    ] = None,
    polarity: Annotated[
        Literal["negative", "positive"] | None, typer.Option(help="Only vetoes, or only qualities.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="This principle, in full (repeat).")
    ] = None,
    language: Annotated[str, typer.Option(metavar="TAG", help="en or zh.")] = "en",
    check: Annotated[bool, typer.Option("--check", help="Only say whether the list is sound.")] = False,
    as_json: Json = False,
) -> None:
    """List the principles that turns are judged by.

    The whole list is checked, whatever is shown of it.
    """
    import json

    from her.judge.principles import fingerprint, in_full, listed, load, select

    every = load(file)
    negative = None if polarity is None else polarity == "negative"
    chosen = select(every, dimensions=dimension or (), level=level, negative=negative, ids=ids or ())
    if as_json:
        rows = [one.entry.model_dump(mode="json") for one in chosen]
        typer.echo(json.dumps({"fingerprint": fingerprint(every), "principles": rows}, ensure_ascii=False, indent=2))
        return
    if chosen and not check:
        typer.echo("\n\n".join(in_full(one, language) for one in chosen) if ids else listed(chosen, language))
        typer.echo()
    dimensions, vetoes = len({one.dimension for one in chosen}), sum(one.negative for one in chosen)
    count = f"{len(chosen)} principles in {dimensions} dimensions, {vetoes} of them negative"
    typer.echo(f"{'sound: ' if check else ''}{count}; list {fingerprint(every)}")


@judge_app.command("induce")
def judge_induce(
    pairs: Annotated[list[Path], typer.Argument(metavar="PAIRS", help="Files of pairs, JSON lines.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or that of the run to go on with.")],
    model: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The teacher: mini, FILE.gguf, hf:…, http://…, replay:FILE.")
    ] = None,
    key: Key = None,
    merge: Annotated[bool, typer.Option("--merge", help="Ask the teacher which candidates mean the same.")] = False,
    least: Annotated[int, typer.Option(metavar="N", min=1, help="Pairs that a candidate needs.")] = 2,
    held_out: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=0.9, help="Of the books, to score the principles on.")
    ] = 0.2,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Decisions on candidates; default: decisions.jsonl of the run.")
    ] = None,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Keep every candidate without a decision.")] = False,
    seed: Seed = 0,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Most requests in flight.")] = 64,
    max_dropped: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Where a step drops more, the exit code is 3.")
    ] = 0.2,
    as_json: Json = False,
) -> None:
    """Induce principles from preference pairs, and review them.

    A teacher names what decides each pair, with evidence. What is kept of it is scored on pairs held out. However a
    run ended, the same command goes on where it was.
    """
    import asyncio
    import sys

    from her.judge.batch import open_for_runs
    from her.judge.induce.flow import CANDIDATES, DECISIONS, InduceOptions, induce
    from her.judge.induce.review import Review, read_decisions, reviewed
    from her.judge.induce.rows import Decision
    from her.judge.induce.told import lines

    path, asked = decisions or out / DECISIONS, sys.stdin.isatty() and not as_json
    options = InduceOptions(tuple(pairs), out, seed, held_out, least, merge, concurrency, max_dropped)

    def say(line: str) -> None:
        # A teacher's words stand in it; they must not steer the terminal.
        typer.echo("".join(c for c in line if c.isprintable()))

    def review(candidates: Sequence[Candidate]) -> Reviewed:
        now = reviewed(candidates, read_decisions(path))
        if now.open and keep_all:
            kept = (Decision(id=one.id, do="keep") for one in now.open)
            return reviewed(candidates, (*read_decisions(path), *kept))
        return Review(candidates, path, say, input).run() if now.open and asked else now

    async def go() -> Induced:
        teacher = open_for_runs(model, key)
        try:
            return await induce(options, teacher, review, _counting() if sys.stderr.isatty() else None)
        finally:
            await teacher.close()

    done = asyncio.run(go())
    if as_json:
        typer.echo(done.report.model_dump_json(indent=2))
    else:
        for line in lines(done, out / CANDIDATES, path):
            say(line)
    if done.waiting and not asked:
        raise typer.Exit(BAD_INPUT)
    if not done.report.within:
        raise typer.Exit(ABOVE_RATE)


def _counting() -> Callable[[str, Snapshot], None]:
    """Shows how far a step is, on one line of standard error."""

    def shown(step: str, now: Snapshot) -> None:
        end = now.total is not None and now.rows >= now.total
        typer.echo(f"\r{step}: {now.rows} of {now.total}, {now.dropped} dropped", nl=end, err=True)

    return shown
