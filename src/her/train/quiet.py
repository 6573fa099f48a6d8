"""The libraries below, hushed while they work: no bars, and no notices that are meant for programmers.

Knows where they are loud. Refuses to silence what they say of the data or the model.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from her.errors import MissingExtra

try:
    from transformers.utils import logging as loud
except ImportError as missing:
    raise MissingExtra("training", "train") from missing

WARNERS = ("transformers.trainer", "transformers.trainer_utils")
"""Loggers of the trainer."""


@contextmanager
def quiet() -> Iterator[None]:
    """Within it transformers, TRL and PEFT draw no bars and tell nobody what they will remove some day.

    Of the trainer errors alone are heard: it warns of weights that are missing, being tied to others, and of clocks.
    """
    bars = loud.is_progress_bar_enabled()
    levels = {logger: logger.level for logger in map(logging.getLogger, WARNERS)}
    loud.disable_progress_bar()
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        if bars:
            loud.enable_progress_bar()
