"""What `her bench` says: of benchmarks, of a run before and after it, of reports and stored judgements.

Knows the texts that people and programs are given. Refuses to know how anything is run, measured or drawn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from her.bench.coser.dimensions import AVERAGE
from her.bench.coser.presets import SeverityRule
from her.bench.coser.rescore import Rescored, RescoreOptions, rescore
from her.bench.coser.win_rate import win_rate
from her.bench.estimate import prices, summary
from her.bench.figures import Unscored, Value, Why
from her.bench.registry import BENCHMARKS
from her.bench.report.cells import Cell, cells
from her.bench.report.differences import deviations, unlike
from her.bench.report.drawings import write_plots
from her.bench.report.logs import read, read_log
from her.bench.report.markdown import markdown
from her.bench.report.page import write_page
from her.bench.report.records import Case, Run
from her.bench.report.report import as_json as _as_json
from her.bench.report.report import headline, report
from her.bench.report.struck import provenances
from her.bench.report.written import counted, whole
from her.bench.run import LOGS, RunOptions, estimated, ready, run
from her.errors import InputError

Say = Callable[[str, bool], None]
"""Takes a text, and whether it is an aside: said beside the result, not as part of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run's face wants: prices and an earlier log for the estimate; `dry_run` stops after it."""

    price: tuple[str, ...] = ()
    earlier: Path | None = None
    dry_run: bool = False
    as_json: bool = False


def listed(*, as_json: bool = False) -> str:
    """Every benchmark: what it is, and its parameters."""
    if as_json:
        told = [{"name": one.name, "about": one.about, "parameters": one.parameters} for one in BENCHMARKS]
        return json.dumps(told, ensure_ascii=False)
    wide, lines = max(len(one.name) for one in BENCHMARKS), []
    for one in BENCHMARKS:
        takes = ", ".join(f"{name}={value}" if value != "" else name for name, value in one.parameters.items())
        lines += [f"{one.name:<{wide}}  {one.about}", f"{'':<{wide}}  takes {takes}"]
    return "\n".join(lines)


def run_told(options: RunOptions, wanted: Wanted, say: Say) -> float:
    """Runs a benchmark, says what is to be said before and after, and gives the share of figures without a value.

    Raises as `ready` and `run`, and InputError for a price or an earlier log that cannot be read.
    """
    prepared = ready(options)
    before = None if wanted.earlier is None else read([wanted.earlier]).runs
    found = asyncio.run(estimated(options, prepared, prices(wanted.price), deviations(before or ())))
    if wanted.dry_run:
        say(json.dumps(found.as_json(), ensure_ascii=False) if wanted.as_json else summary(found), False)
        return 0.0
    say(summary(found), True)
    done = read_log(Path(run(options, prepared).location.removeprefix("file://")))
    say(
        json.dumps(_as_json(report([done])), ensure_ascii=False) if wanted.as_json else of_run(done, options.out), False
    )
    return _unscored(done)


def of_run(done: Run, out: Path) -> str:
    """A run in a few lines: a line a figure, what broke, and where the rest is."""
    found = cells(done)
    wide = max(len(cell.figure.title) for cell in found)
    lines = [
        f"{done.sheet.benchmark}, preset {done.sheet.preset}: {done.actor.address}, {done.done} of {done.planned} cases"
    ]
    lines += [f"  {cell.figure.title:<{wide}}  {_cell(cell)}" for cell in found]
    if broken := [case for case in done.cases if case.error]:
        lines.append(f"{len(broken)} broke, first {broken[0].id}: {broken[0].error.splitlines()[-1]}")
    if not done.whole:
        lines.append("the same command goes on where it was")
    lines.append(f"her bench report {out} --out {out / 'report.html'}   (or: inspect view --log-dir {out / LOGS})")
    return "\n".join(lines)


