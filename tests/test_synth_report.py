"""The report of a run of synthesis and the example page: true figures, whole pages, seen in a real browser."""

from __future__ import annotations

import io
import json
import random
import re
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import Browser, Seen
from her.errors import InputError
from her.rows.record import Evidence, Refusal, SceneRow, Source, TurnRow
from her.rows.report import Quarantined
from her.scene import Character
from her.synth.reports.beside import is_of, paired, scene_view
from her.synth.reports.example import LEAD, Planted, Preface, write_example
from her.synth.reports.measures import EXAMPLES, SAMPLES, markdown, measure, spread, summary, wrong
from her.synth.reports.page import TURNS, flow_svg, write_report
from her.synth.reports.run_folder import RunFolder
from her.turn import ENVIRONMENT, Kind
from synth_run import (
    ACTION,
    AUSTEN,
    FERRY,
    LOST,
    NIGHT,
    PLAN,
    SPEECH,
    THOUGHT,
    book,
    ferry_row,
    make_run,
    pride_row,
    report,
    rows_file,
    source,
    spoken,
    turn,
)
from test_pages import checked

TEXTS = {"pride-and-prejudice": AUSTEN, "the-ferry": NIGHT}
EVIL = '</dd><script>document.title="owned"</script><img src=x onerror=alert(1)>" onload="x \u202eevil\u2069'


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def small(id: str, *turns: TurnRow, slug: str = "b", refused: tuple[Refusal, ...] = (), **more: object) -> SceneRow:
    """A row with one character, Ann."""
    turns = turns or (turn("t01", "Ann", (SPEECH, "Yes.")),)
    fields = {"id": id, "title": "A", "source": Source(book=slug, slug=slug), "cast": (Character(name="Ann"),)}
    return SceneRow(**{**fields, "turns": turns, "refused": refused, **more})  # type: ignore[arg-type]


class TestMeasures:
    def test_layouts_before_and_after_are_counted_over_characters_alone(self) -> None:
        found = measure([pride_row(), ferry_row()])
        before, after = found.before.all_layouts, found.after.all_layouts
        assert dict(before.counts) == {"speech": 13, "action": 1}
        assert before.longest_run == 9 and before.turns == after.turns == 14
        assert after.counts[0] == ("speech", 4) and after.distinct == 7
        assert before.entropy is not None and after.entropy is not None and before.entropy < 0.4 < after.entropy

    def test_a_row_that_nothing_has_changed_is_the_same_before_and_after(self) -> None:
        found = measure([small("a", turn("t01", "Ann", (THOUGHT, "one two"), (SPEECH, "three")))])
        assert found.before.figures() == found.after.figures()
        assert found.after.words[THOUGHT] == {2: 1} and found.after.words[SPEECH] == {1: 1}

    def test_the_longest_run_never_goes_from_one_scene_into_the_next(self) -> None:
        assert measure([small("a"), small("b"), small("c")]).after.all_layouts.longest_run == 1

    def test_the_environment_has_no_layout(self) -> None:
        row = small("a", turn("t01", ENVIRONMENT, (SPEECH, "Rain.")), turn("t02", "Ann", (SPEECH, "Oh.")))
        found = measure([row])
        assert found.after.all_layouts.turns == 1 and found.turns["b"] == 2

    def test_words_are_counted_by_turn_and_layer(self) -> None:
        parts = ((PLAN, "a b c"), (SPEECH, "one"), (ACTION, "x y"), (SPEECH, "two three"))
        found = measure([small("a", turn("t01", "Ann", *parts))]).after
        assert {kind: dict(found.words[kind]) for kind in Kind} == {
            PLAN: {3: 1},
            THOUGHT: {},
            ACTION: {2: 1},
            SPEECH: {3: 1},
        }

    def test_stock_phrases_are_a_rate_over_all_words(self) -> None:
        stale = small("a", turn("t01", "Ann", (SPEECH, "I felt a pang of it. " + "word " * 14)))
        plain = small("b", turn("t01", "Ann", (SPEECH, "word " * 80)))
        assert measure([stale, plain]).after.stock_rate(*Kind) == pytest.approx(10)
        assert measure([small("c", language="fr")]).after.stock_rate(*Kind) is None

    def test_spreads(self) -> None:
        found = spread({1: 8, 10: 1, 100: 1})
        assert (found.count, found.mean, found.median, found.p90, found.most) == (10, 11.8, 1, 10, 100)
        assert spread({}).median is None

    def test_rows_are_read_once_and_forgotten(self) -> None:
        refused = tuple(Refusal(stage="s", reason="length", where=f"t{n}") for n in range(5))
        alive: list[weakref.ref[SceneRow]] = []
        most = 0

        def rows() -> Iterator[SceneRow]:
            nonlocal most
            for number in range(400):
                row = small(f"b/{number}", slug=f"b{number % 3}", refused=refused)
                alive.append(weakref.ref(row))
                most = max(most, sum(one() is not None for one in alive))
                yield row

        found = measure(rows())
        assert most <= 3 and found.scenes.total() == 400
        assert {len(own) for own in found.firsts.values()} == {SAMPLES}
        assert len(found.examples[("s", "length")]) == EXAMPLES

    def test_scenes_to_read_are_spread_over_books_whatever_the_order(self) -> None:
        rows = [
            small(f"{slug}/{n}", slug=slug) for slug, count in (("a", 50), ("b", 2), ("c", 1)) for n in range(count)
        ]
        chosen = measure(rows).chosen()
        random.Random(3).shuffle(rows)
        assert measure(rows).chosen() == chosen and len(set(chosen)) == SAMPLES
        assert {id[0] for id in chosen} == {"a", "b", "c"}


