"""The card of a model: what it was made of, how, at what cost, and its loss on what was held out.

Knows the files of a run's folder. Refuses to say anything that does not stand in them.
"""

from __future__ import annotations

import json
import math
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
    lines = [f"library_name: {'peft' if facts['recipe']['lora'] else 'transformers'}"]
    if licence := _base(facts).get("licence"):
        lines.append(f"license: {licence}")
    if _base(facts).get("revision"):
        lines.append(f"base_model: {facts['model'].removeprefix('hf:')}")
    lines += ["pipeline_tag: text-generation", "tags:", *(f"- {tag}" for tag in tags)]
    return "\n".join(["---", *lines, "---"])


def _base(facts: dict[str, Any]) -> dict[str, Any]:
    """What is known of the base; nothing of runs of the first days, which wrote down a path instead."""
    base = facts["base"]
    return base if isinstance(base, dict) else {}


def _head(facts: dict[str, Any], folder: TrainFolder) -> str:
    recipe = facts["recipe"]
    how = f"a LoRA adapter of rank {recipe['lora']['rank']}" if recipe["lora"] else "all weights tuned"
    plans = {"with": "with plans", "without": "without plans", "both": "with and without plans"}[
        recipe["data"]["plans"]
    ]
    return (
        f"# {folder.path.resolve().name}\n\n"
        f"`{recipe['model']}` tuned to play characters with an inner life, {plans}: {how}. Made with `her train sft`; "
        "prompts, template and format are those of `her chat`."
    )


def _data(facts: dict[str, Any]) -> str:
    lines = ["## Data", "", "| file | sha256 |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | `{sha[:16]}…` |" for name, sha in facts["data"].items())])


def _training(facts: dict[str, Any], folder: TrainFolder) -> str:
    recipe, budget = facts["recipe"], facts["budget"]
    tokens = budget["epochs"] * budget["tokens"]
    minutes = tokens / budget["tokens_per_second"] / budget["ranks"] / 60
    rows = {
        **_made_from(facts),
        "turns learnt from": f"{budget['turns']:,}",
        "tokens an epoch": f"{budget['tokens']:,} ({budget['unpacked']:,} with a row a turn)",
        "learnt tokens an epoch": f"{budget['supervised']:,}",
        "steps": f"{budget['steps']:,} ({budget['epochs']:.2f} epochs)",
        "cost": f"{tokens:,.0f} tokens; {minutes:,.0f} min, at {budget['tokens_per_second']:,.0f} tokens a second "
        f"(x {budget['ranks']}), measured before the run",
        "learning rate": f"{recipe['optimiser']['learning_rate']:g}, {recipe['optimiser']['schedule']}",
        "precision": recipe["precision"],
        "seed": str(recipe["seed"]),
        "template": f"`{facts['template']}`",
    }
    rows |= _losses(_held_out(folder), best=recipe["keep"] == "best", steps=budget["steps"])
    lines = ["## Training", "", "| | |", "|---|---|", *(f"| {name} | {told} |" for name, told in rows.items())]
    return "\n".join([*lines, "", "![loss](curves.png)"])


def _made_from(facts: dict[str, Any]) -> dict[str, str]:
    """What the base is, by hashes or revision, and its licence."""
    base = _base(facts)
    parts = [f"`{name}`, sha256 `{sha[:16]}…`" for name, sha in base.get("files", {}).items()]
    if base.get("revision"):
        parts.append(f"`{facts['model']}`, revision `{base['revision']}`")
    rows = {"base": "; ".join(parts), "licence": f"{base['licence']}, the base's" if "licence" in base else ""}
    return {name: told for name, told in rows.items() if told}


def _losses(held: list[dict[str, Any]], *, best: bool, steps: int) -> dict[str, str]:
    """The loss on the validation split before the first step, and, of a run that is done, that of what is kept."""
    known = [row for row in held if math.isfinite(row["eval_loss"])]
    before = [row for row in known if row["step"] == 0]
    after = [row for row in known if row["step"] > 0]
    rows = {"held-out loss before": f"{before[0]['eval_loss']:.3f} nats a token"} if before else {}
    if not any(row["step"] == steps for row in held):
        return rows
    if best:
        kept = min(after, key=lambda row: row["eval_loss"], default=None)
    else:
        kept = next((row for row in after if row["step"] == steps), None)
    if kept is not None:
        which = "the lowest" if best else "the last"
        rows["held-out loss of what is kept"] = f"{kept['eval_loss']:.3f} nats a token, at step {kept['step']}, {which}"
    return rows


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
