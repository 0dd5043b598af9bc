from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast.agronomy import (
    age_curve,
    annual_deficit,
    deficit_kernel,
    effect_weight,
    estimate_season,
    kernel_of,
    longest_name,
    management_factor,
    peat_factor,
    ridge_slope,
    season_default,
    season_row,
)

ASSUMPTIONS = packaged()
FLAT = np.ones(12)


@settings(deadline=None)
@given(st.floats(0, 80), st.sampled_from(["S1", "S2", "S3", "", "S9"]))
def test_age_curve_lies_between_zero_and_the_best_row(age: float, soil_class: str) -> None:
    value = age_curve(np.array([age]), soil_class, ASSUMPTIONS)[0]
    assert 0.0 <= value <= 31.0
    assert (value > 0) == (age > 2.0)


def test_unknown_class_takes_the_default() -> None:
    ages = np.array([5.0, 10.0, 20.0])
    assert age_curve(ages, "clay", ASSUMPTIONS).tolist() == age_curve(ages, "S2", ASSUMPTIONS).tolist()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("ID", "Riau", "id_swadaya"), 0.58),
        (("ID", "Riau", ""), 0.625),
        (("ID", "Kalimantan Tengah", "id_plasma"), 0.792),
        (("ID", "Papua", ""), 0.75),
        (("MY", "Sabah", "my_netback"), 0.70),
        (("GH", "", ""), 0.70),
    ],
)
def test_management_factor_by_scheme_state_country(place: tuple[str, str, str], expected: float) -> None:
    assert management_factor(*place, ASSUMPTIONS) == expected


def test_peat_costs_more_in_young_palms() -> None:
    assert peat_factor(np.array([4.0, 12.0]), ASSUMPTIONS).tolist() == [0.90, 0.925]


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (("MY", "Sabah", ""), "MY_sabah"),
        (("MY", "JOHOR", "MY:Johor"), "MY_peninsular"),
        (("MY", "", "MY:Sarawak"), "MY_sarawak"),
        (("MY", "", ""), "MY_national"),
        (("ID", "Sumatera_Utara", ""), "ID_sumatra_north"),
        (("ID", "Central Kalimantan", ""), "ID_south"),
        (("CO", "Sabah", ""), "MY_national"),
    ],
)
def test_season_row_of_a_place(place: tuple[str, str, str], row: str) -> None:
    assert season_row(*place, ASSUMPTIONS) == row


def test_names_are_found_as_whole_words_the_longest_first() -> None:
    assert longest_name("South-Sumatra province", {"sumatra": 1, "south sumatra": 2}) == "south sumatra"
    assert longest_name("Perakistan", {"perak": 1}) is None


def test_season_is_recovered_and_shrunk_by_years() -> None:
    truth = 1 + 0.4 * np.cos(2 * np.pi * np.arange(12) / 12)
    ratio = np.tile(truth, 6)[None, :] * 1.7
    out = estimate_season(ratio, 24000, FLAT, 3.0, 9)
    assert out == pytest.approx(6 / 9 * truth + 3 / 9, abs=1e-12)


def test_season_ignores_short_years_and_starts_in_any_month() -> None:
    truth = 1 + 0.4 * np.cos(2 * np.pi * np.arange(12) / 12)
    first = 24000 + 5
    ratio = truth[(first + np.arange(30)) % 12][None, :].copy()
    ratio[0, 6:14] = np.nan
    out = estimate_season(ratio, first, FLAT, 3.0, 9)
    assert out == pytest.approx(1 / 4 * truth + 3 / 4, abs=1e-12)


def test_season_without_a_year_is_the_default_row() -> None:
    row = season_default("MY_sabah", ASSUMPTIONS)
    assert estimate_season(np.full((2, 11), 1.0), 24000, row, 3.0, 9).tolist() == row.tolist()
    assert estimate_season(np.full((2, 36), np.nan), 24000, row, 3.0, 9) == pytest.approx(row)


@given(st.integers(0, 11))
def test_season_does_not_depend_on_where_the_record_starts(start: int) -> None:
    truth = season_default("MY_peninsular", ASSUMPTIONS)
    ratio = truth[(start + np.arange(60)) % 12][None, :]
    assert estimate_season(ratio, start, FLAT, 3.0, 9) == pytest.approx(5 / 8 * truth + 3 / 8)


def test_kernel_of_one_part_is_that_bell() -> None:
    kernel = deficit_kernel([{"centre": 5, "sd": 1.0, "weight": 2.0}], 10)
    assert kernel.argmax() == 5
    assert kernel[4] / kernel[5] == pytest.approx(np.exp(-0.5))


def test_annual_deficit_of_a_short_record_is_unknown() -> None:
    assert np.isnan(annual_deficit(np.ones((2, 10)), kernel_of(ASSUMPTIONS))).all()


def test_ridge_slope_between_prior_and_evidence() -> None:
    x = np.linspace(-1, 1, 50)
    assert ridge_slope(0.3 * x, x, 0.1, 0.05, 1e-9) == pytest.approx(0.3, abs=1e-6)
    assert ridge_slope(0.3 * x, x, 0.1, 0.05, 1e9) == pytest.approx(0.1, abs=1e-6)
    assert ridge_slope(x * 0, x * 0, 0.1, 0.05, 0.2) == pytest.approx(0.1)


def test_weight_of_the_own_level() -> None:
    # one year: 0.04 / (0.04 + 0.16 / 12)
    assert effect_weight(np.array([0.0, 1.0]), 0.20, 0.40) == pytest.approx([0.0, 0.75])
