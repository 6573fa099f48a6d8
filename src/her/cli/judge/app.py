"""The group of commands, and the flags that several of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

ORDER = ("principles", "compare", "rank", "pairs", "bench", "label", "data", "induce")


class _Group(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which people need them."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


judge_app = typer.Typer(
    cls=_Group, help="Judge turns by principles, and test judges.", rich_markup_mode=None, no_args_is_help=True
)

BAD_INPUT, ABOVE_RATE = 2, 3
"""Exit codes: 2 where a decision is still missing; 3 of a run that is done and lost more than its flag allows."""

Judging = Annotated[
    str | None, typer.Option("--judge", metavar="ADDRESS", help="The judge: mini, FILE.gguf, hf:ORG/NAME, http://…")
]
Dialect = Annotated[
    Literal["ours", "ours-terse", "her-rm"],
    typer.Option(help="Our own request and answer, a shorter one for small models, or those of the released HER-RM."),
]
Form = Annotated[
    Literal["written", "scored"], typer.Option(help="An argued verdict, or the log-probability of a letter.")
]
TieBand = Annotated[
    float, typer.Option("--tie-band", metavar="NATS", min=0, help="Scored: differences up to this are ties.")
]
Principles = Annotated[Path | None, typer.Option(metavar="FILE", help="A list of principles, instead of our own.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where rows and journal go; the same command again goes on there."),
]
Key = Annotated[str | None, typer.Option(metavar="KEY", help="Key of its server; better HER_KEY.")]
Concurrency = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Most requests in flight; default: 64 for a server.")
]
MaxUnscored = Annotated[
    float, typer.Option(metavar="SHARE", min=0, max=1, help="Where more have no verdict, the exit code is 3.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Makes every choice repeatable.")]
