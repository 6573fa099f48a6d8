"""Models that say what they were told to say: scripted, replayed from a file, or recorded into one.

Knows rows of recorded calls; refuses to know any backend.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from her.errors import InputError, ReplayMiss, StorageError
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Through, Usage, prompt_sha
from her.models.choice import distinct

NO_MODEL = "This is a scripted line: no language model is connected."
"""What `Scripted` answers when it was given nothing to say."""

Answer = Callable[[Sequence[Message], str], str]
"""A reply made of messages and prefill."""
Weights = dict[str, float | None] | None
"""What `Model.choose` returns."""
Weigh = Callable[[Sequence[Message], Sequence[str], str], Weights]
"""What is said of options, made of messages, options and prefill."""

_WEIGHTS: TypeAdapter[Weights] = TypeAdapter(Weights)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a Scripted got."""

    messages: tuple[Message, ...]
    sampling: Sampling
    prefill: str
    constraint: Constraint | None
    call_id: str | None


class Scripted(Model):
    """A double that gives its replies in order, or asks a function for each; `calls` holds what it was asked.

    `replies` None: the same line every time, which says that there is no model; a prefill is then not gone on from
    (`prefills` is false). `chunk` is the length of a streamed piece in characters; None: word by word.
    A call beyond the last reply raises ReplayMiss. `prefills`, `constrains` and `context` may be set, and so may
    `weigh`, which says how likely options are; without it nobody can tell.
    """

    weigh: Weigh | None = None

    def __init__(
        self, replies: Iterable[str] | Answer | None = None, *, address: str = "scripted", chunk: int | None = None
    ) -> None:
        if isinstance(replies, str):
            raise InputError("Scripted takes a list of replies, not one text: a text would be said letter by letter")
        if chunk is not None and chunk < 1:
            raise InputError(f"a chunk has at least 1 character, not {chunk}")
        self.address = address
        self.prefills = replies is not None
        self.calls: list[Call] = []
        self._chunk = chunk
        self._answer = replies if callable(replies) else None
        self._lines: Iterator[str] | None = None if replies is None or callable(replies) else iter(replies)

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        """The next reply in pieces, whatever sampling and constraint say."""
        self.calls.append(Call(tuple(messages), sampling, prefill, constraint, call_id))
        text = self._next(messages, prefill)
        for piece in _pieces(text, self._chunk):
            await asyncio.sleep(0)
            yield piece
        yield Reply(text, Finish.STOP)

    async def choose(self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = "") -> Weights:
        """What `weigh` says; None without it."""
        return self.weigh(messages, distinct(options), prefill) if self.weigh else None

    def _next(self, messages: Sequence[Message], prefill: str) -> str:
        if self._answer:
            return self._answer(messages, prefill)
        if self._lines is None:
            return NO_MODEL
        for line in self._lines:
            return line
        raise ReplayMiss(
            f"{self.address} has said all of its {len(self.calls) - 1} replies and was asked for one more; add a reply"
        )


class _Counts(BaseModel):
    """Usage, as it stands in a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None


class _About(BaseModel):
    """The recorded model: a replay has to look like it, or the same dialogue would make other prompts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    context: int | None = None
    prefills: bool = False
    constrains: bool = False


class Row(BaseModel):
    """One recorded call: a line of a replay file. It has an id, a sha (`prompt_sha`), or both.

    `key` is what a journal of `rows` finds it by; a replay does not look at it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = None
    id: str | None = None
    sha: str | None = None
    text: str
    chunks: tuple[tuple[Annotated[float, Field(ge=0)], str], ...] | None = None
    """(milliseconds since the call, piece) each; together they are `text`."""
    finish: Finish
    usage: _Counts
    logprobs: tuple[tuple[str, float], ...] | None = None
    error: str | None = None
    model: _About | None = None

    @classmethod
    def of(
        cls,
        reply: Reply,
        model: Model,
        *,
        id: str | None,
        sha: str | None = None,
        chunks: tuple[tuple[float, str], ...] | None = None,
        key: str | None = None,
    ) -> Row:
        """The row of a model's reply."""
        return cls(
            key=key,
            id=id,
            sha=sha,
            text=reply.text,
            chunks=chunks,
            finish=reply.finish,
            usage=_Counts(**{name: getattr(reply.usage, name) for name in _Counts.model_fields}),
            logprobs=reply.logprobs,
            error=reply.error,
            model=_About(
                address=model.address, context=model.context, prefills=model.prefills, constrains=model.constrains
            ),
        )

    @model_validator(mode="after")
    def _whole(self) -> Row:
        if self.id is None and self.sha is None:
            raise ValueError("a row needs an id or a sha to be found by")
        if self.chunks is not None and "".join(piece for _, piece in self.chunks) != self.text:
            raise ValueError("the chunks together are not the text")
        return self

    @property
    def reply(self) -> Reply:
        """The recorded reply."""
        return Reply(self.text, self.finish, Usage(**dict(self.usage)), self.logprobs, self.error)


