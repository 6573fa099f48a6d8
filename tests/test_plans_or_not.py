"""Plans or not: what is measured anew, and the table with its intervals."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from her.cli import run
from her.train.lessons import data_hashes, fingerprint
from her.train.measure.figures import LAYOUT_FIGURES, Observation, estimates
from her.train.measure.measure import TURNS, MeasureOptions, measured
from her.train.measure.rates import Part
from her.train.measure.table import NONE
from her.train.recipe import load_recipe
from her.train.run_folder import GGUF, TrainFolder

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import plans_or_not
from plans_or_not import NO_PLANS, PLANS, cell, less, mean, spread, table, trained


def seen(*parts: float, name: str = "valid") -> list[Observation]:
    """A turn in each scene, with this part of one."""
    return [
        Observation(turn=f"{n}/1", scene=str(n), layout="speech" if part else "plan", figures={name: Part(part, 1)})
        for n, part in enumerate(parts)
    ]


def drawn(rng: random.Random, at: Callable[[int], float], turns: int = 8) -> list[Observation]:
    """Twelve scenes, with a share of their own each."""
    return [
        Observation(turn=f"{n}/{k}", scene=str(n), figures={"valid": Part(float(rng.random() < at(n)), 1)})
        for n in range(12)
        for k in range(turns)
    ]


# -- the table ---------------------------------------------------------------------------------------------------


def test_a_cell_is_the_mean_of_its_runs_with_an_interval_by_scenes_and_their_range() -> None:
    runs = [seen(*(float(n % k == 0) for n in range(12))) for k in (2, 3, 6)]
    value, ends = mean("valid", runs), spread("valid", runs)
    assert value == pytest.approx((1 / 2 + 1 / 3 + 1 / 6) / 3)
    assert value is not None and ends is not None and ends[0] < value < ends[1]
    assert cell("valid", runs) == f"33.3 ({100 * ends[0]:.1f} … {100 * ends[1]:.1f}; runs 16.7 to 50.0)"


def test_the_interval_of_one_run_is_that_of_its_measurement() -> None:
    one = drawn(random.Random(1), lambda n: n / 12)
    found = estimates(one)["valid"]
    assert mean("valid", [one]) == found.value
    assert spread("valid", [one]) == (found.low, found.high)
    assert "runs" not in cell("valid", [one])


def test_layouts_of_runs_are_not_mixed() -> None:
    same, other = seen(*[1.0] * 12), seen(*[0.0] * 12)
    assert mean("layout_entropy", [same, other]) == 0
    assert mean("layout_top", [same, other]) == 1
    assert mean("layouts", [same, same]) == 1
    assert spread("layouts", [same, seen(*([1.0, 0.0] * 6))]) is None


def test_scenes_that_are_hard_for_both_cancel_out_of_a_difference() -> None:
    rng = random.Random(2)
    plans = [drawn(rng, lambda n: n % 2 * 0.8 + 0.1, 40) for _ in range(3)]
    others = [drawn(rng, lambda n: n % 2 * 0.8 + 0.1, 40) for _ in range(3)]
    one, apart, both = spread("valid", plans), mean("valid", plans, others), spread("valid", plans, others)
    assert one is not None and apart is not None and both is not None
    assert both[0] <= apart <= both[1] and both[1] - both[0] < (one[1] - one[0]) / 4
    assert less("valid", plans, plans).startswith("+0.0") and less("valid", plans, others)[0] in "+−"


def test_a_figure_that_not_every_run_has_is_a_dash() -> None:
    some, none = seen(1, 0, 1, 0, 1, 0), seen(1, name="loop")
    assert cell("valid", [some, none]) == less("valid", [some], [none]) == NONE
    few = seen(1, 0)
    assert cell("valid", [few]) == "50.0"
    silent = [each.model_copy(update={"layout": ""}) for each in few]
    for name in LAYOUT_FIGURES:
        assert cell(name, [silent]) == cell(name, [few, silent]) == less(name, [few], [silent]) == NONE


def test_the_table_has_a_column_for_each_kind_and_one_for_the_difference() -> None:
    runs = [seen(*(float(n % 2) for n in range(8))) for _ in range(3)]
    lines = table({"base": [seen(*[0.0] * 8)], PLANS: runs, NO_PLANS: runs}).splitlines()
    assert lines[0] == "| | base | plans | no-plans | plans less no-plans |"
    assert lines[2].startswith("| valid turns, % | 0.0 | 50.0 (") and lines[2].endswith("| +0.0 |")
    assert len({line.count("|") for line in lines}) == 1


# -- what is trained, and what is measured anew ------------------------------------------------------------------


def test_a_run_is_trained_unless_its_folder_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = plans_or_not.ROOT / "recipes" / "plans.toml", tmp_path / "plans-0"
    recipe = load_recipe(path)
    assert recipe.seed == 0 and not trained(path, folder, 0)
    TrainFolder(folder).begin("", {}, same=fingerprint(recipe, data_hashes(recipe.data)))
    assert not trained(path, folder, 0)
    (folder / GGUF).touch()
    assert trained(path, folder, 0)
    changed = fingerprint(recipe.model_copy(update={"epochs": 1.0}), data_hashes(recipe.data))
    TrainFolder(folder).begin("", {}, same=changed)
    monkeypatch.setattr(sys, "argv", ["plans_or_not.py", "--out", str(tmp_path)])
    monkeypatch.setattr(plans_or_not, "her", lambda *_: pytest.fail("nothing is trained or measured"))
    with pytest.raises(SystemExit, match=r"plans-0 holds a run of another recipe.*or remove it .*differs in epochs"):
        plans_or_not.main()


def test_every_arm_is_measured_once_and_again_where_the_options_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []
    reported: dict[Path, MeasureOptions] = {}

    def her(*words: str) -> None:
        asked.append(words)
        out = Path(words[words.index("--out") + 1])
        if words[1] == "measure":
            out.mkdir(parents=True, exist_ok=True)
            (out / TURNS).write_text("".join(f"{each.model_dump_json()}\n" for each in seen(1, 0, 1, 0, 1, 0)))
            reported[out] = options[-1]

    options: list[MeasureOptions] = []

    def known(one: MeasureOptions) -> dict[str, str] | None:
        options.append(one)
        return {} if reported.get(one.out) == one else None

    monkeypatch.setattr(plans_or_not, "her", her)
    monkeypatch.setattr(plans_or_not, "measured", known)

    def call(*more: str) -> int:
        asked.clear()
        monkeypatch.setattr(sys, "argv", ["plans_or_not.py", "--out", str(tmp_path), *more])
        plans_or_not.main()
        assert "valid turns" in capsys.readouterr().out
        return sum(words[1] == "measure" for words in asked)

    assert call("--limit", "8") == 7
    assert sum(words[1] == "sft" for words in asked) == 6
    assert call("--limit", "8") == 0
    assert call("--limit", "9") == 7
    assert call("--limit", "9", "--frozen", "x.gguf") == 7
    assert call("--limit", "9", "--frozen", "x.gguf", "--mini", "runs/mini") == 1


def test_the_command_of_an_arm_measures_just_what_was_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The command as it is given makes a folder that is then known for what it is, and refused for another model."""
    options = MeasureOptions("scripted:Well.", plans_or_not.DATA, tmp_path / "m", languages=("en",), limit=3)
    assert measured(options) is None
    assert run(plans_or_not.command(options)) == 0
    assert measured(options) is not None
    with pytest.raises(SystemExit, match=rf"ended there; if what {re.escape(str(options.out))} holds was refused"):
        plans_or_not.her(*plans_or_not.command(replace(options, address="scripted:Hm.")))
    said = capfd.readouterr().err
    assert "got otherwise (model: scripted:Well., now scripted:Hm.)" in said and "Traceback" not in said
    words = plans_or_not.command(MeasureOptions("a", options.data, options.out, plans=False, constrained=True))
    assert "--no-plans" in words and "--constrained" in words and "None" not in words
