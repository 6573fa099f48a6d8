"""The whole way from preference pairs to a file of principles: step after step, each resumable from its folder.

Knows the order of the steps, what is held out, and what the file says of where it comes from. Refuses to know screens:
the review is handed in.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from her.errors import InputError
from her.judge.induce.clusters import clustered
from her.judge.induce.merged import STAGE as MERGE
from her.judge.induce.merged import Merging, batches, united
from her.judge.induce.raw import STAGE as RAW
from her.judge.induce.raw import RawPrinciples
from her.judge.induce.recall import Recall, recall
from her.judge.induce.review import Reviewed
from her.judge.induce.rows import Candidate, Invoked, Raw, Score
from her.judge.induce.scored import STAGE as SCORE
from her.judge.induce.scored import Invoking, scores
from her.judge.induce.worded import STAGE as WORDING
from her.judge.induce.worded import Worded, WritingOut, named_apart
from her.judge.pairs import Pair, distinct
from her.judge.principles import Principle, written
from her.judge.verdict import Winner
from her.models.base import Model
from her.rows.answers import remote
from her.rows.files import Writer, read_rows, sha_of
from her.rows.record import Record
from her.rows.report import Price, Report, Snapshot
from her.rows.run import RunOptions, Target, Work, run

CANDIDATES, DECISIONS, PRINCIPLES, REPORT = "candidates.jsonl", "decisions.jsonl", "principles.toml", "report.json"
"""What is written into the folder of a run, beside one folder a step."""

In = TypeVar("In", bound=BaseModel)
Progress = Callable[[str, Snapshot], None]


@dataclass(frozen=True, slots=True)
class InduceOptions:
    """What a run is made of, and how it is carried out. `held_out` is the share of the pairs, by whole books, that
    principles are scored on; `least` how many pairs a candidate needs; `merge` asks the teacher which candidates mean
    the same."""

    pairs: tuple[Path, ...]
    out: Path
    seed: int = 0
    held_out: float = 0.2
    least: int = 2
    merge: bool = False
    concurrency: int | None = None
    max_dropped: float = 0.2
    price: Price | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a share that is none, and for no pairs at all."""
        if not 0 <= self.held_out < 1:
            raise InputError(f"the share held out is 0 or more and below 1, not {self.held_out:g}")
        if not self.pairs or self.least < 1:
            raise InputError("name at least one file of pairs, and let a candidate need at least 1 of them")


@dataclass(frozen=True, slots=True)
class Split:
    """Pairs with a better side: those that principles are made of, and those that they are scored on. No book is in
    both. `passed_over` counts ties and pairs without an answer."""

    made_of: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    passed_over: int


class InduceReport(Record):
    """What a run came to: `report.json`."""

    counts: dict[str, int]
    recall: Recall
    scores: tuple[Score, ...]
    steps: tuple[Report, ...]

    @property
    def within(self) -> bool:
        """Whether no step dropped a greater share of its rows than is allowed."""
        return all(step.within for step in self.steps)


@dataclass(frozen=True)
class Induced:
    """A run at its end, or at the review: then `waiting` are the candidates without a decision, and there are no
    principles yet. `path` is their file, None where there is none; `earlier` one that another run left in its place."""

    report: InduceReport
    principles: tuple[Principle, ...] = ()
    waiting: tuple[Candidate, ...] = ()
    path: Path | None = None
    earlier: Path | None = None


def split(pairs: Iterable[Pair], share: float, rng: random.Random) -> Split:
    """The pairs, a share of them held out by whole books (scenes, where a pair names no book).

    Of one book alone nothing is held out; of several, always some and never all. Raises InputError where two pairs
    have one id.
    """
    every = list(distinct(pairs))
    books: dict[str, list[Pair]] = defaultdict(list)
    for pair in every:
        if pair.better in (Winner.FIRST, Winner.SECOND):
            books[pair.book or pair.at.scene.id].append(pair)
    names = sorted(books)
    rng.shuffle(names)
    usable = sum(map(len, books.values()))
    kept_out: set[str] = set()
    for name in names[: len(names) - 1] if share else ():
        if sum(len(books[one]) for one in kept_out) >= share * usable:
            break
        kept_out.add(name)
    out = {pair.id for name in kept_out for pair in books[name]}
    mine = [pair for pair in every if pair.better in (Winner.FIRST, Winner.SECOND)]
    made_of = tuple(pair for pair in mine if pair.id not in out)
    return Split(made_of, tuple(pair for pair in mine if pair.id in out), len(every) - usable)


