"""A chat in progress, without a screen: what the person says, and how the model answers.

Knows who plays whom, whispers, seeds, and how a reply streams into the tree (`tree`). Refuses to know how anything
is shown.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from her import markup
from her.actor import Act, Actor, ActorOptions, Again
from her.chat.casting import Casting, next_speaker
from her.chat.reroll import Keep, changed_mind, kept
from her.chat.store import Chat, Node, Origin, Store
from her.chat.take import Take, Tap, clean
from her.chat.tree import Tree
from her.errors import HerError, InputError, ModelError
from her.models.base import Model
from her.scene import Scene
from her.stream import Event
from her.turn import Kind, Turn

Played = Event | Again | Node
"""What a reply's stream gives: the parser's events; Again where all that was shown is void; last the saved Node."""

SEEDS = 2**31
"""Seeds are below this: every backend takes a positive 32-bit integer."""

_OPTIONS = TypeAdapter(ActorOptions)
_DEFAULTS = ActorOptions()


class Session(Tree):
    """One chat with a model: say, reply, retry; and, as a Tree, look, edit, undo. Made by `start` or `resume`."""

    def __init__(self, store: Store, chat: Chat, model: Model) -> None:
        """Takes up a chat that is in the store; `start` and `resume` do it."""
        super().__init__(store, chat)
        self.model = model
        try:
            self.options: ActorOptions = _OPTIONS.validate_python(chat.options)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise InputError(
                f"chat {chat.id} was kept with options that this version cannot read ({where}): resume it with others"
            ) from error
        self._stop = asyncio.Event()
        self._warming: asyncio.Task[None] | None = None

    @classmethod
    def start(
        cls,
        store: Store,
        scene: Scene,
        model: Model,
        *,
        casting: Casting | None = None,
        options: ActorOptions = _DEFAULTS,
        seed: int | None = None,
    ) -> Session:
        """A new chat, saved, standing after the scene's opening turns; casting None means Casting.default(scene).

        `seed` None draws one. Raises UnknownName, InputError, StorageError.
        """
        scene, casting = (casting or Casting.default(scene)).settled(scene)
        chat = Chat(
            id="",
            title=scene.title,
            scene=scene.model_dump(mode="json"),
            as_name=casting.as_name,
            with_names=casting.with_names,
            options=_OPTIONS.dump_python(options, mode="json"),
            seed=secrets.randbelow(SEEDS) if seed is None else seed,
        )
        return cls(store, store.new_chat(chat, scene.dialogue().turns), model)

    @classmethod
    def resume(cls, store: Store, chat_id: str, model: Model, *, options: ActorOptions | None = None) -> Session:
        """The chat as it was left; `chat_id` may be a unique beginning; options None: those it was left with.

        A turn that a crash broke off is kept with Ending.CUT. Raises InputError, StorageError.
        """
        chat = store.chat(chat_id)
        if options is not None:
            chat = replace(chat, options=_OPTIONS.dump_python(options, mode="json"))
            store.update_chat(chat)
        store.recover(chat.id)
        return cls(store, chat, model)

    def next_speaker(self) -> str | None:
        """Whose turn it is among those whom the model plays; None: none of them is present."""
        return next_speaker(self.casting, self.dialogue.turns, self.absent)

    def prepare(self) -> None:
        """Lets whoever speaks next read the scene in the background, until the next reply is asked for."""
        name = self.next_speaker()
        if name is not None and self._warming is None and not self._busy:
            self._warming = asyncio.create_task(self._warm(name))

    # -- saying ----------------------------------------------------------------------------------------------

    def say(self, text: str, *, speaker: str | None = None) -> Node:
        """Saves what the person writes: `*action*`, `[thought]`, speech; the turn is theirs, or `speaker`'s.

        `speaker` may be anybody in the cast or the Environment. Raises InputError for empty text or where the
        person plays nobody and no speaker is named, UnknownName, StorageError.
        """
        return self._say(text, speaker, None)

    def whisper(self, to: str, text: str, *, speaker: str | None = None) -> Node:
        """As `say`, heard by one alone; the answer that follows is whispered back."""
        self._here(to)
        return self._say(text, speaker, frozenset({to}))

    def recast(self, casting: Casting) -> None:
        """From now on other people play; raises as Casting.settled."""
        self._still()
        scene, casting = casting.settled(self.scene)
        chat = replace(
            self._chat,
            scene=scene.model_dump(mode="json"),
            as_name=casting.as_name,
            with_names=casting.with_names,
        )
        self.store.update_chat(chat)
        self._chat, self.scene, self.casting = chat, scene, casting

    # -- replies: asynchronous generators of parser events, with the finished Node as the last item --------------

    def reply(
        self, speaker: str | None = None, *, prefill: Turn | None = None, seed: int | None = None
    ) -> AsyncGenerator[Played, None]:
        """Streams the next turn of `speaker` (None: next_speaker()), saving as it goes; the last item is its Node.

        Closed or cancelled midway, what has come is kept with Ending.CUT (`line[-1]`). A ModelError before any
        text leaves nothing behind, one after it a CUT turn; the session goes on in either case.
        Raises UnknownName, InputError (nobody to speak, already writing), ModelError, StorageError.
        """
        name = self.next_speaker() if speaker is None else speaker
        if name is None:
            raise InputError("nobody whom the model plays is here: let somebody enter, or name the speaker")
        self._here(name)
        last = self._line[-1] if self._line else None
        heard = self._hearers(name)
        if last is not None and _is_whisper(last, to=name, cast=self.scene.names):
            heard = frozenset({last.turn.speaker})
        return self._play(self._blank(name, heard), self._line, prefill, seed)

    def retry(self, *, keep: Keep = "nothing", seed: int | None = None) -> AsyncGenerator[Played, None]:
        """Streams another version of the last generated turn beside the old one; with a new seed.

        After the person's own line, where no reply came, it is the same as `reply`. Raises as `reply`, and
        InputError where there is nothing to keep.
        """
        last = self._line[-1] if self._line else None
        if last is None or last.origin is not Origin.MODEL:
            if keep != "nothing":
                raise InputError("nobody has answered yet, so there is nothing to keep")
            return self.reply(seed=seed)
        return self._beside(last, kept(last.turn, keep), seed)

    def change_mind(self, thought: str, *, seed: int | None = None) -> tuple[Node, AsyncGenerator[Played, None]]:
        """The last generated turn, and the stream of its new version: same plan, this thought instead, acts anew."""
        last = self._last_played()
        return last, self._beside(last, changed_mind(last.turn, clean(thought)), seed)

    def speak_now(self, *, seed: int | None = None) -> AsyncGenerator[Played, None]:
        """Streams another version of the last generated turn, which was stopped before it spoke.

        What it thought and did stays, the layer that ran on is closed at its last sentence, and speech comes next
        as far as the backend can be held to it. Raises as `reply`, and InputError where it has spoken.
        """
        last = self._last_played()
        if last.turn.text_of(Kind.SPEECH):
            raise InputError(f"{last.turn.speaker} has spoken; retry gives another version")
        return self._beside(last, last.turn, seed, brief=True)

    def stop(self) -> None:
        """Ends the reply that is being written after the piece that is coming; its stream goes on to its Node."""
        self._stop.set()

    async def close(self) -> None:
        """Ends what runs in the background; the model and the store stay open, they are the caller's."""
        task, self._warming = self._warming, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    # -- below -----------------------------------------------------------------------------------------------

    def _say(self, text: str, speaker: str | None, to: frozenset[str] | None) -> Node:
        self._still()
        name = self.casting.as_name if speaker is None else speaker
        if name is None:
            raise InputError("you play nobody here: name a speaker, or choose somebody to play")
        self._known(name, world=True)
        read = markup.parse(clean(text), style=markup.Style.ASTERISKS, speaker=name)
        if not read.turn.segments:
            raise InputError("there is nothing in that line: write what is said, *done* or [thought]")
        heard = self._hearers(name) if to is None else to
        node = Node("", self.chat_id, self._head.node_id, replace(read.turn, heard_by=heard), Origin.USER)
        node = replace(node, ending=read.ending, faults=read.faults, absent=self.absent)
        return self._stand(self.store.add(node))

    def _last_played(self) -> Node:
        if not self._line or self._line[-1].origin is not Origin.MODEL:
            raise InputError("the last turn is not one that the model played: go back to one, or let it speak first")
        return self._line[-1]

    def _beside(
        self, old: Node, prefill: Turn | None, seed: int | None, *, brief: bool = False
    ) -> AsyncGenerator[Played, None]:
        before = self._line[: self._line.index(old)]
        return self._play(self._blank(old.turn.speaker, old.turn.heard_by), before, prefill, seed, brief=brief)

    def _blank(self, speaker: str, heard_by: frozenset[str] | None) -> Node:
        return Node("", self.chat_id, None, Turn(speaker, (), heard_by), Origin.MODEL, absent=self.absent)

    async def _play(
        self, node: Node, before: tuple[Node, ...], prefill: Turn | None, seed: int | None, *, brief: bool = False
    ) -> AsyncGenerator[Played, None]:
        """The stream of one turn after `before`; whatever ends it, what came is on the line and in the store."""
        self._still()
        self._busy, self._stop = True, asyncio.Event()
        error: str | None = None
        take = Take(self.store, replace(node, parent_id=before[-1].id if before else None), self.scene.names)
        try:
            await self.close()
            if seed is None:
                seed = (self._chat.seed + self.store.num_generated(self.chat_id)) % SEEDS
            actor = Actor(self.scene, node.turn.speaker, Tap(self.model, take), options=self.options)
            dialogue = self._dialogue(before)
            if brief and prefill is not None:
                stream = actor.speak_now(dialogue, prefill, seed=seed, stop=self._stop)
            else:
                stream = actor.stream(dialogue, prefill=prefill, seed=seed, stop=self._stop)
            async with aclosing(stream):
                async for item in stream:
                    if isinstance(item, Act):
                        take.done(item)
                    else:
                        yield item
        except ModelError as failure:
            error = str(failure)
            raise
        finally:
            self._busy = False
            if (made := take.cut(error)) is not None:
                self._line = before
                self._stand(made)
        if take.result is not None:
            self._warming = asyncio.create_task(self._warm(node.turn.speaker))
            yield take.result

    async def _warm(self, name: str) -> None:
        # Whatever goes wrong here will go wrong again, and be told, when the character speaks.
        with suppress(HerError):
            prompt = await Actor(self.scene, name, self.model, options=self.options).prompt(self.dialogue)
            await self.model.warm(prompt.messages)

    def _hearers(self, speaker: str) -> frozenset[str] | None:
        return frozenset(self.scene.names) - self.absent - {speaker} if self.absent else None

    def _here(self, name: str) -> None:
        self._known(name)
        if name in self.absent:
            raise InputError(f"{name} is away: let them enter first")


def _is_whisper(node: Node, *, to: str, cast: Iterable[str]) -> bool:
    """Whether a turn was meant for one alone, though others were there."""
    others = frozenset(cast) - node.absent - {node.turn.speaker}
    return node.turn.heard_by == frozenset({to}) != others
