"""How much memory the stage `scenes` takes over a novel, and over the same novel several times as long.

    python benchmarks/synth_memory.py NOVEL.txt --times 1 10

Each length is a run of its own process, with a scripted teacher that keeps nothing. `raw` is the highest resident set
of that process, `work` what of it came after everything was imported, `text` the size of the books in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from her.models.recorded import Scripted
from her.rows.files import read_rows
from her.rows.record import SceneRow
from her.rows.run import Target, run
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.synth.reading.novel import read_book
from her.synth.stage import StageOptions
from her.synth.staging.passages import passages
from her.synth.staging.scenes import Scenes, unify_names
from her.synth.staging.scenes import library as books_in

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from scene_teacher import attribution

SIZE = 12_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One run; sizes in bytes. `volumes`: one book that is so many times as long, rather than so many books."""

    times: int
    volumes: bool
    rows: int
    text: int
    base: int
    raw: int

    @property
    def work(self) -> int:
        """What the run took beyond the imports."""
        return self.raw - self.base


def several(book: Book, times: int) -> Book:
    """The book with its chapters `times` over."""
    shift = len(book.text) + 2
    chapters = tuple(
        Chapter(number * len(book.chapters) + c.number, c.title, c.start + number * shift, c.end + number * shift)
        for number in range(times)
        for c in book.chapters
    )
    text = "\n\n".join([book.text] * times)
    return replace(book, text=text, chapters=chapters, sha=hashlib.sha256(text.encode()).hexdigest())


def measured(novel: Path, times: int, *, volumes: bool = True) -> Measured:
    """A run over `times` the novel, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        library, book = Library(Path(folder) / "books"), read_book(novel)
        for number in range(1 if volumes else times):
            library.add(several(replace(book, slug=f"{book.slug}-{number}"), times if volumes else 1))
        command = [sys.executable, __file__, "--run", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(times=times, volumes=volumes, **json.loads(done.stdout))


async def _run(folder: Path) -> dict[str, int]:
    """The stage and the pass over names, on the library in the folder."""
    base = _peak()
    library = books_in(folder / "books")
    stage = Scenes(StageOptions(passage_chars=SIZE), folder / "books")
    teacher = Scripted(attribution)
    teacher.constrains, teacher.calls = True, deque(maxlen=1)  # type: ignore[assignment]
    rows = (passage for slug in library.slugs() for passage in passages(library.book(slug), SIZE))
    report = await run(rows, stage.work, teacher, Target(folder, "scenes"))
    made = sum(1 for _ in unify_names(lambda: read_rows(folder / "rows.jsonl", SceneRow)))
    assert made == report.rows_out
    text = sum(sys.getsizeof(library.book(slug).text) for slug in library.slugs()[-1:])
    return {"rows": made, "text": text, "base": base, "raw": _peak()}


def _peak() -> int:
    """The highest resident set so far, in bytes; on Linux of this program alone, not of the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Runs what was asked for and prints a line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("novel", type=Path)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--books", action="store_true", help="so many books, rather than one so many times as long")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, default=None, help="write everything measured to this file")
    flags = parser.parse_args()
    if flags.run:
        print(json.dumps(asyncio.run(_run(flags.novel))))
        return
    found = [measured(flags.novel, times, volumes=not flags.books) for times in flags.times]
    print(f"{'times':>5} {'rows':>6} {'text':>8} {'base':>8} {'raw':>8} {'work':>8}   (MiB)")
    for one in found:
        sizes = (size / 2**20 for size in (one.text, one.base, one.raw, one.work))
        print(f"{one.times:>5} {one.rows:>6} " + " ".join(f"{size:>8.1f}" for size in sizes))
    if flags.json:
        flags.json.write_text(json.dumps([asdict(one) | {"work": one.work} for one in found], indent=1), "utf-8")


if __name__ == "__main__":
    main()
