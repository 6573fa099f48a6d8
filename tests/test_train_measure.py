"""What a model does on held-out turns: each rate by what goes wrong, replies that go on, intervals, bits, binding."""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("llguidance", reason="needs the train extra")

import torch
from peft import LoraConfig, get_peft_model

import tiny_models
from gguf_file import gguf
from her import cli
from her.actor import COOL, Actor, ActorOptions
from her.errors import InputError, ModelError, ReplayMiss
from her.grammar import SMALL, Limits
from her.models.base import Finish, Message, Reply, Sampling
from her.models.recorded import Scripted
from her.rows.files import read_rows
from her.rows.record import SceneRow
from her.train.attention import attend, log_probs
from her.train.lessons import lessons
from her.train.measure import binding, replies
from her.train.measure.binding import Saying, bindings, said_by_gold, said_by_model
from her.train.measure.bits import gold_bits
from her.train.measure.compare import compare, comparison
from her.train.measure.figures import Estimate, Observation, estimates
from her.train.measure.measure import MEASURES, REPLIES, TABLE, TURNS, MeasureOptions, measure, measured
from her.train.measure.places import Place, Split, held_out
from her.train.measure.rates import Part, rates, read_phrases, visible, wrong_with
from her.train.measure.replies import Arm, Replied, ReplyLog, arm, identity, play
from her.train.measure.table import table
from her.train.measure.weights import Weights, load_weights
from her.train.trainer import HeldOut
from her.train.trees import Tree
from her.turn import Dialogue, Kind
from sampled import ACTION, PLAN, SPEECH, THOUGHT, library, made, said, small
from texts import ACTION as ACTION_MARK
from texts import ACTION_END, PLAN_END, THOUGHT_END
from texts import PLAN as PLAN_MARK
from texts import THOUGHT as THOUGHT_MARK

GOLDEN = Path(__file__).parent / "golden" / "measures"
WORLDS = ("Mill", "Harbour", "Orchard")
PLACES = ("mill", "harbour", "orchard", "ferry", "bakery", "chapel")
"""A place of its own for each scene, so that no two are alike."""


