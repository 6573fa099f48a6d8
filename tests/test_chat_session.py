"""A session: who hears what, what a stopped reply leaves, and a tree from which nothing is ever lost."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatting import MARKS, NAMES, REPLY, last_of, prompt_text, scene, session, written
from her.actor import ActorOptions
from her.chat.casting import Casting, addressed, next_speaker
from her.chat.reroll import changed_mind, kept
from her.chat.session import Session
from her.chat.store import Node, Origin, Store
from her.errors import InputError, ModelError, StorageError, UnknownName, Unreachable
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, prompt_sha
from her.models.recorded import Scripted
from her.scene import Scene
from her.stream import Delta, Finished
from her.turn import ENVIRONMENT, VIEWS, Ending, Kind, Segment, Turn

PLAN, THOUGHT, ACTION, SPEECH = Kind.SYSTEM_THINKING, Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH


def resumed(played: Session) -> Session:
    """The same chat, opened anew from its file."""
    return Session.resume(Store(played.store.path), played.chat_id, played.model)


def saying(speaker: str, text: str, kind: Kind = SPEECH) -> Turn:
    return Turn(speaker, (Segment(kind, text),))


# -- casting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("casting", "error", "words"),
    [
        (Casting("Anne"), UnknownName, "'Anne'; the cast is: Ann, Ben, Cleo"),
        (Casting("Ann", ("Dora",)), UnknownName, "'Dora'"),
        (Casting("Ann", ("Ann",)), InputError, "by you and by the model"),
        (Casting("Ann", ("Ben", "Ben")), InputError, "named twice"),
        (Casting(ENVIRONMENT), InputError, "not a character"),
        (Casting("environment", newcomer=True), InputError, "nobody can enter as"),
        (Casting("BEN", newcomer=True), InputError, "nobody can enter as"),
        (Casting("two\nlines", newcomer=True), InputError, "nobody can enter as"),
    ],
)
def test_a_casting_that_cannot_be_played_is_refused(casting: Casting, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        casting.settled(scene())


def test_the_model_plays_everybody_else_unless_told_otherwise() -> None:
    assert Casting("Ben").settled(scene())[1].with_names == ("Ann", "Cleo")
    assert Casting(None).settled(scene())[1].with_names == NAMES
    assert Casting("Ben", ("Cleo",)).settled(scene())[1].with_names == ("Cleo",)
    with pytest.raises(InputError, match="nobody is left"):
        Casting("Ann").settled(scene(("Ann",)))


def test_a_newcomer_joins_the_cast_with_a_name_of_any_script(tmp_path: Path) -> None:
    played, _ = session(tmp_path, casting=Casting(" 林 黛玉 ", newcomer=True))
    assert played.scene.names == (*NAMES, "林 黛玉")
    assert played.say("你好").turn.speaker == "林 黛玉"
    assert resumed(played).scene == played.scene
    assert Casting.default(scene(("Ann",))).settled(scene(("Ann",)))[0].names == ("Ann", "User")
    assert Casting.default(scene()).as_name == "Ben"


AI = Casting("You", ("Jane Bennet", "Elizabeth Bennet", "Mr. Darcy"))


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (saying("You", "elizabeth, will you come? Jane is ill."), "Elizabeth Bennet"),
        (saying("You", "Will you come, Mr. Darcy?"), "Mr. Darcy"),
        (saying("You", "Ask darcy."), "Mr. Darcy"),
        (saying("You", "Mr. Collins was here, and the janes of this world"), "Jane Bennet"),
        (saying("You", "Miss Bennet!"), "Jane Bennet"),
        (saying("You", "turns to Darcy", ACTION), "Mr. Darcy"),
        (Turn("You", (Segment(ACTION, "turns to Jane"), Segment(SPEECH, "Elizabeth?"))), "Elizabeth Bennet"),
        (saying("You", "Darcy is a fool", THOUGHT), "Jane Bennet"),
        (replace(saying("You", "Darcy is a fool"), heard_by=frozenset({"Elizabeth Bennet"})), "Elizabeth Bennet"),
        (saying("Jane Bennet", "Hm."), "Elizabeth Bennet"),
        (saying("Mr. Darcy", "Jane."), "Jane Bennet"),
    ],
)
def test_who_is_addressed_speaks_next_and_else_they_take_turns(turn: Turn, expected: str) -> None:
    assert next_speaker(AI, [turn]) == expected


def test_turns_go_round_and_pass_over_who_is_away() -> None:
    turns = [saying("Jane Bennet", "Hm."), saying("You", "So?")]
    assert next_speaker(AI, turns) == "Elizabeth Bennet"
    assert next_speaker(AI, turns, frozenset({"Elizabeth Bennet"})) == "Mr. Darcy"
    assert next_speaker(AI, turns, frozenset(AI.with_names)) is None
    assert next_speaker(AI, [*turns, Turn("Elizabeth Bennet", (Segment(PLAN, "cut"),))]) == "Elizabeth Bennet"


def test_looking_on_they_alternate_even_when_called_by_name() -> None:
    nobody = Casting(None, ("Ann", "Ben", "Cleo"))
    assert next_speaker(nobody, [saying("Ann", "Cleo?")]) == "Ben"
    assert next_speaker(nobody, []) == "Ann"


def test_names_are_found_in_scripts_without_spaces() -> None:
    names = ["林黛玉", "贾宝玉"]
    assert addressed(saying("x", "今天贾宝玉在哪里？"), names) == "贾宝玉"
    assert addressed(saying("x", "今天在哪里？"), names) is None


# -- saying ------------------------------------------------------------------------------------------------------


def test_what_a_person_writes_is_read_as_people_write(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    node = played.say('*stands up* [I must not smile] "Good evening."')
    assert node.turn.segments == (
        Segment(ACTION, "stands up"),
        Segment(THOUGHT, "I must not smile"),
        Segment(SPEECH, "Good evening."),
    )
    tagged = played.say(f"Yes.{MARKS['thought_open']}No.{MARKS['thought_close']}")
    assert tagged.turn.segments == (Segment(SPEECH, "Yes."), Segment(THOUGHT, "No."))
    assert resumed(played).line == played.line


def test_a_thought_that_a_person_forgets_to_close_stays_private(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    node = played.say("Hello [nobody must know")
    assert node.turn.text_of(THOUGHT) == "nobody must know"
    assert node.faults, "and it is counted"
    assert all("nobody must know" not in turn.text_of(SPEECH) for turn in played.eyes("Ann"))


def test_half_a_character_and_other_oddities_can_be_said(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    for text in ("half \ud83d a smile", "a nul \x00 in it", "Ann: I said that Ann said so.", "🙂 \u202e"):
        played.say(text)
    assert resumed(played).line == played.line
    assert played.line[-2].turn.speaker == "Ben", "nobody else is made to speak"


def test_saying_nothing_or_as_nobody_is_refused_and_saves_nothing(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    before = played.line
    with pytest.raises(InputError, match="nothing in that line"):
        played.say("  \n ")
    with pytest.raises(UnknownName):
        played.say("Boo", speaker="Ghost")
    played.recast(Casting(None))
    with pytest.raises(InputError, match="you play nobody"):
        played.say("Hello")
    assert resumed(played).line == played.line == before
    assert played.say("Rain begins.", speaker=ENVIRONMENT).turn.speaker == ENVIRONMENT


async def test_a_whisper_reaches_one_mind_and_is_answered_in_a_whisper(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    played.whisper("Cleo", "The key is under the stone.")
    node = await last_of(played.reply())
    assert node.turn.speaker == "Cleo"
    assert "under the stone" in prompt_text(model)
    assert node.turn.heard_by == {"Ben"}
    again = await last_of(played.retry())
    assert again.turn.heard_by == {"Ben"}, "a new version is heard by the same"
    played.say("Nice weather.")
    await last_of(played.reply("Ann"))
    assert "under the stone" not in prompt_text(model)
    assert "Very well." not in prompt_text(model)
    assert "Nice weather." in prompt_text(model)
    with pytest.raises(UnknownName):
        played.whisper("Ghost", "Psst")


async def test_who_is_away_hears_nothing_and_does_not_speak(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    played.leave("Cleo")
    node = played.say("Cleo is a thief.")
    assert node.turn.heard_by == {"Ann"}
    assert played.next_speaker() == "Ann"
    with pytest.raises(InputError, match="Cleo is away"):
        played.reply("Cleo")
    with pytest.raises(InputError, match="Cleo is away"):
        played.whisper("Cleo", "Psst")
    assert resumed(played).absent == {"Cleo"}
    await last_of(played.reply())
    played.enter("Cleo")
    played.say("There you are.")
    await last_of(played.reply("Cleo"))
    assert "thief" not in prompt_text(model)
    assert "Very well." not in prompt_text(model), "nor is what was answered meanwhile"
    assert "There you are." in prompt_text(model)
    played.leave("Ann"), played.leave("Cleo")
    with pytest.raises(InputError, match="let somebody enter"):
        played.reply()


async def test_an_answer_is_heard_by_all_who_are_there_when_it_is_given(tmp_path: Path) -> None:
    played, _ = session(tmp_path, names=("Ann", "Ben", "Cleo", "Dan"))
    played.leave("Dan")
    played.say("Ann?")
    assert (await last_of(played.reply())).turn.heard_by == {"Ben", "Cleo"}
    played.leave("Cleo")
    played.say("Only you hear me now.")
    played.enter("Cleo"), played.enter("Dan")
    assert (await last_of(played.reply("Ann"))).turn.heard_by is None, "nobody whispered"


async def test_recasting_changes_who_is_played_and_is_kept(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    await last_of(played.reply("Ann"))
    played.recast(Casting("Ann", ("Ben",)))
    assert played.say("Now I am Ann.").turn.speaker == "Ann"
    assert (await last_of(played.reply())).turn.speaker == "Ben"
    assert resumed(played).casting == played.casting


# -- replies -----------------------------------------------------------------------------------------------------


async def test_a_reply_streams_and_is_kept_with_all_that_made_it(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    said = played.say("Cleo?")
    items = [item async for item in played.reply()]
    assert any(isinstance(item, Delta) for item in items)
    assert isinstance(items[-2], Finished)
    node = items[-1]
    assert isinstance(node, Node)
    assert node == played.line[-1] == resumed(played).line[-1]
    assert (node.parent_id, node.origin, node.ending) == (said.id, Origin.MODEL, Ending.COMPLETE)
    made, call = played.prompt_of(node.id[:4]), model.calls[0]
    assert (made.messages, made.prefill) == (call.messages, call.prefill)
    assert made.reply == REPLY
    assert node.made is not None
    assert node.made.prompt_sha == prompt_sha(call.messages, call.prefill)
    assert call.sampling.seed == node.made.seed == 7
    with pytest.raises(InputError, match="a person wrote"):
        played.prompt_of(said.id)
    await played.close()


async def test_seeds_follow_from_the_chats_own_and_a_retry_gets_another(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    first = await last_of(played.reply())
    second = await last_of(played.retry())
    await last_of(played.reply(seed=99))
    assert [call.sampling.seed for call in model.calls] == [7, 8, 99]
    assert second.parent_id == first.parent_id
    assert played.alternatives(first.id) == (first, second)


async def test_closing_a_reply_midway_keeps_what_came(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    stream = played.reply("Ann")
    async for item in stream:
        if isinstance(item, Delta) and item.kind is THOUGHT:
            break
    assert played.busy
    for refused in (lambda: played.say("wait"), played.undo, played.clear, lambda: played.leave("Ann")):
        with pytest.raises(InputError, match="a reply is being written"):
            refused()
    await stream.aclose()
    node = played.line[-1]
    assert node.ending is Ending.CUT
    assert node.turn.text_of(PLAN) == "secret plan"
    assert "secret thought".startswith(node.turn.text_of(THOUGHT))
    assert not node.turn.only(SPEECH, ACTION).segments
    assert not played.busy
    assert resumed(played).line == played.line
    assert (await last_of(played.retry())).ending is Ending.COMPLETE


async def test_a_cancelled_task_keeps_what_came(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    heard = asyncio.Event()

    async def listen() -> None:
        async for item in played.reply("Ann"):
            if isinstance(item, Delta) and item.kind is SPEECH:
                heard.set()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert played.line[-1].ending is Ending.CUT
    assert "Very well.".startswith(played.line[-1].turn.text_of(SPEECH))
    assert resumed(played).line == played.line


async def test_a_reply_stopped_politely_still_gives_its_node(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    node = None
    async for item in played.reply("Ann"):
        node = item
        played.stop()
    assert isinstance(node, Node)
    assert node.ending is Ending.CUT
    assert (await last_of(played.retry())).ending is Ending.COMPLETE, "the next reply is not stopped"


class Failing(Model):
    """Fails after so many pieces, as backends do: with an error before the first, with a cut Reply after it."""

    address = "failing"
    prefills = True

    def __init__(self, pieces: int, *, rude: bool = False) -> None:
        self.left, self.rude = pieces, rude

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        said = ""
        for piece in REPLY.split(" ")[: self.left]:
            said += piece + " "
            yield piece + " "
        if not said or self.rude:
            raise Unreachable("nobody answers")
        yield Reply(said, Finish.CUT, error="the line went dead")

    async def warm(self, messages: Sequence[Message]) -> None:
        raise Unreachable("nobody answers")


async def test_an_error_before_any_word_leaves_nothing_behind(tmp_path: Path) -> None:
    played, good = session(tmp_path)
    said = played.say("Cleo?")
    played.model = Failing(0)
    with pytest.raises(ModelError, match="nobody answers"):
        await last_of(played.reply())
    assert played.line[-1] == said
    assert len(resumed(played).alternatives(said.id)) == 1
    assert played.store.children(played.chat_id, said.id) == ()
    played.model = good
    assert (await last_of(played.retry())).turn.speaker == "Cleo", "after a failure, retry asks again"


@pytest.mark.parametrize("rude", [False, True])
async def test_an_error_after_the_first_word_keeps_the_part_and_the_reason(tmp_path: Path, rude: bool) -> None:
    played, good = session(tmp_path)
    played.model = Failing(2, rude=rude)
    stream = played.reply("Ann")
    if rude:
        with pytest.raises(ModelError):
            await last_of(stream)
    else:
        await last_of(stream)
    node = played.line[-1]
    assert node.ending is Ending.CUT
    assert node.made is not None
    assert node.made.error == ("nobody answers" if rude else "the line went dead")
    assert node.turn.text_of(PLAN) == "secret plan"
    assert resumed(played).line == played.line
    played.model = good
    assert (await last_of(played.retry(keep="plan"))).ending is Ending.COMPLETE
    await played.close()


async def test_a_full_disk_ends_the_reply_with_a_storage_error_and_the_chat_goes_on(tmp_path: Path) -> None:
    played, _ = session(tmp_path, ["x" * 300_000, "fine"], chunk=1000)
    before = played.line
    pages = played.store._db.rows("PRAGMA page_count")[0][0]
    played.store._db.rows(f"PRAGMA max_page_count = {pages + 8}")
    with pytest.raises(StorageError, match="make room"):
        await last_of(played.reply("Ann"))
    assert not played.busy
    played.store._db.rows(f"PRAGMA max_page_count = {pages + 10000}")
    assert (await last_of(played.reply("Ann"))).ending is not None
    assert played.line[: len(before)] == before


async def test_the_model_is_warmed_with_no_plan_and_never_while_it_speaks(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    warmed: list[str] = []
    cancelled = 0

    async def warm(messages: Sequence[Message]) -> None:
        nonlocal cancelled
        warmed.append("\n".join(m.content for m in messages))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    model.warm = warm  # type: ignore[method-assign]
    await last_of(played.reply("Ann"))
    await asyncio.sleep(0.01)
    await last_of(played.reply("Ann"))
    assert cancelled == 1
    await asyncio.sleep(0.01)
    await played.close()
    assert cancelled == 2
    assert "secret thought" in warmed[0] and "secret plan" not in warmed[0]
    assert [len(call.messages) for call in model.calls], "and no call was made beside the two"
    assert len(model.calls) == 2


# -- versions ----------------------------------------------------------------------------------------------------

TWO_THOUGHTS = written("plan one", "thought one", "nods", "Aye.") + written("", "thought two", "", "No.")


@pytest.mark.parametrize(
    ("keep", "kinds"),
    [
        ("nothing", []),
        ("plan", [PLAN]),
        ("thoughts", [PLAN, THOUGHT, ACTION, SPEECH, THOUGHT]),
        ("all", [PLAN, THOUGHT, ACTION, SPEECH, THOUGHT, SPEECH]),
    ],
)
async def test_a_retry_keeps_as_many_layers_as_it_is_told(tmp_path: Path, keep: Any, kinds: list[Kind]) -> None:
    played, model = session(tmp_path, [TWO_THOUGHTS, REPLY if keep == "nothing" else " And more."])
    old = await last_of(played.reply("Ann"))
    new = await last_of(played.retry(keep=keep))
    whole = len(kinds) - (keep == "all")
    assert new.turn.segments[:whole] == old.turn.segments[:whole]
    assert [segment.kind for segment in new.turn.segments][: len(kinds)] == kinds
    if keep == "all":
        assert new.turn.segments[-1].text == "No. And more."
    assert ("plan one" in model.calls[1].prefill) == (keep != "nothing")
    assert played.alternatives(new.id) == (old, new)


async def test_a_retry_that_has_nothing_to_keep_says_so(tmp_path: Path) -> None:
    played, _ = session(tmp_path, ["Only speech."])
    with pytest.raises(InputError, match="nobody has answered"):
        played.retry(keep="plan")
    played.options = ActorOptions(plan=False, constraint="off")
    await last_of(played.reply("Ann"))
    with pytest.raises(InputError, match="no plan to keep"):
        played.retry(keep="plan")


async def test_changing_a_mind_keeps_the_plan_and_plays_the_act_anew(tmp_path: Path) -> None:
    played, model = session(tmp_path, [REPLY, "Never!"])
    await last_of(played.reply("Ann"))
    old, stream = played.change_mind(" I will refuse. ")
    new = await last_of(stream)
    assert old.turn.text_of(THOUGHT) == "secret thought"
    assert new.turn.segments == (
        Segment(PLAN, "secret plan"),
        Segment(THOUGHT, "I will refuse."),
        Segment(SPEECH, "Never!"),
    )
    assert "secret thought" not in prompt_text(model)
    assert played.line[-1] == new
    played.say("Oh.")
    with pytest.raises(InputError, match="not one that the model played"):
        played.change_mind("Hm.")


def test_a_thought_that_leads_to_nothing_is_not_the_one_to_change() -> None:
    plan, first, last = Segment(PLAN, "p"), Segment(THOUGHT, "first"), Segment(THOUGHT, "last")
    act, new = Segment(ACTION, "nods"), Segment(THOUGHT, "new")
    assert kept(Turn("Ann", (plan, first, act, last)), "thoughts") == Turn("Ann", (plan, first))
    assert changed_mind(Turn("Ann", (plan, first, act, last)), "new").segments == (plan, new)
    assert changed_mind(Turn("Ann", (plan, first, last)), "new").segments == (plan, first, new)
    assert changed_mind(Turn("Ann", (plan, act)), "new").segments == (plan, new)
    with pytest.raises(InputError, match="write the thought"):
        changed_mind(Turn("Ann", (plan, act)), " ")


async def test_a_plan_that_runs_on_can_be_made_to_speak(tmp_path: Path) -> None:
    played, _ = session(tmp_path, ["One thing. Another thing. And then", "Enough!"])
    stream = played.reply("Ann")
    async for item in stream:
        if isinstance(item, Delta) and "then" in item.text:
            break
    await stream.aclose()
    node = await last_of(played.speak_now())
    assert node.turn.text_of(SPEECH) == "Enough!"
    assert node.turn.text_of(PLAN) == "One thing. Another thing."
    with pytest.raises(InputError, match="has spoken"):
        played.speak_now()


# -- the tree ----------------------------------------------------------------------------------------------------


async def test_undo_takes_back_a_line_with_its_answers_and_redo_brings_it_again(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    played.say("one")
    await last_of(played.reply("Ann"))
    played.say("two")
    await last_of(played.reply("Ann"))
    await last_of(played.reply("Cleo"))
    whole = played.line
    assert played.undo() == whole[3:]
    assert played.undo() == whole[1:3]
    assert played.line == whole[:1]
    assert played.undo() == () == Session.resume(played.store, played.chat_id, played.model).undo()
    again = resumed(played)
    assert again.redo() == whole[1:3], "redo survives a restart"
    assert again.redo() == whole[3:]
    assert again.redo() == ()
    assert again.clear() == whole[1:]
    assert again.redo() == whole[1:]
    again.clear()
    again.say("something else")
    assert again.redo() == (), "what is said makes a new branch"
    assert again.branch(whole[2].id) == whole[2]
    assert again.select(whole[1].id) == whole[-1], "but the old one can be reached"


def test_undo_and_clear_work_in_a_chat_without_an_opening(tmp_path: Path) -> None:
    played = Session.start(Store(tmp_path / "c.db"), scene(opening=False), Scripted([]), seed=1)
    assert played.undo() == played.redo() == played.clear() == ()
    node = played.say("first")
    assert played.clear() == (node,)
    assert played.line == resumed(played).line == ()
    assert played.redo() == (node,)


async def test_undo_takes_one_turn_where_the_person_plays_nobody(tmp_path: Path) -> None:
    played, _ = session(tmp_path, casting=Casting(None))
    await last_of(played.reply())
    last = await last_of(played.reply())
    assert played.undo() == (last,)
    assert len(played.undo()) == 1
    assert played.undo() == ()


async def test_an_edit_is_a_version_beside_the_old_one_and_keeps_its_plan(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    said = played.say("one")
    answer = await last_of(played.reply("Ann"))
    below = played.say("below")
    new = played.edit(answer.id[:5], "*shrugs* [why?] Perhaps.")
    assert new.turn.segments == (
        Segment(PLAN, "secret plan"),
        Segment(ACTION, "shrugs"),
        Segment(THOUGHT, "why?"),
        Segment(SPEECH, "Perhaps."),
    )
    assert (new.edited_from, new.made, new.origin, new.parent_id) == (answer.id, None, Origin.MODEL, said.id)
    assert played.line[-1] == new
    assert played.select(answer.id) == below
    mine = played.edit(said.id, Turn("whoever", (Segment(SPEECH, "uno"),)))
    assert (mine.turn.speaker, mine.origin) == ("Ben", Origin.USER)
    with pytest.raises(InputError, match="empty"):
        played.edit(said.id, " ")
    assert resumed(played).line == played.line


def test_the_opening_can_be_edited_and_stays_an_opening(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    new = played.edit(played.line[0].id, "Another beginning.")
    played.say("Hello")
    played.clear()
    assert played.line == (new,)


# -- looking -----------------------------------------------------------------------------------------------------


async def test_minds_show_only_what_the_view_lets_pass(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    await last_of(played.reply("Cleo"))
    assert played.minds() == {}
    reader, director = played.minds(VIEWS["reader"]), played.minds(VIEWS["director"])
    assert {name: turn.text_of(THOUGHT) for name, turn in reader.items()} == {
        "Ann": "secret of the opening",
        "Cleo": "secret thought",
    }
    assert not any(turn.text_of(PLAN) for turn in reader.values())
    assert director["Cleo"].text_of(PLAN) == "secret plan"
    played.view = VIEWS["director"]
    assert played.minds() == director
    fresh = Session.start(played.store, scene(opening=False), played.model, seed=1)
    assert fresh.minds(VIEWS["reader"])["Ann"].text_of(THOUGHT) == "Ann is cold"


async def test_each_eye_sees_its_own_mind_alone_and_the_person_what_the_view_allows(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    played.say("[mine] Hello")
    await last_of(played.reply("Cleo"))
    assert "secret thought" in str(played.eyes("Cleo")) and "mine" not in str(played.eyes("Cleo"))
    assert "secret" not in str(played.eyes("Ben")) and "mine" in str(played.eyes("Ben"))
    assert "secret" not in str(played.shown()) and "mine" in str(played.shown())
    played.view = VIEWS["reader"]
    assert "secret thought" in str(played.shown()) and "secret plan" not in str(played.shown())
    with pytest.raises(UnknownName):
        played.eyes("Ghost")


def test_an_unknown_turn_or_chat_is_told(tmp_path: Path) -> None:
    played, _ = session(tmp_path)
    with pytest.raises(InputError, match="no turn with the id"):
        played.node("zzzzzzzz")
    with pytest.raises(InputError, match="no chat with the id"):
        Session.resume(played.store, "zzzzzzzz", played.model)


def test_options_are_kept_and_can_be_changed_on_resuming(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    assert resumed(played).options == played.options
    other = ActorOptions(plan=False, sampling=Sampling(temperature=0.0, stop=("x",)))
    assert Session.resume(played.store, played.chat_id, model, options=other).options == other
    assert resumed(played).options == other


def test_options_that_cannot_be_read_are_told_and_can_be_replaced(tmp_path: Path) -> None:
    played, model = session(tmp_path)
    played.store.update_chat(replace(played.store.chat(played.chat_id), options={"sampling": {"temperature": "hot"}}))
    with pytest.raises(InputError, match=r"sampling\.temperature.*resume it with others"):
        resumed(played)
    assert Session.resume(played.store, played.chat_id, model, options=ActorOptions()).options == ActorOptions()


# -- killed ------------------------------------------------------------------------------------------------------

_VICTIM = """
import asyncio, sys
from pathlib import Path
from her.chat.reroll import changed_mind, kept
from her.chat.session import Session
from her.chat.store import Store
from her.models.recorded import Scripted
from her.scene import load_scene

