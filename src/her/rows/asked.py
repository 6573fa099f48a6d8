"""A question put to a model straight: asked, read, and asked once more where the answer cannot be used.

Knows one repair. Refuses to keep anything, and to be patient with a server: who logs, caches or retries the calls
does that in the model that is handed in. A run with a journal asks through `answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from her.errors import ContextOverflow, ServerFault
from her.models.base import Constraint, Finish, Model, Reply
from her.rows.answers import mended
from her.rows.ask import Call, Rejected
from her.rows.decode import BrokenJson, NoJson, decode
from her.rows.record import Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What came of a question. `value` None: no answer could be used, for the `refusals` of the last one.

    `calls` and `replies` are all there were, in order.
    """

    value: T | None
    calls: tuple[Call, ...]
    replies: tuple[Reply, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def repairs(self) -> int:
        """How often it was asked again."""
        return len(self.replies) - 1

    @property
    def why(self) -> str:
        """In one line, why there is no value; empty where there is one."""
        return "; ".join(": ".join(filter(None, (one.where, one.detail or one.reason))) for one in self.refusals)


async def asked(model: Model, call: Call, read: Callable[[Any], T], *, stage: str) -> Asked[T]:
    """What `read` makes of the answer: of its JSON where the call has a schema, else of its text.

    `read` raises Rejected, or a ValidationError, for an answer that cannot be used; then the model is told the faults,
    once. An answer that the token limit ended is not asked for again, since the next would end there too. Raises
    ContextOverflow where the question does not fit, and ModelError.
    """
    reply = await _sent(model, call)
    value, faults = _read(call, reply, read, stage)
    if value is not None or reply.finish is Finish.LENGTH:
        return Asked(value, (call,), (reply,), faults)
    again = mended(call, reply.text, faults)
    try:
        second = await _sent(model, again)
    except ContextOverflow:
        return Asked(None, (call,), (reply,), faults)
    value, faults = _read(again, second, read, stage)
    return Asked(value, (call, again), (reply, second), faults)


async def _sent(model: Model, call: Call) -> Reply:
    reply = await model.generate(
        call.messages,
        call.sampling,
        prefill=call.prefill,
        constraint=Constraint(schema=call.schema) if call.schema is not None else None,
        call_id=call.id,
    )
    if reply.finish is Finish.CUT:
        raise ServerFault(f"{model.address} broke off in the middle of {call.id}: {reply.error or 'nobody says why'}")
    return reply


def _read(call: Call, reply: Reply, read: Callable[[Any], T], stage: str) -> tuple[T | None, tuple[Refusal, ...]]:
    try:
        return read(reply.text if call.schema is None else decode(reply.text, call.schema)), ()
    except (NoJson, BrokenJson) as error:
        cut = reply.finish is Finish.LENGTH
        reason = "length" if cut else "no-json" if isinstance(error, NoJson) else "broken-json"
        detail = f"longer than {call.sampling.max_tokens} tokens" if cut else str(error)
        return None, (Refusal(stage=stage, reason=reason, detail=detail),)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return None, tuple(
            Refusal(stage=stage, reason="schema", where=".".join(map(str, one["loc"])), detail=one["msg"])
            for one in found
        )
    except Rejected as error:
        return None, error.refusals
