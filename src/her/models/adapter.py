"""What a GGUF file says of itself: whether it is a LoRA adapter, and for which base it was made.

Knows the header's keys and values (versions 2 and 3 of the format, little-endian). Refuses to believe a length that
it finds there beyond the end of the file or `HEADER_LIMIT`, and never reads a tensor.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

from her.errors import InputError, ModelError

BASE_KEY = "her.base.sha256"
"""Our own key in an adapter's header: sha256 (hex) of the GGUF file of the base that it was made for."""
HEADER_LIMIT = 1 << 26
"""Bytes; the vocabularies of today's largest tokenizers take a third of it."""

_SAID = {"general.type", "general.architecture", "general.name", "general.license", "adapter.type", BASE_KEY}
_VERSIONS = (2, 3)  # the same layout; the engine takes no other
_NUMBERS = dict(enumerate(("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?"))) | {10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

Value = str | int | float | tuple[()]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter as its header describes it; `licence` and `base_sha256` are None where it does not say."""

    path: Path
    architecture: str
    name: str
    licence: str | None = None
    base_sha256: str | None = None

    def check_base(self, sha256: str, base: str) -> None:
        """Raises InputError unless the adapter says that it was made for the file of that hash, called `base`."""
        if self.base_sha256 == sha256:
            return
        if self.base_sha256 is None:
            found = f"{self.path} does not say for which model it was made"
        else:
            found = f"{self.path} was made for a model with sha256 {self.base_sha256}, and {base} has {sha256}"
        raise InputError(f"{found}; put its own model's file before it, as BASE.gguf+{self.path.name}")


def read_adapter(path: Path) -> Adapter | None:
    """What the header of an adapter says; None where the file is a whole model.

    Raises InputError for a path that holds no GGUF, ModelError for a header that is broken, cut short or beyond
    `HEADER_LIMIT`, and for an adapter that is no LoRA.
    """
    said: dict[str, Value] = {}
    try:
        with path.open("rb") as file:
            for key, value in _Header(file, path).fields():
                # Most files say it at once; the vocabulary of a whole model is then left unread.
                if key == "general.type" and value != "adapter":
                    return None
                if key in _SAID:
                    said[key] = value
    except OSError as fault:
        raise InputError(f"{path} cannot be read ({fault.strerror}); name a GGUF file that is there") from fault
    if said.get("general.type") != "adapter":
        return None
    if said.get("adapter.type") != "lora":
        raise ModelError(f"{path} is an adapter of another kind than LoRA, which is all that the engine takes")
    architecture, sha256 = _text(said, "general.architecture"), _text(said, BASE_KEY)
    if architecture is None or (BASE_KEY in said and not re.fullmatch("[0-9a-f]{64}", sha256 or "")):
        raise ModelError(f"{path} is broken: it has no architecture, or no sha256 in {BASE_KEY}; make it again")
    name = _text(said, "general.name") or path.stem
    return Adapter(path, architecture, name, _text(said, "general.license"), sha256)


def packaged() -> Adapter | None:
    """The adapter that HER brings along for its bundled model; None where there is none. Raises as `read_adapter`."""
    place = files("her.models") / "mini.gguf"
    return read_adapter(Path(str(place))) if place.is_file() else None


def packaged_card() -> str:
    """The card of that adapter, as Markdown. Raises InputError where there is none."""
    place = files("her.models") / "mini.md"
    if not place.is_file():
        raise InputError("this package brings no adapter, so there is no card; see docs/mini.md")
    return place.read_text(encoding="utf-8")


def _text(said: dict[str, Value], key: str) -> str | None:
    value = said.get(key)
    return value if isinstance(value, str) and value.isprintable() else None


class _Header:
    """A GGUF header, read once from its beginning."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._left = min(os.fstat(file.fileno()).st_size, HEADER_LIMIT)

    def fields(self) -> Iterator[tuple[str, Value]]:
        """Every key with its value, as they come; () stands for an array."""
        if self._left < 4 or self._take(4) != b"GGUF":
            raise InputError(f"{self._path} is not a GGUF file; fetch it again or name another")
        if (version := self._number("<I")) not in _VERSIONS:
            raise self._broken(f"version {version}, not {' or '.join(map(str, _VERSIONS))},")
        self._number("<Q")  # tensors
        for _ in range(int(self._number("<Q"))):
            yield self._string(), self._value(int(self._number("<I")))

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._pass_array()
            return ()
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        raise self._broken(f"a value of the unknown type {kind}")

    def _pass_array(self) -> None:
        kind, count = int(self._number("<I")), int(self._number("<Q"))
        if kind == _STRING:
            for _ in range(count):
                self._skip(int(self._number("<Q")))
        elif kind in _NUMBERS:
            self._skip(count * struct.calcsize(_NUMBERS[kind]))
        else:  # arrays in arrays too: the engine refuses them
            raise self._broken(f"an array of the unknown type {kind}")

    def _string(self) -> str:
        return self._take(int(self._number("<Q"))).decode("utf-8", "replace")

    def _number(self, form: str) -> int | float:
        value: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _take(self, count: int) -> bytes:
        self._count(count)
        data = self._file.read(count)
        if len(data) < count:
            raise self._broken("an end before its end")
        return data

    def _skip(self, count: int) -> None:
        self._count(count)
        self._file.seek(count, os.SEEK_CUR)

    def _count(self, count: int) -> None:
        if count > self._left:
            raise self._broken("a length beyond the end of the file, or beyond what headers have")
        self._left -= count

    def _broken(self, found: str) -> ModelError:
        return ModelError(f"{self._path} is broken or cut short: its header has {found}; fetch it again")
