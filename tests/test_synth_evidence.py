"""What a stage may read: the text before a scene, bounded selections of it, and the places of quotations."""

from __future__ import annotations

import random
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earlier import (
    ACTION,
    FERRY,
    HARBOUR,
    SPEECH,
    THOUGHT,
    ferry,
    ferry_row,
    harbour,
    office,
    pride,
    shelf,
    source,
    spoken,
)
from her.checks.units import units
from her.errors import InputError
from her.rows.record import SceneRow, TurnRow
from her.scene import Character
from her.synth.context.evidence import GAP, before, book_of, called, find_quote, is_named, is_quote, opening
from her.turn import ENVIRONMENT, Segment, Turn


def opened(row: SceneRow, text: str = HARBOUR) -> str:
    book = harbour() if text is HARBOUR else ferry()
    start, end = opening(row, book)
    return text[start:end]


# Where a scene begins.


def test_opening_ends_with_the_narrators_line_before_the_first_word() -> None:
    text = opened(office(harbour()))
    assert text.endswith("only the desk lamp was lit.")
    assert opened(ferry_row(ferry()), FERRY).endswith("渡口只剩一盏灯。")


def test_opening_leaves_out_what_stands_before_the_first_chapter() -> None:
    assert opened(office(harbour())).startswith("Anna Weir had kept")


def test_opening_ends_before_the_deed_that_the_first_turn_begins_with() -> None:
    book = harbour()
    deed = spoken(book, "t01", "Anna Weir", "The tide tables", before=((ACTION, "Anna closed the ledger."),))
    assert "closed the ledger" not in opened(office(book, turns=(deed,)))
    vague = spoken(book, "t01", "Anna Weir", "None,", before=((ACTION, "shuts the book"),))
    assert opened(office(book, turns=(vague,))).endswith(
        "asked Anna twice to marry him.\n\nII. Anna Weir drowns the lamp"
    )


def test_opening_with_an_environment_first_ends_where_the_scene_begins() -> None:
    book = harbour()
    rain = TurnRow.of(Turn(ENVIRONMENT, (Segment(SPEECH, "Rain on the windows."),), None, "t00"))
    assert "last evening" not in opened(office(book, turns=(rain, *office(book).turns)))


def test_opening_is_the_same_after_minds_were_written_in() -> None:
    book = harbour()
    row = office(book)
    first = spoken(book, "t01", "Captain Holt", "You work late, Miss Weir,", before=((THOUGHT, "She is alone."),))
    played = row.model_copy(update={"turns": (first, *row.turns[1:]), "original": row.turns})
    assert opening(played, book) == opening(row, book)


def test_a_row_without_a_place_has_no_opening(tmp_path: Path) -> None:
    book = harbour()
    row = office(book, source=source(book, "On", "On").model_copy(update={"start": None}))
    assert opening(row, book) == (0, 0)
    assert before(row, book, ["Anna Weir"], 500) == ""
    assert book_of(row, tmp_path / "nowhere") is None


def test_a_book_of_another_text_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    book = harbour()
    row = office(book)
    assert book_of(row, shelf(tmp_path, book)) == book
    other = row.model_copy(update={"source": row.source.model_copy(update={"sha": "0" * 64})})
    with pytest.raises(InputError, match=r"harbour/2/1.*make the scenes again"):
        book_of(other, tmp_path)


# Selections.


def test_all_of_a_short_text_is_shown_without_gaps_and_headings() -> None:
    text = before(office(harbour()), harbour(), ["Anna Weir"], 6000)
    assert GAP not in text
    assert "drowns" not in text
    assert "Lisbon on Thursday" not in text
    assert text.count("\n\n") == 5


@given(st.integers(0, 2500), st.sampled_from([[], ["Anna Weir"], ["Captain Holt"], ["Anna Weir", "Captain Holt"]]))
def test_a_selection_keeps_within_its_bound_and_is_made_of_the_text_in_order(chars: int, names: list[str]) -> None:
    book = harbour()
    text = before(office(book), book, names, chars)
    assert len(text) <= chars
    assert text == before(office(book), book, names, chars)
    end, at = opening(office(book), book)[1], 0
    for part in (part for part in text.split("\n\n") if part != GAP):
        at = HARBOUR.index(part, at) + len(part)
        assert at <= end


def test_a_selection_prefers_the_last_stretch_and_paragraphs_with_the_name() -> None:
    book = harbour()
    text = before(office(book), book, ["Captain Holt"], 900)
    assert text.endswith("only the desk lamp was lit.")
    assert "could not come home while Captain Holt lived" in text
    assert text.startswith(GAP)
    assert "Mrs. Pell, who" not in text


