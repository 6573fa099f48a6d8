"""CoSER's files in all their spellings: what a good one gives, and what a bad case says and leaves to the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from her.coser import Case, cases, load_cases
from her.errors import SceneError
from her.markup import Style
from her.turn import ENVIRONMENT


def written(tmp_path: Path, data: Any, name: str = "scene.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def case(**fields: Any) -> dict[str, Any]:
    return {
        "book": "A Book: Part 2",
        "topic": "The plate",
        "scenario": "A kitchen.",
        "key_characters": [{"name": "Ada", "thought": "I want him to eat."}],
        "character_profiles": {"Ada": "A cook.", "Bo": ""},
        "dialogues": [
            {"character": "Environment", "message": "Rain."},
            {"character": "Bo", "message": "[Not hungry.] (sits) No."},
            {"character": "Ada", "message": "Eat."},
            {"character": "Bo", "message": "No."},
        ],
        "plot": {
            "i_p": 7,
            "key_characters": [{"name": "Bo", "description": "A guest.", "summary": "He eats in the end."}],
        },
        "i_p": 1,
        "i_c": 0,
        **fields,
    }


class TestCases:
    def test_a_test_set_case_becomes_a_scene(self, tmp_path: Path) -> None:
        (got,) = load_cases(written(tmp_path, [case()]))
        assert (got.id, got.title, got.setting, got.opening) == ("a-book-part-2/7/0", "The plate", "A kitchen.", ())
        assert got.names == ("Bo", "Ada")
        assert got.character("Ada").motivation == "I want him to eat."
        assert got.character("Bo").profile == "A guest."
        assert "eats" not in got.model_dump_json()

    def test_the_other_spelling_says_the_same(self, tmp_path: Path) -> None:
        other = case(key_characters=[{"name": "Ada", "motivation": "I want him to eat."}])
        other["plot"]["key_characters"] = [
            {"name": "Bo", "description": "A guest.", "experience": "He eats in the end."}
        ]
        paths = written(tmp_path, [case()], "a.json"), written(tmp_path, [other], "b.json")
        one, two = (load_cases(path, with_experience=True) for path in paths)
        assert one == two
        assert one[0].character("Bo").background == "He eats in the end."

    def test_the_recorded_dialogue_becomes_the_opening_when_asked_for(self, tmp_path: Path) -> None:
        (got,) = load_cases(written(tmp_path, [case()]), with_dialogue=True)
        assert got.style is Style.BRACKETS
        assert [turn.layout for turn in got.dialogue()] == ["speech", "thought-action-speech", "speech", "speech"]

    def test_the_releases_own_scenarios_need_no_key_characters(self, tmp_path: Path) -> None:
        """Defect B7 of the release: a scenario without `key_characters` ended its demo."""
        scenario = {
            "book": "B",
            "topic": "T",
            "scenario": "S",
            "character_profiles": {"Ada": "A cook.", "Bo": "A guest."},
        }
        first, second = load_cases(written(tmp_path, [scenario, scenario]))
        assert first.names == ("Ada", "Bo")
        assert (first.id, second.id) == ("b/0/0", "b/1/0")

    def test_a_book_file_takes_its_title_from_its_name_and_skips_plots_without_talk(self, tmp_path: Path) -> None:
        talk = {k: case()[k] for k in ("scenario", "topic", "dialogues")}
        people = [{"name": "Ada", "motivation": "Feed him.", "i_p": 4, "i_c": 2}]
        plots = [
            {"conversation": []},
            {"chapter": "One", "conversation": [talk | {"key_characters": people}, talk]},
        ]
        data = {"plots": plots, "character_datasets": {"Ada": {"profile": "A cook.", "plots": []}}}
        scenes = load_cases(written(tmp_path, data, "An_Old_Book.json"))
        assert [got.id for got in scenes] == ["an-old-book/4/2", "an-old-book/1/1"]
        assert scenes[0].source == "CoSER: An Old Book, One, plot 4, conversation 2"
        assert scenes[0].character("Ada").profile == "A cook."

    def test_equal_numbers_still_give_different_ids(self, tmp_path: Path) -> None:
        ids = [got.id for got in load_cases(written(tmp_path, [case(), case(), case()]))]
        assert len(set(ids)) == 3

    def test_spellings_of_one_speaker_are_one_member_of_the_cast(self, tmp_path: Path) -> None:
        lines = [{"character": name, "message": "Hm."} for name in ("Zoë", "ZOË", "environment")]
        (got,) = load_cases(written(tmp_path, [case(dialogues=lines)]), with_dialogue=True)
        assert got.names == ("Zoë",)
        assert [turn.speaker for turn in got.opening] == ["Zoë", "Zoë", ENVIRONMENT]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"scenario": ""}, "scenario: must not be empty"),
            ({"dialogues": [{"character": "", "message": "Hm."}]}, "dialogues[0].character: must not be empty"),
            ({"dialogues": [{"character": "Ada"}]}, "dialogues[0].message: is missing"),
            ({"dialogues": [{"character": "Environment", "message": "Rain."}]}, "cast: must not be empty"),
            ({"character_profiles": ["Ada"]}, "character_profiles: "),
        ],
    )
    def test_a_bad_case_is_named_by_its_index(self, tmp_path: Path, change: dict[str, Any], said: str) -> None:
        with pytest.raises(SceneError) as caught:
            load_cases(written(tmp_path, [case(), case(**change)]))
        assert f"case 1: {said}" in str(caught.value)

    def test_a_file_of_another_shape_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SceneError, match="not CoSER's"):
            load_cases(written(tmp_path, {"id": "kitchen", "cast": []}))


class TestCaseByCase:
    def test_one_bad_case_does_not_take_the_others_along(self) -> None:
        data = [case(), case(scenario=""), "Dear diary", case(dialogues=None), case()]
        found = list(cases(data, "stem"))
        assert [entry.where for entry in found] == [f"case {n}" for n in range(5)]
        assert [isinstance(entry.case, Case) for entry in found] == [True, False, False, False, True]
        assert [entry.turns for entry in found] == [4, 4, 0, 0, 4], "lines are counted before they are judged"
        assert "case 1: scenario: must not be empty" in str(found[1].case)

    def test_a_bad_plot_spoils_its_own_conversations_alone(self) -> None:
        talk = {k: case()[k] for k in ("scenario", "dialogues")}
        plots = [{"key_characters": 3, "conversation": [talk]}, "text", {"conversation": 3}, {"conversation": [talk]}]
        found = list(cases({"plots": plots}, "A_Book"))
        assert [isinstance(entry.case, Case) for entry in found] == [False, False, False, True]
        assert found[0].where == "plots[0].conversation[0]"
        assert "plots[1]: is no plot" in str(found[1].case)
        assert isinstance(found[3].case, Case)
        assert found[3].case.id == "a-book/3/0"

    def test_held_out_plots_are_read_book_by_book(self, tmp_path: Path) -> None:
        talk = {k: case()[k] for k in ("scenario", "topic", "dialogues")}
        book = {"character_profiles": {"Ada": "A cook."}, "plots": [{"i_p": 5, "conversation": [talk | {"i_c": 1}]}]}
        scenes = load_cases(written(tmp_path, {"id": {"One Book": book}, "ood": {"Another": book}}))
        assert [got.id for got in scenes] == ["one-book/5/1", "another/5/1"]
        assert scenes[0].character("Ada").profile == "A cook."

    @pytest.mark.parametrize("data", [None, 3, "text", {}, {"plots": None}, {"id": {"A": {}}}, {"id": 3}])
    def test_another_shape_is_refused(self, data: Any) -> None:
        with pytest.raises(SceneError, match="not CoSER's"):
            list(cases(data, "stem"))


class TestRealFiles:
    def test_the_27_test_cases_load(self, her_data: Path) -> None:
        scenes = load_cases(her_data / "coser" / "test_set_pd_english.json", with_dialogue=True)
        assert len(scenes) == len({got.id for got in scenes}) == 27
        assert sum(len(got.dialogue()) for got in scenes) == 337
        assert sum(len(got.cast) for got in scenes) == 62
        assert sum(bool(character.motivation) for got in scenes for character in got.cast) == 61
        assert scenes[0].id == "pride-and-prejudice/70/0"
        assert scenes[0].names == ("Mr Bennet", "Elizabeth Bennet")

    @pytest.mark.parametrize(("play", "turns", "cast"), [("King_Lear", 123, 32), ("Othello", 115, 30)])
    def test_the_two_plays_load(self, her_data: Path, play: str, turns: int, cast: int) -> None:
        scenes = load_cases(her_data / "coser" / f"final_{play}_notext.json", with_dialogue=True, with_experience=True)
        assert len(scenes) == len({got.id for got in scenes}) == 12
        assert (sum(len(got.dialogue()) for got in scenes), sum(len(got.cast) for got in scenes)) == (turns, cast)
        assert sum(not character.motivation for got in scenes for character in got.cast) == 3
