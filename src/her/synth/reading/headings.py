"""Which lines are headings, in the ways that books of many languages number their chapters.

Knows words and numerals. Refuses to know whether a heading makes sense where it stands (`chapters`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

LONGEST = 150
MOST_LINES = 4
"""A paragraph of more characters or lines is no heading; the longest in Victorian novels are chapter summaries."""


class Level(StrEnum):
    """What a heading begins."""

    PART = "part"
    """Something that holds chapters: a part, a volume, an act."""
    CHAPTER = "chapter"
    """Something that holds text, by a word for it: a chapter, a letter, a scene."""
    BARE = "bare"
    """The same by a number alone."""
    NAMED = "named"
    """A part of the story without a number: a prologue."""
    MATTER = "matter"
    """What is not the story: a preface, a list of contents, notes."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `family` is equal for those of one sort, `number` None where it has none or none that is known."""

    level: Level
    family: str
    number: int | None = None
    named: bool = False
    """Whether it has a title behind its number."""


def _split(words: str) -> list[str]:
    return words.split()


_CHAPTERS = _split(
    "chapter chap chapitre kapitel kap capítulo capitulo cap capitolo capitol глава розділ hoofdstuk kapitola rozdział "
    "kapittel luku fejezet κεφάλαιο letter lettre brief carta lettera письмо stave canto chant gesang adventure fit "
    "scene scène szene auftritt escena scena явление сцена section §"
)
_PARTS = _split(
    "part book volume vol tome partie livre teil buch band parte libro tomo volumen часть книга том act acte akt "
    "aufzug acto atto действие акт phase epoch period deel boek del bok część księga osa rész"
)
_ENGLISH = set(_split("chapter chap letter stave adventure fit scene section part book vol act phase epoch period"))
_NAMED = _split(
    "prologue prolog prólogo prologo пролог epilogue epilog épilogue epílogo epilogo эпилог conclusion interlude "
    "intermezzo finale coda afterword postscript вступление заключение 楔子 序章 序幕 尾声 尾聲 終章 终章 引子 后记 "
    "後記 プロローグ エピローグ"
)
_MATTER = re.compile(
    r"(?:the )?(?:table of )?contents(?: of .*)?|list of (?:illustrations|plates|maps|characters)|illustrations|"
    r"(?:author|editor|translator|publisher)'?s (?:notes?|preface|foreword|introduction)|preface|foreword|introduction|"
    r"dedication|introductory note|notes? on the .*|preface to .*|introduction (?:to|by) .*|to the reader|"
    r"acknowledge?ments?|index|footnotes?|"
    r"endnotes?|appendix(?: [\w.]+)?|glossary|bibliography|about the author|also by .*|books by .*|by the same author|"
    r"copyright.*|title page|cover|advertisements?|transcriber.?s.? notes?|errata|colophon|dramatis person[aæ]e?|"
    r"(?:persons|characters) (?:represented|of the play)|the (?:full )?project gutenberg.*|"
    r"notes?|the end|finis|fin|ende|fine|конец|конецъ|完|（完）|\(完\)|全文完|全书完|"
    r"table(?: des mati[èe]res)?|sommaire|préface|avant-propos|avertissement|dédicace|inhalt(?:sverzeichnis)?|vorwort|"
    r"einleitung|anmerkungen|índice|indice|prefacio|prefazione|introducción|introduzione|advertencia|dedicatoria|notas|"
    r"note|содержание|оглавление|предисловие|примечания|目\s*[录錄次]|前言|序言|自序|版权|版權|まえがき|あとがき|解説",
    re.IGNORECASE,
)
_UNITS = _split(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _split("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _split(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth"
)
_FOREIGN = (
    # The first twelve in other languages, as far as books spell them out, and the last, which has no number.
    r"une? premi[eè]re? uno primer[oa]? prim[oa] erste[rsn]? eins перв\w+ primeir[oa]",
    r"deux deuxième seconde? dos segund[oa] second[oa] due zweite[rsn]? zwei втор\w+",
    r"trois troisième tres tercer[oa]? terz[oa] tre dritte[rsn]? drei трет\w+ terceir[oa]",
    r"quatre quatrième cuatro cuart[oa] quart[oa] quattro vierte[rsn]? vier четв\w+ quatro",
    r"cinq cinquième cinco quint[oa] cinque fünfte[rsn]? fünf пят\w+",
    r"six sixième seis sext[oa] sest[oa] sei sechste[rsn]? sechs шест\w+",
    r"sept septième siete séptim[oa] settim[oa] sette siebe?nte[rsn]? sieben седьм\w+ sete",
    r"huit huitième ocho octav[oa] ottav[oa] otto achte[rsn]? acht восьм\w+ oito",
    r"neuf neuvième nueve noven[oa] non[oa] nove neunte[rsn]? neun девят\w+",
    r"dix dixième diez décim[oa] decim[oa] dieci zehnte[rsn]? zehn десят\w+ dez",
    r"onze onzième once undécim[oa] undici elfte[rsn]? elf одиннадцат\w+",
    r"douze douzième doce duodécim[oa] dodici zwölfte[rsn]? zwölf двенадцат\w+",
    r"last dernier letzte[rsn]? последн\w+",
)
_FOREIGN_WORDS = set(_split("un une once elf due non sei dos tres sept"))
_ROMAN = r"[IVXLCivxlc]{1,12}"
_WORDS = "|".join(
    [
        rf"(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_UNITS[:9] + _ORDINALS[:9])}))?",
        "|".join(sorted(_UNITS + _ORDINALS, key=len, reverse=True)),
        "twentieth|thirtieth|fortieth|fiftieth",
        "|".join(sorted(_split(" ".join(_FOREIGN)), key=len, reverse=True)),
    ]
)
_NUMBER = rf"(?:\d{{1,3}}(?:(?:st|nd|rd|th|er|ère|e|º|ª|°)\b)?|{_ROMAN}|{_WORDS})"
_HAN = "零〇一二三四五六七八九十百千两兩廿卅0-9０-９"
_TITLE = r"(?P<title>(?:\s*[.:,;—–\-―]+\s*|\s*\n\s*|\s+(?-i:(?=[^a-zà-ÿа-я\s])))\S.*)?[\s.:\])—–\-*]*"
_BY_WORD = re.compile(
    rf"(?P<word>{'|'.join(re.escape(word) for word in _CHAPTERS + _PARTS)})\.?\s+(?:the\s+|la\s+)?"
    rf"(?:no?\.?\s*|n[°º]\s*)?(?P<number>{_NUMBER})(?![\w'’]){_TITLE}",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER_FIRST = re.compile(
    rf"(?:the\s+)?(?P<number>{_NUMBER})\.?\s+(?P<word>{'|'.join(re.escape(word) for word in _CHAPTERS + _PARTS)})"
    rf"(?!\w){_TITLE}",
    re.IGNORECASE | re.DOTALL,
)
_HAN_HEADING = re.compile(
    rf"(?:正文\s+)?(?:[上中下]卷\s*)?(?:第\s*(?P<number>[{_HAN}]+)\s*(?P<word>[章回节節话話幕折卷部篇集编編])|(?P<volume>卷)\s*(?P<of>[{_HAN}]+|[上中下]))"
    r"(?P<title>[\s：:、.　—－-]*\S.*)?",
    re.DOTALL,
)
_BARE = re.compile(
    rf"[\[(*—–\-. ]*(?P<number>\d{{1,3}}|[IVXLC]{{1,12}}|[{_HAN[:-6]}]{{1,4}}|(?=[^\W\d_a-zà-ÿ])(?i:{_WORDS}))"
    rf"(?:[.:)\]、]|\s*[—–\-*]+)?(?P<title>(?:(?<=[.:)\]、—–\-])\s*|\s*\n\s*)[^\sa-zà-ÿа-я].*)?",
    re.DOTALL,
)
_HAN_PARTS = set("卷部篇集编編")


def heading(text: str) -> Heading | None:
    """What a paragraph is the heading of, judged by itself; None for anything else."""
    line = text.strip(" \n*_=[]")
    if not line or len(line) > LONGEST or line.count("\n") >= MOST_LINES or line[0] in "\"“‘'«„「":
        return None
    if found := _HAN_HEADING.fullmatch(line):
        return _han(found)
    if found := _BY_WORD.fullmatch(line) or _NUMBER_FIRST.fullmatch(line):
        word, number = found["word"].casefold(), number_of(found["number"])
        # `Book I` may be said in a sentence; a heading has a capital, and its number is one.
        if not line[0].islower() and number is not None and not _mixed(word, found["number"]):
            level = Level.PART if word in _PARTS else Level.CHAPTER
            return Heading(level, word, number, bool(found["title"]))
    bare = re.sub(r"[\W_]+$|^\W+", "", line).casefold()
    if bare in _NAMED or (":" in line and line.split(":")[0].strip().casefold() in _NAMED):
        return Heading(Level.NAMED, bare)
    if len(line) < LONGEST // 2 and _MATTER.fullmatch(line.strip(" .:—–-*[]").replace("’", "'")):
        return Heading(Level.MATTER, bare)
    if found := _BARE.fullmatch(line):
        number = number_of(found["number"])
        if number is not None and (number or found["number"].isdigit()):
            return Heading(Level.BARE, _script(found["number"], bool(found["title"])), number, bool(found["title"]))
    return None


def _mixed(word: str, number: str) -> bool:
    """Whether an English word stands with another language's number: `Letter once` is the start of a sentence."""
    return word in _ENGLISH and number.casefold() in _FOREIGN_WORDS


def _han(found: re.Match[str]) -> Heading | None:
    title = found["title"] or ""
    if len(title) > 40 or title.rstrip().endswith(("。", "，", "；")):
        return None
    word = found["word"] or found["volume"]
    level = Level.PART if word in _HAN_PARTS else Level.CHAPTER
    return Heading(level, word, number_of(found["number"] or found["of"]), bool(title.strip()))


def _script(number: str, titled: bool) -> str:
    sort = "digits" if number.isdigit() else "roman" if re.fullmatch(_ROMAN, number) else "words"
    return f"{sort} {'titled' if titled else 'alone'}"


@cache
def number_of(text: str) -> int | None:
    """The number that a numeral stands for, from 0: digits, Roman, Chinese, or a word; None where it is none."""
    plain = text.casefold().strip(". ")
    if found := re.match(r"\d+", plain):
        return int(found[0])
    if re.fullmatch(_ROMAN, plain):
        return _roman(plain)
    if all(char in "零〇一二三四五六七八九十百千两兩廿卅上中下" for char in plain):
        return _chinese(plain)
    first, _, last = re.sub(r"[- ]+", " ", plain).partition(" ")
    for words in (_UNITS, _ORDINALS):
        if first in words:
            return words.index(first) + 1
    for at, word in enumerate(_TENS, 2):
        if first in {word, word[:-1] + "ieth"}:
            return at * 10 + (number_of(last) or 0 if last else 0)
    for at, stems in enumerate(_FOREIGN, 1):
        if any(re.fullmatch(stem, plain) for stem in _split(stems)):
            return at % len(_FOREIGN)
    return None


def _roman(text: str) -> int | None:
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[char] for char in text]
    total = sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))
    return total if text in {written for written in _written(total)} else None


def _written(number: int) -> set[str]:
    """How a number is written: as a rule, and with four strokes as on clocks."""
    strict, loose, rest = "", "", number
    pairs = [(100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")]
    for value, sign in pairs:
        count, rest = divmod(rest, value)
        strict += sign * count
    loose = strict.replace("iv", "iiii").replace("ix", "viiii").replace("xl", "xxxx")
    return {strict, loose, strict.replace("iv", "iiii"), strict.replace("ix", "viiii")}


def _chinese(text: str) -> int | None:
    if text in {"上", "中", "下"}:
        return "上中下".index(text) + 1
    digits = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
    if len(text) > 1 and all(sign in digits for sign in text):
        return int("".join(str(digits[sign]) for sign in text))
    total, held = 0, 0
    for sign in text.replace("廿", "二十").replace("卅", "三十"):
        if sign in digits:
            held = digits[sign]
        elif scale := {"十": 10, "百": 100, "千": 1000}.get(sign):
            total, held = total + (held or 1) * scale, 0
        else:
            return None
    return total + held
