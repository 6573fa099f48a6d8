"""The journal: what it holds outlives kills, torn lines, full disks and other processes."""

from __future__ import annotations

import asyncio
import errno
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from her.errors import StorageError
from her.models.base import Finish, Message, Reply, Sampling, Usage
from her.models.recorded import Replay, Row
from her.rows import journal as journals
from her.rows.journal import Journal
from teachers import Teacher

MODEL = Teacher(lambda call: "")


def key(name: str) -> bytes:
    return sha256(name.encode()).digest()


def add(journal: Journal, name: str, text: str = "", **changes: Any) -> None:
    reply = Reply(text or f"“{name}” said", Finish.STOP, Usage(3, None, 5))
    journal.add(key(name), Row.of(reply, MODEL, id=name, key=key(name).hex()).model_copy(update=changes))


async def test_what_was_added_is_found_now_and_by_the_next_process(tmp_path: Path) -> None:
    async with Journal(tmp_path / "new" / "journal.jsonl") as journal:
        assert journal.find(key("a")) is None
        add(journal, "a")
        add(journal, "b", "two\nlines")
        assert journal.find(key("a")) == Reply("“a” said", Finish.STOP, Usage(3, None, 5))
    async with Journal(tmp_path / "new" / "journal.jsonl") as journal:
        assert len(journal) == 2
        add(journal, "c")
        texts = [reply.text for name in "abc" if (reply := journal.find(key(name)))]
        assert texts == ["“a” said", "two\nlines", "“c” said"]


async def test_a_line_is_in_the_file_as_soon_as_it_is_added(tmp_path: Path) -> None:
    async with Journal(tmp_path / "journal.jsonl") as journal:
        for count in (1, 2, 3):
            add(journal, str(count))
            assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == count


async def test_a_torn_line_is_taken_off_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path) as journal:
        add(journal, "a")
        add(journal, "b", "é" * 3)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (*range(first, len(whole), 11), len(whole) - 1):
        path.write_bytes(whole[:cut])
        async with Journal(path) as journal:
            assert len(journal) == 1 and journal.find(key("b")) is None
            assert path.read_bytes() == whole[:first]
            add(journal, "b", "é" * 3)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", [b"{}\n", b'{"key":"00"}\n', b"\n", b"\x00\x00\n", b'{"id":"a","text":"b"}\n'])
async def test_a_line_that_is_no_answer_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path) as journal:
        add(journal, "a")
    good = path.read_bytes()
    path.write_bytes(good + line + good)
    with pytest.raises(StorageError, match=r"journal\.jsonl, line 2 is no answer; delete the line"):
        await Journal(path).__aenter__()
    path.write_bytes(good)
    async with Journal(path) as journal:
        assert len(journal) == 1


async def test_an_answer_that_cannot_be_read_is_named_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path) as journal:
        add(journal, "a")
    path.write_bytes(path.read_bytes().replace(b'"finish":"stop"', b'"finish":"oops"'))
    async with Journal(path) as journal:
        with pytest.raises(StorageError, match=key("a").hex()):
            journal.find(key("a"))


async def test_two_processes_cannot_write_one_journal_but_both_may_read_it(tmp_path: Path) -> None:
    async with Journal(tmp_path / "journal.jsonl") as journal:
        add(journal, "a")
        with pytest.raises(StorageError, match=r"journal\.jsonl is in use by another process.*--shard"):
            await Journal(tmp_path / "journal.jsonl").__aenter__()
        async with Journal(tmp_path / "journal-1-of-2.jsonl") as other:
            assert other.find(key("a")) == journal.find(key("a"))
            add(other, "b")
    async with Journal(tmp_path / "journal.jsonl") as journal:
        assert journal.find(key("b")) and len(journal) == 2


async def test_a_torn_line_of_a_sibling_is_passed_over_and_left(tmp_path: Path) -> None:
    sibling = tmp_path / "journal-2-of-2.jsonl"
    async with Journal(sibling) as journal:
        add(journal, "a")
        add(journal, "b")
    torn = sibling.read_bytes()[:-9]
    sibling.write_bytes(torn)
    async with Journal(tmp_path / "journal-1-of-2.jsonl") as journal:
        assert len(journal) == 1 and journal.find(key("a"))
    assert sibling.read_bytes() == torn


async def test_a_file_system_without_locks_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(journals, "_take", none)
    async with Journal(tmp_path / "journal.jsonl") as journal:
        add(journal, "a")
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 1


class Full:
    """A file on a disk that fills up in the middle of a line."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = self.file.write(data[: min(self.room, 50)])
        self.room -= written
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


async def test_a_full_disk_is_told_and_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Journal(path) as journal:
        add(journal, "a")
        before = path.read_bytes()
        journal._file = Full(journal._file, 120)  # type: ignore[assignment]
        with pytest.raises(StorageError, match=r"No space left on device.*its 1 answers are safe.*same command again"):
            add(journal, "b")
        assert path.read_bytes() == before and journal.find(key("b")) is None and journal.find(key("a"))
        journal._file = journal._file.file  # type: ignore[attr-defined]
        add(journal, "b")
    async with Journal(path) as journal:
        assert len(journal) == 2


async def test_a_write_in_pieces_is_one_line(tmp_path: Path) -> None:
    async with Journal(tmp_path / "journal.jsonl") as journal:
        journal._file = Full(journal._file, 10_000)  # type: ignore[assignment]
        add(journal, "a", "x" * 500)
        found = journal.find(key("a"))
        assert found and found.text == "x" * 500


async def test_it_goes_to_the_disk_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journals, "SYNC_EVERY", 0.02)
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    async with Journal(tmp_path / "journal.jsonl") as journal:
        add(journal, "a")
        await asyncio.sleep(0.1)
        assert len(synced) == 1, "once for what is new, and not again for nothing"
        add(journal, "b")
    assert synced == [synced[0], (tmp_path / "journal.jsonl").stat().st_size]


async def test_a_disk_that_fails_while_it_syncs_stops_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journals, "SYNC_EVERY", 0.01)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        async with Journal(tmp_path / "journal.jsonl") as journal:
            add(journal, "a")
            await asyncio.sleep(0.05)
            add(journal, "b")
    with pytest.raises(StorageError, match="Input/output error"):
        async with Journal(tmp_path / "journal.jsonl") as journal:
            add(journal, "b")


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be kept"):
        await Journal(tmp_path / "file" / "journal.jsonl").__aenter__()
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(StorageError, match="cannot be kept"):
        await Journal(tmp_path / "journal.jsonl").__aenter__()


async def test_a_journal_can_be_replayed(tmp_path: Path) -> None:
    async with Journal(tmp_path / "journal.jsonl") as journal:
        add(journal, "a")
        add(journal, "b")
    replay = Replay(tmp_path / "journal.jsonl")
    assert (await replay.generate([Message("user", "?")], Sampling(), call_id="b")).text == "“b” said"
    assert replay.prefills == MODEL.prefills
