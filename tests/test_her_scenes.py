"""The data set her-scenes: every scene reads, passes every gate and is like no other, no world serves two purposes,
and card, page and rows are what `make.py` makes of the scenes now."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
import yaml

from browser import Browser
from her import checks
from her.markup import parse, render
from her.rows.record import Refusal, SceneRow, TurnRow
from her.rows.samples import CONFIGS, PoolRow
from her.scene import bundled, bundled_scene
from her.script import Script
from her.synth.faults import num_words
from her.synth.samples.editions import title_key
from her.synth.samples.report import SampleReport
from her.turn import ENVIRONMENT, Dialogue, Kind, Turn

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "datasets" / "her-scenes"
AGAIN = "run `python datasets/her-scenes/make.py` and look at what has changed"


def loaded(name: str) -> ModuleType:
    """A file of the data set, which is no module of the package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


read, make = loaded("read"), loaded("make")
ROWS: tuple[SceneRow, ...] = tuple(read.read_scenes())
WORLDS = read.worlds()
BY_WORLD: dict[str, list[SceneRow]] = defaultdict(list)
for _row in ROWS:
    BY_WORLD[_row.source.slug].append(_row)


def own(*rows: SceneRow) -> list[Turn]:
    """The characters' turns; the Environment's are not among them."""
    return [turn for row in rows for turn in row.dialogue if turn.speaker != ENVIRONMENT]


class TestTheScenes:
    def test_every_file_is_one_of_two_scenes_of_a_world(self) -> None:
        files = sorted(path.stem for path in (HERE / "scenes").iterdir())
        assert files == sorted(f"{name}-{number}" for name in WORLDS for number in (1, 2))
        assert [row.id for row in ROWS] == [f"her-scenes/{name}-{number}" for name in WORLDS for number in (1, 2)]
        assert len({row.title for row in ROWS}) == len(ROWS)

    def test_there_are_enough_of_every_sort(self) -> None:
        kinds, languages = Counter(world.kind for world in WORLDS.values()), Counter(row.language for row in ROWS)
        assert len(ROWS) >= 80 and sum(len(row.turns) for row in ROWS) >= 900
        assert kinds["book"] >= 20 and kinds["original"] >= 20
        assert languages["zh"] >= 6 and sum(languages.values()) - languages["en"] - languages["zh"] >= 4
        assert len(languages) >= 4

    def test_they_are_of_the_size_that_is_promised(self) -> None:
        assert all(2 <= len(row.cast) <= 4 and 8 <= len(row.turns) <= 16 for row in ROWS)
        for row in ROWS:
            assert {turn.speaker for turn in own(row)} == {one.name for one in row.cast}, row.id
            assert all(one.profile and one.background and one.motivation for one in row.cast), row.id
        plans = [num_words(turn.text_of(Kind.SYSTEM_THINKING)) for turn in own(*ROWS)]
        assert min(plans) >= 30 and max(plans) <= 90

    def test_every_gate_lets_them_pass(self) -> None:
        assert [(row.id, one.where, one.reason, one.detail) for row in ROWS for one in read.refused(row)] == []

    def test_the_same_look_finds_faults_that_are_planted(self) -> None:
        assert {one.reason for one in spoilt()} >= {"layout-run", "perspective", "near-duplicate", "length", "unnamed"}

    def test_layouts_vary_in_every_scene_and_over_all(self) -> None:
        found = checks.layouts(own(*ROWS))
        assert found.entropy is not None and found.entropy >= 2.3
        assert found.top_share is not None and found.top_share <= 0.25
        for row in ROWS:
            layouts = checks.layouts(own(row))
            assert layouts.longest_run <= 2, row.id
            assert len(own(row)) < 10 or (layouts.entropy or 0.0) >= 2.3, row.id

    def test_no_two_texts_of_all_scenes_are_one(self) -> None:
        compared, found = make.alike(ROWS)
        assert found == [] and compared > len(own(*ROWS))
        assert make.alike((*ROWS[:1], ROWS[0].model_copy(update={"id": "again"})))[1]

    def test_no_stock_phrase_is_worn(self) -> None:
        for language in ("en", "zh"):
            text = "\n".join(turn.text_of(kind) for turn in spoken(language) for kind in Kind)
            assert (checks.slop_rate(text, language) or 0.0) <= 0.2

    def test_the_published_list_says_what_the_card_says(self, her_data: Path) -> None:
        listed = json.loads((her_data / "slop_score" / "slop_list.json").read_text("utf-8"))
        text = "\n".join(turn.text_of(kind) for turn in spoken("en") for kind in Kind)
        assert round(checks.phrase_rate(text, listed) or 0.0, 1) == make.SLOP, "write that into make.py"
        novel = (her_data / "books" / "pride_and_prejudice.txt").read_text("utf-8")
        assert round(checks.phrase_rate(novel, listed) or 0.0, 1) == make.SLOP_OF_A_NOVEL

    def test_every_turn_reads_back_as_it_was_written(self) -> None:
        for turn in own(*ROWS):
            assert parse(render(turn, name=True), speaker=turn.speaker).turn.segments == turn.segments


