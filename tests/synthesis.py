"""Runs of `her synth` for tests: in this process, in another that may be killed, and what they leave behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from her import cli
from her.rows.run import RunOptions
from her.synth import engines
from stage_teacher import Served

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["her.synth.pipeline", "her.models.endpoint", "her.models.wire", "synthesis"])

STEPS = ("scenes", "profiles", "role-thinking", "system-thinking", "settings")


def hasten(patch: pytest.MonkeyPatch) -> None:
    """No long patience with a server that fails."""
    patch.setattr(engines, "RunOptions", partial(RunOptions, patience=0.01))


def argv(out: Path, books: Sequence[Path], served: Served, *flags: str) -> list[str]:
    """A command line of `her synth run`."""
    named = [part for book in books for part in ("--book", str(book))]
    return ["synth", "run", "--out", str(out), *named, "--model", served.address, *flags]


def command(arguments: Sequence[str]) -> None:
    """The target of a process of its own, which is hasty and mute."""
    with pytest.MonkeyPatch.context() as patch, open(os.devnull, "w", encoding="utf-8") as nowhere:
        hasten(patch)
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            code = cli.run(list(arguments))
    sys.exit(code)


def begun(arguments: Sequence[str]) -> Any:
    """A command in a process of its own."""
    process = PROCESSES.Process(target=command, args=(list(arguments),))
    process.start()
    return process


def data_of(folder: Path) -> dict[str, bytes]:
    """Every file of a run that holds data, by its name: rows, what was dropped, samples, texts of books."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    never = r"journal|report|-\d+-of-\d+|run\."
    return {name: path.read_bytes() for name, path in names.items() if not re.search(never, name)}


def same(one: Path, other: Path) -> None:
    """Asserts that two runs have the same data, to the byte."""
    left, right = data_of(one), data_of(other)
    assert sorted(left) == sorted(right)
    assert [name for name in left if left[name] != right[name]] == []


def answered(folder: Path) -> set[str]:
    """The numbers of all answers in a run's journals, each of which is that of its request."""
    found: set[str] = set()
    for path in folder.glob("*/journal*.jsonl"):
        lines = path.read_bytes().split(b"\n")[:-1]
        found |= {number for line in lines for number in re.findall(r"[0-9a-f]{16}", json.loads(line)["text"])[:1]}
    return found


def numbers(asked: Sequence[str]) -> set[str]:
    """The numbers of requests."""
    return {re.findall(r"/([0-9a-f]{16})@", name)[0] for name in asked}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file."""
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """The reports of a run's stages."""
    found = {step: folder / step / "report.json" for step in STEPS}
    return {step: json.loads(path.read_text(encoding="utf-8")) for step, path in found.items() if path.exists()}


def killed(process: Any, folder: Path, rng: random.Random, *, bytes_on: int = 0, seconds: float = 0.0) -> bool:
    """Whether a run was killed when its journals had grown by up to so many bytes, or after up to so many seconds."""
    goal, end = written(folder) + rng.randrange(bytes_on + 1), time.monotonic() + rng.random() * seconds
    while process.is_alive() and (written(folder) < goal if bytes_on else time.monotonic() < end):
        time.sleep(0.002)
    time.sleep(rng.random() * 0.02)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return bool(process.exitcode)


def written(folder: Path) -> int:
    """Bytes in all journals of a run."""
    return sum(path.stat().st_size for path in folder.glob("*/journal*.jsonl"))
