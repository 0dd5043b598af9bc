"""Merkle roots and EIP-712 digests that others published or computed: domain/valuation.md KAT-40 to KAT-43."""

from __future__ import annotations

import pytest
from eth_abi import encode

from plantation_rwa.attest import merkle
from plantation_rwa.attest.eip712 import Types, digest, domain_separator, encode_type, struct_hash, typed_data
from plantation_rwa.attest.hashing import hex_of, keccak256
from plantation_rwa.attest.signing import recover, sign


def leaves(types: list[str], values: list[tuple[object, ...]]) -> list[bytes]:
    return [merkle.leaf_hash(encode(types, value)) for value in values]


def test_keccak_is_not_sha3() -> None:
    """Keccak-256 of nothing (Ethereum yellow paper); SHA3-256 of nothing begins with a7ffc6f8."""
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    ("sort", "root"),
    [
        (True, "0x6deb52b5da8fd108f79fab00341f38d2587896634c646ee52e49f845680a70c8"),
        (False, "0x23be0977360f08bb0bd7f709a7d543d2cd779c79c66d74e0441919871647de2b"),
    ],
)
def test_openzeppelin_dump_of_six_letters(sort: bool, root: str) -> None:
    """KAT-40: the dumps standard-v1.sorted and standard-v1.unsorted of OpenZeppelin's merkle-tree."""
    tree, _ = merkle.build(leaves(["string"], [(c,) for c in "abcdef"]), sort=sort)
    assert hex_of(tree[0]) == root


def test_address_and_amount() -> None:
    """KAT-41: agreed between Python and npm."""
    values = [("0x" + "11" * 20, 5 * 10**18), ("0x" + "22" * 20, 25 * 10**17)]
    tree, _ = merkle.build(leaves(["address", "uint256"], values))
    assert hex_of(tree[0]) == "0xd4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"


def test_plantation_shaped_leaves_with_a_negative_number() -> None:
    """KAT-42: root, and the proof of the second leaf."""
    values = [
        ("PLT-0001", b"\x11" * 32, 1735689600, 123456789, 2),
        ("PLT-0002", b"\x22" * 32, 1735689600, -5, 2),
        ("PLT-0003", b"\x33" * 32, 1735689600, 987654321, 2),
    ]
    tree, places = merkle.build(leaves(["string", "bytes32", "uint64", "int256", "uint8"], values))
    assert hex_of(tree[0]) == "0xd612366bc2908c05ae4a7bb384cf87c846ef6436e87fa6dbb9ae584db6600bf3"
    siblings = [hex_of(node) for node in merkle.proof(tree, places[1])]
    assert siblings == ["0x4352b2040a61fa4c824b3711324f65fa5016da5778a90ff179c23d001dcf5ab1"]


MAIL: Types = {
    "Mail": (("from", "Person"), ("to", "Person"), ("contents", "string")),
    "Person": (("name", "string"), ("wallet", "address")),
}
DOMAIN = {
    "name": "Ether Mail",
    "version": "1",
    "chainId": 1,
    "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
}
MESSAGE = {
    "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
    "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
    "contents": "Hello, Bob!",
}
DIGEST = "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
SIGNATURE = (
    "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
    "1c"
)


def test_the_mail_of_eip_712() -> None:
    """KAT-43: type, domain separator, struct hash and digest of the example in EIP-712."""
    assert encode_type("Mail", MAIL) == (
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    )
    separator = domain_separator(DOMAIN)
    assert hex_of(separator) == "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    assert hex_of(struct_hash("Mail", MESSAGE, MAIL)) == (
        "0xc52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e"
    )
    assert hex_of(digest(DOMAIN, "Mail", MESSAGE, MAIL)) == DIGEST


def test_the_signature_of_the_cow() -> None:
    """KAT-43: the key keccak256('cow'), its signature and its address."""
    key = keccak256(b"cow").hex()
    assert sign(bytes.fromhex(DIGEST[2:]), key) == SIGNATURE
    assert recover(bytes.fromhex(DIGEST[2:]), SIGNATURE) == "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"


def test_eth_account_makes_the_same_of_the_typed_data() -> None:
    """The JSON that wallets take, through another implementation: same digest, same signature."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    signable = encode_typed_data(full_message=typed_data(DOMAIN, "Mail", MESSAGE, MAIL))
    signed = Account.sign_message(signable, keccak256(b"cow"))
    assert hex_of(bytes(signed.message_hash)) == DIGEST
    assert hex_of(bytes(signed.signature)) == SIGNATURE
