"""A turn in numbered pieces, and the turn that a teacher makes of them.

Knows that the novel's words are not a teacher's to write: it names a piece by its number, and the words come from
here. Refuses to know whether what it wrote between them is any good (`gates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field, model_validator

from her.act import closed
from her.checks import sentences
from her.checks.units import is_spaceless
from her.rows.record import Record
from her.synth.faults import Fault
from her.synth.reasons import Reason
from her.turn import Kind, Segment, Turn

MOST_PIECES = 12
"""Pieces of one turn; where it has more sentences, neighbours stay together. Ours: a number must stay easy to find."""

CALLED = {Kind.ROLE_THINKING: "thought", Kind.ROLE_ACTION: "action", Kind.SPEECH: "speech"}
"""What a teacher calls each kind, as in layouts."""


@dataclass(frozen=True, slots=True)
class Bit:
    """A piece: an action, a thought, or a sentence of speech; `start` and `end` are characters of its segment."""

    number: int
    kind: Kind
    segment: int
    start: int
    end: int


class Part(Record):
    """One part of an answer: a piece that is kept, or a new thought or action."""

    keep: int | None = None
    as_: Literal["thought", "action"] | None = Field(None, alias="as")
    thought: str | None = None
    action: str | None = None
    speech: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Part:
        given = [name for name in ("keep", "thought", "action", "speech") if getattr(self, name) is not None]
        if len(given) != 1 or (self.as_ and given != ["keep"]):
            raise ValueError('a part is {"keep": number}, {"thought": text} or {"action": text}')
        return self


class Answer(Record):
    """What a teacher makes of a turn: its parts in order."""

    parts: tuple[Part, ...] = Field(min_length=1)


def bits_of(turn: Turn) -> tuple[Bit, ...]:
    """The turn's pieces, numbered from 1; a plan is no piece."""
    places: list[tuple[int, int, int]] = []
    for at, segment in enumerate(turn.segments):
        if segment.kind is not Kind.SYSTEM_THINKING and segment.text.strip():
            ends = _ends(segment.text) if segment.kind is Kind.SPEECH else [len(segment.text)]
            places += [(at, start, end) for start, end in zip([0, *ends], ends, strict=False)]
    while len(places) > MOST_PIECES:
        pairs = [at for at in range(len(places) - 1) if places[at][0] == places[at + 1][0]]
        if not pairs:
            break
        least = min(pairs, key=lambda at: (places[at + 1][2] - places[at][1], at))
        places[least : least + 2] = [(places[least][0], places[least][1], places[least + 1][2])]
    return tuple(
        Bit(number, turn.segments[at].kind, at, start, end) for number, (at, start, end) in enumerate(places, 1)
    )


def text_of(bit: Bit, turn: Turn) -> str:
    """The words of a piece."""
    return turn.segments[bit.segment].text[bit.start : bit.end].strip()


def rebuilt(
    answer: Answer, turn: Turn, *, told: bool, chars: Mapping[Kind, int] | None = None
) -> tuple[Turn, list[Fault]]:
    """The turn that an answer makes, and what it did to the novel's words.

    Every piece of speech and every action must be kept once, speech in order; a thought may be replaced. With `told`
    the speech is proven to be spoken and stays speech; else a sentence of it may become an action. An action may
    become a thought. Kept neighbours of one kind are one segment again. A plan stays in front. `chars` are the bounds
    of the schema, at which a new text was cut.
    """
    bits = {bit.number: bit for bit in bits_of(turn)}
    faults = _kept_well(answer, bits, told=told)
    parts: list[tuple[Segment, Bit | None]] = []
    for part in answer.parts:
        bit = bits.get(part.keep) if part.keep is not None else None
        if bit is not None:
            kind = _KINDS[part.as_] if part.as_ else bit.kind
            _add(parts, Segment(kind, text_of(bit, turn)), bit, turn)
        elif part.thought is not None or part.action is not None:
            kind = Kind.ROLE_THINKING if part.thought is not None else Kind.ROLE_ACTION
            text = part.thought or part.action or ""
            parts.append((Segment(kind, bare(whole(text, chars[kind]) if chars else text)), None))
    plan = turn.only(Kind.SYSTEM_THINKING).segments
    return replace(turn, segments=(*plan, *(segment for segment, _ in parts))), faults


