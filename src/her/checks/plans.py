"""Plans and thoughts set against the turns around them: whose turn a plan is for, what it knows too early, what
was thought before in the same words.

Knows words, not meaning: a plan in words of its own agrees with nothing, and a measure then says little.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from her.checks.units import primary, run_length, runs, spaceless_share, unit_spans, units, without_quotes
from her.turn import Kind, Turn

STEM = 5
PRECEDING = 0.6
PIVOT = 0.7
"""Letters of a word that count, the weight of a word that only the preceding turn has, and the power of a turn's
own weight by which its fit is divided; tuned on plans written by hand (tests/plans_by_hand.py, docs/sources.md)."""

AHEAD = 3
AHEAD_CHARACTERS = 6
AHEAD_TERMS = 3
AHEAD_PAIRS = 5
"""What counts as told too early where only later turns hold it: words in a run, and characters of one in a script
without spaces; stems of one later turn in any order, and pairs of characters. The stems are tuned on plans written by
hand (tests/plans_by_hand.py), the rest is ours."""

_ENDINGS = ("ingly", "edly", "ings", "ing", "ed", "ies", "es", "s", "ly", "er", "ness", "ment")
_EMPTY_WORD = re.compile(
    r"about|above|after|again|all|also|although|always|among|and|another|any|anything|are|around|because|been|"
    r"before|being|between|both|but|can|cannot|could|did|does|doing|done|down|each|either|else|ever|every|"
    r"everything|for|from|get|had|has|have|having|her|here|hers|herself|him|himself|his|how|however|into|its|"
    r"itself|just|least|less|let|like|made|make|makes|many|may|mere|might|more|most|much|must|myself|neither|"
    r"never|none|not|nothing|once|one|only|other|others|our|ours|out|over|perhaps|quite|rather|same|say|says|"
    r"shall|she|should|since|some|something|still|such|than|that|the|their|them|themselves|then|there|these|"
    r"they|thing|things|this|those|though|through|thus|together|too|under|until|upon|use|very|was|were|what|"
    r"when|where|whether|which|while|who|whom|whose|will|with|within|without|would|you|your|yours|yourself"
)
_SECOND = {
    "en": r"(?<![\w'’])(?:you|your|yours|yourself|yourselves)(?!\w)",
    "fr": r"(?<![\w'’])(?:tu|toi|te|ton|ta|tes|vous|votre|vos)(?!\w)",
    "de": r"(?<!\w)(?:du|dich|dir|dein\w{0,2}|euch|euer)(?!\w)",
    "es": r"(?<!\w)(?:tú|ti|te|tu|tus|contigo|usted|ustedes)(?!\w)",
    "zh": r"[你您妳]",
}
_CAPITAL = re.compile(r"[^\W\d_][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a plan fits its own turn, and which of the same speaker's other turns it fits best.

    A fit is 0 for no word in common and grows with each, rare ones more; it has no upper bound.
    """

    own: float
    other: float
    at: int
    """The other turn, counted from 0 in the dialogue."""


def plan_agreement(plan: str, turns: Sequence[Turn], at: int) -> Agreement | None:
    """How the plan fits turn `at` of a dialogue, beside the speaker's other turns; None where there is no other.

    A turn stands for the words of its thoughts, deeds and speech and, with less weight, for those of the turn that
    precedes it: a plan takes up what was just said. Names of speakers tell nothing and are left out.
    """
    others = [n for n, turn in enumerate(turns) if turn.speaker == turns[at].speaker and n != at]
    if not others:
        return None
    names = {term for turn in turns for term in _terms(turn.speaker)}
    held = [_terms(_lived(turn)) - names for turn in turns]
    count = Counter(term for terms in held for term in terms)
    weights = {term: math.log((len(turns) + 1) / (number + 0.5)) for term, number in count.items()}
    wanted = _terms(plan)

    def fit(place: int) -> float:
        known = dict.fromkeys(held[place - 1], PRECEDING) if place else {}
        known |= dict.fromkeys(held[place], 1.0)
        size = math.sqrt(sum((weights[term] * share) ** 2 for term, share in known.items()))
        return sum(weights[term] * known[term] for term in wanted & known.keys()) / size**PIVOT if size else 0.0

    best = max(others, key=lambda place: (fit(place), -place))
    return Agreement(fit(at), fit(best), best)


def foresight(text: str, known: Iterable[str], later: Iterable[str], language: str) -> tuple[str, ...]:
    """What the text says that stands only in `later` and nowhere in `known`.

    Runs of telling words, several words of one and the same later text, and names. Names are told by their capital
    letter, so not in German and in scripts without one.
    """
    past, future = [*known], [*later]
    found = [*_ahead_in_runs(text, past, future), *_ahead_in_terms(text, past, future)]
    if primary(language) != "de":
        seen = {word for one in past for word in units(one)}
        new = {name for one in future for name in _names(one)} - seen
        found += [match.group() for match in _CAPITAL.finditer(text) if match.group()[0].isupper() and _in(match, new)]
    return tuple(dict.fromkeys(found))


