"""Ids become text in whole characters, without the forced beginning, up to a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.models.base import Finish
from her.models.decoding import Decoding

END = 256


def decoding(**options: object) -> Decoding:
    """One id a byte, and 256 as the end."""
    return Decoding(lambda token: bytes([token]), frozenset({END}), **({"limit": 10_000} | options))  # type: ignore[arg-type]


def play(made: Decoding, text: str, *, end: bool = True) -> list[str]:
    pieces = []
    for token in [*text.encode(), *[END] * end]:
        if made.finish is not None:
            break
        pieces.append(made.take(token))
    return [piece for piece in pieces if piece]


@given(st.text(), st.text(max_size=5))
def test_pieces_are_whole_characters_and_make_up_the_text(text: str, forced: str) -> None:
    made = decoding(forced=forced)
    pieces = play(made, forced + text)
    assert "".join(pieces) == made.text == text
    assert made.finish is Finish.STOP
    assert made.written == len((forced + text).encode())


@given(st.text("abx"), st.lists(st.text("abx", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_text_ends_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    made = decoding(stop=tuple(stops))
    pieces = play(made, text)
    cuts = [text[:end] for end in range(len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)]
    first = cuts[0] if cuts else ""
    expected = min(first[: -len(stop)] for stop in stops if first.endswith(stop)) if cuts else text
    assert "".join(pieces) == made.text == expected
    assert made.finish is Finish.STOP


def test_a_possible_stop_string_is_held_back_until_it_is_none() -> None:
    made = decoding(stop=("\n\nBob:",))
    assert [made.take(b) for b in b"hi\n\nBo"] == ["h", "i", "", "", "", ""]
    assert made.take(ord("a")) == "\n\nBoa"


def test_what_was_held_back_is_given_when_the_reply_is_cut() -> None:
    made = decoding(stop=("xyz",))
    play(made, "so xy", end=False)
    assert made.rest() == "xy"
    assert made.text == "so xy"
    assert made.finish is None


def test_a_token_limit_ends_the_reply_and_leaves_out_half_a_character() -> None:
    made = decoding(limit=4)
    assert play(made, "abé😀") == ["a", "b", "é"]
    assert made.finish is Finish.LENGTH
    made = decoding(limit=3)
    play(made, "abé")
    assert made.text == "ab"


def test_a_limit_inside_the_forced_text_leaves_nothing() -> None:
    made = decoding(forced="Name: ", limit=3)
    play(made, "Name: x")
    assert made.text == ""
    assert made.finish is Finish.LENGTH


def test_a_stop_string_in_the_forced_text_does_not_stop() -> None:
    made = decoding(forced="\nBob: ", stop=("\nBob:",))
    assert "".join(play(made, "\nBob: hi")) == "hi"


def test_nothing_follows_the_end() -> None:
    made = decoding()
    made.take(END)
    with pytest.raises(RuntimeError, match="after the end"):
        made.take(65)
