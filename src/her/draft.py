"""A turn while it is being read: segments that grow, and names at the start of a line.

Knows white space, joints between words, and who may be named. Refuses to know marks, depths and events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from her.turn import ENVIRONMENT, Kind

NAME_ENDS = (":", " :", "：")
"""What makes a name at the start of a line a speaker: French puts a space before the colon, Chinese has its own."""


def spellings(names: Iterable[str]) -> dict[str, str]:
    """How models write these names before a colon, each with the name it stands for.

    Whole; without the dots of a title (`Mr Darcy`); by a word that no other of them has (`Darcy`).
    """
    whole = sorted({*names} - {""})
    owners = Counter(word for name in whole for word in set(name.split()))
    found: dict[str, str] = {}
    for name in whole:
        words = [w for w in name.split() if owners[w] == 1 and len(w) > 1 and not w.islower() and not w.endswith(".")]
        found |= dict.fromkeys([name.replace(".", ""), *words], name)
    return found | {name: name for name in whole}


def is_word(character: str) -> bool:
    """Whether a character belongs to a word of a script that puts spaces between words."""
    return character.isalnum() and character < "\u2e80"  # from there on: CJK, kana, hangul


def is_spaced(character: str) -> bool:
    """Whether a space belongs between this character and the next sentence: no after Chinese and Japanese ones."""
    return not ("\u2e80" <= character < "\uac00" or "\uff00" <= character < "\uffef")


@dataclass(slots=True)
class _Piece:
    kind: Kind
    block: int
    parts: list[str] = field(default_factory=list)


class Draft:
    """Segments as they grow: outer white space dropped, speech on both sides of an empty block joined."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._gap: list[str] = []
        self._joint = False
        self._settled = 0

    def joint(self) -> None:
        """A mark stood here: letters on both sides of it are two words."""
        self._joint = True

    def write(self, kind: Kind, block: int, text: str) -> tuple[bool, str]:
        """Whether a new segment began, and the text that became part of it (empty for white space).

        Text of one kind and block is one segment, unless another kind stands between.
        """
        last = self._pieces[-1] if self._pieces else None
        same = last is not None and last.kind is kind and (kind is Kind.SPEECH or last.block == block)
        body = text.strip()
        if not body:
            if same and text:
                self._gap.append(text)
            return False, ""
        lead = text[: len(text) - len(text.lstrip())]
        if last is None or not same:
            lead = ""
            last = _Piece(kind, block)
            self._pieces.append(last)
        else:
            lead = "".join(self._gap) + lead
            if not lead and self._joint and run_together(last.parts[-1], body):
                lead = " "
        last.parts.append(lead + body)
        self._gap = [text[len(text.rstrip()) :]]
        self._joint = False
        return not same, lead + body

    def retract(self, kind: Kind) -> None:
        """Makes every action and speech so far private; in time proportional to what came since the last time."""
        fresh = self._pieces[self._settled :]
        del self._pieces[self._settled :]
        for piece in fresh:
            last = self._pieces[-1] if self._pieces else None
            if piece.kind.private:
                self._pieces.append(piece)
            elif last is not None and last.kind is kind:
                last.parts.extend((" ", *piece.parts))
            else:
                self._pieces.append(_Piece(kind, -1, piece.parts))
        self._settled, self._gap = len(self._pieces), []

    def release(self, block: int, mark: str) -> None:
        """Turns the actions of a block that a lone mark opened back into speech, the mark included."""
        kept: list[_Piece] = []
        lone = [mark]
        for old in self._pieces:
            piece = old
            if old.kind is Kind.ROLE_ACTION and old.block == block:
                piece = _Piece(Kind.SPEECH, 0, lone + old.parts)
                lone = []
            if kept and piece.kind is kept[-1].kind is Kind.SPEECH:
                kept[-1].parts.extend((" ", *piece.parts))
            else:
                kept.append(piece)
        if lone:
            kept.append(_Piece(Kind.SPEECH, 0, lone))
        self._pieces = kept

    def pieces(self) -> list[tuple[Kind, str]]:
        """Kind and text of every segment."""
        return [(piece.kind, "".join(piece.parts).strip()) for piece in self._pieces]


class Transcript(Draft):
    """Every character between marks, white space included, for showing a text rather than a turn."""

    def write(self, kind: Kind, block: int, text: str) -> tuple[bool, str]:
        """As `Draft.write`, with nothing dropped and nothing joined."""
        last = self._pieces[-1] if self._pieces else None
        same = last is not None and (last.kind, last.block) == (kind, block)
        if last is None or not same:
            last = _Piece(kind, block)
            self._pieces.append(last)
        last.parts.append(text)
        return not same, text

    def pieces(self) -> list[tuple[Kind, str]]:
        """Kind and text of every piece, as written."""
        return [(piece.kind, "".join(piece.parts)) for piece in self._pieces]


def run_together(left: str, right: str) -> bool:
    """Whether two texts set side by side would make one word of two."""
    return (is_word(left[-1:]) or left[-1:] in ".,;:!?…") and is_word(right[:1])


class NameWatch:
    """Looks for `Name:` at the start of a line of speech.

    The speaker's own is dropped once, before the first words; another's means that somebody else speaks.
    """

    def __init__(self, speaker: str, cast: Iterable[str]) -> None:
        names = {*cast}
        written = spellings({speaker, *names, ENVIRONMENT} if names else {speaker})
        heads = {spelt + end: name for spelt, name in written.items() for end in NAME_ENDS}
        self._own = tuple(head for head, name in heads.items() if name == speaker)
        self._others = {head: name for head, name in heads.items() if name != speaker}
        self._longest = max(map(len, (*self._own, *self._others)), default=0)
        self.fresh()

    def __bool__(self) -> bool:
        return self._longest > 0

    def fresh(self) -> None:
        """Nothing has been said yet."""
        self._held, self._at_start, self._spoke = "", True, False

    def line_start(self) -> None:
        """What comes next stands as at the start of a line."""
        self._at_start = True

    def release(self) -> str:
        """Text held back until now, which is speech after all."""
        held, self._held = self._held, ""
        if held:
            self._at_start, self._spoke = False, True
        return held

    def watch(self, text: str) -> tuple[str, str, str]:
        """Speech that is free to go; then another speaker's name and the text from it on, both empty if none."""
        text, self._held = self._held + text, ""
        free: list[str] = []
        at = 0
        while at < len(text):
            if not self._at_start:
                end = text.find("\n", at) + 1 or len(text)
                self._spoke = self._spoke or not text[at:end].isspace()
                self._at_start = text[end - 1] == "\n"
                free.append(text[at:end])
                at = end
            elif text[at].isspace():
                free.append(text[at])
                at += 1
            elif name := self._other(text, at):
                return "".join(free), name, text[at:]
            elif self._undecided(text, at):
                self._held = text[at:]
                break
            else:
                at += self._own_name(text, at)
                self._at_start = False
        return "".join(free), "", ""

    def _other(self, text: str, at: int) -> str:
        return next((name for written, name in self._others.items() if text.startswith(written, at)), "")

    def _own_name(self, text: str, at: int) -> int:
        if self._spoke:
            return 0
        return next((len(written) for written in self._own if text.startswith(written, at)), 0)

    def _undecided(self, text: str, at: int) -> bool:
        """Whether the text ends inside what may become a name."""
        line = text[at : at + self._longest]
        names = self._others if self._spoke else (*self._own, *self._others)
        return any(len(line) < len(written) and written.startswith(line) for written in names)
