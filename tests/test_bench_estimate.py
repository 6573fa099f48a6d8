"""Before a run: calls, tokens, cost, and the smallest difference that can be shown; nothing of it is made up."""

from __future__ import annotations

import json
import math
import random
from collections.abc import AsyncIterator, Sequence
from statistics import NormalDist, fmean, stdev

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")

from bench_runs import SHEET
from her.bench.estimate import (
    WORST,
    Ask,
    Estimate,
    detectable,
    detectables,
    estimate_parts,
    prices,
    summary,
)
from her.errors import InputError
from her.models.base import Constraint, Message, Model, Reply, Sampling
from her.rows.report import Price

ASKED = (Message("system", "x" * 300), Message("user", "y" * 100))


class Silent(Model):
    """A model that may count, and must not be asked."""

    def __init__(self, address: str, tokens: int | None = None) -> None:
        self.address, self._tokens = address, tokens

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        return self._tokens

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncIterator[str | Reply]:
        raise AssertionError("an estimate asks nothing")
        yield ""


class TestCalls:
    async def test_calls_and_tokens_are_summed_by_part_with_growing_prompts(self) -> None:
        models = {"actor": Silent("mini", 90), "judge": Silent("strict")}
        asks = [Ask("actor", ASKED, 50, times=4, growth=10), Ask("judge", ASKED, 200, times=2), Ask("actor", ASKED, 5)]
        actor, judge = await estimate_parts(asks, models)
        assert (actor.role, actor.model, actor.calls, actor.counted) == ("actor", "mini", 5, True)
        assert actor.prompt_tokens == 90 * 5 + 10 * (0 + 1 + 2 + 3) and actor.completion_tokens == 205
        assert (judge.calls, judge.prompt_tokens, judge.completion_tokens, judge.counted) == (2, 200, 400, False)
        assert actor.cost is None is judge.cost

    async def test_epochs_ask_everything_again(self) -> None:
        (once,) = await estimate_parts([Ask("actor", ASKED, 50)], {"actor": Silent("m")})
        (thrice,) = await estimate_parts([Ask("actor", ASKED, 50)], {"actor": Silent("m")}, epochs=3)
        assert (thrice.calls, thrice.prompt_tokens, thrice.completion_tokens) == (
            3 * once.calls,
            3 * once.prompt_tokens,
            3 * once.completion_tokens,
        )

    async def test_one_prompt_that_cannot_be_counted_makes_the_part_uncounted(self) -> None:
        class Forgetful(Silent):
            async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
                return 7 if len(messages) == 2 else None

        (part,) = await estimate_parts([Ask("actor", ASKED, 1), Ask("actor", ASKED[:1], 1)], {"actor": Forgetful("m")})
        assert not part.counted and part.prompt_tokens == 7 + 75

    async def test_a_price_is_of_its_part_or_of_all(self) -> None:
        models = {"actor": Silent("m", 1_000_000), "judge": Silent("m", 1_000_000)}
        asks = [Ask("actor", ASKED, 1_000_000), Ask("judge", ASKED, 1_000_000)]
        actor, judge = await estimate_parts(asks, models, {"": Price(1, 2), "judge": Price(3, 15)})
        assert (actor.cost, judge.cost) == (3.0, 18.0)
        assert Estimate(1, 1, 1, (actor, judge), ()).cost == 21.0

    async def test_half_the_prices_are_no_total(self) -> None:
        models = {"actor": Silent("m", 10), "judge": Silent("m", 10)}
        parts = await estimate_parts([Ask("actor", ASKED, 1), Ask("judge", ASKED, 1)], models, {"judge": Price(3, 15)})
        assert [part.cost is None for part in parts] == [True, False]
        assert Estimate(1, 1, 1, parts, ()).cost is None
        assert Estimate(1, 1, 1, (), ()).cost is None

    async def test_a_part_that_nobody_plays_is_named(self) -> None:
        with pytest.raises(InputError, match="nobody plays 'judge'; the parts are actor"):
            await estimate_parts([Ask("judge", ASKED, 1)], {"actor": Silent("m")})


class TestPrices:
    def test_flags(self) -> None:
        assert prices(["3/15", "judge=0.5/1"]) == {"": Price(3, 15), "judge": Price(0.5, 1)}
        assert prices([]) == {}

    @pytest.mark.parametrize("text", ["", "3", "a/b", "1/2/3", "judge=", "-1/2", "nan/1", "inf/1"])
    def test_what_is_no_price_is_named(self, text: str) -> None:
        with pytest.raises(InputError, match="--price"):
            prices([text])


