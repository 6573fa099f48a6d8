"""Fields of prose about a scene before it begins, such as a setting or a motivation, and what keeps one out.

Knows how long a field may be, and whose words, names and secrets it may hold. Refuses to know how it was asked for
and into which row it goes.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

from her import checks
from her.checks.minds import LEAK_NGRAM
from her.checks.units import CHARACTERS_PER_WORD, NGRAM, primary, run_length, runs, unit_spans, units
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Refusal, SceneRow
from her.scene import LANGUAGES, Character
from her.synth.context.evidence import Span, opening
from her.synth.faults import cut
from her.synth.gates import prose
from her.synth.reading.book import Book
from her.synth.reasons import Reason
from her.turn import Kind, Segment, Turn

PUBLIC = ("setting", "profile")
PRIVATE = ("background", "motivation", "opening_thought")
"""What everyone in a scene reads, and what one character alone does."""
LEAST_WORDS = 2
COPIED_WORDS = 25
"""Words in a row that stand in the book just so, from which on a field is a copy of it; ours."""
_SPACELESS = frozenset({"zh", "ja", "th", "lo", "km", "my"})
_UNSTOPPED = frozenset({"th", "lo", "km", "my"})
"""Languages written without spaces, and without full stops."""
_BESIDES = 60
"""Tokens for the names and marks of the JSON around an answer's texts."""

_NOTHING = re.compile(
    r"\W*(?:none|n/?a|null|empty|unknown|nothing|not (?:specified|stated|known|mentioned|given|described)|"
    r"无|没有|未知|不详|不明|未提及|未说明|暂无)\W*",
    re.IGNORECASE,
)
_ABOUT_THE_TEXT = re.compile(
    r"\b(?:the|this) (?:(?:given|provided|earlier|above) )*(?:text|excerpt|dialogue)\b|\bthe (?:passage|novel|author)"
    r" (?:says|tells|does|gives|mentions|states|describes)\b|\bnot (?:specified|stated|mentioned)\b"
    r"|文本|原文|文中|节选|本段|上文|前文|对白|未提及",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…。！？][\"'”’»」』)）]*$")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_FIRST_PERSON = re.compile(r"I(?:['’]\w+)?")

T = TypeVar("T")


class Why(StrEnum):
    """Reasons of these stages alone, beside those of `Reason`."""

    NO_EARLIER_TEXT = "no-earlier-text"
    """The book says nothing before the scene; nobody was asked."""
    UNKNOWN_FIELD = "unknown-field"
    """A field that was not asked for."""
    ABOUT_THE_TEXT = "about-the-text"
    """Speaks of the text that it was made from."""


def prompt_language(language: str) -> str:
    """The language in which prompts are written, `en` or `zh`, for a BCP-47 code."""
    return "zh" if primary(language) == "zh" else "en"


def spoken(language: str) -> str:
    """The English name of a language for prompts; the code itself where it is rare."""
    return LANGUAGES.get(primary(language), language)


def num_chars(words: int, language: str) -> int:
    """Characters that so many words may take, with some to spare."""
    return round(words * (1.4 * CHARACTERS_PER_WORD if primary(language) in _SPACELESS else 8))


def num_tokens(words: int, language: str) -> int:
    """Tokens that an answer of so many words takes at most, with the JSON around it.

    3 characters a token in English, 2 in other languages with spaces, a half in those without: under the bundled
    model's tokenizer, the poorest of those in use.
    """
    rate = 0.5 if primary(language) in _SPACELESS else 3.0 if primary(language) == "en" else 2.0
    return math.ceil(num_chars(words, language) / rate) + _BESIDES


def tidy(text: object) -> str | None:
    """A field as a model gave it, on one line; empty where it says in words that there is nothing, None for no text."""
    if text is None:
        return ""
    if not isinstance(text, str):
        return None
    line = re.sub(r"\s*[\n\r]+\s*", " ", text.strip())
    return "" if _NOTHING.fullmatch(line) else line


def texts_of(character: Character, fields: Iterable[str]) -> tuple[str, ...]:
    """What stands in these fields of a character, empty ones left out."""
    return tuple(text for field in fields if (text := getattr(character, field, "")))


