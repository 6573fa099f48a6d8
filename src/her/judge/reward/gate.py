"""The gate before the judge: what a reply must be, so that a comparison says something about the play.

Knows parse faults that are breaches, and where measures of `checks` begin to be one. Refuses to know rewards and whom
to ask. A refused reply costs no call and takes no part in comparisons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from her import checks
from her.checks.units import is_spaceless, primary, run_length, without_quotes
from her.draft import spellings
from her.judge.pairs import Setting
from her.judge.reward.penalties import HARD
from her.markup import parse
from her.rows.record import Refusal
from her.turn import ENVIRONMENT, FaultKind, Kind, Parsed, Turn

STAGE = "gate"
BREACHES = frozenset(FaultKind) - {FaultKind.ALIAS_TAG, FaultKind.ADJACENT, FaultKind.AMBIGUOUS}
"""Faults that are refused; the others are read without loss."""
COPIED = 0.5
COPIED_FROM = 12
LAST_TURNS = 3
"""The most of a reply that may stand word for word in what it was given, for replies of so many words or more, and the
turns before that count; ours."""
PLAN_RUN = 8
"""Words of the plan in a row that are a leak where they stand in the turn; ours: two more than between strangers."""
FOREIGN = 0.3
"""The most letters in scripts that the language is not written in; ours: a name or a greeting may be foreign."""
WORD = 12
"""Characters for each word that a turn may have, its space included, beyond which it is too long however few words it
has; ours: twice the usual length of English and German words."""


class Breach(StrEnum):
    """Why a reply is refused."""

    CUT = "cut"
    """The token limit ended it."""
    GRAMMAR = "grammar"
    """Marks that are open, nested, stray or out of order, or no plan where one is asked for."""
    EMPTY = "empty"
    """Nothing in it, or nothing but an opener such as `Thought process:`."""
    SPEAKER = "speaker"
    """It goes on as somebody else."""
    LEAK = "leak"
    """The plan, or talk as in a plan, stands in the turn."""
    COPIED = "copied"
    """Most of it stands in the reference, in the last turns or in what is told of scene and characters."""
    INJECTION = "injection"
    """It speaks to the judge, in words, in its answers' keys, or in characters that nobody sees."""
    LANGUAGE = "language"
    """It is in another language than its scene."""
    LONG = "long"
    """More words than a turn may have."""
    LOOP = "loop"
    """It goes round in circles."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of replies: whether they begin with a plan, and their most words without it."""

    plans: bool = True
    most: int = HARD


def gate(
    reply: str, at: Setting, *, references: Sequence[str] = (), cut: bool = False, rules: Rules | None = None
) -> tuple[Refusal, ...]:
    """Everything that is wrong with a reply, once for each reason; empty where it may be compared.

    `reply` is whole, its prefill included; `cut` says that the token limit ended it. `references` are texts that it
    must not repeat: the book's turn, not samples of the model's own.
    """
    asked = rules or Rules()
    cast = {*at.scene.names, ENVIRONMENT} - {at.speaker}
    parsed = parse(reply, speaker=at.speaker, cast=cast, plan=asked.plans)
    turn = parsed.turn.without(Kind.SYSTEM_THINKING)
    text = _text(turn)
    found: dict[Breach, str] = {}
    if cut:
        found[Breach.CUT] = "the token limit ended it; ask for shorter turns, or give more tokens"
    for breach, detail in (
        *_form(parsed, text),
        *_leaks(parsed.turn, turn, at.scene.language),
        *_copies(text, at, references),
        *_addressed(f"{text}\n{parsed.rest}"),
        *_language(turn, at.scene.language),
        *_size(text, asked.most),
    ):
        found.setdefault(breach, detail)
    return tuple(Refusal(stage=STAGE, reason=breach.value, where=at.speaker, detail=found[breach]) for breach in found)


_Found = Iterator[tuple[Breach, str]]

