"""Third step: a person keeps, merges, rewords and rejects candidates; what was decided is kept at once.

Knows decisions and what they come to. Refuses to know screens: how a line is shown and read is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from her.errors import InputError
from her.judge.induce.rows import Candidate, Decision
from her.rows.files import Writer, read_rows

HELP = "k keep · m NUMBER merge into that one · w reword · r reject · u undo the last · q leave, and go on later"


@dataclass(frozen=True)
class Reviewed:
    """What decisions come to. `open` has no decision yet; `unknown` counts decisions about candidates that are not
    here, such as those of another run."""

    kept: tuple[Candidate, ...]
    rejected: tuple[Candidate, ...]
    merged: int
    reworded: int
    open: tuple[Candidate, ...]
    unknown: int


def reviewed(candidates: Sequence[Candidate], decisions: Iterable[Decision]) -> Reviewed:
    """The candidates after the decisions; of several about one candidate the last counts.

    What is merged goes where its target goes, and is rejected or open with it. Raises InputError for a merge into a
    candidate that is not there, or in a circle.
    """
    every = {one.id: one for one in candidates}
    last = {one.id: one for one in decisions}
    known = {id: one for id, one in last.items() if id in every}
    ends = {id: _end(id, known, every) for id in every}
    groups: dict[str, list[Candidate]] = {"keep": [], "reject": [], "": []}
    for id, one in every.items():
        decision = known.get(id)
        if decision is not None and decision.do == "merge":
            continue
        whole = _worded(one.with_(*(every[other] for other in every if other != id and ends[other] == id)), decision)
        groups["" if decision is None else "reject" if decision.do == "reject" else "keep"].append(whole)
    does = [one.do for one in known.values()]
    merged, reworded = does.count("merge"), does.count("reword")
    kept, rejected, still_open = (tuple(group) for group in groups.values())
    return Reviewed(kept, rejected, merged, reworded, still_open, len(last) - len(known))


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """The decisions of a file of JSON lines; none where it is not there. Raises InputError and StorageError."""
    return tuple(read_rows(path, Decision)) if path.is_file() else ()


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """Puts these decisions into the file, whole or not at all. Raises StorageError."""
    with Writer(path) as out:
        for decision in decisions:
            out.write(decision)


class Review:
    """A review under way, one candidate after the other: `say` shows a line, `ask` shows a question and reads one.

    `ask` raises EOFError where nobody answers any more.
    """

    def __init__(
        self, candidates: Sequence[Candidate], path: Path, say: Callable[[str], None], ask: Callable[[str], str]
    ) -> None:
        self._every = {one.id: one for one in candidates}
        self._numbers = list(self._every)
        self._path, self._say, self._ask = path, say, ask
        self._now: list[str] = []

    def run(self) -> Reviewed:
        """What all decisions come to, when all are made or the person leaves."""
        self._say(HELP)
        while (id := self._next()) is not None:
            for line in card(self._every[id], self._numbers.index(id) + 1, len(self._numbers)):
                self._say(line)
            if not self._decided(id):
                break
        return reviewed([*self._every.values()], read_decisions(self._path))

    def _next(self) -> str | None:
        """The first candidate without a decision; None where all have one."""
        made = {one.id: one for one in read_decisions(self._path)}
        return next((id for id in self._numbers if id not in made), None)

    def _decided(self, id: str) -> bool:
        """Asks until there is a decision about the candidate, or none is wanted; False where the person leaves."""
        while True:
            try:
                key, _, rest = self._ask("k/m/w/r/u/q: ").strip().partition(" ")
                if key == "q":
                    return False
                if key == "u":
                    self._undo()
                    return True
                decision = self._decision(id, key, rest.strip())
            except EOFError:
                return False
            if decision is not None:
                write_decisions(self._path, (*read_decisions(self._path), decision))
                self._now.append(id)
                return True

    def _decision(self, id: str, key: str, rest: str) -> Decision | None:
        """What a line decides; None, and a word on why, where it decides nothing."""
        try:
            if key in {"k", "r"}:
                return Decision(id=id, do="keep" if key == "k" else "reject")
            if key == "m":
                return self._merge(id, rest)
            if key == "w":
                one = self._every[id]
                name = self._ask(f"name [{one.name}]: ").strip()
                definition = self._ask(f"definition [{one.definition}]: ").strip()
                return Decision(id=id, do="reword", name=name, definition=definition)
        except (ValidationError, InputError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            self._say(told.removeprefix("Value error, "))
            return None
        self._say(HELP)
        return None

    def _merge(self, id: str, number: str) -> Decision:
        if not number.isdecimal() or not 1 <= int(number) <= len(self._numbers):
            raise InputError(f"into which? m and a number from 1 to {len(self._numbers)}")
        decision = Decision(id=id, do="merge", into=self._numbers[int(number) - 1])
        reviewed([*self._every.values()], (*read_decisions(self._path), decision))
        return decision

    def _undo(self) -> None:
        """Takes the last decision of this sitting back."""
        if not self._now:
            self._say("nothing was decided in this sitting yet")
            return
        id = self._now.pop()
        write_decisions(self._path, [one for one in read_decisions(self._path) if one.id != id])


def card(one: Candidate, number: int, of: int) -> Iterator[str]:
    """The lines that show a candidate to a person."""
    kind = "negative" if one.negative else "positive"
    yield ""
    yield f"{number}/{of}  {one.name}  ({one.id})"
    yield f"  {one.definition}"
    split = f", {one.contrary} of {one.raw} the other way" if one.contrary else ""
    yield f"  {kind}{split} · {one.level} · {one.dimension} · {len(one.pairs)} pairs, {len(one.books)} books"
    if one.wordings:
        yield f"  also: {'; '.join(one.wordings)}"
    for quote in one.evidence:
        better, worse = quote.kept_and_broken
        yield f"  {quote.pair}: better {better!r}, worse {worse!r}"


def _end(id: str, decisions: Mapping[str, Decision], every: Mapping[str, Candidate]) -> str:
    """Where the merges that begin at a candidate lead."""
    seen = [id]
    while (decision := decisions.get(seen[-1])) is not None and decision.do == "merge":
        if decision.into not in every:
            raise InputError(f"{seen[-1]} is to be merged into {decision.into!r}, which is not there")
        if decision.into in seen:
            raise InputError(f"merged in a circle: {' → '.join((*seen, decision.into))}; reject or keep one of them")
        seen.append(decision.into)
    return seen[-1]


def _worded(one: Candidate, decision: Decision | None) -> Candidate:
    if decision is None or decision.do != "reword":
        return one
    name, definition = decision.name.strip() or one.name, decision.definition.strip() or one.definition
    return Candidate.model_validate({**one.model_dump(), "name": name, "definition": definition})
