"""What an act is bound to: how much likelier the author's words are under their own plan and thought.

Knows the versions of a layer and which differences are told. Refuses to change two layers where one is asked about.
"""

from __future__ import annotations

from collections.abc import Mapping

from her.bench.faithful.turns import KINDS, Held, Layer, Version
from her.bench.faithful.weigh import Weighed, stretches, weigh
from her.bench.figures import Figure, Unscored, Value, Why
from her.models.base import Model

MISSING = {
    "other": "this character has no other turn with one in the split",
    "turned": "no rule turns it round, or none rewords it by as much",
    "reworded": "no rule turns it round, or none rewords it by as much",
}
"""Why a layer has no such version."""


def _figures() -> tuple[Figure, ...]:
    found = [Figure("bits", "The act under its own layers, bits per character", "lower", "bits")]
    for layer in KINDS:
        found += [
            Figure(f"{layer}_other", f"Another turn's {layer}: bits per character lost", "higher", "bits", True),
            Figure(f"{layer}_none", f"No {layer}: bits per character lost", "higher", "bits"),
            Figure(f"{layer}_turned", f"The {layer} turned round, beyond rewording: bits lost", "higher", "bits"),
            Figure(f"{layer}_reworded", f"The {layer} reworded: bits per character lost", "lower", "bits"),
        ]
    found.append(Figure("both_other", "Another turn's plan and thought: bits per character lost", "higher", "bits"))
    found.append(Figure("both_none", "No plan and no thought: bits per character lost", "higher", "bits"))
    return tuple(found)


FIGURES = _figures()


async def bindings(model: Model, held: Held) -> dict[str, Value]:
    """The figures of one turn, in bits per character.

    A plan is asked about by the whole act, a thought by what comes after the first thought: a model that reads from
    left to right can not be moved by what is still to come. Each layer is changed under the other one's own words, and
    last both together.
    """
    own = await weigh(model, held.messages, stretches(held.speaker, held.gold))
    values: dict[str, Value] = {"bits": own if isinstance(own, Unscored) else own.rate()}
    for layer in KINDS:
        start = held.first_thought if layer == "thought" else 0
        told = {version: await _less(model, held, own, {layer: version}, start) for version in _VERSIONS}
        values |= {f"{layer}_{version}": told[version] for version in ("other", "none", "reworded")}
        values[f"{layer}_turned"] = minus(told["turned"], told["reworded"])
    for version in ("other", "none"):
        changed: dict[Layer, Version] = dict.fromkeys(KINDS, version)
        values[f"both_{version}"] = await _less(model, held, own, changed, 0)
    return {figure.name: values[figure.name] for figure in FIGURES}


_VERSIONS: tuple[Version, ...] = ("other", "none", "turned", "reworded")


def minus(one: Value, other: Value) -> Value:
    """The difference; where a side has no value, why."""
    if isinstance(one, Unscored):
        return one
    return other if isinstance(other, Unscored) else one - other


async def _less(
    model: Model, held: Held, own: Weighed | Unscored, changed: Mapping[Layer, Version], start: int
) -> Value:
    """How many bits per character likelier the act is under its own layers than under changed ones."""
    if isinstance(own, Unscored):
        return own
    segments = held.gold_with(changed)
    if segments is None:
        missing = [(layer, version) for layer, version in changed.items() if held.version(layer, version) is None]
        return Unscored(Why.UNDEFINED, "; ".join(f"{layer}: {MISSING[version]}" for layer, version in missing))
    asked = stretches(held.speaker, segments, start)
    told = await weigh(model, held.messages, asked)
    return told if isinstance(told, Unscored) else minus(told.rate(start), own.rate(start))
