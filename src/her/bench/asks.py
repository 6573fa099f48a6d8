"""What each benchmark will ask of whom, case by case, before anything is asked.

Knows the prompts that can be made beforehand and how dialogues grow. Refuses to know models, prices and intervals
(`estimate`), and to ask anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inspect_ai.dataset import Sample

from her.bench.coser.cases import read_case
from her.bench.coser.dimensions import DIMENSIONS
from her.bench.estimate import CHARACTERS_PER_TOKEN, Ask
from her.bench.faithful.turns import Held
from her.bench.faithful.weigh import stretches
from her.models.base import Message
from her.script import Script
from her.turn import ENVIRONMENT

Settings = Mapping[str, Any]
JUDGED_WORDS = 40
"""Tokens of a judge's answer for each flaw that it names."""
WEIGHED, WRITTEN = 11, 6
"""Versions of a turn's layers under which an act is weighed (its own, four of each layer, two of both) and written
(three of each): `faithful.binding`, `faithful.replay`."""
_TOKENS_PER_WORD = 1.4


def of_quiz(sample: Sample, settings: Settings) -> Iterator[Ask]:
    """A question after the other, nothing of the others in sight."""
    questions = (sample.metadata or {})["case"]["questions"]
    yield Ask("actor", _said(str(sample.input)), settings["tokens"], len(questions))


def of_users(sample: Sample, settings: Settings) -> Iterator[Ask]:
    """The user's turns of a case."""
    yield Ask("actor", _said(str(sample.input)), settings["tokens"], len((sample.metadata or {})["asks"]))


def of_slop(sample: Sample, settings: Settings) -> Iterator[Ask]:
    """One text of the actor's, or nothing where texts are given."""
    if "text" not in (sample.metadata or {}):
        yield Ask("actor", _said(str(sample.input)), settings["tokens"])


def of_faithful(sample: Sample, settings: Settings) -> Iterator[Ask]:
    """A turn weighed under each version of its layers, and written anew."""
    held = Held.model_validate((sample.metadata or {})["held"])
    yield Ask("actor", held.messages, 0, WEIGHED * len(stretches(held.speaker, held.gold)))
    if settings["generate"]:
        yield Ask("actor", held.messages, settings["tokens"], WRITTEN)


def of_coser(sample: Sample, settings: Settings) -> Iterator[Ask]:
    """A whole dialogue at its longest: characters and the world in the shares that they have in the book, the choice
    of each speaker but the first, and a judgement for each dimension."""
    case = read_case((sample.metadata or {})["case"])
    rounds = max(settings["rounds"] - settings["continue_from"], 0)
    given = sum(len(line.message) for line in case.dialogues[: settings["continue_from"]]) / CHARACTERS_PER_TOKEN
    world = sum(line.character == ENVIRONMENT for line in case.dialogues) / max(len(case.dialogues), 1)
    turn = round(settings["words"] * _TOKENS_PER_WORD)
    script = Script(case.scene, case.scene.names[0], settings["prompt"], settings["plans"])
    told = script.messages(case.reference().seen_by(script.name)[: settings["continue_from"]])
    setting = _said(" ".join([case.scenario, *(f"{one.name} {one.profile}" for one in case.scene.cast)]))
    played = round(rounds * world)
    yield Ask("actor", told, min(settings["tokens"], 3 * turn), rounds - played, turn)
    if played:
        yield Ask("environment", told, turn, played, round(turn / world))
    if rounds > 1:
        yield Ask("next-speaker", setting, JUDGED_WORDS, rounds - 1, turn)
    book = " ".join(line.message for line in case.dialogues)
    whole = round(given + rounds * turn) * round(CHARACTERS_PER_TOKEN)
    yield Ask("judge", (*setting, *_said(book), *_said("x" * whole)), 3 * JUDGED_WORDS, len(DIMENSIONS))


def _said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
