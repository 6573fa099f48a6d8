"""What tree packing saves: tokens of an epoch, and time, beside one row a turn.

    HER_DATA=… python benchmarks/tree_packing.py --model mini-base --turns 20 --json packing.json

Three sources: the data set her-scenes with plans, which stand in the branches; the same without plans; and, where
HER_DATA has them, dialogues in CoSER's shape, which have none. Tokens are counted over every row of the split `train`,
or of all scenes. Time is of forward and backward with a LoRA adapter on every linear layer, over the same turns as
trees and as rows, tree by tree and then that tree's rows, so that both see the same machine; a ratio is that of the
summed times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from her.rows.files import Writer
from her.rows.samples import SftRow
from her.synth.reading.coser import Importer
from her.synth.samples.samples import SampleOptions, make_samples
from her.train.attention import attend, log_probs
from her.train.base import base_folder
from her.train.lessons import Lessons, lessons, read_split
from her.train.recipe import Data
from her.train.tokens import Encoder, Window
from her.train.trees import Tree

ROOT = Path(__file__).resolve().parents[1]
COSER = ("final_King_Lear_notext.json", "final_Othello_notext.json", "test_set_pd_english.json")


def main() -> None:
    """Counts and times every source, and prints what came."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="mini-base")
    options.add_argument("--turns", type=int, default=20, help="at least so many of each source are timed")
    options.add_argument("--window", type=int, default=8192, help="some scenes of CoSER begin with 4,300 tokens")
    options.add_argument("--source", help="only this one")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    base = base_folder(given.model)
    encoder = Encoder(
        transformers.AutoTokenizer.from_pretrained(base), given.model, window=Window(given.window, given.window // 8)
    )
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    attend(model, "tree", given.model)
    adapter = peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, adapter)
    found = {}
    for name, samples in sources():
        if given.source not in (None, name):
            continue
        told = lessons(samples, encoder, "tree")
        found[name] = counted(told) | timed(model, told, given.turns, random.Random(given.seed))
        print(name, json.dumps(found[name], indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def sources() -> Iterable[tuple[str, dict[str, SftRow]]]:
    """Each source's rows by id."""
    yield "her-scenes", read_split(Data(folder=ROOT / "datasets" / "her-scenes", plans="with"), "train")
    yield "her-scenes, no plans", read_split(Data(folder=ROOT / "datasets" / "her-scenes", plans="without"), "train")
    if data := os.environ.get("HER_DATA"):
        with tempfile.TemporaryDirectory() as folder:
            yield "CoSER-shaped", coser(Path(data) / "coser", Path(folder))


def coser(files: Path, folder: Path) -> dict[str, SftRow]:
    """The rows of all dialogues in CoSER's shape."""
    importer = Importer()
    with Writer(folder / "rows.jsonl") as out:
        for name in COSER:
            for row in importer.file(files / name):
                out.write(row)
    make_samples(folder / "rows.jsonl", folder / "samples", SampleOptions(shares={"sft": 1.0}))
    return read_split(Data(folder=folder / "samples", plans="without"), "train")


def counted(told: Lessons) -> dict[str, float]:
    """Tokens of an epoch, both ways."""
    parts = {row.group for tree in told.trees for row in tree.rows}
    turns = sum(len(tree.rows) for tree in told.trees)
    return {
        "turns": turns,
        "turns a part": round(turns / len(parts), 2),
        "trees": len(told.trees),
        "tokens": told.tokens,
        "tokens with a row a turn": told.unpacked,
        "times fewer": round(told.unpacked / told.tokens, 2),
        "learnt": told.supervised,
    }


def timed(model: Any, told: Lessons, turns: int, random: random.Random) -> dict[str, float]:
    """Seconds for the same turns, as trees and as rows."""
    chosen: list[Tree] = []
    for tree in random.sample(told.trees, len(told.trees)):
        chosen.append(tree)
        if sum(len(tree.rows) for tree in chosen) >= turns:
            break
    pass_through(model, chosen[:1])
    packed = single = 0.0
    for tree in chosen:
        packed += pass_through(model, [tree])
        single += sum(pass_through(model, [Tree((row,))]) for row in tree.rows)
    timed = sum(len(tree.rows) for tree in chosen)
    return {
        "timed turns": timed,
        "tree s": round(packed, 1),
        "rows s": round(single, 1),
        "times faster": round(single / packed, 2),
        "tokens a second": round(sum(map(len, chosen)) / packed),
    }


def pass_through(model: Any, trees: Sequence[Tree]) -> float:
    """Seconds of forward and backward."""
    began = time.perf_counter()
    log_probs(model, trees).sum().backward()
    model.zero_grad(set_to_none=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
