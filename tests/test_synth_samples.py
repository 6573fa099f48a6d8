"""Samples: each own turn once, under the prompt that chat sends, and every scene counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stages
from her import markup
from her.actor import Actor, ActorOptions
from her.coser import load_cases
from her.errors import InputError
from her.models.base import Message
from her.models.recorded import Scripted
from her.rows.parquet import read_samples
from her.rows.record import SceneRow
from her.rows.samples import Context, PoolRow, RlRow, SftRow, TestRow
from her.scene import Scene, bundled, bundled_scene
from her.synth.samples.lessons import Lessons
from her.synth.samples.report import known_as
from her.synth.samples.samples import CASES
from her.turn import ENVIRONMENT, Dialogue, Kind, Turn
from sampled import ACTION, PLAN, SPEECH, THOUGHT, library, made, row_of, said, small
from texts import ACTION as ACTION_MARK
from texts import PLAN as PLAN_MARK
from texts import PLAN_END, THOUGHT_END, turns
from texts import THOUGHT as THOUGHT_MARK


def sft(row: SceneRow, *, plan: bool) -> list[SftRow]:
    """The SFT rows of one scene, with or without plans, in order."""
    lessons = Lessons(row)
    chosen = [lesson for lesson in lessons if lesson.planned or not plan]
    return [SftRow.model_validate(lessons.sft(lesson, plan=plan)) for lesson in chosen]


async def chat(row: SceneRow, scene: Scene, name: str, turn: str, *, plan: bool) -> tuple[Message, ...]:
    """What chat sends to `name` in this scene before the turn of that id."""
    places = [one.id for one in row.turns]
    before = Dialogue(row.dialogue.cast, row.dialogue.turns[: places.index(turn)])
    actor = Actor(scene, name, Scripted(["x"]), options=ActorOptions(plan=plan))
    return (await actor.prompt(before)).messages


async def same_as_chat(row: SceneRow, scene: Scene) -> int:
    checked = 0
    for plan in (True, False):
        for sample in sft(row, plan=plan):
            sent = await chat(row, scene, sample.character, sample.turn, plan=plan)
            assert sample.messages[:-1] == sent
            checked += 1
    return checked


# -- the same prompt everywhere --------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_row_has_the_bytes_that_chat_sends(language: str) -> None:
    scene = stages.scene(language)
    assert await same_as_chat(row_of(scene, stages.dialogue(scene)), scene) == 4


@pytest.mark.parametrize("id", [id for id in bundled() if bundled_scene(id).opening])
async def test_a_bundled_scene_has_the_bytes_that_chat_sends(id: str) -> None:
    scene = bundled_scene(id)
    await same_as_chat(row_of(scene, scene.dialogue()), scene)


async def test_coser_cases_have_the_bytes_that_chat_sends(her_data: Path) -> None:
    scenes = load_cases(her_data / "coser" / "final_Othello_notext.json", with_dialogue=True)[:3]
    assert sum([await same_as_chat(row_of(scene, scene.dialogue()), scene) for scene in scenes]) > 20


@given(st.lists(st.tuples(st.sampled_from(["Ann", "Bob", ENVIRONMENT]), turns(), st.booleans()), max_size=8))
def test_one_rendering_serves_all_turns(drawn: list[tuple[str, Turn, bool]]) -> None:
    """Contexts are cut from the prompt of the whole dialogue; built turn by turn they are the same."""
    rows = [
        said(f"t{n}", speaker, *((s.kind, s.text) for s in turn.segments), to=("Bob",) if quiet else None)
        for n, (speaker, turn, quiet) in enumerate(drawn)
    ]
    row = small("s/1/1", *rows) if rows else small("s/1/1")
    for lesson in Lessons(row):
        place = next(n for n, turn in enumerate(row.dialogue) if turn.id == lesson.turn.id)
        before = Dialogue(row.dialogue.cast, row.dialogue.turns[:place])
        script = lesson.part.script
        assert lesson.context == script.messages(before.seen_by(script.name))
        assert lesson.answer.role == "assistant"
        assert lesson.answer.content == lesson.reference
        assert lesson.chars == sum(len(message.content) for message in (*lesson.context, lesson.answer))


# -- SFT rows --------------------------------------------------------------------------------------------------


def test_the_last_message_is_the_turn_with_its_plan_first() -> None:
    first, second = [row for row in sft(small("s/1/1"), plan=True) if row.character == "Ann"]
    assert first.messages[-1].content.startswith(
        f"{PLAN_MARK}She asks.{PLAN_END}Ann: {THOUGHT_MARK}Soon.{THOUGHT_END}Is s11"
    )
    assert second.messages[-1] == Message(
        "assistant", f"{PLAN_MARK}She thanks him.{PLAN_END}Ann: Good, s11, that is all that I had to ask you."
    )
    assert (first.id, second.id, second.number) == ("s/1/1/t01/plan", "s/1/1/t04/plan", 2)
    assert (second.book, second.slug, second.scene, second.plan) == ("The Long Light", "the-long-light", "s/1/1", True)


def test_without_plans_nothing_of_a_plan_is_left() -> None:
    rows = sft(small("s/1/1"), plan=False)
    assert [(row.character, row.turn) for row in rows] == [
        ("Ann", "t01"),
        ("Ann", "t04"),
        ("Bob", "t02"),
        ("Bob", "t05"),
    ]
    assert not any(PLAN_MARK in message.content for row in rows for message in row.messages)
    assert all(
        row.messages[0] != other.messages[0]
        for row, other in zip(rows[:1], sft(small("s/1/1"), plan=True), strict=False)
    )


def test_nobody_reads_another_mind_or_a_whisper_in_their_row() -> None:
    turns = [
        said("a", "Ann", (THOUGHT, "ANN-SECRET"), (SPEECH, "Psst."), to=("Ann",)),
        said("b", "Ann", (THOUGHT, "ANN-SECRET"), (SPEECH, "Well.")),
        said("c", "Bob", (SPEECH, "What?")),
        said("d", "Ann", (SPEECH, "Nothing.")),
    ]
    rows = sft(small("s/1/1", *turns), plan=False)
    of_bob = next(row for row in rows if row.character == "Bob")
    assert "SECRET" not in str(of_bob.messages) and "Psst" not in str(of_bob.messages) and "ANN-WISH" not in str(of_bob)
    last_of_ann = [row for row in rows if row.character == "Ann"][-1]
    assert str(last_of_ann.messages).count("ANN-SECRET") == 2 and "Psst" in str(last_of_ann.messages)


def test_the_environment_and_turns_of_a_plan_alone_are_no_targets(tmp_path: Path) -> None:
    turns = [
        said("a", ENVIRONMENT, (SPEECH, "Rain.")),
        said("b", "Ann", (PLAN, "She says nothing.")),
        said("c", "Bob"),
        said("d", "Ann", (THOUGHT, "Hm.")),
        said("e", "Bob", (PLAN, "  "), (ACTION, "leaves")),
    ]
    report, folder = made([small("s/1/1", *turns)], tmp_path)
    rows = list(read_samples(folder, "roleplay-sft-plain", SftRow))
    assert [(row.turn, row.messages[-1].content) for row in rows] == [
        ("d", f"Ann: {THOUGHT_MARK}Hm.{THOUGHT_END}"),
        ("e", f"Bob: {ACTION_MARK}leaves{markup.notation()['action_close']}"),
    ]
    assert list(read_samples(folder, "roleplay-sft", SftRow)) == []
    turns_of = report.turns["sft"]
    assert (turns_of.all, turns_of.environment, turns_of.empty, turns_of.without_plan) == (5, 1, 2, 2)
    assert report.balanced


# -- RL rows, pools, tests -------------------------------------------------------------------------------------


def test_an_rl_row_is_what_stock_verl_reads(tmp_path: Path) -> None:
    _, folder = made([small("s/1/1"), small("s/2/1")], tmp_path, shares={"rl": 1.0})
    rows = list(read_samples(folder, "roleplay-rl", RlRow))
    assert list(RlRow.model_fields) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    assert [row.extra_info.index for row in rows] == list(range(8))
    for row in rows:
        pool = PoolRow.model_validate_json(row.extra_info.info)
        assert row.prompt[-1].role == "user" and row.prompt[0].role == "system" and PLAN_MARK in row.prompt[0].content
        assert row.reward_model.style == "rule"
        assert row.reward_model.ground_truth == pool.reference != ""
        assert row.reward_model.ground_truth.startswith(f"{pool.character}: ") and PLAN_MARK not in pool.reference


def test_a_pool_row_shows_what_a_judge_may_see(tmp_path: Path) -> None:
    _, folder = made([small("s/1/1")], tmp_path, shares={"reward": 1.0})
    rows = {row.turn: row for row in read_samples(folder, "reward-pool", PoolRow)}
    assert set(rows) == {"t01", "t02", "t04", "t05"}
    seen = rows["t05"].seen
    assert isinstance(seen, Context) and seen.scene == small("s/1/1").scene
    assert [turn.id for turn in seen.turns] == ["t01", "t02", "t03", "t04"]
    assert seen.dialogue.turns == small("s/1/1").dialogue.for_judge()[:4]
    assert "Soon." in rows["t05"].context, "minds are for the judge to see"
    assert "She asks." not in rows["t05"].context and "He goes." not in rows["t05"].context, "plans are not"
    assert seen.reference.turn.layout == "speech" and rows["t05"].reference.startswith("Bob: Then I shall go")
    assert rows["t01"].seen.turns == ()


def test_whispers_stay_whispers_for_a_judge(tmp_path: Path) -> None:
    turns = [said("a", "Ann", (SPEECH, "Psst."), to=("Ann",)), said("b", "Bob", (SPEECH, "Well."))]
    _, folder = made([small("s/1/1", *turns)], tmp_path, shares={"reward": 1.0})
    row = list(read_samples(folder, "reward-pool", PoolRow))[-1]
    assert row.seen.turns[0].heard_by == ("Ann",)


def test_test_rows_hold_whole_scenes(tmp_path: Path) -> None:
    row = small("s/1/1")
    report, folder = made([row], tmp_path, pins={"The Long Light": "test"})
    (sample,) = read_samples(folder, "test", TestRow, "test")
    assert SceneRow.model_validate_json(sample.row).turns == row.turns
    assert (sample.characters, sample.turns, sample.setting) == (("Ann", "Bob"), 5, "A room.")
    assert report.rows["roleplay-sft"] == {"test": 3} and report.rows["roleplay-rl"] == {"test": 4}
    assert report.scenes == {"sft": 0, "reward": 0, "rl": 0, "validation": 0, "test": 1}


def test_books_for_validation_are_set_apart_and_fill_the_sft_configs_alone(tmp_path: Path) -> None:
    rows = [small("s/1/1"), small("t/1/1", book="Book AB")]
    report, folder = made(rows, tmp_path, pins={"The Long Light": "validation", "Book AB": "sft"})
    assert report.rows["roleplay-sft"] == {"train": 3, "validation": 3} and report.rows["reward-pool"] == {}
    for config in ("roleplay-sft", "roleplay-sft-plain"):
        assert {row.scene for row in read_samples(folder, config, SftRow, "validation")} == {"s/1/1"}
        assert {row.scene for row in read_samples(folder, config, SftRow)} == {"t/1/1"}


def test_test_scenes_come_out_in_cosers_shape_and_go_in_again(tmp_path: Path) -> None:
    rows = [
        small("s/3/7"),
        small("s/3/7b"),
        small("s/4/1", source={"book": "The Long Light", "plot": 12, "conversation": 2}),
    ]
    _, folder = made(rows, tmp_path, shares={"test": 1.0})
    cases = json.loads((folder / "test" / CASES).read_text("utf-8"))
    assert [(case["i_p"], case["i_c"], case["plot"]["i_p"]) for case in cases] == [(3, 7, 3), (0, 0, 0), (12, 2, 12)]
    assert cases[0]["speaking_characters_w_env"] == ["Ann", "Bob", ENVIRONMENT]
    again = load_cases(folder / "test" / CASES, with_dialogue=True)
    for scene, row in zip(again, rows, strict=True):
        assert (scene.book, scene.setting, scene.title) == (row.source.book, row.setting, row.title)
        assert [(c.name, c.profile, c.motivation) for c in scene.cast] == [
            (c.name, c.profile, c.motivation) for c in row.cast
        ]
        told = [(turn.speaker, turn.segments) for turn in scene.dialogue()]
        assert told == [(turn.speaker, turn.segments) for turn in row.dialogue.for_judge()]


def test_a_test_case_has_the_fields_of_cosers(her_data: Path, tmp_path: Path) -> None:
    theirs = json.loads((her_data / "coser" / "test_set_pd_english.json").read_text("utf-8"))[0]
    _, folder = made([small("s/1/1")], tmp_path, shares={"test": 1.0})
    (ours,) = json.loads((folder / "test" / CASES).read_text("utf-8"))
    assert shape(ours) == shape(theirs) | {"character_profiles": shape(ours)["character_profiles"]}


def shape(value: Any) -> Any:
    """Field names and types; lists by their first item, numbers as numbers."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items() if key != "chapter"}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if isinstance(value, int | float) else type(value)


