"""Pairs, verdicts and judgements for tests of judges' data: small, and of two lighthouse keepers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import stages
from her.judge.pairs import Pair, Setting
from her.judge.verdict import Finding, Judged, Judgement, Verdict, Winner, settled
from her.rows.record import TurnRow
from her.turn import Kind, Turn

FIRST, SECOND, TIE = Winner
WON = {"1": FIRST, "2": SECOND, "t": TIE}


def at(book: str = "b0", place: int = 0) -> Setting:
    """A place in a scene of this book."""
    scene = stages.scene(id=f"{book}/s")
    before = stages.turn("Tom", (Kind.ROLE_THINKING, "I could row."), (Kind.SPEECH, f"Shall I, {place}?"))
    turn = Turn(before.speaker, before.segments, None, f"t{place}")
    return Setting(scene=scene, speaker="Mara Vell", turns=(TurnRow.of(turn),))


def pair(id: str, better: Winner | None = None, *, sizes: tuple[int, int] = (4, 4), **more: Any) -> Pair:
    """A pair of two replies with so many words."""
    book = more.pop("book", "b0")
    first, second = (" ".join([f"{word}{id}"] * size) for word, size in zip(("Aye", "Nay"), sizes, strict=True))
    texts = {"first": first, "second": second} | more
    return Pair(id=id, at=texts.pop("at", at(book)), better=better, book=book, **texts)


def verdict(margin: int, won: str = "", *, negative: Sequence[int] = ()) -> Verdict:
    """An answer with these findings, a letter each: 1, 2 or t; `negative` are the numbers of those that are vetoes."""
    findings = tuple(
        Finding(f"p{n}", n in negative, WON[letter], f"first {n}", f"second {n}") for n, letter in enumerate(won)
    )
    return Verdict(margin, findings)


def judgement(given: Sequence[Judged], exchanged: Sequence[Judged] = ()) -> Judgement:
    """A judgement of answers as they were said in each order: 1 is what stood first there."""
    asked = (*given, *(one.swapped for one in exchanged))
    swapped = (*(False for _ in given), *(True for _ in exchanged))
    return Judgement(settled(given, exchanged), asked, swapped)


def agreed(margin: int, won: str = "12t") -> Judgement:
    """A judgement in which both orders say the same."""
    one = verdict(margin, won)
    return judgement([one], [one.swapped])
