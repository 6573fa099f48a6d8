"""How likely a model is to go on with given texts: on every backend, against a toy that knows the right answer."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her import errors
from her.models.base import Constraint, Message, Model, Sampling, Through
from her.models.choice import ALL, FEW, HOSTED_MOST, by_id, by_text, distinct, split, weighed
from her.models.embedded import Embedded
from her.models.endpoint import Endpoint
from her.models.recorded import Recorder, Replay, Scripted
from servers import FaultServer, Handler, events, say, status

ASK = [Message("system", "Say one letter."), Message("user", "A or B?")]
LETTERS = "AB ab12"
TOKENS = [*map(ord, LETTERS), *range(1000, 1000 + 2 * FEW)]


def toy(ids: Sequence[int]) -> dict[int, float]:
    """A language model: log-probabilities of the token after some ids, by nothing but their hash."""
    seed = hashlib.sha256(repr(tuple(ids)).encode()).digest()
    logits = {token: ((seed[n % 32] * (n + 3)) % 101) / 10 for n, token in enumerate(TOKENS)}
    whole = math.log(sum(math.exp(one) for one in logits.values()))
    return {token: one - whole for token, one in logits.items()}


def alike(rows: Sequence[Sequence[object]]) -> int:
    """How many items all the rows begin with."""
    return sum(1 for _ in takewhile(lambda items: len(set(items)) == 1, zip(*rows, strict=False)))


def right(head: Sequence[int], prefill: str, option: str, others: Sequence[str]) -> float:
    """The option's log-probability by the toy: from where the options part."""
    texts = [prefill + other for other in others]
    shared = min(alike(texts), min(map(len, texts)) - 1)
    ids = [*head, *map(ord, prefill + option)]
    return sum(toy(ids[:at])[ids[at]] for at in range(len(head) + shared, len(ids)))


def report(ids: Sequence[int], most: int) -> list[dict[str, Any]]:
    likely = sorted(toy(ids).items(), key=lambda one: -one[1])[:most]
    return [{"id": token, "token": chr(token), "bytes": [], "logprob": value} for token, value in likely]


options = st.lists(st.text(LETTERS, min_size=1, max_size=4), min_size=1, max_size=4, unique=True)


# -- options --------------------------------------------------------------------------------------------------------


@given(options, st.text(LETTERS, max_size=3))
async def test_an_option_weighs_what_its_tokens_weigh_from_where_the_options_part(
    names: list[str], prefill: str
) -> None:
    asked: list[tuple[int, ...]] = []

    async def ask(ids: tuple[int, ...], wanted: frozenset[int]) -> Mapping[int, float]:
        asked.append(ids)
        return {token: toy(ids)[token] for token in wanted}

    told = await weighed(split([7], {name: [*map(ord, prefill + name)] for name in names}), ask)
    assert told is not None and list(told) == names
    for name in names:
        assert told[name] == pytest.approx(right([7], prefill, name, names))
    assert len(set(asked)) == len(asked), "no place is asked about twice"


@pytest.mark.parametrize("names", [[], [""], ["A"], ["A", "A"], ["A", ""]])
async def test_a_choice_needs_different_texts(names: list[str]) -> None:
    with pytest.raises(errors.InputError, match="different texts"):
        distinct(names)
    with pytest.raises(errors.InputError, match="no token"):
        split([1], {"A": [1], "B": []})


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": []},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"content": []}}]},
        {"choices": [{"logprobs": {"content": [{"top_logprobs": [None, {"id": "x"}, {"id": 1, "logprob": None}]}]}}]},
        {"choices": [{"logprobs": {"content": [{"top_logprobs": [{"id": 1, "token": "A", "logprob": -3.4e38}]}]}}]},
        {"choices": [{"logprobs": {"content": [{"top_logprobs": [{"id": 1, "token": "A", "logprob": 2.0}]}]}}]},
        {"choices": [{"logprobs": {"top_logprobs": [{"A": -1.0, "token_id:x": -1}]}}]},
        {"choices": [{"logprobs": {"top_logprobs": [None]}}]},
    ],
)
def test_what_is_no_report_reports_nothing(event: Any) -> None:
    assert by_id(event) == {} and by_text(event) == []


