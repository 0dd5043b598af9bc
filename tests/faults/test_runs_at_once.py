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
#: the command line, each part that is written told in a file
COMMAND = """
import os, sys
from plantation_rwa.publish import geoparquet
from plantation_rwa.run import publishing
whole = geoparquet.write_part
def told(frame, table, path, **options):
    with open(sys.argv[1], "a") as log:
        log.write(str(path) + "\\n")
    return whole(frame, table, path, **options)
publishing.write_part = told
from plantation_rwa.cli import run_command
sys.exit(run_command(sys.argv[2:]))
"""


def start(log: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, str(log), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ})


def test_two_backfills_and_a_run_write_each_part_once(light_world: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "written"
    months = ["--from", "2026-03", "--to", "2026-04", "--out", str(out)]
    children = [
        start(log, "backfill", str(light_world), *months),
        start(log, "backfill", str(light_world), *months),
        # a date before the others: what a date is explained from is the date before it, whoever publishes first
        start(log, "run", str(light_world), "--as-of", "2026-02-28", "--out", str(out)),
    ]
    said = [child.communicate(timeout=300)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], "\n".join(said)
    again = start(tmp_path / "again", "backfill", str(light_world), "--from", "2026-02", *months[2:])
    assert again.wait(300) == 0
    for date in (dt.date(2026, 2, 28), dt.date(2026, 3, 31), dt.date(2026, 4, 30)):
        run_world(light_world, tmp_path / "alone", date)
    assert tree(out) == tree(tmp_path / "alone")
    for manifest in load_all(out):
        assert damaged(out, manifest.outputs) == []
    twice = {path: n for path, n in Counter(log.read_text().split()).items() if n > 1}
    assert twice == {}
    assert sorted(p.name for p in out.rglob(".*")) == []
