"""The rules of the house, checked on the source; every guard is tried on a planted violation too."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from her.turn import Kind

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "her"

WORDS = {"errors", "turn", "draft", "stream", "markup", "grammar", "scene", "coser", "checks"}
SHARED = {"prompts", "models", "rows", "pages"}
BELOW = {
    "errors": set[str](),
    **{part: WORDS for part in WORDS - {"errors"}},
    "prompts": {"errors"},
    "models": {"errors"},
    "rows": WORDS | {"prompts", "models"},
    "pages": WORDS,
    "actor": WORDS | SHARED,
    "judge": WORDS | SHARED,
    "chat": WORDS | SHARED | {"actor"},
    "synth": WORDS | SHARED | {"actor"},
    "train": WORDS | SHARED | {"actor", "judge"},
    "bench": WORDS | SHARED | {"actor", "judge"},
}
"""What each part may import besides itself; a part that is not here has no floor yet."""
BELONGS = {"script": "actor", "act": "actor", "environment": "actor", "next_speaker": "actor", "doctor": "cli"}
"""Modules that are a piece of another part, and stand on its floor."""
TOP = {"cli", "__main__", "__init__"}
"""Parts that may import all: the wires, and the public surface."""
FACES = re.compile(r"cli/|synth/console\.py|__main__\.py|doctor\.py|chat/(?:terminal|once)\.py")
"""Where people and pipes are spoken to."""
EXPENSIVE = {
    "torch",
    "transformers",
    "openai",
    "aiohttp",
    "xllamacpp",
    "prompt_toolkit",
    "numpy",
    "keyring",
    "pydantic",
}
DRAWERS = re.compile(r"(?:^|_)(?:utils?|commons?|misc|helpers?|managers?)(?:_|$)")
BROAD = {"Exception", "BaseException"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def short(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(path: Path) -> str:
    part = path.relative_to(SOURCE).with_suffix("").parts[0]
    return BELONGS.get(part, part)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


# The guards: each takes source and gives what is wrong with it.


def imported(node: ast.AST, *, at_load: bool = False) -> set[str]:
    """Full names that the code imports; `at_load` leaves out functions and TYPE_CHECKING blocks."""
    names: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            names |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            names |= {f"{base}.{alias.name}" for alias in child.names}
        elif not (at_load and runs_later(child)):
            names |= imported(child, at_load=at_load)
    return names


def runs_later(node: ast.AST) -> bool:
    """Whether importing the module leaves this code out."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def not_below(part: str, code: ast.Module) -> set[str]:
    """Parts of `her` that `part` imports and may not; relative imports too."""
    names = imported(code)
    parts = {BELONGS.get(part, part) for name in names if name.startswith("her.") for part in [name.split(".")[1]]}
    relative = {name for name in names if name.startswith(".")}
    allowed = BELOW[part] | {part, "__version__"}
    return (parts - allowed) | relative


def third_party(code: ast.Module) -> set[str]:
    tops = {name.split(".")[0] for name in imported(code)}
    return tops - set(sys.stdlib_module_names) - {"her", "__future__", ""}


def find_cycle(edges: dict[str, set[str]]) -> list[str]:
    """One circle of names, the first again at the end; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in sorted(edges.get(name, ())):
            if circle := walk(target, [*trail, name]):
                return circle
        done.add(name)
        return []

    return next((circle for name in sorted(edges) if (circle := walk(name, []))), [])


def written_tags(text: str) -> list[str]:
    names = "|".join([*(kind.value for kind in Kind), "role_speech", "system_think", "role_think"])
    return re.findall(rf"</?\s*(?:{names})\b", text)


def functions(code: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(code) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Typer commands are excepted: their parameters are the flags."""
    return any(re.search(r"\.(?:command|callback)\(", ast.unparse(mark) + "(") for mark in node.decorator_list)


def too_long(code: ast.Module) -> list[str]:
    """Functions of more than 60 lines; of a command its body counts, not its flags."""
    sizes = {n.name: (n.end_lineno or 0) + 1 - (n.body[0] if is_command(n) else n).lineno for n in functions(code)}
    return [f"{name}: {size} lines" for name, size in sizes.items() if size > 60]


