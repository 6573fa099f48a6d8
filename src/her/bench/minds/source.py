"""The file of a published set: where it is, and its rows with their places, so that a fault can be found again.

Knows folders, JSON, JSON lines and CSV. Refuses to know any set's fields, and to pass over a row that is not what it
should be: a set with a hole in it is another set.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from her.errors import InputError, StorageError

DATA = "HER_DATA"
"""The environment variable that names a folder of published sets."""
_NAMES = {str: "text", bool: "true or false", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a set is looked for: its folder and file under $HER_DATA, and where people get it."""

    folder: str
    file: str
    home: str


def find(path: str, place: Place) -> Path:
    """The file of a set.

    `path` is the file or its folder, or a name under $HER_DATA; empty, the set's own folder there is taken. Raises
    InputError that says how to get the set where there is none.
    """
    root = os.environ.get(DATA, "")
    tried = [Path(path)] if path else []
    if root:
        tried.append(Path(root) / (path or place.folder))
    for one in tried:
        file = one / place.file if one.is_dir() else one
        if file.is_file():
            return file
    where = ", ".join(map(str, tried)) or f"${DATA} is not set"
    raise InputError(
        f"{place.file} is not there ({where}); get it from {place.home}, then name the file with -T path=FILE, "
        f"or put it into {place.folder}/ under the folder that ${DATA} names"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a set, or an object within one; its readers raise InputError with file, row and field."""

    where: str
    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text that is not blank."""
        value: str = self._of(name, str)
        return value if value.strip() else self.wrong(name, "is blank")

    def number(self, name: str) -> int:
        """A whole number."""
        value: int = self._of(name, int)
        return self.wrong(name, "is no whole number") if isinstance(value, bool) else value

    def flag(self, name: str) -> bool:
        """True or false."""
        return bool(self._of(name, bool))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self._of(name, list)
        if not all(isinstance(one, str) for one in values):
            self.wrong(name, "holds something that is no text")
        return tuple(values)

    def row(self, name: str) -> Row:
        """An object within the row."""
        return Row(f"{self.where}, {name}", self._of(name, dict))

    def rows(self, name: str) -> list[Row]:
        """A list of objects within the row."""
        values = self._of(name, list)
        if not all(isinstance(one, dict) for one in values):
            self.wrong(name, "holds something that is no object")
        return [Row(f"{self.where}, {name} {number}", one) for number, one in enumerate(values, 1)]

    def literal(self, name: str) -> tuple[str, ...]:
        """A list of texts that is written as text, the way Python writes lists."""
        try:
            value = ast.literal_eval(self.text(name))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.wrong(name, "is no list of texts such as ['a', 'b']")
        return tuple(value)

    def wrong(self, name: str, what: str) -> NoReturn:
        """Raises InputError about a field."""
        raise InputError(f"{self.where}: {name!r} {what}; mend the row, or fetch the file again")

    def _of(self, name: str, kind: type) -> Any:
        if name not in self.fields:
            self.wrong(name, f"is missing (there are {', '.join(map(str, self.fields)) or 'no fields'})")
        value = self.fields[name]
        return value if isinstance(value, kind) else self.wrong(name, f"is not {_NAMES[kind]}")


def json_of(path: Path) -> Any:
    """What a file of JSON holds. Raises StorageError, and InputError where it is none."""
    return _parsed(_text(path), str(path))


def rows_of(path: Path, values: Any, name: str = "row") -> list[Row]:
    """The rows of a list that a file holds. Raises InputError where it is no list of objects, or empty."""
    if not isinstance(values, list) or not values:
        raise InputError(f"{path}: a list of rows should stand here; fetch the file again")
    for number, one in enumerate(values, 1):
        if not isinstance(one, dict):
            raise InputError(f"{path}, {name} {number}: is no object; mend the row, or fetch the file again")
    return [Row(f"{path}, {name} {number}", one) for number, one in enumerate(values, 1)]


def json_lines(path: Path) -> list[Row]:
    """The rows of a file of JSON lines; blank lines are passed over. Raises as `json_of` does."""
    return list(_lines(path))


def table(path: Path) -> list[Row]:
    """The rows of a CSV file with a head. Raises StorageError, and InputError for a row of another length."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        rows = [Row(f"{path}, row {number}", row) for number, row in enumerate(reader, 1)]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: no CSV ({error}); fetch the file again") from None
    for row in rows:
        if None in row.fields or None in row.fields.values():
            raise InputError(f"{row.where}: has more or fewer fields than the head; mend the row")
    if not rows:
        raise InputError(f"{path} holds no row; fetch the file again")
    return rows


def as_rows(values: Sequence[Mapping[str, Any]], name: str) -> list[Row]:
    """Rows that come from no file, such as a generated set, under a name."""
    return [Row(f"{name}, row {number}", one) for number, one in enumerate(values, 1)]


def _lines(path: Path) -> Iterator[Row]:
    empty = True
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            where, empty = f"{path}, line {number}", False
            value = _parsed(line, where)
            if not isinstance(value, dict):
                raise InputError(f"{where}: is no object; mend the line, or fetch the file again")
            yield Row(where, value)
    if empty:
        raise InputError(f"{path} holds no row; fetch the file again")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: no JSON ({error}); fetch the file again") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); name a file that can") from error
