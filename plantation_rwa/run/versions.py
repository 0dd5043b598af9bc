"""Publications of another version: what can be told of them, and that the rest cannot.

That a date is another version's is believed as far as it is signed: the manifest's word must be that of the disclosure,
and the disclosure that of the attestation. So the claim opens no way around the checks: whoever cannot sign cannot make
it for what was signed, and what nobody signed is not told sound either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantation_rwa import CONTRACT_VERSION, __version__
from plantation_rwa.attest.attestation import TYPE, TYPES
from plantation_rwa.attest.checking import UNREADABLE, Findings, Trust, check_attestation
from plantation_rwa.attest.disclosure import VERSION
from plantation_rwa.attest.eip712 import typed_data
from plantation_rwa.errors import PublishError
from plantation_rwa.publish.manifest import Manifest, Output, raw_manifest, sha256_of, untouched
from plantation_rwa.run.attest import ATTESTATION, FOLDER
from plantation_rwa.run.reading import CannotCheck, json_object
from plantation_rwa.run.session import program_hash

#: date, file, ``previous`` of the disclosure, digest
Link = tuple[str, str, dict[str, Any], str]


@dataclass(frozen=True)
class Foreign:
    """A date that another version wrote.

    Parameters
    ----------
    contract
        Contract version its manifest names.
    attestation
        Version of what is attested; None where the contract already is another.
    written_by
        Which program wrote it, as the manifest says: see :func:`told_program`.
    whole
        Whether the manifest holds its own hash.
    outputs
        Files it names; of each only path, hash and size count.
    """

    as_of: str
    contract: str
    attestation: int | None
    written_by: str
    whole: bool
    outputs: tuple[Output, ...]


def told_program(code: Mapping[str, Any]) -> str:
    """Which program a manifest names, by what tells it from this one: the version, or the code behind the same version.

    Parameters
    ----------
    code
        ``version`` and ``sha256`` as the manifest has them; one that a stranger wrote may lack either.
    """
    version, theirs, ours = code.get("version"), str(code.get("sha256"))[:12], program_hash()[:12]
    if version != __version__:
        return f"version {version}, code {theirs}; this one is version {__version__}"
    if theirs != ours:
        return f"version {version} as this one, but with other code: {theirs}, here {ours}"
    return f"by its manifest this very one, version {version}, code {ours}, which writes no such thing"


def foreign_contract(path: Path, as_of: str) -> Foreign | None:
    """A manifest of another contract version; None for one of this, or for what is no manifest at all."""
    raw = raw_manifest(path)
    contract = raw.get("contract_version")
    if not isinstance(contract, str) or contract == CONTRACT_VERSION:
        return None
    outputs = [(str(o["path"]), str(o["sha256"]), int(o["bytes"])) for o in raw["outputs"]]
    named = tuple(Output("", "", "", path, sha, size, 0, "") for path, sha, size in outputs)
    return Foreign(as_of, contract, None, told_program(raw["code"]), untouched(path), named)


def foreign_attestation(root: Path, manifest: Manifest) -> Foreign | None:
    """A date whose disclosure is of another version; None for one of this, and for one that cannot be read."""
    try:
        disclosure = json_object(root / FOLDER / f"as_of={manifest.as_of}" / "disclosure.json")
    except CannotCheck:
        return None
    version = disclosure.get("attestation_version", 1)
    if type(version) is not int or version == VERSION:
        return None
    written_by = told_program(manifest.code)
    return Foreign(manifest.as_of, manifest.contract_version, version, written_by, True, manifest.outputs)


def check_foreign(root: Path, date: Foreign, trust: Trust, out: Findings, *, newest: bool) -> Link | None:
    """What does not depend on the version: the claim of the version itself, digest, signatures, validity."""
    where, folder = f"manifests/as_of={date.as_of}.json", f"{FOLDER}/as_of={date.as_of}"
    if not date.whole:
        out.fail(where, "was changed after it was written: its content does not have the hash that it states")
    link = None
    paths = {o.path for o in date.outputs}
    if f"{folder}/{ATTESTATION}" in paths:
        try:
            link = _signed(root, date, folder, trust, out, newest=newest)
        except (CannotCheck, PublishError, *UNREADABLE) as error:
            out.fail(folder, f"cannot be held against what was signed ({type(error).__name__}: {error})")
    elif trust.needed:
        out.fail(where, f"has no attestation, {trust.needed} signers are required")
    else:
        out.unchecked.append((where, "it has no attestation"))
    what = (
        f"contract version '{date.contract}'" if date.attestation is None else f"attestation version {date.attestation}"
    )
    ours = f"'{CONTRACT_VERSION}'" if date.attestation is None else str(VERSION)
    out.refused.append(
        (
            where,
            f"is of {what}, this program reads {ours}: files, digest, signatures and history were checked, values and "
            f"records were not. Check it with the program that wrote it ({date.written_by}), or run {date.as_of} again "
            "with this one.",
        )
    )
    return link


def _signed(root: Path, date: Foreign, folder: str, trust: Trust, out: Findings, *, newest: bool) -> Link | None:
    attestation, disclosure = (json_object(root / folder / name) for name in (ATTESTATION, "disclosure.json"))
    where, data = f"{folder}/disclosure.json", attestation["typed_data"]
    if data["types"] != typed_data(data["domain"], TYPE, data["message"], TYPES)["types"]:
        out.refused.append((f"{folder}/{ATTESTATION}", "its typed data have a form that this program does not know"))
        return None
    portfolio = str(disclosure["portfolio"])
    digest = check_attestation(
        attestation, f"{folder}/{ATTESTATION}", trust, portfolio=portfolio, newest=newest, out=out
    )
    if data["message"]["reportHash"] != f"0x{sha256_of(root / where)}":
        out.fail(where, "is not the one that was attested: its version is believed no more than the rest")
    if disclosure["contract_version"] != date.contract:
        told = f"says contract version '{date.contract}', what was attested says '{disclosure['contract_version']}'"
        out.fail(f"manifests/as_of={date.as_of}.json", told)
    return None if digest is None else (date.as_of, where, dict(disclosure["previous"]), digest)
