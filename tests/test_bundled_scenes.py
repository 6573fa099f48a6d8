"""The scenes and the recording that come with HER: whole, playable, in the public domain, and readable."""

from __future__ import annotations

import itertools
import json
import re
from importlib.resources import files

import jsonschema
import pytest

from her import markup
from her.models.recorded import Row
from her.scene import Scene, bundled, bundled_scene, json_schema, load_scene
from her.turn import ENVIRONMENT, Ending, Kind

HERE = files("her") / "scenes"
STOCK = re.compile(
    r"testament to|barely above a whisper|shivers? (down|up)|a mix of|couldn't help but|eyes? (gleam|sparkl|twinkl)"
    r"|breath (she|he) didn't know|the air (was )?thick|tapestry|palpable|unspoken",
    re.IGNORECASE,
)
PRIVATE_FIELDS = ("background", "motivation", "opening_thought")


def words(text: str, scene: Scene) -> float:
    """Words; for Chinese, characters over 1.6, the usual ratio in translation."""
    return len(re.findall(r"\w", text)) / 1.6 if scene.prompt_language == "zh" else len(text.split())


@pytest.fixture(params=bundled())
def scene(request: pytest.FixtureRequest) -> Scene:
    return bundled_scene(request.param)


def test_there_are_ten_and_the_ball_is_first() -> None:
    titles = [bundled_scene(id).title.casefold() for id in bundled()]
    assert len(titles) == 10
    assert bundled()[0] == "netherfield-ball"
    assert titles[1:] == sorted(titles[1:])
    assert bundled_scene("netherfield-ball").names == ("Elizabeth Bennet", "Mr. Darcy")


def test_they_are_of_several_literatures_and_sizes() -> None:
    scenes = [bundled_scene(id) for id in bundled()]
    assert {"en", "fr", "zh"} <= {scene.language for scene in scenes}
    assert sum(not scene.book for scene in scenes) == 2
    assert sum(len(scene.cast) >= 3 for scene in scenes) >= 2
    assert all(2 <= len(scene.cast) <= 4 for scene in scenes)


def test_an_unknown_id_lists_the_others() -> None:
    with pytest.raises(ValueError, match=r"'ball'; there are: netherfield-ball, "):
        bundled_scene("ball")


def test_each_file_is_named_by_its_id_and_loads_as_a_persons_file(scene: Scene) -> None:
    assert load_scene(str(HERE / f"{scene.id}.json")) == scene


def test_each_says_where_it_comes_from_and_may_be_used_by_anyone(scene: Scene) -> None:
    assert scene.licence == "CC0-1.0"
    if scene.book:
        (year,) = re.findall(r"(?<!\d)1[5-9]\d\d(?!\d)", scene.source)
        assert int(year) < 1929
        assert scene.author
    else:
        assert scene.source == "Original scene"


def test_the_opening_is_well_formed_and_one_mind_is_open(scene: Scene) -> None:
    assert 1 <= len(scene.opening) <= 3
    for turn in scene.opening:
        parsed = markup.parse(turn.text, speaker=turn.speaker, cast=scene.names)
        assert (parsed.ending, parsed.faults) == (Ending.COMPLETE, ())
        assert markup.render(parsed.turn) == turn.text
    kinds = {segment.kind for turn in scene.dialogue() for segment in turn.segments}
    assert kinds == {Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH}


def test_every_character_has_a_face_a_past_and_a_wish(scene: Scene) -> None:
    assert 80 <= words(scene.setting, scene) <= 160
    for character in scene.cast:
        assert 75 <= words(character.profile, scene) <= 150
        assert 40 <= words(character.background, scene) <= 100
        assert 12 <= words(character.motivation, scene) <= 60
        assert 15 <= words(character.opening_thought, scene) <= 60
        person = {"zh": "我", "fr": r"\b(j[e’]|m[eoa]i?|m’)"}.get(scene.language, r"\b(I|me|my)\b")
        assert re.search(person, character.opening_thought), character.name


