"""``verify``: a good folder passes; every fault is named with its file and its reason."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa.attest.attestation import attestation_digest
from plantation_rwa.attest.checking import Findings, Trust, check_attestation, end_of_day
from plantation_rwa.attest.consumers import check_feeds
from plantation_rwa.attest.eip712 import digest as typed_digest
from plantation_rwa.attest.hashing import canonical, hex_of, keccak256, sha256_hex
from plantation_rwa.attest.signing import recover, sign
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.geoparquet import read_part, write_part
from plantation_rwa.publish.manifest import Manifest, load, save, sha256_of, untouched
from plantation_rwa.run.prove import prove
from plantation_rwa.run.reading import CannotCheck
from plantation_rwa.run.verify import verify

AS_OF = "2026-05-31"
FOLDER = f"attestations/as_of={AS_OF}"
MANIFEST = f"manifests/as_of={AS_OF}.json"
NAV, TOKENS, ORACLE = "nav_attestation.json", "token_metadata.json", "oracle/aggregator_v3.json"
TODAY = Trust({}, None, end_of_day("2026-06-10"))
KEY = keccak256(b"cow").hex()
COW = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"


def flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * place)] ^= 1
    path.write_bytes(bytes(data))


def failures(out: Path, trust: Trust = TODAY) -> list[tuple[str, str]]:
    return verify(out, trust).failed


def test_what_a_run_publishes_is_as_it_should_be(light_run: Path) -> None:
    found = verify(light_run, TODAY)
    assert found.failed == []
    assert [where for where, _ in found.unchecked] == ["reports/", "manifests/", f"{FOLDER}/nav_attestation.json"]
    assert any("4 records" in text for text in found.checked)


def kinds_of_file(out: Path) -> dict[str, str]:
    """One file of each kind: folder and ending."""
    found: dict[str, str] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        relative = path.relative_to(out)
        kind = relative.parts[0] if relative.suffix == ".parquet" and len(relative.parts) > 2 else relative.as_posix()
        found.setdefault(f"{kind}{relative.suffix}" if kind == relative.parts[0] else kind, relative.as_posix())
    return found


@pytest.mark.slow
def test_one_bit_in_each_kind_of_file_is_named(run_copy: Path) -> None:
    """All published files of a date at once, then the copies, then the manifest: no fault hides another."""
    kinds = kinds_of_file(run_copy)
    assert {"features.parquet", "valuations.parquet", f"{FOLDER}/merkle.json", MANIFEST} <= set(kinds)
    copies = {p for p in kinds.values() if p.split("/")[0] in ("latest", "catalog", "README.md")}
    for group in (set(kinds.values()) - copies - {MANIFEST}, copies, {MANIFEST}):
        whole = {relative: (run_copy / relative).read_bytes() for relative in group}
        for relative in group:
            flip(run_copy / relative)
        assert group <= {where for where, _ in failures(run_copy)}
        for relative, content in whole.items():
            (run_copy / relative).write_bytes(content)
    assert failures(run_copy) == []


@pytest.mark.parametrize("place", [0.0, 0.013, 0.21, 0.5, 0.777, 0.99, 1.0])
def test_a_bit_anywhere_in_the_manifest_is_seen(light_run: Path, tmp_path: Path, place: float) -> None:
    path = Path(shutil.copytree(light_run / "manifests", tmp_path / "manifests")) / f"as_of={AS_OF}.json"
    assert untouched(path)
    flip(path, place)
    try:
        seen = not untouched(path)
    except PublishError as error:
        seen = path.name in str(error)
    assert seen


def test_a_removed_an_added_and_a_swapped_file_are_named(run_copy: Path) -> None:
    parts = sorted(p for p in run_copy.glob("features/*/*/part-*.parquet"))
    a, b, gone = parts[0], parts[1], parts[2]
    content = a.read_bytes(), b.read_bytes()
    a.write_bytes(content[1])
    b.write_bytes(content[0])
    gone.unlink()
    extra = gone.with_name("part-000000000000.parquet")
    extra.write_bytes(content[0])
    found = dict(failures(run_copy))
    names = [p.relative_to(run_copy).as_posix() for p in (a, b, gone, extra)]
    assert [found[n] for n in names] == [
        "differs from its manifest", "differs from its manifest", "missing", "is named by no manifest",
    ]  # fmt: skip


def test_links_and_strangers_among_the_manifests_are_named(light_copy: Path) -> None:
    (light_copy / "valuations" / "dead.parquet").symlink_to(light_copy / "nowhere")
    (light_copy / "manifests" / "note.txt").write_text("read me", "utf-8")
    assert failures(light_copy) == [
        ("manifests/note.txt", "is named by no manifest"),
        ("valuations/dead.parquet", "is named by no manifest"),
    ]


@pytest.mark.slow
def test_a_file_that_is_swapped_and_entered_in_the_manifest_breaks_the_attestation(light_copy: Path) -> None:
    """Whoever rewrites the manifest with its own hash too still meets what was attested."""
    manifest = load(light_copy, AS_OF)
    assert manifest is not None
    first, second = manifest.tables("cash_flows")[0], manifest.tables("curves")[0]
    (light_copy / first.path).write_bytes((light_copy / second.path).read_bytes())
    changed = dataclasses.replace(first, sha256=second.sha256, bytes=second.bytes)
    save(light_copy, manifest.with_outputs([changed if o is first else o for o in manifest.outputs]))
    assert (f"{FOLDER}/disclosure.json", "outputs is not that of the published files") in failures(light_copy)


def rewritten(out: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a file of the attestation and enter its hash in the manifest, as a careful forger would."""
    path = out / FOLDER / name
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_bytes(canonical(content) if name == "disclosure.json" else json.dumps(content).encode())
    manifest = load(out, AS_OF)
    assert manifest is not None
    outputs = [
        dataclasses.replace(o, sha256=sha256_of(path), bytes=path.stat().st_size) if o.path.endswith(name) else o
        for o in manifest.outputs
    ]
    save(out, manifest.with_outputs(outputs))


