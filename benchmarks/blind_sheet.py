"""A sheet of unlabelled replies for blind readers, and what their readings come to.

    python benchmarks/blind_sheet.py make OUT --mini runs/mini/adapter.gguf --other ANOTHER.gguf
    python benchmarks/blind_sheet.py score OUT reading-1.jsonl reading-2.jsonl reading-3.jsonl

Fifty prompts of datasets/her-scenes, half of them from scenes that nothing was learnt from, two or three of one
character in each scene. Under each stand five replies in an order of their own: of mini, of the untuned model, of
another model, the author's turn, and mini's reply to another of that character's prompts in the scene, which is how
good a reply looks that answers something else. All models are held to the grammar and temperature that chat has for
mini. The sheet comes in parts, each for readers of its own, with one prompt of a scene in each: a later prompt tells
what the author had said at an earlier one. Readers see what is heard and seen, no thoughts, and mark each reply: in
character, in the scene, answers what was said. A reading is that of one reader for each part, one after the other. A
killed `make` goes on.

A reading has a line a reply: {"prompt": 1, "reply": "A", "in_character": true, "in_scene": true, "answers": false}
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from her.checks.intervals import interval
from her.errors import InputError
from her.markup import Style, render
from her.models.address import DEFAULT, open_model
from her.rows.files import Writer, read_rows
from her.rows.record import Record
from her.train.measure.places import Place, held_out
from her.train.measure.replies import ReplyLog, arm, identity, play
from her.turn import PRIVATE, Turn

DATA = Path(__file__).resolve().parents[1] / "datasets" / "her-scenes"
PROMPTS = 25
"""Of seen scenes, and as many of unseen ones."""
SCENES = 12
SEED = 20
MARKS = ("in_character", "in_scene", "answers")
GOLD, SHUFFLED = "author", "shuffled"
LEAST_GOLD, MOST_SHUFFLED = 0.9, 0.2
"""Outside of these a sheet measures its readers and not the models."""


@dataclass(frozen=True)
class Prompt:
    """A numbered prompt; `elsewhere` is another place of its character and scene, `part` where on the sheet it is."""

    number: int
    part: int
    seen: bool
    place: Place
    elsewhere: Place


class Shown(Record):
    """A reply on the sheet and where it comes from: a line of replies.jsonl. `text` is what the model wrote, whole."""

    prompt: int
    reply: str
    source: str
    scene: str
    seen: bool
    text: str


class Mark(Record):
    """What a reader says of a reply."""

    prompt: int
    reply: str
    in_character: bool
    in_scene: bool
    answers: bool

    @property
    def good(self) -> bool:
        """Whether all three hold."""
        return self.in_character and self.in_scene and self.answers


def main() -> None:
    """Makes the sheet, or counts the readings."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = options.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make")
    make.add_argument("out", type=Path)
    make.add_argument("--mini", required=True, help="address of the tuned model")
    make.add_argument("--base", default="mini-base", help="address of the untuned one")
    make.add_argument("--other", required=True, help="address of a model of another family")
    count = verbs.add_parser("score")
    count.add_argument("out", type=Path)
    count.add_argument("readings", type=Path, nargs="+")
    given = options.parse_args()
    try:
        if given.verb == "make":
            make_sheet(given.out, {"mini": given.mini, "base": given.base, "other": given.other})
        else:
            print(score(list(read_rows(given.out / "replies.jsonl", Shown)), list(map(reading, given.readings))))
    except InputError as error:
        sys.exit(str(error))


# -- the sheet ------------------------------------------------------------------------------------------------------


