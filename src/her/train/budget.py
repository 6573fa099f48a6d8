"""What a run will cost: tokens, steps, time. Written before it begins.

Knows arithmetic. Refuses to know models: it is told how fast one is.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from her.errors import InputError
from her.train.lessons import Lessons
from her.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Budget:
    """`tokens`, `unpacked` and `supervised` are of one epoch of the training split; `unpacked` is what the same turns
    have as a row each. `tokens_per_second` was measured on one rank, before the run, forward and backward."""

    turns: int
    trees: int
    tokens: int
    unpacked: int
    supervised: int
    trimmed: int
    held_out_turns: int
    ranks: int
    passes_per_step: int
    steps: int
    epochs: float
    tokens_per_second: float

    @classmethod
    def of(cls, train: Lessons, held: Lessons, recipe: Recipe, tokens_per_second: float) -> Budget:
        """The budget of a recipe on this machine. Raises InputError where the ranks cannot share its steps."""
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        if recipe.trees_per_step % (recipe.trees_per_pass * ranks):
            raise InputError(
                f"trees_per_step: {recipe.trees_per_step} cannot be shared by {ranks} processes with "
                f"{recipe.trees_per_pass} trees in each pass; make it a multiple of {recipe.trees_per_pass * ranks}"
            )
        per_epoch = math.ceil(len(train.trees) / recipe.trees_per_step)
        steps = math.ceil(recipe.epochs * per_epoch)
        if recipe.supervised_tokens is not None:
            steps = min(steps, max(1, round(recipe.supervised_tokens / train.supervised * per_epoch)))
        return cls(
            turns=sum(len(tree.rows) for tree in train.trees),
            trees=len(train.trees),
            tokens=train.tokens,
            unpacked=train.unpacked,
            supervised=train.supervised,
            trimmed=train.trimmed,
            held_out_turns=sum(len(tree.rows) for tree in held.trees),
            ranks=ranks,
            passes_per_step=recipe.trees_per_step // (recipe.trees_per_pass * ranks),
            steps=steps,
            epochs=steps / per_epoch,
            tokens_per_second=tokens_per_second,
        )

    @property
    def seconds(self) -> float:
        """How long the training steps should take, without measuring and saving."""
        return self.epochs * self.tokens / self.tokens_per_second / self.ranks

    @property
    def text(self) -> str:
        """All of it in a few lines for people."""
        trimmed = f", {self.trimmed:,} without their oldest exchanges" if self.trimmed else ""
        return (
            f"{self.turns:,} turns{trimmed}, {self.held_out_turns:,} more held out\n"
            f"{self.tokens:,} tokens an epoch in {self.trees:,} rows ({self.unpacked:,} with a row a turn: "
            f"{self.unpacked / self.tokens:.2f} times as many), {self.supervised:,} of them learnt\n"
            f"{self.steps:,} steps, {self.epochs:.2f} epochs, at {self.tokens_per_second:,.0f} tokens a second: about "
            f"{_time(self.seconds)} of training"
        )


def _time(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
