"""System thinking: plans that lead to the turn that is there, made of nothing that is not known yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from her.actor import Actor
from her.errors import ContextOverflow
from her.markup import notation
from her.models.base import Finish, Reply
from her.models.recorded import Call as Told
from her.models.recorded import Scripted
from her.rows.record import SceneRow
from her.synth.minds.system_thinking import Drafts, SystemThinking, plan_in, plan_words
from her.synth.stage import StageOptions
from her.turn import Dialogue
from minds import (
    ACTION,
    PLAN,
    SPEECH,
    THOUGHT,
    canaries,
    known_to,
    played,
    question,
    teacher,
    turn_row,
    words_of,
    zq,
)
from teachers import Teacher
from test_prompts import check, written

STAGE = SystemThinking(StageOptions(plan_words=(12, 60)))
OPEN, CLOSE = notation()["plan_open"], notation()["plan_close"]

PLANS = {
    "t01": "The evening is quiet and Mara wants the boy near her, away from the window. She begins with a mild order "
    "to Tom, and makes nothing of the lamp.",
    "t02": "Ordered to sit, Tom puts the oil down first and then says what he has kept back: there was a boat. He says "
    "it plainly, to see how Mara takes it.",
    "t04": "Tom has seen something of the boat, and Mara must not show what that means to her. She pretends that it "
    "could be any, and asks which.",
    "t05": "Mara acts as if she did not know. Tom takes it for a lie and turns to Lucy alone, with a short warning to "
    "mind the older woman.",
    "t06": "Lucy has been warned behind a hand and does not know why. She covers it with a remark on how quiet both of "
    "them have become.",
    "t07": "Mara asked which one, so Tom answers with details that leave no way out: the colour, the hour, and that "
    "nobody waved when she put out.",
    "t08": "The grey vessel, noon: Mara hears that Tom saw all of it. She will not be drawn; as if nothing were the "
    "matter she speaks of lighting the lamp.",
}
"""Good plans for the scene of `minds`."""


def planner(plans: dict[str, str] = PLANS, draft: str = "A draft.", **changes: Any) -> Teacher:
    """Drafts the same everywhere, and answers with these plans."""
    return teacher(lambda id, stage, _: draft if stage == "draft" else {"plan": plans[id]}, **changes)


def plans_of(row: SceneRow | None) -> dict[str, str]:
    assert row is not None
    return {turn.id: turn.turn.text_of(PLAN) for turn in row.turns if turn.turn.text_of(PLAN)}


# -- what the stage does ----------------------------------------------------------------------------------------


async def test_every_turn_of_a_character_gets_its_plan_in_front(tmp_path: Path) -> None:
    row = canaries()
    made, report = await played(STAGE, row, planner(), tmp_path)
    assert made is not None and report.refused == {} and report.kept == 1
    assert plans_of(made) == PLANS
    for before, after in zip(row.turns, made.turns, strict=True):
        assert after.turn.without(PLAN) == before.turn.without(PLAN)
        assert all(piece.kind is not PLAN for piece in after.segments[1:])
    texts = [text.partition("@")[0] for text in made.lineage[-1].prompts]
    assert texts == ["system-thinking/en", "system-thinking/case-en", "her/en"]


async def test_a26_a_plan_goes_to_its_turn_by_id(tmp_path: Path) -> None:
    """Numbers of turns say nothing about places: merged turns, and ids in any order."""
    ids = {"t01": "t31", "t02": "t07", "t04": "t02", "t07": "t04+t05", "t08": "t01"}
    turns = tuple(turn.model_copy(update={"id": ids[turn.id]}) for turn in canaries().turns if turn.id in ids)
    row = canaries().model_copy(update={"turns": turns})
    plans = {new: PLANS[old] for old, new in ids.items()}
    made, _ = await played(STAGE, row, planner(plans), tmp_path)
    assert plans_of(made) == plans


async def test_a26_a_plan_for_another_turn_is_refused(tmp_path: Path) -> None:
    """All plans moved on by one turn of their speaker, as a wrong index moves them."""
    shifted = PLANS | {"t01": PLANS["t04"], "t04": PLANS["t08"], "t02": PLANS["t05"], "t05": PLANS["t07"]}
    made, _ = await played(STAGE, canaries(), planner(shifted), tmp_path)
    assert made is not None
    refused = {refusal.where for refusal in made.refused if refusal.reason == "wrong-turn"}
    assert len(refused & {"t01", "t02", "t04", "t05"}) >= 3
    assert not refused & {"t06", "t07", "t08"}
    assert plans_of(made).keys() == PLANS.keys() - refused


async def test_a_refused_plan_is_asked_for_again_and_then_recorded(tmp_path: Path) -> None:
    plans = PLANS | {"t06": PLANS["t06"] + " The user will like it."}
    model = planner(plans)
    made, report = await played(STAGE, canaries(), model, tmp_path)
    assert made is not None and plans_of(made).keys() == PLANS.keys() - {"t06"}
    assert [(r.stage, r.reason, r.where) for r in made.refused] == [("system-thinking", "reader", "t06")]
    assert report.refused == {"reader": 1} and report.dropped == 0
    again = [call for call in model.calls if (call.call_id or "").endswith("/repair")]
    assert len(again) == 1 and "there is no 'user' here; name the person" in again[0].messages[-1].content


async def test_a_plan_is_mended_where_the_second_answer_is_good(tmp_path: Path) -> None:
    def say(id: str, stage: str, call: Told) -> Any:
        bad = id == "t06" and not (call.call_id or "").endswith("/repair")
        return "A draft." if stage == "draft" else {"plan": "You are Lucy." if bad else PLANS[id]}

    made, report = await played(STAGE, canaries(), teacher(say), tmp_path)
    assert plans_of(made) == PLANS and report.repaired == 1


async def test_an_old_plan_never_stays(tmp_path: Path) -> None:
    row = canaries()
    assert row.turns[0].segments[0].kind is PLAN
    made, _ = await played(STAGE, row, planner(PLANS | {"t01": "Too short."}), tmp_path)
    assert made is not None and "t01" not in plans_of(made)


# -- what teachers see ------------------------------------------------------------------------------------------


async def test_a37_no_teacher_sees_other_minds_later_turns_or_plans(tmp_path: Path) -> None:
    row, model = canaries(), planner()
    await played(STAGE, row, model, tmp_path)
    assert len(model.calls) == 14
    for call in model.calls:
        stage, id = question(call)
        turn = next(turn for turn in row.turns if turn.id == id)
        own = {word for piece in turn.segments for word in zq(piece.text)}
        known = known_to(turn.speaker, id, row) | ({"zqbook"} if stage == "draft" else set())
        if stage == "draft":
            known -= own
            assert not set(zq(words_of(call))) & own, "a draft does not know the turn"
        assert set(zq(words_of(call))) <= known, call.call_id
        assert "zqtitle" not in words_of(call)


async def test_a28_a_draft_is_asked_for_with_the_whole_prompt_as_in_chat(tmp_path: Path) -> None:
    row, model = canaries(), planner()
    await played(STAGE, row, model, tmp_path)
    for call in model.calls:
        stage, id = question(call)
        if stage != "draft":
            continue
        at = next(n for n, turn in enumerate(row.turns) if turn.id == id)
        lived = Dialogue(row.dialogue.cast, row.dialogue.turns[:at])
        actor = Actor(row.scene, row.turns[at].speaker, Scripted([]))
        chat = await actor.prompt(lived)
        assert call.messages == chat.messages
        assert call.prefill == chat.prefill == OPEN
        assert call.sampling.stop == (CLOSE,)


async def test_the_rewriter_sees_the_draft_and_the_turn(tmp_path: Path) -> None:
    model = planner(draft="Mara might yawn. ")
    await played(STAGE, canaries(), model, tmp_path)
    asked = {question(call)[1]: call.messages[1].content for call in model.calls if question(call)[0] != "draft"}
    assert "Mara might yawn.\n\nThe turn as it stands:\nMara: [He has seen it zqthought04.] Which boat" in asked["t04"]
    assert "It is the first turn of Tom" in asked["t02"] and "It is the first turn" not in asked["t04"]
    assert "Nobody but Lucy can hear and see this turn." in asked["t05"]
    assert "Nothing has been said yet: Mara opens the scene." in asked["t01"]


@pytest.mark.parametrize("terse", [False, True], ids=["full", "terse"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_prompt(language: str, terse: bool, tmp_path: Path) -> None:
    row = canaries() if language == "en" else canaries().model_copy(update={"language": "zh"})
    model = planner(draft="" if terse else "A draft.")
    await played(SystemThinking(StageOptions(terse=terse)), row, model, tmp_path)
    asked = [call for call in model.calls if not (call.call_id or "").endswith("/repair")]
    first, later = (next(c for c in asked if c.call_id == f"system-thinking/{row.id}/{id}") for id in ("t01", "t05"))
    text = "\n".join([written(first.messages), written(later.messages[1:])])
    check(f"system-thinking-{language}{'-terse' if terse else ''}", text)


# -- drafts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        (f"{OPEN}She waits.{CLOSE}Mara: Sit.", "She waits."),
        (f"{OPEN}She waits. She lo", "She waits."),
        (f"{OPEN}She waits", "She"),
        ("Mara: Sit down, Tom.", ""),
        ("Sit down, Tom.", ""),
        (f"{OPEN}{CLOSE}Mara: Sit.", ""),
        (OPEN, ""),
        ("", ""),
        (f"{OPEN}Tom: is tired.\nMara: stays.{CLOSE}Mara: Sit.", "Tom: is tired.\nMara: stays."),
        (f"{OPEN}Mr. O'Neil's plan, à la Éloïse.{CLOSE}x", "Mr. O'Neil's plan, à la Éloïse."),
    ],
)
def test_a39_a_plan_is_told_from_a_reply_by_its_marks_alone(text: str, plan: str) -> None:
    assert plan_in(text, canaries(), "Mara") == plan


async def test_a27_what_a_model_says_is_never_taken_for_its_plan(tmp_path: Path) -> None:
    """A model that takes no prefill and plans nothing: the rewriter is told that there is no draft."""
    model = planner(draft="Mara: Sit down, child, and hold your tongue.", prefills=False)
    await played(STAGE, canaries(), model, tmp_path)
    drafts = [call for call in model.calls if question(call)[0] == "draft"]
    asked = [call.messages[1].content for call in model.calls if question(call)[0] != "draft"]
    assert all(call.prefill == "" for call in drafts)
    assert all("There is no draft of the plan" in text and "hold your tongue" not in text for text in asked)


async def test_a_model_without_prefill_writes_the_opener_itself(tmp_path: Path) -> None:
    model = planner(draft=f"{OPEN}Let her wait.", prefills=False)
    await played(STAGE, canaries(), model, tmp_path)
    asked = [call.messages[1].content for call in model.calls if question(call)[0] != "draft"]
    assert all("was known:\nLet her wait.\n" in text for text in asked)


async def test_a_draft_that_is_cut_is_no_fault(tmp_path: Path) -> None:
    model = planner()
    say = model.say
    model.say = lambda call: (
        Reply("Whole sentence. Half a sen", Finish.LENGTH) if question(call)[0] == "draft" else say(call)
    )
    made, report = await played(STAGE, canaries(), model, tmp_path)
    assert plans_of(made) == PLANS and report.lengthened == 0 == report.repairs
    asked = next(call for call in model.calls if question(call)[0] != "draft")
    assert "Whole sentence.\n" in asked.messages[1].content and "Half a sen" not in asked.messages[1].content


async def test_another_model_may_draft(tmp_path: Path) -> None:
    reasoner, writer = planner(draft="The reasoner's thought."), planner()
    options = StageOptions(plan_words=(12, 60))
    between, report = await played(Drafts(options), canaries(), reasoner, tmp_path)
    assert between is not None and report.stage == "drafts"
    assert set(plans_of(between).values()) == {"The reasoner's thought."}
    assert {question(call)[0] for call in reasoner.calls} == {"draft"}
    made, _ = await played(SystemThinking(options), between, writer, tmp_path)
    assert plans_of(made) == PLANS
    assert {question(call)[0] for call in writer.calls} == {"system-thinking"}
    assert all("The reasoner's thought." in call.messages[1].content for call in writer.calls)
    assert made is not None and [step.stage for step in made.lineage] == ["drafts", "system-thinking"]


async def test_drafts_of_another_model_never_pass_for_plans(tmp_path: Path) -> None:
    between, _ = await played(Drafts(StageOptions()), canaries(), planner(draft="Mara, quietly."), tmp_path)
    assert between is not None
    made, report = await played(STAGE, between, planner(dict.fromkeys(PLANS, "No.")), tmp_path)
    assert plans_of(made) == {} and report.refused["length"] == 7


# -- what is refused --------------------------------------------------------------------------------------------

FAULTY = {
    "first person": ("I am tired of this, so Mara will ask which boat that was and hide the fear.", "perspective"),
    "second person": ("Mara hears of the boat. You ask which boat it was and hide your fear from Tom.", "perspective"),
    "a user": ("Mara hears of the boat. The user shall not see her fear, so she asks which boat it was.", "reader"),
    "nobody named": ("The boat has been seen. She hides her fear and asks which one it was, as if idly.", "unnamed"),
    "too short": ("Mara asks which boat.", "length"),
    "too long": ("Mara hears of the boat and asks which. " + " ".join(f"word{n}" for n in range(90)), "length"),
    "a quotation": ("Mara has to say: Which boat zqspeech04? That is all that Mara has got to say here.", ""),
    "a tag": (f"Mara hears of the boat. {OPEN}She asks which boat it was, and hides her fear.", "broken-tag"),
    "another language": ("Mara ne sait pas ce que je vais faire, et elle demande de quel bateau.", "language"),
    "a mind read": ("Mara asks which boat, because Tom secretly hopes to leave, and that must not be.", "mind-read"),
    "what comes later": ("Mara asks which boat, since the grey one put out at noon and no one must know.", "foresight"),
    "a name from later": ("Mara asks which boat, for fear that Roderick might have been there to see it.", "foresight"),
    "another turn": (PLANS["t08"], "wrong-turn"),
    "nothing": ("…", "empty"),
}  # fmt: skip


@pytest.mark.parametrize(("plan", "reason"), FAULTY.values(), ids=FAULTY)
async def test_a41_a_bad_plan_is_refused(plan: str, reason: str, tmp_path: Path) -> None:
    row = canaries()
    later = turn_row("t09", "Lucy", (SPEECH, "And then there was Roderick with the rope."))
    row = row.model_copy(update={"turns": (*row.turns, later)})
    plans = PLANS | {"t04": plan, "t09": "Lucy adds Roderick and his rope, for she has nothing left to hide now."}
    made, _ = await played(STAGE, row, planner(plans), tmp_path)
    assert made is not None
    reasons = {refusal.reason for refusal in made.refused}
    assert {refusal.where for refusal in made.refused} <= {"t04"}
    assert reason in reasons if reason else reasons == set()
    assert ("t04" in plans_of(made)) is (not reason)


async def test_a_plan_may_not_quote_the_turn_at_length(tmp_path: Path) -> None:
    speech = "We shall keep the lamp dark until the tide has turned and not a minute longer than that, do you hear?"
    row = canaries().model_copy(update={"turns": (turn_row("t01", "Mara", (SPEECH, speech)),)})
    plan = "Mara gives an order to Tom: keep the lamp dark until the tide has turned and not a minute longer."
    made, report = await played(STAGE, row, planner({"t01": plan}), tmp_path)
    assert made is not None and report.refused == {"copied": 1}


async def test_a_plan_may_not_hold_what_only_another_knows(tmp_path: Path) -> None:
    secret = "the letter from Lisbon lies under the third stone"
    turns = (
        turn_row("t01", "Tom", (THOUGHT, f"She must not learn that {secret}."), (SPEECH, "A fine evening.")),
        turn_row("t02", "Mara", (ACTION, "smiles"), (SPEECH, "Is it?")),
    )
    plan = f"Tom speaks of the evening. Mara smiles and doubts it, for {secret}, as everyone can see here."
    plans = {
        "t01": "Tom has something to hide and begins with the weather, a fine evening, in a light tone.",
        "t02": plan,
    }
    made, _ = await played(STAGE, canaries().model_copy(update={"turns": turns}), planner(plans), tmp_path)
    assert made is not None and [(r.where, r.reason) for r in made.refused] == [("t02", "leak")]


async def test_a_chinese_plan(tmp_path: Path) -> None:
    cast = tuple(one.model_copy(update={"name": name}) for one, name in zip(canaries().cast, "梅同露", strict=True))
    cast = (cast[0].model_copy(update={"name": "梅拉"}), cast[1].model_copy(update={"name": "阿同"}), cast[2])
    turns = (
        turn_row("t01", "阿同", (SPEECH, "我看见那条灰色的船了，中午出的海。")),
        turn_row("t02", "梅拉", (THOUGHT, "他看见了。"), (SPEECH, "哪条船？这里船多得很。")),
    )
    row = canaries().model_copy(update={"language": "zh", "cast": cast, "turns": turns})
    good = {
        "t01": "场景刚开始，阿同心里有话，想看看梅拉怎么回答。他要把看见船的事平平常常地说出来，连时间也说清楚。",
        "t02": "阿同说他看见了船，梅拉不能露出慌张。她装作不明白，反问是哪一条，把话说得轻描淡写，好像船都差不多。",
    }
    made, report = await played(STAGE, row, planner(good), tmp_path)
    assert plans_of(made) == good and report.refused == {}
    bad = {"t01": good["t01"].replace("他要", "你要"), "t02": good["t02"].replace("梅拉不能", "对用户来说，梅拉不能")}
    made, report = await played(STAGE, row, planner(bad), tmp_path)
    assert plans_of(made) == {} and report.refused == {"perspective": 1, "reader": 1}


# -- limits -----------------------------------------------------------------------------------------------------


def test_a_terse_plan_is_short() -> None:
    assert plan_words(StageOptions()) == (30, 90)
    assert plan_words(StageOptions(terse=True)) == (15, 50)
    assert plan_words(StageOptions(terse=True, plan_words=(10, 20))) == (10, 20)


async def test_a_terse_plan_is_held_to_begin_with_the_name(tmp_path: Path) -> None:
    model = planner(constrains=True)
    await played(SystemThinking(StageOptions(terse=True)), canaries(), model, tmp_path)
    call = next(call for call in model.calls if question(call) == ("system-thinking", "t04"))
    assert call.constraint is not None and call.constraint.schema is not None
    text = call.constraint.schema["properties"]["plan"]
    assert text["pattern"].startswith("^Mara [^") and text["maxLength"] < 4 * call.sampling.max_tokens


async def test_a_row_without_a_setting_is_dropped_with_the_reason(tmp_path: Path) -> None:
    row = canaries().model_copy(update={"setting": ""})
    made, report = await played(STAGE, row, planner(), tmp_path)
    assert made is None and report.reasons == {"no-scene": 1}


async def test_a_turn_whose_prompt_does_not_fit_has_no_plan(tmp_path: Path) -> None:
    model = planner()
    say = model.say
    model.say = lambda call: ContextOverflow("x") if question(call) == ("draft", "t07") else say(call)
    made, report = await played(STAGE, canaries(), model, tmp_path)
    assert plans_of(made).keys() == PLANS.keys() - {"t07"} and report.refused == {"context": 1}


async def test_a_small_window_drops_the_oldest_turns_of_draft_and_rewrite(tmp_path: Path) -> None:
    model = planner(context=4_600)

    async def count(messages: Any, prefill: str = "") -> int:
        return sum(len(message.content) for message in messages)

    model.count = count  # type: ignore[method-assign]
    turns = tuple(
        turn_row(f"t{n:02}", "Mara" if n % 2 else "Tom", (SPEECH, f"Line number {n} about knot {n} and rope."))
        for n in range(60)
    )
    row = canaries().model_copy(update={"turns": turns})
    plans = {
        turn.id: f"{turn.speaker} goes on about line number {turn.id} and a knot, with no hurry at all."
        for turn in turns
    }
    model.say = planner(plans).say
    made, report = await played(STAGE, row, model, tmp_path)
    assert made is not None and "context" not in report.refused
    last = [call for call in model.calls if question(call)[1] == "t59"]
    assert all("Line number 58" in words_of(call) and "Line number 2 " not in words_of(call) for call in last)


@pytest.mark.model
@pytest.mark.long
async def test_mini_gets_through_a_scene(mini: Any, tmp_path: Path) -> None:
    row = canaries().model_copy(update={"turns": canaries().turns[:2]})
    made, report = await played(SystemThinking(StageOptions(terse=True)), row, mini, tmp_path)
    assert made is not None and report.dropped == 0
    # Held to the schema it may plan nonsense, but in JSON, and about its character.
    assert not report.faults.keys() & {"schema", "no-json", "broken-json", "broken-tag", "unnamed"}
