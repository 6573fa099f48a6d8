"""A book as its file gave it, before it is cut into chapters.

Knows what every kind of file comes down to: clean text, what the file says of itself, where it says that something
begins. Refuses to know kinds of files.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

BREAK = "* * *"
"""What stands between two scenes, however a file writes it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A heading that the file itself names: `start` and `end` are its place in the text, equal where it stands
    nowhere in it. `matter`: what begins here is not part of the story, such as a title page."""

    start: int
    end: int
    title: str
    matter: bool = False


@dataclass(frozen=True, slots=True)
class Manuscript:
    """The normalised text with what the file says of it; empty where it says nothing.

    `language` is a BCP-47 tag. `faults` are lines for people: what was missing and could be done without.
    """

    text: str
    title: str = ""
    author: str = ""
    language: str = ""
    marks: tuple[Mark, ...] = ()
    faults: tuple[str, ...] = ()


_INVISIBLE = re.compile("[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_JOINERS = re.compile("(?<![\u0600-\u08ff\u0900-\u0dff\U0001f000-\U0001faff\ufe0f])[\u200c\u200d]")
_SPACES = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_SOFT_BREAK = re.compile("\u00ad[ \t]*\n[ \t]*")


def clean(text: str) -> str:
    """The text in NFC, with one kind of line end and of space, and without what cannot be seen.

    Soft hyphens go, together with a line break after them; joiners stay where scripts need them.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = text.replace("\v", "\n").replace("\f", "\n").replace("\x85", "\n")
    text = _SOFT_BREAK.sub("", text)
    text = _JOINERS.sub("", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", _CONTROLS.sub("", _SPACES.sub(" ", text)))
