"""The rows that a judge learns from and practises on: each pair in both orders, one after the other.

Knows the columns of both configs and that the answer to learn is the one that the prompt before it asks for: a dialect
makes both. Refuses to write an answer that no judge gave, and to know how files are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import Field

from her.errors import InputError
from her.judge.case import Case
from her.judge.data.balance import Unit
from her.judge.data.labels import Known, Label, cancelled, shape
from her.judge.reward.provenance import JudgeRecord, Provenance, digest, family_hashes
from her.judge.verdict import Verdict, Winner
from her.models.base import Message
from her.rows.record import Record

SFT, RL = "reward-sft", "reward-rl"
"""The configs. Whoever writes and whoever reads has their names, and those of files, from here."""
DATA_SOURCE = "her/judge"
"""What the RL rows tell a trainer that they are, so that it finds their reward."""
ABILITY = "judge"
ORDERS = ("given", "exchanged")
TEST_PAIRS = "test/pairs.jsonl"
"""The pairs of the test part with their labels, for `her judge bench`."""

R = TypeVar("R", bound=Record)


class Dialect(Protocol):
    """How a judge is asked, and how it answers."""

    @property
    def name(self) -> str:
        """Its name."""

    def messages(self, case: Case) -> tuple[Message, ...]:
        """The prompt."""

    def written(self, verdict: Verdict) -> str:
        """The answer that this prompt asks for."""


class RewardSftRow(Record):
    """One answer to learn: the prompt as a judge is sent it, and the answer as the last message."""

    id: str = Field(description="The pair and the order.")
    twin: str = Field(description="The id of the row with the places exchanged.")
    pair: str
    order: str = Field(description="given, or exchanged: the pair's second is shown first.")
    book: str
    scene: str
    language: str
    kind: str = Field(description="natural, broken, neutral or twin, as in pairs.")
    known: str = Field(description="How the label is known: construction, people, file, judge.")
    family: str
    grade: int
    shape: str = Field(description="Who wins the answer's findings: both_sides, first_only, second_only, tie_only.")
    winner: str = Field(description="The label in this order: first, second, tie.")
    made: str = Field(description="What shaped the row: a key of `made` in report.json.")
    messages: tuple[Message, ...]


class Truth(Record):
    """What the reward is measured against; `style` is verl's word."""

    style: str
    ground_truth: str = Field(description="The label in this order: first, second, tie.")


class Extra(Record):
    """What verl hands through to the reward. `info` is an Info as JSON."""

    index: int
    split: str
    info: str


class RewardRlRow(Record):
    """One comparison to practise, as verl reads it; rows 2n and 2n + 1 are one pair in both orders."""

    data_source: str
    prompt: tuple[Message, ...]
    ability: str
    reward_model: Truth
    extra_info: Extra


class Info(Record):
    """What is known of the comparison behind an RL row; `twin` is the id of the row with the places exchanged."""

    id: str
    twin: str
    pair: str
    order: str
    book: str
    scene: str
    language: str
    kind: str
    known: str
    family: str
    principle: str
    grade: int
    template: str
    tie: str = Field(description="Of a tie: equal, or cancelled (each side breaks what the other keeps to).")
    made: str


CONFIGS: dict[str, type[Record]] = {SFT: RewardSftRow, RL: RewardRlRow}
"""The configs of a data set for judges, and the classes of their rows."""


class Made(Record):
    """What shaped rows: whose label, which judge under which prompts, which principles, which families of pairs."""

    known: str
    judge: str = Field(default="", description="Its name, where it gave the label or the argument.")
    dialect: str
    prompts: tuple[str, ...] = Field(default=(), description="Texts of the judge's prompts, name@hash.")
    principles: str = Field(default="", description="Hash of the list that the judge was shown; empty: none.")
    families: str = Field(default="", description="Hash of all families, where construction gave the label.")

    @property
    def sha(self) -> str:
        """The name of it in rows: the first 12 digits of a sha256."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Shaped:
    """What is the same for all rows of a data set: the judge, None where there was none, and hashes of families."""

    judge: JudgeRecord | None = None
    families: Mapping[str, str] = field(default_factory=dict)

    @property
    def provenance(self) -> Provenance:
        """The record that checkpoints trained on the rows carry on."""
        return Provenance(judges=(self.judge,) if self.judge else (), families=dict(self.families))

    def made(self, label: Label, dialect: str) -> Made:
        """What shaped the rows of one label, written in this dialect."""
        judge = self.judge if label.known is Known.JUDGE or label.given is not None else None
        built = label.known is Known.CONSTRUCTION
        return Made(
            known=label.known.value,
            judge=called(judge.address) if judge else "",
            dialect=dialect,
            prompts=judge.prompts if judge else (),
            principles=judge.principles if judge else "",
            families=digest(*sorted(f"{name} {sha}" for name, sha in self.families.items()))[:12] if built else "",
        )


def shaped_by(labels: Iterable[Label], judge: JudgeRecord | None = None) -> Shaped:
    """What shaped these labels."""
    families: dict[str, list[str]] = {}
    for one in labels:
        if one.known is Known.CONSTRUCTION:
            families.setdefault(one.pair.family or one.pair.kind, []).append(one.pair.model_dump_json())
    return Shaped(judge, family_hashes(families))


def called(address: str) -> str:
    """A model's address as strangers may read it: without hosts and without folders."""
    if "://" in address:
        return address.partition("#")[2] or "a server"
    local = address.rpartition(":")[2]
    return Path(local).name if Path(local).is_absolute() or local.endswith((".gguf", ".jsonl")) else address


