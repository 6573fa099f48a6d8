"""A data set on disk: a folder for each config, Parquet files for each split, written as a stream.

Knows Parquet. Refuses to know what rows mean: their classes give the columns. Importing this module loads pyarrow, and
raises MissingExtra without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import accumulate, chain, count
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from her.errors import MissingExtra, StorageError
from her.models.base import Message
from her.rows.record import Record

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise MissingExtra("writing Parquet", "synth") from missing

GROUP_ROWS: Final = 1_000
"""Most rows of a row group: what a reader takes at once."""
GROUP_CHARS: Final = 32_000_000
"""Most characters of a row group, so that rows of long dialogues need no more memory than others."""
FILE_ROWS: Final = 50_000
"""Rows of a file; with HER's turns some hundred megabytes, which a hub shows and moves well."""
DICTIONARY_BYTES: Final = 64_000_000
"""A column's dictionary in one row group may grow as large as the group: history stands in many rows, once on disk."""
UNLIKE: Final = frozenset({"id", "context", "info", "row", "ground_truth", "reference"})
"""Columns whose values are all different, for which a dictionary is a waste."""


class Sheet:
    """One split of one config: rows go in one by one, files come out; without rows there is no file.

    The same rows give the same bytes, under the same version of pyarrow.
    """

    def __init__(
        self, folder: Path, split: str, row: type[Record], *, group_rows: int = GROUP_ROWS, file_rows: int = FILE_ROWS
    ) -> None:
        self._folder, self._split = folder, split
        self._schema = arrow_schema(row)
        self._group_rows, self._file_rows = group_rows, file_rows
        self._writer: Any = None
        self._held: list[Mapping[str, Any]] = []
        self._chars = self._in_file = 0
        self.files: list[Path] = []
        self.rows = 0

    def add(self, row: Mapping[str, Any], chars: int = 0) -> None:
        """Adds a row, its values by column; messages as Message, nested rows as mappings. Raises StorageError.

        `chars` is about how long the row is; with GROUP_CHARS it settles when a group is full.
        """
        self._held.append(row)
        self._chars += chars
        self.rows += 1
        if len(self._held) >= self._group_rows or self._chars >= GROUP_CHARS:
            self._flush()

    def close(self) -> None:
        """Writes what is left and ends the last file. Raises StorageError."""
        self._flush()
        self._end_file()

    def _flush(self) -> None:
        if not self._held:
            return
        columns = [_column([row[field.name] for row in self._held], field.type) for field in self._schema]
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        try:
            if self._writer is None:
                self._begin_file()
            self._writer.write_batch(batch, row_group_size=len(self._held))
        except (OSError, pa.ArrowException) as error:
            raise StorageError(f"{self._folder}: cannot be written ({error}); free some room and try again") from error
        self._in_file += len(self._held)
        self._held, self._chars = [], 0
        if self._in_file >= self._file_rows:
            self._end_file()

    def _begin_file(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.files.append(self._folder / f"{self._split}-{len(self.files):05}.parquet")
        self._writer = pq.ParquetWriter(
            self.files[-1],
            self._schema,
            compression="snappy",
            use_dictionary=[path for path in _leaves(self._schema) if path.rpartition(".")[2] not in UNLIKE],
            dictionary_pagesize_limit=DICTIONARY_BYTES,
        )

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._in_file = None, 0


def arrow_schema(row: type[Record]) -> pa.Schema:
    """The columns of a row's class, none of which is ever null."""
    return pa.schema([pa.field(name, _type(field.annotation)) for name, field in row.model_fields.items()])


def _leaves(fields: Iterable[Any], above: str = "") -> Iterator[str]:
    """The paths of all columns as Parquet names them."""
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{above}{field.name}.")
        elif pa.types.is_list(field.type):
            yield from _leaves([field.type.value_field.with_name("element")], f"{above}{field.name}.list.")
        else:
            yield above + field.name


def _type(annotation: Any) -> pa.DataType:
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if annotation in plain:
        return plain[annotation]
    if get_origin(annotation) is tuple:
        return pa.list_(_type(get_args(annotation)[0]))
    if is_dataclass(annotation):
        return pa.struct([(field.name, pa.string()) for field in fields(annotation)])
    return pa.struct(list(arrow_schema(annotation)))


def _column(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    if pa.types.is_list(type) and pa.types.is_struct(type.value_type):
        return _messages(values, type)
    return pa.array(values, type)


def _messages(rows: Sequence[Sequence[Message]], type: pa.DataType) -> pa.Array:
    """A column of messages; one that many rows share is turned into Arrow once."""
    flat = list(chain.from_iterable(rows))
    ids = list(map(id, flat))
    unique = dict(zip(ids, flat, strict=True))
    at = dict(zip(unique, count(), strict=False))
    taken = pa.array(map(at.__getitem__, ids), pa.int32())
    columns = [pa.array([getattr(m, field.name) for m in unique.values()], field.type) for field in type.value_type]
    items = pa.StructArray.from_arrays([column.take(taken) for column in columns], fields=list(type.value_type))
    offsets = pa.array([0, *accumulate(map(len, rows))], pa.int32())
    return pa.ListArray.from_arrays(offsets, items, type=type)
