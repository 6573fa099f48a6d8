"""Who believes what: the oracle's rule, tales made for it, and every answer of Hi-ToM held against it."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

import minds_sets
from her.bench.figures import Unscored, Why
from her.bench.minds.answers import LETTERS, Style
from her.bench.minds.cases import graded
from her.bench.oracle.hitom import Asked, disagreements, events_of, questions
from her.bench.oracle.tale import Recipe, case, count, figures, tale
from her.bench.oracle.wording import wording
from her.bench.oracle.world import Aside, Claim, Enter, Leave, Move, Reading, Stand, World
from her.errors import InputError

ALL = ("Ann", "Bo", "Cy")
BEGIN = (Enter(ALL, "attic"), Stand("coin", "jar", "attic"))
LEFT = (*BEGIN, Leave("Ann", "attic"), Move("Bo", "coin", "tin"), Leave("Bo", "attic"), Leave("Cy", "attic"))
"""Ann left first, then Bo, then Cy; Bo moved the coin when Ann was gone."""


def where(events: tuple[object, ...], *minds: str, reading: Reading = Reading.OURS) -> str | None:
    return World(events).belief(minds, "coin", reading)  # type: ignore[arg-type]


@pytest.mark.parametrize("reading", Reading)
def test_who_left_still_believes_what_was_there_and_the_others_know_it(reading: Reading) -> None:
    assert [where(LEFT, *minds, reading=reading) for minds in ((), ("Bo",), ("Bo", "Cy"), ("Cy", "Bo", "Cy"))] == [
        "tin"
    ] * 4
    assert [where(LEFT, *minds, reading=reading) for minds in (("Ann",), ("Bo", "Ann"), ("Ann", "Bo"), ALL)] == [
        "jar"
    ] * 4


def test_who_never_was_there_has_no_idea_and_nobody_else_does_about_them() -> None:
    assert where(LEFT, "Dee") is where(LEFT, "Ann", "Dee") is where((), "Ann") is None


def test_one_knows_what_one_thinks() -> None:
    assert where(LEFT, "Bo", "Bo", "Ann", "Ann") == where(LEFT, "Bo", "Ann")


def test_who_comes_back_sees_and_who_is_away_does_not_know_that() -> None:
    back = (*LEFT, Enter(("Ann",), "attic"))
    assert where(back, "Ann") == "tin"
    assert where(back, "Bo", "Ann") == "jar"
    both = (*LEFT, Enter(("Ann", "Bo"), "attic"))
    assert where(both, "Bo", "Ann") == "tin"
    assert where(both, "Bo", "Ann", reading=Reading.HITOM) == "jar"


def test_a_claim_is_believed_by_who_left_before_the_speaker_and_by_nobody_else() -> None:
    told = (*LEFT, Claim("Bo", None, "coin", "urn"))
    assert [where(told, one) for one in ALL] == ["urn", "tin", "tin"]
    assert where(told, "Cy", "Ann") == where(told, "Ann", "Bo") == where(told, "Bo", "Ann") == "urn"
    assert where(told, "Cy", "Bo") == where(told, "Bo", "Cy") == "tin"


def test_who_is_still_there_is_believed_and_who_never_was_believes_anybody_who_was() -> None:
    still = (*BEGIN, Leave("Ann", "attic"), Claim("Cy", None, "coin", "urn"))
    assert where(still, "Ann") == "urn"
    assert where(still, "Bo") == "jar"
    assert where((*still, Claim("Ann", "Dee", "coin", "hat")), "Dee") == "hat"


def test_what_is_told_in_private_changes_nothing_for_a_third() -> None:
    told = (*LEFT, Claim("Cy", "Ann", "coin", "urn"))
    assert [where(told, *minds) for minds in (("Ann",), ("Cy", "Ann"), ("Ann", "Cy"))] == ["urn"] * 3
    assert [where(told, *minds) for minds in (("Bo",), ("Bo", "Ann"), ("Ann", "Bo"))] == ["tin", "jar", "jar"]


def test_in_the_reading_of_hitom_a_speaker_thinks_the_listener_convinced_and_third_persons_think_nothing() -> None:
    told = (*LEFT, Claim("Ann", None, "coin", "urn"))
    assert where(told, "Bo", reading=Reading.HITOM) == "tin"
    assert where(told, "Ann", "Bo", reading=Reading.HITOM) == "urn"
    late = (*LEFT, Claim("Cy", None, "coin", "urn"))
    assert where(late, "Bo", "Ann", reading=Reading.HITOM) == "jar"
    assert where(late, "Bo", "Ann") == "urn"


def test_asides_and_other_things_move_no_mind() -> None:
    more = (*LEFT, Aside("Ann", "hums"), Stand("ring", "urn", "attic"), Claim("Cy", None, "ring", "hat"))
    assert [where(more, one) for one in ALL] == [where(LEFT, one) for one in ALL]


RECIPES = st.builds(
    Recipe,
    orders=st.integers(0, 7),
    chapters=st.integers(1, 3),
    lies=st.booleans(),
    people=st.integers(2, 8),
    language=st.sampled_from(["en", "zh"]),
)


@given(RECIPES, st.integers(0, 9), st.integers(0, 500))
def test_every_tale_has_an_answer_of_each_order_among_options_that_differ(
    recipe: Recipe, seed: int, number: int
) -> None:
    made = tale(recipe, seed, number)
    assert made == tale(recipe, seed, number)
    assert [len(chain) for chain in made.chains] == list(range(recipe.orders + 1))
    assert len(set(made.places)) == len(made.places) == 15
    questions = case(made).questions
    world = World(made.events)
    for chain, question in zip(made.chains, questions, strict=True):
        assert all(one != other for one, other in itertools.pairwise(chain))
        assert made.places[LETTERS.index(question.right[0])] == world.belief(chain, made.thing)
    assert questions[0].right[0] == LETTERS[made.places.index(world.truth(made.thing) or "")]


@given(RECIPES, st.integers(0, 500))
def test_an_answer_follows_from_who_left_when_and_not_from_names(recipe: Recipe, number: int) -> None:
    made = tale(recipe, 0, number)
    words = wording(recipe.language)
    renamed = dict(zip(words.people, reversed(words.people), strict=True))

    def other(event: object) -> object:
        match event:
            case Enter(who, room):
                return Enter(tuple(renamed[one] for one in who), room)
            case Leave(who, room):
                return Leave(renamed[who], room)
            case Move(who, thing, place):
                return Move(renamed[who], thing, place)
            case Claim(who, to, thing, place):
                return Claim(renamed[who], to and renamed[to], thing, place)
        return event

    world = World([other(event) for event in made.events])  # type: ignore[misc]
    answers = [world.belief([renamed[one] for one in chain], made.thing) for chain in made.chains]
    assert answers == made.answers()


def test_tales_deceive_and_their_answers_differ_by_order() -> None:
    tales = [tale(Recipe(lies=True), 0, number) for number in range(100)]
    answers = [made.answers() for made in tales]
    assert sum(len(set(found)) > 1 for found in answers) > 70
    claims = [event for made in tales for event in made.events if isinstance(event, Claim)]
    assert {claim.to is None for claim in claims} == {True, False}
    silent = [tale(Recipe(lies=False), 0, number) for number in range(20)]
    assert not [event for made in silent for event in made.events if isinstance(event, Claim)]
    letters = Counter(question.right[0] for made in tales for question in case(made).questions)
    assert max(letters.values()) < 3 * 500 / 15


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_story_tells_every_event_and_asks_in_its_language(language: str) -> None:
    made = tale(Recipe(language=language, orders=3), 2, 5)
    words = wording(language)
    text = case(made).questions[3].text
    assert all(words.told(event) in text for event in made.events)
    assert all(text.count(one) for one in (*made.chains[3], made.thing, *made.places))
    assert words.question(made.chains[3], made.thing) in text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"orders": -1}, "orders is -1; give 0 or more"),
        ({"chapters": 0}, "chapters is 0; give 1 to"),
        ({"people": 1}, "people is 1; give 2 to 12"),
        ({"people": 40}, "people is 40"),
        ({"language": "fr"}, "language 'fr' is not known here; known are en, zh"),
    ],
)
def test_a_recipe_from_which_nothing_can_be_made_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_a_tale_counts_jointly_and_no_order_is_made_up() -> None:
    made = case(tale(Recipe(orders=2), 0, 1))
    replies = [f"<answer>{one.right[0]}</answer>" for one in made.questions]
    values = count([graded(one, reply, Style.ANSWER) for one, reply in zip(made.questions, replies, strict=True)])
    assert list(values) == [figure.name for figure in figures(2)]
    assert (values["accuracy"], values["joint"], values["order-2"]) == (1.0, 1.0, 1.0)
    lost = count([graded(one, "Well", Style.ANSWER) for one in made.questions])
    assert isinstance(lost["joint"], Unscored)
    assert lost["joint"].why is Why.FORMAT


# Hi-ToM.


def test_stories_of_the_schema_of_hitom_are_answered_as_their_rows_say(tmp_path: Path) -> None:
    asked = questions(minds_sets.hitom(tmp_path))
    assert len(asked) == 10
    assert [one.id for one in disagreements(asked)] == []


def test_a_line_that_is_none_of_hitoms_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match=r"'Pim ate the plum.' is no line of Hi-ToM"):
        events_of(["Pim ate the plum."])


OTHERS_PLACE = {241, 261, 281, 285, 857, 881}
"""Questions to which Hi-ToM answers with a place of another thing, from another chapter of the story."""
LONGEST_AWAY = {292, 296, 742, 762, 774, 782, 794, 861}
"""Questions to which it answers with what the one saw last who has been away longest, though others had left before."""


@pytest.fixture(scope="module")
def published(her_data: Path) -> list[Asked]:
    return questions(her_data / "hitom" / "Hi-ToM_data.json")


def test_the_oracle_agrees_with_hitom_but_for_fourteen_answers_of_two_kinds(published: list[Asked]) -> None:
    assert len(published) == 600
    found = disagreements(published)
    assert {one.id for one in found} == OTHERS_PLACE | LONGEST_AWAY
    assert {len(one.minds) for one in found} == {2, 3, 4}
    for one in found:
        assert (one.answer in anothers(one), one.answer == last_seen(one)) in (
            {(True, False)} if one.id in OTHERS_PLACE else {(False, True), (True, True)}
        )


def anothers(one: Asked) -> set[str]:
    """Places in which another thing stood."""
    return {event.place for event in one.events if isinstance(event, Stand | Move) and event.thing != one.thing}


def last_seen(one: Asked) -> str | None:
    """Where the thing was when the one of the minds left its room who did not come back for longest."""
    room = next(event.room for event in one.events if isinstance(event, Stand) and event.thing == one.thing)
    left = {event.who: at for at, event in enumerate(one.events) if isinstance(event, Leave) and event.room == room}
    return World(one.events[: min(left[mind] for mind in one.minds)]).truth(one.thing)


def test_all_questions_about_the_truth_and_about_one_mind_agree_in_both_readings(published: list[Asked]) -> None:
    for reading in Reading:
        assert {len(one.minds) for one in disagreements(published, reading)} == {2, 3, 4}
    assert len(disagreements(published, Reading.OURS)) == 51
