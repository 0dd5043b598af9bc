"""Months of imagery that wait for their publication: a run that is killed decodes none of them again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.run.imagery import compute_imagery
from plantation_rwa.run.imagery_rows import Imagery
from plantation_rwa.run.kept_months import FOLDER, forget, place_of
from plantation_rwa.run.scenes import Seen, Unit
from plantation_rwa.testing import edit_config
from tests.conftest import ROOT, tree
from tests.features.scene_factory import RULES, MemoryReader
from tests.run.test_imagery_batches import MONTHS, here, portfolio


class Killed(BaseException):
    """Ends a run at once, as no error of a unit does."""


class MortalReader(MemoryReader):
    """Ends the run when files of a month are read."""

    fatal = ""

    def read(self, asset: Any, window: Any) -> Any:
        if self.fatal and self.fatal in asset.href:
            raise Killed
        return super().read(asset, window)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MortalReader:
    found = MortalReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: found)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return found


def seen_portfolio(reader: MemoryReader) -> list[Unit]:
    """Units with the hashes that a run gives them."""
    return [u._replace(seen=Seen(f"view {u.month}", u.month, f"view {u.month}")) for u in portfolio(reader, 2)]


def computed(units: list[Unit], kept: str = "here") -> Imagery:
    return compute_imagery(units, [], RULES, here, lambda _: None, kept=kept)


def killed_in_the_last_month(reader: MortalReader, units: list[Unit]) -> None:
    reader.fatal = MONTHS[-1]
    with pytest.raises(Killed):
        computed(units)
    assert {href.split("/")[0][-7:] for href, _ in reader.reads} == set(MONTHS[:-1])
    reader.fatal = ""
    reader.reads.clear()


def told(found: Imagery) -> dict[object, str]:
    assert found.errors == {}
    return {at: repr(row) for at, row in found.rows.items()}


def read_months(reader: MemoryReader) -> set[str]:
    return {href.split("/")[0][-7:] for href, _ in reader.reads}


def test_a_run_that_goes_on_reads_only_the_months_that_were_not_finished(reader: MortalReader) -> None:
    units = seen_portfolio(reader)
    whole = computed(units, kept="")
    reader.reads.clear()
    killed_in_the_last_month(reader, units)
    found = computed(units)
    assert read_months(reader) == {MONTHS[-1]}
    assert told(found) == told(whole)
    assert sorted((own, t.plantations) for own, t in found.records) == sorted(
        (own, t.plantations) for own, t in whole.records
    )
    assert found.problems == whole.problems


def test_a_part_of_the_units_is_found_too_and_more_of_them_are_computed_together(reader: MortalReader) -> None:
    units = seen_portfolio(reader)
    killed_in_the_last_month(reader, units)
    few = [u for u in units if u.key[0] == "P1"]
    assert told(computed(few)).keys() == {u.at for u in few}
    assert read_months(reader) == {MONTHS[-1]}
    reader.reads.clear()
    more = [*units, *(u._replace(key=("P9", *u.key[1:])) for u in few)]
    computed(more)
    assert read_months(reader) == set(MONTHS)


@pytest.mark.parametrize("change", ["scenes", "settings", "half a file", "folder"])
def test_what_was_kept_of_something_else_is_not_taken(reader: MortalReader, tmp_path: Path, change: str) -> None:
    units = seen_portfolio(reader)
    killed_in_the_last_month(reader, units)
    kept = "here"
    if change == "scenes":
        units = [u._replace(seen=Seen(f"{u.month} later", u.month, f"{u.month} later")) for u in units]
    elif change == "settings":
        units = [u._replace(edge_buffer=5.0) for u in units]
    elif change == "folder":
        kept = place_of(tmp_path / "out", RULES)
    else:
        for file in (tmp_path / "cache" / FOLDER).rglob("*"):
            if file.is_file():
                os.truncate(file, file.stat().st_size // 2)
    computed(units, kept)
    assert read_months(reader) == set(MONTHS)


def test_the_files_of_published_months_go_and_those_of_runs_long_given_up(reader: MortalReader, tmp_path: Path) -> None:
    units = seen_portfolio(reader)
    found = computed(units)
    folder = tmp_path / "cache" / FOLDER
    assert len(found.kept) == len([p for p in folder.rglob("*") if p.is_file()]) == len(MONTHS)
    later = {u.at for u in units if u.month == MONTHS[-1]}
    assert len(forget(found.kept, later)) == len(MONTHS) - 1
    left = [p for p in folder.rglob("*") if p.is_file()]
    assert len(left) == 1
    os.utime(left[0], (time.time() - 31 * 86_400,) * 2)
    forget({}, set())
    assert [p for p in folder.rglob("*") if p.is_file()] == []
    forget(computed(units).kept, set())
    assert not [p for p in folder.rglob("*") if p.is_file()]


def test_a_unit_that_failed_is_tried_again(reader: MortalReader, monkeypatch: pytest.MonkeyPatch) -> None:
    from plantation_rwa.features import imagery

    units = seen_portfolio(reader)
    with monkeypatch.context() as broken:
        broken.setattr(imagery, "_auto_edge", lambda _: 1 / 0)
        assert len(computed(units).errors) == len(units)
    assert told(computed(units)).keys() == {u.at for u in units}


#: the command line, every window that is decoded told in a file; it is killed after so many
COMMAND = """
import os, signal, sys
from plantation_rwa.run import imagery
from plantation_rwa.sources.scenes import RasterReader
left = int(sys.argv[2])
class Telling(RasterReader):
    def read(self, asset, window):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        found = super().read(asset, window)
        with open(sys.argv[1], "a") as log:
            log.write(f"{os.path.basename(os.path.dirname(asset.href))}/{os.path.basename(asset.href)} {window}\\n")
        return found
imagery.RasterReader = Telling
from plantation_rwa.cli import run_command
sys.exit(run_command(sys.argv[3:]))
"""


@pytest.mark.slow
def test_a_backfill_that_is_killed_decodes_twice_at_most_the_month_in_its_hands(
    world_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one task, and no room to read a month ahead
    few = {"compute.workers": 1, "compute.memory_limit": "100MB"}
    config = edit_config(world_copy / "config.yaml", {"climate": None, "sensors": None, "harvest": None, **few})
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    out, log = tmp_path / "out", tmp_path / "read"
    words = ["backfill", str(config), "--from", "2026-04", "--to", "2026-05", "--stage", "features", "--out", str(out)]

    def backfill(windows: int) -> int:
        command = [sys.executable, "-c", COMMAND, str(log), str(windows), *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300).returncode

    assert backfill(0) == 0
    once = Counter(log.read_text().splitlines())
    assert max(once.values()) == 1
    whole = tree(out)
    log.unlink()
    for path in sorted(out.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert backfill(len(once) * 2 // 3) == -signal.SIGKILL
    assert backfill(0) == 0
    both = Counter(log.read_text().splitlines())
    twice = {line.split("_")[2][:6] for line, n in both.items() if n > 1}
    months = sorted({line.split("_")[2][:6] for line in once})
    assert both.keys() == once.keys()
    assert max(both.values()) <= 2
    assert len(twice) <= 1 < len(months), (twice, months)
    assert tree(out) == whole
    assert [p for p in (tmp_path / "cache" / FOLDER).rglob("*") if p.is_file()] == []
