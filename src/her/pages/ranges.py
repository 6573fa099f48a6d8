"""Figures with their intervals and bars, drawn one under the other.

Knows scales and places. Refuses to know what a figure says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from unicodedata import east_asian_width

from her.pages.colours import COLOURS
from her.pages.page import visible
from her.pages.plots import picture
from her.pages.svg import Drawing, framed

WIDTH, ROW, TOP, FOOT = 340.0, 34.0, 6.0, 20.0
"""Points: the drawing's width, the height of a figure with its label above, what is left free above and below."""
_LEFT, _RIGHT = 8.0, 332.0
_ROOM = 58
"""Letters of this size that a row holds, label and figure together; wide ones count twice."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure on the drawing's scale: `told` is how it is written; bars are where it must not be below or above."""

    label: str
    told: str
    value: float | None
    low: float | None = None
    high: float | None = None
    least: float | None = None
    most: float | None = None
    good: bool = True


def ranges(
    rows: Sequence[Range], *, title: str, ends: tuple[float, float], marks: Sequence[tuple[float, str]]
) -> Drawing:
    """The figures from top to bottom on one scale from `ends[0]` to `ends[1]`, which carries `marks`; what lies beyond
    an end is drawn at it."""
    known = [row for row in rows if row.value is not None]
    if not known:
        return Drawing(title, "There is nothing to show yet.")

    def place(value: float) -> float:
        part = (min(max(value, ends[0]), ends[1]) - ends[0]) / (ends[1] - ends[0])
        return round(_LEFT + part * (_RIGHT - _LEFT), 2)

    bottom = TOP + len(known) * ROW
    drawn = [_scale(place(at), bottom, text) for at, text in marks]
    for nth, row in enumerate(known):
        drawn.append(_row(row, TOP + nth * ROW, place))
    says = "; ".join(f"{row.label}: {row.told}" for row in known) + "."
    svg = framed("".join(drawn), (WIDTH, bottom + FOOT), title, says)

    def draw(figure: Any) -> None:
        _plotted(figure.add_subplot(), known, ends, marks)

    return Drawing(title, says, svg, lambda target: picture(draw, bottom + FOOT, target))


def _scale(x: float, bottom: float, text: str) -> str:
    return (
        f'<path d="M{x} {TOP}V{bottom}" stroke="var(--rule)" stroke-width="0.6"/>'
        f'<text x="{x}" y="{bottom + 13}" font-size="9" text-anchor="middle" fill="var(--faded)">{escape(text)}</text>'
    )


def _row(row: Range, top: float, place: Callable[[float], float]) -> str:
    colour = "var(--series-3)" if row.good else "var(--refused)"
    middle = top + 22
    parts = [
        f'<text x="{_LEFT}" y="{top + 12}" font-size="10" fill="currentColor">{escape(_fitting(row))}</text>',
        f'<text x="{_RIGHT}" y="{top + 12}" font-size="10" text-anchor="end" fill="{colour}">'
        f"{escape(visible(row.told))}</text>",
    ]
    for bar in (row.least, row.most):
        if bar is not None:
            x = place(bar)
            parts.append(f'<path d="M{x} {middle - 7}V{middle + 7}" stroke="currentColor" stroke-width="1.4"/>')
    if row.low is not None and row.high is not None:
        parts.append(
            f'<path d="M{place(row.low)} {middle}H{place(row.high)}" stroke="{colour}" stroke-width="5" '
            'stroke-opacity="0.35"/>'
        )
    parts.append(f'<circle cx="{place(row.value or 0.0)}" cy="{middle}" r="3.4" fill="{colour}"/>')
    return "".join(parts)


def _fitting(row: Range) -> str:
    """The label, cut where it would run into the figure on the right."""
    label, room = visible(row.label), _ROOM - len(row.told) - 2
    kept = ""
    for letter in label:
        room -= 2 if east_asian_width(letter) in "WF" else 1
        if room < 1:
            return f"{kept.rstrip()}…" if len(kept) < len(label) else label
        kept += letter
    return label


def _plotted(axes: Any, rows: Sequence[Range], ends: tuple[float, float], marks: Sequence[tuple[float, str]]) -> None:
    """The same with matplotlib, for a PNG."""
    for nth, row in enumerate(rows):
        value, low, high = (
            None if at is None else min(max(at, ends[0]), ends[1]) for at in (row.value, row.low, row.high)
        )
        colour = COLOURS["series-3" if row.good else "refused"][0]
        beside = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9, "parse_math": False}
        axes.text(0.0, nth - 0.3, _fitting(row), **beside)
        axes.text(1.0, nth - 0.3, visible(row.told), ha="right", color=colour, **beside)
        if low is not None and high is not None:
            axes.plot((low, high), (nth, nth), color=colour, linewidth=4, alpha=0.35, solid_capstyle="butt")
        axes.plot((value,), (nth,), "o", color=colour, markersize=5)
        for bar in (row.least, row.most):
            if bar is not None:
                axes.plot((bar, bar), (nth - 0.2, nth + 0.2), color=COLOURS["ink"][0], linewidth=1.2)
    margin = (ends[1] - ends[0]) * 0.02
    axes.set_xlim(ends[0] - margin, ends[1] + margin)
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_yticks([])
    axes.set_xticks([at for at, _ in marks], [visible(text) for _, text in marks])
