"""The breaker of marks: text that stands bare, in the wrong layer, or between marks that no reader knows.

Knows how a turn is written. Refuses to know what is said in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from her.judge.breakers.place import Broken, Place
from her.markup import notation
from her.turn import Kind, Segment, Turn


def broken_marks(place: Place, grade: int, rng: Random) -> Broken | None:
    """One mark damaged, so that text stands bare or in the wrong layer; gross: several, or one that takes all."""
    ways = list(_DAMAGES[grade].items())
    rng.shuffle(ways)
    for template, way in ways:
        text = way(place.turn, rng)
        if text is not None:
            return Broken(f"{place.speaker}: {text}", template)
    return None


_Damage = Callable[[Turn, Random], str | None]
_MARKS = notation()
_PAIRS = {
    Kind.ROLE_THINKING: (_MARKS["thought_open"], _MARKS["thought_close"]),
    Kind.ROLE_ACTION: (_MARKS["action_open"], _MARKS["action_close"]),
    Kind.SPEECH: ("", ""),
}


def _raw(turn: Turn, other: Mapping[int, tuple[str, str]]) -> str:
    """The turn's text without a name, some segments between other marks than their own."""
    found = ""
    for at, segment in enumerate(turn.segments):
        left, right = other.get(at, _PAIRS[segment.kind])
        # Bare text runs into its neighbours otherwise, which says less about the marks than about the joint.
        gap = " " if found and not left and found[-1] not in "> " else ""
        found += f"{gap}{left}{segment.text}{right}" + (" " if at in other and not right else "")
    return found.strip()


def _marked(kinds: tuple[Kind, ...], way: Callable[[Segment, Random], tuple[str, str]]) -> _Damage:
    """Damage to the marks of one segment of these kinds."""

    def damage(turn: Turn, rng: Random) -> str | None:
        at = [n for n, s in enumerate(turn.segments) if s.kind in kinds]
        if not at:
            return None
        one = rng.choice(at)
        return _raw(turn, {one: way(turn.segments[one], rng)})

    return damage


def _misspelt(segment: Segment, rng: Random) -> tuple[str, str]:
    """A tag with two letters of its name exchanged, which no reader knows."""
    name = segment.kind.value
    at = rng.randrange(5, len(name) - 2)
    wrong = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    if wrong == name:
        wrong = name[:at] + name[at + 1 :]
    return f"<{wrong}>", f"</{wrong}>"


def _escaped(segment: Segment, rng: Random) -> tuple[str, str]:
    return f"&lt;{segment.kind.value}&gt;", f"&lt;/{segment.kind.value}&gt;"


def _exchanged(segment: Segment, rng: Random) -> tuple[str, str]:
    return _PAIRS[Kind.ROLE_ACTION if segment.kind is Kind.ROLE_THINKING else Kind.ROLE_THINKING]


def _lost(turn: Turn, rng: Random, *, closer: bool) -> str | None:
    """One mark of a thought lost: the closer where something follows, the opener where something goes before."""
    last = len(turn.segments) - 1
    at = [n for n, s in enumerate(turn.segments) if s.kind is Kind.ROLE_THINKING and (n < last if closer else n > 0)]
    if not at:
        return None
    left, right = _PAIRS[Kind.ROLE_THINKING]
    return _raw(turn, {rng.choice(at): (left, " ") if closer else ("", right)})


def _nested(turn: Turn, rng: Random) -> str | None:
    """A block that closes only after the next one, which so stands inside it."""
    next_to = [(s.kind, turn.segments[n + 1].kind) for n, s in enumerate(turn.segments[:-1])]
    # A thought inside a deed is read as one after it.
    known = ((Kind.ROLE_ACTION, Kind.ROLE_THINKING), (Kind.SPEECH, Kind.ROLE_ACTION), (Kind.SPEECH, Kind.ROLE_THINKING))
    at = [n for n, kinds in enumerate(next_to) if kinds not in known]
    if not at:
        return None
    one = rng.choice(at)
    left, right = _PAIRS[turn.segments[one].kind]
    inner_left, inner_right = _PAIRS[turn.segments[one + 1].kind]
    return _raw(turn, {one: (left, " "), one + 1: (inner_left, inner_right + right)})


def _bare(turn: Turn, rng: Random) -> str | None:
    """Every mark gone: thoughts and deeds are spoken."""
    marked = {n: ("", "") for n, s in enumerate(turn.segments) if s.kind is not Kind.SPEECH}
    return _raw(turn, marked) if len(marked) > 1 else None


def _all_wrong(way: Callable[[Segment, Random], tuple[str, str]]) -> _Damage:
    def damage(turn: Turn, rng: Random) -> str | None:
        marked = {n: way(s, rng) for n, s in enumerate(turn.segments) if s.kind is not Kind.SPEECH}
        return _raw(turn, marked) if len(marked) > 1 else None

    return damage


_THOUGHT, _DEED = (Kind.ROLE_THINKING,), (Kind.ROLE_ACTION,)
_DAMAGES: dict[int, dict[str, _Damage]] = {
    1: {
        "asterisks": _marked(_DEED, lambda s, rng: ("*", "*")),
        "round-brackets": _marked(_DEED, lambda s, rng: ("(", ")")),
        "doubled": _marked(_DEED, lambda s, rng: (f"<{_PAIRS[s.kind][0]}>", f"<{_PAIRS[s.kind][1]}>")),
        "bare-deed": _marked(_DEED, lambda s, rng: ("", "")),
    },
    2: {
        "square-brackets": _marked(_THOUGHT, lambda s, rng: ("[", "]")),
        "misspelt": _marked(_THOUGHT + _DEED, _misspelt),
        "escaped": _marked(_THOUGHT + _DEED, _escaped),
        "exchanged": _marked(_THOUGHT + _DEED, _exchanged),
        "bare-thought": _marked(_THOUGHT, lambda s, rng: ("", "")),
        "labelled": _marked(_THOUGHT + _DEED, lambda s, rng: (f"[{s.kind.value}: ", "]")),
        "nested": _nested,
    },
    3: {
        "unclosed": lambda turn, rng: _lost(turn, rng, closer=True),
        "unopened": lambda turn, rng: _lost(turn, rng, closer=False),
        "all-bare": _bare,
        "all-misspelt": _all_wrong(_misspelt),
        "all-escaped": _all_wrong(_escaped),
        "all-exchanged": _all_wrong(_exchanged),
    },
}
