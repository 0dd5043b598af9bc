"""What moves the portfolio's value: one driver at a time, and named stresses."""

from __future__ import annotations

from typing import Any

import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import plain, text
from plantation_rwa.publish.report.markup import esc, number, table
from plantation_rwa.publish.report.words import SENSITIVITIES, STRESSES


def tornado(data: SummaryData) -> dict[str, pd.DataFrame]:
    """Effects of each driver's step by currency, summed over pools; of the drivers with one step the widest first.

    Returns
    -------
    dict
        currency -> ``item, unit, bump, step, effect_down, effect_up``; ``step`` in words. The step whose drivers do
        most comes first.
    """
    rows = data.disclosure[data.disclosure["section"] == "sensitivity"]
    found = {}
    for currency, own in rows.groupby("currency", sort=True):
        sums = own.groupby("item", sort=True).agg(
            unit=("unit", "first"), bump=("bump", "first"), effect_down=("effect_down", "sum"),
            effect_up=("effect_up", "sum"),
        )  # fmt: skip
        sums = sums.assign(step=[_step(r) for r in sums.to_dict("records")])
        width = sums[["effect_down", "effect_up"]].abs().max(axis=1)
        sums = sums.assign(_w=width, _g=width.groupby(sums["step"]).transform("max"))
        order = ["_g", "step", "_w"]
        found[str(currency)] = sums.sort_values(order, ascending=[False, True, False], kind="stable").drop(
            columns=["_w", "_g"]
        )
    return {currency: frame.reset_index() for currency, frame in found.items()}


def stresses(data: SummaryData) -> dict[str, pd.DataFrame]:
    """Fair value under each stress by currency, over the rights that have it: ``stress, value, fair``; worst first."""
    found = {}
    names = [c for c in STRESSES if c in data.valuations]
    for currency, own in data.valuations.groupby("currency", sort=True) if len(data.valuations) else ():
        rows = []
        for name in names:
            known = own.dropna(subset=[name, "npv_fair"])
            if len(known):
                rows.append((STRESSES[name], float(known[name].sum()), float(known["npv_fair"].sum())))
        if rows:
            frame = pd.DataFrame(rows, columns=["stress", "value", "fair"])
            loss = frame["value"] - frame["fair"]
            found[str(currency)] = frame.iloc[loss.sort_values(kind="stable").index].reset_index(drop=True)
    return found


def sensitivity_data(data: SummaryData) -> dict[str, list[dict[str, Any]]]:
    """The charts of the page's script."""
    bars = [
        {
            "currency": text(currency),
            "names": [_driver(r) for r in frame.to_dict("records")],
            "down": [plain(v, 2) for v in frame["effect_down"]],
            "up": [plain(v, 2) for v in frame["effect_up"]],
            "steps": [f"step of {s}" for s in frame["step"]],
        }
        for currency, frame in tornado(data).items()
    ]
    tests = [
        {
            "currency": text(currency),
            "names": list(frame["stress"]),
            "change": [plain(v, 2) for v in frame["value"] - frame["fair"]],
        }
        for currency, frame in stresses(data).items()
    ]
    return {"tornado": bars, "stresses": tests}


def sensitivity(data: SummaryData) -> str:
    """Tables of both beside their charts."""
    parts = []
    for i, (currency, frame) in enumerate(tornado(data).items()):
        rows = [[esc(_driver(r)), number(r["effect_down"]), number(r["effect_up"])] for r in frame.to_dict("records")]
        head = ["Driver and step", f"Step down<small>{esc(currency)}</small>", f"Step up<small>{esc(currency)}</small>"]
        parts.append(f"<h3>One driver at a time, {esc(currency)}</h3>")
        parts.append(_pair("tornado", i, f"Change of value per driver, {currency}", table(
            head, rows, numeric=(1, 2), label=f"Sensitivities in {currency}")))  # fmt: skip
    for i, (currency, frame) in enumerate(stresses(data).items()):
        rows = [
            [
                esc(r["stress"]),
                number(r["value"]),
                f"{number(100 * (r['value'] / r['fair'] - 1), 1)} %" if r["fair"] else "",
            ]
            for r in frame.to_dict("records")
        ]
        head = ["Stress", f"Fair value<small>{esc(currency)}</small>", "Change"]
        parts.append(f"<h3>Stresses, {esc(currency)}</h3>")
        parts.append(_pair("stresses", i, f"Change of value under each stress, {currency}", table(
            head, rows, numeric=(1, 2), label=f"Stresses in {currency}")))  # fmt: skip
    title = '<h2 id="sensitivity">What would move it</h2>'
    if not parts:
        return f'{title}<p class="empty">No right has a value that could be stressed.</p>'
    note = (
        "Sensitivities value everything again with one driver moved and nothing else; stresses are named past events "
        "or rules with their shocks in the assumptions. They are not added to each other. Drivers move by steps of "
        "different size: bars are ranked within one step only, and a longer bar under another step says nothing."
    )
    return f'{title}<p class="note">{note}</p>{"".join(parts)}'


def _driver(row: dict[Any, Any]) -> str:
    """Driver with its step."""
    return f"{SENSITIVITIES.get(str(row['item']), str(row['item']))} \u00b1 {row['step']}"


def _step(row: dict[Any, Any]) -> str:
    """Step of a driver, relative or in points."""
    size = 100 * float(row["bump"])
    if "relative" in str(row["unit"]):
        return f"{size:g} %"
    return f"{size:g} point" if size == 1 else f"{size:g} points"


def _pair(chart: str, index: int, label: str, body: str) -> str:
    drawn = f'<div class="chart" role="img" aria-label="{esc(label)}" data-chart="{chart}" data-index="{index}"></div>'
    return f'<div class="pair">{drawn}{body}</div>'
