"""The example that visitors read: the recording still passes every gate, the rows and the page are what it makes, and
every planted error is refused for its own reason and for no other."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from types import ModuleType

import pytest

from browser import Browser
from her import cli
from her.markup import parse, render
from her.models.recorded import Row
from her.rows.files import read_rows
from her.rows.record import Refusal, SceneRow
from her.synth.gates import acted, planned
from her.synth.minds.lived import seen_before
from her.synth.reports.measures import markdown, measure, summary
from her.synth.reports.page import flow_svg
from her.synth.reports.run_folder import RunFolder
from her.turn import Kind

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "examples" / "pride-and-prejudice"
AGAIN = "run `python examples/pride-and-prejudice/make.py NOVEL.txt` and look at what has changed"
MACHINE = re.compile(r"/(?:home|Users|root|tmp|work|var|mnt)/|[A-Z]:\\\\")


def loaded() -> ModuleType:
    """`make.py`, which is no module of the package."""
    name = "make_pride_and_prejudice"
    spec = importlib.util.spec_from_file_location(name, HERE / "make.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


make = loaded()
ROWS = tuple(read_rows(HERE / "rows.jsonl", SceneRow))
ERRORS = {error.call: error for error in make.ERRORS}


def commands() -> list[list[str]]:
    """The `her synth run` commands of the README, without the program's name."""
    text = (HERE / "README.md").read_text("utf-8")
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("her synth run ")]


def run(command: list[str], novel: Path, out: Path, **other: str) -> RunFolder:
    """Runs a command of the README from the repository's root, on this novel and into this folder."""
    flags = {"--book": str(novel), "--out": str(out)} | {f"--{name}": value for name, value in other.items()}
    argv = [flags.get(before, one) for before, one in zip(["", *command], command, strict=False)]
    with chdir(ROOT), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HER_HOME", str(out.parent / "home"))
        patch.delenv("HER_MODEL", raising=False)
        assert cli.run(argv) == 0
    return RunFolder(out)


def refused(rows: tuple[SceneRow, ...]) -> set[tuple[str, str, str, str]]:
    """Everything that gates kept out of these rows: row, place, stage, reason."""
    return {(row.id, one.where, one.stage, one.reason) for row in rows for one in row.refused}


def as_it_came(row: SceneRow, number: int) -> SceneRow:
    """The row when a turn was asked for: those before have their minds, the turn and the later ones have not."""
    done = tuple(turn.playing(turn.turn.without(Kind.SYSTEM_THINKING)) for turn in row.turns[:number])
    return row.model_copy(update={"turns": (*done, *row.original[number:])})


def faults(row: SceneRow) -> list[Refusal]:
    """What the gates of turns and plans say of a whole row."""
    found: list[Refusal] = []
    bare = row.model_copy(update={"turns": as_it_came(row, len(row.turns)).turns})
    for number, turn in enumerate(row.turns):
        then, played = as_it_came(row, number), turn.turn.without(Kind.SYSTEM_THINKING)
        found += acted(played, seen_before(then, turn.id, turn.speaker), then, "again")
        found += planned(turn.turn.text_of(Kind.SYSTEM_THINKING), played, bare, (30, 90), "again")
    return found


