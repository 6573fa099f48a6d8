"""The rows of HER's released dataset: a plot with its text, one conversation, and what teachers have made of both.

Knows the fields of its configs `full_info` and `clean`, with and without completed settings. Refuses to know what is
done with a case (`coser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from pydantic import AliasChoices, Field

from her.coser import Case, Found, Line, found


class ReleasedLine(Line):
    """A turn as CoSER had it, as it was tagged by rule, and as a teacher rewrote it, with the plan for it."""

    message: str = ""
    standard_format: str = ""
    enhanced: str = Field("", validation_alias=AliasChoices("enhanced_standard_format", "enhanced_speech"))
    plan: str = Field("", validation_alias=AliasChoices("sys_thinking_revised", "sys_thinking"))


class ReleasedCase(Case):
    """A conversation of such turns."""

    dialogues: tuple[ReleasedLine, ...] = ()


def is_row(data: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether decoded JSON is a row of the dataset."""
    return isinstance(data, Mapping) and isinstance(data.get("conversation"), list)


def conversations(row: Mapping[str, Any], where: str) -> Iterator[Found]:
    """The conversations of a row, with completed settings where it has them.

    Numbers are CoSER's `i_p` and `i_c`; the row's own indices count after empty plots were taken out, and serve only
    where those are missing. Not read is `background`, which is the plot's summary and tells how the scene ends, and
    `experience`, likewise.
    """
    people = row.get("character_datasets")
    sheets = {name: sheet for name, sheet in people.items() if _is_map(sheet)} if _is_map(people) else {}
    known = {
        "plot": {**row, "key_characters": _with(row.get("key_characters"), sheets, "description")},
        "character_profiles": {name: _best(sheet, "character_profile") for name, sheet in sheets.items()},
    }
    plot, first = _number(row.get("plot_index")), _number(row.get("conv_index"))
    for at, raw in enumerate(row["conversation"]):
        talk = raw
        if _is_map(raw):
            title = str(row.get("book_name") or "").replace("_", " ").strip()
            wants = _with(raw.get("key_characters"), sheets, "motivation")
            talk = {**raw, "book": title, "scenario": _best(raw, "scenario"), "key_characters": wants}
        place = f"{where}: conversation[{at}]"
        yield found(talk, place, "untitled", (plot, first + at), model=ReleasedCase, **known)


def _is_map(data: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(data, Mapping)


def _number(data: Any) -> int:
    return data if isinstance(data, int) else 0


def _best(fields: Mapping[str, Any], name: str) -> str:
    return str(fields.get(f"{name}_enriched") or fields.get(name) or "")


def _with(people: Any, sheets: Mapping[str, Mapping[str, Any]], name: str) -> list[Any]:
    """The people with what their sheets say better."""
    listed = list(people) if isinstance(people, list | tuple) else []
    return [
        {**one, name: _best(sheets.get(str(one.get("name")), {}), name) or one.get(name) or ""} if _is_map(one) else one
        for one in listed
    ]
