"""The stage `scenes`: passages, exact words, gates, repair, names over a book, a whole novel, estimates."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from her.checks.units import units
from her.models.base import Message, Model
from her.models.recorded import Scripted
from her.prompts import prompt
from her.rows.files import read_rows
from her.rows.record import Piece, SceneRow, Source, TurnRow
from her.rows.report import Price, Report
from her.rows.run import Target, run
from her.scene import Character
from her.script import Script
from her.synth.estimate import estimate, num_tokens
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.synth.reading.novel import read_book
from her.synth.reading.quotes import quotes
from her.synth.reasons import Reason
from her.synth.stage import StageOptions
from her.synth.staging.attribution import NOBODY, Attribution, Form, Why
from her.synth.staging.casting import casting, spelling
from her.synth.staging.deeds import Told, tidy, told
from her.synth.staging.hints import likely_names, named_beside
from her.synth.staging.passages import Passage, is_break, passages
from her.synth.staging.scenes import BEFORE_CHARS, Scenes, before, numbered, unify_names
from her.synth.staging.spoken import speech
from her.synth.staging.staged import Bars, Page, Staged, staged
from her.synth.staging.turning import Event, turns
from her.turn import ENVIRONMENT, Kind
from scene_teacher import attribution, scene_teacher, two_speakers
from test_prompts import check, written

BARS = Bars(min_turns=4, most_unattributed=0.25)
RAIN = """The rain had not stopped since noon, and the inn was empty.

"You are late," said Nora, without looking up from the ledger.

"The bridge is out." Tom hung his coat on the nail. "I came round by the mill."

"In this?"

"There was no other way," he replied; "and the horse knew it."

"He is lying," she thought. The lamp went out. She bent down to the boy beside her. "Fetch the oil," she whispered.

"At once," said the boy, and ran.

Tom laughed. They had read "The Miller's Wife" together that winter.

"Well?" cried Nora. "Sit down, then."

Mr. Vane came in from the yard and stood by the door.

"Good evening," said he, "to you all."

