"""Pairs for judges of known bias: as many places as it takes to tell, a pair of each kind at each."""

from __future__ import annotations

from collections.abc import Iterator

from her.judge.pairs import Pair, Setting
from her.judge.verdict import Winner
from her.rows.record import Piece, TurnRow
from her.scene import Character, Scene
from her.turn import Kind

FAMILIES = ("plan-leak", "padding", "anachronism")


def setting(book: int, scene: int, place: int, *, excuse: str = "") -> Setting:
    turns = tuple(
        TurnRow(id=f"t{n}", speaker="Bob", segments=(Piece(kind=Kind.SPEECH, text=f"Line {n}."),))
        for n in range(place + 1)
    )
    cast = (Character(name="Ann"), Character(name="Bob"))
    made = Scene(id=f"b{book}/s{scene}", title="A", setting=f"Room {scene} of house {book}.{excuse}", cast=cast)
    return Setting(scene=made, speaker="Ann", turns=turns)


def said(words: str, count: int = 6) -> str:
    return f"Ann: {' '.join([words] * count)}"


def planted(books: int = 24, scenes: int = 4, places: int = 4) -> list[Pair]:
    """At each place a natural pair, a broken one, its twin (a tie), and two equal ones of unequal length."""
    return [
        pair
        for book in range(books)
        for scene in range(scenes)
        for place in range(places)
        for pair in at(book, scene, place)
    ]


def at(book: int, scene: int, place: int) -> Iterator[Pair]:
    number = (book * 4 + scene) * 4 + place
    where = setting(book, scene, place)
    one, other = (Winner.FIRST, Winner.SECOND) if number % 2 else (Winner.SECOND, Winner.FIRST)
    id, named = f"b{book}s{scene}p{place}", {"book": f"book {book}"}
    size = 4 + number % 5
    yield Pair(id=f"{id}/n", at=where, first=said("yes"), second=said("so", size), better=one, **named)
    broken = {"family": FAMILIES[number % 3], "grade": 1 + number // 3 % 3, **named}
    sides = {"first": said("left", 5), "second": said("right", 5)}
    yield Pair(id=f"{id}/b", at=where, **sides, better=other, kind="broken", **broken)
    elsewhere = setting(book, scene, place, excuse=" Here it is allowed.")
    yield Pair(id=f"{id}/t", at=elsewhere, **sides, better=Winner.TIE, kind="twin", twin_of=f"{id}/b", **broken)
    lengths = (4, 8) if number % 2 else (9, 3)
    first, second = (said("word", length) for length in lengths)
    yield Pair(id=f"{id}/e", at=where, first=first, second=second, better=Winner.TIE, kind="neutral", **named)
