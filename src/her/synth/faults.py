"""What is wrong with any text that a model wrote, and whose words and names it may hold.

Knows one text and the scene around it. Refuses to know whether it is a field, a turn or a plan (`gates`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from her import checks, markup
from her.checks.units import CHARACTERS_PER_WORD, is_spaceless
from her.rows.record import Refusal, SceneRow, TurnRow
from her.synth.reasons import Reason
from her.turn import Dialogue, Kind, Segment, Turn

Fault = tuple[Reason, str]
"""Why, and one line that a person can count on and a model can act on: it goes back to the model as it is."""

MOST_FOREIGN = 0.3
"""Share of letters in scripts that the language is not written in, above which a text is in another language: names
and a phrase of French stay below it; ours."""

_SHOWN = 80
_CODE = re.compile(r"[\[\]{}<>|\\【】\x00-\x08\x0b-\x1f\x7f]|```|\*\*|__")
_TITLE = re.compile(
    r"the|old|young|little|sir|lady|lord|king|queen|prince|princess|duke|duchess|count|countess|captain|colonel|major"
    r"|general|doctor|professor|uncle|aunt|father|mother|brother|sister|miss|(?:mr|mrs|ms|dr|st)\.?|madame|monsieur"
    r"|herr|frau|don|doña|señora?",
    re.IGNORECASE,
)
"""Words of a name that anybody may be called by."""


def refusals(found: Iterable[Fault], stage: str, where: str) -> list[Refusal]:
    """One refusal for each reason, the first of its faults, in order."""
    first: dict[Reason, str] = {}
    for reason, said in found:
        first.setdefault(reason, said)
    return [Refusal(stage=stage, reason=reason, where=where, detail=said) for reason, said in first.items()]


def written(text: str, language: str) -> list[Fault]:
    """Empty, tags, language, loop: what no text of a model may be."""
    if not any(character.isalpha() for character in text):
        return [(Reason.EMPTY, "nothing is written")]
    found: list[Fault] = []
    if marked(text):
        found.append((Reason.BROKEN_TAG, f"write plain prose without tags or brackets around it: {cut(text)}"))
    if checks.wrong_language(text, language) or (checks.foreign_share(text, language) or 0.0) > MOST_FOREIGN:
        found.append((Reason.LANGUAGE, f"not in the language of the scene ({language}): {cut(text)}"))
    if loop := checks.find_loop(text):
        found.append((Reason.LOOP, f"goes round in circles: {cut(text[loop.start :])}"))
    return found


def marked(text: str) -> bool:
    """True where a text holds tags, signs of code or control characters, or stands in brackets as a layer would."""
    bare = text.strip()
    layer = Segment(Kind.ROLE_ACTION, bare)
    parsed = markup.parse(markup.render(Turn("", (layer,))))
    wrapped = bare[:1] + bare[-1:] in {"()", "**", "（）"}
    return wrapped or bool(_CODE.search(bare)) or parsed.turn.segments != (layer,) or bool(parsed.faults)


def cut(text: str) -> str:
    """The text on one line, quoted, not longer than a detail should be."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…")


def num_words(text: str) -> int:
    """Words of a text; in scripts without spaces so many characters count as one (`checks.units`)."""
    size = checks.length(text)
    return size.words + round(size.ideographs / CHARACTERS_PER_WORD)


def secrets(new: Turn, row: SceneRow) -> list[Fault]:
    """Words of the turn that stand in what its speaker never saw: others' minds and plans until then, what lies
    behind them, what was said out of earshot. `row` holds the turns before it, and itself as it came."""
    me = next((one for one in row.cast if one.name == new.speaker), None)
    own = [] if me is None else [me.background, me.motivation, me.opening_thought]
    itself = [piece.text for old in row.turns if old.id == new.id for piece in old.segments]
    known = [row.setting, *(one.profile for one in row.cast), *own, *itself]
    hidden = [
        Turn(one.name, tuple(Segment(Kind.ROLE_THINKING, text) for text in behind if text.strip()))
        for one in row.cast
        if one.name != new.speaker and (behind := (one.background, one.motivation, one.opening_thought))
    ]
    lived = [old.turn for old in turns_before(new.id, row)]
    world = Dialogue(frozenset(one.name for one in row.cast), (*hidden, *lived))
    return [
        (Reason.LEAK, f"{new.speaker} never saw these words, they are {leak.owner}'s alone: {cut(leak.text)}")
        for leak in checks.leaks(new, world, known="\n".join(known)) or ()
    ]


def turns_before(turn_id: str, row: SceneRow) -> tuple[TurnRow, ...]:
    """The turns before one; all of them where the row does not have it."""
    at = next((place for place, old in enumerate(row.turns) if old.id == turn_id), len(row.turns))
    return row.turns[:at]


def texts_of(turns: Iterable[Turn]) -> list[str]:
    """All that each turn holds, as one text."""
    return ["\n".join(segment.text for segment in turn.segments) for turn in turns]


def names_of(name: str, row: SceneRow) -> set[str]:
    """What a character is called: name, aliases, and the parts of them that mean nobody else in the cast.

    A part is a word but a title, or, of three Chinese characters and more, the last two.
    """
    whole = {name, *row.aliases.get(name, ())}
    others = {word for one in row.cast if one.name != name for word in one.name.casefold().split()}
    parts = {word for form in whole for word in form.split() if len(word) > 2 and not word.islower()}
    given = {form[-2:] for form in whole if len(form) > 2 and all(map(is_spaceless, form))}
    return whole | given | {part for part in parts if part.casefold() not in others and not _TITLE.fullmatch(part)}


def others_of(name: str, row: SceneRow) -> set[str]:
    """What the others in the cast are called, as `names_of` has it."""
    own = names_of(name, row)
    return {form for one in row.cast if one.name != name for form in names_of(one.name, row)} - own


def stands(name: str, text: str) -> bool:
    """Whether the name stands in the text as a whole word; case does not count."""
    pattern = re.escape(name) if is_spaceless(name[:1]) else rf"(?<!\w){re.escape(name)}(?!\w)"
    return re.search(pattern, text, re.IGNORECASE) is not None
