"""What goes wrong in the official release's evaluation, where questions with one right answer could share the fault."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

import minds_sets
from her.bench.figures import Unscored, Why
from her.bench.minds import hitom, made
from her.bench.minds.answers import Style
from her.bench.minds.cases import graded, mean
from her.bench.minds.source import DATA, find
from her.bench.minds.task import Asking, bigtom, reply_to
from her.bench.users.measures import NATURAL, count, judged
from her.bench.users.turns import PRISM, Ask
from her.errors import InputError
from her.models.recorded import Scripted
from test_bench_minds_task import means, own_answers, run
from texts import PLAN, PLAN_END

__all__ = ["own_answers"]
ASK = Ask("1", PRISM, "You want tea.", "", False)


def test_a1_a_second_model_is_given_the_answers_of_the_first(tmp_path: Path) -> None:
    path = str(minds_sets.bigtom(tmp_path))
    first, second = Scripted(lambda *_: "<answer>A</answer>"), Scripted(lambda *_: "<answer>B</answer>")
    answers = []
    for model in (first, second):
        log = run(bigtom(path=path), model, tmp_path)
        answers.append([score.answer for one in log.samples or [] for score in (one.scores or {}).values()])
        assert len(model.calls) == 2
    assert answers == [["A", "A"], ["B", "B"]]


def test_a2_without_a_judge_every_turn_has_the_full_score() -> None:
    value = count([ASK], ["one tea please"], {})[NATURAL]
    assert isinstance(value, Unscored)
    assert value.why is Why.ABSENT


@pytest.mark.parametrize("style", Style)
def test_a3_a_model_that_says_nothing_is_scored(style: Style) -> None:
    for question in made.fantom(0, "short")[0].questions:
        value = graded(question, "", style).value
        assert isinstance(value, Unscored)
        assert value.why is Why.EMPTY


def test_a4_what_failed_is_a_number_in_the_mean(tmp_path: Path) -> None:
    assert mean([1.0, Unscored(Why.FORMAT), Unscored(Why.CONTEXT)]) == 1.0
    replies = iter(["<answer>A</answer>", "no idea"])
    log = run(bigtom(path=str(minds_sets.bigtom(tmp_path))), Scripted(lambda *_: next(replies)), tmp_path)
    assert means(log)["readable"] == 0.5
    assert means(log)["accuracy"] in (0.0, 1.0)


async def test_a10_a_model_with_tags_of_its_own_is_read_by_the_rules_of_another() -> None:
    question = made.lifechoices(0)[0].questions[0]
    told = await reply_to(Scripted(["x"]), question, Asking(Style.HER, 99, 0), 0)
    assert told["text"] == "x"
    right = question.right[0]
    assert graded(question, f"{PLAN}A, B, C or D{PLAN_END}{right}", Style.HER).value == 1.0
    assert isinstance(graded(question, right, Style.ANSWER).value, Unscored)


def test_a11_what_a_model_only_thought_is_taken_for_its_answer() -> None:
    question = made.lifechoices(0)[0].questions[0]
    right = question.right[0]
    wrong = next(letter for letter in "ABCD" if letter != right)
    reply = f"<think>{'x' * 2000}<answer>{right}</answer></think><answer>{wrong}</answer>"
    assert graded(question, reply, Style.ANSWER).value == 0.0


def test_a12_a_name_is_found_within_another_name() -> None:
    question = next(one for one in made.fantom(0, "short")[0].questions if one.others)
    inside = ", ".join(f"Mary{name.lower()}" for name in question.right)
    assert graded(question, f"<answer>{inside}</answer>", Style.ANSWER).value == 0.0


@pytest.mark.parametrize("reply", ["", "7", "HUMAN, or AI", '{"label": "HUMAN"}'])
def test_a17_an_unreadable_judge_counts_as_a_number(reply: str) -> None:
    assert isinstance(judged(reply, NATURAL), Unscored)


def test_a18_an_answer_that_the_token_limit_cut_is_given_half_the_points() -> None:
    question = made.lifechoices(0)[0].questions[0]
    for cut in (
        f"<think>It is {question.right[0]}",
        f"so <answer>{question.right[0]}",
        f"<answer>{question.right[0]}</ans",
    ):
        value = graded(question, cut, Style.ANSWER).value
        assert isinstance(value, Unscored)
        assert value.why is Why.FORMAT


def test_a19_questions_and_options_hang_on_the_hash_seed_and_have_no_interval(tmp_path: Path) -> None:
    code = (
        "from her.bench.minds import made\n"
        "from her.bench.minds.cases import drawn\n"
        "from her.bench.oracle.tale import Recipe, case, tale\n"
        "cases = [*drawn(made.lifechoices(3), 9, 3), *made.fantom(3, 'short'), case(tale(Recipe(), 3, 1))]\n"
        "print([one.as_json() for one in cases])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(told) == 1
    items = {f"{at}": {**minds_sets.bigtom_items()["0"], "context": f"Day {at}. Rain."} for at in range(12)}
    path = minds_sets.bigtom(tmp_path, items)
    log = run(bigtom(path=str(path)), Scripted(lambda *_: "<answer>A</answer>"), tmp_path)
    (found,) = [one for one in log.results.scores if one.name == "accuracy"]  # type: ignore[union-attr]
    assert found.metrics["low"].value < found.metrics["mean"].value < found.metrics["high"].value
    assert not math.isnan(found.metrics["low"].value)


def test_a22_what_is_asked_changes_while_it_is_asked(tmp_path: Path) -> None:
    task = bigtom(path=str(minds_sets.bigtom(tmp_path)))
    before = json.dumps([one.metadata for one in task.dataset])
    run(task, Scripted(lambda *_: "<answer>A</answer>"), tmp_path)
    assert json.dumps([one.metadata for one in task.dataset]) == before


def test_b1_a_set_that_is_not_there_ends_in_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA, str(tmp_path))
    with pytest.raises(InputError, match=r"get it from https://\S+, then name the file with -T path=FILE"):
        find("", hitom.PLACE)
