"""Who takes the next turn of a scene, chosen by a model among the names that are allowed.

Knows the question, how its answer is read (a name letter by letter, or the end), and what is done where none can be
read. Refuses to know any mind: only what `Dialogue.seen_by` the Environment shows reaches the prompt. What stands in a
record is the speaker who was used, and how it came to be that one.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from her.errors import InputError
from her.markup import Style
from her.models.base import Message, Model, Sampling
from her.prompts import prompt, prompt_hash
from her.rows.ask import Call, Rejected
from her.rows.asked import asked
from her.rows.record import Refusal
from her.scene import Scene
from her.script import transcript
from her.turn import ENVIRONMENT, Dialogue

STAGE = "next-speaker"
REASON = 200
"""Characters of a reason, at most: a sentence or two."""
How = Literal["model", "repaired", "fallback", "only", "given", "first"]
"""The model's choice; its choice when asked again; drawn by lot, for want of a readable answer; nobody else could be
chosen. `given` and `first` are for a caller who did not ask."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who speaks next, None for the end of the scene, and how that was settled; `why` says what was wrong with the
    answers where lots were drawn, and is else the model's reason."""

    name: str | None
    how: How
    why: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class NextSpeakerOptions:
    """How the next speaker is chosen; with `reasons` the model says why first. `style` is how actions are written in
    the dialogue that it reads."""

    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0, max_tokens=160))
    reasons: bool = False
    style: Style = Style.TAGS


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may be next; `end` where the scene may end instead. `lot` are those among whom lots are drawn where the
    answers cannot be read; empty: all who may be next."""

    names: tuple[str, ...]
    end: bool = False
    lot: tuple[str, ...] = ()


class NextSpeaker:
    """A scene and a model that chooses who goes on with it; keeps nothing between turns."""

    def __init__(self, scene: Scene, model: Model, *, options: NextSpeakerOptions | None = None) -> None:
        self.scene, self.model = scene, model
        self.options = options or NextSpeakerOptions()

    async def choose(
        self, dialogue: Dialogue, allowed: Allowed, rng: random.Random, *, seed: int | None = None, call_id: str = ""
    ) -> Choice:
        """Who is next. An answer that cannot be read is asked for once more, and then `rng` draws lots.

        Raises InputError where nobody is allowed, ContextOverflow where the dialogue does not fit (nothing is dropped),
        and ModelError.
        """
        if not allowed.names:
            raise InputError("nobody is allowed to speak next; name at least one")
        if len(allowed.names) == 1 and not allowed.end:
            return Choice(allowed.names[0], "only")
        await self.model.probe()
        sampling = self.options.sampling if seed is None else replace(self.options.sampling, seed=seed)
        language = self.scene.prompt_language
        call = Call(
            id=call_id or f"{STAGE}/{len(dialogue)}",
            messages=self.messages(dialogue, allowed),
            sampling=sampling,
            prompts=tuple(
                f"{n}@{prompt_hash(n)}" for n in (f"next-speaker/{language}", f"next-speaker/ask-{language}")
            ),
            schema=self.schema(allowed),
            language=language,
        )
        found = await asked(self.model, call, lambda said: _chosen(said, allowed), stage=STAGE)
        tokens = [_sum(getattr(one.usage, f"{n}_tokens") for one in found.replies) for n in ("prompt", "completion")]
        if found.value is None:
            return Choice(rng.choice(allowed.lot or allowed.names), "fallback", found.why, *tokens)
        return replace(
            found.value,
            how="repaired" if found.repairs else "model",
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
        )

    def schema(self, allowed: Allowed) -> Mapping[str, Any]:
        """The answer's schema: the reason, where one is asked for, and one of just these names, or null for the end."""
        names: list[str | None] = [*allowed.names, *([None] if allowed.end else [])]
        fields: dict[str, Any] = {"next": {"enum": names}}
        if self.options.reasons:
            fields = {"reason": {"type": "string", "maxLength": REASON}, **fields}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    def messages(self, dialogue: Dialogue, allowed: Allowed) -> tuple[Message, ...]:
        """The request: the scene, what has happened in everybody's sight, and who may be next."""
        language = self.scene.prompt_language
        system = prompt(
            f"next-speaker/{language}",
            setting=self.scene.setting.strip(),
            names="\n".join(f"- {name}" for name in (*self.scene.names, ENVIRONMENT)),
            environment=ENVIRONMENT,
            form='{"reason": "…", "next": "…"}' if self.options.reasons else '{"next": "…"}',
        )
        names = [json.dumps(name, ensure_ascii=False) for name in allowed.names] + ["null"] * allowed.end
        happened = transcript(dialogue.seen_by(ENVIRONMENT), self.options.style)
        asks = prompt(f"next-speaker/ask-{language}", allowed=", ".join(names))
        return Message("system", system), Message("user", f"{happened}\n\n{asks}")


def _chosen(said: Any, allowed: Allowed) -> Choice:
    """The choice in an answer. A name counts letter by letter, however its accents are composed; a part of one never
    does."""
    if not isinstance(said, dict) or "next" not in said:
        raise _refused("no-name", 'there is no "next" in it')
    name, reason = said["next"], said.get("reason", "")
    why = reason if isinstance(reason, str) else ""
    if name is None and allowed.end:
        return Choice(None, "model", why)
    if name is None:
        raise _refused("no-end", "the scene does not end yet; choose one of the names that are allowed")
    known = {unicodedata.normalize("NFC", one): one for one in allowed.names}
    found = known.get(unicodedata.normalize("NFC", name.strip())) if isinstance(name, str) else None
    if found is None:
        raise _refused("unknown-name", f"{str(name)[:80]!r} is not among the names that are allowed")
    return Choice(found, "model", why)


def _refused(reason: str, detail: str) -> Rejected:
    return Rejected(Refusal(stage=STAGE, reason=reason, where="next", detail=detail))


def _sum(counts: Any) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
