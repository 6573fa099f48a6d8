"""What plans are worth to the smallest model: tuned with plans, without, and not at all, on the same held-out turns.

    python benchmarks/plans_or_not.py --out runs/plans --frozen FROZEN.gguf --limit 80 --mini runs/mini

Six runs of `her train sft`, three seeds each of recipes/plans.toml and recipes/no-plans.toml, with the same number of
learnt tokens; then `her train measure` for each, for the untuned model under the constraint, and for what `--mini`
names; then one table. Everything goes on where it was killed. What was measured with other options is measured anew,
with the replies that are there. A run of another recipe or other data is refused, as are replies of other weights or to
other prompts: an error names the folder that is to be removed. `--frozen` is a model of another family, for context
binding; without it that is left out, as without `--mini` its column.

A cell is the mean of an arm's runs with its 95 % interval, got by drawing scenes anew, the same for all runs: how far
that mean would move with other scenes. It does not tell how far it would move with other runs; their range beside it
does, as far as three can. The last column is the difference of the two means with an interval of the same kind, in
which scenes that are hard for both arms cancel out.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from her.checks.intervals import Interval, Statistic, Sums, interval, total
from her.errors import HerError
from her.rows.files import read_rows
from her.train.lessons import data_hashes, fingerprint
from her.train.measure.figures import FIGURES, Observation, has, joint
from her.train.measure.measure import TURNS, MeasureOptions, measured
from her.train.measure.table import NONE, between, label, told
from her.train.recipe import load_recipe
from her.train.run_folder import GGUF, TrainFolder

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "datasets" / "her-scenes"
SEEDS = (0, 1, 2)
PLANS, NO_PLANS = "plans", "no-plans"

Run = Sequence[Observation]
"""What was seen of one run's model."""


@dataclass(frozen=True)
class Arm:
    """A model to be measured: its address, the weights behind it, and how it is asked. Those of one `kind` share a
    column."""

    kind: str
    name: str
    address: str
    weights: str
    plans: bool = True
    constrained: bool = False

    def options(self, given: argparse.Namespace) -> MeasureOptions:
        """What `her train measure` is asked."""
        return MeasureOptions(
            self.address,
            DATA,
            given.out / "measured" / self.name,
            plans=self.plans,
            constrained=self.constrained,
            limit=given.limit,
            languages=("en",),
            weights=self.weights,
            frozen=given.frozen,
        )


def main() -> None:
    """Trains, measures and prints the table, going on where an earlier call ended."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--frozen", help="a GGUF or folder that is not of this family")
    options.add_argument("--limit", type=int, help="so many held-out turns; default: all")
    options.add_argument("--mini", type=Path, help="the run of a tuned mini")
    given = options.parse_args()
    try:
        print(table(play(given)))
    except HerError as error:
        raise SystemExit(f"plans_or_not: {error}") from error


def play(given: argparse.Namespace) -> dict[str, list[Run]]:
    """Trains and measures what is not there yet; what was seen of every arm, those of one kind together."""
    for seed in SEEDS:
        for name in (PLANS, NO_PLANS):
            recipe, run = ROOT / "recipes" / f"{name}.toml", given.out / f"{name}-{seed}"
            if not trained(recipe, run, seed):
                her("train", "sft", str(recipe), "--out", str(run), "--seed", str(seed))
    found: dict[str, list[Run]] = {}
    for arm in arms(given.out, given.mini):
        asked = arm.options(given)
        if measured(asked) is None:
            her(*command(asked))
        seen = [each for each in read_rows(asked.out / TURNS, Observation) if not each.gold]
        found.setdefault(arm.kind, []).append(seen)
    return found


def trained(path: Path, run: Path, seed: int) -> bool:
    """Whether a folder holds the result of this very recipe, data and seed. Raises InputError for another's."""
    recipe = load_recipe(path).model_copy(update={"seed": seed})
    return TrainFolder(run).holds(fingerprint(recipe, data_hashes(recipe.data))) and (run / GGUF).is_file()


