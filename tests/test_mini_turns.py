"""What the constraint promises, on the bundled model: every reply is a valid turn, in any language."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from her.models.base import Model

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import valid_turns

pytestmark = pytest.mark.model


@pytest.mark.parametrize("language", valid_turns.LANGUAGES)
async def test_a_constrained_reply_is_a_valid_turn_in_any_language(mini: Model, language: str) -> None:
    played = await valid_turns.play(mini, "on", language, seed=1)
    assert played.wrong == ()


@pytest.mark.long
async def test_fifty_seeds_give_fifty_valid_turns(mini: Model) -> None:
    done = await valid_turns.plays(mini, 50, "on")
    assert [(p.language, p.seed, p.wrong) for p in done if p.wrong] == []


@pytest.mark.parametrize(
    ("text", "cut"),
    [("perhaps", False), ("x" * 24, True), ("one " + "x" * 23, False), ("字" * 40, False), ("x" * 24 + ".", False)],
)
def test_a_cut_word_is_noticed(text: str, cut: bool) -> None:
    assert valid_turns.cut_in_a_word(text) is cut
