"""Texts to measure: lines of a file, or what was visible of a run's dialogues.

Knows JSON lines and turns. Refuses to measure what nobody says aloud: plans and thoughts are taken out first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.bench.minds.source import Row, json_lines
from her.markup import parse
from her.turn import PRIVATE


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its id, and what it shares its luck with."""

    id: str
    cluster: str
    text: str


def load(path: Path) -> list[Text]:
    """The texts of a file of JSON lines: `text`, and `id` and `cluster` where they are there.

    Raises InputError and StorageError.
    """
    return [_text(row, number) for number, row in enumerate(json_lines(path), 1)]


def visible(turns: Iterable[Mapping[str, Any]]) -> str:
    """What a dialogue's turns (`speaker`, `text` as written) show: deeds and speech, a line each."""
    shown = []
    for turn in turns:
        read = parse(str(turn.get("text", "")), speaker=str(turn.get("speaker", ""))).turn.without(*PRIVATE)
        shown += [segment.text for segment in read.segments]
    return "\n".join(shown)


def _text(row: Row, number: int) -> Text:
    id = row.text("id") if "id" in row.fields else f"text-{number:04}"
    return Text(id, row.text("cluster") if "cluster" in row.fields else id, visible([{"text": row.text("text")}]))
