"""Cases in the shape of CoSER's test set, about people of our own; some in other languages, with awkward names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from her.bench.coser.cases import ActedCase, read_case
from her.bench.coser.dimensions import DIMENSIONS
from her.bench.coser.material import Material
from her.bench.coser.presets import HER, Preset
from her.bench.coser.simulate import Played
from her.turn import Dialogue, Kind, Segment, Turn

LINES = [
    ("Environment", "The bell of the ferry rings twice."),
    ("Ann", "[He will not come.] (folds the letter) We should go aboard."),
    ("Ann Lee", "(looks at the hill) Five minutes more."),
    ("Ann", "[She knows something.] What is on the hill?"),
    ("Ann Lee", "[I promised to say nothing.] Nothing. A tree."),
    ("Ann", "(laughs) You never could lie."),
]
OUTCOME = "Ann stays behind when the ferry leaves."


def raw(**changes: Any) -> dict[str, Any]:
    """A case of three speakers, one of whose names is the beginning of another's."""
    return {
        "book": "The Ferry House",
        "topic": "The ferry",
        "scenario": "A landing stage at dusk. Two sisters wait for a man who is late, and the ferry is about to leave.",
        "key_characters": [
            {"name": "Ann", "thought": "I want to be gone before he comes."},
            {"name": "Ann Lee", "thought": "I have to keep her here."},
        ],
        "dialogues": [{"character": name, "message": text} for name, text in LINES],
        "speaking_characters_w_env": ["Ann", "Ann Lee", "Environment"],
        "major_characters": ["Ann", "Ann Lee"],
        "weight": 2.5,
        "plot": {
            "summary": OUTCOME,
            "i_p": 7,
            "key_characters": [{"name": "Ann", "description": "The elder sister.", "summary": OUTCOME}],
        },
        "character_profiles": {"Ann": "A schoolmistress who never stays.", "Ann Lee": "Her sister, a bad liar."},
        "i_p": 1,
        "i_c": 0,
        "tag": "ood",
        **changes,
    }


def case(**changes: Any) -> ActedCase:
    """The same, read."""
    return read_case(raw(**changes))


def talk(names: tuple[str, str], lines: tuple[str, ...], scenario: str, book: str) -> dict[str, Any]:
    """A case in which two take turns."""
    said = [{"character": names[at % 2], "message": text} for at, text in enumerate(lines)]
    people = [{"name": name, "motivation": scenario[:20]} for name in names]
    return raw(
        book=book,
        scenario=scenario,
        dialogues=said,
        key_characters=people,
        speaking_characters_w_env=[*names, "Environment"],
        major_characters=[names[0]],
        character_profiles={name: scenario[:30] for name in names},
        plot={"summary": scenario, "i_p": 1, "key_characters": []},
    )


ODD = [
    talk(
        ("林晚", "老周·船工"),
        ("[他瞒着我。]（望向江面）船还开吗？", "开。再等一会儿。"),
        "黄昏的渡口，两个人在等最后一班船，谁也不肯先说出口。",
        "渡",
    ),
    talk(
        ("Christopher Dollard Jr.", "Mme O'Brien-Élouan"),
        ("(bows) Madame.", "[Encore lui.] Vous êtes en retard."),
        "Un salon où l'on attend depuis une heure, et la pluie qui ne cesse pas de tomber sur les toits de la ville.",
        "La Pluie",
    ),
    talk(
        ("Ж. «Лис»", "Random"),
        ("Кто здесь?", "Никто."),
        "Тёмный подъезд, и никто не знает, кто ещё здесь был этой ночью, но все молчат.",
        "Лис",
    ),
]


def act(name: str, text: str, *, thought: str = "", plan: str = "", id: str = "") -> Turn:
    """A turn of a speech, perhaps with a thought and a plan before it."""
    parts = [(Kind.SYSTEM_THINKING, plan), (Kind.ROLE_THINKING, thought), (Kind.SPEECH, text)]
    return Turn(name, tuple(Segment(kind, words) for kind, words in parts if words), id=id)


def material(*turns: Turn, kind: Preset = HER, given: int = 0, **changes: Any) -> Material:
    """A played case to be judged."""
    one = case(**changes)
    Dialogue(frozenset(one.scene.names), turns)
    return Material(one, Played(one.id, turns, given, ()), kind)


def answer(*severities: int, at: int = 0) -> str:
    """What a judge says of dimension number `at`."""
    kind = DIMENSIONS[at].types[0]
    return json.dumps({"flaws": [{"instance": "there", "type": kind, "severity": one} for one in severities]})


def stored(cases: Mapping[str, tuple[list[str], Mapping[str, Any]]], **more: Any) -> dict[str, Any]:
    """An evaluation file as CoSER writes it: roles and, by the dimension's title, lists of severities."""
    return {
        "cases": {
            id: {
                "simulation": [{"role": role, "content": "…"} for role in roles],
                "critique": {
                    title: {"flaws": [{"instance": "x", "type": "y", "severity": one} for one in found]}
                    for title, found in dims.items()
                },
            }
            for id, (roles, dims) in cases.items()
        },
        **more,
    }