class TestTheSummary:
    def test_every_figure_of_a_run_is_there_for_machines(self, run: Path) -> None:
        found = json.loads(json.dumps(summary(run), allow_nan=False))
        assert [stage["stage"] for stage in found["stages"]] == [
            "scenes",
            "profiles",
            "role-thinking",
            "system-thinking",
            "settings",
        ]
        assert (found["measured"], found["scenes"], found["turns"]) == ("settings", 2, 15)
        assert found["books"][0] == {"book": "Pride and Prejudice", "scenes": 1, "turns": 11}
        assert (
            found["after"]["layouts"]["longest_run"] == 3 and found["after"]["words"]["system_thinking"]["count"] == 8
        )
        assert found["sampled"] == {"rows_in": 2, "kept": 2, "repaired": 0, "dropped": 0, "rows_out": 15}
        assert found["languages"] == {"en": 11, "zh": 3}

    def test_gates_name_what_they_kept_out(self, run: Path) -> None:
        gates = {(one["stage"], one["reason"]): one for one in summary(run)["gates"]}
        first = gates["role-thinking", "mind-read"]
        assert (first["asked_again"], first["left_out"], first["rows_dropped"]) == (3, 1, 0)
        assert "has not shown" in first["examples"][0]
        assert gates["role-thinking", "words-changed"]["examples"] == [f"{LOST.id}: {LOST.detail}"]
        assert gates["role-thinking", "schema"]["examples"] == [f"{LOST.id} t01: the answer was not JSON"]
        assert gates["scenes", "length"]["rows_dropped"] == 2

    def test_a40_rows_are_lost_without_a_word(self, run: Path) -> None:
        found = summary(run)
        for stage in found["stages"]:
            told = sum(one["rows_dropped"] for one in found["gates"] if one["stage"] == stage["stage"])
            assert told == stage["dropped"] == stage["rows_in"] - stage["kept"] - stage["repaired"]
        page = write_report(run).read_text("utf-8")
        assert LOST.detail in page and "words-changed" in page

    def test_counts_that_do_not_add_up_are_said(self, run: Path) -> None:
        assert wrong(summary(run)) == []
        place = run / "profiles" / "report.json"
        place.write_text(report("profiles", rows_in=9).model_dump_json())
        assert "9 rows went in" in wrong(summary(run))[0]
        assert 'class="note warning"' in write_report(run).read_text("utf-8")

    def test_a_table_for_documents(self, run: Path) -> None:
        lines = markdown(summary(run)).splitlines()
        assert lines[0].startswith("| stage | in | kept") and lines[4].startswith(
            "| role-thinking | 3 | 1 | 1 | 1 | 2 | 8 |"
        )
        assert lines[-1].startswith("| samples | 2 | 2 | 0 | 0 | 15 |")
        assert len({line.count("|") for line in lines}) == 1

    def test_a_flow_for_documents(self, run: Path) -> None:
        root = ET.fromstring(flow_svg(summary(run)))
        said = root.findtext("{http://www.w3.org/2000/svg}desc") or ""
        assert "scenes: 5 passages in, 3 scenes out, 2 kept, 1 repaired, 2 dropped" in said
        assert "samples: 2 scenes in, 15 rows out" in said


