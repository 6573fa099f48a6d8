"""Rows on disk: JSON lines that are read lazily, and written whole or not at all.

Knows lines, hashes and renaming. Refuses to know what a row means.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from pydantic import BaseModel, ValidationError

from her.errors import InputError, StorageError

R = TypeVar("R", bound=BaseModel)

BUFFER = 1 << 20
"""Bytes that a file collects before they go to the system."""


def read_rows(path: Path | str, type: type[R]) -> Iterator[R]:
    """The rows of a JSON lines file one by one; blank lines are passed over.

    Raises StorageError where the file cannot be read, InputError naming file, line and field for a row that is none.
    """
    try:
        with Path(path).open("rb", buffering=BUFFER) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _row(line, type, f"{path}, line {number}")
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); name a file of rows") from error


def _row(line: bytes, type: type[R], where: str) -> R:
    try:
        return type.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = "".join(f"{part}." for part in first["loc"])[:-1]
        raise InputError(
            f"{where} is no {type.__name__} ({f'{field}: ' if field else ''}{first['msg']}); "
            "mend the line, or make the file again with the stage before"
        ) from None


class Writer:
    """A file of rows that comes into being at the end: `with Writer(path) as out: out.write(row)`.

    Until the block has ended well the rows stand in `path.part`, and what was at `path` before stays as it is. The
    part of a run that was killed is written over by the next. Raises StorageError.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.rows = 0
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._sha = hashlib.sha256()
        self._file: BinaryIO

    @property
    def sha(self) -> str:
        """The sha256 (hex) of all lines so far."""
        return self._sha.hexdigest()

    def write(self, row: BaseModel) -> None:
        """Adds a row as one line, its fields in the order of the class."""
        self.write_line(line_of(row))

    def write_line(self, line: bytes) -> None:
        """Adds a line that `line_of` made."""
        try:
            self._file.write(line)
        except OSError as error:
            raise self._fault(error) from error
        self._sha.update(line)
        self.rows += 1

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb", buffering=BUFFER)
        except OSError as error:
            raise self._fault(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if error is None:
                self._part.replace(self.path)
                _sync_folder(self.path.parent)
            else:
                self._part.unlink()
        except OSError as fault:
            raise self._fault(fault) from error or fault

    def _fault(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be written ({error.strerror}); free some room or choose another folder, "
            "then give the same command again"
        )


def line_of(row: BaseModel) -> bytes:
    """A row as a line of JSON in UTF-8 with its newline; the same row is always the same bytes."""
    return row.model_dump_json().encode() + b"\n"


def discard(path: Path) -> None:
    """Takes a file away, if there is one; raises StorageError where that is forbidden."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be taken away ({error.strerror}); make its folder writable") from error


def sha_of(path: Path | str) -> str:
    """The sha256 (hex) of a file; raises StorageError where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror})") from error


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut; systems that cannot open a folder have no need of it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
