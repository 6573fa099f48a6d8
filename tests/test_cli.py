"""The command line as people and scripts meet it: what is printed where, exit codes, and what is loaded when."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from chatting import written
from her import __version__, cli, doctor
from her.chat import opening
from her.chat.store import Store
from her.cli.chat import LATEST
from her.errors import HerError, InputError, MissingExtra, ModelError, StorageError
from her.markup import notation
from her.models import weights
from servers import FaultServer, cut, say, status

GOLDEN = Path(__file__).parent / "golden" / "cli"
ROOT = Path(__file__).parent.parent
REPLY = (
    "scripted:"
    + notation()["plan_open"]
    + written("She will tease before she answers.", "He asks at last", "gives her hand", "With pleasure, sir.")
)
LAYERS = {
    "plan": "She will tease before she answers.",
    "thought": "He asks at last",
    "action": "gives her hand",
    "speech": "With pleasure, sir.",
}

Her = Callable[..., tuple[int, str, str]]


@pytest.fixture
def her(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Her:
    """Runs a command line in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_places", lambda: iter([weights.weights_path()]))
    monkeypatch.delenv("HER_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> tuple[int, str, str]:
        code = cli.run(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def golden(name: str, text: str) -> None:
    """Compares with the file of that name; HER_UPDATE_GOLDEN=1 writes it."""
    path = GOLDEN / name
    if os.environ.get("HER_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "chat",
        "chat list",
        "chat scenes",
        "chat export",
        "demo",
        "synth",
        "synth run",
        "synth report",
        "synth publish",
        "judge",
        "judge principles",
        "judge induce",
        "judge compare",
        "judge rank",
        "judge pairs",
        "judge bench",
        "judge data",
        "judge label",
        "train",
        "train sft",
        "train export",
        "train measure",
        "train compare",
        "bench",
        "bench list",
        "bench run",
        "bench report",
        "bench coser-rescore",
        "bench coser-wins",
        "models",
        "models list",
        "models pull",
        "models remove",
        "models card",
        "models key",
        "doctor",
    ],
)
def test_help_reads_as_written_down(her: Her, command: str) -> None:
    code, out, err = her(*command.split(), "--help")
    assert (code, err) == (0, "")
    golden(f"help{'-' * bool(command)}{command.replace(' ', '-')}.txt", out)


def test_version(her: Her) -> None:
    assert her("--version") == (0, f"her {__version__}\n", "")


def test_help_loads_nothing_but_typer() -> None:
    script = (
        "import sys; from her.cli import run; code = run(['--help'])\n"
        "heavy = {'rich', 'pydantic', 'prompt_toolkit', 'openai', 'xllamacpp', 'torch', 'asyncio', 'sqlite3'}\n"
        "sys.exit(code or ', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- one turn ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plans", [False, True])
@pytest.mark.parametrize("minds", [False, True])
def test_once_shows_each_layer_only_where_its_switch_is_on(her: Her, plans: bool, minds: bool) -> None:
    flags = ["--show-think"] * plans + ["--show-rolethink"] * minds
    code, out, err = her("chat", "--model", REPLY, *flags, "--once", "Might I have the next dance?")
    assert (code, err) == (0, "")
    assert [LAYERS[layer] in out for layer in ("plan", "thought", "action", "speech")] == [plans, minds, True, True]
    golden(f"once{'-think' * plans}{'-rolethink' * minds}.txt", out)


@pytest.mark.parametrize(("view", "plans", "minds"), [("immersive", 0, 0), ("reader", 0, 1), ("director", 1, 1)])
def test_a_view_is_a_name_for_the_two_switches(her: Her, view: str, plans: int, minds: int) -> None:
    _, out, _ = her("chat", "--model", REPLY, "--view", view, "--once", "Shall we?")
    assert (LAYERS["plan"] in out, LAYERS["thought"] in out) == (bool(plans), bool(minds))


def test_json_is_one_turn_with_every_layer_and_nothing_else_on_standard_output(her: Her) -> None:
    code, out, err = her(
        "chat", "--scene", "netherfield-ball", "--as", "Mr. Darcy", "--model-path", REPLY,
        "--once", "Might I have the honour?", "--json", "--seed", "7",
    )  # fmt: skip
    turn = json.loads(out)
    assert (code, err) == (0, "")
    assert turn["speaker"] == "Elizabeth Bennet"
    assert [s["kind"] for s in turn["segments"]] == ["system_thinking", "role_thinking", "role_action", "speech"]
    assert [s["text"] for s in turn["segments"]] == list(LAYERS.values())
    assert (turn["ending"], turn["faults"], turn["seed"], turn["model"]) == ("complete", [], 7, REPLY)


def test_the_release_s_flags_choose_scene_and_character_by_index(her: Her) -> None:
    from her.scene import bundled, bundled_scene

    scene = bundled_scene(bundled()[3])
    _, out, _ = her("chat", "--scenario", "3", "--character", "1", "--model", REPLY, "--once", "Well?", "--json")
    assert json.loads(out)["speaker"] == scene.names[1]


def test_a_scene_of_one_s_own_is_played_from_its_file(her: Her, tmp_path: Path) -> None:
    cast = [{"name": "Ann"}, {"name": "Ben"}]
    own = {"id": "own", "title": "Own", "setting": "A room.", "cast": cast}
    (tmp_path / "own.json").write_text(json.dumps(own), encoding="utf-8")
    _, out, _ = her("chat", "--scene", "own.json", "--as", "ann", "--model", REPLY, "--once", "Well?", "--json")
    assert json.loads(out)["speaker"] == "Ben"
    code, _, err = her("chat", "--scene", "own.json", "--simple", "--model", REPLY, "--once", "Well?")
    assert code == cli.BAD_INPUT
    assert "--simple plays bundled scenes only" in err


def test_without_a_command_it_is_chat_with_chat_s_flags(her: Her) -> None:
    _, out, _ = her("--as", "Darcy", "--model", REPLY, "--once", "Shall we?")
    assert out == "Elizabeth Bennet: (gives her hand) With pleasure, sir.\n"
    assert her("--debug", "--json")[2].endswith("her chat export ID\n")
    assert LATEST == opening.LATEST


@pytest.mark.parametrize("as_json", [False, True])
def test_resume_without_an_id_goes_on_with_the_latest_chat(her: Her, as_json: bool) -> None:
    her("chat", "--model", REPLY, "--scenario", "7", "--once", "Tea?")
    code, out, _ = her("chat", "--resume", "--model", REPLY, "--once", "Sugar?", *["--json"] * as_json)
    assert (code, "Gwendolen Fairfax" in out) == (0, True)
    (chat,) = json.loads(her("chat", "list", "--json")[1])
    assert chat["turns"] == 6


def test_a_resumed_chat_keeps_its_way_of_playing_but_for_what_the_flags_say(her: Her) -> None:
    spoken = f"scripted:{written('', '', '', 'Two lumps.')}"
    her("chat", "--model", spoken, "--no-plan", "--once", "Tea?")
    flags = ("--resume", "--model", spoken, "--once", "Sugar?", "--json")
    assert json.loads(her("chat", *flags)[1])["faults"] == []
    her("chat", "--model", REPLY, "--once", "Tea?")
    prefilled = json.loads(her("chat", "--resume", "--model", REPLY, "--once", "Sugar?", "--json")[1])
    assert prefilled["segments"][0]["kind"] == "system_thinking"
    plain = json.loads(her("chat", *flags, "--no-plan")[1])
    assert [segment["kind"] for segment in plain["segments"]] == ["speech"]


def test_a_recording_can_be_replayed(her: Her, tmp_path: Path) -> None:
    first = her("--model", REPLY, "--seed", "7", "--record", "calls.jsonl", "--once", "Shall we?")
    again = her("--model", "replay:calls.jsonl", "--seed", "7", "--once", "Shall we?")
    assert first == again
    code, _, err = her("--model", "replay:calls.jsonl", "--once", "Something else?")
    assert (code, "has no row left" in err) == (cli.FAILED, True)


def test_a_newcomer_may_join_a_scene(her: Her) -> None:
    flags = ("--as", "Miss Lucas", "--newcomer", "--with", "Darcy", "--model", REPLY)
    _, out, _ = her("chat", *flags, "--once", "Good evening, sir.", "--json")
    assert json.loads(out)["speaker"] == "Mr. Darcy"


def test_an_answer_that_breaks_off_is_printed_and_kept_and_the_exit_code_says_failed(her: Her) -> None:
    with FaultServer(cut(written("A plan", "", "nods", "With all my")), cut("")) as server:
        code, out, err = her("chat", "--model", f"{server.url}#m", "--constraint", "off", "--once", "Shall we?")
    assert code == cli.FAILED
    assert "(nods)" in out
    assert "broke off" in err
    assert "A plan" not in out
    with Store() as store:
        assert store.chats()[0].turns == 4


# -- what is refused --------------------------------------------------------------------------------------------

REFUSED = {
    "unknown-scene": ["chat", "--scene", "netherfeld"],
    "unknown-character": ["chat", "--as", "Emma"],
    "unknown-model-character": ["chat", "--with", "Emma"],
    "scenario-out-of-range": ["chat", "--scenario", "99"],
    "character-out-of-range": ["chat", "--character", "9"],
    "both-casts": ["chat", "--character", "0", "--with", "Darcy"],
    "wrong-address": ["chat", "--model", "gpt", "--once", "Hello"],
    "json-without-once": ["chat", "--json"],
    "nothing-to-resume": ["chat", "--resume"],
    "resume-with-a-scene": ["chat", "--resume", "--scene", "netherfield-ball"],
    "unknown-chat": ["chat", "export", "zzzz"],
    "unknown-command": ["bogus"],
    "unknown-flag": ["--bogus"],
    "unknown-view": ["chat", "--view", "nosy"],
    "nobody-says": ["chat", "--as", "nobody", "--model", "scripted", "--once", "Hello"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_told_in_one_message_with_exit_code_2(her: Her, case: str) -> None:
    code, out, err = her(*REFUSED[case])
    assert (code, out) == (cli.BAD_INPUT, "")
    assert "Traceback" not in err
    golden(f"refused-{case}.txt", err)


def test_what_a_server_says_cannot_steer_the_terminal(her: Her) -> None:
    with FaultServer(status(401, "no \x1b[2Jentry")) as server:
        code, _, err = her("chat", "--model", f"{server.url}#m", "--once", "Hello")
    assert code == cli.FAILED
    assert "entry" in err
    assert "\x1b" not in err


def test_no_server_is_a_failure_that_names_the_address(her: Her) -> None:
    code, out, err = her("chat", "--model", "http://127.0.0.1:9/v1#m", "--once", "Hello")
    assert (code, out) == (cli.FAILED, "")
    golden("no-server.txt", re.sub(r"\(\[.*?\].*?\)\)?", "(REASON)", err))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), cli.BAD_INPUT),
        (MissingExtra("hf: models", "train"), cli.BAD_INPUT),
        (ModelError("x"), cli.FAILED),
        (StorageError("x"), cli.FAILED),
    ],
)
def test_the_exit_code_follows_the_class_of_the_error(
    her: Her, monkeypatch: pytest.MonkeyPatch, error: HerError, code: int
) -> None:
    def fail(**_: object) -> bool:
        raise error

    monkeypatch.setattr(doctor, "examine", fail)
    assert her("doctor") == (code, "", f"her: {error}\n")


