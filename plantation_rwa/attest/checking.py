"""What a reader can find out about an attestation, a tree, records and proofs; each fault named with its file."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import ROLES, STATUSES, attestation_digest, domain
from plantation_rwa.attest.hashing import bytes32, canonical, hash_of
from plantation_rwa.attest.records import RECORD_VERSION, key_hash, record_hash, record_key, salt_of
from plantation_rwa.attest.signing import recover

PROOF_FORMAT = "plantation-rwa-proof-v1"
_PROOF_MEMBERS = frozenset({"format", "record", "salt", "leafEncoding", "leaf", "proof", "root", "attestation"})
_MEMBERS = {
    "the file": {"digest", "typed_data", "signatures"},
    "typed_data": {"types", "primaryType", "domain", "message"},
}
_SIGNATURE_MEMBERS = {"role", "signer", "signature"}
#: members of the message that other readers compare as numbers
_NUMBERS = ("asOf", "validUntil", "leafCount", "status")
#: what reading a file of a stranger may raise: it is told as a fault of the file
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, OSError)


@dataclass
class Findings:
    """What was found: faults, what another version must look at, what was not looked at, what was.

    Parameters
    ----------
    failed
        File and reason.
    refused
        File and remedy: what this program cannot tell sound from forged.
    unchecked
        What, and why not; it hides no fault of what was checked.
    checked
        What was looked at, for people.
    noted
        What is worth knowing and no fault.
    """

    failed: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unchecked: list[tuple[str, str]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def fail(self, where: str, *reasons: str) -> None:
        """Note faults of a file."""
        self.failed += [(where, reason) for reason in reasons]


@dataclass(frozen=True)
class Trust:
    """Who may sign, how many roles must have, and the moment at which an attestation must be valid.

    Parameters
    ----------
    signers
        Role -> addresses, lower case; empty: signatures are only held against themselves.
    threshold
        Roles that must have signed; None for all that are listed.
    now
        Seconds since 1970.
    """

    signers: Mapping[str, frozenset[str]]
    threshold: int | None
    now: int

    @property
    def needed(self) -> int:
        """Roles that must have signed."""
        return len(self.signers) if self.threshold is None else self.threshold


def check_attestation(
    found: Mapping[str, Any], where: str, trust: Trust, *, portfolio: str, newest: bool, out: Findings
) -> str | None:
    """Digest, domain, signatures and validity of ``nav_attestation.json``.

    Parameters
    ----------
    portfolio
        Whose it must be.
    newest
        Whether it must be valid now; one that a later date has replaced need not.

    Returns
    -------
    str or None
        The digest; None if the file cannot be read as an attestation.
    """
    try:
        digest = attestation_digest(found)
        stated, signatures, signed_for = found["digest"], found["signatures"], found["typed_data"]["domain"]
        if not isinstance(signatures, list) or not all(isinstance(entry, dict) for entry in signatures):
            raise TypeError("signatures is no list of objects")
        _check_form(found, where, out)
        of, until, status = (int(found["typed_data"]["message"][name]) for name in ("asOf", "validUntil", "status"))
        if signed_for != domain(portfolio, signed_for["chainId"]):
            out.fail(where, f"its domain is not that of portfolio '{portfolio}'")
    except UNREADABLE as error:
        out.fail(where, f"is not a readable attestation ({type(error).__name__}: {error})")
        return None
    if stated != digest:
        out.fail(where, f"states digest {stated}, its typed data has {digest}")
    if until < of:
        out.fail(where, "was never valid: it expires before the day that it is of")
    elif newest and trust.now < of:
        out.fail(where, f"is of {day_of(of)}, which is later than {day_of(trust.now)}, the day it is checked for")
    elif newest and trust.now > until:
        out.fail(where, _expired(of, until, trust.now))
    if status >= len(STATUSES):
        out.fail(where, f"status {status} is none of {', '.join(STATUSES)}")
    elif STATUSES[status] == "withdrawn":
        out.noted.append(f"{where}: status is withdrawn: its issuer stands by these values no longer")
    signed = _check_signatures(signatures, digest, where, trust, out)
    if status < len(STATUSES) and STATUSES[status] == "audited" and "auditor" not in signed:
        out.unchecked.append((where, "its status is audited, and no auditor has signed it"))
    return digest


def check_records(
    rows: Sequence[Mapping[str, Any]], dump: Mapping[str, Any], as_of: str, where: tuple[str, str], out: Findings
) -> list[dict[str, Any]]:
    """Records against their hashes, their salts and the leaves of the tree.

    Parameters
    ----------
    rows
        Rows of table ``records``.
    dump
        The ``standard-v1`` dump; one without faults.
    where
        Files of the records and of the dump.

    Returns
    -------
    list of dict
        The records that can be read.
    """
    leaves = {tuple(v["value"]): int(v["treeIndex"]) for v in dump["values"]}
    tree = [bytes32(node) for node in dump["tree"]]
    found: list[dict[str, Any]] = []
    for row in rows:
        name = f"record {row['plantation_id']}|{row['right_id']}"
        try:
            record = json.loads(row["record"])
            faults = record_faults(record, str(row["salt"]), as_of, str(row["key_hash"]), str(row["record_hash"]))
            if canonical(record).decode() != row["record"]:
                faults.append("is not in canonical form")
            if (record["plantation_id"], record["right_id"]) != (row["plantation_id"], row["right_id"]):
                faults.append(f"stands in the row of {record['plantation_id']}|{record['right_id']}")
            if record["record_version"] != RECORD_VERSION:
                faults.append(
                    f"is of version {record['record_version']!r}, the disclosure of one with {RECORD_VERSION}"
                )
            behind = json.loads(row["components"])
            if any(hash_of(behind[part]) != record[f"{part}_hash"] for part in ("inputs", "model")):
                faults.append("its components are not those of its hashes")
            found.append(record)
        except UNREADABLE as error:
            out.fail(where[0], f"{name}: cannot be read ({type(error).__name__}: {error})")
            continue
        out.fail(where[0], *(f"{name}: {fault}" for fault in faults))
        leaf = (str(row["key_hash"]), str(row["record_hash"]))
        if leaf not in leaves:
            out.fail(where[1], f"{name}: its leaf is not in the tree")
            continue
        place = leaves[leaf]
        if place != int(row["merkle_index"]):
            out.fail(where[0], f"{name}: stands at place {place} of the tree, not {row['merkle_index']}")
        if merkle.root_of(merkle.leaf_hash(merkle.encoded(leaf)), merkle.proof(tree, place)) != tree[0]:
            out.fail(where[1], f"{name}: its proof does not lead to the root")
    if len(leaves) != len(rows):
        out.fail(where[1], f"holds {len(leaves)} leaves for {len(rows)} records")
    return found


def record_faults(record: Mapping[str, Any], salt: str, as_of: str, stated_key: str, stated_hash: str) -> list[str]:
    """What is wrong with one record: its date, its key, its salt, its hash."""
    faults = [] if record["as_of"] == as_of else [f"is of {record['as_of']}, not of {as_of}"]
    end_of_day(record["as_of"])  # a date, in the one spelling there is
    key = record_key(record["plantation_id"], record["right_id"], record["as_of"])
    if key_hash(key) != stated_key:
        faults.append(f"key hash is not that of {key}")
    if (salt == salt_of(key, None)) != (record["salt"] == "public"):
        faults.append(f"its salt is not the one that '{record['salt']}' stands for")
    if record_hash(record, salt) != stated_hash:
        faults.append("hash is not that of salt and record")
    return faults


def proof_document(
    record: Mapping[str, Any], salt: str, leaf: tuple[str, str], siblings: Iterable[str], attestation: Mapping[str, Any]
) -> dict[str, Any]:
    """One right's record with salt, leaf, proof and attestation: all that a reader needs."""
    return {
        "format": PROOF_FORMAT,
        "record": dict(record),
        "salt": salt,
        "leafEncoding": list(merkle.LEAF_ENCODING),
        "leaf": list(leaf),
        "proof": list(siblings),
        "root": attestation["typed_data"]["message"]["merkleRoot"],
        "attestation": dict(attestation),
    }


