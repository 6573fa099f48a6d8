"""Pairs whose answer is known: good turns broken, edited to no effect, and the same edits where they do no harm.

Knows places, families, and how grades, bases and sides are kept in balance. Refuses to know how a family breaks a turn.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from her.checks.units import primary
from her.errors import InputError
from her.judge.breakers import FAMILIES
from her.judge.breakers.facts import stated
from her.judge.breakers.place import Broken, Excuse, Place
from her.judge.breakers.world import at_home
from her.judge.case import Case
from her.judge.neutral import EDITS
from her.judge.pairs import Pair, Setting
from her.judge.twins import twin
from her.judge.verdict import Winner
from her.markup import parse
from her.rows.record import TurnRow
from her.rows.samples import Context, PoolRow
from her.turn import ENVIRONMENT, Ending, Kind, Turn

AUTHORED = "authored"
"""The base of pairs that edit the turn that the book has in a place."""
NEUTRAL = 2
"""Neutral edits for each place: with fourteen families about one pair in seven is a tie by construction."""

By = Literal["book", "family", "template"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A reply that a model wrote for a place, whole, and the model's address."""

    base: str
    text: str


Samples = Mapping[str, Sequence[Sample]]
"""Replies by the id of the context that they are for."""


def make(
    contexts: Iterable[PoolRow],
    *,
    rng: Random,
    samples: Samples | None = None,
    source: str = "",
    splits: Mapping[str, str] | None = None,
    told: Counter[str] | None = None,
) -> Iterator[Pair]:
    """The pairs of all places: of each family one, of neutral edits up to two, and the twins of those that have one.

    The same contexts, samples and state of `rng` give the same pairs. What is drawn for a place hangs on its id, on the
    facts of all scenes, and, for grades and sides to be in balance, on the places before. With `samples` every second
    pair of a family edits one of them. `splits` says of contexts, by id, which split they are of. `told` counts what
    could not be made, by family and reason. Raises InputError for two contexts of one id, and for one whose reference
    is no turn.
    """
    rows = _checked(contexts)
    maker = _Maker(rng.getrandbits(64), samples or {}, source, splits or {}, Counter() if told is None else told)
    shelf = _Shelf(rows)
    elsewhere: dict[str, list[tuple[Pair, Broken]]] = defaultdict(list)
    for row in rows:
        place = shelf.place(row)
        for family in FAMILIES:
            for pair, broken in maker.broken(place, row, family):
                yield pair
                if broken.excuse is not None and (other := maker.twin(pair, broken.excuse)) is not None:
                    yield other
                if family == "anachronism":
                    elsewhere[row.language].append((pair, broken))
        yield from maker.neutral(place, row)
    for row in rows:
        yield from maker.modern(shelf.place(row), row, elsewhere.get(row.language, []))


def _checked(contexts: Iterable[PoolRow]) -> list[PoolRow]:
    rows = list(contexts)
    twice = [id for id, count in Counter(row.id for row in rows).items() if count > 1]
    if twice:
        raise InputError(f"the context {twice[0]!r} stands twice; an id names one place, give each file once")
    return rows


class _Shelf:
    """All turns that the contexts hold, by scene and by book."""

    def __init__(self, rows: Sequence[PoolRow]) -> None:
        self._seen: dict[str, Context] = {row.id: row.seen for row in rows}
        self._scenes: dict[tuple[str, str], tuple[Turn, ...]] = {}
        self._books: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            seen = self._seen[row.id]
            if row.scene not in self._books[_book(row)]:
                self._books[_book(row)].append(row.scene)
            whole = (*(turn.turn for turn in seen.turns), seen.reference.turn)
            key = (_book(row), row.scene)
            if len(whole) > len(self._scenes.get(key, ())):
                self._scenes[key] = whole
        self._rumours: dict[str, dict[str, list[str]]] = {}
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            # The last place of a scene has heard all of it.
            if len(self._seen[row.id].turns) + 1 == len(self._scenes[_book(row), row.scene]):
                at = self.place(row)
                for kind, word in stated(at):
                    found[at.language][kind].append(word)
        self._rumours = found

    def place(self, row: PoolRow) -> Place:
        seen = self._seen[row.id]
        turn = seen.reference.turn.without(Kind.SYSTEM_THINKING)
        if not turn.segments or turn.speaker == ENVIRONMENT or turn.speaker not in seen.scene.names:
            raise InputError(f"{row.id}: its reference is no turn of one of the cast; make the samples again")
        book = _book(row)
        others = (self._scenes[book, name] for name in self._books[book] if name != row.scene)
        return Place(
            id=row.id,
            book=book,
            scene=seen.scene,
            turns=tuple(turn.turn.without(Kind.SYSTEM_THINKING) for turn in seen.turns),
            turn=turn,
            ahead=self._scenes[book, row.scene][len(seen.turns) + 1 :],
            apart=tuple(turn for turns in others for turn in turns),
            rumours=self._rumours.get(primary(seen.scene.language), {}),
        )


