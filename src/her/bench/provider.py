"""Inspect's provider `her`: every address of HER as a model of Inspect, such as `her/mini`.

Knows what crosses from Inspect to a Model and back: messages, sampling, and in `extra_body` what Inspect has no word
for (a prefill, a constraint, texts to weigh). Refuses to know who asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from her.errors import ContextOverflow, InputError, ServerFault
from her.models.address import open_model
from her.models.base import Constraint, Finish, Message, Model, Reply, Role, Sampling, Usage

NAME = "her"
SERVERS = 64
"""Calls under way at once to a server; Inspect's `--max-connections` says otherwise."""
_SERVERS = ("http://", "https://")
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call wants that Inspect has no word for.

    It travels in `extra_body`, and so is part of Inspect's cache key, as everything is that an answer depends on.
    """

    prefill: str = ""
    grammar: str | None = None
    schema: Mapping[str, Any] | None = None
    choose: tuple[str, ...] = ()
    repeat_penalty: float | None = None

    @classmethod
    def of(cls, config: GenerateConfig) -> Wish:
        """The wish that a call came with."""
        told = dict((config.extra_body or {}).get(NAME, {}))
        return cls(**{**told, "choose": tuple(told.get("choose", ()))})

    def body(self) -> dict[str, Any]:
        """The wish as a call takes it along."""
        return {NAME: {**asdict(self), "choose": list(self.choose)}}

    @property
    def constraint(self) -> Constraint | None:
        """What the reply must look like."""
        return Constraint(self.grammar, self.schema) if self.grammar or self.schema else None


def sampling(config: GenerateConfig, wish: Wish) -> Sampling:
    """How tokens are drawn; what Inspect was not told is HER's default."""
    told: dict[str, Any] = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_tokens": config.max_tokens,
        "seed": config.seed,
        "stop": tuple(config.stop_seqs) if config.stop_seqs else None,
        "repeat_penalty": wish.repeat_penalty,
    }
    return Sampling(**{name: value for name, value in told.items() if value is not None})


def _usage(usage: Usage) -> ModelUsage:
    asked, told = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return ModelUsage(
        input_tokens=asked,
        output_tokens=told,
        total_tokens=asked + told,
        input_tokens_cache_read=usage.cached_tokens,
    )


class Provider(ModelAPI):
    """A model at one of HER's addresses, for Inspect."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        opened: Model | None = None,
        **options: Any,
    ) -> None:
        """`options` are those of `open_model` (`-M context=8192`); `opened` is a model that is open already."""
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self.model = opened or open_model(model_name, key=api_key, **options)

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """The reply; stop reason `model_length` where the prompt does not fit. Raises InputError for tools."""
        if tools:
            raise InputError(f"{NAME}/{self.model_name} plays and answers; it has no tools")
        wish = Wish.of(config)
        messages = [Message(_ROLES[one.role], one.text) for one in input if one.role in _ROLES]
        try:
            if wish.choose:
                found = await self.model.choose(messages, wish.choose, prefill=wish.prefill)
                output = ModelOutput.from_content(self.model_name, json.dumps(found))
            else:
                output = self._said(await self._reply(messages, config, wish))
        except ContextOverflow as error:
            output = ModelOutput.from_content(self.model_name, "", stop_reason="model_length", error=str(error))
        return output

    async def _reply(self, messages: Sequence[Message], config: GenerateConfig, wish: Wish) -> Reply:
        reply = await self.model.generate(
            messages, sampling(config, wish), prefill=wish.prefill, constraint=wish.constraint
        )
        if reply.finish is Finish.CUT:
            raise ServerFault(
                f"{self.model.address} broke off in the middle of a reply: {reply.error or 'nobody says why'}"
            )
        return reply

    def _said(self, reply: Reply) -> ModelOutput:
        said = ChatMessageAssistant(content=reply.text, model=self.model_name, source="generate")
        stopped: StopReason = "max_tokens" if reply.finish is Finish.LENGTH else "stop"
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=said, stop_reason=stopped)],
            usage=_usage(reply.usage),
        )

    async def aclose(self) -> None:
        """Closes the model."""
        await self.model.close()

    def should_retry(self, ex: BaseException) -> bool:
        """Never: HER's models have patience of their own, and Inspect's is without end."""
        return False

    def max_connections(self) -> int:
        """One for a model in this process, which answers one question at a time; a server takes more."""
        return SERVERS if self.model.address.startswith(_SERVERS) else 1

    def connection_key(self) -> str:
        """Its own address: models share no limit."""
        return self.model.address


@modelapi(name=NAME)
def her() -> type[ModelAPI]:
    """Inspect's name for the provider."""
    return Provider