class TestRunsThatAreNotWhole:
    def test_a_folder_without_a_run_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no run of `her synth`"):
            write_report(tmp_path)

    def test_a_run_that_has_only_begun_has_a_page(self, tmp_path: Path) -> None:
        (tmp_path / "scenes").mkdir()
        page = write_report(tmp_path).read_text("utf-8")
        checked(page)
        for sentence in ("No scene has come through yet.", "No stage has run yet.", "Nothing was refused."):
            assert sentence in page
        with pytest.raises(InputError, match="No stage has run yet"):
            flow_svg(summary(tmp_path))

    def test_the_last_stage_that_made_rows_is_the_one_that_is_read(self, run: Path) -> None:
        for stage in ("settings", "system-thinking"):
            (run / stage / "rows.jsonl").unlink()
            (run / stage / "report.json").unlink()
        (run / "samples" / "report.json").unlink()
        found = summary(run)
        assert found["measured"] == "role-thinking" and len(found["stages"]) == 3
        assert found["samples"] == {} and found["sampled"] is None
        assert "No samples have been made yet." in write_report(run).read_text("utf-8")

    def test_a_stage_from_which_nothing_came(self, run: Path) -> None:
        (run / "settings" / "rows.jsonl").write_text("")
        checked(write_report(run).read_text("utf-8"))
        assert summary(run)["after"]["layouts"]["entropy"] is None

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("profiles/report.json", "{", r"profiles/report\.json: not JSON"),
            ("profiles/report.json", '{"stage": "profiles"}', r"profiles/report\.json: model: "),
            ("run.json", "[1]", r"run\.json: holds no object"),
            ("settings/rows.jsonl", '{"id": ""}\n', r"rows\.jsonl, line 1 is no SceneRow"),
        ],
    )
    def test_a_broken_file_is_named(self, run: Path, name: str, text: str, said: str) -> None:
        (run / name).write_text(text)
        with pytest.raises(InputError, match=said):
            write_report(run)

    def test_a_book_that_is_gone_is_noted_and_its_scenes_stand_alone(self, run: Path) -> None:
        (run / "books" / "the-ferry.txt").unlink()
        text = write_report(run).read_text("utf-8")
        checked(text)
        assert "渡口: its text is not with the run any more" in text and "灯晃了一下" not in text

    def test_a_samples_report_of_any_shape_is_shown(self, run: Path) -> None:
        (run / "samples" / "report.json").write_text(json.dumps({"new": {"a": {"b": {"c": [1, {"d": None}]}}}, "n": 1}))
        checked(write_report(run).read_text("utf-8"))
        assert summary(run)["sampled"] is None


