"""The blind sheet: what its readers see, and what their marks come to."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from her.errors import InputError
from her.rows.files import read_rows

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import blind_sheet
from blind_sheet import GOLD, MARKS, SHUFFLED, Mark, Shown

SOURCES = (GOLD, "mini", "base", "other", SHUFFLED)


def shown(prompts: int = 50) -> list[Shown]:
    return [
        Shown(prompt=n, reply=letter, source=source, scene=f"scene {n // 2}", seen=n % 2 == 0, text="")
        for n in range(1, prompts + 1)
        for letter, source in zip("ABCDE", SOURCES, strict=True)
    ]


def marks(rows: list[Shown], *good: str) -> dict[tuple[int, str], Mark]:
    """A reader who finds the replies of these sources good and all others bad."""
    return {
        (row.prompt, row.reply): Mark(prompt=row.prompt, reply=row.reply, **dict.fromkeys(MARKS, row.source in good))
        for row in rows
    }


def test_prompts_are_of_both_halves_and_no_first_turns() -> None:
    for split, seen in (("test", False), ("train", True)):
        prompts = list(blind_sheet.chosen(split, seen=seen, first=1, rng=random.Random(1)))
        assert [prompt.number for prompt in prompts] == list(range(1, 26))
        assert len({prompt.place.sample.id for prompt in prompts}) == 25
        assert len({prompt.place.sample.scene for prompt in prompts}) == 12
        for prompt in prompts:
            here, there = prompt.place, prompt.elsewhere
            assert (here.sample.scene, here.speaker) == (there.sample.scene, there.speaker)
            assert here.sample.id != there.sample.id
            assert any(turn.speaker == here.speaker for turn in here.earlier)


def test_a_part_gives_away_none_of_its_answers() -> None:
    prompts = list(blind_sheet.chosen("test", seen=False, first=1, rng=random.Random(1)))
    for part in (1, 2, 3):
        asked = [prompt.place for prompt in prompts if prompt.part == part]
        assert len({place.sample.scene for place in asked}) == len(asked) > 0
        golds = [blind_sheet.heard(place.read(place.gold).turn) for place in asked]
        histories = [blind_sheet.heard(turn) for place in asked for turn in place.earlier]
        assert not set(golds) & set(histories)


def test_readers_see_no_thought_and_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replies(journal: Path, address: str, prompts: list[blind_sheet.Prompt]) -> dict[str, str]:
        name = f"<role_thinking>secret of {address}</role_thinking><role_action>nods</role_action>Words {address}."
        return {p.place.sample.id: f"<system_thinking>plot</system_thinking>{p.place.speaker}: {name}" for p in prompts}

    monkeypatch.setattr(blind_sheet, "replies", replies)
    blind_sheet.make_sheet(tmp_path, {"mini": "one", "base": "two", "other": "three"})
    sheet = "".join(path.read_text("utf-8") for path in tmp_path.glob("sheet-?.md"))
    rows = list(read_rows(tmp_path / "replies.jsonl", Shown))
    assert len(rows) == 250
    assert sheet.count("## Prompt ") == 50
    assert sheet.count('*nods* "Words one."') == 100, "mini's and the shuffled ones"
    for hidden in ("secret of", "plot", "shuffled", "system_thinking", "role_thinking", "Requirements"):
        assert hidden not in sheet
    letters = {source: {row.reply for row in rows if row.source == source} for source in SOURCES}
    assert all(len(found) == 5 for found in letters.values()), "no source has a letter of its own"


def test_a_sheet_holds_where_authors_are_good_and_shuffled_replies_bad() -> None:
    rows = shown()
    told = blind_sheet.score(rows, [marks(rows, GOLD, "mini"), marks(rows, GOLD), marks(rows, GOLD, "mini", "base")])
    assert "| author | 50 of 50 | 25 of 25 | 25 of 25 |" in told
    assert "| mini | 50 of 50 |" in told, "two of three"
    assert "| base | 0 of 50 |" in told, "one of three"
    assert told.endswith("The sheet holds: authors 100%, shuffled 0%.")


@pytest.mark.parametrize("good", [(GOLD, SHUFFLED), ("mini",)])
def test_a_sheet_is_void_where_its_controls_fail(good: tuple[str, ...]) -> None:
    rows = shown()
    assert "The sheet is void" in blind_sheet.score(rows, [marks(rows, *good)] * 3)


def test_a_reading_that_leaves_a_reply_out_is_refused() -> None:
    rows = shown()
    whole = marks(rows, GOLD)
    part = {key: mark for key, mark in whole.items() if key != (3, "B")}
    with pytest.raises(InputError, match=r"reading 2: 1 replies .*\(3, 'B'\)"):
        blind_sheet.score(rows, [whole, part])


def test_a_reply_that_is_marked_twice_is_refused(tmp_path: Path) -> None:
    line = '{"prompt": 1, "reply": "A", "in_character": true, "in_scene": true, "answers": false}\n'
    (tmp_path / "reading.jsonl").write_text(line * 2, encoding="utf-8")
    with pytest.raises(InputError, match="marks a reply twice"):
        blind_sheet.reading(tmp_path / "reading.jsonl")


@pytest.mark.parametrize(
    ("votes", "told"),
    [
        ([[True, True, True], [False, False, False]], "κ 1.00 (all agree on 100%)"),
        ([[True, True, True]], "all agree"),
        ([[True, False], [False, True]], "κ -1.00 (all agree on 0%)"),
        ([[True]], "one reader"),
    ],
)
def test_agreement_is_fleiss_kappa(votes: list[list[bool]], told: str) -> None:
    assert blind_sheet.kappa(votes) == told


def test_the_published_table_is_what_the_published_readings_come_to() -> None:
    docs = Path(__file__).resolve().parents[1] / "docs"
    readings = [blind_sheet.reading(path) for path in sorted((docs / "mini").glob("reader-*.jsonl"))]
    assert len(readings) == 3
    told = blind_sheet.score(list(read_rows(docs / "mini" / "replies.jsonl", Shown)), readings)
    assert told in (docs / "mini.md").read_text(encoding="utf-8")
