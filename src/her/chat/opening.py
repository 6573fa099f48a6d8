"""From flags to a session: which scene, who plays whom, which model, and whether it is a new chat.

Knows what people ask for on a command line. Refuses to guess: a name, number or file that does not fit is an error
that says what would.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from her.actor import ActorOptions, suited
from her.chat.casting import Casting
from her.chat.session import Session
from her.chat.store import Store
from her.coser import load_cases
from her.errors import InputError, UnknownName
from her.models import weights
from her.models.address import BUNDLED, open_model, resolve
from her.models.base import Model
from her.models.recorded import Recorder
from her.scene import Scene, bundled, bundled_scene, load_scene
from her.turn import VIEWS, View

DEFAULT_SCENE = "netherfield-ball"
LATEST = "latest"
"""Stands for the chat that was used last."""
NOBODY = "nobody"
"""Stands for playing no one."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Everything that can be asked for before a chat begins; None means that nothing was said about it."""

    scene: str | None = None
    """Id of a bundled scene, or a file: one scene, or CoSER's many."""
    scenario: int | None = None
    """Index among the bundled scenes, or in the file."""
    as_name: str | None = None
    newcomer: bool = False
    """Whether `as_name` is somebody who is not in the scene yet."""
    with_names: tuple[str, ...] = ()
    character: int | None = None
    """Index in the cast of the one whom the model plays (the release's flag)."""
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    view: Literal["immersive", "reader", "director"] | None = None
    show_think: bool = False
    show_rolethink: bool = False
    plan: bool = True
    constraint: Literal["auto", "on", "off"] = "auto"
    seed: int | None = None
    simple: bool = False
    resume: str | None = None
    record: Path | None = None

    @property
    def shows(self) -> View:
        """The view: the named one, and whatever the two switches add to it."""
        base = VIEWS[self.view or "immersive"]
        return View(plans=base.plans or self.show_think, minds=base.minds or self.show_rolethink)


@contextlib.asynccontextmanager
async def opened(options: ChatOptions, told: Console) -> AsyncIterator[tuple[Session, Store]]:
    """A session and its store, both closed at the end; progress of a first download goes to `told`.

    Raises InputError, UnknownName, SceneError, ModelError, MissingExtra, StorageError.
    """
    scene = None if options.resume else pick_scene(options)
    casting = None if scene is None else pick_casting(options, scene)
    if options.resume:
        _nothing_else(options)
    best = suited(resolve(options.model))
    actor = replace(best, plan=options.plan, constraint=options.constraint)
    with Store() as store:
        chat_id = latest_chat(store, options.resume) if options.resume else None
        model = _model(options, told)
        try:
            if scene is None or chat_id is not None:
                session = Session.resume(store, str(chat_id), model)
                session.options = _changed(session.options, options, best)
            else:
                session = Session.start(store, scene, model, casting=casting, options=actor, seed=options.seed)
            session.view = options.shows
            try:
                yield session, store
            finally:
                await session.close()
                store.forget_if_unplayed(session.chat_id)
        finally:
            await model.close()


def latest_chat(store: Store, chat_id: str) -> str:
    """The id itself, or that of the chat used last for `latest`; raises InputError where there is none."""
    if chat_id != LATEST:
        return store.chat(chat_id).id
    chats = store.chats()
    if not chats:
        raise InputError("there is no stored chat yet; begin one with: her chat")
    return chats[0].id


def _nothing_else(options: ChatOptions) -> None:
    given = {
        "--scene": options.scene,
        "--scenario": options.scenario,
        "--as": options.as_name,
        "--with": options.with_names or None,
        "--character": options.character,
        "--seed": options.seed,
    }
    clash = [flag for flag, value in given.items() if value is not None]
    if clash:
        raise InputError(f"--resume goes on with the chat's own scene and cast; leave out {', '.join(clash)}")


def _changed(left: ActorOptions, options: ChatOptions, best: ActorOptions) -> ActorOptions:
    """How a chat was played when it was left, and what the flags say otherwise; the model may be another now."""
    constraint = left.constraint if options.constraint == "auto" else options.constraint
    return replace(best, plan=left.plan and options.plan, preset=left.preset, constraint=constraint)


