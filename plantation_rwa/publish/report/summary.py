"""The summary page: header, key figures, maps, values, market, one card per plantation, and the appendix."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from plantation_rwa.publish.files import OutputFile, write_text_atomically
from plantation_rwa.publish.report import appendix, charts, maps
from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.market_facts import market_facts
from plantation_rwa.publish.report.markup import (
    DASH,
    clean,
    element,
    esc,
    interval,
    is_missing,
    number,
    table,
    units,
)
from plantation_rwa.publish.report.memo import memo_name, render_memo
from plantation_rwa.publish.report.page import GRADES, grade_badge, page
from plantation_rwa.publish.report.view import MAX_CARDS, Plantation, View, gather
from plantation_rwa.schema.flags import FLAGS

__all__ = ["SummaryData", "render_summary", "write_memos", "write_summary"]

_MAX_PANELS = 8


def write_summary(path: str | Path, data: SummaryData) -> OutputFile:
    """Write the page atomically; see :func:`render_summary`.

    Parameters
    ----------
    path
        Usually ``reports/as_of=YYYY-MM-DD/index.html``.
    data
        The tables of one valuation date.
    """
    return write_text_atomically(path, render_summary(data))


def write_memos(folder: Path, data: SummaryData) -> list[OutputFile]:
    """Write a memo per valued right, see :func:`~plantation_rwa.publish.report.memo.render_memo`.

    Returns
    -------
    list of OutputFile
        In the order of plantation and right; paths as below ``folder``.
    """
    written = []
    for plantation in gather(data).plantations:
        for record in plantation.values.to_dict("records"):
            name = memo_name(plantation.name, str(record["right_id"]))
            file = write_text_atomically(folder / name, render_memo(data, plantation, record))
            written.append(replace(file, path=name))
    return written


def render_summary(data: SummaryData) -> str:
    """The whole page as text: no script, nothing loaded from elsewhere, the same text for the same tables.

    Every text of the inputs is escaped, and control and direction characters are replaced.
    """
    view = gather(data)
    sections = [
        _tiles(view, data),
        _maps(view),
        _values(view),
        _market(data),
        market_facts(data.signals, data.forecasts),
        _cards(view, str(data.meta["as_of"])),
        appendix.quarantine(data.quarantine),
        appendix.assumptions(data.assumptions),
        appendix.inputs(data.inputs),
    ]
    title = str(data.meta.get("portfolio", "portfolio"))
    return page(data.meta, title, "Plantation yields and revenue rights", "\n".join(s for s in sections if s))


def _tiles(view: View, data: SummaryData) -> str:
    tiles = []
    for currency in view.currencies:
        rows = data.valuations[data.valuations["currency"] == currency]
        tiles.append(
            (
                f"{number(rows['npv_fair'].sum())} <small>{esc(currency)}</small>",
                f"fair value of {_count(len(rows), 'right')}",
            )
        )
    if not tiles:
        tiles.append((DASH, "no right was valued"))
    areas = [p.area_ha for p in view.plantations if math.isfinite(p.area_ha)]
    count = len(view.plantations)
    tiles.append((number(count), "plantation" if count == 1 else "plantations"))
    tiles.append((f"{number(sum(areas), 1)} <small>ha</small>" if areas else DASH, "mature area"))
    expected = _tonnes(data)
    text = f"{number(expected)} <small>t</small>" if math.isfinite(expected) else DASH
    tiles.append((text, "expected fruit bunches, next 12 months"))
    grades: dict[str, int] = {}
    if "confidence_grade" in data.valuations:
        grades = {str(k): int(v) for k, v in data.valuations["confidence_grade"].value_counts().items()}
    counts = " ".join(f"{grade_badge(g)}&thinsp;{int(grades.get(g, 0))}" for g in GRADES if grades.get(g, 0))
    tiles.append((counts or DASH, "rights by confidence grade"))
    tiles.append((number(len(data.quarantine)), "records in quarantine"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{v}</b><span>{k}</span></div>' for v, k in tiles)
        + "</div>"
    )


def _tonnes(data: SummaryData) -> float:
    """Expected harvest of the next twelve months, t; NaN without a forecast."""
    if "ffb_mean_t" not in data.forecasts:
        return math.nan
    year = data.forecasts.loc[data.forecasts["horizon_months"] <= 12, "ffb_mean_t"]
    return float(year.sum(min_count=1))


def _count(amount: int, noun: str) -> str:
    return f"{number(amount)} {noun}{'' if amount == 1 else 's'}"


def _maps(view: View) -> str:
    sites = [p.site for p in view.plantations if p.site is not None]
    if not sites:
        return '<h2>Where</h2><p class="empty">No plantation has an outline.</p>'
    groups = maps.clusters(sites)
    shown = groups[:_MAX_PANELS]
    letters = [chr(ord("A") + i) for i in range(len(shown))]
    figures = []
    if len(groups) > 1:
        caption = "Overview; each box is an area of its own"
        figures.append((caption, maps.overview(groups, letters + [""] * (len(groups) - len(shown)))))
    for letter, group in zip(letters, shown, strict=True):
        title = f"Area {letter}: {_count(len(group), 'plantation')}" if len(groups) > 1 else "All plantations"
        figures.append((title, maps.panel(group, title)))
    finite = [p.npv_per_ha for p in view.plantations if math.isfinite(p.npv_per_ha)]
    key = '<p class="legend">Outlines in longitude and latitude on WGS84, numbered as in the table below.</p>'
    if view.money and finite:
        low, high = min(finite), max(finite)
        step = (high - low) / len(maps.RAMP)
        entries = (
            [(c, f"from {number(low + i * step)}") for i, c in enumerate(maps.RAMP)]
            if high > low
            else [(maps.RAMP[3], number(low))]
        )
        entries.append((maps.NO_VALUE, "no value"))
        swatches = "".join(f'<span class="key"><i style="background:{c}"></i>{label}</span>' for c, label in entries)
        key += f'<p class="legend"><b>Fair value, {esc(view.money)} per ha of mature area:</b> {swatches}</p>'
    more = (
        f'<p class="note">{len(groups) - len(shown)} further areas are in the overview only.</p>'
        if len(groups) > len(shown)
        else ""
    )
    columns = " two" if len(figures) in (2, 4) else ""
    body = "".join(f"<figure><figcaption>{esc(c)}</figcaption>{svg}</figure>" for c, svg in figures)
    return f'<h2>Where</h2>{key}<div class="maps{columns}">{body}</div>{more}'


def _values(view: View) -> str:
    if not view.plantations:
        return (
            '<h2>Values</h2><p class="empty">The portfolio is empty: no plantation of the register could be used.</p>'
        )
    unit = esc(view.money) or "currency of the right"
    head = [
        "#",
        "Plantation<small>right</small>",
        "Grade",
        "Mature area<small>ha</small>",
        "Yield, 12 months<small>t/ha; mean, 90 %</small>",
        f"Fair value<small>{unit}</small>",
        f"Real-world value<small>{unit}; 10 % to 90 %</small>",
        f"Fair value per ha<small>{unit}/ha</small>",
        f"One unit<small>{unit}</small>",
        "Remarks",
    ]
    tops = [float(p.outlook["yield12_q95"]) for p in view.plantations if not is_missing(p.outlook.get("yield12_q95"))]
    rows, used = [], set()
    for plantation in view.plantations:
        records = plantation.values.to_dict("records") or [{}]
        for position, record in enumerate(records):
            codes = [c for c in clean(record.get("quality_flag")).split(";") if c]
            used |= set(codes)
            rows.append(_value_row(view, plantation, record, codes, position == 0, max(tops, default=0.0)))
    meanings = "".join(
        f"<dt><code>{esc(c)}</code></dt><dd>{esc(FLAGS.get(c, 'unknown code'))}</dd>" for c in sorted(used)
    )
    legend = (
        f'<details><summary>What the remarks mean</summary><dl class="facts">{meanings}</dl></details>' if used else ""
    )
    return (
        '<h2>Values</h2><p class="note">Fair value: expected payments under the forward curve, discounted. Real-world '
        "value: quantiles of the present value over simulated prices and yields, so the fair value need not lie in "
        "their middle. Quantiles of single rights do not add up to those of the portfolio. The bar shows the 90 % "
        "interval of the yield from zero, the mark its mean.</p>"
        + table(head, rows, classes="values", numeric=(0, 3, 4, 5, 6, 7, 8))
        + legend
    )


def _value_row(
    view: View,
    plantation: Plantation,
    record: dict[object, object],
    codes: list[str],
    first: bool,
    top: float,
) -> list[str]:
    out = plantation.outlook
    low, mean, high = (out.get(f"yield12_{k}") for k in ("q05", "mean", "q95"))
    money = "" if view.money or not record else f" {esc(record.get('currency'))}"
    flags = " ".join(f'<code title="{esc(FLAGS.get(c, "unknown code"))}">{esc(c)}</code>' for c in codes)
    name = f"<bdi>{esc(plantation.name)}</bdi>"
    if record:
        memo = esc(f"memos/{memo_name(plantation.name, str(record['right_id']))}")
        name += f'<small><a href="{memo}">memo of <bdi>{esc(record["right_id"])}</bdi></a></small>'
    spread = f"<b>{number(mean, 1)}</b><small>{interval(low, high, 1)}</small>{charts.range_bar(low, mean, high, top)}"
    return [
        str(plantation.number) if first else "",
        name,
        grade_badge(record.get("confidence_grade")) if record else DASH,
        number(plantation.area_ha, 1) if first else "",
        (spread if not is_missing(mean) else DASH) if first else "",
        f"<b>{number(record.get('npv_fair'))}</b>{money}",
        interval(record.get("npv_q10"), record.get("npv_q90")) + money,
        number(plantation.npv_per_ha) + money if first else "",
        _unit_value(record) + money,
        flags if record else "no value",
    ]


def _unit_value(record: dict[object, object]) -> str:
    decimals = record.get("unit_decimals")
    return DASH if is_missing(decimals) else units(record.get("unit_nav_int"), int(str(decimals)), 6)


def _market(data: SummaryData) -> str:
    if not len(data.curve):
        return (
            '<h2>Market</h2><p class="empty">No forward curve: see the remark curve_missing in the table of values.</p>'
        )
    figures = []
    for symbol, rows in data.curve.groupby("symbol", sort=True):
        title = f"{clean(symbol)}: forward price by delivery month"
        figures.append(f"<figure><figcaption>{esc(title)}</figcaption>{charts.curve_chart(rows, title)}</figure>")
    legend = (
        '<p class="legend">Filled: settlement of a listed contract. Ring: interpolated between contracts. '
        "Grey, dashed: extrapolated beyond the last liquid contract.</p>"
    )
    return f'<h2>Market</h2>{legend}<div class="maps wide">{"".join(figures)}</div>'


def _cards(view: View, as_of: str) -> str:
    if not view.plantations:
        return ""
    swatches = (
        ("#cfe6d8", "forecast, 90 % interval"),
        ("#94c9aa", "50 % interval"),
        ("#1b7a4b", "median; NDVI"),
        ("#1c2b24", "harvested"),
        ("#2f6fb0", "NDMI"),
        ("#d9dedb", "share of the area seen, 0 to 100 %"),
    )
    legend = "".join(f'<span class="key"><i style="background:{c}"></i>{label}</span>' for c, label in swatches)
    ranked = sorted(view.plantations, key=lambda p: (-_total(p), p.number))[:MAX_CARDS]
    cards = "".join(_card(view, p, as_of) for p in sorted(ranked, key=lambda p: p.number))
    left = len(view.plantations) - len(ranked)
    more = (
        f'<p class="note">{left} further plantations, those of least value, are in the tables only.</p>' if left else ""
    )
    return f'<h2>Plantations</h2><p class="legend">{legend}</p><div class="cards">{cards}</div>{more}'


def _card(view: View, plantation: Plantation, as_of: str) -> str:
    name, out = plantation.name, plantation.outlook
    facts = [("Mature area", f"{number(plantation.area_ha, 1)} ha")]
    if not is_missing(out.get("yield12_mean")):
        spread = interval(out.get("yield12_q05"), out.get("yield12_q95"), 1)
        facts.append(("Next 12 months", f"{number(out['yield12_mean'], 1)} t/ha ({spread})"))
    for record in plantation.values.to_dict("records"):
        label = "Fair value" if len(plantation.values) == 1 else f"Fair value {clean(record['right_id'], 20)}"
        facts.append(
            (
                label,
                f"{number(record['npv_fair'])} {esc(record['currency'])} {grade_badge(record.get('confidence_grade'))}",
            )
        )
    listed = "".join(f"<dt>{esc(k)}</dt><dd>{v}</dd>" for k, v in facts)
    fan = charts.fan_chart(plantation.forecasts, plantation.history, as_of, f"Monthly yield of {clean(name, 60)}")
    index = charts.index_chart(plantation.features, as_of, f"Vegetation indices of {clean(name, 60)}")
    shape = maps.inset(plantation.site) if plantation.site else ""
    title = f"<h3>{plantation.number}&ensp;<bdi>{esc(name)}</bdi></h3>"
    return element(
        "article",
        f'<div class="top">{shape}<div>{title}<dl>{listed}</dl></div></div>'
        + (f"<figure><figcaption>Yield</figcaption>{fan}</figure>" if fan else '<p class="empty">No forecast.</p>')
        + (
            f"<figure><figcaption>Vegetation and moisture from Sentinel-2</figcaption>{index}</figure>"
            if index
            else '<p class="empty">No satellite index in these months.</p>'
        ),
        class_="card",
        id=f"plantation-{plantation.number}",
    )


def _total(plantation: Plantation) -> float:
    total = float(plantation.values["npv_fair"].sum()) if len(plantation.values) else 0.0
    return total if math.isfinite(total) else 0.0