@dataclass(frozen=True)
class Ground:
    """What stands before a scene, and what the scene has yet to show: the ground on which a field is judged."""

    stage: str
    row: SceneRow
    book: Book

    @cached_property
    def part(self) -> Span:
        """The part of the book before the scene's first turn."""
        return opening(self.row, self.book)

    def refusal(self, reason: str, where: str, detail: str) -> Refusal:
        """A refusal of this stage."""
        return Refusal(stage=self.stage, reason=reason, where=where, detail=detail)

    def faults(self, text: str, field: str, most: int, *, name: str = "", where: str = "") -> list[Refusal]:
        """What is wrong with a field of at most `most` words; `name` is whose it is, empty for the setting."""
        where = where or field
        found = prose(text, stage=self.stage, where=where, language=self.row.language, words=(LEAST_WORDS, most))
        if not text.strip():
            return found
        if not _END.search(text) and primary(self.row.language) not in _UNSTOPPED:
            # A model that is held to a schema stops in the middle of a word when the field is full.
            said = f"breaks off; write whole sentences, at most {most} words: …{text[-40:]}"
            found.append(self.refusal(Reason.LENGTH, where, said))
        found += [self.refusal(reason, where, said) for reason, said in self._voice(text, field, name)]
        if match := _ABOUT_THE_TEXT.search(text):
            said = f"write of the people, not of {match.group()!r}; leave empty what is not told"
            found.append(self.refusal(Why.ABOUT_THE_TEXT, where, said))
        if strangers := self.strangers(text):
            said = f"{', '.join(strangers[:3])}: no such name stands before the scene; leave it out"
            found.append(self.refusal(Reason.UNKNOWN_NAME, where, said))
        if copied := self.copied(text):
            said = f"copies the book for {COPIED_WORDS} words and more; say it in your own words: {cut(copied)}"
            found.append(self.refusal(Reason.COPIED, where, said))
        if spoilt := self.spoils(text):
            said = f"tells what only the scene itself will show; write the state before it: {cut(spoilt)}"
            found.append(self.refusal(Reason.SPOILER, where, said))
        return found

    def leaks(self, text: str, hidden: Iterable[str], where: str) -> list[Refusal]:
        """A refusal where the text shares words with one of the hidden ones."""
        run = next((run for secret in hidden for run in self._shared(text, secret, LEAK_NGRAM)), "")
        said = f"holds what is hidden from those who read it; take that out: {cut(run)}"
        return [self.refusal(Reason.LEAK, where, said)] if run else []

    def hidden_from(self, name: str | None) -> tuple[str, ...]:
        """What a character may not know: others' fields and thoughts, and all plans. None: what not all may know."""
        fields = [text for one in self.row.cast if one.name != name for text in texts_of(one, PRIVATE)]
        minds = [
            piece.text
            for turn in self.row.turns
            for piece in turn.segments
            if piece.kind is Kind.SYSTEM_THINKING or (piece.kind is Kind.ROLE_THINKING and turn.speaker != name)
        ]
        return (*fields, *minds)

    def strangers(self, text: str) -> list[str]:
        """Names that neither the cast nor the text before the scene has, as far as capital letters tell names."""
        if primary(self.row.language) == "de":
            return []
        found = []
        for sentence in checks.sentences(text):
            for match in list(_WORD.finditer(sentence))[1:]:
                word = re.sub(r"['’]s?$", "", match.group())
                before = sentence[: match.start()].rstrip(" ")
                if not word[0].isupper() or _FIRST_PERSON.fullmatch(word) or before[-1:] in set(":;.!?…“”\"'‘«»(-—"):
                    continue
                if not all(map(self._named, units(word))):
                    found.append(word)
        return list(dict.fromkeys(found))

    def _named(self, unit: str) -> bool:
        """Whether the word, or what it is the plural of, stands before the scene."""
        return any(one in self._names or self._known([one]) for one in {unit, unit.removesuffix("s")} if one)

    def copied(self, text: str) -> str:
        """The first long run of words that stands in the book just so; empty for none."""
        index = words_of(self.book.text)
        return next((shown for shown, run in _runs(text, COPIED_WORDS) if index.hold(run)), "")

    def spoils(self, text: str) -> str:
        """The first run of words that stands in the scene and nowhere before it; empty for none."""
        scene = [piece.text for turn in (*self.row.original, *self.row.turns) for piece in turn.segments]
        if self.row.source.end is not None:
            scene.append(self.book.text[self.part[1] : self.row.source.end])
        ahead = (run for one in scene for run in self._shared(text, one, NGRAM))
        return next((run for run in ahead if not self._known(units(run))), "")

    def _voice(self, text: str, field: str, name: str) -> Iterator[tuple[Reason, str]]:
        """First person in a thought, third in all else, second in nothing."""
        language = self.row.language
        if field == "opening_thought":
            turn = Turn(name, (Segment(Kind.ROLE_THINKING, text),))
            others = {one.name for one in self.row.cast} - {name}
            for finding in (checks.mind_reading(turn, language, others) or ())[:1]:
                yield Reason.MIND_READ, f"{name} cannot know this: {finding.text!r}"
        else:
            turn = Turn(name, (Segment(Kind.SYSTEM_THINKING, text),))
            for word in (checks.second_person(text, language) or ())[:1]:
                yield Reason.PERSPECTIVE, f"speak to nobody: not {word!r}"
        for finding in (checks.perspective(turn, language) or ())[:1]:
            person = "first" if field == "opening_thought" else "third"
            yield Reason.PERSPECTIVE, f"write in the {person} person, not {finding.text!r}"

    def _shared(self, text: str, other: str, size: int) -> Iterator[str]:
        """Runs of words that two texts share, as the first writes them; runs of hardly more than names are none."""
        held: dict[int, set[tuple[str, ...]]] = {}
        for shown, run in _runs(text, size):
            if len(run) not in held:
                held[len(run)] = set(runs(units(other), len(run)))
            if run in held[len(run)] and sum(unit not in self._names for unit in run) >= size - 1:
                yield shown

    @cached_property
    def _names(self) -> frozenset[str]:
        written = [form for one in self.row.cast for form in (one.name, *self.row.aliases.get(one.name, ()))]
        return frozenset(unit for form in written for unit in units(form))

    def _known(self, run: Sequence[str]) -> bool:
        return words_of(self.book.text).hold(run, *self.part)


