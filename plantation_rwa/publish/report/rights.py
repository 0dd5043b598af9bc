"""The table of rights: searched and sorted by the page's script, whole without it."""

from __future__ import annotations

from typing import Any

from plantation_rwa.publish.report import charts
from plantation_rwa.publish.report.markup import DASH, Cell, both_levels, clean, esc, is_missing, number, table
from plantation_rwa.publish.report.memo import memo_name
from plantation_rwa.publish.report.page import grade_badge
from plantation_rwa.publish.report.view import NO_PALMS, Plantation, View
from plantation_rwa.schema.flags import FLAGS

#: columns that can be sorted
_SORTED = tuple(range(9))


def rights_table(view: View) -> str:
    """One row per right, and per plantation without one."""
    if not view.plantations:
        return (
            '<h2 id="values">Values</h2><p class="empty">The portfolio is empty: no plantation of the register could '
            "be used.</p>"
        )
    unit = esc(view.money) or "currency of the right"
    head = [
        "#",
        "Plantation<small>right</small>",
        f"Fair value<small>{unit}</small>",
        f"Real-world value<small>{unit}; intervals</small>",
        "Grade",
        "Yield, 12 months<small>t/ha; mean, intervals</small>",
        "Mature area<small>ha</small>",
        f"Fair value per ha<small>{unit}/ha; all rights of the plantation</small>",
        "Newest data<small>oldest kind, days</small>",
        "Remarks",
    ]
    tops = [float(p.outlook["yield12_q95"]) for p in view.plantations if not is_missing(p.outlook.get("yield12_q95"))]
    rows, used = [], set()
    for plantation in view.plantations:
        for position, record in enumerate(plantation.records or ({},)):
            codes = [c for c in clean(record.get("quality_flag")).split(";") if c]
            used |= set(codes)
            rows.append(_row(view, plantation, record, codes, position == 0, max(tops, default=0.0)))
    meanings = "".join(
        f"<dt><code>{esc(c)}</code></dt><dd>{esc(FLAGS.get(c, 'unknown code'))}</dd>" for c in sorted(used)
    )
    legend = (
        f'<details><summary>What the remarks mean</summary><dl class="facts">{meanings}</dl></details>' if used else ""
    )
    find = (
        '<p class="find"><label for="find">Search plantation, right or remark</label> '
        '<input id="find" type="search" autocomplete="off"> <span id="found" role="status"></span></p>'
    )
    body = table(
        head, rows, classes="values", numeric=(0, 2, 3, 5, 6, 7, 8), label="Rights and their values",
        sortable=_SORTED, ident="rights",
    )  # fmt: skip
    return (
        '<h2 id="values">Values</h2><p class="note">Fair value: expected payments under the forward curve, discounted. '
        "Real-world value: quantiles of the present value over simulated prices and yields, so the fair value need not "
        "lie in their middle. The bar shows the 90 % interval of the yield from zero, the mark its mean. Choose a "
        f"plantation by its name to see it below.{_mixed(view)}</p>{find}{body}{legend}"
    )


def _row(
    view: View, plantation: Plantation, record: dict[Any, Any], codes: list[str], first: bool, top: float
) -> list[str | Cell]:
    out = plantation.outlook
    low, mean, high = (out.get(f"yield12_{k}") for k in ("q05", "mean", "q95"))
    currency = clean(record.get("currency"))
    money = "" if view.money or not record else f" {esc(currency)}"
    # amounts in several currencies are put in order within each
    group = "" if view.money else currency
    flags = " ".join(f'<code title="{esc(FLAGS.get(c, "unknown code"))}">{esc(c)}</code>' for c in codes)
    name = (
        f'<button type="button" class="pick" data-plantation="{plantation.number - 1}">'
        f"<bdi>{esc(plantation.name)}</bdi></button>"
    )
    right = clean(record.get("right_id"))
    if record:
        memo = esc(f"memos/{memo_name(plantation.name, str(record['right_id']))}")
        name += f'<small><a href="{memo}">memo of <bdi>{esc(right)}</bdi></a></small>'
    spread = (
        NO_PALMS
        if plantation.bare
        else f"<b>{number(mean, 1)}</b>{both_levels(out, 'yield12', 1)}{charts.range_bar(low, mean, high, top)}"
    )
    grade = clean(record.get("confidence_grade"))
    per_ha = _per_ha(plantation, money) if first else ""
    return [
        Cell(str(plantation.number) if first else "", plantation.number),
        Cell(name, f"{clean(plantation.name)} {right}"),
        Cell(f"<b>{number(record.get('npv_fair'))}</b>{money}", record.get("npv_fair"), group),
        Cell(both_levels(record, "npv") + money, record.get("npv_q10"), group),
        Cell(grade_badge(grade) if record else DASH, grade),
        Cell((spread if not is_missing(mean) else DASH) if first else "", mean),
        Cell(number(plantation.area_ha, 1) if first else "", plantation.area_ha),
        Cell(per_ha, plantation.npv_per_ha, group),
        Cell(number(record.get("data_age_days_max")), record.get("data_age_days_max")),
        flags if record else "no value",
    ]


def _per_ha(plantation: Plantation, money: str) -> str:
    if len({clean(r.get("currency")) for r in plantation.records}) > 1:
        return "<small>several currencies</small>"
    return DASH if is_missing(plantation.npv_per_ha) else number(plantation.npv_per_ha) + money


def _mixed(view: View) -> str:
    if len(view.currencies) < 2:
        return ""
    return f" Amounts in {', '.join(esc(c) for c in view.currencies)} are sorted within each currency, never added up."
