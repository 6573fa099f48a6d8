"""What a stage's work sees of a model: one call, one reader of its answer, and the two ways of giving up.

Knows calls, readers and refusals. Refuses to know how an answer comes: journal, patience and repair are `answers`'.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from her.errors import HerError
from her.models.base import Message, Model, Sampling
from her.rows.record import Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One question to a model.

    `id` names it for people and recordings, such as `role-thinking/<row>/<turn>`; the repair of it is `<id>/repair`.
    `prompts` are the texts it was made of, `name@hash`. With a `schema` the answer is JSON: held to it where the
    model can be, told in words by the prompt elsewhere. `prefill` is sent only to a model that goes on from one.
    `cut_ok`: an answer that the token limit ended is no fault. `language` is that of the request for a repair.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    prompts: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    prefill: str = ""
    cut_ok: bool = False
    language: str = "en"


def seed_of(seed: int, name: str) -> int:
    """A seed that follows from a run's seed and a name, below 2**31: servers take no larger one."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big") >> 1


class Rejected(HerError):
    """An answer that cannot be used; each of its `refusals` says what is wrong in one line for the model to read."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__("; ".join(f"{r.reason} ({r.where})" if r.where else r.reason for r in refusals))
        self.refusals = refusals


class Dropped(HerError):
    """Nothing of a row can be used; `reason` is a short word to count by, `detail` one line for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class Ask(Protocol):
    """A model, as the work on one row asks it."""

    @property
    def model(self) -> Model:
        """Whom is asked; `address`, `context`, `prefills` and `constrains` are settled."""

    async def __call__(self, call: Call, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer: of its decoded JSON where the call has a schema, else of its text.

        `read` raises Rejected (a pydantic ValidationError counts as one, reason `schema`) for what cannot be used:
        the model is then told the faults and asked once more. Raises Rejected where that did not help, Dropped where
        the prompt does not fit the model or its server does not answer.
        """


async def together(*asks: Awaitable[T]) -> list[T]:
    """What several asks at once come to, in their order.

    All are waited for, and of several errors the first in their order is raised: what becomes of a row must not
    hang on which answer came first. An error that ends the run goes before one that drops the row.
    """
    came = await asyncio.gather(*asks, return_exceptions=True)
    errors = [one for one in came if isinstance(one, BaseException)]
    for error in (*(e for e in errors if not isinstance(e, Rejected | Dropped)), *errors):
        raise error
    return [one for one in came if not isinstance(one, BaseException)]
