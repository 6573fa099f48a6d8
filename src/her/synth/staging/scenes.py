"""The stage `scenes`: passages of a novel in, scenes with cast and dialogue out, each tied to its place in the book.

A teacher is shown a passage with its paragraphs and quotations numbered and says who speaks; the words themselves
are taken from the book. Knows what is asked, and what becomes of an answer that is only partly right. Refuses to
know the gates (`staging`) and how a scene's turns are cut (`turning`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from her.checks.units import primary, spaceless_share, units
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Ask, Call, Dropped, Rejected
from her.rows.record import SceneRow
from her.rows.run import Done
from her.scene import LANGUAGES
from her.synth.reading.library import Library
from her.synth.stage import Stage, named
from her.synth.staging.attribution import NOBODY, Form
from her.synth.staging.hints import likely_names, named_beside
from her.synth.staging.names import unify_names
from her.synth.staging.passages import Passage
from her.synth.staging.spoken import MARKS
from her.synth.staging.staged import STAGE, Bars, Page, Staged, staged
from her.turn import ENVIRONMENT

__all__ = ["Scenes", "unify_names"]

BEFORE_CHARS = 900
"""Text before the passage that a teacher sees, in characters: two or three paragraphs, ours."""
LETTERS_PER_TOKEN = 3.0
"""How much of a window a prompt is held to take: prose has 4, the marks in it have fewer, and scripts without spaces
have 1 at worst; ours."""
LEAST_ROOM = 0.25
"""Share of the longest answer that must have room; answers are seldom longer, and one that is gets asked again."""
SAMPLE_CHARS = 1_000
"""Enough of a passage to know its script."""

_NUMBERS = str.maketrans("⟨⟩", "‹›")
_CLOSES = re.compile(rf"\s?[{re.escape(MARKS)}]+")


@dataclass(frozen=True)
class Scenes(Stage[Passage, SceneRow]):
    """Finds the scenes of passages of the books in `library`; see `staging.Bars` for the other two."""

    name: ClassVar[str] = STAGE
    library: Path
    min_turns: int = 4
    most_unattributed: float = 0.25

    async def work(self, row: Passage, ask: Ask) -> Done[SceneRow]:
        """The scenes of a passage: none where nobody speaks in it, and none is asked for.

        Raises Dropped where the teacher's answer could not be read, Rejected never.
        """
        page = Page(library(self.library).book(row.slug), row)
        if not page.quotes:
            return Done(())
        reader = _Reader(page, self.form(page), Bars(self.min_turns, self.most_unattributed))
        try:
            made = await ask(self.call(page, reader.form, ask.model.context), reader)
        except Rejected as error:
            if reader.best is None:
                first = error.refusals[0]
                raise Dropped(first.reason, f"{first.where}: {first.detail}") from None
            made = reader.best
        step = self.step(ask, *self._texts(page))
        return Done(tuple(scene.model_copy(update={"lineage": (step,)}) for scene in made.rows), made.refused)

    def form(self, page: Page) -> Form:
        """The form in which the speakers of a passage are asked for; there must be some."""
        said = [list(group) for _, group in groupby(page.quotes, key=lambda quote: quote.paragraph_start)]
        spoken = {group[0].paragraph_start for group in said}
        numbers = [p.number for p in page.paragraphs if p.start in spoken or not self.options.terse]
        form = Form(
            first=numbers[0],
            last=numbers[-1],
            groups=[[quote.number for quote in group] for group in said],
            terse=self.options.terse,
            spaceless=spaceless_share(units(page.text[:SAMPLE_CHARS])) > 0.5,
        )
        names = likely_names(page.narration, page.text) if form.terse else ()
        if len(names) < 2:
            return form
        beside = {group[0].number: named_beside(page.book.text, group, names) for group in said}
        return replace(form, names=names, known={number: name for number, name in beside.items() if name})

    def call(self, page: Page, form: Form, context: int | None = None) -> Call:
        """What is asked about a passage; `context` is the teacher's window in tokens, None where it is unknown."""
        rules, case = self._texts(page)
        chinese = case.endswith("zh")
        fields = {"language": "中文" if chinese else LANGUAGES.get(primary(page.book.language), page.book.language)}
        if self.options.terse:
            fields |= {"nobody": NOBODY, "names": ("、" if chinese else ", ").join(form.names)}
        else:
            fields |= {"environment": ENVIRONMENT, "min_turns": str(self.min_turns)}
        messages = (Message("system", prompt(rules, **fields)), Message("user", self._case(page, case)))
        id = f"{self.name}/{page.passage.id}"
        return Call(
            id=id,
            messages=messages,
            sampling=self.sampling(id, _room(form, messages, context)),
            prompts=named(rules, case),
            schema=form.schema,
            language="zh" if chinese else "en",
        )

    def _texts(self, page: Page) -> tuple[str, str]:
        language = "zh" if primary(page.book.language) == "zh" else "en"
        return (f"scenes/terse-{language}" if self.options.terse else f"scenes/{language}", f"scenes/case-{language}")

    def _case(self, page: Page, text: str) -> str:
        book, passage = page.book, page.passage
        return prompt(
            text,
            book=book.title,
            author=book.author,
            chapter=page.chapter.title,
            before="" if self.options.terse else before(page),
            first=str(passage.first),
            last=str(passage.last),
            quotes=str(len(page.quotes)),
            passage=numbered(page),
        )


def numbered(page: Page) -> str:
    """The passage as a teacher sees it, each paragraph behind its number and each quotation before its own."""
    text, at, shown = page.book.text, page.passage.start, list[str]()
    marks = {quote.end: quote.number for quote in page.quotes}
    for paragraph in page.paragraphs:
        shown.append(f"\n\n[{paragraph.number}] ")
        at = paragraph.start
        for end in (end for end in marks if paragraph.start < end <= paragraph.end):
            closing = _CLOSES.match(text, end, paragraph.end)
            to = max(at, closing.end() if closing else end)
            shown += [text[at:to].translate(_NUMBERS), f"⟨{marks[end]}⟩"]
            at = to
        shown.append(text[at : paragraph.end].translate(_NUMBERS))
    return "".join(shown).strip()


def before(page: Page) -> str:
    """The last paragraphs before the passage, in its chapter, of at most BEFORE_CHARS characters."""
    start, end = page.chapter.start, page.passage.start
    text = page.book.text[max(start, end - BEFORE_CHARS) : end].strip()
    if end - start <= BEFORE_CHARS:
        return text
    _, border, whole = text.partition("\n\n")
    return whole.strip() if border else f"… {text}"


class _Reader:
    """Reads answers about one passage, and keeps the best: the one of which most turns stand."""

    def __init__(self, page: Page, form: Form, bars: Bars) -> None:
        self.page, self.form, self.bars = page, form, bars
        self.best: Staged | None = None

    def __call__(self, data: Any) -> Staged:
        made = staged(self.page, self.form.read(data), self.bars)
        if self.best is None or made.num_turns > self.best.num_turns:
            self.best = made
        if made.mendable:
            raise Rejected(*made.mendable)
        return made


def _room(form: Form, messages: tuple[Message, ...], context: int | None) -> int:
    """Tokens for the answer: what the longest one needs, or what a small window leaves."""
    if context is None:
        return form.max_tokens
    letters = sum(len(message.content) for message in messages)
    left = context - int(letters / (1.0 if form.spaceless else LETTERS_PER_TOKEN))
    return min(form.max_tokens, max(left, int(form.max_tokens * LEAST_ROOM)))


@lru_cache(maxsize=4)
def library(folder: Path) -> Library:
    """The library in a folder, one a process, so that its books are read once."""
    return Library(folder)
