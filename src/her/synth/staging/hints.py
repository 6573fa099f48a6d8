"""What a passage tells of its speakers without a model: the names it uses, and quotations beside which one stands.

For models too small to find names themselves. Knows the usual places of names in a few languages, and is wrong now and
then. Refuses to decide anything for a teacher that can read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from her.checks.units import is_spaceless
from her.synth.reading.quotes import Quote
from her.synth.staging.casting import PRONOUNS, spelling
from her.synth.staging.spoken import MARKS

MOST_NAMES = 6
"""How many people a small model is given to choose from; ours."""
NARRATED = 3
"""How much more a name counts in the narrator's words than in somebody's speech, where it is often a listener's."""

_TITLE = r"(?:Mr|Mrs|Ms|Miss|Dr|Lady|Lord|Sir|Colonel|Captain|Madame|Monsieur|Herr|Frau|Don|Doña)\.?\s"
_WORD = r"[A-ZÀ-ÞА-Я][^\W\d_]{2,}"
_NAMED = re.compile(rf"(?:(?<!\w){_TITLE}|(?<=[a-z,;”\"] )){_WORD}(?: {_WORD})?")
_PLACED = re.compile(rf"\b(?:at|in|from|near|round|into|through|towards)\s({_WORD})")
_NAMED_ZH = re.compile(
    r"(?:^|(?<=[。！？”』」，\s]))([\u4e00-\u9fff]{2,3}?)(?:便|又|忙|就|也|都)?(?:笑|冷笑|叹|哭|喝|大声|低声)?[道说问答喊叫]"
)
_STARTERS = "then when there here now yes no not oh ah well what how why who this that these those but and or if so"
_NO_NAMES = PRONOUNS | frozenset(_STARTERS.split())
_CLAUSE = 40
"""Characters behind a quotation, or before it in scripts without spaces, in which its reporting clause names."""


def likely_names(narration: str, whole: str) -> tuple[str, ...]:
    """Names that a passage is likely to be about, the likeliest first; empty for scripts in which none can be told.

    `narration` is the passage without what is said, `whole` all of it.
    """
    if any(map(is_spaceless, whole)):
        found = (name for name in _NAMED_ZH.findall(narration) if spelling(name[0]) not in PRONOUNS)
        return tuple(name for name, _ in Counter(found).most_common(MOST_NAMES))
    weights, places = Counter[str](), Counter(_PLACED.findall(whole))
    for text, weight in ((narration, NARRATED), (whole, 1)):
        for name in _NAMED.findall(text):
            if spelling(name.split()[0]) not in _NO_NAMES:
                weights[name] += weight
    words = set(re.findall(r"\b[^\W\d_]+", whole))
    people = (
        name
        for name, _ in weights.most_common()
        if name.lower() not in words and not name.isupper() and not places[name.split()[0]]
    )
    return tuple(people)[:MOST_NAMES]


def named_beside(text: str, said: Iterable[Quote], names: Sequence[str]) -> str | None:
    """The one of these names that a narrator's clause beside the quotations of a paragraph holds; None for no clause.

    `said Kitty` and `Kitty replied` behind a quotation, and `宝玉笑道` before one.
    """
    any_name = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    wide = any(map(is_spaceless, "".join(names)))
    behind = re.compile(rf"[{re.escape(MARKS)}]+,? (?:[^\W\d_A-Z]+ ){{0,2}}?({any_name})(?!\w)")
    ahead = re.compile(rf"({any_name})[^。！？{re.escape(MARKS)}]{{0,8}}[道说问答喊叫][：:，,]?[{re.escape(MARKS)}]$")
    for quote in said:
        if wide:
            found = ahead.search(text[max(quote.paragraph_start, quote.start - _CLAUSE) : quote.start])
        else:
            found = behind.match(text[quote.end : quote.end + _CLAUSE])
        if found:
            return found[1]
    return None
