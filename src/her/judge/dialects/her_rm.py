"""The dialect of HER's released reward model: the request and the answer on which HER-RM-32B was trained.

Knows the keys of its JSON and the order of its request (docs/sources.md); the sentences are ours. Refuses to take
anything for a verdict that is not the value of `better_response` in the parsed object: the answer repeats both
candidates before it, and a candidate may hold those very words (release A48).

Its verdict knows no degree, so its margin is 1, 0 or -1. Counting the winners of its principles would make a judge that
gives one side every principle, which is its known bias, the surest of all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from her.errors import InputError
from her.judge.case import Case
from her.judge.dialects.dialect import final, refuse_borrowed, refused
from her.judge.dialects.shown import block, candidate, texts
from her.judge.verdict import Finding, Verdict, Winner
from her.markup import render
from her.models.base import Message
from her.prompts import prompt
from her.rows.ask import Rejected
from her.turn import Dialogue, Turn

EVIDENCE = 400
"""Characters kept of what the answer says about one candidate under one principle."""
_TEXT, _SCENE, _NOTES = "judge-her-rm/en", "judge-her-rm/scene-en", "judge-notes/en"
_WINNERS = {"cand_1": Winner.FIRST, "cand_2": Winner.SECOND, "tie": Winner.TIE}
_NAMES = {winner: name for name, winner in _WINNERS.items()}


def _plain(said: Any) -> Any:
    return said.strip().casefold() if isinstance(said, str) else said


Won = Annotated[Literal["cand_1", "cand_2", "tie"], BeforeValidator(_plain)]


class _Part(BaseModel):
    """A part of the answer; what else stands in it is passed over, as there is no list of all that the model writes."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Compared(_Part):
    principle_name: str
    winner: Won
    cand_1_performance: str = ""
    cand_2_performance: str = ""


class _Analysis(_Part):
    principle_comparisons: tuple[_Compared, ...] = Field(default=())


class _Answer(_Part):
    better_response: Won
    analysis: _Analysis = _Analysis()


@dataclass(frozen=True)
class HerRm:
    """The dialect. Requests are in English, whatever the language of the scene; answers may think before they begin."""

    name: ClassVar[str] = "her-rm"
    room: ClassVar[int] = 4096
    schema: ClassVar[None] = None

    def prompts(self, case: Case) -> tuple[str, ...]:
        """The request, the scene in it, and the notes on form."""
        return texts(_TEXT, _SCENE, _NOTES)

    def messages(self, case: Case, dropped: int = 0) -> tuple[Message, ...]:
        """One user message: the request, the dialogue as the character's own prompt has it, the candidates.

        As in the release others' thoughts are not in it, and the character's own are.
        """
        seen = Dialogue(frozenset(case.scene.names), case.turns).seen_by(case.speaker)
        dropped = min(dropped, max(len(seen) - 1, 0))  # a judge of our own dialect sees more turns
        words = prompt(
            _TEXT,
            system=block(_scene(case), "| "),
            dropped=str(dropped) if dropped else "",
            history=_history(seen[dropped:], case.speaker),
            first=candidate(case, case.first, "cand_1", "en"),
            second=candidate(case, case.second, "cand_2", "en"),
        )
        return (Message("user", words),)

    def read(self, said: Any, case: Case | None = None) -> Verdict:
        """The verdict of `{"result": [{…}]}`, of the object in it, or of a list of one, fenced or bare."""
        value = final(said) if isinstance(said, str) else said
        if isinstance(value, Mapping) and "result" in value:
            value = value["result"]
        if isinstance(value, list):
            if len(value) != 1:
                raise refused("schema", f"{len(value)} results, and not one", "result")
            value = value[0]
        if case:
            refuse_borrowed(value, case)
        answer = _Answer.model_validate(value)
        findings = tuple(
            Finding(
                one.principle_name,
                False,
                _WINNERS[one.winner],
                one.cand_1_performance[:EVIDENCE],
                one.cand_2_performance[:EVIDENCE],
            )
            for one in answer.analysis.principle_comparisons
        )
        margin = {Winner.FIRST: 1, Winner.SECOND: -1, Winner.TIE: 0}[_WINNERS[answer.better_response]]
        return Verdict(margin, findings)

    def written(self, verdict: Verdict) -> str:
        """The JSON in its fence, wrapped as the request asks for it (release A45); without reasoning, and without the
        candidates, which say nothing and cost as much again as they did in the request."""
        if verdict.margin not in (-1, 0, 1):
            raise InputError(f"an answer of the dialect {self.name} has the margin 1, 0 or -1, not {verdict.margin}")
        compared = [
            {
                "principle_name": one.principle,
                "cand_1_performance": one.first,
                "cand_2_performance": one.second,
                "winner": _NAMES[one.winner],
            }
            for one in verdict.findings
        ]
        analysis = {"principle_comparisons": compared}
        result = {"result": [{"analysis": analysis, "better_response": _NAMES[verdict.winner]}]}
        text = f"```json\n{json.dumps(result, ensure_ascii=False)}\n```"
        try:
            self.read(text)
        except (Rejected, ValueError) as error:
            raise InputError(f"this verdict cannot be an answer: {error}") from error
        return text


def _scene(case: Case) -> str:
    """The scene as the character's own prompt tells it."""
    scene, name = case.scene, case.speaker
    me = next((one for one in scene.cast if one.name == name), None)
    others = [f"**{one.name}**: {one.profile.strip()}".removesuffix(": ") for one in scene.cast if one is not me]
    return prompt(
        _SCENE,
        name=name,
        profile=me.profile.strip() if me else "",
        background=me.background.strip() if me else "",
        setting=scene.setting.strip(),
        others="\n\n".join(others),
        inner="\n".join(filter(None, (me.motivation.strip(), me.opening_thought.strip()))) if me else "",
    )


def _history(seen: Sequence[Turn], speaker: str) -> str:
    """The turns as `User:` and `Assistant:` paragraphs: the character's own, and all that others say between them."""
    paragraphs: list[tuple[str, list[Turn]]] = []
    for turn in seen:
        role = "Assistant" if turn.speaker == speaker else "User"
        if role == "User" and paragraphs and paragraphs[-1][0] == role:
            paragraphs[-1][1].append(turn)
        else:
            paragraphs.append((role, [turn]))
    return "\n\n".join(
        f"{role}:\n" + "\n".join(block(render(turn, name=True), "| ") for turn in turns) for role, turns in paragraphs
    )
