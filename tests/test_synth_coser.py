"""What others have extracted, as rows: nothing lost, nothing misread, and passages put into the library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from books import prose
from her.errors import InputError, MissingExtra, StorageError
from her.markup import render
from her.rows.record import SceneRow
from her.synth.reading import hub
from her.synth.reading.coser import Importer
from her.synth.reading.library import Library
from her.turn import ENVIRONMENT, Kind, Segment, Turn

THOUGHT, ACTION, SPEECH, PLAN = Kind.ROLE_THINKING, Kind.ROLE_ACTION, Kind.SPEECH, Kind.SYSTEM_THINKING


def lines(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"character": name, "message": message} for name, message in said]


TALK = lines(
    ("Environment", "Rain."),
    ("Bo", "[Not hungry.] (sits) No, I will not have it."),
    ("Bo", "Never!"),
    ("Ada", "Eat."),
)


def case(**fields: Any) -> dict[str, Any]:
    return {
        "book": "The Old House",
        "topic": "The plate",
        "scenario": "A kitchen.",
        "key_characters": [{"name": "Ada", "thought": "I want him to eat."}],
        "character_profiles": {"Ada": "A cook."},
        "dialogues": TALK,
        "plot": {"i_p": 7, "chapter": "Chapter 3", "key_characters": [{"name": "Bo", "description": "A guest."}]},
        "i_p": 1,
        "i_c": 2,
        **fields,
    }


def tagged(*segments: tuple[Kind, str]) -> str:
    return render(Turn("", tuple(Segment(kind, text) for kind, text in segments)))


def row(**fields: Any) -> dict[str, Any]:
    """A row of HER's dataset."""
    return {
        "text": "\n\n".join(["Rain fell.", "“No, I will not have it,” said Bo.", *prose(6)]),
        "summary": "He eats in the end.",
        "chapter": "Chapter 3",
        "i_p": 70,
        "book_name": "The_Old_House",
        "plot_index": 5,
        "conv_index": 0,
        "trace_id_book_chapter": "The_Old_House_Chapter 3_5_0",
        "key_characters": [{"name": "Bo", "description": "A guest.", "experience": "He eats."}],
        "character_datasets": {
            "Ada": {
                "character_profile": "A cook.",
                "character_profile_enriched": "A cook of fame.",
                "background": "He eats.",
            },
            "Bo": {"motivation": "To be left alone.", "motivation_enriched": "To be left alone with his grief."},
        },
        "conversation": [
            {
                "scenario": "A kitchen.",
                "scenario_enriched": "A cold kitchen.",
                "topic": "The plate",
                "key_characters": [{"name": "Bo", "motivation": "To be left alone."}],
                "i_c": 3,
                "dialogues": [
                    {
                        "character": "Bo",
                        "message": "[Not hungry.] No, I will not have it.",
                        "origin_id": [0, 1],
                        "standard_format": tagged((THOUGHT, "Not hungry."), (SPEECH, "No, I will not have it.")),
                        "enhanced_standard_format": tagged(
                            (ACTION, "sits"), (THOUGHT, "I am not hungry."), (SPEECH, "No, I will not have it.")
                        ),
                        "sys_thinking": "I need to play Bo as sullen.",
                    },
                    {"character": "Ada", "message": "Eat.", "origin_id": [2], "standard_format": "Eat."},
                ],
            }
        ],
        **fields,
    }