def test_a_prompt_stays_short(scene: Scene) -> None:
    """At 1.35 tokens a word, 600 to 1,200 tokens with about 200 of them for the requirements."""
    for character in scene.cast:
        others = sum(words(other.profile, scene) for other in scene.cast if other is not character)
        own = sum(words(getattr(character, field), scene) for field in ("profile", *PRIVATE_FIELDS))
        assert 350 <= words(scene.setting, scene) + own + others <= 750


@pytest.mark.parametrize(
    ("id", "owner", "secret"),
    [
        ("netherfield-ball", "Mr. Darcy", "Georgiana"),
        ("baker-street-mask", "Count Von Kramm", "Adler"),
        ("porfirys-rooms", "Raskolnikov", "under a stone"),
        ("white-tiger-ridge", "送饭女子", "白骨"),
        ("road-to-el-toboso", "Sancho Panza", "never delivered"),
        ("caller-for-mrs-helmer", "Nora Helmer", "the signature herself"),
        ("sept-heures-chez-ragueneau", "Roxane", "Christian"),
        ("lift-at-number-nine", "Inês Caldas", "baby grand"),
        ("forty-minutes", "Tomas Revik", "in dying"),
    ],
)
def test_a_secret_stands_in_its_owners_background_and_nowhere_public(id: str, owner: str, secret: str) -> None:
    scene = bundled_scene(id)
    assert secret in scene.character(owner).background
    public = [scene.setting, *(turn.text for turn in scene.opening), *(c.profile for c in scene.cast)]
    assert not [text for text in public if secret in text]


def test_no_stock_phrases(scene: Scene) -> None:
    assert not STOCK.findall(scene.model_dump_json())


class TestSchema:
    def test_the_published_schema_is_the_models(self) -> None:
        assert json.loads((HERE / "scene.schema.json").read_text("utf-8")) == json_schema()

    def test_bundled_scenes_pass_it_and_a_misspelt_field_does_not(self, scene: Scene) -> None:
        data = json.loads((HERE / f"{scene.id}.json").read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(json_schema())
        jsonschema.validate(data, json_schema())
        with pytest.raises(jsonschema.ValidationError, match="settting"):
            jsonschema.validate({**data, "settting": "x"}, json_schema())


class TestDemo:
    rows = [  # noqa: RUF012
        Row.model_validate_json(line)
        for line in (files("her") / "demo" / "netherfield.jsonl").read_text("utf-8").splitlines()
    ]
    scene = bundled_scene("netherfield-ball")

    def speaker(self, row: Row) -> str:
        return str(row.id).rpartition("/")[2]

    def test_it_goes_on_where_the_opening_ends(self) -> None:
        speakers = [self.scene.opening[-1].speaker, *map(self.speaker, self.rows)]
        assert 5 <= len(self.rows) <= 6
        assert all(one != two for one, two in itertools.pairwise(speakers))
        assert set(speakers) == set(self.scene.names)
        assert ENVIRONMENT not in speakers

    def test_every_turn_has_both_layers_and_no_fault(self) -> None:
        for row in self.rows:
            name = self.speaker(row)
            parsed = markup.parse(row.text, speaker=name, cast=self.scene.names, opened=Kind.SYSTEM_THINKING, plan=True)
            assert (parsed.ending, parsed.faults) == (Ending.COMPLETE, ())
            assert {segment.kind for segment in parsed.turn.segments} == set(Kind)
            assert markup.render(parsed.turn, name=True).endswith(row.text)
            assert not STOCK.search(row.text)

    def test_it_says_that_no_model_wrote_it(self) -> None:
        assert all(row.model and "not a model's output" in row.model.address for row in self.rows)

    def test_it_plays_in_under_45_seconds_in_small_pieces(self) -> None:
        for row in self.rows:
            assert row.chunks
            times = [at for at, _ in row.chunks]
            assert times == sorted(times)
            assert times[0] >= 400
            assert max(len(piece.split()) for _, piece in row.chunks) <= 4
        assert sum(row.chunks[-1][0] for row in self.rows if row.chunks) < 40_000