def bare(text: str) -> str:
    """A thought or action without the marks or quotation marks that a teacher put around all of it."""
    text = text.strip()
    inner = text[1:-1]
    if text[:1] + text[-1:] in _WRAPS and len(text) > 2 and not {text[0], text[-1]} & set(inner):
        return inner.strip()
    return text


def whole(text: str, most: int) -> str:
    """A text up to its last whole sentence, else its last whole word, where it fills the most characters that it could
    have: a schema's bound ends it there, not its writer."""
    if len(text) < most:
        return text
    return closed(Turn("", (Segment(Kind.ROLE_THINKING, text),))).text_of(Kind.ROLE_THINKING)


_KINDS: dict[str, Kind] = {name: kind for kind, name in CALLED.items()}
_WRAPS = {"()", "[]", "**", "（）", "【】", "“”", '""', "「」"}


def _ends(text: str) -> list[int]:
    """Where each sentence ends, trailing marks and space included, so that the pieces together are the text."""
    starts: list[int] = []
    at = 0
    for sentence in sentences(text):
        at = text.index(sentence, at)
        starts.append(at)
        at += len(sentence)
    return [*starts[1:], len(text)]


def _kept_well(answer: Answer, bits: dict[int, Bit], *, told: bool) -> list[Fault]:
    faults: list[Fault] = []
    kept = [part.keep for part in answer.parts if part.keep is not None]
    if strange := sorted({number for number in kept if number not in bits}):
        faults.append((Reason.UNKNOWN_PIECE, f"there is no piece {strange[0]}; pieces go from 1 to {len(bits)}"))
    if any(part.speech is not None for part in answer.parts):
        faults.append((Reason.WORDS_CHANGED, 'speech is never written anew: give its number, {"keep": number}'))
    if twice := sorted({number for number in kept if kept.count(number) > 1}):
        faults.append((Reason.WORDS_CHANGED, f"piece {twice[0]} stands more than once; keep it once"))
    said = [number for number in kept if number in bits and bits[number].kind is Kind.SPEECH]
    if said != sorted(said):
        faults.append((Reason.WORDS_CHANGED, "speech must be kept in its order"))
    replaced = any(part.thought is not None for part in answer.parts)
    for bit in bits.values():
        if bit.number not in kept and not (bit.kind is Kind.ROLE_THINKING and replaced):
            faults.append((Reason.MISSING, f"piece {bit.number} ({CALLED[bit.kind]}) is missing; keep it"))
    for part in answer.parts:
        meant = bits.get(part.keep or 0)
        if part.as_ and meant and not may_become(meant.kind, _KINDS[part.as_], told=told):
            faults.append((Reason.WORDS_CHANGED, f"piece {meant.number} is {CALLED[meant.kind]} and stays that"))
    return faults


def may_become(kind: Kind, other: Kind, *, told: bool) -> bool:
    """Whether a piece of one kind may be kept as another; with `told` it is proven that speech was spoken.

    A thought never becomes visible, and what was said is never hidden.
    """
    allowed = {(Kind.ROLE_ACTION, Kind.ROLE_THINKING)} | (set() if told else {(Kind.SPEECH, Kind.ROLE_ACTION)})
    return kind is other or (kind, other) in allowed


def _add(parts: list[tuple[Segment, Bit | None]], segment: Segment, bit: Bit, turn: Turn) -> None:
    """Puts a kept piece at the end, as part of the one before where that is kept too and of the same kind."""
    last, before = parts[-1] if parts else (None, None)
    if last is None or before is None or last.kind is not segment.kind:
        parts.append((segment, bit))
        return
    if before.segment == bit.segment and before.end == bit.start:
        raw = turn.segments[bit.segment].text
        written = raw[before.start : before.end]
        gap = written[len(written.rstrip()) :]
    else:
        gap = "" if is_spaceless(last.text[-1:]) or last.text[-1:] in "。！？…”」』" else " "
    parts[-1] = (replace(segment, text=last.text + gap + segment.text), bit)


def kinds_of(bits: Sequence[Bit]) -> tuple[Kind, ...]:
    """The kind of each piece, in order."""
    return tuple(bit.kind for bit in bits)
