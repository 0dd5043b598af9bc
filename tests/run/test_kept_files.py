"""Covered pixels kept from run to run: the same rows with, without, and with damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantation_rwa.caches import VARIABLE
from plantation_rwa.run.imagery import compute_imagery
from plantation_rwa.run.kept_files import KeptFiles
from tests.features.scene_factory import RULES, MemoryReader
from tests.run.test_imagery_batches import here, portfolio


def test_kept_pixels_change_no_row_and_damaged_ones_are_computed_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = MemoryReader()
    monkeypatch.setattr("plantation_rwa.run.imagery.RasterReader", lambda: reader)
    computed: list[int] = []
    from plantation_rwa.features.engine import shares

    whole = shares.coverages

    def counted(geometries, grid):  # type: ignore[no-untyped-def]
        computed.append(len(geometries))
        return whole(geometries, grid)

    monkeypatch.setattr(shares, "coverages", counted)
    units = portfolio(reader, 3)

    def rows() -> dict[object, str]:
        found = compute_imagery(units, [], RULES, here, lambda _: None)
        assert found.errors == {}
        return {k: repr(v) for k, v in found.rows.items()}

    monkeypatch.setenv(VARIABLE, "")
    plain = rows()
    assert sum(computed) == 3  # a plantation and its block have one outline here
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert rows() == plain
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    assert len(files) == 3
    computed.clear()
    assert rows() == plain
    assert sum(computed) == 0
    files[0].write_bytes(files[0].read_bytes()[:-3])
    files[1].write_bytes(b"COV2" + bytes(20))
    computed.clear()
    assert rows() == plain
    assert sum(computed) == 2
    computed.clear()
    assert rows() == plain
    assert sum(computed) == 0


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    store = KeptFiles(tmp_path / "file" / "coverage")
    store.put("abc", b"x")
    assert store.get("abc") is None


def test_the_folder_is_the_users_unless_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = KeptFiles.of_user("coverage")
    assert store is not None
    store.put("abc", b"x")
    assert (tmp_path / "plantation-rwa" / "coverage" / "ab" / "abc").read_bytes() == b"x"