class TestWhatCanBeShown:
    @pytest.mark.parametrize(
        ("clusters", "multiple"),
        # Student's t at 97.5 % and 80 %, from printed tables: 2.571 + 0.920, 2.093 + 0.861, 1.984 + 0.845.
        [(6, 3.491), (20, 2.954), (100, 2.829)],
    )
    def test_it_is_as_many_standard_errors_as_the_tables_say(self, clusters: int, multiple: float) -> None:
        found = detectable(2.0, clusters)
        assert found is not None
        assert found / (2.0 / math.sqrt(clusters)) == pytest.approx(multiple, abs=0.006)

    def test_many_clusters_come_to_the_normal_law(self) -> None:
        normal = NormalDist()
        found = detectable(1.0, 10**6)
        assert found == pytest.approx((normal.inv_cdf(0.975) + normal.inv_cdf(0.8)) / 1000, rel=1e-4)

    def test_too_few_clusters_show_nothing(self) -> None:
        assert detectable(1.0, 5) is None and detectable(1.0, 0) is None

    def test_a_difference_of_that_size_is_found_in_eighty_of_a_hundred(self) -> None:
        rng, found, tries, count = random.Random(3), 0, 3000, 25
        size = detectable(1.0, count)
        assert size is not None
        for _ in range(tries):
            drawn = [rng.gauss(size, 1.0) for _ in range(count)]
            found += abs(fmean(drawn)) / (stdev(drawn) / math.sqrt(count)) > 2.064  # t at 97.5 %, 24 degrees
        assert found / tries == pytest.approx(0.8, abs=0.025)

    def test_no_two_shares_that_are_independent_differ_by_more_than_the_worst_case(self) -> None:
        spreads = [math.sqrt(p * (1 - p) + q * (1 - q)) for p in (0.1, 0.5, 0.9) for q in (0.1, 0.5, 0.9)]
        assert max(spreads) == pytest.approx(WORST)

    def test_without_an_earlier_log_shares_have_the_worst_case_and_bits_have_none(self) -> None:
        found = {one.figure: one for one in detectables(SHEET, 100)}
        assert set(found) == {"average", "readable", "bits"}, "turns are neither better nor worse"
        assert found["readable"].smallest == pytest.approx(0.2, abs=0.001) and found["readable"].how == "the worst case"
        assert found["average"].smallest == pytest.approx(20, abs=0.1)
        assert found["bits"].smallest is None and "give an earlier log" in found["bits"].how

    def test_an_earlier_log_tells_more(self) -> None:
        found = {one.figure: one for one in detectables(SHEET, 100, {"bits": 0.5, "readable": 0.1}, "old.eval")}
        assert found["bits"].smallest == pytest.approx(0.5 * 0.2829, abs=0.001) and found["bits"].how == "by old.eval"
        assert found["readable"].smallest == pytest.approx(0.0283, abs=0.001)

    def test_what_is_more_than_the_whole_scale_is_no_figure(self) -> None:
        (_, few, _) = detectables(SHEET, 4)
        assert few.smallest is None and few.how == "fewer than 6 clusters"
        (average, readable, _) = detectables(SHEET, 6)
        assert average.smallest is None is readable.smallest and "whole scale" in average.how


async def test_a_terminal_is_told_all_of_it_and_nothing_made_up() -> None:
    models = {"actor": Silent("mini", 2_000), "judge": Silent("strict")}
    parts = await estimate_parts([Ask("actor", ASKED, 100, times=10), Ask("judge", ASKED, 500)], models)
    found = Estimate(100, 20, 2, parts, detectables(SHEET, 20))
    said = summary(found).split("\n")
    assert said[0] == "100 cases in 20 clusters, 2 times each"
    assert said[1] == "actor (mini): 10 calls, about 20,000 tokens in, 1,000 out"
    assert said[2] == "judge (strict): 1 call, about 100 tokens in (by characters, four a token), 500 out"
    assert "smallest difference of average: 46.7" in said[3]
    assert "percentage points (the worst case)" in said[4]
    assert "not known" in said[5] and "cost" not in "\n".join(said)
    priced = await estimate_parts([Ask("actor", ASKED, 100), Ask("judge", ASKED, 5)], models, {"": Price(100, 100)})
    assert "cost about 0.21" in summary(Estimate(1, 1, 1, priced, ())) and "together about 0.22" in summary(
        Estimate(1, 1, 1, priced, ())
    )
    json.dumps(found.as_json(), allow_nan=False)
