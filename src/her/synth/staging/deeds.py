"""Deeds that a teacher reads out of a paragraph: tidied, checked against it, and put where the narrator tells them.

Knows how a deed is worded (`lays down the newspaper`) and how far its words may be from the narrator's. Refuses to
know whose turn it becomes part of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low

from her.checks import copied_share
from her.checks.units import is_spaceless, primary, unit_spans, units
from her.synth.reasons import Reason
from her.synth.staging.attribution import DEED_CHARS, Why
from her.synth.staging.spoken import MARKS, Span

SUPPORT = 0.5
"""Share of a deed's words that must stand in the paragraph, by their first letters; ours. `leaves the room` for
`he left the room` has a half."""
MOST_COPIED = 0.5
"""Share of a deed in runs of four words that somebody says in the paragraph, from which on it is speech; ours."""

_SMALL_WORDS = (
    "the and his her hers with from into onto out for its him them their this that then very upon off away down over "
    "back not but own all one une des les aux son sa ses leur avec dans pour par sur der die das den dem ein eine "
    "einen und mit von auf aus zu ihr ihre sein seine los las una con por para del"
)
_SMALL = frozenset(_SMALL_WORDS.split())
_SMALL_CHARS = frozenset("的了着过一在他她它我你们把被向对和与地得上下去来着又就便也都")
_STRONG = (
    "begins:began/begun bends:bent bites:bit/bitten blows:blew breaks:broke brings:brought buys:bought catches:caught "
    "comes:came creeps:crept does:did/done draws:drew/drawn drinks:drank drives:drove eats:ate falls:fell/fallen "
    "feeds:fed fights:fought finds:found flees:fled flies:flew flings:flung gets:got gives:gave goes:went/gone "
    "grows:grew hangs:hung has:had hides:hid holds:held is:was/were keeps:kept kneels:knelt lays:laid/lain leads:led "
    "leaps:leapt leaves:left lies:lay/lain lights:lit loses:lost makes:made meets:met pays:paid rides:rode rings:rang "
    "rises:rose/risen runs:ran says:said sees:saw sends:sent shakes:shook/shaken shines:shone shoots:shot sings:sang "
    "sinks:sank sits:sat/seated sleeps:slept slides:slid speaks:spoke springs:sprang stands:stood steals:stole "
    "strikes:struck swears:swore sweeps:swept swims:swam swings:swung takes:took/taken tears:tore tells:told "
    "throws:threw/thrown treads:trod wakes:woke wears:wore weeps:wept winds:wound wrings:wrung writes:wrote"
)
_PASTS = {verb.partition(":")[0]: verb.partition(":")[2].split("/") for verb in _STRONG.split()}
"""English verbs whose past begins with other letters."""
_MENTAL = "thinks feels wonders remembers hopes wishes knows realizes realises believes fears regrets"
_UNSEEN = frozenset(_MENTAL.split())
_REPORTING = "says asks replies answers exclaims remarks observes whispers shouts murmurs mutters adds"
_SAYS = frozenset(_REPORTING.split())
_NEVER = frozenset(MARKS + "<>") - frozenset("'‘’")
_LEADING = re.compile(
    r"(?:he|she|they|it|i|we|il|elle|ils|elles|er|sie|él|ella)\s+|[他她它我](?!们)|[他她我]们", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Told:
    """A deed as it goes into a turn, and the character of the book at which the narrator tells it."""

    deed: str
    at: int


def tidy(deed: str, names: Iterable[str]) -> str:
    """A person's deed, without its actor in front, without a stop at its end, and begun in lower case."""
    text = deed.strip(" .。")
    for name in sorted(names, key=len, reverse=True):
        if text.casefold().startswith(name.casefold()) and len(text) > len(name):
            rest = text[len(name) :]
            if rest[0].isspace() or is_spaceless(rest[0]):
                text = rest.strip()
                break
    text = _LEADING.sub("", text, count=1).strip() if _LEADING.match(text) else text
    return text[:1].lower() + text[1:]


def told(deed: str, text: str, paragraph: Span, spoken: Sequence[Span], *, language: str, says: bool) -> Told | str:
    """Where the narrator of a paragraph tells the deed, or why it does not stand.

    `spoken` are the places of quotations; what is said there supports nothing. `says` tells whether the actor speaks
    in this paragraph, so that `replies` would be no deed but the reporting clause.
    """
    words = units(deed)
    if not words:
        return Reason.EMPTY
    if set(deed) & _NEVER:
        return Reason.BROKEN_TAG
    if len(deed) > DEED_CHARS:
        return Reason.LENGTH
    if words[0] in _UNSEEN:
        return Reason.MIND_READ
    said = [text[max(start, paragraph[0]) : min(end, paragraph[1])] for start, end in spoken]
    if (says and words[0] in _SAYS) or (copied_share(deed, said) or 0.0) > MOST_COPIED:
        return Reason.COPIED
    places = _supported(words, narration(text, paragraph, spoken), primary(language))
    return Told(deed, paragraph[0] + places) if places is not None else Why.UNSUPPORTED


def narration(text: str, stretch: Span, spoken: Sequence[Span]) -> str:
    """A stretch of the book with spaces in the place of what is said."""
    start, end = stretch
    kept, at = "", start
    for first, last in sorted(spoken):
        left, right = max(first, at), min(last, end)
        if left < right:
            kept += text[at:left] + " " * (right - left)
            at = right
    return kept + text[at:end]


def _supported(words: Sequence[str], narrated: str, language: str) -> int | None:
    """The middle one of the places where the deed's words stand; None where too few of them do."""
    told = unit_spans(narrated)
    content = [word for word in words if _weighs(word)]
    content = content or list(words)
    found = []
    for word in content:
        keys = {_key(form, language) for form in (word, *_PASTS.get(word, ()))}
        at = next((start for unit, start, _ in told if any(map(unit.startswith, keys)) and _weighs(unit)), None)
        if at is not None:
            found.append(at)
    return median_low(found) if found and len(found) >= SUPPORT * len(content) else None


def _weighs(word: str) -> bool:
    """Whether the word says something about the deed."""
    if is_spaceless(word[0]):
        return word not in _SMALL_CHARS
    return len(word) > 2 and word not in _SMALL


def _key(word: str, language: str) -> str:
    """The first letters by which a word is known in its other forms."""
    if is_spaceless(word[0]):
        return word
    return word[: 3 if len(word) <= 5 else 4] if language == "en" else word[:3]
