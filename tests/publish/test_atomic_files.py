"""Files that are written whole or not at all, whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import write_atomically, write_text_atomically
from plantation_rwa.publish.geoparquet import read_part


def test_a_crash_while_writing_keeps_the_old_file_and_removes_the_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    write_text_atomically(target, "old")
    seen = []

    def crash(temporary: Path) -> None:
        temporary.write_text("half")
        seen.append(temporary)
        raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        write_atomically(target, crash)
    assert seen[0].parent == tmp_path
    assert seen[0].name.startswith(".")
    assert not seen[0].name.endswith(".txt")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match=r"file/x: cannot be written \((File exists|Not a directory)\)"):
        write_text_atomically(tmp_path / "file" / "x", "text")


def test_text_is_written_as_utf_8_with_its_hash(tmp_path: Path) -> None:
    file = write_text_atomically(tmp_path / "a" / "b.txt", "öl\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\xc3\xb6l\n"
    # sha256sum of those four bytes
    assert file.sha256 == "ac8150b766463f2b5f011584d671617e96339a5e054294e397eeac72c0892228"
    assert (file.bytes, file.rows) == (4, 0)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"none\.parquet: cannot be read"):
        read_part(tmp_path / "none.parquet")


def test_a_reader_of_the_old_file_is_not_disturbed_by_its_replacement(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    write_text_atomically(target, "old content")
    with target.open("rb", buffering=0) as reader:
        assert reader.read(3) == b"old"
        write_text_atomically(target, "new")
        assert reader.read() == b" content"
    assert target.read_text() == "new"
