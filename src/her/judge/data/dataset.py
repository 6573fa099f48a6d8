"""A data set for judges on disk: Parquet, a card, a report in which every pair is accounted for.

Knows the way of a label into its part. Refuses to know Parquet: whoever calls hands in what writes a file (`Sheet`).
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from her.errors import InputError, StorageError
from her.judge.data.balance import (
    SHARES,
    Balance,
    Part,
    Taken,
    Unit,
    for_rl,
    for_sft,
    longer_share,
    mixed_share,
    parts,
)
from her.judge.data.card import card
from her.judge.data.labels import Known, Label
from her.judge.data.report import Checked, PartReport, RewardReport
from her.judge.data.rows import CONFIGS, RL, SFT, TEST_PAIRS, Dialect, Shaped, rl_rows, sft_rows, tie, written
from her.judge.verdict import Winner
from her.rows.files import Writer
from her.rows.record import Record

REPORT = "report.json"
CARD = "README.md"
UNWRITTEN = "not to be written in the dialect"


class Sheet(Protocol):
    """One split of one config; rows go in, files come out."""

    rows: int

    def add(self, row: Mapping[str, Any], chars: int = 0) -> None:
        """Adds a row, its values by column."""

    def close(self) -> None:
        """Ends the last file."""


_WRITTEN: Mapping[Part, tuple[str, str]] = {"sft": (SFT, "train"), "rl": (RL, "train"), "test": (RL, "test")}
"""Config and split of each part."""
Sheets = Callable[[Path, str, type[Record]], Sheet]
"""Opens a sheet: the config's folder, the split, the class of the rows."""


