"""The Level 3 note: the published disclosure, pool by pool."""

from __future__ import annotations

import pandas as pd

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.markup import DASH, esc, is_missing, number, table
from plantation_rwa.publish.report.words import BRIDGE, SENSITIVITIES, pool_words


def level3(data: SummaryData) -> str:
    """IFRS 13.93 (d), (e), (h): technique, unobservable inputs with range, sensitivities, roll-forward."""
    head = '<h2 id="level3">Level 3 note</h2>'
    if not len(data.disclosure):
        return f'{head}<p class="empty">No right was valued: there is nothing to disclose.</p>'
    note = (
        "IFRS 13 paragraph 93 (d), (e) and (h) from the published table disclosure: technique, significant "
        "unobservable inputs with range and value-weighted mean, effect of a step in each driver, roll-forward. Its "
        "assumptions are those listed further down."
    )
    pools = data.disclosure.groupby("pool_id", sort=True)
    return f'{head}<p class="note">{note}</p>' + "".join(_pool(pool_words(str(name)), rows) for name, rows in pools)


def _pool(name: str, rows: pd.DataFrame) -> str:
    currency = esc(rows["currency"].iloc[0])
    technique = " ".join(esc(s) for s in rows.loc[rows["section"] == "technique", "source"].dropna())
    inputs = [
        [esc(r["item"]), esc(r["unit"]), _span(r["low"]), _span(r["high"]), _span(r["weighted_mean"])]
        for r in rows[rows["section"] == "input"].to_dict("records")
    ]
    effects = [
        [
            esc(SENSITIVITIES.get(str(r["item"]), str(r["item"]))),
            f"{_span(r['bump'])} <small>{esc(r['unit'])}</small>",
            number(r["effect_down"]),
            number(r["effect_up"]),
        ]
        for r in rows[rows["section"] == "sensitivity"].to_dict("records")
    ]
    rolled = [
        [esc(BRIDGE.get(str(r["item"]), (str(r["item"]), ""))[0]), number(r["weighted_mean"])]
        for r in rows[rows["section"] == "roll_forward"].to_dict("records")
    ]
    title = f"<bdi>{esc(name, 80)}</bdi>"
    parts = [f'<p class="note">{technique}</p>' if technique else ""]
    if inputs:
        head = ["Input", "Unit", "Lowest", "Highest", "Weighted mean"]
        parts.append(table(head, inputs, numeric=(2, 3, 4), label=f"Inputs of {name}"))
    if effects:
        head = ["Driver", "Step", f"Step down<small>{currency}</small>", f"Step up<small>{currency}</small>"]
        parts.append(table(head, effects, numeric=(1, 2, 3), label=f"Effects of {name}"))
    if rolled:
        parts.append(table(["Roll-forward", currency], rolled, numeric=(1,), label=f"Roll-forward of {name}"))
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _span(value: object) -> str:
    if is_missing(value):
        return DASH
    size = abs(float(str(value)))
    return number(value, 0 if size >= 1000 else 1 if size >= 100 else 3)
