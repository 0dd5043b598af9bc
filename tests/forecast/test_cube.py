from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.agronomy import age_curve
from plantation_rwa.forecast.cube import (
    DEFICIT,
    LOCAL_DEFICIT,
    MAX_DELAY,
    build_cube,
    idle_months,
    palm_age,
    planting_doubt,
    shift,
    stand_potential,
)
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


def _stand(**columns: object) -> pd.DataFrame:
    """Four plantations of 1 ha: planted 2012-07-01 by the register, unless said otherwise."""
    register = pd.DataFrame(
        {"plantation_id": list("ABCD"), "country": "MY", "planted_date": ["2012-07-01"] * 4, "planted_area_ha": 1.0}
    )
    return stand_table(register.assign(**columns))


def test_a_planting_year_seen_from_above_is_a_second_vote() -> None:
    stand = _stand(
        planted_date=["2012-07-01", "2012-07-01", None, None], planting_year_observed=[2016, np.nan, 2014, np.nan]
    )
    age = palm_age(stand, np.array([Month(2025, 7).ordinal]), ASSUMPTIONS)[:, 0]
    # weights 1/.8^2 and 1/2.65^2: the map moves the date by a twelfth of the four years
    share = (1 / 2.65**2) / (1 / 0.8**2 + 1 / 2.65**2)
    assert age == pytest.approx([13.0 - 4.0 * share, 13.0, 11.0, 12.0], abs=0.01)


def test_what_uncertain_ages_leave_of_the_potential() -> None:
    stand = _stand(
        planted_date=["2021-07-01", "2012-07-01", "2021-07-01", None],
        planting_year_observed=[np.nan, np.nan, 2013, np.nan],
    )
    months = np.array([Month(2026, 1).ordinal, Month(2026, 2).ordinal])
    spread, disputed, _ = planting_doubt(stand, tuple("ABCD"), months, ASSUMPTIONS)
    young, step = (dt.date(2026, 1, 1) - dt.date(2021, 7, 1)).days / 365.25, 0.4
    low, high = (age_curve(np.array([young + d]), "S2", ASSUMPTIONS)[0] for d in (-step, step))
    assert spread[0, 0] == pytest.approx((high - low) / ((high + low) / 2), rel=1e-6)
    assert spread[1, 0] < 0.02 < 0.1 < spread[0, 0]
    # the register and the map disagree by eight years: flagged, and the age may be off by half of it
    assert disputed.tolist() == [False, False, True, False]
    assert spread[2, 0] > 2 * spread[0, 0]
    assert spread[3, 0] == 0.0


def test_replanted_palms_bear_nothing_until_they_are_mature_again() -> None:
    stand = _stand(replanting_date=["2025-03-15", None, None, None])
    months = np.array([Month(y, m).ordinal for y, m in ((2025, 2), (2025, 3), (2028, 2), (2028, 3))])
    potential, area, age = stand_potential(stand, tuple("ABCD"), months, ASSUMPTIONS)
    assert area[0].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert potential[0, 1:3].tolist() == [0.0, 0.0]
    assert age[0, 0] == pytest.approx(12.6, abs=0.05)
    assert age[0, 3] == pytest.approx(2.96, abs=0.05)
    again = planting_doubt(stand, tuple("ABCD"), months[1:], ASSUMPTIONS)[2]
    assert again[0].all()
    assert not again[1:].any()


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


def test_the_deficit_is_that_of_the_field_where_gauges_stand() -> None:
    local = np.where(SMALL.panel["month"] >= "2025-03", SMALL.panel["deficit_irho_mm"] + 40.0, np.nan)
    plain = build_cube(SMALL.panel, SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    cube = build_cube(SMALL.panel.assign(deficit_local_mm=local), SMALL.stand, AS_OF, 12, ASSUMPTIONS)
    more = cube.features[DEFICIT] - plain.features[DEFICIT]
    begin = Month(2025, 3).ordinal - cube.first
    assert np.nanmax(np.abs(more[:, :begin])) == 0.0
    assert more[:, begin:-1] == pytest.approx(40.0)
    assert LOCAL_DEFICIT not in cube.features
    assert cube.delays[DEFICIT] == 1


def test_a_year_of_zeros_is_a_stand_that_nobody_harvests() -> None:
    nan = np.nan
    yields = np.array([[1.0, 0.0, 0.0, nan, 0.0, nan, 1.0, 0.0, 0.0], [0.0, nan, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, nan]])
    idle = idle_months(yields, 3)
    assert idle[0].tolist() == [False, True, True, True, True, False, False, False, False]
    assert idle[1].tolist() == [True, True, True, True, False, True, True, True, False]
    assert not idle_months(yields, 4).any()


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
