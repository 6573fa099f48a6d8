"""BLEU, ROUGE-L and win rates: the numbers of the right packages or none, and pairs counted fairly."""

from __future__ import annotations

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from her.bench.coser import overlap
from her.bench.coser.overlap import bleu, rouge_l
from her.bench.coser.win_rate import win_rate
from her.bench.figures import Unscored, Why

BOOK = "Ann: We should go aboard. What is on the hill?\n\nLee: Nothing, only a tree stands on the hill."


def present(value: object) -> float:
    """The value, where the packages are installed."""
    if isinstance(value, Unscored) and value.why is Why.ABSENT:
        pytest.skip(value.detail)
    assert isinstance(value, float)
    return value


def test_a_text_overlaps_with_itself_wholly() -> None:
    assert present(bleu(BOOK, BOOK)) == pytest.approx(1.0)
    assert present(rouge_l(BOOK, BOOK)) == pytest.approx(1.0, abs=1e-6)


def test_bleu_is_that_of_nltk_3_9_1_without_smoothing_in_lower_case() -> None:
    # By hand: 5 of 6 words, 4 of 5 pairs, 3 of 4 triples and 2 of 3 runs of four; both texts have 6 words.
    by_hand = (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert present(bleu("One TWO three four five nine", "one two three four five six")) == pytest.approx(by_hand)
    assert present(bleu("Quite other words here.", BOOK)) < 1e-9


def test_an_apostrophe_before_a_word_stays_with_it() -> None:
    """Newer tokenizers part the two, and then three runs of four are found in place of one."""
    value = present(bleu("'tis a fair sky", "'tis a fair sky"))
    assert value == pytest.approx(1.0)
    assert present(bleu("' tis a fair sky", "'tis a fair sky")) < 0.9


def test_rouge_l_is_that_of_rouge_chinese_case_kept() -> None:
    # Longest common run of words, in order: "we should go" of 4 and of 5 words.
    value = present(rouge_l("we should go now", "we should not go home"))
    share = 2 * (3 / 4 * 3 / 5) / (3 / 4 + 3 / 5 + 1e-8)
    assert value == pytest.approx(share, abs=1e-12)
    assert present(rouge_l("WE SHOULD GO", "we should go")) == 0.0


@pytest.mark.parametrize("of", [bleu, rouge_l])
def test_nothing_to_compare_is_no_value(of: object) -> None:
    for pair in (("", BOOK), (BOOK, " ")):
        value = of(*pair)  # type: ignore[operator]
        assert isinstance(value, Unscored) and value.why in {Why.ABSENT, Why.UNDEFINED}


@pytest.mark.parametrize("version", [None, "3.10.4"])
def test_without_just_that_version_there_is_no_number(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def found(name: str) -> str:
        if version is None:
            raise overlap.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(overlap, "version", found)
    overlap._package.cache_clear()
    try:
        for of in (bleu, rouge_l):
            value = of(BOOK, BOOK)
            assert isinstance(value, Unscored) and value.why is Why.ABSENT and "pip install" in value.detail
    finally:
        overlap._package.cache_clear()


def test_a_win_is_1_a_tie_a_half_and_what_is_unscored_is_counted() -> None:
    none = Unscored(Why.UNREADABLE)
    ours = {"a": 60.0, "b": 50.0, "c": 40.0, "d": none, "e": 10.0}
    theirs = {"a": 50.0, "b": 50.0, "c": 50.0, "d": 20.0, "f": 10.0}
    found = win_rate(ours, theirs, {})
    assert (found.share, found.wins, found.ties, found.losses, found.alone) == (0.5, 1, 1, 1, 3)
    assert found.interval is None


def test_no_pair_is_no_rate() -> None:
    found = win_rate({"a": 1.0}, {"b": 1.0}, {})
    assert isinstance(found.share, Unscored) and found.alone == 2


def test_cases_of_one_book_share_their_luck() -> None:
    ours = {f"{book}/{n}": float(book % 2) for book in range(8) for n in range(20)}
    theirs = dict.fromkeys(ours, 0.5)
    books = {case: case.partition("/")[0] for case in ours}
    by_book, alone = win_rate(ours, theirs, books).interval, win_rate(ours, theirs, {}).interval
    assert by_book is not None and alone is not None
    assert by_book[1] - by_book[0] > 2 * (alone[1] - alone[0])


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 100)),
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 100)),
)
def test_turned_round_it_is_the_rest(ours: dict[str, float], theirs: dict[str, float]) -> None:
    one, other = win_rate(ours, theirs, {}), win_rate(theirs, ours, {})
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    if not isinstance(one.share, Unscored) and not isinstance(other.share, Unscored):
        assert one.share + other.share == pytest.approx(1.0)