class TestBesideTheNovel:
    def test_turns_stand_with_their_paragraphs(self) -> None:
        pairs = paired(pride_row(), AUSTEN, "s")
        homes = {shown.number: "".join(one.text for one in pair.novel) for pair in pairs for shown in pair.turns}
        assert homes[1].startswith("“My dear Mr. Bennet,”") and homes[4].endswith("his wife impatiently.")
        assert homes[2] == "Mr. Bennet replied that he had not.", "a turn without words has the paragraph between"

    def test_the_words_of_a_turn_are_marked_and_numbered_where_they_end(self) -> None:
        (pair,) = (pair for pair in paired(pride_row(), AUSTEN, "s") if any(turn.number == 1 for turn in pair.turns))
        marked = [one.text for one in pair.novel if one.spoken]
        assert marked == ["My dear Mr. Bennet,", "have you heard that Netherfield Park is let at last?"]
        assert [one.anchor for one in pair.novel if one.anchor] == ["s-words-1"] and pair.turns[0].back == "s-words-1"
        (end,) = (one for one in pair.novel if one.ends == 1)
        assert end.text == "”", "the number stands after the closing quotation mark"

    def test_what_a_stage_wrote_in_is_marked_and_what_came_is_not(self) -> None:
        shown = {turn.number: turn for pair in paired(pride_row(), AUSTEN, "s") for turn in pair.turns}
        assert shown[2].segments == (
            (THOUGHT, "I have been told it twice on the way from the stable, but she likes to be first.", True),
            (ACTION, "shakes his head: he has heard nothing of it", False),
        )
        assert shown[2].plan.startswith("He knows exactly") and shown[2].came[0][0] is ACTION
        assert not any(added for _, _, added in paired(small("a"), None, "s")[0].turns[0].segments)

    def test_refusals_stand_with_their_turn_and_the_others_with_the_scene(self) -> None:
        view = scene_view(pride_row(), AUSTEN, "s")
        beside = {shown.number: [one.reason for one in shown.refused] for pair in view.pairs for shown in pair.turns}
        assert {number: reasons for number, reasons in beside.items() if reasons} == {
            4: ["mind-read"],
            11: ["foresight"],
        }
        assert [one.reason for one in view.refused] == ["quote-not-found"]

    def test_another_text_is_not_put_beside_the_scene(self) -> None:
        row = pride_row()
        assert is_of(row, AUSTEN) and not is_of(row, AUSTEN + " ") and not is_of(row, None)
        assert [pair.novel for pair in paired(row, AUSTEN.replace("Netherfield", "Rosings"), "s")] == [()]
        assert not scene_view(row, None, "s").has_novel

    def test_a_long_scene_is_cut_after_a_turn(self) -> None:
        view = scene_view(pride_row(), AUSTEN, "s", 5)
        shown = [turn.number for pair in view.pairs for turn in pair.turns]
        assert shown == [1, 2, 3, 4, 5] and (view.shown, view.left) == (5, 6)
        assert "".join(one.text for one in view.pairs[-1].novel).startswith("“You want to tell me")

    @given(
        st.lists(st.lists(st.tuples(st.integers(-5, 130), st.integers(-5, 130)), max_size=3), min_size=1, max_size=8),
        st.integers(0, 60),
        st.integers(60, 140),
    )
    def test_no_word_of_the_novel_and_no_turn_is_lost(
        self, spans: list[list[tuple[int, int]]], start: int, end: int
    ) -> None:
        of = book("b", "B", "", "zh", NIGHT)
        turns = (turn(f"t{n}", "Ann", (SPEECH, "x"), spans=own) for n, own in enumerate(spans))
        place = source(of).model_copy(update={"start": start, "end": end})
        pairs = paired(small("a", *turns).model_copy(update={"source": place}), NIGHT, "s")
        assert [turn.number for pair in pairs for turn in pair.turns] == list(range(1, len(spans) + 1))
        words = "".join(one.text for pair in pairs for one in pair.novel)
        assert words == NIGHT[start:end].replace("\n\n", "").strip("\n")
        anchors = [one.anchor for pair in pairs for one in pair.novel if one.anchor]
        backs = [turn.back for pair in pairs for turn in pair.turns if turn.back]
        assert sorted(anchors) == sorted(backs) and len(set(anchors)) == len(anchors)


