"""The sample that ships: size, promises of its README, and the configuration that runs it."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import yaml

from plantation_rwa.config import load_config
from plantation_rwa.simulate import sample

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data/sample"


@pytest.fixture(scope="module")
def register():
    return gpd.read_file(SAMPLE / "register.geojson").set_index("plantation_id")


def test_size_limits():
    sizes = {p: p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()}
    assert sum(sizes.values()) < 40e6
    assert max(sizes.values()) < 3e6
    assert len(sizes) < 3500


def test_configuration_runs_on_it():
    config = load_config(ROOT / "configs/sample.yaml")
    assert config.simulated
    assert config.seed == sample.SEED
    assert str(config.as_of) == "2026-05-31"
    assert config.imagery is not None
    assert len(config.imagery.source) == 4


def test_promised_plantations(register):
    assert len(register) == 12
    assert register.index.str.startswith("SIM-").all()
    assert register["country"].value_counts().to_dict() == {"ID": 6, "MY": 6}
    assert register["planted_area_ha"].between(25, 3000).all()
    with_scenes = sorted(p.name for p in (SAMPLE / "scenes").iterdir())
    assert len(with_scenes) == 4
    assert register.loc[with_scenes, "planted_area_ha"].between(25, 60).all()
    assert register["is_peat"].any()
    assert register["oer"].notna().sum() >= 3
    assert len(list((SAMPLE / "sensors").glob("*.parquet"))) == 5


def test_indonesian_outlines_lie_in_the_mapped_district_and_are_no_plain_squares(register):
    mapped = register[register["country"] == "ID"]
    west, south, east, north = mapped.total_bounds
    assert 112.0 < west < east < 112.6
    assert -2.5 < south < north < -2.0
    corners = mapped.geometry.apply(lambda g: sum(len(p.exterior.coords) for p in getattr(g, "geoms", [g])))
    assert (corners > 12).all()


def test_harvests_of_nine_for_eight_years_or_more(register):
    harvest = pd.read_csv(SAMPLE / "harvest/harvest.csv")
    span = harvest.groupby("plantation_id")["month"].agg(["min", "max"])
    assert len(span) == 9
    assert set(register.index) - set(span.index) == {"SIM-ID-05", "SIM-ID-06", "SIM-MY-03"}
    assert (span["max"] == "2026-05").all()
    assert (span["min"] <= "2018-08").all()


def test_blocks_of_two():
    blocks = gpd.read_parquet(SAMPLE / "blocks.parquet")
    assert blocks["plantation_id"].nunique() == 2


def test_futures_stand_about_the_real_price():
    futures = pd.read_csv(SAMPLE / "market/futures.csv")
    assert futures["settle_date"].nunique() == 500
    assert (futures.groupby("settle_date").size() >= 12).all()
    world = pd.read_csv(SAMPLE / "real/prices/world_bank_palm_monthly.csv").set_index("month")
    assert world.at["2026-05", "palm_oil_usd_t"] == pytest.approx(1139.94)  # World Bank, file of 2026-06-02
    prices = pd.read_csv(SAMPLE / "market/prices.csv")
    cpo = prices[prices["series"] == "cpo_my"].set_index("month")["value"]
    front = futures.groupby("settle_date")["settle"].first()
    monthly = front.groupby(front.index.str[:7]).mean()
    assert (monthly / cpo.reindex(monthly.index)).between(0.85, 1.15).all()


def test_real_rates():
    fx = pd.read_csv(SAMPLE / "market/fx.csv")
    last = fx[(fx["date"] == "2026-05-29")].set_index(["base", "quote"])["rate"]
    assert 3.5 < last["USD", "MYR"] < 4.6
    assert 15_000 < last["USD", "IDR"] < 20_000
    assert fx["date"].max() <= "2026-05-31"


def test_scenes_are_36_months_with_at_most_three_passes_and_both_baselines():
    listing = pd.read_csv(SAMPLE / "truth/scenes.csv", dtype={"baseline": str})
    assert listing["month"].min() == "2023-06"
    assert listing["month"].max() == "2026-05"
    passes = listing.assign(day=listing["acquired"].str[:10]).groupby(["plantation_id", "month"])["day"].nunique()
    assert passes.max() <= 3
    assert {"03.01", "05.11"} <= set(listing["baseline"])
    files = len(list((SAMPLE / "scenes").rglob("SCL.tif")))
    assert files == listing["item_id"].nunique()


def test_readme_says_what_is_real_and_from_which_seed():
    text = (SAMPLE / "README.md").read_text("utf-8")
    for words in ("Simulated", str(sample.SEED), "CC BY 4.0", "ECB", "NOAA", "Copernicus", "MIT", "Apache-2.0"):
        assert words in text


def test_truth_says_it_is_simulated():
    assert json.loads((SAMPLE / "truth/truth.json").read_text())["seed"] == sample.SEED


def test_plan_of_the_sample_is_what_was_written(register):
    plan = yaml.safe_load((ROOT / "plantation_rwa/simulate/sample.yaml").read_text("utf-8"))
    assert [row["plantation_id"] for row in plan["estates"]] == list(register.index)
    rights = pd.read_csv(SAMPLE / "rights.csv")
    assert len(rights) == len(plan["rights"])
