"""The faces of `her synth`: progress while it runs, one table at its end, JSON for programs.

Knows screens. Refuses to know stages: it shows snapshots and reports.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from her.errors import ModelError
from her.rows.report import Report, Snapshot
from her.synth.options import SynthOptions

GOES_ON = "the same command goes on"
NO_ANSWER = "server"
"""The reason of rows that were dropped because no answer came."""


class Bars:
    """One bar a stage on standard error, with rate, tokens and cost; without a terminal, one line a stage."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bars = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def note(self, text: str) -> None:
        """Prints something to know."""
        self._console.print(text, style="dim", soft_wrap=True)

    def begun(self, stage: str, rows: int) -> None:
        """Opens the stage's bar."""
        self._task = self._bars.add_task(stage, total=rows, told="")

    def progress(self, now: Snapshot) -> None:
        """Moves the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=now.rows, told=_told(now))

    def done(self, report: Report) -> None:
        """Closes the bar; where nobody sees bars, says how the stage ended."""
        if not self._console.is_terminal:
            self._console.print(_line(report), soft_wrap=True)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stops the bars; of an end that passes it says that nothing is lost."""
        self._bars.stop()
        if isinstance(error, KeyboardInterrupt | ModelError) and GOES_ON not in str(error):
            self.note(f"what was answered is kept: {GOES_ON} from here")


def run_synth(options: SynthOptions, *, as_json: bool) -> bool:
    """Runs what was asked for and prints what came of it; False where a stage dropped more than is allowed."""
    from her.synth.pipeline import synthesise  # noqa: PLC0415 - the stages load parsers that `--help` has no use for

    with Bars() as bars:
        outcome = synthesise(options, bars)
    if as_json:
        _print(
            {
                "folder": str(outcome.folder),
                "within": outcome.within,
                "stages": [report.model_dump(mode="json") for report in outcome.reports],
                "samples": outcome.samples.model_dump(mode="json") if outcome.samples else None,
                "page": str(outcome.page) if outcome.page else None,
            }
        )
        return outcome.within
    _show(_table(outcome.reports))
    for report in outcome.reports:
        for what, counts in (("dropped", report.reasons), ("left out", report.refused)):
            if counts:
                _say(f"{report.stage} {what}: {', '.join(f'{reason} {n}' for reason, n in counts.items())}")
    if outcome.samples:
        _say(f"samples: {_counted(outcome.samples.rows)}")
    if outcome.page:
        _say(f"report: {outcome.page}")
    if any(NO_ANSWER in report.reasons for report in outcome.reports):
        _say(f"rows were dropped because the server gave nothing; {GOES_ON} and asks for them again")
    if not outcome.within:
        over = ", ".join(report.stage for report in outcome.reports if not report.within)
        _say(f"more rows were dropped than --max-dropped allows: {over}")
    return outcome.within


def estimate_run(options: SynthOptions, *, as_json: bool) -> None:
    """Prints what a run would ask and cost; nothing is asked."""
    from her.synth.pipeline import forecast  # noqa: PLC0415

    with Bars() as bars:
        found = forecast(options, bars)
    if as_json:
        _print({"stages": [asdict(stage) for stage in found.stages], "total": asdict(found.total)})
        return
    priced = found.total.cost is not None
    table = _columns("stage", "rows", "calls", "prompt tokens", "answer tokens", *["cost"] * priced)
    for stage in (*found.stages, found.total):
        figures = [f"{n:,}" for n in (stage.rows, stage.calls, stage.prompt_tokens, stage.completion_tokens)]
        table.add_row(stage.stage, *figures, *[f"{stage.cost or 0:.2f}"] * priced)
    _show(table)
    _say("estimates, from the length of the texts; nothing was asked")


def report_run(folder: Path, *, as_json: bool) -> None:
    """Writes the page about a run and prints where it is; as JSON, what the page shows."""
    from her.synth.reports.page import summary, write_report  # noqa: PLC0415 - matplotlib is slow to load

    if as_json:
        _print(summary(folder))
    else:
        _say(str(write_report(folder)))


def publish_run(folder: Path, target: Path, *, licence: str, name: str) -> None:
    """Writes the dataset's folder and says what is in it."""
    from her.synth.samples.publish import publish  # noqa: PLC0415

    report = publish(folder, target, licence=licence, title=name)
    _say(f"{target}: {_counted(report.rows)}")


def _counted(rows: Mapping[str, Mapping[str, int]]) -> str:
    return ", ".join(f"{config} {sum(splits.values())}" for config, splits in rows.items())


def _told(now: Snapshot) -> str:
    parts = [
        f"{now.calls + now.from_journal} answers",
        f"{(now.prompt_tokens + now.completion_tokens) / 1000:.1f}k tok",
    ]
    if now.cost is not None:
        parts.append(f"cost {now.cost:.2f}")
    if now.dropped:
        parts.append(f"{now.dropped} dropped")
    return " · ".join(parts)


def _line(report: Report) -> str:
    return (
        f"{report.stage}: {report.rows_in} in = {report.kept} kept + {report.repaired} repaired + {report.dropped} "
        f"dropped; {report.rows_out} out; {report.calls} calls, {report.from_journal} from the journal; "
        f"{report.seconds:.1f} s"
    )


def _table(reports: tuple[Report, ...]) -> Table:
    priced = any(report.cost is not None for report in reports)
    table = _columns("stage", "in", "kept", "repaired", "dropped", "out", "answers", "tokens", *["cost"] * priced)
    for report in reports:
        figures = (report.rows_in, report.kept, report.repaired, report.dropped, report.rows_out)
        asked = report.calls + report.from_journal
        tokens = f"{(report.prompt_tokens + report.completion_tokens) / 1000:,.1f}k"
        cost = "" if report.cost is None else f"{report.cost:.2f}"
        table.add_row(report.stage, *map(str, figures), str(asked), tokens, *[cost] * priced)
    return table


def _columns(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
    return table


def _show(table: Table) -> None:
    """Prints a table; a file or a pipe gets it at its full width."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(table, width=None if console.is_terminal else console.measure(table).maximum)


def _say(text: str) -> None:
    Console(highlight=False, markup=False, emoji=False).print(text, soft_wrap=True)


def _print(data: Any) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
