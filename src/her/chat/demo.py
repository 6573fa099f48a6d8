"""A recorded scene, played again through the same rendering as a chat: no model, no download.

Knows the recording that comes with the package: rows of recorded calls whose id ends in the speaker's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from importlib.resources import files
from pathlib import Path

from rich.text import Text

from her import markup
from her.chat.opening import DEFAULT_SCENE
from her.chat.paint import Growing, Painter, console_for, on_screen
from her.errors import InputError, StorageError
from her.models.base import Message, Reply, Sampling
from her.models.recorded import Replay, Row
from her.scene import Scene, bundled_scene
from her.stream import Event, Finished
from her.turn import VIEWS, Kind, Turn

RECORDING = "demo/netherfield.jsonl"
PAUSE = 0.8
"""Seconds between two turns, so that one can be read before the next begins."""
VIEW = VIEWS["director"]
LEGEND = "Written by hand, played from a file. ┊ the author's plan, [ ] a thought that nobody can read, ( ) a deed."


def play_demo(speed: float = 1.0, recording: Path | None = None) -> None:
    """Plays the recorded scene with plans and thoughts in sight, `speed` times as fast as it was made.

    Raises InputError or StorageError for a recording that cannot be read.
    """
    path = recording or Path(str(files("her") / RECORDING))
    asyncio.run(_play(path, bundled_scene(DEFAULT_SCENE), speed))


async def _play(path: Path, scene: Scene, speed: float) -> None:
    console = console_for()
    painter = Painter(console, scene.names, plain=not console.is_terminal)
    live = not painter.plain and not console.is_dumb_terminal
    pace = 1 / speed if live else 0.0
    _open(painter, scene)
    for turn in scene.dialogue().shown(VIEW):
        painter.turn(turn)
    model = Replay(path, pace=pace)  # names file and line of a bad row
    for row in recorded_rows(path):
        speaker = _speaker(row, scene, path)
        await asyncio.sleep(PAUSE * pace)
        growing = Growing(painter, speaker, VIEW.kinds, "thinks …")
        turn = Turn(speaker, ())
        with on_screen(growing, live=live):
            async for event in _events(model, row, speaker, scene.names):
                growing.take(event)
                if isinstance(event, Finished):
                    turn = event.parsed.turn
        painter.turn(turn)
    _close(painter, scene)


def recorded_rows(path: Path) -> list[Row]:
    """The rows of a recording in order; raises StorageError where it cannot be read, InputError for a bad row."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error}; install HER again to get the recording back") from error
    return [Row.model_validate_json(line) for line in lines if line.strip()]


async def _events(model: Replay, row: Row, speaker: str, names: tuple[str, ...]) -> AsyncGenerator[Event]:
    parser = markup.stream(speaker=speaker, cast=names, opened=Kind.SYSTEM_THINKING, plan=True)
    messages: list[Message] = []
    async for piece in model.stream(messages, Sampling(), call_id=row.id):
        for event in parser.finish() if isinstance(piece, Reply) else parser.feed(piece):
            yield event


def _speaker(row: Row, scene: Scene, path: Path) -> str:
    name = (row.id or "").rpartition("/")[2]
    if name not in scene.names:
        raise InputError(f"{path}: the id {row.id!r} does not end in a name of the cast: {', '.join(scene.names)}")
    return name


def _open(painter: Painter, scene: Scene) -> None:
    title = f"{scene.title}  {scene.book}, {scene.author}"
    if painter.plain:
        painter.say(title)
        painter.say(scene.setting)
        return
    painter.console.print()
    painter.show(Text(scene.title, "bold").append(title[len(scene.title) :], "dim not bold"))
    painter.space()
    painter.say(scene.setting)
    painter.space()
    painter.say(LEGEND, "dim")
    painter.space()


def _close(painter: Painter, scene: Scene) -> None:
    painter.say("Your turn:", "bold")
    for name in scene.names[:2]:
        painter.say(f'  her chat --as "{name}" --view director')
    painter.say("Without --view you see what a person in the room would see; /help in the chat shows the rest.", "dim")
