"""Which comparisons tell good turns from bad ones: reward designs at equal judge calls, under judges kind and unkind.

    python benchmarks/reward_designs.py --groups 2500 --out OUT > designs.md

A group is eight candidates of one quality each, drawn around `ahead` (how far the policy is beyond the reference, in
deviations), and a reference of quality 0. A simulated judge answers the calls that a design makes; the package's own
code turns answers into advantages; the figure is the correlation of advantage with quality within the group, 0 where
all advantages are equal. Every design sees the same groups, so that differences are paired. With `--out` each cell
is kept when it is done, and the same command again goes on; after a change here or in `her.judge.reward` it begins
anew. Prints Markdown; 2500 groups take some minutes on one core.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean as mean
from statistics import stdev

from her.judge import reward
from her.judge.reward import HER, REFERENCE, Call, Candidate, Design, Edge, Offsets, learned, rewards
from her.judge.verdict import MOST, Judged, Reason, Unscored, Verdict, settled

SIZE = 8
AHEAD = (-1.5, 0.0, 1.5)
BATCH = 25
"""Groups after which a design learns the judge's slot and ties anew, as a trainer would each step."""
LONG = 0.5
"""What a deviation of length is in log words: most turns have 0.4 to 2.7 times the usual length."""
GIVE_UP = 10
"""Draws of a group after which dynamic resampling takes what it has."""


# Judges.


@dataclass(frozen=True)
class Judge:
    """A simulated judge. It sees the difference in quality, moved by biases and noise, all in deviations of quality.

    `slot` is what standing first is worth, for pairs of equal quality where `fading` is set, and less the further they
    are apart. `length` is what a deviation of length is worth. `cycles` is the size of preferences that go in circles,
    `shared` of an error that all calls on one candidate have in common. `related` is the true correlation of quality
    and length.
    """

    name: str
    slot: float = 0.6
    fading: float = 0.0
    length: float = 0.25
    noise: float = 1.0
    band: float = 0.35
    cycles: float = 0.0
    shared: float = 0.0
    missing: float = 0.0
    related: float = 0.0

    def call(self, one: Turn, two: Turn, rng: random.Random) -> Judged:
        """The answer to one call."""
        if rng.random() < self.missing:
            return Unscored(Reason.UNREADABLE)
        gap = one.quality - two.quality
        seen = gap + self.slot * (math.exp(-abs(gap) / self.fading) if self.fading else 1.0)
        seen += self.length * (one.length - two.length) + self.shared * (one.luck - two.luck)
        seen += self.cycles * (one.taste[0] * two.taste[1] - one.taste[1] * two.taste[0]) + rng.gauss(0, self.noise)
        if abs(seen) < self.band:
            return Verdict(0)
        return Verdict(math.copysign(min(MOST, 1 + int(abs(seen) - self.band)), seen))


KIND = Judge("kind")
JUDGES = (
    KIND,
    Judge("cycles", cycles=1.0),
    Judge("slot when close", slot=1.5, fading=0.7),
    Judge("shared noise", shared=0.7),
    Judge("30 % ties", band=0.73),
    Judge("10 % missing", missing=0.1),
    Judge("longer is better", related=0.3),
    Judge("all of these", slot=1.5, fading=0.7, cycles=1.0, shared=0.7, band=0.73, missing=0.1, related=0.3),
)
"""The kind one is transitive and adds up its biases; its constants are ours. Each other is that, and one thing more."""


@dataclass(frozen=True)
class Turn:
    """A candidate, or the reference."""

    quality: float
    length: float
    luck: float
    taste: tuple[float, float]

    @classmethod
    def drawn(cls, judge: Judge, rng: random.Random, quality: float | None = None, ahead: float = 0.0) -> Turn:
        """One of a policy that is so far ahead, or of a given quality."""
        own = rng.gauss(0, 1)
        length = judge.related * own + math.sqrt(1 - judge.related**2) * rng.gauss(0, 1)
        return cls(
            own + ahead if quality is None else quality,
            length if quality is None else 0.0,
            rng.gauss(0, 1),
            (rng.gauss(0, 1), rng.gauss(0, 1)),
        )


