from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.panel.stand import STAND_COLUMNS, mature_area, stand_table


def _register() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plantation_id": ["B", "A", "C"],
            "country": ["ID", "MY", "MY"],
            "state": ["Riau", "Sabah", None],
            "planted_date": ["2010-05-20", "2015-01-01", None],
            "planted_area_ha": [100.0, np.nan, 30.0],
            "area_geodesic_ha": [99.0, 55.0, 31.0],
            "soil_class": ["S1", None, "S3"],
            "is_peat": [True, None, False],
            "region": ["ID:Riau", "MY:Sabah", "MY:"],
        }
    )


def _blocks() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plantation_id": ["B", "B", "X", "B"],
            "block_id": ["b2", "b1", "x1", "b3"],
            "planted_date": ["2020-03-01", None, "2010-01-01", "2010-01-01"],
            "area_ha": [40.0, 50.0, 10.0, np.nan],
            "soil_class": [None, "S2", "S1", "S1"],
        }
    )


def test_one_row_per_block_and_per_plantation_without_blocks() -> None:
    stand = stand_table(_register(), _blocks())
    assert list(stand.columns) == list(STAND_COLUMNS)
    assert list(zip(stand["plantation_id"], stand["block_id"], strict=True)) == [
        ("A", ""),
        ("B", "b1"),
        ("B", "b2"),
        ("C", ""),
    ]
    assert stand["area_ha"].tolist() == [55.0, 50.0, 40.0, 30.0]
    assert stand["soil_class"].tolist() == ["", "S2", "S1", "S3"]
    assert stand["planted_date"].dt.year.fillna(0).tolist() == [2015, 2010, 2020, 0]
    assert stand["is_peat"].tolist() == [False, True, True, False]


def test_order_of_inputs_does_not_matter() -> None:
    forward = stand_table(_register(), _blocks())
    backward = stand_table(_register().iloc[::-1], _blocks().iloc[::-1])
    pd.testing.assert_frame_equal(forward, backward)


def test_a_register_with_the_required_columns_only() -> None:
    stand = stand_table(pd.DataFrame({"plantation_id": ["A"], "planted_date": ["2010-01-01"]}))
    assert np.isnan(stand["area_ha"][0])
    assert stand["region"][0] == ""


def test_mature_from_the_given_age_on() -> None:
    stand = stand_table(_register(), _blocks())
    out = mature_area(stand, ["2023-02", "2023-03"], 36).set_index(["plantation_id", "month"])
    assert out.loc[("B", "2023-02"), "area_mature_ha"] == 50.0
    assert out.loc[("B", "2023-03"), "area_mature_ha"] == 90.0
    years = (50 * 154 + 40 * 36) / 90 / 12
    assert out.loc[("B", "2023-03"), "age_mean_years"] == pytest.approx(years)


def test_without_a_planting_date_mature_and_of_unknown_age() -> None:
    out = mature_area(stand_table(_register()), ["1990-01"], 36).set_index("plantation_id")
    assert out.loc["C", "area_mature_ha"] == 30.0
    assert np.isnan(out.loc["C", "age_mean_years"])
    assert out.loc["A", "area_mature_ha"] == 0.0
    assert out.loc["A", "age_mean_years"] == 0.0


def test_blocks_take_the_plantations_second_vote_and_replanting_where_they_have_none() -> None:
    register = _register().assign(
        planting_year_observed=[2009.0, np.nan, np.nan], replanting_date=["2025-02-01", None, None]
    )
    blocks = _blocks().assign(planting_year_observed=[2019.0, np.nan, np.nan, np.nan])
    stand = stand_table(register, blocks).set_index(["plantation_id", "block_id"])
    assert stand.loc[("B", "b2"), "planting_year_observed"] == 2019.0
    assert stand.loc[("B", "b1"), "planting_year_observed"] == 2009.0
    assert np.isnan(stand.loc[("A", ""), "planting_year_observed"])
    assert stand["replanting_date"].dt.year.fillna(0).tolist() == [0, 2025, 2025, 0]


def test_replanted_area_is_not_mature() -> None:
    register = _register().assign(replanting_date=["2025-02-01", None, None])
    out = mature_area(stand_table(register), ["2025-01", "2025-02", "2028-01", "2028-02"], 36)
    out = out[out["plantation_id"] == "B"]
    assert out["area_mature_ha"].tolist() == [100.0, 0.0, 0.0, 100.0]
    assert out["age_mean_years"].tolist() == pytest.approx([176 / 12, 0.0, 35 / 12, 3.0])
