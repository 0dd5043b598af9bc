"""``sign``: roles sign what is published, each at a machine of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from plantation_rwa.attest.attestation import build_attestation
from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.attest.hashing import keccak256
from plantation_rwa.cli import run_command
from plantation_rwa.errors import PlantationError
from plantation_rwa.run import sign, signers
from plantation_rwa.run.verify import verify
from plantation_rwa.testing import edit_config
from tests.conftest import run_world

FOLDER = "attestations/as_of=2026-05-31"
NAV = f"{FOLDER}/nav_attestation.json"
COW = "0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"
NOW = end_of_day("2026-06-10")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for role, word in (("VALUER", b"cow"), ("AUDITOR", b"dog"), ("ORACLE", b"hen")):
        monkeypatch.setenv(f"{role}_KEY", keccak256(word).hex())
    at(monkeypatch, NOW)


def at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Let it be another moment."""
    for module in (signers, sign):
        monkeypatch.setattr(module, "seconds_now", lambda: moment)


def signers_of(path: Path) -> dict[str, str]:
    return {s["role"]: s["signer"].lower() for s in json.loads(path.read_text("utf-8"))["signatures"]}


def test_roles_sign_copies_and_the_issuer_brings_them_together(light_copy: Path, tmp_path: Path) -> None:
    before = json.loads((light_copy / NAV).read_text("utf-8"))
    copies = {role: tmp_path / f"{role}.json" for role in ("auditor", "oracle_operator")}
    for (role, copy), env in zip(copies.items(), ("AUDITOR_KEY", "ORACLE_KEY"), strict=True):
        shutil.copyfile(light_copy / NAV, copy)
        assert run_command(["sign", str(copy), "--role", role, "--env", env]) == 0
        assert set(signers_of(copy)) == {role}
    assert run_command(["sign", str(light_copy), "--role", "valuer", "--env", "VALUER_KEY"]) == 0
    assert run_command(["sign", str(light_copy), "--add", *map(str, copies.values())]) == 0
    found = signers_of(light_copy / NAV)
    assert set(found) == {"valuer", "auditor", "oracle_operator"}
    assert found["valuer"] == COW
    after = json.loads((light_copy / NAV).read_text("utf-8"))
    assert {k: v for k, v in after.items() if k != "signatures"} == {
        k: v for k, v in before.items() if k != "signatures"
    }
    result = verify(light_copy, Trust({role: frozenset({who}) for role, who in found.items()}, None, NOW))
    assert (result.failed, [where for where, _ in result.unchecked]) == ([], ["reports/", "manifests/"])


def test_who_signs_again_stands_there_once(light_copy: Path) -> None:
    for _ in range(2):
        assert run_command(["sign", str(light_copy), "--role", "valuer", "--env", "VALUER_KEY"]) == 0
    assert len(json.loads((light_copy / NAV).read_text("utf-8"))["signatures"]) == 1
    assert verify(light_copy, Trust({}, None, NOW)).failed == []


