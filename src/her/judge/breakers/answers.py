"""Breakers of the exchange: a turn that says again what it said, one that answers nothing, one in another's manner.

Knows the turns around a place, and takes the words it puts in from them. Refuses to know any wording but manners of
address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

from her.checks import near_duplicate, units
from her.checks.units import run_length
from her.judge.breakers.cuts import finished, inside, merged, one_line, sentences_of, swapped, with_segment
from her.judge.breakers.layers import GRADES, excused
from her.judge.breakers.phrases import lines
from her.judge.breakers.place import Broken, Excuse, Place, address, visible_size
from her.turn import Kind, Turn

TRACE = 2
"""Words of the last turn, none of them small, that may come again in one that is said to take no notice of it."""
MARKED = 2
"""How often a word must stand in somebody's turns, and never in another's, to be a mark of theirs."""
SHORT = 4
"""Words below which a sentence says too little to be known again; of a script without spaces, as many characters as
stand for them."""


def repetition(place: Place, grade: int, rng: Random) -> Broken | None:
    """A sentence of an earlier turn of one's own again; clear: much of one; gross: the latest, nearly as it was.

    None where the character has not spoken yet.
    """
    earlier = [turn for turn in place.own if visible_size(turn) >= 2 * SHORT]
    if not earlier:
        return None
    if grade == 3:
        return _again_whole(place, earlier[-1], rng)
    turn = place.turn
    source = rng.choice(earlier[:-1] or earlier) if grade == 1 else earlier[-1]
    kinds = (Kind.SPEECH,) if grade == 2 or rng.random() < 0.6 else (Kind.ROLE_THINKING, Kind.ROLE_ACTION)
    said = [one for one in sentences_of(source, *kinds) if _known_again(one.text)]
    said = sorted(rng.sample(said, min(grade, len(said))), key=lambda one: (one.segment, one.start))
    if len(said) < grade:
        return None
    for one in said:
        place_of = [s for s in sentences_of(turn, one.kind) if _whole(turn, s.kind, s.text)]
        place_of = [s for s in place_of if all(s.text != other.text for other in said)]
        if not place_of:
            return None
        nearest = min(place_of, key=lambda s: (abs(len(s.text) - len(one.text)), s.segment, s.start))
        turn = swapped(turn, nearest, one.text)
    number = len(place.own) - place.own.index(source)
    words = " ".join(one.text for one in said)
    return Broken(place.written(turn), f"{said[0].kind.value}-{len(said)}-from-{number}-ago", words=words)


def _known_again(text: str) -> bool:
    words = units(text)
    return len(words) >= run_length(words, SHORT)


def _whole(turn: Turn, kind: Kind, text: str) -> bool:
    return kind is Kind.ROLE_ACTION or finished(text)


def _again_whole(place: Place, source: Turn, rng: Random) -> Broken | None:
    """The latest own turn again, one of its layers left as the turn has it now."""
    speech = one_line(source)
    if len(units(speech)) < 2 * SHORT:
        return None
    kept = rng.choice(("nothing", "thought", "action"))
    kinds = {"thought": Kind.ROLE_THINKING, "action": Kind.ROLE_ACTION}
    own = [s for s in place.turn.segments if s.kind is kinds.get(kept)]
    rest = [s for s in source.segments if s.kind is Kind.SPEECH or not own]
    segments = tuple((*own, *rest) if rng.random() < 0.5 else (*rest, *own)) if own else source.segments
    turn = Turn(place.speaker, merged(list(segments)))
    about = Excuse(by=place.others[0], said=_asked(place, "repetition", rng), reversed=True) if place.others else None
    about = about if about and about.said and len(units(speech)) <= 40 else None
    return Broken(place.written(turn), f"whole-keeping-{kept if own else 'nothing'}", words=speech, excuse=about)


def _asked(place: Place, family: str, rng: Random) -> str:
    held = lines(place.language, "excuses", f"{family}-said")
    return rng.choice(held) if held else ""


def ignores(place: Place, grade: int, rng: Random) -> Broken | None:
    """The turn is the same character's from elsewhere: from near by in the scene; from far off in it, or from another
    scene; from another scene, of people and places that nobody here has spoken of.

    None where nothing has been said or done yet, and where every turn from there happens to take it up.
    """
    last = place.last
    if last is None:
        return None
    own = [turn for turn in place.ahead if turn.speaker == place.speaker]
    apart = [turn for turn in place.apart if turn.speaker == place.speaker]
    strange = (
        [turn for turn in apart if _foreign(place, " ".join(s.text for s in turn.segments))]
        if place.language not in _UNCASED
        else apart
    )
    familiar = [turn for turn in apart if turn not in strange]
    pools = {1: [("next", own[:1])], 2: [("far", own[2:]), ("other-scene", familiar)], 3: [("strange", strange)]}[grade]
    rng.shuffle(pools)
    heard = " \n ".join(s.text for s in last.segments if not s.kind.private)
    for where, pool in pools:
        fit = [turn for turn in pool if _fits(place, turn, heard)]
        if fit:
            size = visible_size(place.turn)
            turn = min(rng.sample(fit, min(3, len(fit))), key=lambda one: abs(visible_size(one) - size))
            excuse = excused(place, "ignores-what-was-said", rng)
            return Broken(place.written(turn), f"{where}-{pool.index(turn) + 1}", excuse=excuse)
    return None


_UNCASED = ("zh", "de")
"""Languages in which a capital does not tell a name."""


def _foreign(place: Place, said: str) -> bool:
    """Whether a text speaks of somebody or some place by a name that has not been heard here."""
    known = set(units(place.public)) | {word for name in place.scene.names for word in units(name)}
    return any(set(units(name)) - known for name in re.findall(r"(?<=[a-z,;] )[A-Z][a-z]{2,}", said))


def _fits(place: Place, turn: Turn, heard: str) -> bool:
    """Whether a turn takes no notice of what was heard, and is none that was there already."""
    mine = {word for s in turn.segments for word in _telling(s.text, place.language)}
    if turn.text_of(Kind.SPEECH) == "" or len(mine & _telling(heard, place.language)) > TRACE - 1:
        return False
    texts = [" ".join(s.text for s in one.segments) for one in (*place.own, place.turn)]
    like = near_duplicate(" ".join(s.text for s in turn.segments), texts)
    return like is None or like[1] < 0.3


def _telling(text: str, language: str) -> set[str]:
    """Words that say something: long ones, or pairs of characters in Chinese."""
    words = units(text)
    if language == "zh":
        return {a + b for a, b in pairwise(words)}
    return {word[:6] for word in words if len(word) > 4}


def borrowed_diction(place: Place, grade: int, rng: Random) -> Broken | None:
    """Another's form of address or opening words in a sentence of one's own; clear: in two, or a whole manner of
    speech; gross: their words for one's own, from turns that nobody has heard yet where there are such.

    None where nobody who has spoken has a manner that the speaker lacks.
    """
    ways = {1: (_tic(1), _called_as), 2: (_tic(2), _thee, _broken_english, _own_name, _sentence), 3: (_speech,)}[grade]
    names = [name for name in place.others if name in place.scene.names]
    order = [(way, name) for name in names for way in ways]
    rng.shuffle(order)
    for way, name in order:
        if (found := way(place, name, rng)) is not None:
            template, turn, own = found
            good = place.written(own) if own else ""
            said = _asked(place, "borrowed-diction", rng)
            excuse = Excuse(by=name, said=said) if said else None
            return Broken(place.written(turn), f"{GRADES[grade]}-{template}", good, excuse=excuse)
    return None


Changed = tuple[str, Turn, Turn | None] | None
"""The name of a way, the broken turn, and the good one where that was edited too."""


def _speech_of(turns: Iterable[Turn]) -> str:
    return " \n ".join(turn.text_of(Kind.SPEECH) for turn in turns)


def _marks_of(place: Place, name: str, beside: str) -> set[str]:
    """The words that somebody has in several turns and another never; what the scene is about is not among them."""
    theirs = Counter(word for turn in place.turns_of(name) for word in set(units(one_line(turn))))
    others = set(units(_speech_of(place.turns_of(beside))))
    about = (place.scene.setting, *(f"{c.name} {c.profile} {c.background} {c.motivation}" for c in place.scene.cast))
    subject = {word for text in about for word in units(text) if len(word) > 3}
    return {word for word, count in theirs.items() if count >= MARKED and word not in others | subject}


def _not_yet(place: Place, name: str) -> list[Turn]:
    apart, ahead, past = ([t for t in ts if t.speaker == name] for ts in (place.apart, place.ahead, place.turns))
    return apart or ahead or past


def _in_manner(text: str, marks: set[str], beside: str, least: int = 2) -> bool:
    """Whether a text has a speaker's own marks, and does not name the other who might have said it.

    It is asked of both sides alike, so that neither is told by it.
    """
    held = {word for word in units(text) if word in marks}
    return len(held) >= least and finished(text) and not any(p in text for p in beside.split() if len(p) > 2)


def _speech(place: Place, name: str, rng: Random) -> Changed:
    own = one_line(place.turn)
    marks = _marks_of(place, name, place.speaker)
    said = [one_line(turn) for turn in _not_yet(place, name)]
    theirs = [text for text in said if _in_manner(text, marks, place.speaker)]
    if not theirs or not _in_manner(own, _marks_of(place, place.speaker, name), name):
        return None
    text = min(rng.sample(theirs, min(3, len(theirs))), key=lambda text: abs(len(text) - len(own)))
    at = [n for n, s in enumerate(place.turn.segments) if s.kind is Kind.SPEECH]
    spoken = [replace(s, text=text if n == at[0] else "") if n in at else s for n, s in enumerate(place.turn.segments)]
    return "speech", replace(place.turn, segments=merged([s for s in spoken if s.text])), None


def _sentence(place: Place, name: str, rng: Random) -> Changed:
    """A sentence of another's in the place of one of one's own, both in the manner of whose they are."""
    marks, own = _marks_of(place, name, place.speaker), _marks_of(place, place.speaker, name)
    theirs = [
        one.text
        for turn in _not_yet(place, name)
        for one in sentences_of(turn, Kind.SPEECH)
        if _in_manner(one.text, marks, place.speaker, least=1) and _known_again(one.text)
        if not _foreign(place, one.text)
    ]
    mine = [one for one in sentences_of(place.turn, Kind.SPEECH) if _in_manner(one.text, own, name, least=1)]
    if not theirs or not mine:
        return None
    one = rng.choice(mine)
    text = min(rng.sample(theirs, min(3, len(theirs))), key=lambda text: abs(len(text) - len(one.text)))
    return "sentence", swapped(place.turn, one, text), None


def _called_as(place: Place, name: str, rng: Random) -> Changed:
    """A third called by the name that another has for them, and the speaker never."""
    edge = ("", "") if place.language == "zh" else (r"(?<!\w)", r"(?!\w)")
    own = _all_of(place, place.speaker)
    for third in (one for one in place.scene.names if one not in (name, place.speaker)):
        mine, theirs = address(third, own), address(third, _all_of(place, name))
        if not mine or not theirs or mine == theirs:
            continue
        called = re.compile(re.escape(mine).join(edge))
        # One form may stand inside the other, as "Doyle" does in "Mr. Doyle".
        if theirs in (called.sub("", own) if theirs in mine else own):
            continue
        said = [one for one in sentences_of(place.turn, Kind.SPEECH) if called.search(one.text)]
        if said:
            one = rng.choice(said)
            return f"called-{theirs}", swapped(place.turn, one, theirs.join(called.split(one.text))), None
    return None


def _all_of(place: Place, name: str) -> str:
    held = [*place.turns_of(name), *([place.turn] if name == place.speaker else [])]
    return "\n".join(one_line(turn) for turn in held)


def _tic(count: int) -> Callable[[Place, str, Random], Changed]:
    """So many sentences of one's own with another's way of calling people behind them, or of beginning before them."""

    def way(place: Place, name: str, rng: Random) -> Changed:
        theirs = [one_line(turn) for turn in place.turns_of(name)]
        mine = " ".join((place.character.profile, *(one_line(t) for t in place.turns_of(place.speaker)), place.text))
        tics = [*_addresses("\n".join(theirs), mine, place.language), *_openings(theirs, mine, place)]
        fit = [one for one in sentences_of(place.turn, Kind.SPEECH) if re.search(r"[\w’'][.!?。！？]$", one.text)]
        # Nobody is called twice in one sentence.
        called = [re.escape(word) for word in (*lines(place.language, "borrowed-diction", "address"), *place.names)]
        twice = "|".join(called) if place.language == "zh" else r", [^,]*[A-Z][\w. ]*[.!?]$"
        fit = [one for one in fit if not re.search(twice, one.text)]
        if not tics or len(fit) < count:
            return None
        turn = own = place.turn
        used: list[str] = []
        comma = "，" if place.language == "zh" else ", "
        for one in sorted(rng.sample(fit, count), key=lambda one: (-one.segment, -one.start)):
            tic, calls, first = rng.choice([t for t in tics if t[0] not in used] or tics)
            small = inside(one.text, place.language, place.names)
            mine_here = _own_words(place, one.text, rng, calls=calls)
            if mine_here is None or (first and small is None):
                return None
            used.append(tic)
            # The good side begins so or calls somebody as well, in the speaker's own way.
            bad, good = (
                f"{word}{comma}{small}" if first else f"{one.text[:-1]}{comma}{word}{one.text[-1]}"
                for word in (tic, mine_here)
            )
            turn, own = swapped(turn, one, bad), swapped(own, one, good)
        name = "+".join(re.sub(r"\W+", "-", tic.lower()) for tic in used)
        return name, turn, own

    return way


def _own_words(place: Place, sentence: str, rng: Random, *, calls: bool) -> str | None:
    """How the speaker calls people, or begins, more than once, in words that this sentence does not have.

    None where there are none: what has a manner on one side alone would be told by it.
    """
    said = [one_line(turn) for turn in (*place.turns_of(place.speaker), place.turn)]
    own = _addresses("\n".join(said), sentence, place.language) if calls else _openings(said, sentence, place)
    return rng.choice([word for word, _, _ in own]) if own else None


def _addresses(theirs: str, mine: str, language: str) -> list[tuple[str, bool, bool]]:
    """Ways of calling people that another has more than once, as calls and not as words, and the speaker never."""
    found = []
    for word in lines(language, "borrowed-diction", "address"):
        call = rf", {re.escape(word)}(?=[,.!?;])|(?:^|[.!?] ){re.escape(word.capitalize())}(?=,)"
        call = rf"(?:^|[，。！？]){re.escape(word)}(?=[，。！？])" if language == "zh" else call
        edge = re.escape(word) if language == "zh" else rf"(?<!\w){re.escape(word)}(?!\w)"
        if len(re.findall(call, theirs, re.MULTILINE)) >= MARKED and not re.search(edge, mine, re.IGNORECASE):
            # In Chinese a call stands first.
            found.append((word, True, language == "zh"))
    return found


def _openings(theirs: Sequence[str], mine: str, place: Place) -> list[tuple[str, bool, bool]]:
    """What another begins sentences with in several turns, set off by a comma, and the speaker never; no names."""
    head = r"[A-Z][\w'’ ]{0,24}," if place.language != "zh" else r"[\u4e00-\u9fff]{1,4}，"
    pattern = re.compile(rf"(?:^|[.!?。！？]\s?)({head})")
    heads = Counter(head[:-1] for text in theirs for head in set(pattern.findall(text)))
    return [
        (head, False, True)
        for head, count in heads.items()
        if count >= MARKED and head.lower() not in mine.lower() and len(head.split()) < 5
        if not any(part in head for part in place.names)
        if not re.search(r"\b(?:you|he|she|they)\b", head, re.IGNORECASE)
    ]


def _own_name(place: Place, name: str, rng: Random) -> Changed:
    """Another's way of saying "I" by a part of the own name, in Chinese; where that part is a word of theirs alone."""
    theirs = _speech_of(place.turns_of(name))
    profile = place.scene.character(name).profile
    found = re.search(r"自称([\u4e00-\u9fff]{1,2})", profile)
    if place.language != "zh" or found is None or theirs.count(found[1]) < MARKED:
        return None
    turn = place.turn
    for at, segment in enumerate(turn.segments):
        if segment.kind is Kind.SPEECH:
            turn = with_segment(turn, at, re.sub(r"(?:我|小人)(?!们)", found[1], segment.text))
    return ("own-name", turn, None) if turn.segments != place.turn.segments else None


