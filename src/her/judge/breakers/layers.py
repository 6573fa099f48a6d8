"""Breakers of the layers: the author's plan in the open, and the wrong person; what most families fill wordings with.

Knows what each layer is for. Refuses to know how its marks are written (`marks`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from her.judge.breakers.cuts import capital, with_segment, worked_in
from her.judge.breakers.persons import doer_first, done_by_me, in_third_person
from her.judge.breakers.phrases import lines, pick
from her.judge.breakers.place import Broken, Excuse, Place
from her.turn import Kind, Turn

GRADES = {1: "slight", 2: "clear", 3: "gross"}
"""How the grades are called in the files of wordings."""
LAYERS = {"thought": Kind.ROLE_THINKING, "action": Kind.ROLE_ACTION, "speech": Kind.SPEECH}
LONGEST_AIM = 80
"""Characters of a motivation that are taken into a sentence; a longer one ends with its first clause."""
_SMALL = re.compile(r"(?:Das|Die|Der|Den|Dem|Ein|Eine|Einen|Vor|Nach|Noch|Nicht|Sich|Mit|Von|Zu|Im|In|Auf|Bis)\b")


def aim(place: Place, name: str) -> str | None:
    """What somebody wants, as it stands in the scene, to be used after "wants"; None where its form does not fit."""
    text = place.scene.character(name).motivation.strip().rstrip(".。")
    if place.language == "zh":
        return re.split(r"[，。；]", text)[0] or None
    if not text or re.search(r"[.!?]\s", text):
        return None
    if len(text) > LONGEST_AIM:
        text = re.split(r",\s|;\s| without ", text)[0]
    small = {"en": r"To\s", "fr": r"[A-ZÀ-Ý][a-zà-ÿ]*(?:er|ir|re|oir)\s", "de": _SMALL.pattern}.get(place.language)
    return text[:1].lower() + text[1:] if small and re.match(small, text) and len(text) <= 2 * LONGEST_AIM else None


def fill(place: Place) -> dict[str, str | None]:
    """What a wording may ask for in most families: the two names and the speaker's aim."""
    other = place.others[0] if place.others else None
    return {
        "name": place.speaker,
        "other": other,
        "called": other and place.called(other),
        "aim": aim(place, place.speaker),
    }


def excused(place: Place, family: str, rng: Random, **more: str | None) -> Excuse | None:
    """The excuse that a language's wordings have for a family: a sentence for the setting, or for the profile."""
    filled = {**fill(place), **more}
    if found := pick(place.language, "excuses", f"{family}-setting", rng, filled):
        return Excuse(setting=found[1])
    if found := pick(place.language, "excuses", f"{family}-profile", rng, filled):
        return Excuse(profile=found[1])
    return None


def wording(place: Place, family: str, grade: int, rng: Random) -> tuple[Kind, str, str] | None:
    """A layer, the name of a wording and its words, of those that a family has for a grade."""
    keys = [key for key in LAYERS if lines(place.language, family, f"{GRADES[grade]}-{key}")]
    rng.shuffle(keys)
    for key in keys:
        if found := pick(place.language, family, f"{GRADES[grade]}-{key}", rng, fill(place)):
            words = found[1] if key == "action" else capital(found[1])
            return LAYERS[key], found[0], words
    return None


def plan_leak(place: Place, grade: int, rng: Random) -> Broken | None:
    """The author's plan stands in a thought or an action; gross: it is said aloud."""
    found = wording(place, "plan-leak", grade, rng)
    if found is None:
        return None
    kind, template, words = found
    turn = worked_in(place.turn, kind, words, rng, place.language)
    return Broken(place.written(turn), template, words=words, excuse=excused(place, "plan-leak", rng))


def wrong_person(place: Place, grade: int, rng: Random) -> Broken | None:
    """A deed told with its doer's name; a thought or a deed as a whole in the wrong person; several layers at once."""
    ways: dict[int, list[tuple[str, Callable[[Place, Random], Turn | None]]]] = {
        1: [("named-deed", _named_deed)],
        2: [("told-thought", _told(Kind.ROLE_THINKING)), ("my-deed", _my_deed)],
        3: [("told-speech", _told(Kind.SPEECH)), ("told-thought-named-deed", _thought_and_deed)],
    }
    chosen = list(ways[grade])
    rng.shuffle(chosen)
    for template, way in chosen:
        turn = way(place, rng)
        if turn is not None:
            told = excused(place, "wrong-person", rng) if template == "told-speech" else None
            return Broken(place.written(turn), template, excuse=told)
    return None


def _named_deed(place: Place, rng: Random) -> Turn | None:
    at = [n for n, s in enumerate(place.turn.segments) if s.kind is Kind.ROLE_ACTION and s.text[:1].islower()]
    if place.language == "zh":
        at = [
            n for n, s in enumerate(place.turn.segments) if s.kind is Kind.ROLE_ACTION and s.text[0] not in "我他她它"
        ]
    if not at:
        return None
    segment = rng.choice(at)
    text = place.turn.segments[segment].text
    return with_segment(place.turn, segment, doer_first(text, place.speaker, place.language))


def _my_deed(place: Place, rng: Random) -> Turn | None:
    found = [
        (n, told)
        for n, s in enumerate(place.turn.segments)
        if s.kind is Kind.ROLE_ACTION and (told := done_by_me(s.text, place.language))
    ]
    return with_segment(place.turn, *rng.choice(found)) if found else None


def _told(kind: Kind) -> Callable[[Place, Random], Turn | None]:
    def told(place: Place, rng: Random) -> Turn | None:
        pronoun = place.pronoun(place.speaker)
        if pronoun is None:
            return None
        segments, changed = [], False
        for segment in place.turn.segments:
            third = in_third_person(segment.text, place.speaker, pronoun, place.language)
            if segment.kind is not kind or third is None:
                segments.append(segment)
            else:
                segments.append(replace(segment, text=third))
                changed = True
        return replace(place.turn, segments=tuple(segments)) if changed else None

    return told


def _thought_and_deed(place: Place, rng: Random) -> Turn | None:
    thought = _told(Kind.ROLE_THINKING)(place, rng)
    return None if thought is None else _named_deed(replace(place, turn=thought), rng)
