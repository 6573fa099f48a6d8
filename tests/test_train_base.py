"""Bases: unpacked whole or not at all, and known again on another machine; what recipes, samples and cards say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("gguf", reason="needs the train extra")
pytest.importorskip("transformers", reason="needs the train extra")

import tiny_models as tiny
from gguf_file import gguf
from her.errors import InputError, ModelError, StorageError
from her.models.adapter import BASE_KEY
from her.rows.samples import SftRow
from her.train import base as bases
from her.train import lessons as taught
from her.train.base import base_folder, base_of, from_gguf, identity
from her.train.card import card
from her.train.curves import draw
from her.train.export import _about, _name_base
from her.train.layers import layered
from her.train.lessons import read_split
from her.train.load import load
from her.train.measure.weights import load_weights, locate
from her.train.recipe import Data, Recipe, as_toml, load_recipe, seen_from
from her.train.run_folder import TrainFolder
from her.turn import Kind
from texts import ACTION, ACTION_END, PLAN, PLAN_END, THOUGHT, THOUGHT_END

pytestmark = pytest.mark.torch

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GGUF file, and a cache of its own for what it is unpacked to."""
    monkeypatch.setenv("HER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "Base.gguf"
    path.write_bytes(gguf({"general.architecture": "llama", "general.license": "cc0-1.0"}))
    return path


def fill(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(text, encoding="utf-8")


def unpacked(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def place(file: Path) -> Path:
    """Where it is unpacked to."""
    return file.parent / "cache" / f"hf-base-{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


# -- unpacked whole -----------------------------------------------------------------------------------------------


def test_a_base_is_unpacked_once_and_leaves_nothing_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "_write", lambda _, folder: fill(folder, "new"))
    assert from_gguf(file) == place(file)
    assert unpacked(place(file)) == dict.fromkeys(FILES, "new")
    assert list(place(file).parent.iterdir()) == [place(file)]
    monkeypatch.setattr(bases, "_write", lambda *_: pytest.fail("it is there"))
    assert from_gguf(file) == place(file)


@pytest.mark.parametrize("lacking", FILES)
def test_half_a_folder_is_not_taken_for_a_base(file: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """As a kill left it when files came in one by one."""
    fill(place(file), "half")
    (place(file) / lacking).unlink()
    monkeypatch.setattr(bases, "_write", lambda _, folder: fill(folder, "new"))
    from_gguf(file)
    assert unpacked(place(file)) == dict.fromkeys(FILES, "new")
    assert list(place(file).parent.iterdir()) == [place(file)]


def test_a_process_that_was_faster_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: Path, folder: Path) -> None:
        fill(folder, "ours")
        fill(place(file), "theirs")

    monkeypatch.setattr(bases, "_write", write)
    from_gguf(file)
    assert unpacked(place(file)) == dict.fromkeys(FILES, "theirs")


def test_one_that_is_faster_at_the_last_moment_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "_write", lambda _, folder: fill(folder, "ours"))
    looks = iter([False, False, True])
    monkeypatch.setattr(bases, "_whole", lambda _: next(looks))
    rename = Path.rename

    def late(source: Path, target: Path) -> Path:
        if source.name == "new":
            fill(place(file), "theirs")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", late)
    from_gguf(file)
    assert unpacked(place(file)) == dict.fromkeys(FILES, "theirs")


def test_what_dies_while_it_unpacks_leaves_no_base(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: Path, folder: Path) -> None:
        fill(folder, "new")
        raise KeyboardInterrupt

    monkeypatch.setattr(bases, "_write", write)
    with pytest.raises(KeyboardInterrupt):
        from_gguf(file)
    assert not place(file).exists()


def test_a_full_disk_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bases, "_write", write)
    with pytest.raises(StorageError, match=r"No space left on device.*set HER_CACHE"):
        from_gguf(file)


def test_a_file_that_transformers_does_not_read_is_no_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OSError("not a tokenizer")

    monkeypatch.setattr(bases.transformers.AutoTokenizer, "from_pretrained", refuses)
    with pytest.raises(InputError, match=r"Base\.gguf: transformers cannot read this GGUF \(not a tokenizer\)"):
        from_gguf(file)
    with pytest.raises(InputError, match=r"none\.gguf is no file; name a GGUF file"):
        from_gguf(file.with_name("none.gguf"))


# -- known on another machine -------------------------------------------------------------------------------------


