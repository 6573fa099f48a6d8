"""Teachers for tests of synthesis: a double in this process, a server in another, and a little stage to ask them.

    python tests/teachers.py --faults 0.3 --log requests.jsonl      prints its address, then serves until it is killed

What the server says follows from the request alone; when it fails, from the request and how often it has come.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from her.errors import HerError
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage
from her.models.endpoint import Endpoint
from her.models.recorded import Call as Told
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Record, Refusal
from her.rows.report import Report
from her.rows.run import Done, RunOptions, Target, run

Shard = tuple[int, int]
Say = Callable[[Told], "str | Reply | HerError"]


class Teacher(Model):
    """A model that answers by a function of the call: a text, a whole Reply, or an error, which it raises.

    `calls` holds what it was asked, `flying` how many answers are under way, `most` how many there were at once.
    """

    prefills = True

    def __init__(
        self,
        say: Say,
        *,
        address: str = "teacher",
        constrains: bool = False,
        latency: Callable[[], float] | None = None,
    ) -> None:
        self.say, self.address, self.constrains, self.latency = say, address, constrains, latency
        self.calls: list[Told] = []
        self.flying = self.most = 0

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        call = Told(tuple(messages), sampling, prefill, constraint, call_id)
        self.calls.append(call)
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            await asyncio.sleep(self.latency() if self.latency else 0)
            said = self.say(call)
        finally:
            self.flying -= 1
        if isinstance(said, HerError):
            raise said
        reply = said if isinstance(said, Reply) else Reply(said, Finish.STOP, Usage(10, None, 5))
        yield reply.text
        yield reply


# --- the server ---

TEXT = "The lamp turns, and the sea goes on without an answer. "


def number(*parts: object) -> int:
    """A number that follows from the parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def said(messages: Sequence[Message], size: int, mistakes: float = 0.2) -> str:
    """The answer to a request. Of those that ask for JSON a share has a mistake, which most mend when told."""
    first, repaired = messages[0].content, len(messages) > 1
    if "JSON" not in first:
        size *= 2 if number("long", first) % 5 == 0 else 1
        return f"{number(first):08x} {TEXT * (size // len(TEXT) + 1)}"[:size]
    fate, wrong = number("fate", first) % 4, number("wrong", first) / 2**32 < mistakes
    value = {"word": f"{number(first):08x}", "count": number(first, "n") % 100, "text": TEXT * (size // len(TEXT))}
    if wrong and not (repaired and fate):
        return ['{"word": 5}', "I would rather not.", '{"word": "x", ', json.dumps(value | {"count": "many"})][fate]
    return f"Here you are:\n```json\n{json.dumps(value)}\n```\n" if fate == 1 else json.dumps(value)


class Server:
    """An OpenAI-compatible teacher. `faults` is the share of requests that fail, up to the fourth time each comes."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.flags = flags
        self.came: Counter[str] = Counter()
        self.log: IO[str] | None = flags.log.open("a", encoding="utf-8") if flags.log else None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        return app

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "teacher", "owned_by": "somebody"}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages = [Message(row["role"], row["content"]) for row in body["messages"]]
        name = self.name(messages, body)
        attempt = self.came[name]
        self.came[name] += 1
        fault = self.fault(name, attempt, messages)
        self.note(name, attempt, "came")
        await asyncio.sleep(self.flags.latency * (4 if fault == "slow" else 1))
        try:
            response: web.StreamResponse = await getattr(self, fault, self.well)(request, messages, body)
        except ConnectionResetError:  # who asked has been killed
            fault, response = "gone", web.Response()
        self.note(name, attempt, fault)
        return response

    def name(self, messages: Sequence[Message], body: Any) -> str:
        """What tells a request from others: the id at the end of its first message, repair, and room."""
        repair = "/repair" if len(messages) > 1 else ""
        return f"{messages[0].content.rpartition(' ')[2]}{repair}@{body['max_tokens']}"

    def fault(self, name: str, attempt: int, messages: Sequence[Message]) -> str:
        if attempt > 3 or number(name, attempt) / 2**32 >= self.flags.faults:
            return "well"
        kinds = ["busy", "broken", "slow", "dropped", "cut", "html"]
        kinds += ["garbled"] if "JSON" in messages[0].content and attempt < 2 else []
        return kinds[number(attempt, name) % len(kinds)]

    def said(self, messages: Sequence[Message]) -> str:
        return said(messages, self.flags.reply, self.flags.mistakes)

    def note(self, name: str, attempt: int, what: str) -> None:
        if self.log:
            self.log.write(json.dumps({"name": name, "attempt": attempt, "what": what}) + "\n")
            self.log.flush()

    async def busy(self, *_: Any) -> web.Response:
        return web.json_response({"error": {"message": "busy"}}, status=429, headers={"Retry-After": "0.02"})

    async def broken(self, *_: Any) -> web.Response:
        return web.json_response({"error": {"message": "out of order"}}, status=500)

    async def html(self, *_: Any) -> web.Response:
        return web.Response(text="<html><body>Welcome to the router</body></html>", content_type="text/html")

    async def dropped(self, request: web.Request, *_: Any) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async def garbled(self, request: web.Request, messages: Sequence[Message], body: Any) -> web.StreamResponse:
        return await self.stream(request, "<p>The model is loading, please wait.</p>", body)

    async def cut(self, request: web.Request, messages: Sequence[Message], body: Any) -> web.StreamResponse:
        response = await self.stream(request, self.said(messages)[:20], body, ends=False)
        assert request.transport
        request.transport.abort()
        return response

    async def well(self, request: web.Request, messages: Sequence[Message], body: Any) -> web.StreamResponse:
        return await self.stream(request, self.said(messages), body)

    async def stream(self, request: web.Request, text: str, body: Any, *, ends: bool = True) -> web.StreamResponse:
        """The text in pieces, as events; a token is four characters, and where they are used up the answer ends."""
        room = 4 * body["max_tokens"]
        text, finish = text[:room], "length" if len(text) > room else "stop"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        size = -(-len(text) // self.flags.chunks)
        events = [{"delta": {"content": text[at : at + size]}} for at in range(0, len(text), size)]
        events += [{"delta": {}, "finish_reason": finish}] if ends else []
        lines = [json.dumps({"choices": [{"index": 0, **event}]}) for event in events]
        if ends:
            counts = {"prompt_tokens": sum(len(m["content"]) for m in body["messages"]) // 4}
            lines += [json.dumps({"choices": [], "usage": counts | {"completion_tokens": len(text) // 4}}), "[DONE]"]
        await response.write("".join(f"data: {line}\n\n" for line in lines).encode())
        if ends:
            await response.write_eof()
        return response


async def serve(flags: argparse.Namespace) -> None:
    runner = web.AppRunner(Server(flags).app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1#teacher", flush=True)
    await asyncio.Event().wait()


def flags_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """How a server behaves: see the help texts."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible teacher on loopback that may fail.")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--reply", type=int, default=200, help="characters of an answer, about")
    parser.add_argument("--mistakes", type=float, default=0.2, help="share of answers in JSON that are no good")
    parser.add_argument("--chunks", type=int, default=3, help="pieces of an answer")
    parser.add_argument("--log", type=Path, default=None, help="file for one line when a request comes, one at its end")
    return parser.parse_args(arguments)


@contextmanager
def serving(*flags: str) -> Iterator[str]:
    """The address of a server in a process of its own, which ends with the block."""
    command = [sys.executable, __file__, *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


# --- the little stage ---


ROOM = 64
"""Tokens of an answer: too few for some of the server's usual 200 characters, which is 50, or twice that."""


class Errand(Record):
    """A row in."""

    id: str
    weight: int = 1


class Found(Record):
    """A row out."""

    id: str
    part: int
    words: tuple[str, ...]
    refused: tuple[str, ...] = ()


class Word(Record):
    """What an answer must hold."""

    word: str
    count: int
    text: str = ""


SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}, "count": {"type": "integer"}}}


