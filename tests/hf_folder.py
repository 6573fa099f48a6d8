"""Turns the bundled GGUF into a folder that transformers can open, once per machine."""

from __future__ import annotations

from pathlib import Path


def hf_folder(gguf: Path) -> Path:
    """A folder with config, tokenizer and fp32 weights of `gguf`; training keeps it in the user's cache."""
    from her.train.base import from_gguf

    return from_gguf(gguf)
