"""Plans against turns: measures that serve gates, rewards and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her import checks
from her.synth.gates import planned
from her.turn import Kind, Segment, Turn
from plans_by_hand import FAR, FAR_MINDS, NEAR, NEAR_MINDS, scene_of

THOUGHT, SPEECH, PLAN = Kind.ROLE_THINKING, Kind.SPEECH, Kind.SYSTEM_THINKING
LINES = (
    ("Ada", "Have you locked the harbour gate?"),
    ("Ben", "The keys are in my coat."),
    ("Ada", "Then the lantern can go out."),
    ("Ben", "Leave it burning for the ferry."),
)
TURNS = [Turn(name, (Segment(SPEECH, text),), id=f"t{n}") for n, (name, text) in enumerate(LINES)]


# -- agreement --------------------------------------------------------------------------------------------------


def test_a_plan_fits_the_turn_whose_words_it_has() -> None:
    plan = "Ada hears about the keys and lets the lanterns be put out."
    own, wrong = checks.plan_agreement(plan, TURNS, 2), checks.plan_agreement(plan, TURNS, 0)
    assert own is not None and own.own > own.other and own.at == 0
    assert wrong is not None and wrong.other == pytest.approx(own.own) and wrong.at == 2


def test_the_turn_before_counts_and_counts_less() -> None:
    heard = checks.plan_agreement("She hears of keys.", TURNS, 2)
    said = checks.plan_agreement("She speaks of a lantern.", TURNS, 2)
    assert heard is not None and said is not None and 0 < heard.own < said.own


def test_names_of_speakers_and_plans_in_turns_say_nothing() -> None:
    fit = checks.plan_agreement("Ada, Ben, and Ada again.", TURNS, 2)
    assert fit is not None and (fit.own, fit.other) == (0, 0)
    hidden = [Turn("Ada", (Segment(PLAN, "quince"), *TURNS[0].segments)), *TURNS[1:]]
    with_plan = checks.plan_agreement("A quince.", hidden, 0)
    assert with_plan is not None and with_plan.own == 0


def test_agreement_needs_another_turn_of_the_speaker() -> None:
    assert checks.plan_agreement("Anything.", TURNS[:2], 0) is None
    assert checks.plan_agreement("", TURNS, 0) == checks.Agreement(0, 0, 2)


def test_agreement_in_chinese() -> None:
    lines = (("甲", "港口的门锁了吗？"), ("乙", "钥匙在大衣里。"), ("甲", "那就把灯笼灭了吧。"))
    turns = [Turn(name, (Segment(SPEECH, text),)) for name, text in lines]
    fit = checks.plan_agreement("他听说了钥匙，便让人灭了灯笼。", turns, 2)
    assert fit is not None and fit.own > 1 and fit.other == 0


@given(st.text(max_size=80), st.integers(0, 3))
def test_agreement_is_never_below_zero(plan: str, at: int) -> None:
    fit = checks.plan_agreement(plan, TURNS, at)
    assert fit is not None and min(fit.own, fit.other) >= 0 and fit.at != at


# -- on plans written by hand -----------------------------------------------------------------------------------

Catch = Callable[[int, int], bool]


@pytest.fixture(params=["near", "far"])
def scene(request: pytest.FixtureRequest, her_data: Path) -> tuple[str, Catch, list[Turn]]:
    """(name, whether the gate refuses the plan of turn i at turn j as another's, the turns)."""
    chapter, plans, minds = (1, NEAR, NEAR_MINDS) if request.param == "near" else (56, FAR, FAR_MINDS)
    row, wanted = scene_of(her_data / "books" / "pride_and_prejudice.txt", chapter, plans, minds)
    turns = [turn.turn for turn in row.turns]

    def refused(of: int, at: int) -> bool:
        found = planned(wanted[turns[of].id], turns[at], row, (1, 200), "system-thinking")
        return bool({refusal.reason for refusal in found} & {"wrong-turn", "foresight"})

    return request.param, refused, turns


def pairs(turns: list[Turn]) -> Iterator[tuple[int, int]]:
    places = range(len(turns))
    return ((of, at) for of in places for at in places if of != at and turns[of].speaker == turns[at].speaker)


def test_plans_by_hand_are_told_apart(scene: tuple[str, Catch, list[Turn]]) -> None:
    """`near` chose the thresholds; `far` shows what they are worth elsewhere."""
    name, refused, turns = scene
    good = [turn.id for at, turn in enumerate(turns) if refused(at, at)]
    swapped = [refused(of, at) for of, at in pairs(turns)]
    caught = sum(swapped) / len(swapped)
    most, least = {"near": (2, 0.64), "far": (0, 0.72)}[name]
    assert len(good) <= most, good
    assert caught >= least


def test_a26_a_scene_whose_plans_moved_by_one_turn_does_not_pass(scene: tuple[str, Catch, list[Turn]]) -> None:
    _, refused, turns = scene
    for step in (1, -1):
        moved = [
            refused(mine[at], mine[at + step])
            for mine in (
                [n for n, turn in enumerate(turns) if turn.speaker == name] for name in {t.speaker for t in turns}
            )
            for at in range(len(mine))
            if 0 <= at + step < len(mine)
        ]
        assert sum(moved) / len(moved) > 0.4, "so many turns cry out that the scene does"


# -- foresight --------------------------------------------------------------------------------------------------

KNOWN = ["The boat lay at the pier.", "Who rowed it, Anna?"]
LATER = ["Nobody saw Roderick leave by the garden door at dawn.", "He sold the silver spoons in Lisbon."]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Anna thinks of the pier and who rowed the boat.", "en", ()),
        ("Anna thinks of Roderick.", "en", ("Roderick",)),
        ("Anna thinks of Roderick.", "de", ()),
        ("Anna knows of the silver spoons by then.", "en", ("silver spoons",)),
        ("At dawn there is a door, and a garden.", "en", ("dawn", "door", "garden")),
        ("A garden, and spoons.", "en", ()),
        ("Nobody at all.", "en", ()),
    ],
    ids=["known", "a name", "no names in German", "a run", "several words", "words of two turns", "a first word"],
)
def test_foresight(text: str, language: str, found: tuple[str, ...]) -> None:
    told = checks.foresight(text, KNOWN, LATER, language)
    assert (told == ()) is (found == ())
    assert all(any(word in one for one in told) for word in found), told