def sft_rows(unit: Unit, dialect: Dialect, shaped: Shaped) -> Iterator[Mapping[str, Any]]:
    """The columns of both SftRows of an argued label. Raises InputError for one that nobody argued for."""
    label = unit.label
    for order, pair, verdict in _orders(label):
        if verdict is None or verdict.winner is not pair.better:
            raise InputError(f"the pair {pair.id!r} has no argument for its label in the order {order!r}")
        about = _about(label, order, shaped.made(label, dialect.name).sha)
        del about["principle"], about["template"], about["tie"]
        answer = Message("assistant", written(dialect, verdict))
        yield {
            **about,
            "shape": shape(verdict).value,
            "winner": verdict.winner.value,
            "messages": (*dialect.messages(pair.case), answer),
        }


def written(dialect: Dialect, verdict: Verdict) -> str:
    """The answer in a dialect; one that has no degrees is given the margin's sign. Raises InputError."""
    try:
        return dialect.written(verdict)
    except InputError:
        if abs(verdict.margin) <= 1:
            raise
        return dialect.written(replace(verdict, margin=1 if verdict.margin > 0 else -1))


def rl_rows(unit: Unit, dialect: Dialect, shaped: Shaped, split: str, index: int) -> Iterator[Mapping[str, Any]]:
    """The columns of both RlRows of a label; the first gets the number `index`."""
    label = unit.label
    for number, (order, pair, _) in enumerate(_orders(label), index):
        info = Info(**_about(label, order, shaped.made(label, dialect.name).sha))
        yield {
            "data_source": DATA_SOURCE,
            "prompt": dialect.messages(pair.case),
            "ability": ABILITY,
            "reward_model": {"style": "rule", "ground_truth": (pair.better or Winner.TIE).value},
            "extra_info": {"index": number, "split": split, "info": info.model_dump_json()},
        }


def _orders(label: Label) -> Iterator[tuple[str, Any, Verdict | None]]:
    """Each order's name, the pair as it is shown there, and the answer that was given there."""
    if label.winner is None:
        raise InputError(f"the pair {label.pair.id!r} has no label")
    yield ORDERS[0], label.pair, label.given
    yield ORDERS[1], label.pair.swapped, label.exchanged


def _about(label: Label, order: str, made: str) -> dict[str, Any]:
    """The columns of an Info."""
    pair, other = label.pair, ORDERS[1 - ORDERS.index(order)]
    return {
        "id": f"{pair.id}/{order}",
        "twin": f"{pair.id}/{other}",
        "pair": pair.id,
        "order": order,
        "book": pair.book,
        "scene": pair.at.scene.id,
        "language": pair.at.scene.language,
        "kind": pair.kind,
        "known": label.known.value,
        "family": pair.family,
        "principle": pair.principle,
        "grade": pair.grade,
        "template": pair.template,
        "tie": tie(label),
        "made": made,
    }


def tie(label: Label) -> str:
    """Of what kind a tie is: `equal`, or `cancelled` where an argument has each side break a principle; else empty."""
    if label.winner is not Winner.TIE:
        return ""
    return "cancelled" if any(map(cancelled, filter(None, (label.given, label.exchanged)))) else "equal"


def read_reward(folder: Path | str, config: str, type: type[R], split: str = "train") -> Iterator[R]:
    """The rows of one config and split. Raises InputError for another type than the config's and where there is no
    file: nothing is ever read in silence from a name that nobody wrote."""
    from her.rows.parquet import read_parquet  # noqa: PLC0415 - pyarrow is an extra

    if CONFIGS.get(config) is not type:
        known = ", ".join(f"{name} ({row.__name__})" for name, row in CONFIGS.items())
        raise InputError(f"{folder}: there is no config {config!r} of {type.__name__}; the configs are: {known}")
    paths = sorted(Path(folder, config).glob(f"{split}-*.parquet"))
    if not paths:
        raise InputError(f"{folder}: has no {config}/{split}-*.parquet; its report.json says why there are no rows")
    for path in paths:
        yield from read_parquet(path, type)
