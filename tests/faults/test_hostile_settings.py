"""Hostile configurations and documents that name files: refused in bounded time and memory, in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from plantation_rwa.cli import run_command
from plantation_rwa.config import load_config
from plantation_rwa.config_problems import load_yaml
from plantation_rwa.errors import ConfigError, ReadError
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.sources.base import Asset, Quarantine
from plantation_rwa.sources.scenes import RasterReader
from plantation_rwa.testing import edit_config, edit_csv, edit_register
from tests.conftest import AS_OF
from tests.faults import hostile
from tests.faults.hostile import child

_CONFIG = """
import sys
from plantation_rwa.config import load_config
from plantation_rwa.errors import ConfigError
for path in sys.argv[1:]:
    try:
        load_config(path)
        print("read")
    except ConfigError as error:
        print(str(error).replace("\\n", " | ")[:300], flush=True)
"""


def laughs(levels: int) -> str:
    """Each list holds the one before nine times: 9 to the power of levels."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    """The same by merged mappings."""
    lines = ["m0: &m0 {x: 1}"]
    lines += [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], k{n}: 1}}" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "tag": ('portfolio: !!python/object/apply:os.system ["touch stolen"]\n', "could not determine a constructor"),
    "name": ("market: !!python/name:os.system\n", "could not determine a constructor"),
    "own": ("market: !include /etc/passwd\n", "could not determine a constructor"),
    "laughs": (laughs(12), "aliases stand for more than 200000 values"),
    "merges": (merges(12), "aliases stand for more than 200000 values"),
    "self": ("a: &a [*a]\n", "an alias refers to what it stands in"),
    "own merge": ("a: &a {<<: *a}\n", "an alias refers to what it stands in"),
    "deep": ("a: " + "[" * 50_000 + "]" * 50_000 + "\n", "values are nested too deeply"),
    "digits": ("seed: " + "9" * 100_000 + "\n", "a number of 100000 digits"),
    "hexadecimal": ("seed: 0x" + "f" * 20_000 + "\n", "a number of 20002 digits"),
    "seed": ("seed: 99999999999999999999\n", "seed: should be less than 9223372036854775808"),
    "units": (
        "rights: {units: 9999999999999999999}\n",
        "rights.units: should be less than or equal to 1000000000000000",
    ),
    "long": ("a: " + "x" * 5_000_000 + "\n", "more than 4000000"),
    "zero": ("a: \x00\n", "is not valid YAML"),
    "endless": ("reports: {a: .inf}\nmarket: [", "is not valid YAML"),
}


def test_configurations_made_to_do_harm_are_refused_in_words(tmp_path: Path) -> None:
    for name, (text, _) in HOSTILE.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    done = child(["-c", _CONFIG, *(str(tmp_path / f"{n}.yaml") for n in HOSTILE)])
    assert (done.returncode, done.stderr) == (0, "")
    for (name, (_, told)), line in zip(HOSTILE.items(), done.stdout.splitlines(), strict=True):
        assert told in line, (name, line)
    assert not (tmp_path / "stolen").exists()


def test_honest_aliases_are_read() -> None:
    text = "base: &b {x: 1, y: [1, 2]}\nother: {<<: *b, z: *b}\nagain: [*b, *b, *b]\n"
    value = load_yaml(text, "c.yaml", [])
    assert value["other"] == {"x": 1, "y": [1, 2], "z": {"x": 1, "y": [1, 2]}}
    assert len(value["again"]) == 3


# a run


def run(world: Path, out: Path) -> int:
    return run_command(["run", str(world / "config.yaml"), "--as-of", AS_OF.isoformat(), "--out", str(out)])


def test_a_register_that_is_an_archive_or_xml_stops_before_anything_is_written(
    world_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("register.kml", "register.zip"):
        (world_copy / name).write_text("<kml/>")
        edit_config(world_copy / "config.yaml", {"portfolio.register": name})
        assert run(world_copy, tmp_path / "out") == 2
        assert f"{name}: register cannot be read in this format" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_hostile_rows_are_set_aside_and_the_rest_is_valued(
    world_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Formulas, paths and huge integers in registers, rights and sponsors; no file outside the output folder."""
    formula = '=HYPERLINK("http://evil","x")'

    def spoil(features: list[dict[str, object]]) -> list[dict[str, object]]:
        template = features[0]
        extra = [
            {**template, "properties": {**template["properties"], "plantation_id": p}}  # type: ignore[dict-item]
            for p in (formula, "../../../escaped", "=1+1")
        ]
        nested = {**template, "geometry": json.loads(hostile.nested_json(300))}
        nested["properties"] = {**template["properties"], "plantation_id": "NESTED"}  # type: ignore[dict-item]
        features[1]["properties"]["state"] = formula  # type: ignore[index]
        features[2]["properties"]["planted_area_ha"] = 10**400  # type: ignore[index]
        return [*features, *extra, nested]

    edit_register(world_copy / "register.geojson", spoil)
    names = world_copy / "sponsors.csv"
    edit_csv(names, lambda t: t.assign(name=["@SUM(A1)", *t["name"].iloc[1:]]))
    ids = [
        f["properties"]["plantation_id"] for f in json.loads((world_copy / "register.geojson").read_text())["features"]
    ]
    (world_copy / "more.csv").write_text(
        f"plantation_id,right_id,units,tenor_months\n{ids[0]},{formula.replace(',', ';')},1,12\n"
        f"{ids[1]},BIG,{'9' * 300},12\n{ids[2]},LONG,5,{'9' * 25}\n"
    )
    fast = {"imagery": None, "climate": None, "sensors": None, "harvest": None, "valuation.paths": 100}
    edit_config(world_copy / "config.yaml", {**fast, "portfolio.rights": "more.csv"})
    before = sorted(p for p in tmp_path.rglob("*") if "out" not in p.parts)
    assert run(world_copy, tmp_path / "out") == 0
    capsys.readouterr()
    assert sorted(p for p in tmp_path.rglob("*") if "out" not in p.parts) == before
    values = read_part(next((tmp_path / f"out/valuations/as_of={AS_OF}").glob("*.parquet")))
    assert sorted(set(values["plantation_id"])) == ids[:4]
    page = (tmp_path / f"out/reports/as_of={AS_OF}/index.html").read_text("utf-8")
    assert "=HYPERLINK" not in page.replace("&#x27;=HYPERLINK", "").replace("&#39;=HYPERLINK", "").replace(
        "'=HYPERLINK", ""
    )
    listed = read_part(next((tmp_path / f"out/quarantine/as_of={AS_OF}").glob("*.parquet")))
    assert not listed["value"].dropna().str.match(r"^[=@]").any()
    assert listed["reason"].str.contains("spreadsheet formula").sum() >= 4
    assert listed["reason"].str.contains("path separators").any()
    for table in sorted((tmp_path / "out").rglob("*.parquet")):
        frame = read_part(table)
        for column in frame.columns:
            if str(frame[column].dtype).startswith("str"):
                assert not frame[column].dropna().str.match(r"^[=@]").any(), (table, column)


