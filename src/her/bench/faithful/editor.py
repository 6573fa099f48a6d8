"""Both edits of a layer as a model makes them, for languages without rules and for texts that rules find nothing in.

Knows how to ask, and holds the model's edits to the same measure as those by rule: one size. That the first is a
reversal and the second none is the model's word; nothing here can tell.
"""

from __future__ import annotations

from her.bench.faithful.edits import Edits, distance, matched
from her.bench.faithful.turns import EDITED, KINDS, Held
from her.checks.units import primary
from her.errors import ContextOverflow
from her.models.base import Constraint, Message, Model, Sampling
from her.prompts import prompt
from her.rows.ask import seed_of
from her.rows.decode import BrokenJson, NoJson, decode

TRIES = 4
"""Rewordings that are asked for until one has the size of the reversal."""
TOKENS = 400
"""Tokens of an edited text in its JSON; plans of her-scenes have about 80."""
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


async def edited(editor: Model, held: Held, seed: int) -> Held:
    """The turn with both edits of each layer by a model; none for a layer where it made no two of one size."""
    made = {}
    for layer in KINDS:
        own = held.texts(layer)
        pairs = [
            await edits_by(editor, text, held.language, seed_of(seed, f"{held.id}/{layer}/{at}"))
            for at, text in enumerate(own)
        ]
        made[layer] = {
            version: tuple(getattr(pair, version) if pair else text for pair, text in zip(pairs, own, strict=True))
            for version in EDITED
            if any(pairs)
        }
    return held.model_copy(update={"edited": made})


async def edits_by(editor: Model, text: str, language: str, seed: int) -> Edits | None:
    """Both edits of a text; None where the answer cannot be read, changes nothing, or no rewording has the size."""
    form = "zh" if primary(language) == "zh" else "en"
    turned = await _asked(editor, prompt(f"faithful-turned/{form}", text=text), Sampling(0.0, 1.0, TOKENS, seed))
    if turned is None or not (wanted := distance(text, turned)):
        return None
    request = prompt(f"faithful-reworded/{form}", text=text, size=str(wanted))
    for attempt in range(TRIES):
        # The first as it comes likeliest, the others drawn.
        how = Sampling(0.0 if attempt == 0 else 0.8, 1.0, TOKENS, seed + attempt)
        reworded = await _asked(editor, request, how)
        if reworded is not None and matched(wanted, size := distance(text, reworded)):
            return Edits(turned, reworded, wanted, size)
    return None


async def _asked(editor: Model, request: str, how: Sampling) -> str | None:
    """The text of an answer, on one line; None for an answer without one."""
    try:
        reply = await editor.generate([Message("user", request)], how, constraint=Constraint(schema=SCHEMA))
        told = decode(reply.text, SCHEMA)
    except (ContextOverflow, NoJson, BrokenJson):
        return None
    text = told.get("text") if isinstance(told, dict) else None
    return " ".join(text.split()) or None if isinstance(text, str) else None
