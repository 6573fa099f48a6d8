"""Role thinking: the novel's words stay, minds come in, and no teacher sees more than its character."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from her.checks import layouts
from her.errors import ContextOverflow, ServerFault
from her.models.recorded import Call as Told
from her.rows.record import Piece, SceneRow, TurnRow
from her.synth.minds.arranging import answer_schema, earlier_layouts, forbidden, layout_of, variety, wanted, ways
from her.synth.minds.lived import foreign, num_chars, num_tokens
from her.synth.minds.pieces import MOST_PIECES, Answer, bare, bits_of, kinds_of, rebuilt, text_of, whole
from her.synth.minds.role_thinking import RoleThinking
from her.synth.stage import StageOptions
from her.turn import Kind, Segment, Turn
from minds import (
    ACTION,
    PLAN,
    SPEECH,
    THOUGHT,
    canaries,
    in_order,
    keeps,
    known_to,
    new_words,
    played,
    question,
    schema_of,
    teacher,
    turn_row,
    words_of,
    zq,
)
from teachers import Teacher
from test_prompts import check, written

STAGE = RoleThinking(StageOptions())
THOUGHTS = [
    "The rope is wet, somebody used it.",
    "My hands are cold and I hate it.",
    "If it rains, we stay all night.",
    "I should have locked the door.",
    "Nobody told me about noon.",
    "Let me count the matches first.",
    "There is salt on the stairs again.",
]
DEEDS = [
    "wipes the glass",
    "turns the key over",
    "shrugs",
    "looks at the door",
    "folds a cloth",
    "taps the rail",
    "leans back",
]


def obedient(**changes: Any) -> Teacher:
    """Answers in the first order that is asked for, in new words each time."""
    words = new_words()
    return teacher(lambda _, __, call: in_order(call, words), constrains=True, **changes)


def some_turns(*ids: str) -> SceneRow:
    row = canaries()
    return row.model_copy(update={"turns": tuple(turn for turn in row.turns if turn.id in ids)})


# -- what the stage does ----------------------------------------------------------------------------------------


async def test_minds_come_in_and_every_word_stays(tmp_path: Path) -> None:
    row = canaries()
    made, report = await played(STAGE, row, obedient(), tmp_path)
    assert made is not None and report.kept == 1 and report.refused == {} == report.faults
    for before, after in zip(row.turns, made.turns, strict=True):
        assert (before.id, before.speaker, before.heard_by) == (after.id, after.speaker, after.heard_by)
        deeds = [piece.text for piece in before.segments if piece.kind is ACTION]
        assert all(deed in after.turn.text_of(ACTION) for deed in deeds)
        assert plain(before.turn.text_of(SPEECH)) == plain(after.turn.text_of(SPEECH))
    assert made.turns[2] == row.turns[2], "the Environment has no mind"
    assert made.turns[0].segments[0] == row.turns[0].segments[0], "a plan stays in front"
    assert made.original == row.turns and made.refused == ()
    assert sum(piece.kind is THOUGHT for turn in made.turns for piece in turn.segments) > 3
    step = made.lineage[-1]
    assert step.stage == "role-thinking" and step.model == "teacher"
    assert [text.partition("@")[0] for text in step.prompts] == ["role-thinking/en", "role-thinking/case-en"]


async def test_a37_no_teacher_sees_another_mind_a_later_turn_or_a_plan(tmp_path: Path) -> None:
    row, model = canaries(), obedient()
    await played(STAGE, row, model, tmp_path)
    asked = {question(call)[1]: call for call in model.calls}
    assert sorted(asked) == ["t01", "t02", "t04", "t05", "t06", "t07", "t08"]
    for turn in row.turns:
        if turn.id in asked:
            assert set(zq(words_of(asked[turn.id]))) <= known_to(turn.speaker, turn.id, row), turn.id
    assert set(zq(words_of(asked["t08"]))) == known_to("Mara", "t08", row), "and it sees all that it may"


async def test_a_character_sees_its_own_new_thoughts_and_the_new_deeds_of_others(tmp_path: Path) -> None:
    model = teacher(lambda id, _, call: {"parts": [{"thought": f"{THOUGHTS[int(id[1:]) - 1]}"}, *keeps(call)]})
    row = canaries().model_copy(update={"turns": canaries().turns[:2]})
    row = row.model_copy(update={"turns": (*row.turns, turn_row("t03", "Mara", (SPEECH, "Is it gone? I ask you.")))})
    made, _ = await played(STAGE, row, model, tmp_path)
    assert made is not None and made.turns[1].turn.layout == "thought-action-speech"
    last = model.calls[2].messages[1].content
    assert f"Mara: [{THOUGHTS[0]}] Sit down" in last
    assert THOUGHTS[1] not in last and "Tom: (sets down the oil zqaction02) I saw" in last


async def test_a30_others_answer_to_the_turn_as_it_is_now(tmp_path: Path) -> None:
    model = teacher(lambda _, __, call: {"parts": [*keeps(call), {"action": "lifts the lantern"}]})
    row = canaries().model_copy(update={"turns": (canaries().turns[0], canaries().turns[1])})
    await played(STAGE, row, model, tmp_path)
    assert "The lamp can wait. (lifts the lantern)" in model.calls[1].messages[1].content


# -- what is refused --------------------------------------------------------------------------------------------

PIECES = [{"keep": 1}, {"keep": 2}, {"keep": 3}]
"""The pieces of t07, three sentences of Tom's."""
FAULTY: dict[str, tuple[Any, str]] = {
    "a piece is missing": ([{"keep": 1}, {"keep": 3}], "missing"),
    "a piece stands twice": ([*PIECES, {"keep": 2}], "words-changed"),
    "the order of speech": ([{"keep": 2}, {"keep": 1}, {"keep": 3}], "words-changed"),
    "speech written anew": ([{"speech": "The black one."}, *PIECES], "words-changed"),
    "speech hidden in a thought": ([{"keep": 1, "as": "thought"}, {"keep": 2}, {"keep": 3}], "words-changed"),
    "a piece that is not there": ([*PIECES, {"keep": 4}], "unknown-piece"),
    "two kinds in a part": ([{"keep": 1, "thought": "No."}, {"keep": 2}, {"keep": 3}], "schema"),
    "a part of another kind": ([{"gesture": "nods"}, *PIECES], "schema"),
    "no parts": ([], "schema"),
    "a mind read": ([{"thought": "Mara secretly wants the boat for herself."}, *PIECES], "mind-read"),
    "a tag": ([{"thought": "I know <b>it</b> all."}, *PIECES], "broken-tag"),
    "JSON in a thought": ([{"thought": 'I know {"keep": 1}'}, *PIECES], "broken-tag"),
    "third person": ([{"thought": "Tom wonders about the grey boat."}, *PIECES], "perspective"),
    "an actor": ([{"action": "He points to sea."}, *PIECES], "perspective"),
    "somebody else acts": ([{"action": "Mara turns away."}, *PIECES], "perspective"),
    "new speech": ([{"action": 'mutters "never again"'}, *PIECES], "invented-speech"),
    "too long": ([{"thought": " ".join(f"I counted plank {n} of it" for n in "abcdefghijklmnop")}, *PIECES], "length"),
    "another language": ([{"thought": "Je ne sais pas ce que je dois faire avec elle."}, *PIECES], "language"),
    "a loop": ([{"thought": "I go on and on " * 9}, *PIECES], "loop"),
    "neighbours": ([{"thought": "I saw it."}, {"thought": "I did."}, *PIECES], "adjacent"),
    "thought before": ([{"thought": "I dislike it, a lie zqthought05 and nothing else."}, *PIECES], "near-duplicate"),
    "speech in a thought": ([{"thought": "She put out at noon and nobody waved."}, *PIECES], "copied"),
    "what is told of it": ([{"thought": "So: wants the boat zqmotivationtom."}, *PIECES], "copied"),
    "nothing": ([{"thought": "…"}, *PIECES], "empty"),
    "another's words": ([{"thought": "I know why Mara came by sea zqbackgroundmara."}, *PIECES], ""),
}


