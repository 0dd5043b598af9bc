"""The market page: forward curves with the price model's spread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import plain, text
from plantation_rwa.publish.report.markup import clean, esc, interval, number, table

#: Normal quantiles of the 80 % and 90 % intervals
_Z80, _Z90 = 1.2815515655446004, 1.6448536269514722


def curve_rows(curve: pd.DataFrame) -> pd.DataFrame:
    """Curves with the quantiles of the price in each delivery month, a lognormal whose mean is the forward price.

    Returns
    -------
    pandas.DataFrame
        Columns of table ``curves`` with ``q05, q10, q90, q95`` (currency per t), NaN where the model gives no spread.
    """
    frame = curve.sort_values(["symbol", "delivery_month"], kind="stable").reset_index(drop=True)
    forward = frame["forward"].to_numpy(dtype="float64", na_value=np.nan)
    sd = (
        frame["log_sd"].to_numpy(dtype="float64", na_value=np.nan) if "log_sd" in frame else np.full(len(frame), np.nan)
    )
    for name, z in (("q05", -_Z90), ("q10", -_Z80), ("q90", _Z80), ("q95", _Z90)):
        frame[name] = forward * np.exp(z * sd - sd**2 / 2)
    return frame


def market_data(data: SummaryData) -> list[dict[str, Any]]:
    """The curves of the page's script."""
    if not len(data.curve):
        return []
    found = []
    for symbol, rows in curve_rows(data.curve).groupby("symbol", sort=True):
        entry: dict[str, Any] = {"symbol": text(symbol), "currency": text(rows["currency"].iloc[0])}
        entry["month"] = [text(m) for m in rows["delivery_month"]]
        entry["source"] = [text(s) for s in rows["curve_source"]]
        for name in ("forward", "q05", "q10", "q90", "q95"):
            entry[name] = [plain(v, 4) for v in rows[name]]
        found.append(entry)
    return found


def market(data: SummaryData) -> str:
    """A chart per symbol, and its settlements as a table."""
    head = '<h2 id="market">Market</h2>'
    if not len(data.curve):
        return f'{head}<p class="empty">No forward curve: see the remark curve_missing in the table of values.</p>'
    parts = []
    for i, (symbol, rows) in enumerate(curve_rows(data.curve).groupby("symbol", sort=True)):
        unit = f"{clean(rows['currency'].iloc[0])}/t"
        title = f"{clean(symbol)}: forward price by delivery month, {unit}"
        label = f"{title}, with the 80 and 90 % intervals of the price model"
        chart = f'<div class="chart" role="img" aria-label="{esc(label)}" data-chart="curve" data-index="{i}"></div>'
        picked = rows.iloc[sorted({0, *(k for k in (5, 11, 23, 35, 59) if k < len(rows))})]
        cells = [
            [
                *(esc(r["delivery_month"]), number(r["forward"])),
                *(interval(r["q10"], r["q90"]), interval(r["q05"], r["q95"]), esc(r["curve_source"])),
            ]
            for r in picked.to_dict("records")
        ]
        body = table(
            ["Delivery", f"Forward<small>{esc(unit)}</small>", "80 %", "90 %", "Source"],
            cells,
            numeric=(1, 2, 3),
            label=title,
        )
        day = clean(rows["settle_date"].iloc[0]) if "settle_date" in rows else ""
        dated = f" Settlements of {esc(day)}." if day else ""
        parts.append(f'<h3>{esc(title)}</h3><p class="note">{_sources(rows)}{dated}</p>')
        parts.append(f'<div class="pair">{chart}{body}</div>')
    legend = (
        '<p class="note">Filled dots: settlement of a listed contract; rings: interpolated between contracts; dashed: '
        "extrapolated beyond the last liquid contract. Bands: 80 and 90 % of the price in that month by the price "
        "model, lognormal about the forward price.</p>"
    )
    return head + legend + "".join(parts)


def _sources(rows: pd.DataFrame) -> str:
    counts = rows["curve_source"].astype("str").value_counts()
    last = rows.loc[rows["curve_source"].astype("str") != "extrapolated", "delivery_month"]
    listed = ", ".join(f"{int(counts[k])} {k}" for k in ("settlement", "interpolated", "extrapolated") if k in counts)
    until = f"; nothing trades after {esc(last.max())}" if len(last) else ""
    return f"{esc(listed)} of {len(rows)} months{until}."
