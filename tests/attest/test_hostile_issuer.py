"""Lies that are consistent in every hash, told with and without a key: each meets something it contradicts."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.attest.attestation import Signature, build_attestation
from plantation_rwa.attest.checking import Findings, Trust, check_attestation, end_of_day
from plantation_rwa.attest.consumers import check_feeds
from plantation_rwa.attest.hashing import canonical, hash_of
from plantation_rwa.attest.signing import sign
from plantation_rwa.cli import run_command
from plantation_rwa.publish.manifest import save, sha256_of
from plantation_rwa.run.reading import CannotCheck, json_object
from plantation_rwa.run.verify import verify
from tests.attest.forging import (
    AS_OF,
    COW,
    FOLDER,
    KEY,
    MANIFEST,
    added,
    entered,
    hashes_taken_over,
    manifest_of,
    put,
    records_changed,
    reissued,
    table_changed,
)

NOW = end_of_day("2026-06-10")
TODAY = Trust({}, None, NOW)
COWS = Trust({"valuer": frozenset({COW.lower()})}, None, NOW)
DISCLOSURE, RECORDS = f"{FOLDER}/disclosure.json", f"{FOLDER}/records.parquet"
NAV, TOKENS, ORACLE = (f"{FOLDER}/{n}.json" for n in ("nav_attestation", "token_metadata", "oracle/aggregator_v3"))


def told(out: Path, trust: Trust = COWS) -> list[str]:
    return [f"{where}: {reason}" for where, reason in verify(out, trust).failed]


def test_what_is_issued_anew_without_a_lie_verifies(light_copy: Path) -> None:
    """So whatever fails below fails for the lie, not for the way it is told."""
    reissued(light_copy)
    assert told(light_copy) == []


def not_of_this_world(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A right that is nowhere valued, a second record of a right, one of another version, one with other components."""
    first, second, third, *others = rows
    ghost = {**first, "plantation_id": "GHOST-1", "record": {**first["record"], "plantation_id": "GHOST-1"}}
    twin = {**first, "record": {**first["record"], "nav_total_int": "0", "nav_q95_int": "9"}}
    older = {**second, "record": {**second["record"], "record_version": 9}}
    unlike = {**third, "components": canonical({"inputs": {}, "model": {"code": "0x00"}}).decode()}
    return [twin, first, ghost, older, unlike, *others]


def test_records_that_stand_for_no_value(light_copy: Path) -> None:
    records_changed(light_copy, not_of_this_world)
    hashes_taken_over(light_copy)
    reissued(light_copy)
    assert {
        f"{RECORDS}: record GHOST-1|R1: no value of this right is published",
        f"{RECORDS}: a right has several records",
        f"{RECORDS}: record SIM-002|R1: is of version 9, the disclosure of one with 1",
        f"{RECORDS}: record SIM-003|R1: its components are not those of its hashes",
    } <= set(told(light_copy))


