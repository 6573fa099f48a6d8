"""`--engine ray`: tasks on a cluster of our own come to the same rows as one process, even where they die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import tales
from her import cli
from stage_teacher import Served, serving
from synthesis import STEPS, answered, argv, hasten, numbers, reports, same

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")

MARK = "HER_TEST_MARK"


class Command:
    """A command line in a process of its own, and all processes that come of it."""

    def __init__(self, arguments: list[str], **env: str) -> None:
        self._mark = uuid.uuid4().hex
        # A proxy that is not there: nothing but the machine itself is to be asked.
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9") | {"no_proxy": "127.0.0.1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "her", *arguments],
            env={**os.environ, **proxies, **env, MARK: self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def all(self) -> dict[int, str]:
        """What runs now, by process id: its command line, which Ray makes the name of the task."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and self._mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended, or is not ours
        return found

    def tasks(self) -> list[int]:
        """The processes that work on a shard."""
        return [pid for pid, name in self.all().items() if name.startswith("ray::_task")]

    def wait_for(self, count: int, seconds: float = 60) -> list[int]:
        """So many tasks at once."""
        end = time.monotonic() + seconds
        while len(tasks := self.tasks()) < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        return tasks

    def gone(self, seconds: float = 20) -> dict[int, str]:
        """What is left when some time has passed; Ray's last processes take a moment."""
        end = time.monotonic() + seconds
        while (left := self.all()) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def done(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


@contextmanager
def running(arguments: list[str], **env: str) -> Iterator[Command]:
    command = Command(arguments, **env)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.communicate()
        for pid in command.gone():
            os.kill(pid, signal.SIGKILL)


def environment(pid: int) -> Mapping[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_tasks_of_which_one_is_killed_come_to_the_same_rows_and_leave_nothing_behind(tmp_path: Path) -> None:
    books = tales.write(tmp_path / "books")
    with serving(tmp_path / "log", "--latency", "0.04") as served:
        assert cli.run(argv(tmp_path / "alone", books, served)) == 0
        had = len(served.asked)
        ours = argv(Path("spread"), books, served, "--engine", "ray", "--workers", "2", "--json")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            with running(ours) as command:
                victim = command.wait_for(2)[0]
                while not (tmp_path / "spread" / "profiles").exists():
                    time.sleep(0.02)
                victim = command.wait_for(2)[0]
                os.kill(victim, signal.SIGKILL)
                settings = [environment(pid) for pid in command.tasks()]
                code, out, err = command.done()
                assert command.gone() == {}
    assert code == 0, err
    assert [stage["stage"] for stage in json.loads(out)["stages"]] == list(STEPS)
    said = [line.partition(":")[0] for line in err.splitlines() if line.partition(":")[0] in STEPS]
    assert said == list(STEPS)
    assert "\x1b" not in err
    assert {one["RAY_USAGE_STATS_ENABLED"] for one in settings} == {"0"}
    assert {one["RAY_AUTH_MODE"] for one in settings} == {"token"}
    same(tmp_path / "spread", tmp_path / "alone")
    assert {report["calls"] for report in reports(tmp_path / "spread").values()} == {0}, "the tasks have asked it all"
    # A request that was under way when its task died is made again; nothing that was written down is.
    assert len(served.asked) - had <= had + 2
    assert numbers(served.asked) == answered(tmp_path / "spread")


def test_without_ray_the_message_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")
    nobody = Served("http://127.0.0.1:9/v1#m", tmp_path / "log")
    arguments = argv(tmp_path / "run", tales.write(tmp_path / "books"), nobody, "--engine", "ray")
    assert cli.run(arguments) == cli.BAD_INPUT
    assert "pip install 'her-roleplay[ray]'" in capsys.readouterr().err


def test_what_a_task_fails_of_is_told_as_if_it_had_failed_here(tmp_path: Path) -> None:
    books = tales.write(tmp_path / "books")
    nobody = Served("http://127.0.0.1:9/v1#m", tmp_path / "log")
    with running(argv(tmp_path / "run", books, nobody, "--engine", "ray")) as command:
        code, out, err = command.done()
        assert command.gone() == {}
    assert (code, out) == (cli.FAILED, "")
    assert "her: nobody answers at http://127.0.0.1:9/v1" in err
    assert "the same command goes on" in err
    assert "Traceback" not in err


@pytest.mark.long
def test_many_killed_tasks_change_nothing(tmp_path: Path) -> None:
    books = tales.write_many(tmp_path / "books", 3)
    with serving(tmp_path / "log", "--latency", "0.1", "--faults", "0.1", "--mistakes", "0.4") as served:
        with pytest.MonkeyPatch.context() as patch:
            hasten(patch)
            assert cli.run(argv(tmp_path / "alone", books, served, "--max-dropped", "1")) == 0
        with running(
            argv(tmp_path / "run", books, served, "--engine", "ray", "--workers", "3", "--max-dropped", "1")
        ) as command:
            for number in range(6):
                os.kill(command.wait_for(2)[number % 2], signal.SIGKILL)
                time.sleep(1.0)
            code, _, err = command.done()
            assert command.gone() == {}
    assert code == 0, err
    same(tmp_path / "run", tmp_path / "alone")


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_killed_takes_its_cluster_along_and_can_go_on(tmp_path: Path, how: signal.Signals) -> None:
    books = tales.write(tmp_path / "books")
    with serving(tmp_path / "log", "--latency", "0.3") as slow:
        with running(argv(tmp_path / "run", books, slow, "--engine", "ray")) as command:
            command.wait_for(2)
            while not answered(tmp_path / "run"):
                time.sleep(0.02)
            command.process.send_signal(how)
            _, err = command.process.communicate(timeout=60)
            assert "Traceback" not in err
            assert ("the same command goes on" in err) == (how is signal.SIGINT)
            # Without a word of farewell Ray's own agents look for their cluster for a minute.
            assert command.gone(100 if how is signal.SIGKILL else 20) == {}
        had, asked = answered(tmp_path / "run"), len(slow.asked)
    with serving(tmp_path / "log-2", "--port", slow.address.partition("1:")[2].partition("/")[0]) as again:
        assert cli.run(argv(tmp_path / "run", books, again)) == 0
        assert cli.run(argv(tmp_path / "alone", books, again, "--until", "profiles")) == 0
    assert asked
    assert not numbers(again.asked[: len(answered(tmp_path / "run")) - len(had)]) & had
    left, right = (tmp_path / name / "profiles" / "rows.jsonl" for name in ("run", "alone"))
    assert left.read_bytes() == right.read_bytes()


@pytest.mark.long
def test_a_cluster_that_is_there_is_used_and_stays(tmp_path: Path) -> None:
    books = tales.write(tmp_path / "books")
    head = tmp_path / "head.py"
    head.write_text(
        "import ray, sys, os\n"
        "context = ray.init('local', num_cpus=2, include_dashboard=False, logging_level='error')\n"
        "print(context.address_info['gcs_address'], flush=True)\n"
        "sys.stdin.read()\n"
        "print(len(ray.nodes()), flush=True)\n",
        encoding="utf-8",
    )
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    with (
        serving(tmp_path / "log", "--latency", "0.02") as served,
        subprocess.Popen(
            [sys.executable, head], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | token
        ) as cluster,
    ):
        assert cluster.stdin and cluster.stdout
        address = cluster.stdout.readline().strip()
        assert cli.run(argv(tmp_path / "alone", books, served)) == 0
        arguments = argv(tmp_path / "run", books, served, "--engine", "ray", "--workers", "4")
        with running(arguments, RAY_ADDRESS=address, **token) as command:
            code, _, err = command.done()
        assert code == 0, err
        cluster.stdin.close()
        assert cluster.stdout.read().strip() == "1"
    same(tmp_path / "run", tmp_path / "alone")


@pytest.mark.long
def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    books = tales.write(tmp_path / "books")
    nobody = Served("http://127.0.0.1:9/v1#m", tmp_path / "log")
    with running(argv(tmp_path / "run", books, nobody, "--engine", "ray"), RAY_ADDRESS="127.0.0.1:9") as command:
        code, out, err = command.done()
    assert (code, out) == (cli.BAD_INPUT, ""), err
    assert "RAY_ADDRESS" in err
