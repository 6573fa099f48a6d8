"""What a person can ask for with a slash: one table of functions, from which help and completion are made.

Asking for a mind by name (`/mind`, `/minds`, `/eyes`, `/prompt`) shows it whatever the view is: that is the
question. Everything else obeys the view.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from her.chat.export import export
from her.chat.opening import find_name
from her.chat.paint import MARKS, STYLES, prose, safe
from her.chat.reroll import Keep
from her.chat.room import Room
from her.chat.store import Node
from her.errors import InputError
from her.turn import ENVIRONMENT, VIEWS, Kind, Turn, View

COLUMN = 24
"""Columns that one mind needs beside another; where there are fewer they stand below each other."""

Run = Callable[[Room, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command: what it runs, what follows it, what it does, and which words complete it."""

    run: Run
    takes: str
    help: str
    words: str = ""
    """`names` for the cast, `views`, `keeps`, or nothing."""


async def obey(room: Room, line: str) -> None:
    """Runs one line that begins with a slash; raises InputError for a command that there is not."""
    word, _, rest = line[1:].partition(" ")
    word = ALIASES.get(word.lower(), word.lower())
    if word not in COMMANDS:
        near = difflib.get_close_matches(word, [*COMMANDS, *ALIASES], n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help lists them"
        raise InputError(f"there is no /{safe(word)}; {hint}")
    await COMMANDS[word].run(room, rest.strip())


# -- replies ---------------------------------------------------------------------------------------------------


async def answer(room: Room, speaker: str | None = None) -> None:
    """Lets the next of the model's characters play, or the one who is named."""
    name = _name(room, speaker) if speaker else room.session.next_speaker()
    if name is None:
        raise InputError("nobody whom the model plays is here; /enter NAME brings somebody back")
    await room.perform(room.session.reply(name), name)


async def _retry(room: Room, keep: str) -> None:
    kept: dict[str, Keep] = {"": "nothing", "plan": "plan", "thoughts": "thoughts", "all": "all", "nothing": "nothing"}
    if keep not in kept:
        raise InputError(f"/retry keeps plan, thoughts, all, or nothing; not {keep!r}")
    last = room.last_reply()
    speaker = last.turn.speaker if last is not None and last is room.session.line[-1] else room.session.next_speaker()
    if speaker is None:
        raise InputError("there is no reply to try again yet")
    await room.perform(room.session.retry(keep=kept[keep]), speaker)


async def _speak(room: Room, _: str) -> None:
    last = room.last_reply()
    if last is None:
        raise InputError("nobody has begun a turn yet")
    await room.perform(room.session.speak_now(), last.turn.speaker)


async def _continue(room: Room, name: str) -> None:
    await answer(room, name or None)


async def _whisper(room: Room, rest: str) -> None:
    to, text = _name_first(room, rest, "/whisper NAME TEXT")
    if to not in room.session.casting.with_names:
        raise InputError(f"{to} is not played by the model; whisper to {' or '.join(room.session.casting.with_names)}")
    room.show(room.session.whisper(to, text))
    await answer(room, to)


async def _narrate(room: Room, text: str) -> None:
    room.show(room.session.say(text, speaker=ENVIRONMENT))


async def _leave(room: Room, name: str) -> None:
    who = _name(room, name)
    room.session.leave(who)
    room.say(f"{who} is away and hears nothing; /enter {who} brings them back")


async def _enter(room: Room, name: str) -> None:
    who = _name(room, name)
    room.session.enter(who)
    room.say(f"{who} is here again, and does not know what happened meanwhile")


# -- the tree --------------------------------------------------------------------------------------------------


async def _undo(room: Room, _: str) -> None:
    taken = room.session.undo()
    _told_back(room, taken, "taken back", "/redo brings it back")


async def _redo(room: Room, _: str) -> None:
    for node in (back := room.session.redo()):
        room.show(node)
    if not back:
        room.say("nothing to bring back")


async def _clear(room: Room, _: str) -> None:
    _told_back(room, room.session.clear(), "back to the opening", "/redo brings everything back")


def _told_back(room: Room, taken: tuple[Node, ...], what: str, how: str) -> None:
    if not taken:
        room.say("there is nothing but the opening")
        return
    room.say(
        f"{what}: {len(taken)} turn{'s' if len(taken) > 1 else ''} ({', '.join(n.turn.speaker for n in taken)}); {how}"
    )


async def _edit(room: Room, text: str) -> None:
    if not text:
        raise InputError("/edit TEXT rewrites the last turn: *action*, [thought], speech")
    if not room.session.line:
        raise InputError("there is no turn to edit yet")
    room.show(room.session.edit(room.session.line[-1].id, text))


# -- minds -----------------------------------------------------------------------------------------------------


async def _mind(room: Room, text: str) -> None:
    if text:
        await _change_mind(room, text)
        return
    last = room.last_reply()
    minds = room.session.minds(View(minds=True))
    if last is None and not minds:
        raise InputError("nobody has thought anything yet")
    name = last.turn.speaker if last is not None else next(iter(minds))
    if name not in minds:
        room.say(f"{name} has not thought anything yet")
        return
    room.painter.turn(minds[name], "/mind TEXT changes the thought, and what comes of it")


async def _change_mind(room: Room, thought: str) -> None:
    old, stream = room.session.change_mind(thought)
    new = await room.perform(stream, old.turn.speaker)
    if new is not None:
        _compare(room, old.turn, new.turn)


def _compare(room: Room, old: Turn, new: Turn) -> None:
    """Old and new thought and act: what went in red, what came in green; +/- lines in a pipe."""
    before, after = (_layers(turn) for turn in (old, new))
    lines = [line for line in difflib.ndiff(before, after) if not line.startswith("?")]
    room.say("what the thought changed:")
    for line in lines:
        style = {"-": "red", "+": "green"}.get(line[0], "dim")
        room.say(f"  {line[0]} {line[2:]}", style)


def _layers(turn: Turn) -> list[str]:
    layers = turn.without(Kind.SYSTEM_THINKING).segments
    return [f"{MARKS[s.kind][0]}{safe(s.text)}{MARKS[s.kind][1]}" for s in layers]


async def _minds(room: Room, _rest: str) -> None:
    view = replace(room.view, minds=True)
    minds = room.session.minds(view)
    if not minds:
        raise InputError("nobody has thought anything yet")
    width = room.painter.console.width
    if room.painter.plain or width < len(minds) * COLUMN:
        for name, turn in minds.items():
            room.painter.turn(replace(turn, speaker=name))
        return
    table = Table.grid(padding=(0, 3), expand=True)
    for _ in minds:
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*(Text(safe(name), room.painter.name_style(name)) for name in minds))
    table.add_row(*(_mind_cell(turn) for turn in minds.values()))
    room.painter.space()
    room.painter.console.print(table)
    room.painter.console.print()


