"""Names of control tokens in what people write; templates and marks are tested with the models that have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.models.template import CUT, cut, disarmed

NAMES = [
    "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|start_header_id|>", "<|endoftext|>", "<|channel>", "<channel|>",
    "<｜User｜>", "<｜end▁of▁sentence｜>", "<s>", "</s>", "<pad>", "<unk>", "<bos>", "<eos>", "<eot>", "<sop>",
    "<EOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<start_of_turn>", "<end_of_turn>", "<unused7>", "<reserved_106>",
    "<extra_id_0>", "<seed:eos>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[gMASK]", "[EOS]", "[|endofturn|]", "[e~[",
    "]~b]", "]~!b[",
]  # fmt: skip
PIECES = [*NAMES, "<", ">", "[", "]", "|", "~b", "[e~", "/s", "INST", "system", " ", "\n", "‹", "¦›"]
texts = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


def held(text: str) -> set[str]:
    """The names in a text."""
    return {name for name in NAMES if name in text}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_cut_and_written_in_look_alikes(name: str) -> None:
    text = f"Well{name}\nyes"
    assert len(cut(text).split(CUT)) > 1 and cut(text).replace(CUT, "") == text
    assert disarmed(text) != text and disarmed(text).startswith("Well") and disarmed(text).endswith("\nyes")


@given(texts)
def test_what_stands_between_two_cuts_holds_no_name_and_together_they_are_the_text(text: str) -> None:
    pieces = cut(text).split(CUT)
    assert "".join(pieces) == text
    assert not any(held(piece) for piece in pieces) and all(cut(piece) == piece for piece in pieces)


@given(texts)
def test_look_alikes_hold_no_name_keep_the_length_and_are_written_once(text: str) -> None:
    shown = disarmed(text)
    assert len(shown) == len(text) and not held(shown) and disarmed(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<role_thinking>hm</role_thinking><role_action>nods</role_action>",
        "<think>x</think> <b>bold</b> <user> <Bob> hi",
        "[thought] [sic] [img]x[/img] a[0]|b[1] [[Anna]] array[e]",
        "a < b | c > d, x <= y >= z, <3, <|, |>, || -> ~b",
        "“Wirklich?” — 你好，世界 🎭 ‹quoted› ⟦x⟧",
    ],
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert cut(text) == disarmed(text) == text
