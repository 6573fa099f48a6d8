"""`her synth` from books and CoSER's files to samples: what comes out, what is asked, and what a kill can do."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import tales
from her import cli
from her.actor import Actor, ActorOptions
from her.markup import render
from her.models.base import Message
from her.models.recorded import Scripted
from her.rows.files import read_rows
from her.rows.record import SceneRow
from her.rows.run import Target, run
from her.rows.samples import SftRow
from her.synth.reading.book import Book
from her.synth.reading.library import Library
from her.synth.stage import StageOptions
from her.synth.staging.passages import Passage
from her.synth.staging.scenes import Scenes
from her.turn import ENVIRONMENT, Dialogue, Kind
from stage_teacher import Served, serving, teacher
from synthesis import STEPS, answered, argv, begun, data_of, hasten, killed, numbers, reports, rows, same, written

PLAYS = ("final_King_Lear_notext.json", "final_Othello_notext.json")
CASES = "test_set_pd_english.json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served") / "log") as one:
        yield one


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tales.write(tmp_path_factory.mktemp("books"))


@pytest.fixture(scope="module")
def whole(served: Served, books: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both books that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert cli.run(argv(folder, books, served)) == 0
    return folder


# -- what comes out ---------------------------------------------------------------------------------------------


def test_every_row_is_counted_and_every_stage_leaves_its_line(whole: Path, served: Served) -> None:
    told = reports(whole)
    assert list(told) == list(STEPS)
    for report in told.values():
        assert report["rows_in"] == report["kept"] + report["repaired"] + report["dropped"] == 3
        assert report["within"]
    assert sum(report["repaired"] for report in told.values()) > 0
    assert sum(sum(report["refused"].values()) for report in told.values()) > 0, "something must have been refused"
    for row in read_rows(whole / "settings" / "rows.jsonl", SceneRow):
        assert [step.stage for step in row.lineage] == list(STEPS)
        assert {step.model for step in row.lineage if step.model} == {served.address}
        assert {step.sampling["seed"] for step in row.lineage if step.sampling} == {0}


def test_what_is_said_is_the_book_s_to_the_letter(whole: Path) -> None:
    library = Library(whole / "books")
    for row in read_rows(whole / "settings" / "rows.jsonl", SceneRow):
        text = library.book(row.source.slug).text
        for turn in row.turns:
            spoken = [text[start:end].rstrip(",，") for start, end in turn.spans]
            words = turn.turn.text_of(Kind.SPEECH)
            assert spoken and all(part in words for part in spoken)
            assert "".join(words.split()).startswith("".join(spoken[0].split()))
        for added in row.evidence:
            assert text[added.start : added.end] == added.quote
            assert row.source.start is not None and added.end <= min(min(turn.spans) for turn in row.turns)[0]


def test_a_chinese_book_has_chinese_rows(whole: Path) -> None:
    found = [row for row in read_rows(whole / "settings" / "rows.jsonl", SceneRow) if row.source.slug == "well"]
    assert [row.language for row in found] == ["zh"]
    (row,) = found
    assert {turn.speaker for turn in row.turns} == {"周婶", "老陆"}
    assert all(prompt.rpartition("@")[0].endswith("zh") for step in row.lineage for prompt in step.prompts)
    plans = [turn.turn.text_of(Kind.SYSTEM_THINKING) for turn in row.turns]
    assert sum(bool(plan) for plan in plans) > len(plans) / 2


async def in_chat(row: SceneRow, sample: SftRow) -> tuple[Message, ...]:
    """What chat sends before the turn of a sample."""
    at = [turn.id for turn in row.turns].index(sample.turn)
    before = Dialogue(row.dialogue.cast, row.dialogue.turns[:at])
    actor = Actor(row.scene, sample.character, Scripted(["x"]), options=ActorOptions(plan=sample.plan))
    return (await actor.prompt(before)).messages


async def check_samples(folder: Path) -> int:
    """Every SFT row is the prompt that chat sends and the turn as it stands in the scene; how many there are."""
    import pyarrow.parquet as pq

    scenes = {row.id: row for row in read_rows(folder / "settings" / "rows.jsonl", SceneRow)}
    checked = 0
    for config in ("roleplay-sft", "roleplay-sft-plain"):
        for path in sorted((folder / "samples" / config).glob("*.parquet")):
            for line in pq.read_table(path).to_pylist():
                sample = SftRow.model_validate(line)
                row = scenes[sample.scene]
                assert sample.messages[:-1] == await in_chat(row, sample)
                turn = next(turn.turn for turn in row.turns if turn.id == sample.turn)
                turn = turn if sample.plan else turn.without(Kind.SYSTEM_THINKING)
                assert sample.messages[-1] == Message("assistant", render(turn, name=True))
                checked += 1
    return checked


async def test_samples_are_the_bytes_that_chat_sends(whole: Path) -> None:
    told = json.loads((whole / "samples" / "report.json").read_text(encoding="utf-8"))["rows"]
    made = sum(sum(told.get(config, {}).values()) for config in ("roleplay-sft", "roleplay-sft-plain"))
    assert await check_samples(whole) == made > 0


def some_cases(her_data: Path, folder: Path, count: int) -> Path:
    """The first cases of the test set."""
    cases = json.loads((her_data / "coser" / CASES).read_text(encoding="utf-8"))[:count]
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    return folder / "cases.json"


def from_coser(out: Path, served: Served, *files: Path, flags: tuple[str, ...] = ()) -> list[str]:
    return argv(out, [], served, *[part for file in files for part in ("--coser", str(file))], *flags)


def test_coser_s_plays_and_cases_come_in_without_a_lost_turn(her_data: Path, served: Served, tmp_path: Path) -> None:
    files = [her_data / "coser" / name for name in (*PLAYS, CASES)]
    before = len(served.asked)
    assert cli.run(from_coser(tmp_path / "run", served, *files, flags=("--until", "profiles"))) == 0
    told = json.loads((tmp_path / "run" / "imported" / "report.json").read_text(encoding="utf-8"))
    assert (told["turns_in"], told["turns_out"], told["turns_refused"]) == (575, 575, 0)
    assert (told["cases"], told["rows"]) == (51, 51)
    found = list(read_rows(tmp_path / "run" / "profiles" / "rows.jsonl", SceneRow))
    assert (len(found), sum(len(row.turns) for row in found)) == (51, 575)
    assert len(served.asked) == before, "scenes without a text behind them need no profiles"


async def test_a_few_cases_go_all_the_way(her_data: Path, served: Served, tmp_path: Path) -> None:
    file = some_cases(her_data, tmp_path, 3)
    assert begun_and_done(from_coser(tmp_path / "run", served, file)) == 0
    assert await check_samples(tmp_path / "run") > 20


@pytest.mark.long
async def test_all_of_coser_goes_all_the_way(her_data: Path, served: Served, tmp_path: Path) -> None:
    files = [her_data / "coser" / name for name in (*PLAYS, CASES)]
    test = ("--coser-test", str(her_data / "coser" / CASES))
    assert begun_and_done(from_coser(tmp_path / "run", served, *files, flags=test)) == 0
    assert await check_samples(tmp_path / "run") > 100
    told = json.loads((tmp_path / "run" / "samples" / "report.json").read_text(encoding="utf-8"))
    assert sum(told["kept_out"].values()) >= 27, "the test set is kept out of what is learnt from"


def begun_and_done(arguments: list[str]) -> int:
    """The exit code of a command in another process: this one may have a loop that runs."""
    process = begun(arguments)
    process.join()
    return int(process.exitcode)


def test_a_novel_and_scenes_of_others_come_together(
    her_data: Path, served: Served, books: tuple[Path, Path], tmp_path: Path
) -> None:
    file = some_cases(her_data, tmp_path, 2)
    arguments = argv(tmp_path / "run", books, served, "--coser", str(file), "--until", "profiles")
    assert cli.run(arguments) == 0
    ids = [row["id"] for row in rows(tmp_path / "run" / "profiles" / "rows.jsonl")]
    assert ids[:3] == ["mill/1/1", "mill/2/1", "well/1/1"]
    assert len(ids) == 5


# -- the same again ---------------------------------------------------------------------------------------------


def test_again_asks_nothing_and_changes_no_byte(
    whole: Path, served: Served, books: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before, asked = data_of(whole), len(served.asked)
    assert cli.run(argv(whole, books, served)) == 0
    assert (data_of(whole), len(served.asked)) == (before, asked)
    assert "0 calls" in capsys.readouterr().err


def test_two_runs_of_the_same_are_the_same(
    whole: Path, served: Served, books: tuple[Path, Path], tmp_path: Path
) -> None:
    assert cli.run(argv(tmp_path / "run", books, served, "--concurrency", "1")) == 0
    same(tmp_path / "run", whole)


def test_stage_by_stage_is_the_same_as_at_once(
    whole: Path, served: Served, books: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for step in (*STEPS, "samples"):
        assert cli.run(argv(folder, books, served, "--until", step)) == 0
        after = [name for name in (*STEPS, "samples") if (folder / name).exists()]
        assert after[-1] == step
    same(folder, whole)


def test_shards_and_the_run_that_joins_them_come_to_the_same(
    whole: Path, served: Served, books: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert cli.run(argv(folder, books, served, "--until", "profiles", "--shard", "1/2")) == cli.BAD_INPUT
    assert "run stage scenes in all its shards" in capsys.readouterr().err
    for step in STEPS:
        arguments = argv(folder, books, served, "--until", step)
        # All begin at the same moment, as a job array does.
        shards = [begun([*arguments, "--shard", f"{number}/2"]) for number in (1, 2)]
        for process in shards:
            process.join()
            assert process.exitcode == 0
        asked = len(served.asked)
        assert cli.run(arguments) == 0
        assert len(served.asked) == asked, "the joining run has all answers at hand"
    assert cli.run(argv(folder, books, served)) == 0
    same(folder, whole)


@pytest.mark.long
def test_sixteen_shards_may_begin_at_the_same_moment(served: Served, tmp_path: Path) -> None:
    """Each of them sets the folder up: what one reads must never be what another has half written."""
    many = tales.write_many(tmp_path / "many", 40)[0].parent
    arguments = argv(tmp_path / "run", [many], served, "--until", "scenes")
    shards = [begun([*arguments, "--shard", f"{number}/16"]) for number in range(1, 17)]
    for process in shards:
        process.join()
    assert [process.exitcode for process in shards] == [0] * 16
    assert cli.run(arguments) == 0
    assert cli.run(argv(tmp_path / "alone", [many], served, "--until", "scenes")) == 0
    same(tmp_path / "run", tmp_path / "alone")


def test_a_journal_plays_its_stage_back(whole: Path, served: Served, books: tuple[Path, Path], tmp_path: Path) -> None:
    asked = len(served.asked)
    recorded = Served(f"replay:{whole / 'scenes' / 'journal.jsonl'}", served.log)
    assert cli.run(argv(tmp_path / "run", books, recorded, "--until", "scenes")) == 0
    assert len(served.asked) == asked
    played, was = (list(rows(folder / "scenes" / "rows.jsonl")) for folder in (tmp_path / "run", whole))
    assert [row | {"lineage": 0} for row in played] == [row | {"lineage": 0} for row in was]


async def test_the_teacher_in_this_process_says_what_its_server_says(whole: Path, tmp_path: Path) -> None:
    stage = Scenes(StageOptions(), whole / "books")
    await run(read_rows(whole / "passages.jsonl", Passage), stage.work, teacher(), Target(tmp_path, stage.name))
    played, was = (list(rows(folder / "rows.jsonl")) for folder in (tmp_path, whole / "scenes"))
    assert [row | {"lineage": 0} for row in played] == [row | {"lineage": 0} for row in was]


# -- which sources ----------------------------------------------------------------------------------------------


def test_only_the_chapters_that_were_asked_for(served: Served, books: tuple[Path, Path], tmp_path: Path) -> None:
    flags = ("--chapters", "2", "--until", "scenes")
    assert cli.run(argv(tmp_path / "run", books[:1], served, *flags)) == 0
    assert [row["id"] for row in rows(tmp_path / "run" / "scenes" / "rows.jsonl")] == ["mill/2/1"]


def test_a_book_that_is_named_twice_is_read_once(served: Served, books: tuple[Path, Path], tmp_path: Path) -> None:
    named = [books[0], books[1], books[0], books[0].parent]
    assert cli.run(argv(tmp_path / "run", named, served, "--until", "scenes")) == 0
    ids = [row["id"] for row in rows(tmp_path / "run" / "passages.jsonl")]
    assert len(ids) == len(set(ids)) == 3


def test_two_books_of_one_name_are_two(served: Served, tmp_path: Path) -> None:
    one, two = tales.write(tmp_path / "one")[0], tmp_path / "two" / "mill.txt"
    two.parent.mkdir()
    two.write_text(tales.MILL.replace("Hanna", "Johanna"), encoding="utf-8")
    assert cli.run(argv(tmp_path / "run", [one, two], served, "--until", "scenes")) == 0
    found = list(read_rows(tmp_path / "run" / "scenes.jsonl", SceneRow))
    assert len({row.source.slug for row in found}) == 2
    assert len({row.id for row in found}) == 4
    assert {name for row in found for name in (one.name for one in row.cast)} >= {"Hanna", "Johanna"}


def test_where_nobody_speaks_there_is_nothing_and_that_is_no_error(served: Served, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.txt"
    quiet.write_text("The river ran on, and nobody said a word about it.\n\n" * 40, encoding="utf-8")
    asked = len(served.asked)
    assert cli.run(argv(tmp_path / "run", [quiet], served)) == 0
    assert len(served.asked) == asked
    assert {name: report["rows_out"] for name, report in reports(tmp_path / "run").items()} == dict.fromkeys(STEPS, 0)


# -- another model for the drafts -------------------------------------------------------------------------------


def test_another_model_may_draft_the_plans(
    served: Served, books: tuple[Path, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path / "run"
    with serving(tmp_path / "log") as other:
        arguments = argv(folder, books, served, "--reasoner", other.address)
        asked = len(served.asked)
        assert cli.run([*arguments, "--until", "drafts"]) == 0
        assert cli.run(arguments) == 0
        assert {name.partition("/")[0] for name in other.asked} == {"draft"}
        assert "draft" not in {name.partition("/")[0] for name in served.asked[asked:]}
        shown = json.loads((folder / "drafts" / "report.json").read_text(encoding="utf-8"))
        assert shown["rows_out"] == 3 and shown["calls"] + shown["from_journal"] == len(other.asked)
        before, asked = data_of(folder), len(served.asked) + len(other.asked)
        assert cli.run(arguments) == 0
        assert (data_of(folder), len(served.asked) + len(other.asked)) == (before, asked)
    for row in read_rows(folder / "settings" / "rows.jsonl", SceneRow):
        models = {step.stage: step.model for step in row.lineage}
        assert (models["drafts"], models["system-thinking"]) == (other.address, served.address)
    drafts = {
        turn.turn.text_of(Kind.SYSTEM_THINKING)
        for row in read_rows(folder / "drafts" / "rows.jsonl", SceneRow)
        for turn in row.turns
        if turn.speaker != ENVIRONMENT
    }
    plans = {
        turn.turn.text_of(Kind.SYSTEM_THINKING)
        for row in read_rows(folder / "settings" / "rows.jsonl", SceneRow)
        for turn in row.turns
    }
    assert drafts & plans <= {""}, "a draft is never a plan"
    assert len(drafts) > 10 < len(plans)


# -- kills ------------------------------------------------------------------------------------------------------


def check_kills(tmp_path: Path, books: Sequence[Path], *, kills: int, seed: int) -> None:
    still, shaken, rng = tmp_path / "still", tmp_path / "shaken", random.Random(seed)
    mistakes = ("--mistakes", "0.4", "--refuse", "Brandt1")
    with serving(tmp_path / "still-log", *mistakes) as calm:
        assert cli.run(argv(still, books, calm, "--max-dropped", "1")) == 0
        port = calm.address.partition("1:")[2].partition("/")[0]
    told = reports(still)
    assert sum(report["lengthened"] for report in told.values()) == 0, "then a number is not one request"
    assert sum(report["dropped"] for report in told.values()) > 0
    step = 2 * written(still) // (kills + 3)
    flags = ("--port", port, "--faults", "0.2", "--latency", "0.003", *mistakes)
    with serving(tmp_path / "log", *flags) as shaking:
        arguments = argv(shaken, books, shaking, "--max-dropped", "1")
        had: set[str] = set()
        deaths = 0
        for number in range(kills):
            asked = len(shaking.asked)
            process = begun(arguments)
            # By what is written, and at any time, samples and pages included.
            deaths += killed(process, shaken, rng, **({"bytes_on": step} if number % 3 else {"seconds": 2}))
            assert not numbers(shaking.asked[asked:]) & had
            assert had <= (had := answered(shaken))
        asked = len(shaking.asked)
        assert cli.run(arguments) == 0
        assert not numbers(shaking.asked[asked:]) & had
    assert deaths > kills / 2
    same(shaken, still)
    assert answered(shaken) == answered(still)
    assert not list(shaken.rglob("*.part")), "nothing half written is left over"
    for name, report in reports(shaken).items():
        assert report["calls"] + report["from_journal"] == told[name]["calls"]
        assert report["rows_sha"] == told[name]["rows_sha"]


def test_two_kills_change_nothing_and_no_answer_is_asked_for_twice(
    books: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(monkeypatch)
    check_kills(tmp_path, [*books, *tales.write_many(tmp_path / "many", 2)], kills=2, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_twelve_kills_change_nothing_and_no_answer_is_asked_for_twice(
    books: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    hasten(monkeypatch)
    check_kills(tmp_path, [*books, *tales.write_many(tmp_path / "many", 6)], kills=12, seed=seed)


def test_the_texts_are_kept_as_the_rows_refer_to_them(whole: Path) -> None:
    library = Library(whole / "books")
    found: dict[str, Book] = {slug: library.book(slug) for slug in library.slugs()}
    assert {slug: book.language for slug, book in found.items()} == {"mill": "en", "well": "zh"}
    assert [len(found[slug].chapters) for slug in ("mill", "well")] == [2, 1]