def _mind_cell(turn: Turn) -> Group:
    plans = turn.only(Kind.SYSTEM_THINKING).segments
    above = [Padding(Text(safe(s.text), STYLES[s.kind]), (0, 0, 1, 0)) for s in plans]
    return Group(*above, prose(turn.segments))


async def _eyes(room: Room, name: str) -> None:
    who = _name(room, name)
    turns = room.session.eyes(who)
    room.painter.rule(f"the scene as {who} lived it")
    for turn in turns:
        room.painter.turn(turn, whispered(turn))
    count = f"{len(turns)} turn{'s' * (len(turns) != 1)}"
    room.painter.rule(f"{count}: no one else's thoughts, no plans, nothing out of earshot")


def whispered(turn: Turn) -> str:
    """A remark on a turn that not everyone heard; empty for the others."""
    return f"(heard by {', '.join(sorted(turn.heard_by))} alone)" if turn.heard_by is not None else ""


async def _prompt(room: Room, _: str) -> None:
    last = room.last_reply()
    if last is None:
        raise InputError("no model has been asked anything yet")
    made = room.session.prompt_of(last.id)
    for message in made.messages:
        if room.painter.plain:
            room.painter.rule(message.role)
            room.say(message.content, "")
        else:
            panel = Panel(Text(safe(message.content)), title=message.role, title_align="left", border_style="dim")
            room.painter.show(panel)
    room.say(f"prefill: {json.dumps(made.prefill, ensure_ascii=False)}")
    dropped = f" · {made.dropped} old turns left out to fit" if made.dropped else ""
    tokens = "" if made.usage.prompt_tokens is None else f" · {made.usage.prompt_tokens} tokens"
    room.say(f"{made.model} · seed {made.seed}{tokens}{dropped} · sha256 {made.prompt_sha[:12]}")


# -- looking ---------------------------------------------------------------------------------------------------


async def _history(room: Room, _: str) -> None:
    for turn in room.session.shown():
        room.painter.turn(turn, whispered(turn))
    if not room.session.shown():
        room.say("nothing has been said yet")


async def _think(room: Room, _: str) -> None:
    _set_view(room, replace(room.view, plans=not room.view.plans))


async def _rolethink(room: Room, _: str) -> None:
    _set_view(room, replace(room.view, minds=not room.view.minds))


