"""What scripts ask for: one turn, a list of chats, a chat as text or JSON. Standard output holds the result alone."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from her.chat.export import Format, export, turn_json
from her.chat.opening import ChatOptions, latest_chat, opened
from her.chat.paint import Painter, console_for
from her.chat.room import Room
from her.chat.store import Chat, Node, Store
from her.errors import InputError, ModelError
from her.scene import bundled, bundled_scene
from her.turn import Ending, View


def chat_once(options: ChatOptions, text: str, *, as_json: bool) -> None:
    """Says `text`, prints the answer as the view shows it, or the whole turn as JSON.

    Raises ModelError where the answer broke off with a fault; what came of it is printed and kept all the same.
    """
    asyncio.run(_once(options, text, as_json=as_json))


async def _once(options: ChatOptions, text: str, *, as_json: bool) -> None:
    console = console_for(simple=options.simple)
    told = Console(stderr=True, highlight=False)
    async with opened(options, told) as (session, store):
        room = Room(session, store, Painter(console, session.scene.names, plain=not console.is_terminal))
        session.say(text)
        speaker = session.next_speaker()
        if speaker is None:
            raise InputError("nobody whom the model plays is here to answer")
        node = None
        async for item in session.reply(speaker):
            if isinstance(item, Node):
                node = item
        if node is None:
            raise ModelError(f"{speaker} did not answer, and the model gave no reason")
        if as_json:
            _print_json(turn_json(node))
        else:
            room.show(node)
        if node.ending is Ending.CUT and node.made is not None and node.made.error:
            raise ModelError(f"the answer broke off: {node.made.error}")


def list_scenes(*, as_json: bool) -> None:
    """Prints the bundled scenes: number, id, title, book, cast."""
    scenes = [bundled_scene(name) for name in bundled()]
    if as_json:
        _print_json(
            [
                {"scenario": i, "id": s.id, "title": s.title, "book": s.book, "language": s.language, "cast": s.names}
                for i, s in enumerate(scenes)
            ]
        )
        return
    console = console_for()
    left = max(len(scene.id) for scene in scenes)
    for i, scene in enumerate(scenes):
        rest = f"{scene.title} · {scene.book or 'new for HER'} · {', '.join(scene.names)}"
        console.print(Text(f"{i}  ").append(f"{scene.id:<{left}}", "bold").append(f"  {rest}"), soft_wrap=True)


def list_chats(*, as_json: bool) -> None:
    """Prints every stored chat, the latest first."""
    with Store() as store:
        chats = store.chats()
    if as_json:
        _print_json([_chat_json(chat) for chat in chats])
        return
    console = console_for()
    if not chats:
        console.print("No chats yet; begin one with: her chat", soft_wrap=True)
    for chat in chats:
        who = f"you are {chat.as_name or 'looking on'}, with {', '.join(chat.with_names)}"
        when = chat.updated.astimezone().strftime("%Y-%m-%d %H:%M")
        console.print(Text(f"{chat.id}  {when}  {chat.turns:>3} turns  {chat.title} ({who})"), soft_wrap=True)


def _chat_json(chat: Chat) -> dict[str, Any]:
    return {
        "id": chat.id,
        "title": chat.title,
        "as": chat.as_name,
        "with": list(chat.with_names),
        "turns": chat.turns,
        "created": chat.created.isoformat(),
        "updated": chat.updated.isoformat(),
    }


def export_chat(chat_id: str, form: Format, *, plans: bool, minds: bool) -> None:
    """Prints a stored chat; hidden layers only where asked for."""
    with Store() as store:
        chat = store.chat(latest_chat(store, chat_id))
        text = export(store, chat.id, format=form, view=View(plans=plans, minds=minds), as_name=chat.as_name)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, list) else None) + "\n")
