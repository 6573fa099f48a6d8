"""What goes wrong in the release's numbers, tried on our report; docs/against-the-release.md lists each."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from bench_runs import SHEET, run
from her.bench.figures import Unscored, Value, Why
from her.bench.report.cells import Cell, cells
from her.bench.report.markdown import markdown
from her.bench.report.records import Run
from her.bench.report.report import report
from her.bench.report.written import told


def scored(*values: Value) -> Run:
    """A run whose averages are these."""
    one = run(cases=len(values))
    cases = zip(one.cases, values, strict=True)
    return replace(
        one,
        cases=tuple(
            replace(case, values={**case.values, "average": value}, error="no server" if _failed(value) else "")
            for case, value in cases
        ),
    )


def _failed(value: Value) -> bool:
    return isinstance(value, Unscored) and value.why is Why.FAILED


def average(one: Run) -> Cell:
    return cells(one)[0]


def test_a2_no_judge_is_no_hundred_points() -> None:
    found = average(scored(*[Unscored(Why.NO_JUDGE)] * 8))
    assert found.mean.value is None and told(found.mean.value, "points") == "–"
    assert found.unscored == {"no-judge": 8}


def test_a3_an_actor_that_fails_is_not_scored_as_an_empty_turn() -> None:
    one = scored(70.0, Unscored(Why.FAILED, "no server"), Unscored(Why.EMPTY))
    assert average(one).mean.value == 70.0 and average(one).unscored == {"failed": 1, "empty": 1}
    assert one.done == 2 and not one.whole


def test_a4_failures_are_in_no_mean_and_every_one_is_counted() -> None:
    lost = [Unscored(Why.UNREADABLE), Unscored(Why.FAILED), Unscored(Why.NO_JUDGE), Unscored(Why.CONTEXT)]
    found = average(scored(40.0, 60.0, *lost))
    assert found.mean.value == 50.0 and found.mean.count == 2 and found.missing == 4
    text = markdown(report([scored(40.0, 60.0, *lost)]))
    assert "unscored 4: 1 unreadable, 1 failed, 1 no-judge, 1 context" in text


def test_a4_a_simulation_that_was_dropped_is_missed() -> None:
    (warning,) = report([run(cases=6, planned=8)]).warnings
    assert "of 8 planned cases 6 are done, 0 broke, 2 never ran" in warning


def test_a19_a_mean_has_its_interval_and_runs_of_another_judge_are_not_set_beside_it() -> None:
    found = average(run())
    assert found.mean.low is not None and found.mean.high is not None and found.mean.low < found.mean.high
    other = run("b", sheet=replace(SHEET, settings={**SHEET.settings, "seed": 1}))
    (apart,) = report([run("a"), other]).apart
    assert apart.unlike == (("setting seed", "0", "1"),)


def test_a21_what_is_not_installed_is_absent_and_never_zero() -> None:
    found = average(scored(*[Unscored(Why.ABSENT, "nltk is not installed")] * 7))
    assert found.mean.value is None and found.unscored == {"absent": 7}
    assert "| –; n 0, unscored 7: 7 absent |" in markdown(report([scored(*[Unscored(Why.ABSENT)] * 7)]))
