"""Every error that HER raises, and what each one asks of the person who sees it.

HerError
├── InputError              what was given cannot be used (also a ValueError): flags, files, names
│   ├── UnknownName         a name that is not in the cast
│   ├── SceneError          a scene file that does not say what a scene must say
│   ├── PromptError         a prompt text with a field missing or too many
│   └── ContextOverflow     a prompt that does not fit the model's window
├── ModelError              a backend failed (also a RuntimeError)
│   ├── Unreachable         nobody answers at that address
│   ├── Refused             the server wants another key, or forbids the model
│   ├── RateLimited         too many requests; `retry_after` in seconds, or None
│   ├── ServerFault         the server answered with a fault of its own
│   ├── BadAnswer           an answer that is not in the protocol
│   ├── TimedOut            silence for too long
│   └── ReplayMiss          a recording that does not hold this call
├── MissingExtra            an optional dependency is not installed (also an ImportError)
└── StorageError            a file or database could not be read or written (also an OSError)

A message says what happened, where, and what to do about it.
"""

from __future__ import annotations

from typing import Any


class HerError(Exception):
    """The root: any error that HER raises on purpose; it can be sent from one process to another."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would call the class with the message alone, and not every one of these takes just that.
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[HerError], args: tuple[object, ...], state: dict[str, object]) -> HerError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(HerError, ValueError):
    """What was given cannot be used; the message names the file, row or flag."""


class UnknownName(InputError):
    """A name that is not in the cast."""

    def __init__(self, name: str, known: object) -> None:
        names = ", ".join(sorted(map(str, known))) if isinstance(known, (set, frozenset, list, tuple)) else str(known)
        super().__init__(f"nobody here is called {name!r}; the cast is: {names or 'empty'}")
        self.name = name


class SceneError(InputError):
    """A scene file that does not say what a scene must say."""


class PromptError(InputError):
    """A prompt text with a field missing, or given one that it does not have."""


class ContextOverflow(InputError):
    """A prompt that does not fit the model's window, even with every old turn dropped."""


class ModelError(HerError, RuntimeError):
    """A backend failed; nothing that it had already said is lost."""


class Unreachable(ModelError):
    """Nobody answers at that address."""


class Refused(ModelError):
    """The server wants another key, or forbids the model."""


class RateLimited(ModelError):
    """The server asks for patience; `retry_after` is in seconds, None where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerFault(ModelError):
    """The server answered with a fault of its own."""


class BadAnswer(ModelError):
    """An answer that is not in the protocol."""


class TimedOut(ModelError):
    """Silence for too long."""


class ReplayMiss(ModelError):
    """A recording that does not hold this call; the message names the id and the hash it looked for."""


class MissingExtra(HerError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part of HER; install it with: pip install 'her-roleplay[{extra}]'")
        self.extra = extra


class StorageError(HerError, OSError):
    """A file or database could not be read or written."""
