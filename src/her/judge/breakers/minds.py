"""Breakers of other minds: their feelings stated, their secrets known, their parts played.

Knows what others in the scene think, hide, and do next. Refuses to know what a wording says (`wordings/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

from her.checks import copied_share, sentences, units
from her.judge.breakers.cuts import capital, finished, inside, joined, one_line, put, sentences_of, worked_in
from her.judge.breakers.layers import LAYERS, aim, excused, fill, wording
from her.judge.breakers.phrases import pick
from her.judge.breakers.place import Broken, Excuse, Place
from her.turn import ENVIRONMENT, Kind, Segment, Turn

QUOTES = {"en": ('"', '"'), "zh": ("“", "”"), "de": ("„", "“"), "fr": ("« ", " »")}
QUOTED = (4, 22)
"""Fewest and most units of a sentence that is quoted from another's speech or thought."""
TOLD = 0.35
"""How often a secret is told where no two thoughts can be quoted: it needs words of its own, which give it away."""
KNOWN = 0.35
"""The share of a secret's longer words that stand in what everyone knows, from which on it is none."""


def quote(text: str, language: str) -> str:
    """The text between the quotation marks of its language, English ones for others."""
    left, right = QUOTES.get(language, QUOTES["en"])
    return f"{left}{text}{right}"


def mind_reading(place: Place, grade: int, rng: Random) -> Broken | None:
    """Another's feeling stated as known; clear: what it comes from; gross: a mind followed thought by thought.

    None where nobody else is there.
    """
    found = wording(place, "mind-reading", grade, rng) if place.others else None
    if found is None:
        return None
    kind, template, words = found
    excuse = excused(place, "mind-reading", rng)
    guess = pick(place.language, "mind-reading", "guess", rng, {"said": inside(words, place.language, _names(place))})
    if grade < 3 and kind is Kind.ROLE_THINKING and guess is not None and rng.random() < 0.5:
        # The same guessed: the good side differs by that alone.
        draw = rng.random()
        bad, good = (put(place.turn, kind, one, Random(draw)) for one in (words, capital(guess[1])))
        return Broken(place.written(bad), f"{template}-{guess[0]}", place.written(good), words, excuse)
    turn = worked_in(place.turn, kind, words, rng, place.language)
    return Broken(place.written(turn), template, words=words, excuse=excuse)


def _names(place: Place) -> frozenset[str]:
    """The words with which a name may begin as the speaker says it."""
    return place.names | {place.called(name).split()[0] for name in place.scene.names}


def outside_knowledge(place: Place, grade: int, rng: Random) -> Broken | None:
    """What another has only thought is quoted as said, in a thought; clear: aloud; gross: twice, or what another wants
    or hides is told.

    None where nobody hides anything that the speaker does not know.
    """
    if grade < 3:
        return _quoted(place, ["thought" if grade == 1 else "speech"], rng)
    twice = _quoted(place, ["thought", "speech"], rng)
    return twice or (_told(place, rng.choice(("secret", "motive")), rng) if rng.random() < TOLD else None)


def _quoted(place: Place, layers: Sequence[str], rng: Random) -> Broken | None:
    """Words of others on both sides: said aloud on the good one, only thought on the other."""
    latest = [turn for turn in place.heard if turn.speaker not in (ENVIRONMENT, place.speaker)][-6:]
    pairs = [
        (turn.speaker, said, thought)
        for turn in latest
        for said in _sentences(turn, Kind.SPEECH, place)
        for thought in _sentences(turn, Kind.ROLE_THINKING, place)
        if _secret(place, thought, turn.speaker)
    ]
    pairs.sort(key=lambda pair: (_unlike(*pair[1:]), rng.random()))
    good = bad = place.turn
    names, changed = [], list[tuple[str, str]]()
    for layer in layers:
        free = [pair for pair in pairs if all(pair[1] != said and pair[2] != thought for said, thought in changed)]
        if not free:
            return None
        name, *texts = free[0]
        filled = {"other": name, "called": place.called(name), "quote": "@"}
        found = pick(place.language, "outside-knowledge", f"quoted-{layer}", rng, filled)
        if found is None:
            return None
        draw = rng.random()
        good, bad = (
            put(turn, LAYERS[layer], found[1].replace("@", quote(text, place.language)), Random(draw), place.language)
            for turn, text in zip((good, bad), texts, strict=True)
        )
        names.append(found[0])
        changed.append((texts[0], texts[1]))
    excuse = Excuse(changed=tuple(changed), reversed=True)
    return Broken(place.written(bad), "+".join(names), place.written(good), excuse=excuse)


_PERSONS = frozenset(
    ("i", "me", "my", "i'm", "i'll", "he", "him", "his", "she", "her", "it", "we", "they", "我", "他", "她")
)
_YOU = re.compile(r"(?<!\w)(?:you|your|yours|du|dich|dir|ihr|vous|votre|tu|te)(?!\w)|[你您]", re.IGNORECASE)


def _sentences(turn: Turn, kind: Kind, place: Place) -> Iterator[str]:
    """Sentences of a layer that may be quoted; none that shows by whom it speaks to that it was said aloud."""
    least, most = QUOTED
    for one in sentences_of(turn, kind):
        named = any(name in one.text for name in place.names if len(name) > 2)
        told = _YOU.search(one.text) or re.search(r'["“”„«»「」?？]', one.text)
        if least <= len(units(one.text)) <= most and finished(one.text) and not named and not told:
            yield one.text


def _unlike(said: str, thought: str) -> float:
    """How far two sentences are apart in form: of whom they speak, and how long they are."""
    forms = [{word for word in units(text) if word in _PERSONS} for text in (said, thought)]
    return len(forms[0] ^ forms[1]) + abs(len(said) - len(thought)) / 20


