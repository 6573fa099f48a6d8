"""The bundled model as transformers opens it; conftest imports the fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_folder import hf_folder as convert


@pytest.fixture(scope="session")
def hf_folder(mini_path: Path) -> Path:
    """A local folder with config, tokenizer and fp32 weights of the bundled model."""
    for needed in ("torch", "transformers", "gguf"):
        pytest.importorskip(needed, reason="needs the train extra")
    return convert(mini_path)
