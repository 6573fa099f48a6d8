"""A LoRA adapter as PEFT saves it, rewritten as the one GGUF file that the embedded engine puts on its base.

Knows how both sides name and lay out the seven linear maps of a block in Llama and Qwen models. Refuses adapters that
change a model in any other way, and changes no base.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from her.errors import InputError, MissingExtra, StorageError
from her.models.adapter import BASE_KEY

try:
    import torch
    from gguf import GGUFWriter
    from safetensors import SafetensorError
    from safetensors.torch import load_file
except ImportError as missing:
    raise MissingExtra("writing an adapter", "train") from missing

INTERLEAVED = {"llama": True, "qwen2": False, "qwen3": False}
"""`model_type`s that can be written, which are also GGUF's names of them; whether llama.cpp keeps the rows of their
queries and keys interleaved: its rotation of Llama turns neighbouring rows, transformers' those half a head apart."""
LINEAR = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Names within a block: transformers' to GGUF's."""

_TENSOR = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight")
_OWN = ("general.architecture", "general.type", "adapter.type", "adapter.lora.alpha")
_READ = {"peft_type", "r", "lora_alpha", "use_rslora", "bias", "init_lora_weights"}
_IDLE = {
    *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout", "megatron_core"),
    *("qalora_group_size", "ensure_weight_tying"),
}
"""Fields of PEFT 0.21's LoraConfig that leave the saved tensors' meaning alone; any other that is set is refused."""
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal")  # the other initialisations write into the base's weights


@dataclass(frozen=True, slots=True)
class _Base:
    """What of a base matters to its adapters."""

    kind: str
    layers: int
    sizes: Mapping[str, tuple[int, int]]
    """Numbers into and out of each linear map."""
    turned: Mapping[str, int]
    """Heads of each linear map whose rows llama.cpp keeps in another order."""


def write_gguf_adapter(
    adapter: Path, target: Path, *, base: Path, about: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Writes the PEFT folder `adapter` to `target` as GGUF with float16 tensors; `base` is the base model's folder, of
    which config.json is read.

    `about` is more of the header, by GGUF's keys: `general.name` (else the target's stem), `general.license`, and
    `her.base.sha256`, the hash of the one GGUF file that the adapter may be put on.
    Raises InputError for an adapter that is no plain LoRA or does not fit the base, and for a base of another kind
    than `INTERLEAVED` lists; StorageError where the target cannot be written, whose old file then stays.
    """
    if wrong := [key for key in about if key in _OWN or not key.startswith(("general.", "her."))]:
        raise InputError(f"{', '.join(wrong)} cannot be said about an adapter; name general.… and her.… keys")
    if BASE_KEY in about and not re.fullmatch("[0-9a-f]{64}", about[BASE_KEY]):
        raise InputError(f"{BASE_KEY} is {about[BASE_KEY]!r}; it must be a sha256 of 64 hexadecimal digits")
    shape = _read_base(base / "config.json")
    rank, alpha = _rank_and_alpha(adapter / "adapter_config.json")
    tensors = _converted(adapter / "adapter_model.safetensors", shape, rank)
    _write(target, shape.kind, alpha, {"general.name": target.stem, **about}, tensors)


def check_base(base: Path) -> None:
    """Raises InputError unless adapters for the base in that folder can be written as GGUF."""
    _read_base(base / "config.json")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise InputError(f"{path} cannot be read ({fault}); name a folder that holds it") from fault
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object; save the folder again")
    return found


