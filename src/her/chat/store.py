"""Where chats are kept: one SQLite file, written as the turns stream.

Knows chats, the tree of their turns, and the exact prompt behind every generated one.
Refuses to know what a model or a screen is, and never guesses what half a turn meant: it reads the
raw text again, with whatever was left open still private.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from pydantic import TypeAdapter

from her import markup
from her.chat.database import BUSY_SECONDS, Database, default_path
from her.chat.records import Attempt, Chat, Generation, Head, Made, Node, Origin
from her.errors import InputError
from her.models.base import Message, Sampling, Usage
from her.turn import ENVIRONMENT, Ending, Fault, Kind, Parsed, Segment, Turn

__all__ = [
    "Attempt",
    "Chat",
    "Generation",
    "Head",
    "Made",
    "Node",
    "Origin",
    "Store",
    "default_path",
    "read_half",
]

_FAULTS = TypeAdapter(tuple[Fault, ...])
_USAGE = TypeAdapter(Usage)
_SAMPLING = TypeAdapter(Sampling)


class Store:
    """All chats in one file; safe to open from several processes and threads at once.

    `path` None means default_path(). `busy` is in seconds. `draw` gives random bytes for ids, `clock` the time (UTC).
    Raises StorageError, with the reason and a way out, wherever the file cannot be used.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        busy: float = BUSY_SECONDS,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = default_path() if path is None else Path(path)
        self._draw, self._clock = draw, clock
        self._db = Database(self.path, busy)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    # -- chats -----------------------------------------------------------------------------------------------

    def chats(self) -> tuple[Chat, ...]:
        """Every chat, the latest used first."""
        rows = self._db.rows(_CHATS + "ORDER BY updated DESC, c.rowid DESC")
        return tuple(_chat(row) for row in rows)

    def chat(self, chat_id: str) -> Chat:
        """The chat with this id or this unique beginning of an id; raises InputError."""
        rows = self._db.rows(_CHATS + "WHERE substr(id, 1, length(?1)) = ?1", chat_id.lower())
        return _chat(_one(rows, chat_id, "chat", "list them with: her chat list"))

    def new_chat(self, chat: Chat, opening: Sequence[Turn] = ()) -> Chat:
        """The chat as saved, under a new id and with its opening turns; it stands after the last of them."""
        with self._db.write():
            now = self._clock()
            chat = replace(chat, id=self._free_id("chats"), created=now, updated=now)
            columns = (chat.id, chat.title, _json(chat.scene), chat.as_name, _json(chat.with_names))
            rest = (_json(chat.options), chat.seed, now.isoformat(), now.isoformat())
            self._db.put("INSERT INTO chats VALUES (?,?,?,?,?,?,?,?,?)", *columns, *rest)
            self._db.put("INSERT INTO heads VALUES (?, NULL, '[]', '[]')", chat.id)
            parent: str | None = None
            for turn in opening:
                parent = self.add(Node("", chat.id, parent, turn, Origin.OPENING)).id
        return replace(chat, turns=len(opening))

    def update_chat(self, chat: Chat) -> None:
        """Saves title, scene, casting and options of a chat."""
        with self._db.write():
            columns = (chat.title, _json(chat.scene), chat.as_name, _json(chat.with_names), _json(chat.options))
            self._db.put(
                "UPDATE chats SET title=?, scene=?, as_name=?, with_names=?, options=?, updated=? WHERE id=?",
                *columns,
                self._clock().isoformat(),
                chat.id,
            )

    def delete_chat(self, chat_id: str) -> None:
        """Removes one chat (exact id) and everything in it, for good."""
        with self._db.write():
            self._db.put("DELETE FROM heads WHERE chat_id = ?", chat_id)
            self._db.put("DELETE FROM chats WHERE id = ?", chat_id)

    def forget_if_unplayed(self, chat_id: str) -> bool:
        """Removes a chat (exact id) in which nothing came after the opening; whether it was one."""
        query = "SELECT 1 FROM nodes WHERE chat_id = ? AND (origin != 'opening' OR edited_from IS NOT NULL) LIMIT 1"
        if self._db.rows(query, chat_id):
            return False
        self.delete_chat(chat_id)
        return True

    # -- the tree --------------------------------------------------------------------------------------------

    def head(self, chat_id: str) -> Head:
        """Where a chat (exact id) stands."""
        rows = self._db.rows("SELECT node_id, redo, absent FROM heads WHERE chat_id = ?", chat_id)
        row = _one(rows, chat_id, "chat", "it was deleted meanwhile")
        return Head(row["node_id"], tuple(json.loads(row["redo"])), frozenset(json.loads(row["absent"])))

    def set_head(self, chat_id: str, head: Head) -> None:
        """Moves a chat to another place; nothing is deleted."""
        with self._db.write():
            self._move(chat_id, head)

    def node(self, chat_id: str, node_id: str) -> Node:
        """The node of a chat with this id or this unique beginning of an id; raises InputError."""
        found = self._db.rows(
            "SELECT id FROM nodes WHERE chat_id = ?1 AND substr(id, 1, length(?2)) = ?2", chat_id, node_id.lower()
        )
        row = _one(found, node_id, "turn", "ids stand in the exported chat")
        return self._nodes("WHERE n.id = ? ORDER BY n.ord", row["id"])[0]

    def line(self, chat_id: str, node_id: str | None) -> tuple[Node, ...]:
        """The nodes from the first to this one; empty for None."""
        return self._nodes("WHERE n.chat_id = ?2 ORDER BY reached.depth DESC", node_id, chat_id, reach=_UPWARDS)

    def children(self, chat_id: str, parent_id: str | None) -> tuple[Node, ...]:
        """The nodes that follow this one, oldest first; None: the beginnings of the chat."""
        return self._nodes("WHERE n.chat_id = ? AND n.parent_id IS ? ORDER BY n.ord", chat_id, parent_id)

    def newest_below(self, chat_id: str, node_id: str) -> str:
        """The end of the newest line through this node: at every fork the latest child; the node itself if a leaf."""
        rows = self._db.rows("SELECT id, parent_id FROM nodes WHERE chat_id = ? ORDER BY ord", chat_id)
        latest = {row["parent_id"]: row["id"] for row in rows}
        while node_id in latest:
            node_id = latest[node_id]
        return node_id

    def add(self, node: Node) -> Node:
        """The node as saved, whole, under a new id; the chat stands after it."""
        with self._db.write():
            node = self._insert(node, "done")
            self._fill(node)
        return node

    # -- a turn that streams ---------------------------------------------------------------------------------

    def begin(self, node: Node, made: Generation) -> Node:
        """The node as saved without its text, under a new id; the chat stands after it."""
        with self._db.write():
            node = self._insert(replace(node, ending=Ending.CUT), "streaming")
            self._put(node.id, made)
        return node

    def save(self, node_id: str, reply: str) -> None:
        """Keeps the raw text of a streaming node as far as it has come."""
        with self._db.write():
            self._db.put("UPDATE generations SET reply = ? WHERE node_id = ?", reply, node_id)

    def again(self, node_id: str, made: Generation) -> None:
        """Begins the text of a streaming node anew, from another prompt."""
        with self._db.write():
            self._put(node_id, made)

    def finish(self, node: Node, made: Generation) -> Node:
        """The node as saved, whole."""
        with self._db.write():
            self._db.put(
                "UPDATE nodes SET ending = ?, faults = ?, state = 'done' WHERE id = ?",
                node.ending,
                _FAULTS.dump_json(node.faults).decode(),
                node.id,
            )
            self._fill(node)
            self._put(node.id, made)
        return replace(node, made=_made(made))

    def recover(self, chat_id: str) -> tuple[Node, ...]:
        """Closes the turns that a crash left streaming: what came is kept, Ending.CUT, the open block stays private.

        A turn that another process is still writing is not harmed: its own finish replaces this.
        """
        nodes = self._nodes("WHERE n.chat_id = ? AND n.state = 'streaming' ORDER BY n.ord", chat_id)
        for node in nodes:
            self.finish(node, replace(self.generation(node.id), finish="cut"))
        return nodes

    def generation(self, node_id: str) -> Generation:
        """How a turn (exact id) was made; raises InputError where no model made it."""
        rows = self._db.rows("SELECT * FROM generations WHERE node_id = ?", node_id)
        return _generation(_one(rows, node_id, "generated turn", "the scene or a person wrote this one"))

    def generations(self, chat_id: str) -> tuple[tuple[Node, Generation], ...]:
        """Every generated turn of a chat, in the order of making, with its exact prompt."""
        nodes = self._nodes("WHERE n.chat_id = ? AND n.origin = 'model' ORDER BY n.ord", chat_id)
        return tuple((node, self.generation(node.id)) for node in nodes if node.made is not None)

    def num_generated(self, chat_id: str) -> int:
        """How many turns models have made for a chat, on all branches."""
        query = "SELECT count(*) AS n FROM nodes WHERE chat_id = ? AND origin = 'model' AND edited_from IS NULL"
        return int(self._db.rows(query, chat_id)[0]["n"])

    # -- below -----------------------------------------------------------------------------------------------

    def _free_id(self, table: Literal["chats", "nodes"]) -> str:
        while True:
            free = base64.b32encode(self._draw(5)).decode().lower()
            if not self._db.rows(f"SELECT 1 FROM {table} WHERE id = ?", free):
                return free

    def _insert(self, node: Node, state: Literal["streaming", "done"]) -> Node:
        now, new = self._clock(), self._free_id("nodes")
        node = replace(node, id=new, created=now, turn=replace(node.turn, id=new))
        turn, heard = node.turn, node.turn.heard_by
        values = (node.id, node.chat_id, node.parent_id, turn.speaker, None if heard is None else _json(sorted(heard)))
        more = (node.origin, node.ending, _FAULTS.dump_json(node.faults).decode(), _json(sorted(node.absent)))
        last = (node.edited_from, now.isoformat(), state)
        self._db.put("INSERT INTO nodes VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?)", *values, *more, *last)
        self._move(node.chat_id, Head(node.id, absent=node.absent))
        return node

    def _fill(self, node: Node) -> None:
        self._db.put("DELETE FROM segments WHERE node_id = ?", node.id)
        rows = [(node.id, place, s.kind, s.text) for place, s in enumerate(node.turn.segments)]
        self._db.put_all("INSERT INTO segments VALUES (?,?,?,?)", rows)

    def _put(self, node_id: str, made: Generation) -> None:
        prompt = _json(_prompt(made))
        spent = _json([{**_prompt(attempt), "reply": attempt.reply} for attempt in made.spent])
        values = (node_id, prompt, made.prompt_sha, made.model, _json(asdict(made.sampling)), made.seed)
        more = (made.dropped, _json(asdict(made.usage)), made.reply, made.finish, made.error, spent)
        self._db.put("INSERT OR REPLACE INTO generations VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", *values, *more)

    def _move(self, chat_id: str, head: Head) -> None:
        values = (head.node_id, _json(head.redo), _json(sorted(head.absent)), chat_id)
        self._db.put("UPDATE heads SET node_id = ?, redo = ?, absent = ? WHERE chat_id = ?", *values)
        self._db.put("UPDATE chats SET updated = ? WHERE id = ?", self._clock().isoformat(), chat_id)

    def _nodes(self, which: str, *values: str | None, reach: str = "") -> tuple[Node, ...]:
        """Nodes n that fulfil a condition; `reach` defines a table `reached` (ids, depths) to join with."""
        join = "JOIN reached ON reached.id = n.id " if reach else ""
        with self._db.look():
            rows = self._db.rows(f"{reach} {_NODES} {join} {which}", *values)
            texts = self._db.rows(f"{reach} {_SEGMENTS} {join} {which}, s.ord", *values)
        segments: dict[str, list[Segment]] = {}
        for row in texts:
            segments.setdefault(row["node_id"], []).append(Segment(Kind(row["kind"]), row["text"]))
        return tuple(_node(row, tuple(segments.get(row["id"], ()))) for row in rows)


