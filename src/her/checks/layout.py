"""How varied the layouts of turns are: whether a model has fallen into one template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import log2

from her.turn import Turn


@dataclass(frozen=True, slots=True)
class Layouts:
    """The layouts of some turns; a turn without one (a plan alone) is not among them."""

    counts: tuple[tuple[str, int], ...]
    """Each layout with its number of turns, the most frequent first, equal ones by name."""
    longest_run: int
    """Turns in a row with the same layout, at most; 0 for no turns."""

    @property
    def turns(self) -> int:
        """How many turns have a layout."""
        return sum(count for _, count in self.counts)

    @property
    def distinct(self) -> int:
        """How many different layouts there are."""
        return len(self.counts)

    @property
    def top_share(self) -> float | None:
        """The share of turns with the most frequent layout, in (0, 1]; None for no turns."""
        return self.counts[0][1] / self.turns if self.counts else None

    @property
    def entropy(self) -> float | None:
        """Shannon entropy of the layouts in bits, from 0 to log2(distinct); None for no turns."""
        if not self.counts:
            return None
        shares = [count / self.turns for _, count in self.counts]
        return max(0.0, -sum(share * log2(share) for share in shares))


def longest_run(turns: Iterable[Turn]) -> int:
    """How many turns in a row have the same layout, at most; 0 for no turns, and turns without a layout are skipped."""
    names = (turn.layout for turn in turns if turn.layout)
    return max((len(list(group)) for _, group in groupby(names)), default=0)


def layouts(turns: Iterable[Turn]) -> Layouts:
    """The layouts of these turns (a dialogue, one character's turns, a batch of samples), in the order given."""
    kept = [turn for turn in turns if turn.layout]
    counts = sorted(Counter(turn.layout for turn in kept).items(), key=lambda item: (-item[1], item[0]))
    return Layouts(tuple(counts), longest_run(kept))
