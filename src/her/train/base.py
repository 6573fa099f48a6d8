"""The model that training starts from, as a folder that transformers can open.

Knows GGUF files, which are read once and kept in the cache, tensor by tensor at full precision, and by what a base is
known on another machine. Refuses to train.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, ModelError, StorageError
from her.models import weights
from her.models.address import BUNDLED
from her.models.settings import cache_folder
from her.rows.files import sha_of
from her.train.local import local_folder
from her.train.run_folder import RUN, TrainFolder

try:
    import transformers
    from gguf import GGUFReader
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
except ImportError as missing:
    raise MissingExtra("training", "train") from missing

BASE = "base.json"
"""The file in an adapter's folder that says what it belongs to."""
_WHOLE = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_PART = "unpacking-"
_READ = ("config.json", "tokenizer.json", "*.safetensors", "*.bin")


def base_folder(model: str) -> str:
    """A folder, or a name on the hub, for `from_pretrained`: of the bundled model, a GGUF file, or what was named.

    Training starts from the bundled model without our adapter, by either of its names.

    Raises InputError for what is no model, ModelError and StorageError where the bundled one cannot be had.
    """
    if model in BUNDLED:
        return str(from_gguf(weights.pull()))
    if model.lower().endswith(".gguf"):
        return str(from_gguf(Path(model).expanduser()))
    folder = local_folder(model)
    if folder is None and model.startswith("hf:"):
        return model.removeprefix("hf:")
    if folder is None or not (folder / "config.json").is_file():
        raise InputError(f"model: {model!r} is no folder with a config.json; name mini, FILE.gguf, a folder or hf:…")
    return str(folder)


def gguf_of(model: str) -> Path | None:
    """The GGUF file behind a model that comes from one; None for all others."""
    if model in BUNDLED:
        return weights.pull()
    return Path(model).expanduser() if model.lower().endswith(".gguf") else None


def identity(model: str, commit: str | None = None) -> dict[str, Any]:
    """What a base is on any machine: its `model` as a recipe names it, without folders; the sha256 of its `files`, or
    the `revision` of a hub's (`commit`); and the `licence` that its file states, if any."""
    if gguf := gguf_of(model):
        name = BUNDLED[1] if model in BUNDLED else gguf.name
        found: dict[str, Any] = {"model": name, "files": {gguf.name: sha_of(gguf)}}
        stated = GGUFReader(gguf).fields.get("general.license")
        return found if stated is None else {**found, "licence": str(stated.contents())}
    if folder := local_folder(model):
        files = sorted({path for names in _READ for path in folder.glob(names)})
        return {"model": folder.resolve().name, "files": {path.name: sha_of(path) for path in files}}
    return {"model": model, "revision": commit}


def base_of(adapter: Path) -> tuple[str, str | None]:
    """The model, as `base_folder` takes it, that an adapter's folder was made for, and its revision if it is the hub's.

    A file or folder is looked for where the adapter's run had it, where the program runs, and beside the adapter.
    Raises InputError where it is not there, or is another one than the adapter was trained on.
    """
    if not (adapter / BASE).is_file():
        return _base_by_path(adapter)
    try:
        told = json.loads((adapter / BASE).read_text(encoding="utf-8"))
        model = str(told["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{adapter / BASE} does not say for which model the adapter was made ({error})") from error
    there = [model]
    if model not in BUNDLED and not model.startswith("hf:"):
        places = [*_base_of_run(adapter), model, str(adapter.parent / model), str(adapter / model)]
        there = [place for place in places if local_folder(place) or Path(place).expanduser().is_file()]
    if not there:
        raise InputError(f"{adapter} was made for {model}, which is not here: put it beside the adapter's folder")
    found = next((place for place in there if identity(place).get("files") == told.get("files")), None)
    if found is None:
        raise InputError(f"{adapter} was made for another {model} than {there[0]}: compare the sha256 in {BASE}")
    return found, told.get("revision")


def _base_of_run(adapter: Path) -> list[str]:
    """The base as the recipe named it of the run that an adapter lies in; empty where it lies in none."""
    run = TrainFolder(adapter.parent)
    return [str(run.facts()["model"])] if (run.path / RUN).is_file() else []


def _base_by_path(adapter: Path) -> tuple[str, str | None]:
    """The same for a folder of PEFT that does not come from HER, or from before HER wrote `BASE`."""
    if of_run := _base_of_run(adapter):
        return of_run[0], None
    try:
        told = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        base = str(told["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{adapter}: does not say for which model it was made ({error})") from error
    if Path(base).is_dir():
        return base, None
    if not base or Path(base).is_absolute():
        raise InputError(f"{adapter}: was made for {base!r}, which is not here; name the run that it came from")
    return f"hf:{base}", told.get("revision")


def from_gguf(gguf: Path) -> Path:
    """A folder with config, tokenizer and float32 weights of a GGUF file (538 MB for the bundled one), kept in the
    cache by its sha256.

    The first call takes about half a minute. Raises InputError for a file that transformers cannot read, StorageError.
    """
    if not gguf.is_file():
        raise InputError(f"{gguf} is no file; name a GGUF file that is there")
    folder = cache_folder() / f"hf-{gguf.stem.lower()}-{sha_of(gguf)[:12]}"
    if _whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        weights.sweep(folder.parent, f"{_PART}*")
        with tempfile.TemporaryDirectory(prefix=_PART, dir=folder.parent, ignore_cleanup_errors=True) as part:
            _write(gguf, Path(part, "new"))
            _settle(Path(part, "new"), folder, Path(part, "old"))
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error}); free some room, or set HER_CACHE") from error
    return folder


def _whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _WHOLE)


def _settle(new: Path, folder: Path, old: Path) -> None:
    """Puts a finished folder in its place at one stroke, unless another process was faster; `old` takes what was
    there and is not whole, as an earlier HER could leave it."""
    if _whole(folder):
        return
    with suppress(FileNotFoundError):
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:  # a folder that is not empty cannot be replaced
        if not _whole(folder):
            raise


def _write(gguf: Path, folder: Path) -> None:
    """`save_pretrained` of a model that was read from a GGUF is refused by transformers 5.23, so its tensors are read
    into a fresh model of the same config."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        config = transformers.AutoConfig.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
        plain = transformers.AutoModelForCausalLM.from_config(config)
        tensors = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=plain)["tensors"]
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise InputError(f"{gguf}: transformers cannot read this GGUF ({error}); name its original folder") from error
    missing = set(plain.load_state_dict(tensors, strict=False).missing_keys)
    if missing - {"lm_head.weight"}:  # that one is tied to the embeddings
        raise ModelError(f"{gguf} lacks weights of its own architecture: {', '.join(sorted(missing)[:3])}")
    plain.tie_weights()
    plain.save_pretrained(folder, max_shard_size="1TB")  # one file, so that it is there or not
    tokenizer.save_pretrained(folder)
