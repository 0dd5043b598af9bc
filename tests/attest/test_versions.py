"""A publication of another version is refused with the way out; the claim to be one opens no door."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.attest.disclosure import VERSION
from plantation_rwa.attest.hashing import hash_of
from plantation_rwa.attest.records import RECORD_VERSION
from plantation_rwa.cli import run_command
from plantation_rwa.publish.manifest import raw_manifest, save
from plantation_rwa.run.prove import prove
from plantation_rwa.run.verify import verify
from tests.attest.forging import COW, FOLDER, MANIFEST, manifest_of, reissued
from tests.attest.test_records import built

NOW = end_of_day("2026-06-10")
TODAY = Trust({}, None, NOW)
COWS = Trust({"valuer": frozenset({COW.lower()})}, None, NOW)
DISCLOSURE = f"{FOLDER}/disclosure.json"


def contract(out: Path, version: str, **other: Any) -> None:
    """Let the manifest name another contract, in a layout with members that this program does not know."""
    raw = raw_manifest(out / MANIFEST) | {"contract_version": version, "shelf": "B"} | other
    raw.pop("sha256")
    text = json.dumps(raw, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    raw["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (out / MANIFEST).write_text(json.dumps(raw, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def older(told: dict[str, Any]) -> None:
    """A disclosure as the first version wrote it."""
    for name in ("attestation_version", "currency", "few_rights", "feeds"):
        told.pop(name)


def test_an_earlier_version_is_refused_with_the_remedy(light_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of an earlier program: its own hashes, digest and signature hold, and that is all that is told."""
    feeds = (light_copy / FOLDER / "oracle/aggregator_v3.json").read_bytes()
    told = json.loads((light_copy / DISCLOSURE).read_text("utf-8"))
    with pytest.raises(KeyError):  # the feeds of this version cannot be made from it
        reissued(light_copy, disclosure=older)
    from plantation_rwa.attest.attestation import Signature, build_attestation
    from plantation_rwa.attest.hashing import canonical, sha256_hex
    from plantation_rwa.attest.signing import sign
    from tests.attest.forging import KEY, entered

    older(told)
    (light_copy / DISCLOSURE).write_bytes(canonical(told))
    nav = light_copy / FOLDER / "nav_attestation.json"
    data = json.loads(nav.read_text("utf-8"))["typed_data"]
    message = {**data["message"], "reportHash": sha256_hex(canonical(told))}
    digest = build_attestation(data["domain"], message)["digest"]
    text = sign(bytes.fromhex(digest[2:]), KEY)
    nav.write_text(json.dumps(build_attestation(data["domain"], message, [Signature("valuer", COW, text)])), "utf-8")
    (light_copy / FOLDER / "oracle/aggregator_v3.json").write_bytes(feeds)
    entered(light_copy, DISCLOSURE, f"{FOLDER}/nav_attestation.json", f"{FOLDER}/oracle/aggregator_v3.json")
    for trust in (TODAY, COWS):
        found = verify(light_copy, trust)
        assert found.failed == []
        ((where, why),) = found.refused
        assert where == MANIFEST
        assert f"is of attestation version 1, this program reads {VERSION}" in why
        assert "Check it with the program that wrote it (by its manifest this very one, version" in why
    assert run_command(["verify", str(light_copy), "--at", "2026-06-10"]) == 2
    assert "COULD NOT CHECK EVERYTHING" in capsys.readouterr().out
    values = next((light_copy / "valuations").rglob("*.parquet"))
    values.write_bytes(values.read_bytes() + b"x")
    assert run_command(["verify", str(light_copy), "--at", "2026-06-10"]) == 1


def test_another_contract_is_refused_with_the_remedy(light_copy: Path) -> None:
    reissued(light_copy, disclosure=lambda d: d.update(contract_version="0"))
    contract(light_copy, "0")
    found = verify(light_copy, COWS)
    assert found.failed == []
    ((where, why),) = found.refused
    assert (where, why.split(",")[0]) == (MANIFEST, "is of contract version '0'")


@pytest.mark.parametrize("trust", [TODAY, COWS])
def test_whoever_cannot_sign_cannot_claim_another_version(light_copy: Path, trust: Trust) -> None:
    """Each way to let a signed folder pass for an earlier one: the manifest, the disclosure, both."""
    reissued(light_copy)
    whole = shutil.copytree(light_copy, light_copy.parent / "whole")
    contract(light_copy, "0")
    told = [f"{where}: {reason}" for where, reason in verify(light_copy, trust).failed]
    assert f"{MANIFEST}: says contract version '0', what was attested says '1'" in told
    shutil.copyfile(whole / MANIFEST, light_copy / MANIFEST)
    from tests.attest.forging import entered

    for changes in ({"attestation_version": 1}, {"attestation_version": 1, "contract_version": "0"}):
        disclosed = json.loads((whole / DISCLOSURE).read_text("utf-8")) | changes
        (light_copy / DISCLOSURE).write_text(json.dumps(disclosed, sort_keys=True, separators=(",", ":")), "utf-8")
        shutil.copyfile(whole / MANIFEST, light_copy / MANIFEST)
        entered(light_copy, DISCLOSURE)
        if "contract_version" in changes:
            contract(light_copy, "0")
        found = verify(light_copy, trust)
        assert found.refused
        said = "is not the one that was attested: its version is believed no more than the rest"
        assert (DISCLOSURE, said) in found.failed


