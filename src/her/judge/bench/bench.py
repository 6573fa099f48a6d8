"""A judge on trial: pairs in, a report and a page out.

Knows the order of things. Refuses to know how a judge is asked (`batch`) and how anything is measured (`metrics`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from her import __version__
from her.errors import InputError
from her.judge import batch, probe
from her.judge.bench.accept import lines
from her.judge.bench.asked import Asked
from her.judge.bench.biased import SCHEME, Biased, Biases
from her.judge.bench.draw import Questions, questions
from her.judge.bench.figure import Figure
from her.judge.bench.measures import Answers
from her.judge.bench.metrics import measure
from her.judge.bench.page import PAGE, Probed, Trial, write_page
from her.judge.bench.preferences import read_pairs
from her.judge.compare import DRAWN
from her.judge.pairs import Pair
from her.models.base import Model
from her.rows.files import Writer, sha_of
from her.rows.run import RunOptions

REPORT = "report.json"
PAIRS = "pairs.jsonl"
ASKED, AGAIN = "asked", "again"
"""What stands in the folder of a trial: the report, all pairs that were asked, and two folders of answers."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is to be tried. `judge` is an address, or one of a scripted judge (`biased:…`). `split` is that of the pairs
    to ask about; what the text alone gives away is read off all of them. `limit` is the most pairs in all; None: all
    there are. `temperature` None leaves it to the form, `concurrency` None to the run; `principles` None: our own."""

    judge: str
    pairs: tuple[Path, ...]
    out: Path
    form: Literal["written", "scored"] = "written"
    dialect: str = "ours"
    samples: int = 1
    temperature: float | None = None
    tie_band: float = 0.0
    principles: Path | None = None
    split: Literal["train", "test", "all"] = "all"
    limit: int | None = None
    seed: int = 0
    key: str | None = None
    concurrency: int | None = None


def bench(options: BenchOptions, told: Told) -> Trial:
    """The trial of a judge; its report and its page are then in `options.out`, with all that was asked and said.

    However it ended, the same call goes on where it was. `told` gets lines for people. Raises InputError, ModelError,
    MissingExtra, StorageError.
    """
    if not options.pairs:
        raise InputError("no pairs to judge: name files of pairs, such as her judge pairs makes, or preference files")
    biases = Biases.of(options.judge) if options.judge.startswith(SCHEME) else None
    files = tuple(read_pairs(path) for path in options.pairs)
    for file in files:
        told(f"{file.path}: {len(file.pairs):,} pairs of {file.rows:,} rows ({file.shape})")
    pairs = [pair for file in files for pair in file.pairs]
    probed = _probed(pairs, random.Random(options.seed))
    repeats = options.form == "written" or biases is not None
    drawn = questions(_of(pairs, options.split), random.Random(options.seed), limit=options.limit, repeats=repeats)
    told(f"{options.judge}: {drawn.size:,} pairs in both orders")
    answers = asyncio.run(_scripted(drawn, biases, options) if biases else _asked(drawn, options))
    measures = measure(answers, random.Random(options.seed), {one.family: one.surface for one in probed})
    how = _how(options, answers)
    trial = Trial(options.judge, measures, lines(measures.figures), files, probed, drawn.size, how)
    _write(trial, drawn.once, options.out)
    return trial


def _of(pairs: Sequence[Pair], split: str) -> Sequence[Pair]:
    """The pairs of a split; raises InputError where none is marked as of it."""
    found = pairs if split == "all" else [pair for pair in pairs if pair.split == split]
    if pairs and not found:
        raise InputError(f"no pair is marked as one of the split {split}; leave --split out, or make the pairs again")
    return found


async def _scripted(drawn: Questions, biases: Biases, options: BenchOptions) -> Answers:
    judge = Biased(drawn.once, biases, random.Random(options.seed))
    once = [Asked(pair, await judge.judge(pair.case)) for pair in drawn.once]
    return _answers(drawn, once, [Asked(pair, await judge.judge(pair.case)) for pair in drawn.repeated])


async def _asked(drawn: Questions, options: BenchOptions) -> Answers:
    model = batch.open_for_runs(options.judge, options.key)
    try:
        once = await _run(drawn.once, model, options, ASKED)
        # The likeliest words would be the same again.
        drawing = replace(options, seed=options.seed + 1, temperature=options.temperature or DRAWN)
        again = await _run(drawn.repeated, model, drawing, AGAIN) if drawn.again else []
    finally:
        await model.close()
    return _answers(drawn, once, again)


async def _run(pairs: Sequence[Pair], model: Model, options: BenchOptions, folder: str) -> list[Asked]:
    how = batch.How(
        dialect=options.dialect,
        form=options.form,
        samples=options.samples,
        # The scored form draws nothing.
        seed=options.seed if options.form == "written" else 0,
        temperature=options.temperature,
        tie_band=options.tie_band,
        principles=options.principles,
    )
    run = RunOptions(limit=options.concurrency, total=len(pairs))
    await batch.judge_pairs(pairs, model, options.out / folder, how, run)
    known = {pair.id: pair for pair in pairs}
    return [
        Asked(
            known[row.id],
            row.judgement,
            row.prompt_tokens,
            row.cached_tokens,
            row.completion_tokens,
            band=options.tie_band if options.form == "scored" else 0.0,
        )
        for row in batch.judged(options.out / folder)
    ]


def _answers(drawn: Questions, once: Iterable[Asked], again: Iterable[Asked]) -> Answers:
    """Raises KeyError where a pair has no answer: every pair has one, be it Unscored."""
    said = {one.pair.id: one for one in once}
    return Answers(
        pairs=[said[pair.id] for pair in drawn.pairs],
        openers=[said[pair.id] for pair in drawn.openers],
        triples=[(said[ab.id], said[bc.id], said[ac.id]) for ab, bc, ac in drawn.triples],
        again={one.pair.id: one for one in again},
    )


def _probed(pairs: Sequence[Pair], rng: random.Random) -> tuple[Probed, ...]:
    broken = [pair for pair in pairs if pair.kind == "broken"]
    found = probe.report(broken, rng) if broken else {}
    rights = {name: Figure(one.accuracy, one.low, one.high, one.pairs) for name, one in found.items()}
    return tuple(Probed(name, rights[name], one.surface) for name, one in sorted(found.items()))


def _how(options: BenchOptions, answers: Answers) -> dict[str, Any]:
    """What a figure may hang on; principles stand among the prompts, by their hash."""
    kept = {name: value for name, value in asdict(options).items() if name not in {"key", "pairs", "out", "principles"}}
    scripted = options.judge.startswith(SCHEME)
    rows = () if scripted else batch.judged(options.out / ASKED)
    return {
        **kept,
        "her": __version__,
        "pairs_asked": len(answers.everything),
        "prompts": [{"text": text} for text in sorted({text for row in rows for text in row.prompts})],
        "pairs": [{"file": path.name, "sha256": sha_of(path)[:16]} for path in options.pairs],
    }


def _write(trial: Trial, asked: Sequence[Pair], out: Path) -> None:
    """Replaces what an earlier trial left, all of it at the end."""
    report = {
        "judge": trial.judge,
        "accepted": trial.accepted,
        "lines": [asdict(line) for line in trial.lines],
        "measures": asdict(trial.measures),
        "probe": [asdict(one) for one in trial.probe],
        "files": [
            {"file": one.path, "shape": one.shape, "rows": one.rows, "pairs": len(one.pairs), "cut": one.cut}
            | {"skipped": dict(one.skipped)}
            for one in trial.files
        ],
        "how": trial.how,
    }
    with Writer(out / PAIRS) as file:
        for pair in asked:
            file.write(pair)
    with Writer(out / REPORT) as file:
        file.write_line(json.dumps(report, ensure_ascii=False, indent=1).encode() + b"\n")
    write_page(trial, out)


__all__ = ["PAGE", "REPORT", "BenchOptions", "bench"]
