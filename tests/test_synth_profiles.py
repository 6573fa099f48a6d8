"""The stage that writes setting and characters from what stands before a scene, with planted errors."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from earlier import (
    HARBOUR,
    HOLTS_MIND,
    Teacher,
    book_of_text,
    described,
    ferry,
    ferry_row,
    harbour,
    office,
    reasons,
    shelf,
    source,
    spoken,
)
from her.models.recorded import Scripted
from her.rows.ask import Dropped
from her.rows.files import read_rows
from her.rows.record import Refusal, SceneRow
from her.rows.run import Target, run
from her.scene import Character
from her.synth.context.fields import Ground
from her.synth.context.fields import spoken as language_name
from her.synth.context.profiles import TERSE_WORDS, WORDS, Profiles
from her.synth.stage import StageOptions

SETTING = "The harbour office after closing time, on a rainy evening in late February; Anna Weir is alone at her desk."
HOLT = {
    "name": "Captain Holt",
    "profile": "A broad, civil seaman with a burnt hand, who brought the Merganser home.",
    "background": "He has proposed to Anna twice and never explained his hand.",
    "motivation": "He wants Anna to marry him.",
    "opening_thought": "I have waited since the autumn.",
}
ANNA = {
    "name": "Anna Weir",
    "profile": "The tall, grave clerk of the harbour office, six and twenty, thought proud by the town.",
    "background": "She hides a letter in which her brother Tobias says that he lives.",
    "motivation": "She wants to keep her brother safe.",
    "opening_thought": "",
}
GOOD: dict[str, Any] = {
    "setting/harbour/2/1": {"setting": SETTING},
    "profiles/harbour/2/1/Captain Holt": HOLT,
    "profiles/harbour/2/1/Anna Weir": ANNA,
}
FULL = StageOptions()
TERSE = StageOptions(terse=True)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return shelf(tmp_path / "books", harbour(), ferry())


async def made(
    row: SceneRow, library: Path, answers: Any, options: StageOptions = FULL
) -> tuple[SceneRow, tuple[Refusal, ...], Teacher]:
    teacher = answers if isinstance(answers, Teacher) else Teacher(answers)
    done = await Profiles(options, library).work(row, teacher)
    assert len(done.rows) == 1
    assert done.rows[0].refused[len(row.refused) :] == done.refused
    return done.rows[0], done.refused, teacher


async def test_setting_and_characters_are_filled_one_call_each(library: Path) -> None:
    row, refused, teacher = await made(office(harbour()), library, GOOD)
    assert refused == ()
    assert teacher.ids == list(GOOD)
    assert row.setting == SETTING
    assert row.scene.character("Captain Holt") == Character(**HOLT)
    assert row.scene.character("Anna Weir").background == ANNA["background"]
    assert row.turns == office(harbour()).turns
    (step,) = row.lineage
    assert (step.stage, step.model) == ("profiles", "teacher")
    assert [text.partition("@")[0] for text in step.prompts] == [
        "setting/en",
        "setting/case-en",
        "profiles/en",
        "profiles/case-en",
    ]
    assert [call.prompts for call in teacher.asked[:1]] == [step.prompts[:2]]


async def test_a36_the_outcome_of_the_scene_is_shown_to_who_describes_it(library: Path) -> None:
    row = described(harbour()).model_copy(update={"setting": "", "title": "The burnt letter"})
    row = row.model_copy(update={"cast": tuple(Character(name=one.name) for one in row.cast)})
    _, _, teacher = await made(row, library, GOOD)
    for id in teacher.ids:
        shown = teacher.read(id)
        assert "desk lamp" in shown
        for later in ("errand", "tide tables", "Thursday", "burnt the letter", "The burnt letter", "drowns the lamp"):
            assert later not in shown
        assert HOLTS_MIND not in shown


async def test_a36_the_outcome_of_the_scene_goes_into_its_description(library: Path) -> None:
    spoilt = {
        **HOLT,
        "motivation": "He means to run an errand for you there, since he will sail for Lisbon on Thursday.",
    }
    row, refused, teacher = await made(
        office(harbour()), library, {**GOOD, "profiles/harbour/2/1/Captain Holt": spoilt}
    )
    assert ("spoiler", "Captain Holt/motivation") in reasons(refused)
    assert row.cast[0].motivation == ""
    assert row.cast[0].background == HOLT["background"]
    assert "profiles/harbour/2/1/Captain Holt/repair" in teacher.ids


async def test_a37_one_call_shows_the_wishes_of_all(library: Path) -> None:
    _, _, teacher = await made(office(harbour()), library, GOOD)
    anna = teacher.read("profiles/harbour/2/1/Anna Weir")
    assert HOLT["motivation"] not in anna
    assert HOLT["background"] not in anna
    assert SETTING in anna


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("profile", "She hides a letter in which her brother Tobias says that he lives.", "leak"),
        ("background", HARBOUR[HARBOUR.index("There was") : HARBOUR.index("; he wrote")], "copied"),
        ("background", "She was engaged to Mr. Willoughby in Trieste.", "unknown-name"),
        ("motivation", "I want to keep my brother safe.", "perspective"),
        ("motivation", "You want to keep Tobias safe.", "perspective"),
        ("motivation", "Elle veut garder son frère en sécurité et ne pas être vue.", "language"),
        ("motivation", "wants and wants and wants and wants and wants and wants and wants and wants and wants", "loop"),
        ("motivation", "(She wants to keep her brother safe)", "broken-tag"),
        ("motivation", "Safe.", "length"),
        ("motivation", "She wants to keep her brother safe and to be le", "length"),
        ("motivation", "word " * 90, "length"),
        ("motivation", "The text does not say what she wants.", "about-the-text"),
        ("opening_thought", "Anna is afraid that somebody comes.", "perspective"),
        ("opening_thought", "Captain Holt is secretly planning to find my brother.", "mind-read"),
        ("motivation", 7, "schema"),
    ],
)
async def test_a41_a_field_with_a_fault_passes_unchecked(library: Path, field: str, text: Any, reason: str) -> None:
    bad = {**ANNA, field: text}
    row, refused, teacher = await made(office(harbour()), library, {**GOOD, "profiles/harbour/2/1/Anna Weir": bad})
    assert (reason, f"Anna Weir/{field}") in reasons(refused)
    assert getattr(row.cast[1], field) == ""
    kept = [one for one in ("profile", "background", "motivation") if one != field]
    assert [getattr(row.cast[1], one) for one in kept] == [ANNA[one] for one in kept]
    assert teacher.ids[-1] == "profiles/harbour/2/1/Anna Weir/repair"
    assert len(teacher.asked) == 4


async def test_a_repaired_answer_leaves_nothing_refused(library: Path) -> None:
    bad = {**ANNA, "motivation": "I want to keep my brother safe."}
    answers = {**GOOD, "profiles/harbour/2/1/Anna Weir": bad, "profiles/harbour/2/1/Anna Weir/repair": ANNA}
    row, refused, teacher = await made(office(harbour()), library, answers)
    assert refused == ()
    assert row.cast[1].motivation == ANNA["motivation"]
    assert "third person" in teacher.asked[-1].messages[-1].content


async def test_of_an_answer_and_its_repair_the_better_one_is_kept(library: Path) -> None:
    worse = {"name": "Anna Weir", **dict.fromkeys(WORDS.keys() - {"setting"}, "I am myself.")}
    bad = {**ANNA, "motivation": "I want to keep my brother safe."}
    answers = {**GOOD, "profiles/harbour/2/1/Anna Weir": bad, "profiles/harbour/2/1/Anna Weir/repair": worse}
    row, refused, _ = await made(office(harbour()), library, answers)
    assert row.cast[1].profile == ANNA["profile"]
    assert reasons(refused) == [("perspective", "Anna Weir/motivation")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "Mrs. Pell"}, "unknown-name"),
        ({"name": None}, "missing"),
        ({"profile": None}, "missing"),
        ({"experience": "She burns the letter."}, "unknown-field"),
    ],
)
async def test_a40_an_answer_about_somebody_else_is_ignored_in_silence(
    library: Path, change: dict[str, Any], reason: str
) -> None:
    bad = {key: value for key, value in {**ANNA, **change}.items() if value is not None}
    answers = {**GOOD, "profiles/harbour/2/1/Anna Weir": bad}
    row, refused, teacher = await made(office(harbour()), library, answers)
    assert (reason, "Anna Weir") in reasons(refused)
    assert teacher.ids[-1] == "profiles/harbour/2/1/Anna Weir/repair"
    if change == {"name": "Mrs. Pell"}:
        assert row.cast[1] == Character(name="Anna Weir")


async def test_a40_a_character_is_lost_without_a_word(library: Path) -> None:
    book = harbour()
    stranger = Character(name="Ishbel Oran")
    row = office(book, cast=(*office(book).cast, stranger))
    row, refused, teacher = await made(row, library, GOOD)
    assert reasons(refused) == [("no-earlier-text", "Ishbel Oran")]
    assert not any("Ishbel" in id for id in teacher.ids)
    assert [one.name for one in row.cast] == ["Captain Holt", "Anna Weir", "Ishbel Oran"]
    assert row.cast[2] == stranger


async def test_fields_that_the_text_does_not_support_stay_empty(library: Path) -> None:
    empty = {
        "name": "Anna Weir",
        "profile": ANNA["profile"],
        "background": None,
        "motivation": "Unknown.",
        "opening_thought": "",
    }
    row, refused, teacher = await made(office(harbour()), library, {**GOOD, "profiles/harbour/2/1/Anna Weir": empty})
    assert refused == ()
    assert (row.cast[1].background, row.cast[1].motivation) == ("", "")
    assert len(teacher.asked) == 3


async def test_a_secret_of_somebody_is_refused_in_the_setting(library: Path) -> None:
    row = office(harbour())
    anna = Character(name="Anna Weir", background="She hides a letter that says her brother is alive in Lisbon.")
    row = row.model_copy(update={"cast": (row.cast[0], anna)})
    told = {"setting": "A rainy evening; in the cash box lies a letter that says her brother is alive."}
    answers = {
        **GOOD,
        "setting/harbour/2/1": told,
        "profiles/harbour/2/1/Anna Weir": {key: ANNA[key] for key in ANNA if key != "background"},
    }
    row, refused, _ = await made(row, library, answers)
    assert reasons(refused) == [("leak", "setting")]
    assert row.setting == "Captain Holt, Anna Weir."
    assert row.cast[1].background == anna.background


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (HARBOUR[HARBOUR.index("Anna Weir had") : HARBOUR.index(" She was six")], "copied"),
        ("Captain Holt will sail for Lisbon on Thursday.", "spoiler"),
        ("It is evening, and you are alone in the office.", "perspective"),
        ("The office, where Mr. Darcy waits by the desk lamp.", "unknown-name"),
    ],
)
async def test_a41_a_setting_with_a_fault_passes_unchecked(library: Path, setting: str, reason: str) -> None:
    row, refused, _ = await made(office(harbour()), library, {**GOOD, "setting/harbour/2/1": {"setting": setting}})
    assert (reason, "setting") in reasons(refused)
    assert row.scene.setting == "Captain Holt, Anna Weir."


async def test_a_scene_at_the_very_beginning_asks_nobody(tmp_path: Path) -> None:
    book = book_of_text("short", "Short", "I.\n\n“Well, Prince?” she said.\n\n“Well?” said he.", headings=r"^I\.$")
    turns = (spoken(book, "t01", "Anna Pavlovna", "Well, Prince?"), spoken(book, "t02", "Prince Vasili", "Well?"))
    cast = (Character(name="Anna Pavlovna"), Character(name="Prince Vasili"))
    row = SceneRow(id="short/1/1", title="I", source=source(book, "“Well, Prince", "said he."), cast=cast, turns=turns)
    row, refused, teacher = await made(row, shelf(tmp_path, book), {})
    assert teacher.asked == []
    assert {reason for reason, _ in reasons(refused)} == {"no-earlier-text"}
    assert [where for _, where in reasons(refused)] == ["setting", "Anna Pavlovna", "Prince Vasili"]
    assert row.scene.setting == "Anna Pavlovna, Prince Vasili."
    assert row.lineage[0].model == ""


async def test_what_is_filled_already_is_kept_and_not_asked_for(library: Path) -> None:
    row = office(harbour(), setting="Given.  ")
    holt = Character(name="Captain Holt", profile="Given to the byte. ", background="b", motivation="m")
    row = row.model_copy(update={"cast": (holt, Character(name="Anna Weir", motivation="Kept."))})
    anna = {key: ANNA[key] for key in ANNA if key != "motivation"}
    made_row, refused, teacher = await made(row, library, {"profiles/harbour/2/1/Anna Weir": anna})
    assert refused == ()
    assert teacher.ids == ["profiles/harbour/2/1/Anna Weir"]
    assert made_row.setting == "Given.  "
    assert made_row.cast[0] == holt
    assert made_row.cast[1].motivation == "Kept."
    assert '"motivation"' not in teacher.read("profiles/harbour/2/1/Anna Weir")
    assert "Kept." in teacher.read("profiles/harbour/2/1/Anna Weir")


async def test_a_row_without_a_book_goes_through_as_it_is(tmp_path: Path) -> None:
    row = office(harbour())
    row = row.model_copy(update={"source": row.source.model_copy(update={"start": None, "end": None})})
    through, refused, teacher = await made(row, tmp_path / "nothing", {})
    assert teacher.asked == []
    assert refused == ()
    assert through.lineage[-1].stage == "profiles"
    assert through.model_copy(update={"lineage": ()}) == row


async def test_chinese_scenes_are_asked_in_chinese(library: Path) -> None:
    zhou = {
        "name": "周渡生",
        "profile": "青石渡的老船夫，话不多，夜里常常不睡。",
        "background": "他藏起了小舟的布鞋，没有对任何人提起。",
        "motivation": "不让人知道江心那件事。",
        "opening_thought": "我今晚不该点灯。",
    }
    lin = {
        **zhou,
        "name": "林晚秋",
        "profile": "教书先生的女儿，嫁到了省城。",
        "opening_thought": "",
        "background": "",
        "motivation": "",
    }
    answers = {
        "setting/ferry/2/1": {"setting": "雨天傍晚的青石渡口，天快黑了，林晚秋从省城回来。"},
        "profiles/ferry/2/1/周渡生": zhou,
        "profiles/ferry/2/1/林晚秋": lin,
    }
    row, refused, teacher = await made(ferry_row(ferry()), library, answers)
    assert refused == ()
    assert row.cast[0].background == zhou["background"]
    assert "这场戏之前的文字" in teacher.read("setting/ferry/2/1")
    assert "周渡生、林晚秋" in teacher.read("setting/ferry/2/1")
    assert "江水涨" not in "".join(teacher.read(id) for id in teacher.ids)
    spoilt = {**answers, "setting/ferry/2/1": {"setting": "老周说江水涨得太快了，谁也走不了。"}}
    row, refused, teacher = await made(ferry_row(ferry()), library, spoilt)
    assert reasons(refused) == [("spoiler", "setting")]
    assert row.setting == "周渡生、林晚秋。"
    assert "无法使用" in teacher.asked[1].messages[-1].content


def test_every_answer_is_bounded_and_fits_its_tokens(library: Path) -> None:
    import asyncio

    for options, words in ((FULL, WORDS), (TERSE, TERSE_WORDS)):
        for book, row in ((harbour(), office(harbour())), (ferry(), ferry_row(ferry()))):
            teacher = Teacher(lambda call: dict.fromkeys(call.schema["required"], ""))
            asyncio.run(Profiles(options, library).work(row, teacher))
            assert book
            for call in teacher.asked:
                assert call.schema is not None
                Draft202012Validator.check_schema(call.schema)
                fields = {key: part for key, part in call.schema["properties"].items() if key != "name"}
                assert set(fields) <= set(words)
                chars = sum(part["maxLength"] for part in fields.values())
                rate = 3.0 if row.language == "en" else 0.5
                assert chars / rate + 30 <= call.sampling.max_tokens
                if options.terse and row.language == "en":
                    assert call.sampling.max_tokens <= 230


async def test_terse_runs_show_and_ask_for_less(library: Path) -> None:
    long = replace(TERSE, evidence_chars=9000)
    terse = {
        "setting/harbour/2/1": {"setting": SETTING},
        **{id: {key: GOOD[id][key] for key in ("name", "profile", "motivation")} for id in list(GOOD)[1:]},
    }
    row, refused, teacher = await made(office(harbour()), library, terse, long)
    assert refused == ()
    assert row.cast[0].background == ""
    assert "background" not in teacher.read("profiles/harbour/2/1/Captain Holt")
    evidence = teacher.asked[0].messages[1].content
    assert len(evidence) < 1700


async def test_a_prompt_that_does_not_fit_costs_the_field_and_not_the_row(library: Path) -> None:
    class Small(Teacher):
        async def __call__(self, call: Any, read: Any) -> Any:
            if call.id.startswith("setting"):
                raise Dropped("context", "too long")
            return await super().__call__(call, read)

    row, refused, _ = await made(office(harbour()), library, Small(GOOD))
    assert reasons(refused) == [("context", "setting/harbour/2/1")]
    assert row.cast[0].profile == HOLT["profile"]

    class Dead(Teacher):
        async def __call__(self, call: Any, read: Any) -> Any:
            raise Dropped("server", "gone")

    with pytest.raises(Dropped, match="server"):
        await made(office(harbour()), library, Dead({}))


async def test_a_run_counts_what_was_refused(library: Path, tmp_path: Path) -> None:
    import json

    stage = Profiles(FULL, library)
    assert pickle.loads(pickle.dumps(stage)) == stage
    bad = {**ANNA, "motivation": "I want to keep my brother safe."}
    model = Scripted([json.dumps(one) for one in (GOOD["setting/harbour/2/1"], HOLT, bad, bad)])
    report = await run([office(harbour())], stage.work, model, Target(tmp_path / "out", "profiles"))
    assert report.rows_out == 1
    assert report.refused == {"perspective": 1}
    (row,) = read_rows(tmp_path / "out" / "rows.jsonl", SceneRow)
    assert row.cast[0].profile == HOLT["profile"]
    assert reasons(row.refused) == [("perspective", "Anna Weir/motivation")]


def test_names_in_other_languages_and_the_words_of_the_cast_are_known() -> None:
    book = harbour()
    ground = Ground("profiles", office(book), book)
    assert ground.strangers("She knows Tobias, and Mrs. Pell's niece, and all the Weirs. London is far.") == []
    assert ground.strangers("She has been in London, and I'm sure of Captain Holt.") == ["London"]
    german = Ground("profiles", office(book, language="de"), book)
    assert german.strangers("Sie hat den Schlüssel in der Tasche.") == []
    assert language_name("fr-CA") == "French"
    assert language_name("tlh") == "tlh"
