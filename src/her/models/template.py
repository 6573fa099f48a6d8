"""Chat templates kept apart from what people write, so that nobody can type a control token.

Where the tokenizer can be told what counts, a template sees marks in place of contents: a name of a control token
stays the characters it is, while ordinary contents are tokenised together with the template, as training rows are.
Where it cannot, such names are known by their look, and cut in two or written in look-alikes.
Knows how control tokens are named; refuses to know what a text means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from her.errors import ModelError
from her.models.base import Message

_MARK = "\ue000{}\ue001"  # private use: no content that a person writes holds it
_MARKS = re.compile("\ue000(\\d+)\ue001")

CUT = "\ufdd0"
"""What `cut` puts into names: one of the characters that Unicode keeps for the inside of programs."""
_NAMES = re.compile(
    r"""<[|｜][^<>‹›\s]{0,64}> | <[^<>‹›\s]{0,64}[|｜]>  # <|im_end|>, <｜User｜>, <|channel>, <channel|>
    | \[\|[^\[\]⟦⟧\s]{0,64}\|\]                       # [|endofturn|]
    | </?(?i: s | bo[st] | eo[acdhpst] | sop | pad | unk | mask | sep | cls | (?:start|end)_of_\w{1,20} | \w{1,20}_token
        | seed:\w{1,20} | (?:unused|reserved_|extra_id_)\d{1,6} )>     # </s>, <end_of_turn>, <BOS_TOKEN>, <unused7>
    | \[/?(?: INST | SYSTEM_PROMPT | AVAILABLE_TOOLS | TOOL_(?:CALLS|RESULTS|CONTENT) | IMG | [gs]?MASK | CLS | SEP
        | PAD | UNK | BOS | EO[ST] )\]                # [/INST], [gMASK]
    | \[e~\[ | \]~!?b[\[\]]                          # MiniMax's: the end of a turn, its beginning
    """,
    re.VERBOSE,
)
"""Names of control tokens as chat models have them. None is an ordinary tag such as `<think>` or `<b>`, which our own
prompts may hold."""
_LOOK_ALIKES = str.maketrans("<>[]|｜", "‹›⟦⟧¦¦")


class Tokenizer(Protocol):
    """How a text becomes ids."""

    def __call__(self, text: str, *, control: bool, first: bool = False) -> Sequence[int]:
        """Ids of a text; `control`: names of control tokens count as such; `first`: it begins the prompt."""


def marked(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages with a mark for each content, its outer white space kept, since templates may trim it."""
    return [{"role": message.role, "content": _mark(i, message.content)} for i, message in enumerate(messages)]


def _mark(place: int, content: str) -> str:
    lead = content[: len(content) - len(content.lstrip())]
    trail = content[len(content.rstrip()) :] if content.strip() else ""
    return lead + _MARK.format(place) + trail


def prompt_ids(
    rendered: str, messages: Sequence[Message], tokenize: Tokenizer, *, address: str
) -> tuple[list[int], str]:
    """Ids of what the template made of marked messages, and the text of the last stretch tokenised in one go.

    Contents that hold the name of a control token are tokenised by themselves.
    Raises ModelError for a template that leaves out or repeats messages.
    """
    parts = _MARKS.split(rendered)
    if sorted(parts[1::2]) != sorted(str(i) for i in range(len(messages))):
        raise ModelError(f"the chat template of {address} leaves out or repeats messages: take another model")
    ids: list[int] = []
    run = parts[0]
    for place, following in zip(parts[1::2], parts[2::2], strict=True):
        content = messages[int(place)].content.strip()
        if tokenize(content, control=True) == tokenize(content, control=False):
            run += content + following
        else:
            ids += [*tokenize(run, control=True, first=not ids), *tokenize(content, control=False)]
            run = following
    return [*ids, *tokenize(run, control=True, first=not ids)], run


def cut(text: str) -> str:
    """The text with a CUT inside of every name of a control token: what stands between two of them holds none."""
    return _NAMES.sub(lambda found: re.sub(r"[<\[\]]", rf"\g<0>{CUT}", found[0]), text)


def disarmed(text: str) -> str:
    """The text, as long as it was, with every name of a control token in look-alikes: `‹¦im_end¦›`, `⟦INST⟧`."""
    return _NAMES.sub(lambda found: look_alike(found[0]), text)


def look_alike(name: str) -> str:
    """A name or a tag, as long as it was, in characters that no tokenizer reads as one."""
    return name.translate(_LOOK_ALIKES)
