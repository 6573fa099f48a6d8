"""`her bench`: listed, run, gone on with, reported; and told what is wrong before anything is asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

import bench_runs as planted
from coser_cases import raw
from her.bench.registry import BENCHMARKS
from her.bench.run import RunOptions, make_task, parameter, ready, run
from her.cli import run as her
from her.errors import InputError

ALWAYS_A = "scripted:<answer>A</answer>"


def told(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert her(["bench", *argv]) == code
    return capsys.readouterr().out


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A CoSER set of two cases."""
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([raw(), raw(i_c=1)]), encoding="utf-8")
    return path


def test_every_benchmark_is_listed_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(told(capsys, "list", "--json"))
    assert [one["name"] for one in listed] == [one.name for one in BENCHMARKS]
    assert all(one["about"].endswith((".", "?")) for one in listed)
    assert next(one for one in listed if one["name"] == "coser")["parameters"]["preset"] == "her"
    text = told(capsys, "list")
    assert all(one.name in text for one in BENCHMARKS)


def test_without_inspect_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("her.cli.bench.find_spec", lambda _: None)
    for argv in (["list"], ["run", "beliefs"], ["report", "x"], ["coser-rescore", "x"], ["coser-wins", "x", "y"]):
        assert her(["bench", *argv]) == 2
        assert "her-roleplay[bench]" in capsys.readouterr().err


def test_a_dry_run_tells_calls_and_asks_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cases: Path
) -> None:
    out = tmp_path / "run"
    argv = ["run", "coser", "--actor", "scripted", "--judge", "scripted:x", "--path", str(cases), "--rounds", "6"]
    found = json.loads(told(capsys, *argv, "--dry-run", "--price", "3/15", "--json", "--out", str(out)))
    calls = {part["role"]: part["calls"] for part in found["parts"]}
    assert calls["judge"] == 2 * 4
    assert calls["actor"] + calls["environment"] == 2 * 6
    assert calls["next-speaker"] == 2 * 5
    assert found["cost"] > 0
    assert not out.exists()


def test_a_run_says_what_it_measured_and_where_the_rest_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    text = told(capsys, "run", "beliefs", "--actor", ALWAYS_A, "--cases", "10", "--out", str(out))
    assert "2 of 2 cases" in text
    assert "100.0" in text, "every answer is in its form"
    page = told(capsys, "report", str(out), "--out", str(out / "page.html"))
    assert "beliefs" in page
    assert (out / "page.html").is_file()
    found = json.loads(told(capsys, "report", str(out), "--json"))
    assert [one["task"] for one in found["runs"]] == ["her/beliefs"]


