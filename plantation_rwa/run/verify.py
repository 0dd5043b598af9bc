"""``verify``: every file of an output folder against its manifest, every attestation against what it speaks of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import STATUSES, totals
from plantation_rwa.attest.checking import (
    UNREADABLE,
    Findings,
    Trust,
    check_attestation,
    check_history,
    check_proof,
    check_records,
    end_of_day,
)
from plantation_rwa.attest.consumers import check_feeds, check_tokens
from plantation_rwa.attest.hashing import canonical, hash_of
from plantation_rwa.attest.overlays import overlay_digest
from plantation_rwa.attest.signing import recover
from plantation_rwa.errors import PlantationError, PublishError
from plantation_rwa.json_text import parsed
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, damaged, load, manifest_path, sha256_of, untouched
from plantation_rwa.run.attest import ATTESTATION, FOLDER, OVERLAYS, inputs_hash, outputs_hash, token_id
from plantation_rwa.run.copies import odd_copies
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.reduced import check_reduced
from plantation_rwa.run.session import program_hash
from plantation_rwa.schema.classification import SHOWN
from plantation_rwa.valuation.run import records as dicts

#: what no manifest speaks of: copies are held against what they are made from, working folders are left out
_OTHERS = ("README.md", "backtest", "catalog", "latest", "manifests", "partial")


class CannotCheck(PlantationError):
    """There is nothing here that can be checked."""


def verify(place: Path, trust: Trust) -> Findings:
    """Check an output folder, or one file that ``prove`` wrote.

    Raises
    ------
    CannotCheck
        If there is neither.
    """
    out = Findings()
    if place.is_file():
        check_proof(json_object(place), place.name, trust, out)
        return out
    if not place.is_dir():
        raise CannotCheck(f"{place}: no such folder or file. Give an output folder, or a file that 'prove' wrote.")
    manifests = _manifests(place, out)
    _check_files(place, manifests, out)
    chain = [entry for m in manifests if (entry := _check_date(place, m, m is manifests[-1], trust, out)) is not None]
    check_history(chain, out)
    if manifests and manifests[-1].profile == "full":
        _check_copies(place, manifests, out)
    return out


def _manifests(root: Path, out: Findings) -> list[Manifest]:
    """Readable manifests, oldest first; those that are not what was written are faults."""
    paths = sorted((root / "manifests").glob("*.json"))
    if not paths:
        raise CannotCheck(f"{root}: holds no manifest. Give an output folder of 'run', or a file that 'prove' wrote.")
    found = []
    for path in paths:
        name = f"manifests/{path.name}"
        as_of = path.stem.removeprefix("as_of=")
        try:
            manifest = load(root, as_of)
            whole = untouched(path)
            outputs = [o for o in manifest.outputs if _inside(root, o.path)] if manifest is not None else []
        except PublishError as error:
            if "contract version" in str(error):
                raise CannotCheck(str(error)) from None
            out.fail(name, f"cannot be read: {str(error).removeprefix(f'{path.name}: ')}")
            continue
        except UNREADABLE as error:
            out.fail(name, f"cannot be read ({type(error).__name__}: {error})")
            continue
        if manifest is None or manifest.as_of != as_of:
            out.fail(name, "speaks of another date than its name says")
            continue
        if not whole:
            out.fail(name, "differs from what was written: its own hash is another")
        out.fail(name, *(f"{o.path!r} lies outside the output folder" for o in manifest.outputs if o not in outputs))
        found.append(_as_held(root, manifest.with_outputs(outputs), name, out))
    return found


def _as_held(root: Path, manifest: Manifest, name: str, out: Findings) -> Manifest:
    """The manifest with the profile that the folder's records show, whatever it says itself."""
    where = f"{FOLDER}/as_of={manifest.as_of}/records.parquet"
    if manifest.profile not in SHOWN:
        out.fail(name, f"profile '{manifest.profile}' is none of {', '.join(SHOWN)}")
    try:
        salted = "salt" in pq.read_schema(root / where).names
    except UNREADABLE:  # a file that is missing or damaged is a fault of its own
        salted = False
    if not salted or manifest.profile == "full":
        return manifest
    out.fail(name, f"says profile '{manifest.profile}', but its records carry salts: it is held as 'full'")
    return dataclasses.replace(manifest, profile="full")


