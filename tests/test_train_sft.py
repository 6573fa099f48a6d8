"""`her train sft` on tiny models: what a step costs and changes, what a run leaves, and how it goes on after a kill."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file

import tiny_models as tiny
from her import cli
from her.errors import HerError, InputError, ModelError, StorageError
from her.rows.record import Source
from her.train import gguf_adapter
from her.train import lessons as taught
from her.train import sft as runs
from her.train.attention import deviation, log_probs
from her.train.base import base_of
from her.train.budget import Budget
from her.train.card import card
from her.train.export import merge
from her.train.layers import Bits, layered
from her.train.quiet import quiet
from her.train.recipe import load_recipe
from her.train.run_folder import TrainFolder
from her.train.sft import prepare, sft
from her.train.tokens import chat_template
from her.train.trainer import HeldOut, TreeTrainer, Watch
from sampled import made

pytestmark = pytest.mark.torch

FAST = {"trees_per_step": 2, "evaluate_every": 2, "save_every": 2, "epochs": 3.0}
LORA = {"rank": 4, "dropout": 0.1}
RATE = {"learning_rate": 5e-3, "warmup": 0.1}
ONE_STEP = {"epochs": 1.0, "evaluate_every": 1, "save_every": 1, "optimiser": {"learning_rate": 1e-4, "warmup": 0.0}}
ADAPTED = "adapter_model.safetensors"
BOOKS = {"Light": "sft", "Zh": "sft", "Held": "validation"}


@dataclass(frozen=True)
class Place:
    """A folder with a tiny model, a data set, and whatever runs are made there."""

    path: Path

    def recipe(self, name: str, **fields: Any) -> Path:
        """A recipe of that name, with `fields` besides model and data; tables are dicts."""
        told = {"model": str(self.path / "llama"), **fields}
        told["data"] = {"folder": "samples", **fields.get("data", {})}
        plain = [f"{key} = {json.dumps(value)}" for key, value in told.items() if not isinstance(value, dict)]
        for key, table in told.items():
            if isinstance(table, dict):
                plain += [f"[{key}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        path = self.path / f"{name}.toml"
        path.write_text("\n".join(plain) + "\n", encoding="utf-8")
        return path

    def train(self, name: str, **fields: Any) -> Path:
        """The folder of a run, made in this process, without curves: they take longer than the run."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs, "draw", lambda *_: None)
            sft(self.recipe(name, **fields), self.path / name, told=lambda line: None)
        return self.path / name

    def budget(self, name: str, **fields: Any) -> Budget:
        """What it would cost."""
        return sft(self.recipe(name, **fields), self.path / name, told=lambda line: None, dry=True)

    def weights(self, run: Path) -> dict[str, torch.Tensor]:
        """What a run has learnt, by name."""
        folder = run / "adapter" if (run / "adapter").is_dir() else run / "model"
        return {name: value for path in folder.glob("*.safetensors") for name, value in load_file(path).items()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("place")
    tiny.model_folder(path / "llama")
    rows = []
    for book in BOOKS:
        for n in range(2):
            language = "zh" if book == "Zh" else "en"
            row = tiny.talk(7 + n, id=f"{book}/{n}/1", language=language)
            bare = row.turns[1].model_copy(update={"segments": row.turns[1].segments[-1:]})  # a turn without a plan
            source = Source(book=book, slug=book.lower())
            rows.append(row.model_copy(update={"source": source, "turns": (row.turns[0], bare, *row.turns[2:])}))
    made(rows, path, pins=BOOKS)
    yield Place(path)
    torch.set_num_threads(before)


def her(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    command = [sys.executable, "-m", "her", "train", *map(str, argv)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=env)


@dataclass(frozen=True)
class Ran:
    """A run, and what was said of it."""

    path: Path
    out: str
    err: str

    @property
    def log(self) -> list[dict[str, Any]]:
        return log(self.path)


def log(run: Path) -> list[dict[str, Any]]:
    """The figures of a run, but for what hangs on the clock."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if "train_runtime" not in line]


@pytest.fixture(scope="module")
def unbroken(place: Place) -> Ran:
    """A run of LoRA from beginning to end, in a process of its own."""
    recipe = place.recipe("unbroken", **FAST, lora=LORA, optimiser=RATE)
    done = her("sft", recipe, "--out", place.path / "unbroken", "--json")
    assert done.returncode == 0, done.stderr
    return Ran(place.path / "unbroken", done.stdout, done.stderr)


# -- what a run says and leaves -----------------------------------------------------------------------------------


def test_it_learns(unbroken: Ran) -> None:
    losses = [line["loss"] for line in unbroken.log if "loss" in line]
    held = [line["eval_loss"] for line in unbroken.log if "eval_loss" in line]
    assert losses[-1] < losses[0] - 0.5
    assert held[-1] < held[0] - 0.5
    assert all(line["grad_norm"] > 0.1 for line in unbroken.log if "loss" in line)
    assert [line["step"] for line in unbroken.log if "loss" in line] == list(range(1, len(losses) + 1))
    assert [line["step"] for line in unbroken.log if "eval_loss" in line] == list(range(0, len(losses) + 1, 2))


def test_it_says_what_it_will_cost_then_how_it_goes_and_nothing_else(unbroken: Ran) -> None:
    number = r"[\d,.]+"
    kinds = [
        rf"{number} turns, {number} more held out",
        rf"{number} tokens an epoch in {number} rows \({number} with a row a turn: {number} times as many\), {number} "
        "of them learnt",
        rf"{number} steps, {number} epochs, at {number} tokens a second: about {number} (min|h) of training",
        rf"step \d+/\d+  {number} min  (loss {number}  gradient {number}|held out {number}(  \w+ {number})+)",
        r"written: .*",
    ]
    lines = unbroken.err.splitlines()
    told = [next((n for n, kind in enumerate(kinds) if re.fullmatch(kind, line)), line) for line in lines]
    assert told == sorted(told, key=str), "the cost first, then steps, then what was written; no bar, no warning"
    assert set(told) == {0, 1, 2, 3, 4}
    assert len(unbroken.out.splitlines()) == 1


def test_its_json_is_the_budget(unbroken: Ran) -> None:
    said_json = json.loads(unbroken.out)
    assert said_json["out"] == str(unbroken.path)
    assert said_json["steps"] == max(line["step"] for line in unbroken.log)
    facts = json.loads((unbroken.path / "run.json").read_text("utf-8"))
    assert facts["budget"] == {key: value for key, value in said_json.items() if key not in {"out", "seconds"}}


def test_the_folder_says_what_was_asked_on_what_and_with_what(unbroken: Ran, place: Place) -> None:
    facts = json.loads((unbroken.path / "run.json").read_text("utf-8"))
    assert facts["versions"].keys() >= {"her", "python", "torch", "transformers", "trl", "peft"}
    assert len(facts["data"]) == 2 and all(re.fullmatch(r"[0-9a-f]{64}", sha) for sha in facts["data"].values())
    assert facts["recipe"]["lora"]["rank"] == 4
    for name in ("curves.png", "curves-layers.png"):
        assert (unbroken.path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    told = (unbroken.path / "README.md").read_text("utf-8")
    assert told.startswith("---\nlibrary_name: peft\n")
    lowest = min(line["eval_loss"] for line in unbroken.log if "eval_loss" in line)
    assert "a LoRA adapter of rank 4" in told
    assert f"{lowest:.3f} nats a token" in told and "roleplay-sft/train-" in told
    weights = hashlib.sha256((place.path / "llama" / "model.safetensors").read_bytes()).hexdigest()
    assert facts["base"]["files"]["model.safetensors"] == weights
    assert f"`model.safetensors`, sha256 `{weights[:16]}" in told
    tokens = facts["budget"]["epochs"] * facts["budget"]["tokens"]
    assert f"| cost | {tokens:,.0f} tokens; " in told


def test_the_recipe_in_the_folder_runs_from_there(place: Place) -> None:
    recipe = place.recipe("told", **ONE_STEP, lora=LORA, data={"languages": ["en"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_train", lambda *_: None)
        sft(recipe, place.path / "deep" / "told", told=lambda line: None, seed=7)
    kept = place.path / "deep" / "told" / "recipe.toml"
    assert load_recipe(kept) == load_recipe(recipe).model_copy(update={"seed": 7})
    assert str(place.path / "samples") not in kept.read_text("utf-8") + kept.with_name("run.json").read_text("utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_train", lambda *_: None)
        assert sft(kept, place.path / "deep" / "told", told=lambda line: None), "it is the same run"


def test_nothing_that_is_left_holds_a_path_of_the_machine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.path)
    run = place.train("anywhere", **ONE_STEP, model="llama", trees_per_step=8, lora=LORA)
    texts = [path for path in run.rglob("*") if path.suffix in {".json", ".jsonl", ".md", ".toml"}]
    texts = [path for path in texts if path.name != "trainer_state.json"]  # transformers' own; a run may be moved
    assert len(texts) > 8
    assert not [path for path in texts if str(place.path) in path.read_text("utf-8")]
    config = json.loads((run / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "llama"
    with quiet():
        PeftModel.from_pretrained(transformers.AutoModelForCausalLM.from_pretrained("llama"), run / "adapter")
    assert Path(base_of(run / "adapter")[0]).resolve() == place.path / "llama"


def test_the_adapter_has_our_template_and_nothing_of_our_attention(unbroken: Ran, place: Place) -> None:
    adapter = unbroken.path / "adapter"
    assert transformers.AutoTokenizer.from_pretrained(adapter).chat_template == chat_template()
    assert not [path for path in adapter.rglob("*.json") if "her_tree" in path.read_text("utf-8")]
    assert all(value.abs().max() > 0 for value in place.weights(unbroken.path).values()), "every matrix has learnt"


def test_exactly_the_last_turn_of_every_row_is_learnt(place: Place) -> None:
    recipe = load_recipe(place.recipe("rows", data={"plans": "both"}))
    ready = prepare(recipe, lambda line: None)
    seen: list[str] = []
    for tree in ready.lessons.trees:
        for row in tree.rows:
            learnt = ready.encoder.tokenizer.decode(row.ids[row.start :])
            assert learnt == ready.lessons.samples[row.id].messages[-1].content + tiny.END
            seen.append(row.id)
    assert sorted(seen) == sorted(ready.lessons.samples), "none is lost, none comes twice"


# -- what a step is -----------------------------------------------------------------------------------------------


def whole_loss(place: Place, name: str) -> float:
    """The mean negative log-likelihood of everything that is learnt, by the plain model, row by row."""
    ready = prepare(load_recipe(place.recipe(name)), lambda line: None)
    model = transformers.AutoModelForCausalLM.from_pretrained(place.path / "llama")
    nats, count = 0.0, 0
    with torch.no_grad():
        for row in (row for tree in ready.lessons.trees for row in tree.rows):
            ids = torch.tensor([row.ids])
            told = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[row.start - 1 :]
            nats, count = nats - float(told.sum()), count + len(told)
    return nats / count


@pytest.mark.parametrize("lora", [None, {"rank": 4}], ids=["all weights", "lora"])
def test_a_step_is_the_same_however_its_trees_are_passed(place: Place, lora: dict[str, Any] | None) -> None:
    """All turns in one step: as trees one by one or together, and as a row for each turn, the same mean over tokens."""
    trees = place.budget("plain", packing="tree").trees
    turns = place.budget("plain", packing="turn").trees
    tuned = {} if lora is None else {"lora": lora}
    steps: dict[str, dict[str, Any]] = {
        "one": {"trees_per_step": trees},
        "two": {"trees_per_step": trees, "trees_per_pass": 2},
        "kept": {"trees_per_step": trees, "gradient_checkpointing": True},
        "turn": {"trees_per_step": turns, "packing": "turn"},
        "turns": {"trees_per_step": turns * 3, "packing": "turn", "trees_per_pass": 3},
    }
    assert trees % 2 == 0 and turns > 2 * trees
    counts = [
        len(tree.targets) for tree in prepare(load_recipe(place.recipe("plain")), lambda line: None).lessons.trees
    ]
    assert max(counts) > 1.2 * min(counts), "a mean of the passes' means would be another number"
    found = {name: place.train(f"{name}-{lora is None}", **ONE_STEP, **how, **tuned) for name, how in steps.items()}
    first = {name: next(line for line in log(run) if "loss" in line) for name, run in found.items()}
    expected = whole_loss(place, "plain")
    weights = place.weights(found["one"])
    before = transformers.AutoModelForCausalLM.from_pretrained(place.path / "llama").state_dict()
    if lora is None:
        assert all((weights[name] - before[name]).abs().max() > 5e-5 for name in weights), "each has moved"
    for name, line in first.items():
        assert line["loss"] == pytest.approx(expected, abs=1e-5)
        assert line["grad_norm"] == pytest.approx(first["one"]["grad_norm"], rel=1e-4)
        for key, value in place.weights(found[name]).items():
            assert (value - weights[key]).abs().max() < 1e-5, f"{name}: {key}"


def test_full_tuning_leaves_a_model(place: Place) -> None:
    run = place.train("full", **FAST | {"epochs": 1.0}, optimiser=RATE)
    assert not (run / "adapter").exists()
    model = transformers.AutoModelForCausalLM.from_pretrained(run / "model")
    assert "her_tree" not in (run / "model" / "config.json").read_text("utf-8")
    assert model.config._attn_implementation == "sdpa"
    assert "all weights tuned" in (run / "README.md").read_text("utf-8")
    assert transformers.AutoTokenizer.from_pretrained(run / "model").chat_template


@pytest.mark.parametrize(("keep", "step"), [("best", 4), ("last", 6)])
def test_the_weights_that_are_kept_are_the_best_or_the_last(
    place: Place, monkeypatch: pytest.MonkeyPatch, keep: str, step: int
) -> None:
    looks = iter([9.0, 5.0, 3.0, 4.0])
    monkeypatch.setattr(HeldOut, "measure", lambda *_: Bits({**Bits().nats, "speech": next(looks)}, tokens=1))
    run = place.train(f"keep-{keep}", **FAST | {"epochs": 1.5}, keep=keep, lora={"rank": 4}, optimiser=RATE)
    assert [line["eval_loss"] for line in log(run) if "eval_loss" in line] == [9, 5, 3, 4]
    kept, other = (load_file(run / "checkpoints" / f"checkpoint-{n}" / ADAPTED) for n in (step, 10 - step))
    found = place.weights(run)
    assert all(torch.equal(found[name], kept[name]) for name in kept)
    assert not any(torch.equal(found[name], other[name]) for name in other)


@dataclass(frozen=True)
class Judged:
    """A run whose look at step 4 was the best, and that was killed after it."""

    recipe: Path
    run: Path

    def finish(self, **looks: float) -> dict[str, torch.Tensor]:
        """Goes on to the end, which is worse, and gives what was kept."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs, "draw", lambda *_: None)
            patch.setattr(HeldOut, "measure", lambda *_: looked(looks.get("at_the_end", 9.0)))
            sft(self.recipe, self.run, told=lambda line: None)
        kept: dict[str, torch.Tensor] = load_file(self.run / "adapter" / ADAPTED)
        return kept

    def checkpoint(self, step: int) -> dict[str, torch.Tensor]:
        saved: dict[str, torch.Tensor] = load_file(self.run / "checkpoints" / f"checkpoint-{step}" / ADAPTED)
        return saved


def looked(loss: float) -> Bits:
    return Bits({**Bits().nats, "speech": loss}, tokens=1)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.fixture
def judged(place: Place, tmp_path: Path) -> Judged:
    looks = iter([9.0, 5.0, 3.0])
    how = {**FAST, "epochs": 2.0, "lora": {"rank": 4}, "optimiser": RATE}
    recipe = place.recipe("judged", **how)

    def stop(watch: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "draw", lambda *_: None)
        patch.setattr(HeldOut, "measure", lambda *_: looked(next(looks)))
        patch.setattr(Watch, "on_save", stop)
        sft(recipe, tmp_path / "judged", told=lambda line: None)
    return Judged(recipe, tmp_path / "judged")


def test_the_best_is_kept_when_a_run_goes_on_from_elsewhere(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written down of the best is a path, and the run's folder is another by now."""
    moved = Judged(judged.recipe, judged.run.rename(tmp_path / "moved"))
    kept = moved.finish()
    assert same(kept, moved.checkpoint(4)) and not same(kept, moved.checkpoint(8))
    again = Judged(judged.recipe, moved.run.rename(tmp_path / "again"))
    assert same(again.finish(), again.checkpoint(4)), "nor is a finished run's result lost"
    assert {path.name for path in (again.run / "checkpoints").glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-8"}
    monkeypatch.chdir(tmp_path)
    assert same(Judged(judged.recipe, Path("again")).finish(), again.checkpoint(4))


def test_a_copy_of_a_run_has_its_own_best(judged: Judged, tmp_path: Path) -> None:
    judged.finish()
    copy = Judged(judged.recipe, Path(shutil.copytree(judged.run, tmp_path / "copy")))
    for path in (judged.run / "checkpoints").glob("*/adapter_model.safetensors"):
        path.write_bytes(b"none of the copy's")
    kept = copy.finish()
    assert same(kept, copy.checkpoint(4))


@pytest.mark.parametrize("lost", ["trainer_state.json", ADAPTED])
@pytest.mark.parametrize("finished", [False, True])
def test_other_weights_do_not_pass_for_the_best(judged: Judged, finished: bool, lost: str) -> None:
    if finished:
        judged.finish()
        (judged.run / "adapter" / ADAPTED).write_bytes(b"what was kept")
    else:
        shutil.copytree(judged.run / "checkpoints/checkpoint-4", judged.run / "checkpoints/checkpoint-5")
    (judged.run / "checkpoints" / "checkpoint-4" / lost).unlink()
    if not finished:  # a checkpoint of a later step, for which 4 is the best
        state = judged.run / "checkpoints" / "checkpoint-5" / "trainer_state.json"
        state.write_text(json.dumps({**json.loads(state.read_text("utf-8")), "global_step": 5}), encoding="utf-8")
    with pytest.raises(InputError, match=r"checkpoint-4 is gone or broken, and has the best weights"):
        judged.finish()
    if finished:
        assert (judged.run / "adapter" / ADAPTED).read_bytes() == b"what was kept"


def test_where_no_look_gave_a_number_nothing_is_the_best(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeldOut, "measure", lambda *_: looked(math.nan))
    with pytest.raises(ModelError, match=r"never a number, so no weights are the best"):
        place.train("astray", **ONE_STEP, trees_per_step=8, lora={"rank": 4})
    assert not (place.path / "astray" / "adapter").exists()


# -- broken off ---------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from her.train.trainer import TreeTrainer
def die(trainer, folder):
    if trainer.state.global_step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    saved(trainer, folder)
saved = TreeTrainer._save_optimizer_and_scheduler
TreeTrainer._save_optimizer_and_scheduler = die
from her.cli import run
run(sys.argv[1:])
"""
"""Dies of SIGKILL while it writes its second checkpoint, of which the weights are there and nothing else."""


def goes_on(place: Place, unbroken: Ran, run: Path, recipe: Path, step: int) -> None:
    """Asserts that the run can be ended now from that step, as if it had never been broken off."""
    told: list[str] = []
    sft(recipe, run, told=told.append)
    assert f"going on from checkpoint-{step}" in told
    assert [line for line in told if line.startswith(f"step {step}/")] == []
    assert len(log(run)) == len(unbroken.log)
    for ours, theirs in zip(log(run), unbroken.log, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours == {key: pytest.approx(value, rel=1e-5, abs=1e-7) for key, value in theirs.items()}
    wanted = place.weights(unbroken.path)
    for name, value in place.weights(run).items():
        assert (value - wanted[name]).abs().max() < 1e-5


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_run_killed_while_it_saves_goes_on_from_the_checkpoint_before(place: Place, unbroken: Ran) -> None:
    recipe, run = place.recipe("killed", **FAST, lora=LORA, optimiser=RATE), place.path / "killed"
    argv = [sys.executable, "-c", KILLED, "train", "sft", str(recipe), "--out", str(run)]
    dead = subprocess.run(argv, capture_output=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    assert {path.name for path in (run / "checkpoints").glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4"}
    assert not (run / "adapter").exists()
    goes_on(place, unbroken, run, recipe, 2)


def test_an_interrupted_run_goes_on_and_one_that_is_done_stays_as_it_is(
    place: Place, unbroken: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(watch: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 4:
            raise KeyboardInterrupt

    recipe, run = place.recipe("stopped", **FAST, lora=LORA, optimiser=RATE), place.path / "stopped"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Watch, "on_save", stop)
        sft(recipe, run, told=lambda line: None)
    goes_on(place, unbroken, run, recipe, 4)
    before = {name: value.clone() for name, value in place.weights(run).items()}
    told: list[str] = []
    sft(recipe, run, told=told.append)
    assert not [line for line in told if "loss" in line], "nothing is learnt twice"
    assert all(torch.equal(before[name], value) for name, value in place.weights(run).items())


def test_a_run_that_ended_within_an_epoch_takes_no_step_more(place: Place) -> None:
    how = {**FAST, "epochs": 1.5, "keep": "last", "lora": {"rank": 4}}
    how["optimiser"] = {**RATE, "schedule": "constant_with_warmup"}
    run = place.train("within", **how)
    before, lines = place.weights(run), log(run)
    place.train("within", **how)
    assert log(run) == lines
    assert same(place.weights(run), before)


def test_a_folder_of_another_run_is_refused(place: Place, unbroken: Ran) -> None:
    before = sorted(path.name for path in unbroken.path.rglob("*"))
    for fields, says in (
        ({"epochs": 4.0}, r"another recipe .*differs in epochs"),
        ({"data": {"plans": "without"}}, "differs in data, files"),
        ({"seed": 1}, "differs in seed"),
    ):
        recipe = place.recipe("another", **{**FAST, "lora": LORA, "optimiser": RATE, **fields})
        with pytest.raises(InputError, match=says):
            sft(recipe, unbroken.path, told=lambda line: None)
    with pytest.raises(InputError, match="differs in seed"):
        sft(place.path / "unbroken.toml", unbroken.path, told=lambda line: None, seed=7)
    with pytest.raises(InputError, match="holds something else"):
        sft(place.path / "unbroken.toml", place.path / "samples", told=lambda line: None)
    with pytest.raises(InputError, match="is a file"):
        sft(place.path / "unbroken.toml", place.path / "unbroken.toml", told=lambda line: None)
    assert sorted(path.name for path in unbroken.path.rglob("*")) == before


def test_another_run_is_refused_before_the_model_is_loaded(
    place: Place, unbroken: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "prepare", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(InputError, match="differs in seed"):
        sft(place.path / "unbroken.toml", unbroken.path, told=lambda line: None, seed=7)


def test_a_run_does_not_go_on_from_another_base(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Path(shutil.copytree(place.path / "llama", place.path / "changing"))
    recipe, run = place.recipe("changed", **ONE_STEP, model=str(base)), place.path / "changed"
    monkeypatch.setattr(runs, "_train", lambda *_: None)
    sft(recipe, run, told=lambda line: None)
    monkeypatch.setattr(runs, "prepare", lambda *_: pytest.fail("the model was loaded"))
    (base / "model.safetensors").write_bytes(b"another")
    with pytest.raises(InputError, match=r"changed: its run began with another base than .*changing is now"):
        sft(recipe, run, told=lambda line: None)


def test_a_base_of_the_hub_stays_in_the_revision_of_the_beginning(place: Place, tmp_path: Path) -> None:
    recipe = load_recipe(place.recipe("hub", model="hf:who/what"))
    folder = TrainFolder(tmp_path)
    assert runs._began_with(folder, recipe) is None
    folder.begin("", {"base": {"model": "hf:who/what", "revision": "0123abc"}}, same="")
    assert runs._began_with(folder, recipe) == "0123abc"


def test_a_folder_that_takes_no_files_is_told_before_the_model_is_loaded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "prepare", lambda *_: pytest.fail("the model was loaded"))
    recipe = place.recipe("homeless")
    with pytest.raises(StorageError, match=r"homeless\.toml takes no files; name another folder"):
        sft(recipe, recipe / "run", told=lambda line: None)


def test_a_beginning_that_was_killed_is_no_other_run(tmp_path: Path) -> None:
    folder = TrainFolder(tmp_path)
    folder.write("recipe.toml", "seed = 0\n")
    (tmp_path / "run.json.part").write_text("{", encoding="utf-8")
    assert not folder.holds("this")
    folder.begin("seed = 0\n", {}, same="this")
    assert folder.holds("this")
    with pytest.raises(InputError, match="another recipe"):
        folder.holds("that")


# -- what is asked ------------------------------------------------------------------------------------------------


def test_a_dry_run_says_the_cost_and_writes_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = place.recipe("dry", **FAST, lora=LORA)
    before = sorted(place.path.rglob("*"))
    monkeypatch.chdir(place.path)
    assert cli.run(["train", "sft", str(recipe), "--out", "nowhere", "--dry-run", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["out"] is None
    assert "tokens a second: about" in told.err and "step " not in told.err
    assert sorted(place.path.rglob("*")) == before


def test_held_out_turns_that_do_not_read_back_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught, "layered", lambda *given: replace(layered(*given), read=given[0].startswith("Ann")))
    monkeypatch.setattr(runs, "draw", lambda *_: None)
    told: list[str] = []
    sft(place.recipe("unread", **ONE_STEP, trees_per_step=8), place.path / "unread", told=told.append)
    assert "11 held-out turns do not read back as they are written: they count in the loss, in no layer" in told


def test_plans_and_languages_choose_the_turns(place: Place) -> None:
    def turns(**data: Any) -> tuple[int, int]:
        budget = place.budget("chosen", data=data)
        return budget.turns, budget.held_out_turns

    planned, plain, both = turns(plans="with"), turns(plans="without"), turns(plans="both")
    assert planned == (22, 11) and plain == (26, 13), "one turn of each scene has no plan"
    assert both == (48, 24)
    assert turns(languages=["zh"]) == (11, 0)
    assert turns(languages=["en", "zh"]) == planned
    with pytest.raises(InputError, match=r"samples: nothing to learn .* of roleplay-sft in fr"):
        turns(languages=["fr"])


def test_without_a_validation_split_nothing_is_held_out(place: Place) -> None:
    for config in ("roleplay-sft", "roleplay-sft-plain"):
        shutil.copytree(place.path / "samples" / config, place.path / "alone" / config, dirs_exist_ok=True)
    for path in (place.path / "alone").rglob("validation-*"):
        path.unlink()
    run = place.path / "unheld"
    sft(place.recipe("unheld", **ONE_STEP, data={"folder": "alone"}), run, told=lambda line: None)
    assert not [line for line in log(run) if "eval_loss" in line]
    assert (run / "curves.png").is_file() and not (run / "curves-layers.png").exists()
    assert "held-out" not in (run / "README.md").read_text("utf-8")


def test_an_empty_split_is_an_error(place: Place) -> None:
    (place.path / "empty").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=r"empty: nothing to learn in the split `train`"):
        place.budget("emptied", data={"folder": "empty"})


@pytest.mark.parametrize("wanted", [200, 1000, 3000])
def test_a_budget_of_learnt_tokens_ends_the_run_near_it(place: Place, wanted: int) -> None:
    budget = place.budget("bounded", epochs=50.0, trees_per_step=2, supervised_tokens=wanted)
    a_step = budget.supervised / math.ceil(budget.trees / 2)
    assert abs(budget.epochs * budget.supervised - wanted) <= max(a_step / 2, a_step - wanted)
    unbounded = place.budget("bounded", epochs=1.0, trees_per_step=2, supervised_tokens=10**9)
    assert unbounded.epochs == 1, "whichever comes first"


def test_the_budget_is_kept(place: Place) -> None:
    run = place.train("kept", **FAST | {"epochs": 50.0}, supervised_tokens=1000)
    steps = json.loads((run / "run.json").read_text("utf-8"))["budget"]["steps"]
    assert 1 < steps == max(line["step"] for line in log(run))


def test_cut_rows_are_told(place: Place) -> None:
    told: list[str] = []
    recipe = place.recipe("cut", window={"tokens": 1050, "reply": 200}, data={"languages": ["en"]})
    budget = sft(recipe, place.path / "cut", told=told.append, dry=True)
    assert 0 < budget.trimmed < budget.turns
    assert f"turns, {budget.trimmed} without their oldest exchanges" in told[0]


def test_a_row_that_cannot_fit_ends_the_run_before_it_begins(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = place.recipe("tight", window={"tokens": 300, "reply": 100})
    assert cli.run(["train", "sft", str(recipe), "--out", str(place.path / "tight")]) == 2
    told = capsys.readouterr().err
    assert re.search(r"(Light|Zh)/\d/1/t\d+/plan: the turn has \d+ tokens .*window of 300", told)
    assert not (place.path / "tight").exists()


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"learning_rate": 1.0}, r"learning_rate: .* \(known: .*optimiser"),
    ({"optimiser": {"learning_rate": 0}}, r"optimiser\.learning_rate: .*greater than 0"),
    ({"optimiser": {"betas": 1}}, r"optimiser\.betas"),
    ({"epochs": -1}, "epochs: .*greater than 0"),
    ({"epochs": "many"}, "epochs: .*number"),
    ({"data": {"folder": "nowhere"}}, r"data\.folder: there is no folder .*nowhere; .*her synth run"),
    ({"data": {"plans": "some"}}, r"data\.plans: .*'with', 'without' or 'both'"),
    ({"window": {"tokens": 100, "reply": 100}}, "cannot keep 100"),
    ({"trees_per_step": 3, "trees_per_pass": 2}, "trees_per_step must be a multiple"),
    ({"evaluate_every": 3, "save_every": 4}, "save_every must be evaluate_every"),
    ({"evaluate_every": 2, "save_every": 4}, "save_every must be evaluate_every"),
    ({"model": "no/such/folder"}, r"model: 'no/such/folder' is no folder with a config\.json; name mini"),
    ({"template": "own"}, "no chat template of its own"),
    ({"attention": "sdpa"}, "attention: .*'tree' or 'flex_attention'"),
    ({"lora": {"rank": 0}}, r"lora\.rank"),
]


@pytest.mark.parametrize(("fields", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_faults_of_a_recipe_are_named(place: Place, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(HerError, match=says):
        place.budget("faulty", **fields)


def test_a_recipe_that_is_none_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "sft", str(place.path / "none.toml"), "--out", "x"]) == 2
    assert "none.toml: no such recipe" in capsys.readouterr().err
    (place.path / "broken.toml").write_text("model = ", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.toml: is not TOML"):
        load_recipe(place.path / "broken.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(place.path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gradients_that_torch_has_on_a_gpu_alone_are_not_asked_of_a_cpu(place: Place) -> None:
    with pytest.raises(InputError, match="on a GPU alone"):
        place.budget("flex", attention="flex_attention")


def test_several_gpus_are_for_several_processes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=r"CUDA_VISIBLE_DEVICES=0, or .*accelerate launch -m her"):
        place.budget("gpus")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_on_which_trees_deviate_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    measured: list[Any] = []

    def wrong(model: Any, trees: Any, attention: Any) -> float:
        measured.append(trees)
        return 0.5

    monkeypatch.setattr(runs, "deviation", wrong)
    with pytest.raises(InputError, match=r"differ by 0\.5 nats .*take another model"):
        place.budget("odd", trees_per_pass=2, trees_per_step=2, precision=precision, lora={"rank": 4})
    assert len(measured[0]) == 2, "as many in a row as the run will pack"


def test_trees_are_checked_in_float32_whatever_the_weights_are(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 rounding alone is some tenths of a nat, and as much as a fault."""
    told: list[float] = []

    def check(model: Any, *rest: Any) -> float:
        before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        assert {weight.dtype for weight in before.values()} == {torch.bfloat16}
        told.append(deviation(model, *rest))
        for name, weight in model.named_parameters():
            assert weight.dtype == torch.bfloat16 and torch.equal(weight, before[name])
        return told[-1]

    monkeypatch.setattr(runs, "deviation", check)
    place.budget("narrow", precision="bfloat16", lora={"rank": 4})
    assert 0 < told[0] < 1e-4


@pytest.mark.parametrize("kept", [True, False], ids=["activations kept", "computed twice"])
def test_speed_is_measured_on_what_the_run_does(place: Place, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    passes: list[tuple[int, int, bool, bool]] = []

    def measured(model: Any, trees: Any, attention: Any) -> torch.Tensor:
        learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        passes.append((len(trees), learning, torch.is_autocast_enabled("cpu"), model.is_activation_checkpointing))
        return log_probs(model, trees, attention)

    monkeypatch.setattr(runs, "log_probs", measured)
    how = {"trees_per_pass": 2, "trees_per_step": 2, "precision": "bfloat16", "gradient_checkpointing": not kept}
    recipe = load_recipe(place.recipe("paced", **how, lora={"rank": 4}))
    with quiet():
        ready = prepare(recipe, lambda line: None)
    adapter = sum(weight.numel() for name, weight in ready.model.named_parameters() if "lora_" in name)
    assert passes == [(2, adapter, True, not kept)] * 3
    assert ready.budget.tokens_per_second > 0


def test_weights_that_learn_in_half_precision_are_kept_whole(place: Place) -> None:
    """AdamW's steps of 1e-5 are lost on numbers of a tenth that have eight bits."""
    small = {"learning_rate": 1e-5, "warmup": 0.0}
    run = place.train("half-full", **ONE_STEP | {"optimiser": small}, trees_per_step=8, precision="bfloat16")
    before = load_file(place.path / "llama" / "model.safetensors")
    for name, value in load_file(run / "model" / "model.safetensors").items():
        assert value.dtype == torch.float32
        assert ((value - before[name]).abs() > 1e-6).float().mean() > (0.5 if "embed" not in name else 0.1), name


def test_a_base_without_gguf_adapters_is_refused_before_it_is_loaded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "gguf_of", lambda _: place.path / "base.gguf")
    monkeypatch.setattr(runs, "_load", lambda *_: pytest.fail("the model was loaded"))
    monkeypatch.setattr(gguf_adapter, "INTERLEAVED", {"qwen3": False})
    with pytest.raises(InputError, match="adapters can be written for qwen3"):
        place.budget("unwritten", lora={"rank": 4})


def test_a_base_that_is_broken_is_an_error(place: Place) -> None:
    shutil.copytree(place.path / "llama", place.path / "torn")
    (place.path / "torn" / "model.safetensors").write_bytes(b"{")
    with pytest.raises((ModelError, InputError), match="torn"):
        place.budget("torn-run", model=str(place.path / "torn"))


def test_half_precision_comes_close(place: Place) -> None:
    run = place.train("half", **ONE_STEP, trees_per_step=8, precision="bfloat16", lora={"rank": 4})
    assert log(run)[1]["loss"] == pytest.approx(whole_loss(place, "plain"), rel=0.01)


def test_nobody_is_told_of_a_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL sends a word to its makers with every trainer; see `trl.trainer.base_trainer`."""
    from trl.trainer import SFTTrainer, base_trainer

    def tells(**_: Any) -> None:
        raise AssertionError("somebody was told")

    for name in ("CI", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", tells)
    place.train("private", **ONE_STEP, trees_per_step=8)
    monkeypatch.setattr(TreeTrainer, "_send_telemetry", SFTTrainer._send_telemetry)
    with pytest.raises(AssertionError, match="somebody was told"):
        place.train("public", **ONE_STEP, trees_per_step=8)


# -- export -------------------------------------------------------------------------------------------------------


def logits(model: Any) -> torch.Tensor:
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        told: torch.Tensor = model.eval()(input_ids=ids).logits
    return told


def test_an_export_says_what_base_and_adapter_say(unbroken: Ran, place: Place) -> None:
    target = place.path / "exported"
    assert cli.run(["train", "export", str(unbroken.path), str(target)]) == 0
    base = transformers.AutoModelForCausalLM.from_pretrained(place.path / "llama")
    bare = logits(base)
    with quiet():
        adapted = logits(PeftModel.from_pretrained(base, unbroken.path / "adapter"))
    told = logits(transformers.AutoModelForCausalLM.from_pretrained(target))
    assert (told - adapted).abs().max() < 1e-4
    assert (told - bare).abs().max() > 0.1
    assert transformers.AutoTokenizer.from_pretrained(target).chat_template
    assert (target / "README.md").read_text("utf-8") == (unbroken.path / "README.md").read_text("utf-8")
    with pytest.raises(InputError, match="is not empty"):
        merge(unbroken.path, target)
    with pytest.raises(InputError, match=r"README\.md is a file; name a new folder"):
        merge(unbroken.path, target / "README.md")


def test_an_adapter_is_not_merged_into_another_base_nor_a_torn_one_at_all(
    unbroken: Ran, place: Place, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(unbroken.path, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    (run / "adapter" / ADAPTED).write_bytes(b"{")
    with pytest.raises(ModelError, match="run cannot be loaded"):
        merge(run, tmp_path / "merged")
    other = Path(shutil.copytree(place.path / "llama", tmp_path / "llama"))
    (other / "model.safetensors").write_bytes(b"another")
    facts = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**facts, "model": str(other)}), encoding="utf-8")
    with pytest.raises(InputError, match="made for another llama than"):
        merge(run, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_export_needs_no_card(unbroken: Ran, tmp_path: Path) -> None:
    shutil.copytree(unbroken.path, tmp_path / "unbroken", ignore=shutil.ignore_patterns("README.md", "checkpoints"))
    merge(tmp_path / "unbroken", tmp_path / "merged")
    assert (tmp_path / "merged" / "README.md").read_text("utf-8") == (unbroken.path / "README.md").read_text("utf-8")


def test_a_run_that_wrote_down_a_path_is_read(unbroken: Ran, tmp_path: Path) -> None:
    """As runs of the first days did."""
    run = Path(shutil.copytree(unbroken.path, tmp_path / "unbroken"))
    facts = json.loads((run / "run.json").read_text("utf-8"))
    (run / "run.json").write_text(json.dumps({**facts, "base": "/nowhere/hf-base"}), encoding="utf-8")
    assert "a LoRA adapter of rank 4" in card(TrainFolder(run))
    assert merge(run, tmp_path / "merged")
    (run / "adapter" / "base.json").unlink()
    assert base_of(run / "adapter") == (facts["model"], None)
    (run / "run.json").unlink()
    (run / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "/nowhere/base"}', "utf-8")
    with pytest.raises(InputError, match="made for '/nowhere/base', which is not here"):
        base_of(run / "adapter")


def test_what_has_no_result_is_not_exported(unbroken: Ran, place: Place, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        merge(place.path / "samples", tmp_path / "x")
    shutil.copytree(unbroken.path, tmp_path / "half", ignore=shutil.ignore_patterns("adapter"))
    with pytest.raises(InputError, match=r"has no adapter yet; finish the run"):
        merge(tmp_path / "half", tmp_path / "x")
    assert not (tmp_path / "x").exists()


# -- several processes, a real base -------------------------------------------------------------------------------


@pytest.mark.long
def test_two_processes_take_the_step_that_one_takes(place: Place) -> None:
    trees = place.budget("plain").trees
    recipe = place.recipe("ranks", **ONE_STEP | {"epochs": 2.0}, trees_per_step=trees)
    argv = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "her", "train", "sft"]
    two = subprocess.run(
        [*argv, str(recipe), "--out", str(place.path / "ranks"), "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert two.returncode == 0, two.stderr
    assert two.stderr.count("more held out") == 1, "one of them speaks"
    assert json.loads(two.stdout)["ranks"] == 2
    one = place.train("rank", **ONE_STEP | {"epochs": 2.0}, trees_per_step=trees)
    for ours, theirs in zip(log(place.path / "ranks"), log(one), strict=True):
        assert ours == {key: pytest.approx(value, rel=1e-5) for key, value in theirs.items()}
    wanted = place.weights(one)
    for name, value in place.weights(place.path / "ranks").items():
        assert (value - wanted[name]).abs().max() < 1e-5
    with pytest.raises(InputError, match="cannot be shared by 2 processes"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        place.budget("odd-ranks", trees_per_step=3)


@pytest.mark.long
@pytest.mark.model
def test_on_the_bundled_model_an_adapter_for_the_engine_is_left(place: Place) -> None:
    from her.models.adapter import read_adapter
    from her.models.address import open_model
    from her.models.weights import GGUF_SHA256

    run = place.train("mini", model="mini-base", **ONE_STEP, supervised_tokens=1, lora={"rank": 2})
    said = read_adapter(run / "adapter.gguf")
    assert said is not None
    assert (said.name, said.licence, said.base_sha256) == ("HER mini", "apache-2.0", GGUF_SHA256)
    assert base_of(run / "adapter") == ("mini-base", None)
    assert open_model(str(run / "adapter.gguf")).address
