"""Which runs are struck out: those whose model was trained by the very judge that now scores it.

Knows what stands beside a checkpoint, and where to look for it. Refuses to take an unknown training for a clean one:
`unknown` names the models of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from her.bench.report.records import Run, Seat
from her.errors import InputError
from her.judge.reward.provenance import FILE, Provenance
from her.rows.files import sha_of

FAMILIES = "families"
"""The setting of a sheet that names the families of broken turns which its cases are made of."""


def provenances(told: Iterable[str], runs: Iterable[Run]) -> dict[str, Provenance]:
    """What is known of the models of these runs, by the model's name in Inspect.

    `told` are flags, `MODEL=PATH` with the folder of a checkpoint or its record. A model whose address is a folder or
    a file with a record beside it needs none. Raises InputError for a flag that names no model of the runs, and
    StorageError for a folder that is not there.
    """
    actors = [run.actor for run in runs]
    found = {seat.name: beside for seat in actors if (beside := _beside(seat.address)) is not None}
    for text in told:
        model, sign, place = text.partition("=")
        named = [seat.name for seat in actors if model in (seat.name, seat.address)]
        if not sign or not place or not named:
            known = ", ".join(sorted({seat.address for seat in actors}))
            raise InputError(f"--provenance {text!r}: write MODEL=PATH, with one of these models: {known}")
        path = Path(place)
        record = Provenance.read(path.parent if path.name == FILE else path)
        found |= dict.fromkeys(named, record)
    return found


def struck(run: Run, known: Mapping[str, Provenance]) -> str:
    """Why figures of this run are struck out, in a sentence without a stop; empty where they are not."""
    record = known.get(run.actor.name)
    if record is None:
        return ""
    for part in run.sheet.judges:
        judge = run.seats.get(part)
        if judge is not None and record.shaped_by(judge.address, _weights(judge)):
            return f"{judge.address} judges it and had a part in training {run.actor.address}"
    own = run.sheet.settings.get(FAMILIES) or ()
    shared = sorted(set(own) & set(record.families))
    if shared:
        return f"{run.actor.address} was trained by a judge of the families that are asked here: {', '.join(shared)}"
    return ""


def unknown(runs: Iterable[Run], known: Mapping[str, Provenance]) -> tuple[str, ...]:
    """Addresses of models that a judge scores here, and of which nobody has told what trained them."""
    judged = (run.actor for run in runs if run.sheet.judges or run.sheet.settings.get(FAMILIES))
    return tuple(sorted({seat.address for seat in judged if seat.name not in known}))


def _beside(address: str) -> Provenance | None:
    """What stands beside the weights; of a base and its adapter, `BASE.gguf+ADAPTER.gguf`, what both have."""
    found: Provenance | None = None
    for part in address.replace(".gguf+", ".gguf\n").split("\n"):
        path = Path(part).expanduser()
        folder = path if path.is_dir() else path.parent
        if path.exists() and (folder / FILE).is_file():
            record = Provenance.read(folder)
            found = record if found is None else found.plus(record)
    return found


def _weights(judge: Seat) -> str:
    path = Path(judge.address).expanduser()
    return sha_of(path) if path.is_file() else judge.sha