def make_sheet(out: Path, addresses: dict[str, str]) -> None:
    """Asks the models, and writes sheet.md and replies.jsonl, which is its key."""
    rng = random.Random(SEED)
    prompts = [*chosen("test", seen=False, first=1, rng=rng), *chosen("train", seen=True, first=PROMPTS + 1, rng=rng)]
    said = {name: replies(out / f"{name}.jsonl", address, prompts) for name, address in addresses.items()}
    shown: list[Shown] = []
    for prompt in prompts:
        own, other = prompt.place.sample.id, prompt.elsewhere.sample.id
        texts = {name: said[name][own] for name in addresses}
        texts |= {GOLD: prompt.place.gold, SHUFFLED: said["mini"][other]}
        sources = rng.sample(sorted(texts), len(texts))
        scene = prompt.place.sample.scene
        shown += (
            Shown(prompt=prompt.number, reply=letter, source=source, scene=scene, seen=prompt.seen, text=texts[source])
            for letter, source in zip("ABCDE", sources, strict=True)
        )
    with Writer(out / "replies.jsonl") as file:
        for row in shown:
            file.write(row)
    for part in sorted({prompt.part for prompt in prompts}):
        asked = [prompt for prompt in prompts if prompt.part == part]
        path = out / f"sheet-{part}.md"
        path.write_text("\n".join(sheet(asked, shown)), encoding="utf-8")
        print(f"{path}: {len(asked)} prompts")