def written(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def rows_of(importer: Importer, data: Any, name: str = "file.json", stem: str = "A_Book") -> list[SceneRow]:
    return list(importer.document(data, name, stem))


def balanced(importer: Importer) -> bool:
    return importer.turns_in == importer.turns_out + importer.turns_refused and importer.cases == importer.rows + len(
        importer.refused
    )


class TestCases:
    def test_a_case_becomes_a_row(self) -> None:
        importer = Importer()
        (got,) = rows_of(importer, [case()])
        assert (got.id, got.title, got.setting, got.language) == ("the-old-house/7/2", "The plate", "A kitchen.", "en")
        source = got.source
        assert (source.book, source.slug, source.chapter) == ("The Old House", "the-old-house", "Chapter 3")
        assert (source.plot, source.conversation, source.start, source.end) == (7, 2, None, None)
        assert [(c.name, c.profile, c.motivation) for c in got.cast] == [
            ("Bo", "A guest.", ""),
            ("Ada", "A cook.", "I want him to eat."),
        ]
        assert balanced(importer)

    def test_every_line_is_a_turn_with_its_layers(self) -> None:
        (got,) = rows_of(Importer(), [case()])
        assert [turn.id for turn in got.turns] == ["t01", "t02", "t03", "t04"]
        assert [turn.speaker for turn in got.turns] == [ENVIRONMENT, "Bo", "Bo", "Ada"], "twice Bo stays two turns"
        assert [(piece.kind, piece.text) for piece in got.turns[1].segments] == [
            (THOUGHT, "Not hungry."),
            (ACTION, "sits"),
            (SPEECH, "No, I will not have it."),
        ]
        assert got.original == ()
        assert got.dialogue.seen_by("Ada")[1].segments[0].kind is ACTION

    def test_a38_nested_brackets_nest_tags(self) -> None:
        said = lines(
            ("Bo", "[I see [as ever] her (poor thing).] Hello."),
            ("Ada", "[[Why him?]] (turns (slowly) away) No."),
            ("Bo", "Words (an aside, that (is) one) and more."),
        )
        (got,) = rows_of(Importer(), [case(dialogues=said)])
        assert [[(p.kind, p.text) for p in turn.segments] for turn in got.turns] == [
            [(THOUGHT, "I see [as ever] her (poor thing)."), (SPEECH, "Hello.")],
            [(THOUGHT, "[Why him?]"), (ACTION, "turns (slowly) away"), (SPEECH, "No.")],
            [(SPEECH, "Words"), (ACTION, "an aside, that (is) one"), (SPEECH, "and more.")],
        ]
        for turn in got.turns:
            kinds = [piece.kind for piece in turn.segments]
            assert all(one is not other for one, other in pairwise(kinds))

    def test_an_unclosed_thought_stays_private_and_is_counted(self) -> None:
        importer = Importer()
        (got,) = rows_of(importer, [case(dialogues=lines(("Bo", "[He must not know"), ("Ada", "What?")))])
        assert [piece.kind for piece in got.turns[0].segments] == [THOUGHT]
        assert importer.faults == {"unclosed": 1}

    def test_nothing_said_is_taken_for_somebody_elses(self) -> None:
        message = "I wrote to her.\nAda: come at once.\nThat was all."
        (got,) = rows_of(Importer(), [case(dialogues=lines(("Bo", message), ("Ada", "Oh.")))])
        assert got.turns[0].turn.text_of(SPEECH) == message

    def test_a40_a_case_that_cannot_be_read_is_lost_without_a_word(self) -> None:
        importer = Importer()
        bad = [
            case(),
            case(scenario=""),
            case(dialogues=[{"character": "Bo"}]),
            case(dialogues=lines(("Environment", "Rain."))),
            case(dialogues=[]),
            "Dear diary",
            case(i_c=9),
        ]
        got = rows_of(importer, bad)
        assert [one.id for one in got] == ["the-old-house/7/2", "the-old-house/7/9"]
        assert [(refusal.where, refusal.reason) for refusal in importer.refused] == [
            ("file.json: case 1", "schema"),
            ("file.json: case 2", "schema"),
            ("file.json: case 3", "empty"),
            ("file.json: case 4", "empty"),
            ("file.json: case 5", "schema"),
        ]
        assert "scenario: must not be empty" in importer.refused[0].detail
        assert (importer.cases, importer.rows, importer.turns_in, importer.turns_out) == (7, 2, 14, 8)
        assert balanced(importer)

    def test_the_same_case_twice_is_one_row_and_another_gets_an_id_of_its_own(self) -> None:
        importer = Importer()
        got = [*rows_of(importer, [case(), case()]), *rows_of(importer, [case(scenario="Elsewhere.")], "other.json")]
        assert [one.id for one in got] == ["the-old-house/7/2", "the-old-house/7/2-again"]
        assert [refusal.reason for refusal in importer.refused] == ["duplicate"]
        assert balanced(importer)

    def test_held_out_plots_are_read(self) -> None:
        talk = {key: case()[key] for key in ("scenario", "topic", "dialogues")}
        book = {"character_profiles": {"Ada": "A cook."}, "plots": [{"i_p": 5, "conversation": [talk | {"i_c": 1}]}]}
        importer = Importer()
        got = rows_of(importer, {"id": {"One Book": book}, "ood": {"Another": book}})
        assert [one.id for one in got] == ["one-book/5/1", "another/5/1"]
        assert balanced(importer)

    @pytest.mark.parametrize(
        ("said", "language"), [("— Où est-il ? Je ne le vois pas, et toi ?", "fr"), ("你为什么不吃呢？", "zh")]
    )
    def test_each_conversation_tells_its_language(self, said: str, language: str) -> None:
        talk = case(scenario=said, dialogues=lines(("Bo", said)))
        assert rows_of(Importer(), [talk])[0].language == language
        assert rows_of(Importer(language="ru"), [talk])[0].language == "ru"


class TestText:
    def book(self) -> dict[str, Any]:
        talk = {key: case()[key] for key in ("scenario", "topic", "dialogues")}
        first = "Chapter One\n\n" + "\n\n".join(prose(4))
        second = "\n\n".join(["Rain fell.", "“No, I will not have it,” said Bo.", *prose(4, 1)])
        return {
            "plots": [
                {"text": second, "chapter": "II", "i_p": 9, "conversation": [talk]},
                {"text": first, "chapter": "I", "i_p": 4, "conversation": [talk | {"topic": "Another"}]},
                {"text": " ", "i_p": 11, "conversation": [talk | {"topic": "No text"}]},
            ]
        }

    def test_plots_become_a_book_of_the_library_in_their_order(self, tmp_path: Path) -> None:
        library = Library(tmp_path)
        got = rows_of(Importer(library), self.book(), stem="The_Old_House")
        book = library.book("the-old-house")
        assert (book.title, [c.title for c in book.chapters]) == ("The Old House", ["I", "II"])
        assert got[0].source.sha == book.sha
        start, end = got[0].source.start, got[0].source.end
        assert book.text[start:end].startswith("“No, I will not have it,” said Bo."), "the paragraph of the first line"
        assert end == len(book.text)
        assert (got[1].source.start, got[1].source.end) == (0, book.chapters[0].end), "a line that is not found"
        assert got[2].source.start is None

    def test_without_a_library_no_text_is_kept(self) -> None:
        assert all(one.source.start is None for one in rows_of(Importer(), self.book()))

    def test_a44_two_books_of_one_title_are_both_kept(self, tmp_path: Path) -> None:
        library, importer = Library(tmp_path), Importer(Library(tmp_path))
        other = self.book()
        other["plots"][0] |= {"text": "Another edition.", "conversation": [case(scenario="Another.", book="")]}
        slugs = {
            one.source.slug for data in (self.book(), other) for one in rows_of(importer, data, stem="The_Old_House")
        }
        assert len(slugs) == 2
        assert {library.book(slug).title for slug in slugs} == {"The Old House"}


class TestReleasedRows:
    def read(self, tmp_path: Path, *rows: Any, library: Library | None = None) -> tuple[Importer, list[SceneRow]]:
        path = tmp_path / "full_info.jsonl"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows), encoding="utf-8")
        importer = Importer(library)
        return importer, list(importer.file(path))

    def test_minds_and_plans_come_along(self, tmp_path: Path) -> None:
        importer, (got,) = self.read(tmp_path, row())
        assert [(p.kind, p.text) for p in got.turns[0].segments] == [
            (PLAN, "I need to play Bo as sullen."),
            (ACTION, "sits"),
            (THOUGHT, "I am not hungry."),
            (SPEECH, "No, I will not have it."),
        ]
        assert [p.kind for p in got.original[0].segments] == [THOUGHT, SPEECH], "the turn before it was rewritten"
        assert got.original[1] == got.turns[1]
        assert balanced(importer)

    def test_completed_settings_are_taken_and_outcomes_are_not(self, tmp_path: Path) -> None:
        _, (got,) = self.read(tmp_path, row())
        assert got.setting == "A cold kitchen."
        assert got.scene.character("Ada").profile == "A cook of fame."
        assert got.scene.character("Bo").motivation == "To be left alone with his grief."
        assert got.scene.character("Bo").profile == "A guest."
        assert "eats" not in got.model_dump_json()

    def test_a42_list_indices_are_taken_for_the_numbers_of_plots(self, tmp_path: Path) -> None:
        _, (got,) = self.read(tmp_path, row())
        assert (got.id, got.source.plot, got.source.conversation) == ("the-old-house/70/3", 70, 3)
        bare = row(i_p=None)
        del bare["conversation"][0]["i_c"]
        _, (got,) = self.read(tmp_path, bare)
        assert (got.source.plot, got.source.conversation) == (5, 0), "the only numbers that such a row has"

    def test_the_tagged_form_serves_where_the_line_is_missing(self, tmp_path: Path) -> None:
        clean = row()
        for line in clean["conversation"][0]["dialogues"]:
            del line["message"]
        _, (got,) = self.read(tmp_path, clean)
        assert [p.text for p in got.original[0].segments] == ["Not hungry.", "No, I will not have it."]
        assert got.turns[1].turn.text_of(SPEECH) == "Eat."

    def test_text_goes_to_the_library_book_by_book(self, tmp_path: Path) -> None:
        library = Library(tmp_path / "books")
        later = row(i_p=71, text="Later text.")
        other = row(book_name="Another_Book", i_p=1)
        _, got = self.read(tmp_path, row(), later, other, library=library)
        assert library.slugs() == ("another-book", "the-old-house")
        assert [one.source.slug for one in got] == ["the-old-house", "the-old-house", "another-book"]
        book = library.book("the-old-house")
        assert book.text.endswith("Later text.")
        start = got[0].source.start
        assert start is not None
        assert book.text[start:].startswith("“No, I will not have it")

    def test_bad_lines_are_named_and_the_others_go_on(self, tmp_path: Path) -> None:
        broken = row()
        broken["conversation"][0]["dialogues"][1]["character"] = ""
        importer, got = self.read(tmp_path, row(), "{", "3", "", broken, row(i_p=8))
        assert [one.source.plot for one in got] == [70, 8]
        assert [refusal.where.partition(": ")[2] for refusal in importer.refused] == [
            "line 2",
            "line 3",
            "line 5: conversation[0]",
        ]
        assert importer.turns_refused == 2
        assert balanced(importer)

    def test_training_samples_are_refused_with_what_to_take(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"line 1: is a training sample.*full_info"):
            self.read(tmp_path, {"trace_id": "x", "messages": []})

    def test_one_row_as_json_is_read_too(self, tmp_path: Path) -> None:
        assert len(list(Importer().file(written(tmp_path / "one.json", row())))) == 1
        (tmp_path / "two.json").write_text(f"{json.dumps(row())}\n{json.dumps(row(i_p=2))}\n", encoding="utf-8")
        assert len(list(Importer().file(tmp_path / "two.json"))) == 2, "lines under another name"