async def _view(room: Room, name: str) -> None:
    if name not in VIEWS:
        raise InputError(f"the views are {', '.join(VIEWS)}; now: {room.view.name}")
    _set_view(room, VIEWS[name])


def _set_view(room: Room, view: View) -> None:
    room.session.view = view
    room.say(layers_line(view))


def layers_line(view: View) -> str:
    """One line on what is shown and what is hidden, and how to change it."""
    plans = "plans shown (/think hides them)" if view.plans else "plans hidden (/think shows them)"
    thoughts = "thoughts shown (/rolethink hides them)" if view.minds else "thoughts hidden (/rolethink shows them)"
    return f"{plans} · {thoughts}"


async def _save(room: Room, path: str) -> None:
    text = export(room.store, room.session.chat_id, format="text", view=room.view, as_name=room.session.casting.as_name)
    target = _write_new(path or f"her-{room.session.chat_id}.txt", text)
    room.say(f"written to {target}, with what you see now; the chat itself is saved as you go")


def _write_new(path: str, text: str) -> Path:
    target = Path(path).expanduser()
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{target} is there already; name another file: /save FILE") from error
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}") from error
    return target


async def _help(room: Room, _: str) -> None:
    rows = [(f"/{name} {command.takes}".rstrip(), command.help) for name, command in COMMANDS.items()]
    left = max(len(row[0]) for row in rows)
    for usage, text in rows:
        room.painter.hanging(f"{usage:<{left}}", text)
    room.say()
    room.say("*deeds* between asterisks, [thoughts] in brackets (yours alone), the rest is said aloud", "")
    room.say("Alt-Enter or a \\ at the end: a new line · Ctrl-C: stop a reply, the part is kept · Ctrl-D: leave", "")


async def _quit(room: Room, _: str) -> None:
    room.leaving = True


# -- names -----------------------------------------------------------------------------------------------------


def _name(room: Room, given: str) -> str:
    """The one in the cast who is meant."""
    return find_name(given, room.session.scene.names)


def _name_first(room: Room, rest: str, usage: str) -> tuple[str, str]:
    """A name and the text after it; the longest name that fits wins, then a part of a name."""
    for name in sorted(room.session.scene.names, key=len, reverse=True):
        if rest.casefold().startswith(f"{name.casefold()} "):
            return name, rest[len(name) :].strip()
    first, _, text = rest.partition(" ")
    if not first or not text.strip():
        raise InputError(f"write {usage}")
    return _name(room, first), text.strip()


COMMANDS: dict[str, Command] = {
    "retry": Command(_retry, "[plan|thoughts|all]", "another answer; keep its plan or thoughts, or write on", "keeps"),
    "speak": Command(_speak, "", "after a stop: enough thinking, speak now"),
    "continue": Command(_continue, "[NAME]", "let the next character, or this one, go on", "names"),
    "undo": Command(_undo, "", "take back your last line and what followed"),
    "redo": Command(_redo, "", "bring back what undo or clear took"),
    "edit": Command(_edit, "TEXT", "rewrite the last turn"),
    "mind": Command(_mind, "[TEXT]", "read the last thought; or change it and see what it changes"),
    "minds": Command(_minds, "", "everybody's mind at this moment, side by side"),
    "eyes": Command(_eyes, "NAME", "the scene as this character lived it", "names"),
    "whisper": Command(_whisper, "NAME TEXT", "say it so that nobody else hears", "names"),
    "narrate": Command(_narrate, "TEXT", "let something happen in the world"),
    "leave": Command(_leave, "NAME", "somebody goes away and hears nothing", "names"),
    "enter": Command(_enter, "NAME", "somebody comes back", "names"),
    "history": Command(_history, "", "the scene so far"),
    "prompt": Command(_prompt, "", "exactly what the model was sent for the last reply"),
    "think": Command(_think, "", "show or hide the author's plans"),
    "rolethink": Command(_rolethink, "", "show or hide thoughts"),
    "view": Command(_view, "NAME", "immersive (neither), reader (thoughts), director (both)", "views"),
    "clear": Command(_clear, "", "back to the opening"),
    "save": Command(_save, "[FILE]", "write what you see to a text file"),
    "help": Command(_help, "", "this list"),
    "quit": Command(_quit, "", "leave; the chat is saved"),
}
ALIASES = {"exit": "quit", "q": "quit", "?": "help", "h": "help", "reroll": "retry", "regenerate": "retry"}


def words_for(command: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The words that may follow a command, for completion."""
    kinds = {"names": names, "views": tuple(VIEWS), "keeps": ("plan", "thoughts", "all")}
    return kinds.get(COMMANDS[command].words, ()) if command in COMMANDS else ()