def prettier(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(npv_q10=frame["npv_fair"], confidence_grade="A", eudr_screen="pass")


def lies(disclosure: dict[str, Any]) -> None:
    for pool in disclosure["pools"]:
        pool.update(nav_total_int=str(2 * int(pool["nav_total_int"])), n_rights="40")
    disclosure["level3"].pop()
    disclosure["inputs"].pop("prices")
    disclosure.update(indicative_records=3)


def test_tables_that_say_more_than_the_records(light_copy: Path) -> None:
    table_changed(light_copy, "valuations", prettier)
    table_changed(light_copy, "pools", lambda frame: frame.assign(nav_total_int=frame["nav_total_int"] * 2))
    reissued(light_copy, disclosure=lies)
    found = told(light_copy)
    for said in (
        f"{RECORDS}: record SIM-001|R1: confidence_grade, eudr_screen, nav_q10_int not as published",
        f"{DISCLOSURE}: pool portfolio:MYR: its rights sum to",
        f"{DISCLOSURE}: pools are not those that are published",
        f"{DISCLOSURE}: level3 is not what is published",
        f"{DISCLOSURE}: indicative_records or status_reasons is not that of the records",
        f"{MANIFEST}: inputs: hash or rows of prices are not those of disclosure.json",
    ):
        assert any(text.startswith(said) for text in found), (said, found)


def test_without_a_key_nothing_is_added_to_what_was_signed(light_copy: Path) -> None:
    reissued(light_copy)
    slipped_in = [
        ("report", "cash_flows", f"cash_flows/as_of={AS_OF}/part-000000000000.parquet"),
        ("report", "report", f"valuations/as_of={AS_OF}/part-000000000000.parquet"),
        ("attest", "attestation", f"{FOLDER}/letter.json"),
        ("attest", "attestation", "curves/letter.json"),
        ("valuation", "valuations", f"reports/as_of={AS_OF}/index2.html"),
    ]
    for stage, table, path in slipped_in:
        added(light_copy, stage, table, path, b"x")
    added(light_copy, "attest", "attestation", f"{FOLDER}/overlays.json", b"[]")
    found = told(light_copy)
    for stage, _, path in slipped_in:
        assert f"{MANIFEST}: {path!r} is no file of the stage '{stage}'" in found
    assert f"{FOLDER}/overlays.json: the disclosure knows of no adjustments" in found


def test_without_the_file_the_check_of_it_is_missed(light_copy: Path) -> None:
    names = ("merkle.json", "oracle/aggregator_v3.json", "token_metadata.json")
    gone = {f"{FOLDER}/{name}" for name in names}
    for path in gone:
        (light_copy / path).unlink()
    manifest = manifest_of(light_copy)
    save(light_copy, manifest.with_outputs(o for o in manifest.outputs if o.path not in gone))
    assert {f"{FOLDER}: {name} is not among the files of the manifest" for name in names} <= set(
        told(light_copy, TODAY)
    )


def a_later_date(out: Path, *outputs: Any) -> None:
    """A manifest of June that nobody attests: whoever can write to a folder can add one."""
    save(out, dataclasses.replace(manifest_of(out), as_of="2026-06-30", outputs=outputs))


def test_a_later_manifest_does_not_answer_for_files_of_a_signed_date(light_copy: Path) -> None:
    reissued(light_copy)
    (forecasts,) = manifest_of(light_copy).tables("forecasts")
    whole = (light_copy / forecasts.path).read_bytes()
    table = pd.read_parquet(light_copy / forecasts.path)
    table.assign(yield_q50_t_ha=9.0).to_parquet(light_copy / forecasts.path)
    forged = dataclasses.replace(
        forecasts, sha256=sha256_of(light_copy / forecasts.path), bytes=(light_copy / forecasts.path).stat().st_size
    )
    a_later_date(light_copy, forged)
    assert f"{forecasts.path}: differs from its manifest" in told(light_copy, TODAY)
    (light_copy / forecasts.path).write_bytes(whole)


def test_a_later_manifest_does_not_hide_that_the_newest_attestation_expired(light_copy: Path) -> None:
    a_later_date(light_copy)
    late = Trust({}, None, end_of_day("2026-07-10"))
    assert any(text.startswith(f"{NAV}: expired: it was valid until 2026-07-05") for text in told(light_copy, late))


def test_a_date_has_one_spelling(light_copy: Path) -> None:
    """2026-6-1 would stand behind all months of two digits, as the newest."""
    save(light_copy, dataclasses.replace(manifest_of(light_copy), as_of="2026-6-1", outputs=()))
    assert any(t.startswith("manifests/as_of=2026-6-1.json: cannot be read") for t in told(light_copy, TODAY))


def attestation_of(out: Path, **message: Any) -> dict[str, Any]:
    """The attestation with other words in its message, hashed and signed anew."""
    data = json.loads((out / NAV).read_text("utf-8"))["typed_data"]
    words = {**data["message"], **message}
    digest = build_attestation(data["domain"], words)["digest"]
    text = sign(bytes.fromhex(digest[2:]), KEY)
    return build_attestation(data["domain"], words, [Signature("valuer", COW, text)])


def faults_of(attestation: dict[str, Any], trust: Trust = COWS) -> list[str]:
    out = Findings()
    check_attestation(attestation, NAV, trust, portfolio="simulated portfolio", newest=True, out=out)
    return [reason for _, reason in out.failed]


def test_messages_that_readers_take_in_two_ways_or_that_never_held(light_run: Path) -> None:
    assert faults_of(attestation_of(light_run)) == []
    until = end_of_day("2026-07-05")
    assert faults_of(attestation_of(light_run, validUntil=str(until))) == [f"validUntil is '{until}', no number"]
    assert faults_of(attestation_of(light_run, status="0")) == ["status is '0', no number"]
    never = attestation_of(light_run, validUntil=end_of_day("2026-05-30"))
    assert faults_of(never) == ["was never valid: it expires before the day that it is of"]
    digits = attestation_of(light_run)
    digits["typed_data"]["message"]["leafCount"] = "\u0664"  # a four that Python counts with
    assert faults_of(digits)[0].startswith("is not a readable attestation")
    before = Trust(COWS.signers, None, end_of_day("2026-05-30"))
    assert faults_of(attestation_of(light_run), before) == [
        f"is of {AS_OF}, which is later than 2026-05-30, the day it is checked for"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(note="AAA rated"), "members of the file missing or unknown: note"),
        (lambda d: d["typed_data"].update(note="x"), "members of typed_data missing or unknown: note"),
        (lambda d: d["signatures"][0].update(firm="Big Four"), "members of a signature unknown: firm"),
        (lambda d: d["typed_data"]["domain"].update(verifyingContract="0x" + "11" * 20), "is not a readable"),
        (lambda d: d["typed_data"]["domain"].update(chainId=137), "states digest"),
        (lambda d: d["typed_data"]["domain"].update(chainId="1"), "chainId is '1', no number"),
        (lambda d: d["signatures"].append(d["signatures"][0]), ""),
        (lambda d: d["signatures"].append({**d["signatures"][0], "role": "auditor"}), "signs as auditor and as valuer"),
    ],
)  # fmt: skip
def test_what_stands_beside_the_signed_words(light_run: Path, change: Any, said: str) -> None:
    attestation = attestation_of(light_run)
    change(attestation)
    found = faults_of(attestation, Trust({"valuer": frozenset({COW.lower()}), "auditor": frozenset()}, 1, NOW))
    assert any(said in reason for reason in found) if said else found == []


