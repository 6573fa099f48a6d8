"""The world of a scene, played by a model: dialogue in, one turn of the Environment out.

Knows what such a turn needs: its prompt, its reading, and that it speaks for nobody. Refuses to know any mind: only
what `Dialogue.seen_by` the Environment shows ever reaches its prompt, and nothing private is kept of its reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from her.act import Act, Attempt
from her.markup import Style, parse
from her.models.base import Finish, Message, Model, Reply, Sampling, prompt_sha
from her.prompts import prompt, prompt_hash
from her.rows.ask import Call, Rejected
from her.rows.asked import asked
from her.rows.record import Refusal
from her.scene import Scene
from her.script import Prompt, foreign, transcript
from her.turn import ENVIRONMENT, PRIVATE, Dialogue, Ending, Fault, FaultKind, Parsed, Turn

STAGE = "environment"


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """How the world is played; `style` is how actions are written in the dialogue that it reads."""

    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=160))
    """One to three sentences, and room for a script that takes more tokens."""
    style: Style = Style.TAGS


class Environment:
    """The world of a scene and a model; keeps nothing between turns."""

    def __init__(self, scene: Scene, model: Model, *, options: EnvironmentOptions | None = None) -> None:
        self.scene, self.model = scene, model
        self.options = options or EnvironmentOptions()

    async def act(self, dialogue: Dialogue, *, seed: int | None = None, call_id: str | None = None) -> Act:
        """What happens next, as a turn of ENVIRONMENT.

        A reply that begins a line with somebody's `Name:`, or holds nothing to see or hear, is asked for once more.
        Where that did not help, what stands before that line is the turn, perhaps nothing at all, and `faults` say so.
        Raises ContextOverflow where the dialogue does not fit (nothing is dropped), and ModelError.
        """
        await self.model.probe()
        sampling = self.options.sampling if seed is None else replace(self.options.sampling, seed=seed)
        call = Call(
            id=call_id or f"{STAGE}/{len(dialogue)}",
            messages=self.messages(dialogue),
            sampling=sampling,
            prompts=(self._text,),
            prefill=f"{ENVIRONMENT}: " if self.model.prefills else "",
            language=self.scene.prompt_language,
        )
        others = dialogue.cast | set(self.scene.names)
        found = await asked(self.model, call, lambda said: _usable(read(said, others)), stage=STAGE)
        attempts = tuple(
            Attempt(_prompt(one), reply, read(reply.text, others).faults)
            for one, reply in zip(found.calls, found.replies, strict=True)
        )
        parsed = [read(reply.text, others) for reply in found.replies]
        # Of two that cannot be used the one that says more without speaking for anyone.
        best = len(parsed) - 1 if found.value else max(range(len(parsed)), key=lambda at: len(parsed[at].turn.segments))
        return _act(parsed[best], attempts, best, self.model.address, sampling)

    def messages(self, dialogue: Dialogue) -> tuple[Message, ...]:
        """The request: the scene and the names in it, then all that has happened in anybody's sight."""
        system = prompt(
            f"environment/{self.scene.prompt_language}",
            setting=self.scene.setting.strip(),
            names="、".join(self.scene.names) if self.scene.prompt_language == "zh" else ", ".join(self.scene.names),
            environment=ENVIRONMENT,
            language=foreign(self.scene),
        )
        return Message("system", system), Message("user", transcript(dialogue.seen_by(ENVIRONMENT), self.options.style))

    @property
    def _text(self) -> str:
        name = f"environment/{self.scene.prompt_language}"
        return f"{name}@{prompt_hash(name)}"


def read(said: str, others: frozenset[str]) -> Parsed:
    """The Environment's turn in a reply: what can be seen and heard in it, up to the line on which somebody else begins
    to speak."""
    parsed = parse(said, speaker=ENVIRONMENT, cast=others)
    turn = parsed.turn.without(*PRIVATE)
    if turn.segments or any(fault.kind is FaultKind.EMPTY for fault in parsed.faults):
        return replace(parsed, turn=turn)
    return replace(parsed, turn=turn, ending=Ending.EMPTY, faults=(*parsed.faults, Fault(FaultKind.EMPTY, 0)))


def _usable(parsed: Parsed) -> Turn:
    faults = {fault.kind: fault.detail for fault in parsed.faults}
    if FaultKind.SECOND_SPEAKER in faults:
        name = faults[FaultKind.SECOND_SPEAKER]
        detail = f"a line begins with {name!r} and a colon; the {ENVIRONMENT} speaks for nobody"
        raise Rejected(Refusal(stage=STAGE, reason="second-speaker", where=name, detail=detail))
    if not parsed.turn.segments:
        raise Rejected(Refusal(stage=STAGE, reason="empty", detail="nothing in it can be seen or heard"))
    return parsed.turn


def _prompt(call: Call) -> Prompt:
    return Prompt(call.messages, call.prefill, 0, prompt_sha(call.messages, call.prefill), " ".join(call.prompts))


def _act(parsed: Parsed, attempts: Sequence[Attempt], best: int, address: str, sampling: Sampling) -> Act:
    reply: Reply = attempts[best].reply
    cut = reply.finish is not Finish.STOP and parsed.ending is not Ending.SECOND_SPEAKER
    return Act(
        parsed.turn,
        Ending.CUT if cut else parsed.ending,
        parsed.faults,
        attempts[best].prompt,
        reply,
        address,
        sampling,
        sampling.seed,
        attempts=tuple(attempts),
        repairs=len(attempts) - 1,
    )
