"""Axes, lines and bands for the inline charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plantation_rwa.periods import Month
from plantation_rwa.publish.report.markup import coordinate, element, esc

Point = tuple[float, float]

INK = "#1c2b24"
MUTED = "#5d6b64"
GRID = "#e1e7e3"
GREEN = "#1b7a4b"
BLUE = "#2f6fb0"
AMBER = "#b45309"


@dataclass(frozen=True)
class Frame:
    """A plotting area: month ordinals to the right, values upwards.

    Parameters
    ----------
    width, height
        Of the whole drawing, in drawing units (about one CSS pixel).
    x_range
        First and last month as ordinals.
    y_range
        Lowest and highest value.
    """

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float = 44.0
    right: float = 10.0
    top: float = 20.0
    bottom: float = 22.0

    def x(self, value: float) -> float:
        """Horizontal position of a month ordinal."""
        low, high = self.x_range
        return self.left + (value - low) / max(high - low, 1e-9) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Vertical position of a value, kept inside the area."""
        low, high = self.y_range
        share = min(max((value - low) / max(high - low, 1e-9), 0.0), 1.0)
        return self.height - self.bottom - share * (self.height - self.top - self.bottom)

    def axes(self, unit: str, decimals: int | None = None, across: Sequence[tuple[float, str]] | None = None) -> str:
        """Horizontal grid lines with values, the unit above them; ticks below, by default Januaries with years."""
        ticks = nice_ticks(*self.y_range)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
        places = max(0, -math.floor(math.log10(step) + 1e-9)) if decimals is None else decimals
        parts = [text(4, 11, unit, fill=MUTED)]
        for tick in ticks:
            y = self.y(tick)
            parts.append(element("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, stroke=GRID))
            parts.append(
                text(
                    self.left - 5,
                    y + 3.5,
                    f"{tick:,.{places}f}".replace("-", "\u2212"),
                    anchor="end",
                    fill=MUTED,
                )
            )
        base = self.height - self.bottom
        for ordinal, label in month_ticks(*self.x_range) if across is None else across:
            x = self.x(ordinal)
            parts.append(element("line", x1=x, x2=x, y1=base, y2=base + 4, stroke=MUTED))
            parts.append(text(x, base + 15, label, anchor="middle", fill=MUTED))
        parts.append(element("line", x1=self.left, x2=self.width - self.right, y1=base, y2=base, stroke=MUTED))
        return "".join(parts)

    def line(
        self, points: Iterable[tuple[float, float]], colour: str, width: float = 1.6, dash: str | None = None
    ) -> str:
        """A line through (ordinal, value), broken where months are missing."""
        d = "".join(_moves([(self.x(o), self.y(v)) for o, v in run]) for run in runs(points) if len(run) > 1)
        if not d:
            return ""
        return element(
            "path",
            d=d,
            fill="none",
            stroke=colour,
            stroke_width=width,
            stroke_dasharray=dash,
            stroke_linejoin="round",
        )

    def dots(
        self, points: Iterable[tuple[float, float]], colour: str, radius: float = 1.8, hollow: bool = False
    ) -> str:
        """A dot for each (ordinal, value), as one path of round-capped strokes of length zero, or as rings."""
        finite = [(self.x(o), self.y(v)) for o, v in points if math.isfinite(v)]
        if not finite:
            return ""
        if hollow:
            rings = (element("circle", cx=x, cy=y, r=radius) for x, y in finite)
            return element("g", "".join(rings), fill="#fff", stroke=colour)
        d = "".join(f"M{coordinate(x)} {coordinate(y)}h0" for x, y in finite)
        return element("path", d=d, fill="none", stroke=colour, stroke_width=2 * radius, stroke_linecap="round")

    def band(self, lows: Sequence[tuple[float, float]], highs: Sequence[tuple[float, float]], colour: str) -> str:
        """The area between two series over the same months; months where either is missing are left open."""
        upper = dict(highs)
        both = [(o, v) for o, v in lows if math.isfinite(v) and math.isfinite(upper.get(o, math.nan))]
        d = ""
        for run in runs(both):
            there = [(self.x(o), self.y(v)) for o, v in run]
            back = [(self.x(o), self.y(upper[o])) for o, _ in reversed(run)]
            d += _moves([*there, *back]) + "Z"
        return element("path", d=d, fill=colour) if d else ""


def drawing(width: float, height: float, content: str, label: str, classes: str = "chart") -> str:
    """An SVG element that scales with its column and tells screen readers what it shows."""
    return (
        f'<svg class="{esc(classes)}" viewBox="0 0 {coordinate(width)} {coordinate(height)}" role="img" '
        f'aria-label="{esc(label)}">{content}</svg>'
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str | None = None,
    fill: str = INK,
    size: float = 10.5,
    weight: str | None = None,
) -> str:
    """One line of text; ``content`` is plain text."""
    return element("text", esc(content), x=x, y=y, text_anchor=anchor, fill=fill, font_size=size, font_weight=weight)


def runs(points: Iterable[tuple[float, float]]) -> list[list[Point]]:
    """Split a series where a month is missing or its value is not finite."""
    out: list[list[Point]] = []
    last = math.nan
    for ordinal, value in sorted(points):
        if math.isfinite(value):
            if ordinal - last == 1:
                out[-1].append((ordinal, value))
            else:
                out.append([(ordinal, value)])
            last = ordinal
    return out


def nice_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round values inside ``low .. high``, about ``about`` of them."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def month_ticks(first: float, last: float) -> list[tuple[float, str]]:
    """Januaries with their year, every second or fifth one if there are many; both ends if there is none."""
    januaries = [o for o in range(math.ceil(first), math.floor(last) + 1) if o % 12 == 0]
    if not januaries:
        ends = sorted({math.ceil(first), math.floor(last)})
        return [(float(o), str(Month.from_ordinal(o))) for o in ends]
    every = next(n for n in (1, 2, 5, 10, 50, 1000) if len(januaries) / n <= 8)
    return [(float(o), str(o // 12)) for o in januaries if (o // 12) % every == 0]


def _moves(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)
