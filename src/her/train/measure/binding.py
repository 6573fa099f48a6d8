"""How closely turns are bound to their context: how much less likely they are under a prompt of another scene.

Knows a frozen model that neither wrote nor learnt the turns, and which other prompt a turn could have had: that of
the same character in another scene of the same world, at the turn with the nearest number. A turn that would fit
anywhere is bound by 0 bits. Refuses to ask a model for words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from her.models.base import Message
from her.rows.samples import SftRow
from her.train.measure.places import Place, turn_of
from her.train.measure.rates import Part, visible
from her.train.measure.replies import Replied
from her.train.measure.weights import Weights
from her.train.trees import packed


@dataclass(frozen=True, slots=True)
class Saying:
    """A turn's visible text at a place: the character's own, or one that is tried there."""

    key: str
    place: Place
    text: str


def said_by_gold(places: Iterable[Place]) -> Iterator[Saying]:
    """The turns as they were written."""
    for place in places:
        yield from _saying(place.turn, place, visible(place, place.gold))


def said_by_model(places: Sequence[Place], replies: Iterable[Replied], *, shuffled: bool = False) -> Iterator[Saying]:
    """The replies of one seed; `shuffled`: each at the place of the same character's turn before it in the scene.

    Of the shuffled ones the first takes the last one's place, and a character with one turn has none.
    """
    texts = {reply.id: reply.text for reply in replies}
    parts: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        parts.setdefault((place.sample.scene, place.speaker), []).append(place)
    for part in parts.values():
        if shuffled and len(part) == 1:
            continue
        for place, by in zip(part, [*part[1:], part[0]] if shuffled else part, strict=True):
            yield from _saying(place.turn, place, visible(by, texts[by.sample.id]))


def bindings(frozen: Weights, sayings: Sequence[Saying], plain: Mapping[str, SftRow]) -> dict[str, Part]:
    """By key, the bits that a text gains by its own prompt over the other scene's, of its characters.

    `plain` are samples whose prompts ask for no plan, since none is read here. A text without such prompts, and one
    that is longer than the frozen model has room for, is left out.
    """
    own = {turn_of(sample): sample for sample in plain.values()}
    at_home: list[tuple[Saying, SftRow]] = []
    elsewhere: list[tuple[Saying, SftRow]] = []
    for saying in sayings:
        sample = own.get(saying.place.turn)
        other = sample and _other_scene(sample, plain.values())
        if sample and other and _fits(frozen, saying.text):
            at_home.append((saying, sample))
            elsewhere.append((saying, other))
    here, there = _log_probs(frozen, at_home), _log_probs(frozen, elsewhere)
    return {
        saying.key: Part((here[saying.key] - there[saying.key]) / math.log(2), len(saying.text))
        for saying, _ in at_home
    }


def _saying(key: str, place: Place, text: str) -> Iterator[Saying]:
    if text:
        yield Saying(key, place, text)


def _other_scene(sample: SftRow, samples: Iterable[SftRow]) -> SftRow | None:
    """The same character's sample in another scene of the world, at the nearest number."""
    others = (
        other
        for other in samples
        if (other.slug, other.character) == (sample.slug, sample.character) and other.scene != sample.scene
    )
    return min(others, key=lambda other: (abs(other.number - sample.number), other.scene, other.number), default=None)


def _fits(frozen: Weights, text: str) -> bool:
    ids = frozen.encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    return len(ids) < frozen.encoder.window.reply


def _log_probs(frozen: Weights, tried: Sequence[tuple[Saying, SftRow]]) -> dict[str, float]:
    """By key, the log-probability in nats of a text as the reply to a sample's prompt, without the end of the turn."""
    rows = frozen.encoder.rows(
        sample.model_copy(
            update={"id": saying.key, "messages": (*sample.messages[:-1], Message("assistant", saying.text))}
        )
        for saying, sample in tried
    )
    found: dict[str, float] = {}
    for tree in packed(sorted(rows, key=lambda row: row.group)):
        told = frozen.log_probs(tree)
        for row in tree.rows:
            found[row.id] = math.fsum(told[: row.supervised - 1])
            told = told[row.supervised :]
    return found
