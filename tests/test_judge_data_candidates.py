"""Candidates: asked for as chat asks, each counted whatever became of it, and paired so that each meets as many."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compared import at
from her.errors import HerError, InputError, Refused
from her.judge.data.candidates import Candidate, Drawn, Draws, Place, drawing, of_pool, of_rl, read_places, some
from her.judge.data.pairing import Paired, grouped, meetings, paired
from her.judge.reward.gate import Rules
from her.models.base import Finish, Message, Reply, Sampling, Usage
from her.models.recorded import Call
from her.rows.files import Writer, read_rows
from her.rows.record import Refusal
from her.rows.report import Report
from her.rows.run import RunOptions, Target, run
from her.rows.samples import PoolRow, RlRow
from her.scene import Scene
from her.script import Script
from her.synth.samples.dataset import Sheet
from her.synth.samples.lessons import Lessons
from her.turn import Dialogue, Turn
from sampled import small
from teachers import Say, Teacher
from texts import PLAN, PLAN_END

ROOM = Sampling(max_tokens=50)
REFERENCE = "Mara Vell: Nobody rows out tonight, Tom, and least of all a boy who cannot tie a bowline in the dark."


def told(scene: Scene, name: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    """The prompt as chat makes it; commands hand in the same."""
    return Script(scene, name).messages(Dialogue(frozenset(scene.names), tuple(turns)).seen_by(name))


def places(count: int) -> list[Place]:
    return [
        Place(
            id=f"s/t{n}",
            book=f"b{n % 3}",
            split="train",
            at=at(place=n),
            reference=REFERENCE,
            prompt=(Message("system", "Play."), Message("user", f"Now {n}.")),
        )
        for n in range(count)
    ]


def draw(folder: Path, say: Say, draws: Draws, count: int = 3) -> tuple[Report, list[Drawn], Teacher]:
    teacher = Teacher(say)
    work, target = drawing(draws), Target(folder, "candidates")
    report = asyncio.run(run(places(count), work, teacher, target, RunOptions(limit=4, patience=0.0)))
    return report, [*read_rows(folder / "rows.jsonl", Drawn)], teacher


def well(call: Call) -> str:
    """A turn that follows from the request, its plan begun by the prefill."""
    turn = f"Mara Vell: The boat stays where it is, {call.messages[-1].content} {call.sampling.seed}"
    return f"She refuses.{PLAN_END}{turn}"


# -- places ----------------------------------------------------------------------------------------------------


def test_a_pool_row_is_asked_for_with_the_prompt_that_chat_and_the_rl_row_have() -> None:
    """Thoughts of others and whispers stay out of it, though the judge's context holds them."""
    lessons = Lessons(small("s/1/1"))
    for lesson in lessons:
        pool = lessons.pool(lesson)
        row = RlRow.model_validate(lessons.rl(lesson, pool, index=0, split="train"))
        ours = of_pool(PoolRow.model_validate(pool), told)
        assert ours == of_rl(row)
        assert ours.prompt == lesson.context
        assert ours.at.speaker == lesson.turn.speaker and ours.reference == lesson.reference
    assert ours.book == "the-long-light"


def test_rows_whose_info_or_context_is_none_are_named() -> None:
    lessons = Lessons(small("s/1/1"))
    lesson = next(iter(lessons))
    pool = lessons.pool(lesson)
    row = lessons.rl(lesson, pool, index=7, split="train")
    row["extra_info"]["info"] = "{}"
    with pytest.raises(InputError, match=r"row 7 of train: extra_info\.info is no PoolRow"):
        of_rl(RlRow.model_validate(row))
    with pytest.raises(InputError, match="s/1/1/t01: its context is none"):
        of_pool(PoolRow.model_validate({**pool, "context": "{}"}), told)


def test_b13_a_config_without_a_file_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rows of reward-pool"):
        [*read_places(tmp_path, "reward-pool", ("train",), told)]
    with pytest.raises(InputError, match="not in 'roleplay-sft'"):
        [*read_places(tmp_path, "roleplay-sft", ("train",), told)]
    sheet = Sheet(tmp_path / "reward-pool", "test", PoolRow)
    lessons = Lessons(small("s/1/1"))
    for lesson in lessons:
        sheet.add(lessons.pool(lesson))
    sheet.close()
    found = [*read_places(tmp_path, "reward-pool", ("train", "test"), told)]
    assert len(found) == 4 and {place.split for place in found} == {"test"}