async def induce(
    options: InduceOptions,
    model: Model,
    review: Callable[[Sequence[Candidate]], Reviewed],
    progress: Progress | None = None,
) -> Induced:
    """Principles from pairs, as far as the review lets them: where it leaves candidates open, the run ends there.

    Whatever has been answered is not asked again: the same call goes on. Raises InputError where there is no pair
    with a better side, and as `rows.run` does.
    """
    pairs = (pair for path in options.pairs for pair in read_rows(path, Pair))
    told = split(pairs, options.held_out, random.Random(options.seed))
    if not told.made_of:
        raise InputError(f"{', '.join(map(str, options.pairs))}: no pair has a better side; nothing can be induced")
    path, steps = options.out / PRINCIPLES, _Steps(options, model, progress)
    candidates = await _candidates(told, options, steps)
    with Writer(options.out / CANDIDATES) as out:
        for one in candidates:
            out.write(one)
    decided = review(candidates)
    steps.counts |= {
        "kept": len(decided.kept),
        "merged_in_review": decided.merged,
        "reworded": decided.reworded,
        "rejected": len(decided.rejected),
        "waiting": len(decided.open),
        "decisions_on_others": decided.unknown,
    }
    if decided.open or not decided.kept:
        report = _report(options, steps, recall(candidates, told.made_of), ())
        return Induced(report, waiting=decided.open, earlier=path if path.is_file() else None)
    principles = await _written_out(decided.kept, options, steps)
    found = recall(decided.kept, told.made_of)
    scored = await _scored(principles, told, options, steps)
    report = _report(options, steps, found, scored)
    with Writer(path) as out:
        out.write_line(written(principles, _lineage(options, model, report)).encode())
    return Induced(report, principles, path=path)


async def _candidates(told: Split, options: InduceOptions, steps: _Steps) -> tuple[Candidate, ...]:
    """The candidates of the pairs, brought together by the teacher where that is wanted."""
    steps.counts |= {"passed_over": told.passed_over, "made_of": len(told.made_of), "held_out": len(told.held_out)}
    raws = await steps.do(RAW, told.made_of, RawPrinciples(options.seed), Raw)
    every = clustered(raws, 1)
    candidates = tuple(one for one in every if len(one.pairs) >= options.least)
    steps.counts |= {"raw": len(raws), "clusters": len(every), "candidates": len(candidates)}
    if options.merge and len(candidates) > 1:
        candidates = united(await steps.do(MERGE, batches(candidates), Merging(options.seed), Candidate))
        steps.counts["after_merging"] = len(candidates)
    return candidates


async def _written_out(kept: Sequence[Candidate], options: InduceOptions, steps: _Steps) -> tuple[Principle, ...]:
    worded = await steps.do(WORDING, kept, WritingOut(options.seed), Worded)
    principles = named_apart(one.entry.principle for one in worded)
    steps.counts["principles"] = len(principles)
    if not principles:
        raise InputError(f"{options.out / WORDING}: no candidate could be written out; dropped.jsonl there says why")
    return principles


async def _scored(
    principles: tuple[Principle, ...], told: Split, options: InduceOptions, steps: _Steps
) -> tuple[Score, ...]:
    invoked: Sequence[Invoked] = ()
    if told.held_out:
        invoked = await steps.do(SCORE, told.held_out, Invoking(principles, options.seed), Invoked)
    steps.counts["scored_on"] = len(invoked)
    return scores(principles, invoked)


@dataclass
class _Steps:
    """The steps of a run that ask: each in a folder of its own."""

    options: InduceOptions
    model: Model
    progress: Progress | None
    reports: list[Report] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    async def do(self, stage: str, rows: Iterable[In], work: Work[In, Any], made: type[Any]) -> list[Any]:
        """The rows that come of a step."""
        target = Target(self.options.out / stage, stage)
        rows = list(rows)
        options = RunOptions(
            limit=self.options.concurrency if remote(self.model) else None,
            total=len(rows),
            max_dropped=self.options.max_dropped,
            price=self.options.price,
        )
        tell = self.progress
        shown = (lambda now: tell(stage, now)) if tell else None
        self.reports.append(await run(rows, work, self.model, target, options, shown))
        return list(read_rows(target.file("rows.jsonl"), made))


def _report(options: InduceOptions, steps: _Steps, found: Recall, scored: tuple[Score, ...]) -> InduceReport:
    report = InduceReport(counts=steps.counts, recall=found, scores=scored, steps=tuple(steps.reports))
    with Writer(options.out / REPORT) as out:
        out.write_line(report.model_dump_json(indent=2).encode() + b"\n")
    return report


def _lineage(options: InduceOptions, model: Model, report: InduceReport) -> dict[str, Any]:
    """Where a file of principles comes from; the same run always has the same."""
    found = {"found": report.recall.found, "of": len(report.recall.families), "share": report.recall.share}
    scored = {score.principle: score.model_dump(mode="json", exclude={"principle"}) for score in report.scores}
    return {
        "pairs": [path.name for path in options.pairs],
        "pairs_sha256": [sha_of(path) for path in options.pairs],
        "teacher": model.address,
        "prompts": sorted({text for step in report.steps for text in step.prompts}),
        "seed": options.seed,
        "held_out": options.held_out,
        "least": options.least,
        "counts": report.counts,
        **({"recall": _told(found)} if report.recall.families else {}),
        "scores": {id: _told(score) for id, score in scored.items()},
    }


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is None: TOML has no word for it."""
    return {name: value for name, value in values.items() if value is not None}
