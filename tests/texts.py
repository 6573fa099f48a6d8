"""Random turns and hostile texts, shared by the tests of words."""

from __future__ import annotations

from hypothesis import strategies as st

from her.markup import Style, notation
from her.turn import Kind, Segment, Turn

TAGS = notation(Style.TAGS)
PLAN, PLAN_END = TAGS["plan_open"], TAGS["plan_close"]
THOUGHT, THOUGHT_END = TAGS["thought_open"], TAGS["thought_close"]
ACTION, ACTION_END = TAGS["action_open"], TAGS["action_close"]

MARKS = (*TAGS.values(), "<think>", "</think>", "< Role-Thinking >", "</thought>", "<role_speech>", "<b>", "<", "</")
LOOSE = ("*", "**", "[", "]", "(", ")", '"', "“", "”", "【", "】")
PLAIN = (
    "Elizabeth",
    " ",
    "\n",
    "\n\n",
    "Mr. Darcy: ",
    "Elizabeth:",
    "Ann: hi",
    "你好",
    "3 < 4",
    "é",
    "🙂",
    ". ",
    "a",
    "Anna :",
)

hostile = st.lists(st.sampled_from(MARKS + LOOSE + PLAIN) | st.text(max_size=6), max_size=24).map("".join)
"""Texts of marks and words in any order."""

names = st.sampled_from(["Elizabeth", "Mr. Darcy", "Ann", "Anna", "林黛玉", "Éowyn", '"Red"', "3PO"])


def words(forbidden: str = "<") -> st.SearchStrategy[str]:
    """Plain text, trimmed, never empty, without the given characters."""
    alphabet = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=forbidden)
    return st.text(alphabet, min_size=1, max_size=40).map(str.strip).filter(bool)


@st.composite
def turns(draw: st.DrawFn, speaker: str = "Elizabeth", forbidden: str = "<") -> Turn:
    """Well-formed turns: a plan or none, then layers in any order, speech never twice in a row."""
    text = words(forbidden).filter(lambda t: not t.startswith(f"{speaker}"))
    plan = draw(st.none() | text)
    segments = [] if plan is None else [Segment(Kind.SYSTEM_THINKING, plan)]
    for kind in draw(
        st.lists(st.sampled_from([Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH]), min_size=1, max_size=6)
    ):
        if not (kind is Kind.SPEECH and segments and segments[-1].kind is Kind.SPEECH):
            segments.append(Segment(kind, draw(text)))
    return Turn(speaker, tuple(segments))
