"""The world of a scene: what it is shown, what it may say, and what becomes of a reply that speaks for somebody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.environment import Environment, EnvironmentOptions, read
from her.errors import ContextOverflow
from her.markup import notation
from her.models.recorded import Scripted
from her.scene import Scene
from her.turn import ENVIRONMENT, PRIVATE, Dialogue, Ending, FaultKind
from stages import ACTION, PLAN, SPEECH, THOUGHT, dialogue, scene, turn

WAVES = "A wave breaks over the rail. The lamp goes out."


def lived(place: Scene) -> Dialogue:
    mara, tom = place.names[:2]
    return Dialogue(
        frozenset(place.names),
        (
            turn(mara, (PLAN, "a plan of hers"), (THOUGHT, "a thought of hers"), (ACTION, "waves"), (SPEECH, "Ho!")),
            turn(tom, (THOUGHT, "a thought of his"), (SPEECH, "a whisper"), to=[mara]),
        ),
    )


@pytest.mark.parametrize("language", ["en", "zh", "fr"])
async def test_the_world_says_what_happens_and_sees_no_mind(language: str) -> None:
    place = scene(language)
    model = Scripted([WAVES])
    act = await Environment(place, model).act(lived(place), seed=3)
    assert (act.turn.speaker, act.turn.text_of(SPEECH), act.repairs, act.seed) == (ENVIRONMENT, WAVES, 0, 3)
    sent = "\n".join(message.content for message in model.calls[0].messages)
    assert "Ho!" in sent and "waves" in sent
    assert not any(private in sent for private in ("a plan of", "a thought of", "a whisper"))
    assert ("French" in sent) == (language == "fr")
    assert model.calls[0].prefill == f"{ENVIRONMENT}: "


async def test_a_line_that_speaks_for_a_character_is_asked_for_again_once() -> None:
    place = scene()
    name = place.names[0]
    model = Scripted([f"{WAVES}\n{name}: I am afraid.", WAVES])
    act = await Environment(place, model).act(dialogue(place))
    assert (act.turn.text_of(SPEECH), act.repairs, len(act.attempts)) == (WAVES, 1, 2)
    assert name in model.calls[1].messages[-1].content
    assert any(fault.kind is FaultKind.SECOND_SPEAKER for fault in act.first_faults)


async def test_one_that_does_so_twice_keeps_what_stands_before_and_says_so() -> None:
    place = scene()
    name = place.names[0]
    act = await Environment(place, Scripted([f"{name}: No!", f"{WAVES}\n{name}: No!"])).act(dialogue(place))
    assert (act.turn.text_of(SPEECH), act.ending) == (WAVES, Ending.SECOND_SPEAKER)


@pytest.mark.parametrize("layer", ["plan", "thought"])
async def test_a_mind_that_the_world_makes_up_is_left_out(layer: str) -> None:
    marks = notation()
    private = f"{marks[f'{layer}_open']}Mara fears it.{marks[f'{layer}_close']}"
    act = await Environment(scene(), Scripted([f"{private}{WAVES}"])).act(dialogue(scene()))
    assert [segment.text for segment in act.turn.segments] == [WAVES]
    alone = await Environment(scene(), Scripted([private, WAVES])).act(dialogue(scene()))
    assert (alone.turn.text_of(SPEECH), alone.repairs) == (WAVES, 1)


async def test_a_world_that_says_nothing_takes_an_empty_turn() -> None:
    place = scene()
    act = await Environment(place, Scripted(["", "  "])).act(dialogue(place))
    assert act.turn.segments == ()
    assert any(fault.kind is FaultKind.EMPTY for fault in act.faults)


async def test_a_dialogue_that_does_not_fit_is_an_error_and_is_never_cut() -> None:
    class Small(Scripted):
        async def stream(self, *asked: object, **more: object):  # type: ignore[no-untyped-def, override]
            raise ContextOverflow("too long")
            yield

    with pytest.raises(ContextOverflow):
        await Environment(scene(), Small([])).act(dialogue(scene()))


@given(st.text(alphabet="<>/ab:\n []()", max_size=60) | st.text(max_size=60))
def test_nothing_private_and_nobody_else_is_ever_kept(said: str) -> None:
    found = read(said, frozenset({"Ann", "Bo"})).turn
    assert not {one.kind for one in found.segments} & PRIVATE
    for name in ("Ann", "Bo"):
        kept = read(f"Rain.\n{name}: {said}", frozenset({"Ann", "Bo"})).turn
        assert kept.text_of(SPEECH) == "Rain."


def test_options_are_brief_by_default() -> None:
    assert EnvironmentOptions().sampling.max_tokens <= 200
