"""JSON from files that others may have written: nesting is counted before the parser meets it."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

#: nesting beyond this is no document of ours or of a provider, and just below the usual limit of a process; where that
#: was raised the parser ends the process on a deeper one instead of raising
MOST = 900
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    ValueError
        If it is no JSON, or nested more than :data:`MOST` deep.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    # with brackets inside of strings the count is too high: only then are these taken out
    if _depth(data) > MOST and _depth(_STRINGS.sub(b"", data)) > MOST:
        raise ValueError(f"nested more than {MOST} deep")
    return json.loads(text)


def parsed_strictly(text: str | bytes) -> Any:
    """The value of a JSON text that every reader reads alike: no name stands twice in an object, every number is one.

    Raises
    ------
    ValueError
        As :func:`parsed`, and for what two readers could take for two things.
    """
    parsed(text)
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _depth(data: bytes) -> int:
    codes = np.frombuffer(data, dtype=np.uint8)
    marks = codes[(codes | 0x20 == 0x7B) | (codes | 0x20 == 0x7D)]  # [ and {, ] and }
    steps = np.where(marks | 0x20 == 0x7B, 1, -1)
    return int(np.cumsum(steps).max(initial=0))
