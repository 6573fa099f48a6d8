"""What a person might say next to an assistant: rows of UserLLM's schema, and the questions made of them.

Knows the rows' fields and three sources of them. Refuses to know how a turn is measured (`measures`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.bench.minds.source import Row, json_lines, json_of, rows_of
from her.prompts import prompt
from her.rows.ask import seed_of

END = "<|endconversation|>"
"""What a person who wants no more says; the set's own word for it."""
PRISM, CHOICES, QUESTIONS = "prism", "commonsense_qa", "natural_questions"
SOURCES = (PRISM, CHOICES, QUESTIONS)
BLOCK = 8
"""First turns that are compared with each other. Of blocks drawn by lot the mean over pairs is, in the long run, that
over all pairs; a block is a case, so that it has an interval."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One turn that is asked for: what the person wants, the talk so far (empty: none), and what goes with it."""

    id: str
    source: str
    intent: str
    history: str
    is_last: bool
    choices: tuple[str, ...] = ()
    question: str = ""
    suggestion: str = ""
    """The assistant's last words, which lead away from the question."""

    @property
    def is_first(self) -> bool:
        """Whether nothing has been said yet."""
        return not self.history.strip()

    def text(self) -> str:
        """What a model is asked."""
        if self.is_first:
            return prompt("bench-user-first/en", intent=self.intent)
        return prompt("bench-user-next/en", intent=self.intent, history=self.history, end=END)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, which `ask_of` reads."""
        return asdict(self)


def ask_of(values: dict[str, Any]) -> Ask:
    """The Ask of plain values."""
    return Ask(**{**values, "choices": tuple(values["choices"])})


def load(path: Path) -> list[Ask]:
    """The turns of a file, JSON lines or a list. Raises InputError and StorageError."""
    rows = json_lines(path) if path.suffix == ".jsonl" else rows_of(path, json_of(path))
    asks: dict[str, Ask] = {}
    for row in rows:
        ask = ask_of_row(row)
        if ask.id in asks:
            row.wrong("id", "stands twice")
        asks[ask.id] = ask
    return list(asks.values())


def ask_of_row(row: Row) -> Ask:
    """The turn of a row. Raises InputError."""
    source = row.text("source")
    if source not in SOURCES:
        row.wrong("source", f"is none of {', '.join(SOURCES)}")
    history = row.fields.get("conversation_history", "")
    if not isinstance(history, str):
        row.wrong("conversation_history", "is no text")
    choices = row.texts("choices") if source == CHOICES else ()
    if source == CHOICES and (len(choices) < 2 or not all(choice.strip() for choice in choices)):
        row.wrong("choices", "are not at least two texts")
    id = row.fields.get("id")
    return Ask(
        str(id) if isinstance(id, str | int) and str(id).strip() else row.wrong("id", "is missing"),
        source,
        row.text("intent"),
        history,
        row.flag("is_last_turn"),
        choices,
        row.text("question") if source != PRISM else "",
        row.text("assistant_suggestion_turn") if source == QUESTIONS else "",
    )


def blocks(asks: Sequence[Ask], limit: int, seed: int) -> list[tuple[Ask, ...]]:
    """The turns as cases: first turns of PRISM in blocks of BLOCK, every other by itself; at least `limit` turns, or
    all (0). Each source, first turns and later ones, has its share of a limit."""
    kinds: dict[tuple[str, bool], list[Ask]] = {}
    for ask in asks:
        kinds.setdefault((ask.source, ask.is_first), []).append(ask)
    made: list[tuple[Ask, ...]] = []
    for (source, first), found in sorted(kinds.items()):
        rng = random.Random(seed_of(seed, f"userllm/{source}/{first}"))
        drawn = rng.sample(found, min(len(found), -(-limit // len(kinds))) if limit else len(found))
        size = BLOCK if source == PRISM and first else 1
        made += [tuple(drawn[at : at + size]) for at in range(0, len(drawn), size)]
    return made
