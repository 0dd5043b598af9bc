from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.agronomy import age_curve
from plantation_rwa.forecast.cube import MAX_DELAY, build_cube, shift, stand_potential
from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month
from tests.forecast.portfolio import portfolio

ASSUMPTIONS = packaged()
SMALL = portfolio(2, plantations=3, months=30)
AS_OF = dt.date(2025, 12, 31)


def test_shift_both_ways() -> None:
    values = np.array([[1.0, 2.0, 3.0]])
    assert shift(values, 1)[0, 1:].tolist() == [1.0, 2.0]
    assert shift(values, -1)[0, :2].tolist() == [2.0, 3.0]
    assert np.isnan(shift(values, 3)).all()
    assert shift(values, 0).tolist() == values.tolist()


def test_potential_of_two_blocks_by_hand() -> None:
    register = pd.DataFrame(
        {"plantation_id": ["A"], "country": ["MY"], "planted_date": ["2010-01-01"], "is_peat": [True]}
    )
    blocks = pd.DataFrame(
        {
            "plantation_id": ["A"] * 3,
            "block_id": ["1", "2", "3"],
            "planted_date": ["2010-01-01", "2019-01-01", "2023-06-01"],
            "area_ha": [30.0, 10.0, 60.0],
            "soil_class": ["S1", "S3", "S1"],
        }
    )
    month = np.array([Month(2024, 1).ordinal])
    potential, area, age = stand_potential(stand_table(register, blocks), ("A",), month, ASSUMPTIONS)
    years = np.array([(dt.date(2024, 1, 1) - dt.date(y, 1, 1)).days / 365.25 for y in (2010, 2019)])
    old, young = age_curve(years[:1], "S1", ASSUMPTIONS)[0], age_curve(years[1:], "S3", ASSUMPTIONS)[0]
    assert area[0, 0] == 40.0
    assert potential[0, 0] == pytest.approx(0.70 * (30 * old * 0.925 + 10 * young * 0.90) / 40 / 12)
    assert age[0, 0] == pytest.approx((30 * years[0] + 10 * years[1] + 60 * 214 / 365.25) / 100)


def test_register_factor_goes_before_the_default() -> None:
    register = pd.DataFrame(
        {"plantation_id": ["A", "B"], "country": "MY", "planted_date": "2010-01-01", "planted_area_ha": 1.0}
    )
    register["management_factor"] = [0.35, np.nan]
    potential, _, _ = stand_potential(
        stand_table(register), ("A", "B"), np.array([Month(2024, 1).ordinal]), ASSUMPTIONS
    )
    assert potential[0, 0] == pytest.approx(potential[1, 0] / 2)


def test_without_a_planting_date_the_typical_age_for_ever() -> None:
    register = pd.DataFrame({"plantation_id": ["A"], "planted_date": [None], "planted_area_ha": [5.0]})
    months = np.arange(Month(1990, 1).ordinal, Month(2040, 1).ordinal)
    potential, area, age = stand_potential(stand_table(register), ("A",), months, ASSUMPTIONS)
    assert set(age[0]) == {ASSUMPTIONS.number("age_curve.typical_age")}
    assert set(area[0]) == {5.0}
    assert len(set(potential[0])) == 1


def test_delays_tell_how_old_the_newest_value_is() -> None:
    cube = build_cube(SMALL.panel, SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    # harvest of December is known on 10 January, climate of December on 25 January
    assert cube.delays["yield"] == 1
    assert cube.delays["deficit_irho_mm"] == 1
    late = build_cube(SMALL.panel, SMALL.stand, dt.date(2026, 1, 15), 12, ASSUMPTIONS)
    assert (late.months, late.delays["yield"], late.delays["deficit_irho_mm"]) == (31, 1, 2)
    stale = SMALL.panel.assign(yield_t_ha=SMALL.panel["yield_t_ha"].where(SMALL.panel["month"] < "2024-03"))
    assert build_cube(stale, SMALL.stand, AS_OF, 12, ASSUMPTIONS).delays["yield"] == MAX_DELAY


def test_what_became_known_later_is_not_seen() -> None:
    cube = build_cube(SMALL.panel, SMALL.stand, dt.date(2025, 6, 30), 12, ASSUMPTIONS)
    assert cube.months == 24
    assert np.isnan(cube.yields[:, -1]).all()
    assert np.isfinite(cube.yields[:, -2]).all()
    assert np.isnan(cube.features["ndmi"][:, -1]).all()


def test_impossible_yields_are_not_used() -> None:
    panel = SMALL.panel.copy()
    panel.loc[3, "yield_t_ha"] = 900.0
    panel.loc[4, "yield_t_ha"] = -1.0
    cube = build_cube(panel, SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    assert np.isnan(cube.yields[0, 3:5]).all()
    assert np.isfinite(cube.yields[0, 5])


def test_columns_are_months_from_the_first_row_on() -> None:
    cube = build_cube(SMALL.panel, SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    assert str(Month.from_ordinal(cube.first)) == SMALL.months[0]
    assert cube.calendar[0] == int(SMALL.months[0][5:]) - 1
    row = SMALL.panel.iloc[30 + 7]
    assert cube.yields[1, 7] == row["yield_t_ha"]
    assert cube.ids == ("P000", "P001", "P002")
    assert cube.season_rows == ("MY_sabah", "MY_peninsular", "ID_south")


def test_an_empty_panel_is_one_unknown_month() -> None:
    panel = build_panel(pd.DataFrame(), SMALL.harvest.iloc[:0], SMALL.stand, [])
    cube = build_cube(panel, SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    assert cube.yields.shape == (3, 1)
    assert cube.potential.shape == (3, 13)
