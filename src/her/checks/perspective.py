"""Who says "I": plans are written in the third person, thoughts in the first, actions without their actor.

Knows the pronouns of five languages. What it finds are words in places where they should not
stand; a language that drops its pronouns (Spanish) hides some of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from her.checks.units import Finding, is_spaceless, primary, without_quotes
from her.turn import Kind, Turn


@dataclass(frozen=True, slots=True)
class _Person:
    """Patterns of one language; `author` is what a plan's author may say of itself."""

    first: re.Pattern[str]
    author: re.Pattern[str]
    subject: re.Pattern[str]
    """A pronoun for the actor at the start of an action."""
    verb: str
    """What follows a name that is spoken of and not spoken to."""


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'’])(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)


_EN_AUTHOR = (
    r"I(?:'ll|’ll)? ?(?:must|should|will|would|can|could|need to|have to|want to|am to)? ?"
    r"(?:portray|write|play|show|depict|render|convey|give|let|make|keep|avoid|present|bring out)"
)
_PERSONS = {
    "en": _Person(
        first=_words("(?-i:I)", "me", "my", "myself"),
        author=_words(_EN_AUTHOR, r"my (?:portrayal|reply|response|turn|plan|writing)", "let me"),
        subject=re.compile(r"\s*(?:I|We|He|She|They)(?:['’]\w+)?\s", re.IGNORECASE),
        verb=(
            r"(?:['’]s\s+\w|\s+(?:is|was|has|had|will|would|must|can|could|does|did|\w+ly|feels?|felt"
            r"|thinks?|thought|wonders?|wants?|knows?|knew|sees|saw|looks|tries|hopes|fears|realizes|realises)\b)"
        ),
    ),
    "fr": _Person(
        first=_words("je", r"[jm]['’](?=\w)\w+", "me", "moi", "mon", "ma", "mes", "mien", "mienne"),
        author=_words(r"je (?:dois|vais|veux|peux) (?:montrer|écrire|jouer|incarner|rendre)", "ma réponse", "mon tour"),
        subject=re.compile(r"\s*(?:j['’]|(?:je|nous|on|ils?|elles?)\s)", re.IGNORECASE),
        verb=r"\s+(?:est|était|a|avait|doit|veut|pense|sent|sait|voit|se)\b",
    ),
    "de": _Person(
        first=_words("ich", "mich", "mir", r"mein(?:e[rmns]?)?"),
        author=_words(r"ich (?:muss|soll|sollte|will|werde|kann) \w+", r"meine (?:antwort|darstellung)"),
        subject=re.compile(r"\s*(?:ich|wir|er|sie)\s", re.IGNORECASE),
        verb=r"\s+(?:ist|war|hat|hatte|muss|will|denkt|dachte|fühlt|fühlte|weiß|sieht|fragt)\b",
    ),
    "es": _Person(
        first=_words("yo", "me", "mí", "mi", "mis", "mío", "mía", "conmigo"),
        author=_words(r"mi (?:respuesta|turno|plan)"),
        subject=re.compile(r"\s*(?:yo|nosotros|nosotras|él|ella|ellos|ellas)\s", re.IGNORECASE),
        verb=r"\s+(?:es|era|está|estaba|ha|había|debe|quiere|piensa|siente|sabe|ve|se)\b",
    ),
    "zh": _Person(
        first=re.compile(r"(?<![自忘唯])我(?!行我素)|咱|俺"),
        author=re.compile(r"我(?:必须|需要|应该|应当|要|会|得|将)?(?:塑造|扮演|描写|刻画|写|表现|展现|呈现|让)"),
        subject=re.compile(r"\s*(?:[我咱他她]们|[我咱他她](?!们))(?!的)"),
        verb=r"(?:的心|心里|心中|想|觉得|感到|知道|看见|希望|害怕|认为|必须|正在|是|有)",
    ),
}

_ENGLISH_TITLES = ["Mr", "Mr.", "Mrs", "Mrs.", "Ms", "Ms.", "Miss", "Dr", "Dr.", "Sir", "Lady", "Lord", "King", "Queen"]
_OTHER_TITLES = [
    "The",
    "Prince",
    "Captain",
    "Colonel",
    "Monsieur",
    "Madame",
    "M.",
    "Mme",
    "Herr",
    "Frau",
    "Don",
    "Doña",
]
_TITLES = frozenset([*_ENGLISH_TITLES, *_OTHER_TITLES, "Señor", "Señora"])
"""What stands before a name and is not one."""

LANGUAGES = frozenset(_PERSONS)
"""The languages that `perspective` knows."""

FIRST_IN_PLAN = "first person in a plan"
THIRD_IN_THOUGHT = "third person in a thought"
ACTOR_IN_ACTION = "actor in an action"


def perspective(turn: Turn, language: str) -> tuple[Finding, ...] | None:
    """Every place where a layer speaks in the wrong person, in order; None where the language is not known.

    `language` is a BCP-47 code, of which the first part counts. In a plan, quotations and the author's own
    voice ("I must portray") are no faults. In a thought, only the speaker's own name spoken of is a fault:
    a thought without "I" may be about anything. In an action, first-person words and a leading pronoun are.
    """
    person = _PERSONS.get(primary(language))
    if person is None:
        return None
    return tuple(
        Finding(rule, at, segment.kind, start, end, segment.text[start:end])
        for at, segment in enumerate(turn.segments)
        for rule, start, end in _faults(segment.kind, segment.text, turn.speaker, person)
    )


def _faults(kind: Kind, text: str, speaker: str, person: _Person) -> Iterator[tuple[str, int, int]]:
    bare = without_quotes(text)
    if kind is Kind.SYSTEM_THINKING:
        bare = person.author.sub(lambda match: " " * len(match.group()), bare)
        for match in person.first.finditer(bare):
            yield (FIRST_IN_PLAN, *match.span())
    elif kind is Kind.ROLE_THINKING:
        for match in _spoken_of(speaker, person.verb).finditer(bare):
            yield (THIRD_IN_THOUGHT, *match.span())
    elif kind is Kind.ROLE_ACTION:
        leading = person.subject.match(bare)
        if leading:
            start = leading.start() + len(leading.group()) - len(leading.group().lstrip())
            yield (ACTOR_IN_ACTION, start, start + len(leading.group().strip()))
        for match in person.first.finditer(bare, leading.end() if leading else 0):
            yield (ACTOR_IN_ACTION, *match.span())


def _spoken_of(name: str, verb: str) -> re.Pattern[str]:
    """The whole name or the given name, followed by a verb; a family name may be somebody else's."""
    given = name.strip().partition(" ")[0]
    names = sorted({name.strip(), given} - {"", *_TITLES}, key=len, reverse=True)
    if not names:
        return re.compile(r"(?!)")
    edge = "" if is_spaceless(names[0]) else r"(?<!\w)"
    return re.compile(rf"{edge}(?:{'|'.join(map(re.escape, names))}){verb}")
