"""Scene files: what a good one gives and what a bad one says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her.errors import InputError, SceneError, UnknownName
from her.markup import Style
from her.scene import MAX_BYTES, Scene, fold, load_scene, slug
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

    @pytest.mark.parametrize(
        ("title", "name"),
        [
            ("Pride and Prejudice", "pride-and-prejudice"),
            ("  L'Étranger, tome 2 ", "l-étranger-tome-2"),
            ("水浒传", "水浒传"),
            ("../../etc/passwd", "etc-passwd"),
            ("…", "book"),
        ],
    )
    def test_a_title_becomes_a_name_for_files_and_ids(self, title: str, name: str) -> None:
        assert slug(title) == name

    @given(st.text(max_size=20))
    def test_a_slug_is_its_own_slug_and_never_leaves_its_folder(self, title: str) -> None:
        name = slug(title)
        assert slug(name) == name
        assert not set(name) & set("/\\. \n")


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
