"""Object stores (``s3://``, ``gs://``, ``az://``): objects read, listed, and written under a condition."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plantation_rwa.errors import PublishError

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
#: variables of the environment whose values stand in no message
_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
_ENDPOINT, _GDAL_ENDPOINT = "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT"
#: tries of the library on errors of a server and of the network, and for how long it goes on with one request
_RETRIES, _PATIENCE = 6, dt.timedelta(seconds=60)
#: a request of a large file takes long; a server that does not even listen is given up soon
_ANSWER, _CONNECT = dt.timedelta(minutes=10), dt.timedelta(seconds=10)
#: tries of what the library does not try again: writes under a condition, and answers that break off
_TRIES, _FIRST_S = 6, 0.2
_REMEDY = "Check the address, the credentials in the environment and the network; docs/operations.md names the settings"
#: what an error of the library stands for, and what helps against it
_MEANINGS = (
    ("NoSuchBucket", "there is no such bucket", "Check its name, and the address and region of the store"),
    (
        "InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|RequestTimeTooSkewed|status code: 401",
        "the credentials are not accepted",
        "Check those in the environment, and the clock of this machine",
    ),
    (
        "status code: 403|PermissionDenied",
        "access is refused",
        "Give the credentials the rights to list, read, write and delete there",
    ),
    ("dns error|failed to lookup", "nobody knows the name of its host", _REMEDY),
    ("Connection refused|ConnectionRefused", "nobody listens there", _REMEDY),
    ("certificate|InvalidCertificate", "its certificate is not accepted", _REMEDY),
    ("TimedOut|timed out", "no answer came in time", _REMEDY),
    ("status code: 5", "the server errs", f"Try again later. {_REMEDY}"),
)
_STATUS, _CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")


class StoreError(PublishError):
    """An object store refuses, or does not answer."""


class MissingObject(StoreError):
    """There is no such object."""


class ConditionFailed(StoreError):
    """The object is not what the writer took it for: somebody else has written it."""


@dataclass(frozen=True)
class Found:
    """An object in a listing; ``e_tag`` changes with its content."""

    e_tag: str
    bytes: int


def is_store(place: str) -> bool:
    """Whether a place is an address in an object store."""
    return "://" in place and place.split("://", 1)[0].lower() in SCHEMES


def bucket_of(place: str) -> tuple[str, str]:
    """Address of the bucket that an address lies in, and the path from there."""
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc}", place.split("://", 1)[1].partition("/")[2]


class Store:
    """The objects below an address.

    Access follows the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...); credentials stand in no message.

    Parameters
    ----------
    uri
        ``s3://bucket/folder`` and the like.

    Raises
    ------
    StoreError
        If the address is none.
    """

    def __init__(self, uri: str) -> None:
        from obstore.store import from_url

        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        if not parts.netloc:
            raise StoreError(f"{uri}: names no bucket. Write it as {parts.scheme}://bucket/folder.")
        endpoint = os.environ.get(_ENDPOINT, os.environ.get("AWS_ENDPOINT", ""))
        if endpoint and not endpoint.startswith(("http://", "https://")):  # the library panics
            raise StoreError(f"{_ENDPOINT}: {endpoint} is no address of a server. Write it as https://host:port.")
        plain = endpoint.startswith("http://")
        client: Any = {"timeout": _ANSWER, "connect_timeout": _CONNECT, **({"allow_http": True} if plain else {})}
        try:
            self._store: Any = from_url(
                self.uri,
                client_options=client,
                retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
            )
        except Exception as error:  # the library has one kind of error per store
            raise StoreError(f"{self.uri}: is no address of a store ({_told(error)[0]}). {_REMEDY}.") from None

    def list(self) -> dict[str, Found]:
        """Every object below the address, by its path from there, in order of the paths."""
        import obstore

        found = self._insist("", lambda: obstore.list(self._store).collect())
        return {o["path"]: Found(str(o["e_tag"]), int(o["size"])) for o in sorted(found, key=lambda o: o["path"])}

    def names(self, folder: str = "") -> dict[str, Found]:
        """Objects right below a folder of the address, none deeper, by name."""
        import obstore

        found = self._insist(folder, lambda: obstore.list_with_delimiter(self._store, folder or None))["objects"]
        return {o["path"].rsplit("/", 1)[-1]: Found(str(o["e_tag"]), int(o["size"])) for o in found}

    def probe(self) -> None:
        """Write an object, try to write over it under a condition that does not hold, and delete it.

        Raises
        ------
        StoreError
            If the store may not be written, or does not heed conditions: publications need both.
        """
        name = f".probe-{uuid.uuid4().hex}"
        self.put_if(name, b"1", None)
        try:
            self.put_if(name, b"2", None)
        except ConditionFailed:
            return
        finally:
            self.delete([name])
        raise StoreError(f"{self.uri}: the store does not heed conditional writes. Use one that does.")

    def read(self, path: str) -> tuple[bytes, str]:
        """Content of an object and its tag.

        Raises
        ------
        MissingObject
            If it is not there.
        """
        import obstore

        def get() -> tuple[bytes, str]:
            answer = obstore.get(self._store, path)
            return bytes(answer.bytes()), str(answer.meta["e_tag"])

        found: tuple[bytes, str] = self._insist(path, get)
        return found

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Bytes of an object from ``start`` to before ``end``, which is at most its size; raises as :meth:`read`."""
        import obstore

        if end <= start:
            return b""
        return bytes(self._insist(path, lambda: obstore.get_range(self._store, path, start=start, end=end)))

    def put(self, path: str, data: bytes | Path) -> str:
        """Write an object, whatever was there, and return its tag."""
        import obstore

        return str(self._insist(path, lambda: obstore.put(self._store, path, data)["e_tag"]))

    def put_if(self, path: str, data: bytes | Path, e_tag: str | None) -> str:
        """Write an object only where there is none (``e_tag`` None), or only over the one with a tag; its new tag.

        An answer that is lost says nothing of whether the object was written, so what stands there is looked at.

        Raises
        ------
        ConditionFailed
            If something else stands there.
        """
        import obstore

        mode: Any = "create" if e_tag is None else {"e_tag": e_tag}
        for tried in range(1, _TRIES + 1):
            try:
                return str(obstore.put(self._store, path, data, mode=mode, use_multipart=False)["e_tag"])
            except OSError as error:
                if isinstance(data, Path) and not data.is_file():
                    raise StoreError(f"{data}: cannot be read ({error.strerror or error}).") from None
                failed: Exception = error
            except Exception as error:  # the library has one kind of error per store
                failed = error
            wanted = data if isinstance(data, bytes) else data.read_bytes()
            there = self._there(path)
            if there is not None and there[0] == wanted:
                return there[1]
            if (there[1] if there else None) != e_tag:
                raise ConditionFailed(f"{self.uri}/{path}: was written by somebody else meanwhile. Run again.")
            if tried < _TRIES:
                _pause(tried)
        raise self._refused(path, failed)

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store, over whatever was there."""
        import obstore

        self._insist(target, lambda: obstore.copy(self._store, source, target))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; one that is not there is none."""
        import obstore

        names = sorted(set(paths))
        try:
            if names:
                self._insist("", lambda: obstore.delete(self._store, names))
        except MissingObject:  # stores that tell: which of the others are gone is not said
            for path in names:
                with contextlib.suppress(MissingObject):
                    self._insist(path, lambda path=path: obstore.delete(self._store, path))

    def _there(self, path: str) -> tuple[bytes, str] | None:
        try:
            return self.read(path)
        except MissingObject:
            return None

    def _insist(self, path: str, action: Any) -> Any:
        for tried in range(1, _TRIES + 1):
            try:
                return action()
            except FileNotFoundError as error:
                place = f"{self.uri}/{path}"
                raise MissingObject(f"{place}: is not there ({_told(error)[0]}). Check the address.") from None
            except Exception as error:  # the library has one kind of error per store
                if tried == _TRIES or _is_final(error):
                    raise self._refused(path, error) from None
            _pause(tried)
        raise AssertionError("unreachable")

    def _refused(self, path: str, error: Exception) -> StoreError:
        place = f"{self.uri}/{path}" if path else self.uri
        said, remedy = _told(error)
        return StoreError(f"{place}: the store refuses or does not answer ({said}). {remedy}.")


