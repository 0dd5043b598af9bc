"""The tree: proofs lead to the root, order does not matter, faults are named."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.attest import merkle
from plantation_rwa.attest.hashing import bytes32, hex_of, keccak256


def values(n: int) -> list[tuple[str, str]]:
    return [(hex_of(keccak256(f"key {i}".encode())), hex_of(keccak256(f"record {i}".encode()))) for i in range(n)]


@given(st.integers(1, 40), st.data())
def test_every_proof_leads_to_the_root_and_to_no_other_leaf(n: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(merkle.encoded(v)) for v in values(n)]
    tree, places = merkle.build(leaves)
    chosen = data.draw(st.integers(0, n - 1))
    siblings = merkle.proof(tree, places[chosen])
    assert len(siblings) <= (n - 1).bit_length()
    assert [i for i, leaf in enumerate(leaves) if merkle.root_of(leaf, siblings) == tree[0]] == [chosen]


@given(st.permutations(range(9)))
def test_the_root_does_not_depend_on_the_order_of_leaves(order: list[int]) -> None:
    found = values(9)
    assert merkle.dump([found[i] for i in order])["tree"][0] == merkle.dump(found)["tree"][0]


def test_a_leaf_is_hashed_twice() -> None:
    """An inner node, offered as 64 bytes of a leaf, must not hash to itself (second preimage)."""
    tree, _ = merkle.build([merkle.leaf_hash(merkle.encoded(v)) for v in values(2)])
    inside = min(tree[1], tree[2]) + max(tree[1], tree[2])
    assert merkle.leaf_hash(inside) != tree[0]
    assert merkle.node_hash(tree[1], tree[2]) == keccak256(inside) == tree[0]


def test_a_good_dump_has_no_faults() -> None:
    assert all(merkle.faults(merkle.dump(values(n))) == [] for n in (1, 2, 3, 8, 13))


def _swap_places(dump: dict[str, Any]) -> None:
    a, b = dump["values"][0], dump["values"][1]
    a["treeIndex"], b["treeIndex"] = b["treeIndex"], a["treeIndex"]


def _other_value(dump: dict[str, Any]) -> None:
    dump["values"][2]["value"][1] = "0x" + "00" * 32


def _other_root(dump: dict[str, Any]) -> None:
    dump["tree"][0] = "0x" + "00" * 32


def _one_value_twice(dump: dict[str, Any]) -> None:
    dump["values"][1] = copy.deepcopy(dump["values"][0])


def _one_less(dump: dict[str, Any]) -> None:
    dump["values"].pop()


def _other_format(dump: dict[str, Any]) -> None:
    dump["format"] = "simple-v1"


def _other_encoding(dump: dict[str, Any]) -> None:
    dump["leafEncoding"] = ["string", "bytes32"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_swap_places, "its hash does not stand at place"),
        (_other_value, "value 2: its hash does not stand at place"),
        (_other_root, "node 0 is not the hash of its children"),
        (_one_value_twice, "do not fill the places of the leaves"),
        (_one_less, "do not make a tree of"),
        (_other_format, "format is 'simple-v1'"),
        (_other_encoding, "leafEncoding is"),
        (lambda dump: dump.pop("tree"), "is not a readable dump"),
    ],
)
def test_faults_of_a_dump_are_named(spoil: Any, said: str) -> None:
    dump = merkle.dump(values(5))
    spoil(dump)
    assert any(said in fault for fault in merkle.faults(dump))


def test_a_tree_needs_a_leaf() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        merkle.build([])


def test_a_dump_of_our_leaves_is_read_back() -> None:
    dump = merkle.dump(values(4))
    tree = [bytes32(node) for node in dump["tree"]]
    for entry in dump["values"]:
        assert (
            merkle.root_of(merkle.leaf_hash(merkle.encoded(entry["value"])), merkle.proof(tree, entry["treeIndex"]))
            == tree[0]
        )
