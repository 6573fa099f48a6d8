"""The folder that a run leaves: what was asked, on what, with what, at what cost, and how it went.

Knows names of files. Refuses to train.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from her import __version__
from her.errors import InputError, StorageError

RECIPE = "recipe.toml"
RUN = "run.json"
LOG = "log.jsonl"
CURVES = "curves.png"
CHECKPOINTS = "checkpoints"
ADAPTER = "adapter"
GGUF = "adapter.gguf"
MODEL = "model"
CARD = "README.md"
PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers")


@dataclass(frozen=True, slots=True)
class TrainFolder:
    """The folder of one run."""

    path: Path

    def holds(self, same: str) -> bool:
        """Whether the folder has this very run, to be resumed: `same` is what a run must share with it, in one text.

        Raises InputError for a folder that holds another run or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; name a folder")
        facts = self.path / RUN
        if facts.is_file():
            if (before := json.loads(facts.read_text("utf-8")).get("same")) != same:
                raise InputError(
                    f"{self.path} holds a run of another recipe or other data; name a new folder, or remove it"
                    + _difference(before, same)
                )
            return True
        names = {file.name for file in self.path.iterdir()} if self.path.is_dir() else set()
        # A beginning that was killed leaves the recipe, and perhaps a part of what comes after it.
        if names - {RECIPE, f"{RECIPE}.part", f"{RUN}.part"}:
            raise InputError(f"{self.path} holds something else than a run; name a folder that is new or empty")
        return False

    def begin(self, recipe: str, run: Mapping[str, Any], *, same: str) -> None:
        """Writes recipe and facts. Raises StorageError."""
        self.write(RECIPE, recipe)
        self.write(RUN, json.dumps({**run, "same": same}, indent=1, ensure_ascii=False) + "\n")

    def facts(self) -> dict[str, Any]:
        """What `begin` wrote. Raises InputError where there is no run."""
        try:
            told: dict[str, Any] = json.loads((self.path / RUN).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path} holds no run of training ({error}); name a folder of her train") from error
        return told

    def write(self, name: str, text: str) -> None:
        """Writes a file of the folder whole, or leaves the old one. Raises StorageError."""
        part = self.path / f"{name}.part"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8", newline="\n")
            part.replace(self.path / name)
        except OSError as error:
            raise StorageError(f"{self.path / name} cannot be written ({error.strerror}); free some room") from error

    def log(self, lines: list[dict[str, Any]]) -> None:
        """Writes all figures so far, one step a line."""
        self.write(LOG, "".join(json.dumps(line) + "\n" for line in lines))


def _difference(before: str | None, now: str) -> str:
    """The first field in which two recipes differ, as a hint."""
    try:
        one, other = json.loads(before or "{}"), json.loads(now)
    except ValueError:
        return ""
    fields = [name for name in other if one.get(name) != other[name]]
    return f" (it differs in {', '.join(fields)})" if fields else ""


def versions() -> dict[str, str]:
    """HER, Python and the packages that a result may hang on."""
    found = {"her": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
