"""Inspect and our models: what is asked arrives whole, what cannot be answered is no answer, nothing is asked twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, read_eval_log, write_eval_log
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.bench.figures import Figure, Sheet, Unscored, Why, metrics, score
from her.bench.inspect_model import InspectModel, weights
from her.bench.provider import Provider, Wish, sampling
from her.bench.roles import role, role_or_none
from her.errors import ContextOverflow, InputError, Unreachable
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling
from her.models.recorded import Scripted

ASKED = [Message("system", "You are Anne."), Message("user", "Good evening."), Message("assistant", "Anne: Well?")]


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "answers"))


def inspects(model: Model, name: str = "scripted") -> Any:
    return get_model(f"her/{name}", opened=model, memoize=False)


def ask_each(model: Model, *lines: str, log_dir: Path, name: str = "scripted") -> EvalLog:
    """A run with a case for each line; a case asks the model that line and keeps what came."""

    @solver
    def asks() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            reply = await role("actor").generate([Message("user", state.input_text)], Sampling(seed=3))
            state.metadata["said"] = reply.text
            return state

        return solve

    task = Task(dataset=MemoryDataset([Sample(id=f"{i}", input=line) for i, line in enumerate(lines)]), solver=asks())
    return eval(task, model=inspects(model, name), log_dir=str(log_dir), display="none", fail_on_error=False)[0]


def said(log: EvalLog) -> list[Any]:
    return [sample.metadata.get("said") for sample in log.samples or []]


class Failing(Scripted):
    """Raises what it is given, one error a call, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(lambda *_: "At last.")
        self.errors = list(errors)

    async def stream(self, messages: Sequence[Message], sampling: Sampling, **more: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        async for piece in super().stream(messages, sampling, **more):
            yield piece


class Cut(Scripted):
    """Breaks off in the middle."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling, **more: Any) -> Any:
        yield Reply("Half a", Finish.CUT, error="the line went dead")


async def test_messages_sampling_prefill_and_constraint_arrive_as_they_were_given() -> None:
    inner = Scripted(["I am tired."])
    how = Sampling(temperature=0.2, top_p=0.5, max_tokens=77, seed=9, stop=("\n",), repeat_penalty=1.2)
    held = Constraint(schema={"type": "object", "properties": {"a": {"type": "string"}}})
    reply = await InspectModel(inspects(inner)).generate(ASKED, how, prefill="Anne: ", constraint=held)
    (call,) = inner.calls
    assert (list(call.messages), call.sampling, call.prefill) == (ASKED, how, "Anne: ")
    assert call.constraint == held
    assert reply.text == "I am tired."
    assert reply.finish is Finish.STOP


async def test_a_grammar_arrives_too() -> None:
    inner = Scripted(["x"])
    await InspectModel(inspects(inner)).generate(ASKED, Sampling(), constraint=Constraint(grammar='reply ::= "x"'))
    assert inner.calls[0].constraint == Constraint(grammar='reply ::= "x"')


def test_a_wish_survives_the_way_there() -> None:
    wish = Wish("Anne: ", "reply ::= x", {"type": "object"}, ("a", "b"), 1.1)
    assert Wish.of(GenerateConfig(extra_body=wish.body())) == wish
    assert Wish.of(GenerateConfig()) == Wish()


def test_what_inspect_was_not_told_is_our_default() -> None:
    assert sampling(GenerateConfig(), Wish()) == Sampling()


async def test_texts_are_weighed_through_inspect_and_none_stays_none() -> None:
    inner = Scripted([])
    assert await InspectModel(inspects(inner)).choose(ASKED, ["yes", "no"]) is None
    inner = Scripted([])
    inner.weigh = lambda messages, options, prefill: {"yes": -0.5, "no": None}
    assert await InspectModel(inspects(inner)).choose(ASKED, ["yes", "no"], prefill="I say ") == {
        "yes": -0.5,
        "no": None,
    }


async def test_a_prompt_that_does_not_fit_is_an_overflow_and_no_empty_reply() -> None:
    with pytest.raises(ContextOverflow, match="9,000 tokens"):
        await InspectModel(inspects(Failing(ContextOverflow("9,000 tokens do not fit")))).generate(ASKED, Sampling())


def test_a_reply_that_broke_off_is_a_failed_case_and_no_short_reply(tmp_path: Path) -> None:
    log = ask_each(Cut([]), "Hm?", log_dir=tmp_path)
    (sample,) = log.samples or []
    assert sample.error is not None
    assert "line went dead" in sample.error.message


def test_a_dead_server_fails_the_case_instead_of_being_asked_for_ever(tmp_path: Path) -> None:
    dead = Failing(*[Unreachable("nobody there")] * 9)
    log = ask_each(dead, "Hm?", log_dir=tmp_path)
    (sample,) = log.samples or []
    assert sample.error is not None
    assert len(dead.errors) == 8


async def test_a_tool_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no tools"):
        await Provider("scripted", opened=Scripted([])).generate([], [object()], "auto", GenerateConfig())  # type: ignore[list-item]


def test_a_killed_run_asks_nothing_twice_and_another_actor_gets_no_answer_of_the_first(tmp_path: Path) -> None:
    first = Scripted(lambda messages, _: f"first: {messages[0].content}")
    assert said(ask_each(first, "one", "two", log_dir=tmp_path / "a")) == ["first: one", "first: two"]
    again = Scripted(lambda messages, _: "never asked")
    assert said(ask_each(again, "one", "two", "three", log_dir=tmp_path / "b"))[:2] == ["first: one", "first: two"]
    assert len(again.calls) == 1
    other = Scripted(lambda messages, _: f"other: {messages[0].content}")
    assert said(ask_each(other, "one", "two", log_dir=tmp_path / "c", name="scripted:other"))[0] == "other: one"


def test_a_model_that_was_trained_anew_in_the_same_place_is_another_model(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    before = weights(str(path))
    path.write_bytes(b"three")
    assert weights(str(path)) != before
    assert weights("http://localhost:8000/v1#m") == ""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    assert "model.safetensors" in weights(str(folder))


def test_the_log_holds_every_prompt_and_wish(tmp_path: Path) -> None:
    log = read_eval_log(ask_each(Scripted(lambda *_: "Well."), "Good evening.", log_dir=tmp_path).location)
    (sample,) = log.samples or []
    (event,) = [event for event in sample.events if event.event == "model"]
    assert event.input[0].text == "Good evening."
    assert event.config.seed == 3
    assert event.output.completion == "Well."


def test_nobody_stands_in_for_a_judge(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    @solver
    def asks() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            seen["none"] = role_or_none("judge")
            seen["environment"] = role("environment").address
            with pytest.raises(InputError, match="--judge"):
                role("judge")
            return state

        return solve

    task = Task(dataset=MemoryDataset([Sample(id="0", input="x")]), solver=asks())
    log = eval(task, model=inspects(Scripted([], address="the-actor")), log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success"
    assert seen == {"none": None, "environment": "the-actor"}


def test_the_world_is_played_by_the_judge_so_that_it_is_the_same_for_all_actors(tmp_path: Path) -> None:
    seen: dict[str, str] = {}

    @solver
    def asks() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            seen.update({name: role(name).address for name in ("actor", "environment", "next-speaker", "judge")})
            return state

        return solve

    task = Task(dataset=MemoryDataset([Sample(id="0", input="x")]), solver=asks())
    models = {"judge": inspects(Scripted([], address="the-judge")), "next-speaker": inspects(Scripted([], address="n"))}
    eval(task, model=inspects(Scripted([], address="a")), model_roles=models, log_dir=str(tmp_path), display="none")
    assert seen == {"actor": "a", "environment": "the-judge", "next-speaker": "n", "judge": "the-judge"}


def test_what_is_unscored_is_no_number_in_inspects_own_means(tmp_path: Path) -> None:
    from inspect_ai.scorer import Score, Scorer, Target, scorer

    @scorer(metrics=metrics())
    def half() -> Scorer:
        async def of(state: TaskState, target: Target) -> Score:
            at = int(state.sample_id)
            value = float(at % 4) if at % 2 else Unscored(Why.FORMAT, "no letter")
            return score({"a": value, "b": Unscored(Why.NO_JUDGE)}, cluster=f"book {at}")

        return of

    sheet = Sheet("test", "plain", (Figure("a", "A"), Figure("b", "B")), {"rounds": 3})
    samples = [Sample(id=f"{i}", input="x") for i in range(16)]
    task = Task(dataset=MemoryDataset(samples), solver=[], scorer=half(), metadata=sheet.metadata())
    log = eval(task, model=inspects(Scripted([])), log_dir=str(tmp_path), display="none")[0]
    assert log.results is not None
    found = {one.name: one for one in log.results.scores}
    assert found["a"].metrics["mean"].value == 2.0
    assert found["a"].metrics["low"].value < 2.0 < found["a"].metrics["high"].value
    assert (found["a"].scored_samples, found["a"].unscored_samples) == (8, 8)
    assert found["b"].scored_samples == 0
    assert str(found["b"].metrics["mean"].value) == "nan"
    assert (log.eval.metadata or {})["her"]["settings"] == {"rounds": 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Unscored"):
        score({"a": value}, cluster="x")


@pytest.fixture
def installed() -> None:
    """A skip where this installation is older than the entry point (`pip install -e .` anew)."""
    from importlib.metadata import entry_points

    if not any(one.name == "her" for one in entry_points(group="inspect_ai")):
        pytest.skip("this installation has no entry point for Inspect; install it anew")


def test_every_benchmark_has_its_name_however_her_is_installed() -> None:
    from inspect_ai.util import registry_info

    from her.bench.registry import BENCHMARKS

    assert {registry_info(one.make).name for one in BENCHMARKS} == {f"her/{one.name}" for one in BENCHMARKS}


@pytest.mark.usefixtures("installed")
def test_inspect_finds_benchmark_and_model_by_themselves_and_goes_on_with_a_log(tmp_path: Path) -> None:
    inspect = [sys.executable, "-m", "inspect_ai"]
    where = ["--log-dir", str(tmp_path / "logs"), "--display", "none"]
    asked = ["eval", "her/beliefs", "-T", "limit=10", "--model", "her/scripted:<answer>A</answer>", "--limit", "1"]
    done = subprocess.run([*inspect, *asked, *where], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-500:]
    (path,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(path))
    assert (log.status, log.eval.task_registry_name) == ("success", "her/beliefs")
    log.status = "cancelled"
    write_eval_log(log, str(path))
    again = [*inspect, "eval-retry", str(path), *where]
    done = subprocess.run(again, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-500:]
    assert {read_eval_log(str(one)).status for one in (tmp_path / "logs").glob("*.eval")} == {"cancelled", "success"}