def chosen(split: str, *, seen: bool, first: int, rng: random.Random) -> Iterator[Prompt]:
    """PROMPTS prompts of a split, in SCENES scenes; none is a character's first turn."""
    spoken: dict[str, dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for place in held_out(DATA, split, plans=True, languages=("en",)).places:
        spoken[place.sample.scene][place.speaker].append(place)
    fit = {scene: [turns[1:] for turns in of.values() if len(turns) > 3] for scene, of in sorted(spoken.items())}
    scenes = rng.sample([scene for scene, parts in fit.items() if parts], SCENES)
    number = first
    for at, scene in enumerate(scenes):
        turns = rng.choice(fit[scene])
        count = PROMPTS // SCENES + (at < PROMPTS % SCENES)
        places = [turns[round(i * (len(turns) - 1) / (count - 1))] for i in range(count)]
        for part, (place, elsewhere) in enumerate(zip(places, [*places[1:], places[0]], strict=True), 1):
            yield Prompt(number, part, seen, place, elsewhere)
            number += 1


def replies(journal: Path, address: str, prompts: Sequence[Prompt]) -> dict[str, str]:
    """A model's reply to every prompt, by the sample's id."""
    places = [prompt.place for prompt in prompts]

    async def asked() -> dict[str, str]:
        model = open_model(address)
        try:
            log, how = ReplyLog(journal), replace(arm(DEFAULT, constrained=True), model=identity(address))
            told = lambda line: print(f"{journal.stem}: {line}", file=sys.stderr, flush=True)  # noqa: E731
            return {row.id: row.text for row in await play(model, places, (0,), how, log, told)}
        finally:
            await model.close()

    return asyncio.run(asked())


def sheet(prompts: Iterable[Prompt], shown: Sequence[Shown]) -> Iterator[str]:
    """The sheet's lines: each prompt as its character met it, and the replies under their letters."""
    yield "# A blind sheet\n"
    for prompt in prompts:
        about, rules, _ = prompt.place.context[0].content.partition("===Requirements===")
        if not rules:
            raise InputError(f"{prompt.place.sample.id}: its system message has no requirements; was it made by HER?")
        yield f"## Prompt {prompt.number}\n"
        yield from (f"> {line}".rstrip() for line in about.strip().splitlines())
        yield "\n### So far\n"
        yield from (f"**{turn.speaker}**: {heard(turn, minds=True)}\n" for turn in prompt.place.earlier)
        yield f"### Replies of {prompt.place.speaker}\n"
        for row in shown:
            if row.prompt == prompt.number:
                place = prompt.elsewhere if row.source == SHUFFLED else prompt.place
                yield f"- **{row.reply}**: {heard(place.read(row.text).turn)}"
        yield ""


def heard(turn: Turn, *, minds: bool = False) -> str:
    """A turn on one line: *deeds*, "speech", and with `minds` [thoughts]."""
    text = render(turn if minds else turn.without(*PRIVATE), Style.ASTERISKS)
    return " ".join(text.split()) or "(nothing)"


# -- the readings ---------------------------------------------------------------------------------------------------


def reading(path: Path) -> dict[tuple[int, str], Mark]:
    """A reader's marks by prompt and letter. Raises InputError for one that is marked twice."""
    marks = list(read_rows(path, Mark))
    found = {(mark.prompt, mark.reply): mark for mark in marks}
    if len(found) != len(marks):
        raise InputError(f"{path}: marks a reply twice; keep one of the two")
    return found


def score(shown: Sequence[Shown], readings: Sequence[dict[tuple[int, str], Mark]]) -> str:
    """The table of all sources, how far the readers agree, and whether the sheet holds.

    A mark is what more than half of the readers say; `good` is that more than half find all three to hold.
    Raises InputError for a reading that leaves a reply out or marks one that is not there.
    """
    keys = {(row.prompt, row.reply) for row in shown}
    for number, marks in enumerate(readings, 1):
        if odd := sorted(keys ^ set(marks)):
            raise InputError(
                f"reading {number}: {len(odd)} replies without a mark or not on the sheet, such as {odd[0]}"
            )
    found: dict[tuple[str, str], list[tuple[Shown, bool]]] = defaultdict(list)
    for row in shown:
        for name in (*MARKS, "good"):
            votes = [getattr(marks[row.prompt, row.reply], name) for marks in readings]
            found[row.source, name].append((row, 2 * sum(votes) > len(votes)))
    sources = [source for source in (GOLD, "mini", "base", "other", SHUFFLED) if (source, "good") in found]
    lines = ["| | good, all | unseen scenes | seen scenes | in character | in the scene | answers |", "|---" * 7 + "|"]
    for source in sources:
        good = found[source, "good"]
        parts = [good, [one for one in good if not one[0].seen], [one for one in good if one[0].seen]]
        cells = [*map(told, parts), *(told(found[source, name]) for name in MARKS)]
        lines.append(f"| {source} | {' | '.join(cells)} |")
    agreed = ", ".join(f"{name} {kappa([[getattr(m[k], name) for m in readings] for k in keys])}" for name in MARKS)
    rates = {source: statistics.mean(yes for _, yes in found[source, "good"]) for source in sources}
    holds = rates[GOLD] >= LEAST_GOLD and rates[SHUFFLED] <= MOST_SHUFFLED
    verdict = f"The sheet {'holds' if holds else 'is void'}: authors {rates[GOLD]:.0%}, shuffled {rates[SHUFFLED]:.0%}."
    return "\n".join([*lines, "", f"Agreement: {agreed}.", "", verdict])


def told(votes: Sequence[tuple[Shown, bool]]) -> str:
    """`45 of 50 (82 to 96 %)`, the interval from a bootstrap over scenes, where there is one."""
    scenes: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row, yes in votes:
        scenes[row.scene][0] += yes
        scenes[row.scene][1] += 1
    span = interval(list(scenes.values()), lambda sums: sums[0] / sums[1], random.Random(0))
    return f"{sum(yes for _, yes in votes)} of {len(votes)}" + (f" ({span[0]:.0%} to {span[1]:.0%})" if span else "")


def kappa(votes: Sequence[Sequence[bool]]) -> str:
    """Fleiss' kappa of readers who say yes or no (Fleiss 1971), and how often all say the same."""
    readers = len(votes[0])
    same = statistics.mean(len(set(row)) == 1 for row in votes)
    if readers < 2:
        return "one reader"
    yes = statistics.mean(sum(row) / readers for row in votes)
    pairs = statistics.mean(
        (sum(row) * (sum(row) - 1) + (readers - sum(row)) * (readers - sum(row) - 1)) / (readers * (readers - 1))
        for row in votes
    )
    chance = yes**2 + (1 - yes) ** 2
    return f"κ {(pairs - chance) / (1 - chance):.2f} (all agree on {same:.0%})" if chance < 1 else "all agree"


if __name__ == "__main__":
    main()
