"""Figures of a backtest as SVG files that need nothing beside them: skill by horizon, reliability, PIT histogram."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from plantation_rwa.publish.report.markup import coordinate, element, esc
from plantation_rwa.publish.report.svg import AMBER, BLUE, GREEN, INK, MUTED, Frame, text

#: model -> name in the legend, colour, dash
LINES = {
    "model": ("model", GREEN, None),
    "climatology": ("climatology", INK, None),
    "last_year": ("last year", AMBER, "6 3"),
    "prior": ("agronomic prior", BLUE, "6 3"),
    "sarima": ("seasonal ARIMA", "#8a4f9e", "2 3"),
}
_WIDTH, _HEIGHT = 640.0, 330.0
#: horizons of the reliability figure
_SPANS = {"1-3": ("months 1 to 3", GREEN), "4-6": ("4 to 6", BLUE), "7-12": ("7 to 12", AMBER), "annual": ("year", INK)}
_LEVELS = (5, 10, 25, 50, 75, 90, 95)
_TINT = "#cfe6d8"


def skill_figure(metrics: pd.DataFrame, title: str, note: str) -> str:
    """Skill against climatology by horizon, the model's with its 90 % interval; the year stands apart on the right.

    Parameters
    ----------
    metrics
        Table ``metrics``.
    title, note
        Line above the figure and below it.
    """
    rows = _chosen(metrics, "skill")
    rows = rows[rows["model"].isin(LINES)].assign(x=rows["horizon"].map(lambda h: 14.0 if h == "annual" else float(h)))
    low = min(-0.1, max(-1.0, float(rows["value"].min(skipna=True)) if len(rows) else 0.0))
    high = max(0.1, float(rows[["value", "hi"]].max().max()) if len(rows) else 0.0)
    frame = _frame((0.4, 14.6), (math.floor(low * 10) / 10, math.ceil(high * 10) / 10))
    ticks = [*((float(h), str(h)) for h in range(1, 13)), (14.0, "year")]
    parts = [frame.axes("skill = 1 - MSE / MSE of climatology", across=ticks), _level(frame, 0.0)]
    model = rows[rows["model"] == "model"]
    for row in model.itertuples(index=False):
        parts.append(_bar(frame, row.x, row.lo, row.hi, stroke=_TINT, stroke_width=9.0))
    names = [name for name in LINES if name != "climatology" and (rows["model"] == name).any()]
    for name in reversed(names):
        _, colour, dash = LINES[name]
        own = list(rows.loc[rows["model"] == name, ["x", "value"]].itertuples(index=False, name=None))
        parts += [frame.line(own, colour, 1.8, dash), frame.dots(own, colour, 2.4)]
    parts.append(_legend([(LINES[n][0], LINES[n][1], LINES[n][2]) for n in names], frame))
    parts.append(text(frame.width / 2, frame.height + 14, "months ahead", anchor="middle", fill=MUTED))
    # a floor keeps a baseline that is far below from flattening the rest
    said = "Bars: 90 % block-bootstrap interval of the model; dots on the lower edge lie below it. "
    return _file("".join(parts), title, said + note)


def reliability_figure(pooled: pd.DataFrame, title: str, note: str) -> str:
    """Share of harvests not above each forecast quantile against the share that should not be; the diagonal is right.

    Parameters
    ----------
    pooled
        Table ``metrics_pooled``.
    """
    frame = _frame((0.0, 1.0), (0.0, 1.0))
    ticks = [(p / 100, f"{p}") for p in _LEVELS]
    parts = [frame.axes("share of harvests at or below the quantile", 1, across=ticks)]
    ends = {"x1": frame.x(0.0), "y1": frame.y(0.0), "x2": frame.x(1.0), "y2": frame.y(1.0)}
    parts.append(_line(ends, stroke=MUTED, stroke_dasharray="4 3"))
    shown = []
    for span, (name, colour) in _SPANS.items():
        rows = {p: _one(pooled, f"below_q{p:02d}", span) for p in _LEVELS}
        points = [(p / 100, row["value"]) for p, row in rows.items() if row is not None]
        if not points:
            continue
        shown.append((name, colour, None))
        for p, row in rows.items():
            if row is not None and span in ("1-3", "annual"):
                style = {"stroke": colour, "stroke_width": 1.0, "opacity": "0.45"}
                parts.append(_bar(frame, p / 100, row["lo"], row["hi"], **style))
        d = "M" + "L".join(f"{coordinate(frame.x(x))} {coordinate(frame.y(y))}" for x, y in points)
        parts.append(element("path", d=d, fill="none", stroke=colour, stroke_width=1.6))
        parts.append(frame.dots(points, colour, 2.4))
    parts.append(_legend(shown, frame))
    parts.append(text(frame.width / 2, frame.height + 14, "forecast quantile, %", anchor="middle", fill=MUTED))
    return _file("".join(parts), title, f"Thin bars: 90 % intervals of months 1 to 3 and of the year. {note}")


def pit_figure(pooled: pd.DataFrame, title: str, note: str) -> str:
    """Histogram of the probability integral transform over all twelve months; flat at 0.1 is right.

    Humped in the middle: intervals too wide; high at both ends: too narrow; sloped: biased.
    """
    rows = [(k, _one(pooled, f"pit_bin{k:02d}", "1-12")) for k in range(1, 11)]
    bins = [(k, row) for k, row in rows if row is not None]
    top = max([0.2, *(float(v) for _, row in bins for v in (row["value"], row["hi"]) if math.isfinite(v))])
    frame = _frame((0.0, 10.0), (0.0, math.ceil(top * 20) / 20))
    parts = [frame.axes("share of harvests", 2, across=[(float(k), f"{k / 10:.1f}") for k in range(0, 11, 2)])]
    base = frame.y(0.0)
    for k, row in bins:
        left, right = frame.x(k - 0.92), frame.x(k - 0.08)
        y = frame.y(row["value"])
        parts.append(element("rect", x=left, y=y, width=right - left, height=base - y, fill="#94c9aa"))
        parts.append(_bar(frame, k - 0.5, row["lo"], row["hi"], stroke=INK, stroke_width=1.2))
    parts.append(_level(frame, 0.1))
    where = "place of the harvest in its forecast distribution (PIT)"
    parts.append(text(frame.width / 2, frame.height + 14, where, anchor="middle", fill=MUTED))
    return _file("".join(parts), title, f"Lines: 90 % block-bootstrap intervals; dashed: a calibrated forecast. {note}")


def _chosen(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    return table[
        (table["protocol"] == "walk_forward") & (table["region"] == "all") & (table["metric"] == metric)
    ].sort_values(["model", "horizon"])


def _one(pooled: pd.DataFrame, metric: str, horizon: str) -> pd.Series | None:
    rows = _chosen(pooled, metric)
    rows = rows[(rows["model"] == "model") & (rows["horizon"] == horizon)]
    return None if rows.empty else rows.iloc[0]


def _frame(x_range: tuple[float, float], y_range: tuple[float, float]) -> Frame:
    return Frame(_WIDTH, _HEIGHT, x_range, y_range, left=48.0, right=14.0, top=24.0, bottom=26.0)


def _line(ends: Mapping[str, float], **style: Any) -> str:
    return element("line", **{**ends, **style})


def _bar(frame: Frame, x: float, low: float, high: float, **style: Any) -> str:
    """An upright stroke; nothing where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return _line({"x1": frame.x(x), "x2": frame.x(x), "y1": frame.y(low), "y2": frame.y(high)}, **style)


