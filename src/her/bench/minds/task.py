"""The sets with one right answer as tasks of Inspect, and the one way in which all of them are asked.

Knows Inspect's datasets, solvers and scorers. Refuses to know any set's file: loaders give
cases, `cases` grades them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver

from her.bench.figures import Figure, Sheet, Unscored, Value, Why, metrics, score
from her.bench.minds import bigtom as bigtom_set
from her.bench.minds import fantom as fantom_set
from her.bench.minds import hitom as hitom_set
from her.bench.minds import lifechoices as lifechoices_set
from her.bench.minds import made
from her.bench.minds import tomi as tomi_set
from her.bench.minds import twinvoice as twinvoice_set
from her.bench.minds.answers import Style, style_of
from her.bench.minds.cases import Case, Graded, Question, asked, by_marks, case_of, drawn, graded, offered
from her.bench.minds.source import find
from her.bench.named import task
from her.bench.roles import role
from her.errors import ContextOverflow, InputError
from her.models.base import Finish, Message, Model, Sampling
from her.rows.ask import seed_of

TOKENS = 1024
"""Tokens of an answer with its reasoning; a model that reasons long needs more (`-T tokens=8192`)."""
Count = Callable[[Sequence[Graded]], dict[str, Value]]


@dataclass(frozen=True, slots=True)
class Asking:
    """How the questions of a set are put: form, room for the answer, seed, and the language of the form."""

    style: Style
    tokens: int
    seed: int
    language: str = "en"

    @classmethod
    def of(cls, style: str, tokens: int, seed: int, language: str = "en") -> Asking:
        """The same, from the words of a command line. Raises InputError."""
        if tokens < 1:
            raise InputError(f"tokens is {tokens}; an answer takes at least 1")
        return cls(style_of(style), tokens, seed, language)


@dataclass(frozen=True, slots=True)
class Quiz:
    """A set as it is asked: its name, all its cases, its figures and how they are counted."""

    name: str
    cases: Sequence[Case]
    figures: tuple[Figure, ...]
    count: Count
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "strict"


def quiz_task(quiz: Quiz, asking: Asking, limit: int) -> Task:
    """The task of a set, of which `limit` questions are drawn, or all (0)."""
    cases = drawn(quiz.cases, limit, asking.seed)
    settings = {
        "style": asking.style.value,
        "tokens": asking.tokens,
        "temperature": 0.0,
        "seed": asking.seed,
        **quiz.settings,
    }
    return Task(
        name=quiz.name,
        dataset=MemoryDataset([sample_of(case, asking) for case in cases], name=quiz.name),
        solver=questions_asked(asking.style.value, asking.tokens, asking.seed, asking.language),
        scorer=answers_graded(asking.style.value, quiz.count),
        metadata=Sheet(quiz.name, quiz.preset, quiz.figures, settings).metadata(),
    )


def sample_of(case: Case, asking: Asking) -> Sample:
    """A case as Inspect's sample; its target is what is right, a question a line."""
    return Sample(
        id=case.id,
        input=asked(case.questions[0], asking.style, asking.language),
        target=[" · ".join(one.right) for one in case.questions],
        metadata={"case": case.as_json()},
    )


async def reply_to(model: Model, question: Question, asking: Asking, seed: int) -> dict[str, str]:
    """What a model says to a question: `text`, or `why` there is none."""
    messages = [Message("user", asked(question, asking.style, asking.language))]
    if asking.style is Style.LIKELY:
        return await _likeliest(model, messages, offered(question))
    try:
        reply = await model.generate(messages, Sampling(temperature=0, max_tokens=asking.tokens, seed=seed))
    except ContextOverflow as error:
        return {"why": Why.CONTEXT.value, "detail": str(error)}
    return {"text": reply.text, "cut": "yes" if reply.finish is Finish.LENGTH else ""}


async def _likeliest(model: Model, messages: Sequence[Message], options: Sequence[str]) -> dict[str, str]:
    """The option of the highest log-probability a character; options are letters, names of things, yes and no."""
    absent = {"why": Why.ABSENT.value, "detail": "nothing to weigh: no options, or a backend that does not tell"}
    if not options:
        return absent
    try:
        weights = await model.choose(messages, options)
    except ContextOverflow as error:
        return {"why": Why.CONTEXT.value, "detail": str(error)}
    told = {one: weight / len(one) for one, weight in (weights or {}).items() if weight is not None}
    return {"text": max(told, key=lambda one: told[one])} if told else absent


@solver
def questions_asked(style: str, tokens: int, seed: int, language: str) -> Solver:
    """Puts each question of a case to the actor by itself, with nothing of the others in sight."""
    asking = Asking.of(style, tokens, seed, language)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model, case = role("actor"), case_of(state.metadata["case"])
        replies, state.messages = [], []
        for question in case.questions:
            told = await reply_to(model, question, asking, seed_of(seed, f"{case.id}/{state.epoch}/{question.id}"))
            replies.append(told)
            state.messages.append(ChatMessageUser(content=asked(question, asking.style, asking.language)))
            state.messages.append(ChatMessageAssistant(content=told.get("text", told.get("detail", ""))))
        state.metadata["replies"] = replies
        return state

    return solve


