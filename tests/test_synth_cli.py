"""The command `her synth` as people and scripts meet it: what is printed where, what is refused, how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import tales
from her import cli
from her.cli.synth import ABOVE_RATE, synth_run
from her.synth.options import STAGES
from stage_teacher import Served, serving
from synthesis import STEPS, argv, data_of, hasten, rows, same

Her = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served") / "log") as one:
        yield one


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tales.write(tmp_path_factory.mktemp("books"))


@pytest.fixture(scope="module")
def mill(books: tuple[Path, Path]) -> Path:
    return books[0]


@pytest.fixture(scope="module")
def whole(served: Served, books: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both books that has come to its end."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert cli.run(argv(folder, books, served)) == 0
    return folder


@pytest.fixture
def her(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Her:
    """Runs a command line in this process: exit code, standard output, standard error."""
    monkeypatch.delenv("HER_DEBUG", raising=False)
    monkeypatch.delenv("HER_KEY", raising=False)
    hasten(monkeypatch)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(list(arguments))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "should not have" not in said.err, said.err
        return code, said.out, said.err

    return run


# -- what is printed --------------------------------------------------------------------------------------------


def test_a_table_on_standard_output_and_a_line_for_each_stage_on_standard_error(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served
) -> None:
    code, out, err = her(*argv(whole, books, served))
    assert code == 0
    assert out.split("\n")[0].split() == ["stage", "in", "kept", "repaired", "dropped", "out", "answers", "tokens"]
    assert [line.split()[0] for line in out.splitlines()[1:6]] == list(STEPS)
    assert re.search(r"^samples: roleplay-sft \d+, ", out, re.M)
    assert f"report: {whole / 'report.html'}" in out
    assert [line.partition(":")[0] for line in err.splitlines()] == list(STEPS)
    assert "\x1b" not in out + err


def test_with_a_price_there_is_a_cost(her: Her, whole: Path, books: tuple[Path, Path], served: Served) -> None:
    _, out, _ = her(*argv(whole, books, served, "--price", "100,200"))
    head, *lines = (line.split() for line in out.splitlines()[:6])
    assert head[-1] == "cost"
    assert all(float(line[-1]) > 0 for line in lines)


def test_json_is_all_that_is_on_standard_output(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served
) -> None:
    code, out, _ = her(*argv(whole, books, served, "--json"))
    told = json.loads(out)
    assert code == 0
    assert [stage["stage"] for stage in told["stages"]] == list(STEPS)
    assert told["within"] is True
    assert told["samples"]["rows"]["roleplay-sft"]["train"] > 0
    assert Path(told["page"]).read_text(encoding="utf-8").startswith("<!")
    assert Path(told["folder"]) == whole


def test_on_a_terminal_there_are_bars_and_without_colour_no_colour(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    colours = r"\x1b\[[\d;]*3\d[\d;]*m"
    _, out, err = her(*argv(whole, books, served))
    assert "3/3" in err
    assert re.search(colours, err)
    assert "settings" in out
    monkeypatch.setenv("NO_COLOR", "1")
    _, out, err = her(*argv(whole, books, served))
    assert "3/3" in err
    assert not re.search(colours, out + err)


def test_the_stages_that_the_flag_knows_are_those_that_there_are() -> None:
    assert get_args(get_type_hints(synth_run)["until"]) == STAGES


# -- estimates --------------------------------------------------------------------------------------------------


def test_a_dry_run_asks_nothing_and_leaves_nothing(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    asked, keys = len(served.asked), len(served.notes("key"))
    code, out, err = her(*argv(tmp_path / "run", [mill], served, "--dry-run"))
    assert (code, err) == (0, "")
    head, *lines = (line.split() for line in out.splitlines()[:7])
    assert "cost" not in head
    assert [line[0] for line in lines] == [*STEPS, "total"]
    assert all(int(figure.replace(",", "")) > 0 for line in lines for figure in line[1:])
    assert "nothing was asked" in out
    assert (len(served.asked), len(served.notes("key"))) == (asked, keys)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_with_a_price_says_the_cost(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    flags = argv(tmp_path / "run", [mill], served, "--dry-run", "--price", "3,15")
    _, out, _ = her(*flags)
    assert out.split("\n")[0].split()[-1] == "cost"
    told = json.loads(her(*flags, "--json")[1])
    total = told["total"]
    assert total["cost"] == pytest.approx(
        (3 * total["prompt_tokens"] + 15 * total["completion_tokens"]) / 1e6, rel=0.01
    )
    assert sum(stage["calls"] for stage in told["stages"]) == total["calls"]


def test_a_dry_run_needs_no_server_and_the_run_comes_after_it(
    her: Her, mill: Path, served: Served, tmp_path: Path
) -> None:
    nobody = Served("http://127.0.0.1:9/v1#m", tmp_path / "none")
    assert her(*argv(tmp_path / "run", [mill], nobody, "--dry-run"))[0] == 0
    assert her(*argv(tmp_path / "run", [mill], served, "--until", "scenes"))[0] == 0


# -- folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--seed", "1"), "seed"),
        (("--chapters", "1"), "chapters"),
        (("--terse",), "terse"),
        (("--plan-words", "10-20"), "plan_words"),
        (("--author", "Somebody"), "author"),
        (("--language", "en"), "language"),
        (("--book", "BOOK"), "books"),
    ],
)
def test_a_folder_never_holds_two_runs(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served, flags: tuple[str, ...], named: str
) -> None:
    before = data_of(whole), (whole / "run.json").read_bytes()
    flags = tuple(str(books[0]) if flag == "BOOK" else flag for flag in flags)
    code, out, err = her(*argv(whole, books, served, *flags))
    assert (code, out) == (cli.BAD_INPUT, "")
    assert f"holds a run with another {named}" in err
    assert "--out" in err
    assert (data_of(whole), (whole / "run.json").read_bytes()) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"schema": 99}'])
def test_a_run_json_that_is_none_is_told(her: Her, mill: Path, served: Served, tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(text, encoding="utf-8")
    code, _, err = her(*argv(tmp_path / "run", [mill], served))
    assert code == cli.BAD_INPUT
    assert "choose another folder" in err
    assert (tmp_path / "run" / "run.json").read_text(encoding="utf-8") == text


def test_a_folder_of_something_else_is_left_alone(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    (tmp_path / "photographs").write_text("mine", encoding="utf-8")
    code, _, err = her(*argv(tmp_path, [mill], served))
    assert code == cli.BAD_INPUT
    assert "is not empty and holds no run" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]


def test_a_command_that_was_wrong_does_not_claim_the_folder(
    her: Her, mill: Path, served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert her(*argv(folder, [mill, tmp_path / "mispelt.txt"], served))[0] == cli.BAD_INPUT
    assert her(*argv(folder, [mill], served, "--chapters", "7"))[0] == cli.BAD_INPUT
    assert her(*argv(folder, [mill], served, "--until", "scenes"))[0] == 0


def test_a_folder_that_cannot_be_written_is_told(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        code, _, err = her(*argv(out, [mill], served))
        assert code == cli.FAILED
        assert "cannot be written" in err
        assert "--out" in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a person who is not root")
def test_a_read_only_folder_is_told(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o500)
    code, _, err = her(*argv(tmp_path / "run", [mill], served))
    assert code == cli.FAILED
    assert "cannot be written" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["settings/rows.jsonl.part", "run.json.part"])
def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    full = folder / name
    full.parent.mkdir(parents=True)
    (folder / "run.lock").touch()
    full.symlink_to("/dev/full")
    code, out, err = her(*argv(folder, books, served))
    assert (code, out) == (cli.FAILED, "")
    assert "No space left" in err
    assert "same command again" in err
    full.unlink(missing_ok=True)
    assert her(*argv(folder, books, served))[0] == 0
    same(folder, whole)


@pytest.mark.skipif(os.name != "posix", reason="needs limits on the size of files")
@pytest.mark.parametrize("size", [1_000, 9_000, 20_000])
def test_a_file_that_cannot_grow_ends_the_run_and_the_same_command_goes_on(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served, tmp_path: Path, size: int
) -> None:
    import resource

    folder = tmp_path / "run"
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        code, out, err = her(*argv(folder, books, served))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert (code, out) == (cli.FAILED, "")
    assert "File too large" in err
    assert her(*argv(folder, books, served))[0] == 0
    same(folder, whole)


def test_a_second_run_on_the_same_folder_is_told(her: Her, mill: Path, served: Served, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "run"
    assert her(*argv(folder, [mill], served, "--until", "scenes"))[0] == 0
    with (folder / "scenes" / "journal.jsonl").open("ab") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        code, _, err = her(*argv(folder, [mill], served, "--until", "scenes"))
    assert code == cli.FAILED
    assert "in use by another process" in err


# -- sources ----------------------------------------------------------------------------------------------------


def shelf(folder: Path) -> Path:
    """A folder of novels, some of which are none."""
    good, _ = tales.write(folder / "good")
    (folder / "empty.txt").touch()
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (folder / "broken.epub").write_bytes(b"PK\x03\x04 META-INF/container.xml and no more")
    (folder / "notes.md").write_text("not looked at", encoding="utf-8")
    (folder / "folder.txt").mkdir()
    return good.parent.parent


def test_what_cannot_be_read_in_a_folder_is_passed_over_with_a_word(her: Her, served: Served, tmp_path: Path) -> None:
    code, _, err = her(*argv(tmp_path / "run", [shelf(tmp_path / "shelf")], served, "--until", "scenes"))
    assert code == 0
    over = [Path(re.findall(r"passed over: (.+?):", line)[0]).name for line in err.splitlines() if "passed" in line]
    assert over == ["binary.txt", "broken.epub", "empty.txt"]
    assert {row["slug"] for row in rows(tmp_path / "run" / "passages.jsonl")} == {"mill", "well"}


@pytest.mark.parametrize("name", ["empty.txt", "binary.txt", "broken.epub", "nowhere.txt", "folder.txt"])
def test_a_book_that_is_named_has_to_be_one(her: Her, served: Served, tmp_path: Path, name: str) -> None:
    path = shelf(tmp_path / "shelf") / name
    code, out, err = her(*argv(tmp_path / "run", [path], served))
    assert (code, out) == (cli.BAD_INPUT, "")
    assert str(path) in err


def test_a_folder_in_which_no_book_can_be_read_is_no_source(her: Her, served: Served, tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "empty.txt").touch()
    code, _, err = her(*argv(tmp_path / "run", [tmp_path / "shelf"], served))
    assert code == cli.BAD_INPUT
    assert "no book could be read" in err


REFUSED = {
    "nothing": ([], "nothing to work on"),
    "two titles": (["--book", "MILL", "--book", "WELL", "--title", "One"], "--title is that of one book"),
    "no such chapter": (["--book", "MILL", "--chapters", "7-9"], "has chapters 1 to 2"),
    "chapters": (["--book", "MILL", "--chapters", "3-1"], "write it like 1-3,7"),
    "price": (["--book", "MILL", "--price", "nan,1"], "a price is 0 or more"),
    "prices": (["--book", "MILL", "--price", "1"], "write it like 0.5,1.5"),
    "words": (["--book", "MILL", "--plan-words", "90-30"], "write it like 30-90"),
    "shares": (["--book", "MILL", "--shares", "sft=1,fun=2"], "'fun=2'"),
    "shard": (["--book", "MILL", "--until", "scenes", "--shard", "3/2"], "write it like 2/8"),
    "shard of all": (["--book", "MILL", "--shard", "1/2"], "name it with --until"),
    "shard on ray": (["--book", "MILL", "--until", "scenes", "--shard", "1/2", "--engine", "ray"], "choose one"),
    "drafts": (["--book", "MILL", "--until", "drafts"], "only with --reasoner"),
    "stage": (["--book", "MILL", "--until", "everything"], "everything"),
    "no coser": (["--coser", "nowhere.json"], "nowhere.json: is not there"),
    "no test set": (["--book", "MILL", "--coser-test", "nowhere.json"], "nowhere.json: is not there"),
    "other file": (["--coser", "MILL"], "mill.txt"),
    "model": (["--book", "MILL", "--model", "gpt"], "not the address of a model"),
    "reasoner": (["--book", "MILL", "--model", "scripted:x", "--reasoner", "gpt"], "not the address of a model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_told_in_one_message(
    her: Her, books: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    flags, said = REFUSED[case]
    flags = [{"MILL": str(books[0]), "WELL": str(books[1])}.get(flag, flag) for flag in flags]
    code, out, err = her("synth", "run", "--out", "run", *flags)
    assert (code, out) == (cli.BAD_INPUT, "")
    assert said in err


# -- servers ----------------------------------------------------------------------------------------------------


def test_without_a_server_the_message_says_that_it_can_go_on_later(
    her: Her, books: tuple[Path, Path], whole: Path, served: Served, tmp_path: Path
) -> None:
    code, out, err = her(*argv(tmp_path / "run", books, Served("http://127.0.0.1:9/v1#teacher", tmp_path)))
    assert (code, out) == (cli.FAILED, "")
    assert "nobody answers at http://127.0.0.1:9/v1" in err
    assert "the same command goes on" in err
    assert her(*argv(tmp_path / "run", books, served))[0] == 0
    same(tmp_path / "run", whole)


def test_a_server_that_dies_in_the_middle_loses_nothing(
    her: Her, books: tuple[Path, Path], whole: Path, served: Served, tmp_path: Path
) -> None:
    """Fewer rows than count as a dead server: they are dropped, and it is said that they can be had later."""
    folder = tmp_path / "run"
    port = served.address.partition("1:")[2].partition("/")[0]
    with serving(tmp_path / "log") as other:
        assert her(*argv(folder, books, other, "--until", "profiles"))[0] == 0
        dead = other.address
    with serving(tmp_path / "ill", "--port", dead.partition("1:")[2].partition("/")[0], "--faults", "1") as ill:
        assert ill.address == dead != port
        monkey = pytest.MonkeyPatch()
        monkey.setattr("her.rows.answers.TRIES", 1)
        code, out, _ = her(*argv(folder, books, ill, "--until", "role-thinking", "--json"))
        code_plain, plain, _ = her(*argv(folder, books, ill, "--until", "role-thinking"))
        monkey.undo()
    (stage,) = [stage for stage in json.loads(out)["stages"] if stage["stage"] == "role-thinking"]
    assert (code, code_plain) == (ABOVE_RATE, ABOVE_RATE)
    assert stage["reasons"] == {"server": stage["dropped"]}
    assert "the server gave nothing" in plain
    assert her(*argv(folder, books, served))[0] == 0
    same(folder, whole)


def test_a_wrong_key_is_told_and_a_right_one_is_kept_nowhere(
    her: Her, mill: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with serving(tmp_path / "log", "--key", "open-sesame") as locked:
        code, _, err = her(*argv(folder, [mill], locked, "--key", "wrong-key"))
        assert code == cli.FAILED
        assert "give another key" in err
        assert "the same command goes on" in err
        code, out, err = her(*argv(folder, [mill], locked, "--key", "open-sesame", "--until", "scenes"))
        assert code == 0
        monkeypatch.setenv("HER_KEY", "open-sesame")
        assert her(*argv(folder, [mill], locked))[0] == 0
    assert "open-sesame" not in out + err
    held = [path for path in folder.rglob("*") if path.is_file() and b"open-sesame" in path.read_bytes()]
    assert held == []


def test_the_teacher_s_key_goes_to_no_other_host(her: Her, mill: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log") as teacher, serving(tmp_path / "other-log") as other:
        elsewhere = other.address.replace("127.0.0.1", "localhost")
        flags = ("--reasoner", elsewhere, "--key", "for-the-teacher")
        assert her(*argv(tmp_path / "run", [mill], teacher, *flags))[0] == 0
        assert set(teacher.notes("key")) == {"for-the-teacher"}
        assert "for-the-teacher" not in set(other.notes("key"))
        assert other.asked


# -- how it ends ------------------------------------------------------------------------------------------------


def test_above_the_rate_the_exit_code_is_3_and_the_rest_is_done(
    her: Her, books: tuple[Path, Path], tmp_path: Path
) -> None:
    with serving(tmp_path / "log", "--refuse", "Brandt") as choosy:
        arguments = argv(tmp_path / "run", books, choosy)
        code, out, _ = her(*arguments)
        assert code == ABOVE_RATE
        assert "scenes dropped: no-json 1" in out
        assert "more rows were dropped than --max-dropped allows: scenes" in out
        assert (tmp_path / "run" / "samples" / "README.md").exists()
        assert [row["reason"] for row in rows(tmp_path / "run" / "scenes" / "dropped.jsonl")] == ["no-json"]
        asked = len(choosy.asked)
        code, out, _ = her(*arguments, "--max-dropped", "0.5")
        assert (code, len(choosy.asked)) == (0, asked)
        assert "more rows" not in out
        assert her(*arguments, "--json")[0] == ABOVE_RATE


def test_where_everything_is_dropped_the_run_comes_to_its_end(her: Her, mill: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", "--refuse", "scenes") as never:
        code, out, _ = her(*argv(tmp_path / "run", [mill], never))
    assert code == ABOVE_RATE
    assert "scenes dropped: no-json 2" in out
    assert list(rows(tmp_path / "run" / "settings" / "rows.jsonl")) == []


def hearing() -> None:
    """A shell that runs the tests in the background has Ctrl-C ignored for all that comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_with_a_word_and_the_same_command_goes_on(
    her: Her, books: tuple[Path, Path], whole: Path, served: Served, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with serving(tmp_path / "log", "--latency", "0.2") as slow:
        command = [sys.executable, "-m", "her", *argv(folder, books, slow)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, preexec_fn=hearing, **pipes) as process:  # noqa: PLW1509 — one thread
            while len(slow.asked) < 20:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert out == ""
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert her(*argv(folder, books, served))[0] == 0
    same(folder, whole)


# -- report and publish -----------------------------------------------------------------------------------------


def test_report_says_where_the_page_is_and_as_json_what_it_shows(her: Her, whole: Path) -> None:
    assert her("synth", "report", str(whole)) == (0, f"{whole / 'report.html'}\n", "")
    code, out, err = her("synth", "report", str(whole), "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert [stage["stage"] for stage in told["stages"]] == list(STEPS)
    code, _, err = her("synth", "report", str(whole.parent))
    assert code == cli.BAD_INPUT
    assert "no run of `her synth` is here" in err


def test_publish_makes_a_folder_without_journals_and_texts(her: Her, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    flags = ("synth", "publish", str(whole), str(target), "--licence", "CC0-1.0", "--name", "Two tales")
    code, out, _ = her(*flags)
    assert code == 0
    assert out.startswith(f"{target}: roleplay-sft ")
    names = [path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()]
    assert "README.md" in names
    assert any(name.endswith(".parquet") for name in names)
    assert not [name for name in names if "journal" in name or name.startswith("books/")]
    assert "Two tales" in (target / "README.md").read_text(encoding="utf-8")
    code, _, err = her(*flags)
    assert code == cli.BAD_INPUT
    assert "is there already" in err


def test_publish_needs_samples(her: Her, whole: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(whole / "scenes", half / "scenes")
    code, out, err = her("synth", "publish", str(half), str(tmp_path / "dataset"))
    assert (code, out) == (cli.BAD_INPUT, "")
    assert "samples" in err
    assert not (tmp_path / "dataset").exists()


def test_without_the_pages_extra_the_run_is_done_and_says_so(
    her: Her, whole: Path, books: tuple[Path, Path], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("her.pages", "her.synth.reports.page", "matplotlib"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = her(*argv(whole, books, served))
    assert code == 0
    assert "no report page: " in err
    assert "her-roleplay[pages]" in err
    assert "samples: " in out
