"""What ``check`` says of scenes and their headers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import shapely
from affine import Affine

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GridSpec, zone_of
from plantation_rwa.run.survey import headers, imagery
from plantation_rwa.sources.base import Asset, Scene
from plantation_rwa.sources.scenes import RasterHeader, RasterReader

HEADER = RasterHeader(
    driver="GTiff",
    grid=GridSpec("EPSG:32749", Affine(10, 0, 444_000, 0, -10, 9_945_000), 100, 100),
    dtype="uint16",
    nodata=0.0,
    overviews=(2, 4),
    block=(512, 512),
)


class Headers:
    """A reader with one answer for each band; a text is what a file that cannot be read says."""

    def __init__(self, **bands: RasterHeader | str) -> None:
        self._bands = bands

    def header(self, asset: Asset) -> RasterHeader:
        found = self._bands.get(asset.href.split("/")[-1].removesuffix(".tif"), HEADER)
        if isinstance(found, str):
            raise ReadError(f"{asset.href.split('/')[-1]}: {found}")
        return found


def scene(day: str, **changes: Any) -> Scene:
    acquired = pd.Timestamp(day, tz="UTC")
    base = Scene(
        id=f"S2_{day}",
        collection="sentinel-2-l2a",
        platform="sentinel-2a",
        datatake=f"S2A_{day}",
        tile="49MSM",
        baseline=5.11,
        acquired=acquired,
        created=None,
        known_at=acquired + pd.Timedelta(days=3),
        cloud_cover=10.0,
        footprint=shapely.box(110, -1, 111, 0),
        assets={b: Asset(f"https://x.org/{b}.tif") for b in ("B04", "B8A", "SCL")},
        offset=-1000.0,
        offset_reason="baseline 05.11 is 04.00 or later",
    )
    return replace(base, **changes)


def months(*scenes: Scene) -> dict[str, list[Scene]]:
    found: dict[str, list[Scene]] = {}
    for s in scenes:
        found.setdefault(s.acquired.strftime("%Y-%m"), []).append(s)
    return found


SCL = replace(HEADER, dtype="uint8", grid=replace(HEADER.grid, transform=Affine(20, 0, 444_000, 0, -20, 9_945_000)))


def told(findings: list[imagery.Finding]) -> list[str]:
    return [f"{f.severity}: {f.problem()}" for f in findings]


def test_a_line_for_each_collection_and_tile() -> None:
    first = scene("2026-01-05", baseline=3.01, offset=0.0, offset_reason="baseline 03.01 is before 04.00")
    flagged = "provider states that the offset is already removed from the pixels"
    stated = scene("2026-03-05", offset=0.0, offset_reason=flagged)
    other = scene("2026-03-06", tile="49MSN", baseline=None)
    scenes = {"A": months(first, scene("2026-01-15"), stated, other), "B": months(stated)}
    lines, faults = imagery.imagery_lines(scenes, Headers(SCL=SCL))
    assert faults == []
    assert [line.tile for line in lines] == ["49MSM", "49MSN"]
    assert lines[0].offsets == "03.01: 0 (1), 05.11: -1000 (1), 05.11: 0 as stated (1)"
    assert lines[1].offsets == "unknown: -1000 (1)"
    assert (lines[0].scenes, lines[0].plantations, lines[0].each, lines[0].monthly) == ("3", "2", "1 to 3", "0 to 2")
    assert (lines[0].first, lines[0].last) == ("2026-01-05", "2026-03-05")
    assert lines[0].headers == (
        "EPSG:32749; B04 GTiff 10 m uint16 nodata 0 overviews 2/4 blocks 512x512; "
        "B8A GTiff 10 m uint16 nodata 0 overviews 2/4 blocks 512x512; "
        "SCL GTiff 20 m uint8 nodata 0 overviews 2/4 blocks 512x512"
    )


def test_headers_that_contradict_their_item() -> None:
    strange = replace(
        HEADER, grid=replace(HEADER.grid, crs="EPSG:32649"), dtype="float32", nodata=-9999.0, overviews=()
    )
    readers = Headers(B04=strange, B8A="cannot be read: HTTP response code: 404", SCL=SCL)
    lines, faults = imagery.imagery_lines({"A": months(scene("2026-01-05"))}, readers)
    assert lines[0].headers.startswith("EPSG:32749; B04 GTiff 10 m float32 nodata -9999 no overviews")
    assert "B8A unreachable" in lines[0].headers
    assert told(faults) == [
        "error: imagery.source: S2_2026-01-05 B04: the file's CRS is not that of its tile 49MSM, EPSG:32749 "
        "(got EPSG:32649). Check that href and item belong together.",
        "warning: imagery.source: S2_2026-01-05 B04: the file's pixels are no uint16 (got float32). "
        "Give the provider's digital numbers, not reflectances or a picture.",
        "warning: imagery.source: S2_2026-01-05 B04: the file's nodata is not the 0 that the item states (got -9999). "
        "Mend the item; both count as no data.",
        "warning: imagery.source: S2_2026-01-05 B8A: an asset cannot be opened (got cannot be read: HTTP response "
        "code: 404). Check the file or the network; a run goes on without the scene.",
    ]


@pytest.mark.parametrize(
    ("tile", "crs"), [("49MSM", "EPSG:32749"), ("01NAA", "EPSG:32601"), ("EPSG:32749", ""), ("", "")]
)
def test_the_crs_of_a_tile(tile: str, crs: str) -> None:
    assert zone_of(tile) == crs


def test_plantations_that_no_scene_shows_or_only_in_part() -> None:
    outlines = [shapely.box(110.1, -0.2, 110.2, -0.1), shapely.box(110.95, -0.2, 111.05, -0.1), shapely.box(0, 0, 1, 1)]
    register = pd.DataFrame({"plantation_id": ["A", "B", "C"], "geometry": pd.Series(outlines, dtype="object")})
    seen = months(scene("2026-01-05"))
    assert told(imagery.coverage({"A": seen, "B": seen}, register)) == [
        "warning: imagery.source: geometry: 1 plantation without scenes (got C). "
        "Add scenes of their tiles; without them the forecast has no imagery features.",
        "warning: imagery.source: geometry: 1 plantation of which a part lies outside all scenes (got B 50%). "
        "Add scenes of the neighbouring tile.",
    ]
    both = {**months(scene("2026-01-05")), "2026-02": [scene("2026-02-05", footprint=shapely.box(111, -1, 112, 0))]}
    assert imagery.coverage({"A": seen, "B": both}, register.iloc[:2]) == []


def test_items_whose_stated_offset_is_not_their_baselines() -> None:
    reason = "baseline 05.11 is 04.00 or later; raster:bands states 0 DN, the baseline decides"
    unknown = scene("2026-02-05", baseline=None, offset_reason="baseline unknown; raster:bands states the offset")
    scenes = {"A": months(scene("2026-01-05", offset_reason=reason), unknown)}
    assert told(imagery.contradictions(scenes)) == [
        "warning: imagery.source: raster:bands: the offset that 1 item state is not that of their processing baseline "
        f"(got S2_2026-01-05: {reason}). Mend the items; the baseline is used."
    ]


def test_local_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "B04.tif").write_bytes(b"")
    local = {b: Asset(str(tmp_path / f"{b}.tif")) for b in ("B04", "SCL")}
    scenes = {"A": months(scene("2026-01-05", assets=local), scene("2026-01-06"))}
    assert told(imagery.missing_assets(scenes)) == [
        "warning: imagery.source: assets: 1 asset whose file is not there (got S2_2026-01-05 SCL: SCL.tif). "
        "Fetch the files again, or mend the hrefs."
    ]


def test_the_header_is_that_of_the_file(tmp_path: Path) -> None:
    import numpy as np
    import rasterio

    path = tmp_path / "B04.tif"
    options = {"tiled": True, "blockxsize": 128, "blockysize": 256, "nodata": 0, "crs": "EPSG:32749"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 9_800_000)
    with rasterio.open(path, "w", "GTiff", 512, 512, 1, dtype="uint16", transform=transform, **options) as file:
        file.write(np.ones((1, 512, 512), dtype="uint16"))
        file.build_overviews([2, 4])
    header = RasterReader().header(Asset(str(path)))
    assert (header.driver, header.dtype, header.nodata) == ("GTiff", "uint16", 0.0)
    assert (header.overviews, header.block) == ((2, 4), (256, 128))
    assert header.grid == GridSpec("EPSG:32749", transform, 512, 512)
    with pytest.raises(ReadError, match=r"^none\.tif: cannot be read"):
        RasterReader().header(Asset(str(tmp_path / "none.tif")))


def _odd(text: str) -> RasterHeader:
    """What the file of one scene of many says."""
    kinds = {
        "crs": replace(HEADER, grid=replace(HEADER.grid, crs="EPSG:32648")),
        "place": replace(HEADER, grid=replace(HEADER.grid, transform=Affine(10, 0, 744_000, 0, -10, 9_945_000))),
        "site": replace(HEADER, grid=replace(HEADER.grid, crs='LOCAL_CS["site grid",UNIT["metre",1]]')),
        "shape": replace(HEADER, grid=replace(HEADER.grid, height=50)),
    }
    return kinds[text]


@pytest.mark.parametrize(
    ("kind", "severity", "what"),
    [
        ("crs", "error", "the file's CRS is not that of its tile 49MSM, EPSG:32749"),
        ("place", "error", "the file lies beside the footprint of its item"),
        ("site", "error", "the file's CRS is not that of its tile 49MSM, EPSG:32749"),
        ("shape", "warning", "the file's grid is not what its item states as proj:shape"),
    ],
    ids=["crs", "place", "site", "shape"],
)
def test_every_local_header_is_opened_whichever_scene_it_is_of(kind: str, severity: str, what: str) -> None:
    """One file of the third of forty scenes is not its item's."""
    made = []
    for n in range(40):
        assets = {b: Asset(f"/s{n}/{b}.tif", shape=(100, 100)) for b in ("B02", "B04", "SCL")}
        assets["SCL"] = Asset(f"/s{n}/SCL.tif")
        made.append(scene(f"2026-01-{n % 28 + 1:02}", id=f"s{n}", assets=assets))
    made[2] = replace(made[2], assets={**made[2].assets, "B02": Asset("/s2/odd.tif", shape=(100, 100))})
    lines, found = imagery.imagery_lines({"A": months(*made)}, Headers(SCL=SCL, odd=_odd(kind)))
    assert [(f.severity, f.key, f.what) for f in found] == [(severity, "s2 B02", what)]
    assert lines[0].opened == "40 of 40 scenes, 120 files"


