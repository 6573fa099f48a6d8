"""What is watched while a judge trains a model, and when to stop.

Knows rewards, answers, turns, and limits. Refuses to know trainers: it says that one should halt, and why.

A figure that cannot be measured is None, and neither breaches nor clears anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean

from her import checks
from her.errors import InputError
from her.judge.reward.rewards import Candidate, Reward
from her.judge.reward.rings import REFERENCE, Edge
from her.judge.verdict import Judged, Unscored, Verdict, Winner
from her.turn import Turn

IN_A_ROW = 3
"""Evaluations in a row that one figure must be out of bounds, until the run halts; ours."""
FEWEST = 20
"""Answers, candidates or turns from which a figure is one; ours: a share of fewer moves by more than 0.2 by chance."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it was rewarded. `rewards` None: it was skipped."""

    candidates: Sequence[Candidate]
    edges: Sequence[Edge]
    rewards: Sequence[Reward] | None


@dataclass(frozen=True, slots=True)
class Readings:
    """The figures of one evaluation; None: not measured, or nothing to measure it on."""

    length: float | None = None
    """Correlation of reward and log length within groups, -1 to 1."""
    first_slot: float | None = None
    """The share of decided comparisons among candidates that the first slot won. Those with the reference stand aside:
    a policy that is better than it wins in whatever slot, and HER's rule shows it first in every one."""
    ties: float | None = None
    """The share of read verdicts that are ties."""
    flips: float | None = None
    """Of the pairs that were decided in both orders, the share that was decided for the same slot twice."""
    unread: float | None = None
    """The share of comparisons without a verdict."""
    refused: float | None = None
    """The share of candidates that the gate refused."""
    layouts: float | None = None
    """Shannon entropy of the layouts, in bits."""
    kl: float | None = None
    """Divergence from the model before RL, in nats a token, as the trainer measured it."""
    held_out: float | None = None
    """Win rate against the model before RL by a judge that gives no rewards."""


def readings(
    groups: Sequence[Group],
    *,
    turns: Sequence[Turn] = (),
    audit: Sequence[tuple[Judged, Judged]] = (),
    kl: float | None = None,
    held_out: float | None = None,
) -> Readings:
    """The figures of an evaluation. `turns` are sampled ones, without those that were refused; `audit` are pairs asked
    in both orders, each answer in the order in which it was asked."""
    answers = [edge.verdict for group in groups for edge in group.edges]
    verdicts = [one for one in answers if isinstance(one, Verdict)]
    among = [edge.verdict for group in groups for edge in group.edges if REFERENCE not in (edge.first, edge.second)]
    decided = [one for one in among if isinstance(one, Verdict) and one.winner is not Winner.TIE]
    refused = [not one.passed for group in groups for one in group.candidates]
    return Readings(
        length=_length(groups),
        first_slot=_share([one.winner is Winner.FIRST for one in decided]),
        ties=_share([one.winner is Winner.TIE for one in verdicts]),
        flips=_share(_flips(audit)),
        unread=_share([isinstance(one, Unscored) for one in answers]),
        refused=_share(refused),
        layouts=checks.layouts(turns).entropy if len(turns) >= FEWEST else None,
        kl=kl,
        held_out=held_out,
    )


Bounds = tuple[float | None, float | None]
"""The lowest and highest that are allowed; None: no bound."""

LIMITS: Mapping[str, Bounds] = {
    "length": (-0.4, 0.4),
    "first_slot": (0.35, 0.65),
    "ties": (None, 0.6),
    "flips": (None, 0.45),
    "unread": (None, 0.02),
    "refused": (None, 0.5),
    "layouts": (1.0, None),
    "kl": (None, 0.5),
    "held_out": (0.45, None),
}
"""Where each figure is out of bounds: `flips` that of a median judge on story pairs (lechmazur/position_bias),
`layouts` between the collapsed 0.28 and the healthy 2.15 bits of the paper's Table 6, the rest ours (docs/sources.md).
A run gives its own where it knows better."""
TODO: Mapping[str, str] = {
    "length": "the reward follows the length: measure the judge's length slope again and set the offset",
    "first_slot": "the judge follows the slot: look at the prompt's order, or take another judge",
    "ties": "the judge no longer tells candidates apart: raise the temperature of sampling, or take a finer judge",
    "flips": "the judge contradicts itself when the order is exchanged: test it again, or ask in both orders",
    "unread": "answers cannot be read: look at them, and at the judge's token limit",
    "refused": "most candidates break the form: look at the gate's reasons, and train the form first",
    "layouts": "all turns have one layout: raise the penalty on patterns, or go back to an earlier checkpoint",
    "kl": "the model has gone far from where it began: go back, and lower the rate",
    "held_out": "another judge does not find the turns better: the rewards are being gamed; go back",
}
"""What to do about each."""


