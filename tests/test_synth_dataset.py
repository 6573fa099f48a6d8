"""Data sets on disk: fixed columns, the same bytes, read by `datasets`, told of by their card, fit to be given away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from her.errors import InputError, StorageError
from her.models.base import Message
from her.rows.parquet import read_parquet, read_samples
from her.rows.record import SceneRow, Step
from her.rows.samples import CONFIGS, PoolRow, RlRow, SftRow, TestRow
from her.synth.samples.card import AUTHORED, card
from her.synth.samples.dataset import Sheet, arrow_schema
from her.synth.samples.publish import publish
from her.synth.samples.report import SampleReport
from sampled import PLAN, SPEECH, library, made, said, small


def sft(n: int, messages: tuple[Message, ...]) -> dict[str, Any]:
    """The columns of an SFT row."""
    about = {
        "scene": "s",
        "book": "B",
        "author": "",
        "slug": "b",
        "character": "Ann",
        "turn": f"t{n}",
        "language": "en",
    }
    return {"id": f"s/t{n}", **about, "number": n, "plan": False, "messages": messages, "prompt": "her/en@0"}


def sheet(folder: Path, rows: list[dict[str, Any]], **sizes: int) -> Sheet:
    out = Sheet(folder, "train", SftRow, **sizes)
    for row in rows:
        out.add(row)
    out.close()
    return out


# -- Parquet ---------------------------------------------------------------------------------------------------


def test_columns_are_those_of_the_rows_class() -> None:
    message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    schema = arrow_schema(SftRow)
    assert schema.names == list(SftRow.model_fields)
    assert schema.field("messages").type == message and schema.field("plan").type == pa.bool_()
    assert arrow_schema(RlRow) == pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", message),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", pa.struct([("index", pa.int64()), ("split", pa.string()), ("info", pa.string())])),
        ]
    )
    assert arrow_schema(TestRow).field("characters").type == pa.list_(pa.string())


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
message_lists = st.lists(
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), max_size=5), max_size=9
)


@settings(max_examples=40)
@given(message_lists, st.integers(1, 4), st.integers(1, 6))
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, lists: list[list[Message]], group: int, file: int
) -> None:
    folder = tmp_path_factory.mktemp("sheet")
    rows = [sft(n, tuple(messages)) for n, messages in enumerate(lists)]
    out = sheet(folder, rows, group_rows=group, file_rows=file)
    read = [row for path in out.files for row in read_parquet(path, SftRow)]
    assert [row.model_dump() for row in read] == [SftRow.model_validate(row).model_dump() for row in rows]
    assert out.rows == len(rows) and all(path.name.startswith("train-0000") for path in out.files)


def test_shared_messages_are_written_once_and_read_everywhere(tmp_path: Path) -> None:
    history = [Message("user", f"{n} " + "word " * 2000) for n in range(12)]
    rows = [sft(n, tuple(history[: n % 12 + 1])) for n in range(240)]
    (path,) = sheet(tmp_path, rows).files
    alike = [sft(n, tuple(Message(m.role, str(m.content)) for m in row["messages"])) for n, row in enumerate(rows)]
    (other,) = sheet(tmp_path / "other", alike).files
    assert path.read_bytes() == other.read_bytes(), "who made a message does not matter"
    assert path.stat().st_size < 400_000, "not some 15 million characters"
    assert len(list(read_parquet(path, SftRow))) == 240


def test_groups_and_files_have_a_size(tmp_path: Path) -> None:
    out = sheet(tmp_path, [sft(n, (Message("user", "x"),)) for n in range(25)], group_rows=4, file_rows=10)
    assert [path.name for path in out.files] == ["train-00000.parquet", "train-00001.parquet", "train-00002.parquet"]
    groups = [pq.ParquetFile(path).metadata.num_row_groups for path in out.files]
    assert groups == [3, 3, 1]
    assert next(read_parquet(out.files[1], SftRow)).turn == "t12"


def test_long_rows_make_small_groups(tmp_path: Path) -> None:
    out = Sheet(tmp_path, "train", SftRow)
    for n in range(6):
        out.add(sft(n, (Message("user", "x"),)), chars=20_000_000)
    out.close()
    assert pq.ParquetFile(out.files[0]).metadata.num_row_groups == 3


def test_snappy_and_no_file_without_rows(tmp_path: Path) -> None:
    assert sheet(tmp_path / "none", []).files == [] and not (tmp_path / "none").exists()
    (path,) = sheet(tmp_path, [sft(1, ())]).files
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "SNAPPY"


def test_reading_says_what_is_wrong_and_where(tmp_path: Path) -> None:
    (path,) = sheet(tmp_path / "roleplay-sft", [sft(1, ())]).files
    with pytest.raises(InputError, match=r"train-00000\.parquet, row 1: .*PoolRow"):
        list(read_parquet(path, PoolRow))
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(StorageError, match="cannot be read"):
        list(read_samples(tmp_path, "roleplay-sft", SftRow))
    with pytest.raises(InputError, match=r"roleplay-sft \(SftRow\)"):
        list(read_samples(tmp_path, "roleplay-sft", PoolRow))
    assert list(read_samples(tmp_path / "nowhere", "test", TestRow)) == []


# -- the `datasets` library ------------------------------------------------------------------------------------

LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder = sys.argv[1]
found = {}
for config in get_dataset_config_names(folder):
    data = load_dataset(folder, config)
    found[config] = {split: rows.num_rows for split, rows in data.items()}
sft = load_dataset(folder, "roleplay-sft", split="train")
print(json.dumps([found, sft[0]["messages"], sorted(sft.column_names)]))
"""


