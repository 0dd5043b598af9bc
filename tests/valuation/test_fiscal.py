from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.fiscal import FiscalTable, band_value, jurisdictions


def table(*rows: tuple[str, str, str, str | None, str, float]) -> FiscalTable:
    columns = ["schedule", "jurisdiction", "effective_from", "effective_to", "key", "value"]
    return FiscalTable(pd.DataFrame(rows, columns=columns))


@pytest.mark.parametrize(
    ("country", "state", "expected"),
    [
        ("MY", "Sabah", ("MY-SABAH", "MY")),
        ("my", "sabah", ("MY-SABAH", "MY")),
        ("MY", "MY-12", ("MY-SABAH", "MY")),
        ("ID", "Central Kalimantan", ("ID-CENTRAL-KALIMANTAN", "ID")),
        ("MY", "", ("MY",)),
        ("MY", None, ("MY",)),
    ],
)
def test_jurisdictions(assumptions: Assumptions, country: str, state: str | None, expected: tuple[str, ...]) -> None:
    assert jurisdictions(country, state, assumptions) == expected


def test_a_schedule_that_ran_out_stays_in_force_and_none_is_known_before_the_first() -> None:
    fiscal = table(
        ("tax", "MY", "2020-01-01", "2020-12-31", "cpo", 1.0), ("tax", "MY", "2021-01-01", "2021-12-31", "cpo", 2.0)
    )
    days = tuple(dt.date(y, 6, 1) for y in (2019, 2020, 2021, 2030))
    assert fiscal.series("tax", "cpo", ("MY",), days) == (None, 1.0, 2.0, 2.0)
    assert fiscal.value("other", "cpo", ("MY",), days[0]) is None


def test_the_state_overrides_the_country_key_by_key() -> None:
    fiscal = table(
        ("levy", "MY", "2020-01-01", None, "rate", 0.03),
        ("levy", "MY", "2020-01-01", None, "threshold", 3.0),
        ("levy", "MY-SABAH", "2020-01-01", None, "threshold", 3.5),
    )
    assert fiscal.schedule("levy", ("MY-SABAH", "MY"), dt.date(2025, 1, 1)) == {"rate": 0.03, "threshold": 3.5}


def test_bands_include_their_upper_bound_and_need_no_order() -> None:
    bands = {">30": 9.0, "<=30": 3.0, "<=10": 1.0, "note": 7.0}
    assert [band_value(bands, x) for x in (-5, 10, 10.01, 30, 31)] == [1, 1, 3, 3, 9]
    assert band_value({}, 5.0) is None
    assert band_value(bands, float("nan")) is None


def test_a_newer_ladder_replaces_an_older_one_that_was_left_open() -> None:
    rows = [("duty", "MY", "2025-01-01", None, ">10", 5.0), ("duty", "MY", "2025-01-01", None, "<=10", 4.0)]
    fiscal = table(*rows, ("duty", "MY", "2020-01-01", None, "<=8", 1.0), ("duty", "MY", "2020-01-01", None, ">8", 2.0))
    assert fiscal.schedule("duty", ("MY",), dt.date(2024, 1, 1)) == {"<=8": 1.0, ">8": 2.0}
    assert fiscal.schedule("duty", ("MY",), dt.date(2025, 1, 1)) == {"<=10": 4.0, ">10": 5.0}


def test_the_last_known_revision_counts_in_any_order() -> None:
    columns = ["schedule", "jurisdiction", "effective_from", "effective_to", "key", "value", "known_at"]
    rows = [
        ("tax", "MY", "2025-01-01", None, "cpo", 0.09, "2025-01-01"),
        ("tax", "MY", "2025-01-01", None, "cpo", 0.05, "2025-03-01"),
    ]
    for order in (rows, rows[::-1]):
        fiscal = FiscalTable(pd.DataFrame(order, columns=columns))
        assert fiscal.value("tax", "cpo", ("MY",), dt.date(2025, 6, 1)) == 0.05
