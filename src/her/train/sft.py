"""Supervised fine-tuning: a recipe, a data set and a folder become a model that plays.

Knows the order of things: read, tell the cost, check, train or go on, export. Refuses to know trees and losses.
"""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from her.errors import InputError, MissingExtra, StorageError
from her.train import export
from her.train.attention import attend, deviation, log_probs
from her.train.base import base_folder, gguf_of, identity
from her.train.budget import Budget
from her.train.checkpoints import Best, last_checkpoint
from her.train.curves import draw
from her.train.gguf_adapter import check_base
from her.train.lessons import Lessons, data_hashes, encoder, fingerprint, lessons, read_split
from her.train.load import load
from her.train.quiet import quiet
from her.train.recipe import Recipe, as_toml, load_recipe, seen_from
from her.train.run_folder import CHECKPOINTS, CURVES, RUN, TrainFolder, versions
from her.train.tokens import Encoder
from her.train.trainer import HeldOut, TreeTrainer, Watch

try:
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    from trl import SFTConfig
except ImportError as missing:
    raise MissingExtra("training", "train") from missing

MOST_DEVIATION = 1e-2
"""Nats by which a learnt token may differ in float32 between a tree and its row before a model is refused: several
hundred times the most that rounding gave on the bundled model (docs/log.md)."""
DRAW_EVERY = 10.0
"""Seconds between two drawings of the curves, each of which takes about one."""
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything but the training: the model with its attention and its adapter, the encoder, the trees, the cost."""

    recipe: Recipe
    model: Any
    encoder: Encoder
    lessons: Lessons
    held_out: Lessons | None
    budget: Budget


def is_first() -> bool:
    """Whether this process is the one of its run, under accelerate, that speaks and writes."""
    return os.environ.get("RANK", "0") == "0"


@quiet()
def sft(path: Path, out: Path, *, told: Told, dry: bool = False, seed: int | None = None) -> Budget:
    """Trains as the recipe says, into the folder `out`, or goes on where an earlier call ended; gives what it cost.

    `told` gets lines for people; `dry` stops after the budget and writes nothing. Raises InputError, ModelError,
    StorageError.
    """
    first = is_first()
    told = told if first else _mute
    recipe = load_recipe(path)
    if seed is not None:
        recipe = recipe.model_copy(update={"seed": seed})
    folder, hashes = TrainFolder(out), data_hashes(recipe.data)
    same = fingerprint(recipe, hashes)
    # Both are asked before the model is loaded: that takes minutes.
    goes_on = first and folder.holds(same)
    if first and not dry:
        _check_writable(out)
    ready = prepare(recipe, told, _began_with(folder, recipe))
    if dry:
        return ready.budget
    checkpoint = last_checkpoint(out / CHECKPOINTS)
    if goes_on:
        told(f"going on from {checkpoint.name}" if checkpoint else "beginning again: no checkpoint was written")
    elif first:
        told_here = seen_from(recipe, out)
        folder.begin(as_toml(told_here), _facts(ready, told_here, hashes), same=same)
    _train(ready, folder, told, checkpoint)
    if torch.distributed.is_initialized():
        gc.collect()  # what is left of the trainer: were it the last to hold the group, it would wait for itself
        torch.distributed.destroy_process_group()
    return ready.budget


def _check_writable(out: Path) -> None:
    """Raises StorageError where `out`, or what it is to be made in, takes no files."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(f"{out} cannot be written, as {there} takes no files; name another folder")


def _began_with(folder: TrainFolder, recipe: Recipe) -> str | None:
    """The hub's revision of the base with which the folder's run began; None where it has none, or nothing began.

    Raises InputError where the recipe's address leads to another base by now.
    """
    base = folder.facts().get("base") if (folder.path / RUN).is_file() else None
    if not isinstance(base, dict):  # earlier runs wrote down a path
        return None
    if identity(recipe.model).get("files") != base.get("files"):
        raise InputError(
            f"{folder.path}: its run began with another base than {recipe.model} is now (compare the sha256 in {RUN}): "
            "put that back, or train anew in another folder"
        )
    revision: str | None = base.get("revision")
    return revision