def evil_row() -> SceneRow:
    """A row in which every text that can be hostile is."""
    name = "Ann\" onclick='x' <b>"
    refused = (
        Refusal(stage=EVIL, reason=EVIL, where="t01", detail=EVIL),
        Refusal(stage=EVIL, reason=EVIL, where=EVIL, detail=EVIL),
    )
    said = turn("t01", name, *((kind, EVIL) for kind in Kind), to=[name])
    cast = (Character(name=name, profile=EVIL, background=EVIL, motivation=EVIL, opening_thought=EVIL),)
    where = Source(book=EVIL, author=EVIL, slug="../x", chapter=EVIL)
    fields = {"title": EVIL, "language": '"><script>', "source": where, "setting": EVIL, "cast": cast}
    return small("e", said, refused=refused, **fields).model_copy(update={"id": EVIL})


def evil_example(target: Path) -> Path:
    """An example page in which every text that can be hostile is."""
    row = evil_row()
    evidence = Evidence(field=EVIL, name=EVIL, text=EVIL, quote=EVIL, start=0, end=1)
    row = row.model_copy(update={"evidence": (evidence,)})
    planted = [Planted(row.id, EVIL, one) for one in row.refused]
    lost = [Quarantined(stage=EVIL, id=EVIL, number=1, reason=EVIL, detail=EVIL)]
    return write_example([row], lost, {}, target, preface=Preface(EVIL, EVIL, (EVIL, EVIL)), planted=planted)


def scripts_in(page: str) -> int:
    return page.count("<script")


class TestHostileTexts:
    def test_nothing_in_a_row_becomes_markup(self, tmp_path: Path, browser: Browser) -> None:
        make_run(tmp_path / "run", [evil_row()])
        (tmp_path / "run" / "run.json").write_text(json.dumps({EVIL: EVIL, "x": {EVIL: EVIL}, "y": [{EVIL: EVIL}]}))
        pages = [write_report(tmp_path / "run"), evil_example(tmp_path / "example.html")]
        for page in pages:
            text = page.read_text("utf-8")
            checked(text)
            assert scripts_in(text) == 1 and "<img" not in text and "\u202e" not in text
            seen = browser.open(page)
            assert seen.errors == [] and seen.evaluate("document.title") != "owned"
            assert seen.evaluate("document.querySelectorAll('dd script, [onclick], [onload], img').length") == 0


def colours(png: bytes) -> int:
    """How many colours a picture has."""
    from PIL import Image

    found = Image.open(io.BytesIO(png)).convert("RGB").getcolors(1 << 24)
    return len(found or ())


def planted(where: str, *, row: str = "pride-and-prejudice/1/3", mended: bool = False) -> Planted:
    """An error planted in turn or field `where`."""
    said = Refusal(stage="role-thinking", reason="mind-read", where=where, detail=f"the gate's word on {where}")
    return Planted(row, f"a mind read in {where}", said, mended)


