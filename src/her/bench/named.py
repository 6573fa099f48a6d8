"""The name by which Inspect finds a benchmark: `her/NAME`, however HER is installed.

Knows that Inspect puts the package before a task's name only where it can tell that the package is installed, which it
cannot of an editable install whose distribution has another name. Refuses to know any benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from inspect_ai import Task
from inspect_ai import task as inspects
from inspect_ai.util import registry_info

P = ParamSpec("P")
PACKAGE = "her"


def task(make: Callable[P, Task]) -> Callable[P, Task]:
    """The function as a task of Inspect's."""
    made: Callable[P, Task] = inspects(make)
    if registry_info(made).name.startswith(f"{PACKAGE}/"):
        return made
    again: Callable[P, Task] = inspects(name=f"{PACKAGE}/{make.__name__}")(make)
    return again
