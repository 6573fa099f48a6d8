"""The built wheel: everything that runs is in it, and it runs outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, built as a release would be."""
    pytest.importorskip("hatchling", reason="needs the dev extra: pip install 'her-roleplay[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_that_the_program_reads(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "her").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= inside
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"her", "her_roleplay"}


@pytest.mark.long
@pytest.mark.model
def test_an_installed_wheel_plays_the_demo_and_answers_outside_the_repository(
    wheel: Path, mini_path: Path, tmp_path: Path
) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    bin_ = home / ("Scripts" if os.name == "nt" else "bin")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run([bin_ / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True, cwd=elsewhere)

    def her(*argv: str) -> str:
        done = subprocess.run([bin_ / "her", *argv], capture_output=True, encoding="utf-8", check=False, cwd=elsewhere)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Elizabeth Bennet" in her("demo", "--speed", "1000")
    assert her("chat", "--once", "Good evening.").strip()
    assert "mini" in her("models", "list")
