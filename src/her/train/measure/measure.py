"""A measurement from beginning to end: replies, their figures, bits, binding, and the files that tell of them.

Knows the order of things and what is written where. Refuses to judge.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from her.errors import InputError
from her.models.address import open_model, resolve
from her.rows.files import Writer
from her.train.lessons import data_hashes
from her.train.local import local_folder
from her.train.measure.figures import Observation, estimates
from her.train.measure.places import Place, Split, held_out, turn_of
from her.train.measure.rates import Part, rates, read_phrases, wrong_with
from her.train.measure.replies import Arm, Replied, ReplyLog, arm, identity, play
from her.train.measure.table import table
from her.train.recipe import Data
from her.train.run_folder import TrainFolder, versions

# ruff: noqa: PLC0415  (torch is loaded only where weights are to be measured: replies of a server need none)

Told = Callable[[str], None]
REPLIES = "replies.jsonl"
TURNS = "turns.jsonl"
"""What was seen at each turn, one Observation a line."""
MEASURES = "measures.json"
TABLE = "measures.md"
IDENTIFIED = ("weights", "frozen", "phrases")
"""Options whose files a report tells by their hash too."""


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What is measured, on what, and how. `weights` are the model's own for bits, `frozen` another's for binding;
    None leaves that out. `phrases` is a published list of stock phrases."""

    address: str
    data: Path
    out: Path
    split: str = "test"
    plans: bool = True
    constrained: bool = False
    seeds: tuple[int, ...] = (0,)
    limit: int | None = None
    languages: tuple[str, ...] = ()
    weights: str | None = None
    frozen: str | None = None
    phrases: Path | None = None


def measure(options: MeasureOptions, *, told: Told) -> dict[str, Any]:
    """What measures.json then holds; replies that the folder has already are not asked for again.

    `told` gets lines for people. Raises InputError, ModelError, MissingExtra, StorageError.
    """
    split = held_out(options.data, options.split, plans=options.plans, languages=options.languages, limit=options.limit)
    _check(options, split)
    phrases = read_phrases(options.phrases) if options.phrases else []
    how = arm(options.address, constrained=options.constrained)
    log = ReplyLog(options.out / REPLIES)
    replies = asyncio.run(_play(options, split, how, log, told))
    bound, long = _bindings(options, split, replies, told)
    bits, wide = _bits(options, split, told)
    places = {place.sample.id: place for place in split.places}
    seen = [
        *_of_replies(replies, places, phrases, bound),
        *_of_gold(split.places, phrases, bound),
        *bits,
    ]
    wrong = Counter(word for reply in replies for word in wrong_with(places[reply.id], reply.text, reply.finish))
    report = {
        **_about(options, how, split),
        **_figures(seen),
        "wrong": dict(wrong.most_common()),
        "too_long": {"binding": long, "bits": wide},
    }
    _write(options.out, seen, report)
    return report


