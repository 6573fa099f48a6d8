"""The whole way from novels to training rows: sources, then stage after stage, each from file to file.

Knows the order of the stages, the folder of a run, and which model answers where. Refuses to know what a stage does
and where its rows are worked on (`engines`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import urlsplit

from her.errors import InputError, MissingExtra
from her.models.address import BUNDLED, FORMS, open_model, resolve
from her.models.settings import key_for
from her.rows.files import Writer, read_rows
from her.rows.record import SceneRow
from her.rows.report import Report, Snapshot
from her.synth import manifest
from her.synth.context.profiles import Profiles
from her.synth.context.settings import Settings
from her.synth.engines import Engine, Job, Teacher, local, on_ray
from her.synth.estimate import Estimate, estimate
from her.synth.minds.role_thinking import RoleThinking
from her.synth.minds.system_thinking import Drafts, SystemThinking
from her.synth.options import STAGES, SynthOptions
from her.synth.samples.samples import SampleOptions, SampleReport, make_samples
from her.synth.sources import Sources, open_sources
from her.synth.stage import Stage, StageOptions
from her.synth.staging.passages import Passage
from her.synth.staging.scenes import Scenes, unify_names

SMALL_MODEL = 1 << 30
"""A GGUF of fewer bytes than this is asked tersely: 0.5B parameters at four bits, which lose the thread of more."""
TERSE_PASSAGE, TERSE_EVIDENCE = 5_000, 1_500
"""Characters of book text that a small model is shown at once; ours."""


class Told(Protocol):
    """Who is told how a run goes."""

    def note(self, text: str) -> None:
        """Something to know that is no error."""

    def begun(self, stage: str, rows: int) -> None:
        """A stage starts on so many rows."""

    def progress(self, now: Snapshot) -> None:
        """The stage at this moment."""

    def done(self, report: Report) -> None:
        """A stage has ended."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `within` is false where a stage dropped more than `max_dropped` allows."""

    folder: Path
    reports: tuple[Report, ...]
    samples: SampleReport | None = None
    page: Path | None = None

    @property
    def within(self) -> bool:
        """Whether every stage kept enough."""
        return all(report.within for report in self.reports)


def synthesise(options: SynthOptions, told: Told) -> Outcome:
    """Runs every stage up to `options.until`; what an earlier run of this folder was answered is not asked again.

    Raises InputError, StorageError, ModelError or MissingExtra; what is made stays, and the same call goes on.
    """
    if options.engine == "ray":
        # A task may run anywhere, and has to find the same folder.
        options = replace(options, out=options.out.absolute())
    for address in {resolve(options.model), resolve(options.reasoner or options.model)}:
        if not any(form.fits(address) for form in FORMS):
            open_model(address)  # says which forms there are, before anything is paid for
    set_up = _stage_options(options)
    with manifest.alone(options.out):
        manifest.check(options, set_up)
        sources = open_sources(options, set_up.passage_chars, told.note)
        manifest.remember(options, set_up)
        rows = _joined(options.out, (), sources) if sources.passages is None else sources.passages
    reports: list[Report] = []
    stages = _stages(options, set_up, sources)
    with _engine(options) as do:
        for stage, address in stages:
            job = Job(stage, Passage if isinstance(stage, Scenes) else SceneRow, rows, options.out / stage.name)
            if options.shard is None or stage is stages[-1][0]:
                told.begun(stage.name, job.size(options.shard or (1, 1)))
                reports.append(do(job, _teacher(options, address), told.progress))
                told.done(reports[-1])
            if options.shard is None or stage is not stages[-1][0]:
                rows = _made(job, options, sources)
    if options.shard or not reports:
        return Outcome(options.out, tuple(reports))
    samples = None
    if options.until == STAGES[-1]:
        samples = make_samples(rows, options.out / STAGES[-1], _sample_options(options))
    return Outcome(options.out, tuple(reports), samples, _page(options.out, told))


