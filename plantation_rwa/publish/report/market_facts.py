"""What trade reports say, beside the forecast: each number with the words it stands in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from plantation_rwa.publish.report.markup import DASH, esc, number, table

#: quantities shown beside the forecast, and those that prices rest on
_SUPPLY = ("production", "stocks", "exports", "yield", "area", "OER")
_POLICY = ("levy", "duty", "export policy", "blending", "price")
_MAX_ROWS = 16
_ARROWS = {"up": "\u2191", "down": "\u2193"}


def market_facts(signals: pd.DataFrame, forecasts: pd.DataFrame) -> str:
    """Section of a page: facts of trade reports beside the portfolio's expected harvest; empty without facts.

    Facts that the reports themselves replace or only compare with are left to the table. The newest
    documents come first.

    Parameters
    ----------
    signals
        Table ``signals`` of the date.
    forecasts
        Table ``forecasts`` of the date; may be empty.

    Returns
    -------
    str
        Markup, every text of a document escaped.
    """
    if not len(signals):
        return ""
    current = signals[signals["basis"].isin(["actual", "forecast"])]
    order = ["published_at", "doc_id", "start"]
    current = current.sort_values(order, ascending=[False, True, True], kind="stable")
    supply = current[current["quantity"].isin(_SUPPLY) & current["value"].notna()]
    policy = current[current["quantity"].isin(_POLICY)]
    others = current[~current.index.isin(supply.index) & ~current.index.isin(policy.index)]
    documents = signals["doc_id"].nunique()
    return (
        '<h2 id="facts">What trade reports say</h2>'
        f'<p class="note">{number(len(signals))} facts in {number(documents)} documents known at the date. Each number '
        "is read from the words beside it. They speak of whole countries, of no plantation, and the reports give no "
        f"uncertainty. No forecast and no value on this page rests on them.{_own(forecasts)}</p>"
        + _listed("Supply, beside the forecast", supply)
        + _listed("Policy and prices", policy)
        + _listed("Weather, labour, and what is told without a number", others)
    )


def _own(forecasts: pd.DataFrame) -> str:
    """The portfolio's expected harvest in words, its uncertainty said to stand with each plantation."""
    if "ffb_mean_t" not in forecasts or "horizon_months" not in forecasts:
        return ""
    year = forecasts[forecasts["horizon_months"] <= 12]
    total, area = float(year["ffb_mean_t"].sum(min_count=1)), _area(year)
    if not math.isfinite(total) or not area > 0:
        return ""
    return (
        f" For comparison, this portfolio is expected to harvest {number(total)} t of fresh fruit bunches in the "
        f"next twelve "
        f"months, {number(total / area, 1)} t per ha of mature area; the interval of each plantation stands with its "
        f"values."
    )


def _area(year: pd.DataFrame) -> float:
    first = year[year["horizon_months"] == year["horizon_months"].min()]
    return float(first["area_mature_ha"].sum())


def _listed(title: str, facts: pd.DataFrame) -> str:
    if not len(facts):
        return ""
    rows = [_row(fact) for fact in facts.head(_MAX_ROWS).to_dict("records")]
    head = [
        *("Country", "Period", "What", "Value"),
        *("Told as", "Words of the report", "Document<small>published</small>"),
    ]
    more = (
        f'<p class="note">{number(len(facts) - _MAX_ROWS)} older ones stand in the table signals.</p>'
        if len(facts) > _MAX_ROWS
        else ""
    )
    return f"<h3>{esc(title)}</h3>{table(head, rows, classes='long told-by', numeric=(3,), label=title)}{more}"


def _row(fact: Mapping[Any, Any]) -> list[str]:
    arrow = _ARROWS.get(str(fact["direction"]), "")
    change = " change" if fact["measure"] == "change" else ""
    value = (
        DASH
        if fact["value"] is None or pd.isna(fact["value"])
        else f"{_figure(float(fact['value']))} {esc(fact['unit'])}"
    )
    return [
        esc(fact["country"]) or DASH,
        esc(fact["period"]) or DASH,
        esc(f"{fact['quantity']}{change}"),
        f"{value} {arrow}".strip(),
        f"{esc(fact['basis'])}<small>confidence {esc(fact['confidence'])}</small>",
        f"<q><bdi>{esc(' '.join(str(fact['text']).split()), 420)}</bdi></q>",
        f"<bdi>{esc(fact['doc_id'], 80)}</bdi><small>{esc(fact['published_at'])}</small>",
    ]


def _figure(value: float) -> str:
    """As many decimals as the number has, four at most."""
    decimals = next((d for d in range(4) if abs(round(value, d) - value) < 1e-9), 4)
    return number(value, decimals)
