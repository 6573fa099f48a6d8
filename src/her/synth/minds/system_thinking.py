"""System thinking: the author's plan for each turn, drafted forward and then written backwards from the turn.

Knows two questions: what would a model plan that plays the character and has not seen the turn; and what plan, of
that line of thought, leads to the turn that the book has. Refuses to take what a model says for what it planned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import ValidationError

from her.act import closed, has
from her.checks.units import CHARACTERS_PER_WORD, is_spaceless
from her.errors import ContextOverflow
from her.markup import notation, parse
from her.models.base import Message, Model
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Record, Refusal, SceneRow, Step, TurnRow
from her.rows.run import Done
from her.scene import Scene
from her.script import Script
from her.synth.gates import planned
from her.synth.minds.lived import (
    fitted,
    foreign,
    given_up,
    knowledge,
    line_schema,
    num_chars,
    num_tokens,
    prompt_language,
    seen_before,
    shown,
)
from her.synth.minds.pieces import whole
from her.synth.stage import Stage, StageOptions, named
from her.turn import ENVIRONMENT, FaultKind, Kind, Segment, Turn

DRAFT_TOKENS = 400
TERSE_DRAFT_TOKENS = 120
"""Tokens of a draft, at most; a draft that is cut there ends with its last whole sentence. Ours."""
TERSE_WORDS = (15, 50)
"""Words of a plan for a terse teacher."""
_FEWEST_CHARS = 30
"""Characters that a schema asks of a plan at least. A bound near that of `plan_words` would be better, but together
with the upper one and the pattern it is too much for llguidance, which then lets anything pass."""
_SPARE = 4 / 3
"""How far beyond the words that are asked for a gate lets a plan go: models do not count."""


class _Plan(Record):
    plan: str


@dataclass(frozen=True)
class Drafts(Stage[SceneRow, SceneRow]):
    """Forward drafts alone, for a model other than the one that rewrites them.

    A draft stands where the plan will stand, first in its turn; `SystemThinking` replaces or removes every one. Rows
    in between are not for training.
    """

    name: ClassVar[str] = "drafts"

    async def work(self, row: SceneRow, ask: Ask) -> Done[SceneRow]:
        """The scene with a draft in each turn that has one."""
        scene = _scene(row)
        plans: dict[str, str] = {}
        refused: list[Refusal] = []
        for turn in _own_turns(row):
            try:
                plans[turn.id] = await drafted(self, row, turn, ask)
            except (Rejected, Dropped) as error:
                refused += given_up(error, self.name, turn.id)
        text = f"her/{scene.prompt_language}"
        done = _with_plans(row, plans, refused, self.step(ask, text))
        return Done((done,), tuple(refused))


@dataclass(frozen=True)
class SystemThinking(Stage[SceneRow, SceneRow]):
    """The stage. Where `Drafts` was the row's last step its drafts are used, else the same model drafts here."""

    name: ClassVar[str] = "system-thinking"

    async def work(self, row: SceneRow, ask: Ask) -> Done[SceneRow]:
        """The scene with a plan in each turn; a turn whose plans were refused twice has none, and is recorded."""
        scene = _scene(row)
        given = bool(row.lineage) and row.lineage[-1].stage == Drafts.name
        plans: dict[str, str] = {}
        refused: list[Refusal] = []
        for turn in _own_turns(row):
            try:
                draft = turn.turn.text_of(Kind.SYSTEM_THINKING) if given else await drafted(self, row, turn, ask)
                plans[turn.id] = await self._rewritten(row, turn, draft, ask)
            except (Rejected, Dropped) as error:
                refused += given_up(error, self.name, turn.id)
        rewriting = _texts(prompt_language(row), terse=self.options.terse)
        texts = rewriting if given else (*rewriting, f"her/{scene.prompt_language}")
        done = _with_plans(row, plans, refused, self.step(ask, *texts))
        return Done((done,), tuple(refused))

    async def _rewritten(self, row: SceneRow, turn: TurnRow, draft: str, ask: Ask) -> str:
        """The plan that leads to the turn. Raises Rejected and Dropped."""
        call_id = f"{self.name}/{row.id}/{turn.id}"
        language = prompt_language(row)
        least, most = plan_words(self.options)
        chars = num_chars(round(most * _SPARE), row.language)
        max_tokens = 32 + num_tokens(chars, row.language)
        # A small model that is held to the schema names the character, and so speaks of it.
        name = turn.speaker + ("" if is_spaceless(turn.speaker[-1]) else " ")
        text = line_schema(chars, least=_FEWEST_CHARS, begins=name if self.options.terse else "")
        real = turn.turn.without(Kind.SYSTEM_THINKING)

        def read(data: Any) -> str:
            plan = whole(_Plan.model_validate(data).plan, chars).strip()
            bounds = (round(least / _SPARE), round(most * _SPARE))
            if refused := planned(plan, real, row, bounds, self.name):
                raise Rejected(*refused)
            return plan

        call = Call(
            id=call_id,
            messages=await self._messages(row, real, draft, ask.model, max_tokens),
            sampling=self.sampling(call_id, max_tokens),
            prompts=named(*_texts(language, terse=self.options.terse)),
            schema={
                "type": "object",
                "properties": {"plan": text},
                "required": ["plan"],
                "additionalProperties": False,
            },
            language=language,
        )
        return await ask(call, read)

    async def _messages(
        self, row: SceneRow, turn: Turn, draft: str, model: Model, max_tokens: int
    ) -> tuple[Message, ...]:
        """Rules and case, without the oldest turns where the model's window is too small."""
        language = prompt_language(row)
        rules, case = _texts(language, terse=self.options.terse)
        each = CHARACTERS_PER_WORD if language == "zh" else 1
        least, most = (str(round(words * each)) for words in plan_words(self.options))
        system = Message("system", prompt(rules, least=least, most=most, language=foreign(row)))
        seen = seen_before(row, turn.id, turn.speaker)
        entered = any(before.speaker == turn.speaker for before in seen)

        def user(dropped: int) -> Message:
            about = knowledge(row, turn.speaker, seen[dropped:])
            words = prompt(
                case,
                **about,
                begins="" if seen else turn.speaker,
                enters="" if entered else turn.speaker,
                to=("、" if language == "zh" else ", ").join(sorted(turn.heard_by or ())),
                draft=draft.strip(),
                undrafted="" if draft.strip() else turn.speaker,
                turn=shown(turn),
            )
            return Message("user", words)

        return await fitted(model, lambda dropped: (system, user(dropped)), len(seen), max_tokens)