def test_what_a_base_is(file: Path, tmp_path: Path) -> None:
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    assert identity(str(file)) == {"model": "Base.gguf", "files": {"Base.gguf": sha}, "licence": "cc0-1.0"}
    assert identity("hf:who/what", "0123abc") == {"model": "hf:who/what", "revision": "0123abc"}
    fill(tmp_path / "folder", "x")
    (tmp_path / "folder" / "README.md").write_text("may change", encoding="utf-8")
    x = hashlib.sha256(b"x").hexdigest()
    files = dict.fromkeys(("config.json", "model.safetensors", "tokenizer.json"), x)
    for address in (str(tmp_path / "folder"), f"hf:{tmp_path / 'folder'}"):
        assert identity(address) == {"model": "folder", "files": files}
        assert base_folder(address) == str(tmp_path / "folder")
    assert base_folder("hf:who/what") == "who/what"
    file.write_bytes(gguf({"general.architecture": "llama"}))
    assert "licence" not in identity(str(file))


def adapter(path: Path, **told: Any) -> Path:
    path.mkdir(parents=True)
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "", "r": 2}), encoding="utf-8")
    if told:
        _name_base(TrainFolder(path), told)
    return path


def test_an_adapter_names_its_base_without_a_path_and_keeps_the_rest(tmp_path: Path) -> None:
    here = adapter(tmp_path / "a", model="hf:who/what", revision="0123abc")
    told = json.loads((here / "adapter_config.json").read_text("utf-8"))
    assert told == {"base_model_name_or_path": "who/what", "revision": "0123abc", "r": 2}
    assert base_of(here) == ("hf:who/what", "0123abc")
    assert locate(str(here)) == ("who/what", "0123abc", here)


def test_the_bundled_base_is_compared_too(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases.weights, "pull", lambda: file)
    assert base_of(adapter(tmp_path / "a", **identity("mini-base"))) == ("mini-base", None)
    with pytest.raises(InputError, match="made for another mini-base"):
        base_of(adapter(tmp_path / "b", model="mini-base", files={file.name: "ab" * 32}))


def test_a_run_finds_its_base_where_its_recipe_had_it(file: Path, tmp_path: Path) -> None:
    run = TrainFolder(tmp_path / "deep" / "run")
    there = adapter(run.path / "adapter", **identity(str(file)))
    run.begin("", {"model": str(file)}, same="")
    assert base_of(there) == (str(file), None)
    file.write_bytes(gguf({"general.architecture": "qwen3"}))
    with pytest.raises(InputError, match=r"made for another Base\.gguf than"):
        locate(str(run.path))


