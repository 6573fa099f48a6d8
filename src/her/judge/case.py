"""Two candidates for one turn, as a judge may see them: no plans, and no way to speak to the judge.

Knows what is left out, and how text is quoted so that nothing in it can end the quotation. Refuses to know what a
judge is asked.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from her.markup import parse, render
from her.scene import Scene
from her.turn import ENVIRONMENT, Dialogue, Kind, Parsed, Turn

LONGEST = 6_000
"""Characters of a candidate that a judge is shown, from its beginning; five times the longest turn of her-scenes."""
_LINES = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True)
class Case:
    """A comparison to be judged. `turns` are those before, as they are known to all who may judge (every mind, no
    plans); `first` and `second` are whole replies as models wrote them, or turns as text."""

    id: str
    scene: Scene
    speaker: str
    turns: tuple[Turn, ...]
    first: str
    second: str

    @property
    def swapped(self) -> Case:
        """The same with the candidates' places exchanged."""
        return replace(self, first=self.second, second=self.first)

    @cached_property
    def before(self) -> tuple[Turn, ...]:
        """The turns before, without plans even where they came with some."""
        return Dialogue(frozenset(self.scene.names), self.turns).for_judge()

    def read(self, reply: str) -> Parsed:
        """A candidate as the parser has it, its plan taken off; an unclosed plan takes all that follows with it."""
        return _read(reply, self.speaker, frozenset({*self.scene.names, ENVIRONMENT} - {self.speaker}))

    def shown(self, reply: str) -> str:
        """A candidate's turn in tags, without plan and name."""
        return render(self.read(reply).turn)


# A candidate is read for the question and for the answer, in both orders; many cases are under way at once.
@lru_cache(maxsize=256)
def _read(reply: str, speaker: str, cast: frozenset[str]) -> Parsed:
    parsed = parse(reply, speaker=speaker, cast=cast, plan=True)
    return replace(parsed, turn=parsed.turn.without(Kind.SYSTEM_THINKING))


def quoted(text: str, margin: str, most: int = LONGEST) -> str:
    """The text with `margin` before every line, so that no line of it can be taken for the judge's own prompt.

    Every character that some reader takes for the end of a line is one; control characters and those that turn the
    direction of writing become `�`; what is beyond `most` characters is left out, and the last line says so.
    """
    left_out = max(0, len(text) - most)
    lines = [_harmless(line) for line in _LINES.split(text[:most])]
    if left_out:
        lines.append(f"[… {left_out} more characters are not shown]")
    return "\n".join(f"{margin}{line}" for line in lines)


def _harmless(line: str) -> str:
    # Joiners are part of how several scripts and emoji are written; all other format characters can hide text.
    return "".join(
        "�" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} and c not in "\t\u200c\u200d" else c
        for c in line
    )