@scorer(metrics=metrics())
def answers_graded(style: str, count: Count) -> Scorer:
    """Grades the answers of a case, and counts its figures."""
    form = style_of(style)

    async def grade(state: TaskState, target: Target) -> Score:
        case = case_of(state.metadata["case"])
        found = [
            graded(question, said(reply), form)
            for question, reply in zip(case.questions, state.metadata["replies"], strict=True)
        ]
        told = [_told(one, reply) for one, reply in zip(found, state.metadata["replies"], strict=True)]
        answer = ", ".join(one.answer or "–" for one in found)
        return score(
            count(found), cluster=case.cluster, answer=answer, explanation="\n".join(told), more={"case": case.more}
        )

    return grade


def said(reply: Mapping[str, str]) -> str | Unscored:
    """What `reply_to` noted down, as `graded` takes it."""
    return reply["text"] if "text" in reply else Unscored(Why(reply["why"]), reply["detail"])


def _told(one: Graded, reply: Mapping[str, str]) -> str:
    if isinstance(one.value, Unscored):
        cut = "; the token limit ended the reply" if reply.get("cut") else ""
        return f"{one.question.id}: {one.value.why.value} ({one.value.detail}{cut})"
    right = " · ".join(one.question.right)
    return f"{one.question.id}: {one.answer!r}, right is {right!r}: {one.value:g}"


@task
def hitom(path: str = "", limit: int = 0, seed: int = 0, style: str = "answer", tokens: int = TOKENS) -> Task:
    """Hi-ToM: who thinks that who thinks … a thing is where, order 0 to 4."""
    cases = hitom_set.load(find(path, hitom_set.PLACE))
    settings = {"half": hitom_set.HALF, "note": "four assumptions in our own words"}
    quiz = Quiz("hitom", cases, hitom_set.FIGURES, hitom_set.count, settings)
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


@task
def tomi(path: str = "", limit: int = 0, seed: int = 0, style: str = "answer", tokens: int = TOKENS) -> Task:
    """ToMi: where somebody will look for a thing; the answer is a name, and no options are shown."""
    cases = tomi_set.load(find(path, tomi_set.PLACE))
    quiz = Quiz("tomi", cases, tomi_set.FIGURES, by_marks(tomi_set.FIGURES))
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


@task
def bigtom(path: str = "", limit: int = 0, seed: int = 0, style: str = "answer", tokens: int = TOKENS) -> Task:
    """BigToM: what somebody believes or will do, two options."""
    cases = bigtom_set.load(find(path, bigtom_set.PLACE), seed)
    quiz = Quiz("bigtom", cases, bigtom_set.FIGURES, by_marks(bigtom_set.FIGURES), {"options": "shuffled by the seed"})
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


@task
def twinvoice(path: str = "", limit: int = 0, seed: int = 0, style: str = "answer", tokens: int = TOKENS) -> Task:
    """TwinVoice: which of four lines a character of a novel says."""
    cases = twinvoice_set.load(find(path, twinvoice_set.PLACE))
    settings = {"part": "narrative", "earlier lines": f"at most {twinvoice_set.MOST_LINES}, none from later on"}
    quiz = Quiz("twinvoice", cases, twinvoice_set.FIGURES, by_marks(twinvoice_set.FIGURES), settings)
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


@task
def lifechoices(path: str = "", limit: int = 0, seed: int = 0, style: str = "answer", tokens: int = TOKENS) -> Task:
    """LifeChoice: which of four ways a character takes; path `made` asks a small set of our own."""
    if path == made.NAME:
        cases, note = made.lifechoices(seed), "people of our own, in no book"
    else:
        cases, note = lifechoices_set.load(find(path, lifechoices_set.PLACE), seed), lifechoices_set.CONTAMINATION
    settings = {"options": "shuffled by the seed", "contamination": note}
    quiz = Quiz("lifechoices", cases, lifechoices_set.FIGURES, lifechoices_set.count, settings, _preset(path))
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


@task
def fantom(
    path: str = "",
    limit: int = 0,
    seed: int = 0,
    style: str = "answer",
    tokens: int = TOKENS,
    context: str = "short",
) -> Task:
    """FANToM: who missed what of a talk; path `made` asks a small set of our own."""
    if path == made.NAME:
        cases = made.fantom(seed, context)
    else:
        cases = fantom_set.load(find(path, fantom_set.PLACE), seed, context)
    quiz = Quiz("fantom", cases, fantom_set.FIGURES, fantom_set.count, {"context": context}, _preset(path))
    return quiz_task(quiz, Asking.of(style, tokens, seed), limit)


def _preset(path: str) -> str:
    """A set of our own is never compared with the published one."""
    return made.NAME if path == made.NAME else "strict"