class TestPlantedErrors:
    def test_each_stands_with_its_turn_or_with_the_scene_and_in_the_table(self, tmp_path: Path) -> None:
        errors = [planted("t02"), planted("Mr. Bennet/1"), planted("t05", mended=True)]
        page = write_example([pride_row(), ferry_row()], [], TEXTS, tmp_path / "page.html", planted=errors)
        text = page.read_text("utf-8")
        checked(text)
        beside = re.findall(r'</article>\s*<p class="refusal planted">.*?a mind read in (\S+)</span>', text)
        assert beside == ["t02", "t05"] and text.count('class="refusal planted"') == 3
        whole = text.index("Planted, in the scene as a whole")
        assert whole < text.index("a mind read in Mr. Bennet/1") < text.index('id="scene-2"')
        table = text[text.index('class="planted-errors"') :]
        ends = re.findall(r'<a href="#(scene-[\w-]+)">', table)
        assert ends == ["scene-1-turn-2", "scene-1-turn-5", "scene-1"] and all(f'id="{end}"' in text for end in ends)
        assert table.count("left out") == 2 and table.count("mended when asked again") == 1

    def test_a_page_without_them_does_not_speak_of_them(self, tmp_path: Path) -> None:
        text = write_example([pride_row()], [], TEXTS, tmp_path / "page.html").read_text("utf-8")
        assert 'class="planted-errors"' not in text and "What the gates refuse" not in text

    def test_one_in_a_scene_that_is_not_shown_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="'elsewhere', which is not shown"):
            write_example([pride_row()], [], TEXTS, tmp_path / "page.html", planted=[planted("t01", row="elsewhere")])

    def test_the_table_fits_a_phone(self, browser: Browser, tmp_path: Path) -> None:
        page = write_example([pride_row()], [], TEXTS, tmp_path / "page.html", planted=[planted("t02"), planted("t03")])
        seen = browser.open(page, 360)
        width = "document.querySelector('.planted-errors').getBoundingClientRect().width"
        assert seen.overflow() == [] and seen.errors == [] and seen.evaluate(width) <= 360
        assert visible(seen, ".planted-errors td") == 8


def visible(seen: Seen, selector: str) -> int:
    """How many elements of this kind can be seen."""
    return int(seen.evaluate(f"[...document.querySelectorAll('{selector}')].filter(e => e.checkVisibility()).length"))


class TestTheExamplePage:
    @pytest.fixture
    def page(self, tmp_path: Path) -> Path:
        return write_example([pride_row(), ferry_row()], [LOST], TEXTS, tmp_path / "example.html")

    def test_novel_scene_minds_plans_and_refusals_are_there_without_a_script(self, page: Path) -> None:
        text = page.read_text("utf-8")
        found = checked(text)
        for said in ("in want of a wife", "Five of them, and not one engaged", "comes in with her bonnet still on"):
            assert said in text
        assert "Mrs. Bennet has run home with the news" in text and "states as a fact what Mr. Bennet" in text
        assert LOST.detail in text and "heard by" in text
        assert found.tags["mark"] == 15 and found.tags["article"] == 15
        assert text.count('lang="zh"') > 20 and 'lang="en"' in text

    def test_it_is_the_same_page_every_time(self, page: Path, tmp_path: Path) -> None:
        again = write_example([pride_row(), ferry_row()], [LOST], TEXTS, tmp_path / "again.html")
        assert again.read_bytes() == page.read_bytes()

    def test_the_preface_says_where_the_words_come_from(self, page: Path, tmp_path: Path) -> None:
        preface = Preface("A ferry", about=("Written for a test.", "By nobody."))
        text = write_example([ferry_row()], [], TEXTS, tmp_path / "own.html", preface=preface).read_text("utf-8")
        assert "<title>A ferry</title>" in text and text.count('class="about"') == 2 and "By nobody." in text
        assert LEAD in text and 'class="about"' not in page.read_text("utf-8")

    def test_figures_tell_what_was_written_in(self, page: Path) -> None:
        figures = re.search(r'<h2 id="figures">.*?</table>', page.read_text("utf-8"), re.DOTALL)
        assert figures is not None and "2 scenes with 15 turns" in figures[0]
        assert re.search(r"orders of thought, deed and speech</th><td[^>]*>2</td><td[^>]*>7</td>", figures[0])

    def test_what_was_added_stands_with_the_words_that_support_it(self, tmp_path: Path) -> None:
        one = Evidence(
            field="profile", name="Mr. Bennet", text="He is patient.", quote="made no answer", start=0, end=1
        )
        row = pride_row().model_copy(update={"evidence": (one,)})
        text = write_example([row], [], TEXTS, tmp_path / "example.html").read_text("utf-8")
        assert 'He is patient.</span> <q dir="auto" lang="en">made no answer</q>' in text

    def test_no_scenes_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="at least one scene"):
            write_example([], [], {}, tmp_path / "example.html")

    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_every_layer_is_seen_on_a_desk_and_on_a_phone(self, browser: Browser, page: Path, dark: bool) -> None:
        seen = browser.open(page, 1280, dark=dark)
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
            for kind in (".plan p", ".thought dd", ".action dd", ".speech dd", ".novel p", ".refusal"):
                assert visible(seen, f".scene {kind}") >= 2, kind
            assert colours(seen.picture()) > 50
        assert seen.errors == []

    def test_the_novel_stands_left_of_its_turns_and_above_them_on_a_phone(self, browser: Browser, page: Path) -> None:
        seen = browser.open(page)
        place = (
            "(() => { const pair = document.querySelector('#scene-1-turn-1').closest('.pair');"
            "const box = one => pair.querySelector(one).getBoundingClientRect();"
            "const [novel, turn] = [box('.novel p'), box('.turn')];"
            "return [turn.left > novel.right, Math.abs(turn.top - novel.top) < 8, turn.top >= novel.bottom] })()"
        )
        assert seen.evaluate(place) == [True, True, False]
        seen.resize(360)
        assert seen.evaluate(place) == [False, False, True]

    def test_a_number_leads_to_its_turn_and_back(self, browser: Browser, page: Path) -> None:
        seen = browser.open(page)
        ends = "[...document.querySelectorAll('.ref')].map(a => [a.hash, document.querySelector(a.hash).tagName])"
        links = seen.evaluate(ends)
        assert len(links) == 13 and {tag for _, tag in links} == {"ARTICLE"}
        backs = "[...document.querySelectorAll('.count a')].map(a => document.querySelector(a.hash).tagName)"
        assert set(seen.evaluate(backs)) == {"MARK"}

    def test_on_paper_every_plan_is_open(self, browser: Browser, page: Path) -> None:
        seen = browser.open(page)
        assert visible(seen, ".plan p") == 2
        seen.resize(800, print_=True)
        assert visible(seen, ".plan p") == 8