def check_proof(found: Mapping[str, Any], where: str, trust: Trust, out: Findings) -> None:
    """A document of :func:`proof_document`: record, salt, leaf, proof, root, attestation."""
    try:
        if found["format"] != PROOF_FORMAT and str(found["format"]).startswith(PROOF_FORMAT.rstrip("0123456789")):
            remedy = f"this program reads '{PROOF_FORMAT}'. Check it with the program that wrote it."
            out.refused.append((where, f"is a proof of format '{found['format']}', {remedy}"))
            return
        if found["format"] != PROOF_FORMAT or tuple(found["leafEncoding"]) != merkle.LEAF_ENCODING:
            out.fail(where, f"is not a proof of format {PROOF_FORMAT}")
            return
        if strange := sorted(found.keys() ^ _PROOF_MEMBERS):
            out.fail(where, f"members missing or unknown: {', '.join(strange)}")
        record, message = found["record"], found["attestation"]["typed_data"]["message"]
        key, hashed = found["leaf"]
        faults = record_faults(record, found["salt"], record["as_of"], key, hashed)
        siblings = [bytes32(node) for node in found["proof"]]
        root = merkle.root_of(merkle.leaf_hash(merkle.encoded((key, hashed))), siblings)
        if root != bytes32(found["root"]):
            faults.append("the proof does not lead to the root")
        if len(siblings) not in merkle.proof_lengths(int(message["leafCount"])):
            faults.append(f"a proof of {len(siblings)} steps fits no tree of {message['leafCount']} leaves")
        if found["root"] != message["merkleRoot"]:
            faults.append("the root is not that of the attestation")
        if record["model_hash"] != message["modelHash"]:
            faults.append("the model hash of the record is not that of the attestation")
        if end_of_day(record["as_of"]) != int(message["asOf"]):
            faults.append("the record and the attestation are of different dates")
        portfolio = str(record["portfolio"])
    except UNREADABLE as error:
        out.fail(where, f"is not a readable proof ({type(error).__name__}: {error})")
        return
    out.fail(where, *(f"record {record['plantation_id']}|{record['right_id']}: {fault}" for fault in faults))
    if check_attestation(found["attestation"], where, trust, portfolio=portfolio, newest=True, out=out) is None:
        return
    name = f"record {record['plantation_id']}|{record['right_id']}"
    if record.get("record_version") != RECORD_VERSION:
        told = f"{name} is of version {record.get('record_version')!r}, this program reads {RECORD_VERSION}"
        out.refused.append((where, f"{told}. Check it with the program that wrote it."))
    chain = found["attestation"]["typed_data"]["domain"]["chainId"]
    out.checked.append(f"{name} at {record['as_of']}, salt, leaf, proof; portfolio '{portfolio}', chain id {chain}")


