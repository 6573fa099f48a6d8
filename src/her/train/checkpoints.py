"""The checkpoints of a run: the last one, and the best on the validation split.

Knows what transformers writes into them. Refuses a checkpoint that was not written whole, and to let other weights
pass for the best.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, ModelError

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


def last_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that was written whole; None where there is none."""
    whole = {step: path for path in folder.glob("checkpoint-*") if (step := _step(path)) is not None}
    return whole[max(whole)] if whole else None


def _step(checkpoint: Path) -> int | None:
    """The step of a checkpoint that was written whole; None for any other."""
    if not any(checkpoint.glob("*model*.safetensors")):  # without them the trainer goes on with others, in silence
        return None
    try:
        # The last of its files to be written.
        state = json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
        return int(state["global_step"])
    except (OSError, ValueError, KeyError):
        return None


class Best(TrainerCallback):  # type: ignore[misc]
    """Has the trainer find the best checkpoint where the run's folder is now, and ends a run that has none."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raises InputError where a run goes on whose best checkpoint is gone."""
        if not state.best_global_step:
            return
        # What was written down is a path of the process that wrote it, and ignored in silence where it leads nowhere.
        best = Path(args.output_dir) / f"checkpoint-{state.best_global_step}"
        if _step(best) is None:
            raise InputError(
                f"{best} is gone or broken, and has the best weights so far on the validation split: put it back, or "
                "train anew in another folder"
            )
        state.best_model_checkpoint = str(best)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raises ModelError where no weights were the best."""
        if state.best_model_checkpoint is None:
            raise ModelError(
                "the loss on the validation split was never a number, so no weights are the best: the training went "
                "wrong; lower optimiser.learning_rate"
            )
