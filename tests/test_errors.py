"""Errors go from one process to another, as Ray's tasks send them, and stay what they are."""

from __future__ import annotations

import pickle

import pytest

from her.errors import HerError, InputError, MissingExtra, RateLimited, StorageError, UnknownName
from her.rows.ask import Dropped, Rejected
from her.rows.record import Refusal


@pytest.mark.parametrize(
    "error",
    [
        InputError("no such flag"),
        StorageError("the disk is full"),
        UnknownName("Darcy", {"Jane", "Lizzy"}),
        MissingExtra("Ray", "ray"),
        RateLimited("slower, please", 2.5),
        Dropped("server", "nobody answers"),
        Rejected(Refusal(stage="scenes", reason="empty")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_arrives_as_it_was_sent(error: HerError) -> None:
    error.add_note("row 7")
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error) and str(arrived) == str(error)
    assert vars(arrived) == vars(error)
