"""Several turns for one place of a dialogue, from any model: what pairs are made of.

Knows places, seeds, and what a gate says of a reply. Refuses to know how the prompt that asks for a turn is written:
it stands in the rows (`roleplay-rl`), or whoever calls makes it (`Told`), as chat does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import Field, ValidationError

from her.errors import InputError
from her.judge.pairs import Setting
from her.judge.reward.gate import Rules, gate
from her.markup import notation
from her.models.base import Message, Sampling
from her.rows.ask import Ask, Call, Rejected, seed_of, together
from her.rows.record import Record, Refusal
from her.rows.run import Done, Work
from her.rows.samples import PoolRow, RlRow
from her.scene import Scene
from her.turn import Turn

STAGE = "candidates"
SAMPLES = 8
"""Candidates for a place; the release's data has eight choices a row (docs/sources.md)."""

Told = Callable[[Scene, str, Sequence[Turn]], tuple[Message, ...]]
"""The prompt that asks a character for its next turn: the scene, its name, the turns so far as a judge has them."""


class Place(Record):
    """A place where candidates are asked for. `split` is the data set's: what is `test` there is test here too."""

    id: str
    book: str = Field(description="What is kept apart: the book's slug, or its title where it has none.")
    split: str
    at: Setting
    reference: str = Field(description="The book's own turn as text, without a plan.")
    prompt: tuple[Message, ...]


class Candidate(Record):
    """One reply, whole: with its plan, and with the words it was made to begin with."""

    text: str
    seed: int
    refused: tuple[Refusal, ...] = Field(default=(), description="What the gate says against it.")


class Drawn(Record):
    """All that came for one place from one model. `asked` is the number of candidates and missing ones together."""

    id: str
    book: str
    split: str
    at: Setting
    reference: str
    model: str
    asked: int
    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...] = Field(default=(), description="Why others did not come, a word each.")


@dataclass(frozen=True, slots=True)
class Draws:
    """How candidates are drawn: `samples` for a place, which `gate` looks at; None lets all pass."""

    samples: int = SAMPLES
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    gate: Rules | None = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"at least 1 candidate is drawn for a place, not {self.samples}")


def of_pool(row: PoolRow, told: Told, split: str = "train") -> Place:
    """The place of a pool row, with the prompt that `told` makes. Raises InputError where its context is none."""
    try:
        seen = row.seen
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise InputError(f"{row.id}: its context is none ({fault['msg']}); make the samples again") from None
    at = Setting(scene=seen.scene, speaker=row.character, turns=seen.turns)
    prompt = told(seen.scene, row.character, [turn.turn for turn in seen.turns])
    book = row.slug or row.book
    return Place(id=row.id, book=book, split=split, at=at, reference=row.reference, prompt=prompt)


def of_rl(row: RlRow) -> Place:
    """The place of a row to practise, under the prompt that stands in it. Raises InputError where its info is none."""
    try:
        pool = PoolRow.model_validate_json(row.extra_info.info)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = f"row {row.extra_info.index} of {row.extra_info.split}"
        raise InputError(f"{where}: extra_info.info is no PoolRow ({fault['msg']}); make the samples again") from None
    return of_pool(pool, lambda scene, name, turns: row.prompt, row.extra_info.split)


def read_places(folder: Path | str, config: str, splits: Iterable[str], told: Told) -> Iterator[Place]:
    """The places of a data set's config, `reward-pool` or `roleplay-rl`. Raises InputError where there is none."""
    from her.rows.parquet import read_samples  # noqa: PLC0415 - pyarrow is an extra

    if config not in ("reward-pool", "roleplay-rl"):
        raise InputError(f"places stand in the configs reward-pool and roleplay-rl, not in {config!r}")
    found = False
    for split in splits:
        if config == "roleplay-rl":
            places: Iterator[Place] = map(of_rl, read_samples(folder, config, RlRow, split))
        else:
            places = (of_pool(row, told, split) for row in read_samples(folder, config, PoolRow, split))
        for place in places:
            found = True
            yield place
    if not found:
        raise InputError(f"{folder}: has no rows of {config}; name the folder of a data set that `her synth` made")


class _OfBook(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def book(self) -> str: ...


B = TypeVar("B", bound=_OfBook)


def some(things: Iterable[B], most: int, seed: int) -> list[B]:
    """At most so many places or pairs, of all books alike, in the order in which they came; the same for one seed."""
    held = list(things)
    if most >= len(held):
        return held
    count: dict[str, int] = {}
    ranked: list[tuple[int, int, int]] = []
    for at in sorted(range(len(held)), key=lambda at: seed_of(seed, held[at].id)):
        book = held[at].book
        ranked.append((count.get(book, 0), seed_of(seed, book), at))
        count[book] = count.get(book, 0) + 1
    return [held[at] for at in sorted(at for _, _, at in sorted(ranked)[:most])]


def drawing(draws: Draws) -> Work[Place, Drawn]:
    """The work of `rows.run`: candidates for one place; a place for which none comes is dropped.

    A candidate that is longer than twice `sampling.max_tokens` is missing, and so is its reason in the counts; one
    that the gate refuses stays in the row, with what is said against it.
    """
    # A plan is begun for models that go on from one, as in chat.
    opener = notation()["plan_open"]

    async def work(place: Place, ask: Ask) -> Done[Drawn]:
        lead = opener if ask.model.prefills else ""

        async def one(number: int) -> Candidate | Refusal:
            seed = seed_of(draws.seed, f"{place.id}/{number}")
            sampling = replace(draws.sampling, seed=seed)
            call = Call(f"{STAGE}/{place.id}/{number}", place.prompt, sampling, prefill=lead)
            try:
                text = lead + await ask(call, str)
            except Rejected as error:
                return error.refusals[0]
            refused = gate(text, place.at, references=[place.reference], rules=draws.gate) if draws.gate else ()
            return Candidate(text=text, seed=seed, refused=refused)

        came = await together(*(one(number) for number in range(1, draws.samples + 1)))
        lost = [one for one in came if isinstance(one, Refusal)]
        candidates = tuple(one for one in came if isinstance(one, Candidate))
        if not candidates:
            raise Rejected(*lost)
        about = {name: getattr(place, name) for name in ("id", "book", "split", "at", "reference")}
        row = Drawn(
            **about,
            model=ask.model.address,
            asked=draws.samples,
            candidates=candidates,
            missing=tuple(refusal.reason for refusal in lost),
        )
        return Done((row,), (*lost, *(refusal for one in candidates for refusal in one.refused)))

    return work