def _book(row: PoolRow) -> str:
    return row.slug or row.book


class _Maker:
    """Makes pairs and keeps grades, bases and sides in balance."""

    def __init__(self, seed: int, samples: Samples, source: str, splits: Mapping[str, str], told: Counter[str]) -> None:
        self._seed = seed
        self._samples = samples
        self._source = source
        self._splits = splits
        self._told = told
        self._grades: dict[str, Counter[int]] = defaultdict(Counter)
        self._edits: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._sides: Counter[tuple[str, Winner]] = Counter()

    def broken(self, place: Place, row: PoolRow, family: str) -> Iterator[tuple[Pair, Broken]]:
        """The pair of a family at a place, at the grade that is rarest so far among those that apply; or none."""
        rng = self._rng(row, family)
        place, base = self._based(place, row, family, rng)
        for grade in sorted((1, 2, 3), key=lambda grade: (self._grades[family][grade], rng.random())):
            made = FAMILIES[family](place, grade, rng)
            if made is not None and (reason := _wrong(place, made, family)):
                self._told[f"{family}: {reason}"] += 1
                made = None
            if made is not None:
                self._grades[family][grade] += 1
                about = {"family": family, "principle": family, "grade": grade, "template": _named(place, made)}
                yield self._pair(place, row, made, {**about, "kind": "broken", "base": base}, rng), made
                return
        self._told[f"{family}: does not apply"] += 1

    def neutral(self, place: Place, row: PoolRow) -> Iterator[Pair]:
        """Pairs of the rarest edits that find something to change."""
        rng = self._rng(row, "neutral")
        place, base = self._based(place, row, "neutral", rng)
        made = 0
        for name in sorted(EDITS, key=lambda name: (self._edits[name], rng.random())):
            turn = EDITS[name](place, rng) if made < NEUTRAL else None
            if turn is None:
                continue
            edited = Broken(place.written(turn), name)
            if _wrong(place, edited, "neutral", visible=False):
                continue
            made += 1
            self._edits[name] += 1
            about = {
                "family": "neutral",
                "grade": 0,
                "template": _named(place, edited),
                "kind": "neutral",
                "base": base,
            }
            yield self._pair(place, row, edited, about, rng)
        if not made:
            self._told["neutral: does not apply"] += 1

    def twin(self, pair: Pair, excuse: Excuse) -> Pair | None:
        """The pair where its edit does no harm."""
        other = twin(pair, excuse)
        if other is None:
            self._told[f"{pair.family}: no twin here"] += 1
        return other

    def modern(self, place: Place, row: PoolRow, held: list[tuple[Pair, Broken]]) -> Iterator[Pair]:
        """A tie in a world that has the thing which is out of its time in one of these pairs."""
        rng = self._rng(row, "modern")
        for pair, _ in rng.sample(held, len(held)):
            made = at_home(place, pair.template.partition("/")[2], rng)
            if made is not None and not _wrong(place, made, "anachronism"):
                about = {"family": pair.family, "principle": pair.principle, "grade": pair.grade, "kind": "twin"}
                about |= {"template": pair.template, "base": AUTHORED, "twin_of": pair.id}
                yield self._pair(place, row, made, about, rng)
                return

    def _rng(self, row: PoolRow, name: str) -> Random:
        return Random(f"{self._seed}/{row.id}/{name}")

    def _based(self, place: Place, row: PoolRow, family: str, rng: Random) -> tuple[Place, str]:
        """The place with a model's turn in it for every second pair of a family, where the model wrote a usable one."""
        usable = [(one.base, turn) for one in self._samples.get(row.id, ()) if (turn := _sampled(place, one.text))]
        if not usable:
            return place, AUTHORED
        self._turns[family] += 1
        if self._turns[family] % 2 == 0:
            return place, AUTHORED
        base, turn = rng.choice(usable)
        return replace(place, turn=turn), base

    def _pair(self, place: Place, row: PoolRow, made: Broken, about: Mapping[str, object], rng: Random) -> Pair:
        good = made.good or place.text
        key = f"{about['kind']}/{about['family']}"
        rare = self._sides[key, Winner.FIRST] - self._sides[key, Winner.SECOND]
        first = rare < 0 or (rare == 0 and rng.random() < 0.5)
        side = Winner.FIRST if first else Winner.SECOND
        self._sides[key, side] += 1
        sha = hashlib.sha256(f"{good}\0{made.bad}".encode()).hexdigest()[:10]
        return Pair(
            id=f"{row.id}/{about['family']}-{about['grade']}/{sha}",
            at=Setting(scene=place.scene, speaker=place.speaker, turns=tuple(map(TurnRow.of, place.turns))),
            first=good if first else made.bad,
            second=made.bad if first else good,
            better=side if about["kind"] == "broken" else Winner.TIE,
            book=place.book,
            source=self._source,
            subset=place.language,
            split=self._splits.get(row.id),
            **about,  # type: ignore[arg-type]
        )


