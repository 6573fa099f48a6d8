"""A whole trial: pairs in, every one of them asked, a report and a page out; killed, it goes on where it was."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from her.errors import InputError, Refused
from her.judge import batch, principles
from her.judge.bench import figure as figures
from her.judge.bench.bench import PAGE, REPORT, BenchOptions, bench
from her.judge.bench.page import Trial
from her.judge.pairs import Pair
from her.judge.principles import load
from her.models.recorded import Call as Told
from her.rows.files import read_rows
from judged import answer, judge_of, parts
from planted_pairs import planted
from teachers import Teacher


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "DRAWS", 100)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "planted.jsonl"
    path.write_text("".join(f"{pair.model_dump_json()}\n" for pair in planted(3, 2, 2)), encoding="utf-8")
    return path


def tried(judge: Teacher, options: BenchOptions, monkeypatch: pytest.MonkeyPatch) -> tuple[Trial, dict[str, Any]]:
    monkeypatch.setattr(batch, "open_model", lambda *_, **__: judge)
    trial = bench(options, lambda _: None)
    return trial, json.loads((options.out / REPORT).read_text("utf-8"))


def likes_yes(first: str, second: str) -> int:
    return ("yes" in first) - ("yes" in second)


def test_every_pair_is_asked_in_both_orders_and_stands_in_the_report(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of(likes_yes)
    options = BenchOptions("teacher", (pairs,), tmp_path / "out", limit=40)
    trial, report = tried(judge, options, monkeypatch)
    asked = list(read_rows(tmp_path / "out" / "pairs.jsonl", Pair))
    shown = {parts(call.messages) for call in judge.calls}
    sides = [tuple(pair.case.shown(text) for text in (pair.first, pair.second)) for pair in asked]
    assert {*sides, *((second, first) for first, second in sides)} == shown
    accounts = report["measures"]["accounts"]
    assert sum(one["asked"] for one in accounts) == sum(pair.better is not None for pair in asked)
    assert all(one["asked"] == sum(one[n] for n in ("correct", "wrong", "tie", "unscored")) for one in accounts)
    assert trial.drawn == 40 and report["measures"]["figures"]["unscored"]["value"] == 0
    assert report["measures"]["figures"]["consistent"]["value"] == 1
    assert report["measures"]["tokens"]["prompt_tokens"] == 20, "two calls of 10"
    assert any(one["text"].startswith("judge/en@") for one in report["how"]["prompts"])
    assert (tmp_path / "out" / PAGE).is_file() and report["accepted"] is trial.accepted is False


def test_the_second_time_words_are_drawn_anew(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The likeliest words of a model would be the same again, whatever the seed."""
    judge = judge_of(likes_yes)
    trial, _ = tried(judge, BenchOptions("teacher", (pairs,), tmp_path / "out", limit=30, seed=4), monkeypatch)
    told = Counter((call.sampling.seed, call.sampling.temperature) for call in judge.calls)
    assert told.keys() == {(4, 0.0), (5, 0.7)}
    again = next(one for one in trial.measures.unlabelled if one.name == "asked again")
    assert told[5, 0.7] == 2 * again.asked > 0


