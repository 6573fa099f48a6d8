"""How long each layer of a turn is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from her.checks.units import sentences, spaceless_share, units
from her.turn import Kind, Turn


@dataclass(frozen=True, slots=True)
class Length:
    """Sizes of a text; nothing is counted twice."""

    characters: int
    """Code points without white space."""
    words: int
    """Words of scripts that put spaces between them."""
    ideographs: int
    """Characters of scripts without spaces (Chinese, Japanese, Thai, ...)."""
    sentences: int
    longest_sentence: int
    """Code points of the longest sentence, 0 for none."""

    @property
    def units(self) -> int:
        """Words and ideographs together, the unit of every rate in this package."""
        return self.words + self.ideographs


def length(text: str) -> Length:
    """The sizes of one text."""
    found = units(text)
    ideographs = round(spaceless_share(found) * len(found))
    parts = sentences(text)
    return Length(
        characters=sum(map(len, text.split())),
        words=len(found) - ideographs,
        ideographs=ideographs,
        sentences=len(parts),
        longest_sentence=max(map(len, parts), default=0),
    )


def lengths(turn: Turn) -> Mapping[Kind, Length]:
    """The sizes of each layer that the turn has; a layer it does not have is not in the mapping."""
    return {kind: length(turn.text_of(kind)) for kind in Kind if any(s.kind is kind for s in turn.segments)}
