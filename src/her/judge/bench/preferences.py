"""Preference files, ours and others', as pairs; what could not be read is counted with its reason.

Knows Pair rows and the shapes of JudgeBench, RewardBench 1 and 2, RoleRMBench, and of pairs of message lists
(docs/sources.md), as JSON, JSON lines or Parquet. Refuses to guess: a row without an answer is skipped, and a scene is
no more than what the messages say.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from her.checks import language_of
from her.errors import InputError, MissingExtra, StorageError
from her.judge.pairs import Pair, Setting
from her.judge.verdict import Winner
from her.markup import parse
from her.rows.record import TurnRow
from her.scene import Character, Scene, slug
from her.turn import ENVIRONMENT, Kind, Turn

ANSWERS, ASKS = "Assistant", "User"
"""What the two are called where a file knows them by their roles alone."""
_ROLES = {
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatbot", "character"), ANSWERS),
    **dict.fromkeys(("user", "human", "prompter"), ASKS),
    **dict.fromkeys(("system", "developer"), ENVIRONMENT),
}
_UNTOLD = {
    "en": "A conversation of which nothing more is known.",
    "zh": "一段对话，此外一无所知。",
}
LONGEST_SAMPLE = 4_000
"""Characters by which the language of a conversation is told."""

Row = Mapping[str, Any]
Messages = Sequence[tuple[str, str]]
"""Speaker and text."""


class _Names(NamedTuple):
    source: str
    subset: str


class _Unfit(Exception):
    """A row that makes no pair; its message is the reason to count by."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file held: its shape, how many rows, the pairs made of them (a row of several answers makes several),
    rows skipped by reason, and how many candidates are shorter when they are read as a turn (`cut`), because they go
    on as somebody else or hold a plan."""

    path: str
    shape: str
    rows: int
    pairs: tuple[Pair, ...]
    skipped: Mapping[str, int]
    cut: int = 0


def read_pairs(path: Path) -> Read:
    """The pairs of a file. Raises StorageError where it cannot be read, InputError where it is no such file or holds
    no pair, MissingExtra for Parquet without its extra."""
    pairs: list[Pair] = []
    skipped: Counter[str] = Counter()
    shape, number, source = "", 0, slug(path.stem)
    for number, row in enumerate(_rows(path), 1):
        if not isinstance(row, dict):
            skipped["not an object"] += 1
            continue
        shape = shape or _shape(row, path)
        try:
            if not _KEYS[shape] <= row.keys():
                raise _Unfit("not in the shape of the rows before")
            pairs += _READERS[shape](row, f"{source}/{number}", source)
        except _Unfit as unfit:
            skipped[str(unfit)] += 1
    if not pairs:
        raise InputError(f"{path}: none of its {number} rows makes a pair ({_told(skipped) or 'it is empty'})")
    cut = sum(_shortened(pair, text) for pair in pairs for text in (pair.first, pair.second))
    return Read(str(path), shape, number, tuple(pairs), dict(skipped.most_common()), cut)


def setting(messages: Messages, source: str, title: str = "") -> Setting:
    """Where an answer to these messages stands: what comes from the system before anybody speaks is the setting, and
    nothing is made up."""
    begin = next((at for at, (name, _) in enumerate(messages) if name != ENVIRONMENT), len(messages))
    told = "\n\n".join(text for _, text in messages[:begin])
    sample = " ".join(text for _, text in messages)[-LONGEST_SAMPLE:]
    language = language_of(sample) or "en"
    digest = hashlib.sha256(json.dumps(list(messages)).encode()).hexdigest()
    scene = Scene(
        id=f"{source}/{digest[:16]}",
        title=title or source,
        language=language,
        setting=told if told.strip() else _UNTOLD["zh" if language == "zh" else "en"],
        cast=(Character(name=ANSWERS), Character(name=ASKS)),
    )
    turns = []
    for number, (name, text) in enumerate(messages[begin:], 1):
        read = parse(text, speaker=name).turn.without(Kind.SYSTEM_THINKING)
        turns.append(TurnRow.of(Turn(name, read.segments, id=f"message/{number}")))
    return Setting(scene=scene, speaker=ANSWERS, turns=tuple(turns))


# Files.


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        yield from _parquet(path)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); name a file of pairs") from error
    if text.lstrip().startswith("["):
        yield from _json(text, str(path))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _json(line, f"{path}, line {number}")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: no JSON ({error}); pairs come as JSON, JSON lines or Parquet") from None


def _parquet(path: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("reading Parquet", "synth") from error
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path} cannot be read as Parquet ({error})") from error


def _shape(row: Row, path: Path) -> str:
    found = next((shape for shape, keys in _KEYS.items() if keys <= row.keys()), None)
    if found is None:
        known = "; ".join(f"{shape}: {', '.join(sorted(keys))}" for shape, keys in _KEYS.items())
        raise InputError(f"{path}: rows with {', '.join(sorted(row)) or 'no keys'} are not known; known are {known}")
    return found


def _told(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in skipped.items())


def _shortened(pair: Pair, text: str) -> bool:
    """Whether reading a candidate as a turn takes letters from it."""
    kept = sum(len("".join(one.text.split())) for one in pair.case.read(text).turn.segments)
    bare = parse(text).turn  # marks are no letters
    return kept < sum(len("".join(one.text.split())) for one in bare.segments)


# Shapes: each reader gives the pairs of one row.


def _ours(row: Row, id: str, source: str) -> list[Pair]:
    try:
        pair = Pair.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _Unfit(f"{'.'.join(map(str, first['loc'])) or 'row'}: {first['msg']}") from None
    if pair.better is None:
        raise _Unfit("no answer")
    return [pair]


def _judgebench(row: Row, id: str, source: str) -> list[Pair]:
    better = {"A>B": Winner.FIRST, "B>A": Winner.SECOND}.get(str(row["label"]).replace(" ", ""))
    if better is None:
        raise _Unfit("no answer")
    names = _names(source, row.get("source"))
    at = setting([(ASKS, _text(row["question"]))], source, names.subset)
    return [_pair(id, at, (row["response_A"], row["response_B"]), better, names)]


def _rolerm(row: Row, id: str, source: str) -> list[Pair]:
    names = _names(source, row.get("subset"))
    at = setting(_messages(row["context_messages"]), source, names.subset)
    return [_preferred(id, at, (row["preferred_response"], row["dispreferred_response"]), names)]


def _chosen(row: Row, id: str, source: str) -> list[Pair]:
    """RewardBench 1 (two texts) and 2 (lists of texts), and pairs of message lists, which share their beginning."""
    good, bad = row["chosen"], row["rejected"]
    asked = row.get("prompt")
    names = _names(source, row.get("subset"))
    if _is_messages(good) and _is_messages(bad):
        first, second = _messages(good), _messages(bad)
        if first[:-1] != second[:-1] or first[-1][0] != ANSWERS:
            raise _Unfit("the two differ before the last message")
        at = setting(first[:-1] or _messages(asked), source, names.subset)
        return [_preferred(id, at, (first[-1][1], second[-1][1]), names)]
    at = setting(_messages(asked), source, names.subset)
    if not isinstance(good, list | tuple) or not isinstance(bad, list | tuple):
        return [_preferred(id, at, (good, bad), names)]
    if not good or not bad:
        raise _Unfit("an answer is missing")
    most = max(len(good), len(bad))
    pairs = [
        _preferred(f"{id}/{nth + 1}", at, (good[nth % len(good)], bad[nth % len(bad)]), names) for nth in range(most)
    ]
    ties = itertools.pairwise(good)  # several right answers are as good as each other
    return pairs + [_pair(f"{id}/tie/{nth}", at, both, Winner.TIE, names) for nth, both in enumerate(ties, 1)]


def _preferred(id: str, at: Setting, both: tuple[Any, Any], names: _Names) -> Pair:
    """The pair with the better one on a side that the id has drawn."""
    first = hashlib.sha256(id.encode()).digest()[0] % 2 == 0
    return _pair(id, at, both if first else both[::-1], Winner.FIRST if first else Winner.SECOND, names)


def _pair(id: str, at: Setting, both: tuple[Any, Any], better: Winner, names: _Names) -> Pair:
    first, second = (_text(one) for one in both)
    if first == second and better is not Winner.TIE:
        raise _Unfit("both answers are the same")
    return Pair(id=id, at=at, first=first, second=second, better=better, source=names.source, subset=names.subset)


def _names(source: str, subset: object) -> _Names:
    return _Names(source, _whole(str(subset or "")).strip())


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        value = "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    if not isinstance(value, str) or not value.strip():
        raise _Unfit("an answer or message is missing")
    return _whole(value)


def _whole(text: str) -> str:
    """The text as one that can be written down: halves of characters, which JSON may hold, are put together."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_messages(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, dict) for one in value)


def _messages(value: object) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(ASKS, _text(value))]
    if not isinstance(value, list | tuple):
        raise _Unfit("no messages")
    found = []
    for one in value:
        role = str(one.get("role", one.get("from", ""))) if isinstance(one, dict) else ""
        name = _ROLES.get(role.lower())
        if name is None:
            raise _Unfit(f"a message of the role {role[:20]!r}")
        text = one.get("content", one.get("value"))
        if text:  # an empty message says nothing
            found.append((name, _text(text)))
    return found


_Reader = Callable[[Row, str, str], list[Pair]]
_KEYS: dict[str, frozenset[str]] = {
    "pairs": frozenset({"id", "at", "first", "second"}),
    "RoleRMBench": frozenset({"context_messages", "preferred_response", "dispreferred_response"}),
    "JudgeBench": frozenset({"question", "response_A", "response_B", "label"}),
    "RewardBench": frozenset({"prompt", "chosen", "rejected"}),
    "messages": frozenset({"chosen", "rejected"}),
}
_READERS: dict[str, _Reader] = {
    "pairs": _ours,
    "RoleRMBench": _rolerm,
    "JudgeBench": _judgebench,
    "RewardBench": _chosen,
    "messages": _chosen,
}
