"""Which folder of this machine an address names.

Knows that `hf:` may stand before one. Refuses to know what a folder holds.
"""

from __future__ import annotations

import os
from pathlib import Path


def local_folder(address: str) -> Path | None:
    """The folder that is here under an address, `hf:` before it or not, as transformers takes it; None where there is
    none."""
    name = address.removeprefix("hf:")
    folder = Path(os.path.expanduser(name))  # unlike Path's own it leaves ~names of no user as they are
    return folder if name and folder.is_dir() else None
