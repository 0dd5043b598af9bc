"""The record of a right: what is hashed, proved and signed of its value, in texts and integers only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plantation_rwa.attest.hashing import bytes32, canonical, cell_text, hex_of, keccak256
from plantation_rwa.schema.fields import FIELDS
from plantation_rwa.units import minor_units

RECORD_VERSION = 1
#: columns of ``valuations`` that a record carries as they are: texts, and integers that fit JSON
_TEXTS = ("currency", "confidence_grade", "quality_flag")
_SMALL = ("decimals", "unit_decimals", "tenor_months", "fv_level", "data_age_days_max")
#: integers that may not: written as text
_LARGE = ("nav_total_int", "unit_nav_int", "units")
_FRACTIONS = ("share", "overlap_max_frac")
_QUANTILES = (5, 10, 50, 90, 95)


@dataclass(frozen=True)
class Limits:
    """When a value is published as indicative only.

    Parameters
    ----------
    data_age_days
        Greatest age of the oldest of the newest data.
    breaker_bps
        Greatest move against the value published last, in basis points of that value.
    stale_flags
        Codes of ``quality_flag`` that make a value stale.
    """

    data_age_days: int
    breaker_bps: int
    stale_flags: frozenset[str]


@dataclass(frozen=True)
class Sources:
    """Hashes of what a record rests on.

    Parameters
    ----------
    inputs
        Hash of the inputs of this right.
    model
        Hash of the fitted models and the code.
    configuration
        Hash of the resolved configuration.
    """

    inputs: str
    model: str
    configuration: str


def record_key(plantation_id: str, right_id: str, as_of: str) -> str:
    """``plantation_id|right_id|as_of``; a bar within an id is written ``%7C``, a percent sign ``%25``."""
    return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in (plantation_id, right_id, as_of))


def key_hash(key: str) -> str:
    """Keccak-256 of a record key."""
    return hex_of(keccak256(key.encode()))


def salt_of(key: str, secret: bytes | None) -> str:
    """HMAC-SHA256 of a record key under the issuer's secret; without one under the empty key, which anybody can."""
    return hex_of(hmac.new(secret or b"", key.encode(), hashlib.sha256).digest())


def record_hash(record: Mapping[str, Any], salt: str) -> str:
    """Keccak-256 of the 32 bytes of the salt and the canonical JSON of the record.

    Without the salt nobody can find out a record by trying values against its hash.
    """
    return hex_of(keccak256(bytes32(salt) + canonical(record)))


def build_record(
    row: Mapping[str, Any], as_of: str, portfolio: str, sources: Sources, limits: Limits, *, salted: bool
) -> dict[str, Any]:
    """The record of one row of ``valuations``.

    Parameters
    ----------
    row
        Finalised cells of the row, the steps of the bridge among them.
    as_of
        Valuation date, YYYY-MM-DD.
    salted
        Whether the salt needs the issuer's secret.

    Returns
    -------
    dict
        Texts and integers; a figure that is not known is absent. Amounts are in minor units, rounded down.
    """
    reasons = status_reasons(row, limits)
    record: dict[str, Any] = {
        "record_version": RECORD_VERSION,
        "portfolio": portfolio,
        "plantation_id": str(row["plantation_id"]),
        "right_id": str(row["right_id"]),
        "as_of": as_of,
        "eudr_screen": cell_text(row.get("eudr_screen")) or "not_checked",
        "status": "indicative" if reasons else "current",
        "status_reasons": ";".join(reasons),
        "inputs_hash": sources.inputs,
        "model_hash": sources.model,
        "configuration_hash": sources.configuration,
        "salt": "issuer" if salted else "public",
    }
    record |= {name: cell_text(row.get(name)) or "" for name in _TEXTS}
    found: dict[str, Any] = {name: _whole(row.get(name)) for name in _SMALL}
    found |= {name: cell_text(_whole(row.get(name))) for name in _LARGE}
    found |= {name: _fixed(row.get(name), name) for name in _FRACTIONS}
    decimals = int(row["decimals"])
    for q in _QUANTILES:
        value = cell_text(row.get(f"npv_q{q:02d}"))
        found[f"nav_q{q:02d}_int"] = None if value is None else str(minor_units(float(value), decimals))
    return record | {name: value for name, value in found.items() if value is not None}


def status_reasons(row: Mapping[str, Any], limits: Limits) -> list[str]:
    """Why a value is indicative only: ``no_value``, ``data_age``, codes that say stale, ``jump``; empty if it is not.

    A jump is a move of more than the limit against the value published last (step ``opening`` of the bridge).
    """
    value, age = _whole(row.get("nav_total_int")), _whole(row.get("data_age_days_max"))
    reasons = [] if value is not None else ["no_value"]
    if age is not None and age > limits.data_age_days:
        reasons.append("data_age")
    reasons += sorted(limits.stale_flags & set((cell_text(row.get("quality_flag")) or "").split(";")))
    opening = _whole(row.get("bridge_opening"))
    if value is not None and opening and abs(value - opening) * 10_000 > limits.breaker_bps * abs(opening):
        reasons.append("jump")
    return reasons


def _whole(value: Any) -> int | None:
    text = cell_text(value)
    return None if text is None else int(text)


def _fixed(value: Any, name: str) -> str | None:
    text = cell_text(value)
    return None if text is None else f"{float(text):.{FIELDS[name].decimals}f}"
