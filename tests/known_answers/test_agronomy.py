"""Known answers of the agronomic formulas; source: PPKS land-class table, deficit kernel of the method text."""

from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.agronomy import age_curve, annual_deficit, deficit_factor, kernel_of, season_default

ASSUMPTIONS = packaged()
KERNEL = kernel_of(ASSUMPTIONS)


@pytest.mark.parametrize(("soil_class", "total"), [("s1", 553.0), ("s2", 505.3), ("s3", 460.7)])
def test_age_table_sums(soil_class: str, total: float) -> None:
    assert sum(ASSUMPTIONS.table(f"age_curve.{soil_class}")) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize(("soil_class", "age", "expected"), [("S1", 3, 9.0), ("S2", 8, 25.5), ("S3", 25, 14.0)])
def test_table_rows_stand_at_mid_year(soil_class: str, age: int, expected: float) -> None:
    assert age_curve(np.array([age + 0.5]), soil_class, ASSUMPTIONS)[0] == pytest.approx(expected)


def test_beyond_the_table_one_tonne_a_year_down_to_eight() -> None:
    years = np.array([2.0, 25.5, 26.5, 33.5, 34.5, 60.0])
    assert age_curve(years, "S1", ASSUMPTIONS) == pytest.approx([0.0, 17.0, 16.0, 9.0, 8.0, 8.0])


@pytest.mark.parametrize(("lag", "weight"), [(4, 0.0399), (10, 0.1073), (15, 0.0204), (26, 0.0638)])
def test_kernel_values(lag: int, weight: float) -> None:
    assert KERNEL[lag] == pytest.approx(weight, abs=5e-5)
    assert KERNEL.sum() == pytest.approx(1.0, abs=1e-12)


def test_constant_deficit_of_ten_mm() -> None:
    annual = annual_deficit(np.full(60, 10.0), KERNEL)
    assert deficit_factor(annual, 0.10)[-1] == pytest.approx(0.88692, abs=5e-6)
    assert np.isnan(annual[:36]).all()


def test_one_isolated_dry_month() -> None:
    deficit = np.zeros(80)
    deficit[40] = 150.0
    annual = annual_deficit(deficit, KERNEL)
    loss = 1 - deficit_factor(annual, 0.10)
    assert loss[50] == pytest.approx(0.1756, abs=5e-5)
    assert loss[66] == pytest.approx(0.1085, abs=5e-5)
    assert 0.10 * np.nansum(annual) == pytest.approx(1.80, abs=1e-9)


def test_national_season_is_the_table_renormalised() -> None:
    season = season_default("MY_national", ASSUMPTIONS)
    assert season.mean() == pytest.approx(1.0, abs=1e-12)
    assert season == pytest.approx(
        [0.852, 0.801, 0.907, 0.949, 1.012, 1.021, 1.067, 1.137, 1.146, 1.144, 1.034, 0.930], abs=1e-9
    )
