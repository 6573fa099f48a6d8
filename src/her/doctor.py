"""Looks at this machine: does chat work here, and if not, what mends it. Also lists what can be addressed as a model.

Knows names of packages and places; refuses to know how a chat is played.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from her import __version__
from her.chat.store import Store
from her.errors import HerError
from her.models import weights
from her.models.adapter import packaged
from her.models.address import ADDRESS_FORMS, DEFAULT
from her.models.settings import home, load_settings

CORE = ("openai", "platformdirs", "prompt-toolkit", "pydantic", "rich", "typer", "xllamacpp")
"""Distributions that the core install brings (pyproject.toml)."""
EXTRAS = {
    "train": (
        "accelerate",
        "datasets",
        "gguf",
        "jinja2",
        "llguidance",
        "matplotlib",
        "peft",
        "pyarrow",
        "safetensors",
        "torch",
        "transformers",
        "trl",
    ),
    "bench": ("inspect-ai", "jinja2", "matplotlib", "pyarrow"),
    "synth": ("beautifulsoup4", "charset-normalizer", "datasets", "defusedxml", "pyarrow"),
    "pages": ("jinja2", "matplotlib"),
    "ray": ("ray",),
    "keyring": ("keyring",),
}
"""Distributions of each extra, and what they are for in `_FOR`."""
_FOR = {
    "bench": "benchmarks",
    "train": "training; hf: models and folders",
    "synth": "books to training rows",
    "pages": "HTML reports",
    "ray": "synthesis on a cluster",
    "keyring": "keys in the system's keyring",
}

State = Literal["ok", "note", "bad"]
MARKS: dict[State, tuple[str, str]] = {"ok": ("✓", "green"), "note": ("·", "dim"), "bad": ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `bad` means that chat cannot work. `mend` is a command or an advice, or empty."""

    name: str
    state: State
    detail: str
    mend: str = ""


def examine(*, as_json: bool) -> bool:
    """Prints every check; whether chat works here."""
    checks = list(_checks())
    works = all(check.state != "bad" for check in checks)
    if as_json:
        report = {"works": works, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        return works
    console = Console(highlight=False, markup=False, emoji=False)
    for check in checks:
        mark, style = MARKS[check.state]
        line = Text(f"{mark} ", style).append(f"{check.name:<14}", "bold").append(check.detail, "")
        console.print(line, soft_wrap=True)
        if check.mend:
            console.print(
                Text(f"  {'':<14}→ {check.mend}", "yellow" if check.state == "bad" else "dim"), soft_wrap=True
            )
    console.print(Text("Chat works here." if works else "Chat cannot work here yet.", "bold"), soft_wrap=True)
    return works


def _checks() -> Iterator[Check]:
    yield Check("her", "ok", __version__)
    yield _python()
    yield _core()
    yield _engine()
    yield _weights()
    yield _folder("home", home, "set HER_HOME to a folder that can be written")
    yield _folder("cache", weights.folder, "set HER_CACHE to a folder that can be written")
    yield _chats()
    for extra, packages in EXTRAS.items():
        yield _extra(extra, packages)
    yield _terminal()


def _python() -> Check:
    old = sys.version_info < (3, 11)
    detail = f"{platform.python_version()} on {platform.platform(terse=True)}, {platform.machine()}"
    return Check("python", "bad" if old else "ok", detail, "HER needs Python 3.11 or newer" if old else "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _core() -> Check:
    found = {package: _version(package) for package in CORE}
    missing = [package for package, version in found.items() if version is None]
    detail = ", ".join(f"{package} {version or 'missing'}" for package, version in found.items())
    return Check(
        "packages", "bad" if missing else "ok", detail, "pip install --upgrade her-roleplay" if missing else ""
    )


def _engine() -> Check:
    mend = "pip install --force-reinstall her-roleplay, or use a server: her chat --model http://host:port/v1#name"
    try:
        importlib.import_module("xllamacpp")
    except (ImportError, OSError) as error:
        return Check("engine", "bad", f"llama.cpp does not load: {error}", mend)
    return Check("engine", "ok", "llama.cpp loads")


def _weights() -> Check:
    title = f"{weights.TITLE}, {weights.SIZE / 1e6:.0f} MB, {weights.LICENCE}"
    if not weights.present():
        return Check("mini", "note", f"{title}: not fetched yet; the first chat does it", "her models pull")
    try:
        path = weights.verify()
    except HerError as error:
        return Check("mini", "bad", str(error), "her models pull")
    return Check("mini", "ok", f"{title}, intact: {path}")


def _folder(name: str, where: Callable[[], Path], mend: str) -> Check:
    try:
        path = where()
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path):
            pass
    except (OSError, HerError) as error:
        return Check(name, "bad", str(error), mend)
    return Check(name, "ok", f"{path} ({shutil.disk_usage(path).free / 1e9:.0f} GB free)")


def _chats() -> Check:
    try:
        with Store() as store:
            return Check("chats", "ok", f"{len(store.chats())} stored in {store.path}")
    except HerError as error:
        return Check("chats", "bad", str(error), "move the file away, or set HER_HOME to another folder")


def _extra(extra: str, packages: tuple[str, ...]) -> Check:
    missing = [package for package in packages if _version(package) is None]
    name = f"extra {extra}"
    if missing:
        install = f"pip install 'her-roleplay[{extra}]'"
        return Check(name, "note", f"{_FOR[extra]}: not installed ({', '.join(missing)})", install)
    return Check(name, "ok", f"{_FOR[extra]}: {', '.join(f'{p} {_version(p)}' for p in packages)}")


def _terminal() -> Check:
    console = Console()
    if not console.is_terminal:
        return Check("terminal", "note", "standard output is not a terminal: plain text, turns whole, no colours")
    colours = "no colours (NO_COLOR)" if os.environ.get("NO_COLOR") else f"{console.color_system or 'no'} colours"
    detail = f"{console.width}×{console.height}, {colours}, {sys.stdout.encoding}"
    if console.is_dumb_terminal:
        return Check("terminal", "note", f"{detail}; TERM={os.environ.get('TERM')}: turns are printed whole")
    return Check("terminal", "ok", detail)


def list_models(*, as_json: bool) -> None:
    """Prints what can be addressed from here, and the forms of an address."""
    rows = _models()
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        return
    console = Console(highlight=False, markup=False, emoji=False)
    left = max(len(row["address"]) for row in rows)
    for row in rows:
        console.print(Text(f"{row['address']:<{left}}  ", "bold").append(row["what"], "not bold"), soft_wrap=True)


def _models() -> list[dict[str, str]]:
    here = "here" if weights.present() else "fetched by the first chat, or by: her models pull"
    bundled = f"{weights.TITLE}, {weights.SIZE / 1e6:.0f} MB, {weights.LICENCE}"
    rows = [{"address": DEFAULT, "what": f"bundled: {bundled}{_adapter()}; {here}"}]
    rows += [{"address": name, "what": f"alias of {where}"} for name, where in sorted(load_settings().models.items())]
    return rows + [{"address": form, "what": meaning} for form, meaning in ADDRESS_FORMS if form != DEFAULT]


def _adapter() -> str:
    adapter = packaged()
    if adapter is None:
        return ""
    size = adapter.path.stat().st_size / 1e6
    return f", with {adapter.name}, {size:.1f} MB, {adapter.licence or 'no licence named'}"