class TestWhatStandsInTheRepository:
    def test_the_rows_are_scenes_of_the_book_with_minds_and_plans(self) -> None:
        assert len(ROWS) == 6 and sum(len(row.turns) for row in ROWS) == 95
        assert [row.source.chapter for row in ROWS] == [f"Chapter {number}." for number in (1, 2, 3, 3, 4, 5)]
        assert all(turn.turn.text_of(Kind.SYSTEM_THINKING) for row in ROWS for turn in row.turns)
        assert {one.reason for row in ROWS for one in row.refused} == {"no-earlier-text"}

    def test_every_gate_lets_them_through_again(self) -> None:
        assert [fault for row in ROWS for fault in faults(row)] == []

    def test_every_turn_reads_back_as_it_was_written(self) -> None:
        for turn in (turn.turn for row in ROWS for turn in row.turns):
            assert parse(render(turn, name=True), speaker=turn.speaker).turn.segments == turn.segments

    def test_the_same_look_finds_turns_that_stay_bare(self) -> None:
        row = ROWS[4]
        bare = (turn.playing(turn.turn.only(Kind.SPEECH, Kind.SYSTEM_THINKING)) for turn in row.turns[:9])
        found = {fault.reason for fault in faults(row.model_copy(update={"turns": (*bare, *row.turns[9:])}))}
        assert found >= {"layout-run"}

    def test_layouts_vary_and_no_phrase_is_worn(self) -> None:
        after = measure(ROWS).after
        found = after.all_layouts
        assert found.entropy is not None and found.entropy >= 2.3
        assert found.top_share is not None and found.top_share <= 0.25 and found.longest_run <= 2
        assert after.words[Kind.ROLE_THINKING].total() >= 95 / 2
        assert (after.stock_rate(*Kind) or 0.0) <= 0.2

    def test_what_is_said_is_nowhere_in_the_recording(self) -> None:
        answers = [row.text for row in read_rows(HERE / "teacher.jsonl", Row) if (row.id or "").startswith("role-")]
        long = [turn.turn.text_of(Kind.SPEECH) for row in ROWS for turn in row.turns]
        assert not [said for said in long if len(said) > 40 and any(said in answer for answer in answers)]

    def test_answers_stand_once_and_in_the_order_of_the_stages(self) -> None:
        ids = [row.id or "" for row in read_rows(HERE / "teacher.jsonl", Row)]
        assert len(ids) == len(set(ids)) == 338
        assert Counter(id.partition("/")[0] for id in ids) == {
            **{"scenes": 5, "setting": 6, "profiles": 21, "settings": 21},
            **{"role-thinking": 95, "draft": 95, "system-thinking": 95},
        }

    def test_planted_answers_are_those_that_are_declared_and_each_is_of_the_recording(self) -> None:
        teacher = {row.id: row.text for row in read_rows(HERE / "teacher.jsonl", Row)}
        spoilt = {row.id or "": row.text for row in read_rows(HERE / "planted.jsonl", Row)}
        assert {id for id in spoilt if not id.endswith("/repair")} == set(ERRORS)
        for id, text in spoilt.items():
            error = ERRORS[id.removesuffix("/repair")]
            repaired = id.endswith("/repair") and error.mended
            assert (text == teacher[error.call]) is repaired, id
            assert id.endswith("/repair") or text == spoilt.get(f"{id}/repair", text) or error.mended

    def test_no_file_knows_the_machine_that_made_it(self) -> None:
        for path in HERE.iterdir():
            if path.is_file():
                assert MACHINE.findall(path.read_text("utf-8")) == [], path.name
        assert {step.model for row in ROWS for step in row.lineage} == {
            "replay:examples/pride-and-prejudice/teacher.jsonl"
        }

    def test_the_readme_has_the_true_figures(self) -> None:
        text = (HERE / "README.md").read_text("utf-8")
        found = measure(ROWS)
        before, after = found.before.all_layouts, found.after.all_layouts
        assert f"{after.distinct} forms" in text and f"{after.entropy:.2f} bits for {before.entropy:.2f}" in text
        assert all(f"`{error.reason}`" in text for error in make.ERRORS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


class TestThePage:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_all_of_it_is_seen_on_a_desk_and_on_a_phone(self, browser: Browser, dark: bool) -> None:
        seen = browser.open(HERE / "page.html", 1280, dark=dark)
        shown = "[...document.querySelectorAll('{}')].filter(one => one.checkVisibility()).length"
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
            assert seen.evaluate(shown.format("article.turn")) == 95
            assert seen.evaluate(shown.format("p.planted")) == len(ERRORS)
            assert seen.evaluate(shown.format(".planted-errors tbody tr")) == len(ERRORS)
        assert seen.errors == []

    def test_every_link_of_it_leads_somewhere(self, browser: Browser) -> None:
        seen = browser.open(HERE / "page.html")
        assert seen.evaluate("[...document.links].filter(a => !document.querySelector(a.hash)).length") == 0

    def test_it_is_light_and_says_whose_words_these_are(self) -> None:
        text = (HERE / "page.html").read_text("utf-8")
        assert len(text.encode()) < 700_000
        assert "in the public domain" in text and "authored for this project" in text and "recorded teacher" in text
        for row in ROWS:
            assert row.title in text
        assert all(error.reason in text for error in make.ERRORS)


@pytest.fixture(scope="module")
def novel(her_data: Path) -> Path:
    return her_data / "books" / "pride_and_prejudice.txt"


@pytest.fixture(scope="module")
def clean(novel: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """What the first command of the README makes."""
    return run(commands()[0], novel, tmp_path_factory.mktemp("clean") / "run")


@pytest.fixture(scope="module")
def spoilt(novel: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """What the second makes, with the errors laid over the recording."""
    folder = tmp_path_factory.mktemp("spoilt")
    model = f"replay:{make.overlaid(folder / 'both.jsonl')}"
    return run(commands()[1], novel, folder / "run", model=model)


class TestTheRun:
    def test_it_makes_the_rows_that_stand_here(self, clean: RunFolder) -> None:
        made = (clean.path / "settings" / "rows.jsonl").read_bytes()
        assert made == (HERE / "rows.jsonl").read_bytes(), AGAIN

    def test_nothing_is_refused_but_what_the_book_does_not_tell(self, clean: RunFolder) -> None:
        assert [report.refused for report in clean.reports if report.refused] == [{"no-earlier-text": 5}]
        assert [(report.dropped, report.repaired, report.faults) for report in clean.reports] == [(0, 0, {})] * 5
        assert sum(clean.samples["rows"]["roleplay-sft"].values()) == 95

    def test_the_readme_names_the_file_that_the_recording_fits(self, novel: Path) -> None:
        sha = hashlib.sha256(novel.read_bytes()).hexdigest()
        assert f"`{sha}`" in (HERE / "README.md").read_text("utf-8")

    def test_speech_stands_in_the_book_at_its_places(self, clean: RunFolder) -> None:
        text = (clean.path / "books" / "pride-and-prejudice.txt").read_text("utf-8")
        for turn in (turn for row in ROWS for turn in row.turns):
            said = turn.turn.text_of(Kind.SPEECH)
            assert all(" ".join(text[start:end].split()) in " ".join(said.split()) for start, end in turn.spans)
        for one in (one for row in ROWS for one in row.evidence):
            assert text[one.start : one.end] == one.quote

    def test_one_chapter_alone_goes_with_the_same_recording(self, novel: Path, tmp_path: Path) -> None:
        made = run(commands()[0], novel, tmp_path / "run", chapters="1")
        assert tuple(made.rows()) == ROWS[:1]

    @pytest.mark.parametrize("about", [None, {"address": "another", "context": 8192}], ids=["none", "another"])
    def test_nothing_hangs_on_the_model_that_the_recording_names(
        self, novel: Path, tmp_path: Path, about: dict[str, object] | None
    ) -> None:
        rows = [json.loads(line) for line in (HERE / "teacher.jsonl").read_text("utf-8").splitlines()]
        assert rows[0].pop("model")["address"] == "authored"
        if about is not None:
            rows[0]["model"] = about
        other = tmp_path / "other.jsonl"
        other.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        made = run(commands()[0], novel, tmp_path / "run", chapters="4", model=f"replay:{other}")
        (row,) = made.rows()
        assert row.model_copy(update={"lineage": ROWS[4].lineage}) == ROWS[4]

    def test_the_figures_in_the_documentation_are_its_counters(self, clean: RunFolder) -> None:
        counted = summary(clean.path)
        assert markdown(counted) in (ROOT / "docs" / "synthesis.md").read_text("utf-8"), "write there what is counted"
        assert flow_svg(counted) == (ROOT / "docs" / "synthesis.svg").read_text("utf-8"), "write it anew"


class TestThePlantedErrors:
    def test_each_is_refused_for_its_reason_and_nothing_else_is(self, spoilt: RunFolder) -> None:
        expected = {(error.row, error.where, error.stage, error.reason) for error in make.ERRORS if not error.mended}
        assert refused(tuple(spoilt.rows())) - refused(ROWS) == expected

    def test_two_are_mended_when_asked_again(self, spoilt: RunFolder) -> None:
        asked = sum((Counter(report.faults) for report in spoilt.reports), Counter[str]())
        # A deed that is not told is left out without asking.
        assert asked == Counter(error.reason for error in make.ERRORS if error.stage != "scenes")
        assert {report.stage: report.repaired for report in spoilt.reports if report.repaired} == {
            "role-thinking": 1,
            "system-thinking": 1,
        }

    def test_all_other_turns_are_the_same(self, spoilt: RunFolder) -> None:
        hit = {(error.row, error.where) for error in make.ERRORS if not error.mended}
        other = {
            (row.id, turn.id)
            for row, was in zip(spoilt.rows(), ROWS, strict=True)
            for turn, before in zip(row.turns, was.turns, strict=True)
            if turn != before
        }
        assert other == {(row, where) for row, where in hit if re.fullmatch(r"t\d+", where)}

    def test_a_refused_turn_is_as_the_novel_has_it_and_a_refused_plan_is_not_there(self, spoilt: RunFolder) -> None:
        after = {(row.id, turn.id): turn.turn for row in spoilt.rows() for turn in row.turns}
        came = {(row.id, turn.id): turn.turn for row in ROWS for turn in row.original}
        for error in make.ERRORS:
            place = (error.row, error.where)
            if error.stage == "role-thinking" and not error.mended:
                assert after[place].without(Kind.SYSTEM_THINKING) == came[place]
            if error.stage == "system-thinking" and not error.mended:
                assert not after[place].text_of(Kind.SYSTEM_THINKING)

    def test_the_page_is_what_both_runs_make(
        self, clean: RunFolder, spoilt: RunFolder, novel: Path, tmp_path: Path
    ) -> None:
        stubborn = make.played(make.overlaid(tmp_path / "stubborn.jsonl", stubborn=True), novel, tmp_path / "run")
        make.write_all(clean, make.planted(spoilt, stubborn), tmp_path)
        for name in ("rows.jsonl", "page.html"):
            assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes(), f"{name}: {AGAIN}"
