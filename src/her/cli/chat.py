"""`her chat`: play a scene, list and export what was played."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from her.cli.flags import Json
from her.errors import InputError

if TYPE_CHECKING:
    from her.chat.opening import ChatOptions

LATEST = "latest"
"""What `--resume` without an id stands for."""


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


chat_app = typer.Typer(
    cls=_ChatGroup,
    short_help="Play a scene with characters that think.",
    rich_markup_mode=None,
)


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
