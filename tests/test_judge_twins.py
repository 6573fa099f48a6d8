"""Context twins: the same two candidates in a scene in which the edit does no harm, and in no other way changed."""

from __future__ import annotations

import pytest

from her.checks import sentences
from her.judge.breakers.place import Excuse
from her.judge.pairs import Pair, Setting
from her.judge.twins import FAMILIES_WITHOUT, excused, twin
from her.judge.verdict import Winner
from her.rows.record import Piece, TurnRow
from her.scene import Character, Scene
from her.turn import Kind
from places import pairs

PAIRS = pairs()
BY_ID = {pair.id: pair for pair in PAIRS}
TWINS = [pair for pair in PAIRS if pair.kind == "twin"]


def setting() -> Setting:
    cast = (Character(name="Ann", profile="A cook."), Character(name="Bob", profile="A clerk."))
    scene = Scene(id="s", title="S", setting="Forty barrels stand here.", cast=cast)
    said = TurnRow(
        id="t1",
        speaker="Bob",
        segments=(
            Piece(kind=Kind.SPEECH, text="Forty barrels."),
            Piece(kind=Kind.ROLE_THINKING, text="Forty barrels!"),
        ),
    )
    return Setting(scene=scene, speaker="Ann", turns=(said,))


def broken(at: Setting) -> Pair:
    return Pair(id="p", at=at, first="Ann: Yes.", second="Ann: No.", better=Winner.FIRST, kind="broken", family="x")


class TestExcused:
    def test_nothing_is_changed_by_an_empty_excuse(self) -> None:
        assert excused(setting(), Excuse()) == setting()
        assert twin(broken(setting()), Excuse()) is None

    def test_a_sentence_for_the_setting(self) -> None:
        at = excused(setting(), Excuse(setting="All are players."))
        assert at.scene.setting == "Forty barrels stand here. All are players."
        assert at.turns == setting().turns
        assert at.scene.cast == setting().scene.cast

    def test_a_sentence_for_the_one_who_speaks_alone(self) -> None:
        at = excused(setting(), Excuse(profile="Never answers."))
        assert [one.profile for one in at.scene.cast] == ["A cook. Never answers.", "A clerk."]

    def test_chinese_sentences_stand_side_by_side(self) -> None:
        one = setting()
        zh = one.model_copy(update={"scene": one.scene.model_copy(update={"language": "zh", "setting": "夜。"})})
        assert excused(zh, Excuse(setting="众人都在排戏。")).scene.setting == "夜。众人都在排戏。"

    def test_somebody_asks_for_it_in_a_turn_of_its_own(self) -> None:
        at = excused(setting(), Excuse(by="Bob", said="Say it again."))
        assert len(at.turns) == 2
        assert at.turns[-1].speaker == "Bob"
        assert at.turns[-1].turn.text_of(Kind.SPEECH) == "Say it again."
        again = excused(at, Excuse(by="Bob", said="Once more."))
        assert len({turn.id for turn in again.turns}) == 3

    def test_a_fact_is_changed_wherever_all_know_it_and_in_no_thought(self) -> None:
        at = excused(setting(), Excuse(changed=(("Forty", "Sixty"),)))
        assert at.scene.setting == "Sixty barrels stand here."
        assert at.turns[0].segments[0].text == "Sixty barrels."
        assert at.turns[0].segments[1].text == "Forty barrels!"


class TestTwin:
    def test_it_is_a_tie_or_turned_round(self) -> None:
        tie = twin(broken(setting()), Excuse(setting="So be it."))
        turned = twin(broken(setting()), Excuse(changed=(("Forty", "Six"),), reversed=True))
        assert tie is not None
        assert tie.better is Winner.TIE
        assert turned is not None
        assert turned.better is Winner.SECOND

    def test_a_pair_without_an_answer_has_none(self) -> None:
        pair = broken(setting()).model_copy(update={"better": None})
        assert twin(pair, Excuse(setting="So be it.")) is None


class TestMade:
    def test_the_candidates_stand_as_they_stood(self) -> None:
        for one in TWINS:
            other = BY_ID[one.twin_of]
            assert (one.family, one.principle, one.grade, one.template) == (
                other.family,
                other.principle,
                other.grade,
                other.template,
            )
            if one.at.scene.id == other.at.scene.id:
                assert (one.first, one.second, one.base, one.book) == (
                    other.first,
                    other.second,
                    other.base,
                    other.book,
                )
                assert one.at != other.at
            else:
                assert one.family == "anachronism"

    def test_every_family_has_some_but_those_that_have_none_to_have(self) -> None:
        families = {pair.family for pair in PAIRS if pair.kind == "broken"}
        assert {one.family for one in TWINS} == families - set(FAMILIES_WITHOUT)

    @pytest.mark.parametrize("family", ["repetition", "outside-knowledge", "contradicts-scene"])
    def test_where_the_scene_asks_for_the_edit_the_answer_is_turned_round(self, family: str) -> None:
        found = [one for one in TWINS if one.family == family and one.better is not Winner.TIE]
        assert found
        assert all(one.better is BY_ID[one.twin_of].better.other for one in found)  # type: ignore[union-attr]

    def test_what_was_only_thought_is_said_in_the_twin(self) -> None:
        found = 0
        for one in TWINS:
            if one.family == "outside-knowledge" and one.better is not Winner.TIE:
                found += 1
                edited = one.first if one.better is Winner.FIRST else one.second
                said, before = (
                    {text for t in at.turns for text in sentences(t.turn.text_of(Kind.SPEECH))}
                    for at in (one.at, BY_ID[one.twin_of].at)
                )
                assert said - before
                assert all(text in edited for text in said - before)
        assert found

    def test_a_later_thing_is_at_home_in_a_later_world(self) -> None:
        found = [one for one in TWINS if one.family == "anachronism"]
        assert {one.book for one in found} == {"lot-forty-one"}
        assert all(one.better is Winner.TIE for one in found)
