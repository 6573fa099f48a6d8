"""How answers come: asked for once, asked for again where that may help, and never more often than that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from her import errors
from her.models.base import Constraint, Finish, Message, Reply, Sampling
from her.prompts import prompt_hash
from her.rows import answers as answering
from her.rows.answers import DEAD, GARBLED_TRIES, MOST_FAULTS, TRIES, Answers, RowAsk
from her.rows.ask import Call, Dropped, Rejected, together
from her.rows.journal import Journal
from her.rows.pace import Pace
from her.rows.record import Refusal
from her.rows.report import Tally
from teachers import SCHEMA, Say, Teacher, Word

CALL = Call(
    "t/row/a", (Message("system", "Be brief."), Message("user", "Who keeps the light?")), Sampling(max_tokens=50)
)
ASKED = replace(CALL, schema=SCHEMA)
GOOD = '{"word": "Mara", "count": 1}'
REMOTE = "http://127.0.0.1:1/v1#m"

Make = Callable[..., RowAsk]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes the ask of a row; all of them share one journal, whatever the model."""
    async with Journal(tmp_path / "journal.jsonl") as journal:

        def made(teacher: Teacher, stage: str = "t") -> RowAsk:
            return RowAsk(Answers(stage, teacher, journal, Pace(8), Tally(), patience=0.001), turn=0)

        yield made


def tally(ask: RowAsk) -> Tally:
    return ask._answers.tally


def each(*said: str | Reply | errors.HerError) -> Say:
    """One after the other; the last again and again."""
    left = list(said)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def reject(*refusals: Refusal) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        raise Rejected(*refusals)

    return read


# --- once ---


async def test_what_is_in_the_journal_is_not_asked_for_again(make: Make) -> None:
    teacher = Teacher(lambda call: "Mara.")
    assert await make(teacher)(CALL, str) == "Mara."
    again = make(teacher)
    assert await again(replace(CALL, id="another/name"), str) == "Mara."
    assert len(teacher.calls) == 1
    assert (tally(again).calls, tally(again).from_journal, tally(again).completion_tokens) == (0, 1, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message("user", "Who keeps the light?"), Message("system", "Be brief."))},
        {"messages": (Message("system", "Be brief.\nuser 20\nWho"), Message("user", "keeps the light?"))},
        {"sampling": Sampling(max_tokens=51)},
        {"sampling": Sampling(max_tokens=50, seed=1)},
        {"sampling": Sampling(max_tokens=50, stop=("\n",))},
        {"prompts": ("ask/en@2",)},
        {"prefill": "She "},
        {"schema": {"type": "object"}},
        {"schema": {"type": "object", "maxProperties": 1}},
    ],
)
async def test_whatever_may_change_an_answer_makes_another_call(make: Make, change: dict[str, Any]) -> None:
    teacher = Teacher(lambda call: GOOD)
    ask = make(teacher)
    await ask(CALL, str)
    await ask(replace(CALL, **change), lambda value: value)
    await ask(replace(CALL, **change), lambda value: value)
    assert len(teacher.calls) == 2


async def test_another_model_or_stage_has_answers_of_its_own_and_another_host_has_not(make: Make) -> None:
    asked = []
    for address, stage in [
        ("mini", "t"),
        ("other", "t"),
        ("mini", "u"),
        ("http://a:1/v1#m", "t"),
        ("http://b:2/v1#m", "t"),
    ]:
        teacher = Teacher(lambda call: "Mara.", address=address)
        await make(teacher, stage)(CALL, str)
        asked.append(len(teacher.calls))
    assert asked == [1, 1, 1, 1, 0]


async def test_one_call_asked_twice_at_once_is_sent_once(make: Make) -> None:
    teacher = Teacher(lambda call: "Mara.", latency=lambda: 0.02)
    ask = make(teacher)
    assert await asyncio.gather(*(ask(CALL, str) for _ in range(5))) == ["Mara."] * 5
    assert len(teacher.calls) == 1 and tally(ask).from_journal == 4


