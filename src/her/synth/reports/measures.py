"""What a run of synthesis came to, in figures: counts by stage, layouts, lengths, stock phrases, refusals.

Knows how rows are counted, each read once and forgotten. A stage that has not run is left out. Refuses to know where
files stand (`run_folder`) and how figures look (`report_page`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from her.checks.layout import Layouts, layouts
from her.checks.slop import PER, slop_rate
from her.checks.units import units
from her.pages.plots import quantile
from her.rows.record import SceneRow
from her.rows.report import Quarantined, Report
from her.synth.reports.run_folder import RunFolder
from her.turn import ENVIRONMENT, Kind, Turn

TOP_LAYOUTS = 8
EXAMPLES = 2
"""Of refusals, for each stage and reason."""
SAMPLES = 4
"""Scenes to read in a report."""
_BETWEEN = " xxxxx "
COUNTS = ("rows_in", "kept", "repaired", "dropped", "rows_out")


@dataclass(frozen=True, slots=True)
class Tally:
    """What has been counted over the characters' turns; the Environment's are not among them."""

    layouts: Counter[str] = field(default_factory=Counter)
    runs: Counter[int] = field(default_factory=Counter)
    """The longest run of one layout in each scene, and how many scenes have it."""
    words: dict[Kind, Counter[int]] = field(default_factory=lambda: {kind: Counter() for kind in Kind})
    """For each layer how many turns have so many words of it."""
    stock: Counter[Kind] = field(default_factory=Counter)
    """Stock phrases in each layer, of languages with a list of them."""
    listed: Counter[Kind] = field(default_factory=Counter)
    """Words in each layer, of languages with a list."""
    turns: Counter[str] = field(default_factory=Counter)
    """How many turns in each language."""

    def add(self, turns: Iterable[Turn], language: str) -> None:
        """Counts one scene's turns."""
        own = [turn for turn in turns if turn.speaker != ENVIRONMENT]
        found = layouts(own)
        self.turns[language] += len(own)
        self.layouts.update(dict(found.counts))
        self.runs[found.longest_run] += 1
        texts: dict[Kind, list[str]] = {}
        for turn in own:
            for kind in {segment.kind for segment in turn.segments}:
                texts.setdefault(kind, []).append(turn.text_of(kind))
        for kind, said in texts.items():
            counts = [len(units(text)) for text in said]
            self.words[kind].update(counts)
            # One look a scene; the word between turns keeps a phrase from beginning in one and ending in the next.
            if (rate := slop_rate(_BETWEEN.join(said), language)) is not None:
                self.stock[kind] += round(rate * (sum(counts) + len(counts) - 1) / PER)
                self.listed[kind] += sum(counts)

    @property
    def all_layouts(self) -> Layouts:
        """The layouts of all turns; the longest run is that within one scene."""
        counts = sorted(self.layouts.items(), key=lambda item: (-item[1], item[0]))
        return Layouts(tuple(counts), max(self.runs, default=0))

    def stock_rate(self, *kinds: Kind) -> float | None:
        """Stock phrases per 1000 words of these layers; None without words, or without a list for the language."""
        words = sum(self.listed[kind] for kind in kinds)
        return PER * sum(self.stock[kind] for kind in kinds) / words if words else None

    def figures(self) -> dict[str, Any]:
        """The tally for machines: turns, layouts, words of each layer by turn, stock phrases per 1000 words."""
        found = self.all_layouts
        top = [
            {"layout": layout, "turns": count, "share": count / found.turns}
            for layout, count in found.counts[:TOP_LAYOUTS]
        ]
        return {
            "turns": self.turns.total(),
            "layouts": {
                "turns": found.turns,
                "distinct": found.distinct,
                "entropy": found.entropy,
                "top_share": found.top_share,
                "longest_run": found.longest_run,
                "top": top,
            },
            "words": {str(kind): asdict(spread(self.words[kind])) for kind in Kind},
            "stock": {str(kind): self.stock_rate(kind) for kind in Kind} | {"all": self.stock_rate(*Kind)},
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values lie: how many, mean, median, ninetieth percentile and largest; None for no values."""

    count: int
    mean: float | None = None
    median: int | None = None
    p90: int | None = None
    most: int | None = None


def spread(counts: Mapping[int, int]) -> Spread:
    """How values lie that are given with how often they come."""
    total = sum(counts.values())
    if not total:
        return Spread(0)
    mean = sum(value * count for value, count in counts.items()) / total
    return Spread(total, mean, quantile(counts, 0.5), quantile(counts, 0.9), max(counts))


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows, counted: turns as they came and as they are, scenes and turns by book, refusals with examples."""

    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)
    scenes: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Of what was refused, by stage and reason: where and why, the first few by hash."""
    firsts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """The first rows of each book by the hash of their ids."""

    def add(self, row: SceneRow) -> None:
        """Counts one row. One that no stage has changed is the same before and after."""
        self.after.add((turn.turn for turn in row.turns), row.language)
        self.before.add((turn.turn for turn in row.original or row.turns), row.language)
        self.scenes[row.source.book] += 1
        self.turns[row.source.book] += len(row.turns)
        _keep(self.firsts.setdefault(row.source.slug or row.source.book, []), row.id, row.id, SAMPLES)
        for one in row.refused:
            self.example(one.stage, one.reason, f"{row.id} {one.where}".strip(), one.detail)

    def example(self, stage: str, reason: str, where: str, detail: str) -> None:
        """Keeps a refusal as an example, if it is among the first by hash."""
        kept = self.examples.setdefault((stage, reason), [])
        _keep(kept, f"{where}\n{detail}", f"{where}: {detail}" if detail else where, EXAMPLES)

    def chosen(self, count: int = SAMPLES) -> tuple[str, ...]:
        """The ids of at most SAMPLES rows to read, spread over the books; a hash has chosen them, and nobody else."""
        books = sorted(self.firsts.values())
        rounds = [own[nth][1] for nth in range(SAMPLES) for own in books if nth < len(own)]
        return tuple(rounds[:count])


def measure(rows: Iterable[SceneRow], lost: Iterable[Quarantined] = ()) -> Measured:
    """The counts over these rows and over those that were dropped, each looked at once."""
    found = Measured()
    for row in rows:
        found.add(row)
    for one in lost:
        found.example(one.stage, one.reason, one.id, one.detail)
        for refusal in one.refusals:
            found.example(refusal.stage, refusal.reason, f"{one.id} {refusal.where}".strip(), refusal.detail)
    return found


def _keep(kept: list[tuple[str, str]], key: str, value: str, count: int) -> None:
    """Puts the value among the first `count` by the hash of its key."""
    kept.append((hashlib.sha256(key.encode("utf-8", "replace")).hexdigest(), value))
    kept.sort()
    del kept[count:]


def summary(folder: Path) -> dict[str, Any]:
    """The figures of the run in this folder, ready for JSON. Raises InputError and StorageError."""
    run = RunFolder(folder)
    return figures(run, measure(run.rows(), run.lost()))


def figures(run: RunFolder, measured: Measured) -> dict[str, Any]:
    """The figures of a run whose rows have been measured.

    `stages` are the reports in order, `measured` names the stage whose scenes were counted (None: there are none),
    `gates` has one entry for each stage and reason; `run` and `samples` are those files as they are, or empty, and
    `sampled` counts the last step as a stage's are: scenes in, rows of the data set out (None: not yet).
    """
    reports = run.reports
    return {
        "run": run.options,
        "stages": [report.model_dump(mode="json") for report in reports],
        "measured": run.last,
        "scenes": measured.scenes.total(),
        "turns": measured.turns.total(),
        "books": [
            {"book": book, "scenes": scenes, "turns": measured.turns[book]}
            for book, scenes in sorted(measured.scenes.items(), key=lambda item: (-item[1], item[0]))
        ],
        "languages": dict(sorted(measured.after.turns.items())),
        "before": measured.before.figures(),
        "after": measured.after.figures(),
        "gates": _gates(reports, measured),
        "sampled": _sampled(run.samples),
        "samples": run.samples,
        "to_read": list(measured.chosen()),
    }


def _sampled(samples: Mapping[str, Any]) -> dict[str, int] | None:
    groups = [samples.get(name) for name in ("scenes", "kept_out", "rows")]
    if not all(isinstance(group, Mapping) for group in groups):
        return None
    kept, out = (sum((group or {}).values()) for group in groups[:2])
    rows = sum(sum(splits.values()) for splits in (groups[2] or {}).values())
    return dict(zip(COUNTS, (kept + out, kept, 0, out, rows), strict=True))


def _gates(reports: Iterable[Report], measured: Measured) -> list[dict[str, Any]]:
    """What gates kept out, by stage and reason, the most frequent first within a stage: answers that were asked for
    again, parts that were left out in the end, and rows that were dropped."""
    found = []
    for report in reports:
        again, left, dropped = Counter(report.faults), Counter(report.refused), Counter(report.reasons)
        every = again + left + dropped
        for reason in sorted(every, key=lambda one: (-every[one], one)):
            examples = [text for _, text in measured.examples.get((report.stage, reason), [])]
            found.append(
                {
                    "stage": report.stage,
                    "reason": reason,
                    "asked_again": again[reason],
                    "left_out": left[reason],
                    "rows_dropped": dropped[reason],
                    "examples": examples,
                }
            )
    return found


def wrong(found: Mapping[str, Any]) -> list[str]:
    """What does not add up in a summary, a sentence each; empty where all is well."""
    faults = []
    for stage in found["stages"]:
        rows_in, kept, repaired, dropped = (stage[name] for name in COUNTS[:4])
        if rows_in != kept + repaired + dropped:
            faults.append(
                f"{stage['stage']}: {rows_in} rows went in, but {kept} kept, {repaired} repaired and {dropped} dropped "
                f"make {kept + repaired + dropped}; run the stage again"
            )
    return faults


def markdown(found: Mapping[str, Any]) -> str:
    """The stages of a summary as a Markdown table, with the real counts of rows."""
    heads = ("stage", "in", "kept", "repaired", "dropped", "out", "calls", "tokens in", "tokens out")
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for stage in found["stages"]:
        cells = [stage[name] for name in (*COUNTS, "calls", "prompt_tokens", "completion_tokens")]
        shown = (f"{cell:,}" if isinstance(cell, int) else "–" for cell in cells)
        lines.append(f"| {stage['stage']} | {' | '.join(shown)} |")
    if sampled := found["sampled"]:
        lines.append(f"| samples | {' | '.join(f'{sampled[name]:,}' for name in COUNTS)} | – | – | – |")
    return "\n".join(lines) + "\n"