def end_of_day(as_of: str) -> int:
    """The last second of a day in UTC, seconds since 1970; ValueError unless it is written YYYY-MM-DD."""
    day = dt.datetime.strptime(as_of, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    if day.date().isoformat() != as_of:
        raise ValueError(f"{as_of!r} is not YYYY-MM-DD")
    return int((day + dt.timedelta(days=1)).timestamp()) - 1


def check_history(
    chain: Sequence[tuple[str, str, Mapping[str, Any], str]], unread: frozenset[str], out: Findings
) -> None:
    """That each attestation names the digest of one that is here, and whether that is the one before it.

    A date that is published after a later one stands beside its history: that is told, with the remedy, and no fault,
    since what the later attestation names is still here and unchanged.

    Parameters
    ----------
    chain
        Date, file, ``previous`` of the disclosure, digest; oldest first.
    unread
        Dates whose manifest cannot be read.
    """
    digests = {as_of: digest for as_of, _, _, digest in chain}
    before = None
    for as_of, where, previous, _ in chain:
        named = previous.get("as_of")
        if named is not None and named >= as_of:
            out.fail(where, f"history: names an attestation of {named}, which is not before it")
        elif named is not None and named in unread:
            out.unchecked.append((where, f"history: names the attestation of {named}, whose manifest cannot be read"))
        elif named is not None and named not in digests:
            out.fail(where, f"history: names an attestation of {named}, which is not here")
        elif named is not None and digests[named] != previous.get("digest"):
            out.fail(where, f"history: the attestation of {named} is not the one it names")
        elif named != before:
            told = f"names {named} as the date before it" if named else "names no date before it"
            out.noted.append(
                f"{where}: history: {told}, for {before} was published later than {as_of} and stands beside its "
                f"history. Whoever publishes the folder runs {as_of} again to bring both into line."
            )
        before = as_of


def _check_form(found: Mapping[str, Any], where: str, out: Findings) -> None:
    """That nothing stands in an attestation but what is hashed and signed, in the form that every reader takes."""
    for name, wanted in _MEMBERS.items():
        if strange := sorted((found if name == "the file" else found[name]).keys() ^ wanted):
            out.fail(where, f"members of {name} missing or unknown: {', '.join(strange)}")
    for entry in found["signatures"]:
        if strange := sorted(entry.keys() - _SIGNATURE_MEMBERS):
            out.fail(where, f"members of a signature unknown: {', '.join(strange)}")
    message = found["typed_data"]["message"]
    numbers = {name: message[name] for name in _NUMBERS} | {"chainId": found["typed_data"]["domain"]["chainId"]}
    out.fail(where, *(f"{name} is {value!r}, no number" for name, value in numbers.items() if type(value) is not int))


def _expired(of: int, until: int, now: int) -> str:
    """That an attestation is out of date, what that does not say, and how to check it all the same."""
    return (
        f"expired: it was valid until {day_of(until)}, and {day_of(now)} is later. That says that a newer one is due, "
        "not that anything was changed. To check it as of a day on which it was valid, give --at DATE, a day from "
        f"{day_of(of)} to {day_of(until)}"
    )


def day_of(moment: int) -> str:
    """The day of a moment in seconds since 1970, in UTC; of one that no calendar holds the number."""
    try:
        return dt.datetime.fromtimestamp(moment, dt.UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"second {moment}"


def _check_signatures(
    signatures: Sequence[Mapping[str, Any]], digest: str, where: str, trust: Trust, out: Findings
) -> set[str]:
    """Faults of the signatures; the roles in which somebody signed, be he one who may or not looked at."""
    good: set[str] = set()
    signed: set[str] = set()
    roles_of: dict[str, set[str]] = {}
    for entry in signatures:
        role = str(entry.get("role"))
        try:
            address = recover(bytes32(digest), entry["signature"])
        except (KeyError, ValueError) as error:
            out.fail(where, f"signature of {role}: {error}")
            continue
        roles_of.setdefault(address, set()).add(role)
        if role not in ROLES:
            out.fail(where, f"signature of {role}: no such role; roles are {', '.join(ROLES)}")
        elif address.lower() != str(entry.get("signer")).lower():
            out.fail(where, f"signature of {role}: made by {address} over this digest, not by {entry.get('signer')}")
        elif role in trust.signers and address.lower() not in trust.signers[role]:
            out.fail(where, f"signature of {role}: {address} is not among the signers given for the role")
        elif role in trust.signers:
            good.add(role)
            signed.add(role)
        else:
            signed.add(role)
            out.unchecked.append((where, f"whether {address} may sign as {role}: give --signer {role}=ADDRESS"))
    for address, roles in roles_of.items():
        if len(roles) > 1:
            out.fail(where, f"{address} signs as {' and as '.join(sorted(roles))}: one signer fills one role")
    if not signatures:
        out.unchecked.append((where, "who stands behind it: it is unsigned, so anybody could have made it"))
    needed = trust.needed
    if len(good) < needed:
        missing = ", ".join(sorted(set(trust.signers) - good)) or "none listed"
        out.fail(where, f"{len(good)} of {needed} roles needed have signed; missing: {missing}")
    return signed