# -- nothing is lost ------------------------------------------------------------------------------------------


def test_every_scene_and_turn_is_counted(tmp_path: Path) -> None:
    rows = [
        *library(8, 3),
        small("aa/0/1", book="Book AA"),
        small("no/1/1", setting=" "),
        small("twins/1/1", cast=[{"name": "Ann"}, {"name": "ANN"}, {"name": "Bob"}]),
        small("far/1/1", said("t1", "Ann", (SPEECH, "Psst."), to=("Zoe",))),
    ]
    report, folder = made(rows, tmp_path)
    assert report.balanced and report.scenes_in == 28
    assert report.kept_out == {"id-twice": 1, "unknown-hearer": 1, "unusable-cast": 1, "unusable-setting": 1}
    assert sum(report.scenes.values()) == 24
    counts = report.turns["sft"]
    assert report.rows["roleplay-sft"]["train"] == counts.with_plan == 3 * report.scenes["sft"]
    assert report.rows["roleplay-sft-plain"]["train"] == counts.with_plan + counts.without_plan
    assert report.rows["roleplay-rl"]["train"] == 4 * report.scenes["rl"]
    assert report.rows["reward-pool"]["train"] == 4 * report.scenes["reward"]
    for config, type in (("roleplay-sft", SftRow), ("roleplay-rl", RlRow), ("reward-pool", PoolRow)):
        for split in ("train", "test"):
            assert len(list(read_samples(folder, config, type, split))) == report.rows[config].get(split, 0)
    ids = [row.id for split in ("train", "test") for row in read_samples(folder, "roleplay-sft-plain", SftRow, split)]
    assert len(ids) == len(set(ids))


