"""The folder of a small run of synthesis, made by hand: two scenes, one of them Jane Austen's, one of our own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from her.rows.record import Refusal, SceneRow, Source, Step, TurnRow
from her.rows.report import Quarantined, Report
from her.scene import Character
from her.synth.reading.book import Book, Chapter
from her.synth.reading.library import Library
from her.turn import ENVIRONMENT, Kind, Segment, Turn

PLAN, THOUGHT, ACTION, SPEECH = Kind

AUSTEN = """\
It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.

However little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is \
so well fixed in the minds of the surrounding families, that he is considered the rightful property of some one or \
other of their daughters.

“My dear Mr. Bennet,” said his lady to him one day, “have you heard that Netherfield Park is let at last?”

Mr. Bennet replied that he had not.

“But it is,” returned she; “for Mrs. Long has just been here, and she told me all about it.”

Mr. Bennet made no answer.

“Do you not want to know who has taken it?” cried his wife impatiently.

“You want to tell me, and I have no objection to hearing it.”

This was invitation enough.

“Why, my dear, you must know, Mrs. Long says that Netherfield is taken by a young man of large fortune from the north \
of England; that he came down on Monday in a chaise and four to see the place, and was so much delighted with it, \
that he agreed with Mr. Morris immediately.”

“What is his name?”

“Bingley.”

“Is he married or single?”

“Oh! single, my dear, to be sure! A single man of large fortune; four or five thousand a year. What a fine thing for \
our girls!”

“How so? How can it affect them?”"""

NIGHT = """\
雨下到第三天，渡口只剩一盏灯。

老周把缆绳又绕了一圈。“今晚没有船了。”他说。

女人没有坐下，她的伞尖在地上滴出一小圈水。“我可以等。”

灯晃了一下，江面上什么也看不见。

