"""Held-out turns with both layers, and what stands beside each: the layers of another turn of its character.

Knows samples, and how a turn's layers are taken out of it and put back. Refuses to know what a model makes of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal

from pydantic import Field

from her.bench.faithful.edits import edits
from her.errors import InputError
from her.markup import parse
from her.models.base import Message
from her.rows.ask import seed_of
from her.rows.parquet import read_samples
from her.rows.record import Record
from her.rows.samples import SftRow, TestRow
from her.turn import ENVIRONMENT, PRIVATE, Kind, Segment

Layer = Literal["plan", "thought"]
Version = Literal["own", "none", "other", "turned", "reworded"]
"""What a layer may hold: what its author wrote, nothing, what stands at another turn of its character, its own turned
round, its own in other words."""
EDITED: tuple[Version, ...] = ("turned", "reworded")
KINDS: dict[Layer, Kind] = {"plan": Kind.SYSTEM_THINKING, "thought": Kind.ROLE_THINKING}


class Held(Record):
    """A turn with a plan, a thought, and an act after the thought; `other` are the layers of another turn.

    `other` is empty for a layer of which the split has no second turn of this character; `elsewhere` says whether it is
    from another scene, by layer. `edited` are edits that somebody made in place of those by rule.
    """

    id: str
    book: str
    speaker: str
    language: str
    cast: tuple[str, ...]
    messages: tuple[Message, ...]
    segments: tuple[tuple[Kind, str], ...]
    other: dict[Layer, tuple[str, ...]]
    elsewhere: dict[Layer, bool]
    edited: dict[Layer, dict[Version, tuple[str, ...]]] = Field(default_factory=dict)

    @property
    def gold(self) -> tuple[Segment, ...]:
        """The turn as its author wrote it, plan first."""
        return tuple(Segment(kind, text) for kind, text in self.segments)

    @property
    def first_thought(self) -> int:
        """Where in the gold the first thought stands."""
        return sum(1 for _ in takewhile(lambda segment: segment.kind is not Kind.ROLE_THINKING, self.gold))

    def texts(self, layer: Layer) -> tuple[str, ...]:
        """What a layer says, segment by segment."""
        return tuple(segment.text for segment in self.gold if segment.kind is KINDS[layer])

    def version(self, layer: Layer, version: Version) -> tuple[str, ...] | None:
        """What a layer says in a version; empty texts for none; None where there is no such version.

        Of several thoughts those that cannot be edited stay as they are, in both edits.
        """
        own = self.texts(layer)
        if version == "own":
            return own
        if version == "none":
            return ("",) * len(own)
        if version == "other":
            texts = self.other[layer]
            return tuple(texts[at % len(texts)] for at in range(len(own))) if texts else None
        if layer in self.edited:
            return self.edited[layer].get(version)
        found = [edits(text, self.language) for text in own]
        if not any(found):
            return None
        return tuple(getattr(one, version) if one else text for one, text in zip(found, own, strict=True))

    def gold_with(self, versions: Mapping[Layer, Version]) -> tuple[Segment, ...] | None:
        """The gold under other layers, `{"plan": "none"}`; None where there is no such version.

        What is left out stands as an empty segment, so that every segment keeps its place.
        """
        held = {KINDS[layer]: self.version(layer, versions.get(layer, "own")) for layer in KINDS}
        if any(texts is None for texts in held.values()):
            return None
        rest = {kind: iter(texts or ()) for kind, texts in held.items()}
        return tuple(
            Segment(segment.kind, next(rest[segment.kind])) if segment.kind in rest else segment
            for segment in self.gold
        )


def held_out(folder: Path | str, split: str, *, limit: int = 0, seed: int = 0) -> list[Held]:
    """The turns of a split that have both layers, one character's after another's; `limit` 0 is all of them.

    The turns of a limit are among those of a larger one. Raises InputError where there are none, StorageError.
    """
    if not Path(folder).is_dir():
        raise InputError(f"faithful: there is no folder {folder}; give a data set with -T data=FOLDER")
    rows = [*read_samples(folder, "roleplay-sft", SftRow, split)]
    cast = _cast(folder, split, rows)
    read = [(row, _gold(row)) for row in rows]
    found = [_held(row, gold, read, cast[row.scene], seed) for row, gold in read if _whole(gold)]
    if not found:
        raise InputError(
            f"{folder}: the split {split!r} has no turn with a plan, a thought and an act after it; name another with "
            "-T split=NAME, or make samples with plans and thoughts: her synth run"
        )
    order = {held.id: at for at, held in enumerate(found)}
    if limit:
        drawn = sorted(found, key=lambda held: held.id)
        random.Random(seed).shuffle(drawn)
        found = sorted(drawn[:limit], key=lambda held: order[held.id])
    return found


def _gold(row: SftRow) -> tuple[Segment, ...]:
    return parse(row.messages[-1].content, speaker=row.character).turn.segments


def _whole(gold: Sequence[Segment]) -> bool:
    kinds = [segment.kind for segment in gold]
    if kinds[:1] != [Kind.SYSTEM_THINKING] or Kind.ROLE_THINKING not in kinds:
        return False
    return any(kind not in PRIVATE for kind in kinds[kinds.index(Kind.ROLE_THINKING) :])


def _held(
    row: SftRow,
    gold: tuple[Segment, ...],
    read: Sequence[tuple[SftRow, tuple[Segment, ...]]],
    cast: frozenset[str],
    seed: int,
) -> Held:
    theirs = {layer: _other(row, kind, read, seed) for layer, kind in KINDS.items()}
    return Held(
        id=f"{row.scene}/{row.turn}",
        book=row.slug or row.book,
        speaker=row.character,
        language=row.language,
        cast=tuple(sorted(cast - {row.character})),
        messages=row.messages[:-1],
        segments=tuple((segment.kind, segment.text) for segment in gold),
        other={layer: texts for layer, (texts, _) in theirs.items()},
        elsewhere={layer: there for layer, (_, there) in theirs.items()},
    )


def _other(
    row: SftRow, kind: Kind, read: Sequence[tuple[SftRow, tuple[Segment, ...]]], seed: int
) -> tuple[tuple[str, ...], bool]:
    """A layer of another turn of the character, drawn by lot from another scene or else from this one."""
    theirs = [
        (other.scene != row.scene, tuple(segment.text for segment in gold if segment.kind is kind))
        for other, gold in read
        if (other.slug, other.character) == (row.slug, row.character) and other.id != row.id
    ]
    theirs = [one for one in theirs if one[1]]
    pool = [one for one in theirs if one[0]] or theirs
    if not pool:
        return (), False
    there, texts = random.Random(seed_of(seed, f"{row.id}/{kind}")).choice(pool)
    return texts, there


def _cast(folder: Path | str, split: str, rows: Iterable[SftRow]) -> dict[str, frozenset[str]]:
    """Everybody who may speak in a scene: whose turns are samples, and, where whole scenes are there, their cast."""
    cast: dict[str, set[str]] = {}
    for row in rows:
        cast.setdefault(row.scene, {ENVIRONMENT}).add(row.character)
    for scene in read_samples(folder, "test", TestRow, split):
        cast.setdefault(scene.id, {ENVIRONMENT}).update(scene.characters)
    return {scene: frozenset(names) for scene, names in cast.items()}
