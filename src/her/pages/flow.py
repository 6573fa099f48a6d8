"""The flow of rows through stages, drawn as a band that narrows where rows are dropped.

Knows how counts become widths and places. Refuses to know what a stage does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from her.pages.page import number, render
from her.pages.svg import Drawing, framed

WIDTH, STEP, NODE, BAND = 340.0, 76.0, 20.0, 96.0
"""Points: the drawing's width, from one stage to the next, a stage's height, the widest band."""
LEFT, TEXT = 2.0, 126.0
_THINNEST = 1.5


@dataclass(frozen=True, slots=True)
class Passing:
    """What one stage did to its rows; `rows_in` = kept + repaired + dropped. `takes` and `gives` name the rows."""

    name: str
    rows_in: int
    kept: int
    repaired: int
    dropped: int
    rows_out: int
    takes: str = "rows"
    gives: str = "rows"

    @property
    def told(self) -> str:
        """Rows in and out in words, such as `120 passages in, 96 scenes out`."""
        return f"{counted(self.rows_in, self.takes)} in, {counted(self.rows_out, self.gives)} out"

    @property
    def parts(self) -> tuple[tuple[str, int, str], ...]:
        """What became of the rows: a word, how many, and the colour's name."""
        kept, repaired = ("kept", self.kept, "series-1"), ("repaired", self.repaired, "series-2")
        return (kept, repaired, ("dropped", self.dropped, "refused"))


def flow(stages: Sequence[Passing], *, title: str) -> Drawing:
    """The stages from top to bottom, each with its counts in words too."""
    if not stages:
        return Drawing(title, "No stage has run yet.")
    most = max((*(stage.rows_in for stage in stages), *(stage.rows_out for stage in stages[:-1]))) or 1
    steps = []
    for at, stage in enumerate(stages):
        top, x, blocks = 8.0 + at * STEP, LEFT, []
        for _, count, colour in stage.parts:
            width = _width(count, most)
            if width:
                blocks.append({"x": x, "width": width, "colour": colour})
                x += width
        after = stages[at + 1].rows_in if at + 1 < len(stages) else stage.rows_out
        steps.append(
            {
                "name": stage.name,
                "told": stage.told,
                "parts": [(word, number(count), colour) for word, count, colour in stage.parts],
                "top": top,
                "blocks": blocks,
                "through": _width(stage.kept + stage.repaired, most),
                "after": _width(after, most),
                "lost": (x - _width(stage.dropped, most), x) if stage.dropped else None,
            }
        )
    height = 8.0 + len(stages) * STEP - (STEP - NODE) * 0.35
    body = render("pages/flow.svg", steps=steps, left=LEFT, text=TEXT, node=NODE, step=STEP)
    says = "; ".join(
        f"{stage.name}: {stage.told}, {', '.join(f'{number(n)} {word}' for word, n, _ in stage.parts)}"
        for stage in stages
    )
    return Drawing(title, f"{says}.", framed(body.replace("\n", ""), (WIDTH, height), title, f"{says}."))


def counted(count: int, word: str) -> str:
    """The count with its plural word, `1 scene` and `1,204 scenes`."""
    return f"{number(count)} {word.removesuffix('s') if count == 1 else word}"


def _width(count: int, most: int) -> float:
    """The band's width; where the last stage makes many rows of one, it is as wide as any."""
    return max(min(BAND * count / most, BAND), _THINNEST) if count else 0.0
