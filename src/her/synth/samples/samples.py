"""The last stage: scenes become the rows that models learn from, practise on and are judged by.

Knows which rows are made for which purpose, and counts everything. Reads its scenes twice, one at a time: once to see
books and test cases (`survey`), once to write. Refuses to change a scene.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from her.errors import InputError, StorageError, UnknownName
from her.rows.files import read_rows, sha_of
from her.rows.record import SceneRow
from her.rows.samples import CONFIGS
from her.synth.samples.card import card
from her.synth.samples.coser_case import coser_case
from her.synth.samples.dataset import Sheet
from her.synth.samples.lessons import Lesson, Lessons
from her.synth.samples.report import SampleReport
from her.synth.samples.survey import Glimpse, SampleOptions, Survey, edition_of, survey
from her.synth.samples.tally import Tally

__all__ = ["CASES", "MADE_FOR", "SampleOptions", "SampleReport", "make_samples"]

MADE_FOR = {
    "sft": ("roleplay-sft", "roleplay-sft-plain"),
    "reward": ("reward-pool",),
    "rl": ("roleplay-rl",),
    "validation": ("roleplay-sft", "roleplay-sft-plain"),
    "test": tuple(CONFIGS),
}
"""The configs that a purpose's books fill: the split `train`, or `validation` or `test` for books that nothing is
trained on."""
CASES = "coser-test.json"
"""The test scenes in the shape of CoSER's test set, beside the rows of `test`."""
CHECKED = "contamination.json"
"""What was found of test sets; it also tells samples from the folders of other stages."""
_NUMBERS = re.compile(r"/(\d+)/(\d+)$")


def make_samples(rows_path: Path, target: Path, options: SampleOptions) -> SampleReport:
    """Writes the data set with its card and reports into `target`, and gives back what was counted.

    A data set that an earlier call made there is replaced at the end; until then nothing there changes. Raises
    InputError (a row that is none, options that cannot be met, something else at `target`) and StorageError.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir()) and not (target / CHECKED).is_file()):
        raise InputError(f"{target}: holds something else than samples; name a folder that is new or empty")
    found = survey(read_rows(rows_path, Glimpse), options, options.library or target.parent / "books")
    part, old = (target.with_name(f"{target.name}.{what}") for what in ("part", "old"))
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        report = _write(rows_path, part, options, found)
        for name, text in {
            "report.json": report.model_dump_json(indent=1),
            CHECKED: found.contamination.model_dump_json(indent=1),
            "README.md": card(report, licence=options.licence),
        }.items():
            (part / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.replace(old)
        part.replace(target)
    except OSError as error:
        raise StorageError(
            f"{target}: cannot be written ({error.strerror or error}); free some room, try again"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return report


def _write(rows_path: Path, folder: Path, options: SampleOptions, found: Survey) -> SampleReport:
    """The second look: every scene is written where it belongs, or counted as kept out."""
    tally = Tally()
    with _Sheets(folder) as sheets:
        for row in read_rows(rows_path, SceneRow):
            reading = _read(row, tally, found)
            if isinstance(reading, str):
                tally.keep_out(row, reading)
                continue
            purpose = found.purpose[found.work[edition_of(row.source)]]
            tally.scene(row, purpose)
            for lesson in reading:
                tally.lesson(lesson, purpose)
                sheets.add(reading, lesson, purpose)
            if purpose == "test":
                sheets.add_scene(reading)
    return tally.report(options, found, sheets.rows(), sha_of(rows_path))


def _read(row: SceneRow, tally: Tally, found: Survey) -> Lessons | str:
    """The row as lessons, or a word for why it stays out."""
    if by := found.contamination.keeps_out(row.id, edition_of(row.source)):
        return f"coser-{next(sign for sign in ('numbers', 'words', 'place', 'book') if sign in by)}"
    if row.id in tally.ids:
        return "id-twice"
    tally.ids.add(row.id)
    try:
        return Lessons(row)
    except UnknownName:
        return "unknown-hearer"
    except ValidationError as error:
        at = error.errors()[0]["loc"]
        return f"unusable-{at[0] if at else 'cast'}"


class _Sheets:
    """All files of the data set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sheets: dict[tuple[str, str], Sheet] = {}
        self._numbers: set[tuple[str, int, int]] = set()

    def add(self, lessons: Lessons, lesson: Lesson, purpose: str) -> None:
        """Writes the rows that a purpose makes of one lesson."""
        split = purpose if purpose in {"validation", "test"} else "train"
        configs = MADE_FOR[purpose]
        if "roleplay-sft" in configs and lesson.planned:
            self._sheet("roleplay-sft", split).add(lessons.sft(lesson, plan=True), lesson.chars)
        if "roleplay-sft-plain" in configs:
            self._sheet("roleplay-sft-plain", split).add(lessons.sft(lesson, plan=False), lesson.chars)
        if "roleplay-rl" not in configs and "reward-pool" not in configs:
            return
        pool = lessons.pool(lesson)
        if "roleplay-rl" in configs:
            sheet = self._sheet("roleplay-rl", split)
            row = lessons.rl(lesson, pool, index=sheet.rows, split=split)
            sheet.add(row, lesson.chars + len(pool["context"]))
        if "reward-pool" in configs:
            self._sheet("reward-pool", split).add(pool, len(pool["context"]))

    def add_scene(self, lessons: Lessons) -> None:
        """Writes a scene of the test split, whole, and as a case in CoSER's shape."""
        self._sheet("test", "test").add(lessons.test())
        case = coser_case(lessons.row, self._numbered(lessons.row))
        with (self._folder / "test" / CASES).open("a", encoding="utf-8", newline="\n") as file:
            file.write(("[\n" if not file.tell() else ",\n") + json.dumps(case, ensure_ascii=False))

    def _numbered(self, row: SceneRow) -> tuple[int, int]:
        """Plot and conversation: CoSER's own, else those at the end of the id; none twice in a book."""
        found = _NUMBERS.search(row.id)
        plot, talk = row.source.plot, row.source.conversation
        if plot is None or talk is None:
            plot, talk = (int(found[1]), int(found[2])) if found else (0, 0)
        while (row.source.book, plot, talk) in self._numbers:
            talk += 1
        self._numbers.add((row.source.book, plot, talk))
        return plot, talk

    def rows(self) -> dict[str, dict[str, int]]:
        """How many rows each config and split has."""
        found: dict[str, dict[str, int]] = {config: {} for config in CONFIGS}
        for (config, split), sheet in sorted(self._sheets.items()):
            found[config][split] = sheet.rows
        return found

    def _sheet(self, config: str, split: str) -> Sheet:
        if (config, split) not in self._sheets:
            (self._folder / config).mkdir(exist_ok=True)
            self._sheets[config, split] = Sheet(self._folder / config, split, CONFIGS[config])
        return self._sheets[config, split]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for sheet in self._sheets.values():
            sheet.close()
        if ("test", "test") in self._sheets:
            with (self._folder / "test" / CASES).open("a", encoding="utf-8", newline="\n") as file:
                file.write("\n]\n")