class Slow(Scripted):
    async def stream(self, *args, **kwargs):
        async for piece in super().stream(*args, **kwargs):
            yield piece
            await asyncio.sleep(0.02)

async def main():
    scene = load_scene(Path(sys.argv[1]))
    session = Session.start(Store(Path(sys.argv[2])), scene, Slow([Path(sys.argv[3]).read_text("utf-8")]), seed=1)
    print(session.chat_id, flush=True)
    session.say("Speak!")
    async for _ in session.reply("Ann"):
        pass
asyncio.run(main())
"""


@pytest.mark.parametrize("until", ["plan", "thought"])
def test_a_killed_process_loses_at_most_the_last_moment_and_bares_no_thought(tmp_path: Path, until: str) -> None:
    long = " ".join(f"word{n}" for n in range(2000))
    reply = written(long, "", "", "Hi.") if until == "plan" else written("plan", "", "", "Hi.") + written("", long)
    scene_path, reply_path, path = tmp_path / "scene.json", tmp_path / "reply.txt", tmp_path / "chats.db"
    scene_path.write_text(scene().model_dump_json(), encoding="utf-8")
    reply_path.write_text(reply, encoding="utf-8")
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(scene_path), str(path), str(reply_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert victim.stdout is not None
        chat_id = victim.stdout.readline().strip()
        with Store(path) as store:
            deadline = time.monotonic() + 30
            while "word20 " not in str(store.line(chat_id, store.head(chat_id).node_id)[-1].turn):
                assert time.monotonic() < deadline, "nothing was saved while it streamed"
                time.sleep(0.02)
    finally:
        victim.kill()
        victim.wait()
        assert victim.stdout is not None
        victim.stdout.close()
    played = Session.resume(Store(path), chat_id, Scripted([REPLY]))
    node = played.line[-1]
    assert node.ending is Ending.CUT
    assert node.turn.text_of(PLAN if until == "plan" else THOUGHT).startswith("word0 word1")
    assert "word" not in node.turn.text_of(SPEECH) + node.turn.text_of(ACTION)
    assert "word" not in str(played.shown())
    assert played.line[-2].turn.text_of(SPEECH) == "Speak!"
    assert asyncio.run(last_of(played.retry())).ending is Ending.COMPLETE


# -- everything at once ------------------------------------------------------------------------------------------


class Chatting(RuleBasedStateMachine):
    """Any course of a chat: no node is ever lost or altered, and no secret reaches another mind."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.speaker, self.number, self.leaks = "", 0, []
        self.model = Scripted(self.answer, chunk=7)
        options = ActorOptions(constraint="off")
        self.path, self.draw = Path(self.folder.name) / "chats.db", random.Random(0).randbytes
        self.session = Session.start(Store(self.path, draw=self.draw), scene(), self.model, options=options, seed=3)
        self.seen: dict[str, Node] = {}

    def answer(self, messages: Sequence[Message], prefill: str) -> str:
        sent = "\n".join([*(m.content for m in messages), prefill])
        history = "\n".join(m.content for m in messages)
        others = {f"<{other}-only>" for other in NAMES if other != self.speaker}
        self.leaks += [mark for mark in others if mark in sent]
        self.leaks += ["plan"] * ("{plan" in history)
        self.number += 1
        if MARKS["plan_close"] in prefill:
            return f"words {self.number}"
        return written(f"{{plan {self.number}}}", f"<{self.speaker}-only> {self.number}", "", f"words {self.number}")

    def play(self, stream: AsyncIterator[object]) -> None:
        node = asyncio.run(last_of(stream))
        assert self.session.line[-1] == node

    @rule(thought=st.booleans())
    def say(self, thought: bool) -> None:
        self.number += 1
        self.session.say(f"line {self.number}" + " [<Ben-only>]" * thought)

    @rule(to=st.sampled_from(["Ann", "Cleo"]))
    def whisper(self, to: str) -> None:
        if to in self.session.absent:
            return
        self.number += 1
        self.session.whisper(to, f"<{to}-only> {self.number}")

    @rule(name=st.sampled_from(["Ann", "Cleo"]))
    def come_and_go(self, name: str) -> None:
        self.session.enter(name) if name in self.session.absent else self.session.leave(name)

    @precondition(lambda self: self.session.next_speaker() is not None)
    @rule()
    def reply(self) -> None:
        self.speaker = self.session.next_speaker() or ""
        self.play(self.session.reply())

    @precondition(lambda self: self.session.line[-1].origin is Origin.MODEL)
    @rule(keep=st.sampled_from(["nothing", "plan", "thoughts"]))
    def retry(self, keep: Any) -> None:
        last = self.session.line[-1]
        if (keep == "plan" and not last.turn.text_of(PLAN)) or (keep == "thoughts" and not last.turn.text_of(THOUGHT)):
            return
        self.speaker = last.turn.speaker
        versions = len(self.session.alternatives(last.id))
        self.play(self.session.retry(keep=keep))
        assert len(self.session.alternatives(self.session.line[-1].id)) == versions + 1

    @precondition(lambda self: self.session.line[-1].origin is Origin.MODEL)
    @rule()
    def change_mind(self) -> None:
        self.speaker = self.session.line[-1].turn.speaker
        _, stream = self.session.change_mind(f"<{self.speaker}-only> changed")
        self.play(stream)

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(self.session.line))
        self.number += 1
        text = f"edited {self.number} [<{node.turn.speaker}-only>]"
        new = self.session.edit(node.id, text)
        assert new.parent_id == node.parent_id
        assert self.session.line[-1] == new

    @rule(data=st.data(), exactly=st.booleans())
    def go(self, data: st.DataObject, exactly: bool) -> None:
        node_id = data.draw(st.sampled_from(sorted(self.seen)))
        assert (self.session.branch if exactly else self.session.select)(node_id) == self.session.line[-1]
        assert node_id in {node.id for node in self.session.line}

    @rule(clear=st.booleans())
    def back_and_forth(self, clear: bool) -> None:
        before = self.session.line
        taken = self.session.clear() if clear else self.session.undo()
        assert before == (*self.session.line, *taken)
        if taken:
            assert self.session.redo() == taken
        assert self.session.line == before

    @rule()
    def undo(self) -> None:
        self.session.undo()

    @rule()
    def restart(self) -> None:
        line, absent = self.session.line, self.session.absent
        self.session.store.close()
        self.session = Session.resume(Store(self.path, draw=self.draw), self.session.chat_id, self.model)
        assert (self.session.line, self.session.absent) == (line, absent)

    @invariant()
    def the_line_hangs_together(self) -> None:
        parents = [node.parent_id for node in self.session.line]
        assert parents == [None, *(node.id for node in self.session.line)][: len(parents)]

    @invariant()
    def nothing_is_lost_or_altered(self) -> None:
        self.seen |= {node.id: node for node in self.session.line if node.id not in self.seen}
        for node in self.session.line:
            assert self.seen[node.id] == node

    @invariant()
    def no_secret_reached_another_mind(self) -> None:
        assert self.leaks == []

    def teardown(self) -> None:
        for node in self.seen.values():
            assert self.session.node(node.id) == node
        self.session.store.close()
        self.folder.cleanup()


Chatting.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestChatting = Chatting.TestCase


def test_scenes_survive_the_store(tmp_path: Path) -> None:
    names = ("林黛玉", "Élodie O’Brien", "Τειρεσίας")
    played, _ = session(tmp_path, names=names)
    assert isinstance(played.scene, Scene)
    assert resumed(played).scene == played.scene == scene(names)
