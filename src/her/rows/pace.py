"""How many calls may be under way at once: more while all goes well, half as many where the server is overrun.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): at first the window doubles with each round of
answers, after the first setback it grows by a part of the limit each round, and a setback halves it once for all
calls that were under way when it came.
Knows calls that come and go. Refuses to know what is asked.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

FIRST = 16
"""The window at the start: enough to be quick, too little to overrun a server that serves anybody."""
STEPS = 32
"""Rounds of answers that bring the window from nothing to the limit, after a setback."""
MOST_PATIENCE = 300.0
"""Seconds of silence that a server may ask for; beyond them it is tried again, and may say so again."""


class Pace:
    """A door for calls: at most `window` of them are behind it at once, `limit` at the best of times.

    Those who wait come in by their `turn` (a row's number), so that the oldest row is done first.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.flying = 0
        self._size = float(min(limit, FIRST))
        self._first_growth = True
        self._setbacks = 0
        self._quiet_until = 0.0
        self._clock = clock
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def window(self) -> int:
        """Calls that may be under way now; never below 1."""
        return int(self._size)

    async def enter(self, turn: int = 0) -> int:
        """Waits for a place and takes it; returns a ticket for `setback`. Each call that entered has to leave."""
        if self._waiting or self.flying >= self.window or self._clock() < self._quiet_until:
            place = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (turn, next(self._order), place))
            self._admit()
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.leave()
                raise
        else:
            self.flying += 1
        return self._setbacks

    def leave(self) -> None:
        """Gives the place to whoever waits."""
        self.flying -= 1
        self._admit()

    def success(self) -> None:
        """An answer has come; the window grows."""
        step = 1.0 if self._first_growth else max(1.0, self.limit / STEPS) / self._size
        self._size = min(self.limit, self._size + step)

    def setback(self, ticket: int, retry_after: float | None = None) -> None:
        """The server is overrun: half the window, unless the call had begun before the last halving.

        `retry_after` (seconds): until then nobody comes in.
        """
        if ticket == self._setbacks:
            self._setbacks += 1
            self._first_growth = False
            self._size = max(1.0, self._size / 2)
        if retry_after:
            until = self._clock() + min(retry_after, MOST_PATIENCE)
            self._quiet_until = max(self._quiet_until, until)

    def _admit(self) -> None:
        wait = self._quiet_until - self._clock()
        if wait > 0:
            if self._waiting and self._alarm is None:
                self._alarm = asyncio.get_running_loop().call_later(wait, self._wake)
            return
        while self._waiting and self.flying < self.window:
            place = heapq.heappop(self._waiting)[-1]
            if not place.done():
                place.set_result(None)
                self.flying += 1

    def _wake(self) -> None:
        self._alarm = None
        self._admit()