def test_an_unsigned_claim_meets_the_signers_that_are_asked_for(light_copy: Path) -> None:
    reissued(light_copy, disclosure=lambda d: d.update(contract_version="0"), signed=False)
    contract(light_copy, "0")
    assert [reason for _, reason in verify(light_copy, COWS).failed] == [
        "0 of 1 roles needed have signed; missing: valuer"
    ]
    shutil.rmtree(light_copy / "attestations")
    raw = raw_manifest(light_copy / MANIFEST)
    contract(light_copy, "0", outputs=[o for o in raw["outputs"] if o["stage"] != "attest"])
    assert (MANIFEST, "has no attestation, 1 signers are required") in verify(light_copy, COWS).failed
    assert verify(light_copy, TODAY).refused


def test_the_manifest_of_another_contract_holds_its_own_hash(light_copy: Path) -> None:
    contract(light_copy, "0")
    text = (light_copy / MANIFEST).read_text("utf-8")
    (light_copy / MANIFEST).write_text(text.replace('"shelf": "B"', '"shelf": "A"'), "utf-8")
    assert (MANIFEST, "was changed after it was written: its content does not have the hash that it states") in verify(
        light_copy, TODAY
    ).failed
    contract(light_copy, "0", outputs=[{"path": "../../etc/hosts", "sha256": "00", "bytes": 1}])
    assert (MANIFEST, "'../../etc/hosts' lies outside the output folder") in verify(light_copy, TODAY).failed


def test_a_program_is_told_by_what_makes_it_another_one() -> None:
    """By its version only where that is another one; else by its code."""
    from plantation_rwa import __version__
    from plantation_rwa.run.session import program_hash
    from plantation_rwa.run.versions import told_program

    ours, other = program_hash(), "ab" * 32
    assert told_program({"version": "0.0.9", "sha256": other}) == (
        f"version 0.0.9, code abababababab; this one is version {__version__}"
    )
    assert told_program({"version": __version__, "sha256": other}) == (
        f"version {__version__} as this one, but with other code: abababababab, here {ours[:12]}"
    )
    assert told_program({"version": __version__, "sha256": ours}) == (
        f"by its manifest this very one, version {__version__}, code {ours[:12]}, which writes no such thing"
    )


def test_a_date_of_this_version_is_checked_beside_one_of_another(light_copy: Path) -> None:
    save(light_copy, dataclasses.replace(manifest_of(light_copy), as_of="2026-06-30", outputs=()))
    contract(light_copy, "0", as_of="2026-05-31")
    (light_copy / "stranger").write_text("x", "utf-8")
    found = verify(light_copy, TODAY)
    assert ("stranger", "is named by no manifest") in found.failed
    assert [where for where, _ in found.refused] == [MANIFEST]


def test_proofs_of_other_versions_are_refused(light_run: Path, tmp_path: Path) -> None:
    document, path = prove(light_run, "SIM-001", None, None), tmp_path / "p.json"
    path.write_text(json.dumps(document | {"format": "plantation-rwa-proof-v2"}), "utf-8")
    found = verify(path, TODAY)
    assert (found.failed, found.checked) == ([], [])
    assert "Check it with the program that wrote it" in found.refused[0][1]
    path.write_text(json.dumps(document | {"record": document["record"] | {"record_version": 0}}), "utf-8")
    found = verify(path, TODAY)
    assert found.refused
    assert any("hash is not that of salt and record" in reason for _, reason in found.failed)


#: hash of what is attested and by which names, by version: whoever changes it gives it a new version
LAYOUTS = {(2, 1): "3d4ab074c3d5"}


def test_what_is_attested_has_the_layout_of_its_version(light_run: Path) -> None:
    """A change of names here is a change that a reader of the old version cannot tell from a forgery."""
    disclosure = json.loads((light_run / DISCLOSURE).read_text("utf-8"))
    layout = {
        "disclosure": sorted(disclosure), "record": sorted(built()),
        "pools": sorted(disclosure["pools"][0]), "totals": sorted(disclosure["totals"][0]),
        "feeds": sorted(disclosure["feeds"]), "overlays": sorted(disclosure["overlays"]),
        "inputs": sorted(disclosure["inputs"]["register"]),
    }  # fmt: skip
    assert hash_of(layout)[2:14] == LAYOUTS[VERSION, RECORD_VERSION]
