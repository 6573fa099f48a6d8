"""Facts that a scene states, and what they would be if they were false.

Knows numbers, hours, weather, months, places and trades, and the words by which they are told, from the files of
wordings. Refuses to guess: a fact is one that stands in the text once and in one sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from her.judge.breakers.phrases import wordings
from her.judge.breakers.place import Place
from her.turn import Kind

_UNITS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ONE = "|".join([*_UNITS, *_TEENS, *_TENS])
_TEN_ONE = "|".join(f"{ten}-(?:one|{'|'.join(_UNITS[:8])})" for ten in _TENS)
NUMBER = rf"(?:(?:{_TEN_ONE}|{_ONE}|a) hundred|(?:{_TEN_ONE}|{_ONE}) thousand|{_TEN_ONE}|{_ONE})"
_COUNTED = re.compile(rf"(?<![\w-])({NUMBER})((?: [a-z][a-z-]+){{1,3}})", re.IGNORECASE)
_PART = re.compile(r"(?:(?:hundred|thousand|million)(?: and)?|or|to|some|next|last|past|first)\s$", re.IGNORECASE)
_TIME = re.compile(r"(?:seconds|minutes|hours|days|nights|weeks|months|years|seasons|times|steps|strokes|paces|words)")
_STOP = re.compile(
    r"(?:of|in|on|at|and|or|but|have|has|had|are|is|was|were|be|with|for|from|to|over|under|before|after|that|who|which|"
    r"will|by|as|ago|later|old|long|times|away|more|off|out|past|through|now|when|since|until|till|than|without|into|"
    r"miles|years|apart|each|ways|others|whose|whom|this|his|her|its|their|our|your|my|the|a|an|not|no|does|goes|"
    r"says|comes|runs|sits|stands|lies|gets|makes|takes|wants|needs|keeps|looks|is)\b"
)
_OTHER_TIMES = re.compile(
    r"\b(?:every|tomorrow|yesterday|last night|noon|midday)\b|[明昨]|凌晨"
    r"|(?:\d|one|two|three|four|five|o'clock) in the morning",
    re.IGNORECASE,
)
"""Words by which a setting tells more hours than one, or calls the night a morning."""
_HAN = "一二两三四五六七八九十百千万"
_COUNTED_ZH = re.compile(
    rf"(?<![{_HAN}第初])([{_HAN}]{{1,6}})([条张个只支把艘位名匹担石里块盏封间座斤辆家口层])([\u4e00-\u9fff]{{1,3}}?)(?=[，。；、！？都已靠被的在没])"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the scene states, as a wording's fillings: `true` and `false` have the same names of gaps.

    `stands` are the words of the scene that state it, and `instead` those that would state the other.
    """

    kind: str
    true: Mapping[str, str]
    false: Mapping[str, str]
    stands: str = ""
    instead: str = ""


def facts(place: Place, rng: Random) -> list[Fact]:
    """The facts of a scene that a wording can be made of; in Chinese and English alone."""
    if place.language not in ("en", "zh"):
        return []
    return [*_numbers(place, rng), *_named(place, rng), *_trades(place, rng)]


def other_number(number: str, rng: Random) -> str:
    """Another number of the same size and form, at least two away where it is small."""
    if re.search(f"[{_HAN}]", number):
        digits = [at for at, sign in enumerate(number) if sign in "二三四五六七八九"]
        if not digits:
            return number.replace("十", "三十", 1)
        at = digits[0]
        return number[:at] + rng.choice([d for d in "三四五六七八九" if d != number[at]]) + number[at + 1 :]
    small = number.lower()
    for names in (_UNITS, _TEENS, _TENS):
        if small in names:
            at = names.index(small)
            return cased(rng.choice([name for n, name in enumerate(names) if abs(n - at) > 1]), number)
    if "-" in small and " " not in small:
        ten, one = small.split("-")
        return cased(f"{rng.choice([name for name in _TENS if name != ten])}-{one}", number)
    first, _, size = small.partition(" ")
    others = [name for name in _UNITS[:7] if name != first]
    return cased(f"{rng.choice(others)} {size}", number)


def cased(text: str, model: str) -> str:
    """The text with a large first letter where the model has one."""
    return text[:1].upper() + text[1:] if model[:1].isupper() else text


def counted(text: str, language: str) -> Iterator[tuple[str, str]]:
    """Every number in a text together with what it counts, both as they stand."""
    if language == "zh":
        for match in _COUNTED_ZH.finditer(text):
            if re.search("[二三四五六七八九十]", match[1]) and match[3][0] not in "姓的了着过人":
                yield match[1], match[2] + match[3]
        return
    for match in _COUNTED.finditer(text):
        words = []
        for word in match[2].split():
            if _STOP.fullmatch(word):
                break
            words.append(word)
        while words and not re.search(r"[^s]s$|men$|women$|children$|people$", words[-1]):
            words.pop()
        if words and not _PART.search(text[: match.start()]) and not _TIME.fullmatch(words[-1]):
            yield match[1], " ".join(words)


def _told(place: Place) -> Iterator[str]:
    """Texts in which facts are looked for: the setting, and what all have heard, the latest first."""
    yield place.scene.setting
    for turn in reversed(place.heard[-6:]):
        yield from (s.text for s in turn.segments if s.kind is Kind.SPEECH)


def _otherwise(place: Place, kind: str, true: str, fallback: Sequence[str], rng: Random) -> str | None:
    """Something false to say instead: what is true in a scene drawn from all, or None where that will not do here.

    Drawn once and not until it fits, so that over all scenes each is said falsely in the place of another as often as
    the other way round, and no text is told by the word alone.
    """
    pool = place.rumours.get(kind)
    if pool is None:
        return rng.choice(fallback) if fallback else None
    drawn = rng.choice(pool)
    return drawn if drawn in fallback and drawn != true else None


