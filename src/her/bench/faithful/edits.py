"""A text turned round, and the same text in other words by an edit of the same size.

Knows rules, and the words of the languages in `words/`. Refuses to edit where no rule applies, and to set an edit
beside one that is much larger: what a large edit does to a model says nothing about what its meaning did.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from her.checks.units import primary, units

TOLERANCE = 0.2
"""By how much of the larger the two edits may differ in size; below five units they must be equal. Ours."""
_CLAUSE = re.compile(r"[,;:.!?—，。；：！？、]|\b(?:and|but|or)\b")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Edits:
    """A text turned round and reworded; the sizes are units by which each differs from it."""

    turned: str
    reworded: str
    turned_size: int
    reworded_size: int


@dataclass(frozen=True, slots=True)
class _Edit:
    """One place that may be edited; of two in a clause the one of lower rank is the better."""

    start: int
    end: int
    put: str
    rank: int
    size: int


@dataclass(frozen=True, slots=True)
class _Rule:
    find: re.Pattern[str]
    put: str


@lru_cache(maxsize=4096)
def edits(text: str, language: str) -> Edits | None:
    """Both edits of a text, as large as can be matched; None where a rule is missing for either, or a size.

    Each clause is turned round at most once. Where not enough can be reworded, the first clauses are left as they are:
    what somebody means to do stands last. The same text has the same edits always.
    """
    rules = _rules(primary(language))
    if rules is None:
        return None
    turns, others = _of_clauses(text, _found(text, rules[0])), _apart(_found(text, rules[1]))
    for first in range(len(turns)):
        turned = _put(text, turns[first:])
        wanted = distance(text, turned)
        reworded = _put(text, _nearest(others, wanted))
        size = distance(text, reworded)
        if matched(wanted, size):
            return Edits(turned, reworded, wanted, size)
    return None


def turned(text: str, language: str) -> str | None:
    """The text with every clause turned round that can be; None where none can."""
    rules = _rules(primary(language))
    found = _of_clauses(text, _found(text, rules[0])) if rules else []
    return _put(text, found) if found else None


def matched(one: int, other: int) -> bool:
    """Whether two edits are of one size: both of some, and not further apart than TOLERANCE allows."""
    return one > 0 < other and abs(one - other) <= int(TOLERANCE * max(one, other))


def distance(left: str, right: str) -> int:
    """How many units (words, or characters of a script without spaces) one text must change to be the other.

    Levenshtein's distance: a unit put in, taken out or exchanged counts 1.
    """
    ours, theirs = units(left), units(right)
    row = list(range(len(theirs) + 1))
    for above, one in enumerate(ours, 1):
        corner, row[0] = row[0], above
        for at, other in enumerate(theirs, 1):
            corner, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, corner + (one != other))
    return row[-1]


def base_form(verb: str) -> str:
    """An English verb of the third person as it stands after "does not"."""
    irregular = {"has": "have", "lies": "lie", "dies": "die", "ties": "tie"}
    if verb in irregular:
        return irregular[verb]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return verb[:-2] if re.search(r"(?:ch|sh|ss|x|zz|o)es$", verb) else verb[:-1]


def _found(text: str, rules: Sequence[_Rule]) -> list[_Edit]:
    found = []
    for rank, rule in enumerate(rules):
        for match in rule.find.finditer(text):
            group = "x" if "x" in match.re.groupindex else 0
            start, end = match.span(group)
            put = match.expand(rule.put)
            first = text[start : start + 1]
            put = put[:1].upper() + put[1:] if first.isupper() and (start + 1 < len(text)) else put
            size = distance(text[start:end], put)
            if size:
                found.append(_Edit(start, end, put, rank, size))
    return found


def _of_clauses(text: str, found: Iterable[_Edit]) -> list[_Edit]:
    """The best edit of each clause, in order."""
    ends = [match.start() for match in _CLAUSE.finditer(text)]
    best: dict[int, _Edit] = {}
    for edit in sorted(found, key=lambda edit: (edit.rank, edit.start)):
        best.setdefault(sum(end < edit.end for end in ends), edit)
    return _apart(best.values())


def _apart(found: Iterable[_Edit]) -> list[_Edit]:
    """Edits that do not overlap, in order; of those that do, the one of the lowest rank."""
    kept: list[_Edit] = []
    for edit in sorted(found, key=lambda edit: (edit.rank, edit.start)):
        if all(edit.end <= other.start or edit.start >= other.end for other in kept):
            kept.append(edit)
    return sorted(kept, key=lambda edit: edit.start)


def _nearest(found: Sequence[_Edit], size: int) -> list[_Edit]:
    """Those of the edits whose sizes add up to what comes nearest to `size`, fewer where two choices do."""
    ways: dict[int, tuple[_Edit, ...]] = {0: ()}
    for edit in found:
        for reached, chosen in list(ways.items()):
            more = reached + edit.size
            if more <= 2 * size and (more not in ways or len(ways[more]) > len(chosen) + 1):
                ways[more] = (*chosen, edit)
    return list(ways[min(ways, key=lambda reached: (abs(reached - size), reached))])


def _put(text: str, chosen: Iterable[_Edit]) -> str:
    for edit in sorted(chosen, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.put + text[edit.end :]
    return re.sub(r"  +", " ", text).strip()


@cache
def _rules(language: str) -> tuple[tuple[_Rule, ...], tuple[_Rule, ...]] | None:
    """The rules that turn a text round and those that reword it; None for a language without a file of words."""
    file = files("her.bench.faithful").joinpath("words", f"{language}.toml")
    if not language.isalpha() or not file.is_file():
        return None
    told = tomllib.loads(file.read_text("utf-8"))
    turns, others = told["turned"], told["reworded"]
    deeds = [
        _Rule(_compiled(f"(?:{turns['subjects']})(?P<x>{verb})\\b"), f"does not {base_form(verb)}")
        for verb in turns["verbs"].split()
    ]
    return (
        (*_pairs(turns["opposites"]), *_written(turns["rules"]), *deeds, *_pairs(turns["states"])),
        (*_pairs(others["words"]), *_written(others["rules"])),
    )


def _pairs(listed: str) -> list[_Rule]:
    """Rules that exchange words: `a/b` each for the other, `a>b` the first for the second."""
    rules = []
    for pair in listed.split():
        left, both, right = re.split(r"([/>])", pair)
        rules += [_Rule(_word(left), right)] + [_Rule(_word(right), left)] * (both == "/")
    return rules


def _word(word: str) -> re.Pattern[str]:
    return re.compile(re.escape(word) if _CHINESE.search(word) else rf"\b{re.escape(word)}\b")


def _written(rules: Sequence[Sequence[str]]) -> list[_Rule]:
    return [_Rule(_compiled(find), put.replace("’", "'")) for find, put in rules]


def _compiled(find: str) -> re.Pattern[str]:
    return re.compile(find.replace("’", "['’]"))
