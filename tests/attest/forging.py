"""An issuer who lies: changes what is published and makes every hash over it anew, with a key of his own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from plantation_rwa.attest import merkle
from plantation_rwa.attest.attestation import Signature, build_attestation, document, totals
from plantation_rwa.attest.disclosure import feeds
from plantation_rwa.attest.hashing import canonical, keccak256, sha256_hex
from plantation_rwa.attest.records import key_hash, record_hash, record_key
from plantation_rwa.attest.signing import recover, sign
from plantation_rwa.publish.geoparquet import read_part, write_part
from plantation_rwa.publish.manifest import Manifest, Output, load, save, sha256_of
from plantation_rwa.run.attest import ATTESTATION, DOCUMENTS, FEEDS, TOKENS, outputs_hash

AS_OF = "2026-05-31"
FOLDER = f"attestations/as_of={AS_OF}"
MANIFEST = f"manifests/as_of={AS_OF}.json"
KEY = keccak256(b"cow").hex()
COW = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"

Change = Callable[[dict[str, Any]], object]


def manifest_of(out: Path) -> Manifest:
    found = load(out, AS_OF)
    assert found is not None
    return found


def entered(out: Path, *paths: str) -> None:
    """Files as they are now, entered in the manifest."""
    outputs = {o.path: o for o in manifest_of(out).outputs}
    for path in paths:
        file = out / path
        outputs[path] = dataclasses.replace(outputs[path], sha256=sha256_of(file), bytes=file.stat().st_size)
    save(out, manifest_of(out).with_outputs(outputs.values()))


def added(out: Path, stage: str, table: str, path: str, content: bytes) -> None:
    """A file more, entered in the manifest."""
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    (out / path).write_bytes(content)
    extra = Output(stage, table, f"as_of={AS_OF}", path, sha256_hex(content)[2:], len(content), 0, "00")
    manifest = manifest_of(out)
    save(out, manifest.with_outputs([*manifest.outputs, extra]))


def table_changed(out: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """A published table changed and entered."""
    (output,) = manifest_of(out).tables(name)
    write_part(change(read_part(out / output.path)), name, out / output.path, simulated=True)
    entered(out, output.path)


def records_changed(out: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Records changed, each hashed anew, the tree built anew; ``record`` is a mapping while they are changed."""
    path = out / FOLDER / "records.parquet"
    rows = read_part(path).to_dict("records")
    rows = change([{**row, "record": json.loads(row["record"])} for row in rows])
    for row in rows:
        record = row["record"]
        key = record_key(record["plantation_id"], record["right_id"], record["as_of"])
        row |= {"key_hash": key_hash(key), "record_hash": record_hash(record, row["salt"])}
        row["record"] = canonical(record).decode()
    dump = merkle.dump([(row["key_hash"], row["record_hash"]) for row in rows])
    frame = pd.DataFrame(rows).assign(merkle_index=[v["treeIndex"] for v in dump["values"]])
    like = read_part(path)
    write_part(frame[like.columns].astype(like.dtypes.to_dict()), "records", path, simulated=True)
    (out / FOLDER / "merkle.json").write_text(json.dumps(dump), "utf-8")
    entered(out, f"{FOLDER}/records.parquet", f"{FOLDER}/merkle.json")


def hashes_taken_over(out: Path) -> None:
    """The hashes of the records into the published values."""
    rows = read_part(out / FOLDER / "records.parquet").to_dict("records")
    hashes = {(r["plantation_id"], r["right_id"]): r["record_hash"] for r in rows}

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        keys = zip(frame["plantation_id"], frame["right_id"], strict=True)
        return frame.assign(record_hash=[hashes.get(key, "0x" + "00" * 32) for key in keys])

    table_changed(out, "valuations", change)


def reissued(
    out: Path, *, disclosure: Change | None = None, message: Change | None = None, signed: bool = True
) -> None:
    """The whole attestation made anew over what is published now, and signed."""
    folder = out / FOLDER
    told = json.loads((folder / "disclosure.json").read_text("utf-8"))
    data = json.loads((folder / ATTESTATION).read_text("utf-8"))["typed_data"]
    rows = read_part(folder / "records.parquet").to_dict("records")
    records = [json.loads(row["record"]) for row in rows]
    told["totals"], told["outputs"] = totals(records), outputs_hash(manifest_of(out))
    if disclosure is not None:
        disclosure(told)
    (folder / "disclosure.json").write_bytes(canonical(told))
    root = json.loads((folder / "merkle.json").read_text("utf-8"))["tree"][0]
    data["message"] |= {"merkleRoot": root, "leafCount": len(rows), "reportHash": sha256_hex(canonical(told))}
    if message is not None:
        message(data["message"])
    attestation = build_attestation(data["domain"], data["message"])
    if signed:
        text = sign(bytes.fromhex(attestation["digest"][2:]), KEY)
        address = recover(bytes.fromhex(attestation["digest"][2:]), text)
        attestation = build_attestation(data["domain"], data["message"], [Signature("valuer", address, text)])
    (folder / ATTESTATION).write_text(json.dumps(attestation), "utf-8")
    (folder / FEEDS).write_text(json.dumps(feeds(told, data["message"]["asOf"])), "utf-8")
    tokens = json.loads((folder / TOKENS).read_text("utf-8"))
    tokens["properties"]["attestation_digest"] = attestation["digest"]
    tokens["documents"] = [document(d, f"{FOLDER}/{d}", f"0x{sha256_of(folder / d)}") for d in DOCUMENTS]
    by_name = {f"{r['plantation_id']} {r['right_id']}": r for r in records}
    for token in tokens["tokens"]:
        own = by_name.get(token["name"], {})
        token["properties"] = {k: own[k] for k in token["properties"] if k in own}
    (folder / TOKENS).write_text(json.dumps(tokens), "utf-8")
    entered(out, *(f"{FOLDER}/{n}" for n in ("disclosure.json", ATTESTATION, FEEDS, TOKENS)))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at one place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy
