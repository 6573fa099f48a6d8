"""The curves of a run: loss on what is learnt and on what is held out, and the bits of each layer.

Knows names of figures. Refuses to know how a plot is drawn (`pages`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from her.pages.plots import Line, lines


def draw(history: Sequence[dict[str, Any]], target: Path) -> None:
    """Writes the curve of loss as PNG to `target`, and that of the layers' bits beside it; none without a number."""
    loss = [_line(history, "loss", "learnt"), _line(history, "eval_loss", "held out")]
    bits = sorted({key for row in history for key in row if key.startswith("eval_bits_")})
    layers = [_line(history, key, key.removeprefix("eval_bits_").replace("_", " ")) for key in bits]
    drawings = {
        target: lines(loss, title="Loss", x="step", y="nats per token"),
        target.with_stem(f"{target.stem}-layers"): lines(
            layers, title="What is held out", x="step", y="bits per character"
        ),
    }
    for place, drawing in drawings.items():
        if drawing.svg:  # empty where every number is nan, as where training went astray
            drawing.write(place)


def _line(history: Sequence[dict[str, Any]], key: str, name: str) -> Line:
    rows = [row for row in history if key in row]
    return Line(name, [row["step"] for row in rows], [row[key] for row in rows])
