"""Dialects: the shapes in which judges are asked, and in which they answer.

Knows their names. Refuses to know how an answer comes (`compare`).
"""

from __future__ import annotations

from collections.abc import Sequence

from her.errors import InputError
from her.judge.dialects.dialect import Dialect
from her.judge.dialects.her_rm import HerRm
from her.judge.dialects.ours import Ours
from her.judge.principles import Principle

DIALECTS = ("ours", "ours-terse", "her-rm")
"""Our own, the same for models that write slowly and have little to say, and that of the released reward model."""


def named(name: str, principles: Sequence[Principle] | None = None) -> Dialect:
    """The dialect of that name; `principles` are those whose negative ones it names, None: our own list.

    The released model writes its own principles and is shown none. Raises InputError for an unknown name, and for
    principles that a dialect has no use for.
    """
    if name not in DIALECTS:
        raise InputError(f"no judge speaks {name!r}; the dialects are: {', '.join(DIALECTS)}")
    if name != HerRm.name:
        return Ours(None if principles is None else tuple(principles), terse=name == "ours-terse")
    if principles is not None:
        raise InputError(f"a judge of the dialect {name} writes its own principles; leave the list out")
    return HerRm()
