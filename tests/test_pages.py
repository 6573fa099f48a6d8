"""Pages: one file that loads nothing, says what it shows, and lets no text become markup."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import Browser
from her.errors import InputError, MissingExtra, StorageError
from her.pages import page as pages
from her.pages.colours import COLOURS, SERIES, variables
from her.pages.flow import BAND, Passing, counted, flow
from her.pages.page import duration, language, number, render, share, visible, write
from her.pages.plots import Line, bars, histogram, lines, quantile
from her.pages.svg import Drawing, framed
from her.pages.tables import MOST, Table, cell, tables
from her.turn import Kind

HOSTILE = (
    '<script>document.title="owned"</script><img src=x onerror="document.title=1">'
    "\"onload=' \u202eevil\u2066 {{ 7*7 }} $x$"
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Structure(HTMLParser):
    """What a page is made of: faults of nesting, attributes, ids, and what points to them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        self.faults += [f"{tag} stays open" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} closes nothing")

    def values(self, name: str) -> list[str]:
        return [value for _, given, value in self.attributes if given == name]


def checked(text: str) -> Structure:
    """The page's structure, once everything holds that holds for every page."""
    found = Structure(text)
    assert found.faults == []
    ids = found.values("id")
    assert [id for id, count in Counter(ids).items() if count > 1] == []
    links = found.values("href")
    assert {link for link in links if not link.startswith("#")} == set(), "a page leads nowhere else"
    assert {link[1:] for link in links} <= set(ids)
    named = {id for value in found.values("aria-labelledby") for id in value.split()}
    assert named <= set(ids)
    assert found.values("src") == [] and found.values("style") == []
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.tags["h1"] == found.tags["main"] == found.tags["style"] == found.tags["script"] == 1
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)\w", re.sub(r"(?m)^// .*$", "", text))
    return found


def made(body: str, **fields: Any) -> str:
    """A page with this body, in the words of a template."""
    source = (
        '{% extends "pages/base.html" %}{% import "pages/parts.html" as parts %}{% block main %}'
        f'<section aria-label="all">{body}</section>{{% endblock %}}'
    )
    return str(pages.environment().from_string(source).render(**{"title": "A page", **fields}))


PLOTS = {
    "bars": bars(["thought · speech", HOSTILE, "中文"], {"a": [1, 2.5, None], "b": [0, -1, 4]}, title="B", unit="%"),
    "histogram": histogram({"a": {1: 4, 2: 9, 300: 1}, "b": {2: 3}}, title="H", unit="words"),
    "lines": lines(
        [Line("loss", [0, 1, 2], [3.0, None, 1.0], [2.5, None, 0.5], [3.5, None, 1.5]), Line("b", [0, 2], [1, 2])],
        title="L",
        x="step",
        y="nats",
    ),
    "flow": flow([Passing("scenes", 5, 2, 1, 2, 3, "passages", "scenes"), Passing("x", 3, 3, 0, 0, 3)], title="F"),
}
KIT = """
{{ parts.figures([("entropy", "2.61", "bits")], "Figures", ("Figure", "Value", "Unit")) }}
{{ parts.facts([("model", text), ("seed", 7)]) }}
{{ parts.note(text, "warning") }}{{ parts.note("plain words") }}
{{ parts.beside([("as it came", text, "en"), ("as it is", "مرحبا بالعالم", "ar")]) }}
{{ parts.legend() }}
{{ parts.layers([("role_thinking", text, true), ("speech", "你好", false)], language) }}
{{ parts.plan(text, language) }}
{{ parts.table(("Layout", "turns"), [(text, 3)], "Layouts") }}
<p data-opens="details.plan" data-names="all plans"></p>
{% for drawing in drawings %}{{ drawing }}{% endfor %}
"""


@pytest.fixture(scope="module")
def kit() -> str:
    return made(KIT, text=HOSTILE, language='en" onclick="x', drawings=list(PLOTS.values()))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


