"""The charts of the summary page: yield fan, vegetation indices, forward curve, range bar."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from plantation_rwa.periods import Month
from plantation_rwa.publish.report.markup import element, is_missing
from plantation_rwa.publish.report.svg import AMBER, GREEN, INK, Frame, drawing, text

WIDTH = 350.0
CURVE_WIDTH = 480.0
#: Months of history before the valuation date, and of forecast after it, that the charts show.
HISTORY_MONTHS = 48
FORECAST_MONTHS = 60
OUTER, MIDDLE, INNER = "#dcede3", "#bcdcc9", "#94c9aa"


def fan_chart(forecasts: pd.DataFrame, history: pd.DataFrame, as_of: str, label: str) -> str:
    """Monthly yield: harvests up to the valuation date, then the forecast's quantile bands; empty if nothing to draw.

    Parameters
    ----------
    forecasts
        Rows of one plantation of table ``forecasts``.
    history
        ``month, yield_t_ha`` of the same plantation.
    as_of
        YYYY-MM-DD.
    label
        What a screen reader says.
    """
    now = Month.parse(as_of[:7]).ordinal
    past = [
        (o, v)
        for o, v in _points(history, "month", "yield_t_ha")
        if now - HISTORY_MONTHS < o <= now and math.isfinite(v)
    ]
    shown = forecasts.assign(_o=_ordinals(forecasts, "target_month"))
    shown = shown[(shown["_o"] > now) & (shown["_o"] <= now + FORECAST_MONTHS)]
    columns = {q: f"yield_q{q}_t_ha" for q in ("05", "10", "25", "50", "75", "90", "95")}
    series = {q: _points(shown, "target_month", column) if len(shown) else [] for q, column in columns.items()}
    values = [v for _, v in [*past, *series["95"], *series["50"]] if math.isfinite(v)]
    ordinals = [o for o, _ in [*past, *series["50"]]]
    if not values:
        return ""
    frame = Frame(WIDTH, 190, (min(*ordinals, now), max(*ordinals, now)), (0.0, max(values) * 1.06 or 1.0))
    x = frame.x(now + 0.5 if max(ordinals) > now else now)
    parts = [
        frame.axes("t/ha per month"),
        frame.band(series["05"], series["95"], OUTER),
        frame.band(series["10"], series["90"], MIDDLE),
        frame.band(series["25"], series["75"], INNER),
        element(
            "line",
            x1=x,
            x2=x,
            y1=frame.top - 6,
            y2=frame.height - frame.bottom,
            stroke=AMBER,
            stroke_dasharray="3 3",
        ),
        text(x + 4, frame.top - 6, as_of, fill=AMBER)
        if x < WIDTH - 80
        else text(x - 4, frame.top - 6, as_of, anchor="end", fill=AMBER),
        frame.line(past, INK, 1.2),
        frame.dots(past, INK, 1.4),
        frame.line(series["50"], GREEN, 1.8),
        frame.dots(series["50"], GREEN, 1.8) if len(series["50"]) == 1 else "",
    ]
    return drawing(WIDTH, frame.height, "".join(parts), label)


def range_bar(low: object, middle: object, high: object, top: float) -> str:
    """A small bar from ``low`` to ``high`` with a mark at ``middle`` on a scale from 0 to ``top``."""
    if is_missing(low) or is_missing(middle) or is_missing(high) or top <= 0:
        return ""
    a, b, c = (min(max(float(str(v)) / top, 0.0), 1.0) * 96 + 2 for v in (low, middle, high))
    bar = element("rect", x=2.0, y=6.0, width=96.0, height=2.0, fill="#e1e7e3") + element(
        "rect", x=a, y=4.0, width=max(c - a, 1.0), height=6.0, rx=2.0, fill=INNER
    )
    mark = element("line", x1=b, x2=b, y1=2.0, y2=12.0, stroke=INK, stroke_width=1.6)
    return f'<svg class="bar" viewBox="0 0 100 14" aria-hidden="true">{bar}{mark}</svg>'


def _ordinals(frame: pd.DataFrame, column: str) -> pd.Series:
    return pd.Series([Month.parse(str(m)).ordinal for m in frame[column]], index=frame.index, dtype="int64")


def _points(frame: pd.DataFrame, month: str, column: str) -> list[tuple[float, float]]:
    """(month ordinal, value) in month order; missing values are NaN; months once, the first row's value."""
    pairs: Iterable[tuple[int, object]] = zip(_ordinals(frame, month), frame[column], strict=True)
    out: dict[float, float] = {}
    for ordinal, value in pairs:
        out.setdefault(float(ordinal), math.nan if is_missing(value) else float(str(value)))
    return sorted(out.items())
