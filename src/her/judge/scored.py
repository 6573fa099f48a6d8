"""The scored form of a verdict: which letter comes next, A or B, read from log-probabilities and not from words.

For models that are too small to argue, and cheap for all others: one token an order. Knows how a margin is made of
them. Refuses to take a model's word for anything: nothing that it writes is read.

The rules:
- In each order d = log p(first) - log p(second), in nats; its answer has d as the margin, cut off at 3, which is odds
  of 20 to 1.
- The verdict's margin is the mean of both orders' d, the second's turned round, cut off at 3. So whatever a letter is
  worth by itself, in the first place or the second, falls out: unlike in the written form, orders that disagree still
  have a mean. `consistent` is false all the same where they do.
- What is within `tie_band` of 0 is a tie, a verdict as well as the answers that are compared for consistency.
- A letter that the backend does not report, or a backend that cannot tell at all, is Unscored.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from statistics import mean

from her.errors import InputError
from her.judge.case import Case
from her.judge.compare import Asking, Orders, answered, both, call_id, room
from her.judge.dialects.shown import facts, marks, texts
from her.judge.verdict import MOST, Judgement, Reason, Unscored, Verdict, Winner
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Through, Usage
from her.prompts import prompt
from her.rows.ask import Ask, Call

LETTERS = ("A", "B")
_UNTOLD = "?"
_SAID = re.compile(r"A (\S+) B (\S+)")
_SAMPLING = Sampling(temperature=0.0, max_tokens=1, seed=0)


class Letters(Through):
    """A model whose reply to any prompt is how likely each letter is to come next: `A -0.1 B -2.4`, `?` where that
    cannot be told. So a journal keeps choices as it keeps replies."""

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        """One piece, and its Reply, which counts the prompt's tokens where the backend can."""
        # After a Chinese colon, and at the beginning of a reply, a letter stands without a space.
        space = " " if prefill and prefill[-1].isascii() and not prefill[-1].isspace() else ""
        options = [space + letter for letter in LETTERS]
        told = await self.model.choose(messages, options, prefill=prefill)
        weights = [told[option] if told else None for option in options]
        said = " ".join(
            f"{letter} {_UNTOLD if weight is None else repr(weight)}"
            for letter, weight in zip(LETTERS, weights, strict=True)
        )
        yield said
        yield Reply(said, Finish.STOP, Usage(prompt_tokens=await self.model.count(messages, prefill)))


class Scored:
    """A judge that is asked for one letter in each order.

    `asked` is a model, or the `Ask` of a row of a run whose model is a `Letters`. `tie_band` is in nats.
    """

    def __init__(self, asked: Model | Ask, *, orders: Orders = "both", tie_band: float = 0.0) -> None:
        if not 0 <= tie_band < MOST:
            raise InputError(f"a tie band is 0 to {MOST} nats, not {tie_band}")
        if not isinstance(asked, Model) and not isinstance(asked.model, Letters):
            raise InputError("a scored judge in a run needs the run's model to be a Letters")
        self.asking = Asking(asked if not isinstance(asked, Model) or isinstance(asked, Letters) else Letters(asked))
        self._orders, self._band = orders, tie_band

    async def judge(self, case: Case) -> Judgement:
        """The judgement; its verdicts have no findings."""
        ask = await self.asking.ready()
        begin = prompt(f"judge-scored/begin-{case.scene.prompt_language}") if ask.model.prefills else ""
        cases = both(case) if self._orders == "both" else (case,)
        dropped = await room(ask.model, lambda k: [request(one, k) for one in cases], len(case.before), 2, begin)
        told = [await self._one(ask, one, dropped, begin) for one in cases]
        if len(told) == 2:
            told[1] = told[1] if isinstance(told[1], Unscored) else -told[1]
        return self._settled(told)

    async def _one(self, ask: Ask, case: Case, dropped: int | None, begin: str) -> float | Unscored:
        """The difference for the candidate that is shown first."""
        if dropped is None:
            return Unscored(Reason.NO_ROOM, "it does not fit the judge's window with its last turn alone")
        call = Call(
            id=call_id(case, 0),
            messages=request(case, dropped),
            sampling=_SAMPLING,
            prompts=prompts(case),
            prefill=begin,
            language=case.scene.prompt_language,
        )
        return await answered(ask, call, difference)

    def _settled(self, told: Sequence[float | Unscored]) -> Judgement:
        asked = tuple(one if isinstance(one, Unscored) else Verdict(_cut(one)) for one in told)
        swapped = (False, True)[: len(told)]
        nothing = next((one for one in told if isinstance(one, Unscored)), None)
        if nothing:
            return Judgement(nothing, asked, swapped)
        read = [one for one in told if not isinstance(one, Unscored)]
        winners = {Verdict(self._banded(one)).winner for one in read}
        verdict = Verdict(self._banded(mean(read)), consistent=winners != {Winner.FIRST, Winner.SECOND})
        return Judgement(verdict, asked, swapped)

    def _banded(self, margin: float) -> float:
        return 0.0 if abs(margin) <= self._band else _cut(margin)


def request(case: Case, dropped: int = 0) -> tuple[Message, ...]:
    """The request: short rules, and the case as in our own dialect."""
    rules = prompt(f"judge-scored/{case.scene.prompt_language}", **marks())
    return Message("system", rules), Message("user", facts(case, dropped))


def prompts(case: Case) -> tuple[str, ...]:
    """The prompt texts of the request, `name@hash`."""
    code = case.scene.prompt_language
    return texts(
        *(f"{name}/{code}" for name in ("judge-scored", "judge-case", "judge-notes", "judge-person")),
        f"judge-scored/begin-{code}",
    )


def difference(said: str) -> float | Unscored:
    """How much likelier A is than B, in nats, from what `Letters` says."""
    found = _SAID.fullmatch(said.strip())
    try:
        weights = [float(one) for one in found.groups() if one != _UNTOLD] if found else []
    except ValueError:
        weights = []
    if len(weights) == 2 and all(-1e6 < one < 1e-3 for one in weights):
        return weights[0] - weights[1]
    if found and _UNTOLD in found.groups():
        return Unscored(Reason.FAILED, "the backend does not tell how likely the letters are")
    return Unscored(Reason.UNREADABLE, f"no log-probabilities of letters: {said[:80]!r}")


def _cut(margin: float) -> float:
    return max(-float(MOST), min(float(MOST), margin))
