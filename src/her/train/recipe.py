"""Recipes: everything a training run is told, in one TOML file.

Knows names, bounds and defaults, each with its source. Refuses to know how any of it is done.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from her.errors import InputError

Plans = Literal["with", "without", "both"]

CONFIGS: dict[Plans, tuple[str, ...]] = {
    "with": ("roleplay-sft",),
    "without": ("roleplay-sft-plain",),
    "both": ("roleplay-sft", "roleplay-sft-plain"),
}
"""The configs of a data set that each choice of plans reads."""

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(_Part):
    """What is learnt: a data set of `her synth`, or one of its shape."""

    folder: Path = Field(description="Relative to the recipe's folder.")
    plans: Plans = "with"
    languages: tuple[str, ...] = Field(
        default=(), description="Only these (en, zh, …), whatever their script or region; empty: all."
    )

    @property
    def configs(self) -> tuple[str, ...]:
        """The configs of the data set that are read."""
        return CONFIGS[self.plans]


class Window(_Part):
    """How long a row may be. Where it is longer, its oldest exchanges go, in blocks as in chat, which drops single
    turns and keeps 1,024 tokens free."""

    tokens: Positive = Field(default=4096, description="HER's rows are below it, system prompt included.")
    reply: Positive = Field(default=512, description="Kept free for the reply; half of what chat allows for.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.reply >= self.tokens:
            raise ValueError(f"{self.tokens} tokens cannot keep {self.reply} of them for the reply")
        return self


class Lora(_Part):
    """An adapter. All linear layers and ten times the learning rate of full tuning: Schulman et al., LoRA Without
    Regret, 2025; rank and alpha are peft's usual ones."""

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Optimiser(_Part):
    """AdamW. The rate is for an adapter (see Lora); betas and decay are torch's, schedule and warm-up choices of ours:
    the warm-up is a step or two of a short run, and enough for AdamW's second moments to settle in a long one."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Share = Field(default=0.05, description="Share of all steps.")
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0


class Recipe(_Part):
    """One run. `epochs` or `supervised_tokens` ends it, whichever comes first.

    Three epochs are transformers' own default; the one SFT that the release tells of has four. Eight trees a step are
    about 36 turns at HER's 4.45 turns of its own a character, near the paper's batch of 32 rows. The steps between two
    looks and two checkpoints are ours.
    """

    model: str = Field(description="mini, FILE.gguf, a folder, or hf:ORG/NAME.")
    data: Data
    seed: Annotated[int, Field(ge=0)] = 0
    template: Literal["chatml", "own"] = Field(default="chatml", description="Ours, or the model's own.")
    packing: Literal["tree", "turn"] = Field(default="tree", description="Shared history once, or a row for each turn.")
    attention: Literal["tree", "flex_attention"] = "tree"
    window: Window = Window()
    lora: Lora | None = Field(default=None, description="None: all weights are trained.")
    optimiser: Optimiser = Optimiser()
    epochs: Annotated[float, Field(gt=0)] = 3.0
    supervised_tokens: Positive | None = Field(default=None, description="A budget of learnt tokens.")
    trees_per_step: Positive = Field(default=8, description="Trees (or turns) behind one optimiser step, all ranks.")
    trees_per_pass: Positive = Field(default=1, description="Trees in one forward pass of one rank.")
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    evaluate_every: Positive = Field(default=10, description="Steps between two looks at the validation split.")
    save_every: Positive = Field(default=10, description="Steps between two checkpoints.")
    keep: Literal["best", "last"] = Field(default="best", description="By loss on the validation split, if any.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.trees_per_step % self.trees_per_pass:
            raise ValueError("trees_per_step must be a multiple of trees_per_pass")
        if self.keep == "best" and self.save_every != self.evaluate_every:
            raise ValueError("to keep the best, save_every must be evaluate_every: a look without weights keeps none")
        return self


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; its data folder is then absolute. Raises InputError that names file and field."""
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such recipe; some stand in the folder recipes/") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML: {error}") from error
    try:
        recipe = Recipe.model_validate(told)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors(include_url=False, include_input=False)]
        raise InputError(f"{path}: {'; '.join(faults[:5])}") from None
    folder = (path.parent / recipe.data.folder.expanduser()).resolve()
    if not folder.is_dir():
        raise InputError(f"{path}: data.folder: there is no folder {folder}; make it with: her synth run")
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"folder": folder})})


def seen_from(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its data folder as a path from `folder`: it then says nothing of the machine around both."""
    try:
        relative = os.path.relpath(recipe.data.folder.resolve(), folder.resolve())
    except ValueError:  # on another drive
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"folder": Path(relative)})})


def as_toml(recipe: Recipe) -> str:
    """The recipe as it would be written: what was told, defaults left out."""
    told = recipe.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    told["data"]["folder"] = recipe.data.folder.as_posix()
    plain = [_line(key, value) for key, value in told.items() if not isinstance(value, dict)]
    for key, table in told.items():
        if isinstance(table, dict):
            plain += ["", f"[{key}]", *(_line(field, value) for field, value in table.items())]
    return "\n".join(["# her train sft recipe.toml --out ANOTHER", *plain]) + "\n"


def _line(key: str, value: Any) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"  # of these values TOML and JSON write all alike


def _fault(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    known = "" if fault["type"] != "extra_forbidden" else f" (known: {', '.join(Recipe.model_fields)})"
    return f"{where or 'recipe'}: {fault['msg']}{known}"
