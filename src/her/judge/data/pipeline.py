"""The whole way to data for judges: candidates, pairs, judgements, samples, each from file to file in one folder.

Knows the order of the steps and the name of every file between them; each name stands here or with the step that
writes it, once. Refuses to know how a model is opened and how a prompt is made.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from her.errors import InputError
from her.judge.batch import How, judge_pairs, judged, read_pairs
from her.judge.data.candidates import STAGE as CANDIDATES
from her.judge.data.candidates import Draws, Told, drawing, read_places, some
from her.judge.data.dataset import RewardOptions, Sheets, make_rewards
from her.judge.data.label_by_hand import hands, print_of
from her.judge.data.labels import Label, labels
from her.judge.data.pairing import PAIRS, Paired, all_paired
from her.judge.data.report import RewardReport
from her.judge.data.rows import Dialect, shaped_by
from her.judge.pairs import Pair, distinct
from her.judge.reward.provenance import JudgeRecord, judge_record
from her.judge.verdict import Judgement, Unscored
from her.models.base import Model
from her.rows.files import Writer, read_rows
from her.rows.report import Report, Snapshot
from her.rows.run import RunOptions, Target, run
from her.scene import slug

PAIRS_FILE = "pairs.jsonl"
"""All pairs, drawn and given, as a judge is asked and people read them."""
PAIRED = "pairs.json"
"""What became of the candidates."""
JUDGED = "judged"
HANDS = "hands"
SAMPLES = "samples"
MADE = "rows.jsonl"
"""What `rows.run` calls its rows."""
FOR_TESTS = "marked for tests"
"""Why a pair is not learnt from though its book is."""
STEPS = (CANDIDATES, "pairs", JUDGED, SAMPLES)
Step = Literal["candidates", "pairs", "judged", "samples"]


class Face(Protocol):
    """Who is told how it goes."""

    def begun(self, stage: str, rows: int) -> None:
        """A stage starts on so many rows."""

    def progress(self, now: Snapshot) -> None:
        """The stage at this moment."""

    def done(self, report: Report) -> None:
        """A stage has ended."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What the way needs from outside: whose candidates are compared (none where pairs are given), who labels (None:
    construction, files and people alone), who makes the prompt that asks for a turn, what writes Parquet, who is told.
    """

    models: Sequence[Model]
    judge: Model | None
    told: Told
    sheets: Sheets
    face: Face


@dataclass(frozen=True)
class DataOptions:
    """What is asked for. `contexts` is a data set's folder, `places` the most places of it (None: all), `files` are
    pairs that are there already, `hands` the folder of readers' files (None: `hands` beside the rest).

    `dialect` makes the rows; `how` asks the judge. Raises InputError where there is nothing to make pairs of.
    """

    out: Path
    dialect: Dialect
    contexts: Path | None = None
    config: str = "reward-pool"
    places: int | None = None
    draws: Draws = field(default_factory=Draws)
    pairs: int = PAIRS
    files: tuple[Path, ...] = ()
    hands: Path | None = None
    how: How = field(default_factory=How)
    rewards: RewardOptions = field(default_factory=RewardOptions)
    until: Step = "samples"
    seed: int = 0
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class Outcome:
    """What came of it; None for a step that was not taken. `unscored` is the share of pairs without a verdict."""

    folder: Path
    reports: tuple[Report, ...]
    paired: Paired | None = None
    pairs: int = 0
    unscored: float | None = None
    samples: RewardReport | None = None

    @property
    def whole(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "folder": str(self.folder),
            "stages": [report.model_dump(mode="json") for report in self.reports],
            "paired": self.paired.model_dump() if self.paired else None,
            "pairs": self.pairs,
            "unscored": self.unscored,
            "samples": self.samples.model_dump(mode="json") if self.samples else None,
        }

    @property
    def lines(self) -> list[str]:
        """What people want to know of it."""
        found = [f"{one.stage}: {one.rows_out:,} of {one.rows_in:,} rows, {one.calls:,} calls" for one in self.reports]
        if self.paired and (drawn := self.paired).candidates:
            found.append(
                f"candidates: {drawn.candidates:,}, refused {drawn.refused:,}, the same {drawn.same:,}; "
                f"places without a pair: {drawn.too_few:,} of {drawn.places:,}"
            )
        if self.paired:
            found.append(f"pairs: {self.pairs:,}, in {self.folder / PAIRS_FILE}")
        if self.unscored is not None:
            found.append(f"without a verdict: {self.unscored:.1%} of the pairs")
        if self.samples:
            labels = {f"by {known}": count for known, count in self.samples.known.items()}
            found.append(f"labels: {_counted(labels | self.samples.unlabelled)}")
            for name, part in self.samples.parts.items():
                aside = f"; set aside: {_counted(part.aside)}" if part.aside else ""
                found.append(f"{name}: {part.pairs:,} pairs, {part.rows:,} rows{aside}")
            found += [*self.samples.notes, f"data set: {self.folder / SAMPLES}"]
        return found


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts.items())


async def make_data(options: DataOptions, asking: Asking) -> Outcome:
    """Takes the steps up to `options.until`; what was answered before is not asked again, so the same call goes on.

    Raises InputError, StorageError, ModelError or MissingExtra; what is made stays.
    """
    last = STEPS.index(options.until)
    if asking.judge is None and options.until == JUDGED:
        raise InputError("nobody judges the pairs: name a judge, or stop at pairs")
    if asking.judge is not None and options.how.orders != "both":
        raise InputError("a judge labels a pair only where it is asked in both orders")
    reports = await _drawn(options, asking)
    if last == 0:
        return Outcome(options.out, tuple(reports))
    found, count = _paired(options, asking.models)
    if last == 1:
        return Outcome(options.out, tuple(reports), found, count)
    judgements: dict[str, Judgement] = {}
    judge: JudgeRecord | None = None
    unscored: float | None = None
    if asking.judge is not None:
        report, judge, judgements = await _judged(options, asking, asking.judge, count)
        reports.append(report)
        unscored = sum(isinstance(one.verdict, Unscored) for one in judgements.values()) / count
    outcome = Outcome(options.out, tuple(reports), found, count, unscored)
    if options.until == JUDGED:
        return outcome
    made = [*_labels(options, judgements)]
    books = held_out(options, made)
    made = [FOR_TESTS if _spared(one, books) else one for one in made]
    shaped = shaped_by([one for one in made if isinstance(one, Label)], judge)
    rewards = replace(options.rewards, seed=options.seed, shaped=shaped, held_out=books)
    return replace(outcome, samples=make_rewards(made, options.out / SAMPLES, rewards, options.dialect, asking.sheets))


async def _judged(
    options: DataOptions, asking: Asking, judge: Model, count: int
) -> tuple[Report, JudgeRecord, dict[str, Judgement]]:
    """What the judge says of all pairs, by id, and who it is."""
    folder = _folder(options.out, JUDGED, judge.address, options.how.told)
    asking.face.begun(JUDGED, count)
    pairs, go = read_rows(options.out / PAIRS_FILE, Pair), replace(options.run, total=count)
    report = await judge_pairs(pairs, judge, folder, options.how, go, asking.face.progress)
    asking.face.done(report)
    judgements: dict[str, Judgement] = {}
    prompts = set[str]()
    for row in judged(folder):
        judgements[row.id] = row.judgement
        prompts.update(row.prompts)
    dialect = options.how.dialect if options.how.form == "written" else options.how.form
    record = judge_record(judge.address, dialect=dialect, prompts=prompts)
    return report, record, judgements


async def _drawn(options: DataOptions, asking: Asking) -> list[Report]:
    """The candidates of every model."""
    if not asking.models:
        if not options.files:
            raise InputError("there is nothing to compare: name a model that candidates come from, or a file of pairs")
        return []
    if options.contexts is None:
        raise InputError("candidates need places: name the folder of a data set that `her synth` made")
    folders = [candidates_of(options.out, model.address) for model in asking.models]
    if twice := [path.name for path, n in Counter(folders).items() if n > 1]:
        raise InputError(f"two of the models are called {twice[0]!r}; their candidates would be mixed")
    places = [*read_places(options.contexts, options.config, ("train", "test"), asking.told)]
    if options.places is not None:
        places = some(places, options.places, options.seed)
    reports = []
    for model, folder in zip(asking.models, folders, strict=True):
        asking.face.begun(CANDIDATES, len(places))
        go = replace(options.run, total=len(places))
        work = drawing(replace(options.draws, seed=options.seed))
        reports.append(await run(places, work, model, Target(folder, CANDIDATES), go, asking.face.progress))
        asking.face.done(reports[-1])
    return reports


def candidates_of(out: Path, address: str) -> Path:
    """The folder of one model's candidates."""
    return _folder(out, CANDIDATES, address)


