"""Slop as a task of Inspect: of texts that are there, of a run's dialogues, or of what the actor writes.

Knows Inspect and its logs. Refuses to know how slop is counted (`measure`).
"""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.bench.figures import Sheet, Unscored, Why, metrics, score
from her.bench.minds.cases import Case, Question, Sort, drawn
from her.bench.minds.source import find, json_of, rows_of
from her.bench.named import task
from her.bench.roles import role
from her.bench.slop.measure import FIGURES, PLACE, Lists, load, measure
from her.bench.slop.texts import Text, visible
from her.bench.slop.texts import load as load_texts
from her.errors import ContextOverflow, InputError
from her.models.base import Message, Sampling
from her.rows.ask import seed_of

TOKENS = 1024
TEMPERATURE = 0.7
PROMPTS = "prompts.json"
LOGS = (".eval", ".json")


@task
def slop(
    path: str = "", texts: str = "", limit: int = 0, seed: int = 0, tokens: int = TOKENS, language: str = "en"
) -> Task:
    """Slop score: of `texts` (JSON lines, or the log of a run), or without them of what the actor writes."""
    lists = load(path)
    given = [_given(one) for one in _texts(Path(texts))] if texts else None
    samples = given if given is not None else _prompts(find(path, PLACE).parent / PROMPTS)
    chosen = drawn([_counted(str(one.id)) for one in samples], limit, seed)
    kept = {case.id for case in chosen}
    settings = {
        "texts": texts or "written by the actor",
        "tokens": tokens,
        "temperature": TEMPERATURE,
        "seed": seed,
        "language": language,
        "contrast": "our own patterns, not the leaderboard's",
        "leaderboard": f"{lists.models} models" if lists.board else "absent",
    }
    sheet = Sheet("slop", "given" if texts else "written", FIGURES, settings)
    return Task(
        name="slop",
        dataset=MemoryDataset([one for one in samples if one.id in kept], name="slop"),
        solver=written(tokens, seed),
        scorer=slop_measured(lists, language),
        metadata=sheet.metadata(),
    )


@solver
def written(tokens: int, seed: int) -> Solver:
    """Has the actor write where no text is given."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if "text" in state.metadata:
            return state
        sampling = Sampling(TEMPERATURE, max_tokens=tokens, seed=seed_of(seed, f"{state.sample_id}/{state.epoch}"))
        asked = state.input_text
        try:
            reply = await role("actor").generate([Message("user", asked)], sampling)
        except ContextOverflow as error:
            state.metadata["context"] = str(error)
            return state
        state.messages = [ChatMessageUser(content=asked), ChatMessageAssistant(content=reply.text)]
        state.metadata["text"] = visible([{"text": reply.text}])
        return state

    return solve


@scorer(metrics=metrics())
def slop_measured(lists: Lists, language: str) -> Scorer:
    """Measures the text of a case."""

    async def grade(state: TaskState, target: Target) -> Score:
        cluster = str(state.metadata.get("cluster", state.sample_id))
        if "context" in state.metadata:
            lost = Unscored(Why.CONTEXT, state.metadata["context"])
            return score({figure.name: lost for figure in FIGURES}, cluster=cluster)
        return score(measure(state.metadata["text"], lists, language), cluster=cluster)

    return grade


def _given(text: Text) -> Sample:
    return Sample(id=text.id, input=text.text, metadata={"text": text.text, "cluster": text.cluster})


def _prompts(path: Path) -> list[Sample]:
    if not path.is_file():
        raise InputError(f"{path} is not there; name texts with -T texts=FILE, or get it from {PLACE.home}")
    data = json_of(path)
    rows = list(data.values()) if isinstance(data, dict) else data
    if isinstance(rows, list) and rows and all(isinstance(one, str) and one.strip() for one in rows):
        return [Sample(id=f"prompt-{number:03}", input=one) for number, one in enumerate(rows, 1)]
    asked = [row.text("prompt") for row in rows_of(path, rows, "prompt")]
    return [Sample(id=f"prompt-{number:03}", input=one) for number, one in enumerate(asked, 1)]


def _texts(path: Path) -> list[Text]:
    if path.suffix in LOGS:
        return _dialogues(path)
    texts = load_texts(path)
    if len({one.id for one in texts}) < len(texts):
        raise InputError(f"{path}: an id stands twice; give each text its own")
    return texts


def _dialogues(path: Path) -> list[Text]:
    """What was visible of the dialogues of a run, a text each."""
    if not path.is_file():
        raise InputError(f"{path} is not there; name the log of a run, or JSON lines with 'text'")
    found = []
    for sample in read_eval_log(str(path)).samples or []:
        turns = {**sample.metadata, **sample.store}.get("dialogue")
        if turns:
            id = f"{sample.id}/{sample.epoch}"
            found.append(Text(id, str(sample.id), visible(turns)))
    if not found:
        raise InputError(f"{path} holds no dialogue; name the log of a run of dialogues")
    return found


def _counted(id: str) -> Case:
    """A text as something that `drawn` can draw."""
    return Case(id, id, (Question(id, "", Sort.FACT, ()),))
