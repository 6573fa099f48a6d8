"""What shaped a checkpoint: a record that goes with it, and tells two judges or two versions apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from her.errors import InputError, StorageError
from her.judge.reward.provenance import FILE, JudgeRecord, Provenance, digest, family_hashes, judge_record

ONE = Provenance(
    judges=(JudgeRecord(address="mini", prompts=("her/en@1",)),), families={"padding": "a", "openers": "b"}
)


def test_it_comes_back_from_beside_a_checkpoint(tmp_path: Path) -> None:
    assert ONE.write(tmp_path) == tmp_path / FILE
    assert Provenance.read(tmp_path) == ONE
    (tmp_path / "no judge").mkdir()
    assert Provenance.read(tmp_path / "no judge") == Provenance()


def test_a_judge_is_known_by_its_prompts_and_its_principles(tmp_path: Path) -> None:
    asked = ["her/zh@1", "her/en@2", "principles@3", "her/en@2"]
    record = judge_record("mini", dialect="ours", prompts=asked)
    assert (record.prompts, record.principles, record.weights) == (("her/en@2", "her/zh@1"), "3", "")
    other = judge_record("mini", dialect="ours", prompts=[*asked[:2], "principles@4"])
    assert other.prompts == record.prompts
    assert Provenance(judges=(record,)).sha != Provenance(judges=(other,)).sha


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("http://10.0.0.9:8000/v1#org/strong", True),
        ("https://elsewhere/v1#org/strong", True),
        ("hf:org/strong", True),
        ("http://10.0.0.9:8000/v1#org/other", False),
        ("mini", False),
    ],
)
def test_a_judge_is_the_same_on_another_host(address: str, same: bool) -> None:
    shaped = Provenance(judges=(judge_record("http://10.0.0.9:8000/v1#org/strong", dialect="ours", prompts=[]),))
    assert shaped.shaped_by(address) is same


def test_a_file_of_weights_is_the_same_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"weights")
    record = judge_record(str(tmp_path / "a.gguf"), dialect="ours", prompts=[])
    moved = (tmp_path / "a.gguf").rename(tmp_path / "b.gguf")
    assert record.weights == hashlib.sha256(b"weights").hexdigest()
    assert Provenance(judges=(record,)).shaped_by(str(moved), judge_record(str(moved), dialect="", prompts=[]).weights)
    assert not Provenance(judges=(record, *ONE.judges)).shaped_by(str(moved)), "no weights are nobody's"


def test_the_hash_knows_content_and_no_order() -> None:
    turned = Provenance(judges=ONE.judges, families=dict(reversed(ONE.families.items())))
    assert turned.sha == ONE.sha
    assert Provenance(judges=ONE.judges, families={**ONE.families, "openers": "c"}).sha != ONE.sha
    assert family_hashes({"a": ["1", "2"]}) == family_hashes({"a": ["2", "1"]})
    assert family_hashes({"a": ["1", "2"]}) != family_hashes({"a": ["12"]})
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("é") == digest("é".encode())


def test_two_are_joined_and_two_versions_of_a_family_are_not() -> None:
    other = Provenance(judges=(*ONE.judges, JudgeRecord(address="hf:x/y")), families={"padding": "a", "more": "d"})
    both = ONE.plus(other)
    assert [one.address for one in both.judges] == ["mini", "hf:x/y"]
    assert both.families == {"padding": "a", "openers": "b", "more": "d"}
    assert both.shaped_by("hf:x/y")
    assert not both.shaped_by("hf:x/z")
    with pytest.raises(InputError, match="'padding'"):
        ONE.plus(Provenance(families={"padding": "z"}))


@pytest.mark.parametrize(("text", "where"), [("{", "the file"), ('{"judges": [{"adress": "x"}]}', r"judges\.0\.")])
def test_a_damaged_record_names_the_place(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=where):
        Provenance.read(tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        ONE.write(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="nowhere is not there"):
        Provenance.read(tmp_path / "nowhere")
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="restore"):
        Provenance.read(tmp_path)
