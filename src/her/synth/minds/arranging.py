"""Which layouts a turn could have, which of them are asked for, and how varied they came out.

Knows orders of kinds and how often each was used. Refuses to know what is thought or done. Layouts are steered by
asking: what was used least in the scene is asked for first, so a teacher's habit does not become the data's.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from typing import Any

from her.checks import Layouts, layouts, length, longest_run, slop_rate
from her.rows.record import SceneRow
from her.synth.gates import LAYOUT_RUN
from her.synth.minds.lived import line_schema
from her.synth.minds.pieces import CALLED
from her.turn import ENVIRONMENT, Kind, Turn

Slot = int | Kind
"""A place in a turn: the number of a kept piece, or the kind of something new."""

MOST_NEW = 2
"""New thoughts and actions that are asked for in one turn, at most; a teacher may write more. Ours."""
MOST_WAYS = 12
"""Arrangements that one layout has in a schema; where there are more, they are picked evenly. Ours."""
_NEW = (Kind.ROLE_THINKING, Kind.ROLE_ACTION)
_MIND = CALLED[Kind.ROLE_THINKING]
_EFFORT = 0.6
"""How much a further new segment weighs against one more use of a layout; ours."""
_MINDLESS_SHARE = 0.3
"""Share of a scene's turns without a thought, above which only layouts with one are asked for; ours."""


def ways(kinds: Sequence[Kind], most_new: int = MOST_NEW) -> dict[str, list[tuple[Slot, ...]]]:
    """Every layout that pieces of these kinds can have with at most so many new segments, and the arrangements that
    give it; the pieces stay in order, and nothing new stands beside its own kind."""
    found: dict[str, list[tuple[Slot, ...]]] = {}
    for num_new in range(most_new + 1):
        for gaps in combinations([gap for gap in range(len(kinds) + 1) for _ in range(2)], num_new):
            if any(gaps.count(gap) > 2 for gap in gaps):
                continue
            for new in product(_NEW, repeat=num_new):
                slots = _placed(kinds, gaps, new)
                if slots is not None and slots not in (known := found.setdefault(layout_of(slots, kinds), [])):
                    known.append(slots)
    return {layout: _even(arranged) for layout, arranged in found.items()}


def layout_of(slots: Sequence[Slot], kinds: Sequence[Kind]) -> str:
    """The layout of an arrangement, as `Turn.layout` names it."""
    names = [CALLED[_kind(slot, kinds)] for slot in slots]
    return "-".join(name for at, name in enumerate(names) if at == 0 or names[at - 1] != name)


def wanted(possible: Iterable[str], as_is: str, earlier: Sequence[str], key: str, most: int) -> tuple[str, ...]:
    """The layouts to ask for, least used first, at most so many; never one that would be there too often in a row.

    `earlier` are the layouts of the scene's turns before this one, `as_is` is the turn's own, `key` names the turn and
    decides between equals. Where several are asked for, one of them has a thought; where many turns before had none,
    all have. Empty only where nothing is possible but what may not come again.
    """
    used, again = Counter(earlier), forbidden(earlier)
    ranked = sorted(
        (layout for layout in possible if layout != again),
        key=lambda layout: (used[layout] + _EFFORT * _added(layout, as_is) + _chance(key, layout), layout),
    )
    minded = [layout for layout in ranked if _MIND in layout]
    mindless = sum(_MIND not in layout for layout in earlier)
    if minded and mindless > _MINDLESS_SHARE * len(earlier):
        return tuple(minded[:most])
    chosen = ranked[:most]
    if most > 1 and minded and not set(chosen) & set(minded):
        chosen[-1] = minded[0]
    return tuple(chosen)


def forbidden(earlier: Sequence[str]) -> str | None:
    """The layout that must not come again, since the last turns all have it; None where there is none."""
    last = earlier[-LAYOUT_RUN:]
    return last[0] if len(last) == LAYOUT_RUN and len(set(last)) == 1 else None


def earlier_layouts(turns: Iterable[Turn]) -> list[str]:
    """The layouts of characters' turns, in order."""
    return [turn.layout for turn in turns if turn.speaker != ENVIRONMENT and turn.layout]


