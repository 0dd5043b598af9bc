"""Pictures of a plantation: which scene, which square, which tones; pencil-checkable."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plantation_rwa.features.chips import GREY, LEAST, SIDE, chip, chosen, ndmi_colours, square
from plantation_rwa.grid import Window, reproject
from tests.features.scene_factory import CRS, ORIGIN, PALM, MemoryReader, grid, outline, palm

COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
FIELD = outline(200, 200, 500, 400)
GREY_RGB = tuple(int(GREY[k : k + 2], 16) for k in (1, 3, 5))


def colours(png: bytes) -> np.ndarray:
    """Red, green and blue of each pixel."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def taken(reader: MemoryReader, bands: dict[str, Any], *, offset: float = 0.0, **scene: Any) -> dict[str, Any]:
    shown = reader.scene("a", bands, spec=grid(80, 80), coarse=COARSE, **scene)
    return chip(FIELD, shown, reader, offset, simulated=True)


def tone(reflectance: float, white: float) -> int:
    return round(255 * (reflectance / white) ** 0.7)


def test_the_square_is_centred_on_the_outline_and_on_the_scenes_pixels() -> None:
    found = square(FIELD, grid(80, 80))
    # 300 m wide with a fifth of room: 36 pixels of 10 m about the middle at 350, 300 m
    assert (found.grid.width, found.grid.height, found.grid.pixel_size) == (36, 36, 10.0)
    assert found.grid.bounds == (ORIGIN[0] + 170, ORIGIN[1] - 480, ORIGIN[0] + 530, ORIGIN[1] - 120)
    # UTM zone 48 at 103.2 degrees east: scale 1.0001
    assert found.side_m == pytest.approx(360, rel=3e-4)
    assert square(outline(200, 200, 210, 210), grid(80, 80)).grid.width == LEAST


@given(st.floats(30, 60_000), st.floats(30, 60_000))
def test_any_outline_lies_inside_a_square_of_few_pixels(width: float, height: float) -> None:
    found = square(outline(0, 0, width, height), grid(6000, 6000))
    assert LEAST <= found.grid.width <= SIDE
    assert found.grid.pixel_size % 10 == 0
    x0, y0, x1, y1 = reproject(outline(0, 0, width, height), "EPSG:4326", CRS).bounds
    left, bottom, right, top = found.grid.bounds
    assert left <= x0 + 1e-3
    assert bottom <= y0 + 1e-3
    assert right >= x1 - 1e-3
    assert top >= y1 - 1e-3


def test_palms_have_the_tones_of_their_reflectance() -> None:
    row = taken(MemoryReader(), palm())
    assert row["colour_bands"] == "B04 B03 B02"
    assert row["reason"] == ""
    wanted = [tone(PALM[b], 0.16) for b in ("B04", "B03", "B02")]
    assert np.unique(colours(row["colour_png"]).reshape(-1, 3), axis=0).tolist() == [wanted]
    # (0.345 - 0.155) / (0.345 + 0.155) = 0.38: of fifteen steps from -0.2 to 0.6 the eleventh
    assert np.unique(colours(row["ndmi_png"]).reshape(-1, 3), axis=0).tolist() == [ndmi_colours()[10].tolist()]
    assert (row["crs"], row["left_edge"], row["top_edge"], row["side"]) == (CRS, 300_170.0, 199_880.0, 360.0)


def test_the_offset_that_the_checks_found_is_taken_off() -> None:
    plain, shifted = taken(MemoryReader(), palm()), taken(MemoryReader(), palm(-1000.0), offset=-1000.0)
    assert (shifted["colour_png"], shifted["ndmi_png"]) == (plain["colour_png"], plain["ndmi_png"])


def test_a_scene_without_green_is_shown_in_infrared_and_says_so() -> None:
    row = taken(MemoryReader(), palm(B03=None))
    assert row["colour_bands"] == "B08 B04 B02"
    wanted = [tone(PALM["B08"], 0.55), tone(PALM["B04"], 0.16), tone(PALM["B02"], 0.16)]
    assert np.unique(colours(row["colour_png"]).reshape(-1, 3), axis=0).tolist() == [wanted]


def test_cloud_is_seen_in_the_colours_and_is_grey_in_the_index() -> None:
    scl = np.full((40, 40), 4)
    scl[:, :15] = 9  # left of 300 m: the square begins at 170 m
    dark = np.full((80, 80), 450)
    dark[:20] = 0  # no data above 200 m: the square begins at 120 m
    row = taken(MemoryReader(), palm(SCL=scl, B03=dark))
    index, shown = colours(row["ndmi_png"]), colours(row["colour_png"])
    assert (index[:, :13] == GREY_RGB).all()
    assert (index[:, 13:] == ndmi_colours()[10]).all()
    assert (shown[:8] == GREY_RGB).all()
    assert not (shown[8:] == GREY_RGB).all(axis=-1).any()


