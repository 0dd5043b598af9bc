"""Signers, overlays and salts: who signs, what is kept, and that no key or secret is told to anybody."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import eth_keyfile
import pandas as pd
import pytest
import yaml

from plantation_rwa.attest.attestation import Signature, build_attestation, domain
from plantation_rwa.attest.checking import Trust, end_of_day
from plantation_rwa.attest.hashing import keccak256
from plantation_rwa.attest.overlays import overlay_digest
from plantation_rwa.attest.signing import recover, sign
from plantation_rwa.cli import run_command
from plantation_rwa.config import load_config
from plantation_rwa.config_attest import AttestConfig, SignerConfig
from plantation_rwa.errors import ConfigError, PlantationError
from plantation_rwa.run.signers import salt_secret, signatures
from plantation_rwa.run.verify import verify
from tests.conftest import run_world

KEY = keccak256(b"cow").hex()
COW = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
TODAY = Trust({}, None, end_of_day("2026-06-10"))
ATTESTATION = build_attestation(
    domain("p", 1),
    {
        **dict.fromkeys(("merkleRoot", "reportHash", "inputsHash", "modelHash"), "0x" + "11" * 32),
        "asOf": 1, "validUntil": 2, "leafCount": 1, "status": 0, "methodologyUri": "m",
    },
)  # fmt: skip


class Named:
    """A configuration with nothing but its section ``attest``."""

    def __init__(self, *signers: SignerConfig, **other: str) -> None:
        self.attest = AttestConfig(signers=list(signers), **other)


def made_by(*signers: SignerConfig, kept: tuple[Signature, ...] = ()) -> list[Signature]:
    return signatures(signers, ATTESTATION, kept)


def test_a_key_in_the_environment_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    (found,) = made_by(SignerConfig(role="valuer", env="TEST_KEY"))
    assert (found.role, found.signer) == ("valuer", COW)
    assert recover(bytes.fromhex(ATTESTATION["digest"][2:]), found.signature) == COW


def test_a_keystore_signs_and_a_wrong_password_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(eth_keyfile.create_keyfile_json(bytes.fromhex(KEY), b"open", iterations=2)))
    signer = SignerConfig(role="auditor", keystore=str(path), password_env="TEST_PASSWORD")
    monkeypatch.setenv("TEST_PASSWORD", "open")
    assert made_by(signer)[0].signer == COW
    monkeypatch.setenv("TEST_PASSWORD", "shut-and-secret")
    with pytest.raises(PlantationError, match=r"keystore key\.json cannot be opened") as caught:
        made_by(signer)
    assert "shut-and-secret" not in "".join(traceback.format_exception(caught.value))


def test_a_command_signs_what_it_gets_on_its_input(tmp_path: Path) -> None:
    program = tmp_path / "hsm"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\nfrom plantation_rwa.attest.signing import sign\n"
        f"asked = json.load(sys.stdin)\nassert asked['typed_data']['primaryType'] == 'NavAttestation'\n"
        f"print(sign(bytes.fromhex(asked['digest'][2:]), '{KEY}'))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert made_by(SignerConfig(role="oracle_operator", command=[str(program)]))[0].signer == COW


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["false"], "command false ended with 1; nothing was signed"),
        (["echo", "0x12"], "oracle_operator did not return a signature"),
        (["no-such-program"], "command no-such-program did not run"),
    ],
)
def test_a_command_that_does_not_sign_ends_the_stage(command: list[str], said: str) -> None:
    with pytest.raises(PlantationError, match=said):
        made_by(SignerConfig(role="oracle_operator", command=command))


def test_signatures_of_others_are_kept_and_ones_own_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    kept = (Signature("auditor", "0xa", "0xb"), Signature("valuer", "0xc", "0xd"))
    found = made_by(SignerConfig(role="valuer", env="TEST_KEY"), kept=kept)
    assert {s.role: s.signer for s in found} == {"auditor": "0xa", "valuer": COW}


@pytest.mark.parametrize("key", ["", "zz" * 32, KEY[:-2], "0" * 64])
def test_a_bad_key_is_refused_and_not_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    with pytest.raises(PlantationError, match="TEST_KEY") as caught:
        made_by(SignerConfig(role="valuer", env="TEST_KEY"))
    text = "".join(traceback.format_exception(caught.value))
    assert not key or key not in text


def test_a_short_secret_of_the_salts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SALT", "hunter2-hunter2")
    with pytest.raises(PlantationError, match="at least 32 random characters") as caught:
        salt_secret(Named(salt_env="TEST_SALT"))  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"role": "valuer"}, "should name exactly one of env, keystore, command"),
        ({"role": "valuer", "env": "A", "command": ["b"]}, "should name exactly one of env, keystore, command"),
        ({"role": "valuer", "keystore": "k.json"}, "should name keystore and password_env together"),
        ({"role": "valuer", "env": "0x" + KEY}, "should have at most 60 characters"),
        ({"role": "valuer", "env": "${TEST_KEY}"}, "should have at most 60 characters"),
        ({"role": "valuer", "env": "test-key"}, "should match pattern"),
    ],
)
def test_a_key_written_into_the_configuration_is_refused_and_not_shown(
    small_world: Path, tmp_path: Path, entry: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "0x" + KEY)
    raw = yaml.safe_load((small_world / "config.yaml").read_text("utf-8"))
    raw["attest"] = {"signers": [entry]}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(path)
    assert KEY not in str(caught.value)


SECRET = "7f3d-do-not-tell-this-secret-of-the-salts-0001"


@pytest.mark.slow
def test_no_key_and_no_secret_is_told_by_a_whole_run(light_world: Path, tmp_path: Path) -> None:
    """Outputs, what is printed, and the process list of a run that signs, and of one whose key is bad."""
    path = light_world
    raw = yaml.safe_load(path.read_text("utf-8"))
    raw["attest"] = {"salt_env": "TEST_SALT", "signers": [{"role": "valuer", "env": "TEST_KEY"}]}
    raw["valuation"]["assumptions"] = {"attest.valid_days": 36500}  # whatever day this runs
    path.write_text(yaml.safe_dump(raw), "utf-8")
    command = [sys.executable, "-m", "plantation_rwa", "run", str(path), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "TEST_SALT": SECRET, "TEST_KEY": KEY, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        listed = (Path("/proc") / str(process.pid) / "cmdline").read_bytes() if Path("/proc").is_dir() else b""
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    content = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    for text in (SECRET, KEY):
        assert text.encode() not in content + said + listed
    trust = Trust({"valuer": frozenset({COW.lower()})}, None, TODAY.now)
    found = verify(tmp_path / "out", trust)
    assert (found.failed, [where for where, _ in found.unchecked]) == ([], ["reports/", "manifests/"])
    records = pd.read_parquet(next((tmp_path / "out").rglob("records.parquet")))
    assert all('"salt":"issuer"' in r for r in records["record"])
    again = subprocess.run(command, env={**environment, "TEST_KEY": KEY[:-2] + "zz"}, capture_output=True, check=False)
    assert again.returncode == 0, "nothing to recompute: no signer is asked"
    failed = subprocess.run(
        [*command, "--force", "--stage", "attest"], env={**environment, "TEST_KEY": KEY[:-2] + "zz"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert failed.returncode == 2
    assert b"TEST_KEY holds no usable key" in failed.stderr
    assert KEY[:-2].encode() not in failed.stdout + failed.stderr


def overlay(world: Path, *, key: str = KEY, reason: str = "flood not yet in the data") -> None:
    """Write an adjustment of SIM-001 and let the cow sign it."""
    path = world / "config.yaml"
    raw = yaml.safe_load(path.read_text("utf-8"))
    raw.setdefault("valuation", {})["overlays"] = "overlays.csv"
    raw["attest"] = {"overlay_signers": [COW]}
    row = {
        "plantation_id": "SIM-001", "right_id": "R1", "amount_minor": -1234500, "currency": "MYR",
        "author": "A. Valuer", "reason": "flood not yet in the data",
        "valid_from": "2026-05-01", "expires": "2026-07-31",
    }  # fmt: skip
    place = domain(raw["portfolio"]["name"], 1)
    signed = {**row, "reason": reason, "signature": sign(overlay_digest(place, row), key)}
    pd.DataFrame([signed]).to_csv(world / "overlays.csv", index=False)
    path.write_text(yaml.safe_dump(raw), "utf-8")


@pytest.mark.slow
def test_a_signed_overlay_shows_in_value_pool_record_disclosure_and_bridge(
    light_world: Path, light_run: Path, tmp_path: Path
) -> None:
    import datetime as dt

    overlay(light_world.parent)
    out = tmp_path / "out"
    run_world(light_world, out, dt.date(2026, 4, 30))
    run_world(light_world, out)
    plain, changed = (
        pd.read_parquet(next(place.glob("valuations/as_of=2026-05-31/*.parquet"))).set_index("plantation_id")
        for place in (light_run, out)
    )
    moved = changed["nav_total_int"] - plain["nav_total_int"]
    assert moved.to_dict() == {"SIM-001": -1234500, "SIM-002": 0, "SIM-003": 0, "SIM-004": 0}
    assert "overlay" in changed.loc["SIM-001", "quality_flag"].split(";")
    steps = changed.filter(like="bridge_").loc["SIM-001"]
    assert steps["bridge_model"] == -1234500
    assert steps.sum() - 2 * steps["bridge_closing"] == 0
    pools = pd.read_parquet(next(out.glob("pools/as_of=2026-05-31/*.parquet")))
    assert pools.loc[pools["tranche"] == "whole", "nav_total_int"].sum() == changed["nav_total_int"].sum()
    rows = json.loads((out / "attestations/as_of=2026-05-31/overlays.json").read_text("utf-8"))
    assert [(o["plantation_id"], o["reason"], o["expires"], o["signer"]) for o in rows] == [
        ("SIM-001", "flood not yet in the data", "2026-07-31", COW)
    ]
    assert verify(out, TODAY).failed == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": keccak256(b"dog").hex()}, "who is not in attest.overlay_signers"),
        pytest.param(
            {"reason": "another reason than was signed"}, "who is not in attest.overlay_signers", marks=pytest.mark.long
        ),
    ],
)
def test_an_overlay_that_nobody_who_may_has_signed_is_left_out(
    light_world: Path, light_run: Path, tmp_path: Path, options: dict[str, str], said: str
) -> None:
    overlay(light_world.parent, **options)
    run_world(light_world, tmp_path / "out")
    plain, now = (
        pd.read_parquet(next(p.glob("valuations/*/*.parquet")))["nav_total_int"] for p in (light_run, tmp_path / "out")
    )
    assert now.tolist() == plain.tolist()
    bad = pd.read_parquet(next((tmp_path / "out").glob("quarantine/*/*.parquet")))
    assert bad.loc[bad["input"] == "overlays", "reason"].str.contains(said).all()
    assert (bad["input"] == "overlays").sum() == 1


def test_prove_names_what_it_does_not_find(light_run: Path, tmp_path: Path) -> None:
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        assert run_command(["prove", str(light_run), "SIM-01"]) == 2
        assert run_command(["prove", str(light_run), "SIM-001", "--right", "R9"]) == 2
    assert run_command(["prove", str(light_run), "SIM-001", "--out", str(tmp_path / "p.json")]) == 0
    assert run_command(["verify", str(tmp_path / "p.json"), "--at", "2026-06-10"]) == 0
    assert run_command(["verify", str(tmp_path / "p.json"), "--at", "2026-07-10"]) == 1
