"""Plots: bars, histograms and curves with their intervals, each also told in words.

Knows matplotlib, and keeps it from remembering anything: no global state, the same bytes each time, labels never read
as formulas. Refuses to know where numbers come from.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from her.errors import InputError, MissingExtra, StorageError
from her.pages.colours import COLOURS, SERIES
from her.pages.page import number, visible
from her.pages.svg import Drawing, restyled

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 340.0
"""Points; on a phone its text is still legible, on a desk it grows by half."""
BINS = 24
TAIL = 0.99
"""The most bars of a histogram, and the share of values that it spreads out; the rest is one last bar."""
LONGEST_LABEL = 52
EMPTY = "There is nothing to show yet"

_TEXT = 10.0
_LEGEND = 56
"""Letters in a row of a legend, seven for each mark."""
_INK, _RULE, _FADED = (COLOURS[name][0] for name in ("ink", "rule", "faded"))
_DASHES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: points in order, None for a gap, and the ends of an interval at each point where there is one."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()

    def __post_init__(self) -> None:
        """Raises InputError where the lengths differ."""
        sizes = {len(self.x), len(self.y)} | {len(side) for side in (self.low, self.high) if side}
        if len(sizes) > 1 or bool(self.low) != bool(self.high):
            raise InputError(f"curve {self.name!r}: x, y, low and high must be equally long; low and high go together")


def bars(labels: Sequence[str], series: Mapping[str, Sequence[float | None]], *, title: str, unit: str = "") -> Drawing:
    """Horizontal bars in groups, one group a label, one bar a series; None is a missing bar. Raises InputError."""
    for name, values in series.items():
        if len(values) != len(labels):
            raise InputError(f"bars {title!r}: {name!r} has {len(values)} values for {len(labels)} labels")
    known = {name: [_finite(value) for value in values] for name, values in series.items()}
    if not any(value is not None for values in known.values() for value in values):
        return Drawing(title, f"{EMPTY}.")
    told = (
        f"{label}: {', '.join(f'{name} {number(values[at])}' for name, values in known.items())}"
        for at, label in enumerate(labels)
    )

    def draw(figure: Any) -> None:
        _bars(figure.add_subplot(), labels, known, unit)

    height = 34.0 + len(labels) * (17.0 + 13.0 * len(known)) + (16.0 if len(known) > 1 else 0.0)
    return _drawn(draw, height, title, _sentence(told, unit))


def histogram(series: Mapping[str, Mapping[int, int]], *, title: str, unit: str) -> Drawing:
    """The shares of values (value -> how often), one outline a series; `unit` says what a value counts."""
    counts = {name: {value: n for value, n in values.items() if n > 0} for name, values in series.items()}
    every = [value for values in counts.values() for value in values]
    if not every:
        return Drawing(title, f"{EMPTY}.")
    top = max(quantile(values, TAIL) for values in counts.values() if values)
    low = min(every)
    step = max(1, math.ceil((top - low + 1) / BINS))
    edges = list(range(low, top + step + 1, step))
    tail = max(every) >= edges[-1]
    heights = {name: _shares(values, edges) for name, values in counts.items() if values}
    told = [
        f"{name}: half of the values are at most {quantile(values, 0.5)}, the largest is {max(values)}"
        for name, values in counts.items()
        if values
    ]
    last = f"The last bar holds all from {edges[-2]}." if tail else ""

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for (name, shares), colour, dash in zip(heights.items(), cycle(_series()), cycle(_DASHES), strict=False):
            axes.stairs(shares, edges, label=visible(name), color=colour, fill=True, alpha=0.22, linewidth=0)
            axes.stairs(shares, edges, color=colour, linewidth=1.6, linestyle=dash)
        axes.set_ylim(bottom=0)
        axes.set_xlim(edges[0], edges[-1])
        _label(axes, x=f"{unit}{f' (the last bar: {edges[-2]} and more)' if tail else ''}", y="share of values, %")
        _legend(axes, len(heights))

    return _drawn(draw, 210.0, title, f"{_sentence(told, unit)} {last}".strip())


def lines(curves: Sequence[Line], *, title: str, x: str, y: str) -> Drawing:
    """Curves over `x`, with a band where a curve has intervals; gaps stay gaps."""
    known = [curve for curve in curves if any(_finite(value) is not None for value in curve.y)]
    if not known:
        return Drawing(title, f"{EMPTY}.")

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for at, (curve, colour) in enumerate(zip(known, cycle(_series()), strict=False)):
            dash, marker = _DASHES[at % len(_DASHES)], _MARKERS[at % len(_MARKERS)]
            marker = marker if len(curve.x) <= 40 else ""
            axes.plot(
                curve.x, _gaps(curve.y), dash, marker=marker, color=colour, label=visible(curve.name), markersize=4
            )
            if curve.low:
                axes.fill_between(curve.x, _gaps(curve.low), _gaps(curve.high), color=colour, alpha=0.18, linewidth=0)
        _label(axes, x=x, y=y)
        _legend(axes, len(known))

    return _drawn(draw, 230.0, title, _sentence(map(_ends, known), y))


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that is not below this share of all values, which come with how often they do."""
    left = math.ceil(share * sum(counts.values()))
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return max(counts)


