"""Duties and levies of published months. Source: domain/valuation.md 1.2, 1.4, 9."""

from __future__ import annotations

import csv
import datetime as dt
from importlib import resources

import pandas as pd
import pytest

from plantation_rwa.valuation.fiscal import FiscalTable, export_duty_rate_my, windfall_levy_per_t
from plantation_rwa.valuation.usd_netback import export_duty_id, export_levy_id


@pytest.fixture(scope="module")
def fiscal() -> FiscalTable:
    file = resources.files("plantation_rwa").joinpath("data/fiscal.csv")
    frame = pd.DataFrame(list(csv.DictReader(file.read_text("utf-8").splitlines())))
    frame["value"] = frame["value"].astype("float64")
    return FiscalTable(frame.assign(effective_to=frame["effective_to"].replace("", None)))


@pytest.mark.parametrize(
    ("reference", "duty"),
    [
        (795.14, 33), (798.90, 33), (820.11, 33), (839.53, 52), (857.62, 52), (877.28, 52), (856.38, 52),
        (880.03, 74), (889.77, 74), (893.64, 74), (961.97, 124), (963.75, 124), (1059.54, 178),
    ],
)  # fmt: skip
def test_kat_03_indonesian_duty_of_thirteen_months(fiscal: FiscalTable, reference: float, duty: float) -> None:
    assert export_duty_id(fiscal, reference, dt.date(2025, 1, 15)) == duty


def test_indonesian_duty_at_the_edges_of_its_bands(fiscal: FiscalTable) -> None:
    day = dt.date(2025, 1, 15)
    assert [export_duty_id(fiscal, x, day) for x in (500, 680, 680.01, 730, 1430, 1430.01, 2000)] == [
        0, 0, 3, 3, 264, 288, 288,
    ]  # fmt: skip


def test_kat_04_indonesian_levy(fiscal: FiscalTable) -> None:
    assert export_levy_id(fiscal, 893.64, dt.date(2024, 10, 15)) == pytest.approx(67.0232, abs=0.01)
    assert export_levy_id(fiscal, 963.75, dt.date(2025, 11, 15)) == pytest.approx(96.375, abs=0.01)
    assert export_levy_id(fiscal, 856.38, dt.date(2025, 6, 1)) == pytest.approx(85.64, abs=0.01)
    assert export_levy_id(fiscal, 1000, dt.date(2026, 3, 1)) == pytest.approx(125)
    assert export_levy_id(fiscal, 850, dt.date(2024, 9, 1)) == 90


@pytest.mark.parametrize(
    ("value", "rate"), [(2200, 0.0), (2250, 0.0), (2460.89, 0.045), (2600, 0.05), (4390.37, 0.10), (4547.79, 0.10)]
)
def test_kat_05_malaysian_duty(fiscal: FiscalTable, value: float, rate: float) -> None:
    assert export_duty_rate_my(fiscal, value, dt.date(2025, 4, 1)) == rate


def test_kat_05_malaysian_duty_before_november_2024_is_capped(fiscal: FiscalTable) -> None:
    assert export_duty_rate_my(fiscal, 4033.51, dt.date(2024, 10, 31)) == 0.08
    assert export_duty_rate_my(fiscal, 4033.51, dt.date(2024, 11, 1)) == 0.095


@pytest.mark.parametrize(
    ("places", "levy"),
    [(("MY",), 25.5), (("MY-SABAH", "MY"), 10.5), (("MY-SARAWAK", "MY"), 10.5)],
)
def test_kat_07_windfall_levy_per_t_of_fruit(fiscal: FiscalTable, places: tuple[str, ...], levy: float) -> None:
    day = dt.date(2025, 6, 15)
    threshold = fiscal.value("windfall_levy", "threshold_myr_t", places, day)
    rate = fiscal.value("windfall_levy", "rate", places, day)
    assert threshold is not None
    assert rate is not None
    assert float(windfall_levy_per_t(4000.0, threshold, rate)) == pytest.approx(levy, abs=1e-9)
    assert float(windfall_levy_per_t(3000.0, threshold, rate)) == 0.0


def test_state_taxes_and_cess(fiscal: FiscalTable) -> None:
    day = dt.date(2025, 6, 15)
    states = ("MY-JOHOR", "MY-SABAH", "MY-SARAWAK")
    taxes = [fiscal.value("sales_tax", "cpo", (state, "MY"), day) for state in states]
    assert taxes == [0.0, 0.075, 0.05]
    assert fiscal.value("cess", "cpo", ("MY",), dt.date(2021, 2, 28)) == 14
    assert fiscal.value("cess", "cpo", ("MY",), dt.date(2021, 3, 1)) == 16


def test_every_row_of_the_packaged_table_names_its_source_and_unit() -> None:
    file = resources.files("plantation_rwa").joinpath("data/fiscal.csv")
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert len(rows) == 60
    assert all(len(row["source"]) > 20 and row["unit"] for row in rows)
    bands = [row for row in rows if row["schedule"] == "export_duty" and row["jurisdiction"] == "ID"]
    assert sum("[K]" in row["source"] for row in bands) == 7


def table(*rows: tuple[str, str, str | None, float]) -> FiscalTable:
    columns = ["key", "effective_from", "effective_to", "value"]
    return FiscalTable(pd.DataFrame(rows, columns=columns).assign(schedule="windfall_levy", jurisdiction="MY"))


def test_a_key_that_ends_without_a_successor_stays_in_force_and_is_told() -> None:
    """A threshold that runs out leaves no levy without threshold, and no levy of zero."""
    levy = table(("rate", "2020-01-01", None, 0.03), ("threshold", "2020-01-01", "2026-12-31", 3000.0))
    for day, ended in ((dt.date(2026, 12, 15), False), (dt.date(2027, 1, 15), True)):
        assert levy.schedule("windfall_levy", ("MY",), day) == {"rate": 0.03, "threshold": 3000.0}
        assert levy.held_over("windfall_levy", ("MY",), day) is ended


def test_a_rule_that_begins_after_the_end_of_another_key_succeeds_it() -> None:
    levy = table(
        ("flat", "2020-01-01", "2024-12-31", 9.0), ("<=700", "2025-01-01", None, 1.0), (">700", "2025-01-01", None, 2.0)
    )
    assert levy.schedule("windfall_levy", ("MY",), dt.date(2025, 6, 1)) == {"<=700": 1.0, ">700": 2.0}
    assert levy.held_over("windfall_levy", ("MY",), dt.date(2025, 6, 1)) is False
