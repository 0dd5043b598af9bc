"""Manual adjustments as signed rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plantation_rwa.attest import eip712

TYPE = "Overlay"
TYPES: eip712.Types = {
    TYPE: (
        ("plantationId", "string"),
        ("rightId", "string"),
        ("amountMinor", "int256"),
        ("currency", "string"),
        ("author", "string"),
        ("reason", "string"),
        ("validFrom", "string"),
        ("expires", "string"),
    )
}


def overlay_digest(domain: Mapping[str, Any], row: Mapping[str, Any]) -> bytes:
    """EIP-712 digest of an adjustment, which its author signs.

    Parameters
    ----------
    domain
        That of the portfolio's attestations.
    row
        ``plantation_id, right_id, amount_minor, currency, author, reason, valid_from, expires``; dates YYYY-MM-DD.
    """
    return eip712.digest(domain, TYPE, overlay_message(row), TYPES)


def overlay_message(row: Mapping[str, Any]) -> dict[str, Any]:
    """The typed message of an adjustment."""
    return {
        "plantationId": str(row["plantation_id"]),
        "rightId": str(row["right_id"]),
        "amountMinor": str(int(row["amount_minor"])),
        "currency": str(row["currency"]),
        "author": str(row["author"]),
        "reason": str(row["reason"]),
        "validFrom": str(row["valid_from"])[:10],
        "expires": str(row["expires"])[:10],
    }
