"""Backfills and a scheduled run on one output at the same time: every part is written once, and the result is one."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from plantation_rwa.publish.manifest import damaged, load_all
from tests.conftest import run_world, tree

pytestmark = pytest.mark.slow
#: the command line, each file that is written told in a file
COMMAND = """
import sys
from plantation_rwa.publish import files, geoparquet
whole = files.write_atomically
def told(path, write):
    with open(sys.argv[1], "a") as log:
        log.write(str(path) + "\\n")
    return whole(path, write)
files.write_atomically = geoparquet.write_atomically = told
from plantation_rwa.cli import run_command
sys.exit(run_command(sys.argv[2:]))
"""


def start(log: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, str(log), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ})


# of the date before the others values are explained from: who publishes first decides what the next one has to do
@pytest.mark.parametrize("scheduled", ["2026-03-31", pytest.param("2026-02-28", marks=pytest.mark.long)])
def test_two_backfills_and_a_run_write_each_part_once(light_world: Path, tmp_path: Path, scheduled: str) -> None:
    out, log = tmp_path / "out", tmp_path / "written"
    months = ["--from", "2026-03", "--to", "2026-04", "--out", str(out)]
    children = [
        start(log, "backfill", str(light_world), *months),
        start(log, "backfill", str(light_world), *months),
        start(log, "run", str(light_world), "--as-of", scheduled, "--out", str(out)),
    ]
    said = [child.communicate(timeout=300)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], "\n".join(said)
    # the merged copies and the catalog are made again with each date
    names = [Path(path).relative_to(out).as_posix() for path in log.read_text().split()]
    written = Counter(name for name in names if name.split("/")[0] not in ("latest", "catalog", "README.md"))
    if scheduled == "2026-03-31":  # nothing depends on who was first
        manifests = {f"manifests/as_of={date}.json" for date in ("2026-03-31", "2026-04-30")}
        assert written == Counter(manifests | {o.path for manifest in load_all(out) for o in manifest.outputs})
    assert {name: n for name, n in written.items() if n > 1 and "/part-" in name} == {}
    again = start(tmp_path / "again", "backfill", str(light_world), "--from", scheduled[:7], *months[2:])
    assert again.wait(300) == 0
    assert scheduled == "2026-02-28" or not (tmp_path / "again").exists()
    for date in sorted({dt.date.fromisoformat(scheduled), dt.date(2026, 3, 31), dt.date(2026, 4, 30)}):
        run_world(light_world, tmp_path / "alone", date)
    assert tree(out) == tree(tmp_path / "alone")
    for manifest in load_all(out):
        assert damaged(out, manifest.outputs) == []
    assert sorted(p.name for p in out.rglob(".*")) == []