async def drafted(stage: Stage[SceneRow, SceneRow], row: SceneRow, turn: TurnRow, ask: Ask) -> str:
    """What a model plans that plays the turn's character and knows what it knew before; empty where it planned nothing.

    The prompt is the actor's own, as in chat. What stands outside of a plan is never taken for one, and a plan that
    the token limit cut ends with its last whole sentence. Raises Dropped.
    """
    script = Script(_scene(row), turn.speaker)
    call_id = f"draft/{row.id}/{turn.id}"
    begun = script.beginning(None, plan=True) if ask.model.prefills else ""
    max_tokens = TERSE_DRAFT_TOKENS if stage.options.terse else DRAFT_TOKENS
    seen = seen_before(row, turn.id, turn.speaker)
    try:
        made = await script.fitted(ask.model, seen, prefill=begun, reserve=max_tokens)
    except ContextOverflow as error:
        raise Dropped("context", str(error)) from None
    call = Call(
        id=call_id,
        messages=made.messages,
        sampling=replace(stage.sampling(call_id, max_tokens), stop=(notation()["plan_close"],)),
        prompts=(made.texts,),
        prefill=begun,
        cut_ok=True,
        language=prompt_language(row),
    )
    return await ask(call, lambda text: plan_in(begun + text, row, turn.speaker))


def plan_in(text: str, row: SceneRow, name: str) -> str:
    """The plan that a reply holds, closed or not; empty where there is none (release A27: the reply is no plan)."""
    parsed = parse(text, speaker=name, cast=[one.name for one in row.cast])
    turn = parsed.turn.only(Kind.SYSTEM_THINKING)
    if has(parsed.faults, FaultKind.UNCLOSED):
        turn = closed(turn)
    return turn.text_of(Kind.SYSTEM_THINKING).strip()


def plan_words(options: StageOptions) -> tuple[int, int]:
    """The fewest and the most words that a plan is asked to have."""
    least, most = options.plan_words
    return (min(least, TERSE_WORDS[0]), min(most, TERSE_WORDS[1])) if options.terse else (least, most)


def _scene(row: SceneRow) -> Scene:
    try:
        return row.scene
    except ValidationError as error:
        fields = ", ".join(sorted({str(one["loc"][0]) for one in error.errors()}))
        raise Dropped("no-scene", f"the scene lacks {fields}; a plan is drafted from the actor's own prompt") from None


def _own_turns(row: SceneRow) -> list[TurnRow]:
    """The turns of characters that hold anything but a plan."""
    return [turn for turn in row.turns if turn.speaker != ENVIRONMENT and turn.turn.layout]


def _with_plans(row: SceneRow, plans: dict[str, str], refused: list[Refusal], step: Step) -> SceneRow:
    """The row with these plans in its turns, by id, and no others."""
    turns: list[TurnRow] = []
    for turn in row.turns:
        rest = turn.turn.without(Kind.SYSTEM_THINKING)
        plan = plans.get(turn.id, "")
        first = (Segment(Kind.SYSTEM_THINKING, plan),) if plan else ()
        turns.append(turn.playing(replace(rest, segments=(*first, *rest.segments))))
    refusals = (*row.refused, *refused)
    return row.model_copy(update={"turns": tuple(turns), "refused": refusals, "lineage": (*row.lineage, step)})


def _texts(language: str, *, terse: bool) -> tuple[str, str]:
    return f"system-thinking/{'terse-' if terse else ''}{language}", f"system-thinking/case-{language}"