def stated(place: Place) -> Iterator[tuple[str, str]]:
    """What the scene of a place states, as kind and word; what other scenes are given as rumours."""
    for text in _told(place):
        yield from (("number", number.lower()) for number, _ in counted(text, place.language))
    for kind in ("time", "weather", "month", "place"):
        yield from ((kind, name) for name in _one_class(place, kind))
    for name in place.scene.names:
        yield from (("trade", trade) for _, trade in _trade_of(place, name))
        title, _, rest = place.called(name).rpartition(" ")
        called = "family" if title else place.pronoun(name)
        yield from [(f"name-{called}", rest)] if called and rest else []


def _numbers(place: Place, rng: Random) -> Iterator[Fact]:
    whole = place.public
    joint = "" if place.language == "zh" else " "
    for text in _told(place):
        for number, things in counted(text, place.language):
            small = number.lower()
            like = [other for other in place.rumours.get("number", ()) if alike(small, other)]
            false = rng.choice(like) if like else other_number(small, rng)
            # The same things counted twice may be two facts.
            new = false != small and not re.search(rf"\b{re.escape(false)}\b", whole, re.IGNORECASE)
            if new and len(re.findall(re.escape(things), whole)) == 1:
                true, wrong = ({"n": one, "N": one[:1].upper() + one[1:], "x": things} for one in (small, false))
                stands, instead = f"{number}{joint}{things}", f"{cased(false, number)}{joint}{things}"
                yield Fact("number", true, wrong, stands, instead)


def alike(number: str, other: str) -> bool:
    """Whether two numbers are of one form and size, so that one may stand for the other."""
    if re.search(f"[{_HAN}]", number):
        return len(number) == len(other)
    forms = (_UNITS, _TEENS, _TENS)
    if any(number in names for names in forms):
        return any(number in names and other in names for names in forms)
    return number.rpartition(" ")[2] == other.rpartition(" ")[2] if " " in number else "-" in other


def _hits(text: str, classes: Mapping[str, Sequence[str]], language: str) -> dict[str, str]:
    """The classes of which a word stands in the text, each with that word."""
    edge = ("", "") if language == "zh" else (r"(?<![\w-])", r"(?![\w-])")
    found: dict[str, str] = {}
    for name, words in classes.items():
        for word in words:
            if re.search(edge[0] + re.escape(word) + edge[1], text, 0 if language == "zh" else re.IGNORECASE):
                found.setdefault(name, word)
    return found


def _one_class(place: Place, kind: str) -> list[str]:
    """The one class of hours, weather, months or places that the setting names; none where it names several."""
    classes: dict[str, list[str]] = wordings(place.language).get("facts", {}).get(kind, {})
    found = _hits(place.scene.setting, classes, place.language)
    several = len(found) != 1 or (kind == "time" and _OTHER_TIMES.search(place.scene.setting))
    return [] if several else list(found)


def _named(place: Place, rng: Random) -> Iterator[Fact]:
    """Hours, weather, months and places."""
    table: Mapping[str, Any] = wordings(place.language).get("facts", {})
    rest = place.public.replace(place.scene.setting, "")
    for kind in ("time", "weather", "month", "place"):
        for name in _one_class(place, kind):
            classes: dict[str, list[str]] = table.get(kind, {})
            later = _hits(rest, classes, place.language).keys() - {name}
            against: Sequence[str] = table.get(f"{kind}-against", {}).get(name) or _far(list(classes), name, kind)
            false = [one for one in against if one not in later]
            other = _otherwise(place, kind, name, false, rng)
            if other and not (kind in ("time", "weather") and later):
                yield Fact(kind, _said(kind, name), _said(kind, other))


def _far(names: Sequence[str], name: str, kind: str) -> list[str]:
    """The other names; of months those at least three away."""
    least = 3 if kind == "month" else 1
    at = names.index(name)
    return [one for n, one in enumerate(names) if least <= min((n - at) % len(names), (at - n) % len(names))]


def _said(kind: str, word: str) -> dict[str, str]:
    article = "an" if word[:1].lower() in "aeiou" else "a"
    return {kind: word, f"a_{kind}": f"{article} {word}"}


def _trade_of(place: Place, name: str) -> list[tuple[str, str]]:
    """What somebody is by trade, with its group, as the first words of the profile have it; none or one."""
    groups: Mapping[str, Sequence[str]] = wordings(place.language).get("facts", {}).get("trades", {})
    begin = re.split(r"[。，]" if place.language == "zh" else r"\.", place.scene.character(name).profile)[0]
    held = [(group, trade) for group, trades in groups.items() for trade in trades if _stands(trade, begin, place)]
    return held if len(held) == 1 else []


def _trades(place: Place, rng: Random) -> Iterator[Fact]:
    """The trade of the one who spoke last."""
    groups: Mapping[str, Sequence[str]] = wordings(place.language).get("facts", {}).get("trades", {})
    whole = " ".join((place.public, *(one.background for one in place.scene.cast)))
    for name in place.others[:1]:
        for group, true in _trade_of(place, name):
            false = [trade for other, trades in groups.items() if other != group for trade in trades]
            false = [trade for trade in false if not _stands(trade, whole, place)]
            other = _otherwise(place, "trade", true, false, rng)
            if other:
                called = {"called": place.called(name), "other": name}
                yield Fact("trade", {**_said("trade", true), **called}, {**_said("trade", other), **called})


def _stands(word: str, text: str, place: Place) -> bool:
    edge = re.escape(word) if place.language == "zh" else rf"(?<![\w-]){re.escape(word)}(?![\w-])"
    return bool(re.search(edge, text, re.IGNORECASE))