def _check_copies(root: Path, manifests: Sequence[Manifest], out: Findings) -> None:
    """Copies, pages and catalog against what the published files make."""
    try:
        same_code = manifests[-1].code["sha256"] == program_hash()
        odd = odd_copies(root, manifests)
    except UNREADABLE as error:
        out.fail("latest/, catalog/", f"cannot be made again to compare ({type(error).__name__}: {error})")
        return
    for path, reason in odd:
        if same_code:
            out.fail(path, reason)
        else:
            out.unchecked.append((path, f"{reason}, but another version of the program made it"))


def _check_files(root: Path, manifests: Sequence[Manifest], out: Findings) -> None:
    """Files that are missing, changed, or named by no manifest."""
    outputs = {o.path: o for m in manifests for o in m.outputs}
    for output in outputs.values():
        for text in damaged(root, [output]):
            out.fail(*text.rsplit(": ", 1))
    of_dates = set((root / "manifests").glob("as_of=*.json"))
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") for part in relative.parts)
        apart = relative.parts[0] in _OTHERS and (relative.parts[0] != "manifests" or path in of_dates)
        there = path.is_file() or path.is_symlink()
        if there and not hidden and not apart and relative.as_posix() not in outputs:
            out.fail(relative.as_posix(), "is named by no manifest")
    out.checked.append(f"{len(outputs)} files of {len(manifests)} valuation dates")


def _inside(root: Path, relative: str) -> bool:
    try:
        return (root / relative).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # no path at all, e.g. one with a zero byte
        return False


def _check_date(
    root: Path, manifest: Manifest, newest: bool, trust: Trust, out: Findings
) -> tuple[str, str, dict[str, Any], str] | None:
    """The attestation of one date; its place in the history, None without one."""
    folder = f"{FOLDER}/as_of={manifest.as_of}"
    if not manifest.of("attest"):
        name = f"manifests/as_of={manifest.as_of}.json"
        if trust.needed:
            out.fail(name, f"has no attestation, {trust.needed} signers are required")
        else:
            out.unchecked.append((name, "it has no attestation"))
        return None
    try:
        attestation, disclosure = (json_object(root / folder / name) for name in (ATTESTATION, "disclosure.json"))
        where, portfolio = f"{folder}/{ATTESTATION}", str(disclosure["portfolio"])
        digest = check_attestation(attestation, where, trust, portfolio=portfolio, newest=newest, out=out)
        if digest is None:
            return None
        message = attestation["typed_data"]["message"]
        _check_disclosure(root, manifest, attestation, disclosure, out)
        feeds = f"{folder}/oracle/aggregator_v3.json"
        check_feeds(json_object(root / feeds), feeds, disclosure, out)
        dump = _check_tree(root, manifest, message, out)
        if manifest.profile != "full":
            what = "inputs, records" if dump is not None else "inputs, root, records"
            reason = f"{what}: the profile '{manifest.profile}' leaves them out; 'prove' shows single records"
            out.unchecked += [(folder, reason), (folder, "values: without records they are not computed again")]
            check_reduced(root, manifest, disclosure, dump, out)
        elif dump is not None:
            records = _check_records(root, manifest, message, disclosure, dump, out)
            _check_tokens(root, folder, digest, disclosure, records, out)
        told = f"{message['leafCount']} records, root {message['merkleRoot']}"
        out.checked.append(f"as_of {manifest.as_of}: {told}, {len(attestation['signatures'])} signatures")
        return manifest.as_of, f"{folder}/disclosure.json", dict(disclosure["previous"]), digest
    except (CannotCheck, PublishError) as error:
        out.fail(folder, str(error))
    except UNREADABLE as error:
        out.fail(folder, f"cannot be held against what was published ({type(error).__name__}: {error})")
    return None


