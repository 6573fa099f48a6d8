"""Makes `rows.jsonl` and `page.html` anew from the two recordings beside it and the text of the novel.

    python examples/pride-and-prejudice/make.py NOVEL.txt

Knows which errors stand in `planted.jsonl`, and why each must be refused. Refuses to ask any model.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from her.errors import InputError
from her.models.recorded import Row
from her.rows.files import Writer, read_rows
from her.rows.report import Report, Snapshot
from her.synth.options import SynthOptions
from her.synth.pipeline import synthesise
from her.synth.reports.example import Planted, Preface, write_example
from her.synth.reports.run_folder import RunFolder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEACHER = HERE.relative_to(ROOT) / "teacher.jsonl"
PLANTED = HERE.relative_to(ROOT) / "planted.jsonl"
"""Named from the repository's root, for the address of a model goes into the lineage of every row."""
CHAPTERS = frozenset(range(1, 6))
SLUG = "pride-and-prejudice"

PREFACE = Preface(
    title="Pride and Prejudice, with the minds in it",
    about=(
        "The novel is Jane Austen’s and in the public domain; these are six scenes of its first five chapters. The "
        "thoughts, plans and profiles are not hers, nor are the deeds that are marked +. They were authored "
        "for this project, as a recorded teacher: the program put its questions, the recording answered in a model’s "
        "place, and every answer went through the gates. So the page shows what the data is to be like, and not how "
        "well some model makes it. The words that are said aloud were taken from the book by their place, misprints "
        "and all.",
        "Since these answers pass, errors were planted in some of them, to show what a gate refuses and how it says "
        "so. They are marked “planted”, and no word of them is in the scenes.",
    ),
)


@dataclass(frozen=True, slots=True)
class Error:
    """An error in `planted.jsonl`: the scene, the place in it that a refusal names, the stage whose answer holds it,
    the reason it must be refused for, and what it is. `mended`: the repair in `planted.jsonl` is right again."""

    scene: str
    where: str
    stage: str
    reason: str
    what: str
    mended: bool = False

    @property
    def row(self) -> str:
        """The id of the scene's row."""
        return f"{SLUG}/{self.scene}"

    @property
    def call(self) -> str:
        """The id of the call whose answer holds the error."""
        if self.stage == "scenes":
            return f"scenes/{SLUG}/{self.scene.partition('/')[0]}/1"
        return f"{self.stage}/{self.row}/{self.where.partition('/')[0]}"


ERRORS = (
    Error("1/3", "t07", "role-thinking", "perspective", "A deed that begins with “she”, as a narrator would tell it."),
    Error(
        *("1/3", "t19", "role-thinking", "near-duplicate"),
        "The thought that she had six turns before, in almost the same words; the second answer has another.",
        mended=True,
    ),
    Error("2/2", "t01", "role-thinking", "broken-tag", "A closing tag in the middle of the thought."),
    Error(
        *("2/2", "t12", "system-thinking", "foresight"),
        "A plan that knows of the visit, eight turns before Mr. Bennet owns to it.",
    ),
    Error(
        *("2/2", "Elizabeth Bennet/1", "settings", "quote-not-found"),
        "“But she was always the dearest to him of all the girls”: quoted as evidence, and nowhere in the novel.",
    ),
    Error(
        *("3/11", "t06", "role-thinking", "leak"),
        "Mr. Darcy thinks in the very words that Mr. Bingley thought, and did not say, a turn before.",
    ),
    Error(
        *("3/20", "t01", "role-thinking", "missing"),
        "A sentence of the speech is left out: “First of all, he asked Miss Lucas.”",
    ),
    Error("4/2", "t07", "role-thinking", "layout-run", "No thought: the third turn of bare speech in a row."),
    Error(
        *("4/2", "deed in paragraph 9", "scenes", "unsupported"),
        "“Jane kisses Elizabeth on both cheeks”: a deed that the paragraph does not tell.",
    ),
    Error(
        *("5/4", "t02", "role-thinking", "mind-read"),
        "“Mrs. Bennet is secretly wishing me at the bottom of the sea”: another’s mind, stated as a fact.",
    ),
    Error("5/4", "t08", "system-thinking", "wrong-turn", "The plan for Jane’s next turn, 10."),
    Error("5/4", "t10", "system-thinking", "wrong-turn", "The plan for Jane’s turn before, 8."),
    Error(
        *("5/4", "t14", "system-thinking", "reader"),
        "A plan that wants “the user” to be charmed; the second answer has no such person.",
        mended=True,
    ),
    Error(
        *("5/4", "Elizabeth Bennet/1", "settings", "spoiler"),
        "Her dark eyes, quoted word for word as they ought to be; but the words come from the next chapter.",
    ),
)
"""Every error of `planted.jsonl`, in the order of the scenes."""