@dataclass(frozen=True)
class Watch:
    """Counts breaches from evaluation to evaluation; part of a checkpoint, so that a resumed run goes on counting."""

    limits: Mapping[str, Bounds] = field(default_factory=lambda: dict(LIMITS))
    streaks: Mapping[str, int] = field(default_factory=dict)
    last: Readings = field(default_factory=Readings)

    def __post_init__(self) -> None:
        """Raises InputError for a limit of a figure that does not exist."""
        known = {one.name for one in fields(Readings)}
        if unknown := sorted((self.limits.keys() | self.streaks.keys()) - known):
            raise InputError(f"there is no figure {unknown[0]!r} to watch; there are: {', '.join(sorted(known))}")

    def after(self, readings: Readings) -> Watch:
        """The watch after one more evaluation."""
        streaks = dict(self.streaks)
        for name, (low, high) in self.limits.items():
            value = getattr(readings, name)
            if value is None:
                continue
            # Not a number is worse than any bound, and compares with none.
            out = not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high)
            streaks[name] = streaks.get(name, 0) + 1 if out else 0
        return Watch(self.limits, streaks, readings)

    @property
    def breaches(self) -> dict[str, int]:
        """The figures out of bounds at their last measuring, and for how many evaluations in a row."""
        return {name: count for name, count in self.streaks.items() if count}

    @property
    def halted(self) -> bool:
        """Whether the run is to stop: one figure was out of bounds IN_A_ROW times."""
        return any(count >= IN_A_ROW for count in self.streaks.values())

    def told(self) -> tuple[str, ...]:
        """A line for each breach, the longest first: figure, value, bound, for how long, what to do."""
        lines = []
        for name, count in sorted(self.breaches.items(), key=lambda item: (-item[1], item[0])):
            value, (low, high) = getattr(self.last, name), self.limits.get(name, (None, None))
            said = "not measured this time" if value is None else f"{value:.3g}"
            bounds = " to ".join("any" if bound is None else f"{bound:g}" for bound in (low, high))
            halts = "; the run halts" if count >= IN_A_ROW else ""
            lines.append(f"{name}: {said} (allowed {bounds}), {count} in a row{halts}: {TODO[name]}")
        return tuple(lines)

    def state(self) -> dict[str, object]:
        """What a checkpoint keeps, as JSON has it."""
        limits = {name: list(bounds) for name, bounds in self.limits.items()}
        return {"limits": limits, "streaks": dict(self.streaks), "last": asdict(self.last)}

    @classmethod
    def again(cls, state: Mapping[str, Mapping[str, object]]) -> Watch:
        """The watch of a checkpoint. Raises InputError where it is none."""
        try:
            limits = {name: (bounds[0], bounds[1]) for name, bounds in state["limits"].items()}  # type: ignore[index]
            return cls(limits, dict(state["streaks"]), Readings(**state["last"]))  # type: ignore[arg-type]
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f"this is no watch of an earlier run ({error}); begin a new one") from None


def _share(hits: Sequence[bool]) -> float | None:
    return fmean(hits) if len(hits) >= FEWEST else None


def _flips(audit: Sequence[tuple[Judged, Judged]]) -> list[bool]:
    """Of the pairs that can be read in both orders, which were decided for the same slot twice."""
    read = [(one.winner, two.winner) for one, two in audit if isinstance(one, Verdict) and isinstance(two, Verdict)]
    return [one is two for one, two in read if Winner.TIE not in (one, two)]


def _length(groups: Sequence[Group]) -> float | None:
    pairs: list[tuple[float, float]] = []
    for group in groups:
        known = [
            (reward.value, math.log(one.units))
            for one, reward in zip(group.candidates, group.rewards or (), strict=False)
            if one.passed and one.units > 0 and reward.value is not None
        ]
        if len(known) > 1:
            middle = [fmean(column) for column in zip(*known, strict=True)]
            pairs += [(value - middle[0], long - middle[1]) for value, long in known]
    if len(pairs) < FEWEST:
        return None
    square = [math.fsum(pair[side] ** 2 for pair in pairs) for side in (0, 1)]
    if min(square) < 1e-12:
        return None
    return math.fsum(value * long for value, long in pairs) / math.sqrt(square[0] * square[1])
