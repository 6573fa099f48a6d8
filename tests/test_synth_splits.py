"""Splits: whole books, every edition on one side, decided by names and counts alone."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.checks.units import units
from her.errors import InputError
from her.rows.record import SceneRow
from her.synth.options import PURPOSES, SHARES
from her.synth.samples.editions import Edition, same_author, same_book, title_key, works
from her.synth.samples.samples import SampleOptions, SampleReport
from her.synth.samples.splits import Fingerprints, assign, by_purpose
from sampled import SPEECH, library, made, said, small

# -- one book, many titles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Moby-Dick or, The Whale", "Moby Dick; or, The Whale"),
        ("Moby-Dick", "MOBY‐DICK: or the whale"),
        ("Tess of the D’Urbervilles", "Tess of the d'Urbervilles: A Pure Woman"),
        ("Frankenstein: The 1818 Text", "Frankenstein, or, the Modern Prometheus"),
        ("The Time Machine", "Time Machine, The"),
        ("Les Misérables", "Les Mise\u0301rables (Penguin Classics)"),
        ("Harry Potter and the Sorcerer’s Stone", "Harry Potter and the Sorcerer's Stone"),
        ("Who's Afraid?", "Whos afraid!"),
        ("Ｅｍｍａ", "emma"),
        ("War and Peace, Vol. 2", "War and Peace"),
        ("L'Étranger", "L’etranger"),
        ("《红楼梦》", "红楼梦"),
        ("Der Prozess", "Prozess"),
        ("Middlemarch — A Study of Provincial Life", "Middlemarch"),
    ],
)
def test_spellings_subtitles_and_editions_are_one_title(one: str, other: str) -> None:
    assert title_key(one) == title_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Emma", "Emmanuel"),
        ("Emma", "Emma and I"),
        ("Pride and Prejudice", "Pride and Prejudice and Zombies"),
        ("The Trial", "The Trial of Elizabeth Gadge"),
        ("It", "Itch"),
        ("The Complete Novels", "Pride and Prejudice"),
        ("The", "A"),
        ("红楼梦", "续红楼梦"),
    ],
)
def test_a_title_inside_another_is_another_book(one: str, other: str) -> None:
    assert title_key(one) != title_key(other)


def test_a_title_of_signs_alone_still_has_a_work() -> None:
    assert title_key("!!!") == ""
    assert works([Edition("!!!"), Edition("Emma")]) == {Edition("!!!"): "!!!", Edition("Emma"): "emma"}
    assert title_key("(untitled)") == "untitled"
    assert title_key(": the rest") == "rest"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Jane Austen", "Austen, Jane", True),
        ("J. Austen", "Jane Austen", True),
        ("Fyodor Dostoyevsky", "Fyodor Dostoevsky", True),
        ("Jane Austen", "", True),
        ("曹雪芹", "曹雪芹 高鹗", True),
        ("Émile Zola", "Emile Zola", True),
        ("Kate Chopin", "Jane Austen", False),
        ("J. K.", "J. R.", True),
    ],
)
def test_one_author(one: str, other: str, same: bool) -> None:
    assert same_author(one, other) is same_author(other, one) is same


def test_one_title_by_two_authors_is_two_books_unless_somebody_is_unknown() -> None:
    chopin, other = Edition("The Awakening", "Kate Chopin"), Edition("Awakening", "Peter Rowan")
    assert not same_book(chopin, other)
    apart = works([chopin, other])
    assert apart[chopin] != apart[other]
    nobody = Edition("The Awakening")
    joined = works([chopin, other, nobody])
    assert joined[chopin] == joined[other] == joined[nobody] == "awakening"


@given(
    st.permutations(
        [Edition("Emma", "Jane Austen"), Edition("EMMA", "J. Austen"), Edition("Ema"), Edition("Emma", "X Y Zed")]
    )
)
def test_works_do_not_depend_on_order(editions: list[Edition]) -> None:
    assert works(editions) == works(sorted(editions, key=str))


# -- assignment ------------------------------------------------------------------------------------------------

shelves = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers(0, 60), max_size=40)
some_shares = st.fixed_dictionaries({p: st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]) for p in PURPOSES}).filter(
    lambda shares: sum(shares.values()) > 0
)


@given(shelves, some_shares, st.integers(0, 5))
def test_every_book_has_one_purpose_and_nothing_is_lost(
    books: dict[str, int], shares: dict[str, float], seed: int
) -> None:
    chosen = assign(books, shares=shares, seed=seed)
    assert set(chosen) == {book for book, scenes in books.items() if scenes}
    wanted = [purpose for purpose in PURPOSES if shares[purpose]]
    assert set(chosen.values()) <= set(wanted)
    assert set(chosen.values()) == set(wanted[: len(chosen)]), "the first purposes have books before the others do"
    shuffled = list(books.items())
    random.Random(seed).shuffle(shuffled)
    assert assign(dict(shuffled), shares=shares, seed=seed) == chosen


def test_shares_are_met_as_well_as_whole_books_allow() -> None:
    rng = random.Random(7)
    books = {f"book {n}": rng.randint(5, 60) for n in range(200)}
    filled, total = Counter[str](), sum(books.values())
    for book, purpose in assign(books, seed=3).items():
        filled[purpose] += books[book]
    for purpose, share in SHARES.items():
        assert abs(filled[purpose] / total - share) < 0.01


def test_one_book_serves_sft_and_a_huge_one_does_not_become_the_test() -> None:
    assert assign({"only": 9}) == {"only": "sft"}
    chosen = assign({"huge": 970, "a": 10, "b": 10, "c": 10})
    assert chosen["huge"] == "sft" and sorted(chosen.values()) == sorted(SHARES)


def test_another_seed_is_another_draw() -> None:
    books = {f"book {n}": 10 for n in range(40)}
    assert assign(books, seed=1) == assign(books, seed=1) != assign(books, seed=2)


def test_a_pin_holds_even_where_it_leaves_a_purpose_empty() -> None:
    assert assign({"only": 9}, pins={"only": "test"}) == {"only": "test"}
    books = {f"book {n}": 10 for n in range(10)}
    chosen = assign(books, pins={"book 3": "rl", "book 4": "rl", "book 5": "rl"})
    assert [chosen[f"book {n}"] for n in (3, 4, 5)] == ["rl"] * 3
    assert by_purpose(chosen)["rl"] == ["book 3", "book 4", "book 5"], "they fill more than its share"


@pytest.mark.parametrize("shares", [{}, {"sft": 0.0}, {"sft": -1.0, "rl": 2.0}, {"sft": float("nan")}, {"train": 1.0}])
def test_shares_that_cannot_be_met_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InputError, match="shares"):
        assign({"a": 1}, shares=shares)


# -- through the whole stage -----------------------------------------------------------------------------------


def purposes(report: SampleReport) -> dict[str, str | None]:
    return {use.title: use.purpose for use in report.books}


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = library(15, 2)
    report, _ = made(rows, tmp_path / "a")
    other, _ = made(random.Random(1).sample(rows, len(rows)), tmp_path / "b")
    assert purposes(report) == purposes(other)
    assert report.books == other.books and report.rows == other.rows


def test_two_editions_are_one_book(tmp_path: Path) -> None:
    rows = library(9, 2)
    twice = [small(f"again/{n}/1", book="BOOK AC: A Novel", source={"book": "BOOK AC: A Novel"}) for n in range(3)]
    for seed in range(4):
        report, _ = made([*rows, *twice], tmp_path / str(seed), seed=seed)
        assert purposes(report)["BOOK AC: A Novel"] == purposes(report)["Book AC"]


def test_pins_are_by_slug_or_title(tmp_path: Path) -> None:
    pins = {"book-aa": "test", "book ab!": "rl"}
    report, _ = made(library(6, 2), tmp_path, pins=pins)
    assert (purposes(report)["Book AA"], purposes(report)["Book AB"]) == ("test", "rl")
    with pytest.raises(InputError, match=r"'book-zz'.*book-aa, book-ab"):
        made(library(2), tmp_path, pins={"book-zz": "rl"})
    with pytest.raises(InputError, match="purposes are"):
        made(library(2), tmp_path, pins={"book-aa": "training"})
    with pytest.raises(InputError, match="one book has one purpose"):
        made(library(2), tmp_path, pins={"book-aa": "rl", "Book AA": "sft"})


def test_what_is_far_from_its_share_is_told(tmp_path: Path) -> None:
    rows = [*library(3, 1), *(small(f"huge/{n}/1", book="Huge") for n in range(27))]
    report, _ = made(rows, tmp_path)
    assert "sft has 90% of the scenes, not 45%: books are not cut." in report.notes
    assert SampleOptions().shares == SHARES


# -- books that share text -------------------------------------------------------------------------------------


def quoting(id: str, book: str, seed: int, words: int = 400) -> SceneRow:
    """A scene whose speech is drawn from a stream of words that the seed decides."""
    rng = random.Random(seed)
    text = " ".join("".join(rng.choices("abcdefghiklmnorstu", k=rng.randint(2, 8))) for _ in range(words))
    turns = [said(f"t{n}", "AB"[n % 2], (SPEECH, text[n * 200 : n * 200 + 230])) for n in range(len(text) // 200)]
    return small(id, *turns, book=book, cast=[{"name": "A"}, {"name": "B"}])


def test_an_omnibus_and_the_novel_in_it_are_one_book(tmp_path: Path) -> None:
    omnibus = [quoting(f"all/{n}/1", "The Complete Novels", n) for n in range(6)]
    novel = [quoting(f"one/{n}/1", "Sense and Nonsense", n + 2) for n in range(2)]
    others = [quoting(f"other-{n}/1/1", f"Other {chr(65 + n)}", 100 + n) for n in range(8)]
    for seed in range(5):
        report, _ = made([*omnibus, *novel, *others], tmp_path / str(seed), seed=seed)
        assert purposes(report)["The Complete Novels"] == purposes(report)["Sense and Nonsense"]
        assert len({use.work for use in report.books}) == 9


def test_a_quotation_joins_no_books() -> None:
    prints = Fingerprints()
    motto = units("To be, or not to be, that is the question: whether it is nobler in the mind to suffer.")
    for n in range(12):
        rng = random.Random(n)
        prints.add(Edition(f"b{n}"), [[str(rng.random()) for _ in range(2000)], motto])
    assert prints.together() == []


def test_fingerprints_find_shared_text_whatever_its_cuts() -> None:
    rng = random.Random(5)
    words = [str(rng.randint(0, 5000)) for _ in range(6000)]
    prints = Fingerprints()
    prints.add(Edition("a"), [words[n : n + 60] for n in range(0, 6000, 60)])
    prints.add(Edition("b"), [words[n : n + 45] for n in range(1000, 3000, 45)])
    prints.add(Edition("c"), [[str(rng.randint(0, 5000)) for _ in range(3000)]])
    assert prints.together() == [(Edition("a"), Edition("b"))]


# -- what goes wrong in the release ----------------------------------------------------------------------------


def test_a43_turns_of_one_conversation_land_in_several_splits(tmp_path: Path) -> None:
    from her.rows.parquet import read_samples
    from her.rows.samples import PoolRow, SftRow

    for seed in range(3):
        _, folder = made(library(10, 3), tmp_path / str(seed), seed=seed)
        train = {row.scene for row in read_samples(folder, "roleplay-sft-plain", SftRow)}
        held = {row.scene for row in read_samples(folder, "roleplay-sft-plain", SftRow, "test")}
        pool = {row.scene for row in read_samples(folder, "reward-pool", PoolRow)}
        assert train and held and pool
        books = [{scene.partition("/")[0] for scene in scenes} for scenes in (train, held, pool)]
        assert books[0].isdisjoint(books[1]) and books[0].isdisjoint(books[2]) and books[1].isdisjoint(books[2])
