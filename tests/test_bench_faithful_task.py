"""The faithfulness of the layers as Inspect runs it: figures, reasons, seeds and what the viewer is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")
pytest.importorskip("pyarrow", reason="needs the synth extra")

from inspect_ai import eval
from inspect_ai.log import EvalLog
from inspect_ai.model import get_model

from her.bench.faithful import binding, replay
from her.bench.faithful.controls import Deaf, Obedient
from her.bench.faithful.task import as_json, faithful, from_json, sampling_for
from her.bench.faithful.turns import held_out
from her.bench.figures import KEY, Unscored, Why
from her.errors import InputError
from her.models.base import Message, Model
from her.models.recorded import Scripted
from sampled import PLAN, SPEECH, THOUGHT, made, said, small

PLANS = (
    "He has lost the {word}. She asks for the money, because it is old.",
    "Nothing comes. Only now she begins to sing.",
)
THOUGHTS = ("I will have that {word} of the man.", "Somebody is coming; they must not see.")


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "answers"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight books of two scenes, in each of which Ann speaks once with both layers."""
    rows = []
    for number, word in enumerate(("bread", "wine", "salt", "lamp", "coat", "ring", "boat", "rope")):
        for place in (0, 1):
            ann = said(
                "t01",
                "Ann",
                (PLAN, PLANS[place].format(word=word)),
                (THOUGHT, THOUGHTS[place].format(word=word)),
                (SPEECH, f"Give me the {word} now, Bob, I have waited {number} years for it and {place} days."),
            )
            bob = said("t02", "Bob", (PLAN, "He stays."), (SPEECH, f"No {word} for you, {number}, not today nor ever."))
            rows.append(
                small(
                    f"{'abcdefgh'[number]}/{place}/1",
                    ann,
                    bob,
                    book=f"Book {'ABCDEFGH'[number]}",
                    setting=f"Room {place}.",
                )
            )
    return made(rows, tmp_path_factory.mktemp("faithful"), shares={"sft": 1.0})[1]


def run(
    model: Model, tmp_path: Path, data: Path, *, epochs: int = 1, roles: dict[str, Any] | None = None, **options: Any
) -> EvalLog:
    task = faithful(str(data), "train", **options)
    opened = get_model(f"her/{model.address}", opened=model, memoize=False)
    return eval(task, model=opened, log_dir=str(tmp_path), display="none", epochs=epochs, model_roles=roles)[0]


def shown(log: EvalLog) -> dict[str, dict[str, float]]:
    assert log.status == "success", log.error
    assert log.results is not None
    return {
        one.name: {
            "unscored": one.unscored_samples or 0,
            **{name: float(metric.value) for name, metric in one.metrics.items()},
        }
        for one in log.results.scores
    }


def test_an_obedient_model_is_told_from_a_deaf_one(tmp_path: Path, data: Path) -> None:
    high = shown(run(Obedient(held_out(data, "train")), tmp_path / "o", data))
    none = shown(run(Deaf(), tmp_path / "d", data))
    names = {figure.name for figure in (*binding.FIGURES, *replay.FIGURES)}
    assert high.keys() == none.keys() == names
    for name in ("plan_none", "thought_none", "plan_other", "thought_other", "plan_effect", "thought_effect"):
        assert high[name]["mean"] > 0.05
        assert none[name]["mean"] == 0
    assert high["thought_effect"]["low"] > 0


def test_the_viewer_is_shown_the_author_and_each_version_with_both_layers(tmp_path: Path, data: Path) -> None:
    log = run(Deaf(), tmp_path, data, limit=1)
    (sample,) = log.samples or []
    told = sample.metadata["dialogue"]
    versions = [f"{layer}/{version}" for layer in ("plan", "thought") for version in replay.VERSIONS]
    assert [one["id"] for one in told] == ["author", *versions]
    assert {one["speaker"] for one in told} == {"Ann"}
    texts = {one["id"]: one["text"] for one in told}
    assert "<system_thinking>" in texts["author"]
    assert "<role_thinking>" in texts["author"]
    for layer in ("plan", "thought"):
        assert len({texts[f"{layer}/{version}"] for version in replay.VERSIONS}) == 3
    assert len(sample.messages) == 1 + len(told)
    (scored,) = (sample.scores or {}).values()
    assert (scored.metadata or {})["cluster"].startswith("book-")
    assert (scored.metadata or {})["layers"]["thought, turned"][0] in texts["thought/turned"]


