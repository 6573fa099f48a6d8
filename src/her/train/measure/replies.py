"""One reply of a model at each held-out turn, written down as it comes.

Knows what chat sends: prompt, beginning, sampling, grammar; and a journal, so that nothing is asked twice. A free reply
is given neither grammar nor beginning. Refuses to mend: the first reply counts, and no stop string hides that it speaks
for others. As in chat, a reply ends where somebody else begins to speak.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from her import markup
from her.actor import CHARS_PER_TOKEN, suited
from her.errors import InputError, ModelError, StorageError
from her.grammar import Limits, grammar
from her.models.adapter import packaged
from her.models.address import DEFAULT, resolve
from her.models.base import Constraint, Message, Model, Reply, Sampling, prompt_sha
from her.rows.files import line_of, read_rows, sha_of
from her.rows.record import Record
from her.script import Prompt, exchanges_to_drop, without_oldest
from her.stream import Retract, SecondSpeaker, Started
from her.train.local import local_folder
from her.train.measure.places import Place
from her.train.run_folder import ADAPTER, MODEL
from her.turn import Ending, Kind

Told = Callable[[str], None]
TELL_EVERY = 10
_WEIGHTS = ("*.safetensors", "*.bin", f"{ADAPTER}/*.safetensors", f"{MODEL}/*.safetensors")


class Replied(Record):
    """A reply as it came. `text` holds its beginning; `finish` is a Finish, or `second_speaker` where the reply was
    ended there; `tokens` are those written, None where the backend does not say. `grammar` is the sha256 of the grammar
    that it was held to, empty for a free one; `how` is what its Arm told."""

    model_config = ConfigDict(extra="ignore")  # files of earlier versions say more

    id: str
    scene: str
    seed: int
    text: str
    finish: str
    seconds: float
    tokens: int | None
    prompt: str
    grammar: str
    how: dict[str, Any]


class ReplyLog:
    """The replies in a file; each is on disk before the next is asked for, and a line that a kill tore is dropped.

    Raises InputError for a file of something else or of an older version, StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            whole = path.read_bytes().rfind(b"\n") + 1
            if whole < path.stat().st_size:
                os.truncate(path, whole)
        except OSError as error:
            raise StorageError(f"{path} cannot be written ({error.strerror}); name another folder") from error
        try:
            self._kept = {(row.id, row.seed): row for row in read_rows(path, Replied)}
        except InputError as error:
            raise InputError(
                f"{path}: does not say how its replies were got, as this version does; name a new folder, or remove "
                f"it ({error})"
            ) from error

    def find(self, place: Place, seed: int, how: Arm) -> Replied | None:
        """The reply at a place; None where there is none yet. Raises InputError for one that was got otherwise."""
        kept = self._kept.get((place.sample.id, seed))
        if kept is None:
            return None
        asked = how.told()
        names = [name for name in {**asked, **kept.how} if kept.how.get(name) != asked.get(name)]
        if names:
            unlike = "; ".join(f"{name}: {words(kept.how.get(name))}, now {words(asked.get(name))}" for name in names)
            raise InputError(f"{self.path}: its replies were got otherwise ({unlike}); name a new folder, or remove it")
        return kept

    def add(self, row: Replied) -> None:
        """Appends a reply."""
        try:
            with self.path.open("ab") as file:
                file.write(line_of(row))
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written ({error.strerror}); free some room, and give the same command again"
            ) from error
        self._kept[row.id, row.seed] = row


