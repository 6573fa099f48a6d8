"""CoSER as a task of Inspect: cases in, a dialogue and its figures out.

Knows how a played case travels through Inspect, and what a viewer is shown. Refuses to know how it is played or judged.
"""

from __future__ import annotations

from dataclasses import replace

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.bench.coser.cases import raw_cases, read_case, read_cases
from her.bench.coser.dimensions import DIMENSIONS, FIGURES
from her.bench.coser.judge import Judged, judge
from her.bench.coser.material import Material
from her.bench.coser.overlap import NLTK, ROUGE, bleu, rouge_l
from her.bench.coser.presets import preset as preset_named
from her.bench.coser.simulate import How, Played, Players, simulate
from her.bench.figures import Sheet, Value, metrics, score
from her.bench.named import task
from her.bench.roles import role, role_or_none
from her.errors import InputError
from her.markup import display
from her.prompts import prompt_hash
from her.turn import ENVIRONMENT, VIEWS, Turn

PLAYED = "played"
"""Under this name the store of a sample holds its dialogue, so that a log can be scored again."""


@task
def coser(
    path: str = "",
    preset: str = "her",
    cases: int = 0,
    rounds: int = 0,
    continue_from: int = 0,
    seed: int = 0,
) -> Task:
    """CoSER, given-circumstance acting: scenes of novels played again by the model, judged on four dimensions.

    `path` is a test set, or the name of one in HER_DATA. `cases` and `rounds` 0: all, and as many as the preset has.
    The first `continue_from` turns are the book's. Raises InputError, SceneError.
    """
    how = How(preset_named(preset), _natural(rounds, "rounds"), _natural(continue_from, "continue_from"), seed)
    raw = raw_cases(path)[: _natural(cases, "cases") or None]
    samples = [
        Sample(id=case.id, input=case.place, metadata={"case": one, "book": case.book, "tag": case.tag})
        for case, one in zip(read_cases(raw), raw, strict=True)
    ]
    return Task(
        name="coser",
        dataset=MemoryDataset(samples, name="coser"),
        solver=playing(how),
        scorer=judging(how),
        metadata=sheet(how).metadata(),
    )


def sheet(how: How) -> Sheet:
    """What the benchmark says of itself: the preset, point by point, and what the run said otherwise."""
    settings = {
        **how.preset.settings(),
        "rounds": how.most,
        "continue_from": how.continue_from,
        "seed": how.seed,
        "overlap": [f"{name}=={version}" for name, version in (NLTK, ROUGE)],
        "prompts": _prompts(how),
    }
    return Sheet("coser", how.preset.name, FIGURES, settings, judges=("judge",))


@solver
def playing(how: How) -> Solver:
    """Plays the case of a sample."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        case = read_case(state.metadata["case"])
        players = Players(role("actor"), role("environment"), role("next-speaker"))
        played = await simulate(case, players, _epoch(how, state))
        record = played.record()
        state.store.set(PLAYED, record)
        state.metadata["dialogue"] = record["dialogue"]
        state.messages = [ChatMessageUser(content=case.scenario), *map(_message, played.turns)]
        state.output.completion = Material(case, played, how.preset).text(played.simulated)
        return state

    return solve


@scorer(metrics=metrics())
def judging(how: How) -> Scorer:
    """Judges the dialogue of a sample, and measures how much of the book's words it has."""

    async def of(state: TaskState, target: Target) -> Score:
        case = read_case(state.metadata["case"])
        material = Material(case, Played.of(state.store.get(PLAYED)), how.preset)
        judged = await judge(material, role_or_none("judge"), seed=how.seed, epoch=state.epoch)
        more = {"preset": how.preset.name, "curve": curves(material), **material.played.record(), **judged.record()}
        return score(figures(material, judged), cluster=case.book, explanation=_told(judged), more=more)

    return of


def figures(material: Material, judged: Judged) -> dict[str, Value]:
    """Every figure of a case. A simulation that broke off has no overlap with the book either."""
    played = material.played
    mine = material.text(played.simulated)
    book = material.text(material.case.reference().turns[played.given :])
    broken = played.unscored
    return {
        **judged.points,
        "bleu": broken or bleu(mine, book),
        "rouge-l": broken or rouge_l(mine, book),
        "turns": float(material.counted),
        "empty": float(played.empty),
        "fallbacks": float(played.fallbacks),
    }


def curves(material: Material) -> dict[str, list[float]]:
    """Words of the characters' turns, one after the other: a scene that swells or dries up shows it here."""
    turns = [turn for turn in material.played.simulated if turn.speaker != ENVIRONMENT]
    return {"words": [float(len(" ".join(one.text for one in turn.segments).split())) for turn in turns]}


def _natural(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{name} is a whole number, 0 or more, not {value!r}")
    return value


def _epoch(how: How, state: TaskState) -> How:
    return replace(how, epoch=state.epoch)


def _prompts(how: How) -> list[str]:
    names = [f"{how.preset.prompt}/en", "words/en", "environment/en", "next-speaker/en", "next-speaker/ask-en"]
    judges = ["rules", "case", *(one.name for one in DIMENSIONS)]
    names += [f"coser-judge/{one}-en" for one in (*judges, *(["minds"] if how.preset.thoughts_to_judge else []))]
    return [f"{name}@{prompt_hash(name)}" for name in names]


def _message(turn: Turn) -> ChatMessageAssistant:
    """A turn as a viewer shows it: {plan}, [thought], (action), speech, a line each."""
    return ChatMessageAssistant(content=f"{turn.speaker}\n\n{display(turn, VIEWS['director'])}")


def _told(judged: Judged) -> str:
    return "; ".join(f"{name} {value:.1f}" for name, value in judged.points.items() if isinstance(value, float))
