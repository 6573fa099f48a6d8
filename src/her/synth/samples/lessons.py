"""What a scene teaches: each character's own turns, with the prompts that chat sends before them.

Knows that a prompt is the beginning of every later prompt of the same dialogue (`her.script`), so that one rendering
for each character serves all its turns. Refuses to render anything itself, and to look at what is not in the row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

from her.markup import render
from her.models.base import Message
from her.prompts import prompt_hash
from her.rows.record import SceneRow
from her.rows.samples import DATA_SOURCE
from her.scene import Scene
from her.script import Script
from her.synth.samples.report import known_as
from her.turn import ENVIRONMENT, Dialogue, Kind, Turn


@dataclass(frozen=True)
class Part:
    """One character's part: the dialogue as its mind lived it, and the prompts that come of it."""

    script: Script
    seen: tuple[Turn, ...]

    @cached_property
    def told(self) -> tuple[Message, ...]:
        """All messages of the whole dialogue; the system message asks for a plan."""
        return self.script.messages(self.seen)

    @cached_property
    def plain(self) -> Message:
        """The system message that asks for no plan."""
        return Message("system", replace(self.script, plan=False).system())

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """How many characters the first message has, the first two together, and so on."""
        return tuple(accumulate(len(message.content) for message in self.told))

    @cached_property
    def text(self) -> str:
        """The prompt text, name@hash."""
        return f"{self.script.text}@{prompt_hash(self.script.text)}"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One turn of one character: `number` counts its own turns from 1."""

    part: Part
    turn: Turn
    number: int

    @property
    def context(self) -> tuple[Message, ...]:
        """What the character is told before the turn."""
        # One user message, then one of its own, and so on: own turn n is the answer to the first 2n messages.
        return self.part.told[: 2 * self.number]

    @property
    def chars(self) -> int:
        """Characters of context and answer."""
        return self.part.lengths[2 * self.number]

    @property
    def answer(self) -> Message:
        """The turn without a plan, as later prompts have it."""
        return self.part.told[2 * self.number]

    @property
    def reference(self) -> str:
        """The text of that answer, for those who need no context."""
        return render(self.turn.without(Kind.SYSTEM_THINKING), name=True)

    @property
    def planned(self) -> bool:
        """Whether the turn has a plan with a word in it."""
        return any(s.kind is Kind.SYSTEM_THINKING and s.text.strip() for s in self.turn.segments)


@dataclass(frozen=True)
class Lessons:
    """A scene's row, read as lessons. Raises a ValidationError for a row that is no scene, UnknownName for a hearer
    that is not in the cast."""

    row: SceneRow

    def __post_init__(self) -> None:
        """Reads scene and dialogue, so that errors come here and not later."""
        _ = self.scene, self.dialogue

    @cached_property
    def scene(self) -> Scene:
        """The scene of the row."""
        return self.row.scene

    @cached_property
    def dialogue(self) -> Dialogue:
        """All its turns."""
        return self.row.dialogue

    def __iter__(self) -> Iterator[Lesson]:
        """Every own turn of every character, character after character; the Environment has none."""
        turns = {turn.id: turn for turn in self.dialogue}
        for name in dict.fromkeys(turn.speaker for turn in self.dialogue if turn.speaker != ENVIRONMENT):
            part = Part(Script(self.scene, name), self.dialogue.seen_by(name))
            for number, id in enumerate((turn.id for turn in part.seen if turn.speaker == name), 1):
                yield Lesson(part, turns[id], number)

    @cached_property
    def _judged(self) -> tuple[dict[str, int], list[str]]:
        """Places of the turns that a judge may see, by id, and their TurnRows as JSON."""
        shown = self.dialogue.for_judge()
        return {turn.id: at for at, turn in enumerate(shown)}, [_json(turn) for turn in shown]

    @cached_property
    def _scene_json(self) -> str:
        return self.scene.model_dump_json()

    def sft(self, lesson: Lesson, *, plan: bool) -> dict[str, Any]:
        """The columns of an SftRow; with `plan` the lesson must have one."""
        if plan:
            messages = (*lesson.context, Message("assistant", render(lesson.turn, name=True)))
        else:
            messages = (lesson.part.plain, *lesson.context[1:], lesson.answer)
        return {
            "id": f"{self.row.id}/{lesson.turn.id}/{'plan' if plan else 'plain'}",
            "scene": self.row.id,
            **self._about(lesson),
            "plan": plan,
            "messages": messages,
            "prompt": lesson.part.text,
        }

    def pool(self, lesson: Lesson) -> dict[str, Any]:
        """The columns of a PoolRow."""
        places, written = self._judged
        at = places[lesson.turn.id]
        before = ",".join(written[:at])
        return {
            "id": f"{self.row.id}/{lesson.turn.id}",
            "scene": self.row.id,
            **self._about(lesson),
            "reference": lesson.reference,
            "context": f'{{"scene":{self._scene_json},"turns":[{before}],"reference":{written[at]}}}',
        }

    def rl(self, lesson: Lesson, pool: dict[str, Any], *, index: int, split: str) -> dict[str, Any]:
        """The columns of an RlRow; `pool` is the same lesson's PoolRow. The prompt asks for a plan."""
        return {
            "data_source": DATA_SOURCE,
            "prompt": lesson.context,
            "ability": "roleplay",
            # verl 0.9 reads `ground_truth` alone; earlier ones validate on rows of style `rule` alone.
            "reward_model": {"style": "rule", "ground_truth": pool["reference"]},
            "extra_info": {"index": index, "split": split, "info": json.dumps(pool, ensure_ascii=False)},
        }

    def test(self) -> dict[str, Any]:
        """The columns of a TestRow; models are called by their names alone."""
        row = self.row
        named = tuple(step.model_copy(update={"model": known_as(step.model)}) for step in row.lineage)
        return {
            "id": row.id,
            "book": row.source.book,
            "author": row.source.author,
            "slug": row.source.slug,
            "language": row.language,
            "title": row.title,
            "setting": row.setting,
            "characters": [character.name for character in row.cast],
            "turns": len(row.turns),
            "row": row.model_copy(update={"lineage": named}).model_dump_json(),
        }

    def _about(self, lesson: Lesson) -> dict[str, Any]:
        source = self.row.source
        return {
            "book": source.book,
            "author": source.author,
            "slug": source.slug,
            "character": lesson.turn.speaker,
            "turn": lesson.turn.id,
            "number": lesson.number,
            "language": self.row.language,
        }


def _json(turn: Turn) -> str:
    """A TurnRow of the turn as JSON."""
    return json.dumps(
        {
            "id": turn.id,
            "speaker": turn.speaker,
            "segments": [{"kind": segment.kind, "text": segment.text} for segment in turn.segments],
            "heard_by": None if turn.heard_by is None else sorted(turn.heard_by),
        },
        ensure_ascii=False,
    )