def test_nan_is_no_log_probability() -> None:
    told = [{"id": 1, "token": "A", "logprob": math.nan}, {"id": 2, "token": "B", "logprob": -1}]
    assert by_id({"choices": [{"logprobs": {"content": [{"top_logprobs": told}]}}]}) == {2: -1}


# -- the embedded engine, its engine a toy --------------------------------------------------------------------------


class Engine:
    """What the engine's server does with one token, by the toy; `deaf` reports nothing."""

    def __init__(self, *, fault: str = "", deaf: bool = False) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.fault, self.deaf = fault, deaf

    def handle_completions(self, body: dict[str, Any], receive: Any) -> None:
        self.bodies.append(body)
        if self.fault:
            receive({"error": {"message": self.fault}})
            return
        receive({"choices": [{"text": "", "logprobs": None, "finish_reason": None}], "prompt_progress": {}})
        content = [] if self.deaf else [{"id": 0, "top_logprobs": report(body["prompt"], body["n_probs"])}]
        receive({"choices": [{"text": "?", "logprobs": {"content": content}, "finish_reason": None}]})
        receive({"choices": [{"text": "", "logprobs": None, "finish_reason": "length"}]})


def embedded(engine: Engine, context: int = 100) -> Embedded:
    model = object.__new__(Embedded)
    model.address, model.context = "toy.gguf", context
    model._server, model._running, model._worker = engine, set(), ThreadPoolExecutor(max_workers=1)
    model._asking = threading.Lock()
    model._ids = lambda text, control=False: tuple(map(ord, text))  # type: ignore[assignment]
    model._prompt = lambda messages: [5, 6]  # type: ignore[assignment,method-assign,misc]
    return model


async def test_the_engine_tells_every_option_exactly_and_all_tokens_only_where_it_must() -> None:
    engine = Engine()
    model = embedded(engine)
    names = ["A", "B", "ab", "a1"]
    told = await model.choose(ASK, names, prefill="b ")
    assert told == {name: pytest.approx(right([5, 6], "b ", name, names)) for name in names}
    for body in engine.bodies:
        likeliest = {row["id"] for row in report(body["prompt"], FEW)}
        wanted = {token for token, _ in body["logit_bias"]}
        again = [b["n_probs"] for b in engine.bodies if b["prompt"] == body["prompt"]]
        assert again == ([FEW] if wanted <= likeliest else [FEW, ALL])
        assert body["n_predict"] == 1
    await model.close()


async def test_an_engine_that_reports_nothing_cannot_tell_and_its_fault_is_raised() -> None:
    assert await embedded(Engine(deaf=True)).choose(ASK, ["A", "B"]) is None
    with pytest.raises(errors.ModelError, match="out of luck"):
        await embedded(Engine(fault="out of luck")).choose(ASK, ["A", "B"])
    with pytest.raises(errors.ContextOverflow, match="3 tokens"):
        await embedded(Engine(), context=2).choose(ASK, ["A", "B"])
    with pytest.raises(errors.InputError):
        await embedded(Engine()).choose(ASK, ["A", "A"])


# -- servers --------------------------------------------------------------------------------------------------------


def tell(handler: Handler) -> None:
    """One token of a completion, as llama.cpp and vLLM report it, or of a chat."""
    body = handler.body
    handler.open_stream()
    if "prompt" not in body:
        rows = [
            {"token": text, "logprob": math.log(p)} for text, p in ((" A", 0.5), ("A", 0.2), ("B", 0.1), ("Al", 0.1))
        ]
        told: Any = {"content": [{"token": " A", "top_logprobs": rows}]}
    elif "n_probs" in body:
        told = {"content": [{"id": 0, "top_logprobs": report(body["prompt"], body["n_probs"])}]}
    else:
        likely = report(body["prompt"], body["logprobs"])
        told = {"top_logprobs": [{f"token_id:{row['id']}": row["logprob"] for row in likely}]}
    handler.event({"choices": [{"index": 0, "text": "", "delta": {"content": ""}, "logprobs": None}]})
    handler.event({"choices": [{"index": 0, "text": "x", "delta": {"content": "x"}, "logprobs": told}]})
    handler.raw("data: [DONE]\n\n")
    handler.end_stream()


