"""Pairs of candidates with a known answer: what a judge is tested on and learns from.

Knows what a pair must say of itself. Refuses to know where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field, model_validator

from her.errors import InputError
from her.judge.case import Case
from her.judge.verdict import Winner
from her.rows.record import Record, TurnRow
from her.scene import Scene


class Setting(Record):
    """A place in a dialogue: whose turn comes, and all that came before, every mind and no plans."""

    scene: Scene
    speaker: str
    turns: tuple[TurnRow, ...] = ()


class Pair(Record):
    """Two candidates for one turn, and which is better.

    `kind` says how the answer is known: `natural` (people, or a stronger judge, preferred one), `broken` (one had a
    principle broken by construction), `neutral` (an edit that changes nothing that matters: a tie), `twin` (the edit of
    a broken pair where it does no harm). `better` None: not labelled yet.
    """

    id: str = Field(min_length=1)
    at: Setting
    first: str
    second: str
    better: Winner | None
    kind: Literal["natural", "broken", "neutral", "twin"] = "natural"
    book: str = Field(default="", description="What pairs are kept apart by, next to family and template.")
    family: str = Field(default="", description="How it was broken: the name of a breaker.")
    principle: str = Field(default="", description="The id of the principle that was broken.")
    grade: Literal[0, 1, 2, 3] = Field(default=0, description="How badly: 1 slight, 2 clear, 3 gross; 0: does not say.")
    template: str = Field(default="", description="Which of the family's wordings was used.")
    base: str = Field(default="", description="What was edited: `authored`, or the address of a model.")
    twin_of: str = Field(default="", description="The id of the pair whose edit this is, for twins.")
    source: str = Field(default="", description="The file or data set that it comes from.")
    subset: str = Field(default="", description="The part of that source.")
    split: str | None = Field(
        default=None, description="train or test: nothing is learnt from what is for tests. None: unknown."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Pair:
        if self.kind == "broken" and self.better not in (Winner.FIRST, Winner.SECOND):
            raise ValueError("a pair with one broken side has a better one")
        if self.kind == "neutral" and self.better is not Winner.TIE:
            raise ValueError("a neutral edit makes a tie")
        return self

    @property
    def case(self) -> Case:
        """The pair as a judge is asked about it, its answer left out."""
        turns = tuple(row.turn for row in self.at.turns)
        return Case(self.id, self.at.scene, self.at.speaker, turns, self.first, self.second)

    @property
    def swapped(self) -> Pair:
        """The pair with the candidates' places exchanged, and the answer with them."""
        better = self.better and self.better.other
        return self.model_copy(update={"first": self.second, "second": self.first, "better": better})


def distinct(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs as they come. Raises InputError at an id that has come before: answers are known by it."""
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise InputError(
                f"the pair {pair.id!r} stands twice; is a file named twice, or are two of the same name? Each pair "
                "needs an id of its own"
            )
        seen.add(pair.id)
        yield pair