class TestAPage:
    def test_every_part_is_well_formed(self, kit: str) -> None:
        found = checked(kit)
        assert found.tags["svg"] == len(PLOTS)
        assert found.tags["th"] > 4 and found.tags["details"] == 1

    def test_texts_stay_texts(self, kit: str) -> None:
        assert "<script>document" not in kit and "<img" not in kit
        assert 'onclick="x' not in kit and 'lang="und"' in kit
        assert "{{ 7*7 }}" in kit, "a text is no template"
        assert "\u202e" not in kit and "[U+202E]evil[U+2066]" in kit

    def test_the_policy_lets_this_style_and_this_script_through_and_nothing_else(self, kit: str) -> None:
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', kit)
        assert policy is not None
        told = policy[1].replace("&#39;", "'")
        assert told.startswith("default-src 'none'") and "unsafe" not in told
        for tag in ("style", "script"):
            text = re.search(rf"<{tag}>(.*?)</{tag}>", kit, re.DOTALL)
            assert text is not None
            digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in told

    def test_the_same_fields_make_the_same_bytes(self) -> None:
        again = bars(["a"], {"x": [1]}, title="T"), bars(["a"], {"x": [1]}, title="T")
        assert again[0].svg == again[1].svg
        assert made("{{ text }}", text="x") == made("{{ text }}", text="x")

    def test_a_field_that_is_not_given_is_an_error(self) -> None:
        with pytest.raises(pages.environment().undefined("x")._undefined_exception):
            made("{{ nobody }}")

    def test_without_jinja_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jinja2", None)
        pages.environment.cache_clear()
        try:
            with pytest.raises(MissingExtra, match=r"her-roleplay\[pages\]"):
                render("pages/base.html", title="x")
        finally:
            pages.environment.cache_clear()

    def test_importing_pages_loads_nothing_heavy(self) -> None:
        code = "import sys, her.pages.page, her.pages.plots, her.pages.flow; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert not {"jinja2", "matplotlib", "numpy"} & set(loaded)


class TestWriting:
    def test_a_page_is_there_whole_or_not_at_all(self, tmp_path: Path) -> None:
        target = write(tmp_path / "new" / "page.html", "seen \u00e9\n")
        assert target.read_bytes() == "seen \u00e9\n".encode()
        assert [path.name for path in target.parent.iterdir()] == ["page.html"]

    def test_where_nothing_can_be_written_the_place_is_named(self, tmp_path: Path) -> None:
        tmp_path.joinpath("file").write_text("x")
        with pytest.raises(StorageError, match=r"page\.html"):
            write(tmp_path / "file" / "page.html", "text")

    def test_half_a_character_can_be_written_too(self, tmp_path: Path) -> None:
        assert "[U+D83D]" in write(tmp_path / "p.html", made("{{ text }}", text="\ud83d")).read_text("utf-8")