def read_object(uri: str) -> bytes:
    """Content of one object.

    Raises
    ------
    MissingObject, StoreError
        Naming it.
    """
    place, _, name = uri.rstrip("/").rpartition("/")
    return Store(place).read(name)[0]


def gdal_options() -> dict[str, str]:
    """Options that lead GDAL to the S3 store that the environment names, unless it has an address of its own there."""
    endpoint = os.environ.get(_ENDPOINT, "")
    if not endpoint or os.environ.get(_GDAL_ENDPOINT):
        return {}
    parts = urlsplit(endpoint)
    options = {_GDAL_ENDPOINT: parts.netloc, "AWS_VIRTUAL_HOSTING": "FALSE"}
    return options if parts.scheme == "https" else {**options, "AWS_HTTPS": "NO"}


def _is_final(error: Exception) -> bool:
    """Whether the library has tried as often as makes sense: the store answers, or nobody listens."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    text = str(error)
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or "after " in text or "NoSuchBucket" in text


def _told(error: Exception) -> tuple[str, str]:
    """What an error means and what to do, without what only programmers read and without credentials."""
    whole = str(error)
    text = " ".join(whole.split("\n\nDebug source")[0].split())
    for name in _SECRETS:
        value = os.environ.get(name, "")
        if len(value) > 3:
            text = text.replace(value, "***")
    status, code = _STATUS.search(text), _CODE.search(text)
    answer = " ".join(["HTTP", status[1], *([code[1]] if code else [])]) if status else ""
    for pattern, meaning, remedy in _MEANINGS:
        if re.search(pattern, whole):
            return f"{meaning}: {answer}" if answer else meaning, remedy
    return answer or text[:300] or type(error).__name__, _REMEDY


def _pause(tried: int) -> None:
    """Wait, each time twice as long, by chance shorter or longer: writers that met do not meet again."""
    time.sleep(_FIRST_S * 2.0 ** (tried - 1) * random.uniform(0.5, 1.5))
