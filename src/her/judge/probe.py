"""What the text alone tells: a probe that sees two candidates and no scene, and what else an edit has moved.

Knows runs of words and characters, lengths, and a small logistic regression that is trained on some books and asked
about others. Refuses to know what a family is: one that the probe can tell is `surface`, whatever it was meant to test.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from her.checks import (
    copied_share,
    foreign_share,
    length,
    mind_reading,
    own_copy,
    perspective,
    repeated_share,
    slop_rate,
    units,
    wrong_language,
)
from her.checks.intervals import Sums, interval, unseen
from her.judge.case import Case
from her.judge.pairs import Pair
from her.judge.verdict import Winner
from her.turn import Ending

SURFACE = 0.6
"""The share of pairs that the probe gets right from which on a family is surface; half of them is chance."""
FOLDS = 5
BUCKETS = 1 << 18
"""Numbers that features are hashed to; an edit has some hundred features."""
RATE = 0.5
DECAY = 1e-4
ROUNDS = 6
"""Steps of the regression: rate, shrinking, and how often it sees its pairs; set on planted data (tests), where a
word in a third of one side and a difference in length are found and nothing is found in noise."""
CHARACTERS = (4,)
_WORDS = (1, 2)
LEAST = 20
"""Pairs below which a family is not probed."""
_OFTEN = 0.05
"""How much worse a check may be before it counts as moved: shares; rates and counts have to be larger at all."""


@dataclass(frozen=True, slots=True)
class Probed:
    """How often the text alone told the answer: the share of pairs of books that the probe had not seen.

    `low` and `high` are the 95 % interval over books, None where there are too few of them.
    """

    family: str
    pairs: int
    accuracy: float
    low: float | None
    high: float | None

    @property
    def surface(self) -> bool:
        """Whether the answer stands on the surface."""
        return self.accuracy > SURFACE


@dataclass(frozen=True, slots=True)
class Moved:
    """In how many of a family's pairs the broken side is worse by a check that knows nothing of families."""

    family: str
    pairs: int
    worse: Mapping[str, float]


def report(pairs: Iterable[Pair], rng: Random) -> dict[str, Probed]:
    """The probe's accuracy for every family of broken pairs; families with too few pairs, or one book, are left out.

    Books are dealt into up to FOLDS parts; each part is asked of a regression that was trained on the others.
    """
    families: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.kind == "broken":
            families[pair.family].append(pair)
    found = {name: _probed(name, held, Random(rng.getrandbits(64))) for name, held in sorted(families.items())}
    return {name: one for name, one in found.items() if one is not None}


def _probed(family: str, pairs: Sequence[Pair], rng: Random) -> Probed | None:
    books = sorted({pair.book for pair in pairs})
    if len(pairs) < LEAST or len(books) < 2:
        return None
    rng.shuffle(books)
    part = {book: at % FOLDS for at, book in enumerate(books)}
    seen = _spread([(pair.book, features(pair)) for pair in pairs])
    rows = [(part[p.book], f, 1 if p.better is Winner.FIRST else -1) for p, f in zip(pairs, seen, strict=True)]
    sums: dict[str, list[float]] = {book: [0.0, 0.0] for book in books}
    for fold in sorted(set(part.values())):
        weights = _trained([(found, side) for other, found, side in rows if other != fold], rng)
        for pair, (own, found, side) in zip(pairs, rows, strict=True):
            if own == fold:
                score = side * _score(weights, found)
                # A pair of which nothing is known is half right.
                sums[pair.book][0] += 1.0 if score > 0 else 0.5 if score == 0 else 0.0
                sums[pair.book][1] += 1
    right = sum(one[0] for one in sums.values()) / len(pairs)
    return Probed(family, len(pairs), right, *_ends(list(sums.values()), right, rng))


def _ends(books: Sequence[Sums], right: float, rng: Random) -> tuple[float | None, float | None]:
    """The interval over books; where all pairs are alike, what so many books leave open."""
    if right in (0.0, 1.0):
        return (0.0, unseen(len(books))) if right == 0 else (1 - unseen(len(books)), 1.0)
    return interval(books, _share, rng) or (None, None)


def _spread(rows: Sequence[tuple[str, dict[int, float]]]) -> list[dict[int, float]]:
    """The features of each row that more than one book has; of one alone nothing can be learnt about others."""
    books: dict[int, set[str]] = defaultdict(set)
    for book, found in rows:
        for key in found:
            books[key].add(book)
    return [{key: value for key, value in found.items() if len(books[key]) > 1} for _, found in rows]


def _share(sums: Sums) -> float | None:
    return sums[0] / sums[1] if sums[1] else None


