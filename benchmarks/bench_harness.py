"""What a benchmark costs besides its models: processor time for each call, memory, and how busy it keeps a server.

    python benchmarks/bench_harness.py --cases 200 --rounds 20
    python benchmarks/bench_harness.py --server 32 --cases 200 --rounds 6

Without a server, actor, world, choice of speaker and judge are scripted and answer at once: all that is left is HER
and Inspect, cache, log and all. `--server LIMIT` asks a fake server (another process) that works on so many requests at
once, a second each, and tells how full it was. The cases are made up here, in the shape of CoSER's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from aiohttp import web
from inspect_ai import eval
from inspect_ai.model import get_model

from her.bench.coser.task import coser
from her.bench.run import ANSWERS, answers_in
from her.models.base import Message
from her.models.recorded import Scripted

NAMES = ("Ann", "Bert", "Clara")
LINE = "[He does not know yet.] (looks at the river) We should go before the light does. I will not say it again."
TURN = (
    "<system_thinking>She holds back what she knows, and lets the weather speak for her.</system_thinking>"
    "{name}: <role_thinking>He does not know yet.</role_thinking><role_action>looks at the river</role_action>"
    "We should go before the light does. I will not say it again."
)


def case(at: int) -> dict[str, Any]:
    """A case of three people and a dozen lines."""
    about = "An old friend of the house, who keeps things to herself and forgets nothing. " * 8
    return {
        "book": f"Book {at % 100}",
        "topic": "The ferry",
        "scenario": "A landing stage at dusk, and the ferry is about to leave. " * 6,
        "key_characters": [{"name": name, "motivation": "To be gone before he comes."} for name in NAMES],
        "dialogues": [{"character": NAMES[turn % 3], "message": LINE} for turn in range(12)],
        "speaking_characters_w_env": list(NAMES),
        "major_characters": list(NAMES),
        "character_profiles": dict.fromkeys(NAMES, about),
        "plot": {"summary": "They leave.", "key_characters": [], "i_p": at},
        "i_p": at,
        "i_c": 0,
        "tag": "id",
    }


def answer(messages: Sequence[Message], prefill: str = "") -> str:
    """What any part of the benchmark says: a verdict, the next speaker, or a turn."""
    whole = " ".join(message.content for message in messages)
    if "flaws" in whole:
        return '{"flaws": []}'
    if "next_speaker" in whole:
        at = sum(message.content.count("\n") for message in messages) % len(NAMES)
        return json.dumps({"next_speaker": NAMES[at]})
    text = TURN.format(name=NAMES[0])
    return text[len(prefill) :] if text.startswith(prefill) else text.rpartition(": ")[2]


def serve(ready: Any, limit: int, delay: float) -> None:
    """A server that works on `limit` requests at once, and tells how full it was from the first tenth of them to the
    third quarter: before and after there are not enough cases to fill it."""
    room = asyncio.Semaphore(limit)
    times: list[tuple[float, float]] = []

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        async with room:
            began = time.monotonic()
            await asyncio.sleep(delay)
            times.append((began, time.monotonic()))
        text = answer([Message(one["role"], one["content"]) for one in body["messages"]])
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
        event = json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice], "usage": usage})
        return web.Response(text=f"data: {event}\n\ndata: [DONE]\n\n", content_type="text/event-stream")

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    async def share(_: web.Request) -> web.Response:
        ends = sorted(end for _, end in times)
        first, last = ends[len(ends) // 10], ends[len(ends) * 3 // 4]
        busy = sum(max(0.0, min(end, last) - max(began, first)) for began, end in times)
        return web.json_response({"full": round(busy / (limit * (last - first)), 3)})

    async def go() -> None:
        app = web.Application(client_max_size=2**24)
        app.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models), web.get("/told", share)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(go())


def main() -> None:
    """Runs it and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--server", type=int, default=0, metavar="LIMIT")
    parser.add_argument("--delay", type=float, default=1.0, metavar="SECONDS")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = measured(flags, Path(folder))
    sys.stdout.write(json.dumps(told) + "\n")


def measured(flags: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures of one run."""
    path = folder / "cases.json"
    path.write_text(json.dumps([case(at) for at in range(flags.cases)]))
    scripted = Scripted(answer)
    process, port = None, 0
    if flags.server:
        ready: Any = multiprocessing.Queue()
        process = multiprocessing.Process(target=serve, args=(ready, flags.server, flags.delay), daemon=True)
        process.start()
        port = ready.get(timeout=60)
        model = get_model(f"her/http://127.0.0.1:{port}/v1#m")
    else:
        model = get_model("her/scripted", opened=scripted, memoize=False)
    before, cpu, began = _memory(), time.process_time(), time.monotonic()
    with answers_in(folder / ANSWERS):
        (log,) = eval(
            coser(str(path), rounds=flags.rounds),
            model=model,
            model_roles={"actor": model, "judge": model},
            log_dir=str(folder / "logs"),
            display="none",
            max_connections=flags.server or None,
            max_samples=2 * flags.server or None,
        )
    spent, seconds = time.process_time() - cpu, time.monotonic() - began
    if log.status != "success":
        raise SystemExit(log.error.message[:400] if log.error else log.status)
    calls = sum(event.event == "model" for sample in log.samples or [] for event in sample.events)
    told = {
        "cases": flags.cases,
        "calls": calls,
        "cpu_ms_per_call": round(1000 * spent / calls, 2),
        "seconds": round(seconds, 1),
        "peak_mib": round(_memory() / 1024),
        "before_mib": round(before / 1024),
        "log_mib": round(os.path.getsize(log.location.removeprefix("file://")) / 2**20, 1),
    }
    if process:
        told |= json.loads(urlopen(f"http://127.0.0.1:{port}/told").read())
        process.kill()
    return told


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
