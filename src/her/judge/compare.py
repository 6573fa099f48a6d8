"""Comparing: a case is put to a judge in both orders, read, checked, and settled.

Knows orders, samples, windows, and the ways in which nothing comes of an answer. Refuses to know what is said to a
judge (`dialects`), and what its verdicts are for.

Both orders are asked one after the other, and their requests begin alike up to the candidates, so that a backend
with a prompt cache reads the case once. A case that does not fit the judge's window loses its oldest turns, whole, and
the request says how many; one that does not fit with its last turn alone is never asked (`no room`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from her.errors import InputError
from her.judge.case import Case
from her.judge.dialects import named
from her.judge.dialects.dialect import COPIED, STAGE, Dialect
from her.judge.verdict import Judged, Judgement, Reason, Unscored, checked, settled
from her.models.base import Message, Model, Sampling
from her.models.recorded import Row
from her.rows.answers import Answers, RowAsk, remote
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.journal import Journal
from her.rows.pace import Pace
from her.rows.report import Tally
from her.rows.run import SERVER_LIMIT

T = TypeVar("T")
Orders = Literal["both", "given"]
DRAWN = 0.7
"""Temperature of a judge that is asked several times; one that is asked once takes its likeliest words. Ours."""
_PATIENCE = 1.0
_REJECTED = {COPIED: Reason.COPIED, "length": Reason.CUT}
_DROPPED = {"context": Reason.NO_ROOM}
_DETAIL = 300


class Judging(Protocol):
    """Whatever judges cases."""

    async def judge(self, case: Case) -> Judgement:
        """What it comes to."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was asked: calls, and tokens as far as the backend told them. `cached_tokens` are those of the prompts that
    were not evaluated again."""

    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Judge:
    """A model that argues, asked in a dialect (a name, or one of `dialects`).

    `asked` is a model, or the `Ask` of a row, which keeps a journal. `samples` answers are got in each order; more than
    one differ by their seed. `sampling` None: the likeliest words of one sample, else drawn at DRAWN.
    """

    def __init__(
        self,
        asked: Model | Ask,
        dialect: Dialect | str = "ours",
        *,
        orders: Orders = "both",
        samples: int = 1,
        sampling: Sampling | None = None,
    ) -> None:
        if samples < 1:
            raise InputError(f"a judge is asked at least once in each order, not {samples} times")
        self.dialect = named(dialect) if isinstance(dialect, str) else dialect
        self.asking = Asking(asked)
        self._orders, self._samples = orders, samples
        temperature = 0.0 if samples == 1 else DRAWN
        self._sampling = sampling or Sampling(temperature=temperature, max_tokens=self.dialect.room, seed=0)

    async def judge(self, case: Case) -> Judgement:
        """The judgement; each order's answers stand in it as if they had been got in the given order."""
        ask = await self.asking.ready()
        cases = both(case) if self._orders == "both" else (case,)
        dropped = await room(
            ask.model,
            lambda k: [self.dialect.messages(one, k) for one in cases],
            len(case.before),
            self._sampling.max_tokens,
        )
        answers = [[await self._one(ask, one, dropped, n) for n in range(self._samples)] for one in cases]
        return judgement(*answers)

    async def _one(self, ask: Ask, case: Case, dropped: int | None, number: int) -> Judged:
        if dropped is None:
            return Unscored(Reason.NO_ROOM, "it does not fit the judge's window with its last turn alone")
        # Where a model is not held to a schema, its whole answer is read: only the last object in it counts.
        schema = self.dialect.schema if ask.model.constrains else None
        call = Call(
            id=call_id(case, number),
            messages=self.dialect.messages(case, dropped),
            sampling=replace(self._sampling, seed=(self._sampling.seed or 0) + number),
            prompts=self.dialect.prompts(case),
            schema=schema,
            language=case.scene.prompt_language,
        )
        return await answered(ask, call, lambda said: checked(self.dialect.read(said, case)))


class Asking:
    """How a judge asks: through a row's `Ask`, or straight, with the same patience and the same one repair."""

    def __init__(self, asked: Model | Ask) -> None:
        self._model = asked if isinstance(asked, Model) else None
        self._ask = None if isinstance(asked, Model) else asked
        self._tally, self._journal = Tally(), _Unkept()

    async def ready(self) -> Ask:
        """The `Ask`, its model probed."""
        if self._ask is None:
            assert self._model is not None
            await self._model.probe()
            pace = Pace(SERVER_LIMIT if remote(self._model) else 1)
            answers = Answers(STAGE, self._model, self._journal, pace, self._tally, _PATIENCE)
            self._ask = RowAsk(answers, 0)
        return self._ask

    @property
    def spent(self) -> Spent:
        """What was spent by asking straight; through a row's `Ask` the run counts (`rows.report`)."""
        tally = self._tally
        return Spent(tally.calls, tally.prompt_tokens, self._journal.cached, tally.completion_tokens)


class _Unkept(Journal):
    """A journal that keeps nothing, and counts tokens that came from a cache."""

    def __init__(self) -> None:
        super().__init__(os.devnull)
        self.cached = 0

    def add(self, key: bytes, row: Row) -> None:
        """Counts, and forgets."""
        self.cached += row.usage.cached_tokens or 0


def both(case: Case) -> tuple[Case, Case]:
    """The case as it is given, and with the candidates' places exchanged under an id of its own."""
    return case, replace(case.swapped, id=f"{case.id}~swapped")


def call_id(case: Case, number: int) -> str:
    """The name of a call: `judge/<case>/<sample>`; the exchanged order is a case of its own."""
    return f"{STAGE}/{case.id}/{number + 1}"


def judgement(given: Sequence[Judged], exchanged: Sequence[Judged] = ()) -> Judgement:
    """What answers in the given order, and answers with the places exchanged, come to; see `verdict.settled`."""
    asked = (*given, *(one.swapped for one in exchanged))
    return Judgement(settled(given, exchanged), asked, (False,) * len(given) + (True,) * len(exchanged))


async def answered(ask: Ask, call: Call, read: Callable[[Any], T]) -> T | Unscored:
    """What `read` makes of the answer to a call, or why there is none. Raises what ends a run, such as a key that is
    refused."""
    try:
        return await ask(call, read)
    except Rejected as error:
        first = error.refusals[0] if error.refusals else None
        reason = _REJECTED.get(first.reason if first else "", Reason.UNREADABLE)
        detail = ": ".join(filter(None, (first.where, first.detail))) if first else str(error)
        return Unscored(reason, detail[:_DETAIL])
    except Dropped as error:
        return Unscored(_DROPPED.get(error.reason, Reason.FAILED), error.detail[:_DETAIL])


async def room(
    model: Model,
    requests: Callable[[int], Sequence[tuple[Message, ...]]],
    num_turns: int,
    reserve: int,
    prefill: str = "",
) -> int | None:
    """How many of the oldest turns all the requests have to do without to fit, beside `reserve` tokens of answer.

    None where even the last turn alone is too much. 0 where the window is unknown, or the backend cannot count: a
    length is never guessed, and the backend's own error speaks.
    """
    if model.context is None:
        return 0
    most = model.context - reserve

    async def fits(dropped: int) -> bool:
        for messages in requests(dropped):
            tokens = await model.count(messages, prefill)
            if tokens is not None and tokens > most:
                return False
        return True

    if await fits(0):
        return 0
    low, high = 1, max(num_turns - 1, 0)
    if high < low or not await fits(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if await fits(middle):
            high = middle
        else:
            low = middle + 1
    return low
