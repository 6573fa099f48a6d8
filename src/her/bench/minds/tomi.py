"""ToMi as ParaToMi has it (Sap and others, 2022; Jung and others, 2024): where somebody will look, asked openly.

Knows the table `Percept-ToMi.csv`. Refuses to show the candidates, which the set has for scoring alone.
"""

from __future__ import annotations

from pathlib import Path

from her.bench.figures import Figure
from her.bench.minds.cases import ACCURACY, READABLE, Case, Question, Sort
from her.bench.minds.source import Place, Row, table
from her.prompts import prompt

PLACE = Place("paratomi", "Percept-ToMi.csv", "https://github.com/chanijung/PercepToM")
_SORTS = {
    "first_order_tom": ("first-order", "false-belief"),
    "first_order_no_tom": ("first-order", "true-belief"),
    "second_order_tom": ("second-order", "false-belief"),
    "second_order_no_tom": ("second-order", "true-belief"),
}
FIGURES = (
    ACCURACY,
    READABLE,
    Figure("first-order", "right, what somebody thinks"),
    Figure("second-order", "right, what somebody thinks that another thinks"),
    Figure("true-belief", "right, where the belief is true"),
    Figure("false-belief", "right, where the belief is false"),
)


def load(path: Path) -> list[Case]:
    """A case for each row. Raises InputError and StorageError."""
    rows = table(path)
    clusters: dict[tuple[str, ...], str] = {}
    return [_case(row, number, clusters) for number, row in enumerate(rows, 1)]


def _case(row: Row, number: int, clusters: dict[tuple[str, ...], str]) -> Case:
    lines, names, answer = row.literal("story"), row.literal("cands"), row.text("answer")
    if answer not in names:
        row.wrong("answer", "is none of the candidates")
    if not lines:
        row.wrong("story", "holds no line")
    marks = _SORTS.get(row.text("qType"))
    if marks is None:
        row.wrong("qType", f"is none of {', '.join(_SORTS)}")
    text = prompt(
        "bench-tomi/en",
        story="\n".join(f"{at}. {line}." for at, line in enumerate(lines, 1)),
        question=row.text("question"),
    )
    id = f"row-{number:03}"
    others = tuple(one for one in names if one != answer)
    # One story is asked about several times: its rows share their luck.
    cluster = clusters.setdefault(lines, id)
    return Case(id, cluster, (Question(id, text, Sort.NAME, (answer,), others, marks=marks),))
