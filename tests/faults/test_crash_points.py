"""A backfill killed before or after any write, rename or deletion: what was published is read, the next run mends."""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.config import load_config, with_out
from plantation_rwa.executor import Runner
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.latest import LATEST_TABLES
from plantation_rwa.publish.manifest import damaged, load_all
from plantation_rwa.publish.report import summary
from plantation_rwa.run import ahead, attest, chips, load_inputs, screening, walk
from plantation_rwa.run.backfill import run_backfill
from plantation_rwa.run.progress import Silent
from plantation_rwa.run.session import table_hash
from plantation_rwa.testing import bare_portfolio, edit_config
from tests.conftest import ROOT, tree
from tests.run.test_backfill import Kept

DATES = (dt.date(2026, 4, 30), dt.date(2026, 5, 31))
RANGE = ("--from", "2026-04", "--to", "2026-05")
#: the instants are tried in so many tests, each of a few minutes
PIECES = 5
#: seed of the instants at which backfills are killed
CHANCE = 20260815


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plantations, one with scenes, and nothing that takes long."""
    made = bare_portfolio(tmp_path_factory.mktemp("crash") / "world", seed=5, imagery_plantations=1, settlement_days=60)
    return edit_config(made.config, {"valuation.paths": 100})


@pytest.fixture(scope="module")
def recorded(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], dict[str, str]]:
    """Copies of the output at every instant of a backfill whose process is over, and what it left in the end."""
    place = tmp_path_factory.mktemp("recorded")
    command = [sys.executable, "-m", "tests.faults.recorder", str(place / "out"), str(place / "copies")]
    done = subprocess.run([*command, "backfill", str(config), *RANGE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((place / "copies").iterdir()), tree(place / "out")


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed from the same inputs is computed once for all tests; what is read and written is not."""
    for owner, name, key in (
        (walk._Walk, "_compute", lambda w, stage: (w.session.as_of, stage, tuple(sorted(w._needed(stage).items())))),
        (ahead, "compute_imagery", lambda units, *_: tuple(u.at for u in units)),
        (walk, "feature_rows", lambda s, work, _: (s.as_of, *((p.table, p.partition, p.todo) for p in work.plans))),
        (chips, "chip_rows", lambda s, scenes, parts, **_: (s.as_of, *sorted(p.output.sha256 for p in parts))),
        (screening, "screening_tables", lambda s, parts: (s.as_of, *sorted(p.output.sha256 for p in parts))),
        (attest, "record_rows", lambda s, tables: (s.as_of, *(table_hash(t) for _, t in sorted(tables.items())))),
        (summary, "render_summary", lambda data: hashlib.sha256(pickle.dumps(data)).digest()),
    ):
        monkeypatch.setattr(owner, name, once(getattr(owner, name), key))


_KEPT: dict[Any, Any] = {}


def once(function: Any, key_of: Any) -> Any:
    def made(*given: Any, **named: Any) -> Any:
        key = (function.__qualname__, key_of(*given, **named))
        if key not in _KEPT:
            result = function(*given, **named)
            _KEPT[key] = list(result) if inspect.isgenerator(result) else result
        return _KEPT[key]

    return made


def assert_readable(out: Path) -> None:
    """Whatever a manifest names is there whole; merged copies can be read, each of one date."""
    for manifest in load_all(out):
        assert damaged(out, manifest.outputs) == []
    for name in LATEST_TABLES:
        path = out / "latest" / f"{name}.parquet"
        if path.exists():
            assert len(read_part(path)) > 0


def mended(config: Path, copies: list[Path], whole: dict[str, str]) -> None:
    settings = load_config(config)
    inputs = load_inputs(settings)
    for copy in copies:
        assert_readable(copy)
        found = run_backfill(
            with_out(settings, str(copy)), inputs, DATES, work=Runner().map, progress=Silent(), course=Kept()
        )
        assert found.failures == []
        assert tree(copy) == whole, copy.name
        assert [p.relative_to(copy).as_posix() for p in copy.rglob(".*")] == [], copy.name


@pytest.mark.slow
def test_a_kill_at_some_instants_is_mended(
    config: Path, recorded: tuple[list[Path], dict[str, str]], remembered: None
) -> None:
    copies, whole = recorded
    assert len(copies) > 3 * len(whole), "before, in and after each file's way to its place"
    chosen = random.Random(CHANCE).sample(range(len(copies)), 10)
    mended(config, [copies[n] for n in sorted(chosen)], whole)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
def test_a_kill_at_any_instant_is_mended(
    config: Path,
    recorded: tuple[list[Path], dict[str, str]],
    remembered: None,
    piece: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copies, whole = recorded
    mended(config, copies[piece::PIECES], whole)
    with capsys.disabled():
        print(f"\n  {len(copies[piece::PIECES])} of {len(copies)} instants, {len(whole)} files")


def killed(config: Path, out: Path, instants: int, dates: tuple[str, ...]) -> int:
    """Kill a backfill again and again, each time later; how often it was still running."""
    chance, running = random.Random(CHANCE), 0
    for _ in range(instants):
        command = [sys.executable, "-m", "plantation_rwa", "backfill", str(config), *dates, "--out", str(out)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before, until = len(list(out.rglob("*"))), time.monotonic() + 120
        steps = chance.randrange(1, 12)  # files and folders that come or go until the kill
        while child.poll() is None and abs(len(list(out.rglob("*"))) - before) < steps and time.monotonic() < until:
            time.sleep(0.002)
        running += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert_readable(out)
    return running


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("instants", "months"), [(3, "2026-05"), pytest.param(20, "2026-06", marks=pytest.mark.long)])
def test_a_backfill_killed_again_and_again_ends_like_one_that_was_not(
    config: Path, tmp_path: Path, instants: int, months: str, recorded: tuple[list[Path], dict[str, str]]
) -> None:
    dates = ("--from", "2026-04" if instants == 3 else "2026-01", "--to", months)
    out, whole = tmp_path / "out", tmp_path / "whole"
    out.mkdir()
    assert killed(config, out, instants, dates) >= instants / 2
    for folder in (out, whole):
        command = [sys.executable, "-m", "plantation_rwa", "backfill", str(config), *dates, "--out", str(folder)]
        if folder == out or instants > 3:
            subprocess.run(command, check=True, capture_output=True)
    assert tree(out) == (tree(whole) if instants > 3 else recorded[1])
    assert list(out.rglob(".*")) == []
