"""Talking to people and programs: results on standard output, progress and errors on standard error.

A command says what it found three ways at once: lines and tables for people, which ``--quiet`` and ``--json`` silence,
and :func:`result` for programs, which ``--json`` prints as one document when the command is over.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from plantation_rwa.errors import Problem


def console(*, stderr: bool = False, soft_wrap: bool = True, file: IO[str] | None = None) -> Console:
    """A console without any escape code where ``NO_COLOR`` is set or no terminal listens."""
    if os.environ.get("NO_COLOR"):
        return Console(file=file, stderr=stderr, highlight=False, soft_wrap=soft_wrap, color_system=None)
    return Console(file=file, stderr=stderr, highlight=False, soft_wrap=soft_wrap)


out = console()
err = console(stderr=True)

#: columns of a page that has no edge, and those that a wrapped cell needs to be read
_UNBOUNDED = 100_000
_WRAPPED = 24


@dataclass
class _Voice:
    """What is said in which way, and what has been found so far."""

    command: str = ""
    quiet: bool = False
    json: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)


_voice = _Voice()


def begin(command: str, *, quiet: bool = False, json: bool = False) -> None:
    """A command begins; what an earlier one of this process has said is forgotten."""
    global _voice
    _voice = _Voice(command, quiet, json)


def close(code: int, defect: Problem | None = None) -> None:
    """A command is over: with ``--json`` everything it has found is printed as one document."""
    over = _voice
    begin("")
    if not over.json:
        return
    from plantation_rwa.cli.documents import document

    errors = over.errors if defect is None else [*over.errors, defect]
    sys.stdout.write(document(over.command, code, errors, over.result))
    sys.stdout.flush()


def is_document() -> bool:
    """Whether what is said becomes one document."""
    return _voice.json


def result(**values: object) -> None:
    """Add what was found to the document of ``--json``."""
    _voice.result.update(values)


def parsed(written: io.StringIO | None, version: str) -> None:
    """Add the version or the help that the parser wrote, if it did, to the document of ``--json``."""
    text = "" if written is None else written.getvalue().rstrip("\n")
    if text:
        result(**{"version" if text == version else "help": text})


def error(problem: Problem | str) -> None:
    """Print an error to standard error, as plain text, and keep it for the document."""
    kept = problem if isinstance(problem, Problem) else Problem.read(problem)
    _voice.errors.append(kept)
    err.print(f"error: {_lines(problem)}", style="bold red", markup=False)


def say(text: str, style: str | None = None) -> None:
    """Print a line to standard output, as plain text."""
    if not (_voice.quiet or _voice.json):
        out.print(_lines(text), style=style, markup=False)


def note(text: str) -> None:
    """Print how far a command is to standard error, so that results can be piped."""
    if not _voice.quiet:
        err.print(_lines(text), markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table: as wide as its cells, one line per row, when the output is not a terminal.

    On a terminal the last column is wrapped, so that nothing of it is cut off; each row of a table that is too wide
    even so is a paragraph.
    """
    if _voice.quiet or _voice.json:
        return
    if title:
        say(title, "bold")
    grid = Table(box=None, pad_edge=False)
    for column in columns:
        last = column == columns[-1]
        grid.add_column(column, justify="right" if column in right else "left", no_wrap=not last, overflow="fold")
    for row in rows:
        grid.add_row(*(_plain(cell) for cell in row))
    if out.is_terminal:
        screen = console(soft_wrap=False)
        if _least_width(columns, rows) <= screen.width:
            screen.print(grid)
            return
        for row in rows:
            screen.print(_paragraph(columns, row), overflow="fold")
        return
    plain = Console(file=io.StringIO(), highlight=False, width=_UNBOUNDED, color_system=None)
    plain.print(grid)
    for line in plain.file.getvalue().splitlines():  # type: ignore[attr-defined]
        say(line.rstrip())


class StageProgress:
    """Progress by stage: a live bar on a terminal, one line per stage elsewhere, both on standard error."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task = None

    def started(self, stage: str, total: int) -> None:
        """A stage begins."""
        if _voice.quiet or not err.is_terminal or err.color_system is None or total <= 1:
            return
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(stage, total=total)  # type: ignore[assignment]

    def advanced(self, stage: str, done: int) -> None:
        """Units finished."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)

    def ended(self, stage: str, text: str, seconds: float) -> None:
        """A stage is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._task = None, None
        note(f"{stage:<10} {text}  {seconds:.1f} s")


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns of the screen that a table needs if its last column is wrapped to a few words."""
    widths = [max(cell_len(_plain(line[i]).plain) for line in (columns, *rows)) for i in range(len(columns))]
    return sum(widths[:-1]) + 2 * (len(widths) - 1) + min(widths[-1], _WRAPPED)


def _paragraph(columns: Sequence[str], row: Sequence[str]) -> Text:
    """A row with the name of its column before each cell that holds something; the first cell is the heading."""
    text = Text.assemble((_plain(row[0]).plain, "bold"))
    for name, cell in zip(columns[1:], row[1:], strict=True):
        if cell:
            text.append(" | ").append(f"{name} ", "dim").append(_plain(cell))
    return text


def legible(text: str) -> str:
    """A text of others as one line, and nothing in it that a terminal obeys."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def _lines(text: object) -> str:
    """A text in its own lines, and nothing in them that a terminal obeys."""
    return "\n".join(legible(line) for line in str(text).split("\n"))


def _plain(text: str) -> Text:
    """A cell as it stands: no markup."""
    return Text(legible(text))
