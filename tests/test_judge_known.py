"""Pairs with a known answer as files: from a data set, with what models wrote, marked for tests, and never learnt."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from compared import FIRST, pair
from her.errors import InputError, StorageError
from her.judge.counterfactual import By, make
from her.judge.data.candidates import Candidate, Drawn
from her.judge.data.dataset import TEST_PAIRS
from her.judge.data.pipeline import FOR_TESTS, SAMPLES
from her.judge.known import PairsOptions, make_pairs
from her.judge.pairs import Pair, Setting, distinct
from her.rows.files import Writer, read_rows
from her.rows.record import Record
from her.rows.samples import PoolRow
from places import pairs, rows

pytest.importorskip("pyarrow", reason="needs the synth extra")
from her.synth.samples.dataset import Sheet
from test_judge_data_rows import argues, way


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of English, German and French books; the German one is for tests."""
    folder = tmp_path_factory.mktemp("data")
    for split, languages in (("train", ("en", "fr")), ("test", ("de",))):
        sheet = Sheet(folder / "reward-pool", split, PoolRow)
        for language in languages:
            for row in rows(language):
                sheet.add(row.model_dump())
        sheet.close()
    return folder


def write(path: Path, *found: Record) -> Path:
    with Writer(path) as out:
        for row in found:
            out.write(row)
    return path


def drawn(row: PoolRow, model: str, *texts: str) -> Drawn:
    seen = row.seen
    return Drawn(
        id=row.id,
        book=row.slug,
        split="train",
        at=Setting(scene=seen.scene, speaker=row.character, turns=seen.turns),
        reference="",
        model=model,
        asked=len(texts),
        candidates=tuple(Candidate(text=text, seed=n) for n, text in enumerate(texts)),
    )


def made(options: PairsOptions) -> list[Pair]:
    make_pairs(options)
    return [*read_rows(options.out, Pair)]


# -- what is made ------------------------------------------------------------------------------------------------


def test_a_pair_says_which_split_its_place_is_of(data: Path, tmp_path: Path) -> None:
    found = made(PairsOptions(data, tmp_path / "pairs.jsonl"))
    tests = {pair.book for pair in found if pair.split == "test"}
    assert tests == {row.slug for row in rows("de")}
    assert {pair.split for pair in found if pair.book not in tests} == {"train"}
    assert {pair.split for pair in make(rows("fr"), rng=Random(0))} == {None}


def test_all_files_of_candidates_count_at_a_place(data: Path, tmp_path: Path) -> None:
    """A file of one model does not put out what another wrote for the same place."""
    places = rows("fr")
    files = [
        write(tmp_path / f"{name}.jsonl", *(drawn(row, name, f"{row.character}: {said}") for row in places))
        for name, said in (("one", "Bon. Je ne dis rien de plus."), ("two", "Soit. Le bateau peut attendre."))
    ]
    options = PairsOptions(data, tmp_path / "pairs.jsonl", split="train", samples=tuple(files))
    assert {pair.base for pair in made(options)} == {"authored", "one", "two"}
    strange = write(tmp_path / "strange.jsonl", drawn(places[0], "x").model_copy(update={"at": pairs()[0].at}))
    with pytest.raises(InputError, match="is another place than in"):
        make_pairs(PairsOptions(data, tmp_path / "none.jsonl", samples=(files[0], strange)))
    with pytest.raises(StorageError):
        make_pairs(PairsOptions(data, tmp_path / "none.jsonl", samples=(tmp_path / "nowhere.jsonl",)))
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize("by", ["book", "family", "template"])
def test_a_share_is_held_out_beside_the_tests_of_the_data_set(data: Path, tmp_path: Path, by: By) -> None:
    whole = made(PairsOptions(data, tmp_path / "whole.jsonl"))
    found = made(PairsOptions(data, tmp_path / "pairs.jsonl", hold_out=by, share=0.3))
    assert [pair.id for pair in found] == [pair.id for pair in whole]
    before, now = ({pair.id for pair in part if pair.split == "test"} for part in (whole, found))
    assert before < now < {pair.id for pair in whole}


def test_families_that_could_not_be_probed_are_told(data: Path, tmp_path: Path) -> None:
    told = make_pairs(PairsOptions(data, tmp_path / "pairs.jsonl", limit=1, probe=True))
    assert told["not probed"] == sorted({name for name in told["family"]} - {"neutral"}) and not told["surface"]
    assert sum(told["split"].values()) == told["pairs"]


# -- and never learnt --------------------------------------------------------------------------------------------


def known(split: str | None, *books: str) -> list[Pair]:
    return [pair(f"{split}-{book}", FIRST, kind="broken", family="padding", book=book, split=split) for book in books]


def test_books_of_pairs_for_tests_are_for_tests(tmp_path: Path) -> None:
    """Other pairs of such a book are not learnt from either, wherever they come from."""
    held = [*known("test", "b0", "b1"), *known("train", "b2", "b3"), *known(None, "b1", "b4", "b5")]
    outcome, _ = way(tmp_path / "out", None, argues, files=(write(tmp_path / "pairs.jsonl", *held),))
    assert outcome.samples and outcome.samples.held_out == ("b0", "b1")
    tests = {pair.id for pair in read_rows(outcome.folder / SAMPLES / TEST_PAIRS, Pair)}
    assert tests == {"test-b0", "test-b1", "None-b1"}


def test_of_a_book_that_is_learnt_from_what_is_for_tests_is_left_out(tmp_path: Path) -> None:
    held = [*known("test", "b0", "b1", "b2"), *known("train", "b0", "b1", "b3")]
    outcome, _ = way(tmp_path / "out", None, argues, files=(write(tmp_path / "pairs.jsonl", *held),))
    samples = outcome.samples
    assert samples and samples.held_out == ("b2",) and samples.adds_up
    assert samples.unlabelled == {FOR_TESTS: 2}
    assert sum(samples.parts[part].labels for part in ("sft", "rl")) == 3


def test_a_subset_of_that_name_is_no_mark(tmp_path: Path) -> None:
    held = [one.model_copy(update={"subset": "test"}) for one in known(None, "b0", "b1", "b2")]
    outcome, _ = way(tmp_path / "out", None, argues, files=(write(tmp_path / "pairs.jsonl", *held),))
    assert outcome.samples and outcome.samples.held_out == ()


def test_the_share_without_a_verdict_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", *known("train", "b0", "b1", "b2", "b3"))
    outcome, _ = way(tmp_path / "out", None, lambda _: "The first, I think.", files=(file,), until="judged")
    assert outcome.unscored == 1 and "without a verdict: 100.0% of the pairs" in outcome.lines
    outcome, _ = way(tmp_path / "well", None, argues, files=(file,), until="judged")
    assert outcome.unscored == 0 and outcome.whole["unscored"] == 0
    outcome, _ = way(tmp_path / "none", None, None, files=(file,), until="pairs")
    assert outcome.unscored is None


def test_what_nobody_judges_cannot_be_judged(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", *known("train", "b0"))
    with pytest.raises(InputError, match="nobody judges the pairs: name a judge"):
        way(tmp_path / "out", None, None, files=(file,), until="judged")
    assert not (tmp_path / "out").exists()


def test_an_id_that_comes_again_is_refused() -> None:
    found = known("train", "b0", "b1")
    assert [*distinct(found)] == found
    with pytest.raises(InputError, match="'train-b0' stands twice"):
        list(distinct([*found, found[0]]))