def test_a_base_is_found_beside_its_adapter_and_by_its_hash(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = adapter(tmp_path / "run" / "adapter", **identity(str(file)))
    with pytest.raises(InputError, match=r"made for Base\.gguf, which is not here: put it beside"):
        base_of(there)
    beside = file.rename(tmp_path / "run" / "Base.gguf")
    assert Path(base_of(there)[0]) == beside
    beside.rename(file)
    monkeypatch.chdir(tmp_path)
    assert Path(base_of(there)[0]).resolve() == file
    file.write_bytes(gguf({"general.architecture": "qwen3"}))
    with pytest.raises(InputError, match=r"made for another Base\.gguf than"):
        base_of(there)


def test_an_adapter_of_others_names_a_folder_or_the_hub(tmp_path: Path) -> None:
    here = adapter(tmp_path / "a")
    for told, base in ((str(tmp_path), (str(tmp_path), None)), ("who/what", ("hf:who/what", "0123abc"))):
        config = {"base_model_name_or_path": told, "revision": base[1]}
        (here / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
        assert base_of(here) == base
    (here / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/not/here"}), encoding="utf-8")
    with pytest.raises(InputError, match="made for '/not/here', which is not here"):
        base_of(here)
    (here / "adapter_config.json").unlink()
    with pytest.raises(InputError, match="does not say for which model"):
        base_of(here)
    (here / "base.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="does not say for which model"):
        base_of(here)


def test_a_gguf_adapter_is_licensed_as_its_base(file: Path, tmp_path: Path) -> None:
    base = identity(str(file))
    (sha,) = base["files"].values()
    told = _about(TrainFolder(tmp_path / "mini"), base)
    assert told == {"general.name": "HER mini", "general.license": "cc0-1.0", BASE_KEY: sha}
    assert "general.license" not in _about(TrainFolder(tmp_path), {"model": "x", "files": {"x": sha}})


def test_weights_that_are_torn_are_an_error_whoever_loads_them(tmp_path: Path) -> None:
    folder = tiny.model_folder(tmp_path / "torn")
    (folder / "model.safetensors").write_bytes(b"{")
    with pytest.raises(ModelError, match="torn cannot be loaded"):
        load_weights(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no model at 'gone'"):
        load(str(folder), "gone")


def test_a_base_of_the_hub_is_loaded_in_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def loaded(name: str, *, revision: str, **_: Any) -> str:
        asked.append((name, revision))
        return name

    for auto in ("AutoTokenizer", "AutoModelForCausalLM"):
        monkeypatch.setattr(getattr(bases.transformers, auto), "from_pretrained", loaded)
    load("who/what", "hf:who/what", revision="0123abc")
    load("who/what", "hf:who/what")
    assert asked == [("who/what", "0123abc")] * 2 + [("who/what", "main")] * 2


# -- what a card says ---------------------------------------------------------------------------------------------

FACTS: dict[str, Any] = {
    "model": "mini-base",
    "base": {"model": "mini-base", "files": {"Base.gguf": "ab" * 32}, "licence": "apache-2.0"},
    "recipe": Recipe(model="mini-base", data=Data(folder=Path("samples"))).model_dump(mode="json"),
    "data": {"roleplay-sft/train-00000.parquet": "cd" * 32},
    "template": "0123",
    "versions": {"her": "0.1.0"},
    "budget": {
        **{"turns": 20, "tokens": 9000, "unpacked": 20_000, "supervised": 3000, "steps": 30, "epochs": 2.0, "ranks": 2},
        "tokens_per_second": 50.0,
    },
}
LOOKS = [(0, 4.0), (10, 3.0), (20, 2.5), (30, 2.75)]


def told(path: Path, looks: list[tuple[int, float]] = LOOKS, **facts: Any) -> str:
    folder = TrainFolder(path)
    folder.begin("", {**FACTS, **facts}, same="")
    folder.log([{"step": step, "eval_loss": loss} for step, loss in looks])
    return card(folder)


def test_a_card_says_what_base_at_what_cost_and_what_was_kept(tmp_path: Path) -> None:
    best = told(tmp_path)
    assert "\nlicense: apache-2.0\n" in best and "| licence | apache-2.0, the base's |" in best
    assert f"| base | `Base.gguf`, sha256 `{'ab' * 8}…` |" in best
    assert "| cost | 18,000 tokens; 3 min, at 50 tokens a second (x 2), measured before the run |" in best
    assert "| held-out loss before | 4.000 nats a token |" in best
    assert "| held-out loss of what is kept | 2.500 nats a token, at step 20, the lowest |" in best
    last = told(tmp_path, recipe={**FACTS["recipe"], "keep": "last"})
    assert "| held-out loss of what is kept | 2.750 nats a token, at step 30, the last |" in last


def test_a_card_does_not_say_what_is_not_known(tmp_path: Path) -> None:
    bare = told(tmp_path, [], base="/some/cache")
    assert "licen" not in bare and "/some/cache" not in bare and "held-out" not in bare
    early = told(tmp_path, LOOKS[:2], recipe={**FACTS["recipe"], "keep": "last"})
    assert "of what is kept" not in early
    early = told(tmp_path, LOOKS[:3])
    assert "held-out loss before" in early and "of what is kept" not in early
    worse = told(tmp_path, [(0, 2.0), (10, float("nan")), (20, 3.0), (30, float("nan"))])
    assert "| held-out loss of what is kept | 3.000 nats a token, at step 20, the lowest |" in worse
    hub = told(tmp_path, base={"model": "hf:who/what", "revision": "0123abc"}, model="hf:who/what")
    assert "\nbase_model: who/what\n" in hub and "| base | `hf:who/what`, revision `0123abc` |" in hub


def test_curves_are_drawn_of_what_has_numbers(tmp_path: Path) -> None:
    nan = float("nan")
    draw([{"step": 1, "loss": nan}, {"step": 1, "eval_loss": nan, "eval_bits_speech": 2.0}], tmp_path / "c.png")
    assert [path.name for path in tmp_path.iterdir()] == ["c-layers.png"]


# -- samples and recipes ------------------------------------------------------------------------------------------


def test_two_rows_with_one_id_are_an_error_that_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, *_ = tiny.samples(tiny.talk(4))
    twin = other.model_copy(update={"id": one.id})
    rows: dict[str, list[SftRow]] = {"roleplay-sft": [one], "roleplay-sft-plain": [twin]}
    monkeypatch.setattr(taught, "read_samples", lambda folder, config, *_: iter(rows[config]))
    says = (
        rf"two rows of the split `train` have the id '{one.id}': one in roleplay-sft \(scene {one.scene}, "
        rf"{one.character}, turn {one.number}\), one in roleplay-sft-plain \(scene {other.scene}, {other.character}, "
        rf"turn {other.number}\)"
    )
    with pytest.raises(InputError, match=says):
        read_split(Data(folder=tmp_path, plans="both"), "train")
    assert list(read_split(Data(folder=tmp_path, plans="with"), "train")) == [one.id]


def test_languages_are_told_apart_by_their_first_part_whatever_their_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, *_ = tiny.samples(tiny.talk(4))
    rows = [one.model_copy(update={"language": "EN-gb"}), other.model_copy(update={"language": "zh-Hant"})]
    monkeypatch.setattr(taught, "read_samples", lambda *_: iter(rows))

    def read(*languages: str, **how: bool) -> list[str]:
        return list(read_split(Data(folder=tmp_path, languages=languages), "train", **how))

    assert read("en", " zh") == read() == [one.id, other.id]
    assert read("zh-Hans") == [other.id] and read("En") == [one.id]
    with pytest.raises(InputError, match=r"languages: no row of the split `train` is in de, fr; leave that out"):
        read("en", "fr", "de")
    assert read("en", "fr", lenient=True) == [one.id]


@pytest.mark.parametrize(
    ("field", "says"),
    [("epochs = inf", "epochs: .*finite"), ("epochs = nan", "epochs: "), ("[lora]\ndropout = 1.0", "less than 1")],
)
def test_numbers_with_which_nothing_can_be_learnt_are_refused(tmp_path: Path, field: str, says: str) -> None:
    text = f'model = "mini"\n{field}\n[data]\nfolder = "."\n'
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        load_recipe(tmp_path / "recipe.toml")


def test_a_text_that_stands_in_its_own_tag_is_found_behind_it() -> None:
    pieces = [PLAN, "system", PLAN_END, "Ann: ", THOUGHT, "hi", THOUGHT_END, ACTION, "act", ACTION_END, "No."]
    told = layered("".join(pieces), "Ann", [piece.encode() for piece in pieces])
    owners = {"system": Kind.SYSTEM_THINKING, "hi": Kind.ROLE_THINKING, "act": Kind.ROLE_ACTION, "No.": Kind.SPEECH}
    assert told.read and told.tokens == tuple(owners.get(piece, "marks") for piece in pieces)
    assert {kind: told.characters[kind] for kind in Kind} == {kind: len(text) for text, kind in owners.items()}


def test_a_turn_that_does_not_read_back_says_so() -> None:
    good = layered("Ann: Come in.", "Ann", [b"Ann: Come in."])
    assert good.read and good.characters["speech"] == 8
    odd = layered("Ann:  Come in. ", "Ann", [b"Ann:  Come in. "])
    assert not odd.read and odd.characters["marks"] == 15


@pytest.mark.parametrize("name", ["mini", "plans", "no-plans"])
def test_a_recipe_is_written_as_it_was_told(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(Path(__file__).parent.parent / "recipes" / f"{name}.toml")
    path = tmp_path / "deep" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(as_toml(seen_from(recipe, path.parent)), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert "gradient_checkpointing" not in path.read_text("utf-8"), "defaults are left out"


def test_the_two_arms_differ_in_plans_alone() -> None:
    recipes = Path(__file__).parent.parent / "recipes"
    planned, plain = (load_recipe(recipes / f"{name}.toml") for name in ("plans", "no-plans"))
    without = planned.data.model_copy(update={"plans": "without"})
    assert planned != plain == planned.model_copy(update={"data": without})


def test_a_recipe_with_odd_words_is_written_so_that_it_reads_back(tmp_path: Path) -> None:
    (tmp_path / 'Zoë\'s "data"').mkdir()
    data = Data(folder=tmp_path / 'Zoë\'s "data"', languages=("en", "zh-Hant"))
    recipe = Recipe(model='a\\b\t"c"', data=data, seed=3, gradient_checkpointing=True, epochs=1e-5)
    (tmp_path / "recipe.toml").write_text(as_toml(seen_from(recipe, tmp_path)), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.toml") == recipe
