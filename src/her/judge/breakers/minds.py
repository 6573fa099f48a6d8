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
LATER = 0.7
TOLD = 0.2
"""How often words that are still to come are quoted rather than a thought, and how often a secret is told where nothing
can be quoted twice: thoughts are not worded as speech is, and a secret needs words of its own, which give it away."""
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
    """What another has only thought, or will only say later, is quoted as said, in a thought; clear: aloud; gross:
    twice, or what another wants or hides is told.

    None where nobody hides anything that the speaker does not know.
    """
    layers = {1: ["thought"], 2: ["speech"], 3: ["thought", "speech"]}[grade]
    later = rng.random() < LATER
    found = _quoted(place, layers, rng, later=later) or _quoted(place, layers, rng, later=not later)
    if found is not None or grade < 3 or rng.random() >= TOLD:
        return found
    return _told(place, rng.choice(("secret", "motive")), rng)


def _quoted(place: Place, layers: Sequence[str], rng: Random, *, later: bool) -> Broken | None:
    """Words of others on both sides: said aloud on the good one; on the other only thought, or said `later` on."""
    latest = [turn for turn in place.heard if turn.speaker not in (ENVIRONMENT, place.speaker)][-6:]
    said = [(turn.speaker, text) for turn in latest for text in _sentences(turn, Kind.SPEECH, place)]
    thought = [(turn.speaker, text) for turn in latest for text in _sentences(turn, Kind.ROLE_THINKING, place)]
    to_come = [(turn.speaker, text) for turn in place.ahead[:6] for text in _sentences(turn, Kind.SPEECH, place)]
    hidden = [(name, text) for name, text in (to_come if later else thought) if _secret(place, text, name)]
    said = [(name, text) for name, text in said if _new(place, text, place.public.replace(text, ""))]
    pairs = [(name, one, other) for name, one in said for owner, other in hidden if owner == name]
    pairs = [pair for pair in pairs if _persons(pair[1]) == _persons(pair[2])]
    pairs.sort(key=lambda pair: (abs(len(pair[1]) - len(pair[2])) // 5, rng.random()))
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
        names.append(f"{found[0]}-{'later' if later else 'thought'}")
        changed.append((texts[0], texts[1]))
    excuse = Excuse(changed=tuple(changed), reversed=True)
    return Broken(place.written(bad), "+".join(names), place.written(good), excuse=excuse)


_PERSONS = {
    "i": "I", "me": "I", "my": "I", "i'm": "I", "i'll": "I", "i've": "I", "i'd": "I", "我": "I", "ich": "I", "je": "I",
    "he": "he", "him": "he", "his": "he", "she": "he", "her": "he", "he's": "he", "她": "he", "他": "he", "er": "he",
    "it": "it", "its": "it", "it's": "it", "that": "it", "this": "it", "there": "it", "这": "it", "那": "it",
    "we": "we", "us": "we", "our": "we", "they": "we", "them": "we", "their": "we",
}  # fmt: skip
"""Words by which a sentence shows of whom it speaks, and so whether it was rather thought or said."""
_YOU = re.compile(r"(?<!\w)(?:you|your|yours|du|dich|dir|ihr|vous|votre|tu|te)(?!\w)|[你您]", re.IGNORECASE)


def _sentences(turn: Turn, kind: Kind, place: Place) -> Iterator[str]:
    """Sentences of a layer that may be quoted; none that shows by whom it speaks to that it was said aloud."""
    least, most = QUOTED
    for one in sentences_of(turn, kind):
        named = any(name in one.text for name in place.names if len(name) > 2)
        told = _YOU.search(one.text) or re.search(r'["“”„«»「」?？]', one.text)
        if least <= len(units(one.text)) <= most and finished(one.text) and not named and not told:
            yield one.text


def _persons(text: str) -> set[str]:
    return {_PERSONS[word] for word in units(text) if word in _PERSONS}


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
    return _new(place, text, "\n".join((place.public, mine.background, mine.motivation, mine.opening_thought, *lived)))


def _new(place: Place, text: str, known: str) -> bool:
    """Whether the telling words of a text are for the most part in no other."""
    words = units(text)
    long = [word for word in words if len(word) > 3] if place.language != "zh" else words
    if not long or (copied_share(text, [known], 5) or 0) > 0.3:
        return False
    held = set(units(known))
    return place.language == "zh" or sum(word in held for word in long) / len(long) < KNOWN


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
