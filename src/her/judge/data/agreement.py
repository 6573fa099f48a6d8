"""How far readers agree, beyond what chance would bring about.

Knows the two kappas. Refuses to put a number where there is nothing to count: that is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from her.judge.verdict import Winner

Answers = Mapping[str, Winner]
"""What one reader, or a list of known answers, says of pairs, by id."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two readers on the pairs that both have read. `same` is the share on which they agree, `kappa` Cohen's; both
    None without a pair, `kappa` also where both gave one and the same answer to all."""

    one: str
    other: str
    pairs: int
    same: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Every two readers, and all of them together on the `pairs` that all have read, with Fleiss' kappa.

    `kappa` is None for fewer than two readers, without a pair, and where all answers are one and the same.
    """

    readers: tuple[str, ...]
    meetings: tuple[Meeting, ...]
    pairs: int
    kappa: float | None


def agreement(readers: Mapping[str, Answers]) -> Agreement:
    """How far these readers agree."""
    names = tuple(sorted(readers))
    shared = sorted(set.intersection(*(set(readers[name]) for name in names))) if names else []
    rows = [[readers[name][pair] for name in names] for pair in shared]
    meetings = tuple(meeting(one, readers[one], other, readers[other]) for one, other in combinations(names, 2))
    return Agreement(names, meetings, len(shared), fleiss(rows))


def meeting(one: str, ones: Answers, other: str, others: Answers) -> Meeting:
    """Two readers on the pairs that both have read."""
    both = sorted(set(ones) & set(others))
    answers = [(ones[pair], others[pair]) for pair in both]
    same = sum(left is right for left, right in answers) / len(both) if both else None
    return Meeting(one, other, len(both), same, cohen(answers))


def cohen(answers: Sequence[tuple[Winner, Winner]]) -> float | None:
    """Cohen's kappa of two readers (Cohen 1960): 1 is full agreement, 0 what chance brings about, below 0 less."""
    if not answers:
        return None
    left, right = (Counter(column) for column in zip(*answers, strict=True))
    chance = sum(left[answer] * right[answer] for answer in Winner) / len(answers) ** 2
    return _beyond(sum(one is other for one, other in answers) / len(answers), chance)


def fleiss(rows: Sequence[Sequence[Winner]]) -> float | None:
    """Fleiss' kappa (Fleiss 1971): a row holds the answers of all readers to one pair, as many in every row."""
    readers = len(rows[0]) if rows else 0
    if readers < 2:
        return None
    counts = [Counter(row) for row in rows]
    alike = sum(n * (n - 1) for count in counts for n in count.values()) / (len(rows) * readers * (readers - 1))
    totals = sum(counts, Counter())
    chance = sum((n / (len(rows) * readers)) ** 2 for n in totals.values())
    return _beyond(alike, chance)


def _beyond(seen: float, chance: float) -> float | None:
    # Where chance alone would bring full agreement, no agreement can be more than chance.
    return None if chance > 1 - 1e-12 else (seen - chance) / (1 - chance)


def majority(answers: Sequence[Winner]) -> Winner | None:
    """What more than half of the readers say; None where no answer has so many, and where nobody answered."""
    for answer, count in Counter(answers).most_common(1):
        if 2 * count > len(answers):
            return answer
    return None


def lines(between: Agreement, known: Sequence[Meeting] = ()) -> list[str]:
    """The agreement of readers, and of each with the known answers, a line each for people to read."""
    found = [_line(f"{one.one} and {one.other}", one.pairs, one.same, one.kappa) for one in between.meetings]
    if len(between.readers) > 2:
        found.append(_line(f"all {len(between.readers)} readers", between.pairs, None, between.kappa))
    found += [_line(f"{one.other} and the known answers", one.pairs, one.same, one.kappa) for one in known]
    return found


def _line(who: str, pairs: int, same: float | None, kappa: float | None) -> str:
    parts = [f"{pairs:,} pair{'' if pairs == 1 else 's'} in common"]
    parts += [f"{same:.0%} the same"] if same is not None else []
    parts += [f"kappa {kappa:.2f}"] if kappa is not None else ["no kappa"] if pairs else []
    return f"{who}: {', '.join(parts)}"
