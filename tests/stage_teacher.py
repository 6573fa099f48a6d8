"""A teacher for every stage of synthesis: a function of the messages alone, so that any process can play it.

    python tests/stage_teacher.py --log requests.jsonl      prints its address, then serves until it is killed

It knows a stage by the first words of its prompt. Most answers are good, some have a mistake (by hash), and most
mistakes are mended when told. Behind a number that differs from request to request, no two answers are equal.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

import scene_teacher
import teachers
from her import prompts
from her.checks import sentences
from her.markup import notation
from her.models.base import Message
from her.models.recorded import Scripted
from her.synth.minds.arranging import layout_of, ways
from her.turn import Kind

RULES = {"scenes": "scenes", **{name: name for name in ("setting", "profiles", "settings")}}
RULES |= {name: name for name in ("role-thinking", "system-thinking")}
CALLED = {
    "thought": "thought",
    "action": "action",
    "speech": "speech",
    "想法": "thought",
    "动作": "action",
    "话语": "speech",
}
KINDS = {"thought": Kind.ROLE_THINKING, "action": Kind.ROLE_ACTION, "speech": Kind.SPEECH}

THINGS = "kettle|ledger|lantern|window|stair|orchard|letter|harbour|winter|candle|debt|garden|promise|road|silence"
FEELINGS = "weary|glad|afraid|stubborn|hopeful|bitter|calm|curious|ashamed|restless|proud|uneasy|patient|sore"
DEEDS = "folds|turns over|sets down|reaches for|brushes aside|picks up|pushes away|holds on to"
OBJECTS = "a glove|the cup|a chair|the edge of the table|a scrap of paper|the lamp|a loose thread|the bread"
MANNERS = "slowly|with care|in haste|without a sound|for a while|at once|half-way|by habit"
AIMS = "to win a little time|to keep the peace|to be believed|to end the matter|to learn more|to hide a worry"
ZH_THINGS = "灯油|缆绳|账目|雨声|旧信|渡船|门闩|茶水|药方|石阶"
ZH_FEELINGS = "疲倦|安心|害怕|固执|盼望|苦涩|平静|好奇|惭愧|烦躁"
ZH_DEEDS = "慢慢拿起|轻轻放下|随手推开|默默收好|紧紧握住|反复擦拭"
ZH_AIMS = "拖一拖时间|守住这份安静|让人相信|早些了结此事|多打听一点|把忧虑藏好"


def pick(rng: random.Random, words: str) -> str:
    return rng.choice(words.split("|"))


def digest(messages: Sequence[Message]) -> str:
    """What tells messages from others."""
    rows = [[message.role, message.content] for message in messages]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


@cache
def openings() -> dict[str, str]:
    """Which stage a prompt is of, by the words before its first field."""
    folder = Path(prompts.__file__).parent
    found = {}
    for stage in RULES:
        for path in sorted(folder.joinpath(stage).glob("*.md")):
            if not path.stem.startswith("case"):
                found[path.read_text(encoding="utf-8").partition("\n")[2].partition("{{")[0][:60]] = stage
    return found


def stage_of(messages: Sequence[Message]) -> str:
    """The stage that asks; `draft` for the actor's own prompt."""
    system = messages[0].content
    return next((stage for words, stage in openings().items() if system.startswith(words)), "draft")


def said(messages: Sequence[Message], mistakes: float = 0.2) -> str:
    """The answer to a request."""
    first, repaired, number = messages[:2], len(messages) == 4, digest(messages)
    stage = stage_of(messages)
    rng = random.Random(number)
    if stage == "draft":
        return drafted(rng, number)
    value = MAKERS[stage](first, rng)
    wrong = random.Random(digest(first)).random() < mistakes
    if wrong and not (repaired and rng.random() < 0.7):
        return spoilt(value, rng, number)
    return f"No. {number}\n{json.dumps(value, ensure_ascii=False)}"


