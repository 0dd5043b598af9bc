"""``check``: what is there, what would be set aside, and whether it can be used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config, edit_csv, edit_register
from tests.conftest import tree

LINES = (
    *("portfolio.register", "portfolio.blocks", "portfolio.rights", "portfolio.sponsors", "portfolio.mills"),
    *("harvest.path", "climate.table", "climate.index", "sensors.path", "market.futures", "market.prices", "market.fx"),
    *("market.rates", "market.fiscal", "climate.grid", "climate.monthly", "climate.seasonal", "imagery.source"),
)
REGISTER_LINE = ("register.geojson", "GeoJSON", "4", "4", "ha", "EPSG:4326", "ok")
Capture = pytest.CaptureFixture[str]


def table(text: str, title: str) -> list[dict[str, str]]:
    """A printed table by its title: rows with the cells under each column's name."""
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith(title)) + 1
    starts = [m.start() for m in re.finditer(r"(?<![^ ] )(?<!\S)\S", lines[head])]
    names = [lines[head][a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    rows = []
    for line in lines[head + 1 :]:
        if not line:
            break
        rows.append(dict(zip(names, re.split(r" {2,}", line.strip()), strict=False)))
    return rows


def row(text: str, key: str) -> list[str]:
    """Words of the line of one input in the first table."""
    return next(line for line in text.splitlines() if line.startswith(f"{key} ")).split()


def check(config: Path, capsys: Capture, code: int, *options: str) -> tuple[str, list[str]]:
    assert run_command(["check", str(config), *options]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err.splitlines()


def without_pixels(world: Path) -> Path:
    """The configuration without the sections that take longest to read."""
    return edit_config(world / "config.yaml", dict.fromkeys(("imagery", "sensors", "climate")))


def test_counts_of_every_input_stand_with_its_first_and_last_date(small_world: Path, capsys: Capture) -> None:
    before = tree(small_world)
    out, err = check(small_world / "config.yaml", capsys, 0)
    assert row(out, "portfolio.register") == ["portfolio.register", *REGISTER_LINE]
    days = pd.read_parquet(small_world / "climate" / "daily.parquet")
    words = row(out, "climate.table")
    assert words[:8] == ["climate.table", "daily.parquet", "Parquet", str(len(days)), "4", "of", "4", "2022-01-01"]
    assert words[8] == "2026-05-31"
    assert " ".join(words[-4:]) == "2022-02-25 to 2026-06-25 ok", "a day is known 25 days after its month"
    futures = pd.read_csv(small_world / "market" / "futures.csv")
    first, last = futures["settle_date"].min(), futures["settle_date"].max()
    known = f"{first} to {last} ok".split()
    assert row(out, "market.futures") == [
        "market.futures",
        "futures.csv",
        "CSV",
        str(len(futures)),
        first,
        last,
        "MYR/t",
        *known,
    ]
    assert row(out, "market.fiscal")[-1] == "packaged"
    assert row(out, "portfolio.rights") == ["portfolio.rights", "not", "configured"]
    assert re.search(r"^sensors\.path .* %, degC, m3/m3, mm ", out, re.M), "units as the files declare them"
    assert re.search(r"^market\.prices .* IDR, MYR, USD; 1, kg, t ", out, re.M)
    assert re.search(r"^imagery\.source +catalog\.json +STAC +\d+ scenes +1 of 4 ", out, re.M)
    assert re.search(
        r"^sentinel-2-l2a +49MSM .* EPSG:32749; B04 GTiff 10 m uint16 nodata 0 no overviews blocks ", out, re.M
    )
    assert re.search(r"^config\.yaml: usable; \d+ warnings; records: \d+ rejected$", out, re.M)
    assert err == []
    assert tree(small_world) == before, "check writes nothing"


def test_records_of_one_kind_stand_on_one_line_with_their_count(world_copy: Path, capsys: Capture) -> None:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[10:310], "rate"] = [f"n{k}" for k in range(300)]
        table.loc[table.index[400], "base"] = ""
        return table

    edit_csv(next(world_copy.rglob("fx.csv")), spoil)
    out, _ = check(without_pixels(world_copy), capsys, 0)
    rows = [line.split() for line in out.splitlines() if line.startswith("fx ") and "rejected" in line]
    assert sorted((r[:6] for r in rows), key=lambda r: int(r[4])) == [
        ["fx", "fx.csv", "base", "rejected", "1", "401"],
        ["fx", "fx.csv", "rate", "rejected", "300", "11"],
    ]
    assert row(out, "market.fx")[-2:] == ["301", "rejected"]
    example = next(line for line in out.splitlines() if " 300 " in line)
    assert " n0 " in example
    total = int(re.search(r"records: (\d+) rejected$", out, re.M)[1])  # type: ignore[index]
    listed = [int(r["records"]) for r in table(out, "records that a run would")]
    assert sum(listed) == total


def test_inputs_that_leave_nothing_to_value_end_with_2(world_copy: Path, capsys: Capture) -> None:
    register = world_copy / "register.geojson"
    register.write_text('{"type": "FeatureCollection", "features": []}')
    config = edit_config(world_copy / "config.yaml", {"market.futures": None, "market.prices": None})
    _, err = check(config, capsys, 2)
    assert err == [
        "error: portfolio.register: register.geojson: holds no usable plantation. See the records set aside.",
        "error: market: has neither futures nor prices. Give market.futures or market.prices.",
    ]


def test_all_problems_are_told_at_once_and_the_rest_is_listed(world_copy: Path, capsys: Capture) -> None:
    next(world_copy.rglob("harvest.csv")).write_bytes(b"\xff\xfe\x00nothing")
    next(world_copy.rglob("fx.csv")).write_text("")
    (world_copy / "scenes" / "SIM-001" / "catalog.json").write_text("[")
    (world_copy / "register.geojson").write_text("{")
    config = edit_config(world_copy / "config.yaml", {"as_of": "2999-01-31"})
    out, err = check(config, capsys, 2)
    assert [line.split(" (got")[0] for line in err] == [
        "error: as_of: lies in the future",
        "error: portfolio.register: register.geojson: is not a GeoJSON FeatureCollection",
        "error: harvest.path: harvest.csv: is not UTF-8 text. Save it as CSV in UTF-8.",
        "error: market.fx: fx.csv: is empty. Give at least a header line.",
        "error: imagery.source: catalog.json: cannot be read as JSON",
    ]
    states = {key: " ".join(row(out, key)[-2:]) for key in ("harvest.path", "market.fx", "imagery.source")}
    assert states == dict.fromkeys(states, "be used")
    assert row(out, "sensors.path")[-6:] == ["not", "checked:", "it", "needs", "the", "register"]
    assert row(out, "market.futures")[-1] == "ok"
    assert out.splitlines()[-1] == "config.yaml: not usable; 5 errors; no records set aside"


def test_with_every_optional_section_absent_there_is_nothing_to_complain_of(world_copy: Path, capsys: Capture) -> None:
    absent = ("imagery", "climate", "sensors", "harvest", "portfolio.blocks", "portfolio.rights", "portfolio.sponsors")
    more = ("portfolio.mills", "market.fx", "market.rates", "market.prices")
    config = edit_config(world_copy / "config.yaml", dict.fromkeys((*absent, *more)))
    out, err = check(config, capsys, 0)
    assert err == []
    warned = [line.split()[1] for line in out.splitlines() if line.startswith("warning")]
    assert warned == ["market.fx", "market.prices", "market.prices"], "no pair, no kernel price: said, and no more"
    assert out.count("not configured") == len(LINES) - 3


SPOILS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "kilograms called tonnes in a price series": (
        "prices.csv",
        lambda t: t.assign(unit=t["unit"].where(t["series"] != "cpo_id", "t")),
        "IDR per t; was it written per kg, or in thousands?",
    ),
    "a mill with a sponsor's id": (
        "mills.csv",
        lambda t: t.assign(mill_id=["SPONSOR-A", *t["mill_id"][1:]]),
        "Give one of them another id.",
    ),
    "a harvest of strangers": (
        "harvest.csv",
        lambda t: t.assign(plantation_id=t["plantation_id"].str.replace("SIM", "XIM")),
        "error: harvest.path: harvest.csv: is configured and holds nothing usable. See the records set aside.",
    ),
}


def test_an_exchange_rate_turned_round_from_its_first_row_is_set_right_and_told(
    world_copy: Path, capsys: Capture
) -> None:
    def turned(t: pd.DataFrame) -> pd.DataFrame:
        pair = (t["base"] == "USD") & (t["quote"] == "MYR")
        return t.assign(rate=[repr(1 / float(r)) if p else r for r, p in zip(t["rate"], pair, strict=True)])

    edit_csv(next(world_copy.rglob("fx.csv")), turned)
    out, err = check(without_pixels(world_copy), capsys, 0)
    assert err == []
    assert "the quote is turned round: it is USD per MYR; 1/rate was used" in " ".join(out.split())


@pytest.mark.parametrize("name", SPOILS)
def test_an_input_that_would_turn_numbers_wrong_ends_with_2(name: str, world_copy: Path, capsys: Capture) -> None:
    file, change, text = SPOILS[name]
    edit_csv(next(world_copy.rglob(file)), change)
    out, err = check(without_pixels(world_copy), capsys, 2)
    assert len(err) == 1
    assert text in err[0]
    assert re.search(r"^config\.yaml: not usable; 1 error; ", out, re.M)


def test_rows_and_plantations_at_fault_are_warnings(world_copy: Path, capsys: Capture) -> None:
    def move(features: list[dict]) -> list[dict]:  # type: ignore[type-arg]
        ring = features[3]["geometry"]["coordinates"][0]
        shifted = [[x - 60, y] for x, y in ring]
        features[3]["geometry"] = {"type": "Polygon", "coordinates": [shifted]}
        features[1]["properties"]["tenure_end"] = "2020-12-31"
        features[2]["properties"]["timezone"] = "UTC"
        return features

    edit_register(world_copy / "register.geojson", move)
    edit_csv(next(world_copy.rglob("harvest.csv")), lambda t: t[t["month"] < "2025-10"])
    out, err = check(world_copy / "config.yaml", capsys, 0)
    assert err == []
    lines = [line for line in out.splitlines() if line.startswith("warning")]
    for text in (
        "1 plantation does not lie in its country",
        "tenure of 1 plantation ended before 2026-05-31",
        "timezone of 1 plantation is more than 2 h off the sun",
        "the day of 1 station is more than 3 h off the sun",
        "ends before 2026-04, the last month that should be known",
    ):
        assert sum(text in line for line in lines) == 1, text


def test_scenes_whose_files_are_gone_are_named(world_copy: Path, capsys: Capture) -> None:
    for path in (world_copy / "scenes").rglob("SCL.tif"):
        path.unlink()
    next((world_copy / "scenes").rglob("B11.tif")).write_bytes(b"")
    out, _ = check(world_copy / "config.yaml", capsys, 0)
    line = next(line for line in out.splitlines() if "whose file is not there" in line)
    assert re.search(r"\d+ assets whose file is not there +(S2\S+ SCL: \S*SCL\.tif; ){3}\d+ more", line)
    # the empty one; those that are not there are told once
    assert re.search(r" B11 +an asset cannot be opened +cannot be read: ", out)
    assert "SCL unreachable" in out


def test_an_interface_that_does_not_answer_is_an_error(world_copy: Path, capsys: Capture) -> None:
    config = edit_config(world_copy / "config.yaml", {"imagery.source": "http://127.0.0.1:9/"})
    out, err = check(config, capsys, 2)
    assert len(err) == 1
    assert err[0].startswith("error: imagery.source: ")
    assert row(out, "imagery.source")[-3:] == ["cannot", "be", "used"]


def test_a_climate_grid_is_listed_with_its_units_axes_and_calendar(world_copy: Path, capsys: Capture) -> None:
    import numpy as np
    import xarray as xr

    register = json.loads((world_copy / "register.geojson").read_text())["features"]
    lon, lat = register[0]["geometry"]["coordinates"][0][0]
    for year in (2024, 2025):
        time = pd.date_range(f"{year}-01-01", f"{year}-12-31")
        axes = {"time": time, "lat": lat + np.array([0.5, 0.0, -0.5]), "lon": lon + np.array([-0.5, 0.0, 0.5])}
        rain = xr.DataArray(np.ones((len(time), 3, 3), "f4"), axes, attrs={"units": "mm/day"})
        xr.Dataset({"precip": rain, "ozone": rain}).to_netcdf(world_copy / f"g{year}.nc", engine="netcdf4")
    config = edit_config(world_copy / "config.yaml", {"climate.grid": "g*.nc", "climate.table": None})
    out, _ = check(config, capsys, 0)
    grid = row(out, "climate.grid")
    assert grid[:10] == ["climate.grid", "g2024.nc,", "g2025.nc", "NetCDF", "731", "days", "of", "3", "x", "3"]
    assert " ".join(grid[11:16]) == "1 of 4 2024-01-01 2025-12-31"
    axes_text = "time, lat 3, lon 3 +proleptic_gregorian +2024-01-01 +2025-12-31 +24 h"
    assert re.search(rf"^g2024.nc, g2025.nc +precip +precipitation +mm/day +{axes_text}$", out, re.M)
    assert re.search(rf"^g2024.nc, g2025.nc +ozone +not read +mm/day +{axes_text}$", out, re.M)
    assert re.search(r"climate of 1 series ends before 2026-04, the last month .* the grid 2025-12", out)
    assert re.search(r"3 plantations without climate ", out)


def test_the_same_as_json(world_copy: Path, capsys: Capture) -> None:
    edit_csv(next(world_copy.rglob("mills.csv")), SPOILS["a mill with a sponsor's id"][1])
    config = edit_config(world_copy / "config.yaml", {"sensors": None})
    out, err = check(config, capsys, 2, "--json")
    told = json.loads(out)
    found = told["result"]
    assert (found["usable"], told["exit_code"]) == (False, 2)
    assert found["as_of"] == "2026-05-31"
    assert [line["input"] for line in found["inputs"]][:2] == ["portfolio.register", "portfolio.blocks"]
    assert found["imagery"][0]["tile"] == "49MSM"
    assert [e["where"] for e in told["errors"]] == ["portfolio.mills: mills.csv: mill_id"]
    errors = [f for f in found["findings"] if f["severity"] == "error"]
    assert [(e["input"], e["file"], e["key"], e["value"]) for e in errors] == [
        ("portfolio.mills", "mills.csv", "mill_id", "SPONSOR-A")
    ]
    assert len(err) == 1
    assert found["records"][0]["action"] == "rejected"


def test_a_table_wider_than_the_terminal_loses_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from rich.console import Console

    from plantation_rwa.cli import console

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(console, "out", Console(force_terminal=True, highlight=False))
    monkeypatch.setattr(console, "Console", lambda **k: Console(**{"force_terminal": True, "width": 40, **k}))
    console.table("", ["1", "2", "3", "4"], [["a" * 25, "bb bb", "", "c" * 25], ["a", "b", "c", ""]])
    printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert [line.rstrip() for line in printed.splitlines()] == ["a" * 25 + " | 2 bb bb | 4", "c" * 25, "a | 2 b | 3 c"]


def test_supplied_land_evidence_has_its_lines(world_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world_copy / "names.csv").write_text("name\nSomebody\n,\n")
    (world_copy / "whisp.csv").write_text("external_id,risk_pcrop\nSIM-001,low\nNOBODY,low\n")
    edit_config(
        world_copy / "config.yaml",
        {"imagery": None, "compliance": {"sanctions": "names.csv", "whisp": {"path": "whisp.csv"}}},
    )
    assert run_command(["check", str(world_copy / "config.yaml")]) == 0
    said = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("compliance.")]
    assert said[0][:7] == ["compliance.whisp", "whisp.csv", "CSV", "1", "1", "of", "4"]
    assert said[1][:3] == ["compliance.sanctions", "names.csv", "CSV"]
