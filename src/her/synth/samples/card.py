"""The card of a data set: what is in it, how to load it, where it comes from, what it is not.

Knows the hub's front matter, and how figures are put to people. Refuses to count (`sample_tally`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from her.markup import notation
from her.synth.samples.report import BookUse, SampleReport

SHOWN = 100
"""Sources in the card's table; `report.json` has all."""
AUTHORED = "authored"
"""The stage of scenes that were written as they stand: no book is quoted in them, and no stage has added to them."""
_TITLE = "Role-play with an inner life"
_SPLITS = ("train", "validation", "test")
_CONFIGS = {
    "roleplay-sft": "one turn a row, with its plan: `messages` ends with the turn to learn",
    "roleplay-sft-plain": "the same turns without plans, under a prompt that asks for none",
    "roleplay-rl": "prompts to practise on, in verl's columns; `ground_truth` is the scene's own turn without its plan",
    "reward-pool": "dialogues up to a turn as a judge sees them, with that turn: what comparisons are made from",
    "test": "whole scenes of books that nothing was trained on; `coser-test.json` has them in CoSER's shape",
}
_SIGNS = {
    "coser-numbers": "by CoSER's own numbers",
    "coser-words": "by shared words",
    "coser-place": "by their place in the book",
    "coser-book": "because whole books of the test set stay out",
}


def card(report: SampleReport, *, licence: str = "", title: str = "", about: str = "") -> str:
    """The text of README.md; `licence` is an SPDX identifier, empty for unknown, `title` empty for a plain one.

    `about` is Markdown that stands below the title in the place of a sentence of counts.
    """
    sections = [_front(report, licence), _head(report, title, about), _configs(report), _form(), _splits(report)]
    sections += [_sources(report, licence), _lineage(report), _contamination(report), _limits(report)]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def _front(report: SampleReport, licence: str) -> str:
    """YAML; its strings are written as JSON, which is YAML too."""
    languages = sorted({tag.split("-")[0].lower() for tag in report.languages})
    lines = ["---", f"license: {json.dumps(licence.lower() or 'unknown')}", "language:"]
    lines += [f"- {json.dumps(tag)}" for tag in languages] or ["- und"]
    lines += ["task_categories:", "- text-generation", "tags:", "- role-play", "- fiction", "- synthetic", "configs:"]
    for config, splits in report.rows.items():
        if splits:
            lines += [f"- config_name: {config}", "  data_files:"]
            for split in _ordered(splits):
                lines += [f"  - split: {split}", f"    path: {config}/{split}-*.parquet"]
    return "\n".join([*lines, "---"])


def _ordered(splits: Mapping[str, int]) -> list[str]:
    return sorted(splits, key=_SPLITS.index)


def _head(report: SampleReport, title: str, about: str) -> str:
    if about:
        return f"# {title or _TITLE}\n\n{about.strip()}"
    scenes, books = sum(report.scenes.values()), len({book.work for book in report.books if book.scenes})
    planned = sum(turns.with_plan for turns in report.turns.values())
    learnt = planned + sum(turns.without_plan for turns in report.turns.values())
    return (
        f"# {title or _TITLE}\n\n"
        f"Turns of characters in novels, each with what the character thinks, does and says: {_many(learnt, 'turn')}, "
        f"{planned:,} of them with the author's plan for it, in {_many(scenes, 'scene')} of {_many(books, 'book')}, "
        f"{_many(report.characters, 'part')} to play. Made with `her synth`."
    )


def _configs(report: SampleReport) -> str:
    lines = ["## What is in it", "", "| config | rows | each row |", "|---|---|---|"]
    for config, splits in report.rows.items():
        counts = ", ".join(f"{splits[split]:,} {split}" for split in _ordered(splits)) or "none"
        lines.append(f"| `{config}` | {counts} | {_CONFIGS[config]} |")
    without = sum(report.turns[purpose].without_plan for purpose in ("sft", "validation", "test"))
    first = next((config for config, splits in report.rows.items() if splits), "roleplay-sft")
    lines += [
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        f'load_dataset("path/to/this", "{first}")',
        "```",
    ]
    if without:
        lines += ["", f"Turns that had no plan and so are missing from `roleplay-sft`: {without:,}."]
    return "\n".join(lines)