class TestTheReportPage:
    def test_every_part_is_on_the_page(self, run: Path) -> None:
        text = write_report(run).read_text("utf-8")
        found = checked(text)
        assert found.tags["svg"] == 6 and 'id="layouts"' in text
        for said in (
            "2 scenes with 15 turns out of 2 books",
            "thought · action · speech",
            "foresight",
            "cases",
            "62,000 in",
        ):
            assert said in text
        assert f"The first {TURNS} of 11 turns." in text
        assert write_report(run).read_text("utf-8") == text, "the same run makes the same page"

    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_it_is_read_on_a_desk_and_on_a_phone(self, browser: Browser, run: Path, dark: bool) -> None:
        seen = browser.open(write_report(run), 1280, dark=dark)
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
            assert visible(seen, "svg") == 6 and visible(seen, ".sample .came dd") > 4
            assert colours(seen.picture()) > 50
        assert seen.errors == []

    def test_text_in_plots_has_the_colour_of_the_night(self, browser: Browser, run: Path) -> None:
        seen = browser.open(write_report(run), dark=True)
        fills = seen.evaluate("[...document.querySelectorAll('.plot text')].map(t => getComputedStyle(t).fill)")
        assert fills and all(sum(map(int, re.findall(r"\d+", fill))) > 300 for fill in fills)

    def test_one_book_gives_the_page_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "books").mkdir()
        rows_file(tmp_path / "scenes" / "rows.jsonl", [ferry_row()])
        assert f"<h1>Scenes of {FERRY.title}</h1>" in write_report(tmp_path).read_text("utf-8")
        assert RunFolder(tmp_path).reports == ()


def test_spans_of_the_sample_run_are_the_words_that_are_spoken() -> None:
    for row, text in ((pride_row(), AUSTEN), (ferry_row(), NIGHT)):
        for own in row.turns:
            words = " ".join(text[start:end] for start, end in own.spans)
            assert not own.spans or words in {piece.text for piece in own.segments}
    assert spoken(NIGHT, "我可以等。") == ferry_row().turns[2].spans
