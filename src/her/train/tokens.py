"""Turns as token ids: what a model reads, and where that begins which it is to learn.

Knows the chat template, the window, and by what rule old turns go. Refuses to lose a row: one that cannot fit is an
error that names it. The rule is that of chat (`her.script`): the oldest turns go in blocks of a quarter of the room
that history has, here by whole exchanges (what others said, and the character's answer).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from her.errors import InputError
from her.models.base import Message
from her.models.tokens import Tokens
from her.rows.samples import SftRow
from her.script import exchanges_to_drop, without_oldest

TEMPLATE = "chatml.jinja"


def chat_template() -> str:
    """Our ChatML template: used in training, and written beside every model that comes of it."""
    return files("her.models").joinpath(TEMPLATE).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Window:
    """How many tokens a row may have, and how many of them are kept free for the reply when old turns are cut."""

    tokens: int = 4096
    reply: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.reply < self.tokens:
            raise InputError(f"a window of {self.tokens} tokens cannot keep {self.reply} of them for the reply")


@dataclass(frozen=True, slots=True)
class Row:
    """One turn as ids: `ids[start:]` is learnt, its end token included; what stands before is read.

    `id` is the sample's, `group` names dialogue, character and variant, `dropped` counts the oldest exchanges that
    were left out to fit.
    """

    id: str
    group: str
    ids: tuple[int, ...]
    start: int
    dropped: int = 0

    @property
    def supervised(self) -> int:
        """How many tokens are learnt."""
        return len(self.ids) - self.start


class Encoder:
    """Turns samples into rows with one tokenizer, whose template is ours unless `template` is another.

    Raises InputError for a tokenizer or template that training cannot use.
    """

    def __init__(self, tokenizer: Any, address: str, *, window: Window | None = None, template: str = "") -> None:
        self.tokenizer, self.address = tokenizer, address
        self.window = window or Window()
        tokenizer.chat_template = template or chat_template()
        self.template_sha = hashlib.sha256(tokenizer.chat_template.encode()).hexdigest()[:12]
        self._tokens = Tokens(tokenizer, address, self._ends)

    @cached_property
    def _ends(self) -> frozenset[int]:
        """Ids that end a message in the template."""
        text = self.tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
        ids = self.tokenizer(text.rpartition("x")[2], add_special_tokens=False)["input_ids"]
        special = [id for id in ids if id in self.tokenizer.all_special_ids]
        if not special:
            raise InputError(
                f"{self.address}: its vocabulary has no end token of the template's messages as one token: take a "
                "model with ChatML's tokens, or set template = 'own' in the recipe"
            )
        return frozenset(special[:1])

    def rows(self, samples: Iterable[SftRow]) -> Iterator[Row]:
        """The samples as rows, in their order; raises InputError for one that cannot fit, naming it."""
        for sample in samples:
            yield self.row(sample)

    def row(self, sample: SftRow) -> Row:
        """One sample as a row, without its oldest exchanges where prompt and reply overflow the window."""
        row = self._row(sample)
        if len(row.ids) > self.window.tokens:
            exchanges = sum(message.role == "assistant" for message in sample.messages[:-1])
            raise InputError(
                f"{sample.id}: the turn has {row.supervised} tokens and its prompt {row.start} without {row.dropped} "
                f"of {exchanges} older exchanges, which is more than the window of {self.window.tokens}: widen the "
                "window in the recipe, or leave the row out of the data"
            )
        return row

    def fits(self, sample: SftRow) -> bool:
        """Whether `row` has room for a sample."""
        return len(self._row(sample).ids) <= self.window.tokens

    def bytes_of(self, token: int) -> bytes:
        """The UTF-8 bytes of a token; none for a special one."""
        return self._tokens.bytes_of(token)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a prompt, up to where the reply begins."""
        return self._tokens.head(messages)[0]

    def finished(self, messages: Sequence[Message], start: Sequence[int]) -> list[int]:
        """Ids of a whole row up to the end token of its last message.

        Raises InputError where `start`, the prompt's ids, is not how they begin: the template writes the last
        message otherwise than those before it, or a token reaches over the border.
        """
        ids = self._tokens.finished(messages)
        if ids[: len(start)] != list(start) or len(ids) <= len(start):
            raise InputError(
                f"{self.address}: its chat template does not continue a prompt with the reply (some put an empty "
                "block of reasoning there): leave `template` out of the recipe, so that ours is used"
            )
        return ids

    def _row(self, sample: SftRow) -> Row:
        """A sample as a row, however long."""
        *context, answer = sample.messages
        dropped, start = self._fit(context)
        ids = self.finished([*without_oldest(context, dropped), answer], start)
        group = f"{sample.scene}/{sample.character}/{'plan' if sample.plan else 'plain'}"
        return Row(sample.id, group, tuple(ids), len(start), dropped)

    def _fit(self, context: Sequence[Message]) -> tuple[int, list[int]]:
        """How many of the oldest exchanges to drop, and the ids of the prompt then."""
        room = self.window.tokens - self.window.reply
        whole = self.prompt(context)
        if len(whole) <= room:
            return 0, whole

        async def count(messages: Sequence[Message]) -> int:
            return len(self.prompt(messages))

        dropped = asyncio.run(exchanges_to_drop(context, count, room))
        return dropped, self.prompt(without_oldest(context, dropped))
