"""How many replies of a model are valid turns, without the constraint and with it, over English, Chinese and French.

    python benchmarks/valid_turns.py --seeds 50 --free-seeds 15 --json valid_turns.json

A reply is valid when its turn is complete and free of faults, it holds a plan and speech, the model ended it itself,
and no body was cut inside a word. `mini` unless --model says otherwise, at the temperature and with the budgets that
chat has for the model; the free arm is played first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from her.actor import Act, Actor, suited
from her.draft import is_word
from her.models.address import open_model
from her.models.base import Finish, Model
from her.scene import Scene, bundled, bundled_scene
from her.turn import Dialogue, Ending, Kind, Segment, Turn

LANGUAGES = ("en", "zh", "fr")
LINES = {
    "en": "May I ask what you are thinking?",
    "zh": "敢问阁下此刻在想什么？",
    "fr": "Puis-je vous demander à quoi vous pensez ?",
}
LONGEST_WORD = 24
"""Letters after which the constraint ends a word by force."""


@dataclass(frozen=True, slots=True)
class Play:
    """One reply: what was wrong with it, empty where nothing was."""

    arm: str
    language: str
    seed: int
    wrong: tuple[str, ...]
    kinds: tuple[str, ...]
    new_tokens: int
    seconds: float


def stage(language: str) -> tuple[Scene, str, Dialogue]:
    """A bundled scene of that language, its first character, and a dialogue that ends in a question to it."""
    scene = next(s for s in map(bundled_scene, bundled()) if s.language.split("-")[0] == language)
    name, other = scene.names[:2]
    line = Turn(other, (Segment(Kind.SPEECH, LINES[language]),))
    return scene, name, scene.dialogue().plus(line)


def cut_in_a_word(text: str) -> bool:
    """Whether a text ends in a run of letters as long as the constraint lets a last word grow."""
    tail = text[-LONGEST_WORD:]
    return len(tail) == LONGEST_WORD and all(map(is_word, tail))


def wrong_with(act: Act) -> tuple[str, ...]:
    """Everything that keeps a turn from being valid."""
    kinds = {segment.kind for segment in act.turn.segments}
    wrong = [fault.kind.value for fault in act.faults]
    wrong += [f"no {kind.value}" for kind in (Kind.SYSTEM_THINKING, Kind.SPEECH) if kind not in kinds]
    wrong += [f"ending {act.ending.value}"] * (act.ending is not Ending.COMPLETE)
    wrong += [f"finish {act.reply.finish.value}"] * (act.reply.finish is not Finish.STOP)
    wrong += ["cut in a word"] * any(cut_in_a_word(segment.text) for segment in act.turn.segments)
    return tuple(wrong)


async def play(model: Model, arm: Literal["on", "off"], language: str, seed: int) -> Play:
    """One reply in one arm."""
    scene, name, dialogue = stage(language)
    actor = Actor(scene, name, model, options=replace(suited(model.address), constraint=arm))
    start = time.perf_counter()
    act = await actor.act(dialogue, seed=seed)
    spent = time.perf_counter() - start
    kinds = tuple(segment.kind.value for segment in act.turn.segments)
    return Play(arm, language, seed, wrong_with(act), kinds, act.usage.completion_tokens or 0, spent)


async def plays(model: Model, seeds: int, arm: Literal["on", "off"]) -> list[Play]:
    """One arm on seeds spread over the languages; one language after the other, for the prompt cache."""
    shares = {language: range(i, seeds, len(LANGUAGES)) for i, language in enumerate(LANGUAGES)}
    done = []
    for language in LANGUAGES:
        for seed in shares[language]:
            done.append(await play(model, arm, language, seed))
            print(f"{arm} {language} {seed}: {', '.join(done[-1].wrong) or 'valid'}", file=sys.stderr)
    return done


def table(done: Sequence[Play]) -> Iterator[str]:
    """The figures in words."""
    for arm, label in (("off", "without the constraint"), ("on", "with the constraint")):
        rows = [p for p in done if p.arm == arm]
        if not rows:
            continue
        valid = sum(not p.wrong for p in rows)
        by_language = ", ".join(
            f"{language} {sum(not p.wrong for p in rows if p.language == language)}"
            f"/{sum(p.language == language for p in rows)}"
            for language in LANGUAGES
        )
        yield f"{label}: {valid} of {len(rows)} valid ({by_language})"
        tokens = statistics.median(p.new_tokens for p in rows)
        seconds = statistics.median(p.seconds for p in rows)
        yield f"  tokens of a reply, median: {tokens:.0f}; seconds, median: {seconds:.1f}"
        layers = Counter(kind for p in rows for kind in set(p.kinds))
        yield "  replies that hold: " + ", ".join(f"{kind.value} {layers[kind.value]}" for kind in Kind)
        wrong = Counter(word for p in rows for word in p.wrong)
        if wrong:
            yield "  wrong: " + ", ".join(f"{word} {count}" for word, count in wrong.most_common())


async def main() -> None:
    """Plays both arms and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seeds", type=int, default=50, help="replies with the constraint")
    parser.add_argument("--free-seeds", type=int, default=50, help="replies without it; most run to the token limit")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = open_model(options.model)
    try:
        done = [*await plays(model, options.free_seeds, "off"), *await plays(model, options.seeds, "on")]
    finally:
        await model.close()
    for line in table(done):
        print(line)
    if options.json:
        rows: list[dict[str, Any]] = [asdict(p) for p in done]
        options.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