# What wins against judges though it says nothing (Zhao et al., One Token to Fool LLM-as-a-Judge, arXiv 2507.08794),
# where it is all that a turn says.
_OPENER = re.compile(
    r"(?:thought process|let['’]?s (?:think|solve|work|go)\b[^.\n]{0,60}|solution|answer|response|final answer|here is"
    r"[^.\n]{0,40}|sure[,!]?[^.\n]{0,30}|certainly[,!]?[^.\n]{0,30}|解(?:答|析)?|答案?|思考过程|かいせつ|respuesta|réponse"
    r"|antwort|lösung)\s*[:：.。!]*",
    re.IGNORECASE,
)


_TAG = re.compile(r"</?[A-Za-z][\w-]{0,40}/?>")


def _form(parsed: Parsed, text: str) -> _Found:
    for fault in parsed.faults:
        if fault.kind is FaultKind.SECOND_SPEAKER:
            yield Breach.SPEAKER, f"goes on as somebody else: {_cut(parsed.rest)}"
        elif fault.kind is not FaultKind.EMPTY and fault.kind in BREACHES:
            yield Breach.GRAMMAR, f"{fault.kind} at character {fault.at}{': ' * bool(fault.detail)}{_cut(fault.detail)}"
    if foreign := _TAG.search(text):
        yield Breach.GRAMMAR, f"a tag that no turn has: {foreign.group()}"
    if not checks.units(text):
        yield Breach.EMPTY, "no word is thought, done or said"
    elif _OPENER.fullmatch(text.strip()) and text.rstrip().endswith((":", "：")):
        yield Breach.EMPTY, f"an opener and nothing after it: {_cut(text)}"


def _leaks(whole: Turn, turn: Turn, language: str) -> _Found:
    plan = without_quotes(whole.text_of(Kind.SYSTEM_THINKING))
    for segment in turn.segments:
        if checks.copied_share(segment.text, [plan], PLAN_RUN):
            yield Breach.LEAK, f"{PLAN_RUN} words of the plan stand in the turn: {_cut(segment.text)}"
        if named := re.search(r"\b(?:system|role)[ _-](?:thinking|action)\b", segment.text, re.IGNORECASE):
            yield Breach.LEAK, f"it speaks of its own form: {named.group()!r}"
        if _plans(segment.text, turn.speaker, language):
            yield Breach.LEAK, f"speaks of {turn.speaker} as a plan does: {_cut(segment.text)}"


_SHOULD = {
    "en": r"(?:should|must|needs? to|ought to|has to|is to)\b",
    "de": r"(?:sollte|soll|muss)\b",
    "fr": r"(?:doit|devrait)\b",
    "es": r"(?:debe|debería)\b",
    "zh": r"(?:应该|应当|必须|需要|要表现|要展现)",
}


def _plans(text: str, name: str, language: str) -> bool:
    """Whether the text says what the one of that name should do, outside quotation marks."""
    should = _SHOULD.get(primary(language))
    if should is None:
        return False
    names = "|".join(re.escape(one) for one in (name, *spellings([name])))
    edge = "" if is_spaceless(name[0]) else r"(?<!\w)"
    return re.search(rf"{edge}(?:{names})\s*{should}", without_quotes(text)) is not None


def _copies(text: str, at: Setting, references: Sequence[str]) -> _Found:
    words = checks.units(text)
    if len(words) < run_length(words, COPIED_FROM):
        return
    one = at.scene.character(at.speaker) if at.speaker in at.scene.names else None
    told = [at.scene.setting, *((one and (one.profile, one.background, one.motivation, one.opening_thought)) or ())]
    before = [_text(row.turn.without(Kind.SYSTEM_THINKING)) for row in at.turns[-LAST_TURNS:]]
    shown = [_text(parse(one, speaker=at.speaker).turn.without(Kind.SYSTEM_THINKING)) for one in references]
    sources = {"the reference": shown, "the last turns": before, "what is told of scene and character": told}
    for what, texts in sources.items():
        if (share := checks.copied_share(text, texts) or 0.0) > COPIED:
            yield Breach.COPIED, f"{share:.0%} of it stands in {what}: {_cut(text)}"