@dataclass(frozen=True)
class Group:
    """Candidates by place, and the reference at its own."""

    turns: Mapping[int, Turn]

    @classmethod
    def drawn(cls, judge: Judge, ahead: float, rng: random.Random) -> Group:
        """A new one."""
        turns = {at: Turn.drawn(judge, rng, ahead=ahead) for at in range(SIZE)}
        return cls({**turns, REFERENCE: Turn.drawn(judge, rng, quality=0.0)})

    def answered(self, asked: Sequence[Call], judge: Judge, rng: random.Random) -> list[Edge]:
        """What the judge says to these calls."""
        return [Edge(one, two, judge.call(self.turns[one], self.turns[two], rng)) for one, two in asked]

    def candidates(self) -> list[Candidate]:
        """As the rewards take them."""
        return [Candidate(units=max(1, round(150 * math.exp(LONG * self.turns[at].length)))) for at in range(SIZE)]

    @property
    def qualities(self) -> list[float]:
        """The truth."""
        return [self.turns[at].quality for at in range(SIZE)]

    @property
    def lengths(self) -> list[float]:
        """In deviations."""
        return [self.turns[at].length for at in range(SIZE)]


# Designs.


@dataclass
class Learner:
    """What a design knows of its judge by now."""

    offsets: Offsets = field(default_factory=Offsets)
    seen: list[list[Edge]] = field(default_factory=list)

    def saw(self, edges: list[Edge]) -> None:
        """One more group."""
        self.seen.append(edges)
        if len(self.seen) == BATCH:
            self.offsets, self.seen = learned(self.seen, self.offsets), []


Scored = tuple[Group, list[float], int]
"""The group (another one, where it was drawn anew), its advantages, and the calls."""
Scheme = Callable[[Group, Judge, random.Random, Learner], Scored]


def compared(design: Design, *, both: bool = False, signs: bool = False) -> Scheme:
    """Rings and anchored calls as the package makes them; `both`: every pair in both orders; `signs`: all margins are
    taken for the largest, as in rules that know wins only."""

    def scheme(group: Group, judge: Judge, rng: random.Random, learner: Learner) -> Scored:
        asked = list(design.calls(range(SIZE), rng))
        asked += [(two, one) for one, two in asked] if both else []
        edges = group.answered(asked, judge, rng)
        edges = [Edge(edge.first, edge.second, signed(edge.verdict)) for edge in edges] if signs else edges
        found = advantages(group, edges, design, learner.offsets)
        learner.saw(edges)
        return group, found, len(asked)

    return scheme


def signed(verdict: Judged) -> Judged:
    """The verdict without its degree."""
    if isinstance(verdict, Unscored) or not verdict.margin:
        return verdict
    return Verdict(math.copysign(MOST, verdict.margin))


def all_pairs(group: Group, judge: Judge, rng: random.Random, learner: Learner) -> Scored:
    """Each pair once, who is first by chance."""
    asked = [tuple(rng.sample((one, two), 2)) for one in range(SIZE) for two in range(one)]
    edges = group.answered([(one, two) for one, two in asked], judge, rng)
    found = advantages(group, edges, Design(), learner.offsets)
    learner.saw(edges)
    return group, found, len(asked)


def against(*, orders: int, settle: bool = False, pivot: bool = False) -> Scheme:
    """Each against the reference, by HER's rule: candidate first (`orders` 1), second (2), or both (3).

    `settle`: two orders that disagree are a tie, else they are averaged. `pivot`: the reference is one of the group,
    drawn by chance, and has the reward of a tie.
    """

    def scheme(group: Group, judge: Judge, rng: random.Random, _: Learner) -> Scored:
        one = rng.randrange(SIZE) if pivot else None
        held = Group({**group.turns, REFERENCE: group.turns[one]}) if one is not None else group
        edges: list[Edge] = []
        for at in range(SIZE):
            if at == one:
                continue
            first, second = held.answered([(at, REFERENCE), (REFERENCE, at)], judge, rng)
            if settle:
                edges.append(Edge(at, REFERENCE, settled([first.verdict], [second.verdict])))
            else:
                edges += [edge for bit, edge in ((1, first), (2, second)) if orders & bit]
        if one is not None:
            edges.append(Edge(one, REFERENCE, Verdict(0)))
        return group, advantages(group, edges, HER), (SIZE - (one is not None)) * (1 + (orders == 3))

    return scheme