def test_nothing_is_signed_in_a_folder_that_does_not_verify(
    light_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = next((light_copy / "valuations").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    before = (light_copy / NAV).read_bytes()
    assert run_command(["sign", str(light_copy), "--role", "valuer", "--env", "VALUER_KEY"]) == 2
    assert "nothing is signed in a folder that does not verify" in " ".join(capsys.readouterr().err.split())
    assert (light_copy / NAV).read_bytes() == before


@pytest.mark.parametrize(
    ("bend", "said"),
    [
        (lambda d: d["typed_data"]["message"].update(leafCount=9), "states digest"),
        (lambda d: d["signatures"][0].update(signer="0x" + "11" * 20), "holds a signature that is none"),
        (lambda d: d["signatures"][0].update(role="owner"), "holds a signature that is none"),
        (lambda d: d.pop("typed_data"), "is not a readable attestation"),
    ],
)
def test_a_copy_that_is_no_signed_copy_is_refused(
    light_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bend: object, said: str
) -> None:
    own, copy = tmp_path / "own.json", tmp_path / "copy.json"
    for path in (own, copy):
        shutil.copyfile(light_run / NAV, path)
    assert run_command(["sign", str(copy), "--role", "auditor", "--env", "AUDITOR_KEY"]) == 0
    data = json.loads(copy.read_text("utf-8"))
    bend(data)  # type: ignore[operator]
    copy.write_text(json.dumps(data), "utf-8")
    before = own.read_bytes()
    assert run_command(["sign", str(own), "--add", str(copy)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert own.read_bytes() == before


def test_a_copy_of_another_attestation_is_refused(
    light_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, copy = tmp_path / "own.json", tmp_path / "copy.json"
    shutil.copyfile(light_run / NAV, own)
    data = json.loads(own.read_text("utf-8"))["typed_data"]
    other = build_attestation(data["domain"], {**data["message"], "status": 2})
    copy.write_text(json.dumps(other), "utf-8")
    assert run_command(["sign", str(own), "--add", str(copy)]) == 2
    assert "is of another attestation" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--role", "valuer"],
        ["--role", "owner", "--env", "VALUER_KEY"],
        ["--role", "valuer", "--env", "VALUER_KEY", "--keystore", "k.json"],
        ["--role", "valuer", "--keystore", "k.json"],
        ["--role", "valuer", "--env", keccak256(b"cow").hex().upper()],
        ["--role", "valuer", "--env", "F" + keccak256(b"cow").hex().upper()[1:]],
    ],
)
def test_what_is_no_way_to_sign_is_refused_and_no_key_is_told(
    light_run: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert run_command(["sign", str(light_run / NAV), *options]) == 2
    told = capsys.readouterr()
    assert "Keys never stand on a command line" in " ".join(told.err.split())
    assert not any(len(o) == 64 and o in told.out + told.err for o in options)


def test_nothing_expired_is_signed_in_a_folder_or_a_copy(
    light_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.json"
    shutil.copyfile(light_copy / NAV, copy)
    for moment, code in ((end_of_day("2026-07-05"), 0), (end_of_day("2026-07-05") + 1, 2)):
        at(monkeypatch, moment)
        for place in (copy, light_copy):
            assert run_command(["sign", str(place), "--role", "valuer", "--env", "VALUER_KEY"]) == code
    told = " ".join(capsys.readouterr().err.split())
    assert "copy.json is valid until 2026-07-05, today is 2026-07-06: nothing expired is signed" in told
    assert "raise attest.valid_days in valuation.assumptions" in told


def test_what_expires_before_its_own_day_is_not_signed(
    light_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = json.loads((light_run / NAV).read_text("utf-8"))["typed_data"]
    never = build_attestation(data["domain"], {**data["message"], "validUntil": data["message"]["asOf"] - 1})
    path = tmp_path / "never.json"
    path.write_text(json.dumps(never), "utf-8")
    at(monkeypatch, end_of_day("2026-05-30") - 1)
    assert run_command(["sign", str(path), "--role", "valuer", "--env", "VALUER_KEY"]) == 2
    assert "nothing expired is signed" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_run_signs_nothing_that_is_expired_at_birth(
    light_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date of months ago is not attested with a signature, unless the attestation says that it holds so long."""
    at(monkeypatch, end_of_day("2026-09-30"))
    edit_config(light_world, {"attest.signers": [{"role": "valuer", "env": "VALUER_KEY"}]})
    with pytest.raises(PlantationError, match="the attestation of 2026-05-31 is valid until 2026-07-05, today is 2026"):
        run_world(light_world, tmp_path / "out")
    assert not (tmp_path / "out" / "manifests" / "as_of=2026-05-31.json").exists()
    edit_config(light_world, {"valuation.assumptions": {"attest.valid_days": 365}})
    run_world(light_world, tmp_path / "out")
    assert signers_of(tmp_path / "out" / NAV) == {"valuer": COW}
