"""Penalties of a turn, each from 0 (none) to 1: too long, too much like itself, too much like all the others.

Knows turns and how often layouts and openings came. Refuses to know how much a penalty costs (`rewards`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from her import checks
from her.checks.units import run_length
from her.errors import InputError
from her.turn import Kind, Turn

SOFT, HARD = 300, 600
"""Words of a turn from which, and at which, it is too long; the gate refuses more than the second. HER asks for about
200 (docs/sources.md); the penalty between two lengths is DAPO's (arXiv 2503.14476)."""
FREE_COPY = 0.2
"""The share of a turn that may stand in its speaker's earlier turns, or twice in itself, at no cost; ours."""
OFTEN = 2.0
SELDOM = 0.02
"""A layout or opening is overused from so many times its share in the data, where a share below the second counts as
the second; ours: the penalty begins at 4 % of all turns for what the data does not have."""
RATE = 0.1
"""How far the shares move with a batch; ours: a collapse shows within ten batches."""
_OPENING = 3


def overlong(turn: Turn, soft: int = SOFT, hard: int = HARD) -> float:
    """How far the turn's length without its plan is between two lengths in words.

    Raises InputError where the second is not above the first.
    """
    if hard <= soft:
        raise InputError(f"the length that is too long ({hard}) must be above the one that is not yet ({soft})")
    words = checks.units(_text(turn))
    soft, hard = run_length(words, soft), run_length(words, hard)
    return min(1.0, max(0.0, (len(words) - soft) / (hard - soft)))


def repetition(turn: Turn, earlier: Iterable[Turn]) -> float:
    """How much of the turn stands in itself twice or in its speaker's earlier turns; 0 for a turn of a few words."""
    before = [_text(one) for one in earlier if one.speaker == turn.speaker]
    text = _text(turn)
    share = max(checks.repeated_share(text) or 0.0, checks.copied_share(text, before) or 0.0)
    return max(0.0, (share - FREE_COPY) / (1 - FREE_COPY))


@dataclass(frozen=True, slots=True)
class Habits:
    """The shares of turns that have each layout, and each opening (the first words)."""

    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> Habits:
        """The habits of some turns; none for no turns."""
        counts = Counter(mark for turn in turns for mark in _marks(turn))
        return cls({mark: count / len(turns) for mark, count in sorted(counts.items())})

    def after(self, turns: Sequence[Turn], rate: float = RATE) -> Habits:
        """The habits moved a part of the way to those of a batch; unmoved by an empty one."""
        if not turns:
            return self
        new = Habits.of(turns).shares
        moved = {mark: (1 - rate) * share for mark, share in self.shares.items()}
        moved |= {mark: moved.get(mark, 0.0) + rate * share for mark, share in new.items()}
        # What has not come for a hundred batches is forgotten, or the table grows for ever.
        return Habits({mark: share for mark, share in sorted(moved.items()) if share > 1e-5})

    def overused(self, turn: Turn, usual: Habits) -> float:
        """How much more often than usual the turn's layout or opening comes now: 0 up to OFTEN times, 1 from twice
        that on."""
        ratios = [self.shares.get(mark, 0.0) / max(usual.shares.get(mark, 0.0), SELDOM) for mark in _marks(turn)]
        return min(1.0, max(0.0, max(ratios, default=0.0) / OFTEN - 1))


def _marks(turn: Turn) -> tuple[str, ...]:
    words = checks.units(_text(turn))
    opening = " ".join(words[: run_length(words, _OPENING)])
    return tuple(mark for mark in (turn.layout and f"layout {turn.layout}", opening and f"opening {opening}") if mark)


def _text(turn: Turn) -> str:
    return "\n".join(segment.text for segment in turn.segments if segment.kind is not Kind.SYSTEM_THINKING)
