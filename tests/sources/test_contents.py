"""Scenes of a catalog that lies in an object store: those of a local copy, and their files are looked at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Scene
from plantation_rwa.sources.contents import contents_of
from tests.object_store import BUCKET, S3, moody
from tests.sources.stac_factory import collection, item, scenes, write

pytestmark = pytest.mark.server
IN = f"s3://{BUCKET}/in"
KEYS = ("B02", "B04", "B08", "SCL")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scenes and an older version of the first: small files, one larger than two edges, one that is not there."""
    made = tmp_path / "world"
    old, new = (item(n, properties={"s2:processing_baseline": b}) for n, b in (("old", "02.14"), ("new", "05.11")))
    for key, asset in old["assets"].items():
        asset["href"] = f"./old/{key}.tif"
    later = item("later", day="2024-03-10")
    write(made / "items.json", collection(old, new, later))
    for n, place in enumerate(("old", ".", "2024-03-10")):
        (made / place).mkdir(exist_ok=True)
        for m, key in enumerate(KEYS):
            (made / place / f"{key}.tif").write_bytes(bytes([n, m]) * (100_000 if key == "B08" else 400))
    (made / "2024-03-10" / "B02.tif").unlink()
    (made / "SCL.tif").unlink()  # so the older version, which is whole, counts
    return made


def told(found: list[Scene]) -> list[tuple[str, str, list[bool]]]:
    """What tells scenes apart, with their older versions and which files are missing."""
    return [(v.id, v.fingerprint, [v.assets[k].absent for k in KEYS]) for s in found for v in s.versions]


def test_a_store_that_errs_gives_the_scenes_of_a_local_copy(s3: S3, folder: Path, tmp_path: Path) -> None:
    s3.put_folder(folder, "in/")
    here = told(scenes(str(folder / "items.json")))
    assert [(name, absent) for name, _, absent in here] == [
        ("old", [False] * 4),
        ("new", [False, False, False, True]),
        ("later", [True, False, False, False]),
    ]
    for chance in range(7, 10):
        s3.mood = moody(chance, 0.3)
        assert told(scenes(f"{IN}/items.json")) == here
        shutil.rmtree(tmp_path / "cache")
    assert {"refused", "lost", "broken"} <= set(s3.faults)


def test_files_are_looked_at_again_only_where_their_tag_changed(s3: S3, folder: Path) -> None:
    s3.put_folder(folder, "in/")
    asked: list[str] = []
    s3.mood = lambda _, __, path: asked.append(path.partition("?")[0]) or "well"  # type: ignore[func-returns-value]
    place = f"{IN}/items.json"
    before = told(scenes(place))
    assert sum(path.endswith("/in/2024-03-10/B08.tif") for path in asked) == 2  # head and tail
    asked.clear()
    assert told(scenes(place)) == before
    assert [path for path in asked if path.endswith(".tif")] == []
    inner = bytearray((folder / "old" / "B04.tif").read_bytes())
    inner[-1] ^= 1
    s3.fill({"old/B04.tif": bytes(inner)}, "in/")
    asked.clear()
    after = told(scenes(place))
    assert [path for path in asked if path.endswith(".tif")] == [f"/{BUCKET}/in/old/B04.tif"]
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, True, True]
    (folder / "old" / "B04.tif").write_bytes(inner)
    assert after == told(scenes(str(folder / "items.json")))


def test_what_was_kept_may_be_lost_or_broken(s3: S3, folder: Path, tmp_path: Path) -> None:
    s3.put_folder(folder, "in/")
    before = told(scenes(f"{IN}/items.json"))
    for file in (tmp_path / "cache" / "contents").iterdir():
        file.write_text('{"in/B02.tif": 3')
    assert told(scenes(f"{IN}/items.json")) == before
    shutil.rmtree(tmp_path / "cache")
    assert told(scenes(f"{IN}/items.json")) == before


def test_patterns_and_folders_of_an_address(s3: S3, folder: Path) -> None:
    s3.put_folder(folder, "in/")
    here = told(scenes(str(folder / "items.json")))
    assert told(scenes(f"{IN}/ite*.json")) == here
    with pytest.raises(SourceError, match=r"none\*.json: no such object .*Check the address"):
        scenes(f"{IN}/none*.json")


def test_a_store_that_refuses_is_named(s3: S3, folder: Path) -> None:
    s3.put_folder(folder, "in/")
    s3.mood = lambda _, __, path: "refused" if "list-type" in path else "well"
    with pytest.raises(SourceError, match=r"its files cannot be looked at .*s3://test-bucket.*500"):
        contents_of([f"{IN}/B02.tif"])


def test_a_file_that_an_item_gives_a_whole_address_is_told_by_its_item(s3: S3, folder: Path) -> None:
    there = item("archived", href=f"{IN}/{{key}}.tif")
    write(folder / "items.json", collection(there))
    one = told(scenes(str(folder / "items.json")))
    s3.put_folder(folder, "in/")
    assert told(scenes(f"{IN}/items.json")) == one
