"""Files of pairs in, judged rows out: every row accounted for, and nothing asked twice however the run ends."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from her import errors
from her.judge.batch import (
    ASKED,
    JUDGED,
    AnswerRow,
    Form,
    How,
    JudgedRow,
    judge_pairs,
    judged,
    open_for_runs,
    outcome,
    read_pairs,
)
from her.judge.batch import (
    HOW as TOLD,
)
from her.judge.compare import Judge
from her.judge.pairs import Pair
from her.judge.principles import OWN
from her.judge.told import CompareOptions, compare_pairs
from her.judge.verdict import Judgement, Reason, Unscored, Verdict, Winner, settled
from her.models import address, endpoint
from her.models.base import Constraint, Finish, Message, Reply, Sampling, Usage
from her.models.recorded import Scripted
from her.models.settings import Settings
from her.rows.files import Writer, line_of
from judged import answer, case, pair, parts
from teachers import Teacher

HOW = How()


def mixed() -> list[Pair]:
    """A pair for each thing that can become of one, told by its candidates."""
    return [
        pair("good one", "bad", id="first"),
        pair("bad", "good one", id="second"),
        pair("same", "same", id="tie"),
        pair("place", "place too", id="place"),
        pair("mute", "bad", id="unreadable"),
        pair("down", "bad", id="failed"),
        pair("torn", "bad", id="contradiction"),
    ]


def say(call: object) -> str | Reply | errors.HerError:
    a, b = parts(call.messages)  # type: ignore[attr-defined]
    if "mute" in a + b:
        return "I cannot say."
    if "down" in a + b:
        return errors.ContextOverflow("too long")
    if "torn" in a + b:
        return answer(1).replace('"A"', '"B"')
    margin = 3 if "place" in a else ("good" in a) - ("good" in b)
    return Reply(answer(margin), Finish.STOP, Usage(100, 40, 9))


def run(folder: Path, pairs: Sequence[Pair], model: object, how: How = HOW) -> list[JudgedRow]:
    asyncio.run(judge_pairs(pairs, model, folder, how))  # type: ignore[arg-type]
    return list(judged(folder))


def test_every_pair_has_a_row_and_each_says_what_became_of_it(tmp_path: Path) -> None:
    rows = run(tmp_path, mixed(), Teacher(say))
    assert [row.id for row in rows] == [one.id for one in mixed()]
    said = {row.id: row.winner or row.reason for row in rows}
    assert said == {
        "first": Winner.FIRST,
        "second": Winner.SECOND,
        "tie": Winner.TIE,
        "place": Winner.TIE,
        "unreadable": Reason.UNREADABLE,
        "failed": Reason.NO_ROOM,
        "contradiction": Reason.CONTRADICTION,
    }
    assert {row.id for row in rows if not row.verdict.consistent} == {"place"}
    assert all([one.swapped for one in row.asked] == [False, True] for row in rows)
    counted = outcome(rows)
    assert (counted.first, counted.second, counted.tie, counted.inconsistent) == (1, 1, 2, 1)
    assert counted.unscored == Counter({"unreadable": 1, "no room": 1, "contradiction": 1}) and counted.pairs == len(
        rows
    )


def test_a_row_holds_the_judgement_and_what_it_cost(tmp_path: Path) -> None:
    [row] = run(tmp_path, [pair("good one", "bad", id="x/y~1")], Teacher(say))
    found = asyncio.run(Judge(Teacher(say)).judge(case("good one", "bad")))
    assert row.judgement == found and isinstance(found.verdict, Verdict) and found.verdict.findings
    assert (row.prompt_tokens, row.cached_tokens, row.completion_tokens) == (200, 80, 18)
    assert (row.judge, row.form, row.dialect) == ("teacher", "written", "ours")
    assert [text.partition("@")[0] for text in row.prompts][-1] == "principles"


def test_tokens_that_nobody_told_are_none(tmp_path: Path) -> None:
    [row] = run(tmp_path, [pair()], Scripted(lambda messages, prefill: answer(0)))
    assert (row.prompt_tokens, row.cached_tokens, row.completion_tokens) == (None, None, None)


@pytest.mark.parametrize(
    "found",
    [
        Verdict(-0.5, (), consistent=False),
        Unscored(Reason.CUT, "x"),
        Verdict(2),
    ],
)
def test_an_answer_comes_back_out_of_its_row(found: Verdict | Unscored) -> None:
    assert AnswerRow.model_validate_json(AnswerRow.of(found).model_dump_json()).judged == found


def test_what_a_row_says_of_the_pair_follows_from_its_answers(tmp_path: Path) -> None:
    for row in run(tmp_path, mixed(), Teacher(say)):
        given, exchanged = (one.judged for one in row.asked)
        assert row.judgement.verdict == settled([given], [exchanged.swapped])


def test_the_scored_form_runs_through_the_same_journal(tmp_path: Path) -> None:
    model = Scripted([])
    asked: list[str] = []

    def weigh(messages: Sequence[Message], options: Sequence[str], prefill: str) -> dict[str, float | None] | None:
        a, b = parts(messages)
        asked.append(a)
        if "mute" in a + b:
            return None
        odds = float(len(a) - len(b)) / 10
        return {options[0]: odds - 9, options[1]: -9.0}

    model.weigh = weigh
    how = How(form="scored", tie_band=0.05)
    rows = run(tmp_path, mixed(), model, how)
    assert [row.id for row in rows] == [one.id for one in mixed()]
    assert {row.id: row.winner for row in rows}["first"] is Winner.FIRST
    assert {row.reason for row in rows} == {None, Reason.FAILED}
    before = len(asked)
    assert run(tmp_path, mixed(), model, how) == rows and len(asked) == before
    assert {row.form for row in rows} == {"scored"} and rows[0].prompts[0].startswith("judge-scored/en@")


def test_the_same_call_asks_nothing_again_and_a_folder_judged_otherwise_is_refused(tmp_path: Path) -> None:
    teacher = Teacher(say)
    rows = run(tmp_path, mixed(), teacher)
    before = len(teacher.calls)
    assert run(tmp_path, mixed(), teacher) == rows
    again = len(teacher.calls) - before
    assert again == 2, "only what no answer came of: both orders of the pair whose prompt was refused"
    with pytest.raises(errors.InputError, match=r"judged otherwise.*another folder"):
        run(tmp_path, mixed(), teacher, replace(HOW, seed=1))


def test_another_judge_s_folder_is_refused_and_left_as_it_is_and_another_host_of_the_same_goes_on(
    tmp_path: Path,
) -> None:
    pairs = [pair("good one", "bad", id="a")]
    rows = run(tmp_path, pairs, Teacher(say, address="http://one:1/v1#strong"))
    kept = (tmp_path / JUDGED).read_bytes()
    other = Teacher(say, address="http://one:1/v1#weak")
    with pytest.raises(errors.InputError, match=r'judged otherwise.*"judge": "strong".*another folder'):
        run(tmp_path, pairs, other)
    assert not other.calls and (tmp_path / JUDGED).read_bytes() == kept
    moved = Teacher(say, address="http://two:2/v1#strong")
    assert [row.judgement for row in run(tmp_path, pairs, moved)] == [row.judgement for row in rows] and not moved.calls
    assert json.loads((tmp_path / TOLD).read_text(encoding="utf-8"))["form"] == "written"


def test_a_pair_costs_what_was_asked_about_its_own_words_and_not_about_others_under_its_id(tmp_path: Path) -> None:
    old, new = (pair(words, "bad", id="x/y~1") for words in ("good one", "good two"))
    costs = [run(tmp_path, [one], Teacher(say))[0].prompt_tokens for one in (old, new, old)]
    assert costs == [200, 200, 200]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("scored", {"dialect": "ours-terse"}),
        ("scored", {"samples": 2}),
        ("scored", {"seed": 1, "temperature": 0.0}),
        ("scored", {"principles": OWN}),
        ("written", {"tie_band": 0.1}),
    ],
)
def test_an_option_that_the_form_has_no_use_for_is_refused_by_name(form: Form, options: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError, match=f"{form} form has no use for {', '.join(options)}; leave"):
        How(form, **options)


def test_a_server_that_is_named_by_an_alias_is_left_to_the_run_s_own_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    known = Settings(models={"strong": "http://here:1/v1#m"})
    monkeypatch.setattr(address, "load_settings", lambda: known)
    monkeypatch.setattr(endpoint, "Endpoint", lambda *_, **given: asked.append(given.get("retries")) or Scripted())
    for name in ("strong", "http://here:1/v1#m"):
        open_for_runs(name, "k")
    assert asked == [0, 0]
    assert isinstance(open_for_runs("scripted"), Scripted)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="'a' stands twice"):
        run(tmp_path, [pair(id="a"), pair("x", "y", id="a")], Teacher(say))


def test_b15_nothing_to_judge_is_no_division_by_zero(tmp_path: Path) -> None:
    assert run(tmp_path, [], Teacher(say)) == [] and outcome([]).pairs == 0
    assert (tmp_path / JUDGED).is_file()


def test_b14_a_bad_line_is_an_error_with_its_place_and_no_success(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line_of(pair()) + b'{"id": "x"}\n')
    with pytest.raises(errors.InputError, match=r"pairs\.jsonl, line 2 is no Pair \(at: "):
        list(read_pairs([path]))


def test_pairs_are_read_from_lines_and_from_one_object_over_many_lines(tmp_path: Path) -> None:
    rows = [pair("一", "二", id="a"), pair("x", "", id="b", better=None)]
    with Writer(tmp_path / "pairs.jsonl") as out:
        for row in rows:
            out.write(row)
    (tmp_path / "one.json").write_text(
        rows[0].model_copy(update={"id": "c"}).model_dump_json(indent=2), encoding="utf-8"
    )
    read = list(read_pairs([tmp_path / "pairs.jsonl", tmp_path / "one.json"]))
    assert [row.id for row in read] == ["a", "b", "c"] and read[:2] == rows
    for name, text in (("empty.json", ""), ("list.json", "[]")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(errors.InputError, match=name):
            list(read_pairs([tmp_path / name]))
    with pytest.raises(errors.StorageError, match="nowhere"):
        list(read_pairs([tmp_path / "nowhere.json"]))


def test_how_a_folder_was_judged_is_told_with_the_principles_by_what_they_say(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_bytes(OWN.read_bytes())
    assert How(principles=copy).told == How(principles=OWN).told != HOW.told
    assert json.loads(HOW.told)["dialect"] == "ours"


# -- the command ----------------------------------------------------------------------------------------------------


def lines(path: Path, *rows: Pair) -> Path:
    path.write_bytes(b"".join(map(line_of, rows)))
    return path


def test_the_command_tells_each_pair_and_the_counts(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", pair(id="a"), pair("x", "y", id="b"))
    told = compare_pairs(CompareOptions((path,), HOW, judge=f"scripted:{answer(2)}"))
    both = "tie (+0, the two orders disagree)"
    assert told.text.split("\n") == [
        f"a: {both}",
        f"b: {both}",
        "2 pairs: first 0, second 0, tie 2 (2 where the orders disagree), no verdict 0",
    ]
    alone = compare_pairs(CompareOptions((path,), replace(HOW, orders="given"), judge=f"scripted:{answer(2)}"))
    assert alone.text.startswith("a: first (+2)\nb: first (+2)\n") and alone.unscored == 0
    assert [row["winner"] for row in json.loads(alone.json)["rows"]] == ["first", "first"]


def test_of_one_pair_the_command_tells_the_findings(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", pair(id="a"))
    told = compare_pairs(CompareOptions((path,), replace(HOW, orders="given"), judge=f"scripted:{answer(-1)}"))
    assert told.text.split("\n")[:2] == ["a: second (-1)", "  answers: second · … · …"]


def test_a_judge_without_a_voice_leaves_all_pairs_without_a_verdict_and_the_share_says_so(tmp_path: Path) -> None:
    path, out = lines(tmp_path / "p.jsonl", pair(id="a")), tmp_path / "out"
    told = compare_pairs(CompareOptions((path,), HOW, out=out, judge="scripted"))
    assert told.unscored == 1.0 and "no verdict 1 (unreadable 1)" in told.text
    assert [row.reason for row in judged(out)] == [Reason.UNREADABLE]
    assert json.loads(told.json)["out"] == str(out / JUDGED)
    scored = compare_pairs(CompareOptions((path,), How(form="scored"), judge="scripted"))
    assert "a: no verdict (failed: the backend does not tell" in scored.text


# -- kills ----------------------------------------------------------------------------------------------------------


class Slow(Teacher):
    """A teacher that writes down whom it was asked about, and takes its time."""

    def __init__(self, log: Path, pause: float) -> None:
        super().__init__(say)
        self.log, self.pause = log, pause

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        await asyncio.sleep(self.pause)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{call_id}\n")
        async for piece in super().stream(messages, sampling, prefill=prefill, constraint=constraint, call_id=call_id):
            yield piece


def many() -> list[Pair]:
    return [pair(f"good {n}" * (n % 3), f"bad {n}", id=f"p{n}") for n in range(25)]


def judge_slowly(folder: Path, log: Path, pause: float) -> None:
    asyncio.run(judge_pairs(many(), Slow(log, pause), folder, HOW))


def test_a_run_that_is_killed_goes_on_where_it_was_and_comes_to_the_same_rows(tmp_path: Path) -> None:
    still, log = tmp_path / "still", tmp_path / "log"
    judge_slowly(still, tmp_path / "other", 0.0)
    shaken = tmp_path / "shaken"
    journal = shaken / ASKED / "journal.jsonl"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["her.judge.batch"])
    for kill in (1, 2):
        child = processes.Process(target=judge_slowly, args=(shaken, log, 0.02))
        child.start()
        until = time.monotonic() + 300
        while child.is_alive() and time.monotonic() < until:
            if journal.exists() and journal.read_bytes().count(b"\n") >= 12 * kill:
                break
            time.sleep(0.005)
        child.kill()
        child.join()
        assert child.exitcode == -9, "it has to be killed in the middle for this to say anything"
        assert not (shaken / JUDGED).exists()
    judge_slowly(shaken, log, 0.0)
    assert (shaken / JUDGED).read_bytes() == (still / JUDGED).read_bytes()
    asked = Counter(log.read_text(encoding="utf-8").splitlines())
    once = Counter((tmp_path / "other").read_text(encoding="utf-8").splitlines())
    assert set(asked) == set(once)
    twice = {name: count for name, count in asked.items() if count > 1}
    assert sum(count - 1 for count in twice.values()) <= 2, "a kill takes no more than the answer on its way"


def test_a_judgement_is_what_its_row_says() -> None:
    told = Judgement(Verdict(1), (Verdict(1), Unscored(Reason.COPIED)), (False, True))
    asked = tuple(AnswerRow.of(one, swapped=s) for one, s in zip(told.asked, told.swapped, strict=True))
    row = JudgedRow(
        id="x",
        judge="m",
        form="written",
        dialect="ours",
        prompts=(),
        winner=Winner.FIRST,
        reason=None,
        verdict=AnswerRow.of(told.verdict),
        asked=asked,
    )
    assert row.judgement == told
