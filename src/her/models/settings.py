"""Where HER keeps its files, what `her.toml` says, and which key opens which server.

Knows HER_HOME, HER_CACHE, the two places of `her.toml`, and the order in which keys are looked for.
Refuses to hold a key in a settings file, and never shows one.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from her.errors import InputError, StorageError

FILE = "her.toml"
KEY_VARIABLES = {
    "api.openai.com": "OPENAI_API_KEY",
    "openrouter.ai": "OPENROUTER_API_KEY",
    "api.deepseek.com": "DEEPSEEK_API_KEY",
    "api.mistral.ai": "MISTRAL_API_KEY",
    "api.x.ai": "XAI_API_KEY",
    "router.huggingface.co": "HF_TOKEN",
}
"""The environment variable that each provider's own documentation names; sent to that host and no other."""

_SECRETS = ("key", "token", "secret", "password", "auth")


class Settings(BaseModel):
    """What `her.toml` may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    """The address, or the alias, of the model to use where none is named."""
    models: dict[str, str] = Field(default_factory=dict)
    """Aliases: a short name to an address."""


def home() -> Path:
    """The folder of chats and keys: HER_HOME, or else the user's data folder."""
    return _folder("HER_HOME") or platformdirs.user_data_path("her", appauthor=False)


def cache_folder() -> Path:
    """The folder of what can be fetched again: HER_CACHE, or else the user's cache folder."""
    return _folder("HER_CACHE") or platformdirs.user_cache_path("her", appauthor=False)


def settings_files() -> tuple[Path, Path]:
    """The person's own `her.toml` (in HER_HOME where that is set), then the one in the current folder."""
    own = _folder("HER_HOME") or platformdirs.user_config_path("her", appauthor=False)
    return own / FILE, Path.cwd() / FILE


def load_settings() -> Settings:
    """Both files together; the current folder's goes before the person's own, alias by alias.

    Raises InputError for a file that is not TOML, holds an unknown name or value, or holds a key.
    """
    own, here = (_read(path) for path in settings_files())
    return Settings(model=here.model or own.model, models={**own.models, **here.models})


def key_for(host: str) -> str | None:
    """The key for a server: its provider's variable, HER_KEY, the keyring, then `keys.json` in HER_HOME; or None.

    HER_KEY is sent to whichever server is addressed, so it suits a person who uses one.
    Raises StorageError for a `keys.json` that others may read, InputError for one that is not an object of texts.
    """
    for variable in (KEY_VARIABLES.get(host), "HER_KEY"):
        if variable and (key := os.environ.get(variable)):
            return key
    return _keyring(host) or _stored_keys().get(host)


def save_key(host: str, key: str | None) -> Path:
    """The file that now holds the key (None: holds it no longer), readable by its owner alone."""
    path = home() / "keys.json"
    keys = {name: value for name, value in _stored_keys().items() if name != host} | ({host: key} if key else {})
    part = path.with_name(f"keys.json.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(keys, file, indent=2)
        part.replace(path)
    except OSError as fault:
        raise StorageError(f"{path} cannot be written ({fault.strerror}); free the place or set HER_HOME") from fault
    return path


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None


def _read(path: Path) -> Settings:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except OSError as fault:
        raise StorageError(f"{path} cannot be read ({fault.strerror}); make it readable or remove it") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"{path} is not TOML: {fault}") from fault
    for name in _names({k: v for k, v in told.items() if k != "models"}):
        if any(word in name.lower() for word in _SECRETS):
            raise InputError(
                f"{path}: {name!r} looks like a key, and keys are not kept in {FILE}; remove it, "
                "then set HER_KEY in the environment or store the key in the keyring"
            )
    try:
        return Settings.model_validate(told)
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        known = ", ".join(Settings.model_fields)
        raise InputError(f"{path}: {where!r}: {first['msg']} (known here: {known})") from fault


def _names(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield name
        if isinstance(value, Mapping):
            yield from _names(value)


def _keyring(host: str) -> str | None:
    try:
        import keyring  # noqa: PLC0415  (an optional extra, and slow to load)
    except ImportError:
        return None
    try:
        key: str | None = keyring.get_password("her", host)
    except keyring.errors.KeyringError:  # no keyring on this machine, or a locked one
        return None
    return key


def _stored_keys() -> dict[str, str]:
    path = home() / "keys.json"
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise StorageError(f"{path} may be read by others than its owner; run: chmod 600 '{path}'")
        keys = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as fault:
        raise InputError(f"{path} is not JSON (line {getattr(fault, 'lineno', '?')}); mend or remove it") from None
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise InputError(f'{path} must look like {{"host": "key"}}; mend or remove it')
    return keys
