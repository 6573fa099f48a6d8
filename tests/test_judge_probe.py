"""The probe: what the text alone tells is found, what it does not tell is not, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.judge.pairs import Pair, Setting
from her.judge.probe import LEAST, SURFACE, Probed, features, moved, report, worse
from her.judge.verdict import Winner
from her.markup import notation
from her.rows.record import Piece, TurnRow
from her.scene import Character, Scene
from her.turn import Kind
from places import pairs

MARKS = notation()
WORDS = [
    *["door", "lamp", "bread", "river", "stone", "letter", "window", "coat", "bell", "grass"],
    *["table", "smoke", "coin", "road", "bird", "ash", "salt", "wool", "key", "hill"],
]
CAST = (Character(name="Ann"), Character(name="Bob"))
SCENE = Scene(id="s", title="S", setting="Somewhere.", cast=CAST)


def sentence(rng: Random) -> str:
    return " ".join(rng.sample(WORDS, 6)).capitalize() + "."


def planted(
    break_it: Callable[[str, Random], str], family: str = "planted", count: int = 160, books: int = 8
) -> list[Pair]:
    """Pairs of random sentences of which `break_it` breaks one side."""
    rng = Random(f"{family}/{count}")
    found = []
    for at in range(count):
        good = f"Ann: {sentence(rng)} {sentence(rng)}"
        bad = f"Ann: {break_it(good.removeprefix('Ann: '), rng)}"
        first = rng.random() < 0.5
        found.append(
            Pair(
                id=f"{family}/{at}",
                at=Setting(scene=SCENE, speaker="Ann"),
                first=good if first else bad,
                second=bad if first else good,
                better=Winner.FIRST if first else Winner.SECOND,
                kind="broken",
                book=f"book-{at % books}",
                family=family,
            )
        )
    return found


def other(text: str, rng: Random) -> str:
    return f"{sentence(rng)} {sentence(rng)}"


def worded(text: str, rng: Random) -> str:
    return f"{sentence(rng)} {'Certainly' if rng.random() < 0.7 else 'Perhaps'} {sentence(rng).lower()}"


def longer(text: str, rng: Random) -> str:
    return f"{sentence(rng)} {sentence(rng)} {sentence(rng)}"


class TestReport:
    def test_a_word_that_only_one_side_has_is_found(self) -> None:
        found = report(planted(worded), Random(0))["planted"]
        assert found.accuracy > 0.9
        assert found.surface
        assert found.low is not None
        assert found.low > SURFACE

    def test_length_alone_is_found(self) -> None:
        assert report(planted(longer), Random(0))["planted"].surface

    def test_noise_is_not_found(self) -> None:
        found = report(planted(other, count=400), Random(0))["planted"]
        assert 0.4 < found.accuracy < SURFACE
        assert not found.surface
        assert found.low is not None
        assert found.low < SURFACE

    def test_what_only_the_scene_could_tell_is_not_found(self) -> None:
        def swapped_places(text: str, rng: Random) -> str:
            # The same kinds of sentence on both sides: which is better hangs on what is not there.
            left, right = text.split(". ", 1)
            return f"{right} {left}."

        assert not report(planted(swapped_places, count=400), Random(0))["planted"].surface

    def test_a_word_that_each_book_has_for_itself_is_not_found(self) -> None:
        def of_the_book(text: str, rng: Random) -> str:
            return text

        tells = ["quorn", "vimple", "zaxos", "gludge", "brythe", "jompf", "ekkwi", "hydzu"]
        tells_not = ["yuggo", "nawclit", "frobe", "tchisk", "umphal", "pelvro", "dwoix", "szabb"]
        marked = []
        for at, pair in enumerate(planted(of_the_book, count=240)):
            book = int(pair.book[-1])
            bad = f"Ann: {sentence(Random(at))} {tells[book]} {sentence(Random(-at))}"
            good = f"Ann: {sentence(Random(at + 9999))} {tells_not[book]} {sentence(Random(-at - 9999))}"
            first, second = (good, bad) if pair.better is Winner.FIRST else (bad, good)
            marked.append(pair.model_copy(update={"first": first, "second": second}))
        assert report(marked, Random(0))["planted"].accuracy < 0.65

    def test_families_are_apart(self) -> None:
        found = report([*planted(worded, "tells"), *planted(other, "silent", count=400)], Random(0))
        assert {name: one.surface for name, one in found.items()} == {"silent": False, "tells": True}

    def test_the_same_state_gives_the_same_figures(self) -> None:
        held = planted(worded, count=60)
        assert report(held, Random(3)) == report(held, Random(3))

    def test_too_few_pairs_or_one_book_say_nothing(self) -> None:
        assert report(planted(worded, count=LEAST - 1), Random(0)) == {}
        assert report(planted(worded, books=1), Random(0)) == {}
        assert report([], Random(0)) == {}

    def test_ties_and_twins_are_not_asked(self) -> None:
        held = [pair.model_copy(update={"kind": "twin"}) for pair in planted(worded)]
        assert report(held, Random(0)) == {}

    def test_few_books_give_no_interval(self) -> None:
        found = report(planted(lambda t, r: f"{t} Truly so.", books=3), Random(0))["planted"]
        assert found.accuracy == 1
        assert found.low is not None, "what is always so is bounded by the number of books"
        assert found.low < 0.5
        mixed = report(planted(other, books=3), Random(0))["planted"]
        assert mixed.low is None
        assert mixed.high is None

    @pytest.mark.parametrize(("accuracy", "surface"), [(0.6, False), (0.601, True), (0.5, False), (1.0, True)])
    def test_the_line_is_drawn_at_three_in_five(self, accuracy: float, surface: bool) -> None:
        assert Probed("x", 100, accuracy, None, None).surface is surface


class TestFeatures:
    @given(st.text(max_size=80), st.text(max_size=80))
    def test_exchanged_candidates_have_the_same_with_the_other_sign(self, first: str, second: str) -> None:
        pair = planted(other, count=2)[0].model_copy(update={"first": first, "second": second, "better": Winner.FIRST})
        forth, back = features(pair), features(pair.swapped)
        assert forth.keys() == back.keys()
        assert all(abs(forth[key] + back[key]) < 1e-9 for key in forth)

    def test_equal_candidates_have_none(self) -> None:
        pair = planted(other, count=2)[0]
        assert not any(features(pair.model_copy(update={"second": pair.first})).values())


def pair_of(good: str, bad: str, *before: TurnRow) -> Pair:
    at = Setting(scene=SCENE, speaker="Ann", turns=before)
    return Pair(id="p", at=at, first=good, second=bad, better=Winner.FIRST, kind="broken", family="x")


def said(name: str, text: str) -> TurnRow:
    return TurnRow(id=f"{name}-{len(text)}", speaker=name, segments=(Piece(kind=Kind.SPEECH, text=text),))


class TestMoved:
    LONG = "The lamp in the window has burned all night and nobody came to put it out."

    def test_own_words_that_come_again(self) -> None:
        bad = f"Ann: {self.LONG}"
        assert "own words" in worse(pair_of("Ann: The key is gone, and so is the coat.", bad, said("Ann", self.LONG)))

    def test_words_that_another_has_just_said(self) -> None:
        bad = f"Ann: {self.LONG}"
        assert "heard words" in worse(pair_of("Ann: The key is gone, and so is the coat.", bad, said("Bob", self.LONG)))

    def test_the_wrong_person_another_s_mind_another_language_and_a_loop(self) -> None:
        thought = "{thought_open}{}{thought_close}Well."
        good = "Ann: " + thought.format("Is it late?", **MARKS)
        assert "perspective" in worse(pair_of(good, "Ann: " + thought.format("Ann is late again.", **MARKS)))
        assert "minds" in worse(pair_of(good, "Ann: " + thought.format("Bob secretly loves the sea.", **MARKS)))
        assert "language" in worse(pair_of("Ann: It is the door.", "Ann: 这是门，这是窗，这是路。"))
        loop = "Ann: " + "the same four words and again " * 4
        assert "loops" in worse(pair_of("Ann: It is late and the road is long tonight.", loop))

    def test_marks_lengths_and_layers(self) -> None:
        unclosed = f"Ann: {MARKS['thought_open']}It is the door."
        assert "marks" in worse(pair_of("Ann: It is the door.", unclosed))
        assert "longer" in worse(pair_of("Ann: One two three four.", "Ann: One two three four five six seven."))
        assert "shorter" in worse(pair_of("Ann: One two three four.", "Ann: One two."))
        deed = f"Ann: One two.{MARKS['action_open']}nods{MARKS['action_close']}"
        assert "layout" in worse(pair_of("Ann: One two three.", deed))

    def test_what_is_as_bad_on_both_sides_has_not_moved(self) -> None:
        loop = "Ann: " + "the same four words and again " * 4
        assert worse(pair_of(loop, loop.replace("same", "very"))) == []

    def test_shares_are_of_the_family_s_pairs(self) -> None:
        two = [
            pair_of("Ann: One two three.", "Ann: One two three four five six."),
            pair_of("Ann: One two three.", "Ann: One two four."),
        ]
        found = moved(two)["x"]
        assert found.pairs == 2
        assert found.worse == {"longer": 0.5}
        assert moved([pair.model_copy(update={"kind": "twin"}) for pair in two]) == {}

    def test_of_the_scenes_each_family_moves_its_own_check(self) -> None:
        found = moved(pairs())
        assert found["repetition"].worse["own words"] > 0.6
        assert found["padding"].worse["longer"] > 0.5
        assert "own words" not in found["mind-reading"].worse
        for name in ("plan-leak", "mind-reading", "contradicts-scene", "anachronism", "outside-knowledge"):
            assert not {"language", "marks", "loops"} & found[name].worse.keys(), name
