"""Other minds: places where one mind states what another hides, and words it can not have heard.

`mind_reading` gives cues, not proofs: a pronoun may stand for anybody. `leaks` gives verbatim evidence.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from her.checks.units import (
    Finding,
    primary,
    run_length,
    runs,
    sentence_around,
    sentence_ends,
    unit_spans,
    units,
    without_quotes,
)
from her.turn import PRIVATE, Dialogue, Kind, Turn

LEAK_NGRAM = 6
"""Words that two texts must share in a row to count as one copied from the other (docs/sources.md)."""

_WHO = "@who@"
_STEMS = "think|wonder|fear|long|yearn|dread|regrett?|wish|remember|pretend|feel|want"
_THINKING = rf"(?:(?:{_STEMS})|plann|plott|hop|schem|imagin|lov|hat)ing\b"
_THINKS = rf"(?:{_THINKING}|(?:{_STEMS}|plan|plot|hope|scheme|imagine|love|hate)(?:s|es|d|ed)?\b|felt\b|thought\b)"
_CUES = {
    "en": (
        (
            "hidden feeling",
            rf"{_WHO}(?:['’]s)? (?:\w+ )?(?:secretly|inwardly|deep down|at heart|in (?:his|her|their) heart)\b",
        ),
        ("hidden feeling", rf"\b(?:secretly|inwardly|deep down),? {_WHO} \w+"),
        ("thought in progress", rf"{_WHO}(?: is| was| are| were|['’]s|['’]re) (?:\w+ly )?{_THINKING}"),
        ("talk to oneself", rf"{_WHO} (?:thinks|thought|tells|told|says|said) (?:to )?(?:him|her|them)sel(?:f|ves)\b"),
        (
            "known thought",
            rf"\b(?:knowing|aware|sensing|seeing|realizing|realising) (?:\w+ )?(?:that |what |how )?{_WHO}"
            rf"(?:['’]s)?(?: \w+)? (?:\w+ly )?{_THINKS}",
        ),
        (
            "hidden motive",
            r"\b(?:his|her|their|\w+['’]s) (?:secret|hidden|inner|unspoken|real|true|innermost) "
            r"(?:thoughts?|motives?|intentions?|feelings?|desires?|plans?|reasons?|fears?|wish(?:es)?)\b",
        ),
        ("unknown to all", r"\b(?:unbeknownst|unknown) to (?:him|her|them|me|anyone|everyone)\b"),
    ),
    "zh": (
        (
            "hidden feeling",
            rf"{_WHO}(?:其实|原来)?(?:心里|内心|心中|心底|暗自|暗暗|暗中|偷偷)\S{{0,6}}?[想爱恨盼怕怨恋喜盘打希害后得嫉]",
        ),
        ("thought in progress", rf"{_WHO}(?:正在|正|在)(?:想|盘算|打算|琢磨|后悔|思念|害怕|谋划)"),
        (
            "known thought",
            rf"(?:知道|明白|清楚|看穿|看透|察觉到?){_WHO}(?:正在|正|在|心里|内心)?(?:想|盘算|打算|爱|恨|喜欢|害怕)",
        ),
        (
            "hidden motive",
            rf"{_WHO}(?:的)?(?:真正|真实|隐藏|内心|心底|暗藏)(?:的)?(?:想法|动机|意图|目的|感情|心思|打算|恐惧)",
        ),
    ),
}
_PRONOUNS = {"en": ("he", "she", "they"), "zh": ("他们", "她们", "他", "她")}
_HEDGES = {
    "en": re.compile(
        r"\b(?:perhaps|maybe|might|must|may|could|possibly|probably|surely|seems?|seemed|appears?|appeared|as though"
        r"|suppose|suspect|wonder what|guess|think|believe|doubt|imagine|looks? like|whether|if)\b"
        r"|\?",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"也许|或许|大概|可能|恐怕|好像|似乎|看来|看样子|看上去|莫非|难道|我[想猜看]|怀疑|想必|说不定|是不是|吗|如果|[？?]"
    ),
}

_NEAR = 300
_Owner = tuple[str, Kind, int]


MIND_LANGUAGES = frozenset(_CUES)
"""The languages that `mind_reading` knows."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Words of a turn that stand in a text its speaker never saw; offsets are in that segment's text."""

    segment: int
    start: int
    end: int
    text: str
    owner: str
    """Whose text it is."""
    kind: Kind
    """What it is there: a plan, a thought, or a deed or word out of the speaker's sight."""
    turn: int
    """Which turn of the dialogue holds it, from 0."""


