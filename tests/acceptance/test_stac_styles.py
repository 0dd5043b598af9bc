"""The same scenes as item collection, catalog, stac-geoparquet and a served STAC API: the same published bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.simulate import items as simulated_items
from plantation_rwa.simulate.portfolio import Simulated, simulate
from plantation_rwa.testing import edit_config
from tests.conftest import run_world

SECONDS_TO_START = 30.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Two plantations with scenes of two providers over three months, nothing else but the register."""
    world = simulate(
        tmp_path_factory.mktemp("styles") / "world",
        seed=6143,
        plantations=2,
        imagery_plantations=2,
        months=3,
        passes_per_month=2,
        climate_years=1,
        settlement_days=5,
        sensor_months=1,
        provider_styles=("planetary-computer", "earth-search-c1"),
        hectares=(80.0, 300.0),
        faults=False,
    )
    edit_config(world.config, {"climate": None, "sensors": None, "harvest": None})
    return world


@pytest.fixture(scope="module")
def features(made: Simulated) -> list[dict[str, Any]]:
    """All items with absolute hrefs, as a provider publishes them."""
    found = []
    for file in sorted((made.directory / "scenes").glob("*/items.json")):
        for item in json.loads(file.read_text("utf-8"))["features"]:
            for asset in item["assets"].values():
                asset["href"] = (file.parent / asset["href"]).resolve().as_uri()
            found.append(item)
    assert {i["collection"] for i in found} == {"sentinel-2-l2a", "sentinel-2-c1-l2a"}
    assert len(found) == 12
    return found


def write_collection(folder: Path, features: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "items.json"
    path.write_text(json.dumps(simulated_items.collection(features)), "utf-8")
    return path


def write_catalog(folder: Path, features: list[dict[str, Any]]) -> Path:
    """A catalog with one child per collection, one file per item."""
    names = sorted({i["collection"] for i in features})
    for name in names:
        own = [i for i in features if i["collection"] == name]
        for item in own:
            path = folder / name / item["id"] / f"{item['id']}.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(item), "utf-8")
        child = simulated_items.catalog(name, [i["id"] for i in own])
        (folder / name / "catalog.json").write_text(json.dumps(child), "utf-8")
    root = simulated_items.catalog("root", [])
    root["links"] += [{"rel": "child", "href": f"./{name}/catalog.json"} for name in names]
    (folder / "catalog.json").write_text(json.dumps(root), "utf-8")
    return folder / "catalog.json"


def write_geoparquet(folder: Path, features: list[dict[str, Any]]) -> Path:
    import rustac

    folder.mkdir(parents=True)
    rustac.write_sync(str(folder / "items.parquet"), features)
    return folder / "items.parquet"


WRITERS = {"collection": write_collection, "catalog": write_catalog, "geoparquet": write_geoparquet}


def run_source(made: Simulated, source: str | list[str], out: Path) -> dict[str, str]:
    """Hash of every published features file by its folder, after a run whose only imagery is ``source``."""
    config = made.directory / f"{out.name}.yaml"
    config.write_bytes(made.config.read_bytes())
    edit_config(config, {"imagery.source": source})
    run_world(config, out, stages=("features",))
    files = [p for name in ("features", "features_blocks") for p in sorted((out / name).rglob("*.parquet"))]
    return {p.relative_to(out).parent.as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def expected(
    made: Simulated, features: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Published files of the item collection; the scenes really are in them."""
    import pandas as pd

    base = tmp_path_factory.mktemp("expected")
    found = run_source(made, str(write_collection(base / "source", features)), base / "collection")
    latest = pd.read_parquet(base / "collection" / "latest" / "features.parquet", columns=["scenes", "ndvi"])
    assert latest["scenes"].sum() == len(features)
    assert latest["ndvi"].notna().sum() >= 4
    return found


@pytest.mark.parametrize("style", ["catalog", "geoparquet"])
def test_every_static_style_gives_the_same_bytes(
    made: Simulated, features: list[dict[str, Any]], expected: dict[str, str], style: str, tmp_path: Path
) -> None:
    source = WRITERS[style](tmp_path / "source", features)
    assert run_source(made, str(source), tmp_path / style) == expected


def test_relative_hrefs_give_the_same_bytes(made: Simulated, expected: dict[str, str], tmp_path: Path) -> None:
    """The world's own files: one item collection per plantation, hrefs relative to each of them."""
    places = sorted(p.relative_to(made.directory).as_posix() for p in made.directory.glob("scenes/*/items.json"))
    assert run_source(made, places, tmp_path / "relative") == expected


def test_one_scene_less_gives_other_bytes(
    made: Simulated, features: list[dict[str, Any]], expected: dict[str, str], tmp_path: Path
) -> None:
    source = write_collection(tmp_path / "source", features[1:])
    assert run_source(made, str(source), tmp_path / "less") != expected


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def api(features: list[dict[str, Any]], tmp_path: Path) -> Iterator[str]:
    """URL of a STAC API that serves the items; ends with the test."""
    program = shutil.which("rustac", path=str(Path(sys.executable).parent)) or shutil.which("rustac")
    assert program, "the program rustac of the development dependencies is missing"
    address = f"127.0.0.1:{free_port()}"
    source = write_collection(tmp_path / "served", features)
    with (tmp_path / "server.log").open("wb") as log:
        command = [program, "serve", "--addr", address, "--create-collections", str(source)]
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(f"http://{address}/", server)
            yield f"http://{address}/"
        finally:
            server.terminate()
            server.wait(timeout=20)


def wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.server
def test_an_api_gives_the_same_bytes(made: Simulated, api: str, expected: dict[str, str], tmp_path: Path) -> None:
    assert run_source(made, api, tmp_path / "api") == expected


@pytest.mark.server
def test_an_api_and_a_file_with_the_same_scenes_count_them_once(
    made: Simulated, features: list[dict[str, Any]], api: str, expected: dict[str, str], tmp_path: Path
) -> None:
    source = write_collection(tmp_path / "source", features)
    assert run_source(made, [api, str(source)], tmp_path / "both") == expected
