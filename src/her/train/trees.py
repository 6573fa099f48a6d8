"""Trees: the shared history of a dialogue written once, with every turn that is learnt hung on it as a branch.

Knows ids, positions, and which token may see which. Along every path from root to leaf a tree is the row that it was
made of: the same ids at the same positions, the same tokens learnt. Refuses to know models.

The trunk is the prompt of the last turn; in it, earlier replies stand stripped of their plans, and are read only. A
branch begins where its row's reply begins, so never inside a token, and holds the reply with its plan and its end.
A row whose prompt is no beginning of a trunk, as after old turns were cut, starts a tree of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from her.train.tokens import Row

TRUNK = 0
"""The branch number of the trunk's tokens; branches count from 1."""


@dataclass(frozen=True)
class Tree:
    """Rows with a common trunk, the longest prompt last. All lists have one entry a token, trunk first."""

    rows: tuple[Row, ...]

    @cached_property
    def trunk(self) -> tuple[int, ...]:
        """Ids of the longest prompt."""
        last = max(self.rows, key=lambda row: row.start)
        return last.ids[: last.start]

    @cached_property
    def ids(self) -> list[int]:
        """The tokens: the trunk, then each row's reply."""
        return [*self.trunk, *(id for row in self.rows for id in row.ids[row.start :])]

    @cached_property
    def positions(self) -> list[int]:
        """How many tokens stand before a token on its path."""
        return [*range(len(self.trunk)), *(at for row in self.rows for at in range(row.start, len(row.ids)))]

    @cached_property
    def branches(self) -> list[int]:
        """The number of the branch that a token belongs to."""
        counted = enumerate(self.rows, TRUNK + 1)
        return [*([TRUNK] * len(self.trunk)), *(n for n, row in counted for _ in range(row.supervised))]

    @cached_property
    def seen(self) -> list[int]:
        """How many tokens of the trunk a token sees; of its own branch it sees all up to itself."""
        return [*range(1, len(self.trunk) + 1), *(row.start for row in self.rows for _ in range(row.supervised))]

    @cached_property
    def parents(self) -> list[int]:
        """The place of the token before each learnt token, branch after branch: what predicts it."""
        found: list[int] = []
        at = len(self.trunk)
        for row in self.rows:
            found += [row.start - 1, *range(at, at + row.supervised - 1)]
            at += row.supervised
        return found

    @cached_property
    def targets(self) -> list[int]:
        """The learnt ids, in the order of `parents`; no parent stands twice."""
        return [id for row in self.rows for id in row.ids[row.start :]]

    def __len__(self) -> int:
        return len(self.trunk) + sum(row.supervised for row in self.rows)

    @property
    def unpacked(self) -> int:
        """How many tokens the same rows have one by one."""
        return sum(len(row.ids) for row in self.rows)

    def shares(self, told: Sequence[float]) -> Iterator[Sequence[float]]:
        """Of figures in the order of `targets`, each row's own."""
        at = 0
        for row in self.rows:
            yield told[at : at + row.supervised]
            at += row.supervised


def single(rows: Iterable[Row]) -> Iterator[Tree]:
    """Every row as a tree of its own: one row a turn, which is the reference."""
    return (Tree((row,)) for row in rows)


def packed(rows: Iterable[Row]) -> Iterator[Tree]:
    """The rows as trees, in their order; rows of one group must stand together, as their turns were taken."""
    for _, group in groupby(rows, key=lambda row: row.group):
        trees: list[list[Row]] = []
        for row in reversed(list(group)):
            prompt = row.ids[: row.start]
            # The first row of a tree has its longest prompt, the trunk.
            tree = next((tree for tree in trees if _begins(prompt, tree)), None)
            if tree is None:
                trees.append([row])
            else:
                tree.append(row)
        yield from (Tree(tuple(reversed(tree))) for tree in reversed(trees))


def _begins(prompt: tuple[int, ...], tree: list[Row]) -> bool:
    """Whether the prompt is how the trunk begins, and no other row starts at the same place."""
    return tree[0].ids[: len(prompt)] == prompt and all(row.start != len(prompt) for row in tree)