def test_ground_beyond_the_scene_is_grey() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm(), spec=grid(40, 40), coarse=COARSE)
    row = chip(outline(300, 100, 600, 300), scene, reader, 0.0, simulated=True)
    edge = round((400 - (row["left_edge"] - ORIGIN[0])) / 10)
    assert (colours(row["colour_png"])[:, edge:] == GREY_RGB).all()
    assert (colours(row["ndmi_png"])[:, edge:] == GREY_RGB).all()


def test_only_the_pixels_of_the_square_are_read() -> None:
    reader = MemoryReader()
    taken(reader, palm())
    fine, coarse = Window(12, 17, 36, 36), Window(6, 8, 18, 19)
    assert dict(reader.reads) == {f"a/{b}": fine for b in ("B02", "B03", "B04")} | {
        f"a/{b}": coarse for b in ("B8A", "B11", "SCL")
    }


@pytest.mark.parametrize(
    ("bands", "told"),
    [
        ({"B11": None}, "no moisture index: the scene lacks B11"),
        ({"B04": None}, "the scene lacks a visible band"),
        ({"B02": None, "B8A": None}, "the scene lacks a visible band"),
    ],
)
def test_a_missing_band_is_a_reason(bands: dict[str, Any], told: str) -> None:
    row = taken(MemoryReader(), palm(**bands))
    assert row["reason"] == told
    assert "ndmi_png" not in row


def test_a_picture_without_any_ground_is_a_reason() -> None:
    nothing = taken(MemoryReader(), palm(B03=0))
    assert nothing["reason"] == "the scene has no pixel of the ground"
    assert "colour_png" not in nothing
    clouded = taken(MemoryReader(), palm(SCL=9))
    assert clouded["reason"] == "no moisture index: no pixel of the ground is seen clearly"
    assert "ndmi_png" not in clouded


def test_a_file_that_cannot_be_read_is_a_reason() -> None:
    reader = MemoryReader()
    reader.broken.add("a/B11")
    assert taken(reader, palm())["reason"] == "the scene cannot be read: a/B11: cannot be read: bad block"
    assert "colour_png" not in taken(reader, palm())


def test_the_pictures_say_where_they_come_from_and_are_the_same_each_time() -> None:
    reader = MemoryReader()
    scene = reader.scene("a", palm(), spec=grid(80, 80), coarse=COARSE)
    notes = {}
    for simulated in (True, False):
        first, again = (chip(FIELD, scene, reader, 0.0, simulated=simulated) for _ in range(2))
        assert (first["colour_png"], first["ndmi_png"]) == (again["colour_png"], again["ndmi_png"])
        notes[simulated] = [Image.open(io.BytesIO(first[k])).info["Comment"] for k in ("colour_png", "ndmi_png")]
    assert notes[True] == ["simulated pixels"] * 2
    assert notes[False] == ["modified Copernicus Sentinel data 2024"] * 2


def scene_row(month: str, clear: float, *, day: int = 1, outcome: str = "used") -> dict[str, Any]:
    return {
        "month": month, "clear_share": clear, "acquired": f"{month}-{day:02d}", "scene_id": f"{month}-{day}",
        "outcome": outcome,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([("2026-03", 0.9, 1), ("2026-04", 0.75, 1), ("2026-05", 0.6, 1)], "2026-04-1"),
        ([("2026-04", 0.75, 1), ("2026-04", 0.95, 2), ("2026-04", 0.8, 3)], "2026-04-2"),
        ([("2026-04", 0.8, 1), ("2026-04", 0.8, 7)], "2026-04-7"),
        ([("2026-04", 0.69, 1)], None),
        ([], None),
    ],
)
def test_the_latest_clear_month_gives_its_clearest_scene(
    rows: list[tuple[str, float, int]], wanted: str | None
) -> None:
    found = chosen([scene_row(m, c, day=d) for m, c, d in rows], 0.7)
    assert (found and found["scene_id"]) == wanted


def test_a_scene_that_was_left_out_is_no_picture() -> None:
    rows = [scene_row("2026-05", 0.9, outcome="haze"), scene_row("2026-03", 0.9)]
    found = chosen(rows, 0.7)
    assert found is not None
    assert found["month"] == "2026-03"
