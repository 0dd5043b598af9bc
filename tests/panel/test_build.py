from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.panel.build import FEATURE_COLUMNS, MIN_BLOCK_SHARE, build_panel
from plantation_rwa.panel.stand import stand_table

MONTHS = ["2024-01", "2024-03"]


def _stand(blocks: bool = True) -> pd.DataFrame:
    register = pd.DataFrame(
        {"plantation_id": ["A", "B"], "planted_date": ["2010-01-01"] * 2, "planted_area_ha": [100.0, 80.0]}
    )
    register["region"] = ["north", "south"]
    table = pd.DataFrame(
        {
            "plantation_id": ["A", "A", "A"],
            "block_id": ["1", "2", "3"],
            "planted_date": ["2010-01-01", "2010-01-01", "2022-06-01"],
            "area_ha": [45.0, 5.0, 50.0],
        }
    )
    return stand_table(register, table if blocks else None)


def _harvest(*rows: tuple[str, str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["plantation_id", "block_id", "month", "ffb_t", "area_mature_ha"])
    frame["known_at"] = pd.to_datetime(frame["month"] + "-01", utc=True) + pd.Timedelta(days=40)
    return frame


def _panel(harvest: pd.DataFrame, features: pd.DataFrame | None = None, *, blocks: bool = True) -> pd.DataFrame:
    given = pd.DataFrame({"plantation_id": [], "month": []}) if features is None else features
    return build_panel(given, harvest, _stand(blocks), MONTHS, mature_age_months=36).set_index(
        ["plantation_id", "month"]
    )


def test_complete_grid_with_nothing_known() -> None:
    panel = build_panel(pd.DataFrame(), _harvest(), _stand(), MONTHS)
    assert len(panel) == 6
    assert panel["month"].unique().tolist() == ["2024-01", "2024-02", "2024-03"]
    assert panel[[*FEATURE_COLUMNS, "ffb_t", "yield_t_ha"]].isna().all(axis=None)
    assert str(panel["harvest_known_at"].dtype) == "datetime64[us, UTC]"
    assert str(panel["features_known_at"].dtype) == "datetime64[us, UTC]"


def test_blocks_are_summed_over_the_area_reported_with_them() -> None:
    panel = _panel(_harvest(("A", "1", "2024-01", 90.0, 40.0), ("A", "2", "2024-01", 10.0, np.nan)))
    row = panel.loc[("A", "2024-01")]
    assert row["ffb_t"] == pytest.approx(100.0)
    assert row["area_mature_ha"] == pytest.approx(45.0)
    assert row["yield_t_ha"] == pytest.approx(100.0 / 45.0)


def test_a_small_missing_block_is_scaled_for_and_a_large_one_drops_the_month() -> None:
    panel = _panel(_harvest(("A", "1", "2024-01", 90.0, np.nan), ("A", "2", "2024-02", 10.0, np.nan)))
    assert 45.0 / 50.0 > MIN_BLOCK_SHARE > 5.0 / 50.0
    assert panel.loc[("A", "2024-01"), "ffb_t"] == pytest.approx(100.0)
    assert panel.loc[("A", "2024-01"), "yield_t_ha"] == pytest.approx(2.0)
    assert np.isnan(panel.loc[("A", "2024-02"), "ffb_t"])
    assert panel.loc[("A", "2024-02"), "area_mature_ha"] == 50.0


def test_a_record_of_the_whole_plantation_goes_first() -> None:
    panel = _panel(_harvest(("A", "1", "2024-01", 90.0, np.nan), ("A", "", "2024-01", 120.0, np.nan)))
    assert panel.loc[("A", "2024-01"), "ffb_t"] == 120.0
    assert panel.loc[("A", "2024-01"), "yield_t_ha"] == pytest.approx(120.0 / 50.0)


def test_block_records_without_a_block_table_are_complete() -> None:
    harvest = _harvest(("A", "1", "2024-01", 90.0, np.nan), ("A", "2", "2024-01", 10.0, np.nan))
    assert _panel(harvest, blocks=False).loc[("A", "2024-01"), "yield_t_ha"] == pytest.approx(1.0)


def test_no_mature_area_no_yield() -> None:
    panel = build_panel(
        pd.DataFrame(), _harvest(("B", "", "2024-01", 5.0, np.nan)), _stand(), MONTHS, mature_age_months=600
    )
    row = panel[(panel["plantation_id"] == "B") & (panel["month"] == "2024-01")].iloc[0]
    assert row["ffb_t"] == 5.0
    assert np.isnan(row["yield_t_ha"])


def test_features_keep_their_known_date_and_rows_outside_are_ignored() -> None:
    features = pd.DataFrame(
        {
            "plantation_id": ["A", "A", "Z", "A"],
            "month": ["2024-02", "2024-02", "2024-02", "2030-01"],
            "ndmi": [0.3, 0.4, 0.9, 0.9],
            "scenes": pd.array([2, None, 1, 1], dtype="Int64"),
            "known_at": pd.to_datetime(["2024-03-01", "2024-03-09", "2024-03-01", "2030-02-01"]).date,
        }
    )
    row = _panel(_harvest(), features).loc[("A", "2024-02")]
    assert row["ndmi"] == 0.4
    assert np.isnan(row["scenes"])
    assert row["features_known_at"] == pd.Timestamp("2024-03-09", tz="UTC")


def test_order_of_inputs_does_not_matter() -> None:
    harvest = _harvest(
        ("A", "1", "2024-01", 90.0, 40.0), ("A", "2", "2024-01", 10.1, 5.0), ("B", "", "2024-02", 70.0, np.nan)
    )
    pd.testing.assert_frame_equal(_panel(harvest), _panel(harvest.iloc[::-1]))
