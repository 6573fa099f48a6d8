"""What became of every pair on its way into a data set for judges.

Knows counts. Refuses to hold any text.
"""

from __future__ import annotations

from pydantic import Field

from her.judge.data.rows import Made
from her.rows.record import Record


class Checked(Record):
    """What a judge, or people, say of labels that are known without them; `labels` is the sum of the three others."""

    labels: int
    same: int
    other: int = Field(description="Labels contradicted by the judge in both orders, or by more than half of readers.")
    silent: int = Field(description="Labels of which nothing is said, or one thing and another.")


class PartReport(Record):
    """One part. `labels` is the sum of `pairs` and of what was set `aside`; each pair has two rows."""

    labels: int
    aside: dict[str, int] = Field(description="Pairs with a label that are not in the part, by reason.")
    pairs: int
    rows: int
    winners: dict[str, int] = Field(description="Rows by their label; first and second are always as many.")
    shapes: dict[str, int] = Field(description="Argued answers by who wins their findings.")
    mixed_share: float | None = Field(description="Of these, the share in which both sides win some; None without any.")
    longer_before: float | None = Field(description="Share of decided pairs that the longer side won, of all labels.")
    longer_share: float | None = Field(description="The same of the pairs in the part; None where there are none.")
    kinds: dict[str, int] = Field(description="Pairs by kind.")
    families: dict[str, int] = Field(description="Pairs by family of breakers, where they have one.")
    known: dict[str, int] = Field(description="Pairs by how their label is known.")
    tie_kinds: dict[str, int] = Field(description="Ties by kind: equal, cancelled.")
    languages: dict[str, int]
    books: int


class RewardReport(Record):
    """What a data set for judges was made of: `report.json`."""

    pairs_in: int
    known: dict[str, int] = Field(description="Labels by how they are known.")
    unlabelled: dict[str, int] = Field(description="Pairs without a label, by reason.")
    checked: dict[str, Checked] = Field(description="What the judge says of labels that others gave.")
    read: Checked = Field(description="What people say of labels known from construction.")
    parts: dict[str, PartReport] = Field(description="sft, rl, test.")
    apart: str = Field(description="What is never in both sft and rl: book, or scene or place where books are few.")
    held_out: tuple[str, ...] = Field(description="Books of the test part.")
    seed: int
    shares: dict[str, float]
    one_sided: float
    ties: float
    levelled: bool
    made: dict[str, Made] = Field(description="What shaped rows, by the name that stands in them.")

    @property
    def adds_up(self) -> bool:
        """Whether every pair that came in is accounted for."""
        labels = sum(self.known.values())
        return (
            self.pairs_in == labels + sum(self.unlabelled.values())
            and labels == sum(part.labels for part in self.parts.values())
            and all(
                part.labels == part.pairs + sum(part.aside.values()) and part.rows == 2 * part.pairs
                for part in self.parts.values()
            )
            and all(one.labels == one.same + one.other + one.silent for one in (*self.checked.values(), self.read))
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the counts must know besides, a sentence each."""
        notes = []
        sft, rl, test = (self.parts[name] for name in ("sft", "rl", "test"))
        if sft.labels and not sft.pairs:
            notes.append(f"There is nothing to learn from: {_listed(sft.aside)}.")
        if not sft.labels and self.shares.get("sft"):
            notes.append("No label has an argument for it in both orders, so all are to practise on.")
        if not rl.labels and self.shares.get("rl"):
            notes.append("Nothing is left to practise on: too few books, scenes and places.")
        if not test.pairs:
            notes.append("No book is held out: what is trained on this has no test of its own kind.")
        if self.apart != "book":
            notes.append(f"There are too few books to keep sft and rl apart by; no {self.apart} is in both.")
        if not self.levelled:
            notes.append("Length is not levelled: how often the longer side wins is as it came.")
        if sft.mixed_share is not None and sft.mixed_share < 0.5:
            notes.append(f"In only {sft.mixed_share:.0%} of the answers does each side win something.")
        return tuple(notes)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items()) or "no pair came in"
