"""Stored judge output scored again: the golden case, and every way in which a file can be strange."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from coser_cases import stored
from her.bench.coser.dimensions import AVERAGE, DIMENSIONS
from her.bench.coser.rescore import Rescored, RescoreOptions, rescore
from her.bench.figures import Unscored, Why
from her.errors import InputError

TITLES = [one.title for one in DIMENSIONS]
NAMES = [one.name for one in DIMENSIONS]
ROLES = ["Ann", "NSP", "Environment", "Bo", "NSP", "Ann"]


def scored(tmp_path: Path, data: Any, **options: Any) -> Rescored:
    path = tmp_path / "evaluation.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return rescore(path, RescoreOptions(**options))


def one(tmp_path: Path, flaws: Any, roles: list[str] | None = None, **options: Any) -> Any:
    """The value of the first dimension, or why there is none, for these severities."""
    data = stored({"B-0-0": (ROLES if roles is None else roles, {title: flaws for title in TITLES})})
    value = scored(tmp_path, data, **options).cases[0].values[NAMES[0]]
    return value.why if isinstance(value, Unscored) else value


def golden() -> dict[str, Any]:
    folder = os.environ.get("HER_DATA")
    path = Path(folder or "") / "coser" / "golden_scores.json"
    if not folder or not path.is_file():
        pytest.skip("HER_DATA names no folder with coser/golden_scores.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_golden_case_comes_out_exactly(tmp_path: Path) -> None:
    known = golden()
    data = stored({id: (case["roles"], case["severities"]) for id, case in known["cases"].items()})
    for id, case in known["cases"].items():
        theirs = case["expected"]
        data["cases"][id]["score"] = theirs["score"]
        critique = data["cases"][id]["critique"]
        critique |= {"bleu": theirs["bleu"], "rouge_l": theirs["rouge_l"]}
        for title in TITLES:
            critique[title]["score"] = theirs[title]
    found = scored(tmp_path, {**data, "scores": known["scores"]})
    assert found.differs == () and found.unscored == 0
    for case in found.cases:
        expected = known["cases"][case.id]
        assert case.turns == expected["actor_turns"]
        for name, key in zip([*NAMES, AVERAGE, "bleu", "rouge-l"], [*TITLES, "score", "bleu", "rouge_l"], strict=True):
            assert case.values[name] == pytest.approx(expected["expected"][key], abs=known["tolerance"])
    for name, key in zip([*NAMES, AVERAGE, "bleu", "rouge-l"], [*TITLES, "avg", "bleu", "rouge_l"], strict=True):
        assert found.means[name] == pytest.approx(known["scores"][key], abs=known["tolerance"])


def test_three_turns_and_ten_degrees(tmp_path: Path) -> None:
    assert one(tmp_path, [4, 3, 3]) == 100 - 50 + 4.5


def test_empty_flaws_meet_the_cap_or_pass_it(tmp_path: Path) -> None:
    assert one(tmp_path, []) == 100.0
    assert one(tmp_path, [], upper_cap=None) == 104.5


def test_the_floor_is_0(tmp_path: Path) -> None:
    assert one(tmp_path, [5] * 9) == 0.0


@pytest.mark.parametrize(
    ("severity", "coser", "her"),
    [(None, 1, 0), ("3", 0, 0), (2.5, 0, 2.5), (3.0, 0, 3.0), (10, 10, 10), (True, 1, 1), ([4], 0, 0)],
)
def test_each_preset_has_its_rule_for_strange_severities(
    tmp_path: Path, severity: Any, coser: float, her: float
) -> None:
    assert one(tmp_path, [2, severity]) == 100 - 5 * (2 + coser) + 4.5
    assert one(tmp_path, [2, severity], severity="her") == 100 - 5 * (2 + her) + 4.5
    assert one(tmp_path, [2, severity], severity="strict") is Why.UNREADABLE


def test_a_missing_severity_is_one_degree_in_the_release(tmp_path: Path) -> None:
    data = stored({"B-0-0": (ROLES, {title: [] for title in TITLES})})
    data["cases"]["B-0-0"]["critique"][TITLES[0]]["flaws"] = [{"instance": "x"}]
    assert scored(tmp_path, data).cases[0].values[NAMES[0]] == 99.5
    assert scored(tmp_path, data, severity="her").cases[0].values[NAMES[0]] == 100.0


def test_no_judge_is_no_score_and_leaves_the_others_alone(tmp_path: Path) -> None:
    data = stored({"A-0-0": (ROLES, {title: [1] for title in TITLES}), "B-0-0": (ROLES, {}), "C-0-0": (ROLES, {})})
    del data["cases"]["C-0-0"]["critique"]
    found = scored(tmp_path, data)
    reasons = [value.why for case in found.cases[1:] for value in case.values.values() if isinstance(value, Unscored)]
    assert found.unscored == 2 and set(reasons) == {Why.NO_JUDGE, Why.ABSENT}
    assert found.means[AVERAGE] == 99.5


@pytest.mark.parametrize(
    "said",
    ['{"flaws": [{"severity": 3', "nothing here", {"flaws": None}, {"flaws": ["x"]}, {}, None, 3, {"flaws": {"a": 1}}],
)
def test_half_an_answer_is_unreadable(tmp_path: Path, said: Any) -> None:
    data = stored({"B-0-0": (ROLES, {title: [1] for title in TITLES})})
    data["cases"]["B-0-0"]["critique"][TITLES[1]] = said
    found = scored(tmp_path, data).cases[0].values
    assert isinstance(found[NAMES[1]], Unscored) and found[NAMES[1]].why is Why.UNREADABLE
    assert isinstance(found[AVERAGE], Unscored) and found[NAMES[0]] == 99.5


def test_an_answer_that_is_stored_as_text_is_read(tmp_path: Path) -> None:
    data = stored({"B-0-0": (ROLES, {title: [1] for title in TITLES})})
    data["cases"]["B-0-0"]["critique"][TITLES[0]] = (
        '```json\n{"Storyline Consistency": {"flaws": [{"severity": 4}]}}\n```'
    )
    assert scored(tmp_path, data).cases[0].values[NAMES[0]] == 84.5


@pytest.mark.parametrize("turns", [None, "text", [{"content": "x"}], ["x"]])
def test_without_its_turns_a_case_has_no_score(tmp_path: Path, turns: Any) -> None:
    data = stored({"B-0-0": (ROLES, {title: [1] for title in TITLES})})
    data["cases"]["B-0-0"]["simulation"] = turns
    assert scored(tmp_path, data).unscored == 1


@pytest.mark.parametrize("text", ['{"cases": {"a": {"simul', "", "[]", '{"cases": []}', "{}", "\ufeff{}"])
def test_half_a_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"evaluation\.json"):
        scored(tmp_path, text)
    with pytest.raises(InputError, match=r"not-there\.json"):
        rescore(tmp_path / "not-there.json")


def test_where_the_file_says_otherwise_is_told(tmp_path: Path) -> None:
    data = stored({"B-0-0": (ROLES, {title: [1] for title in TITLES})}, scores={"avg": 50.0, TITLES[0]: 99.5})
    data["cases"]["B-0-0"] |= {"score": 99.5}
    data["cases"]["B-0-0"]["critique"][TITLES[3]]["score"] = 100.0
    told = scored(tmp_path, data)
    assert [(one.place, one.figure, one.stored, one.computed) for one in told.differs] == [
        ("B-0-0", "storyline-quality", 100.0, 99.5),
        ("all", AVERAGE, 50.0, 99.5),
    ]
    assert json.loads(json.dumps(told.to_json()))["cases"]["B-0-0"][AVERAGE] == 99.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["flaws", "severity"]), inner),
    max_leaves=12,
)


@given(critique=st.dictionaries(st.sampled_from([*TITLES, "bleu", "score"]), JSON) | JSON, simulation=JSON)
def test_any_content_is_read_or_unscored(tmp_path_factory: Any, critique: Any, simulation: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    for rule in ("coser", "her", "strict"):
        data = {"cases": {"x": {"critique": critique, "simulation": simulation}}}
        for value in scored(folder, data, severity=rule).cases[0].values.values():
            assert isinstance(value, Unscored) or value == value  # noqa: PLR0124 (no NaN)
