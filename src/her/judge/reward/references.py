"""Which reference a prompt is held against, harder or easier as it is beaten or not; kept in one SQLite file.

Knows rungs, visits and how often candidates won. Refuses to know how a reference is made and who compares.

One fixed reference is of use only while it is neither always beaten nor never (after Writing-RL's schedule, arXiv
2506.05760). Each prompt stands on a rung of its own:

    SFT sample → stored reference → strong reference → best past

It climbs where its candidates won more than 0.7 of the comparisons of its last two visits on this rung, and goes down
below 0.3. On a new rung it takes two new visits. Rungs without a text are passed over. The best past candidate is the
last one that won against the best before it, or else the one that won against the hardest reference, by most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from her.errors import InputError, StorageError

CLIMB, DESCEND = 0.7, 0.3
"""The share of comparisons won, a tie half a win, above and below which a prompt changes its rung; ours."""
BUSY_SECONDS = 30.0
"""How long to wait for other processes; a visit takes milliseconds, and many come at once at the end of a step."""
_TABLE = """CREATE TABLE IF NOT EXISTS ladder (
    prompt TEXT PRIMARY KEY, rung INTEGER NOT NULL, visits INTEGER NOT NULL, step INTEGER,
    won REAL, read INTEGER, best TEXT, best_rung INTEGER, best_value REAL) WITHOUT ROWID"""


class Rung(IntEnum):
    """What a prompt's candidates are compared with, from the easiest."""

    SFT = 0
    """A sample of the model before RL."""
    STORED = 1
    """The reference that the row holds: the book's turn."""
    STRONG = 2
    """A stronger model's turn."""
    BEST = 3
    """The best candidate of earlier visits."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A text to compare with, and the rung it stands on."""

    rung: Rung
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What the comparisons of one group with its reference came to: wins, ties as halves, of so many read verdicts.

    `best` is the group's best candidate as text, empty where none is to be kept, and `value` its reward: above ½ where
    it won. `step` is the trainer's: a visit that is not later than the last one known was made again after a kill.
    """

    rung: Rung
    won: float
    read: int
    step: int | None = None
    best: str = ""
    value: float = 0.0

    def __post_init__(self) -> None:
        """Raises InputError for more wins than verdicts."""
        if not 0 <= self.won <= self.read:
            raise InputError(f"{self.won} wins of {self.read} verdicts: wins are 0 to as many as were read")


class Ladder:
    """The rungs of all prompts; several processes and threads may use one file. Every change is one transaction, so
    that a kill loses at most the visit that was being written. Not for network drives without file locks.

    Raises StorageError wherever the file cannot be used.
    """

    def __init__(self, path: Path, start: Rung = Rung.SFT) -> None:
        self.path, self.start = path, start
        with self._open() as file:
            known = {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if known - {"ladder"}:
                raise StorageError(f"{path} is the database of another program: name another file")
            file.execute(_TABLE)

    def reference(self, prompt: str, texts: Mapping[Rung, str]) -> Reference | None:
        """The text on the prompt's rung; the nearest easier one where it has none, else the nearest harder one.

        `texts` are those that exist besides the best past one, which is kept here. None where there is no text.
        """
        with self._open() as file:
            row = file.execute("SELECT rung, best FROM ladder WHERE prompt = ?", (prompt,)).fetchone()
        at = Rung(row[0]) if row else self.start
        known = _known(texts, row[1] if row else None)
        order = [rung for rung in reversed(Rung) if rung <= at] + [rung for rung in Rung if rung > at]
        return next((Reference(rung, known[rung]) for rung in order if rung in known), None)

    def visit(self, prompt: str, texts: Mapping[Rung, str], visit: Visit) -> Rung:
        """The rung on which the prompt stands after a visit; one without verdicts leaves it where it is.

        A visit on a rung that another process has left meanwhile counts for nothing but its best candidate.
        """
        return self.visits([(prompt, texts, visit)])[0]

    def visits(self, seen: Iterable[tuple[str, Mapping[Rung, str], Visit]]) -> list[Rung]:
        """The same for many, all or none of them: a step's visits take the time of one."""
        with self._open() as file, _transaction(file):
            return [_visited(file, *one) for one in seen]

    def counts(self) -> dict[Rung, int]:
        """How many prompts stand on each rung, of those that were visited."""
        with self._open() as file:
            found = dict(file.execute("SELECT rung, count(*) FROM ladder GROUP BY rung"))
        return {rung: found.get(int(rung), 0) for rung in Rung}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # A connection for each call: one may not be carried into a forked process, and trainers fork.
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as file:
                yield file
        except sqlite3.Error as error:
            todo = "check that it may be written and is a ladder's file, or name another"
            raise StorageError(f"{self.path}: the ladder of references cannot be used ({error}); {todo}") from error


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    finally:
        if file.in_transaction:
            file.execute("ROLLBACK")


def _visited(file: sqlite3.Connection, prompt: str, texts: Mapping[Rung, str], visit: Visit) -> Rung:
    row = file.execute(
        "SELECT rung, visits, step, won, read, best, best_rung, best_value FROM ladder WHERE prompt = ?", (prompt,)
    ).fetchone()
    at, visits, step, won, read, *best = row or (visit.rung, 0, None, None, None, None, None, None)
    if step is not None and visit.step is not None and visit.step <= step:
        return Rung(at)
    better = best[0] is None or visit.rung is Rung.BEST or (visit.rung, visit.value) > (best[1], best[2])
    replaced = bool(visit.best) and visit.value > 0.5 and better
    if replaced:
        best = [visit.best, int(visit.rung), visit.value]
    known = _known(texts, best[0])
    # A text may have come or gone since, and then the visit says on which rung the prompt really stood.
    if visit.read and (visit.rung == at or Rung(at) not in known):
        share = (visit.won + (won or 0.0)) / (visit.read + read) if visit.rung == at and read else None
        at, won, read = _moved(visit, share, known)
    if replaced and visit.rung is Rung.BEST:
        won = read = None  # what was won was won against the one before
    file.execute(
        "INSERT OR REPLACE INTO ladder VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (prompt, int(at), visits + 1, visit.step if visit.step is not None else step, won, read, *best),
    )
    return Rung(at)


def _known(texts: Mapping[Rung, str], best: str | None) -> dict[Rung, str]:
    found = {rung: text for rung, text in texts.items() if text and rung is not Rung.BEST}
    return found | ({Rung.BEST: best} if best else {})


def _moved(visit: Visit, share: float | None, known: Mapping[Rung, str]) -> tuple[Rung, float | None, int | None]:
    """The rung after a visit, and the visit as the next one needs it: nothing of it after a move."""
    harder = [rung for rung in Rung if rung > visit.rung and rung in known]
    easier = [rung for rung in Rung if rung < visit.rung and rung in known]
    if share is not None and share > CLIMB and harder:
        return harder[0], None, None
    if share is not None and share < DESCEND and easier:
        return easier[-1], None, None
    return visit.rung, visit.won, visit.read
