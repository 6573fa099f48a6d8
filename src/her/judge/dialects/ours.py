"""Our own dialect: negative principles first, three to five findings with evidence, a margin from -3 to 3 at the end.

Knows the request, the schema of its answer, and what counts as copying. Refuses to know how an answer comes.

The margin stands last, so that it is written after what it should follow from. Evidence is short: a judge that may
copy candidates does, and pays for their tokens a second time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from her.checks import copied_share
from her.errors import InputError
from her.judge.case import Case
from her.judge.dialects.dialect import COPIED, final, refuse_borrowed, refused
from her.judge.dialects.shown import facts, marks, texts
from her.judge.principles import Principle, fingerprint, load
from her.judge.verdict import MOST, Finding, Verdict, Winner
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Rejected
from her.rows.record import Record

EVIDENCE, TERSE_EVIDENCE = 160, 60
"""Characters of the evidence about one candidate, at most: about thirty words, and about ten."""
FINDINGS, TERSE_FINDINGS = (3, 5), (1, 2)
"""How many findings an answer is to have, as in the release's request (docs/sources.md), and for a model that writes
slowly and has little to say. What is read has one at least, and five at most."""
ROOM, TERSE_ROOM = 1024, 320
"""Tokens of the longest English answer, with some room."""
REPEATED = 0.8
"""Share of a candidate's words, in runs of four, from which an answer counts as a copy of it. Only candidates longer
than a piece of evidence: a short one may well be quoted as a whole."""
_NAME = 80
_LETTERS = {Winner.FIRST: "A", Winner.SECOND: "B", Winner.TIE: "tie"}
_WINNERS = {letter: winner for winner, letter in _LETTERS.items()}


class _Found(Record):
    principle: Annotated[str, Field(min_length=1, max_length=_NAME)]
    negative: Annotated[bool, Field(strict=True)]
    a: str
    b: str
    winner: Literal["A", "B", "tie"]


class _Answer(Record):
    findings: Annotated[tuple[_Found, ...], Field(min_length=1, max_length=FINDINGS[1])]
    margin: Annotated[int, Field(strict=True, ge=-MOST, le=MOST)]


@dataclass(frozen=True)
class Ours:
    """The dialect; `principles` None is our own list. Requests name the negative ones. `terse` asks for less."""

    principles: tuple[Principle, ...] | None = None
    terse: bool = False

    @property
    def name(self) -> str:
        """`ours`, or `ours-terse`."""
        return "ours-terse" if self.terse else "ours"

    @property
    def room(self) -> int:
        """Tokens; an answer that needs more is asked for again with twice as many."""
        return TERSE_ROOM if self.terse else ROOM

    @property
    def evidence(self) -> int:
        """Characters of each piece of evidence, at most."""
        return TERSE_EVIDENCE if self.terse else EVIDENCE

    @property
    def findings(self) -> tuple[int, int]:
        """The fewest and the most findings that are asked for."""
        return TERSE_FINDINGS if self.terse else FINDINGS

    @cached_property
    def _vetoes(self) -> dict[str, Principle]:
        listed = load() if self.principles is None else self.principles
        return {one.id: one for one in listed if one.negative}

    @cached_property
    def _called(self) -> dict[str, str]:
        """Ids of the negative principles by all that they are called."""
        ids = {id.casefold(): id for id in self._vetoes}
        return {one.name(code).casefold(): id for id, one in self._vetoes.items() for code in ("en", "zh")} | ids

    @property
    def schema(self) -> Mapping[str, Any]:
        """The answer's schema, in the order in which it is to be written."""
        evidence = {"type": "string", "maxLength": self.evidence}
        fields = {
            "principle": {"type": "string", "minLength": 1, "maxLength": _NAME},
            "negative": {"type": "boolean"},
            "a": evidence,
            "b": evidence,
            "winner": {"enum": list(_WINNERS)},
        }
        least, most = self.findings
        findings = {"type": "array", "minItems": least, "maxItems": most, "items": _closed(fields)}
        return _closed({"findings": findings, "margin": {"enum": list(range(-MOST, MOST + 1))}})

    def prompts(self, case: Case) -> tuple[str, ...]:
        """Rules, case, notes, people, and the negative principles."""
        code = case.scene.prompt_language
        names = texts(*(f"{name}/{code}" for name in ("judge", "judge-case", "judge-notes", "judge-person")))
        return (*names, f"principles@{fingerprint(self._vetoes.values())}")

    def messages(self, case: Case, dropped: int = 0) -> tuple[Message, ...]:
        """Rules, which are the same for every case of a language, and the case."""
        code = case.scene.prompt_language
        colon = "：" if code == "zh" else ": "
        vetoes = "\n".join(f"- {id}{colon}{one.definition(code)}" for id, one in self._vetoes.items())
        least, most = map(str, self.findings)
        rules = prompt(f"judge/{code}", vetoes=vetoes, evidence=str(self.evidence), least=least, most=most, **marks())
        return Message("system", rules), Message("user", facts(case, dropped))

    def read(self, said: Any, case: Case | None = None) -> Verdict:
        """The verdict; of a principle that is listed as negative the list is believed, not the answer."""
        try:
            value = final(said) if isinstance(said, str) else said
        except Rejected as error:
            if case and any(_copied(str(said), case.shown(reply)) for reply in (case.first, case.second)):
                raise refused(
                    COPIED, "it repeats a candidate; judge the two, in the JSON that was asked for"
                ) from error
            raise
        if case:
            refuse_borrowed(value, case)
        answer = _Answer.model_validate(value)
        for number, one in enumerate(answer.findings):
            for side in ("a", "b"):
                if (size := len(getattr(one, side))) > self.evidence:
                    detail = f"{size} characters, at most {self.evidence}: point at the words and do not copy them"
                    raise refused(COPIED, detail, f"findings.{number}.{side}")
        if case:
            self._own_words(answer, case)
        return Verdict(answer.margin, tuple(map(self._finding, answer.findings)))

    def written(self, verdict: Verdict) -> str:
        """One line of JSON."""
        if verdict.margin != int(verdict.margin):
            raise InputError(f"an answer has a whole margin, not {verdict.margin}")
        rows = [
            {
                "principle": f.principle,
                "negative": f.negative,
                "a": f.first,
                "b": f.second,
                "winner": _LETTERS[f.winner],
            }
            for f in verdict.findings
        ]
        text = json.dumps({"findings": rows, "margin": int(verdict.margin)}, ensure_ascii=False)
        try:
            self.read(text)
        except (Rejected, ValueError) as error:
            raise InputError(f"this verdict cannot be an answer: {error}") from error
        return text

    def _finding(self, one: _Found) -> Finding:
        """The finding, its principle by id where a negative one is called by its name."""
        id = self._called.get(one.principle.strip().casefold(), one.principle)
        return Finding(id, one.negative or id in self._vetoes, _WINNERS[one.winner], one.a, one.b)

    def _own_words(self, answer: _Answer, case: Case) -> None:
        for letter, reply in (("A", case.first), ("B", case.second)):
            evidence = "\n".join(text for one in answer.findings for text in (one.a, one.b))
            if _copied(evidence, case.shown(reply)):
                raise refused(COPIED, f"its evidence is candidate {letter} over again; point at the words that matter")


def _copied(answer: str, shown: str) -> bool:
    """Whether most of a candidate stands in an answer."""
    return len(shown) > EVIDENCE and (copied_share(shown, [answer]) or 0.0) >= REPEATED


def _closed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with just these fields."""
    return {"type": "object", "properties": dict(fields), "required": list(fields), "additionalProperties": False}
