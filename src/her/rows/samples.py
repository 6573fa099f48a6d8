"""The rows that models are trained and judged on.

Knows what each config of a data set holds: `her.synth.samples.dataset` writes it as Parquet, `rows.parquet` reads it.
Refuses to know how a prompt is made.
"""

from __future__ import annotations

from pydantic import Field

from her.models.base import Message
from her.rows.record import Record, TurnRow
from her.scene import Scene
from her.turn import Dialogue

DATA_SOURCE = "her/roleplay"
"""What role-play RL rows tell a trainer that they are, so that it finds their reward."""


class SftRow(Record):
    """One turn to learn: the prompt as chat sends it, and the turn as the last message."""

    id: str = Field(description="Scene, turn and variant.")
    scene: str
    book: str
    author: str
    slug: str
    character: str
    turn: str = Field(description="The turn's id in its scene.")
    number: int = Field(description="Which of the character's own turns it is, from 1.")
    language: str
    plan: bool = Field(description="Whether the turn begins with its plan; the system message then asks for one.")
    messages: tuple[Message, ...]
    prompt: str = Field(description="The prompt text, name@hash.")


class RewardModel(Record):
    """What the reward is measured against; `style` is verl's word."""

    style: str
    ground_truth: str = Field(description="The reference turn as text, without its plan.")


class ExtraInfo(Record):
    """What verl hands through to the reward. `info` is a PoolRow as JSON, everything irregular in one string."""

    index: int
    split: str
    info: str


class RlRow(Record):
    """One turn to practise, as verl reads it: the prompt ends where the character is to speak, with a plan first."""

    data_source: str
    prompt: tuple[Message, ...]
    ability: str
    reward_model: RewardModel
    extra_info: ExtraInfo


class PoolRow(Record):
    """One place in a dialogue for candidates to be compared at, with the turn that the book has there."""

    id: str = Field(description="Scene and turn.")
    scene: str
    book: str
    author: str
    slug: str
    character: str
    turn: str
    number: int
    language: str
    reference: str = Field(description="The book's turn as text, `Name: ` first, without its plan.")
    context: str = Field(description="A Context as JSON.")

    @property
    def seen(self) -> Context:
        """What the judge is shown. Raises a ValidationError where `context` is not one."""
        return Context.model_validate_json(self.context)


class Context(Record):
    """A scene up to a turn as a judge may see it: every mind, no plans."""

    scene: Scene
    turns: tuple[TurnRow, ...]
    reference: TurnRow

    @property
    def dialogue(self) -> Dialogue:
        """The turns before the reference."""
        return Dialogue(frozenset(self.scene.names), tuple(turn.turn for turn in self.turns))


class TestRow(Record):
    """A whole scene of a book that nothing else is made of; `row` is its SceneRow as JSON."""

    __test__ = False  # its name makes pytest think that it is a test

    id: str
    book: str
    author: str
    slug: str
    language: str
    title: str
    setting: str
    characters: tuple[str, ...]
    turns: int
    row: str


CONFIGS: dict[str, type[Record]] = {
    "roleplay-sft": SftRow,
    "roleplay-sft-plain": SftRow,
    "roleplay-rl": RlRow,
    "reward-pool": PoolRow,
    "test": TestRow,
}
"""The configs of a data set: turns with their plans, turns without, prompts for RL, contexts for a judge, scenes."""
