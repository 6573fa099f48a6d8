"""Adapters: what a header says, files that lie, and the addresses that put an adapter on its base."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gguf_file import Value, floats, gguf
from her import doctor
from her.errors import HerError, InputError, ModelError
from her.models import adapter as adapters
from her.models.adapter import BASE_KEY, HEADER_LIMIT, Adapter, packaged, read_adapter
from her.models.address import open_model
from her.models.base import Message, Sampling
from her.models.embedded import BUNDLED_REPEAT_PENALTY, Embedded
from her.models.weights import GGUF_NAME, GGUF_SHA256, LICENCE

OTHER = "0123456789abcdef" * 4
LORA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.type": "adapter",
    "adapter.type": "lora",
    "adapter.lora.alpha": 1.0,
}
MODEL: dict[str, Value] = {"general.architecture": "llama", "general.type": "model"}
WIDTH, KEYS = 576, 192  # of the bundled model
ASK = [Message("user", "Darcy: May I have the next dance?")]


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def lora(path: Path, **more: str) -> Path:
    """An adapter that fits the bundled model, and shows in whatever that says."""
    down, up = floats([0.5] * WIDTH), floats([0.5, -0.5] * (KEYS // 2))
    tensors = {
        f"blk.{n}.attn_v.weight.lora_{side}": shape
        for n in range(30)
        for side, shape in (("a", ((1, WIDTH), down)), ("b", ((KEYS, 1), up)))
    }
    return put(path, gguf({**LORA, **{key.replace("_", "."): text for key, text in more.items()}}, tensors))


# The header.


def test_an_adapter_says_what_it_is(tmp_path: Path) -> None:
    told = {"general.name": "Mini", "general.license": "apache-2.0", BASE_KEY: OTHER}
    path = put(tmp_path / "a.gguf", gguf({**LORA, **told}))
    assert read_adapter(path) == Adapter(path, "llama", "Mini", "apache-2.0", OTHER)
    path = put(tmp_path / "plain.gguf", gguf(LORA, version=2))
    assert read_adapter(path) == Adapter(path, "llama", "plain", None, None)


@pytest.mark.parametrize("fields", [MODEL, {"general.architecture": "llama"}, {}, {"general.type": 3}])
def test_a_whole_model_is_none(tmp_path: Path, fields: dict[str, Value]) -> None:
    words = {"tokenizer.ggml.tokens": ["a"] * 1000, "tokenizer.ggml.token_type": [1] * 1000}
    assert read_adapter(put(tmp_path / "m.gguf", gguf({**fields, **words}))) is None


@pytest.mark.model
def test_the_bundled_model_is_no_adapter(mini_path: Path) -> None:
    assert read_adapter(mini_path) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"adapter.type": "control_vector"}, "another kind than LoRA"),
        ({"adapter.type": ["lora"]}, "another kind than LoRA"),
        ({"general.architecture": 7}, "no architecture"),
        ({"general.architecture": "lla\nma"}, "no architecture"),
        ({BASE_KEY: "abc"}, "no sha256"),
        ({BASE_KEY: OTHER.upper()}, "no sha256"),
        ({BASE_KEY: [OTHER]}, "no sha256"),
    ],
)
def test_an_adapter_of_another_kind_or_without_sense_is_refused(
    tmp_path: Path, fields: dict[str, Value], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        read_adapter(put(tmp_path / "a.gguf", gguf({**LORA, **fields})))


def header(*parts: bytes, count: int = 1, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, count) + b"".join(parts)


def word(length: int, data: bytes = b"") -> bytes:
    return struct.pack("<Q", length) + data


KEY = word(1, b"k")


@pytest.mark.parametrize(
    "data",
    [
        header(count=1),
        header(count=2**63),
        header(word(2**63)),
        header(word(HEADER_LIMIT)),
        header(KEY, struct.pack("<I", 8), word(2**64 - 1)),
        header(KEY, struct.pack("<I", 13)),
        header(KEY, struct.pack("<IIQ", 9, 8, 2**62)),
        header(KEY, struct.pack("<IIQ", 9, 0, 2**62)),
        header(KEY, struct.pack("<IIQ", 9, 12, 2**61)),
        header(KEY, struct.pack("<IIQ", 9, 9, 1) * 3),
        header(version=1, count=0),
        header(version=3 << 24, count=0),
        b"GGUF",
    ],
)
def test_a_header_that_lies_is_broken(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelError, match=r"a\.gguf is broken or cut short.*fetch it again"):
        read_adapter(put(tmp_path / "a.gguf", data))


def test_a_header_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    with path.open("wb") as file:  # sparse, where the disk can
        file.write(header(KEY, struct.pack("<I", 8), word(HEADER_LIMIT)))
        file.truncate(2 * HEADER_LIMIT)
    with pytest.raises(ModelError, match="beyond what headers have"):
        read_adapter(path)


@pytest.mark.parametrize("data", [b"", b"GGU", b"PK\x03\x04 and more"])
def test_what_is_no_gguf_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.gguf is not a GGUF file"):
        read_adapter(put(tmp_path / "a.gguf", data))
    with pytest.raises(InputError, match=r"none\.gguf cannot be read"):
        read_adapter(tmp_path / "none.gguf")


VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.floats(width=32),
    st.text(max_size=20),
    st.lists(st.text(max_size=5), max_size=5),
    st.lists(st.integers(0, 9), max_size=5),
    st.lists(st.booleans(), max_size=5),
)
HEADERS = st.dictionaries(st.text(max_size=10), VALUES, max_size=6)


@given(before=HEADERS, after=HEADERS, name=st.text(max_size=20))
def test_any_other_keys_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, Any], after: dict[str, Any], name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    whole = gguf({**before, **LORA, "general.name": name, **after})
    read = read_adapter(put(path, whole))
    assert read is not None
    assert read.architecture == "llama"
    assert read.name == (name if name and name.isprintable() else "any")
    with pytest.raises(HerError):
        read_adapter(put(path, whole[: len(whole) // 2]))


@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"GGUF", header(), header(KEY, count=2)]))
def test_no_bytes_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = put(tmp_path_factory.getbasetemp() / "bytes.gguf", start + data)
    try:
        read_adapter(path)
    except HerError as error:
        assert "bytes.gguf" in str(error)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_flipped_byte_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    data = bytearray(gguf({**LORA, "general.name": "Mini", "words": ["a", "b"], BASE_KEY: OTHER}))
    data[at % len(data)] = byte
    try:
        read_adapter(put(tmp_path_factory.getbasetemp() / "flipped.gguf", bytes(data)))
    except HerError as error:
        assert "flipped.gguf" in str(error)


# Addresses, up to the engine.


def test_an_adapter_for_another_base_says_which(tmp_path: Path) -> None:
    path = lora(tmp_path / "other.gguf", her_base_sha256=OTHER)
    with pytest.raises(InputError, match=rf"{OTHER}, and the bundled .*{GGUF_SHA256}.*as BASE\.gguf\+other\.gguf"):
        open_model(str(path))


def test_an_adapter_that_names_no_base_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not say for which model.*BASE\.gguf\+a\.gguf"):
        open_model(str(lora(tmp_path / "a.gguf")))


def test_each_side_of_the_plus_has_its_kind(tmp_path: Path) -> None:
    model, adapter = put(tmp_path / "m.GGUF", gguf(MODEL)), lora(tmp_path / "a.gguf")
    for before, behind in [(model, model), (adapter, adapter), (adapter, model)]:
        with pytest.raises(InputError, match=r"a whole model belongs before the \+"):
            open_model(f"{before}+{behind}")
    with pytest.raises(InputError, match=r"none\.gguf cannot be read"):
        open_model(f"{model}+{tmp_path / 'none.gguf'}")
    with pytest.raises(InputError, match=r"none\.gguf cannot be read"):
        open_model(f"{tmp_path / 'none.gguf'}+{adapter}")


def test_the_plus_looks_at_the_hash_too(tmp_path: Path) -> None:
    model, adapter = put(tmp_path / "m.gguf", gguf(MODEL)), lora(tmp_path / "a.gguf", her_base_sha256=OTHER)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=rf"{OTHER}, and .*m\.gguf has {sha256}"):
        open_model(f"{model}+{adapter}")


def test_a_plus_elsewhere_is_part_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"c\+\+\.gguf cannot be read"):
        open_model(str(tmp_path / "c++.gguf"))


# On the bundled model.


@pytest.fixture(scope="module")
def bare_says(mini_path: Path) -> str:
    return says(open_model("mini-base", context=512))


def says(model: Any) -> str:
    assert isinstance(model, Embedded)
    assert model._penalty == BUNDLED_REPEAT_PENALTY
    text = asyncio.run(model.generate(ASK, Sampling(temperature=0, max_tokens=12))).text
    asyncio.run(model.close())
    return text


@pytest.mark.model
def test_an_adapter_of_the_bundled_model_is_heard(mini_path: Path, bare_says: str, tmp_path: Path) -> None:
    known, unknown = lora(tmp_path / "k.gguf", her_base_sha256=GGUF_SHA256), lora(tmp_path / "u.gguf")
    said = says(open_model(str(known), context=512))
    assert said != bare_says
    assert {says(open_model(f"{mini_path}+{path}", context=512)) for path in (known, unknown)} == {said}


@pytest.mark.model
def test_mini_is_the_bundled_model_with_the_packaged_adapter(
    mini_path: Path, bare_says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "files", lambda _: tmp_path)
    assert packaged() is None
    assert says(open_model("mini", context=512)) == bare_says
    lora(tmp_path / "mini.gguf", her_base_sha256=GGUF_SHA256)
    assert says(open_model("mini", context=512)) != bare_says
    assert says(open_model("mini-base", context=512)) == bare_says


def test_a_packaged_adapter_for_another_base_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "files", lambda _: tmp_path)
    lora(tmp_path / "mini.gguf", her_base_sha256=OTHER)
    with pytest.raises(InputError, match=r"mini\.gguf was made for a model with sha256 0123"):
        open_model("mini")


@pytest.mark.model
@pytest.mark.parametrize(
    "data",
    [
        gguf({**LORA, "general.architecture": "qwen2"}),
        gguf(LORA, {"blk.0.attn_v.weight.lora_a": ((1, 8), floats([0] * 8))}),
        gguf({**LORA, "tokenizer.ggml.tokens": ["x"] * 999})[:2000],
    ],
    ids=["architecture", "shape", "cut"],
)
def test_the_engine_refuses_an_adapter_that_does_not_fit(mini_path: Path, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelError, match=rf"{GGUF_NAME} could not be loaded.*a\.gguf is no adapter for it"):
        Embedded(mini_path, adapter=put(tmp_path / "a.gguf", data), context=512)


def test_the_list_of_models_shows_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "files", lambda _: tmp_path)
    rows = {row["address"]: row["what"] for row in doctor._models()}
    assert f"98 MB, {LICENCE}; " in rows["mini"]
    lora(tmp_path / "mini.gguf", general_name="HER mini", general_license="apache-2.0")
    rows = {row["address"]: row["what"] for row in doctor._models()}
    assert f"98 MB, {LICENCE}, with HER mini, 0.1 MB, apache-2.0; " in rows["mini"]
    assert "mini-base" in rows
