"""``sign``: put signatures under an attestation that is published already, wherever the signer sits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plantation_rwa.attest.attestation import ROLES, Signature, attestation_digest, build_attestation
from plantation_rwa.attest.checking import Trust
from plantation_rwa.attest.hashing import bytes32
from plantation_rwa.attest.signing import recover
from plantation_rwa.config_attest import SignerConfig
from plantation_rwa.errors import PlantationError
from plantation_rwa.publish.files import OutputFile, write_text_atomically
from plantation_rwa.publish.manifest import save
from plantation_rwa.publish.working_copy import shared
from plantation_rwa.run.attest import ATTESTATION, FOLDER
from plantation_rwa.run.publishing import withdraw
from plantation_rwa.run.reading import json_object, load_date
from plantation_rwa.run.signers import seconds_now, signatures, still_valid
from plantation_rwa.run.verify import verify


def sign(place: Path, signers: Sequence[SignerConfig], others: Sequence[Path], as_of: str | None) -> dict[str, Any]:
    """Add signatures to an attestation, beside those it has; of one signer in one role the new one counts.

    Parameters
    ----------
    place
        Output folder, or a copy of ``nav_attestation.json`` at the machine of who signs.
    signers
        Who signs now.
    others
        Copies of the same attestation that others have signed; their signatures are taken over.
    as_of
        YYYY-MM-DD of a folder; None for the newest date.

    Returns
    -------
    dict
        The attestation as it now stands.

    Raises
    ------
    PlantationError
        If the folder does not verify, a copy is of another attestation, or a signature is none: nothing is written.
    """
    if place.is_file():
        made = _signed(json_object(place), place.name, signers, others)
        _write(place, made)
        return made
    if not place.is_dir():
        raise PlantationError(f"{place}: no such folder or file. Give an output folder, or a copy of {ATTESTATION}.")
    with shared(place) as folder, folder.turn():
        manifest = load_date(place, as_of)
        path = f"{FOLDER}/as_of={manifest.as_of}/{ATTESTATION}"
        if path not in {o.path for o in manifest.outputs}:
            raise PlantationError(f"{manifest.as_of} has no attestation. Run the stage 'attest'.")
        # whoever signs says that the values are these: not of files that are not what was attested
        found = verify(place, Trust({}, 0, seconds_now()))
        faults = [f"{where}: {reason}" for where, reason in [*found.failed, *found.refused]]
        if faults:
            raise PlantationError("nothing is signed in a folder that does not verify: " + "; ".join(faults[:3]))
        made = _signed(json_object(place / path), path, signers, others)
        withdraw(place, manifest)
        file = _write(place / path, made)
        outputs = [
            dataclasses.replace(o, sha256=file.sha256, bytes=file.bytes) if o.path == path else o
            for o in manifest.outputs
        ]
        save(place, manifest.with_outputs(outputs))
    return made


def _signed(
    found: Mapping[str, Any], where: str, signers: Sequence[SignerConfig], others: Sequence[Path]
) -> dict[str, Any]:
    """The attestation with all signatures: its own, those of its copies, new ones."""
    digest = _digest(found, where)
    if signers:
        still_valid(found["typed_data"]["message"], where)
    kept = _held(found, where, digest)
    for other in others:
        copy = json_object(other)
        if _digest(copy, other.name) != digest:
            raise PlantationError(f"{other.name}: is of another attestation than {where}; nothing was signed.")
        kept += _held(copy, other.name, digest)
    data = found["typed_data"]
    unsigned = build_attestation(data["domain"], data["message"])
    every = {(s.role, s.signer): s for s in [*kept, *signatures(signers, unsigned, ())]}
    return build_attestation(data["domain"], data["message"], list(every.values()))


def _digest(found: Mapping[str, Any], where: str) -> str:
    try:
        digest = attestation_digest(found)
        if found["digest"] == digest:
            return digest
        reason = f"states digest {found['digest']}, its typed data has {digest}"
    except (KeyError, TypeError, ValueError) as error:
        reason = f"is not a readable attestation ({type(error).__name__}: {error})"
    raise PlantationError(f"{where}: {reason}; nothing was signed.")


def _held(found: Mapping[str, Any], where: str, digest: str) -> list[Signature]:
    """The signatures of a file, each made by who it says over this digest."""
    held = []
    try:
        for entry in found["signatures"]:
            signature = Signature(**entry)
            if signature.role not in ROLES or recover(bytes32(digest), signature.signature) != signature.signer:
                raise ValueError(f"that of {signature.role} was not made by {signature.signer} over this digest")
            held.append(signature)
    except (KeyError, TypeError, ValueError) as error:
        raise PlantationError(f"{where}: holds a signature that is none ({error}); nothing was signed.") from None
    return held


def _write(path: Path, attestation: Mapping[str, Any]) -> OutputFile:
    return write_text_atomically(path, json.dumps(attestation, indent=1, ensure_ascii=False) + "\n")
