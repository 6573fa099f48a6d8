"""A pair as a teacher reads it, and whether words that a teacher quotes stand in it.

Knows two candidates on paper. Refuses to know what is asked about them, and how a case is written (`dialects.shown`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from her.checks.units import spaceless_share, units
from her.judge.case import Case
from her.judge.dialects.shown import candidate, marks

LEAST_UNITS = 2
LEAST_CHARACTERS = 3
"""Words of a quotation at least, and characters of one in a script without spaces: fewer are found in any text."""
_MARGIN = re.compile(r"^A[|>] ?", re.MULTILINE)
_SHOWN = 80


@dataclass(frozen=True)
class Sheet:
    """One candidate as it is shown, without its margin: the turn in tags, and what is wrong with its form."""

    text: str

    def holds(self, quote: str) -> bool:
        """Whether these words stand in it one after another; case, marks and punctuation do not count."""
        wanted = _joined(units(quote))
        return bool(wanted.strip()) and (wanted in self._words or wanted in self._bare_words)

    def alone_holds(self, quote: str, other: Sheet) -> bool:
        """Whether words that stand here do not stand in the other; to the letter they may differ by marks alone."""
        exactly = " ".join(quote.split())
        here, there = (exactly in " ".join(sheet.text.split()) for sheet in (self, other))
        return not other.holds(quote) or (here and not there)

    @cached_property
    def bare(self) -> str:
        """The text without marks."""
        text = self.text
        for mark in marks().values():
            text = text.replace(mark, " ")
        return text

    @cached_property
    def _words(self) -> str:
        return _joined(units(self.text))

    @cached_property
    def _bare_words(self) -> str:
        return _joined(units(self.bare))


@dataclass(frozen=True)
class Sheets:
    """The two candidates of a case."""

    first: Sheet
    second: Sheet

    @classmethod
    def of(cls, case: Case) -> Sheets:
        """The sheets of a case; equal ones look the same to whoever judges."""
        # Both under one letter: it stands in what is said of their form.
        return cls(*(Sheet(_MARGIN.sub("", candidate(case, reply, "A"))) for reply in (case.first, case.second)))

    def doubt(self, first: str, second: str) -> str | None:
        """Why two quotations are no evidence for a difference between the candidates; None where they are.

        Each must stand in its own candidate, and at least one of them nowhere in the other.
        """
        for name, quote, sheet in (("A", first, self.first), ("B", second, self.second)):
            words = units(quote)
            least = LEAST_CHARACTERS if spaceless_share(words) > 0.5 else LEAST_UNITS
            if len(words) < min(least, max(1, len(units(sheet.bare)))):
                return f"the words from {name} are too few; copy at least {least} that stand together there"
            if not sheet.holds(quote):
                return f"these words do not stand in {name}: {' '.join(quote.split())[:_SHOWN]!r}; copy them"
        told = ((first, self.first, self.second), (second, self.second, self.first))
        if any(own.alone_holds(quote, other) for quote, own, other in told):
            return None
        return "these words stand in both candidates; copy words, with their marks, that only one of them has"


def _joined(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "
