"""A character, played by a model: dialogue in, one turn out.

Knows what a turn needs: its prompt, its constraint, when to stop the model, what to do with a turn that cannot be
used. Refuses to know what others think: only `Dialogue.seen_by` its own character ever reaches a prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from her import markup
from her.act import Act, Again, Ask, Attempt, Take, closed, has
from her.errors import HerError, InputError
from her.grammar import SMALL, Limits, grammar
from her.models.address import on_bundled
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling
from her.prompts import prompt
from her.scene import Scene
from her.script import Preset, Prompt, Script
from her.stream import Event, Finished, Retract, SecondSpeaker, Started
from her.turn import ENVIRONMENT, Dialogue, Ending, FaultKind, Kind, Turn

__all__ = ["Act", "Actor", "ActorOptions", "Again", "Attempt", "Prompt", "suited"]

MOST_STOPS = 4
"""Stop strings in one call: OpenAI's API takes no more."""
CHARS_PER_TOKEN = 4.0
"""English prose under today's tokenizers; taken where the backend cannot count, and never exceeded."""
_FILL = 0.9
"""Part of max_tokens that the layers' budgets may fill; the rest is for tags and the name."""


@dataclass(frozen=True, slots=True)
class ActorOptions:
    """How a character is played.

    `constraint`: `auto` constrains where the backend can, and elsewhere has a turn that cannot be used mended once;
    `on` insists on a grammar; `off` takes the turn as the model wrote it. `limits` shrink in proportion where
    `sampling.max_tokens` leaves them no room. The preset `coser` takes no plan and no grammar. `words` is a length that
    the prompt asks for; None: it names none.
    """

    plan: bool = True
    preset: Preset = "her"
    constraint: Literal["auto", "on", "off"] = "auto"
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    words: int | None = None


COOL = 0.3
"""Temperature of the bundled model: it loses the thread within a sentence at 0.7 (docs/log.md)."""


def suited(address: str) -> ActorOptions:
    """How a character is best played by the model behind an address: the bundled one briefly and cool, whatever
    adapter is on it, all others by the defaults. Raises InputError for an adapter that cannot be read."""
    if not on_bundled(address):
        return ActorOptions()
    return ActorOptions(sampling=Sampling(temperature=COOL), limits=SMALL)


