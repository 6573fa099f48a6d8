"""The model that training starts from, as a folder that transformers can open.

Knows GGUF files, which are read once and kept in the cache, tensor by tensor at full precision. Refuses to train.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from her.errors import InputError, MissingExtra, ModelError, StorageError
from her.models import weights
from her.models.address import BUNDLED
from her.models.settings import cache_folder

try:
    import transformers
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


def base_folder(model: str) -> str:
    """A folder, or a name on the hub, for `from_pretrained`: of the bundled model, a GGUF file, or what was named.

    Training starts from the bundled model without our adapter, by either of its names.

    Raises InputError for what is no model, ModelError and StorageError where the bundled one cannot be had.
    """
    if model in BUNDLED:
        return str(from_gguf(weights.pull()))
    if model.lower().endswith(".gguf"):
        return str(from_gguf(Path(model).expanduser()))
    name = model.removeprefix("hf:")
    if not model.startswith("hf:"):
        folder = Path(name).expanduser()
        if not (folder / "config.json").is_file():
            raise InputError(
                f"model: {model!r} is no folder with a config.json; name mini, FILE.gguf, a folder or hf:…"
            )
        return str(folder)
    return name


def gguf_of(model: str) -> Path | None:
    """The GGUF file behind a model that comes from one; None for all others."""
    if model in BUNDLED:
        return weights.pull()
    return Path(model).expanduser() if model.lower().endswith(".gguf") else None


def from_gguf(gguf: Path) -> Path:
    """A folder with config, tokenizer and float32 weights of a GGUF file (538 MB for the bundled one), kept in the
    cache by its sha256.

    The first call takes about half a minute. Raises InputError for a file that transformers cannot read.
    """
    try:
        with gguf.open("rb") as file:
            sha = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{gguf} cannot be read ({error.strerror}); name a GGUF file that is there") from error
    folder = cache_folder() / f"hf-{gguf.stem.lower()}-{sha[:12]}"
    if (folder / "config.json").is_file():
        return folder
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="hf-", dir=folder.parent) as part:
            _write(gguf, Path(part))
            if not (folder / "config.json").is_file():  # else somebody else was faster
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(part, folder, copy_function=os.replace)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error}); free some room, or set HER_CACHE") from error
    return folder


def _write(gguf: Path, folder: Path) -> None:
    """`save_pretrained` of a model that was read from a GGUF is refused by transformers 5.23, so its tensors are read
    into a fresh model of the same config."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        config = transformers.AutoConfig.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        plain = transformers.AutoModelForCausalLM.from_config(config)
        tensors = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=plain)["tensors"]
    except (ValueError, KeyError, NotImplementedError) as error:
        raise InputError(f"{gguf}: transformers cannot read this GGUF ({error}); name its original folder") from error
    missing = set(plain.load_state_dict(tensors, strict=False).missing_keys)
    if missing - {"lm_head.weight"}:  # that one is tied to the embeddings
        raise ModelError(f"{gguf} lacks weights of its own architecture: {', '.join(sorted(missing)[:3])}")
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