def too_many_parameters(code: ast.Module) -> list[str]:
    found = []
    for node in functions(code):
        spec = node.args
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        count = len(names) + (spec.vararg is not None) + (spec.kwarg is not None)
        if count > 6 and not is_command(node):
            found.append(f"{node.name}: {count} parameters")
    return found


def broad_catches(code: ast.Module) -> list[int]:
    """Lines that catch or suppress everything."""
    lines = []
    for node in ast.walk(code):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(one is None or ast.unparse(one).split(".")[-1] in BROAD for one in caught):
                lines.append(node.lineno)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
            lines += [node.lineno for one in node.args if ast.unparse(one).split(".")[-1] in BROAD]
    return lines


def prints(code: ast.Module) -> list[int]:
    calls = (node for node in ast.walk(code) if isinstance(node, ast.Call))
    return [n.lineno for n in calls if ast.unparse(n.func) in {"print", "sys.stdout.write", "sys.stderr.write"}]


def undocumented(code: ast.Module) -> list[str]:
    """Public functions, classes and methods without a docstring; what overrides has its parent's."""
    found = [] if ast.get_docstring(code) else ["the module"]

    def look(body: list[ast.stmt], within: str) -> None:
        for node in body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            marks = {ast.unparse(mark).split(".")[-1] for mark in node.decorator_list}
            if not ast.get_docstring(node) and not marks & {"override", "overload", "setter"}:
                found.append(within + node.name)
            if isinstance(node, ast.ClassDef):
                look(node.body, f"{within}{node.name}.")

    look(code.body, "")
    return found


def machine_paths(text: str) -> list[str]:
    """Places on somebody's disk: this checkout, this home, and the usual roots of homes and scratch."""
    here = [str(ROOT), str(ROOT.parent), str(Path.home())]
    found = [path for path in here if len(path) > 3 and re.search(rf"(?<![\w.~-]){re.escape(path)}(?:/|\b)", text)]
    usual = r"(?<![\w.~:/-])/(?:home|Users|root|tmp|mnt|srv|private|var/folders)/\w[\w./-]*|\b[A-Z]:\\\w[\w\\]*"
    return found + re.findall(usual, text)


# The rules.


@pytest.mark.parametrize("path", [p for p in modules() if part_of(p) not in TOP], ids=short)
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    assert part in BELOW, f"{part} has no floor: give it one in BELOW, or say in BELONGS whose it is"
    assert not not_below(part, tree(path)), f"{part} may import {sorted(BELOW[part])} alone"


def test_no_module_imports_itself_in_a_circle() -> None:
    names = {dotted(path): path for path in modules()}
    edges = {
        name: {found if found in names else found.rpartition(".")[0] for found in imported(tree(path), at_load=True)}
        for name, path in names.items()
    }
    assert find_cycle({name: targets & names.keys() for name, targets in edges.items()}) == []


@pytest.mark.parametrize("path", [p for p in modules() if part_of(p) in WORDS], ids=short)
def test_words_need_nothing_but_pydantic(path: Path) -> None:
    assert third_party(tree(path)) <= {"pydantic"}


def test_only_markup_knows_how_a_tag_is_written() -> None:
    texts = [*modules(), *(SOURCE / "prompts").rglob("*.md")]
    wrong = {short(path) for path in texts if written_tags(path.read_text(encoding="utf-8"))}
    assert wrong <= {"markup.py"}


@pytest.mark.parametrize("path", modules(), ids=short)
def test_functions_are_short(path: Path) -> None:
    code = tree(path)
    assert too_long(code) + too_many_parameters(code) == []


