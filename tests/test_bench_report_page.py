"""The page of a benchmark: one file that says what was scored, what was not, and lets no model write markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from bench_runs import FIGURES, SHEET, dialogue, logged, run, turn
from browser import Browser
from her.bench.figures import Unscored, Why
from her.bench.report.drawings import bars, curves, gaps, write_plots
from her.bench.report.logs import read
from her.bench.report.page import LISTED, write_page
from her.bench.report.records import Case, Run, Said, Seat
from her.bench.report.report import Report, report
from her.bench.report.transcripts import PIECE, ROOM, TURNS, cut, shelves
from her.judge.reward.provenance import JudgeRecord, Provenance
from her.turn import Kind
from test_pages import checked

EVIL = (
    '</dd><script>document.title="owned"</script><img src=x onerror=alert(1)>" onload="x \u202eevil\u2069\x00\x1b[31m'
)
SHAPED = Provenance(judges=(JudgeRecord(address="strict"),))


@pytest.fixture(autouse=True, scope="module")
def _fewer_draws() -> Iterator[None]:
    from her.checks import intervals

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals.interval, "__defaults__", (200,))
        yield


@pytest.fixture(scope="module")
def several() -> Report:
    runs = [
        run("mini"),
        run("hf:org/a-model-with-a-rather-long-name", better=7, seed=2),
        run("shaped", better=20, seed=4),
        run("mini", seed=5, sheet=replace(SHEET, preset="coser"), planned=30, status="cancelled", error="stopped"),
    ]
    return report(runs, {"her/shaped": SHAPED}, notes=["Left out: x.eval."])


@pytest.fixture(scope="module")
def page(several: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(several, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def evil() -> Run:
    """A run of which everything that a model or a person wrote is hostile."""
    said = Said(EVIL, turn((Kind.SYSTEM_THINKING, EVIL), (Kind.ROLE_THINKING, EVIL), (Kind.SPEECH, EVIL)))
    open_thought = Said("Anna", turn((Kind.ROLE_THINKING, "x" * 100_000))[:60_000])
    values = {figure.name: Unscored(Why.FORMAT, EVIL) if at else 1.0 for at, figure in enumerate(FIGURES)}
    case = Case(EVIL, 1, EVIL, values, {EVIL: (1.0, 2.0)}, (said, open_thought), EVIL, EVIL, EVIL, EVIL, EVIL)
    figures = tuple(replace(figure, title=EVIL) for figure in FIGURES)
    sheet = replace(SHEET, benchmark=EVIL, preset=EVIL, figures=figures, settings={EVIL: EVIL, "n": 1})
    seats = {"actor": Seat(EVIL, EVIL), "judge": Seat(EVIL, EVIL, EVIL)}
    cases = (case, replace(case, epoch=2, error=""))
    return replace(run(), sheet=sheet, seats=seats, cases=cases, error=EVIL, log=f"logs/{EVIL}.eval", epochs=2)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def section(text: str, anchor: str) -> str:
    return text[text.index(f'id="{anchor}"') :].partition("</section>")[0]


def test_every_run_has_a_row_and_every_figure_a_column(page: Path, several: Report) -> None:
    text = page.read_text("utf-8")
    checked(text)
    table = text[text.index('aria-label="Figures by run, ') :].partition("</table>")[0]
    assert re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table) == ["Run", *(figure.title for figure in FIGURES)]
    assert table.count('<tr><th scope="row"') == 3
    mini = several.runs[0].cells[0].mean
    assert f"{mini.value:.1f}<br>" in table and "<br>n 21<br>3 unreadable</span>" in table


def test_a_struck_out_run_is_struck_through_and_in_no_drawing(page: Path, several: Report) -> None:
    text = page.read_text("utf-8")
    table = text[text.index('aria-label="Figures by run, ') :].partition("</table>")[0]
    row = next(row for row in table.split("<tr>") if '">shaped</th>' in row)
    assert row.count("<s>") >= len(FIGURES) and row.count("struck out") == len(FIGURES)
    assert all(
        "shaped" not in drawing.svg
        for group in several.groups
        for drawing in (*bars(group), *gaps(group), *curves(group))
    )
    places = text[text.index('aria-label="By average') :].partition("</table>")[0]
    assert "shaped" not in places and "hf:org" in places
    assert "shaped is struck out" in text


def test_a_run_that_was_killed_and_what_is_not_compared_are_told(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "did not come to its end (cancelled)" in text and "6 never ran: stopped" in text
    assert "preset: her / coser" in section(text, "apart")
    assert "Left out: x.eval." in text


def test_every_setting_of_the_preset_stands_on_the_page(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in (*SHEET.settings, "judge", "preset"):
        assert f">{name}</th>" in section(text, "group-1")


def test_what_is_unscored_is_listed_with_reason_detail_and_cases(page: Path) -> None:
    text = section(page.read_text("utf-8"), "unscored")
    assert text.count("<td>unreadable</td><td>average</td>") == 4
    assert "no JSON in it" in text and re.search(r'<a href="#case-1-8">case 7</a>', text)


def test_both_layers_are_told_apart_and_plans_are_closed(page: Path) -> None:
    text = section(page.read_text("utf-8"), "read")
    assert text.count('<details class="plan">') > 100 and '<details class="plan" open' not in text
    for name in ("thought", "action", "speech"):
        assert f'<div class="layer {name}">' in text
    assert "Anna (given)" in text and 'class="turn world"' in text
    plain = re.sub(r'<details class="plan">.*?</details>', "", text, flags=re.DOTALL)
    assert "keep the letter a secret" in text and "keep the letter a secret" not in plain


def test_no_text_of_a_model_becomes_markup(evil: Run, tmp_path: Path) -> None:
    text = write_page(report([evil, run("b", sheet=evil.sheet)], notes=[EVIL]), tmp_path / "p.html").read_text("utf-8")
    checked(text)
    assert "<script>document" not in text and "<img" not in text
    assert "\u202e" not in text and "\x00" not in text and "\x1b" not in text
    assert "[U+202E]evil" in text


def test_a_thought_that_never_closes_stays_a_thought_and_is_cut(evil: Run) -> None:
    (shelf,) = shelves(report([evil]))
    (kind, text, _), *others = shelf.cases[0].turns[1].segments
    assert kind is Kind.ROLE_THINKING and not others
    assert len(text) < PIECE + 80 and "more characters are in the log]" in text


@given(st.text(max_size=300), st.integers(1, 50))
def test_what_is_cut_says_how_much_is_missing(text: str, most: int) -> None:
    found = cut(text, most)
    if len(text) <= most:
        assert found == text
    else:
        assert found.startswith(text[:most]) and f"[{len(text) - most} more characters" in found


def test_two_hundred_cases_of_twenty_turns_stay_a_page(tmp_path: Path) -> None:
    one, other = (run(name, cases=200, turns=20) for name in "ab")
    found = report([one, other])
    page = write_page(found, tmp_path / "big.html")
    assert page.stat().st_size < 2.5 * ROOM
    read = shelves(found)
    shown = [[case.name for case in shelf.cases] for shelf in read]
    assert shown[0] == shown[1] and 10 < len(shown[0]) < 200, "both show the same cases, in order, and not all"
    assert sum(case.size for shelf in read for case in shelf.cases) <= ROOM
    text = page.read_text("utf-8")
    checked(text)
    assert f"a: {len(shown[0])} of 200 cases are shown, chosen by the hash of their ids; all are in a.eval" in text


def test_a_case_too_long_for_the_page_is_still_there_in_part(tmp_path: Path) -> None:
    one = run(cases=1)
    long = tuple(Said("Anna", turn((Kind.SPEECH, "word " * 20_000))) for _ in range(300))
    found = report([replace(one, cases=(replace(one.cases[0], dialogue=long),))])
    (shelf,) = shelves(found)
    (case,) = shelf.cases
    assert len(case.turns) == TURNS and case.left_out == "240 more turns are in the log."
    assert write_page(found, tmp_path / "p.html").stat().st_size < ROOM


def test_a_table_of_very_many_cases_says_what_it_leaves_out(tmp_path: Path) -> None:
    text = write_page(report([run(cases=LISTED + 20)]), tmp_path / "p.html").read_text("utf-8")
    assert '<p class="small">20 more cases are in the logs.</p>' in text


def test_a_run_without_a_single_value_is_a_page_of_dashes(tmp_path: Path) -> None:
    one = run()
    gone = {figure.name: Unscored(Why.NO_JUDGE) for figure in FIGURES}
    empty = replace(one, cases=tuple(replace(case, values=gone, curve={}, dialogue=()) for case in one.cases))
    text = write_page(report([empty, run("b")]), tmp_path / "p.html").read_text("utf-8")
    checked(text)
    row = text[text.index('aria-label="Figures by run, ') :].split("<tr>")[2]
    assert row.count("–<br>") == 2 * len(FIGURES), "neither a mean nor an interval"
    assert row.count("24 no-judge") == len(FIGURES)
    assert "no case is scored in both" in text


def test_a_run_that_never_began_has_a_page(tmp_path: Path) -> None:
    text = write_page(report([run(cases=0, planned=24, status="started")]), tmp_path / "p.html").read_text("utf-8")
    checked(text)
    assert "of 24 planned cases 0 are done" in text and "No case of this run is in its log." in text


def test_the_same_runs_make_the_same_page(several: Report, page: Path, tmp_path: Path) -> None:
    assert write_page(several, tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_a_log_that_inspect_wrote_becomes_a_page(tmp_path: Path) -> None:
    found = read([logged(tmp_path)])
    text = write_page(report(found.runs, notes=found.notes), tmp_path / "p.html").read_text("utf-8")
    checked(text)
    assert "toy: mockllm/actor" in text and "the server &lt;b&gt;fell&lt;/b&gt; over" in text
    assert "half a JSON" in text and "good, epoch 2" in text


def test_every_drawing_is_written_as_svg_and_png(several: Report, tmp_path: Path) -> None:
    files = write_plots(several, tmp_path / "plots")
    names = {path.name for path in files}
    assert len(names) == len(files) and {path.suffix for path in files} == {".svg", ".png"}
    assert {"1-figure-1.svg", "1-figure-1.png", "1-difference-1.png", "1-curve-1.png", "2-figure-1.svg"} <= names
    assert all(path.stat().st_size > 400 for path in files)


def test_without_matplotlib_drawings_are_svg_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    one = run()
    plain = replace(one, cases=tuple(replace(case, curve={}) for case in one.cases))
    files = write_plots(report([plain]), tmp_path)
    assert files and {path.suffix for path in files} == {".svg"}


class TestInABrowser:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_the_page_fits_a_desk_and_a_phone(self, browser: Browser, page: Path, tmp_path: Path, dark: bool) -> None:
        seen = browser.open(page, 1280, dark=dark)
        for width in (1280, 400, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
        seen.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert seen.overflow() == []
        assert seen.errors == []
        assert seen.picture(tmp_path / "report.png").startswith(b"\x89PNG")

    def test_hostile_texts_run_nothing_and_break_no_layout(self, browser: Browser, evil: Run, tmp_path: Path) -> None:
        seen = browser.open(write_page(report([evil]), tmp_path / "evil.html"), 400)
        seen.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert seen.overflow() == [] and seen.errors == []
        assert seen.evaluate("document.title") != "owned"

    def test_a_value_leads_to_what_was_said(self, browser: Browser, page: Path) -> None:
        seen = browser.open(page)
        link = seen.evaluate("document.querySelector('a[href^=\"#case-2-\"]').getAttribute('href')")
        shown = f"document.querySelector('{link} .speech').checkVisibility({{contentVisibilityAuto: true}})"
        assert not seen.evaluate(shown)
        seen.evaluate(f"document.querySelector('a[href=\"{link}\"]').click()")
        seen.evaluate("new Promise(done => setTimeout(done, 100))")
        assert seen.evaluate(shown), "the folded case opens"

    def test_plans_open_together(self, browser: Browser, page: Path) -> None:
        seen = browser.open(page)
        count = "document.querySelectorAll('details.plan[open]').length"
        seen.evaluate("document.querySelector('[data-opens] button').click()")
        assert seen.evaluate(count) == seen.evaluate("document.querySelectorAll('details.plan').length") > 100


def test_the_dialogue_of_these_tests_has_every_layer() -> None:
    assert {said.speaker for said in dialogue()} == {"Anna", "Environment"}
