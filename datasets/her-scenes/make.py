"""Makes the data set anew from the scenes beside it: rows as Parquet, reports, the card, and the page to read.

    python datasets/her-scenes/make.py [--check]

Knows what is said of the scenes and how they measure up; `--check` writes nothing and says what has changed. Refuses
scenes that a gate refuses. What was found of test sets stays as it is where none is at hand (`HER_DATA`).
"""

from __future__ import annotations

import os
import shutil
import string
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from read import HERE, World, read_scenes, refused, worlds

from her import checks
from her.checks.units import run_length, runs, units
from her.errors import HerError, InputError
from her.pages.page import environment, number, share, write
from her.rows.files import Writer
from her.rows.record import SceneRow
from her.rows.samples import CONFIGS
from her.scene import LANGUAGES
from her.synth.gates import ALIKE, num_words
from her.synth.reports.beside import SceneView, scene_view
from her.synth.reports.measures import measure
from her.synth.samples.card import card
from her.synth.samples.report import SampleReport
from her.synth.samples.samples import CHECKED, SampleOptions, make_samples
from her.turn import ENVIRONMENT, Kind

TITLE = "scenes, read from within"
LICENCE = "CC0-1.0"
TESTS = "coser/test_set_pd_english.json"
"""Of CoSER's test set the cases whose books are in the public domain, in the folder of third-party data."""
SLOP, SLOP_OF_A_NOVEL = 0.8, 1.1
"""Words of Slop-Score's list per 1000 words, here and in *Pride and Prejudice*; the list is not in this repository,
and where it is at hand a test measures again."""
COMPARED = (Kind.SYSTEM_THINKING, Kind.ROLE_THINKING, Kind.SPEECH)
FEWEST = 12
"""Words of a text, below which likeness is chance: two people may well ask the way in the same words."""
TOP = 8
"""Layouts that the page lists."""
PURPOSES = {
    "sft": "to learn from",
    "reward": "for the judge",
    "rl": "to practise on",
    "validation": "for validation",
    "test": "for the test",
}
FILES = ("README.md", "page.html", "report.json", CHECKED)


@dataclass(frozen=True, slots=True)
class ShownWorld:
    """A world as the page shows it; `anchor` is where its first scene stands."""

    world: World
    scenes: tuple[SceneView, ...]

    @property
    def anchor(self) -> str:
        """Where a link to the world leads."""
        return self.scenes[0].anchor

    @property
    def purpose(self) -> str:
        """What the world is for, in words."""
        return PURPOSES[self.world.purpose]


def alike(rows: Iterable[SceneRow]) -> tuple[int, list[tuple[str, str]]]:
    """How many plans, thoughts and speeches were compared, each with all others of its kind, and the places of those
    that are one by the measure of the gates."""
    compared = 0
    found: list[tuple[str, str]] = []
    for kind in COMPARED:
        texts = {
            f"{row.id}/{turn.id}/{at}": piece.text
            for row in rows
            for turn in row.turns
            for at, piece in enumerate(turn.segments)
            if piece.kind is kind and turn.speaker != ENVIRONMENT and len(units(piece.text)) >= FEWEST
        }
        compared += len(texts)
        found += _alike(texts)
    return compared, found


