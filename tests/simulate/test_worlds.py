"""Options of the world: couplings, channels, land, the map, missing inputs; and what each leaves alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from plantation_rwa.cli import run_command
from plantation_rwa.grid import reproject
from plantation_rwa.periods import Month
from plantation_rwa.simulate import atlas, geography, histories, pixels, world
from plantation_rwa.testing import tiny_portfolio

TERMS = (
    "attainable_t_ha", "season_factor", "drought_factor", "flood_factor", "nutrition_factor", "management_factor",
    "haze_factor", "flood_later_factor",
)  # fmt: skip
QUICK = {"imagery_plantations": 0, "climate_years": 3, "settlement_days": 5, "sensor_months": 1}
FULL = world.Effects(channels=world.Channels())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return tiny_portfolio(
        tmp_path_factory.mktemp("full"), seed=83, plantations=5, effects=FULL, land=tuple(histories.HISTORIES), **QUICK
    )


def test_every_term_stands_in_the_truth_and_their_product_is_the_yield(full):
    found = pd.read_parquet(full.directory / "truth/blocks.parquet")
    product = found[list(TERMS)].prod(axis=1) * np.exp(found["alpha_plantation"] + found["alpha_block"])
    np.testing.assert_allclose(product, found["mu_t_ha"], rtol=1e-12)
    np.testing.assert_allclose(product * np.maximum(0.05, 1 + found["epsilon"]), found["yield_t_ha"], rtol=1e-12)


def test_haze_known_answer():
    """Two months at 65 % of the light: 0.3 x 0.35 x 2/4 in the bunch, and x 2/5 eight to twelve months later."""
    rain = pd.DataFrame({"p_sum_mm": np.full(30, 200.0), "rain_days": 15, "light": 1.0})
    rain.loc[5:6, "light"] = 0.65
    factor = world._further(FULL, np.ones(30), rain)["haze_factor"]
    assert factor[:5].tolist() == [1.0] * 5
    assert factor[6] == pytest.approx(np.exp(-0.3 * 0.35 * 2 / 4))
    assert factor[15] == pytest.approx(np.exp(-0.3 * 0.35 * 2 / 5))
    assert factor[19:].tolist() == [1.0] * 11


def test_flood_known_answer():
    rain = pd.DataFrame({"p_sum_mm": np.full(12, 200.0), "rain_days": 15, "light": 1.0})
    lost = np.ones(12)
    lost[3] = np.exp(-0.03)
    later = np.log(world._further(FULL, lost, rain)["flood_later_factor"])
    expected = np.zeros(12)
    expected[4], expected[8] = 0.7 * 0.03, -0.02
    assert later == pytest.approx(expected, abs=1e-15)


def test_without_channels_there_is_no_term_of_them(made):
    assert not {"haze_factor", "management_factor"} & set(made.blocks.columns)
    assert "channels" not in json.loads((made.directory / "truth/truth.json").read_text())["effects"]


def test_coupling_zero_cuts_vegetation_from_harvest_and_nothing_else():
    cut = FULL.scaled(0.0, 1.0)
    assert (cut.nutrition_yield, cut.ndmi_deficit) == (0.0, 0.0)
    assert cut.beta == FULL.beta
    dry, calm = (pixels.indices(pixels.canopy(12.0, d, 0.0, cut)) for d in (3.0, 0.0))
    assert dry == calm


def test_drought_zero_costs_no_harvest(tmp_path):
    made = tiny_portfolio(tmp_path, seed=5, plantations=1, effects=FULL.scaled(1.0, 0.0), **QUICK)
    assert (made.blocks["drought_factor"] == 1.0).all()
    assert made.monthly["deficit_mm"].sum() > 0


def test_four_land_histories_and_what_screening_should_say(full):
    found = pd.read_csv(full.directory / "truth/land.csv").set_index("history")
    assert found["screening"].to_dict() == {
        "deforested": "high", "replanted": "low", "forest kept": "more_info_needed", "cleared early": "low",
    }  # fmt: skip
    assert found["forest_2020"].to_dict() == {
        "deforested": True, "replanted": False, "forest kept": True, "cleared early": False,
    }  # fmt: skip
    assert "2021-01" <= found.at["deforested", "cleared"] <= "2022-12"
    assert found.at["cleared early", "cleared"] < "2020"


def test_indices_of_each_cover_are_those_of_its_class(full):
    seen = pd.read_parquet(full.directory / "truth/land_monthly.parquet")
    for cover, ndvi in (("forest", 0.879), ("bare", 0.257)):
        assert seen.loc[seen["cover"] == cover, "true_ndvi"].round(3).unique() == pytest.approx([ndvi], abs=0.002)
    bare = seen[seen["cover"] == "bare"]
    assert (bare.groupby("plantation_id").size() == histories.BARE_MONTHS).all()
    assert (seen["ndvi"].isna() == (seen["n_clear"] == 0)).all()
    assert (seen["nbr"] - seen["true_nbr"]).std() < histories.NOISE


def test_a_clearing_is_an_event_by_nbr_and_keeping_forest_is_none(full):
    """Fall of NBR below the median of 2020 by more than 0.25 (domain/yield.md 6)."""
    seen = pd.read_parquet(full.directory / "truth/land_monthly.parquet")
    names = pd.read_csv(full.directory / "truth/land.csv").set_index("plantation_id")["history"]
    fell = {}
    for plantation, own in seen.groupby("plantation_id"):
        base = own.loc[own["month"].str[:4] == "2020", "nbr"].median()
        fell[names[plantation]] = bool((own.loc[own["month"] > "2020-12", "nbr"] < base - 0.25).any())
    assert fell == {"deforested": True, "replanted": True, "forest kept": False, "cleared early": False}


def test_land_without_palms_has_no_harvest(full):
    harvest = pd.read_csv(full.directory / "harvest/harvest.csv")
    land = pd.read_csv(full.directory / "truth/land.csv")
    assert not set(land["plantation_id"]) & set(harvest["plantation_id"])


@pytest.fixture(scope="module")
def map_of_24():
    return atlas.invent(9, 24, 3, 2026, (200.0, 3000.0))


def test_the_map(map_of_24):
    assert len(map_of_24) == 24
    assert {e.climate for e in map_of_24} == set(geography.REGIONS)
    assert all(180 <= e.area_ha <= 3100 for e in map_of_24[3:])
    assert all(10 <= len(e.blocks) <= 40 for e in map_of_24[3:])
    assert len({b.planted.year for b in map_of_24[5].blocks}) > 2
    assert any(e.is_peat for e in map_of_24)
    assert len({e.soil_class for e in map_of_24}) == 3


def test_the_first_lies_on_the_equator_and_a_zone_edge_the_second_in_two_squares(map_of_24):
    west, south, east, north = map_of_24[0].geometry.bounds
    assert south < 0 < north
    assert west < 102 < east
    square = reproject(map_of_24[1].geometry, "EPSG:4326", "EPSG:32648")
    assert square.intersects(box(0, 0, 300_000, 1e6))
    assert square.intersects(box(300_000, 0, 1e6, 1e6))


def test_an_estate_of_the_map_does_not_depend_on_how_many_there_are(map_of_24):
    few = atlas.invent(9, 6, 3, 2026, (200.0, 3000.0))
    assert [e.register_row() for e in few] == [e.register_row() for e in map_of_24[:6]]


def test_inputs_can_be_withheld(tmp_path):
    made = tiny_portfolio(tmp_path, seed=5, plantations=5, without={"harvest": 2, "sensors": 3, "climate": 1}, **QUICK)
    assert {e.plantation_id for e in made.estates if e.sensors} == {"SIM-001", "SIM-002"}
    harvest = pd.read_csv(tmp_path / "harvest/harvest.csv")
    assert set(harvest["plantation_id"]) == {"SIM-001", "SIM-002", "SIM-003"}
    climate = pd.read_parquet(tmp_path / "climate/daily.parquet")
    assert set(climate["plantation_id"]) == {f"SIM-00{i}" for i in range(1, 5)}


def test_the_command_writes_its_options_into_the_truth(tmp_path, capsys):
    out = tmp_path / "w"
    code = run_command(
        ["simulate", str(out), "--plantations", "2", "--imagery-plantations", "0", "--coupling", "0", "--drought", "0"]
    )
    capsys.readouterr()
    notes = json.loads((out / "truth/truth.json").read_text())
    assert code == 0
    assert notes["options"]["coupling"] == 0
    assert notes["effects"]["nutrition_yield"] == notes["effects"]["beta"] == 0
    assert notes["effects"]["channels"]["haze"] == 0.3


def test_a_share_out_of_range_is_refused(tmp_path, capsys):
    assert run_command(["simulate", str(tmp_path / "w"), "--coupling", "-1"]) == 2
    assert "--coupling" in capsys.readouterr().err


def test_month_of_a_history_turns_over():
    estate = histories.assign(3, [atlas.invent(3, 1, 0, 2026, (200.0, 300.0))[0]], ["deforested"])[0]
    assert estate.cleared is not None
    covers = [histories.cover(estate, estate.cleared + i) for i in (-1, 0, 3, 4)]
    assert covers == ["forest", "bare", "bare", "palm"]
    assert Month.of(estate.planted) == estate.cleared + 4