def test_foresight_in_chinese() -> None:
    later = ["夜里他从后花园的小门出去了。"]
    assert checks.foresight("她还不知道他从后花园的小门离开。", ["船在码头。"], later, "zh")
    assert checks.foresight("她看着码头上的船。", ["船在码头。"], later, "zh") == ()


def test_what_is_known_is_no_foresight() -> None:
    assert checks.foresight("Roderick sold silver spoons.", [*KNOWN, *LATER], LATER, "en") == ()
    assert checks.foresight("", KNOWN, LATER, "en") == ()


# -- near duplicates, persons, runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "other", "alike"),
    [
        ("I must not laugh at her now.", "I must not laugh at her.", True),
        ("I must not laugh at her now.", "What a fine gown that is.", False),
        ("Never!", "never", True),
        ("Never!", "Never again, I swear it.", False),
        ("他一定看见了那条船。", "他一定看见了那条小船。", True),
        ("他一定看见了那条船。", "天快黑了，灯还没有点。", False),
        ("", "", False),
    ],
)
def test_near_duplicate(text: str, other: str, alike: bool) -> None:
    found = checks.near_duplicate(text, ["Something else entirely.", other])
    assert found is not None and (found[1] >= 0.5) is alike
    assert not alike or found[0] == 1


def test_nothing_was_thought_before() -> None:
    assert checks.near_duplicate("Hm.", []) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_a_share_and_knows_no_order(left: str, right: str) -> None:
    one, other = checks.near_duplicate(left, [right]), checks.near_duplicate(right, [left])
    assert one is not None and other is not None and 0 <= one[1] <= 1
    if left == right:
        assert one == other


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Your duty, and you know it yourself.", "en", ("Your", "you", "yourself")),
        ('She says "you" and means “yours”.', "en", ()),
        ("The youth stays young.", "en", ()),
        ("你要走吗？您呢？", "zh", ("你", "您")),
        ("Tu le sais, vous aussi.", "fr", ("Tu", "vous")),
        ("Du weißt es, Sie auch.", "de", ("Du",)),
        ("Kim sen?", "tr", None),
    ],
)
def test_second_person(text: str, language: str, found: tuple[str, ...] | None) -> None:
    assert checks.second_person(text, language) == found


def test_the_longest_run_of_layouts() -> None:
    said, thought = Turn("A", (Segment(SPEECH, "x"),)), Turn("A", (Segment(THOUGHT, "x"), Segment(SPEECH, "y")))
    silent = Turn("A", (Segment(PLAN, "x"),))
    assert checks.longest_run([said, said, silent, said, thought]) == 3
    assert checks.longest_run([]) == 0 == checks.longest_run([silent])
    assert checks.layouts([said, thought, thought]).longest_run == 2