def test_a_bounded_number_of_remote_headers_is_asked_for_and_counted() -> None:
    """The rest is held against its own words: an item that names another CRS than its tile's."""
    made = [scene("2026-01-05", id=f"s{n:03}", acquired=pd.Timestamp("2020-01-01", tz="UTC") + pd.Timedelta(days=n))
            for n in range(500)]  # fmt: skip
    wrong = {b: replace(a, crs="EPSG:32649") for b, a in made[3].assets.items()}
    made[3] = replace(made[3], assets=wrong)
    asked: list[str] = []

    class Counting(Headers):
        def header(self, asset: Asset) -> RasterHeader:
            asked.append(asset.href)
            return super().header(asset)

    lines, found = imagery.imagery_lines({"A": months(*made)}, Counting(SCL=SCL))
    assert len(asked) == headers.REMOTE_SCENES + 3
    assert lines[0].opened == "65 of 500 scenes, 67 files"
    assert [(f.severity, f.key, f.value) for f in found] == [("error", "s003 B04 and 2 more files", "EPSG:32649")]
    assert "its files were not opened" in found[0].what


def test_what_many_files_say_alike_is_one_finding() -> None:
    made = [scene(f"2026-01-{n:02}", assets={"B04": Asset(f"/{n}/B04.tif")}) for n in range(1, 9)]
    _, found = imagery.imagery_lines({"A": months(*made)}, Headers(B04=replace(HEADER, dtype="float32")))
    assert [(f.key, f.value) for f in found] == [("S2_2026-01-01 B04 and 7 more files", "float32")]
