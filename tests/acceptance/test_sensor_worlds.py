"""Worlds of ``simulate --traps``, run as a user runs them: published flags and features against the truth beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.config import load_config
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run import load_inputs

#: The limits of the tests were chosen on seeds 1 to 4 and 21 to 25; these were not looked at.
SEEDS = (3001, 3109, 3203, 3319, 3407, 3511, 3607, 3701, 3803, 3907)
RECALL, FALSE = 0.95, 0.005
#: faults that change no value, or that the reader puts right; the others' windows count as neither wrong nor good
HARMLESS = (
    *("naive time", "uploaded twice", "percent", "missing", "mixed date order", "repeated header"),
    *("counter", "fahrenheit", "dropout"),
)
KEYS = ["plantation_id", "sensor_id", "time"]


def world(folder: Path, seed: int) -> Path:
    """A world with every trap and the features of its last month, by the public commands."""
    target = folder / "world"
    options = ["--seed", seed, "--plantations", 8, "--months", 14, "--imagery-plantations", 0, "--traps"]
    assert run_command(["simulate", str(target), *map(str, options)]) == 0
    assert run_command(["run", str(target / "config.yaml"), "--stage", "features"]) == 0
    return target


def believed(folder: Path) -> pd.DataFrame:
    """Readings as they were read, each with the published flags: any, and whether it was left out."""
    readings = load_inputs(load_config(folder / "config.yaml")).sensors.sort_values(KEYS).reset_index(drop=True)
    (part,) = (folder / "out").rglob("sensor_flags/as_of=*/part-*")
    table = read_part(part)
    flagged, out = np.zeros(len(readings), dtype=bool), np.zeros(len(readings), dtype=bool)
    spans = dict(iter(table.groupby(["plantation_id", "sensor_id"])))
    for key, rows in readings.groupby(["plantation_id", "sensor_id"]):
        times = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").to_numpy(dtype=str)
        for span in spans[key].itertuples() if key in spans else ():
            first, last = np.searchsorted(times, span.first_reading), np.searchsorted(times, span.last_reading, "right")
            at = rows.index[first:last]
            flagged[at] = True
            out[at] |= not span.counts
    return readings.assign(flagged=flagged, out=out)


def figures(folder: Path) -> dict[str, float]:
    """Recall per wrong reading and per fault, false flags among good readings, and what became of dates and ids."""
    got = believed(folder)
    truth = pd.read_parquet(folder / "truth/sensor_readings.parquet").rename(columns={"time": "true_time"})
    truth = truth.rename(columns={"written_time": "time"})
    for name in ("time", "true_time"):
        truth[name] = pd.to_datetime(truth[name], utc=True)
    faults = pd.read_csv(folder / "truth/sensor_faults.csv")
    dated, wrong = truth[truth["fault"] == "mixed date order"], truth[truth["fault"] != "mixed date order"]
    own = got[[*KEYS, "value", "out"]]
    wrong = wrong.merge(own, on=KEYS, how="left")
    right = ((wrong["value"] - wrong["true_value"]).abs() < 1e-6) & (wrong["time"] == wrong["true_time"])
    # out of the features: left out, refused, or put right
    wrong["met"] = (wrong["out"].eq(True) | wrong["value"].isna() | right).to_numpy(bool)
    hits, inside = list[bool](), np.zeros(len(got), dtype=bool)
    for fault in faults[~faults["fault"].isin(HARMLESS)].itertuples():
        mine = wrong[(wrong["sensor_id"] == fault.sensor_id) & (wrong["fault"] == fault.fault)]
        mine = mine[mine["true_time"].between(pd.Timestamp(fault.first), pd.Timestamp(fault.last))]
        hits += [bool(mine["met"].mean() >= 0.5)] if len(mine) else []
        span = got["time"].between(pd.Timestamp(fault.first), pd.Timestamp(fault.last))
        inside |= ((got["sensor_id"] == fault.sensor_id) & span).to_numpy()
    bad = pd.MultiIndex.from_frame(got[KEYS]).isin(pd.MultiIndex.from_frame(wrong[KEYS]))
    good = got[~bad & ~inside]
    placed = dated.merge(own, on=KEYS, how="left")
    clog = got[(got["plantation_id"] == "SIM-001") & got["sensor_id"].str.endswith("-rain")]
    return {
        "wrong": len(wrong),
        "recall_readings": float(wrong["met"].mean()),
        "faults": len(hits),
        "recall_faults": float(np.mean(hits)),
        "good": len(good),
        "false_flags": float(good["flagged"].mean()),
        "false_left_out": float(good["out"].mean()),
        "gauge_left_out": float(clog["out"].mean()),
        "dates_read": float(placed["value"].notna().mean()),
        "dates_wrong": int(((placed["value"] - placed["written_value"]).abs() > 1e-6).sum()),
    }


@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=pytest.mark.slow if s == SEEDS[0] else pytest.mark.long) for s in SEEDS]
)
def test_every_trap_of_a_simulated_world_is_met(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = figures(world(tmp_path, seed))
    with capsys.disabled():
        print(f"\n  seed {seed}:", *(f"{k} {v:.5g}" for k, v in told.items()))
    assert told["recall_readings"] >= RECALL
    assert told["recall_faults"] >= RECALL
    assert told["false_flags"] <= FALSE
    assert told["dates_read"] == 1.0
    assert told["dates_wrong"] == 0