def _alike(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each text that is one with an earlier text, and the one that it is most like; pairs of words find the few that
    can be."""
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    held: dict[str, int] = {}
    for name, text in texts.items():
        words = units(text)
        pairs = set(runs(words, run_length(words, 2)))
        shared = Counter(holder for pair in pairs for holder in holders[pair])
        near = [holder for holder, count in shared.items() if count >= ALIKE * min(len(pairs), held[holder])]
        like = checks.near_duplicate(text, [texts[holder] for holder in near])
        if like is not None and like[1] >= ALIKE:
            yield name, near[like[0]]
        held[name] = len(pairs)
        for pair in pairs:
            holders[pair].append(name)


def about(rows: Sequence[SceneRow]) -> str:
    """The part of the card that is written by hand, with its figures."""
    found = measure(rows).after
    layouts, pieces = found.all_layouts, [piece for row in rows for turn in row.turns for piece in turn.segments]
    plans = sorted(num_words(piece.text) for piece in pieces if piece.kind is Kind.SYSTEM_THINKING)
    compared, same = alike(rows)
    used = _used(rows)
    kinds = Counter(world.kind for world in used.values())
    fields = {
        "scenes": number(len(rows)),
        "turns": number(sum(len(row.turns) for row in rows)),
        "worlds": number(len(used)),
        "books": number(kinds["book"]),
        "originals": number(kinds["original"]),
        "languages": _counted(LANGUAGES[row.language] for row in rows),
        "genres": _counted(used[row.source.slug].genre for row in rows),
        "words": number(sum(num_words(piece.text) for piece in pieces)),
        "plan_least": number(plans[0]),
        "plan_median": number(plans[len(plans) // 2]),
        "plan_most": number(plans[-1]),
        "thoughts": number(found.words[Kind.ROLE_THINKING].total()),
        "deeds": number(found.words[Kind.ROLE_ACTION].total()),
        "whispers": number(sum(turn.heard_by is not None for row in rows for turn in row.turns)),
        "world": number(sum(turn.speaker == ENVIRONMENT for row in rows for turn in row.turns)),
        "layouts": number(layouts.distinct),
        "entropy": number(layouts.entropy, 2),
        "top": share(layouts.top_share),
        "run": number(layouts.longest_run),
        "stock": number(found.stock_rate(*Kind), 2),
        "slop": number(SLOP),
        "novel": number(SLOP_OF_A_NOVEL),
        "compared": number(compared),
        "alike": number(len(same)),
    }
    return string.Template((HERE / "about.md").read_text("utf-8")).substitute(fields)


def page(rows: Sequence[SceneRow]) -> str:
    """The page with all scenes, as HTML."""
    scenes: dict[str, list[SceneView]] = defaultdict(list)
    for row in rows:
        scenes[row.source.slug].append(scene_view(row, None, row.id.rpartition("/")[2]))
    shown = [ShownWorld(world, tuple(scenes[name])) for name, world in _used(rows).items()]
    layouts = measure(rows).after.all_layouts
    template = environment().from_string((HERE / "page.html.j2").read_text("utf-8"))
    return str(
        template.render(
            title=TITLE.capitalize(),
            count=len(rows),
            language=LANGUAGES[Counter(row.language for row in rows).most_common(1)[0][0]],
            worlds=shown,
            books=[one for one in shown if one.world.kind == "book"],
            originals=[one for one in shown if one.world.kind == "original"],
            ways=list(_ways(shown)),
            layouts=[
                (name.replace("-", " · "), number(count), share(count / layouts.turns))
                for name, count in layouts.counts[:TOP]
            ],
        )
    )


def _ways(shown: Sequence[ShownWorld]) -> Iterator[tuple[str, list[ShownWorld]]]:
    """Groups of worlds by language, purpose and genre, without the commonest language and purpose: all the others."""
    languages = Counter(one.world.language for one in shown)
    for language, _ in languages.most_common()[1:]:
        yield LANGUAGES[language], [one for one in shown if one.world.language == language]
    for purpose, said in list(PURPOSES.items())[1:]:
        yield said, [one for one in shown if one.world.purpose == purpose]
    for genre in sorted({one.world.genre for one in shown}):
        yield genre, [one for one in shown if one.world.genre == genre]


def make(rows: Sequence[SceneRow], target: Path) -> None:
    """Writes all files of the data set into a new folder; other files go beside it. Raises HerError."""
    pins = {name: world.purpose for name, world in _used(rows).items()}
    tests = Path(os.environ["HER_DATA"], TESTS) if "HER_DATA" in os.environ else None
    options = SampleOptions(
        shares=Counter(pins[row.source.slug] for row in rows),
        pins=pins,
        tests=() if tests is None else (tests,),
        licence=LICENCE,
        licences=dict.fromkeys(pins, LICENCE),
    )
    lines = target.with_name("rows.jsonl")
    with Writer(lines) as out:
        for row in rows:
            out.write(row)
    report = make_samples(lines, target, options)
    if report.kept_out:
        raise InputError(f"{', '.join(report.kept_out)}: test cases are among the scenes; see {target / CHECKED}")
    if tests is None and (HERE / CHECKED).is_file():
        before = SampleReport.model_validate_json((HERE / "report.json").read_bytes())
        report = report.model_copy(update={"contamination": before.contamination, "notes": before.notes})
        shutil.copyfile(HERE / CHECKED, target / CHECKED)
    write(target / "report.json", report.model_dump_json(indent=1) + "\n")
    write(target / "README.md", card(report, licence=LICENCE, title=f"her-scenes: {TITLE}", about=about(rows)))
    write(target / "page.html", page(rows))


def changed(made: Path, here: Path) -> list[str]:
    """The files in which two folders differ; of Parquet the rows count, not the bytes."""
    names = {path.relative_to(folder) for folder in (made, here) for path in _files(folder)}
    return sorted(str(name) for name in names if not _same(made / name, here / name))


def _files(folder: Path) -> Iterator[Path]:
    """What this program makes, as far as it is there."""
    for name in FILES:
        yield from folder.glob(name)
    for config in CONFIGS:
        yield from (folder / config).glob("*.*")


def _same(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    if one.suffix == ".parquet":
        return bool(pq.read_table(one).equals(pq.read_table(other)))
    return one.read_bytes() == other.read_bytes()


def _used(rows: Iterable[SceneRow]) -> dict[str, World]:
    """The worlds of these scenes by name."""
    return {row.source.slug: worlds()[row.source.slug] for row in rows}


def _counted(names: Iterable[str]) -> str:
    """Each name with how often it comes, the most frequent first."""
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {number(count)}" for name, count in counts)


def renew(target: Path, *, check: bool = False) -> list[str]:
    """Makes everything anew and puts what has changed into the folder, with `check` nothing; gives back the names of
    what has changed. Raises HerError, and InputError where a gate refuses a scene."""
    rows = tuple(read_scenes())
    if faults := [f"{row.id} {one.where} {one.reason}: {one.detail}" for row in rows for one in refused(row)]:
        raise InputError("\n".join([*faults, "mend the scenes first"]))
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "her-scenes"
        make(rows, made)
        different = changed(made, target)
        for path in () if check else different:
            (target / path).unlink(missing_ok=True)
            if (made / path).is_file():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made / path, target / path)
    return different


def main(argv: list[str]) -> int:
    """Makes the files here, or with `--check` only looks; prints what has changed. 1 where something is wrong, or
    would change."""
    if argv not in ([], ["--check"]):
        print("usage: python datasets/her-scenes/make.py [--check]", file=sys.stderr)
        return 2
    try:
        different = renew(HERE, check=bool(argv))
    except HerError as error:
        print(error, file=sys.stderr)
        return 1
    print(*different or ["nothing has changed"], sep="\n")
    return 1 if argv and different else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
