"""What each kind of OpenAI-compatible server has to be asked, in one table.

Knows request bodies, the two ways to tokens, and that servers read control tokens inside of contents: no name of one
goes out whole. Refuses to know connections, retries and replies.
Sources: vLLM docs `features/structured_outputs` (0.12 and later) and `vllm/entrypoints/openai`, SGLang
`srt/entrypoints/openai/protocol.py`, llama.cpp `tools/server/README.md`. llama.cpp was checked by running it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from her.errors import BadAnswer, InputError
from her.models.base import Constraint, Finish, Message, Sampling, Usage
from her.models.template import CUT, cut, disarmed

Body = dict[str, Any]
Post = Callable[[str, Body], Awaitable[Any]]
"""Sends a body to a path at the server's root (outside /v1) and brings back its JSON."""

ANYTHING = Constraint(grammar="reply ::= ([^\\n] | [\\n])*")
"""The grammar of any text: needed where only the end of a prefill has to be forced."""

NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
"""Templates of hybrid models would otherwise open a thinking block of their own before the reply."""

FINISHES = {"stop": Finish.STOP, "eos_token": Finish.STOP, "stop_sequence": Finish.STOP, "length": Finish.LENGTH}


class Missing(InputError):
    """The server knows no such path or model (404)."""


class Tokens:
    """A server that renders its chat template and tokenises, so that prompts can be sent as ids."""

    def __init__(self, post: Post, model: str) -> None:
        self.post = post
        self.model = model

    async def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids of the rendered prompt, open for the reply; all control tokens in it are the template's."""
        raise NotImplementedError

    async def text(self, text: str) -> list[int]:
        """Ids of a text as it stands inside a prompt: nothing is added, and it holds no control tokens."""
        raise NotImplementedError

    async def ask(self, path: str, body: Body) -> Any:
        """The answer's `tokens` or `prompt`; BadAnswer where it has neither."""
        answer = await self.post(path, body)
        said = answer.get("prompt", answer.get("tokens")) if isinstance(answer, dict) else None
        if said is None:
            raise BadAnswer(f"{path} answered without tokens or prompt: {str(answer)[:200]}")
        return said


class VllmTokens(Tokens):
    """vLLM: `/tokenize` takes messages or a text.

    It renders and tokenises together, and cannot be told to read names of control tokens as characters
    (vllm-project/vllm#11691, closed), so they go there in look-alikes.
    """

    async def prompt(self, messages: Sequence[Message]) -> list[int]:
        """One request."""
        body = {"model": self.model, "messages": plain(messages), "add_generation_prompt": True, **NO_THINKING}
        return list(await self.ask("/tokenize", body))

    async def text(self, text: str) -> list[int]:
        """One request, without special tokens."""
        body = {"model": self.model, "prompt": disarmed(text), "add_special_tokens": False}
        return list(await self.ask("/tokenize", body))


class LlamaCppTokens(Tokens):
    """llama.cpp: `/apply-template` renders, `/tokenize` tokenises.

    The latter takes a list of strings and tokenises each by itself (`tokenize_mixed` in its server), so that a name
    of a control token, cut in two, stays the characters it is. `parse_special` false would not do: servers before
    July 2025 do not know it (ggml-org/llama.cpp#14783), and tokens that a model's makers added count all the same
    (#26309).
    """

    async def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Two requests; the template leaves out the beginning-of-text token and `add_special` puts it back."""
        text = await self.ask("/apply-template", {"messages": plain(messages, cut), **NO_THINKING})
        return await self._ids(text, first=True)

    async def text(self, text: str) -> list[int]:
        """One request, without special tokens."""
        return await self._ids(cut(text), first=False)

    async def _ids(self, text: str, *, first: bool) -> list[int]:
        whole, *more = text.split(CUT)
        body = {"content": [whole, *more] if more else whole, "add_special": first, "parse_special": True}
        return list(await self.ask("/tokenize", body))


@dataclass(frozen=True, slots=True)
class Server:
    """How one kind of server is asked; each field is the part of a request body that it adds."""

    name: str
    grammar: Callable[[str], Body] | None
    """GBNF; None: this kind takes no grammar."""
    schema: Callable[[Mapping[str, Any]], Body]
    repeat: str = "repetition_penalty"
    """What the server calls the repeat penalty."""
    chat: Body = field(default_factory=dict)
    """Added to every chat request: raw text, no thinking of the template's own."""
    continues: Body | None = None
    """Added to a chat request that ends with an assistant message to go on from; None: it cannot."""
    tokens: type[Tokens] | None = None

    def constrain(self, constraint: Constraint | None, forced: str = "") -> Body:
        """The constraint's part of a body; empty where there is none, or where this kind cannot keep to it."""
        if constraint and constraint.schema is not None:
            return self.schema(constraint.schema)
        if forced and not constraint:
            constraint = ANYTHING
        return self.grammar(constraint.gbnf(forced)) if constraint and self.grammar else {}

    def sampling(self, sampling: Sampling) -> Body:
        """The sampling's part of a body."""
        body: Body = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            self.repeat: sampling.repeat_penalty,
        }
        return {key: value for key, value in body.items() if value is not None}


