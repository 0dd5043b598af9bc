"""Cross-checks of units and sizes, each with the words a user reads."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from plantation_rwa.run.survey import values
from plantation_rwa.sources.base import Quarantine


def told(findings: list[values.Finding]) -> list[str]:
    return [f"{f.severity}: {f.problem()}" for f in findings]


def test_extraction_rates_in_percent_are_told_as_such() -> None:
    bad = Quarantine()
    bad.add("register", "r.geojson", "oer must be at most 0.3", "nulled", column="oer", value="21.5", plantation_id="A")
    bad.add("register", "r.geojson", "oer must be at most 0.3", "nulled", column="oer", value="0.5", plantation_id="B")
    assert told(values.percentages(bad.frame())) == [
        "warning: portfolio.register: r.geojson: oer: oer of 1 plantation is written in percent and was left out "
        "(got A 21.5). Write 0.2 for 20 %."
    ]


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        (2.471, " The size of the difference looks like acres."),
        (1e4, " The size of the difference looks like square metres."),
        (1.3, ""),
    ],
)
def test_areas_that_the_outline_contradicts(factor: float, hint: str) -> None:
    register = pd.DataFrame(
        {
            "plantation_id": ["A", "B"],
            "declared_area_ha": [100.0 * factor, 100.0],
            "area_geodesic_ha": [100.0, 101.0],
            "flags": ["area_mismatch;geometry_repaired", ""],
        }
    )
    assert told(values.areas(register)) == [
        "warning: portfolio.register: planted_area_ha: planted_area_ha of 1 plantation differs from the outline's "
        f"hectares by more than 10 % (got A {100 * factor:,.1f} declared, 100.0 measured). Check the area and the "
        f"outline.{hint}"
    ]
    assert values.areas(register.iloc[1:]) == []


def harvest(per_month: dict[str, float]) -> pd.DataFrame:
    rows = [
        {"plantation_id": p, "block_id": "", "month": f"2025-{m:02d}", "ffb_t": t, "area_mature_ha": float("nan")}
        for p, t in per_month.items()
        for m in range(1, 13)
    ]
    return pd.DataFrame(rows).assign(known_at=pd.Timestamp("2026-01-01", tz="UTC"))


def test_harvests_no_palm_gives() -> None:
    register = pd.DataFrame({"plantation_id": ["A", "B", "C"], "planted_area_ha": [100.0, 100.0, 100.0]})
    # t per ha and year: 0.96, 18, 48
    found = values.yields(harvest({"A": 8.0, "B": 150.0, "C": 400.0}), register, 2.0, 45.0)
    assert told(found) == [
        "warning: harvest.path: ffb_t: harvest of 1 plantation makes less than 2 t per ha and year on average "
        "(got A 0.96 t/ha). Check t against 10 t or bunches, and the hectares.",
        "warning: harvest.path: ffb_t: harvest of 1 plantation makes more than 45 t per ha and year on average "
        "(got C 48 t/ha). Check kilograms against t, yearly against monthly sums.",
    ]


def test_a_revised_month_counts_once_and_mature_hectares_win() -> None:
    register = pd.DataFrame({"plantation_id": ["A"], "planted_area_ha": [1.0]})
    first = harvest({"A": 150.0}).assign(area_mature_ha=100.0)
    revised = first.assign(known_at=pd.Timestamp("2026-02-01", tz="UTC"))
    assert values.yields(pd.concat([revised, first], ignore_index=True), register, 2.0, 18.5) == []


def prices(series: str, *amounts: float, currency: str = "IDR") -> pd.DataFrame:
    dates = pd.date_range("2026-01-31", periods=len(amounts), freq="ME")
    frame = pd.DataFrame({"series": series, "date": dates, "value": list(amounts), "currency": currency})
    return frame.assign(region="")


def set_aside(input: str, column: str, *reasons: str) -> pd.DataFrame:
    bad = Quarantine()
    for row, reason in enumerate(reasons, 1):
        bad.add(input, f"{input}.csv", f"{reason}; row rejected", "rejected", row=row, column=column, value="13,100")
    return bad.frame()


def test_a_series_mostly_of_another_unit_is_an_error_and_single_values_a_warning() -> None:
    outside = "cpo_id lies outside 1,000,000 to 60,000,000 IDR per t; was it written per kg, or in thousands?"
    bad = set_aside("prices", "value", outside, outside, "unit is not known")
    assert told(values.sizes(bad, {"prices": {"cpo_id": 1, "pk_id": 9}})) == [
        "error: market.prices: prices.csv: cpo_id: 2 of 3 values lie outside 1,000,000 to 60,000,000 IDR per t; "
        "was it written per kg, or in thousands? (got 13,100 in row 1). Check unit and decimal point."
    ]
    assert [f.severity for f in values.sizes(bad, {"prices": {"cpo_id": 2}})] == ["warning"]
    assert values.sizes(bad, {"prices": {}})[0].severity == "error"


def test_a_price_that_jumps_within_what_is_possible() -> None:
    found = values.price_jumps(prices("pk_id", 400_000.0, 40_000_000.0), "market.prices")
    assert told(found) == [
        "warning: market.prices: pk_id: 1 value more than 10 times off the one before (got 40,000,000 on 2026-02-28). "
        "Check unit and decimal point."
    ]


def fx(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=["date", "base", "quote", "rate"])
    return frame.assign(date=pd.to_datetime(frame["date"]), kind="spot")


def test_a_pair_that_contradicts_two_others_is_found_though_its_size_is_possible() -> None:
    sound: Any = [
        ("2026-01-02", "EUR", "USD", 1.18),
        ("2026-01-02", "USD", "MYR", 4.2),
        ("2026-01-02", "EUR", "MYR", 4.96),
    ]
    assert values.fx_triangles(fx(*sound)) == []
    turned = fx(("2026-01-02", "EUR", "USD", 1 / 1.18), *sound[1:])
    assert told(values.fx_triangles(turned)) == [
        "error: market.fx: EUR/USD: the rate contradicts the other pairs, and agrees with them turned round "
        "(got 0.847458 in 2026-01). Swap base and quote, or write 1/rate."
    ]
    odd = fx(("2026-01-02", "EUR", "USD", 1.9), *sound[1:])
    assert told(values.fx_triangles(odd)) == [
        "error: market.fx: rate: the exchange rates of these currencies contradict each other by more than 10 % "
        "(got EUR MYR USD in 2026-01). Check which pair is wrong, and its unit."
    ]


def test_a_pair_quoted_both_ways_must_agree() -> None:
    both = fx(("2026-01-02", "EUR", "USD", 1.18), ("2026-01-02", "USD", "EUR", 1.18))
    assert told(values.fx_triangles(both)) == [
        "error: market.fx: EUR/USD: the pair is quoted both ways, and the two disagree in 1 month "
        "(got 1.18 and 1.18 in 2026-01). One of the two is turned round or of another currency; keep the right one."
    ]
    assert values.fx_triangles(both.assign(rate=[1.18, 1 / 1.18])) == []


def test_currencies_without_a_way_to_the_reporting_one() -> None:
    rates = {("MYR", "MYR"): 1.0, ("IDR", "MYR"): None}
    assert told(values.currency_paths(["MYR", "IDR", "IDR"], "MYR", lambda a, b: rates[a, b])) == [
        "warning: market.fx: base: no exchange rate leads to the reporting currency MYR; values stay in the other "
        "currency (got IDR to MYR). Give the pair itself, or both currencies against USD."
    ]


def test_price_series_the_schemes_need() -> None:
    register = pd.DataFrame({"scheme": ["", "id_swadaya", ""], "country": ["MY", "ID", "GH"]})
    schemes = values.schemes(register, {"MY": "my_netback", "ID": "id_plasma"}, "my_netback")
    assert schemes == ["my_netback", "id_swadaya", "my_netback"]
    remedy = "Give the series; an assumed ratio or basis stands in for it."
    assert told(values.price_series(schemes, {"FCPO"})) == [
        f"warning: market.prices: series: 2 plantations on Malaysian prices without a series that they need "
        f"(got pk_my). {remedy}",
        f"warning: market.prices: series: 1 plantation on Indonesian prices without a series that they need "
        f"(got pk_id, k_id). {remedy}",
    ]
    assert values.price_series(["my_netback"], {"FCPO", "pk_my"}) == []
