"""A scene as a case of CoSER's test set, so that whatever evaluates CoSER can play it too.

Knows the test set's fields and spellings, which `her.coser` reads. Refuses to invent what a scene does not know:
plot summaries are empty, weights equal.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from her.markup import Style, render
from her.rows.record import SceneRow


def coser_case(row: SceneRow, numbers: tuple[int, int]) -> dict[str, Any]:
    """The case, its keys in CoSER's order; `numbers` are plot and conversation. Thoughts stay, plans do not.

    `tag` is `ood`: nothing of the book was trained on.
    """
    plot, conversation = numbers
    turns = row.dialogue.for_judge()
    speakers = [name for name, _ in Counter(turn.speaker for turn in turns).most_common()]
    about = [{"name": c.name, "description": c.background, "summary": ""} for c in row.cast]
    return {
        "scenario": row.setting,
        "topic": row.title,
        "key_characters": [{"name": c.name, "thought": c.motivation} for c in row.cast],
        "dialogues": [{"character": turn.speaker, "message": render(turn, Style.BRACKETS)} for turn in turns],
        "speaking_characters_w_env": speakers,
        "major_characters": [c.name for c in row.cast if c.profile.strip()],
        "weight": 1.0,
        "plot": {
            "summary": "",
            "prominence": 0,
            "key_characters": about,
            "chapter": row.source.chapter or None,
            "state": "finished",
            "i_chunk": 0,
            "i_p": plot,
        },
        "character_profiles": {c.name: c.profile for c in row.cast},
        "book": row.source.book,
        "i_p": plot,
        "i_c": conversation,
        "tag": "ood",
    }