@pytest.mark.parametrize(
    ("name", "change", "where", "said"),
    [
        ("merkle.json", lambda d: d["tree"].__setitem__(0, "0x" + "00" * 32), "merkle.json", "node 0 is not the hash"),
        ("disclosure.json", lambda d: d.update(portfolio="other"), NAV, "reportHash is"),
        ("disclosure.json", lambda d: d["totals"][0].update(nav_total_int="1"), "disclosure.json", "totals is not"),
        (NAV, lambda d: d["typed_data"]["message"].update(status=2), NAV, "states digest"),
        (NAV, lambda d: d["typed_data"]["message"].update(leafCount=5), NAV, "leafCount is 5, the number"),
        (NAV, lambda d: d.pop("typed_data"), NAV, "is not a readable attestation"),
        ("oracle/aggregator_v3.json", lambda d: d.update(answer="1"), "oracle/aggregator_v3.json", "answer is '1'"),
        (TOKENS, lambda d: d["properties"].update(attestation_digest="0x"), TOKENS, "names another attestation"),
        (ORACLE, lambda d: d.update(answer="0"), ORACLE, "answer is '0'"),
        (ORACLE, lambda d: d["pools"][0].update(decimals=0), ORACLE, "decimals is 0"),
        (ORACLE, lambda d: d["pools"][0].update(description="NAV of pool X"), ORACLE, "its pools are not those"),
        (ORACLE, lambda d: d.update(description="NAV of another, IDR"), ORACLE, "description is 'NAV of another, IDR'"),
        (TOKENS, lambda d: d["tokens"][0].update(id="00" * 32), TOKENS, "token ids are not those"),
        (TOKENS, lambda d: d["tokens"][1]["properties"].update(unit_nav_int="9"), TOKENS, "not what its record says"),
        (TOKENS, lambda d: d["documents"][0].update(uri="../../x"), TOKENS, "documents is not that of"),
    ],
)  # fmt: skip
def test_a_careful_forger_is_named(light_copy: Path, name: str, change: Any, where: str, said: str) -> None:
    rewritten(light_copy, name, change)
    assert any(w == f"{FOLDER}/{where}" and said in reason for w, reason in failures(light_copy)), failures(light_copy)


