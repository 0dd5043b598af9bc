"""``backtest``: tables, what is said, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config


@pytest.fixture
def record(world_copy: Path) -> Path:
    """Register, harvest and a climate table alone, three origins."""
    changes = {"imagery": None, "sensors": None, "forecast.backtest_start": "2026-02", "market.futures": None}
    return edit_config(world_copy / "config.yaml", changes)


def test_harvest_climate_and_register_are_enough(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    assert run_command(["backtest", str(record), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "simulated portfolio, backtest to 2026-05-31, SIMULATED DATA" in said
    assert "origins: 2026-02 to 2026-04" in said
    assert "RMSE, t/ha" in said
    predictions, metrics = (pd.read_parquet(out / f"{name}.parquet") for name in ("predictions", "metrics"))
    assert list(metrics.columns) == [*(["protocol", "horizon", "region", "metric", "model", "value", "lo", "hi", "n"])]
    assert {"plantation_id", "origin", "target_month", "horizon", "observed", "model", "mean", "q05", "q95"} <= set(
        predictions.columns
    )
    assert set(predictions["model"]) >= {"model", "climatology", "last_year", "prior"}
    assert set(metrics["horizon"]) == {"1", "2"}  # April is the last harvest known at the end of May
    climatology = metrics[(metrics["metric"] == "skill") & (metrics["model"] == "climatology")]
    assert (climatology["value"] == 0).all()
    assert pq.read_schema(out / "metrics.parquet").metadata[b"plantation_rwa.simulated"] == b"true"


def test_a_second_backtest_gives_the_same_bytes(record: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "one", tmp_path / "two"
    for folder in (out, out, other):
        assert run_command(["backtest", str(record), "--out", str(folder)]) == 0
    for name in ("predictions", "metrics"):
        assert (out / f"{name}.parquet").read_bytes() == (other / f"{name}.parquet").read_bytes()


def test_without_harvest_there_is_nothing_to_compare_with(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(record, {"harvest": None})
    assert run_command(["backtest", str(config), "--out", str(tmp_path / "o")]) == 2
    assert "harvest.path: holds no usable harvest" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_start_after_the_record_is_refused(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = edit_config(record, {"forecast.backtest_start": "2027-01"})
    assert run_command(["backtest", str(config), "--out", str(tmp_path / "o")]) == 2
    assert "forecast.backtest_start: leaves no month to forecast (got 2027-01)" in capsys.readouterr().err


def test_values_are_not_scored_yet(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["backtest", str(record), "--value"]) == 2
    assert "not available in this version" in capsys.readouterr().err
