"""Gates: what a model's answer must be before it becomes part of a row.

Knows where each measure of `checks` begins to be a fault of a field, a turn or a plan. Refuses to know whom to ask
again and what becomes of a row: a gate returns refusals, and an empty list lets the answer pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from her import checks, markup
from her.checks.units import is_spaceless, without_quotes
from her.rows.record import Refusal, SceneRow
from her.scene import Character
from her.synth.faults import (
    Fault,
    cut,
    names_of,
    num_words,
    others_of,
    refusals,
    secrets,
    stands,
    texts_of,
    turns_before,
    written,
)
from her.synth.reasons import Reason
from her.turn import ENVIRONMENT, Ending, Kind, Segment, Turn

__all__ = ["Reason", "acted", "num_words", "planned", "prose"]

THOUGHT_WORDS = 60
ACTION_WORDS = 25
ADDED_WORDS = 110
"""Most words of one new thought, of one new action, and of all that is added to a turn; like the limits that follow
they are ours (docs/synthesis.md), except where a source is named."""
GROWTH_FROM = 40
"""Words added to a turn, below which they may grow from turn to turn."""
LAYOUT_RUN = 2
"""Most turns in a row with one layout: the rule of HER's prompt (docs/sources.md)."""
ALIKE = 0.5
"""Share of word pairs from which two thoughts are one."""
COPIED_THOUGHT = 0.5
COPIED_PLAN = 0.3
"""Most of a thought, or of a plan, that may stand word for word in the turn's speech; the first too for what was said
before and for what is told of scene and characters."""
QUOTED = 10
"""Words of speech in a row that are too long a quotation in a plan."""
OTHER_FITS = 1.3
OTHER_LEADS = 0.7
"""Another turn fits a plan clearly better where its fit is above the own one's times the first, plus the second; tuned
on plans written by hand (tests/plans_by_hand.py), of which 2 in 53 are refused, and of those that were swapped 69 %."""

_READER = re.compile(
    r"\b(?:users?|utilisat(?:eur|rice)s?|usuari[oa]s?|(?:be)?nutzer(?:in|innen|n|s)?)\b|用户|用戶|使用者", re.IGNORECASE
)


def prose(text: str, *, stage: str, where: str, language: str, words: tuple[int, int]) -> list[Refusal]:
    """What is wrong with a field of prose: empty, length, broken-tag, language, loop.

    `words` are the fewest and the most words (`num_words`); `language` is a BCP-47 code.
    """
    found = written(text, language)
    count, (least, most) = num_words(text), words
    if not least <= count <= most and not any(reason is Reason.EMPTY for reason, _ in found):
        found.insert(0, (Reason.LENGTH, f"{count} words; write {least} to {most}"))
    return refusals(found, stage, where)


def acted(turn: Turn, seen: Sequence[Turn], row: SceneRow, stage: str) -> list[Refusal]:
    """What is wrong with a turn that thoughts and actions were written into, once for each reason.

    `seen` are the turns before it as its speaker lived them; `row` holds the turns before it as they are now, and
    itself as it came. What it came with is not judged, only what is new, but for tags, neighbours and layout. Every
    measure that does not know the language passes.
    """
    came = next((old.turn for old in row.turns if old.id == turn.id), Turn(turn.speaker, ()))
    new = _fresh(turn, came)
    found = [
        *_form(turn, came),
        *_sizes(new, seen),
        *_voice(new, row),
        *(fault for segment in new.segments for fault in written(segment.text, row.language)),
        *secrets(new, row),
        *_echoes(new, turn, seen, row),
        *_layout(turn, row),
    ]
    return refusals(found, stage, turn.id)


def planned(plan: str, turn: Turn, row: SceneRow, words: tuple[int, int], stage: str) -> list[Refusal]:
    """What is wrong with a plan for a turn, once for each reason; `words` are its fewest and most.

    `row` holds all turns of the scene: no plan may use the later ones, and only with them can it be told whose turn
    a plan is for.
    """
    count, (least, most) = num_words(plan), words
    found: list[Fault] = [*written(plan, row.language)]
    if not least <= count <= most and not any(reason is Reason.EMPTY for reason, _ in found):
        found.append((Reason.LENGTH, f"the plan has {count} words; write {least} to {most}"))
    found += _third_person(plan, turn.speaker, row)
    speech, told = [turn.text_of(Kind.SPEECH)], [row.setting, *(text for one in row.cast for text in _about(one))]
    if (checks.copied_share(plan, speech) or 0.0) > COPIED_PLAN or checks.copied_share(plan, speech, QUOTED):
        found.append((Reason.COPIED, "the plan quotes the turn's speech; say in other words what it does"))
    if (checks.copied_share(plan, told) or 0.0) > COPIED_THOUGHT:
        found.append((Reason.COPIED, "the plan repeats what is told of scene and character; say what follows from it"))
    found += _other_minds(plan, turn, row)
    found += _whose(plan, turn, row)
    return refusals(found, stage, turn.id)


