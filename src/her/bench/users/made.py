"""A small set of our own in UserLLM's schema: people who want something of an assistant.

Knows a few wants and talks that nobody has written elsewhere, and puts them together by a seed.
"""

from __future__ import annotations

import random
from typing import Any

from her.bench.minds.source import as_rows
from her.bench.users.turns import CHOICES, PRISM, QUESTIONS, Ask, ask_of_row
from her.rows.ask import seed_of

NAME = "made"
TURNS = 48
"""Turns of each of the four sorts."""
_WANTS = (
    "You want to plant {thing} on a balcony that faces north, and do not know whether it can live there.",
    "You want a short speech for the retirement of a colleague who loves {thing}.",
    "You want to know how to store {thing} over the winter without a cellar.",
    "You want to persuade your sister that {thing} would be a good present for your father.",
    "You want to draw {thing} with charcoal and keep failing at the shadows.",
    "You want to sell {thing} at a village fair and need a fair price.",
)
_THINGS = ("dahlias", "old radios", "plum jam", "bees", "a rocking chair", "wild garlic", "chess", "kites", "quinces")
_OFFERS = ("Happy to help! What do you have so far?", "There are two ways to go about it. How much time is there?")
_DONE = (
    "Here is all of it, step by step, with everything that you asked for.",
    "This covers each point that you named.",
)
_RIDDLES = (
    ("Where would somebody wait for a ferry?", ("pier", "attic", "oven", "orchard", "chimney")),
    ("What is used to fasten a button?", ("needle", "ladder", "kettle", "rake", "whistle")),
    ("What does a baker get up early for?", ("dough", "harvest", "tide", "eclipse", "homework")),
    ("Where is a saddle kept dry?", ("stable", "fountain", "mailbox", "glacier", "trumpet")),
)
_FACTS = (
    ("how tall the old lighthouse of the town is", "Shall we talk about the history of lighthouses in general?"),
    ("in which year the rope bridge was built", "Let me suggest a walk along the river instead."),
    ("who wrote the song of the salt miners", "Would a list of cheerful songs for children be of use?"),
    ("how long the night train takes", "Have you thought of going by bicycle?"),
)


def rows(seed: int) -> list[dict[str, Any]]:
    """Rows in the schema of the set: first and later turns, questions with answers, questions with a detour."""
    made: list[dict[str, Any]] = []
    for number in range(TURNS):
        rng = random.Random(seed_of(seed, f"made/user/{number}"))
        want = rng.choice(_WANTS).format(thing=rng.choice(_THINGS))
        last = number % 2 == 0
        answer = rng.choice(_DONE if last else _OFFERS)
        history = f"User: hi, i need a hand with something\nAssistant: {answer}"
        riddle, choices = rng.choice(_RIDDLES)
        fact, detour = rng.choice(_FACTS)
        made += [
            _row(number, PRISM, want),
            _row(number, PRISM, want, conversation_history=history, is_last_turn=last),
            _row(number, CHOICES, f"You want the answer to: {riddle}", choices=list(choices), question=riddle),
            _row(
                number,
                QUESTIONS,
                f"You want to know {fact}.",
                conversation_history=f"User: can you tell me {fact}?\nAssistant: {detour}",
                question=fact,
                assistant_suggestion_turn=detour,
            ),
        ]
    return [{"id": f"turn-{at:04}", **row} for at, row in enumerate(made, 1)]


def asks(seed: int) -> list[Ask]:
    """The turns of those rows."""
    return [ask_of_row(row) for row in as_rows(rows(seed), NAME)]


def _row(number: int, source: str, intent: str, **more: Any) -> dict[str, Any]:
    return {"intent": intent, "conversation_history": "", "turn": "", "is_last_turn": False, "source": source} | more
