"""All that Inspect finds of HER: the provider, and every benchmark by its name.

Its entry point in `pyproject.toml` is what makes `inspect eval her/coser --model her/mini` work.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import Sample

from her.bench import asks
from her.bench.coser.task import coser
from her.bench.estimate import Ask
from her.bench.faithful.task import faithful
from her.bench.minds.task import bigtom, fantom, hitom, lifechoices, tomi, twinvoice
from her.bench.oracle.task import beliefs
from her.bench.provider import her
from her.bench.slop.task import slop
from her.bench.users.task import userllm

__all__ = ["BENCHMARKS", "Benchmark", "her"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task, and what each of its samples will ask, by the settings of its sheet."""

    make: Callable[..., Task]
    asks: Callable[[Sample, Mapping[str, Any]], Iterable[Ask]]

    @property
    def name(self) -> str:
        """What people call it, and Inspect behind `her/`."""
        return self.make.__name__

    @property
    def about(self) -> str:
        """What it is: the first sentence of the task's docstring."""
        text = " ".join((inspect.getdoc(self.make) or "").split("\n\n")[0].split())
        return re.split(r"(?<=[.?]) (?=[A-Z`])", text, maxsplit=1)[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """What it can be told, and what holds where nobody says otherwise."""
        return {name: one.default for name, one in inspect.signature(self.make).parameters.items()}


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(coser, asks.of_coser),
    Benchmark(faithful, asks.of_faithful),
    *(Benchmark(quiz, asks.of_quiz) for quiz in (beliefs, hitom, tomi, bigtom, fantom, lifechoices, twinvoice)),
    Benchmark(userllm, asks.of_users),
    Benchmark(slop, asks.of_slop),
)
"""In the order in which people are told of them."""
