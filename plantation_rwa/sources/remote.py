"""Documents and files from elsewhere: read whole, or fetched into the user's cache for programs that want files."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from plantation_rwa.caches import cache_folder, write_whole
from plantation_rwa.errors import SourceError
from plantation_rwa.stores import Found, MissingObject, Store, StoreError, is_store, read_object

#: files that belong to one of another ending
_BESIDE = {".shp": (".dbf", ".shx", ".prj", ".cpg")}
#: a folder that is one input
_FOLDERS = (".zarr",)


def get(url: str) -> bytes:
    """Content of a URL.

    Raises
    ------
    requests.RequestException
        If a web server does not give it.
    StoreError
        If an object store does not.
    """
    if is_store(url):
        return read_object(url)
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    with requests.Session() as session:
        session.mount(
            "https://", HTTPAdapter(max_retries=Retry(4, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504]))
        )
        answer = session.get(url, timeout=60)
        answer.raise_for_status()
        return bytes(answer.content)


def local_files(paths: Sequence[str] | None) -> list[str] | None:
    """The paths with what lies in object stores fetched: the same content is fetched once.

    A pattern (``*``, ``?``) in the last part of an address stands for every object there that it matches.

    Raises
    ------
    SourceError
        If an object is not there, or its store does not answer.
    """
    if paths is None:
        return None
    return [file for path in paths for file in (_fetched(path) if is_store(path) else [path])]


def addresses(places: Sequence[str]) -> list[str]:
    """The places with patterns in the last part of an address in a store replaced by the objects that they match.

    Raises
    ------
    SourceError
        If there is none, or the store does not answer.
    """
    found: list[str] = []
    for uri in places:
        place, _, name = uri.rpartition("/")
        matches = is_store(uri) and glob.has_magic(name)
        found += [f"{place}/{n}" for n in _matching(place, name)] if matches else [uri]
    return list(dict.fromkeys(found))


def require_object(uri: str) -> None:
    """Raise :class:`SourceError` if a store has nothing that an address names, or does not answer."""
    place, _, name = uri.rpartition("/")
    if uri.rstrip("/").endswith(_FOLDERS):
        place, name = uri.rstrip("/"), "*"
    _matching(place, name or "catalog.json")


def _matching(place: str, name: str) -> list[str]:
    """Names of the objects of a folder that a name or pattern stands for."""
    try:
        there = sorted(Store(place).names())
    except StoreError as error:
        raise SourceError.of(name, "cannot be read", str(error), "See the text before.") from None
    names = [n for n in there if n == name or fnmatch.fnmatchcase(n, name)]
    if not names:
        raise SourceError.of(name, "no such object", f"{place}/{name}", "Check the address.")
    return names


def _fetched(uri: str) -> list[str]:
    place, _, name = uri.rstrip("/").rpartition("/")
    base = (cache_folder() or Path(tempfile.gettempdir()) / "plantation-rwa") / "inputs"
    try:
        if name.endswith(_FOLDERS):
            store = Store(f"{place}/{name}")
            tags = {path: found.e_tag for path, found in store.list().items()}
            folder = base / _short(uri, *(f"{p} {t}" for p, t in tags.items())) / name
            for path in tags:
                _fetch(store, path, folder / path)
            found = [folder] if tags else []
        else:
            store = Store(place)
            there = store.names()
            names = [n for n in sorted(there) if n == name or fnmatch.fnmatchcase(n, name)]
            found = [_with_beside(store, base, place, n, there) for n in names]
    except MissingObject:
        found = []
    except StoreError as error:
        raise SourceError.of(name, "cannot be read", str(error), "See the text before.") from None
    if not found:
        raise SourceError.of(name, "no such object", uri, "Check the address.")
    return [str(file) for file in found]


def _with_beside(store: Store, base: Path, place: str, name: str, there: Mapping[str, Found]) -> Path:
    """Fetch a file and what belongs to it into one folder, named after address and content."""
    stem, _, ending = name.rpartition(".")
    names = [name, *(n for e in _BESIDE.get(f".{ending.lower()}", ()) if (n := f"{stem}{e}") in there)]
    folder = base / _short(place, *(f"{n} {there[n].e_tag}" for n in names))
    for one in names:
        _fetch(store, one, folder / one)
    return folder / name


def _fetch(store: Store, path: str, target: Path) -> None:
    if not target.is_file():
        write_whole(target, store.read(path)[0])


def _short(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