class TestFiles:
    @pytest.mark.parametrize("name", ["nowhere.json", "nowhere.jsonl", "."])
    def test_what_cannot_be_read_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises((InputError, StorageError), match=r"cannot be read|no such file"):
            list(Importer().file(tmp_path / name))

    def test_another_shape_is_refused_with_its_name(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"scene\.json: not CoSER's"):
            list(Importer().file(written(tmp_path / "scene.json", {"id": "kitchen", "cast": []})))

    @pytest.mark.parametrize(
        ("name", "rows", "turns"),
        [("final_King_Lear_notext", 12, 123), ("final_Othello_notext", 12, 115), ("test_set_pd_english", 27, 337)],
    )
    def test_real_files_lose_no_line_and_no_word(self, her_data: Path, name: str, rows: int, turns: int) -> None:
        path = her_data / "coser" / f"{name}.json"
        importer = Importer()
        got = list(importer.file(path, title="King Lear" if "Lear" in name else None))
        assert (importer.rows, importer.turns_in, importer.turns_out) == (rows, turns, turns)
        assert importer.refused == []
        data = json.loads(path.read_text(encoding="utf-8"))
        talks = data if isinstance(data, list) else [talk for plot in data["plots"] for talk in plot["conversation"]]
        for row, talk in zip(got, talks, strict=True):
            assert [turn.speaker for turn in row.turns] == [line["character"] for line in talk["dialogues"]]
            for turn, line in zip(row.turns, talk["dialogues"], strict=True):
                kept = "".join(piece.text for piece in turn.segments)
                assert [c for c in kept if c.isalnum()] == [c for c in line["message"] if c.isalnum()]
        assert all(row.source.plot is not None and row.source.conversation is not None for row in got)
        if "Lear" in name:
            assert got[0].id == "king-lear/0/0"


