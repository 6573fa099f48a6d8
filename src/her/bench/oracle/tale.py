"""Tales made for the oracle: as many as wanted, of any order, with and without lies, each with its questions.

Knows chance and what makes a question fair: an answer among the options, and several places that it could have been.
Refuses to answer anything itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from her.bench.figures import Figure, Value
from her.bench.minds.answers import LETTERS
from her.bench.minds.cases import ACCURACY, READABLE, Case, Graded, Question, Sort, every, lettered, marked, mean, plain
from her.bench.oracle.wording import Wording, wording
from her.bench.oracle.world import Aside, Claim, Enter, Event, Leave, Move, Stand, World
from her.errors import InputError
from her.prompts import prompt
from her.rows.ask import seed_of

OPTIONS = 15
"""Places to choose from, as in Hi-ToM; chance is 1 in 15."""
PEOPLE = 5
LEAST_PEOPLE = 2
MOVES, BACK, ASIDES = 0.6, 0.15, 0.25
"""How likely somebody moves the thing before leaving, comes back, or does something that does not matter."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What tales are made of: the highest order asked for, chapters (each another thing), lies, people, language."""

    orders: int = 4
    chapters: int = 2
    lies: bool = True
    people: int = PEOPLE
    language: str = "en"

    def __post_init__(self) -> None:
        """Raises InputError for a recipe from which nothing can be made."""
        words = wording(self.language)
        most = {"chapters": min(len(words.rooms), len(words.things)), "people": len(words.people)}
        for name, least in (("orders", 0), ("chapters", 1), ("people", LEAST_PEOPLE)):
            value = getattr(self, name)
            if value < least or value > most.get(name, value):
                upto = f" to {most[name]}" if name in most else " or more"
                raise InputError(f"{name} is {value}; give {least}{upto}")


@dataclass(frozen=True, slots=True)
class Tale:
    """A story, the thing that is asked for, and chains of minds from none to the longest, each the end of the next."""

    id: str
    events: tuple[Event, ...]
    thing: str
    chains: tuple[tuple[str, ...], ...]
    places: tuple[str, ...]
    """The options, shuffled."""
    recipe: Recipe

    def answers(self) -> list[str]:
        """What the oracle answers for each chain."""
        world = World(self.events)
        return [place for chain in self.chains if (place := world.belief(chain, self.thing)) is not None]


def tale(recipe: Recipe, seed: int, number: int) -> Tale:
    """The tale of a seed and a number; the same for the same."""
    rng = random.Random(seed_of(seed, f"beliefs/{recipe}/{number}"))
    words = wording(recipe.language)
    people = rng.sample(words.people, recipe.people)
    things, rooms = rng.sample(words.things, recipe.chapters), rng.sample(words.rooms, recipe.chapters)
    events: list[Event] = []
    for at, (thing, room) in enumerate(zip(things, rooms, strict=True)):
        # All are there when the first thing is put down: of that one everybody has some belief.
        cast = people if at == 0 else rng.sample(people, max(LEAST_PEOPLE, len(people) - at))
        events += _Chapter(rng, words, recipe.lies).events(cast, thing, room)
    chain = _chain(rng, people, recipe.orders)
    chains = tuple(chain[len(chain) - order :] for order in range(recipe.orders + 1))
    places = _places(rng, words, events, things[0])
    return Tale(f"tale-{number:04}", tuple(events), things[0], chains, places, recipe)


def case(tale: Tale) -> Case:
    """A tale as a case of questions."""
    words = wording(tale.recipe.language)
    story = "\n".join(f"{at}. {words.told(event)}" for at, event in enumerate(tale.events, 1))
    lies = "told-lies" if tale.recipe.lies else "no-lies"
    questions = []
    for order, (chain, answer) in enumerate(zip(tale.chains, tale.answers(), strict=True)):
        text = prompt(
            f"bench-beliefs/{tale.recipe.language}",
            story=story,
            question=words.question(chain, tale.thing),
            options=lettered(tale.places),
        )
        right = LETTERS[tale.places.index(answer)]
        marks = (f"order-{order}", lies)
        questions.append(
            Question(f"order-{order}", text, Sort.LETTER, (right,), num_options=len(tale.places), marks=marks)
        )
    return Case(tale.id, tale.id, tuple(questions), {"lines": len(tale.events), "lies": tale.recipe.lies})


