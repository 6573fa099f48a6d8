"""What a judge is asked: a few of every part, openers against good turns, triples, and figures over books."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.checks.intervals import unseen
from her.errors import InputError
from her.judge.bench.asked import place_of
from her.judge.bench.attacks import OPENER, OPENERS, PER_PLACE, TRIPLE, openers, spread, triples
from her.judge.bench.draw import MOST, questions
from her.judge.bench.figure import Seen, measured, share
from her.judge.verdict import Winner
from planted_pairs import planted

PAIRS = planted(3, 2, 4)


# -- drawing -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 160), st.integers(0, 5))
def test_a_limit_is_kept_and_used(limit: int, seed: int) -> None:
    drawn = questions(PAIRS, random.Random(seed), limit=limit)
    assert limit - 2 <= drawn.size <= limit or drawn.size == questions(PAIRS, random.Random(seed)).size
    ids = [pair.id for pair in drawn.once]
    assert len(set(ids)) == len(ids)
    assert set(drawn.again) <= {pair.id for pair in drawn.pairs}


def test_every_part_is_there_before_any_comes_twice() -> None:
    drawn = questions(PAIRS, random.Random(0), limit=28)
    kinds = Counter((pair.kind, pair.family if pair.kind == "broken" else "") for pair in drawn.pairs)
    assert len(kinds) == 6 and max(kinds.values()) - min(kinds.values()) <= 1
    assert drawn.size == 28 and drawn.openers and drawn.again and drawn.triples
    assert questions(PAIRS, random.Random(0), limit=28) == drawn


def test_without_a_limit_all_pairs_are_asked_in_their_order() -> None:
    drawn = questions(PAIRS, random.Random(0))
    assert list(drawn.pairs) == PAIRS
    assert len(drawn.openers) == 24 and len(drawn.again) == min(MOST["again"], len(PAIRS))
    assert questions(PAIRS, random.Random(0), repeats=False).again == ()


def test_as_many_openers_are_asked_as_it_takes_to_tell() -> None:
    assert unseen(183) <= 0.02 < unseen(182) and MOST[OPENER] > 183


def test_nothing_to_ask_and_ids_that_stand_twice_are_refused() -> None:
    with pytest.raises(InputError, match="no pair"):
        questions([], random.Random(0))
    with pytest.raises(InputError, match=f"{PAIRS[0].id!r} stands twice"):
        questions([*PAIRS, PAIRS[0]], random.Random(0))


def test_groups_take_turns() -> None:
    found = spread("aaabbc", lambda letter: letter, random.Random(0))
    assert "".join(found) == "abcaba"
    assert spread([], str, random.Random(0)) == []


# -- openers and triples -----------------------------------------------------------------------------------------


def test_each_place_has_one_opener_against_its_better_turn() -> None:
    found = openers(PAIRS, random.Random(0))
    good = {
        place_of(pair): pair.first if pair.better is Winner.FIRST else pair.second
        for pair in reversed(PAIRS)
        if pair.better is not Winner.TIE
    }
    assert len(found) == len(good) == 24
    for pair in found:
        better, opener = (pair.first, pair.second) if pair.better is Winner.FIRST else (pair.second, pair.first)
        assert better == good[place_of(pair)] and opener == OPENERS[pair.template]
    assert {pair.better for pair in found} == {Winner.FIRST, Winner.SECOND}
    assert {pair.template for pair in found} == OPENERS.keys()
    assert [pair.book for pair in found[:6]] == [f"book {n}" for n in (0, 1, 2)] * 2


def test_openers_say_nothing() -> None:
    """Each is a few words at most, and a turn begun with it has not said anything yet."""
    assert all(len(opener.split()) <= 8 for opener in OPENERS.values())


def test_where_no_side_is_better_there_is_no_attack() -> None:
    assert openers([pair for pair in PAIRS if pair.better is Winner.TIE], random.Random(0)) == []


def test_triples_are_three_texts_of_one_place_in_a_round() -> None:
    found = triples(PAIRS, random.Random(0))
    assert len(found) == 24 * PER_PLACE
    for ab, bc, ac in found:
        assert (ab.first, ab.second, bc.second) == (ac.first, bc.first, ac.second)
        assert len({ab.first, bc.first, bc.second}) == 3
        assert {pair.better for pair in (ab, bc, ac)} == {None} and ab.subset == TRIPLE
        assert len({place_of(pair) for pair in (ab, bc, ac)}) == 1
    assert len({pair.id for three in found for pair in three}) == 3 * len(found)
    assert triples(PAIRS[:1], random.Random(0)) == []


def test_a_place_is_known_by_its_scene_its_turns_and_who_speaks() -> None:
    assert len({place_of(pair) for pair in PAIRS}) == 2 * 24, "a twin stands in a scene of its own"
    assert [place_of(pair) == place_of(PAIRS[0]) for pair in PAIRS[:4]] == [True, True, False, True]


# -- figures -----------------------------------------------------------------------------------------------------


def seen(count: int, hit: float, *, books: int = 8, scenes: int = 8) -> list[Seen]:
    return [Seen(f"b{n % books}" if books else "", f"s{n % scenes}", f"p{n}", (hit, 1.0)) for n in range(count)]


def test_where_all_say_the_same_the_interval_tells_what_may_have_gone_unseen() -> None:
    none = measured(seen(400, 0.0), share, random.Random(0))
    assert (none.value, none.low, none.units, none.cases) == (0, 0, 8, 400)
    assert none.high == pytest.approx(unseen(400)) and none.high < 0.01
    every = measured(seen(20, 1.0), share, random.Random(0))
    assert every.high == 1 and every.low == pytest.approx(1 - unseen(20))


def test_the_same_place_asked_again_is_no_further_evidence() -> None:
    once = measured(seen(20, 0.0), share, random.Random(0))
    again = measured(seen(20, 0.0) * 10, share, random.Random(0))
    assert again.high == once.high and again.cases == 200


def test_how_far_an_unseen_case_reaches_is_counted_in() -> None:
    found = measured(seen(100, 0.0), share, random.Random(0), within=(-0.5, 0.5), reach=0.5)
    assert found.low == pytest.approx(-unseen(100) / 2) and found.high == pytest.approx(unseen(100) / 2)


@pytest.mark.parametrize(
    ("books", "scenes", "unit", "units"), [(8, 20, "books", 8), (5, 20, "scenes", 20), (0, 7, "scenes", 7)]
)
def test_books_are_drawn_where_there_are_enough_else_scenes(books: int, scenes: int, unit: str, units: int) -> None:
    found = measured(seen(140, 1.0, books=books, scenes=scenes), share, random.Random(0))
    assert (found.unit, found.units) == (unit, units) and found.low is not None


def test_no_interval_is_made_up_where_there_are_too_few_or_nothing() -> None:
    few = measured(seen(50, 1.0, books=0, scenes=5), share, random.Random(0))
    assert (few.value, few.low, few.high) == (1, None, None)
    assert measured([], share, random.Random(0)).value is None


def test_books_that_are_alike_inside_make_the_interval_wide() -> None:
    rng, widths = random.Random(3), []
    mixed = [float(rng.random() < 0.5) for _ in range(200)]
    for hits in (mixed, [float(n % 10 < 5) for n in range(200)]):
        rows = [Seen(f"b{n % 10}", "", f"p{n}", (hit, 1.0)) for n, hit in enumerate(hits)]
        found = measured(rows, share, random.Random(0))
        widths.append((found.high or 0) - (found.low or 0))
    assert widths[0] < 0.25 and widths[1] > 0.6


def test_few_books_that_agree_by_chance_do_not_make_the_interval_narrow() -> None:
    rows = [Seen(f"b{n % 7}", "", f"p{n}", (float(n % 70 >= 7), 1.0)) for n in range(70)]
    rows[0] = Seen("b0", "", "p0", (1.0, 1.0))
    found = measured(rows, share, random.Random(0))
    assert found.value is not None and found.low is not None
    assert found.low <= found.value - 1.96 * (found.value * (1 - found.value) / 70) ** 0.5 + 1e-4
    assert found.high is not None and found.high <= 1
