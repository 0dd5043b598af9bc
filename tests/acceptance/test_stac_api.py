"""A source without any scene of the portfolio is a mistake in the configuration; one plantation without is a flag."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.simulate import items as simulated_items
from plantation_rwa.simulate.portfolio import Simulated
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.acceptance.test_stac_styles import free_port, wait_until_it_answers, write_collection


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Two plantations, one with two months of scenes."""
    return bare_portfolio(
        tmp_path_factory.mktemp("api") / "world",
        seed=6144,
        imagery_plantations=1,
        passes_per_month=1,
        hectares=(80.0, 300.0),
    )


@pytest.fixture(scope="module")
def features(made: Simulated) -> list[dict[str, Any]]:
    """All items with absolute hrefs."""
    found = []
    for file in sorted((made.directory / "scenes").rglob("*.json")):
        document = json.loads(file.read_text("utf-8"))
        for item in document.get("features", [document] if document["type"] == "Feature" else []):
            for asset in item["assets"].values():
                asset["href"] = (file.parent / asset["href"]).resolve().as_uri()
            found.append(item)
    assert found
    return found


@pytest.fixture(scope="module")
def api(features: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a STAC API that serves the items; ends with the module."""
    program = shutil.which("rustac", path=str(Path(sys.executable).parent)) or shutil.which("rustac")
    assert program, "the program rustac of the development dependencies is missing"
    folder = tmp_path_factory.mktemp("served")
    address = f"127.0.0.1:{free_port()}"
    with (folder / "server.log").open("wb") as log:
        command = [program, "serve", "--addr", address, "--create-collections", str(write_collection(folder, features))]
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_answers(f"http://{address}/", server)
            yield f"http://{address}/"
        finally:
            server.terminate()
            server.wait(timeout=20)


def run(made: Simulated, source: str, out: Path, **changes: Any) -> int:
    config = made.directory / f"{out.name}.yaml"
    config.write_bytes(made.config.read_bytes())
    edit_config(config, {"imagery.source": source, **{f"imagery.{k}": v for k, v in changes.items()}})
    return run_command(["run", str(config), "--stage", "features", "--out", str(out)])


MISTAKES: dict[str, dict[str, Any]] = {
    "collection": {"collections": ["sentinel-2-l2a-cogs"]},
    "dates": {"start": "2031-01"},
}


@pytest.mark.parametrize("mistake", ["collection", "dates"])
def test_a_file_without_any_scene_of_the_portfolio(
    mistake: str, made: Simulated, features: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(write_collection(tmp_path / "source", features))
    assert run(made, source, tmp_path / mistake, **MISTAKES[mistake]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "imagery.source: has no scene of any plantation" in told
    assert "from 2031-01" in told if mistake == "dates" else "collections sentinel-2-l2a-cogs" in told
    assert f"(got {len(features)} items: sentinel-2-" in told
    remedy = {"collection": "Give imagery.collections the names", "dates": "Set imagery.start to a month"}[mistake]
    assert remedy in told
    assert not list((tmp_path / mistake).rglob("*.parquet"))


def test_one_plantation_without_scenes_is_a_flag(
    made: Simulated, features: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert run(made, str(write_collection(tmp_path / "source", features)), tmp_path / "out") == 0
    table = pd.read_parquet(tmp_path / "out" / "latest" / "features.parquet")
    assert table["scenes"].sum() == len(features)
    without = table.groupby("plantation_id")["scenes"].sum().eq(0)
    assert without.sum() == 1
    assert table[table["plantation_id"].map(without)]["quality_flag"].str.contains("no_imagery").all()


def test_items_that_are_all_rejected_end_the_run(
    made: Simulated, features: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [{**f, "properties": {**f["properties"], "datetime": "soon"}} for f in features]
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "items.json").write_text(json.dumps(simulated_items.collection(bad)), "utf-8")
    assert run(made, str(folder / "items.json"), tmp_path / "out") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"{len(bad)} of them refused, {len(bad)} because: item has no readable datetime" in told
    assert "Mend or replace the refused items" in told
    assert not (tmp_path / "out").exists()


def test_items_whose_files_are_all_gone_end_the_run(
    made: Simulated, features: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = [{**f, "assets": {k: {**a, "href": f"away/{k}.tif"} for k, a in f["assets"].items()}} for f in features[:1]]
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "items.json").write_text(json.dumps(simulated_items.collection(gone)), "utf-8")
    assert run(made, str(folder / "items.json"), tmp_path / "out") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"of its 1 scene is there (got first away/blue.tif; searched in {folder / 'away'})" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.server
@pytest.mark.parametrize("mistake", ["collection", "dates"])
def test_an_api_without_any_scene_of_the_portfolio(
    mistake: str, made: Simulated, api: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, api, tmp_path / mistake, **MISTAKES[mistake]) == 2
    assert "imagery.source: has no scene of any plantation" in " ".join(capsys.readouterr().err.split())