# -- turns -----------------------------------------------------------------------------------------------------


def _fresh(turn: Turn, came: Turn) -> Turn:
    """The turn's thoughts and actions without what it came with; a segment that holds nothing new is left out."""
    segments: list[Segment] = []
    for segment in turn.segments:
        if segment.kind not in {Kind.ROLE_THINKING, Kind.ROLE_ACTION}:
            continue
        text = segment.text
        for old in came.segments:
            if old.kind is segment.kind and old.text.strip():
                text = text.replace(old.text.strip(), " ")
        if text.strip() or not segment.text.strip():
            segments.append(replace(segment, text=text.strip()))
    return replace(turn, segments=tuple(segments))


def _form(turn: Turn, came: Turn) -> list[Fault]:
    """Whether the written turn reads back as itself, without neighbours of one kind."""
    found: list[Fault] = []
    kinds = [segment.kind for segment in turn.segments]
    if not kinds:
        found.append((Reason.EMPTY, "the turn has nothing left in it"))
    if any(left is right for left, right in pairwise(kinds)):
        found.append((Reason.ADJACENT, "two thoughts or two actions stand side by side; make one of them"))
    if not _reads_back(turn) and _reads_back(came):
        found.append((Reason.BROKEN_TAG, "the turn does not read back as it was written; write plain prose only"))
    return found


def _reads_back(turn: Turn) -> bool:
    trimmed = tuple(replace(segment, text=segment.text.strip()) for segment in turn.segments)
    parsed = markup.parse(markup.render(replace(turn, segments=trimmed), name=True), speaker=turn.speaker)
    return parsed.ending in {Ending.COMPLETE, Ending.EMPTY} and parsed.turn.segments == trimmed


def _sizes(new: Turn, seen: Sequence[Turn]) -> list[Fault]:
    """How long each new thought and action is, all of them together, and beside the turns before."""
    found: list[Fault] = []
    for segment in new.segments:
        most, what = (THOUGHT_WORDS, "thought") if segment.kind is Kind.ROLE_THINKING else (ACTION_WORDS, "action")
        if (count := num_words(segment.text)) > most:
            found.append((Reason.LENGTH, f"this {what} has {count} words; write at most {most}: {cut(segment.text)}"))
    total = _inner_words(new)
    if total > ADDED_WORDS:
        found.append((Reason.LENGTH, f"{total} words were added to the turn; add at most {ADDED_WORDS}"))
    grown = [*[_inner_words(turn) for turn in seen if turn.speaker == new.speaker][-3:], total]
    rising = all(left < right for left, right in pairwise(grown))
    if len(grown) == 4 and rising and total > max(GROWTH_FROM, 2 * grown[0]):
        steps = ", ".join(map(str, grown))
        found.append((Reason.LENGTH, f"thoughts and actions grow from turn to turn ({steps} words); write fewer"))
    return found


def _inner_words(turn: Turn) -> int:
    return sum(num_words(segment.text) for segment in turn.only(Kind.ROLE_THINKING, Kind.ROLE_ACTION).segments)


def _voice(new: Turn, row: SceneRow) -> list[Fault]:
    """Who speaks of whom, and whether anyone says aloud what the novel does not."""
    found: list[Fault] = [
        (Reason.PERSPECTIVE, f"{finding.rule}: {finding.text!r} in {cut(new.segments[finding.segment].text)}")
        for finding in checks.perspective(new, row.language) or ()
    ]
    others = others_of(new.speaker, row)
    for segment in new.only(Kind.ROLE_ACTION).segments:
        # A name in front is somebody who acts; a possessive is not.
        leading = (name for name in sorted(names_of(new.speaker, row) | others) if _leads(name, segment.text))
        if (name := next(leading, None)) is not None:
            found.append((Reason.PERSPECTIVE, f"an action begins with its verb, not with {name!r}"))
        if without_quotes(segment.text) != segment.text:
            found.append((Reason.INVENTED_SPEECH, f"an action says nothing aloud: {cut(segment.text)}"))
    for finding in checks.mind_reading(new, row.language, others) or ():
        said = f"{new.speaker} cannot know this; infer it from what can be seen, or leave it out"
        found.append((Reason.MIND_READ, f"{said}: {finding.text!r} in {cut(new.segments[finding.segment].text)}"))
    return found


def _leads(name: str, text: str) -> bool:
    after = "(?!的)" if is_spaceless(name[:1]) else r"(?!\w|['’]s)"
    return re.match(re.escape(name) + after, text.strip()) is not None


