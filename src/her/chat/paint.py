"""Turns as people read them: coloured and wrapped on a terminal, one plain line each in a pipe.

Knows the marks and colours of the four kinds, and how a turn grows while it streams. Decides nothing about who may
see what: it paints the kinds it is told to, and nothing else.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from her.actor import Again
from her.stream import Delta, Event, Finished, Retract, Started
from her.turn import Kind, Segment, Turn

WIDTH = 88
"""Columns of prose at most: longer lines are hard to read."""
FRAMES = 12
"""Redraws a second while a turn streams."""

STYLES: Mapping[Kind, str] = {
    Kind.SYSTEM_THINKING: "dim",
    Kind.ROLE_THINKING: "italic magenta",
    Kind.ROLE_ACTION: "italic cyan",
    Kind.SPEECH: "",
}
MARKS: Mapping[Kind, tuple[str, str]] = {
    Kind.SYSTEM_THINKING: ("", ""),
    Kind.ROLE_THINKING: ("[", "]"),
    Kind.ROLE_ACTION: ("(", ")"),
    Kind.SPEECH: ("", ""),
}
PLAN_BAR = "┊ "
_NAME_STYLES = ("bold green", "bold yellow", "bold blue", "bold red", "bold magenta", "bold cyan")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """The text without characters that a terminal would obey: no model and no file may move the cursor."""
    return _UNSAFE.sub("", text)


def prose(segments: Iterable[Segment]) -> Text:
    """Thoughts in brackets, actions in parentheses, speech as it is; plans are left to `plan`."""
    text = Text()
    for segment in segments:
        if segment.kind is Kind.SYSTEM_THINKING:
            continue
        opening, closing = MARKS[segment.kind]
        text.append(" " if text and not text.plain.endswith("\n") else "")
        text.append(f"{opening}{safe(segment.text)}{closing}", STYLES[segment.kind])
    return text


def plan(segments: Iterable[Segment]) -> str:
    """The author's plan, empty where there is none."""
    return "\n".join(safe(s.text) for s in segments if s.kind is Kind.SYSTEM_THINKING)


@dataclass(frozen=True, slots=True)
class Barred:
    """Dim text with a bar down its left side, wrapped to the width it is given."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Text(self.text, "dim").wrap(console, max(8, options.max_width - len(PLAN_BAR))):
            line.rstrip()
            yield Text(PLAN_BAR, "dim").append_text(line)


@dataclass(slots=True)
class Painter:
    """Paints turns on one console; `cast` fixes each name's colour, `plain` means one line a turn, no wrapping."""

    console: Console
    cast: tuple[str, ...] = ()
    plain: bool = False
    _spaced: bool = field(default=True, init=False)

    @property
    def width(self) -> int:
        """Columns for prose."""
        return min(self.console.width, WIDTH)

    def name_style(self, name: str) -> str:
        """A colour of its own for everyone in the cast."""
        if name not in self.cast:
            return "bold"
        return _NAME_STYLES[self.cast.index(name) % len(_NAME_STYLES)]

    def turn(self, turn: Turn, note: str = "") -> None:
        """Prints a turn; `note` is a dim remark after it."""
        if self.plain:
            self._line(turn, note)
            return
        self.space()
        self.console.print(self.body(turn.speaker, turn.segments, note), width=self.width)
        self._spaced = False
        self.space()

    def space(self) -> None:
        """Leaves one empty line on a terminal, where there is none yet."""
        if not self.plain and not self._spaced:
            self.console.print()
            self._spaced = True

    def show(self, thing: RenderableType) -> None:
        """Prints anything else, with prose's width."""
        self.console.print(thing, width=self.width)
        self._spaced = False

    def body(self, speaker: str, segments: tuple[Segment, ...], note: str = "") -> Group:
        """Name, plan, prose and remark, as one renderable."""
        parts: list[RenderableType] = [Text(safe(speaker), self.name_style(speaker))]
        if planned := plan(segments):
            parts.append(Padding(Barred(planned), (0, 0, 0, 2)))
        if words := prose(segments):
            parts.append(Padding(words, (0, 0, 0, 2)))
        if note:
            parts.append(Padding(Text(note, "dim"), (0, 0, 0, 2)))
        return Group(*parts)

    def _line(self, turn: Turn, note: str) -> None:
        for line in plan(turn.segments).splitlines():
            self.say(f"{PLAN_BAR}{line}")
        words = prose(turn.segments).plain
        if words:
            self.say(f"{safe(turn.speaker)}: {words}")
        if note:
            self.say(note)

    def say(self, text: str = "", style: str = "") -> None:
        """Prints a line of the program's own: wrapped on a terminal, as it is in a pipe."""
        if self.plain:
            self.console.print(Text(safe(text)), soft_wrap=True)
        else:
            self.show(Text(safe(text), style))

    def rule(self, text: str) -> None:
        """Prints a heading: a line across on a terminal, dashes around it in a pipe."""
        if self.plain:
            self.say(f"--- {text} ---")
        else:
            self.space()
            self.show(Rule(Text(text, "dim"), style="dim", align="left"))
            self.space()

    def hanging(self, left: str, right: str) -> None:
        """Prints two columns, the right one wrapped within itself."""
        if self.plain:
            self.say(f"{left}  {right}")
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style="bold")
        grid.add_column()
        grid.add_row(Text(left), Text(right))
        self.show(grid)


