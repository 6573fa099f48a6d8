"""`run.json`: what a run was asked for, so that no folder ever holds two runs; and whose turn it is to set one up.

Knows which options make another run of it. Refuses to know what a run does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from her import __version__
from her.errors import InputError, StorageError
from her.models.address import resolve
from her.rows.files import Writer
from her.synth.locks import take
from her.synth.options import SynthOptions
from her.synth.stage import StageOptions

FILE = "run.json"
LOCK = "run.lock"
SCHEMA = 1
"""Version of a run's folder."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The folder of a run for this process alone, until the block ends; whoever else wants it waits.

    Shards of one run begin at the same moment and write the same files. File systems without locks go without.
    Raises InputError for a folder that holds something else, StorageError for one that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not any((folder / name).exists() for name in (FILE, LOCK)):
            raise InputError(f"{folder}: is not empty and holds no run; choose a new folder with --out")
        lock = (folder / LOCK).open("ab")
    except OSError as error:
        why = error.strerror or error
        raise StorageError(f"{folder}: cannot be written ({why}); choose another folder with --out") from error
    with lock:
        take(lock)
        yield


def check(options: SynthOptions, stage: StageOptions) -> None:
    """Raises InputError where the folder holds a run of other sources or settings, or a `run.json` that is none."""
    path = options.out / FILE
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror or error}); make it readable") from error
    except ValueError:
        before = None
    if not isinstance(before, dict):
        raise InputError(f"{path}: does not say what the run was asked for; choose another folder with --out")
    for name, value in _fixed(options, stage).items():
        if before.get(name) != value:
            raise InputError(
                f"{options.out}: holds a run with another {name} ({_shown(before.get(name))} and not "
                f"{_shown(value)}); choose another folder with --out, or give the same as before"
            )


def remember(options: SynthOptions, stage: StageOptions) -> None:
    """Writes `run.json`; raises StorageError."""
    told = {
        **_fixed(options, stage),
        "her": __version__,
        "model": resolve(options.model),
        "reasoner": resolve(options.reasoner) if options.reasoner else None,
    }
    with Writer(options.out / FILE) as out:
        out.write_line(json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


def _fixed(options: SynthOptions, stage: StageOptions) -> dict[str, Any]:
    """What stays the same as long as the run goes on. Files are known by name, so that folders can be moved."""
    return {
        "schema": SCHEMA,
        "books": [path.name for path in options.books],
        "coser": [path.name for path in options.coser],
        "hub": list(options.hub),
        "title": options.title,
        "author": options.author,
        "language": options.language,
        "chapters": sorted(options.chapters) if options.chapters is not None else None,
        "seed": options.seed,
        "terse": stage.terse,
        "plan_words": list(stage.plan_words),
    }


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
