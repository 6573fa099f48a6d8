"""From "I" to somebody's name, and from a deed without its doer to one that is told by "I".

Knows English and Chinese, and says None where a rule would write a wrong sentence. Refuses to know where it is used.
"""

from __future__ import annotations

import re

_OWN = {
    "he": {"me": "him", "my": "his", "mine": "his", "myself": "himself"},
    "she": {"me": "her", "my": "her", "mine": "hers", "myself": "herself"},
    "it": {"me": "it", "my": "its", "mine": "its", "myself": "itself"},
}
_SHORT = {"'m": " is", "'ve": " has", "'ll": " will"}
_HAD = re.compile(r"\bI'd(?= (?:\w+ed|been|better|got|had|known|seen|done|said|made|given|taken|thought)\b)")
_BE = {"am": "is", "was": "was", "have": "has", "do": "does", "haven't": "hasn't", "don't": "doesn't", "ain't": "ain't"}
_KEPT_WORDS = (
    "had will would shall should can could may might must did never ever wasn't won't wouldn't can't couldn't "
    "shan't shouldn't mustn't didn't hadn't ought used became began bent bit blew bought broke brought built burnt "
    "came caught chose crept cut dealt drank drew drove dug ate fed fell felt fought found flew forgot forgave "
    "froze gave got went grew heard held hid hit hurt kept knelt knew laid led learnt left lent let lost made meant "
    "met paid put read rode rang rose ran said saw sought sold sent set shook shone shot shut sang sank sat slept "
    "slid spat spent spoke split spread sprang stood stole stuck struck swore swept swam swung took taught told "
    "thought threw tore understood woke wore wept won wound wrote"
)
_KEPT = set(_KEPT_WORDS.split())
"""Verbs that are the same for "I" and "he": helpers, and pasts that do not end in -ed."""
_ADVERBS = r"(?:(?:never|always|only|also|just|still|even|ever|once|now|almost|hardly|really|quite|rather)\s+)?"
_VERB = re.compile(rf"\bI ({_ADVERBS})([a-z]+(?:'t)?)\b")
_ASKED = re.compile(r"\b(am|was|have|do|had|will|would|shall|should|can|could|may|might|must|did) I\b", re.IGNORECASE)
_FIRST = re.compile(r"(?<![\w'])(?:I(?:'(?:m|ve|ll|d))?|me|my|mine|myself)(?![\w])", re.IGNORECASE)
_OURS = re.compile(r"\b(?:we|us|our|ours|ourselves|we're|we've|we'll|let's)\b", re.IGNORECASE)
_DOER_ZH = re.compile(r"(?<![自忘唯])我(?!们|行我素)")


def in_third_person(text: str, name: str, pronoun: str, language: str) -> str | None:
    """A text in the first person told of somebody called `name`, by name first and then by pronoun.

    `pronoun` is `he`, `she` or `it`. None for another language, for a text that says nothing of "I", and where a rule
    would get the sentence wrong.
    """
    if language == "zh":
        return _chinese(text, name, {"he": "他", "she": "她", "it": "它"}[pronoun])
    straight = text.replace("’", "'")
    if language != "en" or not re.search(r"(?<![\w'])I(?![\w-])", straight) or _OURS.search(straight):
        return None
    if re.search(r'["“”]', straight):
        return None
    done = _verbs(straight, pronoun)
    if done is None or re.search(r"(?<![\w'])I(?![\w-])", done):
        return None
    own = _OWN[pronoun]
    done = _FIRST.sub(lambda m: _cased(own.get(m[0].lower(), m[0]), m[0]), done)
    # The first to be named is named; after that a pronoun does.
    done = done.replace("@", name, 1)
    return re.sub(r"(^|[.!?…] )?@", lambda m: (m[1] or "") + (_up(pronoun) if m[1] is not None else pronoun), done)


def doer_first(text: str, name: str, language: str) -> str:
    """A deed told with the name of who does it."""
    lowered = text[:1].lower() + text[1:] if language != "de" else text
    return f"{name}{lowered}" if language == "zh" else f"{name} {lowered}"


def done_by_me(text: str, language: str) -> str | None:
    """A deed told by "I"; None where the verb is not alone, or somebody else's "his" may stand in it."""
    if language == "zh":
        return None if re.search(r"[他她它我，、]", text) else f"我{text}"
    words = text.split()
    if language != "en" or len(words) < 2 or re.search(r"\b(?:and|or|then|but|his|her|its|him|it|them)\b|[,;:]", text):
        return None
    verb = _base(words[0])
    return None if verb is None else " ".join(["I", verb, *words[1:]])


def _verbs(text: str, pronoun: str) -> str | None:
    """The text with every "I" and its verb made third person; `@` stands for the subject."""
    text = re.sub(r"\bI'd(?!\w)", "@ would", _HAD.sub("@ had", text))
    text = re.sub(r"\bI('m|'ve|'ll)(?!\w)", lambda m: "@" + _SHORT[m[1]], text)
    asked = {"am": "is", "have": "has", "do": "does"}
    text = _ASKED.sub(lambda m: _cased(asked.get(m[1].lower(), m[1].lower()), m[1]) + " @", text)
    wrong = False

    def turned(match: re.Match[str]) -> str:
        nonlocal wrong
        verb = match[2]
        if verb in _BE:
            return f"@ {match[1]}{_BE[verb]}"
        if verb in _KEPT or (verb.endswith("ed") and len(verb) > 4):
            return f"@ {match[1]}{verb}"
        # A second verb may hang on the same "I", and would need its ending too.
        rest = re.split(r"[.!?;]", text[match.end() :], maxsplit=1)[0]
        wrong = wrong or bool(re.search(r"\b(?:and|or|but|nor)\b", rest)) or verb.endswith("ly")
        return f"@ {match[1]}{_third(verb)}"

    text = _VERB.sub(turned, text)
    return None if wrong else text


def _third(verb: str) -> str:
    if re.search(r"(?:s|sh|ch|x|z|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def _base(verb: str) -> str | None:
    """The verb of "he looks" as "I look"; None for a word that does not look like one."""
    if re.search(r"[a-z](?:ss|sh|ch|x|zz|go|do)es$", verb) or verb in ("goes", "does"):
        return verb[:-2]
    if not re.fullmatch(r"[a-z]{2,}[^su]s", verb):
        return None
    return f"{verb[:-3]}y" if verb.endswith("ies") and len(verb) > 4 else verb[:-1]


def _chinese(text: str, name: str, pronoun: str) -> str | None:
    if not _DOER_ZH.search(text) or re.search(r"[“”「」]", text):
        return None
    return _DOER_ZH.sub(pronoun, _DOER_ZH.sub(name, text, count=1))


def _cased(text: str, like: str) -> str:
    return text[:1].upper() + text[1:] if like[:1].isupper() and like != "I" else text


def _up(text: str) -> str:
    return text[:1].upper() + text[1:]
