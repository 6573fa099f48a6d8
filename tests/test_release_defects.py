"""What goes wrong in the official release, one test each; docs/against-the-release.md lists them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from her.actor import Actor, ActorOptions
from her.coser import load_cases
from her.markup import Style, format_for_display, parse, remove_system_thinking
from her.models.base import Finish, Message, Model, Sampling
from her.models.recorded import Scripted
from her.scene import bundled
from her.turn import VIEWS, Dialogue, Ending, Kind, Segment, Turn
from stages import Ending as Cutting
from stages import scene as stage
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END


@pytest.mark.parametrize(
    "reply",
    [f"{PLAN}secret", f"secret{PLAN_END}Hi.", f"{PLAN}a{PLAN}secret{PLAN_END}b", "<think>secret", f"{THOUGHT}secret"],
)
def test_a14_a_private_block_without_its_other_half_is_shown_to_others(reply: str) -> None:
    assert "secret" not in format_for_display(reply, show_rolethink=False)
    dialogue = Dialogue(frozenset({"Ann", "Bob"}), (parse(reply, speaker="Ann").turn,))
    assert "secret" not in str(dialogue.seen_by("Bob"))
    assert "secret" not in str(dialogue.shown(VIEWS["immersive"], "Bob"))


def test_a14_a_bracketed_thought_of_several_lines_is_shown_to_others() -> None:
    turn = parse("[secret\nof two lines] Hi.", style=Style.BRACKETS, speaker="Ann").turn
    assert [s.text for s in turn.segments if not s.kind.private] == ["Hi."]


def test_a15_cleaning_eats_content_or_joins_words() -> None:
    spoken = f"Hello{THOUGHT}x{THOUGHT_END}world [he said]"
    assert format_for_display(spoken, show_rolethink=False) == "Hello world [he said]"
    assert format_for_display("Before. <thought>mine") == "Before. [mine]"
    assert remove_system_thinking(f"{ACTION}bows{ACTION_END} [sic]") == f"{ACTION}bows{ACTION_END} [sic]"
    assert parse("a [b] c").turn.segments == (Segment(Kind.SPEECH, "a [b] c"),)


@pytest.mark.model
async def test_a23_the_prefilled_turn_is_closed_before_the_model_speaks(mini: Model) -> None:
    messages = [Message("user", "Say something.")]
    bare, begun = await mini.count(messages), await mini.count(messages, prefill="The capital of France is")
    assert bare is not None
    assert begun == bare + 5, "the prefill's five tokens and no end-of-turn token"
    reply = await mini.generate(
        messages, Sampling(temperature=0, max_tokens=8, seed=1), prefill="The capital of France is"
    )
    assert "Paris" in reply.text
    assert "assistant" not in reply.text
    assert "<|im" not in reply.text


async def test_a24_a_plan_cut_by_the_token_limit_is_shown_and_kept_in_history() -> None:
    scene = stage()
    name = scene.names[0]
    model = Cutting(("secret plan that runs on", Finish.LENGTH), prefills=True)
    act = await Actor(scene, name, model, options=ActorOptions(constraint="off")).act(scene.dialogue())
    assert act.ending is Ending.CUT
    dialogue = scene.dialogue().plus(act.turn)
    assert "secret" not in str(dialogue.shown(VIEWS["reader"], scene.names[1]))
    prompts = [await Actor(scene, who, model).prompt(dialogue) for who in scene.names]
    assert "secret" not in str([prompt.messages for prompt in prompts])


async def test_a25_the_prompt_of_a_chat_differs_from_that_of_training() -> None:
    scene = stage()
    me, other = scene.names[:2]
    dialogue = scene.dialogue().plus(
        Turn(other, (Segment(Kind.SPEECH, "First."),)),
        Turn(me, (Segment(Kind.ROLE_THINKING, "Mine."), Segment(Kind.SPEECH, "Second."))),
        Turn(other, (Segment(Kind.SPEECH, "Third."),)),
    )
    sent = (await Actor(scene, me, Scripted(["x"])).prompt(dialogue)).messages
    assert sent[1].content.startswith("===Conversation Start===\n\n")
    assert f"{other}: First." in sent[1].content
    assert sent[-2] == Message("assistant", f"{me}: {THOUGHT}Mine.{THOUGHT_END}Second.")
    assert sent[-1] == Message("user", f"{other}: Third.")
    assert "*enters" not in str(sent), "no canned greeting stands in for a turn"


def test_b7_the_scenes_that_the_chat_needs_are_not_shipped() -> None:
    assert len(bundled()) >= 10


def test_b7_a_scene_without_a_cast_list_breaks_the_chat(tmp_path: Path) -> None:
    file = tmp_path / "scenarios.json"
    file.write_text(
        json.dumps([{"book": "B", "topic": "T", "scenario": "S", "character_profiles": {"Ann": "a", "Bob": "b"}}]),
        encoding="utf-8",
    )
    assert load_cases(file)[0].names == ("Ann", "Bob")


def test_b7_a_documented_command_is_sent_to_the_model_as_speech(own_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "her", "--model", "scripted:Yes."],
        input="Hello.\n/prompt\n/quit\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "HER_HOME": str(own_home), "PYTHONUTF8": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "===Conversation Start===" in done.stdout
    assert done.stdout.count("Elizabeth Bennet: Yes.") == 1
