"""How an answer comes: from the journal, or from the model with patience; and how it is read, or asked for again.

Knows what makes two calls the same, which faults pass, which answers deserve another try. Refuses to know rows.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from her.errors import (
    BadAnswer,
    ContextOverflow,
    HerError,
    ModelError,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling
from her.models.recorded import Row
from her.prompts import prompt, prompt_hash
from her.rows.ask import Call, Dropped, Rejected
from her.rows.decode import BrokenJson, NoJson, decode
from her.rows.journal import Journal
from her.rows.pace import MOST_PATIENCE, Pace
from her.rows.record import Refusal
from her.rows.report import Tally

T = TypeVar("T")

TRIES = 6
"""Requests for one answer where faults come that may pass."""
GARBLED_TRIES = 2
"""Further requests for an answer in JSON that has none in it: mostly a page of something between us and the model."""
DEAD = 8
"""Calls in a row that come to nothing, all tries of each, before a server counts as dead."""
MOST_FAULTS = 12
"""Faults of one answer that a model is told."""
FAULT_CHARS = 300
"""Characters of one fault that a model is told."""

_SAMPLING = tuple(field.name for field in fields(Sampling))


class Cut(ModelError):
    """An answer that broke off in the middle."""


PASSING: dict[type[ModelError], str] = {
    RateLimited: "rate-limited",
    ServerFault: "server-fault",
    Unreachable: "unreachable",
    TimedOut: "timed-out",
    BadAnswer: "bad-answer",
    Cut: "cut",
}
"""Faults that may be gone at the next try, and what a report calls them."""


def remote(model: Model) -> bool:
    """Whether a model is behind a wire: only there can the same request have another outcome the next time."""
    return model.address.startswith(("http://", "https://"))


@dataclass
class Answers:
    """The answers of one run, each of them asked for once; `patience` is in seconds, before the second try."""

    stage: str
    model: Model
    journal: Journal
    pace: Pace
    tally: Tally
    patience: float

    def __post_init__(self) -> None:
        self._flying: dict[bytes, asyncio.Future[None]] = {}
        self._lost = 0
        self._remote = remote(self.model)

    async def whole(self, call: Call, turn: int) -> Reply:
        """The answer to a call; one that the token limit ended is asked for again, once, with twice the room.

        `turn` is the number of the row, for the pace. Raises Rejected (`length`) where that was not enough either,
        Dropped (`server`) where no answer came, ContextOverflow, and whatever ends a run.
        """
        self.tally.prompts.update(call.prompts)
        reply = await self._once(call, turn)
        if self._enough(call, reply):
            return reply
        self.tally.lengthened += 1
        room = call.sampling.max_tokens
        try:
            reply = await self._once(replace(call, sampling=replace(call.sampling, max_tokens=2 * room)), turn)
        except ContextOverflow:
            raise self._too_long(call, room) from None
        if not self._enough(call, reply):
            raise self._too_long(call, 2 * room)
        return reply

    async def settle(self) -> None:
        """Waits for calls that nobody waits for any more, so that their answers are kept."""
        while self._flying:
            await asyncio.wait(self._flying.values())

    def _enough(self, call: Call, reply: Reply) -> bool:
        if reply.finish is not Finish.LENGTH or call.cut_ok:
            return True
        if call.schema is None:
            return False
        try:
            decode(reply.text, call.schema)
        except (NoJson, BrokenJson):
            return False
        return True

    def _too_long(self, call: Call, room: int) -> Rejected:
        return Rejected(Refusal(stage=self.stage, reason="length", where=call.id, detail=f"longer than {room} tokens"))

    async def _once(self, call: Call, turn: int) -> Reply:
        """The answer from the journal, from a call under way, or from the model."""
        key = self._key(call)
        while (reply := self.journal.find(key)) is None:
            flying = self._flying.get(key)
            if flying is None:
                return await self._asked(call, key, turn)
            await asyncio.wait((flying,))
            if not flying.cancelled():
                flying.result()
        self.tally.answer(reply.usage, found=True)
        return reply

    async def _asked(self, call: Call, key: bytes, turn: int) -> Reply:
        self._flying[key] = flying = asyncio.get_running_loop().create_future()
        try:
            reply = await self._patiently(call, key, turn)
            self.journal.add(key, Row.of(reply, self.model, id=call.id, key=key.hex()))
        except HerError as error:
            flying.set_exception(error)
            flying.exception()  # looked at: nobody else may be waiting for it
            raise
        else:
            flying.set_result(None)
        finally:
            flying.cancel()  # no more than a word where it is done
            del self._flying[key]
        self.tally.answer(reply.usage, found=False)
        return reply

    async def _patiently(self, call: Call, key: bytes, turn: int) -> Reply:
        """The model's answer, asked for again where a fault may pass."""
        faults = garbled = 0
        while True:
            try:
                reply = await self._sent(call, turn)
            except tuple(PASSING) as error:
                faults += 1
                if faults == TRIES:
                    raise self._given_up(call, error) from None
                self.tally.retries[next(name for kind, name in PASSING.items() if isinstance(error, kind))] += 1
                await asyncio.sleep(self._pause(key, faults, error))
                continue
            self._lost = 0
            if garbled == GARBLED_TRIES or not self._garbled(call, reply):
                return reply
            garbled += 1
            self.tally.garbled += 1

    async def _sent(self, call: Call, turn: int) -> Reply:
        """One request, when the pace lets it through."""
        held = call.schema is not None and self.model.constrains
        ticket = await self.pace.enter(turn)
        try:
            reply = await self.model.generate(
                call.messages,
                call.sampling,
                prefill=call.prefill,
                constraint=Constraint(schema=call.schema) if held else None,
                call_id=call.id,
            )
            if reply.finish is Finish.CUT:
                raise Cut(reply.error or f"{self.model.address} broke off")
            self.pace.success()
        except RateLimited as error:
            self.pace.setback(ticket, error.retry_after)
            raise
        except (ServerFault, Unreachable, TimedOut, Cut):
            self.pace.setback(ticket)
            raise
        finally:
            self.pace.leave()
        return _sound(reply)

    def _garbled(self, call: Call, reply: Reply) -> bool:
        if call.schema is None or not self._remote or reply.text.startswith(("{", "[")):
            return False
        try:
            decode(reply.text, call.schema)
        except NoJson:
            return True
        except BrokenJson:
            return False
        return False

    def _pause(self, key: bytes, faults: int, error: ModelError) -> float:
        """Seconds before the next try, doubled each time; the key spreads the calls that failed together."""
        if not self._remote:
            return 0.0
        wait = self.patience * (1 << faults - 1) * (1 + key[faults] / 512)
        after = error.retry_after if isinstance(error, RateLimited) else None
        return max(wait, min(after or 0.0, MOST_PATIENCE))

    def _given_up(self, call: Call, error: ModelError) -> HerError:
        self._lost += 1
        if self._lost < DEAD:
            return Dropped("server", f"{call.id}: no answer in {TRIES} tries; the last: {error}")
        return type(error)(
            f"{error}\nNothing came of {DEAD} calls in a row, {TRIES} tries each. All answers so far are kept: "
            "when the server is well again, the same command goes on from here"
        )

    def _key(self, call: Call) -> bytes:
        """What makes the call this one and no other: 32 bytes. A call's id is no part of it.

        Of a server's address the model's name counts and not the host: a job may go on with another machine's.
        """
        model = self.model.address.rpartition("#")[2] if self._remote else self.model.address
        sampling = [getattr(call.sampling, name) for name in _SAMPLING]
        schema = None if call.schema is None else dict(call.schema)
        digest = hashlib.sha256(to_json([self.stage, model, call.prompts, sampling, schema, call.prefill]))
        for message in call.messages:
            content = message.content.encode()
            digest.update(b"\n%s %d\n" % (message.role.encode(), len(content)))
            digest.update(content)
        return digest.digest()


