"""Six figures of the turns of a simulated user, each with the sign that its authors gave it.

Knows words and answers of a judge. Refuses two mistakes of a published reward: overlap with the intent is bad, and a
text taken for a person's is good. What takes a judge has no value without one.

(Naous and others, Flipping the Dialogue, arXiv 2510.06552; as SOUL has them, arXiv 2605.20506.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from her.bench.figures import Figure, Unscored, Value, Why
from her.bench.minds.answers import Style, answer_in, words
from her.bench.minds.cases import mean
from her.bench.users.turns import CHOICES, END, PRISM, QUESTIONS, Ask

DIVERSITY, DECOMPOSITION, ENDING = "first-turn-diversity", "intent-overlap", "ending"
NATURAL, ROLE, INTENT = "naturalness", "role-adherence", "intent-adherence"
FIGURES = (
    Figure(DIVERSITY, "how little first turns are alike", headline=True),
    Figure(DECOMPOSITION, "words of a turn that the intent has too", better="lower", headline=True),
    Figure(ENDING, "ends where a person ended, of all turns where either did", headline=True),
    Figure(NATURAL, "turns that a judge takes for a person's"),
    Figure(ROLE, "turns that do not answer the question themselves", headline=True),
    Figure(INTENT, "turns that hold on to the question"),
    Figure("readable", "turns that say something"),
)
JUDGED = {NATURAL: ("HUMAN", "AI"), INTENT: ("REFUSED", "ACCEPTED")}
"""The figures that take a judge, each with the word that counts 1 and the word that counts 0."""
ABSENT = Unscored(Why.ABSENT, "takes a judge, and none was named")
STOP = frozenset(
    words(
        "a about after again all also am an and any are as at be because been before being but by can could did do "
        "does doing for from get had has have he her here hers him his how i if in into is it its just like me more "
        "most my no not now of on one or our out over please she should so some than that the their them then there "
        "these they this those to too up us very want was we were what when where which who whom why will with would "
        "you your s t m re ve ll d"
    )
)
"""Words that say nothing of what is wanted; a list of our own, since the set's code takes NLTK's."""


def content(text: str) -> set[str]:
    """The words of a text that say something."""
    return {word for word in words(text) if word not in STOP}


def diversity(turns: Sequence[str]) -> Value:
    """1 minus the mean overlap (Jaccard) of the words of two turns, over all pairs; higher is better.

    Unscored for fewer than two turns.
    """
    sets = [set(words(turn)) for turn in turns]
    pairs = [
        len(one & other) / len(one | other) if one | other else 1.0 for one, other in itertools.combinations(sets, 2)
    ]
    return 1 - math.fsum(pairs) / len(pairs) if pairs else Unscored(Why.UNDEFINED, "nothing to compare with")


def overlap(turn: str, intent: str) -> Value:
    """The share of a turn's words that the intent has too, stop words apart; lower is better, a copy has 1.

    Unscored for a turn without such words.
    """
    said = content(turn)
    return len(said & content(intent)) / len(said) if said else Unscored(Why.UNDEFINED, "a turn of stop words alone")


def ending(turn: str, is_last: bool) -> Value:
    """1 where model and person both end, 0 where one of them does; Unscored (UNDEFINED) where neither does.

    The mean is TP / (TP + FP + FN), from which F1 follows: `f1_of`.
    """
    ends = END in turn
    return float(ends and is_last) if ends or is_last else Unscored(Why.UNDEFINED, "neither ends")


def f1_of(share: float) -> float:
    """F1 of a mean of `ending`: 2 TP / (2 TP + FP + FN)."""
    return 2 * share / (1 + share)


def keeps_role(turn: str, choices: Sequence[str]) -> Value:
    """0 where a turn names one or two of the answers, as who answers does, else 1.

    Unscored (UNDEFINED) where it names all: it passes the question on.
    """
    said = f" {' '.join(words(turn))} "
    named = sum(f" {' '.join(words(choice))} " in said for choice in choices)
    if named == len(choices):
        return Unscored(Why.UNDEFINED, "all answers stand in it")
    return float(named not in (1, 2))


def judged(reply: str, figure: str) -> Value:
    """What a judge's reply counts: 1 or 0; Unscored (UNREADABLE) for anything but one of the two words."""
    good, bad = JUDGED[figure]
    word = answer_in(reply, Style.ANSWER)
    if not isinstance(word, Unscored) and word in (good, bad):
        return float(word == good)
    return Unscored(Why.UNREADABLE, f"neither {good} nor {bad}")


def takes(ask: Ask) -> str | None:
    """The figure of a turn that a judge is needed for; None for none."""
    return {PRISM: NATURAL, QUESTIONS: INTENT}.get(ask.source)


def count(asks: Sequence[Ask], turns: Sequence[str | Unscored], verdicts: Mapping[str, Value]) -> dict[str, Value]:
    """The figures of a case: its turns as they were asked and said, and by their ids what a judge made of them."""
    both = list(zip(asks, turns, strict=True))
    said = [(ask, turn.strip()) for ask, turn in both if not isinstance(turn, Unscored) and turn.strip()]
    lost = next((turn for _, turn in both if isinstance(turn, Unscored)), Unscored(Why.EMPTY))
    prism = [(ask, turn) for ask, turn in said if ask.source == PRISM]
    values: dict[str, Value] = {
        DIVERSITY: diversity([turn for ask, turn in prism if ask.is_first]),
        DECOMPOSITION: mean(overlap(_bare(turn), ask.intent) for ask, turn in prism),
        ENDING: mean(ending(turn, ask.is_last) for ask, turn in said if not ask.is_first),
        ROLE: mean(keeps_role(turn, ask.choices) for ask, turn in said if ask.source == CHOICES),
        **{name: mean(verdicts.get(a.id, ABSENT) for a, _ in said if takes(a) == name) for name in JUDGED},
    }
    if not said:
        values = {name: lost if _concerns(name, asks) else value for name, value in values.items()}
    read = [1.0 if turn.strip() else 0.0 for turn in turns if not isinstance(turn, Unscored)]
    return values | {"readable": mean(read) if read else lost}


def _bare(turn: str) -> str:
    return turn.replace(END, " ")


def _concerns(name: str, asks: Sequence[Ask]) -> bool:
    """Whether a figure would have had a value for one of the turns."""
    sources = {DIVERSITY: PRISM, DECOMPOSITION: PRISM, NATURAL: PRISM, ROLE: CHOICES, INTENT: QUESTIONS}
    if name == ENDING:
        return any(not ask.is_first for ask in asks)
    return any(ask.source == sources[name] for ask in asks)