# A courtroom has verdicts and a duel has winners, so that words alone are no sign: keys in quotation marks are, names
# of candidates, and what a chat's template is made of.
_TO_A_JUDGE = {
    "a key of a judge's answer": re.compile(
        r"[\"'“”]\s*(?:findings?|negative|margin|winner|verdict|evidence(?:_\w+)?|principles?|principle[ _](?:\d+|name)"
        r"|principle_comparisons|analysis|result|score|reason(?:ing)?|cand(?:idate)?_?\w+)\s*[\"'“”]\s*[:：]"
        r"|\bbetter_response\b|\bcand(?:idate)?_[12ab]\b",
        re.IGNORECASE,
    ),
    "a mark of the judge's prompt": re.compile(r"^[ \t]*(?:[A-Z]?\||[AB]>) ", re.MULTILINE),
    "a token of a chat template": re.compile(
        r"<[|｜][^<>\n]{0,64}[|｜]>|\[/?(?:INST|SYSTEM_PROMPT)\]|<</?SYS>>|</?(?:s|bos|eos|(?:start|end)_of_turn)>",
        re.IGNORECASE,
    ),
    "words to the judge": re.compile(
        r"\b(?:(?:candidate|response|answer|reply|output|option)s?[ _-]?(?:1|2|a|b|one|two)"
        r"|(?:first|second) (?:candidate|response|answer|reply|output|option))\b[^.\n]{0,40}"
        r"\b(?:better|best|wins?|winner|superior|preferred)\b"
        r"|\b(?:ignore|disregard|forget)[^.\n]{0,20} (?:previous|prior|above|earlier|preceding) "
        r"(?:instructions?|prompts?|rules|text|candidates?)\b"
        r"|\b(?:note|message|instructions?) (?:to|for) (?:the )?(?:judge|grader|evaluator|rater)\b"
        r"|候选(?:回复|回答|项)?[一二1-2AB甲乙].{0,10}(?:更好|更优|胜)|(?:忽略|无视)(?:之前|以上|上述|前面)的?.{0,4}(?:指令|指示|说明|提示)",
        re.IGNORECASE,
    ),
    "characters that nobody sees": re.compile(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e007f]"
    ),
}


def _addressed(text: str) -> _Found:
    for what, pattern in _TO_A_JUDGE.items():
        if match := pattern.search(text):
            yield Breach.INJECTION, f"{what}: {match.group().strip()[:60]!r}"


def _language(turn: Turn, language: str) -> _Found:
    # Somebody may say a line in a foreign language, but nobody thinks and acts in it as well.
    for text in (_text(turn), turn.text_of(Kind.ROLE_THINKING)):
        if checks.wrong_language(text, language):
            yield Breach.LANGUAGE, f"this is {checks.language_of(text)}, and the scene is {language}: {_cut(text)}"
    if (share := checks.foreign_share(_text(turn), language) or 0.0) > FOREIGN:
        yield Breach.LANGUAGE, f"{share:.0%} of its letters are not written in {language}: {_cut(_text(turn))}"


def _size(text: str, most: int) -> _Found:
    words = checks.units(text)
    if len(words) > run_length(words, most):
        yield Breach.LONG, f"{len(words)} words; a turn has at most {run_length(words, most)}"
    elif len(text) > WORD * most:
        yield Breach.LONG, f"{len(text)} characters; a turn has at most {WORD * most}"
    loop = checks.find_loop(text)
    if loop is not None and loop.unit == "unit":
        yield Breach.LOOP, f"{loop.times} times: {_cut(text[loop.start :])}"


def _text(turn: Turn) -> str:
    return "\n".join(segment.text for segment in turn.segments)


def _cut(text: str) -> str:
    line = " ".join(text[:200].split())
    return line if len(line) <= 60 else f"{line[:59]}…"