@pytest.mark.parametrize(("parts", "reason"), FAULTY.values(), ids=FAULTY)
async def test_a41_a_bad_answer_is_refused_and_the_turn_stays_as_it_came(
    parts: Any, reason: str, tmp_path: Path
) -> None:
    """Reason empty: below the measure's bounds, and let through."""
    model = teacher(lambda id, _, call: {"parts": parts if id == "t07" else keeps(call)})
    row = some_turns("t02", "t05", "t07")
    made, report = await played(STAGE, row, model, tmp_path)
    assert made is not None
    refused = {(refusal.reason, refusal.where, refusal.stage) for refusal in made.refused}
    if reason:
        assert refused == {(reason, "t07", "role-thinking")}
        assert made.turns[2] == row.turns[2] and report.refused == {reason: 1}
        asked_again = [call for call in model.calls if (call.call_id or "").endswith("t07/repair")]
        assert len(asked_again) == 1
    else:
        assert refused == set() and len(made.turns[2].segments) == 2


async def test_a_leak_of_a_hidden_thought_is_refused(tmp_path: Path) -> None:
    secret = "the boat lies under the old pier since Sunday"
    turns = (
        turn_row("t01", "Mara", (THOUGHT, f"If he knew that {secret}."), (SPEECH, "Good evening.")),
        turn_row("t02", "Tom", (SPEECH, "Evening.")),
    )
    row = canaries().model_copy(update={"turns": turns})
    said = {"t01": keeps, "t02": lambda call: [{"thought": f"I bet {secret}."}, *keeps(call)]}
    model = teacher(lambda id, _, call: {"parts": said[id](call)})
    made, _ = await played(STAGE, row, model, tmp_path)
    assert made is not None and [refusal.reason for refusal in made.refused] == ["leak"]


