"""Breakers of the voice: an assistant's set phrases, fine words about nothing, the same said again at length.

Knows how much of a turn a grade takes, or adds. Refuses to know the phrases (`wordings/`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from her.checks import units
from her.judge.breakers.cuts import (
    capital,
    finished,
    inside,
    joined,
    put,
    sentences_of,
    swapped,
    with_segment,
)
from her.judge.breakers.layers import GRADES, LAYERS, excused, fill
from her.judge.breakers.phrases import lines, pick
from her.judge.breakers.place import Broken, Place, visible_size
from her.turn import Kind, Segment, Turn

GROWN = {1: 1.3, 2: 2.0, 3: 3.0}
"""How many times as long a padded turn is, by grade."""
EMPTY = {1: 0.0, 2: 0.5, 3: 1.0}
"""The share of the sentences of thoughts and speech that fine words take the place of; slight: one sentence."""


def assistant_voice(place: Place, grade: int, rng: Random) -> Broken | None:
    """A phrase of service in the speech; clear: one before and one after; gross: the play is broken off."""
    key = GRADES[grade]
    first = pick(place.language, "assistant-voice", f"{key}-first", rng, fill(place))
    last = pick(place.language, "assistant-voice", f"{key}-last", rng, fill(place))
    if first is None or last is None:
        return None
    used = [first, last] if grade == 2 else [rng.choice([first, last])]
    turn = place.turn
    for found in used:
        turn = _at_edge(turn, found[1], first=found is first)
    template = "+".join(found[0] for found in used)
    excuse = excused(place, "assistant-voice", rng) if grade < 3 else None
    return Broken(place.written(turn), template, words=" ".join(found[1] for found in used), excuse=excuse)


def _at_edge(turn: Turn, words: str, *, first: bool) -> Turn:
    """Words before all speech, or after it; a speech that breaks off is not gone on with."""
    at = [n for n, s in enumerate(turn.segments) if s.kind is Kind.SPEECH]
    if not at:
        return replace(turn, segments=(*turn.segments, Segment(Kind.SPEECH, words)))
    if first:
        return with_segment(turn, at[0], joined(words, turn.segments[at[0]].text))
    text = turn.segments[at[-1]].text
    return with_segment(turn, at[-1], joined(text if finished(text) else f"{text.rstrip(',，')}.", words))


def empty_eloquence(place: Place, grade: int, rng: Random) -> Broken | None:
    """Fine sentences that fit any scene in the place of the turn's own: one, half of them, or all."""
    held = [
        one
        for one in sentences_of(place.turn, Kind.SPEECH, Kind.ROLE_THINKING)
        if finished(one.text) and (_begins(place.turn, one.segment) or one.start)
    ]
    if len(held) < (2 if grade < 3 else 1):
        return None
    count = max(1, round(EMPTY[grade] * len(held)))
    chosen = held if grade == 3 else rng.sample(held, count)
    turn, used = place.turn, []
    for one in sorted(chosen, key=lambda one: (-one.segment, -one.start)):
        layer = "speech" if one.kind is Kind.SPEECH else "thought"
        pool = [n for n in range(len(lines(place.language, "empty-eloquence", layer))) if (layer, n) not in used]
        if not pool:
            return None
        number = rng.choice(pool)
        used.append((layer, number))
        turn = swapped(turn, one, lines(place.language, "empty-eloquence", layer)[number])
    template = "+".join(f"{layer}-{n + 1}" for layer, n in sorted(used)[:3])
    excuse = excused(place, "empty-eloquence", rng) if grade < 3 else None
    return Broken(place.written(turn), f"{GRADES[grade]}-{template}", excuse=excuse)


def _begins(turn: Turn, segment: int) -> bool:
    """Whether a segment begins a sentence; speech that a thought broke off does not."""
    before = [s for s in turn.segments[:segment] if s.kind is turn.segments[segment].kind]
    return not before or finished(before[-1].text)


def padding(place: Place, grade: int, rng: Random) -> Broken | None:
    """The turn with its own sentences said again and with sentences that only say that something is said, until it is
    1.3, 2 or 3 times as long. None where it has no sentence that can be said again."""
    goal = GROWN[grade] * visible_size(place.turn)
    turn, used = place.turn, set[str]()
    own = [
        one
        for one in sentences_of(place.turn, Kind.SPEECH, Kind.ROLE_THINKING)
        if 3 <= len(units(one.text)) <= 25 and re.search(r"[\w’'][.。]$", one.text)
    ]
    if not own:
        return None
    again = [one.text for one in own]
    for _ in range(60):
        if visible_size(turn) >= 0.95 * goal:
            break
        grown = _longer(place, turn, again, used, rng)
        turn = turn if grown is None or visible_size(grown) > 1.2 * goal else grown
    if visible_size(turn) < 0.85 * goal:
        return None
    excuse = excused(place, "padding", rng) if grade < 3 else None
    template = "+".join(sorted(used)[:3])
    return Broken(place.written(turn), f"{GRADES[grade]}-{template}", excuse=excuse)


def _longer(place: Place, turn: Turn, again: list[str], used: set[str], rng: Random) -> Turn | None:
    """The turn with one more sentence that adds nothing: one of its own in a frame behind it, or an empty one."""
    if again and rng.random() < 0.6:
        text = again[0]
        found = pick(
            place.language,
            "padding",
            "again",
            rng,
            {"said": inside(text.rstrip(".。"), place.language, place.names), "Said": text},
        )
        here = [one for one in sentences_of(turn, Kind.SPEECH, Kind.ROLE_THINKING) if one.text == text]
        if found is None or not here or found[0] in used:
            return None
        again.pop(0)
        used.add(found[0])
        return swapped(turn, here[-1], joined(text, capital(found[1])))
    kind = rng.choice([k for k in LAYERS if any(s.kind is LAYERS[k] for s in turn.segments)])
    found = pick(place.language, "padding", kind, rng, fill(place))
    if found is None or found[0] in used:
        return None
    used.add(found[0])
    words = found[1] if kind == "action" else capital(found[1])
    return put(turn, LAYERS[kind], words, rng, place.language)