def test_what_a_backend_cannot_weigh_is_counted_and_no_number(tmp_path: Path, data: Path) -> None:
    figures = shown(run(Scripted(lambda *_: "As you like."), tmp_path, data, limit=3))
    assert figures["thought_other"]["unscored"] == 3
    assert math.isnan(figures["thought_other"]["mean"])
    assert figures["thought_effect"]["unscored"] == 0
    assert figures["thought_effect"]["mean"] == 0
    assert figures["thought_shift"]["unscored"] == 3


def test_nothing_is_written_anew_where_that_is_not_wanted(tmp_path: Path, data: Path) -> None:
    silent = Deaf()
    figures = shown(run(silent, tmp_path, data, limit=2, generate=False))
    assert figures.keys() == {figure.name for figure in binding.FIGURES}


class Seeds(Deaf):
    """Keeps the seeds that it is given."""

    def __init__(self) -> None:
        self.seeds: list[int | None] = []

    async def stream(self, messages: Sequence[Message], sampling: Any, **more: Any) -> Any:
        self.seeds.append(sampling.seed)
        async for piece in super().stream(messages, sampling, **more):
            yield piece


def test_all_versions_of_a_turn_share_a_seed_that_each_epoch_has_anew(tmp_path: Path, data: Path) -> None:
    model = Seeds()
    run(model, tmp_path / "1", data, limit=1, epochs=2)
    assert len(set(model.seeds)) == 2
    again = Seeds()
    run(again, tmp_path / "2", data, limit=1, epochs=2, seed=1)
    assert not set(again.seeds) & set(model.seeds)


def test_a_run_without_a_data_set_says_how_to_name_one() -> None:
    with pytest.raises(InputError, match="-T data=FOLDER"):
        faithful()


def test_the_sheet_says_what_the_numbers_hang_on(data: Path) -> None:
    task = faithful(str(data), "train", limit=4)
    sheet = (task.metadata or {})[KEY]
    assert len(task.dataset) == 4
    # Of fewer turns or more, the numbers are still of one kind.
    assert sheet["settings"] == (faithful(str(data), "train").metadata or {})[KEY]["settings"]
    assert sheet["settings"]["edits"] == "by rule, sizes within 20%"
    assert sheet["preset"] == "rules"
    assert sheet["settings"]["generate"] is True
    assert [one["name"] for one in sheet["figures"] if one["headline"]] == [
        "plan_other", "thought_other", "plan_effect", "thought_effect",
    ]  # fmt: skip


def test_an_actor_writes_as_suits_its_model_and_with_the_seed() -> None:
    assert sampling_for("mini", 3).temperature == 0.3
    assert sampling_for("http://host/v1", 3).temperature == 0.7
    assert sampling_for("http://host/v1", 3).seed == 3


def swaps(messages: Sequence[Message], prefill: str) -> str:
    """An editor that denies or rewords by one word in front."""
    asked = messages[-1].content
    text = asked.split("The text:\n")[1].split("\n\n")[0]
    return json.dumps({"text": f"{'Perhaps' if 'other words' in asked else 'Hardly'} {text}"})


def test_a_model_that_was_named_edits_and_the_actor_never_does(tmp_path: Path, data: Path) -> None:
    user = get_model("her/editor", opened=Scripted(swaps), memoize=False)
    log = run(Deaf(), tmp_path, data, limit=2, edits="model", roles={"user": user})
    assert shown(log)["plan_turned"]["unscored"] == 0
    for sample in log.samples or []:
        assert sample.metadata["held"]["edited"]["thought"]["turned"][0].startswith("Hardly ")
        assert "<role_thinking>Perhaps " in sample.metadata["dialogue"][-1]["text"]
    log = run(Deaf(), tmp_path / "alone", data, limit=1, edits="model", roles={"actor": user})
    assert log.status == "error"
    assert log.error is not None
    assert "--user" in log.error.message


def test_an_editor_that_is_none_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="'rules'"):
        faithful(str(data), "train", edits="poet")


def test_figures_survive_a_log() -> None:
    values = {"a": 0.25, "b": Unscored(Why.EMPTY, "nothing")}
    assert from_json(as_json(values)) == values
