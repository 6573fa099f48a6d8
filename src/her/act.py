"""A finished turn and how it came about: what was asked of the model, what came back, which attempt was kept.

Knows attempts and their worth. Refuses to ask a model anything; that is the actor's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from her.models.base import Constraint, Finish, Reply, Sampling, Usage
from her.script import Prompt
from her.turn import Ending, Fault, FaultKind, Kind, Parsed, Segment, Turn


@dataclass(frozen=True, slots=True)
class Again:
    """An event: the turn shown so far cannot be used, for these faults; it comes again from its beginning."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to the model, and the faults of the turn that stood after it."""

    prompt: Prompt
    reply: Reply
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """A finished turn with everything that made it.

    `turn` includes the segments that were prefilled. `ending` is SECOND_SPEAKER where somebody else began to speak,
    else CUT where the model was stopped (token limit, fault, a person), else what the parser says. `prompt`,
    `reply`, `sampling` and `seed` are of the attempt that `turn` was read from; `attempts` are all, in order.
    `repairs` counts rounds with the faults fed back. `trouble` says why a second attempt failed, empty where none did.
    """

    turn: Turn
    ending: Ending
    faults: tuple[Fault, ...]
    prompt: Prompt
    reply: Reply
    model: str
    sampling: Sampling
    seed: int | None
    attempts: tuple[Attempt, ...] = ()
    repairs: int = 0
    trouble: str = ""

    @property
    def first_faults(self) -> tuple[Fault, ...]:
        """The faults before anything was mended."""
        return self.attempts[0].faults if self.attempts else self.faults

    @property
    def usage(self) -> Usage:
        """Tokens of all attempts together; None where no attempt says."""
        used = [attempt.reply.usage for attempt in self.attempts] or [self.reply.usage]
        return Usage(
            _sum([usage.prompt_tokens for usage in used]),
            _sum([usage.cached_tokens for usage in used]),
            _sum([usage.completion_tokens for usage in used]),
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """One call as it will be made.

    `cast` are the names at which somebody else begins to speak; with `plan` a missing plan is a fault. `lead` says
    when the events of the prefill itself are shown: at once, with the model's first piece, or never.
    """

    prompt: Prompt
    sampling: Sampling
    constraint: Constraint | None
    cast: frozenset[str]
    plan: bool
    call_id: str | None
    lead: Literal["now", "later", "never"]


@dataclass(frozen=True, slots=True)
class Take:
    """What came of an Ask."""

    ask: Ask
    parsed: Parsed
    reply: Reply

    @property
    def attempt(self) -> Attempt:
        """The call as the Act records it."""
        return Attempt(self.ask.prompt, self.reply, self.parsed.faults)

    @property
    def spoke(self) -> bool:
        """True where something is said aloud."""
        return any(segment.kind is Kind.SPEECH for segment in self.parsed.turn.segments)

    @property
    def so_far(self) -> Turn:
        """The turn with its last layer ended, ready to be gone on with."""
        return closed(self.parsed.turn) if has(self.parsed.faults, FaultKind.UNCLOSED) else self.parsed.turn

    @property
    def usable(self) -> bool:
        """False where nothing is thought, done or said, or an unclosed private block may have swallowed the rest.

        A turn that the token limit cut in a late thought, after speech, is usable.
        """
        faults = self.parsed.faults
        swallowed = any(fault.kind is FaultKind.UNCLOSED and Kind(fault.detail).private for fault in faults)
        cut_late = self.reply.finish is not Finish.STOP and self.spoke
        return not has(faults, FaultKind.EMPTY) and (cut_late or not swallowed)

    @property
    def worth(self) -> tuple[bool, int]:
        """Greater is better."""
        return self.usable, -sum(fault.count for fault in self.parsed.faults)


def has(faults: Sequence[Fault], kind: FaultKind) -> bool:
    """True where a fault of this kind is among them."""
    return any(fault.kind is kind for fault in faults)


_SENTENCE_END = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s|$)|[。！？]+["'”’」』）]*|(?<=\S)\n""")


def closed(turn: Turn) -> Turn:
    """The turn with its last layer ended at the last sentence or line that is whole, else at the last whole word.

    A lone word, or text in a script without spaces, stays. Speech stays: a reply may go on in mid-sentence.
    """
    if not turn.segments or turn.segments[-1].kind is Kind.SPEECH:
        return turn
    last = turn.segments[-1]
    ends = [match.end() for match in _SENTENCE_END.finditer(last.text)]
    words = last.text.rsplit(maxsplit=1)
    text = last.text[: ends[-1]].rstrip() if ends else "".join(words[:1])
    kept = (Segment(last.kind, text),) if text else ()
    return replace(turn, segments=(*turn.segments[:-1], *kept))


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
