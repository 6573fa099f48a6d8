"""A question that is asked straight: read, asked once more, given up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from her.errors import ContextOverflow, ServerFault
from her.models.base import Finish, Message, Reply, Sampling
from her.models.recorded import Scripted
from her.rows.ask import Call, Rejected
from her.rows.asked import Asked, asked
from her.rows.record import Refusal

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


class _N(BaseModel):
    model_config = ConfigDict(strict=True)
    n: int


def positive(said: Any) -> int:
    number = _N.model_validate(said).n
    if number <= 0:
        raise Rejected(Refusal(stage="count", reason="sign", where="n", detail="it must be above 0"))
    return number


async def ask(*replies: str, model: Scripted | None = None) -> tuple[Asked[int], Scripted]:
    one = model or Scripted(replies)
    call = Call(id="count/1", messages=(Message("user", "How many?"),), sampling=Sampling(), schema=SCHEMA)
    return await asked(one, call, positive, stage="count"), one


async def test_a_good_answer_is_taken_at_once() -> None:
    found, model = await ask('{"n": 2}')
    assert (found.value, found.repairs, found.why, len(model.calls)) == (2, 0, "", 1)
    assert model.calls[0].constraint is not None and model.calls[0].constraint.schema == SCHEMA


@pytest.mark.parametrize("bad", ["two", '{"n": ', '{"n": "2"}', '{"n": -1}', "[2]"])
async def test_a_bad_one_is_told_what_is_wrong_and_asked_for_once_more(bad: str) -> None:
    found, model = await ask(bad, '{"n": 3}')
    assert (found.value, found.repairs) == (3, 1)
    assert [one.content for one in model.calls[1].messages[:2]] == ["How many?", bad]
    assert model.calls[1].call_id == "count/1/repair"
    gone, model = await ask(bad, bad)
    assert gone.value is None and gone.why and len(model.calls) == 2


class Odd(Scripted):
    """Ends with another finish, or with an error from its second call on."""

    def __init__(self, text: str, finish: Finish, later: Exception | None = None) -> None:
        super().__init__(lambda messages, prefill: text)
        self.finish, self.later = finish, later

    async def stream(self, *given: Any, **more: Any) -> AsyncGenerator[str | Reply]:
        if self.calls and self.later:
            raise self.later
        async for piece in super().stream(*given, **more):
            yield Reply(piece.text, self.finish) if isinstance(piece, Reply) else piece


async def test_an_answer_that_the_limit_ended_is_not_asked_for_again_unless_it_is_whole() -> None:
    found, model = await ask(model=Odd('{"n": ', Finish.LENGTH))
    assert found.value is None and "tokens" in found.why and len(model.calls) == 1
    assert (await ask(model=Odd('{"n": 4} and so on', Finish.LENGTH)))[0].value == 4


async def test_a_repair_that_does_not_fit_leaves_the_first_refusal() -> None:
    found, _ = await ask(model=Odd("two", Finish.STOP, ContextOverflow("full")))
    assert found.value is None and found.repairs == 0 and found.why


async def test_a_reply_that_breaks_off_is_the_servers_fault() -> None:
    with pytest.raises(ServerFault, match="broke off"):
        await ask(model=Odd('{"n": 1}', Finish.CUT))
