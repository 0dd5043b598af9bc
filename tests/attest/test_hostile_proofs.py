"""Single proofs of somebody who lies: another length, an inner node, another right, another spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import build_attestation
from plantation_rwa.attest.checking import Findings, Trust, check_proof, end_of_day
from plantation_rwa.attest.hashing import bytes32, hex_of
from plantation_rwa.run.prove import prove
from plantation_rwa.run.reading import CannotCheck
from plantation_rwa.run.verify import verify
from tests.attest.forging import FOLDER, put

TODAY = Trust({}, None, end_of_day("2026-06-10"))


def proof_with(document: dict[str, Any], *, message: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A proof whose attestation says something else, hashed anew: nobody has signed it."""
    data = document["attestation"]["typed_data"]
    return {
        **document, **changes,
        "attestation": build_attestation(data["domain"], {**data["message"], **message}),
    }  # fmt: skip


def test_a_proof_has_the_length_of_its_tree(light_run: Path, tmp_path: Path) -> None:
    """Four leaves lie two steps below the root; more steps, or none, are a tree with leaves that nobody counted."""
    document = prove(light_run, "SIM-001", None, None)
    leaf = hex_of(merkle.leaf_hash(merkle.encoded(document["leaf"])))
    other = "0x" + "22" * 32
    deeper = hex_of(merkle.node_hash(bytes32(document["root"]), bytes32(other)))
    cases = [
        (proof_with(document, message={"leafCount": 40}), "a proof of 2 steps fits no tree of 40 leaves"),
        (proof_with(document, message={"leafCount": 0}), "a proof of 2 steps fits no tree of 0 leaves"),
        (proof_with(document, message={"merkleRoot": leaf}, root=leaf, proof=[]),
         "a proof of 0 steps fits no tree of 4 leaves"),
        (proof_with(document, message={"merkleRoot": deeper}, root=deeper, proof=[*document["proof"], other]),
         "a proof of 3 steps fits no tree of 4 leaves"),
    ]  # fmt: skip
    path = tmp_path / "p.json"
    for forged, said in cases:
        path.write_text(json.dumps(forged), "utf-8")
        assert [reason for _, reason in verify(path, TODAY).failed] == [f"record SIM-001|R1: {said}"]


def test_an_inner_node_is_no_leaf(light_run: Path, tmp_path: Path) -> None:
    """Second preimage: the two children of the root, told as the two values of a leaf, make another hash."""
    document = prove(light_run, "SIM-001", None, None)
    tree = json.loads((light_run / FOLDER / "merkle.json").read_text("utf-8"))["tree"]
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**document, "leaf": sorted(tree[1:3]), "proof": []}), "utf-8")
    assert any("the proof does not lead to the root" in reason for _, reason in verify(path, TODAY).failed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(verdict="AAA"), "members missing or unknown: verdict"),
        (lambda d: d.update(salt=d["salt"][:64] + "  "), "is not a readable proof"),
        (lambda d: d.update(salt=d["salt"] + "00"), "is not a readable proof"),
        (lambda d: d["record"].update(as_of="2026-5-31"), "is not a readable proof"),
        (lambda d: d.update(leaf=d["leaf"][::-1]), "key hash is not that of"),
        (lambda d: d.update(proof=[p.replace("0x", "0X") for p in d["proof"]]), "is not a readable proof"),
        (lambda d: d["record"].update(plantation_id="SIM\u2010001"), "key hash is not that of"),
        (lambda d: d["record"].update(nav_total_int=int(d["record"]["nav_total_int"])), "hash is not that of salt"),
    ],
)
def test_a_proof_has_one_spelling(light_run: Path, tmp_path: Path, change: Any, said: str) -> None:
    document, path = prove(light_run, "SIM-001", None, None), tmp_path / "p.json"
    change(document)
    path.write_text(json.dumps(document), "utf-8")
    assert any(said in reason for _, reason in verify(path, TODAY).failed), verify(path, TODAY).failed


def test_the_proof_of_another_right_proves_nothing(light_run: Path, tmp_path: Path) -> None:
    one, two = (prove(light_run, name, None, None) for name in ("SIM-001", "SIM-002"))
    path = tmp_path / "p.json"
    for members in (("proof",), ("leaf",), ("leaf", "proof"), ("salt",), ("record",)):
        path.write_text(json.dumps(one | {name: two[name] for name in members}), "utf-8")
        assert verify(path, TODAY).failed, members


def test_a_proof_with_a_name_twice_cannot_be_checked(light_run: Path, tmp_path: Path) -> None:
    text = json.dumps(prove(light_run, "SIM-001", None, None))
    path = tmp_path / "p.json"
    path.write_text('{"record": {"nav_total_int": "999"},' + text[1:], "utf-8")
    with pytest.raises(CannotCheck, match="the name 'record' stands twice in one object"):
        verify(path, TODAY)
    path.write_text(text.replace('"leafCount": 4', '"leafCount": NaN'), "utf-8")
    with pytest.raises(CannotCheck, match="NaN is no number of JSON"):
        verify(path, TODAY)


VALUES = st.sampled_from([None, True, -1, 0, 2**64, 1e300, "", "0x", "\u0664", "x" * 70, [], [[]], {}, {"a": None}])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in inside for deeper in leaves(item, (*path, key)))][bool(not path) :]


@given(st.data())
def test_whatever_stands_in_a_proof_is_told_and_raises_nothing(light_run: Path, data: st.DataObject) -> None:
    """Any value at any place of a signed proof: what was signed or hashed fails, and no place ends in a traceback."""
    document = prove(light_run, "SIM-001", None, None)
    path = data.draw(st.sampled_from(leaves(document)))
    forged = put(document, path, data.draw(VALUES))
    if forged != document and path[:2] != ("attestation", "signatures"):
        for now in (TODAY, Trust({}, None, 2**62)):
            out = Findings()
            check_proof(forged, "p.json", now, out)
            assert out.failed or out.refused, path
