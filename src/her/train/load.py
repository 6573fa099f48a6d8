"""A base and what was learnt on it, as a model of transformers.

Knows what may be wrong with either. Refuses to find them: it is told where they lie.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, ModelError

try:
    import transformers
    from peft import PeftModel
    from safetensors import SafetensorError
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


def load(
    base: str, name: str, *, adapter: Path | None = None, revision: str | None = None, dtype: str = "auto"
) -> tuple[Any, Any]:
    """Tokenizer and model of a base (see `base_folder`), on the CPU; those of `adapter`, merged in, where there is one.

    `revision` is the hub's, None its newest; `dtype` is a name of torch's, or "auto". Raises InputError where nothing
    is found and ModelError for what cannot be loaded, both by `name`.
    """
    revision = revision or "main"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(adapter or base, revision=revision)
        model = transformers.AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=dtype)
        if adapter is not None:
            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except OSError as error:
        raise InputError(f"transformers finds no model at {name!r} ({error}); check the name") from error
    except (ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        raise ModelError(f"{name} cannot be loaded: {error}") from error
    return tokenizer, model
