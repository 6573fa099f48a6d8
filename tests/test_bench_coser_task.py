"""CoSER through Inspect: what a log holds, who plays, and that nothing missing becomes a number."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai import eval
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score

from coser_cases import ODD, answer, raw
from her.bench.coser.dimensions import AVERAGE, DIMENSIONS, FIGURES
from her.bench.coser.presets import COSER, HER
from her.bench.coser.simulate import How
from her.bench.coser.task import coser, sheet
from her.errors import InputError
from her.models.base import Message, Model
from her.models.recorded import Scripted
from her.turn import ENVIRONMENT, Kind

DIMS = [one.name for one in DIMENSIONS]


@pytest.fixture(autouse=True)
def own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "answers"))


@pytest.fixture
def cases(tmp_path: Path) -> str:
    path = tmp_path / "set.json"
    path.write_text(json.dumps([raw(), *ODD]), encoding="utf-8")
    return str(path)


def actor(line: str, address: str = "actor") -> Scripted:
    return Scripted(
        lambda messages, prefill: f"wait.</system_thinking>{line}" if "<" in prefill else line, address=address
    )


def one_for_all(messages: Sequence[Message], prefill: str) -> str:
    """A judge that finds one slight flaw, and also the world and the chooser."""
    asked = messages[-1].content
    for at, one in enumerate(DIMENSIONS):
        if f'"{one.types[0]}"' in asked:
            return answer(1, at=at)
    if prefill:
        return "Rain."
    last = asked.splitlines()[-1].replace("可选：", "Allowed: ").partition("Allowed: ")[2]
    return json.dumps({"next": json.loads(f"[{last}]")[0]})


def played(path: str, tmp_path: Path, *, judge: Model | None = None, who: Model | None = None, **given: Any) -> EvalLog:
    roles = {"actor": who or actor("So be it.")}
    roles |= {"judge": judge} if judge else {}
    models = {name: get_model(f"her/{one.address}", opened=one, memoize=False) for name, one in roles.items()}
    task = coser(path, **{"rounds": 5, **given})
    (log,) = eval(
        task,
        model=models["actor"],
        model_roles=models,
        log_dir=str(tmp_path / "logs"),
        display="none",
        fail_on_error=True,
    )
    assert log.status == "success", log.error
    return log


def scores(sample: EvalSample) -> tuple[dict[str, float], dict[str, Any]]:
    (found,) = (sample.scores or {}).values()
    assert isinstance(found, Score) and isinstance(found.value, dict)
    return dict(found.value), found.metadata or {}  # type: ignore[arg-type]


def test_a_log_holds_the_preset_point_by_point_both_layers_and_every_figure(cases: str, tmp_path: Path) -> None:
    log = played(cases, tmp_path, judge=Scripted(one_for_all, address="judge"))
    told = (log.eval.metadata or {})["her"]
    assert (told["benchmark"], told["preset"], list(told["judges"])) == ("coser", "her", ["judge"])
    for name, value in HER.settings().items():
        wanted = 5 if name == "rounds" else list(value) if isinstance(value, tuple) else value
        got = told["settings"][name]
        assert (list(got) if isinstance(got, list | tuple) else got) == wanted, name
    assert len(log.samples or []) == 4
    for sample in log.samples or []:
        values, more = scores(sample)
        assert set(values) == {one.name for one in FIGURES}
        n = values["turns"]
        assert 0 < n <= 5 and all(values[name] == min(100.0, 95 + 1.5 * n) for name in [*DIMS, AVERAGE])
        assert (values["empty"], values["fallbacks"]) == (0.0, 0.0)
        assert math.isnan(values["bleu"]) == ("bleu" in more["unscored"])
        assert more["cluster"] == sample.metadata["book"]
        assert len(more["dialogue"]) == 5 and len(more["curve"]["words"]) == n
        assert set(more["flaws"]) == set(DIMS)
        shown = [message.text for message in sample.messages]
        assert "{wait.}" in "".join(shown) and len(shown) == 6
        assert more["dialogue"][0]["segments"][0] == [Kind.SYSTEM_THINKING.value, "wait."]


def test_no_judge_is_no_score_though_the_scene_is_played(cases: str, tmp_path: Path) -> None:
    log = played(cases, tmp_path, cases=1, preset="coser")
    (sample,) = log.samples or []
    values, more = scores(sample)
    assert all(math.isnan(values[name]) for name in [*DIMS, AVERAGE])
    assert {more["unscored"][name]["why"] for name in DIMS} == {"no-judge"}
    assert values["fallbacks"] == 4.0  # the actor chooses, and cannot
    assert values["turns"] == sum(turn["speaker"] != ENVIRONMENT for turn in more["dialogue"]) > 0


def test_a_second_actor_never_gets_the_first_ones_dialogues(cases: str, tmp_path: Path) -> None:
    judge = Scripted(one_for_all, address="judge")
    texts = []
    for name in ("one", "two", "one"):
        log = played(cases, tmp_path, judge=judge, who=actor(f"I am {name}.", name), cases=2)
        texts.append([turn["text"] for sample in log.samples or [] for turn in scores(sample)[1]["dialogue"]])
    assert texts[0] == texts[2] != texts[1]
    assert not any("I am one." in text for text in texts[1])


def test_a_run_that_is_repeated_asks_nothing_twice(cases: str, tmp_path: Path) -> None:
    judge, who = Scripted(one_for_all, address="judge"), actor("So be it.")
    played(cases, tmp_path, judge=judge, who=who)
    asked = len(judge.calls) + len(who.calls)
    played(cases, tmp_path, judge=judge, who=who)
    assert len(judge.calls) + len(who.calls) == asked > 0


def test_given_turns_and_both_presets_are_told(cases: str, tmp_path: Path) -> None:
    log = played(
        cases, tmp_path, judge=Scripted(one_for_all, address="judge"), preset="coser", continue_from=2, cases=1
    )
    (sample,) = log.samples or []
    values, more = scores(sample)
    assert [one["given"] for one in more["dialogue"]] == [True, True, False, False, False]
    assert (log.eval.metadata or {})["her"]["settings"]["continue_from"] == 2
    assert values[AVERAGE] == 95 + 1.5 * values["turns"]


def test_the_sheet_tells_the_two_presets_apart_and_every_deviation() -> None:
    mine, theirs = (sheet(How(kind)).settings for kind in (HER, COSER))
    differ = {name for name in mine if mine[name] != theirs[name]}
    assert differ >= {"words", "temperature", "tokens", "thoughts_to_judge", "upper_cap", "judge_tokens", "style"}
    assert all(len(one["deviations"]) > 5 and one["unreadable_judge"] == "unscored" for one in (mine, theirs))
    json.dumps([mine, theirs])


@pytest.mark.parametrize(
    "given", [{"rounds": -1}, {"cases": -2}, {"continue_from": True}, {"preset": "x"}, {"path": ""}]
)
def test_what_cannot_be_is_refused_before_anything_is_asked(cases: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        coser(**{"path": cases, **given})
