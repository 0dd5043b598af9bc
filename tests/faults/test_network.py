"""A network that misbehaves: the features are those of a quiet one, or the scene that stays unreadable is named."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.simulate import items as simulated_items
from plantation_rwa.simulate.portfolio import Simulated, simulate
from plantation_rwa.sources import network, scenes
from plantation_rwa.sources.network import Patience
from plantation_rwa.testing import edit_config
from tests.conftest import run_world
from tests.loopback import ALWAYS, LoopbackServer, Rule

pytestmark = pytest.mark.server
_NUMBER = itertools.count()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Two plantations with two scenes in each of two months, nothing else but the register."""
    world = simulate(
        tmp_path_factory.mktemp("network") / "world",
        seed=611,
        plantations=2,
        imagery_plantations=2,
        months=2,
        passes_per_month=2,
        climate_years=1,
        settlement_days=5,
        sensor_months=1,
        provider_styles=("planetary-computer",),
        hectares=(60.0, 150.0),
        faults=False,
    )
    edit_config(world.config, {"climate": None, "sensors": None, "harvest": None})
    return world


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short waits, and nothing remembered of other tests' servers."""
    monkeypatch.setattr(scenes, "Patience", lambda: Patience(first_s=0.01, longest_s=0.02))
    monkeypatch.setitem(scenes._GDAL, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    network.UNREADABLE.clear()
    network.tokens_of.cache_clear()
    yield
    network.UNREADABLE.clear()


def features_of(made: Simulated, root: str, out: Path, *, without: str = "") -> dict[str, pd.DataFrame]:
    """Published tables of a run whose scenes lie under ``root``, a path or a URL."""
    features = []
    for file in sorted((made.directory / "scenes").glob("*/items.json")):
        for item in json.loads(file.read_text("utf-8"))["features"]:
            item["assets"] = {band: item["assets"][band] for band in ("B02", "B04", "B08", "SCL")}
            for asset in item["assets"].values():
                asset["href"] = f"{root}/scenes/{file.parent.name}/{asset['href'].removeprefix('./')}"
            features += [item] if item["id"] != without else []
    place = out.with_name(f"{out.name}-{next(_NUMBER)}")
    place.mkdir()
    (place / "items.json").write_text(json.dumps(simulated_items.collection(features)), "utf-8")
    config = yaml.safe_load(made.config.read_text("utf-8"))
    config["imagery"]["source"] = str(place / "items.json")
    own = made.config.with_name(f"config-{place.name}.yaml")
    own.write_text(yaml.safe_dump(config), "utf-8")
    report = run_world(own, place / "out", stages=("features",))
    assert report.failures == []
    tables: dict[str, list[pd.DataFrame]] = {"features": [], "features_scenes": [], "quarantine": []}
    for part in report.parts:
        if part.output.table in tables:
            tables[part.output.table].append(read_part(part.path).assign(partition=part.output.partition))
    found = {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items() if frames}
    # the hash of an item covers its hrefs, which name the server
    found["features_scenes"] = found["features_scenes"].drop(columns="item_hash")
    keys = ["partition", "plantation_id"]
    found["features"] = found["features"].sort_values(keys, ignore_index=True)
    found["features_scenes"] = found["features_scenes"].sort_values([*keys, "scene_id"], ignore_index=True)
    return found


@pytest.fixture(scope="module")
def clean(made: Simulated, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The features from local files."""
    found = features_of(made, str(made.directory), tmp_path_factory.mktemp("clean") / "local")
    seen = found["features"][found["features"]["scenes"] > 0]
    assert len(seen) == 4
    assert seen["ndvi"].notna().sum() >= 3
    return found


def assert_same(found: dict[str, pd.DataFrame], clean: dict[str, pd.DataFrame]) -> None:
    for name in ("features", "features_scenes"):
        pd.testing.assert_frame_equal(found[name], clean[name], check_exact=True)


def scene_of(made: Simulated, n: int = 0) -> tuple[str, str]:
    """Plantation and id of a scene."""
    file = sorted((made.directory / "scenes").glob("*/items.json"))[0]
    return file.parent.name, str(json.loads(file.read_text("utf-8"))["features"][n]["id"])


FAULTS: dict[str, tuple[Rule, ...]] = {
    "none": (),
    "busy": (Rule("status", times=2),),
    "busy in between": (Rule("status", times=2, skip=1),),
    "too many requests": (Rule("status", times=2, status=429, headers=(("Retry-After", "1"),)),),
    "internal error": (Rule("status", times=1, status=500, skip=1),),
    "reset": (Rule("reset", times=2),),
    "reset in between": (Rule("reset", times=2, skip=1),),
    "truncated": (Rule("truncate", times=2, skip=1),),
    "short": (Rule("short", times=2, skip=1),),
    "log-in page": (Rule("page", times=2),),
    "log-in page in between": (Rule("page", times=1, skip=1),),
    "all at once": (
        Rule("status", times=1),
        Rule("reset", times=1, skip=1),
        Rule("truncate", times=1, skip=2),
        Rule("short", times=1, skip=3),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_nothing(
    fault: str, made: Simulated, clean: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with LoopbackServer(made.directory, FAULTS[fault]) as server:
        assert_same(features_of(made, server.url, tmp_path / "out"), clean)
        assert bool(server.counts.faults) == bool(FAULTS[fault])


@pytest.mark.parametrize("fault", ["stall", "late"])
def test_a_server_that_falls_silent_is_left_and_asked_again(
    fault: Any, made: Simulated, clean: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    _, scene = scene_of(made)
    with LoopbackServer(made.directory, (Rule(fault, match=f"*/{scene}/*", skip=1),)) as server:
        assert_same(features_of(made, server.url, tmp_path / "out"), clean)
        assert server.counts.faults[fault] > 0


@pytest.mark.parametrize("fault", ["status", "reset", "truncate", "short", "page"])
def test_a_scene_that_stays_broken_is_named_and_the_rest_unaffected(
    fault: Any, made: Simulated, clean: dict[str, pd.DataFrame], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plantation, scene = scene_of(made)
    with LoopbackServer(made.directory, (Rule(fault, match=f"*/{scene}/B04.tif", times=ALWAYS),)) as server:
        found = features_of(made, server.url, tmp_path / "out")
        assert server.counts.paths[f"/scenes/{plantation}/{scene}/B04.tif"] < 60
        assert f"{server.url}/scenes/{plantation}/{scene}/B04.tif: given up" in caplog.text
    absent = features_of(made, str(made.directory), tmp_path / "absent", without=scene)
    broken = found["features"]["quality_flag"].str.contains("scene_unreadable")
    rows = found["features"][broken]
    assert rows["plantation_id"].tolist() == [plantation]
    pd.testing.assert_frame_equal(found["features"][~broken], clean["features"][~broken], check_exact=True)
    # in its month it is as if the provider had not had it, but for what says so
    other = ["quality_flag", "known_at"]
    pd.testing.assert_frame_equal(
        rows.drop(columns=other), absent["features"][broken].drop(columns=other), check_exact=True
    )
    assert rows["scenes"].item() == clean["features"][broken]["scenes"].item() - 1
    trail = found["features_scenes"].set_index("scene_id")
    assert trail.loc[scene, "outcome"] == "unreadable"
    quarantine = found["quarantine"]
    assert quarantine["column"].str.contains(scene).any() or quarantine["value"].str.contains(scene).any()
    assert quarantine["reason"].str.contains("B04").any() or quarantine["column"].str.contains("B04").any()


def test_signatures_that_expire_early_are_renewed_and_told_nobody(
    made: Simulated,
    clean: dict[str, pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with LoopbackServer(made.directory, signed="/scenes/*", token_uses=30) as server:
        monkeypatch.setattr(scenes, "_BLOB", server.host)
        monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/token")
        assert_same(features_of(made, server.url, tmp_path / "out"), clean)
        assert server.counts.statuses[403] > 2
        assert server.counts.tokens > 2
    assert "SECRET" not in caplog.text
    assert "SECRET" not in "".join(capfd.readouterr())


def test_a_token_that_would_not_outlive_the_read_is_replaced_before_it(
    made: Simulated, clean: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackServer(made.directory, signed="/scenes/*", token_seconds=100.0) as server:
        monkeypatch.setattr(scenes, "_BLOB", server.host)
        monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/token")
        assert_same(features_of(made, server.url, tmp_path / "out"), clean)
        assert server.counts.statuses[403] == 0
        assert server.counts.tokens > 10