def _rank_and_alpha(path: Path) -> tuple[int, float]:
    """The rank, and the alpha that the engine divides by it."""
    said = _object(path)
    odd = {name: value for name, value in said.items() if value and name not in _READ | _IDLE}
    if said.get("peft_type") != "LORA":
        odd["peft_type"] = said.get("peft_type")
    if said.get("bias", "none") != "none":
        odd["bias"] = said["bias"]
    if (start := said.get("init_lora_weights", True)) not in _PLAIN_STARTS:
        odd["init_lora_weights"] = start
    if odd:
        named = ", ".join(f"{name} = {value!r}" for name, value in sorted(odd.items()))
        raise InputError(f"{path} asks for {named}; the engine takes plain LoRA alone: train without that, or merge")
    rank, alpha = said.get("r"), said.get("lora_alpha")
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float) and alpha > 0):
        raise InputError(f"{path} has r = {rank!r} and lora_alpha = {alpha!r}; both must be positive numbers")
    return rank, alpha * math.sqrt(rank) if said.get("use_rslora") else float(alpha)


def _read_base(path: Path) -> _Base:
    said = _object(path)
    kind = said.get("model_type")
    if kind not in INTERLEAVED:
        raise InputError(f"{path} is of a model of type {kind!r}; adapters can be written for {', '.join(INTERLEAVED)}")
    try:
        layers, width, inner = said["num_hidden_layers"], said["hidden_size"], said["intermediate_size"]
        heads = said["num_attention_heads"]
    except KeyError as lacking:
        raise InputError(f"{path} has no {lacking}; name the folder that the base was saved to") from lacking
    pairs = said.get("num_key_value_heads") or heads
    each = said.get("head_dim") or width // heads
    queries, keys = (width, each * heads), (width, each * pairs)
    up, down = (width, inner), (inner, width)
    sizes = dict(zip(LINEAR, (queries, keys, keys, queries[::-1], up, up, down), strict=True))
    turned = {"self_attn.q_proj": heads, "self_attn.k_proj": pairs} if INTERLEAVED[kind] else {}
    return _Base(kind, layers, sizes, turned)


def _converted(path: Path, base: _Base, rank: int) -> dict[str, torch.Tensor]:
    """GGUF's names to float16 tensors, block by block: `lora_a` (rank, in) and `lora_b` (out, rank)."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as fault:
        raise InputError(f"{path} cannot be read ({fault}); save the adapter as safetensors") from fault
    found: dict[tuple[int, str, str], torch.Tensor] = {}
    for name, tensor in tensors.items():
        match = _TENSOR.fullmatch(name)
        if match is None or match[2] not in LINEAR:
            raise InputError(f"{path} holds {name}; adapters can change {', '.join(LINEAR)} alone")
        layer, linear, side = int(match[1]), match[2], match[3]
        wide, high = base.sizes[linear]
        if layer >= base.layers or tuple(tensor.shape) != ((rank, wide) if side == "A" else (high, rank)):
            raise InputError(f"{path} is of another base or rank: {name} with {tuple(tensor.shape)} does not fit here")
        turn = side == "B" and linear in base.turned
        found[layer, linear, side] = _half(interleaved(tensor, base.turned[linear]) if turn else tensor, name)
    lone = [key for key in found if (*key[:2], "AB".replace(key[2], "")) not in found]
    if lone or not found:
        raise InputError(f"{path} is no whole adapter: {len(lone)} of its {len(found)} tensors lack their other half")
    return {f"blk.{n}.{LINEAR[linear]}.weight.lora_{s.lower()}": found[n, linear, s] for n, linear, s in sorted(found)}


def _half(tensor: torch.Tensor, name: str) -> torch.Tensor:
    half = tensor.to(torch.float16)
    if not half.isfinite().all():
        raise InputError(f"{name} has numbers that are not finite in float16; the training went wrong")
    return half.contiguous()


def interleaved(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows in llama.cpp's order: of each head, those that lie half a head apart become neighbours."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def _write(
    target: Path, kind: str, alpha: float, about: Mapping[str, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    part = target.with_name(f"{target.name}.part")
    writer = GGUFWriter(part, kind)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for key, value in about.items():
        writer.add_string(key, value)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor.numpy())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(target)
    except OSError as fault:
        raise StorageError(
            f"{target} cannot be written ({fault.strerror}); make room, or name another place"
        ) from fault
    finally:
        writer.close()
        with suppress(OSError):
            part.unlink()
