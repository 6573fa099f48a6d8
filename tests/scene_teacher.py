"""A scripted teacher for `scenes`: a function of the prompt alone, which finds names behind `said` and takes turns."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from her.models.base import Message
from her.models.recorded import Scripted

_SAYS = "said|cried|replied|returned|answered|added|continued|asked|exclaimed|observed"
_NAME = r"(?:(?:Mr|Mrs|Miss|Lady|Sir|Colonel|Dr)\b\.? )?[A-Z][a-z]+"
_SAID = re.compile(rf"(?:{_SAYS}) ({_NAME})|({_NAME}) (?:{_SAYS})\b")
_SAID_ZH = re.compile(r"([\u4e00-\u9fff]{2})(?:说|道|问|答)")
_PARAGRAPH = re.compile(r"^\[(\d+)\] (.*?)(?=\n\n\[\d+\] |\n\nGive the JSON|\n\n请给出|\Z)", re.MULTILINE | re.DOTALL)
_STRANGERS = {"en": ("a gentleman", "a lady"), "zh": ("一个男人", "一个女人")}
_NO_NAMES = {"He", "She", "They", "It", "I", "You", "The", "But", "And", "We", "Mr", "Mrs", "Miss"}


def attribution(messages: Sequence[Message], prefill: str = "") -> str:
    """The full answer: one scene over the whole passage, the two who are named most taking turns by paragraph."""
    paragraphs = _paragraphs(messages)
    first, second = two_speakers(messages)
    lines, speaker = [], second
    for _, text in paragraphs:
        numbers = [int(number) for number in re.findall(r"⟨(\d+)⟩", text)]
        if numbers:
            named = next((name for name in (first, second) if name in _named(text)), None)
            speaker = named or (second if speaker == first else first)
        lines += [{"quote": number, "speaker": speaker} for number in numbers]
    scene = {"first": paragraphs[0][0], "last": paragraphs[-1][0], "title": "A conversation"}
    cast = [{"name": first, "aliases": []}, {"name": second, "aliases": []}]
    empty: dict[str, list[object]] = {"deeds": [], "whispers": [], "letters": [], "skipped": []}
    return json.dumps({"cast": cast, "scenes": [scene], "lines": lines, **empty}, ensure_ascii=False)


def terse_attribution(messages: Sequence[Message], prefill: str = "") -> str:
    """The terse answer, with the same speakers."""
    said = json.loads(attribution(messages))
    speakers = {str(line["quote"]): line["speaker"] for line in said["lines"]}
    return json.dumps({"title": "A conversation", "speakers": speakers}, ensure_ascii=False)


def scene_teacher(*, terse: bool = False) -> Scripted:
    """The teacher as a model that honours a schema."""
    model = Scripted(terse_attribution if terse else attribution, address="scripted-scenes")
    model.constrains = True
    return model


def two_speakers(messages: Sequence[Message]) -> tuple[str, str]:
    """The two names that stand beside verbs of saying most often; strangers where there are fewer."""
    text = "\n".join(text for _, text in _paragraphs(messages))
    found = _named(text)
    names = sorted(dict.fromkeys(found), key=lambda name: (-found.count(name), found.index(name)))
    strangers = _STRANGERS["zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"]
    first, second, *_ = [*names, *strangers]
    return first, second


def _named(text: str) -> list[str]:
    narrated = re.sub(r"[\"“][^\"”]*[\"”]", " ", text)
    found = [one or two for one, two in _SAID.findall(narrated)] + _SAID_ZH.findall(narrated)
    return [name for name in found if name not in _NO_NAMES]


def _paragraphs(messages: Sequence[Message]) -> list[tuple[int, str]]:
    return [(int(number), text) for number, text in _PARAGRAPH.findall(messages[-1].content)]