async def errand(row: Errand, ask: Ask) -> Done[Found]:
    """Three calls, each of which needs the one before; the second may fail for good, the third has no JSON."""

    def call(name: str, words: str, schema: Any = SCHEMA) -> Call:
        id, sampling = f"errand/{row.id}/{name}", Sampling(seed=number(row.id, name) % 1000, max_tokens=ROOM)
        return Call(id, (Message("user", f"{words} {id}"),), sampling, ("errand/en@0",), schema)

    def few(value: Any) -> Word:
        word = Word.model_validate(value)
        if word.count > 90:
            raise Rejected(Refusal(stage="errand", reason="too-many", where="count", detail="at most 90"))
        return word

    pad = "So it was told at the fireside. " * row.weight
    first = await ask(call("first", f"Answer in JSON: what does {row.id} say? {pad}"), Word.model_validate)
    words, refused = [first.word], []
    try:
        words.append((await ask(call("second", f"Answer in JSON: what after {first.word}? {pad}"), few)).word)
    except Rejected as error:
        refused = list(error.refusals)
    last = await ask(call("third", f"What comes of {' and '.join(words)}? {pad}", None), str)
    if last[0] == "0":
        raise Dropped("silent", f"nothing comes of {row.id}")
    parts = range(1 + first.count % 3)
    made = (Found(id=row.id, part=n, words=(*words, last[:8]), refused=tuple(r.reason for r in refused)) for n in parts)
    return Done(tuple(made), tuple(refused))


def errands(count: int, weight: int = 1) -> Iterator[Errand]:
    """Rows for the little stage."""
    return (Errand(id=f"e{n:04}", weight=weight) for n in range(count))


def run_errands(folder: Path, address: str, rows: Iterable[Errand], *, limit: int = 8, shard: Shard = (1, 1)) -> Report:
    """The little stage against a server, without long patience."""
    base, _, name = address.partition("#")
    model = Endpoint(base, name, timeout=10, retries=0)
    options = RunOptions(limit=limit, patience=0.01)
    return asyncio.run(run(rows, errand, model, Target(folder, "errand", shard), options))


if __name__ == "__main__":
    asyncio.run(serve(flags_of()))
