"""TRL's SFTTrainer on trees: its loop, checkpoints and devices, with our batches, our loss and our measure.

Knows what a step's loss is: the summed negative log-likelihood over the learnt tokens of the optimiser step, of all
micro-batches and ranks. Refuses to know recipes and folders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from her.errors import MissingExtra
from her.train.attention import Attention, collate, log_probs
from her.train.layers import LAYERS, Bits, Layered
from her.train.trees import Tree

try:
    import datasets
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from trl import SFTConfig, SFTTrainer
except ImportError as missing:
    raise MissingExtra("training", "train") from missing


@dataclass(frozen=True)
class HeldOut:
    """What is measured on: trees, and the layers of each of their rows."""

    trees: Sequence[Tree]
    layers: Sequence[Sequence[Layered]]

    def measure(self, model: Any, attention: Attention) -> Bits:
        """The bits of every layer under the model, which is left in the mode it was in."""
        training = model.training
        model.eval()
        bits = Bits()
        with torch.no_grad():
            for tree, layers in zip(self.trees, self.layers, strict=True):
                told = log_probs(model, [tree], attention).tolist()
                for turn, share in zip(layers, tree.shares(told), strict=True):
                    bits.add(turn, share)
        model.train(training)
        return bits


class TreeTrainer(SFTTrainer):  # type: ignore[misc]
    """An SFTTrainer whose data set holds numbers of trees."""

    def __init__(
        self, *, trees: Sequence[Tree], held_out: HeldOut | None, attention: Attention, args: SFTConfig, **rest: Any
    ) -> None:
        self._trees, self._held_out, self._attention = trees, held_out, attention
        numbers = datasets.Dataset.from_dict({"tree": list(range(len(trees)))})
        super().__init__(
            args=args,
            train_dataset=numbers,
            eval_dataset=numbers.select(range(1)) if held_out else None,
            data_collator=lambda examples: collate([trees[example["tree"]] for example in examples], attention),
            **rest,
        )
        self.loss_is_scaled_for_ga = True
        self.remove_callback(PrinterCallback)

    def _send_telemetry(self) -> None:
        """TRL tells its makers of every run; of ours nobody is told."""

    def _run_epoch(self, **rest: Any) -> None:
        """Nothing of a run that is done: its last step may lie within an epoch, with which the loop would go on."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(**rest)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The micro-batch's share of the step's loss; `num_items_in_batch` counts all that the step learns."""
        labels = inputs.pop("labels")[0]
        inputs.pop("shift_labels", None)
        outputs = model(**inputs, use_cache=False)
        logits = outputs.logits[0]
        nats = cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), labels, reduction="sum")
        # Ranks average their gradients, and each has counted the tokens of all.
        loss = nats / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss per learnt token on what is held out, and the bits per character of each layer."""
        if self._held_out is None:
            return {}
        bits = self._held_out.measure(self.accelerator.unwrap_model(self.model), self._attention)
        metrics = {"eval_loss": bits.loss}
        metrics |= {f"eval_bits_{layer}": told for layer in LAYERS if (told := bits.of(str(layer))) is not None}
        self.log(dict(metrics))
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells how a run goes, after every log."""

    def __init__(self, told: Callable[[dict[str, Any], TrainerState], None]) -> None:
        self._told, self._began = told, time.monotonic()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        """Hands the figures on, with the seconds since the run began."""
        if state.is_world_process_zero:
            self._told({**(logs or {}), "seconds": round(time.monotonic() - self._began, 1)}, state)