async def test_a_repaired_answer_is_told_its_faults_and_taken(tmp_path: Path) -> None:
    def say(id: str, _: str, call: Told) -> dict[str, Any]:
        first = not (call.call_id or "").endswith("/repair")
        return {"parts": [{"action": "He nods" if first and id == "t02" else "nods"}, *keeps(call)[1:], {"keep": 1}]}

    row = canaries().model_copy(update={"turns": canaries().turns[1:2]})
    model = teacher(lambda id, _, call: {"parts": [{"keep": 1}, {"thought": say(id, _, call)["parts"][0]["action"]}]})
    made, report = await played(STAGE, row, model, tmp_path)
    assert made is None and report.reasons == {"mostly-refused": 1}
    assert "piece 2 (speech) is missing" in model.calls[1].messages[-1].content


async def test_a40_no_turn_is_lost_without_a_word(tmp_path: Path) -> None:
    """A turn that stays as it came is recorded with its reason, and a scene that mostly did is dropped."""
    bad = {"t02", "t06"}
    model = teacher(lambda id, _, call: {"parts": keeps(call)[:-1] if id in bad else keeps(call)})
    made, report = await played(STAGE, canaries(), model, tmp_path)
    assert made is not None and report.refused == {"missing": 2}
    assert {refusal.where for refusal in made.refused} == bad
    strict = RoleThinking(StageOptions(), most_refused=0.2)
    made, report = await played(strict, canaries(), model, tmp_path)
    assert made is None and report.dropped == 1 and report.reasons == {"mostly-refused": 1}


