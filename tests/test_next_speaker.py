"""Who is next: exact names alone, one repair, and lots that are counted and come out alike."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError
from her.models.recorded import Scripted
from her.next_speaker import Allowed, NextSpeaker, NextSpeakerOptions
from her.scene import Scene
from her.turn import ENVIRONMENT, Dialogue
from stages import PLAN, SPEECH, THOUGHT, turn

NAMES = ("Ann", "Ann Lee", "Zoë D. Jr.", ENVIRONMENT)


def place() -> Scene:
    return Scene.model_validate(
        {"id": "x", "title": "X", "setting": "A hall.", "cast": [{"name": name} for name in NAMES[:3]]}
    )


def lived() -> Dialogue:
    said = turn("Ann", (PLAN, "her plan"), (THOUGHT, "her thought"), (SPEECH, "Well?"))
    return Dialogue(frozenset(NAMES[:3]), (said,))


def chooser(*replies: str, **options: object) -> tuple[NextSpeaker, Scripted]:
    model = Scripted(replies)
    return NextSpeaker(place(), model, options=NextSpeakerOptions(**options)), model  # type: ignore[arg-type]


def said(name: object) -> str:
    return json.dumps({"next": name})


@pytest.mark.parametrize("name", ["Ann Lee", "Ann", "Zoë D. Jr.", "Zoe\u0308 D. Jr.", ENVIRONMENT])
async def test_an_exact_name_is_taken(name: str) -> None:
    one, model = chooser(said(name))
    choice = await one.choose(lived(), Allowed(NAMES), random.Random(0))
    assert (choice.name, choice.how) == (name.replace("e\u0308", "ë"), "model")
    constraint = model.calls[0].constraint
    assert constraint is not None and constraint.schema is not None
    assert constraint.schema["properties"]["next"] == {"enum": list(NAMES)}


@pytest.mark.parametrize("name", ["An", "Lee", "ann lee", "Ann, I think", "random", "<END CHAT>", 3, ["Ann"], None])
async def test_a_part_of_a_name_or_anything_else_is_asked_for_again(name: object) -> None:
    one, model = chooser(said(name), said("Ann Lee"))
    choice = await one.choose(lived(), Allowed(NAMES), random.Random(0))
    assert (choice.name, choice.how, len(model.calls)) == ("Ann Lee", "repaired", 2)


async def test_what_stays_unreadable_is_drawn_by_lot_the_same_each_time_and_says_so() -> None:
    drawn = set()
    for _ in range(3):
        one, model = chooser("Ann Lee should speak.", "I said Ann Lee.")
        choice = await one.choose(lived(), Allowed(NAMES, lot=("Ann Lee", ENVIRONMENT)), random.Random(5))
        assert choice.how == "fallback" and choice.why and len(model.calls) == 2
        drawn.add(choice.name)
    assert len(drawn) == 1 and drawn <= {"Ann Lee", ENVIRONMENT}


async def test_the_scene_ends_only_where_it_may() -> None:
    one, model = chooser(said(None))
    choice = await one.choose(lived(), Allowed(NAMES, end=True), random.Random(0))
    assert (choice.name, choice.how) == (None, "model")
    assert model.calls[0].messages[-1].content.endswith("null")
    one, model = chooser(said(None), said("Ann"))
    assert (await one.choose(lived(), Allowed(NAMES), random.Random(0))).how == "repaired"
    assert "null" not in model.calls[0].messages[-1].content


async def test_nobody_is_asked_where_only_one_is_left() -> None:
    one, model = chooser()
    choice = await one.choose(lived(), Allowed(("Ann Lee",)), random.Random(0))
    assert (choice.name, choice.how, model.calls) == ("Ann Lee", "only", [])
    with pytest.raises(InputError, match="nobody"):
        await one.choose(lived(), Allowed(()), random.Random(0))


@pytest.mark.parametrize("reasons", [False, True])
async def test_no_thought_and_no_plan_is_shown(reasons: bool) -> None:
    one, model = chooser('{"reason": "asked", "next": "Ann Lee"}', reasons=reasons)
    choice = await one.choose(lived(), Allowed(NAMES), random.Random(0))
    sent = "\n".join(message.content for message in model.calls[0].messages)
    assert "Well?" in sent and "her plan" not in sent and "her thought" not in sent
    assert choice.why == "asked"
    schema = model.calls[0].constraint.schema  # type: ignore[union-attr]
    assert list(schema["properties"]) == (["reason", "next"] if reasons else ["next"])  # type: ignore[index]


@given(st.text(max_size=80))
async def test_any_answer_gives_somebody_who_is_allowed(text: str) -> None:
    one, _ = chooser(text, text)
    choice = await one.choose(lived(), Allowed(NAMES), random.Random(1))
    assert choice.name in NAMES
