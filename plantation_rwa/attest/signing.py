"""Signatures on secp256k1 and who made them; eth_keys, slow to load, is imported where it is used."""

from __future__ import annotations

import re

_SIGNATURE = re.compile(r"^0x[0-9a-fA-F]{130}$")
#: half the order of the curve: a greater s is the same signature written another way (EIP-2)
_HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def sign(digest: bytes, key: str) -> str:
    """Deterministic signature (RFC 6979) of a digest as ``0x`` and r, s, v.

    Parameters
    ----------
    digest
        32 bytes.
    key
        Private key, 64 hexadecimal digits, with or without ``0x``.
    """
    from eth_keys.datatypes import PrivateKey

    made = PrivateKey(bytes.fromhex(key.removeprefix("0x"))).sign_msg_hash(digest)
    return "0x" + f"{made.r:064x}{made.s:064x}{27 + made.v:02x}"


def recover(digest: bytes, signature: str) -> str:
    """Checksummed address (EIP-55) whose key made a signature of a digest.

    Raises
    ------
    ValueError
        If it is no signature, or a second spelling of one.
    """
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    if not isinstance(signature, str) or not _SIGNATURE.match(signature):
        raise ValueError("a signature is 0x and 130 hexadecimal digits")
    r, s, v = (int(signature[a:b], 16) for a, b in ((2, 66), (66, 130), (130, 132)))
    if v not in (27, 28) or s > _HALF:
        raise ValueError("not in canonical form: v must be 27 or 28 and s in the lower half")
    try:
        found = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise ValueError(f"no key makes this signature ({error})") from None
    return str(found.to_checksum_address())


def is_address(text: str) -> bool:
    """Whether a text is an address: ``0x`` and 40 hexadecimal digits."""
    return bool(re.fullmatch(r"0x[0-9a-fA-F]{40}", text))