def _facts(ready: Prepared, recipe: Recipe, hashes: dict[str, str]) -> dict[str, Any]:
    """What a result may hang on; `recipe` is the run's, as its folder tells it."""
    return {
        "model": recipe.model,
        "base": identity(recipe.model, getattr(ready.model.config, "_commit_hash", None)),
        "recipe": recipe.model_dump(mode="json"),
        "data": hashes,
        "template": ready.encoder.template_sha,
        "versions": versions(),
        "budget": asdict(ready.budget),
    }


def _train(ready: Prepared, folder: TrainFolder, told: Told, checkpoint: Path | None) -> None:
    trainer = _trainer(ready, folder, told, anew=checkpoint is None)
    trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    if trainer.is_world_process_zero():
        _finish(trainer, ready, folder, told)
    trainer.accelerator.wait_for_everyone()  # a process that ends before the first has written would end it too


def prepare(recipe: Recipe, told: Told, revision: str | None = None) -> Prepared:
    """Reads data and model, and measures what training will cost.

    `revision` is that of a base on the hub, None its newest. Raises InputError and ModelError.
    """
    if recipe.attention == "flex_attention" and not torch.cuda.is_available():
        raise InputError("attention: torch has the gradients of flex_attention on a GPU alone; take 'tree'")
    if torch.cuda.device_count() > 1 and "WORLD_SIZE" not in os.environ:
        raise InputError(
            "several GPUs are visible to one process: show it one with CUDA_VISIBLE_DEVICES=0, or give each its own "
            "with: accelerate launch -m her train sft …"
        )
    transformers.set_seed(recipe.seed)
    base = base_folder(recipe.model)
    if recipe.lora and gguf_of(recipe.model):
        check_base(Path(base))  # else no adapter.gguf could be written at the end
    tokenizer, model = _load(base, recipe, revision)
    attend(model, recipe.attention, recipe.model)
    encode = encoder(tokenizer, recipe)
    train = lessons(read_split(recipe.data, "train"), encode, recipe.packing)
    if not train.trees:
        raise InputError(
            f"{recipe.data.folder}: nothing to learn in the split `train` of {', '.join(recipe.data.configs)}"
            + (f" in {', '.join(recipe.data.languages)}" if recipe.data.languages else "")
        )
    held = lessons(read_split(recipe.data, "validation", lenient=True), encode, recipe.packing)
    _check(model, train, recipe)
    model = _adapted(model, recipe)
    budget = Budget.of(train, held, recipe, _speed(model, train, recipe))
    told(budget.text)
    return Prepared(recipe, model, encode, train, held if held.trees else None, budget)


def _load(base: str, recipe: Recipe, revision: str | None) -> tuple[Any, Any]:
    # Weights that learn are kept in float32, or small steps would round away; the passes alone are then in bfloat16.
    precision = recipe.precision if recipe.lora else "float32"
    tokenizer, model = load(base, recipe.model, revision=revision, dtype=precision)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        model = model.to("cuda")
    if Path(base).is_dir():
        model.name_or_path = ""  # a path of this machine, which PEFT would write down
    return tokenizer, model


def _check(model: Any, train: Lessons, recipe: Recipe) -> None:
    """Raises InputError where trees, as the run will pack them, are not on this very model what they stand for."""
    model.eval()
    trees = sorted(train.trees, key=lambda tree: (len(tree.rows) == 1, len(tree)))[: recipe.trees_per_pass]
    differs = deviation(model, trees, recipe.attention)
    if not differs <= MOST_DEVIATION:
        raise InputError(
            f"{recipe.model}: its log-probabilities in a tree differ by {differs:.2g} nats from those of the rows one "
            "by one, so it does not follow positions or mask, or its attention is more than softmax over scaled "
            "products: take another model"
        )


def _adapted(model: Any, recipe: Recipe) -> Any:
    """The model with a fresh adapter, all else frozen; as it is where all weights are trained."""
    if recipe.lora is None:
        return model
    config = LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    transformers.set_seed(recipe.seed)  # PEFT draws the adapter
    return get_peft_model(model, config)