async def test_who_waits_for_the_same_call_shares_its_fault(make: Make) -> None:
    teacher = Teacher(each(errors.Refused("no key")), latency=lambda: 0.02)
    ask = make(teacher)
    came = await asyncio.gather(*(ask(CALL, str) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in came] == [errors.Refused] * 3 and len(teacher.calls) == 1


async def test_who_waits_for_a_call_that_was_given_up_asks_for_himself(make: Make) -> None:
    teacher = Teacher(lambda call: "Mara.", latency=lambda: 0.05)
    ask = make(teacher)
    first, second = asyncio.create_task(ask(CALL, str)), asyncio.create_task(ask(CALL, str))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == "Mara." and len(teacher.calls) == 2
    assert ask._answers.pace.flying == 0


# --- patience ---

PASSING = [
    (errors.RateLimited("busy", 0.001), "rate-limited"),
    (errors.ServerFault("broken"), "server-fault"),
    (errors.Unreachable("nobody"), "unreachable"),
    (errors.TimedOut("silence"), "timed-out"),
    (errors.BadAnswer("html"), "bad-answer"),
    (Reply("Ma", Finish.CUT, error="the line went dead"), "cut"),
]


@pytest.mark.parametrize(("fault", "name"), PASSING, ids=[name for _, name in PASSING])
async def test_what_may_pass_is_asked_again_the_same_way(make: Make, fault: Any, name: str) -> None:
    teacher = Teacher(each(*[fault] * (TRIES - 1), "Mara."), address=REMOTE)
    ask = make(teacher)
    assert await ask(CALL, str) == "Mara."
    assert len(teacher.calls) == TRIES and all(call == teacher.calls[0] for call in teacher.calls)
    assert tally(ask).retries == {name: TRIES - 1}


@pytest.mark.parametrize(("fault", "name"), PASSING, ids=[name for _, name in PASSING])
async def test_what_does_not_pass_drops_the_row_and_is_asked_the_next_time(make: Make, fault: Any, name: str) -> None:
    ask = make(Teacher(each(fault), address=REMOTE))
    with pytest.raises(Dropped, match="server: t/row/a: no answer in 6 tries") as dropped:
        await ask(CALL, str)
    assert dropped.value.reason == "server"
    well = Teacher(lambda call: "Mara.", address=REMOTE)
    assert await make(well)(CALL, str) == "Mara." and len(well.calls) == 1


async def test_setbacks_slow_the_pace_and_garbage_does_not(make: Make) -> None:
    for (fault, name), window in zip(PASSING, [4, 4, 4, 4, 8, 4], strict=True):
        ask = make(Teacher(each(fault, "Mara."), address=f"http://{name}/v1#{name}"))
        await ask(CALL, str)
        assert int(ask._answers.pace._size) == window, name


async def test_pauses_grow_and_are_told_apart_by_the_call(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(answering.asyncio, "sleep", sleep)
    for name in ("a", "b"):
        teacher = Teacher(each(errors.ServerFault("broken")), address=REMOTE)
        teacher.latency = None
        with pytest.raises(Dropped):
            await make(teacher)(replace(CALL, prefill=name), str)
    first, second = [[p for p in pauses if p][at : at + TRIES - 1] for at in (0, TRIES - 1)]
    assert first != second
    assert all(0.001 * 2**n <= pause <= 0.0015 * 2**n for mine in (first, second) for n, pause in enumerate(mine))


async def test_a_model_in_this_process_is_not_waited_for(make: Make) -> None:
    ask = make(Teacher(each(errors.ServerFault("broken"))))
    ask._answers.patience = 1000
    with pytest.raises(Dropped):
        await asyncio.wait_for(ask(CALL, str), 1)


async def test_a_dead_server_ends_the_run_and_one_answer_brings_it_back_to_life(make: Make) -> None:
    broken = True
    teacher = Teacher(lambda call: errors.Unreachable("nobody answers") if broken else "Mara.", address=REMOTE)
    ask = make(teacher)

    async def lost(count: int) -> None:
        for number in range(count):
            with pytest.raises(Dropped):
                await ask(replace(CALL, prefill=str(number)), str)

    await lost(DEAD - 1)
    broken = False
    await ask(replace(CALL, prefill="well"), str)
    broken = True
    await lost(DEAD - 1)
    with pytest.raises(errors.Unreachable, match=r"nobody answers\nNothing came of 8 calls.*same command goes on"):
        await ask(CALL, str)


@pytest.mark.parametrize("fault", [errors.Refused("key"), errors.InputError("400"), errors.ReplayMiss("gone")])
async def test_what_will_not_pass_is_not_asked_again(make: Make, fault: errors.HerError) -> None:
    teacher = Teacher(each(fault), address=REMOTE)
    with pytest.raises(type(fault)):
        await make(teacher)(CALL, str)
    assert len(teacher.calls) == 1


async def test_a_prompt_that_does_not_fit_drops_the_row(make: Make) -> None:
    with pytest.raises(Dropped, match="context: t/row/a: too long") as dropped:
        await make(Teacher(each(errors.ContextOverflow("too long"))))(CALL, str)
    assert dropped.value.reason == "context"


# --- answers without JSON, and answers cut off ---


@pytest.mark.parametrize("garbage", ["", "<html><body>502</body></html>", "The model is loading."])
async def test_an_answer_without_json_is_asked_for_again_before_it_counts(make: Make, garbage: str) -> None:
    teacher = Teacher(each(*[garbage] * GARBLED_TRIES, GOOD), address=REMOTE)
    ask = make(teacher)
    assert (await ask(ASKED, Word.model_validate)).word == "Mara"
    assert len(teacher.calls) == GARBLED_TRIES + 1 and all(call == teacher.calls[0] for call in teacher.calls)
    assert (tally(ask).garbled, tally(ask).repairs, ask.mended, tally(ask).calls) == (2, 0, False, 1)


async def test_then_it_counts_and_is_mended(make: Make) -> None:
    teacher = Teacher(lambda call: GOOD if len(call.messages) > 2 else "", address=REMOTE)
    ask = make(teacher)
    assert (await ask(ASKED, Word.model_validate)).word == "Mara"
    assert (len(teacher.calls), tally(ask).repairs, dict(tally(ask).faults)) == (GARBLED_TRIES + 2, 1, {"no-json": 1})
    assert teacher.calls[-1].messages[-2] == Message("assistant", "…"), "several servers refuse a blank message"


@pytest.mark.parametrize(("address", "text"), [("mini", ""), (REMOTE, '{"word": '), (REMOTE, '["no object"]')])
async def test_where_it_would_not_help_it_counts_at_once(make: Make, address: str, text: str) -> None:
    teacher = Teacher(each(text, GOOD), address=address)
    ask = make(teacher)
    await ask(ASKED, Word.model_validate)
    assert (len(teacher.calls), tally(ask).garbled, tally(ask).repairs) == (2, 0, 1)


async def test_text_is_taken_as_it_is(make: Make) -> None:
    teacher = Teacher(each("<html>", "x"), address=REMOTE)
    assert await make(teacher)(CALL, str) == "<html>"


async def test_an_answer_that_is_cut_off_gets_twice_the_room_once(make: Make) -> None:
    teacher = Teacher(lambda call: Reply("word " * 80, Finish.STOP if call.sampling.max_tokens > 50 else Finish.LENGTH))
    ask = make(teacher)
    assert await ask(CALL, len) == 400
    assert [call.sampling.max_tokens for call in teacher.calls] == [50, 100] and tally(ask).lengthened == 1
    assert await make(teacher)(CALL, len) == 400 and len(teacher.calls) == 2


async def test_after_that_it_is_rejected_and_not_mended(make: Make) -> None:
    teacher = Teacher(each(Reply("word", Finish.LENGTH)))
    with pytest.raises(Rejected) as error:
        await make(teacher)(CALL, str)
    (refusal,) = error.value.refusals
    assert (refusal.reason, refusal.where, refusal.detail) == ("length", "t/row/a", "longer than 100 tokens")
    assert len(teacher.calls) == 2
    teacher = Teacher(each(Reply("word", Finish.LENGTH), errors.ContextOverflow("no room")), address="small")
    with pytest.raises(Rejected, match="length"):
        await make(teacher)(CALL, str)


async def test_what_may_be_cut_or_is_whole_all_the_same_is_taken(make: Make) -> None:
    teacher = Teacher(lambda call: Reply(GOOD + '\n{"word":', Finish.LENGTH))
    ask = make(teacher)
    assert await ask(replace(CALL, cut_ok=True), len) == len(GOOD) + 9
    assert (await ask(ASKED, Word.model_validate)).word == "Mara"
    assert len(teacher.calls) == 2


# --- mending ---


async def test_faults_are_told_and_the_answer_asked_for_once_more(make: Make) -> None:
    teacher = Teacher(each('{"word": 5}', GOOD))
    ask = make(teacher)
    assert (await ask(replace(ASKED, prompts=("ask/en@1",)), Word.model_validate)).word == "Mara"
    first, second = teacher.calls
    assert (first.call_id, second.call_id) == ("t/row/a", "t/row/a/repair")
    assert second.messages[:-2] == first.messages and second.sampling == first.sampling
    assert second.messages[-2] == Message("assistant", '{"word": 5}')
    told = second.messages[-1].content
    assert "- word: Input should be a valid string" in told and "- count: Field required" in told
    assert ask.mended and tally(ask).faults == {"schema": 2}
    assert tally(ask).prompts == {"ask/en@1", f"mend/en@{prompt_hash('mend/en')}"}


async def test_a_gate_speaks_to_the_model_in_one_line_for_each_fault(make: Make) -> None:
    refusals = [
        Refusal(stage="t", reason="loop", where=f"t{n:02}", detail="says\nit  again " + "x" * 900) for n in range(30)
    ]
    refusals[1] = Refusal(stage="t", reason="empty", where="t/row/a")
    teacher = Teacher(each("one", "two"))
    with pytest.raises(Rejected):
        await make(teacher)(CALL, reject(*refusals))
    lines = [line for line in teacher.calls[1].messages[-1].content.splitlines() if line.startswith("- ")]
    assert len(lines) == MOST_FAULTS and max(map(len, lines)) <= 302
    assert lines[0].startswith("- t00: says it again xxx") and lines[1] == "- empty"


async def test_what_cannot_be_mended_is_told_to_the_stage_with_the_last_faults(make: Make) -> None:
    teacher = Teacher(each("one", "two", "three"))
    ask = make(teacher)

    def read(text: str) -> str:
        raise Rejected(Refusal(stage="t", reason="no", detail=text))

    with pytest.raises(Rejected) as error:
        await ask(CALL, read)
    assert error.value.refusals[0].detail == "two" and len(teacher.calls) == 2
    assert not ask.mended and tally(ask).repairs == 1


async def test_where_the_repair_does_not_fit_the_first_faults_stand(make: Make) -> None:
    with pytest.raises(Rejected, match="first"):
        await make(Teacher(each("one", errors.ContextOverflow("full"))))(
            CALL, reject(Refusal(stage="t", reason="first"))
        )


async def test_the_repair_speaks_the_language_of_the_call(make: Make) -> None:
    for language, word in [
        ("en", "cannot be used"),
        ("zh", "无法使用"),
        ("zh-Hans", "无法使用"),
        ("fr", "cannot be used"),
    ]:
        teacher = Teacher(each("不", GOOD), address=language)
        await make(teacher)(replace(ASKED, language=language), Word.model_validate)
        assert word in teacher.calls[1].messages[-1].content


async def test_errors_of_a_reader_that_are_no_verdict_come_through(make: Make) -> None:
    with pytest.raises(ZeroDivisionError):
        await make(Teacher(each("x")))(CALL, lambda _: 1 // 0)


# --- what models can do ---


@pytest.mark.parametrize("able", [True, False])
async def test_prefill_and_schema_are_sent_only_where_they_are_honoured(make: Make, able: bool) -> None:
    teacher = Teacher(each(GOOD), constrains=able)
    teacher.prefills = able
    await make(teacher)(replace(ASKED, prefill="> "), Word.model_validate)
    (call,) = teacher.calls
    assert (call.prefill, call.constraint) == (("> ", Constraint(schema=SCHEMA)) if able else ("", None))


async def test_the_prefill_is_part_of_what_is_mended_and_never_of_what_is_read(make: Make) -> None:
    teacher = Teacher(each("one"))
    seen: list[str] = []

    def read(text: str) -> str:
        seen.append(text)
        raise Rejected(Refusal(stage="t", reason="no"))

    with pytest.raises(Rejected):
        await make(teacher)(replace(CALL, prefill="> "), read)
    assert seen == ["one", "one"] and teacher.calls[1].messages[-2].content == "> one"


async def test_halves_of_characters_are_put_together(make: Make) -> None:
    teacher = Teacher(each("a\ud83d\ude00b\ud83d"))
    assert [await make(teacher)(CALL, str) for _ in range(2)] == ["a\U0001f600b\ufffd"] * 2
    assert len(teacher.calls) == 1


# --- several at once ---


async def test_together_waits_for_all_and_raises_the_first_in_order() -> None:
    done: list[str] = []

    async def one(name: str, seconds: float, error: Exception | None = None) -> str:
        await asyncio.sleep(seconds)
        done.append(name)
        if error:
            raise error
        return name

    assert await together(one("a", 0.02), one("b", 0)) == ["a", "b"]
    assert await together() == []
    done.clear()
    with pytest.raises(Dropped, match="first"):
        await together(one("a", 0.02, Dropped("first")), one("b", 0, Dropped("second")), one("c", 0.03))
    assert done == ["b", "a", "c"]
    with pytest.raises(errors.Refused):
        await together(one("a", 0, Dropped("first")), one("b", 0, errors.Refused("key")))


async def test_calls_that_nobody_waits_for_any_more_are_kept(make: Make) -> None:
    teacher = Teacher(lambda call: "Mara.", latency=lambda: 0.02)
    ask = make(teacher)
    task = asyncio.create_task(ask(CALL, str))
    await asyncio.sleep(0)
    await ask._answers.settle()
    assert len(ask._answers.journal) == 1
    assert await task == "Mara."