async def test_earlier_refusals_and_the_first_original_are_kept(tmp_path: Path) -> None:
    model = teacher(lambda id, _, call: {"parts": keeps(call)[:-1] if id == "t02" else keeps(call)})
    once, _ = await played(STAGE, canaries(), model, tmp_path)
    assert once is not None
    twice, _ = await played(STAGE, once, obedient(), tmp_path)
    assert twice is not None and twice.refused == once.refused and twice.original == canaries().turns
    assert [step.stage for step in twice.lineage] == ["role-thinking", "role-thinking"]


async def test_a_third_equal_layout_in_a_row_is_refused(tmp_path: Path) -> None:
    turns = tuple(turn_row(f"t{n:02}", "Mara", (SPEECH, f"{THOUGHTS[n]} It is so.")) for n in range(1, 5))
    model = teacher(lambda id, _, call: {"parts": [{"action": DEEDS[int(id[1:])]}, *keeps(call)]})
    made, _ = await played(STAGE, canaries().model_copy(update={"turns": turns}), model, tmp_path)
    assert made is not None
    assert [turn.turn.layout for turn in made.turns] == ["action-speech", "action-speech", "speech", "action-speech"]
    assert [(refusal.reason, refusal.where) for refusal in made.refused] == [("layout-run", "t03")]
    third = next(call for call in model.calls if call.call_id == "role-thinking/relief/1/1/t03")
    assert "Not in this order, which the last turns had: action, speech" in third.messages[1].content


# -- layouts ----------------------------------------------------------------------------------------------------


def long_scene(count: int) -> SceneRow:
    texts = [f"{THOUGHTS[n % 7]} {THOUGHTS[(n + 3) % 7]}" if n % 2 else THOUGHTS[n % 7] for n in range(count)]
    names = ("Mara", "Tom")
    turns = tuple(turn_row(f"t{n:02}", names[n % 2], (SPEECH, text)) for n, text in enumerate(texts))
    return canaries().model_copy(update={"turns": turns})


@pytest.mark.parametrize("terse", [False, True], ids=["choice", "terse"])
async def test_layouts_vary_where_they_are_asked_for(terse: bool, tmp_path: Path) -> None:
    made, report = await played(RoleThinking(StageOptions(terse=terse)), long_scene(24), obedient(), tmp_path)
    assert made is not None and report.refused == {}
    seen = variety([made])
    assert (seen.before.distinct, seen.before.top_share, seen.longest_runs[0]) == (1, 1.0, 24)
    assert (seen.after.entropy or 0) > 3 and (seen.after.top_share or 1) < 0.25 and seen.longest_runs[1] <= 2
    assert any(turn.turn.layout == "speech" for turn in made.turns), "some turns are bare"


async def test_a_habit_is_steered_against(tmp_path: Path) -> None:
    """A teacher that likes a thought in front best, and gives one wherever an order that is asked for begins so."""

    words = new_words()

    def likes(id: str, _: str, call: Told) -> dict[str, Any]:
        ways = schema_of(call.constraint)["properties"]["parts"]
        ways = ways.get("anyOf", [ways])
        best = [n for n, way in enumerate(ways) if way["prefixItems"][0] == {"$ref": "#/$defs/thought"}]
        return in_order(call, words, choice=best[0] if best else 0)

    made, _ = await played(STAGE, long_scene(24), teacher(likes, constrains=True), tmp_path)
    assert made is not None
    assert (variety([made]).after.top_share or 1) < 0.3


@given(st.lists(st.sampled_from([THOUGHT, ACTION, SPEECH]), min_size=1, max_size=6))
def test_every_way_keeps_all_pieces_in_order_and_has_the_layout_it_says(kinds: list[Kind]) -> None:
    for layout, arranged in ways(kinds).items():
        for slots in arranged:
            assert [slot for slot in slots if isinstance(slot, int)] == list(range(1, len(kinds) + 1))
            assert layout_of(slots, kinds) == layout


