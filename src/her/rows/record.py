"""The rows that training data is made of: scenes with their turns, where they come from, and what made them.

Knows what a row must hold and how it becomes a Scene and a Dialogue. Refuses to know which stage fills what.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from her.scene import Character, Name, Scene
from her.turn import ENVIRONMENT, Dialogue, Kind, Segment, Turn


class Record(BaseModel):
    """Anything that is written into a row: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Record):
    """Where a row comes from. `start` and `end` are characters of the book's normalised text; None without a text."""

    book: str = Field(description="The book's title.")
    author: str = ""
    slug: str = Field(default="", description="The book's name in file names and ids, such as pride-and-prejudice.")
    sha: str = Field(default="", description="sha256 of the normalised text, or of the file that was imported.")
    chapter: str = Field(default="", description="The chapter as the book calls it.")
    start: int | None = None
    end: int | None = None
    plot: int | None = Field(default=None, description="CoSER's i_p.")
    conversation: int | None = Field(default=None, description="CoSER's i_c.")


class Step(Record):
    """One stage that a row went through: what was asked of whom, so that it can be asked again."""

    stage: str
    prompts: tuple[str, ...] = Field(default=(), description="Prompt texts, name@hash.")
    model: str = ""
    sampling: dict[str, Any] = Field(default_factory=dict)


class Refusal(Record):
    """Something that a gate did not let through. `reason` is a short word to count by."""

    stage: str
    reason: str
    where: str = Field(default="", description="A turn's id, a field, a name.")
    detail: str = Field(default="", description="One line for people.")


class Evidence(Record):
    """A sentence that was added to a field, and the words of the book that support it, with their place in its text."""

    field: str
    name: str = Field(default="", description="Whose field it is; empty for the setting.")
    text: str
    quote: str = Field(description="As it stands in the book.")
    start: int
    end: int


class Piece(Record):
    """One segment of a turn; `text` carries no marks."""

    kind: Kind
    text: str


class TurnRow(Record):
    """A turn as a row holds it. `spans` are the places of its spoken words in the book's normalised text."""

    id: str = Field(min_length=1)
    speaker: Name
    segments: tuple[Piece, ...]
    heard_by: tuple[str, ...] | None = Field(default=None, description="None: everyone in the scene.")
    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, turn: Turn, *, spans: tuple[tuple[int, int], ...] = ()) -> TurnRow:
        """The row of a turn."""
        pieces = tuple(Piece(kind=segment.kind, text=segment.text) for segment in turn.segments)
        heard_by = None if turn.heard_by is None else tuple(sorted(turn.heard_by))
        return cls(id=turn.id, speaker=turn.speaker, segments=pieces, heard_by=heard_by, spans=spans)

    @property
    def turn(self) -> Turn:
        """The turn of the row."""
        heard_by = None if self.heard_by is None else frozenset(self.heard_by)
        return Turn(self.speaker, tuple(Segment(p.kind, p.text) for p in self.segments), heard_by, self.id)

    def playing(self, turn: Turn) -> TurnRow:
        """The same row with another turn's segments; id, speaker and spans stay."""
        return TurnRow.of(turn, spans=self.spans).model_copy(update={"id": self.id, "speaker": self.speaker})


class SceneRow(Record):
    """A scene and all its turns, with plans and thoughts as far as they have been made.

    `original` keeps the turns as they came in where a stage has changed them. `refused` is what gates kept out on
    the way, stage by stage; `evidence` is what supports each sentence that was added to a field.
    """

    id: str = Field(min_length=1)
    title: str
    language: str = "en"
    source: Source
    setting: str = ""
    cast: tuple[Character, ...] = Field(min_length=1)
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Other names in the text, by name.")
    turns: tuple[TurnRow, ...] = Field(min_length=1)
    original: tuple[TurnRow, ...] = ()
    lineage: tuple[Step, ...] = ()
    refused: tuple[Refusal, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> SceneRow:
        ids = [turn.id for turn in self.turns]
        if twice := next((id for id in ids if ids.count(id) > 1), None):
            raise ValueError(f"turns: the id {twice!r} stands twice; a turn is known by its id alone")
        names = {character.name for character in self.cast} | {ENVIRONMENT}
        if stranger := next((turn for turn in self.turns if turn.speaker not in names), None):
            raise ValueError(f"turn {stranger.id!r}: nobody in the cast is called {stranger.speaker!r}")
        return self

    @property
    def scene(self) -> Scene:
        """The scene before it is played. Raises a ValidationError where the row has no setting yet."""
        return Scene(
            id=self.id,
            title=self.title,
            book=self.source.book,
            author=self.source.author,
            language=self.language,
            setting=self.setting,
            cast=self.cast,
        )

    @property
    def dialogue(self) -> Dialogue:
        """All turns, plans and thoughts included; give minds what `seen_by` leaves."""
        return Dialogue(frozenset(character.name for character in self.cast), tuple(turn.turn for turn in self.turns))
