"""Trees: along every path the row that it was made of, and every token written once where it can be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("llguidance", reason="needs the train extra")

import tiny_models as tiny
from her.train.tokens import Encoder, Row, Window
from her.train.trees import TRUNK, Tree, packed, single
from her.turn import Kind, Segment, Turn
from test_models_transformers import QWEN3
from texts import turns

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module", params=tiny.KINDS)
def encode(request: pytest.FixtureRequest) -> Encoder:
    return Encoder(tiny.tokenizer(request.param), f"tiny-{request.param}", window=Window(100_000, 512))


def rows_of(encode: Encoder, turns_said: list[Turn], *, plan: bool) -> list[Row]:
    row = tiny.scene_of(turns_said, ["Ann", "Bob"])
    return list(encode.rows(tiny.samples(row, plan=plan)))


def faithful(trees: list[Tree], rows: list[Row]) -> None:
    """Asserts that the trees are these rows and nothing else, token for token."""
    assert sorted((row.id, row.ids) for tree in trees for row in tree.rows) == sorted((row.id, row.ids) for row in rows)
    for tree in trees:
        sizes = {len(tree), len(tree.ids), len(tree.positions), len(tree.branches), len(tree.seen)}
        assert sizes == {len(tree.trunk) + sum(row.supervised for row in tree.rows)}
        assert tree.unpacked == sum(len(row.ids) for row in tree.rows)
        assert len(set(tree.parents)) == len(tree.parents) == len(tree.targets)
        learnt = dict(zip(tree.parents, tree.targets, strict=True))
        assert [tuple(share) for share in tree.shares(tree.targets)] == [row.ids[row.start :] for row in tree.rows]
        for number, (row, path) in enumerate(zip(tree.rows, tiny.paths(tree), strict=True), TRUNK + 1):
            own = path[row.start :]
            assert [tree.ids[at] for at in path] == list(row.ids)
            assert [tree.positions[at] for at in path] == list(range(len(row.ids)))
            assert [learnt.pop(at) for at in path[row.start - 1 : -1]] == list(row.ids[row.start :])
            assert {tree.branches[at] for at in path[: row.start]} == {TRUNK}
            assert {tree.branches[at] for at in own} == {number}
            assert {tree.seen[at] for at in own} == {row.start}, "of the trunk all that stands before the reply"
            assert own == list(range(own[0], own[0] + row.supervised))
        assert learnt == {}
        assert tree.seen[: len(tree.trunk)] == list(range(1, len(tree.trunk) + 1))


def said(name: str, text: str, plan: str = "") -> Turn:
    return Turn(name, (*[Segment(Kind.SYSTEM_THINKING, plan)] * bool(plan), Segment(Kind.SPEECH, text)))


FIRST = [said("Ann", "I speak first.", "She leads.")]
TWICE = [*FIRST, said("Ann", "And again."), said("Bob", "Well."), said("Ann", "Yes.", "p"), said("Ann", "Yes.", "p")]


@given(
    drawn=st.lists(st.tuples(st.sampled_from(["Ann", "Ann", "Bob", "Environment"]), turns()), min_size=1, max_size=8),
    plan=st.booleans(),
)
@settings(max_examples=60)
@example(drawn=[("Ann", FIRST[0])], plan=True)
@example(drawn=[(turn.speaker, turn) for turn in TWICE], plan=True)
@example(drawn=[(turn.speaker, turn) for turn in TWICE], plan=False)
def test_any_dialogue_is_one_tree_a_character_and_loses_nothing(
    encode: Encoder, drawn: list[tuple[str, Turn]], plan: bool
) -> None:
    rows = rows_of(encode, [replace(turn, speaker=name) for name, turn in drawn], plan=plan)
    trees = list(packed(rows))
    faithful(trees, rows)
    faithful(list(single(rows)), rows)
    assert len(trees) == len({row.group for row in rows}), "a prompt is the beginning of every later prompt"
    assert [row.id for tree in trees for row in tree.rows] == [row.id for row in rows], "in their order"


def test_the_trunk_is_the_last_prompt_and_holds_no_plan(encode: Encoder) -> None:
    rows = [row for row in rows_of(encode, TWICE, plan=True) if "/Ann/" in row.group]
    (tree,) = packed(rows)
    assert tree.trunk == rows[-1].ids[: rows[-1].start]
    text = encode.tokenizer.decode(tree.trunk)
    assert "She leads." not in text and "I speak first." in text and "===Conversation Continues===" in text
    assert sum(map(len, packed(rows))) < sum(map(len, single(rows))) == tree.unpacked


def test_the_more_turns_the_more_is_saved(encode: Encoder) -> None:
    saved = []
    for count in (2, 6, 12):
        rows = list(encode.rows(tiny.samples(tiny.talk(count))))
        saved.append(sum(len(row.ids) for row in rows) / sum(map(len, packed(rows))))
    assert saved[0] == 1 < saved[1] < saved[2]
    assert saved[2] > 3


def test_a_dialogue_longer_than_the_window_becomes_a_tree_a_cut(encode: Encoder) -> None:
    tight = Encoder(encode.tokenizer, encode.address, window=Window(1900, 256))
    rows = list(tight.rows(tiny.samples(tiny.talk(40))))
    trees = list(packed(rows))
    faithful(trees, rows)
    assert len(trees) > 6
    for tree in trees:
        assert len({row.dropped for row in tree.rows}) == 1, "a tree has one beginning"
        assert len(tree.trunk) <= 1900 - 256
    for one, two in pairwise(trees):
        if one.rows[0].group == two.rows[0].group:
            assert one.rows[-1].dropped < two.rows[0].dropped, "each begins where more had to go"
    assert sum(map(len, trees)) < sum(tree.unpacked for tree in trees) / 2


def test_rows_with_one_prompt_and_other_replies_are_trees_of_their_own(encode: Encoder) -> None:
    """One token of a tree has one continuation that is learnt; two would be counted against each other."""
    (row,) = rows_of(encode, FIRST, plan=True)
    other = replace(row, id="other", ids=(*row.ids[: row.start], 5, 6, 2))
    trees = list(packed([row, other]))
    faithful(trees, [row, other])
    assert len(trees) == 2


def test_a_template_that_writes_the_last_message_otherwise_costs_speed_and_nothing_else() -> None:
    stock = Encoder(tiny.tokenizer("qwen3"), "qwen3", window=Window(100_000, 512), template=QWEN3)
    rows = list(stock.rows(tiny.samples(tiny.talk(8))))
    trees = list(packed(rows))
    faithful(trees, rows)
    assert len(trees) == len(rows), "no prompt is how a later one begins"


def test_groups_are_never_mixed(encode: Encoder) -> None:
    rows = list(encode.rows([*tiny.samples(tiny.talk(6)), *tiny.samples(tiny.talk(6, id="light/1/2"))]))
    trees = list(packed(rows))
    faithful(trees, rows)
    assert len(trees) == 4
    assert all(len({row.group for row in tree.rows}) == 1 for tree in trees)


def test_no_rows_no_trees() -> None:
    assert list(packed([])) == list(single([])) == []
