"""One name for each person of a book, over all its scenes: scenes are read one by one, and name people as they can.

Knows spellings, titles, and who stood beside whom. Refuses to join two names on a likeness: only on what a scene says
of one person, and never against what another scene shows. Holds names in memory, no rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from her.checks.units import is_spaceless
from her.rows.record import SceneRow, TurnRow
from her.synth.staging.casting import SEX, TITLES, spelling
from her.turn import ENVIRONMENT

_CALLED = (
    "mamma mama mother papa father ma pa mum mummy dad daddy brother sister aunt uncle cousin grandmother grandfather "
    "nurse my dear dearest love darling old boy girl your his her ladyship lordship honour highness majesty excellency "
    "grace "
    "母亲 父亲 爹 爹爹 娘 妈妈 爸爸 哥哥 大哥 二哥 弟弟 姐姐 妹妹 "
    "老爷 太太 老太太 奶奶 夫人 姑娘 小姐 先生 公子 少爷 师父 大人 大爷 二爷"
)
"""How people are called who are somebody else in the next scene."""
_CALLS = frozenset(_CALLED.split())

Place = tuple[int, int]
"""Chapter and first paragraph of a scene."""


def unify_names(rows: Callable[[], Iterable[SceneRow]]) -> Iterator[SceneRow]:
    """The same scenes in the same order, each person under one name throughout a book.

    `rows` gives the scenes anew each time it is called, and it is called twice. Names that scenes give to one
    person, as name and aliases, are joined; never two that stand together in one scene, nor `Mr.` and `Mrs.` of
    one family. The name is the one in fullest form that most scenes use; where it comes up only later in the book,
    earlier scenes keep what they know. The name a scene had is then an alias.
    """
    books: dict[str, _Book] = defaultdict(_Book)
    for row in rows():
        books[_slug(row)].add(row)
    joined = {slug: book.joined() for slug, book in books.items()}
    for row in rows():
        yield _renamed(row, joined[_slug(row)])


def _slug(row: SceneRow) -> str:
    return row.source.slug or row.source.book


@dataclass(slots=True)
class _Book:
    """What the scenes of one book say about names, by spelling."""

    written: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    used: Counter[str] = field(default_factory=Counter)
    since: dict[str, Place] = field(default_factory=dict)
    same: Counter[tuple[str, str]] = field(default_factory=Counter)
    apart: set[tuple[str, str]] = field(default_factory=set)

    def add(self, row: SceneRow) -> None:
        """Takes down the names of one scene."""
        place, keys = _place(row), list[str]()
        for character in row.cast:
            key = spelling(character.name)
            keys.append(key)
            self.written[key][character.name] += 1
            self.used[key] += 1
            for name in (character.name, *row.aliases.get(character.name, ())):
                other = spelling(name)
                self.since[other] = min(place, self.since.get(other, place))
                if other != key and _is_name(name) and _is_name(character.name):
                    self.written[other][name] += 0
                    self.same[_pair(key, other)] += 1
        self.apart |= {_pair(a, b) for a in keys for b in keys if a < b}

    def joined(self) -> _Joined:
        """Who is who; what most scenes say counts first."""
        group = {key: frozenset({key}) for key in self.written}
        for (a, b), _ in sorted(self.same.items(), key=lambda item: (-item[1], item[0])):
            left, right = group[a], group[b]
            if left is not right and not any(self._differ(x, y) for x in left for y in right):
                group |= dict.fromkeys(left | right, left | right)
        return _Joined(group, self)

    def _differ(self, a: str, b: str) -> bool:
        return _pair(a, b) in self.apart or _titles_clash(a, b)

    def best(self, group: Iterable[str], place: Place) -> str | None:
        """The spelling that a group is called by in a scene at `place`; None where no scene has used any yet."""
        known = [key for key in group if self.used[key] and self.since[key] <= place]
        return min(known, key=lambda key: (not _is_full(key, known), -self.used[key], -len(key), key), default=None)


@dataclass(frozen=True, slots=True)
class _Joined:
    group: Mapping[str, frozenset[str]]
    book: _Book

    def name(self, name: str, place: Place) -> str:
        """The name under which this person goes, in a scene at `place`."""
        best = self.book.best(self.group.get(spelling(name), ()), place)
        if best is None:
            return name
        return min(self.book.written[best].items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[0]


def _renamed(row: SceneRow, joined: _Joined) -> SceneRow:
    place = _place(row)
    names = {character.name: joined.name(character.name, place) for character in row.cast}
    if all(old == new for old, new in names.items()):
        return row
    names[ENVIRONMENT] = ENVIRONMENT
    aliases = {
        names[old]: tuple(dict.fromkeys(name for name in (old, *row.aliases.get(old, ())) if name != names[old]))
        for old in (character.name for character in row.cast)
    }
    return row.model_copy(
        update={
            "cast": tuple(c.model_copy(update={"name": names[c.name]}) for c in row.cast),
            "aliases": {name: others for name, others in aliases.items() if others},
            "turns": tuple(_turn(turn, names) for turn in row.turns),
            "original": tuple(_turn(turn, names) for turn in row.original),
        }
    )


def _turn(turn: TurnRow, names: Mapping[str, str]) -> TurnRow:
    heard_by = None if turn.heard_by is None else tuple(sorted(names[name] for name in turn.heard_by))
    return turn.model_copy(update={"speaker": names[turn.speaker], "heard_by": heard_by})


def _place(row: SceneRow) -> Place:
    parts = row.id.rsplit("/", 2)
    return (int(parts[-2]), int(parts[-1])) if all(part.isdecimal() for part in parts[-2:]) else (0, 0)


def _pair(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _is_name(name: str) -> bool:
    """Whether this names one person wherever it stands: not `his wife`, `Mamma`, `My dear`, `the Captain`."""
    if any(map(is_spaceless, name)):
        return len(name) > 1 and name not in _CALLS
    own = [word for word in name.replace(".", ". ").split() if spelling(word) not in TITLES | _CALLS]
    return any(word[0].isupper() for word in own) and not name[0].islower()


def _titles_clash(a: str, b: str) -> bool:
    """Whether the titles say that these are two: a man and a woman, or Mrs. and Miss of one family."""
    (left, own), (right, other) = _parted(a), _parted(b)
    if left not in SEX or right not in SEX:
        return False
    return SEX[left] != SEX[right] or (left != right and own == other)


def _parted(key: str) -> tuple[str, str]:
    """The title of a name, and the rest."""
    title, _, rest = key.partition(" ")
    return (title, rest) if rest and title in TITLES else ("", key)


def _is_full(key: str, known: Iterable[str]) -> bool:
    """Whether a name is in a full form: of two words or more, or in scripts without spaces no part of another."""
    if any(map(is_spaceless, key)):
        return not any(key != other and key in other for other in known)
    return " " in key
