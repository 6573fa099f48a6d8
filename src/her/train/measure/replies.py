"""One reply of a model at each held-out turn, written down as it comes.

Knows what chat sends: prompt, beginning, sampling, grammar; and a journal, so that nothing is asked twice. Refuses to
mend: the first reply counts, and no stop string hides that it speaks for others. As in chat, a reply ends where
somebody else begins to speak.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from her import markup
from her.actor import CHARS_PER_TOKEN, suited
from her.errors import InputError, ModelError, StorageError
from her.grammar import Limits, grammar
from her.models.adapter import packaged
from her.models.address import DEFAULT, resolve
from her.models.base import Constraint, Message, Model, Reply, Sampling, prompt_sha
from her.rows.files import line_of, read_rows, sha_of
from her.rows.record import Record
from her.script import Prompt, cut_point, without_oldest
from her.stream import SecondSpeaker
from her.train.measure.places import Place
from her.turn import Ending

Told = Callable[[str], None]
TELL_EVERY = 10


class Replied(Record):
    """A reply as it came. `text` holds its beginning; `finish` is a Finish, or `second_speaker` where the reply was
    ended there; `tokens` are those written, None where the backend does not say."""

    id: str
    scene: str
    world: str
    character: str
    seed: int
    text: str
    finish: str
    seconds: float
    tokens: int | None
    prompt: str
    model: str
    constrained: bool
    temperature: float


class ReplyLog:
    """The replies in a file; each is on disk before the next is asked for, and a line that a kill tore is dropped.

    Raises InputError for a file of something else, StorageError.
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
        self._kept = {(row.id, row.seed): row for row in read_rows(path, Replied)}

    def find(self, place: Place, seed: int, how: Arm) -> Replied | None:
        """The reply at a place; None where there is none yet. Raises InputError for one that was got otherwise."""
        kept = self._kept.get((place.sample.id, seed))
        if kept is None:
            return None
        asked = how.model, how.limits is not None, how.sampling.temperature
        if (kept.model, kept.constrained, kept.temperature) != asked:
            held = f"{'constrained' if kept.constrained else 'free'} replies of {kept.model}"
            raise InputError(
                f"{self.path}: holds {held} at temperature {kept.temperature:g}; name a new folder, or remove it"
            )
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


def arm(address: str, *, constrained: bool) -> Arm:
    """The arm of an address, with the limits and the sampling that chat has for its model.

    An adapter of the bundled model is held as `mini` is, which is what it would become.
    """
    address = resolve(address)
    chat = suited(address)
    return Arm(identity(address), chat.limits if constrained else None, chat.sampling)


def identity(address: str) -> str:
    """An address with a hash of the files behind it, where it names local ones: a path may be trained anew."""
    files: list[Path] = []
    if address == DEFAULT and (own := packaged()):
        files = [own.path]
    elif not re.match(r"scripted|replay:|hf:|https?:", address):
        for part in re.split(r"(?<=\.gguf)\+", address, flags=re.IGNORECASE):
            path = Path(part).expanduser()
            files += [path] if path.is_file() else sorted(path.glob("*.safetensors"))
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
        asked = await _prompt(model, place, how.sampling.max_tokens)
        for seed in seeds:
            row = log.find(place, seed, how)
            if row is None:
                row = await _reply(model, place, asked, seed, how)
                log.add(row)
                done += 1
                if done % TELL_EVERY == 0 or done == missing:
                    each = (time.monotonic() - began) / done
                    told(f"{done} of {missing}, {each:.1f} s each, {each * (missing - done) / 60:.0f} min to go")
            elif row.prompt != asked.sha:
                raise InputError(f"{log.path}: the prompt of {row.id} is another now; name a new folder")
            rows.append(row)
    return rows


async def _prompt(model: Model, place: Place, reserve: int) -> Prompt:
    """What chat sends, without its oldest exchanges where it and `reserve` tokens of reply do not fit."""
    begun = place.beginning if model.prefills else ""
    exchanges = sum(message.role == "assistant" for message in place.context)

    async def count(dropped: int) -> int | None:
        # Beyond the last exchange nothing is left but the system message and the marker.
        bare = place.context[:1] if dropped > exchanges else without_oldest(place.context, dropped)
        return await model.count([*bare, *([Message("user", "")] if len(bare) == 1 else [])], begun)

    dropped, room = 0, (model.context or 0) - reserve
    if model.context is not None and (await count(0) or 0) > room:
        dropped = await cut_point(count, exchanges + 1, room)
    messages = without_oldest(place.context, dropped)
    return Prompt(messages, begun, dropped, prompt_sha(messages, begun))


async def _reply(model: Model, place: Place, asked: Prompt, seed: int, how: Arm) -> Replied:
    constraint = None if how.limits is None else await _constraint(model, place, how.limits, asked.prefill)
    began = time.monotonic()
    stream = model.stream(
        asked.messages,
        replace(how.sampling, seed=seed),
        prefill=asked.prefill,
        constraint=constraint,
        call_id=f"{place.sample.id}/{seed}",
    )
    text, reply = await _heard(stream, place, asked.prefill)
    if reply is not None and reply.error:
        raise ModelError(f"{place.sample.id}: {reply.error}; give the same command again, and it goes on here")
    return Replied(
        id=place.sample.id,
        scene=place.sample.scene,
        world=place.sample.slug,
        character=place.speaker,
        seed=seed,
        text=asked.prefill + text,
        finish=str(reply.finish if reply else Ending.SECOND_SPEAKER),
        seconds=round(time.monotonic() - began, 3),
        tokens=reply.usage.completion_tokens if reply else None,
        prompt=asked.sha,
        model=how.model,
        constrained=how.limits is not None,
        temperature=how.sampling.temperature,
    )


async def _heard(stream: AsyncIterator[str | Reply], place: Place, begun: str) -> tuple[str, Reply | None]:
    """What a stream said, and its Reply; None where it was ended because somebody else began to speak."""
    parser = markup.stream(speaker=place.speaker, cast=place.others, plan=place.sample.plan)
    parser.feed(begun)
    # A reply without a beginning may be a plan that lost its opener, and those have lines with names.
    watched = bool(begun) or not place.sample.plan
    said: list[str] = []
    async with aclosing(stream) if isinstance(stream, AsyncGenerator) else nullcontext():
        async for piece in stream:
            if isinstance(piece, Reply):
                return piece.text, piece
            said.append(piece)
            if any(isinstance(event, SecondSpeaker) for event in parser.feed(piece)) and watched:
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
