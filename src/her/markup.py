"""How a turn is written: tags, CoSER's brackets, people's asterisks, and the display form.

The only module that knows how a mark is spelt. `docs/format.md` is the public specification of what stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from her.draft import Transcript, is_spaced, is_word, run_together
from her.stream import Depths, Finished, Literal, Mark, Notation, StreamParser, open_kind
from her.turn import Kind, Parsed, Segment, Turn, View


class Style(StrEnum):
    """The three written styles."""

    TAGS = "tags"
    """What models are trained on."""
    BRACKETS = "brackets"
    """CoSER's: thoughts in square brackets, actions in round ones."""
    ASTERISKS = "asterisks"
    """What people and cards write: `*action* "speech"`, and thoughts in square brackets."""


_NAMES = {
    Kind.SYSTEM_THINKING: "system_thinking",
    Kind.ROLE_THINKING: "role_thinking",
    Kind.ROLE_ACTION: "role_action",
}
_ALIASES = {
    # Spellings that models produce and the release's cleaners tolerate (docs/sources.md).
    "system_think": Kind.SYSTEM_THINKING,
    "think": Kind.SYSTEM_THINKING,
    "thinker": Kind.SYSTEM_THINKING,
    "thinking": Kind.SYSTEM_THINKING,
    "role_think": Kind.ROLE_THINKING,
    "thought": Kind.ROLE_THINKING,
    "long_role_thinking": Kind.ROLE_THINKING,
    "action": Kind.ROLE_ACTION,
    "role_speech": Kind.SPEECH,
    "speech": Kind.SPEECH,
} | {name: kind for kind, name in _NAMES.items()}

_TAG = re.compile(r"<[ \t]{0,2}(/?)[ \t]{0,2}([A-Za-z]+(?:[ _-][A-Za-z]+){0,2})[ \t]{0,2}/?>")
_TAG_HEAD = re.compile(r"<[ \t]{0,2}/?[ \t]{0,2}([A-Za-z _-]*)/?")
_LONGEST_TAG = max(map(len, _ALIASES)) + 10


def _tag(kind: Kind, *, closes: bool = False) -> str:
    return f"<{'/' * closes}{_NAMES[kind]}>"


_EXACT = {_tag(kind, closes=closes) for kind in _NAMES for closes in (False, True)}


class _Tags:
    """Tags, which every style understands."""

    marks = "<"

    def __init__(self) -> None:
        self._next = re.compile(f"[{re.escape(self.marks)}]")

    def find(self, text: str, start: int) -> int:
        found = self._next.search(text, start)
        return found.start() if found else len(text)

    def read(self, text: str, at: int, before: str, depths: Depths) -> Mark | Literal | None:
        if text[at] != "<":
            return self.loose(text, at, before, depths)
        if found := _TAG.match(text, at):
            kind = _ALIASES.get(re.sub(r"[ -]", "_", found[2].lower()))
            if kind is None:
                return Literal(1)
            alias = found[0] not in _EXACT and kind is not Kind.SPEECH
            return Mark(kind, not found[1], len(found[0]), "tag", alias=alias)
        head = _TAG_HEAD.match(text, at)
        if head is None or head.end() < len(text) or len(text) - at > _LONGEST_TAG:
            return Literal(1)
        begun = re.sub(r"[ -]", "_", head[1].lower()).rstrip("_")
        return None if any(name.startswith(begun) for name in _ALIASES) else Literal(1)

    def loose(self, text: str, at: int, before: str, depths: Depths) -> Mark | Literal | None:
        """What a mark that is not a tag means here."""
        raise AssertionError("tags have no other marks")

    def tidy(self, kind: Kind, text: str) -> str:
        return text


class _Brackets(_Tags):
    """CoSER's square brackets for thoughts and round ones for actions."""

    marks = "<[]()【】（）"
    _sorts = {  # noqa: RUF012
        **dict.fromkeys("[]【】", Kind.ROLE_THINKING),
        **dict.fromkeys("()（）", Kind.ROLE_ACTION),
    }

    def loose(self, text: str, at: int, before: str, depths: Depths) -> Mark | Literal | None:
        kind, opens = self._sorts[text[at]], text[at] in "[(【（"
        key, outer = ("bracket", kind), open_kind(depths)
        mark = Mark(kind, opens, 1, "bracket", lone=not kind.private)
        if opens:
            if depths[key] and outer is kind:
                return Mark(kind, opens, 1, "bracket", lone=mark.lone, kept=True)
            free = not outer.private if kind.private else outer is Kind.SPEECH
            return mark if free else Literal(1)
        if depths[key]:
            if outer is not kind:
                return Literal(1)
            return mark if depths[key] == 1 else Mark(kind, opens, 1, "bracket", kept=True)
        if outer is not Kind.SPEECH:
            return Literal(1)
        return mark if kind.private else Literal(1, ambiguous=True)


