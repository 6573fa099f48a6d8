"""Role thinking: what characters think and do is written into the turns that the novel gives.

Knows one turn after the other: what its speaker knows by then, which layouts to ask for, which answers a gate lets
through. Refuses to let a teacher write a word that is said aloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from her.checks.units import CHARACTERS_PER_WORD
from her.models.base import Message, Model
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import Refusal, SceneRow, TurnRow
from her.rows.run import Done
from her.synth.faults import refusals, turns_before
from her.synth.gates import ACTION_WORDS, THOUGHT_WORDS, acted
from her.synth.minds.arranging import MOST_NEW, Slot, answer_schema, earlier_layouts, forbidden, wanted, ways
from her.synth.minds.lived import (
    fitted,
    foreign,
    given_up,
    knowledge,
    num_chars,
    num_tokens,
    prompt_language,
    seen_before,
)
from her.synth.minds.pieces import CALLED, Answer, Bit, bits_of, kinds_of, may_become, rebuilt, text_of
from her.synth.stage import Stage, named
from her.turn import ENVIRONMENT, Kind, Turn

CHOICES = 3
"""Layouts that a teacher may choose from; a terse one gets one. Ours."""
WORDS = {Kind.ROLE_THINKING: THOUGHT_WORDS, Kind.ROLE_ACTION: ACTION_WORDS}
TERSE_WORDS = {Kind.ROLE_THINKING: 25, Kind.ROLE_ACTION: 12}
"""Words that a teacher, and a terse one, is asked for at most."""
_TOKENS_PER_PART = 14
_ZH_CALLED = {"thought": "想法", "action": "动作", "speech": "话语"}


@dataclass(frozen=True)
class RoleThinking(Stage[SceneRow, SceneRow]):
    """The stage; `most_refused` is the share of a scene's turns, of those that were asked for, which may stay as they
    came, and above which the whole scene is dropped (ours)."""

    name: ClassVar[str] = "role-thinking"
    most_refused: float = 0.5

    async def work(self, row: SceneRow, ask: Ask) -> Done[SceneRow]:
        """The scene with minds in it; a turn whose answers were refused twice stays as it came, and is recorded."""
        now, asked = row, 0
        refused: list[Refusal] = []
        for turn in row.turns:
            case = self._case(now, turn)
            if case is None:
                continue
            asked += 1
            try:
                now = _with(now, turn.playing(await self._played(case, ask)))
            except (Rejected, Dropped) as error:
                refused += given_up(error, self.name, turn.id)
        lost = len({refusal.where for refusal in refused})
        if lost > self.most_refused * asked:
            raise Dropped("mostly-refused", f"{lost} of {asked} turns have no answer that a gate lets through")
        done = now.model_copy(
            update={
                "original": row.original or row.turns,
                "refused": (*row.refused, *refused),
                "lineage": (*row.lineage, self.step(ask, *_texts(prompt_language(row), terse=self.options.terse))),
            }
        )
        return Done((done,), tuple(refused))

    def _case(self, row: SceneRow, turn: TurnRow) -> _Case | None:
        """What is to be asked for a turn; None where there is nothing to ask."""
        bits = bits_of(turn.turn)
        if turn.speaker == ENVIRONMENT or not bits:
            return None
        kinds = kinds_of(bits)
        possible = ways(kinds, MOST_NEW)
        earlier = earlier_layouts(before.turn for before in turns_before(turn.id, row))
        as_is = turn.turn.layout
        orders = wanted(possible, as_is, earlier, f"{row.id}/{turn.id}", 1 if self.options.terse else CHOICES)
        if orders == (as_is,):
            return None
        return _Case(
            row=row,
            turn=turn,
            bits=bits,
            orders=orders,
            ways=tuple(way for order in orders for way in possible[order]),
            again=forbidden(earlier) or "",
            words=TERSE_WORDS if self.options.terse else WORDS,
            terse=self.options.terse,
        )

    async def _played(self, case: _Case, ask: Ask) -> Turn:
        """The turn as the teacher has it. Raises Rejected and Dropped."""
        call_id = f"{self.name}/{case.row.id}/{case.turn.id}"
        messages = await case.messages(ask.model)
        call = Call(
            id=call_id,
            messages=messages,
            sampling=self.sampling(call_id, case.max_tokens),
            prompts=named(*case.texts),
            schema=answer_schema(case.ways, kinds_of(case.bits), case.chars, case.relabels()),
            language=case.language,
        )
        return await ask(call, lambda data: self._read(data, case))

    def _read(self, data: Any, case: _Case) -> Turn:
        """The turn that an answer makes. Raises Rejected and pydantic's ValidationError."""
        answer, told = Answer.model_validate(data), bool(case.turn.spans)
        turn, faults = rebuilt(answer, case.turn.turn, told=told, chars=case.chars)
        refused = refusals(faults, self.name, turn.id) or acted(turn, case.seen, case.row, self.name)
        if refused:
            raise Rejected(*refused)
        return turn


