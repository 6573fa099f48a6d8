"""A run's samples made ready for others: rows, card and reports in a folder of their own.

Knows what may leave a run's folder. Refuses to take along journals, rows of the work folder and texts of books (these
only where asked for), to write over anything, and to pass over a licence that nobody knows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from her.errors import InputError, StorageError
from her.rows.samples import CONFIGS
from her.synth.options import STAGES
from her.synth.samples.card import card
from her.synth.samples.report import SampleReport, known_as
from her.synth.samples.samples import CASES, CHECKED


def publish(
    run_folder: Path,
    target: Path,
    *,
    licence: str = "",
    licences: Mapping[str, str] | None = None,
    title: str = "",
    with_books: bool = False,
) -> SampleReport:
    """Writes the folder `target`, ready for a hub, and gives back the report that it holds.

    `licence` is the SPDX identifier of the rows, `licences` those of the sources by slug or title; what is not said
    stands in the card as unknown. `with_books` takes the texts along. Raises InputError where the run has no samples
    or `target` is not new or empty, and StorageError.
    """
    samples = run_folder / STAGES[-1]
    report = _licensed(_report(samples / "report.json"), licences or {})
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise InputError(f"{target}: is there already, and nothing is written over; name a new folder")
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        for source, name in _files(samples):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part / name)
        for stage in STAGES[:-1]:
            if (source := run_folder / stage / "report.json").is_file():
                _write(part / "reports" / f"{stage}.json", _shown(source))
        if with_books:
            for use in report.books:
                if (source := run_folder / "books" / f"{use.slug}.txt").is_file():
                    _write(part / "books" / source.name, source.read_text("utf-8"))
        _write(part / "report.json", report.model_dump_json(indent=1))
        _write(part / "README.md", card(report, licence=licence, title=title))
        if target.exists():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written ({error}); free some room, then publish again") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def _report(path: Path) -> SampleReport:
    try:
        return SampleReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: no samples are here ({error.strerror}); run `her synth` to its end first") from error
    except ValidationError as error:
        raise InputError(
            f"{path}: is no report of samples: {error.errors()[0]['msg']}; make the samples again"
        ) from None


def _licensed(report: SampleReport, licences: Mapping[str, str]) -> SampleReport:
    """The report with what is now known. Raises InputError for a name that no source has."""
    names = {name for use in report.books for name in (use.slug, use.title) if name}
    if strange := sorted(set(licences) - names):
        raise InputError(f"licences: no source is called {strange[0]!r}; there are: {', '.join(sorted(names))}")
    books = (
        use.model_copy(update={"licence": licences.get(use.slug) or licences.get(use.title) or use.licence})
        for use in report.books
    )
    return report.model_copy(update={"books": tuple(books)})


def _files(samples: Path) -> Iterator[tuple[Path, str]]:
    """What leaves as it is, with its name there."""
    for config in CONFIGS:
        for path in sorted((samples / config).glob("*.parquet")):
            yield path, f"{config}/{path.name}"
    for name in (f"test/{CASES}", CHECKED):
        if (samples / name).is_file():
            yield samples / name, name


def _shown(path: Path) -> str:
    """A stage's report without the address of its model."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); run the stage again") from error
    if isinstance(found, dict) and isinstance(found.get("model"), str):
        found["model"] = known_as(found["model"])
    return json.dumps(found, indent=1, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