def test_a_share_without_a_value_above_the_bound_ends_with_code_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = ["run", "beliefs", "--actor", "scripted:I do not know.", "--cases", "5", "--out", str(tmp_path)]
    assert "unscored" in told(capsys, *argv, code=3)
    told(capsys, *argv, "--max-unscored", "1")


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["run", "nothing"], "there is no benchmark 'nothing'"),
        (["run", "beliefs", "--rounds", "3"], "beliefs has no parameter rounds"),
        (["run", "beliefs", "-T", "seed"], "write NAME=VALUE"),
        (["run", "beliefs", "--actor", "nobody"], "'nobody' is not the address of a model"),
        (["run", "beliefs", "--actor", "scripted", "--price", "cheap"], "--price 'cheap'"),
        (["run", "coser", "--actor", "scripted"], "which test set?"),
        (["run", "coser", "--preset", "ours", "--path", "x.json"], "has no preset 'ours'"),
        (["run", "coser", "--actor", "scripted", "--path", "{cases}"], "--judge ADDRESS"),
        (["report", "/nowhere"], "is not there"),
        (["coser-rescore", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_asked(
    argv: list[str], what: str, cases: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    argv = [part.format(cases=cases) for part in argv]
    if argv[0] == "run":
        argv += ["--out", str(tmp_path / "out")]
    assert her(["bench", *argv]) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=3", 3), ("a=0.5", 0.5), ("a=true", True), ("a=her", "her"), ("a=[1]", "[1]"), ("a=b=c", "b=c"), ("a=", "")],
)
def test_a_parameter_is_a_number_a_truth_or_a_text(text: str, value: Any) -> None:
    assert parameter(text) == ("a", value)


def test_a_task_is_given_only_what_it_knows() -> None:
    assert make_task("beliefs", {"cases": 5, "seed": 1}).name == "beliefs"
    with pytest.raises(InputError, match="it has"):
        make_task("beliefs", {"ruonds": 5})


def test_nobody_plays_a_part_that_there_is_not() -> None:
    with pytest.raises(InputError, match="nobody plays nobody"):
        ready(RunOptions("beliefs", {"actor": "scripted", "nobody": "scripted"}))  # type: ignore[dict-item]
    with pytest.raises(InputError, match="--actor"):
        ready(RunOptions("beliefs", {}))


def test_the_same_command_in_the_same_folder_asks_nothing_twice(tmp_path: Path) -> None:
    recorded = tmp_path / "said.jsonl"
    options = RunOptions("beliefs", {"actor": ALWAYS_A}, {"cases": 10}, tmp_path / "run")
    first = run(options)
    assert first.status == "success"
    answers = sorted(path for path in (tmp_path / "run" / "answers").rglob("*") if path.is_file())
    again = run(options)
    assert again.status == "success"
    assert sorted(p for p in (tmp_path / "run" / "answers").rglob("*") if p.is_file()) == answers
    hits = [event.cache for sample in again.samples or [] for event in sample.events if event.event == "model"]
    assert hits
    assert set(hits) == {"read"}
    assert not recorded.exists()


def test_another_actor_in_the_same_folder_gets_no_answer_of_the_first(tmp_path: Path) -> None:
    said = []
    for letter in "AB":
        log = run(
            RunOptions("beliefs", {"actor": f"scripted:<answer>{letter}</answer>"}, {"cases": 5}, tmp_path / "run")
        )
        said.append(
            {message.text for one in log.samples or [] for message in one.messages if message.role == "assistant"}
        )
    assert said == [{"<answer>A</answer>"}, {"<answer>B</answer>"}]


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed in the middle by SIGKILL; what had been answered by then is on disk and is not asked again."""
    out = tmp_path / "run"
    code = (
        "import sys, time; from pathlib import Path; from her.models.recorded import Scripted; "
        "from her.bench import run as bench; from inspect_ai.model import get_model; "
        "slow = Scripted(lambda *_: time.sleep(0.2) or '<answer>A</answer>'); "
        f"options = bench.RunOptions('beliefs', {{'actor': 'scripted'}}, {{'cases': 40}}, Path({str(out)!r})); "
        "made = bench.ready(options); "
        "model = get_model('her/scripted:slow', opened=slow, memoize=False); "
        "bench.run(options, bench.Ready(made.task, {'actor': model})); print(len(slow.calls))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    answers = out / "answers"
    until = time.monotonic() + 60
    while sum(path.is_file() for path in answers.rglob("*")) < 5:
        assert time.monotonic() < until, "nothing was answered"
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    kept = sum(path.is_file() for path in answers.rglob("*"))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) <= 40 - kept


def test_stored_judgements_are_scored_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flaws = {
        name: {"flaws": [{"instance": "x", "type": "y", "severity": 2}], "score": 96.0}
        for name in ("Storyline Consistency", "Anthropomorphism", "Character Fidelity", "Storyline Quality")
    }
    simulation = [
        {"role": "Ann", "content": "Hm."},
        {"role": "Bert", "content": "Well."},
        {"role": "NSP", "content": "x"},
    ]
    case = {"simulation": simulation, "score": 93.0, "critique": {**flaws, "bleu": 0.1, "rouge_l": 0.2}}
    path = tmp_path / "judged.json"
    path.write_text(json.dumps({"scores": {}, "cases": {"book-1-0": case}}), encoding="utf-8")
    text = told(capsys, "coser-rescore", str(path))
    assert "average 93.0" in text
    assert "of 2 turns" in text
    found = json.loads(told(capsys, "coser-rescore", str(path), "--json"))
    assert found["cases"]["book-1-0"]["turns"] == 2
    assert found["differs"], "96 is not 93, and that is told"


def test_runs_of_other_conditions_have_no_winner(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert planted
    for name, seed in (("one", "0"), ("other", "1")):
        her(
            [
                "bench",
                "run",
                "beliefs",
                "--actor",
                ALWAYS_A,
                "--cases",
                "5",
                "--seed",
                seed,
                "--out",
                str(tmp_path / name),
            ]
        )
    capsys.readouterr()
    assert her(["bench", "coser-wins", str(tmp_path / "one"), str(tmp_path / "other")]) == 2
    assert "cannot be compared" in capsys.readouterr().err
