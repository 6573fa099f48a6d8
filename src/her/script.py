"""What an actor is handed before a turn: the messages of its prompt, and the words its reply begins with.

The only maker of prompts for a character: chat, synthesis, training and benchmarks all send what stands here.
Knows the three presets, the rules of history, and how a prompt is made to fit. Refuses to know how a layer is written
(`markup` fills that in) and what one mind may not see: turns come here already as that mind lived them.

Rules of history:
- The first user message starts with a marker; a character that speaks first has the marker alone before its turn.
- All that others say between two turns of the character is one user message, `Name: text` each, a blank line between.
- Each turn of the character's own is one assistant message, `Name: ` first. Where it speaks twice in a row a second
  marker, which says nothing, is the user message between; so roles alternate in every chat template, and a prompt
  is the beginning of every later prompt of the same dialogue, whoever speaks next.
- The system message depends on scene and name alone, never on the turns. That is why it explains the Environment
  even where nobody has heard it yet. A scene's title stays out: it may give away what is still to come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from her.errors import ContextOverflow
from her.markup import Style, notation, render
from her.models.base import Message, Model, prompt_sha
from her.prompts import prompt, prompt_hash
from her.scene import Scene
from her.turn import ENVIRONMENT, Kind, Turn

Preset = Literal["her", "card", "coser"]
"""Order of sections: that of HER-32B's training prompts, that of its model card, or that of CoSER's, which asks for
brackets and for no plan."""

_TRADITIONAL = {"hant", "tw", "hk", "mo"}
"""Subtags of BCP-47 that say or imply traditional characters."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call sends.

    `prefill` is the text the reply goes on from, empty where the backend takes none. `dropped` counts the oldest
    turns left out to fit. `sha` names messages and prefill together. `texts` is the prompt text used, `name@hash`.
    `tokens` is the prompt's length; None where the backend cannot count or its window is unknown.
    """

    messages: tuple[Message, ...]
    prefill: str
    dropped: int
    sha: str
    texts: str = ""
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """One character's part in a scene, ready to be asked for a turn; in at most so many `words`, if any are named."""

    scene: Scene
    name: str
    preset: Preset = "her"
    plan: bool = True
    words: int | None = None

    @property
    def text(self) -> str:
        """The name of the prompt text."""
        return f"{self.preset}/{self.scene.prompt_language}"

    @property
    def texts(self) -> str:
        """The prompt texts, `name@hash`, a blank between."""
        names = [self.text, *([f"words/{self.scene.prompt_language}"] if self.words else [])]
        return " ".join(f"{name}@{prompt_hash(name)}" for name in names)

    @property
    def style(self) -> Style:
        """How turns are written, in history and in the reply."""
        return Style.BRACKETS if self.preset == "coser" else Style.TAGS

    def system(self) -> str:
        """The system message; a section with nothing to say is left out. Raises UnknownName."""
        me = self.scene.character(self.name)
        layers = notation(self.style)
        if self.preset == "coser":
            layers = {name: mark for name, mark in layers.items() if not name.startswith("plan")}
        elif not self.plan:
            layers |= {"plan_open": "", "plan_close": ""}
        whole = prompt(
            self.text,
            name=self.name,
            book=self.scene.book.strip(),
            bookless="" if self.scene.book.strip() else self.name,
            profile=me.profile.strip(),
            background=me.background.strip(),
            setting=self.scene.setting.strip(),
            inner="\n".join(text for text in (me.motivation.strip(), me.opening_thought.strip()) if text),
            environment=ENVIRONMENT,
            language=foreign(self.scene),
            **self._others(),
            **layers,
        )
        if not self.words:
            return whole
        return f"{whole}\n\n{prompt(f'words/{self.scene.prompt_language}', words=str(self.words))}"

    def messages(self, turns: Sequence[Turn], after: Sequence[Message] = ()) -> tuple[Message, ...]:
        """System message and history, ending with a user message; then the messages `after`.

        `turns` are as `Dialogue.seen_by(name)` gives them.
        """
        messages = [Message("system", self.system())]
        heard = [prompt("history/start")]
        for turn in turns:
            written = render(turn, self.style, name=True)
            if turn.speaker != self.name:
                heard.append(written)
                continue
            messages += [self._user(heard), Message("assistant", written)]
            heard = []
        return (*messages, self._user(heard), *after)

    def beginning(self, begun: Turn | None, *, plan: bool) -> str:
        """The words a reply begins with: a turn that was begun, else the opener of a plan, or `Name: `.

        A turn that ends in speech is left open after its last word; any other last segment is closed.
        """
        segments = [s for s in begun.segments if s.text.strip()] if begun else []
        if not segments:
            return notation()["plan_open"] if plan else f"{self.name}: "
        text = render(Turn(self.name, tuple(segments)), self.style, name=True)
        return text.rstrip() if segments[-1].kind is Kind.SPEECH else text

    async def fitted(
        self, model: Model, turns: Sequence[Turn], *, prefill: str, reserve: int, after: Sequence[Message] = ()
    ) -> Prompt:
        """The prompt, without its oldest turns where it and `reserve` tokens of reply overflow the model's window.

        Where the backend cannot count or its window is unknown nothing is dropped: a length is never guessed, and
        the backend's own error speaks. Raises ContextOverflow where even the last turn alone does not fit.
        """

        async def count(dropped: int) -> int | None:
            return await model.count(self.messages(turns[dropped:], after), prefill)

        dropped, tokens = 0, None if model.context is None else await count(0)
        if model.context is not None and tokens is not None and tokens > (room := model.context - reserve):
            dropped = await cut_point(count, len(turns), room)
            tokens = await count(dropped) or 0
            if tokens > room:
                raise ContextOverflow(
                    f"the prompt of {self.name!r} in scene {self.scene.id!r} has {tokens} tokens with its last turn "
                    f"alone, and {model.address} has room for {room} ({model.context} less {reserve} for the reply): "
                    "shorten the profiles or the turn, lower max_tokens, or take a model with a longer context"
                )
        messages = self.messages(turns[dropped:], after)
        return Prompt(messages, prefill, dropped, prompt_sha(messages, prefill), self.texts, tokens)

    def _user(self, heard: Sequence[str]) -> Message:
        return Message("user", "\n\n".join(heard or [prompt("history/again")]))

    def _others(self) -> dict[str, str]:
        """The other characters as the preset writes them; a profile is what anybody may know of somebody."""
        others = [other for other in self.scene.cast if other.name != self.name]
        mark = "**" if self.preset == "her" else ""
        lines = [f"{mark}{other.name}{mark}: {other.profile.strip()}".removesuffix(": ") for other in others]
        if self.preset != "card":
            return {"others": "\n\n".join(lines)}
        alone = len(lines) == 1
        return {"person": "\n\n".join(lines) if alone else "", "people": "" if alone else "\n\n".join(lines)}


