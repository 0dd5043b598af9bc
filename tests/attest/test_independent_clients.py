"""npm packages that others maintain read, validate and verify what is published."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plantation_rwa.attest.attestation import build_attestation
from plantation_rwa.attest.hashing import keccak256
from plantation_rwa.attest.signing import recover, sign
from plantation_rwa.run.prove import prove

HERE = Path(__file__).parent
FOLDER = "attestations/as_of=2026-05-31"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned packages, installed outside the checkout."""
    place = tmp_path_factory.mktemp("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, place)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return place


@pytest.mark.slow
def test_openzeppelin_and_ethers_agree(
    requires: Callable[[str], None], request: pytest.FixtureRequest, run_copy: Path, tmp_path: Path
) -> None:
    requires("npm")
    place: Path = request.getfixturevalue("modules")
    folder = run_copy / FOLDER
    attestation = json.loads((folder / "nav_attestation.json").read_text("utf-8"))
    keys = {"valuer": keccak256(b"cow").hex(), "auditor": keccak256(b"dog").hex()}
    digest = bytes.fromhex(attestation["digest"][2:])
    texts = {role: sign(digest, key) for role, key in keys.items()}
    attestation["signatures"] = [
        {"role": role, "signer": recover(digest, text), "signature": text} for role, text in texts.items()
    ]
    (folder / "nav_attestation.json").write_text(json.dumps(attestation), "utf-8")
    document = prove_from(run_copy, tmp_path)
    done = subprocess.run(
        ["node", str(HERE / "clients.mjs"), str(place), str(folder), str(tmp_path / "proof.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    message = attestation["typed_data"]["message"]
    assert found["root"] == found["rebuilt"] == message["merkleRoot"]
    assert found["proofs"] == [True] * message["leafCount"]
    assert found["digest"] == attestation["digest"]
    assert found["signers"] == [s["signer"] for s in attestation["signatures"]]
    assert [found["key"], found["record"]] == document["leaf"]
    assert found["proof"] is True


def prove_from(run: Path, place: Path) -> dict[str, object]:
    """The proof of the first right, from the files as they were before anybody signed."""
    folder = run / FOLDER / "nav_attestation.json"
    signed = folder.read_text("utf-8")
    data = json.loads(signed)
    unsigned = build_attestation(data["typed_data"]["domain"], data["typed_data"]["message"])
    folder.write_text(json.dumps(unsigned, indent=1, ensure_ascii=False) + "\n", "utf-8")
    document = prove(run, "SIM-001", None, None)
    folder.write_text(signed, "utf-8")
    (place / "proof.json").write_text(json.dumps(document), "utf-8")
    return document
