"""Which language a text is in, by script and stop words; None where that does not tell.

Small and honest: a gate against replies in the wrong language, not a linguist.
"""

from __future__ import annotations

import re
from collections import Counter

from her.checks.units import primary, units

MIN_HITS = 2
MARGIN = 1.5
MIN_SHARE = 0.6
"""Least stop words, least ratio to the runner-up, least share of all letters that one script must have."""
_MIN_HAN = 4

_SCRIPTS = {
    "Latin": re.compile(r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"),
    "Han": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "Kana": re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc]"),
    "Hangul": re.compile(r"[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]"),
    "Cyrillic": re.compile(r"[\u0400-\u052f]"),
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "Arabic": re.compile(r"[\u0620-\u064a\u066e-\u06d3\u0750-\u077f]"),
    "Hebrew": re.compile(r"[\u05d0-\u05ea]"),
    "Devanagari": re.compile(r"[\u0904-\u0939]"),
    "Thai": re.compile(r"[\u0e01-\u0e2e]"),
}
_LETTER = re.compile(r"[^\W\d_]")
_WRITTEN_IN = {
    "zh": {"Han"},
    "ja": {"Han", "Kana"},
    "ko": {"Hangul", "Han"},
    "ru": {"Cyrillic"},
    "el": {"Greek"},
    "th": {"Thai"},
    **{language: {"Latin"} for language in ("en", "fr", "de", "es", "it", "pt", "nl")},
}
_STOP_WORDS = {
    "en": "the and of to is was you that it he she for with not are this have had but what my your be i'm don't it's",
    "fr": "le la les des et est une un je vous ne pas que qui dans pour ce avec sur mon il elle mais du c'est j'ai",
    "de": "der die das und ist nicht ich sie ein eine zu mit auf den dem es wir aber wie was für von war auch mein",
    "es": "el la los las y es que no un una en de por con para se lo su mi pero como yo usted muy está más del al",
    "it": "il lo la gli e è che non un una di per con si mi ma come io sono del della questo più ho anche nel le",
    "pt": "o os as e é que não um uma de em por com para se do da mas como eu você muito está mais no na ao",
    "nl": "de het een en is niet ik van dat je zijn op te met voor maar wat er mijn ook aan hij zij was",
    "ru": "и в не на я что он она с как это но мы вы по за из у мне меня так бы же было его её",
}
_STOPS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}


def language_of(text: str) -> str | None:
    """The text's language (en, fr, de, es, it, pt, nl, ru, zh, ja, ko, el, th), or None where unsure.

    Unsure are short texts, mixed ones, and scripts that several languages share beyond this list.
    """
    counts = scripts(text)
    total = counts.total()
    if not total:
        return None
    if counts["Han"] + counts["Kana"] >= MIN_SHARE * total:
        if counts["Kana"] > 0.1 * counts["Han"]:
            return "ja"
        return "zh" if counts["Han"] >= _MIN_HAN and not counts["Kana"] else None
    script, letters = counts.most_common(1)[0]
    if letters < MIN_SHARE * total:
        return None
    alone = {"Hangul": "ko", "Greek": "el", "Thai": "th"}
    if script in alone:
        return alone[script] if letters >= _MIN_HAN else None
    return _by_stop_words(text, script)


def wrong_language(text: str, expected: str) -> bool | None:
    """True where the text is surely in another language than `expected` (BCP-47), None where unsure of either."""
    found = language_of(text)
    code = primary(expected)
    return None if found is None or code not in _WRITTEN_IN else found != code


def foreign_share(text: str, language: str) -> float | None:
    """The share of letters in scripts that the language is not written in, from 0 to 1.

    None for a language not known here and for a text without letters.
    """
    home = _WRITTEN_IN.get(primary(language))
    counts = scripts(text)
    if home is None or not counts:
        return None
    return sum(count for script, count in counts.items() if script not in home) / counts.total()


def scripts(text: str) -> Counter[str]:
    """How many letters of each script the text holds; letters of other scripts are `Other`."""
    counts = Counter({name: found for name, pattern in _SCRIPTS.items() if (found := len(pattern.findall(text)))})
    known = counts.total()
    # Vowel signs aside, every script above is made of letters; what is left over has no name here.
    other = len(_LETTER.findall(text)) - known
    if other > 0:
        counts["Other"] = other
    return counts


def _by_stop_words(text: str, script: str) -> str | None:
    words = units(text)
    hits = Counter(
        {
            language: sum(word in stops for word in words)
            for language, stops in _STOPS.items()
            if script in _WRITTEN_IN[language]
        }
    )
    ranked = hits.most_common(2)
    if not ranked or ranked[0][1] < MIN_HITS:
        return None
    if len(ranked) > 1 and ranked[0][1] < MARGIN * ranked[1][1]:
        return None
    return ranked[0][0]
