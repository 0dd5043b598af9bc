"""Which scenes a valuation date has: those known by its end; and grids are those of files, not of items."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import rasterio
from affine import Affine
from shapely.geometry import box

from plantation_rwa.config import ImageryConfig
from plantation_rwa.grid import GridSpec
from plantation_rwa.periods import Month, as_of_instant
from plantation_rwa.run.scenes import scenes_by_month
from plantation_rwa.run.session import Session
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.scenes import RasterReader
from tests.sources.stac_factory import BOX, collection, item, scenes, source, write

OUTLINES = pd.DataFrame({"key": [("P",)], "geometry": [box(*BOX)], "timezone": ["Asia/Jakarta"]})


def found(place: str, as_of: str, **options: Any) -> dict[str, list[str]]:
    """Scene ids by local month at the end of a day."""
    day = dt.date.fromisoformat(as_of)
    config = ImageryConfig(source=[place], **options)
    known = SimpleNamespace(imagery=source(place, **options), quarantine=Quarantine())
    session = SimpleNamespace(
        known=known, config=SimpleNamespace(imagery=config), month=Month.of(day), instant=as_of_instant(day)
    )
    taken = scenes_by_month(cast(Session, session), OUTLINES)
    return {month: [s.id for s in group] for (_, month), group in taken.items()}


def test_a_scene_that_became_known_later_is_not_there(tmp_path: Path) -> None:
    """Both were taken in March; one item appeared the same day, the other 75 days later."""
    late = item("late", day="2024-03-10", properties={"created": "2024-05-24T12:00:00Z"})
    place = write(tmp_path / "i.json", collection(item("prompt"), late))
    by_creation: dict[str, Any] = {"known_at": "created", "known_lag_days": 0}
    assert found(place, "2024-03-31", **by_creation) == {"2024-03": ["prompt"]}
    assert found(place, "2024-05-23", **by_creation) == {"2024-03": ["prompt"]}
    assert found(place, "2024-05-24", **by_creation) == {"2024-03": ["prompt", "late"]}


def test_the_lag_of_publication_counts(tmp_path: Path) -> None:
    place = write(tmp_path / "i.json", collection(item(day="2024-03-29")))
    assert found(place, "2024-03-31", known_lag_days=3) == {}
    assert found(place, "2024-04-01", known_lag_days=3) == {"2024-03": ["S2A_X"]}


def test_a_shape_that_contradicts_the_file_changes_nothing(tmp_path: Path) -> None:
    """``proj:shape`` and ``proj:transform`` of a whole tile in the item; the file holds 30 x 20 pixels."""
    transform = Affine(10, 0, 300_000, 0, -10, 9_750_000)
    profile: dict[str, Any] = {"driver": "GTiff", "height": 30, "width": 20, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "B04.tif", "w", crs="EPSG:32749", transform=transform, **profile):
        pass
    lie = {"proj:shape": [10980, 10980], "proj:transform": [10, 0, 600_000, 0, -10, 10_000_000]}
    place = write(tmp_path / "i.json", item(keys="B04", assets={"B04": {"href": "./B04.tif", **lie}}))
    (scene,) = scenes(place)
    assert RasterReader().grid(scene.assets["B04"]) == GridSpec("EPSG:32749", transform, 30, 20)