def test_no_row_of_a_book_is_in_two_purposes(tmp_path: Path) -> None:
    report, folder = made(library(12, 3), tmp_path)
    books: dict[str, set[str]] = {}
    for config, type, purpose in (("roleplay-sft", SftRow, "sft"), ("reward-pool", PoolRow, "reward")):
        for split, name in (("train", purpose), ("test", "test")):
            for row in read_samples(folder, config, type, split):
                books.setdefault(row.book, set()).add(name)
    for split, name in (("train", "rl"), ("test", "test")):
        for row in read_samples(folder, "roleplay-rl", RlRow, split):
            books.setdefault(json.loads(row.extra_info.info)["book"], set()).add(name)
    assert len(books) == 12 and all(len(purposes) == 1 for purposes in books.values())
    assert {use.title: use.purpose for use in report.books} == {book: min(names) for book, names in books.items()}


def test_one_book_is_all_for_sft_and_the_report_says_so(tmp_path: Path) -> None:
    report, _ = made([small("s/1/1"), small("s/2/1")], tmp_path)
    assert report.scenes == {"sft": 2, "reward": 0, "rl": 0, "validation": 0, "test": 0}
    assert any(note.startswith("Nothing was made for reward, rl, test: 1 book has scenes") for note in report.notes)


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    report, folder = made([], tmp_path)
    assert report.balanced and report.scenes_in == 0
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "contamination.json", "report.json"]


