"""TwinVoice (2025), its narrative part: which of four lines a character of a novel says.

Knows the files `dim3_choices.jsonl` and `dim3_profiles.jsonl`. Refuses to show a line that comes at or after the one
that is asked for: the profiles hold it, and everything after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from her.bench.figures import Figure
from her.bench.minds.answers import words
from her.bench.minds.cases import ACCURACY, READABLE, Case, Question, Sort, lettered
from her.bench.minds.source import Place, Row, json_lines, json_of
from her.errors import InputError
from her.prompts import prompt

PLACE = Place("twinvoice", "dim3_choices.jsonl", "https://github.com/TwinVoice/TwinBench")
PROFILES = "dim3_profiles.jsonl"
MOST_LINES = 30
"""Lines of the past that are shown; the set's own script shows as many."""
MOST_TRAITS, MOST_GOALS, MOST_DETAILS = 8, 8, 6
"""How much of a profile is shown, as in the set's own script."""
FIGURES = (
    ACCURACY,
    READABLE,
    Figure("without-past", "right, where the character has said nothing yet"),
    Figure("given-away", "right, where the text before the line holds the line itself", better="neither"),
)
_LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a character, and its place in the novel."""

    chunk: int
    text: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a character; `lines` are all that the profile holds, later ones too."""

    name: str
    traits: tuple[str, ...]
    goals: tuple[str, ...]
    details: tuple[str, ...]
    lines: tuple[Line, ...]


def load(path: Path) -> list[Case]:
    """A case for each row; the profiles lie beside it. Raises InputError and StorageError."""
    beside = path.with_name(PROFILES)
    if not beside.is_file():
        raise InputError(f"{beside} is not there; the lines of {path.name} are asked with the profiles beside them")
    profiles = read_profiles(beside)
    return [_case(row, number, profiles) for number, row in enumerate(json_lines(path), 1)]


def read_profiles(path: Path) -> dict[str, Profile]:
    """The profiles of a file by name. Raises InputError and StorageError."""
    whole = Row(str(path), _object(json_of(path), path)).row("characterList")
    profiles = [_profile(whole.row(key)) for key in whole.fields]
    return {profile.name: profile for profile in profiles}


def earlier(lines: Sequence[Line], chunk: int) -> list[str]:
    """The last lines that come before a place, oldest first, at most MOST_LINES."""
    before = sorted((line for line in lines if line.chunk < chunk), key=lambda line: line.chunk)
    return [line.text for line in before[-MOST_LINES:]]


def chunk_of(row: Row) -> int:
    """The place of a row in its novel; compared as a number, since as text '9' comes after '10'."""
    written = row.text("chunk_id")
    return int(written) if written.isascii() and written.isdigit() else row.wrong("chunk_id", "is no number")


def _object(value: object, path: Path) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: an object with 'characterList' should stand here; fetch the file again")
    return value


def _profile(row: Row) -> Profile:
    details = row.row("Additional Details")
    told = []
    for name, value in details.fields.items():
        listed = ", ".join(details.texts(name)) if isinstance(value, list) else details.text(name)
        if listed:
            told.append(f"{name.lower()}: {listed}")
    return Profile(
        row.text("NameCanonical"),
        row.texts("Personality Traits")[:MOST_TRAITS],
        row.texts("Motivation and Goals")[:MOST_GOALS],
        tuple(told[:MOST_DETAILS]),
        tuple(Line(chunk_of(one), one.text("utterance")) for one in row.rows("UtteranceHistory")),
    )


def _case(row: Row, number: int, profiles: Mapping[str, Profile]) -> Case:
    profile = profiles.get(row.text("speaker_match_key"))
    if profile is None:
        row.wrong("speaker_match_key", "is nobody in the profiles")
    choice = row.row("mcq")
    options = choice.row("options")
    if tuple(options.fields) != _LETTERS:
        choice.wrong("options", "are not four with the letters A to D")
    right = choice.text("answer")
    said = options.text(right) if right in _LETTERS else choice.wrong("answer", "is none of A to D")
    if said != row.text("utterance"):
        choice.wrong("answer", "is not the option that holds the utterance")
    past = earlier(profile.lines, chunk_of(row))
    context = row.text("context")
    text = prompt(
        "bench-twinvoice/en",
        speaker=row.text("speaker"),
        traits=", ".join(profile.traits),
        goals=", ".join(profile.goals),
        details="; ".join(profile.details),
        earlier="\n".join(f"- {line}" for line in past),
        context=context,
        options=lettered([options.text(letter) for letter in _LETTERS]),
    )
    given = " ".join(words(said)) in " ".join(words(context))
    marks = ("without-past",) * (not past) + ("given-away",) * given
    id = f"line-{number:04}"
    question = Question(id, text, Sort.LETTER, (right,), num_options=4, marks=marks)
    novel = row.text("source_novel")
    return Case(id, f"{novel}/{profile.name}", (question,), {"novel": novel, "past": len(past)})