def test_datasets_reads_every_config_offline(tmp_path: Path) -> None:
    report, folder = made(library(12, 2), tmp_path)
    homes = {name: str(tmp_path / "home") for name in ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME")}
    environment = {**os.environ, **homes, "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    found, messages, columns = json.loads(done.stdout)
    assert found == {config: splits for config, splits in report.rows.items() if splits}
    assert set(found) == set(CONFIGS) and found["roleplay-sft"].keys() == {"train", "test"}
    assert messages[0]["role"] == "system" and messages[-1]["role"] == "assistant"
    assert columns == sorted(SftRow.model_fields)


# -- the card --------------------------------------------------------------------------------------------------


def front(folder: Path) -> Any:
    """The card's front matter."""
    return yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])


def test_the_card_names_configs_splits_languages_and_licence(tmp_path: Path) -> None:
    rows = [*library(12, 2), small("zh/1/1", book="红楼梦", language="zh-Hans")]
    report, folder = made(rows, tmp_path, licence="CC-BY-4.0", licences={"book-aa": "CC0-1.0"})
    head = front(folder)
    assert head["license"] == "cc-by-4.0" and head["language"] == ["en", "zh"]
    configs = {one["config_name"]: {f["split"]: f["path"] for f in one["data_files"]} for one in head["configs"]}
    assert configs.keys() == {config for config, splits in report.rows.items() if splits}
    for paths in configs.values():
        assert all(list(folder.glob(path)) for path in paths.values())
    text = (folder / "README.md").read_text("utf-8")
    assert "The rows are under `CC-BY-4.0`." in text and "The licence of 12 of 13 sources is unknown" in text
    assert "| Book AA | A. Writer |" in text and "CC0-1.0 |" in text
    assert "| scenes | big | `scenes/en@0123456789ab` | 25 |" in text
    assert "her/en@" in text and "her/zh@" in text
    assert "this data may hold the scenes of any benchmark" in text


def test_the_card_of_nothing_is_a_card(tmp_path: Path) -> None:
    _, folder = made([], tmp_path)
    assert front(folder) == {
        "license": "unknown", "language": ["und"], "task_categories": ["text-generation"],
        "tags": ["role-play", "fiction", "synthetic"], "configs": None,
    }  # fmt: skip


def test_a_title_cannot_break_the_cards_table(tmp_path: Path) -> None:
    _, folder = made([small("s/1/1", book="A | B\nC")], tmp_path)
    assert "| A / B C | A. Writer | 1 | sft | unknown |" in (folder / "README.md").read_text("utf-8")


def test_the_card_tells_what_was_written_by_hand_from_what_stages_made(tmp_path: Path) -> None:
    authored = [small(f"s/{n}/1", book=f"World {n}", lineage=[Step(stage=AUTHORED)]) for n in range(2)]
    _, folder = made(authored, tmp_path / "one")
    _, other = made([*authored, small("s/3/1", book="World 3")], tmp_path / "two")
    texts = [(one / "README.md").read_text("utf-8") for one in (folder, other)]
    assert ["quoted from books" in text for text in texts] == [False, True]
    assert ["Plans were written with their turns" in text for text in texts] == [True, False]


def test_what_is_said_of_a_set_stands_below_its_title(tmp_path: Path) -> None:
    report, _ = made([small("s/1/1")], tmp_path)
    text = card(report, title="Mine", about="All of it is mine.\n\n## More\n")
    assert "# Mine\n\nAll of it is mine.\n\n## More\n\n## What is in it" in text and "Made with" not in text


def test_the_card_names_validation_where_there_is_any(tmp_path: Path) -> None:
    rows = [small("s/1/1"), small("t/1/1", book="Book AB")]
    _, folder = made(rows, tmp_path, pins={"The Long Light": "validation", "Book AB": "sft"})
    text = (folder / "README.md").read_text("utf-8")
    assert "| `roleplay-sft` | 3 train, 3 validation |" in text and "`validation` of `validation`" in text
    (config, *_) = front(folder)["configs"]
    assert [one["split"] for one in config["data_files"]] == ["train", "validation"]
    _, folder = made(rows, tmp_path / "other")
    assert "validation" not in (folder / "README.md").read_text("utf-8")