def test_one_line_of_speech_has_thirteen_layouts() -> None:
    found = ways([SPEECH])
    assert len(found) == 13
    assert {"speech", "thought-action-speech", "action-speech-thought", "thought-speech-thought"} <= found.keys()
    assert not any("thought-thought" in layout or "action-action" in layout for layout in found)


def test_what_was_used_least_is_asked_for_first() -> None:
    possible = ways([SPEECH])
    used = ["thought-speech", "action-speech", "speech-thought", "thought-speech"]
    asked = wanted(possible, "speech", used, "row/t05", 3)
    assert len(asked) == 3 and "thought-speech" not in asked
    assert asked == wanted(possible, "speech", used, "row/t05", 3), "always the same"
    assert wanted(possible, "speech", ["speech", "speech"], "row/t03", 13)[0] != "speech"
    assert "speech" not in wanted(possible, "speech", ["speech", "speech"], "row/t03", 13), "never a third time"
    assert any("thought" in layout for layout in wanted(["speech", "action-speech", "thought-speech"], "", [], "k", 2))
    assert forbidden(["a", "b", "b"]) == "b" and forbidden(["b"]) is None and forbidden(["b", "a"]) is None


def test_variety_over_rows() -> None:
    row = some_turns("t02", "t04")
    slop = turn_row("t04", "Mara", (THOUGHT, "I took a deep breath, and then one more."), (SPEECH, "So."))
    changed = row.model_copy(update={"turns": (row.turns[0], slop), "original": row.turns})
    seen = variety([row, changed])
    assert seen.before.counts == (("action-speech", 2), ("thought-speech", 2)) == seen.after.counts
    assert seen.longest_runs == (1, 1) and seen.slop is not None and 40 < seen.slop < 80
    assert variety([]).slop is None and variety([]).after.entropy is None


def test_the_environment_has_no_layout_in_a_run() -> None:
    turns = [Turn("Environment", (Segment(SPEECH, "Rain."),)), Turn("Mara", (Segment(SPEECH, "So."),))]
    assert earlier_layouts(turns) == ["speech"]
    assert layouts([]).longest_run == 0


def test_the_schema_lets_no_word_be_lost() -> None:
    kinds = (SPEECH, ACTION, SPEECH)
    arranged = [
        way for layout in ("speech-action-speech", "thought-speech-action-speech") for way in ways(kinds)[layout]
    ]
    schema = answer_schema(arranged, kinds, {THOUGHT: 40, ACTION: 30}, {2: "thought"})
    valid = Draft202012Validator(schema).is_valid
    keep = [{"keep": 1}, {"keep": 2}, {"keep": 3}]
    assert valid({"parts": keep}) and valid({"parts": [{"thought": "I see"}, *keep]})
    assert valid({"parts": [{"keep": 1}, {"keep": 2, "as": "thought"}, {"keep": 3}]})
    for wrong in (
        keep[:2],
        keep[::-1],
        [*keep, {"keep": 3}],
        [{"action": "nods"}, *keep],
        [{"thought": "x" * 41}, *keep],
    ):
        assert not valid({"parts": wrong})
    assert not valid({"parts": [{"thought": '{"keep"'}, *keep]}) and not valid({"parts": keep, "more": 1})


# -- pieces -----------------------------------------------------------------------------------------------------

texts = st.text(alphabet="ab .!?。…\n“”", max_size=60)
spoken = st.lists(st.tuples(st.sampled_from([THOUGHT, ACTION, SPEECH]), texts), max_size=5).map(
    lambda parts: Turn("Mara", tuple(Segment(kind, text) for kind, text in parts))
)


@given(spoken)
def test_the_pieces_are_the_turn(turn: Turn) -> None:
    bits = bits_of(turn)
    for at, segment in enumerate(turn.segments):
        mine = [bit for bit in bits if bit.segment == at]
        if segment.text.strip():
            assert "".join(segment.text[bit.start : bit.end] for bit in mine) == segment.text
    assert [bit.number for bit in bits] == list(range(1, len(bits) + 1))


