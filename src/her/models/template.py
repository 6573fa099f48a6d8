"""Chat templates kept apart from what people write: a template sees marks where contents stand.

So a name of a control token that somebody types stays the characters it is, while ordinary contents are tokenised
together with the template, as training rows are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from her.errors import ModelError
from her.models.base import Message

_MARK = "\ue000{}\ue001"  # private use: no content that a person writes holds it
_MARKS = re.compile("\ue000(\\d+)\ue001")


class Tokenizer(Protocol):
    """How a text becomes ids."""

    def __call__(self, text: str, *, control: bool, first: bool = False) -> Sequence[int]:
        """Ids of a text; `control`: names of control tokens count as such; `first`: it begins the prompt."""


def marked(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages with a mark for each content, its outer white space kept, since templates may trim it."""
    return [{"role": message.role, "content": _mark(i, message.content)} for i, message in enumerate(messages)]


def _mark(place: int, content: str) -> str:
    lead = content[: len(content) - len(content.lstrip())]
    trail = content[len(content.rstrip()) :] if content.strip() else ""
    return lead + _MARK.format(place) + trail


def prompt_ids(
    rendered: str, messages: Sequence[Message], tokenize: Tokenizer, *, address: str
) -> tuple[list[int], str]:
    """Ids of what the template made of marked messages, and the text of the last stretch tokenised in one go.

    Contents that hold the name of a control token are tokenised by themselves.
    Raises ModelError for a template that leaves out or repeats messages.
    """
    parts = _MARKS.split(rendered)
    if sorted(parts[1::2]) != sorted(str(i) for i in range(len(messages))):
        raise ModelError(f"the chat template of {address} leaves out or repeats messages: take another model")
    ids: list[int] = []
    run = parts[0]
    for place, following in zip(parts[1::2], parts[2::2], strict=True):
        content = messages[int(place)].content.strip()
        if tokenize(content, control=True) == tokenize(content, control=False):
            run += content + following
        else:
            ids += [*tokenize(run, control=True, first=not ids), *tokenize(content, control=False)]
            run = following
    return [*ids, *tokenize(run, control=True, first=not ids)], run
