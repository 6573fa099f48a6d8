"""A small OpenAI-compatible server on loopback that does as it is told: answers, errors, silence, broken streams.

    with FaultServer(status(500), say("Hello", " there")) as server:
        model = Endpoint(server.url)

Each chat or completion request gets the next act; the last one repeats. With kind "vllm" or "llamacpp" it
tokenises (one id a character, and one for a whole name in CONTROLS) and obeys the forced beginning of a grammar.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Act = Callable[["Handler"], None]

CONTROLS = ("<|im_start|>", "<|im_end|>", "</s>", "[INST]", "[/INST]")
FIRST_CONTROL = 0x110000
"""Ids from here on are control tokens'; smaller ones are characters."""


def ids_of(text: str) -> list[int]:
    """How the server tokenises: like most, it reads control tokens wherever their names stand."""
    ids: list[int] = []
    for part in re.split("(" + "|".join(map(re.escape, CONTROLS)) + ")", text):
        ids += [FIRST_CONTROL + CONTROLS.index(part)] if part in CONTROLS else map(ord, part)
    return ids


def say(*pieces: str, finish: str | None = "stop", echo: bool = False, tokens: int = 7) -> Act:
    """Streams the pieces; `echo` repeats the prefill first; `finish` None ends without a reason."""

    def act(handler: Handler) -> None:
        handler.open_stream()
        if echo:
            handler.chunk(handler.body["messages"][-1]["content"])
        for piece in (handler.forced(), *pieces):
            handler.chunk(piece)
        if finish:
            handler.event({"choices": [handler.choice("", finish)]})
        handler.event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": tokens}})
        handler.raw("data: [DONE]\n\n")
        handler.end_stream()

    return act


def events(*lines: str) -> Act:
    """A stream of `data:` lines, as they are."""

    def act(handler: Handler) -> None:
        handler.open_stream()
        for line in lines:
            handler.raw(f"data: {line}\n\n")
        handler.end_stream()

    return act


def status(code: int, message: str = "as told", headers: Mapping[str, str] | None = None) -> Act:
    """An error in the protocol's shape."""
    return lambda handler: handler.answer({"error": {"message": message, "code": code}}, code, headers)


def garbage(text: str = "<html>Welcome to the router</html>", kind: str = "text/html", code: int = 200) -> Act:
    """Something that is not in the protocol."""
    return lambda handler: handler.answer(text, code, {"Content-Type": kind})


def cut(*pieces: str) -> Act:
    """Streams the pieces, then breaks the connection."""

    def act(handler: Handler) -> None:
        handler.open_stream()
        for piece in pieces:
            handler.chunk(piece)
        handler.close_connection = True

    return act


def silence(*pieces: str, seconds: float = 20.0) -> Act:
    """Streams the pieces, then says nothing (until the server is closed)."""

    def act(handler: Handler) -> None:
        handler.open_stream()
        for piece in pieces:
            handler.chunk(piece)
        handler.server.closing.wait(seconds)
        handler.close_connection = True

    return act


class FaultServer:
    """The server; `url` is its base, `bodies` what chat and completion requests said, `paths` all requests."""

    def __init__(self, *acts: Act, kind: str = "somebody", models: tuple[str, ...] = ("m",), key: str = "") -> None:
        self.acts = list(acts) or [say("Hello.")]
        self.kind = kind
        self.models = models
        self.key = key
        self.window = 4000
        self.turn = "[{role}]{content}"
        self.tokenizes = kind in ("vllm", "llamacpp")
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self._http = _Http(("127.0.0.1", 0), Handler)
        self._http.told = self
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def next(self) -> Act:
        """The act of this request."""
        return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # of connections that come at the same time; with five, a busy machine drops some
    told: FaultServer

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Http
    body: dict[str, Any]

    def do_GET(self) -> None:
        told = self.server.told
        told.paths.append(self.path)
        if self.refused():
            return
        if self.path == "/v1/models":
            card = {"owned_by": told.kind, "max_model_len": told.window}
            self.answer({"data": [{"id": name, **card} for name in told.models]})
        else:
            self.answer({"error": {"message": "no such path"}}, 404)

    def do_POST(self) -> None:
        told = self.server.told
        told.paths.append(self.path)
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.refused():
            return
        if self.path in ("/v1/chat/completions", "/v1/completions"):
            told.bodies.append(self.body)
            told.next()(self)
        elif told.tokenizes and self.path == "/tokenize":
            self.answer({"tokens": self.tokens()})
        elif told.tokenizes and self.path == "/apply-template":
            self.answer({"prompt": self.rendered()})
        else:
            self.answer({"error": {"message": "no such path"}}, 404)

    def refused(self) -> bool:
        """Whether the key was wrong, and said so."""
        told = self.server.told
        given = self.headers.get("Authorization", "")
        told.keys.append(given)
        if told.key and given != f"Bearer {told.key}":
            self.answer({"error": {"message": f"Invalid key: {given}"}}, 401)
            return True
        return False

    def rendered(self) -> str:
        """Messages as this server's chat template writes them."""
        turn = self.server.told.turn
        opening = turn[: turn.index("{content}")].format(role="assistant")
        return "".join(turn.format(**row) for row in self.body["messages"]) + opening

    def tokens(self) -> list[int]:
        """Ids of what was asked for: llama.cpp takes a text or a list of texts, vLLM a text or messages."""
        if self.server.told.kind == "vllm":
            return ids_of(self.body["prompt"] if "prompt" in self.body else self.rendered())
        content = self.body["content"]
        return [one for part in ([content] if isinstance(content, str) else content) for one in ids_of(part)]

    def forced(self) -> str:
        """The literal with which a grammar in the body makes every reply begin."""
        grammar = self.body.get("grammar") or self.body.get("structured_outputs", {}).get("grammar") or ""
        literal = re.match(r'root ::= ("(?:[^"\\]|\\.)*") ', grammar)
        return json.loads(literal[1]) if literal else ""

    def choice(self, text: str, finish: str | None) -> dict[str, Any]:
        """A choice as either endpoint streams it."""
        inner = {"delta": {"content": text}} if "messages" in self.body else {"text": text}
        return {"index": 0, "finish_reason": finish, **inner}

    def open_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text: str) -> None:
        if text:
            self.event({"choices": [self.choice(text, None)]})

    def event(self, data: object) -> None:
        self.raw(f"data: {json.dumps(data)}\n\n")

    def raw(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, body: object, code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Quiet."""