def _bars(axes: Any, labels: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str) -> None:
    """The label of a group stands above its bars, so that bars have the whole width, on a phone as well."""
    thick, group = 0.26, 0.26 * len(series) + 0.34
    ends = [value for values in series.values() for value in values if value is not None]
    span = (max(0.0, *ends) - min(0.0, *ends)) or 1.0
    for at, label in enumerate(labels):
        text = visible(label)
        text = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"
        axes.text(
            0, at * group, text, transform=axes.get_yaxis_transform(), va="center", fontsize=_TEXT, parse_math=False
        )
    for nth, ((name, values), colour) in enumerate(zip(series.items(), cycle(_series()), strict=False)):
        places = [at * group + 0.28 + nth * thick for at in range(len(labels))]
        axes.barh(places, [value or 0 for value in values], thick * 0.8, color=colour, label=visible(name))
        for place, value in zip(places, values, strict=True):
            axes.text(
                max(value or 0.0, 0.0) + span * 0.012,
                place,
                number(value),
                va="center",
                fontsize=_TEXT - 1.5,
                color=_FADED,
                parse_math=False,
            )
    axes.set_ylim(len(labels) * group - 0.06, -0.2)
    axes.set_xlim(min(0.0, *ends), max(0.0, *ends) + span * 0.14)
    axes.set_yticks([])
    _label(axes, x=unit)
    axes.grid(visible=False, axis="y")
    _legend(axes, len(series))


def _series() -> tuple[str, ...]:
    return tuple(COLOURS[name][0] for name in SERIES)


def _label(axes: Any, *, x: str = "", y: str = "") -> None:
    axes.set_xlabel(visible(x), parse_math=False)
    axes.set_ylabel(visible(y), parse_math=False)


def _legend(axes: Any, count: int) -> None:
    if count < 2:
        return
    # A legend that is wider than the picture would push the axes together.
    longest = max(len(label) for label in axes.get_legend_handles_labels()[1])
    columns = max(1, min(count, 3, _LEGEND // (longest + 7)))
    legend = axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, frameon=False, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_parse_math(False)


def picture(draw: Callable[[Any], None], height: float, target: Path) -> None:
    """Writes what `draw` puts into a matplotlib figure of this height (points) as PNG, with fonts for more scripts.

    Raises StorageError, MissingExtra.
    """
    with _own_settings() as settings:
        settings["font.family"] = ["DejaVu Sans", *_more_fonts()]
        figure = _figure(height)
        draw(figure)
        try:
            figure.savefig(target, format="png", dpi=200, metadata={"Software": None})
        except OSError as error:
            raise StorageError(f"{target}: cannot be written: {error.strerror or error}") from error


def _drawn(draw: Callable[[Any], None], height: float, title: str, says: str) -> Drawing:
    """The drawing, made once as SVG; as PNG again when it is asked for."""
    with _own_settings():
        figure = _figure(height)
        draw(figure)
        file = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing, transparent=True)
    svg = restyled(file.getvalue().decode(), title, says)
    return Drawing(title, says, svg, lambda target: picture(draw, height, target))


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")


@contextmanager
def _own_settings() -> Iterator[Any]:
    """Matplotlib with our settings alone, whatever a person's own file says; all is as before afterwards."""
    try:
        import matplotlib  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("a plot", "pages") from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "her",
                "font.size": _TEXT,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.spines.left": False,
                "axes.edgecolor": _RULE,
                "axes.labelcolor": _FADED,
                "axes.labelsize": _TEXT - 1,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": _RULE,
                "grid.linewidth": 0.6,
                "text.color": _INK,
                "xtick.color": _RULE,
                "ytick.color": _RULE,
                "xtick.labelcolor": _FADED,
                "ytick.labelcolor": _FADED,
                "xtick.labelsize": _TEXT - 1,
                "ytick.labelsize": _TEXT - 1,
                "legend.fontsize": _TEXT - 1,
            }
        )
        yield matplotlib.rcParams


def _more_fonts() -> list[str]:
    from matplotlib import font_manager  # noqa: PLC0415

    wanted = ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "Noto Naskh Arabic")
    return [name for name in wanted if name in set(font_manager.get_font_names())]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _gaps(values: Iterable[float | None]) -> list[float]:
    return [math.nan if (known := _finite(value)) is None else known for value in values]


def _shares(counts: Mapping[int, int], edges: Sequence[int]) -> list[float]:
    """Per cent of the values between each two edges; what lies beyond the last belongs to the last bar."""
    step, total = edges[1] - edges[0], sum(counts.values())
    found = [0] * (len(edges) - 1)
    for value, count in counts.items():
        found[min((value - edges[0]) // step, len(found) - 1)] += count
    return [100 * count / total for count in found]


def _ends(curve: Line) -> str:
    known = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if _finite(y) is not None]
    (first, start), (last, end) = known[0], known[-1]
    return f"{curve.name}: from {number(start)} at {number(first)} to {number(end)} at {number(last)}"


def _sentence(parts: Iterable[str], unit: str) -> str:
    """What a picture says, for those who do not see it; long lists are cut."""
    told = list(parts)
    more = f"; and {len(told) - 12} more" if len(told) > 12 else ""
    return f"{'; '.join(told[:12])}{more}{f' ({unit})' if unit else ''}."
