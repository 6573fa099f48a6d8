"""From token ids to text, one at a time: whole characters only, without the forced beginning, up to a stop string.

Knows bytes and lengths. Refuses to know any library.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from her.models.base import Finish


class Decoding:
    """The text of one reply as it grows.

    `token_bytes` gives the UTF-8 bytes of an id, not always whole characters; `ends` are ids that end a reply;
    `forced` is text that comes first and is not part of the reply; `limit` counts all tokens.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        ends: frozenset[int],
        *,
        forced: str = "",
        stop: tuple[str, ...] = (),
        limit: int,
    ) -> None:
        self._bytes, self._ends, self._stop, self._limit = token_bytes, ends, stop, limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._forced = forced
        self._pending = ""
        self.ids: list[int] = []
        self.written = 0
        """Bytes so far, forced ones included."""
        self.text = ""
        self.finish: Finish | None = None
        """None while more may come."""

    def take(self, token: int) -> str:
        """The text that is certain now and was not before; raises RuntimeError after the end."""
        if self.finish is not None:
            raise RuntimeError("a token after the end of a reply")
        self.ids.append(token)
        if token in self._ends:
            self.finish = Finish.STOP
            return self._give(len(self._pending))
        raw = self._bytes(token)
        self.written += len(raw)
        self._pending += self._decoder.decode(raw)
        if self._forced and len(self._pending) >= len(self._forced):
            self._pending, self._forced = self._pending[len(self._forced) :], ""
        found = [at for stop in self._stop if (at := self._pending.find(stop)) >= 0]
        if found and not self._forced:
            self.finish = Finish.STOP
            return self._give(min(found))
        if len(self.ids) >= self._limit:
            self.finish = Finish.LENGTH
            return self._give(len(self._pending))
        return self._give(len(self._pending) - self._held())

    def rest(self) -> str:
        """What was held back, for a reply that is cut off; bytes that never became a character are left out."""
        return self._give(len(self._pending)) if self.finish is None else ""

    def _held(self) -> int:
        """Characters at the end that may be the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        for size in range(min(longest, len(self._pending)), 0, -1):
            if any(stop.startswith(self._pending[-size:]) for stop in self._stop):
                return size
        return 0

    def _give(self, size: int) -> str:
        if self._forced:
            return ""
        piece, self._pending = self._pending[:size], self._pending[size:]
        self.text += piece
        return piece
