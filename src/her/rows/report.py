"""What a stage did, counted: the tally of a run under way, what a face may show of it, and the report at its end.

Knows counting. Refuses to know rows, calls and prices of anybody in particular.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import Field

from her.models.base import Usage
from her.rows.record import Record, Refusal


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, of prompts and of answers, in whatever currency."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `total` is None where nobody said how many rows there are, `cost` without a price.

    `flying` calls are under way, of the `window` that may be.
    """

    total: int | None
    rows: int
    kept: int
    repaired: int
    dropped: int
    calls: int
    from_journal: int
    retries: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    flying: int
    window: int


class Quarantined(Record):
    """A row that was dropped: a line of `dropped.jsonl`. `number` counts the rows that came in, from 1."""

    stage: str
    id: str
    number: int
    reason: str
    detail: str = ""
    refusals: tuple[Refusal, ...] = ()


class Report(Record):
    """What a stage did: `report.json`. `rows_in` is always the sum of `kept`, `repaired` and `dropped`."""

    stage: str
    model: str = Field(description="Its address.")
    prompts: tuple[str, ...] = Field(description="All texts that were used, name@hash.")
    shard: str = Field("", description="i/n; empty where one run did all rows.")
    rows_in: int
    kept: int = Field(description="Rows whose answers could all be used as they came.")
    repaired: int = Field(description="Rows with an answer that became usable when it was asked for again.")
    dropped: int
    rows_out: int
    reasons: dict[str, int] = Field(description="Rows dropped, by reason.")
    refused: dict[str, int] = Field(description="Parts of rows that were left out, by reason.")
    faults: dict[str, int] = Field(description="Faults of answers for which a repair was asked, by reason.")
    repairs: int = Field(description="Answers that were asked for again with their faults told.")
    lengthened: int = Field(description="Answers that were asked for again with more room.")
    calls: int = Field(description="Answers that the model gave in this run.")
    from_journal: int = Field(description="Answers that stood in the journal.")
    retries: dict[str, int] = Field(description="Requests of this run that were made again, by class of fault.")
    garbled: int = Field(description="Answers of this run without any JSON in them, asked for again.")
    prompt_tokens: int = Field(description="Of all answers used, from the journal too.")
    completion_tokens: int = Field(description="Of all answers used, from the journal too.")
    uncounted: int = Field(description="Answers whose tokens nobody told; they are not in the sums.")
    cost: float | None = Field(description="Of those tokens; None without a price.")
    seconds: float = Field(description="Of this run.")
    rows_per_second: float
    within: bool = Field(description="Whether no greater share of rows was dropped than is allowed.")
    input_sha: str = Field(description="sha256 of the rows that came in, as lines of JSON.")
    rows_sha: str = Field(description="sha256 of rows.jsonl.")
    dropped_sha: str = Field(description="sha256 of dropped.jsonl.")


@dataclass(slots=True)
class Tally:
    """The counts of a run under way; names as in Report."""

    kept: int = 0
    repaired: int = 0
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    prompts: set[str] = field(default_factory=set)
    repairs: int = 0
    lengthened: int = 0
    garbled: int = 0
    calls: int = 0
    from_journal: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0

    @property
    def rows(self) -> int:
        """Rows that are done with, whichever way."""
        return self.kept + self.repaired + self.dropped

    def answer(self, usage: Usage, *, found: bool) -> None:
        """Counts an answer, which the journal held (`found`) or the model gave."""
        if found:
            self.from_journal += 1
        else:
            self.calls += 1
        if usage.prompt_tokens is None and usage.completion_tokens is None:
            self.uncounted += 1
        self.prompt_tokens += usage.prompt_tokens or 0
        self.completion_tokens += usage.completion_tokens or 0

    def counts(self) -> dict[str, Any]:
        """All counts that a Report has under the same name, reasons in the order of the alphabet."""
        counts = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "prompts"}
        return {name: dict(sorted(n.items())) if isinstance(n, Counter) else n for name, n in counts.items()}

    def cost(self, price: Price | None) -> float | None:
        """What the counted tokens cost; None without a price, and where no answer's tokens were told."""
        if price is None or 0 < self.calls + self.from_journal == self.uncounted:
            return None
        return round((self.prompt_tokens * price.input + self.completion_tokens * price.output) / 1e6, 6)
