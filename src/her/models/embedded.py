"""A GGUF model, with a LoRA adapter or without, run inside this process by a prebuilt llama.cpp.

Knows the engine: its threads, its prompt cache, its chat templates, its faults. Every prompt goes in as token ids,
so that what a person types can never become a control token. Refuses to know what the text means.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import xllamacpp

from her.errors import BadAnswer, ContextOverflow, InputError, ModelError
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage
from her.models.choice import ALL, FEW, Choice, by_id, distinct, split, weighed
from her.models.prefill import safe_prefill
from her.models.template import marked, prompt_ids
from her.models.weights import GGUF_NAME

DEFAULT_CONTEXT = 8192
"""Tokens; what the bundled model was trained for. A model trained for fewer gets its own window."""
MAX_DEFAULT_THREADS = 16
"""Beyond this many, generation waits for memory and not for cores; `threads` goes higher."""
BATCH = 256
"""Tokens evaluated between two looks at whether to stop: about a second of the bundled model on two cores.
Prompts are read 2 % slower than with 512; with the engine's own 2048 a person who interrupts waits eight times as
long."""
BUNDLED_REPEAT_PENALTY = 1.1
"""What the bundled model needs not to circle; other models run without a penalty unless asked."""
_LEANING = 100.0
"""What is added to the logits of tokens that are asked about, so that one of them is drawn: of a token that is a part
of a character the engine reports nothing. What it reports are the logits before that."""

Chunk = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Request:
    body: Chunk
    forced: str


class Embedded(Model):
    """One GGUF file in memory; replies come one at a time, in the order in which they were asked for."""

    prefills = True
    constrains = True

    def __init__(
        self,
        path: Path,
        *,
        address: str | None = None,
        adapter: Path | None = None,
        context: int | None = None,
        threads: int | None = None,
        cache_mib: int = 512,
    ) -> None:
        """Loads the file: about a second for the bundled model.

        `adapter` is a LoRA in GGUF, applied in full; that it was made for this file is the caller's to check.
        `context` is the wanted window in tokens, never more than the model was trained for; None is 8192.
        `threads` None is HER_THREADS, or else the physical cores that this process may use.
        `cache_mib` is memory for evaluated prompts, so that every mind in a scene finds its own again.
        Raises InputError for a path that holds no GGUF, ModelError for one that cannot be loaded.
        """
        self.address = address or str(path)
        self._penalty = BUNDLED_REPEAT_PENALTY if path.name == GGUF_NAME else 1.0
        self._key = secrets.token_urlsafe()
        adapter = adapter and _checked(adapter)
        self._server: Any = _load(_checked(path), adapter, self._key, context or DEFAULT_CONTEXT, threads, cache_mib)
        self._port = urlsplit(self._server.listening_address).port
        self._ids = lru_cache(maxsize=1024)(self._tokenize)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="her-engine")
        self._running: set[threading.Event] = set()
        self._asking = threading.Lock()
        self.context: int = self._ask("/props")["default_generation_settings"]["n_ctx"]

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply, None]:
        """As `Model.stream`; closing the iterator stops the engine and waits until it has stopped."""
        request = await asyncio.to_thread(self._request, messages, sampling, prefill, constraint)
        text, last = "", Chunk()
        async with aclosing(self._chunks(request.body)) as chunks:
            async for last in chunks:
                if "error" in last:
                    break
                seen = max(len(text), len(request.forced))
                text += last["choices"][0]["text"]
                if text[seen:]:
                    yield text[seen:]
        said = text[len(request.forced) :]
        finish = {"stop": Finish.STOP, "length": Finish.LENGTH}.get(_finish_reason(last))
        if finish is not None:
            yield Reply(said, finish, _usage(last))
        elif said:
            yield Reply(said, Finish.CUT, error=str(self._fault(last, constraint)))
        else:
            raise self._fault(last, constraint)

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int:
        """Tokens of the rendered prompt with its prefill."""
        prompt = await asyncio.to_thread(self._prompt, messages)
        return len(prompt) + len(await asyncio.to_thread(self._ids, prefill))

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """As `Model.choose`, exact: the softmax of the engine's own logits. None only for a chance below 1e-38."""
        choice = await asyncio.to_thread(self._choice, messages, options, prefill)
        if choice.longest > self.context:
            raise ContextOverflow(
                f"the prompt and its longest option have {choice.longest} tokens, but the window of {self.address} "
                f"holds {self.context}: shorten the prompt, or ask for a wider window"
            )
        return await weighed(choice, self._next)

    async def warm(self, messages: Sequence[Message]) -> None:
        """Evaluates a prompt into the cache; one that is longer than the window is left to the reply to refuse."""
        prompt = await asyncio.to_thread(self._prompt, messages)
        if len(prompt) < self.context:
            async with aclosing(self._chunks({"prompt": prompt, "n_predict": 0})) as chunks:
                async for chunk in chunks:
                    if "error" in chunk:
                        raise self._fault(chunk, None)

    async def close(self) -> None:
        """Stops what is running, then gives the model's memory back; a closed model answers nothing more."""
        for stop in self._running:
            stop.set()
        await asyncio.to_thread(self._worker.shutdown)
        # A task that was cancelled leaves its thread asking, and the engine, once it ends, waits for that question
        # without letting Python go on: a deadlock.
        with self._asking:
            self._server = None

    def _choice(self, messages: Sequence[Message], options: Sequence[str], prefill: str) -> Choice:
        return split(self._prompt(messages), {option: self._ids(prefill + option) for option in distinct(options)})

    async def _next(self, ids: tuple[int, ...], wanted: frozenset[int]) -> Mapping[int, float]:
        """Log-probabilities of the next token; all of them where the likeliest do not hold those wanted."""
        leaning = [[token, _LEANING] for token in sorted(wanted)]
        found: dict[int, float] = {}
        for most in (FEW, ALL):
            body = {"prompt": list(ids), "n_predict": 1, "n_probs": most, "temperature": 0.0, "logit_bias": leaning}
            async with aclosing(self._chunks(body)) as chunks:
                async for chunk in chunks:
                    if "error" in chunk:
                        raise self._fault(chunk, None)
                    found = by_id(chunk) or found
            if wanted <= found.keys():
                break
        return found

    def _request(
        self, messages: Sequence[Message], sampling: Sampling, prefill: str, constraint: Constraint | None
    ) -> _Request:
        start = safe_prefill(self._ids, self._prompt(messages), prefill)
        if len(start.ids) + sampling.max_tokens > self.context:
            raise ContextOverflow(
                f"the prompt has {len(start.ids)} tokens and the reply may have {sampling.max_tokens}, but the window "
                f"of {self.address} holds {self.context}: ask for shorter replies, or for a wider window"
            )
        penalty = self._penalty if sampling.repeat_penalty is None else sampling.repeat_penalty
        body: Chunk = {
            "prompt": list(start.ids),
            "n_predict": sampling.max_tokens + len(self._ids(start.forced)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # The engine's own filters are off: the same sampling is the same distribution on every backend.
            "top_k": 0,
            "min_p": 0.0,
            "repeat_penalty": penalty,
            "stop": list(sampling.stop),
            "seed": -1 if sampling.seed is None else sampling.seed,
        }
        if constraint or start.forced:
            body["grammar"] = _grammar(constraint, start.forced)
        return _Request(body, start.forced)

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        """Ids of the messages under the model's own chat template, open for its reply."""
        asked = {"messages": marked(messages), "chat_template_kwargs": {"enable_thinking": False}}
        rendered = self._ask("/apply-template", asked)["prompt"]
        return prompt_ids(rendered, messages, self._spelled, address=self.address)[0]

    def _spelled(self, text: str, *, control: bool, first: bool = False) -> tuple[int, ...]:
        """As `_tokenize`; short texts from memory."""
        return self._tokenize(text, control=control, first=first) if first else self._ids(text, control=control)

    def _tokenize(self, text: str, *, control: bool = False, first: bool = False) -> tuple[int, ...]:
        """Ids of a text; `control`: names of control tokens count as such; `first`: with the token of beginning."""
        asked = {"content": text, "parse_special": control, "add_special": first}
        return tuple(self._ask("/tokenize", asked)["tokens"])

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call to the engine's loopback port; straight, since proxies of the environment are not for it."""
        with self._asking:
            if self._server is None:
                raise ModelError(f"{self.address} has been closed; open it again")
            link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            head = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            try:
                link.request("POST" if body else "GET", path, json.dumps(body) if body else None, head)
                answer = link.getresponse()
                content = json.load(answer)
            except (OSError, http.client.HTTPException, ValueError) as fault:
                raise BadAnswer(f"{self.address}: the engine did not answer {path} ({fault}); start again") from fault
            finally:
                link.close()
        if answer.status != http.client.OK:
            raise ModelError(f"{self.address}: the engine refused {path}: {content['error']['message']}")
        return content

    async def _chunks(self, body: Chunk) -> AsyncGenerator[Chunk, None]:
        """What the engine sends, as it sends it, from its own thread."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        stop = threading.Event()

        def receive(chunk: Chunk) -> bool:
            if not stop.is_set():
                loop.call_soon_threadsafe(queue.put_nowait, chunk)
            return stop.is_set()

        def run() -> None:
            if not stop.is_set():
                # With progress told, the engine can be stopped inside a long prompt too.
                options = {"stream": True, "cache_prompt": True, "return_progress": True}
                server.handle_completions({**body, **options}, receive)

        server = self._server
        if server is None:
            raise ModelError(f"{self.address} has been closed; open it again")
        self._running.add(stop)
        job = loop.run_in_executor(self._worker, run)
        job.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (chunk := await queue.get()) is not None:
                yield chunk
        finally:
            stop.set()
            self._running.discard(stop)
            await asyncio.wait([job])
        if (fault := job.exception()) is not None:
            yield {"error": {"message": str(fault)}}

    def _fault(self, chunk: Chunk, constraint: Constraint | None) -> ModelError:
        said = chunk.get("error", {}).get("message", "the engine was stopped before its reply ended")
        if constraint and "grammar" in said:
            return ModelError(f"{self.address} refuses this grammar ({said}):\n{_grammar(constraint)}")
        return ModelError(f"{self.address}: {said}")


def default_threads() -> int:
    """Threads for the engine: HER_THREADS, or else the physical cores this process may use, at most 16.

    Raises InputError where HER_THREADS is not a positive number.
    """
    wish = os.environ.get("HER_THREADS")
    if wish:
        if not wish.isdecimal() or int(wish) < 1:
            raise InputError(f"HER_THREADS is {wish!r}; it must be a number of threads, such as 4")
        return int(wish)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    siblings = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    physical = len({file.read_text(encoding="utf-8") for file in siblings}) or usable
    return min(usable, physical, MAX_DEFAULT_THREADS)


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as fault:
        raise InputError(f"{path} cannot be read ({fault.strerror}); name a GGUF file that is there") from fault
    if magic != b"GGUF":
        raise InputError(f"{path} is not a GGUF file (it begins with {magic!r}); fetch it again or name another")
    return path


def _load(
    path: Path, adapter: Path | None, key: str, context: int, threads: int | None, cache_mib: int
) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    params.n_ctx = context
    params.n_batch = params.n_ubatch = BATCH
    # One slot and a cache in memory: each prompt is set aside when another mind's comes, and found again by its
    # longest common beginning. No shifting of what lies behind it: that would keep traces of a dropped plan.
    params.n_parallel = 1
    params.cache_ram_mib = cache_mib
    params.n_cache_reuse = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or default_threads()
    params.api_keys = [key]  # the engine always opens a port on the loopback; other users of the machine see it
    params.ui = params.endpoint_slots = False
    params.prefill_assistant = False  # an own reply at the end is history, closed like any other
    params.verbosity = -1
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, MemoryError) as fault:  # the engine gives no reason of its own
        size = path.stat().st_size / 2**20
        also = f", {adapter} is no adapter for it" if adapter else ""
        raise ModelError(
            f"{path} could not be loaded: it is broken or cut short, of a kind this engine does not know{also}, or "
            f"there is too little memory for its {size:.0f} MiB and a window of {context} tokens. "
            "Fetch it again, or try a smaller model or window"
        ) from fault


def _grammar(constraint: Constraint | None, forced: str = "") -> str:
    """The constraint as this engine takes it, after `forced`; without a constraint anything may follow."""
    if constraint is None:
        return Constraint(grammar="reply ::= .*").gbnf(forced)
    if constraint.schema is None:
        return constraint.gbnf(forced)
    # White space between the tokens of JSON is fixed: a small model would spend the whole reply on it.
    schema = {"x-guidance": {"whitespace_flexible": False}, **constraint.schema}
    head = f"{json.dumps(forced, ensure_ascii=False)} " if forced else ""
    return f"%llguidance {{}}\nstart: {head}json\njson: %json {json.dumps(schema)}"


def _finish_reason(chunk: Chunk) -> str:
    return chunk["choices"][0]["finish_reason"] or "" if "choices" in chunk else ""


def _usage(chunk: Chunk) -> Usage:
    """The engine's own counters; those of the reply count forced text too."""
    told = chunk["timings"]
    return Usage(told["prompt_n"] + told["cache_n"], told["cache_n"], told["predicted_n"])
