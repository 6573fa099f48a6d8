"""The list of principles: what ours holds, what any file must hold, and what is said where one does not."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from her.checks.language import wrong_language
from her.checks.units import units
from her.errors import InputError, StorageError
from her.judge.induce.asking import MOST_WORDS, num_words
from her.judge.induce.clusters import likeness
from her.judge.principles import (
    DIMENSIONS,
    LANGUAGES,
    OWN,
    Entry,
    Principle,
    Wording,
    faults,
    fingerprint,
    in_full,
    listed,
    load,
    of,
    select,
    written,
)
from her.markup import notation, parse
from her.turn import Ending

OURS = load()
POINTED_AT = [
    "plan-leak",
    "mind-reading",
    "wrong-person",
    "assistant-voice",
    "speaks-for-others",
    "repetition",
    "contradicts-scene",
    "anachronism",
    "borrowed-diction",
    "ignores-what-was-said",
    "outside-knowledge",
    "empty-eloquence",
    "broken-marks",
    "padding",
]
"""What breakers break."""
NAMED = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted((one.id for one in OURS), key=len, reverse=True))})(?![\w-])")
THOUGHT, ACTION = notation()["thought_open"], notation()["action_open"]


def turn_of(example: str) -> str:
    return re.sub(r"^\s*(?:\[[^\]]*\]|【[^】]*】)\s*", "", example)


def context_of(example: str) -> str:
    return example.removesuffix(turn_of(example))


# -- our own list -----------------------------------------------------------------------------------------------------


def test_there_are_more_than_fifty_principles_in_all_twelve_dimensions() -> None:
    sizes = Counter(one.dimension for one in OURS)
    assert len(OURS) >= 51
    assert list(sizes) == list(DIMENSIONS), "the file has the order of the dimensions"
    assert min(sizes.values()) >= 4


def test_every_principle_that_breakers_point_at_is_there_and_a_veto() -> None:
    assert all(of(id).negative for id in POINTED_AT)


def test_all_kinds_are_there() -> None:
    kinds = Counter((one.level, one.negative) for one in OURS)
    assert min(kinds[level, negative] for level in ("sentence", "session") for negative in (True, False)) >= 5
    assert sum(one.negative for one in OURS) < len(OURS) / 3, "few things are plainly a breach"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_principles_say_the_same_in_like_words(language: str) -> None:
    words = [(one.name(language), one.definition(language)) for one in OURS]
    alike = max(likeness(left, right, language) for left, right in itertools.combinations(words, 2))
    assert alike < 0.35


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_examples_are_of_the_same_moment(language: str) -> None:
    moments = Counter(one.kept(language) for one in OURS) + Counter(one.broken(language) for one in OURS)
    assert moments.most_common(1)[0][1] == 1


@pytest.mark.parametrize("one", OURS, ids=lambda one: one.id)
class TestEach:
    def test_its_texts_are_in_their_languages(self, one: Principle) -> None:
        for code in LANGUAGES:
            # A name of a few words may look like any language.
            for text in (one.definition(code), one.recognise(code), one.kept(code), one.broken(code)):
                assert not wrong_language(NAMED.sub("", text), code), text

    def test_it_is_short(self, one: Principle) -> None:
        for code in LANGUAGES:
            assert num_words(one.name(code)) <= 9
            assert num_words(one.definition(code)) <= MOST_WORDS
            assert num_words(one.recognise(code)) <= 110
            assert num_words(one.broken(code)) <= 75

    def test_both_languages_name_the_same_neighbours_and_each_of_them_exists(self, one: Principle) -> None:
        english, chinese = (set(NAMED.findall(one.recognise(code))) for code in LANGUAGES)
        # An id of one word may stand in a sentence as a word.
        assert {id for id in english if "-" in id} == {id for id in chinese if "-" in id}
        assert one.id not in chinese
        hyphened = set(re.findall(r"(?<![\w-])[a-z]+(?:-[a-z]+)+(?![\w-])", one.recognise("zh")))
        assert hyphened <= {other.id for other in OURS}

    def test_its_examples_are_two_ends_of_one_moment(self, one: Principle) -> None:
        for code in LANGUAGES:
            kept, broken = one.kept(code), one.broken(code)
            assert context_of(kept) == context_of(broken)
            assert context_of(kept) or set(units(kept)) & set(units(broken))

    def test_only_broken_marks_has_an_example_with_damaged_marks(self, one: Principle) -> None:
        for code in LANGUAGES:
            parsed = parse(turn_of(one.broken(code)))
            damaged = bool(parsed.faults) or parsed.ending is not Ending.COMPLETE
            assert damaged is ((one.id, code) == ("broken-marks", "en"))

    def test_its_examples_write_actions_one_way(self, one: Principle) -> None:
        for code in LANGUAGES:
            for example in (one.kept(code), one.broken(code)):
                for deed in re.findall(rf"{ACTION}(.*?)</", example):
                    assert not deed[:1].isupper() or one.id == "wrong-person", deed
                    assert not re.search(r"[^.][.。]$", deed), deed


def test_what_is_longer_is_not_better() -> None:
    longer = Counter(
        (len(one.kept(code)) > len(one.broken(code))) - (len(one.kept(code)) < len(one.broken(code)))
        for one in OURS
        for code in LANGUAGES
    )
    assert longer[1] < longer[-1], "a judge must not learn from the examples that length is merit"
    assert longer[1] > 0.2 * longer.total(), "nor that shortness is"


# -- the interface ----------------------------------------------------------------------------------------------------


def test_texts_come_by_language() -> None:
    one = of("mind-reading")
    assert (one.name(), one.name("en-GB"), one.name("fr"), one.name("zh"), one.name("zh-TW")) == (
        *("Mind-reading",) * 3,
        *("读心",) * 2,
    )
    assert one.level == "sentence" and one.negative and one.dimension == "character"


def test_a_list_for_a_prompt_has_a_line_a_principle_without_marks() -> None:
    text = listed(OURS)
    assert len(text.splitlines()) == len(OURS)
    assert not any(mark in text + listed(OURS, "zh") for mark in notation().values())
    assert text.splitlines()[0].startswith("- mind-reading [negative, this turn] Mind-reading: The turn must not state")
    assert listed(OURS, "zh").splitlines()[0].startswith("- mind-reading [否决，只看本轮] 读心：别人没有说出口")
    assert listed([of("padding")], definitions=False) == "- padding [negative, this turn] Padding"


def test_a_principle_in_full_shows_everything() -> None:
    one = of("padding")
    text = in_full(one)
    assert all(part in text for part in (one.id, one.definition(), one.recognise(), one.kept(), one.broken()))


def test_principles_are_chosen_by_dimension_level_polarity_and_id() -> None:
    chosen = select(OURS, dimensions=["dialogue"], level="session", negative=True)
    assert {one.id for one in chosen} == {"repetition", "ignores-what-was-said"}
    assert select(OURS) == OURS
    assert [one.id for one in select(OURS, ids=["padding", "economy"])] == ["padding", "economy"]
    assert select(OURS, negative=False, ids=["padding"]) == ()


def test_a_name_that_is_none_is_an_error_with_a_hint() -> None:
    with pytest.raises(InputError, match="no principle is called 'mind-readin'; did you mean 'mind-reading'"):
        of("mind-readin")
    with pytest.raises(InputError, match="no dimension is called 'dialog'; did you mean 'dialogue'"):
        select(OURS, dimensions=["dialog"])


def test_a_fingerprint_changes_with_every_word_and_with_the_order() -> None:
    assert fingerprint(OURS) == fingerprint(load(OWN))
    entry = OURS[0].entry
    other = entry.model_copy(update={"zh": entry.zh.model_copy(update={"kept": "我不知道。"})}).principle
    assert len({fingerprint(OURS), fingerprint((other, *OURS[1:])), fingerprint(OURS[::-1]), fingerprint(())}) == 4


# -- files ------------------------------------------------------------------------------------------------------------


def entry(id: str = "stays-dry", **changes: Any) -> dict[str, Any]:
    words = {
        "name": f"Stays dry, {id}",
        "definition": "The turn must stay dry.",
        "recognise": "Look for water.",
        "kept": f"[It rains.] {ACTION}opens an umbrella{notation()['action_close']} Come in.",
        "broken": "[It rains.] Come out.",
    }
    made = {
        "id": id,
        "dimension": "action",
        "level": "sentence",
        "polarity": "negative",
        "en": words,
        "zh": dict(words),
    }
    for key, value in changes.items():
        place, _, field = key.rpartition("_")
        if place:
            made[place] = {**made[place], field: value}
        else:
            made[key] = value
    return made


def file_of(folder: Path, *entries: dict[str, Any]) -> Path:
    """A file of tables as they come, sound or not; JSON's strings and lists are TOML's too."""

    def table(head: str, fields: dict[str, Any]) -> str:
        lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if not isinstance(value, dict)]
        inner = [table(f"[principle.{key}]", value) for key, value in fields.items() if isinstance(value, dict)]
        return "\n".join([head, *lines, *inner])

    path = folder / "list.toml"
    path.write_text("\n".join(table("[[principle]]", one) for one in entries), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "again.toml"
    lineage = {"teacher": "a\x7f\"\\'", "counts": {"raw": 3, "share": 0.5}, "of": {"two words": {"é": ["x", "y"]}}}
    path.write_text(written(OURS, lineage), encoding="utf-8")
    assert load(path) == OURS


line = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip() and len(text.splitlines()) == 1
)


@settings(max_examples=50)
@given(name=line, definition=line, key=line, value=line)
def test_any_words_survive_being_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, definition: str, key: str, value: str
) -> None:
    words = Wording(name=name, definition=definition, recognise="r", kept="Come in.", broken="Come out.")
    one = Principle("stays-dry", "action", "session", False, words, words)
    path = tmp_path_factory.mktemp("list") / "list.toml"
    path.write_text(written([one], {key: {key: value}, "n": [value]}), encoding="utf-8", newline="")
    assert load(path) == (one,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "Stays Dry"}, "id: 'Stays Dry' is no id"),
        ({"dimension": "weather"}, "dimension: Input should be 'character'"),
        ({"level": "book"}, "level: Input should be 'sentence'"),
        ({"polarity": "bad"}, "polarity: Input should be 'negative'"),
        ({"zh_name": " "}, "zh.name: must not be empty"),
        ({"en_definition": "one\ntwo"}, "en.definition: must stand on one line"),
        ({"en_broken": entry()["en"]["kept"]}, "en.broken: is the kept example again"),
        ({"en_kept": f"{THOUGHT}I am wet."}, "en.kept: is no sound turn (unclosed)"),
        ({"zh_kept": "[It rains.]"}, "zh.kept: is no sound turn (empty)"),
        ({"zh_broken": "【下雨了。】"}, "zh.broken: holds no turn"),
    ],
)
def test_a_fault_is_told_with_file_principle_and_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = file_of(tmp_path, entry("first"), entry(**changes))
    with pytest.raises(InputError) as caught:
        load(path)
    id = changes.get("id", "stays-dry")
    assert str(caught.value).startswith(f"{path}: principle {id}, {said}")


@pytest.mark.parametrize("missing", ["id", "dimension", "level", "polarity", "en", "zh"])
def test_a_missing_field_is_told(tmp_path: Path, missing: str) -> None:
    path = file_of(tmp_path, {key: value for key, value in entry().items() if key != missing})
    who = "number 1" if missing == "id" else "stays-dry"
    with pytest.raises(InputError, match=f"principle {who}, {missing}: is missing; add it"):
        load(path)


def test_an_unknown_field_is_told(tmp_path: Path) -> None:
    path = file_of(tmp_path, entry())
    path.write_text(path.read_text(encoding="utf-8") + '\nweight = "3"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"stays-dry, zh\.weight: is not a field of a principle; take it out"):
        load(path)


def test_two_principles_with_one_id_or_one_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"id: 'stays-dry' stands 2 times"):
        load(file_of(tmp_path, entry(), entry()))
    with pytest.raises(InputError, match=r"en\.name: 'same' stands 2 times"):
        load(file_of(tmp_path, entry("one", en_name="Same"), entry("two", en_name="same")))


def test_many_faults_are_told_a_few_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(and 3 more\)"):
        load(file_of(tmp_path, *(entry(f"p{n}", en_name="") for n in range(8))))


def test_files_that_hold_no_list_are_told(tmp_path: Path) -> None:
    path = tmp_path / "odd ü.toml"
    with pytest.raises(StorageError, match=r"odd ü\.toml cannot be read"):
        load(path)
    for text, said in [
        (b"", "principle: is missing"),
        (b"principle = []", "principle: "),
        (b"[[principle]", "is not TOML"),
        (b"[[principles]]\nid = 'x'", "principles: is not a field"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
    ]:
        path.write_bytes(text)
        with pytest.raises(InputError, match=said) as caught:
            load(path)
        assert str(path) in str(caught.value)


def test_a_file_of_many_kilobytes_in_other_scripts_is_read(tmp_path: Path) -> None:
    words = {"definition": "كن " * 30_000, "name": "قاعدة", "recognise": "Où ?", "kept": "Où ?", "broken": "Là."}
    one = {**entry(), "en": words}
    assert load(file_of(tmp_path, one))[0].definition() == words["definition"].strip()


def test_a_bad_entry_has_every_fault_named() -> None:
    bad = Entry.model_validate(entry(en_kept="", zh_broken="[x]") | {"en": {**entry()["en"], "kept": THOUGHT}})
    assert [fault.partition(":")[0] for fault in faults(bad)] == ["en.kept", "zh.broken"]