def test_a_long_paragraph_is_clipped_around_the_name_between_words() -> None:
    book = harbour()
    text = before(office(book), book, ["Captain Holt"], 500)
    assert "Captain Holt" in text
    assert set(units(text)) <= set(units(HARBOUR))


def test_names_are_whole_words_where_there_are_spaces() -> None:
    book = harbour()
    row = office(book, aliases={}, cast=(Character(name="Ann"), Character(name="Anna Weir"), Character(name="Hol")))
    assert is_named(row, book, "Ann")
    assert not is_named(row, book, "Hol")
    assert not is_named(office(book, cast=(Character(name="Thursday"),)), book, "Thursday")


def test_names_in_chinese_are_found_inside_sentences() -> None:
    book = ferry()
    row = ferry_row(book)
    assert called(row, "林晚秋") == ("林晚秋", "晚秋")
    assert is_named(row, book, "周渡生")
    assert "舱板底下" in before(row, book, ["周渡生"], 200)


def test_given_names_and_aliases_call_a_character() -> None:
    row = office(harbour(), aliases={"Anna Weir": ("Miss Weir", "the clerk")})
    assert called(row, "Anna Weir") == ("Anna Weir", "Miss Weir", "the clerk", "Anna")
    assert called(row, "Captain Holt") == ("Captain Holt",)
    sentence = "The clerk looked up."
    book = harbour()
    text = sentence + book.text
    assert is_named(office(book), book, "Captain Holt")
    assert find_quote("the clerk looked up", text) == (0, len(sentence) - 1)


# Quotations.

TEXT = (
    "“Oh! single, my dear, to be sure!--A single man of large fortune; four or five thousand a year. What a ﬁne "
    "thing for our girls!”\n\nHe didn’t _quite_ answer… but the café’s second-hand clock struck—once; and Mr. Bennet, "
    "who was\nso odd a mixture of quick parts, sarcastic humour, reserve, and caprice, went out."
)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("a single man of large fortune", "A single man of large fortune"),
        ('"Oh! single, my dear, to be sure! -- A single man', "Oh! single, my dear, to be sure!--A single man"),
        ("What a fine thing for our girls!", "What a ﬁne thing for our girls!"),
        ("He didn't quite answer... but", "He didn’t _quite_ answer… but"),
        ("the cafe\u0301's second‐hand clock struck – once", "the café’s second-hand clock struck—once"),
        ("who was so odd a mixture", "who was\nso odd a mixture"),
        ("mixture of quick parts, sarcastic humour...", "mixture of quick parts, sarcastic humour"),
        ("WHO was so odd a mixture", None),
        ("who was so odd a mix", None),
        ("ho was so odd a mixture", None),
        ("who was such an odd mixture", None),
        ("quick parts, humour, reserve", None),
        ("He did quite answer but the", None),
        ("t quite answer but the cafe", None),
        ("so odd a", None),
        ("", None),
        ("“…”", None),
    ],
)
def test_a_quotation_is_found_whatever_its_typography_and_never_nearly(quote: str, found: str | None) -> None:
    place = find_quote(quote, TEXT)
    assert (place and TEXT[slice(*place)]) == found


def test_chinese_quotations_have_no_spaces_to_mind() -> None:
    text = "老周说：“江水 涨得太快了，\n今晚没有船。”她没有坐下……伞尖滴着水——一小圈。"
    for quote in ("江水涨得太快了，今晚没有船", "「江水涨得太快了,今晚没有船。」", "她没有坐下...伞尖滴着水—一小圈"):
        assert find_quote(quote, text) is not None
    assert find_quote("江水涨得太快", text) is None
    assert find_quote("江水涨得太慢了，今晚没有船", text) is None


def test_the_least_of_a_quotation_is_four_words_or_eight_characters() -> None:
    assert is_quote("one two three four")
    assert not is_quote("one two three!")
    assert is_quote("今晚没有船了我等")
    assert not is_quote("今晚没有船了我")
    assert is_quote("two words 今晚没有")


def test_only_the_part_that_may_be_read_is_searched() -> None:
    text = "She kept the books well. Then she kept the books well again."
    first, second = find_quote("she kept the books", text), find_quote("she kept the books", text, 10)
    assert first == (0, 18)
    assert second == (30, 48)
    assert find_quote("she kept the books", text, 0, 17) is None
    assert find_quote("she kept the books", text, 0, 18) == first


