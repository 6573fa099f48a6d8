"""What a run of synthesis is asked to do, and how the flags that hold several things are read.

Knows flags. Refuses to know what the stages do with them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from her.errors import InputError
from her.rows.report import Price

STAGES = ("scenes", "profiles", "role-thinking", "drafts", "system-thinking", "settings", "samples")
"""In the order in which they run; `drafts` only where another model makes them."""
PURPOSES = ("sft", "reward", "rl", "validation", "test")
"""What a book's rows are for, in the order in which books are given out; no book serves two."""
SHARES = {"sft": 0.45, "reward": 0.25, "rl": 0.2, "test": 0.1}
"""Share of the scenes that each purpose should get; a choice of ours, near the sizes in HER's release. Books for
validation are set apart only where it is asked for."""


@dataclass(frozen=True)
class SynthOptions:
    """Everything that `her synth run` can be told; None or empty leaves it to the default.

    `books` are files or folders of novels, `coser` files in CoSER's or HER's shape, `hub` names of their datasets.
    `chapters` counts from 1 and None is all of them. `model` is the teacher's address, `reasoner` that of the model
    that drafts plans. `until` is the last stage to run. `shard` is (number from 1, of how many).
    Raises InputError for what does not go together.
    """

    out: Path
    books: tuple[Path, ...] = ()
    coser: tuple[Path, ...] = ()
    hub: tuple[str, ...] = ()
    title: str | None = None
    author: str | None = None
    language: str | None = None
    chapters: frozenset[int] | None = None
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    reasoner: str | None = None
    terse: bool | None = None
    seed: int = 0
    plan_words: tuple[int, int] | None = None
    until: str = STAGES[-1]
    concurrency: int = 64
    max_dropped: float = 0.2
    price: Price | None = None
    coser_tests: tuple[Path, ...] = ()
    strict_books: bool = False
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    engine: Literal["local", "ray"] = "local"
    workers: int = 2
    shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.until == "drafts" and self.reasoner is None:
            raise InputError("--until drafts: drafts are a stage of their own only with --reasoner")
        if self.shard and self.until == STAGES[-1]:
            raise InputError("--shard does a part of one stage: name it with --until; samples are made of all rows")
        if self.shard and self.engine == "ray":
            raise InputError("--shard and --engine ray both divide the rows; choose one of them")


def read_chapters(text: str | None) -> frozenset[int] | None:
    """The chapters in `1-3,7`; None for None. Raises InputError."""
    if text is None:
        return None
    chosen: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= 10_000:
            raise InputError(f"--chapters: {part.strip()!r} is not a chapter or a range; write it like 1-3,7")
        chosen |= set(range(first, last + 1))
    return frozenset(chosen)


def read_shard(text: str | None) -> tuple[int, int] | None:
    """The shard in `2/8`; None for None. Raises InputError."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of:
        raise InputError(f"--shard: {text!r} is not a shard; write it like 2/8, counting from 1")
    return number, of


def read_words(text: str | None) -> tuple[int, int] | None:
    """The bounds in `30-90`; None for None. Raises InputError."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)-(\d+)", text.strip())
    low, high = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= low < high:
        raise InputError(f"--plan-words: {text!r} is not a range of words; write it like 30-90")
    return low, high


def read_price(text: str | None) -> Price | None:
    """The price in `0.5,1.5`, prompt and completion; None for None. Raises InputError."""
    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--price: {text!r} is not two numbers; write it like 0.5,1.5 (per million tokens)") from None
    if not (0 <= prompt < math.inf and 0 <= completion < math.inf):
        raise InputError(f"--price: {text!r} is not what tokens cost; a price is 0 or more")
    return Price(prompt, completion)


def read_shares(text: str | None) -> dict[str, float]:
    """The shares in `sft=0.5,reward=0.2,rl=0.2,test=0.1`; those left out are 0. Raises InputError."""
    if text is None:
        return dict(SHARES)
    shares = dict.fromkeys(PURPOSES, 0.0)
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+)\s*=\s*(\d*\.?\d+)\s*", part)
        if not found or found[1] not in shares:
            known = ", ".join(PURPOSES)
            raise InputError(f"--shares: {part.strip()!r} is not a purpose and its share; purposes are {known}")
        shares[found[1]] = float(found[2])
    if sum(shares.values()) <= 0:
        raise InputError("--shares: no purpose has a share above 0; write them like sft=0.5,reward=0.2,rl=0.2,test=0.1")
    return shares
