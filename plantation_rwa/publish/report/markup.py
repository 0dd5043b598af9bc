"""Text that is safe inside HTML and SVG, numbers for people, and the few elements the page is made of."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

DASH = "\u2013"
# control characters are not allowed in HTML; direction overrides would let a name rewrite its surroundings
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(value: Any, limit: int = 0) -> str:
    """Plain text without control and direction characters, cut to ``limit`` characters if that is positive."""
    text = "" if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else str(value)
    text = _UNSAFE.sub("\ufffd", text)
    return text if not limit or len(text) <= limit else text[: max(1, limit - 1)] + "\u2026"


def esc(value: Any, limit: int = 0) -> str:
    """Text ready for an HTML or SVG text node or a quoted attribute."""
    return html.escape(clean(value, limit), quote=True)


def is_missing(value: Any) -> bool:
    """None, NaN, NA or infinite."""
    return value is None or value is pd.NA or bool(pd.isna(value)) or not math.isfinite(float(value))


def number(value: Any, decimals: int = 0) -> str:
    """Grouped thousands, fixed decimals, a dash if missing, never a negative zero."""
    if is_missing(value):
        return DASH
    text = f"{float(value):,.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text.replace("-", "\u2212")


def interval(low: Any, high: Any, decimals: int = 0) -> str:
    """``low to high`` in one line that does not break."""
    if is_missing(low) or is_missing(high):
        return DASH
    return f"{number(low, decimals)}&nbsp;to&nbsp;{number(high, decimals)}"


def both_levels(row: Mapping[Any, Any], name: str, decimals: int = 0) -> str:
    """The 80 and the 90 % interval of a quantity whose quantiles stand in ``{name}_q05`` to ``{name}_q95``."""
    pairs = {
        80: interval(row.get(f"{name}_q10"), row.get(f"{name}_q90"), decimals),
        90: interval(row.get(f"{name}_q05"), row.get(f"{name}_q95"), decimals),
    }
    lines = [
        f'<span class="level">{level}&nbsp;% <b>{pair}</b></span>' for level, pair in pairs.items() if pair != DASH
    ]
    return "".join(lines) or DASH


def units(value: Any, decimals: int, shown: int) -> str:
    """An integer in units of ``10**-decimals``, cut (not rounded) to ``shown`` decimals, exactly."""
    if value is None or value is pd.NA or pd.isna(value):
        return DASH
    whole, rest = divmod(abs(int(value)), 10**decimals)
    fraction = f"{rest:0{decimals}d}"[:shown] if decimals else ""
    sign = "\u2212" if int(value) < 0 else ""
    return f"{sign}{whole:,}" + (f".{fraction}" if fraction else "")


def unit_value(record: Mapping[Any, Any]) -> str:
    """Value of one of a right's units, to six decimals."""
    decimals = record.get("unit_decimals")
    return DASH if is_missing(decimals) else units(record.get("unit_nav_int"), int(str(decimals)), 6)


def element(name: str, content: str = "", **attributes: Any) -> str:
    """One element; attribute names with ``_`` for ``-``, None left out, values escaped, content taken as markup."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            parts.append(
                f'{key.rstrip("_").replace("_", "-")}="{esc(coordinate(value) if isinstance(value, float) else value)}"'
            )
    return f"<{' '.join(parts)}>{content}</{name}>" if content or name not in _VOID else f"<{' '.join(parts)}/>"


_VOID = {"path", "line", "rect", "circle", "polyline", "meta"}


def coordinate(value: float) -> str:
    """A drawing coordinate with two decimals at most and no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


class Cell(NamedTuple):
    """A cell with what it is sorted by, a number, a text, or nothing, and within which group."""

    markup: str
    key: Any
    group: str = ""


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    *,
    classes: str = "",
    numeric: Iterable[int] = (),
    label: str = "",
    sortable: Iterable[int] = (),
    ident: str = "",
) -> str:
    """A table; cells are markup already.

    Parameters
    ----------
    numeric
        Columns that are right-aligned.
    label
        What a screen reader calls it.
    sortable
        Columns whose head is a button; their cells are :class:`Cell`.
    ident
        Id of the table element.
    """
    right, buttons = set(numeric), set(sortable)
    cls = [' class="num"' if i in right else "" for i in range(len(head))]
    header = "".join(
        f'<th scope="col"{cls[i]}>{f"""<button type="button">{cell}</button>""" if i in buttons else cell}</th>'
        for i, cell in enumerate(head)
    )
    body = "".join("<tr>" + "".join(map(_cell, row, cls)) + "</tr>\n" for row in rows)
    mark = f' id="{esc(ident)}"' if ident else ""
    inner = f"<table{mark}><thead><tr>{header}</tr></thead><tbody>\n{body}</tbody></table>"
    # a focusable region, so that a wide table can be scrolled with the keyboard too
    name = f' role="region" aria-label="{esc(label)}"' if label else ""
    return f'<div class="scroll {esc(classes)}" tabindex="0"{name}>{inner}</div>'


def _cell(cell: str | Cell, attributes: str) -> str:
    if isinstance(cell, str):
        return f"<td{attributes}>{cell}</td>"
    key = "" if isinstance(cell.key, str) or is_missing(cell.key) else f"{float(cell.key):.10g}"
    group = f' data-g="{esc(cell.group)}"' if cell.group else ""
    return f'<td{attributes} data-v="{esc(cell.key) if isinstance(cell.key, str) else key}"{group}>{cell.markup}</td>'
