"""A trial with models that really answer: the bundled one, and any GGUF that HER_TEST_GGUF names."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from her.judge.bench.bench import PAGE, BenchOptions, bench
from her.judge.counterfactual import make
from her.rows.files import Writer

DATA = Path(__file__).resolve().parents[1] / "datasets" / "her-scenes"
LIMIT = 28


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    from her.rows.parquet import read_samples
    from her.rows.samples import PoolRow

    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    with Writer(path) as out:
        for pair in make(read_samples(DATA, "reward-pool", PoolRow, "test"), rng=random.Random(0)):
            out.write(pair)
    return path


@pytest.mark.long
@pytest.mark.model
@pytest.mark.parametrize("form", ["written", "scored"])
@pytest.mark.parametrize("model", ["mini", "HER_TEST_GGUF"])
def test_a_model_gets_an_honest_score(model: str, form: str, pairs: Path, mini_path: Path, tmp_path: Path) -> None:
    if model != "mini":
        model = os.environ.get(model) or pytest.skip("HER_TEST_GGUF names no GGUF file")
    options = BenchOptions(model, (pairs,), tmp_path, form=form, limit=LIMIT)  # type: ignore[arg-type]
    trial = bench(options, print)
    measures = trial.measures
    asked = sum(one.asked for one in measures.accounts) + sum(one.asked for one in measures.unlabelled)
    assert trial.drawn == asked <= LIMIT
    assert all(one.asked == one.correct + one.wrong + one.tie + one.unscored for one in measures.accounts)
    assert sum(measures.reasons.values()) == sum(one.unscored for one in (*measures.accounts, *measures.unlabelled))
    assert not trial.accepted, "28 pairs are too few to accept any judge"
    assert (tmp_path / PAGE).is_file()
