"""What a bench measures: figures by name, accounts in which every pair stands once, and what they are made of.

Knows names and units. Refuses to compute (`metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from her.judge.bench.asked import Asked
from her.judge.bench.figure import Figure

Unit = Literal["share", "points", "margin"]


@dataclass(frozen=True, slots=True)
class Named:
    """What a figure is called, what it is counted in, and of what it is told. Points are hundredths of a win rate."""

    label: str
    unit: Unit
    of: str


FIGURES: dict[str, Named] = {
    "natural": Named("right on natural pairs", "share", "pairs of which people or a stronger judge preferred one"),
    "broken": Named("right on broken pairs", "share", "probed families whose answer the text alone does not tell"),
    "surface": Named("right on surface families", "share", "broken pairs whose answer the text alone tells"),
    "unprobed": Named("right on families not probed", "share", "broken pairs too few, or of too few books, to probe"),
    "natural_mean": Named(
        "right on natural pairs, margins averaged", "share", "as the judge itself settles two orders"
    ),
    "broken_mean": Named("right on broken pairs, margins averaged", "share", "the same families as without averaging"),
    "consistent": Named("the same winner in both orders", "share", "pairs with a verdict in each order"),
    "flipped": Named("the other one in the other order", "share", "pairs with a verdict in each order"),
    "first_slot": Named("preference for the first slot", "points", "its win rate, less one half"),
    "tie_recall": Named("ties found", "share", "pairs of equal quality"),
    "tie_precision": Named("ties that are ties", "share", "pairs that both orders call equal"),
    "twins": Named("right on twins", "share", "the same edit where it does no harm"),
    "blind": Named("twins judged wrongly", "share", "those whose broken pair was judged rightly"),
    "length": Named("win rate per doubling of length", "points", "equal pairs, twins aside"),
    "length_margin": Named("margin per doubling of length", "margin", "equal pairs, twins aside"),
    "length_natural": Named("right per doubling of the better one", "points", "natural pairs: quality may go along"),
    "matched": Named("right where both are equally long", "share", "natural pairs, within 10 %"),
    "longer_better": Named("right where the better one is longer", "share", "natural pairs"),
    "longer_worse": Named("right where the better one is shorter", "share", "natural pairs"),
    "opener": Named("wins of bare openers", "share", "openers against good turns; a tie is half a win"),
    "transitive": Named("transitive", "share", "triples in which a beats b, and b beats c"),
    "stable": Named("the same winner when asked again", "share", "pairs asked once more, with words drawn"),
    "unscored": Named("without a verdict", "share", "all that was asked, whatever the reason"),
}
"""All figures in the order of tables."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a judge said to all questions: pairs with a known answer, openers, triples (ab, bc, ac), and what it said
    to some of the pairs the second time, by id."""

    pairs: Sequence[Asked]
    openers: Sequence[Asked] = ()
    triples: Sequence[tuple[Asked, Asked, Asked]] = ()
    again: Mapping[str, Asked] = field(default_factory=dict)

    @property
    def edges(self) -> list[Asked]:
        """The pairs of all triples."""
        return [edge for three in self.triples for edge in three]

    @property
    def everything(self) -> list[Asked]:
        """Every judgement, the repeated ones too."""
        return [*self.pairs, *self.openers, *self.edges, *self.again.values()]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of all pairs of one sort: `asked` is the sum of `correct`, `wrong`, `tie` and `unscored`. `flipped`
    of them had the other winner in the other order; they stand among ties, or among wrong ones where a tie was due."""

    kind: str
    name: str
    asked: int
    correct: int
    wrong: int
    tie: int
    unscored: int
    flipped: int


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Pairs without a known answer, or asked once more: `asked` is the sum of the others."""

    name: str
    asked: int
    scored: int
    unscored: int


@dataclass(frozen=True, slots=True)
class Family:
    """How often the judge was right on one family or subset, in one grade or in all (0). `surface`: whether the text
    alone tells the answer of these broken pairs; None where that was not probed."""

    kind: str
    name: str
    grade: int
    surface: bool | None
    right: Figure


@dataclass(frozen=True, slots=True)
class Bin:
    """How often the longer candidate won where it is `low` to `high` doublings longer (None: or more). `equal`: the
    two are of equal quality."""

    low: float
    high: float | None
    equal: bool
    wins: Figure


@dataclass(frozen=True, slots=True)
class Measures:
    """All that was measured. `reasons` counts missing verdicts, `tokens` are means per pair and None where nobody
    told."""

    figures: Mapping[str, Figure]
    families: tuple[Family, ...]
    accounts: tuple[Account, ...]
    unlabelled: tuple[Unlabelled, ...]
    lengths: tuple[Bin, ...]
    reasons: Mapping[str, int]
    tokens: Mapping[str, float | None]
