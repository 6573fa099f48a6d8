"""Small sets in the schemas of published ones, with people and words of our own, shared by the tests of minds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from her.bench.minds import made

BOXES = [f"{colour}_{box}" for colour in ("red", "green", "blue") for box in ("box", "urn", "sack", "tin", "jar")]
LINES = (
    "Pim, Quill, Rosa, Sven and Tove entered the cellar.",
    "The plum is in the red_box.",
    "Pim made no movements and stayed in the cellar for 1 minute.",
    "Pim exited the cellar.",
    "Quill moved the plum to the green_urn.",
    "Quill exited the cellar.",
    "Rosa saw a mouse.",
    "Rosa exited the cellar.",
    "Sven moved the plum to the blue_jar.",
    "Sven exited the cellar.",
    "Tove exited the cellar.",
    "Pim, Quill, Rosa, Sven and Tove entered the waiting_room.",
)
LIE = "Rosa publicly claimed that plum is in the red_tin."
ASKED = (
    ("Where is the plum really?", "blue_jar"),
    ("Where does Rosa really think the plum is?", "green_urn"),
    ("Where does Pim think Rosa thinks the plum is?", "red_box"),
    ("Where does Quill think Pim thinks Rosa thinks the plum is?", "red_box"),
    ("Where does Tove think Quill thinks Pim thinks Rosa thinks the plum is?", "red_box"),
)


def hitom_rows(stories: int = 2) -> list[dict[str, Any]]:
    """Rows of Hi-ToM's schema, both halves, every second story with a lie; story n lies in cellar_n."""
    rows: list[dict[str, Any]] = []
    for half in ("CoTP", "VP"):
        for number in range(stories):
            lines = [line.replace("cellar", f"cellar_{number}") for line in LINES] + [LIE] * (number % 2)
            story = "\n".join(f"{at} {line}" for at, line in enumerate(lines, 1)) + "\n\n"
            if half == "VP":
                story = "Read this and answer without a word of why.\n" + story
            for order, (question, answer) in enumerate(ASKED):
                rows.append(
                    {
                        "prompting_type": half,
                        "deception": bool(number % 2),
                        "story_length": 1 + number % 3,
                        "question_order": order,
                        "sample_id": len(rows),
                        "story": story,
                        "question": question,
                        "choices": ", ".join(f"{chr(65 + at)}. {box}" for at, box in enumerate(BOXES)),
                        "answer": "red_tin" if number % 2 and order == 2 else answer,
                    }
                )
    return rows


def hitom(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A file of Hi-ToM's schema."""
    return _json(folder / "Hi-ToM_data.json", {"data": hitom_rows() if rows is None else rows})


def tomi_rows() -> list[dict[str, str]]:
    """Rows of the ToMi table."""
    story = ["Pim entered the attic", "Rosa entered the attic", "The kite is in the crate", "Pim exited the attic"]
    story += ["Rosa moved the kite to the basket"]
    base = {"index": "1", "story": str(story), "char1": "Pim", "char2": "", "perceivers": "[]", "persp_ctx": ""}
    base |= {"cands": str(["attic", "crate", "basket"]), "story_with_perceivers": "[]"}
    first = {
        "qTypeRaw": "first_order_0_tom",
        "qType": "first_order_tom",
        "question": "Where will Pim look for the kite?",
    }
    second = {
        "qTypeRaw": "second_order_0_no_tom",
        "qType": "second_order_no_tom",
        "question": "Where does Rosa think that Pim searches for the kite?",
    }
    return [base | first | {"answer": "crate"}, base | second | {"answer": "crate"}]


def tomi(folder: Path, rows: list[dict[str, str]] | None = None) -> Path:
    """A file of the ToMi table."""
    rows = tomi_rows() if rows is None else rows
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "Percept-ToMi.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def bigtom_items() -> dict[str, dict[str, Any]]:
    """Items of BigToM's schema."""
    items = {}
    for number, task in enumerate(("0_forward_belief_false_belief", "0_backward_belief_true_belief")):
        right, wrong = f"Ulf believes that oven {number} is hot.", f"Ulf believes that oven {number} is cold."
        items[str(number)] = {
            "context": f"Ulf bakes. Oven {number} is lit, and Ulf does not see it go out.",
            "question": f"What does Ulf believe?\na){wrong}\nb){right}",
            "original_question": "What does Ulf believe?",
            "true_answer": f"b) {right}",
            "wrong_answer": f"a) {wrong}",
            "true_answer_key": "b)",
            "wrong_answer_key": "a)",
            "task_type": task,
        }
    return items


def bigtom(folder: Path, items: dict[str, Any] | None = None) -> Path:
    """A file of BigToM's schema."""
    return _json(folder / "bigtom_agree90.json", bigtom_items() if items is None else items)


def twinvoice_rows(places: tuple[int, ...] = (3, 9, 12)) -> list[dict[str, Any]]:
    """Rows of TwinVoice's schema: Vera says `line N` at place N."""
    return [
        {
            "chunk_id": f"{place:05}",
            "speaker": "Vera",
            "speaker_match_key": "Vera Holm",
            "utterance": f"line {place}",
            "context": "The lamp goes out.",
            "mcq": {
                "options": {"A": "Never.", "B": f"line {place}", "C": "Perhaps.", "D": "Tomorrow."},
                "answer": "B",
            },
            "distractor_by": ["x", "y", "z"],
            "source_novel": "Harbour",
        }
        for place in places
    ]


def twinvoice(folder: Path, places: tuple[int, ...] = (3, 9, 12), rows: list[dict[str, Any]] | None = None) -> Path:
    """Both files of TwinVoice's schema; the profile holds every line of `places`."""
    profile = {
        "NameCanonical": "Vera Holm",
        "Personality Traits": ["dry"],
        "Motivation and Goals": ["to sell the boat"],
        "Additional Details": {"Occupation": "Pilot", "relationship": ["Sister of Olaf"]},
        "UtteranceHistory": [{"chunk_id": f"{at:05}", "utterance": f"line {at}", "context": ""} for at in places],
    }
    _json(folder / "dim3_profiles.jsonl", {"characterList": {"CHAR_1": profile}})
    path = folder / "dim3_choices.jsonl"
    lines = [json.dumps(row) for row in (twinvoice_rows(places) if rows is None else rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def fantom(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A file of FANToM's schema."""
    return _json(folder / "fantom_v1.json", made.fantom_rows(0) if rows is None else rows)


def lifechoices(folder: Path, books: list[Any] | None = None) -> Path:
    """A file of LifeChoice's schema."""
    return _json(folder / "data.json", made.lifechoices_rows(0) if books is None else books)


def _json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