_CHATS = "SELECT c.*, (SELECT count(*) FROM nodes WHERE chat_id = c.id) AS turns FROM chats c "

_NODES = """SELECT n.*, g.model, g.prompt_sha, g.seed, g.usage, g.finish, g.error,
    CASE n.state WHEN 'streaming' THEN g.prompt END AS prompt, CASE n.state WHEN 'streaming' THEN g.reply END AS reply,
    CASE n.state WHEN 'streaming' THEN (SELECT scene FROM chats WHERE id = n.chat_id) END AS scene
    FROM nodes n LEFT JOIN generations g ON g.node_id = n.id"""
"""What half a turn is read from, the prompt above all, is fetched for half turns alone: prompts are long."""

_UPWARDS = """WITH RECURSIVE reached(id, depth) AS (SELECT ?1, 0 UNION ALL
    SELECT p.parent_id, depth + 1 FROM reached JOIN nodes p ON p.id = reached.id WHERE p.parent_id IS NOT NULL)"""

_SEGMENTS = "SELECT s.* FROM nodes n JOIN segments s ON s.node_id = n.id"


def read_half(speaker: str, prefill: str, reply: str, cast: Iterable[str]) -> Parsed:
    """What a turn that broke off holds: the block that was left open stays what it was, so private stays private."""
    read = markup.parse(prefill + reply, speaker=speaker, cast={*cast, ENVIRONMENT})
    return replace(read, ending=Ending.CUT)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one(rows: Sequence[sqlite3.Row], wanted: str, what: str, way: str) -> sqlite3.Row:
    exact = [row for row in rows if wanted and ("id" not in row.keys() or row["id"] == wanted.lower())]  # noqa: SIM118
    found = exact or list(rows)
    if len(found) == 1 and wanted:
        return found[0]
    if not found or not wanted:
        raise InputError(f"there is no {what} with the id {wanted!r}; {way}")
    raise InputError(f"{wanted!r} is the beginning of several ids: {', '.join(row['id'] for row in found)}")


