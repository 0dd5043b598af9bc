"""Rubbish in every input: the rest is valued as if the rubbish had never been there, and all of it is listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import Polygon, mapping

from plantation_rwa.cli import run_command
from plantation_rwa.publish.geoparquet import read_part
from tests.conftest import tree

GOOD = ["forecasts", "forecast_model", "valuations", "cash_flows", "curves", "pools"]


def feature(plantation_id: str, geometry: Polygon, template: dict[str, object], **changes: object) -> dict[str, object]:
    """A register entry like another one."""
    return {
        "type": "Feature",
        "geometry": mapping(geometry),
        "properties": {**template, "plantation_id": plantation_id, **changes},
    }


@pytest.fixture(scope="module")
def worlds(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A spoilt world, and the same world whose files lack the records that must be rejected."""
    base = tmp_path_factory.mktemp("bad")
    bad = Path(shutil.copytree(small_world, base / "bad"))
    clean = Path(shutil.copytree(small_world, base / "clean"))
    spoil_register(bad, clean)
    spoil_tables(bad, clean)
    return bad, clean


def spoil_register(bad: Path, clean: Path) -> None:
    path = bad / "register.geojson"
    register = json.loads(path.read_text())
    template = dict(register["features"][0]["properties"])
    x, y = 103.30, 2.30
    square = Polygon([(x, y), (x + 0.02, y), (x + 0.02, y + 0.02), (x, y + 0.02)])
    bow_tie = Polygon([(x + 0.1, y), (x + 0.12, y + 0.02), (x + 0.12, y), (x + 0.1, y + 0.019)])
    kept = [
        feature("BOWTIE", bow_tie, template, planted_area_ha=None),
        feature("NOSOIL", square, template, soil_class="S9", planted_area_ha=None),
        feature("NOZONE", Polygon([(x + 1, y), (x + 1.02, y), (x + 1.02, y + 0.02)]), template, planted_area_ha=None),
    ]
    rejected = [
        feature("EMPTY", Polygon(), template),
        feature(template["plantation_id"], Polygon(register["features"][0]["geometry"]["coordinates"][0]), template),
    ]
    rejected[1]["geometry"] = register["features"][0]["geometry"]
    for world, extra in ((bad, [*kept, *rejected]), (clean, kept)):
        full = {**register, "features": [*register["features"], *extra]}
        (world / "register.geojson").write_text(json.dumps(full))


