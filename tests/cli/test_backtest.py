"""``backtest``: what it writes and says from register, harvest and a climate table alone, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config, edit_csv, edit_register, tiny_portfolio

WRITTEN = ["metrics.parquet", "metrics_pooled.parquet", "model_card.md", "pit.svg", "predictions.parquet"]
WRITTEN += ["reliability.svg", "skill.svg"]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Register, harvest, a climate table and the ocean index; no imagery, no sensors, no futures."""
    folder = tmp_path_factory.mktemp("record") / "world"
    made = tiny_portfolio(folder, seed=7, plantations=4, months=1, imagery_plantations=0, climate_years=6)
    return edit_config(made.config, {"imagery": None, "sensors": None, "market.futures": None})


@pytest.fixture
def world(record: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, three origins."""
    folder = Path(shutil.copytree(record.parent, tmp_path / "world"))
    return edit_config(folder / "config.yaml", {"forecast.backtest_start": "2026-02"})


@pytest.fixture(scope="module")
def done(record: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Configuration and results of a backtest over a December."""
    folder = Path(shutil.copytree(record.parent, tmp_path_factory.mktemp("done") / "world"))
    config = edit_config(folder / "config.yaml", {"forecast.backtest_start": "2025-11"})
    out = folder / "scores"
    assert run_command(["backtest", str(config), "--out", str(out), "--runner", "threads"]) == 0
    return config, out


def backtest(config: Path, out: Path, *options: str) -> int:
    return run_command(["backtest", str(config), "--out", str(out), "--runner", "threads", *options])


def test_harvest_climate_and_register_are_enough(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    assert backtest(world, out) == 0
    said, course = capsys.readouterr()
    assert "simulated portfolio, backtest to 2026-05-31, SIMULATED DATA" in said
    assert "3 plantations scored; 3 origins, 2026-02 to 2026-04" in said
    assert "RMSE, t/ha" in said
    assert "note: without any harvest, forecast but not scored: 1 (SIM-004)" in said
    assert "note: no_imagery: not evaluated, the portfolio has none" in said
    assert "note: baselines have no intervals yet: their spread needs 24 past errors" in said
    for stage in ("newest", "features", "fits", "scores"):
        line = next(text for text in course.splitlines() if text.startswith(stage))
        assert line.endswith(" s")
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


def test_what_is_written(done: tuple[Path, Path]) -> None:
    _, out = done
    assert sorted(p.name for p in out.iterdir() if p.is_file()) == WRITTEN
    card = (out / "model_card.md").read_text("utf-8")
    assert "**SIMULATED DATA.**" in card
    assert "| imagery | none |" in card
    assert "| 1-12 | no climate |" in card
    assert "Not run. `plantation-rwa backtest CONFIG --leak-checks` runs them." in card
    for name in ("skill", "reliability", "pit"):
        assert f"({name}.svg)" in card
        text = (out / f"{name}.svg").read_text("utf-8")
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "SIMULATED DATA" in text
        assert "href" not in text
        assert "nan" not in text
    pooled = pd.read_parquet(out / "metrics_pooled.parquet")
    assert {"1-3", "4-6", "1-12"} <= set(pooled["horizon"])


@pytest.mark.long
@pytest.mark.slow
def test_a_second_backtest_and_one_on_processes_give_the_same_bytes(done: tuple[Path, Path], tmp_path: Path) -> None:
    config, first = done
    before = {name: (first / name).read_bytes() for name in WRITTEN}
    assert run_command(["backtest", str(config), "--out", str(first), "--runner", "processes"]) == 0
    assert {name: (first / name).read_bytes() for name in WRITTEN} == before
    shuffled = edit_csv(config.parent / "harvest/harvest.csv", lambda t: t.sample(frac=1, random_state=3))
    assert shuffled.exists()
    assert backtest(config, tmp_path / "other") == 0
    assert {name: (tmp_path / "other" / name).read_bytes() for name in WRITTEN} == before


@pytest.mark.long
@pytest.mark.slow
def test_leak_checks_pass_on_an_honest_record(done: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    config, out = done
    assert backtest(config, out, "--leak-checks") == 0
    said = capsys.readouterr().out
    assert "leak check harvest_in_features: passed: closest of" in said
    assert "leak check shuffled_harvests: not tested: " in said  # one December, five months of harvest after it
    assert "leak check truncated_future: passed: " in said
    assert "are the same to the last bit without the" in said
    checks = pd.read_parquet(out / "leak_checks.parquet").set_index("check")
    assert checks["outcome"].to_dict() == {
        "harvest_in_features": "passed",
        "shuffled_harvests": "not tested",
        "truncated_future": "passed",
    }
    assert "| truncated_future | passed |" in (out / "model_card.md").read_text("utf-8")
    assert backtest(config, out) == 0
    assert not (out / "leak_checks.parquet").exists()


@pytest.mark.slow
def test_the_harvest_to_come_in_the_climate_table_is_a_leak(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nights as warm as the next month's harvest is large."""
    harvest = pd.read_csv(world.parent / "harvest/harvest.csv")
    monthly = harvest.groupby(["plantation_id", "month"])["ffb_t"].sum()
    level = monthly.groupby("plantation_id").mean()
    path = world.parent / "climate/daily.parquet"
    daily = pd.read_parquet(path)
    days = pd.to_datetime(daily["date"])
    ahead = (days + pd.offsets.MonthBegin(1)).dt.strftime("%Y-%m")
    keys = pd.MultiIndex.from_arrays([daily["plantation_id"], ahead])
    relative = monthly.reindex(keys).to_numpy() / level.reindex(daily["plantation_id"]).to_numpy()
    daily["t2m_min"] = np.where(np.isfinite(relative), 18 + 3 * relative, daily["t2m_min"])
    daily.to_parquet(path)
    assert backtest(world, tmp_path / "o", "--leak-checks") == 1
    said = capsys.readouterr()
    assert "leak check harvest_in_features: fired: tmin_c and the harvest of 1 month later" in said.out
    assert "error: leak: harvest_in_features: tmin_c" in said.err
    assert "The scores above are not to be trusted." in said.err


@pytest.mark.long
@pytest.mark.slow
def test_a_harvest_revised_later_is_no_leak(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """January, tripled in May: the origins of February to April are the same whether or not that is in the file."""

    def revise(table: pd.DataFrame) -> pd.DataFrame:
        later = table[table["month"] == "2026-01"].copy()
        later["ffb_t"] = (later["ffb_t"].astype(float) * 3).map("{:.2f}".format)
        return pd.concat([table, later.assign(known_at="2026-05-20T00:00:00Z")])

    edit_csv(world.parent / "harvest/harvest.csv", revise)
    ended = backtest(world, tmp_path / "o", "--leak-checks")
    assert "leak check truncated_future: passed: " in capsys.readouterr().out
    assert ended == 0


def test_without_harvest_there_is_nothing_to_compare_with(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(edit_config(world, {"harvest": None}), tmp_path / "o") == 2
    assert "harvest.path: holds no usable harvest" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2027-01", "forecast.backtest_start: leaves no month to forecast (got 2027-01)"),
        ("2026-05", "Origins end with 2026-04, the month before the valuation date's"),
        ("2026-04", "harvest.path: holds no harvest after the first origin (got 2026-04)"),
    ],
)
def test_a_start_that_leaves_nothing_to_score_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str, said: str
) -> None:
    assert backtest(edit_config(world, {"forecast.backtest_start": start}), tmp_path / "o") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.long
@pytest.mark.slow
def test_a_start_before_the_record_begins_with_the_first_harvest_known(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_csv(world.parent / "harvest/harvest.csv", lambda t: t[t["month"] >= "2026-01"])
    assert backtest(edit_config(world, {"forecast.backtest_start": "2010-01"}), tmp_path / "o") == 0
    said = capsys.readouterr().out
    assert (
        "note: forecast.backtest_start 2010-01: no harvest was known before 2026-02, which is the first origin" in said
    )
    assert "origins, 2026-02 to 2026-04" in said


def test_a_record_shorter_than_the_default_skips_is_told_so(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_csv(world.parent / "harvest/harvest.csv", lambda t: t[t["month"] >= "2025-01"])
    assert backtest(edit_config(world, {"forecast.backtest_start": None}), tmp_path / "o") == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "error: harvest.path: is too short a record to forecast any of it (got harvests from 2025-01 "
    )
    assert "give more than the 36 months of harvest that the default skips" in told
    assert not (tmp_path / "o").exists()


@pytest.mark.long
@pytest.mark.slow
def test_one_plantation_alone(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_register(
        world.parent / "register.geojson",
        lambda features: [f for f in features if f["properties"]["plantation_id"] == "SIM-001"],
    )
    assert backtest(edit_config(world, {"forecast.backtest_start": "2025-11"}), tmp_path / "o") == 0
    said = capsys.readouterr().out
    assert "1 plantation scored" in said
    assert "note: unseen plantations and no_harvest: not evaluated, it needs more than 3 plantations" in said
    metrics = pd.read_parquet(tmp_path / "o/metrics.parquet")
    assert metrics.loc[metrics["horizon"] == "1", "lo"].isna().all()


def test_a_folder_that_is_a_file_is_refused(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "o").write_text("")
    assert backtest(world, tmp_path / "o") == 2
    assert "--out: is a file" in capsys.readouterr().err


@pytest.mark.slow
def test_values_are_scored_against_what_came(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = edit_config(world, {"forecast.backtest_start": "2025-02", "valuation.paths": 200})
    out = tmp_path / "scores"
    assert backtest(config, out, "--value") == 0
    said = capsys.readouterr().out
    assert "vintages; terms overlap, so that they are worth" in said
    assert "better than the banker's sheet by" in said
    assert "60%" in said
    ghosts, losses = (pd.read_parquet(out / f"{name}.parquet") for name in ("ghosts", "ghost_losses"))
    assert set(ghosts["origin"]) == {"2025-02", "2025-03", "2025-04"}
    assert set(losses["advance_rate"]) == {0.4, 0.5, 0.6, 0.7, 0.8}


@pytest.mark.parametrize("start", ["2026-02", None])
def test_values_without_a_finished_term_are_refused_before_anything_is_written(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str | None
) -> None:
    """A key that the configuration does not have is not blamed."""
    edit_csv(world.parent / "harvest/harvest.csv", lambda t: t[t["month"] >= "2023-03"])
    assert backtest(edit_config(world, {"forecast.backtest_start": start}), tmp_path / "o", "--value") == 2
    told = capsys.readouterr().err
    where = "harvest.path" if start is None else "forecast.backtest_start"
    assert told.startswith(f"error: {where}: leaves no ghost right to score: no term of 12 months is over (got first ")
    assert "Values need a first origin by 2025-04: an earlier start, longer records, or leave --value out." in told
    assert not (tmp_path / "o").exists()


@pytest.mark.long
@pytest.mark.slow
def test_values_that_cannot_be_scored_leave_the_scores_of_the_forecast(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(world, {"forecast.backtest_start": "2025-03", "market": {}})
    assert backtest(config, tmp_path / "o", "--value") == 1
    told = capsys.readouterr()
    assert "error: --value: no ghost right could be scored" in told.err
    assert "results in " in told.out
    assert (tmp_path / "o" / "metrics.parquet").is_file()
