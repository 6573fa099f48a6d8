"""Figures, differences and places: nothing missing becomes a number, and nothing unlike is compared."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from bench_runs import FIGURES, JUDGE, SHEET, run
from her.bench.figures import Unscored, Why
from her.bench.report.cells import cells, mean
from her.bench.report.differences import Difference, deviations, difference, differences, places, scored, unlike
from her.bench.report.drawings import by_turn
from her.bench.report.markdown import escaped, markdown
from her.bench.report.records import Case, Run, Seat
from her.bench.report.report import Report, as_json, headline, report
from her.bench.report.struck import FAMILIES, provenances, struck, unknown
from her.bench.report.written import told, verdict
from her.errors import InputError, StorageError
from her.judge.reward.provenance import JudgeRecord, Provenance

AVERAGE, READABLE, BITS, TURNS = FIGURES
FEW = 200
"""Draws of an interval in these tests."""
SHAPED = Provenance(judges=(JudgeRecord(address="http://elsewhere/v1#strict"),), families={"padding": "a"})


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    from her.checks import intervals

    monkeypatch.setattr(intervals.interval, "__defaults__", (FEW,))


def without(one: Run, figure: str, reason: Why, *, every: int = 1) -> Run:
    """The run with every so-many-th value of a figure gone."""
    gone = Unscored(reason)
    cases = [
        replace(case, values={**case.values, figure: gone}) if at % every == 0 else case
        for at, case in enumerate(one.cases)
    ]
    return replace(one, cases=tuple(cases))


def valued(values: list[float], clusters: int | None = None, address: str = "mini") -> Run:
    """A run whose readable shares are these."""
    found = []
    for at, value in enumerate(values):
        every = {"average": 50.0, "bits": 1.0, "turns": 4.0, "readable": value}
        found.append(Case(f"c{at}", 1, f"b{at if clusters is None else at % clusters}", every))
    return (
        run(address, planned=len(values), cases=0)
        if not values
        else replace(run(address, cases=1), cases=tuple(found), planned=len(values))
    )


class TestACell:
    def test_what_is_unscored_is_counted_by_reason_and_is_in_no_mean(self) -> None:
        one = without(run(), "average", Why.CONTEXT, every=6)
        cell = cells(one)[0]
        known = [value for value, _ in scored(one, "average").values()]
        assert cell.mean.value == pytest.approx(sum(known) / len(known))
        assert cell.unscored == {"context": 4, "unreadable": 3}
        assert cell.mean.count + cell.missing == len(one.cases)

    def test_a_figure_with_nothing_scored_has_no_number_at_all(self) -> None:
        cell = cells(without(run(), "average", Why.NO_JUDGE))[0]
        assert (cell.mean.value, cell.mean.low, cell.mean.high, cell.mean.count) == (None, None, None, 0)
        assert cell.unscored == {"no-judge": 24}

    def test_too_few_clusters_have_no_interval(self) -> None:
        cell = cells(valued([0.0, 1.0] * 10, clusters=5))[1]
        assert cell.mean.clusters == 5 and cell.mean.low is None

    def test_epochs_of_a_case_do_not_narrow_its_interval(self) -> None:
        rng = random.Random(1)
        once = [(rng.random(), f"case {at}") for at in range(12)]
        again = mean(once * 20, (0.0, 1.0))
        alone = mean(once, (0.0, 1.0))
        assert None not in (again.low, again.high, alone.low, alone.high)
        widths = [(one.high or 0) - (one.low or 0) for one in (again, alone)]
        assert widths[0] == pytest.approx(widths[1], rel=0.3)

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_a_share_that_never_varied_is_not_certain(self, value: float) -> None:
        found = cells(valued([value] * 20))[1].mean
        assert found.value == value and found.low is not None and found.high is not None
        assert 0.1 < found.high - found.low < 0.2 and 0 <= found.low <= found.high <= 1
        assert cells(valued([value] * 20))[2].mean.low is None, "bits have no end that could be the other one"

    def test_a_change_below_zero_has_an_interval_around_it(self) -> None:
        found = cells(valued([-0.1] * 20))[1].mean
        assert found.low is not None and found.high is not None
        assert -1 <= found.low < -0.1 == found.value < 0 < found.high

    @given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdefghij")), max_size=25))
    def test_an_interval_holds_its_mean_and_stays_on_the_scale(self, values: list[tuple[float, str]]) -> None:
        found = mean(values, (0.0, 1.0))
        assert found.count == len(values) and (found.value is None) == (not values)
        if found.low is not None and found.high is not None and found.value is not None:
            assert -1e-9 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= 1 + 1e-9


class TestDifferences:
    def test_a_planted_difference_is_found_and_its_way_is_right(self) -> None:
        found = difference(AVERAGE, ("a", run("a")), ("b", run("b", better=6)))
        assert found.mean.value == pytest.approx(-6, abs=2)
        assert found.resolved and found.better == "b" and verdict(found) == "b is better"

    def test_lower_is_better_where_the_figure_says_so(self) -> None:
        found = difference(BITS, ("a", run("a")), ("b", run("b", better=60)))
        assert found.resolved and (found.mean.value or 0) > 0 and found.better == "b"

    def test_equal_models_are_not_resolved(self) -> None:
        found = [difference(AVERAGE, ("a", run("a")), ("b", run("b", seed=seed))) for seed in range(1, 9)]
        assert sum(one.resolved for one in found) <= 1
        assert {verdict(one) for one in found if not one.resolved} <= {"not resolved"}

    def test_only_cases_that_both_have_a_value_for_are_counted(self) -> None:
        one, other = run("a"), without(run("b"), "average", Why.FAILED, every=6)
        found = difference(AVERAGE, ("a", one), ("b", other))
        both = scored(one, "average").keys() & scored(other, "average").keys()
        assert found.mean.count == len(both) == 17
        assert (found.first_only, found.second_only) == (4, 0)

    def test_a_case_is_the_same_in_the_same_epoch_alone(self) -> None:
        one = run("a")
        other = replace(one, cases=tuple(replace(case, epoch=2) for case in one.cases))
        found = difference(AVERAGE, ("a", one), ("b", other))
        assert found.mean.value is None and verdict(found) == "no case is scored in both" and not found.resolved

    def test_inside_what_can_be_shown_nothing_is_resolved_though_the_interval_has_no_zero(self) -> None:
        found = difference(AVERAGE, ("a", run("a")), ("b", run("b", better=6)))
        assert found.resolved and found.smallest is not None
        assert not replace(found, smallest=7.5).resolved
        assert not replace(found, smallest=None).resolved
        assert not replace(found, mean=replace(found.mean, low=-9.0, high=1.0)).resolved
        assert not replace(found, mean=replace(found.mean, low=None, high=None)).resolved

    def test_all_right_against_all_wrong_is_resolved_and_five_cases_are_not(self) -> None:
        def pair(count: int) -> Difference:
            return difference(READABLE, ("a", valued([1.0] * count)), ("b", valued([0.0] * count)))

        assert pair(20).resolved and pair(20).better == "a"
        assert not pair(5).resolved and pair(5).smallest is None

    def test_what_is_neither_better_nor_worse_has_no_winner(self) -> None:
        one = run("a", turns=4)
        other = replace(
            run("b"),
            cases=tuple(
                replace(case, values={**case.values, "turns": 9.0 + at % 2}) for at, case in enumerate(run("b").cases)
            ),
        )
        found = difference(TURNS, ("a", one), ("b", other))
        assert found.resolved and found.better == "" and verdict(found) == "resolved"

    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=0, max_size=14))
    def test_turned_round_it_is_the_same_difference(self, values: list[tuple[float, float]]) -> None:
        one, other = (valued([pair[side] for pair in values]) for side in (0, 1))
        there = difference(READABLE, ("a", one), ("b", other))
        back = difference(READABLE, ("b", other), ("a", one))
        assert (there.mean.value is None) == (not values)
        if there.mean.value is not None and back.mean.value is not None:
            assert there.mean.value == pytest.approx(-back.mean.value)
            assert (there.smallest is None) == (back.smallest is None)
            assert there.smallest == pytest.approx(back.smallest)


class TestPlaces:
    def test_two_that_cannot_be_told_apart_share_a_place(self) -> None:
        runs = {"a": run("a"), "b": run("b", better=8), "c": run("c")}
        found = differences(runs)
        ranked = places(AVERAGE, {label: cells(one)[0].mean for label, one in runs.items()}, found)
        assert (ranked[0].label, ranked[0].place) == ("b", 1)
        assert {one.place for one in ranked[1:]} == {2}
        assert set(ranked[0].better_than) == {"a", "c"} and ranked[1].worse_than == ("b",)

    def test_a_run_without_a_value_has_no_place(self) -> None:
        runs = {"a": run("a"), "b": without(run("b"), "average", Why.FAILED)}
        means = {label: cells(one)[0].mean for label, one in runs.items()}
        assert [one.label for one in places(AVERAGE, means, differences(runs))] == ["a"]

    def test_the_headline_ranks_and_else_the_first_that_can_be_better(self) -> None:
        assert headline(run()) == (AVERAGE,)
        plain = replace(SHEET, figures=(TURNS, BITS, READABLE))
        assert headline(run(sheet=plain)) == (BITS,)


class TestWhatIsComparable:
    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"sheet": replace(SHEET, preset="coser")}, "preset"),
            ({"sheet": replace(SHEET, settings={**SHEET.settings, "rounds": 7})}, "setting rounds"),
            ({"sheet": replace(SHEET, settings={})}, "setting rounds"),
            ({"sheet": replace(SHEET, judges=())}, "roles that judge"),
            ({"seats": {"actor": Seat("a", "a"), "judge": Seat("her/lenient", "lenient")}}, "judge"),
            ({"seats": {"actor": Seat("a", "a"), "judge": replace(JUDGE, sha="1")}}, "judge"),
            ({"seats": {"actor": Seat("a", "a"), "judge": replace(JUDGE, settings={"temperature": 1.0})}}, "judge"),
            ({"seats": {"actor": Seat("a", "a"), "judge": JUDGE, "environment": JUDGE}}, "environment"),
        ],
    )
    def test_runs_that_were_measured_otherwise_are_never_compared(self, changes: dict[str, Any], name: str) -> None:
        found = report([run("a"), run("b", better=30, **changes)])
        assert [len(group.runs) for group in found.groups] == [1, 1]
        assert all(not group.differences and not group.places for group in found.groups)
        (apart,) = found.apart
        assert name in [what for what, _, _ in apart.unlike]

    def test_another_actor_is_what_is_compared(self) -> None:
        other = run("b", better=6, seats={"actor": Seat("b", "b", "sha", {"temperature": 0.0}), "judge": JUDGE})
        assert unlike(run("a"), other) == ()
        found = report([run("a"), other])
        assert len(found.groups) == 1 and len(found.groups[0].differences) == len(FIGURES)

    def test_other_benchmarks_are_not_even_told_apart(self) -> None:
        found = report([run("a"), run("a", sheet=replace(SHEET, benchmark="other"))])
        assert len(found.groups) == 2 and found.apart == ()

    def test_labels_tell_runs_apart(self) -> None:
        preset = replace(SHEET, preset="coser")
        judged = {"actor": Seat("her/mini", "mini"), "judge": Seat("her/lenient", "lenient")}
        runs = [run(), run(sheet=preset), run(seats=judged), run("x"), run("x", seed=2)]
        labels = [one.label for one in report(runs).runs]
        assert len(set(labels)) == 5
        assert {"x #1", "x #2"} < set(labels) and any("coser" in label for label in labels)
        assert any("lenient" in label for label in labels)


class TestStruckOut:
    def test_a_model_that_its_judge_trained_is_in_no_ranking_and_no_difference(self) -> None:
        found = report([run("a"), run("b", better=40), run("c", better=1)], {"her/b": SHAPED})
        (group,) = found.groups
        assert [one.label for one in group.runs if one.struck] == ["b"]
        assert "b" not in {label for one in group.differences for label in (one.first, one.second)}
        assert [place.label for _, ranked in group.places for place in ranked] and "b" not in {
            place.label for _, ranked in group.places for place in ranked
        }
        assert any(text.startswith("b is struck out") for text in found.warnings)
        assert "strict judges it and had a part in training b" in group.runs[1].struck

    def test_another_judge_strikes_nothing(self) -> None:
        seats = {"actor": Seat("her/b", "b"), "judge": Seat("her/lenient", "lenient")}
        assert struck(run("b", seats=seats), {"her/b": SHAPED}) == ""
        assert struck(run("b", sheet=replace(SHEET, judges=())), {"her/b": SHAPED}) == "", "no judge judges there"

    def test_a_family_that_trained_the_judge_strikes_too(self) -> None:
        sheet = replace(SHEET, judges=(), settings={FAMILIES: {"padding": "other", "openers": "c"}})
        assert struck(run("b", sheet=sheet), {"her/b": SHAPED}).endswith("asked here: padding")
        other = replace(sheet, settings={FAMILIES: ["openers"]})
        assert struck(run("b", sheet=other), {"her/b": SHAPED}) == ""

    def test_the_same_weights_under_another_name_are_the_same_judge(self, tmp_path: Path) -> None:
        from her.rows.files import sha_of

        weights = tmp_path / "judge.gguf"
        weights.write_bytes(b"weights")
        record = Provenance(judges=(JudgeRecord(address="elsewhere.gguf", weights=sha_of(weights)),))
        seats = {"actor": Seat("her/b", "b"), "judge": Seat(f"her/{weights}", str(weights))}
        assert struck(run("b", seats=seats), {"her/b": record})
        weights.write_bytes(b"others")
        assert not struck(run("b", seats=seats), {"her/b": record})

    @pytest.mark.parametrize("kind", ["folder", "file", "adapter"])
    def test_a_record_beside_the_weights_is_found_by_itself(self, tmp_path: Path, kind: str) -> None:
        folder = tmp_path / "checkpoint"
        folder.mkdir()
        SHAPED.write(folder)
        (folder / "model.gguf").write_bytes(b"x")
        (tmp_path / "base.gguf").write_bytes(b"x")
        address = {
            "folder": str(folder),
            "file": str(folder / "model.gguf"),
            "adapter": f"{tmp_path / 'base.gguf'}+{folder / 'model.gguf'}",
        }[kind]
        one = run(seats={"actor": Seat(f"her/{address}", address), "judge": JUDGE})
        known = provenances([], [one])
        assert struck(one, known)
        assert unknown([one], known) == ()

    def test_a_flag_names_a_model_and_a_folder_or_its_record(self, tmp_path: Path) -> None:
        path = SHAPED.write(tmp_path)
        for place in (tmp_path, path):
            for name in ("b", "her/b"):
                assert provenances([f"{name}={place}"], [run("a"), run("b")]) == {"her/b": SHAPED}

    @pytest.mark.parametrize("flag", ["nobody=x", "b", "b=", "=x"])
    def test_a_flag_for_nobody_is_named(self, flag: str) -> None:
        with pytest.raises(InputError, match="write MODEL=PATH, with one of these models: a, b"):
            provenances([flag], [run("a"), run("b")])

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="nowhere"):
            provenances([f"a={tmp_path / 'nowhere'}"], [run("a")])

    def test_a_training_that_nobody_told_is_not_taken_for_clean(self) -> None:
        found = report([run("a"), run("b")], {"her/b": Provenance()})
        assert any("judges that trained a, if any did" in text for text in found.notes)
        assert not report([run("a", sheet=replace(SHEET, judges=()))]).notes, "nobody judges there"


class TestWhatIsWarnedOf:
    def test_a_killed_run_is_told_with_what_is_missing(self) -> None:
        one = run(status="cancelled", planned=30, error="stopped by hand")
        broken = replace(one, cases=(replace(one.cases[0], error="x"), *one.cases[1:]))
        (warning,) = report([broken]).warnings
        assert "did not come to its end (cancelled)" in warning and "stopped by hand" in warning
        assert "of 30 planned cases 23 are done, 1 broke, 6 never ran" in warning

    def test_a_whole_run_is_not_warned_of(self) -> None:
        assert report([run()]).warnings == ()


class TestCurves:
    def test_turns_that_few_dialogues_reach_are_left_out(self) -> None:
        turns = by_turn(run(), AVERAGE)
        assert [turn for turn, _ in turns] == list(range(1, 9)), "dialogues have 6 to 10 turns"
        assert turns[0][1].count == 24 > turns[-1][1].count >= 12

    def test_gaps_are_no_zeros(self) -> None:
        one = run()
        cases = tuple(replace(case, curve={"average": (None, 80.0)}) for case in one.cases)
        assert [(turn, found.value) for turn, found in by_turn(replace(one, cases=cases), AVERAGE)] == [(2, 80.0)]


class TestEarlierRuns:
    def test_pairs_tell_more_than_one_run_alone(self) -> None:
        alone, both = deviations([run("a")]), deviations([run("a"), run("b")])
        assert alone["average"] > 10 > both["average"] > 1
        assert "turns" not in alone, "what never varied tells nothing"

    def test_runs_that_were_measured_otherwise_are_no_pair(self) -> None:
        other = run("b", sheet=replace(SHEET, preset="coser"))
        assert deviations([run("a"), other])["average"] > 10


@pytest.fixture(scope="module")
def told_report() -> Report:
    runs = [run("a"), run("b|<b>*", better=6), run("c", better=9), run("a", sheet=replace(SHEET, preset="coser"))]
    return report(runs, {"her/c": SHAPED}, notes=["Left out: x."])


class TestMarkdown:
    def test_every_figure_stands_with_interval_count_and_reasons(self, told_report: Report) -> None:
        text = markdown(told_report)
        cell = told_report.runs[0].cells[0]
        assert cell.mean.low is not None and cell.mean.high is not None
        said = f"{cell.mean.value:.1f} ({cell.mean.low:.1f} … {cell.mean.high:.1f}); n 21, unscored 3: 3 unreadable"
        assert said in text
        assert "struck out: " in text and "is better |" in text and "not resolved |" in text
        assert "## Not compared" in text and "preset: her / coser" in text

    def test_tables_have_even_rows_whatever_a_model_is_called(self, told_report: Report) -> None:
        text = markdown(told_report)
        assert "b\\|\\<b\\>\\*" in text
        for table in text.split("\n\n"):
            if table.startswith("|"):
                widths = {line.replace("\\|", "").count("|") for line in table.splitlines()}
                assert len(widths) == 1, table

    @given(st.text())
    def test_a_text_stays_on_its_line_and_means_nothing(self, text: str) -> None:
        found = escaped(text)
        assert "\n" not in found and "\r" not in found
        assert "|" not in found.replace("\\|", "") and "<" not in found.replace("\\<", "")


class TestJson:
    def test_it_holds_every_case_and_every_reason_and_no_nan(self, told_report: Report) -> None:
        text = json.dumps(as_json(told_report), allow_nan=False)
        found = json.loads(text)
        first = found["runs"][0]
        assert first["cases"][7]["values"]["average"] == {"unscored": "unreadable", "detail": "no JSON in it"}
        assert first["figures"]["average"]["unscored"] == {"unreadable": 3}
        assert [one["struck"] != "" for one in found["runs"]].count(True) == 1
        group = found["groups"][0]
        assert group["differences"][0]["figure"] == "average" and group["differences"][0]["resolved"] is True
        assert [place["place"] for place in group["places"]["average"]] == [1, 2]
        assert found["apart"][0]["unlike"] == [["preset", "her", "coser"]]

    def test_the_same_runs_make_the_same_report(self) -> None:
        runs = [run("a"), run("b", better=2)]
        assert as_json(report(runs)) == as_json(report(runs))


@pytest.mark.parametrize(
    ("value", "unit", "sign", "said"),
    [
        (None, "share", False, "–"),
        (0.5, "share", False, "50.0\u00a0%"),
        (-0.031, "share", True, "−3.1"),
        (61.24, "points", False, "61.2"),
        (4.2, "points", True, "+4.2"),
        (0.0, "points", True, "0.0"),
        (-1e-17, "bits", True, "0.000"),
        (-0.0004, "share", False, "0.0\u00a0%"),
        (1.2345, "bits", False, "1.234"),
        (12.0, "seconds", False, "12.0\u00a0s"),
        (1234.5, "count", False, "1,234.50"),
    ],
)
def test_values_are_written_in_their_unit(value: float | None, unit: Any, sign: bool, said: str) -> None:
    assert told(value, unit, sign=sign) == said
    assert not math.isnan(value or 0.0)
