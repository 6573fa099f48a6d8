"""A played case, judged: one call for each dimension, a list of flaws back, read strictly.

Knows requests, the schema of an answer, and the ways in which there is none. Refuses to make a number of any of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from her.bench.coser.dimensions import AVERAGE, DIMENSIONS, SEVEREST, Dimension, average, points
from her.bench.coser.material import Material
from her.bench.coser.presets import Budget, judge_budget
from her.bench.figures import Unscored, Value, Why
from her.errors import ContextOverflow
from her.models.base import Model, Sampling
from her.rows.ask import Call, Rejected, seed_of
from her.rows.asked import Asked, asked
from her.rows.record import Refusal

STAGE = "coser-judge"


class Flaw(BaseModel):
    """One flaw, as a judge names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: str
    type: str
    severity: Annotated[int, Field(strict=True, ge=1, le=SEVEREST)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    flaws: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of a case: for each dimension its flaws, or why there are none to count.

    `points` are those of the dimensions and their average; `asked_again` counts repairs; `said` holds every answer as
    it came.
    """

    flaws: Mapping[str, tuple[Flaw, ...] | Unscored]
    points: Mapping[str, Value]
    asked_again: int = 0
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The flaws and the answers as JSON; None for a dimension without a list."""
        flaws = {
            name: None if isinstance(found, Unscored) else [one.model_dump() for one in found]
            for name, found in self.flaws.items()
        }
        return {"flaws": flaws, "said": {name: list(said) for name, said in self.said.items()}}


def unjudged(why: Unscored) -> Judged:
    """No dimension has a value, all for the same reason."""
    return Judged({one.name: why for one in DIMENSIONS}, {**{one.name: why for one in DIMENSIONS}, AVERAGE: why})


async def judge(material: Material, model: Model | None, *, seed: int = 0, epoch: int = 1) -> Judged:
    """The case judged on all four dimensions, one after the other.

    Nothing is asked where there is nothing to judge: no judge, a simulation that broke off, or one in which no
    character says or does anything. Raises ModelError as the model does.
    """
    if model is None:
        return unjudged(Unscored(Why.NO_JUDGE, "no model was named for the role of the judge"))
    if material.played.unscored is not None:
        return unjudged(material.played.unscored)
    if not material.played.simulated:
        return unjudged(Unscored(Why.UNDEFINED, "no turn was simulated: all were given"))
    if not material.counted:
        return unjudged(Unscored(Why.EMPTY, "no character said or did anything"))
    await model.probe()
    budget = judge_budget(material.preset, model)
    flaws: dict[str, tuple[Flaw, ...] | Unscored] = {}
    said: dict[str, tuple[str, ...]] = {}
    again = 0
    for one in DIMENSIONS:
        found = await _one(material, one, model, budget, seed_of(seed, f"{material.case.id}/{epoch}/{one.name}"))
        if isinstance(found, Unscored):
            flaws[one.name] = found
            continue
        said[one.name] = tuple(reply.text for reply in found.replies)
        again += found.repairs
        flaws[one.name] = Unscored(Why.UNREADABLE, found.why) if found.value is None else found.value
    return Judged(flaws, scored(flaws, material), again, said)


def scored(flaws: Mapping[str, tuple[Flaw, ...] | Unscored], material: Material) -> dict[str, Value]:
    """The points of each dimension, and their average."""
    values: dict[str, Value] = {}
    for name, found in flaws.items():
        if isinstance(found, Unscored):
            values[name] = found
            continue
        severities = [flaw.severity for flaw in found]
        values[name] = points(severities, material.counted, material.preset.upper_cap)
    return {**values, AVERAGE: average(values)}


async def _one(
    material: Material, dimension: Dimension, model: Model, budget: Budget, seed: int
) -> Asked[tuple[Flaw, ...]] | Unscored:
    call = Call(
        id=f"{STAGE}/{material.case.id}/{dimension.name}",
        messages=material.messages(dimension, budget),
        sampling=Sampling(temperature=material.preset.judge_temperature, max_tokens=budget.tokens, seed=seed),
        prompts=material.prompts(dimension),
        schema=schema(dimension, budget),
        language=material.case.scene.prompt_language,
    )
    try:
        return await asked(model, call, lambda said: read(said, dimension), stage=STAGE)
    except ContextOverflow as error:
        return Unscored(Why.CONTEXT, str(error))


def schema(dimension: Dimension, budget: Budget) -> dict[str, Any]:
    """The schema of an answer: a list of flaws, perhaps an empty one, in the order in which they are written."""
    fields = {
        "instance": {"type": "string", "maxLength": budget.instance},
        "type": {"enum": list(dimension.types)},
        "severity": {"enum": list(range(1, SEVEREST + 1))},
    }
    return _closed({"flaws": {"type": "array", "maxItems": budget.flaws, "items": _closed(fields)}})


def read(said: Any, dimension: Dimension) -> tuple[Flaw, ...]:
    """The flaws in an answer. Raises ValidationError and Rejected for one that is not as it was asked for."""
    # The original's answers have the dimension's name around the list.
    inner = said.get(dimension.title) if isinstance(said, dict) and set(said) == {dimension.title} else said
    flaws = _Answer.model_validate_json(json.dumps(inner)).flaws
    wrong = [
        Refusal(
            stage=STAGE,
            reason="type",
            where=f"flaws.{at}.type",
            detail=f"{one.type[:60]!r} is none of {', '.join(dimension.types)}",
        )
        for at, one in enumerate(flaws)
        if one.type not in dimension.types
    ]
    if wrong:
        raise Rejected(*wrong)
    return flaws


def _closed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with just these fields."""
    return {"type": "object", "properties": dict(fields), "required": list(fields), "additionalProperties": False}