def _told(place: Place, key: str, rng: Random) -> Broken | None:
    hidden = [
        (name, text)
        for name in place.others
        for text in (_motive(place, name) if key == "motive" else _background(place, name))
        if text and _secret(place, text, name)
    ]
    if not hidden:
        return None
    name, text = rng.choice(hidden)
    filled = {"other": name, "called": place.called(name), "secret": text}
    found = pick(place.language, "outside-knowledge", key, rng, filled)
    if found is None:
        return None
    turn = worked_in(place.turn, Kind.SPEECH, capital(found[1]), rng, place.language)
    excuse = excused(place, "outside-knowledge", rng, other=name, secret=text) if key == "secret" else None
    return Broken(place.written(turn), found[0], words=found[1], excuse=excuse)


def _motive(place: Place, name: str) -> list[str]:
    text = aim(place, name)
    return [text] if text else []


def _background(place: Place, name: str) -> list[str]:
    """The beginning of what lies behind somebody: one sentence, and two; a later one may hang on what it follows."""
    held = [one for one in sentences(place.scene.character(name).background) if finished(one)]
    return [joined("", held[0]), joined(held[0], held[1])] if len(held) > 1 else held


def _secret(place: Place, text: str, owner: str) -> bool:
    """Whether the speaker can not know the text: it names nobody of the cast but its owner, and its words are new."""
    parts = {part for name in place.scene.names if name != owner for part in name.split() if len(part) > 3}
    parts |= {name for name in place.scene.names if name != owner}
    if any(part in text for part in parts):
        return False
    mine = place.character
    lived = [s.text for turn in place.turns_of(place.speaker) for s in turn.segments]
    known = units("\n".join((place.public, mine.background, mine.motivation, mine.opening_thought, *lived)))
    long = [word for word in units(text) if len(word) > 3] if place.language != "zh" else units(text)
    if not long or (copied_share(text, [place.public], 5) or 0) > 0.3:
        return False
    return place.language == "zh" or sum(word in set(known) for word in long) / len(long) < KNOWN


def speaks_for_others(place: Place, grade: int, rng: Random) -> Broken | None:
    """Another's deed stands in the turn; clear: another's answer; gross: an exchange of several lines is played out.

    What they do and say is what they do next in the scene where that is known. None where nobody else is there.
    """
    if not place.others:
        return None
    after = [turn for turn in place.ahead if turn.speaker != ENVIRONMENT]
    deed = _deed(place, after, rng)
    if grade == 1:
        if deed is None:
            return None
        turn = put(place.turn, Kind.ROLE_ACTION, deed[1], rng, place.language)
        return Broken(place.written(turn), deed[0], words=deed[1])
    line = _line(place, after, rng)
    if line is None:
        return None
    template, held = line[0], _ended(place.turn.segments, line[1])
    if grade == 3:
        if deed is None:
            return None
        template = f"{template}-{deed[0]}-and-on"
        held = _ended(held, Segment(Kind.ROLE_ACTION, deed[1]))
        back = next((t for t in after if t.speaker == place.speaker and t.text_of(Kind.SPEECH)), None)
        if back is not None:
            held = (*held, Segment(Kind.SPEECH, one_line(back)))
    return Broken(place.written(Turn(place.speaker, held)), template, words=line[1].text)


def _deed(place: Place, after: Sequence[Turn], rng: Random) -> tuple[str, str] | None:
    """The name of a wording, and somebody else's deed with its doer."""
    deeds = [
        (turn.speaker, segment.text)
        for turn in after[:2]
        if turn.speaker != place.speaker
        for segment in turn.segments
        if segment.kind is Kind.ROLE_ACTION and (segment.text[:1].islower() or place.language == "zh")
    ]
    if deeds and rng.random() < 0.7:
        name, text = rng.choice(deeds)
        return "real-deed", f"{name}{text}" if place.language == "zh" else f"{name} {text}"
    return pick(place.language, "speaks-for-others", "deed", rng, fill(place))


def _line(place: Place, after: Sequence[Turn], rng: Random) -> tuple[str, Segment] | None:
    """The name of a wording, and what another says, as part of an action or of the speech."""
    spoken = next((t for t in after if t.speaker != place.speaker and t.text_of(Kind.SPEECH)), None)
    said = ("", one_line(spoken)) if spoken else None
    said = said or pick(place.language, "speaks-for-others", "answer", rng, fill(place))
    name = spoken.speaker if spoken else place.others[0]
    if said is None or re.search(r'["“”„«»「」]', said[1]):
        return None
    layer = rng.choice(("action", "speech"))
    before = re.sub(r"\.$", ",", said[1])
    filled = {"other": name, "quote": quote(said[1], place.language), "quote_on": quote(before, place.language)}
    found = pick(place.language, "speaks-for-others", f"line-{layer}", rng, filled)
    return (found[0], Segment(LAYERS[layer], found[1])) if found else None


def _ended(held: Sequence[Segment], new: Segment) -> tuple[Segment, ...]:
    """Segments with one more at the end; speech goes behind speech, as a name at a line's start is another's turn."""
    at = max((n for n, s in enumerate(held) if s.kind is new.kind), default=None)
    if new.kind is Kind.SPEECH and at is not None and finished(held[at].text):
        return (*held[:at], Segment(Kind.SPEECH, joined(held[at].text, new.text)), *held[at + 1 :])
    if new.kind is Kind.SPEECH:
        new = Segment(Kind.ROLE_ACTION, new.text)
    if held[-1].kind is new.kind:
        joint = "；" if re.search(r"[\u4e00-\u9fff]", new.text) else "; "
        return (*held[:-1], Segment(new.kind, f"{held[-1].text.rstrip('.。')}{joint}{new.text}"))
    return (*held, new)
