"""What tests of the layers' faithfulness share: held-out turns without a data set, and a model that keeps what it was
asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from her.bench.faithful.turns import Held
from her.markup import parse
from her.models.base import Message
from her.models.recorded import Scripted

GOLD = (
    "<system_thinking>He tells her the truth and asks for the key.</system_thinking>Ann: "
    "<role_action>sits down</role_action><role_thinking>I will tell him.</role_thinking>It was me. I took it."
)
OTHER = {"plan": ("She hides the letter.",), "thought": ("The tea is cold.",)}


def held(
    gold: str = GOLD,
    number: int = 1,
    *,
    other: Mapping[str, tuple[str, ...]] = OTHER,
    book: str = "",
    language: str = "en",
) -> Held:
    """A turn of Ann's; another number is another place in another book."""
    turn = parse(gold, speaker="Ann").turn
    return Held.model_validate(
        {
            "id": f"scene-{number}/t01",
            "book": book or f"book-{number}",
            "speaker": "Ann",
            "language": language,
            "cast": ("Bob", "Environment"),
            "messages": (Message("system", "You are Ann."), Message("user", f"Bob: Who took them, all {number}?")),
            "segments": tuple((segment.kind, segment.text) for segment in turn.segments),
            "other": dict(other),
            "elsewhere": {"plan": True, "thought": True},
        }
    )


class Asked(Scripted):
    """A scripted model that weighs every text by `nats` a character, marks by `mark`, and keeps the questions."""

    def __init__(self, nats: float = 1.0, mark: float | None = math.log(0.01)) -> None:
        super().__init__([])
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self._nats, self._mark = nats, mark
        self.weigh = self._weigh

    def _weigh(self, messages: Sequence[Message], options: Sequence[str], prefill: str) -> dict[str, float | None]:
        self.asked.append((prefill, tuple(options)))
        return {option: self._mark if "<" in option else -self._nats * len(option) for option in options}
