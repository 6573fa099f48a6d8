"""What is taken of the labels for each part of the data, so that no shortcut pays: order, length, class, book.

Order needs no choice: every pair is written in both. Of the pairs that are decided as many go to the longer side as to
the shorter one, among pairs of about the same difference in length. Answers in which one side wins every finding are
no more than those in which both win some, and ties are a small share.
Knows units and counts. Refuses to lose one: each is taken, or set aside under a reason.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

from her.errors import InputError
from her.judge.data.labels import Label, Shape, shape
from her.judge.verdict import Winner

GAPS = (0.1, 0.3, 0.7)
"""Bounds between classes of difference in length, as the absolute logarithm of the ratio: about 10, 35, 100 %; ours."""
ONE_SIDED = 1.0
"""Most one-sided answers for each answer in which both sides win: 20,000 to 10,000 + 10,000 in the release."""
TIES = 0.15
"""Most ties among the labels of a part: the upper end of what the design of the reward asks for (docs/sources.md)."""
LEAST = 3
"""Findings that an answer must have to be learnt from: what the release's documents ask for."""
SHARES = {"sft": 0.58, "rl": 0.42}
"""Of the labels that either part could use: 108,800 and 80,000 rows in the release's scripts."""

Part = Literal["sft", "rl", "test"]


@dataclass(frozen=True)
class Balance:
    """How strict: most one-sided answers for each two-sided one, greatest share of ties, whether length is levelled."""

    one_sided: float = ONE_SIDED
    ties: float = TIES
    level: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.one_sided < math.inf and 0 <= self.ties < 1):
            raise InputError(
                f"one-sided answers are 0 or more for each two-sided one, not {self.one_sided:g}, and ties a share "
                f"from 0 to below 1, not {self.ties:g}"
            )


@dataclass(frozen=True)
class Unit:
    """A label and what it is balanced by; its two rows stay together."""

    label: Label

    @cached_property
    def lengths(self) -> tuple[int, int]:
        """Characters of both sides as a judge is shown them."""
        case = self.label.pair.case
        first, second = (case.read(side).turn.segments for side in (case.first, case.second))
        return sum(len(piece.text) for piece in first), sum(len(piece.text) for piece in second)

    @property
    def longer_won(self) -> bool | None:
        """Whether the longer side is the better one; None for ties and sides of one length."""
        first, second = self.lengths
        if self.label.winner is Winner.TIE or first == second:
            return None
        return (first > second) is (self.label.winner is Winner.FIRST)

    @property
    def gap(self) -> int:
        """The class of the difference in length, from 0."""
        first, second = (max(1, length) for length in self.lengths)
        return sum(abs(math.log(first / second)) >= bound for bound in GAPS)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The classes of the two answers, each as it was said; empty where nobody argued."""
        return tuple(shape(one) for one in (self.label.given, self.label.exchanged) if one is not None)

    @property
    def arguable(self) -> str:
        """Why there is nothing to learn from the answers; empty where there is."""
        answers = [one for one in (self.label.given, self.label.exchanged) if one is not None]
        if len(answers) < 2:
            return "not argued"
        if Shape.NO_WINNER in self.shapes:
            return Shape.NO_WINNER.value
        if any(len(one.findings) < LEAST for one in answers):
            return "few findings"
        one_sided = {Shape.FIRST_ONLY, Shape.SECOND_ONLY} & set(self.shapes)
        return "tie that one side wins" if one_sided and self.label.winner is Winner.TIE else ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a part takes, in its order, and how many it set aside by reason; together all that it was given."""

    units: tuple[Unit, ...]
    aside: Mapping[str, int]


def parts(
    labels: Sequence[Label], *, held_out: Collection[str] = (), shares: Mapping[str, float] | None = None, seed: int = 0
) -> tuple[dict[Part, list[Unit]], str]:
    """The labels of each part, and what was kept apart: `book`, or `scene` or `place` where there are too few books.

    Pairs of the books `held_out` are for tests, and never anything else. Between sft and rl whole books are given
    out by hash, each to the part that is furthest below its share of the arguable labels; a book without any goes to
    rl. Raises InputError for shares of nothing, or of other parts.
    """
    shares = _checked(SHARES if shares is None else shares)
    found: dict[Part, list[Unit]] = {"sft": [], "rl": [], "test": []}
    rest: list[Unit] = []
    for one in labels:
        (found["test"] if one.pair.book in held_out else rest).append(Unit(one))
    wanted = [name for name in ("sft", "rl") if shares.get(name, 0) > 0]
    name, key = next(
        ((name, key) for name, key in _KEYS.items() if len({key(unit) for unit in rest}) >= len(wanted)),
        ("place", _KEYS["place"]),
    )
    groups: dict[str, list[Unit]] = defaultdict(list)
    for unit in rest:
        groups[key(unit)].append(unit)
    filled = Counter[str]()
    for group in sorted(groups, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()):
        useful = sum(not unit.arguable for unit in groups[group])
        part: Part = "rl"
        if not shares.get("rl", 0) or (useful and _behind(filled, shares) == "sft"):
            part = "sft"
        filled[part] += useful
        found[part] += groups[group]
    return found, name


def read_shares(text: str | None) -> dict[str, float]:
    """The shares in `sft=1,rl=2`; SHARES for None. Raises InputError."""
    if text is None:
        return dict(SHARES)
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        try:
            found[name] = float(number)
        except ValueError:
            raise InputError(f"--shares: {part.strip()!r} is no share; write it like sft=0.6,rl=0.4") from None
    return dict(_checked(found))