_THEE = ((r"\byou are\b", "thou art"), (r"\byours\b", "thine"), (r"\byour\b", "thy"), (r"\byou\b", "thee"))


def _thee(place: Place, name: str, rng: Random) -> Changed:
    """`thee` and `thy` for one who says `you`, where another says them."""
    theirs = re.findall(r"\b(?:thee|thou|thy|thine)\b", _speech_of(place.turns_of(name)), re.IGNORECASE)
    mine = _speech_of((*place.turns_of(place.speaker), place.turn))
    if place.language != "en" or len(theirs) < MARKED or re.search(r"\b(?:thee|thou|thy)\b", mine, re.IGNORECASE):
        return None
    turn = place.turn
    for at, segment in enumerate(turn.segments):
        if segment.kind is Kind.SPEECH:
            text = segment.text
            for pattern, word in _THEE:
                text = re.sub(pattern, word, text)
                text = re.sub(pattern.replace("you", "You"), word.capitalize(), text)
            turn = with_segment(turn, at, text)
    return ("thee", turn, None) if turn.segments != place.turn.segments else None


def _broken_english(place: Place, name: str, rng: Random) -> Changed:
    """Articles and helping verbs left out, where another speaks so and the speaker does not."""
    theirs, mine = (units(_speech_of(place.turns_of(one))) for one in (name, place.speaker))
    if (
        place.language != "en"
        or min(len(theirs), len(mine)) < 40
        or _articles(theirs) > 0.015
        or _articles(mine) < 0.04
    ):
        return None
    turn = place.turn
    for at, segment in enumerate(turn.segments):
        if segment.kind is Kind.SPEECH:
            bare = re.sub(r"\b(?:the|an?|am|is|are|do|does|have|has|will|would|to)\s+(?=\w)", "", segment.text)
            bare = re.sub(r"(^|[.!?] )(?:The|An?|It is|There is)\s+(\w)", lambda m: m[1] + m[2].upper(), bare)
            turn = with_segment(turn, at, bare)
    lost = len(units(_speech_of([place.turn]))) - len(units(_speech_of([turn])))
    return ("broken-english", turn, None) if lost >= 4 else None


def _articles(words: Sequence[str]) -> float:
    return sum(word in {"a", "an", "the"} for word in words) / len(words)