def spoken(language: str) -> list[Turn]:
    return own(*(row for row in ROWS if row.language == language))


def spoilt() -> list[Refusal]:
    """What the gates say of a scene whose first character says the same three times, thinks it too, and plans it."""
    row = ROWS[0]
    name = row.cast[0].name
    thought = f"<role_thinking>{name} is afraid of the dark stairs and of the cold yard below.</role_thinking>"
    turn = parse(f"<system_thinking>I will say it again.</system_thinking>{name}: {thought} No.", speaker=name).turn
    turns = tuple(TurnRow.of(replace(turn, id=old.id)) for old in row.turns[:3])
    found: list[Refusal] = read.refused(row.model_copy(update={"turns": turns}))
    return found


class TestTheWorlds:
    def test_two_scenes_of_a_world_have_people_in_common(self) -> None:
        for name, (first, second) in BY_WORLD.items():
            assert {turn.speaker for turn in own(first)} & {turn.speaker for turn in own(second)}, name

    def test_no_book_serves_two_purposes(self) -> None:
        assert {world.purpose for world in WORLDS.values()} == {"sft", "reward", "rl", "validation", "test"}
        assert len({title_key(world.title) for world in WORLDS.values()}) == len(WORLDS)
        assert sum(WORLDS[row.source.slug].purpose == "test" for row in ROWS) >= 12

    def test_none_is_that_of_a_scene_that_comes_with_the_program(self) -> None:
        scenes = [bundled_scene(id) for id in bundled()]
        books = {title_key(scene.book) for scene in scenes if scene.book} | {title_key("Pride and Prejudice")}
        assert len(books) == 8
        assert books & {title_key(world.title) for world in WORLDS.values()} == set()
        assert {scene.title for scene in scenes} & {row.title for row in ROWS} == set()
        assert {scene.setting for scene in scenes} & {row.setting for row in ROWS} == set()

    def test_books_have_authors_and_originals_have_none(self) -> None:
        assert all(bool(world.author) is (world.kind == "book") for world in WORLDS.values())


