"""One SQLite file: opened, brought to the present schema, written in whole transactions.

Knows tables and SQLite's errors. Refuses to know what a turn means.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from her.errors import StorageError
from her.models.settings import home

BUSY_SECONDS = 5.0
"""How long to wait for another process that is writing; one write takes milliseconds."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE chats (
            id TEXT PRIMARY KEY, title TEXT NOT NULL, scene TEXT NOT NULL, as_name TEXT, with_names TEXT NOT NULL,
            options TEXT NOT NULL, seed INTEGER NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL)""",
        """CREATE TABLE nodes (
            ord INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
            chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
            parent_id TEXT REFERENCES nodes(id) DEFERRABLE INITIALLY DEFERRED, speaker TEXT NOT NULL, heard_by TEXT,
            origin TEXT NOT NULL, ending TEXT NOT NULL, faults TEXT NOT NULL, absent TEXT NOT NULL, edited_from TEXT,
            created TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('streaming', 'done')))""",
        "CREATE INDEX nodes_by_chat ON nodes(chat_id)",
        "CREATE INDEX nodes_by_parent ON nodes(parent_id)",
        """CREATE TABLE segments (
            node_id TEXT NOT NULL REFERENCES nodes(id) ON DELETE CASCADE, ord INTEGER NOT NULL, kind TEXT NOT NULL,
            text TEXT NOT NULL, PRIMARY KEY (node_id, ord)) WITHOUT ROWID""",
        """CREATE TABLE generations (
            node_id TEXT PRIMARY KEY REFERENCES nodes(id) ON DELETE CASCADE, prompt TEXT NOT NULL,
            prompt_sha TEXT NOT NULL, model TEXT NOT NULL, sampling TEXT NOT NULL, seed INTEGER,
            dropped INTEGER NOT NULL, usage TEXT NOT NULL, reply TEXT NOT NULL, finish TEXT, error TEXT,
            spent TEXT NOT NULL)""",
        """CREATE TABLE heads (
            chat_id TEXT PRIMARY KEY REFERENCES chats(id) ON DELETE CASCADE, node_id TEXT REFERENCES nodes(id),
            redo TEXT NOT NULL, absent TEXT NOT NULL)""",
    ),
)
"""One step a version; `PRAGMA user_version` counts the steps that a file has seen.

Parents do not cascade: a long line would go deeper than SQLite lets triggers go (1000; sqlite.org/limits.html).
"""

WAYS = {
    "SQLITE_NOTADB": "this file is not a chat database: move it away, or name another folder in HER_HOME",
    "SQLITE_CORRUPT": "the file is damaged: copy it, then try `sqlite3 FILE .recover`",
    "SQLITE_BUSY": "another program is writing to it: close that one, then try again; nothing was lost",
    "SQLITE_FULL": "the disk is full: make room, then go on; what was saved before is safe",
    "SQLITE_IOERR": "the disk did not answer: check it, then try again",
    "SQLITE_READONLY": "it may not be written to: change its permissions, or name another folder in HER_HOME",
    "SQLITE_CANTOPEN": "it cannot be opened: change its permissions, or name another folder in HER_HOME",
    "SQLITE_CONSTRAINT": "what it belongs to was deleted meanwhile",
}
"""What to do, by the beginning of SQLite's name for the error (sqlite.org/rescode.html)."""


def default_path() -> Path:
    """Where chats are kept unless told otherwise."""
    return home() / "chats.db"


class Database:
    """An open file, safe to use from several processes and threads at once; `busy` is in seconds.

    Raises StorageError, with the reason and a way out, wherever the file cannot be used.
    """

    def __init__(self, path: Path, busy: float = BUSY_SECONDS) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise StorageError(
                f"chats cannot be kept in {path}: {error.strerror}; name another folder in HER_HOME"
            ) from error
        with self._told():
            self._db = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)  # a forgotten store lets go of its file, too
        try:
            with self._told():
                self._prepare()
        except StorageError:
            self._db.close()
            raise

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock, self._told():
            self._db.close()

    def rows(self, query: str, *values: str | int | None) -> list[sqlite3.Row]:
        """What a query finds."""
        with self._lock, self._told():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def look(self) -> Iterator[None]:
        """One moment of the file for several queries, whatever others write meanwhile."""
        with self._lock, self._told():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def put(self, query: str, *values: str | int | None) -> None:
        """Changes something; only inside `write`."""
        self._db.execute(query, values)

    def put_all(self, query: str, rows: Sequence[tuple[str | int | None, ...]]) -> None:
        """As `put`, once a row."""
        self._db.executemany(query, rows)

    @contextmanager
    def write(self) -> Iterator[None]:
        """One transaction: all of it or nothing. A transaction inside a transaction is part of it."""
        with self._lock, self._told():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        self._check()  # first of all: not one byte of a file that is not ours may change
        # In WAL mode a killed process loses nothing that was committed at this level; only a power cut can.
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        if self._version() == len(MIGRATIONS):
            return
        with self.write():
            self._check()  # another process may have been here meanwhile
            for step in MIGRATIONS[self._version() :]:
                for statement in step:
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _check(self) -> None:
        with self.look():  # together, because another process may be making the tables now
            version = self._version()
            tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StorageError(
                f"{self.path} was written by a newer version of HER (schema {version}, this one reads up to "
                f"{len(MIGRATIONS)}): upgrade HER, or name another folder in HER_HOME"
            )
        if version == 0 and tables:
            raise StorageError(f"{self.path} is the database of another program: name another file")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns SQLite's errors into ours, with a way out."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            way = next(
                (way for start, way in WAYS.items() if name.startswith(start)), "check the file, or move it away"
            )
            raise StorageError(f"{self.path}: {error} ({way})") from error
