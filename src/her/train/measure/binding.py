"""How closely turns are bound to their context: how much less likely they are under a prompt of another scene.

Knows a frozen model that neither wrote nor learnt the turns, and which other prompt a turn could have had: that of
the same character in another scene of the same world, at the turn with the nearest number. A turn that would fit
anywhere is bound by 0 bits. Refuses to ask a model for words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from her.models.base import Message
from her.rows.samples import SftRow
from her.train.measure.places import Place, turn_of
from her.train.measure.rates import Part, visible
from her.train.measure.replies import Replied, Told
from her.train.measure.weights import Weights
from her.train.tokens import Row
from her.train.trees import Tree

MOST_TOGETHER = 1024
"""Tokens of texts that are weighed at once, all of whose logits are in memory: 0.6 GB with a vocabulary of 152,000."""
_HERE, _THERE = "\nhere", "\nthere"
"""What a text's key ends with under its own prompt and under the other scene's."""


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


def bindings(
    frozen: Weights, sayings: Sequence[Saying], plain: Mapping[str, SftRow], told: Told
) -> dict[str, Part | None]:
    """By key, the bits that a text gains by its own prompt over the other scene's, of its characters.

    `plain` are samples whose prompts ask for no plan, since none is read here. A text without such prompts is left out,
    and None stands for one that with either of them is longer than the frozen model's window. A prompt is read once for
    as many texts as MOST_TOGETHER allows, so that all in one call cost far less than in several. `told` gets a line
    each time.
    """
    own = {turn_of(sample): sample for sample in plain.values()}
    rows: list[Row] = []
    kept: list[Saying] = []
    found: dict[str, Part | None] = {}
    for saying in sayings:
        sample = own.get(saying.place.turn)
        other = sample and _other_scene(sample, plain.values())
        if not sample or not other:
            continue
        both = _replied(saying, sample, _HERE), _replied(saying, other, _THERE)
        if all(map(frozen.encoder.fits, both)):
            kept.append(saying)
            rows += map(frozen.encoder.row, both)
        else:
            found[saying.key] = None
    nats = _log_probs(frozen, rows, told)
    for each in kept:
        gain = nats[each.key + _HERE] - nats[each.key + _THERE]
        found[each.key] = Part(gain / math.log(2), len(each.text))
    return found


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


def _replied(saying: Saying, sample: SftRow, where: str) -> SftRow:
    """A text as the reply to a sample's prompt."""
    messages = (*sample.messages[:-1], Message("assistant", saying.text))
    return sample.model_copy(update={"id": saying.key + where, "messages": messages})


def _log_probs(frozen: Weights, rows: Iterable[Row], told: Told) -> dict[str, float]:
    """By id, the log-probability in nats of a row's text, without the end of the turn."""
    found: dict[str, float] = {}
    trees = [*_shared(rows)]
    for number, tree in enumerate(trees, 1):
        for row, share in zip(tree.rows, tree.shares(frozen.log_probs(tree)), strict=True):
            found[row.id] = math.fsum(share[:-1])
        told(f"{number} of {len(trees)} prompts read, with {len(tree.rows)} texts under it")
    return found


def _shared(rows: Iterable[Row]) -> Iterator[Tree]:
    """The rows as trees in which, unlike in those that are learnt from, many texts may stand at one place."""
    for _, group in groupby(sorted(rows, key=lambda row: (row.group, -row.start)), key=lambda row: row.group):
        trees: list[list[Row]] = []
        for row in group:
            tree = next((tree for tree in trees if _joins(row, tree)), None)
            if tree is None:
                trees.append([row])
            else:
                tree.append(row)
        yield from (Tree(tuple(reversed(tree))) for tree in trees)


def _joins(row: Row, tree: Sequence[Row]) -> bool:
    """Whether a row's prompt is how the tree's longest begins, and there is room for its text."""
    together = row.supervised + sum(each.supervised for each in tree)
    return tree[0].ids[: row.start] == row.ids[: row.start] and together <= MOST_TOGETHER
