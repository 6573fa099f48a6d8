"""The room in which a session is played: a screen, a session, and how a reply comes on stage.

Knows how to show a turn while it streams, how a person stops it, and what to say when it breaks. Shows only what
the session's view lets pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field

from her.chat.paint import Growing, Painter, on_screen
from her.chat.session import Played, Session
from her.chat.store import Node, Origin, Store
from her.errors import HerError
from her.turn import Dialogue, Ending, Kind, Turn, View


@dataclass(slots=True)
class Room:
    """A session on a screen. `live` says that the screen can be redrawn; else a turn is printed when it is whole."""

    session: Session
    store: Store
    painter: Painter
    live: bool = False
    leaving: bool = False
    _stopped: bool = field(default=False, init=False)
    _forgotten: int = field(default=0, init=False)

    @property
    def view(self) -> View:
        """What the person may see."""
        return self.session.view

    def say(self, text: str = "", style: str = "dim") -> None:
        """A remark of the program's own."""
        self.painter.say(text, style)

    def visible(self, turn: Turn) -> Turn | None:
        """The turn as the person may see it; None where nothing of it is theirs to see."""
        session = self.session
        alone = Dialogue(frozenset(session.scene.names), (turn,))
        return next(iter(alone.shown(session.view, session.casting.as_name)), None)

    def show(self, node: Node) -> None:
        """Prints a turn that is finished, with a remark where something about it is not as it should be."""
        turn = self.visible(node.turn)
        note = remark(node, self.view)
        if turn is not None:
            self.painter.turn(turn, note)
        elif self._within_earshot(node.turn.speaker, node.turn.heard_by):
            self.painter.turn(Turn(node.turn.speaker, ()), note or "(nothing that you can see or hear)")

    def last_reply(self) -> Node | None:
        """The last turn that a model played; None before the first."""
        return next((node for node in reversed(self.session.line) if node.origin is Origin.MODEL), None)

    async def perform(self, stream: AsyncGenerator[Played], speaker: str) -> Node | None:
        """Shows a reply as it comes; Ctrl-C stops it and keeps the part. The node, None where nothing came of it."""
        before = {node.id for node in self.session.line}
        self._stopped = False
        task = asyncio.ensure_future(self._follow(stream, speaker))

        def stop() -> None:
            self._stopped = True
            task.cancel()

        with _on_interrupt(stop):
            try:
                node = await task
            except asyncio.CancelledError:
                if not self._stopped:
                    raise
                await stream.aclose()
                last = self.session.line[-1] if self.session.line else None
                node = last if last is not None and last.id not in before else None
            except HerError as error:
                self.say(f"{speaker} does not answer: {error}", "red")
                self.say("Nothing is lost: /retry asks again.")
                return None
        if node is None:
            self.say("stopped before a word came; /retry asks again")
        else:
            self.show(node)
            self._tell_what_was_dropped(node)
        return node

    def _tell_what_was_dropped(self, node: Node) -> None:
        dropped = self.session.prompt_of(node.id).dropped
        if dropped > self._forgotten:
            self.say(f"(the first {dropped} turns no longer fit into what {node.turn.speaker} is shown)")
        self._forgotten = dropped

    async def _follow(self, stream: AsyncGenerator[Played], speaker: str) -> Node | None:
        growing = Growing(self.painter, speaker, self._stage_kinds(speaker), "thinks …")
        node = None
        with on_screen(growing, live=self.live):
            async for item in stream:
                if isinstance(item, Node):
                    node = item
                else:
                    growing.take(item)
        return node

    def _stage_kinds(self, speaker: str) -> frozenset[Kind]:
        """What may be shown while it streams: nothing of an answer to a whisper that the person did not hear."""
        line = self.session.line
        heard_by = line[-1].turn.heard_by if line else None
        return self.view.kinds if self._within_earshot(speaker, heard_by) else frozenset()

    def _within_earshot(self, speaker: str, heard_by: frozenset[str] | None) -> bool:
        me = self.session.casting.as_name
        return me is None or self.view.minds or heard_by is None or me in heard_by or me == speaker


def remark(node: Node, view: View) -> str:
    """What to say after a turn: how it ended, and, where hidden layers are shown, what was wrong with its form."""
    made = node.made
    cut = "stopped; kept as it stands"
    if made is not None and made.error:
        cut = f"broken off: {made.error}"
    elif made is not None and made.finish == "length":
        cut = "cut: the longest reply was reached"
    ends = {
        Ending.CUT: f"({cut} · /retry all writes on)",
        Ending.UNCLOSED: "(ended inside an open block, which stays what it was)",
        Ending.SECOND_SPEAKER: "(stopped where it went on as somebody else)",
        Ending.EMPTY: "(no word, no deed · /retry)",
    }
    parts = [ends[node.ending]] if node.ending in ends else []
    faults = Counter[str]()
    for fault in node.faults:
        faults[fault.kind.value.replace("_", " ")] += fault.count
    if faults and node.ending is not Ending.CUT and (view.plans or view.minds):
        parts.append("(form: " + ", ".join(f"{kind} ×{count}" for kind, count in faults.items()) + ")")
    return " ".join(parts)


@contextlib.contextmanager
def _on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `stop` on the loop instead of ending the program; another one, later, ends the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    last = 0.0

    def pressed(*_: object) -> None:
        nonlocal last
        now = time.monotonic()
        if last and now - last > 1.0:
            raise KeyboardInterrupt
        last = last or now
        loop.call_soon_threadsafe(stop)

    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