def _check_tree(root: Path, manifest: Manifest, message: dict[str, Any], out: Findings) -> dict[str, Any] | None:
    """The dump of the tree against itself and the message; None where it is left out or wrong."""
    where = f"{FOLDER}/as_of={manifest.as_of}/merkle.json"
    if where not in {o.path for o in manifest.of("attest")}:
        return None
    dump = json_object(root / where)
    faults = merkle.faults(dump)
    out.fail(where, *faults)
    if faults:
        return None
    _agree(message, {"merkleRoot": (dump["tree"][0], "the root of merkle.json")}, manifest, out)
    _agree(message, {"leafCount": (len(dump["values"]), "the number of leaves")}, manifest, out)
    return dump


def _check_disclosure(
    root: Path, manifest: Manifest, attestation: dict[str, Any], disclosure: dict[str, Any], out: Findings
) -> None:
    """What the message says of the disclosure, its form, and the signatures of manual adjustments in it."""
    message = attestation["typed_data"]["message"]
    where = f"{FOLDER}/as_of={manifest.as_of}/disclosure.json"
    expected = {
        "reportHash": (f"0x{sha256_of(root / where)}", "the hash of disclosure.json"),
        "asOf": (end_of_day(manifest.as_of), "the end of the valuation date"),
        "status": (STATUSES.index(disclosure["status"]), "the status of disclosure.json"),
    }
    _agree(message, expected, manifest, out)
    if canonical(disclosure) != (root / where).read_bytes():
        out.fail(where, "is not canonical JSON")
    _check_overlays(root, manifest, attestation["typed_data"]["domain"], disclosure["overlays"], out)
    if disclosure["as_of"] != manifest.as_of:
        out.fail(where, f"is of {disclosure['as_of']}")
    name = f"manifests/as_of={manifest.as_of}.json"
    for member, stated in {
        "portfolio": manifest.portfolio,
        "simulated": "yes" if manifest.simulated else "no",
        "configuration_sha256": manifest.configuration["sha256"],
    }.items():
        if disclosure[member] != stated:
            out.fail(name, f"{member} is {stated!r}, disclosure.json says {disclosure[member]!r}")
    if disclosure["code"] != dict(manifest.code):  # a later version may have found the attestation as it was
        out.noted.append(f"{name}: names other code than the one that attested, {disclosure['code'].get('version')}")


def _check_overlays(
    root: Path, manifest: Manifest, domain: dict[str, Any], stated: dict[str, Any], out: Findings
) -> None:
    """Manual adjustments against the disclosure, and the signature under each."""
    where = f"{FOLDER}/as_of={manifest.as_of}/{OVERLAYS}"
    if not stated["rows"]:
        return
    if manifest.profile != "full":
        reason = f"{stated['rows']} manual adjustments: the profile '{manifest.profile}' leaves out who made them"
        out.unchecked.append((where, reason))
        return
    rows = json_value(root / where)
    if hash_of(rows) != stated["sha256"] or len(rows) != stated["rows"]:
        out.fail(where, "is not what disclosure.json was made of")
    for row in rows:
        try:
            signer = recover(overlay_digest(domain, row), row["signature"])
        except ValueError as error:
            signer = f"nobody ({error})"
        if signer != row["signer"]:
            told = f"adjustment of {row['plantation_id']}|{row['right_id']}"
            out.fail(where, f"{told}: signed by {signer}, not by {row['signer']}")


def _check_records(
    root: Path,
    manifest: Manifest,
    message: dict[str, Any],
    disclosure: dict[str, Any],
    dump: dict[str, Any],
    out: Findings,
) -> list[dict[str, Any]]:
    """Records against the tree, the message, the disclosure and the published values."""
    folder = f"{FOLDER}/as_of={manifest.as_of}"
    where = f"{folder}/records.parquet"
    rows = dicts(read_part(root / where))
    records = check_records(rows, dump, manifest.as_of, (where, f"{folder}/merkle.json"), out)
    features = read_all([Published(root, o) for o in manifest.tables("features")], partition_key="month")
    inputs = (inputs_hash(manifest, features), "the hash of the manifest's inputs and the features")
    _agree(message, {"inputsHash": inputs}, manifest, out)
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
    _check_values(root, manifest, rows, records, where, out)
    return records