def spoil_tables(bad: Path, clean: Path) -> None:
    harvest = next(bad.rglob("harvest.csv"))
    with harvest.open("a") as file:
        columns = harvest.read_text().splitlines()[0].split(",")
        row = dict.fromkeys(columns, "")
        row |= {"plantation_id": "NOBODY", "month": "2026-01", "ffb_t": "10"}
        file.write(",".join(row[c] for c in columns) + "\n")
    futures = next(bad.rglob("futures.csv"))
    lines = futures.read_text().splitlines()
    columns = lines[0].split(",")
    last = dict(zip(columns, lines[-1].split(","), strict=True)) | {"settle": "closed", "contract": "2031-01"}
    futures.write_text("\n".join([*lines, ",".join(last[c] for c in columns)]) + "\n")
    readings = pd.DataFrame(
        {
            "plantation_id": "NOWHERE",
            "station_id": "S",
            "sensor_id": "s1",
            "variable": "rain",
            "depth_m": None,
            "time": ["2026-02-01 07:00:00"],
            "value": [1.0],
            "unit": "mm",
        }
    )
    for world in (bad, clean):
        config = world / "config.yaml"
        text = config.read_text()
        assert "sensors/*.parquet" in text
    readings.to_parquet(bad / "sensors" / "zz-naive.parquet", index=False)
    scene = sorted(p for p in (bad / "scenes").rglob("B04.tif"))[0]
    scene.write_bytes(scene.read_bytes()[: scene.stat().st_size // 3])
    catalog = clean / scene.relative_to(bad).parents[1] / "catalog.json"
    listed = json.loads(catalog.read_text())
    listed["links"] = [link for link in listed["links"] if scene.parent.name not in link["href"]]
    catalog.write_text(json.dumps(listed))


def run(world: Path, out: Path) -> int:
    return run_command(["run", str(world / "config.yaml"), "--as-of", "2026-05-31", "--out", str(out)])


@pytest.fixture(scope="module")
def runs(worlds: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("runs")
    assert [run(world, out / name) for world, name in zip(worlds, ("bad", "clean"), strict=True)] == [0, 0]
    return out / "bad", out / "clean"


def table(out: Path, name: str) -> pd.DataFrame:
    return read_part(next((out / name / "as_of=2026-05-31").glob("*.parquet")))


def test_the_rest_is_valued_exactly_as_without_the_rejected_records(runs: tuple[Path, Path]) -> None:
    bad, clean = runs
    spoilt = {"BOWTIE", "NOSOIL", "NOZONE"}
    flagged = table(bad, "valuations").set_index("plantation_id")["quality_flag"]
    assert spoilt <= set(flagged.index)
    for name in GOOD:
        left, right = table(bad, name), table(clean, name)
        # a record's hash holds flags and the model, which is fitted on all plantations there are
        drop = [c for c in ("quality_flag", "confidence_grade", "record_hash") if c in left]
        pd.testing.assert_frame_equal(
            pd.DataFrame(left.drop(columns=drop)), pd.DataFrame(right.drop(columns=drop)), check_exact=True
        )


@pytest.mark.parametrize(
    ("input", "action", "value", "reason"),
    [
        ("register", "rejected", "", "empty"),
        ("register", "repaired", "", "self-intersect|crosses itself|rebuilt|repaired"),
        ("register", "rejected", "", "duplicate|already|repeats"),
        ("register", "nulled", "S9", "S1"),
        ("harvest", "rejected", "NOBODY", "register"),
        ("futures", "rejected", "closed", "number"),
        ("sensors", "rejected", "", "register|zone"),
        ("imagery", "rejected", "", "left out of the month"),
    ],
)
def test_every_bad_record_is_in_quarantine_with_a_usable_reason(
    runs: tuple[Path, Path], input: str, action: str, value: str, reason: str
) -> None:
    rows = table(runs[0], "quarantine")
    found = rows[
        (rows["input"] == input) & (rows["action"] == action) & rows["reason"].str.contains(reason, regex=True)
    ]
    if value:
        found = found[found["value"] == value]
    assert len(found) >= 1, rows[rows["input"] == input].to_string()


def test_a_corrupt_scene_lowers_the_count_and_the_flag_says_so(runs: tuple[Path, Path], small_run: Path) -> None:
    bad, whole = (
        pd.concat([read_part(p).assign(month=p.parts[-3]) for p in sorted((out / "features").rglob("*.parquet"))])
        for out in (runs[0], small_run)
    )
    hit = bad[bad["quality_flag"].str.contains("scene_unreadable")]
    assert len(hit) == 1
    twin = whole[(whole["plantation_id"] == hit["plantation_id"].iloc[0]) & (whole["month"] == hit["month"].iloc[0])]
    assert int(hit["scenes"].iloc[0]) == int(twin["scenes"].iloc[0]) - 1


def test_strict_turns_quarantine_into_exit_1(worlds: tuple[Path, Path], runs: tuple[Path, Path]) -> None:
    assert (
        run_command(["run", str(worlds[0] / "config.yaml"), "--as-of", "2026-05-31", "--out", str(runs[0]), "--strict"])
        == 1
    )


def test_an_unreadable_file_stops_before_anything_is_written(
    world_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next(world_copy.rglob("futures.csv")).write_bytes(b"\xff\xfe\x00nothing")
    assert run(world_copy, tmp_path / "out") == 2
    assert "futures.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_plantation_without_any_clear_pixel_is_valued_and_flagged(world_copy: Path, tmp_path: Path) -> None:
    """Every scene all cloud: no index, a forecast nevertheless."""
    import rasterio

    for path in (world_copy / "scenes").rglob("SCL.tif"):
        with rasterio.open(path) as source:
            profile, shape = source.profile, source.read(1).shape
        path.unlink()
        with rasterio.open(path, "w", **profile) as sink:
            import numpy as np

            sink.write(np.full(shape, 9, dtype="uint8"), 1)
    assert run(world_copy, tmp_path / "out") == 0
    latest = gpd.read_parquet(tmp_path / "out" / "latest" / "features.parquet")
    seen = latest[latest["scenes"].fillna(0) > 0]
    assert len(seen) > 0
    assert seen["ndvi"].isna().all()
    assert (seen["valid_fraction"] == 0).all()
    assert seen["quality_flag"].str.contains("no_clear").all()
    assert len(table(tmp_path / "out", "valuations")) == 4
    assert tree(tmp_path / "out")
