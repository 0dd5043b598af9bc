"""STAC items in the styles of the providers, and a small STAC API, for tests of imagery sources."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from plantation_rwa.config import ImageryConfig
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import ImagerySource, Quarantine, Scene
from plantation_rwa.sources.stac import open_source

RING = [[112.0, -2.3], [112.1, -2.3], [112.1, -2.2], [112.0, -2.2], [112.0, -2.3]]
BOX = (112.0, -2.3, 112.1, -2.2)
DAY = "2024-03-05"


def item(
    name: str = "S2A_X",
    *,
    day: str = DAY,
    keys: str = "B02 B04 B08 SCL",
    href: str = "",
    **changes: Any,
) -> dict[str, Any]:
    """An item; ``properties=`` adds properties (None removes one), other keywords replace top-level members.

    Files lie beside the item, those of another day in a folder of it: one file is of one acquisition.
    """
    href = href or ("./{key}.tif" if day == DAY else "./{day}/{key}.tif")
    properties: dict[str, Any] = {
        "datetime": f"{day}T03:10:00Z",
        "created": f"{day}T12:00:00Z",
        "platform": "sentinel-2a",
        "eo:cloud_cover": 20.0,
        "s2:processing_baseline": "05.11",
        "s2:product_type": "S2MSI2A",
        "s2:datatake_id": f"GS2A_{day.replace('-', '')}T031000_012345_N05.11",
        "grid:code": "MGRS-49MDT",
    }
    properties |= changes.pop("properties", {})
    made = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "bbox": [112.0, -2.3, 112.1, -2.2],
        "properties": {k: v for k, v in properties.items() if v is not None},
        "links": [],
        "assets": {key: {"href": href.format(key=key, day=day)} for key in keys.split()},
    }
    return {**made, **changes}


def collection(*items: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items)}


def write(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def source(*places: str, quarantine: Quarantine | None = None, **options: Any) -> ImagerySource:
    config = ImageryConfig(source=list(places), **options)
    return open_source(config, quarantine if quarantine is not None else Quarantine())


def scenes(*places: str, quarantine: Quarantine | None = None, **options: Any) -> list[Scene]:
    """All scenes of the sources, whatever the place and year."""
    found = source(*places, quarantine=quarantine, **options)
    return found.scenes((-180.0, -90.0, 180.0, 90.0), Month(2010, 1), Month(2040, 1))


class Api:
    """A STAC API that serves its items in pages; ``searches`` keeps the bodies asked for."""

    def __init__(self, items: list[dict[str, Any]], page: int, status: int = 200) -> None:
        self.items, self.page, self.status, self.searches = items, page, status, []
        self.url = ""

    def root(self) -> dict[str, Any]:
        conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
        links = [
            {"rel": "self", "href": self.url},
            {"rel": "root", "href": self.url},
            {"rel": "search", "href": f"{self.url}search", "type": "application/geo+json", "method": "POST"},
        ]
        return {
            "type": "Catalog",
            "id": "api",
            "stac_version": "1.0.0",
            "description": "",
            "conformsTo": conforms,
            "links": links,
        }

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        self.searches.append(body)
        start = int(body.get("token", 0))
        answer = collection(*self.items[start : start + self.page])
        if start + self.page < len(self.items):
            # the next page repeats the last item, as catalogs do while they grow
            following = {**body, "token": start + self.page - (1 if self.page > 1 else 0)}
            link = {"rel": "next", "href": f"{self.url}search", "method": "POST", "body": following, "merge": False}
            answer["links"] = [link]
        return answer


@contextmanager
def serve(api: Api) -> Iterator[str]:
    """Serve an API on the loopback interface; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _send(self, document: Any, status: int = 200) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._send(api.root())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(api.search(body) if api.status == 200 else {"code": "broken"}, api.status)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield api.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_catalog(root: Path, items: list[dict[str, Any]]) -> str:
    """catalog.json -> sub/collection.json -> sub/items/<id>.json, with relative links."""
    links = [{"rel": "item", "href": f"./items/{i['id']}.json"} for i in items]
    for entry in items:
        write(root / "sub" / "items" / f"{entry['id']}.json", entry)
    links += [{"rel": "parent", "href": "../catalog.json"}, {"rel": "root", "href": "../catalog.json"}]
    write(root / "sub" / "collection.json", {"type": "Collection", "id": "c", "links": links})
    children = [{"rel": "child", "href": "./sub/collection.json"}, {"rel": "self", "href": "./catalog.json"}]
    return write(root / "catalog.json", {"type": "Catalog", "id": "r", "links": children})