class TestReading:
    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("[[turns]]", "[[turn]]", "is not a field"),
            ('speaker = "', 'speaker = "Not ', "nobody in the cast"),
            ("(seizes", "((seizes", "close every bracket"),
            ("setting =", "setting", "cannot be read"),
            ('title = "Thirty sacks"', 'title = ""', "title"),
        ],
    )
    def test_a_scene_with_a_fault_is_refused_with_its_place(
        self, tmp_path: Path, old: str, new: str, told: str
    ) -> None:
        text = (HERE / "scenes" / "emma-1.toml").read_text("utf-8")
        path = tmp_path / "emma-1.toml"
        path.write_text(text.replace(old, new, 1), "utf-8")
        with pytest.raises(ValueError, match=rf"emma-1\.toml.*{told}"):
            read.read_scene(path)

    def test_a_scene_of_no_world_is_refused(self) -> None:
        with pytest.raises(ValueError, match="has no world 'nowhere'"):
            read.read_scene(Path("nowhere-1.toml"))

    def test_an_author_is_told_scene_by_scene(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert read.main([HERE / "scenes" / "emma-1.toml"]) == 0
        assert "emma-1.toml: 14 turns" in capsys.readouterr().out
        assert read.main([Path("emma-9.toml")]) == 1
        assert "emma-9.toml: cannot be read" in capsys.readouterr().out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set as `make.py` makes it now."""
    target = tmp_path_factory.mktemp("made") / "her-scenes"
    make.make(ROWS, target)
    return target


def rows_of(config: str, split: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(HERE / config / f"{split}-00000.parquet").to_pylist()
    return found


class TestWhatStandsInTheRepository:
    def test_it_is_what_is_made_now(self, made: Path) -> None:
        assert make.changed(made, HERE) == [], AGAIN

    @pytest.mark.long
    def test_the_same_bytes_come_again_without_third_party_data(
        self, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HER_DATA", raising=False)
        make.make(ROWS, tmp_path / "her-scenes")
        files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
        assert files == sorted(
            path.relative_to(tmp_path / "her-scenes") for path in make._files(tmp_path / "her-scenes")
        )
        for name in files:
            assert (tmp_path / "her-scenes" / name).read_bytes() == (made / name).read_bytes(), name

    def test_the_report_accounts_for_every_scene_and_turn(self) -> None:
        report = SampleReport.model_validate_json((HERE / "report.json").read_bytes())
        assert report.balanced and not report.kept_out and report.scenes_in == len(ROWS)
        assert report.rows["roleplay-sft"].keys() == {"train", "validation", "test"}
        assert sum(turns.with_plan for turns in report.turns.values()) == len(own(*ROWS))
        assert {use.licence for use in report.books} == {"CC0-1.0"}
        assert {use.slug: use.purpose for use in report.books} == {n: world.purpose for n, world in WORLDS.items()}

    def test_no_book_is_in_two_splits(self) -> None:
        seen: dict[object, set[tuple[str, str]]] = defaultdict(set)
        for config, split in (("roleplay-sft", "train"), ("roleplay-sft", "validation"), ("reward-pool", "train")):
            for row in rows_of(config, split):
                seen[row["slug"]].add((config, split))
        for row in rows_of("roleplay-rl", "train"):
            pool = PoolRow.model_validate_json(row["extra_info"]["info"])  # type: ignore[index]
            seen[pool.slug].add(("roleplay-rl", "train"))
        for config in CONFIGS.keys() - {"roleplay-rl"}:
            for row in rows_of(config, "test"):
                seen[row["slug"]].add(("", "test"))
        assert seen.keys() == WORLDS.keys() and {len(found) for found in seen.values()} == {1}

    @pytest.mark.parametrize("config", ["roleplay-sft", "roleplay-sft-plain"])
    @pytest.mark.parametrize("split", ["train", "validation", "test"])
    def test_a_context_is_what_the_character_is_sent_in_chat(self, config: str, split: str) -> None:
        scenes = {row.id: row for row in ROWS}
        for row in rows_of(config, split)[::17]:
            scene, name = scenes[str(row["scene"])], str(row["character"])
            at = [turn.id for turn in scene.turns].index(str(row["turn"]))
            past = Dialogue(frozenset(one.name for one in scene.cast), scene.dialogue.turns[:at]).seen_by(name)
            sent = Script(scene.scene, name, plan=config == "roleplay-sft").messages(past)
            turn = scene.turns[at].turn
            answer = render(turn if config == "roleplay-sft" else turn.without(Kind.SYSTEM_THINKING), name=True)
            wanted = [*({"role": one.role, "content": one.content} for one in sent)]
            assert row["messages"] == [*wanted, {"role": "assistant", "content": answer}], row["id"]

    def test_the_test_scenes_are_whole(self) -> None:
        rows = [SceneRow.model_validate_json(str(row["row"])) for row in rows_of("test", "test")]
        assert rows == [row for row in ROWS if WORLDS[row.source.slug].purpose == "test"]

    def test_the_card_says_what_it_is_and_whose(self) -> None:
        text = (HERE / "README.md").read_text("utf-8")
        front = yaml.safe_load(text.split("---\n")[1])
        assert front["license"] == "cc0-1.0" and front["language"] == ["de", "en", "fr", "zh"]
        for said in ("AI-authored originals", "CC0 1.0", f"{len(ROWS)} scenes", f"{len(WORLDS)} worlds"):
            assert said in text
        assert "quoted from books" not in text and "unknown" not in text
        assert not re.search(r"[$]\w", text) and all(world.title in text for world in WORLDS.values())

    def test_no_test_case_of_coser_is_among_them(self, her_data: Path) -> None:
        report = SampleReport.model_validate_json((HERE / "report.json").read_bytes())
        cases = json.loads((her_data / make.TESTS).read_text("utf-8"))
        assert report.contamination.cases == len(cases) > 0 and report.contamination.scenes_kept_out == 0


class TestMaking:
    def test_it_mends_what_has_changed_and_nothing_else(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(make, "read_scenes", lambda: iter(BY_WORLD["emma"]))
        first = make.renew(tmp_path)
        assert {"README.md", "page.html", "report.json", "test/test-00000.parquet"} <= {*first}
        assert make.renew(tmp_path, check=True) == []
        (tmp_path / "README.md").write_text("mine", "utf-8")
        shutil.copyfile(tmp_path / "test" / "test-00000.parquet", tmp_path / "test" / "train-00000.parquet")
        changed = ["README.md", str(Path("test", "train-00000.parquet"))]
        assert make.renew(tmp_path, check=True) == changed and (tmp_path / "README.md").read_text("utf-8") == "mine"
        assert make.renew(tmp_path) == changed and make.renew(tmp_path, check=True) == []

    def test_nothing_is_made_of_a_scene_that_a_gate_refuses(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(make, "read_scenes", lambda: iter([ROWS[0].model_copy(update={"setting": "A room."})]))
        monkeypatch.setattr(make, "HERE", tmp_path)
        assert make.main([]) == 1 and "setting length: 2 words" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())
        assert make.main(["--help"]) == 2


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


class TestThePage:
    @pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
    def test_all_of_it_is_seen_on_a_desk_and_on_a_phone(self, browser: Browser, dark: bool) -> None:
        seen = browser.open(HERE / "page.html", 1280, dark=dark)
        shown = "[...document.querySelectorAll('{}')].filter(one => one.checkVisibility()).length"
        for width in (1280, 360):
            seen.resize(width, dark=dark)
            assert seen.overflow() == []
            assert seen.evaluate(shown.format("section.scene")) == len(ROWS)
            assert seen.evaluate(shown.format("article.turn")) == sum(len(row.turns) for row in ROWS)
            assert seen.evaluate(shown.format(".pair .layer.plan")) == len(own(*ROWS))
        assert seen.errors == []

    def test_every_link_of_it_leads_somewhere(self, browser: Browser) -> None:
        seen = browser.open(HERE / "page.html")
        assert seen.evaluate("[...document.links].filter(a => !document.querySelector(a.hash)).length") == 0
        assert seen.evaluate("new Set([...document.links].map(a => a.hash)).size") == len(ROWS) + 2

    def test_it_is_light_and_says_whose_words_these_are(self) -> None:
        text = (HERE / "page.html").read_text("utf-8")
        assert len(text.encode()) < 3_000_000
        assert "the work of a language model" in text and "CC0&nbsp;1.0" in text