@given(spoken.filter(lambda turn: bool(bits_of(turn))), st.randoms())
def test_speech_is_the_same_however_thoughts_are_put_between(turn: Turn, chance: Any) -> None:
    parts: list[dict[str, Any]] = []
    for bit in bits_of(turn):
        parts += [{"thought": "I see."}] if chance.random() < 0.5 else []
        parts.append({"keep": bit.number})
    made, faults = rebuilt(Answer.model_validate({"parts": parts}), turn, told=True)
    assert faults == []
    for kind in (SPEECH, ACTION):
        assert plain(made.text_of(kind)) == plain(turn.text_of(kind))


def test_pieces_come_together_again_as_they_were() -> None:
    turn = Turn("Mara", (Segment(SPEECH, "One.  Two! …\nThree?"), Segment(ACTION, "nods"), Segment(SPEECH, "Four.")))
    assert [text_of(bit, turn) for bit in bits_of(turn)] == ["One.", "Two! …", "Three?", "nods", "Four."]

    def made(*parts: Any) -> list[str]:
        answer = Answer.model_validate({"parts": [{"keep": p} if isinstance(p, int) else p for p in parts]})
        return [segment.text for segment in rebuilt(answer, turn, told=True)[0].segments]

    assert made(1, 2, 3, 4, 5) == ["One.  Two! …\nThree?", "nods", "Four."]
    assert made(1, {"thought": "So."}, 2, 3, 4, 5) == ["One.", "So.", "Two! …\nThree?", "nods", "Four."]
    assert made(4, 1, 2, 3, 5) == ["nods", "One.  Two! …\nThree? Four."]
    assert made(1, 2, 3, {"keep": 4, "as": "thought"}, 5)[1] == "nods"


def test_a_monologue_has_few_pieces_and_chinese_sentences_count() -> None:
    long = Turn("Mara", (Segment(SPEECH, " ".join(f"This is sentence {n}." for n in range(40))),))
    assert len(bits_of(long)) == MOST_PIECES
    chinese = Turn("梅拉", (Segment(SPEECH, "坐下吧。灯可以等。你看见船了吗？"),))
    assert [text_of(bit, chinese) for bit in bits_of(chinese)] == ["坐下吧。", "灯可以等。", "你看见船了吗？"]
    kept = Answer.model_validate({"parts": [{"keep": 1}, {"keep": 2}, {"thought": "他知道。"}, {"keep": 3}]})
    assert rebuilt(kept, chinese, told=True)[0].segments[0].text == "坐下吧。灯可以等。"


def test_a_thought_may_be_replaced_but_not_dropped() -> None:
    turn = Turn("Mara", (Segment(THOUGHT, "Old."), Segment(SPEECH, "So.")))
    replaced = Answer.model_validate({"parts": [{"keep": 2}, {"thought": "New."}]})
    assert rebuilt(replaced, turn, told=True) == (
        Turn("Mara", (Segment(SPEECH, "So."), Segment(THOUGHT, "New."))),
        [],
    )
    dropped = Answer.model_validate({"parts": [{"keep": 2}]})
    assert [reason for reason, _ in rebuilt(dropped, turn, told=True)[1]] == ["missing"]


