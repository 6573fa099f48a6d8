"""The chat on a screen: what is drawn and taken away again, what each command shows, and what keys do."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from chatting import MARKS, REPLY, session, written
from her import markup
from her.actor import Actor, ActorOptions, Again
from her.chat.casting import Casting
from her.chat.commands import ALIASES, COMMANDS, obey
from her.chat.demo import play_demo
from her.chat.paint import Growing, Painter, safe
from her.chat.room import Room
from her.chat.session import Session
from her.chat.terminal import SlashCompleter, converse, opening_screen
from her.errors import InputError, ServerFault
from her.models.base import Model, Reply, Sampling
from her.models.recorded import Scripted
from her.turn import VIEWS, Kind, Segment, Turn, View
from servers import FaultServer, say, silence
from stages import Counting

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty to press keys in")

ANN = "Ann"


def screen(*, terminal: bool = False, width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height, color_system=None)


def printed(room: Room) -> str:
    file = room.painter.console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text


def room_of(played: Session, *, terminal: bool = False) -> Room:
    return Room(played, played.store, Painter(screen(terminal=terminal), played.scene.names, plain=not terminal))


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def make(replies: list[str] | None = None, *, terminal: bool = False, casting: Casting | None = None) -> Room:
        played, _ = session(tmp_path, replies, casting=casting or Casting("Ben", (ANN, "Cleo")))
        rooms.append(room_of(played, terminal=terminal))
        return rooms[-1]

    yield make
    for room in rooms:
        room.store.close()


class Told:
    """Lines as a person would type them; an exception is raised in its place."""

    def __init__(self, *lines: str | type[BaseException]) -> None:
        self._lines = iter(lines)

    async def read(self, room: Room) -> str:
        del room
        for line in self._lines:
            if isinstance(line, str):
                return line
            raise line
        raise EOFError


async def play(room: Room, *lines: str | type[BaseException]) -> str:
    await converse(room, Told(*lines))
    return printed(room)


# -- growing ----------------------------------------------------------------------------------------------------


def grown(view: View, height: int = 24) -> Growing:
    painter = Painter(screen(terminal=True, height=height), (ANN,))
    return Growing(painter, ANN, view.kinds, "thinks …")


def drawn(growing: Growing) -> str:
    with growing.painter.console.capture() as capture:
        growing.painter.console.print(growing)
    return capture.get()


@given(st.sampled_from(sorted(VIEWS)), st.integers(1, 9))
def test_no_frame_of_a_streaming_turn_shows_a_layer_that_the_view_hides(name: str, size: int) -> None:
    growing = grown(VIEWS[name])
    parser = markup.stream(speaker=ANN, opened=Kind.SYSTEM_THINKING)
    text = written("PLANNED", "FELT", "nods", "Hello.")
    frames = []
    for at in range(0, len(text), size):
        for event in parser.feed(text[at : at + size]):
            growing.take(event)
            frames.append(drawn(growing))
    for event in parser.finish():
        growing.take(event)
    frames.append(drawn(growing))
    assert any("PLAN" in frame for frame in frames) == VIEWS[name].plans
    assert any("FELT" in frame or "FEL" in frame for frame in frames) == VIEWS[name].minds
    assert "(nods) Hello." in frames[-1]


@pytest.mark.parametrize("kind", [Kind.SYSTEM_THINKING, Kind.ROLE_THINKING])
def test_a_retracted_line_is_taken_off_the_screen(kind: Kind) -> None:
    growing = grown(VIEWS["immersive"])
    parser = markup.stream(speaker=ANN)
    closer = MARKS["plan_close" if kind is Kind.SYSTEM_THINKING else "thought_close"]
    for event in parser.feed("I must never say this. "):
        growing.take(event)
    assert "never say this" in drawn(growing)
    for event in (*parser.feed(f"{closer}Good evening."), *parser.finish()):
        growing.take(event)
    assert "never say this" not in drawn(growing)
    assert "Good evening." in drawn(growing)


def test_a_turn_that_begins_again_leaves_nothing_of_its_first_attempt() -> None:
    growing = grown(VIEWS["director"])
    for event in markup.stream(speaker=ANN).feed("A first attempt, soon void."):
        growing.take(event)
    growing.take(Again(()))
    assert "attempt" not in drawn(growing)


def test_a_turn_longer_than_the_screen_shows_its_end_and_never_scrolls() -> None:
    growing = grown(VIEWS["immersive"], height=10)
    for number in range(200):
        for event in markup.stream(speaker=ANN).feed(f"word{number} and more of it "):
            growing.take(event)
    frame = drawn(growing)
    assert frame.count("\n") <= 9
    assert "word199" in frame
    assert "word0 " not in frame


@given(st.text())
def test_text_of_a_model_cannot_move_the_cursor(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", safe(text + "\x1b[2J\r\x07\x9b1m"))


def test_a_pipe_gets_one_line_a_turn_and_a_terminal_wraps_with_the_name_above() -> None:
    turn = Turn(ANN, (Segment(Kind.ROLE_ACTION, "nods"), Segment(Kind.SPEECH, "word " * 40)))
    for terminal in (False, True):
        console = screen(terminal=terminal)
        Painter(console, (ANN,), plain=not terminal).turn(turn)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        if terminal:
            assert lines[0] == ANN
            assert len(lines) > 3
            assert max(map(len, lines)) <= 80
        else:
            assert len(lines) == 1
            assert lines[0].startswith("Ann: (nods) word")


# -- the conversation -------------------------------------------------------------------------------------------


def test_the_opening_screen_says_who_is_who_and_how_to_see_more(make_room: Callable[..., Room]) -> None:
    room = make_room()
    opening_screen(room)
    assert printed(room).splitlines() == [
        "In the cellar",
        "A dark cellar.",
        "You are Ben · the model plays Ann, Cleo · scripted",
        "plans hidden (/think shows them) · thoughts hidden (/rolethink shows them) · /help",
        "Ann: Who is there?",
    ]


async def test_a_line_is_answered_and_hidden_layers_stay_hidden(make_room: Callable[..., Room]) -> None:
    out = await play(make_room(), "*lights a match* Who are you, Ann? [I am afraid]")
    assert out.splitlines() == ["Ben: (lights a match) Who are you, Ann? [I am afraid]", "Ann: (nods) Very well."]


async def test_a_live_screen_ends_with_the_same_turn_and_no_status(make_room: Callable[..., Room]) -> None:
    room = make_room(terminal=True)
    room.live = True
    out = await play(room, "Hello.")
    assert "secret" not in out
    tail = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.rpartition("\x1b[2K")[2])
    assert "  (nods) Very well." in tail
    assert "thinks" not in tail


async def test_the_switches_change_what_is_shown_and_nothing_else(make_room: Callable[..., Room]) -> None:
    out = await play(make_room(), "/think", "/rolethink", "Hello, Ann.", "/view immersive", "/history")
    said, _, history = out.partition("plans hidden (/think shows them) · thoughts hidden")
    assert "┊ secret plan\nAnn: [secret thought] (nods) Very well." in said
    assert "secret" not in history
    assert history.count("Very well.") == 1


async def test_ctrl_c_at_the_prompt_hints_once_and_leaves_the_second_time(make_room: Callable[..., Room]) -> None:
    out = await play(make_room(), KeyboardInterrupt, KeyboardInterrupt, "never read")
    assert out.count("Ctrl-C again") == 1
    assert "never read" not in out


class Slow(Scripted):
    """Says the first half of its reply, then waits to be stopped."""

    async def stream(self, *args: object, **options: object) -> AsyncGenerator[str | Reply]:
        async for piece in super().stream(*args, **options):  # type: ignore[arg-type]
            yield piece
            if "nods" in str(piece):
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(30)


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with SIGINT ends a process on Windows")
async def test_ctrl_c_during_a_reply_keeps_the_part_and_the_chat_goes_on(tmp_path: Path) -> None:
    played, _ = session(tmp_path, names=("Ann", "Ben"))
    slow: Model = Slow([REPLY], chunk=None)
    played.model = slow
    room = room_of(played)
    handler = signal.getsignal(signal.SIGINT)
    began = time.monotonic()
    out = await play(room, "Hello.", "/history")
    assert time.monotonic() - began < 20
    assert signal.getsignal(signal.SIGINT) is handler
    assert "(stopped; kept as it stands · /retry all writes on)" in out
    assert out.count("Ann: (nods)") == 2
    room.store.close()


async def test_a_fault_of_the_model_is_told_and_the_chat_goes_on(
    make_room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room()
    whole = room.session.reply

    async def broken(*_: object, **__: object) -> AsyncGenerator[object]:
        raise ServerFault("the server said 500")
        yield

    monkeypatch.setattr(room.session, "reply", broken)
    assert "Ann does not answer: the server said 500" in await play(room, "Hello, Ann.")
    monkeypatch.setattr(room.session, "reply", whole)
    out = await play(room, "/retry")
    assert "Ann: (nods) Very well." in out


# -- commands ---------------------------------------------------------------------------------------------------


async def test_turns_that_no_longer_fit_are_told_when_they_go(tmp_path: Path) -> None:
    played, _ = session(tmp_path, [], casting=Casting("Ben", (ANN,)))
    model = Counting(lambda *_: REPLY)
    model.context = len(str(await Actor(played.scene, ANN, model).prompt(played.dialogue))) + 400
    played.model, played.options = model, ActorOptions(constraint="off", sampling=Sampling(max_tokens=64))
    room = room_of(played)
    out = await play(room, *(f"This is line {i} of a long evening in the cellar." for i in range(40)))
    room.store.close()
    told = re.findall(r"the first (\d+) turns no longer fit", out)
    assert told
    assert sorted(set(map(int, told))) == list(map(int, told)), "told once for each cut"


async def test_an_unknown_command_names_the_nearest(make_room: Callable[..., Room]) -> None:
    with pytest.raises(InputError, match=r"no /mnds; did you mean /minds\?"):
        await obey(make_room(), "/mnds")


async def test_every_command_is_in_the_help(make_room: Callable[..., Room]) -> None:
    out = await play(make_room(), "/help")
    assert all(f"/{name}" in out and command.help in out for name, command in COMMANDS.items())
    assert set(ALIASES.values()) <= set(COMMANDS)


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"quit", "save"}))
async def test_no_command_without_text_breaks_the_chat(
    make_room: Callable[..., Room], name: str, terminal: bool
) -> None:
    room = make_room(terminal=terminal)
    await play(
        room, f"/{name}", f"/{name} nonsense ;", "Hello.", f"/{name}", f"/{name} Ann", "/view director", f"/{name}"
    )
    assert "Very well." in await play(room, "/enter Ann", "/enter Cleo", "Are you there?", "/history")


async def test_undo_takes_back_and_redo_brings_back(make_room: Callable[..., Room]) -> None:
    room = make_room()
    out = await play(room, "Hello, Ann.", "/undo")
    assert "taken back: 2 turns (Ben, Ann); /redo brings it back" in out
    assert len(room.session.line) == 1
    assert "Ben: Hello, Ann.\nAnn: (nods) Very well." in await play(room, "/redo")


async def test_retry_edit_and_save_work_on_the_last_turn(make_room: Callable[..., Room], tmp_path: Path) -> None:
    room = make_room([written("p", "", "", f"Answer {n}.") for n in range(3)])
    out = await play(room, "Hello, Ann.", "/retry", "/edit *bows* Another answer.", f"/save {tmp_path / 'chat.txt'}")
    assert "Ann: Answer 0.\nAnn: Answer 1.\nAnn: (bows) Another answer." in out
    saved = (tmp_path / "chat.txt").read_text(encoding="utf-8")
    assert "Another answer." in saved
    assert "Answer 1." not in saved
    assert "is there already" in await play(room, f"/save {tmp_path / 'chat.txt'}")


async def test_a_changed_mind_shows_old_and_new_act(make_room: Callable[..., Room]) -> None:
    room = make_room(
        [written("plan", "He lies", "turns away", "No."), f"{MARKS['action_open']}smiles{MARKS['action_close']}Yes."]
    )
    out = await play(room, "Will you?", "/mind He means it")
    changes = out[out.index("what the thought changed:") :]
    assert "- [He lies]" in changes
    assert "+ [He means it]" in changes
    assert "+ Yes." in changes
    assert "- No." in changes


async def test_minds_stand_side_by_side(make_room: Callable[..., Room]) -> None:
    room = make_room(terminal=True)
    out = await play(room, "Hello, Ann.", "/minds")
    row = next(line for line in out.splitlines() if "secret thought" in line)
    assert "Cleo is cold" in row


async def test_minds_that_do_not_fit_beside_each_other_stand_below_each_other(make_room: Callable[..., Room]) -> None:
    room = make_room(terminal=True)
    room.painter.console.width = 40
    out = await play(room, "Hello, Ann.", "/minds")
    assert "secret thought" in out
    assert "Cleo is cold" in out
    assert "…" not in out


async def test_eyes_show_own_thoughts_and_no_one_else_s(make_room: Callable[..., Room]) -> None:
    room = make_room()
    out = await play(room, "Hello, Ann. [I lie]", "/whisper Cleo Do not believe her.")
    assert "(heard by Cleo alone)" in await play(room, "/eyes Cleo")
    seen = await play(room, "/eyes ann")
    assert "secret thought" in seen
    assert "I lie" not in seen
    assert "believe" not in seen
    assert "secret plan" not in seen + out


async def test_the_prompt_is_shown_as_it_was_sent(make_room: Callable[..., Room]) -> None:
    room = make_room()
    out = await play(room, "Hello, Ann.", "/prompt")
    made = room.session.prompt_of(room.session.line[-1].id)
    assert all(message.content.strip() in out for message in made.messages)
    assert made.prompt_sha[:12] in out


async def test_a_whisper_between_others_is_not_shown_while_it_streams(make_room: Callable[..., Room]) -> None:
    room = make_room()
    room.session.whisper("Cleo", "Between us.", speaker=ANN)
    assert room._stage_kinds("Cleo") == frozenset()
    room.session.view = VIEWS["reader"]
    assert Kind.SPEECH in room._stage_kinds("Cleo")


async def test_one_who_plays_nobody_lets_them_go_on(make_room: Callable[..., Room]) -> None:
    room = make_room(casting=Casting(None))
    out = await play(room, "Hello?", "/continue", "/narrate The candle goes out.", "/continue ann")
    assert "You play nobody here" in out
    assert "Environment: The candle goes out.\nAnn: (nods) Very well." in out


def test_completion_offers_commands_and_then_names(make_room: Callable[..., Room]) -> None:
    completer = SlashCompleter(make_room())

    def offered(text: str) -> list[str]:
        return [c.text for c in completer.get_completions(Document(text), CompleteEvent())]

    assert offered("/mi") == ["mind", "minds"]
    assert offered("/whisper ") == ["Ann", "Ben", "Cleo"]
    assert offered("/view d") == ["director"]
    assert offered("good /mi") == []


# -- keys -------------------------------------------------------------------------------------------------------


async def test_keys_alt_enter_and_a_trailing_backslash_make_new_lines(make_room: Callable[..., Room]) -> None:
    from prompt_toolkit.application import create_app_session

    from her.chat.terminal import Typed

    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("one\\\rtwo\x1b\rthree\r")
        assert await Typed().read(make_room(terminal=True)) == "one\ntwo\nthree"
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            await Typed().read(make_room(terminal=True))
        keys.send_text("\x03")
        with pytest.raises(KeyboardInterrupt):
            await Typed().read(make_room(terminal=True))


class Keyboard:
    """The chat in a pseudo-terminal of its own."""

    START = (
        "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "from her.cli import run; sys.exit(run(sys.argv[1:]))"
    )

    def __init__(self, *argv: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.out = ""
        self._mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        command = [sys.executable, "-c", self.START, *argv]
        self.process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env, start_new_session=True)
        os.close(its)
        os.set_blocking(self._mine, False)

    def press(self, keys: str) -> None:
        os.write(self._mine, keys.encode())

    def until(self, text: str, *, times: int = 1, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while self.plain.count(text) < times and time.monotonic() < end:
            self._read()
            time.sleep(0.02)
        assert self.plain.count(text) >= times, self.plain[-2000:]

    def ends(self, seconds: float = 30) -> int:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read()
            time.sleep(0.02)
        self._read()
        self.process.kill()
        return self.process.wait()

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out)

    def _read(self) -> None:
        try:
            self.out += os.read(self._mine, 65536).decode(errors="replace")
        except OSError:  # nothing there yet, or the other side is closed
            return


@needs_pty
def test_in_a_terminal_ctrl_c_keeps_the_part_and_ctrl_d_leaves_with_exit_code_0() -> None:
    first = silence(written("THE PLAN", "THE THOUGHT", "curtseys", "I had not "))
    with FaultServer(first, say(written("p", "", "", "Here I am."))) as server:
        keyboard = Keyboard("chat", "--model", f"{server.url}#m", "--constraint", "off")
        keyboard.until("Mr. Darcy ›")
        keyboard.press("Shall we dance?\r")
        keyboard.until("I had not")
        keyboard.press("\x03")
        keyboard.until("stopped; kept as it stands")
        keyboard.press("And now?\r")
        keyboard.until("Here I am.")
        keyboard.press("\x03")
        keyboard.until("Ctrl-C again or Ctrl-D leaves")
        keyboard.press("\x04")
        assert keyboard.ends() == 0
    assert "her chat --resume" in keyboard.plain
    assert "THE" not in keyboard.plain


@needs_pty
@pytest.mark.parametrize(("variable", "flag"), [("NO_COLOR", ""), ("", "--simple")])
def test_no_colours_where_none_are_wanted(monkeypatch: pytest.MonkeyPatch, variable: str, flag: str) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    keyboard = Keyboard("chat", "--model", "scripted", *([flag] if flag else []))
    keyboard.until("Mr. Darcy ›")
    keyboard.press("Hello.\r")
    keyboard.until("no language model is connected")
    keyboard.press("/quit\r")
    assert keyboard.ends() == 0
    assert not re.search(r"\x1b\[[0-9;]*\b(3[1-7]|9[1-7])m", keyboard.out)


# -- the demo ---------------------------------------------------------------------------------------------------


def test_the_demo_shows_every_layer_and_ends_with_your_turn(capsys: pytest.CaptureFixture[str]) -> None:
    play_demo()
    out = capsys.readouterr().out
    assert out.count("┊ ") >= 4
    assert "Your turn:" in out
    assert 'her chat --as "Mr. Darcy"' in out
    assert "<" not in out


def test_the_demo_takes_less_than_a_minute() -> None:
    from her.chat.demo import PAUSE, RECORDING, recorded_rows

    rows = recorded_rows(Path(__file__).parent.parent / "src" / "her" / RECORDING)
    assert len(rows) * PAUSE + sum(row.chunks[-1][0] for row in rows if row.chunks) / 1000 < 60


def test_a_demo_row_by_a_stranger_is_refused_by_name(tmp_path: Path) -> None:
    row = '{"id": "demo/1/Nobody", "text": "Hello.", "finish": "stop", "usage": {}}\n'
    (tmp_path / "demo.jsonl").write_text(row, encoding="utf-8")
    with pytest.raises(InputError, match="does not end in a name of the cast"):
        play_demo(recording=tmp_path / "demo.jsonl")
