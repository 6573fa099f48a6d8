"""What stands on disk between the steps of inducing: raw principles, candidates, decisions, invocations, scores.

Knows what each row must say of itself. Refuses to know how it came about.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field, model_validator

from her.judge.principles import Dimension, Level, Line
from her.judge.verdict import Winner
from her.rows.record import Record
from her.scene import slug

Better = Literal[Winner.FIRST, Winner.SECOND]
"""The better side, where there is one."""

MOST_EVIDENCE = 3
"""Pairs of a candidate that a reader is shown."""


class Evidence(Record):
    """The words of one pair that a principle was seen in, as they stand in its two candidates."""

    pair: str
    first: str
    second: str
    better: Better

    @property
    def kept_and_broken(self) -> tuple[str, str]:
        """The words of the better candidate, then those of the other."""
        return (self.first, self.second) if self.better is Winner.FIRST else (self.second, self.first)


class Raw(Record):
    """A principle as one pair gave it."""

    name: Line
    definition: Line
    dimension: Dimension
    level: Level
    negative: bool
    language: str = Field(description="en or zh: that in which the teacher was asked.")
    book: str = Field(description="The pair's book, or its scene where it has none.")
    evidence: Evidence


class Candidate(Record):
    """Raw principles that say the same, as one. `name` and `definition` are those of the most central among them;
    dimension, level and polarity are what most of them say."""

    name: Line
    definition: Line
    dimension: Dimension
    level: Level
    negative: bool
    language: str
    raw: int = Field(description="How many raw principles it was made of.")
    contrary: int = Field(description="How many of these have the other polarity.")
    pairs: tuple[str, ...] = Field(description="The pairs that gave it, by id.")
    books: tuple[str, ...]
    wordings: tuple[str, ...] = Field(description="The other names it was given.")
    evidence: tuple[Evidence, ...]

    @property
    def id(self) -> str:
        """Its name, and four digits that change with its words: a decision about it never falls on another."""
        digits = hashlib.sha256("\n".join((self.language, self.name, self.definition)).encode()).hexdigest()[:4]
        return f"{slug(self.name)[:40]}-{digits}"

    def with_(self, *others: Candidate) -> Candidate:
        """This one with what others were made of; words, dimension, level and polarity stay."""
        every = (self, *others)
        names = [name for one in every for name in (one.name, *one.wordings) if name != self.name]
        other_way = [one.contrary if one.negative is self.negative else one.raw - one.contrary for one in every]
        return self.model_copy(
            update={
                "raw": sum(one.raw for one in every),
                "contrary": sum(other_way),
                "pairs": tuple(dict.fromkeys(pair for one in every for pair in one.pairs)),
                "books": tuple(dict.fromkeys(book for one in every for book in one.books)),
                "wordings": tuple(dict.fromkeys(names)),
                "evidence": tuple(quote for one in every for quote in one.evidence)[:MOST_EVIDENCE],
            }
        )


class Decision(Record):
    """What a person has decided about a candidate. `merge` needs `into`, another candidate's id; `reword` gives a new
    name, definition, or both."""

    id: str = Field(min_length=1)
    do: Literal["keep", "merge", "reword", "reject"]
    into: str = ""
    name: str = ""
    definition: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Decision:
        if (self.do == "merge") != bool(self.into) or self.into == self.id:
            raise ValueError("merge, and nothing else, needs `into`: the id of another candidate")
        if (self.do == "reword") != bool(self.name.strip() or self.definition.strip()):
            raise ValueError("reword, and nothing else, needs a `name` or a `definition`")
        return self


class Said(Record):
    """A principle that a judge has called on, and who keeps to it better."""

    principle: str
    winner: Better


class Invoked(Record):
    """What a judge called on for one pair, in the given order and with the places exchanged; winners are as in the
    given order."""

    pair: str
    better: Better
    given: tuple[Said, ...]
    exchanged: tuple[Said, ...]


class Score(Record):
    """How well one principle tells candidates apart, on pairs that it was not made of.

    Each pair is asked for in both orders; shares are of answers, None where there is nothing to divide by.
    """

    principle: str
    asked: int = Field(description="Answers, two a pair.")
    invoked: int = Field(description="Answers that call on it.")
    coverage: float | None = Field(description="invoked / asked.")
    accuracy: float | None = Field(description="Share of invoked in which it is for the better candidate.")
    flipped: float | None = Field(description="Of the pairs with it in both orders, the share with two winners.")
    redundancy: float | None = Field(description="The largest share of invoked in which one other says the same.")
    same_as: str = Field(description="Which other that is; empty where none ever says the same.")
