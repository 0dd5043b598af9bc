"""The adapter of docs/add-a-source.md: its code runs, its output is read whole, what it does not know stops it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPORT = ROOT / "examples/vendor_logger.csv"


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "examples.vendor_logger", raising=False)


def test_the_code_of_the_page_runs_and_gives_every_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs/add-a-source.md").read_text("utf-8")
    code = next(c for c in re.findall(r"```python\n(.*?)```", text, re.S) if "vendor_logger" in c)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec(code, space)
    readings = space["readings"]
    assert space["written"] == 15
    found = readings[readings["sensor_id"] == "CR1000-48213-VWC_10"]  # type: ignore[index]
    assert found["value"].tolist() == pytest.approx([0.312, 0.311, 0.311, 0.309])
    assert found["time"].dt.strftime("%Y-%m-%dT%H").tolist()[0] == "2026-04-02T23"
    rain = readings[readings["variable"] == "rain"]["value"]  # type: ignore[index]
    assert rain.sum() == pytest.approx(0.6)


def test_the_page_shows_the_file_that_ships() -> None:
    shown = re.findall(r"```csv\n(.*?)```", (ROOT / "docs/add-a-source.md").read_text("utf-8"), re.S)[0]
    assert EXPORT.read_text("utf-8").startswith(shown)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("CR1000-48213", "CR1000-1", "line 1: logger 'CR1000-1' is not in STATIONS"),
        ("VWC_30", "VWC_60", "channel 'VWC_60' in '%' is not declared"),
        ("Deg C", "Deg F", "channel 'AirT' in 'Deg F' is not declared"),
        ("25/04/2026", "04/25/2026", "line 8: '04/25/2026 10:00,1204"),
    ],
)
def test_what_is_not_declared_stops_the_adapter(tmp_path: Path, old: str, new: str, told: str) -> None:
    from examples.vendor_logger import adapt

    path = tmp_path / "export.csv"
    path.write_text(EXPORT.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ValueError, match=re.escape(told)):
        adapt(path, tmp_path / "out.csv")