def scene(world: str, number: int) -> SceneRow:
    """A scene of a world: Ann and Bob speak twice each, once in a whisper, and the world once."""
    at = PLACES[2 * WORLDS.index(world) + number - 1]
    turns = (
        said("t1", "Ann", (PLAN, f"Ann asks for the {at}."), (THOUGHT, "Soon."), (SPEECH, f"Is the {at} still open?")),
        said("t2", "Bob", (PLAN, f"Bob shuts the {at}."), (ACTION, "nods"), (SPEECH, f"No, the {at} closed at five.")),
        said("t3", "Environment", (SPEECH, f"Rain falls on the {at}.\n\nA door slams.")),
        said("t4", "Ann", (PLAN, "Ann gives up."), (SPEECH, "Then I walk home."), (THOUGHT, f"That {at}!")),
        said("t5", "Bob", (THOUGHT, "Nobody else hears."), (SPEECH, "Wait for me."), to=("Bob",)),
        said("t6", "Bob", (PLAN, "Bob offers his coat."), (SPEECH, f"Take my coat, {at} or not."), (ACTION, "bows")),
    )
    cast = [
        {"name": "Ann", "profile": f"Ann sells bread by the {at}.", "motivation": f"To see the {at} once more."},
        {"name": "Bob", "profile": f"Bob keeps the keys of the {at}."},
    ]
    return small(f"{world.lower()}/{number}/1", *turns, book=world, cast=cast, setting=f"The {at}, late in the day.")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of three worlds of two scenes each, all held out."""
    rows = [scene(world, number) for world in WORLDS for number in (1, 2)]
    return made(rows, tmp_path_factory.mktemp("data"), pins=dict.fromkeys(WORLDS, "test"))[1]


@pytest.fixture
def split(data: Path) -> Split:
    return held_out(data, "test", plans=True)


@pytest.fixture
def bob(split: Split) -> Place:
    """Bob's last turn of the first scene: all but the world's turn and his whisper were said before it."""
    return next(place for place in split.places if place.sample.id == "harbour/1/1/t6/plan")


def planned(rest: str, plan: str = "Bob is kind.") -> str:
    return f"{PLAN_MARK}{plan}{PLAN_END}{rest}"


def rate(place: Place, text: str, name: str, finish: str = "stop") -> float | None:
    figure = rates(place, text, finish).get(name)
    return figure and figure.part / figure.whole


# -- places ------------------------------------------------------------------------------------------------------


def test_a_place_knows_the_turns_before_it_as_its_character_lived_them(split: Split) -> None:
    rows = {row.id: row for row in (scene(world, number) for world in WORLDS for number in (1, 2))}
    for place in split.places:
        row = rows[place.sample.scene]
        at = next(n for n, turn in enumerate(row.turns) if turn.id == place.sample.turn)
        lived = Dialogue(row.dialogue.cast, row.dialogue.turns[:at]).seen_by(place.speaker)
        assert [(t.speaker, t.segments) for t in place.earlier] == [(t.speaker, t.segments) for t in lived]
        assert place.others == {"Ann", "Bob", "Environment"} - {place.speaker}


def test_a_smaller_limit_takes_turns_of_a_larger_one(data: Path, split: Split) -> None:
    few, more = (held_out(data, "test", plans=True, limit=limit).places for limit in (5, 11))
    assert (len(few), len(more), len(split.places)) == (5, 11, 24)
    assert {p.sample.id for p in few} < {p.sample.id for p in more} < {p.sample.id for p in split.places}


def test_with_plans_and_without_the_same_turns_are_drawn(tmp_path: Path) -> None:
    """In each scene one turn has no plan."""
    _, data = made(library(2), tmp_path, pins=dict.fromkeys(("Book AA", "Book AB"), "test"))
    for limit in (20, 24):
        plans, none = (held_out(data, "test", plans=plans, limit=limit).places for plans in (True, False))
        assert len(plans) == limit and [place.turn for place in plans] == [place.turn for place in none]
    assert len(held_out(data, "test", plans=False, limit=30).places) == 30


def test_a_split_without_turns_is_an_error_that_names_it(data: Path) -> None:
    with pytest.raises(InputError, match="no turn with plans in the split 'validation'"):
        held_out(data, "validation", plans=True)
    with pytest.raises(InputError, match="no turn without plans in zh"):
        held_out(data, "test", plans=False, languages=["zh"])
    with pytest.raises(InputError, match="there is no folder"):
        held_out(data / "none", "test", plans=True)


# -- rates: one test for what goes wrong -------------------------------------------------------------------------


def test_nothing_is_wrong_with_turns_as_they_were_written(split: Split) -> None:
    for place in split.places:
        figures = rates(place, place.gold, "stop")
        assert wrong_with(place, place.gold, "stop") == ()
        assert figures["valid"] == (1, 1)
        clean = ("for_others", "loop", "no_speech", "slop", "repeated_sentences")
        assert not any(figures[name].part for name in clean if name in figures)


@pytest.mark.parametrize(
    ("text", "finish", "wrong"),
    [
        (planned("Bob: Take it."), "stop", ()),
        (planned("\nBob: Take it.\n"), "stop", ()),
        (planned("Bob：Take it."), "stop", ()),
        (planned("Bob: Take it."), "length", ("finish length",)),
        (planned("Take it."), "stop", ("no name",)),
        (planned("Ann: Take it."), "stop", ("second_speaker", "empty", "no name")),
        ("Bob: Take it.", "stop", ("missing_plan",)),
        (f"{PLAN_MARK}Bob is kind", "stop", ("unclosed", "empty", "no name")),
        (planned(f"Bob: Take it. {PLAN_MARK}Then?{PLAN_END}"), "stop", ("second_plan",)),
        (planned("Bob: Take it.\nBob: And this."), "stop", ("second turn",)),
        (planned("Bob: Take it.\nAnn: Thanks."), "second_speaker", ("second_speaker",)),
        (planned(f"Bob: {ACTION_MARK}bows"), "stop", ("unclosed",)),
        (planned("Bob: "), "stop", ("empty",)),
        (planned("Bob: <sigh>Well.</sigh>"), "stop", ("unknown tag",)),
        (planned("Bob: 2 < 3, and 4 > 3."), "stop", ()),
    ],
)
def test_a_turn_that_is_not_whole_is_not_valid(bob: Place, text: str, finish: str, wrong: tuple[str, ...]) -> None:
    assert set(wrong_with(bob, text, finish)) == set(wrong)
    assert rates(bob, text, finish)["valid"] == (float(not wrong), 1)


def test_a_plan_that_nobody_asked_for_is_not_valid(data: Path) -> None:
    place = held_out(data, "test", plans=False).places[0]
    assert wrong_with(place, f"{place.speaker}: Well.", "stop") == ()
    assert "plan not asked for" in wrong_with(place, planned(f"{place.speaker}: Well."), "stop")


@pytest.mark.parametrize(
    ("rest", "speaks"),
    [
        ("Bob: Good evening, Ann: I am late.", 0),
        ("Bob: I heard Ann.\nAnn said so.", 0),
        (f"Bob: {ACTION_MARK}takes Ann's hand{ACTION_END}Come.", 0),
        (f"Bob: {ACTION_MARK}Ann's hat is in the way{ACTION_END}Come.", 0),
        (f"Bob: {ACTION_MARK}Annoyed, shrugs{ACTION_END}Come.", 0),
        ("Bob: Come.\nAnn: I am coming.", 1),
        (f"Bob: {ACTION_MARK}bows{ACTION_END}Ann: Thanks.", 1),
        (f"Bob: {THOUGHT_MARK}Yes.\nAnn: Not you.{THOUGHT_END}Come.", 1),
        (f"Bob: {ACTION_MARK}Ann comes nearer{ACTION_END}Come.", 1),
        ("Bob: Come.\nEnvironment: It thunders.", 1),
        ("Bob: Come.\n\nAnn (softly): I am coming.", 1),
        ("Bob: Come.\n**Ann:** I am coming.", 1),
        ("Bob: Come.\nAnn's answer: I am coming.", 1),
        ("Bob: Come.\nAnn, do I have to say it: come.", 0),
        (f"Bob: Come.{PLAN_MARK}Ann agrees.{PLAN_END}", 1),
    ],
)
def test_speaking_for_others(bob: Place, rest: str, speaks: int) -> None:
    assert rate(bob, planned(rest), "for_others") == speaks


def test_in_chinese_an_action_led_by_another_is_told_without_spaces() -> None:
    cast = [{"name": "阿宝", "profile": "高。"}, {"name": "阿强", "profile": "矮。"}]
    row = small("z/1/1", said("a", "阿宝", (SPEECH, "走吧。")), cast=cast, language="zh")
    place = Place(sample_of(row), frozenset({"阿强", "Environment"}))
    assert rate(place, f"阿宝: {ACTION_MARK}阿强站起来{ACTION_END}走吧。", "for_others") == 1
    assert rate(place, f"阿宝: {ACTION_MARK}阿强的帽子掉了{ACTION_END}走吧。", "for_others") == 0


def sample_of(row: SceneRow) -> Any:
    from her.rows.samples import SftRow
    from her.synth.samples.lessons import Lessons

    lessons = Lessons(row)
    return SftRow.model_validate(lessons.sft(next(iter(lessons)), plan=False))


def test_stating_another_s_mind_as_fact(bob: Place) -> None:
    thinks = planned(f"Bob: {THOUGHT_MARK}{{}}{THOUGHT_END}Come.")
    assert rate(bob, thinks.format("Ann secretly wants the key."), "mind_reading") == 1
    assert rate(bob, thinks.format("Perhaps Ann secretly wants the key."), "mind_reading") == 0
    assert rate(bob, planned("Bob: Come."), "mind_reading") is None


def test_going_round_in_circles(bob: Place) -> None:
    assert rate(bob, planned("Bob: " + "I am here and I wait. " * 6), "loop") == 1
    assert rate(bob, f"{PLAN_MARK}" + "ha" * 40, "loop", "length") == 1


def test_repeating_a_sentence_inside_the_turn(bob: Place) -> None:
    assert rate(bob, planned("Bob: Come here. It rains. Come here.", plan="Go."), "repeated_sentences") == 0.25
    assert rate(bob, "Bob: Come here.", "repeated_sentences") is None


def test_copying_own_and_others_speech(bob: Place) -> None:
    own, other = "No, the ferry closed at five.", "Is the ferry still open?"
    bob = next_to(bob, own, other)
    assert rate(bob, planned(f"Bob: {own}"), "own_copy") == 1
    assert rate(bob, planned(f"Bob: {own}"), "partner_copy") == 0
    assert rate(bob, planned(f"Bob: {other}"), "partner_copy") == 1
    assert rate(bob, planned("Bob: Yes."), "own_copy") is None


def next_to(place: Place, own: str, other: str) -> Place:
    system = place.context[0]
    told = (system, Message("user", f"===Conversation Start===\n\nAnn: {other}"), Message("assistant", f"Bob: {own}"))
    messages = (*told, Message("user", "Ann: Then I walk."), place.sample.messages[-1])
    return Place(place.sample.model_copy(update={"messages": messages}), place.others)


def test_copying_the_system_message(bob: Place) -> None:
    assert rate(bob, "Bob: Bob keeps the keys of the orchard.", "prompt_copy") == 1
    assert rate(bob, "Bob: Nothing of the kind is known here.", "prompt_copy") == 0


def test_stock_phrases_are_counted_by_thousand_words(bob: Place, tmp_path: Path) -> None:
    text = "Bob: Take my coat, then, a testament to my good faith as we part tonight, dear Ann, dear Ann, dear Ann, go."
    figure = rates(bob, text, "stop")["slop"]
    assert (figure.part, figure.whole) == (1000, 21)
    published = tmp_path / "list.json"
    published.write_text(json.dumps([["dear ann", "dearest ann"], ["good faith"]]))
    assert rates(bob, text, "stop", read_phrases(published))["slop_list"].part == pytest.approx(4000)
    plain = tmp_path / "list.txt"
    plain.write_text("good faith\n\nnot here\n")
    assert rates(bob, text, "stop", read_phrases(plain))["slop_list"].part == pytest.approx(1000)
    assert "slop_list" not in rates(bob, text, "stop")


@pytest.mark.parametrize("text", ["{}", '{"a": "b"}', "[]", "[1]", "[[1]]", "[{"])
def test_a_list_of_phrases_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"list\.json"):
        read_phrases(path)


def test_writing_in_another_language(bob: Place) -> None:
    assert rate(bob, "Bob: Je ne sais pas où est la clé, et je ne la cherche pas.", "wrong_language") == 1
    assert rate(bob, "Bob: I do not know where the key is, and I am not looking for it.", "wrong_language") == 0
    assert rate(bob, "Bob: Hm.", "wrong_language") is None


def test_saying_nothing_aloud(bob: Place) -> None:
    assert rate(bob, planned(f"Bob: {ACTION_MARK}bows{ACTION_END}"), "no_speech") == 1
    assert rate(bob, f"{PLAN_MARK}Bob is", "no_speech", "length") == 1
    assert rate(bob, planned("Bob: Yes."), "no_speech") == 0


def test_a_layer_that_is_not_there_has_no_length(bob: Place) -> None:
    figures = rates(bob, planned(f"Bob: {ACTION_MARK}bows low{ACTION_END}Come along now."), "stop")
    lengths = {name: figure.part for name, figure in figures.items() if name.endswith("_length")}
    assert lengths == {"plan_length": 3, "action_length": 2, "speech_length": 3}


def test_what_is_visible_has_no_plan(bob: Place) -> None:
    assert visible(bob, planned(f"Bob: {THOUGHT_MARK}So.{THOUGHT_END}Yes.")) == (
        f"Bob: {THOUGHT_MARK}So.{THOUGHT_END}Yes."
    )
    assert visible(bob, f"{PLAN_MARK}Bob is") == ""


# -- replies -----------------------------------------------------------------------------------------------------

FREE = Arm("scripted", None)


def told(_: str) -> None:
    pass


@pytest.fixture
def log(tmp_path: Path) -> ReplyLog:
    return ReplyLog(tmp_path / REPLIES)


@pytest.mark.parametrize("plans", [True, False])
async def test_a_model_is_asked_exactly_as_chat_asks_it(data: Path, log: ReplyLog, plans: bool) -> None:
    rows = {row.id: row for row in (scene(world, number) for world in WORLDS for number in (1, 2))}
    places = held_out(data, "test", plans=plans).places
    model = Scripted(lambda *_: "Yes.")
    model.constrains = True
    await play(model, places, [7], Arm("scripted", Limits()), log, told)
    for place, call in zip(places, model.calls, strict=True):
        row = rows[place.sample.scene]
        at = next(n for n, turn in enumerate(row.turns) if turn.id == place.sample.turn)
        chat = Scripted(lambda *_: "Yes.")
        chat.constrains = True
        actor = Actor(row.scene, place.speaker, chat, options=ActorOptions(plan=plans, constraint="on"))
        await actor.act(Dialogue(row.dialogue.cast, row.dialogue.turns[:at]), seed=7)
        asked = chat.calls[0]
        assert (call.messages, call.prefill) == (asked.messages, asked.prefill)
        assert (call.sampling, call.constraint) == (asked.sampling, asked.constraint)


async def test_without_the_constraint_nothing_stops_a_reply_from_speaking_for_others(data: Path, log: ReplyLog) -> None:
    places = held_out(data, "test", plans=False, limit=1).places
    model = Scripted(lambda *_: "Yes.\nEnvironment: Thunder. And so on, and so on.")
    (reply,) = await play(model, places, [0], FREE, log, told)
    assert (model.calls[0].constraint, model.calls[0].sampling.stop) == (None, ())
    assert reply.finish == "second_speaker" and "so on" not in reply.text
    assert rate(places[0], reply.text, "for_others", reply.finish) == 1


async def test_a_name_in_a_plan_without_its_beginning_ends_nothing(split: Split, log: ReplyLog) -> None:
    model = Scripted(lambda *_: "A plan.\nEnvironment: as a word.")
    (reply,) = await play(model, split.places[:1], [0], FREE, log, told)
    assert reply.finish == "stop" and reply.text.endswith("as a word.") and not reply.text.startswith(PLAN_MARK)


async def test_a_free_reply_that_begins_with_its_plan_ends_where_another_speaks(split: Split, log: ReplyLog) -> None:
    model = Scripted(lambda *_: planned("Ann: Well.\nEnvironment: Thunder. And so on, and so on."))
    (reply,) = await play(model, split.places[:1], [0], FREE, log, told)
    assert reply.finish == "second_speaker" and "so on" not in reply.text


@pytest.mark.parametrize("plans", [True, False])
async def test_no_word_of_a_free_reply_is_written_for_the_model(data: Path, log: ReplyLog, plans: bool) -> None:
    (place,) = held_out(data, "test", plans=plans, limit=1).places
    without = f"A plan.{PLAN_END}{place.speaker}: Well." if plans else "Well."
    model = Scripted([without, f"{place.beginning}{without}"])
    assert model.prefills
    lost, whole = await play(model, [place], [0, 1], FREE, log, told)
    assert [call.prefill for call in model.calls] == ["", ""]
    assert (lost.text, whole.text) == (without, place.beginning + without)
    assert rate(place, lost.text, "valid", lost.finish) == 0
    assert rate(place, whole.text, "valid", whole.finish) == 1


async def test_a_run_that_was_killed_goes_on_and_asks_nothing_twice(split: Split, log: ReplyLog) -> None:
    words = [f"A plan.{PLAN_END}Well, {n}." for n in range(12)]
    killed = Scripted(words[:5])
    with pytest.raises(ReplayMiss):
        await play(killed, split.places[:4], [0, 1, 2], FREE, log, told)
    with log.path.open("ab") as file:
        file.write(b'{"id":"harbour/1/1/t4/plan","sce')
    model = Scripted(words[5:])
    found = await play(model, split.places[:4], [0, 1, 2], FREE, ReplyLog(log.path), told)
    assert [reply.text for reply in found] == words
    assert len(model.calls) == 7 and {call.sampling.seed for call in model.calls} == {0, 1, 2}
    assert len([*read_rows(log.path, Replied)]) == 12
    assert [*read_rows(log.path, Replied)] == found


@pytest.mark.parametrize(
    ("how", "unlike"),
    [
        (Arm("other", None), "model: scripted, now other"),
        (Arm("scripted", SMALL), "limits: none, now plan 48, thought 32, action 32, speech 28, bodies 1"),
        (Arm("scripted", None, Sampling(temperature=0)), "temperature: 0.7, now 0"),
        (Arm("scripted", None, Sampling(top_p=1)), "top_p: 0.9, now 1"),
        (Arm("scripted", None, Sampling(max_tokens=64)), "max_tokens: 1024, now 64"),
        (Arm("scripted", None, Sampling(repeat_penalty=1.1)), "repeat_penalty: none, now 1.1"),
    ],
)
async def test_replies_that_were_got_otherwise_are_not_taken_for_these(
    split: Split, log: ReplyLog, how: Arm, unlike: str
) -> None:
    places, model = split.places[:1], Scripted(["One.", "Two."])
    model.constrains = True
    await play(model, places, [0], FREE, log, told)
    with pytest.raises(InputError, match=rf"got otherwise \({re.escape(unlike)}\); name a new folder"):
        await play(model, places, [0], how, ReplyLog(log.path), told)
    assert len(await play(model, places, [0], FREE, ReplyLog(log.path), told)) == 1


async def test_other_limits_are_another_measurement(split: Split, log: ReplyLog) -> None:
    places, model = split.places[:1], Scripted(["One.", "Two."])
    model.constrains = True
    await play(model, places, [0], Arm("scripted", Limits()), log, told)
    with pytest.raises(InputError, match=r"limits: plan 300, .*, now plan 48"):
        await play(model, places, [0], Arm("scripted", SMALL), ReplyLog(log.path), told)


async def test_another_grammar_or_prompt_is_another_measurement(
    split: Split, log: ReplyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, model, how = split.places[:1], Scripted(["One.", "Two."]), Arm("scripted", SMALL)
    model.constrains = True
    await play(model, places, [0], how, log, told)
    changed = places[0].sample.model_copy(
        update={"messages": (Message("system", "Else."), *places[0].sample.messages[1:])}
    )
    with pytest.raises(InputError, match=r"the prompt of .* is another now"):
        await play(model, [replace(places[0], sample=changed)], [0], how, log, told)
    monkeypatch.setattr(replies, "grammar", lambda *_, **__: 'reply ::= "Yes."')
    with pytest.raises(InputError, match=r"the grammar of .* is another now"):
        await play(model, places, [0], how, log, told)


async def test_a_journal_that_says_more_is_read(split: Split, log: ReplyLog) -> None:
    (reply,) = await play(Scripted(["One."]), split.places[:1], [0], FREE, log, told)
    log.path.write_text(json.dumps({**json.loads(log.path.read_text()), "world": "mill", "character": "Ann"}) + "\n")
    assert await play(Scripted([]), split.places[:1], [0], FREE, ReplyLog(log.path), told) == [reply]


async def test_a_journal_that_does_not_say_how_it_was_got_is_refused(split: Split, log: ReplyLog) -> None:
    await play(Scripted(["One."]), split.places[:1], [0], FREE, log, told)
    row = json.loads(log.path.read_text())
    del row["how"], row["grammar"]
    older = {**row, "model": "scripted", "constrained": False, "temperature": 0.7}
    for kept in (row, older):
        log.path.write_text(json.dumps(kept) + "\n")
        with pytest.raises(InputError, match=r"does not say how its replies were got.*; name a new folder"):
            ReplyLog(log.path)


class Breaks(Scripted):
    """A model whose stream breaks off after the first word of its second reply."""

    async def stream(self, *args: Any, **rest: Any) -> AsyncGenerator[str | Reply]:
        async for piece in super().stream(*args, **rest):
            if isinstance(piece, Reply) and len(self.calls) == 2:
                yield Reply("One", Finish.CUT, error="the line went dead")
            else:
                yield piece


async def test_a_reply_that_broke_off_is_no_reply(split: Split, log: ReplyLog) -> None:
    with pytest.raises(ModelError, match="the line went dead; give the same command again"):
        await play(Breaks(lambda *_: "One."), split.places[:3], [0], FREE, log, told)
    assert len([*read_rows(log.path, Replied)]) == 1


async def test_a_model_without_a_constraint_cannot_be_measured_under_one(split: Split, log: ReplyLog) -> None:
    with pytest.raises(InputError, match="measure it with --free"):
        await play(Scripted(["One."]), split.places[:1], [0], Arm("scripted", SMALL), log, told)


class Short(Scripted):
    """A model with a token a character, and a window of its own."""

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int:
        return sum(len(message.content) for message in messages) + len(prefill)


async def test_where_a_prompt_does_not_fit_its_oldest_exchanges_go(bob: Place, log: ReplyLog) -> None:
    model = Short(lambda *_: "Yes.")
    whole = await model.count(bob.context)
    model.context = whole + 1024 - 1
    await play(model, [bob], [0], FREE, log, told)
    sent = model.calls[0].messages
    assert len(sent) < len(bob.context) and await model.count(sent) < whole
    assert [message.role for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[1].content.startswith("===Conversation Start===")


def test_a_model_is_known_by_its_weights_and_not_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    names = []
    for weights in (b"GGUF1", b"GGUF2"):
        path.write_bytes(weights)
        names.append(identity(str(path)))
    assert names[0] != names[1] and all(name.startswith(f"{path}@") for name in names)
    assert identity(f"{path}+{path}") not in names
    assert identity("scripted:Hi.") == "scripted:Hi."


@pytest.mark.parametrize("place", ["model.safetensors", "adapter/adapter_model.safetensors", "model/model.safetensors"])
def test_a_folder_is_known_by_its_weights_whatever_stands_before_it(tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    known = set()
    for weights in (b"1", b"2"):
        file.write_bytes(weights)
        known |= {identity(str(tmp_path)), identity(f"hf:{tmp_path}")}
    assert len(known) == 4
    assert identity("hf:org/name") == "hf:org/name"


def test_an_adapter_is_held_as_the_bundled_model_that_it_may_become(tmp_path: Path) -> None:
    path = tmp_path / "adapter.gguf"
    kind = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    path.write_bytes(gguf({**kind, "adapter.lora.alpha": 1.0}))
    assert arm(str(path), constrained=True).limits == SMALL
    path.write_bytes(gguf({**kind, "general.type": "model"}))
    assert arm(str(path), constrained=True).limits == Limits()


def test_the_bundled_model_has_the_limits_that_chat_gives_it() -> None:
    assert arm("mini-base", constrained=True) == Arm("mini-base", SMALL, Sampling(temperature=COOL))
    assert arm("scripted", constrained=True).limits == Limits()
    assert arm("mini-base", constrained=False).limits is None


# -- figures -----------------------------------------------------------------------------------------------------


def seen(scene: str, turn: int, part: float, whole: float = 1, *, layout: str = "", gold: bool = False) -> Observation:
    figures = {"valid": Part(part, whole)}
    return Observation(turn=f"{scene}/{turn}", scene=scene, gold=gold, layout=layout, figures=figures)


def test_a_figure_of_many_turns_is_parts_by_wholes() -> None:
    found = estimates([seen("a", 1, 1, 4), seen("a", 2, 0, 0), seen("b", 1, 3, 4)])["valid"]
    assert found == Estimate(0.5, None, None, 2, 2)
    assert estimates([seen("a", 1, 0, 0)]) == {}


def test_layouts_are_told_of_all_turns_together() -> None:
    layouts = ["speech", "speech", "action-speech", ""]
    found = estimates([seen(str(n), n, 1, layout=layout) for n, layout in enumerate(layouts)])
    assert found["layout_top"].value == pytest.approx(2 / 3)
    assert found["layout_entropy"].value == pytest.approx(math.log2(3) - 2 / 3)
    assert (found["layouts"].value, found["layouts"].turns) == (2, 3)


def test_there_is_no_interval_where_none_can_be_made() -> None:
    few = [seen(str(n), 1, n % 2) for n in range(5)]
    same = [seen(str(n), 1, 1) for n in range(20)]
    enough = [seen(str(n), 1, n % 2) for n in range(6)]
    ends = [(found.low, found.high) for found in (estimates(each)["valid"] for each in (few, same, enough))]
    assert ends[:2] == [(None, None)] * 2
    assert None not in ends[2]


def test_an_entropy_that_nearly_no_draw_comes_up_to_has_no_interval() -> None:
    layouts = [seen(f"{scene}-{n}", scene, 1, layout=f"layout {scene} {n}") for scene in range(12) for n in range(3)]
    found = estimates(layouts)["layout_entropy"]
    assert found.value == pytest.approx(math.log2(36))
    assert (found.low, found.high) == (None, None)


# -- side by side ------------------------------------------------------------------------------------------------


def measurement(folder: Path, observations: Sequence[Observation], **more: Any) -> Path:
    folder.mkdir()
    (folder / TURNS).write_text("".join(f"{each.model_dump_json()}\n" for each in observations))
    (folder / MEASURES).write_text(json.dumps(report() | more))
    return folder


def test_a_comparison_is_of_the_same_turns(tmp_path: Path) -> None:
    one = measurement(tmp_path / "a", [seen(str(n), 1, n % 2) for n in range(8)] + [seen("x", 1, 1, gold=True)])
    two = measurement(tmp_path / "b", [seen(str(n), 1, 1) for n in range(2, 12)] + [seen("2", 9, 0)])
    (found,) = compare([one, two])
    assert (found.first, found.other, found.difference, found.turns, found.scenes) == (0.5, 1, 0.5, 6, 6)


def test_a_difference_that_other_scenes_might_turn_round_is_not_resolved(tmp_path: Path) -> None:
    rng = random.Random(1)
    coin = [seen(str(n), 1, float(rng.random() < 0.5)) for n in range(12)]
    other = [seen(str(n), 1, float(rng.random() < 0.5)) for n in range(12)]
    best, worst = ([seen(str(n), 1, value) for n in range(12)] for value in (1, 0))
    folders = [measurement(tmp_path / str(n), each) for n, each in enumerate((coin, other, best, worst))]
    by_folder = {each.folder: each for each in compare(folders)}
    assert not by_folder[str(folders[1])].resolved
    assert by_folder[str(folders[2])].resolved and by_folder[str(folders[3])].resolved
    (flat,) = compare(folders[2:])
    assert (flat.difference, flat.low, flat.resolved) == (-1, None, True)
    (same,) = compare([folders[2], folders[2]])
    assert not same.resolved


def test_measurements_on_other_data_or_another_split_are_not_set_side_by_side(tmp_path: Path) -> None:
    seen_so = [seen("s", 1, 1)]
    one = measurement(tmp_path / "a", seen_so)
    other = measurement(tmp_path / "b", seen_so, split="validation")
    with pytest.raises(InputError, match=r"not measured on the same \(split `test` and `validation`\)"):
        compare([one, other])
    other = measurement(tmp_path / "c", seen_so, files={"roleplay-sft/test-00000.parquet": "cd34"})
    with pytest.raises(InputError, match=r"not measured on the same \(data `[0-9a-f]{12}` and `[0-9a-f]{12}`\)"):
        compare([one, other])
    fewer = measurement(tmp_path / "d", seen_so, turns=1, scenes=1, languages=[])
    assert "Not measured alike" not in comparison([one, fewer], compare([one, fewer]))


def test_what_was_weighed_by_different_models_is_left_out_of_a_comparison(tmp_path: Path) -> None:
    bound = [
        Observation(turn=f"{n}/1", scene=str(n), figures={"valid": Part(1, 1), "binding": Part(n, 9)}) for n in range(8)
    ]
    one, same, other, none = (
        measurement(tmp_path / name, bound, frozen=frozen)
        for name, frozen in (("a", "x.gguf"), ("b", "x.gguf"), ("c", "y.gguf"), ("d", None))
    )
    assert {each.name for each in compare([one, same])} == {"valid", "binding"}
    assert {each.name for each in compare([one, other])} == {"valid"}
    text = comparison([one, other], compare([one, other]))
    assert "Not measured alike: binding under." in text and "Left out: bound to its scene, bits/character;" in text
    assert "Left out" not in comparison([one, none], compare([one, none]))
    first, changed = (
        measurement(tmp_path / sha, bound, frozen="x.gguf", identities={"frozen": f"x.gguf@{sha}"}) for sha in "ef"
    )
    assert {each.name for each in compare([first, first])} == {"valid", "binding"}
    for unlike in (changed, one):
        assert {each.name for each in compare([first, unlike])} == {"valid"}


def test_a_measurement_of_an_older_version_is_to_be_made_again(tmp_path: Path) -> None:
    folders = [measurement(tmp_path / name, [seen("s", 1, 1)]) for name in "ab"]
    older = report()
    del older["limits"]
    (folders[1] / MEASURES).write_text(json.dumps(older))
    with pytest.raises(InputError, match=r"b.measures\.json: cannot be read .*; measure again"):
        compare(folders)


def test_few_scenes_resolve_nothing(tmp_path: Path) -> None:
    folders = [measurement(tmp_path / str(value), [seen(str(n), 1, value) for n in range(5)]) for value in (0, 1)]
    (found,) = compare(folders)
    assert (found.difference, found.low, found.resolved) == (1, None, False)


def test_a_folder_without_a_measurement_is_refused(tmp_path: Path) -> None:
    one = measurement(tmp_path / "a", [seen("s", 1, 1)])
    with pytest.raises(InputError, match="holds no measurement"):
        compare([one, tmp_path])
    with pytest.raises(InputError, match="two folders"):
        compare([one])


# -- tables ------------------------------------------------------------------------------------------------------


def report() -> dict[str, Any]:
    def told(value: float, low: float | None = None, high: float | None = None, turns: int = 1234) -> dict[str, Any]:
        return {"value": value, "low": low, "high": high, "turns": turns, "scenes": 12}

    return {
        "model": "mini-base",
        "split": "test",
        "languages": ["en"],
        "plans": True,
        "constrained": False,
        "limits": None,
        "frozen": None,
        "phrases": None,
        "files": {"roleplay-sft/test-00000.parquet": "ab12"},
        "versions": {"her": "0.1.0"},
        "seeds": [0, 1],
        "sampling": {"temperature": 0.7, "top_p": 0.9, "max_tokens": 1024},
        "turns": 617,
        "scenes": 12,
        "worlds": 6,
        "measures": {
            "valid": told(0.1234, 0.1, 0.2),
            "slop": told(3.14159, 1.0, 6.0),
            "layouts": told(17),
            "binding": told(-0.01234, -0.05, 0.03, 1200),
            "plain_bits_speech": told(1.5, 1.4, 1.6),
        },
        "gold": {"valid": told(1.0), "binding": told(0.1234, 0.1, 0.15), "plan_length": told(48.25, 45.0, 52.0)},
        "wrong": {"unclosed": 1000, "no name": 80},
    }


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HER_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


def test_a_table_reads_as_written_down() -> None:
    golden("measures.md", table(report()))


def test_a_comparison_reads_as_written_down(tmp_path: Path) -> None:
    first, other = ([seen(str(n), 1, n % k == 0, layout="speech") for n in range(12)] for k in (2, 6))
    folders = [
        measurement(tmp_path / "base", first, constrained=True, limits=asdict(SMALL), seeds=[0]),
        measurement(tmp_path / "tuned", other, model="mini", turns=80),
    ]
    golden("compare.md", comparison(folders, compare(folders)))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads wait for each other by spinning: for tiny models, and beside other work, one is far faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# -- weights -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.model_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def weights(tiny: Path) -> Weights:
    return load_weights(str(tiny))


def test_bits_of_turns_add_up_to_those_of_the_split(weights: Weights, split: Split) -> None:
    samples = split.of(plan=True)
    told = lessons(samples, weights.encoder, "tree")
    whole = HeldOut(told.trees, [told.layers(tree, weights.encoder) for tree in told.trees])
    bits = whole.measure(weights.model, "tree")
    found = dict((sample.id, figures) for sample, figures in gold_bits(weights, samples))
    assert found.keys() == samples.keys()
    for kind in Kind:
        name = f"bits_{kind.short}"
        parts = [figures[name] for figures in found.values() if name in figures]
        assert sum(p.part for p in parts) / sum(p.whole for p in parts) == pytest.approx(bits.of(kind), rel=1e-5)
    assert "bits_thought" not in found["mill/1/1/t2/plan"]


def test_bits_of_a_turn_are_those_of_its_row_alone(weights: Weights, split: Split) -> None:
    samples = split.of(plan=False)
    id = "mill/2/1/t6/plain"
    alone = dict(gold_bits(weights, {id: samples[id]}, "plain_"))
    among = {sample.id: figures for sample, figures in gold_bits(weights, samples, "plain_")}
    (figures,) = alone.values()
    assert set(figures) == {"plain_bits_action", "plain_bits_speech"}
    for name, figure in figures.items():
        assert figure.part == pytest.approx(among[id][name].part, rel=1e-4)


def test_an_adapter_is_measured_on_its_base_by_run_and_by_folder(tiny: Path, weights: Weights, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(InputError, match="no result yet"):
        (run / "adapter").mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"model": str(tiny)}))
        load_weights(str(run))
    adapted = get_peft_model(tiny_models.model(), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(run / "adapter")
    weights.encoder.tokenizer.save_pretrained(run / "adapter")
    row = weights.encoder.row(next(iter(tiny_models.samples(tiny_models.talk()))))
    tree = Tree((row,))
    told = load_weights(str(run)).log_probs(tree)
    assert told == pytest.approx(load_weights(str(run / "adapter")).log_probs(tree))
    attend(adapted, "tree", "adapted")
    with torch.no_grad():
        assert told == pytest.approx(log_probs(adapted.eval(), [tree]).tolist(), abs=1e-4)
    assert told != pytest.approx(weights.log_probs(tree), abs=1e-2)


def test_the_bundled_adapter_has_no_weights_to_open() -> None:
    with pytest.raises(InputError, match="name the run that it came from"):
        load_weights("mini")


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder with a config\.json"):
        load_weights(str(tmp_path))


# -- binding -----------------------------------------------------------------------------------------------------


def test_binding_is_what_the_own_prompt_gives_over_that_of_the_other_scene(weights: Weights, split: Split) -> None:
    plain = split.of(plan=False)
    found = bindings(weights, [*said_by_gold(split.places)], plain, told)
    assert found.keys() == {place.turn for place in split.places}
    for turn, other in (("mill/1/1/t2", "mill/2/1/t2"), ("mill/2/1/t6", "mill/1/1/t6")):
        place = next(place for place in split.places if place.turn == turn)
        text = visible(place, place.gold)
        bits = []
        for prompt in (plain[f"{turn}/plain"], plain[f"{other}/plain"]):
            messages = (*prompt.messages[:-1], Message("assistant", text))
            row = weights.encoder.row(prompt.model_copy(update={"messages": messages}))
            bits.append(sum(weights.log_probs(Tree((row,)))[:-1]) / math.log(2))
        assert found[turn].whole == len(text)
        assert found[turn].part == pytest.approx(bits[0] - bits[1], abs=1e-2)
        assert abs(found[turn].part) > 0.1


def test_a_turn_under_two_prompts_that_are_the_same_is_bound_by_nothing(weights: Weights, split: Split) -> None:
    place = split.places[0]
    own = split.samples[f"{place.turn}/plain"]
    twin = own.model_copy(update={"scene": "twin", "id": "twin"})
    found = bindings(weights, [*said_by_gold([place])], {own.id: own, twin.id: twin}, told)
    assert found[place.turn].part == pytest.approx(0, abs=1e-6)


def test_a_turn_without_another_scene_or_with_more_words_than_fit_is_left_out(weights: Weights, split: Split) -> None:
    place, plain = split.places[0], split.of(plan=False)
    alone = {id: row for id, row in plain.items() if row.scene == place.sample.scene}
    assert bindings(weights, [*said_by_gold([place])], alone, told) == {}
    long = Saying(place.turn, place, f"{place.speaker}: {'word ' * 2000}")
    assert bindings(weights, [long], plain, told) == {long.key: None}


def test_a_prompt_is_read_once_for_all_texts_under_it(
    weights: Weights, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = split.of(plan=False)
    texts = [*said_by_gold(split.places)]
    texts += [replace(each, key=f"{each.key} {n}", text=f"{each.text} {n}") for each in texts for n in range(2)]
    trees: list[Tree] = []
    honest = Weights.log_probs

    def seen(self: Weights, tree: Tree) -> list[float]:
        trees.append(tree)
        return honest(self, tree)

    monkeypatch.setattr(Weights, "log_probs", seen)
    together = bindings(weights, texts, plain, told)
    assert len(together) == len(texts) and len(trees) == len({row.group for tree in trees for row in tree.rows}) == 12
    monkeypatch.setattr(binding, "MOST_TOGETHER", 1)
    trees.clear()
    alone = bindings(weights, texts, plain, told)
    assert len(trees) == 2 * len(texts)
    assert {key: part.part for key, part in alone.items()} == pytest.approx(
        {key: part.part for key, part in together.items()}, abs=1e-2
    )


def test_a_shuffled_reply_is_tried_where_the_same_character_spoke(split: Split) -> None:
    places = [place for place in split.places if place.sample.scene == "mill/1/1"]
    assert [place.turn[-2:] for place in places] == ["t1", "t4", "t2", "t6"]
    spoken = [
        Replied.model_validate(
            {name: "" for name in Replied.model_fields}
            | {"id": place.sample.id, "seed": 0, "seconds": 1, "tokens": None, "how": FREE.told()}
            | {"text": planned(f"{place.speaker}: {place.turn}")}
        )
        for place in places
    ]
    own = [(saying.key[-2:], saying.text[-2:]) for saying in said_by_model(places, spoken)]
    assert own == [("t1", "t1"), ("t4", "t4"), ("t2", "t2"), ("t6", "t6")]
    mixed = [(saying.key[-2:], saying.text[-2:]) for saying in said_by_model(places, spoken, shuffled=True)]
    assert mixed == [("t1", "t4"), ("t4", "t1"), ("t2", "t6"), ("t6", "t2")]
    assert [*said_by_model(places[:1], spoken, shuffled=True)] == []


# -- all together ------------------------------------------------------------------------------------------------


def test_the_command_writes_what_it_prints(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reply = f"scripted:{planned('Bob: Come home with me, for the rain will not end.')}"
    folders = [str(tmp_path / name) for name in ("a", "b")]
    for folder, limit in zip(folders, ("9", "20"), strict=True):
        argv = ["train", "measure", reply, "--data", str(data), "--out", folder, "--limit", limit, "--json"]
        assert cli.run([*argv, "--seed", "0", "--seed", "1", "--seed", "1"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found == json.loads(Path(folder, MEASURES).read_text())
    assert Path(folder, TABLE).read_text() == table(found)
    assert (found["turns"], found["scenes"], found["seeds"]) == (20, 6, [0, 1])
    assert found["measures"]["valid"]["turns"] == 40 and found["gold"]["valid"]["turns"] == 20
    assert set(found["files"]) == {"roleplay-sft/test-00000.parquet", "roleplay-sft-plain/test-00000.parquet"}
    anns = sum(place.speaker == "Ann" for place in held_out(data, "test", plans=True, limit=20).places)
    assert found["wrong"] == {"second_speaker": 2 * anns, "empty": 2 * anns, "no name": 2 * anns}
    assert cli.run(["train", "compare", *folders, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    differences = compared["differences"]
    assert {name: how["turns"] for name, how in compared["measured"].items()} == {
        folders[0]: "9 in 6 scenes, all languages",
        folders[1]: "20 in 6 scenes, all languages",
    }
    assert {each["difference"] for each in differences if each["name"] == "valid"} == {0}
    assert cli.run(["train", "compare", *folders]) == 0
    assert "not resolved" in capsys.readouterr().out


def test_a_measurement_is_taken_for_what_it_is(data: Path, tmp_path: Path) -> None:
    options = MeasureOptions(f"scripted:{planned('Bob: Well.')}", data, tmp_path / "m", limit=6)
    assert measured(options) is None
    found = measure(options, told=told)
    assert measured(options) == json.loads(json.dumps(found))
    shutil.copytree(data, tmp_path / "moved")
    assert measured(replace(options, data=tmp_path / "moved")) is not None
    for more in ({"limit": 7}, {"frozen": "x.gguf"}, {"weights": "y"}, {"seeds": (1,)}, {"constrained": True}):
        assert measured(replace(options, **more)) is None
    assert measured(replace(options, address="scripted:Hm.")) is None
    other = {**found, "versions": {**found["versions"], "her": "0.0.1"}}
    (tmp_path / "m" / MEASURES).write_text(json.dumps(other))
    assert measured(options) is None
    (tmp_path / "m" / MEASURES).write_text("{")
    assert measured(options) is None


def test_of_a_run_that_ended_while_it_wrote_no_older_report_stays(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = MeasureOptions("scripted:Hm.", data, tmp_path / "m", limit=3)
    measure(options, told=told)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("her.train.measure.measure.Writer", killed)
    with pytest.raises(KeyboardInterrupt):
        measure(replace(options, limit=4), told=told)
    assert measured(options) is None


def test_weights_and_a_frozen_model_add_bits_and_binding(data: Path, tiny: Path, tmp_path: Path) -> None:
    reply = f"scripted:{planned('Well, the rain will not end.')}"
    frozen = tiny_models.model_folder(tmp_path / "frozen", "qwen3")
    options = MeasureOptions(reply, data, tmp_path / "m", weights=str(tiny), frozen=str(frozen))
    found = measure(options, told=told)
    bits = {name for name in found["measures"] if "bits" in name}
    assert bits == {f"bits_{kind.short}" for kind in Kind} | {
        f"plain_bits_{name}" for name in ("thought", "action", "speech")
    }
    binding, shuffled = found["measures"]["binding"], found["measures"]["binding_shuffled"]
    assert binding["turns"] == shuffled["turns"] == found["gold"]["binding"]["turns"] == 24
    # The same words everywhere: to shuffle them changes nothing.
    assert binding["value"] == pytest.approx(shuffled["value"], abs=1e-4)
    seen = [*read_rows(tmp_path / "m" / TURNS, Observation)]
    assert len(seen) == 4 * 24
    assert "bits/character" in (tmp_path / "m" / TABLE).read_text()
    assert measured(options) is not None
    file = frozen / "model.safetensors"
    file.write_bytes(file.read_bytes() + b" ")
    assert measured(options) is None


def test_what_overflows_a_window_is_left_out_and_counted(data: Path, tmp_path: Path) -> None:
    models = [tiny_models.model_folder(tmp_path / kind, kind) for kind in ("llama", "qwen3")]
    for folder in models:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 64}))
    options = MeasureOptions("scripted:Hm.", data, tmp_path / "m", limit=6, weights=str(models[0]))
    found = measure(replace(options, frozen=str(models[1])), told=told)
    assert found["too_long"]["binding"] > 0 and found["too_long"]["bits"] == 12
    assert found["measures"]["valid"]["turns"] == 6 and not {"binding", "bits_plan"} & found["measures"].keys()
    assert "Left out, being longer" in (tmp_path / "m" / TABLE).read_text()


def test_what_would_fail_at_the_end_fails_before_anything_is_asked(data: Path, tmp_path: Path) -> None:
    for more in ({"weights": str(tmp_path)}, {"frozen": str(tmp_path)}, {"phrases": tmp_path}):
        with pytest.raises(InputError):
            measure(MeasureOptions("scripted:Hm.", data, tmp_path / "m", **more), told=told)
    shutil.copytree(data / "roleplay-sft", tmp_path / "data" / "roleplay-sft")
    with pytest.raises(InputError, match="no samples without plans"):
        measure(MeasureOptions("scripted:Hm.", tmp_path / "data", tmp_path / "m", frozen="mini-base"), told=told)
    assert not (tmp_path / "m").exists()


def test_the_frozen_model_is_another_one(data: Path, tiny: Path, tmp_path: Path) -> None:
    for options in (
        MeasureOptions("mini-base", data, tmp_path / "m", frozen="mini-base"),
        MeasureOptions("scripted:Hm.", data, tmp_path / "m", weights=str(tiny), frozen=f"{tiny.parent}/./{tiny.name}"),
        MeasureOptions("scripted:Hm.", data, tmp_path / "m", weights=str(tiny), frozen=f"hf:{tiny}"),
    ):
        with pytest.raises(InputError, match="is the model that is measured"):
            measure(options, told=told)
