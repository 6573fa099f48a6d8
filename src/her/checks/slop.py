"""Stock phrases: how often a text says what every model says.

Rates are hits per 1000 units (words, or characters of scripts without spaces). The lists here are
small and our own; `phrase_rate` takes any other, such as the published ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from her.checks.units import primary, runs, units

PER = 1000

_ANYONE = ("he", "she", "they", "i", "you")
_ENGLISH = (
    "a testament to",
    "sent shivers down",
    "sends shivers down",
    "shiver down",
    "barely above a whisper",
    "voice barely a whisper",
    "barely audible",
    "heart hammering",
    "heart skipped a beat",
    "heart skips a beat",
    "knuckles white",
    "knuckles turning white",
    "eyes sparkling with",
    "eyes gleaming with",
    "eyes glinting with",
    "glint in his eye",
    "glint in her eye",
    "a mix of",
    "a mixture of",
    "a hint of",
    "a flicker of",
    "a pang of",
    "a wave of",
    "a surge of",
    "a sense of",
    "unspoken words",
    "the weight of",
    "the air was thick with",
    "the air is thick with",
    "hung in the air",
    "hangs in the air",
    "the tension was palpable",
    "the tension is palpable",
    "couldn't help but",
    "can't help but",
    "took a deep breath",
    "takes a deep breath",
    "let out a breath",
    "lets out a breath",
    "chuckles softly",
    "chuckles darkly",
    "smirks",
    "a small smile",
    "a playful smile",
    "smile tugging at",
    "smile playing on",
    "leans in closer",
    "raises an eyebrow",
    "arches an eyebrow",
    "a dance of",
    "tapestry of",
    "rich tapestry",
    "in the depths of",
    "ministrations",
    "maybe just maybe",
    "for the first time in a long time",
    "a newfound",
    "steels herself",
    "steels himself",
    "the game is afoot",
    "only time will tell",
    "little did they know",
    *(f"breath {who} didn't know" for who in _ANYONE),
    *(f"breath {who} didn't realize" for who in _ANYONE),
)
_CHINESE = (
    "不禁",
    "仿佛",
    "眼中闪过一丝",
    "闪过一丝",
    "嘴角微微上扬",
    "嘴角勾起",
    "微微一笑",
    "深吸一口气",
    "倒吸一口凉气",
    "心中一紧",
    "心头一震",
    "心中涌起",
    "五味杂陈",
    "空气仿佛凝固",
    "时间仿佛静止",
    "意味深长",
    "若有所思",
    "不易察觉",
    "难以言喻",
    "声音低沉而",
    "目光深邃",
    "眼神复杂",
    "指尖微微颤抖",
    "前所未有的",
)
PHRASES = {"en": _ENGLISH, "zh": _CHINESE}
"""Our own stock phrases by language."""

_CONTRAST = {
    "en": (
        re.compile(
            r"(?:\bnot|n['’]t) (?:just |only |merely |simply )?[^.!?;\n]{1,60}?(?:[,;—–]| -) ?(?:but|it['’]s|it was)\b",
            re.IGNORECASE,
        ),
        re.compile(r"\bnot (?:just|only|merely|simply) [^.!?;\n]{1,60}? but\b", re.IGNORECASE),
    ),
    "zh": (re.compile(r"(?:不是|并非|不仅仅?是?|不只是)[^。！？\n]{1,30}?(?:而是|更是)"),),
}


def slop_rate(text: str, language: str) -> float | None:
    """Our own stock phrases per 1000 units; None for a text without units or a language without a list."""
    phrases = PHRASES.get(primary(language))
    return None if phrases is None else phrase_rate(text, phrases)


def phrase_rate(
    text: str, phrases: Iterable[str | Sequence[str]], *, skip: Collection[str] = frozenset()
) -> float | None:
    """How often any of the phrases occurs, per 1000 units of the text; None for a text without units.

    A phrase is a string, or a row whose strings are one phrase each (the published lists' form). `skip`
    are words left out of the text before matching, as lists of bigrams without stop words need it; the
    rate is per unit of the whole text all the same. Overlapping phrases all count.
    """
    words = units(text)
    if not words:
        return None
    left = [word for word in words if word not in skip]
    wanted: dict[int, set[tuple[str, ...]]] = {}
    for row in phrases:
        for phrase in (row,) if isinstance(row, str) else row:
            parts = tuple(units(phrase))
            if parts:
                wanted.setdefault(len(parts), set()).add(parts)
    hits = sum(run in known for size, known in wanted.items() for run in runs(left, size))
    return PER * hits / len(words)


def contrast_rate(text: str, language: str) -> float | None:
    """Figures of the form "not this but that" per 1000 units; None as for `slop_rate`."""
    patterns = _CONTRAST.get(primary(language))
    words = units(text)
    if patterns is None or not words:
        return None
    places = {match.start() for pattern in patterns for match in pattern.finditer(text)}
    return PER * len(places) / len(words)
