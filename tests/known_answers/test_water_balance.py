"""Published and hand-computed cases of the IRHO water balance (Surre 1968)."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point

from plantation_rwa.assumptions import packaged
from plantation_rwa.features.climate import monthly_climate
from plantation_rwa.features.water_balance import IrhoParameters, irho

SURRE = IrhoParameters(etp_dry_mm=150.0, etp_wet_mm=120.0, dry_max_rain_days=10, spin_up_months=12)
MERLIMAU = Path(__file__).parents[2] / "data/sample/real/climate/merlimau-wthr_1987_2008_daily.csv"


def test_a_dry_year_by_hand() -> None:
    rain = [180, 90, 60, 30, 20, 10, 0, 40, 110, 210, 320, 260]
    days = [14, 9, 7, 4, 3, 2, 0, 5, 11, 15, 20, 17]
    got = irho([rain], [days], 200.0, SURRE)
    assert got.etp[0].tolist() == [120, 150, 150, 150, 150, 150, 150, 150, 120, 120, 120, 120]
    assert got.reserve[0].tolist() == [200, 140, 50, 0, 0, 0, 0, 0, 0, 90, 200, 200]
    assert got.deficit[0].tolist() == [0, 0, 0, 70, 130, 140, 150, 110, 10, 0, 0, 0]
    assert got.drainage[0].tolist() == [60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 90, 140]
    assert (got.deficit.sum(), got.drainage.sum()) == (610.0, 290.0)


def test_four_rainless_months_from_a_full_reserve_lack_400_mm() -> None:
    assert irho([[0.0] * 4], [[0.0] * 4], 200.0, SURRE).deficit.sum() == 400.0


def _merlimau() -> pd.DataFrame:
    raw = pd.read_csv(MERLIMAU, comment="#")
    return pd.DataFrame(
        {"plantation_id": "M", "date": pd.to_datetime(raw[["year", "month", "day"]]), "precipitation": raw["rain"]}
    )


def _irho_of_the_record() -> tuple[pd.Series, pd.Series, pd.Series]:
    daily = _merlimau()
    month = daily["date"].dt.to_period("M")
    rain = daily["precipitation"].groupby(month).sum()
    days = (daily["precipitation"] >= 1.0).groupby(month).sum()
    got = irho([rain.to_numpy()], [days.to_numpy()], 200.0, SURRE)
    return rain, pd.Series(got.deficit[0], rain.index), pd.Series(np.append(got.drainage[0], got.reserve[0, -1]))


def test_merlimau_station_1987_to_2008() -> None:
    """Real daily rain of Merlimau, Melaka (8036 days); annual deficits of domain known answer 3."""
    expected = [0, 0, 42.6, 168.7, 98.3, 0, 0, 45.1, 2.1, 36.5, 269.5, 43.7, 0, 12.2, 0, 33.1, 0, 276.7, 258.6, 0, 0, 0]
    rain, deficit, rest = _irho_of_the_record()
    assert deficit.groupby(deficit.index.year).sum().to_numpy() == pytest.approx(expected, abs=0.05)
    assert rain.sum() == pytest.approx(43211.0)
    assert deficit.sum() == pytest.approx(1287.1)
    assert rest.iloc[:-1].sum() == pytest.approx(8288.1)
    assert rest.iloc[-1] == 200.0


def test_merlimau_through_the_monthly_features() -> None:
    """The same record as daily input: identical after the withheld first year."""
    register = gpd.GeoDataFrame({"plantation_id": ["M"]}, geometry=[Point(102.452, 2.253)], crs="EPSG:4326")
    got = monthly_climate(_merlimau(), register, packaged()).set_index("month")
    rain, deficit, _ = _irho_of_the_record()
    assert got["p_sum_mm"].to_numpy() == pytest.approx(rain.to_numpy())
    assert got["deficit_irho_mm"].to_numpy()[12:] == pytest.approx(deficit.to_numpy()[12:])
    assert got["deficit_irho_mm"].iloc[:12].isna().all()
    assert got["deficit_irho_mm"].sum() == pytest.approx(1287.1)
