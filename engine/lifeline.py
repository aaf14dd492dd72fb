"""The pipe between a process and the one it was started for: when it ends, its work has ended too.

The kernel closes a pipe however its other end died, so nothing is left running behind a killed parent.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable


def hold(descriptor: int, gone: Callable[[], None]) -> bool:
    """Call `gone` once, from the running loop, when the pipe or socket `descriptor` ends.

    What comes through it is thrown away. False for anything else (a terminal, /dev/null, a file), which
    says nothing about anybody: nothing is watched then.
    """
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            ended = not os.read(descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            loop.remove_reader(descriptor)
            gone()

    loop.add_reader(descriptor, readable)
    return True
