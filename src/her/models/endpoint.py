"""Any OpenAI-compatible server as a Model: vLLM, SGLang, llama.cpp, hosted ones.

Where the server renders and tokenises (llama.cpp, vLLM), prompt and prefill go to it as token ids: prefill is then
exact, and no reasoning parser of the server touches the text. Elsewhere they go as chat messages.
Names of control tokens in contents and prefill go cut in two, or in look-alikes, so that none counts (`template`).
Knows how to ask (`servers`) and whom (`wire`); refuses to know what the text means.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from her.errors import BadAnswer, ContextOverflow, HerError, InputError, Refused
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage
from her.models.choice import ALL, FEW, HOSTED_MOST, by_id, by_text, distinct, split, weighed
from her.models.prefill import PROBES, Prefill, safe_prefill
from her.models.servers import (
    FINISHES,
    HOSTED,
    Body,
    Card,
    LlamaCppTokens,
    Missing,
    Server,
    Tokens,
    base_of,
    plain,
    text_of,
    usage_of,
)

if TYPE_CHECKING:
    from her.models.wire import Wire

T = TypeVar("T")

SPLITS = 256
"""Prefills whose settled part is remembered; a chat uses a handful, and asking costs a few dozen requests."""


class Endpoint(Model):
    """A model behind an OpenAI-compatible server.

    `name` None takes the only model there. `timeout` is the longest silence in seconds, before the first piece and
    between pieces; `retries` bounds how often a call that met 429, 5xx or a dropped connection is made again.
    `address`, `context`, `prefills` and `constrains` are known once `probe` has asked the server; `stream`,
    `generate`, `count` and `warm` call it. Where `prefills` is false a prefill is not sent; where `constrains` is
    false a grammar is not sent, and a JSON schema is sent without a promise. Usable from one `asyncio.run` after
    another.
    """

    def __init__(
        self,
        base_url: str,
        name: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retries: int = 3,
    ) -> None:
        if timeout <= 0 or retries < 0:
            raise InputError(f"timeout must be above 0 s and retries at least 0, not {timeout:g} and {retries}")
        self.base, self._root = base_of(base_url)
        self.address = f"{self.base}#{name}" if name else self.base
        self._name = name
        self._settings = (key, timeout, retries)
        self._line: Wire | None = None
        self._server: Server | None = None
        self._served: tuple[str, ...] = ()
        self._tokens: Tokens | None = None
        self._splits: dict[str, Prefill] = {}

    async def probe(self) -> None:
        """Learns once what the server is, which model it has, and what it can be asked.

        Raises InputError where the model has to be named, or is none of those there; a ModelError where the server
        cannot be reached or refuses.
        """
        async with await self._wire().gate():
            if self._server is not None:
                return
            cards = await self._cards()
            card = self._choose(cards)
            tokens = card.server.tokens(self._post, card.names[0]) if card.server.tokens else None
            self._tokens = tokens if tokens and await _works(tokens) else None
            self._name = card.names[0]
            self._served = tuple(card.names[0] for card in cards)
            self.address = f"{self.base}#{self._name}"
            self.context = card.context
            self.prefills = card.server.continues is not None
            self.constrains = card.server.grammar is not None
            self._server = card.server

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        """As `Model.stream`; a model's own reasoning field is left out, and no text at all is an empty reply."""
        await self.probe()
        ask = await self._ask(messages, sampling, prefill, constraint)
        said: list[str] = []
        reason: str | None = None
        error: str | None = None
        usage = Usage()
        try:
            async with aclosing(self._wire().events(ask.path, ask.body)) as events:
                async for event in events:
                    text, ended = text_of(event)
                    if piece := ask.lead.feed(text):
                        said.append(piece)
                        yield piece
                    usage, reason = usage_of(event, usage), ended or reason
            if piece := ask.lead.rest():
                said.append(piece)
                yield piece
            if reason is None:
                raise BadAnswer(f"{self.base} ended its answer without saying why")
        except HerError as fault:
            if reason is None and not said:
                raise self._explained(fault) from None
            # A connection that breaks after the reason has come has lost nothing but the usage.
            error = str(fault) if reason is None else None
        finish = FINISHES.get(reason or "", Finish.CUT)
        if finish is Finish.CUT and error is None:
            error = f"{self.base} stopped: {reason}"
        yield Reply("".join(said), finish, usage, error=error)

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        """Tokens of the rendered prompt and the whole prefill; None where the server does not tokenise."""
        await self.probe()
        if self._tokens is None:
            return None
        ids = await self._tokens.prompt(messages)
        return len(ids) + (len(await self._tokens.text(prefill)) if prefill else 0)

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """As `Model.choose`: exact on llama.cpp; on vLLM as far as its likeliest tokens go.

        Elsewhere an option is looked for among the first token's likeliest texts, white space around them left out,
        and is None where it is longer than a token. None where the server reports no log-probabilities.
        """
        names = distinct(options)
        await self.probe()
        tokens = self._tokens
        if tokens is None:
            return await self._overheard(messages, names, prefill)
        ids = await asyncio.gather(*(tokens.text(prefill + name) for name in names))
        choice = split(await tokens.prompt(messages), dict(zip(names, ids, strict=True)))
        if self.context and choice.longest > self.context:
            raise ContextOverflow(
                f"{choice.longest} tokens of prompt and option do not fit the window of {self.address}"
            )
        return await weighed(choice, self._next)

    async def warm(self, messages: Sequence[Message]) -> None:
        """Has one token made of the prompt, where the server is known to keep a cache."""
        await self.probe()
        if self._server is not HOSTED:
            await self.generate(messages, Sampling(max_tokens=1))

    async def close(self) -> None:
        """Closes the running loop's connections; a later call opens new ones."""
        if self._line:
            await self._line.close()

    def _wire(self) -> Wire:
        if self._line is None:
            # Here and not above: the SDK behind it takes half a second to import.
            from her.models.wire import Wire  # noqa: PLC0415

            self._line = Wire(self.base, *self._settings)
        return self._line

    async def _post(self, path: str, body: Body) -> Any:
        return await self._wire().post(self._root + path, body)

    async def _cards(self) -> list[Card]:
        """The server's models; a server that lists none is asked for the given name all the same."""
        try:
            answer = await self._wire().get(f"{self.base}/models")
        except InputError:
            if self._name is None:
                raise InputError(f"{self.base} lists no models; name one: {self.base}#NAME") from None
            return []
        entries = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(entries, list):
            raise BadAnswer(f"{self.base}/models answered without a list of models: {str(answer)[:200]}")
        return [Card.read(entry) for entry in entries]

    def _choose(self, cards: list[Card]) -> Card:
        """The named card, or the only one; our own kinds of server list all they have, hosted ones may not."""
        there = ", ".join(card.names[0] for card in cards) or "none"
        if self._name is None:
            if len(cards) != 1:
                raise InputError(f"{self.base} has these models: {there}; choose one: {self.base}#NAME")
            return cards[0]
        for card in cards:
            if self._name in card.names:
                return card
        if any(card.server is not HOSTED for card in cards):
            raise InputError(f"{self.base} has no model {self._name!r}; it has: {there}")
        return Card((self._name,), HOSTED, None)

    def _explained(self, fault: HerError) -> HerError:
        """A 404 with the models that are there; every other fault as it is."""
        if not isinstance(fault, Missing):
            return fault
        return InputError(f"{fault}; asked for {self._name!r}, it lists: {', '.join(self._served) or 'none'}")

    async def _ask(
        self, messages: Sequence[Message], sampling: Sampling, prefill: str, constraint: Constraint | None
    ) -> _Ask:
        server = self._server or HOSTED
        body: Body = {"model": self._name, "stream": True, "stream_options": {"include_usage": True}}
        body |= server.sampling(sampling)
        if self._tokens is None:
            rows, lead = plain(messages), _Lead("")
            body |= server.chat
            if prefill and server.continues is not None:
                rows += plain([Message("assistant", prefill)])
                body |= server.continues
                lead = _Lead(rows[-1]["content"])
            return _Ask("/chat/completions", body | {"messages": rows} | server.constrain(constraint), lead)
        ids = await self._tokens.prompt(messages)
        # A schema cannot be made to begin with other text, so there the whole prefill is given.
        whole = constraint is not None and constraint.schema is not None
        split = Prefill((), prefill, "") if whole else await self._split(self._tokens, prefill)
        if split.text:
            ids += await self._tokens.text(split.text)
        if self.context and len(ids) + sampling.max_tokens > self.context:
            raise ContextOverflow(
                f"{len(ids)} tokens of prompt and {sampling.max_tokens} of reply do not fit "
                f"the {self.context} of {self.address}"
            )
        body |= {"prompt": ids} | server.constrain(constraint, split.forced)
        return _Ask("/completions", body, _Lead(split.forced, forced=True))

    async def _next(self, ids: tuple[int, ...], wanted: frozenset[int]) -> Mapping[int, float]:
        """Log-probabilities of the next token, by id: on llama.cpp all of them where the likeliest are not enough."""
        body: Body = {"prompt": list(ids)}
        if not isinstance(self._tokens, LlamaCppTokens):
            asked = body | {"logprobs": HOSTED_MOST, "return_tokens_as_token_ids": True}
            return await self._first("/completions", asked, by_id) or {}
        # One of the tokens has to be drawn: of a part of a character llama.cpp reports nothing.
        body["logit_bias"] = [[token, 100.0] for token in sorted(wanted)]
        found: dict[int, float] = {}
        for most in (FEW, ALL):
            found = await self._first("/completions", body | {"n_probs": most}, by_id) or found
            if wanted <= found.keys():
                break
        return found

    async def _overheard(
        self, messages: Sequence[Message], names: Sequence[str], prefill: str
    ) -> dict[str, float | None] | None:
        """The options among the likeliest first tokens of a chat reply, by their text."""
        server = self._server or HOSTED
        rows, body = plain(messages), {"logprobs": True, "top_logprobs": HOSTED_MOST, **server.chat}
        if prefill and server.continues is not None:
            rows += plain([Message("assistant", prefill)])
            body |= server.continues
        told = await self._first("/chat/completions", body | {"messages": rows}, by_text)
        if not told:
            return None
        shares = {name: sum(math.exp(one) for text, one in told if text.strip() == name.strip()) for name in names}
        return {name: math.log(share) if share else None for name, share in shares.items()}

    async def _first(self, path: str, body: Body, read: Callable[[Body], T]) -> T | None:
        """What `read` finds in the first event of one token that holds anything; None where none does."""
        asked = {"model": self._name, "stream": True, "max_tokens": 1, "temperature": 0.0, **body}
        found: T | None = None
        try:
            async with aclosing(self._wire().events(path, asked)) as events:
                async for event in events:
                    found = found or read(event) or None
        except HerError as fault:
            raise self._explained(fault) from None
        return found

    async def _split(self, tokens: Tokens, prefill: str) -> Prefill:
        """The prefill's settled part and the rest, which the grammar has to force."""
        if prefill not in self._splits:
            # What it surely asks goes out at once, the rest one by one.
            texts = [prefill, *(prefill + probe for probe in PROBES)] if prefill else []
            known = dict(zip(texts, await asyncio.gather(*map(tokens.text, texts)), strict=True))
            split = None
            while split is None:
                try:
                    split = safe_prefill(known.__getitem__, (), prefill)
                except KeyError as unknown:
                    known[unknown.args[0]] = await tokens.text(unknown.args[0])
            if len(self._splits) >= SPLITS:
                self._splits.clear()
            self._splits[prefill] = split
        return self._splits[prefill]


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request."""

    path: str
    body: Body
    lead: _Lead


class _Lead:
    """Leaves out, once, what a server says before the reply itself.

    `forced` text must come, a grammar saw to it; an echo of the prefill may come or not.
    """

    def __init__(self, text: str, *, forced: bool = False) -> None:
        self._text = text
        self._forced = forced
        self._held = ""

    def feed(self, piece: str) -> str:
        """What of the stream so far is new reply; empty while that is open."""
        if not self._text:
            return piece
        self._held += piece
        if self._text.startswith(self._held) and self._held != self._text:
            return ""
        comes = self._held.startswith(self._text)
        if self._forced and not comes:
            raise BadAnswer(f"the server did not keep to the grammar: {self._held[:200]!r} instead of {self._text!r}")
        reply = self._held[len(self._text) :] if comes else self._held
        self._text = ""
        return reply

    def rest(self) -> str:
        """What was held back and is no echo after all; empty where forced text was cut short."""
        return self._held if self._text and not self._forced else ""


async def _works(tokens: Tokens) -> bool:
    """Whether the server's root can be reached for tokens; a proxy may pass only /v1 on."""
    try:
        return bool(await tokens.prompt([Message("user", "hello")])) and bool(await tokens.text("a"))
    except (InputError, Refused, BadAnswer):
        return False