def features(pair: Pair) -> dict[int, float]:
    """What sets the first candidate apart from the second: hashed runs of words and characters, and lengths.

    What both have alike is 0 and left out, so that exchanged candidates have the same features with the other sign.
    """
    first, second = _counted(pair.first), _counted(pair.second)
    found: dict[int, float] = defaultdict(float)
    for key in first.keys() | second.keys():
        if by := math.copysign(math.log1p(abs(d)), d) if (d := first[key] - second[key]) else 0.0:
            found[zlib.crc32(key.encode()) % BUCKETS] += by
    scale = math.sqrt(sum(value * value for value in found.values())) or 1.0
    found = {key: value / scale for key, value in found.items()}
    sizes = [length(text) for text in (pair.first, pair.second)]
    lengths = (
        math.log((sizes[0].characters + 1) / (sizes[1].characters + 1)),
        math.log((sizes[0].sentences + 1) / (sizes[1].sentences + 1)),
    )
    return {**found, **{-1 - at: math.tanh(4 * value) for at, value in enumerate(lengths)}}


def _counted(text: str) -> Counter[str]:
    words = units(text)
    runs = Counter(f"w{' '.join(words[at : at + size])}" for size in _WORDS for at in range(len(words) - size + 1))
    runs.update(f"c{text[at : at + size]}" for size in CHARACTERS for at in range(len(text) - size + 1))
    return runs


def _trained(rows: Sequence[tuple[Mapping[int, float], int]], rng: Random) -> dict[int, float]:
    """The weights of a logistic regression without a constant, averaged over all steps."""
    weights: dict[int, float] = defaultdict(float)
    total: dict[int, float] = defaultdict(float)
    order = list(rows)
    step = 0
    for number in range(ROUNDS):
        rng.shuffle(order)
        for found, side in order:
            step += 1
            push = RATE / (1 + number) * side / (1 + math.exp(min(30.0, side * _score(weights, found))))
            for key, value in found.items():
                change = push * value - DECAY * weights[key]
                weights[key] += change
                total[key] += step * change
    # The mean of the weights after each step, without a pass over all of them at every one.
    return {key: value - total[key] / (step + 1) for key, value in weights.items()}


def _score(weights: Mapping[int, float], found: Mapping[int, float]) -> float:
    return sum(value * weights.get(key, 0.0) for key, value in found.items())


def moved(pairs: Iterable[Pair]) -> dict[str, Moved]:
    """For each family of broken pairs, the share of pairs whose broken side is worse by each cheap check.

    A check that is the family's own business is no fault; any other that moves more than rarely is. The checks are
    `perspective`, `minds`, `own words`, `loops`, `language`, `stock phrases`, `heard words` (copied from another's last
    turn), `longer` (by half and more), `shorter` (by a third and more), `layout` (other layers than before), `marks`.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for pair in pairs:
        if pair.kind == "broken":
            sizes[pair.family] += 1
            counts[pair.family].update(worse(pair))
    return {
        name: Moved(name, size, {check: counts[name][check] / size for check in sorted(counts[name])})
        for name, size in sorted(sizes.items())
    }


def worse(pair: Pair) -> list[str]:
    """The checks by which the broken side of a pair is worse than the other."""
    case = pair.case
    good, bad = (pair.first, pair.second) if pair.better is Winner.FIRST else (pair.second, pair.first)
    before, after = _measured(case, good), _measured(case, bad)
    found = [name for name, value in after.items() if value > before[name] + (_OFTEN if value <= 1 else 0)]
    size = length(case.shown(bad)).units / max(1, length(case.shown(good)).units)
    found += ["longer"] if size >= 1.5 else ["shorter"] if size <= 2 / 3 else []
    kinds = [{s.kind for s in case.read(text).turn.segments} for text in (good, bad)]
    return [*found, *(["layout"] if kinds[0] != kinds[1] else [])]


def _measured(case: Case, text: str) -> dict[str, float]:
    """The checks as numbers, each larger where it is worse; a check that does not apply is 0 on both sides."""
    read = case.read(text)
    turn, language = read.turn, case.scene.language
    words = "\n".join(segment.text for segment in turn.segments)
    others = [name for name in case.scene.names if name != case.speaker]
    last = [s.text for t in case.before[-1:] if t.speaker != case.speaker for s in t.segments]
    return {
        "perspective": len(perspective(turn, language) or ()),
        "minds": len(mind_reading(turn, language, others) or ()),
        "own words": own_copy(turn, case.before) or 0,
        "loops": repeated_share(words) or 0,
        "language": float(wrong_language(words, language) or (foreign_share(words, language) or 0) > _OFTEN),
        "stock phrases": slop_rate(words, language) or 0,
        "heard words": copied_share(words, last) or 0,
        "marks": len(read.faults) + (read.ending is not Ending.COMPLETE) - 1,
    }
