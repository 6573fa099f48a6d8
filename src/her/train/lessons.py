"""What a run learns from: samples become rows, rows become trees.

Knows the splits of a data set and what a recipe takes of them. Refuses to lose anything without saying so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.errors import InputError
from her.rows.files import sha_of
from her.rows.parquet import read_samples
from her.rows.samples import SftRow
from her.train.layers import Layered, layered
from her.train.recipe import Data, Recipe
from her.train.tokens import Encoder, Window
from her.train.trees import Tree, packed, single


@dataclass(frozen=True)
class Lessons:
    """One split, ready to learn or to be measured on: `samples` by id, and the trees that hold all of them."""

    samples: dict[str, SftRow]
    trees: tuple[Tree, ...]

    @property
    def tokens(self) -> int:
        """All tokens that a model reads in one pass."""
        return sum(map(len, self.trees))

    @property
    def unpacked(self) -> int:
        """The same, had every turn a row of its own."""
        return sum(tree.unpacked for tree in self.trees)

    @property
    def supervised(self) -> int:
        """The tokens among them that are learnt."""
        return sum(row.supervised for tree in self.trees for row in tree.rows)

    @property
    def trimmed(self) -> int:
        """Rows whose oldest exchanges were cut."""
        return sum(row.dropped > 0 for tree in self.trees for row in tree.rows)

    def layers(self, tree: Tree, encoder: Encoder) -> list[Layered]:
        """The layers of each row's reply, in the tree's order."""
        found = []
        for row in tree.rows:
            sample = self.samples[row.id]
            text = sample.messages[-1].content.strip()
            found.append(layered(text, sample.character, [encoder.bytes_of(id) for id in row.ids[row.start :]]))
        return found


def encoder(tokenizer: Any, recipe: Recipe) -> Encoder:
    """The encoder that a recipe asks for. Raises InputError where the tokenizer does not serve."""
    own = tokenizer.chat_template if recipe.template == "own" else ""
    if recipe.template == "own" and not own:
        raise InputError(f"{recipe.model}: has no chat template of its own: leave `template` out of the recipe")
    window = Window(recipe.window.tokens, recipe.window.reply)
    return Encoder(tokenizer, recipe.model, window=window, template=own)


def read_split(data: Data, split: str, *, lenient: bool = False) -> dict[str, SftRow]:
    """The samples of a split that a recipe wants, by id; empty where the split has none of them.

    Raises InputError where two samples have one id, and unless `lenient` where only some of the languages are there.
    """
    found: dict[str, SftRow] = {}
    configs: dict[str, str] = {}
    wanted, met = set(map(_subtag, data.languages)), set[str]()
    for config in data.configs:
        for sample in read_samples(data.folder, config, SftRow, split):
            if wanted and _subtag(sample.language) not in wanted:
                continue
            met.add(_subtag(sample.language))
            if other := found.get(sample.id):
                one, two = (
                    f"{name} (scene {row.scene}, {row.character}, turn {row.number})"
                    for name, row in ((configs[sample.id], other), (config, sample))
                )
                raise InputError(
                    f"{data.folder}: two rows of the split `{split}` have the id {sample.id!r}: one in {one}, one in "
                    f"{two}; give each its own"
                )
            found[sample.id], configs[sample.id] = sample, config
    if found and wanted > met and not lenient:
        raise InputError(
            f"{data.folder}: languages: no row of the split `{split}` is in {', '.join(sorted(wanted - met))}; leave "
            "that out"
        )
    return found


def _subtag(language: str) -> str:
    """The first part of a language's tag, which says the language alone: zh of zh-Hant."""
    return language.strip().lower().split("-")[0]


def lessons(samples: dict[str, SftRow], encode: Encoder, packing: str) -> Lessons:
    """Rows and trees of the samples; rows of one character's part stand together. Raises InputError."""
    ordered: Sequence[SftRow] = sorted(samples.values(), key=lambda s: (s.scene, s.character, s.plan, s.number))
    rows = encode.rows(ordered)
    return Lessons(samples, tuple(packed(rows) if packing == "tree" else single(rows)))


def data_hashes(data: Data) -> dict[str, str]:
    """The sha256 of every file that a run reads, by its path in the data set."""
    files = [path for config in data.configs for path in sorted(Path(data.folder, config).glob("*.parquet"))]
    return {path.relative_to(data.folder).as_posix(): sha_of(path) for path in files}


def fingerprint(recipe: Recipe, hashes: dict[str, str]) -> str:
    """Recipe and data as one line of JSON, paths left out: what a run must share with the one that it goes on with."""
    told = recipe.model_dump(mode="json", exclude={"data": {"folder"}})
    return json.dumps({**told, "files": hashes}, sort_keys=True)
