"""What a new version of a turn keeps of the old one.

Knows the order of segments. Refuses to know where turns are kept.
"""

from __future__ import annotations

from typing import Literal

from her.errors import InputError
from her.turn import Kind, Segment, Turn

Keep = Literal["nothing", "plan", "thoughts", "all"]
"""What a retry keeps of the turn it replaces: nothing; the plan; everything up to the last thought that
something public follows; all of it (the model writes on)."""


def _last_thought(turn: Turn) -> int | None:
    """Where the last thought stands that something public follows, else the last thought; None without thoughts."""
    thoughts = [at for at, segment in enumerate(turn.segments) if segment.kind is Kind.ROLE_THINKING]
    acted = [at for at in thoughts if any(not later.kind.private for later in turn.segments[at + 1 :])]
    return max(acted or thoughts, default=None)


def kept(turn: Turn, keep: Keep) -> Turn | None:
    """The beginning of the new version, None for an empty one; raises InputError where there is nothing to keep."""
    if keep == "nothing":
        return None
    at = _last_thought(turn)
    segments = {
        "plan": turn.only(Kind.SYSTEM_THINKING).segments,
        "thoughts": () if at is None else turn.segments[: at + 1],
        "all": turn.segments,
    }[keep]
    if not segments:
        raise InputError(f"the last turn has no {'text' if keep == 'all' else keep} to keep")
    return Turn(turn.speaker, segments)


def changed_mind(turn: Turn, thought: str) -> Turn:
    """The beginning of a version with another thought: everything before the last thought, then the new one.

    Of a turn without thoughts the plan alone stays. Raises InputError for an empty thought.
    """
    if not thought.strip():
        raise InputError("write the thought that the character should have instead")
    at = _last_thought(turn)
    before = turn.only(Kind.SYSTEM_THINKING).segments if at is None else turn.segments[:at]
    return Turn(turn.speaker, (*before, Segment(Kind.ROLE_THINKING, thought.strip())))
