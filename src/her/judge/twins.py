"""Context twins: the edit of a broken pair in a scene in which it does no harm.

Knows what an excuse changes in a scene. Refuses to change the two candidates: they are those of the broken pair, in
the same places, so that only the scene can tell the answers apart.
"""

from __future__ import annotations

from collections.abc import Callable

from her.judge.breakers.place import Excuse
from her.judge.pairs import Pair, Setting
from her.judge.verdict import Winner
from her.rows.record import Piece, TurnRow
from her.scene import Scene
from her.turn import Kind

FAMILIES_WITHOUT = ("speaks-for-others", "broken-marks")
"""Families of which there is no honest twin: no scene makes damaged marks or another's new line harmless."""


def twin(pair: Pair, excuse: Excuse) -> Pair | None:
    """The pair in the scene that the excuse makes of its own: a tie, or with the edited side the better one.

    None where the excuse changes nothing in this scene.
    """
    at = excused(pair.at, excuse)
    if at == pair.at or pair.better is None:
        return None
    better = pair.better.other if excuse.reversed else Winner.TIE
    changed = {"id": f"{pair.id}/twin", "at": at, "better": better, "kind": "twin", "twin_of": pair.id}
    return pair.model_copy(update=changed)


def excused(at: Setting, excuse: Excuse) -> Setting:
    """The place with what the excuse wants otherwise; the same place where there is nothing to change."""

    def otherwise(text: str) -> str:
        for old, new in excuse.changed:
            text = text.replace(old, new)
        return text

    scene = _scene(at.scene, at.speaker, excuse, otherwise)
    turns = tuple(_turn(turn, otherwise) for turn in at.turns)
    if excuse.said and excuse.by:
        turns = (*turns, _asking(turns, excuse))
    return Setting(scene=scene, speaker=at.speaker, turns=turns)


def _scene(scene: Scene, speaker: str, excuse: Excuse, otherwise: Callable[[str], str]) -> Scene:
    joint = "" if scene.prompt_language == "zh" else " "
    setting = otherwise(scene.setting) + (f"{joint}{excuse.setting}" if excuse.setting else "")
    cast = tuple(
        one.model_copy(
            update={
                "profile": otherwise(one.profile)
                + (f"{joint}{excuse.profile}" if excuse.profile and one.name == speaker else "")
            }
        )
        for one in scene.cast
    )
    if setting == scene.setting and cast == scene.cast:
        return scene
    return scene.model_copy(update={"setting": setting, "cast": cast})


def _turn(turn: TurnRow, otherwise: Callable[[str], str]) -> TurnRow:
    """The turn as all heard it, otherwise; what was only thought stays."""
    pieces = tuple(
        piece.model_copy(update={"text": otherwise(piece.text)}) if not piece.kind.private else piece
        for piece in turn.segments
    )
    return turn if pieces == turn.segments else turn.model_copy(update={"segments": pieces})


def _asking(turns: tuple[TurnRow, ...], excuse: Excuse) -> TurnRow:
    """One more turn, in which another asks for what the edit does."""
    taken = {turn.id for turn in turns}
    name = next(f"asked/{n}" for n in range(1, len(turns) + 2) if f"asked/{n}" not in taken)
    return TurnRow(id=name, speaker=excuse.by, segments=(Piece(kind=Kind.SPEECH, text=excuse.said),))
