"""UserLLM as a task of Inspect: the model plays the user, and its turns are measured.

Knows Inspect. Refuses to let anybody but a named judge stand in for the detector and the judge of the original.
"""

from __future__ import annotations

from collections.abc import Sequence

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.bench.figures import Sheet, Unscored, Value, Why, metrics, score
from her.bench.minds.source import Place, find
from her.bench.named import task
from her.bench.roles import role, role_or_none
from her.bench.users import made
from her.bench.users.measures import ENDING, FIGURES, NATURAL, count, f1_of, judged, takes
from her.bench.users.turns import BLOCK, END, Ask, ask_of, blocks, load
from her.errors import ContextOverflow
from her.judge.case import quoted
from her.models.base import Message, Model, Sampling
from her.prompts import prompt
from her.rows.ask import seed_of

PLACE = Place("userllm", "userllm.jsonl", "https://github.com/sunnweiwei/OdysSim")
TOKENS = 256
"""Tokens of a turn; people write short ones."""
TEMPERATURE = 1.0
"""At 0 first turns would differ by their intents alone, and diversity would say nothing of the model."""


@task
def userllm(path: str = "", limit: int = 0, seed: int = 0, tokens: int = TOKENS) -> Task:
    """UserLLM: what a person says to an assistant; path `made` asks a small set of our own."""
    own = path == made.NAME
    asks = made.asks(seed) if own else load(find(path, PLACE))
    cases = blocks(asks, limit, seed)
    settings = {
        "tokens": tokens,
        "temperature": TEMPERATURE,
        "seed": seed,
        "turns": sum(map(len, cases)),
        "first turns compared": BLOCK,
        "end": END,
        "detector of machine text": "the judge; absent without one",
    }
    samples = [
        Sample(
            id=case[0].id if len(case) == 1 else f"{case[0].id}+{len(case) - 1}",
            input=case[0].text(),
            metadata={"asks": [ask.as_json() for ask in case]},
        )
        for case in cases
    ]
    sheet = Sheet("userllm", made.NAME if own else "signs-mended", FIGURES, settings, ("judge",))
    return Task(
        name="userllm",
        dataset=MemoryDataset(samples, name="userllm"),
        solver=turns_asked(tokens, seed),
        scorer=turns_measured(),
        metadata=sheet.metadata(),
    )


@solver
def turns_asked(tokens: int, seed: int) -> Solver:
    """Has the actor speak as the user, once for each turn of a case."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = role("actor")
        state.messages, said = [], []
        for ask in (ask_of(values) for values in state.metadata["asks"]):
            told = await spoken(model, ask, tokens, seed_of(seed, f"{ask.id}/{state.epoch}"))
            said.append(told)
            state.messages.append(ChatMessageUser(content=ask.text()))
            state.messages.append(ChatMessageAssistant(content=told.get("text", told.get("detail", ""))))
        state.metadata["said"] = said
        return state

    return solve


async def spoken(model: Model, ask: Ask, tokens: int, seed: int) -> dict[str, str]:
    """What a model says as the user: `text`, or `detail` of why the prompt does not fit."""
    sampling = Sampling(temperature=TEMPERATURE, top_p=1.0, max_tokens=tokens, seed=seed)
    try:
        return {"text": (await model.generate([Message("user", ask.text())], sampling)).text}
    except ContextOverflow as error:
        return {"detail": str(error)}


async def verdict(judge: Model, ask: Ask, turn: str, seed: int) -> Value:
    """What a judge makes of a turn: 1, 0, or Unscored."""
    figure = takes(ask)
    if figure is None:
        return Unscored(Why.UNDEFINED)
    if figure == NATURAL:
        text = prompt("bench-user-natural/en", turn=quoted(turn, "| "))
    else:
        told = {"question": ask.question, "suggestion": ask.suggestion}
        text = prompt("bench-user-intent/en", **told, turn=quoted(turn, "| "))
    try:
        reply = await judge.generate([Message("user", text)], Sampling(temperature=0, max_tokens=1024, seed=seed))
    except ContextOverflow as error:
        return Unscored(Why.CONTEXT, str(error))
    return judged(reply.text, figure)


@metric(name="f1", scores="unreduced")
def f1() -> Metric:
    """F1 of ending a talk where the person did, over all turns."""

    def measure(scores: Sequence[SampleScore]) -> float:
        values = [one.score.as_float() for one in scores]
        return f1_of(sum(values) / len(values)) if values else float("nan")

    return measure


@scorer(metrics={**metrics(), ENDING: [*metrics()["*"], f1()]})
def turns_measured() -> Scorer:
    """Measures the turns of a case; asks the judge where there is one."""

    async def grade(state: TaskState, target: Target) -> Score:
        asks = [ask_of(values) for values in state.metadata["asks"]]
        turns = [
            said["text"] if "text" in said else Unscored(Why.CONTEXT, said["detail"]) for said in state.metadata["said"]
        ]
        judge, verdicts = role_or_none("judge"), {}
        for ask, turn in zip(asks, turns, strict=True):
            if judge is not None and takes(ask) and not isinstance(turn, Unscored) and turn.strip():
                verdicts[ask.id] = await verdict(judge, ask, turn, seed_of(0, f"{ask.id}/{state.epoch}/judge"))
        return score(count(asks, turns, verdicts), cluster=str(state.sample_id), more={"source": asks[0].source})

    return grade
