"""What a dialect is, and how the JSON of an answer is found.

Knows that only the last object of an answer counts: what a model says on the way to it, or quotes, is no verdict.
Refuses to know what the object should hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from her.judge.case import LONGEST, Case
from her.judge.dialects.shown import block
from her.judge.verdict import Verdict
from her.models.base import Message
from her.rows.ask import Rejected
from her.rows.decode import BrokenJson, NoJson, decode
from her.rows.record import Refusal

STAGE = "judge"
"""What refusals and calls of a comparison are counted under."""
COPIED = "copied"
"""The reason of an answer that gives a candidate's words in place of a judgement."""

_OBJECT = re.compile(r"\{(?=\s*[\"}])|\[(?=\s*\{)")
_THOUGHT = re.compile(r"<(/?)think(?:ing)?>")
_JSON = json.JSONDecoder()


class Dialect(Protocol):
    """A shape of request and answer. `room` is how many tokens an answer may have; `schema` is what it can be held to,
    None where more than JSON is wanted of it."""

    @property
    def name(self) -> str:
        """What it is called in flags and rows."""

    @property
    def room(self) -> int:
        """Tokens."""

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """A JSON schema."""

    def prompts(self, case: Case) -> tuple[str, ...]:
        """The prompt texts that a request is made of, and the principles in it, `name@hash`."""

    def messages(self, case: Case, dropped: int = 0) -> tuple[Message, ...]:
        """The request, without the `dropped` oldest turns. Both orders of a case begin alike, up to its candidates."""

    def read(self, said: Any, case: Case | None = None) -> Verdict:
        """The verdict in an answer: its text, or the JSON in it.

        With the case, an answer that repeats a candidate is told from a judgement. That a verdict follows from its
        findings is not looked at (`verdict.checked`). Raises Rejected or a ValidationError for what is no answer.
        """

    def written(self, verdict: Verdict) -> str:
        """The answer that `read` takes for this verdict, as the request asks for it.

        Raises InputError for a verdict that cannot be an answer.
        """


def refuse_borrowed(value: Any, case: Case) -> None:
    """Raises Rejected for an answer that stands in a candidate, as it was written or as it is shown, by itself or
    inside of more JSON: then the candidate has given it."""
    for reply in (case.first, case.second):
        for text in (reply, case.shown(reply)):
            if value in _values(text[:LONGEST]) or value in _values(block(text, "")):
                raise refused(COPIED, "this verdict stands in a candidate; judge the two yourself")


def _values(text: str) -> list[Any]:
    """All JSON that could be an answer in a text, whatever is broken or closed around it."""
    found: list[Any] = []
    for opener in _OBJECT.finditer(text):
        with suppress(ValueError, RecursionError):
            found.append(_JSON.raw_decode(text, opener.start())[0])
    return found


def refused(reason: str, detail: str, where: str = "") -> Rejected:
    """An answer that cannot be used, told in one line."""
    return Rejected(Refusal(stage=STAGE, reason=reason, where=where, detail=detail))


def final(text: str) -> Any:
    """The last JSON object (or list of them) of an answer, decoded strictly; reasoning before it is dropped.

    Raises Rejected where there is none, where one is broken, and where the reasoning never ends.
    """
    marks = list(_THOUGHT.finditer(text))
    if marks and not marks[-1][1]:
        raise refused("no-json", "the reasoning never ends; close it, then give the JSON")
    text = text[marks[-1].end() :] if marks else text
    start = end = at = 0
    while opener := _OBJECT.search(text, at):
        try:
            _, at = _JSON.raw_decode(text, opener.start())
        except (ValueError, RecursionError) as error:
            raise refused("broken-json", f"the JSON is broken or never ends: {error}") from None
        start, end = opener.start(), at
    try:
        return decode(text[start:end], {"type": "object"})
    except NoJson:
        raise refused("no-json", "there is no JSON object in it") from None
    except BrokenJson as error:
        raise refused("broken-json", str(error)) from None
