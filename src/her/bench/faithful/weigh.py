"""How likely a model holds an act to be, under the layers that stand before it: bits per character.

The rules, the same for every version of the layers:
- What is weighed is the text of the actions and the speech; that an action comes, or speech, is given. Where speech
  may stand, its chance is taken among texts that open no other layer, so that a missing thought is not charged for
  the mark that a model expected in its place.
- A speech that only a thought parts from the speech before it is weighed without its first word: were the thought left
  out, the turn might as well end there, and no text can be asked about that.
- Bits are divided by the characters that were weighed.

Knows marks, and that a model can be asked how likely a text is. Refuses to know why the layers are as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from her.bench.figures import Unscored, Why
from her.checks.units import unit_spans
from her.errors import ContextOverflow
from her.markup import notation, render
from her.models.base import Message, Model
from her.turn import PRIVATE, Kind, Segment, Turn

SUREST = 1e-5
"""The least chance that marks may leave to a text: below it the engine's 32 bits cannot tell it from none."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an act: what stands before it, its words, the marks that might stand there instead, its segment."""

    prefill: str
    text: str
    marks: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """Bits of each stretch of an act, and its characters, by the number of its segment."""

    bits: dict[int, float]
    characters: dict[int, int]

    def rate(self, start: int = 0) -> float | Unscored:
        """Bits per character of the stretches from a segment on."""
        count = sum(number for at, number in self.characters.items() if at >= start)
        if not count:
            return Unscored(Why.EMPTY, "no words of an act stand there")
        return math.fsum(bits for at, bits in self.bits.items() if at >= start) / count


def stretches(speaker: str, segments: Sequence[Segment], start: int = 0) -> list[Stretch]:
    """The stretches of an act from a segment on; a segment without text is left out of what stands before them."""
    marks = notation()
    found = []
    for at, segment in enumerate(segments):
        if at < start or segment.kind in PRIVATE or not segment.text:
            continue
        before = tuple(one for one in segments[:at] if one.text)
        whole = render(Turn(speaker, (*before, segment)), name=True)
        alone = render(Turn(speaker, (segment,)))
        others: tuple[str, ...] = (marks["thought_open"], marks["action_open"])
        if segment.kind is Kind.ROLE_ACTION:
            opener, closer = marks["action_open"], marks["action_close"]
            alone, others = alone.removeprefix(opener).removesuffix(closer), (closer,)
            whole = whole.removesuffix(closer)
        first = _first_word(segments, at, alone)
        if text := alone[first:]:
            found.append(Stretch(whole.removesuffix(text), text, others, at))
    return found


async def weigh(model: Model, messages: Sequence[Message], asked: Sequence[Stretch]) -> Weighed | Unscored:
    """The bits of an act's stretches; Unscored where the model cannot tell, or has no room for the prompt."""
    bits: dict[int, float] = {}
    for stretch in asked:
        # Beside the marks the text is never the only option: of a single one some backends weigh the last token alone.
        try:
            told = await model.choose(messages, (stretch.text, *stretch.marks), prefill=stretch.prefill)
        except ContextOverflow as error:
            return Unscored(Why.CONTEXT, str(error))
        if told is None:
            return Unscored(Why.ABSENT, f"{model.address} does not tell how likely a text is")
        weight = told[stretch.text]
        if weight is None:
            return Unscored(
                Why.ABSENT,
                f"{model.address} reports no chance of a word of it: too small, or not among those it reports",
            )
        taken = math.fsum(math.exp(one) for mark in stretch.marks if (one := told[mark]) is not None)
        if 1 - taken < SUREST:
            return Unscored(Why.UNDEFINED, "the model is all but certain of a mark where the act has words")
        bits[stretch.at] = min(weight - math.log(1 - taken), 0.0) / -math.log(2)
    if not bits:
        return Unscored(Why.EMPTY, "the act has no words")
    return Weighed(bits, {stretch.at: len(stretch.text) for stretch in asked})


def _first_word(segments: Sequence[Segment], at: int, text: str) -> int:
    """How far the first word of a speech reaches that a thought parts from the speech before it; else 0."""
    kinds = [segment.kind for segment in segments[max(at - 2, 0) : at + 1]]
    if kinds != [Kind.SPEECH, Kind.ROLE_THINKING, Kind.SPEECH]:
        return 0
    words = unit_spans(text)
    return words[0][2] if words else 0