def _chat(row: sqlite3.Row) -> Chat:
    plain: dict[str, Any] = {key: row[key] for key in ("id", "title", "as_name", "seed", "turns")}
    plain |= {key: json.loads(row[key]) for key in ("scene", "options")}
    plain |= {key: datetime.fromisoformat(row[key]) for key in ("created", "updated")}
    return Chat(with_names=tuple(json.loads(row["with_names"])), **plain)


def _node(row: sqlite3.Row, segments: tuple[Segment, ...]) -> Node:
    heard = None if row["heard_by"] is None else frozenset(json.loads(row["heard_by"]))
    ending, faults = Ending(row["ending"]), _FAULTS.validate_json(row["faults"])
    if row["state"] == "streaming":
        cast = [character["name"] for character in json.loads(row["scene"])["cast"]]
        read = read_half(row["speaker"], json.loads(row["prompt"])["prefill"], row["reply"], cast)
        segments, ending, faults = read.turn.segments, read.ending, read.faults
    made = None
    if row["model"] is not None:
        usage = _USAGE.validate_json(row["usage"])
        made = Made(row["model"], row["prompt_sha"], row["seed"], usage, row["finish"], row["error"])
    return Node(
        id=row["id"],
        chat_id=row["chat_id"],
        parent_id=row["parent_id"],
        turn=Turn(row["speaker"], segments, heard, row["id"]),
        origin=Origin(row["origin"]),
        ending=ending,
        faults=faults,
        created=datetime.fromisoformat(row["created"]),
        absent=frozenset(json.loads(row["absent"])),
        edited_from=row["edited_from"],
        made=made,
    )


def _generation(row: sqlite3.Row) -> Generation:
    prompt = json.loads(row["prompt"])
    plain: dict[str, Any] = {key: row[key] for key in ("model", "seed", "dropped", "reply", "finish", "error")}
    plain |= {"sampling": _SAMPLING.validate_json(row["sampling"]), "usage": _USAGE.validate_json(row["usage"])}
    spent = tuple(Attempt(_messages(old), old["prefill"], old["reply"]) for old in json.loads(row["spent"]))
    return Generation(messages=_messages(prompt), prefill=prompt["prefill"], spent=spent, **plain)


def _prompt(made: Generation | Attempt) -> dict[str, Any]:
    return {"messages": [[m.role, m.content] for m in made.messages], "prefill": made.prefill}


def _messages(prompt: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in prompt["messages"])


def _made(made: Generation) -> Made:
    return Made(made.model, made.prompt_sha, made.seed, made.usage, made.finish, made.error)
