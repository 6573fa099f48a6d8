"""From who-says-what to scenes: exact words from their places, and the gates that an answer has to pass.

Knows the book's text, the numbers of paragraphs and quotations, and what a scene must be. Refuses to know how the
answer was asked for. Nothing that a teacher wrote becomes speech: it only points at places in the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from her.rows.record import Refusal, SceneRow, Source, TurnRow
from her.scene import Character
from her.synth.reading.book import Book, Chapter, Paragraph
from her.synth.reading.quotes import Quote, quotes
from her.synth.reasons import Reason
from her.synth.staging.attribution import SKIPS, TITLE_CHARS, Attribution, Deed, Letter, Line, Skip, Whisper, Why
from her.synth.staging.casting import casting
from her.synth.staging.deeds import Told, narration, tidy, told
from her.synth.staging.passages import Passage
from her.synth.staging.spoken import words_at
from her.synth.staging.turning import Event, turns
from her.turn import ENVIRONMENT

STAGE = "scenes"
"""What refusals are counted under."""


@dataclass(frozen=True, slots=True)
class Bars:
    """What a scene must have: its fewest turns, and the share of its quotations that may have no speaker."""

    min_turns: int
    most_unattributed: float


@dataclass(frozen=True)
class Page:
    """A passage as it is shown and read: its book, chapter, paragraphs and quotations, with their numbers."""

    book: Book
    passage: Passage

    @cached_property
    def chapter(self) -> Chapter:
        """The chapter."""
        return next(chapter for chapter in self.book.chapters if chapter.number == self.passage.chapter)

    @cached_property
    def paragraphs(self) -> tuple[Paragraph, ...]:
        """The passage's paragraphs with the chapter's numbers."""
        here = Chapter(self.passage.chapter, "", self.passage.start, self.passage.end)
        before = self.passage.first - 1
        return tuple(Paragraph(p.number + before, p.start, p.end) for p in self.book.paragraphs(here))

    @cached_property
    def quotes(self) -> tuple[Quote, ...]:
        """What stands in quotation marks, with its numbers."""
        return tuple(quotes(self.book.text, self.passage.start, self.passage.end))

    @property
    def text(self) -> str:
        """All of the passage."""
        return self.book.text[self.passage.start : self.passage.end]

    @property
    def narration(self) -> str:
        """The passage with spaces in the place of what is said."""
        spans = [(quote.start, quote.end) for quote in self.quotes]
        return narration(self.book.text, (self.passage.start, self.passage.end), spans)

    def paragraph(self, number: int) -> Paragraph | None:
        """The paragraph of that number; None where it is not in the passage."""
        at = number - self.passage.first
        return self.paragraphs[at] if 0 <= at < len(self.paragraphs) else None


@dataclass(frozen=True, slots=True)
class Staged:
    """What came of an answer: scenes that stand, and everything that was refused.

    `mendable` are the refusals that cost a line or a scene and that asking again may mend.
    """

    rows: tuple[SceneRow, ...]
    refused: tuple[Refusal, ...]
    mendable: tuple[Refusal, ...]

    @property
    def num_turns(self) -> int:
        """Turns of all scenes."""
        return sum(len(row.turns) for row in self.rows)


def staged(page: Page, answer: Attribution, bars: Bars) -> Staged:
    """The scenes that an answer tells of, as far as they stand; one that does not is refused, and no other."""
    return _Staging(page, answer, bars).result()


@dataclass(slots=True)
class _Scene:
    """A scene that is being put together: paragraphs `first` to `last`, characters `start` to `end`."""

    first: int
    last: int
    start: int
    end: int
    title: str
    events: list[Event] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"paragraphs {self.first}-{self.last}"


class _Staging:
    """One answer on its way to rows; every refusal is kept with its scene, or without one."""

    def __init__(self, page: Page, answer: Attribution, bars: Bars) -> None:
        self.page, self.answer, self.bars = page, answer, bars
        self.text = page.book.text
        self.cast = casting(answer.cast, self.text, page.passage.start, page.passage.end)
        self.quotes = {quote.number: quote for quote in page.quotes}
        self.placed: dict[int, str] = {}
        self.skipped: set[int] = set()
        self.listed = {line.quote for line in answer.lines} | {skip.quote for skip in answer.skipped}
        self.refused: list[Refusal] = []
        self.mendable: list[Refusal] = []
        self.scenes = self._scenes()

    def result(self) -> Staged:
        for name, reason in self.cast.strangers:
            self._refuse(reason, f"cast: {name}", "nobody is called so up to here; use a name that the text has used")
        for letter in self.answer.letters:
            self._letter(letter)
        self._lines(self.answer.lines, self.answer.whispers)
        for skip in self.answer.skipped:
            self._skip(skip)
        for deed in self.answer.deeds:
            self._deed(deed)
        rows = [row for scene in self.scenes if (row := self._row(scene))]
        return Staged(tuple(rows), tuple(self.refused), tuple(self.mendable))

    def _refuse(
        self, reason: str, where: str, detail: str, scene: _Scene | None = None, *, mendable: bool = True
    ) -> None:
        refusal = Refusal(stage=STAGE, reason=reason, where=where, detail=detail)
        self.refused.append(refusal)
        if scene is not None:
            scene.refused.append(refusal)
        if mendable:
            self.mendable.append(refusal)

    def _scenes(self) -> list[_Scene]:
        scenes: list[_Scene] = []
        for stretch in self.answer.scenes:
            first, last = self.page.paragraph(stretch.first), self.page.paragraph(stretch.last)
            where = f"paragraphs {stretch.first}-{stretch.last}"
            if first is None or last is None or first.number > last.number:
                here = f"{self.page.passage.first} to {self.page.passage.last}"
                self._refuse(Why.SPAN, where, f"is no stretch of the passage, whose paragraphs are {here}")
            elif any(first.start < scene.end and scene.start < last.end for scene in scenes):
                self._refuse(Why.OVERLAP, where, "runs into another scene; scenes may not overlap")
            else:
                scenes.append(_Scene(first.number, last.number, first.start, last.end, stretch.title))
        return sorted(scenes, key=lambda scene: scene.start)

    def _scene_of(self, start: int, end: int) -> _Scene | None:
        """The scene that holds these characters."""
        return next((scene for scene in self.scenes if scene.start <= start and end <= scene.end), None)

    def _speaker(self, name: str, where: str, scene: _Scene) -> str | None:
        """The person of that name; a refusal and None where there is none who can speak."""
        who = self.cast.who(name)
        if who is None:
            self._refuse(Reason.UNKNOWN_NAME, where, f"{name!r} is nobody in the cast", scene)
        elif who == ENVIRONMENT:
            self._refuse(Reason.UNNAMED, where, f"{ENVIRONMENT} says nothing; describe who speaks", scene)
            who = None
        return who

    def _letter(self, letter: Letter) -> None:
        where = f"letter: paragraphs {letter.first}-{letter.last}"
        first, last = self.page.paragraph(letter.first), self.page.paragraph(letter.last)
        scene = self._scene_of(first.start, last.end) if first and last and first.number <= last.number else None
        if first is None or last is None or scene is None:
            self._refuse(Why.OUTSIDE, where, "does not lie in a scene", mendable=False)
        elif any(first.start <= event.at <= last.end for event in scene.events):
            self._refuse(Why.TWICE, where, "has been read aloud", scene, mendable=False)
        elif reader := self._speaker(letter.reader, where, scene):
            inside = [n for n, quote in self.quotes.items() if first.start <= quote.start and quote.end <= last.end]
            self.placed |= dict.fromkeys(inside, reader)
            scene.events.append(Event(first.start, reader, words_at(self.text, first.start, last.end)))

    def _lines(self, lines: Sequence[Line], whispers: Sequence[Whisper]) -> None:
        heard = {number: whisper.heard_by for whisper in whispers for number in whisper.quotes}
        last = 0
        for line in lines:
            where, quote = f"quote {line.quote}", self.quotes.get(line.quote)
            if quote is None:
                self._refuse(Reason.QUOTE_NOT_FOUND, where, "there is no quotation of this number")
                continue
            scene = self._scene_of(quote.start, quote.end)
            if line.quote in self.placed:
                another = self.placed[line.quote] != self.cast.who(line.speaker)
                self._refuse(Why.TWICE, where, "has a line, or is part of a letter", scene, mendable=another)
            elif line.quote < last:
                self._refuse(Why.ORDER, where, f"comes after quote {last}; keep the order of the book", scene)
            elif scene is None:
                self._refuse(Why.OUTSIDE, where, "does not lie in a scene", mendable=False)
            elif speaker := self._speaker(line.speaker, where, scene):
                last = line.quote
                self._line(quote, speaker, heard.get(line.quote), scene)

    def _line(self, quote: Quote, speaker: str, hearers: Sequence[str] | None, scene: _Scene) -> None:
        heard_by = None
        if hearers is not None:
            heard_by = frozenset(who for name in hearers if (who := self.cast.who(name))) - {speaker, ENVIRONMENT}
            if not heard_by:
                # A whisper to nobody known is left out: open to all it would reach people who do not hear it.
                names = ", ".join(hearers)
                self._refuse(Reason.UNKNOWN_NAME, f"quote {quote.number}", f"is whispered to {names}", scene)
                return
        for number in self._going_on(quote.number):
            said = self.quotes[number]
            self.placed[number] = speaker
            scene.events.append(Event(said.start, speaker, ((said.start, said.end),), heard_by=heard_by))

    def _going_on(self, number: int) -> Iterator[int]:
        """The quotation, and those with which its speaker goes on in the next paragraphs, unless they have a line."""
        yield number
        while (number := number + 1) in self.quotes and self.quotes[number].continued:
            if number in self.listed or not self._scene_of(self.quotes[number].start, self.quotes[number].end):
                return
            yield number

    def _skip(self, skip: Skip) -> None:
        quote = self.quotes.get(skip.quote)
        if quote is None or skip.quote in self.placed or skip.why not in SKIPS[:-1]:
            return  # what is unclear is a gap like any other
        self.skipped.add(skip.quote)
        if scene := self._scene_of(quote.start, quote.end):
            self._refuse(Why(skip.why), f"quote {skip.quote}", "is not said aloud here", scene, mendable=False)

    def _deed(self, deed: Deed) -> None:
        paragraph, who = self.page.paragraph(deed.paragraph), self.cast.who(deed.actor)
        scene = self._scene_of(paragraph.start, paragraph.end) if paragraph else None
        where = f"deed in paragraph {deed.paragraph}"
        if paragraph is None or scene is None:
            self._refuse(Why.OUTSIDE, where, "does not lie in a scene", mendable=False)
            return
        if who is None:
            self._refuse(Reason.UNKNOWN_NAME, where, f"{deed.actor!r} is nobody in the cast", scene, mendable=False)
            return
        words = deed.deed.strip()
        if who != ENVIRONMENT:
            words = tidy(words, (who, deed.actor, *self.cast.aliases(who)))
        here = [q for q in self.page.quotes if q.start < paragraph.end and paragraph.start < q.end]
        said = told(
            words,
            self.text,
            (paragraph.start, paragraph.end),
            [(quote.start, quote.end) for quote in here],
            language=self.page.book.language,
            says=any(self.placed.get(quote.number) == who for quote in here),
        )
        if isinstance(said, Told):
            scene.events.append(Event(said.at, who, deed=said.deed))
        else:
            self._refuse(said, where, f"the paragraph does not tell it so: {deed.deed}", scene, mendable=False)

    def _held_up(self, number: int) -> bool:
        """Whether a quotation without a line is none: the teacher says so, or it looks like a title."""
        return number in self.skipped or self.quotes[number].inline

    def _row(self, scene: _Scene) -> SceneRow | None:
        """The scene's row; a refusal and None where it cannot stand."""
        inside = [n for n, quote in self.quotes.items() if scene.start <= quote.start and quote.end <= scene.end]
        to_say = [number for number in inside if number in self.placed or not self._held_up(number)]
        open_ = [number for number in to_say if number not in self.placed]
        if open_:
            detail = f"{len(open_)} of {len(to_say)} quotations have no speaker: {', '.join(map(str, open_[:20]))}"
            too_many = len(open_) > self.bars.most_unattributed * len(to_say)
            self._refuse(Why.UNATTRIBUTED, scene.where, detail, scene, mendable=too_many)
            if too_many:
                return None
        made = turns(self.text, scene.events)
        voices = list(dict.fromkeys(turn.speaker for turn in made if turn.spans))
        if len(voices) < 2:
            only = voices[0] if voices else "nobody"
            self._refuse(Why.ONE_VOICE, scene.where, f"only {only} speaks", scene, mendable=False)
        elif len(made) < self.bars.min_turns:
            least = self.bars.min_turns
            self._refuse(
                Why.FEW_TURNS, scene.where, f"has {len(made)} turns; {least} are needed", scene, mendable=False
            )
        else:
            return self._written(scene, made)
        return None

    def _written(self, scene: _Scene, made: tuple[TurnRow, ...]) -> SceneRow:
        book, chapter = self.page.book, self.page.chapter
        there = dict.fromkeys(name for turn in made for name in (turn.speaker, *(turn.heard_by or ())))
        names = [name for name in there if name != ENVIRONMENT]
        return SceneRow(
            id=f"{book.slug}/{chapter.number}/{scene.first}",
            title=scene.title[:TITLE_CHARS].strip(" .。") or chapter.title or book.title,
            language=book.language,
            source=Source(
                book=book.title,
                author=book.author,
                slug=book.slug,
                sha=book.sha,
                chapter=chapter.title,
                start=scene.start,
                end=scene.end,
                plot=None,
                conversation=None,
            ),
            cast=tuple(Character.model_validate({"name": name}) for name in names),
            aliases={name: others for name in names if (others := self.cast.aliases(name))},
            turns=made,
            refused=tuple(scene.refused),
        )
