"""The stage that completes what a scene's dialogue shows to be lacking, with planted errors."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from earlier import (
    HARBOUR,
    HOLTS_MIND,
    THOUGHT,
    Teacher,
    described,
    ferry,
    ferry_row,
    harbour,
    pride,
    reasons,
    shelf,
    source,
    spoken,
)
from her.models.recorded import Scripted
from her.rows.ask import Call, Dropped
from her.rows.files import read_rows
from her.rows.record import Evidence, Refusal, SceneRow
from her.rows.run import Target, run
from her.scene import Character
from her.synth.context.settings import FULL, TERSE, Settings, completed
from her.synth.stage import StageOptions

HOLT, ANNA = "settings/harbour/2/1/Captain Holt", "settings/harbour/2/1/Anna Weir"
PROUD = {
    "field": "profile",
    "shown": "She answers coldly.",
    "lacks": "How the town sees her.",
    "quote": "The town thought her proud.",
    "text": "In the town she passes for proud.",
}
ASKED = {
    "field": "background",
    "shown": "He offers errands.",
    "lacks": "His suit.",
    "quote": "since the autumn he had asked Anna twice to marry him",
    "text": "Twice since the autumn he has proposed to Anna.",
}


def answer(name: str, *additions: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "additions": list(additions)}


NONE = {HOLT: answer("Captain Holt"), ANNA: answer("Anna Weir")}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return shelf(tmp_path / "books", harbour(), ferry())


async def made(
    row: SceneRow, library: Path, answers: Any, options: StageOptions | None = None
) -> tuple[SceneRow, tuple[Refusal, ...], Teacher]:
    teacher = Teacher(answers)
    done = await Settings(options or StageOptions(), library).work(row, teacher)
    assert len(done.rows) == 1
    assert done.rows[0].refused[len(row.refused) :] == done.refused
    return done.rows[0], done.refused, teacher


async def refused(library: Path, **change: Any) -> tuple[SceneRow, list[tuple[str, str]], Teacher]:
    """What became of one good addition beside another with a planted error, given twice."""
    answers = {**NONE, ANNA: answer("Anna Weir", PROUD, {**PROUD, "text": "She is tall.", **change})}
    row, found, teacher = await made(described(harbour()), library, answers)
    assert row.evidence and row.evidence[0].text == PROUD["text"]
    assert teacher.ids == [HOLT, ANNA, f"{ANNA}/repair"]
    return row, reasons(found), teacher


async def test_an_addition_goes_behind_what_was_there_with_its_quotation_and_place(library: Path) -> None:
    before = described(harbour())
    row, found, teacher = await made(before, library, {**NONE, ANNA: answer("Anna Weir", PROUD)})
    assert found == ()
    assert teacher.ids == [HOLT, ANNA]
    assert row.cast[1].profile == "Anna Weir keeps the books of the harbour office. In the town she passes for proud."
    (evidence,) = row.evidence
    assert evidence == Evidence(
        field="profile",
        name="Anna Weir",
        text=PROUD["text"],
        quote="The town thought her proud",
        start=HARBOUR.index("The town thought"),
        end=HARBOUR.index("The town thought") + len("The town thought her proud"),
    )
    assert HARBOUR[evidence.start : evidence.end] == evidence.quote
    assert row.lineage[-1].stage == "settings"
    assert [text.partition("@")[0] for text in row.lineage[-1].prompts] == ["settings/en", "settings/case-en"]
    kept = {"cast": before.cast, "evidence": (), "lineage": ()}
    assert row.model_copy(update=kept) == before


async def test_what_was_there_is_kept_to_the_byte(library: Path) -> None:
    told = {
        **PROUD,
        "field": "setting",
        "quote": "the harbour office since her father died",
        "text": "Her father is dead.",
    }
    row, _, _ = await made(described(harbour()), library, {**NONE, ANNA: answer("Anna Weir", told)})
    assert row.setting == "The harbour office, on a rainy evening in February.  Her father is dead."
    assert row.evidence[0].name == ""


async def test_a34_the_completed_setting_is_in_no_prompt(library: Path) -> None:
    setting = {**PROUD, "field": "setting", "text": "The town thinks ill of the clerk."}
    answers = {HOLT: answer("Captain Holt", ASKED), ANNA: answer("Anna Weir", PROUD, setting)}
    row, found, _ = await made(described(harbour()), library, answers)
    assert found == ()
    scene = row.scene
    assert scene.setting.endswith(setting["text"])
    assert scene.character("Anna Weir").profile.endswith(PROUD["text"])
    assert scene.character("Captain Holt").background == ASKED["text"]


async def test_a33_completion_reads_the_turns_without_what_was_written_in(library: Path) -> None:
    _, _, teacher = await made(described(harbour()), library, NONE)
    shown = teacher.read(ANNA)
    assert "lowers the lamp until it smokes" in shown
    assert "If he has been told of Tobias" in shown


async def test_a37_the_teacher_of_one_character_reads_the_minds_of_others(library: Path) -> None:
    _, _, teacher = await made(described(harbour()), library, NONE)
    anna, holt = teacher.read(ANNA), teacher.read(HOLT)
    assert "She hides a letter" in anna
    assert HOLTS_MIND not in anna
    assert "find out what she hides" not in anna
    assert HOLTS_MIND in holt
    assert "everything is lost" not in holt
    assert "sound her out" not in anna + holt


async def test_a36_the_text_that_is_shown_holds_the_scene_itself(library: Path) -> None:
    _, _, teacher = await made(described(harbour()), library, NONE)
    for id in (ANNA, HOLT):
        evidence = teacher.read(id).partition("===Text before the scene===")[2].partition("===The character===")[0]
        assert evidence.rstrip().endswith("only the desk lamp was lit.")
        assert "burnt the letter" not in teacher.read(id)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quote": "Anna had never liked the sea at all"}, "quote-not-found"),
        ({"quote": "her proud"}, "quote-not-found"),
        ({"quote": ""}, "quote-not-found"),
        ({"quote": "Afterwards she burnt the letter"}, "spoiler"),
        ({"quote": "She turned the lamp so low that he could not see her face"}, "spoiler"),
        ({"quote": "If he has been told of Tobias then everything is lost"}, "spoiler"),
        ({"text": "He will sail for Lisbon on Thursday and he asks for an errand."}, "spoiler"),
        ({"text": "She stood at the quay until the evening, and lowers the lamp until it smokes."}, "spoiler"),
        ({"text": "Everyone knows that she hides a letter that says Tobias lives."}, "leak"),
        ({"field": "setting", "text": "In secret she hides a letter that says Tobias lives."}, "leak"),
        ({"field": "background", "text": "He came to find out what she hides from him."}, "leak"),
        ({"text": "The boy did write to her after all, so he thinks."}, "leak"),
        ({"field": "experience"}, "unknown-field"),
        ({"field": "opening_thought"}, "unknown-field"),
        ({"text": "She keeps the books of the harbour office."}, "near-duplicate"),
        ({"text": "In the town she passes for very proud."}, "near-duplicate"),
        ({"text": "I am proud and tall."}, "perspective"),
        ({"text": "Elle est grande et fière, et elle ne rit pas."}, "language"),
        ({"text": "tall " * 60}, "length"),
        ({"text": ""}, "empty"),
        ({"text": "She once danced with Mr. Darcy."}, "unknown-name"),
        ({"shown": ""}, "missing"),
        ({"shown": None, "lacks": "none"}, "missing"),
        ({"quote": 3}, "schema"),
        ({"why": "because"}, "unknown-field"),
    ],
)
async def test_a41_an_addition_passes_without_a_look_at_its_quotation(
    library: Path, change: dict[str, Any], reason: str
) -> None:
    row, found, _ = await refused(library, **change)
    assert reason in {one for one, _ in found}
    assert {where for _, where in found} == {"Anna Weir/2"}
    assert len(row.evidence) == 1
    assert row.cast[1].background == described(harbour()).cast[1].background
    assert row.setting == described(harbour()).setting


async def test_refusals_are_told_for_the_repair(library: Path) -> None:
    _, _, teacher = await refused(library, quote="Anna had never liked the sea at all")
    said = teacher.asked[-1].messages[-1].content
    assert "Anna Weir/2: these words do not stand in the text before the scene" in said
    assert "Anna Weir/1" not in said


async def test_a_clean_repair_counts_alone(library: Path) -> None:
    answers = {
        **NONE,
        ANNA: answer("Anna Weir", {**PROUD, "quote": "not in the book at all"}),
        f"{ANNA}/repair": NONE[ANNA],
    }
    row, found, _ = await made(described(harbour()), library, answers)
    assert found == ()
    assert row.evidence == ()
    assert row.cast == described(harbour()).cast


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (answer("Captain Holt", PROUD), "unknown-name"),
        ({"additions": []}, "missing"),
        ({"name": "Anna Weir"}, "missing"),
        ({"name": "Anna Weir", "additions": "none"}, "schema"),
        ({"name": "Anna Weir", "additions": [], "characters": {}}, "unknown-field"),
        (
            answer(
                "Anna Weir",
                *[{**PROUD, "text": f"She is {word}."} for word in ("tall", "grave", "dry", "calm", "cold")],
            ),
            "length",
        ),
        ([answer("Anna Weir")], "schema"),
    ],
)
async def test_a40_an_unknown_character_is_ignored_in_silence(library: Path, bad: Any, reason: str) -> None:
    row, found, teacher = await made(described(harbour()), library, {**NONE, ANNA: bad})
    assert reason in {one for one, _ in reasons(found)}
    assert teacher.ids[-1] == f"{ANNA}/repair"
    row, found, _ = await made(
        described(harbour()), library, {**NONE, ANNA: bad, f"{ANNA}/repair": answer("Anna Weir", PROUD)}
    )
    assert found == ()
    assert [evidence.text for evidence in row.evidence] == [PROUD["text"]]


async def test_a40_somebody_who_takes_part_is_not_asked_about(library: Path) -> None:
    row = described(harbour())
    row = row.model_copy(update={"cast": (*row.cast, Character(name="Ann Pell"))})
    _, found, teacher = await made(row, library, NONE)
    assert teacher.ids == [HOLT, ANNA]
    assert found == ()


async def test_what_one_answer_added_another_cannot_add_again(library: Path) -> None:
    told = {**PROUD, "field": "setting", "text": "The town thinks the clerk of the office proud."}
    answers = {HOLT: answer("Captain Holt", told), ANNA: answer("Anna Weir", told)}
    row, found, teacher = await made(described(harbour()), library, answers)
    assert reasons(found) == [("near-duplicate", "Anna Weir/1")]
    assert row.setting.count(told["text"]) == 1
    assert told["text"] in teacher.read(ANNA)


async def test_rows_without_a_book_or_without_earlier_text_go_through(library: Path) -> None:
    row = described(harbour())
    for changed in ({"start": None, "end": None}, {"start": HARBOUR.index("Anna Weir had")}):
        # With a start at the first word of the first chapter nothing stands before the first turn's deed.
        turns = (spoken(harbour(), "t00", "Anna Weir", "None,", before=((THOUGHT, "Nobody."),)), *row.turns[1:])
        unread = row.model_copy(
            update={"source": row.source.model_copy(update=changed), "turns": turns, "original": ()}
        )
        through, found, teacher = await made(unread, library, {})
        assert teacher.asked == []
        assert found == ()
        assert through.model_copy(update={"lineage": ()}) == unread
        assert [step.stage for step in through.lineage] == ["settings"]


async def test_chinese_scenes_are_completed_in_chinese(library: Path) -> None:
    book = ferry()
    zhou = Character(name="周渡生", profile="青石渡的老船夫。", background="他藏起了小舟的布鞋。")
    row = ferry_row(book, setting="雨天傍晚的渡口。", cast=(zhou, Character(name="林晚秋", profile="教书先生的女儿。")))
    silent = {
        "field": "profile",
        "shown": "不肯多说",
        "lacks": "平日的脾气",
        "quote": "他话少,夜里不睡,总把一盏马灯挂在船头",
        "text": "他平日话很少，夜里守着船灯不睡。",
    }
    late = {**silent, "quote": "林晚秋在舱板底下找到了那双布鞋"}
    answers = {
        "settings/ferry/2/1/周渡生": {"name": "周渡生", "additions": [silent]},
        "settings/ferry/2/1/林晚秋": {"name": "林晚秋", "additions": [late]},
    }
    made_row, found, teacher = await made(row, library, answers)
    assert made_row.cast[0].profile == "青石渡的老船夫。他平日话很少，夜里守着船灯不睡。"
    assert reasons(found) == [("spoiler", "林晚秋/1")]
    assert "这场戏之前的文字" in teacher.read("settings/ferry/2/1/周渡生")
    assert made_row.evidence[0].quote == "他话少，夜里不睡，总把一盏马灯挂在船头"


def test_every_answer_is_bounded_and_fits_its_tokens(library: Path) -> None:
    for terse, bounds in ((False, FULL), (True, TERSE)):
        for row in (described(harbour()), ferry_row(ferry(), setting="雨。")):
            teacher = Teacher(lambda call: {"name": call.schema["properties"]["name"]["enum"][0], "additions": []})
            asyncio.run(Settings(StageOptions(terse=terse), library).work(row, teacher))
            for call in teacher.asked:
                assert call.schema is not None
                Draft202012Validator.check_schema(call.schema)
                additions = call.schema["properties"]["additions"]
                assert additions["maxItems"] == bounds.additions
                parts = additions["items"]["properties"]
                chars = sum(parts[part]["maxLength"] for part in ("shown", "lacks", "quote", "text"))
                rate = 3.0 if row.language == "en" else 0.5
                assert bounds.additions * chars / rate + 50 <= call.sampling.max_tokens
                if terse and row.language == "en":
                    assert call.sampling.max_tokens <= 250
                    assert len(call.messages[1].content) < 3500


async def test_b12_the_limits_on_text_and_dialogue_are_not_kept(library: Path) -> None:
    row = described(harbour())
    many = tuple(row.turns[n % 2].model_copy(update={"id": f"x{n:03d}"}) for n in range(200))
    row = row.model_copy(update={"turns": (*many, *row.turns)})
    _, _, teacher = await made(row, library, NONE, StageOptions(terse=True))
    text, _, shown = teacher.read(ANNA).partition("===Text before the scene===")[2].partition("===Dialogue===")
    assert "If he has been told of Tobias" in shown
    assert shown.lstrip().startswith("[…]")
    assert len(shown) < 3200
    assert len(text) < 1900


async def test_a35_an_id_that_holds_the_name_of_the_step_is_damaged(library: Path) -> None:
    row = described(harbour()).model_copy(update={"id": "setting_sun/settings/setting_1"})
    ids = [f"settings/{row.id}/{name}" for name in ("Captain Holt", "Anna Weir")]
    answers = {ids[0]: answer("Captain Holt"), ids[1]: answer("Anna Weir", PROUD)}
    through, _, teacher = await made(row, library, answers)
    assert (through.id, teacher.ids) == (row.id, ids)


async def test_a_prompt_that_does_not_fit_costs_no_row(library: Path) -> None:
    class Small(Teacher):
        async def __call__(self, call: Call, read: Any) -> Any:
            raise Dropped("context", "too long")

    done = await Settings(StageOptions(), library).work(described(harbour()), Small({}))
    assert reasons(done.refused) == [("context", HOLT), ("context", ANNA)]
    assert done.rows[0].cast == described(harbour()).cast


async def test_a_run_counts_what_was_refused_and_keeps_evidence(library: Path, tmp_path: Path) -> None:
    stage = Settings(StageOptions(), library)
    assert pickle.loads(pickle.dumps(stage)) == stage
    late = {**PROUD, "quote": "Afterwards she burnt the letter", "text": "She is tall."}
    twice = answer("Anna Weir", PROUD, late)
    model = Scripted([json.dumps(one) for one in (answer("Captain Holt", ASKED), twice, twice)])
    report = await run([described(harbour())], stage.work, model, Target(tmp_path / "out", "settings"))
    assert (report.rows_out, report.refused) == (1, {"spoiler": 1})
    (row,) = read_rows(tmp_path / "out" / "rows.jsonl", SceneRow)
    assert [evidence.name for evidence in row.evidence] == ["Captain Holt", "Anna Weir"]


def test_an_addition_to_an_empty_field_stands_alone() -> None:
    row = described(harbour())
    added = Evidence(field="background", name="Captain Holt", text="He is rich.", quote="q", start=0, end=1)
    assert completed(row, added).cast[0].background == "He is rich."
    assert completed(row, added).cast[1] == row.cast[1]


async def test_a_real_book_gives_a_real_place(her_data: Path, tmp_path: Path) -> None:
    book = pride(her_data)
    row = SceneRow(
        id="pride/3/13",
        title="A dance",
        source=source(book, "Elizabeth Bennet had been obliged", "for you are wasting your time with me."),
        setting="The assembly room.",
        cast=(Character(name="Mr. Bingley", profile="A guest."), Character(name="Mr. Darcy", profile="A guest.")),
        turns=(
            spoken(book, "t01", "Mr. Bingley", "I must have you dance."),
            spoken(book, "t02", "Mr. Darcy", "I certainly shall not."),
        ),
    )
    rich = {
        "field": "profile",
        "shown": "Bingley wants him to dance.",
        "lacks": "Who he is.",
        "quote": "“the report which was in general circulation within five minutes after his entrance”",
        "text": "Everyone in the room has heard that he is very rich.",
    }
    later = {**rich, "quote": "You are too generous to trifle with me.", "text": "He is shy."}
    answers = {
        "settings/pride/3/13/Mr. Bingley": answer("Mr. Bingley"),
        "settings/pride/3/13/Mr. Darcy": answer("Mr. Darcy", rich, later),
    }
    row, found, _ = await made(row, shelf(tmp_path, book), answers)
    assert reasons(found) == [("spoiler", "Mr. Darcy/2")]
    (evidence,) = row.evidence
    assert evidence.quote == book.text[evidence.start : evidence.end]
    assert evidence.quote.startswith("the report which was in general")
    assert evidence.end < row.source.start < book.text.index("You are too generous to trifle with me.")
