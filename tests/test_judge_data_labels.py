"""Labels are never made of a missing or inconsistent answer; of what balance sets aside nothing is lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compared import FIRST, SECOND, TIE, agreed, judgement, pair, verdict
from her.errors import InputError
from her.judge.data.balance import (
    TIES,
    Balance,
    Unit,
    for_rl,
    for_sft,
    longer_share,
    mixed_share,
    parts,
)
from her.judge.data.labels import Known, Label, Shape, cancelled, label, labels, shape
from her.judge.pairs import Pair
from her.judge.verdict import Judged, Reason, Unscored, Winner

LOST = Unscored(Reason.UNREADABLE)
JUDGED = st.integers(-3, 3).map(verdict) | st.sampled_from([LOST, Unscored(Reason.CUT)])


# -- labels ----------------------------------------------------------------------------------------------------


@given(st.lists(JUDGED, min_size=1, max_size=3), st.lists(JUDGED, max_size=3))
def test_a_judge_labels_only_what_it_says_alike_in_both_orders(given_: list[Judged], exchanged: list[Judged]) -> None:
    found = label(pair("p"), judgement(given_, exchanged))
    turned = label(pair("p").swapped, judgement(exchanged, given_)) if exchanged else found
    if isinstance(found, str):
        assert isinstance(turned, str)
        return
    assert all(any(not isinstance(one, Unscored) for one in order) for order in (given_, exchanged))
    assert isinstance(turned, Label) and turned.winner is found.winner.other, "the answer belongs to the text"
    assert found.known is Known.JUDGE and found.judged is found.winner


@pytest.mark.parametrize(
    ("given_", "exchanged", "why"),
    [
        ([verdict(2)], [], "asked in one order"),
        ([verdict(2)], [verdict(2)], "orders differ"),  # the first place won twice
        ([verdict(2)], [verdict(0)], "orders differ"),  # nor is half a word one
        ([verdict(0)], [verdict(-1)], "orders differ"),
        ([LOST], [verdict(-2)], "unscored: unreadable"),
        ([verdict(2)], [Unscored(Reason.NO_ROOM)], "unscored: no room"),
    ],
)
def test_what_is_no_label_says_why(given_: Sequence[Judged], exchanged: Sequence[Judged], why: str) -> None:
    assert label(pair("p"), judgement(given_, exchanged)) == why
    assert label(pair("p")) == "nobody said anything"


def test_of_several_sources_the_surest_holds_and_the_judge_is_kept_beside_it() -> None:
    second = agreed(-2, "221")
    broken = pair("p", FIRST, kind="broken", family="padding")
    for made, said, known, winner in [
        (broken, [SECOND, SECOND], Known.CONSTRUCTION, FIRST),
        (pair("p", TIE, kind="neutral"), [SECOND], Known.CONSTRUCTION, TIE),
        (pair("p", FIRST), [TIE, TIE, FIRST], Known.PEOPLE, TIE),
        (pair("p", FIRST), [], Known.FILE, FIRST),
        (pair("p"), [FIRST], Known.PEOPLE, FIRST),
        (pair("p"), [], Known.JUDGE, SECOND),
    ]:
        found = label(made, second, said)
        assert isinstance(found, Label)
        assert (found.known, found.winner, found.judged) == (known, winner, SECOND)
        # A judge that says otherwise gives no argument for it.
        assert (found.given is not None) is (winner is SECOND) is (found.exchanged is not None)
    assert label(pair("p", FIRST), second, [FIRST, SECOND]) == "readers differ"


def test_an_argument_is_one_that_was_given_in_that_order_for_that_label() -> None:
    long, short, other = verdict(2, "112t"), verdict(1, "1"), verdict(-1, "22")
    there = verdict(-3, "221")
    found = label(pair("p"), judgement([other, short, long], [there]))
    assert isinstance(found, Label) and found.winner is FIRST
    assert found.given == long and found.exchanged == there, "as it was said there: its first is the pair's second"
    assert found.exchanged.findings[0].first == "first 0"
    half = judgement([verdict(1, "1")], [verdict(0)])
    assert label(pair("p", FIRST), half).given is None  # type: ignore[union-attr]


def test_labels_come_in_order_and_a_pair_twice_is_an_error() -> None:
    pairs = [pair("a", FIRST), pair("b"), pair("c")]
    found = [*labels(pairs, {"b": agreed(1)}, {"Anne": {"c": TIE}, "Bo": {"a": SECOND}})]
    assert [one.winner for one in found if isinstance(one, Label)] == [SECOND, FIRST, TIE]
    with pytest.raises(InputError, match="'a' stands twice"):
        [*labels([pairs[0], pairs[0]])]


@pytest.mark.parametrize(
    ("won", "expected"),
    [
        ("12t", Shape.BOTH_SIDES),
        ("11t", Shape.FIRST_ONLY),
        ("2", Shape.SECOND_ONLY),
        ("tt", Shape.TIE_ONLY),
        ("", Shape.NO_WINNER),
    ],
)
def test_the_class_of_an_answer_is_by_its_findings_and_not_by_its_verdict(won: str, expected: Shape) -> None:
    mirror = {Shape.FIRST_ONLY: Shape.SECOND_ONLY, Shape.SECOND_ONLY: Shape.FIRST_ONLY}
    for margin in (-2, 0, 3):
        assert shape(verdict(margin, won)) is expected
        assert shape(verdict(margin, won).swapped) is mirror.get(expected, expected)


def test_a47_a_tie_of_two_bad_sides_is_told_from_a_tie_of_two_equal_ones() -> None:
    assert cancelled(verdict(0, "12t", negative=[0, 1]))
    assert not cancelled(verdict(0, "12t"))
    assert not cancelled(verdict(0, "1tt", negative=[1]))


# -- balance ---------------------------------------------------------------------------------------------------


def made(
    id: str, winner: Winner, won: str = "12t", *, sizes: tuple[int, int] = (4, 4), argued: bool = True, book: str = "b"
) -> Label:
    """A label by a judge, with arguments that have these findings in the given order."""
    margin = {FIRST: 2, SECOND: -2, TIE: 0}[winner]
    known = pair(id, winner, sizes=sizes, book=book)
    if not argued:
        return Label(pair=known, known=Known.FILE)
    one = verdict(margin, won)
    return Label(pair=known, known=Known.JUDGE, judged=winner, given=one, exchanged=one.swapped)


WON = {FIRST: ["12t", "11t", "11", ""], SECOND: ["12t", "22t", "2t", ""], TIE: ["12t", "ttt", "11t", "t"]}


@st.composite
def many(draw: st.DrawFn) -> list[Label]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(list(Winner)),
                st.integers(0, 3),
                st.tuples(st.integers(1, 12), st.integers(1, 12)),
                st.booleans(),
                st.integers(0, 5),
            ),
            max_size=40,
        )
    )
    return [
        made(f"p{n}", winner, WON[winner][at], sizes=sizes, argued=argued, book=f"b{book}")
        for n, (winner, at, sizes, argued, book) in enumerate(rows)
    ]


@given(many(), st.integers(0, 3))
@settings(max_examples=60)
def test_whatever_comes_in_the_parts_are_level_and_nothing_is_lost(found: list[Label], seed: int) -> None:
    units = [Unit(one) for one in found]
    balance = Balance()
    for take in (for_sft, for_rl):
        taken = take(units, balance, random.Random(seed))
        assert len(units) == len(taken.units) + sum(taken.aside.values())
        assert len({unit.label.pair.id for unit in taken.units}) == len(taken.units)
        assert longer_share(taken.units) in (None, 0.5)
        ties = sum(unit.label.winner is TIE for unit in taken.units)
        assert ties <= TIES * len(taken.units)
    learnt = for_sft(units, balance, random.Random(seed)).units
    assert all(len(unit.shapes) == 2 and Shape.NO_WINNER not in unit.shapes for unit in learnt)
    decided = [unit for unit in learnt if unit.label.winner is not TIE]
    mixed = sum(set(unit.shapes) == {Shape.BOTH_SIDES} for unit in decided)
    assert len(decided) - mixed <= mixed, "one-sided answers are never more than two-sided ones"


def test_where_one_side_always_wins_everything_there_is_nothing_to_learn() -> None:
    units = [Unit(made(f"p{n}", FIRST, "111")) for n in range(9)]
    taken = for_sft(units, Balance(), random.Random(0))
    assert taken.units == () and taken.aside == {"one-sided": 9}
    loose = for_sft(units, Balance(one_sided=1e9), random.Random(0))
    assert loose.units == (), "nothing times anything is nothing"


def test_the_mixed_share_is_counted_by_answer() -> None:
    units = [Unit(made("a", FIRST, "12")), Unit(made("b", FIRST, "11")), Unit(made("c", FIRST, argued=False))]
    assert mixed_share(units) == 0.5
    assert mixed_share([]) is None and longer_share([]) is None


def test_length_is_levelled_among_pairs_of_the_same_difference() -> None:
    """As many great differences go to the longer side as to the shorter one, not only as many in all."""
    longer = [Unit(made(f"l{n}", FIRST, sizes=(40, 4))) for n in range(10)]
    nearly = [Unit(made(f"s{n}", FIRST, sizes=(20, 21))) for n in range(10)]
    both = [Unit(made(f"m{n}", SECOND, sizes=(40, 4))) for n in range(10)]
    taken = for_rl([*longer, *nearly, *both], Balance(), random.Random(0))
    assert Counter(unit.label.pair.id[0] for unit in taken.units) == {"l": 10, "m": 10}
    assert taken.aside == {"length": 10}
    pooled = for_rl([*longer, *nearly], Balance(), random.Random(0))
    assert len(pooled.units) == 20, "where no class has both, any two make a couple"


def test_length_that_is_not_to_be_levelled_stays_as_it_came() -> None:
    units = [Unit(made(f"p{n}", FIRST, sizes=(9, 3))) for n in range(5)]
    assert len(for_rl(units, Balance(level=False), random.Random(0)).units) == 5
    assert for_rl(units, Balance(), random.Random(0)).aside == {"length": 5}


def test_length_is_what_a_judge_is_shown() -> None:
    from texts import PLAN, PLAN_END

    hidden = pair("p", FIRST, first=f"{PLAN}{'a long plan ' * 50}{PLAN_END}Aye.", second="Nay, not I.")
    assert Unit(Label(pair=hidden, known=Known.FILE)).longer_won is False


def test_an_answer_with_few_findings_is_not_learnt_from() -> None:
    units = [Unit(made("a", FIRST, "12")), Unit(made("b", TIE, "11t")), Unit(made("c", FIRST, argued=False))]
    aside = for_sft(units, Balance(), random.Random(0)).aside
    assert aside == {"few findings": 1, "tie that one side wins": 1, "not argued": 1}


def keys(units: Sequence[Unit], what: str) -> set[str]:
    return {unit.label.pair.book if what == "book" else unit.label.pair.at.scene.id for unit in units}


@given(many(), st.sets(st.integers(0, 5)), st.integers(0, 3))
@settings(max_examples=40)
def test_no_book_is_in_two_parts(found: list[Label], held: set[int], seed: int) -> None:
    books = {f"b{n}" for n in held}
    split, apart = parts(found, held_out=books, seed=seed)
    assert sum(map(len, split.values())) == len(found)
    assert keys(split["test"], "book") == books & {one.pair.book for one in found}
    assert keys(split["test"], "book").isdisjoint(keys([*split["sft"], *split["rl"]], "book"))
    if apart == "book":
        assert keys(split["sft"], "book").isdisjoint(keys(split["rl"], "book"))
    again, _ = parts([*reversed(found)], held_out=books, seed=seed)
    assert keys(again["sft"], "book") == keys(split["sft"], "book"), "the order of the rows does not matter"


def test_a53_with_little_data_everything_goes_to_one_part() -> None:
    """Two books are enough for both parts, and one book is cut between its scenes or places."""
    split, apart = parts([made("a", FIRST, book="x"), made("b", FIRST, book="y")])
    assert apart == "book" and len(split["sft"]) == len(split["rl"]) == 1
    one = [made(f"p{n}", FIRST) for n in range(6)]
    moved = []
    for n, entry in enumerate(one):
        scene = entry.pair.at.scene.model_copy(update={"id": f"s{n // 3}"})
        here = entry.pair.model_copy(update={"at": entry.pair.at.model_copy(update={"scene": scene})})
        moved.append(entry.model_copy(update={"pair": here}))
    split, apart = parts(moved)
    assert apart == "scene" and len(split["sft"]) == len(split["rl"]) == 3


def test_a_share_of_nothing_gives_all_to_the_other_part() -> None:
    found = [made(f"p{n}", FIRST, book=f"b{n}") for n in range(6)]
    assert len(parts(found, shares={"rl": 1})[0]["rl"]) == 6
    assert len(parts(found, shares={"sft": 1, "rl": 0})[0]["sft"]) == 6
    silent = [made(f"p{n}", FIRST, book=f"b{n}", argued=False) for n in range(6)]
    assert len(parts(silent)[0]["rl"]) == 6, "without an argument there is nothing to learn, and all to practise"
    for wrong in ({}, {"sft": -1.0}, {"test": 1.0}, {"sft": float("nan")}):
        with pytest.raises(InputError, match="shares"):
            parts(found, shares=wrong)
    with pytest.raises(InputError, match="ties a share"):
        Balance(ties=1.0)


def test_a_pair_without_an_answer_has_no_label() -> None:
    with pytest.raises(InputError, match="has no label"):
        Label(pair=Pair.model_validate(pair("p").model_dump()), known=Known.FILE).winner  # noqa: B018
