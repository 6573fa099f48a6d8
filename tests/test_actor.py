"""What an actor sends, and what it makes of what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.act import closed
from her.actor import COOL, Act, Actor, ActorOptions, Again
from her.errors import ContextOverflow, InputError, ModelError, UnknownName
from her.grammar import SMALL, Limits
from her.markup import notation, render
from her.models.base import Finish, Model, Sampling
from her.models.recorded import Scripted
from her.scene import bundled_scene
from her.script import Script, cut_point
from her.stream import Delta, Event, Finished, SecondSpeaker, Started
from her.turn import Dialogue, Ending, FaultKind, Kind, Turn
from stages import ACTION, PLAN, SPEECH, THOUGHT, Counting, dialogue, scene, turn
from stages import Ending as Told

MARKS = notation()
MARA = "Mara Vell"
WHOLE = turn(MARA, (PLAN, "She stalls."), (THOUGHT, "Not tonight."), (SPEECH, "Sit down."))
STOP, LENGTH, CUT = Finish.STOP, Finish.LENGTH, Finish.CUT


def after_plan_open(whole: Turn = WHOLE) -> str:
    """The turn as a model writes it that was given the opener of its plan."""
    return render(whole, name=True).removeprefix(MARKS["plan_open"])


def mara(model: Model, **options: object) -> Actor:
    return Actor(scene(), MARA, model, options=ActorOptions(**options))  # type: ignore[arg-type]


async def all_of(items: AsyncIterator[Event | Again | Act]) -> tuple[list[Event | Again], Act]:
    told = [item async for item in items]
    act = told.pop()
    assert isinstance(act, Act)
    assert [item for item in told if isinstance(item, Finished)] == told[-1:]
    return told, act  # type: ignore[return-value]


async def played(model: Model, *, prefill: Turn | None = None, **options: object) -> tuple[list[Event | Again], Act]:
    return await all_of(mara(model, **options).stream(dialogue(scene()), prefill=prefill, seed=7, call_id="r/s/1"))


def words(events: list[Event | Again]) -> list[tuple[Kind, str]]:
    """Segments as a face would show them that obeys Again."""
    shown: list[tuple[Kind, str]] = []
    for event in events:
        if isinstance(event, Again):
            shown = []
        elif isinstance(event, Started):
            shown.append((event.kind, ""))
        elif isinstance(event, Delta):
            shown[-1] = (event.kind, shown[-1][1] + event.text)
    return shown


# -- a turn -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 3, None])
async def test_a_turn_comes_as_events_and_then_as_an_act(chunk: int | None) -> None:
    model = Scripted([after_plan_open()], chunk=chunk)
    events, act = await played(model)
    assert act.turn == WHOLE
    assert words(events) == [(part.kind, part.text) for part in WHOLE.segments]
    assert (act.ending, act.faults, act.repairs, act.seed) == (Ending.COMPLETE, (), 0, 7)
    (call,) = model.calls
    assert (call.prefill, call.messages, call.call_id) == (MARKS["plan_open"], act.prompt.messages, "r/s/1")
    assert call.sampling.seed == 7 and call.sampling.stop == ()
    assert act.prompt == await mara(Scripted([])).prompt(dialogue(scene()))


async def test_nothing_is_shown_for_a_bare_opening_tag_before_the_model_speaks() -> None:
    async with aclosing(mara(Told(("", CUT))).stream(dialogue(scene()))) as items:
        told = [item async for item in items]
    assert [type(item) for item in told] == [Finished, Act]


async def test_without_plans_the_name_is_prefilled_and_other_names_stop_the_model() -> None:
    model = Scripted(["Sit down."])
    _, act = await played(model, plan=False)
    (call,) = model.calls
    assert call.prefill == f"{MARA}: "
    assert call.sampling.stop == ("\nTom:", "\nEnvironment:")
    assert act.turn == turn(MARA, (SPEECH, "Sit down.")) and act.faults == ()


async def test_at_most_four_stop_strings_those_who_spoke_last_first() -> None:
    place = scene(cast=[{"name": name} for name in "ABCDEF"])
    lived = Dialogue(frozenset("ABCDEF"), (turn("C", (SPEECH, "1")), turn("F", (SPEECH, "2"))))
    model = Scripted(["Yes."])
    sampling = Sampling(stop=("###",))
    await Actor(place, "A", model, options=ActorOptions(plan=False, sampling=sampling)).act(lived)
    assert model.calls[0].sampling.stop == ("###", "\nF:", "\nC:", "\nB:")


async def test_a_begun_turn_is_shown_first_and_gone_on_with() -> None:
    begun = turn(MARA, (PLAN, "She stalls."), (SPEECH, "Sit "))
    model = Scripted([" down."])
    actor = mara(model)
    stream = actor.stream(dialogue(scene()), prefill=begun)
    async with aclosing(stream) as items:
        shown = [await anext(items) for _ in range(4)]
        assert not model.calls
        rest = [item async for item in items]
    assert words(shown) == [(PLAN, "She stalls."), (SPEECH, "Sit")]  # type: ignore[arg-type]
    act = rest[-1]
    assert isinstance(act, Act) and act.turn == turn(MARA, (PLAN, "She stalls."), (SPEECH, "Sit down."))
    assert act.faults == () and act.reply.text == " down."


async def test_a_turn_begun_without_a_plan_misses_none() -> None:
    _, act = await played(Scripted(["Sit."]), prefill=turn(MARA, (THOUGHT, "Not tonight.")))
    assert act.turn.layout == "thought-speech" and act.faults == ()


async def test_a_backend_without_prefill_writes_its_plan_itself() -> None:
    model = Told((render(WHOLE, name=True), STOP), prefills=False)
    events, act = await played(model)
    assert model.calls[0].prefill == "" and act.prompt.prefill == ""
    assert act.turn == WHOLE and act.faults == () and words(events)[0] == (PLAN, "She stalls.")


async def test_a_backend_without_prefill_that_leaves_the_plan_out_is_noted() -> None:
    _, act = await played(Told((f"{MARA}: Sit.", STOP), prefills=False))
    assert [fault.kind for fault in act.faults] == [FaultKind.MISSING_PLAN]
    assert act.repairs == 0 and act.turn == turn(MARA, (SPEECH, "Sit."))


async def test_what_cannot_be_gone_on_with_is_an_error() -> None:
    with pytest.raises(InputError, match="cannot go on"):
        await played(Told(prefills=False), prefill=turn(MARA, (PLAN, "x")))
    with pytest.raises(InputError, match="'Tom'"):
        await played(Scripted([]), prefill=turn("Tom", (PLAN, "x")))
    with pytest.raises(UnknownName):
        Actor(scene(), "Nobody", Scripted([]))
    with pytest.raises(UnknownName):
        await mara(Scripted([])).act(Dialogue(frozenset({"Tom"})))


# -- endings ----------------------------------------------------------------------------------------------------


async def test_a_second_speaker_stops_the_model_and_keeps_only_own_words() -> None:
    model = Told((after_plan_open() + "\n\nTom: " + "No. " * 50, STOP))
    events, act = await played(model)
    assert any(isinstance(event, SecondSpeaker) for event in events)
    assert act.turn == WHOLE and act.ending is Ending.SECOND_SPEAKER
    assert model.closed == 1 and model.pieces < 50
    assert act.reply.finish is STOP and "Tom: " in act.reply.text


async def test_a_plan_that_lost_its_opener_is_not_cut_at_a_name() -> None:
    text = f"Plan.\nTom: wants out.\n{MARKS['plan_close']}{MARA}: Sit."
    _, act = await played(Told((text, STOP), prefills=False))
    assert act.turn.text_of(SPEECH) == "Sit." and "wants out" in act.turn.text_of(PLAN)


@pytest.mark.parametrize(("finish", "ending"), [(STOP, Ending.COMPLETE), (LENGTH, Ending.CUT), (CUT, Ending.CUT)])
async def test_a_turn_that_was_stopped_is_cut_and_kept(finish: Finish, ending: Ending) -> None:
    _, act = await played(Told((after_plan_open(), finish)))
    assert act.ending is ending and act.turn == WHOLE and act.repairs == 0


async def test_stop_ends_the_turn_and_keeps_what_there_is() -> None:
    model, stop = Told((after_plan_open(), STOP)), asyncio.Event()
    seen: list[object] = []
    async for item in mara(model).stream(dialogue(scene()), stop=stop):
        seen.append(item)
        if isinstance(item, Started) and item.kind is SPEECH:
            stop.set()
    act = seen[-1]
    assert isinstance(act, Act) and act.ending is Ending.CUT and act.reply.finish is CUT
    assert act.turn.text_of(THOUGHT) == "Not tonight." and len(act.turn.text_of(SPEECH)) < len("Sit down.")
    assert model.closed == 1 and len(act.attempts) == 1


async def test_a_face_that_goes_away_closes_the_model_at_once() -> None:
    model = Told((after_plan_open(), STOP))
    items = mara(model).stream(dialogue(scene()))
    await anext(items)
    await items.aclose()
    assert model.closed == 1


# -- a turn that needs mending ----------------------------------------------------------------------------------

BROKEN = MARKS["thought_open"] + "Sit down, I say"


async def test_a_turn_that_cannot_be_used_is_asked_for_once_more_with_its_faults_in_words() -> None:
    model = Told((f"She stalls.{MARKS['plan_close']}{MARA}: {BROKEN}", STOP), (after_plan_open(), STOP))
    events, act = await played(model)
    assert act.turn == WHOLE and act.repairs == 1 and act.faults == ()
    assert [fault.kind for fault in act.first_faults] == [FaultKind.UNCLOSED]
    assert words(events) == [(part.kind, part.text) for part in WHOLE.segments]
    first, second = model.calls
    bad, complaint = second.messages[-2:]
    assert second.messages[:-2] == first.messages and second.prefill == first.prefill
    assert (bad.role, complaint.role) == ("assistant", "user") and bad.content.endswith(BROKEN)
    assert f"It opens {MARKS['thought_open']} and never closes it." in complaint.content
    assert second.call_id == "r/s/1/repair" and len(act.attempts) == 2


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_fault_that_makes_a_turn_useless_has_words(language: str) -> None:
    place = scene(language)
    name, other = place.names
    told = {
        "": name,
        f"\n{other}: no": other,
        MARKS["thought_close"] + MARKS["thought_open"]: MARKS["thought_close"],
        f"{name}: " + MARKS["thought_open"] + "x": MARKS["plan_open"],
    }
    for text, named in told.items():
        model = Told((text, STOP), ("", STOP), prefills=False)
        act = await Actor(place, name, model).act(dialogue(place))
        assert act.repairs == 1 and named in model.calls[1].messages[-1].content, text
        assert model.calls[1].messages[-2].content.strip()


async def test_the_better_of_two_attempts_is_kept() -> None:
    worse = MARKS["thought_close"] + MARKS["action_close"] + BROKEN
    _, act = await played(Told((BROKEN, STOP), (worse, STOP), prefills=False))
    assert act.repairs == 1 and act.reply.text == BROKEN
    assert act.faults == act.first_faults == act.attempts[0].faults


async def test_a_failed_repair_keeps_the_first_attempt_and_says_why() -> None:
    _, act = await played(Told((BROKEN, STOP), prefills=False))
    assert act.turn.text_of(THOUGHT) == "Sit down, I say"
    assert act.repairs == 0 and "add a reply" in act.trouble


async def test_off_takes_the_turn_as_it_is() -> None:
    model = Told((BROKEN, STOP), constrains=True)
    _, act = await played(model, constraint="off", plan=False)
    assert len(model.calls) == 1 and model.calls[0].constraint is None
    assert act.ending is Ending.UNCLOSED


async def test_a_plan_that_eats_the_whole_budget_is_closed_and_gone_on_with() -> None:
    model = Told(("She stalls. Then she mig", LENGTH), ("Sit down.", STOP), constrains=True)
    events, act = await played(model)
    assert act.turn == turn(MARA, (PLAN, "She stalls."), (SPEECH, "Sit down."))
    assert act.ending is Ending.COMPLETE and act.repairs == 0 and act.faults == ()
    assert [fault.kind for fault in act.first_faults] == [FaultKind.UNCLOSED, FaultKind.EMPTY]
    assert words(events) == [(PLAN, "She stalls. Then she mig"), (SPEECH, "Sit down.")]
    assert not any(isinstance(event, Again) for event in events)
    second = model.calls[1]
    assert second.prefill == f"{MARKS['plan_open']}She stalls.{MARKS['plan_close']}{MARA}: "
    assert second.call_id == "r/s/1/speak" and second.constraint is not None
    assert second.constraint != model.calls[0].constraint


async def test_without_prefill_a_plan_that_eats_the_budget_is_asked_for_again_shorter() -> None:
    model = Told((MARKS["plan_open"] + "On and on", LENGTH), (render(WHOLE, name=True), STOP), prefills=False)
    _, act = await played(model)
    assert act.turn == WHOLE and act.repairs == 1
    assert "1024 tokens" in model.calls[1].messages[-1].content


async def test_speak_now_closes_the_plan_and_keeps_the_rest() -> None:
    lived = dialogue(scene())
    model = Told(("She stalls. And th", CUT), ("Sit.", STOP), ("Up.", STOP), ("Go.", STOP))
    actor = mara(model)
    _, so_far = await all_of(actor.stream(lived))
    assert so_far.ending is Ending.CUT and len(so_far.attempts) == 1
    _, act = await all_of(actor.speak_now(lived, so_far))
    assert act.turn == turn(MARA, (PLAN, "She stalls."), (SPEECH, "Sit."))
    _, act = await all_of(actor.speak_now(lived, turn(MARA, (PLAN, "A plan"), (THOUGHT, "Well. I"))))
    assert act.turn == turn(MARA, (PLAN, "A plan"), (THOUGHT, "Well."), (SPEECH, "Up."))
    _, act = await all_of(actor.speak_now(lived, turn(MARA)))
    assert model.calls[-1].prefill == f"{MARA}: " and act.turn == turn(MARA, (SPEECH, "Go."))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("One. Two thr", "One."),
        ("“Is it?” he ask", "“Is it?”"),
        ("- a line\n- another li", "- a line"),
        ("no end here at al", "no end here at"),
        ("alone", "alone"),
        ("他想走。她不", "他想走。"),
        ("他想走她不", "他想走她不"),
        ("3.14 is a num", "3.14 is a"),
    ],
)
def test_a_layer_is_closed_at_its_last_whole_sentence_line_or_word(text: str, end: str) -> None:
    assert closed(turn(MARA, (SPEECH, "Hm"), (THOUGHT, text))) == turn(MARA, (SPEECH, "Hm"), (THOUGHT, end))
    assert closed(turn(MARA, (SPEECH, text))) == turn(MARA, (SPEECH, text))


# -- constraint -------------------------------------------------------------------------------------------------


async def test_auto_constrains_where_the_backend_can_and_on_insists() -> None:
    model = Told((after_plan_open(), STOP), constrains=True)
    await played(model)
    assert model.calls[0].constraint is not None and "reply ::=" in (model.calls[0].constraint.grammar or "")
    unable = Scripted([after_plan_open()])
    await played(unable)
    assert unable.calls[0].constraint is None
    with pytest.raises(InputError, match="grammar"):
        await played(Scripted([]), constraint="on")


async def test_a_small_budget_shrinks_the_layers() -> None:
    grammars = []
    for tokens in (2000, 1024, 200):
        model = Told((after_plan_open(), STOP), constrains=True)
        await played(model, sampling=Sampling(max_tokens=tokens), limits=Limits())
        grammars.append(model.calls[0].constraint)
    assert grammars[0] == grammars[1] != grammars[2]


# -- making it fit ----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120), st.integers(240, 900), st.integers(0, 60))
def test_a_cut_fits_stays_put_and_costs_few_counts(sizes: list[int], history: int, bare: int) -> None:
    cuts, room = [], bare + history
    for upto in range(1, len(sizes) + 1):
        turns, asked = sizes[:upto], 0

        async def count(dropped: int, turns: list[int] = turns) -> int:
            nonlocal asked
            asked += 1
            return bare + sum(turns[dropped:])

        if bare + sum(turns) <= room:
            cuts.append(0)
            continue
        cut = asyncio.run(cut_point(count, len(turns), room))
        assert history // 4 <= sum(turns[cut:]) <= history
        assert asked <= 3 + len(turns).bit_length()
        cuts.append(cut)
    assert cuts == sorted(cuts)
    # A new cut comes only when a quarter of the history's room has been filled again.
    assert len(set(cuts) - {0}) <= sum(sizes) // (history // 4)


async def test_a_prompt_that_fits_is_whole_and_one_that_does_not_says_what_went() -> None:
    lived = Dialogue(frozenset(scene().names), dialogue(scene()).turns * 40)
    model = Counting([])
    model.context = 100_000
    whole = await mara(model).prompt(lived)
    assert whole.dropped == 0 and model.counted == 1
    model.context = 5000
    part = await mara(model).prompt(lived)
    assert part.tokens is not None and part.tokens + 1024 <= 5000
    assert part.dropped > 0 and part.messages[0] == whole.messages[0]
    assert part.messages[-1] == whole.messages[-1]
    assert part.messages[1].content.startswith("===Conversation Start===")


async def test_a_last_turn_that_does_not_fit_is_an_error_with_the_numbers() -> None:
    model = Counting([])
    model.context = 2000
    with pytest.raises(ContextOverflow, match=r"has \d+ tokens .* room for 976 \(2000 less 1024"):
        await mara(model).prompt(dialogue(scene()))


async def test_nothing_is_dropped_where_the_backend_cannot_count() -> None:
    model = Scripted([])
    model.context = 10
    made = await mara(model).prompt(dialogue(scene()))
    assert (made.dropped, made.tokens) == (0, None)


# -- what a mind may see ----------------------------------------------------------------------------------------

NAMES = ("Ada", "Bo", "Cy")


@st.composite
def dialogues(draw: st.DrawFn) -> Dialogue:
    """Up to a dozen turns; the text of each segment is a marker of its own that says who may see it."""
    turns = []
    for at in range(draw(st.integers(0, 12))):
        speaker = draw(st.sampled_from((*NAMES, "Environment")))
        kinds = draw(st.lists(st.sampled_from(list(Kind)), max_size=5))
        to = draw(st.none() | st.frozensets(st.sampled_from(NAMES)))
        ears = frozenset(NAMES) if to is None else to | {speaker}
        parts = []
        for n, kind in enumerate(kinds):
            seers = {PLAN: frozenset[str](), THOUGHT: {speaker}}.get(kind, ears)
            parts.append((kind, f"[{at}.{n} for {' '.join(sorted(seers)) or 'none'}]"))
        turns.append(turn(speaker, *parts, to=to))
    return Dialogue(frozenset(NAMES), tuple(turns))


def everything_sent(lived: Dialogue, name: str, preset: str) -> list[str]:
    """All text that reaches the model for one turn, its repair and its going on included."""
    place = scene(cast=[{"name": n, "background": f"[own {n}]", "motivation": f"[own {n}]"} for n in NAMES])
    models = [Told(("", STOP), ("", STOP)), Told((MARKS["thought_open"] + "x", LENGTH), ("", STOP))]
    for model in models:
        options = ActorOptions(preset=preset, plan=False)  # type: ignore[arg-type]
        asyncio.run(Actor(place, name, model, options=options).act(lived))
        assert len(model.calls) == 2
    calls = [call for model in models for call in model.calls]
    return [text for call in calls for text in (call.prefill, *(message.content for message in call.messages))]


@settings(max_examples=60)
@given(dialogues(), st.sampled_from(NAMES), st.sampled_from(("her", "card")))
def test_no_mind_ever_reads_what_is_not_for_it(lived: Dialogue, name: str, preset: str) -> None:
    text = "\n".join(everything_sent(lived, name, preset))
    for other in NAMES:
        assert (f"[own {other}]" in text) == (other == name)
    for line in lived:
        for part in line.segments:
            for_me = name in part.text.removesuffix("]").split(" for ")[1].split()
            assert (part.text in text) == for_me


@given(dialogues(), st.sampled_from(NAMES))
def test_roles_alternate_and_each_own_turn_is_one_message(lived: Dialogue, name: str) -> None:
    place = scene(cast=[{"name": n} for n in NAMES])
    seen = lived.seen_by(name)
    system, *rest = Script(place, name).messages(seen)
    assert system.role == "system" and rest[0].content.startswith("===Conversation Start===")
    assert [message.role for message in rest] == [("user", "assistant")[n % 2] for n in range(len(rest))]
    own = [message.content for message in rest if message.role == "assistant"]
    assert own == [render(line, name=True) for line in seen if line.speaker == name]
    assert rest[-1].role == "user"


@given(dialogues(), st.sampled_from(NAMES))
def test_a_prompt_is_the_beginning_of_every_later_prompt(lived: Dialogue, name: str) -> None:
    script = Script(scene(cast=[{"name": n} for n in NAMES]), name)
    seen = lived.seen_by(name)
    for upto in range(len(seen)):
        early, late = script.messages(seen[:upto]), script.messages(seen[: upto + 1])
        last = len(early) - 1
        assert late[:last] == early[:-1]
        marker_alone = early[-1].content == "===Conversation Continues===" and seen[upto].speaker != name
        assert late[last].content.startswith(early[-1].content) or marker_alone


# -- without an event loop, and with a real model ----------------------------------------------------------------


def test_act_sync_plays_a_turn() -> None:
    assert mara(Scripted([after_plan_open()])).act_sync(dialogue(scene())).turn == WHOLE


async def test_act_sync_says_what_to_write_inside_a_loop() -> None:
    with pytest.raises(InputError, match="await actor"):
        mara(Scripted([])).act_sync(dialogue(scene()))


async def test_a_model_that_fails_before_its_first_word_raises() -> None:
    with pytest.raises(ModelError):
        await played(Scripted([]))


def test_the_card_preset_has_the_sections_of_the_model_card_in_their_order(her_data: Path) -> None:
    card = json.loads((her_data / "card_example.json").read_text(encoding="utf-8"))
    theirs = [line for line in card["messages"][0]["content"].splitlines() if line.startswith("===")]
    place = scene(cast=[{"name": "Elizabeth Bennet", "profile": "Quick."}, {"name": "Mr. Darcy", "profile": "Proud."}])
    ours = [line for line in Script(place, "Elizabeth Bennet", "card").system().splitlines() if line.startswith("===")]
    assert ours == theirs


@pytest.mark.model
async def test_the_bundled_model_writes_a_whole_turn(mini: Model) -> None:
    events, act = await played(mini, sampling=Sampling(max_tokens=160), limits=Limits(40, 30, 20, 40))
    assert act.turn.speaker == MARA and act.turn.segments[0].kind is PLAN
    assert act.ending in {Ending.COMPLETE, Ending.CUT} and act.turn.text_of(SPEECH)
    assert words(events)[0][0] is PLAN and act.prompt.tokens


@pytest.mark.model
async def test_the_bundled_model_goes_on_from_half_a_sentence(mini: Model) -> None:
    begun = turn(MARA, (PLAN, "She stalls."), (ACTION, "turns the key"), (SPEECH, "Tom, you will not"))
    _, act = await played(mini, prefill=begun, sampling=Sampling(max_tokens=100), limits=Limits(20, 10, 10, 30))
    assert act.turn.segments[:2] == begun.segments[:2]
    assert act.turn.text_of(SPEECH).startswith("Tom, you will not")


@pytest.mark.model
async def test_the_bundled_model_speaks_when_told_to(mini: Model) -> None:
    actor = mara(mini, sampling=Sampling(max_tokens=80), limits=Limits(20, 10, 10, 30))
    running_on = turn(MARA, (PLAN, "She stalls. Then she goes on and on about the"))
    events, act = await all_of(actor.speak_now(dialogue(scene()), running_on, seed=1))
    assert act.turn.segments[0] == turn(MARA, (PLAN, "She stalls.")).segments[0]
    assert act.turn.text_of(SPEECH) and act.ending is Ending.COMPLETE
    assert words(events)[0] == (PLAN, "She stalls.")


def test_an_actor_is_played_as_suits_its_model() -> None:
    scene = bundled_scene("netherfield-ball")
    cool = Actor(scene, "Mr. Darcy", Scripted(address="mini"))
    assert (cool.options.limits, cool.options.sampling.temperature) == (SMALL, COOL)
    assert Actor(scene, "Mr. Darcy", Scripted(address="http://localhost:8000/v1#big")).options == ActorOptions()
