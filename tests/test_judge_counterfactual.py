"""Pairs with a known answer: all accounted for, in balance, the same for the same seed, and parted without a leak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from her.checks import units
from her.errors import InputError
from her.judge.breakers import FAMILIES
from her.judge.breakers.place import Place
from her.judge.case import Case
from her.judge.counterfactual import AUTHORED, By, Sample, counts, few, hold_out, make
from her.judge.neutral import EDITS, SHORT_TURN
from her.judge.pairs import Pair
from her.judge.verdict import Winner
from her.markup import notation
from her.rows.files import Writer, read_rows
from her.scene import slug
from her.turn import Kind, Segment, Turn
from places import pairs, place, places, rows

PAIRS = pairs()
MODEL = "http://localhost/v1#some"
SCENES = Path(__file__).resolve().parent.parent / "datasets" / "her-scenes"


def samples() -> dict[str, list[Sample]]:
    """Two replies of a model for every place, with a plan before them."""
    plan = f"{notation()['plan_open']}Keep it short.{notation()['plan_close']}"
    thought = f"{notation()['thought_open']}I am not sure of it.{notation()['thought_close']}"
    said = {"en": "So it is. I have waited long enough.", "zh": "罢了。我等得够久了。"}
    return {
        row.id: [Sample(MODEL, f"{plan}{row.character}: {thought}{said.get(row.language, 'Bon. Gut. So.')}")] * 2
        for row in rows()
    }


class TestMake:
    def test_every_kind_and_family_is_there(self) -> None:
        assert {pair.kind for pair in PAIRS} == {"broken", "neutral", "twin"}
        assert {pair.family for pair in PAIRS if pair.kind == "broken"} == set(FAMILIES)
        assert all(pair.principle == pair.family for pair in PAIRS if pair.kind == "broken")

    def test_the_same_state_gives_the_same_pairs_and_another_gives_others(self) -> None:
        assert pairs() == PAIRS
        assert {pair.id for pair in pairs(1)} != {pair.id for pair in PAIRS}

    def test_ids_name_one_pair_each_and_hang_on_its_texts(self) -> None:
        assert len({pair.id for pair in PAIRS}) == len(PAIRS)
        texts = defaultdict(set)
        for pair in PAIRS:
            if pair.kind != "twin":
                texts[pair.id].add(frozenset((pair.first, pair.second)))
        assert all(len(held) == 1 for held in texts.values())

    def test_every_place_and_family_is_made_or_counted(self) -> None:
        told: Counter[str] = Counter()
        found = list(make(rows(), rng=Random(0), told=told))
        for family in FAMILIES:
            count = sum(pair.family == family and pair.kind == "broken" for pair in found)
            assert count + told[f"{family}: does not apply"] == len(rows())
        assert sum(pair.kind == "neutral" for pair in found) + 2 * told["neutral: does not apply"] <= 2 * len(rows())

    def test_grades_and_sides_are_in_balance(self) -> None:
        for family in FAMILIES:
            held = [pair for pair in PAIRS if pair.family == family and pair.kind == "broken"]
            sides = Counter(pair.better for pair in held)
            assert abs(sides[Winner.FIRST] - sides[Winner.SECOND]) <= 1
            grades = Counter(pair.grade for pair in held)
            assert set(grades) == {1, 2, 3}, family
        broken = Counter(pair.grade for pair in PAIRS if pair.kind == "broken")
        assert max(broken.values()) < 1.6 * min(broken.values())

    def test_the_book_is_the_slug_and_the_setting_holds_what_came_before(self) -> None:
        by = {row.id: row for row in rows()}
        for pair in PAIRS:
            row = by["/".join(pair.id.split("/")[:2])]
            assert pair.book == row.slug == slug(row.book)
            assert pair.at.speaker == row.character
            if pair.kind != "twin":
                assert len(pair.at.turns) == len(row.seen.turns)
                assert pair.at.scene == row.seen.scene

    def test_the_good_side_is_the_book_s_turn_unless_both_were_edited(self) -> None:
        by = {row.id: row for row in rows()}
        own = Counter()
        for pair in PAIRS:
            if pair.kind == "broken":
                good = pair.first if pair.better is Winner.FIRST else pair.second
                own[pair.family] += good == by["/".join(pair.id.split("/")[:2])].reference
        both = {"contradicts-scene", "outside-knowledge", "anachronism", "borrowed-diction", "mind-reading"}
        for family in set(FAMILIES) - both:
            assert own[family] == sum(pair.family == family and pair.kind == "broken" for pair in PAIRS)

    def test_pairs_can_be_written_and_read_again(self, tmp_path: Path) -> None:
        with Writer(tmp_path / "pairs.jsonl") as out:
            for pair in PAIRS:
                out.write(pair)
        assert list(read_rows(tmp_path / "pairs.jsonl", Pair)) == PAIRS

    def test_nothing_is_made_of_nothing(self) -> None:
        assert list(make([], rng=Random(0))) == []

    def test_a_context_given_twice_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"port/t01.*twice"):
            list(make([rows()[0], rows()[0]], rng=Random(0)))

    def test_a_reference_that_is_no_turn_is_refused(self) -> None:
        row = rows()[0]
        seen = row.seen.model_copy(update={"reference": row.seen.reference.model_copy(update={"segments": ()})})
        with pytest.raises(InputError, match=r"port/t01.*no turn"):
            list(make([row.model_copy(update={"context": seen.model_dump_json()})], rng=Random(0)))

    def test_one_place_alone_has_pairs_too(self) -> None:
        found = list(make(rows()[4:5], rng=Random(0)))
        assert len({pair.family for pair in found}) >= 9


class TestSamples:
    def test_half_of_the_pairs_edit_a_model_s_turn_on_both_sides(self) -> None:
        found = [pair for pair in pairs(samples=samples()) if pair.kind != "twin"]
        bases = Counter(pair.base for pair in found)
        assert set(bases) == {AUTHORED, MODEL}
        assert 0.4 < bases[MODEL] / len(found) < 0.6
        for pair in found:
            if pair.base == MODEL and not pair.id.startswith(("market", "canteen")):
                words = set(units("So it is. I have waited long enough. 罢了我等得够久了"))
                good = pair.first if pair.better is Winner.FIRST else pair.second
                assert len(words & set(units(good))) >= 4
                assert notation()["plan_open"] not in pair.first + pair.second

    @pytest.mark.parametrize(
        "text", ["", " \n ", f"X: {notation()['thought_open']}Open.", f"{notation()['plan_open']}Only a plan."]
    )
    def test_a_reply_that_is_no_whole_turn_is_not_edited(self, text: str) -> None:
        broken = {row.id: [Sample(MODEL, text)] for row in rows()}
        assert {pair.base for pair in pairs(samples=broken)} == {AUTHORED}

    def test_samples_of_unknown_places_change_nothing(self) -> None:
        assert pairs(samples={"nowhere/t01": [Sample(MODEL, "So.")]}) == PAIRS


class TestNeutral:
    def test_each_is_a_tie_with_other_letters_in_it(self) -> None:
        for pair in PAIRS:
            if pair.kind == "neutral":
                assert pair.better is Winner.TIE
                assert pair.first != pair.second
                assert pair.grade == 0

    def test_there_are_eight_kinds_and_more(self) -> None:
        assert len(EDITS) >= 8
        found = {name for at in places() for name, edit in EDITS.items() if edit(at, Random(1))}
        assert len(found) >= 6

    @pytest.mark.parametrize(
        ("name", "text", "wanted"),
        [
            ("apostrophes", "It's late, isn't it?", "It’s late, isn’t it?"),
            ("apostrophes", "It’s late.", "It's late."),
            ("quotes", 'He said "no" to me.', "He said “no” to me."),
            ("quotes", "He said “no” to me.", 'He said "no" to me.'),
            ("ellipses", "Well... no.", "Well… no."),
            ("dashes", "Well — no.", "Well – no."),
            ("spelling", "The colour of honour.", "The color of honor."),
            ("spelling", "The color is gray.", "The colour is grey."),
            ("small-words", "Nobody came.", "No one came."),
            ("titles", "Mr. Doyle is here.", "Mr Doyle is here."),
            ("titles", "Mr Doyle is here.", "Mr. Doyle is here."),
            ("short-forms", "I have it. She didn't come.", "I have it. She did not come."),
            ("sentences-joined", "It rained; we stayed.", "It rained. We stayed."),
            ("sentences-joined", "We stayed. It rained.", "We stayed; it rained."),
        ],
    )
    def test_what_each_kind_does(self, name: str, text: str, wanted: str) -> None:
        at = place("port", 4)
        turn = EDITS[name](_with(at, text), Random(0))
        assert turn is not None
        assert turn.text_of(Kind.SPEECH) == wanted

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("spelling", "Check the story, and tire of it."),
            ("small-words", "Put it on the table, though."),
            ("short-forms", "She didn't come."),
            ("short-forms", "I have it. Didn't she come?"),
            ("titles", "The St of it."),
            ("sentences-joined", "He left. Rain fell."),
            ("quotes", 'One " alone.'),
            ("layers-exchanged", "Only words."),
        ],
    )
    def test_what_none_of_them_touches(self, name: str, text: str) -> None:
        assert EDITS[name](_with(place("port", 0), text), Random(0)) is None

    def test_layers_are_exchanged_where_neither_speaks_of_the_other(self) -> None:
        at = place("port", 4)
        free = (Segment(Kind.ROLE_THINKING, "Ten years of rain."), Segment(Kind.ROLE_ACTION, "folds a napkin"))
        bound = (Segment(Kind.ROLE_ACTION, "folds a napkin"), Segment(Kind.ROLE_THINKING, "It is worn thin."))
        edited = EDITS["layers-exchanged"](_turn(at, *free), Random(0))
        assert edited is not None
        assert edited.segments == free[::-1]
        assert EDITS["layers-exchanged"](_turn(at, *bound), Random(0)) is None

    def test_a_moment_of_waiting_is_put_into_short_turns_without_a_deed(self) -> None:
        at = place("port", 4)
        turn = EDITS["beat"](_with(at, "No."), Random(0))
        assert turn is not None
        assert len(turn.segments) == 2
        assert EDITS["beat"](_with(at, "word " * (SHORT_TURN + 1)), Random(0)) is None
        assert EDITS["beat"](_turn(at, Segment(Kind.ROLE_ACTION, "nods")), Random(0)) is None

    def test_what_is_said_stays_said(self) -> None:
        for pair in PAIRS:
            if pair.kind == "neutral" and pair.template.partition("/")[2] in (
                "apostrophes",
                "quotes",
                "titles",
                "dashes",
            ):
                assert _letters(pair.first) == _letters(pair.second)


def _with(at: Place, text: str) -> Place:
    return _turn(at, Segment(Kind.SPEECH, text))


def _turn(at: Place, *segments: Segment) -> Place:
    return replace(at, turn=Turn(at.speaker, segments))


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def parted(by: By, share: float = 0.3, held: Sequence[Pair] = PAIRS) -> tuple[list[Pair], list[Pair]]:
    """The pairs to learn from, and those for tests."""
    marked = hold_out(held, by, share=share, rng=Random(0))
    assert [pair.model_copy(update={"split": None}) for pair in marked] == [*held], "nothing is lost or changed"
    train, test = ([pair for pair in marked if pair.split == name] for name in ("train", "test"))
    assert len(train) + len(test) == len(held)
    return train, test


class TestHoldOut:
    @pytest.mark.parametrize("by", ["book", "family", "template"])
    def test_nothing_is_on_both_sides(self, by: By) -> None:
        train, test = parted(by)
        assert train
        assert test
        keys = {
            "book": lambda pair: pair.book,
            "family": lambda pair: pair.template if pair.kind == "neutral" else pair.family,
            "template": lambda pair: (pair.family, pair.template),
        }[by]
        assert {keys(pair) for pair in train}.isdisjoint({keys(pair) for pair in test})

    @pytest.mark.parametrize("by", ["book", "family", "template"])
    def test_a_twin_stands_with_its_pair(self, by: By) -> None:
        train, _ = parted(by)
        held = {pair.id for pair in train}
        for pair in PAIRS:
            # A thing at home in another world stands in another book.
            if pair.kind == "twin" and (by != "book" or pair.family != "anachronism"):
                assert (pair.id in held) == (pair.twin_of in held)

    def test_a_twin_in_another_book_goes_with_that_book(self) -> None:
        train, test = parted("book")
        books = {pair.book for pair in train}
        assert all((pair.book in books) == (pair in train) for pair in (*train, *test) if pair.kind == "twin")

    @pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
    def test_by_family_half_of_the_neutral_kinds_are_held_out_whatever_the_share(self, share: float) -> None:
        train, test = parted("family", share)
        kinds = [len({pair.template for pair in part if pair.kind == "neutral"}) for part in (train, test)]
        assert abs(kinds[0] - kinds[1]) <= 1 < min(kinds)
        families = {pair.family for pair in test} - {"neutral"}
        assert len(families) == max(1, min(len(FAMILIES) - 1, round(share * len(FAMILIES))))

    def test_templates_are_parted_within_each_family(self) -> None:
        train, test = parted("template")
        both = {pair.family for pair in train} & {pair.family for pair in test}
        assert set(FAMILIES) - both <= {"wrong-person"}

    def test_what_is_for_tests_stays_so_and_nothing_is_drawn_from_it(self) -> None:
        book = PAIRS[0].book
        given = [pair.model_copy(update={"split": "test" if pair.book == book else "train"}) for pair in PAIRS]
        marked = hold_out(given, "book", share=0.2, rng=Random(0))
        held = {pair.book for pair in marked if pair.split == "test"}
        assert book in held and len(held) == 2
        assert {pair.split for pair in marked if pair.book == book} == {"test"}

    def test_the_same_state_gives_the_same_parts(self) -> None:
        assert parted("book", 0.4) == parted("book", 0.4)

    @pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
    def test_a_share_that_is_none_is_refused(self, share: float) -> None:
        with pytest.raises(InputError, match="between 0 and 1"):
            parted("book", share)

    def test_one_book_or_family_can_not_be_parted(self) -> None:
        one = [pair for pair in PAIRS if pair.book == PAIRS[0].book]
        with pytest.raises(InputError, match="all of one book; there is nothing to hold out"):
            parted("book", 0.5, one)
        assert parted("template", 0.5, one)[1]
        alone = [pair for pair in PAIRS if pair.family in ("padding", "neutral")]
        with pytest.raises(InputError, match="all of one family"):
            parted("family", 0.5, alone)


class TestFew:
    def test_books_take_turns_and_twins_stay_with_their_pairs(self) -> None:
        kept = few(PAIRS, 2, Random(0))
        assert [pair for pair in PAIRS if pair in kept] == kept
        held = Counter((pair.family, pair.grade) for pair in kept if pair.kind == "broken")
        assert max(held.values()) == 2
        assert {pair.family for pair in kept if pair.kind == "broken"} == set(FAMILIES)
        ids = {pair.id for pair in kept}
        assert all(pair.twin_of in ids for pair in kept if pair.kind == "twin")
        books = [{p.book for p in kept if (p.family, p.grade, p.kind) == (*key, "broken")} for key in held]
        assert sum(len(some) == 2 for some in books) > len(books) / 2

    def test_less_than_one_is_refused(self) -> None:
        with pytest.raises(InputError, match="at least 1"):
            few(PAIRS, 0, Random(0))

    def test_counts_add_up(self) -> None:
        found = counts(PAIRS)
        assert {sum(part.values()) for part in found.values()} == {len(PAIRS)}
        assert set(found["kind"]) == {"broken", "neutral", "twin"}
        assert counts([]) == {"family": {}, "grade": {}, "kind": {}, "language": {}, "base": {}, "split": {}}
        assert found["split"] == {"unknown": len(PAIRS)}


@pytest.mark.long
def test_the_pool_of_her_scenes_gives_pairs_of_every_family() -> None:
    pytest.importorskip("pyarrow")
    from her.rows.parquet import read_samples
    from her.rows.samples import PoolRow

    if not (SCENES / "reward-pool").is_dir():
        pytest.skip("datasets/her-scenes is not in this copy")
    contexts = [row for part in ("train", "test") for row in read_samples(SCENES, "reward-pool", PoolRow, part)]
    found = list(make(contexts, rng=Random(0)))
    count = Counter(pair.family for pair in found if pair.kind == "broken")
    assert set(count) == set(FAMILIES)
    assert min(count.values()) > 100
    for pair in found:
        case: Case = pair.case
        assert case.shown(pair.first) != case.shown(pair.second) or pair.kind == "neutral"
