"""Runs of a toy benchmark: as records, and as logs that Inspect itself has written without asking any model."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from her.bench.figures import Figure, Sheet, Unscored, Value, Why
from her.bench.report.records import Case, Run, Said, Seat
from her.markup import render
from her.turn import ENVIRONMENT, Kind, Segment, Turn

FIGURES = (
    Figure("average", "average", unit="points", headline=True),
    Figure("readable", "readable answers", unit="share"),
    Figure("bits", "bits a letter", better="lower", unit="bits"),
    Figure("turns", "turns", better="neither", unit="count"),
)
SHEET = Sheet("toy", "her", FIGURES, {"rounds": 6, "seed": 0, "deviations": ["none", "of note"]}, ("judge",))
JUDGE = Seat("her/strict", "strict")

Change = Callable[[Case], Case]


def turn(*segments: tuple[Kind, str]) -> str:
    """A turn as a model writes it."""
    return render(Turn("Anna", tuple(Segment(kind, text) for kind, text in segments)))


def dialogue(turns: int = 4) -> tuple[Said, ...]:
    """Turns with all layers, the first one given, every third the world's."""
    own = turn(
        (Kind.SYSTEM_THINKING, "Anna should keep the letter a secret a little longer."),
        (Kind.ROLE_THINKING, "If he asks once more I shall tell him."),
        (Kind.ROLE_ACTION, "turns the lamp down"),
        (Kind.SPEECH, "It is late, and the ferry will not wait."),
    )
    world = turn((Kind.SPEECH, "Rain begins to beat against the shutters."))
    return tuple(
        Said(ENVIRONMENT, world, f"t{at}") if at % 3 == 2 else Said("Anna", own, f"t{at}", given=at == 0)
        for at in range(turns)
    )


def run(
    address: str = "mini", *, better: float = 0.0, cases: int = 24, seed: int = 1, turns: int = 4, **changes: Any
) -> Run:
    """A run of `cases` cases of as many books, each about 50 + `better` points; every eighth is not readable."""
    rng, noise = random.Random(0), random.Random(f"{address}{seed}")
    found = []
    for at in range(cases):
        luck = rng.uniform(30, 70)
        readable = at % 8 != 7
        points: Value = luck + better + noise.uniform(-3, 3) if readable else Unscored(Why.UNREADABLE, "no JSON in it")
        values: Mapping[str, Value] = {
            "average": points,
            "readable": float(readable),
            "bits": 2.0 + noise.random() - better / 40,
            "turns": float(turns),
        }
        curve = {"average": tuple(luck + better - nth + noise.uniform(-2, 2) for nth in range(6 + at % 5))}
        found.append(Case(f"case {at}", 1, f"book {at}", values, curve, dialogue(turns), target="", explanation=""))
    told: dict[str, Any] = {
        "log": f"logs/{address}.eval",
        "id": f"{address}-{seed}",
        "task": "her/toy",
        "created": f"2026-01-0{seed}T10:00:00+00:00",
        "sheet": SHEET,
        "seats": {"actor": Seat(f"her/{address}", address), "judge": JUDGE},
        "planned": cases,
        "cases": tuple(found),
        "tokens": {f"her/{address}": (120_000, 9_000), "her/strict": (400_000, 30_000)},
    }
    return Run(**{**told, **changes})


def logged(folder: Path, model: str = "mockllm/actor", **options: Any) -> Path:
    """The log of five cases in two epochs: one breaks, one is unreadable; no model is asked."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import Scorer, scorer
    from inspect_ai.solver import Solver, solver

    from her.bench.figures import metrics, score

    @solver(name="toy_solver")
    def play() -> Solver:
        async def solve(state: Any, generate: Any) -> Any:
            if state.sample_id == "broken":
                raise RuntimeError("the server <b>fell</b> over")
            state.metadata["dialogue"] = [
                {"speaker": said.speaker, "text": said.text, "id": said.id, "given": said.given} for said in dialogue()
            ]
            return state

        return solve

    @scorer(metrics=metrics(), name="toy_scorer")
    def judge() -> Scorer:
        async def judged(state: Any, target: Any) -> Any:
            readable = state.sample_id != "unreadable"
            points = 60.0 + state.epoch if readable else Unscored(Why.UNREADABLE, "half a JSON")
            values: dict[str, Value] = {"average": points, "readable": float(readable), "bits": 1.5, "turns": 4.0}
            more = {"curve": {"average": [70, None, 50.0]}}
            return score(values, cluster=f"{state.sample_id}'s book", answer="so", explanation="because", more=more)

        return judged

    names = ("good", "unreadable", "broken", "silent", "last")
    samples = [Sample(id=name, input=f"Play {name}.", target="the truth") for name in names]
    task = Task(dataset=MemoryDataset(samples), solver=play(), scorer=judge(), name="toy", metadata=SHEET.metadata())
    told = {"epochs": 2, "fail_on_error": False, "log_format": "eval", "display": "none", **options}
    (log,) = evaluate(task, model=model, model_roles={"judge": "mockllm/judge"}, log_dir=str(folder), **told)
    return Path(log.location)