@pytest.mark.parametrize("path", modules(), ids=short)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_module_is_a_drawer() -> None:
    names = {part for path in modules() for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert not {name for name in names if DRAWERS.search(name)}


def test_errors_are_caught_by_name() -> None:
    found = [(short(path), line) for path in modules() for line in broad_catches(tree(path))]
    assert len(found) <= 1
    assert {name for name, _ in found} <= {"cli/__init__.py"}


def test_only_faces_print() -> None:
    wrong = [(short(p), line) for p in modules() if not FACES.match(short(p)) for line in prints(tree(p))]
    assert wrong == []


def test_torch_stays_in_its_places() -> None:
    users = {short(path) for path in modules() if {"torch"} & third_party(tree(path))}
    assert {name for name in users if name != "models/transformers.py" and not name.startswith("train/")} == set()


def test_inspect_stays_with_the_benchmarks() -> None:
    users = {short(path) for path in modules() if {"inspect_ai"} & third_party(tree(path))}
    assert users
    assert {name for name in users if not name.startswith("bench/")} == set()


@pytest.mark.parametrize("path", modules(), ids=short)
def test_public_names_have_docstrings(path: Path) -> None:
    assert undocumented(tree(path)) == []


def test_texts_hold_no_path_of_a_machine() -> None:
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    texts += [*modules(), *(SOURCE / "prompts").rglob("*.md"), ROOT / ".ci" / "run"]
    wrong = {str(path.relative_to(ROOT)): machine_paths(path.read_text(encoding="utf-8")) for path in texts}
    assert {name: found for name, found in wrong.items() if found} == {}


# Rules that need an interpreter of their own.


def run(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False, timeout=300
    )


def loaded_by(code: str) -> set[str]:
    """The top names of all modules after `code`, which may leave by SystemExit."""
    guarded = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint('\\nloaded', *sys.modules)"
    done = run(guarded)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.rpartition("loaded")[2].split()}


def test_import_her_is_light() -> None:
    own = loaded_by("import her") - loaded_by("pass")
    assert own - set(sys.stdlib_module_names) == {"her"}


HELP = "sys.argv = ['her', '--help']; from her.__main__ import main; main()"


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by(HELP) & EXPENSIVE == set()


@pytest.mark.long
def test_help_starts_in_under_three_tenths_of_a_second() -> None:
    run(f"import sys; {HELP}")
    times = []
    for _ in range(10):
        start = time.perf_counter()
        run(f"import sys; {HELP}")
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.3


@pytest.fixture(scope="module")
def lone_imports() -> Iterator[dict[Path, Future[subprocess.CompletedProcess[str]]]]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {path: pool.submit(run, f"import {dotted(path)}") for path in modules()}


