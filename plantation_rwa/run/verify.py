"""``verify``: every file of an output folder against its manifest, every attestation against what it speaks of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import STATUSES
from plantation_rwa.attest.checking import (
    UNREADABLE,
    Findings,
    Trust,
    check_attestation,
    check_history,
    check_proof,
    end_of_day,
)
from plantation_rwa.attest.consumers import check_feeds
from plantation_rwa.attest.disclosure import told_totals
from plantation_rwa.attest.hashing import canonical, hash_of
from plantation_rwa.attest.overlays import overlay_digest
from plantation_rwa.attest.signing import recover
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.manifest import Manifest, sha256_of
from plantation_rwa.run.attest import ATTESTATION, FILES, FOLDER, OVERLAYS
from plantation_rwa.run.reading import CannotCheck, json_object, json_value
from plantation_rwa.run.reduced import check_reduced
from plantation_rwa.run.verify_files import check_copies, check_files, manifests_of
from plantation_rwa.run.verify_values import agree, check_values
from plantation_rwa.run.versions import Foreign, Link, check_foreign, foreign_attestation


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
    manifests, foreign, unread = manifests_of(place, out)
    check_files(place, manifests, foreign, unread, out)
    dates: dict[str, Manifest | Foreign] = {m.as_of: m for m in manifests}
    dates |= {f.as_of: f for f in foreign}
    newest = max((as_of for as_of, date in dates.items() if _is_attested(date)), default="")
    chain: list[Link] = []
    for as_of, date in sorted(dates.items()):
        link = _check_one(place, date, trust, out, newest=as_of == newest)
        chain += [] if link is None else [link]
    check_history(chain, frozenset(unread), out)
    names = sorted({m.portfolio for m in manifests})
    if len(names) > 1:
        out.noted.append(f"manifests/: dates of several portfolios lie here: {', '.join(names)}")
    if manifests and manifests[-1].profile == "full":
        if foreign or unread:
            kind = "of another contract version" if foreign else "whose manifest cannot be read"
            out.unchecked.append(("latest/, catalog/", f"they speak of dates {kind} too"))
        else:
            check_copies(place, manifests, out)
    return out


def _is_attested(date: Manifest | Foreign) -> bool:
    return any(o.path == f"{FOLDER}/as_of={date.as_of}/{ATTESTATION}" for o in date.outputs)


def _check_one(root: Path, date: Manifest | Foreign, trust: Trust, out: Findings, *, newest: bool) -> Link | None:
    other = date if isinstance(date, Foreign) else foreign_attestation(root, date)
    if other is not None:
        return check_foreign(root, other, trust, out, newest=newest)
    assert isinstance(date, Manifest)
    return _check_date(root, date, trust, out, newest=newest)


def _check_date(root: Path, manifest: Manifest, trust: Trust, out: Findings, *, newest: bool) -> Link | None:
    """The attestation of one date; its place in the history, None without one."""
    folder = f"{FOLDER}/as_of={manifest.as_of}"
    if not manifest.of("attest"):
        name = f"manifests/as_of={manifest.as_of}.json"
        if trust.needed:
            out.fail(name, f"has no attestation, {trust.needed} signers are required")
        else:
            out.unchecked.append((name, "it has no attestation"))
        return None
    if manifest.profile == "full":  # whoever takes a file out takes what is held against it out too
        named = {o.path for o in manifest.of("attest")}
        missing = sorted(n for n in FILES if n != OVERLAYS and f"{folder}/{n}" not in named)
        out.fail(folder, *(f"{name} is not among the files of the manifest" for name in missing))
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
            told = "values, and every table but pools, totals and hashes: without records they are not held against it"
            out.unchecked += [(folder, reason), (folder, told)]
            check_reduced(root, manifest, disclosure, dump, out)
        elif dump is not None:
            check_values(root, manifest, attestation, disclosure, dump, out)
        chain = attestation["typed_data"]["domain"]["chainId"]
        told = f"attestation of {message['leafCount']} records of portfolio '{portfolio}', chain id {chain}"
        by = ", ".join(str(s.get("role")) for s in attestation["signatures"]) or "nobody"
        out.checked.append(f"as_of {manifest.as_of}: {told}, Merkle root {message['merkleRoot']}, signed by {by}")
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
    agree(message, {"merkleRoot": (dump["tree"][0], "the root of merkle.json")}, manifest.as_of, out)
    agree(message, {"leafCount": (len(dump["values"]), "the number of leaves")}, manifest.as_of, out)
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
    agree(message, expected, manifest.as_of, out)
    if canonical(disclosure) != (root / where).read_bytes():
        out.fail(where, "is not canonical JSON")
    _check_overlays(root, manifest, attestation["typed_data"]["domain"], disclosure["overlays"], out)
    if disclosure["as_of"] != manifest.as_of:
        out.fail(where, f"is of {disclosure['as_of']}")
    name = f"manifests/as_of={manifest.as_of}.json"
    for member, stated in {
        "contract_version": manifest.contract_version,
        "portfolio": manifest.portfolio,
        "simulated": "yes" if manifest.simulated else "no",
        "configuration_sha256": manifest.configuration["sha256"],
    }.items():
        if disclosure[member] != stated:
            out.fail(name, f"{member} is {stated!r}, disclosure.json says {disclosure[member]!r}")
    ours, theirs = dict(manifest.inputs), dict(disclosure["inputs"])
    if unlike := sorted(i for i in {*ours, *theirs} if ours.get(i) != theirs.get(i)):
        out.fail(name, f"inputs: hash or rows of {', '.join(unlike)} are not those of disclosure.json")
    if disclosure["code"] != dict(manifest.code):  # a later version may have found the attestation as it was
        told = "the manifest was written again by another program than the one that attested"
        both = (f"{c.get('version')}, code {str(c.get('sha256'))[:12]}" for c in (manifest.code, disclosure["code"]))
        out.noted.append(f"{name}: {told} ({' and '.join(both)}); the values are those that were attested")
    out.noted += [f"{where}: {told}: it shows what they are worth" for told in told_totals(disclosure)]


def _check_overlays(
    root: Path, manifest: Manifest, domain: dict[str, Any], stated: dict[str, Any], out: Findings
) -> None:
    """Manual adjustments against the disclosure, and the signature under each."""
    where = f"{FOLDER}/as_of={manifest.as_of}/{OVERLAYS}"
    if not stated["rows"]:
        if where in {o.path for o in manifest.outputs}:
            out.fail(where, "the disclosure knows of no adjustments")
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