The night went on, and nobody spoke again."""
"""Quotations: 1 late, 2-3 bridge, 4 this, 5-6 way, 7 lying, 8 oil, 9 once, 10 the title, 11-12 well, 13-14 evening."""


def book_of(text: str, *, language: str = "en", slug: str = "inn") -> Book:
    sha = hashlib.sha256(text.encode()).hexdigest()
    return Book(slug, "The Inn", "A. Writer", language, text, (Chapter(1, "One", 0, len(text)),), sha)


def page_of(text: str, *, language: str = "en") -> Page:
    book = book_of(text, language=language)
    return Page(book, next(passages(book, 10**6)))


def answer(**changes: Any) -> dict[str, Any]:
    """A right answer about RAIN."""
    speakers = {1: "Nora", 2: "Tom", 3: "Tom", 4: "Nora", 5: "Tom", 6: "Tom", 8: "Nora", 9: "a boy", 11: "Nora"}
    speakers |= {12: "Nora", 13: "Mr. Vane", 14: "Mr. Vane"}
    full = {
        "cast": [
            {"name": "Nora", "aliases": []},
            {"name": "Tom", "aliases": []},
            {"name": "a boy", "aliases": ["the boy"]},
            {"name": "Mr. Vane", "aliases": []},
        ],
        "scenes": [{"first": 2, "last": 11, "title": "Late in the rain."}],
        "lines": [{"quote": number, "speaker": name} for number, name in speakers.items()],
        "deeds": [
            {"paragraph": 3, "actor": "Tom", "deed": "Hangs his coat on the nail."},
            {"paragraph": 6, "actor": ENVIRONMENT, "deed": "The lamp goes out."},
            {"paragraph": 6, "actor": "Nora", "deed": "bends down to the boy"},
            {"paragraph": 8, "actor": "Tom", "deed": "laughs"},
        ],
        "whispers": [{"quotes": [8], "heard_by": ["The boy"]}],
        "letters": [],
        "skipped": [{"quote": 7, "why": "thought"}, {"quote": 10, "why": "mention"}],
    }
    return full | changes


def stage_of(text: str, said: dict[str, Any], *, language: str = "en") -> Staged:
    return staged(page_of(text, language=language), Attribution.model_validate(said), BARS)


def shown(row: SceneRow) -> list[tuple[str, ...]]:
    return [(t.speaker, *(f"{p.kind.value}: {p.text}" for p in t.segments)) for t in row.turns]


def reasons(made: Staged) -> list[str]:
    return [str(refusal.reason) for refusal in made.refused]


# -- passages ---------------------------------------------------------------------------------------------------


def test_a_passage_ends_at_a_scene_break_where_one_is_near() -> None:
    parts = ["x" * 300] * 3 + ["* * *"] + ["y" * 300] * 3
    first, second = passages(book_of("\n\n".join(parts)), 1500)
    assert (first.first, first.last, second.first, second.last) == (1, 4, 5, 7)
    assert (first.id, second.id) == ("inn/1/1", "inn/1/5")


def test_without_a_break_it_ends_in_the_longest_silence() -> None:
    said = '"' + "Word " * 40 + '."'
    parts = [said, said, said, "Silence. " * 60, said, said, said]
    first, second = passages(book_of("\n\n".join(parts)), 1300)
    assert first.last in {3, 4} and second.first == first.last + 1


def test_a_speech_of_several_paragraphs_is_not_cut() -> None:
    parts = ['"' + "One " * 90] * 5 + ['"' + "End " * 90 + '"', '"' + "Reply " * 60 + '"']
    text = "\n\n".join(parts)
    assert sum(quote.continued for quote in quotes(text)) == 5
    assert [(p.first, p.last) for p in passages(book_of(text), 800)] == [(1, 6), (7, 7)]


def test_only_the_chapters_asked_for() -> None:
    text = "One.\n\nTwo.\n\nThree."
    chapters = (Chapter(1, "I", 0, 4), Chapter(2, "II", 6, 10), Chapter(3, "III", 12, 18))
    book = Book("b", "B", "", "en", text, chapters, "")
    assert [p.chapter for p in passages(book, 100, {2, 3})] == [2, 3]


@pytest.mark.parametrize("text", ["* * *", "***", "⁂", "---", "— — —", "· · ·", "☆☆☆", "~~~"])
def test_marks_between_scenes(text: str) -> None:
    assert is_break(text) and not is_break(f"{text} He left.")


@given(st.lists(st.sampled_from(["x" * 40, '"Say it," said he.', '"On and on', '"and end."', "* * *", "y" * 500])))
def test_passages_hold_every_paragraph_once_and_keep_to_the_size(parts: list[str]) -> None:
    book = book_of("\n\n".join(parts))
    found = list(passages(book, 200))
    paragraphs = book.paragraphs(book.chapters[0])
    assert [n for p in found for n in range(p.first, p.last + 1)] == [p.number for p in paragraphs]
    continued = {q.paragraph_start for q in quotes(book.text) if q.continued}
    for p in found:
        inner = [q for q in paragraphs if p.start < q.start < p.end]
        assert p.end - p.start <= 200 or not inner or any(q.start in continued for q in inner)


# -- what a teacher sees -------------------------------------------------------------------------------------------


def test_paragraphs_and_quotations_are_numbered() -> None:
    text = numbered(page_of(RAIN))
    assert text.startswith("[1] The rain had not stopped")
    assert '[2] "You are late,"⟨1⟩ said Nora' in text
    assert '[5] "There was no other way,"⟨5⟩ he replied; "and the horse knew it."⟨6⟩' in text


def test_numbers_that_stand_in_the_book_are_not_taken_for_ours() -> None:
    assert "‹3›" in numbered(page_of('"One ⟨3⟩ two," said he.')) and "⟨1⟩" in numbered(page_of('"One," said he.'))


def test_without_marks_and_numbers_it_is_the_text_of_the_passage() -> None:
    for text, language in (
        (RAIN, "en"),
        ("“来了，”他说，“坐。”\n\n“好。”", "zh"),
        ("—Hola —dijo Juan—. ¿Qué tal?", "es"),
    ):
        bare = re.sub(r"⟨\d+⟩|^\[\d+\] ", "", numbered(page_of(text, language=language)), flags=re.MULTILINE)
        assert bare == text


def test_a_later_passage_is_shown_what_stands_before_it() -> None:
    parts = [f"Paragraph {n} " + "x" * 280 for n in range(12)]
    book = book_of("\n\n".join(parts))
    first, second, *_ = passages(book, 1500)
    assert before(Page(book, first)) == ""
    shown = before(Page(book, second))
    assert len(shown) <= BEFORE_CHARS and shown.endswith(parts[second.first - 2]) and shown.startswith("Paragraph")
    assert before(Page(book_of("z" * 2000 + '\n\n"Yes," said he.'), Passage(**_last("z" * 2000)))).startswith("… zzz")


def _last(long: str) -> dict[str, Any]:
    start = len(long) + 2
    return {"id": "inn/1/2", "slug": "inn", "chapter": 1, "first": 2, "last": 2, "start": start, "end": start + 15}


@pytest.mark.parametrize("terse", [False, True])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_sent_can_be_read_by_a_person(language: str, terse: bool) -> None:
    lamp = [
        "灯室里很暗。",
        "“船来了吗？”阿同问道。",
        "“没有，”梅拉说，“再等等。”",
        "阿同问道：“几时？”",
        "梅拉说：“天亮。”",
    ]
    book = book_of("\n\n".join(lamp) if language == "zh" else RAIN, language=language)
    second = list(passages(book, 45 if language == "zh" else 500))[1]
    stage, page = Scenes(StageOptions(terse=terse), Path()), Page(book, second)
    call = stage.call(page, stage.form(page))
    assert call.id == f"scenes/inn/1/{second.first}" and call.language == language
    check(f"scenes-{language}{'-terse' * terse}", written(call.messages))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_in_the_rules_is_an_answer_of_the_form_and_keeps_the_rules(language: str) -> None:
    rules = prompt(f"scenes/{language}", language="English", environment=ENVIRONMENT, min_turns="4")
    example = json.loads(rules[rules.rindex('{"cast"') :])
    shown = rules[rules.index("[4] ") : rules.rindex('{"cast"')].strip().rsplit("\n", 1)[0].strip()
    text = re.sub(r"⟨\d+⟩|^\[\d+\] ", "", shown, flags=re.MULTILINE).replace("\n", "\n\n")
    passage = Passage(id="x/1/4", slug="inn", chapter=1, first=4, last=8, start=0, end=len(text))
    page = Page(book_of(text, language=language), passage)
    assert numbered(page).replace("\n\n", "\n") == shown
    form = Scenes(StageOptions(), Path()).form(page)
    jsonschema.validate(example, form.schema)
    made = staged(page, form.read(example), BARS)
    assert [refusal.reason for refusal in made.refused] == ["thought"] and len(made.rows) == 1


# -- exact words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ('"It is," returned she.', "en", "It is."),
        ('"Well," said he, "come in." She came.', "en", "Well, come in."),
        ('"No, I thank you," she replied. "There is nothing."', "en", "No, I thank you. There is nothing."),
        ('"I dislike it," he said; "but it must be."', "en", "I dislike it, but it must be."),
        ('"Undoubtedly;" and they parted.', "en", "Undoubtedly."),
        ('"Oh!" cried he. "Come."', "en", "Oh! Come."),
        ('"Wait--" He rose. "Go."', "en", "Wait-- Go."),
        ("„Ich weiß“, sagte er, „dass du kommst.“", "de", "Ich weiß, dass du kommst."),
        ("„Ich weiß“, sagte er.", "de", "Ich weiß."),
        ("“你来了，”他说，“坐吧。”", "zh", "你来了，坐吧。"),
        ("“你来了，”他说。“坐吧。”", "zh", "你来了。坐吧。"),
        ("“是，”她答。", "zh", "是。"),
    ],
)
def test_a_reporting_clause_leaves_a_comma_or_a_stop(text: str, language: str, said: str) -> None:
    spans = [(quote.start, quote.end) for quote in quotes(text)]
    made, kept = speech(text, spans)
    assert made == said
    assert all(text[start:end] in made for start, end in kept)


@given(st.lists(st.tuples(st.sampled_from(["Yes", "no, never", "Ha!", "well,", "so;", "I"]), st.sampled_from(
    [" said he, ", " said he. ", "\n\n", " ", "; and then: ", " — "])), min_size=1, max_size=6))  # fmt: skip
def test_a_speech_has_the_words_of_its_places_and_no_others(parts: list[tuple[str, str]]) -> None:
    text = "".join(f'"{words}"{gap}' for words, gap in parts)
    at, spans = 0, []
    for words, gap in parts:
        spans.append((at + 1, at + 1 + len(words)))
        at += len(words) + 2 + len(gap)
    made, kept = speech(text, spans)
    assert units(made) == [word for words, _ in parts for word in units(words)]
    assert [text[a:b] for a, b in kept] == [w.rstrip(",;") if t != w else w for (w, _), (t) in zip(
        parts, [text[a:b] for a, b in kept], strict=True)]  # fmt: skip
    assert "\n\n" not in made


def test_turns_are_cut_out_of_the_book() -> None:
    made = stage_of(RAIN, answer())
    assert [(r.reason, r.where) for r in made.refused] == [("thought", "quote 7"), ("mention", "quote 10")]
    (row,) = made.rows
    assert shown(row) == [
        ("Nora", "speech: You are late."),
        ("Tom", "speech: The bridge is out.", "role_action: hangs his coat on the nail", "speech: I came round by the mill."),  # noqa: E501
        ("Nora", "speech: In this?"),
        ("Tom", "speech: There was no other way, and the horse knew it."),
        (ENVIRONMENT, "speech: The lamp goes out."),
        ("Nora", "role_action: bends down to the boy", "speech: Fetch the oil."),
        ("a boy", "speech: At once."),
        ("Tom", "role_action: laughs"),
        ("Nora", "speech: Well? Sit down, then."),
        ("Mr. Vane", "speech: Good evening, to you all."),
    ]  # fmt: skip
    assert [turn.id for turn in row.turns] == [f"t{n:02d}" for n in range(1, 11)]
    assert [turn.heard_by for turn in row.turns if turn.heard_by] == [("a boy",)]
    for turn in row.turns:
        words = turn.turn.text_of(Kind.SPEECH)
        assert all(RAIN[start:end] in words for start, end in turn.spans)
        assert bool(turn.spans) is (turn.speaker != ENVIRONMENT and bool(words))
    assert RAIN[row.source.start : row.source.end].startswith('"You are late') and row.source.chapter == "One"
    assert (row.id, row.title, row.setting, row.source.slug) == ("inn/1/2", "Late in the rain", "", "inn")
    assert row.aliases == {"a boy": ("the boy",)}
    assert [c.name for c in row.cast] == ["Nora", "Tom", "a boy", "Mr. Vane"]
    assert not any(character.profile for character in row.cast)


def test_a_letter_without_marks_is_read_aloud_as_it_stands() -> None:
    letter = 'Sir,\n\nI shall come on Monday, "rain or shine".\n\nYours, V.'
    text = f'"A letter," said Tom, and read:\n\n{letter}\n\n"Well!" said Nora.\n\n"Well!" said Tom.\n\n"No," said Nora.'
    said = answer(
        cast=[{"name": "Tom", "aliases": []}, {"name": "Nora", "aliases": []}],
        scenes=[{"first": 1, "last": 7, "title": "A letter"}],
        lines=[{"quote": n, "speaker": "Nora" if n in {3, 5} else "Tom"} for n in (1, 3, 4, 5)],
        letters=[{"first": 2, "last": 4, "reader": "Tom"}],
        deeds=[], whispers=[], skipped=[],
    )  # fmt: skip
    (row,) = stage_of(text, said).rows
    assert shown(row)[0] == ("Tom", 'speech: A letter. Sir, I shall come on Monday, "rain or shine". Yours, V.')


def test_a_letter_is_read_aloud_once() -> None:
    text = '"Hear," said Tom.\n\nSir, I "come" soon.\n\n"Well!" said Nora.\n\n"Well!" said Tom.\n\n"No," said Nora.'
    letter = {"first": 2, "last": 2, "reader": "Tom"}
    said = answer(
        scenes=[{"first": 1, "last": 5, "title": "A letter"}],
        lines=[{"quote": n, "speaker": "Nora" if n in {3, 5} else "Tom"} for n in range(1, 6)],
        letters=[letter, letter], deeds=[], whispers=[], skipped=[],
    )  # fmt: skip
    made = stage_of(text, said | {"cast": [{"name": "Tom"}, {"name": "Nora"}]})
    assert reasons(made) == [Why.TWICE, Why.TWICE] and made.mendable == ()
    assert shown(made.rows[0])[0] == ("Tom", 'speech: Hear. Sir, I "come" soon.')


def test_who_speaks_on_in_the_next_paragraph_needs_no_line_of_its_own() -> None:
    text = '"It is long," said Tom. "First\n\n"then second."\n\n"No," said Nora.\n\n"Yes," said Tom.\n\n"No."'
    said = answer(
        cast=[{"name": "Tom"}, {"name": "Nora"}],
        scenes=[{"first": 1, "last": 5, "title": "Yes and no"}],
        lines=[{"quote": n, "speaker": s} for n, s in ((1, "Tom"), (2, "Tom"), (4, "Nora"), (5, "Tom"), (6, "Nora"))],
        deeds=[], whispers=[], skipped=[],
    )  # fmt: skip
    made = stage_of(text, said)
    assert made.refused == () and shown(made.rows[0])[0] == ("Tom", "speech: It is long. First then second.")


def test_chinese_is_joined_without_spaces() -> None:
    text = "“你来晚了，”娜拉说，“坐吧。”\n\n汤姆笑了。“桥断了。”他挂起外套，“我绕了路。”\n\n“哦？”\n\n“真的。”"
    speakers = ["娜拉", "娜拉", "汤姆", "汤姆", "娜拉", "汤姆"]
    said = {
        "cast": [{"name": "娜拉"}, {"name": "汤姆", "aliases": ["他"]}],
        "scenes": [{"first": 1, "last": 4, "title": "雨夜"}],
        "lines": [{"quote": number, "speaker": name} for number, name in enumerate(speakers, 1)],
        "deeds": [{"paragraph": 2, "actor": "汤姆", "deed": deed} for deed in ("他笑了", "挂起外套")],
    }
    (row,) = stage_of(text, said, language="zh").rows
    assert shown(row)[:2] == [
        ("娜拉", "speech: 你来晚了，坐吧。"),
        ("汤姆", "role_action: 笑了", "speech: 桥断了。", "role_action: 挂起外套", "speech: 我绕了路。"),
    ]
    assert row.aliases == {}


# -- gates ---------------------------------------------------------------------------------------------------------


def lines_but(*changed: tuple[int, str]) -> list[dict[str, Any]]:
    said = dict(changed)
    return [{**line, "speaker": said.get(line["quote"], line["speaker"])} for line in answer()["lines"]]


def without(*numbers: int) -> list[dict[str, Any]]:
    return [line for line in answer()["lines"] if line["quote"] not in numbers]


FIRST = {"first": 2, "last": 5, "title": "x"}
GATES: list[tuple[dict[str, Any], str, int]] = [
    ({"scenes": [{"first": 9, "last": 4, "title": "x"}]}, Why.SPAN, 0),
    ({"scenes": [{"first": 2, "last": 40, "title": "x"}]}, Why.SPAN, 0),
    ({"scenes": [FIRST, {"first": 5, "last": 11, "title": "y"}]}, Why.OVERLAP, 1),
    ({"lines": [*answer()["lines"], {"quote": 1, "speaker": "Tom"}]}, Why.TWICE, 1),
    ({"lines": [*without(1), {"quote": 1, "speaker": "Nora"}]}, Why.ORDER, 1),
    ({"lines": [*answer()["lines"], {"quote": 99, "speaker": "Tom"}]}, Reason.QUOTE_NOT_FOUND, 1),
    ({"scenes": [{"first": 2, "last": 9, "title": "x"}]}, Why.OUTSIDE, 1),
    ({"lines": lines_but((4, "Ishmael"))}, Reason.UNKNOWN_NAME, 1),
    ({"lines": lines_but((4, ENVIRONMENT))}, Reason.UNNAMED, 1),
    ({"cast": [*answer()["cast"], {"name": "Captain Ahab"}]}, Reason.UNKNOWN_NAME, 1),
    ({"cast": [*answer()["cast"], {"name": "she"}]}, Reason.UNNAMED, 1),
    ({"cast": [*answer()["cast"], {"name": "No\u0007ra:"}]}, Reason.UNNAMED, 1),
    ({"lines": without(1, 2, 3, 4)}, Why.UNATTRIBUTED, 0),
    ({"lines": without(14)}, Why.UNATTRIBUTED, 1),
    ({"lines": lines_but(*((n, "Nora") for n in range(1, 15)))}, Why.ONE_VOICE, 0),
    ({"scenes": [{"first": 2, "last": 4, "title": "x"}]}, Why.FEW_TURNS, 0),
    ({"deeds": [{"paragraph": 3, "actor": "Tom", "deed": "draws a pistol"}]}, Why.UNSUPPORTED, 1),
    ({"deeds": [{"paragraph": 4, "actor": "Nora", "deed": "stares at this"}]}, Why.UNSUPPORTED, 1),
    ({"deeds": [{"paragraph": 3, "actor": "Tom", "deed": 'hangs his coat: "Cold!"'}]}, Reason.BROKEN_TAG, 1),
    ({"deeds": [{"paragraph": 3, "actor": "Tom", "deed": "comes round by the mill"}]}, Reason.COPIED, 1),
    ({"deeds": [{"paragraph": 5, "actor": "Tom", "deed": "replies that the horse knew it"}]}, Reason.COPIED, 1),
    ({"deeds": [{"paragraph": 6, "actor": "Nora", "deed": "thinks he is lying"}]}, Reason.MIND_READ, 1),
    ({"deeds": [{"paragraph": 3, "actor": "Ishmael", "deed": "hangs his coat"}]}, Reason.UNKNOWN_NAME, 1),
    ({"deeds": [{"paragraph": 1, "actor": "Tom", "deed": "stops"}]}, Why.OUTSIDE, 1),
    ({"deeds": [{"paragraph": 3, "actor": "Tom", "deed": "hangs his coat " * 9}]}, Reason.LENGTH, 1),
    ({"skipped": [{"quote": 7, "why": "because"}, {"quote": 10, "why": "mention"}]}, Why.UNATTRIBUTED, 1),
    ({"letters": [{"first": 12, "last": 12, "reader": "Tom"}]}, Why.OUTSIDE, 1),
    ({"whispers": [{"quotes": [8], "heard_by": ["Ishmael"]}]}, Reason.UNKNOWN_NAME, 1),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "scenes"), GATES, ids=[f"{r}-{n}" for n, (_, r, _) in enumerate(GATES)])
def test_what_a_gate_does_not_let_through_is_counted(changes: dict[str, Any], reason: str, scenes: int) -> None:
    made = stage_of(RAIN, answer(**changes))
    assert reason in reasons(made)
    assert len(made.rows) == scenes
    detail = next(refusal for refusal in made.refused if refusal.reason == reason)
    assert detail.stage == "scenes" and detail.where and detail.detail


def test_a_scene_that_cannot_stand_takes_no_other_with_it() -> None:
    two = [{"first": 2, "last": 5, "title": "Late"}, {"first": 7, "last": 7, "title": "Oil"}]
    made = stage_of(RAIN, answer(scenes=two, letters=[], deeds=[]))
    assert [row.id for row in made.rows] == ["inn/1/2"]
    assert Why.ONE_VOICE in reasons(made)
    assert [refusal for refusal in made.rows[0].refused if refusal.reason == Why.ONE_VOICE] == []


def test_a_line_goes_missing_rather_than_reach_whom_it_should_not() -> None:
    made = stage_of(RAIN, answer(whispers=[{"quotes": [8], "heard_by": ["Ishmael"]}]))
    assert "Fetch the oil" not in str(made.rows[0].turns)


def test_whispers_and_open_words_of_one_speaker_stay_apart() -> None:
    whispers = [{"quotes": [3], "heard_by": ["Nora"]}]
    (row,) = stage_of(RAIN, answer(whispers=whispers, deeds=[])).rows
    assert [(t.speaker, t.heard_by) for t in row.turns[1:3]] == [("Tom", None), ("Tom", ("Nora",))]


def test_what_can_not_be_mended_is_not_asked_again() -> None:
    scenes = [{"first": 2, "last": 4, "title": "x"}]
    made = stage_of(RAIN, answer(scenes=scenes))
    assert made.refused and made.mendable == ()
    assert [r.reason for r in stage_of(RAIN, answer(lines=lines_but((4, "Ishmael")))).mendable] == ["unknown-name"]


@pytest.mark.parametrize(
    ("name", "aliases", "text", "stands"),
    [
        ("Mr. Bennet", [], "Mr Bennet rose.", True),
        ("Mrs. Bennet", [], "Mr. Bennet and Mrs. Long", True),
        ("Mrs. Bennet", [], "Mr. Bennet rose", False),
        ("Mrs. Bennet", ["his lady"], "Mr. Bennet rose, and his lady", True),
        ("Elizabeth Bennet", ["Lizzy"], "Elizabeth; the Bennets; Bennet." + " x" * 12_000 + " Lizzy rose", True),
        ("Elizabeth Bennet", ["Lizzy"], "Lizzy rose", False),
        ("Abel Magwitch", ["the convict"], "the convict rose", False),
        ("Ann", [], "Annoyed, he rose", False),
        ("a servant", [], "He rose", True),
        ("the older clerk", [], "He rose", True),
        ("Dr. Watson", ["I"], "Watson is my name, Dr. Watson." + " x" * 12_000 + " I rose.", True),
        ("Dr. Watson", ["he"], "Watson is my name, Dr. Watson." + " x" * 12_000 + " I rose.", False),
        ("宝玉", [], "贾宝玉道", True),
        ("贾宝玉", ["宝玉"], "宝玉道", True),
        ("凤姐", [], "贾宝玉道", False),
        ("一个老仆", [], "有人道", True),
    ],
)
def test_a_name_must_stand_near_or_describe(name: str, aliases: list[str], text: str, stands: bool) -> None:
    said = Attribution.model_validate({"cast": [{"name": name, "aliases": aliases}], "scenes": []})
    cast = casting(said.cast, text, max(0, len(text) - 20), len(text))
    assert (cast.who(name) == name) is stands


def test_a_name_that_the_book_tells_later_is_foresight() -> None:
    text = "The convict rose. " + "And the convict's name was Magwitch."
    said = Attribution.model_validate({"cast": [{"name": "Magwitch", "aliases": ["the convict"]}], "scenes": []})
    assert casting(said.cast, text, 0, 17).strangers == (("Magwitch", Reason.FORESIGHT),)
    assert casting(said.cast, text, 0, len(text)).who("the convict") == "Magwitch"


def test_who_is_meant_by_a_name() -> None:
    people = [("Mr. Bennet", ["his father", "Bennet"]), ("Mrs. Bennet", ["Bennet", "Mamma"]), ("MR BENNET", ["Papa"])]
    said = Attribution.model_validate({"cast": [{"name": n, "aliases": a} for n, a in people], "scenes": []})
    text = "Mr. Bennet and Mrs. Bennet, Mamma, Papa, his father"
    cast = casting(said.cast, text, 0, len(text))
    meant = {name: cast.who(name) for name in ("mr bennet", "Mamma", "PAPA", "Bennet", "environment", "Ishmael")}
    assert meant == {
        "mr bennet": "Mr. Bennet", "Mamma": "Mrs. Bennet", "PAPA": "Mr. Bennet", "Bennet": None,
        "environment": ENVIRONMENT, "Ishmael": None,
    }  # fmt: skip
    assert [person.name for person in cast.people] == ["Mr. Bennet", "Mrs. Bennet"]
    assert spelling("Mr.  O’Brien") == "mr o'brien"


@pytest.mark.parametrize(
    ("deed", "paragraph", "language", "at"),
    [
        ("leaves the room", "He left the room.", "en", "left"),
        ("laughs", "“Ha,” said he, laughing.", "en", "laughing"),
        ("rises", "She rose at last.", "en", "rose"),
        ("makes no answer", "Mr. Bennet made no answer.", "en", "made"),
        ("replies that he has not", "Mr. Bennet replied that he had not.", "en", "replied"),
        ("放下报纸", "他放下手里的报纸。", "zh", "下"),
        ("sourit", "Elle souriait.", "fr", "souriait"),
        ("flies to the moon", "He left the room.", "en", None),
        ("拔出剑来", "他放下手里的报纸。", "zh", None),
    ],
)
def test_a_deed_stands_where_its_paragraph_tells_it(deed: str, paragraph: str, language: str, at: str | None) -> None:
    spans = [(quote.start, quote.end) for quote in quotes(paragraph)]
    found = told(deed, paragraph, (0, len(paragraph)), spans, language=language, says=bool(spans))
    if at is None:
        assert found == Why.UNSUPPORTED
    else:
        assert isinstance(found, Told) and abs(found.at - paragraph.index(at)) <= 4


@pytest.mark.parametrize(
    ("deed", "tidied"),
    [
        ("Tom laughs.", "laughs"),
        ("He laughs", "laughs"),
        ("tommy-guns", "tommy-guns"),
        ("汤姆笑了。", "笑了"),
        ("他笑", "笑"),
    ],
)
def test_an_actor_in_front_of_its_deed_is_taken_off(deed: str, tidied: str) -> None:
    assert tidy(deed, ["Tom", "汤姆"]) == tidied


_NUMBER = st.integers(-2, 16)
_WHO = st.sampled_from(["Nora", "Tom", "a boy", "Mr. Vane", "tom", "Ishmael", ENVIRONMENT, "she", "", "x:", "\u0007"])
_DEED = st.sampled_from(["laughs", "hangs his coat", "The lamp goes out.", '"Ha!"', "", "<b>", "He", "Tom", "x" * 200])


def _in_order(names: list[str]) -> list[dict[str, Any]]:
    return [{"quote": number, "speaker": name} for number, name in enumerate(names, 1)]


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(fields), max_size=16)


@given(
    st.fixed_dictionaries(
        {
            "cast": st.just(answer()["cast"]) | some(name=_WHO, aliases=st.lists(_WHO, max_size=3)),
            "scenes": st.just([{"first": 1, "last": 12}])
            | some(first=_NUMBER, last=_NUMBER, title=st.text(max_size=90)),
            "lines": st.lists(_WHO, max_size=15).map(_in_order) | some(quote=_NUMBER, speaker=_WHO),
            "deeds": some(paragraph=_NUMBER, actor=_WHO, deed=_DEED),
            "whispers": some(quotes=st.lists(_NUMBER, max_size=3), heard_by=st.lists(_WHO, max_size=3)),
            "letters": some(first=_NUMBER, last=_NUMBER, reader=_WHO),
            "skipped": some(quote=_NUMBER, why=st.sampled_from(["thought", "unclear", "?"])),
        }
    )
)
def test_whatever_is_answered_a_row_is_sound_or_refused(said: dict[str, Any]) -> None:
    made = staged(page_of(RAIN), Attribution.model_validate(said), Bars(min_turns=2, most_unattributed=1.0))
    assert len(made.rows) + len(made.refused) >= (1 if said["scenes"] else 0)
    event(f"{len(made.rows)} rows")
    for row in made.rows:
        assert row == SceneRow.model_validate_json(row.model_dump_json())
        assert len(row.dialogue) == len(row.turns) >= 2
        assert len({turn.speaker for turn in row.turns if turn.spans}) >= 2
        for turn in row.turns:
            assert all(piece.text.strip() for piece in turn.segments)
            assert all(a.kind is not b.kind for a, b in zip(turn.segments, turn.segments[1:], strict=False))
            assert all(RAIN[start:end] in turn.turn.text_of(Kind.SPEECH) for start, end in turn.spans)


# -- asking --------------------------------------------------------------------------------------------------------


class Teacher(Scripted):
    """A Scripted that honours a schema."""

    constrains = True


async def asked(
    tmp_path: Path, text: str, model: Scripted, *, size: int = 12_000, language: str = "en", **fields: Any
) -> tuple[Report, list[SceneRow]]:
    book = book_of(text, language=language)
    Library(tmp_path / "books").add(book)
    options = fields.pop("options", StageOptions())
    stage = Scenes(options, tmp_path / "books", **fields)
    report = await run(passages(book, size), stage.work, model, Target(tmp_path, "scenes"))
    return report, list(read_rows(tmp_path / "rows.jsonl", SceneRow))


async def test_a_right_answer_becomes_a_row_with_its_lineage(tmp_path: Path) -> None:
    report, (row,) = await asked(tmp_path, RAIN, Teacher([json.dumps(answer())]))
    assert (report.kept, report.repaired, report.dropped, report.rows_out) == (1, 0, 0, 1)
    assert report.refused == {"thought": 1, "mention": 1}
    (step,) = row.lineage
    assert step.stage == "scenes" and [text.split("@")[0] for text in step.prompts] == ["scenes/en", "scenes/case-en"]
    assert row == SceneRow.model_validate_json(row.model_dump_json())


async def test_a_faulty_answer_is_asked_for_once_more_with_its_faults(tmp_path: Path) -> None:
    model = Teacher([json.dumps(answer(lines=lines_but((4, "Ishmael")))), json.dumps(answer())])
    report, (row,) = await asked(tmp_path, RAIN, model)
    assert (report.repaired, report.calls) == (1, 2)
    assert "quote 4: 'Ishmael' is nobody in the cast" in model.calls[1].messages[-1].content
    assert len(row.turns) == 10


async def test_where_asking_again_does_not_help_the_better_answer_counts(tmp_path: Path) -> None:
    better, worse = answer(lines=lines_but((4, "Ishmael"))), answer(lines=lines_but((2, "x"), (4, "x"), (5, "x")))
    report, (row,) = await asked(tmp_path, RAIN, Teacher([json.dumps(better), json.dumps(worse)]))
    assert (report.kept, report.dropped) == (1, 0)
    assert report.refused["unknown-name"] == 1 and report.refused["unattributed"] == 1
    assert "In this?" not in str(row.turns)


async def test_an_answer_that_can_not_be_read_drops_the_passage(tmp_path: Path) -> None:
    report, rows = await asked(tmp_path, RAIN, Teacher([json.dumps({"scenes": "none"}), "No."]))
    assert (report.dropped, rows) == (1, [])
    assert "schema" in report.faults


async def test_a_passage_in_which_nobody_speaks_is_not_asked_about(tmp_path: Path) -> None:
    model = Teacher([])
    report, rows = await asked(tmp_path, "The night went on.\n\nNobody came.", model)
    assert (report.kept, report.rows_out, report.calls, rows) == (1, 0, 0, [])


async def test_no_scenes_at_all_is_an_answer(tmp_path: Path) -> None:
    none = answer(cast=[], scenes=[], lines=[], deeds=[], whispers=[], skipped=[])
    report, rows = await asked(tmp_path, RAIN, Teacher([json.dumps(none)]))
    assert (report.kept, report.calls, rows) == (1, 1, [])


async def test_the_terse_form_gives_a_scene_too(tmp_path: Path) -> None:
    model = scene_teacher(terse=True)
    report, (row,) = await asked(tmp_path, RAIN, model, options=StageOptions(terse=True))
    assert report.kept == 1 and len(row.turns) >= 4
    (call,) = model.calls
    assert call.constraint and call.constraint.schema
    assert list(call.constraint.schema["properties"]["speakers"]["properties"]) == [
        "1",
        "2",
        "4",
        "5",
        "7",
        "9",
        "10",
        "11",
        "13",
    ]
    assert "The names in this passage: Nora, Tom" in call.messages[0].content
    assert row.lineage[0].prompts[0].startswith("scenes/terse-en@")


async def test_chinese_books_are_asked_about_in_chinese(tmp_path: Path) -> None:
    text = "\n\n".join(["娜拉说：“你来晚了。”", "汤姆说：“桥断了。”", "“哦？”", "“真的。”", "“坐吧。”"])
    model = scene_teacher()
    report, (row,) = await asked(tmp_path, text, model, language="zh")
    assert report.kept == 1 and "人物" in model.calls[0].messages[0].content
    assert [t.speaker for t in row.turns] == ["娜拉", "汤姆", "娜拉", "汤姆", "娜拉"]


@pytest.mark.model
@pytest.mark.long
async def test_the_bundled_model_gives_scenes_or_is_refused(mini: Model, tmp_path: Path) -> None:
    book = book_of(RAIN)
    Library(tmp_path / "books").add(book)
    stage = Scenes(StageOptions(terse=True), tmp_path / "books")
    report = await run(passages(book, 5_000), stage.work, mini, Target(tmp_path, "scenes"))
    assert (report.rows_in, report.dropped) == (1, 0)
    for row in read_rows(tmp_path / "rows.jsonl", SceneRow):
        assert len(row.turns) >= 4 and len({turn.speaker for turn in row.turns}) >= 2
    assert report.rows_out or report.refused.keys() & {"one-voice", "unattributed", "few-turns"}


# -- the form of an answer -----------------------------------------------------------------------------------------


def longest(schema: dict[str, Any]) -> Any:
    """The longest value that a schema allows."""
    if "enum" in schema:
        return max(schema["enum"], key=len)
    match schema["type"]:
        case "object":
            return {key: longest(value) for key, value in schema["properties"].items()}
        case "array":
            return [longest(schema["items"])] * schema["maxItems"]
        case "integer":
            return schema["maximum"]
        case _:
            return "n" * schema["maxLength"]


@pytest.mark.parametrize("terse", [True, False])
@pytest.mark.parametrize("spaceless", [True, False])
@pytest.mark.parametrize("count", [1, 40, 140])
def test_the_longest_answer_fits_its_tokens(terse: bool, spaceless: bool, count: int) -> None:
    form = Form(3, 90, [[n] for n in range(1, count + 1)], terse=terse, spaceless=spaceless)
    said = longest(form.schema)
    jsonschema.validate(said, form.schema)
    text = json.dumps(said)
    names = text.count("n") if spaceless else 0  # such a script has a token and a half for each of them
    assert (len(text) - names) / 2 + names * 1.5 <= form.max_tokens
    form.read(said)


def test_a_small_window_leaves_less_room_for_the_answer() -> None:
    page, stage = page_of(RAIN), Scenes(StageOptions(), Path())
    form = stage.form(page)
    rooms = [stage.call(page, form, context).sampling.max_tokens for context in (None, 32_768, 4096, 2048)]
    assert rooms[0] == rooms[1] == form.max_tokens > rooms[2] >= rooms[3]


def test_the_terse_form_asks_for_one_name_a_paragraph_and_pins_those_that_the_narrator_tells() -> None:
    page = page_of(RAIN)
    form = Scenes(StageOptions(terse=True), Path()).form(page)
    assert [group[0] for group in form.groups] == [1, 2, 4, 5, 7, 9, 10, 11, 13]
    assert (form.first, form.last) == (2, 11)
    assert form.names[:2] == ("Nora", "Tom") and form.known[1] == "Nora" and form.known[11] == "Nora"
    read = form.read({"title": "x", "speakers": {"1": "Nora", "2": "Tom", "4": NOBODY}})
    assert [(line.quote, line.speaker) for line in read.lines] == [(1, "Nora"), (2, "Tom"), (3, "Tom")]
    assert [skip.quote for skip in read.skipped] == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]


def test_names_are_found_beside_what_is_said() -> None:
    text = "宝玉笑道：“来了。”\n\n黛玉道：“坐。”宝玉又道：“好。”黛玉问道：“真的？”"
    page = page_of(text, language="zh")
    names = likely_names(page.narration, page.text)
    assert set(names) == {"宝玉", "黛玉"}
    assert [named_beside(text, [quote], names) for quote in page.quotes] == ["宝玉", "黛玉", "宝玉", "黛玉"]
    assert likely_names("He went. She came.", "He went. She came.") == ()
    story = "So Mr. Hall met old Ann Price at Bath, and Ann Price, who lived in Bath Lane, told her maid Sue. Then RUN."
    assert likely_names(story, story) == ("Ann Price", "Mr. Hall", "Sue")


# -- one name a person ---------------------------------------------------------------------------------------------


def scene_row(number: int, *cast: tuple[str, ...], slug: str = "b") -> SceneRow:
    """A scene of these people, each with aliases, who say one word each."""
    names = [name for name, *_ in cast]
    turns = [
        TurnRow(id=f"t{n:02d}", speaker=name, segments=(Piece(kind=Kind.SPEECH, text="Yes."),))
        for n, name in enumerate(names)
    ]
    turns[0] = turns[0].model_copy(update={"heard_by": tuple(sorted(names[1:]))})
    return SceneRow(
        id=f"{slug}/{number}/1",
        title="x",
        source=Source.model_validate({"book": slug, "slug": slug}),
        cast=tuple(Character.model_validate({"name": name}) for name in names),
        aliases={name: tuple(others) for name, *others in cast if others},
        turns=tuple(turns),
    )  # fmt: skip


def unified(*rows: SceneRow) -> list[list[str]]:
    made = list(unify_names(lambda: rows))
    for row in made:
        assert {turn.speaker for turn in row.turns} == {character.name for character in row.cast}
        assert row == SceneRow.model_validate(row.model_dump())
        row.dialogue  # noqa: B018 - raises where somebody hears who is not there
    return [[character.name for character in row.cast] for row in made]


def test_most_frequent_full_form_wins() -> None:
    elizabeth = ("Elizabeth Bennet", "Elizabeth", "Lizzy")
    rows = [
        scene_row(1, elizabeth, ("Jane",)),
        scene_row(2, elizabeth, ("Mr. Darcy",)),
        scene_row(3, ("Lizzy",), ("Mr. Darcy", "Darcy")),
        scene_row(4, ("Elizabeth",), ("Darcy",)),
        scene_row(5, ("Elizabeth",), ("Miss Elizabeth Bennet", "Elizabeth Bennet")),
    ]
    named = unified(*rows[:4])
    assert [cast[0] for cast in named] == ["Elizabeth Bennet"] * 4
    assert named[3][1] == "Mr. Darcy"
    made = list(unify_names(lambda: rows[:4]))[2]
    assert made.aliases["Elizabeth Bennet"] == ("Lizzy",) and made.turns[1].speaker == "Mr. Darcy"
    assert made.turns[0].heard_by == ("Mr. Darcy",)


def test_people_who_stand_together_are_never_one() -> None:
    rows = [
        scene_row(1, ("Jane", "Miss Bennet"), ("Mr. Bingley",)),
        scene_row(2, ("Elizabeth", "Miss Bennet"), ("Mr. Darcy",)),
        scene_row(3, ("Elizabeth",), ("Jane",)),
    ]
    assert [cast[0] for cast in unified(*rows)] == ["Jane", "Elizabeth", "Elizabeth"]


def test_titles_keep_a_family_apart() -> None:
    rows = [
        scene_row(1, ("Mr. Bennet", "Mrs. Bennet"), ("Jane",)),
        scene_row(2, ("Mrs Bennet",), ("Jane",)),
        scene_row(3, ("Mrs. Bennet", "Miss Bennet"), ("Lydia",)),
        scene_row(4, ("Miss Bennet",), ("Lydia",)),
    ]
    assert [cast[0] for cast in unified(*rows)] == ["Mr. Bennet", "Mrs. Bennet", "Mrs. Bennet", "Miss Bennet"]


def test_what_anybody_may_be_called_joins_nobody() -> None:
    rows = [
        scene_row(1, ("Mrs. Bennet", "his wife", "Mamma", "My dear", "Your Ladyship"), ("Jane",)),
        scene_row(2, ("Mrs. Gardiner", "his wife", "Mamma", "My dear", "Your Ladyship"), ("Lydia",)),
        scene_row(3, ("a servant", "the maid"), ("the maid",)),
    ]
    assert [cast[0] for cast in unified(*rows)] == ["Mrs. Bennet", "Mrs. Gardiner", "a servant"]


def test_a_name_that_comes_up_later_is_not_told_before() -> None:
    rows = [
        scene_row(1, ("Charlotte Lucas", "Charlotte"), ("Jane",)),
        scene_row(9, ("Mrs. Collins", "Charlotte Lucas"), ("Maria",)),
        scene_row(10, ("Mrs. Collins",), ("Maria",)),
    ]
    assert [cast[0] for cast in unified(*rows)] == ["Charlotte Lucas", "Mrs. Collins", "Mrs. Collins"]


def test_books_do_not_share_their_people_and_chinese_names_grow() -> None:
    rows = [
        scene_row(1, ("宝玉", "二爷"), ("黛玉",)),
        scene_row(2, ("贾宝玉", "宝玉"), ("黛玉",)),
        scene_row(3, ("宝玉",), ("黛玉",)),
        scene_row(3, ("宝玉",), ("x y",), slug="other"),
    ]
    assert [cast[0] for cast in unified(*rows)] == ["宝玉", "贾宝玉", "贾宝玉", "宝玉"]


# -- a whole novel -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def novel(her_data: Path) -> Book:
    return read_book(her_data / "books" / "pride_and_prejudice.txt", title="Pride and Prejudice", author="Jane Austen")


@pytest.mark.parametrize("terse", [False, True])
async def test_every_word_of_a_whole_novels_scenes_is_found_in_it(novel: Book, tmp_path: Path, terse: bool) -> None:
    Library(tmp_path).add(novel)
    stage = Scenes(StageOptions(terse=terse), tmp_path)
    report = await run(
        passages(novel, 12_000), stage.work, scene_teacher(terse=terse), Target(tmp_path / "o", "scenes")
    )
    assert report.rows_in == report.kept + report.repaired + report.dropped == 85 and report.dropped == 0
    rows = list(read_rows(tmp_path / "o" / "rows.jsonl", SceneRow))
    assert len(rows) >= 70 and len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.source.start is not None and row.source.end is not None and row.source.sha == novel.sha
        places = [span for turn in row.turns for span in turn.spans]
        assert places == sorted(places)
        assert row.source.start <= places[0][0] and places[-1][1] <= row.source.end
        for turn in row.turns:
            words = turn.turn.text_of(Kind.SPEECH)
            assert units(words) == [word for start, end in turn.spans for word in units(novel.text[start:end])]
            assert all(novel.text[start:end] in words for start, end in turn.spans)
            assert words[-1] not in ",;" and "\n\n" not in words
    again = list(unify_names(lambda: read_rows(tmp_path / "o" / "rows.jsonl", SceneRow)))
    assert [row.id for row in again] == [row.id for row in rows]


def test_a_chapter_read_by_hand_passes_every_gate(novel: Book) -> None:
    page = Page(novel, next(passages(novel, 12_000)))
    his = {6, 8, 10, 12, 15, 17, 19, 21, 23, 25, 26, 28}
    said = {
        "cast": [{"name": "Mr. Bennet"}, {"name": "Mrs. Bennet", "aliases": ["his lady", "his wife"]}],
        "scenes": [{"first": 3, "last": 29, "title": "News of Netherfield Park"}],
        "lines": [{"quote": n, "speaker": "Mr. Bennet" if n in his else "Mrs. Bennet"} for n in range(1, 29)],
        "deeds": [
            {"paragraph": 4, "actor": "Mr. Bennet", "deed": "replies that he has not"},
            {"paragraph": 6, "actor": "Mr. Bennet", "deed": "makes no answer"},
        ],
    }
    made = staged(page, Attribution.model_validate(said), BARS)
    assert made.refused == ()
    (row,) = made.rows
    assert [turn.speaker for turn in row.turns] == ["Mrs. Bennet", "Mr. Bennet"] * (len(row.turns) // 2)
    assert shown(row)[:4] == [
        ("Mrs. Bennet", "speech: My dear Mr. Bennet, have you heard that Netherfield Park is let at last?"),
        ("Mr. Bennet", "role_action: replies that he has not"),
        ("Mrs. Bennet", "speech: But it is, for Mrs. Long has just been here, and she told me all about it."),
        ("Mr. Bennet", "role_action: makes no answer"),
    ]
    assert row.aliases == {"Mrs. Bennet": ("his lady", "his wife")}
    assert shown(row)[-1][1].startswith("speech: You mistake me, my dear.")


def test_the_scripted_teacher_finds_names() -> None:
    messages = [Message("user", numbered(page_of(RAIN)))]
    assert two_speakers(messages) == ("Nora", "a gentleman")
    assert {line["speaker"] for line in json.loads(attribution(messages))["lines"]} == {"Nora", "a gentleman"}


@pytest.mark.long
def test_ten_times_the_book_takes_no_more_memory(her_data: Path) -> None:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import synth_memory

    path = her_data / "books" / "pride_and_prejudice.txt"
    once, ten, books = (
        synth_memory.measured(path, times, volumes=v) for times, v in ((1, True), (10, True), (10, False))
    )
    assert ten.rows == books.rows == 10 * once.rows
    mib = 2**20
    assert books.work <= once.work + 8 * mib, "a few books are held, whatever their number"
    assert ten.work - 2 * ten.text <= once.work - 2 * once.text + 4 * mib, "the text, and its bytes while it is read"


# -- estimates -----------------------------------------------------------------------------------------------------


def test_an_estimate_counts_the_calls_about_a_book_and_guesses_the_rest() -> None:
    text = "\n\n".join([RAIN] * 3)
    made = estimate([book_of(text)], [], StageOptions(passage_chars=1500), price=Price(2.0, 10.0))
    scenes, *later = made.stages
    assert [stage.stage for stage in made.stages] == [
        "scenes",
        "profiles",
        "role-thinking",
        "system-thinking",
        "settings",
    ]
    assert scenes.rows == scenes.calls == len(list(passages(book_of(text), 1500)))
    assert all(stage.calls and stage.prompt_tokens > stage.completion_tokens > 0 for stage in later)
    assert later[2].calls == pytest.approx(2 * later[1].calls, abs=1)
    assert made.total.calls == sum(stage.calls for stage in made.stages)
    cost = (made.total.prompt_tokens * 2 + made.total.completion_tokens * 10) / 1e6
    assert made.total.cost == pytest.approx(cost, rel=0.01)


def test_scenes_that_are_there_are_counted_as_they_are() -> None:
    rows = [scene_row(1, ("Ann",), ("Bob",), ("Cid",)), scene_row(2, ("Ann",), ("Bob",))]
    made = {stage.stage: stage for stage in estimate([], rows, StageOptions()).stages}
    assert "scenes" not in made and made["profiles"].rows == 2
    assert {name: stage.calls for name, stage in made.items()} == {
        "profiles": 2 + 5, "role-thinking": 5, "system-thinking": 10, "settings": 5,
    }  # fmt: skip
    assert estimate([], rows, StageOptions()).total.cost is None
    terse = {stage.stage: stage for stage in estimate([], rows, StageOptions(terse=True)).stages}
    assert terse["settings"].completion_tokens < made["settings"].completion_tokens


def test_nothing_to_do_costs_nothing() -> None:
    assert estimate([], [], StageOptions(), price=Price(1, 1)).total.calls == 0


def test_tokens_follow_from_the_script() -> None:
    assert num_tokens("abcd" * 10) == 10 and num_tokens("汉字" * 30) == 40


# -- defects of the release ----------------------------------------------------------------------------------------


def test_a26_a_merge_of_turns_shifts_what_is_known_by_position() -> None:
    (row,) = stage_of(RAIN, answer(deeds=[])).rows
    assert len(row.turns) < len(answer()["lines"]), "lines of one speaker in a row are one turn"
    assert [turn.id for turn in row.turns] == [f"t{n:02d}" for n in range(1, len(row.turns) + 1)]
    assert all(a.speaker != b.speaker for a, b in zip(row.turns, row.turns[1:], strict=False))


def test_a36_a_scene_carries_what_becomes_of_it() -> None:
    (row,) = stage_of(RAIN, answer()).rows
    assert row.setting == "" and all(not (c.background or c.profile or c.motivation) for c in row.cast)
    scene = row.model_copy(update={"setting": "An inn, at night."}).scene
    assert row.title and row.title not in Script(scene, "Tom").system()


def test_a40_what_is_left_out_of_a_dialogue_is_counted_nowhere() -> None:
    page = page_of(RAIN)
    made = stage_of(RAIN, answer(lines=without(4, 14)))
    (row,) = made.rows
    spoken = {start for turn in row.turns for start, _ in turn.spans}
    missing = {quote.number for quote in page.quotes if quote.start not in spoken}
    assert missing == {4, 7, 10, 14}
    told = " ".join(f"{refusal.where} {refusal.detail}" for refusal in row.refused)
    assert all(str(number) in told for number in missing)


def test_b12_promised_limits_on_text_and_turns_are_not_kept() -> None:
    book = book_of("\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(100)))
    assert all(passage.end - passage.start <= 8000 for passage in passages(book, 8000))
    assert stage_of(RAIN, answer(scenes=[{"first": 2, "last": 4, "title": "x"}])).rows == ()


def test_a_deed_in_the_middle_of_a_sentence_does_not_end_it() -> None:
    text = '"We cannot know what he likes," said she, putting down her work, "since we are not to visit."'
    first, second = ((1, text.index('," said') + 1), (text.index("since"), len(text) - 1))
    deed = Event(first[1] + 5, "Anna", deed="puts down the work")
    (turn,) = turns(text, [Event(1, "Anna", (first,)), deed, Event(second[0], "Anna", (second,))])
    assert [piece.text for piece in turn.segments] == [
        "We cannot know what he likes,",
        "puts down the work",
        "since we are not to visit.",
    ]
