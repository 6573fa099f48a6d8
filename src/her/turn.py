"""Turns, dialogues, and who may see what of them.

Knows the four kinds of segment and the three readers of a dialogue: a mind, a judge, a person.
Refuses to know how a segment is written down (`markup`) or what a model is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from her.errors import UnknownName

ENVIRONMENT = "Environment"
"""The speaker that is the world, not a character (CoSER's name for it)."""


class Kind(StrEnum):
    """What a segment of a turn is, from the most private to the most public."""

    SYSTEM_THINKING = "system_thinking"
    """The author's plan: third person, first in the reply, for this turn only."""
    ROLE_THINKING = "role_thinking"
    """The character's inner voice: first person, read by its own mind and by a judge."""
    ROLE_ACTION = "role_action"
    """A visible deed or expression."""
    SPEECH = "speech"
    """Words said aloud."""

    @property
    def private(self) -> bool:
        """True for plans and thoughts."""
        return self in PRIVATE

    @property
    def short(self) -> str:
        """`plan`, `thought`, `action` or `speech`: its name in notations, grammars and figures."""
        return _SHORT[self]


PRIVATE = frozenset({Kind.SYSTEM_THINKING, Kind.ROLE_THINKING})
_SHORT = dict(zip(Kind, ("plan", "thought", "action", "speech"), strict=True))


class Ending(StrEnum):
    """How a turn came to its end."""

    COMPLETE = "complete"
    """Every block closed, something visible or thought in it."""
    UNCLOSED = "unclosed"
    """The text ended inside a block."""
    SECOND_SPEAKER = "second_speaker"
    """The text went on as somebody else; the turn stops before that."""
    EMPTY = "empty"
    """Nothing but white space, or a plan alone."""
    CUT = "cut"
    """The model was stopped: token limit, lost connection, or a person's Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a turn; `text` carries no marks."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker thought, did and said; `heard_by` None means everyone in the scene."""

    speaker: str
    segments: tuple[Segment, ...]
    heard_by: frozenset[str] | None = None
    id: str = ""

    def only(self, *kinds: Kind) -> Turn:
        """The same turn with segments of these kinds alone."""
        return replace(self, segments=tuple(s for s in self.segments if s.kind in kinds))

    def without(self, *kinds: Kind) -> Turn:
        """The same turn without segments of these kinds."""
        return replace(self, segments=tuple(s for s in self.segments if s.kind not in kinds))

    def text_of(self, kind: Kind) -> str:
        """All text of one kind, one line a segment; empty where there is none."""
        return "\n".join(s.text for s in self.segments if s.kind is kind)

    @property
    def layout(self) -> str:
        """The order of segment kinds without the plan, e.g. `action-thought-speech`; empty for an empty turn."""
        short = {Kind.ROLE_THINKING: "thought", Kind.ROLE_ACTION: "action", Kind.SPEECH: "speech"}
        return "-".join(short[s.kind] for s in self.segments if s.kind in short)


class FaultKind(StrEnum):
    """What can be wrong with a written turn; each is counted and shown, none is fatal."""

    UNCLOSED = "unclosed"
    """A block never closed; a private one stays private to the end."""
    NESTED = "nested"
    """A block opened inside another; the most private one owns the text."""
    STRAY_CLOSER = "stray_closer"
    """A closer without its opener; a private one makes everything before it private."""
    MISSING_PLAN = "missing_plan"
    LATE_PLAN = "late_plan"
    """A plan after something else."""
    SECOND_PLAN = "second_plan"
    ALIAS_TAG = "alias_tag"
    """A tag spelt in a way that models use, read as the one it stands for."""
    ADJACENT = "adjacent"
    """Two blocks of one kind side by side, which should be one."""
    SECOND_SPEAKER = "second_speaker"
    AMBIGUOUS = "ambiguous"
    """A mark that may be markup or may be text, taken as text."""
    EMPTY = "empty"
    """Nothing thought, done or said."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: where it first stood (offset in characters), what stood there, how often it came."""

    kind: FaultKind
    at: int
    detail: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A turn, how it ended, what was wrong, and the text after a second speaker began."""

    turn: Turn
    ending: Ending
    faults: tuple[Fault, ...] = ()
    rest: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Two independent switches: may plans be seen, may minds be seen."""

    plans: bool = False
    minds: bool = False

    @property
    def name(self) -> str:
        """The view's name, `custom` for plans without minds."""
        return next((name for name, view in VIEWS.items() if view == self), "custom")

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that pass."""
        hidden = {Kind.SYSTEM_THINKING: not self.plans, Kind.ROLE_THINKING: not self.minds}
        return frozenset(kind for kind in Kind if not hidden.get(kind, False))


VIEWS = {"immersive": View(), "reader": View(minds=True), "director": View(plans=True, minds=True)}
"""Names for combinations of the two switches."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns in order, and the cast they happen among; Environment belongs to every cast."""

    cast: frozenset[str]
    turns: tuple[Turn, ...] = ()

    def __post_init__(self) -> None:
        """Raises UnknownName for a speaker or hearer outside the cast."""
        for turn in self.turns:
            for name in (turn.speaker, *(turn.heard_by or ())):
                self._known(name)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def plus(self, *turns: Turn) -> Dialogue:
        """A dialogue with these turns after the others."""
        return replace(self, turns=(*self.turns, *turns))

    def seen_by(self, name: str) -> tuple[Turn, ...]:
        """The dialogue as one mind lived it: own thoughts kept, others' gone, no plans, no word out of earshot.

        Raises UnknownName.
        """
        self._known(name)
        return _not_empty(
            turn.without(Kind.SYSTEM_THINKING) if turn.speaker == name else turn.without(*PRIVATE)
            for turn in self.turns
            if _hears(turn, name)
        )

    def for_judge(self) -> tuple[Turn, ...]:
        """The dialogue as a judge may see it: every mind, no plans."""
        return _not_empty(turn.without(Kind.SYSTEM_THINKING) for turn in self.turns)

    def shown(self, view: View, as_name: str | None = None) -> tuple[Turn, ...]:
        """The dialogue as a person sees it who plays `as_name` (None: looks on, and hears everything).

        The player's own thoughts are always theirs to see; what `as_name` did not hear is
        shown only where minds are. Raises UnknownName.
        """
        if as_name is not None:
            self._known(as_name)
        own = view.kinds | {Kind.ROLE_THINKING}
        return _not_empty(
            turn.only(*(own if turn.speaker == as_name else view.kinds))
            for turn in self.turns
            if as_name is None or view.minds or _hears(turn, as_name)
        )

    def _known(self, name: str) -> None:
        if name not in self.cast and name != ENVIRONMENT:
            raise UnknownName(name, self.cast)


def _hears(turn: Turn, name: str) -> bool:
    return turn.heard_by is None or name == turn.speaker or name in turn.heard_by


def _not_empty(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    return tuple(turn for turn in turns if turn.segments)