def test_some_places_are_of_all_books_alike_and_stay_in_order() -> None:
    whole = places(30)
    few = some(whole, 9, seed=1)
    assert Counter(place.book for place in few) == {"b0": 3, "b1": 3, "b2": 3}
    assert [place.id for place in few] == [place.id for place in whole if place in few]
    assert some(whole, 9, seed=1) == few != some(whole, 9, seed=2)
    assert some(whole, 99, seed=1) == whole and some(whole, 0, seed=1) == []


# -- candidates ------------------------------------------------------------------------------------------------


def test_each_candidate_is_drawn_with_its_own_seed_and_begins_as_it_was_made_to(tmp_path: Path) -> None:
    report, rows, teacher = draw(tmp_path, well, Draws(samples=4, sampling=ROOM, seed=5))
    assert report.rows_out == 3 and len(teacher.calls) == 12
    assert len({call.sampling.seed for call in teacher.calls}) == 12
    assert {call.prefill for call in teacher.calls} == {PLAN}
    for row in rows:
        assert row.asked == len(row.candidates) == 4 and row.model == "teacher"
        assert all(one.text.startswith(f"{PLAN}She refuses.{PLAN_END}") and not one.refused for one in row.candidates)
    again = draw(tmp_path / "again", well, Draws(samples=4, sampling=ROOM, seed=6))[1]
    seeds = {one.seed for row in again for one in row.candidates}
    assert seeds.isdisjoint(call.sampling.seed for call in teacher.calls)


def test_what_the_gate_refuses_stays_in_the_row_and_in_the_counts(tmp_path: Path) -> None:
    def say(call: Call) -> str:
        return well(call) if (call.sampling.seed or 0) % 2 else f"x{PLAN_END}Mara Vell: No.\nTom: And I say yes."

    report, rows, _ = draw(tmp_path / "gate", say, Draws(samples=6, sampling=ROOM))
    refused = [one for row in rows for one in row.candidates if one.refused]
    assert 0 < len(refused) < 18 and {one.refused[0].reason for one in refused} == {"speaker"}
    assert report.refused["speaker"] == len(refused)
    report, rows, _ = draw(tmp_path / "none", say, Draws(samples=6, sampling=ROOM, gate=None))
    assert report.refused == {} and not any(one.refused for row in rows for one in row.candidates)


def test_a_candidate_that_is_the_books_own_turn_is_refused(tmp_path: Path) -> None:
    _, (row, *_), _ = draw(tmp_path, lambda call: f"x{PLAN_END}{REFERENCE}", Draws(samples=1, sampling=ROOM))
    assert {refusal.reason for refusal in row.candidates[0].refused} == {"copied"}


def test_a_candidate_that_never_ends_is_missing_and_the_others_stay(tmp_path: Path) -> None:
    def say(call: Call) -> str | Reply:
        endless = call.messages[-1].content == "Now 1." or (call.sampling.seed or 0) % 3 == 0
        return Reply("and on", Finish.LENGTH, Usage()) if endless else well(call)

    report, rows, _ = draw(tmp_path, say, Draws(samples=6, sampling=ROOM))
    assert (report.rows_in, report.rows_out, report.dropped, report.reasons) == (3, 2, 1, {"length": 1})
    assert all(row.asked == 6 == len(row.candidates) + len(row.missing) for row in rows)
    assert sum(len(row.missing) for row in rows) == report.refused["length"] > 0


def test_a_run_that_broke_off_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    asked: list[int | None] = []

    def say(call: Call) -> str | HerError:
        if len(asked) == 7:
            return Refused("the key has run out")
        asked.append(call.sampling.seed)
        return well(call)

    draws = Draws(samples=4, sampling=ROOM)
    with pytest.raises(Refused):
        draw(tmp_path, say, draws)
    assert not (tmp_path / "rows.jsonl").exists()
    _, rows, teacher = draw(tmp_path, well, draws)
    seeds = [call.sampling.seed for call in teacher.calls]
    assert len(seeds) == 5 and not set(seeds) & set(asked)
    assert rows == draw(tmp_path / "still", well, draws)[1]


def test_no_candidates_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError, match="at least 1 candidate"):
        Draws(samples=0)


