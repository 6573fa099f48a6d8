"""A case played anew: actors, the world and the choice of who is next, turn by turn.

Knows rounds, who begins, what is given of the book, and when it ends. Refuses to know files, judges and Inspect, and
to count anything as said that was not.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from her.act import Act
from her.actor import Actor
from her.bench.coser.cases import ActedCase
from her.bench.coser.presets import Preset, acting, choosing, surrounding
from her.bench.figures import Unscored, Why
from her.environment import Environment
from her.errors import ContextOverflow
from her.markup import render
from her.models.base import Model
from her.next_speaker import Allowed, Choice, NextSpeaker
from her.rows.ask import seed_of
from her.turn import ENVIRONMENT, Dialogue, Kind, Segment, Turn


@dataclass(frozen=True, slots=True)
class Players:
    """The models that play: the characters, the world, and who chooses the next speaker."""

    actor: Model
    environment: Model
    next_speaker: Model


@dataclass(frozen=True, slots=True)
class How:
    """How a case is played: its preset, and what a run may say otherwise; `rounds` 0 leaves them to the preset.

    The first `continue_from` turns are the book's own.
    """

    preset: Preset
    rounds: int = 0
    continue_from: int = 0
    seed: int = 0
    epoch: int = 1

    @property
    def most(self) -> int:
        """Turns in all, given ones among them."""
        return self.rounds or self.preset.rounds


@dataclass(frozen=True, slots=True)
class Played:
    """A dialogue, of which the first `given` turns are the book's. `choices` say how each turn came to its speaker.

    `ended`: by the choice of a model. `unscored`: it broke off there, and why. `tokens` are the actor's, prompts and
    replies, None where nobody told.
    """

    case: str
    turns: tuple[Turn, ...]
    given: int
    choices: tuple[Choice, ...]
    ended: bool = False
    unscored: Unscored | None = None
    tokens: tuple[int | None, int | None] = (None, None)

    @property
    def simulated(self) -> tuple[Turn, ...]:
        """The turns that were simulated, empty ones too."""
        return self.turns[self.given :]

    @property
    def empty(self) -> int:
        """Simulated turns in which nothing is thought, done or said."""
        return sum(not turn.segments for turn in self.simulated)

    @property
    def fallbacks(self) -> int:
        """Speakers who were drawn by lot, for want of a readable choice."""
        return sum(choice.how == "fallback" for choice in self.choices)

    def record(self) -> dict[str, Any]:
        """All of it as JSON; every turn with its id and all its layers, written in tags and piece by piece."""
        return {
            "case": self.case,
            "dialogue": [
                {
                    "id": turn.id,
                    "speaker": turn.speaker,
                    "text": render(turn),
                    "segments": [[segment.kind.value, segment.text] for segment in turn.segments],
                    "given": at < self.given,
                }
                for at, turn in enumerate(self.turns)
            ],
            "given": self.given,
            "choices": [{"name": one.name, "how": one.how, "why": one.why} for one in self.choices],
            "ended": self.ended,
            "unscored": None if self.unscored is None else [self.unscored.why.value, self.unscored.detail],
            "tokens": list(self.tokens),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Played:
        """What `record` wrote."""
        turns = tuple(
            Turn(one["speaker"], tuple(Segment(Kind(kind), text) for kind, text in one["segments"]), id=one["id"])
            for one in record["dialogue"]
        )
        unscored = record["unscored"]
        return cls(
            record["case"],
            turns,
            record["given"],
            tuple(Choice(one["name"], one["how"], one["why"]) for one in record["choices"]),
            record["ended"],
            None if unscored is None else Unscored(Why(unscored[0]), unscored[1]),
            (record["tokens"][0], record["tokens"][1]),
        )


async def simulate(case: ActedCase, players: Players, how: How) -> Played:
    """The case, played to its end: so many turns, or the end that the model chose.

    A prompt that does not fit ends it as Unscored(CONTEXT), with what there is; nothing is ever cut. Raises ModelError
    as the models do, and SceneError for a case that is no scene.
    """
    for model in (players.actor, players.environment, players.next_speaker):
        await model.probe()
    return await _Play(case, players, how).play()


@dataclass
class _Play:
    case: ActedCase
    players: Players
    how: How
    acts: list[Act] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    def __post_init__(self) -> None:
        kind, scene = self.how.preset, self.case.scene
        options = acting(kind, self.players.actor)
        self.actors = {name: Actor(scene, name, self.players.actor, options=options) for name in scene.names}
        around = self.players.environment
        self.environment = Environment(scene, around, options=surrounding(kind, around))
        chooser = self.players.next_speaker
        self.chooser = NextSpeaker(scene, chooser, options=choosing(kind, chooser))
        self.book = self.case.reference()
        given = self.book.turns[: max(0, min(self.how.continue_from, self.how.most))]
        self.given = len(given)
        self.dialogue = Dialogue(frozenset(scene.names), given)
        self.choices += [Choice(turn.speaker, "given") for turn in given]

    async def play(self) -> Played:
        unscored = None
        try:
            while len(self.dialogue) < self.how.most:
                choice = await self._next()
                self.choices.append(choice)
                if choice.name is None:
                    break
                self.dialogue = self.dialogue.plus(await self._turn(choice.name))
        except ContextOverflow as error:
            unscored = Unscored(Why.CONTEXT, str(error))
        ended = bool(self.choices) and self.choices[-1].name is None
        turns = self.dialogue.turns
        return Played(self.case.id, turns, self.given, tuple(self.choices), ended, unscored, self._tokens())

    async def _next(self) -> Choice:
        at, order = len(self.dialogue), self.case.order
        if at == 0:
            return Choice(order[0], "first")
        if at == self.given and at < len(self.book):
            return Choice(self.book.turns[at].speaker, "given")
        last = self.dialogue.turns[-1].speaker
        others = tuple(name for name in order if name != last)
        lot = tuple(name for name in (*self.case.major, ENVIRONMENT) if name != last)
        seed = self._seed(f"{at}/next")
        return await self.chooser.choose(
            self.dialogue,
            Allowed(others, end=at >= self.how.preset.earliest_end, lot=lot),
            random.Random(seed),
            seed=seed,
            call_id=f"{self.case.id}/{at}/next",
        )

    async def _turn(self, name: str) -> Turn:
        at = len(self.dialogue)
        player = self.environment if name == ENVIRONMENT else self.actors[name]
        act = await player.act(self.dialogue, seed=self._seed(str(at)), call_id=f"{self.case.id}/{at}")
        if dropped := act.prompt.dropped:
            raise ContextOverflow(
                f"turn {at + 1}: {act.model} has room for the prompt of {name!r} only without its {dropped} oldest "
                "turns: take a longer window or fewer rounds"
            )
        self.acts.append(act)
        # Said by nobody but the actor: a name that is written into the reply is no speaker of this turn.
        return Turn(name, act.turn.segments, id=f"{self.case.id}/{at}")

    def _seed(self, place: str) -> int:
        return seed_of(self.how.seed, f"{self.case.id}/{self.how.epoch}/{place}")

    def _tokens(self) -> tuple[int | None, int | None]:
        played = [act.usage for act in self.acts if act.turn.speaker != ENVIRONMENT]
        asked = [usage.prompt_tokens for usage in played if usage.prompt_tokens is not None]
        said = [usage.completion_tokens for usage in played if usage.completion_tokens is not None]
        return sum(asked) if asked else None, sum(said) if said else None
