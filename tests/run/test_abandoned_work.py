"""Working folders of ``run --only`` that a killed run left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from plantation_rwa.publish.files import host_mark
from plantation_rwa.run.partial import remove_abandoned, working_folder


def ended_process() -> int:
    """Number of a process that has just ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_folders_of_ended_processes_go_and_all_others_stay(tmp_path: Path) -> None:
    ended = ended_process()
    gone = [tmp_path / "partial" / f".work-{host_mark()}-{ended}", tmp_path / "partial" / f".work-{ended}"]
    stay = [
        working_folder(tmp_path),
        tmp_path / "partial" / f".work-{os.getpid()}",
        tmp_path / "partial" / f".work-00000000-{ended}",
        tmp_path / "partial" / ".work-mine",
        tmp_path / "partial" / "features",
    ]
    for folder in (*gone, *stay):
        (folder / "features" / "month=2026-05").mkdir(parents=True)
        (folder / "features" / "month=2026-05" / "part.parquet").write_bytes(b"x")
    assert remove_abandoned(tmp_path) == sorted(gone)
    assert sorted(p.name for p in (tmp_path / "partial").iterdir()) == sorted(p.name for p in stay)
    assert all((p / "features" / "month=2026-05" / "part.parquet").exists() for p in stay)


def test_there_may_be_no_such_folder(tmp_path: Path) -> None:
    assert remove_abandoned(tmp_path) == []


def test_the_working_folder_is_this_process_on_this_machine(tmp_path: Path) -> None:
    assert working_folder(tmp_path) == tmp_path / "partial" / f".work-{host_mark()}-{os.getpid()}"