class TestWords:
    @pytest.mark.parametrize(
        ("value", "said"),
        [(None, "–"), (0, "0"), (1234, "1,234"), (92.9, "92.9"), (1.001, "1"), (0.25, "0.25"), (1.2e-5, "1.2e-05")],
    )
    def test_numbers(self, value: float | None, said: str) -> None:
        assert number(value) == said

    def test_shares_and_times(self) -> None:
        assert share(0.1254) == "12.5\u00a0%" and share(None) == "–"
        assert [duration(s) for s in (0.44, 59.0, 81.5, 12_000)] == [
            "0.4\u00a0s",
            "59.0\u00a0s",
            "1\u00a0min 22\u00a0s",
            "3\u00a0h 20\u00a0min",
        ]

    def test_languages(self) -> None:
        assert [language(tag) for tag in ("zh", "en-GB", 'en" x', "", "e", "中")] == ["zh", "en-GB", *["und"] * 4]

    @given(st.text())
    def test_what_is_shown_can_be_seen_and_written(self, text: str) -> None:
        shown = visible(text)
        shown.encode()
        ET.fromstring(f"<a>{shown.replace('&', '').replace('<', '')}</a>")
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)

    def test_ordinary_text_stays_as_it_is(self) -> None:
        text = "Zoë\u200d said: «non» — שָׁלוֹם\u200f\n中文\tnext"
        assert visible(text) == text


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestColours:
    @pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
    @pytest.mark.parametrize("name", [n for n in COLOURS if n not in {"paper", "leaf", "rule", "mark"}])
    def test_text_stands_out_from_what_it_is_written_on(self, name: str, night: bool) -> None:
        for ground in ("paper", "leaf"):
            assert contrast(COLOURS[name][night], COLOURS[ground][night]) >= 4.5
        assert contrast(COLOURS["ink"][night], COLOURS["mark"][night]) >= 4.5

    @pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
    @pytest.mark.parametrize("group", [("plan", "thought", "action", "speech"), SERIES[:3]], ids=["layers", "series"])
    def test_colours_differ_for_eyes_that_miss_red_or_green(self, group: tuple[str, ...], night: bool) -> None:
        # Viénot, Brettel and Mollon 1999: what is left of linear red, green and blue without one kind of cone.
        blind = {
            "protan": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
            "deutan": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
        }
        for matrix in blind.values():
            seen = []
            for name in group:
                colour = COLOURS[name][night]
                linear = [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
                rows = (sum(weight * part for weight, part in zip(row, linear, strict=True)) for row in matrix)
                seen.append([max(part, 0.0) ** (1 / 2.2) for part in rows])
            for one, other in itertools.combinations(seen, 2):
                assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.2

    def test_both_themes_define_every_colour(self) -> None:
        css = variables()
        assert css.count("--paper:") == 2 and css.count("{") == css.count("}")


class TestDrawings:
    @pytest.mark.parametrize("name", PLOTS)
    def test_a_drawing_stands_alone_as_a_file(self, name: str, tmp_path: Path) -> None:
        target = PLOTS[name].write(tmp_path / f"{name}.svg")
        root = ET.fromstring(target.read_text("utf-8"))
        assert root.tag.endswith("svg") and root.attrib["role"] == "img"
        text = target.read_text("utf-8")
        assert "prefers-color-scheme:dark" in text and "currentColor" in text and "var(--series-1)" in text
        assert ' style="' not in text and "font-family=" not in text
        assert "<title" in text and "<desc" in text

    @pytest.mark.parametrize("name", ["bars", "histogram", "lines"])
    def test_a_plot_can_be_a_png(self, name: str, tmp_path: Path) -> None:
        data = PLOTS[name].write(tmp_path / "deep" / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 4000

    def test_a_flow_is_svg_alone(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"write it as \.svg"):
            PLOTS["flow"].write(tmp_path / "flow.png")

    @pytest.mark.parametrize(
        "empty",
        [
            bars([], {"a": []}, title="T"),
            bars(["x"], {"a": [None], "b": [float("nan")]}, title="T"),
            histogram({"a": {}, "b": {3: 0}}, title="T", unit="words"),
            lines([Line("a", [1], [None])], title="T", x="", y=""),
            flow([], title="T"),
        ],
    )
    def test_nothing_to_show_is_a_sentence(self, empty: Drawing, tmp_path: Path) -> None:
        assert empty.svg == "" and empty.__html__().startswith('<p class="empty"><b>T.</b>')
        with pytest.raises(InputError, match="nothing to write"):
            empty.write(tmp_path / "empty.svg")

    def test_labels_are_never_formulas_or_markup(self) -> None:
        drawing = bars(["$\\frac{1}{0}$ <b>&"], {"$x_1$": [1], "b": [2]}, title="<T>", unit="$%$")
        assert "$\\frac{1}{0}$ &lt;b&gt;&amp;" in drawing.svg and "$x_1$" in drawing.svg and "<b>" not in drawing.svg
        assert "&lt;T&gt;" in drawing.__html__()

    def test_a_plot_leaves_the_settings_of_others_alone(self) -> None:
        import matplotlib

        plain = bars(["a"], {"x": [1]}, title="T")
        with matplotlib.rc_context({"font.size": 33, "axes.facecolor": "red"}):
            again = bars(["a"], {"x": [1]}, title="T")
            assert matplotlib.rcParams["font.size"] == 33
        assert again.svg == plain.svg
        assert "matplotlib.pyplot" not in sys.modules

    def test_what_is_drawn_is_told(self) -> None:
        assert PLOTS["bars"].says.startswith("thought · speech: a 1, b 0; ")
        assert PLOTS["lines"].says.startswith("loss: from 3 at 0 to 1 at 2; b: from 1 at 0 to 2 at 2 (nats)")
        assert "a: half of the values are at most 2, the largest is 300" in PLOTS["histogram"].says

    def test_a_long_tail_is_one_last_bar(self) -> None:
        drawing = histogram({"a": {1: 500, 2: 499, 9000: 1}}, title="T", unit="words")
        assert "The last bar holds all from 2" in drawing.says
        assert "9000" not in drawing.svg.partition("</desc>")[2]

    def test_a_legend_of_long_names_stands_in_a_column_and_leaves_the_axes_their_width(self) -> None:
        for length, rows in ((4, 1), (28, 3)):
            drawing = lines([Line(name * length, [1, 2], [1, 2]) for name in "abc"], title="T", x="", y="")
            heights = re.findall(r'<text x="[\d.]+" y="([\d.]+)"[^>]*>(?:a+|b+|c+)<', drawing.svg)
            assert len(heights) == 3 and len(set(heights)) == rows

    def test_lengths_have_to_agree(self) -> None:
        with pytest.raises(InputError, match="2 values for 1 labels"):
            bars(["a"], {"x": [1, 2]}, title="T")
        for wrong in (([1], [1, 2], (), ()), ([1], [1], [0], ())):
            with pytest.raises(InputError, match="equally long"):
                Line("x", *wrong)

    def test_without_matplotlib_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(MissingExtra, match=r"her-roleplay\[pages\]"):
            bars(["a"], {"x": [1]}, title="T")

    @given(st.dictionaries(st.integers(0, 50), st.integers(1, 5), min_size=1), st.floats(0.01, 1))
    def test_quantiles_are_those_of_the_values_themselves(self, counts: dict[int, int], part: float) -> None:
        values = sorted(value for value, count in counts.items() for _ in range(count))
        found = quantile(counts, part)
        assert sum(value <= found for value in values) >= part * len(values) - 1e-9
        assert sum(value < found for value in values) < part * len(values) + 1e-9

    def test_a_frame_escapes_its_words(self) -> None:
        assert (
            "&lt;T&gt;" in framed("", (1, 2), "<T>", '"')
            and ET.fromstring(framed("<g/>", (1, 2), "<T>", "&")) is not None
        )


class TestTheFlow:
    def test_bands_are_as_wide_as_there_are_rows(self) -> None:
        widths = re.findall(r'<rect x="[\d.]+" y="8.0" width="([\d.]+)"', PLOTS["flow"].svg)
        assert [float(width) for width in widths] == pytest.approx([BAND * n / 5 for n in (2, 1, 2)], abs=0.01)

    def test_counts_stand_in_words_too(self) -> None:
        assert PLOTS["flow"].says == (
            "scenes: 5 passages in, 3 scenes out, 2 kept, 1 repaired, 2 dropped; "
            "x: 3 rows in, 3 rows out, 3 kept, 0 repaired, 0 dropped."
        )
        assert counted(1, "scenes") == "1 scene" and counted(1204, "rows") == "1,204 rows"

    def test_a_few_among_many_can_still_be_seen(self) -> None:
        drawing = flow([Passing("s", 100_000, 99_999, 0, 1, 2_000_000)], title="T")
        widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', drawing.svg)]
        assert widths[-1] >= 1 and max(widths) <= BAND

    def test_a_stage_without_rows_is_drawn(self) -> None:
        drawing = flow([Passing("<s>", 0, 0, 0, 0, 0)], title="T")
        assert "<rect" not in drawing.svg and "&lt;s&gt;" in drawing.svg


class TestTables:
    def test_each_shape_has_its_table(self) -> None:
        report = {
            "seed": 7,
            "scenes": {"sft": 2, "test": 1},
            "rows": {"roleplay": {"train": 11}, "test": {"test": 4}},
            "books": [{"title": "A", "scenes": 2, "sha": "x"}, {"title": "B", "scenes": None, "sha": "y"}],
            "deep": {"one": {"inner": {"a": 1}}, "two": {"inner": {"b": "x"}}},
            "none": {},
        }
        found = list(tables(report, "R"))
        assert found[0] == Table("R", ("", ""), (("seed", "7"),))
        assert found[1] == Table("R: scenes", ("", ""), (("sft", "2"), ("test", "1")))
        assert found[2] == Table("R: rows", ("", "train", "test"), (("roleplay", "11", "–"), ("test", "–", "4")))
        assert found[3] == Table("R: books", ("title", "scenes"), (("A", "2"), ("B", "–")))
        assert [table.caption for table in found[4:]] == ["R: deep, one: inner", "R: deep, two: inner"]

    def test_long_lists_say_how_much_they_leave_out(self) -> None:
        (table,) = tables({"x": [{"n": str(n)} for n in range(MOST + 5)]}, "R")
        assert len(table.rows) == MOST + 1 and table.rows[-1] == ("and 5 more",)
        assert cell(list(range(10))) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        )
    )
    def test_any_json_has_tables_with_even_rows(self, value: Any) -> None:
        for table in tables({"x": value}, "R"):
            assert {len(row) for row in table.rows} <= {len(table.heads)}
            assert 1 <= table.words <= len(table.heads)
            json.dumps(table.rows)


