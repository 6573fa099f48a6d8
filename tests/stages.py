"""Small scenes of our own for tests of prompts and actors, and a model that counts characters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace

from her.models.base import Constraint, Finish, Message, Reply, Sampling
from her.models.recorded import Scripted
from her.scene import Scene
from her.turn import Dialogue, Kind, Segment, Turn

PLAN, THOUGHT, ACTION, SPEECH = Kind


def turn(speaker: str, *parts: tuple[Kind, str], to: Iterable[str] | None = None) -> Turn:
    """A turn of these segments, heard by everyone or by `to`."""
    return Turn(speaker, tuple(Segment(*part) for part in parts), None if to is None else frozenset(to))


def scene(language: str = "en", **changes: object) -> Scene:
    """Two lighthouse keepers and a relief that does not come; in Chinese for Chinese."""
    texts = _ZH if language.startswith("zh") else _EN
    return Scene.model_validate({**texts, "language": language, **changes})


_EN = {
    "id": "relief",
    "title": "The relief is late",
    "book": "The Long Light",
    "setting": "The lamp room, after dusk. The boat that should relieve them is two days late.",
    "cast": [
        {
            "name": "Mara Vell",
            "profile": "Head keeper, fifty, exact and dry.",
            "background": "She has kept the light alone for eleven winters.",
            "motivation": "To keep the boy from taking the dinghy out.",
            "opening_thought": "He has looked at the rope three times now.",
        },
        {"name": "Tom", "profile": "Her new hand, nineteen.", "background": "TOM-SECRET", "motivation": "TOM-WISH"},
    ],
}
_ZH = {
    "id": "relief",
    "title": "换班的船迟了",
    "book": "长明",
    "setting": "入夜后的灯室。该来换班的船已经迟了两天。",
    "cast": [
        {
            "name": "梅拉",
            "profile": "灯塔看守长，五十岁，一丝不苟，话少。",
            "background": "她独自守了十一个冬天的灯。",
            "motivation": "不让那孩子驾小艇出海。",
            "opening_thought": "他已经看了三次缆绳。",
        },
        {"name": "阿同", "profile": "新来的帮手，十九岁。", "motivation": "阿同的心愿"},
    ],
}


def dialogue(place: Scene) -> Dialogue:
    """Tom speaks, Mara answers, the wind rises, Tom speaks again; each with a mind, Mara with a plan."""
    mara, tom = place.names[:2]
    cast = frozenset(place.names)
    if place.prompt_language == "zh":
        return Dialogue(
            cast,
            (
                turn(tom, (THOUGHT, "阿同的心思"), (ACTION, "望向海面"), (SPEECH, "还是没有船。")),
                turn(
                    mara, (PLAN, "旧计划"), (THOUGHT, "他在想那条小艇。"), (SPEECH, "它会来的。"), (ACTION, "擦拭镜片")
                ),
                turn("Environment", (SPEECH, "风大了起来。")),
                turn(tom, (SPEECH, "我可以划过去，{{user}}。")),
            ),
        )
    return Dialogue(
        cast,
        (
            turn(tom, (THOUGHT, "TOM-THOUGHT"), (ACTION, "looks out to sea"), (SPEECH, "Still no boat.")),
            turn(mara, (PLAN, "OLD-PLAN"), (THOUGHT, "The boat again."), (SPEECH, "Wait. "), (ACTION, "wipes a lens")),
            turn("Environment", (SPEECH, "The wind gets up.")),
            turn(tom, (SPEECH, "I could row it, {{user}}.")),
        ),
    )  # fmt: skip


class Ending(Scripted):
    """A Scripted whose replies end as they are told to; `closed` counts the streams that were closed."""

    def __init__(self, *replies: tuple[str, Finish], **changes: object) -> None:
        super().__init__([text for text, _ in replies], chunk=3)
        self._finishes = iter([finish for _, finish in replies])
        self.closed = self.pieces = 0
        for name, value in changes.items():
            setattr(self, name, value)

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        told = super().stream(messages, sampling, prefill=prefill, constraint=constraint, call_id=call_id)
        try:
            async for piece in told:
                self.pieces += isinstance(piece, str)
                yield replace(piece, finish=next(self._finishes)) if isinstance(piece, Reply) else piece
        finally:
            self.closed += 1


class Counting(Scripted):
    """A Scripted with a window, whose tokens are characters; `counted` is how often it was asked to count."""

    counted = 0

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        self.counted += 1
        return sum(len(message.content) + 10 for message in messages) + len(prefill)
