"""How figures, intervals and reasons are written, on pages and in Markdown alike.

Knows units and signs. Refuses to write a number where there is none: that is a dash.
"""

from __future__ import annotations

from collections.abc import Mapping

from her.bench.figures import Unit
from her.bench.report.cells import Cell, Mean
from her.bench.report.differences import Difference
from her.pages.page import NOTHING, number

_FORMS: Mapping[Unit, tuple[float, str, str]] = {
    "points": (1, ".1f", ""),
    "share": (100, ".1f", "\u00a0%"),
    "bits": (1, ".3f", ""),
    "count": (1, ".2f", ""),
    "seconds": (1, ".1f", "\u00a0s"),
}
"""By what a value is multiplied, its places, and what follows it."""


def told(value: float | None, unit: Unit, *, sign: bool = False) -> str:
    """A value in its unit; with `sign` as a difference, of shares in percentage points."""
    if value is None:
        return NOTHING
    scale, form, after = _FORMS[unit]
    # What is written as 0 has no sign: a difference of 1e-17 is no difference.
    value = 0.0 if float(format(value * scale, form)) == 0 else value * scale
    text = format(value, ("+" if sign and value else "") + "," + form).replace("-", "−")
    return text + ("" if sign and unit == "share" else after)


def mark(value: float, unit: Unit, *, sign: bool = False) -> str:
    """A value on a scale: as `told`, without places that say nothing."""
    scale, _, after = _FORMS[unit]
    text = ("+" if sign and value > 0 else "") + number(round(value * scale, 6))
    return text.replace("-", "−") + ("" if sign and unit == "share" else after)


def between(found: Mean, unit: Unit, *, sign: bool = False) -> str:
    """The 95 % interval, or a dash."""
    if found.low is None or found.high is None:
        return NOTHING
    return f"{told(found.low, unit, sign=sign)} … {told(found.high, unit, sign=sign)}"


def whole(found: Mean, unit: Unit, *, sign: bool = False) -> str:
    """The value with its interval behind it, where there is one."""
    text = told(found.value, unit, sign=sign)
    return text if found.low is None else f"{text} ({between(found, unit, sign=sign)})"


def reasons(cell: Cell) -> tuple[str, ...]:
    """How many cases have a value, and how many have none for which reason, one text each."""
    return (f"n {number(cell.mean.count)}", *(f"{number(count)} {why}" for why, count in cell.unscored.items()))


def counted(cell: Cell) -> str:
    """How many cases have a value, and of the others how many for which reason."""
    missing = ", ".join(f"{number(count)} {why}" for why, count in cell.unscored.items())
    return f"n {number(cell.mean.count)}{f', unscored {number(cell.missing)}: {missing}' if missing else ''}"


def verdict(one: Difference) -> str:
    """What a difference comes to, in words."""
    if one.mean.value is None:
        return "no case is scored in both"
    if not one.resolved:
        return "not resolved"
    return f"{one.better} is better" if one.better else "resolved"
