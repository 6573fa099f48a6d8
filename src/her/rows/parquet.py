"""Samples as they are read from Parquet: one config and split of a data set, or one file.

Knows Parquet and the rows that stand in it. Refuses to know how they were made. Importing this module loads pyarrow,
and raises MissingExtra without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from her.errors import InputError, MissingExtra, StorageError
from her.rows.record import Record
from her.rows.samples import CONFIGS

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise MissingExtra("reading Parquet", "synth") from missing

R = TypeVar("R", bound=Record)


def read_samples(folder: Path | str, config: str, type: type[R], split: str = "train") -> Iterator[R]:
    """The rows of one config and split, file after file; none where the split has no file.

    Raises InputError for a config that is not made of `type` and for a row that is none, and StorageError.
    """
    if CONFIGS.get(config) is not type:
        known = ", ".join(f"{name} ({row.__name__})" for name, row in CONFIGS.items())
        raise InputError(f"{folder}: there is no config {config!r} of {type.__name__}; the configs are: {known}")
    for path in sorted(Path(folder, config).glob(f"{split}-*.parquet")):
        yield from read_parquet(path, type)


def read_parquet(path: Path | str, type: type[R]) -> Iterator[R]:
    """The rows of one file, a row group in memory at a time; raises as `read_samples` does."""
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                for row in file.read_row_group(group).to_pylist():
                    number += 1
                    yield type.model_validate(row)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise InputError(f"{path}, row {number}: {where}: {fault['msg']}; is it a file of {type.__name__}?") from None
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path} cannot be read ({error}); make the samples again") from error
