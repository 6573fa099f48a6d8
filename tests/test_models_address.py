"""Addresses, `her.toml` and keys."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from her.errors import InputError, StorageError
from her.models import settings
from her.models.address import ADDRESS_FORMS, BUNDLED, open_model, resolve
from her.models.base import Message, Sampling
from her.models.settings import KEY_VARIABLES, key_for, load_settings, save_key


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, no keys in the environment, no keyring."""
    monkeypatch.chdir(tmp_path)
    for variable in ("HER_KEY", *KEY_VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(settings, "_keyring", lambda _: None)
    return tmp_path


def toml(folder: Path, text: str) -> None:
    (folder / "her.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("address", ["nonsense", "hf", "ftp://host/v1#x", "mini2", "folder/without/config", "HTTP"])
def test_an_unknown_address_lists_the_forms(address: str) -> None:
    with pytest.raises(InputError) as caught:
        open_model(address)
    for form, meaning in ADDRESS_FORMS:
        assert form in str(caught.value)
        assert meaning in str(caught.value)


def test_scripted_replies_with_its_text() -> None:
    model = open_model("scripted:Good evening: all")
    reply = asyncio.run(model.generate([Message("user", "Hi")], Sampling()))
    assert (reply.text, model.address) == ("Good evening: all", "scripted:Good evening: all")
    assert open_model("scripted").address == "scripted"


def test_a_gguf_address_opens_the_engine_on_that_file(alone: Path) -> None:
    with pytest.raises(InputError, match=r"none\.gguf cannot be read"):
        open_model("none.gguf")


def test_a_server_address_keeps_url_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_model("http://localhost:8000/v1#org/name", timeout=5).address == "http://localhost:8000/v1#org/name"


@pytest.mark.parametrize("address", ["https://me:secretword@host/v1#x", "https://host/v1?key=secretword#x", "http://"])
def test_keys_in_addresses_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InputError) as caught:
        open_model(address)
    assert "secretword" not in str(caught.value)
    assert "HER_KEY" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("scripted", {"threads": 2}),
        ("mini", {"key": "k"}),
        ("a.gguf+b.gguf", {"retries": 2}),
        ("http://h/v1#x", {"context": 9}),
    ],
)
def test_an_option_without_use_is_refused(address: str, options: dict[str, int | str]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        open_model(address, **options)  # type: ignore[arg-type]


def test_the_default_goes_from_flag_to_environment_to_folder_to_home(
    alone: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve(None) == "mini"
    toml(own_home, 'model = "scripted:home"')
    assert resolve(None) == "scripted:home"
    toml(alone, 'model = "here"\n[models]\nhere = "scripted:here"')
    assert resolve(None) == "scripted:here"
    monkeypatch.setenv("HER_MODEL", "scripted:environment")
    assert resolve(None) == "scripted:environment"
    assert resolve("here") == "scripted:here"
    assert resolve("scripted:flag") == "scripted:flag"


def test_aliases_of_both_files_go_together(alone: Path, own_home: Path) -> None:
    toml(own_home, '[models]\na = "scripted:1"\nb = "scripted:2"')
    toml(alone, '[models]\nb = "scripted:3"\nkeymaster = "scripted:4"')
    assert load_settings().models == {"a": "scripted:1", "b": "scripted:3", "keymaster": "scripted:4"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle = 'mini'", r"her\.toml.*'modle'.*known here: model, models"),
        ("model = 3", r"her\.toml.*'model'"),
        ("[models]\nx = 3", r"'models\.x'"),
        ("models = {}\nmodel = !", r"her\.toml is not TOML.*line 2"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(alone: Path, text: str, says: str) -> None:
    toml(alone, text)
    with pytest.raises(InputError, match=says):
        load_settings()


@pytest.mark.parametrize("text", ["key = 'hush'", "api_key = 'hush'", "[server]\nToken = 'hush'"])
def test_a_key_in_settings_is_refused_and_not_repeated(alone: Path, text: str) -> None:
    toml(alone, text)
    with pytest.raises(InputError, match="HER_KEY") as caught:
        load_settings()
    assert "hush" not in str(caught.value)


def test_keys_are_looked_for_in_order_and_by_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_for("api.openai.com") is None
    save_key("api.openai.com", "from file")
    assert key_for("api.openai.com") == "from file"
    monkeypatch.setattr(settings, "_keyring", {"api.openai.com": "from keyring"}.get)
    assert key_for("api.openai.com") == "from keyring"
    monkeypatch.setenv("HER_KEY", "from HER_KEY")
    assert key_for("api.openai.com") == "from HER_KEY"
    monkeypatch.setenv("OPENAI_API_KEY", "from OPENAI_API_KEY")
    assert key_for("api.openai.com") == "from OPENAI_API_KEY"
    monkeypatch.delenv("HER_KEY")
    assert key_for("evil.example") is None, "a provider's key goes to that provider alone"


def test_stored_keys_are_for_their_owner_alone() -> None:
    path = save_key("host", "hush")
    save_key("other", "quiet")
    assert save_key("host", None) == path
    assert json.loads(path.read_text(encoding="utf-8")) == {"other": "quiet"}
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        with pytest.raises(StorageError, match="chmod 600"):
            key_for("other")


@pytest.mark.parametrize("text", ["{", "[]", '{"host": 3}', '{"host": "hush"'])
def test_a_broken_key_file_is_named_and_not_repeated(text: str) -> None:
    path = save_key("host", "hush")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"keys\.json") as caught:
        key_for("host")
    assert "hush" not in str(caught.value)


@pytest.mark.model
@pytest.mark.parametrize("address", BUNDLED)
def test_mini_opens_the_bundled_model(mini_path: Path, address: str) -> None:
    model = open_model(address, context=1024, threads=1)
    assert (model.address, model.context, model.prefills, model.constrains) == (address, 1024, True, True)
    asyncio.run(model.close())
