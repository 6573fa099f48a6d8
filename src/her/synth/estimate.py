"""What a run is likely to ask and to cost, before anything is asked: every figure here is an estimate.

Knows how often each stage asks, and what questions and answers usually measure. The calls of `scenes` are counted on
the books themselves, and so are those about scenes that are there already; scenes that are still in a book are taken
to be as many and as long as its spoken paragraphs suggest. Refuses to know repairs, retries and any tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from her.checks.units import CHARACTERS_PER_WORD, SPACELESS
from her.rows.record import SceneRow
from her.rows.report import Price
from her.synth.reading.book import Book
from her.synth.stage import StageOptions
from her.synth.staging.passages import passages
from her.synth.staging.scenes import Scenes
from her.synth.staging.staged import Page
from her.turn import ENVIRONMENT

LETTERS_PER_TOKEN = 4.0
"""Characters of a script with spaces that make a token; of one without, CHARACTERS_PER_WORD do."""
SCENES_PER_PASSAGE = 1.4
TURNS_PER_PARAGRAPH = 0.75
CAST_PER_SCENE = 3.2
"""Scenes that a passage with speech holds, turns that a paragraph with speech becomes, and people who speak in a
scene. CoSER has 13.2 turns a conversation in the release's own count (docs/sources.md); the rest is ours."""

RULES = {"setting": 500, "profile": 600, "role-thinking": 1_100, "draft": 700, "system-thinking": 900, "settings": 900}
"""Tokens of a question without what it is about."""
ANSWER = {"setting": 120, "profile": 260, "role-thinking": 90, "draft": 220, "settings": 380}
"""Tokens of a usual answer; a plan's follow from `plan_words`. A model that reasons first is asked without reasoning,
or costs more."""
SCENE_ANSWER = 200
LINE_ANSWER = 17
"""Tokens of the answer about a passage: cast, scenes and deeds together, and one line for each quotation."""
TERSE_ANSWER = 20
TERSE_LINE = 8
"""The same for the terse form, with one line for each paragraph that speaks."""
TERSE_SHARE = 0.4
"""How much of a usual answer is left with `terse`; ours, as all of these are."""
ABOUT = 450
"""Tokens about a scene in each question of a turn: setting, own profile, the others'."""
GROWTH = 2.2
"""How much longer a dialogue is with minds and actions written in (docs/sources.md: 50 to 200 characters a turn)."""
TOKENS_PER_WORD = 1.35
"""English prose under today's tokenizers."""

_SPACELESS = re.compile(f"[{SPACELESS}]")


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What one stage is likely to ask: `rows` come in; `cost` is None without a price."""

    stage: str
    rows: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is likely to ask, stage by stage."""

    stages: tuple[StageEstimate, ...]

    @property
    def total(self) -> StageEstimate:
        """All stages together; `rows` are those of the first."""
        costs = [stage.cost for stage in self.stages if stage.cost is not None]
        return StageEstimate(
            stage="total",
            rows=self.stages[0].rows if self.stages else 0,
            calls=sum(stage.calls for stage in self.stages),
            prompt_tokens=sum(stage.prompt_tokens for stage in self.stages),
            completion_tokens=sum(stage.completion_tokens for stage in self.stages),
            cost=sum(costs) if costs else None,
        )


@dataclass(slots=True)
class _Sum:
    """A stage's figures while they are added up; parts of calls are allowed."""

    rows: float = 0
    calls: float = 0
    prompt: float = 0
    completion: float = 0

    def ask(self, times: float, prompt: float, completion: float) -> None:
        self.calls += times
        self.prompt += times * prompt
        self.completion += times * completion

    def stage(self, name: str, price: Price | None) -> StageEstimate:
        cost = None if price is None else (self.prompt * price.input + self.completion * price.output) / 1e6
        return StageEstimate(name, ceil(self.rows), ceil(self.calls), ceil(self.prompt), ceil(self.completion), cost)


