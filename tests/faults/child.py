"""A command in a process of its own that starts in a moment, to be killed: its libraries are loaded already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from plantation_rwa.cli import run_command

#: what a run loads on its way
_LOADED = [
    "plantation_rwa.run.walk",
    "plantation_rwa.run.forecast",
    "plantation_rwa.run.valuation",
    "plantation_rwa.run.finishing",
    "plantation_rwa.cli.valuing",
    "tests.faults.child",
]


def command(argv: list[str], variables: Mapping[str, str], log: Path) -> BaseProcess:
    """Start a command with variables of its environment; what it says goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    child = context.Process(target=_run, args=(argv, dict(variables), str(log)))
    child.start()
    return child


def _run(argv: list[str], variables: dict[str, str], log: str) -> None:
    with open(log, "w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(variables)
    sys.exit(run_command(argv))
