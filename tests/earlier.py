"""Two small books of our own with a scene in each, one of Jane Austen's, and a teacher who says what it is told."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from her.models.recorded import Scripted
from her.rows.answers import mended
from her.rows.ask import Call, Rejected
from her.rows.decode import decode
from her.rows.record import Refusal, SceneRow, Source, TurnRow
from her.scene import Character
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.turn import Kind, Segment, Turn

PLAN, THOUGHT, ACTION, SPEECH = Kind
T = TypeVar("T")

HARBOUR = """\
Contents: I. The House on the Quay. II. Anna Weir drowns the lamp.

I. The House on the Quay

Anna Weir had kept the books of the harbour office since her father died, and she kept them as he had done, in black \
ink and without a blot. She was six and twenty, tall, and slow to laugh.

The town thought her proud. Mrs. Pell, who let the upper rooms, thought her lonely, and said so to anyone who would \
stand still long enough to hear it.

There was a letter in the cash box, under the receipts, which nobody but Anna had read. It was from her brother \
Tobias, whom the town believed lost with the Merganser; he wrote that he was alive, that he was in Lisbon, and that \
he could not come home while Captain Holt lived.

Ann Pell, the landlady's niece, saw her lock the box and thought nothing of it.

Captain Holt had brought the Merganser out of the storm without half her men. He was a broad, civil man, with a burnt \
hand which he never explained; and since the autumn he had asked Anna twice to marry him.

II. Anna Weir drowns the lamp

On the last evening of February the captain came to the office after the clerks had gone. The rain stood on the \
windows like breath, and only the desk lamp was lit.

“You work late, Miss Weir,” he said.

Anna closed the ledger. “The tide tables do not print themselves, Captain.”

“I sail for Lisbon on Thursday.” He put his hat down. “Is there any errand that I could run for you there?”

She turned the lamp so low that he could not see her face. “None,” she said. “I know nobody in Lisbon.”

Afterwards she burnt the letter, and on the Thursday she stood at the quay until the sails were gone."""

FERRY = """\
第一章

周渡生在青石渡摆了三十年渡船，镇上的人都叫他老周。他话少，夜里不睡，总把一盏马灯挂在船头。

林晚秋是镇上教书先生的女儿，三年前嫁到省城，从此没有回来过。她的弟弟林小舟跟着老周学撑船。

去年冬天，林小舟在江心落水。老周把他的布鞋藏在舱板底下，没有告诉任何人。

第二章

雨下到第三天，傍晚时分，一个打伞的女人走下石阶，正是林晚秋。渡口只剩一盏灯。

“今晚没有船了。”老周说。

“我可以等。”林晚秋收了伞，“我弟弟的鞋，是不是在你这里？”

老周没有回头。“江水涨得太快了。”