@dataclass(frozen=True, slots=True)
class RewardOptions:
    """What a data set is to be. `held_out` are books for tests, `shares` those of sft and rl among the rest.

    `shaped` says what is the same for all rows; `licence` is an SPDX identifier, empty for unknown.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    held_out: Collection[str] = ()
    balance: Balance = field(default_factory=Balance)
    shaped: Shaped = field(default_factory=Shaped)
    licence: str = ""


def make_rewards(
    labelled: Iterable[Label | str], target: Path, options: RewardOptions, dialect: Dialect, sheets: Sheets
) -> RewardReport:
    """Writes the data set into `target` and gives back what was counted.

    A data set that an earlier call made there is replaced at the end; until then nothing there changes. Raises
    InputError for something else at `target`, for options that cannot be met and where no pair has a label,
    StorageError.
    """
    if target.exists() and not _ours(target):
        raise InputError(f"{target}: holds something else than data for judges; name a folder that is new or empty")
    unlabelled, labels = Counter[str](), list[Label]()
    for one in labelled:
        if isinstance(one, str):
            unlabelled[one] += 1
        else:
            labels.append(one)
    if not labels:
        why = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(unlabelled.items())) or "there is none"
        raise InputError(f"no pair has a label ({why}); name a judge, have people label them, or add known pairs")
    given, apart = parts(labels, held_out=options.held_out, shares=options.shares, seed=options.seed)
    taken = _taken(given, options, dialect)
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        rows = _write(part, taken, options, dialect, sheets)
        report = _report(labels, unlabelled, options, dialect, apart)
        told = {name: _part(given[name], taken[name], rows[name]) for name in taken}
        report = report.model_copy(update={"parts": told})
        for name, text in {REPORT: report.model_dump_json(indent=1), CARD: card(report, options.licence)}.items():
            (part / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        options.shaped.provenance.write(part)
        _replace(target, part)
    except StorageError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageError(f"{target}: cannot be written ({why}); free some room, try again") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def _replace(target: Path, part: Path) -> None:
    """Puts one folder into the place of the other, which goes only when that is done."""
    old = target.with_name(f"{target.name}.old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.replace(old)
    try:
        part.replace(target)
    finally:
        if old.exists() and not target.exists():
            old.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _taken(given: Mapping[Part, Sequence[Unit]], options: RewardOptions, dialect: Dialect) -> dict[Part, Taken]:
    """What each part takes; tests are as they came."""
    rng = random.Random(options.seed)
    writable, unwritten = _writable(given["sft"], dialect)
    learnt = for_sft(writable, options.balance, rng)
    if unwritten:
        learnt = replace(learnt, aside={**learnt.aside, UNWRITTEN: unwritten})
    return {
        "sft": learnt,
        "rl": for_rl(given["rl"], options.balance, rng),
        "test": Taken(tuple(given["test"]), {}),
    }


def _report(
    labels: Sequence[Label], unlabelled: Counter[str], options: RewardOptions, dialect: Dialect, apart: str
) -> RewardReport:
    """The counts of all labels; the parts are still to come."""
    made = {one.sha: one for one in (options.shaped.made(label, dialect.name) for label in labels)}
    by = {known: [label for label in labels if label.known is known] for known in Known}
    return RewardReport(
        pairs_in=len(labels) + unlabelled.total(),
        known=dict(sorted((known.value, len(found)) for known, found in by.items() if found)),
        unlabelled=dict(sorted(unlabelled.items())),
        checked={
            known.value: _checked(found, lambda label: label.judged)
            for known, found in sorted(by.items())
            if found and known is not Known.JUDGE
        },
        read=_checked(by[Known.CONSTRUCTION], lambda label: label.read),
        parts={},
        apart=apart,
        held_out=tuple(sorted(set(options.held_out) & {label.pair.book for label in labels})),
        seed=options.seed,
        shares=dict(options.shares),
        one_sided=options.balance.one_sided,
        ties=options.balance.ties,
        levelled=options.balance.level,
        made=dict(sorted(made.items())),
    )


def _ours(target: Path) -> bool:
    """Whether it is an empty folder, or holds data for judges, which an earlier version may have made."""
    if target.is_file():
        return False
    if not any(target.iterdir()):
        return True
    try:
        found = json.loads((target / REPORT).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"pairs_in", "unlabelled", "parts"} <= found.keys()


def _writable(units: Sequence[Unit], dialect: Dialect) -> tuple[list[Unit], int]:
    """The labels but those whose argument the dialect has no way to write, and how many these are.

    An answer that was read in one dialect may be too long in another.
    """
    kept = []
    for unit in units:
        try:
            for one in (unit.label.given, unit.label.exchanged):
                if one is not None and not unit.arguable:
                    written(dialect, one)
        except InputError:
            continue
        kept.append(unit)
    return kept, len(units) - len(kept)


def _write(
    folder: Path, taken: Mapping[Part, Taken], options: RewardOptions, dialect: Dialect, sheets: Sheets
) -> dict[Part, int]:
    """Writes all rows; how many each part has."""
    rows: dict[Part, int] = {}
    for part, (config, split) in _WRITTEN.items():
        rows[part] = 0
        if not taken[part].units:
            continue
        sheet = sheets(folder / config, split, CONFIGS[config])
        for unit in taken[part].units:
            if config == SFT:
                columns = sft_rows(unit, dialect, options.shaped)
            else:
                columns = rl_rows(unit, dialect, options.shaped, split, sheet.rows)
            for row in columns:
                sheet.add(row, sum(len(one.content) for one in row.get("messages") or row["prompt"]))
        sheet.close()
        rows[part] = sheet.rows
    if taken["test"].units:
        with Writer(folder / TEST_PAIRS) as out:
            for unit in taken["test"].units:
                out.write(unit.label.pair)
    return rows


def _part(given: Sequence[Unit], taken: Taken, rows: int) -> PartReport:
    units, labels = taken.units, [unit.label for unit in taken.units]
    winners = Counter(w.value for label in labels for w in (label.winner, label.winner.other))
    return PartReport(
        labels=len(given),
        aside=dict(taken.aside),
        pairs=len(units),
        rows=rows,
        winners={winner.value: winners[winner.value] for winner in Winner},
        shapes=dict(sorted(Counter(one.value for unit in units for one in unit.shapes).items())),
        mixed_share=mixed_share(units),
        longer_before=longer_share(given),
        longer_share=longer_share(units),
        families=dict(sorted(Counter(label.pair.family for label in labels if label.pair.family).items())),
        kinds=dict(sorted(Counter(label.pair.kind for label in labels).items())),
        known=dict(sorted(Counter(label.known.value for label in labels).items())),
        tie_kinds=dict(sorted(Counter(filter(None, map(tie, labels))).items())),
        languages=dict(sorted(Counter(label.pair.at.scene.language for label in labels).items())),
        books=len({label.pair.book for label in labels}),
    )


def _checked(labels: Sequence[Label], said: Callable[[Label], Winner | None]) -> Checked:
    """How far what is `said` of labels agrees with them."""
    found = [(label.winner, word) for label in labels if (word := said(label)) is not None]
    same = sum(winner is word for winner, word in found)
    return Checked(labels=len(labels), same=same, other=len(found) - same, silent=len(labels) - len(found))
