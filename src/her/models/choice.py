"""How likely a model is to go on with one of several given texts, weighed token by token.

Knows ids, and the shapes in which servers report the likeliest tokens. Refuses to know whom it asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from her.errors import InputError

FEW, ALL = 64, 1 << 20
"""How many of the likeliest tokens llama.cpp is asked to report: at first, and where one that is wanted was not among
them. It reports no more than it knows, and sorts no more than it reports."""
HOSTED_MOST = 20
"""The most that OpenAI's protocol allows (`top_logprobs`), and that vLLM reports unless told otherwise."""
_NEVER = -1e30
"""Below it a server means a probability of 0: llama.cpp writes the smallest number of its type for it."""

Next = Callable[[tuple[int, ...], frozenset[int]], Awaitable[Mapping[int, float]]]
"""Log-probabilities of the token after some ids: of those wanted, as far as the backend reports them, and of others."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`start` are the ids that all options follow on; `rests` what each then has of its own, at least one id."""

    start: tuple[int, ...]
    rests: Mapping[str, tuple[int, ...]]

    @property
    def longest(self) -> int:
        """Tokens of the longest option with all that is before it."""
        return len(self.start) + max(map(len, self.rests.values()))


def distinct(options: Sequence[str]) -> tuple[str, ...]:
    """The options; raises InputError where there are fewer than two, one is empty, or one stands twice."""
    if len(options) < 2 or not all(options) or len(set(options)) < len(options):
        raise InputError(
            f"a choice is between two or more different texts, not {list(options)!r}; leave out empty and equal ones"
        )
    return tuple(options)


def split(head: Sequence[int], options: Mapping[str, Sequence[int]]) -> Choice:
    """The choice among options, given the ids of the prompt, and those of the prefill and each option together.

    What the options share is put to the prompt: so their log-probabilities have the prefill's end in common, whichever
    way a tokenizer splits it.
    """
    shortest = min(map(len, options.values()))
    if not shortest:
        raise InputError(f"one of {list(options)!r} is no token at all for this model; take other options")
    shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, zip(*options.values(), strict=False)))
    shared = min(shared, shortest - 1)
    first = next(iter(options.values()))
    return Choice((*head, *first[:shared]), {name: tuple(ids[shared:]) for name, ids in options.items()})


async def weighed(choice: Choice, ask: Next) -> dict[str, float | None] | None:
    """The log-probability of each option: the sum over its tokens; None where the backend reports nothing at all."""
    known: dict[tuple[int, ...], Mapping[int, float]] = {}
    totals: dict[str, float | None] = {}
    for name, rest in choice.rests.items():
        total: float | None = 0.0
        for at, token in enumerate(rest):
            before = rest[:at]
            if before not in known:
                wanted = frozenset(o[at] for o in choice.rests.values() if len(o) > at and o[:at] == before)
                known[before] = await ask((*choice.start, *before), wanted)
                if not known[before]:
                    return None
            found = known[before].get(token)
            if total is None or found is None:
                total = None
                break
            total += found
        totals[name] = total
    return totals


def by_id(event: Mapping[str, Any]) -> dict[int, float]:
    """What a streamed event reports of its first token, by id; empty for an event that reports nothing.

    Reads llama.cpp's shape, and vLLM's where it was asked to write tokens as ids.
    """
    told = _told(event)
    if isinstance(told.get("content"), list):
        return {one["id"]: one["logprob"] for one in _likeliest(told) if isinstance(one.get("id"), int)}
    tops = told.get("top_logprobs")
    first = tops[0] if isinstance(tops, list) and tops and isinstance(tops[0], dict) else {}
    ids = {name.removeprefix("token_id:"): value for name, value in first.items()}
    return {int(name): value for name, value in ids.items() if name.isdecimal() and _possible(value)}


def by_text(event: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The same by text, in the shape of OpenAI's chat; one text may stand for several tokens."""
    return [(one["token"], one["logprob"]) for one in _likeliest(_told(event)) if isinstance(one.get("token"), str)]


def _told(event: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    told = choice.get("logprobs")
    return told if isinstance(told, dict) else {}


def _likeliest(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = told.get("content")
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    tops = first.get("top_logprobs")
    rows = tops if isinstance(tops, list) else []
    return [one for one in rows if isinstance(one, dict) and _possible(one.get("logprob"))]


def _possible(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _NEVER < value <= 0.0001
