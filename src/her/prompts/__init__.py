"""The texts that models read, each in a file of its own, filled in here and nowhere else.

A text is `NAME.md` in this folder. Its first line is a comment with source and licence, which no model sees.
`{{field}}` is replaced by the field's value; `{{field?}}` too, and where the value is blank its whole paragraph
(lines between blank lines) is left out. Values are never read again: what they hold goes in as it is.
Refuses to know what a text is for.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from her.errors import PromptError

_FIELD = re.compile(r"\{\{(\w+)(\??)\}\}")


@cache
def _paragraphs(name: str) -> tuple[str, ...]:
    """The paragraphs of a text, without its comment; newlines are `\\n` whatever the checkout has."""
    try:
        written = files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    except OSError as error:
        raise PromptError(f"there is no prompt text {name!r}: {error}") from error
    comment, _, text = written.partition("\n")
    if not (comment.startswith("<!--") and comment.endswith("-->")):
        raise PromptError(f"prompt text {name}.md must begin with one line of comment: source and licence")
    return tuple(text.strip("\n").split("\n\n"))


@cache
def _fields(name: str) -> frozenset[str]:
    return frozenset(field for paragraph in _paragraphs(name) for field, _ in _FIELD.findall(paragraph))


def prompt(name: str, /, **fields: str) -> str:
    """The text called `name`, such as `her/en`, with its fields filled in; no newline at either end of the text.

    Raises PromptError for a text that is not there and for a field that is missing or that the text does not have.
    """
    needed = _fields(name)
    if fields.keys() != needed:
        wrong = [f"missing {field!r}" for field in sorted(needed - fields.keys())]
        wrong += [f"unknown {field!r}" for field in sorted(fields.keys() - needed)]
        raise PromptError(f"prompt text {name}.md: {', '.join(wrong)}; it has: {', '.join(sorted(needed)) or 'none'}")
    return "\n\n".join(
        _FIELD.sub(lambda match: fields[match[1]], paragraph)
        for paragraph in _paragraphs(name)
        if all(fields[field].strip() for field, optional in _FIELD.findall(paragraph) if optional)
    )


@cache
def prompt_hash(name: str) -> str:
    """The first 12 hex digits of the sha256 of a text as models get it, fields unfilled; travels into records.

    Raises PromptError for a text that is not there.
    """
    return hashlib.sha256("\n\n".join(_paragraphs(name)).encode()).hexdigest()[:12]
