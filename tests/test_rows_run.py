"""A stage over rows: every row comes to one end, in the order in which it came, whatever happens on the way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her import errors
from her.models.base import Message, Model, Reply, Sampling
from her.models.recorded import Call as Told
from her.models.recorded import Replay, Scripted
from her.rows import run as running
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.files import Writer, line_of, read_rows, sha_of
from her.rows.record import Refusal
from her.rows.report import Price, Quarantined, Report, Snapshot
from her.rows.run import Done, RunOptions, Target, run
from teachers import SCHEMA, Errand, Found, Teacher, Word, errand, errands, said

FATES = ("good", "mended", "unmendable", "dropped", "rejected", "bare", "empty", "double", "context", "server")


def scripted(call: Told) -> str | Reply | errors.HerError:
    """An answer by the fate in the prompt."""
    fate = call.messages[0].content
    if fate == "context":
        return errors.ContextOverflow("too long")
    if fate == "server":
        return errors.ServerFault("broken")
    wrong = fate == "unmendable" or (fate == "mended" and len(call.messages) == 1)
    return '{"word": 5}' if wrong else json.dumps({"word": fate, "count": 1})


async def fated(row: Errand, ask: Ask) -> Done[Found]:
    """One call; what becomes of the row stands in its id."""
    fate = row.id.partition("/")[0]
    if fate == "bare":
        raise Rejected
    if fate == "rejected":
        raise Rejected(*(Refusal(stage="fate", reason=f"gate-{n}", where="t01", detail="not so") for n in (1, 2)))
    if fate == "dropped":
        raise Dropped("useless", "nothing in it")
    call = Call(f"fate/{row.id}", (Message("user", fate),), Sampling(seed=row.weight), ("fate/en@1",), SCHEMA)
    word = (await ask(call, Word.model_validate)).word
    rows = tuple(Found(id=row.id, part=n, words=(word,)) for n in range({"empty": 0, "double": 2}.get(fate, 1)))
    return Done(rows, (Refusal(stage="fate", reason="part"),) if fate == "double" else ())


def fates(*names: str) -> list[Errand]:
    return [Errand(id=f"{name}/{number}", weight=number) for number, name in enumerate(names)]


def play(rows: Any, folder: Path, **changes: Any) -> Report:
    options = RunOptions(limit=changes.pop("limit", 8), patience=0.001, **changes)
    return asyncio.run(run(rows, fated, Teacher(scripted), Target(folder, "fate"), options))


# --- every row comes to one end ---


@settings(max_examples=40)
@given(st.lists(st.sampled_from([name for name in FATES if name != "server"]), max_size=30), st.integers(1, 9))
def test_a40_no_row_is_lost_in_silence_each_is_kept_repaired_or_written_down_as_dropped(
    tmp_path_factory: Any, names: list[str], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    report = play(fates(*names), folder, limit=limit)
    assert report.rows_in == len(names) == report.kept + report.repaired + report.dropped
    assert report.kept == sum(name in ("good", "empty", "double") for name in names)
    assert report.repaired == names.count("mended")
    assert report.dropped == sum(report.reasons.values())
    made = list(read_rows(folder / "rows.jsonl", Found))
    lost = list(read_rows(folder / "dropped.jsonl", Quarantined))
    assert report.rows_out == len(made) and report.dropped == len(lost)
    ends = [row.id for row in made] + [row.id for row in lost]
    assert {row.id for row in fates(*names)} - set(ends) == {row.id for row in fates(*names) if "empty" in row.id}
    order = {row.id: number for number, row in enumerate(fates(*names), 1)}
    for some in (made, lost):
        assert [order[row.id] for row in some] == sorted(order[row.id] for row in some)
    assert [row.number for row in lost] == [order[row.id] for row in lost]


def test_what_a_report_and_the_quarantine_say(tmp_path: Path) -> None:
    report = play(fates(*FATES), tmp_path, price=Price(2.0, 10.0), max_dropped=0.6)
    assert (report.rows_in, report.kept, report.repaired, report.dropped, report.rows_out) == (10, 3, 1, 6, 4)
    gone = {"schema": 1, "useless": 1, "gate-1": 1, "rejected": 1, "context": 1, "server": 1}
    assert report.reasons == gone and list(report.reasons) == sorted(gone)
    assert (report.refused, report.faults, report.repairs) == ({"part": 1}, {"schema": 4}, 2)
    assert (report.calls, report.from_journal, report.retries) == (7, 0, {"server-fault": 5})
    assert (report.prompt_tokens, report.completion_tokens, report.uncounted) == (70, 35, 0)
    assert report.cost == pytest.approx((70 * 2 + 35 * 10) / 1e6)
    assert report.model == "teacher" and report.stage == "fate" and report.within
    assert [text.partition("@")[0] for text in report.prompts] == ["fate/en", "mend/en"]
    assert report.rows_sha == sha_of(tmp_path / "rows.jsonl") and report.dropped_sha == sha_of(
        tmp_path / "dropped.jsonl"
    )
    assert Report.model_validate_json((tmp_path / "report.json").read_bytes()) == report
    lost = {row.id: row for row in read_rows(tmp_path / "dropped.jsonl", Quarantined)}
    assert lost["dropped/3"] == Quarantined(
        stage="fate", id="dropped/3", number=4, reason="useless", detail="nothing in it"
    )
    assert (lost["rejected/4"].reason, lost["rejected/4"].detail) == ("gate-1", "t01: not so")
    assert [refusal.reason for refusal in lost["rejected/4"].refusals] == ["gate-1", "gate-2"]
    assert not play(fates(*FATES), tmp_path, max_dropped=0.59).within
    assert play([], tmp_path / "none", max_dropped=0.0).within


def test_a_second_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    first = play(fates(*FATES), tmp_path)
    rows, dropped = ((tmp_path / name).read_bytes() for name in ("rows.jsonl", "dropped.jsonl"))
    second = play(fates(*FATES, "good"), tmp_path)
    assert (second.calls, second.from_journal) == (1, first.calls)
    assert (tmp_path / "rows.jsonl").read_bytes().startswith(rows)
    assert (tmp_path / "dropped.jsonl").read_bytes() == dropped
    assert second.input_sha != first.input_sha
    assert play(fates(*FATES), tmp_path).input_sha == first.input_sha


def test_a_price_without_tokens_is_no_cost(tmp_path: Path) -> None:
    async def work(row: Errand, ask: Ask) -> Done[Found]:
        await ask(Call("c", (Message("user", row.id),), Sampling()), str)
        return Done(())

    options = RunOptions(price=Price(1.0, 1.0))
    report = asyncio.run(run(fates("a"), work, Scripted(["x"]), Target(tmp_path, "t"), options))
    assert (report.cost, report.uncounted, report.kept) == (None, 1, 1)


# --- order, and how much is held ---


def test_rows_come_out_as_they_came_in_however_long_each_takes(tmp_path: Path) -> None:
    rng = random.Random(3)
    teacher = Teacher(lambda call: said(call.messages, 200, 0.3), latency=lambda: rng.random() * 0.01)
    quick = Teacher(lambda call: said(call.messages, 200, 0.3))
    many, one = (
        asyncio.run(run(errands(80), errand, model, Target(tmp_path / str(limit), "errand"), RunOptions(limit=limit)))
        for model, limit in ((teacher, 32), (quick, 1))
    )
    assert 16 <= teacher.most <= 32 and quick.most == 1
    assert (many.rows_sha, many.dropped_sha, many.dropped) == (one.rows_sha, one.dropped_sha, one.dropped)
    assert many.dropped > 0 and many.repaired > 0


def test_no_more_rows_are_held_than_a_few_for_each_call(tmp_path: Path) -> None:
    done = most = taken = 0

    def rows() -> Iterator[Errand]:
        nonlocal most, taken
        for row in fates(*["good"] * 400):
            taken += 1
            most = max(most, taken - done)
            yield row

    async def work(row: Errand, ask: Ask) -> Done[Found]:
        nonlocal done
        if row.weight == 0:
            await asyncio.sleep(0.1)  # the oldest row takes long; those behind it go on, but not without end
            assert 10 < taken <= 5 * running.WINDOW
        await ask(Call("c", (Message("user", row.id),), Sampling()), str)
        done += 1
        return Done(())

    report = asyncio.run(run(rows(), work, Teacher(lambda call: "x"), Target(tmp_path, "t"), RunOptions(limit=4)))
    assert report.rows_in == 400 and most <= 5 * running.WINDOW


def test_a_model_in_this_process_is_asked_one_thing_at_a_time_and_a_server_more(tmp_path: Path) -> None:
    for address, most in [("mini", range(1, 2)), ("http://a/v1#m", range(16, 65))]:
        teacher = Teacher(scripted, address=address, latency=lambda: 0.001)
        asyncio.run(run(fates(*["good"] * 40), fated, teacher, Target(tmp_path / address[:4], "t")))
        assert teacher.most in most


# --- shards ---


def test_shards_divide_the_rows_and_need_no_word_between_them(tmp_path: Path) -> None:
    rows = fates(*FATES * 3)
    reports = [
        asyncio.run(run(rows, fated, Teacher(scripted), Target(tmp_path, "fate", (n, 4)), RunOptions(limit=2)))
        for n in (1, 2, 3, 4)
    ]
    assert [report.shard for report in reports] == ["1/4", "2/4", "3/4", "4/4"]
    assert [report.rows_in for report in reports] == [8, 8, 7, 7]
    lost = [row for n in (1, 2, 3, 4) for row in read_rows(tmp_path / f"dropped-{n}-of-4.jsonl", Quarantined)]
    assert {row.number % 4 for row in lost[:5]} == {1}, "rows keep the number that they have in the whole"
    assert sorted(path.name for path in tmp_path.glob("*-3-of-4*")) == [
        f"{name}-3-of-4.{kind}"
        for name, kind in (("dropped", "jsonl"), ("journal", "jsonl"), ("report", "json"), ("rows", "jsonl"))
    ]
    whole = play(rows, tmp_path)
    assert whole.calls == 0 and whole.rows_in == 30 and whole.shard == ""
    assert whole.rows_out == sum(report.rows_out for report in reports)


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (-1, 1)])
def test_a_shard_that_is_none_is_refused(tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(errors.InputError, match="a shard is i/n with i from 1 to n"):
        Target(tmp_path, "t", shard)
    with pytest.raises(errors.InputError, match="at least 1 call"):
        RunOptions(limit=0)


# --- what ends a run ---


@pytest.mark.parametrize(
    "error", [errors.Refused("wrong key"), errors.StorageError("full"), KeyError("a mistake of ours")]
)
def test_what_ends_a_run_takes_nothing_away(tmp_path: Path, error: Exception) -> None:
    play(fates("good"), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    async def work(row: Errand, ask: Ask) -> Done[Found]:
        if row.weight == 5:
            raise error
        return await fated(row, ask)

    with pytest.raises(type(error)) as raised:
        asyncio.run(run(fates(*["good"] * 9), work, Teacher(scripted), Target(tmp_path, "fate"), RunOptions(limit=1)))
    assert raised.value.__notes__ == ["This came up in row 6, good/5."]
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.pop("journal.jsonl").count(b"\n") == 5
    assert before.pop("journal.jsonl").count(b"\n") == 1
    assert after == before
    assert play(fates(*["good"] * 9), tmp_path).calls == 4


def test_b10_rows_of_another_kind_are_refused_and_not_passed_over(tmp_path: Path) -> None:
    with Writer(tmp_path / "in.jsonl") as out:
        out.write(Found(id="a", part=1, words=()))
    with pytest.raises(errors.InputError, match=r"in\.jsonl, line 1 is no Errand \(part: .*the stage before"):
        play(read_rows(tmp_path / "in.jsonl", Errand), tmp_path / "out")
    assert not (tmp_path / "out" / "rows.jsonl").exists()


def test_a_row_that_cannot_be_read_ends_the_run_where_it_stands(tmp_path: Path) -> None:
    with Writer(tmp_path / "in.jsonl") as out:
        for row in fates("good", "good"):
            out.write(row)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"id": 5}\n')
    with pytest.raises(errors.InputError, match=r"in\.jsonl, line 3 is no Errand \(id: .*mend the line"):
        play(read_rows(tmp_path / "in.jsonl", Errand), tmp_path / "out")
    assert (tmp_path / "out" / "journal.jsonl").read_bytes().count(b"\n") == 2


def test_an_old_report_does_not_outlive_its_rows(tmp_path: Path) -> None:
    play(fates("good"), tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    (tmp_path / "rows.jsonl" / "in the way").mkdir(parents=True)
    with pytest.raises(errors.StorageError, match=r"rows\.jsonl cannot be written"):
        play(fates("good", "good"), tmp_path)
    assert not (tmp_path / "report.json").exists()
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 2


def test_two_runs_in_one_folder_are_kept_apart(tmp_path: Path) -> None:
    async def work(row: Errand, ask: Ask) -> Done[Found]:
        with pytest.raises(errors.StorageError, match="in use by another process"):
            await run(fates("good"), fated, Teacher(scripted), Target(tmp_path, "fate"))
        return Done(())

    asyncio.run(run(fates("good"), work, Teacher(scripted), Target(tmp_path, "fate")))


def test_a_dead_server_stops_the_run_before_it_drops_everything(tmp_path: Path) -> None:
    teacher = Teacher(lambda call: errors.Unreachable("nobody answers"), address="http://a/v1#m")
    options = RunOptions(limit=4, patience=0.0001)
    with pytest.raises(errors.Unreachable, match="same command goes on from here"):
        asyncio.run(run(fates(*["good"] * 100), fated, teacher, Target(tmp_path, "fate"), options))
    assert len(teacher.calls) <= 6 * 12 and not (tmp_path / "rows.jsonl").exists()


def test_a_model_is_probed_before_anything_is_written(tmp_path: Path) -> None:
    class Gone(Teacher):
        async def probe(self) -> None:
            raise errors.Unreachable("nobody answers")

    with pytest.raises(errors.Unreachable):
        asyncio.run(run(fates("good"), fated, Gone(scripted), Target(tmp_path / "new", "fate")))
    assert not (tmp_path / "new").exists()


def test_calls_that_a_row_left_behind_are_kept_for_the_next_run(tmp_path: Path) -> None:
    async def work(row: Errand, ask: Ask) -> Done[Found]:
        calls = [Call(str(n), (Message("user", f"{row.id} {n}"),), Sampling()) for n in (1, 2)]
        slow = asyncio.ensure_future(ask(calls[1], str))
        await ask(calls[0], str)
        slow.add_done_callback(lambda task: task.exception())
        raise Dropped("hasty")

    teacher = Teacher(lambda call: "x", latency=lambda: 0.02 * len(teacher.calls))
    report = asyncio.run(run(fates("a"), work, teacher, Target(tmp_path, "t"), RunOptions(limit=2)))
    assert (report.dropped, len(teacher.calls)) == (1, 2)
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_is_as_before_when_a_run_has_ended(tmp_path: Path, fails: bool) -> None:
    async def work(row: Errand, ask: Ask) -> Done[Found]:
        assert gc.get_threshold()[0] == running.COLLECT_AFTER
        if fails:
            raise KeyError("x")
        return Done(())

    before = gc.get_threshold()
    with contextlib.suppress(KeyError):
        asyncio.run(run(fates("a"), work, Teacher(scripted), Target(tmp_path, "t")))
    assert gc.get_threshold() == before


# --- progress ---


def test_a_face_is_told_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BEAT", 0.005)
    seen: list[Snapshot] = []
    teacher = Teacher(scripted, latency=lambda: 0.01)
    options = RunOptions(limit=2, total=10, price=Price(1, 1))
    report = asyncio.run(run(fates(*FATES), fated, teacher, Target(tmp_path, "fate"), options, seen.append))
    assert len(seen) > 5 and all(shot.total == 10 and shot.window <= 2 for shot in seen)
    assert [shot.rows for shot in seen] == sorted(shot.rows for shot in seen)
    assert max(shot.flying for shot in seen) == 2
    last = seen[-1]
    assert (last.rows, last.kept, last.repaired, last.dropped, last.calls, last.flying) == (10, 3, 1, 6, 7, 0)
    assert (last.cost, last.retries) == (report.cost, 5)


def test_a_face_that_fails_is_heard(tmp_path: Path) -> None:
    def fail(_: Snapshot) -> None:
        raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError):
        asyncio.run(run(fates("good"), fated, Teacher(scripted), Target(tmp_path, "fate"), None, fail))
    assert not list(tmp_path.glob("*.part"))


# --- with models that are at hand ---


def test_a_journal_is_a_recording_that_makes_the_same_rows(tmp_path: Path) -> None:
    first = play(fates(*[name for name in FATES if name not in ("context", "server")]), tmp_path / "a")
    rows = fates(*[name for name in FATES if name not in ("context", "server")])
    replay = Replay(tmp_path / "a" / "journal.jsonl")
    second = asyncio.run(run(rows, fated, replay, Target(tmp_path / "b", "fate"), RunOptions(limit=8)))
    assert (second.calls, second.rows_sha, second.dropped_sha) == (first.calls, first.rows_sha, first.dropped_sha)


@pytest.mark.model
def test_the_bundled_model_gets_through_a_stage(tmp_path: Path, mini: Model) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
        "required": ["word", "count"],
        "additionalProperties": False,
    }

    async def work(row: Errand, ask: Ask) -> Done[Found]:
        call = Call(
            row.id,
            (Message("user", f"A word and a number for {row.id}?"),),
            Sampling(seed=1, max_tokens=60),
            (),
            schema,
        )
        word = await ask(call, Word.model_validate)
        return Done((Found(id=row.id, part=0, words=(word.word,)),))

    reports = [asyncio.run(run(errands(2), work, mini, Target(tmp_path, "t"))) for _ in range(2)]
    assert [(r.kept, r.calls, r.from_journal) for r in reports] == [(2, 2, 0), (2, 0, 2)]
    assert reports[0].prompt_tokens > 20 and reports[0].rows_sha == reports[1].rows_sha


# --- files ---


def test_a_file_is_whole_or_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    with Writer(path) as out:
        out.write(Errand(id="é"))
        assert not path.exists()
    assert (out.rows, out.sha, path.read_bytes()) == (1, sha_of(path), '{"id":"é","weight":1}\n'.encode())
    with pytest.raises(KeyError), Writer(path) as out:
        out.write(Errand(id="b"))
        raise KeyError
    assert [row.id for row in read_rows(path, Errand)] == ["é"] and len(list(path.parent.iterdir())) == 1
    with pytest.raises(errors.StorageError, match="cannot be written"), Writer(path / "under" / "a file"):
        pass
    (tmp_path / "folder.jsonl").mkdir()
    with (
        pytest.raises(errors.StorageError, match=r"folder\.jsonl cannot be written"),
        Writer(tmp_path / "folder.jsonl"),
    ):
        pass


def test_rows_are_read_lazily_and_faults_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line_of(Errand(id="a")) + b"\n  \n" + line_of(Errand(id="b")) + b'{"id": "c", "color": 1}\n')
    rows = read_rows(path, Errand)
    assert [next(rows).id, next(rows).id] == ["a", "b"]
    with pytest.raises(errors.InputError, match=r"rows\.jsonl, line 5 is no Errand \(color: Extra inputs"):
        next(rows)
    path.write_bytes(b'{"id": "c"')
    with pytest.raises(errors.InputError, match=r"line 1 is no Errand \(Invalid JSON"):
        next(read_rows(path, Errand))
    with pytest.raises(errors.StorageError, match="cannot be read"):
        next(read_rows(tmp_path / "nowhere", Errand))
    with pytest.raises(errors.StorageError, match="cannot be read"):
        sha_of(tmp_path / "nowhere")
