"""The Merkle tree of OpenZeppelin's ``standard-v1``: double-hashed leaves, sorted; one array, root first.

Source: OpenZeppelin merkle-tree (``StandardMerkleTree``) and ``MerkleProof.verify`` of its contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plantation_rwa.attest.hashing import bytes32, hex_of, keccak256

FORMAT = "standard-v1"
#: types of the two hashes in a leaf
LEAF_ENCODING = ("bytes32", "bytes32")


def leaf_hash(encoded: bytes) -> bytes:
    """Hash of a leaf from its ABI encoding: hashed twice, so that no inner node can pass for a leaf."""
    return keccak256(keccak256(encoded))


def node_hash(a: bytes, b: bytes) -> bytes:
    """Hash of an inner node: its children in ascending order."""
    return keccak256(min(a, b) + max(a, b))


def build(leaves: Sequence[bytes], *, sort: bool = True) -> tuple[list[bytes], list[int]]:
    """The tree over leaf hashes.

    Parameters
    ----------
    leaves
        Leaf hashes, at least one.
    sort
        Whether leaves are placed in ascending order; the root then does not depend on theirs.

    Returns
    -------
    tree : list of bytes
        ``2 n - 1`` nodes, the root first; the children of node i are 2 i + 1 and 2 i + 2.
    places : list of int
        Index in the tree of each leaf.
    """
    if not leaves:
        raise ValueError("a Merkle tree needs at least one leaf")
    order = sorted(range(len(leaves)), key=lambda i: leaves[i]) if sort else list(range(len(leaves)))
    size = 2 * len(leaves) - 1
    tree = [b""] * size
    places = [0] * len(leaves)
    for position, leaf in enumerate(order):
        tree[size - 1 - position] = leaves[leaf]
        places[leaf] = size - 1 - position
    for i in range(size - 1 - len(leaves), -1, -1):
        tree[i] = node_hash(tree[2 * i + 1], tree[2 * i + 2])
    return tree, places


def proof(tree: Sequence[bytes], place: int) -> list[bytes]:
    """Siblings on the way from a leaf to the root."""
    found = []
    while place > 0:
        found.append(tree[place + 1 if place % 2 else place - 1])
        place = (place - 1) // 2
    return found


def root_of(leaf: bytes, siblings: Sequence[bytes]) -> bytes:
    """Root that a leaf hash and its proof lead to."""
    for sibling in siblings:
        leaf = node_hash(leaf, sibling)
    return leaf


def proof_lengths(leaves: int) -> range:
    """How many siblings a proof can have in a tree of so many leaves: those at its foot lie in two rows at most."""
    if leaves < 1:
        return range(0)
    return range((leaves).bit_length() - 1, (leaves - 1).bit_length() + 1)


def encoded(value: Sequence[str]) -> bytes:
    """ABI encoding of a leaf of ours, two times 32 bytes."""
    if len(value) != len(LEAF_ENCODING):
        raise ValueError(f"a leaf has {len(LEAF_ENCODING)} values, not {len(value)}")
    return b"".join(bytes32(v) for v in value)


def dump(values: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The ``standard-v1`` dump of our leaves, in the order given."""
    tree, places = build([leaf_hash(encoded(v)) for v in values])
    return {
        "format": FORMAT,
        "leafEncoding": list(LEAF_ENCODING),
        "tree": [hex_of(node) for node in tree],
        "values": [{"value": list(v), "treeIndex": place} for v, place in zip(values, places, strict=True)],
    }


def faults(found: Mapping[str, Any]) -> list[str]:
    """What is wrong with a dump: its form, its leaves, its inner nodes; empty if nothing is."""
    try:
        if found["format"] != FORMAT:
            return [f"format is {found['format']!r}, not '{FORMAT}'"]
        if tuple(found["leafEncoding"]) != LEAF_ENCODING:
            return [f"leafEncoding is {found['leafEncoding']!r}, not {list(LEAF_ENCODING)}"]
        tree = [bytes32(node) for node in found["tree"]]
        leaves = [(leaf_hash(encoded(v["value"])), int(v["treeIndex"])) for v in found["values"]]
    except (KeyError, TypeError, ValueError) as error:
        return [f"is not a readable dump ({type(error).__name__}: {error})"]
    if len(tree) != 2 * len(leaves) - 1:
        return [f"{len(leaves)} values do not make a tree of {len(tree)} nodes"]
    first = len(tree) - len(leaves)
    wrong = [
        f"value {i}: its hash does not stand at place {place} of the tree"
        for i, (leaf, place) in enumerate(leaves)
        if not first <= place < len(tree) or tree[place] != leaf
    ]
    if sorted(place for _, place in leaves) != list(range(first, len(tree))):
        wrong.append("the values do not fill the places of the leaves one by one")
    inner = range(first)
    wrong += [f"node {i} is not the hash of its children" for i in inner if tree[i] != _parent(tree, i)]
    return wrong


def _parent(tree: Sequence[bytes], i: int) -> bytes:
    return node_hash(tree[2 * i + 1], tree[2 * i + 2])
