"""Released datasets by their name on the Hugging Face hub: CoSER, and HER's own.

Knows where in them the conversations are, and streams the files as text: their objects have other keys in every row,
which no table can hold. Refuses to know what stands in them (`coser`), and to go on without a network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from her.errors import HerError, InputError, MissingExtra, StorageError
from her.rows.record import SceneRow
from her.synth.reading.coser import Importer

SHELVES = {
    "Neph0s/CoSER": {"full": "full/*.json", "test": "test/test_set.json"},
    "ChengyuDu0123/HER-Dataset": {
        "full_info": "data/HER_dataset_full_info.jsonl",
        "clean": "data/HER_dataset_clean.jsonl",
    },
}
"""Files by config, as their cards and folders have them; the first is what a name alone means."""
HUB = "hf://datasets"


def fetch(name: str, importer: Importer, *, library: Any = None, base: str = HUB) -> Iterator[SceneRow]:
    """The rows of a dataset, `owner/name` or `owner/name:config`, as they are read; `importer` keeps the counts.

    A file that cannot be read is refused there, and the others go on. `library` stands in for `datasets`, `base` for
    the hub. Raises InputError for a name or config that is not known, StorageError without a network, MissingExtra.
    """
    datasets = library or _datasets()
    repository, _, config = name.partition(":")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise InputError(
            f"--hub: {name!r} is no dataset; write it like {next(iter(SHELVES))} or {' or '.join(SHELVES)}"
        )
    try:
        for file in _files(datasets, repository, config, base):
            yield from _rows(datasets, file, repository, importer)
    except HerError:
        raise
    except _faults() as error:
        todo = "download it where there is a network, and give the file with --coser"
        raise StorageError(f"{name}: cannot be fetched ({error}); {todo}") from error


def _datasets() -> Any:
    try:
        return import_module("datasets")
    except ImportError:
        raise MissingExtra("reading datasets by name", "synth") from None


def _faults() -> tuple[type[Exception], ...]:
    """What a network or a hub can raise; the hub's client has changed its own between versions."""
    faults: list[type[Exception]] = [OSError, RuntimeError]
    for client in ("httpx2", "httpx"):
        try:
            faults.append(import_module(client).HTTPError)
        except ImportError:
            continue
    return tuple(faults)


def _files(datasets: Any, repository: str, config: str, base: str) -> list[str]:
    """The addresses of a config's files, in order."""
    shelf = SHELVES.get(repository)
    if shelf is None:
        return _files_on_card(datasets, repository, config)
    if config and config not in shelf:
        raise InputError(f"{repository} has no config {config!r} with whole scenes; there are: {', '.join(shelf)}")
    pattern = f"{base}/{repository}/{shelf[config or next(iter(shelf))]}"
    found = datasets.load_dataset_builder("text", data_files=pattern).config.data_files
    return sorted(str(file) for files in found.values() for file in files)


def _files_on_card(datasets: Any, repository: str, config: str) -> list[str]:
    """The files that another dataset's card lists, for sets in the same shape."""
    configs = list(datasets.get_dataset_config_names(repository))
    if config not in configs and (config or len(configs) != 1):
        raise InputError(
            f"{repository}: choose one of its configs, {', '.join(configs)}: --hub {repository}:{configs[0]}"
        )
    found = datasets.load_dataset_builder(repository, config or configs[0]).config.data_files or {}
    return sorted(str(file) for files in found.values() for file in files)


def _rows(datasets: Any, file: str, repository: str, importer: Importer) -> Iterator[SceneRow]:
    path = PurePosixPath(unquote(file))
    name, lines = f"{repository}/{path.name}", path.suffix in {".jsonl", ".ndjson"}
    sample = "line" if lines else "document"
    stream = datasets.load_dataset("text", data_files=[file], split="train", streaming=True, sample_by=sample)
    texts = (str(row["text"]) for row in stream)
    if lines:
        yield from importer.lines(texts, name)
        return
    for text in texts:
        try:
            data = json.loads(text)
            yield from importer.document(data, name, path.stem)
        except (ValueError, RecursionError) as error:
            importer.refuse(name, "the file", str(error))
