"""Waiting for files that another process holds. Knows locks of whole files. Refuses to know what stands in them."""

from __future__ import annotations

import errno
import math
import sys
import time
from typing import BinaryIO

POLL = 0.05
"""Seconds between two tries."""
_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def take(file: BinaryIO, seconds: float = math.inf) -> bool:
    """Whether this process has the file to itself now, until it closes it; waits at most so many seconds for others.

    File systems without locks give every file at once.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            _take(file)
        except OSError as error:
            if error.errno in _HELD:
                if time.monotonic() >= end:
                    return False
                time.sleep(POLL)
                continue
        return True


if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        # A byte far behind the end: a lock keeps others from reading what it covers.
        file.seek(1 << 62)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
