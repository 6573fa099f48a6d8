"""The tasks, run by Inspect on scripted models: each question is asked by itself, each answer graded or not read."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai import Task, eval
from inspect_ai.log import EvalLog
from inspect_ai.model import get_model

import minds_sets
from her.bench.figures import Why
from her.bench.minds import made
from her.bench.minds.answers import Style
from her.bench.minds.task import Asking, bigtom, fantom, hitom, lifechoices, reply_to, tomi, twinvoice
from her.bench.oracle.task import beliefs
from her.bench.slop.task import slop
from her.bench.users.task import userllm
from her.errors import ContextOverflow, InputError
from her.models.base import Message, Model
from her.models.recorded import Scripted
from test_bench_slop import TEXT, lists
from texts import PLAN, PLAN_END


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "answers"))


NUMBERS = itertools.count()
"""Each model has a name of its own: of two with one name the second would be given the answers of the first."""


def run(task: Task, model: Model, tmp_path: Path, **roles: Model) -> EvalLog:
    def named(one: Model, name: str) -> Any:
        return get_model(f"her/{name}-{next(NUMBERS)}", opened=one, memoize=False)

    given = {name: named(one, name) for name, one in roles.items()}
    (log,) = eval(
        task, model=named(model, "scripted"), model_roles=given, log_dir=str(tmp_path / "logs"), display="none"
    )
    assert log.status == "success", log.error
    return log


def means(log: EvalLog) -> dict[str, float]:
    assert log.results is not None
    return {one.name: one.metrics["mean"].value for one in log.results.scores}


def oracle(task: Task, form: str = "<answer>{}</answer>") -> Scripted:
    """A model that knows every answer of a task."""
    known = {}
    for sample in task.dataset:
        for question in (sample.metadata or {})["case"]["questions"]:
            known[question["text"]] = ", ".join(question["right"])

    def answer(messages: Sequence[Message], prefill: str) -> str:
        return form.format(next(right for text, right in known.items() if messages[-1].content.startswith(text)))

    return Scripted(answer)


def every_task(tmp_path: Path, **more: Any) -> dict[str, Task]:
    return {
        "hitom": hitom(path=str(minds_sets.hitom(tmp_path)), **more),
        "tomi": tomi(path=str(minds_sets.tomi(tmp_path)), **more),
        "bigtom": bigtom(path=str(minds_sets.bigtom(tmp_path)), **more),
        "twinvoice": twinvoice(path=str(minds_sets.twinvoice(tmp_path)), **more),
        "lifechoices": lifechoices(path=made.NAME, limit=5, **more),
        "fantom": fantom(path=made.NAME, limit=20, **more),
        "beliefs": beliefs(limit=10, **more),
    }


NAMES = ("hitom", "tomi", "bigtom", "twinvoice", "lifechoices", "fantom", "beliefs")


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_knows_every_answer_has_all_right(tmp_path: Path, name: str) -> None:
    task = every_task(tmp_path)[name]
    log = run(task, oracle(task), tmp_path)
    found = means(log)
    assert (found["accuracy"], found["readable"]) == (1.0, 1.0)
    assert set(found) == {figure["name"] for figure in log.eval.metadata["her"]["figures"]}  # type: ignore[index]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_says_everything_at_once_is_never_right_by_accident(tmp_path: Path, name: str) -> None:
    log = run(every_task(tmp_path)[name], Scripted(lambda *_: "ABCDEFGHIJKLMNO yes no Pim, Rosa"), tmp_path)
    found = means(log)
    assert found["readable"] == 0.0
    assert math.isnan(found["accuracy"])
    for sample in log.samples or []:
        (score,) = (sample.scores or {}).values()
        assert (score.metadata or {})["unscored"]["accuracy"]["why"] == Why.FORMAT


@pytest.mark.parametrize(("style", "form"), [("her", PLAN + "A or B?" + PLAN_END + "{}"), ("letter", "{}")])
def test_the_same_answers_are_read_in_the_models_own_form(tmp_path: Path, style: str, form: str) -> None:
    task = every_task(tmp_path, style=style)["hitom"]
    assert means(run(task, oracle(task, form), tmp_path))["accuracy"] == 1.0
    assert means(run(task, oracle(task), tmp_path))["readable"] == (0.0)


def test_a_likely_answer_is_weighed_and_not_said(tmp_path: Path) -> None:
    task = every_task(tmp_path, style="likely")["bigtom"]
    weighing = Scripted(lambda *_: "I would rather not say")
    weighing.weigh = lambda messages, options, prefill: {one: -1.0 if one == "B" else -2.0 for one in options}
    found = means(run(task, weighing, tmp_path))
    right = [sample.target[0] for sample in task.dataset]
    assert found["accuracy"] == right.count("B") / len(right)
    mute = run(every_task(tmp_path, style="likely")["bigtom"], Scripted(["x"]), tmp_path)
    assert math.isnan(means(mute)["accuracy"])
    assert math.isnan(means(mute)["readable"])


def test_each_question_is_asked_by_itself(tmp_path: Path) -> None:
    task = every_task(tmp_path)["hitom"]
    model = oracle(task)
    run(task, model, tmp_path)
    assert len(model.calls) == 10
    assert all(len(call.messages) == 1 and call.sampling.temperature == 0 for call in model.calls)
    assert len({call.sampling.seed for call in model.calls}) == 10


async def test_a_prompt_that_does_not_fit_is_a_reason_and_nothing_is_cut() -> None:
    def too_long(*_: object) -> str:
        raise ContextOverflow("9000 tokens do not fit")

    (case,) = made.lifechoices(0)[:1]
    told = await reply_to(Scripted(too_long), case.questions[0], Asking(Style.ANSWER, 9, 0), 1)
    assert told == {"why": "context", "detail": "9000 tokens do not fit"}


def test_a_set_of_our_own_has_a_preset_of_its_own(tmp_path: Path) -> None:
    sheets = [(task.metadata or {})["her"] for task in every_task(tmp_path).values()]
    assert [sheet["preset"] for sheet in sheets] == ["strict"] * 4 + ["made"] * 3
    assert (
        "CoSER"
        in (lifechoices(path=str(minds_sets.lifechoices(tmp_path))).metadata or {})["her"]["settings"]["contamination"]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: beliefs(orders=-1), "orders is -1"),
        (lambda: beliefs(language="fr"), "language 'fr'"),
        (lambda: beliefs(limit=0), "there is no end of tales"),
        (lambda: fantom(path="made", context="half"), "context 'half'"),
        (lambda: lifechoices(path="made", tokens=0), "tokens is 0"),
        (lambda: lifechoices(path="made", style="xml"), "style 'xml'"),
        (lifechoices, r"data.json is not there .* get it from"),
    ],
)
def test_a_task_that_cannot_be_asked_says_why(make: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HER_DATA", raising=False)
    with pytest.raises(InputError, match=message):
        make()


def test_userllm_runs_without_a_judge_and_says_what_is_absent(tmp_path: Path) -> None:
    log = run(userllm(path="made", limit=32), Scripted(lambda *_: "hm, one more thing"), tmp_path)
    found = means(log)
    assert math.isnan(found["naturalness"])
    assert math.isnan(found["intent-adherence"])
    assert (found["first-turn-diversity"], found["role-adherence"], found["ending"]) == (0.0, 1.0, 0.0)
    (ending,) = [one for one in log.results.scores if one.name == "ending"]  # type: ignore[union-attr]
    assert ending.metrics["f1"].value == 0.0


def test_userllm_asks_the_judge_that_is_named(tmp_path: Path) -> None:
    def judge(messages: Sequence[Message], prefill: str) -> str:
        return f"<answer>{'HUMAN' if 'HUMAN or AI' in messages[-1].content else 'ACCEPTED'}</answer>"

    found = means(run(userllm(path="made", limit=32), Scripted(lambda *_: "hm"), tmp_path, judge=Scripted(judge)))
    assert (found["naturalness"], found["intent-adherence"]) == (1.0, 0.0)


def test_slop_measures_given_texts_without_asking_anybody(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("\n".join(json.dumps({"text": text}) for text in (TEXT, "Plain words.")), encoding="utf-8")
    model = Scripted([])
    found = means(run(slop(path=str(lists(tmp_path)), texts=str(texts)), model, tmp_path))
    assert found["slop-words"] == 10.0
    assert model.calls == []


def test_slop_has_the_actor_write_where_there_are_no_texts(tmp_path: Path) -> None:
    (lists(tmp_path) / "prompts.json").write_text(json.dumps(["A door.", "A ship."]), encoding="utf-8")
    log = run(slop(path=str(tmp_path)), Scripted(lambda *_: f"{PLAN}gleam{PLAN_END}{TEXT}"), tmp_path)
    assert means(log)["slop-words"] == 20.0


def test_slop_reads_the_visible_part_of_a_runs_dialogues(tmp_path: Path) -> None:
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    @solver
    def plays() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            state.metadata["dialogue"] = [{"speaker": "Ann", "text": f"{PLAN}gleam{PLAN_END}{TEXT}", "id": "t1"}]
            return state

        return solve

    played = run(Task(dataset=MemoryDataset([Sample(id="one", input="x")]), solver=plays()), Scripted([]), tmp_path)
    log = run(slop(path=str(lists(tmp_path)), texts=played.location), Scripted([]), tmp_path)
    assert means(log)["slop-words"] == 20.0
