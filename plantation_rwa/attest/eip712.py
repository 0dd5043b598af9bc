"""Typed structured data: what is hashed and signed. Source: EIP-712."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from plantation_rwa.attest.hashing import keccak256

#: type name -> its members (name, type), in order
Types = Mapping[str, Sequence[tuple[str, str]]]

_INTEGER = re.compile(r"^(u?)int(\d+)$")
_DOMAIN = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
)


def encode_type(name: str, types: Types) -> str:
    """The text of a type, the types it refers to behind it in alphabetical order."""
    others = sorted(_referred(name, types, set()) - {name})
    return "".join(f"{n}({','.join(f'{kind} {member}' for member, kind in types[n])})" for n in [name, *others])


def struct_hash(name: str, value: Mapping[str, Any], types: Types) -> bytes:
    """``keccak256(typeHash || encoded members)``.

    Raises
    ------
    ValueError
        If a member is missing, unknown, or not of its type.
    """
    unlike = {member for member, _ in types[name]} ^ set(value)
    if unlike:
        raise ValueError(f"{name}: members missing or unknown: {', '.join(sorted(unlike))}")
    parts = [keccak256(encode_type(name, types).encode())]
    parts += [_word(kind, value[member], types, f"{name}.{member}") for member, kind in types[name]]
    return keccak256(b"".join(parts))


def domain_separator(domain: Mapping[str, Any]) -> bytes:
    """Hash of the domain, of those members of EIP-712 that it has."""
    return struct_hash("EIP712Domain", domain, {"EIP712Domain": domain_type(domain)})


def domain_type(domain: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Members of a domain in the order of the standard."""
    return [(name, kind) for name, kind in _DOMAIN if name in domain]


def digest(domain: Mapping[str, Any], name: str, value: Mapping[str, Any], types: Types) -> bytes:
    """What is signed: ``keccak256(0x1901 || domain separator || struct hash)``."""
    return keccak256(b"\x19\x01" + domain_separator(domain) + struct_hash(name, value, types))


def typed_data(domain: Mapping[str, Any], name: str, value: Mapping[str, Any], types: Types) -> dict[str, Any]:
    """The JSON of ``eth_signTypedData_v4``, which wallets and libraries take."""
    every = {"EIP712Domain": domain_type(domain), **types}
    return {
        "types": {n: [{"name": member, "type": kind} for member, kind in members] for n, members in every.items()},
        "primaryType": name,
        "domain": dict(domain),
        "message": dict(value),
    }


def _referred(name: str, types: Types, found: set[str]) -> set[str]:
    if name in types and name not in found:
        found.add(name)
        for _, kind in types[name]:
            _referred(kind, types, found)
    return found


def _word(kind: str, value: Any, types: Types, where: str) -> bytes:
    """A member as 32 bytes."""
    if kind in types:
        return struct_hash(kind, value, types)
    if kind == "string" and isinstance(value, str):
        return keccak256(value.encode())
    if kind in {"address", "bytes32"} and isinstance(value, str):
        size = 20 if kind == "address" else 32
        if re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
            return bytes.fromhex(value[2:]).rjust(32, b"\0")
    whole = _INTEGER.match(kind)
    if whole:
        return _integer(value, not whole[1], int(whole[2]), where)
    raise ValueError(f"{where}: {value!r} is not of type {kind}")


def _integer(value: Any, signed: bool, bits: int, where: str) -> bytes:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,78}", value):
        value = int(value)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
        raise ValueError(f"{where}: {value!r} does not fit {'' if signed else 'u'}int{bits}")
    return (value % 2**256).to_bytes(32, "big")
