"""What the packaged adapter costs: reading a prompt and writing, beside the same model without it, in turns.

python benchmarks/adapter_speed.py --turns 4
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

from her.models.address import open_model
from her.models.base import Message, Model, Reply, Sampling
from her.scene import bundled_scene
from her.script import Script

ADDRESSES = ("mini", "mini-base")
SAMPLING = Sampling(temperature=0, max_tokens=100, repeat_penalty=1.0)


async def main() -> None:
    """Lets both speak in turns, and prints rates and the median of their ratios."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int, default=4)
    turns = options.parse_args().turns
    scene = bundled_scene("netherfield-ball")
    name = scene.names[0]
    system, *rest = Script(scene, name).messages(scene.dialogue().seen_by(name))
    models = {address: open_model(address) for address in ADDRESSES}
    rates: dict[str, list[tuple[float, float]]] = {address: [] for address in ADDRESSES}
    for turn in range(turns):
        for address, model in models.items():
            # Another first word each time, so that nothing is taken from a cache.
            rates[address].append(await rate(model, [Message("system", f"{turn} {system.content}"), *rest]))
    for address, model in models.items():
        await model.close()
        told = ", ".join(f"{read:.0f} / {written:.1f}" for read, written in rates[address])
        print(f"{address}: tokens a second read / written: {told}")
    pairs = list(zip(*(rates[address] for address in ADDRESSES), strict=True))
    for at, what in enumerate(("reading", "writing")):
        print(f"{what}: {statistics.median(with_it[at] / without[at] for with_it, without in pairs):.2f} of the speed")


async def rate(model: Model, messages: Sequence[Message]) -> tuple[float, float]:
    """Tokens a second of the prompt, up to the first piece, and of the reply after it."""
    await model.probe()
    began, first = time.perf_counter(), 0.0
    async for piece in model.stream(messages, SAMPLING):
        first = first or time.perf_counter()
        if isinstance(piece, Reply):
            prompt, reply = piece.usage.prompt_tokens, piece.usage.completion_tokens
    if not prompt or not reply:
        raise SystemExit(f"{model.address} tells no token counts")
    return prompt / (first - began), (reply - 1) / (time.perf_counter() - first)


if __name__ == "__main__":
    asyncio.run(main())
