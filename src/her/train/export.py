"""What a run leaves for others to use: an adapter or a model with our template, a GGUF adapter, one merged folder.

Knows what each of them must hold to be opened elsewhere. Refuses to merge into a file of four bits: small changes
round away there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, StorageError
from her.models.adapter import BASE_KEY
from her.train.base import BASE, base_folder, base_of, gguf_of, identity
from her.train.card import card
from her.train.gguf_adapter import write_gguf_adapter
from her.train.load import load
from her.train.quiet import quiet
from her.train.run_folder import ADAPTER, CARD, GGUF, MODEL, TrainFolder

try:
    from peft import PeftModel
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


CONFIG = "adapter_config.json"


def export(model: Any, tokenizer: Any, address: str, folder: TrainFolder) -> Iterator[Path]:
    """Writes the trained model into its run's folder, and gives each thing that was written.

    An adapter is written as PEFT's folder, and as GGUF where the base is a GGUF file; all weights as a folder of
    transformers. Raises StorageError.
    """
    adapter = isinstance(model, PeftModel)
    target = folder.path / (ADAPTER if adapter else MODEL)
    base = _base(folder)
    try:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / CARD).unlink(missing_ok=True)  # PEFT's form, not filled in; the card is the run's
        if adapter:
            _name_base(TrainFolder(target), base)
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error}); free some room") from error
    yield target
    folder.write(CARD, card(folder))
    yield folder.path / CARD
    if adapter and gguf_of(address) is not None:
        write_gguf_adapter(target, folder.path / GGUF, base=Path(base_folder(address)), about=_about(folder, base))
        yield folder.path / GGUF


@quiet()
def merge(run: Path, target: Path) -> Path:
    """A folder that transformers opens, and `her chat --model` too: the base with a run's adapter in its weights.

    Raises InputError where the run has no result yet, its base is not here, or `target` is not empty; ModelError,
    StorageError.
    """
    folder = TrainFolder(run)
    text = card(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is {'not empty' if target.is_dir() else 'a file'}; name a new folder")
    if not (run / MODEL).is_dir() and not (run / ADAPTER).is_dir():
        raise InputError(f"{run} has no adapter yet; finish the run with: her train sft … --out {run}")
    made: tuple[Any, ...] = ()
    if not (run / MODEL).is_dir():
        base, revision = base_of(run / ADAPTER)
        made = load(base_folder(base), str(run), adapter=run / ADAPTER, revision=revision, dtype="float32")
    try:
        for part in made:
            part.save_pretrained(target)
        if not made:
            shutil.copytree(run / MODEL, target, dirs_exist_ok=True)
    except OSError as error:
        raise StorageError(f"{target} cannot be written ({error}); free some room") from error
    TrainFolder(target).write(CARD, text)
    return target


def _base(folder: TrainFolder) -> dict[str, Any]:
    """The identity of what a run started from; earlier runs wrote down a path instead."""
    facts = folder.facts()
    base = facts["base"]
    return base if isinstance(base, dict) else identity(facts["model"])


def _name_base(adapter: TrainFolder, base: Mapping[str, Any]) -> None:
    """Has a folder of PEFT name its base as any machine knows it, and not by a path of this one."""
    config = json.loads((adapter.path / CONFIG).read_text(encoding="utf-8"))
    told = {"base_model_name_or_path": base["model"].removeprefix("hf:"), "revision": base.get("revision")}
    adapter.write(CONFIG, json.dumps({**config, **told}, indent=2, ensure_ascii=False) + "\n")
    adapter.write(BASE, json.dumps(base, indent=1, ensure_ascii=False) + "\n")


def _about(folder: TrainFolder, base: Mapping[str, Any]) -> dict[str, str]:
    """What a GGUF adapter says of itself: whose it is, and the file that it belongs to by its hash.

    An adapter of ours is given away as its base is.
    """
    (sha,) = base["files"].values()
    licence = {"general.license": base["licence"]} if "licence" in base else {}
    return {"general.name": f"HER {folder.path.resolve().name}", **licence, BASE_KEY: sha}
