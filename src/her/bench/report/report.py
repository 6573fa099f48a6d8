"""Many runs, told together: figures, differences and places, each where it may stand.

Knows which runs belong side by side. Refuses to lay out (`page`, `markdown`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from her.bench.figures import Figure, Unscored
from her.bench.report.cells import Cell, cells
from her.bench.report.differences import Difference, Place, differences, places, unlike
from her.bench.report.records import FINISHED, Run
from her.bench.report.struck import struck, unknown
from her.judge.reward.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Shown:
    """A run with its label, which no other has, and its figures. `struck` says why they are struck out, if so."""

    label: str
    run: Run
    cells: tuple[Cell, ...]
    struck: str = ""

    def cell(self, name: str) -> Cell:
        """The cell of a figure. Raises KeyError."""
        return {cell.figure.name: cell for cell in self.cells}[name]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that were measured alike, and so can be compared. `places` has an entry for each figure of the headline."""

    runs: tuple[Shown, ...]
    differences: tuple[Difference, ...]
    places: tuple[tuple[Figure, tuple[Place, ...]], ...]

    @property
    def run(self) -> Run:
        """One of them: sheet and conditions are those of all."""
        return self.runs[0].run

    @property
    def labels(self) -> tuple[str, ...]:
        """The runs' labels."""
        return tuple(one.label for one in self.runs)


@dataclass(frozen=True, slots=True)
class Apart:
    """Two groups of one benchmark that are not compared, and why: what differs, and how it is in each."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    unlike: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of these runs."""

    groups: tuple[Group, ...]
    apart: tuple[Apart, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Shown, ...]:
        """All runs, group by group."""
        return tuple(one for group in self.groups for one in group.runs)

    @property
    def title(self) -> str:
        """The benchmarks, and whom they measured."""
        names = ", ".join(dict.fromkeys(one.run.sheet.benchmark for one in self.runs))
        models = list(dict.fromkeys(one.run.actor.address for one in self.runs))
        return f"{names}: {models[0] if len(models) == 1 else f'{len(models)} models'}"


def report(runs: Sequence[Run], known: Mapping[str, Provenance] | None = None, *, notes: Sequence[str] = ()) -> Report:
    """The report of these runs; `known` is what is known of each model's training, `notes` come from reading."""
    labels = _labels(runs)
    shown = [Shown(label, run, cells(run), struck(run, known or {})) for label, run in zip(labels, runs, strict=True)]
    groups = tuple(_group(members) for members in _alike(shown))
    apart = [
        Apart(one.labels, other.labels, unlike(one.run, other.run))
        for at, one in enumerate(groups)
        for other in groups[at + 1 :]
        if one.run.sheet.benchmark == other.run.sheet.benchmark
    ]
    plain = list(notes)
    if nobody := unknown(runs, known or {}):
        plain.append(
            f"Nothing is known of the judges that trained {', '.join(nobody)}, if any did; tell it with "
            "--provenance MODEL=PATH."
        )
    return Report(groups, tuple(apart), tuple(plain), tuple(_warnings(shown)))


def headline(run: Run) -> tuple[Figure, ...]:
    """The figures that a run is ranked by: those of the headline, or the first that can be better or worse."""
    ranked = [figure for figure in run.sheet.figures if figure.better != "neither"]
    return tuple(figure for figure in ranked if figure.headline) or tuple(ranked[:1])


def as_json(found: Report) -> dict[str, Any]:
    """The report, ready for JSON: everything but the dialogues, which stand in the logs."""
    return {
        "title": found.title,
        "runs": [_run(one) for one in found.runs],
        "groups": [
            {
                "runs": list(group.labels),
                "conditions": group.run.conditions(),
                "differences": [
                    {**asdict(one), "figure": one.figure.name, "resolved": one.resolved, "better": one.better}
                    for one in group.differences
                ],
                "places": {figure.name: [asdict(place) for place in ranked] for figure, ranked in group.places},
            }
            for group in found.groups
        ],
        "apart": [asdict(one) for one in found.apart],
        "notes": list(found.notes),
        "warnings": list(found.warnings),
    }


def _run(one: Shown) -> dict[str, Any]:
    run = one.run
    return {
        "label": one.label,
        "log": run.log,
        "id": run.id,
        "task": run.task,
        "created": run.created,
        "status": run.status,
        "error": run.error,
        "planned": run.planned,
        "done": run.done,
        "epochs": run.epochs,
        "sheet": asdict(run.sheet),
        "models": {part: asdict(seat) for part, seat in run.seats.items()},
        "versions": dict(run.versions),
        "tokens": {name: {"in": used[0], "out": used[1]} for name, used in run.tokens.items()},
        "struck": one.struck,
        "figures": {cell.figure.name: {**asdict(cell.mean), "unscored": dict(cell.unscored)} for cell in one.cells},
        "cases": [_case(run, at) for at in range(len(run.cases))],
    }


def _case(run: Run, at: int) -> dict[str, Any]:
    case = run.cases[at]
    values = {
        name: {"unscored": str(value.why), "detail": value.detail} if isinstance(value, Unscored) else value
        for name, value in case.values.items()
    }
    return {"id": case.id, "epoch": case.epoch, "cluster": case.cluster, "values": values, "error": case.error}


def _labels(runs: Sequence[Run]) -> list[str]:
    """Whom each run measures; where that is not enough, also benchmark, preset and judge as far as they differ."""
    told = [
        (
            run.actor.address,
            run.sheet.benchmark,
            run.sheet.preset,
            *(run.seats[part].address if part in run.seats else "no judge" for part in run.sheet.judges),
        )
        for run in runs
    ]
    labels = []
    for one in told:
        rivals = [other for other in told if other[0] == one[0] and other != one]
        extra = [text for at, text in enumerate(one) if at and any(other[at : at + 1] != (text,) for other in rivals)]
        labels.append(f"{one[0]} ({', '.join(extra)})" if extra else one[0])
    again = Counter(labels)
    nth: Counter[str] = Counter()
    for at, label in enumerate(labels):
        if again[label] > 1:
            nth[label] += 1
            labels[at] = f"{label} #{nth[label]}"
    return labels


def _alike(shown: Sequence[Shown]) -> list[list[Shown]]:
    groups: dict[tuple[tuple[str, str], ...], list[Shown]] = {}
    for one in shown:
        groups.setdefault(tuple(sorted(one.run.conditions().items())), []).append(one)
    return list(groups.values())


def _group(members: Sequence[Shown]) -> Group:
    clean = [one for one in members if not one.struck]
    found = differences({one.label: one.run for one in clean})
    ranked = []
    for figure in headline(members[0].run) if len(clean) > 1 else ():
        means = {one.label: one.cell(figure.name).mean for one in clean}
        ranked.append((figure, places(figure, means, found)))
    return Group(tuple(members), found, tuple(ranked))


def _warnings(shown: Sequence[Shown]) -> list[str]:
    found = []
    for one in shown:
        run = one.run
        if not run.whole:
            how = "came to its end" if run.status == FINISHED else f"did not come to its end ({run.status})"
            why = f": {run.error}" if run.error else ""
            found.append(
                f"{one.label}: the run {how}; of {run.planned:,} planned cases {run.done:,} are done, "
                f"{len(run.cases) - run.done:,} broke, {max(run.planned - len(run.cases), 0):,} never ran{why}. "
                "Figures are of those done alone."
            )
        if one.struck:
            found.append(f"{one.label} is struck out, and in no ranking or difference: {one.struck}.")
    return found
