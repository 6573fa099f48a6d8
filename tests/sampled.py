"""Rows of scenes for tests of samples, and data sets made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from her.rows.files import Writer
from her.rows.record import Piece, SceneRow, Source, Step, TurnRow
from her.scene import Scene
from her.synth.samples.samples import SampleOptions, SampleReport, make_samples
from her.turn import Dialogue, Kind

PLAN, THOUGHT, ACTION, SPEECH = Kind


def row_of(scene: Scene, dialogue: Dialogue, **source: Any) -> SceneRow:
    """A scene and its turns as a row; the turns are called t01, t02 and so on."""
    turns = (TurnRow.of(replace(turn, id=f"t{n:02}")) for n, turn in enumerate(dialogue, 1))
    return SceneRow(
        id=scene.id,
        title=scene.title,
        language=scene.language,
        source=Source(**{"book": scene.book, "author": scene.author, **source}),
        setting=scene.setting,
        cast=scene.cast,
        turns=tuple(turns),
    )


def said(id: str, speaker: str, *segments: tuple[Kind, str], to: tuple[str, ...] | None = None) -> TurnRow:
    """A turn of these segments."""
    pieces = tuple(Piece(kind=kind, text=text) for kind, text in segments)
    return TurnRow(id=id, speaker=speaker, segments=pieces, heard_by=to)


def small(id: str, *turns: TurnRow, book: str = "The Long Light", **more: Any) -> SceneRow:
    """A row of Ann, Bob and these turns; by default each of them speaks twice, with words that the id makes unlike."""
    word = "".join(c for c in id if c.isalnum())
    default = (
        said("t01", "Ann", (PLAN, "She asks."), (THOUGHT, "Soon."), (SPEECH, f"Is {word} here two three four five?")),
        said("t02", "Bob", (ACTION, "nods"), (SPEECH, f"{word} is here, six seven eight nine ten eleven.")),
        said("t03", "Environment", (SPEECH, "Rain.")),
        said("t04", "Ann", (PLAN, "She thanks him."), (SPEECH, f"Good, {word}, that is all that I had to ask you.")),
        said("t05", "Bob", (PLAN, "He goes."), (SPEECH, f"Then I shall go, {word}, and not come back today.")),
    )
    fields = {
        "id": id,
        "title": "A talk",
        "source": {"book": book, "author": "A. Writer", "slug": book.casefold().replace(" ", "-")},
        "setting": "A room.",
        "cast": [{"name": "Ann", "profile": "Tall.", "motivation": "ANN-WISH"}, {"name": "Bob", "profile": "Short."}],
        "turns": turns or default,
        "lineage": [Step(stage="scenes", prompts=("scenes/en@0123456789ab",), model="http://10.0.0.7:8000/v1#big")],
    }
    return SceneRow.model_validate({**fields, **more})


def library(books: int, scenes: int = 4) -> list[SceneRow]:
    """So many books of so many scenes, all different."""
    names = [f"Book {chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(books)]
    return [small(f"{name[5:].lower()}/{n}/1", book=name) for name in names for n in range(scenes)]


def made(rows: Iterable[SceneRow], folder: Path, **options: Any) -> tuple[SampleReport, Path]:
    """The report and the folder of the samples of these rows."""
    with Writer(folder / "rows.jsonl") as out:
        for row in rows:
            out.write(row)
    target = folder / "samples"
    return make_samples(folder / "rows.jsonl", target, SampleOptions(**options)), target
