"""Breakers of the world: a fact of the scene contradicted, a thing that its time does not have.

Knows facts (`facts`) and the years of stories and things (`wordings/`). Refuses to judge a world of which no year is
known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from her.judge.breakers.cuts import capital, put, sentences_of, swapped
from her.judge.breakers.facts import Fact, alike, cased, counted, facts, other_number
from her.judge.breakers.layers import GRADES, LAYERS
from her.judge.breakers.phrases import eras, lines, wordings
from her.judge.breakers.place import Broken, Excuse, Place
from her.scene import slug
from her.turn import Kind

SLIGHT = ("number",)
"""Facts that a slight contradiction is about; a clear one is about the others, a gross one about two."""


def contradicts(place: Place, grade: int, rng: Random) -> Broken | None:
    """A number, hour, season, place, trade or name that is not the scene's, in a sentence that the good side has with
    the right one. None where the scene states nothing of the kind."""
    if grade < 3:
        ways = [_wrong_number] if grade == 1 else [_wrong_name]
        for way in ways if rng.random() < 0.5 else []:
            if (found := way(place, rng)) is not None:
                return found
    held = facts(place, rng)
    rng.shuffle(held)
    if grade == 1:
        held = [fact for fact in held if fact.kind in SLIGHT][:1]
    elif grade == 2:
        held = sorted(held, key=lambda fact: fact.kind in SLIGHT)[:1]
    else:
        kinds = dict.fromkeys(fact.kind for fact in held)
        held = [next(fact for fact in held if fact.kind == kind) for kind in list(kinds)[:2]]
        held = held if len(held) == 2 else []
    return _stated(place, held, grade, rng) if held else None


def _stated(place: Place, held: list[Fact], grade: int, rng: Random) -> Broken | None:
    """Both sides with a sentence on each fact, one right and one wrong."""
    good = bad = place.turn
    names, words = [], []
    for fact in held:
        keys = [k for k in ("thought", "speech") if lines(place.language, "contradicts-scene", f"{fact.kind}-{k}")]
        if not keys:
            return None
        key = rng.choice(keys)
        number, line = rng.choice(list(enumerate(lines(place.language, "contradicts-scene", f"{fact.kind}-{key}"), 1)))
        draw = rng.random()
        right, wrong = capital(line.format(**fact.true)), capital(line.format(**fact.false))
        good = put(good, LAYERS[key], right, Random(draw), place.language)
        bad = put(bad, LAYERS[key], wrong, Random(draw), place.language)
        names.append(f"{fact.kind}-{key}-{number}")
        words.append(wrong)
    excuse = _excuse(place, held[0]) if len(held) == 1 else None
    return Broken(place.written(bad), "+".join(names), place.written(good), " ".join(words), excuse)


def _excuse(place: Place, fact: Fact) -> Excuse | None:
    """The scene with the other fact in it, where the words that state it stand there once."""
    whole = "\n".join((place.scene.setting, *(s.text for turn in place.turns for s in turn.segments)))
    if not fact.stands or whole.count(fact.stands) != 1:
        return None
    return Excuse(changed=((fact.stands, fact.instead),), reversed=True)


def _wrong_number(place: Place, rng: Random) -> Broken | None:
    """A number of the turn that the scene has too, with another in its place."""
    known = set(counted(place.public, place.language))
    turn = place.turn
    found = []
    for one in sentences_of(turn, Kind.SPEECH, Kind.ROLE_THINKING):
        for number, things in counted(one.text, place.language):
            if any(number.lower() == n.lower() and things.split()[-1:] == x.split()[-1:] for n, x in known):
                found.append((one, number, things))
    if not found:
        return None
    one, number, things = rng.choice(found)
    joint = "" if place.language == "zh" else " "
    like = [other for other in place.rumours.get("number", ()) if alike(number.lower(), other)]
    false = rng.choice(like) if like else other_number(number.lower(), rng)
    wrong = one.text.replace(f"{number}{joint}{things}", f"{cased(false, number)}{joint}{things}", 1)
    if false == number.lower() or any(false == n.lower() and things == x for n, x in known):
        return None
    return Broken(place.written(swapped(turn, one, wrong)), "own-number", words=wrong) if wrong != one.text else None


def _wrong_name(place: Place, rng: Random) -> Broken | None:
    """The one who is spoken to, called by a name that nobody here has."""
    table: Mapping[str, list[str]] = wordings(place.language).get("facts", {}).get("names", {})
    if not place.others or not table:
        return None
    called = place.called(place.others[0])
    title, _, rest = called.rpartition(" ")
    kind = ("family" if title else place.pronoun(place.others[0])) or ""
    names = [*place.rumours.get(f"name-{kind}", table.get(kind, []))]
    names = [name for name in names if name not in place.public and name[0] != rest[0]]
    pattern = rf"(?:(?<=[,，] )|(?<=，)|^|(?<=[.!?] )){re.escape(called)}(?=[,.!?，。！？])"
    found = [one for one in sentences_of(place.turn, Kind.SPEECH) if re.search(pattern, one.text)]
    if not found or not names:
        return None
    one = rng.choice(found)
    name = " ".join([*([title] if title else []), rng.choice(names)])
    wrong = re.sub(pattern, lambda m: name, one.text)
    return Broken(place.written(swapped(place.turn, one, wrong)), "wrong-name", words=name)


def year_of(place: Place, key: str = "years") -> int | None:
    """The year in which the story plays, or one that its invented age is like; None where that is not known."""
    return eras(key).get(slug(place.scene.book or place.book)) or eras(key).get(place.book)


def items(language: str, grade: int) -> list[tuple[str, Mapping[str, object]]]:
    """The things of a grade that came into the world in a year: the name of each, its `year`, and its wordings."""
    held: list[Mapping[str, object]] = wordings(language).get("anachronism", {}).get(GRADES[grade], [])
    return [(f"{GRADES[grade]}-{number}", item) for number, item in enumerate(held, 1)]


def anachronism(place: Place, grade: int, rng: Random) -> Broken | None:
    """Words that hold a later thing as a figure of speech; clear: the thing as one that exists; gross: it is used.

    None where the story's year is not known, and where nothing came into the world after it.
    """
    year = year_of(place)
    if year is None:
        return None
    later = [(name, item) for name, item in items(place.language, grade) if int(str(item["year"])) > year + 20]
    return _set_in(place, *rng.choice(later), rng) if later else None


def at_home(place: Place, template: str, rng: Random) -> Broken | None:
    """The words of `anachronism` of that name in a world that has the thing; None where it may not.

    What is used, and not only spoken of, has to be a thing that people have with them anywhere.
    """
    name, layer = template.rsplit("-", 1)
    grade = next(n for n, word in GRADES.items() if name.startswith(word))
    year = year_of(place, "modern")
    item = dict(items(place.language, grade)).get(name)
    if year is None or item is None or year < int(str(item["year"])) or (grade == 3 and not item.get("anywhere")):
        return None
    return _set_in(place, name, item, rng, layer)


def _set_in(place: Place, name: str, item: Mapping[str, object], rng: Random, layer: str = "") -> Broken | None:
    """Both sides with a sentence in the same place: with the thing, and with what stands for it in any time."""
    keys = [key for key in LAYERS if key in item and (not layer or key == layer)]
    if not keys:
        return None
    key = rng.choice(keys)
    draw = rng.random()
    bad, good = (
        put(place.turn, LAYERS[key], str(item[words]), Random(draw), place.language) for words in (key, f"plain-{key}")
    )
    return Broken(place.written(bad), f"{name}-{key}", place.written(good), str(item[key]))
