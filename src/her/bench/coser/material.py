"""What a judge is shown of a case: the book's side and the simulation's, in one form, and none of it able to steer.

Knows what each preset leaves out, and which turns count. Refuses to know what a judge is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from her.bench.coser.cases import ActedCase
from her.bench.coser.dimensions import Dimension
from her.bench.coser.presets import Budget, Preset
from her.bench.coser.simulate import Played
from her.judge.dialects.shown import block, line
from her.markup import Style, render
from her.models.base import Message
from her.prompts import prompt, prompt_hash
from her.turn import ENVIRONMENT, Kind, Turn


@dataclass(frozen=True)
class Material:
    """A played case, as its preset shows it to a judge."""

    case: ActedCase
    played: Played
    preset: Preset

    @property
    def counted(self) -> int:
        """Simulated turns of characters in which a judge is shown anything: the n of the formula."""
        return sum(turn.speaker != ENVIRONMENT and bool(self._seen(turn).segments) for turn in self.played.simulated)

    def text(self, turns: Iterable[Turn]) -> str:
        """Turns as a reader has them, a blank line between; those of which nothing is left are passed over."""
        return "\n\n".join(filter(None, map(self.shown, turns)))

    def shown(self, turn: Turn) -> str:
        """A turn with its speaker's name, in brackets, without its plan; empty where nothing of it is left."""
        seen = self._seen(turn)
        return render(seen, Style.BRACKETS, name=True) if seen.segments else ""

    def messages(self, dimension: Dimension, budget: Budget) -> tuple[Message, ...]:
        """The request for one dimension; all four begin alike, so that a backend with a cache reads the case once."""
        language = self.case.scene.prompt_language
        minds = prompt(f"coser-judge/minds-{language}") if self.preset.thoughts_to_judge else ""
        rules = prompt(
            f"coser-judge/rules-{language}",
            environment=ENVIRONMENT,
            minds=minds + " " * bool(minds and language == "en"),
            most=str(budget.flaws),
            length=str(budget.instance),
        )
        given, simulated = self.played.turns[: self.played.given], self.played.simulated
        plot = "\n".join(
            filter(None, (self.case.book, self.case.plot.summary.strip(), self.case.scene.setting.strip()))
        )
        case = prompt(
            f"coser-judge/case-{language}",
            book=_quoted(plot, "B| "),
            cast="\nC|\n".join(_quoted(f"{one.name}\n{one.profile}".strip(), "C| ") for one in self.case.scene.cast),
            reference=_quoted(self.text(self.case.reference()), "R| "),
            given=str(self.played.given) if given else "",
            beginning=_quoted(self.text(given), "S| ") if given else "",
            simulation=_quoted(self.text(simulated), "S| "),
        )
        asks = prompt(f"coser-judge/{dimension.name}-{language}", **self._majors(dimension))
        return Message("system", rules), Message("user", f"{case}\n\n{asks}")

    def prompts(self, dimension: Dimension) -> tuple[str, ...]:
        """The prompt texts of the request, `name@hash`."""
        language = self.case.scene.prompt_language
        names = ["rules", "case", dimension.name, *(["minds"] if self.preset.thoughts_to_judge else [])]
        return tuple(f"{name}@{prompt_hash(name)}" for name in (f"coser-judge/{one}-{language}" for one in names))

    def _majors(self, dimension: Dimension) -> dict[str, str]:
        if dimension.name != "character-fidelity":
            return {}
        return {"major": ("、" if self.case.scene.prompt_language == "zh" else ", ").join(map(line, self.case.major))}

    def _seen(self, turn: Turn) -> Turn:
        hidden = () if self.preset.thoughts_to_judge else (Kind.ROLE_THINKING,)
        return turn.without(Kind.SYSTEM_THINKING, *hidden)


def _quoted(text: str, margin: str) -> str:
    """All of the text under a margin: nothing is left out of what a judge reads."""
    return block(text, margin, most=len(text))
