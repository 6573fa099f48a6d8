"""The colours of pages and plots, by day and by night.

Knows the palette and how CSS is told of it. Refuses to know what is drawn with it. The series are of the family that
Okabe and Ito chose for all kinds of colour vision (docs/sources.md), moved until each stands out from the paper.
"""

from __future__ import annotations

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fbf8f1", "#181613"),
    "leaf": ("#fffdf8", "#201d19"),
    "ink": ("#26221c", "#e9e2d5"),
    "faded": ("#6a6154", "#aba191"),
    "rule": ("#ddd5c5", "#3b362e"),
    "mark": ("#f4e8c4", "#4b4123"),
    "plan": ("#84560a", "#d8a95a"),
    "thought": ("#1b5a99", "#8dbdee"),
    "action": ("#1a6a50", "#7ccbab"),
    "speech": ("#26221c", "#e9e2d5"),
    "refused": ("#a53a0c", "#f29a70"),
    "series-1": ("#0072b2", "#56ade6"),
    "series-2": ("#9a6100", "#e8a73a"),
    "series-3": ("#007c57", "#41c49b"),
    "series-4": ("#a8467f", "#dd93bd"),
    "series-5": ("#bf4a00", "#f28b52"),
    "series-6": ("#6a6154", "#aba191"),
}
"""Each colour's name with its value on light paper and on dark."""
SERIES = tuple(f"series-{number}" for number in range(1, 7))
"""The colours of a plot's series, in order; a seventh series begins again."""


def variables(names: tuple[str, ...] = tuple(COLOURS), *, within: str = ":root") -> str:
    """CSS that defines the colours as variables of the elements `within`, light ones first, dark ones by preference."""
    light = "".join(f"--{name}:{COLOURS[name][0]};" for name in names)
    dark = "".join(f"--{name}:{COLOURS[name][1]};" for name in names)
    return (
        f"{within}{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{{within}{{{dark}}}}}\n"
    )
