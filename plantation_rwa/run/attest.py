"""The attest stage: published values to records, Merkle tree, typed attestation and the shapes oracles take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import (
    DAY_SECONDS,
    STATUSES,
    Signature,
    build_attestation,
    document,
    domain,
    token_metadata,
    totals,
)
from plantation_rwa.attest.disclosure import VERSION, feeds, pool_texts
from plantation_rwa.attest.hashing import canonical, hash_of, row_texts
from plantation_rwa.attest.records import key_hash, record_key
from plantation_rwa.errors import PublishError, StageError
from plantation_rwa.publish.files import OutputFile, write_text_atomically
from plantation_rwa.publish.geoparquet import write_part
from plantation_rwa.publish.manifest import Manifest, Output, load_all
from plantation_rwa.run.few import least_rights, pools_of_few
from plantation_rwa.run.finishing import Read, outputs_of
from plantation_rwa.run.record_inputs import record_rows, salt_check
from plantation_rwa.run.session import Session, code_hash, short, table_hash
from plantation_rwa.run.signers import signatures, still_valid
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.run import records as dicts

TABLE = "records"
#: as the manifest calls the stage's files: the records, and all others
TABLES = (TABLE, "attestation")
FOLDER = "attestations"
ATTESTATION = "nav_attestation.json"
#: manual adjustments with their authors: a file of its own, for it goes to nobody but the issuer
OVERLAYS = "overlays.json"
FEEDS, TOKENS = "oracle/aggregator_v3.json", "token_metadata.json"
#: what the token metadata name, with their hashes
DOCUMENTS = ("disclosure.json", "merkle.json", "records.parquet")
#: every file the stage can write below the folder of a date
FILES = (*DOCUMENTS, ATTESTATION, FEEDS, TOKENS, OVERLAYS)
#: beside the heartbeat: when a consumer of a price feed should look twice, basis points
_LIMITS = ("deviation_bps", "breaker_bps")


@dataclass(frozen=True)
class Before:
    """The attestation of the newest earlier date."""

    as_of: str
    digest: str


def components(session: Session, manifest: Manifest) -> dict[str, str]:
    """What the attestation depends on, known before anything is computed."""
    before = earlier_attestation(session.root, session.as_of.isoformat())
    settings = session.config.attest.model_dump(mode="json")
    return {
        "code": code_hash("attest")[:16],
        "configuration": short([settings, session.assumptions.resolved()]),
        "values": short(sorted({o.fingerprint for o in manifest.of("features", "forecast", "valuation")})),
        "inputs": short(manifest.inputs),
        "earlier": short(None if before is None else vars(before)),
        "salt": salt_check(session),
    }


def write(
    session: Session, manifest: Manifest, read: Read, fingerprint: str, needed: Mapping[str, str]
) -> list[Output]:
    """Write the files of the attestation; see :meth:`plantation_rwa.run.finishing.Finish.stage`.

    Raises
    ------
    StageError
        If the published values carry other record hashes than the inputs and the secret of today give.
    """
    tables = {name: read("valuation", name) for name in ("valuations", "price_model", "disclosure", "pools")}
    tables |= {name: read("forecast", name) for name in ("forecasts", "forecast_model")}
    rows = record_rows(session, tables)
    _same_hashes(session, tables["valuations"], rows)
    if rows.empty:
        raise StageError(f"stage 'attest': no right is valued at {session.as_of.isoformat()}; nothing to attest.")
    dump = merkle.dump(list(zip(rows["key_hash"], rows["record_hash"], strict=True)))
    rows = rows.assign(merkle_index=[v["treeIndex"] for v in dump["values"]])
    found = [json.loads(text) for text in rows["record"]]
    disclosure = disclosure_of(session, manifest, found, tables)
    report = canonical(disclosure).decode()
    folder = f"{FOLDER}/{session.tag}"
    target = session.root / folder
    files: dict[str, OutputFile] = {}
    files["records.parquet"] = write_part(
        finalise(rows, TABLE), TABLE, target / "records.parquet", simulated=session.config.simulated
    )
    files["merkle.json"] = write_text_atomically(target / "merkle.json", _json(dump))
    files["disclosure.json"] = write_text_atomically(target / "disclosure.json", report)
    if len(session.known.overlays):
        files[OVERLAYS] = write_text_atomically(target / OVERLAYS, canonical(overlay_rows(session)).decode())
    message = {
        "merkleRoot": dump["tree"][0],
        "reportHash": hash_of(disclosure),
        "inputsHash": inputs_hash(manifest, read("features", "features", partition_key="month")),
        "modelHash": found[0]["model_hash"],
        **_times(session),
        "leafCount": len(found),
        "status": STATUSES.index(disclosure["status"]),
        "methodologyUri": session.config.attest.methodology_uri,
    }
    config = session.config
    unsigned = build_attestation(domain(config.portfolio.name, config.attest.chain_id), message)
    kept = _kept(target / ATTESTATION, unsigned["digest"])
    if config.attest.signers:
        still_valid(message, f"the attestation of {session.as_of.isoformat()}")
    signed = {**unsigned, "signatures": [vars(s) for s in signatures(config.attest.signers, unsigned, kept)]}
    files[ATTESTATION] = write_text_atomically(target / ATTESTATION, _json(signed))
    files[FEEDS] = write_text_atomically(target / FEEDS, _json(feeds(disclosure, message["asOf"])))
    documents = [document(name, f"{folder}/{name}", "0x" + files[name].sha256) for name in DOCUMENTS]
    metadata = token_metadata(
        config.portfolio.name,
        [(token_id(config.portfolio.name, r), r) for r in found],
        documents,
        {"as_of": session.as_of.isoformat(), "digest": unsigned["digest"]},
        note="Inputs are simulated." if config.simulated else "",
    )
    files[TOKENS] = write_text_atomically(target / TOKENS, _json(metadata))
    named = {f"{folder}/{n}": (TABLES[0 if n == "records.parquet" else 1], f) for n, f in files.items()}
    return outputs_of(session, "attest", named, fingerprint, needed)


def disclosure_of(
    session: Session, manifest: Manifest, found: Sequence[Mapping[str, Any]], tables: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """What the report's hash covers: totals, status, history, Level 3 disclosure; texts and integers."""
    before, settings = earlier_attestation(session.root, session.as_of.isoformat()), session.config.attest
    reasons: dict[str, int] = {}
    for record in found:
        for reason in filter(None, record["status_reasons"].split(";")):
            reasons[reason] = reasons.get(reason, 0) + 1
    held = "jump" in reasons and not settings.breaker_reason
    pools, a, currency = tables["pools"], session.assumptions, session.config.portfolio.currency
    hidden = pools_of_few(pools, tables["valuations"], currency, a)
    limits = {"heartbeat_s": int(a.number("attest.heartbeat_days")) * DAY_SECONDS}
    level3 = tables["disclosure"]
    return {
        "attestation_version": VERSION,
        "portfolio": session.config.portfolio.name,
        "currency": currency,
        "as_of": session.as_of.isoformat(),
        "contract_version": manifest.contract_version,
        "basis_of_value": "fair value of the contractual right (IFRS 13); not a value of land or palms",
        "simulated": "yes" if session.config.simulated else "no",
        "code": dict(manifest.code),
        "configuration_sha256": manifest.configuration["sha256"],
        "seed": str(session.config.seed),
        "paths": session.config.valuation.paths,
        "status": "indicative" if held else settings.status,
        "breaker_reason": settings.breaker_reason,
        "overlays": {"rows": len(session.known.overlays), "sha256": hash_of(overlay_rows(session))},
        "indicative_records": sum(r["status"] == "indicative" for r in found),
        "status_reasons": reasons,
        "totals": totals(found),
        "few_rights": least_rights(a),
        "pools": pool_texts(dicts(pools), hidden),
        "feeds": limits | {name: int(a.number(f"attest.{name}")) for name in _LIMITS},
        "level3": [row_texts(row) for row in dicts(level3[~level3["pool_id"].isin(hidden)])],
        "outputs": outputs_hash(manifest),
        "inputs": {name: dict(entry) for name, entry in sorted(manifest.inputs.items())},
        "previous": {} if before is None else vars(before),
    }


