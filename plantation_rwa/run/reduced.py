"""``verify`` of a folder without records: what it shows, held against the tree and the signed disclosure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from plantation_rwa.attest.checking import Findings
from plantation_rwa.attest.disclosure import pool_texts
from plantation_rwa.attest.hashing import canonical
from plantation_rwa.attest.records import key_hash, record_key
from plantation_rwa.publish.manifest import Manifest
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.valuation.run import records as dicts


def check_reduced(
    root: Path, manifest: Manifest, disclosure: dict[str, Any], dump: dict[str, Any] | None, out: Findings
) -> None:
    """What a reduced profile still shows: pools and sums against the disclosure, hashes of values in the tree."""
    pools = [Published(root, o) for o in manifest.tables("pools")]
    if pools:
        hidden = frozenset(p["pool_id"] for p in disclosure["pools"] if "withheld" in p)
        wanted = [p for p in disclosure["pools"] if manifest.profile != "public" or "withheld" not in p]
        shown = pool_texts(dicts(read_all(pools)), hidden)
        if sorted(map(canonical, shown)) != sorted(map(canonical, wanted)):
            out.fail(pools[0].output.path, "pools are not those of disclosure.json")
    values = [Published(root, o) for o in manifest.tables("valuations")]
    if not values or dump is None:
        return
    rows, leaves = dicts(pd.DataFrame(read_all(values))), {tuple(v["value"]) for v in dump["values"]}
    sums = {total["currency"]: 0 for total in disclosure["totals"]}
    for row in rows:
        key = record_key(str(row["plantation_id"]), str(row["right_id"]), manifest.as_of)
        if (key_hash(key), str(row["record_hash"])) not in leaves:
            out.fail(values[0].output.path, f"record hash of {key} is no leaf of the tree")
        if not pd.isna(row["nav_total_int"]):
            sums[row["currency"]] = sums.get(row["currency"], 0) + int(row["nav_total_int"])
    if len(rows) != len(leaves) or sums != {t["currency"]: int(t["nav_total_int"]) for t in disclosure["totals"]}:
        out.fail(values[0].output.path, "values do not add up to the totals of disclosure.json")
