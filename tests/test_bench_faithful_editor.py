"""Edits by a model: read strictly, held to one size, and none where it made none."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from held_turns import held
from her.bench.faithful.editor import SCHEMA, TRIES, edited, edits_by
from her.models.base import Message
from her.models.recorded import Scripted

TEXT = "I will tell him everything before the lamp goes out."


class Editor(Scripted):
    """Gives one text for a reversal and the next of several for each rewording."""

    def __init__(self, turned: str, *reworded: str) -> None:
        super().__init__(self._edit)
        self._turned, self._reworded = turned, iter(reworded)

    def _edit(self, messages: Sequence[Message], prefill: str) -> str:
        words = messages[-1].content
        return next(self._reworded) if "other words" in words or "换" in words else self._turned


def told(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False)


TURNED = told("I will not tell him everything before the lamp goes out.")
LONG = told("Before the light is gone he shall hear each last thing from me.")


async def test_the_first_rewording_of_the_right_size_is_taken() -> None:
    model = Editor(TURNED, LONG, told("I will tell him all before the lamp goes out."))
    found = await edits_by(model, TEXT, "en", 3)
    assert found is not None
    assert (found.turned_size, found.reworded_size) == (1, 1)
    assert "not" in found.turned
    assert found.reworded.startswith("I will tell him all")
    assert len(model.calls) == 3
    assert all(call.constraint is not None and call.constraint.schema == SCHEMA for call in model.calls)
    assert "about 1 words" in model.calls[1].messages[-1].content


async def test_rewordings_that_are_all_too_large_give_no_edits() -> None:
    model = Editor(TURNED, *[LONG] * TRIES)
    assert await edits_by(model, TEXT, "en", 3) is None
    assert len(model.calls) == 1 + TRIES


@pytest.mark.parametrize("said", ["", "No.", '{"text": 3}', '{"text": "half', '["a"]', '{"text": " "}', told(TEXT)])
async def test_a_reversal_that_cannot_be_read_or_changes_nothing_is_none(said: str) -> None:
    assert await edits_by(Editor(said), TEXT, "en", 3) is None


async def test_chinese_is_asked_for_in_chinese() -> None:
    model = Editor(told("我不走。"), told("我走啦。"))
    assert await edits_by(model, "我走。", "zh-Hans", 1) is not None
    assert "请用 JSON" in model.calls[0].messages[0].content


async def test_a_turn_takes_the_model_s_edits_in_place_of_the_rules() -> None:
    def edit(messages: Sequence[Message], prefill: str) -> str:
        asked = messages[-1].content
        text = asked.split("The text:\n")[1].split("\n\n")[0]
        return told(f"{'Perhaps' if 'other words' in asked else 'Hardly'} {text}")

    found = await edited(Scripted(edit), held(language="fr"), 0)
    assert found.version("thought", "turned") == ("Hardly I will tell him.",)
    assert found.version("plan", "reworded") == ("Perhaps He tells her the truth and asks for the key.",)
    assert found.version("thought", "own") == held().version("thought", "own")


async def test_where_the_model_made_nothing_the_rules_do_not_step_in() -> None:
    found = await edited(Scripted(lambda *_: "I cannot help with that."), held(), 0)
    assert found.version("thought", "turned") is None
    assert held().version("thought", "turned") is not None