def overlay_rows(session: Session) -> list[dict[str, str]]:
    """Manual adjustments in force, as texts."""
    return [row_texts(row) for row in dicts(session.known.overlays)]


def inputs_hash(manifest: Manifest, features: pd.DataFrame) -> str:
    """Hash of all inputs of a date: every table as it was known, and the published features."""
    tables = {name: f"0x{entry['sha256']}" for name, entry in manifest.inputs.items()}
    return hash_of({"tables": tables, "features": f"0x{table_hash(features)}"})


def outputs_hash(manifest: Manifest) -> str:
    """Hash of the files that the attestation speaks of: all that were published before it."""
    spoken_of = [[o.path, f"0x{o.sha256}"] for o in manifest.outputs if o.stage not in ("attest", "report")]
    return hash_of(sorted(spoken_of))


def earlier_attestation(root: Path, as_of: str) -> Before | None:
    """The attestation of the newest date before ``as_of`` in a folder; None without any."""
    for manifest in reversed(load_all(root)):
        path = root / FOLDER / f"as_of={manifest.as_of}" / ATTESTATION
        if manifest.as_of < as_of and manifest.of("attest") and path.is_file():
            return Before(manifest.as_of, str(_read_json(path)["digest"]))
    return None


def token_id(portfolio: str, record: Mapping[str, Any]) -> str:
    """Id of a right's token: the same at all dates."""
    return key_hash(record_key(portfolio, str(record["plantation_id"]), str(record["right_id"])))


def _times(session: Session) -> dict[str, int]:
    """End of the valuation date, and when the attestation expires, seconds since 1970."""
    instant = int(session.instant.timestamp())
    return {"asOf": instant, "validUntil": instant + int(session.assumptions.number("attest.valid_days")) * DAY_SECONDS}


def _kept(path: Path, digest: str) -> list[Signature]:
    """Signatures that already stand under the same digest: another signer's, from a run of his own."""
    if not path.is_file():
        return []
    found = _read_json(path)
    return [Signature(**s) for s in found["signatures"]] if found.get("digest") == digest else []


def _same_hashes(session: Session, valuations: pd.DataFrame, rows: pd.DataFrame) -> None:
    published = dict(
        zip(valuations["plantation_id"] + "|" + valuations["right_id"], valuations["record_hash"], strict=True)
    )
    for row in dicts(rows):
        key = f"{row['plantation_id']}|{row['right_id']}"
        if published[key] != row["record_hash"]:
            raise StageError(
                f"stage 'attest': the published value of {key} at {session.as_of.isoformat()} rests on other inputs, "
                "code or another secret than today's. Run the stage 'valuation' first, or leave --stage out."
            )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PublishError(f"{path.name}: cannot be read ({error}). Remove it and run again.") from error
    if not isinstance(found, dict):
        raise PublishError(f"{path.name}: is no JSON object. Remove it and run again.")
    return found


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