老周压低声音：“等的人，不一定从水上来。”"""


def spoken(text: str, *quotes: str) -> tuple[tuple[int, int], ...]:
    """The places of these words in the text."""
    return tuple((text.index(quote), text.index(quote) + len(quote)) for quote in quotes)


def turn(
    id: str,
    speaker: str,
    *parts: tuple[Kind, str],
    spans: Sequence[tuple[int, int]] = (),
    to: Iterable[str] | None = None,
) -> TurnRow:
    """A turn of a row."""
    segments = tuple(Segment(*part) for part in parts)
    return TurnRow.of(Turn(speaker, segments, None if to is None else frozenset(to), id), spans=tuple(spans))


def book(slug: str, title: str, author: str, language: str, text: str) -> Book:
    """A book of one chapter."""
    sha = hashlib.sha256(text.encode()).hexdigest()
    return Book(slug, title, author, language, text, (Chapter(1, "Chapter 1", 0, len(text)),), sha)


def source(of: Book, start: int = 0) -> Source:
    """Where a row of the whole book comes from."""
    return Source(
        book=of.title, author=of.author, slug=of.slug, sha=of.sha, chapter="Chapter 1", start=start, end=len(of.text)
    )


PRIDE = book("pride-and-prejudice", "Pride and Prejudice", "Jane Austen", "en", AUSTEN)
FERRY = book("the-ferry", "渡口", "", "zh", NIGHT)
STEPS = (
    Step(stage="scenes", prompts=("scenes/en@1f2e3d4c",), model="teacher", sampling={"seed": 7, "temperature": 0.7}),
    Step(stage="role-thinking", prompts=("role-thinking/en@5a6b7c8d",), model="teacher"),
    Step(stage="system-thinking", prompts=("draft/en@99aabbcc", "system-thinking/en@ddeeff00"), model="teacher"),
)


def _came() -> tuple[TurnRow, ...]:
    mr, mrs = "Mr. Bennet", "Mrs. Bennet"
    said = (
        (mrs, ("My dear Mr. Bennet,", "have you heard that Netherfield Park is let at last?")),
        (mr, ()),
        (mrs, ("But it is,", "for Mrs. Long has just been here, and she told me all about it.")),
        (mrs, ("Do you not want to know who has taken it?",)),
        (mr, ("You want to tell me, and I have no objection to hearing it.",)),
        (
            mrs,
            (
                "Why, my dear, you must know, Mrs. Long says that Netherfield is taken by a young man of large fortune "
                "from the north of England; that he came down on Monday in a chaise and four to see the place, and was "
                "so much delighted with it, that he agreed with Mr. Morris immediately.",
            ),
        ),
        (mr, ("What is his name?",)),
        (mrs, ("Bingley.",)),
        (mr, ("Is he married or single?",)),
        (
            mrs,
            (
                "Oh! single, my dear, to be sure! A single man of large fortune; four or five thousand a year. What a "
                "fine thing for our girls!",
            ),
        ),
        (mr, ("How so? How can it affect them?",)),
    )
    rows = []
    for number, (speaker, quotes) in enumerate(said, 1):
        part = (SPEECH, " ".join(quotes)) if quotes else (ACTION, "shakes his head: he has heard nothing of it")
        rows.append(turn(f"t{number:02}", speaker, part, spans=spoken(AUSTEN, *quotes)))
    return tuple(rows)


MINDS: dict[str, tuple[tuple[Kind, str], ...]] = {
    "t01": (
        (
            PLAN,
            "Mrs. Bennet has run home with the news and cannot hold it. She should come at it sideways, as if it were "
            "a question, because she needs her husband to ask; her joy must show in the haste of it, not in any word "
            "of hers about daughters. That stays unsaid for now.",
        ),
        (THOUGHT, "Five of them, and not one engaged. If he would only look up from that book."),
        (ACTION, "comes in with her bonnet still on"),
    ),
    "t02": (
        (
            PLAN,
            "He knows exactly what she is about, and the slowest road is the one that amuses him. Mr. Bennet gives her "
            "the least that politeness allows, so that she must go on by herself.",
        ),
        (THOUGHT, "I have been told it twice on the way from the stable, but she likes to be first."),
    ),
    "t04": (
        (PLAN, "Her patience lasts for one silence. Mrs. Bennet must break, and let him see that she does."),
        (ACTION, "puts her hand flat on the page in front of him"),
        (THOUGHT, "He does it on purpose. I know that he does it on purpose."),
    ),
    "t05": (
        (
            PLAN,
            "Mr. Bennet gives way, but as a favour, in a sentence with a bow in it. He is fond of her, and he is "
            "laughing; neither may be said.",
        ),
        (ACTION, "closes the book on one finger"),
    ),
    "t09": (
        (THOUGHT, "Now for it. She has him at the altar already, and the man has not yet unpacked."),
        (PLAN, "Mr. Bennet asks the one question she is waiting for, with a perfectly straight face."),
    ),
    "t10": (
        (THOUGHT, "Jane first. Jane must have the blue, and sit where the light is."),
        (ACTION, "sits down at last, quite out of breath"),
    ),
    "t11": (
        (PLAN, "He plays the innocent to the end: the longer he does not see it, the longer this lasts."),
        (ACTION, "looks from her to the ceiling, where three of the five can be heard"),
    ),
}


def pride_row() -> SceneRow:
    """The Bennets hear of Netherfield; eleven turns."""
    came = _came()
    made = []
    for row in came:
        added = sorted(MINDS.get(row.id, ()), key=lambda part: part[0] is not PLAN)
        parts = (*added, *((piece.kind, piece.text) for piece in row.segments))
        if row.id == "t10":
            parts = (added[0], *((piece.kind, piece.text) for piece in row.segments), added[1])
        made.append(turn(row.id, row.speaker, *parts, spans=row.spans))
    return SceneRow(
        id="pride-and-prejudice/1/3",
        title="Netherfield Park is let at last",
        source=source(PRIDE),
        setting="Longbourn, the library, late in the morning. Netherfield Park, the great house of the neighbourhood, "
        "has stood empty all summer. The Bennets have five daughters, and the estate will go to a cousin.",
        cast=(
            Character(
                name="Mrs. Bennet",
                profile="A woman of small patience and great hopes, whose business in life is to get her daughters "
                "married.",
                background="She was a beauty once, and has been told so often enough to remember it.",
                motivation="To have her husband call on the new tenant before any other father does.",
                opening_thought="Let him only ask me. Then I shall not have begun it.",
            ),
            Character(
                name="Mr. Bennet",
                profile="So odd a mixture of quick parts and reserve that three-and-twenty years have not been enough "
                "for his wife to understand him.",
                motivation="To be amused.",
            ),
        ),
        turns=tuple(made),
        original=came,
        lineage=STEPS,
        refused=(
            Refusal(
                stage="role-thinking",
                reason="mind-read",
                where="t04",
                detail="“he is enjoying himself”: states as a fact what Mr. Bennet has not shown",
            ),
            Refusal(
                stage="system-thinking",
                reason="foresight",
                where="t11",
                detail="the plan tells that he will visit Bingley, which comes only later",
            ),
            Refusal(
                stage="settings",
                reason="quote-not-found",
                where="Mr. Bennet",
                detail="“fond of the country” stands nowhere",
            ),
        ),
    )


def ferry_row() -> SceneRow:
    """Two people at a ferry by night, in Chinese; the last words are whispered."""
    woman = "撑伞的女人"
    came = (
        turn("t01", ENVIRONMENT, (SPEECH, "雨下到第三天，渡口只剩一盏灯。")),
        turn("t02", "老周", (SPEECH, "今晚没有船了。"), spans=spoken(NIGHT, "今晚没有船了。")),
        turn("t03", woman, (SPEECH, "我可以等。"), spans=spoken(NIGHT, "我可以等。")),
        turn(
            "t04",
            "老周",
            (SPEECH, "等的人，不一定从水上来。"),
            spans=spoken(NIGHT, "等的人，不一定从水上来。"),
            to=[woman],
        ),
    )
    minds: dict[str, tuple[tuple[Kind, str], ...]] = {
        "t02": (
            (PLAN, "老周认得这把伞，却不能先认。让他把话说短，把手上的活做长。"),
            (ACTION, "把缆绳又绕了一圈"),
            (THOUGHT, "她怎么偏偏今晚来。"),
        ),
        "t03": ((THOUGHT, "他没有问我等谁，那就是知道了。"), (ACTION, "没有坐下，伞尖在地上滴出一小圈水")),
        "t04": ((PLAN, "他终于让了一步，但只让半步：话要低，意思要让她自己去接。"), (ACTION, "看了一眼身后的门")),
    }
    made = []
    for row in came:
        parts = (*minds.get(row.id, ()), *((piece.kind, piece.text) for piece in row.segments))
        made.append(turn(row.id, row.speaker, *parts, spans=row.spans, to=row.heard_by))
    return SceneRow(
        id="the-ferry/1/1",
        title="渡口夜雨",
        language="zh",
        source=source(FERRY),
        setting="江边渡口，雨夜。最后一班船已经走了。",
        cast=(
            Character(name="老周", profile="摆渡三十年的船夫，话少。"),
            Character(name=woman, motivation="等一个人。"),
        ),
        turns=tuple(made),
        original=came,
        lineage=STEPS[:2],
        refused=(Refusal(stage="role-thinking", reason="near-duplicate", where="t03", detail="与 t02 的想法几乎相同"),),
    )


def report(stage: str, **counts: Any) -> Report:
    """A stage's report: two rows in, two kept."""
    plain: dict[str, Any] = {"rows_in": 2, "kept": 2, "repaired": 0, "dropped": 0, "rows_out": 2, "calls": 8}
    spent = {"prompt_tokens": 12_400, "completion_tokens": 3_100, "seconds": 81.5, "cost": 0.042, "model": "teacher"}
    none = dict.fromkeys(("from_journal", "repairs", "lengthened", "garbled", "uncounted"), 0)
    groups: dict[str, Any] = {name: {} for name in ("reasons", "refused", "faults", "retries")}
    shas = dict.fromkeys(("input_sha", "rows_sha", "dropped_sha"), "0" * 64)
    rest = {"stage": stage, "prompts": (), "rows_per_second": 0.02, "within": True}
    return Report.model_validate(plain | spent | none | groups | shas | rest | counts)


