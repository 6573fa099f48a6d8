"""What plans are worth to the smallest model: tuned with plans, without, and not at all, on the same held-out turns.

    python benchmarks/plans_or_not.py --out OUT --frozen FROZEN.gguf --limit 80

Six runs of `her train sft`, three seeds each of recipes/plans.toml and recipes/no-plans.toml, with the same number of
learnt tokens; then `her train measure` for each, for the untuned model under the constraint, and for what `--mini`
names; then one table with the means of the seeds. Everything goes on where it was killed. `--frozen` is a model of
another family, for context binding; without it that is left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "datasets" / "her-scenes"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Arm:
    """A model to be measured: its address, the weights behind it, and how it is asked."""

    name: str
    address: str
    weights: str
    plans: bool = True
    constrained: bool = False

    def flags(self) -> list[str]:
        """The flags of `her train measure`."""
        asked = ["--plans" if self.plans else "--no-plans", "--constrained" if self.constrained else "--free"]
        return [self.address, "--weights", self.weights, *asked]


def main() -> None:
    """Trains, measures and prints the table, going on where an earlier call ended."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--frozen", help="a GGUF or folder that is not of this family")
    options.add_argument("--limit", type=int, help="so many held-out turns; default: all")
    options.add_argument("--mini", type=Path, help="the run of a tuned mini")
    given = options.parse_args()
    for seed in SEEDS:
        for name in ("plans", "no-plans"):
            run = given.out / f"{name}-{seed}"
            if not (run / "adapter.gguf").is_file():
                her("train", "sft", str(ROOT / "recipes" / f"{name}.toml"), "--out", str(run), "--seed", str(seed))
    measured = {}
    for arm in arms(given.out, given.mini):
        out = given.out / "measured" / arm.name
        if not (out / "measures.json").is_file():
            more = ["--frozen", given.frozen] if given.frozen else []
            more += ["--limit", str(given.limit)] if given.limit else []
            her("train", "measure", *arm.flags(), "--data", str(DATA), "--languages", "en", "--out", str(out), *more)
        measured[arm.name] = json.loads((out / "measures.json").read_text("utf-8"))["measures"]
    print(table(measured))


def arms(out: Path, mini: Path | None) -> Iterator[Arm]:
    """All models, those of one arm together."""
    yield Arm("base", "mini-base", "mini-base", constrained=True)
    for name, plans in (("plans", True), ("no-plans", False)):
        for seed in SEEDS:
            run = out / f"{name}-{seed}"
            yield Arm(run.name, str(run / "adapter.gguf"), str(run), plans=plans)
    if mini:
        yield Arm("mini", str(mini / "adapter.gguf"), str(mini))


def her(*words: str) -> None:
    """Runs a command of HER, and ends where it fails."""
    print("her", *words, file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "her", *words], check=True)


def table(measured: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row a figure and a column an arm, seeds as mean and the range of the three."""
    groups: dict[str, list[str]] = {}
    for name in measured:
        groups.setdefault(name.rstrip("-012"), []).append(name)
    figures = sorted({figure for one in measured.values() for figure in one})
    lines = [f"| | {' | '.join(groups)} |", "|---" * (len(groups) + 1) + "|"]
    for figure in figures:
        cells = []
        for names in groups.values():
            values = [measured[name][figure]["value"] for name in names if figure in measured[name]]
            told = [value for value in values if value is not None]
            span = f" ({min(told):.3f} to {max(told):.3f})" if len(told) > 1 else ""
            cells.append(f"{statistics.mean(told):.3f}{span}" if told else "–")
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
