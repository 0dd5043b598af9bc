"""What is asked of a file before a library opens it: files made to fill the memory, to run for hours, to reach others.

Limits are those of the section ``limits`` of the assumptions; each is far beyond what honest files hold.
"""

from __future__ import annotations

import re
import sqlite3
import struct
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import SourceError

#: first bytes of a Shapefile and of an SQLite file
_SHAPEFILE, _SQLITE = struct.pack(">i", 9994), b"SQLite format 3\x00"
_GEOPACKAGE_TABLES = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys")
#: edges of an outline that are asked how many others they meet
_SAMPLE = 200
_LEVEL = re.compile("GEOMETRYCOLLECTION|MULTI|CURVE|COMPOUND", re.IGNORECASE)
#: schemes under which a band of a scene may lie
_SCHEMES = ("http", "https", "s3", "gs", "az", "abfs", "abfss", "file")


def limit(name: str) -> int:
    """A limit of the assumptions."""
    return int(packaged().number(f"limits.{name}"))


def wkb_fault(data: bytes) -> str:
    """Why WKB must not be decoded, empty if it may: GEOS follows nested collections until its stack is full."""
    most = limit("nesting_max")
    try:
        return f"nests collections more than {most} deep" if _depth(data, most) > most else ""
    except (struct.error, IndexError, KeyError):
        return ""  # it ends early, or is none: GEOS says so at the same place