@pytest.mark.parametrize(
    ("piece", "to", "told", "fine"),
    [(1, "thought", True, True), (2, "action", False, True), (2, "action", True, False), (3, "action", False, False)],
    ids=["a deed that is a thought", "narration", "spoken for sure", "a thought made visible"],
)
def test_what_a_piece_may_be_kept_as(piece: int, to: str, told: bool, fine: bool) -> None:
    turn = Turn("Mara", (Segment(ACTION, "thinks"), Segment(SPEECH, "So."), Segment(THOUGHT, "No.")))
    parts = [{"keep": n, "as": to} if n == piece else {"keep": n} for n in (1, 2, 3)]
    faults = rebuilt(Answer.model_validate({"parts": parts}), turn, told=told)[1]
    assert (faults == []) is fine
    assert all(reason == "words-changed" for reason, _ in faults)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("(nods)", "nods"),
        ("*nods*", "nods"),
        ("“So it is.”", "So it is."),
        ("(a) and (b)", "(a) and (b)"),
        ("()", "()"),
    ],
)
def test_marks_around_a_whole_thought_are_not_part_of_it(text: str, inside: str) -> None:
    assert bare(f" {text} ") == inside


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("I know. I see th", "I know."),
        ("I see the sa", "I see the"),
        ("short", "short"),
        ("他看见了。他知", "他看见了。"),
    ],
)
def test_what_a_bound_cut_ends_with_a_whole_sentence_or_word(text: str, left: str) -> None:
    assert whole(text, 7 if left != "short" else 9) == left


def test_a_cut_thought_is_not_left_in_the_middle() -> None:
    turn = Turn("Mara", (Segment(SPEECH, "So."),))
    answer = Answer.model_validate({"parts": [{"thought": "I know it. I saw th"}, {"keep": 1}]})
    assert rebuilt(answer, turn, told=True, chars={THOUGHT: 19, ACTION: 9})[0].segments[0].text == "I know it."
    assert rebuilt(answer, turn, told=True, chars={THOUGHT: 20, ACTION: 9})[0].segments[0].text.endswith("th")


# -- prompts ----------------------------------------------------------------------------------------------------


def chinese_row() -> SceneRow:
    row = canaries()
    cast = tuple(
        one.model_copy(update={"name": name}) for one, name in zip(row.cast, ("梅拉", "阿同", "露西"), strict=True)
    )
    turns = (
        turn_row("t01", "梅拉", (SPEECH, "坐下吧，阿同。灯可以等。")),
        turn_row("t02", "阿同", (ACTION, "放下油壶"), (SPEECH, "我看见那条船了。")),
    )
    return row.model_copy(update={"language": "zh", "cast": cast, "turns": turns})


@pytest.mark.parametrize("terse", [False, True], ids=["full", "terse"])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_prompt(language: str, terse: bool, tmp_path: Path) -> None:
    row = canaries() if language == "en" else chinese_row()
    model = teacher(lambda _, __, call: {"parts": keeps(call)})
    await played(RoleThinking(StageOptions(terse=terse)), row, model, tmp_path)
    first, *later = [call for call in model.calls if question(call)[1] in {"t01", "t02", "t05"}]
    text = "\n".join([written(first.messages), *(written(call.messages[1:]) for call in later)])
    check(f"role-thinking-{language}{'-terse' if terse else ''}", text)


async def test_a_chinese_scene_is_played_in_chinese(tmp_path: Path) -> None:
    new = {"t01": {"thought": "他的手在抖。"}, "t02": {"action": "看向窗外"}}
    model = teacher(lambda id, _, call: {"parts": [*keeps(call), new[id]]})
    made, report = await played(STAGE, chinese_row(), model, tmp_path)
    assert made is not None and report.refused == {}
    assert [turn.turn.layout for turn in made.turns] == ["speech-thought", "action-speech-action"]
    bad = {"t01": {"thought": "阿同心里其实害怕得很。"}, "t02": {"action": "他看向窗外"}}
    model = teacher(lambda id, _, call: {"parts": [*keeps(call), bad[id]]})
    row = chinese_row()
    made, _ = await played(RoleThinking(StageOptions(), most_refused=1), row, model, tmp_path)
    assert made is not None and [(r.where, r.reason) for r in made.refused] == [
        ("t01", "mind-read"),
        ("t02", "perspective"),
    ]


