"""`her judge data` and `her judge label`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from her.cli.flags import Json
from her.cli.judge.app import ABOVE_RATE, MaxUnscored, Seed, judge_app

if TYPE_CHECKING:
    from her.judge.data.pipeline import DataOptions, Outcome
    from her.models.base import Message
    from her.scene import Scene
    from her.turn import Turn


@judge_app.command("data")
def judge_data(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where everything goes: a new folder, or that of the run.")
    ],
    contexts: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="A data set of `her synth`: its places are compared at.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="ADDRESS", help="Whose candidates are compared (repeat).")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="ADDRESS", help="Who labels pairs and argues for it; best a strong one."),
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Key of the judge's server; better HER_KEY.")] = None,
    pairs: Annotated[
        list[Path] | None,
        typer.Option("--pairs", metavar="FILE", help="Pairs that are there already, of `her judge pairs` (repeat)."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="DIR", help="What people said; default: hands, in the folder.")
    ] = None,
    samples: Annotated[
        int, typer.Option("-n", "--samples", metavar="N", min=1, help="Candidates of a model for a place.")
    ] = 8,
    per_place: Annotated[int, typer.Option("--per-place", metavar="N", min=1, help="Pairs of a place, at most.")] = 4,
    places: Annotated[
        int | None, typer.Option("--places", metavar="N", min=1, help="Places, of all books alike.")
    ] = None,
    config: Annotated[
        Literal["reward-pool", "roleplay-rl"],
        typer.Option(metavar="NAME", help="Where places stand: reward-pool, roleplay-rl."),
    ] = "reward-pool",
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Leave out broken replies, as rewards do.")] = True,
    temperature: Annotated[float, typer.Option(metavar="T", min=0, help="Of the candidates.")] = 0.7,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Of a candidate, plan included.")
    ] = 1024,
    judge_dialect: Annotated[
        str, typer.Option("--judge-dialect", metavar="NAME", help="How the judge is asked: ours, her-rm.")
    ] = "ours",
    dialect: Annotated[str, typer.Option(metavar="NAME", help="What the rows teach: ours, her-rm.")] = "ours",
    principles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The principles that the judge is shown.")
    ] = None,
    shares: Annotated[
        str | None, typer.Option(metavar="sft=…,rl=…", help="Shares of what is learnt and practised.")
    ] = None,
    one_sided: Annotated[
        float,
        typer.Option("--one-sided", metavar="X", min=0, help="Answers that one side wins whole, for each other one."),
    ] = 1.0,
    ties: Annotated[float, typer.Option(metavar="SHARE", min=0, max=0.99, help="Of ties, at most.")] = 0.15,
    any_length: Annotated[
        bool, typer.Option("--any-length", help="Do not level how often the longer side wins.")
    ] = False,
    test_book: Annotated[
        list[str] | None,
        typer.Option("--test-book", metavar="SLUG", help="A book for tests, beside the data set's own (repeat)."),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="Licence of the rows; empty: unknown, and said so.")
    ] = "",
    seed: Seed = 0,
    until: Annotated[
        Literal["candidates", "pairs", "judged", "samples"],
        typer.Option(metavar="STEP", help="The last step: candidates, pairs (to label by hand), judged, samples."),
    ] = "samples",
    concurrency: Annotated[int | None, typer.Option(metavar="N", min=1, help="Most requests in flight.")] = None,
    max_unscored: MaxUnscored = 0.05,
    as_json: Json = False,
) -> None:
    """Make the rows that a judge is trained on.

    Candidates are drawn, paired, labelled and balanced. However a run ended, the same command goes on where it was.
    """
    import asyncio

    from her.errors import InputError
    from her.judge.batch import How
    from her.judge.data.balance import Balance, read_shares
    from her.judge.data.candidates import Draws
    from her.judge.data.dataset import RewardOptions
    from her.judge.data.pipeline import DataOptions
    from her.judge.dialects import named
    from her.judge.reward.gate import Rules
    from her.models.base import Sampling
    from her.rows.run import RunOptions

    if key is not None and judge is None:
        raise InputError("--key is for the judge's server, and there is no --judge; set HER_KEY for other servers")
    options = DataOptions(
        out=out,
        dialect=named(dialect),
        contexts=contexts,
        config=config,
        places=places,
        draws=Draws(samples, Sampling(temperature=temperature, max_tokens=max_tokens), gate=Rules() if gate else None),
        pairs=per_place,
        files=tuple(pairs or ()),
        hands=labels,
        how=How(dialect=judge_dialect, principles=principles),
        rewards=RewardOptions(
            shares=read_shares(shares),
            held_out=tuple(test_book or ()),
            balance=Balance(one_sided, ties, level=not any_length),
            licence=licence,
        ),
        until=until,
        seed=seed,
        run=RunOptions(limit=concurrency),
    )
    outcome = asyncio.run(_made(options, tuple(dict.fromkeys(model or ())), judge, key))
    typer.echo(json.dumps(outcome.whole, ensure_ascii=False) if as_json else "\n".join(outcome.lines))
    if outcome.unscored is not None and outcome.unscored > max_unscored:
        raise typer.Exit(ABOVE_RATE)


async def _made(options: DataOptions, models: Sequence[str], judge: str | None, key: str | None) -> Outcome:
    from contextlib import AsyncExitStack

    from her.judge.batch import open_for_runs
    from her.judge.data.pipeline import Asking, make_data
    from her.synth.console import Bars
    from her.synth.samples.dataset import Sheet

    async with AsyncExitStack() as stack:
        # One model in both parts is opened once.
        keys = dict.fromkeys(models) | ({judge: key} if judge else {})
        opened = {address: open_for_runs(address, own) for address, own in keys.items()}
        for one in opened.values():
            stack.push_async_callback(one.close)
        with Bars() as bars:
            asking = Asking([opened[one] for one in models], opened[judge] if judge else None, _told, Sheet, bars)
            return await make_data(options, asking)


def _told(scene: Scene, name: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    """The prompt that asks a character for its turn, as chat makes it."""
    from her.script import Script
    from her.turn import Dialogue

    return Script(scene, name).messages(Dialogue(frozenset(scene.names), tuple(turns)).seen_by(name))


@judge_app.command("label")
def judge_label(
    pairs: Annotated[
        list[Path], typer.Argument(metavar="PAIRS", help="Files of pairs, such as pairs.jsonl of `her judge data`.")
    ],
    reader: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who reads; default: only tell how far all agree.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where answers are kept; default: hands, beside the first file."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--most", metavar="N", min=1, help="Pairs, of all books alike; the same for all.")
    ] = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="Show those again that were passed over.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Which pairs --most takes.")] = 0,
    as_json: Json = False,
) -> None:
    """Read pairs and say which side is better.

    Nothing is shown of how a pair came about. Leave with q at any time: the same command goes on. At the end it is told
    how far readers agree, beyond chance.
    """
    from her.judge.batch import read_pairs
    from her.judge.data.agreement import lines
    from her.judge.data.candidates import some
    from her.judge.data.label_by_hand import Desk, label_pairs, summed_up
    from her.judge.data.pipeline import HANDS

    found = list(read_pairs(pairs))
    if most is not None:
        found = some(found, most, seed)
    folder = out or pairs[0].parent / HANDS
    if reader is not None:
        with Desk(found, folder, reader) as desk:
            if skipped:
                desk.reopen()
            read = label_pairs(desk, _Reader(err=as_json))
        typer.echo(
            f"{read.answered:,} of {read.pairs:,} answered, {read.skipped:,} skipped, {read.left:,} left", err=as_json
        )
    between, known = summed_up(folder, found)
    if as_json:
        from dataclasses import asdict

        typer.echo(
            json.dumps({"readers": asdict(between), "known": [asdict(one) for one in known]}, ensure_ascii=False)
        )
    else:
        typer.echo("\n".join(lines(between, known)) or "one reader, and no known answers: nothing to compare")


class _Reader:
    """The terminal of a reader: a key at once where somebody types, a line where input comes from a pipe."""

    def __init__(self, *, err: bool) -> None:
        self._err = err

    def show(self, text: str) -> None:
        """Prints it."""
        typer.echo(f"{text}\n", err=self._err)

    def key(self, words: str) -> str:
        """Waits for it."""
        typer.echo(words, nl=False, err=self._err)
        if not sys.stdin.isatty():
            return sys.stdin.readline()
        typed = typer.getchar(echo=False)
        typer.echo("" if typed in "\r\n\x04" else typed, err=self._err)
        return "" if typed == "\x04" else typed