def figures(orders: int) -> tuple[Figure, ...]:
    """The figures of tales with questions up to an order."""
    return (
        ACCURACY,
        READABLE,
        Figure("joint", "right together with all lower orders", headline=True),
        *(Figure(f"order-{order}", f"right, order {order}") for order in range(orders + 1)),
        Figure("told-lies", "right, stories with lies"),
        Figure("no-lies", "right, stories without lies"),
    )


def count(found: Sequence[Graded]) -> dict[str, Value]:
    """The figures of a tale whose questions were answered, from order 0 up."""
    values = [one.value for one in found]
    joint = mean(every(values[: at + 1]) for at in range(len(values)))
    orders = {f"order-{at}": value for at, value in enumerate(values)}
    lies: dict[str, Value] = {name: mean(marked(found, name)) for name in ("told-lies", "no-lies")}
    return plain(found) | {"joint": joint} | orders | lies


@dataclass
class _Chapter:
    """One thing in one room, who does what with it, and what is said of it afterwards."""

    rng: random.Random
    words: Wording
    lies: bool
    _events: list[Event] = field(default_factory=list)

    def events(self, cast: Sequence[str], thing: str, room: str) -> list[Event]:
        order = self.rng.sample(list(cast), len(cast))
        place = self.rng.choice(self.words.containers)
        # A chapter has a few places of its own, so that things go back to where they were, as things do.
        places = self.rng.sample(self.words.containers, 4)
        self._events += [Enter(tuple(order), room), Stand(thing, place, room)]
        inside = list(order)
        while inside:
            one = inside.pop(0)
            self._maybe(ASIDES, Aside(self.rng.choice(cast), self.rng.choice(self.words.asides)))
            free = [other for other in places if other != place]
            if self.rng.random() < MOVES:
                place = self.rng.choice(free)
                self._events.append(Move(one, thing, place))
            self._events.append(Leave(one, room))
            gone = [other for other in order if other not in inside and other != one]
            if gone and inside and self.rng.random() < BACK:
                back = self.rng.choice(gone)
                inside.append(back)
                self._events.append(Enter((back,), room))
        self._events.append(Enter(tuple(order), self.words.commons))
        if self.lies:
            self._claims(cast, thing, places)
        return self._events

    def _claims(self, cast: Sequence[str], thing: str, places: Sequence[str]) -> None:
        world = World(self._events)
        speaker, other = self.rng.sample(list(cast), 2)
        for who, to in self.rng.sample([(speaker, None), (other, speaker)], 2):
            believed = world.belief((who,), thing)
            lie = self.rng.choice([place for place in places if place != believed])
            honest = believed is not None and self.rng.random() < 0.3
            self._events.append(Claim(who, to, thing, believed if honest and believed else lie))

    def _maybe(self, chance: float, event: Event) -> None:
        if self.rng.random() < chance:
            self._events.append(event)


def _chain(rng: random.Random, people: Sequence[str], orders: int) -> tuple[str, ...]:
    """Minds of which none follows on itself; nobody comes twice while there are others left."""
    chain: list[str] = []
    while len(chain) < orders:
        fresh = [one for one in people if one not in chain] or [one for one in people if one != chain[-1]]
        chain.append(rng.choice(fresh))
    return tuple(chain)


def _places(rng: random.Random, words: Wording, events: Sequence[Event], thing: str) -> tuple[str, ...]:
    """The options: every place that has to do with the thing, filled up with others of the story, then any."""
    spoken = [event for event in events if isinstance(event, Stand | Move | Claim)]
    own = [event.place for event in spoken if event.thing == thing]
    near = [event.place for event in spoken if event.thing != thing]
    rest = rng.sample(words.containers, len(words.containers))
    chosen = list(dict.fromkeys([*own, *near, *rest]))[:OPTIONS]
    return tuple(rng.sample(chosen, len(chosen)))