def measured(options: MeasureOptions) -> dict[str, Any] | None:
    """What measures.json holds where this version of HER left it with these very options, weights and data; else None.

    Raises InputError, StorageError.
    """
    try:
        report: dict[str, Any] = json.loads((options.out / MEASURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    split = held_out(options.data, options.split, plans=options.plans, languages=options.languages, limit=options.limit)
    about = _about(options, arm(options.address, constrained=options.constrained), split)
    # Where the data lie matters to nothing, and another version of a package is no reason to begin again.
    del about["data"]
    ours = about.pop("versions")["her"]
    wanted = json.loads(json.dumps(about))
    same = all(name in report and report[name] == value for name, value in wanted.items())
    return report if same and report["versions"]["her"] == ours else None


def _check(options: MeasureOptions, split: Split) -> None:
    """Raises InputError now for what would fail after all replies have been waited for."""
    own = {_same(name) for name in (options.address, options.weights) if name}
    if options.frozen is not None and _same(options.frozen) in own:
        raise InputError(f"--frozen: {options.frozen} is the model that is measured; name one that is not")
    if options.frozen is not None and all(sample.plan for sample in split.samples.values()):
        raise InputError(f"--frozen: {options.data} has no samples without plans, whose prompts are needed; make them")
    for name in filter(None, (options.weights, options.frozen)):
        from her.train.measure.weights import locate

        locate(name)


def _same(name: str) -> str:
    """A name that two spellings of one path share."""
    name = resolve(name)
    folder = local_folder(name) if name.startswith("hf:") else None
    return name if ":" in name and not folder else str((folder or Path(name).expanduser()).resolve())


async def _play(options: MeasureOptions, split: Split, how: Arm, log: ReplyLog, told: Told) -> list[Replied]:
    model = open_model(options.address)
    try:
        return await play(model, split.places, options.seeds, how, log, told)
    finally:
        await model.close()


Bound = dict[tuple[str, int | None], dict[str, Part]]
"""Figures of binding by turn and seed, those of the gold under None."""


def _bindings(options: MeasureOptions, split: Split, replies: Sequence[Replied], told: Told) -> tuple[Bound, int]:
    """Also how many texts are left out, being longer with a prompt than the frozen model's window."""
    bound: Bound = {}
    long = 0
    if options.frozen is None:
        return bound, long
    from her.train.measure.binding import Saying, bindings, said_by_gold, said_by_model
    from her.train.measure.weights import load_weights

    said: dict[tuple[int | None, str], Iterable[Saying]] = {(None, "binding"): said_by_gold(split.places)}
    for seed in options.seeds:
        own = [reply for reply in replies if reply.seed == seed]
        for name, shuffled in (("binding", False), ("binding_shuffled", True)):
            said[seed, name] = said_by_model(split.places, own, shuffled=shuffled)
    # All in one call, since what takes long is to read the prompts.
    whose = {
        f"{saying.key}\n{name}\n{seed}": (saying, seed, name) for (seed, name), each in said.items() for saying in each
    }
    told(f"binding under {options.frozen}: {len(whose)} texts, as written, replied, and shuffled")
    plain = {id: sample for id, sample in split.samples.items() if not sample.plan}
    sayings = [replace(saying, key=key) for key, (saying, _, _) in whose.items()]
    for key, part in bindings(load_weights(options.frozen), sayings, plain, told).items():
        saying, of, name = whose[key]
        if part is None:
            long += 1
        else:
            bound.setdefault((saying.key, of), {})[name] = part
    return bound, long


def _of_replies(
    replies: Iterable[Replied], places: dict[str, Place], phrases: Sequence[Any], bound: Bound
) -> Iterator[Observation]:
    for reply in replies:
        place = places[reply.id]
        figures = rates(place, reply.text, reply.finish, phrases) | bound.get((place.turn, reply.seed), {})
        figures["seconds"] = Part(reply.seconds, 1)
        if reply.tokens is not None:
            figures["tokens"] = Part(reply.tokens, 1)
        layout = place.read(reply.text).turn.layout
        yield Observation(turn=place.turn, scene=reply.scene, seed=reply.seed, layout=layout, figures=figures)


def _of_gold(places: Iterable[Place], phrases: Sequence[Any], bound: Bound) -> Iterator[Observation]:
    for place in places:
        figures = rates(place, place.gold, "stop", phrases) | bound.get((place.turn, None), {})
        layout = place.read(place.gold).turn.layout
        yield Observation(turn=place.turn, scene=place.sample.scene, gold=True, layout=layout, figures=figures)


def _bits(options: MeasureOptions, split: Split, told: Told) -> tuple[list[Observation], int]:
    """The bits of the turns as written; of weights that are measured with plans, under the plain prompts too. Also how
    many turns are left out, being longer with their prompt than the weights' window."""
    seen: list[Observation] = []
    long = 0
    if options.weights is None:
        return seen, long
    from her.train.measure.bits import gold_bits
    from her.train.measure.weights import load_weights

    weights = load_weights(options.weights)
    for plan, prefix in ((True, ""), (False, "plain_"))[not options.plans :]:
        told(f"bits of {options.weights} {'with' if plan else 'without'} plans")
        samples = split.of(plan=plan)
        fitting = {id: sample for id, sample in samples.items() if weights.encoder.fits(sample)}
        long += len(samples) - len(fitting)
        for sample, figures in gold_bits(weights, fitting, prefix):
            seen.append(Observation(turn=turn_of(sample), scene=sample.scene, figures=figures))
    return seen, long


def _about(options: MeasureOptions, how: Arm, split: Split) -> dict[str, Any]:
    """What a figure may hang on."""
    told, asked = asdict(options), how.told()
    del told["address"], told["out"]
    return {
        "model": resolve(options.address),
        "identity": asked.pop("model"),
        **{name: str(value) if isinstance(value, Path) else value for name, value in told.items()},
        "identities": {name: identity(str(told[name])) for name in IDENTIFIED if told[name] is not None},
        "limits": asked.pop("limits"),
        "sampling": asked,
        "files": data_hashes(Data(folder=options.data, plans="both")),
        "versions": versions(),
        "turns": len(split.places),
        "scenes": len({place.sample.scene for place in split.places}),
        "worlds": len({place.sample.slug for place in split.places}),
    }


def _figures(seen: Sequence[Observation]) -> dict[str, Any]:
    sides = {"measures": False, "gold": True}
    found = {side: estimates([each for each in seen if each.gold is gold]) for side, gold in sides.items()}
    layouts = Counter(each.layout for each in seen if each.layout and not each.gold)
    return {
        **{side: {name: asdict(one) for name, one in figures.items()} for side, figures in found.items()},
        "layouts": dict(layouts.most_common()),
    }


def _write(out: Path, seen: Iterable[Observation], report: dict[str, Any]) -> None:
    # Of a run that ends here no report stays that tells of other turns.
    (out / MEASURES).unlink(missing_ok=True)
    with Writer(out / TURNS) as file:
        for each in seen:
            file.write(each)
    folder = TrainFolder(out)
    folder.write(MEASURES, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    folder.write(TABLE, table(report))