def foreign(scene: Scene) -> str:
    """The scene's language by name where the prompt text is in another one, else empty."""
    if scene.prompt_language == "zh":
        return "繁体中文" if _TRADITIONAL & set(scene.language.lower().split("-")) else ""
    return "" if scene.spoken == "English" else scene.spoken


def transcript(turns: Sequence[Turn], style: Style = Style.TAGS) -> str:
    """All turns in one text, behind the marker of the beginning: what a reader is handed who plays nobody in it."""
    return "\n\n".join([prompt("history/start"), *(render(turn, style, name=True) for turn in turns)])


def without_oldest(messages: Sequence[Message], exchanges: int) -> tuple[Message, ...]:
    """A prompt's messages without so many of its oldest exchanges, as `Script.messages` would write what is left.

    An exchange is a user message and the own turn that answers it; the system message and the last user message stay.
    """
    if not exchanges:
        return tuple(messages)
    system, *history = messages
    first, *rest = history[2 * exchanges :]
    start = prompt("history/start")
    heard = start if first.content == prompt("history/again") else f"{start}\n\n{first.content}"
    return (system, Message("user", heard), *rest)


async def exchanges_to_drop(
    messages: Sequence[Message], count: Callable[[Sequence[Message]], Awaitable[int | None]], room: int
) -> int:
    """How many of its oldest exchanges to drop from a prompt's messages (`cut_point`); 0 where all have room.

    `count` is the length of messages, None where it is not known, and then nothing is dropped.
    """
    exchanges = sum(message.role == "assistant" for message in messages)

    async def without(dropped: int) -> int | None:
        # Beyond the last exchange nothing is left but the system message and an empty one.
        beyond = dropped > exchanges
        return await count([*messages[:1], Message("user", "")] if beyond else without_oldest(messages, dropped))

    if (await without(0) or 0) <= room:
        return 0
    return await cut_point(without, exchanges + 1, room)


async def cut_point(count: Callable[[int], Awaitable[int | None]], num_turns: int, room: int) -> int:
    """How many of the oldest turns to drop from a prompt that is too long, at most all but the last.

    `count(k)` is the prompt's length without its k oldest turns; it is asked O(log num_turns) times. Turns go in
    blocks of a quarter of the room that history has, measured from the first turn: as a dialogue grows, the same
    cut serves until a whole block more is needed, so a backend's prompt cache stays good in between. It depends on
    nothing but dialogue and counts.
    """
    last = max(num_turns - 1, 0)
    whole, bare = await count(0) or 0, await count(num_turns) or 0
    block = max((room - bare) // 4, 1)
    wanted = whole - -(-(whole - room) // block) * block
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        if (await count(middle) or 0) <= wanted:
            high = middle
        else:
            low = middle + 1
    return low