def _folder(out: Path, step: str, address: str, how: str = "") -> Path:
    """The folder of what one model was asked in a step; a server's host is no part of its name."""
    name = address.rpartition("#")[2]
    return out / step / f"{slug(name)[-60:]}-{hashlib.sha256(f'{name}{how}'.encode()).hexdigest()[:6]}"


def _paired(options: DataOptions, models: Sequence[Model]) -> tuple[Paired, int]:
    """Writes all pairs into one file; what became of the candidates, and how many pairs there are."""
    counted, count = [Paired()], 0
    drawn = [candidates_of(options.out, model.address) / MADE for model in models]
    with Writer(options.out / PAIRS_FILE) as out:
        for pair in distinct(_all(options, drawn, counted)):
            count += 1
            out.write(pair)
        found = functools.reduce(Paired.plus, counted)
        if not count:
            raise InputError(
                f"no pair came of {found.candidates:,} candidates: the gate refused {found.refused:,}, and "
                f"{found.same:,} are the same as another; the stage's report.json has the reasons"
            )
    with Writer(options.out / PAIRED) as out:
        out.write_line(json.dumps(found.model_dump(), indent=1).encode() + b"\n")
    return found, count


def _all(options: DataOptions, drawn: Sequence[Path], counted: list[Paired]) -> Iterator[Pair]:
    """The pairs that were drawn and those of files; what became of the candidates of each place is put to `counted`."""
    for pairs, place in all_paired(drawn, options.pairs, options.seed) if drawn else ():
        counted.append(place)
        # Of drawn pairs the subset is the split of their place.
        yield from (pair.model_copy(update={"split": pair.subset}) for pair in pairs)
    for path in options.files:
        for pair in read_pairs([path]):
            yield pair.model_copy(update={"source": pair.source or path.name})


