"""The card of a model: what it was made of, how, at what cost, and how it measures up.

Knows the files of a run's folder. Refuses to say anything that does not stand in them.
"""

from __future__ import annotations

import json
from typing import Any

from her.train.run_folder import LOG, TrainFolder


def card(folder: TrainFolder) -> str:
    """The card as Markdown with the hub's front matter. Raises InputError where there is no run."""
    facts = folder.facts()
    sections = [
        _front(facts),
        _head(facts, folder),
        _data(facts),
        _training(facts, folder),
        _versions(facts),
        _limits(),
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def _front(facts: dict[str, Any]) -> str:
    tags = ["role-play", "fiction", "her"]
    lora = ["library_name: peft"] if facts["recipe"]["lora"] else ["library_name: transformers"]
    return "\n".join(["---", *lora, "pipeline_tag: text-generation", "tags:", *(f"- {tag}" for tag in tags), "---"])


def _head(facts: dict[str, Any], folder: TrainFolder) -> str:
    recipe = facts["recipe"]
    how = f"a LoRA adapter of rank {recipe['lora']['rank']}" if recipe["lora"] else "all weights tuned"
    plans = {"with": "with plans", "without": "without plans", "both": "with and without plans"}[
        recipe["data"]["plans"]
    ]
    return (
        f"# {folder.path.name}\n\n"
        f"`{recipe['model']}` tuned to play characters with an inner life, {plans}: {how}. Made with `her train sft`; "
        "prompts, template and format are those of `her chat`."
    )


def _data(facts: dict[str, Any]) -> str:
    lines = ["## Data", "", "| file | sha256 |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | `{sha[:16]}…` |" for name, sha in facts["data"].items())])


def _training(facts: dict[str, Any], folder: TrainFolder) -> str:
    recipe, budget = facts["recipe"], facts["budget"]
    rows = {
        "turns learnt from": f"{budget['turns']:,}",
        "tokens an epoch": f"{budget['tokens']:,} ({budget['unpacked']:,} with a row a turn)",
        "learnt tokens an epoch": f"{budget['supervised']:,}",
        "steps": f"{budget['steps']:,} ({budget['epochs']:.2f} epochs)",
        "learning rate": f"{recipe['optimiser']['learning_rate']:g}, {recipe['optimiser']['schedule']}",
        "precision": recipe["precision"],
        "seed": str(recipe["seed"]),
        "template": f"`{facts['template']}`",
    }
    held = _held_out(folder)
    if held:
        kept = min(held, key=lambda row: row["eval_loss"])
        rows["held-out loss before"] = f"{held[0]['eval_loss']:.3f} nats a token"
        rows["lowest held-out loss"] = f"{kept['eval_loss']:.3f} nats a token, at step {kept['step']}"
    lines = ["## Training", "", "| | |", "|---|---|", *(f"| {name} | {told} |" for name, told in rows.items())]
    return "\n".join([*lines, "", "![loss](curves.png)"])


def _held_out(folder: TrainFolder) -> list[dict[str, Any]]:
    try:
        text = (folder.path / LOG).read_text("utf-8")
    except OSError:
        return []
    return [row for row in map(json.loads, text.splitlines()) if "eval_loss" in row]


def _versions(facts: dict[str, Any]) -> str:
    return "## Versions\n\n" + ", ".join(f"{name} {version}" for name, version in facts["versions"].items())


def _limits() -> str:
    return (
        "## Limits\n\n"
        "It writes fiction: what its characters say is not true, kind or safe because a model said it. A plan is how a "
        "turn may have come about, not proof of why the model wrote it."
    )
