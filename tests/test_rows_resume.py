"""A stage that is killed again and again comes to the same files, and never asks for what it has."""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import time
from collections import Counter
from pathlib import Path

import pytest

from her.errors import StorageError
from her.rows.run import SPARE
from teachers import ROOM, Errand, errands, run_errands, serving

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["her.rows.run", "her.models.endpoint", "her.models.wire"])
LIMIT = 8
IN_WORK = LIMIT + LIMIT // SPARE
DATA = ("rows.jsonl", "dropped.jsonl")


def answered(journal: Path) -> set[str]:
    """The requests whose answers stand in a journal, as the server's log names them."""
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    times: Counter[str] = Counter()
    found = set()
    for row in map(json.loads, lines):
        # The second answer to one call is the one with twice the room.
        found.add(f"{row['id']}@{ROOM << times[row['id']]}")
        times[row["id"]] += 1
    return found


def came(log: Path, what: str = "came") -> list[str]:
    """The requests that a server has received so far, or those that it did something to."""
    notes = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return [note["name"] for note in notes if note["what"] == what]


def killed(folder: Path, address: str, count: int, after: int, pause: float) -> bool:
    """Whether a run was killed when its journal had grown by so many bytes; otherwise it came to its end."""
    journal = folder / "journal.jsonl"
    goal = (journal.stat().st_size if journal.exists() else 0) + after
    process = PROCESSES.Process(target=run_errands, args=(folder, address, list(errands(count))))
    process.start()
    while process.is_alive() and not (journal.exists() and journal.stat().st_size >= goal):
        time.sleep(0.001)
    time.sleep(pause)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == -9


def check(tmp_path: Path, *, kills: int, count: int) -> None:
    still, shaken, log = tmp_path / "still", tmp_path / "shaken", tmp_path / "log"
    with serving() as address:
        whole = run_errands(still, address, errands(count), limit=LIMIT)
    assert min(whole.kept, whole.repaired, whole.dropped, whole.lengthened) > 0, "the stage must show all its ways"
    step = (still / "journal.jsonl").stat().st_size // (kills + 3)
    rng = random.Random(kills)
    had: set[str] = set()
    with serving("--faults", "0.3", "--latency", "0.003", "--log", str(log)) as address:
        for _ in range(kills):
            seen = len(came(log))
            assert killed(shaken, address, count, rng.randrange(step), rng.random() * 0.02)
            assert not set(came(log)[seen:]) & had
            assert not (shaken / "report.json").exists() and not (shaken / "rows.jsonl").exists()
            before, had = had, answered(shaken / "journal.jsonl")
            assert before <= had
            lost = {*came(log, "well"), *came(log, "slow")} - had
            assert len(lost) <= IN_WORK, "a kill takes no more than the answers that were on their way, one for a row"
        seen = len(came(log))
        last = run_errands(shaken, address, errands(count))
        assert not set(came(log)[seen:]) & had
    for name in DATA:
        assert (shaken / name).read_bytes() == (still / name).read_bytes()
    assert last.rows_in == count == last.kept + last.repaired + last.dropped
    assert (last.calls + last.from_journal, last.rows_sha) == (whole.calls, whole.rows_sha)
    assert answered(shaken / "journal.jsonl") == answered(still / "journal.jsonl")
    assert {path.suffix for path in shaken.iterdir()} == {".jsonl", ".json"}, "no part is left over"


def test_b11_five_kills_change_nothing_and_no_answer_is_asked_for_twice(tmp_path: Path) -> None:
    check(tmp_path, kills=5, count=60)


@pytest.mark.long
def test_fifty_kills_change_nothing_and_no_answer_is_asked_for_twice(tmp_path: Path) -> None:
    check(tmp_path, kills=50, count=300)


def cramped(room: int, folder: Path, address: str, rows: list[Errand]) -> None:
    """A run on a disk where no file can have more than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        run_errands(folder, address, rows)
    except StorageError as error:
        (folder / "told").write_text(str(error), encoding="utf-8")


def test_a_disk_that_fills_up_costs_nothing_that_was_made(tmp_path: Path) -> None:
    still, full, log = tmp_path / "still", tmp_path / "full", tmp_path / "log"
    with serving("--log", str(log)) as address:
        run_errands(still, address, errands(30))
        whole = (still / "journal.jsonl").read_bytes()
        process = PROCESSES.Process(target=cramped, args=(len(whole) // 2, full, address, list(errands(30))))
        process.start()
        process.join()
        told = (full / "told").read_text(encoding="utf-8")
        assert "journal.jsonl cannot be kept (File too large)" in told and "the same command again" in told
        half = (full / "journal.jsonl").read_bytes()
        assert len(whole) * 0.4 < len(half) <= len(whole) // 2 and half.endswith(b"}\n")
        assert not (full / "rows.jsonl").exists()
        had, seen = answered(full / "journal.jsonl"), len(came(log))
        run_errands(full, address, errands(30))
        assert not set(came(log)[seen:]) & had
    for name in DATA:
        assert (full / name).read_bytes() == (still / name).read_bytes()


def test_shards_side_by_side_and_the_run_that_joins_them_come_to_the_same_rows(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with serving() as address:
        alone = run_errands(whole, address, errands(20))
        runs = [
            PROCESSES.Process(target=run_errands, args=(parts, address, list(errands(20))), kwargs={"shard": (n, 3)})
            for n in (1, 2, 3)
        ]
        for process in runs:
            process.start()
        for process in runs:
            process.join()
        joined = run_errands(parts, address, errands(20))
    assert (joined.calls, joined.from_journal, joined.rows_sha) == (0, alone.calls, alone.rows_sha)
    for name in DATA:
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
        lines = [(parts / f"{name[:-6]}-{n}-of-3.jsonl").read_bytes().splitlines() for n in (1, 2, 3)]
        assert sorted(line for part in lines for line in part) == sorted((whole / name).read_bytes().splitlines())