def test_the_same_rows_give_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    folders = [made(library(6), tmp_path / name)[1] for name in ("one", "two")]
    files = [{path.relative_to(f): path.read_bytes() for path in f.rglob("*") if path.is_file()} for f in folders]
    assert files[0] == files[1] and len(files[0]) > 8


def test_a_data_set_is_replaced_whole_and_nothing_else_is(tmp_path: Path) -> None:
    made([small("s/1/1")], tmp_path, shares={"test": 1.0})
    _, folder = made([small("s/1/1")], tmp_path)
    assert not (folder / "test").exists() and (folder / "roleplay-sft").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "samples"}
    other = tmp_path / "other"
    (other / "samples").mkdir(parents=True)
    (other / "samples" / "letter.txt").write_text("mine", encoding="utf-8")
    (other / "samples" / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="something else"):
        made([small("s/1/1")], other)
    assert (other / "samples" / "letter.txt").read_text("utf-8") == "mine"


def test_a_bad_row_leaves_the_earlier_data_set_as_it_was(tmp_path: Path) -> None:
    _, folder = made([small("s/1/1")], tmp_path)
    before = (folder / "report.json").read_bytes()
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "half"\n')
    with pytest.raises(InputError, match="line 2"):
        made_again(tmp_path)
    assert (folder / "report.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "samples"}


def made_again(folder: Path) -> None:
    from her.synth.samples.samples import SampleOptions, make_samples

    make_samples(folder / "rows.jsonl", folder / "samples", SampleOptions())


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://10.0.0.7:8000/v1#big", "big"),
        ("https://user:key@host/v1", "a server"),
        ("hf:org/name", "org/name"),
        ("hf:/data/mine/out/", "out"),
        ("../models/my.gguf", "my.gguf"),
        ("C:\\models\\my.gguf", "my.gguf"),
        ("mini", "mini"),
        ("", ""),
    ],
)
def test_no_address_leaves_the_house(address: str, name: str) -> None:
    assert known_as(address) in (name, f"hf:{name}")


