"""Weights to be measured by: what a run left, a folder of transformers, a GGUF file, the bundled model.

Knows where each keeps its parts, and the template that belongs to it. Refuses to change a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra
from her.models.address import BUNDLED, DEFAULT
from her.train.attention import attend, log_probs
from her.train.base import base_folder, base_of
from her.train.load import load
from her.train.run_folder import ADAPTER, MODEL, RUN
from her.train.tokens import Encoder, Window
from her.train.trees import Tree

try:
    import torch
except ImportError as missing:
    raise MissingExtra("measuring weights", "train") from missing

MOST_TOKENS = 8192
"""The widest window that is measured with; no scene of a data set of ours comes near it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model in evaluation mode, whose attention follows trees, and the encoder that its prompts go through."""

    model: Any
    encoder: Encoder

    def log_probs(self, tree: Tree) -> list[float]:
        """The log-probability in nats of each learnt token of a tree, in the order of its targets."""
        with torch.no_grad():
            told: list[float] = log_probs(self.model, [tree]).tolist()
        return told


def locate(name: str) -> tuple[str, str | None, Path | None]:
    """Where the weights lie that a name stands for: a folder or a name on the hub, its revision there if one is known,
    and the adapter on it, or None.

    A name is a run of her train or its adapter, a folder or GGUF file, hf:… or `mini-base`. Raises InputError for
    what is none of these, ModelError and StorageError where a GGUF cannot be had or unpacked.
    """
    if name == DEFAULT:
        raise InputError(f"{name} is an adapter on {BUNDLED[1]}, as GGUF: name the run that it came from, or its base")
    path = Path(name).expanduser()
    run = next((at for at in (path, path.parent) if (at / RUN).is_file()), None)
    adapter = next((at for at in (path, path / ADAPTER) if (at / "adapter_config.json").is_file()), None)
    if adapter is not None:
        base, revision = base_of(adapter)
        return base_folder(base), revision, adapter
    if run != path:
        return base_folder(name), None, None
    if not (path / MODEL).is_dir():
        raise InputError(f"{path}: this run has no result yet; finish it with: her train sft … --out {path}")
    return str(path / MODEL), None, None


def load_weights(name: str) -> Weights:
    """The weights that a name stands for (see `locate`). Raises InputError, ModelError, StorageError."""
    base, revision, adapter = locate(name)
    tokenizer, model = load(base, name, adapter=adapter, revision=revision)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    attend(model, "tree", name)
    widest = getattr(model.config.get_text_config(), "max_position_embeddings", None) or MOST_TOKENS
    tokens = min(int(widest), MOST_TOKENS)
    window = Window(tokens, tokens // 4)
    return Weights(model, Encoder(tokenizer, name, window=window, template=tokenizer.chat_template or ""))
