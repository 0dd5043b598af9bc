"""Pictures as a run publishes them: one row per plantation, from the scene that the published trail names."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from plantation_rwa.config import load_config
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import load
from plantation_rwa.run import load_inputs, open_session
from plantation_rwa.run.chips import chip_rows
from plantation_rwa.run.features import plan_features
from plantation_rwa.run.partitions import History, Published
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF


def published(root: Path, table: str) -> pd.DataFrame:
    manifest = load(root, AS_OF.isoformat())
    assert manifest is not None
    return pd.concat(
        [read_part(root / o.path).assign(month=o.partition.removeprefix("month=")) for o in manifest.tables(table)],
        ignore_index=True,
    )


def made(config: Path, root: Path) -> pd.DataFrame:
    """The table as a run would make it now beside the published features of a folder."""
    settings = load_config(config)
    session = open_session(settings, load_inputs(settings), AS_OF, root=root)
    manifest = load(root, AS_OF.isoformat())
    assert manifest is not None
    scenes = plan_features(session, History(session)).scenes
    parts = [Published(root, o) for o in manifest.of("features")]
    return chip_rows(session, scenes, parts, simulated=True)


def test_every_plantation_has_pictures_or_a_reason(small_run: Path) -> None:
    chips = published(small_run, "chips")
    values = published(small_run, "valuations")
    assert set(chips["plantation_id"]) == set(values["plantation_id"])
    shown = chips[chips["reason"] == ""]
    assert len(shown) == 1
    assert set(chips.loc[chips["reason"] != "", "reason"]) == {"no satellite scene of it is known"}
    for name in ("colour_png", "ndmi_png"):
        image = Image.open(io.BytesIO(shown[name].iloc[0]))
        assert image.width == image.height
        assert shown["side"].iloc[0] == image.width * 20, "of two pixels of 10 m one"
        assert image.info["Comment"] == "simulated pixels"


def test_the_scene_is_the_clearest_of_the_latest_clear_month(small_run: Path) -> None:
    chip = published(small_run, "chips").query("reason == ''").iloc[0]
    trail = published(small_run, "features_scenes")
    own = trail[(trail["plantation_id"] == chip["plantation_id"]) & (trail["outcome"] == "used")]
    clear = own[own["clear_share"] >= 0.7]
    latest = clear[clear["month"] == clear["month"].max()]
    assert chip["clear_month"] == latest["month"].iloc[0]
    assert chip["clear_share"] == latest["clear_share"].max()
    assert chip["scene_id"] in set(latest.loc[latest["clear_share"] == chip["clear_share"], "scene_id"])


def test_the_table_made_again_has_the_same_pictures(small_world: Path, small_run: Path) -> None:
    again = made(small_world / "config.yaml", small_run)
    pd.testing.assert_frame_equal(again, published(small_run, "chips").drop(columns="month"), check_dtype=False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"chips.count_max": 0}, "pictures are made of the 0 largest plantations"),
        ({"chips.clear_share_min": 1.01}, "no scene shows 101 % of it clearly; the clearest, of "),
    ],
)
def test_limits_are_reasons(world_copy: Path, small_run: Path, changes: dict[str, Any], told: str) -> None:
    config = edit_config(world_copy / "config.yaml", {"valuation.assumptions": changes})
    reasons = set(made(config, small_run)["reason"])
    assert any(reason.startswith(told) for reason in reasons), reasons


def test_a_scene_whose_files_changed_since_is_not_shown(world_copy: Path, small_run: Path) -> None:
    """The trail is of other pixels: until the features are made again there is no picture."""
    for band in (world_copy / "scenes").rglob("B11.tif"):
        shutil.copyfile(__file__, band)
    told = made(world_copy / "config.yaml", small_run)["reason"]
    assert told.str.endswith(", its clearest, is not among the items any more").sum() == 1