async def test_other_languages_are_asked_for_by_name(tmp_path: Path) -> None:
    row = canaries().model_copy(update={"language": "fr", "turns": canaries().turns[:1]})
    model = teacher(
        lambda _, __, call: {
            "parts": [{"thought": "He is not at all as he was, and that is the way of it."}, *keeps(call)]
        }
    )
    made, report = await played(RoleThinking(StageOptions(), most_refused=1), row, model, tmp_path)
    assert "Write in French." in model.calls[0].messages[0].content
    assert foreign(row.model_copy(update={"language": "zh-Hant"})) == "繁体中文"
    assert [foreign(row.model_copy(update={"language": code})) for code in ("en-GB", "zh-CN", "xx")] == ["", "", "xx"]
    assert made is not None and report.refused == {"language": 1}


@pytest.mark.parametrize("language", ["en", "zh", "ja", "ru"])
def test_the_longest_answer_fits_its_tokens(language: str) -> None:
    chars = num_chars(60, language)
    assert chars >= (60 * 1.5 if language in {"zh", "ja"} else 60 * 6)
    assert num_tokens(chars, language) >= chars / 3


async def test_a_small_window_loses_the_oldest_turns(tmp_path: Path) -> None:
    """Counted in characters; the answers stay the same, so does what is asked about the turn itself."""
    model = teacher(lambda _, __, call: {"parts": keeps(call)}, context=6_000)

    async def count(messages: Any, prefill: str = "") -> int:
        return sum(len(message.content) for message in messages)

    model.count = count  # type: ignore[method-assign]
    row = long_scene(60)
    made, report = await played(RoleThinking(StageOptions(), most_refused=1), row, model, tmp_path)
    assert made is not None and report.dropped == 0
    last = model.calls[-1].messages[1].content
    history = re.findall(r"^(?:Mara|Tom): ", last, re.MULTILINE)
    assert 5 < len(history) < 50
    assert all(sum(len(m.content) for m in call.messages) < 6_000 for call in model.calls if len(call.messages) == 2)


async def test_a_prompt_that_never_fits_leaves_the_turn_and_says_so(tmp_path: Path) -> None:
    model = teacher(lambda _, __, call: {"parts": keeps(call)})
    say = model.say
    model.say = lambda call: ContextOverflow("too long") if question(call)[1] == "t04" else say(call)
    made, report = await played(STAGE, some_turns("t02", "t04", "t07"), model, tmp_path)
    assert made is not None and report.refused == {"context": 1} and made.refused[0].where == "t04"


async def test_a_server_that_is_gone_takes_the_row_with_it(tmp_path: Path) -> None:
    model = teacher(lambda _, __, call: {"parts": keeps(call)})
    model.say = lambda call: ServerFault("gone")
    made, report = await played(STAGE, canaries(), model, tmp_path)
    assert made is None and report.reasons == {"server": 1}


def test_a_turn_without_words_is_left_alone() -> None:
    empty = TurnRow(id="t01", speaker="Mara", segments=(Piece(kind=PLAN, text="Only a plan."),))
    row = canaries().model_copy(update={"turns": (empty,)})
    assert kinds_of(bits_of(empty.turn)) == ()
    done = asyncio.run(STAGE.work(row, _Mute()))  # type: ignore[arg-type]
    assert done.rows[0].turns == (empty,)


class _Mute:
    """An Ask whom nobody may ask."""

    class model:
        address = "nobody"


@pytest.mark.model
@pytest.mark.long
async def test_mini_gets_through_a_scene(mini: Any, tmp_path: Path) -> None:
    row = canaries().model_copy(update={"turns": canaries().turns[:2]})
    made, report = await played(RoleThinking(StageOptions(terse=True), most_refused=1), row, mini, tmp_path)
    assert made is not None and report.dropped == 0
    # Held to the schema it may write nonsense, but no broken answer and no lost word.
    assert not report.faults.keys() & {"schema", "no-json", "broken-json", "missing", "words-changed", "broken-tag"}


def plain(text: str) -> str:
    return "".join(text.split())