def test_a_judge_that_follows_places_is_found(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = BenchOptions("teacher", (pairs,), tmp_path / "out")
    figures = tried(judge_of(lambda first, second: 2), options, monkeypatch)[1]["measures"]["figures"]
    assert (figures["first_slot"]["value"], figures["consistent"]["value"], figures["natural"]["value"]) == (0.5, 0, 0)
    assert (figures["opener"]["value"], figures["stable"]["value"]) == (0.5, 1)


def test_answers_that_cannot_be_read_are_no_verdicts(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = BenchOptions("teacher", (pairs,), tmp_path / "out", limit=30)
    trial, report = tried(Teacher(lambda _: "I would rather not."), options, monkeypatch)
    assert report["measures"]["reasons"] == {"unreadable": 30} and not trial.readable
    assert report["measures"]["figures"]["unscored"]["value"] == 1
    assert report["measures"]["figures"]["natural"]["value"] == 0
    assert report["measures"]["figures"]["first_slot"]["value"] is None


def test_a_killed_trial_goes_on_and_asks_nothing_twice(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = BenchOptions("teacher", (pairs,), tmp_path / "out", limit=30)
    whole = judge_of(likes_yes)
    expected = tried(whole, replace(options, out=tmp_path / "whole"), monkeypatch)[1]
    asked: list[Any] = []

    def say(call: Told) -> str | Refused:
        if len(asked) == 25:
            return Refused("the key is gone")
        asked.append(call)
        return answer(likes_yes(*parts(call.messages)))

    with pytest.raises(Refused):
        tried(Teacher(say), options, monkeypatch)
    again = judge_of(likes_yes)
    assert tried(again, options, monkeypatch)[1] == expected
    assert len(asked) + len(again.calls) == len(whole.calls)


@pytest.mark.parametrize("address", ["biased:", "biased:position=0.5,unreadable=0.2"])
def test_a_scripted_judge_needs_no_model(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(batch, "open_model", lambda *_, **__: pytest.fail("a model was opened"))
    trial = bench(BenchOptions(address, (pairs,), tmp_path / "out"), lambda _: None)
    again = bench(BenchOptions(address, (pairs,), tmp_path / "again"), lambda _: None)
    assert trial.measures == again.measures and trial.readable is (address == "biased:")


def test_files_are_told_and_foreign_ones_stand_beside_ours(pairs: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "rewards.json"
    rows = [{"prompt": f"Say {n}.", "chosen": str(n), "rejected": "no"} for n in range(8)]
    foreign.write_text(json.dumps([*rows, {"prompt": "x", "chosen": "", "rejected": "no"}]))
    lines: list[str] = []
    trial = bench(BenchOptions("biased:", (pairs, foreign), tmp_path / "out"), lines.append)
    assert lines[1].endswith("rewards.json: 8 pairs of 9 rows (RewardBench)")
    assert trial.measures.figures["natural"].cases == 12 + 8
    report = json.loads((tmp_path / "out" / REPORT).read_text())
    assert report["files"][1]["skipped"] == {"an answer or message is missing": 1}
    assert len(report["how"]["pairs"]) == 2 and report["how"]["seed"] == 0


def test_a_trial_that_is_refused_leaves_an_earlier_one_as_it_was(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = BenchOptions("teacher", (pairs,), tmp_path / "out", limit=12)
    tried(judge_of(likes_yes), options, monkeypatch)
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}
    with pytest.raises(InputError, match="judged otherwise"):
        tried(judge_of(likes_yes), replace(options, limit=20, samples=2), monkeypatch)

    def none(*_: object, **__: object) -> Teacher:
        raise InputError("no such model")

    monkeypatch.setattr(batch, "open_model", none)
    with pytest.raises(InputError, match="no such model"):
        bench(replace(options, limit=20), lambda _: None)
    assert {path: path.read_bytes() for path in before} == before


def test_a_judge_is_tried_with_the_principles_that_it_is_used_with(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    veto = next(one.definition("en") for one in load() if one.negative)
    own = tmp_path / "own.toml"
    text = Path(principles.__file__).with_suffix(".toml").read_text("utf-8")
    own.write_text(text.replace(json.dumps(veto), '"The turn must not rhyme."'), encoding="utf-8")
    judge, options = judge_of(likes_yes), BenchOptions("teacher", (pairs,), tmp_path / "out", limit=6)
    _, report = tried(judge, replace(options, principles=own), monkeypatch)
    said = ["\n".join(one.content for one in call.messages) for call in judge.calls]
    assert said and all("The turn must not rhyme." in text and veto not in text for text in said)
    _, other = tried(judge_of(likes_yes), replace(options, out=tmp_path / "ours"), monkeypatch)
    assert report["how"]["prompts"] != other["how"]["prompts"]


def test_a_judge_can_be_tried_on_the_pairs_for_tests_alone(tmp_path: Path) -> None:
    marked = [
        pair.model_copy(update={"split": "test" if pair.book == "book 1" else "train"}) for pair in planted(3, 2, 2)
    ]
    path = tmp_path / "marked.jsonl"
    path.write_text("".join(f"{pair.model_dump_json()}\n" for pair in marked), encoding="utf-8")
    options = BenchOptions("biased:", (path,), tmp_path / "out", split="test")
    bench(options, lambda _: None)
    asked = list(read_rows(tmp_path / "out" / "pairs.jsonl", Pair))
    assert {pair.book for pair in asked} == {"book 1"}
    assert {pair.id for pair in asked} >= {pair.id for pair in marked if pair.split == "test"}
    path.write_text("".join(f"{pair.model_dump_json()}\n" for pair in planted(3, 2, 2)), encoding="utf-8")
    with pytest.raises(InputError, match="marked as one of the split test"):
        bench(options, lambda _: None)


def test_one_book_has_no_headline(tmp_path: Path) -> None:
    """Nobody knows whether the text alone tells the answers, so they are told apart and accept nobody."""
    path = tmp_path / "one.jsonl"
    path.write_text("".join(f"{pair.model_dump_json()}\n" for pair in planted(1, 8, 8)), encoding="utf-8")
    trial = bench(BenchOptions("biased:", (path,), tmp_path / "out"), lambda _: None)
    figures = trial.measures.figures
    assert (figures["broken"].value, figures["unprobed"].value, figures["unprobed"].cases) == (None, 1, 64)
    line = next(line for line in trial.lines if line.bar.name == "broken")
    assert not line.accepted and "not measured" in line.why


def test_nothing_to_judge_and_files_named_twice_are_refused(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name files of pairs"):
        bench(BenchOptions("biased:", (), tmp_path), lambda _: None)
    with pytest.raises(InputError, match="stands twice"):
        bench(BenchOptions("biased:", (pairs, pairs), tmp_path), lambda _: None)