def arms(out: Path, mini: Path | None) -> Iterator[Arm]:
    """All models, those of one kind together."""
    yield Arm("base (held to the grammar)", "base", "mini-base", "mini-base", constrained=True)
    for kind in (PLANS, NO_PLANS):
        for seed in SEEDS:
            run = out / f"{kind}-{seed}"
            yield Arm(kind, run.name, str(run / GGUF), str(run), plans=kind == PLANS)
    if mini:
        yield Arm("mini", "mini", str(mini / GGUF), str(mini))


def command(asked: MeasureOptions) -> list[str]:
    """The command that measures so."""
    flags = ["--plans" if asked.plans else "--no-plans", "--constrained" if asked.constrained else "--free"]
    named = {
        "data": asked.data,
        "out": asked.out,
        "weights": asked.weights,
        "languages": ",".join(asked.languages),
        "limit": asked.limit,
        "frozen": asked.frozen,
    }
    pairs = [(f"--{name}", str(value)) for name, value in named.items() if value is not None]
    return ["train", "measure", asked.address, *flags, *(word for pair in pairs for word in pair)]


def her(*words: str) -> None:
    """Runs a command of HER, all that it says on stderr, and ends where it fails, naming the folder it worked on."""
    print("her", *words, file=sys.stderr, flush=True)
    if subprocess.run([sys.executable, "-m", "her", *words], check=False, stdout=sys.stderr).returncode:
        out = words[words.index("--out") + 1]
        raise SystemExit(f"plans_or_not: ended there; if what {out} holds was refused, remove that folder")


# -- the table ------------------------------------------------------------------------------------------------------


def table(found: Mapping[str, Sequence[Run]]) -> str:
    """A row a figure, a column a kind of model, and what plans change."""
    lines = [f"| | {' | '.join(found)} | {PLANS} less {NO_PLANS} |", "|---" * (len(found) + 2) + "|"]
    for name in FIGURES:
        cells = [cell(name, runs) for runs in found.values()]
        if any(each != NONE for each in cells):
            lines.append(f"| {label(name)} | {' | '.join(cells)} | {less(name, found[PLANS], found[NO_PLANS])} |")
    return "\n".join(lines)


def cell(name: str, runs: Sequence[Run]) -> str:
    """`12.3 (10.1 … 15.2; runs 11.0 to 13.1)`: the mean of the runs, its interval, and their range."""
    value = mean(name, runs)
    if value is None:
        return NONE
    ends = spread(name, runs)
    notes = [between(name, *ends)] if ends else []
    if len(runs) > 1:
        each = [one for one in (mean(name, [run]) for run in runs) if one is not None]
        notes.append(f"runs {told(name, min(each))} to {told(name, max(each))}")
    return told(name, value) + (f" ({'; '.join(notes)})" if notes else "")


def less(name: str, runs: Sequence[Run], others: Sequence[Run]) -> str:
    """`+1.2 (−0.3 … +2.8)`: the mean of runs less that of others, and its interval."""
    value = mean(name, runs, others)
    if value is None:
        return NONE
    ends = spread(name, runs, others)
    return told(name, value, sign=True) + (f" ({between(name, *ends, sign=True)})" if ends else "")


def mean(name: str, runs: Sequence[Run], others: Sequence[Run] = ()) -> float | None:
    """A figure as the mean of runs, less that of others if there are any; None where one does not have it."""
    rows, whole = together(name, runs, others)
    return whole(total(rows))


def spread(name: str, runs: Sequence[Run], others: Sequence[Run] = ()) -> Interval:
    """The 95 % interval by scenes of such a mean; the number of different layouts has none."""
    return None if name == "layouts" else interval(*together(name, runs, others), random.Random(0))


def together(name: str, runs: Sequence[Run], others: Sequence[Run]) -> tuple[list[list[float]], Statistic]:
    """Scenes as rows of all runs' sums, and the mean that is made of them."""
    sides = [[each for each in run if has(each, name)] for run in (*runs, *others)]
    rows, made = joint(name, sides)

    def whole(sums: Sums) -> float | None:
        values = [value for value in made(sums) if value is not None] if all(sides) else []
        if len(values) < len(sides):
            return None
        own, other = values[: len(runs)], values[len(runs) :]
        return statistics.mean(own) - (statistics.mean(other) if other else 0)

    return rows, whole


if __name__ == "__main__":
    main()
