"""Which side of a pair is better, who says so, and the argument for it that a judge gave.

A label is known in one of four ways, and of several the first holds: by construction (one side was broken, or the edit
changes nothing), from people (more than half of the readers), from the file that the pair came in, from a judge that
said the same in both orders. What a judge says against it, and what people say against construction, is counted
(`report`) and never read in its favour.
Knows pairs, readers and judgements. Refuses to make a tie of a missing, a broken or an inconsistent answer, and to
write an argument that nobody gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from her.errors import InputError
from her.judge.data.agreement import majority
from her.judge.pairs import Pair, distinct
from her.judge.verdict import Judged, Judgement, Unscored, Verdict, Winner, settled
from her.rows.record import Record


class Known(StrEnum):
    """How a label is known."""

    CONSTRUCTION = "construction"
    PEOPLE = "people"
    FILE = "file"
    JUDGE = "judge"


class Shape(StrEnum):
    """Who wins the findings of one answer, whatever its verdict (the release's classes: docs/sources.md)."""

    BOTH_SIDES = "both_sides"
    """Each side wins at least one."""
    FIRST_ONLY = "first_only"
    SECOND_ONLY = "second_only"
    TIE_ONLY = "tie_only"
    """There are findings, and no side wins any."""
    NO_WINNER = "no_winner"
    """There are none: nothing was argued."""


class Label(Record):
    """A pair with its label (`pair.better`), and a judge's argument for it in each order, both or neither.

    `exchanged` is as it was said: its first is the pair's second.
    """

    pair: Pair
    known: Known
    judged: Winner | None = Field(default=None, description="What a judge says in both orders, in the pair's own.")
    read: Winner | None = Field(default=None, description="What more than half of its readers say.")
    given: Verdict | None = None
    exchanged: Verdict | None = None

    @property
    def winner(self) -> Winner:
        """The label. Raises InputError for a pair without one."""
        if self.pair.better is None:
            raise InputError(f"the pair {self.pair.id!r} has no label")
        return self.pair.better


class Unlabelled(StrEnum):
    """Why a pair has no label; `unscored: ` and the reason stand for the judge's own."""

    NOBODY = "nobody said anything"
    READERS = "readers differ"
    ONE_ORDER = "asked in one order"
    ORDERS = "orders differ"


def labels(
    pairs: Iterable[Pair],
    judgements: Mapping[str, Judgement] | None = None,
    readers: Mapping[str, Mapping[str, Winner]] | None = None,
) -> Iterator[Label | str]:
    """The label of each pair, in their order, or in a few words why it has none.

    `judgements` are by the pair's id, `readers` by name and then by id. Raises InputError for an id that comes twice.
    """
    for pair in distinct(pairs):
        said = [answers[pair.id] for answers in (readers or {}).values() if pair.id in answers]
        yield label(pair, (judgements or {}).get(pair.id), said)


def label(pair: Pair, judgement: Judgement | None = None, said: Sequence[Winner] = ()) -> Label | str:
    """The label of one pair, or in a few words why it has none; `said` are the answers of people."""
    judged = both_orders(judgement) if judgement else Unlabelled.NOBODY
    agreed = judged if isinstance(judged, Winner) else None
    most = majority(said)
    if pair.kind != "natural" and pair.better is not None:
        winner, known = pair.better, Known.CONSTRUCTION
    elif said:
        if most is None:
            return Unlabelled.READERS.value
        winner, known = most, Known.PEOPLE
    elif pair.better is not None:
        winner, known = pair.better, Known.FILE
    elif isinstance(judged, Winner):
        winner, known = judged, Known.JUDGE
    else:
        return str(judged)
    given, exchanged = arguments(judgement, winner) if judgement else (None, None)
    labelled = pair.model_copy(update={"better": winner})
    return Label(pair=labelled, known=known, judged=agreed, read=most, given=given, exchanged=exchanged)


def both_orders(judgement: Judgement) -> Winner | str:
    """What a judge says in both orders alike, in the given one; else why that is nothing to go by."""
    orders = [[one for one, swapped in _asked(judgement) if swapped is order] for order in (False, True)]
    if not all(orders):
        return Unlabelled.ONE_ORDER
    come: list[Judged] = [settled(order, ()) for order in orders]
    for one in come:
        if isinstance(one, Unscored):
            return f"unscored: {one.reason}"
    first, second = (one.winner for one in come if isinstance(one, Verdict))
    return first if first is second else Unlabelled.ORDERS


def arguments(judgement: Judgement, winner: Winner) -> tuple[Verdict | None, Verdict | None]:
    """The answers that argue for this winner, one of each order as it was said there; None twice where one lacks.

    Of several the one with the most findings, which has a whole margin: what a mean says, nobody wrote.
    """
    found: list[Verdict] = []
    for order in (False, True):
        fit = [
            one
            for one, swapped in _asked(judgement)
            if swapped is order and isinstance(one, Verdict) and one.winner is winner and one.margin == int(one.margin)
        ]
        if not fit:
            return None, None
        found.append(max(fit, key=lambda one: len(one.findings)))
    return found[0], found[1].swapped


def _asked(judgement: Judgement) -> Iterable[tuple[Judged, bool]]:
    return zip(judgement.asked, judgement.swapped, strict=True)


def shape(verdict: Verdict) -> Shape:
    """The class of one answer."""
    won = Counter(finding.winner for finding in verdict.findings)
    if won[Winner.FIRST] and won[Winner.SECOND]:
        return Shape.BOTH_SIDES
    if won[Winner.FIRST] or won[Winner.SECOND]:
        return Shape.FIRST_ONLY if won[Winner.FIRST] else Shape.SECOND_ONLY
    return Shape.TIE_ONLY if won[Winner.TIE] else Shape.NO_WINNER


def cancelled(verdict: Verdict) -> bool:
    """Whether a tie is one of two bad sides: each breaks a negative principle that the other keeps to."""
    vetoes = {one.winner for one in verdict.findings if one.negative}
    return verdict.winner is Winner.TIE and {Winner.FIRST, Winner.SECOND} <= vetoes
