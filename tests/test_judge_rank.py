"""Several candidates for one place: who is compared with whom, and what order comes of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from her.errors import InputError
from her.judge.batch import How
from her.judge.case import Case
from her.judge.rank import Contest, RankOptions, rank, rank_file
from her.judge.verdict import Judgement, Reason, Unscored, Verdict
from judged import answer, pair


class ByLength:
    """A judge that likes the longer one, and says nothing of those it is to be silent about."""

    def __init__(self, silent: str = "") -> None:
        self.silent = silent
        self.cases: list[Case] = []

    async def judge(self, case: Case) -> Judgement:
        self.cases.append(case)
        verdict = Verdict(max(-3, min(3, len(case.first) - len(case.second))))
        told = Unscored(Reason.FAILED) if self.silent and self.silent in case.first + case.second else verdict
        return Judgement(told, (told,), (False,))


def contest(*candidates: str) -> Contest:
    return Contest(at=pair().at, candidates=candidates)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
async def test_a_planted_order_is_found(count: int) -> None:
    sizes = random.Random(count).sample(range(count), count)
    judge = ByLength()
    found = await rank(contest(*("x" * (size + 1) for size in sizes)), judge, random.Random(1), rings=4)
    assert [sizes[one] for one in found.order] == sorted(range(count), reverse=True)
    assert len(found.parts) == 1 and found.unscored == 0
    firsts, seconds = (Counter(edge) for edge in zip(*((e.first, e.second) for e in found.edges), strict=True))
    assert firsts == seconds
    assert len({case.id for case in judge.cases}) == len(judge.cases)


async def test_who_has_no_readable_comparison_has_no_place() -> None:
    found = await rank(contest("x", "xx", "?", "xxx"), ByLength(silent="?"), random.Random(0))
    assert set(found.order) == {0, 1, 3} == set(found.strengths)
    assert found.unscored == 2


class Only(ByLength):
    """One that answers for candidates of one sort alone: those that begin with the same letter."""

    async def judge(self, case: Case) -> Judgement:
        told = await super().judge(case)
        silence = Unscored(Reason.NO_ROOM)
        return told if case.first[0] == case.second[0] else Judgement(silence, (silence,), (False,))


async def test_an_order_among_those_who_were_never_compared_is_told_to_be_none() -> None:
    parts = set()
    for seed in range(12):
        found = await rank(contest("a", "aa", "bbb", "bbbb"), Only(), random.Random(seed))
        assert set(found.order) == {one for part in found.parts for one in part}
        assert found.unscored >= 2
        parts.add(found.parts)
    assert ((0, 1), (2, 3)) in parts and all({0, 1} >= {*part} or {2, 3} >= {*part} for each in parts for part in each)


async def test_one_candidate_alone_has_nobody_to_be_compared_with() -> None:
    found = await rank(contest("x"), ByLength(), random.Random(0))
    assert (found.order, found.edges, found.parts) == ((), (), ())
    with pytest.raises(InputError, match="at least one ring"):
        await rank(contest("x", "y"), ByLength(), random.Random(0), rings=0)


def test_the_command_tells_the_order_and_who_has_none(tmp_path: Path) -> None:
    path = tmp_path / "contest.json"
    path.write_text(contest("one", "two", "three").model_dump_json(indent=1), encoding="utf-8")
    how = How(orders="given")
    told = rank_file(RankOptions(path, how, judge=f"scripted:{answer(1)}"))
    assert told.text.endswith("3 comparisons, 0 without a verdict")
    assert sorted(json.loads(told.json)["order"]) == [1, 2, 3]
    silent = rank_file(RankOptions(path, how, judge="scripted"))
    assert silent.text.startswith("candidate 1: no readable comparison\n") and silent.unscored == 1.0
    assert json.loads(silent.json)["order"] == []
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"contest\.json is no Contest"):
        rank_file(RankOptions(path, how, judge="scripted"))
