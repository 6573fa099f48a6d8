"""The held-out turns at which a model is asked: what stood before each, and what its author wrote.

Knows samples, and how a history reads that `her.script` wrote. Refuses to know what a model answers.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from her.errors import InputError
from her.markup import notation, parse
from her.models.base import Message
from her.prompts import prompt
from her.rows.parquet import read_samples
from her.rows.samples import SftRow, TestRow
from her.train.lessons import read_split
from her.train.recipe import Data
from her.turn import ENVIRONMENT, Parsed, Turn


@dataclass(frozen=True)
class Place:
    """One held-out turn of a character; `others` are the other speakers of its scene, the Environment among them."""

    sample: SftRow
    others: frozenset[str]

    @property
    def turn(self) -> str:
        """Scene and turn, without the variant: with and without plans it is the same."""
        return turn_of(self.sample)

    @property
    def speaker(self) -> str:
        """Whose turn it is."""
        return self.sample.character

    @property
    def context(self) -> tuple[Message, ...]:
        """What chat sends before the turn."""
        return self.sample.messages[:-1]

    @property
    def gold(self) -> str:
        """The turn as its author wrote it, plan and name first."""
        return self.sample.messages[-1].content

    @property
    def beginning(self) -> str:
        """The words that chat lets a reply begin with: the opener of a plan, or `Name: `."""
        return notation()["plan_open"] if self.sample.plan else f"{self.speaker}: "

    @cached_property
    def earlier(self) -> tuple[Turn, ...]:
        """The turns before this one, as this character lived them."""
        return tuple(turn for message in self.context[1:] for turn in self._told(message))

    def read(self, text: str) -> Parsed:
        """A reply as the parser has it, its beginning included."""
        return parse(text, speaker=self.speaker, cast=self.others, plan=self.sample.plan)

    def _told(self, message: Message) -> Iterator[Turn]:
        if message.role == "assistant":
            yield parse(message.content, speaker=self.speaker).turn
            return
        names = "|".join(map(re.escape, sorted(self.others, key=len, reverse=True)))
        heard = message.content.removeprefix(prompt("history/start"))
        _, *parts = re.split(rf"(?:\A|\n\n)({names}): ", heard)
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            yield parse(text, speaker=name).turn


@dataclass(frozen=True)
class Split:
    """A split of a data set: the places to be measured, and all its samples, with plans and without, by id."""

    places: tuple[Place, ...]
    samples: dict[str, SftRow]

    def of(self, *, plan: bool) -> dict[str, SftRow]:
        """The samples with or without plans of the places' turns, by id."""
        turns = {place.turn for place in self.places}
        return {id: row for id, row in self.samples.items() if row.plan is plan and turn_of(row) in turns}


def turn_of(sample: SftRow) -> str:
    """Scene and turn of a sample, which its variants share."""
    return f"{sample.scene}/{sample.turn}"


def held_out(
    folder: Path, split: str, *, plans: bool, languages: Sequence[str] = (), limit: int | None = None
) -> Split:
    """The turns of a split, character after character.

    Of `limit` turns all are among those of a larger limit, and they are the same with plans and without, as long as
    there are turns of which both are there. Raises InputError where there is no turn, StorageError.
    """
    if not folder.is_dir():
        raise InputError(f"--data: there is no folder {folder}; make samples with: her synth run")
    samples = read_split(Data(folder=folder, plans="both", languages=tuple(languages)), split)
    chosen = [row for row in samples.values() if row.plan is plans]
    if not chosen:
        kind = "with" if plans else "without"
        only = f" in {', '.join(languages)}" if languages else ""
        raise InputError(f"{folder}: no turn {kind} plans{only} in the split {split!r}; name another split or data set")
    if limit is not None:
        kinds = Counter(map(turn_of, samples.values()))
        turns = sorted(kinds)
        random.Random(0).shuffle(turns)
        # What has both kinds comes first, or a turn without a plan would make two draws of one.
        rank = {turn: (-kinds[turn], at) for at, turn in enumerate(turns)}
        chosen = sorted(chosen, key=lambda row: rank[turn_of(row)])[:limit]
    cast = _cast(folder, split, samples.values())
    # One character's turns in their order, so that a backend's prompt cache serves the next.
    chosen.sort(key=lambda row: (row.scene, row.character, row.number))
    places = (Place(row, frozenset(cast[row.scene] - {row.character})) for row in chosen)
    return Split(tuple(places), samples)


def _cast(folder: Path, split: str, samples: Iterable[SftRow]) -> dict[str, set[str]]:
    """Everybody who may speak in a scene: whose turns are samples, and, where whole scenes are there, their cast."""
    cast: dict[str, set[str]] = {}
    for sample in samples:
        cast.setdefault(sample.scene, {ENVIRONMENT}).add(sample.character)
    for scene in read_samples(folder, "test", TestRow, split):
        cast.setdefault(scene.id, {ENVIRONMENT}).update(scene.characters)
    return cast