class FakeHub:
    """Stands in for `datasets`: files under a folder, and what was asked for."""

    def __init__(self, folder: Path, fails: Exception | None = None) -> None:
        self.folder, self.fails = folder, fails
        self.asked: list[str] = []

    def load_dataset_builder(self, path: str, name: str | None = None, data_files: str = "") -> Any:
        self.asked.append(data_files or f"{path}:{name}")
        if self.fails:
            raise self.fails
        pattern = data_files.partition("//")[2] or f"{path}/{name}/*"
        files = [str(file) for file in self.folder.glob(pattern)]
        return SimpleNamespace(config=SimpleNamespace(data_files={"train": files}))

    def load_dataset(self, path: str, **options: Any) -> Iterator[dict[str, str]]:
        assert (path, options["streaming"], options["split"]) == ("text", True, "train")
        text = Path(options["data_files"][0]).read_text(encoding="utf-8")
        yield from ({"text": part} for part in (text.splitlines() if options["sample_by"] == "line" else [text]))

    def get_dataset_config_names(self, repository: str) -> list[str]:
        return ["a", "b"] if repository.endswith("two") else ["only"]


class TestHub:
    def test_books_are_read_one_by_one_and_a_bad_one_loses_no_other(self, tmp_path: Path) -> None:
        full = tmp_path / "datasets" / "Neph0s" / "CoSER" / "full"
        talk = {key: case()[key] for key in ("scenario", "dialogues")}
        for title in ("A Book", "Beyond (Saga, #1)"):
            written(full / f"{title}.json", {"plots": [{"conversation": [talk]}]})
        (full / "Bad.json").write_text("{", encoding="utf-8")
        importer, fake = Importer(), FakeHub(tmp_path)
        got = list(hub.fetch("Neph0s/CoSER", importer, library=fake))
        assert [one.id for one in got] == ["a-book/0/0", "beyond-saga-1/0/0"]
        assert [refusal.where for refusal in importer.refused] == ["Neph0s/CoSER/Bad.json: the file"]
        assert fake.asked == ["hf://datasets/Neph0s/CoSER/full/*.json"]

    def test_hers_rows_are_streamed_line_by_line(self, tmp_path: Path) -> None:
        file = tmp_path / "datasets/ChengyuDu0123/HER-Dataset/data/HER_dataset_clean.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(row()) + "\n" + json.dumps(row(i_p=2)) + "\n", encoding="utf-8")
        importer = Importer()
        got = list(hub.fetch("ChengyuDu0123/HER-Dataset:clean", importer, library=FakeHub(tmp_path)))
        assert [one.source.plot for one in got] == [70, 2]
        assert balanced(importer)

    def test_other_sets_are_found_by_their_card(self, tmp_path: Path) -> None:
        written(tmp_path / "me/mine/only/set.json", [case()])
        assert len(list(hub.fetch("me/mine", Importer(), library=FakeHub(tmp_path)))) == 1
        with pytest.raises(InputError, match="me/two: choose one of its configs, a, b"):
            list(hub.fetch("me/two", Importer(), library=FakeHub(tmp_path)))

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("CoSER", "is no dataset"),
            ("a/b/c", "is no dataset"),
            ("Neph0s/CoSER:train", "there are: full, test"),
            ("ChengyuDu0123/HER-Dataset:sft_multi_turn", "there are: full_info, clean"),
        ],
    )
    def test_names_and_configs_that_are_not_known(self, tmp_path: Path, name: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            list(hub.fetch(name, Importer(), library=FakeHub(tmp_path)))

    @pytest.mark.parametrize(
        "fault", [ConnectionError("no route"), FileNotFoundError("gone"), RuntimeError("client closed")]
    )
    def test_without_a_network_the_way_out_is_said(self, tmp_path: Path, fault: Exception) -> None:
        with pytest.raises(StorageError, match=r"Neph0s/CoSER: cannot be fetched .*--coser"):
            list(hub.fetch("Neph0s/CoSER", Importer(), library=FakeHub(tmp_path, fault)))

    def test_without_datasets_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> Any:
            raise ImportError(name)

        monkeypatch.setattr(hub, "import_module", missing)
        with pytest.raises(MissingExtra, match="synth"):
            list(hub.fetch("Neph0s/CoSER", Importer()))

    def test_the_real_library_streams_the_same(self, tmp_path: Path, her_data: Path) -> None:
        pytest.importorskip("datasets")
        folder = tmp_path / "Neph0s/CoSER/test"
        folder.mkdir(parents=True)
        shutil.copy(her_data / "coser" / "test_set_pd_english.json", folder / "test_set.json")
        importer = Importer()
        got = list(hub.fetch("Neph0s/CoSER:test", importer, base=str(tmp_path)))
        assert (len(got), importer.turns_out) == (27, 337)