def resampled(scheme: Scheme, ahead: float) -> Scheme:
    """The same, on a new group wherever all advantages are equal; the calls of those that were thrown away count."""

    def again(group: Group, judge: Judge, rng: random.Random, learner: Learner) -> Scored:
        spent = 0
        for _ in range(GIVE_UP):
            group, found, asked = scheme(group, judge, rng, learner)
            spent += asked
            if max(found) - min(found) > 1e-12:
                break
            group = Group.drawn(judge, ahead, rng)
        return group, found, spent

    return again


def advantages(group: Group, edges: Sequence[Edge], design: Design, offsets: Offsets | None = None) -> list[float]:
    """What the package makes of the answers."""
    return [one.advantage for one in rewards(group.candidates(), edges, design, offsets) or ()]


PAPER = "HER: reference, candidate first"
RESAMPLED = "HER, resampled"
RING, RINGS, ANCHORED = "1 ring", "2 rings", "2 rings, 4 to the reference"
SIGNS, TWICE, CAPPED = "1 ring, wins only", "1 ring, both orders", "2 rings, length offset"


def designs(judge: Judge, ahead: float) -> dict[str, Scheme]:
    """All designs by name; `judge` gives the length slope as pairs of equal quality would show it."""
    plain = against(orders=1)
    return {
        PAPER: plain,
        RESAMPLED: resampled(plain, ahead),
        "reference, candidate second": against(orders=2),
        "reference, both orders averaged": against(orders=3),
        "reference, both orders, disagreement a tie": against(orders=3, settle=True),
        "pivot, one order": against(orders=1, pivot=True),
        "pivot, both orders": against(orders=3, pivot=True),
        RING: compared(Design(rings=1, anchors=0)),
        SIGNS: compared(Design(rings=1, anchors=0), signs=True),
        TWICE: compared(Design(rings=1, anchors=0), both=True),
        RINGS: compared(Design(rings=2, anchors=0)),
        CAPPED: compared(Design(rings=2, anchors=0)),
        ANCHORED: compared(Design()),
        "3 rings": compared(Design(rings=3, anchors=0)),
        "all pairs": all_pairs,
    }


FIXED = (
    PAPER,
    RESAMPLED,
    "reference, candidate second",
    "reference, both orders averaged",
    "reference, both orders, disagreement a tie",
    "pivot, one order",
    "pivot, both orders",
)
"""The designs of at most 16 calls that use references or pivots only."""


# Running.


@dataclass(frozen=True)
class Cell:
    """What all designs came to under one judge with the policy so far ahead, group by group."""

    judge: str
    ahead: float
    told: Mapping[str, Sequence[float]]
    """Correlation of advantage and quality."""
    calls: Mapping[str, float]
    """Mean number of calls."""
    silent: Mapping[str, float]
    """The share of groups whose advantages are all equal."""
    leak: Mapping[str, float]
    """Correlation of advantage and length among turns of equal quality."""