def _model(options: ChatOptions, told: Console) -> Model:
    address = resolve(options.model)
    if address in BUNDLED:
        pull_weights(told=told)
    model = open_model(address, key=options.key)
    return Recorder(model, options.record) if options.record is not None else model


def pull_weights(source: Path | None = None, told: Console | None = None) -> Path:
    """Where the bundled model lies, fetched first where it is not there yet, with a progress bar on a terminal.

    Raises ModelError or StorageError where it cannot be fetched, checked or kept.
    """
    console = told or Console(stderr=True, highlight=False)
    if source is None and weights.present():
        return weights.pull()
    console.print(
        f"Fetching the bundled model once: {weights.TITLE}, {weights.SIZE / 1e6:.0f} MB, {weights.LICENCE}; "
        "afterwards everything works offline.",
        style="dim",
        highlight=False,
    )
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("model", total=weights.SIZE)
        return weights.pull(lambda done, total: bar.update(task, completed=done, total=total), source=source)


def pick_scene(options: ChatOptions) -> Scene:
    """The scene that was asked for; raises InputError or SceneError."""
    ids = bundled()
    if options.scene is None:
        if options.scenario is None:
            return bundled_scene(DEFAULT_SCENE)
        return bundled_scene(ids[_within(options.scenario, len(ids), "bundled scenes")])
    if options.scene in ids:
        if options.scenario is not None:
            raise InputError(f"--scenario counts bundled scenes or those of a file; {options.scene} is one scene")
        return bundled_scene(options.scene)
    path = Path(options.scene).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(options.scene, ids, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(f"there is no scene {options.scene!r}, bundled or as a file.{hint} Bundled: {', '.join(ids)}")
    if options.simple:
        raise InputError("--simple plays bundled scenes only; leave it out to play a scene from a file")
    return _from_file(path, options.scenario)


def _from_file(path: Path, scenario: int | None) -> Scene:
    if scenario is None and _holds_one(path):
        return load_scene(path)
    cases = [load_scene(path)] if _holds_one(path) else load_cases(path)
    if scenario is None and len(cases) > 1:
        raise InputError(f"{path} holds {len(cases)} scenes; choose one: --scenario 0 to --scenario {len(cases) - 1}")
    return cases[_within(scenario or 0, len(cases), f"scenes of {path}")]


def _holds_one(path: Path) -> bool:
    """Whether the file is one scene of ours; anything else is left to the reader of cases, with its own errors."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return True
    return isinstance(content, dict) and "cast" in content


def _within(index: int, count: int, of: str) -> int:
    if index >= count:
        raise InputError(f"--scenario {index} is out of range: the {of} are numbered 0 to {count - 1}")
    return index


def pick_casting(options: ChatOptions, scene: Scene) -> Casting:
    """Who plays whom; raises UnknownName or InputError."""
    names = scene.names
    if options.newcomer and options.as_name in (None, NOBODY):
        raise InputError("--newcomer needs the newcomer's name: --as NAME --newcomer")
    played = tuple(find_name(name, names) for name in options.with_names)
    if options.character is not None:
        if played:
            raise InputError("--character and --with both say whom the model plays; leave one of them out")
        if options.character >= len(names):
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
            raise InputError(f"--character {options.character} is out of range; the cast is: {listed}")
        played = (names[options.character],)
    if options.as_name == NOBODY:
        return Casting(None, played)
    if options.as_name is not None:
        new = options.newcomer and options.as_name not in names
        return Casting(options.as_name if new else _played_by_you(options.as_name, names), played, newcomer=new)
    if not played:
        return Casting.default(scene)
    return Casting(next((name for name in names if name not in played), None), played)


def _played_by_you(given: str, names: tuple[str, ...]) -> str:
    try:
        return find_name(given, names)
    except UnknownName as error:
        raise InputError(f"{error}; to come as somebody new: --as NAME --newcomer") from error


def find_name(given: str, names: tuple[str, ...]) -> str:
    """The name that `given` is, or is an unmistakable word of; raises UnknownName."""
    if given in names:
        return given
    low = given.casefold()
    found = [name for name in names if low == name.casefold() or low in name.casefold().split()]
    if len(found) != 1:
        raise UnknownName(given, names)
    return found[0]