@dataclass(frozen=True, slots=True)
class _Size:
    """Scenes of one sort: `times` of them, each with so many turns, people, and tokens of dialogue."""

    times: float
    turns: float
    cast: float
    said: float


def estimate(
    books: Iterable[Book],
    rows: Iterable[SceneRow],
    options: StageOptions,
    *,
    chapters: Collection[int] | None = None,
    price: Price | None = None,
) -> Estimate:
    """What the stages will ask about these books and about these scenes, which are there already.

    `chapters` of the books are read, all for None. Scenes are counted, and not held in memory.
    """
    scenes = _Sum()
    later = {name: _Sum() for name in ("profiles", "role-thinking", "system-thinking", "settings")}
    for book in books:
        for size in _in_book(book, options, chapters, scenes):
            _add(later, size, options)
    for row in rows:
        _add(later, _in_row(row), options)
    sums = {"scenes": scenes, **later} if scenes.rows else later
    return Estimate(tuple(total.stage(name, price) for name, total in sums.items()))


def num_tokens(text: str) -> float:
    """Tokens of a text, by its script."""
    spaceless = len(_SPACELESS.findall(text))
    return spaceless / CHARACTERS_PER_WORD + (len(text) - spaceless) / LETTERS_PER_TOKEN


def _in_book(book: Book, options: StageOptions, chapters: Collection[int] | None, scenes: _Sum) -> Iterator[_Size]:
    """The scenes that a book is likely to hold; what finding them asks is added to `scenes`."""
    stage = Scenes(options, Path())
    for passage in passages(book, options.passage_chars, chapters):
        scenes.rows += 1
        page = Page(book, passage)
        if not page.quotes:
            continue
        form = stage.form(page)
        prompt = sum(num_tokens(message.content) for message in stage.call(page, form).messages)
        lines = TERSE_ANSWER + TERSE_LINE * len(form.groups)
        scenes.ask(1, prompt, lines if options.terse else SCENE_ANSWER + LINE_ANSWER * len(page.quotes))
        said = sum(num_tokens(quote.text) for quote in page.quotes)
        turns = TURNS_PER_PARAGRAPH * len(form.groups)
        times = 1 if options.terse else SCENES_PER_PASSAGE
        yield _Size(times, turns / times, CAST_PER_SCENE, said / times)


def _in_row(row: SceneRow) -> _Size:
    spoken = [turn for turn in row.turns if turn.speaker != ENVIRONMENT]
    said = sum(num_tokens(piece.text) for turn in row.turns for piece in turn.segments)
    return _Size(1, len(spoken), len(row.cast), said)


def _add(later: dict[str, _Sum], size: _Size, options: StageOptions) -> None:
    """Adds what is asked about scenes of this size; a turn has half of the dialogue before it."""
    share = TERSE_SHARE if options.terse else 1.0
    evidence, before = options.evidence_chars / LETTERS_PER_TOKEN, size.said / 2
    lived = ABOUT + before * GROWTH
    plan = sum(options.plan_words) / 2 * TOKENS_PER_WORD
    turns, people = size.times * size.turns, size.times * size.cast
    for total in later.values():
        total.rows += size.times
    later["profiles"].ask(size.times, RULES["setting"] + evidence, ANSWER["setting"] * share)
    later["profiles"].ask(people, RULES["profile"] + evidence, ANSWER["profile"] * share)
    later["role-thinking"].ask(turns, RULES["role-thinking"] + lived, ANSWER["role-thinking"] * share)
    later["system-thinking"].ask(turns, RULES["draft"] + lived, ANSWER["draft"] * share)
    later["system-thinking"].ask(turns, RULES["system-thinking"] + lived + ANSWER["draft"] * share, plan)
    known = ABOUT + size.said * GROWTH
    later["settings"].ask(people, RULES["settings"] + evidence + known, ANSWER["settings"] * share)
