"""How long a person waits for the first visible word: HER beside a plain transformers chat, on the same weights.

    python benchmarks/first_word.py --repeats 3 --json first_word.json

Both play the same scene with the same prompt, the same lines of the person and the same token budget; plans and
thoughts are hidden in both. HER streams from the embedded engine, which keeps the evaluated prompt. The plain chat
reads the whole history again each turn, writes until it ends or the budget is spent, and shows the reply when it is
finished, as the chat demo of the official release does. Its first word counts as shown then, even where the reply
turns out to hold nothing but a plan; such turns are counted beside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from her.actor import Act, Actor, ActorOptions
from her.grammar import SMALL
from her.markup import parse
from her.models.base import Model, Sampling
from her.models.embedded import Embedded, default_threads
from her.models.weights import pull
from her.scene import bundled_scene
from her.stream import Delta
from her.turn import Dialogue, Kind, Segment, Turn

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from hf_folder import hf_folder

LINES = (
    "You dance better than you converse, Mr. Darcy.",
    "Do you talk by rule, then, while you are dancing?",
    "I am trying to make out your character, and I do not get on at all.",
    "What do you say to books, sir? Have you read anything this winter?",
    "They say that you never smile. Is there a reason for it?",
    "Are you very fond of being asked questions?",
    "Then tell me of Pemberley. Is it as large as they say?",
    "You have been looking at me this whole evening. Why?",
)
VISIBLE = (Kind.ROLE_ACTION, Kind.SPEECH)
SCENE, USER = "netherfield-ball", "Elizabeth Bennet"


@dataclass(frozen=True, slots=True)
class Wait:
    """One turn: seconds to the first visible character and to the end; token counts where the backend told them."""

    arm: str
    repeat: int
    turn: int
    first: float
    total: float
    visible: bool
    prompt_tokens: int | None
    new_tokens: int | None


class Stage:
    """The scene with its two speakers, and the dialogue so far."""

    def __init__(self, model: Model, max_tokens: int) -> None:
        self.scene = bundled_scene(SCENE)
        self.name = next(name for name in self.scene.names if name != USER)
        options = ActorOptions(sampling=Sampling(max_tokens=max_tokens), limits=SMALL)
        self.actor = Actor(self.scene, self.name, model, options=options)
        self.dialogue: Dialogue = self.scene.dialogue()

    def hear(self, line: str) -> None:
        """The person says a line."""
        self.dialogue = self.dialogue.plus(Turn(USER, (Segment(Kind.SPEECH, line),)))


async def ours(model: Model, repeat: int, turns: int, max_tokens: int) -> list[Wait]:
    """A chat on the embedded engine, streaming."""
    stage, waits = Stage(model, max_tokens), []
    for at in range(turns):
        stage.hear(LINES[at % len(LINES)])
        first: float | None = None
        begun = time.perf_counter()
        async for item in stage.actor.stream(stage.dialogue, seed=repeat * 100 + at):
            if first is None and isinstance(item, Delta) and item.kind in VISIBLE and item.text.strip():
                first = time.perf_counter() - begun
            if isinstance(item, Act):
                usage = [attempt.reply.usage for attempt in item.attempts]
                sent = sum(u.prompt_tokens or 0 for u in usage)
                new = sum(u.completion_tokens or 0 for u in usage)
                total = time.perf_counter() - begun
                seen = first is not None
                waits.append(Wait("her", repeat, at, first or total, total, seen, sent or None, new or None))
                stage.dialogue = stage.dialogue.plus(item.turn)
    return waits


def plain(loaded: tuple[Any, Any], model: Model, repeat: int, turns: int, max_tokens: int) -> list[Wait]:
    """The same chat with nothing but `generate`: `model` only counts tokens for the prompt."""
    tokenizer, weights = loaded
    stage, waits = Stage(model, max_tokens), []
    for at in range(turns):
        stage.hear(LINES[at % len(LINES)])
        prompt = asyncio.run(stage.actor.prompt(stage.dialogue))
        torch.manual_seed(repeat * 100 + at)
        begun = time.perf_counter()
        rows = [{"role": m.role, "content": m.content} for m in prompt.messages]
        head = tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(head + prompt.prefill, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            output = weights.generate(**ids, max_new_tokens=max_tokens, do_sample=True, temperature=0.7, top_p=0.9)
        new = output[0][ids["input_ids"].shape[1] :]
        text = prompt.prefill + tokenizer.decode(new, skip_special_tokens=True)
        turn = parse(text, speaker=stage.name, cast=frozenset(stage.scene.names)).turn
        total = time.perf_counter() - begun
        seen = any(segment.kind in VISIBLE and segment.text.strip() for segment in turn.segments)
        waits.append(Wait("plain", repeat, at, total, total, seen, ids["input_ids"].shape[1], len(new)))
        # A turn without a visible word would end the conversation; it goes on with a silence instead.
        stage.dialogue = stage.dialogue.plus(turn if seen else Turn(stage.name, (Segment(Kind.SPEECH, "..."),)))
    return waits


def load_plain(folder: Path, threads: int) -> tuple[Any, Any]:
    """Tokenizer and fp32 weights, with as many threads as the embedded engine has."""
    torch.set_num_threads(threads)
    return (
        transformers.AutoTokenizer.from_pretrained(folder),
        transformers.AutoModelForCausalLM.from_pretrained(folder).eval(),
    )


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def summary(waits: list[Wait]) -> dict[str, dict[str, float | None]]:
    """Medians by arm, and how many turns had nothing visible."""
    made: dict[str, dict[str, float | None]] = {}
    for arm in ("her", "plain"):
        mine = [wait for wait in waits if wait.arm == arm]
        made[arm] = {
            "first_word_s": middle(wait.first for wait in mine),
            "total_s": middle(wait.total for wait in mine),
            "prompt_tokens": middle(wait.prompt_tokens for wait in mine),
            "new_tokens": middle(wait.new_tokens for wait in mine),
            "turns": len(mine),
            "turns_without_a_visible_word": sum(not wait.visible for wait in mine),
        }
    return made


def show(waits: list[Wait], medians: dict[str, dict[str, float | None]]) -> None:
    """The table."""
    print(f"{'arm':<6} {'repeat':>6} {'turn':>4} {'first word s':>12} {'total s':>8} {'prompt':>7} {'new':>5}")
    for w in waits:
        counts = f"{w.prompt_tokens or '-':>7} {w.new_tokens or '-':>5}{'' if w.visible else '  nothing visible'}"
        print(f"{w.arm:<6} {w.repeat:>6} {w.turn + 1:>4} {w.first:>12.2f} {w.total:>8.2f} {counts}")
    for key, one in medians["her"].items():
        other = medians["plain"][key]
        ratio = f"{other / one:.1f}x" if one and other else "-"
        cells = ["-" if value is None else f"{value:.2f}" for value in (one, other)]
        print(f"{key:<30} her {cells[0]:>9}   plain {cells[1]:>9}   plain/her {ratio}")


def main() -> None:
    """Runs both arms in turn and prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--gguf", type=Path, default=None, help="default: the bundled model")
    parser.add_argument("--json", type=Path, default=None, help="write everything measured to this file")
    flags = parser.parse_args()
    gguf = flags.gguf or pull()
    threads = flags.threads or default_threads()
    loaded = load_plain(hf_folder(gguf), threads)
    model = Embedded(gguf, address="mini-base", threads=threads)
    waits: list[Wait] = []
    for repeat in range(flags.repeats):
        waits += asyncio.run(ours(model, repeat, flags.turns, flags.max_tokens))
        waits += plain(loaded, model, repeat, flags.turns, flags.max_tokens)
    medians = summary(waits)
    show(waits, medians)
    if flags.json:
        machine = {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": threads}
        rows = {"machine": machine, "medians": medians, "waits": [asdict(wait) for wait in waits]}
        flags.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    asyncio.run(model.close())


if __name__ == "__main__":
    main()