def simulated(judge: Judge, ahead: float, groups: int, seed: int, only: Sequence[str] = ()) -> Cell:
    """One cell. The same seed gives the same, whatever other cells and designs there are."""
    drawn = [Group.drawn(judge, ahead, random.Random(f"{seed} {judge.name} {ahead} {n}")) for n in range(groups)]
    told: dict[str, list[float]] = {}
    spent, silent, leak = {}, {}, {}
    for name, scheme in designs(judge, ahead).items():
        if only and name not in only:
            continue
        rng = random.Random(f"{seed} {judge.name} {ahead} {name}")
        # In logits: a deviation of noise is about 1.7 of them.
        slope = 1.7 * judge.length / judge.noise / LONG if name == CAPPED else 0.0
        learner = Learner(Offsets(length=slope))
        scored = [scheme(group, judge, rng, learner) for group in drawn]
        told[name] = [round(related(found, group.qualities), 4) for group, found, _ in scored]
        spent[name] = mean(asked for _, _, asked in scored)
        silent[name] = mean(max(found) - min(found) < 1e-12 for _, found, _ in scored)
        leak[name] = leaked(scored)
    return Cell(judge.name, ahead, told, spent, silent, leak)


def related(one: Sequence[float], two: Sequence[float]) -> float:
    """The correlation of two rows of figures; 0 where one of them does not vary."""
    left, right = centred(one), centred(two)
    size = math.sqrt(sum(x * x for x in left) * sum(x * x for x in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / size if size > 1e-12 else 0.0


def centred(row: Sequence[float]) -> list[float]:
    """The figures less their mean."""
    middle = mean(row)
    return [value - middle for value in row]


def leaked(scored: Sequence[Scored]) -> float:
    """The partial correlation of advantage and length, quality held equal, within groups."""
    rows: tuple[list[float], list[float], list[float]] = ([], [], [])
    for group, found, _ in scored:
        for row, values in zip(rows, (found, group.lengths, group.qualities), strict=True):
            row.extend(centred(values))
    by_length, by_quality, both = related(rows[0], rows[1]), related(rows[0], rows[2]), related(rows[1], rows[2])
    return (by_length - by_quality * both) / math.sqrt((1 - by_quality**2) * (1 - both**2))


def code() -> str:
    """The first digits of a sha256 over this file and the package's code for rewards."""
    files = [Path(__file__), *sorted(Path(reward.__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]


def cells(groups: int, seed: int, out: Path | None) -> Iterator[Cell]:
    """All cells, those that this code made and kept already not made again."""
    made_by = code()
    for judge in JUDGES:
        for ahead in AHEAD:
            name = judge.name.replace(" ", "-").replace("%", "pc")
            path = out and out / f"{name}_{ahead:+g}_{groups}_{seed}_{made_by}.json"
            if path and path.is_file():
                yield Cell(**json.loads(path.read_text("utf-8")))
                continue
            cell = simulated(judge, ahead, groups, seed)
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                half = path.with_suffix(".part")
                half.write_text(json.dumps(cell.__dict__), "utf-8")
                os.replace(half, path)
            yield cell


# Telling.


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval; groups are drawn independently, and there are hundreds."""
    middle = mean(differences)
    reach = 1.96 * stdev(differences) / math.sqrt(len(differences))
    return middle, middle - reach, middle + reach


def beside(cell: Cell, better: str, worse: str) -> tuple[float, float, float]:
    """How much more one design tells than another on the same groups."""
    return interval([one - two for one, two in zip(cell.told[better], cell.told[worse], strict=True)])


def hardest(cell: Cell, better: str) -> tuple[float, float, float]:
    """The same beside the best design that uses references or pivots only, at 16 calls or fewer."""
    return min((beside(cell, better, name) for name in FIXED), key=lambda found: found[0])


CLAIMS: Mapping[str, Callable[[Cell], tuple[float, float, float]]] = {
    "1 ring tells more than HER's rule, 8 calls each": lambda cell: beside(cell, RING, PAPER),
    "so does 1 ring without margins": lambda cell: beside(cell, SIGNS, PAPER),
    "1 ring (8) tells more than HER's rule resampled": lambda cell: beside(cell, RING, RESAMPLED),
    "2 rings (16) tell more than HER's rule resampled": lambda cell: beside(cell, RINGS, RESAMPLED),
    "2 rings tell more than any of references or pivots, 16 calls or fewer": lambda cell: hardest(cell, RINGS),
    "2 rings and 4 to the reference (20) tell more than any of those": lambda cell: hardest(cell, ANCHORED),
    "2 rings tell more than 1 ring in both orders, 16 calls each": lambda cell: beside(cell, RINGS, TWICE),
    "4 calls to the reference add to 2 rings": lambda cell: beside(cell, ANCHORED, RINGS),
    "a third ring adds to 2": lambda cell: beside(cell, "3 rings", RINGS),
    "a length offset adds to 2 rings": lambda cell: beside(cell, CAPPED, RINGS),
}


def table(found: Sequence[Cell], groups: int, seed: int) -> str:
    """The report in Markdown."""
    by = {(cell.judge, cell.ahead): cell for cell in found}
    lines = [f"{groups} groups of {SIZE} a cell, seed {seed}. Figures are correlations of advantage with quality.", ""]
    head = ["design", "calls", *(f"ahead {ahead:+g}" for ahead in AHEAD), "silent groups at +1.5"]
    rows = []
    for name in by[KIND.name, 0.0].told:
        kind = [by[KIND.name, ahead] for ahead in AHEAD]
        spent = sorted({round(cell.calls[name], 1) for cell in kind})
        asked = f"{spent[0]:g}" if len(spent) == 1 else f"{spent[0]:g} to {spent[-1]:g}"
        rows.append([name, asked, *(f"{mean(cell.told[name]):.2f}" for cell in kind), f"{kind[-1].silent[name]:.0%}"])
    lines += ["The kind judge:", "", *markdown(head, rows), ""]
    unkind = [judge.name for judge in JUDGES if judge is not KIND]
    rows = [
        [name, *(" / ".join(f"{mean(by[judge, a].told[name]):.2f}" for a in AHEAD) for judge in unkind)]
        for name in by[KIND.name, 0.0].told
    ]
    lines += ["The others, with the policy at -1.5 / 0 / +1.5:", "", *markdown(["design", *unkind], rows), ""]
    lines += ["Which orderings survive: paired differences with 95 % intervals.", ""]
    head = ["ordering", "kind judge, policy at the reference", f"kind judge, policy {AHEAD[-1]:g} beyond"]
    head += [f"{len(unkind)} unkind judges, both places", f"of those {2 * len(unkind)}: holds, is reversed"]
    rows = []
    for claim, test in CLAIMS.items():
        kind = [said(test(by[KIND.name, ahead])) for ahead in AHEAD[1:]]
        rows.append([claim, *kind, *survived([test(by[judge, ahead]) for judge in unkind for ahead in AHEAD[1:]])])
    lines += [*markdown(head, rows), ""]
    rows = [
        [judge.name, *(f"{by[judge.name, 0.0].leak[name]:+.2f}" for name in (PAPER, RINGS, CAPPED))] for judge in JUDGES
    ]
    lines += ["Correlation of advantage and length where quality is equal, policy at the reference:", ""]
    return "\n".join([*lines, *markdown(["judge", PAPER, RINGS, CAPPED], rows)])


def said(found: tuple[float, float, float]) -> str:
    """A difference with its interval."""
    middle, low, high = found
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def survived(found: Sequence[tuple[float, float, float]]) -> tuple[str, str]:
    """From which difference to which, and how many whole intervals are above 0 and below."""
    middles = [middle for middle, _, _ in found]
    holds, reversed_ = sum(low > 0 for _, low, _ in found), sum(high < 0 for _, _, high in found)
    return f"{min(middles):+.2f} to {max(middles):+.2f}", f"{holds}, {reversed_}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def main() -> None:
    """Simulates every cell and prints the report."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--groups", type=int, default=2500, help="groups of each judge and place of the policy")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="a folder where finished cells are kept")
    given = options.parse_args()
    if given.groups < 30:
        options.error("--groups: the intervals need 30 or more")
    print(table(list(cells(given.groups, given.seed, given.out)), given.groups, given.seed))


if __name__ == "__main__":
    main()
