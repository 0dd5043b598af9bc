"""What a command costs that runs to its end in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """Wall and CPU seconds, largest resident memory in MiB, and everything that was said."""

    wall: float
    cpu: float
    peak: float
    text: str


def ended(argv: Sequence[str]) -> Ended:
    """Run a command to its end, on one thread for linear algebra and without the user's cache.

    Raises
    ------
    SystemExit
        With what it said, if it failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment["PLANTATION_RWA_CACHE"] = ""  # what an earlier round has kept would not be counted
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode, as the peers have
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}:\n{text[-3000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return Ended(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, text)
