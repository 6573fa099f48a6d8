"""Small sets of our own in the schemas of FANToM and LifeChoice, for whoever does not have those files.

Knows a handful of people, talks and lives that nobody has written elsewhere. Makes rows of the public schema and has
them read by the sets' own loaders, so that what holds for these holds for those.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from her.bench.minds import fantom as fantom_set
from her.bench.minds import lifechoices as lifechoices_set
from her.bench.minds.cases import Case
from her.bench.minds.source import as_rows
from her.errors import InputError
from her.rows.ask import seed_of

NAME = "made"
"""What `path` says for a set of our own."""
SETS = 24
"""How many sets of FANToM's schema, and choices of LifeChoice's, are made."""
_PEOPLE = ("Ansel", "Britt", "Corin", "Dagny", "Edda", "Fenno", "Gitte", "Halvor", "Ilka", "Joris")
_FACTS = (
    ("Where does {who} keep the spare key?", "under the blue flower pot", "behind the mailbox", "the spare key"),
    ("What is {who} building in the shed?", "a small sailing boat", "a rabbit hutch", "the work in the shed"),
    ("What did {who} name the new puppy?", "Biscuit", "Captain", "the new puppy"),
    ("What instrument has {who} begun to learn?", "the cello", "the trumpet", "music lessons"),
    ("Where will {who} spend the summer?", "on a goat farm in the hills", "with cousins at the coast", "the summer"),
    ("What is {who} afraid of?", "moths", "thunder", "old fears"),
    ("What did {who} find in the attic?", "a box of love letters", "a broken clock", "the attic"),
    ("Why did {who} miss the wedding?", "the ferry was cancelled", "a fever broke out", "the wedding"),
)


def fantom_rows(seed: int) -> list[dict[str, Any]]:
    """Rows in the schema of `fantom_v1.json`."""
    return [_talk(random.Random(seed_of(seed, f"made/fantom/{number}")), number) for number in range(SETS)]


def fantom(seed: int, context: str) -> list[Case]:
    """Cases of those rows. Raises InputError for an unknown context."""
    if context not in fantom_set.CONTEXTS:
        raise InputError(f"context {context!r} is not known; known are {', '.join(fantom_set.CONTEXTS)}")
    return [fantom_set.case_of_row(row, seed, context) for row in as_rows(fantom_rows(seed), "made")]


def _talk(rng: random.Random, number: int) -> dict[str, Any]:
    """A talk of three or four, of whom one is away while one of the others tells something."""
    teller, away, *stay = rng.sample(_PEOPLE, rng.choice((3, 4)))
    question, told, untold, topic = rng.choice(_FACTS)
    asked = question.format(who=teller)
    present = [teller, *stay]
    opening = [
        f"{away}: It is good to sit down with all of you for once.",
        f"{stay[0]}: It is. We should do this more often.",
    ]
    missed = [
        f"{away}: Excuse me, I have to take this call outside.",
        f"{stay[0]}: So, {teller}, what is the news about {topic}?",
        f"{teller}: I can tell you. {_sentence(told)}",
        f"{stay[-1]}: I would never have guessed that.",
    ]
    after = [
        f"{away}: I am back. What are you laughing about?",
        f"{stay[0]}: Nothing that matters. Shall we order some tea?",
    ]
    full = [*opening, *missed, *after]
    return {
        "set_id": f"{number}-0-0",
        "part_id": "0",
        "short_context": "\n".join(full[2:]),
        "full_context": "\n".join(full),
        "factQA": {"question": asked, "correct_answer": _sentence(told)},
        "beliefQAs": [
            _belief(f"What does {away} believe about this: {asked}", away, asked, told, False),
            _belief(f"What does {stay[0]} believe about this: {asked}", stay[0], asked, (told, untold), True),
        ],
        **_knowing("answerabilityQA", "can answer the question", present, away),
        **_knowing("infoAccessibilityQA", "knows this information", present, away),
    }


def _sentence(told: str) -> str:
    return f"{told[0].upper()}{told[1:]}."


def _belief(question: str, who: str, asked: str, told: str | tuple[str, str], knows: bool) -> dict[str, Any]:
    right = f"{who} believes that the answer is: {told[0] if isinstance(told, tuple) else told}."
    wrong = f"{who} has no idea, since {who} was away when it was told."
    if isinstance(told, tuple):
        wrong = f"{who} believes that the answer is: {told[1]}."
    return {
        "question": question,
        "question_type": "tom:belief:accessible" if knows else "tom:belief:inaccessible",
        "correct_answer": right if knows else wrong,
        "wrong_answer": wrong if knows else right,
        "missed_info_accessibility": "accessible" if knows else "inaccessible",
    }


def _knowing(name: str, verb: str, know: Sequence[str], away: str) -> dict[str, Any]:
    asked = {"missed_info_accessibility": "inaccessible"}
    return {
        f"{name}_list": {
            "question": f"Who of them {verb}?",
            "correct_answer": list(know),
            "wrong_answer": [away],
            **asked,
        },
        f"{name}s_binary": [
            {"question": f"Is it so that {who} {verb}?", "correct_answer": "no" if who == away else "yes", **asked}
            for who in (*know, away)
        ],
    }


_LIVES = {
    "keeps every promise": "Once, as a child, {who} walked nine miles through snow to return a borrowed lantern on the "
    "day it was due. {who} has never since given a word and not kept it, whatever it cost.",
    "puts family first": "{who} raised three younger brothers after the fever year, and turned down a post abroad, a "
    "marriage and a house on the square, each time because one of them needed somebody at home.",
    "cannot bear debts": "{who}'s father lost the mill to a lender. {who} counts coins at night, patches shoes twice, "
    "and would rather go hungry than owe anybody the price of a loaf.",
    "seeks the unknown": "{who} has slept in eleven ports and on two mountains, keeps a packed bag beside the bed, and "
    "grows restless wherever the road is known. Maps with blank corners hang over the stove.",
}
_WAYS = {
    "keeps every promise": "{who} does what was promised to the old neighbour, and lets the rest go.",
    "puts family first": "{who} goes home to the youngest brother, and lets the rest go.",
    "cannot bear debts": "{who} takes the paid work and settles the bill, and lets the rest go.",
    "seeks the unknown": "{who} goes along with the strangers, wherever they are bound, and lets the rest go.",
}
_SCENES = (
    "Four things fall on one Sunday: a roof to mend for an old neighbour, as was promised in spring; a letter from the "
    "youngest brother, who is low; a day's work at double pay while the grocer's bill is due; and a band of strangers "
    "who leave at noon for a valley that is on no map.",
    "A storm has closed the bridge, and there is time for one errand before dark. The old neighbour waits for the "
    "firewood that was promised; the youngest brother sits alone with a cough; the miller pays at once for a night of "
    "work, and rent is due; and a stranger with a lantern asks for company into the caves.",
    "The fair has come. The old neighbour was promised an arm to lean on; the youngest brother would give anything for "
    "company; the stalls need hands and pay in silver, and the tailor wants his money; and a balloon takes one more "
    "passenger, nobody knows how far.",
)


def lifechoices_rows(seed: int) -> list[list[dict[str, Any]]]:
    """Rows in the schema of LifeChoice's file: books, each a list of choices."""
    return [[_choice(random.Random(seed_of(seed, f"made/life/{number}")), number)] for number in range(SETS)]


def lifechoices(seed: int) -> list[Case]:
    """Cases of those rows."""
    rows = as_rows([choice for book in lifechoices_rows(seed) for choice in book], "made")
    return [lifechoices_set.case_of_row(row, number, seed) for number, row in enumerate(rows, 1)]


def _choice(rng: random.Random, number: int) -> dict[str, Any]:
    who, trait = rng.choice(_PEOPLE), rng.choice(tuple(_LIVES))
    ways = [way.format(who=who) for way in _WAYS.values()]
    rng.shuffle(ways)
    years = f"{who} is {rng.randrange(19, 60)} years old and lives above the rope-maker's in a town by a river."
    return {
        "character_name": who,
        "book": f"a life of our own, {number + 1}",
        "input_text": f"{years} {_LIVES[trait].format(who=who)}",
        "Multiple Choice Question": {
            "Scenario": rng.choice(_SCENES),
            "Question": f"What does {who} do?",
            "Options": ways,
            "Correct Answer": "ABCD"[ways.index(_WAYS[trait].format(who=who))],
        },
    }