LOST = Quarantined(
    stage="role-thinking",
    id="pride-and-prejudice/1/40",
    number=3,
    reason="words-changed",
    detail="t02 no longer says what the novel says",
    refusals=(Refusal(stage="role-thinking", reason="schema", where="t01", detail="the answer was not JSON"),),
)


def rows_file(path: Path, rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (row.model_dump_json() if isinstance(row, BaseModel) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def make_run(folder: Path, rows: Sequence[SceneRow] | None = None) -> Path:
    """A whole run: five stages, of which two drop something, and samples."""
    rows = (pride_row(), ferry_row()) if rows is None else rows
    for of in (PRIDE, FERRY):
        Library(folder / "books").add(of)
    told = {
        "scenes": {"rows_in": 5, "kept": 2, "repaired": 1, "dropped": 2, "rows_out": 3, "reasons": {"length": 2}},
        "profiles": {"rows_in": 3, "kept": 2, "repaired": 1, "rows_out": 3},
        "role-thinking": {
            "rows_in": 3,
            "kept": 1,
            "repaired": 1,
            "dropped": 1,
            "reasons": {"words-changed": 1},
            "refused": {"mind-read": 1, "near-duplicate": 1},
            "faults": {"mind-read": 3, "near-duplicate": 1, "schema": 1},
        },
        "system-thinking": {"kept": 1, "repaired": 1, "refused": {"foresight": 1}},
        "settings": {"refused": {"quote-not-found": 1}},
    }
    for stage, counts in told.items():
        rows_file(folder / stage / "rows.jsonl", rows)
        (folder / stage / "report.json").write_text(report(stage, **counts).model_dump_json(), encoding="utf-8")
    rows_file(folder / "role-thinking" / "dropped.jsonl", [LOST])
    samples = {
        "seed": 7,
        "scenes_in": 2,
        "scenes": {"sft": 1, "test": 1},
        "kept_out": {},
        "turns": {"sft": {"all": 11, "with_plan": 6}, "test": {"all": 4, "with_plan": 2}},
        "rows": {"roleplay": {"train": 11}, "test": {"test": 4}},
        "contamination": {"tests": ["test_set.json"], "cases": 200, "with_book": 3, "scenes_kept_out": 0},
        "books": [
            {"title": "Pride and Prejudice", "purpose": "sft", "scenes": 1, "sha": PRIDE.sha},
            {"title": "渡口", "purpose": "test", "scenes": 1, "sha": FERRY.sha},
        ],
        "notes": [],
    }
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    (folder / "samples" / "report.json").write_text(json.dumps(samples), encoding="utf-8")
    options = {
        "model": "teacher",
        "seed": 7,
        "books": ["pride.txt"],
        "options": {"plan_words": [30, 90], "terse": False},
    }
    (folder / "run.json").write_text(json.dumps(options), encoding="utf-8")
    return folder
