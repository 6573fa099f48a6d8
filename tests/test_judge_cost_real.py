"""What the second order costs: a real llama.cpp server with the bundled model, by its own count of evaluated tokens."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from her.judge.batch import How, judge_pairs
from her.judge.compare import Orders
from her.judge.counterfactual import make
from her.judge.pairs import Pair
from her.models.endpoint import Endpoint
from her.rows.run import RunOptions
from her.rows.samples import PoolRow

pytestmark = [pytest.mark.model, pytest.mark.long]

DATA = Path(__file__).resolve().parent.parent / "datasets" / "her-scenes"
PLACES = 6
BAR = 1.35
"""Evaluated prompt tokens of both orders for each of one order."""

SERVE = """
import sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx, p.n_parallel, p.verbosity, p.api_keys, p.endpoint_metrics = 6144, 1, -1, ["k"], True
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 2
server = xllamacpp.Server(p)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def fresh(path: Path) -> Iterator[str]:
    """The address of a llama.cpp server of its own, with nothing in its cache."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout and process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.terminate()


def evaluated(address: str) -> int:
    """Prompt tokens that the server has evaluated since it began; those from its cache are not among them."""
    request = urllib.request.Request(f"{address}/metrics", headers={"Authorization": "Bearer k"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("llamacpp:prompt_tokens_total "))))


def pairs() -> list[Pair]:
    """One broken pair at each of a few places of her-scenes."""
    parquet = pytest.importorskip("her.rows.parquet", reason="needs the synth extra")
    pool = list(parquet.read_samples(DATA, "reward-pool", PoolRow, "train"))
    places = pool[:: len(pool) // PLACES][:PLACES]
    made = make(places, rng=random.Random(0))
    by_place = {(pair.book, len(pair.at.turns)): pair for pair in made if pair.kind == "broken"}
    return list(by_place.values())


async def judged(address: str, folder: Path, how: How) -> None:
    model = Endpoint(address, key="k", timeout=600)  # the server drops idle connections: a call may need its second try
    try:
        await judge_pairs(pairs(), model, folder, how, RunOptions(limit=1))
    finally:
        await model.close()


@pytest.mark.parametrize("form", ["scored", "written"])
def test_both_orders_cost_little_more_than_one_where_the_context_is_cached(
    form: str, mini_path: Path, tmp_path: Path
) -> None:
    def spent(orders: Orders) -> int:
        how = How("scored", orders=orders) if form == "scored" else How("written", "ours-terse", orders)
        with fresh(mini_path) as address:
            asyncio.run(judged(address, tmp_path / orders, how))
            return evaluated(address)

    one, both = spent("given"), spent("both")
    assert one > 0, "a server that counts nothing says nothing"
    assert both <= BAR * one, f"{both} prompt tokens for both orders, {one} for one"
