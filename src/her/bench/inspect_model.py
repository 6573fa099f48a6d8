"""A model of Inspect as a Model of HER, so that every call of a benchmark is logged, cached and limited by Inspect.

Knows how our words cross over to Inspect and back. Refuses to know which part a model plays (`roles`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from inspect_ai.model import (
    CachePolicy,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
    ResponseSchema,
)
from inspect_ai.model import Model as Inspects
from inspect_ai.util import JSONSchema

from her.bench.provider import Provider, Wish
from her.errors import ContextOverflow, ServerFault
from her.models.adapter import packaged
from her.models.address import BUNDLED
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage
from her.models.weights import GGUF_SHA256

_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}


class InspectModel(Model):
    """A model of Inspect, whoever provides it.

    What HER's own provider can do, this can: prefills, grammars, counts and log-probabilities pass through. Others get
    a JSON schema where they know one; they take no prefill and cannot weigh texts.
    """

    def __init__(self, model: Inspects) -> None:
        self.inspects = model
        self._inner = model.api.model if isinstance(model.api, Provider) else None
        # Kept for good, and each epoch has its own: a run that was killed asks nothing twice.
        self._cache = CachePolicy(expiry=None, per_epoch=True, scopes={"weights": weights(self.address)})

    @property
    def address(self) -> str:  # type: ignore[override]
        """The inner model's own address; of others, Inspect's name."""
        return self._inner.address if self._inner else str(self.inspects)

    @property
    def context(self) -> int | None:  # type: ignore[override]
        """The inner model's window."""
        return self._inner.context if self._inner else None

    @property
    def prefills(self) -> bool:  # type: ignore[override]
        """Whether the inner model goes on from a prefill."""
        return self._inner is not None and self._inner.prefills

    @property
    def constrains(self) -> bool:  # type: ignore[override]
        """Whether the inner model takes a grammar."""
        return self._inner is not None and self._inner.constrains

    async def probe(self) -> None:
        """Probes the inner model."""
        if self._inner:
            await self._inner.probe()

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        """The inner model's count."""
        return await self._inner.count(messages, prefill) if self._inner else None

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        """The whole reply as one piece, and the Reply; raises ContextOverflow, and what Inspect raises."""
        constraint = constraint or Constraint()
        wish = Wish(prefill, constraint.grammar, constraint.schema, repeat_penalty=sampling.repeat_penalty)
        output = await self._asked(messages, sampling, wish)
        text, used = output.completion, output.usage
        usage = Usage(used.input_tokens, used.input_tokens_cache_read, used.output_tokens) if used else Usage()
        if text:
            yield text
        yield Reply(text, Finish.LENGTH if output.stop_reason == "max_tokens" else Finish.STOP, usage)

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """What the inner model says of the options; None where Inspect's provider is not HER's."""
        if self._inner is None:
            return None
        found = json.loads((await self._asked(messages, Sampling(), Wish(prefill, choose=tuple(options)))).completion)
        return found if found is None else {option: found[option] for option in options}

    async def _asked(self, messages: Sequence[Message], sampling: Sampling, wish: Wish) -> ModelOutput:
        asked: list[ChatMessage] = [_MESSAGES[one.role](content=one.content) for one in messages]
        output = await self.inspects.generate(asked, config=self._config(sampling, wish), cache=self._cache)
        if output.stop_reason == "model_length":
            raise ContextOverflow(output.error or f"{self.address}: the prompt does not fit the model's window")
        if output.stop_reason == "unknown" or output.error:
            raise ServerFault(f"{self.address} gave no answer: {output.error or output.stop_reason}")
        return output

    def _config(self, sampling: Sampling, wish: Wish) -> GenerateConfig:
        config = GenerateConfig(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
            stop_seqs=list(sampling.stop) or None,
        )
        if self._inner:
            config.extra_body = wish.body()
        elif wish.schema:
            schema = JSONSchema.model_validate(dict(wish.schema))
            config.response_schema = ResponseSchema(name="answer", json_schema=schema)
        return config


def weights(address: str) -> str:
    """What tells the files behind an address from those that stood there before; empty for a server's model.

    Size and time of each file: answers of a model that was trained anew in the same place are not its own.
    """
    if address in BUNDLED:
        adapter = packaged() if address == BUNDLED[0] else None
        return f"{GGUF_SHA256} {_stat(adapter.path) if adapter else ''}"
    parts = [Path(part).expanduser() for part in (address, *address.split("+", 1))]
    files = [file for part in parts for file in (part.iterdir() if part.is_dir() else [part])]
    return " ".join(sorted({_stat(file) for file in files if file.is_file()}))


def _stat(path: Path) -> str:
    told = path.stat()
    return f"{path.name} {told.st_size} {told.st_mtime_ns}"
