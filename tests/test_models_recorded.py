"""Scripted, Replay and Recorder: what was told, what was recorded, and what comes back of it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her import errors
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling, Usage, prompt_sha
from her.models.recorded import NO_MODEL, Recorder, Replay, Scripted

ASK = [Message("user", "Hi.")]
SAMPLING = Sampling()


async def said(model: Model, messages: list[Message] = ASK, **options: str) -> tuple[list[str], Reply]:
    """The pieces of a stream and its reply."""
    got = [piece async for piece in model.stream(messages, SAMPLING, **options)]  # type: ignore[arg-type]
    assert isinstance(got[-1], Reply)
    return [piece for piece in got[:-1] if isinstance(piece, str)], got[-1]


def lines(path: Path, *rows: dict[str, object] | str) -> Path:
    """A replay file of these rows."""
    text = (row if isinstance(row, str) else json.dumps({"finish": "stop", "usage": {}, **row}) for row in rows)
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


class Breaking(Model):
    """A model whose stream is cut, or never ends."""

    address = "breaking"
    context = 99
    constrains = True
    closed = 0

    def __init__(self, *, hang: bool = False) -> None:
        self.hang = hang

    async def stream(self, *_: object, **__: object) -> AsyncGenerator[str | Reply]:  # type: ignore[override]
        """Two pieces, then a cut."""
        try:
            yield "Oh"
            yield " no"
            if self.hang:
                await asyncio.sleep(60)
            yield Reply("Oh no", Finish.CUT, Usage(3, 1, 2), (("Oh", -0.5),), "the line went dead")
        finally:
            self.closed += 1


# --- scripted ---


async def test_scripted_gives_its_replies_in_order_and_says_when_they_have_run_out() -> None:
    model = Scripted(["One.", "Two."])
    assert [(await model.generate(ASK, SAMPLING)).text for _ in range(2)] == ["One.", "Two."]
    with pytest.raises(errors.ReplayMiss, match="all of its 2 replies"):
        await model.generate(ASK, SAMPLING)


async def test_scripted_keeps_what_it_was_asked() -> None:
    model, bound = Scripted(["One."]), Constraint(grammar='reply ::= "x"')
    await model.generate(ASK, SAMPLING, prefill="Anna: ", constraint=bound, call_id="c1")
    (call,) = model.calls
    assert (list(call.messages), call.sampling, call.prefill, call.constraint, call.call_id) == (
        ASK, SAMPLING, "Anna: ", bound, "c1",
    )  # fmt: skip


async def test_scripted_may_ask_a_function() -> None:
    model = Scripted(lambda messages, prefill: f"{prefill}{messages[-1].content}!")
    assert (await model.generate(ASK, SAMPLING, prefill=">")).text == ">Hi.!"


async def test_scripted_without_replies_says_that_there_is_no_model() -> None:
    model = Scripted()
    assert [(await model.generate(ASK, SAMPLING)).text for _ in range(3)] == [NO_MODEL] * 3
    assert not model.prefills and Scripted(["x"]).prefills


def test_scripted_refuses_what_was_surely_not_meant() -> None:
    with pytest.raises(errors.InputError, match="letter by letter"):
        Scripted("Hello")
    with pytest.raises(errors.InputError, match="at least 1"):
        Scripted(["Hello"], chunk=0)


@given(st.text(), st.none() | st.integers(1, 9))
def test_pieces_are_never_empty_never_too_long_and_together_the_text(text: str, chunk: int | None) -> None:
    pieces, reply = asyncio.run(said(Scripted([text], chunk=chunk)))
    assert "".join(pieces) == text == reply.text
    assert all(0 < len(piece) <= (chunk or len(text)) for piece in pieces)


# --- replay ---


async def test_replay_finds_by_id_before_sha(tmp_path: Path) -> None:
    path = lines(tmp_path / "r", {"sha": prompt_sha(ASK), "text": "by sha"}, {"id": "c1", "text": "by id"})
    replay = Replay(path)
    assert (await replay.generate(ASK, SAMPLING, call_id="c1")).text == "by id"
    assert (await replay.generate(ASK, SAMPLING, call_id="c2")).text == "by sha"


async def test_replay_serves_rows_of_one_key_in_order_and_each_once(tmp_path: Path) -> None:
    sha = prompt_sha(ASK)
    path = lines(
        tmp_path / "r", {"sha": sha, "text": "1"}, {"id": "c", "sha": sha, "text": "2"}, {"sha": sha, "text": "3"}
    )
    replay = Replay(path)
    texts = [(await replay.generate(ASK, SAMPLING, call_id=name)).text for name in ("c", None, None)]
    assert texts == ["2", "1", "3"]
    with pytest.raises(errors.ReplayMiss, match="served already"):
        await replay.generate(ASK, SAMPLING)


async def test_replay_miss_names_id_and_sha(tmp_path: Path) -> None:
    replay = Replay(lines(tmp_path / "r", {"id": "c1", "text": "x"}))
    with pytest.raises(errors.ReplayMiss) as caught:
        await replay.generate(ASK, SAMPLING, prefill="Anna: ", call_id="c9")
    assert "'c9'" in str(caught.value) and prompt_sha(ASK, "Anna: ") in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{torn", "line 2"),
        ({"text": "x"}, "id or a sha"),
        ({"id": "c", "text": "x", "mood": "calm"}, "mood"),
        ({"id": "c", "text": "x", "finish": "tired"}, "finish"),
        ({"id": "c", "text": "xy", "chunks": [[0, "x"]]}, "together"),
        ({"id": "c", "text": "x", "chunks": [[-1, "x"]]}, "chunks"),
    ],
)
def test_a_bad_row_is_an_input_error_with_file_and_line(tmp_path: Path, bad: dict[str, object] | str, why: str) -> None:
    path = lines(tmp_path / "r.jsonl", {"id": "c", "text": "fine"}, bad)
    with pytest.raises(errors.InputError) as caught:
        Replay(path)
    assert "r.jsonl, line 2" in str(caught.value) and why in str(caught.value)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(errors.StorageError, match=r"nowhere\.jsonl"):
        Replay(tmp_path / "nowhere.jsonl")


async def test_pace_plays_the_recorded_timing(tmp_path: Path) -> None:
    row: dict[str, object] = {"id": "c", "text": "ab", "chunks": [[0, "a"], [400, "b"]]}
    for pace, low, high in [(0.0, 0.0, 0.15), (0.5, 0.2, 5.0)]:
        replay = Replay(lines(tmp_path / "r", row), pace=pace)
        began = time.monotonic()
        pieces, _ = await said(replay, call_id="c")
        assert pieces == ["a", "b"] and low <= time.monotonic() - began < high


# --- recorder ---


@given(st.lists(st.tuples(st.text(), st.text(max_size=3), st.none() | st.text()), max_size=6))
def test_a_recording_replays_as_it_was(calls: list[tuple[str, str, str | None]]) -> None:
    async def both(path: Path) -> None:
        recorder = Recorder(Scripted([text for text, _, _ in calls], chunk=2), path)
        first = [await said(recorder, prefill=prefill, call_id=name) for _, prefill, name in calls]  # type: ignore[arg-type]
        await recorder.close()
        replay = Replay(path)
        again = [await said(replay, prefill=prefill, call_id=name) for _, prefill, name in calls]  # type: ignore[arg-type]
        assert again == first

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder) / "r.jsonl"))


async def test_a_cut_reply_is_kept_whole_and_the_replay_looks_like_the_model(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "r.jsonl"
    recorder = Recorder(Breaking(), path)
    got = await said(recorder)
    assert (recorder.address, recorder.context, recorder.prefills, recorder.constrains) == ("breaking", 99, False, True)
    replay = Replay(path)  # before the recorder is closed: rows are flushed one by one
    assert await said(replay) == got and got[1].error == "the line went dead"
    assert (replay.context, replay.prefills, replay.constrains) == (99, False, True)
    await recorder.close()


async def test_a_call_given_up_is_kept_with_what_came_and_the_model_is_told(tmp_path: Path) -> None:
    model = Breaking(hang=True)
    recorder = Recorder(model, tmp_path / "r")

    async def listen() -> None:
        async for _ in recorder.stream(ASK, SAMPLING):
            pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listen(), 0.2)
    reply = await Replay(tmp_path / "r").generate(ASK, SAMPLING)
    assert (reply.text, reply.finish) == ("Oh no", Finish.CUT) and reply.error
    assert model.closed == 1
    await recorder.close()


async def test_recording_on_after_a_kill_loses_only_the_torn_row(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_text(json.dumps({"id": "a", "text": "x", "finish": "stop", "usage": {}}) + '\n{"id": "b", "te', "utf-8")
    recorder = Recorder(Scripted(["y"]), path)
    await recorder.generate(ASK, SAMPLING, call_id="c")
    await recorder.close()
    with pytest.raises(errors.InputError, match="line 2"):
        Replay(path)
    rows = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([rows[0], *rows[2:]]), "utf-8")
    assert (await Replay(path).generate(ASK, SAMPLING, call_id="c")).text == "y"


async def test_a_call_that_failed_outright_is_not_a_row(tmp_path: Path) -> None:
    recorder = Recorder(Scripted([]), tmp_path / "r")
    with pytest.raises(errors.ReplayMiss):
        await recorder.generate(ASK, SAMPLING)
    assert (tmp_path / "r").read_text("utf-8") == ""
    await recorder.close()
    with pytest.raises(errors.StorageError):
        Recorder(Scripted([]), tmp_path)