def near_duplicate(text: str, earlier: Sequence[str]) -> tuple[int, float] | None:
    """Which of the earlier texts is most like this one, from 0, and how like, from 0 to 1; None for no earlier text.

    Likeness is the share of the shorter text's word pairs that the other has too; texts of fewer than four words are
    alike (1) or not (0).
    """
    if not earlier:
        return None
    likes = [_likeness(units(text), units(one)) for one in earlier]
    best = max(range(len(likes)), key=lambda at: (likes[at], at))
    return best, likes[best]


def second_person(text: str, language: str) -> tuple[str, ...] | None:
    """The words outside quotations by which the text speaks to somebody; None for a language not known here.

    Forms that are also something else (German Sie and ihr) are left out.
    """
    pattern = _SECOND.get(primary(language))
    return None if pattern is None else tuple(re.findall(pattern, without_quotes(text), re.IGNORECASE))


def _lived(turn: Turn) -> str:
    return "\n".join(segment.text for segment in turn.segments if segment.kind is not Kind.SYSTEM_THINKING)


def _terms(text: str) -> set[str]:
    """Stems of the words that say something, and pairs of neighbours in scripts without spaces."""
    return {term for term, _ in _terms_at(text)}


def _terms_at(text: str) -> Iterator[tuple[str, str]]:
    """The terms in order, each with the words it stands for."""
    before, edge = "", -1
    for word, start, end in unit_spans(text):
        if len(word) == 1 and not word.isascii():
            if edge == start and len(before) == 1:
                yield before + word, before + word
        elif len(word) > 2 and not _EMPTY_WORD.fullmatch(word):
            yield _stem(word), word
        before, edge = word, end


def _stem(word: str) -> str:
    """A crude stem: enough to set `marry`, `married` and `marrying` side by side."""
    bare = word.removesuffix("'s")
    ending = next((e for e in _ENDINGS if bare.endswith(e) and len(bare) - len(e) >= 3), "")
    bare = bare.removesuffix(ending)
    return (bare.rstrip("ey") if len(bare) > 4 else bare)[:STEM]


def _ahead_in_runs(text: str, past: Sequence[str], future: Sequence[str]) -> list[str]:
    spans = unit_spans(text)
    words = [word for word, _, _ in spans]
    size = AHEAD_CHARACTERS if spaceless_share(words) > 0.5 else AHEAD
    ahead = {run for one in future for run in runs(units(one), size)}
    ahead -= {run for one in past for run in runs(units(one), size)}
    return [
        text[spans[start][1] : spans[start + size - 1][2]]
        for start, run in enumerate(runs(words, size))
        if run in ahead and _telling([text[first:last] for _, first, last in spans[start : start + size]])
    ]


def _ahead_in_terms(text: str, past: Sequence[str], future: Sequence[str]) -> list[str]:
    seen = {term for one in past for term in _terms(one)}
    new = {term: word for term, word in _terms_at(text) if term not in seen}
    need = AHEAD_PAIRS if spaceless_share(units(text)) > 0.5 else AHEAD_TERMS
    for one in future:
        shared = new.keys() & _terms(one)
        if len(shared) >= need:
            return [word for term, word in new.items() if term in shared]
    return []


def _telling(run: Collection[str]) -> bool:
    """True for a run that is no chance: two words with a meaning, names not among them, or all characters."""
    meant = [word for word in run if len(word) > 3 and word[0].islower() and not _EMPTY_WORD.fullmatch(word)]
    return len(meant) > 1 or all(len(word) == 1 for word in run)


def _names(text: str) -> set[str]:
    """Words with a capital letter inside a sentence, folded as `units` folds them."""
    found: set[str] = set()
    for match in _CAPITAL.finditer(text):
        lead = text[: match.start()].rstrip(" ")
        inside = lead[-1:].isalnum() or lead[-1:] in {",", ";"}
        word = match.group()
        # All capitals are emphasis; "I" and its like are no names.
        if inside and word[0].isupper() and word[1:2].islower():
            found.update(units(word)[:1])
    return found


def _in(match: re.Match[str], names: Collection[str]) -> bool:
    return any(word in names for word in units(match.group())[:1])


def _likeness(left: Sequence[str], right: Sequence[str]) -> float:
    size = run_length(left, 2)
    if min(len(left), len(right)) < size + 2:
        return float(left == right and bool(left))
    pairs, others = set(runs(left, size)), set(runs(right, size))
    return len(pairs & others) / min(len(pairs), len(others))