def _response_format(schema: Mapping[str, Any]) -> Body:
    named = {"name": "reply", "schema": dict(schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


SERVERS = {
    "vllm": Server(
        name="vLLM",
        grammar=lambda text: {"structured_outputs": {"grammar": text}},
        schema=lambda schema: {"structured_outputs": {"json": dict(schema)}},
        chat=NO_THINKING,
        continues={"add_generation_prompt": False, "continue_final_message": True, "echo": False},
        tokens=VllmTokens,
    ),
    "sglang": Server(
        name="SGLang",
        grammar=lambda text: {"ebnf": text},
        schema=_response_format,
        chat={"separate_reasoning": False, **NO_THINKING},
        continues={"add_generation_prompt": False, "continue_final_message": True},
    ),
    "llamacpp": Server(
        name="llama.cpp",
        grammar=lambda text: {"grammar": text},
        schema=lambda schema: {"json_schema": dict(schema)},
        repeat="repeat_penalty",
        chat={"reasoning_format": "none", **NO_THINKING},
        continues={},
        tokens=LlamaCppTokens,
    ),
}
"""By the name each writes into `owned_by` of its model list."""

HOSTED = Server(name="hosted", grammar=None, schema=_response_format)
"""Everybody else: the bare protocol, no prefill, no grammar."""


@dataclass(frozen=True, slots=True)
class Card:
    """One entry of a server's model list."""

    names: tuple[str, ...]
    """The id, then its aliases."""
    server: Server
    context: int | None

    @classmethod
    def read(cls, entry: Any) -> Card:
        """The entry as a card; BadAnswer where it has no id."""
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise BadAnswer(f"the list of models holds an entry without an id: {str(entry)[:200]}")
        meta = entry.get("meta")
        window = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        names = (entry["id"], *(entry.get("aliases") or ()))
        return cls(names, SERVERS.get(str(entry.get("owned_by")), HOSTED), window if isinstance(window, int) else None)


def plain(messages: Sequence[Message], safe: Callable[[str], str] = disarmed) -> list[dict[str, str]]:
    """Messages as the protocol writes them, `safe` applied to their contents."""
    return [{"role": message.role, "content": safe(message.content)} for message in messages]


def base_of(url: str) -> tuple[str, str]:
    """(base, root) of a server's address: the base ends in its version (/v1 where it names none), the root has none.

    Raises InputError where the address is not http(s), or holds more than a host and a path.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InputError(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise InputError(
            f"leave user and password out of the address of {parts.hostname}; keys are given apart from it"
        )
    path = parts.path.rstrip("/")
    if not re.search(r"/v\d\w*(/|$)", path):
        path += "/v1"
    base = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    return base, re.sub(r"/v\d\w*$", "", base)


def text_of(event: Mapping[str, Any]) -> tuple[str, str | None]:
    """(new text, finish reason or None) of one streamed event of either endpoint; reasoning fields are not read."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    return (text if isinstance(text, str) else ""), choice.get("finish_reason")


def usage_of(event: Mapping[str, Any], before: Usage) -> Usage:
    """Token counts of a streamed event that has them; `before` of one that has none."""
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return before
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))