def manifest_changed(out: Path, change: Callable[[Manifest], Manifest]) -> None:
    manifest = load(out, AS_OF)
    assert manifest is not None
    save(out, change(manifest))


def values_changed(out: Path, manifest: Manifest) -> Manifest:
    """A published value raised, its file entered in the manifest again."""
    (output,) = manifest.tables("valuations")
    frame = read_part(out / output.path)
    frame["nav_total_int"] = [int(value) + 1 for value in frame["nav_total_int"]]
    file = write_part(frame, "valuations", out / output.path, simulated=True)
    changed = dataclasses.replace(output, sha256=file.sha256, bytes=file.bytes)
    return manifest.with_outputs([changed if o is output else o for o in manifest.outputs])


def test_a_manifest_cannot_hide_full_records_behind_another_profile(light_copy: Path) -> None:
    manifest_changed(light_copy, lambda m: dataclasses.replace(values_changed(light_copy, m), profile="investor"))
    found = failures(light_copy)
    assert (MANIFEST, "says profile 'investor', but its records carry salts: it is held as 'full'") in found
    assert any("value is not the published one" in reason for _, reason in found)


def test_values_without_records_are_held_against_tree_and_totals(light_copy: Path) -> None:
    """A folder from which the records were taken says what nobody can check, and still meets the signed totals."""
    records = f"{FOLDER}/records.parquet"
    for path in (records, "README.md"):
        (light_copy / path).unlink()
    for folder in ("latest", "catalog"):  # no profile has them
        shutil.rmtree(light_copy / folder)
    manifest_changed(
        light_copy,
        lambda m: dataclasses.replace(m, profile="investor").with_outputs(o for o in m.outputs if o.path != records),
    )
    found = verify(light_copy, TODAY)
    assert found.failed == []
    assert any(
        where == FOLDER and reason.startswith("values, and every table but") for where, reason in found.unchecked
    )
    manifest_changed(light_copy, lambda m: values_changed(light_copy, m))
    assert [r for _, r in failures(light_copy)] == ["values do not add up to the totals of disclosure.json"]


def test_required_signers_are_missed_where_the_attestation_is_taken_out(light_copy: Path) -> None:
    shutil.rmtree(light_copy / "attestations")
    manifest_changed(light_copy, lambda m: m.with_outputs(o for o in m.outputs if o.stage not in ("attest", "report")))
    assert (MANIFEST, "has no attestation, 1 signers are required") in failures(light_copy, trusting(valuer=COW))
    assert (MANIFEST, "it has no attestation") in verify(light_copy, TODAY).unchecked


@pytest.mark.parametrize("path", ["features/a\0b", "../../etc/hosts", 5])
def test_a_path_that_is_none_is_named(light_copy: Path, path: Any) -> None:
    manifest = load(light_copy, AS_OF)
    assert manifest is not None
    first, *others = manifest.outputs
    save(light_copy, dataclasses.replace(manifest, outputs=(dataclasses.replace(first, path=path), *others)))
    assert MANIFEST in {where for where, _ in failures(light_copy)}


def test_a_manifest_that_contradicts_the_disclosure_is_named(light_copy: Path) -> None:
    manifest_changed(
        light_copy,
        lambda m: dataclasses.replace(
            m,
            portfolio="other",
            simulated=False,
            code={"version": "x", "sha256": ""},
            inputs={**m.inputs, "prices": {**m.inputs["prices"], "rows": 1}, "gold": {"rows": 1, "sha256": ""}},
        ),
    )
    found = verify(light_copy, TODAY)
    told = [reason.split(",")[0] for where, reason in found.failed if where == MANIFEST]
    assert told == ["portfolio is 'other'", "simulated is 'no'", "inputs: hash or rows of gold"]
    assert (MANIFEST, "inputs: hash or rows of gold, prices are not those of disclosure.json") in found.failed
    assert any("by another program than the one that attested" in text for text in found.noted)


