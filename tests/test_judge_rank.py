"""Several candidates for one place: who is compared with whom, and what order comes of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from her.errors import InputError, Refused
from her.judge import batch
from her.judge.batch import JUDGED, How
from her.judge.rank import RANKED, Contest, Ranking, RankOptions, rank, rank_contests
from her.judge.reward.rings import Edge
from her.judge.verdict import Judged, Reason, Unscored, Verdict
from her.models.base import Model
from her.rows.files import Writer, read_rows
from judged import answer, judge_of, pair
from teachers import Teacher

GIVEN = How(orders="given")
Says = Callable[[str, str], Judged]


def contest(*candidates: str, id: str = "contest") -> Contest:
    return Contest(id=id, at=pair().at, candidates=candidates)


def by_length(first: str, second: str) -> Judged:
    return Verdict(max(-3, min(3, len(first) - len(second))))


def silent_about(word: str) -> Says:
    """A judge that likes the longer one, and says nothing of those in which the word stands."""
    return lambda first, second: Unscored(Reason.FAILED) if word in first + second else by_length(first, second)


def ranked(at: Contest, says: Says, *, seed: int = 0, rings: int = 2) -> Ranking:
    calls = at.calls(rings, seed)
    return rank(at, [Edge(*call, says(at.candidates[call[0]], at.candidates[call[1]])) for call in calls])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_a_planted_order_is_found(count: int) -> None:
    sizes = random.Random(count).sample(range(count), count)
    at = contest(*("x" * (size + 1) for size in sizes))
    found = ranked(at, by_length, seed=1, rings=4)
    assert [sizes[one - 1] for one in found.order] == sorted(range(count), reverse=True)
    assert len(found.parts) == 1 and found.unscored == 0
    calls = at.calls(4, 1)
    firsts, seconds = (Counter(side) for side in zip(*calls, strict=True))
    assert firsts == seconds
    assert len({at.pair(call).id for call in calls}) == len(calls) == found.comparisons


def test_who_has_no_readable_comparison_has_no_place() -> None:
    found = ranked(contest("x", "xx", "?", "xxx"), silent_about("?"))
    assert {*found.order} == {1, 2, 4} == {*found.strengths} and found.without == (3,)
    assert found.unscored == 2


def test_an_order_among_those_who_were_never_compared_is_told_to_be_none() -> None:
    def alike(first: str, second: str) -> Judged:
        return by_length(first, second) if first[0] == second[0] else Unscored(Reason.NO_ROOM)

    parts = set()
    for seed in range(12):
        found = ranked(contest("a", "aa", "bbb", "bbbb"), alike, seed=seed)
        assert {*found.order} == {one for part in found.parts for one in part}
        assert found.unscored >= 2
        parts.add(found.parts)
    assert ((1, 2), (3, 4)) in parts and all({1, 2} >= {*part} or {3, 4} >= {*part} for each in parts for part in each)


def test_one_candidate_alone_has_nobody_to_be_compared_with() -> None:
    found = ranked(contest("x"), by_length)
    assert (found.order, found.comparisons, found.parts, found.without) == ((), 0, (), (1,))
    with pytest.raises(InputError, match="at least one ring"):
        contest("x", "y").calls(0, 0)


def test_the_command_tells_the_order_and_who_has_none(tmp_path: Path) -> None:
    path = tmp_path / "contest.json"
    path.write_text(contest("one", "two", "three").model_dump_json(indent=1), encoding="utf-8")
    told = rank_contests(RankOptions((path,), GIVEN, judge=f"scripted:{answer(1)}"))
    assert told.text.endswith("\n3 comparisons, 0 without a verdict")
    assert sorted(json.loads(told.json)["order"]) == [1, 2, 3]
    silent = rank_contests(RankOptions((path,), GIVEN, judge="scripted"))
    assert silent.text.startswith("candidate 1: no readable comparison\n") and silent.unscored == 1.0
    assert json.loads(silent.json)["order"] == []
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"contest\.json is no Contest"):
        rank_contests(RankOptions((path,), GIVEN, judge="scripted"))


# -- many contests --------------------------------------------------------------------------------------------------


def many(folder: Path) -> Path:
    path = folder / "contests.jsonl"
    with Writer(path) as out:
        for number in range(6):
            words = [f"{number} {'good ' * n}row" for n in range(number % 4 + 1)]
            out.write(contest(*words, id=f"c{number}"))
    return path


def taste(a: str, b: str) -> int:
    return max(-3, min(3, a.count("good") - b.count("good")))


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    return lambda model: monkeypatch.setattr(batch, "open_model", lambda *_, **__: model)


def test_many_contests_come_to_a_line_each_and_a_run_that_was_ended_goes_on(
    opens: Callable[[Model], None], tmp_path: Path
) -> None:
    options = RankOptions((many(tmp_path),), GIVEN, tmp_path / "run")
    judge = judge_of(taste)
    opens(first := Teacher(lambda call: judge.say(call) if len(first.calls) < 7 else Refused("the key is spent")))
    with pytest.raises(Refused):
        rank_contests(options)
    assert not (tmp_path / "run" / RANKED).exists()
    opens(second := judge_of(taste))
    told = rank_contests(options)
    rows = list(read_rows(tmp_path / "run" / RANKED, Ranking))
    comparisons = sum(row.comparisons for row in rows)
    assert [row.id for row in rows] == [f"c{n}" for n in range(6)]
    assert all(list(row.order) == sorted(row.order, reverse=True) and not row.unscored for row in rows)
    assert told.text == f"6 contests, {comparisons} comparisons, 0 without a verdict"
    assert json.loads(told.json)["out"] == str(tmp_path / "run" / RANKED)
    assert len(first.calls) == 7 and len(second.calls) == comparisons - 6, "six answers were kept"
    assert len((tmp_path / "run" / JUDGED).read_text(encoding="utf-8").splitlines()) == comparisons
    opens(third := judge_of(taste))
    assert rank_contests(options) == told and not third.calls


def test_many_contests_are_told_one_after_the_other_where_nothing_is_kept(
    opens: Callable[[Model], None], tmp_path: Path
) -> None:
    opens(judge_of(taste))
    told = rank_contests(RankOptions((many(tmp_path),), GIVEN))
    lines = told.text.splitlines()
    assert lines[:2] == ["c0:", "candidate 1: no readable comparison"]
    assert lines[2:4] == ["c1:", lines[3]] and lines[3].startswith("1. candidate 2 (+")
    assert [row["id"] for row in json.loads(told.json)["rows"]] == [f"c{n}" for n in range(6)]


def test_two_contests_of_one_name_are_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "two.jsonl") as out:
        out.write(contest("x", "y"))
        out.write(contest("x", "z"))
    with pytest.raises(InputError, match="'contest' stands twice"):
        rank_contests(RankOptions((tmp_path / "two.jsonl",), GIVEN, judge="scripted"))
