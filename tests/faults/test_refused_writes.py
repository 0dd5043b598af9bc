"""Output folders that the operating system refuses: exit 2 with the cause and the remedy, no traceback."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command
from plantation_rwa.publish.manifest import damaged, load
from tests.conftest import AS_OF, tree

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def without_override() -> None:
    """Give up root's right to pass over file modes, for the program that is started next; others have none."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "capability cannot be dropped")


def run(config: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "plantation_rwa", "run", str(config), "--as-of", AS_OF.isoformat()]
    return subprocess.run(
        [*command, "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=without_override,
        check=False,
    )


def on_small_disk(size: str, config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run into a file system of a size that only the run sees, and list what it left there behind the output."""
    script = (
        'mount -t tmpfs -o size="$1" none "$2" && shift && out="$1" && shift && '
        '"$@" --out "$out"; code=$?; find "$out" -type f; exit $code'
    )
    command = [sys.executable, "-m", "plantation_rwa", "run", str(config), "--as-of", AS_OF.isoformat()]
    words = ["unshare", "--mount", "sh", "-c", script, "sh", size, str(out), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def bare(small_world: Path, tmp_path: Path) -> Path:
    """A configuration of the small world's register alone, so that runs are short."""
    config = tmp_path / "config.yaml"
    register = next(small_world.glob("register.*"))
    config.write_text(f"portfolio: {{register: {register}}}\nmarket: {{}}\n", "utf-8")
    return config


def test_a_read_only_folder_is_named_with_cause_and_remedy(bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "locked"
    out.mkdir()
    out.chmod(0o555)
    done = run(bare, out, "--stage", "features")
    out.chmod(0o755)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{out}/" in done.stderr
    assert "cannot be written (Permission denied). Check rights, free space" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert list(out.iterdir()) == []


def test_an_output_that_is_a_file_is_named(bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    out.write_text("mine", "utf-8")
    done = run(bare, out, "--stage", "features")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "is a file (got results). Give a folder" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert out.read_text("utf-8") == "mine"


def test_published_files_that_may_not_be_read_are_named(bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_command(["run", str(bare), "--as-of", str(AS_OF), "--stage", "features", "--out", str(out)]) == 0
    manifest = out / "manifests" / f"as_of={AS_OF}.json"
    manifest.chmod(0o000)
    done = run(bare, out, "--stage", "features")
    manifest.chmod(0o644)
    assert done.returncode == 2, done.stdout + done.stderr
    assert manifest.name in done.stderr
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_that_becomes_read_only_keeps_what_was_published(bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_command(["run", str(bare), "--as-of", str(AS_OF), "--stage", "features", "--out", str(out)]) == 0
    before = tree(out)
    folders = [out, *(p for p in out.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    done = run(bare, out, "--stage", "features", "--force")
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert tree(out) == before
    manifest = load(out, AS_OF.isoformat())
    assert manifest is not None
    assert damaged(out, manifest.outputs) == []


def test_merged_copies_that_could_not_be_written_are_written_by_the_next_run(bare: Path, tmp_path: Path) -> None:
    """They come before the manifest: a run that fails at them has published nothing and is done again."""
    out = tmp_path / "out"
    (out / "latest").mkdir(parents=True)
    (out / "latest").chmod(0o555)
    done = run(bare, out, "--stage", "features")
    (out / "latest").chmod(0o755)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "latest/features.parquet: cannot be written (Permission denied)" in done.stderr
    assert not list((out / "manifests").iterdir())
    assert not list(out.rglob("part-*")), "no run takes parts that no manifest names"
    again = ["run", str(bare), "--as-of", str(AS_OF), "--stage", "features", "--out"]
    assert [run_command([*again, str(o)]) for o in (out, tmp_path / "clean")] == [0, 0]
    assert (out / "latest" / "features.parquet").exists()
    assert tree(out) == tree(tmp_path / "clean")


@pytest.mark.parametrize("size", ["40k", "300k"])
def test_a_full_disk_is_named_and_nothing_is_half_published(
    bare: Path, tmp_path: Path, size: str, requires: Callable[..., None]
) -> None:
    """At the first file, and when half of them are written: no file of any kind stays, cause and remedy are told."""
    requires("unshare", "--mount", "true")  # a file system of its own needs the right to mount one
    out = tmp_path / "out"
    out.mkdir()
    done = on_small_disk(size, bare, out)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written (No space left on device). Check rights, free space" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    left = [line for line in done.stdout.splitlines() if line.startswith(f"{out}/")]
    assert left == [], "what was made before the disk was full is taken back"
