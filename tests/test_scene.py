"""Scene files: what a good one gives, what a bad one says, and CoSER's files in all their spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError, SceneError, UnknownName
from her.markup import Style
from her.scene import MAX_BYTES, Scene, fold, load_cases, load_scene
from her.turn import ENVIRONMENT, Kind

PLAIN: dict[str, Any] = {
    "id": "kitchen",
    "title": "The Kitchen",
    "setting": "A kitchen, late.",
    "cast": [{"name": "Ada"}, {"name": "Bo"}],
}


def scene(**fields: Any) -> Scene:
    return load_scene({**PLAIN, **fields})


def written(tmp_path: Path, data: Any, name: str = "scene.json") -> Path:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def message(data: dict[str, Any]) -> str:
    with pytest.raises(SceneError) as caught:
        load_scene(data)
    return str(caught.value)


class TestScene:
    def test_names_come_in_the_order_of_the_cast(self) -> None:
        assert scene().names == ("Ada", "Bo")

    def test_a_character_is_found_by_name_and_a_stranger_is_not(self) -> None:
        assert scene().character("Bo").name == "Bo"
        for stranger in ("bo", "Cy", ENVIRONMENT):
            with pytest.raises(UnknownName, match="Ada, Bo"):
                scene().character(stranger)

    def test_the_opening_becomes_turns_with_ids_and_private_thoughts(self) -> None:
        text = "[He has not eaten.] (sets a plate down) Sit."
        opening = [{"speaker": ENVIRONMENT, "text": "Rain."}, {"speaker": "Ada", "text": text}]
        dialogue = scene(opening=opening, style="brackets").dialogue()
        assert [turn.id for turn in dialogue] == ["opening/1", "opening/2"]
        assert dialogue.turns[1].layout == "thought-action-speech"
        assert "eaten" not in repr(dialogue.seen_by("Bo"))
        assert "eaten" in dialogue.seen_by("Ada")[1].text_of(Kind.ROLE_THINKING)

    def test_an_opening_in_asterisks_is_read_as_such(self) -> None:
        opening = [{"speaker": "Ada", "text": '*sets a plate down* "Sit."'}]
        (turn,) = scene(opening=opening, style=Style.ASTERISKS).dialogue()
        assert turn.layout == "action-speech"
        assert turn.text_of(Kind.SPEECH) == "Sit."

    @pytest.mark.parametrize(
        ("tag", "spoken", "prompts"),
        [
            ("en", "English", "en"),
            ("fr-CA", "French", "en"),
            ("zh", "Chinese", "zh"),
            ("ZH-hant-TW", "Chinese", "zh"),
            ("zha", "zha", "en"),
            ("gsw", "gsw", "en"),
        ],
    )
    def test_the_language_tag_decides_language_and_prompts(self, tag: str, spoken: str, prompts: str) -> None:
        assert (scene(language=tag).spoken, scene(language=tag).prompt_language) == (spoken, prompts)

    def test_a_scene_is_frozen(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            scene().title = "Other"  # type: ignore[misc]


class TestNames:
    @pytest.mark.parametrize("name", ["孙悟空", "Dona Amélia", "محمد", "O'Brien: the Second", "R2-D2", "🦊", "No. 6"])
    def test_any_script_is_a_name(self, name: str) -> None:
        assert scene(cast=[{"name": f"  {name} "}]).names == (name,)

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("", "must not be empty"),
            ("   ", "visible"),
            ("\u200b", "visible"),
            ("A\nB", "one line"),
            ("A\u2028B", "one line"),
            ("\x00", "one line"),
            (":", "colon"),
            ("Ada:", "colon"),
            ("孙悟空：", "colon"),
            ("Environment", "the world"),
            (" ENVIRONMENT ", "the world"),
            ("x" * 121, "120"),
            ("\ud800", "surrogate"),
        ],
    )
    def test_what_cannot_be_a_name_is_refused_with_its_place(self, name: str, why: str) -> None:
        said = message({**PLAIN, "cast": [{"name": name}]})
        assert said.startswith("scene: cast[0].name: ")
        assert why in said
        assert "cast: " not in said, "the list is not called too short as well"

    @pytest.mark.parametrize("twin", ["Zoë", "ZOË", "Zoe\u0308", " Zoë "])
    def test_two_spellings_of_one_name_are_refused(self, twin: str) -> None:
        said = message({**PLAIN, "cast": [{"name": "Zoë"}, {"name": twin}]})
        assert "cast[1].name" in said
        assert "again" in said

    @given(st.text(max_size=8), st.text(max_size=8))
    def test_folding_is_stable_and_blind_to_case(self, one: str, other: str) -> None:
        assert fold(fold(one)) == fold(one)
        assert fold(one + other) == fold(fold(one) + other)


class TestMessages:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"setting": None}, "setting: must be text, not null"),
            ({"setting": " \n"}, "setting: must not be empty"),
            ({"title": 3}, "title: must be text, not a number"),
            ({"cast": []}, "cast: must not be empty"),
            ({"cast": {"name": "Ada"}}, "cast: must be a list, not an object"),
            ({"cast": ["Ada"]}, "cast[0]: must be an object with named fields, not text"),
            ({"license": "CC0"}, "license: is not a field of a scene; did you mean 'licence'?"),
            ({"xyzzy": 1}, "xyzzy: is not a field of a scene; take it out"),
            ({"language": "Deutsch, bitte"}, "language: 'Deutsch, bitte' is not a language tag"),
            ({"opening": [{"speaker": "Cy", "text": "Hi."}]}, "nobody here is called 'Cy'; use one of: Ada, Bo, Env"),
            ({"opening": [{"speaker": "Ada", "text": ""}]}, "opening[0].text: must not be empty"),
            ({"style": "prose"}, "style: "),
        ],
    )
    def test_each_fault_names_field_reason_and_remedy(self, change: dict[str, Any], said: str) -> None:
        got = message({**PLAIN, **change})
        assert got.startswith("scene: ")
        assert said in got
        assert "pydantic" not in got
        assert "\n" not in got

    @pytest.mark.parametrize("field", ["id", "title", "setting", "cast"])
    def test_a_missing_field_is_named(self, field: str) -> None:
        assert message({k: v for k, v in PLAIN.items() if k != field}) == f"scene: {field}: is missing; add it"

    def test_many_faults_are_counted_not_poured_out(self) -> None:
        assert "(and 15 more)" in message({**PLAIN, **{f"extra{n}": n for n in range(20)}})


class TestFiles:
    def test_a_file_with_a_byte_order_mark_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "bom.json"
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps(PLAIN).encode())
        assert load_scene(path) == load_scene(str(path)) == scene()

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "the file is empty"),
            (b" \n\t", "the file is empty"),
            (b"Dear diary", "not JSON at line 1, column 1"),
            (b'{"id": "a",\n "title" "t"}', "not JSON at line 2"),
            (b'"a text"', "this file holds text"),
            (b"null", "this file holds null"),
            (b"[]", "many scenes"),
            (b'{"plots": []}', "many scenes"),
            (b'{"id": "a", "id": "b"}', "'id' stands twice"),
            (b"\xff\xfe{\x00", "not UTF-8"),
            (b"[" * 200_000, "too deeply nested"),
            (b'{"id": ' + b"9" * 5000 + b"}", "a number too long"),
        ],
    )
    def test_a_file_that_is_no_scene_says_why(self, tmp_path: Path, content: bytes, said: str) -> None:
        path = tmp_path / "odd.json"
        path.write_bytes(content)
        with pytest.raises(SceneError) as caught:
            load_scene(path)
        assert str(path) in str(caught.value)
        assert said in str(caught.value)

    def test_a_missing_file_names_the_bundled_scenes(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file; bundled scenes are: netherfield-ball"):
            load_scene(tmp_path / "nowhere.json")

    def test_a_folder_is_not_a_scene(self, tmp_path: Path) -> None:
        with pytest.raises(SceneError, match="cannot be read"):
            load_scene(tmp_path)

    def test_a_huge_file_is_refused_unread(self, tmp_path: Path) -> None:
        path = tmp_path / "huge.json"
        with path.open("wb") as file:
            file.truncate(MAX_BYTES + 1)
        with pytest.raises(SceneError, match="larger than 256 MiB"):
            load_scene(path)

    @pytest.mark.parametrize(
        ("text", "ending"), [("[a thought never closed", "unclosed"), ("Hi.\nBo: Hello.", "second_speaker")]
    )
    def test_broken_marks_in_an_opening_are_reported(self, tmp_path: Path, text: str, ending: str) -> None:
        opening = [{"speaker": "Ada", "text": text}]
        path = written(tmp_path, {**PLAIN, "style": "brackets", "opening": opening})
        with pytest.raises(SceneError, match=rf"opening\[0\].text: ends as '{ending}'"):
            load_scene(path)


_names = st.lists(
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12).filter(
        lambda n: not n.endswith((":", "：")) and fold(n) != "environment"
    ),
    min_size=1,
    max_size=4,
    unique_by=fold,
)
_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
_filled = _text.filter(lambda text: bool(text.strip()))


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(_names)
    cast = [{"name": name, "profile": draw(_text), "opening_thought": draw(_text)} for name in names]
    speakers = st.sampled_from([*names, ENVIRONMENT])
    opening = draw(st.lists(st.fixed_dictionaries({"speaker": speakers, "text": _filled}), max_size=3))
    style = draw(st.sampled_from(list(Style)))
    return {**PLAIN, "title": draw(_filled), "setting": draw(_filled), "cast": cast, "opening": opening, "style": style}


class TestRoundTrip:
    @given(scenes())
    def test_a_scene_survives_json(self, data: dict[str, Any]) -> None:
        first = load_scene(data)
        assert load_scene(json.loads(first.model_dump_json())) == first
        assert Scene.model_validate_json(first.model_dump_json()) == first

    @given(scenes())
    def test_every_scene_has_an_opening_dialogue(self, data: dict[str, Any]) -> None:
        dialogue = load_scene(data).dialogue()
        assert [turn.speaker for turn in dialogue] == [turn["speaker"] for turn in data["opening"]]


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
            load_cases(written(tmp_path, PLAIN))


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
