"""The ladder of references: who climbs, who goes down, and what a kill or another process may do to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError, StorageError
from her.judge.reward.references import Ladder, Reference, Rung, Visit

TEXTS = {Rung.SFT: "sampled", Rung.STORED: "the book's", Rung.STRONG: "a stronger one's"}
WON, LOST, EVEN = (4.0, 4), (0.0, 4), (2.0, 4)


@pytest.fixture
def ladder(tmp_path: Path) -> Ladder:
    return Ladder(tmp_path / "ladder.db")


def visit(ladder: Ladder, rung: Rung, score: tuple[float, int], **more: object) -> Rung:
    return ladder.visit("p", TEXTS, Visit(rung, *score, **more))  # type: ignore[arg-type]


def test_a_new_prompt_begins_with_the_easiest_text_there_is(ladder: Ladder, tmp_path: Path) -> None:
    assert ladder.reference("p", TEXTS) == Reference(Rung.SFT, "sampled")
    assert ladder.reference("p", {Rung.STRONG: "x", Rung.STORED: "y"}) == Reference(Rung.STORED, "y")
    assert ladder.reference("p", {Rung.SFT: "", Rung.BEST: "not from outside"}) is None
    assert Ladder(tmp_path / "other.db", start=Rung.STORED).reference("p", TEXTS) == Reference(
        Rung.STORED, "the book's"
    )


def test_a52_the_reference_is_a_sample_stored_once_whatever_is_said_of_it(ladder: Ladder) -> None:
    for sample in ("of this step", "of the next step"):
        found = ladder.reference("p", {Rung.SFT: sample})
        assert found == Reference(Rung.SFT, sample), "the model's sample of today, told as what it is"
        ladder.visit("p", {Rung.SFT: sample}, Visit(Rung.SFT, 2, 4))


def test_two_visits_that_win_climb_and_one_does_not(ladder: Ladder) -> None:
    assert visit(ladder, Rung.SFT, WON) is Rung.SFT
    assert ladder.reference("p", TEXTS) == Reference(Rung.SFT, "sampled")
    assert visit(ladder, Rung.SFT, WON) is Rung.STORED
    assert ladder.reference("p", TEXTS) == Reference(Rung.STORED, "the book's")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (WON, WON, Rung.STRONG),
        (WON, (1.5, 4), Rung.STORED),
        ((2.8, 4), (2.8, 4), Rung.STORED),
        ((2.9, 4), (2.8, 4), Rung.STRONG),
        (EVEN, EVEN, Rung.STORED),
        ((1.2, 4), (1.2, 4), Rung.STORED),
        ((1.1, 4), (1.2, 4), Rung.SFT),
        (LOST, LOST, Rung.SFT),
        ((1.0, 1), (2.0, 9), Rung.STORED),
    ],
)
def test_the_share_of_two_visits_decides(
    ladder: Ladder, first: tuple[float, int], second: tuple[float, int], expected: Rung
) -> None:
    assert visit(ladder, Rung.STORED, first) is Rung.STORED
    assert visit(ladder, Rung.STORED, second) is expected


def test_a_new_rung_takes_two_visits_of_its_own(ladder: Ladder) -> None:
    visit(ladder, Rung.SFT, WON)
    assert visit(ladder, Rung.SFT, WON) is Rung.STORED
    assert visit(ladder, Rung.STORED, WON) is Rung.STORED
    assert visit(ladder, Rung.STORED, WON) is Rung.STRONG


def test_only_the_last_two_visits_count(ladder: Ladder) -> None:
    for won in (4.0, 1.5, 1.5):
        assert visit(ladder, Rung.STORED, (won, 4)) is Rung.STORED
    assert visit(ladder, Rung.STORED, (0.8, 4)) is Rung.SFT


def test_a_visit_without_verdicts_is_none(ladder: Ladder) -> None:
    visit(ladder, Rung.SFT, WON)
    assert visit(ladder, Rung.SFT, (0.0, 0)) is Rung.SFT
    assert visit(ladder, Rung.SFT, WON) is Rung.STORED


def test_rungs_without_a_text_are_passed_over(ladder: Ladder) -> None:
    some = {Rung.SFT: "a", Rung.STRONG: "b"}
    for _ in range(2):
        rung = ladder.visit("p", some, Visit(Rung.SFT, *WON))
    assert rung is Rung.STRONG
    for _ in range(2):
        rung = ladder.visit("p", some, Visit(Rung.STRONG, *LOST))
    assert rung is Rung.SFT
    for _ in range(4):
        rung = ladder.visit("q", {Rung.STORED: "only"}, Visit(Rung.STORED, *WON))
    assert rung is Rung.STORED


def test_a_text_that_is_gone_is_replaced_by_the_nearest_easier_one(ladder: Ladder) -> None:
    for _ in range(2):
        visit(ladder, Rung.STORED, WON)
    assert ladder.reference("p", TEXTS) == Reference(Rung.STRONG, "a stronger one's")
    left = {Rung.SFT: "sampled", Rung.STORED: "the book's"}
    assert ladder.reference("p", left) == Reference(Rung.STORED, "the book's")
    assert ladder.visit("p", left, Visit(Rung.STORED, *EVEN)) is Rung.STORED


class TestBestPast:
    def test_it_is_kept_if_it_won_and_by_most(self, ladder: Ladder) -> None:
        visit(ladder, Rung.STRONG, EVEN, best="a tie", value=0.5)
        visit(ladder, Rung.STRONG, EVEN, best="good", value=0.7)
        visit(ladder, Rung.STRONG, EVEN, best="better", value=0.9)
        visit(ladder, Rung.STRONG, EVEN, best="worse", value=0.8)
        for _ in range(2):
            rung = visit(ladder, Rung.STRONG, WON)
        assert rung is Rung.BEST
        assert ladder.reference("p", TEXTS) == Reference(Rung.BEST, "better")

    def test_a_harder_reference_beaten_counts_for_more(self, ladder: Ladder) -> None:
        visit(ladder, Rung.STRONG, WON, best="beat the strong one", value=0.6)
        visit(ladder, Rung.SFT, WON, best="beat a sample", value=0.99)
        visit(ladder, Rung.STRONG, WON)
        assert ladder.reference("p", TEXTS) == Reference(Rung.BEST, "beat the strong one")

    def test_without_one_there_is_no_last_rung(self, ladder: Ladder) -> None:
        for _ in range(5):
            assert visit(ladder, Rung.STRONG, WON) is Rung.STRONG

    def test_whoever_beats_it_takes_its_place_and_begins_anew(self, ladder: Ladder) -> None:
        visit(ladder, Rung.STRONG, WON, best="first", value=0.9)
        assert visit(ladder, Rung.STRONG, WON) is Rung.BEST
        visit(ladder, Rung.BEST, (0.5, 4), best="second", value=0.6)
        assert ladder.reference("p", TEXTS) == Reference(Rung.BEST, "second")
        assert visit(ladder, Rung.BEST, (0.5, 4)) is Rung.BEST, "the visit before was held against another text"
        assert visit(ladder, Rung.BEST, (0.5, 4)) is Rung.STRONG


def test_a_visit_made_again_after_a_kill_counts_once(ladder: Ladder) -> None:
    assert visit(ladder, Rung.SFT, WON, step=7) is Rung.SFT
    assert visit(ladder, Rung.SFT, WON, step=7) is Rung.SFT
    assert visit(ladder, Rung.SFT, WON, step=6) is Rung.SFT
    assert visit(ladder, Rung.SFT, WON, step=8) is Rung.STORED


def test_a_visit_on_a_rung_that_was_left_meanwhile_moves_nothing(ladder: Ladder) -> None:
    for _ in range(2):
        visit(ladder, Rung.SFT, WON)
    for _ in range(3):
        assert visit(ladder, Rung.SFT, LOST) is Rung.STORED


def test_prompts_do_not_know_each_other_and_any_name_is_one(ladder: Ladder) -> None:
    names = ["", "p'; DROP TABLE ladder", "王/1", "p" * 100_000]
    for name in names:
        ladder.visit(name, TEXTS, Visit(Rung.SFT, *WON))
    ladder.visit(names[1], TEXTS, Visit(Rung.SFT, *WON))
    assert ladder.counts() == {Rung.SFT: 3, Rung.STORED: 1, Rung.STRONG: 0, Rung.BEST: 0}


def test_the_visits_of_a_step_are_written_together_or_not_at_all(ladder: Ladder) -> None:
    step = [(name, TEXTS, Visit(Rung.SFT, *WON)) for name in ("p", "q", "p")]
    assert ladder.visits(step) == [Rung.SFT, Rung.SFT, Rung.STORED]

    def broken() -> Iterator[tuple[str, Mapping[Rung, str], Visit]]:
        yield "new", TEXTS, Visit(Rung.SFT, *WON)
        raise KeyError("a trainer's mistake")

    with pytest.raises(KeyError):
        ladder.visits(broken())
    assert sum(ladder.counts().values()) == 2


def test_more_wins_than_verdicts_are_an_error() -> None:
    with pytest.raises(InputError, match="wins"):
        Visit(Rung.SFT, 3.0, 2)


@settings(max_examples=25, deadline=None)
@given(visits=st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=8))
def test_a_prompt_moves_one_rung_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, visits: list[tuple[int, float]]
) -> None:
    ladder = Ladder(tmp_path_factory.mktemp("ladder") / "ladder.db")
    for wins, value in visits:
        there = ladder.reference("p", TEXTS)
        assert there is not None
        after = ladder.visit("p", TEXTS, Visit(there.rung, wins, 4, best="b", value=value))
        assert abs(after - there.rung) <= 1


def climbing(path: Path, number: int) -> None:
    ladder = Ladder(path)
    for step in range(number):
        ladder.visit(f"p{step}", TEXTS, Visit(Rung.SFT, 4, 4))


def test_several_processes_write_one_file_and_no_visit_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ladder.db"
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=climbing, args=(path, 25)) for _ in range(2)]
    for one in others:
        one.start()
    for one in others:
        one.join(300)
    assert [one.exitcode for one in others] == [0, 0]
    assert Ladder(path).counts()[Rung.STORED] == 25, "each prompt was visited once by each of two"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_a_kill_leaves_a_file_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ladder.db"
    ladder = Ladder(path)
    other = multiprocessing.get_context("spawn").Process(target=climbing, args=(path, 100_000))
    other.start()
    deadline = time.monotonic() + 300
    while sum(ladder.counts().values()) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    known = sum(ladder.counts().values())
    assert known >= 20
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert ladder.visit("p0", TEXTS, Visit(Rung.SFT, 4, 4)) is Rung.STORED, "its first visit is still known"


@pytest.mark.parametrize("content", [b"not a database at all, but longer than a header " * 9, None])
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(path) as file:
            file.execute("CREATE TABLE chats (id TEXT)")
        file.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"other\.db"):
        Ladder(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        Ladder(tmp_path / "nowhere" / "ladder.db")