def test_an_unexpected_error_is_one_message_and_a_file_with_the_traceback(
    her: Her, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    def fail(**_: object) -> bool:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(doctor, "examine", fail)
    code, out, err = her("doctor")
    (file,) = own_home.glob("crash-*.txt")
    assert (code, out) == (cli.FAILED, "")
    assert "ZeroDivisionError: by zero" in err
    assert "Traceback" not in err
    assert str(file) in err
    assert "Traceback" in file.read_text(encoding="utf-8")
    monkeypatch.setenv("HER_DEBUG", "1")
    assert "Traceback" in her("doctor")[2]


def test_a_reader_who_leaves_is_not_an_error_message() -> None:
    script = "import sys; from her.cli import run; sys.exit(run(['chat', '--help']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


# -- stored chats, models, doctor -------------------------------------------------------------------------------


def test_a_stored_chat_is_listed_and_exported_without_hidden_layers(her: Her) -> None:
    assert her("chat", "list") == (0, "No chats yet; begin one with: her chat\n", "")
    her("chat", "--model", REPLY, "--once", "Shall we?")
    code, out, _ = her("chat", "list", "--json")
    (chat,) = json.loads(out)
    assert (code, chat["as"], chat["with"]) == (0, "Mr. Darcy", ["Elizabeth Bennet"])
    assert chat["id"] in her("chat", "list")[1]
    for form in ("text", "json", "jsonl"):
        plain = her("chat", "export", chat["id"], "--format", form)[1]
        whole = her("chat", "export", "latest", "--format", form, "--plans", "--minds")[1]
        assert LAYERS["speech"] in plain
        assert LAYERS["plan"] not in plain
        assert LAYERS["thought"] not in plain
        assert LAYERS["plan"] in whole
        assert LAYERS["thought"] in whole


def test_the_bundled_scenes_are_listed_under_the_numbers_that_choose_them(her: Her) -> None:
    from her.scene import bundled

    rows = json.loads(her("chat", "scenes", "--json")[1])
    assert [(row["scenario"], row["id"]) for row in rows] == list(enumerate(bundled()))
    assert all(row["id"] in line for row, line in zip(rows, her("chat", "scenes")[1].splitlines(), strict=True))


def test_models_list_names_every_form_of_an_address_and_the_aliases(her: Her, tmp_path: Path) -> None:
    (tmp_path / "her.toml").write_text('[models]\nlocal = "http://127.0.0.1:8000/v1#m"\n', encoding="utf-8")
    code, out, _ = her("models", "list")
    assert code == 0
    golden("models-list.txt", out)
    rows = json.loads(her("models", "list", "--json")[1])
    assert {row["address"] for row in rows} >= {"mini", "local", "replay:FILE"}


def test_models_pull_refuses_a_file_that_is_not_the_model(her: Her, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(b"GGUF no more")
    code, out, err = her("models", "pull", "--from", "other.gguf")
    assert (code, out) == (cli.BAD_INPUT, "")
    assert "does not hold" in err
    assert her("models", "remove") == (0, "it is not in the cache\n", "")


def test_doctor_says_what_works_and_how_to_mend_the_rest(her: Her, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = her("doctor", "--json")
    report = json.loads(out)
    checks = {check["name"]: check for check in report["checks"]}
    assert (code, report["works"]) == (0, True)
    assert checks["mini"]["mend"] == "her models pull"
    installed = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("rich", "torch") else installed(name))
    code, out, _ = her("doctor")
    assert code == cli.FAILED
    assert "rich missing" in out
    assert "pip install 'her-roleplay[train]'" in out
    assert out.endswith("Chat cannot work here yet.\n")


def test_doctor_fails_where_chats_cannot_be_kept(her: Her, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("HER_HOME", str(tmp_path / "file"))
    code, out, _ = her("doctor", "--json")
    assert code == cli.FAILED
    assert "home" in [check["name"] for check in json.loads(out)["checks"] if check["state"] == "bad"]


def test_doctor_knows_the_packages_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> tuple[str, ...]:
        return tuple(re.match(r"[\w-]+", requirement)[0] for requirement in requirements)  # type: ignore[index]

    extras = {name: names(wants) for name, wants in project["optional-dependencies"].items() if name in doctor.EXTRAS}
    assert set(doctor.CORE) == set(names(project["dependencies"]))
    assert {name: set(wants) for name, wants in doctor.EXTRAS.items()} == {k: set(v) for k, v in extras.items()}


# -- lines from a pipe ------------------------------------------------------------------------------------------


def piped(lines: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """The chat with these lines as its standard input."""
    command = [sys.executable, "-m", "her", "chat", *argv]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command, input=lines, capture_output=True, encoding="utf-8", env=env, timeout=120, check=False
    )


def test_a_piped_session_answers_line_by_line_and_ends_with_its_input() -> None:
    done = piped("Shall we?\nAnd you,\\\nMiss Bennet?\n", "--model", "scripted")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("no language model is connected") == 2
    assert "Mr. Darcy: And you,\nMiss Bennet?" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_piped_session_ends_at_quit_and_outlives_a_bad_command() -> None:
    done = piped("/mnds\n/view nosy\n/quit\nnever said\n", "--model", "scripted")
    assert done.returncode == 0
    assert "did you mean /minds?" in done.stdout
    assert "the views are immersive, reader, director" in done.stdout
    assert "never said" not in done.stdout


def test_a_fault_of_the_server_leaves_the_chat_going() -> None:
    acts = status(401), cut(written("plan", "", "nods")), say(written("plan", "", "", "Now I am here."))
    with FaultServer(*acts) as server:
        flags = ("--model", f"{server.url}#m", "--constraint", "off")
        done = piped("Shall we?\n/retry\n/retry\n/quit\n", *flags)
    assert done.returncode == 0, done.stderr
    assert "does not answer" in done.stdout
    assert "broken off" in done.stdout
    assert "Elizabeth Bennet: Now I am here." in done.stdout


def test_slash_help_reads_as_written_down() -> None:
    out = piped("/help\n", "--model", "scripted").stdout
    golden("slash-help.txt", out[out.index("/retry") :])


def test_a_key_is_kept_for_its_server_and_shown_nowhere(
    her: Her, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hush-hush\n"))
    code, out, err = her("models", "key", "127.0.0.1")
    assert (code, "hush" in out + err) == (0, False)
    with FaultServer(say("Yes.")) as server:
        assert her("chat", "--model", server.url, "--once", "Tea?")[0] == 0
        assert her("chat", "--model", server.url, "--key", "given", "--once", "Tea?")[0] == 0
        assert [key for key in server.keys if key][:1] == ["Bearer hush-hush"]
        assert server.keys[-1] == "Bearer given"
    assert her("models", "key", "127.0.0.1", "--forget")[0] == 0
    assert "hush" not in (own_home / "keys.json").read_text(encoding="utf-8")


def test_a_chat_that_was_only_opened_is_not_kept(her: Her, monkeypatch: pytest.MonkeyPatch) -> None:
    her("chat", "--model", REPLY, "--once", "Tea?")
    monkeypatch.setattr(sys, "stdin", io.StringIO("/quit\n"))
    assert her("--model", REPLY)[0] == 0
    chats = json.loads(her("chat", "list", "--json")[1])
    assert len(chats) == 1
    assert (
        json.loads(her("chat", "--resume", "--model", REPLY, "--once", "Sugar?", "--json")[1])["ending"] == "complete"
    )


def test_the_first_turn_with_a_server_has_its_prefill_and_its_grammar(her: Her) -> None:
    with FaultServer(say("x"), kind="llamacpp") as server:
        server.window = 40_000
        _, _, err = her("chat", "--model", server.url, "--once", "Tea?")
        sent = [body for body in server.bodies if "grammar" in body]
    assert len(sent) == 1, err or "the server's abilities were not known before the first call"
    assert "Elizabeth Bennet: " in sent[0]["grammar"]
