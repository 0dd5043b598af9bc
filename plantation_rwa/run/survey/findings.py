"""What a cross-check says: one sentence about one input, with the value it rests on and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from plantation_rwa.errors import Problem

#: an error leaves nothing to use, or turns numbers wrong without a trace; a warning touches some plantations, rows or
#: months; a note is worth knowing
Severity = Literal["error", "warning", "note"]

#: ids or values that are written out before the others are counted
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One result of a cross-check.

    Parameters
    ----------
    input
        Configuration key, such as ``harvest.path``.
    key
        Column, series or variable inside it; empty if the whole input is meant.
    value
        What was found: ids, dates or numbers.
    what
        The finding in one sentence, without its full stop.
    remedy
        What to do about it, a sentence.
    file
        File name; empty for all files of the input.
    """

    severity: Severity
    input: str
    key: str
    value: str
    what: str
    remedy: str
    file: str = ""

    def problem(self) -> Problem:
        """The finding as the other errors of the program are shown."""
        return Problem(": ".join(p for p in (self.input, self.file, self.key) if p), self.what, self.value, self.remedy)


def some(texts: Iterable[object]) -> str:
    """The first few of a list, and how many more there are: ``A; B; C; 4 more``."""
    names = [str(t) for t in texts]
    return "; ".join([*names[:_SHOWN], *([f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 plantation``, ``3 plantations or blocks``, ``2 series``."""
    return f"{number} {noun if number == 1 else ' or '.join(_plural(n) for n in noun.split(' or '))}"


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else noun + ("es" if noun.endswith("ch") else "s")