class Actor:
    """One character of a scene, one model, one way of playing; keeps nothing between turns."""

    def __init__(self, scene: Scene, name: str, model: Model, *, options: ActorOptions | None = None) -> None:
        """Options None are those `suited` to the model. Raises UnknownName, InputError for options that cannot be."""
        self.scene, self.name, self.model = scene, name, model
        self.options = mine = options or suited(model.address)
        if mine.preset == "coser" and (mine.plan or mine.constraint == "on"):
            raise InputError(
                "brackets hold no plan, and no grammar of them is known: give plan=False, constraint='auto'"
            )
        self.script = Script(scene, scene.character(name).name, mine.preset, mine.plan, mine.words)
        self._chars_per_token: float | None = None

    async def prompt(self, dialogue: Dialogue, prefill: Turn | None = None) -> Prompt:
        """Exactly what `stream` would send first; raises UnknownName, InputError and ContextOverflow as it does."""
        return (await self._ask(dialogue, prefill)).prompt

    def stream(
        self,
        dialogue: Dialogue,
        *,
        prefill: Turn | None = None,
        seed: int | None = None,
        call_id: str | None = None,
        stop: asyncio.Event | None = None,
    ) -> AsyncGenerator[Event | Again | Act]:
        """The parser's events as they come, one `Finished`, and last the Act.

        `prefill` is a partial turn to go on from; its events come first. A bare opening tag brings no event before
        the model's first word does. After `Again` whatever was shown is void; where a turn was mended, the Act's
        turn is the one that counts. Setting `stop` ends the turn after
        the piece that is coming; the Act then holds what there is. Where the token limit comes before any speech,
        the open layer is closed at its last sentence and the model is asked to speak, once.
        Raises UnknownName, InputError (a prefill or a grammar that the backend cannot take), ContextOverflow, and
        ModelError where nothing had come yet.
        """
        return self._played(dialogue, partial(self._ask, dialogue, prefill, seed=seed, call_id=call_id), stop)

    async def act(
        self, dialogue: Dialogue, *, prefill: Turn | None = None, seed: int | None = None, call_id: str | None = None
    ) -> Act:
        """The finished turn; arguments and errors as for `stream`."""
        async with aclosing(self.stream(dialogue, prefill=prefill, seed=seed, call_id=call_id)) as items:
            async for item in items:
                if isinstance(item, Act):
                    return item
        raise AssertionError("a stream ended without an Act")

    def act_sync(
        self, dialogue: Dialogue, *, prefill: Turn | None = None, seed: int | None = None, call_id: str | None = None
    ) -> Act:
        """As `act`, for code without an event loop; raises InputError inside one."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.act(dialogue, prefill=prefill, seed=seed, call_id=call_id))
        raise InputError("act_sync was called where an event loop runs already; write `await actor.act(...)` there")

    def speak_now(
        self,
        dialogue: Dialogue,
        so_far: Act | Turn,
        *,
        seed: int | None = None,
        call_id: str | None = None,
        stop: asyncio.Event | None = None,
    ) -> AsyncGenerator[Event | Again | Act]:
        """As `stream`, from a turn whose plan or thought runs on: that layer is closed at its last sentence, what
        came before it stays, and next comes speech, as far as the backend can be held to it.

        The last layer of a bare Turn is taken to be open. With nothing so far the turn begins without a plan.
        """
        is_open = isinstance(so_far, Turn) or has(so_far.faults, FaultKind.UNCLOSED)
        turn = so_far if isinstance(so_far, Turn) else so_far.turn
        kept = closed(turn) if is_open else turn
        return self._played(dialogue, partial(self._ask, dialogue, kept, seed=seed, call_id=call_id, brief=True), stop)

    # -- what is asked -------------------------------------------------------------------------------------------

    async def _ask(
        self,
        dialogue: Dialogue,
        begun: Turn | None,
        *,
        seed: int | None = None,
        call_id: str | None = None,
        brief: bool = False,
    ) -> Ask:
        """The call for a turn, new or begun; a `brief` one has no plan to come and little room but for speech."""
        seen = dialogue.seen_by(self.name)
        await self._meet()
        if begun and begun.speaker != self.name:
            raise InputError(f"a turn of {begun.speaker!r} cannot be gone on with as {self.name!r}")
        kinds = [segment.kind for segment in begun.segments if segment.text.strip()] if begun else []
        if (kinds or brief) and not self.model.prefills:
            raise InputError(f"{self.model.address} cannot go on from a turn that was begun; ask it for a new turn")
        plan_comes = self.options.plan and not kinds and not brief
        written = self.script.beginning(begun, plan=plan_comes) if self.model.prefills else ""
        sampling = self.options.sampling if seed is None else replace(self.options.sampling, seed=seed)
        cast = dialogue.cast | {*self.scene.names, ENVIRONMENT}
        constraint = await self._constraint(written, cast - {self.name}, plan=plan_comes, brief=brief)
        if constraint is None and not plan_comes:
            sampling = replace(sampling, stop=self._stops(sampling.stop, seen))
        return Ask(
            await self.script.fitted(self.model, seen, prefill=written, reserve=sampling.max_tokens),
            sampling,
            constraint,
            cast,
            plan_comes or Kind.SYSTEM_THINKING in kinds,
            call_id,
            "now" if kinds else "later",
        )

    async def _meet(self) -> None:
        """Makes sure that the model's abilities are known and are enough; raises InputError where they are not."""
        await self.model.probe()
        if self.options.constraint == "on" and not self.model.constrains:
            raise InputError(
                f"{self.model.address} cannot hold a reply to a grammar: take constraint 'auto', which mends what "
                "comes out wrong, or another backend"
            )

    async def _second(self, dialogue: Dialogue, take: Take) -> Ask | None:
        """The call that mends a turn, or None where it needs none, or mending is off.

        A turn that the token limit ended before any speech is gone on with. Any other that cannot be used is asked
        for again with its faults in words, unless a grammar held it: then asking again would change nothing.
        """
        ask, finish = take.ask, take.reply.finish
        if self.options.constraint == "off" or finish is Finish.CUT:
            return None
        if finish is Finish.LENGTH and not take.spoke and self.model.prefills:
            call_id = ask.call_id and f"{ask.call_id}/speak"
            onward = await self._ask(dialogue, take.so_far, seed=ask.sampling.seed, call_id=call_id, brief=True)
            return replace(onward, lead="never")
        if ask.constraint is not None or take.usable:
            return None
        fitted = await self.script.fitted(
            self.model,
            dialogue.seen_by(self.name),
            prefill=ask.prompt.prefill,
            reserve=ask.sampling.max_tokens,
            after=self._complaint(take),
        )
        return replace(ask, prompt=fitted, call_id=ask.call_id and f"{ask.call_id}/repair")

    def _complaint(self, take: Take) -> tuple[Message, Message]:
        """The turn that cannot be used, and what is wrong with it."""
        wrong = {fault.kind: fault.detail for fault in take.parsed.faults}
        marks = markup.notation(self.script.style)
        opener = {
            Kind.SYSTEM_THINKING: marks["plan_open"],
            Kind.ROLE_THINKING: marks["thought_open"],
            Kind.ROLE_ACTION: marks["action_open"],
        }
        words = prompt(
            f"repair/{self.scene.prompt_language}",
            name=self.name,
            empty=self.name if FaultKind.EMPTY in wrong else "",
            too_long=str(take.ask.sampling.max_tokens) if take.reply.finish is Finish.LENGTH else "",
            unclosed=opener[Kind(wrong[FaultKind.UNCLOSED])] if FaultKind.UNCLOSED in wrong else "",
            stray_closer=wrong.get(FaultKind.STRAY_CLOSER, ""),
            missing_plan=marks["plan_open"] if FaultKind.MISSING_PLAN in wrong else "",
            second_speaker=wrong.get(FaultKind.SECOND_SPEAKER, ""),
        )
        written = take.ask.prompt.prefill + take.reply.text
        # Several servers refuse an assistant message that is blank.
        return Message("assistant", written if written.strip() else "…"), Message("user", words)

    async def _constraint(self, written: str, others: frozenset[str], *, plan: bool, brief: bool) -> Constraint | None:
        if self.options.constraint == "off" or not self.model.constrains or self.script.style is not markup.Style.TAGS:
            return None
        limits = self.options.limits
        share = min(1.0, _FILL * self.options.sampling.max_tokens / limits.total)
        thought, action = (0, 0) if brief else (limits.thought, limits.action)
        limits = replace(
            limits,
            plan=int(limits.plan * share),
            thought=int(thought * share),
            action=int(action * share),
            speech=int(limits.speech * share),
        )
        rate = await self._rate()
        names = sorted(others)  # the same dialogue gives the same grammar
        rules = grammar(limits, name=self.name, others=names, plan=plan, written=written, chars_per_token=rate)
        return Constraint(rules)

    async def _rate(self) -> float:
        """Characters per token of the model's tokenizer on what the scene itself says."""
        if self._chars_per_token is None:
            profiles = (character.profile for character in self.scene.cast)
            text = "\n".join((self.scene.setting, *profiles, *(turn.text for turn in self.scene.opening)))
            with_text = await self.model.count((Message("user", text),))
            without = await self.model.count((Message("user", ""),))
            self._chars_per_token = CHARS_PER_TOKEN
            if with_text is not None and without is not None and with_text > without:
                self._chars_per_token = min(len(text) / (with_text - without), CHARS_PER_TOKEN)
        return self._chars_per_token

    def _stops(self, own: tuple[str, ...], seen: Sequence[Turn]) -> tuple[str, ...]:
        """Stop strings at the names of others, those who spoke last first.

        Only for a reply that holds no plan: a plan may well have lines that begin with a name and a colon.
        """
        lately = [turn.speaker for turn in reversed(seen)]
        names = [name for name in dict.fromkeys((*lately, *self.scene.names, ENVIRONMENT)) if name != self.name]
        return tuple(dict.fromkeys((*own, *(f"\n{name}:" for name in names))))[: max(MOST_STOPS, len(own))]

    # -- what comes of it ----------------------------------------------------------------------------------------

    async def _played(
        self, dialogue: Dialogue, first: Callable[[], Awaitable[Ask]], stop: asyncio.Event | None
    ) -> AsyncGenerator[Event | Again | Act]:
        """The whole turn: the first call, the second where one is needed, the better of the two."""
        takes: list[Take] = []
        trouble = ""
        ask: Ask | None = await first()
        try:
            while ask is not None:
                async with aclosing(self._called(ask, stop)) as items:
                    async for item in items:
                        if isinstance(item, Take):
                            takes.append(item)
                        else:
                            yield item
                ask = await self._second(dialogue, takes[0]) if len(takes) == 1 else None
                if ask is not None and ask.lead != "never":
                    yield Again(takes[0].parsed.faults)
        except HerError as error:
            if not takes:
                raise
            trouble = str(error)
        went_on = takes[-1].ask.lead == "never"
        # Of two of equal worth `max` takes the first, which has been read already.
        best = takes[-1] if went_on else max(takes, key=lambda take: take.worth)
        yield Finished(best.parsed)
        yield Act(
            best.parsed.turn,
            best.parsed.ending,
            best.parsed.faults,
            best.ask.prompt,
            best.reply,
            self.model.address,
            best.ask.sampling,
            best.ask.sampling.seed,
            attempts=tuple(take.attempt for take in takes),
            repairs=len(takes) - 1 if not went_on else 0,
            trouble=trouble,
        )

    async def _called(self, ask: Ask, stop: asyncio.Event | None) -> AsyncGenerator[Event | Take]:
        """One call's events without its `Finished`, and last the Take."""
        parser = markup.stream(style=self.script.style, speaker=self.name, cast=ask.cast, plan=ask.plan)
        events = parser.feed(ask.prompt.prefill)
        if ask.lead == "now":
            for event in events:
                yield event
        events = events if ask.lead == "later" else []
        pieces: list[str] = []
        reply: Reply | None = None
        # A reply whose plan has not begun may be a plan that lost its opener, and those have lines with names.
        planned, second = bool(ask.prompt.prefill) or not ask.plan, False
        stream = self.model.stream(
            ask.prompt.messages,
            ask.sampling,
            prefill=ask.prompt.prefill,
            constraint=ask.constraint,
            call_id=ask.call_id,
        )
        try:
            async for piece in stream:
                if isinstance(piece, Reply):
                    reply = piece
                    break
                pieces.append(piece)
                for event in (*events, *parser.feed(piece)):
                    planned = planned or event == Started(Kind.SYSTEM_THINKING)
                    second = isinstance(event, SecondSpeaker) or (second and not isinstance(event, Retract))
                    yield event
                events = []
                if (second and planned) or (stop is not None and stop.is_set()):
                    break
        finally:
            await _close(stream)
        reply = reply or Reply("".join(pieces), Finish.STOP if second else Finish.CUT)
        for event in (*events, *parser.finish()):
            if not isinstance(event, Finished):
                yield event
                continue
            parsed = event.parsed
            if reply.finish is not Finish.STOP and parsed.ending is not Ending.SECOND_SPEAKER:
                parsed = replace(parsed, ending=Ending.CUT)
            yield Take(ask, parsed, reply)


async def _close(stream: AsyncIterator[str | Reply]) -> None:
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()
