"""Logs become records: every value or its reason, every case that was planned, and nothing that is not there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, EvalSample, ProvenanceData, read_eval_log, write_eval_log
from inspect_ai.scorer import Score

from bench_runs import SHEET, logged
from her.bench.figures import Unscored, Why
from her.bench.report.logs import read, read_log
from her.bench.report.records import Run
from her.errors import InputError, StorageError
from her.markup import parse
from her.turn import Kind


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logged(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def run(log: Path) -> Run:
    return read_log(log)


def why(run: Run, id: str, figure: str) -> tuple[Why, str]:
    (value,) = {case.values[figure] for case in run.cases if case.id == id}
    assert isinstance(value, Unscored)
    return value.why, value.detail


def changed(log: Path, target: Path, change: object) -> Run:
    """The run of a log after `change` was made to it."""
    found = read_eval_log(str(log))
    change(found)  # type: ignore[operator]
    write_eval_log(found, str(target))
    return read_log(target)


class TestALog:
    def test_the_sheet_comes_back_as_it_was(self, run: Run) -> None:
        assert run.sheet == SHEET
        assert (run.task, run.status, run.epochs, run.planned, len(run.cases), run.done) == (
            "toy",
            "success",
            2,
            10,
            10,
            8,
        )
        assert not run.whole, "two samples broke"

    def test_who_played_is_told_by_part(self, run: Run) -> None:
        assert {part: seat.name for part, seat in run.seats.items()} == {
            "actor": "mockllm/actor",
            "judge": "mockllm/judge",
        }

    def test_numbers_are_numbers(self, run: Run) -> None:
        good = [case for case in run.cases if case.id == "good"]
        assert [case.values["average"] for case in good] == [61.0, 62.0]
        assert [case.key for case in good] == [("good", 1), ("good", 2)]

    def test_what_is_unreadable_keeps_its_reason_and_is_no_number(self, run: Run) -> None:
        assert why(run, "unreadable", "average") == (Why.UNREADABLE, "half a JSON")
        assert {case.values["readable"] for case in run.cases if case.id == "unreadable"} == {0.0}

    def test_a_sample_that_broke_has_failed_in_every_figure(self, run: Run) -> None:
        (error,) = {case.error for case in run.cases if case.id == "broken"}
        assert "the server <b>fell</b> over" in error
        for figure in SHEET.figures:
            assert why(run, "broken", figure.name) == (Why.FAILED, error)

    def test_a_figure_that_the_log_does_not_hold_is_not_zero(self, log: Path, tmp_path: Path) -> None:
        def forget(found: EvalLog) -> None:
            for sample in found.samples or ():
                for score in (sample.scores or {}).values():
                    assert isinstance(score.value, dict)
                    del score.value["bits"]

        run = changed(log, tmp_path / "forgot.json", forget)
        assert why(run, "silent", "bits") == (Why.UNDEFINED, "the log holds neither a number nor a reason")

    def test_epochs_of_a_case_are_in_one_cluster(self, run: Run) -> None:
        assert {case.cluster for case in run.cases if case.id == "last"} == {"last's book"}
        assert len({case.cluster for case in run.cases}) == 5

    def test_dialogues_keep_both_layers_and_curves_their_gaps(self, run: Run) -> None:
        case = next(case for case in run.cases if case.id == "good")
        assert case.curve == {"average": (70.0, None, 50.0)}
        assert [said.speaker for said in case.dialogue] == ["Anna", "Anna", "Environment", "Anna"]
        assert [said.given for said in case.dialogue] == [True, False, False, False]
        kinds = {piece.kind for piece in parse(case.dialogue[1].text, speaker="Anna").turn.segments}
        assert kinds == set(Kind)
        assert (case.asked, case.target, case.answer, case.explanation) == ("Play good.", "the truth", "so", "because")

    def test_json_and_eval_say_the_same(self, log: Path, run: Run, tmp_path: Path) -> None:
        other = changed(log, tmp_path / "same.json", lambda found: None)
        assert other.cases == run.cases and other.seats == run.seats and other.planned == run.planned


class TestWhatIsNotThere:
    def test_a_killed_run_is_told_as_such_and_counted(self, log: Path, tmp_path: Path) -> None:
        killed = tmp_path / "killed.eval"
        with zipfile.ZipFile(log) as whole, zipfile.ZipFile(killed, "w") as half:
            for name in whole.namelist():
                if name.startswith(("_journal/start", "samples/good")):
                    half.writestr(name, whole.read(name))
        run = read_log(killed)
        assert (run.status, run.planned, len(run.cases), run.done, run.whole) == ("started", 10, 2, 2, False)

    def test_a_limit_counts_the_cases_it_leaves_alone(self, tmp_path: Path) -> None:
        run = read_log(logged(tmp_path, limit=2))
        assert run.planned == 4 and run.whole

    def test_numbers_that_are_none_never_become_some(self, log: Path, tmp_path: Path) -> None:
        def spoil(found: EvalLog) -> None:
            for sample in found.samples or ():
                for score in (sample.scores or {}).values():
                    assert isinstance(score.value, dict)
                    score.value["average"] = float("inf")
                    score.value["turns"] = "many"
                    score.metadata = {"cluster": "c", "unscored": {"readable": {"why": "mood", "detail": "bad"}}}

        run = changed(log, tmp_path / "spoilt.json", spoil)
        assert why(run, "good", "average")[0] is Why.UNDEFINED
        assert why(run, "good", "turns")[0] is Why.UNDEFINED
        assert why(run, "good", "readable") == (Why.UNDEFINED, "mood: bad")

    def test_what_a_person_took_back_is_unscored(self, log: Path, tmp_path: Path) -> None:
        def take_back(found: EvalLog) -> None:
            for sample in found.samples or ():
                sample.invalidation = ProvenanceData(author="anna", reason="wrong case")

        run = changed(log, tmp_path / "back.json", take_back)
        assert why(run, "good", "average") == (Why.FAILED, "taken back by a person")

    def test_scores_of_others_are_passed_over(self, log: Path, tmp_path: Path) -> None:
        def add(found: EvalLog) -> None:
            for sample in found.samples or ():
                sample.scores = {**(sample.scores or {}), "other": Score(value="C")}

        assert changed(log, tmp_path / "other.json", add).cases == read_log(log).cases

    @pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b'{"a": 1}', b"[1]"])
    @pytest.mark.parametrize("suffix", [".eval", ".json"])
    def test_a_damaged_log_is_named(self, content: bytes, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"broken\.\w+ cannot be read as a log"):
            read_log(path)

    def test_a_log_cut_short_is_named(self, log: Path, tmp_path: Path) -> None:
        path = tmp_path / "cut.eval"
        path.write_bytes(log.read_bytes()[:-100])
        with pytest.raises(StorageError, match="cannot be read as a log"):
            read_log(path)

    def test_a_log_of_another_benchmark_is_no_run(self, tmp_path: Path) -> None:
        task = Task(dataset=MemoryDataset([Sample(id="a", input="x")]), solver=[], name="foreign")
        (found,) = evaluate(task, model="mockllm/x", log_dir=str(tmp_path), display="none", run_samples=False)
        with pytest.raises(InputError, match="'foreign', which is not one of HER's benchmarks"):
            read_log(Path(found.location))

    def test_a_sheet_of_another_version_is_named(self, log: Path, tmp_path: Path) -> None:
        def rename(found: EvalLog) -> None:
            assert found.eval.metadata is not None
            found.eval.metadata["her"]["figures"][0]["colour"] = "red"

        with pytest.raises(InputError, match=r"old\.json: its sheet .*colour"):
            changed(log, tmp_path / "old.json", rename)


class TestManyLogs:
    @pytest.fixture
    def folder(self, log: Path, tmp_path: Path) -> Iterator[Path]:
        deep = tmp_path / "logs" / "deep"
        deep.mkdir(parents=True)
        (deep / log.name).write_bytes(log.read_bytes())
        yield tmp_path / "logs"

    def test_a_folder_is_read_to_the_bottom_and_faults_are_told(self, folder: Path) -> None:
        (folder / "2026-01-01T00-00-00-00-00_toy_x.json").write_text("[]")
        found = read([folder])
        assert len(found.runs) == 1
        assert len(found.notes) == 1 and "cannot be read as a log" in found.notes[0]

    def test_the_same_log_named_twice_is_one_run(self, folder: Path, log: Path) -> None:
        place = folder / "deep" / log.name
        found = read([place, folder])
        assert len(found.runs) == 1 and found.notes == ()

    def test_a_run_that_was_begun_again_counts_once(self, tmp_path: Path) -> None:
        first = logged(tmp_path)
        found = read_eval_log(str(first))
        found.eval.created = "2030-01-01T00:00:00+00:00"
        write_eval_log(found, str(tmp_path / "later.json"))
        both = read([first, tmp_path / "later.json"])
        assert [run.log for run in both.runs] == [str(tmp_path / "later.json")]
        assert both.notes == (f"Left out: {first}, which was begun again as {tmp_path / 'later.json'}.",)

    def test_a_place_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere is not there"):
            read([tmp_path / "nowhere"])

    def test_an_empty_folder_holds_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no run of a benchmark was found"):
            read([tmp_path])


def test_a_sample_has_the_parts_that_are_left_unread() -> None:
    from her.bench.report.logs import _UNREAD

    assert set(EvalSample.model_fields) > _UNREAD
