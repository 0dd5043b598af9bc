"""``verify``: the records of a date against the tree, the message, the disclosure, and the values they stand for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from plantation_rwa.attest.attestation import document, totals
from plantation_rwa.attest.checking import Findings, check_records
from plantation_rwa.attest.consumers import check_tokens
from plantation_rwa.attest.disclosure import pool_texts
from plantation_rwa.attest.hashing import row_texts
from plantation_rwa.attest.records import Limits, Sources, build_record
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, sha256_of
from plantation_rwa.run.attest import ATTESTATION, DOCUMENTS, FOLDER, inputs_hash, outputs_hash, token_id
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.reading import json_object
from plantation_rwa.valuation.pools import pool_name
from plantation_rwa.valuation.run import records as dicts

#: members of a record that do not follow from the published row: hashes, and the verdict of the issuer's limits
_NOT_OF_THE_ROW = ("inputs_hash", "model_hash", "configuration_hash", "status", "status_reasons")
_NO_LIMITS = Limits(0, 0, frozenset())


def agree(message: Mapping[str, Any], expected: Mapping[str, tuple[Any, str]], as_of: str, out: Findings) -> None:
    """Members of the signed message against what they speak of: value and its meaning by name."""
    for name, (value, meaning) in expected.items():
        if message[name] != value:
            out.fail(f"{FOLDER}/as_of={as_of}/{ATTESTATION}", f"{name} is {message[name]}, {meaning} is {value}")


def check_values(
    root: Path,
    manifest: Manifest,
    attestation: Mapping[str, Any],
    disclosure: Mapping[str, Any],
    dump: Mapping[str, Any],
    out: Findings,
) -> None:
    """Everything of a date whose records are here in full."""
    folder, message = f"{FOLDER}/as_of={manifest.as_of}", attestation["typed_data"]["message"]
    where = f"{folder}/records.parquet"
    rows = dicts(read_part(root / where))
    records = check_records(rows, dump, manifest.as_of, (where, f"{folder}/merkle.json"), out)
    features = read_all([Published(root, o) for o in manifest.tables("features")], partition_key="month")
    inputs = (inputs_hash(manifest, features), "the hash of the manifest's inputs and the features")
    agree(message, {"inputsHash": inputs}, manifest.as_of, out)
    others = sorted({r["model_hash"] for r in records} - {message["modelHash"]})
    if others:
        out.fail(f"{folder}/{ATTESTATION}", f"modelHash is {message['modelHash']}, records have {', '.join(others)}")
    for name, value in {"outputs": outputs_hash(manifest), "totals": totals(records)}.items():
        if disclosure[name] != value:
            out.fail(f"{folder}/disclosure.json", f"{name} is not that of the published files")
    if any(r["configuration_hash"] != f"0x{manifest.configuration['sha256']}" for r in records):
        out.fail(where, "configuration hash of a record is not that of the manifest")
    if any(r["portfolio"] != disclosure["portfolio"] for r in records):
        out.fail(where, "portfolio of a record is not that of disclosure.json")
    _check_counts(records, disclosure, f"{folder}/disclosure.json", out)
    try:
        values = dicts(pd.DataFrame(read_all([Published(root, o) for o in manifest.tables("valuations")])))
        pools = dicts(pd.DataFrame(read_all([Published(root, o) for o in manifest.tables("pools")])))
    except (PublishError, ValueError) as error:
        out.fail(where, f"cannot be held against the published values ({error})")
    else:
        _check_rows(rows, values, manifest.as_of, where, out)
        _check_pools(values, pools, disclosure, f"{folder}/disclosure.json", out)
        _check_level3(root, manifest, disclosure, f"{folder}/disclosure.json", out)
    _check_tokens(root, folder, attestation["digest"], disclosure, records, out)


def _check_counts(
    records: Sequence[Mapping[str, Any]], disclosure: Mapping[str, Any], where: str, out: Findings
) -> None:
    """How many records are indicative, and why, as the disclosure tells."""
    reasons = Counter(reason for r in records for reason in r["status_reasons"].split(";") if reason)
    indicative = sum(r["status"] == "indicative" for r in records)
    if any((r["status"] == "indicative") != bool(r["status_reasons"]) for r in records):
        out.fail(where, "a record is indicative without a reason, or current with one")
    if (disclosure["indicative_records"], disclosure["status_reasons"]) != (indicative, dict(reasons)):
        out.fail(where, "indicative_records or status_reasons is not that of the records")


def _check_rows(
    rows: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]], as_of: str, where: str, out: Findings
) -> None:
    """One record to one published value, and every member of the record that the row of the value tells."""
    by_key = {_key(row): row for row in rows}
    if len(by_key) < len(rows):
        out.fail(where, "a right has several records")
    valued = Counter(_key(row) for row in values)
    for key in sorted(by_key.keys() - valued.keys()):
        out.fail(where, f"record {'|'.join(key)}: no value of this right is published")
    for key, count in valued.items():
        if count > 1:
            out.fail(where, f"record {'|'.join(key)}: {count} values of this right are published")
    for row in values:
        key = _key(row)
        own = by_key.get(key)
        if own is None or own["record_hash"] != row["record_hash"]:
            out.fail(where, f"record {'|'.join(key)}: hash is not the one published with the value")
            continue
        record = json.loads(own["record"])
        made = build_record(
            row, as_of, record["portfolio"], Sources("", "", ""), _NO_LIMITS, salted=record["salt"] == "issuer"
        )
        unlike = sorted(k for k in {*record, *made} - {*_NOT_OF_THE_ROW} if record.get(k) != made.get(k))
        if "nav_total_int" in unlike:
            out.fail(where, f"record {'|'.join(key)}: value is not the published one")
        elif unlike:
            out.fail(where, f"record {'|'.join(key)}: {', '.join(unlike)} not as published")


def _check_pools(
    values: Sequence[Mapping[str, Any]],
    pools: Sequence[Mapping[str, Any]],
    disclosure: Mapping[str, Any],
    where: str,
    out: Findings,
) -> None:
    """Each pool is the sum of its rights, and the disclosure says of it what is published."""
    sums: Counter[str] = Counter()
    for row in values:
        if not pd.isna(row["nav_total_int"]):
            asked = None if pd.isna(row["pool_id"]) else str(row["pool_id"])
            sums[pool_name(asked, str(row["currency"]), disclosure["currency"])] += int(row["nav_total_int"])
    whole = {str(p["pool_id"]): int(p["nav_total_int"]) for p in pools if p["tranche"] == "whole"}
    for name in sorted({*sums, *whole}):
        if sums[name] != whole.get(name, 0):
            out.fail(where, f"pool {name}: its rights sum to {sums[name]}, the pool is {whole.get(name, 'not there')}")
    if pool_texts(pools, _hidden(disclosure)) != disclosure["pools"]:
        out.fail(where, "pools are not those that are published")


def _check_level3(root: Path, manifest: Manifest, disclosure: Mapping[str, Any], where: str, out: Findings) -> None:
    rows = read_all([Published(root, o) for o in manifest.tables("disclosure")])
    if [row_texts(r) for r in dicts(rows) if r["pool_id"] not in _hidden(disclosure)] != disclosure["level3"]:
        out.fail(where, "level3 is not what is published")


def _hidden(disclosure: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(p["pool_id"] for p in disclosure["pools"] if "withheld" in p)


def _check_tokens(
    root: Path,
    folder: str,
    digest: str,
    disclosure: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    out: Findings,
) -> None:
    """Token metadata against the attestation, the records and the documents."""
    name, portfolio = f"{folder}/token_metadata.json", disclosure["portfolio"]
    documents = [document(d, f"{folder}/{d}", f"0x{sha256_of(root / folder / d)}") for d in DOCUMENTS]
    named = [(token_id(portfolio, r), r) for r in records]
    check_tokens(json_object(root / name), name, disclosure, digest, named, documents, out)


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["plantation_id"]), str(row["right_id"])
