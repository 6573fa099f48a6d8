"""What every stage of synthesis is: rows in, rows out, through a teacher that is asked and never trusted.

Knows what stages share: their options, the seeds of their calls, the line they add to a row's lineage. Refuses to
know how calls are journalled and counted (`rows`).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from her.models.base import Sampling
from her.prompts import prompt_hash
from her.rows.ask import Ask
from her.rows.record import Step
from her.rows.run import Done

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StageOptions:
    """What can be set for all stages; the defaults are for a teacher of 7B parameters or more.

    `temperature` and `top_p` are those of HER's setting completion (docs/sources.md). `plan_words` bounds a plan in
    words. `passage_chars` is how much text one `scenes` call reads, `evidence_chars` how much earlier text the
    others see. `terse` asks for shorter answers, for models that have little to say and a small window.
    """

    seed: int = 0
    temperature: float = 0.7
    top_p: float = 0.9
    plan_words: tuple[int, int] = (30, 90)
    passage_chars: int = 12_000
    evidence_chars: int = 6_000
    terse: bool = False


@dataclass(frozen=True)
class Stage(ABC, Generic[In, Out]):
    """One stage; frozen and picklable, so that it can run in another process."""

    name: ClassVar[str]
    options: StageOptions

    @abstractmethod
    async def work(self, row: In, ask: Ask) -> Done[Out]:
        """What becomes of one row. Raises Dropped where nothing of it can be used."""

    def sampling(self, call_id: str, max_tokens: int) -> Sampling:
        """How a call is sampled; its seed follows from the run's seed and the call's id, whatever the order."""
        digest = hashlib.sha256(f"{self.options.seed}/{call_id}".encode()).digest()
        return Sampling(
            temperature=self.options.temperature,
            top_p=self.options.top_p,
            max_tokens=max_tokens,
            seed=int.from_bytes(digest[:4], "big") >> 1,
        )

    def step(self, ask: Ask, *texts: str) -> Step:
        """The line for a row's lineage; `texts` are the names of the prompt texts that were used."""
        sampling = asdict(self.sampling("", 0))
        shown = {"seed": self.options.seed, **{name: sampling[name] for name in ("temperature", "top_p")}}
        return Step(stage=self.name, prompts=named(*texts), model=ask.model.address, sampling=shown)


def named(*texts: str) -> tuple[str, ...]:
    """The prompt texts as lineage names them, `name@hash`."""
    return tuple(f"{text}@{prompt_hash(text)}" for text in texts)
