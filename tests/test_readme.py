"""What the README shows is run: every `her` command and every piece of Python, in a folder and a home of their own.

- `console` blocks: lines that start with `$ ` are commands, the rest is what they print.
- `sh` and `bash` blocks: every line is a command.
- A block that cannot run here (another model, a server) has `<!-- not run: why -->` on the line before it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_FENCE = re.compile(
    r"(?:^<!--[ ]*not run:[ ]*(?P<why>[^\n]*?)[ ]*-->[ ]*\n\s*)?"
    r"^```(?P<kind>\w+)[^\n]*\n(?P<body>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_WITHOUT_MODEL = re.compile(r"--help|--version|\bscripted\b|\breplay:|\bher (?:models|doctor|demo)\b")
_OURS = re.compile(r"(?:^|[|&;]\s*|\w=\S*\s+)her(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    body: str
    line: int
    why_not: str | None = None
    """Why it is not run; None where it is."""


def blocks(text: str) -> list[Block]:
    """Every fenced block that names its language, in order."""
    return [
        Block(match["kind"], match["body"], text.count("\n", 0, match.start("kind")) + 1, match["why"])
        for match in _FENCE.finditer(text)
    ]


def commands(text: str) -> list[str]:
    """All command lines of the README that are run, with continued lines joined."""
    lines: list[str] = []
    for block in blocks(text):
        joined = block.body.replace("\\\n", " ")
        if block.why_not is not None:
            continue
        if block.kind == "console":
            lines += [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]
        elif block.kind in {"sh", "bash"}:
            lines += [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return lines


def needs_model(text: str) -> bool:
    return not _WITHOUT_MODEL.search(text)


TEXT = README.read_text(encoding="utf-8")
HER = [line for line in commands(TEXT) if _OURS.search(line)]
PYTHON = [block for block in blocks(TEXT) if block.kind == "python" and block.why_not is None]


def marked(text: str, name: str) -> object:
    return pytest.param(text, id=name[:60], marks=[pytest.mark.model] if needs_model(text) else [])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder and one home for the whole README, as for a person who reads on."""
    return tmp_path_factory.mktemp("reader")


def run(command: str | list[str], place: Path, typed: str) -> subprocess.CompletedProcess[str]:
    """The command as a stranger would run it, with `her` on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"PATH": path, "HER_HOME": str(place / "home"), "NO_COLOR": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        command,
        shell=isinstance(command, str),
        input=typed,
        cwd=place,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def test_the_readme_shows_how_to_begin() -> None:
    assert HER, "README.md shows no `her` command in a console or sh block"
    assert any(line.startswith("make chat") for line in commands(TEXT)), "README.md does not show `make chat`"


@pytest.mark.parametrize("command", [marked(line, line) for line in HER])
def test_a_command_of_the_readme_runs(command: str, place: Path, request: pytest.FixtureRequest) -> None:
    if needs_model(command):
        request.getfixturevalue("mini_path")
    done = run(command, place, "Good evening.\n/quit\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip(), "a command of the README prints nothing"


@pytest.mark.parametrize("code", [marked(block.body, f"line {block.line}") for block in PYTHON])
def test_python_of_the_readme_runs(code: str, place: Path, request: pytest.FixtureRequest) -> None:
    if needs_model(code):
        request.getfixturevalue("mini_path")
    done = run([sys.executable, "-c", code], place, "")
    assert done.returncode == 0, done.stderr


def test_make_targets_of_the_texts_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        code = re.findall(r"`[^`\n]+`|^```.*?^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        named = {name for piece in code for name in re.findall(r"(?<![\w-])make ([a-z][a-z-]*)", piece)}
        assert named <= targets, f"{path.name} names targets that the Makefile does not have"


def test_files_that_the_texts_link_to_exist() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
        assert [link for link in links if not (path.parent / link).exists()] == [], path.name


def test_a_block_is_left_out_for_a_reason_only() -> None:
    assert all(block.why_not is None or len(block.why_not) > 8 for block in blocks(TEXT))


class TestTheReader:
    text = (
        "# x\n```console\n$ her --help\nusage\n$ printf 'a' | \\\n  her\n```\n"
        "<!-- not run: needs a server -->\n```sh\nher --model http://x/v1#y\n```\n"
        "```sh\n# first\nmake chat\nHER_MODEL=mini her chat\n```\n```python\nimport her\n```\n```\nher never\n```\n"
    )

    def test_commands_are_found_where_they_stand(self) -> None:
        assert commands(self.text) == ["her --help", "printf 'a' |    her", "make chat", "HER_MODEL=mini her chat"]
        assert [bool(_OURS.search(line)) for line in commands(self.text)] == [True, True, False, True]

    def test_blocks_know_their_line_and_why_they_do_not_run(self) -> None:
        assert [(block.kind, block.line, block.why_not) for block in blocks(self.text)] == [
            ("console", 2, None),
            ("sh", 9, "needs a server"),
            ("sh", 12, None),
            ("python", 17, None),
        ]

    def test_commands_without_a_model_are_told_apart(self) -> None:
        assert needs_model("her chat")
        assert needs_model("make test")
        assert not needs_model("her --model scripted chat")
        assert not needs_model("her chat --help")