def test_a_key_counts_once_however_often_it_signed(light_run: Path) -> None:
    attestation = attestation_of(light_run)
    attestation["signatures"] *= 2
    two = Trust({"valuer": frozenset({COW.lower()}), "auditor": frozenset({COW.lower()})}, 2, NOW)
    assert faults_of(attestation, two) == ["1 of 2 roles needed have signed; missing: auditor"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(heartbeat_s=10**9), "heartbeat_s is 1000000000, the disclosure makes it"),
        (lambda d: d.update(decimals="2"), "decimals is '2', the disclosure makes it 2"),
        (lambda d: d.update(auditor="x"), "auditor is 'x', the disclosure makes it None"),
        (lambda d: d["pools"].append(d["pools"][0]), "its pools are not those of the disclosure"),
    ],
)
def test_feeds_say_what_was_signed(light_run: Path, change: Any, said: str) -> None:
    feeds, disclosure = (json.loads((light_run / path).read_text("utf-8")) for path in (ORACLE, DISCLOSURE))
    out = Findings()
    check_feeds(feeds, ORACLE, disclosure, out)
    assert out.failed == []
    change(feeds)
    check_feeds(feeds, ORACLE, disclosure, out)
    assert any(said in reason for _, reason in out.failed)


def test_token_metadata_say_what_was_signed(light_copy: Path) -> None:
    tokens = json.loads((light_copy / TOKENS).read_text("utf-8"))
    tokens["documents"][0]["name"] = "audit report"
    (light_copy / TOKENS).write_text(json.dumps(tokens | {"image": "https://example.org/x.png"}), "utf-8")
    entered(light_copy, TOKENS)
    assert told(light_copy, TODAY) == [
        f"{TOKENS}: {name} is not that of the attestation" for name in ("documents", "image")
    ]


def test_a_name_that_stands_twice_is_read_by_nobody(light_run: Path, tmp_path: Path) -> None:
    """Of two values of one name some readers take the first, others the last."""
    for source in (NAV, ORACLE, TOKENS, f"{FOLDER}/merkle.json"):
        text, path = (light_run / source).read_text("utf-8").lstrip(), tmp_path / "twice.json"
        path.write_text(text, "utf-8")
        assert json_object(path)
        path.write_text('{"format": "other", "digest": "0x", "version": 9, "name": "x",' + text[1:], "utf-8")
        with pytest.raises(CannotCheck, match="stands twice in one object"):
            json_object(path)


def test_the_manifest_shows_the_configuration_of_its_hash(light_copy: Path) -> None:
    manifest = manifest_of(light_copy)
    values = {**manifest.configuration["values"], "seed": 1}
    save(light_copy, dataclasses.replace(manifest, configuration={**manifest.configuration, "values": values}))
    assert f"{MANIFEST}: its configuration is not the one of its hash" in told(light_copy, TODAY)


def test_a_foreign_program_excuses_no_copy_with_other_numbers(light_copy: Path) -> None:
    manifest = manifest_of(light_copy)
    save(light_copy, dataclasses.replace(manifest, code={"version": "0.9", "sha256": "ab" * 32}))
    found = verify(light_copy, TODAY)
    assert found.failed == []
    assert any("another program than the one that attested (0.9, code abababababab and" in text for text in found.noted)
    path = light_copy / "latest" / "valuations.parquet"
    frame = pd.read_parquet(path)
    frame.assign(npv_fair=frame["npv_fair"] + 1).to_parquet(path)
    assert told(light_copy, TODAY) == ["latest/valuations.parquet: differs from what the published files make"]


