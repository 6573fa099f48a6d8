"""People compare pairs: blind, in their own order, to be gone on with at any time.

Knows what a reader is shown, the keys, and the file of answers. Refuses to know a screen (`Screen`), and to show a
reader what would give the answer away: who wrote a side, how it was made, what others said of it.

Each reader has a file, one line for every key that counts; the last line on a pair holds. It is written through to the
disk line by line, so a kill loses nothing, and a torn last line is taken off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self

from pydantic import Field, ValidationError

from her.errors import InputError, StorageError
from her.judge.case import Case, quoted
from her.judge.data.agreement import Agreement, Meeting, agreement, meeting
from her.judge.pairs import Pair, Setting, distinct
from her.judge.verdict import Winner
from her.markup import display, parse
from her.rows.files import line_of
from her.rows.record import Record
from her.scene import fold, slug
from her.turn import VIEWS, Ending, Fault, FaultKind, Kind, Turn

Said = Literal["first", "second", "tie", "skip", "undo"]

KEYS = {"1": "one", "2": "two", "t": "tie", "s": "skip", "u": "undo", "c": "scene", "q": "quit"}
"""What each key means. A whole word is none: of `two` the first letter would be a tie."""
HELP = "1 or 2 is better · t tie · s skip · u undo · c the scene again · q quit"
_MARGIN = "  "
_ALL = 1_000_000
"""Characters of a text that a reader is shown: all of them."""


class HandLabel(Record):
    """A line of a reader's file. `said` is of the pair's own order, whichever was shown first; `undo` takes back."""

    pair: str
    of: str = Field(description="What was compared: the first 16 digits of a sha256; another text is another pair.")
    reader: str
    shown: Literal["given", "exchanged"]
    said: Said


class Screen(Protocol):
    """Where a reader reads and types."""

    def show(self, text: str) -> None:
        """Shows text, which may have many lines."""

    def key(self, words: str) -> str:
        """The next key, asked for with these words; empty at the end of the input."""


@dataclass(frozen=True, slots=True)
class Read:
    """How a session ended: pairs of the list, those with an answer, those passed over, those still to read.

    `pairs` is the sum of the three others.
    """

    pairs: int
    answered: int
    skipped: int
    left: int


def print_of(pair: Pair) -> str:
    """What a label is tied to: place and both texts, and nothing of how they came about."""
    whole = f"{pair.at.model_dump_json()}\0{pair.first}\0{pair.second}"
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def exchanged(pair: Pair, reader: str) -> bool:
    """Whether this reader sees the pair's second side first: by lot, and the same whenever it is shown again."""
    return bool(hashlib.sha256(f"{fold(reader)}\0{pair.id}".encode()).digest()[0] & 1)


def hand_file(folder: Path, reader: str) -> Path:
    """The reader's file."""
    return folder / f"{slug(reader)}.jsonl"


class Desk:
    """A reader's place: the pairs, and the answers so far in the file. `with` opens and closes the file.

    Raises InputError where the file is another reader's or two pairs have one id, StorageError where it cannot be
    read or written.
    """

    def __init__(self, pairs: Sequence[Pair], folder: Path, reader: str) -> None:
        if not reader.strip():
            raise InputError("a reader needs a name, under which the answers are kept")
        self.pairs, self.reader, self.path = tuple(distinct(pairs)), reader, hand_file(folder, reader)
        self._prints = {pair.id: print_of(pair) for pair in self.pairs}
        self._said: dict[str, Said] = {}
        self._file: BinaryIO

    def next(self) -> Pair | None:
        """The first pair without an answer; None when all have one."""
        return next((pair for pair in self.pairs if pair.id not in self._said), None)

    def say(self, pair: Pair, said: Said) -> None:
        """Writes down what is said of a pair."""
        self._said.pop(pair.id, None)
        if said != "undo":
            self._said[pair.id] = said
        shown: Literal["given", "exchanged"] = "exchanged" if exchanged(pair, self.reader) else "given"
        row = HandLabel(pair=pair.id, of=self._prints[pair.id], reader=self.reader, shown=shown, said=said)
        try:
            self._file.write(line_of(row))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def undo(self) -> bool:
        """Takes back the last answer, of this session or an earlier one; False where there is none."""
        if not self._said:
            return False
        last = next(reversed(self._said))
        self.say(next(pair for pair in self.pairs if pair.id == last), "undo")
        return True

    def reopen(self) -> None:
        """Takes back every pair that was passed over, so that it comes again."""
        for pair in self.pairs:
            if self._said.get(pair.id) == "skip":
                self.say(pair, "undo")

    @property
    def read(self) -> Read:
        """How far the reader is."""
        skipped = sum(said == "skip" for said in self._said.values())
        return Read(len(self.pairs), len(self._said) - skipped, skipped, len(self.pairs) - len(self._said))

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _mend(self.path)
            self._said = _standing(self.path, self.reader, self._prints)
            self._file = self.path.open("ab")
        except StorageError:
            raise
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def label_pairs(desk: Desk, screen: Screen) -> Read:
    """Shows pair after pair until all have an answer or the reader leaves; gives back how far the reader is."""
    last: Setting | None = None
    while pair := desk.next():
        read = desk.read
        screen.show(f"── pair {read.pairs - read.left + 1} of {read.pairs} ──\n{HELP}")
        screen.show(f"(the same place as before, {pair.at.speaker}'s turn)" if pair.at == last else scene_text(pair))
        screen.show(sides_text(pair, desk.reader))
        last = pair.at
        if not _answered(desk, pair, screen):
            break
    return desk.read


