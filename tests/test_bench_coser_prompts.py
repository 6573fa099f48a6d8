"""What CoSER's players and judge are sent, as golden files that a person can read; HER_GOLDEN=write makes them anew."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")


from coser_cases import ODD, case
from her.actor import Actor, ActorOptions
from her.bench.coser.cases import ActedCase, read_case
from her.bench.coser.dimensions import DIMENSIONS
from her.bench.coser.judge import judge
from her.bench.coser.material import Material
from her.bench.coser.presets import COSER, HER, acting, choosing, surrounding
from her.bench.coser.simulate import Played
from her.environment import Environment
from her.errors import InputError
from her.models.recorded import Scripted
from her.next_speaker import Allowed, NextSpeaker
from her.turn import Dialogue
from test_prompts import check, written

CASES = {"en": case(), "zh": read_case(ODD[0])}


def lived(one: ActedCase) -> Dialogue:
    return Dialogue(frozenset(one.scene.names), one.reference().turns[:4])


@pytest.mark.parametrize("language", CASES)
async def test_a_character_in_brackets(language: str) -> None:
    one, model = CASES[language], Scripted([])
    prompt = await Actor(one.scene, one.scene.names[0], model, options=acting(COSER, model)).prompt(lived(one))
    check(f"coser-{language}", written(prompt.messages, prompt.prefill))
    assert f"coser/{language}@" in prompt.texts and f"words/{language}@" in prompt.texts


@pytest.mark.parametrize("language", CASES)
async def test_the_world(language: str) -> None:
    one, model = CASES[language], Scripted([])
    check(
        f"environment-{language}",
        written(Environment(one.scene, model, options=surrounding(COSER, model)).messages(lived(one))),
    )


@pytest.mark.parametrize("language", CASES)
async def test_the_choice_of_a_speaker(language: str) -> None:
    one, model = CASES[language], Scripted([])
    chooser = NextSpeaker(one.scene, model, options=choosing(HER, model))
    check(f"next-speaker-{language}", written(chooser.messages(lived(one), Allowed(one.order[1:], end=True))))


@pytest.mark.parametrize("language", CASES)
async def test_the_judge(language: str) -> None:
    one, model = CASES[language], Scripted(lambda messages, prefill: json.dumps({"flaws": []}))
    await judge(Material(one, Played(one.id, one.reference().turns, 1, ()), HER), model)
    whole = [written(model.calls[0].messages)]
    begins = {"en": "WHAT YOU LOOK AT", "zh": "看哪个方面"}[language]
    asks = [begins + call.messages[1].content.rpartition(begins)[2] for call in model.calls]
    assert len(set(asks)) == len(DIMENSIONS)
    check(f"coser-judge-{language}", "\n".join([*whole, *(f"{one}\n" for one in asks[1:])]))


def test_brackets_hold_no_plan_and_no_grammar() -> None:
    one, model = CASES["en"], Scripted([])
    for wrong in ({"plan": True}, {"plan": False, "constraint": "on"}):
        with pytest.raises(InputError, match="brackets"):
            Actor(one.scene, "Ann", model, options=ActorOptions(preset="coser", **wrong))  # type: ignore[arg-type]
