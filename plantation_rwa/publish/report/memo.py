"""One page per right for a credit officer: what is sold, its value, what drives and breaks it, what is not known."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import pandas as pd

from plantation_rwa.publish.report import charts, maps
from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.markup import DASH, clean, element, esc, interval, is_missing, number, table, units
from plantation_rwa.publish.report.page import grade_badge, page
from plantation_rwa.publish.report.svg import AMBER, GRID, INK, MUTED, drawing, text
from plantation_rwa.publish.report.view import NO_PALMS, Plantation
from plantation_rwa.publish.report.words import DRIVERS, SCREEN, STRESSES, step_of
from plantation_rwa.schema.flags import FLAGS

Row = Mapping[Any, Any]

_BASES = {
    "gross_mill_gate": "gross revenue at the mill gate",
    "net_of_levies": "mill-gate revenue less levies",
    "net_operating": "mill-gate revenue less levies and field cost",
}
#: letters of a label that fit beside the bars of the stresses; longer ones go on in another line
_LABEL = 25
_ROUTES = {
    "mill_direct": "the mill pays the holder directly",
    "controlled_account": "the mill pays into a controlled account",
    "sponsor": "the sponsor collects and pays on: what it holds when it fails is at risk",
}


def memo_name(plantation_id: str, right_id: str) -> str:
    """File name of a right's memo: readable, safe in every file system, distinct for distinct rights."""
    words = [re.sub(r"[^A-Za-z0-9-]+", "-", part).strip("-")[:40] for part in (plantation_id, right_id)]
    mark = hashlib.sha256(f"{plantation_id}\x00{right_id}".encode()).hexdigest()[:8]
    return "_".join([*(w for w in words if w), mark]) + ".html"


def render_memo(data: SummaryData, plantation: Plantation, record: Row) -> str:
    """The memo of one right as a page that needs nothing else.

    Parameters
    ----------
    data
        The tables of the date.
    plantation
        The right's plantation.
    record
        The right's row of table ``valuations``.
    """
    as_of = str(data.meta["as_of"])
    title = f"Credit memo: {clean(plantation.name, 80)}, right {clean(record['right_id'], 40)}"
    left = [_sold(record), _value(record), _drivers(record), _track(data.track)]
    right = [_yield(plantation, as_of), _breaks(record), _evidence(plantation, record, data)]
    body = (
        '<div class="memo"><div>'
        + "".join(left)
        + "</div><div>"
        + "".join(right)
        + f"</div></div>{_verify(plantation.name, record, data)}"
    )
    return page(data.meta, title, "one right, one page", body)


def _sold(r: Row) -> str:
    share, tenor = float(r["share"]), int(r["tenor_months"])
    lines = [
        f"<b>{number(100 * share, 2)} %</b> of {esc(_BASES.get(str(r.get('base')), 'revenue'))} from fresh fruit"
        f" bunches for <b>{tenor} months</b> from {esc(r.get('start_month')) or DASH}"
    ]
    if not is_missing(r.get("frequency_months")):
        every, lag = int(r["frequency_months"]), int(r["payment_lag_months"])
        lines.append(f"paid every {_months(every)}, {'a ' * (lag == 1)}{_months(lag)} after the period ends")
    what = "palm oil" if r.get("price_basis") == "cpo" else "fruit bunches"
    for column, word in (("price_floor", "floor"), ("price_cap", "cap")):
        if not is_missing(r.get(column)):
            lines.append(f"price {word} {number(r[column])} per t of {what}, currency of the mill")
    for column, word in (("min_payment", "least"), ("max_payment", "most")):
        if not is_missing(r.get(column)):
            lines.append(f"at {word} {number(r[column])} a period, currency of the mill")
    if clean(r.get("payor_id")):
        lines.append(f"payor <bdi>{esc(r['payor_id'], 60)}</bdi>")
    lines.append(esc(_ROUTES.get(str(r.get("collection_route")), "collection route unknown")))
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<h2>What is sold</h2><ul>{items}</ul>"


def _amount(r: Row, name: str) -> float | None:
    """A number of a row, None if it is missing."""
    value = r.get(name)
    return None if is_missing(value) else float(str(value))


def _months(count: int) -> str:
    return "month" if count == 1 else f"{count} months"


