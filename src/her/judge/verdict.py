"""What a judge says of two candidates, and what several answers come to.

Knows winners, margins, vetoes, and the difference between a tie and no answer. Refuses to know how a judge is asked.

The rules:
- The margin is −3 to 3, above 0 where the first is better. 0 is a tie, and a tie is an answer.
- Each finding names a principle and who keeps to it better. A negative principle is a veto: a candidate that alone
  breaks one has lost, whatever else is good; where both break one, that principle decides nothing.
- A verdict must follow from its findings: its winner has a finding of its own, and no veto speaks against it.
  One that does not is Unscored (`contradiction`): what contradicts itself is not read in favour of either half.
- Of two orders the margins are averaged, each as if asked in the first order. Where one says first and the other
  second, the judge followed the place and not the text: a tie that is not consistent. Where one has no answer, the
  pair has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import mean

from her.errors import InputError

MOST = 3
"""The largest margin: slight, clear, significant (degrees: HER's judge prompt, docs/sources.md)."""


class Winner(StrEnum):
    """Who is better."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"

    @property
    def other(self) -> Winner:
        """The winner with the candidates' places exchanged."""
        return {Winner.FIRST: Winner.SECOND, Winner.SECOND: Winner.FIRST}.get(self, Winner.TIE)


class Reason(StrEnum):
    """Why there is no verdict."""

    UNREADABLE = "unreadable"
    """The answer is not in the shape that was asked for, after one request to mend it."""
    CONTRADICTION = "contradiction"
    """The verdict does not follow from its own findings."""
    COPIED = "copied"
    """The answer is a candidate's text and no judgement."""
    CUT = "cut"
    """The token limit ended the answer."""
    NO_ROOM = "no room"
    """The comparison does not fit the judge's window."""
    FAILED = "failed"
    """The model or its server gave no answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How the candidates stand under one principle. `principle` is an id of the list, or a name of the judge's own;
    `first` and `second` are the evidence, a few words about each."""

    principle: str
    negative: bool
    winner: Winner
    first: str = ""
    second: str = ""

    @property
    def swapped(self) -> Finding:
        """The finding with the candidates' places exchanged."""
        return replace(self, winner=self.winner.other, first=self.second, second=self.first)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A readable answer. `margin` is a whole number in one answer and may lie between in the mean of several;
    `consistent` is false where two orders gave opposite winners."""

    margin: float
    findings: tuple[Finding, ...] = ()
    consistent: bool = True

    def __post_init__(self) -> None:
        """Raises InputError for a margin beyond MOST."""
        if not -MOST <= self.margin <= MOST:
            raise InputError(f"a margin is {-MOST} to {MOST}, not {self.margin}")

    @property
    def winner(self) -> Winner:
        """Who is better by the margin's sign."""
        return Winner.TIE if self.margin == 0 else Winner.FIRST if self.margin > 0 else Winner.SECOND

    @property
    def swapped(self) -> Verdict:
        """The verdict with the candidates' places exchanged."""
        return replace(self, margin=-self.margin or 0, findings=tuple(one.swapped for one in self.findings))


@dataclass(frozen=True, slots=True)
class Unscored:
    """No verdict, and why; never a tie, a win or a loss."""

    reason: Reason
    detail: str = ""

    @property
    def swapped(self) -> Unscored:
        """The same: nothing was said of either."""
        return self


Judged = Verdict | Unscored


@dataclass(frozen=True, slots=True)
class Judgement:
    """All answers for one pair and what they come to. `asked` are as if each had been asked in the given order:
    those in the given order first, then those with the places exchanged."""

    verdict: Judged
    asked: tuple[Judged, ...]
    swapped: tuple[bool, ...]


def checked(verdict: Verdict) -> Judged:
    """The verdict, or Unscored where it does not follow from its findings; one without findings is taken as it is."""
    vetoes = {one.winner for one in verdict.findings if one.negative} - {Winner.TIE}
    if not verdict.findings:
        return verdict
    if len(vetoes) == 1 and verdict.winner not in vetoes:
        won = next(one for one in verdict.findings if one.negative and one.winner in vetoes)
        return Unscored(Reason.CONTRADICTION, f"{won.principle} is a veto, and the verdict is {verdict.winner}")
    if len(vetoes) == 2 and verdict.winner is not Winner.TIE:
        return Unscored(Reason.CONTRADICTION, f"both break a negative principle, and the verdict is {verdict.winner}")
    if verdict.winner is not Winner.TIE and verdict.winner not in {one.winner for one in verdict.findings}:
        return Unscored(Reason.CONTRADICTION, f"no finding is for the {verdict.winner}, which the verdict takes")
    return verdict


def settled(given: Sequence[Judged], exchanged: Sequence[Judged]) -> Judged:
    """What answers in the given order, and answers with the places exchanged, come to in the given order.

    Several answers of one order are averaged over those that can be read, before the orders meet. `exchanged` empty:
    one order was asked. Raises InputError where nothing was asked.
    """
    if not given:
        raise InputError("a pair is judged by at least one answer")
    orders = [_averaged(given), *([_averaged([one.swapped for one in exchanged])] if exchanged else [])]
    verdicts = [order for order in orders if isinstance(order, Verdict)]
    if len(verdicts) < len(orders):
        return next(order for order in orders if isinstance(order, Unscored))
    findings = tuple(finding for verdict in verdicts for finding in verdict.findings)
    if {verdict.winner for verdict in verdicts} == {Winner.FIRST, Winner.SECOND}:
        return Verdict(0, findings, consistent=False)
    return Verdict(mean(verdict.margin for verdict in verdicts), findings)


def _averaged(answers: Sequence[Judged]) -> Judged:
    read = [one for one in answers if isinstance(one, Verdict)]
    if not read:
        return next(one for one in answers if isinstance(one, Unscored))
    return Verdict(mean(one.margin for one in read), tuple(finding for one in read for finding in one.findings))
