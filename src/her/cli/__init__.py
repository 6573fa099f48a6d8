"""The command line: one thin function a command, and the one place where any error ends.

Knows flags, exit codes and how to say that something failed. A command fills one options object and calls one
function of the floor below, imported only then: `her --help` loads nothing but Typer.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from her import __version__
from her.cli.bench import bench_app
from her.cli.chat import chat_app
from her.cli.flags import Json
from her.cli.judge import judge_app
from her.cli.models import models_app
from her.cli.synth import synth_app
from her.cli.train import train_app
from her.errors import HerError, InputError, MissingExtra

DONE, FAILED, BAD_INPUT = 0, 1, 2
"""Exit codes; 3 is kept for runs that finish with more unscored or dropped rows than allowed."""
LEAVING = frozenset({"-h", "--help", "--version", "--install-completion", "--show-completion"})
"""Flags of `her` itself that print something and leave."""
ORDER = ("chat", "demo", "synth", "judge", "train", "bench", "models", "doctor")


class _RootGroup(TyperGroup):
    """Without a command it is `chat`: `her`, and `her --as Darcy`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left, as Typer's own method."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        at = next((i for i, arg in enumerate(args) if arg not in own), len(args))
        if not ({*args[:at]} & LEAVING) and (at == len(args) or args[at].startswith("-")):
            args = [*args[:at], "chat", *args[at:]]
        return list(super().parse_args(ctx, args))

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which people need them."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="her",
    cls=_RootGroup,
    help="Characters with an inner life: an author who plans, a mind that nobody else can read.",
    epilog="Without a command: chat. `her demo` shows it in a minute and needs nothing.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(chat_app, name="chat")
app.add_typer(synth_app, name="synth")
app.add_typer(judge_app, name="judge")
app.add_typer(train_app, name="train")
app.add_typer(bench_app, name="bench")
app.add_typer(models_app, name="models")


def run(argv: list[str]) -> int:
    """The exit code: 0 done, 1 failed, 2 bad usage or input. The one boundary that catches everything."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console or pipe may still be in a code page of its own
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app(argv, prog_name="her")
        sys.stdout.flush()
    except SystemExit as end:
        return _end(end.code)
    except BrokenPipeError:
        return _quiet()
    except HerError as error:
        return _told(error)
    except Exception as error:  # noqa: BLE001 - the one broad boundary: a stranger's error becomes one line and a file
        return _surprised(error)
    return DONE


def _end(code: object) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _quiet()
    return code if isinstance(code, int) else DONE if code is None else FAILED


def _quiet() -> int:
    """Nobody reads what we print: the rest goes nowhere, without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _told(error: HerError) -> int:
    if os.environ.get("HER_DEBUG"):
        traceback.print_exc()
    # A server's words may stand in the message; they must not steer the terminal.
    words = "\n".join((str(error), *getattr(error, "__notes__", ())))
    said = "".join(c for c in words if c.isprintable() or c == "\n")
    typer.echo(f"her: {said}", err=True)
    return BAD_INPUT if isinstance(error, (InputError, MissingExtra)) else FAILED


def _surprised(error: Exception) -> int:
    if os.environ.get("HER_DEBUG"):
        traceback.print_exc()
        return FAILED
    what = " ".join(line.strip() for line in traceback.format_exception_only(error))
    where = _write_traceback(traceback.format_exc())
    typer.echo(f"her: something broke that should not have: {what}", err=True)
    typer.echo(f"     {where}; `her --debug …` prints it here.", err=True)
    return FAILED


def _write_traceback(text: str) -> str:
    from her.models.settings import home

    try:
        path = home() / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"her {__version__}\n{text}", encoding="utf-8")
    except OSError as error:
        return f"the traceback could not be written ({error})"
    return f"the traceback is in {path}"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"her {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (also: HER_DEBUG=1).")] = False,
) -> None:
    """Characters with an inner life: an author who plans, a mind that nobody else can read."""
    del version
    if debug:
        os.environ["HER_DEBUG"] = "1"


@app.command()
def demo(
    speed: Annotated[float, typer.Option(metavar="X", min=0.01, help="2 is twice as fast.")] = 1.0,
) -> None:
    """Watch a recorded scene with plans and thoughts; needs nothing."""
    from her.chat.demo import play_demo

    play_demo(speed)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what chat needs; say how to mend what is missing."""
    from her.doctor import examine

    if not examine(as_json=as_json):
        raise typer.Exit(FAILED)
