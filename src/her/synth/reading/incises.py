"""Speech that a dash opens, and the narrator's words inside it: `—Hola —dijo Juan—. ¿Qué tal?`.

Knows how Spanish, French and Russian print such dialogue. Refuses to know quotation marks (`quotes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DASH = re.compile(r"(?:—|–|―|--|-(?=[ \w]))\s*(?=[^\s\-–—―])")
"""What stands at the start of a paragraph that is somebody's turn."""

_VERBS = (
    # The verbs with which narrators interrupt, in the forms of a tale: French; Spanish and Portuguese; Italian.
    "dit dis disait disais répondit répond répondait demanda demande demandait cria criait écria écriait exclama fit "
    "faisait reprit reprenait murmura murmurait ajouta ajoutait répliqua répliquait continua poursuivit pensa songea "
    "interrompit observa insista balbutia bégaya soupira hurla gronda grommela chuchota souffla lança déclara assura "
    "conclut expliqua remarqua répéta riposta protesta gémit "
    "dijo dice respondió contestó preguntó exclamó gritó murmuró añadió replicó repuso "
    "disse respondeu perguntou exclamou gritou murmurou continuou acrescentou replicou "
    "rispose chiese esclamò gridò mormorò aggiunse riprese soggiunse domandò replicò"
)
_SAYS = "(?:" + "|".join(_VERBS.split()) + ")"
_PRONOUNS = r"(?:(?:me|te|lui|leur|nous|vous|se|en|y|le|la|les|lo|gli) |[mtsl]['’]){0,2}"
_FRENCH = re.compile(
    rf"(?<=[,!?…])\s{_PRONOUNS}{_SAYS}"
    r"(?:-(?:t-)?(?:il|elle|ils|elles|on|je)\b|\s(?=[A-ZÀ-Ý]|(?:le|la|les|mon|ma|son|sa|un|une|notre|ce|cette)\s|l['’]))"
    r"[^,.!?…»”\"—]*(?:[,.!?…]+|$)"
)
"""A verb of saying after a mark, with its subject behind it, up to the next mark: `, dit-il en riant,`."""
_SPACED = re.compile(rf"(?<=[,.!?…:»])\s[—–-]\s|\s[—–-]\s(?={_PRONOUNS}{_SAYS}\b)")
_GLUED_OPENS = re.compile(r"(?<=\s)[—–](?=[^\s—–])")
_GLUED_CLOSES = re.compile(r"(?<=\S)[—–](?=[\s.,;:!?…»]|$)")


def told(text: str) -> bool:
    """Whether narrators interrupt here in the French way, by a verb between two marks and no dash."""
    return _FRENCH.search(text) is not None


def between(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans of a quotation that are spoken, without French incises."""
    at = start
    for found in _FRENCH.finditer(text, start, end):
        yield at, found.start()
        at = found.end()
    yield at, end


def spoken(text: str, start: int, end: int, *, by_verb: bool) -> Iterator[tuple[int, int]]:
    """The spoken spans of a turn, `start` behind the dash that opens it; `by_verb` where incises are French."""
    if by_verb:
        yield from between(text, start, end)
    elif text[start - 1].isspace():
        yield from _every_other(text, start, end)
    else:
        yield from _without_glued(text, start, end)


def _every_other(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Russian, Polish, Portuguese: speech and narration take turns at dashes with spaces around them."""
    at, aloud = start, True
    for found in _SPACED.finditer(text, start, end):
        if aloud:
            yield at, found.start()
        at, aloud = found.end(), not aloud
    if aloud:
        yield at, end


def _without_glued(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spanish: a narrator's words have a dash stuck to their first word, and one to their last if speech goes on."""
    at = start
    while opens := _GLUED_OPENS.search(text, at, end):
        yield at, opens.start()
        closes = _GLUED_CLOSES.search(text, opens.end(), end)
        if closes is None:
            return
        at = closes.end()
    yield at, end
