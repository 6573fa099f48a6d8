"""A small scene in which every text holds a word that stands nowhere else, and a teacher who is told what to say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from her.models.base import Constraint
from her.models.recorded import Call as Told
from her.rows.files import read_rows
from her.rows.record import Piece, SceneRow, Source, TurnRow
from her.rows.report import Report
from her.rows.run import Target, run
from her.scene import Character
from her.synth.stage import Stage
from her.turn import Kind
from teachers import Teacher

PLAN, THOUGHT, ACTION, SPEECH = Kind
Answer = Mapping[str, Any] | str
Reading = Callable[[str, str, Told], Answer]
"""An answer, made of a turn's id, of which question it is (`draft`, `role-thinking`, ...) and of the call."""


def turn_row(id: str, speaker: str, *parts: tuple[Kind, str], to: tuple[str, ...] | None = None) -> TurnRow:
    pieces = tuple(Piece(kind=kind, text=text) for kind, text in parts)
    return TurnRow(id=id, speaker=speaker, segments=pieces, heard_by=to)


def canaries() -> SceneRow:
    """Three people in a lamp room. `zq…` words tell where a text comes from; plans from an earlier run are in it."""
    cast = tuple(
        Character(
            name=name,
            profile=f"{name} is a keeper zqprofile{name.lower()}.",
            background=f"{name} came by sea zqbackground{name.lower()}.",
            motivation=f"{name} wants the boat zqmotivation{name.lower()}.",
            opening_thought=f"The tide will turn zqopening{name.lower()}.",
        )
        for name in ("Mara", "Tom", "Lucy")
    )
    return SceneRow(
        id="relief/1/1",
        title="Mara burns the boat zqtitle",
        source=Source(book="The Long Light zqbook", slug="relief"),
        setting="A lamp room after dusk zqsetting.",
        cast=cast,
        turns=(
            turn_row("t01", "Mara", (PLAN, "zqplan01"), (SPEECH, "Sit down, Tom zqspeech01. The lamp can wait.")),
            turn_row("t02", "Tom", (ACTION, "sets down the oil zqaction02"), (SPEECH, "I saw the boat zqspeech02.")),
            turn_row("t03", "Environment", (SPEECH, "The wind gets up zqspeech03.")),
            turn_row("t04", "Mara", (THOUGHT, "He has seen it zqthought04."), (SPEECH, "Which boat zqspeech04?")),
            turn_row(
                "t05",
                "Tom",
                (THOUGHT, "I dislike it, a lie zqthought05."),
                (SPEECH, "Mind her zqspeech05."),
                to=("Lucy",),
            ),
            turn_row("t06", "Lucy", (THOUGHT, "Why me zqthought06?"), (SPEECH, "You are both quiet zqspeech06.")),
            turn_row("t07", "Tom", (SPEECH, "The grey one zqspeech07. She put out at noon. Nobody waved.")),
            turn_row("t08", "Mara", (SPEECH, "Then we had better light the lamp zqspeech08.")),
        ),
    )


def known_to(name: str, turn_id: str, row: SceneRow) -> set[str]:
    """The canaries that a character may know before a turn, that turn's own words among them."""
    known = {f"zq{field}{name.lower()}" for field in ("background", "motivation", "opening")}
    known |= {f"zqprofile{one.name.lower()}" for one in row.cast} | {"zqsetting"}
    for turn in row.turns:
        itself = turn.id == turn_id
        for piece in turn.segments:
            hears = turn.heard_by is None or name in turn.heard_by or turn.speaker == name
            if piece.kind is PLAN or not hears or (piece.kind is THOUGHT and turn.speaker != name):
                continue
            known |= set(zq(piece.text))
        if itself:
            break
    return known


def zq(text: str) -> list[str]:
    return re.findall(r"zq\w+", text)


def question(call: Told) -> tuple[str, str]:
    """(which question a call is, the turn's id)."""
    stage, _, rest = (call.call_id or "").partition("/")
    turn_id = rest.removesuffix("/repair").rpartition("/")[2]
    return stage, turn_id


def teacher(read: Reading, **changes: Any) -> Teacher:
    """A model that answers by turn and question."""

    def say(call: Told) -> str:
        stage, turn_id = question(call)
        answer = read(turn_id, stage, call)
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

    model = Teacher(say)
    for name, value in changes.items():
        setattr(model, name, value)
    return model


async def played(
    stage: Stage[SceneRow, SceneRow], row: SceneRow, model: Teacher, folder: Path
) -> tuple[SceneRow | None, Report]:
    """The row as the stage leaves it, None where it was dropped, and the report."""
    target = Path(mkdtemp(dir=folder, prefix=stage.name))
    report = await run([row], stage.work, model, Target(target, stage.name))
    return next(iter(read_rows(target / "rows.jsonl", SceneRow)), None), report


def words_of(call: Told) -> str:
    """All that a model was sent."""
    return "\n".join(message.content for message in call.messages) + call.prefill


def keeps(call: Told) -> list[dict[str, int]]:
    """The parts that keep all pieces of the turn that is asked for."""
    numbers = re.findall(r"^(\d+) \(", call.messages[1].content, re.MULTILINE)
    return [{"keep": int(number)} for number in numbers]


def schema_of(constraint: Constraint | None) -> Any:
    assert constraint is not None and constraint.schema is not None
    return constraint.schema


def in_order(call: Told, words: Iterator[str], choice: int = 0) -> dict[str, Any]:
    """An answer in one of the orders that a call asks for, by the grammar's own list of arrangements."""
    schema = schema_of(call.constraint)["properties"]["parts"]
    ways = schema.get("anyOf", [schema])
    parts: list[dict[str, Any]] = []
    for slot in ways[choice % len(ways)]["prefixItems"]:
        name = slot["$ref"].rpartition("/")[2]
        parts.append({"keep": int(name.removeprefix("piece"))} if "piece" in name else {name: next(words)})
    return {"parts": parts}


def new_words() -> Iterator[str]:
    """Lines that share no word, fit for thoughts and deeds alike."""
    for n in count():
        yield " ".join(f"w{n}{letter * 3}" for letter in "abcde")
