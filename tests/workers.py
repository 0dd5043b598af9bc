"""Units of work that tests send to other processes; light, because each process imports this module anew."""

from __future__ import annotations

import os
import time


def inverse(number: int) -> float:
    """Slow for the first items, so that finishing order is not the order of the items."""
    if 0 < number < 3:
        time.sleep(0.2 / number)
    return 1 / number


def process_id(number: int) -> int:
    """Where this runs."""
    return os.getpid()


def die(number: int) -> int:
    """End the process at 3, as the kernel does with one that takes too much memory."""
    if number == 3:
        os._exit(9)
    return number