HEAD = [*map(ord, "[system]Say one letter.[user]A or B?[assistant]")]


async def test_llama_cpp_tells_every_option_exactly() -> None:
    names = ["A", "B", "12"]
    with FaultServer(tell, kind="llamacpp") as server:
        model = Endpoint(server.url)
        told = await model.choose(ASK, names, prefill="a")
        await model.close()
    assert told == {name: pytest.approx(right(HEAD, "a", name, names)) for name in names}
    assert all(body["max_tokens"] == 1 and body["stream"] for body in server.bodies)


async def test_vllm_tells_the_options_that_are_among_its_likeliest() -> None:
    names = [chr(token) for token in TOKENS[:24]]
    with FaultServer(tell, kind="vllm") as server:
        model = Endpoint(server.url)
        told = await model.choose(ASK, names)
        await model.close()
    assert told is not None
    known = {name: value for name, value in told.items() if value is not None}
    likely = {chr(row["id"]): row["logprob"] for row in report(HEAD, HOSTED_MOST)}
    assert known == {name: pytest.approx(likely[name]) for name in names if name in likely}
    assert 0 < len(known) < len(names) and server.bodies[0]["return_tokens_as_token_ids"]


async def test_a_hosted_server_is_asked_by_text_and_white_space_around_a_token_does_not_count() -> None:
    with FaultServer(tell) as server:
        model = Endpoint(server.url)
        told = await model.choose(ASK, [" A", " B", "C"], prefill="Better:")
        await model.close()
    assert told == {" A": pytest.approx(math.log(0.7)), " B": pytest.approx(math.log(0.1)), "C": None}
    body = server.bodies[0]
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, HOSTED_MOST, 1)
    assert [row["role"] for row in body["messages"]] == ["system", "user"], "it takes no prefill"


@pytest.mark.parametrize("kind", ["somebody", "vllm", "llamacpp"])
async def test_a_server_that_reports_nothing_cannot_tell(kind: str) -> None:
    silent = events(json.dumps({"choices": [{"index": 0, "text": "A", "delta": {"content": "A"}}]}))
    for act in (say("A"), silent):
        with FaultServer(act, kind=kind) as server:
            model = Endpoint(server.url)
            assert await model.choose(ASK, ["A", "B"]) is None
            await model.close()


async def test_a_server_s_refusal_and_a_window_that_is_too_small_are_errors() -> None:
    with FaultServer(status(400, "logprobs are not for sale")) as server:
        model = Endpoint(server.url)
        with pytest.raises(errors.InputError, match="not for sale"):
            await model.choose(ASK, ["A", "B"])
        await model.close()
    with FaultServer(tell, kind="llamacpp") as server:
        server.window = 20
        model = Endpoint(server.url)
        with pytest.raises(errors.ContextOverflow):
            await model.choose(ASK, ["A", "B"])
        await model.close()


# -- doubles --------------------------------------------------------------------------------------------------------


async def test_a_model_that_was_given_nothing_to_say_of_options_cannot_tell() -> None:
    class Mute(Model):
        def stream(
            self,
            messages: Sequence[Message],
            sampling: Sampling,
            *,
            prefill: str = "",
            constraint: Constraint | None = None,
            call_id: str | None = None,
        ) -> Any:
            raise AssertionError

    class Behind(Through):
        stream = Mute.stream

    assert await Mute().choose(ASK, ["A", "B"]) is None
    told = Scripted([])
    told.weigh = lambda messages, names, prefill: {name: -2.0 for name in names}
    assert await Behind(told).choose(ASK, ["A", "B"]) == {"A": -2.0, "B": -2.0}


