"""Preference files: every shape is told by its rows, every row is a pair or is counted with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError, StorageError
from her.judge.bench.preferences import ANSWERS, ASKS, Read, read_pairs, setting
from her.judge.verdict import Winner
from her.markup import notation
from her.turn import ENVIRONMENT, Kind
from planted_pairs import planted

MARKS = notation()
ASKED = [
    {"role": "system", "content": "You are Elizabeth Bennet, at Netherfield."},
    {"role": "user", "content": "Shall we dance?"},
    {"role": "assistant", "content": "With all my heart."},
    {"role": "user", "content": "And now?"},
]
ROLE = {"context_messages": ASKED, "preferred_response": "Good.", "dispreferred_response": "Bad.", "subset": "safety"}
JUDGE = {"pair_id": "x", "question": "2+2?", "response_A": "4", "response_B": "5", "label": "A>B", "source": "math"}
REWARD = {"id": 7, "prompt": "Say hello.", "chosen": "Hello!", "rejected": "No.", "subset": "chat"}
REWARD_2 = {
    "prompt": "Name a colour.",
    "chosen": ["red", "blue"],
    "rejected": ["seven", "dog", "ten"],
    "subset": "Ties",
}
BEGUN = [{"role": "user", "content": "Hi."}]
MESSAGES = {
    "chosen": [*BEGUN, {"role": "assistant", "content": "Hello."}],
    "rejected": [*BEGUN, {"role": "assistant", "content": "Go away."}],
}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def preferred(read: Read) -> list[tuple[str, str]]:
    """The better text and the worse one of each pair."""
    sides = ((pair, Winner.FIRST) for pair in read.pairs)
    return [(one.first, one.second) if one.better is first else (one.second, one.first) for one, first in sides]


@pytest.mark.parametrize(
    ("row", "shape", "texts", "subset"),
    [
        (ROLE, "RoleRMBench", ("Good.", "Bad."), "safety"),
        (JUDGE, "JudgeBench", ("4", "5"), "math"),
        (JUDGE | {"label": "B>A"}, "JudgeBench", ("5", "4"), "math"),
        (REWARD, "RewardBench", ("Hello!", "No."), "chat"),
        (REWARD | {"prompt": BEGUN}, "RewardBench", ("Hello!", "No."), "chat"),
        (MESSAGES, "messages", ("Hello.", "Go away."), ""),
    ],
)
def test_a_shape_is_told_by_its_rows(
    tmp_path: Path, row: dict[str, Any], shape: str, texts: tuple[str, str], subset: str
) -> None:
    read = read_pairs(lines(tmp_path / "a file.jsonl", row))
    assert (read.shape, read.rows, read.skipped, read.cut) == (shape, 1, {}, 0)
    assert preferred(read) == [texts]
    (pair,) = read.pairs
    assert (pair.id, pair.source, pair.subset, pair.kind) == ("a-file/1", "a-file", subset, "natural")
    assert pair.at.speaker == ANSWERS and pair.case.shown(pair.first) in texts


def test_several_answers_make_several_pairs_and_right_ones_are_equal(tmp_path: Path) -> None:
    read = read_pairs(lines(tmp_path / "v2.jsonl", REWARD_2))
    ties = [pair for pair in read.pairs if pair.better is Winner.TIE]
    assert [(pair.first, pair.second) for pair in ties] == [("red", "blue")]
    decided = [pair for pair in read.pairs if pair.better is not Winner.TIE]
    assert {frozenset((pair.first, pair.second)) for pair in decided} == {
        frozenset(both) for both in (("red", "seven"), ("blue", "dog"), ("red", "ten"))
    }
    assert len({pair.id for pair in read.pairs}) == 4 and read.rows == 1
    assert len({pair.at.scene.id for pair in read.pairs}) == 1, "one question is one scene"


def test_better_ones_stand_on_both_sides(tmp_path: Path) -> None:
    read = read_pairs(lines(tmp_path / "r.jsonl", *[REWARD] * 100))
    assert 30 < sum(pair.better is Winner.FIRST for pair in read.pairs) < 70
    assert preferred(read) == [("Hello!", "No.")] * 100


def test_a_scene_is_no_more_than_what_the_messages_say(tmp_path: Path) -> None:
    (pair,) = read_pairs(lines(tmp_path / "r.jsonl", ROLE)).pairs
    scene, turns = pair.at.scene, [row.turn for row in pair.at.turns]
    assert scene.setting == "You are Elizabeth Bennet, at Netherfield." and scene.names == (ANSWERS, ASKS)
    assert [one.profile for one in scene.cast] == ["", ""]
    assert [(turn.speaker, turn.text_of(Kind.SPEECH)) for turn in turns] == [
        (ASKS, "Shall we dance?"),
        (ANSWERS, "With all my heart."),
        (ASKS, "And now?"),
    ]
    late = setting([(ASKS, "Hm."), (ENVIRONMENT, "Night falls.")], "x")
    assert late.scene.setting == "A conversation of which nothing more is known."
    assert [row.speaker for row in late.turns] == [ASKS, ENVIRONMENT]


def test_chinese_is_told_and_its_scene_is_chinese() -> None:
    made = setting([(ASKS, "今天的天气怎么样？我们去湖边走走吧。")], "x")
    assert made.scene.language == "zh" and made.scene.setting == "一段对话，此外一无所知。"


def test_plans_in_messages_are_never_shown_and_thoughts_are() -> None:
    text = f"{MARKS['plan_open']}lie{MARKS['plan_close']}{MARKS['thought_open']}oh{MARKS['thought_close']}Yes."
    (turn,) = (row.turn for row in setting([(ANSWERS, text)], "x").turns)
    assert turn.layout == "thought-speech" and not turn.text_of(Kind.SYSTEM_THINKING)


def test_candidates_that_go_on_as_somebody_else_are_counted(tmp_path: Path) -> None:
    row = REWARD | {"chosen": f"Hello!\n{ASKS}: Hello yourself."}
    read = read_pairs(lines(tmp_path / "r.jsonl", row, REWARD))
    assert read.cut == 1
    assert read.pairs[0].case.shown(row["chosen"]) == "Hello!"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROLE | {"preferred_response": ""}, "an answer or message is missing"),
        (ROLE | {"preferred_response": None}, "an answer or message is missing"),
        (ROLE | {"preferred_response": "Bad."}, "both answers are the same"),
        (ROLE | {"context_messages": None}, "no messages"),
        (ROLE | {"context_messages": [{"role": "tool", "content": "x"}]}, "a message of the role 'tool'"),
        (ROLE | {"context_messages": ["x"]}, "a message of the role ''"),
        ({"context_messages": []}, "not in the shape of the rows before"),
        (["x"], "not an object"),
    ],
)
def test_what_makes_no_pair_is_counted_with_its_reason(tmp_path: Path, row: Any, reason: str) -> None:
    read = read_pairs(lines(tmp_path / "r.jsonl", ROLE, row, row))
    assert (read.rows, len(read.pairs), dict(read.skipped)) == (3, 1, {reason: 2})


@pytest.mark.parametrize("label", ["A=B", "", None])
def test_a_label_that_says_nothing_is_no_answer(tmp_path: Path, label: str | None) -> None:
    read = read_pairs(lines(tmp_path / "j.jsonl", JUDGE, JUDGE | {"label": label}))
    assert dict(read.skipped) == {"no answer": 1}


def test_our_own_pairs_are_read_as_they_are_and_those_without_an_answer_are_counted(tmp_path: Path) -> None:
    pairs = planted(1, 1, 2)
    rows = [json.loads(pair.model_dump_json()) for pair in pairs]
    read = read_pairs(lines(tmp_path / "p.jsonl", *rows, rows[0] | {"better": None}, rows[0] | {"grade": 9}))
    assert list(read.pairs) == pairs and read.shape == "pairs"
    assert read.skipped["no answer"] == 1 and sum(read.skipped.values()) == 2
    assert any(reason.startswith("grade: ") for reason in read.skipped)


def test_json_and_parquet_say_the_same_as_json_lines(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the synth extra")
    import pyarrow as pa

    rows = [ROLE, ROLE | {"preferred_response": "Better."}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    (tmp_path / "r.json").write_text(json.dumps(rows, indent=1))
    lined = read_pairs(lines(tmp_path / "r.jsonl", *rows))
    for name in ("r.parquet", "r.json"):
        assert read_pairs(tmp_path / name).pairs == lined.pairs


def test_two_halves_of_a_character_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(REWARD).replace("Hello!", "\\ud83d\\ude00 and \\ud83d alone"))
    assert preferred(read_pairs(path)) == [("😀 and \ufffd alone", "No.")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "none of its 0 rows makes a pair"),
        ("[]", "none of its 0 rows makes a pair"),
        ('{"a": 1}\n', "rows with a are not known; known are pairs"),
        ("{}\n", "no keys"),
        ('{"a": \n', "line 1: no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_file_of_no_pairs_says_what_is_wrong(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_pairs(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone\.jsonl"):
        read_pairs(tmp_path / "gone.jsonl")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match="no UTF-8 at byte 7"):
        read_pairs(tmp_path / "latin.json")
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    (tmp_path / "no.parquet").write_bytes(b"no")
    with pytest.raises(StorageError, match=r"no\.parquet"):
        read_pairs(tmp_path / "no.parquet")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([ROLE, JUDGE, REWARD, MESSAGES]).flatmap(
        lambda row: st.dictionaries(st.sampled_from(sorted(row)), JSON, max_size=3).map(lambda odd: (row, odd))
    )
)
def test_whatever_stands_in_a_row_it_is_a_pair_or_is_counted(tmp_path_factory: Any, rows: tuple[Any, Any]) -> None:
    good, odd = rows
    path = lines(tmp_path_factory.mktemp("odd") / "r.jsonl", good, good | odd)
    read = read_pairs(path)
    assert read.rows == 2 and len({pair.id.split("/")[1] for pair in read.pairs}) + sum(read.skipped.values()) == 2