def answer_schema(
    arrangements: Sequence[tuple[Slot, ...]],
    kinds: Sequence[Kind],
    chars: Mapping[Kind, int],
    relabels: Mapping[int, str],
) -> dict[str, Any]:
    """The JSON schema of an answer that has one of these arrangements; `chars` bounds what is new, by kind, and
    `relabels` says what a piece may also be kept as.

    Every piece is kept by its number and in its place, but that a thought may be replaced; so a model that is held to
    it cannot lose or move a word.
    """

    defs: dict[str, Any] = {}
    for kind in _NEW:
        defs[CALLED[kind]] = _object(**{CALLED[kind]: line_schema(chars[kind], deed=kind is Kind.ROLE_ACTION)})
    for number, kind in enumerate(kinds, 1):
        either = [_object(keep={"const": number})]
        if number in relabels:
            either.append(_object(keep={"const": number}, **{"as": {"const": relabels[number]}}))
        if kind is Kind.ROLE_THINKING:
            either.append(_named("thought"))
        defs[f"piece{number}"] = either[0] if len(either) == 1 else {"anyOf": either}
    lists = [
        {
            "type": "array",
            "prefixItems": [_named(CALLED[slot] if isinstance(slot, Kind) else f"piece{slot}") for slot in slots],
            "items": False,
            "minItems": len(slots),
            "maxItems": len(slots),
        }
        for slots in arrangements
    ]
    return {**_object(parts=lists[0] if len(lists) == 1 else {"anyOf": lists}), "$defs": defs}


@dataclass(frozen=True, slots=True)
class Variety:
    """The layouts of scenes before and after minds were written in.

    `longest_runs` are the longest of any one scene, before and after. `slop` is the rate of stock phrases in thoughts
    and actions now, per 1000 words; None where there are none or no list knows the language.
    """

    before: Layouts
    after: Layouts
    longest_runs: tuple[int, int]
    slop: float | None


def variety(rows: Iterable[SceneRow]) -> Variety:
    """How varied the layouts of characters' turns were (`SceneRow.original`) and are, over all rows."""
    lived: tuple[list[Turn], list[Turn]] = [], []
    runs = [0, 0]
    hits = words = 0.0
    for row in rows:
        for which, turns in enumerate((row.original or row.turns, row.turns)):
            spoken = [turn.turn for turn in turns if turn.speaker != ENVIRONMENT]
            runs[which] = max(runs[which], longest_run(spoken))
            lived[which].extend(spoken)
        inner = "\n".join(text for turn in row.turns for kind in _NEW if (text := turn.turn.text_of(kind)))
        if (rate := slop_rate(inner, row.language)) is not None:
            hits, words = hits + rate * length(inner).units, words + length(inner).units
    slop = hits / words if words else None
    return Variety(layouts(lived[0]), layouts(lived[1]), (runs[0], runs[1]), slop)


def _placed(kinds: Sequence[Kind], gaps: Sequence[int], new: Sequence[Kind]) -> tuple[Slot, ...] | None:
    """The arrangement, or None where something new would stand beside its own kind."""
    slots: list[Slot] = []
    for at in range(len(kinds) + 1):
        slots += [kind for gap, kind in zip(gaps, new, strict=True) if gap == at]
        slots += [at + 1] if at < len(kinds) else []
    for left, right in pairwise(slots):
        if (isinstance(left, Kind) or isinstance(right, Kind)) and _kind(left, kinds) is _kind(right, kinds):
            return None
    return tuple(slots)


def _kind(slot: Slot, kinds: Sequence[Kind]) -> Kind:
    return slot if isinstance(slot, Kind) else kinds[slot - 1]


def _even(arranged: list[tuple[Slot, ...]]) -> list[tuple[Slot, ...]]:
    count = len(arranged)
    return arranged if count <= MOST_WAYS else [arranged[at * count // MOST_WAYS] for at in range(MOST_WAYS)]


def _added(layout: str, as_is: str) -> int:
    return max(layout.count("-") - as_is.count("-"), 0)


def _chance(key: str, layout: str) -> float:
    """A number in 0..1 that is always the same for this turn and layout."""
    return int.from_bytes(hashlib.sha256(f"{key} {layout}".encode()).digest()[:4], "big") / 2**32


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}


def _named(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}