def _named(place: Place, made: Broken) -> str:
    return f"{place.language}/{made.template}"


def _sampled(place: Place, text: str) -> Turn | None:
    """A model's reply as a turn without its plan; None for one that is not whole, or has nothing to say."""
    cast = {*place.scene.names, ENVIRONMENT} - {place.speaker}
    parsed = parse(text, speaker=place.speaker, cast=cast)
    turn = parsed.turn.without(Kind.SYSTEM_THINKING)
    whole = parsed.ending is Ending.COMPLETE and not parsed.faults
    return turn if whole and turn.text_of(Kind.SPEECH) else None


def _wrong(place: Place, made: Broken, family: str, *, visible: bool = True) -> str:
    """Why an edit can not be used: a judge would see no difference, or the marks are damaged without intent."""
    case = Case("", place.scene, place.speaker, place.turns, made.good or place.text, made.bad)
    if case.shown(case.first) == case.shown(case.second):
        return "shows nothing"
    if family == "broken-marks":
        return ""
    for text in (case.first, case.second):
        parsed = case.read(text)
        if parsed.ending is not Ending.COMPLETE:
            return "breaks the marks"
    return ""


def hold_out(pairs: Sequence[Pair], by: By, *, share: float, rng: Random) -> list[Pair]:
    """The pairs in their order, marked `test` for about `share` of the books, families, or templates of each family,
    and `train` for the others.

    What is marked `test` already stays so, and nothing is drawn from it. By family, half of the kinds of neutral edits
    are held out. A twin goes with the pair whose edit it is; by book it goes with the book that it stands in. Raises
    InputError for a share that is not between 0 and 1, and where there are not two groups to part.
    """
    if not 0 < share < 1:
        raise InputError(f"the share held out is between 0 and 1, not {share}")
    groups: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        if pair.split != "test":
            group, name = _key(pair, by)
            groups[group].add(name)
    if all(len(names) < 2 for group, names in groups.items() if by == "template" or not group):
        raise InputError(f"the pairs are all of one {by}; there is nothing to hold out")
    held: set[tuple[str, str]] = set()
    for group, names in sorted(groups.items()):
        if len(names) > 1:
            part = 0.5 if (by, group) == ("family", "neutral") else share
            count = min(len(names) - 1, max(1, round(part * len(names))))
            held.update((group, name) for name in rng.sample(sorted(names), count))
    return [
        pair.model_copy(update={"split": "test" if pair.split == "test" or _key(pair, by) in held else "train"})
        for pair in pairs
    ]


def _key(pair: Pair, by: By) -> tuple[str, str]:
    """What it is drawn among, and what is held out whole."""
    if by == "template":
        return pair.family, pair.template
    if by == "family" and pair.kind == "neutral":
        return "neutral", pair.template
    return "", pair.book if by == "book" else pair.family


def few(pairs: Sequence[Pair], most: int, rng: Random) -> list[Pair]:
    """At most so many pairs of each family and grade, of all books alike; of neutral edits, of each kind.

    A twin is kept where its pair is. The order stays. Raises InputError for fewer than one.
    """
    if most < 1:
        raise InputError(f"at least 1 pair of a family is kept, not {most}")
    groups: dict[tuple[str, int, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.kind != "twin":
            groups[pair.family, pair.grade, pair.template if pair.kind == "neutral" else ""].append(pair)
    kept: set[str] = set()
    for key in sorted(groups):
        books: Counter[str] = Counter()
        ranked: list[tuple[int, int, str]] = []
        for pair in rng.sample(groups[key], len(groups[key])):
            ranked.append((books[pair.book], len(ranked), pair.id))
            books[pair.book] += 1
        kept.update(id for _, _, id in sorted(ranked)[:most])
    return [pair for pair in pairs if (pair.twin_of or pair.id) in kept]


def counts(pairs: Iterable[Pair]) -> dict[str, dict[str, int]]:
    """How many pairs there are by family, grade, kind, language, base and split, each in the order of its names."""
    names = ("family", "grade", "kind", "language", "base", "split")
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for pair in pairs:
        about = (pair.family, str(pair.grade), pair.kind, pair.at.scene.language, pair.base, pair.split or "unknown")
        for name, value in zip(found, about, strict=True):
            found[name][value] += 1
    return {name: dict(sorted(count.items())) for name, count in found.items()}
