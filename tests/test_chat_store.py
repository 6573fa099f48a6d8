"""Chats on disk: nothing is lost, nothing private comes loose, and every trouble is told with a way out."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from her.chat.store import Attempt, Chat, Generation, Head, Node, Origin, Store, default_path
from her.chat.take import Take
from her.errors import InputError, StorageError
from her.markup import notation
from her.models.base import Message, Sampling, Usage
from her.turn import Ending, Fault, FaultKind, Kind, Segment, Turn

CHAT = Chat(
    "", "In the cellar", {"cast": [{"name": "Ann"}, {"name": "Ben"}], "setting": "Dark."}, "Ben", ("Ann",), {}, 7
)
PROMPT = Generation((Message("system", "You are Ann."), Message("user", "Ben: 你好")), "<", "scripted", Sampling())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "chats.db")


def said(chat: Chat, text: str, parent: str | None = None, speaker: str = "Ben") -> Node:
    return Node("", chat.id, parent, Turn(speaker, (Segment(Kind.SPEECH, text),)), Origin.USER)


def grown(store: Store, turns: int) -> Chat:
    """A chat with a line of so many turns."""
    chat = store.new_chat(CHAT)
    parent = None
    for number in range(turns):
        parent = store.add(said(chat, f"turn {number}", parent)).id
    return chat


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
turns = st.builds(
    Turn,
    speaker=st.sampled_from(["Ann", "Ben", "林黛玉", "Élodie O’Brien"]),
    segments=st.lists(st.builds(Segment, st.sampled_from(list(Kind)), texts)).map(tuple),
    heard_by=st.none() | st.frozensets(texts),
)
faults = st.lists(st.builds(Fault, st.sampled_from(list(FaultKind)), st.integers(0, 99), texts, st.integers(1, 9)))


def test_what_is_put_in_comes_out_the_same_in_any_script(store: Store) -> None:
    chat = store.new_chat(CHAT)

    @given(turn=turns, faults=faults.map(tuple), absent=st.frozensets(texts))
    def same(turn: Turn, faults: tuple[Fault, ...], absent: frozenset[str]) -> None:
        node = Node("", chat.id, None, turn, Origin.USER, Ending.UNCLOSED, faults, absent=absent)
        kept = store.add(node)
        assert kept.turn == replace(turn, id=kept.id)
        assert store.line(chat.id, kept.id) == (kept,)
        assert store.node(chat.id, kept.id) == kept

    same()


def test_how_a_turn_was_made_comes_out_exactly(store: Store) -> None:
    chat = store.new_chat(CHAT)
    made = replace(
        PROMPT,
        sampling=Sampling(temperature=0.1, seed=4, stop=("Ben:",)),
        seed=4,
        dropped=2,
        reply="hm\x00…",
        finish="stop",
        usage=Usage(10, 5, 3),
        spent=(Attempt(PROMPT.messages, "", "a first try"),),
    )
    node = store.begin(replace(said(chat, "", speaker="Ann"), origin=Origin.MODEL), PROMPT)
    done = store.finish(replace(node, turn=replace(node.turn, segments=(Segment(Kind.SPEECH, "Hm."),))), made)
    assert store.generation(node.id) == made
    assert store.line(chat.id, node.id) == (done,)
    assert done.made is not None
    assert (done.made.prompt_sha, done.made.usage, done.made.seed) == (made.prompt_sha, made.usage, 4)
    assert [generation for _, generation in store.generations(chat.id)] == [made]
    assert store.num_generated(chat.id) == 1


def test_a_broken_off_turn_is_read_again_and_what_was_open_stays_private(store: Store) -> None:
    chat = store.new_chat(CHAT)
    marks = notation()
    prefill = marks["plan_open"]
    node = store.begin(replace(said(chat, "", speaker="Ann"), origin=Origin.MODEL), replace(PROMPT, prefill=prefill))
    raw = f"a plan{marks['plan_close']}Ann: Hello.{marks['thought_open']}nobody may know"
    expected = (
        Segment(Kind.SYSTEM_THINKING, "a plan"),
        Segment(Kind.SPEECH, "Hello."),
        Segment(Kind.ROLE_THINKING, "nobody may know"),
    )
    store.save(node.id, raw)
    store.close()
    reopened = Store(store.path)
    (half,) = reopened.line(chat.id, reopened.head(chat.id).node_id)
    assert (half.turn.segments, half.ending) == (expected, Ending.CUT), "even before anybody repairs it"
    assert [node.turn for node in reopened.recover(chat.id)] == [half.turn]
    assert reopened.recover(chat.id) == ()
    (whole,) = reopened.line(chat.id, half.id)
    assert (whole.turn.segments, whole.ending) == (expected, Ending.CUT)
    assert reopened.generation(half.id).reply == raw


def test_a_turn_that_another_process_still_writes_is_not_harmed_by_recovery(store: Store) -> None:
    chat = store.new_chat(CHAT)
    node = store.begin(replace(said(chat, "", speaker="Ann"), origin=Origin.MODEL), PROMPT)
    store.save(node.id, "Hal")
    other = Store(store.path)
    other.recover(chat.id)
    turn = replace(node.turn, segments=(Segment(Kind.SPEECH, "Hallo."),))
    store.finish(replace(node, turn=turn, ending=Ending.COMPLETE), replace(PROMPT, reply="Hallo."))
    (seen,) = other.line(chat.id, node.id)
    assert (seen.turn, seen.ending) == (turn, Ending.COMPLETE)


def test_versions_of_a_turn_are_siblings_and_the_newest_line_is_found(store: Store) -> None:
    chat = store.new_chat(CHAT, opening=[Turn("Ann", (Segment(Kind.SPEECH, "Who?"),))])
    root = store.head(chat.id).node_id
    first, second = store.add(said(chat, "one", root)), store.add(said(chat, "two", root))
    below = store.add(said(chat, "below two", second.id))
    assert store.children(chat.id, root) == (first, second)
    assert [node.id for node in store.children(chat.id, None)] == [root]
    assert store.newest_below(chat.id, root or "") == below.id
    assert store.newest_below(chat.id, first.id) == first.id
    assert [node.id for node in store.line(chat.id, below.id)] == [root, second.id, below.id]
    assert store.line(chat.id, None) == ()


def test_ids_are_short_and_drawn_again_where_one_is_taken(tmp_path: Path) -> None:
    draws = iter([b"\0" * 5, b"\0" * 5, b"\1" * 5])
    store = Store(tmp_path / "chats.db", draw=lambda _: next(draws))
    first, second = store.new_chat(CHAT), store.new_chat(CHAT)
    assert first.id == "aaaaaaaa"
    assert len(second.id) == 8 and second.id != first.id


def test_a_unique_beginning_of_an_id_is_enough(tmp_path: Path) -> None:
    draws = iter([b"\0\0\0\0\0", b"\0\0\0\0\1", b"\xff\0\0\0\0"])
    store = Store(tmp_path / "chats.db", draw=lambda _: next(draws))
    first, second, third = (store.new_chat(CHAT) for _ in range(3))
    assert store.chat(third.id[:1].upper()) == third
    assert store.chat(first.id) == first
    with pytest.raises(InputError, match=f"several ids: {first.id}, {second.id}|several ids: {second.id}, {first.id}"):
        store.chat(first.id[:3])
    for unknown in ("zzz", "", "%", "_"):
        with pytest.raises(InputError, match="no chat with the id"):
            store.chat(unknown)


def test_chats_are_listed_with_the_last_used_first_and_deleted_whole(store: Store) -> None:
    first, second = grown(store, 3), grown(store, 1)
    assert [chat.id for chat in store.chats()] == [second.id, first.id]
    store.add(said(first, "once more", store.head(first.id).node_id))
    assert [(chat.id, chat.turns) for chat in store.chats()] == [(first.id, 4), (second.id, 1)]
    store.delete_chat(first.id)
    assert [chat.id for chat in store.chats()] == [second.id]
    with sqlite3.connect(store.path) as raw:
        assert raw.execute("SELECT count(*) FROM segments").fetchone() == (1,)


def test_a_very_long_chat_can_be_deleted(store: Store) -> None:
    chat = grown(store, 1500)
    store.delete_chat(chat.id)
    assert store.chats() == ()
    assert store.children(chat.id, None) == ()


def test_the_head_keeps_what_redo_needs_and_who_is_away(store: Store) -> None:
    chat = grown(store, 2)
    at = store.line(chat.id, store.head(chat.id).node_id)[0].id
    head = Head(at, ("abc", "def"), frozenset({"Ann"}))
    store.set_head(chat.id, head)
    assert Store(store.path).head(chat.id) == head


def test_her_home_moves_the_file(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_path() == own_home / "chats.db"
    assert Store().path == own_home / "chats.db"
    monkeypatch.delenv("HER_HOME")
    assert default_path().name == "chats.db"
    assert own_home not in default_path().parents


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_nobody_else_on_the_machine_may_read_the_chats(store: Store) -> None:
    grown(store, 1)
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


# -- trouble -----------------------------------------------------------------------------------------------------


def _not_a_database(path: Path) -> None:
    path.write_text("Dear diary, " * 100, encoding="utf-8")


def _somebody_elses(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    raw.close()


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_not_a_database, "not a chat database: move it away"),
        (_somebody_elses, "another program: name another file"),
        (_newer, "newer version of HER .schema 99.*upgrade HER"),
        (Path.mkdir, "chats cannot be kept in|cannot be opened"),
    ],
)
def test_a_file_that_cannot_be_ours_is_refused_and_left_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "chats.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StorageError, match=words) as raised:
        Store(path)
    assert str(path) in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="HER_HOME"):
        Store(tmp_path / "file" / "chats.db")


def test_a_full_disk_loses_nothing_that_was_saved(store: Store) -> None:
    chat = grown(store, 3)
    head = store.head(chat.id)
    # SQLite refuses to grow beyond so many pages with the very error that a full disk brings.
    pages = store._db.rows("PRAGMA page_count")[0][0]
    store._db.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="make room"):
        store.add(said(chat, "x" * 100_000, head.node_id))
    assert store.head(chat.id) == head
    assert len(store.line(chat.id, head.node_id)) == 3
    store._db.rows(f"PRAGMA max_page_count = {pages + 1000}")
    store.add(said(chat, "x" * 100_000, head.node_id))


def test_a_file_that_may_not_be_written_can_still_be_read(store: Store) -> None:
    chat = grown(store, 2)
    store._db.rows("PRAGMA query_only = 1")
    with pytest.raises(StorageError, match="permissions"):
        store.add(said(chat, "more"))
    assert len(store.line(chat.id, store.head(chat.id).node_id)) == 2


def test_a_writer_that_does_not_let_go_is_named_as_the_cause(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.db", busy=0.05)
    chat = grown(store, 1)
    hog = sqlite3.connect(store.path, isolation_level=None)
    hog.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another program is writing"):
        store.add(said(chat, "more"))
    assert len(store.line(chat.id, store.head(chat.id).node_id)) == 1, "reading needs no lock"
    hog.execute("ROLLBACK")
    store.add(said(chat, "more"))
    hog.close()


# -- company -----------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from her.chat.store import Node, Origin, Store
from her.turn import Kind, Segment, Turn
store = Store(Path(sys.argv[1]))
for number in range(40):
    store.add(Node("", sys.argv[2], None, Turn("Ann", (Segment(Kind.SPEECH, f"{sys.argv[3]} {number}"),)), Origin.USER))
"""


