"""Reads the scenes of her-scenes from their TOML files, and holds every one against the gates of synthesis.

    python datasets/her-scenes/read.py [SCENE.toml ...]

Knows how a scene is written by hand. Refuses to make files of it (`make.py`).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from her import checks
from her.errors import InputError
from her.markup import Style, parse
from her.rows.record import Record, Refusal, SceneRow, Source, Step, TurnRow
from her.scene import Character, Filled, checked
from her.synth.gates import acted, num_words, planned, prose
from her.synth.minds.lived import seen_before
from her.turn import ENVIRONMENT, Ending, Kind, Segment, Turn

HERE = Path(__file__).resolve().parent
SCENES = HERE / "scenes"
PLAN_WORDS = (30, 90)
FIELD_WORDS = {
    "setting": (30, 140),
    "profile": (15, 110),
    "background": (10, 90),
    "motivation": (8, 60),
    "opening_thought": (5, 50),
}
"""Fewest and most words of a plan, and of each field (`num_words`)."""
AUTHORED = Step(stage="authored")
"""How the rows came about: written as they stand; no model was asked in a stage of synthesis."""

Prose = Annotated[Filled, AfterValidator(lambda text: " ".join(text.split()))]
"""Text on one line, however it stands in the file."""


class World(Record):
    """A world: its scenes have a cast in common and serve one purpose alone. A book's has the book's own name."""

    title: Filled
    author: str = ""
    kind: Literal["book", "original"]
    genre: Filled
    language: str
    purpose: Literal["sft", "reward", "rl", "validation", "test"]


class Player(Record):
    """One of the cast as a scene's file has it."""

    name: Filled
    aliases: tuple[str, ...] = ()
    profile: Prose
    background: Prose
    motivation: Prose
    opening_thought: Prose = ""


class Line(Record):
    """A turn as a scene's file has it: `text` in brackets style, the plan beside it; `heard_by` None for all."""

    speaker: Filled
    plan: Prose = ""
    text: Prose
    heard_by: tuple[str, ...] | None = None


class Written(Record):
    """A scene's file."""

    title: Filled
    setting: Prose
    cast: tuple[Player, ...] = Field(min_length=2, max_length=4)
    turns: tuple[Line, ...] = Field(min_length=8, max_length=16)


@cache
def worlds() -> Mapping[str, World]:
    """All worlds by name, in the order of the file. Raises InputError."""
    return {name: checked(World, world, f"worlds.toml: {name}") for name, world in _toml(HERE / "worlds.toml").items()}


def read_scene(path: Path) -> SceneRow:
    """The row of a scene's file, which is called after its world and a number. Raises InputError."""
    name = path.stem.rpartition("-")[0]
    if name not in worlds():
        raise InputError(f"{path.name}: worlds.toml has no world {name!r}; add it there, or rename the file")
    world, written = worlds()[name], checked(Written, _toml(path), path.name)
    turns = (TurnRow.of(_turn(line, f"t{at:02}", path.name)) for at, line in enumerate(written.turns, 1))
    row = {
        "id": f"her-scenes/{path.stem}",
        "title": written.title,
        "language": world.language,
        "source": Source(book=world.title, author=world.author, slug=name),
        "setting": written.setting,
        "cast": tuple(Character(**player.model_dump(exclude={"aliases"})) for player in written.cast),
        "aliases": {player.name: player.aliases for player in written.cast if player.aliases},
        "turns": tuple(turns),
        "lineage": (AUTHORED,),
    }
    return checked(SceneRow, row, path.name)


def read_scenes() -> Iterator[SceneRow]:
    """All scenes, world by world. Raises InputError."""
    for name in worlds():
        for path in sorted(SCENES.glob(f"{name}-[0-9].toml")):
            yield read_scene(path)


def refused(row: SceneRow) -> list[Refusal]:
    """What the gates of fields, turns and plans have against a scene; an empty list lets it pass."""
    found = _prose(row, row.setting, "setting")
    for one in row.cast:
        for field in ("profile", "background", "motivation", "opening_thought"):
            if text := getattr(one, field):
                found += _prose(row, text, field, f"{one.name}.")
    # As in synthesis: thoughts and deeds are judged as if the words alone had come, plans as if none were there yet.
    played = tuple(now.playing(now.turn.without(Kind.SYSTEM_THINKING)) for now in row.turns)
    bare = row.model_copy(update={"turns": played})
    for at, now in enumerate(row.turns):
        if now.speaker == ENVIRONMENT:
            continue
        words, plan = now.playing(now.turn.only(Kind.SPEECH)), now.turn.text_of(Kind.SYSTEM_THINKING)
        came = row.model_copy(update={"turns": (*row.turns[:at], words, *played[at + 1 :])})
        turn, lived = played[at].turn, seen_before(row, now.id, now.speaker)
        found += acted(turn, lived, came, "role-thinking")
        found += planned(plan, turn, bare, PLAN_WORDS, "system-thinking")
    return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name}: cannot be read ({error}); mend the file") from error


def _turn(line: Line, id: str, file: str) -> Turn:
    parsed = parse(line.text, style=Style.BRACKETS, speaker=line.speaker)
    if parsed.faults or parsed.ending is not Ending.COMPLETE:
        told = ", ".join(str(fault.kind) for fault in parsed.faults) or parsed.ending
        raise InputError(f"{file}: turn {id} ({line.speaker}) does not read as a turn ({told}); close every bracket")
    segments = tuple(replace(piece, text=piece.text.strip()) for piece in parsed.turn.segments if piece.text.strip())
    if line.plan:
        segments = (Segment(Kind.SYSTEM_THINKING, line.plan), *segments)
    return Turn(line.speaker, segments, None if line.heard_by is None else frozenset(line.heard_by), id)


def _prose(row: SceneRow, text: str, field: str, whose: str = "") -> list[Refusal]:
    words = FIELD_WORDS[field]
    return prose(text, stage="profiles", where=whose + field, language=row.language, words=words)


def main(paths: list[Path]) -> int:
    """Prints what is wrong with the scenes and how they measure up; 1 where anything is wrong."""
    wrong, every = 0, []
    for path in paths or sorted(SCENES.glob("*.toml")):
        try:
            row = read_scene(path)
            found = refused(row)
        except InputError as error:
            print(error)
            wrong += 1
            continue
        turns = [turn for turn in row.dialogue if turn.speaker != ENVIRONMENT]
        every += turns
        wrong += len(found)
        for one in found:
            print(f"{path.name} {one.where} {one.reason}: {one.detail}")
        layouts, words = checks.layouts(turns), [num_words(turn.text_of(Kind.SYSTEM_THINKING)) for turn in turns]
        print(
            f"{path.name}: {len(row.turns)} turns, layout entropy {layouts.entropy:.2f}, top {layouts.top_share:.0%} "
            f"{layouts.counts[0][0]}, run {layouts.longest_run}, plans {min(words)}-{max(words)} words"
        )
    if every:
        layouts = checks.layouts(every)
        text = "\n".join(segment.text for turn in every for segment in turn.segments)
        print(
            f"all: {len(every)} turns, entropy {layouts.entropy:.2f}, top {layouts.top_share:.0%}, "
            f"slop {checks.slop_rate(text, 'en'):.2f} per 1000 words, {wrong} faults"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main([Path(arg) for arg in sys.argv[1:]]))