def _labels(options: DataOptions, judgements: Mapping[str, Judgement]) -> Iterator[Label | str]:
    path, folder = options.out / PAIRS_FILE, options.hands or options.out / HANDS
    if options.hands is not None and not folder.is_dir():
        raise InputError(f"{folder}: is no folder of readers' files; `her judge label` makes one")
    readers = {}
    if folder.is_dir():
        readers = hands(folder, {pair.id: print_of(pair) for pair in read_rows(path, Pair)})
    return labels(read_rows(path, Pair), judgements, readers)


def held_out(options: DataOptions, made: Sequence[Label | str]) -> frozenset[str]:
    """The books for tests: those that are named, those of the data set's own test split, and those of which pairs are
    marked for tests, and none to learn from."""
    books = {*options.rewards.held_out}
    marked = {(one.pair.split, one.pair.book) for one in made if isinstance(one, Label)}
    books |= {book for split, book in marked if split == "test" and book and ("train", book) not in marked}
    if options.contexts is not None:
        # No prompt is needed to learn whose place it is.
        splits = read_places(options.contexts, options.config, ("train", "test"), _untold)
        books |= {place.book for place in splits if place.split == "test"}
    return frozenset(books)


def _spared(one: Label | str, books: frozenset[str]) -> bool:
    """Whether a pair is for tests though its book is learnt from."""
    return isinstance(one, Label) and one.pair.split == "test" and one.pair.book not in books


def _untold(*_: object) -> tuple[()]:
    return ()
