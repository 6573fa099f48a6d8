"""What the constraint promises, on `mini` as chat plays it: every reply is a valid turn, in any language."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from her.actor import COOL
from her.models.address import DEFAULT, open_model
from her.models.base import Model
from her.models.recorded import Scripted

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import valid_turns

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def tuned() -> Iterator[Model]:
    """The bundled model with its adapter."""
    model = open_model(DEFAULT)
    yield model
    asyncio.run(model.close())


@pytest.mark.parametrize("arm", ["on", "off"])
async def test_a_reply_is_asked_for_as_chat_asks(arm: Literal["on", "off"]) -> None:
    model = Scripted(["Yes."] * 2, address=DEFAULT)
    model.constrains = True
    await valid_turns.play(model, arm, "en", seed=1)
    (call,) = model.calls
    assert call.sampling.temperature == COOL and (call.constraint is not None) == (arm == "on")


@pytest.mark.parametrize("language", valid_turns.LANGUAGES)
async def test_a_constrained_reply_is_a_valid_turn_in_any_language(tuned: Model, language: str) -> None:
    played = await valid_turns.play(tuned, "on", language, seed=1)
    assert played.wrong == ()


@pytest.mark.long
async def test_fifty_seeds_give_fifty_valid_turns(tuned: Model) -> None:
    done = await valid_turns.plays(tuned, 50, "on")
    assert [(p.language, p.seed, p.wrong) for p in done if p.wrong] == []


@pytest.mark.parametrize(
    ("text", "cut"),
    [("perhaps", False), ("x" * 24, True), ("one " + "x" * 23, False), ("字" * 40, False), ("x" * 24 + ".", False)],
)
def test_a_cut_word_is_noticed(text: str, cut: bool) -> None:
    assert valid_turns.cut_in_a_word(text) is cut
