"""Months known by themselves, flags, the daily bucket, SPEI: what the monthly table says of them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from shapely.geometry import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.climate import monthly_climate
from plantation_rwa.features.drought import expanding_logistic, logistic_quantile, spei
from plantation_rwa.features.soil_bucket import BucketParameters, crop_coefficient, relative_transpiration, run_bucket

ASSUMED = packaged()
PALMSIM = BucketParameters(half=0.4, width=0.12)


def register(**columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"plantation_id": ["A"], **columns}, geometry=[Point(101.0, 2.0)], crs="EPSG:4326")


def days(first: str, last: str, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    date = pd.date_range(first, last, freq="D").astype("datetime64[us]")
    low = rng.normal(23.5, 0.6, len(date))
    return pd.DataFrame(
        {
            "plantation_id": "A",
            "date": date,
            "precipitation": np.where(rng.random(len(date)) < 0.5, rng.gamma(0.8, 15.0, len(date)), 0.0),
            "t2m_min": low,
            "t2m_max": low + 8.0,
            "ssrd": rng.normal(16.0, 2.0, len(date)),
        }
    )


def months(rain: list[float], first: str = "2020-01", lag: int = 60, **columns: list[float]) -> pd.DataFrame:
    label = pd.period_range(first, periods=len(rain), freq="M")
    known = (label.to_timestamp("D", how="end").normalize() + pd.Timedelta(days=lag)).tz_localize("UTC")
    table = {"plantation_id": "A", "month": label.astype(str), "p_sum_mm": rain, "known_at": known, **columns}
    return pd.DataFrame(table)


def test_rain_by_the_month_gives_a_deficit_on_the_assumed_rain_days_and_says_so() -> None:
    # 16.3 mm per rain day: 163 mm are 10 rain days (ETP 150), 164 mm more than 10 (ETP 120)
    rain = [200.0] * 12 + [163.0, 164.0, 20.0, 0.0]
    got = monthly_climate(pd.DataFrame(columns=["plantation_id", "date"]), register(), ASSUMED, months(rain))
    assert got["p_sum_mm"].tolist() == rain
    assert got["deficit_irho_mm"].iloc[:12].isna().all()
    assert got["drainage_irho_mm"].iloc[12:14].tolist() == [13.0, 44.0]
    assert got["deficit_irho_mm"].iloc[12:].tolist() == [0.0, 0.0, 0.0, 80.0]  # 200 + 20 - 150 = 70; 70 - 150
    assert got[["rain_days", "rain_days_heavy", "dry_spell_max_d", "et0_mm"]].isna().all(axis=None)
    assert set(got["flags"]) == {"climate_monthly"}
    assert got["known_at"].iloc[0] == pd.Timestamp("2020-03-31", tz="UTC")


def test_whole_days_win_over_the_month_and_the_month_fills_a_gap() -> None:
    daily = days("2020-01-01", "2020-04-30")
    daily = daily[daily["date"] != "2020-03-10"]
    own = daily[daily["date"].dt.month == 2]["precipitation"].sum()
    got = monthly_climate(daily, register(), ASSUMED, months([111.0] * 5, tmean_c=[20.0] * 5)).set_index("month")
    assert got.loc["2020-02", "p_sum_mm"] == pytest.approx(own)
    assert got["p_sum_mm"][["2020-03", "2020-05"]].tolist() == [111.0, 111.0]
    assert got["flags"].tolist() == ["", "", "climate_gap;climate_monthly", "", "climate_monthly"]
    assert got.loc["2020-05", "tmean_c"] == 20.0
    assert 26.0 < got.loc["2020-03", "tmean_c"] < 29.0  # the days' own mean stands


def test_a_month_says_since_when_it_is_known_and_whether_it_is_preliminary() -> None:
    daily = days("2020-01-01", "2020-03-31")
    ends = daily["date"].dt.tz_localize("UTC") + pd.offsets.MonthEnd(0)
    lags = daily["date"].dt.month.map({1: 90, 2: 25, 3: 2})
    daily = daily.assign(known_at=ends + pd.to_timedelta(lags, unit="D"), preliminary=daily["date"].dt.month == 3)
    got = monthly_climate(daily, register(), ASSUMED)
    # January is known last: what follows remembers it
    assert got["known_at"].dt.strftime("%m-%d").tolist() == ["04-30", "04-30", "04-30"]
    assert got["flags"].tolist() == ["", "", "climate_preliminary"]


def test_heavy_days_balance_and_means_by_hand() -> None:
    daily = days("2024-02-01", "2024-02-29")
    daily["precipitation"] = [49.99, 50.0, 80.0] + [0.0] * 26
    row = monthly_climate(daily, register(), ASSUMED).iloc[0]
    assert row["rain_days_heavy"] == 2.0
    assert row["cwb_mm"] == pytest.approx(179.99 - row["et0_mm"])
    assert row["tmean_c"] == pytest.approx(((daily["t2m_min"] + daily["t2m_max"]) / 2).mean())
    assert row["ssrd_mean_mj_m2"] == pytest.approx(daily["ssrd"].mean())


def test_a_regions_soil_wins_over_the_class_and_peat_over_both() -> None:
    daily = pd.concat([days("2020-01-01", "2022-12-31").assign(plantation_id=p) for p in "ABC"])
    places = gpd.GeoDataFrame(
        {
            "plantation_id": ["A", "B", "C"],
            "region": ["MY:Sabah", "MY:Sabah", "MY:Johor"],
            "is_peat": [False, True, False],
            "soil_class": ["S1"] * 3,
        },
        geometry=[Point(101.0, 2.0)] * 3,
        crs="EPSG:4326",
    )
    sandy = ASSUMED.override({"water_balance.reserve_max_region_mm": {"MY:Sabah": 150.0}}, where="test")
    got = monthly_climate(daily, places, sandy).groupby("plantation_id")["reserve_irho_mm"].max()
    assert got.to_dict() == {"A": 150.0, "B": 300.0, "C": 200.0}


def test_transpiration_falls_with_the_water_left() -> None:
    assert relative_transpiration(0.4, PALMSIM) == 0.5
    assert relative_transpiration([0.0, 0.16, 1.0], PALMSIM) == pytest.approx([0.03445, 0.11920, 0.99331], abs=5e-6)
    assert crop_coefficient([0.0, 2.0, 3.5, 5.0, 20.0], 0.8, 0.95, (2.0, 5.0)).tolist() == pytest.approx(
        [0.8, 0.8, 0.875, 0.95, 0.95]
    )


def test_the_first_days_of_the_bucket_by_hand() -> None:
    got = run_bucket(np.array([[10.0, 0.0]]), np.array([[4.0, 4.0]]), 200.0, PALMSIM)
    used = 4.0 / (1 + np.exp(-5.0))
    assert (got.drainage[0, 0], got.transpiration[0, 0]) == (10.0, pytest.approx(used))
    assert got.deficit[0, 0] == pytest.approx(4.0 - used)
    theta = (200.0 - used) / 200.0
    assert got.transpiration[0, 1] == pytest.approx(4.0 / (1 + np.exp(-(theta - 0.4) / 0.12)))


RAIN = arrays(np.float64, (2, 60), elements=st.integers(0, 120).map(float))
DEMAND = arrays(np.float64, (2, 60), elements=st.integers(0, 8).map(float))


@settings(max_examples=40, deadline=None)
@given(RAIN, DEMAND, st.sampled_from([100.0, 200.0, 300.0]), st.integers(0, 59))
def test_the_bucket_conserves_water_keeps_its_bounds_and_a_gap_is_spanned(
    rain: np.ndarray, demand: np.ndarray, full: float, gone: int
) -> None:
    got = run_bucket(rain, demand, full, PALMSIM)
    stored = got.water[:, -1] - full
    flows = rain.sum(axis=1) - got.transpiration.sum(axis=1) - got.drainage.sum(axis=1)
    np.testing.assert_allclose(stored, flows, atol=1e-9)
    assert ((got.water >= 0) & (got.water <= full) & (got.deficit >= 0) & (got.spread == 0)).all()
    gap = rain.copy()
    gap[:, gone] = np.nan
    spanned = run_bucket(gap, demand, full, PALMSIM)
    after = np.arange(60) > gone
    slack = spanned.spread[:, after] + 1e-9
    assert (got.deficit[:, after] >= spanned.deficit[:, after] - 1e-9).all()
    assert (got.deficit[:, after] <= spanned.deficit[:, after] + slack).all()


def test_the_bucket_deficit_of_months_waits_for_spin_up_and_for_gaps_to_fade() -> None:
    daily = days("2019-01-01", "2021-12-31")
    whole = monthly_climate(daily, register(), ASSUMED)["deficit_bucket_mm"].to_numpy()
    assert np.isnan(whole[:12]).all()
    assert (whole[12:] >= 0).all()
    gap = daily[daily["date"] != "2020-06-20"].assign(precipitation=lambda f: f["precipitation"] / 4.0)
    got = monthly_climate(gap, register(), ASSUMED)["deficit_bucket_mm"].to_numpy()
    assert np.isnan(got[17])  # the month of the gap
    assert np.isnan(got[18])  # an empty and a full bucket still differ
    young = register(planted_date=[pd.Timestamp("2019-06-01")])
    less = monthly_climate(daily, young, ASSUMED)["deficit_bucket_mm"].to_numpy()
    assert (less[12:] < whole[12:]).all()  # young palms demand less


def _l_moments(sample: np.ndarray) -> tuple[float, float, float]:
    """Sample L-moments from their definition over all pairs and triples."""
    from itertools import combinations

    pairs = [max(p) - min(p) for p in combinations(sample, 2)]
    triples = [sorted(t) for t in combinations(sample, 3)]
    return (
        float(sample.mean()),
        float(np.mean(pairs) / 2),
        float(np.mean([t[2] - 2 * t[1] + t[0] for t in triples]) / 3),
    )


@pytest.mark.parametrize("skew", [1.0, -1.0])
def test_the_log_logistic_fit_has_the_samples_l_moments_and_scipys_probabilities(skew: float) -> None:
    rng = np.random.default_rng(4)
    sample = skew * rng.gamma(2.0, 40.0, 16) - 30.0
    location, scale, k, n = (a[0, -1] for a in expanding_logistic(sample[None, :]))
    l1, l2, l3 = _l_moments(sample)
    assert (n, k) == (16, pytest.approx(-l3 / l2))
    assert scale * k * np.pi / np.sin(k * np.pi) == pytest.approx(l2)
    assert location + scale * (1 / k - np.pi / np.sin(k * np.pi)) == pytest.approx(l1)
    got = logistic_quantile(sample, location, scale, k)
    shape, factor = 1.0 / abs(k), scale / abs(k)
    fisk = stats.fisk(shape, loc=np.sign(skew) * location - factor, scale=factor)
    probability = fisk.cdf(skew * sample) if skew > 0 else fisk.sf(skew * sample)
    np.testing.assert_allclose(stats.norm.cdf(got), probability, atol=1e-9)


def test_spei_follows_xclims_on_the_same_record() -> None:
    import xarray as xr
    from xclim.indices import standardized_precipitation_evapotranspiration_index

    rng = np.random.default_rng(8)
    balance = rng.gamma(3.0, 50.0, (1, 12 * 30)) - 120.0
    got = spei(balance, window=6, min_years=8, limit=3.09)[0]
    time = pd.date_range("1991-01-01", periods=balance.shape[1], freq="MS")
    series = xr.DataArray(balance[0], dims="time", coords={"time": time}, attrs={"units": "mm/month"})
    oracle = standardized_precipitation_evapotranspiration_index(
        series, freq=None, window=6, dist="fisk", method="ML"
    ).to_numpy()
    last = slice(-12, None)  # there both are fitted on all years
    assert np.abs(got[last] - oracle[last]).max() < 0.25  # L-moments against maximum likelihood
    assert np.corrcoef(got[last], oracle[last])[0, 1] > 0.99


def test_spei_is_causal_and_needs_years_and_spread() -> None:
    rng = np.random.default_rng(9)
    balance = rng.normal(20.0, 80.0, (2, 12 * 12))
    balance[1, 30] = np.nan
    whole = spei(balance, window=6, min_years=8, limit=3.09)
    np.testing.assert_array_equal(whole[:, :110], spei(balance[:, :110], window=6, min_years=8, limit=3.09))
    assert np.isnan(whole[1, 30:36]).all()
    assert np.isfinite(whole[0, -12:]).all()
    assert np.isnan(spei(np.full((1, 144), 5.0), window=6, min_years=8, limit=3.09)).all()
    assert np.isnan(spei(np.zeros((1, 3)), window=6, min_years=8, limit=3.09)).all()
