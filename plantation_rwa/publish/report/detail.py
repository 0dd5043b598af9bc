"""The part of the page that shows one chosen plantation; its script fills it from the embedded tables."""

from __future__ import annotations

from typing import Any

from plantation_rwa.periods import Month
from plantation_rwa.publish.report import embedded
from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import plain, series, text
from plantation_rwa.publish.report.markup import esc, unit_value
from plantation_rwa.publish.report.memo import memo_name
from plantation_rwa.publish.report.pictures import chips_data, pictures
from plantation_rwa.publish.report.view import View, with_yield
from plantation_rwa.publish.report.words import DRIVERS, STRESSES, step_of

_CHARTS = (
    ("fan", "Monthly yield: harvested, and forecast with its 50, 80 and 90 % intervals, t/ha"),
    ("index", "Vegetation and moisture index from Sentinel-2"),
    ("clear", "Clear satellite observations per pixel and month"),
    ("water", "Rain and water deficit by month, mm"),
    ("drivers", "Change of fair value, %, if one driver moves"),
    ("breaks", "Change of fair value, %, under each stress"),
)
_RIGHT = (
    *("npv_fair", "npv_q05", "npv_q10", "npv_q50", "npv_q90", "npv_q95"),
    *("es95", "advance_rate", "prob_loss", "share_npv_extrapolated"),
)


def detail_data(view: View, data: SummaryData) -> dict[str, Any]:
    """Series, rights and pictures of all plantations in the order of their numbers."""
    now = Month.parse(str(data.meta["as_of"])[:7]).ordinal
    names = [p.name for p in view.plantations]
    past = now - embedded.HISTORY_MONTHS + 1, embedded.HISTORY_MONTHS
    ahead = now + 1, embedded.FORECAST_MONTHS
    return {
        "plantations": [
            {
                "id": text(p.name),
                "area": plain(p.area_ha, 4),
                "fair": plain(p.npv_fair, 2),
                "per_ha": plain(p.npv_per_ha, 2),
                "anomaly": plain(p.anomaly, 4),
                "grade": text(p.grade),
                "bare": p.bare,
                "yield12": [plain(p.outlook.get(f"yield12_{k}"), 4) for k in ("mean", "q05", "q95", "q10", "q90")],
                "rights": [_right(p.name, r) for r in p.records],
            }
            for p in view.plantations
        ],
        "forecast": series(data.forecasts, names, "target_month", *ahead, embedded.FORECAST),
        "history": series(with_yield(data.history), names, "month", *past, embedded.HISTORY),
        "features": series(data.features, names, "month", *past, embedded.FEATURES),
        "drivers": [[words, change, step_of(change)] for _, change, words in DRIVERS],
        "stress_names": list(STRESSES.values()),
        "chips": chips_data(view, data),
        "skill": [
            [plain(r["horizon"]), plain(r["value"], 4), plain(r["lo"], 4), plain(r["hi"], 4)]
            for r in data.skill.to_dict("records")
        ],
    }


def _right(plantation: str, record: dict[Any, Any]) -> dict[str, Any]:
    """One right: terms and risk in the names of their columns, effects of drivers and values under stress as lists."""
    found: dict[str, Any] = {
        "id": text(record["right_id"]),
        "memo": f"memos/{memo_name(plantation, str(record['right_id']))}",
        "currency": text(record["currency"]),
        "share": plain(record["share"], 6),
        "tenor": plain(record["tenor_months"]),
        "grade": text(record.get("confidence_grade")),
        "screen": text(record.get("eudr_screen")),
        "flags": text(record.get("quality_flag")),
        "unit": unit_value(record),
        "elasticity": [plain(record.get(column), 6) for column, _, _ in DRIVERS],
        "stress": [plain(record.get(column), 2) for column in STRESSES],
    }
    return found | {name: plain(record.get(name), 4) for name in _RIGHT}


def detail(view: View, data: SummaryData) -> str:
    """The skeleton, with its charts' places and what they show."""
    if not view.plantations:
        return ""
    charts = "".join(
        f'<figure data-figure="{name}"><figcaption>{esc(title)}</figcaption>'
        f'<div class="chart" role="img" aria-label="{esc(title)}" data-chart="{name}"></div>'
        f'<p class="empty" hidden></p></figure>'
        for name, title in _CHARTS
    )
    skill = (
        "Skill of past forecasts of this portfolio stands under the fan: share of climatology's squared error avoided."
        if len(data.skill)
        else "No backtest stands beside these files, so how good such forecasts have been is not shown; "
        "<code>plantation-rwa backtest CONFIG</code> makes one."
    )
    return (
        '<h2 id="plantation">One plantation</h2>'
        f'<p class="note">Chosen on the map, in the table or here. {skill}</p>'
        '<p class="find"><label for="chosen">Plantation</label> <select id="chosen"></select> '
        '<button type="button" id="before">previous</button> <button type="button" id="after">next</button></p>'
        '<article class="one" aria-labelledby="one-name">'
        '<h3 id="one-name" aria-live="polite"></h3><div class="about"><dl class="facts" id="one-facts"></dl>'
        f"{pictures()}</div>"
        f'<div class="charts">{charts}</div></article>'
        '<noscript><p class="empty">The charts need script; every number stands '
        "in the tables and in the published files.</p></noscript>"
    )
