"""The catalog: valid STAC without a network, true to files and dictionary, the same whatever the order of dates."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pystac
import pytest
from jsonschema import Draft7Validator

from plantation_rwa.publish.folder_page import readme
from plantation_rwa.publish.manifest import load, sha256_of
from plantation_rwa.schema.tables import TABLES
from tests.conftest import AS_OF, run_world, tree

SCHEMAS = Path(__file__).parents[1] / "schemas"


@pytest.fixture(scope="module")
def collection(small_run: Path) -> pystac.Collection:
    return pystac.Collection.from_file(str(small_run / "catalog" / "collection.json"))


def items(collection: pystac.Collection) -> list[pystac.Item]:
    return list(collection.get_items())


def core_is_valid(document: dict[str, Any]) -> None:
    """Against the schemas that pystac brings; extensions are checked apart, theirs lie on the network."""
    pystac.validation.validate_dict({**document, "stac_extensions": []})


def test_collection_and_items_are_valid_stac(small_run: Path, collection: pystac.Collection) -> None:
    extensions = [
        Draft7Validator(json.loads((SCHEMAS / f"stac-{name}.json").read_text("utf-8")))
        for name in ("table-1.2.0", "file-2.1.0")
    ]
    core_is_valid(json.loads((small_run / "catalog" / "collection.json").read_text("utf-8")))
    for path in sorted((small_run / "catalog" / "items").rglob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        core_is_valid(document)
        assert [list(extension.iter_errors(document)) for extension in extensions] == [[], []], path.name
    nameless = {**document, "properties": {**document["properties"], "table:columns": [{"type": "text"}]}}
    assert list(extensions[0].iter_errors(nameless)), "the schema of tables wants a name of every column"


def test_every_published_table_has_an_item_whose_files_are_there(
    small_run: Path, collection: pystac.Collection
) -> None:
    manifest = load(small_run, AS_OF.isoformat())
    assert manifest is not None
    published = {o.path: o for o in manifest.outputs if o.table in TABLES}
    found = {}
    for item in items(collection):
        for asset in item.assets.values():
            path = Path(asset.get_absolute_href() or "").resolve()
            output = published[path.relative_to(small_run.resolve()).as_posix()]
            assert asset.extra_fields["file:checksum"] == "1220" + sha256_of(path)
            assert asset.extra_fields["file:size"] == path.stat().st_size
            found[output.path] = asset.extra_fields["table:row_count"]
        assert item.properties["table:row_count"] == sum(
            o.rows for o in published.values() if item.id == f"{o.table}-{AS_OF}"
        )
    assert found == {path: o.rows for path, o in published.items()}


def test_no_column_lacks_a_meaning_or_a_unit(collection: pystac.Collection) -> None:
    for item in items(collection):
        name = item.id.removesuffix(f"-{AS_OF}")
        columns = {c["name"]: c for c in item.properties["table:columns"]}
        spec = TABLES[name]
        assert list(columns) == [*spec.partitions, *spec.columns]
        for field in spec.fields:
            assert columns[field.name]["description"].startswith(field.description)
            assert field.description
            if field.kind == "float":
                assert field.unit, f"{name}.{field.name} has no unit"
                assert f"[{field.unit}]" in columns[field.name]["description"]


def test_simulated_data_says_so(small_run: Path, collection: pystac.Collection) -> None:
    assert str(collection.title).endswith("(SIMULATED DATA)")
    assert all(
        "(SIMULATED DATA)" in str(i.properties["title"]) and i.properties["simulated"] for i in items(collection)
    )
    assert "SIMULATED DATA" in (small_run / "README.md").read_text("utf-8")


def test_the_page_names_only_what_is_there(small_run: Path) -> None:
    manifest = load(small_run, AS_OF.isoformat())
    assert manifest is not None
    page = readme([manifest])
    assert page == (small_run / "README.md").read_text("utf-8")
    assert (small_run / f"reports/as_of={AS_OF}/index.html").is_file()
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert rows == sorted({o.table for o in manifest.outputs} & set(TABLES))
    places = [p for p in re.findall(r"`([\w./=-]+/[\w./=-]*)`", page) if "=DATE" not in p]
    assert len(places) >= 7
    assert [p for p in places if not (small_run / p).exists()] == []
    asked = re.findall(r"^\| [A-Z].*\? \| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE)
    assert {table for table, _ in asked} <= set(rows)
    for table, told in asked:
        for column in re.findall(r"`([a-z0-9_]+\*?)`", told):
            known = [c for c in TABLES[table].columns if c == column or ("*" in column and c.startswith(column[:-1]))]
            assert known, (table, column)


def test_the_code_of_the_page_runs_where_it_lies(
    small_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_run)
    page = Path("README.md").read_text("utf-8")
    exec("\n".join(line[6:] for line in page.splitlines() if line.startswith("      ")), {})
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_page_of_a_folder_with_less_names_less(small_run: Path) -> None:
    manifest = load(small_run, AS_OF.isoformat())
    assert manifest is not None
    page = readme([manifest.with_outputs(manifest.tables("features"))])
    for absent in ("reports/", "memos", "attestations/", "valuations` |", "expires"):
        assert absent not in page
    assert "`features`" in page


def test_a_lost_catalog_is_made_again_to_the_same_bytes(small_world: Path, run_copy: Path) -> None:
    before = tree(run_copy)
    shutil.rmtree(run_copy / "catalog")
    (run_copy / "README.md").unlink()
    run_world(small_world / "config.yaml", run_copy)
    assert tree(run_copy) == before
