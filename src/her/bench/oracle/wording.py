"""How the events of our world are told, and what there is in it, in English and in Chinese.

Knows words. Refuses to know what follows from an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from her.bench.oracle.world import Aside, Claim, Enter, Event, Leave, Move, Stand
from her.errors import InputError


@dataclass(frozen=True, slots=True)
class Wording:
    """One language: people, rooms, things, containers, asides, and a sentence for each sort of event."""

    people: tuple[str, ...]
    rooms: tuple[str, ...]
    commons: str
    """The room where all meet after, in which no thing ever is."""
    things: tuple[str, ...]
    containers: tuple[str, ...]
    asides: tuple[str, ...]
    enter: str
    leave: str
    stand: str
    move: str
    claim: str
    tell: str
    aside: str
    really: str
    first: str
    """The question about one mind."""
    outer: str
    inner: str
    """One more mind around a question, the outermost and those within."""
    core: str
    comma: str
    last: str

    def names(self, who: Sequence[str]) -> str:
        """Names in a row."""
        return self.comma.join(who[:-1]) + self.last + who[-1] if len(who) > 1 else who[0]

    def told(self, event: Event) -> str:
        """An event as a sentence."""
        match event:
            case Enter(who, room):
                return self.enter.format(who=self.names(who), room=room)
            case Leave(who, room):
                return self.leave.format(who=who, room=room)
            case Stand(thing, place, room):
                return self.stand.format(thing=thing, place=place, room=room)
            case Move(who, thing, place):
                return self.move.format(who=who, thing=thing, place=place)
            case Claim(who, to, thing, place):
                sentence = self.claim if to is None else self.tell
                return sentence.format(who=who, to=to, thing=thing, place=place)
            case Aside(who, what):
                return self.aside.format(who=who, what=what)

    def question(self, minds: Sequence[str], thing: str) -> str:
        """Where the first of the minds thinks that the next thinks … that a thing is."""
        if not minds:
            return self.really.format(thing=thing)
        if len(minds) == 1:
            return self.first.format(who=minds[0], thing=thing)
        inner = "".join(self.inner.format(who=who) for who in minds[1:])
        return self.outer.format(who=minds[0], rest=inner + self.core.format(thing=thing))


_ENGLISH = Wording(
    people=("Anton", "Berit", "Cosmo", "Delia", "Emre", "Freya", "Gustav", "Hana", "Ismael", "Jonna", "Kofi", "Lotte"),
    rooms=("bakery", "boathouse", "chapel", "conservatory", "foundry", "greenhouse", "library", "stable", "workshop"),
    commons="courtyard",
    things=("compass", "fiddle", "ledger", "locket", "medal", "music box", "parcel", "pocket watch", "seal", "thimble"),
    containers=tuple(
        f"{colour} {thing}"
        for colour in ("amber", "grey", "scarlet", "striped")
        for thing in ("barrel", "casket", "hamper", "jar", "sack", "trunk", "urn")
    ),
    asides=(
        "hums a tune",
        "ties a shoelace",
        "counts to ten",
        "looks out of a window",
        "would like some soup",
        "has not slept well",
    ),
    enter="{who} came into the {room}.",
    leave="{who} left the {room}.",
    stand="The {thing} was in the {place} in the {room}.",
    move="{who} moved the {thing} to the {place}.",
    claim="{who} claimed before everybody that the {thing} was in the {place}.",
    tell="{who} told {to} in private that the {thing} was in the {place}.",
    aside="{who} {what}.",
    really="Where is the {thing} really?",
    first="Where does {who} think the {thing} is?",
    outer="Where does {who} think {rest}",
    inner="that {who} thinks ",
    core="the {thing} is?",
    comma=", ",
    last=" and ",
)
_CHINESE = Wording(
    people=("阿楠", "小舟", "若兰", "大川", "子衿", "明月", "长风", "秋白", "静姝", "云起", "采薇", "思齐"),
    rooms=("书房", "花房", "厨房", "画室", "阁楼", "马厩", "茶室", "药铺"),
    commons="庭院",
    things=("罗盘", "玉佩", "账本", "怀表", "香囊", "印章", "琴谱", "铜镜"),
    containers=tuple(
        f"{colour}色{thing}"
        for colour in ("红", "青", "灰", "黄")
        for thing in ("木箱", "竹篮", "陶罐", "布袋", "抽屉", "锦盒")
    ),
    asides=("哼着小曲", "系了系鞋带", "从一数到十", "望了望窗外", "想喝汤", "昨晚没睡好"),
    enter="{who}进了{room}。",
    leave="{who}离开了{room}。",
    stand="{thing}在{room}的{place}里。",
    move="{who}把{thing}挪到了{place}里。",
    claim="{who}当众说{thing}在{place}里。",
    tell="{who}私下告诉{to}，{thing}在{place}里。",
    aside="{who}{what}。",
    really="{thing}实际上在哪里？",
    first="{who}认为{thing}在哪里？",
    outer="{who}认为{rest}",
    inner="{who}认为",
    core="{thing}在哪里？",
    comma="、",
    last="和",
)
_WORDINGS = {"en": _ENGLISH, "zh": _CHINESE}


def wording(language: str) -> Wording:
    """The words of a language. Raises InputError for one that our world is not told in."""
    if language not in _WORDINGS:
        raise InputError(f"language {language!r} is not known here; known are {', '.join(_WORDINGS)}")
    return _WORDINGS[language]
