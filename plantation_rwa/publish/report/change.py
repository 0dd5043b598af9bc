"""What moved the value since the date before, and by how much: the published bridge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import plain, text
from plantation_rwa.publish.report.markup import esc, number, table
from plantation_rwa.publish.report.words import BRIDGE

_MOVERS = 8


def bridges(data: SummaryData) -> dict[str, pd.Series]:
    """Steps of the bridge by currency, major units, summed over the rights that have one; with ``opening, closing``."""
    names = ["bridge_opening", *(f"bridge_{s}" for s in BRIDGE), "bridge_closing"]
    if not set(names) <= set(data.valuations.columns):
        return {}
    known = data.valuations.dropna(subset=["bridge_opening"])
    found = {}
    for currency, rows in known.groupby("currency", sort=True):
        scale = 10.0 ** rows["decimals"].to_numpy(dtype="float64")
        steps = rows[names].to_numpy(dtype="float64", na_value=0.0) / scale[:, None]
        found[str(currency)] = pd.Series(steps.sum(axis=0), index=[n.removeprefix("bridge_") for n in names])
    return found


def change_data(data: SummaryData) -> list[dict[str, Any]]:
    """The waterfalls of the page's script."""
    return [
        {
            "currency": text(currency),
            "opening": plain(steps["opening"], 2),
            "closing": plain(steps["closing"], 2),
            "steps": [{"name": BRIDGE[s][0], "value": plain(steps[s], 2)} for s in BRIDGE],
        }
        for currency, steps in bridges(data).items()
    ]


def change(data: SummaryData) -> str:
    """The bridge as a table beside its chart, and the rights that moved most."""
    found = bridges(data)
    head = '<h2 id="change">What changed since the last date</h2>'
    if not found:
        line = "No earlier date is published in this folder: there is nothing to compare with yet."
        return f'{head}<p class="empty">{line}</p>'
    parts = []
    for i, (currency, steps) in enumerate(found.items()):
        rows = [["<b>value at the last date</b>", "", f"<b>{number(steps['opening'])}</b>"]]
        rows += [[esc(BRIDGE[s][0]), esc(BRIDGE[s][1]), _signed(steps[s])] for s in BRIDGE]
        total = steps["closing"] - steps["opening"]
        moved = (
            f"{_signed(total)} ({number(100 * total / steps['opening'], 1)} %)" if steps["opening"] else _signed(total)
        )
        rows += [["<b>value today</b>", moved, f"<b>{number(steps['closing'])}</b>"]]
        body = table(["Step", "What it holds", esc(currency)], rows, numeric=(2,), label=f"Bridge in {currency}")
        label = (
            f"Waterfall of the value in {currency} from the last date to this one; the table beside it says the same"
        )
        chart = f'<div class="chart" role="img" aria-label="{esc(label)}" data-chart="bridge" data-index="{i}"></div>'
        parts.append(f'<div class="pair">{chart}{body}</div>{_movers(data, currency)}')
    note = (
        "Each input is replaced by today's in this order and everything valued again, so the steps add up exactly and "
        "another order would share them out differently. The step of the yield is not split further."
    )
    return f'{head}<p class="note">{note}</p>{"".join(parts)}'


def _movers(data: SummaryData, currency: str) -> str:
    """Rights whose value changed most, each with the step that did most."""
    own = data.valuations[data.valuations["currency"] == currency].dropna(subset=["bridge_opening"])
    scale = 10.0 ** own["decimals"].to_numpy(dtype="float64")
    steps = own[[f"bridge_{s}" for s in BRIDGE]].to_numpy(dtype="float64", na_value=0.0) / scale[:, None]
    total = steps.sum(axis=1)
    ids = own["plantation_id"].astype("str").to_numpy(), own["right_id"].astype("str").to_numpy()
    rows = []
    for i in np.lexsort((ids[1], ids[0], -np.abs(total)))[:_MOVERS]:
        k = int(np.abs(steps[i]).argmax())
        name = f"<bdi>{esc(ids[0][i], 60)}</bdi> <small><bdi>{esc(ids[1][i], 30)}</bdi></small>"
        rows.append([name, _signed(total[i]), f"{esc(BRIDGE[list(BRIDGE)[k]][0])} ({_signed(steps[i, k])})"])
    if len(own) < 2:
        return ""
    return "<h3>Rights that moved most</h3>" + table(
        ["Right", f"Change<small>{esc(currency)}</small>", "Largest step"],
        rows,
        numeric=(1,),
        label=f"Largest changes in {currency}",
    )


def _signed(value: float) -> str:
    return ("+" if round(value) > 0 else "") + number(value)
