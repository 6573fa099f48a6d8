"""Models whose faithfulness is known by construction, to hold the measures to.

`Deaf` hears nothing of plans and thoughts: every figure is exactly 0. `Startled` is put off by any change of them but
understands none: figures are 0 within their interval. `Obedient` knows which layers an act was written under and
does what they say: figures are high, and a rewording costs it next to nothing.

They are for tests and demonstrations, and know what no model may: the answers.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import AsyncIterator, Iterable, Sequence

from her.bench.faithful.replay import change
from her.bench.faithful.turns import KINDS, Held
from her.checks.units import units
from her.markup import notation, parse
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling
from her.turn import Kind

PLAIN = 2.0
"""Bits per character of an act that nothing foresees."""
BOUND = 0.5
"""Bits per character that each layer saves an obedient model where it is the act's own."""
STARTLE = 0.2
"""Standard deviation, in bits per character, of what a change of its layers does to a startled model."""
_MARK = math.log(0.05)
_WORDS = ("stay", "go", "take", "leave", "open", "shut", "ask", "tell", "wait", "run", "hold", "give", "laugh", "weep")
_SIGNS = frozenset({"not", "no", "never", "cannot", "nobody", "nothing", "without", "不", "没", "别"})


class Deaf(Model):
    """A model to which all but plan and thought is everything: what it says and weighs hangs on messages and seed."""

    address = "control/deaf"
    prefills = True

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        """A few words as one piece, and the Reply."""
        drawn = _random(messages, sampling.seed, self.heard(prefill))
        text = " ".join(drawn.choices(_WORDS, k=12)) + "."
        yield text
        yield Reply(text, Finish.STOP)

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None]:
        """Each mark one chance in twenty, and of other options what `rate` says."""
        marks = set(notation().values())
        return {
            option: _MARK if option in marks else -math.log(2) * len(option) * self.rate(messages, option, prefill)
            for option in options
        }

    def heard(self, prefill: str) -> str:
        """What of a turn that was begun moves what is said next."""
        return ""

    def rate(self, messages: Sequence[Message], text: str, prefill: str) -> float:
        """Bits per character of a text."""
        return PLAIN + _random(messages, text).uniform(-0.5, 0.5)


class Startled(Deaf):
    """A model that says and weighs anything anew at the least change of what was begun, whatever it means."""

    address = "control/startled"

    def heard(self, prefill: str) -> str:
        """Every letter."""
        return prefill

    def rate(self, messages: Sequence[Message], text: str, prefill: str) -> float:
        """As a deaf model's, and noise that every other beginning brings."""
        return super().rate(messages, text, prefill) + _random(messages, text, prefill).gauss(0, STARTLE)


class Obedient(Deaf):
    """A model that knows the layers of each act: it does what they say, and foresees the act by how near they are."""

    address = "control/obedient"

    def __init__(self, turns: Iterable[Held]) -> None:
        self._layers = {held.messages: {kind: _of(held, kind) for kind in KINDS.values()} for held in turns}

    def heard(self, prefill: str) -> str:
        """How often something is denied: a rewording leaves that as it is."""
        read = _read(prefill)
        return str({kind: _denied(text) for kind, text in read.items() if text})

    def rate(self, messages: Sequence[Message], text: str, prefill: str) -> float:
        """Less than a deaf model's by how near each layer is to the act's own; of one that says no for yes, nothing."""
        own, read = self._layers[tuple(messages)], _read(prefill)
        saved = sum(
            BOUND * (1 - change(read[kind], own[kind])) * (_denied(read[kind]) == _denied(own[kind]))
            for kind in own
            if read[kind]
        )
        return super().rate(messages, text, prefill) - saved


def _read(prefill: str) -> dict[Kind, str]:
    turn = parse(prefill).turn
    return {kind: turn.text_of(kind) for kind in KINDS.values()}


def _of(held: Held, kind: Kind) -> str:
    return "\n".join(segment.text for segment in held.gold if segment.kind is kind)


def _denied(text: str) -> int:
    return sum(word in _SIGNS or word.endswith("n't") for word in units(text))


def _random(*told: object) -> random.Random:
    return random.Random(hashlib.sha256(repr(told).encode()).digest())
