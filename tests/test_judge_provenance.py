"""What shaped a checkpoint: a record that goes with it, and tells two judges or two versions apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from her.errors import InputError, PromptError, StorageError
from her.judge.reward.provenance import FILE, JudgeRecord, Provenance, digest, family_hashes, judge_record
from her.prompts import prompt_hash

ONE = Provenance(
    judges=(JudgeRecord(address="mini", prompts=("her/en@1",)),), families={"padding": "a", "openers": "b"}
)


def test_it_comes_back_from_beside_a_checkpoint(tmp_path: Path) -> None:
    assert ONE.write(tmp_path) == tmp_path / FILE
    assert Provenance.read(tmp_path) == ONE
    assert Provenance.read(tmp_path / "never trained") == Provenance()


def test_a_judge_is_known_by_its_prompts_and_its_principles(tmp_path: Path) -> None:
    listed = tmp_path / "principles.toml"
    listed.write_text("one = 1")
    record = judge_record("mini", dialect="ours", prompts=["her/en", "her/zh", "her/en"], principles=listed)
    assert record.prompts == (f"her/en@{prompt_hash('her/en')}", f"her/zh@{prompt_hash('her/zh')}")
    listed.write_text("one = 2")
    other = judge_record("mini", dialect="ours", prompts=["her/en", "her/zh"], principles=listed)
    assert other.prompts == record.prompts
    assert other.principles != record.principles
    assert Provenance(judges=(record,)).sha != Provenance(judges=(other,)).sha


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
    with pytest.raises(StorageError, match=r"none\.toml"):
        judge_record("mini", dialect="ours", prompts=[], principles=tmp_path / "none.toml")
    with pytest.raises(PromptError):
        judge_record("mini", dialect="ours", prompts=["judge/xx"])
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="restore"):
        Provenance.read(tmp_path)