def test_everything_that_was_not_looked_at_is_named(light_copy: Path) -> None:
    for name in ("backtest/metrics.parquet", "partial/manifests/as_of=2026-05-31.json", "valuations/.draft.parquet",
                 ".git/config", "partial/.work-1/x"):  # fmt: skip
        (light_copy / name).parent.mkdir(parents=True, exist_ok=True)
        (light_copy / name).write_text("x", "utf-8")
    found = verify(light_copy, TODAY)
    assert found.failed == []
    named = dict(found.unchecked)
    assert named["backtest/"].startswith("1 file: ")
    assert named["partial/"].startswith("2 files: ")
    assert {"valuations/.draft.parquet", ".git/config", "reports/", "manifests/"} <= set(named)


def test_a_pipe_is_no_file_and_holds_nobody_up(light_copy: Path, requires: Callable[..., None]) -> None:
    requires("mkfifo")
    os.mkfifo(light_copy / "valuations" / "pipe")
    reissued(light_copy)
    for path in (ORACLE, DISCLOSURE, manifest_of(light_copy).tables("curves")[0].path):
        (light_copy / path).unlink()
        os.mkfifo(light_copy / path)
    os.mkfifo(light_copy / "manifests" / "as_of=2026-06-30.json")
    found = told(light_copy)
    assert "valuations/pipe: is named by no manifest" in found
    assert f"{ORACLE}: differs from its manifest" in found
    assert any(text.startswith("manifests/as_of=2026-06-30.json: ") for text in found)


def test_a_hostile_name_cannot_write_the_verdict(light_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J\neverything that was checked is as it should be\u202e"
    (light_copy / "valuations" / name).write_text("x", "utf-8")
    assert run_command(["verify", str(light_copy), "--at", "2026-06-10"]) == 1
    shown = capsys.readouterr()
    assert "\x1b" not in shown.err + shown.out
    lines = (shown.err + shown.out).splitlines()
    assert not any(line.startswith("everything that was checked") for line in lines)  # it stands in the name's line
    assert "\u202e" not in shown.err


def test_hard_links_and_plain_spellings(light_copy: Path) -> None:
    """A link to the same bytes is the same file; a path in another spelling is one that readers would count twice."""
    manifest = manifest_of(light_copy)
    (part,) = manifest.tables("cash_flows")
    os.link(light_copy / part.path, light_copy / "again.parquet")
    spelled = [f"./{part.path}", part.path.replace("/", "//", 1), str(light_copy / part.path), "a/../" + part.path]
    extra = [dataclasses.replace(part, path=path, stage="report", table="report") for path in spelled]
    save(light_copy, manifest.with_outputs([*manifest.outputs, *extra]))
    found = told(light_copy, TODAY)
    assert "again.parquet: is named by no manifest" in found
    assert {f"{MANIFEST}: {path!r} lies outside the output folder" for path in spelled} <= set(found)


def test_hash_of_components_is_the_one_of_the_record(light_run: Path) -> None:
    """By hand, as a reader would: the record's hashes are those of the lists beside it."""
    row = pd.read_parquet(light_run / RECORDS).iloc[0]
    behind, record = json.loads(row["components"]), json.loads(row["record"])
    assert (hash_of(behind["inputs"]), hash_of(behind["model"])) == (record["inputs_hash"], record["model_hash"])


def test_audited_is_a_word_that_an_auditor_signs(light_run: Path) -> None:
    for role, said in (("valuer", 1), ("auditor", 0)):
        attestation, out = attestation_of(light_run, status=2), Findings()
        attestation["signatures"] = [{**attestation["signatures"][0], "role": role}]
        check_attestation(attestation, NAV, TODAY, portfolio="simulated portfolio", newest=True, out=out)
        assert [why for _, why in out.unchecked].count("its status is audited, and no auditor has signed it") == said


@pytest.mark.slow
def test_whatever_stands_in_a_manifest_ends_in_a_line(light_copy: Path) -> None:
    """Each member of a manifest, and of one of its outputs, as something else: a fault with the file's name."""
    whole = json.loads((light_copy / MANIFEST).read_text("utf-8"))
    members = [(name,) for name in whole] + [("outputs", 0, name) for name in whole["outputs"][0]]
    for path in members:
        for value in ([], 7):
            (light_copy / MANIFEST).write_text(json.dumps(put(whole, path, value)), "utf-8")
            found = verify(light_copy, TODAY)
            assert found.failed or found.refused, (path, value)
