"""From what a judge said to figures: how often it is right, and what else moves it.

Knows pairs with a known answer and what was said of them. Refuses to know bars (`accept`), and to count a missing
verdict as a win, a loss or a tie.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from her.judge.bench.asked import Asked, Outcome
from her.judge.bench.attacks import OPENER
from her.judge.bench.figure import Figure, Seen, measured, share
from her.judge.bench.measures import FIGURES, Account, Answers, Bin, Family, Measures, Unlabelled
from her.judge.verdict import MOST, Unscored, Winner

ALIKE = math.log2(1.1)
"""Doublings between two candidates that count as equally long: 10 %."""
BINS = (0.0, 0.15, 0.5, 1.0, 2.0)
"""Where bins of length begin, in doublings."""
_ANY = (-math.inf, math.inf)


def measure(answers: Answers, rng: random.Random, surface: Mapping[str, bool]) -> Measures:
    """All figures of these answers; `surface` says of each probed family whether the text alone tells the answer."""
    every = answers.everything
    figures = {name: measured(seen(answers, surface), share, rng) for name, seen in _SHARES.items()}
    slots = ((one, one.first_slot) for one in answers.pairs)
    # A pair whose two orders differ moves it by a half at most.
    seen = [one.seen(points, 1) for one, points in slots if points is not None]
    figures["first_slot"] = measured(seen, share, rng, within=(-0.5, 0.5), reach=0.5)
    # A preference that has nothing to do with length would look like a steep slope on pairs of nearly one length.
    equal = [(one, x) for one, x in _equal(answers.pairs) if abs(x) >= ALIKE]
    figures["length"] = _slope([(one, x, _points(one) - 0.5) for one, x in equal], 0.5, rng)
    figures["length_margin"] = _slope([(one, x, one.verdict.margin) for one, x in equal if one.verdict], MOST, rng)
    figures["length_natural"] = measured(_regression(answers.pairs), _regressed, rng, within=_ANY)
    return Measures(
        figures={name: figures[name] for name in FIGURES},
        families=tuple(_families(answers.pairs, surface, rng)),
        accounts=tuple(_accounts([*answers.pairs, *answers.openers])),
        unlabelled=(_unlabelled("triples", answers.edges), _unlabelled("asked again", [*answers.again.values()])),
        lengths=tuple(_bins(answers.pairs, rng)),
        reasons=dict(Counter(reason for one in every if (reason := _reason(one))).most_common()),
        tokens={
            name: _mean(getattr(one, name) for one in every)
            for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
        },
    )


# Shares: what each pair adds.


def _right(asked: Iterable[Asked]) -> list[Seen]:
    """Of all that were asked; missing verdicts are not right."""
    return [one.seen(one.outcome is Outcome.CORRECT, 1) for one in asked]


def _settled(asked: Iterable[Asked]) -> list[Seen]:
    """By the verdict alone: in the scored form it has a winner where the signs of two orders have none."""
    both = ((one, one.verdict) for one in asked)
    return [one.seen(verdict is not None and verdict.winner is one.pair.better, 1) for one, verdict in both]


def _natural(pairs: Iterable[Asked]) -> list[Asked]:
    return [one for one in pairs if one.pair.kind == "natural" and one.pair.better is not Winner.TIE]


def _broken(pairs: Iterable[Asked]) -> list[Asked]:
    return [one for one in pairs if one.pair.kind == "broken"]


def _probed(answers: Answers, surface: Mapping[str, bool], told: bool | None) -> list[Asked]:
    """Broken pairs whose answer the text alone tells, or does not; None: of which that is not known."""
    return [one for one in _broken(answers.pairs) if surface.get(one.pair.family) is told]


def _twins(pairs: Iterable[Asked]) -> list[Asked]:
    return [one for one in pairs if one.pair.kind == "twin"]


def _both(pairs: Iterable[Asked]) -> list[Asked]:
    return [one for one in pairs if one.orders is not None]


def _by_length(holds: Callable[[float], bool]) -> Callable[[Answers, Mapping[str, bool]], list[Seen]]:
    return lambda answers, _: _right(
        one for one in _natural(answers.pairs) if one.doublings is not None and holds(_longer(one))
    )


def _blind(answers: Answers, _: Mapping[str, bool]) -> list[Seen]:
    known = {one.pair.id for one in _broken(answers.pairs) if one.outcome is Outcome.CORRECT}
    found = [one for one in _twins(answers.pairs) if one.pair.twin_of in known and one.verdict is not None]
    return [one.seen(one.outcome is not Outcome.CORRECT, 1) for one in found]


def _opened(answers: Answers, _: Mapping[str, bool]) -> list[Seen]:
    return [one.seen(1 - _for_better(one), 1) for one in answers.openers if one.verdict is not None]


def _chained(answers: Answers, _: Mapping[str, bool]) -> list[Seen]:
    found = []
    for three in answers.triples:
        winners = [edge.verdict.winner for edge in three if edge.verdict is not None]
        if len(winners) == 3 and (held := transitive(*winners)) is not None:
            found.append(three[0].seen(held, 1))
    return found


def _stable(answers: Answers, _: Mapping[str, bool]) -> list[Seen]:
    both = [(one, one.verdict, other.verdict) for one in answers.pairs if (other := answers.again.get(one.pair.id))]
    return [one.seen(first.winner is second.winner, 1) for one, first, second in both if first and second]


def transitive(ab: Winner, bc: Winner, ac: Winner) -> bool | None:
    """Whether of three candidates one that beats another, which beats the third, beats the third; None without such a
    chain."""
    beats = set()
    for pair, winner in (("ab", ab), ("bc", bc), ("ac", ac)):
        if winner is not Winner.TIE:
            beats.add(pair if winner is Winner.FIRST else pair[::-1])
    chains = {one[0] + other[1] for one in beats for other in beats if one[1] == other[0]}
    return chains <= beats if chains else None


_SHARES: dict[str, Callable[[Answers, Mapping[str, bool]], list[Seen]]] = {
    "natural": lambda answers, _: _right(_natural(answers.pairs)),
    "broken": lambda answers, surface: _right(_probed(answers, surface, False)),
    "surface": lambda answers, surface: _right(_probed(answers, surface, True)),
    "unprobed": lambda answers, surface: _right(_probed(answers, surface, None)),
    "natural_mean": lambda answers, _: _settled(_natural(answers.pairs)),
    "broken_mean": lambda answers, surface: _settled(_probed(answers, surface, False)),
    "consistent": lambda answers, _: [one.seen(bool(one.agrees), 1) for one in _both(answers.pairs)],
    "flipped": lambda answers, _: [one.seen(one.flips, 1) for one in _both(answers.pairs)],
    "tie_recall": lambda answers, _: _right(one for one in answers.pairs if one.pair.better is Winner.TIE),
    "tie_precision": lambda answers, _: [
        one.seen(one.pair.better is Winner.TIE, 1) for one in answers.pairs if one.ties
    ],
    "twins": lambda answers, _: _right(_twins(answers.pairs)),
    "blind": _blind,
    "matched": _by_length(lambda longer: abs(longer) <= ALIKE),
    "longer_better": _by_length(lambda longer: longer > ALIKE),
    "longer_worse": _by_length(lambda longer: longer < -ALIKE),
    "opener": _opened,
    "transitive": _chained,
    "stable": _stable,
    "unscored": lambda answers, _: [one.seen(one.verdict is None, 1) for one in answers.everything],
}


# Length.


def _points(one: Asked) -> float:
    """What the first got; of pairs that have a verdict."""
    assert one.points is not None
    return one.points


def _for_better(one: Asked) -> float:
    """What the better one got."""
    return _points(one) if one.pair.better is Winner.FIRST else 1 - _points(one)


def _longer(one: Asked) -> float:
    """How many doublings the better one is longer."""
    return (one.doublings or 0.0) * (1 if one.pair.better is Winner.FIRST else -1)


def _equal(pairs: Iterable[Asked]) -> list[tuple[Asked, float]]:
    """Pairs of equal quality and unequal length that have a verdict, with the doublings.

    No twins: who judges without the scene takes their edit for a breach, and no length is to blame for that.
    """
    ties = (one for one in pairs if one.pair.better is Winner.TIE and one.pair.kind != "twin")
    found = [one for one in ties if one.verdict is not None]
    return [(one, one.doublings) for one in found if one.doublings]


def _slope(found: Sequence[tuple[Asked, float, float]], most: float, rng: random.Random) -> Figure:
    """What a doubling adds, by regression through the point where both are equally long and neither is preferred.

    A case that differs from all others moves it no farther than one where the longer candidate wins by `most`.
    """
    squares = sum(x * x for _, x, _ in found)
    reach = most * sum(abs(x) for _, x, _ in found) / squares if squares else 0.0
    return measured([one.seen(x * y, x * x) for one, x, y in found], share, rng, within=_ANY, reach=reach)


def _regression(pairs: Iterable[Asked]) -> list[Seen]:
    found = [one for one in _natural(pairs) if one.doublings is not None and one.verdict is not None]
    cases = [(one, _longer(one), _for_better(one)) for one in found]
    return [one.seen(1, x, y, x * y, x * x) for one, x, y in cases]


def _regressed(sums: Sequence[float]) -> float | None:
    count, x, y, product, squares = sums
    spread = count * squares - x * x
    return (count * product - x * y) / spread if spread > 1e-9 else None


def _bins(pairs: Sequence[Asked], rng: random.Random) -> Iterable[Bin]:
    """Over pairs of equal quality, and over natural ones of which one is better."""
    natural = [(one, one.doublings) for one in _natural(pairs) if one.verdict is not None and one.doublings]
    for equal, found in ((True, _equal(pairs)), (False, natural)):
        for low, high in zip(BINS, (*BINS[1:], math.inf), strict=True):
            within = [(one, x) for one, x in found if low <= abs(x) < high]
            if within:
                seen = [one.seen(_points(one) if x > 0 else 1 - _points(one), 1) for one, x in within]
                yield Bin(low, None if high == math.inf else high, equal, measured(seen, share, rng))


# Tables.


def _families(pairs: Sequence[Asked], surface: Mapping[str, bool], rng: random.Random) -> Iterable[Family]:
    sorts: dict[tuple[str, str, int], list[Asked]] = {}
    for one in pairs:
        for grade in sorted({0, int(one.pair.grade)}):
            sorts.setdefault((one.pair.kind, _name(one), grade), []).append(one)
    for (kind, name, grade), found in sorted(sorts.items()):
        told = surface.get(name) if kind == "broken" else None
        yield Family(kind, name, grade, told, measured(_right(found), share, rng))


def _accounts(asked: Sequence[Asked]) -> Iterable[Account]:
    sorts: dict[tuple[str, str], list[Asked]] = {}
    for one in asked:
        sorts.setdefault(("attack" if one.pair.family == OPENER else one.pair.kind, _name(one)), []).append(one)
    for (kind, name), found in sorted(sorts.items()):
        counts = Counter(one.outcome for one in found)
        yield Account(
            kind=kind,
            name=name,
            asked=len(found),
            correct=counts[Outcome.CORRECT],
            wrong=counts[Outcome.WRONG],
            tie=counts[Outcome.TIE],
            unscored=counts[Outcome.UNSCORED],
            flipped=sum(one.flips for one in found),
        )


def _unlabelled(name: str, asked: Sequence[Asked]) -> Unlabelled:
    scored = sum(one.verdict is not None for one in asked)
    return Unlabelled(name, len(asked), scored, len(asked) - scored)


def _name(one: Asked) -> str:
    return one.pair.family or one.pair.subset or one.pair.source


def _reason(one: Asked) -> str:
    """Why there is no verdict; empty where there is one."""
    verdict = one.judgement.verdict
    return str(verdict.reason) if isinstance(verdict, Unscored) else ""


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