def _value(r: Row) -> str:
    money = esc(r["currency"])
    if is_missing(r.get("npv_fair")):
        return '<h2>Value</h2><p class="empty">No value could be computed; see what is not known.</p>'
    facts = [
        ("Fair value", f"<b>{number(r['npv_fair'])} {money}</b> {grade_badge(r.get('confidence_grade'))}"),
        ("Real-world value, 80 %", f"{interval(r.get('npv_q10'), r.get('npv_q90'))} {money}"),
        ("Real-world value, 90 %", f"{interval(r.get('npv_q05'), r.get('npv_q95'))} {money}"),
        ("Median", f"{number(r.get('npv_q50'))} {money}"),
        ("Worst twentieth, mean loss", f"{number(r.get('es95'))} {money}"),
        ("One of its units", f"{units(r.get('unit_nav_int'), int(r['unit_decimals']), 6)} {money}"),
        ("Can be advanced", f"{_percent(r, 'advance_rate', 1)} of fair value"),
        ("Mean life of payments", f"{number(r.get('wal_years'), 1)} years"),
    ]
    if not is_missing(r.get("issue_price")):
        loss = _percent(r, "prob_loss", 1)
        facts.append(("Asked", f"{number(r['issue_price'])} {money}; worth less on {loss} of paths"))
    if not is_missing(r.get("npv_mc_se")):
        facts.append(("Monte Carlo error", f"\u00b1 {number(r['npv_mc_se'])} {money} (one standard error)"))
    rows = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts if not _is_blank(v))
    note = (
        "Fair value: expected payments under the forward curve, default, disasters and spreads taken off. Real-world "
        "value: quantiles over simulated prices and yields."
    )
    return f'<h2>Value</h2><dl class="facts">{rows}</dl><p class="note">{note}</p>'


def _percent(r: Row, name: str, places: int = 0) -> str:
    share = _amount(r, name)
    return DASH if share is None else f"{number(100 * share, places)} %"


def _is_blank(cell: str) -> bool:
    """Whether a cell of facts shows nothing but a dash and its unit."""
    return cell.startswith(DASH)


def _drivers(r: Row) -> str:
    """Effects of drivers, the largest first among those of one size of step."""
    groups: dict[str, list[tuple[float, list[str]]]] = {}
    for column, change, words in DRIVERS:
        elasticity = _amount(r, column)
        if elasticity is not None and abs(elasticity) > 1e-9:
            effect = elasticity * change
            cells = [esc(words), f"{number(100 * effect, 1)} %"]
            groups.setdefault(step_of(change), []).append((abs(effect), cells))
    if not groups:
        return ""
    body = []
    for step, rows in groups.items():
        ranked = [cells for _, cells in sorted(rows, key=lambda x: -x[0])]
        body.append(table([f"If ({step})", "Fair value"], ranked, numeric=(1,), label=f"Drivers, {step}"))
    return f"<h2>What drives it</h2><div class='steps'>{''.join(body)}</div>"


def _breaks(r: Row) -> str:
    fair = _amount(r, "npv_fair")
    found = [(words, value) for c, words in STRESSES.items() if (value := _amount(r, c)) is not None]
    if fair is None or not found:
        return ""
    found.sort(key=lambda x: x[1])
    lines = [
        f"{label} {number(r[column], places)} {unit}"
        for column, label, places, unit in (
            ("breakeven_price", "worth its price while palm oil averages", 0, "per t"),
            ("breakeven_yield", "worth its price while the estate harvests", 0, "t a year"),
        )
        if not is_missing(r.get(column))
    ]
    more = "".join(f"<li>{line}</li>" for line in lines)
    chart = stress_chart(fair, found, str(r["currency"]))
    return f"<h2>What would break it</h2><figure>{chart}</figure>" + (f"<ul>{more}</ul>" if more else "")


def stress_chart(fair: float, values: Sequence[tuple[str, float]], currency: str) -> str:
    """Fair value under each named stress as a bar from zero, today's as a line."""
    width, line, left, right = 360.0, 17.0, 142.0, 52.0
    top = max(fair, *(v for _, v in values), 1e-9)
    scale = (width - left - right) / top
    labels = [wrap(words, _LABEL) for words, _ in values]
    bottom = 8 + line * sum(map(len, labels))
    x = left + max(fair, 0.0) * scale
    parts = [element("line", x1=x, x2=x, y1=2.0, y2=bottom, stroke=AMBER, stroke_dasharray="3 3")]
    y = 6.0
    for label, (_, value) in zip(labels, values, strict=True):
        change = 100 * (value / fair - 1) if fair > 0 else 0.0
        for n, words in enumerate(label):
            parts.append(text(left - 6, y + 10 + n * (line - 5), words, anchor="end", fill=MUTED))
        parts.append(element("rect", x=left, y=y + 1, width=max(value, 0.0) * scale, height=line - 6, fill="#94c9aa"))
        # in a column of their own: no bar and no line runs through them
        parts.append(text(width - 4, y + 10, f"{number(change)} %", anchor="end", fill=INK))
        y += line * len(label)
    parts.append(element("line", x1=left, x2=left, y1=2.0, y2=bottom, stroke=GRID))
    parts.append(text(x, bottom + 11, f"today {number(fair)} {clean(currency, 8)}", anchor="end", fill=AMBER))
    worst = f"; the worst is {values[0][0]}" if values else ""
    return drawing(width, bottom + 16, "".join(parts), f"Fair value under {len(values)} stresses{worst}")


