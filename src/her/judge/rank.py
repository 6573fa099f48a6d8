"""Several candidates for one place, in an order: rings of comparisons, and the strengths that they come to.

Knows a place and its candidates. Refuses to know how they are compared (`Judging`) and how strengths are fitted
(`reward`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from her.errors import InputError
from her.judge.batch import How, Told, judging, one_of
from her.judge.case import Case
from her.judge.compare import Judging
from her.judge.pairs import Setting
from her.judge.reward.bradley_terry import fit
from her.judge.reward.rings import Edge, calls
from her.judge.verdict import Verdict
from her.models.address import open_model
from her.rows.record import Record


class Contest(Record):
    """A place in a dialogue, and candidates for the turn that comes there."""

    id: str = Field(default="contest", min_length=1)
    at: Setting
    candidates: tuple[str, ...] = Field(min_length=1)

    def case(self, first: int, second: int) -> Case:
        """Two of the candidates, as a judge is asked about them."""
        turns = tuple(row.turn for row in self.at.turns)
        shown = self.candidates[first], self.candidates[second]
        return Case(f"{self.id}/{first + 1}-{second + 1}", self.at.scene, self.at.speaker, turns, *shown)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What became of a contest. `order` has the candidates' numbers from 0, the best first; `strengths` are logits
    around 0. Who has no readable comparison stands in neither. `parts`: several mean that candidates of different
    parts were never compared, not even by way of others, so that their order says nothing."""

    order: tuple[int, ...]
    strengths: dict[int, float]
    parts: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]

    @property
    def unscored(self) -> int:
        """Comparisons without a verdict."""
        return sum(not isinstance(edge.verdict, Verdict) for edge in self.edges)


async def rank(contest: Contest, judging: Judging, rng: random.Random, *, rings: int = 2) -> Ranking:
    """The candidates in order, by rings in which each is shown first as often as second.

    `rings` is what is wanted; two candidates are one pair in both orders, three or four one ring. `rng` draws who is
    compared with whom. One candidate has no comparison, and so no place in the order.
    """
    if rings < 1:
        raise InputError(f"candidates are compared in at least one ring, not {rings}")
    edges = [
        Edge(first, second, (await judging.judge(contest.case(first, second))).verdict)
        for first, second in calls(range(len(contest.candidates)), rng, rings=rings, anchors=0)
    ]
    strengths = fit(edges)
    order = sorted(strengths, key=lambda one: (-strengths[one], one))
    return Ranking(tuple(order), strengths, _parts(edges), tuple(edges))


@dataclass(frozen=True, slots=True)
class RankOptions:
    """What `her judge rank` is told. `judge` None: the default model."""

    file: Path
    how: How
    judge: str | None = None
    key: str | None = None
    rings: int = 2


def rank_file(options: RankOptions) -> Told:
    """The order of a file's candidates, numbered from 1. Raises StorageError, InputError, and as `open_model`."""
    contest = one_of(options.file, Contest)
    model = open_model(options.judge, key=options.key)

    async def go() -> Ranking:
        try:
            rng = random.Random(options.how.seed)
            return await rank(contest, judging(model, options.how), rng, rings=options.rings)
        finally:
            await model.close()

    found = asyncio.run(go())
    places = [f"{place}. candidate {one + 1} ({found.strengths[one]:+.2f})" for place, one in enumerate(found.order, 1)]
    left = sorted(set(range(len(contest.candidates))) - set(found.order))
    notes = [f"candidate {one + 1}: no readable comparison" for one in left]
    if len(found.parts) > 1:
        notes.append("The order says nothing across parts that were never compared: " + _written(found.parts))
    notes.append(f"{len(found.edges)} comparisons, {found.unscored} without a verdict")
    told = {
        "order": [one + 1 for one in found.order],
        "strengths": {str(one + 1): round(found.strengths[one], 4) for one in found.order},
        "parts": [[one + 1 for one in part] for part in found.parts],
        "comparisons": len(found.edges),
        "unscored": found.unscored,
    }
    share = found.unscored / len(found.edges) if found.edges else 0.0
    return Told("\n".join([*places, *notes]), json.dumps(told), share)


def _written(parts: Sequence[Sequence[int]]) -> str:
    return "; ".join(", ".join(str(one + 1) for one in part) for part in parts)


def _parts(edges: Sequence[Edge]) -> tuple[tuple[int, ...], ...]:
    """The candidates that hang together by readable comparisons."""
    parts: list[set[int]] = []
    for edge in edges:
        if isinstance(edge.verdict, Verdict):
            joined = {edge.first, edge.second}.union(*(part for part in parts if part & {edge.first, edge.second}))
            parts = [part for part in parts if not part & joined] + [joined]
    return tuple(tuple(sorted(part)) for part in sorted(parts, key=min))
