"""Worlds and helpers shared by the tests that run the whole pipeline."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from plantation_rwa.caches import VARIABLE
from plantation_rwa.config import load_config
from plantation_rwa.executor import Runner
from plantation_rwa.run import STAGES, RunReport, load_inputs, open_session, run_date
from plantation_rwa.testing import edit_config
from tests.object_store import S3, moto

# as the command line does for itself: one level of parallelism, work units outside
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# nothing of a test is kept in the cache folder of who runs it
os.environ.setdefault(VARIABLE, "")

# how long an example takes says something about the machine, not about the code; the continuous run tries the same
# examples on every machine, `--hypothesis-profile explore` (make test-full) draws new ones
settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("house")

ROOT = Path(__file__).parents[1]
AS_OF = dt.date(2026, 5, 31)


#: files that take longest, so that they begin first and none of them is left to one worker at the end
LONGEST = (
    "tests/test_wheel.py", "tests/acceptance/test_forecast_skill.py", "tests/acceptance/test_ghosts.py",
    "tests/cli/test_backtest.py", "tests/run/test_backfill.py", "tests/faults/test_crash_points.py",
    "tests/faults/test_killed_runs.py", "tests/faults/test_runs_at_once.py", "tests/pipelines/test_deployments.py",
    "tests/mutations/test_mutations.py", "tests/run/test_walk.py", "tests/run/test_point_in_time.py",
    "tests/attest/test_record_inputs.py", "tests/attest/test_replay.py", "tests/run/test_dask_cluster.py",
    "tests/run/test_scene_history.py", "tests/acceptance/test_real_pixels_run.py", "tests/acceptance/test_truth.py",
    "tests/acceptance/test_recovery.py", "tests/acceptance/test_imagery_ablation.py", "tests/run/test_screening.py",
    "tests/faults/test_refused_writes.py", "tests/properties/test_row_order.py", "tests/properties/test_input_order.py",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Workers take files in the order of :data:`LONGEST`, not those with the most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest first, the others as they are."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(LONGEST)))


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def run_world(
    config: Path,
    out: Path,
    as_of: dt.date = AS_OF,
    *,
    runner: str = "threads",
    stages: tuple[str, ...] = STAGES,
    force: bool = False,
    workers: int = 2,
) -> RunReport:
    """Run one date of a configuration into ``out``."""
    settings = load_config(config)
    publish = settings.publish.model_copy(update={"out": str(out)})
    settings = settings.model_copy(update={"publish": publish})
    session = open_session(settings, load_inputs(settings), as_of, force=force)
    chosen = Runner.parse(runner, workers, settings.compute.memory_limit)
    return run_date(session, stages=stages, work=chosen.map)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated portfolio of four plantations, one with scenes; do not write into it."""
    from plantation_rwa.simulate.portfolio import simulate

    folder = tmp_path_factory.mktemp("world") / "small"
    simulate(
        folder,
        seed=7,
        plantations=4,
        months=6,
        imagery_plantations=1,
        climate_years=4,
        settlement_days=60,
        sensor_months=6,
    )
    return folder


@pytest.fixture
def world_copy(small_world: Path, tmp_path: Path) -> Path:
    """A copy of the small world that a test may spoil."""
    return Path(shutil.copytree(small_world, tmp_path / "world"))


LIGHT = {"imagery": None, "climate": None, "sensors": None, "harvest": None, "valuation.paths": 100}


@pytest.fixture
def light_world(world_copy: Path) -> Path:
    """A configuration of the small world that is valued in two seconds: register and market alone."""
    return edit_config(world_copy / "config.yaml", LIGHT)


@pytest.fixture(scope="session")
def light_run(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world valued from register and market alone, checked in a fifth of the time; do not write into it."""
    world = Path(shutil.copytree(small_world, tmp_path_factory.mktemp("light") / "world"))
    run_world(edit_config(world / "config.yaml", LIGHT), world.parent / "out")
    return world.parent / "out"


@pytest.fixture
def light_copy(light_run: Path, tmp_path: Path) -> Path:
    """A copy of the light run that a test may spoil."""
    return Path(shutil.copytree(light_run, tmp_path / "out"))


@pytest.fixture(scope="session")
def small_run(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world valued once; do not write into it."""
    out = tmp_path_factory.mktemp("out") / "small"
    run_world(small_world / "config.yaml", out)
    return out


@pytest.fixture
def run_copy(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the small run that a test may spoil."""
    return Path(shutil.copytree(small_run, tmp_path / "out"))


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3-compatible server on loopback."""
    with moto(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture
def s3(store_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3]:
    """A bucket that the environment leads to, and a cache of the test's own."""
    with S3(store_server) as bucket:
        for name, value in bucket.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
        yield bucket


@pytest.fixture
def requires() -> Callable[..., None]:
    """Skip a test whose program is not there, or fails with arguments; with ``REQUIRE_ALL=1`` that is a failure."""

    def check(program: str, *arguments: str) -> None:
        missing = shutil.which(program) is None
        if missing or (arguments and subprocess.run([program, *arguments], capture_output=True).returncode != 0):
            reason = f"needs {' '.join([program, *arguments])}, which {'is not installed' if missing else 'fails here'}"
            (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(reason)

    return check


Run = Callable[..., RunReport]