def damaged(text: str, chance: random.Random) -> str:
    """The same words as somebody else might print them."""
    swaps = {
        "“": ["“", '"', "«", "``", "", "'"],
        "”": ["”", '"', "»", "''", ""],
        "’": ["’", "'"],
        "'": ["’", "'"],
        " ": [" ", "  ", "\n", "\u00a0", "\n\n", " \u200b"],
        "--": ["--", "—", " – ", "-"],
        "—": ["--", "—", " - "],
        "fi": ["fi", "ﬁ"],
        "é": ["é", "e\u0301"],
        "…": ["…", "...", ". . ."],
        ",": [",", "，"],
    }
    made, at = "", 0
    while at < len(text):
        old = next((old for old in swaps if text.startswith(old, at)), text[at])
        new = chance.choice(swaps.get(old, [old]))
        if old == "’" and not (0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha()):
            new = old
        made += new + "\u00ad" * (old.isalpha() and chance.random() < 0.05 and text[at + 1 : at + 2].isalpha())
        at += len(old)
    made = unicodedata.normalize(chance.choice(["NFC", "NFD"]), made)
    return made[:1].swapcase() + made[1:] if chance.random() < 0.3 else made


@given(st.randoms(use_true_random=False), st.sampled_from([HARBOUR, FERRY, TEXT]))
def test_damage_to_the_typography_hides_no_quotation(chance: random.Random, text: str) -> None:
    words = text.split(" ") if text is not FERRY else list(text)
    first = chance.randrange(len(words))
    passage = (" " if text is not FERRY else "").join(words[first : first + chance.randrange(4, 40)]).strip()
    place = find_quote(damaged(passage, chance), text)
    if not is_quote(passage):
        assert place is None
        return
    assert place is not None
    got, meant = units(text[slice(*place)]), units(passage)
    assert unicodedata.normalize("NFKC", " ".join(got)) == unicodedata.normalize("NFKC", " ".join(meant))


@given(st.randoms(use_true_random=False))
def test_one_other_word_and_it_is_no_quotation(chance: random.Random) -> None:
    words = HARBOUR.split()
    first = chance.randrange(len(words) - 12)
    passage = words[first : first + 12]
    at = chance.randrange(1, 11)
    assert find_quote(" ".join([*passage[:at], "zanzibar", *passage[at + 1 :]]), HARBOUR) is None
    assert find_quote(" ".join([*passage[:at], *passage[at + 1 :]]), HARBOUR) is None


def test_a_megabyte_is_read_once() -> None:
    words = [chr(97 + n % 26) * (2 + n % 7) + str(n) for n in range(120_000)]
    text = "".join(f"{word}{', ' if n % 9 else '. “'}" for n, word in enumerate(words))
    assert len(text) > 1_000_000
    began = time.perf_counter()
    assert find_quote(" ".join(words[90_001:90_007]), text) is None
    assert time.perf_counter() - began < 5
    began = time.perf_counter()
    for n in range(90_001, 90_004):
        assert find_quote(", ".join(words[n : n + 5]), text) is not None
    assert time.perf_counter() - began < 0.5


# A real book.


def assembly(her_data: Path) -> tuple[SceneRow, Path]:
    book = pride(her_data)
    turns = (
        spoken(book, "t01", "Mr. Bingley", "Come, Darcy,", "I must have you dance."),
        spoken(book, "t02", "Mr. Darcy", "I certainly shall not."),
    )
    row = SceneRow(
        id="pride/3/13",
        title="Tolerable",
        source=source(book, "Elizabeth Bennet had been obliged", "for you are wasting your time with me."),
        cast=(Character(name="Mr. Bingley"), Character(name="Mr. Darcy"), Character(name="Elizabeth Bennet")),
        aliases={"Mr. Bingley": ("Bingley",), "Mr. Darcy": ("Darcy",), "Elizabeth Bennet": ("Lizzy",)},
        turns=turns,
    )
    return row, her_data


def test_evidence_for_a_scene_of_austen(her_data: Path) -> None:
    row, folder = assembly(her_data)
    book = pride(folder)
    start, end = opening(row, book)
    assert book.text[start:end].startswith("It is a truth universally acknowledged")
    assert book.text[start:end].endswith("to press his friend to join it.")
    darcy = before(row, book, ["Mr. Darcy"], 3000)
    assert "his friend Mr. Darcy soon drew the attention of the room" in " ".join(darcy.split())
    assert len(darcy) <= 3000
    lizzy = before(row, book, ["Elizabeth Bennet"], 3000)
    assert "I must throw in a good word for my little Lizzy" in lizzy
    assert "tolerable" not in darcy + lizzy
    place = find_quote("he was looked at with great admiration for about half the evening", book.text, start, end)
    assert place is not None
    assert find_quote("She is tolerable, but not handsome enough to tempt me", book.text, start, end) is None
    assert find_quote("She is tolerable, but not handsome enough to tempt me", book.text) is not None