def _form() -> str:
    marks = {name: f"`{mark}`" for name, mark in notation().items()}
    return (
        "## How a turn is written\n\n"
        f"A plan between {marks['plan_open']} and {marks['plan_close']}, then `Name: `, then in any order thoughts "
        f"({marks['thought_open']} to {marks['thought_close']}), actions ({marks['action_open']} to "
        f"{marks['action_close']}) and speech without marks. A plan stands in the turn to learn alone, never in "
        "history; a thought only in the prompts of the character whose it is. What others say between two turns of the "
        "character is one user message."
    )


def _splits(report: SampleReport) -> str:
    lines = ["## Splits", ""]
    lines.append("Books are cut apart, never scenes or turns: no book, in any edition, serves two purposes.")
    lines += ["", "| purpose | books | scenes | turns | asked for |", "|---|---|---|---|---|"]
    works = Counter(purpose for _, purpose in {(book.work, book.purpose) for book in report.books})
    total = sum(report.shares.values()) or 1
    for purpose, scenes in report.scenes.items():
        share = report.shares.get(purpose, 0) / total
        if not share and not scenes:
            continue
        turns = report.turns[purpose].with_plan + report.turns[purpose].without_plan
        lines.append(f"| {purpose} | {works[purpose]:,} | {scenes:,} | {turns:,} | {share:.0%} of the scenes |")
    more = ", `validation` of `validation`" if report.scenes.get("validation") else ""
    lines += ["", f"Assigned with seed {report.seed}. The split `test` of every config is of the purpose `test`{more}."]
    return "\n".join(lines)


def _sources(report: SampleReport, licence: str) -> str:
    said = f"The rows are under `{licence}`." if licence else "**Nobody has said under which licence the rows are.**"
    unknown = sum(not book.licence for book in report.books)
    lines = ["## Sources and licence", "", said]
    if unknown:
        lines[-1] += (
            f" **The licence of {unknown:,} of {_many(len(report.books), 'source')} is unknown**: turns quote their "
            "books, so find out before passing them on."
        )
    lines += ["", "| book | author | scenes | purpose | licence |", "|---|---|---|---|---|"]
    lines += [_source(book) for book in report.books[:SHOWN]]
    if len(report.books) > SHOWN:
        lines += ["", f"And {len(report.books) - SHOWN:,} more in `report.json`."]
    return "\n".join(lines)


def _source(book: BookUse) -> str:
    cells = (book.title or "–", book.author or "–", f"{book.scenes:,}", book.purpose or "–", book.licence or "unknown")
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _lineage(report: SampleReport) -> str:
    lines = ["## How it was made", "", "| stage | model | prompts | scenes |", "|---|---|---|---|"]
    for made in report.lineage:
        prompts = ", ".join(f"`{name}`" for name in made.prompts) or "–"
        lines.append(f"| {made.stage} | {made.model or '–'} | {prompts} | {made.scenes:,} |")
    if not report.lineage:
        lines = [*lines[:2], "The rows say nothing of stages or models."]
    texts = ", ".join(f"`{name}`" for name in report.prompts) or "none"
    return "\n".join([*lines, "", f"Prompt texts in the rows themselves: {texts}."])


def _contamination(report: SampleReport) -> str:
    checked = report.contamination
    if not checked.tests:
        return "## Test sets kept out\n\nNone was looked for: this data may hold the scenes of any benchmark."
    tests = ", ".join(f"`{test.partition('@')[0]}`" for test in checked.tests)
    lines = ["## Test sets kept out", ""]
    lines.append(
        f"Looked for: {_many(checked.cases, 'case')} of {tests}. Cases with a book among the sources: "
        f"{checked.with_book:,}. Scenes that stayed out: {checked.scenes_kept_out:,}."
    )
    found = [(count, _SIGNS[reason]) for reason, count in report.kept_out.items() if reason in _SIGNS]
    lines += ["", *(f"- {count:,} {sign}" for count, sign in found)] if found else []
    if checked.not_found:
        lines += ["", f"Cases of which nothing but the book's title was found: {checked.not_found:,}."]
    return "\n".join([*lines, "", "`contamination.json` tells it case by case and scene by scene."])


def _limits(report: SampleReport) -> str:
    limits = [
        "Plans, and most thoughts and actions, were written by models after the fact: they say how a turn may have "
        "come about, not why its author wrote it.",
        "Speech is quoted from books; a model trained on it may repeat them.",
    ]
    if {made.stage for made in report.lineage} == {AUTHORED}:
        limits = ["Plans were written with their turns: they say how a turn is meant, not how a mind came to it."]
    limits += ["Characters of novels are not people, and novels carry the views of their time.", *report.notes]
    return "\n".join(["## Known limits", "", *(f"- {limit}" for limit in limits)])


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