@dataclass(frozen=True, slots=True)
class Arm:
    """How replies are asked for. `model` names weights, and not only a path to them; `limits` None: no constraint. A
    backend adds its own repeat penalty to `sampling`."""

    model: str
    limits: Limits | None
    sampling: Sampling = field(default_factory=Sampling)

    def told(self) -> dict[str, Any]:
        """All of it as JSON has it, but for the seed, which is a reply's own."""
        sampling = asdict(replace(self.sampling, seed=None))
        return {
            "model": self.model,
            "limits": self.limits and asdict(self.limits),
            **{name: sampling[name] for name in ("temperature", "top_p", "max_tokens", "repeat_penalty")},
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What is sent at a place, whatever the seed."""

    prompt: Prompt
    constraint: Constraint | None

    @property
    def grammar(self) -> str:
        """The sha256 of the grammar, empty where there is none."""
        rules = self.constraint and self.constraint.grammar
        return hashlib.sha256(rules.encode()).hexdigest() if rules else ""


def words(told: object) -> str:
    """A value of `Arm.told` for people."""
    if isinstance(told, Mapping):
        return ", ".join(f"{name} {value}" for name, value in told.items())
    return "none" if told is None else str(told)


def arm(address: str, *, constrained: bool) -> Arm:
    """The arm of an address, with the limits and the sampling that chat has for its model.

    An adapter of the bundled model is held as `mini` is, which is what it would become.
    """
    address = resolve(address)
    chat = suited(address)
    return Arm(identity(address), chat.limits if constrained else None, chat.sampling)


def identity(address: str) -> str:
    """An address, or another name of files, with a hash of what is behind it where that is local: a path may be trained
    anew. Of a run of training, its result counts."""
    files: list[Path] = []
    if address == DEFAULT and (own := packaged()):
        files = [own.path]
    elif not re.match(r"scripted|replay:|https?:", address):
        for part in re.split(r"(?<=\.gguf)\+", address, flags=re.IGNORECASE):
            path = local_folder(part) or Path(part).expanduser()
            files += [path] if path.is_file() else sorted(found for glob in _WEIGHTS for found in path.glob(glob))
    shas = "".join(map(sha_of, files))
    return f"{address}@{hashlib.sha256(shas.encode()).hexdigest()[:12]}" if files else address


async def play(
    model: Model, places: Sequence[Place], seeds: Sequence[int], how: Arm, log: ReplyLog, told: Told
) -> list[Replied]:
    """The reply at every place with every seed, those that the log holds already taken from it.

    Raises InputError where the model cannot be constrained as asked, or the log holds replies to other prompts, and
    ModelError where the model fails or breaks off: what was said before stands in the log.
    """
    await model.probe()
    if how.limits and not model.constrains:
        raise InputError(f"{how.model} cannot hold a reply to a grammar; measure it with --free")
    missing = sum(log.find(place, seed, how) is None for place in places for seed in seeds)
    told(f"{len(places) * len(seeds)} replies, {missing} of them still to come")
    began, done = time.monotonic(), 0
    rows: list[Replied] = []
    for place in places:
        asked = await _asked(model, place, how)
        for seed in seeds:
            row = log.find(place, seed, how)
            if row is None:
                row = await _reply(model, place, asked, seed, how)
                log.add(row)
                done += 1
                if done % TELL_EVERY == 0 or done == missing:
                    each = (time.monotonic() - began) / done
                    told(f"{done} of {missing}, {each:.1f} s each, {each * (missing - done) / 60:.0f} min to go")
            elif (row.prompt, row.grammar) != (asked.prompt.sha, asked.grammar):
                changed = "prompt" if row.prompt != asked.prompt.sha else "grammar"
                raise InputError(f"{log.path}: the {changed} of {row.id} is another now; name a new folder")
            rows.append(row)
    return rows


async def _asked(model: Model, place: Place, how: Arm) -> Asked:
    """What chat sends; of a free reply not a word is written for the model, so that its form is all its own."""
    begun = place.beginning if model.prefills and how.limits is not None else ""
    sent = await _prompt(model, place, begun, how.sampling.max_tokens)
    return Asked(sent, None if how.limits is None else await _constraint(model, place, how.limits, begun))


async def _prompt(model: Model, place: Place, begun: str, reserve: int) -> Prompt:
    """What chat sends, without its oldest exchanges where it and `reserve` tokens of reply do not fit."""

    async def count(messages: Sequence[Message]) -> int | None:
        return await model.count(messages, begun)

    dropped = 0
    if model.context is not None:
        dropped = await exchanges_to_drop(place.context, count, model.context - reserve)
    messages = without_oldest(place.context, dropped)
    return Prompt(messages, begun, dropped, prompt_sha(messages, begun))


async def _reply(model: Model, place: Place, asked: Asked, seed: int, how: Arm) -> Replied:
    began = time.monotonic()
    stream = model.stream(
        asked.prompt.messages,
        replace(how.sampling, seed=seed),
        prefill=asked.prompt.prefill,
        constraint=asked.constraint,
        call_id=f"{place.sample.id}/{seed}",
    )
    text, reply = await _heard(stream, place, asked.prompt.prefill)
    if reply is not None and reply.error:
        raise ModelError(f"{place.sample.id}: {reply.error}; give the same command again, and it goes on here")
    return Replied(
        id=place.sample.id,
        scene=place.sample.scene,
        seed=seed,
        text=asked.prompt.prefill + text,
        finish=str(reply.finish if reply else Ending.SECOND_SPEAKER),
        seconds=round(time.monotonic() - began, 3),
        tokens=reply.usage.completion_tokens if reply else None,
        prompt=asked.prompt.sha,
        grammar=asked.grammar,
        how=how.told(),
    )


async def _heard(stream: AsyncIterator[str | Reply], place: Place, begun: str) -> tuple[str, Reply | None]:
    """What a stream said, and its Reply; None where it was ended because somebody else began to speak."""
    parser = markup.stream(speaker=place.speaker, cast=place.others, plan=place.sample.plan)
    parser.feed(begun)
    # A reply whose plan has not begun may be a plan that lost its opener, and those have lines with names.
    planned, second = bool(begun) or not place.sample.plan, False
    said: list[str] = []
    async with aclosing(stream) if isinstance(stream, AsyncGenerator) else nullcontext():
        async for piece in stream:
            if isinstance(piece, Reply):
                return piece.text, piece
            said.append(piece)
            for event in parser.feed(piece):
                planned = planned or event == Started(Kind.SYSTEM_THINKING)
                second = isinstance(event, SecondSpeaker) or (second and not isinstance(event, Retract))
            if second and planned:
                return "".join(said), None
    raise AssertionError("a stream ended without a Reply")


async def _constraint(model: Model, place: Place, limits: Limits, begun: str) -> Constraint:
    """Chat's grammar for the turn; its budgets by the tokenizer's rate on the prompt's own words."""
    system = place.context[0].content
    with_text = await model.count((Message("user", system),))
    without = await model.count((Message("user", ""),))
    rate = CHARS_PER_TOKEN
    if with_text is not None and without is not None and with_text > without:
        rate = min(len(system) / (with_text - without), CHARS_PER_TOKEN)
    names = sorted(place.others)
    plan = place.sample.plan
    return Constraint(grammar(limits, name=place.speaker, others=names, plan=plan, written=begun, chars_per_token=rate))
