"""The card of a data set for judges: what is in it, where labels come from, how it is balanced, what it is not.

Knows the hub's front matter, and how figures are put to people. Refuses to count (`report`).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from her.judge.data.report import PartReport, RewardReport
from her.judge.data.rows import RL, SFT, TEST_PAIRS

_SPLITS = (("sft", SFT, "train"), ("rl", RL, "train"), ("test", RL, "test"))
_EACH = {
    SFT: "a comparison with a judge's own answer as the last message: findings first, then the margin",
    RL: "a comparison to practise on, in verl's columns; `ground_truth` is `first`, `second` or `tie`",
}
_KNOWN = {
    "construction": "one side was broken on purpose, or an edit changes nothing that matters",
    "people": "more than half of the people who read the pair",
    "file": "the file that the pair came in",
    "judge": "a judge that said the same in both orders",
}


def card(report: RewardReport, licence: str = "") -> str:
    """The text of README.md; `licence` is an SPDX identifier, empty for unknown."""
    sections = (_front(report, licence), _head(report, licence), _configs(report), _labels(report), _balance(report))
    return "\n\n".join((*sections, _made(report), _limits(report))) + "\n"


def _front(report: RewardReport, licence: str) -> str:
    """YAML; its strings are written as JSON, which is YAML too."""
    languages = sorted({tag.split("-")[0].lower() for part in report.parts.values() for tag in part.languages})
    lines = ["---", f"license: {json.dumps(licence.lower() or 'unknown')}", "language:"]
    lines += [f"- {json.dumps(tag)}" for tag in languages] or ["- und"]
    lines += ["task_categories:", "- text-generation", "tags:", "- role-play", "- reward-model", "- synthetic"]
    configs: dict[str, list[str]] = {}
    for part, config, split in _SPLITS:
        if report.parts[part].rows:
            configs.setdefault(config, []).append(split)
    lines += ["configs:"] if configs else []
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*.parquet"]
    return "\n".join([*lines, "---"])


def _head(report: RewardReport, licence: str) -> str:
    pairs = sum(part.pairs for part in report.parts.values())
    under = f"The rows are under `{licence}`." if licence else "**Nobody has said under which licence the rows are.**"
    return (
        "# Comparisons of role-play turns\n\n"
        f"{pairs:,} pairs of candidates for one turn of a dialogue, each with which is better, each in both orders. "
        f"Made with `her judge data`. {under}"
    )


def _configs(report: RewardReport) -> str:
    lines = ["## What is in it", "", "| config | split | rows | pairs | each row |", "|---|---|---|---|---|"]
    for name, config, split in _SPLITS:
        part = report.parts[name]
        lines.append(f"| `{config}` | {split} | {part.rows:,} | {part.pairs:,} | {_EACH[config]} |")
    lines += [
        "",
        "A row's `twin` is the same pair with the places exchanged; the two stand side by side. "
        f"`{TEST_PAIRS}` has the pairs of the test split for `her judge bench`.",
    ]
    return "\n".join(lines)


def _labels(report: RewardReport) -> str:
    lines = ["## Labels", "", f"Of {report.pairs_in:,} pairs that came in:", ""]
    lines += [f"- {count:,}: {_KNOWN[known]}" for known, count in report.known.items()]
    lines += [f"- {count:,} without a label: {reason}" for reason, count in report.unlabelled.items()]
    said = [(known, "the judge says", found) for known, found in report.checked.items()]
    for known, who, found in (*said, ("construction", "people say", report.read)):
        if found.same + found.other:
            lines += [
                "",
                f"Of {found.labels:,} labels known from {known}, {who} the same of {found.same:,}, "
                f"another thing of {found.other:,}, and nothing to go by of {found.silent:,}.",
            ]
    return "\n".join(lines)


def _balance(report: RewardReport) -> str:
    rows: dict[str, Callable[[PartReport], str]] = {
        "labels given to it": lambda part: f"{part.labels:,}",
        "set aside": lambda part: ", ".join(f"{reason} {n:,}" for reason, n in part.aside.items()) or "–",
        "label first / second / tie": lambda part: " / ".join(f"{n:,}" for n in part.winners.values()),
        "longer side wins, before": lambda part: _share(part.longer_before),
        "longer side wins": lambda part: _share(part.longer_share),
        "answers by who wins findings": lambda part: ", ".join(f"{k} {n:,}" for k, n in part.shapes.items()) or "–",
        "answers in which both sides win some": lambda part: _share(part.mixed_share),
        "pairs by kind": lambda part: ", ".join(f"{kind} {n:,}" for kind, n in part.kinds.items()) or "–",
        "pairs by family": lambda part: ", ".join(f"{name} {n:,}" for name, n in part.families.items()) or "–",
        "ties": lambda part: ", ".join(f"{kind} {n:,}" for kind, n in part.tie_kinds.items()) or "–",
        "books": lambda part: f"{part.books:,}",
    }
    names = ("sft", "rl", "test")
    lines = ["## Balance", "", f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for title, told in rows.items():
        lines.append(f"| {title} | {' | '.join(told(report.parts[name]) for name in names)} |")
    lines += ["", f"No {report.apart} is in both sft and rl; seed {report.seed}. The test part is as it came."]
    return "\n".join(lines)


def _made(report: RewardReport) -> str:
    lines = ["## What shaped the rows", "", "| made | label by | judge | dialect | prompts | principles | families |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, made in report.made.items():
        prompts = ", ".join(f"`{one}`" for one in made.prompts) or "–"
        cells = (name, made.known, made.judge, made.dialect, prompts, made.principles, made.families)
        lines.append("| " + " | ".join(cell.replace("|", "/") or "–" for cell in cells) + " |")
    return "\n".join(lines)


def _limits(report: RewardReport) -> str:
    limits = [
        "A judge's arguments are what it wrote, not why it decided.",
        "Pairs that were broken on purpose are easier than those that models make by themselves.",
        *report.notes,
    ]
    return "\n".join(["## Known limits", "", *(f"- {limit}" for limit in limits)])


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
