"""Several candidates for one place, in an order: rings of comparisons, and the strengths that they come to.

Knows contests, their comparisons, and what `her judge rank` says of them. Refuses to know how two are compared
(`batch`) and how strengths are fitted (`reward`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from her.errors import InputError
from her.judge.batch import read_records
from her.judge.pairs import Pair, Setting
from her.judge.reward.bradley_terry import fit
from her.judge.reward.rings import Call, Edge, calls
from her.judge.told import CompareOptions, Told, harmless, rows_of
from her.judge.verdict import Verdict
from her.rows.ask import seed_of
from her.rows.files import Writer
from her.rows.record import Record

RANKED = "ranked.jsonl"
"""The file of contests in order, beside the judged rows of their comparisons."""


class Contest(Record):
    """A place in a dialogue, and candidates for the turn that comes there."""

    id: str = Field(default="contest", min_length=1)
    at: Setting
    candidates: tuple[str, ...] = Field(min_length=1)

    def calls(self, rings: int, seed: int) -> tuple[Call, ...]:
        """Who is compared with whom, by rings in which each is shown first as often as second.

        `rings` is what is wanted; two candidates are one pair in both orders, three or four one ring. One candidate
        has no comparison. Raises InputError for no ring.
        """
        if rings < 1:
            raise InputError(f"candidates are compared in at least one ring, not {rings}")
        seats = random.Random(seed_of(seed, self.id))
        return calls(range(len(self.candidates)), seats, rings=rings, anchors=0)

    def pair(self, call: Call) -> Pair:
        """Two of the candidates, as a judge is asked about them."""
        first, second = call
        return Pair(
            id=f"{self.id}/{first + 1}-{second + 1}",
            at=self.at,
            first=self.candidates[first],
            second=self.candidates[second],
            better=None,
        )


class Ranking(Record):
    """What became of a contest; candidates are numbered from 1. `strengths` are logits around 0."""

    id: str
    order: tuple[int, ...] = Field(description="The best first.")
    strengths: dict[int, float]
    without: tuple[int, ...] = Field(
        description="Those without a readable comparison; they have no place and strength."
    )
    parts: tuple[tuple[int, ...], ...] = Field(
        description="Several: those of different parts were never compared, not even by way of others."
    )
    comparisons: int
    unscored: int


def rank(contest: Contest, edges: Sequence[Edge]) -> Ranking:
    """The order that comparisons of a contest's candidates come to."""
    strengths = fit(edges)
    order = sorted(strengths, key=lambda one: (-strengths[one], one))
    return Ranking(
        id=contest.id,
        order=tuple(one + 1 for one in order),
        strengths={one + 1: round(strengths[one], 4) for one in order},
        without=tuple(one + 1 for one in range(len(contest.candidates)) if one not in strengths),
        parts=_parts(edges),
        comparisons=len(edges),
        unscored=sum(not isinstance(edge.verdict, Verdict) for edge in edges),
    )


@dataclass(frozen=True, slots=True)
class RankOptions(CompareOptions):
    """What `her judge rank` is told: `files` are of contests, `seed` draws who is compared with whom."""

    rings: int = 2
    seed: int = 0


def rank_contests(options: RankOptions) -> Told:
    """The order of the candidates of each contest in files; with `out`, `ranked.jsonl` has a row for each.

    Raises InputError for a contest's id that stands twice, and as `read_records` and `rows_of`.
    """
    contests = _distinct(read_records(options.files, Contest))
    drawn = [(one, one.calls(options.rings, options.seed)) for one in contests]
    pairs = (one.pair(call) for one, among in drawn for call in among)
    with rows_of(pairs, options) as judged:
        rows = [rank(one, [Edge(*call, next(judged).judgement.verdict) for call in among]) for one, among in drawn]
    if options.out is not None:
        with Writer(options.out / RANKED) as out:
            for row in rows:
                out.write(row)
    return _told(rows, options)


def _distinct(contests: Iterable[Contest]) -> Iterator[Contest]:
    seen: set[str] = set()
    for one in contests:
        if one.id in seen:
            raise InputError(f"the contest {one.id!r} stands twice; give each contest an id of its own")
        seen.add(one.id)
        yield one


def _told(rows: Sequence[Ranking], options: RankOptions) -> Told:
    shown = [] if options.out else rows
    comparisons, unscored = sum(row.comparisons for row in rows), sum(row.unscored for row in rows)
    lines: list[str] = []
    for row in shown:
        lines += [*([harmless(f"{row.id}:")] if len(rows) > 1 else []), *_lines(row)]
    many = f"{len(rows)} contests, " if options.out or len(rows) != 1 else ""
    lines.append(f"{many}{comparisons} comparisons, {unscored} without a verdict")
    told = {
        "contests": len(rows),
        "comparisons": comparisons,
        "unscored": unscored,
        "out": str(options.out / RANKED) if options.out else None,
        "rows": [row.model_dump(mode="json") for row in shown],
    }
    one = shown[0].model_dump(mode="json") if len(shown) == 1 else told
    return Told("\n".join(lines), json.dumps(one, ensure_ascii=False), unscored / comparisons if comparisons else 0.0)


def _lines(row: Ranking) -> list[str]:
    places = [f"{place}. candidate {one} ({row.strengths[one]:+.2f})" for place, one in enumerate(row.order, 1)]
    notes = [f"candidate {one}: no readable comparison" for one in row.without]
    if len(row.parts) > 1:
        written = "; ".join(", ".join(map(str, part)) for part in row.parts)
        notes.append(f"The order says nothing across parts that were never compared: {written}")
    return [*places, *notes]


def _parts(edges: Sequence[Edge]) -> tuple[tuple[int, ...], ...]:
    """The candidates that hang together by readable comparisons."""
    parts: list[set[int]] = []
    for edge in edges:
        if isinstance(edge.verdict, Verdict):
            joined = {edge.first, edge.second}.union(*(part for part in parts if part & {edge.first, edge.second}))
            parts = [part for part in parts if not part & joined] + [joined]
    return tuple(tuple(one + 1 for one in sorted(part)) for part in sorted(parts, key=min))
