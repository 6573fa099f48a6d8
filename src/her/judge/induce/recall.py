"""Whether what was induced finds again what is known to be broken: recall over counterfactual pairs.

Knows which pair broke what, and which pairs a candidate comes from. Refuses to compare words: a name may be anything,
and a candidate that sounds right but comes from other pairs has found nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field

from her.judge.induce.rows import Candidate
from her.judge.pairs import Pair
from her.rows.record import Record

PURE = 0.5
"""A candidate stands for a broken principle only where more than this share of its pairs broke it ..."""
REACH = 1 / 3
"""... and it comes from at least this share of the pairs that broke it (ours)."""


class Family(Record):
    """One principle that was broken on purpose, and the candidate that stands for it."""

    principle: str
    pairs: int = Field(description="Pairs in which it was broken.")
    candidate: str = Field(description="The candidate's id; empty where none stands for it.")
    name: str = Field(description="The candidate's name.")
    purity: float | None = Field(description="The share of the candidate's pairs that broke it.")
    reach: float | None = Field(description="The share of the pairs that broke it which the candidate comes from.")


class Recall(Record):
    """Which of the broken principles were found again. `share` is None for fewer than two of them: with one alone,
    whatever a teacher says comes from its pairs."""

    families: tuple[Family, ...]
    found: int
    share: float | None


def recall(candidates: Sequence[Candidate], pairs: Iterable[Pair]) -> Recall:
    """What the candidates find again of that which the pairs broke; pairs that do not say what was broken are left
    out.

    A candidate stands for a principle where more than PURE of its own pairs broke it, and at least REACH of the
    pairs that broke it are among its own; of several the one with the greatest reach does.
    """
    broken = {pair.id: pair.principle for pair in pairs if pair.kind == "broken" and pair.principle}
    sizes = Counter(broken.values())
    best: dict[str, tuple[float, float, Candidate]] = {}
    for one in candidates:
        known = Counter(broken[pair] for pair in one.pairs if pair in broken)
        for principle, count in known.items():
            purity, reach = count / known.total(), count / sizes[principle]
            if purity > PURE and reach >= REACH and (principle not in best or best[principle][:2] < (reach, purity)):
                best[principle] = (reach, purity, one)
    families = tuple(_family(principle, sizes[principle], best.get(principle)) for principle in sorted(sizes))
    share = round(len(best) / len(sizes), 4) if len(sizes) > 1 else None
    return Recall(families=families, found=len(best), share=share)


def _family(principle: str, pairs: int, best: tuple[float, float, Candidate] | None) -> Family:
    if best is None:
        return Family(principle=principle, pairs=pairs, candidate="", name="", purity=None, reach=None)
    reach, purity, one = best
    shares = {"purity": round(purity, 4), "reach": round(reach, 4)}
    return Family(principle=principle, pairs=pairs, candidate=one.id, name=one.name, **shares)