def _depth(data: bytes, most: int) -> int:
    """Deepest nesting of collections, read in the order of the bytes; stops beyond ``most``."""
    left, at, deepest = [1], 0, 0
    while left and deepest <= most:
        if left[-1] == 0:
            left.pop()
            continue
        left[-1] -= 1
        order = "<" if data[at] else ">"
        (code,) = struct.unpack_from(order + "I", data, at + 1)
        at += 9 if code & 0x20000000 else 5
        size = 8 * (2 + bool(code & 0x80000000) + bool(code & 0x40000000) + (0, 1, 1, 2)[code % 0x10000 // 1000 % 4])
        kind = code % 0x10000 % 1000
        if kind == 1:
            at += size
            continue
        (count,) = struct.unpack_from(order + "I", data, at)
        at += 4
        if kind == 2:
            at += count * size
        elif kind == 3:
            for _ in range(count):
                at += 4 + size * int(struct.unpack_from(order + "I", data, at)[0])
        elif 4 <= kind <= 7:
            left.append(count)
            deepest = max(deepest, len(left) - 1)
        else:
            raise KeyError(kind)
    return deepest


def wkt_fault(text: str) -> str:
    """Why WKT must not be decoded, empty if it may."""
    most = limit("nesting_max")
    # every level of nesting writes its kind once more; ten thousand parts side by side write it once
    deep = len(_LEVEL.findall(text)) > most
    return f"nests collections more than {most} deep" if deep else ""


def outline_fault(geometry: BaseGeometry) -> str:
    """Why an outline is not looked at any further, empty if it is: too many vertices, or edges that all cross.

    The number of edges whose boxes meet is estimated from a sample of them; of a sound outline each meets its two
    neighbours and few more.
    """
    vertices, most = int(shapely.get_num_coordinates(geometry)), limit("vertices_max")
    if vertices > most:
        return f"has {vertices} vertices, more than {most}; simplify it"
    if edge_pairs(geometry) > limit("edge_pairs_max"):
        return "has edges that nearly all cross each other; draw it anew"
    return ""


def too_tangled(geometry: BaseGeometry) -> bool:
    """Whether an outline has more crossing edges than can be taken apart in a moment."""
    return edge_pairs(geometry) > limit("crossings_max")


def edge_pairs(geometry: BaseGeometry) -> float:
    """Estimated number of pairs of edges whose boxes meet, those that follow each other left out."""
    rings = shapely.get_rings(geometry)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    if not joined.any():
        return 0.0
    edges = shapely.linestrings(np.stack([points[:-1][joined], points[1:][joined]], axis=1))
    chosen = edges[:: max(1, len(edges) // _SAMPLE)]
    met = shapely.STRtree(edges).query(chosen).shape[1] / len(chosen)
    return float(max(0.0, met - 3.0) * len(edges) / 2)


def check_parquet(file: pq.ParquetFile, name: str, rows_max: int | None = None) -> None:
    """Refuse a Parquet file that says it holds more than memory does.

    Raises
    ------
    SourceError
        With what it says and the limit.
    """
    meta = file.metadata
    if rows_max is not None and meta.num_rows > rows_max:
        raise SourceError.of(name, f"says it has {meta.num_rows} rows, more than {rows_max}", "", "Split the file.")
    size = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
    # a value that repeats is stored once: each cell takes a byte at least when it is read
    size = max(size, meta.num_rows * meta.num_columns)
    most = limit("unpacked_bytes_max")
    if size > most:
        raise SourceError.of(name, f"unpacks to {size} bytes or more, the limit is {most}", "", "Split the file.")


def check_container(path: str, name: str) -> None:
    """Refuse a Shapefile or GeoPackage that is something else inside: GDAL opens files by content, not by name.

    XML, ZIP archives and texts that name other files never reach it so. A GeoPackage's tables must be tables: a view
    is a program that runs when it is read.

    Raises
    ------
    SourceError
        With what was found.
    """
    if "://" in path:
        raise SourceError.of(name, "is not a local file", "", "Download it first, or put it into an object store.")
    try:
        with open(path, "rb") as file:
            head = file.read(len(_SQLITE))
    except OSError as error:
        raise SourceError.of(name, "cannot be read", str(error.strerror or error), "Check the file.") from None
    if name.lower().endswith(".shp"):
        if not head.startswith(_SHAPEFILE):
            raise SourceError.of(name, "cannot be read: it is no Shapefile inside", _shown(head), "Write it again.")
        return
    if head != _SQLITE:
        raise SourceError.of(name, "cannot be read: it is no GeoPackage inside", _shown(head), "Write it again.")
    check_tables(name, _GEOPACKAGE_TABLES, geopackage_tables(path, name))


def check_tables(name: str, tables: Iterable[str], kinds: dict[str, tuple[str, str]]) -> None:
    """Refuse tables of a GeoPackage that are views or virtual."""
    for table in tables:
        kind, text = kinds.get(table.lower(), ("", ""))
        if kind != "table" or text.lstrip().upper().startswith("CREATE VIRTUAL"):
            told = f"has {'a ' + (kind or 'nothing')} where the table '{table}' should be"
            raise SourceError.of(name, told, "", "Save its rows as a table.")


def geopackage_tables(path: str, name: str) -> dict[str, tuple[str, str]]:
    """Kind and definition of everything in a GeoPackage by lower-case name."""
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
            rows = base.execute("SELECT name, type, sql FROM sqlite_master").fetchmany(10_000)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        told = "cannot be read: it is a damaged GeoPackage inside"
        raise SourceError.of(name, told, str(error), "Write it again.") from None
    return {str(n).lower(): (str(kind), str(text or "")) for n, kind, text in rows}


def unpacked(data: bytes, name: str) -> bytes:
    """A gzipped document, as far as the limit of JSON goes.

    Raises
    ------
    SourceError
        If it unpacks to more.
    zlib.error, EOFError
        If it is damaged.
    """
    most, out, rest = limit("json_bytes_max"), bytearray(), data
    while rest:
        reader = zlib.decompressobj(wbits=31)
        out += reader.decompress(rest, most + 1 - len(out))
        if len(out) > most:
            raise SourceError.of(name, f"unpacks to more than {most} bytes", "", "Split the document.")
        if not reader.eof:
            raise EOFError("the compressed document ends early")
        rest = reader.unused_data
    return bytes(out)


def href_fault(href: str, base: str) -> str:
    """Why an asset's href is not followed, empty if it is.

    A document from elsewhere names no file of this machine, one that this machine serves may; and no href is a path
    into one of GDAL's virtual file systems, which reach archives and other servers.
    """
    scheme = href.split("://", 1)[0].lower() if "://" in href else ""
    if "/vsi" in href.lower():
        return "href into a virtual file system is not followed"
    if scheme and scheme not in _SCHEMES:
        return f"href with the scheme '{scheme}' is not followed"
    if scheme == "file" and "://" in base and not _of_this_machine(base):
        return "a remote document names a file of this machine; not followed"
    return ""


def _of_this_machine(base: str) -> bool:
    parts = urlsplit(base.lower())
    return parts.scheme == "file" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def _shown(head: bytes) -> str:
    return f"it begins with {head[:8]!r}"
