"""The one seam between HER and language models.

Knows messages, sampling, constraints and replies. Refuses to know what the text means.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as chat templates take it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; the defaults are those of HER-32B's model card (docs/sources.md)."""

    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 1024
    seed: int | None = None
    stop: tuple[str, ...] = ()
    repeat_penalty: float | None = None
    """None leaves it to the backend."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a reply must look like: a JSON schema, or GBNF rules that define `reply` (and no `root`)."""

    grammar: str | None = None
    schema: Mapping[str, Any] | None = None

    def gbnf(self, forced: str = "") -> str:
        """The grammar as llama.cpp takes it, with `forced` as literal text before the reply."""
        head = f"{json.dumps(forced, ensure_ascii=False)} " if forced else ""
        return f"root ::= {head}reply\n{self.grammar}"


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    CUT = "cut"
    """The stream broke, or was cancelled; what came before it is kept."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call; None where the backend does not say."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    """How many of the prompt's tokens were taken from a cache and not evaluated again."""
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said. `text` never holds the prefill; `error` is set where `finish` is CUT by a fault."""

    text: str
    finish: Finish
    usage: Usage = Usage()
    logprobs: tuple[tuple[str, float], ...] | None = None
    error: str | None = None


class Model(ABC):
    """Messages in, text out.

    `address` names it in records, `context` is its window in tokens (None: unknown),
    `prefills` and `constrains` say whether those two requests are honoured exactly.
    """

    address: str
    context: int | None = None
    prefills: bool = False
    constrains: bool = False

    @abstractmethod
    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        """Pieces of text as they come, then exactly one Reply with the whole.

        `prefill` is text the reply goes on from. A fault before the first piece raises a ModelError; a fault
        after it ends the stream with a Reply whose finish is CUT and whose `error` says why.
        Raises ContextOverflow where the prompt leaves no room for `sampling.max_tokens`.
        """

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> Reply:
        """The whole reply at once; raises as `stream` does."""
        stream = self.stream(messages, sampling, prefill=prefill, constraint=constraint, call_id=call_id)
        # Left to the garbage collector, each generator would cost a task of its own.
        async with aclosing(stream) if isinstance(stream, AsyncGenerator) else nullcontext():
            async for piece in stream:
                if isinstance(piece, Reply):
                    return piece
        raise AssertionError(f"{self.address} ended a stream without a Reply")

    async def probe(self) -> None:  # noqa: B027 (most know from the start)
        """Finds out what the backend can do; `context`, `prefills` and `constrains` are settled after it."""

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        """Tokens of the rendered prompt; None where the backend cannot tell."""
        return None

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """The log-probability (nats) of each option as the text that comes next, as the model has it before sampling.

        The options follow on `prefill`, as a reply does; words that all of them begin with are taken as given, and only
        what then differs is weighed. None: this backend cannot tell. An option is None where the backend reports only
        the likeliest tokens and it is not among them.
        Raises InputError for fewer than two options and for one that is empty or stands twice, and as `stream` does.
        """
        return None

    async def warm(self, messages: Sequence[Message]) -> None:  # noqa: B027 (a model without a cache has nothing to do)
        """Reads the prompt ahead of time where the backend keeps a cache; elsewhere does nothing."""

    async def close(self) -> None:  # noqa: B027 (most hold nothing)
        """Gives back memory, threads and connections."""


class Through(Model):
    """A model behind another object: what it is and can do is always the inner one's; subclasses change `stream`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def address(self) -> str:  # type: ignore[override]
        """The inner model's."""
        return self.model.address

    @property
    def context(self) -> int | None:  # type: ignore[override]
        """The inner model's, which may be known only after `probe`."""
        return self.model.context

    @property
    def prefills(self) -> bool:  # type: ignore[override]
        """The inner model's, settled after `probe`."""
        return self.model.prefills

    @property
    def constrains(self) -> bool:  # type: ignore[override]
        """The inner model's, settled after `probe`."""
        return self.model.constrains

    async def probe(self) -> None:
        """Probes the inner model."""
        await self.model.probe()

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        """The inner model's count."""
        return await self.model.count(messages, prefill)

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """What the inner model says of the options."""
        return await self.model.choose(messages, options, prefill=prefill)

    async def warm(self, messages: Sequence[Message]) -> None:
        """Warms the inner model."""
        await self.model.warm(messages)

    async def close(self) -> None:
        """Closes the inner model."""
        await self.model.close()


def prompt_sha(messages: Sequence[Message], prefill: str = "") -> str:
    """The sha256 (hex) of a prompt: messages and prefill, independent of backend and sampling."""
    rows = [[m.role, m.content] for m in messages]
    return hashlib.sha256(json.dumps([rows, prefill], ensure_ascii=False).encode()).hexdigest()
