"""What became of every scene on its way into a data set, counted so that nothing is lost on the way.

Knows counts and the books behind them. Refuses to hold any text of a book.
"""

from __future__ import annotations

import re

from pydantic import Field

from her.rows.record import Record


class Turns(Record):
    """Turns of the scenes of one purpose. `empty` turns hold nothing but a plan, or nothing at all."""

    all: int = 0
    environment: int = 0
    empty: int = 0
    with_plan: int = 0
    without_plan: int = 0


class BookUse(Record):
    """One book as its rows name it; all editions of a `work` have one purpose, None where no scene is left."""

    title: str
    author: str
    slug: str
    sha: str
    work: str
    purpose: str | None
    scenes: int
    kept_out: int
    licence: str = Field("", description="SPDX identifier; empty where unknown.")


class Made(Record):
    """One stage, model and set of prompts that scenes went through, and how many did."""

    stage: str
    model: str
    prompts: tuple[str, ...]
    scenes: int


class Checked(Record):
    """The look for a test set, in numbers; `contamination.json` has it case by case and scene by scene."""

    tests: tuple[str, ...] = Field(description="File name and sha256 of each.")
    cases: int
    unread: int = Field(description="Cases of the files that could not be read.")
    with_book: int = Field(description="Cases whose book is among the sources, or which stand in another one.")
    not_found: int = Field(description="Of these, cases of which neither words, numbers nor place were found.")
    scenes_kept_out: int


class SampleReport(Record):
    """What `samples` did: `report.json`. `scenes_in` is the sum of `scenes` and `kept_out`."""

    input_sha: str = Field(description="sha256 of the rows that came in.")
    seed: int
    shares: dict[str, float]
    scenes_in: int
    scenes: dict[str, int] = Field(description="By purpose.")
    kept_out: dict[str, int] = Field(description="By the first reason of each.")
    turns: dict[str, Turns] = Field(description="By purpose.")
    rows: dict[str, dict[str, int]] = Field(description="By config and split.")
    characters: int = Field(description="Parts to play: characters of scenes that speak.")
    languages: dict[str, int] = Field(description="Scenes by language.")
    prompts: tuple[str, ...] = Field(description="The prompt texts of the rows, name@hash.")
    contamination: Checked
    books: tuple[BookUse, ...]
    lineage: tuple[Made, ...]
    notes: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether every scene and every turn that came in is accounted for."""
        scenes = self.scenes_in == sum(self.scenes.values()) + sum(self.kept_out.values())
        parts = [(t.all, t.environment + t.empty + t.with_plan + t.without_plan) for t in self.turns.values()]
        books = sum(book.scenes + book.kept_out for book in self.books) == self.scenes_in
        return scenes and books and all(whole == summed for whole, summed in parts)


def known_as(address: str) -> str:
    """A model's address as strangers may read it: the model's name, without hosts and without folders."""
    if "://" in address:
        return address.partition("#")[2] or "a server"
    backend, colon, path = address.rpartition(":")
    local = path.startswith(("/", "~", ".", "\\")) or "\\" in path or path.endswith((".gguf", ".jsonl"))
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] if local else backend + colon + path