def _yield(p: Plantation, as_of: str) -> str:
    fan = charts.fan_chart(p.forecasts, p.history, as_of, f"Monthly yield of {clean(p.name, 60)}")
    mean, low, high = (p.outlook.get(f"yield12_{k}") for k in ("mean", "q05", "q95"))
    near = interval(p.outlook.get("yield12_q10"), p.outlook.get("yield12_q90"), 1)
    spread = f"80 % {near}, 90 % {interval(low, high, 1)}"
    line = "" if is_missing(mean) else f"Next 12 months {NO_PALMS if p.bare else f'{number(mean, 1)} t/ha, {spread}'}. "
    head = "<h2>What it rests on</h2>"
    if not fan:
        return head + '<p class="empty">No forecast.</p>'
    shape = maps.inset(p.site) if p.site else ""
    area = f"Mature area {number(p.area_ha, 1)} ha. Black: harvested. Bands: 50, 80 and 90 % of the forecast."
    return f'{head}<div class="top">{shape}<p class="note">{line}{area}</p></div><figure>{fan}</figure>'


def _track(track: pd.DataFrame) -> str:
    if not len(track):
        line = "No backtest stands in this folder: <code>plantation-rwa backtest CONFIG --value</code> makes one."
        return f'<h2>How good such numbers have been</h2><p class="note">{line}</p>'
    rows = [
        [esc(t["what"]), number(t["value"], 2), interval(t["lo"], t["hi"], 2), number(t["n"])]
        for t in track.to_dict("records")
    ]
    body = table(
        ["Backtest of this portfolio", "Score", "90 %", "Cases"], rows, numeric=(1, 2, 3), label="Scores of backtests"
    )
    return f"<h2>How good such numbers have been</h2>{body}"


def _evidence(p: Plantation, r: Row, data: SummaryData) -> str:
    known: list[str] = []
    unknown: list[str] = []
    age = r.get("data_age_days_max")
    if not is_missing(age):
        known.append(f"oldest of the newest records {number(age)} days old")
    months = int(p.history["yield_t_ha"].notna().sum()) if "yield_t_ha" in p.history else 0
    (known if months else unknown).append(
        f"{number(months)} months of harvest records" if months else "no harvest records of its own"
    )
    screen = str(r.get("eudr_screen") or "")
    (unknown if screen in ("", "not_checked", "more_info", "nan", "None") else known).append(
        f"deforestation screening: {SCREEN.get(screen, 'not checked')}"
    )
    if _amount(r, "overlap_max_frac") is None:
        unknown.append("no check for overlap with other land claims")
    else:
        known.append(f"largest overlap with another plantation {_percent(r, 'overlap_max_frac', 1)} of the smaller")
    if _amount(r, "share_npv_extrapolated"):
        share = _percent(r, "share_npv_extrapolated")
        unknown.append(f"prices behind {share} of the value: no contract trades so far out")
    unknown += [FLAGS.get(code, code) for code in clean(r.get("quality_flag")).split(";") if code]
    rows = data.quarantine
    own = int((rows["plantation_id"].astype("str") == p.name).sum()) if len(rows) else 0
    if own:
        unknown.append(f"records rejected, nulled or repaired: {number(own)}")

    def listed(items: Sequence[str]) -> str:
        return "<ul>" + "".join(f"<li>{esc(i)}</li>" for i in items) + "</ul>"

    return f"<h2>Evidence</h2>{listed(known)}<h2>Not known, or weak</h2>{listed(unknown or ['nothing noted'])}"


def _verify(plantation: str, r: Row, data: SummaryData) -> str:
    mark = clean(r.get("record_hash"))
    line = (
        f"<code>plantation-rwa prove OUT {esc(plantation, 60)} --right {esc(r['right_id'], 40)}</code> writes the proof"
        f" of this row, <code>plantation-rwa verify OUT</code> checks every file of the date."
    )
    shown = f" Record hash <span class='mono'>{esc(mark)}</span>." if mark else ""
    return f'<h2>How to check it</h2><p class="note">{line}{shown} Full report: ../index.html</p>'
