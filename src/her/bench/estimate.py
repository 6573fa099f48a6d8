"""What a run will ask and cost, and the smallest difference that it can show: before anything is asked.

Knows calls by part, prices, and the power of a paired comparison. Refuses to know what a benchmark asks: it brings its
calls along (`Ask`), and to name a price or a spread that nobody has given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from her.bench.figures import Figure, Sheet, Unit
from her.checks.intervals import LEAST_SCENES, student
from her.errors import InputError
from her.models.base import Message, Model
from her.pages.flow import counted
from her.pages.page import number
from her.rows.report import Price

SURE, POWER = 0.975, 0.8
"""A two-sided test at 5 %, which finds a difference of that size in 80 of 100 runs: the convention of Cohen,
Statistical Power Analysis for the Behavioral Sciences (1988), and of Miller, Adding Error Bars to Evals (2024)."""
CHARACTERS_PER_TOKEN = 4.0
"""Where a model cannot count: English under today's tokenizers. Chinese takes about one token a character or two."""
SPAN: Mapping[Unit, float] = {"points": 100.0, "share": 1.0}
"""How far apart two values of a unit can be; the other units have no end."""
WORST = math.sqrt(0.5)
"""The largest standard deviation of the difference of two values in 0..1 that have nothing to do with each other:
each has one of at most a half. Two models that see the same cases differ less, unless one is right just where the
other is wrong."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Calls of one part that are alike: `times` of them, of which each has a prompt `growth` tokens longer than the
    one before (the first is `messages`) and an answer of about `answer` tokens."""

    role: str
    messages: Sequence[Message]
    answer: int
    times: int = 1
    growth: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What the player of one part will be asked. `counted`: by its own tokenizer; `cost` None: no price was given."""

    role: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    counted: bool
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest difference of a figure that a run can show, in the figure's own unit; None where that cannot be
    told, and `how` it was found."""

    figure: str
    title: str
    unit: Unit
    smallest: float | None
    how: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """All of it; `cost` is None unless every part that is asked has a price."""

    cases: int
    clusters: int
    epochs: int
    parts: tuple[Part, ...]
    detectable: tuple[Detectable, ...]

    @property
    def cost(self) -> float | None:
        """The cost of all parts together."""
        costs = [part.cost for part in self.parts]
        return None if None in costs or not costs else math.fsum(cost for cost in costs if cost is not None)

    def as_json(self) -> dict[str, Any]:
        """The estimate, ready for JSON."""
        return {**asdict(self), "cost": self.cost}


async def estimate_parts(
    asks: Iterable[Ask], models: Mapping[str, Model], prices: Mapping[str, Price] | None = None, *, epochs: int = 1
) -> tuple[Part, ...]:
    """What each part will be asked in all epochs, in the order in which the parts come up.

    Prompts are counted by the model that plays the part, where it can; else by their characters. `prices` are by part,
    that of `""` holds for all others. Raises InputError for a part that nobody plays, and ModelError from a model that
    has to be reached to count.
    """
    sums: dict[str, list[float]] = {}
    exact: dict[str, bool] = {}
    for ask in asks:
        if ask.role not in models:
            raise InputError(f"nobody plays {ask.role!r}; the parts are {', '.join(sorted(models)) or 'none'}")
        found = await models[ask.role].count(ask.messages)
        exact[ask.role] = exact.get(ask.role, True) and found is not None
        letters = sum(len(message.content) for message in ask.messages)
        first = letters / CHARACTERS_PER_TOKEN if found is None else found
        grown = ask.growth * ask.times * (ask.times - 1) / 2
        row = sums.setdefault(ask.role, [0.0, 0.0, 0.0])
        for at, much in enumerate((ask.times, ask.times * first + grown, ask.times * ask.answer)):
            row[at] += much * epochs
    parts = []
    for role, (calls, prompt, completion) in sums.items():
        price = (prices or {}).get(role, (prices or {}).get(""))
        cost = None if price is None else (prompt * price.input + completion * price.output) / 1e6
        counts = (math.ceil(calls), math.ceil(prompt), math.ceil(completion))
        parts.append(Part(role, models[role].address, *counts, exact[role], cost))
    return tuple(parts)


