"""Our own questions about minds as a task of Inspect: unlimited, of any order, with lies or without.

Knows recipes. Refuses to know how a tale is made (`tale`) or who is right (`world`).
"""

from __future__ import annotations

from inspect_ai import Task

from her.bench.minds.task import TOKENS, Asking, Quiz, quiz_task
from her.bench.named import task
from her.bench.oracle.tale import OPTIONS, Recipe, case, count, figures, tale
from her.bench.oracle.world import Reading
from her.errors import InputError

QUESTIONS = 500
"""How many questions are made where `limit` does not say."""


@task
def beliefs(
    limit: int = QUESTIONS,
    seed: int = 0,
    style: str = "answer",
    tokens: int = TOKENS,
    orders: int = 4,
    language: str = "en",
) -> Task:
    """Who thinks that who thinks … a thing is where, in tales made by the seed, of which every second has lies."""
    if limit < 1:
        raise InputError(f"limit is {limit}; there is no end of tales, so say how many questions")
    recipes = [Recipe(orders, lies=lies, language=language) for lies in (False, True)]
    number = -(-limit // (orders + 1))
    cases = [case(tale(recipes[at % 2], seed, at)) for at in range(number)]
    settings = {
        "orders": orders,
        "language": language,
        "people": recipes[0].people,
        "chapters": recipes[0].chapters,
        "options": OPTIONS,
        "reading": Reading.OURS.value,
    }
    quiz = Quiz("beliefs", cases, figures(orders), count, settings, "made")
    return quiz_task(quiz, Asking.of(style, tokens, seed, language), 0)
