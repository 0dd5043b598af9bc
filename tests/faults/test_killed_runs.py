"""Runs that are killed, or that write to one folder at once: the next run leaves what an undisturbed one leaves."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from plantation_rwa.publish.files import SharedFolder, remove_stale, write_atomically, write_text_atomically
from plantation_rwa.publish.manifest import damaged, load
from plantation_rwa.testing import edit_config
from tests.conftest import AS_OF, run_world, tree

#: seed of the instants at which runs are killed
INSTANTS = 20
SECONDS_TO_START = 120.0


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, as the command line starts it."""
    command = [sys.executable, "-m", "plantation_rwa", "run", str(config), "--as-of", AS_OF.isoformat()]
    return subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def files_in(out: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(out))


def kill_after(config: Path, out: Path, files: int) -> bool:
    """Kill a run as soon as its folder holds so many files; False if it had ended before."""
    child = start(config, out)
    end = time.monotonic() + SECONDS_TO_START
    while child.poll() is None and files_in(out) < files:
        assert time.monotonic() < end
        time.sleep(0.002)
    running = child.poll() is None
    child.kill()
    child.communicate()
    return running


def temporaries(out: Path) -> list[str]:
    return sorted(p.relative_to(out).as_posix() for p in out.rglob(".*"))


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_like_one_that_was_not(
    small_world: Path, small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "out", tree(small_run)
    # in every stage: among the features, and where forecasts, values, merged copies and the manifest are written
    last = range(len(whole) - 12, len(whole))
    chance = random.Random(INSTANTS)
    instants = [*sorted(chance.sample(range(1, len(whole) - 12), 2)), *sorted(chance.sample(last, 2))]
    killed = [kill_after(small_world / "config.yaml", out, n) for n in instants]
    before = tree(out)
    with capsys.disabled():
        print(f"\n  killed at {instants} of {len(whole)} files, {killed}; left hidden: {temporaries(out)}")
    assert sum(killed) >= 2
    assert before != whole
    unfinished = load(out, AS_OF.isoformat())
    assert unfinished is None or damaged(out, unfinished.outputs) == []
    run_world(small_world / "config.yaml", out)
    assert tree(out) == whole
    assert temporaries(out) == []


def test_what_a_killed_run_left_is_not_counted_beside_the_next_ones_results(light_world: Path, tmp_path: Path) -> None:
    """Parts without a manifest, a half-written file and merged copies of a run that never finished are gone."""
    out, clean = tmp_path / "out", tmp_path / "clean"
    run_world(light_world, out)
    for path in (out / "manifests").iterdir():
        path.unlink()
    (out / "latest" / "valuations.parquet").unlink()
    orphans = [p for t in ("valuations", "cash_flows") for p in (out / t).rglob("*.parquet")]
    half = out / "valuations" / f"as_of={AS_OF}" / left_by(dead_process())
    half.write_bytes(b"PAR1")
    edit_config(light_world, {"seed": 99})
    run_world(light_world, out)
    run_world(light_world, clean)
    assert [p for p in [*orphans, half] if p.exists()] == []
    assert tree(out) == tree(clean)


def test_parts_of_other_dates_and_of_a_run_under_way_stay(light_world: Path, tmp_path: Path) -> None:
    """Cleaning up looks at the run's own date only, and waits until nobody else uses the folder."""
    out = tmp_path / "out"
    early = run_world(light_world, out, dt.date(2026, 4, 30)).manifest
    assert early is not None
    assert len(early.outputs) > 10
    foreign = out / "valuations" / f"as_of={AS_OF}" / "part-000000000000.parquet"
    with SharedFolder(out):
        run_world(light_world, out)
        foreign.write_bytes(b"PAR1")
        run_world(light_world, out)
        assert foreign.exists()
    run_world(light_world, out)
    assert not foreign.exists()
    assert damaged(out, early.outputs) == []


def test_of_the_runs_that_share_a_folder_the_last_to_leave_knows(tmp_path: Path) -> None:
    with SharedFolder(tmp_path / "new") as first:
        with SharedFolder(tmp_path / "new") as second, SharedFolder(tmp_path / "new") as third:
            assert not second.last()
            assert not third.last()
        assert first.last()
    assert not (tmp_path / "new").exists()  # nothing was written


def test_of_runs_that_end_at_the_same_moment_one_is_the_last(tmp_path: Path) -> None:
    with SharedFolder(tmp_path) as first, SharedFolder(tmp_path) as second:
        assert [first.last(), second.last()] == [False, True]


def test_no_run_begins_while_the_last_one_clears_up(tmp_path: Path) -> None:
    begun = threading.Event()

    def begin() -> None:
        with SharedFolder(tmp_path):
            begun.set()

    with SharedFolder(tmp_path) as folder:
        assert folder.last()
        later = threading.Thread(target=begin)
        later.start()
        assert not begun.wait(0.3)
    later.join(10)
    assert begun.is_set()


def dead_process() -> int:
    """Id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def left_by(process: int) -> str:
    """Name of a temporary file of this machine's writer, with another process id."""
    name: list[str] = []

    def spy(path: Path) -> int | None:
        name.append(path.name)
        path.write_bytes(b"x")
        return None

    with TemporaryDirectory() as folder:
        write_atomically(Path(folder) / "part-1.parquet", spy)
    return name[0].replace(f".{os.getpid()}.", f".{process}.")


def test_only_stale_temporaries_are_removed(tmp_path: Path) -> None:
    dead, alive = dead_process(), os.getpid()
    folder = tmp_path / "features" / "month=2026-01"
    folder.mkdir(parents=True)
    stale = folder / left_by(dead)
    living = folder / left_by(alive)
    elsewhere, long_ago = (folder / left_by(dead).replace(left_by(dead).split(".")[3], h) for h in ("0" * 8, "1" * 8))
    others = [folder / ".hidden", folder / f"part-1.{dead}.tmp", tmp_path / ".git.tmp"]
    for path in (stale, living, elsewhere, long_ago, *others):
        path.write_bytes(b"x")
    os.utime(long_ago, (time.time() - 90_000, time.time() - 90_000))
    assert remove_stale(tmp_path) == sorted([stale, long_ago])
    assert [p for p in (living, elsewhere, *others) if not p.exists()] == []
    assert remove_stale(tmp_path / "nowhere") == []


def test_a_written_file_leaves_no_temporary(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a" / "manifest.json", "{}")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["manifest.json"]


@pytest.mark.slow
def test_two_runs_at_once_leave_one_consistent_result(small_world: Path, small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    children = [start(small_world / "config.yaml", out) for _ in range(2)]
    ended = [child.communicate(timeout=300)[0].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0], "\n".join(ended)
    assert tree(out) == tree(small_run)
    manifest = load(out, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(out, manifest.outputs) == []


@pytest.mark.long
@pytest.mark.slow
def test_two_different_runs_at_once_leave_the_result_of_one_of_them(
    world_copy: Path, small_world: Path, small_run: Path, tmp_path: Path
) -> None:
    """Whichever publishes last stands whole; a further run of it finds every file as its manifest says."""
    other = edit_config(world_copy / "config.yaml", {"seed": 99, "valuation.paths": 500})
    out = tmp_path / "out"
    children = [start(small_world / "config.yaml", out), start(other, out)]
    ended = [child.communicate(timeout=300)[0].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0], "\n".join(ended)
    manifest = load(out, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(out, manifest.outputs) == []
    named = {o.path for o in manifest.outputs}
    assert {p.relative_to(out).as_posix() for p in out.glob(f"*/as_of={AS_OF}/part-*.parquet")} <= named
    run_world(small_world / "config.yaml", out)
    assert tree(out) == tree(small_run)