def forecast(options: SynthOptions, told: Told) -> Estimate:
    """What a run is likely to ask and cost; reads the sources, asks nobody anything and leaves nothing behind."""
    set_up = _stage_options(options)
    with TemporaryDirectory() as folder:
        sources = open_sources(replace(options, out=Path(folder)), set_up.passage_chars, told.note)
        rows: Iterable[SceneRow] = read_rows(sources.imported, SceneRow) if sources.imported else ()
        return estimate(sources.books(), rows, set_up, chapters=options.chapters, price=options.price)


def _engine(options: SynthOptions) -> AbstractContextManager[Engine]:
    return on_ray(options.workers) if options.engine == "ray" else local(options.shard or (1, 1))


def _stage_options(options: SynthOptions) -> StageOptions:
    address = resolve(options.model)
    path = Path(address).expanduser()
    small = address in BUNDLED or (path.suffix.lower() == ".gguf" and path.is_file() and _size(path) < SMALL_MODEL)
    terse = small if options.terse is None else options.terse
    plain = StageOptions(seed=options.seed, terse=terse)
    return StageOptions(
        seed=options.seed,
        plan_words=options.plan_words or plain.plan_words,
        passage_chars=TERSE_PASSAGE if terse else plain.passage_chars,
        evidence_chars=TERSE_EVIDENCE if terse else plain.evidence_chars,
        terse=terse,
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _stages(options: SynthOptions, set_up: StageOptions, sources: Sources) -> list[tuple[Stage[Any, SceneRow], str]]:
    """Every stage that asks, up to the last that is wanted, with the address of the model that it asks; drafts are a
    step of their own where another model makes them."""
    books, teacher = options.out / "books", resolve(options.model)
    stages: list[tuple[Stage[Any, SceneRow], str]] = [
        (Profiles(set_up, books), teacher),
        (RoleThinking(set_up), teacher),
        (SystemThinking(set_up), teacher),
        (Settings(set_up, books), teacher),
    ]
    if sources.passages is not None:
        stages.insert(0, (Scenes(set_up, books), teacher))
    if options.reasoner is not None:
        stages.insert(-2, (Drafts(set_up), resolve(options.reasoner)))
    last = STAGES.index(options.until)
    return [(stage, address) for stage, address in stages if STAGES.index(stage.name) <= last]


def _teacher(options: SynthOptions, address: str) -> Teacher:
    """The model at an address; the teacher's key goes to its own host alone, and its price is nobody else's."""
    served, own = address.startswith(("http://", "https://")), resolve(options.model)
    host = urlsplit(address).hostname or ""
    key = options.key if address == own or host == urlsplit(own).hostname else None
    return Teacher(
        address=address,
        # Looked up here, for tasks on machines that know no keys.
        key=key or (key_for(host) if served else None),
        limit=options.concurrency if served else None,
        price=options.price if address == own else None,
        max_dropped=options.max_dropped,
    )


def _made(job: Job, options: SynthOptions, sources: Sources) -> Path:
    """The rows that the next stage takes; those of `scenes` with their names brought together, and the imported."""
    if not job.made.is_file():
        raise InputError(
            f"{job.made}: is not there yet; run stage {job.stage.name} in all its shards, then once without --shard"
        )
    if not isinstance(job.stage, Scenes):
        return job.made
    with manifest.alone(options.out):
        return _joined(options.out, unify_names(lambda: read_rows(job.made, SceneRow)), sources)


def _joined(folder: Path, scenes: Iterable[SceneRow], sources: Sources) -> Path:
    """One file of all scenes, found and imported."""
    imported: Iterable[SceneRow] = read_rows(sources.imported, SceneRow) if sources.imported else ()
    with Writer(folder / "scenes.jsonl") as out:
        for row in chain(scenes, imported):
            out.write(row)
    return folder / "scenes.jsonl"


def _sample_options(options: SynthOptions) -> SampleOptions:
    return SampleOptions(
        seed=options.seed, shares=options.shares, tests=options.coser_tests, strict_books=options.strict_books
    )


def _page(folder: Path, told: Told) -> Path | None:
    """The report's page; None where the extra that draws it is not installed."""
    from her.synth.reports.page import write_report  # noqa: PLC0415 - matplotlib is slow to load, and an extra

    try:
        return write_report(folder)
    except MissingExtra as error:
        told.note(f"no report page: {error}")
        return None
