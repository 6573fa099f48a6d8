"""Pairs in which one principle was broken, and a teacher who sees in the prompt alone what that was.

python tests/inducing.py PAIRS OUT ANSWERS      induces until so many answers were given, then dies
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from her.judge.induce.flow import Induced, InduceOptions, induce
from her.judge.induce.review import Reviewed, reviewed
from her.judge.induce.rows import Candidate, Decision
from her.judge.pairs import Pair, Setting
from her.judge.verdict import Winner
from her.markup import notation
from her.models.base import Constraint, Finish, Message, Model, Reply, Sampling
from her.rows.files import Writer
from her.rows.record import Piece, TurnRow
from her.scene import Character, Scene
from her.turn import Kind
from induced_wordings import EN, ZH
from teachers import number

MARKS = notation()
BOOKS = {
    "en": [("Ada", "Boris"), ("Carl", "Dina"), ("Edda", "Finn"), ("Gus", "Hedwig")],
    "zh": [("沈玉", "阿同"), ("程满", "罗嫂")],
}
THINGS = {"en": ("ledger", "lantern", "boat"), "zh": ("账本", "灯笼", "小船")}
CUES = {
    "plan-leak": "build tension for the next beat",
    "mind-reading": "is secretly ashamed of it all|其实早就恨透了这一切",
    "wrong-person": "knows it all too well",
    "assistant-voice": "Let me know if you need anything else|还有其他需要请随时告诉我",
    "repetition": "stays where it is until the morning bell|天亮以前谁也不许动它",
    "contradicts-scene": "There has never been any door here",
    "anachronism": "my phone has no signal|我的手机没有信号",
    "borrowed-diction": "by thunder, matey",
    "ignores-what-was-said": "The plums were fine last autumn",
    "outside-knowledge": "the letter sewn into your coat",
    "empty-eloquence": "Time is a river that carries us all",
    "broken-marks": "opened and never closed",
    "padding": "which is to say that it is so",
}
"""Words by which the teacher knows what was broken; `speaks-for-others` it knows by the margin."""
LIVELY = ("Lively wording", "The wording of a turn should be lively and fresh.")
LIVELY_ZH = ("文字生动", "一轮的文字应当鲜活、生动，不落俗套。")


def reply(name: str, thought: str, action: str, speech: str) -> str:
    body = (
        f"{MARKS['thought_open']}{thought}{MARKS['thought_close']}{MARKS['action_open']}{action}{MARKS['action_close']}"
    )
    return f"{name}: {body}{speech}"


def place(language: str, book: int, at: int) -> tuple[Setting, str]:
    """A place, and a good turn for it."""
    (me, other), thing = BOOKS[language][book], THINGS[language][at]
    zh = language == "zh"
    texts = {
        "setting": f"夜里，屋里只有一扇门，桌上放着{thing}。"
        if zh
        else f"Night. One door, and a {thing} on the table.",
        "asked": f"{me}，把{thing}给我吧。" if zh else f"Give me the {thing}, {me}, by thunder, matey.",
        "said": f"{thing}放在那里，天亮以前谁也不许动它。"
        if zh
        else f"The {thing} stays where it is until the morning bell.",
        "again": "为什么？" if zh else "But why?",
    }
    spoken = [(other, texts["asked"]), (me, texts["said"]), (other, texts["again"])]
    turns = tuple(
        TurnRow(id=f"t{n}", speaker=name, segments=(Piece(kind=Kind.SPEECH, text=text),))
        for n, (name, text) in enumerate(spoken)
    )
    scene = Scene(
        id=f"{language}-{book}/{at}",
        title="Night",
        book=f"{language} book {book}",
        language=language,
        setting=texts["setting"],
        cast=(Character(name=me, profile="Careful." if not zh else "谨慎。"), Character(name=other)),
    )
    good = (
        reply(me, f"我得把{thing}守住。", "转动钥匙", f"不行，今晚谁也别想要{thing}。")
        if zh
        else reply(me, f"I must keep the {thing} safe.", "turns the key", f"No, the {thing} is not for tonight.")
    )
    return Setting(scene=scene, speaker=me, turns=turns), good


def broken(family: str, at: Setting, good: str) -> str:
    """The good turn with one principle broken."""
    me, zh = at.speaker, at.scene.language == "zh"
    other = next(name for name in at.scene.names if name != me)
    cue = CUES.get(family, "").split("|")[-1 if zh else 0]
    thought, closed = MARKS["thought_open"], MARKS["thought_close"]
    if family in {"mind-reading", "wrong-person", "plan-leak"}:
        who = {"mind-reading": other, "wrong-person": me, "plan-leak": "Here I should"}[family]
        words = f"{who}{cue}。" if zh else f"{who} {cue}."
        return re.sub(f"{thought}.*?{closed}", f"{thought}{words}{closed}", good)
    if family == "broken-marks":
        return good.replace(closed, "")
    if family == "speaks-for-others":
        return f"{good}\n{other}: Very well, then I shall leave the house."
    if family == "repetition":
        return f"{good[: good.rindex('>') + 1]}{at.turns[1].segments[0].text}"
    end = "。" if zh else "."
    return f"{good[: good.rindex('>') + 1]}{cue}{end}" if family == "ignores-what-was-said" else f"{good} {cue}{end}"


def pairs() -> list[Pair]:
    """Every family at every place, the better candidate now first and now second."""
    made = []
    for language, families in (("en", EN), ("zh", ZH)):
        for book in range(len(BOOKS[language])):
            for at in range(len(THINGS[language])):
                for family in families:
                    where, good = place(language, book, at)
                    bad = broken(family, where, good)
                    first = number(language, book, at, family) % 2 == 0
                    made.append(
                        Pair(
                            id=f"{language}-{book}-{at}-{family}",
                            at=where,
                            first=good if first else bad,
                            second=bad if first else good,
                            better=Winner.FIRST if first else Winner.SECOND,
                            kind="broken",
                            book=f"{language}-{book}",
                            family=family,
                            principle=family,
                            grade=2,
                        )
                    )
    return made


def write(path: Path, rows: Sequence[Pair]) -> Path:
    with Writer(path) as out:
        for row in rows:
            out.write(row)
    return path


# -- the teacher ------------------------------------------------------------------------------------------------------


class Reader(Model):
    """A teacher who answers from the prompt: most answers are good, some have to be asked for again, some hold a
    principle that cannot be used. `dies_after`: as many answers, then the process ends without a word."""

    address = "reader"
    prefills = True

    def __init__(self, *, constrains: bool = True, dies_after: int | None = None) -> None:
        self.constrains, self.dies_after = constrains, dies_after
        self.asked: list[str] = []

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        prefill: str = "",
        constraint: Constraint | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[str | Reply]:
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            os._exit(9)
        self.asked.append(call_id or "")
        await asyncio.sleep(0)
        text = self.answer(messages)
        yield text
        yield Reply(text, Finish.STOP)

    def answer(self, messages: Sequence[Message]) -> str:
        system, user = messages[0].content, messages[1].content
        if len(messages) == 2 and number("fate", user) % 7 == 0:
            return ["I would rather not.", '{"principles": [', '{"principles": [], "groups": 5}'][number(user) % 3]
        stages = {
            "You compare two": named,
            "你要比较": named,
            "You get a numbered": grouped,
            "You write out": worded,
            "You judge two": judged,
            "你要评判": judged,
        }
        do = next(do for words, do in stages.items() if system.startswith(words))
        return json.dumps(do(system, user), ensure_ascii=False)


def sides(user: str) -> tuple[str, str]:
    """What stands of each candidate, margins included."""
    _, first, second = re.split(r"^(?:CANDIDATE|候选) [AB]$", user, flags=re.M)
    return first, second


def seen(side: str) -> tuple[str, str]:
    """What is broken in a candidate, and the words that show it; empty where nothing is."""
    if found := re.search(r"^[AB]> ?(?:\w+: )?(.+)$", side, re.M):
        return "speaks-for-others", found[1]
    for family, cue in CUES.items():
        if found := re.search(cue, side):
            return family, found[0]
    return "", ""


def bare(side: str) -> str:
    """What a candidate says, without margins and marks."""
    text = " ".join(line[3:] for line in side.splitlines() if line.startswith(("A| ", "B| ")))
    for mark in MARKS.values():
        text = text.replace(mark, " ")
    return text


def named(system: str, user: str) -> dict[str, Any]:
    """By which principles one is better."""
    better = (re.search(r"Readers preferred ([AB])|读者更喜欢 ([AB])", user) or [""])[0][-1]
    zh, (first, second) = "读者" in user, sides(user)
    good, bad = (first, second) if better == "A" else (second, first)
    family, evidence = seen(bad)
    assert family, bad
    wordings = (ZH if zh else EN)[family]
    name, definition = wordings[number("wording", user) % len(wordings)]
    who = re.findall(r"^(?:The next turn is the turn of |接下来轮到)(.+)[.。]$", user, re.M)[-1]
    kept = bare(good).strip()[:6] if zh else " ".join(bare(good).split()[:4])
    quotes = (kept, evidence) if better == "A" else (evidence, kept)
    one = {"evidence_a": quotes[0], "evidence_b": quotes[1], "name": name, "definition": definition}
    one |= {"dimension": "quality", "level": "sentence", "polarity": "negative"}
    principles = [one]
    if number("lively", user) % 3 == 0:
        lively = LIVELY_ZH if zh else LIVELY
        principles.append({**one, "name": lively[0], "definition": lively[1], "polarity": "positive"})
    if number("names", user) % 5 == 0:
        principles.append({**one, "name": f"{who}守住东西" if zh else f"{who} keeps things"})
    if number("invents", user) % 5 == 0:
        principles.append({**one, "name": "Invented evidence", "evidence_a": "words that never stood there"})
    return {"principles": principles}


def family_of(definition: str) -> str:
    """Which principle these words are of; empty for none of the broken ones."""
    if found := re.search(r"\(([a-z-]+)\)", definition):
        return found[1]
    return next((id for some in (EN, ZH) for id, words in some.items() if definition in {w[1] for w in words}), "")


def grouped(system: str, user: str) -> dict[str, Any]:
    """Which candidates mean the same."""
    groups: dict[str, list[int]] = {}
    for at, definition in re.findall(r"^(\d+)\. .+?: (.+)$", user, re.M):
        groups.setdefault(family_of(definition), []).append(int(at))
    return {
        "groups": [
            {"members": members, "name": EN[family][0][0], "definition": EN[family][0][1]}
            for family, members in groups.items()
            if family and len(members) > 1
        ]
    }


def worded(system: str, user: str) -> dict[str, Any]:
    """A principle in full."""
    said = {key: re.findall(rf"^{key}: (.+)$", user, re.M)[0] for key in ("name", "definition")}
    family, count = family_of(said["definition"]) or "lively", number(user)
    zh = "in Chinese" in user
    here = {"name": "changed", "definition": "Changed by the teacher, who had been told to leave it."}
    there = {"name": f"Rule {count}", "definition": f"A turn must not break this rule ({family})."}
    there_zh = {"name": f"第{count}条", "definition": f"一轮文字不得违反这一条规则 ({family})"}
    en = {**(there if zh else here), "recognise": "Look at the words of the turn.", "kept": f"Come in, number {count}."}
    chinese = {**(here if zh else there_zh), "recognise": "看这一轮的文字。", "kept": f"请进，第{count}位。"}
    return {
        "en": {**en, "broken": f"Go away, number {count}."},
        "zh": {**chinese, "broken": f"走开，第{count}位。"},
    }


def judged(system: str, user: str) -> dict[str, Any]:
    """Who keeps better to what: by what is broken where it is seen, and A where the wording is to be lively."""
    broken_in = [seen(side)[0] for side in sides(user)]
    calls = []
    for id, definition in re.findall(r"^- (\S+) \[[^\]]+\] .+?(?:: |：)(.+)$", system, re.M):
        family = family_of(definition)
        if family and family in broken_in and broken_in[0] != broken_in[1]:
            calls.append({"principle": id, "winner": "B" if broken_in[0] == family else "A"})
        elif definition in {LIVELY[1], LIVELY_ZH[1]}:
            calls.append({"principle": id, "winner": "A"})
    return {"invoked": calls}


# -- runs -------------------------------------------------------------------------------------------------------------


def keep_all(candidates: Sequence[Candidate]) -> Reviewed:
    return reviewed(candidates, [Decision(id=one.id, do="keep") for one in candidates])


def run(path: Path, out: Path, model: Model, review: Any = keep_all, **changes: Any) -> Induced:
    return asyncio.run(induce(InduceOptions((path,), out, **changes), model, review))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), Reader(dies_after=int(sys.argv[3])), merge=True)
