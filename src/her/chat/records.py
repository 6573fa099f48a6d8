"""What is kept of a chat: its nodes, where it stands, and how each generated turn was made.

Knows shapes only; `store` knows the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from her.models.base import Message, Sampling, Usage, prompt_sha
from her.turn import Ending, Fault, Turn

NEVER = datetime.min.replace(tzinfo=UTC)
"""The time of what is not saved yet."""


class Origin(StrEnum):
    """Where a turn came from."""

    OPENING = "opening"
    """The scene itself."""
    USER = "user"
    """The person wrote it, for whoever it may be."""
    MODEL = "model"
    """A model played it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call whose text was not used: its exact prompt, and the raw text that came back."""

    messages: tuple[Message, ...]
    prefill: str
    reply: str


@dataclass(frozen=True, slots=True)
class Generation:
    """How a turn was made: the exact prompt that was sent, and the raw text that came back.

    `seed` None: none was asked for. `reply` never holds the prefill. `dropped` counts old turns left out to fit the
    window. `usage` counts all attempts, `spent` are those whose text was not used. `finish` and `error` are None while
    it streams and where there was no error.
    """

    messages: tuple[Message, ...]
    prefill: str
    model: str
    sampling: Sampling
    seed: int | None = None
    dropped: int = 0
    reply: str = ""
    finish: str | None = None
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    spent: tuple[Attempt, ...] = ()

    @property
    def prompt_sha(self) -> str:
        """The sha256 (hex) of messages and prefill."""
        return prompt_sha(self.messages, self.prefill)


@dataclass(frozen=True, slots=True)
class Made:
    """The short account of a Generation, without prompt and raw text."""

    model: str
    prompt_sha: str
    seed: int | None = None
    usage: Usage = field(default_factory=Usage)
    finish: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One turn in the tree of a chat.

    `parent_id` None: nothing was said before it. `made` None: no model made it (as it stands: an edited turn has
    `edited_from`, the id of the version it replaces). `absent` are those who were away when it happened.
    """

    id: str
    chat_id: str
    parent_id: str | None
    turn: Turn
    origin: Origin
    ending: Ending = Ending.COMPLETE
    faults: tuple[Fault, ...] = ()
    created: datetime = NEVER
    absent: frozenset[str] = frozenset()
    edited_from: str | None = None
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chat stands: the current node (None: before the first turn), what redo would bring back, who is away."""

    node_id: str | None = None
    redo: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat, without its turns; `scene` and `options` are plain JSON objects, `turns` counts all nodes."""

    id: str
    title: str
    scene: dict[str, Any]
    as_name: str | None
    with_names: tuple[str, ...]
    options: dict[str, Any]
    seed: int
    created: datetime = NEVER
    updated: datetime = NEVER
    turns: int = 0
