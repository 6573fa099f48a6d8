"""From an address, as people write it in flags and in `her.toml`, to the model that it names.

Knows one table of address forms. Refuses to know how any backend works: each is imported when it is opened.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from her.errors import InputError
from her.models.adapter import Adapter, packaged, read_adapter
from her.models.base import Model
from her.models.settings import key_for, load_settings

# ruff: noqa: PLC0415  (a backend is loaded only where an address asks for it: torch takes seconds, an extra may be missing)

DEFAULT = "mini"
BUNDLED = (DEFAULT, "mini-base")
"""Addresses that open the model which HER brings along."""

_PLUS = re.compile(r"(?<=\.gguf)\+(?=.+\.gguf$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Options:
    """What may be said beside an address; None leaves it to the backend."""

    key: str | None = None
    context: int | None = None
    threads: int | None = None
    timeout: float | None = None
    retries: int | None = None

    def given(self) -> set[str]:
        """Names of those that were said."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write an address: how it looks, what it means, which options it takes."""

    form: str
    meaning: str
    fits: Callable[[str], bool]
    open: Callable[[str, Options], Model]
    takes: frozenset[str] = frozenset()


def open_model(
    address: str | None = None,
    *,
    key: str | None = None,
    context: int | None = None,
    threads: int | None = None,
    timeout: float | None = None,
    retries: int | None = None,
) -> Model:
    """The model at an address or alias; None asks HER_MODEL, then `her.toml`, then takes the bundled one.

    `context` is in tokens, `timeout` in seconds, `retries` how often a server is asked again. `key` None is looked up
    by host (`settings.key_for`).
    Raises InputError for an address of no known form (the message lists them) and for an option that its backend
    does not have, MissingExtra where the backend is not installed, ModelError where it cannot be opened.
    """
    options = Options(key, context, threads, timeout, retries)
    address = resolve(address)
    form = next((form for form in FORMS if form.fits(address)), None)
    if form is None:
        known = "\n".join(f"  {shape:<28} {meaning}" for shape, meaning in ADDRESS_FORMS)
        raise InputError(
            f"{address!r} is not the address of a model, nor an alias in her.toml; an address is one of\n{known}"
        )
    if useless := options.given() - form.takes:
        raise InputError(f"{address} has no use for {', '.join(sorted(useless))}; leave that out")
    return form.open(address, options)


def resolve(address: str | None) -> str:
    """The address that a name, an alias or None stands for; what is no alias comes back as it is."""
    settings = load_settings()
    address = address or os.environ.get("HER_MODEL") or settings.model or DEFAULT
    return settings.models.get(address, address)


def _open_bundled(address: str, options: Options) -> Model:
    return _on_bundled(address, options, packaged() if address == DEFAULT else None)


def on_bundled(address: str) -> bool:
    """Whether an address stands for the bundled model, alone or with an adapter on it. Raises as `read_adapter`."""
    path = Path(address).expanduser()
    adapter = address.lower().endswith(".gguf") and path.is_file() and read_adapter(path) is not None
    return adapter or address in BUNDLED


def _open_gguf(address: str, options: Options) -> Model:
    path = Path(address).expanduser()
    adapter = read_adapter(path)
    return _on_bundled(address, options, adapter) if adapter else _embedded(address, options, path)


def _open_pair(address: str, options: Options) -> Model:
    path, other = (Path(part).expanduser() for part in _PLUS.split(address, 1))
    adapter = read_adapter(other)
    if adapter is None or read_adapter(path) is not None:
        raise InputError(f"{address}: a whole model belongs before the +, and an adapter behind it")
    if adapter.base_sha256 is not None:
        with path.open("rb") as file:
            adapter.check_base(hashlib.file_digest(file, "sha256").hexdigest(), str(path))
    return _embedded(address, options, path, adapter.path)


def _on_bundled(address: str, options: Options, adapter: Adapter | None) -> Model:
    from her.models.weights import GGUF_SHA256, TITLE, pull

    if adapter is None:
        return _embedded(address, options, pull())
    adapter.check_base(GGUF_SHA256, f"the bundled {TITLE}")
    return _embedded(address, options, pull(), adapter.path)


def _embedded(address: str, options: Options, path: Path, adapter: Path | None = None) -> Model:
    from her.models.embedded import Embedded

    return Embedded(path, address=address, adapter=adapter, context=options.context, threads=options.threads)


def _open_transformers(address: str, _: Options) -> Model:
    from her.models.transformers import Transformers

    return Transformers(address if address.startswith("hf:") else str(Path(address).expanduser()))


def _open_endpoint(address: str, options: Options) -> Model:
    from her.models.endpoint import Endpoint

    url = urlsplit(address)
    if not url.hostname or url.username or url.password or url.query:
        raise InputError(
            f"an address of a server is http(s)://host/v1#name, without user, password or query, not one on "
            f"{url.hostname or 'no host'} with more; a key goes into --key, HER_KEY or the keyring"
        )
    base, name = address.split("#", 1)[0], url.fragment or None
    key = options.key or key_for(url.hostname)
    given = {name: value for name in ("timeout", "retries") if (value := getattr(options, name)) is not None}
    return Endpoint(base, name, key=key, **given)


def _open_replay(address: str, _: Options) -> Model:
    from her.models.recorded import Replay

    return Replay(Path(address.removeprefix("replay:")).expanduser())


def _open_scripted(address: str, _: Options) -> Model:
    from her.models.recorded import Scripted

    text = address.removeprefix("scripted").removeprefix(":")
    model = Scripted(lambda *_: text, address=address) if text else Scripted(address=address)
    model.prefills = False  # the text is a whole turn, not the rest of one
    return model


_ENGINE = frozenset({"context", "threads"})

FORMS = (
    Form(
        DEFAULT,
        "the small model that HER brings along, in this process",
        lambda a: a == DEFAULT,
        _open_bundled,
        _ENGINE,
    ),
    Form(
        BUNDLED[1],
        "the bundled model as it was published, without HER's adapter",
        lambda a: a == BUNDLED[1],
        _open_bundled,
        _ENGINE,
    ),
    Form(
        "BASE.gguf+ADAPTER.gguf",
        "a GGUF file with a LoRA adapter, in this process",
        lambda a: _PLUS.search(a) is not None,
        _open_pair,
        _ENGINE,
    ),
    Form(
        "FILE.gguf",
        "any GGUF file, in this process; an adapter goes on the bundled model",
        lambda a: a.lower().endswith(".gguf"),
        _open_gguf,
        _ENGINE,
    ),
    Form(
        "hf:ORG/NAME",
        "a model of the Hugging Face hub, by transformers",
        lambda a: a.startswith("hf:"),
        _open_transformers,
    ),
    Form(
        "http(s)://HOST/v1#NAME",
        "a model of any OpenAI-compatible server",
        lambda a: a.startswith(("http://", "https://")),
        _open_endpoint,
        frozenset({"key", "timeout", "retries"}),
    ),
    Form("replay:FILE", "recorded replies", lambda a: a.startswith("replay:"), _open_replay),
    Form("scripted[:TEXT]", "one fixed reply", lambda a: a == "scripted" or a.startswith("scripted:"), _open_scripted),
    Form(
        "FOLDER",
        "a local folder with a config.json, by transformers",
        lambda a: (Path(a).expanduser() / "config.json").is_file(),
        _open_transformers,
    ),
)
"""Tried from first to last."""

ADDRESS_FORMS = tuple((form.form, form.meaning) for form in FORMS)
"""How addresses look and what they mean, for help texts."""
