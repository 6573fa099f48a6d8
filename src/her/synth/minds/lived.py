"""What one character knows before a turn, in the words that a teacher reads.

Knows whom a row may show to whom: everything here goes through `Dialogue.seen_by`, so that no later turn, no plan
and no other mind reaches a teacher. Refuses to know what the teacher is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from her.checks.units import CHARACTERS_PER_WORD, primary
from her.markup import Style, render
from her.models.base import Message, Model
from her.rows.ask import Dropped, Rejected
from her.rows.record import Refusal, SceneRow
from her.scene import LANGUAGES
from her.script import cut_point
from her.synth.faults import turns_before
from her.synth.reasons import Reason
from her.turn import Dialogue, Turn

_NEVER = r"{}<>()\[\]|\\#_=*\x00-\x1f"
_NEVER_FIRST = r"""\s.,;:!?…"“”'-"""
"""Characters that prose does without, and does not begin with, for patterns in schemas: a small model that is held to
JSON goes on with JSON inside of strings, unless they cannot hold it."""
_SPECIAL = frozenset(r".^$*+?()[]{}|\\/-")

_DENSE = frozenset({"zh", "ja", "th", "lo", "my", "km"})
"""Languages written without spaces."""
_CHARS_PER_WORD = 7
_TOKENS_PER_CHAR = 0.4
_TOKENS_PER_DENSE_CHAR = 2.0
_TOKENS_PER_FOREIGN_CHAR = 0.8
"""English has about six characters a word and four a token; a small model's tokenizer takes two or three tokens for a
Chinese character, and up to one for a letter of other languages. Room that is not used costs nothing."""
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})


def seen_before(row: SceneRow, turn_id: str, name: str) -> tuple[Turn, ...]:
    """The turns before one, as a character of the row lived them. Raises UnknownName."""
    turns = tuple(old.turn for old in turns_before(turn_id, row))
    return Dialogue(frozenset(one.name for one in row.cast), turns).seen_by(name)


def knowledge(row: SceneRow, name: str, seen: Sequence[Turn]) -> dict[str, str]:
    """The fields of a case: who the character is, what lies behind it, the scene, the others, and what it has seen.

    Of the others there is what everybody may know. Thoughts are in square brackets, actions in round ones. The titles
    of row and book stay out: they may tell how it ends.
    """
    me = next(one for one in row.cast if one.name == name)
    others = [f"{one.name}: {one.profile.strip()}".removesuffix(": ") for one in row.cast if one.name != name]
    return {
        "name": name,
        "profile": me.profile.strip(),
        "background": me.background.strip(),
        "motivation": me.motivation.strip(),
        "opening_thought": me.opening_thought.strip(),
        "setting": row.setting.strip(),
        "others": "\n".join(others),
        "history": "\n".join(shown(turn) for turn in seen),
    }


def shown(turn: Turn) -> str:
    """A turn on one line, as histories show it."""
    return " ".join(render(turn, Style.BRACKETS, name=True).split())


def prompt_language(row: SceneRow) -> Literal["en", "zh"]:
    """The language in which a teacher is spoken to: Chinese for Chinese rows, English for all others."""
    return "zh" if primary(row.language) == "zh" else "en"


def foreign(row: SceneRow) -> str:
    """The row's language by name where it is not quite the one in which a teacher is spoken to, else empty."""
    code, *more = row.language.lower().split("-")
    if code == "zh":
        return "繁体中文" if _TRADITIONAL & {*more} else ""
    return "" if code == "en" else LANGUAGES.get(code, row.language)


def given_up(error: Rejected | Dropped, stage: str, turn_id: str) -> list[Refusal]:
    """What a row records of a turn that came to nothing, once for each reason.

    Raises a Dropped again that is not about this turn's prompt: the whole row is lost then.
    """
    if isinstance(error, Dropped):
        if error.reason != Reason.CONTEXT:
            raise error
        return [Refusal(stage=stage, reason=Reason.CONTEXT, where=turn_id, detail=error.detail)]
    first = {refusal.reason: refusal for refusal in reversed(error.refusals)}
    return [first[reason].model_copy(update={"stage": stage, "where": turn_id}) for reason in reversed(first)]


def num_chars(words: int, language: str) -> int:
    """So many words of a language (BCP-47) in characters, with some room."""
    return round(words * (CHARACTERS_PER_WORD * 1.2 if primary(language) in _DENSE else _CHARS_PER_WORD))


def num_tokens(chars: int, language: str) -> int:
    """So many characters of a language in tokens, with some room."""
    code = primary(language)
    dense = _TOKENS_PER_DENSE_CHAR if code in _DENSE else _TOKENS_PER_FOREIGN_CHAR
    return round(chars * (_TOKENS_PER_CHAR if code == "en" else dense))


def line_schema(most: int, *, least: int = 2, begins: str = "", deed: bool = False) -> dict[str, Any]:
    """The JSON schema of a line of prose of so many characters.

    `begins` is what it must begin with, if anything. A `deed` holds no quotation and begins with no capital letter of
    English: neither with "I" nor with a name.
    """
    never = _NEVER + ('"“”' if deed else "")
    first = f"[^{never}{'A-Z' if deed else ''}{_NEVER_FIRST}]"
    head = "".join(f"\\{c}" if c in _SPECIAL else c for c in begins) or first
    return {"type": "string", "minLength": least, "maxLength": most, "pattern": f"^{head}[^{never}]*$"}


async def fitted(
    model: Model, messages: Callable[[int], tuple[Message, ...]], num_turns: int, reserve: int
) -> tuple[Message, ...]:
    """The messages without as many of the oldest turns as the model's window and `reserve` tokens of answer ask for.

    `messages(k)` leaves out the first k turns. Where the window is unknown, or nothing can be counted, none is left
    out; where even one turn is too much, the backend's own error speaks.
    """

    async def count(dropped: int) -> int | None:
        return await model.count(messages(dropped))

    whole = None if model.context is None else await count(0)
    if model.context is None or whole is None or whole <= model.context - reserve:
        return messages(0)
    return messages(await cut_point(count, num_turns, model.context - reserve))