def spoilt(value: dict[str, Any], rng: random.Random, number: str) -> str:
    """An answer that cannot be used, one way or another."""
    text = json.dumps(value, ensure_ascii=False)
    empty = {name: type(field)() for name, field in value.items()}
    ways = [text[: len(text) // 2], "I would rather not.", json.dumps(empty), json.dumps({"other": value})]
    return f"No. {number}\n{rng.choice(ways)}"


def teacher(mistakes: float = 0.2) -> Scripted:
    """The same in this process."""
    return Scripted(lambda messages, prefill: said(messages, mistakes), address="stage-teacher")


# --- what each stage is answered ---


def section(text: str, *names: str) -> str:
    """What stands under a heading of a case, up to the next blank line or heading."""
    for name in names:
        if found := re.search(rf"^(?:==={name}===|{name})\n(.*?)(?=\n\n===|\n\n[^\n]+[:：]\n|\Z)", text, re.M | re.S):
            return found[1].strip()
    return ""


def chinese(messages: Sequence[Message]) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff]", messages[0].content[:200]))


def scenes(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    terse = "speakers" in messages[0].content and '"cast"' not in messages[0].content
    answer = scene_teacher.terse_attribution if terse else scene_teacher.attribution
    return dict(json.loads(answer(messages)))


def setting(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    if chinese(messages):
        return {"setting": f"众人同在一处，眼前有{pick(rng, ZH_THINGS)}，天色未定。"}
    return {"setting": f"All are together, with the {pick(rng, THINGS)} near by, and the hour is still open."}


def profiles(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    shape = json.loads(messages[1].content[messages[1].content.rindex('{"name"') :])
    if chinese(messages):
        texts = {
            "profile": f"为人{pick(rng, ZH_FEELINGS)}，做事稳当。",
            "background": f"{pick(rng, ZH_FEELINGS)}的时候，总惦记着{pick(rng, ZH_THINGS)}。",
            "motivation": f"想要{pick(rng, ZH_AIMS)}。",
            "opening_thought": f"我得先顾好{pick(rng, ZH_THINGS)}。",
        }
    else:
        texts = {
            "profile": f"A {pick(rng, FEELINGS)} sort of person, known to everyone near the {pick(rng, THINGS)}.",
            "background": f"Once {pick(rng, FEELINGS)} about a {pick(rng, THINGS)}, now {pick(rng, FEELINGS)} of it.",
            "motivation": f"Wants {pick(rng, AIMS)}, and has {pick(rng, FEELINGS)} reasons.",
            "opening_thought": f"I must see to the {pick(rng, THINGS)} before anything else.",
        }
    return {"name": shape["name"], **{field: texts[field] for field in shape if field != "name"}}


def role_thinking(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    case = messages[1].content
    kinds = [KINDS[CALLED[word]] for word in re.findall(r"^\d+ \((\w+)\): ", case, re.M)]
    orders = re.findall(r"^- ((?:\w+(?:, |、)?)+)$", case, re.M)
    wanted = "-".join(CALLED[word] for word in re.split(", |、", rng.choice(orders)))
    arranged = [slots for options in ways(kinds).values() for slots in options if layout_of(slots, kinds) == wanted]
    slots = rng.choice(arranged or [tuple(range(1, len(kinds) + 1))])
    return {"parts": [{"keep": slot} if isinstance(slot, int) else new(slot, rng, chinese(messages)) for slot in slots]}


def new(kind: Kind, rng: random.Random, zh: bool) -> dict[str, str]:
    things, feeling = (
        rng.sample((ZH_THINGS if zh else THINGS).split("|"), 2),
        pick(rng, ZH_FEELINGS if zh else FEELINGS),
    )
    if kind is Kind.ROLE_THINKING:
        said = f"我想着{things[0]}，又想着{things[1]}，心里{feeling}"
        return {"thought": said if zh else thought(things, feeling, rng)}
    if zh:
        return {"action": f"{pick(rng, ZH_DEEDS)}{things[0]}"}
    return {"action": f"{pick(rng, DEEDS)} {pick(rng, OBJECTS)} {pick(rng, MANNERS)}"}


def thought(things: Sequence[str], feeling: str, rng: random.Random) -> str:
    first, second = things
    ways = f"My {first}, that {second}, and I so {feeling}|I stay {feeling} while {first} and {second} last"
    return pick(rng, f"{ways}|No {first} for me now; {feeling}, I count every {second}")


def drafted(rng: random.Random, number: str) -> str:
    tag = notation()
    plan = f"The {pick(rng, THINGS)} comes first, {pick(rng, AIMS)}. Then a word about the {pick(rng, THINGS)}."
    plan = f"{tag['plan_open']}{plan}{tag['plan_close']}" if rng.random() < 0.9 else ""
    return f"{plan}It is {number}."


def system_thinking(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    case, zh = messages[1].content, chinese(messages)
    found = re.search(r"^(?:The character is (.+)\.|人物：(.+)。)$", case, re.M)
    assert found, case[:300]
    name = found[1] or found[2]
    speech = re.sub(r"\[.*?\]|\(.*?\)|（.*?）|【.*?】", " ", section(case, "The turn as it stands:", "这一轮的原样："))
    if zh:
        words = re.sub(r"[^\u4e00-\u9fff]|我|你|他", "", re.split("[:：]", speech)[-1])[:6]
        plan = (
            f"{name}先听清了刚才的话，心里{pick(rng, ZH_FEELINGS)}，要{pick(rng, ZH_AIMS)}。"
            f"这一轮要谈到{words}，语气放平，把{pick(rng, ZH_THINGS)}的事藏着不说，先做动作，再慢慢开口。"
        )
    else:
        words = re.findall(r"[A-Za-z]{4,}", speech.partition(":")[2] or speech)
        about = " and ".join(rng.sample(words, min(2, len(words)))) or "silence"
        plan = (
            f"{name} takes in what came just before and feels {pick(rng, FEELINGS)} about it. The aim now is "
            f"{pick(rng, AIMS)}, so the answer turns on {about} and leaves the {pick(rng, THINGS)} alone. "
            f"{name} keeps an even tone, holds one thing back, and lets the rest follow of itself."
        )
    return {"plan": plan}


def settings(messages: Sequence[Message], rng: random.Random) -> dict[str, Any]:
    case, zh = messages[1].content, chinese(messages)
    name = section(case, "The character", "人物")
    text = re.sub(r"\[…\]", "\n\n", section_long(case))
    told = [one for part in text.split("\n\n") for one in sentences(part) if not set(one) & set('“”"「」')]
    quotes = [one.strip() for one in told if (9 if zh else 40) <= len(one) <= (60 if zh else 220)]
    if not quotes or rng.random() < 0.3:
        return {"name": name, "additions": []}
    added = (
        f"这人与{pick(rng, ZH_THINGS)}早有关系。"
        if zh
        else f"An old tie binds this person to {pick(rng, THINGS)} work."
    )
    quote = rng.choice(quotes) if rng.random() < 0.8 else "These words were never written in any book at all"
    parts = {"shown": "a habit", "lacks": "where it comes from", "quote": quote, "text": added}
    return {"name": name, "additions": [{"field": rng.choice(["background", "profile"]), **parts}]}


def section_long(case: str) -> str:
    """The text before the scene, which has blank lines of its own."""
    return case.partition("===\n")[2].partition("\n\n===")[0]


MAKERS: dict[str, Callable[[Sequence[Message], random.Random], dict[str, Any]]] = {
    "scenes": scenes,
    "setting": setting,
    "profiles": profiles,
    "role-thinking": role_thinking,
    "system-thinking": system_thinking,
    "settings": settings,
}


# --- the same as a server ---


class StageServer(teachers.Server):
    """`teachers.Server` with these answers; a request is known by its stage, its messages and its room.

    Its log also holds every key that came. A request of the stage `refuse`, or about that word, never gets an answer
    that it can use.
    """

    def name(self, messages: Sequence[Message], body: Any) -> str:
        return f"{stage_of(messages)}/{digest(messages)}@{body['max_tokens']}"

    def said(self, messages: Sequence[Message]) -> str:
        if (word := self.flags.refuse) and (word == stage_of(messages) or word in messages[1].content):
            return f"No. {digest(messages)}: I would rather not."
        return said(messages, self.flags.mistakes)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.note(key, 0, "key")
        if self.flags.key and key != self.flags.key:
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        return await super().chat(request)


def flags_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags of `teachers`, and some more."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--key", default="", help="the only key that is let in")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--refuse", default="", help="a stage, or a word")
    own, others = parser.parse_known_args(arguments)
    return argparse.Namespace(**vars(teachers.flags_of(others)), **vars(own))


async def serve(flags: argparse.Namespace) -> None:
    runner = web.AppRunner(StageServer(flags).app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", flags.port, backlog=4096)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1#teacher", flush=True)
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Served:
    """A server that runs: its address and its log."""

    address: str
    log: Path

    def notes(self, what: str) -> list[str]:
        """The requests that have `came`, or the `key`s, so far and in order."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [note["name"] for note in map(json.loads, lines) if note["what"] == what]

    @property
    def asked(self) -> list[str]:
        """The requests so far."""
        return self.notes("came")


@contextmanager
def serving(log: Path, *flags: str) -> Iterator[Served]:
    """A server in a process of its own, which ends with the block."""
    command = [sys.executable, __file__, "--log", str(log), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Served(process.stdout.readline().strip(), log)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(flags_of()))
