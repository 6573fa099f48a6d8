"""Edits of an intention: what is turned round, what only reworded, and that both are of one size."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from hypothesis import given
from hypothesis import strategies as st

from her.bench.faithful.edits import TOLERANCE, base_form, distance, edits, turned
from her.checks.units import units

WORDS = (
    "he she I will not tells asks the key because maybe nobody and , . refuses it's don't let him go 不 想 他 便 说 。"
)
TEXTS = st.lists(st.sampled_from(WORDS.split()), max_size=25).map(" ".join)


@pytest.mark.parametrize(
    ("text", "round"),
    [
        ("I will tell him.", "I will not tell him."),
        ("I won't tell him.", "I will tell him."),
        ("Let him come.", "Do not let him come."),
        ("Don't let him see it.", "Let him see it."),
        ("He asks for the key.", "He does not ask for the key."),
        ("She refuses the key.", "She accepts the key."),
        ("He wants to go.", "He wants not to go."),
        ("I cannot sign it.", "I can sign it."),
        ("She does not take the pen.", "She does take the pen."),
        ("It's mine.", "It's not mine."),
        ("I know her.", "I do not know her."),
        ("She watches the door, and goes.", "She does not watch the door, and does not go."),
        ("I’ll go.", "I’ll not go."),
    ],
)
def test_an_english_intention_is_turned_round(text: str, round: str) -> None:
    assert turned(text, "en-GB") == round


@pytest.mark.parametrize(
    ("text", "round"),
    [
        ("别让他看见。", "只管让他看见。"),
        ("他不肯走。", "他肯走。"),
        ("他想走。", "他不想走。"),
        ("她便放下闲谈。", "她偏不放下闲谈。"),
        ("老人答应了。", "老人拒绝了。"),
    ],
)
def test_a_chinese_intention_is_turned_round(text: str, round: str) -> None:
    assert turned(text, "zh-Hans") == round


def test_words_that_only_look_like_an_intention_are_left_alone() -> None:
    assert turned("想起来了但是只是可能主要", "zh") is None
    assert turned("Half a crown for tea.", "en") is None


def test_both_edits_are_of_one_size_and_only_one_of_them_denies() -> None:
    found = edits("He begins with the joke, because he wants to see her laugh, and asks for the key.", "en")
    assert found is not None
    assert abs(found.turned_size - found.reworded_size) <= TOLERANCE * max(found.turned_size, found.reworded_size)
    assert "not" in units(found.turned)
    assert "not" not in units(found.reworded)


def test_where_little_can_be_reworded_the_last_clause_is_turned_and_the_first_ones_stay() -> None:
    found = edits("He goes, he waits, and he has the key", "en")
    assert found is None or found.turned.startswith("He goes, ")


def test_a_language_without_rules_is_not_edited() -> None:
    assert edits("Je ne veux pas.", "fr") is None
    assert edits("", "en") is None
    assert turned("whatever", "../en") is None


@given(TEXTS, st.sampled_from(["en", "zh", "de"]))
def test_an_edit_of_any_text_changes_it_by_the_size_it_tells(text: str, language: str) -> None:
    found = edits(text, language)
    if found is None:
        return
    assert distance(text, found.turned) == found.turned_size > 0
    assert distance(text, found.reworded) == found.reworded_size > 0
    larger = max(found.turned_size, found.reworded_size)
    assert abs(found.turned_size - found.reworded_size) <= TOLERANCE * larger


@given(TEXTS, TEXTS, TEXTS)
def test_distance_is_a_distance(one: str, two: str, three: str) -> None:
    assert distance(one, one) == 0
    assert distance(one, two) == distance(two, one)
    assert distance(one, three) <= distance(one, two) + distance(two, three)
    assert distance(one, two) >= abs(len(units(one)) - len(units(two)))


@pytest.mark.parametrize(
    ("verb", "base"),
    [("asks", "ask"), ("goes", "go"), ("tries", "try"), ("lies", "lie"), ("watches", "watch"), ("uses", "use"),
     ("passes", "pass"), ("promises", "promise"), ("has", "have"), ("fixes", "fix")],
)  # fmt: skip
def test_a_verb_is_put_into_its_base_form(verb: str, base: str) -> None:
    assert base_form(verb) == base


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_word_is_exchanged_for_itself_and_no_rewording_is_a_reversal(language: str) -> None:
    told = tomllib.loads(files("her.bench.faithful").joinpath("words", f"{language}.toml").read_text("utf-8"))
    pairs = {
        name: [frozenset(pair.replace(">", "/").split("/")) for pair in listed.split()]
        for name, listed in {
            "opposites": told["turned"]["opposites"] + told["turned"]["states"],
            "reworded": told["reworded"]["words"],
        }.items()
    }
    assert all(len(pair) == 2 for listed in pairs.values() for pair in listed)
    assert not set(pairs["opposites"]) & set(pairs["reworded"])
