"""Turns the bundled GGUF into a folder that transformers can open, once per machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from her.models.settings import cache_folder


def hf_folder(gguf: Path) -> Path:
    """A folder with config, tokenizer and fp32 weights (538 MB) of `gguf`, kept in the user's cache by its sha256.

    The first call takes about half a minute. `save_pretrained` of a model read from a GGUF is refused by
    transformers 5.23, so the tensors are read one by one into a fresh model of the same config.
    """
    with gguf.open("rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache_folder() / f"hf-{gguf.stem.lower()}-{sha[:12]}"
    if (folder / "config.json").is_file():
        return folder
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name, "local_files_only": True}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
    plain = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(**where))
    tensors = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=plain)["tensors"]
    missing = plain.load_state_dict(tensors, strict=False).missing_keys
    assert set(missing) <= {"lm_head.weight"}, missing
    plain.tie_weights()
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    plain.save_pretrained(made)
    tokenizer.save_pretrained(made)
    try:
        made.replace(folder)
    except OSError:  # somebody else was faster
        shutil.rmtree(made)
    return folder
