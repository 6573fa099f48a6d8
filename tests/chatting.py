"""What the tests of chats share: a small scene, and a model that answers by script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from her.actor import ActorOptions
from her.chat.casting import Casting
from her.chat.session import Session
from her.chat.store import Node, Store
from her.markup import notation
from her.models.recorded import Scripted
from her.scene import Character, OpeningTurn, Scene

MARKS = notation()
NAMES = ("Ann", "Ben", "Cleo")


def written(plan: str = "", thought: str = "", action: str = "", speech: str = "") -> str:
    """A turn in tags, without the opening tag of its plan, which a chat prefills."""
    text = f"{plan}{MARKS['plan_close']}" if plan else ""
    text += f"{MARKS['thought_open']}{thought}{MARKS['thought_close']}" if thought else ""
    text += f"{MARKS['action_open']}{action}{MARKS['action_close']}" if action else ""
    return text + speech


def scene(names: tuple[str, ...] = NAMES, *, opening: bool = True) -> Scene:
    """A scene whose first character has spoken already."""
    hello = f"{MARKS['thought_open']}secret of the opening{MARKS['thought_close']}Who is there?"
    return Scene(
        id="cellar",
        title="In the cellar",
        setting="A dark cellar.",
        cast=tuple(
            Character(name=n, profile=f"{n} is here.", opening_thought=f"{n} is cold", motivation=f"{n} wants out")
            for n in names
        ),
        opening=(OpeningTurn(speaker=names[0], text=hello),) if opening else (),
    )


REPLY = written("secret plan", "secret thought", "nods", "Very well.")


def session(
    folder: Path,
    replies: list[str] | None = None,
    *,
    casting: Casting | None = None,
    names: tuple[str, ...] = NAMES,
    chunk: int | None = 5,
) -> tuple[Session, Scripted]:
    """A new chat in a new file under `folder`, in which the person plays the second character."""
    model = Scripted(lambda *_: REPLY, chunk=chunk) if replies is None else Scripted(replies, chunk=chunk)
    store = Store(folder / "chats.db")
    options = ActorOptions(constraint="off")
    return Session.start(store, scene(names), model, casting=casting, options=options, seed=7), model


async def last_of(stream: AsyncIterator[object]) -> Node:
    """The node that a reply's stream ends with."""
    node: object = None
    async for item in stream:
        node = item
    assert isinstance(node, Node)
    return node


def prompt_text(model: Scripted, at: int = -1) -> str:
    """All text of one call's prompt."""
    call = model.calls[at]
    return "\n".join([*(m.content for m in call.messages), call.prefill])