@dataclass(slots=True)
class Growing:
    """A turn as it streams, rendered from its end so that it always fits the screen.

    Nothing of it reaches the scroll-back before it is finished, so a `Retract` can always be obeyed in full.
    """

    painter: Painter
    speaker: str
    kinds: frozenset[Kind]
    waits: str
    segments: list[Segment] = field(default_factory=list)
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="dim"))

    def take(self, event: Event | Again) -> None:
        """Applies one event of the parser, or begins again where the turn does."""
        match event:
            case Started(kind):
                self.segments.append(Segment(kind, ""))
            case Delta(kind, text):
                self._add(kind, text)
            case Retract(kind):
                self.segments = [s if s.kind.private else Segment(kind, s.text) for s in self.segments]
            case Again():
                self.segments = []
            case Finished(parsed):
                self.segments = list(parsed.turn.segments)
            case _:
                pass

    def _add(self, kind: Kind, text: str) -> None:
        if not self.segments or self.segments[-1].kind is not kind:
            self.segments.append(Segment(kind, ""))
        self.segments[-1] = Segment(kind, self.segments[-1].text + text)

    @property
    def visible(self) -> tuple[Segment, ...]:
        """What may be shown of it so far."""
        return tuple(s for s in self.segments if s.kind in self.kinds and s.text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = tuple(self.segments)
        shown = tuple(s for s in segments if s.kind in self.kinds and s.text)
        width = min(options.max_width, WIDTH)
        lines = console.render_lines(
            self.painter.body(self.speaker, shown), options.update(width=width, height=None), pad=False
        )
        if not segments or segments[-1].kind not in self.kinds:
            self.spinner.update(text=Text(self.waits, "dim italic"))
            lines += console.render_lines(Padding(self.spinner, (0, 0, 0, 2)), options.update(width=width), pad=False)
        room = max(3, console.height - 2)
        for line in lines[-room:]:
            yield from line
            yield from Text("\n", end="").render(console)


@contextlib.contextmanager
def on_screen(growing: Growing, *, live: bool) -> Iterator[None]:
    """Redraws the turn while it grows and takes it away at the end; does nothing where `live` is false."""
    if not live:
        yield
        return
    with Live(
        growing,
        console=growing.painter.console,
        transient=True,
        refresh_per_second=FRAMES,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


def console_for(*, simple: bool = False, stderr: bool = False) -> Console:
    """A console that has colours only on a terminal, and never with NO_COLOR or `simple`."""
    colour = None if not simple else True
    return Console(highlight=False, markup=False, emoji=False, no_color=colour, stderr=stderr)
