"""The command `her judge` as people and scripts meet it: what is printed where, what is refused, how it ends."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import inducing
import places
from compared import pair as bare_pair
from her import cli
from her.cli.judge.app import ABOVE_RATE, BAD_INPUT, Dialect
from her.cli.judge.data import judge_data
from her.judge import batch
from her.judge.batch import JudgedRow
from her.judge.bench import figure
from her.judge.bench.page import PAGE
from her.judge.data.pipeline import DataOptions
from her.judge.dialects import DIALECTS
from her.judge.induce.flow import DECISIONS
from her.judge.pairs import Pair
from her.judge.principles import load
from her.judge.rank import Contest
from her.models import address
from her.models.address import open_model
from her.models.base import Model
from her.rows.files import Writer, read_rows
from her.rows.record import Record
from her.rows.samples import PoolRow
from judged import answer, judge_of, pair
from planted_pairs import planted

Her = Callable[..., tuple[int, str, str]]
FIRST_WINS = f"scripted:{answer(2)}"
"""A judge that sees the better one wherever it stands first."""


@pytest.fixture
def her(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Her:
    """Runs a command line in this process: exit code, standard output, standard error."""
    monkeypatch.delenv("HER_DEBUG", raising=False)
    monkeypatch.delenv("HER_KEY", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.run(["judge", *map(str, arguments)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "should not have" not in said.err, said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    """Every address is this model from now on."""

    def to(model: Model) -> None:
        for module in (address, batch):
            monkeypatch.setattr(module, "open_model", lambda *_, **__: model)

    return to


def write(path: Path, *rows: Record) -> Path:
    with Writer(path) as out:
        for row in rows:
            out.write(row)
    return path


def data_set(folder: Path) -> Path:
    """A data set whose reward pool has a French book to train on and a German one for tests."""
    dataset = pytest.importorskip("her.synth.samples.dataset", reason="needs the synth extra")
    for split, language in (("train", "fr"), ("test", "de")):
        sheet = dataset.Sheet(folder / "reward-pool", split, PoolRow)
        for row in places.rows(language):
            sheet.add(row.model_dump())
        sheet.close()
    return folder


# -- principles -------------------------------------------------------------------------------------------------


def test_principles_are_listed_chosen_and_shown_in_full(her: Her, tmp_path: Path) -> None:
    code, out, err = her("principles")
    assert (code, err) == (0, "")
    assert all(one.id in out for one in load())
    assert out.splitlines()[-1].startswith(f"{len(load())} principles in ")
    _, few, _ = her("principles", "--polarity", "negative", "--level", "sentence", "--json")
    rows = json.loads(few)["principles"]
    assert rows and all(row["polarity"] == "negative" and row["level"] == "sentence" for row in rows)
    _, one, _ = her("principles", "--id", "plan-leak", "--language", "zh")
    plan_leak = next(one for one in load() if one.id == "plan-leak")
    assert plan_leak.definition("zh") in one and plan_leak.broken("zh") in one


def test_a_list_is_sound_or_it_is_said_where_it_is_not(her: Her, tmp_path: Path) -> None:
    code, out, _ = her("principles", "--check")
    assert code == 0 and out.startswith("sound: ") and out.count("\n") == 1
    own = tmp_path / "own.toml"
    own.write_text('[[principle]]\nid = "x"\n', encoding="utf-8")
    code, out, err = her("principles", own, "--check")
    assert (code, out) == (BAD_INPUT, "") and "own.toml" in err
    code, _, err = her("principles", "--id", "plan-leek")
    assert code == BAD_INPUT and "plan-leek" in err


def test_inducing_waits_for_decisions_and_goes_on_with_them(
    her: Her, opens: Callable[[Model], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    files = inducing.write(tmp_path / "pairs.jsonl", inducing.pairs())
    reader = inducing.Reader()
    opens(reader)
    arguments = ("induce", files, "--out", tmp_path / "run", "--max-dropped", "1")
    code, out, _ = her(*arguments)
    assert code == BAD_INPUT
    assert "candidates wait for a decision" in out and str(tmp_path / "run" / DECISIONS) in out
    asked = len(reader.asked)
    code, out, _ = her(*arguments, "--keep-all")
    assert code == 0 and len(reader.asked) > asked > 0
    made = Path(out.splitlines()[-1])
    assert made.is_file() and load(made)
    asked = len(reader.asked)
    code, out, _ = her(*arguments, "--keep-all", "--json")
    assert code == 0 and json.loads(out)["counts"] and len(reader.asked) == asked


def test_a_teacher_who_cannot_be_read_ends_with_3(her: Her, tmp_path: Path) -> None:
    files = inducing.write(tmp_path / "pairs.jsonl", inducing.pairs()[:6])
    code, out, _ = her("induce", files, "--out", tmp_path / "run", "--model", "scripted:I would rather not.")
    assert code == ABOVE_RATE and "no candidate was kept" in out


# -- verdicts ---------------------------------------------------------------------------------------------------


def test_one_pair_is_told_with_what_it_was_decided_by(her: Her, opens: Callable[[Model], None], tmp_path: Path) -> None:
    file = write(tmp_path / "pair.json", pair())
    opens(judge_of(lambda a, b: ("Tom" in a) - ("Tom" in b)))
    code, out, _ = her("compare", file)
    assert code == 0
    head, *findings, last = out.splitlines()
    assert head == "p: first (+1)"
    assert len(findings) == 6, "those of both orders"
    assert all(": first · " in line for line in findings)
    assert last == "1 pairs: first 1, second 0, tie 0 (0 where the orders disagree), no verdict 0"


def test_a_judge_of_places_has_its_two_orders_disagree(her: Her, tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", pair(id="p"), pair(id="q"))
    code, out, _ = her("compare", file, "--judge", FIRST_WINS, "--json")
    told = json.loads(out)
    assert code == 0 and (told["tie"], told["inconsistent"]) == (2, 2)
    assert [row["winner"] for row in told["rows"]] == ["tie", "tie"]
    _, out, _ = her("compare", file, "--judge", FIRST_WINS, "--orders", "given", "--json")
    assert json.loads(out)["first"] == 2


def test_what_has_no_verdict_is_counted_and_ends_with_3(her: Her, tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", pair(id="p"), pair(id="q"))
    out_dir = tmp_path / "run"
    command = ("compare", file, "--judge", "scripted:The first one, I think.", "--out", out_dir)
    code, out, _ = her(*command)
    assert code == ABOVE_RATE and out == (
        "2 pairs: first 0, second 0, tie 0 (0 where the orders disagree), no verdict 2 (unreadable 2)\n"
    )
    assert [row.winner for row in read_rows(out_dir / "judged.jsonl", JudgedRow)] == [None, None]
    code, *_ = her(*command, "--max-unscored", "1")
    assert code == 0
    code, _, err = her(*command, "--samples", "2")
    assert code == BAD_INPUT and "judged otherwise" in err


def test_words_of_a_judge_do_not_steer_the_terminal(her: Her, opens: Callable[[Model], None], tmp_path: Path) -> None:
    file = write(tmp_path / "pair.json", pair())
    said = json.loads(answer(2))
    for finding in said["findings"]:
        finding["a"] = "\x1b[2Jclear \x9b31m　空"
    opens(open_model(f"scripted:{json.dumps(said)}"))
    _, out, _ = her("compare", file, "--orders", "given")
    assert "clear" in out and "空" in out
    assert not {"\x1b", "\x9b"} & set(out)


def test_candidates_are_put_in_order(her: Her, opens: Callable[[Model], None], tmp_path: Path) -> None:
    at = json.loads(pair().at.model_dump_json())
    file = tmp_path / "contest.json"
    candidates = ["bad worst row", "good best row", "good row"]
    file.write_text(json.dumps({"at": at, "candidates": candidates}), encoding="utf-8")

    def worth(text: str) -> int:
        return ("good" in text) + ("best" in text) - ("worst" in text)

    opens(judge_of(lambda a, b: max(-3, min(3, worth(a) - worth(b)))))
    code, out, _ = her("rank", file)
    lines = out.splitlines()
    assert code == 0 and [line.split()[2] for line in lines[:3]] == ["2", "3", "1"]
    assert lines[-1] == "3 comparisons, 0 without a verdict"
    _, out, _ = her("rank", file, "--json")
    assert json.loads(out)["order"] == [2, 3, 1]
    opens(open_model("scripted:The first one, I think."))
    code, out, _ = her("rank", file)
    assert code == ABOVE_RATE and out.splitlines()[-1] == "3 comparisons, 3 without a verdict"
    file.write_text(json.dumps({"at": at, "candidate": candidates}), encoding="utf-8")
    code, _, err = her("rank", file)
    assert code == BAD_INPUT and "contest.json" in err and "candidates" in err


def test_contests_are_put_in_order_line_by_line_and_once(
    her: Her, opens: Callable[[Model], None], tmp_path: Path
) -> None:
    at, folder = pair().at, tmp_path / "run"
    contests = [Contest(id=name, at=at, candidates=("bad", "good", f"{name} good good")) for name in "abc"]
    file = write(tmp_path / "contests.jsonl", *contests)
    opens(judge_of(lambda a, b: a.count("good") - b.count("good")))
    arguments = ("rank", file, "--out", folder, "--concurrency", "2")
    code, out, _ = her(*arguments)
    assert (code, out) == (0, "3 contests, 9 comparisons, 0 without a verdict\n")
    rows = (folder / "ranked.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(json.loads(row)["id"], json.loads(row)["order"]) for row in rows] == [(name, [3, 2, 1]) for name in "abc"]
    opens(dumb := judge_of(lambda a, b: 0))
    assert her(*arguments)[:2] == (0, out) and not dumb.calls


def test_flags_that_a_form_has_no_use_for_are_refused_by_name(her: Her, tmp_path: Path) -> None:
    file = write(tmp_path / "pair.json", pair())
    code, _, err = her("compare", file, "--form", "scored", "--samples", "3", "--temperature", "1")
    assert code == BAD_INPUT and "no use for samples, temperature" in err
    code, _, err = her("compare", file, "--tie-band", "0.2")
    assert code == BAD_INPUT and "no use for tie_band" in err


# -- known answers, and judges on trial -------------------------------------------------------------------------


def test_pairs_with_known_answers_come_of_a_data_set(her: Her, tmp_path: Path) -> None:
    data = data_set(tmp_path / "data")
    file = tmp_path / "pairs.jsonl"
    code, out, err = her("pairs", data, "--out", file, "--limit", "1", "--json", "--probe")
    assert (code, err) == (0, "")
    told = json.loads(out)
    made = list(read_rows(file, Pair))
    assert told["pairs"] == len(made) > 0 and {one.kind for one in made} >= {"broken", "neutral"}
    assert all(one.better is not None for one in made)
    assert {"text alone", "surface", "not probed", "moved"} <= told.keys()
    one, other = file.read_bytes(), tmp_path / "again.jsonl"
    her("pairs", data, "--out", other, "--limit", "1")
    assert other.read_bytes() == one
    _, out, _ = her("pairs", data, "--out", other, "--split", "test")
    assert out.startswith(f"{other}: ")
    assert {one.book for one in read_rows(other, Pair)} == {"die-letzte-schicht"}
    code, out, _ = her("pairs", data, "--out", other, "--hold-out", "family", "--share", "0.3", "--probe")
    assert code == 0 and "\nsplit: test " in out and "\nsurface: none\nnot probed: " in out
    code, _, err = her("pairs", data, "--out", other, "--hold-out", "book", "--share", "0")
    assert code == BAD_INPUT and "between 0 and 1" in err


def test_pairs_need_places(her: Her, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    code, _, err = her("pairs", tmp_path, "--out", tmp_path / "pairs.jsonl")
    assert code == BAD_INPUT and "reward-pool" in err
    assert not (tmp_path / "pairs.jsonl").exists()


def test_a_judge_on_trial_gets_a_page_and_a_word(her: Her, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="needs the pages")
    monkeypatch.setattr(figure, "DRAWS", 100)
    file = write(tmp_path / "planted.jsonl", *planted(3, 2, 2))
    code, out, err = her("bench", file, "--judge", "biased:position=1", "--out", tmp_path / "run")
    lines = out.splitlines()
    assert code == 0 and lines[-2] == "not accepted" and lines[-1] == str(tmp_path / "run" / PAGE)
    assert Path(lines[-1]).is_file()
    assert "pairs in both orders" in err
    code, out, _ = her("bench", file, "--judge", "biased:unreadable=1", "--out", tmp_path / "mute", "--json")
    assert code == ABOVE_RATE and json.loads(out)["accepted"] is False
    code, _, err = her("bench", file, "--judge", "biased:vanity=1", "--out", tmp_path / "none")
    assert code == BAD_INPUT and "vanity" in err
    code, _, err = her("bench", "--judge", "mini", "--out", tmp_path / "none")
    assert code == BAD_INPUT and "no pairs to judge" in err


# -- rows, and people -------------------------------------------------------------------------------------------


def test_rows_come_of_pairs_that_are_known_and_of_a_judge_that_argues(
    her: Her, opens: Callable[[Model], None], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    known = [bare_pair(f"k{n}", book=f"b{n % 4}") for n in range(12)]
    file = write(tmp_path / "pairs.jsonl", *known)
    opens(judge_of(lambda a, b: ("Aye" in a) - ("Aye" in b)))
    arguments = ("data", "--pairs", file, "--judge", "strong", "--out", tmp_path / "run")
    code, out, _ = her(*arguments, "--json")
    told = json.loads(out)
    assert code == 0 and told, out
    code, out, _ = her(*arguments)
    assert code == 0 and "12" in out


def test_rows_without_verdicts_end_with_3_and_a_key_needs_a_judge(her: Her, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    file = write(tmp_path / "pairs.jsonl", bare_pair("p"), bare_pair("q"))
    arguments = ("data", "--pairs", file, "--out", tmp_path / "run", "--until", "judged")
    judge = ("--judge", "scripted:The first one, I think.")
    code, out, _ = her(*arguments, *judge)
    assert code == ABOVE_RATE and "without a verdict: 100.0% of the pairs" in out
    code, *_ = her(*arguments, *judge, "--max-unscored", "1")
    assert code == 0
    code, _, err = her(*arguments)
    assert code == BAD_INPUT and "name a judge" in err
    code, _, err = her("data", "--pairs", file, "--out", tmp_path / "run", "--key", "secret")
    assert code == BAD_INPUT and "--judge" in err and "secret" not in err


def test_candidates_are_drawn_at_the_places_of_a_data_set(her: Her, tmp_path: Path) -> None:
    data = data_set(tmp_path / "data")
    code, out, _ = her(
        *("data", data, "--model", "scripted:Je ne dirai rien.", "--out", tmp_path / "run"),
        *("--places", 2, "-n", 2, "--until", "candidates"),
    )
    assert code == 0 and out
    found = list((tmp_path / "run").rglob("rows.jsonl"))
    assert [len(path.read_text("utf-8").splitlines()) for path in found] == [2]


def test_without_places_and_pairs_nothing_is_made(her: Her, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the synth extra")
    code, _, err = her("data", "--out", tmp_path / "run")
    assert code == BAD_INPUT and "nothing to compare" in err
    assert not (tmp_path / "run").exists()


def test_steps_and_dialects_on_the_command_line_are_those_that_there_are() -> None:
    hints = get_type_hints(judge_data)
    assert get_args(hints["until"]) == get_args(get_type_hints(DataOptions)["until"])
    assert set(get_args(get_args(Dialect)[0])) == set(DIALECTS)


def test_people_read_pairs_from_a_pipe_and_are_told_how_far_they_agree(
    her: Her, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [bare_pair(f"p{n}") for n in range(4)]
    file = write(tmp_path / "pairs.jsonl", *known)
    for name, keys in (("Anne", "1\n2\nt\n"), ("Ben", "1\n2\nt\n1\n")):
        monkeypatch.setattr("sys.stdin", io.StringIO(keys))
        code, out, _ = her("label", file, "--as", name)
        assert code == 0 and f"{keys.count(chr(10))} of 4 answered" in out
    assert "── pair 1 of 4 ──" in out and "Anne and Ben: 3 pairs in common" in out
    code, out, _ = her("label", file, "--json")
    told = json.loads(out)
    assert code == 0 and told["readers"]["pairs"] == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    code, out, err = her("label", file, "--as", "Anne", "--json")
    assert code == 0 and json.loads(out) and "4 of 4 answered" in err
