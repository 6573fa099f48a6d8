"""Repetition: within a text, and of what was said before.

All shares are shares of units (see `units`) between 0 and 1; all take time linear in the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import eq

from her.checks.units import NGRAM, run_length, runs, sentences, unit_spans, units, words_of
from her.turn import ENVIRONMENT, Kind, Turn

LOOP_TIMES = 3
LOOP_UNITS = 6
LOOP_PERIOD = 48
STUTTER = 24
"""A loop's least repeats and least words, the longest cycle looked for in words, and the least
characters of a stutter such as "aaaa" or "hahaha" (docs/sources.md)."""

SAID = frozenset({Kind.SPEECH})
_STUTTER_PERIOD = 8


@dataclass(frozen=True, slots=True)
class Loop:
    """A stretch that goes round in circles; `start` and `end` are character offsets."""

    start: int
    end: int
    period: int
    """Length of the cycle, in units, or in characters where `unit` says so."""
    times: int
    """How many whole cycles there are."""
    unit: str
    """`unit` or `character`."""


def repeated_share(text: str, size: int = NGRAM) -> float | None:
    """The share of units in runs of `size` words that the text had already held; None for a text shorter than a run."""
    words = units(text)
    size = run_length(words, size)
    if len(words) < size:
        return None
    seen: set[tuple[str, ...]] = set()
    again = []
    for run in runs(words, size):
        again.append(run in seen)
        seen.add(run)
    return _covered(again, size) / len(words)


def repeated_sentences(text: str) -> float | None:
    """The share of sentences that had already stood in the text; None for fewer than two sentences."""
    said = [tuple(units(sentence)) for sentence in sentences(text)]
    return 1 - len(set(said)) / len(said) if len(said) > 1 else None


def find_loop(text: str) -> Loop | None:
    """The longest stretch that repeats a cycle of units, or else one that repeats characters; None where none does.

    Of two cycles that cover the same stretch the shorter one is named.
    """
    spans = unit_spans(text)
    words = [word for word, _, _ in spans]
    found = _cycle(words, run_length(words, LOOP_PERIOD), run_length(words, LOOP_UNITS))
    if found is not None:
        start, end, period = found
        return Loop(spans[start][1], spans[end - 1][2], period, (end - start) // period, "unit")
    # White space equals nothing here: a wide margin is no stutter.
    found = _cycle([f" {at}" if c.isspace() else c for at, c in enumerate(text)], _STUTTER_PERIOD, STUTTER)
    if found is None:
        return None
    start, end, period = found
    return Loop(start, end, period, (end - start) // period, "character")


def copied_share(text: str, sources: Iterable[str], size: int = NGRAM) -> float | None:
    """The share of the text's units in runs that stand in a source too; None for a short text or no sources."""
    return _copied([units(text)], [units(source) for source in sources], size)


def own_copy(turn: Turn, earlier: Iterable[Turn], kinds: Collection[Kind] = SAID) -> float | None:
    """The share of the turn's units, in segments of these kinds, that its speaker had already used in them.

    None where the turn is shorter than a run or the speaker had not used these kinds yet.
    """
    return _copied(words_of([turn], kinds), words_of((t for t in earlier if t.speaker == turn.speaker), kinds), NGRAM)


def partner_copy(turn: Turn, earlier: Iterable[Turn], kinds: Collection[Kind] = SAID) -> float | None:
    """The same share, of what the other characters had used; the Environment is nobody's partner."""
    others = (t for t in earlier if t.speaker not in {turn.speaker, ENVIRONMENT})
    return _copied(words_of([turn], kinds), words_of(others, kinds), NGRAM)


def repeated_openings(turns: Iterable[Turn], size: int = 3) -> float | None:
    """The share of speeches whose first `size` words opened an earlier speech of the same speaker.

    None where no speaker speaks twice.
    """
    opened: dict[str, set[tuple[str, ...]]] = {}
    later = again = 0
    for turn in turns:
        words = units(turn.text_of(Kind.SPEECH))
        if not words:
            continue
        opening = tuple(words[: run_length(words, size)])
        before = opened.setdefault(turn.speaker, set())
        later += bool(before)
        again += opening in before
        before.add(opening)
    return again / later if later else None


def _copied(texts: Sequence[Sequence[str]], sources: Sequence[Sequence[str]], size: int) -> float | None:
    total = [word for words in texts for word in words]
    size = run_length(total, size)
    if not any(len(words) >= size for words in texts) or not any(sources):
        return None
    known = {run for words in sources for run in runs(words, size)}
    return sum(_covered([run in known for run in runs(words, size)], size) for words in texts) / len(total)


def _covered(hits: Iterable[bool], size: int) -> int:
    """How many units lie in a run that is a hit; `hits` has one value for each run of `size` units."""
    total = end = 0
    for at, hit in enumerate(hits):
        if hit:
            total += at + size - max(at, end)
            end = at + size
    return total


def _cycle(things: Sequence[str], longest: int, least: int) -> tuple[int, int, int] | None:
    """The longest periodic stretch as (start, end, period), the first of equals; None where none is long enough."""
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(thing, len(numbers)) for thing in things]
    best: tuple[int, int, int] | None = None
    beat = least
    for period in range(1, min(longest, len(ids) // LOOP_TIMES) + 1):
        # The comparisons run in C and end as bytes, so that a megabyte takes about a second.
        same = bytes(map(eq, ids, ids[period:]))
        need = max(beat - period, (LOOP_TIMES - 1) * period)
        at = same.find(b"\x01" * need)
        while at >= 0:
            stop = same.find(b"\x00", at)
            stop = len(same) if stop < 0 else stop
            best = (at, stop + period, period)
            need = stop - at + 1
            beat = need + period
            at = same.find(b"\x01" * need, stop)
    return best
