"""``prove``: one right's record with its salt, its proof and the attestation, as one document."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from plantation_rwa.attest import merkle
from plantation_rwa.attest.checking import proof_document
from plantation_rwa.attest.hashing import bytes32, hex_of
from plantation_rwa.errors import PlantationError
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import damaged
from plantation_rwa.run.attest import ATTESTATION, FOLDER
from plantation_rwa.run.reading import load_date
from plantation_rwa.valuation.run import records as dicts


def prove(root: Path, plantation_id: str, right_id: str | None, as_of: str | None) -> dict[str, Any]:
    """The proof of one right.

    Parameters
    ----------
    right_id
        May be None where the plantation has one right only.
    as_of
        YYYY-MM-DD; None for the newest date.

    Raises
    ------
    PlantationError
        If the date has no attestation, or none of this right; or if the files are not those of the manifest.
    """
    manifest = load_date(root, as_of)
    outputs = manifest.of("attest")
    if not outputs:
        raise PlantationError(f"{manifest.as_of} has no attestation. Run the stage 'attest'.")
    wrong = damaged(root, outputs)
    if wrong:
        raise PlantationError("nothing is proved from files that are not those of the manifest: " + "; ".join(wrong))
    folder = root / FOLDER / f"as_of={manifest.as_of}"
    if manifest.profile != "full":
        raise PlantationError(f"{manifest.as_of}: this profile shows records without their salts. Prove from 'full'.")
    rows = dicts(read_part(folder / "records.parquet"))
    row = _row(rows, plantation_id, right_id)
    attestation, dump = (json.loads((folder / name).read_text("utf-8")) for name in (ATTESTATION, "merkle.json"))
    tree = [bytes32(node) for node in dump["tree"]]
    leaf = (str(row["key_hash"]), str(row["record_hash"]))
    siblings = [hex_of(node) for node in merkle.proof(tree, int(row["merkle_index"]))]
    return proof_document(json.loads(row["record"]), str(row["salt"]), leaf, siblings, attestation)


def _row(rows: list[dict[str, Any]], plantation_id: str, right_id: str | None) -> dict[str, Any]:
    own = [r for r in rows if r["plantation_id"] == plantation_id]
    if not own:
        close = difflib.get_close_matches(plantation_id, [str(r["plantation_id"]) for r in rows], n=1)
        hint = f" Did you mean '{close[0]}'?" if close else " See the table valuations for the ids."
        raise PlantationError(f"plantation '{plantation_id}': has no attested right here.{hint}")
    names = ", ".join(str(r["right_id"]) for r in own)
    if right_id is None and len(own) > 1:
        raise PlantationError(f"plantation '{plantation_id}': has several rights ({names}). Choose one with --right.")
    chosen = [r for r in own if right_id is None or r["right_id"] == right_id]
    if not chosen:
        raise PlantationError(f"plantation '{plantation_id}': has no right '{right_id}'. It has: {names}.")
    return chosen[0]
