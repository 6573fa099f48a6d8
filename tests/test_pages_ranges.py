"""Figures with intervals, one under the other: each stands where it belongs, as SVG and as PNG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from her.pages.ranges import Range, ranges


class TestRanges:
    ROW = Range("a <b>", "50 %", 0.5, 0.4, 0.6, least=0.7, good=False)

    def test_figures_intervals_and_bars_stand_where_they_belong(self) -> None:
        drawing = ranges(
            [self.ROW, replace(self.ROW, low=None, high=None)], title="T", ends=(0, 1), marks=((0.5, "½"),)
        )
        root = ET.fromstring(drawing.svg)
        circles = [float(one.attrib["cx"]) for one in root.iter() if one.tag.endswith("circle")]
        assert circles == [170.0, 170.0]
        assert len(re.findall(r"M[\d.]+ [\d.]+H[\d.]+", drawing.svg)) == 1
        assert f"M{8 + 0.4 * 324:g} " in drawing.svg and f"M{8 + 0.7 * 324:g} " in drawing.svg
        assert "a &lt;b&gt;" in drawing.svg and drawing.says == "a <b>: 50 %; a <b>: 50 %."

    def test_what_lies_beyond_the_scale_is_drawn_at_its_end(self) -> None:
        drawing = ranges([replace(self.ROW, value=7.0, high=9.0)], title="T", ends=(0, 1), marks=())
        assert 'cx="332.0"' in drawing.svg and "H332.0" in drawing.svg

    def test_nothing_to_show_is_a_sentence(self) -> None:
        assert ranges([replace(self.ROW, value=None)], title="T", ends=(0, 1), marks=()).svg == ""

    def test_a_long_label_does_not_run_into_its_figure(self) -> None:
        told = "61.2 % (58.1 … 64.3)"
        for label in ("a/very/long/path/of/a/model/that/goes/on/and/on/model.gguf", "很长的模型名字" * 9):
            drawing = ranges([replace(self.ROW, label=label, told=told)], title="T", ends=(0, 1), marks=())
            shown = re.findall(r">([^<]*)</text>", drawing.svg)[0]
            assert shown.endswith("…") and len(shown) + len(told) < 58 and label in drawing.says
        whole = ranges([replace(self.ROW, label="x" * 50, told="1")], title="T", ends=(0, 1), marks=()).svg
        assert "x" * 50 + "<" in whole

    def test_it_can_be_a_png_with_every_part_of_it(self, tmp_path: Path) -> None:
        rows = [self.ROW, replace(self.ROW, low=None, high=None, value=9.0, label="$x_1$")]
        data = ranges(rows, title="T", ends=(0, 1), marks=((0.5, "$½"),)).write(tmp_path / "r.png").read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 4000
