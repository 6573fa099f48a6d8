"""The page about a judge: every line with its figure, interval and bar; one file, and no text becomes markup."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from browser import Browser
from her.judge.bench import figure as figures
from her.judge.bench.accept import BARS, lines
from her.judge.bench.asked import Asked
from her.judge.bench.biased import Biased, Biases
from her.judge.bench.draw import questions
from her.judge.bench.figure import Figure
from her.judge.bench.measures import FIGURES, Answers
from her.judge.bench.metrics import measure
from her.judge.bench.page import Probed, Trial, between, summary, told, write_page
from her.judge.bench.preferences import Read
from her.judge.pairs import Pair
from planted_pairs import planted
from test_pages import checked

EVIL = '</td><script>document.title="owned"</script><img src=x onerror=alert(1)>" onload="x \u202eevil\u2069'


def trial(pairs: list[Pair], address: str, judge: str = "") -> Trial:
    drawn = questions(pairs, random.Random(1))

    async def asked() -> Answers:
        scripted = Biased(drawn.once, Biases.of(address), random.Random(0))
        said = {pair.id: Asked(pair, await scripted.judge(pair.case), 900, 400, 60) for pair in drawn.once}
        return Answers([said[pair.id] for pair in drawn.pairs], [said[pair.id] for pair in drawn.openers])

    measures = measure(asyncio.run(asked()), random.Random(0), {"padding": True, "plan-leak": False})
    return Trial(
        judge=judge or address,
        measures=measures,
        lines=lines(measures.figures),
        files=(Read("pairs.jsonl", "pairs", len(pairs) + 2, tuple(pairs), {"no answer": 2}, 1),),
        probe=(Probed("padding", Figure(0.9, 0.8, 0.95), True), Probed("plan-leak", Figure(0.5, 0.4, 0.6), False)),
        drawn=drawn.size,
        how={"form": "written", "seed": 0, "prompts": [{"text": "judge/en@abc"}]},
    )


@pytest.fixture(autouse=True, scope="module")
def _fewer_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "DRAWS", 200)
        yield


@pytest.fixture(scope="module")
def perfect() -> Trial:
    return trial(planted(), "biased:")


@pytest.fixture(scope="module")
def led(perfect: Trial) -> Trial:
    return trial(planted(8, 3, 2), "biased:position=0.4,unreadable=0.1", EVIL)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def cells(text: str, label: str) -> list[str]:
    """The cells of the row with this head."""
    row = re.search(rf"<tr><th[^>]*>{re.escape(label)}</th>(.*?)</tr>", text)
    assert row is not None, label
    return [cell.replace("\u00a0", " ") for cell in re.findall(r"<td[^>]*>(.*?)</td>", row[1])]


def test_every_line_has_its_figure_interval_and_bar(perfect: Trial, tmp_path: Path) -> None:
    text = write_page(perfect, tmp_path).read_text("utf-8")
    checked(text)
    assert perfect.accepted and "<h1>biased:: accepted</h1>" in text
    for bar in BARS:
        named = FIGURES[bar.name]
        of, verdict, figure, interval, _, _ = cells(text, named.label)
        assert (of, verdict) == (named.of, "accepted")
        assert "…" in interval and figure == told(perfect.measures.figures[bar.name].value, named.unit).replace(
            "\xa0", " "
        )
    assert cells(text, "right on natural pairs")[4] == "≥ 70.0 %"
    assert cells(text, "preference for the first slot")[4] == "−2.0 … +2.0"


def test_a_judge_that_fails_is_told_so_line_by_line(led: Trial, tmp_path: Path) -> None:
    text = write_page(led, tmp_path).read_text("utf-8")
    checked(text)
    assert not led.accepted and "not accepted</h1>" in text
    assert cells(text, "preference for the first slot")[1] == "not accepted: missed"
    assert f"of {len(BARS)} lines are met" in text


def test_texts_stay_texts(led: Trial, tmp_path: Path) -> None:
    text = write_page(led, tmp_path).read_text("utf-8")
    assert "<script>document" not in text and "<img" not in text
    assert "\u202e" not in text and "[U+202E]evil" in text


def test_the_accounts_on_the_page_add_up(led: Trial, tmp_path: Path) -> None:
    text = write_page(led, tmp_path).read_text("utf-8")
    table = text[text.index('aria-label="Pairs by what became') :].partition("</table>")[0]
    rows = [re.findall(r'<td class="number"[^>]*>([\d,]+)</td>', row) for row in table.split("<tr>")[2:]]
    assert len(rows) == len(led.measures.accounts)
    for asked, *parts, _ in ([int(cell.replace(",", "")) for cell in row] for row in rows):
        assert asked == sum(parts)


def test_what_was_not_measured_is_a_dash_and_a_warning(perfect: Trial, tmp_path: Path) -> None:
    broken = [pair for pair in planted(8, 3, 2) if pair.kind == "broken"]
    text = write_page(trial(broken, "biased:"), tmp_path).read_text("utf-8")
    checked(text)
    assert cells(text, "right on natural pairs")[2:4] == ["–", "–"]
    assert "Right on natural pairs: not measured" in text


def test_skipped_rows_and_shortened_candidates_are_told(perfect: Trial, tmp_path: Path) -> None:
    text = write_page(perfect, tmp_path).read_text("utf-8")
    assert cells(text, "pairs.jsonl") == ["pairs", "no answer: 2", "1,538", "1,536", "1"]
    assert "2 rows of the files could not be used" in text
    assert cells(text, "padding (surface)")[0] == "broken"
    assert cells(text[text.rindex("What the text alone tells") :], "padding")[0] == "surface"


def test_families_that_could_not_be_probed_are_named(perfect: Trial, tmp_path: Path) -> None:
    text = write_page(perfect, tmp_path).read_text("utf-8")
    assert "not in the headline: anachronism." in text
    assert cells(text, "anachronism (not probed)")[0] == "broken"
    named = FIGURES["unprobed"]
    assert cells(text, named.label)[:2] == [named.of, "100.0 %"]
    known = tuple(one for one in perfect.measures.families if one.name != "anachronism")
    probed = replace(perfect, measures=replace(perfect.measures, families=known))
    assert "not in the headline" not in write_page(probed, tmp_path).read_text("utf-8")


def test_the_same_trial_makes_the_same_page(led: Trial, tmp_path: Path) -> None:
    pages = [write_page(led, tmp_path / name).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_a_terminal_gets_the_lines_and_the_verdict(perfect: Trial, led: Trial) -> None:
    said = summary(perfect).split("\n")
    assert len(said) == len(BARS) + 1 and said[-1] == "accepted"
    assert re.fullmatch(r"right on natural pairs +100\.0 % +\d\d\.\d % … 100\.0 % +≥ 70\.0 % +accepted", said[0])
    assert summary(led).endswith("\nnot accepted") and "missed" in summary(led)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.123, "share", "12.3\u00a0%"),
        (-0.013, "points", "−1.3"),
        (0.02, "points", "+2.0"),
        (0.5, "margin", "+0.50"),
        (None, "points", "–"),
    ],
)
def test_values_are_written_in_their_unit(value: float | None, unit: str, said: str) -> None:
    assert told(value, unit) == said  # type: ignore[arg-type]
    assert between(Figure(0.5), "share") == "–"


class TestInABrowser:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_the_page_fits_a_desk_and_a_phone(self, browser: Browser, led: Trial, tmp_path: Path, dark: bool) -> None:
        seen = browser.open(write_page(led, tmp_path), 1280, dark=dark)
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
        assert seen.errors == [] and seen.evaluate("document.title") != "owned"