class RowAsk:
    """The `Ask` of one row; `mended` tells whether an answer became usable in a second round."""

    def __init__(self, answers: Answers, turn: int) -> None:
        self.mended = False
        self._answers = answers
        self._turn = turn

    @property
    def model(self) -> Model:
        """Whom is asked."""
        return self._answers.model

    async def __call__(self, call: Call, read: Callable[[Any], T]) -> T:
        """As `Ask`."""
        if call.prefill and not self.model.prefills:
            call = replace(call, prefill="")
        try:
            reply = await self._answers.whole(call, self._turn)
        except ContextOverflow as error:
            raise Dropped("context", f"{call.id}: {error}") from None
        try:
            return self._read(call, reply.text, read)
        except Rejected as error:
            first = error
        tally = self._answers.tally
        tally.repairs += 1
        tally.faults.update(refusal.reason for refusal in first.refusals)
        again = mended(call, reply.text, first.refusals)
        try:
            reply = await self._answers.whole(again, self._turn)
        except ContextOverflow:
            raise first from None
        value = self._read(again, reply.text, read)
        self.mended = True
        return value

    def _read(self, call: Call, text: str, read: Callable[[Any], T]) -> T:
        stage = self._answers.stage
        try:
            return read(text if call.schema is None else decode(text, call.schema))
        except NoJson as error:
            raise Rejected(Refusal(stage=stage, reason="no-json", where=call.id, detail=str(error))) from None
        except BrokenJson as error:
            raise Rejected(Refusal(stage=stage, reason="broken-json", where=call.id, detail=str(error))) from None
        except ValidationError as error:
            raise Rejected(*_schema_faults(error, stage)) from None


def mended(call: Call, answer: str, refusals: Sequence[Refusal]) -> Call:
    """The call that asks for an answer again and says what is wrong with it."""
    text = f"mend/{'zh' if call.language.startswith('zh') else 'en'}"
    words = prompt(text, faults="\n".join(_line(refusal, call) for refusal in refusals[:MOST_FAULTS]))
    written = call.prefill + answer
    # Several servers refuse an assistant message that is blank.
    said = Message("assistant", written if written.strip() else "…")
    return replace(
        call,
        id=f"{call.id}/repair",
        messages=(*call.messages, said, Message("user", words)),
        prompts=(*call.prompts, f"{text}@{prompt_hash(text)}"),
    )


def _line(refusal: Refusal, call: Call) -> str:
    where = f"{refusal.where}: " if refusal.where and refusal.where != call.id else ""
    return f"- {' '.join(f'{where}{refusal.detail or refusal.reason}'.split())[:FAULT_CHARS]}"


def _schema_faults(error: ValidationError, stage: str) -> list[Refusal]:
    found = error.errors(include_url=False, include_input=False, include_context=False)[:MOST_FAULTS]
    return [
        Refusal(stage=stage, reason="schema", where=".".join(map(str, one["loc"])), detail=one["msg"]) for one in found
    ]


def _sound(reply: Reply) -> Reply:
    """The reply as text that can be written down: halves of characters, cut apart in a stream, are put together."""
    try:
        reply.text.encode()
    except UnicodeEncodeError:
        whole = reply.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return replace(reply, text=whole)
    return reply
