"""The attestation of a valuation date: disclosure, typed data, and the shapes that consumers on chain expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plantation_rwa.attest import eip712
from plantation_rwa.attest.hashing import hex_of, keccak256

TYPE = "NavAttestation"
TYPES: eip712.Types = {
    TYPE: (
        ("merkleRoot", "bytes32"),
        ("reportHash", "bytes32"),
        ("inputsHash", "bytes32"),
        ("modelHash", "bytes32"),
        ("asOf", "uint64"),
        ("validUntil", "uint64"),
        ("leafCount", "uint32"),
        ("status", "uint8"),
        ("methodologyUri", "string"),
    )
}
#: texts of the field ``status``
STATUSES = ("indicative", "reviewed", "audited", "withdrawn")
#: who may sign
ROLES = ("valuer", "auditor", "oracle_operator")
DOMAIN_NAME, DOMAIN_VERSION = "plantation-rwa", "1"
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Signature:
    """A signature as published: role, address (checksummed), 65 bytes r, s, v as ``0x`` text."""

    role: str
    signer: str
    signature: str


def domain(portfolio: str, chain_id: int) -> dict[str, Any]:
    """EIP-712 domain: the chain, and the portfolio's name as salt, so that no signature serves another portfolio."""
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "salt": hex_of(keccak256(portfolio.encode())),
    }


def totals(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sum of the records' values by currency, in minor units; rights without a value are counted apart."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        own = found.setdefault(
            record["currency"],
            {
                "currency": record["currency"],
                "decimals": record["decimals"],
                "records": 0,
                "without_value": 0,
                "nav": 0,
            },
        )
        own["records"] += 1
        if "nav_total_int" in record:
            own["nav"] += int(record["nav_total_int"])
        else:
            own["without_value"] += 1
    for own in found.values():
        own["nav_total_int"] = str(own.pop("nav"))
    return [own for _, own in sorted(found.items())]


def attestation_digest(attestation: Mapping[str, Any]) -> str:
    """EIP-712 digest of a published attestation; what is signed, and what the next attestation names.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is not a NavAttestation as declared here.
    """
    data = attestation["typed_data"]
    if data["primaryType"] != TYPE:
        raise ValueError(f"primaryType is {data['primaryType']!r}, not '{TYPE}'")
    expected = eip712.typed_data(data["domain"], TYPE, data["message"], TYPES)["types"]
    if data["types"] != expected:
        raise ValueError("the types are not those of a NavAttestation")
    return hex_of(eip712.digest(data["domain"], TYPE, data["message"], TYPES))


def build_attestation(
    domain_: Mapping[str, Any], message: Mapping[str, Any], signatures: Sequence[Signature] = ()
) -> dict[str, Any]:
    """The file ``nav_attestation.json``: typed data, its digest, signatures by role."""
    data = eip712.typed_data(domain_, TYPE, message, TYPES)
    found = {"typed_data": data, "signatures": [vars(s) for s in sorted(signatures, key=lambda s: (s.role, s.signer))]}
    return {"digest": attestation_digest(found), **found}


def feed(
    description: str, total: Mapping[str, Any], as_of: str, instant: int, limits: Mapping[str, int]
) -> dict[str, Any]:
    """One price feed in the shape of AggregatorV3's ``latestRoundData``; whole numbers that may be large as text.

    Parameters
    ----------
    as_of
        YYYY-MM-DD; the round is its eight digits.
    instant
        End of that day, seconds since 1970.
    limits
        ``heartbeat_s, deviation_bps, breaker_bps``.
    """
    number = as_of.replace("-", "")
    return {
        "description": description,
        "version": 1,
        "decimals": total["decimals"],
        "roundId": number,
        "answer": total["nav_total_int"],
        "startedAt": instant,
        "updatedAt": instant,
        "answeredInRound": number,
        **limits,
    }


def document(name: str, uri: str, sha256: str) -> dict[str, str]:
    """A document as ERC-1643 ``setDocument`` takes it: name as bytes32, address, hash."""
    return {
        "name": name,
        "nameBytes32": hex_of(name.encode("ascii")[:32].ljust(32, b"\0")),
        "uri": uri,
        "documentHash": sha256,
    }


def token_metadata(
    portfolio: str,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    documents: Sequence[Mapping[str, str]],
    attestation: Mapping[str, Any],
    *,
    note: str,
) -> dict[str, Any]:
    """ERC-1155 metadata: one token per right, its id the hash of the record key without the date.

    Parameters
    ----------
    records
        Token id (``0x`` text) and record of each right.
    note
        What a reader must know, e.g. that inputs are simulated.
    """
    tokens = [
        {
            "id": token[2:],
            "name": f"{record['plantation_id']} {record['right_id']}",
            "decimals": 0,
            "properties": {
                name: record[name]
                for name in ("currency", "units", "unit_nav_int", "unit_decimals", "status", "confidence_grade")
                if name in record
            },
        }
        for token, record in records
    ]
    return {
        "name": portfolio,
        "description": f"Units of future revenue rights of oil-palm plantations. {note}".strip(),
        "decimals": 0,
        "properties": {
            "as_of": attestation["as_of"],
            "attestation_digest": attestation["digest"],
            "eligibility": "professional_investors_only",
            "legal_characterisation": "not_determined",
        },
        "documents": list(documents),
        "tokens": tokens,
    }
