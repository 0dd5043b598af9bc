"""The top of the page: totals, and how they are spread over rights, grades and pools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.markup import DASH, both_levels, clean, element, esc, is_missing, number, table
from plantation_rwa.publish.report.page import GRADES, grade_badge
from plantation_rwa.publish.report.svg import INK, MUTED, drawing, text
from plantation_rwa.publish.report.view import View
from plantation_rwa.publish.report.words import pool_words

_BINS = 12
#: largest / smallest value from which the steps grow by a constant factor
_WIDE = 20.0
#: why a sum stands without interval
_NO_JOINT_VALUE = "no interval: the joint law of the rights is published per pool only"
_NO_JOINT_HARVEST = "no interval: the joint law of harvests is not published"
#: why a tranche cannot fall short
_NO_CLAIM = {
    "whole": "no fixed claim",
    "fees": "paid first, as long as there is cash",
    "reserve": "an account, no claim",
    "junior": "takes what is left",
}


def tiles(view: View, data: SummaryData) -> str:
    """Totals with their units."""
    found = []
    for currency in view.currencies:
        rows = data.valuations[data.valuations["currency"] == currency]
        worth = f"{number(rows['npv_fair'].sum(min_count=1))} <small>{esc(currency)}</small>"
        found.append((worth, f"fair value of {counted(len(rows), 'right')}; {_total_interval(rows, data, currency)}"))
    if not found:
        found.append((DASH, "no right was valued"))
    areas = [p.area_ha for p in view.plantations if math.isfinite(p.area_ha)]
    count = len(view.plantations)
    found.append((number(count), "plantation" if count == 1 else "plantations"))
    found.append((f"{number(sum(areas), 1)} <small>ha</small>" if areas else DASH, "mature area"))
    expected = _tonnes(data)
    tonnes = f"{number(expected)} <small>t</small>" if math.isfinite(expected) else DASH
    words = "expected fruit bunches, next 12 months"
    if math.isfinite(expected):
        words += f"; {_NO_JOINT_HARVEST}"
    found.append((tonnes, words))
    grades = data.valuations.get("confidence_grade", pd.Series(dtype="str")).value_counts()
    badges = " ".join(
        f'<span class="nowrap">{grade_badge(g)}&thinsp;{number(int(grades[g]))}</span>' for g in GRADES if g in grades
    )
    found.append((badges or DASH, "rights by confidence grade"))
    found.append((number(len(data.quarantine)), "records in quarantine"))
    body = "".join(f'<div class="tile"><b>{v}</b><span>{k}</span></div>' for v, k in found)
    return f'<div class="tiles">{body}</div>'


def distribution(view: View, data: SummaryData) -> str:
    """How the value is spread over rights, and each pool with its interval."""
    if not len(data.valuations):
        return ""
    figures = []
    for currency in view.currencies:
        rows = data.valuations[data.valuations["currency"] == currency]
        values = rows["npv_fair"].to_numpy(dtype="float64", na_value=np.nan)
        drawn = histogram(values[np.isfinite(values)], currency)
        if drawn:
            figures.append(f"<figure><figcaption>Rights by fair value, {esc(currency)}</figcaption>{drawn}</figure>")
    body = _concentration(view, data)
    return (
        '<h2 id="distribution">Distribution</h2><p class="note">Quantiles of single rights do not add up; a pool\'s '
        "come from joint paths of prices and yields.</p>"
        f'<div class="pair">{"".join(figures)}{body}</div>{_pools(data)}'
    )


def histogram(values: np.ndarray, currency: str) -> str:
    """Counts of rights in equal steps of value, or of its logarithm; empty for fewer than three."""
    if len(values) < 3 or values.min() == values.max():
        return ""
    low, high, bins = float(values.min()), float(values.max()), min(_BINS, max(4, len(values) // 2))
    # one large right would leave all others in one bar
    wide = low > 0 and high / low > _WIDE
    counts, edges = np.histogram(values, np.geomspace(low, high, bins + 1) if wide else bins)
    width, height, base = 460.0, 170.0, 146.0
    step = (width - 20) / len(counts)
    parts = []
    for i, n in enumerate(counts):
        tall = 112.0 * int(n) / int(counts.max())
        if n:
            parts.append(
                element("rect", x=10 + i * step + 1, y=base - tall, width=step - 2, height=tall, fill="#74a98c")
            )
            parts.append(text(10 + (i + 0.5) * step, base - tall - 4, number(int(n)), anchor="middle", fill=MUTED))
    parts.append(element("line", x1=10.0, x2=width - 10, y1=base, y2=base, stroke=MUTED))
    for value, anchor, x in ((edges[0], "start", 10.0), (edges[-1], "end", width - 10)):
        parts.append(text(x, base + 15, number(float(value)), anchor=anchor, fill=INK))
    middle = f"{currency}, steps of x {edges[1] / edges[0]:.2g}" if wide else currency
    parts.append(text(width / 2, base + 15, middle, anchor="middle", fill=MUTED))
    label = (
        f"Fair value of {len(values)} rights from {number(float(edges[0]))} to {number(float(edges[-1]))} {currency}"
    )
    return drawing(width, height, "".join(parts), label)


def _concentration(view: View, data: SummaryData) -> str:
    """What the largest rights hold of the whole."""
    rows = []
    for currency in view.currencies:
        own = data.valuations[data.valuations["currency"] == currency]
        ranked = own.dropna(subset=["npv_fair"]).sort_values(["npv_fair", "plantation_id", "right_id"], ascending=False)
        total = float(ranked["npv_fair"].sum())
        for r in ranked.head(5).to_dict("records"):
            share = number(100 * r["npv_fair"] / total, 1) + " %" if total > 0 else DASH
            name = f"<bdi>{esc(r['plantation_id'], 60)}</bdi> <small><bdi>{esc(r['right_id'], 30)}</bdi></small>"
            rows.append([name, f"{number(r['npv_fair'])} {esc(currency)}", _spread(r), share])
    if not rows:
        return ""
    head = [
        "Largest rights", "Fair value", "Real-world value<small>intervals</small>",
        "Share<small>of the total fair value; no interval, a ratio of means</small>",
    ]  # fmt: skip
    return table(head, rows, numeric=(1, 2, 3), label="Largest rights", classes="wrapped")


def _spread(row: Mapping[Any, Any]) -> str:
    """Both intervals of a present value with their currency, or that there are none."""
    levels = both_levels(row, "npv")
    return (
        "<small>no interval published</small>" if levels == DASH else f"{levels}<small>{esc(row['currency'])}</small>"
    )


def _total_interval(rows: pd.DataFrame, data: SummaryData, currency: str) -> str:
    """Interval of a currency's whole value where one right or one pool is all of it, else why there is none."""
    valued = rows.dropna(subset=["npv_fair"])
    if not len(valued):
        return "no right was valued"
    joint = valued.to_dict("records")
    if len(joint) > 1:
        wholes = data.pools[data.pools["currency"] == currency].to_dict("records")
        joint = [r for r in wholes if r["tranche"] == "whole" and r.get("n_rights") == len(valued)]
    levels = both_levels(joint[0], "npv") if joint else DASH
    return _NO_JOINT_VALUE if levels == DASH else f"real-world value{levels}"