# -- pairs -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 13), st.integers(1, 90), st.integers(0, 9))
def test_everyone_meets_as_many_and_nobody_twice(count: int, most: int, seed: int) -> None:
    found = meetings(count, most, random.Random(seed))
    assert len(found) == min(most, count * (count - 1) // 2)
    assert len({frozenset(two) for two in found}) == len(found)
    assert all(one != other and {one, other} <= set(range(count)) for one, other in found)
    met = Counter(number for two in found for number in two)
    if count > 1:
        uses = [met[number] for number in range(count)]
        assert max(uses) - min(uses) <= 1 + count % 2


def test_which_side_comes_first_is_drawn() -> None:
    found = [two for seed in range(40) for two in meetings(8, 28, random.Random(seed))]
    assert 0.45 < sum(one < other for one, other in found) / len(found) < 0.55
    always = 0
    for seed in range(40):
        firsts = Counter(one for one, _ in meetings(8, 28, random.Random(seed)))
        always += max(firsts.values()) == 7
    assert always < 12, "nobody comes first in every meeting, but by chance"


def drawn(texts: Sequence[str], refused: Sequence[int] = (), id: str = "s/t0", model: str = "m") -> Drawn:
    no = Refusal(stage="gate", reason="empty")
    candidates = [Candidate(text=text, seed=n, refused=(no,) if n in refused else ()) for n, text in enumerate(texts)]
    here = {"book": "b", "split": "train", "at": at(), "reference": ""}
    return Drawn(id=id, model=model, asked=len(texts), candidates=tuple(candidates), **here)


@given(st.lists(st.sampled_from("abcde"), max_size=8), st.sets(st.integers(0, 7)), st.integers(1, 9))
@settings(max_examples=60)
def test_every_candidate_and_every_possible_pair_is_accounted_for(texts: list[str], no: set[int], most: int) -> None:
    pairs, found = paired([drawn(texts, sorted(no))], most, seed=1)
    assert found.candidates == len(texts) == found.refused + found.same + found.usable
    assert found.places == 1 == found.with_pairs + found.too_few
    assert found.possible == found.pairs + found.left_out and found.pairs == len(pairs) <= most
    kept = {text for n, text in enumerate(texts) if n not in no}
    assert found.usable == len(kept)
    assert all(pair.first != pair.second and {pair.first, pair.second} <= kept for pair in pairs)
    assert all(pair.better is None and pair.kind == "natural" for pair in pairs)
    assert found.plus(Paired()) == found and found.plus(found).candidates == 2 * len(texts)


def test_two_candidates_that_differ_in_their_plan_alone_are_one() -> None:
    texts = [f"{PLAN}{plan}{PLAN_END}Mara Vell: No." for plan in ("A", "B")]
    assert paired([drawn([*texts, "Mara Vell: Yes."])], 9, 0)[1].same == 1


def test_a_pair_is_known_by_its_texts_and_hangs_on_no_other_place() -> None:
    texts = [f"Line {n}." for n in range(6)]
    pairs, _ = paired([drawn(texts)], 5, seed=3)
    assert len({pair.id for pair in pairs}) == 5 and all(pair.id.startswith("s/t0/") for pair in pairs)
    assert paired([drawn(texts)], 5, seed=3)[0] == pairs != paired([drawn(texts)], 5, seed=4)[0]
    other = paired([drawn(["Line 0.", "Line 1"])], 5, seed=3)[0]
    assert {pair.id for pair in other}.isdisjoint(pair.id for pair in pairs)


def test_candidates_of_several_models_meet_at_their_place(tmp_path: Path) -> None:
    files = [tmp_path / f"{model}.jsonl" for model in "ab"]
    for path, ids in zip(files, (["x", "y"], ["y", "x", "z"]), strict=True):
        with Writer(path) as out:
            for id in ids:
                out.write(drawn([f"{path.stem} {id}"], id=id, model=path.stem))
    groups = [*grouped(files)]
    assert [[row.model for row in group] for group in groups] == [["a", "b"], ["a", "b"], ["b"]]
    pairs, _ = paired(groups[0], 4, 0)
    assert {pairs[0].first, pairs[0].second} == {"a x", "b x"} and pairs[0].source == "a, b"


def test_files_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    with Writer(one) as out:
        out.write(drawn(["x"]))
        out.write(drawn(["x"]))
    with pytest.raises(InputError, match=r"one\.jsonl: the place 's/t0' stands twice"):
        [*grouped([one])]
    with Writer(one) as out:
        out.write(drawn(["x"]))
    with Writer(two) as out:
        out.write(drawn(["x"]).model_copy(update={"at": at(place=1)}))
    with pytest.raises(InputError, match=r"two\.jsonl: s/t0 is another place"):
        [*grouped([one, two])]
    two.write_text(json.dumps({"id": "x"}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"two\.jsonl, line 1 is no Drawn"):
        [*grouped([two])]
    with pytest.raises(InputError, match="at least 1 pair"):
        meetings(2, 0, random.Random(0))


def test_the_gates_rules_are_those_of_rewards() -> None:
    assert Draws().gate == Rules()
