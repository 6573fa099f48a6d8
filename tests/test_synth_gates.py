"""Gates: what passes, what does not, and by which word it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.markup import notation
from her.rows.record import Refusal, SceneRow
from her.synth import faults
from her.synth.gates import Reason, acted, num_words, planned, prose
from her.turn import Kind, Segment, Turn
from minds import canaries, turn_row
from texts import turns

PLAN, THOUGHT, ACTION, SPEECH = Kind


def reasons(found: list[Refusal]) -> list[str]:
    return [refusal.reason for refusal in found]


# -- prose ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("A quiet man of forty who keeps bees.", "en", []),
        ("", "en", ["empty"]),
        (" … 12!", "en", ["empty"]),
        ("Quiet.", "en", ["length"]),
        ("word " * 40, "en", ["length", "loop"]),
        ("A man of <role> and rank in the town.", "en", ["broken-tag"]),
        (f"A man {notation()['thought_open']}of rank and means.", "en", ["broken-tag"]),
        ("(a quiet man who keeps his bees)", "en", ["broken-tag"]),
        ('{"profile": "a quiet man with bees"}', "en", ["broken-tag"]),
        ("Un homme tranquille qui ne parle pas et qui est avec les abeilles.", "en", ["language"]),
        ("A quiet man of forty who is not the man that he was.", "zh", ["language"]),
        ("四十岁，话不多，养着一群蜜蜂，见人总是点点头。", "zh", []),
        ("四十岁的 quiet keeper of bees and honey", "zh", ["language"]),
        ("He knows the bees (and the beekeepers) well: 3 hives.", "en", []),
    ],
)
def test_prose(text: str, language: str, found: list[str]) -> None:
    refused = prose(text, stage="profiles", where="Ada", language=language, words=(5, 30))
    assert reasons(refused) == found
    assert all((refusal.stage, refusal.where) == ("profiles", "Ada") and refusal.detail for refusal in refused)


def test_prose_in_a_language_that_no_measure_knows_passes() -> None:
    assert prose("Bir deniz feneri bekçisi, elli yaşında.", stage="s", where="w", language="tr", words=(1, 20)) == []


@given(st.text(max_size=60))
def test_prose_takes_any_text(text: str) -> None:
    for refusal in prose(text, stage="s", where="w", language="en", words=(0, 99)):
        assert refusal.reason in set(Reason)
        assert "\n" not in refusal.detail


@pytest.mark.parametrize(("text", "count"), [("one two, three", 3), ("三个字啊呀哟", 4), ("", 0)])
def test_words_are_counted_in_both_scripts(text: str, count: int) -> None:
    assert num_words(text) == count


def test_reasons_are_words_to_count_by() -> None:
    assert all(reason == reason.lower() and " " not in reason for reason in Reason)


# -- turns ------------------------------------------------------------------------------------------------------


def played(*parts: tuple[Kind, str], id: str = "t07", speaker: str = "Tom") -> Turn:
    return Turn(speaker, tuple(Segment(*part) for part in parts), id=id)


def varied() -> SceneRow:
    """The scene of `minds`, with another layout just before t07."""
    row = canaries()
    sixth = turn_row("t06", "Lucy", (SPEECH, "You are both quiet zqspeech06."), (THOUGHT, "Why me zqthought06?"))
    return row.model_copy(update={"turns": (*row.turns[:5], sixth, *row.turns[6:])})


SAID = (SPEECH, "The grey one zqspeech07. She put out at noon. Nobody waved.")


def judged(*parts: tuple[Kind, str], row: SceneRow | None = None, seen: tuple[Turn, ...] = ()) -> list[str]:
    return reasons(acted(played(*parts), seen, row or varied(), "role-thinking"))


@pytest.mark.parametrize(
    "thought",
    [
        "Perhaps Mara secretly wants the boat.",
        "She looks as if she were afraid of it.",
        "I wonder what Lucy thinks of me.",
        "Does Mara hope that I am wrong?",
        "My own fear is plain enough.",
    ],
)
def test_a_guess_is_no_mind_reading(thought: str) -> None:
    assert judged((THOUGHT, thought), SAID) == []


def test_what_the_novel_wrote_is_not_judged() -> None:
    """He "thinks" in the third person, and names the actor; the teacher cannot put that right."""
    own = turn_row("t07", "Tom", (THOUGHT, "Tom is afraid."), (ACTION, "He steps back"), SAID)
    row = varied()
    row = row.model_copy(update={"turns": (*row.turns[:6], own)})
    assert judged((THOUGHT, "Tom is afraid."), (ACTION, "He steps back"), SAID, row=row) == []
    assert judged((THOUGHT, "Tom is afraid of me."), (ACTION, "He steps back"), SAID, row=row) == ["perspective"]


def test_lengths_of_layers_and_of_the_turn() -> None:
    def some(count: int, start: str) -> str:
        return " ".join(f"{start}{n}" for n in range(count))

    assert judged((THOUGHT, f"I {some(59, 'a')}"), SAID) == []
    assert judged((THOUGHT, f"I {some(60, 'a')}"), SAID) == ["length"]
    assert judged((ACTION, some(25, "a")), SAID) == []
    assert judged((ACTION, some(26, "a")), SAID) == ["length"]
    heavy = [(THOUGHT, some(55, "a")), SAID, (THOUGHT, some(56, "b"))]
    assert judged(*heavy) == ["length"]


def test_turns_must_not_grow_and_grow() -> None:
    def before(*sizes: int) -> tuple[Turn, ...]:
        return tuple(played((THOUGHT, " ".join(f"x{n}{k}" for k in range(n))), SAID, id=f"o{n}") for n in sizes)

    long = (THOUGHT, " ".join(f"y{n}" for n in range(50)))
    assert judged(long, SAID, seen=before(10, 20, 30)) == ["length"]
    assert judged(long, SAID, seen=before(10, 30, 20)) == []
    assert judged(long, SAID, seen=before(20, 30)) == []
    assert judged((THOUGHT, "I see it plainly now, all of it."), SAID, seen=before(1, 2, 3)) == []


def test_neighbours_and_what_does_not_read_back() -> None:
    assert judged((THOUGHT, "I see."), (THOUGHT, "I hear."), SAID) == ["adjacent"]
    tag = notation()["action_open"]
    assert "broken-tag" in judged((THOUGHT, f"I see {tag} it."), SAID)
    assert acted(Turn("Tom", (), id="t07"), (), varied(), "s")[0].reason == "empty"


def test_a_turn_that_never_read_back_is_not_the_teachers_fault() -> None:
    odd = (SPEECH, "Tom: he said, I mean <b>this</b>.")
    row = varied()
    row = row.model_copy(update={"turns": (*row.turns[:6], turn_row("t07", "Tom", odd))})
    assert judged((THOUGHT, "I said it."), odd, row=row) == []


@given(turns(speaker="Tom"))
def test_a_turn_as_it_came_is_never_refused_for_its_words(turn: Turn) -> None:
    """Nothing new, nothing refused, but for neighbours of one kind."""
    turn = replace(turn, id="t07", segments=tuple(s for s in turn.segments if s.kind is not PLAN))
    row = varied()
    own = turn_row("t07", "Tom", *((s.kind, s.text) for s in turn.segments))
    row = row.model_copy(update={"turns": (*row.turns[:6], own)})
    assert set(reasons(acted(turn, (), row, "s"))) <= {"adjacent"}


def test_a_whisper_that_was_not_heard_is_a_leak() -> None:
    row = varied()
    whisper = turn_row("t05", "Tom", (SPEECH, "Meet me behind the boathouse when the bell rings twice."), to=("Lucy",))
    row = row.model_copy(update={"turns": (*row.turns[:4], whisper, *row.turns[5:])})
    thought = (THOUGHT, "I heard it: meet me behind the boathouse when the bell rings.")
    speech = (SPEECH, "Then we had better light the lamp zqspeech08.")
    mara = played(thought, speech, id="t08", speaker="Mara")
    lucy = played(thought, (SPEECH, "You are both quiet zqspeech06."), id="t06", speaker="Lucy")
    assert reasons(acted(mara, (), row, "s")) == ["leak"]
    assert "leak" not in reasons(acted(lucy, (), row, "s"))


def test_each_reason_comes_once() -> None:
    found = acted(played((THOUGHT, "Tom is sad."), SAID, (THOUGHT, "Tom is glad.")), (), varied(), "s")
    assert reasons(found) == ["perspective"] and "Tom is" in found[0].detail


# -- plans ------------------------------------------------------------------------------------------------------

GOOD = "Asked which boat, Tom gives colour and hour and adds that nobody waved: he wants to see how Mara bears it."


def plan_faults(plan: str, row: SceneRow | None = None) -> list[str]:
    row = row or canaries()
    turn = next(turn.turn for turn in row.turns if turn.id == "t07")
    return reasons(planned(plan, turn, row, (10, 60), "system-thinking"))


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        (GOOD, []),
        (GOOD.replace("Tom", "the boy"), ["unnamed"]),
        (GOOD.replace("he wants", "I want"), ["perspective"]),
        (f"{GOOD} I must show that in his voice.", []),
        (GOOD.replace("he wants", "you want"), ["perspective"]),
        (f"{GOOD} He says “I saw it all” and no more.", []),
        (f"{GOOD} For the user it is plain.", ["reader"]),
        (f"{GOOD} Mara secretly fears him.", ["mind-read"]),
        (f"{GOOD} Mara seems to fear him, perhaps.", []),
        (f"{GOOD} He is thinking of the rope.", []),
        ("Tom says: the grey one zqspeech07, she put out at noon, nobody waved.", ["copied"]),
        (f"{GOOD} The answer: had better light the lamp zqspeech08.", ["foresight"]),
        (
            "Tom is a keeper zqprofiletom. Tom came by sea zqbackgroundtom. Tom wants the boat zqmotivationtom.",
            ["copied"],
        ),
    ],
)
def test_plans(plan: str, found: list[str]) -> None:
    assert plan_faults(plan) == found


def test_aliases_and_parts_of_a_name_name_the_character() -> None:
    row = canaries()
    cast = tuple(one.model_copy(update={"name": "Thomas Reed"}) if one.name == "Tom" else one for one in row.cast)
    turns = tuple(t.model_copy(update={"speaker": "Thomas Reed"}) if t.speaker == "Tom" else t for t in row.turns)
    row = row.model_copy(update={"cast": cast, "turns": turns, "aliases": {"Thomas Reed": ("Tommy",)}})
    for name in ("Thomas Reed", "Reed", "Thomas", "Tommy"):
        assert plan_faults(GOOD.replace("Tom", name), row) == []
    assert plan_faults(GOOD, row) == ["unnamed"], "part of a word is no name"


@pytest.mark.parametrize(
    ("names", "name", "called"),
    [
        (("Mr. Bennet", "Mrs. Bennet"), "Mr. Bennet", {"Mr. Bennet"}),
        (("Lady Catherine", "Elizabeth Bennet"), "Lady Catherine", {"Lady Catherine", "Catherine"}),
        (("The Old Captain", "Ann"), "The Old Captain", {"The Old Captain"}),
        (("林黛玉", "贾宝玉"), "林黛玉", {"林黛玉", "黛玉"}),
        (("Jo", "Al"), "Jo", {"Jo"}),
    ],
)
def test_what_a_character_is_called(names: tuple[str, ...], name: str, called: set[str]) -> None:
    row = canaries()
    cast = tuple(row.cast[0].model_copy(update={"name": one}) for one in names)
    assert faults.names_of(name, row.model_copy(update={"cast": cast})) == called


def test_a_plan_for_a_turn_that_the_row_lacks_is_judged_as_a_last_turn() -> None:
    turn = replace(played(SAID), id="t99")
    assert reasons(planned(GOOD, turn, canaries(), (10, 60), "s")) == []