# scenes


def test_a_band_that_only_points_to_other_files_is_no_raster(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 4, "width": 4, "count": 1, "dtype": "uint16", "crs": "EPSG:32648"}
    with rasterio.open(tmp_path / "real.tif", "w", **profile, transform=Affine(10, 0, 3e5, 0, -10, 2e5)) as file:
        file.write(np.ones((4, 4), dtype="uint16"), 1)
    text = (
        '<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:32648</SRS><GeoTransform>300000,10,0,200000,0,-10'
        '</GeoTransform><VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>{}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    (tmp_path / "points.tif").write_text(text.format(tmp_path / "real.tif"))
    (tmp_path / "asks.tif").write_text(
        "<GDAL_WMS><Service name='WMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>"
    )
    reader = RasterReader()
    assert reader.grid(Asset(str(tmp_path / "real.tif"))).width == 4
    for name in ("points.tif", "asks.tif"):
        with pytest.raises(ReadError, match=name):
            reader.grid(Asset(str(tmp_path / name)))


def test_items_that_reach_for_other_files_are_refused(small_world: Path, tmp_path: Path) -> None:
    from plantation_rwa.config import ImageryConfig
    from plantation_rwa.sources.stac import open_source

    catalog = next(small_world.glob("scenes/*/catalog.json"), None)
    source = catalog or next(small_world.glob("scenes/*/items.json"))
    folder = Path(shutil.copytree(source.parent, tmp_path / "scenes"))
    items = [p for p in folder.rglob("*.json") if json.loads(p.read_text()).get("type") == "Feature"]
    changed = {"zip+https://example.org/a.zip!x.tif": 0, "/vsicurl/http://169.254.169.254/x.tif": 1}
    for href, n in changed.items():
        item = json.loads(items[n].read_text())
        for asset in item["assets"].values():
            asset["href"] = href
        items[n].write_text(json.dumps(item))
    formula = json.loads(items[2].read_text())
    formula["id"] = "=cmd|'/c calc'!A1"
    items[2].write_text(json.dumps(formula))
    settings = load_config(small_world / "config.yaml").imagery
    assert isinstance(settings, ImageryConfig)
    bad = Quarantine()
    held = open_source(settings.model_copy(update={"source": [str(folder / source.name)]}), bad).holdings()
    reasons = [h.refused for h in held.items.values() if h.refused]
    assert sum("virtual file system" in r for r in reasons) == 1
    assert sum("scheme 'zip+https'" in r for r in reasons) == 1
    assert sum("spreadsheet formula" in r for r in reasons) == 1
    assert not bad.frame()[["value", "column"]].stack().str.startswith("=").any()


def test_a_hostile_configuration_is_told_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(laughs(12))
    assert run_command(["check", str(path)]) == 2
    assert "aliases stand for more than 200000 values" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        load_config(path)
