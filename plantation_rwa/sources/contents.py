"""What tells the content of a scene's files from another's: their size, head and tail, wherever they lie.

Files of an object store count as local ones do, so that a copy of a catalog gives the same scenes in both places. A
request lists each folder; what was found of a file is kept in the user's cache for as long as its tag stands.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from plantation_rwa.caches import cache_folder, write_whole
from plantation_rwa.errors import SourceError
from plantation_rwa.stores import Found, Store, StoreError, bucket_of, is_store

_EDGE_BYTES = 65536
#: requests under way at a time: each waits, mostly
_AT_ONCE = 8


def contents_of(places: Iterable[str]) -> dict[str, str]:
    """Hash of size, head and tail of files, by place; a file that is not there, or may not be read, has none.

    Parameters
    ----------
    places
        Local paths, and addresses in object stores.

    Raises
    ------
    SourceError
        If an object store does not answer, or does not let its folders be listed.
    """
    found: dict[str, str] = {}
    folders: dict[tuple[str, str], list[str]] = {}
    for place in dict.fromkeys(places):
        if not is_store(place):
            if told := _of_file(place):
                found[place] = told
            continue
        bucket, path = bucket_of(place)
        folders.setdefault((bucket, path.rpartition("/")[0]), []).append(path)
    try:
        stores = {bucket: Store(bucket) for bucket, _ in folders}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            of_folders = pool.map(lambda at: _of_folder(stores[at[0]], at[1], folders[at]), folders)
            for (bucket, _), held in zip(folders, of_folders, strict=True):
                found |= {f"{bucket}/{path}": content for path, content in held.items()}
    except StoreError as error:
        raise SourceError.of("imagery.source", "its files cannot be looked at", str(error), "See the text.") from None
    return found


def _of_file(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            edges = stream.read(_EDGE_BYTES)
            if size > _EDGE_BYTES:
                stream.seek(max(_EDGE_BYTES, size - _EDGE_BYTES))
                edges += stream.read(_EDGE_BYTES)
    except OSError:
        return ""
    return _hash(size, edges)


def _of_folder(store: Store, folder: str, paths: Iterable[str]) -> dict[str, str]:
    """Hashes of files right below a folder of a store."""
    there, kept = store.names(folder), _Kept(store, folder)
    for path in paths:
        held = there.get(path.rpartition("/")[2])
        if held is not None:
            kept.of(path, held)
    return kept.keep()


class _Kept:
    """Hashes of a folder's files, with the tags they belong to, in the user's cache."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._found = store, dict[str, tuple[str, str]]()
        base, name = cache_folder(), hashlib.sha256(f"{store.uri}/{folder}".encode()).hexdigest()[:16]
        self._file = None if base is None else base / "contents" / f"{name}.json"
        self._old: Mapping[str, list[str]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError):  # there is none, or another program wrote it
            self._old = {} if self._file is None else dict(json.loads(self._file.read_text("utf-8")))

    def of(self, path: str, held: Found) -> None:
        """Find the hash of a file out, from the cache if that is of its tag."""
        tag, content = self._old.get(path, ["", ""])
        if tag != held.e_tag:
            head = self._store.read_range(path, 0, min(held.bytes, _EDGE_BYTES))
            start = max(_EDGE_BYTES, held.bytes - _EDGE_BYTES)
            content = _hash(held.bytes, head + self._store.read_range(path, start, held.bytes))
        self._found[path] = held.e_tag, content

    def keep(self) -> dict[str, str]:
        """Hash by path, written to the cache where that lacks one."""
        wanted = {path: list(both) for path, both in sorted(self._found.items())}
        if self._file is not None and wanted != self._old:
            write_whole(self._file, json.dumps(wanted, indent=1).encode())
        return {path: content for path, (_, content) in self._found.items()}


def _hash(size: int, edges: bytes) -> str:
    return hashlib.sha256(f"{size}:".encode() + edges).hexdigest()
