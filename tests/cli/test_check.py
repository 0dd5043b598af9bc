"""``check``: what is there, what would be set aside, and whether it can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.testing import edit_config, edit_csv
from tests.conftest import tree


def test_counts_of_every_input_stand_with_its_first_and_last_date(
    small_world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(small_world)
    assert run_command(["check", str(small_world / "config.yaml")]) == 0
    captured = capsys.readouterr()
    lines = {line.split()[0]: line.split() for line in captured.out.splitlines() if line}
    assert lines["register"][1:] == ["4", "4"]
    days = pd.read_parquet(small_world / "climate" / "daily.parquet")
    assert lines["climate_daily"][1:] == [str(len(days)), "4", "2022-01-01", "2026-05-31"]
    futures = pd.read_csv(small_world / "market" / "futures.csv")
    assert lines["futures"][1:] == [str(len(futures)), futures["settle_date"].min(), futures["settle_date"].max()]
    assert lines["imagery"] == ["imagery", "configured"]
    assert re.search(r"^config\.yaml: usable; (\d+ records?|no records) set aside$", captured.out, re.M)
    assert captured.err == ""
    assert tree(small_world) == before, "check writes nothing"


def test_records_of_one_kind_stand_on_one_line_with_their_count(
    world_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[10:310], "rate"] = [f"n{k}" for k in range(300)]
        table.loc[table.index[400], "base"] = ""
        return table

    edit_csv(next(world_copy.rglob("fx.csv")), spoil)
    assert run_command(["check", str(world_copy / "config.yaml")]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("fx ") and "rejected" in line]
    assert sorted((r[:6] for r in rows), key=lambda r: int(r[4])) == [
        ["fx", "fx.csv", "base", "rejected", "1", "401"],
        ["fx", "fx.csv", "rate", "rejected", "300", "11"],
    ]
    example = next(line for line in out.splitlines() if " 300 " in line)
    assert " n0 " in example
    total = int(re.search(r"usable; (\d+) records set aside", out)[1])  # type: ignore[index]
    header = next(i for i, line in enumerate(out.splitlines()) if line.startswith("input") and "records" in line)
    listed = [line.split() for line in out.splitlines()[header + 1 : -1]]
    assert sum(int(next(w for w in words[3:] if w.isdigit())) for words in listed) == total


def test_inputs_that_leave_nothing_to_value_end_with_2(world_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register = world_copy / "register.geojson"
    register.write_text('{"type": "FeatureCollection", "features": []}')
    config = edit_config(world_copy / "config.yaml", {"market.futures": None, "market.prices": None})
    assert run_command(["check", str(config)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err == [
        "error: portfolio.register: holds no usable plantation. See the records set aside.",
        "error: market: has neither futures nor prices. Give market.futures or market.prices.",
    ]


def test_an_input_that_cannot_be_read_is_named(world_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(world_copy.rglob("harvest.csv")).write_bytes(b"\xff\xfe\x00nothing")
    assert run_command(["check", str(world_copy / "config.yaml")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "harvest.csv: is not UTF-8 text. Save it as CSV in UTF-8." in err
