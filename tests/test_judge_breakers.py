"""Breakers: each breaks its own principle, where it can be broken, and leaves the rest of the turn alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.checks import own_copy, units
from her.judge.breakers import FAMILIES
from her.judge.breakers.answers import borrowed_diction, ignores, repetition
from her.judge.breakers.cuts import SMALL, inside, put, sentences_of, swapped, worked_in
from her.judge.breakers.facts import counted, facts, other_number, stated
from her.judge.breakers.layers import GRADES, LAYERS, aim, plan_leak, wrong_person
from her.judge.breakers.marks import broken_marks
from her.judge.breakers.minds import mind_reading, outside_knowledge, speaks_for_others
from her.judge.breakers.persons import doer_first, done_by_me, in_third_person
from her.judge.breakers.phrases import eras, fields, lines, pick, wordings
from her.judge.breakers.place import Broken, Place, visible_size
from her.judge.breakers.voices import EMPTY, GROWN, assistant_voice, empty_eloquence, padding
from her.judge.breakers.world import anachronism, at_home, contradicts, items, year_of
from her.judge.case import Case
from her.judge.principles import of
from her.markup import parse
from her.turn import Ending, FaultKind, Kind, Segment, Turn
from places import place, places

PLACES = places()
SEEDS = range(3)
LANGUAGES = ("en", "zh", "de", "fr")


def made(family: str, *, seeds: range = SEEDS) -> Iterator[tuple[Place, int, Broken]]:
    """Everything that a family makes of the scenes."""
    for at in PLACES:
        for grade in (1, 2, 3):
            for seed in seeds:
                broken = FAMILIES[family](at, grade, Random(f"{seed}/{at.id}/{grade}"))
                if broken is not None:
                    yield at, grade, broken


def read(at: Place, text: str) -> Turn:
    return Case("", at.scene, at.speaker, at.turns, text, text).read(text).turn


def with_turn(at: Place, *segments: tuple[Kind, str]) -> Place:
    return replace(at, turn=Turn(at.speaker, tuple(Segment(*one) for one in segments)))


class TestEveryFamily:
    def test_is_a_negative_principle_of_the_list(self) -> None:
        assert len(FAMILIES) >= 14
        assert all(of(name).negative for name in FAMILIES)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_breaks_in_every_grade_and_in_english_and_chinese(self, family: str) -> None:
        found = {(at.language, grade) for at, grade, _ in made(family)}
        wanted = {("en", grade) for grade in (1, 2, 3)}
        assert wanted <= found
        assert {language for language, _ in found} >= {"en", "zh"}

    @pytest.mark.parametrize("family", FAMILIES)
    def test_what_a_judge_is_shown_differs_and_is_whole(self, family: str) -> None:
        for at, grade, broken in made(family):
            case = Case("", at.scene, at.speaker, at.turns, broken.good or at.text, broken.bad)
            assert case.shown(case.first) != case.shown(case.second), (at.id, grade, broken.template)
            assert broken.bad.startswith(f"{at.speaker}: ")
            if family != "broken-marks":
                for text in (case.first, case.second):
                    parsed = case.read(text)
                    assert parsed.ending is Ending.COMPLETE, text
                    assert FaultKind.SECOND_SPEAKER not in {fault.kind for fault in parsed.faults}

    @pytest.mark.parametrize("family", FAMILIES)
    def test_is_the_same_for_the_same_state(self, family: str) -> None:
        at = place("port", 3)
        assert FAMILIES[family](at, 2, Random(5)) == FAMILIES[family](at, 2, Random(5))

    @pytest.mark.parametrize("family", FAMILIES)
    def test_has_several_wordings_or_ways_in_each_place(self, family: str) -> None:
        templates = {broken.template for _, _, broken in made(family, seeds=range(6)) if broken}
        assert len(templates) >= (4 if family in {"wrong-person", "ignores-what-was-said", "borrowed-diction"} else 8)

    @pytest.mark.parametrize(
        "family", ["plan-leak", "mind-reading", "outside-knowledge", "anachronism", "contradicts-scene"]
    )
    def test_leaves_the_other_sentences_word_for_word(self, family: str) -> None:
        for at, _, broken in made(family):
            good = {one.text for one in sentences_of(read(at, broken.good or at.text))}
            bad = [one.text for one in sentences_of(read(at, broken.bad))]
            new = [text for text in bad if text not in good]
            lost = [text for text in good if text not in bad]
            # What is put in has up to four sentences; of what was there at most one gives way, or one deed grows.
            assert len(new) <= 4, new
            assert len(lost) <= (4 if broken.good else 1), lost

    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_language_without_wordings_is_left_alone_or_broken_without_words(self, family: str) -> None:
        at = place("port", 4)
        strange = replace(at, scene=at.scene.model_copy(update={"language": "sw"}))
        free = {"wrong-person", "repetition", "ignores-what-was-said", "broken-marks", "speaks-for-others"}
        free |= {"borrowed-diction"}
        found = [FAMILIES[family](strange, grade, Random(1)) for grade in (1, 2, 3)]
        assert family in free or found == [None, None, None]


class TestPlanLeak:
    def test_most_name_the_character_and_the_clear_ones_its_aim(self) -> None:
        found = [(at, grade, broken.words) for at, grade, broken in made("plan-leak")]
        assert sum(at.speaker in words for at, _, words in found) > 0.7 * len(found)
        aims = [(aim(at, at.speaker) or "?") in words for at, grade, words in found if grade == 2]
        assert sum(aims) > 0.2 * len(aims)

    def test_the_gross_one_is_said_aloud_or_fills_a_thought(self) -> None:
        for at, grade, broken in made("plan-leak"):
            added = read(at, broken.bad).text_of(Kind.SPEECH)
            if grade == 3 and "speech" in broken.template:
                assert broken.words in added
            if grade == 1:
                assert broken.words not in added

    @pytest.mark.parametrize(
        ("motivation", "language", "wanted"),
        [
            ("To keep the child asleep.", "en", "to keep the child asleep"),
            ("To hide it. To be loved.", "en", None),
            ("Wants to be left alone.", "en", None),
            ("", "en", None),
            (f"To {'go on ' * 12}here, and to be seen, and to win.", "en", f"to {'go on ' * 12}here"),
            ("保住他的脑袋，也不让人知道。", "zh", "保住他的脑袋"),
            ("Savoir qui est cet homme.", "fr", "savoir qui est cet homme"),
            ("Das Buch verstecken.", "de", "das Buch verstecken"),
            ("Rita überreden.", "de", None),
        ],
    )
    def test_an_aim_is_taken_as_it_stands(self, motivation: str, language: str, wanted: str | None) -> None:
        at = place("port", 4)
        cast = tuple(one.model_copy(update={"motivation": motivation}) for one in at.scene.cast)
        scene = at.scene.model_copy(update={"cast": cast, "language": language})
        assert aim(replace(at, scene=scene), at.speaker) == wanted


class TestWrongPerson:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("I have sat with him since noon.", "Ann has sat with him since noon."),
            ("I don't know, and I'd know that step.", "Ann doesn't know, and she would know that step."),
            ("My hands shook. I was afraid, I had been told.", "Her hands shook. Ann was afraid, she had been told."),
            ("What do I want? I want it.", "What does Ann want? She wants it."),
            ("Let it pass me by, I said to myself.", "Let it pass her by, Ann said to herself."),
            ("I try. I go. I watch.", "Ann tries. She goes. She watches."),
            ("I'd better go.", "Ann had better go."),
            ("I come and go as I please.", None),
            ("We are late, and I know it.", None),
            ("Nobody is late.", None),
            ('I heard "I am here".', None),
            ("I-beams hold.", None),
        ],
    )
    def test_a_sentence_in_the_third_person_or_none(self, text: str, wanted: str | None) -> None:
        assert in_third_person(text, "Ann", "she", "en") == wanted

    def test_in_chinese_the_name_comes_first_and_then_the_pronoun(self) -> None:
        assert in_third_person("我怕我忘了，我们走。", "小满", "he", "zh") == "小满怕他忘了，我们走。"
        assert in_third_person("他自我安慰。", "小满", "he", "zh") is None

    def test_other_languages_are_left_alone(self) -> None:
        assert in_third_person("Ich gehe.", "Ann", "she", "de") is None
        assert done_by_me("pose le livre", "fr") is None

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("warms both hands at the fire", "I warm both hands at the fire"),
            ("crosses the yard", "I cross the yard"),
            ("hurries to the door", "I hurry to the door"),
            ("goes to the window", "I go to the window"),
            ("takes his hat", None),
            ("stops, and turns", None),
            ("sits and waits", None),
            ("across the yard", None),
            ("nods", None),
        ],
    )
    def test_a_deed_told_by_i_or_none(self, text: str, wanted: str | None) -> None:
        assert done_by_me(text, "en") == wanted

    def test_a_deed_told_with_the_name(self) -> None:
        assert doer_first("nods", "Ann", "en") == "Ann nods"
        assert doer_first("点头", "小满", "zh") == "小满点头"

    def test_the_grades_are_layers(self) -> None:
        for at, grade, broken in made("wrong-person"):
            good, bad = at.turn, read(at, broken.bad)
            changed = {a.kind for a, b in zip(good.segments, bad.segments, strict=True) if a != b}
            if grade == 1:
                assert changed == {Kind.ROLE_ACTION}
                assert at.speaker in bad.text_of(Kind.ROLE_ACTION)
            assert len(changed) == 2 or broken.template != "told-thought-named-deed"

    def test_a_character_of_whom_nothing_tells_the_pronoun_has_its_thoughts_left(self) -> None:
        at = place("port", 4)
        cast = tuple(
            one.model_copy(update={"profile": "A child.", "background": "", "motivation": ""}) for one in at.scene.cast
        )
        nobody = replace(at, scene=at.scene.model_copy(update={"cast": cast}))
        assert nobody.pronoun(at.speaker) is None
        assert at.pronoun(at.speaker) == "she"
        found = [wrong_person(nobody, 3, Random(seed)) for seed in SEEDS]
        assert found == [None, None, None]


class TestOtherMinds:
    def test_nobody_is_there_whose_mind_could_be_read(self) -> None:
        at = replace(place("port", 0), ahead=())
        assert at.others == ()
        for grade in (1, 2, 3):
            assert mind_reading(at, grade, Random(grade)) is None
            assert speaks_for_others(at, grade, Random(grade)) is None

    def test_another_is_named_and_the_guess_is_on_the_good_side_alone(self) -> None:
        guesses = 0
        for at, _, broken in made("mind-reading"):
            names = {name for one in at.others for name in (one, at.called(one))}
            assert any(name in broken.words for name in names), broken.words
            if "guess" in broken.template:
                guesses += 1
                assert broken.good
                assert broken.bad != broken.good
                longer = len(units(broken.good)) - len(units(broken.bad))
                assert 0 < longer <= 8
        assert guesses

    def test_what_is_quoted_was_said_on_one_side_and_not_yet_or_only_thought_on_the_other(self) -> None:
        found = 0
        for at, grade, broken in made("outside-knowledge"):
            if "quoted" not in broken.template:
                continue
            found += 1
            assert broken.excuse is not None
            for said, thought in broken.excuse.changed:
                assert said in at.public
                assert thought not in at.public
                assert said in broken.good
                assert thought in broken.bad
                later = "-later" in broken.template
                held = at.ahead if later else at.turns
                kind = Kind.SPEECH if later else Kind.ROLE_THINKING
                owners = {turn.speaker for turn in held if thought in turn.text_of(kind)}
                assert owners
                assert at.speaker not in owners
            assert len(broken.excuse.changed) == (2 if grade == 3 else 1)
        assert found > 10

    def test_a_secret_is_another_s_and_tells_nothing_of_the_speaker(self) -> None:
        at = replace(place("port", 1), turns=place("port", 1).turns[:0])
        at = replace(at, ahead=place("port", 1).ahead)
        told = [one for seed in range(60) if (one := outside_knowledge(at, 3, Random(seed)))]
        assert told
        hidden = [text for c in at.scene.cast if c.name != at.speaker for text in (c.background, c.motivation)]
        for one in told:
            assert any(text[3:24] in one.words for text in hidden), one.words

    def test_what_everyone_knows_is_no_secret(self) -> None:
        at = replace(place("port", 1), turns=())
        open_ = " ".join(c.background + " " + c.motivation for c in at.scene.cast)
        scene = at.scene.model_copy(update={"setting": f"{at.scene.setting} {open_}"})
        assert all(outside_knowledge(replace(at, scene=scene), 3, Random(seed)) is None for seed in range(40))

    def test_what_was_whispered_to_others_is_not_quoted(self) -> None:
        at = place("port", 4)
        private = tuple(replace(turn, heard_by=frozenset({"Mr. Doyle"})) for turn in at.turns)
        assert outside_knowledge(replace(at, turns=private), 1, Random(1)) is None

    def test_another_s_line_is_what_comes_next_where_that_is_known(self) -> None:
        at = place("port", 3)
        line = at.ahead[0].text_of(Kind.SPEECH).replace("\n", " ")
        bad = speaks_for_others(at, 2, Random(0))
        assert bad is not None
        assert line.rstrip(".?") in bad.bad
        assert line not in at.text

    def test_in_the_gross_grade_the_exchange_goes_on(self) -> None:
        for at, grade, broken in made("speaks-for-others"):
            if grade == 3:
                assert visible_size(read(at, broken.bad)) > visible_size(at.turn) + 8
                assert any(name in broken.bad for name in at.scene.names if name != at.speaker)


class TestRepetition:
    def test_nothing_was_said_before(self) -> None:
        assert repetition(place("port", 0), 3, Random(1)) is None

    def test_own_words_come_again(self) -> None:
        for at, grade, broken in made("repetition"):
            turn = read(at, broken.bad)
            before = own_copy(at.turn, at.turns, tuple(Kind)) or 0
            assert (own_copy(turn, at.turns, tuple(Kind)) or 0) > before, (at.id, grade, broken.template)

    def test_the_grades_are_more_and_more_recent(self) -> None:
        at = place("port", 8)
        latest = at.own[-1]
        gross = [one.bad for seed in range(8) if (one := repetition(at, 3, Random(seed)))]
        assert gross
        assert all(latest.segments[0].text in text for text in gross)
        clear = [one.template for seed in range(8) if (one := repetition(at, 2, Random(seed)))]
        assert all(name.endswith("2-from-1-ago") for name in clear)


class TestIgnores:
    def test_nothing_has_been_said_yet(self) -> None:
        assert all(ignores(place("port", 0), grade, Random(1)) is None for grade in (1, 2, 3))

    def test_the_turn_comes_from_the_distance_of_its_grade(self) -> None:
        for at, grade, broken in made("ignores-what-was-said"):
            segments = read(at, broken.bad).segments
            own = [turn.segments for turn in at.ahead if turn.speaker == at.speaker]
            apart = [turn.segments for turn in at.apart if turn.speaker == at.speaker]
            assert segments in {1: own[:1], 2: own[2:] + apart, 3: apart}[grade]

    def test_a_turn_that_takes_up_what_was_said_is_not_taken(self) -> None:
        at = place("port", 1)
        echo = tuple(
            replace(turn, segments=(Segment(Kind.SPEECH, "Forty barrels in the cellar, matey."),))
            if turn.speaker == at.speaker
            else turn
            for turn in (*at.ahead, *at.apart)
        )
        assert all(ignores(replace(at, ahead=echo, apart=echo), grade, Random(2)) is None for grade in (1, 2, 3))


class TestBorrowedDiction:
    def test_the_words_are_another_s_and_not_the_speaker_s(self) -> None:
        found = set()
        for at, grade, broken in made("borrowed-diction"):
            if grade == 1:
                words = broken.template.removeprefix("slight-").replace("-", " ")
                others = " ".join(s.text for name in at.others for t in at.turns_of(name) for s in t.segments)
                plain = re.sub(r"\W+", " ", others).lower()
                assert words in plain or at.language == "zh", words
                assert words not in re.sub(r"\W+", " ", at.text.partition(": ")[2]).lower()
                found.add(words)
        assert "matey" in found

    def test_the_good_side_has_a_call_of_its_own(self) -> None:
        for _, grade, broken in made("borrowed-diction"):
            if grade == 1:
                assert broken.good
                assert abs(len(units(broken.good)) - len(units(broken.bad))) <= 2

    def test_a_third_is_called_as_another_calls_them(self) -> None:
        at = place("port", 4)
        said = Turn("Mr. Doyle", (Segment(Kind.SPEECH, "Good evening, Rusk."),))
        own = Turn("Anne Hartley", (Segment(Kind.SPEECH, "You, Captain Rusk?"),))
        at = with_turn(replace(at, turns=(said, own), ahead=(), apart=()), (Kind.SPEECH, "Sit down, Captain Rusk."))
        found = [one for seed in range(9) if (one := borrowed_diction(at, 1, Random(seed)))]
        assert found
        assert all(one.bad.endswith("Sit down, Rusk.") for one in found)

    @pytest.mark.parametrize(
        ("at", "theirs", "mine", "now"),
        [
            # The same form is no manner, and one that the speaker has as well is none of the other's alone.
            (4, "Good evening, Captain Rusk.", "You, Captain Rusk?", "Sit down, Captain Rusk."),
            (3, "Good evening, Miss Hartley.", "Hartley! Hartley, or Miss Hartley.", "Sit, Hartley. Do, Miss Hartley."),
            # A longer word is no form of a name.
            (4, "Good evening, Captain.", "You, Rusk?", "The Ruskins sit down."),
        ],
    )
    def test_nobody_is_called_otherwise_without_need(self, at: int, theirs: str, mine: str, now: str) -> None:
        here = place("port", at)
        said = Turn("Mr. Doyle", (Segment(Kind.SPEECH, theirs),))
        own = Turn(here.speaker, (Segment(Kind.SPEECH, mine),))
        here = with_turn(replace(here, turns=(said, own), ahead=(), apart=()), (Kind.SPEECH, now))
        assert not [one for seed in range(9) if (one := borrowed_diction(here, 1, Random(seed)))]

    def test_one_without_a_manner_lends_none(self) -> None:
        at = with_turn(place("canteen", 1), (Kind.SPEECH, "Danke."))
        assert borrowed_diction(at, 1, Random(1)) is None

    def test_thee_is_lent_to_one_who_says_you(self) -> None:
        at = place("quay", 1)
        friend = Turn("Anne Hartley", (Segment(Kind.SPEECH, "Hast thou thy hat, and dost thee know it?"),))
        at = with_turn(replace(at, turns=(friend, friend)), (Kind.SPEECH, "You are late. I told you so, in your yard."))
        texts = {one.bad for seed in range(20) if (one := borrowed_diction(at, 2, Random(seed)))}
        assert any("Thou art late. I told thee so, in thy yard." in text for text in texts)


class TestFacts:
    @given(
        st.sampled_from(
            [
                "two",
                "twelve",
                "fourteen",
                "Thirty",
                "ninety",
                "forty-one",
                "Ninety-nine",
                "four hundred",
                "Six thousand",
            ]
        ),
        st.integers(0, 99),
    )
    def test_another_number_has_the_same_form(self, number: str, seed: int) -> None:
        other = other_number(number, Random(seed))
        assert other.lower() != number.lower()
        assert other[:1].isupper() == number[:1].isupper()
        assert ("-" in other, " " in other) == ("-" in number, " " in number)

    @given(st.text("二三四五六七八九十", min_size=1, max_size=3), st.integers(0, 99))
    def test_another_number_in_chinese(self, number: str, seed: int) -> None:
        assert other_number(number, Random(seed)) != number

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("Forty barrels stand there, and three kegs.", [("Forty", "barrels"), ("three", "kegs")]),
            ("four hundred oak drawers, each labelled", [("four hundred", "oak drawers")]),
            ("nine hundred and two milligrams", [("nine hundred", "")][:0]),
            ("She waited two hours, ten years ago.", []),
            ("one of the twelve had gone", []),
            ("Act two. Nothing counts.", []),
        ],
    )
    def test_what_is_counted(self, text: str, wanted: list[tuple[str, str]]) -> None:
        assert list(counted(text, "en")) == wanted

    def test_what_is_counted_in_chinese(self) -> None:
        assert list(counted("十九条快船靠在滩上，有一个姓何的。", "zh")) == [("十九", "条快船")]

    def test_a_fact_stands_in_the_scene_and_its_opposite_does_not(self) -> None:
        for at in PLACES:
            for fact in facts(at, Random(at.id)):
                right = {value.lower() for key, value in fact.true.items() if key in ("n", "time", "month", "trade")}
                wrong = {value.lower() for key, value in fact.false.items() if key in ("n", "month", "trade")}
                assert right.isdisjoint(wrong)
                if fact.kind in ("number", "month", "trade"):
                    assert all(value in at.public.lower() for value in right)
                    assert not any(re.search(rf"\b{value}\b", at.public.lower()) for value in wrong)

    def test_both_sides_say_the_same_of_another_fact(self) -> None:
        kinds = set()
        for at, grade, broken in made("contradicts-scene", seeds=range(6)):
            kinds.add(broken.template.partition("-")[0])
            good, bad = units(broken.good or at.text), units(broken.bad)
            changed = sum(a != b for a, b in zip(good, bad, strict=False))
            assert len(good) - len(bad) in range(-4, 5)
            assert changed
            assert broken.template.count("+") == (1 if grade == 3 else 0)
        assert {"number", "time", "weather", "place", "wrong"} <= kinds

    @pytest.mark.parametrize(
        ("setting", "told"),
        [
            ("A kitchen, late one evening.", True),
            ("A kitchen, twenty to one in the morning.", False),
            ("Noon on the line, after a morning of fog.", False),
            ("An evening; the gun is fired every evening at nine.", False),
            ("A morning and an evening.", False),
        ],
    )
    def test_an_hour_is_a_fact_where_it_is_one_and_no_other(self, setting: str, told: bool) -> None:
        at = place("quay", 0)
        found = facts(replace(at, scene=at.scene.model_copy(update={"setting": setting})), Random(1))
        assert any(fact.kind == "time" for fact in found) is told

    def test_what_is_false_here_is_true_in_another_scene(self) -> None:
        at = replace(place("port", 0), rumours={"number": ["twenty", "sixty"], "month": ["June"], "time": ["morning"]})
        false = {(f.kind, f.false.get("n", f.false.get(f.kind))) for seed in range(30) for f in facts(at, Random(seed))}
        assert {word for kind, word in false if kind == "number"} <= {"twenty", "sixty"}
        assert ("month", "June") in false
        assert ("time", "morning") in false

    def test_a_rumour_that_will_not_do_here_is_no_fact(self) -> None:
        at = replace(place("port", 4), rumours={"month": ["November"], "time": ["evening"], "place": ["kitchen"]})
        kinds = {fact.kind for seed in range(30) for fact in facts(at, Random(seed))}
        assert kinds.isdisjoint({"month", "time", "place"})

    def test_what_a_scene_states(self) -> None:
        found = set(stated(place("port", 9)))
        assert {("number", "forty"), ("time", "evening"), ("month", "November"), ("place", "kitchen")} <= found
        assert {("trade", "apothecary"), ("trade", "sailor")} <= found

    def test_a_false_trade_is_none_of_the_same_sort(self) -> None:
        groups = wordings("en")["facts"]["trades"]
        for seed in range(40):
            for fact in facts(place("port", 4), Random(seed)):
                if fact.kind == "trade":
                    true, false = fact.true["trade"], fact.false["trade"]
                    assert not any(true in group and false in group for group in groups.values())

    def test_a_scene_that_states_nothing_is_not_contradicted(self) -> None:
        at = with_turn(place("quay", 0), (Kind.SPEECH, "Ten years."))
        cast = tuple(one.model_copy(update={"profile": "Somebody."}) for one in at.scene.cast)
        bare = at.scene.model_copy(update={"setting": "Somewhere.", "cast": cast})
        found = [
            contradicts(replace(at, scene=bare, ahead=()), grade, Random(seed))
            for grade in (1, 2, 3)
            for seed in range(9)
        ]
        assert set(found) == {None}


class TestAnachronism:
    def test_a_world_of_no_known_year_is_left_alone(self) -> None:
        at = place("port", 2)
        unknown = replace(
            at, book="a-world-of-its-own", scene=at.scene.model_copy(update={"book": "A World of Its Own"})
        )
        assert year_of(at) == 1814
        assert year_of(unknown) is None
        assert anachronism(unknown, 3, Random(1)) is None
        assert year_of(place("sale", 1)) is None

    def test_the_thing_is_later_than_the_story(self) -> None:
        for at, grade, broken in made("anachronism"):
            name = broken.template.rsplit("-", 1)[0]
            item = dict(items(at.language, grade))[name]
            assert int(str(item["year"])) > (year_of(at) or 0)
            assert broken.words in broken.bad
            assert broken.words not in broken.good

    def test_it_is_at_home_in_a_later_world_alone(self) -> None:
        for _, _, broken in made("anachronism"):
            if broken.template.startswith("clear-") and not re.search(r"[一-鿿]", broken.words):
                assert at_home(place("port", 2), broken.template, Random(1)) is None
        modern = at_home(place("sale", 1), "gross-1-speech", Random(1))
        assert modern is not None
        assert "phone" in modern.bad
        assert at_home(place("sale", 1), "gross-8-speech", Random(1)) is None, "a microwave is not everywhere"


class TestMarks:
    def test_the_damage_is_seen_and_the_gross_one_is_more(self) -> None:
        names: dict[int, set[str]] = {1: set(), 2: set(), 3: set()}
        for at, grade, broken in made("broken-marks", seeds=range(8)):
            names[grade].add(broken.template)
            assert read(at, broken.bad).segments != at.turn.segments
        assert len(names[1] | names[2] | names[3]) >= 14
        assert all(names.values())

    def test_a_turn_without_marks_has_none_to_break(self) -> None:
        at = with_turn(place("port", 1), (Kind.SPEECH, "Only words."))
        assert all(broken_marks(at, grade, Random(grade)) is None for grade in (1, 2, 3))

    def test_an_unclosed_thought_takes_what_follows(self) -> None:
        at = with_turn(place("port", 1), (Kind.ROLE_THINKING, "Hush."), (Kind.SPEECH, "Come in."))
        texts = [one for seed in range(30) if (one := broken_marks(at, 3, Random(seed)))]
        unclosed = [one for one in texts if one.template == "unclosed"]
        assert unclosed
        assert parse(unclosed[0].bad, speaker=at.speaker).ending is Ending.UNCLOSED
        assert read(at, unclosed[0].bad).text_of(Kind.SPEECH) == ""


class TestVoices:
    def test_the_assistant_speaks_before_and_after(self) -> None:
        for at, grade, broken in made("assistant-voice"):
            said = [s.text for s in read(at, broken.bad).segments if s.kind is Kind.SPEECH]
            assert grade != 2 or (said[0] != said[-1] or len(said) == 1)
            assert broken.template.count("+") == (1 if grade == 2 else 0)
            assert (broken.excuse is None) == (grade == 3 or at.language in ("de", "fr"))

    def test_fine_words_take_the_place_of_as_many_sentences_as_the_grade_says(self) -> None:
        for at, grade, broken in made("empty-eloquence"):
            own = [s.text for s in sentences_of(at.turn, Kind.SPEECH, Kind.ROLE_THINKING)]
            kept = [
                s.text for s in sentences_of(read(at, broken.bad), Kind.SPEECH, Kind.ROLE_THINKING) if s.text in own
            ]
            lost = len(own) - len(kept)
            assert lost == (max(1, round(EMPTY[grade] * len(own))) if grade < 3 else lost)
            assert grade < 3 or len(kept) <= 1

    def test_padding_grows_as_its_grade_says_and_keeps_every_sentence(self) -> None:
        for at, grade, broken in made("padding"):
            turn = read(at, broken.bad)
            grown = visible_size(turn) / visible_size(at.turn)
            assert 0.85 * GROWN[grade] <= grown <= 1.21 * GROWN[grade]
            flat = " ".join(s.text for s in turn.segments)
            assert all(one.text in flat for one in sentences_of(at.turn))

    @given(st.sampled_from(sorted(SMALL)))
    def test_a_small_word_is_small_inside_a_sentence(self, word: str) -> None:
        assert inside(f"{word.capitalize()} x", "en") == (f"{word.lower()} x" if word != "i" else f"{word} x")

    def test_names_and_unknown_words_keep_their_capital_or_are_not_used(self) -> None:
        assert inside("Ann is late", "en", {"Ann"}) == "Ann is late"
        assert inside("I'd go", "en") == "I'd go"
        assert inside("Counted twice", "en") is None
        assert inside("Der Mann", "de") == "Der Mann"


class TestCuts:
    def test_words_are_never_put_inside_a_sentence(self) -> None:
        turn = Turn(
            "A",
            (
                Segment(Kind.SPEECH, "You were,"),
                Segment(Kind.ROLE_THINKING, "Say it."),
                Segment(Kind.SPEECH, "you were late. Go."),
            ),
        )
        for seed in range(40):
            for kind in (Kind.SPEECH, Kind.ROLE_THINKING, Kind.ROLE_ACTION):
                added = put(turn, kind, "New words." if kind is not Kind.ROLE_ACTION else "waits", Random(seed))
                said = " ".join(s.text for s in added.segments if s.kind is Kind.SPEECH)
                assert "You were, you were late." in said
                kinds = [s.kind for s in added.segments]
                assert all(a is not b for a, b in pairwise(kinds))

    @given(st.integers(0, 500))
    def test_taking_the_words_out_gives_the_turn_again(self, seed: int) -> None:
        at = PLACES[seed % len(PLACES)]
        added = put(at.turn, Kind.SPEECH, "Zzyzx quux.", Random(seed), at.language)
        one = next(s for s in sentences_of(added, Kind.SPEECH) if "Zzyzx" in s.text)
        out = swapped(added, one, one.text.replace("Zzyzx quux.", "").strip())
        before = [s.text.replace(" ", "") for s in at.turn.segments]
        assert [s.text.replace(" ", "") for s in out.segments] == before

    def test_a_sentence_gives_way_as_often_as_not(self) -> None:
        at = place("port", 0)
        sizes = {visible_size(worked_in(at.turn, Kind.SPEECH, "Nobody came at all.", Random(n))) for n in range(30)}
        assert any(size <= visible_size(at.turn) for size in sizes)
        assert any(size > visible_size(at.turn) for size in sizes)


class TestWordings:
    GAPS = frozenset(
        {"name", "other", "called", "aim", "said", "Said", "quote", "quote_on", "secret", "n", "N", "x"}
    ) | {f"{article}{kind}" for kind in ("time", "weather", "month", "place", "trade") for article in ("", "a_")}

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_gap_can_be_filled(self, language: str) -> None:
        for family, keys in wordings(language).items():
            for key, held in keys.items():
                for line in held if isinstance(held, list) else ():
                    if isinstance(line, str) and family != "neutral":
                        assert fields(line) <= self.GAPS, (family, key, line)

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_every_family_has_eight_wordings_and_more(self, language: str) -> None:
        for family, keys in wordings(language).items():
            for key, held in keys.items():
                if isinstance(held, list) and family not in ("excuses", "facts") and key != "one-way":
                    assert len(held) >= 8, (family, key)
                    assert len({str(one) for one in held}) == len(held)

    @pytest.mark.parametrize("language", ["de", "fr"])
    def test_the_other_languages_have_eight_of_each_family_that_they_break(self, language: str) -> None:
        for family in set(wordings(language)) - {"excuses", "facts", "neutral"}:
            held = [line for key in wordings(language)[family].values() for line in key]
            assert len(held) >= 8, family

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_sentences_end_and_deeds_do_not(self, language: str) -> None:
        for family, keys in wordings(language).items():
            for key, held in keys.items():
                if isinstance(held, list) and family not in ("facts", "neutral", "anachronism", "borrowed-diction"):
                    deed = key.endswith(("action", "deed"))
                    for line in held:
                        ends = re.search(r"[.!?:。！？：）)]$|\{(?:quote|secret|said)\}$", line)
                        assert bool(ends) != deed or "{quote}" in line, (family, key, line)
                        assert not deed or language in ("de", "zh") or line[0].islower() or line.startswith("{")

    def test_a_wording_that_wants_what_is_not_there_is_not_taken(self) -> None:
        found = {
            pick("en", "plan-leak", "clear-thought", Random(n), {"name": "Ann", "other": "Bob"}) for n in range(60)
        }
        assert found
        assert not any(one and "{" in one[1] for one in found)
        assert pick("en", "plan-leak", "clear-thought", Random(1), {}) is None
        assert pick("xx", "plan-leak", "clear-thought", Random(1), {"name": "Ann"}) is None

    def test_the_lists_of_the_package_can_be_read(self) -> None:
        folder = files("her.judge.breakers").joinpath("wordings")
        for file in folder.iterdir():
            assert tomllib.loads(file.read_text("utf-8")), file.name
        assert set(eras()) & set(eras("modern")) == set()
        assert lines("en", "nothing", "here") == ()
        assert set(GRADES) == {1, 2, 3}
        assert set(LAYERS.values()) == {Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH}


class TestPlaces:
    def test_people_are_called_as_the_speaker_calls_them(self) -> None:
        at = place("port", 4)
        assert at.called("Captain Rusk") == "Captain" or at.called("Captain Rusk") == "Captain Rusk"
        assert place("port", 2).called("Anne Hartley") == "Anne Hartley"

    def test_the_latest_to_speak_comes_first(self) -> None:
        assert place("port", 4).others == ("Captain Rusk", "Mr. Doyle")
        assert place("port", 0).others[0] == "Anne Hartley"

    def test_what_was_not_heard_is_not_known(self) -> None:
        at = place("port", 4)
        whispered = replace(at.turns[-1], heard_by=frozenset({"Mr. Doyle"}))
        at = replace(at, turns=(*at.turns[:-1], whispered))
        assert at.last is not None
        assert at.last.speaker == "Mr. Doyle"
        assert whispered.text_of(Kind.SPEECH) not in at.public


def test_long_and_strange_turns_break_in_no_other_way() -> None:
    odd = ["", "…", "?!", "a" * 20_000, "שלום, מה שלומך?", "«»", "{name} %s", "<b>bold</b>", "\u200f\u202e"]
    for text in odd:
        at = with_turn(place("port", 4), (Kind.SPEECH, text), (Kind.ROLE_THINKING, text or "."))
        for family, breaker in FAMILIES.items():
            for grade in (1, 2, 3):
                found = breaker(at, grade, Random(grade))
                assert found is None or found.bad.startswith(at.speaker), family


def test_the_functions_of_the_families_are_the_ones_in_the_table() -> None:
    assert FAMILIES["plan-leak"] is plan_leak
    assert FAMILIES["assistant-voice"] is assistant_voice
    assert FAMILIES["empty-eloquence"] is empty_eloquence
    assert FAMILIES["padding"] is padding