def _answered(desk: Desk, pair: Pair, screen: Screen) -> bool:
    """Asks for keys until the pair is done with, or another is to be shown; False where the reader leaves."""
    while True:
        typed = screen.key("1, 2, t, s, u, c, q: ")
        meant = KEYS.get(typed.strip().lower(), "" if typed else "quit")
        if meant == "quit":
            return False
        if meant == "scene":
            screen.show(f"{scene_text(pair)}\n{sides_text(pair, desk.reader)}")
        elif meant == "undo":
            if desk.undo():
                return True
            screen.show("nothing to take back")
        elif meant:
            desk.say(pair, _said(pair, desk.reader, meant))
            return True
        else:
            screen.show(HELP)


def _said(pair: Pair, reader: str, meant: str) -> Said:
    if meant in ("tie", "skip"):
        return "tie" if meant == "tie" else "skip"
    return "first" if (meant == "one") is not exchanged(pair, reader) else "second"


def scene_text(pair: Pair) -> str:
    """The place as a reader is shown it: setting, people, what came before with every thought, whose turn it is."""
    scene, case = pair.at.scene, pair.case
    people = [f"{one.name}: {' '.join((one.profile, one.background, one.motivation)).strip()}" for one in scene.cast]
    # Without the title: it may give away what is still to come.
    about = f"{scene.setting}\n\n" + "\n".join(people)
    turns = "\n\n".join(f"{turn.speaker}:\n{_shown(turn)}" for turn in case.before)
    return "\n\n".join(part for part in (quoted(about, "", _ALL), turns, quoted(f"Now: {pair.at.speaker}", "")) if part)


def sides_text(pair: Pair, reader: str) -> str:
    """Both sides in this reader's order."""
    case = pair.case
    sides = (case.second, case.first) if exchanged(pair, reader) else (case.first, case.second)
    return "\n\n".join(f"[{number}]\n{_side(case, side)}" for number, side in enumerate(sides, 1))


def _side(case: Case, reply: str) -> str:
    """A candidate as a reader is shown it; what the marks hide is said: how it ended, and who spoke after it."""
    parsed = case.read(reply)
    notes = [fault.kind.value.replace("_", " ") for fault in parsed.faults if not _of_plan(fault)]
    text = _shown(parsed.turn) or f"{_MARGIN}(nothing)"
    if parsed.ending is Ending.SECOND_SPEAKER:
        # It may hold a plan of its own.
        text += f"\n{_MARGIN}… and goes on for somebody else:\n{_shown(parse(parsed.rest).turn)}"
    return f"{text}\n{_MARGIN}(marks: {', '.join(notes)})" if notes else text


def _of_plan(fault: Fault) -> bool:
    """Whether a fault is of the plan alone: to tell it would tell a model's turn from a book's."""
    plans = {FaultKind.MISSING_PLAN, FaultKind.LATE_PLAN, FaultKind.SECOND_PLAN}
    return fault.kind in plans or (fault.kind is FaultKind.UNCLOSED and fault.detail == Kind.SYSTEM_THINKING.value)


def _shown(turn: Turn) -> str:
    text = display(turn, VIEWS["reader"])
    return quoted(text, _MARGIN, _ALL) if text else ""


def hands(folder: Path, pairs: Mapping[str, str] | None = None) -> dict[str, dict[str, Winner]]:
    """All answers in a folder of readers' files, by reader and pair; skipped ones and those taken back left out.

    `pairs` (id → `print_of`) keeps those of these pairs and texts alone. Raises InputError naming file and line for
    one that is no label and for a file under another name than its reader's, StorageError.
    """
    found: dict[str, dict[str, Winner]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        rows = _rows(path)
        if not rows:
            continue
        reader = rows[0].reader
        if path != hand_file(folder, reader):
            raise InputError(f"{path}: holds what {reader!r} said; call it {hand_file(folder, reader).name}")
        said = _standing(path, reader, pairs)
        found[reader] = {pair: Winner(word) for pair, word in said.items() if word not in ("skip", "undo")}
    return found


def summed_up(folder: Path, pairs: Sequence[Pair]) -> tuple[Agreement, tuple[Meeting, ...]]:
    """How far the readers of these pairs agree with each other, and each of them with the answers the pairs carry.

    The second is empty where no pair carries an answer. Raises as `hands`.
    """
    answers = hands(folder, {pair.id: print_of(pair) for pair in pairs})
    known = {pair.id: pair.better for pair in pairs if pair.better is not None}
    return agreement(answers), tuple(meeting("known", known, name, answers[name]) for name in answers if known)


def _standing(path: Path, reader: str, prints: Mapping[str, str] | None) -> dict[str, Said]:
    """What holds of each pair after all lines, in the order in which it was said."""
    said: dict[str, Said] = {}
    for number, row in enumerate(_rows(path), 1):
        if fold(row.reader) != fold(reader):
            raise InputError(
                f"{path}, line {number}: is of {row.reader!r} and not of {reader!r}; choose a name that no other has"
            )
        if prints is not None and prints.get(row.pair) != row.of:
            continue
        said.pop(row.pair, None)
        if row.said != "undo":
            said[row.pair] = row.said
    return said


def _rows(path: Path) -> list[HandLabel]:
    """The lines of a reader's file, none where it is not there; one that is still being written is not yet one."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror})") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(HandLabel.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise InputError(
                f"{path}, line {number} is no label ({where}: {fault['msg']}); delete that line, and it is asked again"
            ) from None
    return rows


def _mend(path: Path) -> None:
    """Takes off a last line that a kill has torn."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        whole = file.read()
        if not whole.endswith(b"\n"):
            file.truncate(whole.rfind(b"\n") + 1)


def _unwritable(path: Path, error: OSError) -> StorageError:
    why = error.strerror or str(error)
    return StorageError(f"{path} cannot be written ({why}); free some room or choose another folder")