def _speed(model: Any, train: Lessons, recipe: Recipe) -> float:
    """Tokens per second of forward and backward through one pass of middle length, after two to warm up.

    The passes are those of the run: on the same weights, in the same precision, with as many trees, and with
    activations kept or not as the recipe says.
    """
    trees = sorted(train.trees, key=len)
    first = max(0, (len(trees) - recipe.trees_per_pass) // 2)
    trees = trees[first : first + recipe.trees_per_pass]
    model.train()
    if recipe.gradient_checkpointing:
        model.activation_checkpointing_enable()
    seconds = 0.0
    for _ in range(3):
        began = time.perf_counter()
        with torch.autocast(model.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = log_probs(model, trees, recipe.attention).sum()
        loss.backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    model.zero_grad(set_to_none=True)
    return sum(map(len, trees)) / seconds


def _mute(line: str) -> None:
    """Tells nobody."""


def _trainer(ready: Prepared, folder: TrainFolder, told: Told, *, anew: bool) -> TreeTrainer:
    held = None
    if ready.held_out is not None:
        layers = [ready.held_out.layers(tree, ready.encoder) for tree in ready.held_out.trees]
        if unread := sum(not turn.read for turns in layers for turn in turns):
            told(f"{unread:,} held-out turns do not read back as they are written: they count in the loss, in no layer")
        held = HeldOut(ready.held_out.trees, layers)
    drawn = time.monotonic()

    def tell(logs: dict[str, Any], state: Any) -> None:
        nonlocal drawn
        folder.log(state.log_history)
        if time.monotonic() - drawn > DRAW_EVERY:
            draw(state.log_history, folder.path / CURVES)
            drawn = time.monotonic()
        if said := _line(logs, state):
            told(said)

    return TreeTrainer(
        trees=ready.lessons.trees,
        held_out=held,
        attention=ready.recipe.attention,
        args=_arguments(ready, folder, evaluates=held is not None, anew=anew),
        model=ready.model,
        processing_class=ready.encoder.tokenizer,
        callbacks=[Watch(tell), *([Best()] if held is not None and ready.recipe.keep == "best" else [])],
    )


def _arguments(ready: Prepared, folder: TrainFolder, *, evaluates: bool, anew: bool) -> SFTConfig:
    recipe, optimiser = ready.recipe, ready.recipe.optimiser
    best = evaluates and recipe.keep == "best"
    return SFTConfig(
        output_dir=str(folder.path / CHECKPOINTS),
        per_device_train_batch_size=recipe.trees_per_pass,
        gradient_accumulation_steps=ready.budget.passes_per_step,
        max_steps=ready.budget.steps,
        learning_rate=optimiser.learning_rate,
        lr_scheduler_type=optimiser.schedule,
        warmup_steps=math.ceil(optimiser.warmup * ready.budget.steps),
        weight_decay=optimiser.weight_decay,
        max_grad_norm=optimiser.max_grad_norm,
        seed=recipe.seed,
        data_seed=recipe.seed,
        bf16=recipe.precision == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=recipe.gradient_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it tells the last loss again where there is none
        eval_strategy="steps" if evaluates else "no",
        eval_steps=recipe.evaluate_every,
        eval_on_start=evaluates and anew,
        save_steps=recipe.save_every,
        save_total_limit=2,
        load_best_model_at_end=best,
        metric_for_best_model="eval_loss" if best else None,
        greater_is_better=False if best else None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
    )


def _finish(trainer: TreeTrainer, ready: Prepared, folder: TrainFolder, told: Told) -> None:
    """Writes what was learnt: an adapter or a model, as GGUF too where the base is one, and its card."""
    folder.log(trainer.state.log_history)
    draw(trainer.state.log_history, folder.path / CURVES)
    model = trainer.accelerator.unwrap_model(trainer.model)
    for made in export.export(model, ready.encoder.tokenizer, ready.recipe.model, folder):
        told(f"written: {made}")


def _line(logs: dict[str, Any], state: Any) -> str:
    """One line for people about a step or a look at what is held out; empty where there is nothing to tell."""
    known = {"loss": "loss {:.3f}", "eval_loss": "held out {:.3f}", "grad_norm": "gradient {:.2f}"}
    said = [form.format(float(logs[name])) for name, form in known.items() if name in logs]
    said += [f"{name.removeprefix('eval_bits_')} {logs[name]:.2f}" for name in logs if name.startswith("eval_bits_")]
    head = f"step {state.global_step}/{state.max_steps}  {logs['seconds'] / 60:.1f} min"
    return "  ".join([head, *said]) if said else ""