class TestInABrowser:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_every_part_fits_a_desk_and_a_phone(self, browser: Browser, kit: str, tmp_path: Path, dark: bool) -> None:
        seen = browser.open(write(tmp_path / "kit.html", kit), 1280, dark=dark)
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
        assert seen.errors == []
        assert seen.evaluate("document.title") == "A page"
        paper = tuple(int(COLOURS["paper"][dark][at : at + 2], 16) for at in (1, 3, 5))
        assert seen.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb{paper}"

    def test_a_script_that_somebody_slips_in_does_not_run(self, browser: Browser, kit: str, tmp_path: Path) -> None:
        slipped = kit.replace("</body>", "<script>document.title = 'owned'</script><p style='color: red'>x</p></body>")
        seen = browser.open(write(tmp_path / "slipped.html", slipped))
        assert seen.evaluate("document.title") == "A page"
        assert any("script" in error for error in seen.errors) and any("style" in error for error in seen.errors)

    def test_plans_open_and_close_together(self, browser: Browser, kit: str, tmp_path: Path) -> None:
        seen = browser.open(write(tmp_path / "kit.html", kit))
        count = "document.querySelectorAll('details.plan[open]').length"
        label = "document.querySelector('button').textContent"
        assert (seen.evaluate(count), seen.evaluate(label)) == (0, "Open all plans")
        seen.evaluate("document.querySelector('button').click()")
        assert (seen.evaluate(count), seen.evaluate(label)) == (1, "Close all plans")

    def test_arabic_runs_from_right_to_left(self, browser: Browser, kit: str, tmp_path: Path) -> None:
        seen = browser.open(write(tmp_path / "kit.html", kit))
        assert seen.evaluate("getComputedStyle(document.querySelector('.prose:lang(ar)')).direction") == "rtl"

    def test_layers_differ_in_more_than_colour(self, browser: Browser, tmp_path: Path) -> None:
        seen = browser.open(write(tmp_path / "legend.html", made("{{ parts.legend() }}")))
        for kind in Kind:
            name, word = pages.KINDS[kind]
            assert seen.evaluate(f"document.querySelector('.layer.{name} dt').textContent") == word
        style = "(one => getComputedStyle(document.querySelector(`.layer.${one} dd`)))"
        assert seen.evaluate(f"{style}('thought').fontStyle") == "italic"
        assert seen.evaluate(f"{style}('plan').fontFamily") != seen.evaluate(f"{style}('speech').fontFamily")
        assert seen.evaluate("getComputedStyle(document.querySelector('.action dd'), '::before').content") == '"("'