def test_the_report_reads_itself(tmp_path: Path) -> None:
    report, folder = made(library(5), tmp_path)
    assert SampleReport.model_validate_json((folder / "report.json").read_bytes()) == report


# -- publishing ------------------------------------------------------------------------------------------------


def run_of(folder: Path) -> Path:
    """A run's folder with samples, and with what must not leave it."""
    made(library(8, 2), folder)
    for stage in ("scenes", "role-thinking"):
        (folder / stage).mkdir()
        (folder / stage / "rows.jsonl").write_text("WORK", encoding="utf-8")
        (folder / stage / "journal.jsonl").write_text("JOURNAL", encoding="utf-8")
        written = json.dumps({"stage": stage, "model": "http://10.0.0.7:8000/v1#big", "kept": 3})
        (folder / stage / "report.json").write_text(written, encoding="utf-8")
    (folder / "books").mkdir()
    (folder / "books" / "book-aa.txt").write_text("THE WHOLE TEXT", encoding="utf-8")
    (folder / "run.json").write_text('{"key": "none"}', encoding="utf-8")
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_publishing_takes_rows_card_and_reports_alone(tmp_path: Path) -> None:
    run, target = run_of(tmp_path / "run"), tmp_path / "out" / "mine"
    target.parent.mkdir()
    publish(run, target, licence="CC-BY-4.0", licences={"book-ab": "CC0-1.0"}, title="Mine")
    left = files(run / "samples") | {"reports/scenes.json", "reports/role-thinking.json"}
    assert files(target) == left
    everything = b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
    for secret in (b"WORK", b"JOURNAL", b"WHOLE TEXT", b"10.0.0.7"):
        assert secret not in everything
    text = (target / "README.md").read_text("utf-8")
    assert "# Mine" in text and "The licence of 7 of 8 sources is unknown" in text
    assert json.loads((target / "reports" / "scenes.json").read_text("utf-8")) == {
        "stage": "scenes",
        "model": "big",
        "kept": 3,
    }
    for path in (run / "samples").rglob("*.parquet"):
        assert (target / path.relative_to(run / "samples")).read_bytes() == path.read_bytes()


def test_texts_go_along_only_when_asked_for(tmp_path: Path) -> None:
    publish(run_of(tmp_path / "run"), tmp_path / "out", with_books=True)
    assert (tmp_path / "out" / "books" / "book-aa.txt").read_text("utf-8") == "THE WHOLE TEXT\n"


def test_without_a_licence_the_card_says_so(tmp_path: Path) -> None:
    publish(run_of(tmp_path / "run"), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert (
        "**Nobody has said under which licence the rows are.**" in text
        and front(tmp_path / "out")["license"] == "unknown"
    )


def test_publishing_writes_over_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run")
    (tmp_path / "out").mkdir()
    publish(run, tmp_path / "out")
    before = (tmp_path / "out" / "README.md").read_bytes()
    with pytest.raises(InputError, match="nothing is written over"):
        publish(run, tmp_path / "out", licence="CC0-1.0")
    assert (tmp_path / "out" / "README.md").read_bytes() == before
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="nothing is written over"):
        publish(run, tmp_path / "file")


def test_publishing_needs_samples_and_known_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="to its end first"):
        publish(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="no source is called 'Emma'"):
        publish(run_of(tmp_path / "run"), tmp_path / "out", licences={"Emma": "CC0-1.0"})
    assert not (tmp_path / "out").exists()
    (tmp_path / "run" / "samples" / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no report of samples"):
        publish(tmp_path / "run", tmp_path / "out")


# -- what goes wrong in the release ----------------------------------------------------------------------------


def test_b9_scripts_between_scenes_and_training_files_are_missing(tmp_path: Path) -> None:
    """With and without plans, one row a turn, as Parquet: all in one call, from scenes to files that load."""
    plain = [
        said("t1", "Ann", (SPEECH, "No plan was made for this one.")),
        said("t2", "Bob", (PLAN, "He agrees."), (SPEECH, "No.")),
    ]
    report, folder = made([*library(6, 2), small("one/1/1", *plain, book="Book AA")], tmp_path, shares={"sft": 1.0})
    with_plan, without = report.rows["roleplay-sft"]["train"], report.rows["roleplay-sft-plain"]["train"]
    assert without == with_plan + report.turns["sft"].without_plan == report.turns["sft"].all - 12
    assert with_plan == len(list(read_samples(folder, "roleplay-sft", SftRow)))


def test_input_stays_as_it_was(tmp_path: Path) -> None:
    made(library(3), tmp_path)
    before = (tmp_path / "rows.jsonl").read_bytes()
    made(library(3), tmp_path / "again", library=tmp_path / "books")
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    assert all(SceneRow.model_validate_json(line) for line in before.splitlines())
