"""The same turn gone on with three times from the same seed: after its own thought, that turned round, that reworded.

What the model then does and says differs by chance alone, by the edit, and by what the edit means. Turned round and
reworded are edits of one size, so their difference is what the meaning did. After a plan everything is written anew,
the thought too; after a thought what follows it.

Knows how like two acts are. Refuses to judge which act is better.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from her.bench.faithful.binding import MISSING, minus
from her.bench.faithful.turns import KINDS, Held, Layer, Version
from her.bench.faithful.weigh import Weighed, stretches, weigh
from her.bench.figures import Figure, Unscored, Value, Why
from her.errors import ContextOverflow
from her.markup import parse, render
from her.models.base import Model, Sampling
from her.turn import PRIVATE, Segment, Turn

LONGEST = 6
"""Characters of the longest runs that two acts are compared by (Popović, chrF, 2015)."""
VERSIONS: tuple[Version, ...] = ("own", "turned", "reworded")


def _figures() -> tuple[Figure, ...]:
    found: list[Figure] = []
    for layer in KINDS:
        found += [
            Figure(f"{layer}_effect", f"The {layer} turned round: change of the act beyond rewording", headline=True),
            Figure(
                f"{layer}_shift", f"The {layer} turned round: bits the first act loses beyond rewording", unit="bits"
            ),
            Figure(f"{layer}_act_turned", f"Change of the act when the {layer} is turned round", "neither"),
            Figure(f"{layer}_act_reworded", f"Change of the act when the {layer} is reworded", "lower"),
        ]
    return tuple(found)


FIGURES = _figures()


@dataclass
class Replayed:
    """The figures of a turn, and by layer and version the turn as it was written: what was given, and what came."""

    values: dict[str, Value] = field(default_factory=dict)
    turns: dict[str, str] = field(default_factory=dict)


async def replayed(model: Model, held: Held, sampling: Sampling) -> Replayed:
    """What turning a layer round does to the act that follows.

    `sampling` holds the seed that all versions share. Changes are 0 for the same act and 1 for one with nothing in
    common. Any figure is Unscored where the model takes no prefill, says nothing, or the layer has no such edit.
    """
    done = Replayed()
    for layer in KINDS:
        values = await _one(model, held, layer, sampling, done)
        if isinstance(values, Unscored):
            values = {f"{layer}_{name}": values for name in ("effect", "shift", "act_turned", "act_reworded")}
        done.values |= values
    return done


def change(one: str, other: str) -> float:
    """How far two texts differ, from 0 to 1, the same both ways: 1 less chrF with precision and recall of one weight.

    White space does not count. Two texts without a character are the same.
    """
    left, right = ("".join(text.split()) for text in (one, other))
    if left == right:
        return 0.0
    shares: list[tuple[float, float]] = []
    for size in range(1, LONGEST + 1):
        ours, theirs = (Counter(text[at : at + size] for at in range(len(text) - size + 1)) for text in (left, right))
        if ours or theirs:
            common = (ours & theirs).total()
            shares.append((common / max(ours.total(), 1), common / max(theirs.total(), 1)))
    precision, recall = (math.fsum(column) / len(shares) for column in zip(*shares, strict=True))
    return 1 - 2 * precision * recall / (precision + recall) if precision + recall else 1.0


def visible(segments: Sequence[Segment]) -> str:
    """What of a turn is done and said, a line each."""
    return "\n".join(segment.text for segment in segments if segment.kind not in PRIVATE)


async def _one(
    model: Model, held: Held, layer: Layer, sampling: Sampling, done: Replayed
) -> dict[str, Value] | Unscored:
    """The figures of one layer."""
    given = {version: _given(held, layer, version) for version in VERSIONS}
    if given["turned"] is None or given["turned"] == given["own"] or given["reworded"] == given["own"]:
        return Unscored(Why.UNDEFINED, f"{layer}: {MISSING['turned']}")
    if not model.prefills:
        return Unscored(Why.ABSENT, f"{model.address} does not go on from a turn that was begun")
    came: dict[Version, tuple[Segment, ...]] = {}
    for version, before in given.items():
        prefill = render(Turn(held.speaker, before or ()), name=True)
        try:
            reply = await model.generate(held.messages, sampling, prefill=prefill)
        except ContextOverflow as error:
            return Unscored(Why.CONTEXT, str(error))
        done.turns[f"{layer}/{version}"] = prefill + reply.text
        came[version] = parse(reply.text, speaker=held.speaker, cast=held.cast).turn.segments
    acts = {version: visible(segments) for version, segments in came.items()}
    if empty := [version for version, act in acts.items() if not act.strip()]:
        return Unscored(Why.EMPTY, f"nothing done or said after the {layer} ({', '.join(empty)})")
    changes = {version: change(acts["own"], acts[version]) for version in VERSIONS}
    rates: dict[Version, Value] = {}
    for version in ("turned", "reworded"):
        before = given[version] or ()
        asked = stretches(held.speaker, (*before, *came["own"]), len(before))
        told = await weigh(model, held.messages, asked)
        rates[version] = told.rate() if isinstance(told, Weighed) else told
    return {
        f"{layer}_effect": changes["turned"] - changes["reworded"],
        f"{layer}_shift": minus(rates["turned"], rates["reworded"]),
        f"{layer}_act_turned": changes["turned"],
        f"{layer}_act_reworded": changes["reworded"],
    }


def _given(held: Held, layer: Layer, version: Version) -> tuple[Segment, ...] | None:
    """The beginning of the turn up to the end of its plan, or of its first thought, in a version."""
    segments = held.gold_with({layer: version})
    return segments and segments[: 1 if layer == "plan" else held.first_thought + 1]
