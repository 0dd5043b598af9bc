"""Manifests and published files that may not be read, or were written by another program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.manifest import Manifest, Output, damaged, load, load_all, manifest_path, save, sha256_of

TEXT = b"rows"


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Output]:
    (tmp_path / "part.parquet").write_bytes(TEXT)
    digest = sha256_of(tmp_path / "part.parquet")
    output = Output("features", "features", "month=2026-05", "part.parquet", digest, len(TEXT), 1, "f")
    save(tmp_path, Manifest("2026-05-31", "p", False, {}, {}, {}, (output,)))
    return tmp_path, output


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, name: str) -> None:
    """Let the operating system refuse one method on files of a name, as it does where rights are missing."""
    real = getattr(Path, method)

    def closed(self: Path, *args: Any, **options: Any) -> Any:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **options)

    monkeypatch.setattr(Path, method, closed)


@pytest.mark.parametrize("method", ["open", "stat"])
def test_a_part_that_may_not_be_read_is_named_and_not_called_damaged(
    method: str, published: tuple[Path, Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, output = published
    assert damaged(root, [output]) == []
    refuse(monkeypatch, method, "part.parquet")
    with pytest.raises(PublishError) as refused:
        damaged(root, [output])
    assert str(refused.value) == f"{root}/part.parquet: cannot be read (Permission denied). Check rights."


def test_missing_and_changed_parts_are_damaged(published: tuple[Path, Output]) -> None:
    root, output = published
    (root / "part.parquet").write_bytes(b"other")
    below = replace(output, path="part.parquet/deeper.parquet")
    assert damaged(root, [output, replace(output, path="none.parquet"), below]) == [
        "part.parquet: differs from its manifest",
        "none.parquet: missing",
        "part.parquet/deeper.parquet: missing",
    ]


def test_a_manifest_that_may_not_be_read_is_named(
    published: tuple[Path, Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = published
    refuse(monkeypatch, "read_text", "as_of=2026-05-31.json")
    with pytest.raises(PublishError) as refused:
        load(root, "2026-05-31")
    assert str(refused.value).endswith("as_of=2026-05-31.json: cannot be read (Permission denied). Check rights.")


@pytest.mark.parametrize(
    ("version", "told"),
    [
        *(
            (
                version,
                f"contract_version is no text (got {version}), as no manifest has it that this program knows. "
                "Put back a copy of it, or use the program that wrote it.",
            )
            for version in (1, 99, None)
        ),
        (
            "99",
            "written for contract version '99', this program knows '1'. "
            "Use the program that wrote it, or another output folder.",
        ),
    ],
)
def test_a_manifest_of_another_contract_version(version: object, told: str, published: tuple[Path, Output]) -> None:
    path = manifest_path(published[0], "2026-05-31")
    path.write_text(json.dumps({**json.loads(path.read_text()), "contract_version": version}))
    with pytest.raises(PublishError) as refused:
        load_all(published[0])
    assert str(refused.value) == f"as_of=2026-05-31.json: {told}"