def detectable(deviation: float, clusters: int) -> float | None:
    """The smallest true difference that a paired comparison over so many clusters shows in 80 of 100 runs.

    (t₀.₉₇₅ + t₀.₈) · s / √n, where s is the standard deviation of the clusters' mean differences and t Student's with
    n − 1 degrees of freedom: the minimum detectable effect of Bloom (Minimum Detectable Effects, Evaluation Review 19,
    1995), 2.8 standard errors for many clusters. None for fewer clusters than an interval needs.
    """
    if clusters < LEAST_SCENES:
        return None
    return (student(SURE, clusters - 1) + student(POWER, clusters - 1)) * deviation / math.sqrt(clusters)


def detectables(
    sheet: Sheet, clusters: int, deviations: Mapping[str, float] | None = None, source: str = "an earlier log"
) -> tuple[Detectable, ...]:
    """What a comparison on so many clusters can show of each figure that can be better or worse.

    By the standard deviation of an earlier log where there is one, else by the worst case for what has two ends.
    """
    return tuple(
        _detectable(figure, clusters, (deviations or {}).get(figure.name), source)
        for figure in sheet.figures
        if figure.better != "neither"
    )


def prices(told: Iterable[str]) -> dict[str, Price]:
    """Prices as flags give them, `3/15` for all parts or `judge=3/15` for one: of a million tokens in and out.

    Raises InputError.
    """
    found = {}
    for text in told:
        role, _, numbers = text.rpartition("=")
        ends = numbers.split("/")
        try:
            inward, outward = (float(end) for end in ends)
        except ValueError:
            raise InputError(f"--price {text!r}: write IN/OUT or ROLE=IN/OUT, of a million tokens, as 3/15") from None
        if not all(math.isfinite(end) and end >= 0 for end in (inward, outward)):
            raise InputError(f"--price {text!r}: a price is a number from 0 upwards")
        found[role] = Price(inward, outward)
    return found


def summary(found: Estimate) -> str:
    """The estimate as text for a terminal."""
    epochs = f", {found.epochs} times each" if found.epochs > 1 else ""
    lines = [f"{counted(found.cases, 'cases')} in {counted(found.clusters, 'clusters')}{epochs}"]
    for part in found.parts:
        cost = "" if part.cost is None else f", cost about {part.cost:,.2f}"
        how = "" if part.counted else " (by characters, four a token)"
        lines.append(
            f"{part.role} ({part.model}): {counted(part.calls, 'calls')}, about {number(part.prompt_tokens)} tokens in"
            f"{how}, {number(part.completion_tokens)} out{cost}"
        )
    if found.cost is not None and len(found.parts) > 1:
        lines.append(f"together about {found.cost:,.2f}")
    for one in found.detectable:
        if one.smallest is None:
            lines.append(f"smallest difference of {one.title}: not known ({one.how})")
        else:
            share = one.unit == "share"
            size = f"{number(round(one.smallest * (100 if share else 1), 3))}{' percentage points' if share else ''}"
            lines.append(f"smallest difference of {one.title}: {size} ({one.how})")
    return "\n".join(lines)


def _detectable(figure: Figure, clusters: int, deviation: float | None, source: str) -> Detectable:
    how = f"by {source}"
    if deviation is None and figure.unit in SPAN:
        deviation, how = WORST * SPAN[figure.unit], "the worst case"
    smallest = None if deviation is None else detectable(deviation, clusters)
    if deviation is None:
        how = f"a {figure.unit} figure has no worst case; give an earlier log"
    elif smallest is None:
        how = f"fewer than {LEAST_SCENES} clusters"
    elif figure.unit in SPAN and smallest > SPAN[figure.unit]:
        smallest, how = None, f"more than the whole scale, {how}; take more cases"
    return Detectable(figure.name, figure.title, figure.unit, smallest, how)