def test_a_withdrawn_attestation_is_told(light_run: Path) -> None:
    found, out = json.loads((light_run / FOLDER / NAV).read_text("utf-8")), Findings()
    found["typed_data"]["message"]["status"] = 3
    found["digest"] = attestation_digest(found)
    portfolio = json.loads((light_run / FOLDER / "disclosure.json").read_text("utf-8"))["portfolio"]
    check_attestation(found, NAV, TODAY, portfolio=portfolio, newest=True, out=out)
    assert out.failed == []
    assert out.noted == [f"{NAV}: status is withdrawn: its issuer stands by these values no longer"]


def test_a_threshold_of_none_hides_no_missing_signature(light_run: Path) -> None:
    found = verify(light_run, Trust(trusting(valuer=COW).signers, 0, TODAY.now))
    assert (f"{FOLDER}/{NAV}", "who stands behind it: it is unsigned, so anybody could have made it") in found.unchecked


def test_one_signer_fills_one_role(light_copy: Path) -> None:
    for role in ("valuer", "auditor"):
        signed_by(light_copy, KEY, role)
    said = f"{COW} signs as auditor and as valuer: one signer fills one role"
    assert failures(light_copy, trusting(valuer=COW, auditor=COW)) == [(f"{FOLDER}/{NAV}", said)]


def test_a_feed_cannot_be_renamed_to_a_currency_without_a_total(light_run: Path) -> None:
    """Its currency is the portfolio's, which was signed; a portfolio without a right in it is worth nothing in it."""
    feeds, disclosure = (json.loads((light_run / FOLDER / n).read_text("utf-8")) for n in (ORACLE, "disclosure.json"))
    for currency, answer, faults in (("MYR", feeds["answer"], 0), ("XAU", "0", 2), ("XAU", feeds["answer"], 1)):
        found, out = (
            {**feeds, "description": f"NAV of {disclosure['portfolio']}, {currency}", "answer": answer},
            Findings(),
        )
        check_feeds(found, ORACLE, disclosure, out)
        assert len(out.failed) == faults
    out = Findings()
    check_feeds(feeds, ORACLE, {**disclosure, "currency": "USD"}, out)
    assert [reason.split(": ")[1].split(" is")[0] for _, reason in out.failed] == ["answer", "description"]


def signed_by(out: Path, key: str, role: str, signer: str | None = None) -> None:
    def change(content: dict[str, Any]) -> None:
        text = sign(bytes.fromhex(content["digest"][2:]), key)
        address = recover(bytes.fromhex(content["digest"][2:]), text)
        content["signatures"].append({"role": role, "signer": signer or address, "signature": text})

    rewritten(out, "nav_attestation.json", change)


def trusting(**signers: str) -> Trust:
    return Trust({role: frozenset({a.lower()}) for role, a in signers.items()}, None, TODAY.now)


def test_a_signature_of_the_one_who_may_passes(light_copy: Path) -> None:
    signed_by(light_copy, KEY, "valuer")
    found = verify(light_copy, trusting(valuer=COW))
    assert (found.failed, [where for where, _ in found.unchecked]) == ([], ["reports/", "manifests/"])
    assert verify(light_copy, TODAY).unchecked[-1][1].startswith(f"whether {COW} may sign as valuer")


def test_a_wrong_signer_is_named(light_copy: Path) -> None:
    signed_by(light_copy, keccak256(b"dog").hex(), "valuer")
    reasons = [r for w, r in failures(light_copy, trusting(valuer=COW)) if w == f"{FOLDER}/nav_attestation.json"]
    assert len(reasons) == 2
    assert reasons[0].endswith("is not among the signers given for the role")
    assert reasons[1] == "0 of 1 roles needed have signed; missing: valuer"


@pytest.mark.slow
def test_one_who_says_he_is_another_is_named(light_copy: Path) -> None:
    signed_by(light_copy, keccak256(b"dog").hex(), "valuer", signer=COW)
    assert any("made by 0x" in reason and f"not by {COW}" in reason for _, reason in failures(light_copy))


