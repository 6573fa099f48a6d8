"""A turn in the making: every piece of it goes through here on its way from the model, and is kept.

Knows the raw text and when it was last saved. Refuses to know what it means, but for asking `store` to read
what broke off.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace

from her.actor import Act
from her.chat.store import Attempt, Generation, Node, Store, read_half
from her.models.base import Constraint, Message, Model, Reply, Sampling, Through

SAVE_SECONDS = 0.25
SAVE_CHARACTERS = 200
"""Text is saved when the last save is this long ago or this much is unsaved: what a killed process can lose."""


def clean(text: str) -> str:
    """The text with halves of surrogate pairs, which no file can hold, written as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


async def shut(stream: AsyncIterator[object]) -> None:
    """Ends a stream now rather than when it is collected, so that its model stops too."""
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()


class Take:
    """One attempt at a turn. `node` has no id yet: it is saved when the first text comes, so that no empty turn is."""

    def __init__(
        self, store: Store, node: Node, cast: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._node, self._cast, self._clock = store, node, cast, clock
        self._asked: Generation | None = None
        self._waiting = ""
        self._made: Generation | None = None
        self._text = ""
        self._saved_text, self._saved_at = 0, 0.0
        self.result: Node | None = None

    def asked(self, made: Generation) -> None:
        """A model is asked, for the first time or again; its text will replace what there was."""
        self._asked, self._waiting = made, ""

    def came(self, piece: str) -> None:
        """Another piece of raw text."""
        if self._asked is None:
            self._text += piece
            if self._due():
                self._store.save(self._node.id, self._text)
                self._mark_saved()
            return
        self._waiting += piece
        if self._waiting.strip():
            self._made, self._asked = self._asked, None
            self._text = self._waiting
            self._begin(replace(self._made, reply=self._text))

    def done(self, act: Act) -> Node:
        """The finished turn, saved."""
        made = Generation(
            messages=tuple(act.prompt.messages),
            prefill=act.prompt.prefill,
            model=act.model,
            sampling=act.sampling,
            seed=act.seed,
            dropped=act.prompt.dropped,
            reply=act.reply.text,
            finish=act.reply.finish,
            error=act.reply.error or act.trouble or None,
            usage=act.usage,
            spent=tuple(
                Attempt(a.prompt.messages, a.prompt.prefill, a.reply.text)
                for a in act.attempts
                if a.reply is not act.reply
            ),
        )
        if not self._node.id:
            self._begin(made)
        turn = replace(self._node.turn, segments=act.turn.segments)
        self.result = self._store.finish(replace(self._node, turn=turn, ending=act.ending, faults=act.faults), made)
        return self.result

    def cut(self, error: str | None = None) -> Node | None:
        """What came before the end, saved with Ending.CUT; None where nothing came."""
        if self.result is not None or not self._node.id or self._made is None:
            return self.result
        made = replace(self._made, reply=self._text, finish="cut", error=error)
        read = read_half(self._node.turn.speaker, made.prefill, made.reply, self._cast)
        turn = replace(self._node.turn, segments=read.turn.segments)
        self.result = self._store.finish(replace(self._node, turn=turn, ending=read.ending, faults=read.faults), made)
        return self.result

    def _begin(self, made: Generation) -> None:
        if self._node.id:
            self._store.again(self._node.id, made)
        else:
            self._node = self._store.begin(self._node, made)
        self._mark_saved()

    def _due(self) -> bool:
        return len(self._text) - self._saved_text >= SAVE_CHARACTERS or self._clock() - self._saved_at >= SAVE_SECONDS

    def _mark_saved(self) -> None:
        self._saved_text, self._saved_at = len(self._text), self._clock()


class Tap(Through):
    """A model, with a Take that keeps what is asked of it and what it says."""

    def __init__(self, model: Model, take: Take) -> None:
        super().__init__(model)
        self._take = take

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        """The model's own stream, kept as it passes."""
        self._take.asked(Generation(tuple(messages), prefill, self.address, sampling, sampling.seed))
        stream = self.model.stream(messages, sampling, prefill=prefill, constraint=constraint, call_id=call_id)
        try:
            async for piece in stream:
                if isinstance(piece, Reply):
                    yield replace(piece, text=clean(piece.text))
                else:
                    text = clean(piece)
                    self._take.came(text)
                    yield text
        finally:
            await shut(stream)

    async def close(self) -> None:
        """Nothing: the model is its owner's."""