def test_two_processes_write_into_one_file_without_losing_a_turn(store: Store) -> None:
    chat = grown(store, 0)
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(store.path), chat.id, name]) for name in ("left", "right")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    found = [node.turn.text_of(Kind.SPEECH) for node in store.children(chat.id, None)]
    assert sorted(found) == sorted(f"{name} {number}" for name in ("left", "right") for number in range(40))


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from her.chat.store import Store; Store(Path(sys.argv[1])).chats()"
    path = tmp_path / "chats.db"
    openers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(6)]
    assert [opener.wait(timeout=60) for opener in openers] == [0] * 6


def test_two_threads_may_share_a_store(store: Store) -> None:
    chat = grown(store, 0)
    threads = [threading.Thread(target=lambda: [store.add(said(chat, "x")) for _ in range(30)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.children(chat.id, None)) == 90


def test_opening_a_long_chat_takes_time_in_proportion_to_its_length(store: Store) -> None:
    short, long = grown(store, 100), grown(store, 1000)

    def seconds(chat: Chat) -> float:
        head = store.head(chat.id).node_id
        runs = []
        for _ in range(7):
            began = time.perf_counter()
            assert store.line(chat.id, head)
            runs.append(time.perf_counter() - began)
        return min(runs)

    seconds(short)
    assert seconds(long) < 40 * seconds(short), "ten times the turns, with room for a busy machine"


# -- a turn in the making ----------------------------------------------------------------------------------------


@settings(max_examples=40)
@example(pieces=[(" ", 0.0)])
@given(pieces=st.lists(st.tuples(st.text("ab <>", min_size=1, max_size=90), st.floats(0, 0.2)), max_size=30))
def test_what_a_kill_can_lose_is_a_moment_or_a_line(pieces: list[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "chats.db") as store:
        chat = store.new_chat(CHAT)
        now = 0.0
        node = Node("", chat.id, None, Turn("Ann", ()), Origin.MODEL)
        take = Take(store, node, ["Ann", "Ben"], clock=lambda: now)
        take.asked(PROMPT)
        come, unsaved_since = "", 0.0
        for piece, wait in pieces:
            now += wait
            take.came(piece)
            come += piece
            nodes = store.children(chat.id, None)
            kept = store.generation(nodes[0].id).reply if nodes else ""
            assert come.startswith(kept)
            unsaved_since = now if kept == come else unsaved_since
            assert not come.strip() or (len(come) - len(kept) < 200 and now - unsaved_since < 0.25)
        cut = take.cut("gone")
        assert (cut is None) == (not come.strip())
        if cut is not None:
            assert store.generation(cut.id).reply == come
            assert store.children(chat.id, None) == (cut,)


def test_a_second_attempt_replaces_the_text_only_when_its_own_comes(store: Store) -> None:
    chat = store.new_chat(CHAT)
    take = Take(store, Node("", chat.id, None, Turn("Ann", ()), Origin.MODEL), ["Ann", "Ben"])
    take.asked(PROMPT)
    take.came("The first.")
    take.asked(replace(PROMPT, prefill="again"))
    (half,) = store.children(chat.id, None)
    assert store.generation(half.id).reply == "The first."
    take.came("The second.")
    cut = take.cut()
    assert cut is not None and cut.id == half.id
    assert (store.generation(cut.id).reply, store.generation(cut.id).prefill) == ("The second.", "again")
