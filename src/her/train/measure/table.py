"""Tables of measurements in Markdown.

Knows how a figure is written, and how a measurement was made. Refuses to round a difference into being.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from her.train.measure.figures import FIGURES, Unit
from her.train.measure.replies import words

NONE = "–"
NOTE = (
    "Intervals: 95 %, by drawing whole scenes anew. A dash: no interval can be made, as of fewer than six scenes, of "
    "scenes that are all alike, or where nearly all draws lie to one side of the figure. What does not apply to a turn "
    "is not counted in n."
)
_FORMS: dict[Unit, tuple[float, str]] = {
    "share": (100, ".1f"),
    "words": (1, ".1f"),
    "per 1000": (1, ".2f"),
    "bits": (1, ".2f"),
    "bits/character": (1, ".3f"),
    "seconds": (1, ".1f"),
    "count": (1, ".0f"),
}
_UNITS: dict[Unit, str] = {"share": "%", "words": "words", "per 1000": "per 1,000 words", "seconds": "s", "count": ""}


def table(report: Mapping[str, Any]) -> str:
    """A measurement as Markdown, its figures beside those of the turns as they were written."""
    lines = [
        f"# `{report['model']}` on held-out turns",
        "",
        _how(report),
        "",
        "| | model | 95 % | n | as written | 95 % | n |",
        "|---|--:|:-:|--:|--:|:-:|--:|",
    ]
    for name in FIGURES:
        sides = [report[side].get(name) for side in ("measures", "gold")]
        if any(sides):
            cells = " | ".join(cell for side in sides for cell in _cells(name, side))
            lines.append(f"| {label(name)} | {cells} |")
    lines += ["", NOTE, ""]
    if report["wrong"]:
        told = ", ".join(f"{word} {count:,}" for word, count in report["wrong"].items())
        lines += [f"What was wrong with replies that are no valid turns: {told}.", ""]
    if long := [f"{name} {count:,}" for name, count in report.get("too_long", {}).items() if count]:
        lines += [f"Left out, being longer with their prompt than the model's window: {', '.join(long)}.", ""]
    return "\n".join(lines)


def label(name: str) -> str:
    """A figure's name in tables, with its unit."""
    figure = FIGURES[name]
    unit = _UNITS.get(figure.unit, figure.unit)
    return f"{figure.label}, {unit}" if unit else figure.label


def told(name: str, value: float, *, sign: bool = False) -> str:
    """A figure's value in its unit; with `sign` as a difference."""
    scale, form = _FORMS[FIGURES[name].unit]
    return format(value * scale, ("+" if sign else "") + form.replace(".", ",.")).replace("-", "−")


def between(name: str, low: float | None, high: float | None, *, sign: bool = False) -> str:
    """An interval in its figure's unit, or a dash."""
    if low is None or high is None:
        return NONE
    return f"{told(name, low, sign=sign)} … {told(name, high, sign=sign)}"


def _cells(name: str, estimate: Mapping[str, Any] | None) -> Iterator[str]:
    if estimate is None:
        yield from (NONE, NONE, "0")
        return
    yield told(name, estimate["value"])
    yield between(name, estimate["low"], estimate["high"])
    yield f"{estimate['turns']:,}"


def how(report: Mapping[str, Any]) -> dict[str, str]:
    """How a measurement was made, for people: everything that may make two of them unlike, a short text each.

    Raises KeyError for a report of an older version.
    """
    sampling, languages = report["sampling"], ", ".join(report["languages"]) or "all languages"
    files = json.dumps(report["files"], sort_keys=True)
    grammar = f"held to chat's grammar ({words(report['limits'])})"
    return {
        "replies": grammar if report["constrained"] else "free, not a word given",
        "plans": "asked for" if report["plans"] else "not asked for",
        "sampling": f"temperature {sampling['temperature']:g}, top-p {sampling['top_p']:g}, at most "
        f"{sampling['max_tokens']:,} tokens",
        "seeds": ", ".join(map(str, report["seeds"])),
        "turns": f"{report['turns']:,} in {report['scenes']:,} scenes, {languages}",
        "split": f"`{report['split']}`",
        "data": f"`{hashlib.sha256(files.encode()).hexdigest()[:12]}`",
        "binding under": _identified(report, "frozen"),
        "list of stock phrases": _identified(report, "phrases"),
        "HER": report["versions"]["her"],
    }


def _identified(report: Mapping[str, Any], name: str) -> str:
    """A file or model that was measured by, with its hash where the report has one: earlier versions wrote none."""
    known = report.get("identities", {}).get(name) or report[name]
    return f"`{known}`" if known else NONE


def _how(report: Mapping[str, Any]) -> str:
    told, several = how(report), "s" * (len(report["seeds"]) > 1)
    return (
        f"{report['turns']:,} turns of {report['scenes']:,} scenes and {report['worlds']:,} worlds ({told['split']}"
        f"{', ' if report['languages'] else ''}{', '.join(report['languages'])}), "
        f"{'with' if report['plans'] else 'without'} plans; one reply each with the seed{several} "
        f"{told['seeds']}, {told['replies']}, nothing mended; {told['sampling']}."
    )
