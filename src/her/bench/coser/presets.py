"""The two ways to run CoSER's benchmark, which never mix: as its paper did, and as HER's release does.

Knows every point on which the two differ, where ours differs from either, and what each is cut down to for a small
window. Refuses to know how any of it is carried out. Sources: github.com/Neph0s/CoSER at 624efc5 and, for the paper's
period, 93c1474 (README, gca_evaluation); github.com/cydu24/HER at 1e5fd85 (eval_code/run_coser.py and its benchmark).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from her.actor import ActorOptions
from her.environment import EnvironmentOptions
from her.errors import InputError
from her.grammar import SMALL, Limits
from her.markup import Style
from her.models.address import on_bundled
from her.models.base import Model, Sampling
from her.next_speaker import NextSpeakerOptions
from her.script import Preset as Asks

SeverityRule = Literal["coser", "her", "strict"]
"""What becomes of a stored severity that is no whole number (`rescore`); a live judge is held to the strict one."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Every point on which results depend; a result is printed with all of them.

    `prompt` is the actor's prompt text, `plans` whether it plans, `words` the length that the prompt asks for.
    `temperature`, `top_p` and `tokens` are those of every reply but the judge's, plans among the tokens; less where a
    window is small (`reply_budget`). `reasons`: the choice of a next speaker begins with a reason.
    `earliest_end` is the number of turns before which the scene cannot end. `upper_cap` None: a score may pass 100.
    `stored_severity` is the rule for stored judge output that follows this preset; live it is strict in both.
    """

    name: str
    follows: str
    prompt: Asks
    plans: bool
    words: int
    rounds: int
    temperature: float
    top_p: float
    tokens: int
    reasons: bool
    earliest_end: int
    thoughts_to_judge: bool
    judge_temperature: float
    judge_tokens: int
    upper_cap: float | None
    stored_severity: SeverityRule
    motivation: bool = True
    names_to_judge: bool = True
    first_speaker: str = "the one who speaks most often in the book"
    history: str = "what others say between two own turns is one message"
    unreadable_judge: str = "unscored"
    deviations: tuple[str, ...] = ()

    @property
    def style(self) -> Style:
        """How turns are written in the actor's prompt and reply."""
        return Style.BRACKETS if self.prompt == "coser" else Style.TAGS

    def settings(self) -> dict[str, Any]:
        """All of it, as a result prints it."""
        return {**asdict(self), "style": self.style.value, "overlap_thoughts": self.thoughts_to_judge}


_OURS = (
    "prompt texts are ours; the rubric's dimensions, types of flaws and degrees are kept",
    "severity is 1 to 5 throughout (one line of the original rubric allows 10 for repetition)",
    "an unreadable or cut answer of the judge is asked for once more or unscored, never a number",
    "an empty turn, and one in which the judge is shown nothing, is no turn of a character in the formula",
    "the next speaker is named in JSON, by its exact name; there is no answer `random`, an end that comes too early is "
    "not offered, and lots are drawn only where an answer stays unreadable, and counted",
    "given turns keep their true speakers, the first simulated turn too, and are no turns in the formula",
    "the role of the Environment has one wording, not one of four by lot",
    "seeds follow from one number, the case, the epoch and the turn",
    "a prompt that does not fit is unscored, never cut",
    "BLEU and ROUGE-L compare the texts that the judge is shown, in brackets on both sides",
)

COSER = Preset(
    name="coser",
    follows="CoSER's paper (its code at 93c1474)",
    prompt="coser",
    plans=False,
    words=60,
    rounds=20,
    temperature=0.0,
    top_p=1.0,
    tokens=512,
    reasons=False,
    earliest_end=6,
    thoughts_to_judge=False,
    judge_temperature=0.0,
    judge_tokens=8196,
    upper_cap=None,
    stored_severity="coser",
    deviations=(
        *_OURS,
        "every model is asked in the same words and with the same example of the form",
        "a failed call is tried again by Inspect at the same temperature, not at 1",
    ),
)
HER = Preset(
    name="her",
    follows="HER's release (eval_code at 1e5fd85), with the rounds of its README",
    prompt="her",
    plans=True,
    words=200,
    rounds=20,
    temperature=0.7,
    top_p=0.9,
    tokens=4096,
    reasons=True,
    earliest_end=6,
    thoughts_to_judge=True,
    judge_temperature=0.0,
    judge_tokens=2048,
    upper_cap=100.0,
    stored_severity="her",
    deviations=(
        *_OURS,
        "the actor's prompt is that of training, without the release's further rules",
        "plans are never in the history, not even in a character's own",
        "the judge is shown brackets for every model, and every turn with its speaker's name",
        "the motivation is fed (the release reads a field that the test set does not have)",
        "what others say between two own turns is one message, not one each",
        "no repetition penalty, and the top_p of HER-32B's model card (the release sets none)",
        "every model is asked through the same kind of call",
    ),
)
PRESETS = {one.name: one for one in (COSER, HER)}


def preset(name: str) -> Preset:
    """The preset of that name; raises InputError."""
    if name not in PRESETS:
        raise InputError(f"CoSER has no preset {name!r}; there are {' and '.join(PRESETS)}")
    return PRESETS[name]


QUARTER = 4
"""A reply may take that part of a window whose length is known; the rest is for the prompt."""
BRIEF = 192
"""Tokens of a reply of the bundled model, which holds out for a few sentences, plan and all (`grammar.SMALL`)."""
BRIEF_JUDGEMENT = 320
"""Tokens of its judgement: three flaws in short words."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a model is given room for: tokens of a reply and, for a judge, flaws and the characters of each."""

    tokens: int
    flaws: int = 12
    instance: int = 240


def reply_budget(wanted: int, model: Model, brief: int = BRIEF) -> int:
    """Tokens of a reply: those that the preset has, less for the bundled model and for a small window.

    The model must have been probed.
    """
    if on_bundled(model.address):
        wanted = min(wanted, brief)
    return wanted if model.context is None else max(1, min(wanted, model.context // QUARTER))


def judge_budget(kind: Preset, model: Model) -> Budget:
    """What a judge is given room for; as `reply_budget`."""
    tokens = reply_budget(kind.judge_tokens, model, BRIEF_JUDGEMENT)
    return Budget(tokens, flaws=3, instance=80) if on_bundled(model.address) else Budget(tokens)


def acting(kind: Preset, model: Model) -> ActorOptions:
    """How a character is played."""
    return ActorOptions(
        plan=kind.plans,
        preset=kind.prompt,
        words=kind.words,
        limits=SMALL if on_bundled(model.address) else Limits(),
        sampling=_sampling(kind, model),
    )


def surrounding(kind: Preset, model: Model) -> EnvironmentOptions:
    """How the world is played."""
    return EnvironmentOptions(_sampling(kind, model), kind.style)


def choosing(kind: Preset, model: Model) -> NextSpeakerOptions:
    """How the next speaker is chosen."""
    return NextSpeakerOptions(_sampling(kind, model), kind.reasons, kind.style)


def _sampling(kind: Preset, model: Model) -> Sampling:
    return Sampling(temperature=kind.temperature, top_p=kind.top_p, max_tokens=reply_budget(kind.tokens, model))