def missing_extra(errors: str) -> str | None:
    """The optional module for want of which an import failed; None where it failed for another reason."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.split(r"[\[<>=~! ]", line)[0] for lines in project["optional-dependencies"].values() for line in lines}
    last = errors.strip().rpartition("\n")[2]
    match = re.match(r"ModuleNotFoundError: No module named '(\w+)", last)
    if match and match[1] in {name.replace("-", "_") for name in named}:
        return match[1]
    return last if last.startswith("her.errors.MissingExtra") else None


@pytest.mark.parametrize("path", modules(), ids=short)
def test_every_module_imports_alone(
    path: Path, lone_imports: dict[Path, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = lone_imports[path].result()
    if done.returncode and (extra := missing_extra(done.stderr)):
        pytest.skip(f"needs an optional dependency: {extra}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "importing a module must not print"


# The guards, on what they must find and on what they must let pass.


class TestTheGuards:
    @pytest.mark.parametrize(
        ("part", "line", "wrong"),
        [
            ("turn", "from her.models.base import Model", {"models"}),
            ("models", "from her import turn", {"turn"}),
            ("models", "def f():\n    import her.prompts", {"prompts"}),
            ("chat", "from her.judge import compare", {"judge"}),
            ("judge", "from her.actor import Actor", {"actor"}),
            ("actor", "from her.judge import compare", {"judge"}),
            ("train", "from her.bench import run", {"bench"}),
            ("judge", "from her.script import Script", {"actor"}),
            ("chat", "from her.doctor import report", {"cli"}),
            ("chat", "from her.act import Act", set()),
            ("turn", "from . import errors", {"..errors"}),
            ("turn", "from .errors import InputError", {".errors.InputError"}),
            ("train", "from her.judge import compare", set()),
            ("chat", "from her import __version__", set()),
            ("actor", "import json, her.turn", set()),
        ],
    )
    def test_floors(self, part: str, line: str, wrong: set[str]) -> None:
        assert not_below(part, ast.parse(line)) == wrong

    def test_what_counts_as_loaded(self) -> None:
        held = "import a\nif TYPE_CHECKING:\n    import b\ndef f():\n    import c\nclass D:\n    import d\n"
        code = ast.parse(held + "try:\n    import e\nfinally: pass")
        assert imported(code, at_load=True) == {"a", "d", "e"}
        assert imported(code) == {"a", "b", "c", "d", "e"}

    def test_circles(self) -> None:
        assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
        assert find_cycle({"a": {"a"}}) == ["a", "a"]
        assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []

    def test_third_party(self) -> None:
        assert third_party(ast.parse("import re, numpy.linalg\nfrom pydantic import X\nfrom her.turn import Y")) == {
            "numpy",
            "pydantic",
        }

    @pytest.mark.parametrize("kind", Kind)
    def test_tags(self, kind: Kind) -> None:
        assert written_tags(f"a <{kind}>") == [f"<{kind}"]
        assert written_tags(f"a </ {kind}") == [f"</ {kind}"]
        assert written_tags(f"{kind} {{{{{kind}}}}} x < y") == []

    def test_long_functions(self) -> None:
        assert too_long(ast.parse("def f():\n" + "    x = 1\n" * 60)) == ["f: 61 lines"]
        assert too_long(ast.parse("async def f():\n" + "    x = 1\n" * 59)) == []
        command = "@app.command()\ndef f(\n" + "    a,\n" * 80 + "):\n"
        assert too_long(ast.parse(command + "    x = 1\n" * 60)) == []
        assert too_long(ast.parse(command + "    x = 1\n" * 61)) == ["f: 61 lines"]

    def test_many_parameters(self) -> None:
        assert too_many_parameters(ast.parse("def f(a, b, /, c, d, *, e, g, h): ...")) == ["f: 7 parameters"]
        assert too_many_parameters(ast.parse("def f(a, b, c, d, e, *g, **h): ...")) == ["f: 7 parameters"]
        assert too_many_parameters(ast.parse("class A:\n    def f(self, a, b, c, d, e, g): ...")) == []
        assert too_many_parameters(ast.parse("@app.command()\ndef f(a, b, c, d, e, g, h): ...")) == []
        assert too_many_parameters(ast.parse("@cards.callback\ndef f(a, b, c, d, e, g, h): ...")) == []
        assert too_many_parameters(ast.parse("@commander.x()\ndef f(a, b, c, d, e, g, h): ...")) != []

    @pytest.mark.parametrize("name", ["utils", "text_utils", "common", "misc", "helpers", "manager", "session_manager"])
    def test_drawers(self, name: str) -> None:
        assert DRAWERS.search(name)
        assert not DRAWERS.search("uncommon")

    @pytest.mark.parametrize(
        "clause",
        ["except:", "except Exception:", "except (OSError, Exception):", "except builtins.BaseException as error:"],
    )
    def test_broad_catches(self, clause: str) -> None:
        assert broad_catches(ast.parse(f"try:\n    x\n{clause}\n    pass")) == [3]
        assert broad_catches(ast.parse("try:\n    x\nexcept (OSError, ValueError):\n    pass")) == []
        assert broad_catches(ast.parse("with contextlib.suppress(Exception):\n    x")) == [1]
        assert broad_catches(ast.parse("with suppress(OSError):\n    x")) == []

    def test_prints(self) -> None:
        assert prints(ast.parse("print(1)\nconsole.print(2)\nsys.stdout.write('')")) == [1, 3]

    def test_missing_docstrings(self) -> None:
        code = (
            'class A:\n    """A."""\n    def f(self): ...\n    def _g(self): ...\n    @override\n    def h(self): ...\n'
        )
        assert undocumented(ast.parse(code + "async def k(): ...\nclass B: ...")) == ["the module", "A.f", "k", "B"]
        assert undocumented(ast.parse('"""M."""\ndef f():\n    """F."""')) == []

    def test_paths(self) -> None:
        user = "/" + "home/anne/x"
        assert machine_paths(f"see {ROOT}/src")
        assert machine_paths(f"see {user}.") == [f"{user}."]
        assert machine_paths("C:\\Users") == ["C:\\Users"]
        assert machine_paths("~/.cache/her, ../shared/data, http://127.0.0.1:8000/v1, a/tmp/b, /dev/null") == []

    def test_missing_extras(self) -> None:
        assert missing_extra("Traceback\nModuleNotFoundError: No module named 'torch.nn'") == "torch"
        assert missing_extra("Traceback\nModuleNotFoundError: No module named 'her.nothing'") is None
        assert missing_extra("Traceback\nValueError: torch") is None

    def test_loaded_by_sees_what_is_loaded_on_the_way_out(self) -> None:
        assert {"colorsys"} <= loaded_by("import colorsys; raise SystemExit(0)")
