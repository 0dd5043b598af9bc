"""What the features recover of the truth in ten unseen worlds with every trap laid (domain/yield.md 7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.simulate import atlas
from plantation_rwa.simulate.portfolio import Inputs, Simulated, simulate
from plantation_rwa.simulate.scene_traps import TRAPS
from plantation_rwa.simulate.weather import GridError
from tests.conftest import run_world

#: nothing was tuned on them; the first stands for all in the quick suite
SEEDS = (6011, 6113, 6229, 6337, 6449, 6553, 6661, 6763, 6869, 6971)
SWITCH = "2026-01"
RMSE = {"ndvi": 0.02, "ndmi": 0.025}
BIAS = STEP = 0.01
DEFICIT_R, DEFICIT_MAE = 0.95, 8.0
#: share of the ground that a valid month shows (domain/yield.md, K6)
VALID = 0.3


@dataclass(frozen=True)
class World:
    """A simulated world, its published features, and the quarantine of the run."""

    seed: int
    made: Simulated
    features: pd.DataFrame
    quarantine: pd.DataFrame
    scenes: pd.DataFrame


def _parts(out: Path, name: str) -> pd.DataFrame:
    parts = sorted((out / name).rglob("*.parquet"))
    frames = [read_part(p).assign(month=p.parts[-3].removeprefix("month=")) for p in parts]
    return pd.DataFrame(pd.concat(frames, ignore_index=True))


@pytest.fixture(scope="module", params=[SEEDS[0], *(pytest.param(seed, marks=pytest.mark.long) for seed in SEEDS[1:])])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two estates with scenes, the first on the equator and the edge of two zones; the climate is a grid."""
    folder = tmp_path_factory.mktemp(f"recovery{request.param}")
    made = simulate(
        folder / "world",
        seed=request.param,
        months=10,
        passes_per_month=3,
        climate_years=4,
        settlement_days=5,
        sensor_months=1,
        climate_style="mixed",
        grid_error=GridError(),
        provider_styles=("planetary-computer", "earth-search"),
        baseline_switch=SWITCH,
        traps=tuple(TRAPS),
        inputs=Inputs(estates=atlas.invent(request.param, 2, 2, 2026, (200.0, 3000.0))),
    )
    out = folder / "out"
    run_world(made.config, out, stages=("features",))
    quarantine = pd.concat([read_part(p) for p in sorted((out / "quarantine").rglob("*.parquet"))], ignore_index=True)
    return World(request.param, made, _parts(out, "features"), quarantine, _parts(out, "features_scenes"))


def figures(error: pd.DataFrame) -> dict[str, float]:
    """RMSE, bias, and the mean error from the switch on minus that before it."""
    late = error["month"] >= SWITCH
    return {
        "rmse": float(np.sqrt((error["error"] ** 2).mean())),
        "bias": float(error["error"].mean()),
        "step": float(error.loc[late, "error"].mean() - error.loc[~late, "error"].mean()),
    }


@pytest.mark.parametrize("index", ["ndvi", "ndmi"])
def test_an_index_follows_the_truth_through_every_trap(
    world: World, index: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Means against means: the median of noisy pixels from blocks of several ages is not that of the blocks."""
    name = f"{index}_mean"
    truth = world.made.monthly[["plantation_id", "month", f"true_{name}"]]
    both = world.features.merge(truth, on=["plantation_id", "month"], validate="1:1")
    both["error"] = both[name] - both[f"true_{name}"]
    valid = both[both["valid_fraction"] >= VALID].dropna(subset="error")
    assert valid["plantation_id"].nunique() == 2
    missed = []
    for plantation, own in valid.groupby("plantation_id"):
        found = figures(own)
        with capsys.disabled():
            told = " ".join(f"{k} {v:.4f}" for k, v in found.items())
            print(f"\n  seed {world.seed} {plantation} {index}: {len(own)} months, {told}")
        limits = {"rmse": RMSE[index], "bias": BIAS, "step": STEP}
        missed += [(plantation, k) for k, limit in limits.items() if not abs(found[k]) <= limit]
    assert missed == []


def test_deficits_follow_the_truth_from_a_grid(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A wet world without any deficit has no correlation; then nothing but zeros may be published."""
    both = world.features.merge(world.made.monthly, on=["plantation_id", "month"], suffixes=("", "_true"))
    both = both[both["plantation_id"] == "SIM-001"].dropna(subset=["deficit_irho_mm", "deficit_mm"])
    difference = (both["deficit_irho_mm"] - both["deficit_mm"]).abs()
    dry = int((both["deficit_mm"] > 0).sum())
    r = float(np.corrcoef(both["deficit_irho_mm"], both["deficit_mm"])[0, 1]) if dry else float("nan")
    with capsys.disabled():
        told = f"r {r:.4f}, mae {difference.mean():.3f} mm, {dry} dry of {len(both)} months"
        print(f"\n  seed {world.seed} deficit by grid: {told}")
    assert len(both) >= 24
    assert difference.mean() <= DEFICIT_MAE
    if dry:
        assert r >= DEFICIT_R
    else:
        assert not both["deficit_irho_mm"].any()


def test_every_trap_was_laid(world: World) -> None:
    log = pd.read_csv(world.made.directory / "truth/traps.csv")
    assert set(log["trap"]) == set(TRAPS)


def test_contradictions_are_inferred_and_nothing_else(world: World) -> None:
    log = pd.read_csv(world.made.directory / "truth/traps.csv")
    contrary = set(log.loc[log["trap"] == "contrary pixels", "item_id"])
    seen = world.scenes[world.scenes["judged_pixels"] >= 12]
    inferred = set(seen.loc[seen["offset_inferred"], "scene_id"])
    assert inferred <= contrary
    assert inferred == contrary & set(seen["scene_id"])


def test_a_datatake_counts_once_however_many_items_list_it(world: World) -> None:
    listing = world.made.scenes
    passes = listing.groupby(["plantation_id", "month"])["acquired"].nunique()
    counts = world.features.set_index(["plantation_id", "month"])["scenes"].dropna()
    both = pd.concat([counts, passes.rename("passes")], axis=1).dropna()
    assert len(both) == 20
    assert (both["scenes"] <= both["passes"]).all()
