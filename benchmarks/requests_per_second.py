"""How many requests a second a stage of synthesis gets out of a server, beside the same client without a stage.

    python benchmarks/requests_per_second.py --flying 64 512 --json requests.json

Three arms ask the same server (another process, 100 ms for each answer) for the same things: `aiohttp` posts and reads
bytes, with nothing of HER; `client` is HER's Endpoint in one `asyncio.gather` behind a semaphore, its answers thrown
away; `stage` is `her.rows` with the same Endpoint, and does all that a stage does: keys, journal on disk, pace, JSON,
schema, rows in order. Requests have 14 kB and answers 2 kB. The arms take turns, a different one first each time.
A ratio is the median of the ratios of one turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from her.models.base import Message, Sampling
from her.models.endpoint import Endpoint
from her.rows.ask import Ask, Call
from her.rows.record import Record
from her.rows.run import Done, RunOptions, Target, run

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from teachers import SCHEMA, TEXT, Errand, Word, serving

CALLS = 4
"""Calls of one row, one after the other."""
WARM_UP = 200
"""Requests of each arm that are not counted."""
SAMPLING = Sampling(max_tokens=1024, seed=1)


@dataclass(frozen=True, slots=True)
class Run:
    """One arm once: requests, seconds, and the client's processor time for one request in milliseconds."""

    arm: str
    flying: int
    turn: int
    requests: int
    seconds: float
    cpu_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class Counted(Record):
    """A row out."""

    id: str
    counts: tuple[int, ...]


def asked(row: str, number: int, size: int) -> tuple[Message, ...]:
    """A request of about so many bytes, like no other."""
    name = f"Answer in JSON. {row}/{number}"
    return (Message("user", TEXT * ((size - len(name)) // len(TEXT)) + name),)


async def stage(address: str, flags: argparse.Namespace, flying: int, requests: int) -> None:
    """All that a stage does."""

    async def work(row: Errand, ask: Ask) -> Done[Counted]:
        counts = []
        for number in range(CALLS):
            call = Call(f"bench/{row.id}/{number}", asked(row.id, number, flags.request), SAMPLING, (), SCHEMA)
            counts.append((await ask(call, Word.model_validate)).count)
        return Done((Counted(id=row.id, counts=tuple(counts)),))

    rows = (Errand(id=f"r{number}") for number in range(requests // CALLS))
    with tempfile.TemporaryDirectory() as folder:
        model = endpoint(address)
        report = await run(rows, work, model, Target(Path(folder), "bench"), RunOptions(limit=flying))
        await model.close()
    assert report.rows_in == requests // CALLS


async def client(address: str, flags: argparse.Namespace, flying: int, requests: int) -> None:
    """The same client, and nothing else."""
    model = endpoint(address)
    await model.probe()
    door = asyncio.Semaphore(flying)

    async def one(number: int) -> None:
        async with door:
            await model.generate(asked(f"r{number // CALLS}", number % CALLS, flags.request), SAMPLING)

    await asyncio.gather(*(one(number) for number in range(requests)))
    await model.close()


async def raw(address: str, flags: argparse.Namespace, flying: int, requests: int) -> None:
    """Posts, and reads the bytes of the answers."""
    url = address.partition("#")[0] + "/chat/completions"
    door = asyncio.Semaphore(flying)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            async with door:
                (message,) = asked(f"r{number // CALLS}", number % CALLS, flags.request)
                body = {"model": "teacher", "stream": True, "max_tokens": SAMPLING.max_tokens, "seed": 1}
                rows = [{"role": message.role, "content": message.content}]
                async with session.post(url, json={**body, "messages": rows}) as response:
                    await response.read()

        await asyncio.gather(*(one(number) for number in range(requests)))


def endpoint(address: str) -> Endpoint:
    """The client of both arms."""
    base, _, name = address.partition("#")
    return Endpoint(base, name, retries=0)


ARMS: dict[str, Callable[[str, argparse.Namespace, int, int], Awaitable[None]]] = {
    "aiohttp": raw,
    "client": client,
    "stage": stage,
}


def measured(arm: str, address: str, flags: argparse.Namespace, flying: int, turn: int) -> Run:
    """One arm, in an event loop of its own."""
    requests = (max(flags.requests, flying * flags.rounds) if turn >= 0 else WARM_UP) // CALLS * CALLS
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    asyncio.run(ARMS[arm](address, flags, flying, requests))  # type: ignore[arg-type]
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(arm, flying, turn, requests, seconds, cpu / requests * 1000)


def summary(runs: list[Run], flying: int) -> dict[str, dict[str, float]]:
    """Medians of each arm, and the median ratio to the bare client of the same turn."""
    rates = {(run.arm, run.turn): run.rate for run in runs if run.flying == flying}
    turns = sorted({turn for _, turn in rates})
    return {
        arm: {
            "requests_per_second": statistics.median(rates[arm, turn] for turn in turns),
            "cpu_ms": statistics.median(run.cpu_ms for run in runs if (run.arm, run.flying) == (arm, flying)),
            "of_client": statistics.median(rates[arm, turn] / rates["client", turn] for turn in turns),
        }
        for arm in ARMS
    }


def main() -> None:
    """Runs all arms in turn and prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--flying", type=int, nargs="+", default=[64, 512], help="calls under way")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=12_000, help="at least, in each run; a run has a slow start and end"
    )
    parser.add_argument("--rounds", type=int, default=24, help="at least so many times as many as are under way")
    parser.add_argument("--request", type=int, default=14_000, help="characters of a request")
    parser.add_argument("--reply", type=int, default=2_000, help="characters of an answer")
    parser.add_argument("--chunks", type=int, default=1, help="pieces in which an answer comes")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds before an answer")
    parser.add_argument("--json", type=Path, default=None, help="write everything measured to this file")
    flags = parser.parse_args()
    runs: list[Run] = []
    told = (f"--{name}={getattr(flags, name)}" for name in ("reply", "chunks", "latency"))
    with serving("--mistakes=0", *told) as address:
        for arm in ARMS:
            measured(arm, address, flags, 16, -1)
        for turn in range(flags.turns):
            for flying in flags.flying:
                names = list(ARMS)
                for arm in (*names[turn % 3 :], *names[: turn % 3]):
                    runs.append(measured(arm, address, flags, flying, turn))
                    print(f"turn {turn + 1}  {flying:>4} under way  {arm:<8} {runs[-1].rate:8.1f}/s", flush=True)
    medians = {str(flying): summary(runs, flying) for flying in flags.flying}
    print(f"{'under way':>9}  {'arm':<8} {'requests/s':>10} {'cpu ms':>7} {'of client':>9}")
    for flying in flags.flying:
        for arm, told in medians[str(flying)].items():
            rate, cpu, share = told["requests_per_second"], told["cpu_ms"], told["of_client"]
            print(f"{flying:>9}  {arm:<8} {rate:>10.1f} {cpu:>7.2f} {share:>9.3f}")
    if flags.json:
        machine = {"platform": platform.platform(), "cpus": os.cpu_count()}
        rows = {"machine": machine, "flags": {**vars(flags), "json": None}, "medians": medians}
        flags.json.write_text(json.dumps({**rows, "runs": [asdict(run) for run in runs]}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
