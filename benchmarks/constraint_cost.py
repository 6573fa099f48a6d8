"""What the format guarantee costs in speed: the embedded model with our grammar, without it, and llama.cpp alone.

    python benchmarks/constraint_cost.py --repeats 5 --json constraint_cost.json

One prompt, already evaluated, in all three arms; only writing is timed, from the first piece to the last. Arms take
turns, so that a busy machine slows all of them alike. `grammar` and `free` go through our model interface, `raw` is
llama.cpp's own completion endpoint with the same prompt ids, seed and sampling, told to go on past the end.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from her.actor import Actor
from her.grammar import SMALL, Limits, grammar
from her.models.base import Constraint, Message, Reply, Sampling
from her.models.embedded import BUNDLED_REPEAT_PENALTY, Embedded, default_threads
from her.models.weights import pull
from her.scene import bundled_scene
from her.turn import ENVIRONMENT

ARMS = ("grammar", "free", "raw")
ASK = Message("user", "Tell the whole story of your life, from your first memory on, in many long sentences.")


@dataclass(frozen=True, slots=True)
class Speed:
    """One reply: its tokens, and how many came in a second after the first piece."""

    arm: str
    repeat: int
    tokens: int
    tokens_per_s: float


async def through_model(
    model: Embedded, messages: list[Message], sampling: Sampling, constraint: Constraint | None
) -> tuple[int, float]:
    """Tokens after the first piece, and the seconds they took."""
    first = 0.0
    async for item in model.stream(messages, sampling, constraint=constraint):
        if isinstance(item, Reply):
            return (item.usage.completion_tokens or 1) - 1, time.perf_counter() - first
        first = first or time.perf_counter()
    raise AssertionError("a stream ended without a Reply")


def raw(model: Embedded, messages: list[Message], sampling: Sampling) -> tuple[int, float]:
    """The same from llama.cpp's server, which the embedded engine runs on a loopback port (hence the private names)."""
    body = {
        "prompt": model._prompt(messages),
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": 0,
        "min_p": 0.0,
        "repeat_penalty": BUNDLED_REPEAT_PENALTY,
        "seed": sampling.seed,
        "ignore_eos": True,
        "cache_prompt": True,
        "stream": True,
    }
    head = {"Authorization": f"Bearer {model._key}", "Content-Type": "application/json"}
    link = http.client.HTTPConnection("127.0.0.1", model._port, timeout=600)
    link.request("POST", "/completion", json.dumps(body), head)
    first, last = 0.0, {}
    for line in link.getresponse():
        if line.startswith(b"data: {"):
            last = json.loads(line.removeprefix(b"data: "))
            first = first or time.perf_counter()
    seconds = time.perf_counter() - first
    link.close()
    return int(last["tokens_predicted"]) - 1, seconds


def measure(model: Embedded, repeats: int, limits: Limits, max_tokens: int) -> list[Speed]:
    """All arms in turn, `repeats` times, after one unmeasured round."""
    scene = bundled_scene("netherfield-ball")
    name = scene.names[0]
    messages = [*asyncio.run(Actor(scene, name, model).prompt(scene.dialogue())).messages[:1], ASK]
    rules = Constraint(grammar=grammar(limits, name=name, others=[*scene.names[1:], ENVIRONMENT]))
    made = []
    for repeat in range(-1, repeats):
        sampling = Sampling(max_tokens=max_tokens, seed=repeat + 1)
        for arm in ARMS:
            if arm == "raw":
                tokens, seconds = raw(model, messages, sampling)
            else:
                constraint = rules if arm == "grammar" else None
                tokens, seconds = asyncio.run(through_model(model, messages, sampling, constraint))
            if repeat >= 0 and tokens > 0:
                made.append(Speed(arm, repeat, tokens, tokens / seconds))
    return made


def main() -> None:
    """Runs the arms and prints medians and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--limits", choices=("small", "full"), default="small", help="budgets of the layers")
    parser.add_argument("--gguf", type=Path, default=None, help="default: the bundled model")
    parser.add_argument("--json", type=Path, default=None, help="write everything measured to this file")
    flags = parser.parse_args()
    threads = flags.threads or default_threads()
    model = Embedded(flags.gguf or pull(), address="mini-base", threads=threads)
    speeds = measure(model, flags.repeats, SMALL if flags.limits == "small" else Limits(), flags.max_tokens)
    medians = {arm: statistics.median(s.tokens_per_s for s in speeds if s.arm == arm) for arm in ARMS}
    print(f"{'arm':<8} {'median tok/s':>12} {'lowest':>8} {'highest':>8} {'tokens':>8} {'of raw':>7}")
    for arm in ARMS:
        mine = [s for s in speeds if s.arm == arm]
        rates, tokens = [s.tokens_per_s for s in mine], statistics.median(s.tokens for s in mine)
        share = medians[arm] / medians["raw"]
        print(f"{arm:<8} {medians[arm]:>12.1f} {min(rates):>8.1f} {max(rates):>8.1f} {tokens:>8.0f} {share:>7.0%}")
    print(f"grammar/free {medians['grammar'] / medians['free']:.0%}")
    if flags.json:
        machine = {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": threads}
        rows = {"machine": machine, "medians": medians, "speeds": [asdict(s) for s in speeds]}
        flags.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    asyncio.run(model.close())


if __name__ == "__main__":
    main()
