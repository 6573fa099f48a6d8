"""What a run leaves for others to use: an adapter or a model with our template, a GGUF adapter, one merged folder.

Knows what each of them must hold to be opened elsewhere. Refuses to merge into a file of four bits: small changes
round away there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, StorageError
from her.rows.files import sha_of
from her.train.base import base_folder, gguf_of
from her.train.card import card
from her.train.gguf_adapter import write_gguf_adapter
from her.train.quiet import quiet
from her.train.run_folder import ADAPTER, CARD, GGUF, MODEL, TrainFolder

try:
    import torch
    import transformers
    from peft import PeftModel
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


def export(model: Any, tokenizer: Any, address: str, folder: TrainFolder) -> Iterator[Path]:
    """Writes the trained model into its run's folder, and gives each thing that was written.

    An adapter is written as PEFT's folder, and as GGUF where the base is a GGUF file; all weights as a folder of
    transformers. Raises StorageError.
    """
    adapter = isinstance(model, PeftModel)
    target = folder.path / (ADAPTER if adapter else MODEL)
    try:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / CARD).unlink(missing_ok=True)  # PEFT's form, not filled in; the card is the run's
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error}); free some room") from error
    yield target
    gguf = gguf_of(address) if adapter else None
    if gguf is not None:
        write_gguf_adapter(target, folder.path / GGUF, base=Path(base_folder(address)), about=_about(folder, gguf))
        yield folder.path / GGUF
    folder.write(CARD, card(folder))
    yield folder.path / CARD


@quiet()
def merge(run: Path, target: Path) -> Path:
    """A folder that transformers opens, and `her chat --model` too: the base with a run's adapter in its weights.

    Raises InputError where the run has no result yet or `target` is not empty, StorageError.
    """
    folder = TrainFolder(run)
    facts = folder.facts()
    if target.exists() and any(target.iterdir()):
        raise InputError(f"{target} is not empty; name a new folder")
    if (run / MODEL).is_dir():
        shutil.copytree(run / MODEL, target, dirs_exist_ok=True)
        return target
    if not (run / ADAPTER).is_dir():
        raise InputError(f"{run} has no adapter yet; finish the run with: her train sft … --out {run}")
    base = transformers.AutoModelForCausalLM.from_pretrained(base_folder(facts["model"]), dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, run / ADAPTER).merge_and_unload()
    try:
        merged.save_pretrained(target)
        transformers.AutoTokenizer.from_pretrained(run / ADAPTER).save_pretrained(target)
        shutil.copy(run / CARD, target / CARD)
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error}); free some room") from error
    return target


def _about(folder: TrainFolder, gguf: Path) -> dict[str, str]:
    """What a GGUF adapter says of itself: its run's name, and the file that it belongs to by its hash."""
    return {"general.name": folder.path.name, "her.base.sha256": sha_of(gguf)}
