"""Cases played anew by scripted models: who speaks when, what is given, and how a scene ends."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the bench extra")


from coser_cases import LINES, ODD, OUTCOME, case, raw
from her.bench.coser.cases import DATA, NAMED, ActedCase, raw_cases, read_case, read_cases
from her.bench.coser.presets import COSER, HER, PRESETS, Preset, preset
from her.bench.coser.simulate import How, Played, Players, simulate
from her.bench.figures import Why
from her.errors import ContextOverflow, InputError, SceneError
from her.models.base import Message, Model, Reply
from her.models.recorded import Scripted
from her.turn import ENVIRONMENT, Kind

Answer = Callable[[Sequence[Message], str], str]


def speaking(text: str = "So be it.") -> Scripted:
    return Scripted(lambda messages, prefill: text)


def allowed(messages: Sequence[Message]) -> list[str | None]:
    """The names that a chooser is allowed."""
    found: list[str | None] = json.loads(f"[{messages[-1].content.rpartition('Allowed: ')[2]}]")
    return found


def choosing(*names: str | None) -> Scripted:
    """One who names these in turn, and then the first that is allowed."""
    left = list(names)

    def answer(messages: Sequence[Message], prefill: str) -> str:
        return json.dumps({"next": left.pop(0) if left else allowed(messages)[0]})

    return Scripted(answer)


async def play(one: ActedCase, kind: Preset = COSER, chooser: Model | None = None, **how: Any) -> Played:
    actor = how.pop("actor", None) or speaking()
    players = Players(actor, how.pop("world", None) or speaking("Rain."), chooser or choosing())
    return await simulate(one, players, How(kind, **how))


def speakers(played: Played) -> list[str]:
    return [turn.speaker for turn in played.turns]


async def test_the_most_frequent_speaker_begins_and_the_chosen_ones_follow() -> None:
    played = await play(case(), chooser=choosing("Ann Lee", ENVIRONMENT, "Ann Lee"), rounds=4)
    assert speakers(played) == ["Ann", "Ann Lee", ENVIRONMENT, "Ann Lee"]
    assert [choice.how for choice in played.choices] == ["first", "model", "model", "model"]
    assert [turn.id for turn in played.turns] == [f"the-ferry-house/7/0/{at}" for at in range(4)]
    assert not played.ended and played.empty == 0


async def test_the_same_seed_plays_the_same_scene_and_each_turn_and_epoch_has_its_own() -> None:
    actors = [speaking() for _ in range(3)]
    seeds = []
    for actor, epoch in zip(actors, (1, 1, 2), strict=True):
        await play(case(), actor=actor, rounds=4, epoch=epoch)
        seeds.append([call.sampling.seed for call in actor.calls])
    assert seeds[0] == seeds[1] and not set(seeds[0]) & set(seeds[2])
    assert len(set(seeds[0])) == len(seeds[0])


@pytest.mark.parametrize("kind", [COSER, HER], ids=lambda kind: kind.name)
async def test_an_end_counts_from_the_sixth_turn_on(kind: Preset) -> None:
    ends = Scripted(
        lambda messages, prefill: (
            '{"next": null}' if messages[-1].content.endswith("null") else json.dumps({"next": allowed(messages)[0]})
        )
    )
    played = await play(case(), kind, ends)
    assert played.ended and len(played.turns) == kind.earliest_end == 6
    assert played.choices[-1].name is None


async def test_rounds_are_those_of_the_preset_unless_the_run_says_otherwise() -> None:
    assert len((await play(case())).turns) == COSER.rounds
    assert len((await play(case(), rounds=3)).turns) == 3


@pytest.mark.parametrize("kept", [1, 3, 6])
async def test_given_turns_are_the_books_own_and_so_is_the_next_speaker(kept: int) -> None:
    last = Scripted(lambda asked, prefill: json.dumps({"next": [one for one in allowed(asked) if one][-1]}))
    played = await play(case(), chooser=last, continue_from=kept, rounds=8)
    assert speakers(played)[:kept] == [name for name, _ in LINES[:kept]]
    assert played.turns[:kept] == case().reference().turns[:kept]
    assert played.given == kept and len(played.simulated) == 8 - kept
    if kept < len(LINES):
        assert played.turns[kept].speaker == LINES[kept][0]


async def test_more_given_turns_than_there_are_is_all_of_them() -> None:
    played = await play(case(), continue_from=50, rounds=8)
    assert (played.given, len(played.turns)) == (len(LINES), 8)
    nothing = await play(case(), continue_from=50, rounds=6)
    assert nothing.simulated == ()


async def test_nobody_takes_two_turns_in_a_row_and_only_who_speaks_is_allowed() -> None:
    played = await play(case(), rounds=12)
    names = speakers(played)
    assert all(one != other for one, other in pairwise(names))
    assert set(names) <= set(case().order)


async def test_an_unreadable_choice_is_drawn_counted_and_the_record_has_who_spoke() -> None:
    played = await play(case(), chooser=Scripted(lambda messages, prefill: "Perhaps Ann?"), rounds=5)
    assert played.fallbacks == 4
    assert [choice.name for choice in played.choices] == speakers(played)
    again = await play(case(), chooser=Scripted(lambda messages, prefill: "Perhaps Ann?"), rounds=5)
    assert speakers(again) == speakers(played)


async def test_an_empty_turn_is_kept_and_counted() -> None:
    played = await play(case(), actor=speaking(""), rounds=3, chooser=choosing("Ann Lee", "Ann"))
    assert played.empty == 3
    assert [turn.segments for turn in played.turns] == [()] * 3


class Narrow(Scripted):
    """A model whose window is full after so many calls, or which counts characters in a window."""

    def __init__(self, calls: int = 99, window: int | None = None) -> None:
        super().__init__(lambda messages, prefill: "So be it, and so on.")
        self.left, self.context = calls, window

    async def stream(self, *asked: Any, **more: Any) -> AsyncGenerator[str | Reply]:
        if self.left == 0:
            raise ContextOverflow("the window is full")
        self.left -= 1
        async for piece in super().stream(*asked, **more):
            yield piece

    async def count(self, messages: Sequence[Message], prefill: str = "") -> int | None:
        return sum(len(message.content) for message in messages)


async def test_a_prompt_that_does_not_fit_ends_the_case_with_what_there_is() -> None:
    played = await play(case(), actor=Narrow(2), rounds=9, chooser=choosing("Ann Lee", "Ann"))
    assert played.unscored is not None and played.unscored.why is Why.CONTEXT
    assert len(played.turns) == 2


async def test_a_prompt_is_never_cut_to_fit() -> None:
    """The actor drops its oldest turns in a chat; here a case that needs that has no value."""
    whole = speaking()
    await play(case(), actor=whole, rounds=20)
    longest = max(sum(len(message.content) for message in call.messages) for call in whole.calls)
    played = await play(case(), actor=Narrow(window=(longest - 10) * 4 // 3), rounds=20)
    assert played.unscored is not None and "oldest" in played.unscored.detail
    assert 0 < len(played.turns) < 20


async def test_an_actor_is_told_what_it_wants_and_not_what_becomes_of_it() -> None:
    actor = speaking()
    await play(case(), actor=actor, rounds=1)
    system = actor.calls[0].messages[0].content
    assert "I want to be gone before he comes." in system
    assert "The elder sister.\n\nA schoolmistress" in system
    assert OUTCOME not in system and "I have to keep her here." not in system


@pytest.mark.parametrize(("kind", "words"), [(COSER, "60"), (HER, "200")], ids=["coser", "her"])
async def test_each_preset_asks_in_its_own_style_and_length(kind: Preset, words: str) -> None:
    actor = Scripted(lambda messages, prefill: "[I am late.] (runs) Wait!")
    played = await play(case(), kind, actor=actor, rounds=2)
    system = actor.calls[0].messages[0].content
    assert f"at most {words} words" in system
    assert ("[what Ann thinks]" in system) == (kind is COSER)
    kinds = [segment.kind for segment in played.turns[0].segments]
    assert (kinds == [Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH]) == (kind is COSER)
    assert actor.calls[0].sampling.temperature == kind.temperature


async def test_in_brackets_own_thoughts_stay_and_others_never_come() -> None:
    actor = Scripted(lambda messages, prefill: f"[secret of {prefill[:-2]}] (nods) Yes.")
    await play(case(), COSER, actor=actor, rounds=3, chooser=choosing("Ann Lee", "Ann"))
    last = actor.calls[-1].messages
    assert last[2].content == "Ann: [secret of Ann] (nods) Yes."
    assert "Ann Lee: (nods) Yes." in last[3].content
    assert "secret of Ann Lee" not in "".join(message.content for message in last)


@pytest.mark.parametrize("one", ODD, ids=lambda one: one["book"])
@pytest.mark.parametrize("kind", list(PRESETS.values()), ids=lambda kind: kind.name)
async def test_odd_names_and_other_languages_are_played_too(one: dict[str, Any], kind: Preset) -> None:
    chooser = Scripted(
        lambda messages, prefill: json.dumps(
            {"next": json.loads(f"[{messages[-1].content.splitlines()[-1].partition(': ')[2] or '0'}]")[0]}
            if "Allowed: " in messages[-1].content
            else {"next": json.loads(f"[{messages[-1].content.rpartition('可选：')[2]}]")[0]}
        )
    )
    played = await play(read_case(one), kind, chooser, rounds=4)
    assert len(played.turns) == 4 and played.fallbacks == 0
    assert Played.of(json.loads(json.dumps(played.record()))) == played


async def test_what_is_kept_of_a_dialogue_is_the_dialogue() -> None:
    actor = Scripted(lambda messages, prefill: "[I must not <b>cry</b>.] (turns) Well: [a", address="a")
    played = await play(case(), COSER, actor=actor, rounds=5, continue_from=2)
    assert Played.of(json.loads(json.dumps(played.record()))) == played


async def test_the_case_is_never_changed() -> None:
    before = raw()
    kept = copy.deepcopy(before)
    await play(read_case(before), rounds=6, continue_from=2)
    assert before == kept


def test_a_preset_that_is_unknown_is_refused() -> None:
    with pytest.raises(InputError, match="coser and her"):
        preset("mine")


def test_a_test_set_is_given_by_path_or_by_name(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="which test set"):
        raw_cases("")
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(InputError, match=DATA):
        raw_cases("pd-english")
    monkeypatch.setenv(DATA, str(tmp_path))
    (tmp_path / "coser").mkdir()
    for path in (tmp_path / "coser" / "test_set_pd_english.json", tmp_path / "mine.json"):
        path.write_text(json.dumps([raw(), *ODD]), encoding="utf-8")
    assert len(read_cases(raw_cases("pd-english"))) == len(read_cases(raw_cases(str(tmp_path / "mine.json")))) == 4
    with pytest.raises(InputError, match="no such test set"):
        raw_cases(str(tmp_path / "gone.json"))
    (tmp_path / "book.json").write_text('{"plots": []}', encoding="utf-8")
    with pytest.raises(InputError, match="list of cases"):
        raw_cases(str(tmp_path / "book.json"))


def test_a_bad_case_and_one_that_stands_twice_are_named() -> None:
    with pytest.raises(SceneError, match="case 1"):
        read_cases([raw(), raw(scenario="")])
    with pytest.raises(SceneError, match="again"):
        read_cases([raw(), raw()])


def test_who_speaks_is_found_where_the_file_does_not_say() -> None:
    assert case(speaking_characters_w_env=[]).order == ("Ann", "Ann Lee", ENVIRONMENT)
    assert case(major_characters=[]).major == ("Ann", "Ann Lee")


def test_the_public_cases_are_read_whole() -> None:
    if not os.environ.get(DATA) or not (Path(os.environ[DATA]) / NAMED["pd-english"]).is_file():
        pytest.skip(f"{DATA} names no folder with {NAMED['pd-english']}")
    found = read_cases(raw_cases("pd-english"))
    assert len(found) == len({one.id for one in found}) == 27
    turns = 0
    for one in found:
        book = one.reference()
        turns += len(book)
        assert all(turn.segments for turn in book)
        assert one.scene.language == "en" and {turn.speaker for turn in book} <= set(one.order)
        assert one.order[0] == one.speaking_characters_w_env[0]
        assert any(character.motivation for character in one.scene.cast)
    assert turns == 337