def _checked(shares: Mapping[str, float]) -> Mapping[str, float]:
    if strange := sorted(set(shares) - {"sft", "rl"}):
        raise InputError(f"shares: there is no part {strange[0]!r}; the parts are sft and rl")
    if any(not 0 <= share < math.inf for share in shares.values()) or sum(shares.values()) <= 0:
        raise InputError(f"shares: {dict(shares)} must be numbers from 0 up, at least one of them above 0")
    return shares


def _behind(filled: Mapping[str, int], shares: Mapping[str, float]) -> str:
    """The part that is furthest below its share; sft where both are level."""
    sft, rl = (filled.get(name, 0) for name in ("sft", "rl"))
    return "sft" if sft * shares.get("rl", 0) <= rl * shares.get("sft", 0) and shares.get("sft", 0) else "rl"


def _scene(unit: Unit) -> str:
    return unit.label.pair.at.scene.id


def _place(unit: Unit) -> str:
    at = unit.label.pair.at
    return f"{at.scene.id}\0{at.speaker}\0{len(at.turns)}\0{at.turns[-1].id if at.turns else ''}"


_KEYS: dict[str, Callable[[Unit], str]] = {"book": lambda unit: unit.label.pair.book, "scene": _scene, "place": _place}


def for_sft(units: Sequence[Unit], balance: Balance, rng: random.Random) -> Taken:
    """What is learnt from: argued in both orders, balanced by class and length."""
    aside = Counter(unit.arguable for unit in units if unit.arguable)
    argued = [unit for unit in units if not unit.arguable]
    ties = [unit for unit in argued if unit.label.winner is Winner.TIE]
    decided = [unit for unit in argued if unit.label.winner is not Winner.TIE]
    mixed = [unit for unit in decided if set(unit.shapes) == {Shape.BOTH_SIDES}]
    others = [unit for unit in decided if set(unit.shapes) != {Shape.BOTH_SIDES}]
    level = [_levelled(group, balance, rng, aside) for group in (mixed, others)]
    two = list(chain(*level[0]))
    one = _first(level[1], int(len(two) * balance.one_sided), "one-sided", aside)
    return _with_ties([*two, *one], ties, balance, rng, aside)


def for_rl(units: Sequence[Unit], balance: Balance, rng: random.Random) -> Taken:
    """What is practised on: any label, balanced by length, with few ties."""
    aside = Counter[str]()
    decided = [unit for unit in units if unit.label.winner is not Winner.TIE]
    ties = [unit for unit in units if unit.label.winner is Winner.TIE]
    return _with_ties(list(chain(*_levelled(decided, balance, rng, aside))), ties, balance, rng, aside)


def _levelled(
    units: Sequence[Unit], balance: Balance, rng: random.Random, aside: Counter[str]
) -> list[tuple[Unit, ...]]:
    """Couples of a unit that the longer side won and one that the shorter won, and single ones of equal length.

    In an order that is drawn. Couples are of one class of difference as long as there are any, then of any.
    """
    sides: dict[bool | None, list[Unit]] = defaultdict(list)
    for unit in units:
        sides[unit.longer_won].append(unit)
    for side in sides.values():
        rng.shuffle(side)
    if not balance.level:
        alone: list[tuple[Unit, ...]] = [(unit,) for side in sides.values() for unit in side]
        rng.shuffle(alone)
        return alone
    couples: list[tuple[Unit, ...]] = []
    left: dict[bool, list[Unit]] = {True: [], False: []}
    for gap in range(len(GAPS) + 1):
        longer, shorter = ([unit for unit in sides[won] if unit.gap == gap] for won in (True, False))
        met = min(len(longer), len(shorter))
        couples += zip(longer[:met], shorter[:met], strict=True)
        left[True] += longer[met:]
        left[False] += shorter[met:]
    met = min(map(len, left.values()))
    couples += zip(left[True][:met], left[False][:met], strict=True)
    if over := sum(map(len, left.values())) - 2 * met:
        aside["length"] += over
    couples += [(unit,) for unit in sides[None]]
    rng.shuffle(couples)
    return couples


def _first(groups: Sequence[tuple[Unit, ...]], most: int, reason: str, aside: Counter[str]) -> list[Unit]:
    """Whole groups from the first on, `most` units at most."""
    taken: list[Unit] = []
    for group in groups:
        if len(taken) + len(group) <= most:
            taken += group
        else:
            aside[reason] += len(group)
    return taken


def _with_ties(
    decided: list[Unit], ties: list[Unit], balance: Balance, rng: random.Random, aside: Counter[str]
) -> Taken:
    """Decided units and as many ties as their share allows, in an order that is drawn."""
    rng.shuffle(ties)
    most = int(len(decided) * balance.ties / (1 - balance.ties))
    taken = [*decided, *_first([(tie,) for tie in ties], most, "tie", aside)]
    rng.shuffle(taken)
    return Taken(tuple(taken), dict(sorted(aside.items())))


def longer_share(units: Sequence[Unit]) -> float | None:
    """The share of decided pairs that the longer side won; None where no pair has a longer side."""
    won = [unit.longer_won for unit in units if unit.longer_won is not None]
    return sum(won) / len(won) if won else None


def mixed_share(units: Sequence[Unit]) -> float | None:
    """The share of answers in which both sides win a finding (HER's "Mixed Selection"); None without an answer."""
    shapes = [one for unit in units for one in unit.shapes]
    return shapes.count(Shape.BOTH_SIDES) / len(shapes) if shapes else None