@dataclass(frozen=True)
class _Case:
    """One turn as it is asked for: `row` holds the turns before it as they are now, and itself as it came."""

    row: SceneRow
    turn: TurnRow
    bits: tuple[Bit, ...]
    orders: tuple[str, ...]
    ways: tuple[tuple[Slot, ...], ...]
    again: str
    words: Mapping[Kind, int]
    terse: bool

    @cached_property
    def seen(self) -> tuple[Turn, ...]:
        """The turns before this one, as its speaker lived them."""
        return seen_before(self.row, self.turn.id, self.turn.speaker)

    @property
    def language(self) -> str:
        """The language in which the teacher is spoken to."""
        return prompt_language(self.row)

    @property
    def texts(self) -> tuple[str, str]:
        """The names of the rules and of the case."""
        return _texts(self.language, terse=self.terse)

    @property
    def chars(self) -> dict[Kind, int]:
        """The most characters of a new thought and of a new action."""
        return {kind: num_chars(most, self.row.language) for kind, most in self.words.items()}

    @property
    def max_tokens(self) -> int:
        """Room for the longest answer that the schema allows."""
        longest = max(sum(self.chars[slot] for slot in way if isinstance(slot, Kind)) for way in self.ways)
        replaced = sum(self.chars[bit.kind] for bit in self.bits if bit.kind is Kind.ROLE_THINKING)
        parts = len(self.bits) + MOST_NEW
        return 32 + _TOKENS_PER_PART * parts + num_tokens(longest + replaced, self.row.language)

    def relabels(self) -> dict[int, str]:
        """What pieces may become: an action a thought, a sentence that is not proven to be spoken an action."""
        told = bool(self.turn.spans)
        pairs = ((Kind.ROLE_ACTION, Kind.ROLE_THINKING), (Kind.SPEECH, Kind.ROLE_ACTION))
        allowed = {kind: CALLED[other] for kind, other in pairs if may_become(kind, other, told=told)}
        return {} if self.terse else {bit.number: allowed[bit.kind] for bit in self.bits if bit.kind in allowed}

    async def messages(self, model: Model) -> tuple[Message, ...]:
        """Rules and case, without the oldest turns where the model's window is too small."""
        rules, case = self.texts
        each = CHARACTERS_PER_WORD if self.language == "zh" else 1
        system = Message(
            "system",
            prompt(
                rules,
                thought_words=str(round(self.words[Kind.ROLE_THINKING] * each)),
                action_words=str(round(self.words[Kind.ROLE_ACTION] * each)),
                language=foreign(self.row),
            ),
        )

        def user(dropped: int) -> Message:
            about = knowledge(self.row, self.turn.speaker, self.seen[dropped:])
            return Message("user", prompt(case, **about, **self._shown()))

        return await fitted(model, lambda dropped: (system, user(dropped)), len(self.seen), self.max_tokens)

    def _shown(self) -> dict[str, str]:
        """The fields of the case that are about the turn itself."""
        called = _ZH_CALLED if self.language == "zh" else {name: name for name in CALLED.values()}
        comma = "、" if self.language == "zh" else ", "

        def order(layout: str) -> str:
            return comma.join(called[kind] for kind in layout.split("-") if kind)

        lines = [f"{bit.number} ({called[CALLED[bit.kind]]}): {text_of(bit, self.turn.turn)}" for bit in self.bits]
        return {
            "begins": "" if self.seen else self.turn.speaker,
            "to": comma.join(self.turn.heard_by or ()),
            "pieces": "\n".join(lines),
            "orders": "\n".join(f"- {order(layout)}" for layout in self.orders),
            "again": order(self.again),
        }


def _texts(language: str, *, terse: bool) -> tuple[str, str]:
    return f"role-thinking/{'terse-' if terse else ''}{language}", f"role-thinking/case-{language}"


def _with(row: SceneRow, turn: TurnRow) -> SceneRow:
    return row.model_copy(update={"turns": tuple(turn if old.id == turn.id else old for old in row.turns)})