def _agree(message: dict[str, Any], expected: dict[str, tuple[Any, str]], manifest: Manifest, out: Findings) -> None:
    """Members of the signed message against what they speak of."""
    for name, (value, meaning) in expected.items():
        if message[name] != value:
            where = f"{FOLDER}/as_of={manifest.as_of}/{ATTESTATION}"
            out.fail(where, f"{name} is {message[name]}, {meaning} is {value}")


def _check_tokens(
    root: Path,
    folder: str,
    digest: str,
    disclosure: dict[str, Any],
    records: Sequence[dict[str, Any]],
    out: Findings,
) -> None:
    """Token metadata against the attestation, the records and the documents."""
    name, portfolio = f"{folder}/token_metadata.json", disclosure["portfolio"]
    tokens = json_object(root / name)
    for entry in tokens["documents"]:
        if not _inside(root, entry["uri"]) or f"0x{sha256_of(root / entry['uri'])}" != entry["documentHash"]:
            out.fail(name, f"document {entry['uri']} has another hash")
    check_tokens(tokens, name, disclosure, digest, [(token_id(portfolio, r), r) for r in records], out)


def _check_values(
    root: Path,
    manifest: Manifest,
    rows: Sequence[dict[str, Any]],
    records: Sequence[dict[str, Any]],
    where: str,
    out: Findings,
) -> None:
    """Records against the published values, and their sum against the pools."""
    try:
        values = read_all([Published(root, o) for o in manifest.tables("valuations")])
        pools = read_all([Published(root, o) for o in manifest.tables("pools")])
    except (PublishError, ValueError) as error:
        out.fail(where, f"cannot be held against the published values ({error})")
        return
    hashes = {(str(r["plantation_id"]), str(r["right_id"])): str(r["record_hash"]) for r in rows}
    navs = {(r["plantation_id"], r["right_id"]): r.get("nav_total_int") for r in records}
    for row in dicts(pd.DataFrame(values)):
        key = (str(row["plantation_id"]), str(row["right_id"]))
        published = None if pd.isna(row["nav_total_int"]) else str(row["nav_total_int"])
        if hashes.get(key) != row["record_hash"]:
            out.fail(where, f"record {'|'.join(key)}: hash is not the one published with the value")
        elif navs.get(key) != published:
            out.fail(where, f"record {'|'.join(key)}: value is not the published one")
    whole = pools[pools["tranche"] == "whole"]
    for total in totals(records):
        inside = int(whole.loc[whole["currency"] == total["currency"], "nav_total_int"].sum())
        if str(inside) != total["nav_total_int"]:
            out.fail(where, f"records in {total['currency']} sum to {total['nav_total_int']}, the pools to {inside}")


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    found = json_value(path)
    if not isinstance(found, dict):
        raise CannotCheck(f"{path.name}: is no JSON object.")
    return found


def json_value(path: Path) -> Any:
    """What JSON a file holds."""
    try:
        return parsed(path.read_text("utf-8"))
    except OSError as error:
        raise CannotCheck(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    except (ValueError, RecursionError) as error:
        raise CannotCheck(f"{path.name}: is no JSON ({error}).") from None


def load_date(root: Path, as_of: str | None) -> Manifest:
    """Manifest of a date, of the newest without one.

    Raises
    ------
    CannotCheck
        If it is not there.
    """
    dates = sorted(p.stem.removeprefix("as_of=") for p in (root / "manifests").glob("as_of=*.json"))
    chosen = as_of or (dates[-1] if dates else "")
    manifest = load(root, chosen) if manifest_path(root, chosen).is_file() else None
    if manifest is None:
        known = ", ".join(dates[-5:]) or "none"
        raise CannotCheck(f"{root}: {chosen or 'a date'} is not published there. Published dates: {known}.")
    return manifest