def _level(frame: Frame, value: float) -> str:
    y = frame.y(value)
    ends = {"x1": frame.left, "x2": frame.width - frame.right, "y1": y, "y2": y}
    return _line(ends, stroke=INK, stroke_dasharray="4 3")


def _legend(entries: Sequence[tuple[str, str, str | None]], frame: Frame) -> str:
    """Names in one line at the upper right."""
    parts, x = [], frame.width - frame.right
    for name, colour, dash in reversed(entries):
        x -= 6.2 * len(name) + 8
        parts.append(text(x, 11, name, fill=INK))
        line = {"x1": x - 20, "x2": x - 4, "y1": 7.5, "y2": 7.5}
        parts.append(_line(line, stroke=colour, stroke_width=2.0, stroke_dasharray=dash))
        x -= 30
    return "".join(parts)


def _file(content: str, title: str, note: str) -> str:
    """A whole SVG document on white, title above and note below the drawing."""
    lines = textwrap.wrap(note, 112)
    height = _HEIGHT + 56 + 13 * len(lines)
    label = element("title", esc(title))
    head = text(10, 18, title, size=13.0, weight="bold")
    foot = "".join(text(10, _HEIGHT + 58 + 13 * i, line, fill=MUTED, size=9.5) for i, line in enumerate(lines))
    body = element("g", content, transform="translate(0 30)")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {coordinate(_WIDTH)} {coordinate(height)}" '
        f'width="{coordinate(_WIDTH)}" height="{coordinate(height)}" role="img" font-family="sans-serif">'
        f'{label}<rect width="100%" height="100%" fill="#fff"/>{head}{body}{foot}</svg>\n'
    )