async def test_choices_are_recorded_and_replayed_by_prompt_options_and_prefill(tmp_path: Path) -> None:
    model = Scripted([])
    model.weigh = lambda messages, names, prefill: {name: -float(len(prefill)) for name in names} if prefill else None
    recorder = Recorder(model, tmp_path / "r.jsonl")
    asked: list[tuple[list[str], str]] = [(["A", "B"], "x"), (["A", "“é”"], "xy"), (["A", "B"], "")]
    told = [await recorder.choose(ASK, names, prefill=prefill) for names, prefill in asked]
    await recorder.close()
    replay = Replay(tmp_path / "r.jsonl")
    for (names, prefill), before in reversed(list(zip(asked, told, strict=True))):
        assert await replay.choose(ASK, names, prefill=prefill) == before
    with pytest.raises(errors.ReplayMiss):
        await replay.choose(ASK, ["A", "B"], prefill="x")


async def test_a_reply_is_no_choice(tmp_path: Path) -> None:
    recorder = Recorder(Scripted(["A"]), tmp_path / "r.jsonl")
    await recorder.generate(ASK, Sampling())
    await recorder.choose(ASK, ["A", "B"])
    await recorder.close()
    path = tmp_path / "r.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"text":"null"', '"text":"A"'), encoding="utf-8")
    with pytest.raises(errors.InputError, match="no choice"):
        await Replay(path).choose(ASK, ["A", "B"])


# -- real models ----------------------------------------------------------------------------------------------------


@pytest.mark.model
async def test_the_bundled_model_s_chances_add_up_and_its_likeliest_word_is_what_it_says(mini: Embedded) -> None:
    sampling = Sampling(temperature=0, max_tokens=1, repeat_penalty=1.0)
    said = (await mini.generate(ASK, sampling, prefill="The letter:")).text
    words = [said, *(word for word in (" A", " B", " the", " zebra", "\n", " ") if word != said)]
    told = await mini.choose(ASK, words, prefill="The letter:")
    assert told is not None
    known = {word: value for word, value in told.items() if value is not None}
    assert len(known) == len(words) and max(known, key=lambda word: known[word]) == said
    assert sum(map(math.exp, known.values())) <= 1.001
    pair = await mini.choose(ASK, [" A", " B"], prefill="The letter:")
    assert pair == {name: pytest.approx(told[name], abs=1e-3) for name in (" A", " B")}


@pytest.mark.model
@pytest.mark.torch
async def test_both_backends_weigh_the_bundled_model_s_options_alike(mini: Embedded, hf_folder: Path) -> None:
    from her.models.transformers import Transformers

    other = Transformers(f"hf:{hf_folder}")
    for prefill, names in (("The letter:", [" A", " B"]), ("", ["A", "B", "Neither of them"]), ("更好：", ["A", "乙"])):
        one, two = [await model.choose(ASK, names, prefill=prefill) for model in (mini, other)]
        assert one is not None and two is not None
        for name in names:
            # The engine rounds what it multiplies four-bit weights with: some tenths of a nat a token.
            assert one[name] == pytest.approx(two[name], abs=0.15 * (1 + len(name.split()))), (prefill, name)
    await other.close()


@pytest.mark.torch
async def test_transformers_weighs_an_option_as_the_whole_row_does(hf_folder: Path) -> None:
    import torch

    from her.models.transformers import Transformers

    model = Transformers(f"hf:{hf_folder}")
    names = ["Yes.", "Yes, gladly.", "No"]
    for _ in range(2):  # the second time from the cache
        told = await model.choose(ASK, names, prefill="Well: ")
        assert told is not None
        for name in names:
            head = model.tokens.head(ASK)[0]
            own = model.tokens.ids("Well: " + name, plain=True)
            shared = alike([model.tokens.ids("Well: " + one, plain=True) for one in names])
            with torch.inference_mode():
                logits = model._model(torch.tensor([[*head, *own]])).logits[0].float().log_softmax(-1)
            places = range(len(head) + shared, len(head) + len(own))
            whole = sum(float(logits[at - 1, [*head, *own][at]]) for at in places)
            assert told[name] == pytest.approx(whole, abs=1e-3)
    await model.close()
