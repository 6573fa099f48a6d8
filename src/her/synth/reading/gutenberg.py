"""What Project Gutenberg and its volunteers put around a book, in all the spellings of fifty years.

Knows where a book begins and ends in such a file, and what its header says of it. Refuses to know the book.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from her.scene import LANGUAGES

_START = re.compile(
    r"^[ \t]*\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG(?:[^*]{0,300}\*{3}.*|.*)$"
    r"|^[ \t]*\*END ?\*?\s?THE SMALL PRINT!.*(?:\n.*\*END\*.*)?$"
    r"|^[ \t]*\*\*\* ?(?:BEGIN|START)[: ]+(?:FULL )?TEXT.*$",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    r"^[ \t]*\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG"
    r"|^[ \t]*\**[ \t]*(?:The )?(?:End|Ende|Fin|Fine|Fim|Einde)\b[^\n]{0,20} Proje[ck]t Gutenberg"
    r"|^[ \t]*\*{3} ?END: FULL LICENSE",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(r"^(Title|Author|Language): *(\S.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_FIRST_LINE = re.compile(
    r"^\W*(?:The |This is the )?Project Gutenberg(?:'s|’s)?(?: (?:E-?text|EBook))?(?: of| presents)? (?!Licen[sc]e)"
    r"(?P<title>[^\n]{2,100}?)(?:,? by (?P<author>[^\n]{2,60}?))?[ *#\d\[\].]*$",
    re.IGNORECASE | re.MULTILINE,
)
_CREDITS = re.compile(
    r"\W*(?:produced by|e-?(?:text|book) (?:was )?(?:prepared|produced|scanned)|this e-?(?:text|book) (?:was|is)\b"
    r"|transcribed (?:from|by)|prepared by|html version|scanned (?:and|by)|proofread by|updated editions?"
    r"|(?:page )?images? (?:generously|of the original)|note: (?:project|images|there is)|this file (?:was|should)"
    r"|credits:|transcriber.?s.?.? note|distributed proofread|illustrated html|redactor|most recently updated"
    r"|character set encoding|release date|\[?(?:most )?recent(?:ly)? updated)",
    re.IGNORECASE,
)
_NOTES_AT_END = re.compile(r"\W*transcriber.?s.?.? (?:end)?notes?\b", re.IGNORECASE)
_HEAD = 80_000
"""Characters within which a header ends; the longest that was seen, with the old small print twice, has 25,000."""
_FRONT_BLOCKS, _BACK_SHARE = 14, 0.9
_CODES = {name.casefold(): code for code, name in LANGUAGES.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """What a header says; empty where it says nothing. `language` is an ISO 639-1 code."""

    title: str = ""
    author: str = ""
    language: str = ""


def unframe(text: str) -> tuple[str, Frame]:
    """The text between header and footer without credits and transcribers' notes, and what the header said.

    A text from elsewhere comes back as it is.
    """
    starts = list(_START.finditer(text, 0, min(_HEAD, len(text))))
    start = starts[-1].end() if starts else 0
    end = _END.search(text, max(start, len(text) // 3 if not starts else start))
    if not starts and not end:
        return text, Frame()
    body = text[start : end.start() if end else len(text)]
    return _without_credits(body), _frame(text[: start or 4000])


def is_start(text: str) -> bool:
    """Whether a paragraph is the line behind which a book begins."""
    return _START.match(text) is not None


def is_end(text: str) -> bool:
    """Whether a paragraph is the line before which a book ends."""
    return _END.match(text) is not None


def is_credit(text: str) -> bool:
    """Whether a paragraph tells of those who made the file."""
    return _CREDITS.match(text) is not None


def _frame(header: str) -> Frame:
    fields = {found[1].casefold(): " ".join(found[2].split()) for found in _FIELD.finditer(header)}
    first = _FIRST_LINE.search(header)
    title = fields.get("title") or (first["title"] if first else "")
    author = fields.get("author") or (first["author"] or "" if first else "")
    language = _CODES.get(fields.get("language", "").split(",")[0].split(" ")[0].casefold(), "")
    return Frame(title.strip(" ,;*"), "" if author.casefold() in {"anonymous", "various"} else author, language)


def _without_credits(body: str) -> str:
    blocks = re.split(r"\n(?:[ \t]*\n)+", body.strip("\n"))
    front = [block for block in blocks[:_FRONT_BLOCKS] if not is_credit(block)]
    blocks = front + blocks[_FRONT_BLOCKS:]
    notes = next((at for at in range(len(blocks) - 1, -1, -1) if _NOTES_AT_END.match(blocks[at])), None)
    if notes is not None and sum(map(len, blocks[:notes])) > _BACK_SHARE * len(body):
        blocks = blocks[:notes]
    return "\n\n".join(blocks)
