"""What tests of judges share: cases, answers, and judges that read only what stands under the candidates' margins."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from her.judge.case import Case
from her.judge.pairs import Pair, Setting
from her.judge.principles import Principle, Wording
from her.judge.verdict import Winner
from her.models.base import Message
from her.rows.record import TurnRow
from stages import dialogue, scene
from teachers import Teacher

FIRST = "You will row nowhere, Tom."
SECOND = "As an assistant, I would advise against rowing."


def case(first: str = FIRST, second: str = SECOND, *, language: str = "en", id: str = "c", times: int = 1) -> Case:
    """Mara's next turn in the lamp room; `times` makes the dialogue longer."""
    place = scene(language)
    return Case(id, place, place.names[0], dialogue(place).turns * times, first, second)


def pair(first: str = FIRST, second: str = SECOND, *, id: str = "p", better: Winner | None = Winner.FIRST) -> Pair:
    """The same as a pair."""
    at = case(first, second)
    turns = tuple(TurnRow.of(replace(turn, id=f"t{n}")) for n, turn in enumerate(at.turns))
    return Pair(
        id=id,
        at=Setting(scene=at.scene, speaker=at.speaker, turns=turns),
        first=first,
        second=second,
        better=better,
    )


def finding(winner: str = "A", name: str = "answers", *, negative: bool = False, a: str = "…", b: str = "…") -> Any:
    """A finding, as an answer has it."""
    return {"principle": name, "negative": negative, "a": a, "b": b, "winner": winner}


def answer(margin: int, *findings: Any) -> str:
    """An answer in our own dialect; without findings it gets three that bear it out."""
    winner = "A" if margin > 0 else "B" if margin < 0 else "tie"
    rows = findings or tuple(finding(winner, name) for name in ("answers", "voice", "detail"))
    return json.dumps({"findings": rows, "margin": margin}, ensure_ascii=False)


def parts(messages: Sequence[Message]) -> tuple[str, str]:
    """What stands under the margins of A and of B in the first user message, and nothing else."""
    lines = next(message.content for message in messages if message.role == "user").split("\n")
    a, b = ([line[3:] for line in lines if line.startswith(f"{letter}| ")] for letter in "AB")
    return "\n".join(a), "\n".join(b)


def judge_of(say: Callable[[str, str], int], **options: Any) -> Teacher:
    """A model that answers in our dialect with a margin made of the two candidates alone."""
    return Teacher(lambda call: answer(say(*parts(call.messages))), **options)


def veto(id: str, name: str = "", definition: str = "must not be") -> Principle:
    """A negative principle."""
    words = Wording(name=name or id, definition=definition, recognise="r", kept="k", broken="b")
    return Principle(id, "quality", "sentence", True, words, words.model_copy(update={"name": f"{name or id}（中）"}))
