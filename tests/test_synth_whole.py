"""The whole way with models that really answer: the bundled one, and any GGUF that HER_TEST_GGUF names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from her import cli
from her.markup import parse, render
from her.rows.files import read_rows
from her.rows.record import SceneRow
from her.rows.report import Report
from her.synth.options import STAGES


def reports(folder: Path) -> Iterator[Report]:
    for stage in STAGES[:-1]:
        if stage != "drafts":
            yield Report.model_validate_json((folder / stage / "report.json").read_text("utf-8"))


@pytest.mark.long
@pytest.mark.model
@pytest.mark.parametrize("model", ["mini-base", "HER_TEST_GGUF"])
def test_a_chapter_goes_through_every_stage(
    model: str, her_data: Path, mini_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model != "mini-base":
        model = os.environ.get(model) or pytest.skip("HER_TEST_GGUF names no GGUF file")
    monkeypatch.setenv("HER_THREADS", "2")
    book = her_data / "books" / "pride_and_prejudice.txt"
    arguments = ["--book", str(book), "--chapters", "1", "--model", model, "--out", str(tmp_path / "run")]
    assert cli.run(["synth", "run", *arguments]) in {0, 3}
    for report in reports(tmp_path / "run"):
        assert report.rows_in == report.kept + report.repaired + report.dropped
    came = list(read_rows(tmp_path / "run" / "settings" / "rows.jsonl", SceneRow))
    for row in came:
        for turn in row.turns:
            read = parse(render(turn.turn, name=True), speaker=turn.speaker).turn
            assert read.segments == turn.turn.segments, turn.id
    samples = json.loads((tmp_path / "run" / "samples" / "report.json").read_text("utf-8"))
    assert bool(samples["rows"]["roleplay-sft-plain"]) == bool(came)
    assert (tmp_path / "run" / "report.html").is_file()
