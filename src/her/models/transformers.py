"""Models that the transformers library runs in this process: folders that training wrote, and models of the hub.

Knows chat templates, token ids, masks and the attention cache. Refuses to know what a text means.
One call at a time: calls from elsewhere wait. Importing this module loads torch, and raises MissingExtra without it.
"""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import math
import re
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from her.errors import BadAnswer, ContextOverflow, InputError, MissingExtra, ModelError
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage
from her.models.choice import distinct, split, weighed
from her.models.decoding import Decoding
from her.models.prefill import Prefill
from her.models.tokens import Tokens

try:
    import torch
    import transformers
    from llguidance import LLMatcher
    from llguidance.gbnf_to_lark import GbnfToLarkError, gbnf_to_lark
except ImportError as missing:
    raise MissingExtra("a model of the transformers library", "train") from missing


@dataclass(frozen=True, slots=True)
class _Job:
    """One call, ready for the worker thread; `limit` counts the tokens that carry the forced text too."""

    start: Prefill
    limit: int
    sampling: Sampling
    grammar: str | None
    """What llguidance is to enforce, forced text included; None: any text."""
    until: int | None
    """Bytes after which the grammar lets go, because it only forced a text; None: it holds to the end."""


class Transformers(Model):
    """A causal language model of the transformers library, behind `Model`'s interface.

    `name_or_path` is a local folder or `org/name` of the hub (a leading `hf:` is dropped). `device` None takes CUDA,
    then Apple's MPS, then the CPU; several CUDA devices are shared where accelerate is installed. `dtype` is a name
    of torch's or "auto", the one that the weights are stored in. HF_HUB_OFFLINE is respected.
    Raises InputError for a folder or name that holds no model, ModelError where it cannot be loaded.
    """

    prefills = True
    constrains = True

    def __init__(self, name_or_path: str, *, device: str | None = None, dtype: str = "auto") -> None:
        name = name_or_path.removeprefix("hf:")
        self.address = f"hf:{name}"
        tokenizer, self._model = _load(_source(name), device, dtype)
        ends = self._model.generation_config.eos_token_id
        ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
        self.tokens = Tokens(tokenizer, self.address, ends, self._model.get_output_embeddings().weight.shape[0])
        self._pad = min(ends) if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        self.context = int(limit) if limit else None
        self._lock = threading.Lock()
        self._cache: Any = None
        self._cached: list[int] = []

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply, None]:
        """As `Model.stream`; closing the iterator, or cancelling its task, stops the model after the next token."""
        job = await asyncio.to_thread(self._prepare, messages, sampling, prefill, constraint)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def hand(piece: str) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        decoding = Decoding(
            self.tokens.bytes_of, self.tokens.ends, forced=job.start.forced, stop=sampling.stop, limit=job.limit
        )
        listener = _Listener(decoding, hand)
        work = asyncio.ensure_future(asyncio.to_thread(self._run, job, listener))
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        error: str | None = None
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            try:
                cached = await asyncio.shield(work)
            except (RuntimeError, MemoryError) as fault:  # torch reports its faults, memory included, as RuntimeError
                error, cached = _fault(self.address, fault), None
                if not decoding.text:
                    raise (fault if isinstance(fault, ModelError) else ModelError(error)) from fault
            if rest := decoding.rest():
                yield rest
            usage = Usage(len(job.start.ids), cached, len(decoding.ids))
            yield Reply(decoding.text, decoding.finish or Finish.CUT, usage, error=error)
        finally:
            listener.cancelled = True
            await asyncio.wait([work])  # the model is idle again when the stream is closed
            if not work.cancelled():
                work.exception()  # seen, so that asyncio does not report it when nobody waits for this any more

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        """Tokens of prompt and prefill."""
        return await asyncio.to_thread(lambda: len(self.tokens.head(messages)[0]) + len(self.tokens.ids(prefill)))

    async def choose(
        self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = ""
    ) -> dict[str, float | None] | None:
        """As `Model.choose`, exact: the log-softmax of the logits."""
        names = distinct(options)
        head, _ = await asyncio.to_thread(self.tokens.head, messages)
        choice = split(head, {name: self.tokens.ids(prefill + name, plain=True) for name in names})
        if self.context is not None and choice.longest > self.context:
            raise ContextOverflow(
                f"the prompt and its longest option have {choice.longest} tokens, but {self.address} has a window of "
                f"{self.context}; drop old turns"
            )
        return await weighed(choice, lambda ids, wanted: asyncio.to_thread(self._next, ids, wanted))

    async def warm(self, messages: Sequence[Message]) -> None:
        """Reads the prompt into the attention cache."""
        await asyncio.to_thread(lambda: self._read(self.tokens.head(messages)[0]))

    async def close(self) -> None:
        """Drops weights and cache."""
        with self._lock:
            self._cache = self._model = None
            self._cached = []

    def _prepare(
        self, messages: Sequence[Message], sampling: Sampling, prefill: str, constraint: Constraint | None
    ) -> _Job:
        start = self.tokens.prompt(messages, prefill)
        limit = sampling.max_tokens + len(self.tokens.ids(start.forced))
        if self.context is not None and len(start.ids) + limit > self.context:
            raise ContextOverflow(
                f"the prompt has {len(start.ids)} tokens and the reply may have {limit}, but {self.address} has a "
                f"window of {self.context}; drop old turns or lower max_tokens"
            )
        job = _Job(start, limit, sampling, None, None)
        if constraint is not None and (constraint.grammar is not None or constraint.schema is not None):
            return replace(job, grammar=self._checked(_lark(constraint, start.forced)))
        if start.forced:
            # The text after the forced one is free; `until` lets the grammar go when it is written.
            lark = f"start: {json.dumps(start.forced, ensure_ascii=False)} REST\nREST: /(.|\\n)*/"
            return replace(job, grammar=self._checked(lark), until=len(start.forced.encode()))
        return job

    def _checked(self, lark: str) -> str:
        grammar: str = LLMatcher.grammar_from_lark(lark)
        if fault := LLMatcher.validate_grammar(grammar, self.tokens.guide):
            raise InputError(f"the constraint is not a grammar that llguidance can use: {fault}")
        return grammar

    def _resume(self, ids: list[int]) -> int:
        """Crops the cache to what it shares with `ids`, all but the last; how many tokens that is."""
        shared = 0
        for a, b in zip(self._cached, ids[:-1], strict=False):
            if a != b:
                break
            shared += 1
        if self._cache is None or not shared or not self._cache.is_croppable:
            self._cache, self._cached = transformers.DynamicCache(config=self._model.config), []
            return 0
        if len(self._cached) > shared:
            self._cache.crop(shared - len(self._cached))
        return shared

    def _read(self, ids: list[int]) -> torch.Tensor:
        """Reads the ids into the cache; the logits of what comes next."""
        with self._lock, torch.inference_mode():
            done = self._resume(ids)
            self._cached = []
            rest = torch.tensor([ids[done:]], device=self._model.device)
            output = self._model(input_ids=rest, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            self._cached = list(ids)
            logits: torch.Tensor = output.logits[0, -1]
            return logits

    def _next(self, ids: tuple[int, ...], wanted: frozenset[int]) -> Mapping[int, float]:
        """Log-probabilities of the tokens wanted."""
        try:
            likely = torch.log_softmax(self._read(list(ids)).float(), -1)
        except (RuntimeError, MemoryError) as fault:
            raise ModelError(_fault(self.address, fault)) from fault
        return {token: float(likely[token]) for token in wanted}

    def _run(self, job: _Job, listener: _Listener) -> int:
        """Writes the reply into `listener`; how many tokens of the prompt came from the cache."""
        with self._lock, torch.inference_mode():
            if listener.cancelled:
                return 0
            ids = list(job.start.ids)
            done = self._resume(ids)
            self._cached = []  # nothing is known of the cache until this has ended well
            rows = torch.tensor([ids], device=self._model.device)
            output = self._model.generate(
                input_ids=rows,
                attention_mask=torch.ones_like(rows),
                past_key_values=self._cache,
                generation_config=self._settings(job),
                logits_processor=self._processors(job, listener.decoding),
                stopping_criteria=[listener],
            )
            self._cached = output[0].tolist()[: self._cache.get_seq_length()]
        return done

    def _settings(self, job: _Job) -> Any:
        """Greedy for the library: the noise of sampling is added by `_Draw`, from a generator of its own."""
        settings = copy.deepcopy(self._model.generation_config)
        settings.update(
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            max_length=None,
            max_new_tokens=job.limit,
            eos_token_id=sorted(self.tokens.ends),
            pad_token_id=self._pad,
            return_dict_in_generate=False,
        )
        if job.sampling.repeat_penalty is not None:
            settings.repetition_penalty = job.sampling.repeat_penalty
        return settings

    def _processors(self, job: _Job, decoding: Decoding) -> list[Any]:
        made: list[Any] = []
        if job.grammar is not None:
            made.append(_Mask(LLMatcher(self.tokens.guide, job.grammar, log_level=0), decoding, job.until))
        if job.sampling.temperature > 0:
            made.append(_Draw(job.sampling, self._model.device))
        return made


class _Listener:
    """Called by `generate` after every token: hands its text on, and says when to stop."""

    def __init__(self, decoding: Decoding, hand: Callable[[str], object]) -> None:
        self.decoding, self._hand = decoding, hand
        self.cancelled = False

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if self.decoding.finish is None and (piece := self.decoding.take(int(input_ids[0, -1]))):
            self._hand(piece)
        done = self.cancelled or self.decoding.finish is not None  # on CUDA the library may run on a little
        return torch.full((input_ids.shape[0],), done, device=input_ids.device, dtype=torch.bool)


class _Mask:
    """Admits only tokens that the grammar allows next."""

    def __init__(self, matcher: Any, decoding: Decoding, until: int | None) -> None:
        self._matcher, self._decoding, self._until = matcher, decoding, until
        self._seen = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        done = self._decoding.finish is not None
        if done or (self._until is not None and self._decoding.written >= self._until):
            return scores
        self._matcher.consume_tokens(self._decoding.ids[self._seen :])
        self._seen = len(self._decoding.ids)
        if self._matcher.is_error():
            raise BadAnswer(f"the constraint broke off: {self._matcher.get_error()}")
        packed = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        bits = (packed[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
        allowed = bits.flatten()[: scores.shape[-1]].bool().to(scores.device)
        return scores.masked_fill(~allowed, -math.inf)


class _Draw:
    """Draws by the Gumbel-max trick: the argmax of log-probability plus noise is a sample of the distribution.

    So a seed belongs to one call; `generate` can only draw from the process-wide generator.
    """

    def __init__(self, sampling: Sampling, device: Any) -> None:
        self._warpers: list[Any] = [transformers.TemperatureLogitsWarper(float(sampling.temperature))]
        if sampling.top_p < 1:
            self._warpers.append(transformers.TopPLogitsWarper(sampling.top_p))
        self._dice = torch.Generator(device)
        if sampling.seed is None:
            self._dice.seed()
        else:
            self._dice.manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for warp in self._warpers:
            scores = warp(input_ids, scores)
        noise = torch.empty_like(scores).exponential_(generator=self._dice)
        return scores - noise.log()


def _lark(constraint: Constraint, forced: str) -> str:
    """The constraint with `forced` before it, as llguidance reads it."""
    if constraint.grammar is not None:
        _check_names(constraint.grammar)
        try:
            return str(gbnf_to_lark(constraint.gbnf(forced)))
        except GbnfToLarkError as error:
            raise InputError(f"the constraint is not a GBNF grammar: {error}") from error
    spacing = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    schema = json.dumps({"x-guidance": spacing, **(constraint.schema or {})}, ensure_ascii=False)
    head = f"{json.dumps(forced, ensure_ascii=False)} " if forced else ""
    return f"start: {head}object\nobject: %json {schema}"


def _check_names(grammar: str) -> None:
    """Raises InputError for a rule that is missing or defined twice, for which llguidance has only bare Exceptions."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#.*', " ", grammar)
    defined = re.findall(r"([\w-]+)\s*::=", bare)
    if doubled := {name for name in defined if defined.count(name) > 1}:
        raise InputError(f"the constraint defines a rule twice: {', '.join(sorted(doubled))}")
    used = set(re.findall(r"[A-Za-z_][\w-]*", re.sub(r"\{[^}]*\}", " ", bare))) | {"reply"}
    if missing := used - set(defined):
        raise InputError(f"the constraint uses rules that it does not define: {', '.join(sorted(missing))}")


def _source(name: str) -> str:
    """The folder, or the name on the hub; raises InputError where it is plainly neither."""
    folder = Path(name) if name.startswith("~") and not name.startswith("~/") else Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder} holds no config.json; name a folder that transformers' save_pretrained wrote")
        return str(folder)
    if not name or name.count("/") > 1 or name.startswith((".", "~", "/")) or "\\" in name:
        raise InputError(f"there is no folder {name!r}; name a model folder, or a model of the hub as hf:org/name")
    return name


def _load(source: str, device: str | None, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model, ready for inference."""
    spread = device is None and torch.cuda.device_count() > 1 and importlib.util.find_spec("accelerate") is not None
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, device_map="auto" if spread else None
        )
        if not spread:
            model = model.to(device)
    except OSError as error:
        raise InputError(
            f"transformers finds no model {source!r}; check the name, and that the hub can be reached or the model "
            f"is in its cache (HF_HUB_OFFLINE=1 forbids fetching): {error}"
        ) from error
    except (ValueError, RuntimeError, ImportError, AttributeError, KeyError) as error:
        raise ModelError(_fault(f"hf:{source}", error)) from error
    if not isinstance(tokenizer, transformers.PreTrainedTokenizerFast):
        raise ModelError(f"hf:{source} has no fast tokenizer (tokenizer.json), which constraints and prefill need")
    if not tokenizer.chat_template:
        raise InputError(f"hf:{source} has no chat template; it is a base model, or its tokenizer folder lacks one")
    return tokenizer, model.eval()


def _fault(address: str, error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        return f"{address} ran out of memory; take a shorter context, a smaller model, or device='cpu': {text}"
    return f"{address} failed: {text}"
