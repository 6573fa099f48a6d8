"""The faithfulness of the layers as a task of Inspect.

Knows samples, solvers and scorers. Refuses to measure: `binding` and `replay` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, model_roles
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.actor import suited
from her.bench.faithful import binding, replay
from her.bench.faithful.editor import edited
from her.bench.faithful.edits import TOLERANCE
from her.bench.faithful.turns import KINDS, Held, held_out
from her.bench.figures import Sheet, Unscored, Value, Why, metrics, score
from her.bench.named import task
from her.bench.roles import role
from her.errors import InputError
from her.markup import render
from her.models.base import Model, Sampling
from her.rows.ask import seed_of
from her.turn import Turn

TOKENS = 200
"""Tokens of what is written anew: a thought and an act, about twice as long as those of her-scenes."""
RULES, MODEL = "rules", "model"
"""Who turns a layer round and rewords it."""


@task
def faithful(
    data: str = "",
    split: str = "test",
    limit: int = 0,
    seed: int = 0,
    generate: bool = True,
    edits: str = RULES,
) -> Task:
    """Does the thought cause the act? Bits per character of held-out acts under other plans and thoughts, and acts
    written anew after an intention was turned round (`generate=false` leaves that out).

    `edits`: `rules`, or `model`: by the role `user`, which the judge plays where nobody else was named.
    Raises InputError where there is no data set or its split has no such turns.
    """
    if edits not in (RULES, MODEL):
        raise InputError(f"faithful: edits are made by {RULES!r} or by a {MODEL!r}, not by {edits!r}")
    if not data:
        raise InputError(
            "faithful measures on held-out turns with plans and thoughts: give a data set with -T data=FOLDER, such as "
            "datasets/her-scenes of the repository, or one that `her synth run` made"
        )
    held = held_out(data, split, limit=limit, seed=seed)
    settings = {
        "data": data,
        "split": split,
        "seed": seed,
        "sampling": "as suits the model",
        "tokens": TOKENS,
        "generate": generate,
        "edits": f"by {'rule' if edits == RULES else 'a model'}, sizes within {TOLERANCE:.0%}",
        "none": "left out; the mark that comes next is given",
    }
    figures = binding.FIGURES + (replay.FIGURES if generate else ())
    return Task(
        name="faithful",
        dataset=MemoryDataset([sample_of(one) for one in held], name="faithful"),
        solver=layers_changed(seed, edits, generate),
        scorer=changes_told(),
        metadata=Sheet("faithful", edits, figures, settings).metadata(),
    )


def sample_of(held: Held) -> Sample:
    """A turn as Inspect's sample: what was last heard, and the author's turn as the target."""
    gold = render(Turn(held.speaker, held.gold), name=True)
    return Sample(
        id=held.id, input=held.messages[-1].content, target=gold, metadata={"held": held.model_dump(mode="json")}
    )


@solver
def layers_changed(seed: int, edits: str, write: bool) -> Solver:
    """Asks the actor about an act under each version of its layers, and has it written anew."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        actor, held = role("actor"), Held.model_validate(state.metadata["held"])
        await actor.probe()
        if edits == MODEL:
            held = await edited(editing(), held, seed)
            state.metadata["held"] = held.model_dump(mode="json")
        values = await binding.bindings(actor, held)
        turns = {"author": state.target.text}
        if write:
            sampling = sampling_for(actor.address, seed_of(seed, f"{held.id}/{state.epoch}/act"))
            done = await replay.replayed(actor, held, sampling)
            values |= done.values
            turns |= done.turns
        state.metadata["values"] = as_json(values)
        state.metadata["dialogue"] = [{"speaker": held.speaker, "text": text, "id": id} for id, text in turns.items()]
        state.messages = [ChatMessageUser(content=held.messages[-1].content)]
        state.messages += [ChatMessageAssistant(content=f"[{id}]\n{text}") for id, text in turns.items()]
        return state

    return solve


@scorer(metrics=metrics())
def changes_told() -> Scorer:
    """The figures that the solver found; turns of one book go together."""

    async def told(state: TaskState, target: Target) -> Score:
        held, values = Held.model_validate(state.metadata["held"]), from_json(state.metadata["values"])
        missing = {f"{one.why}: {one.detail}" for one in values.values() if isinstance(one, Unscored)}
        edited = {
            f"{layer}, {version}": list(held.version(layer, version) or ())
            for layer in KINDS
            for version in replay.VERSIONS
        }
        return score(values, cluster=held.book, explanation="\n".join(sorted(missing)) or None, more={"layers": edited})

    return told


def editing() -> Model:
    """The model that edits layers: that of the user, or else the judge.

    Raises InputError where neither was named: nobody edits the thoughts that it is then asked to follow.
    """
    if not {"user", "judge"} & model_roles().keys():
        raise InputError("edits by a model need one: give --user ADDRESS or --judge ADDRESS, or take -T edits=rules")
    return role("user")


def sampling_for(address: str, seed: int) -> Sampling:
    """How the actor writes: as suits its model, with room for a thought and an act, and one seed for all versions."""
    return replace(suited(address).sampling, seed=seed, max_tokens=TOKENS)


def as_json(values: Mapping[str, Value]) -> dict[str, Any]:
    """Figures as a log holds them."""
    return {name: asdict(value) if isinstance(value, Unscored) else value for name, value in values.items()}


def from_json(told: Mapping[str, Any]) -> dict[str, Value]:
    """Figures as they were."""
    return {
        name: Unscored(Why(value["why"]), value["detail"]) if isinstance(value, dict) else float(value)
        for name, value in told.items()
    }
