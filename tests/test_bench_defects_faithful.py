"""Defects of the official release that a measure of the layers could have too, each named by what goes wrong."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from inspect_ai.scorer import SampleScore, Score

from held_turns import held
from her.bench.faithful.binding import bindings
from her.bench.faithful.controls import Startled
from her.bench.faithful.replay import FIGURES, replayed
from her.bench.figures import Unscored, Why, mean_scored, score
from her.models.base import Sampling
from her.models.recorded import Scripted


async def test_a3_a_reply_without_words_is_scored_as_a_turn() -> None:
    done = await replayed(Scripted(lambda *_: ""), held(), Sampling())
    assert done.values.keys() == {figure.name for figure in FIGURES}
    assert {value.why if isinstance(value, Unscored) else value for value in done.values.values()} == {Why.EMPTY}


async def test_a4_a_failure_is_a_number_in_the_mean() -> None:
    weighed = (await bindings(Startled(), held()))["bits"]
    failed = (await bindings(Scripted([]), held()))["bits"]
    scores = [score({"bits": value}, cluster=book).as_dict()["bits"] for value, book in ((weighed, "a"), (failed, "b"))]
    samples = [SampleScore(score=Score(value=value)) for value in scores]
    assert math.isnan(samples[1].score.as_float())
    assert mean_scored()(samples) == pytest.approx(weighed)


async def test_a19_the_same_seed_does_not_give_the_same_numbers() -> None:
    first, again = [(await replayed(Startled(), held(), Sampling(seed=4))).values for _ in range(2)]
    other = (await replayed(Startled(), held(), Sampling(seed=5))).values
    assert first == again
    assert first != other


async def test_a21_what_the_backend_does_not_tell_is_0_without_a_word() -> None:
    values = await bindings(Scripted([]), held())
    assert all(isinstance(value, Unscored) and value.why is Why.ABSENT and value.detail for value in values.values())


async def test_a22_the_turn_that_is_measured_is_changed_by_it() -> None:
    turn = held()
    before = turn.model_dump_json()
    await bindings(Startled(), turn)
    await replayed(Startled(), turn, Sampling(seed=1))
    assert turn.model_dump_json() == before
