"""How a text is given to a model as the beginning of its reply, counted in tokens.

Rule: the ids of prompt and prefill are a prefix of the ids of the finished row, whatever the model writes next.
A prefill's last token may merge with what follows (`>` and a new line, a space and a word), so its unsettled
end is not given as ids: the constraint forces it, and the model picks the token that carries on over it.
Knows a `tokenize` function, and the vocabulary where there is one; refuses to know any particular tokenizer.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Tokenize = Callable[[str], Sequence[int]]
"""Ids of a text as it stands after the prompt: no special tokens are added, and no leading space."""

PROBES = (
    "\n", "\n\n", "\r\n", " ", "  ", "\t", " a", "  a", " \n", "a", "The", "s", "1", "234", "'s", '"', "'", ".", "...",
    ",", ":", ")", "<", "</", ">", "*", "“", "—", "é", "\u0301", "\u0338", "的", "，", "の", "😀", "\u200d", "\ufe0f",
)  # fmt: skip
"""Continuations that differ in how tokenizers split a text: one for each class of character they tell apart."""

WALK = 24
"""Characters tried one by one for the settled end; beyond them only places where the class of character changes.
Twice as long as the longest ordinary English token, so that the walk nearly always ends within it."""

_OPEN_MARK = re.compile(r"\s*[<\[][^\s>\]]*\Z")  # may still become an added token such as a tag of the tokenizer
_APOSTROPHES = "'’"


@dataclass(frozen=True, slots=True)
class Prefill:
    """A prompt with the settled part of a prefill.

    `ids` are those of the prompt and of `text`; `text` + `forced` is the prefill; `forced` is what a constraint
    has to force at the beginning of the reply (and a backend has to leave out of `Reply.text`).
    """

    ids: tuple[int, ...]
    text: str
    forced: str


class Vocabulary:
    """The bytes of every token, sorted once: answers which ends of a text a token could carry on over."""

    def __init__(self, tokens: Iterable[bytes]) -> None:
        self._tokens = sorted(set(tokens) - {b""})
        self._longest = max(map(len, self._tokens), default=0)

    def goes_on(self, end: bytes) -> bool:
        """True where some token begins with `end` and is longer."""
        at = bisect_left(self._tokens, end + b"\0")
        return at < len(self._tokens) and self._tokens[at].startswith(end)

    def __contains__(self, token: bytes) -> bool:
        at = bisect_left(self._tokens, token)
        return at < len(self._tokens) and self._tokens[at] == token

    def starts(self, text: str) -> list[int]:
        """Positions in `text`, in characters, at which a token may begin that goes on over its end.

        Where such a token would begin inside a character, the starts of the tokens that would lead up to it.
        """
        raw = text.encode()
        heads = [at for at in range(len(raw) + 1) if at == len(raw) or raw[at] & 0xC0 != 0x80]
        character = {at: i for i, at in enumerate(heads)}
        first = max(0, len(raw) - self._longest)
        waiting = [at for at in range(first, len(raw)) if self.goes_on(raw[at:])]
        seen = set(waiting)
        while waiting:
            at = waiting.pop()
            if at in character:
                continue
            for start in range(max(0, at - self._longest), at):
                if start not in seen and raw[start:at] in self:
                    seen.add(start)
                    waiting.append(start)
        return sorted(character[at] for at in seen if at in character)


def safe_prefill(
    tokenize: Tokenize, prompt: Sequence[int], prefill: str, vocabulary: Vocabulary | None = None
) -> Prefill:
    """The prompt's ids with those of the longest part of `prefill` that no continuation can change.

    Three measures are taken together. By class of character: the last word, mark or white space may always
    grow. By trial: ids that differ between any two continuations in PROBES are not settled. By vocabulary, where
    it is given: neither are those before a token that could carry on over the end; for BPE and unigram tokenizers
    a left part that no token crosses is segmented as it would be alone, so this measure is exact, also for
    tokenizers that split nothing beforehand.
    Calls `tokenize` a few dozen times, however long the prefill is. An empty settled part is always a right answer.
    """
    if not prefill:
        return Prefill(tuple(prompt), "", "")
    common = list(tokenize(prefill))
    for probe in PROBES:
        common = _shared(common, tokenize(prefill + probe))
    for start in vocabulary.starts(prefill) if vocabulary else ():
        common = _shared(common, tokenize(prefill[:start]))
    for end in _ends(prefill[: _settled(prefill)]):
        ids = list(tokenize(prefill[:end])) if end else []
        if ids == common[: len(ids)]:
            return Prefill((*prompt, *ids), prefill[:end], prefill[end:])
    return Prefill(tuple(prompt), "", prefill)


def _shared(one: list[int], other: Sequence[int]) -> list[int]:
    """The ids both begin with."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:at]
    return one[: len(other)]


def _class(character: str) -> str:
    """One letter: s white space, w word, m combining mark (some tokenizers split it off, some not), p all else."""
    if character.isspace():
        return "s"
    if character in _APOSTROPHES:
        return "w"
    return {"L": "w", "N": "w", "M": "m"}.get(unicodedata.category(character)[0], "p")


def _settled(text: str) -> int:
    """Where the last piece begins that a tokenizer's splitting rule may lengthen.

    Such rules (GPT-2, Llama 3, Qwen, GPT-4o, DeepSeek) let one piece be white space; a word with one mark or space
    before it and a contraction after; or marks with a space before and line ends after.
    """
    end = len(text.rstrip())
    tail = text[end:]
    if not tail:
        word = _back(text, end, "wm")
        end = _back(text, _back(text, word, "pm"), "s")
    elif tail[0] in "\r\n":
        marks = _back(text, end, "pm")
        end = _back(text, marks, "s") if marks < end else end
    mark = _OPEN_MARK.search(text)
    return min(end, mark.start()) if mark else end


def _back(text: str, end: int, classes: str) -> int:
    while end and _class(text[end - 1]) in classes:
        end -= 1
    return end


def _ends(text: str) -> list[int]:
    """Ends to try, the longest first."""
    near = range(len(text), max(0, len(text) - WALK), -1)
    classes = [_class(c) for c in text[: len(text) - WALK]] if len(text) > WALK else []
    changes = [at for at, (a, b) in enumerate(pairwise(classes), start=1) if a != b]
    return [*near, *reversed(changes[-WALK:])]
