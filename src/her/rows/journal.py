"""The answers of a stage on disk, found by the key of the call; what stands here is never asked for again.

Append-only JSON lines that `replay:` can serve too. Each line reaches the system at once, so a killed process loses
nothing, and the disk about once a second, so a power cut loses a second. Memory holds only where each answer stands.
Knows lines, locks and torn ends. Refuses to know what makes two calls the same (`answers`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from her.errors import StorageError
from her.models.base import Reply
from her.models.recorded import Row

SYNC_EVERY = 1.0
"""Seconds between two writes through to the disk: what a power cut may lose."""
_KEY = b'{"key":"'
_KEY_END = len(_KEY) + 64
_FILE_BITS = 48
"""A place is a file's number above this bit and a byte of the file below it; 256 TiB are enough for a file."""


class Journal:
    """The answers in a file and, to read, those in its siblings (`journal*.jsonl`): other shards of the stage.

    `async with` locks the file, takes off a last line that a kill has torn, and learns where each answer stands.
    Raises StorageError for a file that another process has locked, that cannot be read or written, or that holds a
    line which is no answer.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._places: dict[bytes, int] = {}
        self._readers: list[BinaryIO] = []
        self._file: BinaryIO
        self._size = self._synced = 0
        self._trouble: StorageError | None = None
        # One thread, so that the last sync waits for the one before it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="her-journal")

    def __len__(self) -> int:
        return len(self._places)

    def find(self, key: bytes) -> Reply | None:
        """The answer to the call with this key (32 bytes); None where there is none yet."""
        place = self._places.get(key)
        if place is None:
            return None
        file = self._readers[place >> _FILE_BITS]
        file.seek(place & ((1 << _FILE_BITS) - 1))
        try:
            return Row.model_validate_json(file.readline()).reply
        except ValidationError as error:
            raise StorageError(
                f"{file.name} holds an answer that cannot be read ({error.errors()[0]['msg']}); delete the line with "
                f"the key {key.hex()}, and it will be asked for again"
            ) from None

    def add(self, key: bytes, row: Row) -> None:
        """Appends an answer, whose `key` is the same in hex; when this returns the answer outlives the process."""
        if self._trouble:
            raise self._trouble
        line = row.model_dump_json(exclude_none=True).encode() + b"\n"
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise self._fault(error) from error
        self._places[key] = (len(self._readers) - 1) << _FILE_BITS | self._size
        self._size += len(line)

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            self._open()
            stack.pop_all()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._keeper.cancel()
        await self._sync()
        self._close()
        if self._trouble and error is None:
            raise self._trouble

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            _lock(self._file)
            siblings = sorted(path for path in self.path.parent.glob("journal*.jsonl") if path != self.path)
            for path in siblings:
                self._learn(path)
            self._size = self._synced = self._learn(self.path)
            if self._size < self.path.stat().st_size:
                self._file.truncate(self._size)
        except OSError as error:
            raise self._fault(error) from error

    def _learn(self, path: Path) -> int:
        """Takes in where the answers of a file stand; returns where its last whole line ends."""
        file = path.open("rb")
        self._readers.append(file)
        base, at = (len(self._readers) - 1) << _FILE_BITS, 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                key = bytes.fromhex(line[len(_KEY) : _KEY_END].decode())
                whole = line.startswith(_KEY) and line.endswith(b"}\n") and len(key) == 32
            except ValueError:
                whole = False
            if not whole:
                raise StorageError(
                    f"{path}, line {number} is no answer; delete the line, and it will be asked for again"
                )
            self._places[key] = base | at
            at += len(line)
        return at

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY)
            await self._sync()

    async def _sync(self) -> None:
        """Writes through to the disk; a fault is raised by the next `add`, or at the end."""
        size = self._size
        if size == self._synced or self._trouble:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, os.fsync, self._file.fileno())
            self._synced = size
        except OSError as error:
            self._trouble = self._fault(error)

    def _close(self) -> None:
        self._thread.shutdown()
        for file in self._readers:
            file.close()
        if hasattr(self, "_file"):
            self._file.close()

    def _fault(self, error: OSError) -> StorageError:
        if isinstance(error, StorageError):
            return error
        return StorageError(
            f"{self.path} cannot be kept ({error.strerror}); its {len(self)} answers are safe: free some room, or make "
            "the folder writable, and give the same command again"
        )


def _lock(file: BinaryIO) -> None:
    """Takes the file for this process until it is closed, by whatever end; file systems without locks go without."""
    try:
        _take(file)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            raise StorageError(
                f"{file.name} is in use by another process: wait until it has ended, choose another folder, or divide "
                "the rows between the two with --shard"
            ) from error


if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        # A byte far behind the end: a lock keeps others from reading what it covers.
        file.seek(1 << 62)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
