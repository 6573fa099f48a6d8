"""Which layer of a turn each learnt token writes: plan, thought, action, speech, or only marks.

Knows bytes of tokens and characters of segments. Refuses to guess: a token that reaches over a border belongs to the
layer that holds most of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from her.markup import notation, parse, render
from her.turn import Kind, Turn

LAYERS = (*Kind, "marks")
"""The order in which layers are told."""


@dataclass(frozen=True, slots=True)
class Layered:
    """A turn to learn: the layer of each of its tokens, end token included, and how many characters each layer has.

    `read` is False for a turn that does not read back as it stands, all of which is then marks.
    """

    tokens: tuple[str, ...]
    characters: Mapping[str, int]
    read: bool = True


def layered(text: str, speaker: str, token_bytes: Sequence[bytes]) -> Layered:
    """The layers of a written turn; `token_bytes` are the bytes of its tokens, none for those that end it."""
    owner: list[str] = []
    characters = dict.fromkeys(map(str, LAYERS), 0)
    pieces = _pieces(text, speaker)
    for kind, piece in pieces or [("marks", text)]:
        owner += [kind] * len(piece.encode())
        characters[kind] += len(piece)
    layers: list[str] = []
    at = 0
    for piece_bytes in token_bytes:
        held = owner[at : at + len(piece_bytes)]
        layers.append(max(dict.fromkeys(held), key=held.count) if held else "marks")
        at += len(piece_bytes)
    return Layered(tuple(layers), characters, read=bool(pieces))


def _pieces(text: str, speaker: str) -> list[tuple[str, str]]:
    """The text cut into layers and marks; nothing where it does not read back as it stands."""
    turn = parse(text, speaker=speaker).turn
    name = f"{speaker}: "
    plan = [segment for segment in turn.segments if segment.kind is Kind.SYSTEM_THINKING]
    found: list[tuple[str, str]] = []
    marks = notation()
    for segment in turn.segments:
        if segment.kind is not Kind.SYSTEM_THINKING and not any(piece == name for _, piece in found):
            found.append(("marks", name))
        written = render(Turn("", (segment,)))
        # By lengths, for a text such as `act` stands in its own tag.
        begin = len(marks.get(f"{segment.kind.short}_open", ""))
        end = begin + len(segment.text)
        found += [("marks", written[:begin]), (str(segment.kind), written[begin:end]), ("marks", written[end:])]
    if plan and len(turn.segments) == len(plan):
        found.append(("marks", name))
    return found if "".join(piece for _, piece in found) == text else []


@dataclass
class Bits:
    """Bits per character, layer by layer, over any number of turns."""

    nats: dict[str, float] = field(default_factory=lambda: dict.fromkeys(map(str, LAYERS), 0.0))
    characters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, LAYERS), 0))
    tokens: int = 0

    def add(self, turn: Layered, log_probs: Sequence[float]) -> None:
        """Counts one turn; `log_probs` are in nats, one for each of its tokens."""
        for layer, log_prob in zip(turn.tokens, log_probs, strict=True):
            self.nats[layer] -= log_prob
        for layer, count in turn.characters.items():
            self.characters[layer] += count
        self.tokens += len(turn.tokens)

    @property
    def loss(self) -> float:
        """Nats per token; 0 where nothing was counted."""
        return sum(self.nats.values()) / max(self.tokens, 1)

    def of(self, layer: str) -> float | None:
        """Bits per character of one layer; None where no turn has it."""
        count = self.characters[layer]
        return self.nats[layer] / count / math.log(2) if count else None
