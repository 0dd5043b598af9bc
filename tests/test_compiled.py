"""Machine code kept on disk is never older than what it was made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

_INNER = """
from plantation_rwa.compiled import compiled

@compiled
def inner(x):
    return x + {}
"""
_OUTER = """
from inlined.inner import inner
from plantation_rwa.compiled import compiled

@compiled
def outer(x):
    return 10 * inner(x)
"""


def outer_of_one(folder: Path) -> tuple[int, int]:
    """What another process computes, and how much of it came from the disk."""
    code = "from inlined.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": f"{folder}:{ROOT}", "HOME": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    value, hits = done.stdout.split()
    return int(value), int(hits)


def test_a_function_called_from_another_file_is_taken_as_it_is_now(tmp_path: Path) -> None:
    package = tmp_path / "inlined"
    package.mkdir()
    for name, text in (("__init__", ""), ("inner", _INNER.format(1)), ("outer", _OUTER)):
        (package / f"{name}.py").write_text(text, "utf-8")
    assert outer_of_one(tmp_path) == (20, 0)
    assert outer_of_one(tmp_path) == (20, 1), "kept on disk"
    (package / "inner.py").write_text(_INNER.format(2), "utf-8")
    assert outer_of_one(tmp_path) == (30, 0)
    assert outer_of_one(tmp_path) == (30, 1)


@pytest.mark.parametrize("note", [None, b"of other sources", b"\xff damaged"])
def test_code_of_unknown_origin_is_made_anew(tmp_path: Path, note: bytes | None) -> None:
    from plantation_rwa.compiled import _renew

    index, other = tmp_path / "outer.nbi", tmp_path / "outer.cpython-311.pyc"
    index.write_bytes(b"old")
    other.write_bytes(b"bytecode")
    if note is not None:
        (tmp_path / "compiled-from.txt").write_bytes(note)
    _renew(str(tmp_path), "these")
    assert not index.exists()
    assert other.exists()
    assert (tmp_path / "compiled-from.txt").read_text("utf-8") == "these"
