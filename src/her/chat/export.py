"""A chat as a file, with no more in it than the view allows.

Knows three forms: text to read, one JSON object, JSON lines. Everything in them comes through `Dialogue.shown`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

from her import markup
from her.chat.store import Chat, Node, Store
from her.turn import VIEWS, Dialogue, Turn, View

Format = Literal["text", "json", "jsonl"]

_EVERYTHING = VIEWS["director"]
_OWN_FIELDS = ("background", "motivation", "opening_thought")
"""What of a character in a scene is its own to know (`her.scene`)."""


def turn_json(node: Node, view: View = _EVERYTHING, as_name: str | None = None) -> dict[str, Any]:
    """One turn as a JSON object: `speaker, segments [{kind, text}], faults, ending, model, prompt_sha, seed, usage`.

    Also `id`, and `heard_by` where not everyone heard it. `model`, `prompt_sha`, `seed` and `usage` are null where no
    model made it. Segments that `view` hides from a person who plays `as_name` (None: looks on) are left out.
    """
    cast = frozenset({node.turn.speaker, *(node.turn.heard_by or ()), *((as_name,) if as_name else ())})
    seen = Dialogue(cast, (node.turn,)).shown(view, as_name)
    made = node.made
    return {
        "id": node.id,
        **_spoken(seen[0] if seen else node.turn.only()),
        "faults": [{"kind": f.kind, "at": f.at, "detail": f.detail, "count": f.count} for f in node.faults],
        "ending": node.ending,
        "model": made.model if made else None,
        "prompt_sha": made.prompt_sha if made else None,
        "seed": made.seed if made else None,
        "usage": asdict(made.usage) if made else None,
    }


def export(
    store: Store, chat_id: str, *, format: Format, view: View = VIEWS["immersive"], as_name: str | None = None
) -> str:
    """The current line of a chat, ending with a line break; as a person sees it who plays `as_name` (None: looks on).

    `text`: title, setting, and `Name: …` a turn. `json`: `{chat, scene, turns}`, the scene without what is a
    character's own. `jsonl`: one turn a line; with plans also `model`, `prompt_sha` and `seed`.
    `chat_id` may be a unique beginning. Raises InputError, UnknownName for `as_name`, StorageError.
    """
    chat = store.chat(chat_id)
    line = store.line(chat.id, store.head(chat.id).node_id)
    cast = frozenset(character["name"] for character in chat.scene["cast"])
    shown = Dialogue(cast, tuple(node.turn for node in line)).shown(view, as_name)
    if format == "text":
        return _text(chat, shown)
    made = {node.id: node.made for node in line if node.made is not None and view.plans}
    turns = [{"id": turn.id, **_spoken(turn)} for turn in shown]
    if format == "json":
        about: dict[str, Any] = {"id": chat.id, "title": chat.title, "created": chat.created.isoformat()}
        about |= {"updated": chat.updated.isoformat(), "as_name": chat.as_name, "view": view.name}
        return _json({"chat": about, "scene": _scene(chat, view, as_name), "turns": turns}, indent=2)
    for turn in turns:
        if made_by := made.get(turn["id"]):
            turn |= {"model": made_by.model, "prompt_sha": made_by.prompt_sha, "seed": made_by.seed}
    return "".join(map(_json, turns))


def _text(chat: Chat, turns: tuple[Turn, ...]) -> str:
    blocks = [chat.title, chat.scene["setting"]]
    for turn in turns:
        to = "" if turn.heard_by is None else f" (to {', '.join(sorted(turn.heard_by)) or 'nobody'})"
        blocks.append(f"{turn.speaker}{to}: {markup.display(turn, _EVERYTHING)}")
    return "\n\n".join(blocks) + "\n"


def _spoken(turn: Turn) -> dict[str, Any]:
    spoken: dict[str, Any] = {"speaker": turn.speaker}
    spoken["segments"] = [{"kind": segment.kind, "text": segment.text} for segment in turn.segments]
    if turn.heard_by is not None:
        spoken["heard_by"] = sorted(turn.heard_by)
    return spoken


def _scene(chat: Chat, view: View, as_name: str | None) -> dict[str, Any]:
    """The scene without its opening, which stands among the turns, and without others' own fields."""
    cast = [
        character
        if view.minds or character["name"] == as_name
        else {key: value for key, value in character.items() if key not in _OWN_FIELDS}
        for character in chat.scene["cast"]
    ]
    return {**{key: value for key, value in chat.scene.items() if key != "opening"}, "cast": cast}


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"