_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"))


class _Asterisks(_Brackets):
    """Asterisks for actions, quotation marks around speech, square brackets for thoughts."""

    marks = "<[]【】*"

    def loose(self, text: str, at: int, before: str, depths: Depths) -> Mark | Literal | None:
        if text[at] != "*":
            return super().loose(text, at, before, depths)
        if at + 1 == len(text):
            return None
        after, outer = text[at + 1], open_kind(depths)
        if before == "*" or after == "*":
            return Literal(1, ambiguous=outer is Kind.SPEECH)
        if depths["asterisk", Kind.ROLE_ACTION]:
            closes = outer is Kind.ROLE_ACTION and not before.isspace() and not is_word(after)
            return Mark(Kind.ROLE_ACTION, False, 1, "asterisk", lone=True) if closes else Literal(1)
        if outer is not Kind.SPEECH:
            return Literal(1)
        opens = not after.isspace() and not is_word(before or " ")
        return Mark(Kind.ROLE_ACTION, True, 1, "asterisk", lone=True) if opens else Literal(1, ambiguous=True)

    def tidy(self, kind: Kind, text: str) -> str:
        if kind is not Kind.SPEECH:
            return text
        for left, right in _QUOTES:
            inner = text[1:-1]
            if len(text) > 1 and text[0] == left and text[-1] == right and not {left, right} & set(inner):
                return inner.strip()
        return text


_NOTATIONS: dict[Style, Notation] = {
    Style.TAGS: _Tags(),
    Style.BRACKETS: _Brackets(),
    Style.ASTERISKS: _Asterisks(),
}


def stream(
    *,
    style: Style = Style.TAGS,
    speaker: str = "",
    cast: Iterable[str] = (),
    opened: Kind | None = None,
    plan: bool = False,
) -> StreamParser:
    """A parser for text that comes in pieces; arguments as for `parse`."""
    return StreamParser(_NOTATIONS[style], speaker=speaker, cast=cast, opened=opened, plan=plan)


def parse(
    text: str,
    *,
    style: Style = Style.TAGS,
    speaker: str = "",
    cast: Iterable[str] = (),
    opened: Kind | None = None,
    plan: bool = False,
) -> Parsed:
    """The turn that a text holds, how it ended, and its faults; any text gives one, none raises.

    `cast` are names whose `Name:` at the start of a line means that somebody else speaks, `opened` is the block that
    a prefill left open, and with `plan` a missing plan is a fault.
    """
    parser = stream(style=style, speaker=speaker, cast=cast, opened=opened, plan=plan)
    parser.feed(text)
    finished = parser.finish()[-1]
    assert isinstance(finished, Finished)
    return finished.parsed


def notation(style: Style = Style.TAGS) -> dict[str, str]:
    """How each layer is written, for prompt texts: keys `plan_open`, `plan_close`, `thought_open` and so on.

    Only tags can write a plan; the other styles have empty strings for it.
    """
    written: dict[str, str] = {}
    for kind, (opener, closer) in _marks(style).items():
        written |= {f"{kind.short}_open": opener, f"{kind.short}_close": closer}
    return written


@cache
def _marks(style: Style) -> dict[Kind, tuple[str, str]]:
    """Opener and closer of each kind that has them, plans first."""
    pairs = {
        Style.TAGS: [(_tag(kind), _tag(kind, closes=True)) for kind in _NAMES],
        Style.BRACKETS: [("", ""), ("[", "]"), ("(", ")")],
        Style.ASTERISKS: [("", ""), ("[", "]"), ("*", "*")],
    }[style]
    return dict(zip(_NAMES, pairs, strict=True))


