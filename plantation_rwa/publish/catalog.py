"""``catalog/``: the published tables as a static STAC collection, one item per table and valuation date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.folder_page import readme
from plantation_rwa.publish.manifest import Manifest
from plantation_rwa.schema.dictionary import dictionary_markdown
from plantation_rwa.schema.fields import PARTITION_FIELDS
from plantation_rwa.schema.tables import TABLES, Table

STAC_VERSION = "1.1.0"
TABLE_EXTENSION = "https://stac-extensions.github.io/table/v1.2.0/schema.json"
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PARQUET, JSON, MARKDOWN = "application/vnd.apache.parquet", "application/json", "text/markdown"
#: name of multihash for SHA-256 and its length, which stand before the digest (file extension)
_SHA256 = "1220"

Box = tuple[float, float, float, float]


def write_catalog(root: Path, manifest: Manifest, others: Iterable[Manifest], box: Box) -> None:
    """Write the items of a date, the collection of all dates, the data dictionary and a page for people.

    A date's items change with its manifest and its portfolio only. The collection names the items of all dates that
    are there; the same dates give the same bytes, in whatever order they were published.

    Parameters
    ----------
    root
        Output folder.
    manifest
        Of the date; may be about to be written.
    others
        Of the dates published before.
    box
        West, south, east, north of the date's portfolio, degrees.
    """
    for table in _tables(manifest):
        write_text_atomically(root / "catalog" / _place(manifest, table), _text(item(manifest, table, box)))
    dated = sorted([manifest, *(m for m in others if m.as_of != manifest.as_of)], key=lambda m: m.as_of)
    places = [place for m in dated for t in _tables(m) if (root / "catalog" / (place := _place(m, t))).is_file()]
    write_text_atomically(root / "catalog" / "data-dictionary.md", dictionary_markdown())
    write_text_atomically(
        root / "catalog" / "collection.json", _text(collection(dated, places, _around(root / "catalog", places)))
    )
    write_text_atomically(root / "README.md", readme(dated))


def item(manifest: Manifest, table: Table, box: Box) -> dict[str, Any]:
    """One table of one date as a STAC item: columns with type, unit and meaning, its files with their hashes."""
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    outputs = sorted(manifest.tables(table.name), key=lambda o: o.path)
    properties: dict[str, Any] = {
        "title": f"{table.name}, as of {manifest.as_of}" + _simulated(manifest),
        "description": table.description,
        "datetime": f"{manifest.as_of}T23:59:59Z",
        "simulated": manifest.simulated,
        "table:columns": list(_columns(table)),
        "table:row_count": sum(o.rows for o in outputs),
    }
    if table.has_geometry:
        properties["table:primary_geometry"] = "geometry"
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [TABLE_EXTENSION, FILE_EXTENSION],
        "id": f"{table.name}-{manifest.as_of}",
        "collection": "plantation-rwa",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(box),
        "properties": properties,
        "links": [
            {"rel": rel, "href": "../../collection.json", "type": JSON} for rel in ("root", "parent", "collection")
        ],
        "assets": {
            f"part-{n:04d}": {
                "href": f"../../../{output.path}",
                "type": PARQUET,
                "title": output.partition,
                "roles": ["data"],
                "table:row_count": output.rows,
                "file:size": output.bytes,
                "file:checksum": _SHA256 + output.sha256,
            }
            for n, output in enumerate(outputs)
        },
    }


def collection(dated: Sequence[Manifest], items: Iterable[str], box: Box) -> dict[str, Any]:
    """The collection of all dates; ``items`` are places of the items beside it."""
    newest = dated[-1]
    interval = [f"{m.as_of}T23:59:59Z" for m in (dated[0], newest)]
    links = [{"rel": "root", "href": "./collection.json", "type": JSON}]
    links += [{"rel": "item", "href": f"./{place}", "type": "application/geo+json"} for place in items]
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": "plantation-rwa",
        "title": newest.portfolio + _simulated(newest),
        "description": "Yield forecasts of plantations and values of rights to their revenue, by valuation date.",
        "license": "other",
        "keywords": ["oil palm", "yield forecast", "revenue right", *(["simulated"] if newest.simulated else [])],
        "extent": {"spatial": {"bbox": [list(box)]}, "temporal": {"interval": [interval]}},
        "links": links,
        "assets": {
            "data-dictionary": {
                "href": "./data-dictionary.md",
                "type": MARKDOWN,
                "title": "Unit and meaning of every column",
                "roles": ["metadata"],
            }
        },
    }


def _place(manifest: Manifest, table: Table) -> str:
    return f"items/as_of={manifest.as_of}/{table.name}.json"


def _around(folder: Path, places: Iterable[str]) -> Box:
    """The box that holds those of all items."""
    west, south, east, north = zip(*(json.loads((folder / p).read_text("utf-8"))["bbox"] for p in places), strict=True)
    return min(west), min(south), max(east), max(north)


def _tables(manifest: Manifest) -> list[Table]:
    return [TABLES[name] for name in sorted({o.table for o in manifest.outputs}) if name in TABLES]


def _columns(table: Table) -> Iterable[dict[str, str]]:
    for key in table.partitions:
        yield {"name": key, "type": "text", "description": f"{PARTITION_FIELDS[key].description} (from the path)"}
    for field in table.fields:
        unit = f" [{field.unit}]" if field.unit else ""
        yield {"name": field.name, "type": field.kind, "description": f"{field.description}{unit}"}


def _simulated(manifest: Manifest) -> str:
    return " (SIMULATED DATA)" if manifest.simulated else ""


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
