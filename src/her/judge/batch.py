"""Files of pairs in, judged rows out, however often the run is killed.

Knows pairs, the two forms of a judge, and where a run keeps what. Refuses to know whether a verdict is right (`bench`).

A folder holds `judged.jsonl`, one row for every pair in their order, and in `asked/` what `rows.run` keeps: the
journal, by which no answer is asked for twice, and the report. A row is never dropped: a pair without a verdict says
why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from her.errors import InputError, StorageError
from her.judge.compare import DRAWN, Judge, Judging, Orders
from her.judge.dialects import named
from her.judge.dialects.dialect import STAGE, Dialect
from her.judge.pairs import Pair, distinct
from her.judge.principles import fingerprint, load
from her.judge.scored import Letters, Scored, prompts, request
from her.judge.verdict import Finding, Judged, Judgement, Reason, Unscored, Verdict, Winner
from her.models.address import open_model, resolve
from her.models.base import Model, Sampling, Usage, prompt_sha
from her.models.recorded import Row
from her.rows.answers import remote
from her.rows.ask import Ask
from her.rows.files import Writer, read_rows
from her.rows.record import Record
from her.rows.report import Report, Snapshot
from her.rows.run import Done, RunOptions, Target, run

R = TypeVar("R", bound=Record)

JUDGED, ASKED, HOW = "judged.jsonl", "asked", "how.json"
"""The file of judged rows, the folder of the run that made them, and the file that says how they were judged."""
Form = Literal["written", "scored"]
_WRITTEN, _SCORED = frozenset({"dialect", "samples", "seed", "temperature", "principles"}), frozenset({"tie_band"})
"""Options of one form alone."""


@dataclass(frozen=True, slots=True)
class How:
    """How pairs are judged. Of the scored form `orders` and `tie_band` (nats) apply; of the written one all others.

    `temperature` None: 0 for one sample, else DRAWN. `principles` None: our own list.
    Raises InputError for an option that the form has no use for.
    """

    form: Form = "written"
    dialect: str = "ours"
    orders: Orders = "both"
    samples: int = 1
    seed: int = 0
    temperature: float | None = None
    tie_band: float = 0.0
    principles: Path | None = None

    def __post_init__(self) -> None:
        foreign = _WRITTEN if self.form == "scored" else _SCORED
        if useless := [
            one.name for one in fields(self) if one.name in foreign and getattr(self, one.name) != one.default
        ]:
            raise InputError(f"the {self.form} form has no use for {', '.join(useless)}; leave that out")

    @property
    def speech(self) -> Dialect:
        """The dialect. Raises InputError, and StorageError for principles that cannot be read."""
        return named(self.dialect, None if self.principles is None else load(self.principles))

    @property
    def told(self) -> str:
        """All of it as JSON, the principles by their fingerprint."""
        known = "" if self.principles is None else fingerprint(load(self.principles))
        return json.dumps({**asdict(self), "principles": known})


class FindingRow(Record):
    """A finding, as a row holds it."""

    principle: str
    negative: bool
    winner: Winner
    first: str
    second: str


class AnswerRow(Record):
    """One answer, as if it had been got in the given order; `swapped` says in which it was. `margin` None: `reason`
    says why there is no verdict."""

    swapped: bool
    margin: float | None = None
    consistent: bool = True
    findings: tuple[FindingRow, ...] = ()
    reason: Reason | None = None
    detail: str = ""

    @classmethod
    def of(cls, judged: Judged, *, swapped: bool = False) -> AnswerRow:
        """The row of an answer."""
        if isinstance(judged, Unscored):
            return cls(swapped=swapped, reason=judged.reason, detail=judged.detail)
        found = (
            FindingRow(principle=f.principle, negative=f.negative, winner=f.winner, first=f.first, second=f.second)
            for f in judged.findings
        )
        return cls(swapped=swapped, margin=judged.margin, consistent=judged.consistent, findings=tuple(found))

    @property
    def judged(self) -> Judged:
        """The answer."""
        if self.margin is None:
            return Unscored(self.reason or Reason.FAILED, self.detail)
        found = (Finding(f.principle, f.negative, f.winner, f.first, f.second) for f in self.findings)
        return Verdict(self.margin, tuple(found), self.consistent)


class JudgedRow(Record):
    """A pair as it was judged. `winner` None: there is no verdict, and `reason` says why. Token counts are those of all
    its calls; None where nobody told."""

    id: str = Field(description="The pair's id.")
    judge: str = Field(description="The model's address.")
    form: Form
    dialect: str = Field(description="Empty for the scored form.")
    prompts: tuple[str, ...] = Field(description="Prompt texts and principles, name@hash.")
    winner: Winner | None
    reason: Reason | None
    verdict: AnswerRow
    asked: tuple[AnswerRow, ...]
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def judgement(self) -> Judgement:
        """The judgement, with all its answers."""
        asked = tuple(one.judged for one in self.asked)
        return Judgement(self.verdict.judged, asked, tuple(one.swapped for one in self.asked))


@dataclass(slots=True)
class Outcome:
    """Judged rows, counted. `unscored` is by reason; `first`, `second`, `tie` and they are all pairs."""

    first: int = 0
    second: int = 0
    tie: int = 0
    inconsistent: int = 0
    unscored: Counter[str] = field(default_factory=Counter)

    @property
    def pairs(self) -> int:
        """How many there were."""
        return self.first + self.second + self.tie + self.unscored.total()

    @property
    def line(self) -> str:
        """All of it in one line."""
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(self.unscored.items()))
        return (
            f"{self.pairs} pairs: first {self.first}, second {self.second}, tie {self.tie} "
            f"({self.inconsistent} where the orders disagree), no verdict {self.unscored.total()}"
            + (f" ({why})" if why else "")
        )

    def add(self, row: JudgedRow) -> None:
        """Counts a row."""
        if row.winner is None:
            self.unscored[str(row.reason)] += 1
            return
        setattr(self, row.winner, getattr(self, row.winner) + 1)
        self.inconsistent += not row.verdict.consistent


def open_for_runs(address: str | None = None, key: str | None = None) -> Model:
    """The model at an address or alias, for a run. Raises as `open_model`."""
    served = resolve(address).startswith(("http://", "https://"))
    # A client that asks again by itself would multiply the run's own tries, and keep faults from its pace and report.
    return open_model(address, key=key, retries=0 if served else None)


def _judging(asked: Ask, how: How, speech: Dialect) -> Judging:
    if how.form == "scored":
        return Scored(asked, orders=how.orders, tie_band=how.tie_band)
    drawn = 0.0 if how.samples == 1 else DRAWN
    temperature = drawn if how.temperature is None else how.temperature
    sampling = Sampling(temperature=temperature, max_tokens=speech.room, seed=how.seed)
    return Judge(asked, speech, orders=how.orders, samples=how.samples, sampling=sampling)


async def judge_pairs(
    pairs: Iterable[Pair],
    model: Model,
    folder: Path,
    how: How,
    options: RunOptions | None = None,
    progress: Callable[[Snapshot], None] | None = None,
) -> Report:
    """What was asked; `judged.jsonl` then holds a row for every pair. The same call goes on where a run was killed.

    Raises InputError for an id that stands twice, and for a folder of pairs that were judged otherwise, or by another
    model; and as `rows.run` does.
    """
    speech = how.speech
    await model.probe()
    _settle(folder, how, model)
    asked = Letters(model) if how.form == "scored" else model
    cases: dict[str, str] = {}

    async def work(pair: Pair, ask: Ask) -> Done[JudgedRow]:
        case = pair.case
        texts, words = (
            (prompts(case), request(case)) if how.form == "scored" else (speech.prompts(case), speech.messages(case))
        )
        # An earlier run may have asked about other words under the same id.
        cases[pair.id] = f"{pair.id}@{prompt_sha(words)[:8]}"
        found = await _judging(ask, how, speech).judge(replace(case, id=cases[pair.id]))
        return Done((_row(pair.id, found, ask.model.address, how, texts),))

    target = Target(folder / ASKED, STAGE)
    report = await run(distinct(pairs), work, asked, target, options, progress)
    spent = _spent(target.folder)
    with Writer(folder / JUDGED) as out:
        for row in read_rows(target.file("rows.jsonl"), JudgedRow):
            out.write(row.model_copy(update=_tokens(spent, cases[row.id])))
    return report


def judged(folder: Path) -> Iterator[JudgedRow]:
    """The judged rows of a folder, in the order of their pairs. Raises StorageError where there are none."""
    return read_rows(folder / JUDGED, JudgedRow)


def outcome(rows: Iterable[JudgedRow]) -> Outcome:
    """The rows, counted."""
    counted = Outcome()
    for row in rows:
        counted.add(row)
    return counted


def read_pairs(paths: Sequence[Path]) -> Iterator[Pair]:
    """The pairs of files: JSON lines, or one pair as JSON (`.json`), in their order.

    Raises StorageError, InputError naming file, line and field.
    """
    yield from read_records(paths, Pair)


def read_records(paths: Sequence[Path], type: type[R]) -> Iterator[R]:
    """The records of files: JSON lines, or one record as JSON (`.json`), in their order. Raises as `read_pairs`."""
    for path in paths:
        if path.suffix.lower() == ".json":
            yield _one_of(path, type)
        else:
            yield from read_rows(path, type)


def _one_of(path: Path, type: type[R]) -> R:
    try:
        return type.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); name a file") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is no {type.__name__} ({f'{where}: ' if where else ''}{first['msg']}); mend it, or name a file of "
            "JSON lines as .jsonl"
        ) from None


def _settle(folder: Path, how: How, model: Model) -> None:
    """Writes down how the folder's pairs are judged, and by whom; raises InputError where it was otherwise.

    Of a server's address the model's name counts and not the host: a run may go on with another machine's.
    """
    path = folder / HOW
    name = model.address.rpartition("#")[2] if remote(model) else model.address
    told = json.dumps({"judge": name, **json.loads(how.told)})
    try:
        before = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        with Writer(path) as out:
            out.write_line(told.encode())
        return
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror})") from error
    if before != told:
        raise InputError(f"{folder} holds pairs that were judged otherwise ({before[:300]}); name another folder")


def _row(id: str, found: Judgement, judge: str, how: How, texts: tuple[str, ...]) -> JudgedRow:
    verdict = found.verdict
    return JudgedRow(
        id=id,
        judge=judge,
        form=how.form,
        dialect="" if how.form == "scored" else how.dialect,
        prompts=texts,
        winner=None if isinstance(verdict, Unscored) else verdict.winner,
        reason=verdict.reason if isinstance(verdict, Unscored) else None,
        verdict=AnswerRow.of(verdict),
        asked=tuple(AnswerRow.of(one, swapped=s) for one, s in zip(found.asked, found.swapped, strict=True)),
    )


def _spent(folder: Path) -> dict[str, list[Usage]]:
    """The usage of every answer in a run's journals, by the id of its case."""
    spent: dict[str, list[Usage]] = {}
    for path in sorted(folder.glob("journal*.jsonl")):
        for row in read_rows(path, Row):
            case = (row.id or "").removeprefix(f"{STAGE}/").removesuffix("/repair").rpartition("/")[0]
            spent.setdefault(case, []).append(row.reply.usage)
    return spent


def _tokens(spent: dict[str, list[Usage]], case: str) -> dict[str, int | None]:
    """What all calls for a case took, both orders of it."""
    names = ("prompt_tokens", "cached_tokens", "completion_tokens")
    usages = [*spent.get(case, ()), *spent.get(f"{case}~swapped", ())]
    told = {name: [value for one in usages if (value := getattr(one, name)) is not None] for name in names}
    return {name: sum(values) if values else None for name, values in told.items()}