def render(turn: Turn, style: Style = Style.TAGS, *, name: bool = False) -> str:
    """The turn as text, nothing between segments but two of speech; with `name`, `Name: ` stands after the plan.

    Marks inside a segment's text are written with look-alikes, so that no text can open or close a block.
    A plan is written in tags in every style, first.
    """
    plans = [s for s in turn.segments if s.kind is Kind.SYSTEM_THINKING]
    others = [s for s in turn.segments if s.kind is not Kind.SYSTEM_THINKING]
    head = "".join(_tag(s.kind) + _plain(s.text, Style.TAGS) + _tag(s.kind, closes=True) for s in plans)
    body = head + (f"{turn.speaker}: " if name else "")
    for before, segment in zip((None, *others), others, strict=False):
        text = _written(segment.kind, _plain(segment.text, style), style)
        body += (_joint(before, segment, style) if before else "") + text
    return body


def _joint(left: Segment, right: Segment, style: Style) -> str:
    """What stands between two segments.

    Speech next to speech is two sentences that a thought kept apart, which a reader of other minds does not see.
    """
    if style is not Style.TAGS:
        return " "
    spaced = is_spaced(left.text[-1:]) and is_spaced(right.text[:1])
    return " " if left.kind is right.kind is Kind.SPEECH and spaced else ""


def _written(kind: Kind, text: str, style: Style) -> str:
    if kind is Kind.SPEECH:
        return _quoted(text) if style is Style.ASTERISKS else text
    opener, closer = _marks(style)[kind]
    return opener + text + closer


def _quoted(text: str) -> str:
    """Speech in the first sort of quotation marks that it does not hold itself."""
    left, right = next((pair for pair in _QUOTES if not set(pair) & set(text)), _QUOTES[0])
    return left + text + right


_LOOK_ALIKES = {
    Style.TAGS: {},
    Style.BRACKETS: str.maketrans("[]()【】（）", "⟦⟧⦅⦆⟦⟧⦅⦆"),
    Style.ASTERISKS: str.maketrans("[]【】*", "⟦⟧⟦⟧∗"),
}


def _plain(text: str, style: Style) -> str:
    """Text in which nothing can be read as a mark."""
    if "<" in text:
        text = _TAG.sub(lambda tag: f"‹{tag[0][1:-1]}›", text)
        if text.endswith("<") or _TAG_HEAD.search(text):
            text = re.sub(r"<(?=[ \t]{0,2}/?[ \t]{0,2}[A-Za-z _-]*$)", "‹", text)
    return text.translate(_LOOK_ALIKES[style]) if _LOOK_ALIKES[style] else text


def display(turn: Turn, view: View) -> str:
    """The turn as plain text for a person: `[thought]`, `(action)`, speech, one line each; plans as `{plan}`."""
    marks = {
        Kind.SYSTEM_THINKING: "{{{}}}",
        Kind.ROLE_THINKING: "[{}]",
        Kind.ROLE_ACTION: "({})",
        Kind.SPEECH: "{}",
    }
    return "\n".join(marks[s.kind].format(s.text) for s in turn.only(*view.kinds).segments)


def remove_system_thinking(text: str) -> str:
    """A reply without its plan, as HER-32B's model card does it, and without a plan that was cut or lost its opener."""
    return _shown(text, {Kind.SYSTEM_THINKING}, {kind: (_tag(kind), _tag(kind, closes=True)) for kind in _NAMES})


def format_for_display(text: str, show_rolethink: bool = True) -> str:
    """A reply as the model card displays it: `[thought]`, `(action)`, speech; thoughts only where asked for.

    White space between segments is kept as the model wrote it, except that two words never run together.
    """
    hidden = {Kind.SYSTEM_THINKING} if show_rolethink else {Kind.SYSTEM_THINKING, Kind.ROLE_THINKING}
    return _shown(text, hidden, {Kind.ROLE_THINKING: ("[", "]"), Kind.ROLE_ACTION: ("(", ")")})


def _shown(text: str, hidden: set[Kind], marks: dict[Kind, tuple[str, str]]) -> str:
    transcript = Transcript()
    parser = StreamParser(_NOTATIONS[Style.TAGS], draft=transcript)
    parser.feed(text)
    parser.finish()
    shown: list[str] = []
    skipped = False
    for kind, piece in transcript.pieces():
        if kind in hidden:
            skipped = True
            continue
        left, right = marks.get(kind, ("", ""))
        if skipped and kind is Kind.SPEECH and shown and run_together(shown[-1], piece):
            shown.append(" ")
        shown.append(left + piece + right)
        skipped = False
    return "".join(shown).strip()