class Replay(Model):
    """The replies of a JSONL file of rows, found by call id, then by the hash of messages and prefill.

    Rows with the same key are served in the order of the file, each once. `pace` plays recorded chunks with their
    timing times it; 0: at once. `context`, `prefills` and `constrains` are those of the recorded model where the
    file says; they may be set.
    Raises InputError naming file and line for a row that cannot be read, StorageError for such a file, ReplayMiss
    for a call that the file does not hold.
    """

    def __init__(self, path: Path | str, *, pace: float = 0.0) -> None:
        if pace < 0:
            raise InputError(f"pace is 0 (at once) or more, not {pace:g}")
        self.path = Path(path)
        self.address = f"replay:{self.path}"
        self.prefills = True
        self._pace = pace
        self._rows = _read(self.path)
        about = next((row.model for row in self._rows if row.model), None)
        if about:
            self.context, self.prefills, self.constrains = about.context, about.prefills, about.constrains
        self._left: dict[tuple[str, str], list[Row]] = {}
        for row in reversed(self._rows):
            for key in _keys(row.id, row.sha):
                self._left.setdefault(key, []).append(row)

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        """The recorded reply, in the recorded pieces."""
        row = self._take(call_id, prompt_sha(messages, prefill))
        began = time.monotonic()
        for at, piece in row.chunks or [(0.0, piece) for piece in _pieces(row.text, None)]:
            await asyncio.sleep(max(0.0, began + at / 1000 * self._pace - time.monotonic()) if self._pace else 0)
            yield piece
        yield row.reply

    async def choose(self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = "") -> Weights:
        """What was recorded of the same options after the same prompt. Raises ReplayMiss, and InputError for a row
        that holds something else."""
        row = self._take(None, _choice_sha(messages, distinct(options), prefill))
        try:
            return _WEIGHTS.validate_json(row.text)
        except ValidationError:
            raise InputError(f"{self.path}: the row {row.sha} holds no choice; record it again") from None

    def _take(self, call_id: str | None, sha: str) -> Row:
        for key in _keys(call_id, sha):
            if self._left.get(key):
                row = self._left[key][-1]
                for other in _keys(row.id, row.sha):
                    self._left[other] = [kept for kept in self._left[other] if kept is not row]
                return row
        served = sum(key in _keys(row.id, row.sha) for row in self._rows for key in _keys(call_id, sha))
        why = f"its {served} were served already" if served else "record it again"
        raise ReplayMiss(f"{self.path} has no row left with the id {call_id!r} or the sha {sha}; {why}")


class Recorder(Through):
    """A model whose calls are appended to a file, one row each, as they end; the file is what Replay reads.

    Each row is flushed, so a kill loses at most the calls under way; a call that is cut or cancelled is kept with
    what came of it. Raises StorageError where the file cannot be written.
    """

    def __init__(self, model: Model, path: Path | str) -> None:
        super().__init__(model)
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
            self._file = self.path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written: {error}; choose another place for the recording"
            ) from error
        if torn:
            # A row torn by a kill must not swallow the next one.
            self._file.write("\n")

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        """The model's own stream; the row is written before the Reply is given on."""
        began = time.monotonic()
        chunks: list[tuple[float, str]] = []
        reply: Reply | None = None
        stream = self.model.stream(messages, sampling, prefill=prefill, constraint=constraint, call_id=call_id)
        sha = prompt_sha(messages, prefill)
        try:
            async for piece in stream:
                if isinstance(piece, Reply):
                    reply = piece
                else:
                    chunks.append((round((time.monotonic() - began) * 1000, 1), piece))
                    yield piece
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
            if reply is None and chunks:
                text = "".join(piece for _, piece in chunks)
                self._write(Reply(text, Finish.CUT, error="given up before its end"), chunks, call_id, sha)
        if reply:
            self._write(reply, chunks, call_id, sha)
            yield reply

    async def choose(self, messages: Sequence[Message], options: Sequence[str], *, prefill: str = "") -> Weights:
        """What the model says of the options; it is written before it is given on."""
        told = await self.model.choose(messages, options, prefill=prefill)
        sha = _choice_sha(messages, options, prefill)
        self._write(Reply(json.dumps(told, ensure_ascii=False), Finish.STOP), [], None, sha)
        return told

    async def close(self) -> None:
        """Closes the file and the model."""
        self._file.close()
        await self.model.close()

    def _write(self, reply: Reply, chunks: list[tuple[float, str]], call_id: str | None, sha: str) -> None:
        whole = "".join(piece for _, piece in chunks) == reply.text
        row = Row.of(reply, self, id=call_id, sha=sha, chunks=tuple(chunks) if chunks and whole else None)
        try:
            self._file.write(row.model_dump_json(exclude_none=True) + "\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written: {error}; free some room or choose another place"
            ) from error


def _read(path: Path) -> list[Row]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error}; a replay needs a recorded file") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            what = f"{where}: {first['msg']}" if where else first["msg"]
            raise InputError(
                f"{path}, line {number} is not a recorded call ({what}); mend or delete the line"
            ) from None
    return rows


def _choice_sha(messages: Sequence[Message], options: Sequence[str], prefill: str) -> str:
    """What a choice is found by; never that of a prompt, whose prefill is text and no list."""
    return prompt_sha(messages, json.dumps([prefill, *options], ensure_ascii=False))


def _keys(call_id: str | None, sha: str | None) -> list[tuple[str, str]]:
    return [(kind, value) for kind, value in (("id", call_id), ("sha", sha)) if value is not None]


def _pieces(text: str, size: int | None) -> list[str]:
    """Pieces that together are the text: `size` characters each, or a word with the white space after it."""
    if size is None:
        return re.findall(r"\s+|\S+\s*", text)
    return [text[at : at + size] for at in range(0, len(text), size)]
