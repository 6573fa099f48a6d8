"""Prompt texts, and the prompts made of them: every one of them is also a golden file that a person can read.

HER_GOLDEN=write writes the files anew; read the difference before it is kept.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.actor import Actor, ActorOptions
from her.errors import PromptError
from her.markup import notation
from her.models.base import Message
from her.models.recorded import Scripted
from her.prompts import prompt, prompt_hash
from her.scene import Scene
from her.script import Script
from her.turn import Dialogue, Turn
from stages import ACTION, PLAN, SPEECH, THOUGHT, Counting, dialogue, scene, turn

GOLDEN = Path(__file__).parent / "golden" / "prompts"
ALL = sorted(
    f"{folder.name}/{text.name.removesuffix('.md')}"
    for folder in files("her.prompts").iterdir()
    if folder.is_dir()
    for text in folder.iterdir()
    if text.name.endswith(".md")
)


def written(messages: tuple[Message, ...], prefill: str = "") -> str:
    """Messages as one text; tags by their placeholders, ends of lines that hold a space made visible."""
    text = "\n".join(f"## {message.role}\n{message.content}\n" for message in messages)
    if prefill:
        text += f"\n## prefill, up to the bar\n{prefill}|\n"
    for name, mark in notation().items():
        text = text.replace(mark, "{{" + name + "}}")
    return text


def check(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.is_file(), f"{path.name} is not there; HER_GOLDEN=write makes it"
    assert path.read_text(encoding="utf-8") == text


async def sent(place: Scene, name: str, lived: Dialogue, prefill: Turn | None = None, **options: object) -> str:
    actor = Actor(place, name, Scripted([]), options=ActorOptions(**options))  # type: ignore[arg-type]
    made = await actor.prompt(lived, prefill)
    return written(made.messages, made.prefill)


# -- texts ------------------------------------------------------------------------------------------------------


def test_there_are_texts_for_both_presets_and_both_languages() -> None:
    assert {"her/en", "her/zh", "card/en", "card/zh", "repair/en", "repair/zh"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_text_loses_its_comment_and_names_no_tag(name: str) -> None:
    text = files("her.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8")
    assert not any(mark in text for mark in notation().values())
    assert text.startswith("<!-- ") and len(prompt_hash(name)) == 12


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_value_goes_in_as_it_is(value: str) -> None:
    assert value.strip() in Script(scene(setting=value), "Tom").system()


def test_a_placeholder_in_a_value_stays_text() -> None:
    profile = "Says {{user}} and {{name}} and {{nothing?}}, never {{plan_open}}."
    place = scene(cast=[{"name": "Mara", "profile": profile}, {"name": "{{name}}", "profile": "A joker."}])
    system = Script(place, "Mara").system()
    assert profile in system
    assert "**{{name}}**: A joker." in system


def test_a_wrong_field_is_an_error_that_names_file_and_fields() -> None:
    with pytest.raises(PromptError, match=r"repair/en\.md: missing 'empty'.*unknown 'nobody'"):
        prompt("repair/en", name="Mara", nobody="x")


def test_a_text_that_is_not_there_is_an_error() -> None:
    with pytest.raises(PromptError, match="her/xx"):
        prompt("her/xx")


# -- golden files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [True, False], ids=["plan", "no-plan"])
@pytest.mark.parametrize("preset", ["her", "card"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_prompt_of_each_language_and_preset(language: str, preset: str, plan: bool) -> None:
    place = scene(language)
    text = await sent(place, place.names[0], dialogue(place), preset=preset, plan=plan)
    check(f"{preset}-{language}-{'plan' if plan else 'no-plan'}", text)


async def test_a_scene_in_another_language_has_english_requirements_that_name_it() -> None:
    place = scene("fr", setting="La chambre de la lampe. Le bateau a deux jours de retard.")
    lived = Dialogue(frozenset(place.names), (turn("Tom", (SPEECH, "Toujours rien.")),))
    text = await sent(place, "Mara Vell", lived)
    assert "in French." in text
    check("french", text)


def test_traditional_characters_are_asked_for_by_name() -> None:
    assert "繁体中文" in Script(scene("zh-TW"), "梅拉").system()
    assert "繁体中文" not in Script(scene("zh-CN"), "梅拉").system()


async def test_a_character_that_speaks_first_has_the_marker_alone_before_it() -> None:
    place = scene()
    nobody_yet = Dialogue(frozenset(place.names))
    after = nobody_yet.plus(turn("Mara Vell", (SPEECH, "Leave it.")), turn("Tom", (SPEECH, "Leave what?")))
    text = (
        await sent(place, "Mara Vell", nobody_yet) + "\n# and two turns later\n" + await sent(place, "Mara Vell", after)
    )
    check("speaks-first", text.replace(Script(place, "Mara Vell").system(), "…").replace(_system(place), "…"))


async def test_two_own_turns_in_a_row_are_two_assistant_messages() -> None:
    place = scene()
    twice = (turn("Mara Vell", (SPEECH, "Leave it.")), turn("Mara Vell", (THOUGHT, "He won't."), (SPEECH, "Tom?")))
    lived = Dialogue(frozenset(place.names), (turn("Tom", (SPEECH, "The rope.")), *twice))
    text = await sent(place, "Mara Vell", lived)
    check("two-in-a-row", text.replace(_system(place), "…"))


async def test_three_characters_a_whisper_and_the_environment() -> None:
    cast = [{"name": "Ada", "profile": "A pilot."}, {"name": "Bo"}, {"name": "Cy", "profile": "A cook."}]
    place = scene(cast=cast, book="")
    lived = Dialogue(
        frozenset(place.names),
        (
            turn("Bo", (ACTION, "waves"), (SPEECH, "Morning.")),
            turn("Cy", (THOUGHT, "CY-THOUGHT"), (SPEECH, "Is it?")),
            turn("Environment", (ACTION, "A gull lands.")),
            turn("Ada", (THOUGHT, "Fog."), (SPEECH, "We wait.")),
            turn("Bo", (SPEECH, "BO-TO-CY"), to=["Cy"]),
            turn("Cy", (THOUGHT, "CY-ONLY-THINKS")),
            turn("Cy", (SPEECH, "Ada, a word."), to=["Ada"]),
        ),
    )
    text = await sent(place, "Ada", lived)
    assert not any(secret in text for secret in ("CY-THOUGHT", "BO-TO-CY", "CY-ONLY-THINKS"))
    check("three-and-a-whisper", text)
    check("three-card", await sent(place, "Bo", lived, preset="card"))


async def test_partial_turns_are_left_open_in_the_right_place() -> None:
    place, told = scene(), []
    parts = [(PLAN, "She stalls."), (THOUGHT, "Not the dinghy."), (ACTION, "turns"), (SPEECH, "Tom, I will not ")]
    for upto in range(5):
        begun = turn("Mara Vell", *parts[:upto])
        told.append(await sent(place, "Mara Vell", dialogue(place), begun if upto else None))
    told.append(await sent(place, "Mara Vell", dialogue(place), turn("Mara Vell", *parts[1:2])))
    told.append(await sent(place, "Mara Vell", dialogue(place), plan=False))
    check("partial-turns", "".join(text[text.rindex("## prefill") :] for text in told))


async def test_a_prompt_that_was_cut_still_starts_with_the_marker() -> None:
    place = scene()
    lived = Dialogue(frozenset(place.names), dialogue(place).turns * 6)
    model = Counting([])
    model.context = 4200
    actor = Actor(
        place,
        "Mara Vell",
        model,
    )
    made = await actor.prompt(lived)
    assert made.dropped > 0
    check("dropped", f"dropped: {made.dropped}\n" + written(made.messages[1:], made.prefill))


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_repair_shows_the_bad_turn_and_says_what_is_wrong(language: str) -> None:
    place = scene(language)
    name, other = place.names
    marks = notation()
    bad = f"{marks['thought_close']}{name}: {marks['thought_open']}…\n{other}: …"
    model = Scripted([bad, "…"])
    model.prefills = False
    act = await Actor(place, name, model).act(dialogue(place))
    assert act.repairs == 1
    check(f"repair-{language}", written(model.calls[1].messages[-3:]))


def _system(place: Scene) -> str:
    """The system message as golden files show it."""
    text = Script(place, "Mara Vell").system()
    for name, mark in notation().items():
        text = text.replace(mark, "{{" + name + "}}")
    return text