def _echoes(new: Turn, turn: Turn, seen: Sequence[Turn], row: SceneRow) -> list[Fault]:
    """Thoughts that were thought before, or that only repeat what is said or told."""
    own = [old for old in seen if old.speaker == new.speaker]
    earlier = [segment.text for old in own for segment in old.only(Kind.ROLE_THINKING).segments]
    heard = [old.text_of(Kind.SPEECH) for old in seen]
    told = [text for one in row.cast if one.name == new.speaker for text in _about(one)]
    sources = {
        "what is said aloud": [turn.text_of(Kind.SPEECH)],
        "what was said before": heard,
        "what is told of the character": [*told, row.setting],
    }
    found: list[Fault] = []
    for segment in new.only(Kind.ROLE_THINKING).segments:
        thought = segment.text
        like = checks.near_duplicate(thought, earlier)
        if like is not None and like[1] >= ALIKE:
            found.append((Reason.NEAR_DUPLICATE, f"thought before: {cut(earlier[like[0]])}; think something new"))
        for what, texts in sources.items():
            if (checks.copied_share(thought, texts) or 0.0) > COPIED_THOUGHT:
                found.append((Reason.COPIED, f"the thought repeats {what}: {cut(thought)}"))
        earlier.append(thought)
    return found


def _about(one: Character) -> tuple[str, ...]:
    return one.profile, one.background, one.motivation, one.opening_thought


def _layout(turn: Turn, row: SceneRow) -> list[Fault]:
    before = [old.turn for old in turns_before(turn.id, row) if old.speaker != ENVIRONMENT and old.turn.layout]
    if turn.layout and {old.layout for old in before[-LAYOUT_RUN:]} == {turn.layout} and len(before) >= LAYOUT_RUN:
        said = f"{LAYOUT_RUN} turns before this one have the layout {turn.layout!r} too; write another"
        return [(Reason.LAYOUT_RUN, said)]
    return []


# -- plans -----------------------------------------------------------------------------------------------------


def _third_person(plan: str, name: str, row: SceneRow) -> list[Fault]:
    """Whether the plan speaks as an author, about the character, to nobody."""
    found: list[Fault] = []
    as_turn = Turn(name, (Segment(Kind.SYSTEM_THINKING, plan),))
    if slips := checks.perspective(as_turn, row.language):
        found.append((Reason.PERSPECTIVE, f"write about {name} in the third person, not {slips[0].text!r}"))
    if spoken_to := checks.second_person(plan, row.language):
        found.append((Reason.PERSPECTIVE, f"speak of {name}, to nobody: not {spoken_to[0]!r}"))
    if match := _READER.search(plan):
        found.append((Reason.READER, f"there is no {match.group()!r} here; name the person"))
    if plan.strip() and not any(stands(form, plan) for form in names_of(name, row)):
        found.append((Reason.UNNAMED, f"say {name} by name"))
    return found


def _other_minds(plan: str, turn: Turn, row: SceneRow) -> list[Fault]:
    """What the plan states as fact of others, and what it can only have from their minds."""
    others = others_of(turn.speaker, row)
    as_thought = Turn(turn.speaker, (Segment(Kind.ROLE_THINKING, plan),))
    found: list[Fault] = [
        (Reason.MIND_READ, f"{turn.speaker} cannot know this: {finding.text!r}; say what can be seen or heard")
        # A pronoun is as a rule the character itself here; only names accuse.
        for finding in checks.mind_reading(as_thought, row.language, others) or ()
        if any(stands(other, finding.text) for other in others)
    ]
    alone = replace(turn, segments=(Segment(Kind.SYSTEM_THINKING, plan),))
    return found + secrets(alone, row)


def _whose(plan: str, turn: Turn, row: SceneRow) -> list[Fault]:
    """Whether the plan is for this turn and for no later one."""
    turns = [old.turn.without(Kind.SYSTEM_THINKING) for old in row.turns]
    at = next((place for place, old in enumerate(row.turns) if old.id == turn.id), len(turns))
    turns[at : at + 1] = [turn.without(Kind.SYSTEM_THINKING)]
    found: list[Fault] = []
    known = [*texts_of(turns[: at + 1]), row.setting, row.source.book]
    for one in row.cast:
        known += [one.name, *row.aliases.get(one.name, ())]
        known += _about(one) if one.name == turn.speaker else (one.profile,)
    if ahead := checks.foresight(plan, known, texts_of(turns[at + 1 :]), row.language):
        found.append((Reason.FORESIGHT, f"this comes only later: {', '.join(map(repr, ahead[:3]))}; leave it out"))
    fit = checks.plan_agreement(plan, turns, at)
    if fit is not None and fit.other > OTHER_FITS * fit.own + OTHER_LEADS:
        said = "the plan fits another turn better than this one; name what was just said and what this turn does"
        found.append((Reason.WRONG_TURN, said))
    return found
