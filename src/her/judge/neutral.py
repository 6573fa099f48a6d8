"""Edits that change nothing that matters: a judge has to call their two sides equal.

Knows spellings, marks, and small words that may stand for each other. Refuses to touch what a character's voice hangs
on: a short form is written out only where the turn has both, and no word is put in a mouth that never used its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType

from her.judge.breakers.cuts import Sentence, finished, sentences_of, with_segment
from her.judge.breakers.phrases import lines, wordings
from her.judge.breakers.place import Place, visible_size
from her.turn import Kind, Segment, Turn

Edit = Callable[[Place, Random], Turn | None]
"""A turn that says the same, or None where the edit finds nothing to change."""
SHORT_TURN = 45
"""Units up to which a turn is given a moment of plain waiting; in a longer one it would not be seen."""


def _everywhere(place: Place, change: Callable[[str], str], *kinds: Kind) -> Turn | None:
    """The turn with a change in all segments of these kinds, all where none is named; None where nothing changed."""
    segments = tuple(
        replace(s, text=change(s.text)) if not kinds or s.kind in kinds else s for s in place.turn.segments
    )
    return None if segments == place.turn.segments else replace(place.turn, segments=segments)


def _in_place(turn: Turn, one: Sentence, text: str) -> Turn:
    whole = turn.segments[one.segment].text
    return with_segment(turn, one.segment, whole[: one.start] + text + whole[one.end :])


def _apostrophes(place: Place, rng: Random) -> Turn | None:
    """Straight apostrophes for curly ones, or the other way round."""
    text = " ".join(s.text for s in place.turn.segments)
    old, new = ("’", "'") if "’" in text else ("'", "’")
    return _everywhere(place, lambda t: re.sub(rf"(?<=\w){old}(?=\w)", new, t))


def _quotes(place: Place, rng: Random) -> Turn | None:
    """Another sort of quotation marks."""
    pairs = [(("“", "”"), ("「", "」")), (("「", "」"), ("“", "”"))] if place.language == "zh" else []
    pairs += [(("“", "”"), ('"', '"')), (("„", "“"), ("»", "«")), (("« ", " »"), ("“", "”"))]
    text = " ".join(s.text for s in place.turn.segments)
    found = next(((old, new) for old, new in pairs if old[0] in text and old[1] in text), None)
    if found is not None:
        (left, right), (opens, closes) = found
        return _everywhere(place, lambda t: t.replace(left, opens).replace(right, closes))
    if text.count('"') and text.count('"') % 2 == 0:
        return _everywhere(place, lambda t: re.sub(r'"([^"]*)"', r"“\1”", t))
    return None


def _ellipses(place: Place, rng: Random) -> Turn | None:
    """One sign for three full stops, or the other way round."""
    text = " ".join(s.text for s in place.turn.segments)
    if "…" in text:
        return _everywhere(place, lambda t: t.replace("……", "...").replace("…", "..."))
    return _everywhere(place, lambda t: t.replace("...", "……" if place.language == "zh" else "…"))


def _dashes(place: Place, rng: Random) -> Turn | None:
    """Another dash."""
    if place.language == "zh":
        return _everywhere(place, lambda t: t.replace("——", "—") if "——" in t else t)
    return _everywhere(place, lambda t: re.sub(r"\s?—\s?|\s–\s|\s-\s", " – " if "—" in t else " — ", t))


def _table(key: str, *kinds: Kind) -> Edit:
    """Every word of a table that the turn has, in the place of which another may stand."""

    def edit(place: Place, rng: Random) -> Turn | None:
        held = wordings(place.language).get("neutral", {})
        table: Mapping[str, str] = held.get(key, {})
        both = {new.lower(): old for old, new in table.items() if old not in held.get("one-way", ())}
        both |= {old.lower(): new for old, new in table.items()}
        if not both:
            return None
        edge = ("", "") if place.language == "zh" else (r"(?<![\w'’-])", r"(?![\w'’-])")
        words = "|".join(re.escape(word) for word in sorted(both, key=len, reverse=True))
        pattern = re.compile(f"{edge[0]}(?:{words}){edge[1]}", re.IGNORECASE)

        def other(match: re.Match[str]) -> str:
            word = both[match[0].lower()]
            return word[:1].upper() + word[1:] if match[0][:1].isupper() else word

        return _everywhere(place, lambda t: pattern.sub(other, t), *kinds)

    return edit


def _titles(place: Place, rng: Random) -> Turn | None:
    """`Mr` for `Mr.`, or the other way round."""
    text = " ".join(s.text for s in place.turn.segments)
    if re.search(r"\b(?:Mrs?|Dr|St)\.", text):
        return _everywhere(place, lambda t: re.sub(r"\b(Mrs?|Dr|St)\.", r"\1", t))
    return _everywhere(place, lambda t: re.sub(r"\b(Mrs?|Dr|St)(?= [A-Z])", r"\1.", t))


_LONG = re.compile(r"\b(?:do|did|is|was|will|have|are|would) not\b|\b(?:I|you) (?:will|have|am|are)\b", re.IGNORECASE)


def _short_forms(place: Place, rng: Random) -> Turn | None:
    """One short form written out, where the same speaker writes others out as well."""
    known = " ".join(s.text for turn in (*place.own, place.turn) for s in turn.segments)
    if place.language != "en" or not _LONG.search(known):
        return None
    for one in sentences_of(place.turn, Kind.SPEECH, Kind.ROLE_THINKING):
        short = re.search(r"\b(do|does|did|is|was|are|have|has|had|would|could|should)n['’]t\b", one.text)
        # In a question the two words would change places.
        if short and short.start() > 0 and "?" not in one.text:
            return _in_place(place.turn, one, f"{one.text[: short.start()]}{short[1]} not{one.text[short.end() :]}")
    return None


_HANGING_WORDS = "it this that there them then now him her he she they these so its his"
_HANGS = frozenset(_HANGING_WORDS.split())
"""English words by which a thought or a deed speaks of what went before it."""


def _layers_exchanged(place: Place, rng: Random) -> Turn | None:
    """A thought and a deed beside each other in the other order, where neither speaks of the other."""
    held = place.turn.segments
    for at in range(len(held) - 1):
        left, right = held[at], held[at + 1]
        around = {held[n].kind for n in (at - 1, at + 2) if 0 <= n < len(held)}
        if {left.kind, right.kind} == {Kind.ROLE_THINKING, Kind.ROLE_ACTION} and around <= {Kind.SPEECH}:
            words = [re.findall(r"\w+", s.text.lower()) for s in (left, right)]
            shared = {w for w in words[0] if len(w) > 4} & {w for w in words[1] if len(w) > 4}
            if not shared and not any(_HANGS & set(some[:5]) for some in words):
                return replace(place.turn, segments=(*held[:at], right, left, *held[at + 2 :]))
    return None


_NEXT = {
    "en": re.compile(r"(?<=[\w’'])\. (?=(?:It|He|She|They|We|That|This|There|The|And|But|You) [a-z])"),
    "zh": re.compile(r"(?<=\w)。(?=\w)"),
}


def _sentences_joined(place: Place, rng: Random) -> Turn | None:
    """One sentence cut in two at its semicolon, or two made one with a semicolon."""
    for one in sentences_of(place.turn, Kind.SPEECH, Kind.ROLE_THINKING):
        if match := re.search(r"(?<=\w)(?:; (?=[a-z])|；)", one.text):
            rest = one.text[match.end() :]
            stop = "。" if "；" in match[0] else ". "
            return _in_place(place.turn, one, f"{one.text[: match.start()]}{stop}{rest[:1].upper()}{rest[1:]}")
    pattern = _NEXT.get(place.language)
    for at, segment in enumerate(place.turn.segments):
        match = pattern.search(segment.text) if pattern and segment.kind is not Kind.ROLE_ACTION else None
        if match:
            rest = segment.text[match.end() :]
            mark = "；" if place.language == "zh" else "; "
            return with_segment(place.turn, at, f"{segment.text[: match.start()]}{mark}{rest[:1].lower()}{rest[1:]}")
    return None


def _beat(place: Place, rng: Random) -> Turn | None:
    """A moment of plain waiting in a short turn that has no deed: longer, and nothing more is told."""
    held = place.turn.segments
    deeds = lines(place.language, "neutral", "beats")
    if visible_size(place.turn) > SHORT_TURN or any(s.kind is Kind.ROLE_ACTION for s in held) or not deeds:
        return None
    at = [n for n in range(1, len(held)) if held[n - 1].kind is not Kind.SPEECH or finished(held[n - 1].text)]
    where = rng.choice([0, *at])
    return replace(place.turn, segments=(*held[:where], Segment(Kind.ROLE_ACTION, rng.choice(deeds)), *held[where:]))


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "apostrophes": _apostrophes,
        "quotes": _quotes,
        "ellipses": _ellipses,
        "dashes": _dashes,
        "spelling": _table("spelling"),
        "small-words": _table("small-words"),
        "deeds": _table("deeds", Kind.ROLE_ACTION),
        "titles": _titles,
        "short-forms": _short_forms,
        "layers-exchanged": _layers_exchanged,
        "sentences-joined": _sentences_joined,
        "beat": _beat,
    }
)
"""The edits by name."""
