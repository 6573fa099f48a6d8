"""The pace: up while all goes well, down once for each setback, and never to a stop."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.rows.pace import FIRST, STEPS, Pace


class Clock:
    """Seconds that go on when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def rounds(pace: Pace, count: int) -> None:
    """So many rounds of answers, with as many calls in each as the window lets in."""
    for _ in range(count):
        tickets = [await pace.enter() for _ in range(pace.window)]
        for _ in tickets:
            pace.success()
            pace.leave()


async def test_the_window_doubles_at_first_and_stops_at_the_limit() -> None:
    pace = Pace(100)
    seen = [pace.window]
    for _ in range(4):
        await rounds(pace, 1)
        seen.append(pace.window)
    assert seen == [FIRST, 2 * FIRST, 4 * FIRST, 100, 100]
    assert Pace(3).window == 3


async def test_a_setback_halves_the_window_once_for_all_calls_under_way() -> None:
    pace = Pace(64)
    await rounds(pace, 3)
    tickets = [await pace.enter() for _ in range(64)]
    for ticket in tickets[:40]:
        pace.setback(ticket)
        pace.leave()
    assert (pace.window, pace.flying) == (32, 24)
    late = await pace.enter()
    pace.setback(tickets[-1])
    assert pace.window == 32
    pace.setback(late)
    assert pace.window == 16


async def test_after_a_setback_the_window_grows_by_a_part_of_the_limit_each_round() -> None:
    pace = Pace(640)
    await rounds(pace, 6)
    pace.setback(await pace.enter())
    pace.leave()
    assert pace.window == 320
    await rounds(pace, 4)
    assert pace.window == pytest.approx(320 + 4 * 640 / STEPS, abs=4)


@given(st.lists(st.sampled_from(["enter", "success", "setback"]), max_size=200), st.integers(1, 40))
def test_there_are_never_more_under_way_than_the_window_lets_in_nor_less_than_one(steps: list[str], limit: int) -> None:
    async def play() -> None:
        pace = Pace(limit)
        inside: list[asyncio.Task[int]] = []
        for step in steps:
            if step == "enter":
                inside.append(asyncio.create_task(pace.enter()))
                before = pace.flying
                await asyncio.sleep(0)
                assert pace.flying <= max(before, pace.window)
            elif done := [task for task in inside if task.done()]:
                inside.remove(done[0])
                if step == "success":
                    pace.success()
                else:
                    pace.setback(done[0].result())
                pace.leave()
                await asyncio.sleep(0)
            assert 1 <= pace.window <= limit
            assert pace.flying >= min(1, len(inside)), "nobody waits before an open door"
        while inside:
            (done, *_) = [task for task in inside if task.done()]
            inside.remove(done)
            pace.leave()
            await asyncio.sleep(0)
        assert pace.flying == 0

    asyncio.run(play())


async def test_the_oldest_row_comes_in_first() -> None:
    pace, order = Pace(1), list[int]()
    await pace.enter(0)

    async def come(turn: int) -> None:
        await pace.enter(turn)
        order.append(turn)
        pace.leave()

    tasks = [asyncio.create_task(come(turn)) for turn in (7, 3, 9, 3, 1)]
    await asyncio.sleep(0)
    pace.leave()
    await asyncio.gather(*tasks)
    assert order == [1, 3, 3, 7, 9]


async def test_nobody_comes_in_before_the_server_said() -> None:
    clock = Clock()
    pace = Pace(8, clock=clock)
    ticket = await pace.enter()
    pace.setback(ticket, retry_after=0.05)
    pace.leave()
    waiting = asyncio.create_task(pace.enter())
    await asyncio.sleep(0.07)
    assert not waiting.done(), "the alarm rang too early by this clock, and was set again"
    clock.now += 0.06
    began = time.monotonic()
    await waiting
    assert time.monotonic() - began < 1


async def test_who_gives_up_waiting_leaves_no_hole() -> None:
    pace = Pace(1)
    await pace.enter()
    first, second, third = (asyncio.create_task(pace.enter(turn)) for turn in (1, 2, 3))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    pace.leave()
    second.cancel()  # in the same moment in which it was let in
    await asyncio.wait((first, second))
    await asyncio.wait_for(third, 1)
    assert pace.flying == 1
