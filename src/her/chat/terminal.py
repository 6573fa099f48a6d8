"""The chat in a terminal, and line by line in a pipe.

Knows how a person types: keys, history, completion, the opening screen. What a reply looks like is `paint`'s and
`room`'s, what a slash means is `commands`'.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from rich.text import Text

from her.chat.commands import COMMANDS, answer, layers_line, obey, whispered, words_for
from her.chat.opening import ChatOptions, opened
from her.chat.paint import Painter, console_for, safe
from her.chat.room import Room
from her.errors import HerError, StorageError
from her.models.settings import home

RECAP = 6
"""Turns shown again when a chat is resumed."""
AGAIN = 2.0
"""Seconds in which a second Ctrl-C at the prompt leaves."""


class Lines(Protocol):
    """Where a person's lines come from."""

    async def read(self, room: Room) -> str:
        """The next input, which may hold newlines; raises EOFError at the end, KeyboardInterrupt on Ctrl-C."""


def chat_in_terminal(options: ChatOptions) -> None:
    """Plays until the person leaves; raises HerError where the chat cannot begin."""
    asyncio.run(_chat(options))


async def _chat(options: ChatOptions) -> None:
    console = console_for(simple=options.simple)
    asked = sys.stdin.isatty() and console.is_terminal
    plain = not console.is_terminal
    async with opened(options, console_for(simple=options.simple, stderr=True)) as (session, store):
        painter = Painter(console, session.scene.names, plain=plain)
        live = not plain and not console.is_dumb_terminal and not options.simple
        room = Room(session, store, painter, live=live)
        opening_screen(room, resumed=bool(options.resume))
        session.prepare()
        await converse(room, Typed() if asked else Piped())


async def converse(room: Room, lines: Lines) -> None:
    """Reads and answers until the person leaves. An error of one line is told, and the chat goes on."""
    hinted = -AGAIN
    while not room.leaving:
        room.painter.space()
        try:
            line = await lines.read(room)
        except EOFError:
            break
        except KeyboardInterrupt:
            if time.monotonic() - hinted < AGAIN:
                break
            hinted = time.monotonic()
            room.say("Ctrl-C again or Ctrl-D leaves; the chat is saved as you go.")
            continue
        try:
            await _take(room, line)
        except StorageError:
            raise
        except HerError as error:
            room.say(str(error), "red")
    if not room.painter.plain:
        room.say(f"Saved. Go on with: her chat --resume {room.session.chat_id}")


async def _take(room: Room, line: str) -> None:
    text = line.strip()
    if text.startswith("/"):
        await obey(room, text)
    elif text:
        if room.session.casting.as_name is None:
            room.say("You play nobody here: /narrate TEXT lets something happen, an empty line lets them go on.")
            return
        room.show(room.session.say(text))
        await answer(room)
    elif not room.painter.plain:
        await answer(room)


# -- the opening screen ----------------------------------------------------------------------------------------


def opening_screen(room: Room, *, resumed: bool = False) -> None:
    """Prints where we are, who plays whom, what was said, and one line on how to see more."""
    session, painter = room.session, room.painter
    scene = session.scene
    source = ", ".join(part for part in (scene.book, scene.author) if part)
    title = Text(safe(scene.title), "bold").append(f"  {safe(source)}" if source else "", "dim not bold")
    if painter.plain:
        for text in (title, Text(safe(scene.setting)), _who(room), Text(_more(room))):
            painter.say(text.plain)
    else:
        painter.console.print()
        painter.show(title)
        painter.space()
        painter.say(scene.setting)
        painter.space()
        painter.show(_who(room))
        painter.say(_more(room), "dim")
        painter.space()
    turns = session.shown()
    if resumed and len(turns) > RECAP:
        room.say(f"… {len(turns) - RECAP} earlier turns: /history")
        turns = turns[-RECAP:]
    for turn in turns:
        painter.turn(turn, whispered(turn))


def _who(room: Room) -> Text:
    casting, paint = room.session.casting, room.painter
    text = Text("You look on" if casting.as_name is None else "You are ")
    if casting.as_name is not None:
        text.append(safe(casting.as_name), paint.name_style(casting.as_name))
    text.append(" · the model plays ")
    for i, name in enumerate(casting.with_names):
        text.append(", " if i else "").append(safe(name), paint.name_style(name))
    return text.append(f" · {safe(room.session.model.address)}", "dim")


def _more(room: Room) -> str:
    return f"{layers_line(room.view)} · /help"


# -- reading ---------------------------------------------------------------------------------------------------


class Piped:
    """Lines from standard input when nobody sits at it; a `\\` at the end joins the next line."""

    async def read(self, room: Room) -> str:
        """The next line; raises EOFError at the end."""
        del room
        parts: list[str] = []
        while True:
            # Nothing else runs while we wait for a line, so the loop may block.
            line = sys.stdin.readline()
            if not line and not parts:
                raise EOFError
            body = line.rstrip("\r\n")
            parts.append(body.removesuffix("\\"))
            if not line or not body.endswith("\\"):
                return "\n".join(parts)


class Typed:
    """Lines from a keyboard, with editing, history and completion."""

    def __init__(self) -> None:
        self._session: PromptSession[str] | None = None

    async def read(self, room: Room) -> str:
        """What was typed; raises EOFError for Ctrl-D, KeyboardInterrupt for Ctrl-C."""
        if self._session is None:
            self._session = _prompt_session(room)
        return await self._session.prompt_async(_prompt(room), handle_sigint=False)


def _prompt_session(room: Room) -> PromptSession[str]:
    no_colour = room.painter.console.no_color or bool(os.environ.get("NO_COLOR"))
    return PromptSession(
        history=_history(),
        completer=SlashCompleter(room),
        complete_while_typing=True,
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation="  ",
        color_depth=ColorDepth.DEPTH_1_BIT if no_colour else None,
        erase_when_done=True,
        reserve_space_for_menu=6,
    )


def _history() -> History:
    path = home() / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()  # a folder that cannot be written costs the history, never the chat
    return FileHistory(str(path))


def _prompt(room: Room) -> FormattedText:
    name = room.session.casting.as_name
    if name is None:
        return FormattedText([("ansibrightblack", "Enter: they go on › ")])
    return FormattedText([("bold", f"{safe(name)} › ")])


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    return keys


class SlashCompleter(Completer):
    """Completes commands after a slash, and the names, views or parts that may follow them."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Completions of what stands before the cursor; none for plain speech."""
        del complete_event
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        word, space, rest = text[1:].partition(" ")
        if not space:
            for name, command in COMMANDS.items():
                if name.startswith(word.lower()):
                    usage = f"/{name} {command.takes}".rstrip()
                    yield Completion(name, -len(word), display=usage, display_meta=command.help)
            return
        yield from _starting(rest, words_for(word.lower(), self._room.session.scene.names))


def _starting(typed: str, words: Iterable[str]) -> Iterator[Completion]:
    for word in words:
        if any(part.casefold().startswith(typed.casefold()) for part in (word, *word.split())):
            yield Completion(word, -len(typed))