def _pools(data: SummaryData) -> str:
    if not len(data.pools):
        return ""
    rows = []
    for r in data.pools.sort_values(["pool_id", "tranche"]).to_dict("records"):
        money = esc(r["currency"])
        rows.append(
            [
                f"<bdi>{esc(pool_words(str(r['pool_id'])), 60)}</bdi>",
                esc(r["tranche"]),
                number(r.get("n_rights")),
                f"{number(r['npv_fair'])} {money}",
                _spread(r),
                DASH if is_missing(r.get("es95")) else f"{number(r['es95'])} {money}",
                _shortfall(r),
                DASH if is_missing(r.get("effective_n")) else number(r["effective_n"], 1),
                esc(clean(r.get("quality_flag")).replace(";", ", ")) or DASH,
            ]
        )
    head = [
        "Pool", "Tranche", "Rights", "Fair value", "Real-world value<small>intervals</small>",
        "Mean loss<small>worst twentieth</small>", "Not repaid in full<small>share of paths</small>",
        "Effective number<small>of rights</small>", "Remarks",
    ]  # fmt: skip
    return "<h3>Pools and tranches</h3>" + table(
        head, rows, numeric=(2, 3, 4, 5, 6, 7), label="Pools and tranches", classes="wrapped"
    )


def _shortfall(row: Mapping[Any, Any]) -> str:
    """Share of real-world paths on which the tranche's claim is not repaid in full, or why there is none."""
    if not is_missing(row.get("prob_shortfall")):
        return f"{number(100 * float(row['prob_shortfall']), 1)} %"
    if row["tranche"] == "senior":
        return "<small>not computed</small>"
    return f"<small>{_NO_CLAIM[str(row['tranche'])]}</small>"


def _tonnes(data: SummaryData) -> float:
    """Expected harvest of the next twelve months, t; NaN without a forecast."""
    if "ffb_mean_t" not in data.forecasts:
        return math.nan
    year = data.forecasts.loc[data.forecasts["horizon_months"] <= 12, "ffb_mean_t"]
    return float(year.sum(min_count=1))


def counted(amount: int, noun: str) -> str:
    """``3 rights``, ``1 right``."""
    return f"{number(amount)} {noun}{'' if amount == 1 else 's'}"
