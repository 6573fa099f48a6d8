"""Second step: raw principles that say the same in like words become one candidate, with what supports it.

Knows words, not meaning: two ways of saying a thing without a word in common stay apart, for a teacher (`merged`) or a
person (`review`) to bring together. What comes out does not hang on the order of what comes in.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from her.checks.units import unit_spans, units
from her.judge.induce.rows import MOST_EVIDENCE, Candidate, Raw
from her.judge.principles import load

ALIKE = 0.45
"""Likeness from which two wordings are one candidate. No two of our own principles reach 0.3 in either language; most
rewordings of one principle exceed it (tests/induced_wordings.py)."""
IN_NAME = 0.5
"""What a word adds to its weight by standing in the name."""
_STEM = 5
_MOST_WORDINGS = 8

Vector = Mapping[str, float]
T = TypeVar("T", bound=str)


def clustered(raws: Iterable[Raw], least: int = 2) -> tuple[Candidate, ...]:
    """The candidates that at least so many pairs support, the best supported first."""
    groups: dict[tuple[str, str], list[Raw]] = defaultdict(list)
    for raw in raws:
        groups[raw.language, " ".join(units(raw.name))].append(raw)
    by_language: dict[str, list[list[Raw]]] = defaultdict(list)
    for (language, _), group in sorted(groups.items()):
        by_language[language].append(sorted(group, key=_place))
    candidates = [
        _candidate(cluster) for language, several in by_language.items() for cluster in _joined(several, language)
    ]
    return by_support(one for one in candidates if len(one.pairs) >= least)


def by_support(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates, those of most pairs first."""
    return tuple(sorted(candidates, key=lambda one: (-len(one.pairs), -len(one.books), one.id)))


def likeness(left: tuple[str, str], right: tuple[str, str], language: str) -> float:
    """How alike two wordings (name, definition) are, from 0 to 1: the cosine of their words, rare ones heavier."""
    return _cosine(_vector(*left, language), _vector(*right, language))


def _joined(groups: Sequence[list[Raw]], language: str) -> list[list[Raw]]:
    """Groups of one name each, brought together: the largest lead, and each joins the leader it is most like."""
    ordered = sorted(groups, key=lambda group: (-len(group), _place(group[0])))
    vectors: list[Vector] = []
    clusters: list[list[Raw]] = []
    where: dict[str, list[int]] = defaultdict(list)
    for group in ordered:
        vector = _mean([_vector(raw.name, raw.definition, language) for raw in group])
        scores: dict[int, float] = defaultdict(float)
        for term, weight in vector.items():
            for at in where[term]:
                scores[at] += weight * vectors[at][term]
        best = min(scores, key=lambda at: (-scores[at], at), default=None)
        if best is not None and scores[best] >= ALIKE:
            clusters[best] += group
            continue
        for term in vector:
            where[term].append(len(clusters))
        vectors.append(vector)
        clusters.append([*group])
    return clusters


def _candidate(raws: Sequence[Raw]) -> Candidate:
    """One candidate of raw principles that say the same."""
    language = raws[0].language
    vectors = [_vector(raw.name, raw.definition, language) for raw in raws]
    middle = _mean(vectors)
    closeness = [round(_cosine(vector, middle), 9) for vector in vectors]
    central = raws[closeness.index(max(closeness))]
    negative = 2 * sum(raw.negative for raw in raws) > len(raws)
    names = Counter(raw.name for raw in raws if raw.name != central.name)
    others = sorted(names, key=lambda name: (-names[name], name))
    # One piece of evidence a pair, from as many books as there are.
    pairs = {raw.evidence.pair: raw for raw in reversed(raws)}
    first_of = {raw.book: raw.evidence for raw in reversed(pairs.values())}
    shown = dict.fromkeys([*first_of.values(), *(raw.evidence for raw in pairs.values())])
    return Candidate(
        name=central.name,
        definition=central.definition,
        dimension=_most(raw.dimension for raw in raws),
        level=_most(raw.level for raw in raws),
        negative=negative,
        language=language,
        raw=len(raws),
        contrary=sum(raw.negative is not negative for raw in raws),
        pairs=tuple(sorted(pairs)),
        books=tuple(sorted({raw.book for raw in raws})),
        wordings=tuple(others[:_MOST_WORDINGS]),
        evidence=tuple(shown)[:MOST_EVIDENCE],
    )


def _place(raw: Raw) -> tuple[str, ...]:
    """What raw principles are put in order by: all that they say."""
    return raw.name, raw.definition, raw.evidence.pair, raw.model_dump_json()


def _most(values: Iterable[T]) -> T:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def _vector(name: str, definition: str, language: str) -> Vector:
    """The words of a principle by weight, of length 1."""
    # In order: sums of floats hang on it, and the order of a set on the process.
    weights = dict.fromkeys(sorted(_terms(definition)), 1.0)
    for term in sorted(_terms(name)):
        weights[term] = weights.get(term, 0.0) + IN_NAME
    known = _known(language)
    return _scaled({term: weight * known.get(term, known[""]) for term, weight in weights.items()})


@cache
def _known(language: str) -> dict[str, float]:
    """How telling a word is, by how many of our own principles say it; under the empty word, one that none says.

    They are the measure, and not the words at hand, so that two wordings are as alike in any company.
    """
    every = [_terms(f"{one.name(language)}\n{one.definition(language)}") for one in load()]
    count = Counter(term for terms in every for term in terms)
    weights = {term: math.log((len(every) + 1) / (number + 0.5)) for term, number in count.items()}
    return {**weights, "": math.log((len(every) + 1) / 0.5)}


def _terms(text: str) -> set[str]:
    """The beginnings of the words, and pairs of neighbours in scripts without spaces."""
    found: set[str] = set()
    before, edge = "", -1
    for word, start, end in unit_spans(text):
        single = len(word) == 1 and not word.isascii()
        if not single:
            found.add(word.removesuffix("'s")[:_STEM])
        elif edge == start and len(before) == 1:
            found.add(before + word)
        before, edge = word if single else "", end
    return found


def _mean(vectors: Sequence[Vector]) -> Vector:
    total: dict[str, float] = defaultdict(float)
    for vector in vectors:
        for term, weight in vector.items():
            total[term] += weight
    return _scaled(total)


def _scaled(vector: Vector) -> Vector:
    size = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {term: weight / size for term, weight in vector.items()} if size else {}


def _cosine(left: Vector, right: Vector) -> float:
    return sum(weight * right.get(term, 0.0) for term, weight in left.items())