def report_told(
    places: Sequence[Path], out: Path | None, plots: Path | None, provenance: Iterable[str], *, as_json: bool = False
) -> str:
    """The report of these runs as Markdown or JSON; its page and drawings are written where they are asked for.

    Raises as `read`, `provenances`, `write_page` and `write_plots`.
    """
    found = read(places)
    made = report(found.runs, provenances(provenance, found.runs), notes=found.notes)
    written = [write_page(made, out)] if out else []
    written += write_plots(made, plots) if plots else []
    if as_json:
        return json.dumps({**_as_json(made), "written": [str(path) for path in written]}, ensure_ascii=False)
    return "\n".join([markdown(made).rstrip(), *(["", *map(str, written)] if written else [])])


def rescore_told(file: Path, severity: str, cap: float | None, *, as_json: bool = False) -> str:
    """Stored judgements, scored again. Raises as `rescore`, and InputError for a rule that is none."""
    if severity not in get_args(SeverityRule):
        raise InputError(f"--severity {severity!r}: it is one of {', '.join(get_args(SeverityRule))}")
    found = rescore(file, RescoreOptions(severity, cap))  # type: ignore[arg-type]
    return json.dumps(found.to_json(), ensure_ascii=False) if as_json else _rescored(found)


def wins_told(ours: Path, theirs: Path, *, as_json: bool = False) -> str:
    """Which of two runs wins how many cases. Raises as `read`; InputError where they were not run alike."""
    one, other = (read([place]).runs[-1] for place in (ours, theirs))
    if differing := unlike(one, other):
        name, first, second = differing[0]
        raise InputError(f"these runs cannot be compared: {name} is {first!r} in one and {second!r} in the other")
    found = win_rate(_averages(one), _averages(other), {_key(case): case.cluster for case in one.cases})
    if as_json:
        return json.dumps({**asdict(found), "share": _plain(found.share)}, ensure_ascii=False)
    share = "–" if isinstance(found.share, Unscored) else f"{100 * found.share:.1f} %"
    ends = f" ({100 * found.interval[0]:.1f} to {100 * found.interval[1]:.1f})" if found.interval else ""
    return (
        f"{one.actor.address} against {other.actor.address}: {share}{ends} of {found.wins + found.ties + found.losses} "
        f"cases; won {found.wins}, tied {found.ties}, lost {found.losses}; scored in one run alone {found.alone}"
    )


def _unscored(done: Run) -> float:
    """The share of what the run is ranked by that came to nothing, of all that was planned; what a case does not have
    is nothing that failed."""
    names = [figure.name for figure in headline(done)]
    found = sum(_come(case.values[name]) for case in done.cases for name in names)
    return 1 - found / (done.planned * len(names)) if done.planned else 1.0


def _come(value: Value) -> bool:
    return not isinstance(value, Unscored) or value.why is Why.UNDEFINED


def _cell(cell: Cell) -> str:
    return f"{whole(cell.mean, cell.figure.unit)}  ({counted(cell)})"


def _rescored(found: Rescored) -> str:
    wide = max(len(case.id) for case in found.cases) if found.cases else 0
    lines = [f"{case.id:<{wide}}  {_values(case.values)}  of {case.turns} turns" for case in found.cases]
    lines.append(f"{'mean':<{wide}}  {_values(found.means)}")
    if found.unscored:
        lines.append(f"{found.unscored} of {len(found.cases)} cases have no score")
    for one in found.differs:
        lines.append(f"{one.place}: the file says {one.figure} {one.stored:g}, it comes out as {_plain(one.computed)}")
    if not found.differs:
        lines.append("every number of the file comes out the same")
    return "\n".join(lines)


def _values(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items())


def _plain(value: Value) -> Any:
    return f"– ({value.why})" if isinstance(value, Unscored) else round(value, 4)


def _averages(one: Run) -> dict[str, Value]:
    if one.sheet.benchmark != "coser":
        raise InputError(f"{one.log} is a run of {one.sheet.benchmark}; cases are won in runs of coser")
    return {_key(case): case.values[AVERAGE] for case in one.cases}


def _key(case: Case) -> str:
    return f"{case.id} {case.epoch}"