class Silent:
    """Nobody to be told how a run goes."""

    def note(self, text: str) -> None:
        """Says nothing."""

    def begun(self, stage: str, rows: int) -> None:
        """Says nothing."""

    def progress(self, now: Snapshot) -> None:
        """Says nothing."""

    def done(self, report: Report) -> None:
        """Says nothing."""


def played(recording: Path, novel: Path, out: Path) -> RunFolder:
    """The run of the five chapters with a recording, a path from the repository's root, as the teacher."""
    options = SynthOptions(
        out=out, books=(novel.resolve(),), author="Jane Austen", chapters=CHAPTERS, model=f"replay:{recording}"
    )
    with chdir(ROOT):
        synthesise(options, Silent())
    return RunFolder(out)


def overlaid(target: Path, *, stubborn: bool = False) -> Path:
    """The recording with the errors laid over it: of two answers to one call the first in a file is played.

    `stubborn`: every repair is as wrong as the first answer, so that the gates say what they have against each.
    """
    with chdir(ROOT):
        errors, teacher = tuple(read_rows(PLANTED, Row)), TEACHER.read_bytes()
    said = {row.id: row.text for row in errors}
    lines = (
        row.model_copy(update={"text": said[row.id.removesuffix("/repair")]}) if stubborn and row.id else row
        for row in errors
    )
    target.write_bytes(b"".join(row.model_dump_json(exclude_none=True).encode() + b"\n" for row in lines) + teacher)
    return target


def planted(run: RunFolder, stubborn: RunFolder) -> tuple[Planted, ...]:
    """Every error with what the gate said of it in the stubborn run. Raises InputError where the gates do not refuse
    it, or do not let its repair through in the other run, as ERRORS has it."""
    left = {row.id: row.refused for row in run.rows()}
    told = {row.id: row.refused for row in stubborn.rows()}
    found = []
    for error in ERRORS:
        said, stayed = (
            [one for one in refused[error.row] if (one.stage, one.where) == (error.stage, error.where)]
            for refused in (told, left)
        )
        if [one.reason for one in said] != [error.reason] or stayed != ([] if error.mended else said):
            reasons = ", ".join(one.reason for one in said) or "nothing"
            raise InputError(f"{error.call}: must be refused as {error.reason!r}; the gates said {reasons}")
        found.append(Planted(error.row, error.what, said[0], error.mended))
    return tuple(found)


def write_all(clean: RunFolder, errors: Sequence[Planted], target: Path) -> None:
    """Writes `rows.jsonl` and `page.html` into the folder."""
    rows = tuple(clean.rows())
    with Writer(target / "rows.jsonl") as out:
        for row in rows:
            out.write(row)
    text = (clean.path / "books" / f"{SLUG}.txt").read_text(encoding="utf-8")
    write_example(rows, clean.lost(), {SLUG: text}, target / "page.html", preface=PREFACE, planted=errors)


def make(novel: Path, target: Path) -> None:
    """Writes the rows and the page into the folder, from three runs."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        clean = played(TEACHER, novel, work / "clean")
        once = played(overlaid(work / "planted.jsonl"), novel, work / "planted")
        twice = played(overlaid(work / "stubborn.jsonl", stubborn=True), novel, work / "stubborn")
        write_all(clean, planted(once, twice), target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/pride-and-prejudice/make.py NOVEL.txt")
    make(Path(sys.argv[1]), HERE)
