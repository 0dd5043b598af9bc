"""Canonical JSON and the hashes over it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import rfc8785
from Crypto.Hash import keccak as _keccak
from shapely.geometry.base import BaseGeometry

#: largest integer that every JSON reader keeps exact; greater ones are written as text (RFC 7493)
LARGEST = 2**53 - 1
_BYTES32 = re.compile(r"0x[0-9a-fA-F]{64}")


def keccak256(data: bytes) -> bytes:
    """Keccak-256 of Ethereum, which is not the SHA3-256 of FIPS 202."""
    return bytes(_keccak.new(digest_bits=256, data=data).digest())


def hex_of(data: bytes) -> str:
    """``0x`` and lower-case hexadecimal digits."""
    return "0x" + data.hex()


def bytes32(text: Any) -> bytes:
    """32 bytes from ``0x`` and 64 hexadecimal digits.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not isinstance(text, str) or not _BYTES32.fullmatch(text):
        raise ValueError(f"{text!r} is not 32 bytes; write 0x and 64 hexadecimal digits")
    return bytes.fromhex(text[2:])


def canonical(value: Any) -> bytes:
    """JSON of RFC 8785: texts, integers up to :data:`LARGEST`, lists and mappings of them, and nothing else.

    Raises
    ------
    ValueError
        For a float, a boolean, a null or a greater integer, naming where it stands.
    """
    _check(value, "")
    return bytes(rfc8785.dumps(value))


def sha256_hex(data: bytes) -> str:
    """SHA-256 as ``0x`` text."""
    return hex_of(hashlib.sha256(data).digest())


def hash_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return sha256_hex(canonical(value))


def cell_text(value: Any) -> str | None:
    """A table cell as text that does not depend on how the table is held; None if it is empty.

    Floats as the shortest text that reads back the same, whole numbers without a point, instants in UTC.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else _number_text(float(value))
    if isinstance(value, BaseGeometry):
        return None if value.is_empty else str(value.wkb.hex())
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        instant = pd.Timestamp(value)
        bare = instant if instant.tzinfo is None else instant.tz_convert("UTC").tz_localize(None)
        return str(bare.isoformat())
    return str(value)


def _number_text(value: float) -> str:
    return str(int(value)) if abs(value) < LARGEST and value.is_integer() else repr(value)


def row_texts(row: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a row that hold something, as texts; bookkeeping columns (``_...``) are left out."""
    cells = {str(k): cell_text(v) for k, v in row.items() if not str(k).startswith("_")}
    return {k: v for k, v in cells.items() if v is not None and v != ""}


def row_hash(row: Mapping[str, Any]) -> str:
    """Hash of a row's texts: :func:`hash_of` of :func:`row_texts`.

    Texts under ASCII names need no more of RFC 8785 than the standard library writes, in a tenth of the time.
    """
    text = json.dumps(row_texts(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_hex(text.encode())


def rows_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """Hash of a set of rows, whatever their order; a repeated row counts as often as it stands."""
    return list_hash(row_hash(row) for row in rows)


def list_hash(hashes: Iterable[str]) -> str:
    """Hash of a collection of hashes, whatever their order."""
    return sha256_hex("".join(sorted(hashes)).encode())


def frame_hash(frame: pd.DataFrame) -> str:
    """:func:`rows_hash` of a table."""
    columns = [str(c) for c in frame.columns]
    cells = [frame[c].tolist() for c in columns]
    return rows_hash(dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))


def _check(value: Any, where: str) -> None:
    if isinstance(value, str):
        return
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > LARGEST:
            raise ValueError(f"{where or 'value'}: {value} is too large for JSON; write it as text")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{where or 'value'}: key {key!r} is no text")
            _check(item, f"{where}.{key}" if where else key)
        return
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            _check(item, f"{where}[{i}]")
        return
    raise ValueError(f"{where or 'value'}: {value!r} is neither text nor integer")
