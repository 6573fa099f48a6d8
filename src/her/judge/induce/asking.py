"""What the steps of inducing share when they ask: seeds, windows, and what a principle's words may be.

Knows one call and one principle. Refuses to know what becomes of either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from her.checks.length import length
from her.checks.units import CHARACTERS_PER_WORD, is_spaceless
from her.judge.case import Case
from her.judge.compare import room
from her.judge.dialects.shown import texts
from her.models.base import Message, Sampling
from her.rows.ask import Ask, Dropped, seed_of

MOST_NAME_WORDS = 8
MOST_WORDS = 40
LEAST_WORDS = 4
"""Words of a name at most; of a definition at most, and at least. Of our own list the longest name has nine and the
longest definition 34."""
MOST_CHARS = 400
"""Characters of any text in an answer at most, told to a model that is held to a schema."""
_ABOUT_THE_PAIR = re.compile(
    r"\b(?:candidate|response|reply|option|version)s?\s+[AB]\b"
    r"|(?<![\w'’])[AB](?=(?:\s+(?:is|was|has|does|keeps|shows|says|fails|wins|and|or))\b|['’]s\b)"
    r"|\bthe\s+(?:former|latter)\b|\bthe\s+(?:first|second)\s+(?:candidate|response|reply|version)\b"
    r"|候选\s*[ABab一二甲乙]|回复\s*[ABab一二甲乙]|[AB]\s*(?:比|优于|胜过|更)|前者|后者",
)
_CODE = re.compile(r"[{}<>|\\]|```|\*\*")
_TITLE = re.compile(
    r"the|a|an|of|de|von|van|old|young|little|sir|lady|lord|king|queen|prince|princess|captain|colonel|doctor|dr|"
    r"professor|uncle|aunt|father|mother|brother|sister|miss|mr|mrs|ms|st|madame|monsieur",
    re.IGNORECASE,
)
"""Words of a name that may stand in a principle."""


def sampling(seed: int, call_id: str, max_tokens: int, temperature: float = 0.7) -> Sampling:
    """How a call is sampled; its seed follows from the run's seed and the call's id, whatever the order."""
    return Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed_of(seed, call_id))


async def fitted(
    ask: Ask, case: Case, messages: Callable[[int], tuple[Message, ...]], reserve: int
) -> tuple[Message, ...]:
    """The messages, without the oldest turns where the window is too small for them and `reserve` tokens of answer.

    `messages(k)` leaves out the first k turns. Raises Dropped (`context`) where the last turn alone is too much.
    """
    dropped = await room(ask.model, lambda k: [messages(k)], len(case.before), reserve)
    if dropped is None:
        raise Dropped("context", f"{case.id} does not fit the model's window with its last turn alone")
    return messages(dropped)


def case_texts(stage: str, code: str) -> tuple[str, ...]:
    """The prompt texts of a step that shows cases, besides any of its own."""
    return texts(*(f"{name}/{code}" for name in (stage, "judge-case", "judge-notes", "judge-person")))


def num_words(text: str) -> int:
    """Words of a text; in scripts without spaces so many characters count as one (`checks.units`)."""
    size = length(text)
    return size.words + round(size.ideographs / CHARACTERS_PER_WORD)


def fault_of(name: str, definition: str, people: Iterable[str] = ()) -> tuple[str, str] | None:
    """What keeps these words from being a principle, as (reason, one line for the model); None where nothing does.

    `people` are the names of a scene: a principle is about any turn, and names nobody.
    """
    whole = f"{name}\n{definition}"
    if num_words(name) > MOST_NAME_WORDS or num_words(definition) > MOST_WORDS:
        return (
            "long",
            f"{name!r} is too long; a name has at most {MOST_NAME_WORDS} words, a definition {MOST_WORDS}",
        )
    if not name.strip() or num_words(definition) < LEAST_WORDS or _CODE.search(whole) or {"?", "？"} & {*definition}:
        return (
            "no-principle",
            f"{name!r} is no principle; give a name, and one sentence that asks something of a turn",
        )
    if _ABOUT_THE_PAIR.search(whole):
        return "about-the-pair", f"{name!r} is about these two candidates; say what is asked of any turn"
    if who := next((who for who in people for part in _parts(who) if _stands(part, whole)), None):
        return "names", f"{name!r} names {who!r}; say what is asked of any turn of any character"
    return None


def _parts(name: str) -> set[str]:
    """The name, and its words that mean nobody else."""
    return {name, *(part for part in re.split(r"[\s.·]+", name) if len(part) > 1 and not _TITLE.fullmatch(part))}


def _stands(name: str, text: str) -> bool:
    """Whether a name stands in the text as a whole word; its case counts, since Hope may be a name."""
    if is_spaceless(name[:1]):
        return len(name) > 1 and name in text
    return re.search(rf"(?<![A-Za-zÀ-ÿ]){re.escape(name)}(?![A-Za-zÀ-ÿ])", text) is not None