def _runs(text: str, size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every run of so many words, as it is written and as units."""
    spans = unit_spans(text)
    words = [word for word, _, _ in spans]
    size = run_length(words, size)
    for at, run in enumerate(runs(words, size)):
        yield text[spans[at][1] : spans[at + size - 1][2]], run


@dataclass(frozen=True, slots=True)
class Words:
    """The units of a whole book, so that a run of them is found without reading it again."""

    joined: str
    """Every unit between single spaces, one before the first and one after the last."""
    places: list[int]
    """Where in `joined` the space before each unit stands."""
    starts: list[int]
    ends: list[int]
    """Where in the book each unit stands."""

    def hold(self, run: Sequence[str], start: int = 0, end: int | None = None) -> bool:
        """Whether the run stands in the book between two places."""
        first = bisect_left(self.starts, start)
        last = len(self.ends) if end is None else bisect_right(self.ends, end)
        if last <= first:
            return False
        stop = self.places[last] if last < len(self.places) else len(self.joined) - 1
        return self.joined.find(f" {' '.join(run)} ", self.places[first], stop + 1) >= 0


@lru_cache(maxsize=4)
def words_of(text: str) -> Words:
    """The index of a book's text, kept for the last few books."""
    spans = unit_spans(text)
    places, at = [], 0
    for word, _, _ in spans:
        places.append(at)
        at += len(word) + 1
    joined = f" {' '.join(word for word, _, _ in spans)} "
    return Words(joined, places, [start for _, start, _ in spans], [end for _, _, end in spans])


@dataclass(frozen=True, slots=True)
class Judged(Generic[T]):
    """An answer, sorted: what is good of it, and why the rest is not."""

    good: tuple[T, ...] = ()
    refused: tuple[Refusal, ...] = ()


async def asked(ask: Ask, call: Call, judge: Callable[[Any], Judged[T]], stage: str) -> Judged[T]:
    """What is good of the answer to a call; where some of it is refused, of that and of its repair the better one.

    An answer that is clean after the repair counts alone. A prompt that does not fit the model's window, and an answer
    that can be read neither time, are a refusal and nothing good. Raises what else `ask` raises.
    """
    read: list[Judged[T]] = []

    def reader(data: Any) -> Judged[T]:
        judged = judge(data)
        read.append(judged)
        if judged.refused:
            raise Rejected(*judged.refused)
        return judged

    try:
        return await ask(call, reader)
    except Rejected as error:
        return max(reversed(read), key=lambda judged: len(judged.good), default=Judged((), error.refusals))
    except Dropped as error:
        if error.reason != Reason.CONTEXT:
            raise
        return Judged((), (Refusal(stage=stage, reason=error.reason, where=call.id, detail=error.detail),))


def parts(data: Any, wanted: Sequence[str], where: str, stage: str) -> tuple[Mapping[str, Any], list[Refusal]]:
    """The wanted parts of a JSON object as they are, and a refusal for each part that is missing or unknown."""
    if not isinstance(data, Mapping):
        return {}, [Refusal(stage=stage, reason=Reason.SCHEMA, where=where, detail="must be one JSON object")]
    faults = [
        Refusal(stage=stage, reason=Reason.MISSING, where=where, detail=f"{part!r} is missing; give it")
        for part in wanted
        if part not in data
    ]
    faults += [
        Refusal(stage=stage, reason=Why.UNKNOWN_FIELD, where=where, detail=f"{part!r} was not asked for; leave it out")
        for part in data
        if part not in wanted
    ]
    return {part: data[part] for part in wanted if part in data}, faults
