"""GGUF files written by the book: a header of keys and values, and float32 tensors. Needs nothing but Python."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str | Sequence[bool | int | float | str]
Tensor: TypeAlias = tuple[tuple[int, ...], bytes]
"""The shape, slowest dimension first, and its float32 numbers."""

ALIGNMENT = 32


def gguf(fields: Mapping[str, Value], tensors: Mapping[str, Tensor] | None = None, version: int = 3) -> bytes:
    """A whole file."""
    tensors = tensors or {}
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(fields))
    for key, value in fields.items():
        kind, data = _value(value)
        head += _string(key) + struct.pack("<I", kind) + data
    body = b""
    for name, (shape, data) in tensors.items():
        head += _string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head += struct.pack("<IQ", 0, len(body))
        body += _padded(data)
    return _padded(head) + body


def floats(numbers: Sequence[float]) -> bytes:
    """Numbers as a tensor holds them."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value, whole: int = 4) -> tuple[int, bytes]:
    """The type's number and the bytes. Whole numbers have 4 bytes: unsigned alone, signed in lists, as the engine
    asks for them."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return whole, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        return 8, _string(value)
    items = [_value(item, whole=5) for item in value]
    kind = items[0][0] if items else 8
    return 9, struct.pack("<IQ", kind, len(items)) + b"".join(data for _, data in items)