def test_rows_name_models_and_never_hosts(tmp_path: Path) -> None:
    report, folder = made([small("s/1/1")], tmp_path, shares={"test": 1.0})
    (sample,) = read_samples(folder, "test", TestRow, "test")
    assert SceneRow.model_validate_json(sample.row).lineage[0].model == "big"
    assert report.lineage[0].model == "big" and report.lineage[0].scenes == 1
    assert not any(b"10.0.0.7" in path.read_bytes() for path in folder.rglob("*") if path.is_file())


# -- what goes wrong in the release ----------------------------------------------------------------------------


def roles(messages: Sequence[Message]) -> list[str]:
    return [message.role for message in messages]


def test_a29_who_speaks_first_gets_no_start_marker() -> None:
    rows = sft(small("s/1/1"), plan=True)
    for row in rows:
        assert roles(row.messages)[:3] == ["system", "user", "assistant"]
        assert row.messages[1].content.startswith("===Conversation Start===")
        assert str(row.messages).count("===Conversation Start===") == 1
    assert rows[0].messages[1].content == "===Conversation Start==="


def test_a30_history_mixes_old_and_new_wording() -> None:
    row = small("s/1/1")
    raw = [said(t.id, t.speaker, (SPEECH, "RAW-WORDS\n\n kept as they came")) for t in row.turns]
    bob = sft(row.model_copy(update={"original": tuple(raw)}), plan=False)[-1]
    assert "RAW-WORDS" not in str(bob.messages)
    new = small("s/1/1", *(said(t.id, t.speaker, (SPEECH, "Two\n lines,\twide.")) for t in row.turns))
    joined = sft(new, plan=False)[-1].messages[1].content
    assert joined == "===Conversation Start===\n\nAnn: Two\n lines,\twide."


def test_a31_rows_that_promise_a_plan_have_none() -> None:
    for row in sft(small("s/1/1"), plan=True):
        assert row.messages[-1].content.startswith(PLAN_MARK) and row.messages[-1].content.count(PLAN_MARK) == 1
        assert PLAN_MARK in row.messages[0].content, "the prompt asks for it"


def test_a32_history_is_full_of_plans_and_prompts_are_drawn_by_lot(tmp_path: Path) -> None:
    rows = sft(small("s/1/1"), plan=True)
    assert not any(PLAN_MARK in message.content for row in rows for message in row.messages[1:-1])
    assert len({row.messages[0].content for row in rows if row.character == "Ann"}) == 1
    assert {row.prompt for row in rows} == {sft(small("s/2/1"), plan=True)[0].prompt}


def test_a33_raw_turns_are_used_in_place_of_enhanced_ones(tmp_path: Path) -> None:
    row = small("s/1/1").model_copy(update={"original": (said("t01", "Ann", (SPEECH, "RAW")),)})
    for shares in ({"sft": 1.0}, {"reward": 1.0}, {"rl": 1.0}):
        _, folder = made([row], tmp_path / min(shares), shares=shares)
        text = b"".join(path.read_bytes() for path in folder.rglob("*.parquet"))
        assert b"RAW" not in text and b"Soon." in text


def test_a34_the_completed_setting_never_reaches_a_prompt() -> None:
    row = small(
        "s/1/1", setting="A room. COMPLETED-SETTING", cast=[{"name": "Ann"}, {"name": "Bob", "profile": "NEW-PROFILE"}]
    )
    ann = sft(row, plan=True)[0]
    assert "COMPLETED-SETTING" in ann.messages[0].content
    assert "NEW-PROFILE" in ann.messages[0].content, "others' profiles too"


def test_a35_ids_are_damaged_by_replacing_text_in_them() -> None:
    row = small("setting_of_a_setting_sun/1/1")
    assert {sample.scene for sample in sft(row, plan=True)} == {"setting_of_a_setting_sun/1/1"}
    assert sft(row, plan=True)[0].id == "setting_of_a_setting_sun/1/1/t01/plan"


def test_a51_references_are_empty_and_every_index_is_0(tmp_path: Path) -> None:
    _, folder = made(library(3), tmp_path, shares={"rl": 1.0})
    rows = list(read_samples(folder, "roleplay-rl", RlRow))
    assert sorted(row.extra_info.index for row in rows) == list(range(len(rows)))
    assert all(row.reward_model.ground_truth.partition(": ")[2].strip() for row in rows)
    assert Kind.SPEECH in {
        piece.kind for piece in PoolRow.model_validate_json(rows[0].extra_info.info).seen.reference.segments
    }