第二天，林晚秋在舱板底下找到了那双布鞋。"""


def book_of_text(slug: str, title: str, text: str, *, language: str = "en", headings: str = "") -> Book:
    """A book whose chapters begin after the lines that match `headings`."""
    found = list(re.finditer(headings, text, re.MULTILINE))
    ends = [match.start() for match in found[1:]] + [len(text)]
    chapters = tuple(
        Chapter(number, match.group(), match.end() + 2, len(text[:end].rstrip()))
        for number, (match, end) in enumerate(zip(found, ends, strict=True), 1)
    )
    return Book(slug, title, "", language, text, chapters, hashlib.sha256(text.encode()).hexdigest())


def harbour() -> Book:
    """The house on the quay, with a table of contents and telling headings."""
    return book_of_text("harbour", "The House on the Quay", HARBOUR, headings=r"^II?\. [^\n]+$")


def ferry() -> Book:
    """The ferry at Qingshi, in Chinese."""
    return book_of_text("ferry", "青石渡", FERRY, language="zh", headings=r"^第.章$")


def pride(folder: Path) -> Book:
    """Pride and Prejudice, as it is in the folder of third-party data."""
    text = (folder / "books" / "pride_and_prejudice.txt").read_text(encoding="utf-8")
    return book_of_text("pride", "Pride and Prejudice", text.replace("\r", ""), headings=r"^Chapter \d+\.?$")


def spoken(book: Book, id: str, speaker: str, *quotes: str, before: tuple[tuple[Kind, str], ...] = ()) -> TurnRow:
    """A turn of words that stand in the book, at their places, after other segments."""
    spans = tuple((book.text.index(quote), book.text.index(quote) + len(quote)) for quote in quotes)
    said = (*before, (SPEECH, " ".join(quotes)))
    return TurnRow.of(Turn(speaker, tuple(Segment(*part) for part in said), None, id), spans=spans)


def source(book: Book, first: str, last: str) -> Source:
    """The place of a scene, from one text to the end of another."""
    start, end = book.text.index(first), book.text.index(last) + len(last)
    return Source(book=book.title, slug=book.slug, sha=book.sha, start=start, end=end)


def office(book: Book, **changes: Any) -> SceneRow:
    """Captain Holt in the harbour office, asking."""
    turns = (
        spoken(book, "t01", "Captain Holt", "You work late, Miss Weir,"),
        spoken(book, "t02", "Anna Weir", "The tide tables do not print themselves, Captain."),
        spoken(book, "t03", "Captain Holt", "I sail for Lisbon on Thursday.", "Is there any errand that I could run"),
        spoken(book, "t04", "Anna Weir", "None,", "I know nobody in Lisbon."),
    )
    row = SceneRow(
        id="harbour/2/1",
        title="An errand in Lisbon",
        source=source(book, "On the last evening", "I know nobody in Lisbon.”"),
        cast=(Character(name="Captain Holt"), Character(name="Anna Weir")),
        aliases={"Captain Holt": ("the captain",), "Anna Weir": ("Miss Weir",)},
        turns=turns,
    )
    return row.model_copy(update=changes)


def described(book: Book) -> SceneRow:
    """The same scene with a setting and profiles, thoughts and plans, ready to be completed."""
    row = office(book)
    anna = Character(
        name="Anna Weir",
        profile="Anna Weir keeps the books of the harbour office.",
        background="She hides a letter that says Tobias lives.",
        motivation="To be left alone with her secret.",
    )
    holt = Character(name="Captain Holt", profile="A seaman.", motivation="To find out what she hides from him.")
    mind = (
        (THOUGHT, "If he has been told of Tobias then everything is lost tonight."),
        (ACTION, "lowers the lamp until it smokes"),
    )
    plan = (PLAN, "Holt should sound her out about the Lisbon post without showing his hand.")
    turns = (
        row.turns[0],
        row.turns[1],
        spoken(book, "t03", "Captain Holt", "I sail for Lisbon on Thursday.", before=(plan, (THOUGHT, HOLTS_MIND))),
        spoken(book, "t04", "Anna Weir", "None,", "I know nobody in Lisbon.", before=mind),
    )
    setting = "The harbour office, on a rainy evening in February.  "
    return row.model_copy(update={"setting": setting, "cast": (holt, anna), "turns": turns, "original": row.turns})


HOLTS_MIND = "She went white at the name, so the boy did write to her after all."


def ferry_row(book: Book, **changes: Any) -> SceneRow:
    """The woman with the umbrella."""
    turns = (
        spoken(book, "t01", "周渡生", "今晚没有船了。"),
        spoken(book, "t02", "林晚秋", "我可以等。", "我弟弟的鞋，是不是在你这里？"),
        spoken(book, "t03", "周渡生", "江水涨得太快了。"),
    )
    row = SceneRow(
        id="ferry/2/1",
        title="渡口",
        language="zh",
        source=source(book, "雨下到第三天", "江水涨得太快了。”"),
        cast=(Character(name="周渡生"), Character(name="林晚秋")),
        aliases={"周渡生": ("老周",)},
        turns=turns,
    )
    return row.model_copy(update=changes)


def shelf(folder: Path, *books: Book) -> Path:
    """A library that holds these books."""
    library = Library(folder)
    for book in books:
        library.add(book)
    return folder


class Teacher:
    """An Ask that reads its answers out of a script, by call id; `asked` holds every call, repairs too."""

    def __init__(self, answers: Mapping[str, Any] | Callable[[Call], Any]) -> None:
        self.model = Scripted(address="teacher")
        self.asked: list[Call] = []
        self._answers = answers

    @property
    def ids(self) -> list[str]:
        """The ids of the calls, in order."""
        return [call.id for call in self.asked]

    def read(self, id: str) -> str:
        """All that one call showed."""
        return "\n".join(message.content for call in self.asked if call.id == id for message in call.messages)

    async def __call__(self, call: Call, read: Callable[[Any], T]) -> T:
        """The answer as `read` takes it; on a refusal the one to `<id>/repair`, or the same again."""
        text = self._answer(call)
        try:
            return read(decode(text, call.schema or {}))
        except Rejected as error:
            again = mended(call, text, error.refusals)
        return read(decode(self._answer(again), again.schema or {}))

    def _answer(self, call: Call) -> str:
        self.asked.append(call)
        if callable(self._answers):
            return json.dumps(self._answers(call))
        given = self._answers.get(call.id, self._answers.get(call.id.removesuffix("/repair")))
        assert given is not None, f"nobody told the teacher what to say to {call.id}"
        return json.dumps(given, ensure_ascii=False)


def reasons(refused: tuple[Refusal, ...]) -> list[tuple[str, str]]:
    """Reason and place of each refusal."""
    return [(refusal.reason, refusal.where) for refusal in refused]