@pytest.mark.slow
def test_the_second_spelling_of_a_signature_is_refused(light_copy: Path) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

    def change(content: dict[str, Any]) -> None:
        text = sign(bytes.fromhex(content["digest"][2:]), KEY)
        r, s, v = text[2:66], int(text[66:130], 16), int(text[130:], 16)
        other = f"0x{r}{order - s:064x}{55 - v:02x}"
        content["signatures"].append({"role": "valuer", "signer": COW, "signature": other})

    rewritten(light_copy, "nav_attestation.json", change)
    assert any("not in canonical form" in reason for _, reason in failures(light_copy))


@pytest.mark.slow
def test_k_of_n_roles(light_copy: Path) -> None:
    signed_by(light_copy, KEY, "valuer")
    both = trusting(valuer=COW, auditor="0x" + "11" * 20)
    assert any("1 of 2 roles needed have signed; missing: auditor" in r for _, r in failures(light_copy, both))
    assert failures(light_copy, Trust(both.signers, 1, both.now)) == []


def test_a_proof_and_its_attestation_suffice(light_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(prove(light_run, "SIM-001", None, None)), "utf-8")
    found = verify(path, TODAY)
    assert (found.failed, len(found.checked)) == ([], 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["record"].update(nav_total_int="999"), "hash is not that of salt and record"),
        (lambda p: p.update(salt="0x" + "11" * 32), "hash is not that of salt and record"),
        (lambda p: p["proof"].reverse(), "the proof does not lead to the root"),
        (lambda p: p.update(root="0x" + "11" * 32), "the root is not that of the attestation"),
        (lambda p: p["record"].update(as_of="2026-04-30"), "key hash is not that of"),
        (lambda p: p.update(format="x"), "is not a proof of format"),
        (lambda p: p.pop("leaf"), "is not a readable proof"),
        (lambda p: p["record"].update(share=0.2), "is neither text nor integer"),
        (lambda p: p["record"].update(plantation_id=5), "is not a readable proof"),
        (lambda p: p["record"].update(as_of=5), "is not a readable proof"),
        (lambda p: p["attestation"].update(signatures=["x"]), "signatures is no list of objects"),
        (lambda p: p["attestation"].update(signatures={"a": 1}), "signatures is no list of objects"),
        (lambda p: p["attestation"]["typed_data"]["domain"].update(name="x"), "its domain is not that of portfolio"),
        (lambda p: p["attestation"]["typed_data"]["domain"].update(salt="0x" + "11" * 32), "its domain is not that"),
    ],
)
def test_faults_of_a_proof_are_named(light_run: Path, tmp_path: Path, change: Any, said: str) -> None:
    document = prove(light_run, "SIM-001", None, None)
    change(document)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document), "utf-8")
    assert any(said in reason for where, reason in verify(path, TODAY).failed if where == "p.json")


def test_what_is_no_folder_of_ours_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(CannotCheck, match="holds no manifest"):
        verify(tmp_path, TODAY)
    with pytest.raises(CannotCheck, match="no such folder or file"):
        verify(tmp_path / "absent", TODAY)
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(CannotCheck, match="is no JSON"):
        verify(tmp_path / "x.json", TODAY)


def test_the_attestation_is_what_it_says(light_run: Path) -> None:
    """Digest, report hash and salt by hand, from the files alone."""
    folder = light_run / FOLDER
    attestation = json.loads((folder / "nav_attestation.json").read_text("utf-8"))
    data = attestation["typed_data"]
    members = [(m["name"], m["type"]) for m in data["types"]["NavAttestation"]]
    assert (
        hex_of(typed_digest(data["domain"], "NavAttestation", data["message"], {"NavAttestation": members}))
        == (attestation["digest"])
    )
    assert data["message"]["reportHash"] == sha256_hex((folder / "disclosure.json").read_bytes())
    assert data["domain"]["salt"] == hex_of(keccak256(b"simulated portfolio"))
    disclosure = json.loads((folder / "disclosure.json").read_text("utf-8"))
    assert sum(int(p["nav_total_int"]) for p in disclosure["pools"] if p["tranche"] == "whole") == sum(
        int(t["nav_total_int"]) for t in disclosure["totals"]
    )
