"""The tree of a chat's turns: where in it the chat stands, who may see what of it, who is there.

Knows undo, versions of a turn, branches, presence and views; whatever it does is in the store at once, and nothing
is ever deleted. Refuses to know a model.
"""

from __future__ import annotations

from dataclasses import replace

from her import markup
from her.chat.casting import Casting
from her.chat.store import Chat, Generation, Head, Node, Origin, Store
from her.chat.take import clean
from her.errors import InputError, UnknownName
from her.scene import Scene, load_scene
from her.turn import ENVIRONMENT, PRIVATE, VIEWS, Dialogue, Ending, Kind, Segment, Turn, View


class Tree:
    """One chat as it stands.

    `view` may be set at any time; it changes what `shown` and `minds` give, never what is kept.
    """

    def __init__(self, store: Store, chat: Chat) -> None:
        """Takes up a chat that is in the store; raises SceneError, StorageError."""
        self.store = store
        self.scene: Scene = load_scene(chat.scene)
        self.casting = Casting(chat.as_name, chat.with_names)
        self.view: View = VIEWS["immersive"]
        self._chat = chat
        self._head = store.head(chat.id)
        self._line = store.line(chat.id, self._head.node_id)
        self._busy = False

    # -- looking ---------------------------------------------------------------------------------------------

    @property
    def chat_id(self) -> str:
        """The chat's id in the store."""
        return self._chat.id

    @property
    def line(self) -> tuple[Node, ...]:
        """The turns from the first to the current one."""
        return self._line

    @property
    def dialogue(self) -> Dialogue:
        """The current line as a dialogue, everything in it; show nobody this, but what it serves."""
        return self._dialogue(self._line)

    @property
    def absent(self) -> frozenset[str]:
        """Who is away now."""
        return self._head.absent

    @property
    def busy(self) -> bool:
        """True while a reply is being written."""
        return self._busy

    def shown(self) -> tuple[Turn, ...]:
        """The current line as the view lets the person see it."""
        return self.dialogue.shown(self.view, self.casting.as_name)

    def eyes(self, name: str) -> tuple[Turn, ...]:
        """The current line as one character lived it, own thoughts kept; raises UnknownName."""
        return self.dialogue.seen_by(name)

    def minds(self, view: View | None = None) -> dict[str, Turn]:
        """What each character that the model plays thought last, under its name; a Turn of private segments.

        A character that has not thought yet has its opening thought, or no entry. Only kinds that `view`
        (None: the session's) lets pass.
        """
        kinds = (self.view if view is None else view).kinds & PRIVATE
        minds: dict[str, Turn] = {}
        for name in self.casting.with_names:
            turns = [node.turn for node in reversed(self._line) if node.turn.speaker == name]
            if opening := self.scene.character(name).opening_thought:
                turns.append(Turn(name, (Segment(Kind.ROLE_THINKING, opening),)))
            last = next((turn for turn in turns if turn.only(*PRIVATE).segments), None)
            if last is not None and last.only(*kinds).segments:
                minds[name] = last.only(*kinds)
        return minds

    def node(self, node_id: str) -> Node:
        """The node with this id, or this unique beginning of an id; raises InputError."""
        return self.store.node(self.chat_id, node_id)

    def alternatives(self, node_id: str) -> tuple[Node, ...]:
        """The node and its siblings (swipes), oldest first."""
        return self.store.children(self.chat_id, self.node(node_id).parent_id)

    def prompt_of(self, node_id: str) -> Generation:
        """The exact prompt and raw reply behind a generated turn; raises InputError where no model made it."""
        return self.store.generation(self.node(node_id).id)

    # -- presence --------------------------------------------------------------------------------------------

    def leave(self, name: str) -> None:
        """The character goes away: it hears nothing until it enters again, and does not speak."""
        self._known(name)
        self._move(replace(self._head, absent=self.absent | {name}))

    def enter(self, name: str) -> None:
        """The character comes back; what happened meanwhile it never learns."""
        self._known(name)
        self._move(replace(self._head, absent=self.absent - {name}))

    # -- the tree --------------------------------------------------------------------------------------------

    def edit(self, node_id: str, new: str | Turn) -> Node:
        """A sibling of the node with new text (asterisks style or tags) or segments; the chat stands after it.

        A plan that the new text does not mention stays. What followed the old version stays below it.
        """
        self._still()
        old = self.node(node_id)
        read = markup.parse(clean(new), style=markup.Style.ASTERISKS) if isinstance(new, str) else None
        segments = read.turn.segments if read is not None else new.segments if isinstance(new, Turn) else ()
        if not any(segment.text.strip() for segment in segments):
            raise InputError("the new version is empty: write something, or undo the turn")
        if all(segment.kind is not Kind.SYSTEM_THINKING for segment in segments):
            segments = (*old.turn.only(Kind.SYSTEM_THINKING).segments, *segments)
        node = replace(
            old,
            turn=replace(old.turn, segments=segments),
            ending=Ending.COMPLETE if read is None else read.ending,
            faults=() if read is None else read.faults,
            edited_from=old.id,
            made=None,
        )
        self._go(self.store.add(node).id)
        return self._line[-1]

    def select(self, node_id: str) -> Node:
        """Goes to a version of a turn and to the newest line below it; returns the turn it stands after."""
        self._still()
        self._go(self.store.newest_below(self.chat_id, self.node(node_id).id))
        return self._line[-1]

    def branch(self, node_id: str) -> Node:
        """Goes back to exactly this node; what is said next starts a new branch there."""
        self._still()
        self._go(self.node(node_id).id)
        return self._line[-1]

    def undo(self) -> tuple[Node, ...]:
        """Takes back the person's last line and everything after it; without one, the last turn.

        Returns what was taken back, empty where there is nothing but the opening. Nothing is deleted.
        """
        own = [at for at, node in enumerate(self._line) if node.origin is Origin.USER]
        played = self.casting.as_name is not None and own
        return self._back_to(own[-1] if played else max(self._num_opening(), len(self._line) - 1))

    def redo(self) -> tuple[Node, ...]:
        """Brings back what the last undo or clear took, where nothing was said since; returns it."""
        self._still()
        if not self._head.redo:
            return ()
        before = len(self._line)
        target, *rest = self._head.redo
        self._go(target, redo=tuple(rest))
        return self._line[before:]

    def clear(self) -> tuple[Node, ...]:
        """Goes back to the end of the opening; returns what was taken back. Nothing is deleted."""
        return self._back_to(self._num_opening())

    # -- below -----------------------------------------------------------------------------------------------

    def _dialogue(self, line: tuple[Node, ...]) -> Dialogue:
        return Dialogue(frozenset(self.scene.names), tuple(node.turn for node in line))

    def _num_opening(self) -> int:
        return sum(node.origin is Origin.OPENING for node in self._line)

    def _back_to(self, length: int) -> tuple[Node, ...]:
        self._still()
        taken = self._line[length:]
        if taken:
            target = self._line[length - 1].id if length else None
            self._go(target, redo=(taken[-1].id, *self._head.redo))
        return taken

    def _stand(self, node: Node) -> Node:
        self._line = (*self._line, node)
        self._head = Head(node.id, absent=node.absent)
        return node

    def _go(self, node_id: str | None, redo: tuple[str, ...] = ()) -> None:
        line = self.store.line(self.chat_id, node_id)
        self._move(Head(node_id, redo, line[-1].absent if line else frozenset()))
        self._line = line

    def _move(self, head: Head) -> None:
        self._still()
        self.store.set_head(self.chat_id, head)
        self._head = head

    def _still(self) -> None:
        if self._busy:
            raise InputError("a reply is being written: stop it, or wait for its end")

    def _known(self, name: str, *, world: bool = False) -> None:
        if name not in self.scene.names and not (world and name == ENVIRONMENT):
            raise UnknownName(name, list(self.scene.names))