def mind_reading(turn: Turn, language: str, others: Collection[str] = ()) -> tuple[Finding, ...] | None:
    """Places in thoughts and actions that state another's hidden thought or motive as fact; None for other languages.

    `others` are names to look for besides pronouns. A sentence that hedges before or at the place
    ("perhaps", "as if", a question) is inference, not mind-reading. Quotations are left out.
    """
    code = primary(language)
    if code not in _CUES:
        return None
    who = [*map(re.escape, sorted((name for name in others if name != turn.speaker), key=len, reverse=True))]
    names = "(?:" + "|".join([*who, *_PRONOUNS[code]]) + ")"
    names = rf"(?<!\w){names}" if code == "en" else names
    patterns = [(rule, re.compile(cue.replace(_WHO, names), re.IGNORECASE)) for rule, cue in _CUES[code]]
    found: list[Finding] = []
    for at, segment in enumerate(turn.segments):
        if segment.kind not in {Kind.ROLE_THINKING, Kind.ROLE_ACTION}:
            continue
        bare = without_quotes(segment.text)
        ends = sentence_ends(bare)
        for rule, pattern in patterns:
            for match in pattern.finditer(bare):
                if not _hedged(bare, ends, match, _HEDGES[code]):
                    found.append(
                        Finding(rule, at, segment.kind, *match.span(), segment.text[match.start() : match.end()])
                    )
    return tuple(sorted(found, key=lambda finding: (finding.segment, finding.start, finding.end, finding.rule)))


def leaks(turn: Turn, dialogue: Dialogue, *, known: str = "", size: int = LEAK_NGRAM) -> tuple[Leak, ...] | None:
    """What the turn repeats word for word of texts that its speaker never saw, in order.

    `dialogue` holds the turns before this one; hidden are others' plans and thoughts, and all of a turn
    out of earshot. `known` is text that the speaker also has: profile, scene, motivation. A run of `size`
    words that the speaker saw anywhere is no leak. None where nothing is hidden from the speaker.
    Raises UnknownName for a speaker outside the cast.
    """
    seen = dialogue.seen_by(turn.speaker)
    runs_seen = [units(known), *(units(s.text) for t in seen for s in t.segments)]
    hidden = [
        (words, (other.speaker, segment.kind, at))
        for at, other in enumerate(dialogue.turns)
        if other.speaker != turn.speaker
        for segment in other.segments
        if segment.kind in PRIVATE or (other.heard_by is not None and turn.speaker not in other.heard_by)
        if (words := units(segment.text))
    ]
    if not hidden:
        return None
    secrets: dict[int, dict[tuple[str, ...], _Owner]] = {}
    found: list[Leak] = []
    for at, segment in enumerate(turn.segments):
        spans = unit_spans(segment.text)
        words = [word for word, _, _ in spans]
        length = run_length(words, size)
        if length not in secrets:
            secrets[length] = _secrets(hidden, runs_seen, length)
        owners = secrets[length]
        for start, end, owner in _stretches([owners.get(run) for run in runs(words, length)], length):
            first, last = spans[start][1], spans[end - 1][2]
            found.append(Leak(at, first, last, segment.text[first:last], *owner))
    return tuple(found)


def _secrets(hidden: list[tuple[list[str], _Owner]], seen: list[list[str]], size: int) -> dict[tuple[str, ...], _Owner]:
    """Every run of the hidden texts that no seen text holds, with the first owner of each."""
    public = {run for text in seen for run in runs(text, size)}
    owners: dict[tuple[str, ...], _Owner] = {}
    for text, owner in hidden:
        for run in runs(text, size):
            if run not in public:
                owners.setdefault(run, owner)
    return owners


def _hedged(text: str, ends: list[int], match: re.Match[str], hedges: re.Pattern[str]) -> bool:
    """Whether the sentence is a question, or says before the match's end that it is a guess."""
    first, last = sentence_around(text, ends, match.start())
    # No further than a long sentence: a text without full stops must not be read once for each cue.
    asked = last - match.end() <= _NEAR and text[match.end() : last].rstrip().endswith(("?", "？"))
    return asked or bool(hedges.search(text, max(first, match.start() - _NEAR), match.end()))


def _stretches(hits: list[_Owner | None], size: int) -> list[tuple[int, int, _Owner]]:
    """Runs that are hits, joined where they overlap and have one owner, as (first unit, end, owner)."""
    joined: list[tuple[int, int, _Owner]] = []
    for at, owner in enumerate(hits):
        if owner is None:
            continue
        if joined and joined[-1][2] == owner and at <= joined[-1][1]:
            joined[-1] = (joined[-1][0], at + size, owner)
        else:
            joined.append((at, at + size, owner))
    return joined
